"""Windows at places of a grid over each image, and what a simple reader sees in them."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.progress import tracked
from nullcrop.basics.threads import mapped
from nullcrop.images.store import PackedView, full_pixels
from nullcrop.statistics.auroc import Floats

BLOCKS = 4
"""Blocks of a window in each direction, whose mean colours are features."""

BINS = 8
"""Bins of the histogram of each channel."""

FEATURES = 3 * BLOCKS**2 + 3 + 3 * BINS
"""Features of a window: mean colours of its blocks, spread of each channel, histogram of each channel."""

SCALE = 128
"""Means and spreads are kept as whole numbers of this part of a level."""

MEAN_SIDE = 96
"""Side of the mean images, in which relative coordinates are those of the images themselves."""


@dataclass(frozen=True)
class Place:
    """A window of ``size`` pixels in ``row`` and ``column`` of a grid of ``rows`` × ``columns`` places, whose
    first and last windows touch the rims."""

    size: int
    row: int
    column: int
    rows: int
    columns: int

    def corner(self, width: int, height: int) -> tuple[int, int]:
        """Left and top pixel of the window in an image of that size."""
        return (
            _spread(self.column, self.columns, width - self.size),
            _spread(self.row, self.rows, height - self.size),
        )


def _spread(place: int, count: int, room: int) -> int:
    return 0 if count == 1 else round(place * room / (count - 1))


def places_of(width: int, height: int, window: int, positions: int, sizes: Sequence[int]) -> list[Place]:
    """The places of a map: ``positions`` × ``positions`` windows, and each further size at the corners.

    ``width`` and ``height`` are those of the smallest image: of a side with less room there are as many
    places as the window has, and sizes that do not fit are left out. Raises NullcropError when the window
    itself does not fit, or is smaller than its blocks.
    """
    if not BLOCKS <= window <= min(width, height):
        raise NullcropError(
            f"a leak map's window of {window} pixels needs at least {BLOCKS}, and images no smaller than it; "
            f"the smallest side here is {min(width, height)}: name another under `leak_map.window`"
        )
    columns, rows = (min(positions, room - window + 1) for room in (width, height))
    grid = [Place(window, row, column, rows, columns) for row in range(rows) for column in range(columns)]
    corners = [(row, column) for row in (0, 1) for column in (0, 1)]
    fitting = [size for size in sizes if size != window and BLOCKS <= size <= min(width, height)]
    return grid + [Place(size, row, column, 2, 2) for size in fitting for row, column in corners]


@dataclass(frozen=True, eq=False)
class Windows:
    """What was measured of all images at all places."""

    features: NDArray[np.uint16]
    """Places × images × FEATURES, in a file that goes when nobody needs it."""
    centres: Floats
    """Mean centre of each place's windows as a share of width and height (places × 2)."""
    means: Floats
    """Mean image of each target (targets × MEAN_SIDE × MEAN_SIDE × 3, 0 … 255)."""


def measure_windows(
    view: PackedView,
    paths: Sequence[str],
    targets: NDArray[Any],
    places: Sequence[Place],
    threads: int,
    work: Path,
) -> Windows:
    """Measure all ``places`` of the images in a packed view of whole images, each image read once.

    ``paths`` are the images' files, for stores that do not hold the images themselves; ``targets`` (N) from
    0. The features lie in a temporary file in ``work``. Images are read on ``threads`` threads.
    """
    with tempfile.TemporaryFile(dir=work) as file:
        shape = (len(places), len(view), FEATURES)
        features: NDArray[np.uint16] = np.memmap(file, np.uint16, "w+", shape=shape)

    def measure(row: int) -> tuple[Floats, NDArray[np.uint8]]:
        pixels = full_pixels(view, row, paths[row])
        height, width = pixels.shape[:2]
        corners = [place.corner(width, height) for place in places]
        for size in {place.size for place in places}:
            own = [i for i, place in enumerate(places) if place.size == size]
            cut = [pixels[top : top + size, left : left + size] for left, top in (corners[i] for i in own)]
            features[own, row] = features_of(np.stack(cut))
        centres = np.array(
            [
                ((left + place.size / 2) / width, (top + place.size / 2) / height)
                for place, (left, top) in zip(places, corners, strict=True)
            ]
        )
        small = Image.fromarray(pixels).resize((MEAN_SIDE, MEAN_SIDE), Image.Resampling.BOX)
        return centres, np.asarray(small)

    centres = np.zeros((len(places), 2))
    sums = np.zeros((int(targets.max()) + 1, MEAN_SIDE, MEAN_SIDE, 3), np.int64)
    measured = mapped(measure, range(len(view)), threads)
    for row, (of_image, small) in enumerate(tracked(measured, len(view), "windows measured")):
        centres += of_image
        sums[targets[row]] += small
    counts = np.bincount(targets, minlength=len(sums))[:, None, None, None]
    with np.errstate(invalid="ignore"):
        return Windows(features, centres / len(view), sums / counts)


def features_of(windows: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """FEATURES of each of ``windows`` (M × n × n × 3), as whole numbers."""
    count, side = windows.shape[:2]
    edges = np.linspace(0, side, BLOCKS + 1).round().astype(np.int64)
    sides = np.diff(edges)
    wide = windows.astype(np.uint32)
    sums = np.add.reduceat(np.add.reduceat(wide, edges[:-1], axis=1), edges[:-1], axis=2)
    means = sums / (sides[:, None] * sides)[:, :, None]
    total = sums.sum(axis=(1, 2)) / side**2
    squares = np.einsum("mijc,mijc->mc", wide, wide) / side**2
    spread = np.sqrt(np.maximum(squares - total**2, 0))
    bins = (windows >> (8 - BINS.bit_length() + 1)).reshape(count, -1, 3).astype(np.int64)
    flat = (np.arange(count)[:, None, None] * 3 + np.arange(3)) * BINS + bins
    histogram = np.bincount(flat.ravel(), minlength=count * 3 * BINS).reshape(count, -1)
    levels: list[NDArray[Any]] = [means.reshape(count, -1) * SCALE, spread * SCALE, histogram]
    return np.concatenate(levels, axis=1).round().astype(np.uint16)
