"""Training on a CPU: nullcrop's plain loop beside torchvision's reference way, on the same images.

    python benchmarks/cpu_training.py [--quick] [--folder FOLDER] [--repeats 2] [--threads N]

Generates crops of 20×20 pixels and trains LeNet-5, ShuffleNetV2 and the study's four networks on them in two
ways, each in a process of its own:

- *reference*: as torchvision's script for classification does: ImageFolder over PNG files, a DataLoader with
as many
  workers as threads, Resize, PILToTensor, conversion and normalisation for each image in each epoch, fp32,
  eager, torch.optim.Adam as it comes, loss and accuracy told after every step;
- *nullcrop*: `train_epoch`, from a packed store, deterministic, on as many threads (and no worker beside
them).

What is timed are whole epochs of training, the first one included, and neither start-up, one step for
practice nor validation. The best of the
repeats counts; the ways take turns, so that what else the machine does hits both. CPU time, of the workers
too, is told in brackets, because it depends less on what else runs.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

CORES = len(os.sched_getaffinity(0))
SIDE = 20
CLASSES = 2

CELLS: dict[str, dict[str, Any]] = {
    "lenet5": {"size": 20, "images": 2048, "epochs": 3, "batch": 32},
    "shufflenet_v2": {"size": 64, "images": 512, "epochs": 2, "batch": 32},
    "resnet50": {"size": 224, "images": 128, "epochs": 1, "batch": 32},
    "densenet121": {"size": 224, "images": 128, "epochs": 1, "batch": 32},
    "inception_v3": {"size": 299, "images": 64, "epochs": 1, "batch": 32},
    "vgg16": {"size": 224, "images": 64, "epochs": 1, "batch": 32},
}
QUICK: dict[str, dict[str, Any]] = {
    "lenet5": {"size": 20, "images": 64, "epochs": 2, "batch": 32},
    "shufflenet_v2": {"size": 64, "images": 16, "epochs": 1, "batch": 8},
    "resnet50": {"size": 64, "images": 4, "epochs": 1, "batch": 2},
}


def main() -> None:
    """Generate the images, measure both ways in turn and print the table."""
    options = _options()
    cells = QUICK if options.quick else CELLS
    if options.way:
        print(json.dumps({name: WAYS[options.way](name, cell, options) for name, cell in cells.items()}))
        return
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        _generate(Path(folder), max(cell["images"] for cell in cells.values()))
        for _ in range(1 if options.quick else options.repeats):
            for way, found in runs.items():
                found.append(_in_a_process(way, Path(folder), options))
    print(f"{options.threads} thread(s) on {CORES} cores, load {os.getloadavg()[0]:.1f}\n")
    print(f"{'images a second (CPU ms an image)':36}{'reference':>18}{'nullcrop':>18}{'ratio':>16}")
    for name, cell in cells.items():
        images = cell["images"] * cell["epochs"]
        best = {
            way: {key: min(run[name][key] for run in found) / images for key in ("clock", "cpu")}
            for way, found in runs.items()
        }
        words = [f"{1 / one['clock']:,.1f} ({1000 * one['cpu']:,.2f})" for one in best.values()]
        clock, cpu = (best["reference"][key] / best["nullcrop"][key] for key in ("clock", "cpu"))
        label = f"{name}, {cell['size']} px, {images} images"
        print(f"{label:36}{words[0]:>18}{words[1]:>18}{f'{clock:.2f} ({cpu:.2f})':>16}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a few steps, once, on one thread")
    parser.add_argument(
        "--folder", type=Path, help="where the files are made (the system's temporary folder)"
    )
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--threads", type=int, help="threads of each way (all cores)")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.threads = options.threads or (1 if options.quick else CORES)
    return options


def _generate(folder: Path, images: int) -> None:
    """PNG files by class, and the store and the table of the same images."""
    from nullcrop.images.store import write_store

    rng = np.random.default_rng(0)
    rows = []
    for number in range(images):
        path = folder / "files" / str(number % CLASSES) / f"{number:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(path)
        rows.append((path.stem, str(path), SIDE, SIDE))
    samples = pd.DataFrame(rows, columns=["id", "path", "width", "height"])
    write_store(samples, folder / "store", ["original"], SIDE, SIDE, threads=1)


def _in_a_process(way: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, __file__, "--way", way, "--folder", str(folder)]
    command += ["--threads", str(options.threads), *(["--quick"] if options.quick else [])]
    # As Snakemake starts a job of so many threads.
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def _cpu() -> float:
    """CPU seconds of this process and of those that it has waited for."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def _nullcrop(name: str, cell: dict[str, Any], options: argparse.Namespace) -> dict[str, float]:
    import torch

    from nullcrop.config.cell import Cell
    from nullcrop.config.recipe import Recipe
    from nullcrop.images.store import PackedView
    from nullcrop.training.arithmetic import set_arithmetic
    from nullcrop.training.data import InputImages
    from nullcrop.training.loop import new_network, train_epoch

    device = set_arithmetic("cpu", options.threads).device
    recipe = Recipe(weights="random", input_size=cell["size"], batch_size=cell["batch"])
    what = Cell("generated", "printed", "random", "original", name, "scratch", 0)
    network, optimizer = new_network(what, recipe, CLASSES, cell["size"], device)
    targets = torch.arange(cell["images"]) % CLASSES
    rows = np.arange(cell["images"])
    view = PackedView(options.folder / "store" / "original.json")
    for epoch in range(cell["epochs"] + 1):
        if epoch < 2:  # none of what was resized for practice is kept
            began = time.perf_counter(), _cpu()
            images = InputImages(view, cell["size"], device, name)
        trained = rows if epoch else rows[: cell["batch"]]
        train_epoch(what, recipe, epoch, network, optimizer, images, targets, trained)
    return {"clock": time.perf_counter() - began[0], "cpu": _cpu() - began[1]}


