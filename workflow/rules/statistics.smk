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


rule compare_published:
    input:
        published=expand("resources/published/{name}.csv", name=PUBLISHED_TABLES),
        metrics=f"{RESULTS}/studies/{{study}}/metrics.csv",
    output:
        f"{RESULTS}/studies/{{study}}/published.csv",
    log:
        f"{RESULTS}/logs/compare_published/{{study}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare_published/{{study}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        definitions=CONFIG.definitions,
        tolerance=CONFIG.tolerance,
        counts=counts_of_published,
    message:
        "putting the published values beside those of the study {wildcards.study}"
    shell:
        "python -m nullcrop compare-published --published {input.published:q} --definitions {params.definitions:q} "
        "--metrics {input.metrics:q} --tolerance {params.tolerance} --out {output:q} > {log:q} 2>&1"


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
