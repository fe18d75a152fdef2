# image store -> hashes -> duplicates -> leaks, within and between datasets


rule find_duplicates:
    input:
        samples=f"{RESULTS}/datasets/{{dataset}}/samples.csv",
        view=f"{STORE}/{{dataset}}/views/original.json",
        pixels=ancient(f"{STORE}/{{dataset}}/views/original.npy"),
    output:
        hashes=f"{RESULTS}/datasets/{{dataset}}/hashes.csv",
        duplicates=f"{RESULTS}/datasets/{{dataset}}/duplicates.csv",
    log:
        f"{RESULTS}/logs/find_duplicates/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/find_duplicates/{{dataset}}.tsv"
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=resources.growing(4000),
        runtime=resources.growing(120),
    params:
        folder=subpath(output.hashes, parent=True),
    message:
        "looking for duplicates in {wildcards.dataset}"
    shell:
        "python -m nullcrop find-duplicates --samples {input.samples:q} --view {input.view:q} "
        "--out {params.folder:q} --threads {threads} > {log:q} 2>&1"


rule count_leaks:
    input:
        samples=f"{RESULTS}/datasets/{{dataset}}/samples.csv",
        duplicates=f"{RESULTS}/datasets/{{dataset}}/duplicates.csv",
        splits=lambda wildcards: GRID.splits(wildcards.dataset),
    output:
        f"{RESULTS}/datasets/{{dataset}}/leaks.csv",
    log:
        f"{RESULTS}/logs/count_leaks/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/count_leaks/{{dataset}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=resources.growing(20),
    message:
        "counting what the test images of {wildcards.dataset} share with training"
    shell:
        "python -m nullcrop count-leaks --samples {input.samples:q} --duplicates {input.duplicates:q} "
        "--splits {input.splits:q} --out {output:q} > {log:q} 2>&1"


rule compare_datasets:
    input:
        tables=[
            f"{RESULTS}/datasets/{dataset}/{name}"
            for dataset in GRID.values("dataset")
            for name in ("samples.csv", "hashes.csv")
        ],
        views=expand(f"{STORE}/{{dataset}}/views/original.json", dataset=GRID.values("dataset")),
        pixels=ancient(expand(f"{STORE}/{{dataset}}/views/original.npy", dataset=GRID.values("dataset"))),
    output:
        counts=f"{RESULTS}/duplicates.csv",
        pairs=f"{RESULTS}/duplicate_pairs.csv",
    log:
        f"{RESULTS}/logs/compare_datasets.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare_datasets.tsv"
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=resources.growing(8000),
        runtime=resources.growing(60),
    params:
        folders=[f"{RESULTS}/datasets/{dataset}" for dataset in GRID.values("dataset")],
    message:
        "looking for duplicates between datasets"
    shell:
        "python -m nullcrop compare-datasets --folders {params.folders:q} --view-files {input.views:q} "
        "--out {output.counts:q} --pairs {output.pairs:q} --threads {threads} > {log:q} 2>&1"
