# predictions -> metrics; predictions -> readers and comparisons -> verdicts
# Steps of a finished dataset, here and in figures.smk, go before cells of another (`priority`).


rule compute_metrics:
    input:
        cells_of,
    output:
        f"{RESULTS}/studies/{{study}}/{{dataset}}/metrics.csv",
    log:
        f"{RESULTS}/logs/compute_metrics/{{study}}/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/compute_metrics/{{study}}/{{dataset}}.tsv"
    priority: 1
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=resources.growing(20),
    params:
        cells=folded_cells_of,
        results=results_folder,
        field=of_dataset(dataset_params.field_param),
    message:
        "metrics of {wildcards.dataset} in the study {wildcards.study}"
    shell:
        "python -m nullcrop compute-metrics --cells {params.cells:q} --results {params.results:q} "
        "--field {params.field} --out {output:q} > {log:q} 2>&1"


rule judge_readers:
    input:
        cells_of,
    output:
        f"{RESULTS}/studies/{{study}}/{{dataset}}/readers.csv",
    log:
        f"{RESULTS}/logs/judge_readers/{{study}}/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/judge_readers/{{study}}/{{dataset}}.tsv"
    priority: 1
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(3000),
        runtime=resources.growing(30),
    params:
        cells=folded_cells_of,
        results=results_folder,
        field=of_dataset(dataset_params.field_param),
        level=CONFIG.verdict.level,
    message:
        "judging the readers of {wildcards.dataset} in the study {wildcards.study}"
    shell:
        "python -m nullcrop judge-readers --cells {params.cells:q} --results {params.results:q} "
        "--field {params.field} --level {params.level} --out {output:q} > {log:q} 2>&1"


rule compare_cells:
    input:
        cells_of,
    output:
        f"{RESULTS}/studies/{{study}}/{{dataset}}/comparisons.csv",
    log:
        f"{RESULTS}/logs/compare_cells/{{study}}/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare_cells/{{study}}/{{dataset}}.tsv"
    priority: 1
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=resources.growing(20),
    params:
        cells=folded_cells_of,
        results=results_folder,
        field=of_dataset(dataset_params.field_param),
    message:
        "comparing the cells of {wildcards.dataset} in the study {wildcards.study}"
    shell:
        "python -m nullcrop compare-cells --cells {params.cells:q} --results {params.results:q} "
        "--field {params.field} --out {output:q} > {log:q} 2>&1"


# Where labels are trained on and tested on: does the null allow for that?
rule check_inflation:
    input:
        splits=checked_splits,
        views=lambda wildcards: [
            f"{STORE}/{wildcards.dataset}/views/{view}.json" for view in checked("view", wildcards)
        ],
        pixels=lambda wildcards: ancient(
            [f"{STORE}/{wildcards.dataset}/views/{view}.npy" for view in checked("view", wildcards)]
        ),
    output:
        f"{RESULTS}/studies/{{study}}/{{dataset}}/inflation.csv",
    log:
        f"{RESULTS}/logs/check_inflation/{{study}}/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/check_inflation/{{study}}/{{dataset}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(4000),
        runtime=resources.growing(60),
    params:
        folder=lambda wildcards: f"{STORE}/{wildcards.dataset}/views",
        views=lambda wildcards: checked("view", wildcards),
        baselines=lambda wildcards: checked("architecture", wildcards),
    message:
        "refitting the pixel baselines of {wildcards.dataset} on permuted labels"
    shell:
        "python -m nullcrop check-inflation --splits {input.splits:q} --views-folder {params.folder:q} "
        "--on {params.views} --baselines {params.baselines} --out {output:q} > {log:q} 2>&1"


rule judge_dataset:
    input:
        unpack(inflation_of_dataset),
        readers=f"{RESULTS}/studies/{{study}}/{{dataset}}/readers.csv",
        comparisons=f"{RESULTS}/studies/{{study}}/{{dataset}}/comparisons.csv",
    output:
        f"{RESULTS}/studies/{{study}}/{{dataset}}/verdicts.csv",
    log:
        f"{RESULTS}/logs/judge_dataset/{{study}}/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/judge_dataset/{{study}}/{{dataset}}.tsv"
    priority: 1
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(1000),
        runtime=resources.growing(20),
    params:
        cells=folded_cells_of,
        definition=of_dataset(Project.definition_path),
        words=of_dataset(dataset_params.verdict_words),
        thresholds=CONFIG.verdict.model_dump_json(),
        inflation=lambda wildcards, input: (
            ["--inflation", input.inflation] if "inflation" in input.keys() else []
        ),
    message:
        "verdict on {wildcards.dataset} in the study {wildcards.study}"
    shell:
        "python -m nullcrop judge-dataset --readers {input.readers:q} --comparisons {input.comparisons:q} "
        "--cells {params.cells:q} --definition {params.definition:q} --thresholds {params.thresholds:q} "
        "{params.inflation:q} --out {output:q} > {log:q} 2>&1"


