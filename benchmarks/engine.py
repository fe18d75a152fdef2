"""Training at batch 32: the captured engine beside the plain loop and beside what is usually written.

    python benchmarks/engine.py [--quick] [--device auto|cpu|cuda] [--architectures resnet50 …] [--out
    docs/performance.md]

Generates images of the real sizes (crops of 20×20 pixels as PNG, originals of 600×450 as JPEG, the size of
HAM10000's) and trains each network on them, from random weights, in these ways:

- *usual*: ImageFolder, a DataLoader with a worker for each core, fp32, eager steps, the loss read in every
step: what
  torchvision's reference script does. Workers are kept from epoch to epoch.
- *plain*: nullcrop's plain loop, from the packed store.
- *captured_fp32*, *captured_bf16*: the engine on a GPU. On a CPU *steps* runs the engine's step without
capture.

An epoch that is not counted comes before those that are, of three seconds or more. Tables: images trained a
second, and as ratios to *usual*; on an H200 the share of 790 TFLOP/s; cells in flight (networks without
dropout); deterministic algorithms on and off; seconds from the start of Python to the end of the first step;
hours of the published grid that follow from these rates and the numbers of images in config/datasets (on 16
cores and more, four start at a time). `--out` also writes them as Markdown into that file, in place of what
an earlier run on the same kind of machine wrote. Needs torch, torchvision, NumPy, pandas and Pillow alone.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import PIL
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from nullcrop.basics.threads import mapped
from nullcrop.config.cell import Cell
from nullcrop.config.recipe import Recipe
from nullcrop.images.store import PackedView, write_store
from nullcrop.training.architectures import IMAGENET_MEAN, IMAGENET_STD, input_size
from nullcrop.training.arithmetic import Arithmetic, Engine, device_name, set_arithmetic
from nullcrop.training.data import InputImages
from nullcrop.training.device_images import DeviceImages
from nullcrop.training.engine import CapturedTraining, Stepper
from nullcrop.training.loop import PlainTraining, initial_network, new_network
from nullcrop.training.out_of_memory import draws_in_training, free_memory

ROOT = Path(__file__).parents[1]
CORES = len(os.sched_getaffinity(0))

TRAIN_GFLOP = {"resnet50": 24.3, "densenet121": 16.8, "vgg16": 92.6, "inception_v3": 34.3}
"""GFLOP of forward and backward pass of an image at the network's own size."""

H200_TFLOPS = 790.0

VIEWS = {"center": 5, "original": 1}
"""Measured views, and how many of the grid's six views are like them."""

TRAIN, PREDICTED, EPOCHS = 0.8, 0.1, 5
"""Shares of a dataset's images that are trained on, and that are watched and tested each, and the study's
epochs."""

COUNTED_SECONDS = 3.0
"""Epochs are counted until they have taken so long: one of a small network is over in a moment."""

Epoch = Generator[None, None, tuple[float, float]]


class UsualTraining:
    """ImageFolder, DataLoader, eager fp32 steps."""

    def __init__(self, folder: Path, network: nn.Module, size: int, device: torch.device, batch: int) -> None:
        # Imported here, because a process of nullcrop's loads torchvision only where its network needs it.
        from torchvision import datasets, transforms

        to_input = transforms.Compose(
            [
                transforms.Resize((size, size)),
                transforms.PILToTensor(),
                transforms.ConvertImageDtype(torch.float),
                transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
            ]
        )
        self._images = datasets.ImageFolder(str(folder), to_input)
        self._device, self._batch = device, batch
        self.network = network.to(device)
        self._optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-4)
        self._loaders: dict[int, DataLoader[tuple[Tensor, Tensor]]] = {}

    def epoch(self, epoch: int, rows: NDArray[np.int64]) -> Epoch:
        """Train on the images in random order."""
        self.network.train()
        total, correct = 0.0, 0
        for images, targets in self._loader(rows, shuffled=True):
            inputs, truth = (each.to(self._device, non_blocking=True) for each in (images, targets))
            output = self.network(inputs)
            logits = output if isinstance(output, Tensor) else output.logits
            loss = nn.functional.cross_entropy(logits, truth)
            if not isinstance(output, Tensor):
                loss = loss + 0.4 * nn.functional.cross_entropy(output.aux_logits, truth)
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            total += loss.item() * len(truth)
            correct += int((logits.argmax(1) == truth).sum().item())
            yield
        return total / len(rows), correct / len(rows)

    @torch.inference_mode()
    def predict(self, rows: NDArray[np.int64]) -> Tensor:
        """Logits of the images."""
        self.network.eval()
        return torch.cat(
            [self.network(images.to(self._device)) for images, _ in self._loader(rows, shuffled=False)]
        )

    def _loader(self, rows: NDArray[np.int64], shuffled: bool) -> "DataLoader[tuple[Tensor, Tensor]]":
        if shuffled not in self._loaders:
            self._loaders[shuffled] = DataLoader(
                Subset(self._images, rows.tolist()),
                self._batch,
                shuffle=shuffled,
                num_workers=CORES,
                pin_memory=self._device.type == "cuda",
                persistent_workers=True,
            )
        return self._loaders[shuffled]


