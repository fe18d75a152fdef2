"""What each treatment removes from the crops, and what it costs on whole images: a row a treatment."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MultipleLocator

from nullcrop.config.figure_style import PLAIN, FigureStyle
from nullcrop.config.readers import AVERAGE, in_order, label_of
from nullcrop.config.treatments import treatment_label
from nullcrop.cues.treatments import CROPS, WHOLE
from nullcrop.figures.job import FigureJob
from nullcrop.figures.series import mark_of
from nullcrop.figures.style import DASHED, INK, MUTED, Sheet, broken, figure_style, save_figure

ROW = 0.34
"""Inches that a treatment takes in height."""

MARK_SIZE = 4.5
"""Width in points of a single reader's mark."""

ENDS = {CROPS: "removed from the crops", WHOLE: "cost on the whole image"}
"""Panels and what a drop of the AUROC means there."""


def plot_treatments(
    table: pd.DataFrame, title: str, caption: str, stem: Path, style: FigureStyle = PLAIN
) -> Figure:
    """Draw what treatments do; write ``stem``.pdf, .svg and .png.

    ``table``: the rows of one label rule and split, of TREATMENT_COLUMNS (cues/treatments.py).
    """
    names = list(dict.fromkeys(table["treatment"]))
    places = [place for place in ENDS if (table["place"] == place).any()]
    sheet = Sheet(style, 7.2)
    with figure_style(style):
        caption = sheet.caption(caption)
        single = [name for name in in_order(table["reader"]) if name != AVERAGE]
        marks = single if len(single) > 1 else []
        handles = [Line2D([], [], label=label_of(name), **mark_of(name, MARK_SIZE)) for name in marks]
        above = 0.3 * bool(style.title) + 0.2 * -(-len(handles) // sheet.legend_columns(handles, 5))
        height = ROW * sheet.scale * len(names) + 1.0 + sheet.height_of(caption) + above * sheet.scale
        figure = Figure(figsize=(sheet.width, height), layout="constrained")
        axes = figure.subplots(1, len(places), sharey=True, squeeze=False)[0]
        for ax, place in zip(axes, places, strict=True):
            _draw_place(ax, table[table["place"] == place], names, sheet)
            ax.set_xlabel(f"drop of the AUROC: {ENDS[place]}", fontsize=sheet.small)
        labels = [broken(treatment_label(name), sheet.width / 4, sheet.text, 2) for name in names]
        axes[0].set_yticks(range(len(names)), labels, fontsize=sheet.text)
        axes[0].set_ylim(len(names) - 0.5, -0.5)
        sheet.add_legend(figure, title, handles, most=5, handlelength=1.2, columnspacing=1.2)
        sheet.add_caption(figure, caption)
        save_figure(figure, stem, style)
    return figure


def draw_treatments(job: FigureJob) -> None:
    """Draw the figure `treatments`: of the first label rule, on the split whose verdict is the one to
    quote."""
    own = job.quoted("treatments")
    first = own.iloc[0]
    several = own["reader"].nunique() > 1
    marks = "Large marks: the mean of all readers" if several else "Marks: the only reader"
    plot_treatments(
        own,
        f"{job.definition.title}: what treatments remove, and what they cost",
        f"{marks}, untreated against treated, with bounds that hold for all {len(own)} rows at once"
        + ("; small marks: single readers" if several else "")
        + f". Grey line: all that the readers tell above chance. {first['images']:,} images"
        + (f" of {first['units']:,} groups" if first["units"] < first["images"] else "")
        + f", {first['split'].replace('_', ' ')} split.",
        job.stem,
        job.style,
    )


def _draw_place(ax: Axes, rows: pd.DataFrame, names: list[str], sheet: Sheet) -> None:
    """The drop of each treatment at one place, with what could be removed at all."""
    ax.axvline(0, color=INK, linewidth=0.8, linestyle=DASHED)
    several = rows["reader"].nunique() > 1
    large = rows[rows["reader"] == AVERAGE] if several else rows
    told = float(large["auroc_untreated"].iloc[0]) - 0.5
    ax.axvline(told, color=MUTED, linewidth=2.5, alpha=0.35, zorder=0)
    at = {name: place for place, name in enumerate(names)}
    if several:
        for row in rows[rows["reader"] != AVERAGE].to_dict("records"):
            ax.plot(row["drop"], at[row["treatment"]] + 0.22, **mark_of(row["reader"], MARK_SIZE))
    for row in large.to_dict("records"):
        shown = row["drop_low"] > 0 or row["drop_high"] < 0
        colour = INK if shown else MUTED
        place = at[row["treatment"]] - (0.1 if several else 0)
        ax.plot((row["drop_low"], row["drop_high"]), (place, place), color=colour, linewidth=1.4)
        ax.plot(row["drop"], place, color=colour if shown else "white", marker="o", markeredgecolor=colour)
    ends = [*rows["drop_low"].dropna(), *rows["drop_high"].dropna(), *rows["drop"], told, 0.0]
    ax.set_xlim(min(ends) - 0.03, max(ends) + 0.03)
    ax.tick_params(labelsize=sheet.small, axis="x")
    ax.tick_params(axis="y", length=0)
    ax.set_axisbelow(True)
    ax.yaxis.grid(visible=True, color=MUTED, alpha=0.2, linewidth=0.6)
    ax.xaxis.set_major_locator(_ticks(np.ptp(ends)))


def _ticks(span: float) -> MultipleLocator:
    return MultipleLocator(0.1 if span > 0.25 else 0.05 if span > 0.1 else 0.02)
