# samples.csv -> which images are trained on, watched, tested; shared by all cells of a dataset


rule split_samples:
    input:
        samples=f"{RESULTS}/datasets/{{dataset}}/samples.csv",
        duplicates=of_dataset(dataset_files.kept_together),
        attributes=of_dataset(dataset_files.matched_on, "split"),
    output:
        f"{RESULTS}/splits/{{dataset}}/{{labels}}/{{split}}/seed{{seed}}.csv",
    log:
        f"{RESULTS}/logs/split_samples/{{dataset}}/{{labels}}/{{split}}/seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/split_samples/{{dataset}}/{{labels}}/{{split}}/seed{{seed}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=resources.growing(20),
    params:
        definition=of_dataset(Project.definition_path),
        targets=of_dataset(dataset_params.targets_param, "labels"),
    message:
        "splitting {wildcards.dataset}: {wildcards.split}, seed {wildcards.seed}"
    shell:
        "python -m nullcrop split-samples --samples {input.samples:q} --duplicates {input.duplicates:q} "
        "--attributes-table {input.attributes:q} --definition {params.definition:q} "
        "--labels {wildcards.labels:q} --protocol {wildcards.split:q} "
        "--seed {wildcards.seed} --out {output:q} > {log:q} 2>&1"