rule join_metrics:
    input:
        tables_of("metrics"),
    output:
        shown_table(
            f"{RESULTS}/studies/{{study}}/metrics.csv", "metrics_table", table="metrics", study="{study}"
        ),
    log:
        f"{RESULTS}/logs/join_metrics/{{study}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/join_metrics/{{study}}.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=resources.growing(20),
    message:
        "metrics of the whole study {wildcards.study}"
    shell:
        "python -m nullcrop join-metrics --tables {input:q} --out {output:q} > {log:q} 2>&1"


rule join_readers:
    input:
        tables_of("readers"),
    output:
        shown_table(
            f"{RESULTS}/studies/{{study}}/readers.csv", "readers_table", table="readers", study="{study}"
        ),
    log:
        f"{RESULTS}/logs/join_readers/{{study}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/join_readers/{{study}}.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=resources.growing(20),
    message:
        "readers of the whole study {wildcards.study}"
    shell:
        "python -m nullcrop join-tables --tables {input:q} --out {output:q} > {log:q} 2>&1"


rule join_comparisons:
    input:
        tables_of("comparisons"),
    output:
        shown_table(
            f"{RESULTS}/studies/{{study}}/comparisons.csv",
            "comparisons_table",
            table="comparisons",
            study="{study}",
        ),
    log:
        f"{RESULTS}/logs/join_comparisons/{{study}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/join_comparisons/{{study}}.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=resources.growing(20),
    message:
        "comparisons of the whole study {wildcards.study}"
    shell:
        "python -m nullcrop join-tables --tables {input:q} --out {output:q} > {log:q} 2>&1"


rule join_verdicts:
    input:
        tables_of("verdicts"),
    output:
        shown_table(
            f"{RESULTS}/studies/{{study}}/verdicts.csv", "verdicts_table", table="verdicts", study="{study}"
        ),
    log:
        f"{RESULTS}/logs/join_verdicts/{{study}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/join_verdicts/{{study}}.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=resources.growing(20),
    message:
        "verdicts of the whole study {wildcards.study}"
    shell:
        "python -m nullcrop join-verdicts --tables {input:q} --out {output:q} > {log:q} 2>&1"


rule compare_published:
    input:
        published=PUBLISHED_FILES,
        metrics=f"{RESULTS}/studies/{{study}}/metrics.csv",
    output:
        shown_table(
            f"{RESULTS}/studies/{{study}}/published.csv",
            "published_table",
            table="published",
            study="{study}",
        ),
    log:
        f"{RESULTS}/logs/compare_published/{{study}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare_published/{{study}}.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=resources.growing(20),
    params:
        definitions=CONFIG.definitions,
        tolerance=CONFIG.tolerance,
        counts=lambda wildcards: dataset_params.published_counts(PROJECT),
    message:
        "putting the published values beside those of the study {wildcards.study}"
    shell:
        "python -m nullcrop compare-published --published {input.published:q} "
        "--definitions {params.definitions:q} "
        "--metrics {input.metrics:q} --tolerance {params.tolerance} --out {output:q} > {log:q} 2>&1"


rule list_discrepancies:
    input:
        PUBLISHED_FILES,
    output:
        shown_table(f"{RESULTS}/discrepancies.csv", "discrepancies_table", table="discrepancies"),
    log:
        f"{RESULTS}/logs/list_discrepancies.log",
    benchmark:
        f"{RESULTS}/benchmarks/list_discrepancies.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(1000),
        runtime=resources.growing(10),
    params:
        definitions=CONFIG.definitions,
        counts=lambda wildcards: dataset_params.published_counts(PROJECT),
    message:
        "comparing the published numbers with counts and arithmetic"
    shell:
        "python -m nullcrop list-discrepancies --published {input:q} --definitions {params.definitions:q} "
        "--out {output:q} > {log:q} 2>&1"


# One dataset at a time, so that no other dataset's images are needed.
rule compare_counts:
    input:
        published=PUBLISHED_FILES,
        counted=f"{RESULTS}/datasets/{{dataset}}/dataset.json",
    output:
        f"{RESULTS}/datasets/{{dataset}}/discrepancies.csv",
    log:
        f"{RESULTS}/logs/compare_counts/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare_counts/{{dataset}}.tsv"
    wildcard_constraints:
        dataset=any_of(PUBLISHED),
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(1000),
        runtime=resources.growing(10),
    params:
        definitions=CONFIG.definitions,
        counts=lambda wildcards: dataset_params.published_counts(PROJECT),
    message:
        "comparing the published numbers with the files of {wildcards.dataset}"
    shell:
        "python -m nullcrop list-discrepancies --published {input.published:q} "
        "--definitions {params.definitions:q} --counted {input.counted:q} --out {output:q} > {log:q} 2>&1"
