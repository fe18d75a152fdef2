"""The cue spectrum: from which kinds of information the class can be read, at the corners and in the whole.

Of each kind (images/filters.py) a ridge regression is trained and tested on the study's own splits, as at a
place of the leak map; so are engineered features (training/engineered.py) and each fact of the file. All of
them are refitted to every draw of the labels and tested at once.

At the corners the filter sees the crop alone, where a view like `low_pass.upper_left` is cut from a filter of
the whole image: so nothing that lies outside the corners, no lesion, reaches the reader.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nullcrop.basics.files import written_whole
from nullcrop.basics.progress import tracked
from nullcrop.basics.threads import mapped
from nullcrop.config.readers import label_of
from nullcrop.config.spectrum import Spectrum
from nullcrop.config.views import study_corners, view_label
from nullcrop.cues.refitted import READ_COLUMNS, read_all, rows_read, splits_by_name
from nullcrop.datasets.samples import read_samples
from nullcrop.images.extracts import FullImage, square
from nullcrop.images.filters import FILTERS, TILE
from nullcrop.images.store import PackedView, full_pixels
from nullcrop.images.views import crop_box
from nullcrop.statistics.sentences import bound_words, enumerated, upper_words
from nullcrop.training.cells import open_view, read_split
from nullcrop.training.engineered import polynomials, radial_power, sharpness, texture
from nullcrop.training.file_facts import file_facts

SPECTRUM_COLUMNS = ["labels", "split", "kind", "place", "reader", *READ_COLUMNS]

CORNERS, WHOLE = "corners", "original"
"""Places. What the file tells stands at the whole image."""

PLACES = {CORNERS: "the four corners", WHOLE: "the whole image"}
"""What a reader of the report sees in place of them."""

RIDGE = "ridge"
"""The reader of block means, spreads, histograms and steps."""

IN_COLOUR = ("original", "colour_only", "pixel_shuffle", "tile_shuffle", "median")
"""Kinds whose three channels differ."""

BLOCK_GRID = "block_grid"

BINS = 8
"""Bins of the histogram of each channel."""

BLOCKS = {CORNERS: 2, WHOLE: 4}
"""Blocks in each direction whose means are features."""

PATCH, PATCHES = 64, 4
"""Of larger images so many patches of so many pixels are seen in each direction."""

FILE_FACTS = {
    "width": "width",
    "height": "height",
    "file_bytes": "size of the file",
    "orientation": "EXIF orientation",
    "format": "format",
    "mode": "mode of the pixels",
    "exif": "EXIF data",
    "table": "compression tables",
}
"""Facts of the file, by how the names of their columns begin (training/file_facts.py)."""

PARTED = ("colour_only", "low_pass", "high_pass", "noise", "block_grid")
"""Kinds that part an image's information: the sentence speaks of them. The others hold several of these."""

WORDS = {"colour_only": "colour", "block_grid": "compression"}
"""What the sentence calls them, where it is not the view's label."""

Features = NDArray[np.float32]
Engineered = Callable[[NDArray[np.uint8]], NDArray[np.float64]]
ENGINEERED: dict[str, Engineered] = {
    "texture": texture,
    "polynomials": lambda image: polynomials(square(20).of(FullImage(np.ascontiguousarray(image)))),
    "radial_power": radial_power,
    "sharpness": sharpness,
}
"""Engineered features, by the baseline of the same name."""


@dataclass(frozen=True)
class SpectrumJob:
    """What a spectrum is made of."""

    samples: Path
    """samples.csv."""
    view: Path
    """The store's original.json."""
    splits: Sequence[Path]
    """Files as results/splits/{dataset}/{labels}/{split}/seed{seed}.csv."""
    settings: Spectrum
    crop: tuple[int, int]
    """Width and height of the corners in pixels."""
    level: float
    threads: int


@dataclass(frozen=True)
class Row:
    """Something that is read by itself."""

    kind: str
    """A filter, `original`, or ``file_`` and a fact."""
    place: str
    reader: str
    """RIDGE or an engineered baseline."""


def write_spectrum(job: SpectrumJob, out: Path) -> None:
    """Write the spectrum as CSV (SPECTRUM_COLUMNS), a row a label rule, split, kind, place and reader.

    The bounds hold for all rows of a label rule and split at once, and p is corrected over them. Of images
    without a fact that differs there is no row of it. Raises NullcropError when files do not fit each other.
    """
    samples, of_split = read_samples(job.samples), splits_by_name(job.splits)
    view = open_view(job.view, read_split(job.splits[0]), job.splits[0])
    most = job.settings.images
    kept = np.unique(np.concatenate([rows_read(paths, most) for paths in of_split.values()]))
    rows, features = measure(view, list(samples["path"]), kept, job.crop, job.threads)
    facts = fact_features(samples.iloc[kept])
    rows, features = [*rows, *facts], [*features, *facts.values()]

    def of_all(number: int) -> Features:
        """Of images that no split reads zeros, which nobody looks at."""
        wide = np.zeros((len(samples), features[number].shape[1]), np.float32)
        wide[kept] = features[number]
        return wide

    tables = [
        pd.DataFrame([vars(row) for row in rows])
        .join(read_all(of_all, len(rows), paths, job.settings.draws, job.level, job.threads, most))
        .assign(labels=labels, split=split)
        for (labels, split), paths in of_split.items()
    ]
    with written_whole(out) as aside:
        pd.concat(tables)[SPECTRUM_COLUMNS].to_csv(aside, index=False)


