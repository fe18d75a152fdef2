"""Learning curves: accuracy on training and validation images, epoch by epoch."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator, PercentFormatter

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.config.names import base_split, place_of_split
from nullcrop.config.readers import is_network, label_of, look_of, place_of_architecture
from nullcrop.config.views import view_label, views_in_order
from nullcrop.figures.job import FigureJob
from nullcrop.figures.style import (
    INK,
    MUTED,
    SMALL_SIZE,
    TITLE_SIZE,
    figure_style,
    save_figure,
    wrapped,
)
from nullcrop.statistics.tables import read_histories

PARTS = {"val_accuracy": ("validation images", "-"), "train_accuracy": ("training images", ":")}
"""Columns of a history, their names, and how their lines are drawn."""

ROW = ("labels", "split", "architecture")
"""What a row of panels is about."""

PALER = (0.0, 0.62, 0.45, 0.3)
"""Share of white in the lines of each recipe, in the order of their names."""


def draw_curves(job: FigureJob) -> None:
    """Draw the figure `curves`."""
    plot_curves(read_histories(job.cells), job.definition.title, job.stem)


def plot_curves(histories: pd.DataFrame, title: str, stem: Path) -> Figure:
    """Draw accuracy by epoch, a row for each architecture and split, a column for each view.

    ``histories`` has one row an epoch of a cell, as
    :func:`~nullcrop.statistics.tables.read_histories` gives it. A solid line is the accuracy on
    validation images, a dotted one that on training images, each the mean over seeds; further
    recipes are paler. Networks on true targets alone are drawn. Writes ``stem``.pdf, .svg and .png.
    Raises NullcropError when there is nothing to draw, or when ``histories`` holds several datasets.
    """
    histories = histories[
        histories["architecture"].map(is_network)
        & (histories["split"].map(lambda split: base_split(split)[1]) == 0)
    ]
    if histories.empty:
        raise NullcropError("no network was given, so there are no learning curves to draw")
    if histories["dataset"].nunique() > 1:
        names = listed(sorted(histories["dataset"].unique()))
        raise NullcropError(f"this figure shows one dataset, but the table holds {names}")
    views = views_in_order(histories["view"])
    rows = _rows(histories)
    recipes = sorted(histories["recipe"].unique())
    means = histories.groupby([*ROW, "view", "recipe", "epoch"])[list(PARTS)].mean()
    width = max(6.8, 0.9 + 1.35 * len(views))
    with figure_style():
        # Not from zero: what is looked for is the rise, and lines carry no area.
        bottom = max(0.0, np.floor(means.min().min() * 10 - 0.2) / 10)
        caption = wrapped(_caption(histories, bottom), width - 0.2, SMALL_SIZE)
        height = 1.5 + 1.15 * len(rows) + 0.14 * len(caption.splitlines())
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(len(rows), len(views), sharex=True, sharey=True, squeeze=False)
        for of_row, row in zip(axes, rows, strict=True):
            several = len({other[:2] for other in rows}) > 1
            of_row[0].set_ylabel(label_of(row[2]) + (f"\n{row[1]}, {row[0]}" if several else ""))
            for ax, view in zip(of_row, views, strict=True):
                _draw_panel(ax, means, (*row, view), recipes)
        for ax, view in zip(axes[0], views, strict=True):
            ax.set_title(view_label(view))
        axes[0, 0].set_ylim(bottom - 0.02, 1.02)
        axes[0, 0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes[0, 0].xaxis.set_major_locator(MaxNLocator(4, integer=True))
        figure.legend(
            handles=_legend(recipes),
            title=wrapped(f"{title}: accuracy by epoch", width - 0.4, TITLE_SIZE * 1.1),
            title_fontproperties={"size": TITLE_SIZE, "weight": "bold"},
            alignment="left",
            loc="outside upper left",
            ncols=3,
            columnspacing=1.4,
        )
        figure.supxlabel(caption, x=0.01, ha="left", fontsize=SMALL_SIZE, color=MUTED)
        save_figure(figure, stem)
    return figure


def _rows(histories: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Label rule, split and architecture of each row that there is, in their order."""
    present = histories[list(ROW)].drop_duplicates().itertuples(index=False, name=None)
    return sorted(present, key=lambda row: (row[0], place_of_split(row[1]), place_of_architecture(row[2])))


def _draw_panel(ax: Axes, means: pd.DataFrame, panel: tuple[str, ...], recipes: list[str]) -> None:
    ax.grid(axis="y", color="#E4E4E4", linewidth=0.6)
    for place, recipe in enumerate(recipes):
        if (*panel, recipe) not in means.index:
            continue
        curve = means.xs((*panel, recipe))
        colour = _paler(look_of(panel[2]).colour, PALER[place % len(PALER)])
        for part, (_, dashes) in PARTS.items():
            # A single epoch is a point, which a line alone would not show; many would hide how the line is
            # drawn.
            marker = "o" if len(curve) == 1 else ""
            (line,) = ax.plot(
                curve.index, curve[part], dashes, color=colour, linewidth=1.5, marker=marker, markersize=3
            )
            line.set_path_effects([withStroke(linewidth=2.5, foreground="#808080")])


def _paler(colour: str, white: float) -> tuple[float, float, float]:
    red, green, blue = (part + (1 - part) * white for part in to_rgb(colour))
    return red, green, blue


def _legend(recipes: list[str]) -> list[Line2D]:
    handles = [
        Line2D([], [], color=INK, linestyle="-" if dashes == "-" else ":", linewidth=1.6, label=name)
        for name, dashes in PARTS.values()
    ]
    if len(recipes) > 1:
        handles += [
            Line2D(
                [], [], color=_paler(INK, PALER[place % len(PALER)]), linewidth=1.6, label=f"recipe {recipe}"
            )
            for place, recipe in enumerate(recipes)
        ]
    return handles


def _caption(histories: pd.DataFrame, bottom: float) -> str:
    seeds = histories["seed"].nunique()
    return (
        f"Split: {listed(sorted(histories['split'].unique()))}; label rule: "
        f"{listed(sorted(histories['labels'].unique()))}. Line: "
        + (f"mean over {seeds} seeds. " if seeds > 1 else "one run. ")
        + "Colour: architecture. The accuracy on training images is counted while the weights change."
        + (" The vertical axis does not start at zero." if bottom > 0 else "")
    )
