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
        mem_mb=resources.growing(1000),
        runtime=resources.growing(60),
    message:
        "fetching the ImageNet weights of {wildcards.architecture}"
    shell:
        "python -m nullcrop fetch-weights --architecture {wildcards.architecture:q} --out {output:q} "
        "> {log:q} 2>&1"


# Weights of timm's networks: the pin in the config names one file, and the file's name here holds its hash.
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
        mem_mb=resources.growing(2000),
        runtime=resources.growing(60),
    params:
        repository=lambda wildcards: CONFIG.weights[wildcards.architecture].repository,
        revision=lambda wildcards: CONFIG.weights[wildcards.architecture].revision,
        file=lambda wildcards: CONFIG.weights[wildcards.architecture].file,
    message:
        "fetching the published weights of {wildcards.architecture}"
    shell:
        "python -m nullcrop fetch-checkpoint --repository {params.repository:q} "
        "--revision {params.revision:q} --file {params.file:q} --out {output:q} > {log:q} 2>&1"


# A failed cell of a shared job is forgotten by a handler, which a module's user has to call.
if GRID.in_batches and (CONFIG.cells_per_job or not AS_MODULE):

    include: "batches.smk"

else:

    include: "cells.smk"
