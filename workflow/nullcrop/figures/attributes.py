"""Attributes: how well each tells the class, across, and how well crops tell it, upwards."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
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
    *((6, 0, "left", "center"), (0, 6, "center", "bottom")),
    *((-6, 0, "right", "center"), (0, -6, "center", "top")),
    *((5, 5, "left", "bottom"), (5, -5, "left", "top"), (-5, 5, "right", "bottom"), (-5, -5, "right", "top")),
)
"""Where a name may stand beside its mark, in points and Matplotlib's words, in the order in which it is
tried."""


def plot_attributes(
    table: pd.DataFrame, title: str, caption: str, stem: Path, style: FigureStyle = PLAIN
) -> Figure:
    """Draw attributes; write ``stem``.pdf, .svg and .png.

    ``table``: the rows of one label rule and split, of ATTRIBUTE_COLUMNS (cues/attributes.py). Those that
    crops cannot be asked for lie on the lower axis. Only those of which anything is shown have names and
    lines; names that would cover one another are left out.
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
        told = ((asked["tells_target_low"] > 0.5) | (asked["read_low"] > 0.5)).tolist()
        marks = [
            _draw_mark(ax, row, row["attribute"] in ways, shown, floor)
            for (_, row), shown in zip(asked.iterrows(), told, strict=True)
        ]
        if heading:
            figure.suptitle(heading, x=0.01, ha="left", fontsize=sheet.title, weight="bold")
        sheet.add_caption(figure, caption)
        # The layout is settled first, because names are placed in pixels.
        figure.draw_without_rendering()
        _write_names(ax, asked[told], marks, told, ways, sheet)
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
        "both bounds exceed 0.5, so that it may be the way. Small and without a name: neither does. "
        "Triangles: within no class enough independent images share a value to ask crops for it.",
        job.stem,
        job.style,
    )


def _draw_frame(ax: Axes, floor: float, sheet: Sheet) -> None:
    ax.set(xlim=(floor, 1.02), ylim=(floor, 1.02))
    for draw in (ax.axhline, ax.axvline):
        draw(0.5, color=MUTED, linewidth=0.8, linestyle=DASHED, zorder=0)
    ax.set_xlabel("how well it tells the class (AUROC)", fontsize=sheet.small)
    upwards = wrapped("how well crops tell it within classes (AUROC)", 0.6 * sheet.width, sheet.small)
    ax.set_ylabel(upwards, fontsize=sheet.small)
    ax.tick_params(labelsize=sheet.small)


def _draw_mark(
    ax: Axes, row: "pd.Series[float]", way: bool, shown: bool, floor: float
) -> tuple[float, float]:
    """Draw one attribute; where its mark lies."""
    x, y = float(row["tells_target"]), float(row["read_from_crops"])
    if unasked := bool(np.isnan(y)):
        y = floor + 0.012
    line: dict[str, Any] = {"color": WAY if way else LIGHT, "linewidth": 0.9, "zorder": 1}
    if shown:
        ax.plot([max(row["tells_target_low"], floor), x], [y, y], **line)
    if shown and not unasked:
        ax.plot([x, x], [max(row["read_low"], floor), y], **line)
    ax.plot(
        *([x], [y]),
        marker="v" if unasked else "o",
        markersize=5.5 if shown else 3.5,
        color=WAY if way else OTHER,
        markeredgecolor=INK if shown else LIGHT,
        markeredgewidth=0.9,
        linestyle="none",
        zorder=3 if way else 2,
        clip_on=False,
    )
    return x, y


def _write_names(
    ax: Axes,
    told: pd.DataFrame,
    marks: Sequence[tuple[float, float]],
    shown: Sequence[bool],
    ways: set[str],
    sheet: Sheet,
) -> None:
    """Write the names of attributes ``told`` beside their marks, those of ``marks`` that are ``shown``; the
    clearest first, where they cover neither a name nor a mark."""
    canvas = ax.get_figure()
    assert isinstance(canvas, Figure)
    renderer = canvas.canvas.get_renderer()  # type: ignore[attr-defined]
    inside = canvas.bbox
    covered = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in map(ax.transData.transform, marks)]
    written: list[Bbox] = []
    own = [place for place, one in enumerate(shown) if one]
    clear = told[["tells_target_low", "read_low"]].fillna(0).to_numpy().max(axis=1)
    order = sorted(range(len(told)), key=lambda i: (told["attribute"].iloc[i] not in ways, -clear[i]))
    for row in order:
        name, place = told["attribute"].iloc[row], own[row]
        others = covered[:place] + covered[place + 1 :]
        for across, up, side, level in SIDES:
            text: Annotation = ax.annotate(
                *(attribute_words(name), marks[place]),
                xytext=(across, up),
                textcoords="offset points",
                ha=side,
                va=level,
                fontsize=sheet.small,
                weight="bold" if name in ways else "normal",
                path_effects=[withStroke(linewidth=2.0, foreground="white")],
                zorder=4,
                annotation_clip=False,
            )
            # Names are no part of the layout, which would move the marks.
            text.set_in_layout(False)
            box = text.get_window_extent(renderer)
            fits = inside.contains(box.x0, box.y0) and inside.contains(box.x1, box.y1)
            if fits and not any(box.overlaps(other) for other in (*written, *others)):
                written.append(box)
                break
            text.remove()
