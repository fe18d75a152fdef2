"""Accuracy, precision, recall and F-1 by view: the study's panels for balanced classes and for transfer."""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import PercentFormatter

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.config.figure_style import PLAIN, FigureStyle
from nullcrop.config.names import base_split, place_of_split
from nullcrop.config.readers import is_network
from nullcrop.config.views import view_label, views_in_order
from nullcrop.figures.job import FigureJob
from nullcrop.figures.series import Series, series_of
from nullcrop.figures.style import DASHED, INK, MUTED, Sheet, broken, figure_style, save_figure
from nullcrop.statistics.shares import SHARES, exists, mean_share, no_information_rates

NAMES = {"accuracy": "accuracy", "precision": "precision", "recall": "recall", "f1": "F-1"}

SPREAD = 0.78
"""Share of the space between two views over which their marks lie."""

FOOT = -0.09
"""Where the cross of a score that does not exist stands: below the axis, which ends at 0."""


def draw_scores(job: FigureJob) -> None:
    """Draw the figure `scores`."""
    plot_scores(job.table("metrics"), job.definition.title, job.stem, job.style)


def plot_scores(metrics: pd.DataFrame, title: str, stem: Path, style: FigureStyle = PLAIN) -> Figure:
    """Draw four panels for each (label rule, split) of one dataset, and write ``stem``.pdf, .svg, .png.

    ``metrics`` has one row a cell, as :func:`~nullcrop.statistics.tables.metrics_of_cells` gives it;
    of these, networks on true targets are drawn.
    A mark is the mean over the seeds whose score exists, its bar the 95 % interval of one test set of that
    size (:func:`~nullcrop.statistics.shares.mean_share`); where none exists, as the precision where nothing
    is called positive, a cross stands below zero. A mark is hollow where all seeds answer one class, half
    hollow where some do. A dashed line is what an answer blind to the
    image reaches: the no-information rate for accuracy; precision and F-1 of calling every image
    positive. Raises NullcropError when there is nothing to draw, or when ``metrics`` holds several
    datasets or more than two targets.
    """
    metrics = metrics[
        metrics["architecture"].map(is_network)
        & (metrics["split"].map(lambda split: base_split(split)[1]) == 0)
    ]
    if metrics.empty:
        raise NullcropError("no network was given, so there are no scores to draw")
    if metrics["dataset"].nunique() > 1:
        several = listed(sorted(metrics["dataset"].unique()))
        raise NullcropError(f"this figure shows one dataset, but the table holds {several}")
    if "tp" not in metrics or metrics["tp"].isna().any():
        raise NullcropError(
            "precision, recall and F-1 of one positive class need two targets; this table has more"
        )
    views = views_in_order(metrics["view"])
    series = series_of(metrics)
    panels = sorted(
        metrics.groupby(["labels", "split"]), key=lambda item: (item[0][0], place_of_split(str(item[0][1])))
    )
    sheet = Sheet(style, max(6.8, 1.6 + 0.95 * len(views)))
    with figure_style(style):
        caption = sheet.caption(_caption(metrics))
        each = 1.45 if sheet.narrow else 1.75
        figure = Figure(
            figsize=(sheet.width, 1.1 + len(SHARES) * each * len(panels) + sheet.height_of(caption)),
            layout="constrained",
        )
        axes = figure.subplots(len(SHARES) * len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for place, ((labels, split), panel) in enumerate(panels):
            of_panel = axes[place * len(SHARES) : (place + 1) * len(SHARES)]
            for ax, metric in zip(of_panel, SHARES, strict=True):
                _draw_panel(ax, panel, metric, views, series, sheet)
            words = (
                f"split: {split}, label rule: {labels}, n = {listed(sorted(panel['n'].unique()))} test images"
            )
            if sheet.narrow:
                words = broken(words, sheet.width - 0.6, sheet.small) + "\n"
            of_panel[0].set_title(words, loc="left", fontsize=sheet.small)
        size = sheet.small if sheet.narrow else sheet.text
        room = 0.95 * (sheet.width - (0.6 if sheet.narrow else 1.6)) / len(views)
        names = [broken(view_label(view), room, size) for view in views]
        axes[-1].set_xticks(range(len(views)), names, fontsize=size)
        sheet.add_legend(
            figure, title, _legend(metrics, series), most=max(1, int(sheet.width / 1.6)), columnspacing=1.4
        )
        sheet.add_caption(figure, caption)
        save_figure(figure, stem, style)
    return figure


def _draw_panel(
    ax: Axes, panel: pd.DataFrame, metric: str, views: list[str], series: list[Series], sheet: Sheet
) -> None:
    shown = [(one, cells) for one in series if len(cells := one.of(panel))]
    step = SPREAD / len(shown)
    halo = [withStroke(linewidth=2.4, foreground="white")]
    for place, (one, cells) in enumerate(shown):
        for group, view in enumerate(views):
            runs = cells[cells["view"] == view]
            if runs.empty:
                continue
            x = group + (place - (len(shown) - 1) / 2) * step
            there = runs[exists(metric, runs)]
            if there.empty:
                ax.plot(x, FOOT, marker="x", markersize=4, color=MUTED, linestyle="", zorder=3)
                continue
            score = mean_share(metric, there)
            ax.vlines(x, score["low"], score["high"], color=INK, linewidth=1.0, path_effects=halo, zorder=2)
            ax.plot(x, score["mean"], zorder=3, **_mark(one, float(runs["constant"].mean())))
    for line in range(1, len(views)):
        ax.axvline(line - 0.5, color="#E4E4E4", linewidth=0.8, zorder=0)
    _draw_blind_answer(ax, panel, metric, sheet)
    ax.set_xlim(-0.5, len(views) - 0.5)
    ax.set_ylim(-0.03 if exists(metric, panel).all() else 1.6 * FOOT, 1.03)
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
    ax.spines["left"].set_bounds(0, 1)
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.tick_params(axis="x", length=0)
    ax.set_ylabel(NAMES[metric])


def _mark(series: Series, constant: float = 0.0) -> dict[str, Any]:
    """How a score is drawn whose seeds answer one class in a share of ``constant``."""
    return {
        "linestyle": "",
        "marker": series.mark,
        "markersize": 5,
        "fillstyle": "left" if 0 < constant < 1 else "full",
        "markerfacecolor": "white" if constant == 1 else series.colour,
        "markerfacecoloralt": "white",
        "markeredgecolor": INK,
        "markeredgewidth": 0.6,
    }


def _draw_blind_answer(ax: Axes, panel: pd.DataFrame, metric: str, sheet: Sheet) -> None:
    share = (panel["positives"] / panel["n"]).mean()
    heights = {
        "accuracy": (no_information_rates(panel).mean(), "no-information\nrate"),
        "precision": (share, "all called\npositive"),
        "f1": (2 * share / (1 + share), "all called\npositive"),
    }
    if metric not in heights:
        return
    height, words = heights[metric]
    ax.axhline(height, color=INK, linewidth=1.0, linestyle=DASHED, zorder=1)
    said = f"{words} {height:.1%}"
    if sheet.narrow:
        ax.set_title(f"dashed: {' '.join(said.split())}", loc="right", fontsize=sheet.small)
    else:
        ax.text(1.01, height, said, transform=ax.get_yaxis_transform(), va="center", fontsize=sheet.small)


def _legend(metrics: pd.DataFrame, series: list[Series]) -> list[Artist]:
    entries: list[Artist] = [Line2D([], [], label=one.label, **_mark(one)) for one in series]
    hollow = Line2D([], [], label="constant answer", **_mark(series[0], 1.0))
    if metrics["constant"].any():
        entries.append(hollow)
    if not all(exists(metric, metrics).all() for metric in SHARES):
        cross = Line2D([], [], linestyle="", marker="x", markersize=4, color=MUTED, label="no such score")
        entries.append(cross)
    return entries


def _caption(metrics: pd.DataFrame) -> str:
    """What the marks mean, of those that are there."""
    seeds = metrics["seed"].nunique()
    constant = metrics.groupby(["labels", "split", "view", "architecture", "recipe"])["constant"].mean()
    lacking = {metric for metric in SHARES if not exists(metric, metrics).all()}
    sentences = [
        f"Mark: {'mean over ' + str(seeds) + ' seeds' if seeds > 1 else 'one run'}; bar: 95% Wilson "
        "interval for one test set of that size (F-1: through the Jaccard index)"
        + ("; it is not the spread over seeds." if seeds > 1 else "."),
        "Dashed line: what an answer blind to the image reaches. Recall has no such line: calling every "
        "image positive reaches 100%.",
    ]
    if (constant > 0).any():
        partly = "; half hollow: those of some seeds are" if (constant.between(0, 1, "neither")).any() else ""
        sentences.append(f"Hollow: over 99% of the answers are one class{partly}.")
    if lacking:
        sentences.append(
            "Cross: there is no such score, as no precision where nothing is called positive"
            + (" (a mark is the mean over the seeds that have one)." if seeds > 1 else ".")
        )
    return " ".join(sentences)
