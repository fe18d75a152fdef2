# predictions -> metrics


rule compute_metrics:
    input:
        cells_of,
    output:
        f"{RESULTS}/studies/{{study}}/{{dataset}}/metrics.csv",
    log:
        f"{RESULTS}/logs/compute_metrics/{{study}}/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/compute_metrics/{{study}}/{{dataset}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        cells=lambda wildcards: [
            f"{RESULTS}/cells/{cell.path}" for cell in GRID.cells(wildcards.study, wildcards.dataset)
        ],
    message:
        "metrics of {wildcards.dataset} in the study {wildcards.study}"
    shell:
        "python -m nullcrop compute-metrics --cells {params.cells:q} --out {output:q} > {log:q} 2>&1"


rule join_metrics:
    input:
        lambda wildcards: [
            f"{RESULTS}/studies/{wildcards.study}/{dataset}/metrics.csv"
            for dataset in GRID.datasets(wildcards.study)
        ],
    output:
        f"{RESULTS}/studies/{{study}}/metrics.csv",
    log:
        f"{RESULTS}/logs/join_metrics/{{study}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/join_metrics/{{study}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    message:
        "metrics of the whole study {wildcards.study}"
    shell:
        "python -m nullcrop join-metrics --tables {input:q} --out {output:q} > {log:q} 2>&1"


# The published tables are committed; they do not move with the config's `resources`.
rule list_discrepancies:
    input:
        expand("resources/published/{name}.csv", name=PUBLISHED_TABLES),
    output:
        f"{RESULTS}/discrepancies.csv",
    log:
        f"{RESULTS}/logs/list_discrepancies.log",
    benchmark:
        f"{RESULTS}/benchmarks/list_discrepancies.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        definitions=CONFIG.definitions,
        counts=counts_of_published,
    message:
        "comparing the published numbers with counts and arithmetic"
    shell:
        "python -m nullcrop list-discrepancies --published {input:q} --definitions {params.definitions:q} "
        "--out {output:q} > {log:q} 2>&1"


# One dataset at a time, so that it needs no other dataset's images.
rule compare_counts:
    input:
        published=expand("resources/published/{name}.csv", name=PUBLISHED_TABLES),
        counted=f"{RESULTS}/datasets/{{dataset}}/dataset.json",
    output:
        f"{RESULTS}/datasets/{{dataset}}/discrepancies.csv",
    log:
        f"{RESULTS}/logs/compare_counts/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare_counts/{{dataset}}.tsv"
    wildcard_constraints:
        dataset=any_of(PUBLISHED),
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        definitions=CONFIG.definitions,
        counts=counts_of_published,
    message:
        "comparing the published numbers with the files of {wildcards.dataset}"
    shell:
        "python -m nullcrop list-discrepancies --published {input.published:q} "
        "--definitions {params.definitions:q} --counted {input.counted:q} --out {output:q} > {log:q} 2>&1"
