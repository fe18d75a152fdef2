"""The calibration's figure: false alarms where there is nothing to find, and power where there is a cue."""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter
from scipy.stats import binom

from nullcrop.basics.errors import NullcropError
from nullcrop.config.readers import in_order, label_of, look_of
from nullcrop.figures.style import (
    INK,
    MUTED,
    SMALL_SIZE,
    TITLE_SIZE,
    figure_style,
    save_figure,
    wrapped,
)

WIDTH, HEIGHT = 10.0, 6.4
"""Size in inches."""

ALL = "all"

CUES = {
    "session": "brightness of the session",
    "jpeg": "JPEG quality",
    "vignette": "corner vignette",
    "stain": "tint",
    "patient": "patients differ, classes do not",
}
"""Cues in the order of their panels, as a reader sees them."""

SPLIT_LINES: dict[str, Any] = {"grouped": "-", "random": (0, (4, 2))}

CAPTION = (
    "Share of generated datasets in which the audit of the four corner crops raises an alarm at a nominal "
    "level of {level:.0%}: an AUROC above 0.5, corrected over the cells, patients as units. Vertical bars: "
    "exact 95% intervals. Left above: datasets without a cue; grey band: where {central} of 20 audits with "
    "exactly the nominal rate fall. Hollow marks: the naive count, each cell by itself and each image taken "
    "for independent. Last panel: each patient's background is its own, whatever the class; a random split "
    "takes the patient for the class, a split by patient does not."
)


def plot_calibration(table: pd.DataFrame, stem: Path) -> Figure:
    """Draw the table of :func:`~nullcrop.calibration.alarms.alarm_rates`; write ``stem``.pdf, .svg and
    .png."""
    if table.empty:
        raise NullcropError("the table of alarms is empty, so there is nothing to draw")
    audit = table[table["method"] == "audit"]
    cues = [cue for cue in CUES if cue in set(table["cue"])]
    with figure_style():
        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
        axes = figure.subplots(2, 3).ravel()
        _draw_null(axes[0], table[table["cue"] == "none"])
        for ax, cue in zip(axes[1:], cues, strict=False):
            _draw_power(ax, audit[audit["cue"] == cue])
            ax.set_title(CUES[cue], loc="left", weight="bold")
        for ax in axes[1 + len(cues) :]:
            ax.set_axis_off()
        figure.legend(
            handles=_legend(audit),
            title="False alarms and power of the audit",
            title_fontproperties={"size": TITLE_SIZE, "weight": "bold"},
            alignment="left",
            loc="outside upper left",
            ncols=7,
        )
        caption = CAPTION.format(level=table["level"].iloc[0], central=19)
        figure.supxlabel(
            wrapped(caption, WIDTH - 0.2, SMALL_SIZE), x=0.01, ha="left", fontsize=SMALL_SIZE, color=MUTED
        )
        save_figure(figure, stem)
    return figure


def _draw_null(ax: Axes, table: pd.DataFrame) -> None:
    """Rates of false alarms by architecture, beside the nominal level."""
    architectures = _architectures(table)
    level, datasets = table["level"].iloc[0], table["datasets"].max()
    low, high = binom.interval(0.95, datasets, level)
    ax.axvspan(low / datasets, high / datasets, color=INK, alpha=0.12, linewidth=0)
    ax.axvline(level, color=INK, linewidth=1, linestyle=(0, (5, 2)))
    for place, name in enumerate(architectures):
        for method, offset in (("audit", -0.13), ("naive", 0.13)):
            row = table[(table["architecture"] == name) & (table["method"] == method)].iloc[0]
            y = place + offset
            ax.hlines(y, row["low"], row["high"], color=INK if method == "audit" else MUTED, linewidth=0.8)
            ax.plot(row["share"], y, **_mark(name, hollow=method == "naive"))
    ax.set_yticks(range(len(architectures)), [_label(name) for name in architectures])
    ax.invert_yaxis()
    ax.set_xlim(left=0)
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set_xlabel(f"datasets with a false alarm (of {datasets})")
    ax.set_title("no cue", loc="left", weight="bold")


def _draw_power(ax: Axes, table: pd.DataFrame) -> None:
    """Share of alarms over the strength of a cue, by architecture and split."""
    for split in [split for split in SPLIT_LINES if split in set(table["split"])]:
        for name in _architectures(table):
            rows = table[(table["split"] == split) & (table["architecture"] == name)].sort_values("strength")
            mark = _mark(name) | {"linestyle": SPLIT_LINES[split], "linewidth": 1.8 if name == ALL else 0.9}
            ax.plot(
                rows["strength"], rows["share"], color=_colour(name), zorder=3 if name == ALL else 2, **mark
            )
            if name == ALL:
                ax.vlines(rows["strength"], rows["low"], rows["high"], color=INK, linewidth=0.8)
    ax.axhline(table["level"].iloc[0], color=INK, linewidth=1, linestyle=(0, (5, 2)))
    # Each step of the cue counts the same: what is plain to one architecture is a tenth of what another
    # needs.
    ax.set_xscale("log", base=2)
    strengths = sorted(table["strength"].unique())
    ax.set_xticks(strengths, [f"{strength:g}" for strength in strengths])
    ax.minorticks_off()
    ax.set_ylim(-0.02, 1.04)
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set_xlabel(f"strength of the cue ({_range(table)} datasets each)")
    ax.set_ylabel("datasets with an alarm")


def _legend(table: pd.DataFrame) -> list[Line2D]:
    entries = [
        Line2D([], [], color=_colour(name), label=_label(name), **(_mark(name) | {"linestyle": "-"}))
        for name in _architectures(table)
    ]
    lines = {split: line for split, line in SPLIT_LINES.items() if split in set(table["split"])}
    if len(lines) > 1:
        entries += [
            Line2D([], [], color=INK, linestyle=line, label=f"{split} split") for split, line in lines.items()
        ]
    return entries


def _architectures(table: pd.DataFrame) -> list[str]:
    return [ALL, *in_order(set(table["architecture"]) - {ALL})]


def _label(name: str) -> str:
    return "all together" if name == ALL else label_of(name)


def _colour(name: str) -> str:
    return INK if name == ALL else look_of(name).colour


def _mark(name: str, hollow: bool = False) -> dict[str, Any]:
    return {
        "linestyle": "",
        "marker": "o" if name == ALL else look_of(name).mark,
        "markersize": 5,
        "markerfacecolor": "white" if hollow else _colour(name),
        "markeredgecolor": INK,
        "markeredgewidth": 0.6,
    }


def _range(table: pd.DataFrame) -> str:
    low, high = table["datasets"].min(), table["datasets"].max()
    return str(low) if low == high else f"{low} to {high}"