Rates = dict[tuple[str, str, str], tuple[float, float]]
"""Images trained and images predicted a second, by network, view and way."""

Training = UsualTraining | PlainTraining | CapturedTraining


@dataclass(frozen=True)
class Bench:
    """What is measured, on which data and device."""

    folder: Path
    """Holds {view}/{class}/*.png or .jpg and the store's {view}.json."""
    device: str
    images: int
    size: int | None
    """Side of the inputs; None: the network's own."""
    threads: int
    """Of torch, on a CPU."""
    quick: bool = False
    deterministic: bool = True
    seconds: float = COUNTED_SECONDS

    @property
    def rows(self) -> NDArray[np.int64]:
        """The images that are trained on and predicted."""
        return np.arange(self.images)

    def training(self, way: str, architecture: str, view: str) -> Training:
        """A network before its first step; sets how torch computes."""
        arithmetic = self.arithmetic(way)
        size = input_size(architecture, self.size)
        recipe = Recipe(weights="random", epochs=2, input_size=size)
        cell = Cell("generated", "printed", "random", view, architecture, "scratch", 0)
        if way == "usual":
            network = initial_network(cell, recipe, 2, size)
            return UsualTraining(self.folder / view, network, size, arithmetic.device, recipe.batch_size)
        images = PackedView(self.folder / "store" / f"{view}.json")
        targets = torch.from_numpy(self.rows % 2).to(arithmetic.device)
        if way == "plain":
            network, optimizer = new_network(cell, recipe, 2, size, arithmetic.device)
            inputs = InputImages(images, size, arithmetic.device, architecture)
            return PlainTraining(cell, recipe, network, optimizer, inputs, targets)
        stepper = Stepper(initial_network(cell, recipe, 2, size), recipe, size, arithmetic)
        on_device = DeviceImages(images, size, arithmetic.device, architecture)
        return CapturedTraining(cell, recipe, stepper, on_device, targets)

    def arithmetic(self, way: str) -> Arithmetic:
        """Torch as this way has it."""
        engine: Engine = way if way in ("captured_fp32", "captured_bf16") else "plain"  # type: ignore[assignment]
        arithmetic = set_arithmetic(self.device, self.threads, engine)
        if way == "usual" or not self.deterministic:
            torch.use_deterministic_algorithms(False)
        if way == "usual":
            torch.backends.cudnn.allow_tf32 = True  # torch's own default
        return replace(arithmetic, engine="captured_fp32") if way == "steps" else arithmetic

    def ways(self) -> list[str]:
        """All ways to train here."""
        return [
            "usual",
            "plain",
            *(["captured_fp32", "captured_bf16"] if self.device == "cuda" else ["steps"]),
        ]


class Table:
    """Rows that are printed as they come, and kept as Markdown."""

    def __init__(self, title: str, head: Sequence[str]) -> None:
        self._head = head
        self.markdown = [
            f"### {title}",
            "",
            "| " + " | ".join(head) + " |",
            "|---" * len(head) + "|",
        ]
        print(f"\n{title}\n" + "".join(f"{name:>16}" for name in head), flush=True)

    def add(self, *values: str) -> None:
        """One row."""
        self.markdown.append("| " + " | ".join(values) + " |")
        print("".join(f"{value:>16}" for value in values), flush=True)


