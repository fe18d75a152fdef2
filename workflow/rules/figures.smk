# tables, cells, views -> figures; cheap, made again at will

# One rule for each figure of the registry: `plot_accuracy`, `plot_samples`, …
for _figure in FIGURES.values():

    rule:
        name:
            f"plot_{_figure.name}"
        input:
            **figure_inputs(_figure),
        output:
            figure_files(
                _figure.name, f"{figure_params.figure_folder(_figure, CONFIG.paths)}/figures", "figure"
            ),
        log:
            f"{RESULTS}/logs/plot_{_figure.name}/{figure_params.figure_axes(_figure)}.log",
        benchmark:
            f"{RESULTS}/benchmarks/plot_{_figure.name}/{figure_params.figure_axes(_figure)}.tsv"
        priority: _figure.priority
        conda:
            ENVIRONMENT
        threads: 1
        resources:
            mem_mb=resources.growing(2000),
            runtime=resources.growing(20),
        params:
            figure=_figure.name,
            flags=figure_flags(_figure),
            words=figure_words(_figure),
            caption=_figure.caption,
            stem=lambda wildcards, output: str(Path(output[0]).with_suffix("")),
        message:
            f"drawing the figure {_figure.name} of "
            + ("{wildcards.dataset} in " if _figure.of == "dataset" else "")
            + "the study {wildcards.study}"
        shell:
            "python -m nullcrop plot-figure --figure {params.figure} {params.flags:q} "
            "--tables {input.tables:q} --out {params.stem:q} > {log:q} 2>&1"