def measure(
    view: PackedView, paths: Sequence[str], kept: NDArray[np.int64], crop: tuple[int, int], threads: int
) -> tuple[list[Row], list[Features]]:
    """What is read of the pixels, and the features of each (images × any number) of the images ``kept``.

    Each image is read once, from the store or from its file in ``paths``, on ``threads`` threads.
    """

    def of_image(row: int) -> dict[Row, Features]:
        return features_of_image(full_pixels(view, row, paths[row]), crop)

    found: dict[Row, Features] = {}
    measured = mapped(of_image, kept.tolist(), threads)
    for place, features in enumerate(tracked(measured, len(kept), "images measured")):
        for row, values in features.items():
            if row not in found:
                found[row] = np.empty((len(kept), len(values)), np.float32)
            found[row][place] = values
    return list(found), list(found.values())


def features_of_image(image: NDArray[np.uint8], crop: tuple[int, int]) -> dict[Row, Features]:
    """The features of everything that is read of the pixels (height × width × 3)."""
    height, width, _ = image.shape
    whole = [(patches(image), 0, 0)]
    corners = []
    for name in study_corners():
        left, top, right, bottom = crop_box(name, width, height, *crop)
        corners.append((np.ascontiguousarray(image[top:bottom, left:right]), left, top))
    found = {}
    for place, parts in ((CORNERS, corners), (WHOLE, whole)):
        for kind in ("original", *FILTERS):
            of_parts = [_of_kind(kind, place, *part) for part in parts]
            found[Row(kind, place, RIDGE)] = np.concatenate(of_parts).astype(np.float32)
        for name, function in ENGINEERED.items():
            values = np.concatenate([function(part) for part, *_ in parts])
            found[Row("original", place, name)] = values.astype(np.float32)
    return found