def main() -> None:
    """Generate, measure, print the tables and write them where asked."""
    options = _options()
    if options.first_step:
        architecture, way, view, folder = options.first_step
        bench = Bench(Path(folder), options.device, options.images, options.size, options.threads)
        first_step(bench, way, architecture, view)
        return
    device = set_arithmetic(options.device, options.threads).device.type
    images = options.images or (64 if options.quick else 1600 if device == "cuda" else 192)
    architectures = options.architectures or (
        ["lenet5", "shufflenet_v2"] if options.quick else list(TRAIN_GFLOP)
    )
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        size = options.size or (32 if options.quick else None)
        bench = Bench(
            *(Path(folder), device, images, size, 1 if options.quick else options.threads, options.quick),
            seconds=options.seconds,
        )
        generate(bench.folder, images, (80, 60) if options.quick else (600, 450))
        machine = f"{device_name(bench.arithmetic('plain').device)}; {CORES} cores, {_processor()}"
        versions = (
            f"torch {torch.__version__}, torchvision {version('torchvision')}, Pillow {PIL.__version__}"
        )
        print(f"{machine}; {versions}; {images} images an epoch, batch 32")

        def save(tables: list[str]) -> None:
            if options.out:
                head = f"{machine}; {versions}; {images} images an epoch."
                write_section(options.out, device, [head, "", *tables])

        measure(bench, architectures, options.varied or architectures, save)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two small networks, few small images")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--architectures", nargs="+", help="networks (the study's four)")
    parser.add_argument(
        "--varied", nargs="+", help="of them, those measured in flight and not deterministic (all)"
    )
    parser.add_argument(
        "--seconds", type=float, default=COUNTED_SECONDS, help="that are counted at least (3)"
    )
    parser.add_argument("--images", type=int, help="images an epoch (1600 on a GPU, 192 on a CPU)")
    parser.add_argument("--threads", type=int, default=CORES, help="of torch, on a CPU (all cores)")
    parser.add_argument("--size", type=int, help="side of the inputs (each network's own)")
    parser.add_argument("--folder", type=Path, help="where data is made (the system's temporary folder)")
    parser.add_argument("--out", type=Path, help="Markdown file whose section is written anew")
    parser.add_argument("--first-step", nargs=4, help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(
    bench: Bench, architectures: Sequence[str], varied: Sequence[str], save: Callable[[list[str]], None]
) -> None:
    """All tables; ``save`` is called with their Markdown after each, so that an interrupted run leaves what
    it has."""
    ways = bench.ways()
    rates: Rates = {}
    table = Table("Images trained a second", ["network", "view", *ways, *(f"{way} ×" for way in ways[1:])])
    for architecture in architectures:
        for view in VIEWS:
            for way in ways:
                rates[architecture, view, way] = rates_of(bench, way, architecture, view)
            trained = [rates[architecture, view, way][0] for way in ways]
            ratios = [f"{rate / trained[0]:.2f}" for rate in trained[1:]]
            table.add(architecture, view, *(f"{rate:.1f}" for rate in trained), *ratios)
    lines = table.markdown
    if "H200" in device_name(bench.arithmetic("plain").device):
        lines += ["", *roofline(rates, ways)]
    save(lines)
    started = architectures[:1] if bench.quick else architectures  # starting Python takes longest
    shown, starts = starting(bench, started)
    lines += ["", *shown]
    lines += ["", *projection(started, ways, rates, starts)]
    save(lines)
    lines += ["", *in_flight(bench, varied)]
    save(lines)
    lines += ["", *determinism(bench, varied)]
    save(lines)


def rates_of(bench: Bench, way: str, architecture: str, view: str) -> tuple[float, float]:
    """Images trained and images predicted a second."""
    training = bench.training(way, architecture, view)
    trained = rate(bench, [training])
    training.predict(bench.rows)  # starts workers and chooses kernels
    _synchronise(bench)
    started = time.perf_counter()
    training.predict(bench.rows)
    _synchronise(bench)
    predicted = bench.images / (time.perf_counter() - started)
    del training
    free_memory(torch.device(bench.device))
    return trained, predicted


def rate(
    bench: Bench, trainings: Sequence[Training], streams: Sequence["torch.cuda.Stream | None"] = (None,)
) -> float:
    """Images a second that all ``trainings`` take together, step by step in turns, from their second epoch
    on."""
    seconds, epoch = 0.0, 0
    while epoch < 2 or (seconds < bench.seconds and not bench.quick):
        epoch += 1
        _synchronise(bench)
        started = time.perf_counter()
        running = [
            (training.epoch(epoch, bench.rows), stream)
            for training, stream in zip(trainings, streams, strict=True)
        ]
        while running:
            running = [turn for turn in running if _stepped(*turn)]
        _synchronise(bench)
        if epoch > 1:
            seconds += time.perf_counter() - started
    return bench.images * len(trainings) * (epoch - 1) / seconds


def _stepped(epoch: Epoch, stream: "torch.cuda.Stream | None") -> bool:
    with torch.cuda.stream(stream):
        try:
            next(epoch)
        except StopIteration:
            return False
    return True


def roofline(rates: Rates, ways: Sequence[str]) -> list[str]:
    """Share of the H200's 790 TFLOP/s."""
    table = Table(f"Share of {H200_TFLOPS:.0f} TFLOP/s, in percent", ["network", *ways])
    for architecture, gflop in TRAIN_GFLOP.items():
        if (architecture, "center", ways[0]) in rates:
            shares = [rates[architecture, "center", way][0] * gflop / 10 / H200_TFLOPS for way in ways]
            table.add(architecture, *(f"{share:.1f}" for share in shares))
    return table.markdown


def in_flight(bench: Bench, architectures: Sequence[str]) -> list[str]:
    """Images a second of one, two and four cells at a time, on crops."""
    way = bench.ways()[-1]
    table = Table(
        f"Cells in flight ({way}): images a second together", ["network", "1", "2", "4", "2 ×", "4 ×"]
    )
    for architecture in architectures:
        if draws_in_training(architecture):
            continue
        found = []
        for cells in (1, 2, 4):
            streams = [torch.cuda.Stream() if bench.device == "cuda" else None for _ in range(cells)]  # type: ignore[no-untyped-call]
            trainings = []
            for stream in streams:
                with torch.cuda.stream(stream):
                    trainings.append(bench.training(way, architecture, "center"))
            found.append(rate(bench, trainings, streams))
            del trainings
            free_memory(torch.device(bench.device))
        table.add(
            architecture,
            *(f"{each:.1f}" for each in found),
            *(f"{each / found[0]:.2f}" for each in found[1:]),
        )
    return table.markdown


def determinism(bench: Bench, architectures: Sequence[str]) -> list[str]:
    """What deterministic algorithms cost, on crops."""
    table = Table("Deterministic algorithms: images a second", ["network", "way", "on", "off", "off ×"])
    for architecture in architectures:
        for way in ("plain", bench.ways()[-1]):
            found = []
            for deterministic in (True, False):
                chosen = replace(bench, deterministic=deterministic)
                found.append(rate(chosen, [chosen.training(way, architecture, "center")]))
                free_memory(torch.device(bench.device))
            table.add(architecture, way, *(f"{each:.1f}" for each in found), f"{found[1] / found[0]:.2f}")
    return table.markdown


def starting(bench: Bench, architectures: Sequence[str]) -> tuple[list[str], dict[tuple[str, str], float]]:
    """Seconds from the start of Python to the end of the first step, on crops; the table, and they by network
    and way."""
    ways = bench.ways()
    table = Table("Seconds from the start of Python to the end of the first step", ["network", *ways])
    found = {}

    def start(architecture: str, way: str) -> float:
        started = time.perf_counter()
        command = [sys.executable, __file__, "--first-step", architecture, way, "center", str(bench.folder)]
        command += ["--device", bench.device, "--images", str(bench.images), "--threads", str(bench.threads)]
        subprocess.run([*command, *(("--size", str(bench.size)) if bench.size else ())], check=True)
        return time.perf_counter() - started

    # Where cores abound, four at a time: starting Python is work for one.
    together = 4 if CORES >= 16 else 1
    every = [(architecture, way) for architecture in architectures for way in ways]
    for each, seconds in zip(every, mapped(lambda each: start(*each), every, together), strict=True):
        found[each] = seconds
    for architecture in architectures:
        table.add(architecture, *(f"{found[architecture, way]:.1f}" for way in ways))
    return table.markdown, found


def first_step(bench: Bench, way: str, architecture: str, view: str) -> None:
    """Train one step and end the process at once."""
    next(bench.training(way, architecture, view).epoch(1, bench.rows))
    _synchronise(bench)
    os._exit(0)


def projection(
    architectures: Sequence[str], ways: Sequence[str], rates: Rates, starts: dict[tuple[str, str], float]
) -> list[str]:
    """Hours of the published grid: 13 datasets and six views for each network, a process for each cell."""
    counts = images_of_datasets()
    cells = len(counts) * sum(VIEWS.values())
    table = Table(
        f"Hours of {cells} cells a network ({sum(counts):,} images, {EPOCHS} epochs; of these, starting "
        "Python)",
        ["network", *ways],
    )
    total = dict.fromkeys(ways, 0.0)
    starting_up = dict.fromkeys(ways, 0.0)
    for architecture in architectures:
        shown = []
        for way in ways:
            each = 0.0  # seconds an image of each dataset takes in all six views
            for view, alike in VIEWS.items():
                trained, predicted = rates[architecture, view, way]
                each += alike * (TRAIN * EPOCHS / trained + PREDICTED * (EPOCHS + 1) / predicted)
            start = cells * starts[architecture, way] / 3600
            hours = sum(counts) * each / 3600 + start
            total[way] += hours
            starting_up[way] += start
            shown.append(f"{hours:.2f} ({start:.2f})")
        table.add(architecture, *shown)
    table.add("together", *(f"{total[way]:.2f} ({starting_up[way]:.2f})" for way in ways))
    return table.markdown


def images_of_datasets() -> list[int]:
    """Images of each of the study's datasets, as its definition expects them."""
    texts = [path.read_text() for path in sorted((ROOT / "config" / "datasets").glob("*.yaml"))]
    return [int(found[1]) for text in texts if (found := re.search(r"^  images: (\d+)", text, re.MULTILINE))]


def generate(folder: Path, images: int, size: tuple[int, int]) -> None:
    """Originals of ``size`` (width, height) as JPEG, their central 20×20 pixels as PNG, both in two class
    folders, and the store."""
    width, height = size

    def image(number: int) -> None:
        rng = np.random.default_rng(number)
        coarse, fine = (
            Image.fromarray(rng.integers(0, high, (height // step, width // step, 3), dtype=np.uint8)).resize(
                size, Image.Resampling.BILINEAR
            )
            for high, step in ((190, 20), (60, 2))
        )
        name = f"{'benign' if number % 2 == 0 else 'malignant'}/{number:05}"
        made = Image.fromarray(np.asarray(coarse) + np.asarray(fine))
        made.save(folder / "original" / f"{name}.jpg", quality=95)
        left, top = (width - 20) // 2, (height - 20) // 2
        # As usual: the crop of the saved image, saved again without loss.
        with Image.open(folder / "original" / f"{name}.jpg") as saved:
            saved.crop((left, top, left + 20, top + 20)).save(folder / "center" / f"{name}.png")

    for view in VIEWS:
        for target in ("benign", "malignant"):
            (folder / view / target).mkdir(parents=True)
    for _ in mapped(image, range(images), CORES):
        pass
    paths = sorted((folder / "original").rglob("*.jpg"), key=lambda path: path.name)
    rows = [(path.stem, str(path), width, height) for path in paths]
    samples = pd.DataFrame(rows, columns=["id", "path", "width", "height"])
    (folder / "store").mkdir()
    write_store(samples, folder / "store", list(VIEWS), 20, 20, CORES)


def write_section(path: Path, device: str, lines: Sequence[str]) -> None:
    """Put ``lines`` between the marks of this kind of device in the Markdown file ``path``."""
    begin, end = (f"<!-- engine.py on {device}: {word} -->" for word in ("begin", "end"))
    text = path.read_text() if path.exists() else ""
    if begin not in text:
        text = f"{text.rstrip()}\n\n{begin}\n{end}\n".lstrip()
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    path.write_text("\n".join([before + begin, "", *lines, "", end + after]))


def _synchronise(bench: Bench) -> None:
    if bench.device == "cuda":
        torch.cuda.synchronize()


def _processor() -> str:
    """The processor's name, as Linux tells it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
