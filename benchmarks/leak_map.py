"""A leak map beside scikit-learn: `python benchmarks/leak_map.py [--quick] [--folder FOLDER]`.

10,015 images of 200×150 pixels in 7,470 groups at 15×15 places and the corners of further sizes, and 277,524
patches of 50×50 in 279 groups at 5×5 places: noise in two classes, written below FOLDER (default: the
system's temporary folder) and removed afterwards. Both are read in ten folds with 499 draws of the labels, by
the workflow's own command, on two threads.

The plain alternative is scikit-learn's `cross_val_predict` of a standardised ridge regression on the same
numbers of a window, once for the labels and once for each draw; it is measured at one place with two draws,
and multiplied. Cutting the windows is not counted there.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.linear_model import Ridge
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nullcrop.config.leak_map import LeakMap
from nullcrop.cues.windows import features_of, places_of
from nullcrop.images.store import write_store
from nullcrop.splits import make_split

PACKAGE = str(Path(__file__).parents[1] / "workflow")
FOLDS = 10


@dataclass(frozen=True)
class Size:
    """A dataset, and the map that is made of it."""

    images: int
    groups: int
    width: int
    height: int
    settings: LeakMap


SIZES = {
    "10,015 of 200×150": Size(10_015, 7_470, 200, 150, LeakMap(window=20)),
    "277,524 of 50×50": Size(277_524, 279, 50, 50, LeakMap(window=20, positions=5, sizes=[20])),
}
QUICK = {"120 of 64×48": Size(120, 60, 64, 48, LeakMap(window=20, positions=3, sizes=[8], draws=99))}


def write(folder: Path, size: Size) -> np.ndarray:
    """Write images, samples, store and splits; return the targets."""
    rng = np.random.default_rng(0)
    targets = (np.arange(size.images) % 3 == 0).astype(np.int64)
    rows = []
    for number, target in enumerate(targets):
        path = folder / "images" / f"{number:06d}.png"
        path.parent.mkdir(exist_ok=True)
        pixels = rng.integers(0, 256, (size.height, size.width, 3), np.uint8)
        Image.fromarray(pixels).save(path, compress_level=0)
        group = f"p{number * size.groups // size.images}"
        rows.append((path.stem, str(path), size.width, size.height, group, "", target))
    columns = ["id", "path", "width", "height", "group", "official_split", "target"]
    samples = pd.DataFrame(rows, columns=columns)
    samples.to_csv(folder / "samples.csv", index=False)
    write_store(samples, folder / "views", ["original"], 20, 20, threads=2)
    place = folder / "splits" / "printed" / "crossfit"
    place.mkdir(parents=True)
    for seed in range(FOLDS):
        split = make_split(samples, samples["target"], "crossfit", seed)
        split.to_csv(place / f"seed{seed}.csv", index=False)
    return targets


def of_nullcrop(folder: Path, size: Size) -> tuple[float, float]:
    """Seconds and peak memory in MB of the workflow's command."""
    splits = [str(folder / "splits" / "printed" / "crossfit" / f"seed{seed}.csv") for seed in range(FOLDS)]
    started = time.monotonic()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "nullcrop", "map-leaks", "--samples", str(folder / "samples.csv")),
            *("--view", str(folder / "views" / "original.json"), "--splits", *splits),
            *("--settings", size.settings.model_dump_json(), "--level", "0.05", "--threads", "2"),
            *("--means", str(folder / "map.npy"), "--out", str(folder / "map.csv")),
        ],
        env=os.environ | {"PYTHONPATH": PACKAGE},
        stderr=subprocess.DEVNULL,
    )
    peak = Peak(process.pid)
    if process.wait():
        raise SystemExit("map-leaks failed")
    return time.monotonic() - started, peak.stop()


class Peak:
    """The largest anonymous memory of a process in MB: mapped pages of files can be given back."""

    def __init__(self, pid: int) -> None:
        self._status, self._largest, self._over = Path(f"/proc/{pid}/status"), 0.0, threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()

    def _look(self) -> None:
        while not self._over.wait(0.05):
            try:
                lines = self._status.read_text().splitlines()
            except OSError:
                return
            sizes = [int(line.split()[1]) for line in lines if line.startswith("RssAnon")]
            self._largest = max(self._largest, *(size / 1024 for size in sizes), 0.0)

    def stop(self) -> float:
        self._over.set()
        self._watch.join()
        return self._largest


def of_scikit_learn(folder: Path, size: Size, targets: np.ndarray) -> float:
    """Seconds for all places and draws, from those of one place and two draws."""
    pixels = np.load(folder / "views" / "original.npy", mmap_mode="r")
    side = size.settings.window or 20
    features = np.concatenate(
        [
            features_of(np.asarray(pixels[start : start + 1000, :side, :side]))
            for start in range(0, size.images, 1000)
        ]
    )
    fold = np.full(size.images, -1)
    for seed in range(FOLDS):
        split = pd.read_csv(folder / "splits" / "printed" / "crossfit" / f"seed{seed}.csv")
        fold[split["part"] == "test"] = seed
    model = make_pipeline(StandardScaler(), Ridge(100))
    rng, started = np.random.default_rng(0), time.monotonic()
    for _ in range(2):
        cross_val_predict(model, features, rng.permutation(targets), cv=PredefinedSplit(fold))
    once = (time.monotonic() - started) / 2
    settings = size.settings
    places = places_of(size.width, size.height, side, settings.positions, settings.sizes)
    return once * (settings.draws + 1) * len(places)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    print("| images | places | nullcrop, s | its memory, MB | scikit-learn, s | ratio |")
    print("|---|---|---|---|---|---|")
    for name, size in (QUICK if options.quick else SIZES).items():
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            targets = write(Path(folder), size)
            settings = size.settings
            places = places_of(size.width, size.height, 20, settings.positions, settings.sizes)
            own, memory = of_nullcrop(Path(folder), size)
            plain = of_scikit_learn(Path(folder), size, targets)
            print(
                f"| {name} | {len(places)} | {own:.0f} | {memory:,.0f} | {plain:,.0f} | {plain / own:,.0f} |"
            )


if __name__ == "__main__":
    main()
