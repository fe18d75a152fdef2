"""How long all statistics of the study's grid take: 13 datasets × 24 networks, on predictions of the real
sizes; or those of a cross-fitted dataset: 7 readers × 4 corners × 10 folds.

    PYTHONPATH=workflow python benchmarks/grid_statistics.py [--jobs N] [--datasets idc isic_2019 …]
    PYTHONPATH=workflow python benchmarks/grid_statistics.py --crossfit --jobs 1 --datasets isic_2018 idc

Generates predictions (targets, groups and test sizes as the releases have them, scores at random with a
little signal), then runs the commands of the workflow as it does: one process each, as many datasets side by
side as there are cores, the largest test sets first. Prints for each dataset seconds on the clock, seconds of
CPU and peak memory, and the same of all.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from nullcrop.basics.files import sha256_of, write_json
from nullcrop.config.cell import Cell, fold_cells
from nullcrop.config.definitions import read_definition
from nullcrop.config.models import Thresholds
from nullcrop.config.names import BASELINE_RECIPE, FOLDS_OF
from nullcrop.config.views import judging_views, views_made_always

VIEWS = tuple(views_made_always())

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
"""Split, test images, share of target 1, groups among them (0: none), and whether groups hold both
targets."""

CROSSFIT = {
    "isic_2018": ("crossfit", 10_015, 0.17, 7470, False),
    "idc": ("crossfit", 277_524, 0.28, 279, True),
}
"""The same of whole datasets, whose every image is tested in one of ten folds."""

BASELINES = ("mean_rgb", "color_histogram", "raw_pixels")


def generate(results: Path, dataset: str, crossfit: bool) -> list[Cell]:
    """Write the finished cells of one dataset and return them: 24, or 280 of folds."""
    split, n, share, groups, mixed = (CROSSFIT if crossfit else SIZES)[dataset]
    rng = np.random.default_rng(sum(dataset.encode()))
    if groups:
        group = np.sort(rng.integers(0, groups, n))
        shares = rng.beta(1.2, 1.2 * (1 - share) / share, groups) if mixed else rng.random(groups) < share
        target = (rng.random(n) < np.asarray(shares)[group]).astype(int)
        names = np.char.add("patient ", group.astype(str))
    else:
        target, names = (rng.random(n) < share).astype(int), np.full(n, "")
    recipes = {
        **dict.fromkeys(NETWORKS, "paper"),
        **dict.fromkeys(BASELINES if crossfit else (), BASELINE_RECIPE),
    }
    views, folds = (judging_views("whole"), FOLDS_OF["crossfit"]) if crossfit else (VIEWS, 1)
    cells = [
        Cell(dataset, "printed", split, view, reader, recipe, fold)
        for view, (reader, recipe), fold in product(views, recipes.items(), range(folds))
    ]
    fold_of = (group if groups else np.arange(n)) % folds
    for cell in cells:
        folder = results / "cells" / cell.path
        folder.mkdir(parents=True)
        tested = np.flatnonzero(fold_of == cell.seed)
        score = rng.normal(size=len(tested)) + 0.3 * target[tested]
        pd.DataFrame(
            {
                "id": [f"image{i:06}" for i in tested],
                "group": names[tested],
                "target": target[tested],
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
                "images": {"train": 8 * len(tested), "val": len(tested), "test": len(tested)},
                "predictions_sha256": sha256_of(folder / "predictions.csv"),
            },
        )
    return cells


def run(*arguments: str) -> tuple[float, float]:
    """One command of the workflow, in a process of its own: its seconds of CPU and its peak memory in MB."""
    process = subprocess.Popen([sys.executable, "-m", "nullcrop", *arguments], stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), arguments[0])
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def evaluate(results: Path, dataset: str, cells: list[Cell]) -> tuple[float, float, float]:
    """What the workflow does with one dataset's cells: seconds, seconds of CPU and peak memory in MB."""
    definition, folder = f"config/datasets/{dataset}.yaml", results / "studies" / "main" / dataset
    folded = ("--cells", fold_cells(cells))
    field = ("--field", read_definition(definition).field)
    of_cells = (*folded, "--results", str(results), *field)
    tables = {name: str(folder / f"{name}.csv") for name in ("metrics", "readers", "comparisons", "verdicts")}
    start = time.monotonic()
    used = [
        run("compute-metrics", *of_cells, "--out", tables["metrics"]),
        run("judge-readers", *of_cells, "--level", "0.05", "--out", tables["readers"]),
        run("compare-cells", *of_cells, "--out", tables["comparisons"]),
        run(
            *("judge-dataset", "--readers", tables["readers"], "--comparisons", tables["comparisons"]),
            *(*folded, "--definition", definition, "--thresholds", Thresholds().model_dump_json()),
            *("--out", tables["verdicts"]),
        ),
    ]
    cpu, peak = zip(*used, strict=True)
    return time.monotonic() - start, sum(cpu), max(peak)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--datasets", nargs="+", choices=SIZES)
    parser.add_argument("--crossfit", action="store_true", help=f"of {', '.join(CROSSFIT)}, whole")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="datasets side by side")
    options = parser.parse_args()
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"  # as the workflow's rules, which ask for one thread
    sizes = CROSSFIT if options.crossfit else SIZES
    if not set(options.datasets or ()) <= set(sizes):
        parser.error(f"--crossfit knows {' and '.join(CROSSFIT)}")
    names = sorted(options.datasets or sizes, key=lambda name: -sizes[name][1])
    with tempfile.TemporaryDirectory() as work, ThreadPoolExecutor(options.jobs) as pool:
        cells = {name: generate(Path(work), name, options.crossfit) for name in names}
        start = time.monotonic()
        running = {name: pool.submit(evaluate, Path(work), name, cells[name]) for name in names}
        print("dataset            images  seconds  of CPU  peak MB")
        for name, job in running.items():
            seconds, cpu, peak = job.result()
            print(f"{name:16}  {sizes[name][1]:7}  {seconds:7.1f}  {cpu:6.1f}  {peak:7.0f}", flush=True)
        total = time.monotonic() - start
    results = [job.result() for job in running.values()]
    cpu, peak = sum(one[1] for one in results), max(one[2] for one in results)
    print(f"all, {options.jobs} at a time    {total:13.1f}  {cpu:6.1f}  {peak:7.0f} (each process)")


if __name__ == "__main__":
    main()
