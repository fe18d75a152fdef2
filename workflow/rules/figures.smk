# metrics, views -> figures; cheap, made again at will


rule plot_accuracy:
    input:
        f"{RESULTS}/studies/{{study}}/{{dataset}}/metrics.csv",
    output:
        figure_files("accuracy", f"{RESULTS}/studies/{{study}}/{{dataset}}/figures"),
    log:
        f"{RESULTS}/logs/plot_accuracy/{{study}}/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_accuracy/{{study}}/{{dataset}}.tsv"
    priority: 1
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=resources.growing(20),
    params:
        definition=definition_of,
        words=words_of,
        cells=lambda wildcards: len(GRID.cells(wildcards.study, wildcards.dataset)),
        stem=lambda wildcards, output: str(Path(output[0]).with_suffix("")),
    message:
        "drawing the accuracy of {wildcards.dataset} in the study {wildcards.study}"
    shell:
        "python -m nullcrop plot-accuracy --metrics {input:q} --definition {params.definition:q} --out {params.stem:q} > {log:q} 2>&1"


rule plot_scores:
    input:
        f"{RESULTS}/studies/{{study}}/{{dataset}}/metrics.csv",
    output:
        figure_files("scores", f"{RESULTS}/studies/{{study}}/{{dataset}}/figures"),
    log:
        f"{RESULTS}/logs/plot_scores/{{study}}/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_scores/{{study}}/{{dataset}}.tsv"
    priority: 1
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=resources.growing(20),
    params:
        definition=definition_of,
        words=words_of,
        stem=lambda wildcards, output: str(Path(output[0]).with_suffix("")),
    message:
        "drawing the scores of {wildcards.dataset} in the study {wildcards.study}"
    shell:
        "python -m nullcrop plot-scores --metrics {input:q} --definition {params.definition:q} --out {params.stem:q} > {log:q} 2>&1"


rule plot_curves:
    input:
        cells_of,
    output:
        figure_files("curves", f"{RESULTS}/studies/{{study}}/{{dataset}}/figures"),
    log:
        f"{RESULTS}/logs/plot_curves/{{study}}/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_curves/{{study}}/{{dataset}}.tsv"
    priority: 1
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=resources.growing(20),
    params:
        definition=definition_of,
        words=words_of,
        cells=folded_cells_of,
        results=results_folder,
        stem=lambda wildcards, output: str(Path(output[0]).with_suffix("")),
    message:
        "drawing the learning curves of {wildcards.dataset} in the study {wildcards.study}"
    shell:
        "python -m nullcrop plot-curves --cells {params.cells:q} --results {params.results:q} "
        "--definition {params.definition:q} --out {params.stem:q} > {log:q} 2>&1"


rule plot_confusion:
    input:
        cells_of,
    output:
        figure_files("confusion", f"{RESULTS}/studies/{{study}}/{{dataset}}/figures"),
    log:
        f"{RESULTS}/logs/plot_confusion/{{study}}/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_confusion/{{study}}/{{dataset}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=resources.growing(20),
    params:
        definition=definition_of,
        words=named_targets_of,
        cells=folded_cells_of,
        results=results_folder,
        stem=lambda wildcards, output: str(Path(output[0]).with_suffix("")),
    message:
        "drawing the confusion matrices of {wildcards.dataset} in the study {wildcards.study}"
    shell:
        "python -m nullcrop plot-confusion --cells {params.cells:q} --results {params.results:q} "
        "--definition {params.definition:q} --out {params.stem:q} > {log:q} 2>&1"


rule plot_verdicts:
    input:
        metrics=f"{RESULTS}/studies/{{study}}/metrics.csv",
        verdicts=f"{RESULTS}/studies/{{study}}/verdicts.csv",
    output:
        figure_files("verdicts", f"{RESULTS}/studies/{{study}}/figures"),
    log:
        f"{RESULTS}/logs/plot_verdicts/{{study}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_verdicts/{{study}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=resources.growing(20),
    params:
        title=lambda wildcards: CONFIG.studies[wildcards.study].title,
        stem=lambda wildcards, output: str(Path(output[0]).with_suffix("")),
    message:
        "drawing the verdicts of the study {wildcards.study}"
    shell:
        "python -m nullcrop plot-verdicts --metrics {input.metrics:q} --verdicts {input.verdicts:q} "
        "--title {params.title:q} --out {params.stem:q} > {log:q} 2>&1"


rule plot_samples:
    input:
        samples=f"{RESULTS}/datasets/{{dataset}}/samples.csv",
        views=expand("{folder}/{view}.json", folder=f"{STORE}/{{dataset}}/views", view=VIEWS),
        pixels=ancient(expand("{folder}/{view}.npy", folder=f"{STORE}/{{dataset}}/views", view=VIEWS)),
    output:
        figure_files("samples", f"{RESULTS}/studies/{{study}}/{{dataset}}/figures"),
    log:
        f"{RESULTS}/logs/plot_samples/{{study}}/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_samples/{{study}}/{{dataset}}.tsv"
    priority: 1
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=resources.growing(20),
    params:
        definition=definition_of,
        targets=lambda wildcards: json.dumps(
            PROJECT.definition(wildcards.dataset).targets(shown_rule(wildcards))
        ),
        labels=shown_rule,
        words=words_of,
        views=lambda wildcards, input: str(Path(input.views[0]).parent),
        crop=crop_of,
        stem=lambda wildcards, output: str(Path(output[0]).with_suffix("")),
    message:
        "drawing sample images of {wildcards.dataset}"
    shell:
        "python -m nullcrop plot-samples --samples {input.samples:q} --views-folder {params.views:q} "
        "--definition {params.definition:q} --labels {params.labels:q} --crop {params.crop} "
        "--out {params.stem:q} > {log:q} 2>&1"
