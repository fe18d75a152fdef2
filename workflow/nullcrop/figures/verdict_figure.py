"""A study's verdicts: one row a dataset and split, its readers of crops, and what may be said of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from nullcrop.config.figure_style import PLAIN, FigureStyle
from nullcrop.config.readers import BASELINES, in_order, label_of
from nullcrop.config.views import TOGETHER
from nullcrop.figures.job import FigureJob
from nullcrop.figures.series import mark_of
from nullcrop.figures.style import (
    DASHED,
    INK,
    MUTED,
    TEXT_SIZE,
    Sheet,
    figure_style,
    save_figure,
    wrapped,
)
from nullcrop.statistics.sentences import unjudged_words, upper_words
from nullcrop.statistics.verdicts import UNJUDGED

WIDTH, COMPACT = 7.6, 5.4
"""Inches: the figure's own width, and that below which words stand above the marks and not beside them."""

LEAST_SHOWN = 0.4
"""The axis begins here, or lower where a mark or a bound lies lower."""

LIGHT = "#C8C8C8"

NETWORK_SIZE, BASELINE_SIZE = 4.8, 5.0
"""Width of the marks in points."""

OTHERS = (0.28, 0.42)
"""Where in a row of height 1, from its middle, the marks stand that do not judge."""

GOLDEN = (5**0.5 - 1) / 2


def draw_verdicts(job: FigureJob) -> None:
    """Draw the figure `verdicts`."""
    plot_verdicts(job.table("readers"), job.table("verdicts"), job.title, job.stem, job.style)


