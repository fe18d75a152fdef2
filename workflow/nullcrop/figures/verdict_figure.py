"""A study's verdicts: one row a dataset and split, its readers of crops, and what may be said of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from nullcrop.config.readers import BASELINES, in_order, label_of, look_of
from nullcrop.config.views import TOGETHER
from nullcrop.figures.job import FigureJob
from nullcrop.figures.style import (
    INK,
    MUTED,
    SMALL_SIZE,
    TEXT_SIZE,
    TITLE_SIZE,
    figure_style,
    save_figure,
    wrapped,
)
from nullcrop.statistics.sentences import unjudged_words, upper_words
from nullcrop.statistics.verdicts import UNJUDGED

WIDTH = 7.6
"""Inches."""

LOWEST = 0.3
"""Left end of the axis: what lies below is no evidence of anything, and runs out of the picture."""

LIGHT = "#C8C8C8"

NETWORK_SIZE, BASELINE_SIZE = 4.8, 5.0
"""Width of the marks in points."""


def draw_verdicts(job: FigureJob) -> None:
    """Draw the figure `verdicts`."""
    plot_verdicts(job.table("readers"), job.table("verdicts"), job.title, job.stem)


def plot_verdicts(readers: pd.DataFrame, verdicts: pd.DataFrame, title: str, stem: Path) -> Figure:
    """Draw the verdicts of a study and write ``stem``.pdf, .svg and .png.

    ``readers`` and ``verdicts`` are the study's joined tables. Each row of ``verdicts`` is a row of the
    figure: a mark is the AUROC of one reader on a crop, networks coloured and baselines grey; the line to
    its left ends at the simultaneous lower bound by which it is judged. Baselines that do not judge stand
    below. Returns the figure.
    """
    with figure_style():
        others = bool((readers["role"] == "other").any()) if len(readers) else False
        caption = wrapped(_caption(verdicts, others), WIDTH - 0.2, SMALL_SIZE)
        # Enough for the dots of a row to stand apart.
        row = 0.55 + 0.012 * int(verdicts["members"].max() if len(verdicts) else 0)
        height = 1.4 + row * max(len(verdicts), 1) + 0.14 * len(caption.splitlines())
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        ax = figure.subplots()
        shown = [_draw_row(ax, y, readers, row) for y, (_, row) in enumerate(verdicts.iterrows())]
        cells = pd.concat(shown) if shown else readers.iloc[:0]
        _draw_frame(ax, verdicts, cells)
        figure.legend(
            handles=_legend_entries(cells),
            title=wrapped(title, WIDTH - 0.4, TITLE_SIZE * 1.1),
            title_fontproperties={"size": TITLE_SIZE, "weight": "bold"},
            alignment="left",
            loc="outside upper left",
            ncols=5,
            handlelength=1.2,
            columnspacing=1.2,
        )
        figure.supxlabel(caption, x=0.01, ha="left", fontsize=SMALL_SIZE, color=MUTED)
        save_figure(figure, stem)
    return figure


def _draw_row(ax: Axes, y: float, readers: pd.DataFrame, verdict: "pd.Series[Any]") -> pd.DataFrame:
    """One dataset and split; returns the rows of ``readers`` that were drawn."""
    of_row = readers
    for name in ("dataset", "labels", "split"):
        of_row = of_row[of_row[name] == verdict[name]]
    crops = of_row[(of_row["role"] == "crop") & (of_row["view"] != TOGETHER)].sort_values("auroc")
    baselines = of_row[of_row["role"] == "other"]
    # Best at the top; the lowest fifth of the row belongs to what does not judge.
    places = y + np.linspace(0.14, -0.36, max(len(crops), 2))[: len(crops)]
    if len(crops) == 1:
        places = np.array([float(y)])
    best = crops["bound_low"].fillna(-np.inf).to_numpy().argmax()
    for i, (place, (_, cell)) in enumerate(zip(places, crops.iterrows(), strict=True)):
        colour, width, size = (INK, 1.4, 7) if i == best else (LIGHT, 0.6, 3)
        ax.hlines(
            place, cell["bound_low"], cell["auroc"], color=colour, linewidth=width, zorder=2 + (i == best)
        )
        ax.plot(cell["bound_low"], place, marker="|", markersize=size, color=INK, zorder=3)
    for place, (_, cell) in zip(places, crops.iterrows(), strict=True):
        ax.plot(cell["auroc"], place, **_mark(str(cell["architecture"]), NETWORK_SIZE), zorder=4)
    for _, cell in baselines.iterrows():
        ax.plot(cell["auroc"], y + 0.33, **_mark(str(cell["architecture"]), BASELINE_SIZE), zorder=4)
    drawn: pd.DataFrame = pd.concat([crops, baselines])
    return drawn


def _draw_frame(ax: Axes, verdicts: pd.DataFrame, cells: pd.DataFrame) -> None:
    low = max(LOWEST, np.floor(10 * min(0.4, cells["auroc"].min() - 0.02)) / 10) if len(cells) else LOWEST
    ax.set_xlim(low, 1.02)
    ax.set_xticks(np.arange(round(low * 10), 11) / 10)
    ax.spines["bottom"].set_bounds(low, 1)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("AUROC on the test images")
    ax.set_ylim(max(len(verdicts), 1) - 0.5, -0.75)
    ax.set_yticks(range(len(verdicts)), [_row_label(row) for _, row in verdicts.iterrows()])
    ax.tick_params(axis="y", length=0)
    for y in range(1, len(verdicts)):
        ax.axhline(y - 0.5, color="#D0D0D0", linewidth=0.8, zorder=0)
    if verdicts.empty:
        ax.text(0.5, 0.5, "no reader of crops", transform=ax.transAxes, ha="center", color=MUTED)
        return
    ax.text(1.04, -0.56, "verdict", transform=ax.get_yaxis_transform(), va="bottom", fontsize=SMALL_SIZE)
    halo = [withStroke(linewidth=2.4, foreground="white")]
    for threshold, name, style in (
        (0.5, "blind", (0, (5, 2))),
        (float(verdicts["small"].iloc[0]), "small", ":"),
    ):
        ax.axvline(threshold, color=INK, linewidth=1, linestyle=style, zorder=1)
        ax.text(threshold, -0.56, name, ha="center", va="bottom", fontsize=SMALL_SIZE, path_effects=halo)
    for y, (_, row) in enumerate(verdicts.iterrows()):
        ax.text(
            1.04,
            y - 0.02,
            _verdict_words(row),
            transform=ax.get_yaxis_transform(),
            va="bottom",
            weight="bold",
            color=INK if row["headline"] else MUTED,
        )
        ax.text(
            1.04,
            y + 0.04,
            _count_words(row),
            transform=ax.get_yaxis_transform(),
            va="top",
            fontsize=SMALL_SIZE,
            color=MUTED,
        )


def _row_label(row: "pd.Series[Any]") -> str:
    split = str(row["split"]).replace("_", " ")
    name = wrapped(str(row["title"]), 2.2, TEXT_SIZE)
    return f"{name}\n{split} split" + ("" if row["headline"] else " (not the headline)")


def _verdict_words(row: "pd.Series[Any]") -> str:
    return str(row["verdict"]).replace(", at ", ",\nat ").replace(", up ", ",\nup ")


def _count_words(row: "pd.Series[Any]") -> str:
    if row["evidence"] == UNJUDGED:
        return unjudged_words(row.to_dict())
    power = (
        f"80% power from {upper_words(row['minimal'])}"
        if row["minimal"] < 1
        else "80% power: close to 1 only"
    )
    words = f"all readers: {row['effect']:.2f}\n{power}"
    if row["cells"] < row["planned"]:
        words += f"\n{row['cells']} of {row['planned']} cells"
    return words


def _mark(name: str, size: float) -> dict[str, Any]:
    """How a reader is drawn, ``size`` points wide."""
    return {
        "marker": look_of(name).mark,
        "markersize": size,
        "markerfacecolor": look_of(name).colour,
        "markeredgecolor": INK,
        "markeredgewidth": 0.6,
        "linestyle": "",
    }


def _legend_entries(cells: pd.DataFrame) -> list[Artist]:
    entries: list[Artist] = []
    for name in in_order(cells["architecture"]):
        mark = Line2D([], [], label=label_of(name))
        mark.set(**_mark(name, BASELINE_SIZE if name in BASELINES else NETWORK_SIZE))
        entries.append(mark)
    return entries


def _caption(verdicts: pd.DataFrame, others: bool) -> str:
    if verdicts.empty:
        return "No reader of a crop has a result yet."
    fields, row = set(verdicts["field"]), verdicts.iloc[0]
    where = {
        frozenset(["whole"]): "one crop that holds no lesion",
        frozenset(["tile"]): "one crop, which holds tissue",
    }.get(frozenset(fields), "one crop that holds no lesion (of a dataset of tiles: tissue)")
    below = (
        " Marks without a line: baselines that see no crop; they do not count for the verdict."
        if others
        else ""
    )
    return (
        f"Mark: one reader on {where}, all its seeds or folds put together (coloured: a network, grey: a "
        "baseline, white: the average of all). The line to its left ends at its lower bound, corrected for "
        f"all readers and views of the row (error rate {100 * row['level']:g}%); the largest bound is drawn "
        f"in black. “Up to” and “at most” are 95% bounds for every reader. Small: below {row['small']:g}."
    ) + below
