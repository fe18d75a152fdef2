"""What networks look at in whole images: mean maps of each class, trained and untrained, and examples."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from nullcrop.basics.errors import listed
from nullcrop.config.figure_style import PLAIN, FigureStyle
from nullcrop.cues.saliency import asked_labels, maps_name
from nullcrop.figures.job import FigureJob
from nullcrop.figures.style import INK, MUTED, Sheet, broken, figure_style, save_figure, wrapped

COLOURS = "magma"
"""Matplotlib's colours of a map, dark where there is no attribution."""

CLASSES = 3
"""Mean maps are drawn of the first so many classes."""

WEIGHTS = {"trained": "trained", "random": "random weights"}

Maps = Mapping[str, NDArray[Any]]


def plot_saliency(
    table: pd.DataFrame,
    maps: Maps,
    targets: Sequence[str],
    title: str,
    caption: str,
    stem: Path,
    style: FigureStyle = PLAIN,
) -> Figure:
    """Draw what networks look at; write ``stem``.pdf, .svg and .png.

    ``table``: the rows of one label rule and split, of SALIENCY_COLUMNS (cues/saliency.py); ``maps``: what
    :func:`~nullcrop.cues.saliency.join_saliency` wrote beside it. ``targets``: names of the classes.
    """
    shown = list(targets)[:CLASSES]
    rows = table.to_dict("records")
    examples = max((len(maps[f"{maps_name(row)}.pictures"]) for row in rows), default=0)
    columns = [(weights, place) for place in range(len(shown)) for weights in WEIGHTS]
    sheet = Sheet(style, 1.1 + 0.95 * (len(columns) + examples))
    with figure_style(style):
        caption = sheet.caption(caption)
        heading = wrapped(title, sheet.width - 0.4, sheet.title * 1.1) if style.title else ""
        side = (sheet.width - 1.1) / (len(columns) + examples)
        height = len(rows) * (side + 0.02) + 0.2 * sheet.scale + sheet.height_of(caption)
        figure = Figure(figsize=(sheet.width, height + (0.35 if heading else 0)), layout="constrained")
        axes = figure.subplots(max(len(rows), 1), len(columns) + examples, squeeze=False)
        above: list[int] = []
        for line, row, words in zip(axes, rows, asked_labels(table), strict=True):
            _draw_row(line, row, maps, columns)
            of_examples = maps[f"{maps_name(row)}.targets"].tolist()
            # Networks of other seeds have other test images.
            for ax, target in zip(
                line[len(columns) :], of_examples if of_examples != above else [], strict=False
            ):
                ax.set_title(
                    broken(f"example: {targets[target]}", side, sheet.small, 3),
                    fontsize=sheet.small,
                    color=MUTED,
                )
            above = of_examples
            line[0].set_ylabel(
                broken(words, 1.1, sheet.small, 4), fontsize=sheet.small, rotation=0, ha="right", va="center"
            )
        for ax, (weights, place) in zip(axes[0], columns, strict=False):
            ax.set_title(
                broken(f"{shown[place]}: {WEIGHTS[weights]}", side, sheet.small, 3), fontsize=sheet.small
            )
        if heading:
            figure.suptitle(heading, x=0.01, ha="left", fontsize=sheet.title, weight="bold")
        sheet.add_caption(figure, caption)
        save_figure(figure, stem, style)
    return figure


def draw_saliency(job: FigureJob) -> None:
    """Draw the figure `saliency`: of the first label rule, on the split whose verdict is the one to quote."""
    table = job.quoted("saliency")
    targets = job.definition.target_names(table["labels"].iloc[0])
    with np.load(job.tables["saliency"].with_suffix(".npz"), allow_pickle=False) as stored:
        maps = dict(stored)
    first = table.iloc[0]
    seeds, images = (listed(f"{one:,}" for one in sorted(set(table[name]))) for name in ("seed", "images"))
    more = f" Mean maps of the first {CLASSES} of {len(targets)} classes." if len(targets) > CLASSES else ""
    plot_saliency(
        table,
        maps,
        targets,
        f"{job.definition.title}: what networks look at in whole images",
        "Mean maps of attribution over the test images of a class, each map from none (black) to its largest "
        "value, beside those of the same network with random weights: what is alike in both need not be "
        "learnt. Boxes: the central half of the image's area. Examples: the image as the network takes it, "
        "and where its attribution is above the mean of its own map (no line: it has no map). "
        f"{first['split'].replace('_', ' ')} split, seed {seeds}, {images} images. No verdict rests on maps; "
        f"they mislead about cues one does not know.{more}",
        job.stem,
        job.style,
    )


def _draw_row(
    line: Sequence[Axes], row: Mapping[Any, Any], maps: Maps, columns: Sequence[tuple[str, int]]
) -> None:
    """The mean maps of one network and method, and its examples."""
    name = maps_name(row)
    for ax, (weights, place) in zip(line, columns, strict=False):
        means = maps[f"{name}.{row['method']}.{weights}"]
        if not means[place].any():
            ax.text(0.5, 0.5, "no map", ha="center", va="center", color=MUTED)
            continue
        ax.imshow(means[place], cmap=COLOURS, vmin=0, extent=(0, 1, 1, 0), interpolation="bilinear")
        side = np.sqrt(0.5)
        corner = (1 - side) / 2
        ax.add_patch(Rectangle((corner, corner), side, side, fill=False, edgecolor="white", linewidth=0.6))
    pictures, examples = maps[f"{name}.pictures"], maps[f"{name}.{row['method']}.examples"]
    for ax, picture, found in zip(line[len(columns) :], pictures, examples, strict=False):
        ax.imshow(picture, extent=(0, 1, 1, 0))
        if np.ptp(found):
            centres = (np.arange(len(found)) + 0.5) / len(found)
            ax.contour(centres, centres, found, levels=[found.mean()], colors=["#FFB000"], linewidths=0.8)
    for ax in line:
        ax.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(1, 0), aspect="equal")
        ax.spines[:].set(visible=True, color=INK, linewidth=0.4)
