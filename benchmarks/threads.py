"""How many threads a cell is given on a CPU: many cells of few threads, or few cells of many.

    python benchmarks/threads.py [--quick] [--repeats 5] [--networks NAME@SIDE …]

Trains networks on generated crops of 20×20 pixels by `train_epoch`, as cells are trained. Each way fills all
cores: as many processes at once as there are cores for, each with so many threads; and one process of so many
threads alone, as the last cell of a study is trained. What is timed is an epoch, until the last process ends
it, and neither start-up nor the step for practice before it. The ways take turns and the best of the repeats
counts, so that what else the machine does hits all of them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

CORES = len(os.sched_getaffinity(0))
SIDE = 20
BATCH = 32
"""Fewer where an epoch has fewer, because all processes of a network are in memory at the same time."""

IMAGES = {
    "lenet5@20": 2048,
    "lenet5@64": 512,
    "shufflenet_v2@64": 128,
    "shufflenet_v2@224": 32,
    "resnet50@32": 64,
    "resnet50@224": 8,
    "densenet121@224": 8,
}
QUICK = {"lenet5@20": 64, "resnet50@32": 4}


def main() -> None:
    """Generate the images, measure all ways in turns and print the table."""
    options = _options()
    if options.folder:
        (name,) = options.networks
        _train(options.folder, *name.split("@"), options.threads, options.images)
        return
    images = QUICK if options.quick else IMAGES
    ways = [threads for threads in (1, 2, 4, 8) if threads <= CORES]
    print(f"{CORES} cores, load {os.getloadavg()[0]:.1f}; images a second (beside one thread)\n")
    print(f"{'':20}" + "".join(f"{f'{n} thread(s)':>20}{'one cell alone':>20}" for n in ways))
    with tempfile.TemporaryDirectory() as folder:
        _generate(Path(folder), max(images.values()))
        for name in options.networks or images:
            rates = _rates(Path(folder), name, images[name], ways, 1 if options.quick else options.repeats)
            line = f"{name.replace('@', ', ') + ' px':20}"
            for threads in ways:
                for processes, first in ((CORES // threads, CORES), (1, 1)):
                    rate = rates[threads, processes]
                    line += f"{f'{rate:,.1f} ({rate / rates[1, first]:.2f})':>20}"
            print(line, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a few steps, once")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--networks", nargs="+", choices=IMAGES, help="some of the networks")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--images", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def _generate(folder: Path, images: int) -> None:
    """The store of generated images."""
    from nullcrop.images.store import write_store

    path = folder / "image.png"
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    rows = [(str(number), str(path), SIDE, SIDE) for number in range(images)]
    samples = pd.DataFrame(rows, columns=["id", "path", "width", "height"])
    write_store(samples, folder, ["original"], SIDE, SIDE, threads=1)


def _rates(
    folder: Path, name: str, images: int, ways: list[int], repeats: int
) -> dict[tuple[int, int], float]:
    """Images a second, of all processes together, by threads of each and number of processes."""
    cells = {
        threads: [_started(folder, name, images, threads) for _ in range(CORES // threads)]
        for threads in ways
    }
    for cell in (cell for started in cells.values() for cell in started):
        _answer(cell)  # it is ready
    best: dict[tuple[int, int], float] = {}
    for _ in range(repeats):
        for threads, started in cells.items():
            for processes in {len(started), 1}:
                began = time.perf_counter()
                for cell in started[:processes]:
                    _ask(cell)
                for cell in started[:processes]:
                    _answer(cell)
                seconds = time.perf_counter() - began
                best[threads, processes] = min(seconds, best.get((threads, processes), seconds))
    for cell in (cell for started in cells.values() for cell in started):
        cell.communicate()
    return {way: way[1] * images / seconds for way, seconds in best.items()}


def _started(folder: Path, name: str, images: int, threads: int) -> "subprocess.Popen[str]":
    """A process that trains an epoch for each line that it is given, and answers with a line."""
    command = [sys.executable, __file__, "--folder", str(folder), "--networks", name]
    command += ["--threads", str(threads), "--images", str(images)]
    # As Snakemake starts a job of so many threads.
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)


def _ask(cell: "subprocess.Popen[str]") -> None:
    assert cell.stdin is not None
    cell.stdin.write("\n")
    cell.stdin.flush()


def _answer(cell: "subprocess.Popen[str]") -> None:
    assert cell.stdout is not None
    if not cell.stdout.readline():
        sys.exit("a cell could not be trained (killed for want of memory?)")


def _train(folder: Path, name: str, side: str, threads: int, images: int) -> None:
    import torch

    from nullcrop.config.cell import Cell
    from nullcrop.config.recipe import Recipe
    from nullcrop.images.store import PackedView
    from nullcrop.training.arithmetic import set_arithmetic
    from nullcrop.training.data import InputImages
    from nullcrop.training.loop import new_network, train_epoch

    device, size = set_arithmetic("cpu", threads).device, int(side)
    recipe = Recipe(weights="random", input_size=size, batch_size=min(BATCH, images))
    cell = Cell("generated", "printed", "random", "original", name, "scratch", 0)
    network, optimizer = new_network(cell, recipe, 2, size, device)
    pixels = InputImages(PackedView(folder / "original.json"), size, device, name)
    rows, targets = np.arange(images), torch.arange(images) % 2
    train_epoch(cell, recipe, 0, network, optimizer, pixels, targets, rows[:BATCH])
    print("ready", flush=True)
    for epoch, _ in enumerate(sys.stdin, 1):
        train_epoch(cell, recipe, epoch, network, optimizer, pixels, targets, rows)
        print("done", flush=True)


if __name__ == "__main__":
    main()
