# samples.csv -> image store: every image decoded once, every view packed


rule crop_views:
    input:
        f"{RESULTS}/datasets/{{dataset}}/samples.csv",
    output:
        expand(
            "{folder}/{view}.{suffix}",
            folder=f"{STORE}/{{dataset}}/views",
            view=VIEWS,
            suffix=["npy", "json"],
        ),
    log:
        f"{RESULTS}/logs/crop_views/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/crop_views/{{dataset}}.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        mem_mb=resources.growing(4000),
        runtime=resources.growing(240),
    params:
        folder=subpath(output[0], parent=True),
        views=" ".join(VIEWS),
        crop=f"{CONFIG.crop.width}x{CONFIG.crop.height}",
    message:
        "cropping and packing the views of {wildcards.dataset}"
    shell:
        "python -m nullcrop crop-views --samples {input:q} --out {params.folder:q} --views {params.views} "
        "--crop {params.crop} --threads {threads} > {log:q} 2>&1"
