"""How long all statistics of the study's grid take: 13 datasets × 24 networks, on predictions of the real sizes.

    PYTHONPATH=workflow python benchmarks/grid_statistics.py

Generates predictions (targets, groups and test sizes as the releases have them, scores at random with a
little signal), then runs the commands of the workflow as it does, one process each and one dataset after the
other. Prints seconds and peak memory of each dataset, and the total. Peak memory is the largest of any process.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from nullcrop.config.cell import Cell, fold_cells
from nullcrop.config.definitions import read_definition
from nullcrop.config.models import Thresholds
from nullcrop.config.names import VIEWS
from nullcrop.files import sha256_of, write_json

NETWORKS = ("resnet50", "densenet121", "inception_v3", "vgg16")

SIZES = {
    "pathmnist": ("official", 7180, 0.24, 0, False),
    "dermamnist": ("official", 2005, 0.16, 1500, False),
    "breastmnist": ("official", 156, 0.27, 0, False),
    "nodulemnist3d": ("official", 310, 0.21, 0, False),
    "breakhis_40x": ("random", 200, 0.69, 62, False),
    "breakhis_100x": ("random", 208, 0.69, 62, False),
    "breakhis_200x": ("random", 201, 0.69, 62, False),
    "breakhis_400x": ("random", 182, 0.68, 62, False),
    "isic_2016": ("official", 379, 0.20, 0, False),
    "isic_2017": ("official", 600, 0.20, 0, False),
    "isic_2018": ("official", 1512, 0.17, 0, False),
    "isic_2019": ("random", 2533, 0.37, 2000, False),
    "idc": ("random", 27752, 0.28, 279, True),
}
"""Split, test images, share of target 1, groups among them (0: none), and whether groups hold both targets."""


def generate(results: Path, dataset: str) -> list[Cell]:
    """Write 24 finished cells of one dataset and return them."""
    split, n, share, groups, mixed = SIZES[dataset]
    rng = np.random.default_rng(sum(dataset.encode()))
    if groups:
        group = np.sort(rng.integers(0, groups, n))
        shares = rng.beta(1.2, 1.2 * (1 - share) / share, groups) if mixed else rng.random(groups) < share
        target = (rng.random(n) < np.asarray(shares)[group]).astype(int)
        names = np.char.add("patient ", group.astype(str))
    else:
        target, names = (rng.random(n) < share).astype(int), np.full(n, "")
    cells = [
        Cell(dataset, "printed", split, view, network, "paper", 0)
        for view, network in product(VIEWS, NETWORKS)
    ]
    for cell in cells:
        folder = results / "cells" / cell.path
        folder.mkdir(parents=True)
        score = rng.normal(size=n) + 0.3 * target
        pd.DataFrame(
            {
                "id": [f"image{i:06}" for i in range(n)],
                "group": names,
                "target": target,
                "predicted": (score > 0).astype(int),
                "logit_0": (-score / 2).astype(np.float32),
                "logit_1": (score / 2).astype(np.float32),
            }
        ).to_csv(folder / "predictions.csv", index=False)
        write_json(
            folder / "cell.json",
            {
                "cell": asdict(cell),
                "numerics": "generated",
                "seconds": 0.0,
                "images": {"train": 8 * n, "val": n, "test": n},
                "predictions_sha256": sha256_of(folder / "predictions.csv"),
            },
        )
    return cells


def run(*arguments: str) -> None:
    """One command of the workflow, in a process of its own."""
    subprocess.run([sys.executable, "-m", "nullcrop", *arguments], check=True, stderr=subprocess.DEVNULL)


def evaluate(results: Path, dataset: str, cells: list[Cell]) -> None:
    """What the workflow does with one dataset's cells."""
    definition, folder = f"config/datasets/{dataset}.yaml", results / "studies" / "main" / dataset
    folded = ("--cells", fold_cells(cells))
    field = ("--field", read_definition(definition).field, "--level", "0.05")
    metrics, comparisons = str(folder / "metrics.csv"), str(folder / "comparisons.csv")
    run("compute-metrics", *folded, "--results", str(results), *field, "--out", metrics)
    run("compare-cells", *folded, "--results", str(results), "--out", comparisons)
    run(
        *("judge-dataset", "--metrics", metrics, "--comparisons", comparisons, *folded),
        *("--definition", definition, "--thresholds", Thresholds().model_dump_json()),
        *("--out", str(folder / "verdicts.csv")),
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--datasets", nargs="+", choices=SIZES, default=list(SIZES))
    names = parser.parse_args().datasets
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"  # as the workflow's rules, which ask for one thread
    total = used = 0.0
    with tempfile.TemporaryDirectory() as work:
        print("dataset            images  seconds  of CPU")
        for name in names:
            cells = generate(Path(work), name)
            start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
            evaluate(Path(work), name, cells)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            wall = time.monotonic() - start
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            total, used = total + wall, used + cpu
            print(f"{name:16}  {SIZES[name][1]:7}  {wall:7.1f}  {cpu:6.1f}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps({"seconds": round(total, 1), "cpu_seconds": round(used, 1), "peak_mb": round(peak)}))


if __name__ == "__main__":
    main()
