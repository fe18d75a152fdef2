# views + split -> cell


rule fetch_weights:
    output:
        f"{RESOURCES}/weights/{{architecture}}.pth",
    log:
        f"{RESULTS}/logs/fetch_weights/{{architecture}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/fetch_weights/{{architecture}}.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    message:
        "fetching the ImageNet weights of {wildcards.architecture}"
    shell:
        "python -m nullcrop fetch-weights --architecture {wildcards.architecture:q} --out {output:q} > {log:q} 2>&1"


# Run again with inputs that hold what they held before, the job brings back the finished cell.
rule train_cell:
    input:
        unpack(cell_inputs),
    output:
        *[f"{RESULTS}/cells/{CELL}/{name}" for name in CELL_FILES],
    log:
        f"{RESULTS}/logs/train_cell/{CELL}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_cell/{CELL}.tsv"
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=memory_of,
        runtime=lambda wildcards, attempt: resources.minutes([seconds_of(cell_of(wildcards))], attempt),
        gpu=resources.training_gpus(CONFIG.device),
    params:
        recipe=recipe_of,
        numerics=CONFIG.device,
        cell=CELL,
        weights=lambda wildcards, input: ["--weights", input.weights] if "weights" in input.keys() else [],
        # Takes `input`, so that a new demand trains nothing again; `status` names what differs from it.
        demand=lambda wildcards, input: demand_of([cell_of(wildcards)]),
        out=subpath(output[0], parent=True),
        work=f"{WORK}/cells/{CELL}",
    message:
        "training {params.cell}"
    shell:
        "python -m nullcrop train-cell --cell {params.cell:q} --view {input.view:q} --split {input.split:q} "
        "{params.weights:q} --recipe {params.recipe:q} --device {params.numerics} {params.demand:q} "
        "--threads {threads} --out {params.out:q} --work {params.work:q} > {log:q} 2>&1"


# With `cells_per_job` above 1 these two rules stand for train_cell: the first trains what differs
# in seed and view alone in one job, in which a cell that fails stops no other; the second brings
# each cell to its place, or says by what it failed.
rule train_batch:
    input:
        unpack(batch_inputs),
    output:
        f"{WORK}/batches/{BATCH}.json",
    log:
        f"{RESULTS}/logs/train_batch/{BATCH}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_batch/{BATCH}.tsv"
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=memory_of,
        runtime=lambda wildcards, attempt: resources.minutes(
            map(seconds_of, cells_of_batch(wildcards)), attempt
        ),
        gpu=resources.training_gpus(CONFIG.device),
    params:
        recipe=recipe_of,
        numerics=CONFIG.device,
        cells=lambda wildcards: [cell.path for cell in cells_of_batch(wildcards)],
        weights=lambda wildcards, input: ["--weights", input.weights] if "weights" in input.keys() else [],
        demand=lambda wildcards, input: demand_of(cells_of_batch(wildcards)),
        batch=BATCH,
        finished=f"{RESULTS}/cells",
        logs=f"{RESULTS}/logs/train_cell",
        work=f"{WORK}/cells",
    message:
        "training the cells of {params.batch}"
    shell:
        "python -m nullcrop train-batch --batch {params.cells:q} --view-files {input.view:q} --splits {input.split:q} "
        "{params.weights:q} --recipe {params.recipe:q} --device {params.numerics} {params.demand:q} "
        "--threads {threads} --finished {params.finished:q} --logs {params.logs:q} --out {output:q} "
        "--work {params.work:q} > {log:q} 2>&1"


rule collect_cell:
    input:
        unpack(cell_inputs),
        # Another cell of the batch that is trained again is no reason to collect this one again.
        batch=ancient(batch_of),
    output:
        *[f"{RESULTS}/cells/{CELL}/{name}" for name in CELL_FILES],
    log:
        f"{RESULTS}/logs/collect_cell/{CELL}.log",
    benchmark:
        f"{RESULTS}/benchmarks/collect_cell/{CELL}.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        recipe=recipe_of,
        numerics=CONFIG.device,
        cell=CELL,
        out=subpath(output[0], parent=True),
        work=f"{WORK}/cells/{CELL}",
    message:
        "collecting {params.cell}"
    shell:
        "python -m nullcrop collect-cell --cell {params.cell:q} --report {input.batch:q} --work {params.work:q} "
        "--out {params.out:q} > {log:q} 2>&1"


if CONFIG.cells_per_job == 1:

    ruleorder: train_cell > collect_cell

else:

    ruleorder: collect_cell > train_cell
