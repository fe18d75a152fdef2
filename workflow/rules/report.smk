# tables and figures -> the pages that people read


# The config as Snakemake was given it, command line included, with one study alone; that study's report takes
# its methods from it, and who asks for standing or verdicts without naming a config finds it here.
rule resolve_config:
    output:
        f"{RESULTS}/report/{{study}}/config.json",
    log:
        f"{RESULTS}/logs/resolve_config/{{study}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/resolve_config/{{study}}.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(1000),
        runtime=resources.growing(10),
    params:
        config=lambda wildcards: CONFIG.of_study(wildcards.study).model_dump_json(exclude_defaults=True),
    message:
        "writing down the config of the study {wildcards.study}"
    shell:
        "python -m nullcrop resolve-config --config {params.config:q} --out {output:q} > {log:q} 2>&1"


# The report reads some facts of a finished cell (curves, versions) from its folder. Its inputs are the
# tables alone, which change when the cell does.
rule write_report:
    input:
        lambda wildcards: GRID.report_inputs(wildcards.study),
        config=f"{RESULTS}/report/{{study}}/config.json",
    output:
        f"{RESULTS}/report/{{study}}/index.html",
    log:
        f"{RESULTS}/logs/write_report/{{study}}/index.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_report/{{study}}/index.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(4000),
        runtime=resources.growing(60),
    params:
        # It is a function, because braces in a definition are no wildcards.
        definitions=lambda wildcards: dataset_params.report_words(PROJECT, GRID.datasets(wildcards.study)),
    message:
        "writing the report of the study {wildcards.study}"
    shell:
        "python -m nullcrop report --configfile {input.config:q} --study {wildcards.study:q} "
        "--out {output:q} > {log:q} 2>&1"


rule write_dataset_report:
    input:
        lambda wildcards: GRID.report_inputs(wildcards.study, wildcards.dataset),
        config=f"{RESULTS}/report/{{study}}/config.json",
    output:
        f"{RESULTS}/report/{{study}}/{{dataset}}.html",
    log:
        f"{RESULTS}/logs/write_report/{{study}}/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_report/{{study}}/{{dataset}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(4000),
        runtime=resources.growing(60),
    params:
        definitions=lambda wildcards: dataset_params.report_words(PROJECT, [wildcards.dataset]),
    message:
        "writing the report of {wildcards.dataset} in the study {wildcards.study}"
    shell:
        "python -m nullcrop report --configfile {input.config:q} --study {wildcards.study:q} "
        "--only {wildcards.dataset:q} --out {output:q} > {log:q} 2>&1"


# Of all studies that the results hold, also those of other configs.
rule write_report_index:
    input:
        [GRID.report_path(study) for study in GRID.studies],
        GRID.calibration_results(),
    output:
        f"{RESULTS}/report/index.html",
    log:
        f"{RESULTS}/logs/write_report_index.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_report_index.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=resources.growing(20),
    params:
        results=lambda wildcards: RESULTS,
    message:
        "writing the page that leads to every study's report"
    shell:
        "python -m nullcrop report-index --results {params.results:q} --out {output:q} > {log:q} 2>&1"
