"""Six views of every image: nullcrop's store in one pass beside six plain scripts.

    python benchmarks/six_views.py [--quick] [--folder FOLDER] [--repeats 3]

Generates JPEGs of the sizes of ISIC-2019 and one as large as the largest of the earlier years, and
makes their six views in three ways:

- *six scripts*: each opens every image, resizes it to 224×224 (the original, saved as JPEG) or
  crops 20×20 pixels (a corner or the centre, saved as PNG), one script after the other; this is
  how such views are usually made, and it makes less than the store, which keeps the originals'
  full size.
- *six at once*: the same, as many scripts at a time as there are cores.
- *nullcrop*: `write_store` with as many threads as there are cores, checksums included.

The best of the repeats counts; the three take turns, so that what else the machine does hits all.
CPU seconds (user and system, of the scripts' processes or the store's threads) are told beside
the seconds on the clock, because they depend less on what else runs. The last line takes the
sizes in the numbers in which ISIC-2019 holds them. Listing, which decodes each image once more to
find damaged files, is a step of its own and told by itself.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from nullcrop.basics.threads import mapped
from nullcrop.config.views import views_made_always
from nullcrop.datasets.samples import image_facts
from nullcrop.images.store import write_store
from nullcrop.images.views import crop_box

VIEWS = tuple(views_made_always())

CORES = len(os.sched_getaffinity(0))


@dataclass
class Size:
    """Images of one size: how many are generated, and how many of ISIC-2019 are taken to be like them."""

    width: int
    height: int
    quality: int
    generated: int
    in_isic_2019: int


# By the source in ISIC-2019's lesion ids: HAM10000, BCN_20000 and the rest, which has several
# sizes of at most 1024 pixels a side. The largest images of 2016 and 2017 are not in it.
SIZES = [
    Size(600, 450, 96, 240, 10_015),
    Size(1024, 1024, 93, 120, 12_413),
    Size(1024, 768, 93, 120, 2_903),
    Size(4288, 2848, 93, 8, 0),
]


@dataclass
class Spent:
    """Seconds of one way."""

    clock: float
    cpu: float


def main() -> None:
    """Generate, measure the ways in turn and print the table."""
    options = _options()
    ways: dict[str, Callable[[Path], None]] = {
        "six scripts": lambda images: six_scripts(images, at_once=1),
        "six at once": lambda images: six_scripts(images, at_once=CORES),
        "nullcrop": store,
        "listing": listing,
    }
    print(f"{CORES} cores; milliseconds an image on the clock, and of CPU time in brackets\n")
    print(f"{'':22}{'KB':>6}" + "".join(f"{way:>18}" for way in ways) + f"{'ratio':>15}")
    projected = {way: Spent(0.0, 0.0) for way in ways}
    for size in SIZES:
        count = 2 if options.quick else size.generated
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            images = Path(folder, "images")
            kilobytes = generate(images, size, count)
            best = _best(ways, images, 1 if options.quick else options.repeats)
        each = {way: Spent(spent.clock / count, spent.cpu / count) for way, spent in best.items()}
        _print_row(f"{size.width}×{size.height} ({count})", f"{kilobytes:.0f}", each, 1e3)
        for way, spent in each.items():
            projected[way].clock += spent.clock * size.in_isic_2019
            projected[way].cpu += spent.cpu * size.in_isic_2019
    images_in_all = sum(size.in_isic_2019 for size in SIZES)
    print("\nminutes:")
    _print_row(f"ISIC-2019 ({images_in_all:,})", "", projected, 1 / 60)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two images of each size, once")
    parser.add_argument(
        "--folder", type=Path, help="where the files are made (the system's temporary folder)"
    )
    parser.add_argument("--repeats", type=int, default=3, help="the best of so many counts (3)")
    return parser.parse_args()


def _print_row(name: str, kilobytes: str, spent: dict[str, Spent], unit: float) -> None:
    cells = [f"{each.clock * unit:.1f} ({each.cpu * unit:.1f})" for each in spent.values()]
    plain, mine = spent["six scripts"], spent["nullcrop"]
    ratio = f"{plain.clock / mine.clock:.1f} ({plain.cpu / mine.cpu:.1f})"
    print(f"{name:22}{kilobytes:>6}" + "".join(f"{cell:>18}" for cell in cells) + f"{ratio:>15}", flush=True)


def generate(folder: Path, size: Size, count: int) -> float:
    """JPEGs with colour, texture and grain, so that they take the bytes of dermatoscopic ones; mean KB."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        coarse, fine = (
            Image.fromarray(
                rng.integers(low, high, (size.height // step, size.width // step, 3), dtype=np.uint8)
            ).resize((size.width, size.height), Image.Resampling.BILINEAR)
            for low, high, step in ((80, 200, 50), (0, 60, 2))
        )
        grain = rng.integers(0, 8, (size.height, size.width, 1), dtype=np.uint8)
        pixels = np.asarray(coarse) - 30 + np.asarray(fine) + grain
        Image.fromarray(pixels).save(folder / f"image_{number:05}.jpg", quality=size.quality)
    return sum(path.stat().st_size for path in folder.iterdir()) / count / 1e3


def _best(ways: dict[str, Callable[[Path], None]], images: Path, repeats: int) -> dict[str, Spent]:
    found: dict[str, list[Spent]] = {way: [] for way in ways}
    for _ in range(repeats):
        for way, run in ways.items():
            before, start = os.times(), time.perf_counter()
            run(images)
            seconds, after = time.perf_counter() - start, os.times()
            # The first four: user and system of this process, and of its children.
            found[way].append(Spent(seconds, sum(after[:4]) - sum(before[:4])))
    return {
        way: Spent(min(s.clock for s in spent), min(s.cpu for s in spent)) for way, spent in found.items()
    }


def plain_script(view: str, images: Path) -> None:
    """What somebody would write for one view: open, crop or resize, save, next."""
    out = images.parent / view
    out.mkdir(exist_ok=True)
    for path in sorted(images.iterdir()):
        with Image.open(path) as image:
            if view == "original":
                image.convert("RGB").resize((224, 224)).save(out / path.name)
            else:
                box = crop_box(view, *image.size, 20, 20)
                image.convert("RGB").crop(box).save(out / f"{path.stem}.png")


def six_scripts(images: Path, at_once: int) -> None:
    """The six scripts, ``at_once`` of them at a time; the interpreter's start is not counted for them."""
    waiting = list(VIEWS)
    while waiting:
        running, waiting = waiting[:at_once], waiting[at_once:]
        children = [_fork(view, images) for view in running]
        for child in children:
            if os.waitpid(child, 0)[1] != 0:
                sys.exit("a script failed")


def _fork(view: str, images: Path) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            plain_script(view, images)
            status = 0
        finally:
            os._exit(status)
    return child


def listing(images: Path) -> None:
    """What list-samples does with each image."""
    list(mapped(image_facts, [str(path) for path in sorted(images.iterdir())], CORES))


def store(images: Path) -> None:
    """The store, from the sizes that list-samples would have written."""
    rows = []
    for path in sorted(images.iterdir()):
        with Image.open(path) as image:
            rows.append((path.name, str(path), *image.size))
    samples = pd.DataFrame(rows, columns=["id", "path", "width", "height"])
    write_store(samples, images.parent / "store", list(VIEWS), 20, 20, CORES)


if __name__ == "__main__":
    main()
