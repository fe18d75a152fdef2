"""Crops to look at: the mean crop of each class, and the crops that the readers are surest of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nullcrop.config.cell import CELL_COLUMNS, Cell
from nullcrop.config.figure_style import PLAIN, FigureStyle
from nullcrop.config.views import study_crops, view_label
from nullcrop.datasets.samples import read_samples
from nullcrop.figures.job import FigureJob
from nullcrop.figures.samples import PLACES
from nullcrop.figures.style import (
    INK,
    MUTED,
    Sheet,
    broken,
    figure_style,
    save_figure,
    wrapped,
)
from nullcrop.images.store import PackedView
from nullcrop.images.views import Pixels
from nullcrop.statistics.crossfit import mean_of, readings
from nullcrop.statistics.families import role_of
from nullcrop.statistics.tables import read_cells

SHOWN = 8
"""Crops of which the readers are surest, for each class."""

MOST_CLASSES = 6
"""Most classes that are shown."""

FEWEST_LEVELS = 8.0
"""Grey levels to which the contrast of mean crops is stretched at most: less is hardly more than noise."""

CHUNK = 4096
"""Crops that are summed at a time."""

# Sizes in inches.
_CROP, _GAP, _MARGIN, _LINE = 0.62, 0.1, 0.15, 0.15
_BLOCK = 2 * _CROP + 4 * _GAP
"""Width of the mean crops of one class."""
_NAMES = 1.5
"""Width of what is written beside the surest crops."""


MeanCrops = tuple[str, Mapping[str, NDArray[np.float64]]]
"""The name of a class and its mean crop by view."""


@dataclass(frozen=True)
class Surest:
    """The crops on one view of which the readers are surest that they are of one class."""

    name: str
    """The class."""
    crops: Sequence[Pixels]
    """The surest first, uint8 h×w×3."""
    right: Sequence[bool]
    """Whether each is of that class."""


def plot_crops(
    means: Sequence[MeanCrops],
    surest: Sequence[Surest],
    heading: str,
    title: str,
    caption: str,
    stem: Path,
    style: FigureStyle = PLAIN,
) -> Figure:
    """Draw mean crops and the surest crops; write ``stem``.pdf, .svg and .png.

    ``means``: the name of each class with its mean crop (h×w×3, values of 0 … 255) by view. The crops of a
    view are stretched together, so that the darkest value of all classes is black and the brightest white,
    but no fewer than FEWEST_LEVELS levels.
    ``surest``: a row each, under ``heading``; none where ``heading`` says why.
    """
    limits = {view: _limits([crops[view] for _, crops in means]) for view in PLACES}
    shown = SHOWN * (_CROP + _GAP)
    blocks = max(4, min(len(means), int((shown + _NAMES) / _BLOCK)))
    of_crops = max(shown + _NAMES, blocks * _BLOCK)
    sheet = Sheet(style, 2 * _MARGIN + of_crops)
    width, text_width = sheet.width, sheet.width - 2 * _MARGIN
    # Crops grow and shrink with the width that is asked for, words do not.
    zoom = text_width / of_crops
    side, gap, block = zoom * _CROP, zoom * _GAP, zoom * _BLOCK
    line = _LINE * sheet.scale
    with figure_style(style):
        title = wrapped(title, text_width, sheet.title * 1.1) if style.title else ""
        heading = wrapped(heading, text_width, sheet.text)
        caption = wrapped(caption, text_width, sheet.small) if style.caption else ""
        names = [broken(name, block - gap, sheet.text) for name, _ in means]
        name_lines = max((name.count("\n") + 1 for name in names), default=1)
        of_means = line * name_lines + 0.05 + 3 * side + 2 * gap
        top = (2 if title else 1) * _MARGIN + 0.18 * sheet.scale * len(title.splitlines())
        middle = top + -(-len(means) // blocks) * of_means
        after = middle + line * (heading.count("\n") + 1) + gap
        end = after + len(surest) * (side + gap) + _MARGIN
        height = end + sheet.height_of(caption) + _MARGIN
        figure = Figure(figsize=(width, height))

        def write(left: float, y: float, text: str, size: float, colour: str = INK, **look: Any) -> None:
            figure.text(left / width, 1 - y / height, text, va="top", fontsize=size, color=colour, **look)

        def draw(left: float, y: float, pixels: Pixels, right: bool = True) -> None:
            frame = (left / width, 1 - (y + side) / height, side / width, side / height)
            ax = figure.add_axes(frame)
            ax.imshow(pixels, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(visible=True, color=MUTED if right else INK, linewidth=0.6 if right else 1.2)
            if not right:
                ax.spines[:].set_linestyle((0, (2, 2)))

        if title:
            write(_MARGIN, _MARGIN, title, sheet.title, weight="bold")
        for place, (name, (_, crops)) in enumerate(zip(names, means, strict=True)):
            left, y = _MARGIN + place % blocks * block, top + place // blocks * of_means
            write(left, y, name, sheet.text)
            for view, (column, row) in PLACES.items():
                low, high = limits[view]
                pixels = ((crops[view] - low) * (255 / (high - low))).round().astype(np.uint8)
                lower = y + line * name_lines + 0.05 + row * 1.05 * side
                draw(left + column * 1.05 * side, lower, pixels)
        write(_MARGIN, middle, heading, sheet.text)
        for number, one in enumerate(surest):
            y = after + number * (side + gap)
            for place, (crop, right) in enumerate(zip(one.crops, one.right, strict=True)):
                draw(_MARGIN + place * (side + gap), y, crop, bool(right))
            left = _MARGIN + SHOWN * (side + gap) + gap
            name = broken(one.name, width - left - _MARGIN, sheet.small, 1 if sheet.narrow else 3)
            write(left, y, f"{name}:\n{sum(one.right)} of {len(one.right)} are", sheet.small)
        write(_MARGIN, end, caption, sheet.small, MUTED)
        save_figure(figure, stem, style)
    return figure


def draw_crops(job: FigureJob) -> None:
    """Draw the figure `crops`."""
    definition, labels = job.definition, job.labels
    samples = read_samples(job.samples)
    targets = samples["class"].map(definition.targets(labels)).to_numpy()
    names = definition.target_names(labels)
    shown = list(range(len(names)))[:MOST_CLASSES]
    packed = {view: PackedView(job.views / f"{view}.json") for view in study_crops()}
    means = [
        (
            f"{names[target]} ({(targets == target).sum():,})",
            {view: mean_crop(store, np.flatnonzero(targets == target)) for view, store in packed.items()},
        )
        for target in shown
        if (targets == target).any()
    ]
    words, surest = _surest(job, samples, targets, [names[target] for target in shown])
    plot_crops(
        means,
        surest,
        words,
        f"{definition.title}: crops to look at",
        "Above: the mean of each crop over all images of a class, as the crops lie in the image; contrast "
        f"stretched place by place, alike for all classes. Crops of {job.crop[0]}×{job.crop[1]} pixels; "
        f"label rule: {labels}."
        + (" Dashed frame: an image of another class." if surest else "")
        + (f" The first {len(shown)} of {len(names)} classes." if len(shown) < len(names) else ""),
        job.stem,
        job.style,
    )


def mean_crop(store: PackedView, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean (h×w×3) of the images ``rows`` of a packed view, which are read CHUNK at a time."""
    total = np.zeros(store[0].shape)
    for start in range(0, len(rows), CHUNK):
        total += np.asarray(store.pixels[rows[start : start + CHUNK]]).sum(0, dtype=np.int64)
    return total / len(rows)


