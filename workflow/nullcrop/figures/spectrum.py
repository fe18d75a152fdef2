"""The cue spectrum: one row a kind of information, the corners and the whole image side by side."""

from itertools import pairwise
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nullcrop.config.figure_style import PLAIN, FigureStyle
from nullcrop.config.readers import AVERAGE, in_order, label_of, sees_pixels
from nullcrop.config.views import study_corners
from nullcrop.cues.spectrum import CORNERS, PLACES, RIDGE, WHOLE, kind_label
from nullcrop.figures.job import FigureJob
from nullcrop.figures.series import mark_of
from nullcrop.figures.style import DASHED, INK, MUTED, Sheet, figure_style, save_figure, wrapped

WIDTH = 6.8

OTHERS = ["kind", "place", "architecture", "auroc"]

SMALL_MARKS = (
    " Small marks: the study's own readers, without bounds; of the corners, which they see one at a time, "
    "and of recipes the mean."
)

LEAST_SHOWN = 0.3
"""The axis begins here, or lower where an AUROC lies lower."""


MARK_SIZE = 3.6
"""Width in points of the mark of a study's own reader."""

BELOW = 0.3
"""How far below its row such a mark stands."""


def plot_spectrum(
    table: pd.DataFrame,
    title: str,
    caption: str,
    stem: Path,
    style: FigureStyle = PLAIN,
    others: pd.DataFrame | None = None,
) -> Figure:
    """Draw a spectrum; write ``stem``.pdf, .svg and .png.

    ``table``: the rows of one label rule and split, of SPECTRUM_COLUMNS (cues/spectrum.py). ``others``: the
    study's own readers of the same kinds (columns kind, place, architecture, auroc).
    """
    others = pd.DataFrame(columns=OTHERS) if others is None else others
    names = list(dict.fromkeys(zip(table["kind"], table["reader"], strict=True)))
    # Kinds of information, then engineered features, then what the file tells.
    names.sort(key=lambda name: (name[0].startswith("file_"), name[1] != RIDGE))
    sheet = Sheet(style, WIDTH)
    with figure_style(style):
        caption = sheet.caption(caption)
        heading = wrapped(title, sheet.width - 0.4, sheet.title * 1.1) if style.title else ""
        handles = [
            Line2D([], [], label=label_of(name), **mark_of(name, MARK_SIZE + 1))
            for name in in_order(others["architecture"])
        ]
        legend = 0.2 * sheet.scale * -(-len(handles) // sheet.legend_columns(handles, 5))
        height = 0.8 + 0.21 * sheet.scale * len(names) + sheet.height_of(caption) + (0.35 if heading else 0)
        height += legend
        figure = Figure(figsize=(sheet.width, height), layout="constrained")
        axes = figure.subplots(1, 2, sharey=True, sharex=True)
        for ax, (place, words) in zip(axes, PLACES.items(), strict=True):
            _draw_place(ax, table[table["place"] == place], names, sheet)
            for row in others[others["place"] == place].to_dict("records"):
                y = names.index((row["kind"], RIDGE)) + BELOW
                ax.plot(row["auroc"], y, **mark_of(row["architecture"], MARK_SIZE), zorder=2)
            ax.set_title(words, fontsize=sheet.text, loc="left")
            ax.set_xlabel("AUROC", fontsize=sheet.small)
        lowest = min(LEAST_SHOWN, *(float(one["auroc"].min()) - 0.02 for one in (table, others) if len(one)))
        axes[0].set(xlim=(lowest, 1.01), ylim=(len(names) - 0.4, -0.6))
        axes[0].set_yticks(range(len(names)), [_label(*name) for name in names], fontsize=sheet.small)
        sheet.add_legend(figure, title, handles, most=5, handlelength=1.2, columnspacing=1.2)
        sheet.add_caption(figure, caption)
        save_figure(figure, stem, style)
    return figure


def draw_spectrum(job: FigureJob) -> None:
    """Draw the figure `spectrum`: of the first label rule, on the split whose verdict is the one to quote."""
    table = job.quoted("spectrum")
    first = table.iloc[0]
    others = readers_by_kind(job.table("readers"), table)
    plot_spectrum(
        table,
        f"{job.definition.title}: from what the class can be read",
        f"AUROC of ridge regressions, each on one kind of information; {first['images']:,} images tested"
        + (f" of {first['units']:,} groups" if first["units"] < first["images"] else "")
        + f", {first['split'].replace('_', ' ')} split. Lines: bounds that hold for all {len(table)} rows at "
        "once. Filled: it tells the class. Squares: engineered features. What the file tells stands at "
        f"the whole image.{SMALL_MARKS if len(others) else ''}",
        job.stem,
        job.style,
        others,
    )


def readers_by_kind(readers: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """AUROC of the study's own readers of kinds that ``table`` has: a row a kind, place and architecture
    (OTHERS), at the corners and over recipes the mean. What the table has itself is left out."""
    first = table.iloc[0]
    own = readers[
        (readers["labels"] == first["labels"])
        & (readers["split"] == first["split"])
        & (readers["role"] != "shuffled")
        & (readers["architecture"] != AVERAGE)
        & readers["architecture"].map(sees_pixels).astype(bool)
    ]
    kinds = table.loc[table["reader"] == RIDGE, "kind"].unique()
    whole = {kind: (kind, WHOLE) for kind in kinds}
    cut = {
        corner if kind == WHOLE else f"{kind}.{corner}": (kind, CORNERS)
        for kind in kinds
        for corner in study_corners()
    }
    told = own[own["view"].isin(whole | cut) & own["auroc"].notna()]
    named = pd.DataFrame([(whole | cut)[view] for view in told["view"]], told.index, ["kind", "place"])
    means = told.join(named).groupby(["kind", "place", "architecture"], sort=False)["auroc"].mean()
    means = means.drop(table[["kind", "place", "reader"]].apply(tuple, axis=1), errors="ignore")
    found: pd.DataFrame = means.reset_index()[OTHERS]
    return found


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
