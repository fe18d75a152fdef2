# tables and figures -> the page that people read


# The config as Snakemake was given it, command line included; the report takes its methods from it.
rule resolve_config:
    output:
        f"{RESULTS}/config.json",
    log:
        f"{RESULTS}/logs/resolve_config.log",
    benchmark:
        f"{RESULTS}/benchmarks/resolve_config.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(1000),
        runtime=resources.growing(10),
    params:
        config=CONFIG.model_dump_json(exclude_defaults=True),
    message:
        "writing down the config"
    shell:
        "python -m nullcrop resolve-config --config {params.config:q} --out {output:q} > {log:q} 2>&1"


# The report reads some facts of a finished cell (curves, versions) from its folder. Its inputs are the
# tables alone, which change when the cell does.
rule write_report:
    input:
        GRID.report_inputs(),
        config=f"{RESULTS}/config.json",
    output:
        f"{RESULTS}/report/index.html",
    log:
        f"{RESULTS}/logs/write_report/index.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_report/index.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(4000),
        runtime=resources.growing(60),
    params:
        # It is a function, because braces in a definition are no wildcards.
        definitions=lambda wildcards: dataset_params.report_words(PROJECT, GRID.values("dataset")),
    message:
        "writing the report"
    shell:
        "python -m nullcrop report --configfile {input.config:q} --out {output:q} > {log:q} 2>&1"


rule write_dataset_report:
    input:
        lambda wildcards: GRID.report_inputs(wildcards.dataset),
        config=f"{RESULTS}/config.json",
    output:
        f"{RESULTS}/report/{{dataset}}.html",
    log:
        f"{RESULTS}/logs/write_report/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_report/{{dataset}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(4000),
        runtime=resources.growing(60),
    params:
        definitions=lambda wildcards: dataset_params.report_words(PROJECT, [wildcards.dataset]),
    message:
        "writing the report of {wildcards.dataset}"
    shell:
        "python -m nullcrop report --configfile {input.config:q} --only {wildcards.dataset:q} "
        "--out {output:q} > {log:q} 2>&1"
