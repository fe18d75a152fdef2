"""The cue spectrum: one row a kind of information, the corners and the whole image side by side."""

from itertools import pairwise
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nullcrop.config.figure_style import PLAIN, FigureStyle
from nullcrop.config.readers import label_of
from nullcrop.cues.spectrum import PLACES, RIDGE, kind_label
from nullcrop.figures.job import FigureJob
from nullcrop.figures.style import DASHED, INK, MUTED, Sheet, figure_style, save_figure, wrapped

WIDTH = 6.8

LEAST_SHOWN = 0.3
"""The axis begins here, or lower where an AUROC lies lower."""


def plot_spectrum(
    table: pd.DataFrame, title: str, caption: str, stem: Path, style: FigureStyle = PLAIN
) -> Figure:
    """Draw a spectrum; write ``stem``.pdf, .svg and .png.

    ``table``: the rows of one label rule and split, of SPECTRUM_COLUMNS (cues/spectrum.py).
    """
    names = list(dict.fromkeys(zip(table["kind"], table["reader"], strict=True)))
    # Kinds of information, then engineered features, then what the file tells.
    names.sort(key=lambda name: (name[0].startswith("file_"), name[1] != RIDGE))
    sheet = Sheet(style, WIDTH)
    with figure_style(style):
        caption = sheet.caption(caption)
        heading = wrapped(title, sheet.width - 0.4, sheet.title * 1.1) if style.title else ""
        height = 0.8 + 0.21 * sheet.scale * len(names) + sheet.height_of(caption) + (0.35 if heading else 0)
        figure = Figure(figsize=(sheet.width, height), layout="constrained")
        axes = figure.subplots(1, 2, sharey=True, sharex=True)
        for ax, (place, words) in zip(axes, PLACES.items(), strict=True):
            _draw_place(ax, table[table["place"] == place], names, sheet)
            ax.set_title(words, fontsize=sheet.text, loc="left")
            ax.set_xlabel("AUROC", fontsize=sheet.small)
        lowest = min(LEAST_SHOWN, float(table["auroc"].min()) - 0.02)
        axes[0].set(xlim=(lowest, 1.01), ylim=(len(names) - 0.4, -0.6))
        axes[0].set_yticks(range(len(names)), [_label(*name) for name in names], fontsize=sheet.small)
        if heading:
            figure.suptitle(heading, x=0.01, ha="left", fontsize=sheet.title, weight="bold")
        sheet.add_caption(figure, caption)
        save_figure(figure, stem, style)
    return figure


def draw_spectrum(job: FigureJob) -> None:
    """Draw the figure `spectrum`: of the first label rule, on the split whose verdict is the one to quote."""
    table = job.quoted("spectrum")
    first = table.iloc[0]
    plot_spectrum(
        table,
        f"{job.definition.title}: from what the class can be read",
        f"AUROC of ridge regressions, each on one kind of information; {first['images']:,} images tested"
        + (f" of {first['units']:,} groups" if first["units"] < first["images"] else "")
        + f", {first['split'].replace('_', ' ')} split. Lines: bounds that hold for all {len(table)} rows at "
        "once. Filled: it tells the class. Squares: engineered features. What the file tells stands at "
        "the whole image.",
        job.stem,
        job.style,
    )


def _label(kind: str, reader: str) -> str:
    return kind_label(kind) if reader == RIDGE else label_of(reader)


def _draw_place(ax: Axes, rows: pd.DataFrame, names: list[tuple[str, str]], sheet: Sheet) -> None:
    ax.axvline(0.5, color=INK, linewidth=0.8, linestyle=DASHED, zorder=1)
    for row in rows.to_dict("records"):
        y, tells = names.index((row["kind"], row["reader"])), row["low"] > 0.5
        colour = INK if tells else MUTED
        ax.hlines(y, row["low"], row["high"], color=colour, linewidth=1.2 if tells else 0.7, zorder=2)
        mark = "o" if row["reader"] == RIDGE else "s"
        fill = colour if tells else "white"
        ax.plot(row["auroc"], y, mark, color=fill, markeredgecolor=colour, markersize=4.5, zorder=3)
    # A line between kinds, engineered features and the file.
    groups = [(kind.startswith("file_"), reader != RIDGE) for kind, reader in names]
    for y, (group, following) in enumerate(pairwise(groups)):
        if group != following:
            ax.axhline(y + 0.5, color=MUTED, linewidth=0.4)
    ax.tick_params(axis="x", labelsize=sheet.small)
    ax.tick_params(axis="y", length=0)
