# One job a cell; where cells share jobs batches.smk takes its place.


# Where the job runs again and its inputs hold what they held before, it brings back the finished cell.
rule train_cell:
    input:
        unpack(cell_inputs),
    output:
        *[f"{RESULTS}/cells/{CELL_PATH}/{name}" for name in CELL_FILES],
    log:
        f"{RESULTS}/logs/train_cell/{CELL_PATH}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_cell/{CELL_PATH}.tsv"
    conda:
        ENVIRONMENT
    threads: threads_of(lambda wildcards: [cell_of(wildcards)])
    resources:
        mem_mb=memory_of,
        runtime=runtime_of(lambda wildcards: [cell_of(wildcards)]),
        gpu=resources.training_gpus(CONFIG.device),
    params:
        recipe=recipe_of,
        numerics=NUMERICS,
        cell=CELL_PATH,
        weights=lambda wildcards, input: ["--weights", input.weights] if "weights" in input.keys() else [],
        # Takes `input`, so that a new demand trains nothing again; `status` names cells that differ from it.
        demand=lambda wildcards, input: training_params.demand_flags(GRID, [cell_of(wildcards)]),
        granted=granted_of,
        plain=plain_of,
        out=subpath(output[0], parent=True),
        work=f"{WORK}/cells/{CELL_PATH}",
    message:
        "training {params.cell}"
    shell:
        "python -m nullcrop train-cell --cell {params.cell:q} --view {input.view:q} --split {input.split:q} "
        "{params.weights:q} --recipe {params.recipe:q} --device {params.numerics} {params.plain:q} "
        "{params.granted:q} {params.demand:q} "
        "--threads {threads} --out {params.out:q} --work {params.work:q} > {log:q} 2>&1"