def plot_verdicts(
    readers: pd.DataFrame, verdicts: pd.DataFrame, title: str, stem: Path, style: FigureStyle = PLAIN
) -> Figure:
    """Draw the verdicts of a study and write ``stem``.pdf, .svg and .png.

    ``readers`` and ``verdicts`` are the study's joined tables. Each row of ``verdicts`` is a row of the
    figure: a mark is the AUROC of one reader on a crop, networks coloured and baselines grey; the line to
    its left ends at the simultaneous lower bound by which it is judged. Baselines that do not judge stand
    below. The axis reaches down to the lowest mark and bound. Returns the figure.
    """
    sheet = Sheet(style, WIDTH)
    compact = sheet.width < COMPACT
    with figure_style(style):
        others = bool((readers["role"] == "other").any()) if len(readers) else False
        caption = sheet.caption(_caption(verdicts, others))
        words = [_heading(row, sheet) for _, row in verdicts.iterrows()] if compact else []
        above = max((_height(lines, sheet) + 0.08 for lines in words), default=0.0)
        # Enough for the marks of a row to stand apart.
        row_height = 0.5 + above + 0.016 * int(verdicts["members"].max() if len(verdicts) else 0)
        handles = _legend_entries(
            readers[readers["role"].isin(["crop", "other"])] if len(verdicts) else readers.iloc[:0]
        )
        legend_rows = -(-len(handles) // sheet.legend_columns(handles, 5))
        frame = 1.0 + 0.2 * sheet.scale * legend_rows
        height = frame + row_height * max(len(verdicts), 1) + sheet.height_of(caption)
        figure = Figure(figsize=(sheet.width, height), layout="constrained")
        ax = figure.subplots()
        top = above / row_height - 0.5
        shown = [_draw_row(ax, y, readers, row, top) for y, (_, row) in enumerate(verdicts.iterrows())]
        cells = pd.concat(shown) if shown else readers.iloc[:0]
        _draw_frame(ax, verdicts, cells, top, sheet)
        if compact:
            _write_above(ax, words, verdicts, sheet)
        else:
            _write_beside(ax, verdicts, sheet)
        sheet.add_legend(figure, title, handles, most=5, handlelength=1.2, columnspacing=1.2)
        sheet.add_caption(figure, caption)
        save_figure(figure, stem, style)
    return figure


def _draw_row(
    ax: Axes, y: float, readers: pd.DataFrame, verdict: "pd.Series[Any]", top: float
) -> pd.DataFrame:
    """One dataset and split, its marks from ``top`` (in rows, from its middle) down; returns the rows of
    ``readers`` that were drawn."""
    of_row = readers
    for name in ("dataset", "labels", "split"):
        of_row = of_row[of_row[name] == verdict[name]]
    crops = of_row[(of_row["role"] == "crop") & (of_row["view"] != TOGETHER)].sort_values("auroc")
    baselines = of_row[of_row["role"] == "other"].sort_values("auroc")
    places = y + _spread(len(crops), top + 0.1, OTHERS[0] - 0.08)
    best = crops["bound_low"].fillna(-np.inf).to_numpy().argmax()
    for i, (place, (_, cell)) in enumerate(zip(places, crops.iterrows(), strict=True)):
        colour, width, size = (INK, 1.4, 7) if i == best else (LIGHT, 0.6, 3)
        ax.hlines(
            place, cell["bound_low"], cell["auroc"], color=colour, linewidth=width, zorder=2 + (i == best)
        )
        ax.plot(cell["bound_low"], place, marker="|", markersize=size, color=INK, zorder=3)
    for place, (_, cell) in zip(places, crops.iterrows(), strict=True):
        ax.plot(cell["auroc"], place, **mark_of(str(cell["architecture"]), NETWORK_SIZE), zorder=4)
    for place, (_, cell) in zip(y + _spread(len(baselines), *OTHERS), baselines.iterrows(), strict=True):
        ax.plot(cell["auroc"], place, **mark_of(str(cell["architecture"]), BASELINE_SIZE), zorder=4)
    drawn: pd.DataFrame = pd.concat([crops, baselines])
    return drawn


def _spread(count: int, top: float, bottom: float) -> NDArray[np.float64]:
    """Places of ``count`` marks that are sorted by their value, evenly from ``top`` to ``bottom``.

    Those next to each other in value lie far apart: their order is that of the multiples of the golden ratio
    (modulo 1), of which any few that follow each other are spread over the whole.
    """
    order = np.argsort(np.argsort(np.arange(1, count + 1) * GOLDEN % 1))
    return top + (bottom - top) * (order + 0.5) / max(count, 1)


def _draw_frame(ax: Axes, verdicts: pd.DataFrame, cells: pd.DataFrame, top: float, sheet: Sheet) -> None:
    lowest = min(LEAST_SHOWN, cells["auroc"].min(), cells["bound_low"].min()) if len(cells) else LEAST_SHOWN
    low = max(0.0, np.floor(10 * (lowest - 0.01)) / 10)
    ax.set_xlim(low - 0.01, 1.02)
    step = 1 if (1 - low) / (sheet.width - 2.6) < 0.3 else 2
    ax.set_xticks([tick / 10 for tick in range(10, round(10 * low) - 1, -step)])
    ax.spines["bottom"].set_bounds(low, 1)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("AUROC on the test images")
    ax.set_ylim(max(len(verdicts), 1) - 0.5, -0.5)
    ax.set_yticks([])
    for y in range(1, len(verdicts)):
        ax.axhline(y - 0.5, color="#D0D0D0", linewidth=0.8, zorder=0)
    if verdicts.empty:
        ax.text(0.5, 0.5, "no reader of crops", transform=ax.transAxes, ha="center", color=MUTED)
        return
    # Names of the lines stand above all rows, one to the left and one to the right, and no line reaches them.
    above: dict[str, Any] = {
        "va": "bottom",
        "fontsize": sheet.small,
        "textcoords": "offset points",
        "annotation_clip": False,
    }
    for threshold, name, dashes, side in (
        (0.5, "blind", DASHED, "right"),
        (float(verdicts["small"].iloc[0]), "small", ":", "left"),
    ):
        for y in range(len(verdicts)):
            ends = (y + top, y + 0.5)
            ax.plot((threshold, threshold), ends, color=INK, linewidth=1, linestyle=dashes, zorder=1)
        shift = 3 if side == "right" else -3
        ax.annotate(name, (threshold, -0.5), xytext=(shift, 3), ha=side, **above)


def _write_beside(ax: Axes, verdicts: pd.DataFrame, sheet: Sheet) -> None:
    """Write the datasets to the left of the rows, the verdicts to the right."""
    ax.set_yticks(range(len(verdicts)), [_row_label(row) for _, row in verdicts.iterrows()])
    ax.tick_params(axis="y", length=0)
    if verdicts.empty:
        return
    beside: dict[str, Any] = {"transform": ax.get_yaxis_transform()}
    ax.annotate(
        "verdict",
        (1.04, 1),
        xycoords="axes fraction",
        xytext=(0, 3),
        textcoords="offset points",
        va="bottom",
        fontsize=sheet.small,
    )
    for y, (_, row) in enumerate(verdicts.iterrows()):
        words, colour = _verdict_words(row), INK if row["headline"] else MUTED
        ax.text(1.04, y - 0.02, words, va="bottom", weight="bold", color=colour, **beside)
        ax.text(1.04, y + 0.04, _count_words(row), va="top", fontsize=sheet.small, color=MUTED, **beside)


def _heading(row: "pd.Series[Any]", sheet: Sheet) -> tuple[str, str, str]:
    """What stands above a row: dataset and split, verdict, counts."""
    name = wrapped(_row_label(row, sheet.width).replace("\n", ", "), sheet.width - 0.2, sheet.text)
    counts = "; ".join(_count_words(row).split("\n"))
    return name, str(row["verdict"]), wrapped(counts, sheet.width - 0.2, sheet.small)


def _height(lines: tuple[str, ...], sheet: Sheet) -> float:
    """Inches that a row's heading takes."""
    return sum(sheet.height_of(line, TEXT_SIZE) for line in lines)


def _write_above(ax: Axes, words: list[tuple[str, str, str]], verdicts: pd.DataFrame, sheet: Sheet) -> None:
    """Write dataset and verdict above the marks of each row."""
    for y, (lines, headline) in enumerate(zip(words, verdicts["headline"], strict=True)):
        ink, down = INK if headline else MUTED, 3.0
        looks: list[dict[str, Any]] = [
            {"color": ink},
            {"color": ink, "weight": "bold"},
            {"color": MUTED, "fontsize": sheet.small},
        ]
        for line, look in zip(lines, looks, strict=True):
            place: dict[str, Any] = {"xycoords": ax.get_yaxis_transform(), "xytext": (0, -down)}
            ax.annotate(line, (0.0, y - 0.5), textcoords="offset points", va="top", **place, **look)
            down += 72 * sheet.height_of(line, TEXT_SIZE)


def _row_label(row: "pd.Series[Any]", inches: float = 2.2) -> str:
    split = str(row["split"]).replace("_", " ")
    name = wrapped(str(row["title"]), inches, TEXT_SIZE)
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


def _legend_entries(cells: pd.DataFrame) -> list[Artist]:
    entries: list[Artist] = []
    for name in in_order(cells["architecture"]):
        size = BASELINE_SIZE if name in BASELINES else NETWORK_SIZE
        entries.append(Line2D([], [], label=label_of(name), **mark_of(name, size)))
    return entries


def _caption(verdicts: pd.DataFrame, others: bool) -> str:
    if verdicts.empty:
        return "No reader of a crop has a result yet."
    fields, row = set(verdicts["field"]), verdicts.iloc[0]
    where = {
        frozenset(["whole"]): "one crop, which by the dataset's file (field: whole) holds no lesion",
        frozenset(["tile"]): "one crop, which by the dataset's file (field: tile) holds tissue",
    }.get(
        frozenset(fields),
        "one crop, which by the dataset's file holds no lesion (field: whole) or holds tissue (field: tile)",
    )
    below = " Marks without a line: baselines that do not count for the verdict." if others else ""
    return (
        f"Mark: one reader on {where}, all its seeds or folds put together (coloured: a network, grey: a "
        "baseline, white: the average of all, and the largest class). The line to its left ends at its lower "
        f"bound, corrected for all readers and views of the row (error rate {100 * row['level']:g}%); the "
        "largest bound is drawn in black. “Up to” and “at most” are 95% bounds for every reader. Small: "
        f"below {row['small']:g}."
    ) + below
