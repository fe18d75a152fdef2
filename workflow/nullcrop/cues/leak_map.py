"""The leak map: how well the class can be read from a small window at each place of the image.

At each place a ridge regression on colours, spreads and histograms of the window is trained and tested on the
study's own splits, groups kept apart as they keep them. Its null is exact: it is fitted anew to every draw of
the labels (statistics/refits.py). All places and sizes are tested at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from nullcrop.basics.files import written_whole
from nullcrop.config.leak_map import LeakMap
from nullcrop.cues.refitted import READ_COLUMNS, read_all, splits_by_name
from nullcrop.cues.windows import Place, Windows, measure_windows, places_of
from nullcrop.datasets.samples import read_samples
from nullcrop.statistics.sentences import bound_words
from nullcrop.training.cells import open_view, read_split

MAP_COLUMNS = ["labels", "split", "size", "row", "column", "x", "y", *READ_COLUMNS]


@dataclass(frozen=True)
class MapJob:
    """What a leak map is made of."""

    samples: Path
    """samples.csv."""
    view: Path
    """The store's original.json."""
    splits: Sequence[Path]
    """Files as results/splits/{dataset}/{labels}/{split}/seed{seed}.csv."""
    settings: LeakMap
    """Its window is named."""
    level: float
    threads: int


def write_leak_map(job: MapJob, out: Path, means: Path) -> None:
    """Write the map as CSV (MAP_COLUMNS), and the mean image of each class of the first label rule as .npy.

    A row of the table is a label rule, a split and a place: ``size`` of the window in pixels, ``row`` and
    ``column`` in its grid, ``x`` and ``y`` of its centre as a share of width and height, the AUROC with
    bounds that hold for all places of that label rule and split at once, and p corrected over them. Raises
    NullcropError when files do not fit each other, or the window does not fit the images.
    """
    samples = read_samples(job.samples)
    smallest = int(samples["width"].min()), int(samples["height"].min())
    settings = job.settings
    places = places_of(*smallest, settings.window or 0, settings.positions, settings.sizes)
    first = read_split(job.splits[0])
    view = open_view(job.view, first, job.splits[0])
    windows = measure_windows(
        view, list(samples["path"]), first["target"].to_numpy(), places, job.threads, out.parent
    )
    tables = [
        map_of(windows, places, paths, settings.draws, job.level, job.threads).assign(
            labels=labels, split=split
        )
        for (labels, split), paths in splits_by_name(job.splits).items()
    ]
    with written_whole(means) as aside, aside.open("wb") as file:
        np.save(file, windows.means.astype(np.float32))
    with written_whole(out) as aside:
        pd.concat(tables)[MAP_COLUMNS].to_csv(aside, index=False)


def map_sentence(table: pd.DataFrame, labels: str, split: str) -> str:
    """What a map says of one label rule and split, in a sentence; empty where it holds none of it."""
    rows = table[(table["labels"] == labels) & (table["split"] == split)]
    if rows.empty:
        return ""
    grid = rows[rows["size"] == rows["size"].iloc[0]]
    best = grid.loc[grid["auroc"].idxmax()]
    windows = f"windows of {best['size']}×{best['size']} pixels"
    telling = int((grid["low"] > 0.5).sum())
    if not telling:
        return (
            f"At none of {len(grid)} places of the image a simple reader of {windows} is shown to tell the "
            "class."
        )
    return (
        f"In {windows} a simple reader tells the class in {telling / len(grid):.0%} of the field, best at "
        f"the {place_words(best['x'], best['y'])} ({best['auroc']:.2f}, at least {bound_words(best['low'])})."
    )


def place_words(x: float, y: float) -> str:
    """Where in the image a point lies, as a share of width and height, by thirds."""
    across, down = min(int(3 * x), 2), min(int(3 * y), 2)
    if across == 1:
        return ("top", "centre", "bottom")[down]
    return ("upper ", "", "bottom ")[down] + ("left", "", "right")[across]


def map_of(
    windows: Windows, places: Sequence[Place], splits: Sequence[Path], draws: int, level: float, threads: int
) -> pd.DataFrame:
    """The rows of one label rule and split, whose seeds or folds are ``splits``; columns as MAP_COLUMNS
    without labels and split."""
    read = read_all(lambda place: windows.features[place], len(places), splits, draws, level, threads)
    return pd.DataFrame(
        {
            "size": [place.size for place in places],
            "row": [place.row for place in places],
            "column": [place.column for place in places],
            "x": windows.centres[:, 0].round(4),
            "y": windows.centres[:, 1].round(4),
        }
    ).join(read)
