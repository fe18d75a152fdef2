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


# Weights of timm's networks: the pin in the config names one file, whose hash is in its name here.
rule fetch_checkpoint:
    output:
        f"{RESOURCES}/weights/{{architecture}}-{{sha256}}.{{suffix}}",
    log:
        f"{RESULTS}/logs/fetch_checkpoint/{{architecture}}-{{sha256}}.{{suffix}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/fetch_checkpoint/{{architecture}}-{{sha256}}.{{suffix}}.tsv"
    wildcard_constraints:
        architecture=any_of(CONFIG.weights),
        sha256="[0-9a-f]{64}",
        suffix="safetensors|bin|pth",
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        repository=lambda wildcards: CONFIG.weights[wildcards.architecture].repository,
        revision=lambda wildcards: CONFIG.weights[wildcards.architecture].revision,
        file=lambda wildcards: CONFIG.weights[wildcards.architecture].file,
    message:
        "fetching the published weights of {wildcards.architecture}"
    shell:
        "python -m nullcrop fetch-checkpoint --repository {params.repository:q} --revision {params.revision:q} "
        "--file {params.file:q} --out {output:q} > {log:q} 2>&1"


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
        runtime=minutes_of,
        gpu=resources.training_gpus(CONFIG.device),
    params:
        recipe=recipe_of,
        numerics=CONFIG.device,
        cell=CELL,
        weights=lambda wildcards, input: ["--weights", input.weights] if "weights" in input.keys() else [],
        out=subpath(output[0], parent=True),
        work=f"{RESULTS}/.work/cells/{CELL}",
    message:
        "training {params.cell}"
    shell:
        "python -m nullcrop train-cell --cell {params.cell:q} --view {input.view:q} --split {input.split:q} "
        "{params.weights:q} --recipe {params.recipe:q} --device {params.numerics} --threads {threads} "
        "--out {params.out:q} --work {params.work:q} > {log:q} 2>&1"
