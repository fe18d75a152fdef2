# generated datasets -> predictions -> what is said of each -> how often the audit raises an alarm


rule audit_phantoms:
    output:
        f"{RESULTS}/calibration/predictions/{{batch}}.csv",
    log:
        f"{RESULTS}/logs/audit_phantoms/{{batch}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/audit_phantoms/{{batch}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=lambda wildcards, attempt: resources.minutes([BATCHES[wildcards.batch].seconds], attempt),
    params:
        source=lambda wildcards: BATCHES[wildcards.batch].source.model_dump_json(exclude_defaults=True),
        datasets=lambda wildcards: BATCHES[wildcards.batch].datasets,
        splits=lambda wildcards: BATCHES[wildcards.batch].splits,
        recipe=lambda wildcards: CONFIG.all_recipes[CONFIG.calibration.recipe].to_json(),
    message:
        "auditing generated datasets: {wildcards.batch}"
    shell:
        "python -m nullcrop audit-phantoms --phantom {params.source:q} --datasets {params.datasets} "
        "--protocols {params.splits:q} --recipe {params.recipe:q} --out {output:q} > {log:q} 2>&1"


# Apart from the training, so that another statistic trains nothing again.
rule judge_phantoms:
    input:
        f"{RESULTS}/calibration/predictions/{{batch}}.csv",
    output:
        f"{RESULTS}/calibration/judged/{{batch}}.csv",
    log:
        f"{RESULTS}/logs/judge_phantoms/{{batch}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/judge_phantoms/{{batch}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=resources.growing(20),
    params:
        level=CONFIG.calibration.level if CONFIG.calibration else [],
    message:
        "judging generated datasets: {wildcards.batch}"
    shell:
        "python -m nullcrop judge-phantoms --table {input:q} --level {params.level} --out {output:q} "
        "> {log:q} 2>&1"


rule count_alarms:
    input:
        expand(f"{RESULTS}/calibration/judged/{{batch}}.csv", batch=BATCHES),
    output:
        f"{RESULTS}/calibration/table.csv",
    log:
        f"{RESULTS}/logs/count_alarms.log",
    benchmark:
        f"{RESULTS}/benchmarks/count_alarms.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=resources.growing(20),
    message:
        "counting the audit's alarms on generated datasets"
    shell:
        "python -m nullcrop count-alarms --tables {input:q} --out {output:q} > {log:q} 2>&1"


rule plot_calibration:
    input:
        f"{RESULTS}/calibration/table.csv",
    output:
        figure_files("calibration", f"{RESULTS}/calibration", "calibration"),
    log:
        f"{RESULTS}/logs/plot_calibration.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_calibration.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=resources.growing(20),
    params:
        style=figure_params.style_flags(PROJECT),
        stem=lambda wildcards, output: str(Path(output[0]).with_suffix("")),
    message:
        "drawing the calibration"
    shell:
        "python -m nullcrop plot-calibration --table {input:q} {params.style:q} --out {params.stem:q} "
        "> {log:q} 2>&1"