def _reference(name: str, cell: dict[str, Any], options: argparse.Namespace) -> dict[str, float]:
    import torch
    from torch.nn import functional
    from torch.utils.data import DataLoader, Subset
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    from nullcrop.training.architectures import IMAGENET_MEAN, IMAGENET_STD, build

    torch.set_num_threads(options.threads)
    network = build(name, CLASSES, cell["size"], seed=0).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    to_input = transforms.Compose(
        [
            transforms.Resize((cell["size"], cell["size"])),
            transforms.PILToTensor(),
            transforms.ConvertImageDtype(torch.float),
            transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )
    files = ImageFolder(str(options.folder / "files"), to_input)
    chosen = Subset(
        files, [place for place, (path, _) in enumerate(files.samples) if _number(path) < cell["images"]]
    )

    def step(images: torch.Tensor, targets: torch.Tensor) -> None:
        output = network(images)
        logits = output if isinstance(output, torch.Tensor) else output.logits
        loss = functional.cross_entropy(logits, targets)
        if logits is not output:  # InceptionV3's second answer
            loss = loss + 0.4 * functional.cross_entropy(output.aux_logits, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item(), (logits.argmax(1) == targets).float().mean().item()

    step(torch.zeros(cell["batch"], 3, cell["size"], cell["size"]), torch.arange(cell["batch"]) % CLASSES)
    began = time.perf_counter(), _cpu()
    loader = DataLoader(chosen, batch_size=cell["batch"], shuffle=True, num_workers=options.threads)
    for _ in range(cell["epochs"]):
        for images, targets in loader:
            step(images, targets)
    return {"clock": time.perf_counter() - began[0], "cpu": _cpu() - began[1]}


def _number(path: str) -> int:
    return int(Path(path).stem)


WAYS = {"reference": _reference, "nullcrop": _nullcrop}

if __name__ == "__main__":
    main()
