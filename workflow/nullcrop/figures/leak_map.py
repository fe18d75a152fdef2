"""The leak map: where in the image the class can be read, over what the images look like there."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from nullcrop.config.figures import PLAIN, FigureStyle
from nullcrop.figures.job import FigureJob
from nullcrop.figures.style import DASHED, INK, MUTED, Sheet, figure_style, save_figure, wrapped

COLOURS = "PuOr_r"
"""Matplotlib's colours around 0.5; AUROCs at the ends of RANGE and beyond have the last ones."""

RANGE = (0.2, 0.8)


def plot_leak_map(
    table: pd.DataFrame,
    means: NDArray[np.float32],
    targets: Sequence[str],
    crop: tuple[int, int],
    title: str,
    caption: str,
    stem: Path,
    style: FigureStyle = PLAIN,
) -> Figure:
    """Draw a map; write ``stem``.pdf, .svg and .png.

    ``table``: the rows of one label rule and split, of MAP_COLUMNS (cues/leak_map.py). ``means``: mean image
    of each of ``targets`` (targets × S × S × 3, 0 … 255; NaN where there is no image).
    """
    grid = table[table["size"] == table["size"].iloc[0]]
    sizes = table[~table.index.isin(grid.index) | _at_corner(table)]
    sheet = Sheet(style, 7.2)
    with figure_style(style):
        caption = sheet.caption(caption)
        heading = wrapped(title, sheet.width - 0.4, sheet.title * 1.1) if style.title else ""
        panels = 3 if len(targets) == 2 else 2
        columns = 1 if sheet.narrow and sheet.width < 5 else panels
        rows = -(-panels // columns)
        height = rows * (sheet.width / columns + 0.5) + sheet.height_of(caption) + 0.4
        figure = Figure(figsize=(sheet.width, height), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        shown = np.nanmean(means, axis=0)
        _draw_map(axes[0], grid, shown, sheet)
        if panels == 3:
            _draw_difference(axes[1], grid, means, targets, sheet)
        _draw_sizes(axes[panels - 1], sizes, sheet)
        if heading:
            figure.suptitle(heading, x=0.01, ha="left", fontsize=sheet.title, weight="bold")
        sheet.add_caption(figure, caption)
        save_figure(figure, stem, style)
    return figure


def _at_corner(table: pd.DataFrame) -> "pd.Series[bool]":
    of_size = table.groupby("size")
    last_row, last_column = of_size["row"].transform("max"), of_size["column"].transform("max")
    return table["row"].isin([0]) & table["column"].isin([0]) | (
        ((table["row"] == 0) | (table["row"] == last_row))
        & ((table["column"] == 0) | (table["column"] == last_column))
    )
