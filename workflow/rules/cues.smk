# images, splits, cells -> where and what is read, and what takes it away


rule map_leaks:
    input:
        samples=f"{RESULTS}/datasets/{{dataset}}/samples.csv",
        view=f"{STORE}/{{dataset}}/views/original.json",
        pixels=ancient(f"{STORE}/{{dataset}}/views/original.npy"),
        splits=mapped_splits,
    output:
        table=f"{RESULTS}/studies/{{study}}/{{dataset}}/leak_map.csv",
        means=f"{RESULTS}/studies/{{study}}/{{dataset}}/leak_map.npy",
    log:
        f"{RESULTS}/logs/map_leaks/{{study}}/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/map_leaks/{{study}}/{{dataset}}.tsv"
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=resources.growing(6000),
        runtime=resources.growing(120),
    params:
        settings=of_dataset(dataset_params.leak_map_param),
        level=CONFIG.verdict.level,
    message:
        "reading {wildcards.dataset} from a small window at each place"
    shell:
        "python -m nullcrop map-leaks --samples {input.samples:q} --view {input.view:q} "
        "--splits {input.splits:q} --settings {params.settings:q} --level {params.level} "
        "--threads {threads} --means {output.means:q} --out {output.table:q} > {log:q} 2>&1"


rule list_attributes:
    input:
        of_dataset(dataset_files.attribute_tables),
        samples=f"{RESULTS}/datasets/{{dataset}}/samples.csv",
    output:
        f"{RESULTS}/datasets/{{dataset}}/attributes.csv",
    log:
        f"{RESULTS}/logs/list_attributes/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/list_attributes/{{dataset}}.tsv"
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=resources.growing(4000),
        runtime=resources.growing(120),
    params:
        definition=of_dataset(Project.definition_path),
        attributes=of_dataset(dataset_params.attributes_param),
        archive=f"{RESOURCES}/archives/{{dataset}}",
    message:
        "listing what else is known of the images of {wildcards.dataset}"
    shell:
        "python -m nullcrop list-attributes --dataset {wildcards.dataset:q} "
        "--definition {params.definition:q} --samples {input.samples:q} --archive {params.archive:q} "
        "--threads {threads} --out {output:q} > {log:q} 2>&1"


rule read_attributes:
    input:
        judging_cells_of,
        attributes=f"{RESULTS}/datasets/{{dataset}}/attributes.csv",
        samples=f"{RESULTS}/datasets/{{dataset}}/samples.csv",
        view=f"{STORE}/{{dataset}}/views/original.json",
        pixels=ancient(f"{STORE}/{{dataset}}/views/original.npy"),
        splits=mapped_splits,
    output:
        f"{RESULTS}/studies/{{study}}/{{dataset}}/attributes.csv",
    log:
        f"{RESULTS}/logs/read_attributes/{{study}}/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/read_attributes/{{study}}/{{dataset}}.tsv"
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=resources.growing(6000),
        runtime=resources.growing(120),
    params:
        cells=folded_judging_cells_of,
        results=results_folder,
        crop=of_dataset(dataset_params.crop_param),
        level=CONFIG.verdict.level,
    message:
        "asking through which attributes {wildcards.dataset} may leak"
    shell:
        "python -m nullcrop read-attributes --attributes {input.attributes:q} --samples {input.samples:q} "
        "--view {input.view:q} --splits {input.splits:q} --cells {params.cells:q} "
        "--results {params.results:q} --crop {params.crop} --level {params.level} --threads {threads} "
        "--out {output:q} > {log:q} 2>&1"


rule read_spectrum:
    input:
        samples=f"{RESULTS}/datasets/{{dataset}}/samples.csv",
        view=f"{STORE}/{{dataset}}/views/original.json",
        pixels=ancient(f"{STORE}/{{dataset}}/views/original.npy"),
        splits=mapped_splits,
    output:
        f"{RESULTS}/studies/{{study}}/{{dataset}}/spectrum.csv",
    log:
        f"{RESULTS}/logs/read_spectrum/{{study}}/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/read_spectrum/{{study}}/{{dataset}}.tsv"
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=resources.growing(6000),
        runtime=resources.growing(240),
    params:
        settings=of_dataset(dataset_params.spectrum_param),
        crop=of_dataset(dataset_params.crop_param),
        level=CONFIG.verdict.level,
    message:
        "reading {wildcards.dataset} from each kind of information"
    shell:
        "python -m nullcrop read-spectrum --samples {input.samples:q} --view {input.view:q} "
        "--splits {input.splits:q} --settings {params.settings:q} --crop {params.crop} "
        "--level {params.level} --threads {threads} --out {output:q} > {log:q} 2>&1"


