"""Attributes: how well each tells the class, across, and how well crops tell it, upwards."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from nullcrop.config.figure_style import PLAIN, FigureStyle
from nullcrop.cues.attributes import attribute_words, blamed
from nullcrop.figures.job import FigureJob
from nullcrop.figures.style import DASHED, INK, MUTED, Sheet, figure_style, save_figure, wrapped

LIGHT = "#B8B8B8"

WAY, OTHER = "#B3446C", "#FFFFFF"
"""Fill of attributes that may be the way, and of others."""

LOWEST = 0.4
"""The axes begin here, or lower where a mark lies lower."""

SIDES = (
    *((6, 0, "left", "center"), (-6, 0, "right", "center")),
    *((0, 6, "center", "bottom"), (0, -6, "center", "top")),
    *((5, 5, "left", "bottom"), (5, -5, "left", "top"), (-5, 5, "right", "bottom"), (-5, -5, "right", "top")),
)
"""Where a name may stand beside its mark, in points and Matplotlib's words, in the order in which it is
tried."""


def plot_attributes(
    table: pd.DataFrame, title: str, caption: str, stem: Path, style: FigureStyle = PLAIN
) -> Figure:
    """Draw attributes; write ``stem``.pdf, .svg and .png.

    ``table``: the rows of one label rule and split, of ATTRIBUTE_COLUMNS (cues/attributes.py). Those that
    crops cannot be asked for lie on the lower axis. Names that would cover one another are left out.
    """
    asked = table[table["tells_target"].notna()]
    sheet = Sheet(style, 6.4)
    with figure_style(style):
        caption = sheet.caption(caption)
        heading = wrapped(title, sheet.width - 0.4, sheet.title * 1.1) if style.title else ""
        height = 0.82 * sheet.width + sheet.height_of(caption) + (0.35 if heading else 0)
        figure = Figure(figsize=(sheet.width, height), layout="constrained")
        FigureCanvasAgg(figure)
        ax = figure.subplots()
        lowest = np.nanmin([LOWEST, *asked["tells_target"], *asked["read_from_crops"]])
        floor = np.floor(20 * (lowest - 0.02)) / 20
        ways = set(blamed(asked)["attribute"])
        _draw_frame(ax, floor, sheet)
        marks = [_draw_mark(ax, row, row["attribute"] in ways, floor) for _, row in asked.iterrows()]
        if heading:
            figure.suptitle(heading, x=0.01, ha="left", fontsize=sheet.title, weight="bold")
        sheet.add_caption(figure, caption)
        # The layout is settled first, because names are placed in pixels.
        figure.draw_without_rendering()
        _write_names(ax, asked, marks, ways, sheet)
        save_figure(figure, stem, style)
    return figure


def draw_attributes(job: FigureJob) -> None:
    """Draw the figure `attributes`: of the first label rule, on the split whose verdict is the one to
    quote."""
    table = job.quoted("attributes")
    first = table.iloc[0]
    plot_attributes(
        table,
        f"{job.definition.title}: through what the class can be read",
        f"AUROC of {table['tells_target'].notna().sum()} attributes, {first['split'].replace('_', ' ')} "
        "split. Lines end at lower bounds, with all attributes and both questions tested at once. Filled: "
        "both bounds exceed 0.5. Triangles: within the classes they hardly vary, so that crops cannot be "
        "asked for them.",
        job.stem,
        job.style,
    )


def _draw_frame(ax: Axes, floor: float, sheet: Sheet) -> None:
    ax.set(xlim=(floor, 1.02), ylim=(floor, 1.02))
    for draw in (ax.axhline, ax.axvline):
        draw(0.5, color=MUTED, linewidth=0.8, linestyle=DASHED, zorder=0)
    ax.set_xlabel("how well it tells the class (AUROC)", fontsize=sheet.small)
    ax.set_ylabel("how well crops tell it within each class (AUROC)", fontsize=sheet.small)
    ax.tick_params(labelsize=sheet.small)


def _draw_mark(ax: Axes, row: "pd.Series[float]", way: bool, floor: float) -> tuple[float, float]:
    """Draw one attribute; where its mark lies."""
    x, y = float(row["tells_target"]), float(row["read_from_crops"])
    if unasked := bool(np.isnan(y)):
        y = floor + 0.012
    colour = WAY if way else LIGHT
    ax.plot([max(row["tells_target_low"], floor), x], [y, y], color=colour, linewidth=0.9, zorder=1)
    if not unasked:
        ax.plot([x, x], [max(row["read_low"], floor), y], color=colour, linewidth=0.9, zorder=1)
    shown = way or row["tells_target_low"] > 0.5 or row["read_low"] > 0.5
    ax.plot(
        *([x], [y]),
        marker="v" if unasked else "o",
        markersize=5.5 if shown else 4,
        color=WAY if way else OTHER,
        markeredgecolor=INK if shown else MUTED,
        markeredgewidth=0.9,
        linestyle="none",
        zorder=3 if way else 2,
        clip_on=False,
    )
    return x, y


def _write_names(
    ax: Axes, asked: pd.DataFrame, marks: Sequence[tuple[float, float]], ways: set[str], sheet: Sheet
) -> None:
    """Write names beside their marks, the clearest first, where they cover neither a name nor a mark."""
    canvas = ax.get_figure()
    assert isinstance(canvas, Figure)
    renderer = canvas.canvas.get_renderer()  # type: ignore[attr-defined]
    inside = canvas.bbox
    taken = [
        Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in (ax.transData.transform(mark) for mark in marks)
    ]
    clear = asked[["tells_target_low", "read_low"]].fillna(0).to_numpy()
    ranks = np.stack([asked["attribute"].isin(ways), (clear > 0.5).any(axis=1), clear.max(axis=1)], axis=1)
    names = [attribute_words(name) for name in asked["attribute"]]
    for place in sorted(range(len(names)), key=lambda place: tuple(-ranks[place])):
        for across, up, side, level in SIDES:
            text: Annotation = ax.annotate(
                *(names[place], marks[place]),
                xytext=(across, up),
                textcoords="offset points",
                ha=side,
                va=level,
                fontsize=sheet.small,
                color=INK if ranks[place, 1] else MUTED,
                weight="bold" if ranks[place, 0] else "normal",
                annotation_clip=False,
            )
            # Names are no part of the layout, which would move the marks.
            text.set_in_layout(False)
            box = text.get_window_extent(renderer)
            own = taken[:place] + taken[place + 1 :]
            if (
                not any(box.overlaps(other) for other in own)
                and inside.contains(box.x0, box.y0)
                and (inside.contains(box.x1, box.y1))
            ):
                taken.append(box)
                break
            text.remove()
