# Where cells share jobs these two rules take the place of train_cell. The first trains cells that
# differ only in seed and view in one job, in which a cell that fails stops no other. The second brings
# each cell to its place, or says why it failed.


# The next run trains again what failed in a batch.
onerror:
    from nullcrop.training.cells import forget_failures

    forget_failures(Path(WORK, "batches"))


rule train_batch:
    input:
        unpack(batch_inputs),
    output:
        f"{WORK}/batches/{BATCH_PATH}.json",
    log:
        f"{RESULTS}/logs/train_batch/{BATCH_PATH}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_batch/{BATCH_PATH}.tsv"
    conda:
        ENVIRONMENT
    threads: threads_of(cells_of_batch)
    resources:
        mem_mb=memory_of,
        runtime=runtime_of(cells_of_batch),
        gpu=resources.training_gpus(CONFIG.device),
    params:
        recipe=recipe_of,
        numerics=NUMERICS,
        cells=lambda wildcards: [cell.path for cell in cells_of_batch(wildcards)],
        weights=lambda wildcards, input: ["--weights", input.weights] if "weights" in input.keys() else [],
        demand=lambda wildcards, input: training_params.demand_flags(GRID, cells_of_batch(wildcards)),
        # Takes `input`, so that a change trains nothing again: cells that take turns are the same cells.
        in_flight=lambda wildcards, input: CONFIG.in_flight,
        granted=granted_of,
        plain=plain_of,
        batch=BATCH_PATH,
        finished=f"{RESULTS}/cells",
        logs=f"{RESULTS}/logs/train_cell",
        work=f"{WORK}/cells",
    message:
        "training the cells of {params.batch}"
    shell:
        "python -m nullcrop train-batch --batch {params.cells:q} --view-files {input.view:q} "
        "--splits {input.split:q} "
        "{params.weights:q} --recipe {params.recipe:q} --device {params.numerics} {params.plain:q} "
        "{params.granted:q} {params.demand:q} "
        "--threads {threads} --in-flight {params.in_flight} --finished {params.finished:q} "
        "--logs {params.logs:q} --out {output:q} "
        "--work {params.work:q} > {log:q} 2>&1"


rule collect_cell:
    input:
        unpack(cell_inputs),
        # Not ancient: Snakemake plans nothing behind an ancient input whose job runs again, not even what
        # has other parameters or is missing. A cell that was finished comes back from its copy.
        batch=batch_of,
    output:
        *[f"{RESULTS}/cells/{CELL_PATH}/{name}" for name in CELL_FILES],
    log:
        f"{RESULTS}/logs/collect_cell/{CELL_PATH}.log",
    benchmark:
        f"{RESULTS}/benchmarks/collect_cell/{CELL_PATH}.tsv"
    priority: 1
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=resources.growing(500),
        runtime=resources.growing(10),
    params:
        recipe=recipe_of,
        numerics=NUMERICS,
        cell=CELL_PATH,
        out=subpath(output[0], parent=True),
        work=f"{WORK}/cells/{CELL_PATH}",
    message:
        "collecting {params.cell}"
    shell:
        "python -m nullcrop collect-cell --cell {params.cell:q} --report {input.batch:q} "
        "--work {params.work:q} --out {params.out:q} > {log:q} 2>&1"