def patches(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image itself; along a side of more than PATCHES × PATCH pixels so many patches beside each other.

    They are spread evenly, keep their pixels and their phase in JPEG's grid.
    """
    chosen = []
    for side in image.shape[:2]:
        if side <= PATCHES * PATCH:
            chosen.append(np.arange(side))
            continue
        starts = np.linspace(0, side - PATCH, PATCHES).astype(int) // TILE * TILE
        chosen.append((starts[:, None] + np.arange(PATCH)).ravel())
    return np.ascontiguousarray(image[np.ix_(*chosen)])


def _of_kind(kind: str, place: str, image: NDArray[np.uint8], left: int, top: int) -> NDArray[np.float64]:
    """Features of one kind of information in a part of an image that begins at ``left`` and ``top``."""
    if kind == BLOCK_GRID:
        of_tiles = [phase_means(FILTERS[kind](tile, 0, 0), left, top) for tile in _tiles(image)]
        means: NDArray[np.float64] = np.mean(of_tiles, axis=0)
        return means
    picture = image if kind == "original" else FILTERS[kind](image, 0, 0)
    return picture_features(picture[..., : 3 if kind in IN_COLOUR else 1], BLOCKS[place])


def _tiles(image: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """The image itself; of one that :func:`patches` put together each patch, whose seams are no blocks'."""
    rows, columns = (
        np.array_split(np.arange(side), PATCHES if side == PATCHES * PATCH else 1) for side in image.shape[:2]
    )
    return [np.ascontiguousarray(image[np.ix_(down, across)]) for down in rows for across in columns]


def picture_features(picture: NDArray[np.uint8], blocks: int) -> NDArray[np.float64]:
    """Of each channel of a picture (height × width × channels): means of ``blocks`` × ``blocks`` parts, the
    standard deviation, a histogram of BINS bins, and the mean step down and across."""
    levels = picture.astype(np.int32)
    rows, columns = (np.minimum(np.arange(blocks) * side // blocks, side - 1) for side in picture.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(levels, rows, axis=0), columns, axis=1)
    sizes = [
        np.maximum(np.diff([*edges, side]), 1)
        for edges, side in zip((rows, columns), picture.shape, strict=False)
    ]
    means = sums / (sizes[0][:, None] * sizes[1])[..., None]
    flat = (picture.reshape(-1, picture.shape[2]) >> 5).astype(np.int64) + BINS * np.arange(picture.shape[2])
    histogram = np.bincount(flat.ravel(), minlength=BINS * picture.shape[2]) / len(flat)
    steps = [
        np.abs(np.diff(levels, axis=axis)).mean(axis=(0, 1)) if levels.shape[axis] > 1 else 0 * means[0, 0]
        for axis in (0, 1)
    ]
    return np.concatenate([means.ravel(), levels.std(axis=(0, 1)), histogram, *steps])


def phase_means(picture: NDArray[np.uint8], left: int, top: int) -> NDArray[np.float64]:
    """Means of the view `block_grid` at each column and row of JPEG's blocks (2 × TILE), of a part of an
    image that begins at ``left`` and ``top``.

    Nothing else of it: how strong steps are at all is no matter of blocks.
    """
    found = []
    for channel, axis, start in ((0, 0, left), (1, 1, top)):
        line = picture[..., channel].mean(axis=axis)
        phase = (start + np.arange(len(line))) % TILE
        counts = np.bincount(phase, minlength=TILE)
        found.append(np.bincount(phase, line, TILE) / np.maximum(counts, 1))
    return np.concatenate(found)


def fact_features(samples: pd.DataFrame) -> dict[Row, Features]:
    """Each fact of the files (FILE_FACTS) that differs between ``samples`` (samples.csv), as numbers."""
    facts = file_facts(samples)
    found = {}
    for fact in FILE_FACTS:
        values = facts[[name for name in facts if re.fullmatch(rf"{fact}(s|\d?_.+)?", str(name))]]
        if (values.nunique() > 1).any():
            found[Row(f"file_{fact}", WHOLE, RIDGE)] = values.to_numpy(np.float32)
    return found


def reader_label(reader: str) -> str:
    """What a reader of the report sees in place of ``reader``."""
    return "ridge regression" if reader == RIDGE else f"ridge regression on {label_of(reader)}"


def kind_label(kind: str) -> str:
    """What a reader of the report sees in place of a kind of information."""
    if kind.startswith("file_"):
        return f"file: {FILE_FACTS.get(kind.removeprefix('file_'), kind)}"
    return view_label(kind)


def spectrum_sentence(table: pd.DataFrame, labels: str, split: str, small: float) -> str:
    """What a spectrum says of one label rule and split; empty where it holds none of it.

    A kind tells where its lower bound exceeds 0.5, and does not where the upper one is below ``small``; the
    others are undecided. What is alike in all images is called so.
    """
    rows = table[(table["labels"] == labels) & (table["split"] == split) & (table["reader"] == RIDGE)]
    if rows.empty:
        return ""
    corners = rows[(rows["place"] == CORNERS) & rows["kind"].isin(PARTED)].sort_values(
        "auroc", ascending=False, kind="stable"
    )
    tells = corners["low"] > 0.5
    # Without any width nothing varies: no bound that was measured.
    alike = corners["low"] == corners["high"]
    silent = ~tells & ~alike & (corners["high"] < small)
    said = [
        "From the corners a simple reader tells the class by " + _listed(corners[tells], _told)
        if tells.any()
        else _by_none(rows)
    ]
    if silent.any():
        verb = "does" if silent.sum() == 1 else "do"
        said.append(f"{_listed(corners[silent], _silent)} {verb} not tell it")
    if (rest := ~tells & ~alike & ~silent).any():
        said.append(f"undecided: {_listed(corners[rest], _open)}")
    if alike.any():
        said.append(f"alike in all images: {_listed(corners[alike])}")
    sentence = "; ".join(said) + "."
    files = rows[rows["kind"].str.startswith("file_")].sort_values("auroc", ascending=False, kind="stable")
    if (telling := files["low"] > 0.5).any():
        sentence += f" The file alone tells it, by {_listed(files[telling], _told)}."
    return sentence


def _by_none(rows: pd.DataFrame) -> str:
    """What is said of corners of which no part of the information is shown to tell the class."""
    corners = rows[(rows["place"] == CORNERS) & (rows["low"] > 0.5)]
    if corners.empty:
        return "From the corners a simple reader is shown to tell the class by no kind of information"
    best = corners.sort_values("auroc", ascending=False, kind="stable").head(3)
    return f"From the corners a simple reader tells the class by {_listed(best, _told)}, but by no part alone"


def _listed(rows: pd.DataFrame, words: Callable[[Mapping[Any, Any]], str] | None = None) -> str:
    found = [_spoken(row["kind"]) + (f" ({words(row)})" if words else "") for row in rows.to_dict("records")]
    return enumerated(found)


def _spoken(kind: str) -> str:
    if kind.startswith("file_"):
        return FILE_FACTS.get(kind.removeprefix("file_"), kind)
    return WORDS.get(kind, view_label(kind))


def _told(row: Mapping[Any, Any]) -> str:
    return f"{row['auroc']:.2f}, at least {bound_words(row['low'])}"


def _silent(row: Mapping[Any, Any]) -> str:
    return f"{row['auroc']:.2f}, at most {upper_words(row['high'])}"


def _open(row: Mapping[Any, Any]) -> str:
    return f"{row['auroc']:.2f}, up to {upper_words(row['high'])}"
