"""Originals as networks take them beside originals at full size: bytes, packing, and a cell's start.

    python benchmarks/originals.py [--quick] [--folder FOLDER] [--repeats 3]

Generates JPEGs of the sizes of ISIC-2017 and ISIC-2019 and packs them both ways (`originals: full` and
`input`, at 224 and 299 pixels). For ISIC-2019 the sizes follow the sources in its lesion ids; no table tells
those of ISIC-2017, so the shares of four sizes that occur in it are an assumption.

- *packed*: all six views and checksums, by as many threads as there are cores.
- *hashed*: the search for duplicates takes its hashes; of `input` they were computed with the views.
- *first batch*: a store opened and the first 32 images of an epoch at 224 pixels, as the plain loop takes
them.
- *all images*: each once in random order: the plain loop's first epoch, or what the captured engine does
before
  its first step.

The store's file is written out and dropped from the page cache before each of the last two. The best of the
repeats counts, the two ways take turns. CPU seconds stand in brackets: they depend less on what else runs.
The second table is the first one times the dataset's images over those generated.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from six_views import Size, generate

from nullcrop.config.views import views_made_always
from nullcrop.images.hashes import hash_images
from nullcrop.images.store import PackedView, write_store
from nullcrop.training.data import InputImages

CORES = len(os.sched_getaffinity(0))
SIDES = {"224": 224, "299": 299}
INPUT, BATCH = 224, 32

# Width, height, JPEG quality, how many are generated (the last number is six_views.py's own).
SIZES = {
    "ISIC-2017": [
        Size(1022, 767, 93, 16, 0),
        Size(3008, 2000, 93, 14, 0),
        Size(4288, 2848, 93, 8, 0),
        Size(6748, 4499, 93, 2, 0),
    ],
    "ISIC-2019": [Size(600, 450, 96, 47, 0), Size(1024, 1024, 93, 59, 0), Size(1024, 768, 93, 14, 0)],
}
IMAGES = {"ISIC-2017": 2_750, "ISIC-2019": 25_331}

WAYS = {"full": None, "input": SIDES}
COLUMNS = ("GB", "packed", "hashed", "first batch", "all images")


def main() -> None:
    """Generate, measure both ways in turn and print the tables."""
    options = _options()
    found = {}
    for name, sizes in SIZES.items():
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            samples = _samples(Path(folder), sizes, options.quick)
            measured: dict[str, list[np.ndarray]] = {way: [] for way in WAYS}
            for _ in range(1 if options.quick else options.repeats):
                for way in WAYS:
                    measured[way].append(_measure(way, samples, Path(folder, way)))
            best = {way: np.min(rows, axis=0) for way, rows in measured.items()}
        found[name] = len(samples), best
    print(f"{CORES} cores; the images that were generated\n")
    for name, (count, best) in found.items():
        _print(f"{name} ({count})", best)
    print("\nall images of the dataset; the first batch is what it is\n")
    for name, (count, best) in found.items():
        times = np.full((len(COLUMNS), 1), IMAGES[name] / count)
        times[COLUMNS.index("first batch")] = 1
        _print(f"{name} ({IMAGES[name]:,})", {way: values * times for way, values in best.items()})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a few images of each size, once")
    parser.add_argument(
        "--folder", type=Path, help="where the files are made (the system's temporary folder)"
    )
    parser.add_argument("--repeats", type=int, default=3, help="the best of so many counts (3)")
    return parser.parse_args()


def _print(name: str, best: dict[str, np.ndarray]) -> None:
    print(f"{name:20}" + "".join(f"{column:>20}" for column in COLUMNS))
    for way, values in {**best, "ratio": best["full"] / best["input"]}.items():
        digits = 1 if way == "ratio" else 2
        size, *steps = values.tolist()
        cells = [f"{size[0]:.{digits}f}", *(f"{clock:.{digits}f} ({cpu:.{digits}f})" for clock, cpu in steps)]
        print(f"  {way:18}" + "".join(f"{cell:>20}" for cell in cells), flush=True)


def _samples(folder: Path, sizes: list[Size], quick: bool) -> pd.DataFrame:
    """What list-samples would have written, in an order that mixes the sizes."""
    rows = []
    for size in sizes:
        images = folder / f"{size.width}x{size.height}"
        generate(images, size, max(1, size.generated // 15) if quick else size.generated)
        for path in sorted(images.iterdir()):
            with Image.open(path) as image:
                rows.append((f"{images.name}/{path.name}", str(path), *image.size))
    samples = pd.DataFrame(rows, columns=["id", "path", "width", "height"])
    return samples.sample(frac=1, random_state=0, ignore_index=True)


def _measure(way: str, samples: pd.DataFrame, folder: Path) -> np.ndarray:
    """One row of the table: gigabytes, then seconds on the clock and of the CPU for each step."""
    packed = _seconds(lambda: write_store(samples, folder, views_made_always(), 20, 20, CORES, WAYS[way]))
    sidecar, array = folder / "original.json", folder / "original.npy"
    hashed = _seconds(lambda: hash_images(samples, PackedView(sidecar), CORES))
    order = np.random.default_rng(0).permutation(len(samples)).tolist()
    _forget(array)
    first = _seconds(lambda: _read(sidecar, order[:BATCH]))
    _forget(array)
    every = _seconds(lambda: _read(sidecar, order))
    size = array.stat().st_size / 1e9
    return np.array([(size, size), packed, hashed, first, every])


def _seconds(work: Callable[[], object]) -> tuple[float, float]:
    """On the clock, and of the CPU in this process."""
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - cpu


def _read(sidecar: Path, rows: list[int]) -> None:
    """Open the store and take ``rows`` batch by batch, as a cell does."""
    images = InputImages(PackedView(sidecar).at(INPUT), INPUT, torch.device("cpu"), "resnet50")
    for start in range(0, len(rows), BATCH):
        images.batch(rows[start : start + BATCH])


def _forget(path: Path) -> None:
    """Write ``path`` out and drop it from the page cache, so that it is read from the disk."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    main()
