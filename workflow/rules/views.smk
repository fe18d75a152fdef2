# samples.csv -> image store: every image decoded once, every view packed


rule crop_views:
    input:
        f"{RESULTS}/datasets/{{dataset}}/samples.csv",
    output:
        expand(
            "{folder}/{view}.{suffix}",
            folder=f"{STORE}/{{dataset}}/views",
            view=views_made_always(),
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
        views=" ".join(views_made_always()),
        crop=packing_of,
    message:
        "cropping and packing the views of {wildcards.dataset}"
    shell:
        "python -m nullcrop crop-views --samples {input:q} --out {params.folder:q} --views {params.views} "
        "--crop {params.crop} --threads {threads} > {log:q} 2>&1"


# A further view is made where a study names it.
rule crop_further_view:
    input:
        samples=f"{RESULTS}/datasets/{{dataset}}/samples.csv",
        masks=of_dataset(dataset_files.masks_of_view, "view"),
    output:
        f"{STORE}/{{dataset}}/views/{{view}}.npy",
        f"{STORE}/{{dataset}}/views/{{view}}.json",
    log:
        f"{RESULTS}/logs/crop_further_view/{{dataset}}/{{view}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/crop_further_view/{{dataset}}/{{view}}.tsv"
    wildcard_constraints:
        view=view_pattern(further=True),
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=resources.growing(4000),
        runtime=resources.growing(240),
    params:
        folder=subpath(output[0], parent=True),
        crop=of_dataset(dataset_params.cutting_param, "view"),
    message:
        "cutting and packing the view {wildcards.view} of {wildcards.dataset}"
    shell:
        "python -m nullcrop crop-views --samples {input.samples:q} --out {params.folder:q} "
        "--views {wildcards.view} --crop {params.crop:q} --threads {threads} > {log:q} 2>&1"


# Crops at the places between the study's own: each image is decoded once for all of them.
rule crop_places:
    input:
        f"{RESULTS}/datasets/{{dataset}}/samples.csv",
    output:
        expand(
            "{folder}/{view}.{suffix}",
            folder=f"{STORE}/{{dataset}}/views",
            view=places_between(),
            suffix=["npy", "json"],
        ),
    log:
        f"{RESULTS}/logs/crop_places/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/crop_places/{{dataset}}.tsv"
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=resources.growing(4000),
        runtime=resources.growing(240),
    params:
        folder=subpath(output[0], parent=True),
        views=" ".join(places_between()),
        crop=of_dataset(dataset_params.plain_cutting_param),
    message:
        "cropping {wildcards.dataset} at the places of a grid"
    shell:
        "python -m nullcrop crop-views --samples {input:q} --out {params.folder:q} --views {params.views} "
        "--crop {params.crop:q} --threads {threads} > {log:q} 2>&1"


rule count_lesions:
    input:
        samples=f"{RESULTS}/datasets/{{dataset}}/samples.csv",
        masks=of_dataset(dataset_files.masks_from),
    output:
        counts=f"{RESULTS}/datasets/{{dataset}}/masks.csv",
        means=f"{RESULTS}/datasets/{{dataset}}/masks.npy",
        shares=f"{RESULTS}/datasets/{{dataset}}/mask_shares.csv",
    log:
        f"{RESULTS}/logs/count_lesions/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/count_lesions/{{dataset}}.tsv"
    wildcard_constraints:
        dataset=any_of(MASKED),
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=resources.growing(2000),
        runtime=resources.growing(60),
    params:
        folder=subpath(output.counts, parent=True),
        crop=of_dataset(dataset_params.crop_param),
        masks=of_dataset(dataset_params.mask_options),
    message:
        "counting how often crops of {wildcards.dataset} touch a lesion"
    shell:
        "python -m nullcrop count-lesions --samples {input.samples:q} --out {params.folder:q} "
        "--crop {params.crop} {params.masks:q} --threads {threads} > {log:q} 2>&1"


# What a treatment makes of the images, whole and cropped: each image is decoded and treated once.
rule treat_images:
    input:
        f"{RESULTS}/datasets/{{dataset}}/samples.csv",
    output:
        expand(
            "{folder}/{view}.{suffix}",
            folder=f"{STORE}/{{dataset}}/views",
            view=views_of_treatment("{treatment}"),
            suffix=["npy", "json"],
        ),
    log:
        f"{RESULTS}/logs/treat_images/{{dataset}}/{{treatment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/treat_images/{{dataset}}/{{treatment}}.tsv"
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=resources.growing(8000),
        runtime=resources.growing(240),
    params:
        folder=subpath(output[0], parent=True),
        views=lambda wildcards: views_of_treatment(wildcards.treatment),
        crop=of_dataset(dataset_params.plain_cutting_param),
    message:
        "treating the images of {wildcards.dataset}: {wildcards.treatment}"
    shell:
        "python -m nullcrop crop-views --samples {input:q} --out {params.folder:q} --views {params.views} "
        "--crop {params.crop:q} --threads {threads} > {log:q} 2>&1"
