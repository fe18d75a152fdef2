"""The calibration's figure: false alarms where there is nothing to find, and power where there is a cue."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import pandas as pd
import scipy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from nullcrop.basics.errors import NullcropError
from nullcrop.calibration.alarms import ALL, AUDIT, NAIVE, ONE_SPLIT
from nullcrop.config.figure_style import PLAIN, FigureStyle
from nullcrop.config.names import CROSSFIT
from nullcrop.config.readers import in_order, is_network, label_of
from nullcrop.figures.style import DASHED, INK, Sheet, columns_that_fit, figure_style, save_figure

WIDTH, HEIGHT = 10.0, 5.8
"""Size in inches."""

CUES = {
    "session": "brightness of the session",
    "jpeg": "JPEG quality",
    "vignette": "corner vignette",
    "stain": "tint",
    "patient": "patients differ, classes do not",
}
"""Cues in the order of their panels, as a reader sees them."""

SIZE = ["patients", "images_per_patient"]


@dataclass(frozen=True)
class Line:
    """A way of judging, as it is drawn: told apart by line, mark and fill, so that grey print will do."""

    label: str
    line: Any
    mark: str
    fill: str

    def of(self, **further: Any) -> dict[str, Any]:
        """Settings for Matplotlib."""
        looks: dict[str, Any] = {
            "linestyle": self.line,
            "marker": self.mark,
            "markersize": 5.5,
            "markerfacecolor": self.fill,
            "markeredgecolor": INK,
            "markeredgewidth": 1.0,
            "color": INK,
        }
        return looks | further


CROSSFITTED = Line("the audit: all readers, all folds", "-", "o", INK)
SINGLE = Line("as before: networks alone, one split", (0, (4, 2)), "s", "white")
UNCORRECTED = Line("each cell and image by itself, one split", "", "^", "white")
BY_SPLIT = {
    "random": Line("all readers, one random split", (0, (1, 1.5)), "v", "#BBBBBB"),
    "grouped": Line("all readers, one grouped split", (0, (6, 2, 1, 2)), "D", "#BBBBBB"),
}
"""The audit of a single split, where patients are the question."""


def plot_calibration(table: pd.DataFrame, stem: Path, style: FigureStyle = PLAIN) -> Figure:
    """Draw the table of :func:`~nullcrop.calibration.alarms.alarm_rates`; write ``stem``.pdf, .svg and
    .png."""
    if table.empty:
        raise NullcropError("the table of alarms is empty, so there is nothing to draw")
    audits = table[table["architecture"] == ALL]
    null = audits[audits["cue"] == "none"]
    panels = [
        (cue, rows) for cue in CUES for _, rows in audits[audits["cue"] == cue].groupby(SIZE, sort=False)
    ]
    sheet = Sheet(style, WIDTH)
    with figure_style(style):
        caption = sheet.caption(_caption(table))
        figure, of_null, of_panels = _laid_out(len(panels), null, sheet, caption)
        drawn: list[Line] = []
        if of_null is not None:
            drawn += _draw_null(of_null, null)
        for ax, (cue, rows) in zip(of_panels, panels, strict=True):
            drawn += _draw_power(ax, cue, rows)
            ax.set_title(CUES[cue], loc="left", weight="bold")
        sheet.add_legend(
            figure,
            "False alarms and power of the audit",
            [Line2D([], [], label=line.label, **line.of()) for line in dict.fromkeys(drawn)],
            most=3,
            handlelength=3.2,
        )
        sheet.add_caption(figure, caption)
        save_figure(figure, stem, style)
    return figure


def _laid_out(
    panels: int, null: pd.DataFrame, sheet: Sheet, caption: str
) -> tuple[Figure, Axes | None, list[Axes]]:
    """The figure, the axes of the false alarms, where there are any, and those of so many ``panels``."""
    if not sheet.narrow:
        height = HEIGHT if caption else HEIGHT - 0.7
        figure, columns = (
            Figure(figsize=(sheet.width, height), layout="constrained"),
            max(1, ceil(panels / 2)),
        )
        grid = figure.add_gridspec(2, 1 + columns, width_ratios=[1.3, *[1.0] * columns])
        of_null = None if null.empty else figure.add_subplot(grid[:, 0])
        places = [grid[place // columns, 1 + place % columns] for place in range(panels)]
        return figure, of_null, [figure.add_subplot(place) for place in places]
    columns = columns_that_fit(max(panels, 1), sheet.width, 2.3)
    above, rows = int(not null.empty), ceil(panels / columns)
    heights = [0.5 + 0.7 * len(null[SIZE].drop_duplicates())] * above + [2.3] * rows
    size = (sheet.width, 1.4 + sum(heights) + sheet.height_of(caption))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.add_gridspec(above + rows, columns, height_ratios=heights)
    of_null = figure.add_subplot(grid[0, :]) if above else None
    places = [grid[above + place // columns, place % columns] for place in range(panels)]
    return figure, of_null, [figure.add_subplot(place) for place in places]


def _draw_null(ax: Axes, table: pd.DataFrame) -> list[Line]:
    """Rates of false alarms by series and way of judging, beside the nominal level; returns what was
    drawn."""
    level, drawn, names = table["level"].iloc[0], [], []
    sizes = table[SIZE].drop_duplicates().astype(int).itertuples(index=False, name=None)
    for place, (patients, images) in enumerate(sorted(sizes, key=lambda size: (-size[0] * size[1], size))):
        rows = table[(table["patients"] == patients) & (table["images_per_patient"] == images)]
        datasets = int(rows["datasets"].max())
        low, high = scipy.stats.binom.interval(0.95, datasets, level)
        ax.add_patch(
            Rectangle(
                (low / datasets, place - 0.42),
                (high - low) / datasets,
                0.84,
                color=INK,
                alpha=0.13,
                linewidth=0,
            )
        )
        lines = _null_lines(rows)
        for number, (line, row) in enumerate(lines):
            y = place + 0.27 * (number - (len(lines) - 1) / 2)
            ax.hlines(y, row["low"], row["high"], color=INK, linewidth=0.9)
            ax.plot(row["share"], y, **line.of(linestyle=""))
        drawn += [line for line, _ in lines]
        names.append(f"{patients * images} images,\n{_of_patients(patients, images)}\n({datasets} datasets)")
    ax.axvline(level, color=INK, linewidth=1, linestyle=DASHED, zorder=1)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.set_xlim(left=-0.012)
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set_xlabel("datasets with a false alarm")
    ax.set_title("no cue", loc="left", weight="bold")
    return drawn


def _null_lines(rows: pd.DataFrame) -> list[tuple[Line, "pd.Series[Any]"]]:
    """Ways of judging one series without a cue, and their rates."""
    found = [(line, row) for line, rates in _lines(rows) for _, row in rates.iterrows()]
    naive = rows[rows["method"] == NAIVE]
    single = naive[~naive["split"].isin(list(CROSSFIT))]
    return found + [(UNCORRECTED, row) for _, row in single.iterrows()]


def _lines(rows: pd.DataFrame, by_split: bool = False) -> list[tuple[Line, pd.DataFrame]]:
    """Ways of judging one series, and their rates: the cross-fitted audit beside a single split, or with
    ``by_split`` the audit on each split."""
    audit = rows[rows["method"] == AUDIT]
    crossfitted = audit["split"].isin(list(CROSSFIT))
    found = [(CROSSFITTED, audit[crossfitted])]
    if by_split:
        found += [(line, audit[audit["split"] == split]) for split, line in BY_SPLIT.items()]
    else:
        found.append((SINGLE, rows[rows["method"] == ONE_SPLIT]))
    return [(line, rates) for line, rates in found if len(rates)]


def _draw_power(ax: Axes, cue: str, table: pd.DataFrame) -> list[Line]:
    """Share of alarms over the strength of a cue, by way of judging; returns what was drawn."""
    lines = _lines(table, by_split=cue == "patient")
    for number, (line, rates) in enumerate(lines):
        rows = rates.sort_values("strength")
        # Side by side, so that no interval hides another; each step of the cue counts the same.
        x = rows["strength"] * 1.035 ** (number - (len(lines) - 1) / 2)
        ax.vlines(x, rows["low"], rows["high"], color=INK, linewidth=0.8, alpha=0.7)
        ax.plot(x, rows["share"], zorder=3, **line.of(linewidth=1.3))
    ax.axhline(table["level"].iloc[0], color=INK, linewidth=1, linestyle=DASHED, zorder=1)
    strengths = sorted(table["strength"].unique())
    ax.set_xscale("log", base=2)
    ax.set_xticks(strengths, [f"{strength:g}" for strength in strengths])
    ax.minorticks_off()
    ax.set_ylim(-0.06, 1.06)
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    patients, images = table[SIZE].iloc[0]
    ax.set_xlabel(f"strength ({_range(table)} datasets each,\n{_of_patients(patients, images)})")
    ax.margins(x=0.08)
    ax.set_ylabel("datasets with an alarm")
    return [line for line, _ in lines]


def _of_patients(patients: int, images: int) -> str:
    return f"{patients} patients" + (f" × {images} images" if images > 1 else "")


def _caption(table: pd.DataFrame) -> str:
    """What the marks are, of what was run."""
    level, cues, splits = table["level"].iloc[0], set(table["cue"]), set(table["split"])
    readers = in_order(set(table["architecture"]) - {ALL})
    said = [
        f"Share of generated datasets with an alarm at a nominal level of {level:.0%}: a reader of the four "
        "corner crops has an AUROC above 0.5, corrected over all readers and corners, patients as units. "
        f"Readers: {_listed(map(label_of, readers))}, and the average of all. Bars: exact 95% intervals."
    ]
    single = splits - set(CROSSFIT)
    if single:
        networks = _listed(label_of(name) for name in readers if is_network(name))
        said.append(
            f"Squares: datasets as they were judged before, {networks} alone on a single split "
            f"({' or '.join(sorted(single))}), which tests a tenth of the images."
        )
    if "none" in cues:
        said.append("Grey: where 19 of 20 counts with exactly the nominal rate fall.")
        if single:
            said.append(
                "Triangles: an alarm where any cell alone is significant, each image taken for independent."
            )
    if "patient" in cues:
        said.append(
            "Where each patient's background is its own, whatever the class, an alarm is a false one: a "
            "random split may take the patient for the class."
        )
    return " ".join(said)


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _range(table: pd.DataFrame) -> str:
    low, high = table["datasets"].min(), table["datasets"].max()
    return str(low) if low == high else f"{low} to {high}"
