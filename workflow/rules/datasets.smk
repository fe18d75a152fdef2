# source -> archive -> samples.csv


rule generate_images:
    output:
        f"{RESOURCES}/archives/{{dataset}}/archive.json",
    log:
        f"{RESULTS}/logs/generate_images/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/generate_images/{{dataset}}.tsv"
    wildcard_constraints:
        dataset=whose_source_is("generated"),
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(1000),
        runtime=resources.growing(10),
    params:
        definition=of_dataset(Project.definition_path),
        source=of_dataset(dataset_params.source_param),
        folder=subpath(output[0], parent=True),
    message:
        "generating the images of {wildcards.dataset}"
    shell:
        "python -m nullcrop generate-images --definition {params.definition:q} --out {params.folder:q} "
        "> {log:q} 2>&1"


rule fetch_archive:
    input:
        of_dataset(dataset_files.fetched_from),
    output:
        f"{RESOURCES}/archives/{{dataset}}/archive.json",
    log:
        f"{RESULTS}/logs/fetch_archive/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/fetch_archive/{{dataset}}.tsv"
    wildcard_constraints:
        dataset=whose_source_is("fetched"),
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=resources.growing(720),
    params:
        definition=of_dataset(Project.definition_path),
        source=of_dataset(dataset_params.source_param),
        folder=subpath(output[0], parent=True),
    message:
        "fetching {wildcards.dataset}"
    shell:
        "python -m nullcrop fetch-archive --definition {params.definition:q} --out {params.folder:q} "
        "> {log:q} 2>&1"


rule fetch_masks:
    output:
        f"{RESOURCES}/masks/{{dataset}}/masks.json",
    log:
        f"{RESULTS}/logs/fetch_masks/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/fetch_masks/{{dataset}}.tsv"
    wildcard_constraints:
        dataset=any_of(MASKED),
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=resources.growing(240),
    params:
        files=of_dataset(dataset_params.masks_address),
        folder=subpath(output[0], parent=True),
    message:
        "fetching the masks of {wildcards.dataset}"
    shell:
        "python -m nullcrop fetch-masks --files {params.files:q} --out {params.folder:q} > {log:q} 2>&1"


rule list_samples:
    input:
        of_dataset(dataset_files.listed_from),
    output:
        samples=f"{RESULTS}/datasets/{{dataset}}/samples.csv",
        counts=f"{RESULTS}/datasets/{{dataset}}/dataset.json",
    log:
        f"{RESULTS}/logs/list_samples/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/list_samples/{{dataset}}.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        mem_mb=resources.growing(4000),
        runtime=resources.growing(120),
    params:
        definition=of_dataset(Project.definition_path),
        listing=of_dataset(dataset_params.listing_param),
        archive=of_dataset(dataset_params.archive_param),
        folder=subpath(output.samples, parent=True),
    message:
        "listing and checking the images of {wildcards.dataset}"
    shell:
        "python -m nullcrop list-samples --dataset {wildcards.dataset:q} --definition {params.definition:q} "
        "--archive {params.archive:q} --out {params.folder:q} --threads {threads} > {log:q} 2>&1"


# It runs once, before the first job, and in no dry run; jobs on other machines do not run it.
onstart:
    check_places()
    check_downloads()
    tell_what_could_be_seen()
    tell_how_long_the_calibration_takes()
