# views + file facts + split -> cells of the baselines; no network, no GPU


# One job a test set: it takes less time to fit them all than to start one process for each.
rule fit_baselines:
    input:
        samples=f"{RESULTS}/datasets/{{dataset}}/samples.csv",
        split=f"{RESULTS}/splits/{{dataset}}/{{labels}}/{{split}}/seed{{seed}}.csv",
        views=expand("{folder}/{view}.json", folder=f"{STORE}/{{dataset}}/views", view=views_made_always()),
        pixels=ancient(
            expand("{folder}/{view}.npy", folder=f"{STORE}/{{dataset}}/views", view=views_made_always())
        ),
    output:
        expand(
            "{folder}/{cell}/{name}",
            folder=f"{RESULTS}/cells",
            cell=[cell.path for cell in baseline_cells("{dataset}", "{labels}", "{split}", "{seed}")],
            name=CELL_FILES,
        ),
    log:
        f"{RESULTS}/logs/fit_baselines/{{dataset}}/{{labels}}/{{split}}/seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/fit_baselines/{{dataset}}/{{labels}}/{{split}}/seed{{seed}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: resources.baselines_memory_mb(
            PROJECT.definition(wildcards.dataset), attempt
        ),
        runtime=lambda wildcards, attempt: resources.baselines_minutes(
            PROJECT.definition(wildcards.dataset), attempt
        ),
    params:
        recipe=json.dumps(asdict(BaselineRecipe())),
        views=lambda wildcards, input: str(Path(input.views[0]).parent),
        cells=subpath(output[0], ancestor=ABOVE_A_CELLS_FILE),
        work=f"{WORK}/cells",
    message:
        "fitting the baselines of {wildcards.dataset}: {wildcards.split}, seed {wildcards.seed}"
    shell:
        "python -m nullcrop fit-baselines --dataset {wildcards.dataset:q} --labels {wildcards.labels:q} "
        "--protocol {wildcards.split:q} --seed {wildcards.seed} --samples {input.samples:q} "
        "--split {input.split:q} --views-folder {params.views:q} --out {params.cells:q} "
        "--work {params.work:q} > {log:q} 2>&1"


# The same on a further view, which is made where a study names it.
rule fit_further_baselines:
    input:
        samples=f"{RESULTS}/datasets/{{dataset}}/samples.csv",
        split=f"{RESULTS}/splits/{{dataset}}/{{labels}}/{{split}}/seed{{seed}}.csv",
        views=f"{STORE}/{{dataset}}/views/{{view}}.json",
        pixels=ancient(f"{STORE}/{{dataset}}/views/{{view}}.npy"),
    output:
        expand(
            "{folder}/{cell}/{name}",
            folder=f"{RESULTS}/cells",
            cell=[
                cell.path
                for cell in baseline_cells("{dataset}", "{labels}", "{split}", "{seed}", ["{view}"])
            ],
            name=CELL_FILES,
        ),
    log:
        f"{RESULTS}/logs/fit_further_baselines/{{dataset}}/{{labels}}/{{split}}/{{view}}/seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/fit_further_baselines/"
        f"{{dataset}}/{{labels}}/{{split}}/{{view}}/seed{{seed}}.tsv"
    wildcard_constraints:
        view=view_pattern(further=True),
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: resources.baselines_memory_mb(
            PROJECT.definition(wildcards.dataset), attempt
        ),
        runtime=lambda wildcards, attempt: resources.baselines_minutes(
            PROJECT.definition(wildcards.dataset), attempt
        ),
    params:
        recipe=json.dumps(asdict(BaselineRecipe())),
        views=subpath(input.views, parent=True),
        cells=subpath(output[0], ancestor=ABOVE_A_CELLS_FILE),
        work=f"{WORK}/cells",
    message:
        "fitting the baselines of {wildcards.dataset} on {wildcards.view}: "
        "{wildcards.split}, seed {wildcards.seed}"
    shell:
        "python -m nullcrop fit-baselines --dataset {wildcards.dataset:q} --labels {wildcards.labels:q} "
        "--protocol {wildcards.split:q} --seed {wildcards.seed} --samples {input.samples:q} "
        "--split {input.split:q} --views-folder {params.views:q} --on {wildcards.view} "
        "--out {params.cells:q} --work {params.work:q} > {log:q} 2>&1"


