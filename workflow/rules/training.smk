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
        "python -m nullcrop fetch-weights --architecture {wildcards.architecture:q} --out {output:q} > {log:q} 2>&1"


if CONFIG.cells_per_job > 1:

    include: "batches.smk"

else:

    include: "cells.smk"