# Weights of finished cells are not kept: the network is trained once more, beside the cell.
rule explain_cell:
    input:
        unpack(cell_inputs),
        cell=[f"{RESULTS}/cells/{CELL_PATH}/{name}" for name in CELL_FILES],
        samples=f"{RESULTS}/datasets/{{dataset}}/samples.csv",
        masks=explained_masks_of,
    output:
        table=f"{RESULTS}/saliency/{CELL_PATH}.csv",
        maps=f"{RESULTS}/saliency/{CELL_PATH}.npz",
    log:
        f"{RESULTS}/logs/explain_cell/{CELL_PATH}.log",
    benchmark:
        f"{RESULTS}/benchmarks/explain_cell/{CELL_PATH}.tsv"
    wildcard_constraints:
        view="original",
    conda:
        ENVIRONMENT
    threads: threads_of(lambda wildcards: [cell_of(wildcards)])
    resources:
        mem_mb=memory_of,
        runtime=lambda wildcards, attempt: resources.minutes(
            [training_params.explaining_seconds(PROJECT, cell_of(wildcards))], attempt
        ),
        gpu=resources.training_gpus(CONFIG.device),
    params:
        recipe=recipe_of,
        numerics=NUMERICS,
        cell=CELL_PATH,
        settings=dataset_params.saliency_param(PROJECT),
        masks=explained_mask_options_of,
        weights=lambda wildcards, input: ["--weights", input.weights] if "weights" in input.keys() else [],
        demand=lambda wildcards, input: training_params.demand_flags(GRID, [cell_of(wildcards)]),
        granted=granted_of,
        plain=plain_of,
        finished=lambda wildcards: f"{RESULTS}/cells",
        work=f"{WORK}/cells/{CELL_PATH}{AGAIN}",
    message:
        "asking what {params.cell} looks at"
    shell:
        "python -m nullcrop explain-cell --cell {params.cell:q} --view {input.view:q} "
        "--split {input.split:q} {params.weights:q} --recipe {params.recipe:q} "
        "--device {params.numerics} {params.plain:q} {params.granted:q} {params.demand:q} "
        "--samples {input.samples:q} {params.masks:q} "
        "--settings {params.settings:q} --threads {threads} --finished {params.finished:q} "
        "--work {params.work:q} --maps {output.maps:q} --out {output.table:q} > {log:q} 2>&1"


rule join_saliency:
    input:
        explained_cells_of,
    output:
        table=f"{RESULTS}/studies/{{study}}/{{dataset}}/saliency.csv",
        maps=f"{RESULTS}/studies/{{study}}/{{dataset}}/saliency.npz",
    log:
        f"{RESULTS}/logs/join_saliency/{{study}}/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/join_saliency/{{study}}/{{dataset}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=resources.growing(20),
    params:
        cells=lambda wildcards: fold_cells(GRID.explained_cells(wildcards.study, wildcards.dataset)),
        results=results_folder,
        level=CONFIG.verdict.level,
    message:
        "putting together what networks look at in {wildcards.dataset}"
    shell:
        "python -m nullcrop join-saliency --cells {params.cells:q} --results {params.results:q} "
        "--level {params.level} --maps {output.maps:q} --out {output.table:q} > {log:q} 2>&1"


# The same cells on treated images: what did a treatment remove, and what did it cost?
rule compare_treatments:
    input:
        treated_cells_of,
    output:
        f"{RESULTS}/studies/{{study}}/{{dataset}}/treatments.csv",
    log:
        f"{RESULTS}/logs/compare_treatments/{{study}}/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare_treatments/{{study}}/{{dataset}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(3000),
        runtime=resources.growing(30),
    params:
        cells=lambda wildcards: fold_cells(GRID.compared_treatments(wildcards.study, wildcards.dataset)),
        results=results_folder,
        field=of_dataset(dataset_params.field_param),
        level=CONFIG.verdict.level,
    message:
        "comparing treated images of {wildcards.dataset} with untreated ones in the study {wildcards.study}"
    shell:
        "python -m nullcrop compare-treatments --cells {params.cells:q} --results {params.results:q} "
        "--field {params.field} --level {params.level} --out {output:q} > {log:q} 2>&1"