# The same on all views of treated images.
rule fit_treated_baselines:
    input:
        samples=f"{RESULTS}/datasets/{{dataset}}/samples.csv",
        split=f"{RESULTS}/splits/{{dataset}}/{{labels}}/{{split}}/seed{{seed}}.csv",
        views=expand(
            "{folder}/{view}.json",
            folder=f"{STORE}/{{dataset}}/views",
            view=views_of_treatment("{treatment}"),
        ),
        pixels=ancient(
            expand(
                "{folder}/{view}.npy",
                folder=f"{STORE}/{{dataset}}/views",
                view=views_of_treatment("{treatment}"),
            )
        ),
    output:
        expand(
            "{folder}/{cell}/{name}",
            folder=f"{RESULTS}/cells",
            cell=[
                cell.path
                for cell in baseline_cells(
                    "{dataset}", "{labels}", "{split}", "{seed}", views_of_treatment("{treatment}")
                )
            ],
            name=CELL_FILES,
        ),
    log:
        f"{RESULTS}/logs/fit_treated_baselines/"
        f"{{dataset}}/{{labels}}/{{split}}/{{treatment}}/seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/fit_treated_baselines/"
        f"{{dataset}}/{{labels}}/{{split}}/{{treatment}}/seed{{seed}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: resources.baselines_memory_mb(
            PROJECT.definition(wildcards.dataset), attempt
        ),
        runtime=lambda wildcards, attempt: resources.baselines_minutes(
            PROJECT.definition(wildcards.dataset), attempt
        ),
    params:
        recipe=json.dumps(asdict(BaselineRecipe())),
        on=lambda wildcards: views_of_treatment(wildcards.treatment),
        views=lambda wildcards, input: str(Path(input.views[0]).parent),
        cells=subpath(output[0], ancestor=ABOVE_A_CELLS_FILE),
        work=f"{WORK}/cells",
    message:
        "fitting the baselines of {wildcards.dataset} to treated images ({wildcards.treatment}): "
        "{wildcards.split}, seed {wildcards.seed}"
    shell:
        "python -m nullcrop fit-baselines --dataset {wildcards.dataset:q} --labels {wildcards.labels:q} "
        "--protocol {wildcards.split:q} --seed {wildcards.seed} --samples {input.samples:q} "
        "--split {input.split:q} --views-folder {params.views:q} --on {params.on} "
        "--out {params.cells:q} --work {params.work:q} > {log:q} 2>&1"


# One baseline of those that not every test set has, on one view. A baseline that sees no pixel stands at
# `original`.
rule fit_named_baseline:
    input:
        samples=f"{RESULTS}/datasets/{{dataset}}/samples.csv",
        split=f"{RESULTS}/splits/{{dataset}}/{{labels}}/{{split}}/seed{{seed}}.csv",
        views=f"{STORE}/{{dataset}}/views/{{view}}.json",
        pixels=ancient(f"{STORE}/{{dataset}}/views/{{view}}.npy"),
    output:
        expand(
            "{folder}/{{dataset}}/{{labels}}/{{split}}/{{view}}/{{architecture}}/"
            "baseline/seed{{seed}}/{name}",
            folder=f"{RESULTS}/cells",
            name=CELL_FILES,
        ),
    log:
        f"{RESULTS}/logs/fit_named_baseline/"
        f"{{dataset}}/{{labels}}/{{split}}/{{view}}/{{architecture}}/seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/fit_named_baseline/"
        f"{{dataset}}/{{labels}}/{{split}}/{{view}}/{{architecture}}/seed{{seed}}.tsv"
    wildcard_constraints:
        architecture=any_of(name for name, baseline in BASELINES.items() if not baseline.always),
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: resources.baselines_memory_mb(
            PROJECT.definition(wildcards.dataset), attempt
        ),
        runtime=lambda wildcards, attempt: resources.baselines_minutes(
            PROJECT.definition(wildcards.dataset), attempt
        ),
    params:
        recipe=json.dumps(asdict(BaselineRecipe())),
        views=subpath(input.views, parent=True),
        cells=subpath(output[0], ancestor=ABOVE_A_CELLS_FILE),
        work=f"{WORK}/cells",
    message:
        "fitting {wildcards.architecture} to {wildcards.dataset} on {wildcards.view}: "
        "{wildcards.split}, seed {wildcards.seed}"
    shell:
        "python -m nullcrop fit-baselines --dataset {wildcards.dataset:q} --labels {wildcards.labels:q} "
        "--protocol {wildcards.split:q} --seed {wildcards.seed} --samples {input.samples:q} "
        "--split {input.split:q} --views-folder {params.views:q} --on {wildcards.view} "
        "--baselines {wildcards.architecture} --out {params.cells:q} --work {params.work:q} > {log:q} 2>&1"