def _surest(
    job: FigureJob, samples: pd.DataFrame, targets: NDArray[Any], names: Sequence[str]
) -> tuple[str, list[Surest]]:
    """What the crops are, in words, and a row for each class; no row where no order could be told."""
    verdicts = job.table("verdicts")
    verdicts = verdicts[(verdicts["labels"] == job.labels) & verdicts["headline"].eq(True)]
    if verdicts.empty:
        return "No reader of a crop on which a verdict may rest is there, so none is the surest of any.", []
    verdict = verdicts.iloc[0]
    view = str(verdict["view"])
    cells = {folder: Cell.from_path("/".join(folder.parts[-len(CELL_COLUMNS) :])) for folder in job.cells}
    judging = [
        folder
        for folder, cell in cells.items()
        if (cell.labels, cell.split, cell.view) == (job.labels, verdict["split"], view)
        and role_of(cell, job.definition.field) == "crop"
    ]
    own = readings(read_cells(judging))
    test = max((one.test for one in own), key=lambda test: test.n)
    together = [one for one in own if one.test is test]
    score = mean_of(together).score
    place = f"the {view_label(view)} of the {test.n:,} images tested"
    if np.ptp(score, axis=0).max() == 0:
        return f"On {place} every reader gives all images the same score, so none is the surest.", []
    of_target = score if score.ndim == 2 else np.stack([-score, score], axis=1)
    rows = pd.Series(np.arange(len(samples)), samples["id"])[np.asarray(test.image)].to_numpy()
    store = PackedView(job.views / f"{view}.json")
    surest = []
    for target, name in enumerate(names):
        first = np.argsort(-of_target[:, target], kind="stable")[: min(SHOWN, test.n // 2)]
        surest.append(
            Surest(name, [store[row] for row in rows[first]], [targets[row] == target for row in rows[first]])
        )
    who = "the readers together call" if len(together) > 1 else "the one reader calls"
    return f"{place[0].upper()}{place[1:]}: the crops that {who} most surely", surest


def _limits(crops: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """Darkest and brightest value of the mean crops of a view, FEWEST_LEVELS apart at least."""
    low = min((float(crop.min()) for crop in crops), default=0.0)
    high = max((float(crop.max()) for crop in crops), default=255.0)
    return low, max(high, low + FEWEST_LEVELS)
