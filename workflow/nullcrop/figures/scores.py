"""Accuracy, precision, recall and F-1 by view: the study's panels for balanced classes and for transfer."""

from pathlib import Path

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import PercentFormatter

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.config.names import base_split, place_of_split
from nullcrop.config.readers import in_order, is_network, label_of, look_of
from nullcrop.config.views import view_label, views_in_order
from nullcrop.figures.job import FigureJob
from nullcrop.figures.style import (
    INK,
    MUTED,
    SMALL_SIZE,
    TITLE_SIZE,
    figure_style,
    save_figure,
    wrapped,
)
from nullcrop.statistics.shares import SHARES, mean_share, no_information_rates

NAMES = {"accuracy": "accuracy", "precision": "precision", "recall": "recall", "f1": "F-1"}

PALER = (0.0, 0.65, 0.35, 0.85)
"""Share of white in the marks of each recipe, in the order of their names; colour and mark are the
network's."""

SPREAD = 0.78
"""Share of the space between two views over which their marks lie."""


def draw_scores(job: FigureJob) -> None:
    """Draw the figure `scores`."""
    plot_scores(job.table("metrics"), job.definition.title, job.stem)


def plot_scores(metrics: pd.DataFrame, title: str, stem: Path) -> Figure:
    """Draw four panels for each (label rule, split) of one dataset, and write ``stem``.pdf, .svg, .png.

    ``metrics`` has one row a cell, as :func:`~nullcrop.statistics.tables.metrics_of_cells` gives it;
    of these, networks on true targets are drawn.
    A mark is the mean over seeds, its bar the 95 % interval of one test set of that size
    (:func:`~nullcrop.statistics.shares.mean_share`). A dashed line is what an answer blind to the
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
        names = listed(sorted(metrics["dataset"].unique()))
        raise NullcropError(f"this figure shows one dataset, but the table holds {names}")
    if "tp" not in metrics or metrics["tp"].isna().any():
        raise NullcropError(
            "precision, recall and F-1 of one positive class need two targets; this table has more"
        )
    views = views_in_order(metrics["view"])
    recipes = sorted(metrics["recipe"].unique())
    panels = sorted(
        metrics.groupby(["labels", "split"]), key=lambda item: (item[0][0], place_of_split(str(item[0][1])))
    )
    width = max(6.8, 1.6 + 0.95 * len(views))
    with figure_style():
        caption = wrapped(_caption(metrics), width - 0.2, SMALL_SIZE)
        figure = Figure(
            figsize=(width, 1.1 + len(SHARES) * 1.75 * len(panels) + 0.14 * len(caption.splitlines())),
            layout="constrained",
        )
        axes = figure.subplots(len(SHARES) * len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for place, ((labels, split), panel) in enumerate(panels):
            of_panel = axes[place * len(SHARES) : (place + 1) * len(SHARES)]
            for ax, metric in zip(of_panel, SHARES, strict=True):
                _draw_panel(ax, panel, metric, views, recipes)
            n = sorted(panel["n"].unique())
            of_panel[0].set_title(
                f"split: {split}, label rule: {labels}, n = {listed(n)} test images",
                loc="left",
                fontsize=SMALL_SIZE,
            )
        axes[-1].set_xticks(range(len(views)), [view_label(view) for view in views])
        figure.legend(
            handles=_legend(metrics, recipes),
            title=wrapped(title, width - 0.4, TITLE_SIZE * 1.1),
            title_fontproperties={"size": TITLE_SIZE, "weight": "bold"},
            alignment="left",
            loc="outside upper left",
            ncols=max(1, int(width / 1.6)),
            columnspacing=1.4,
        )
        figure.supxlabel(caption, x=0.01, ha="left", fontsize=SMALL_SIZE, color=MUTED)
        save_figure(figure, stem)
    return figure


def _draw_panel(ax: Axes, panel: pd.DataFrame, metric: str, views: list[str], recipes: list[str]) -> None:
    series = [
        (architecture, recipe, cells)
        for architecture in in_order(panel["architecture"])
        for recipe in recipes
        if len(cells := panel[(panel["architecture"] == architecture) & (panel["recipe"] == recipe)])
    ]
    step = SPREAD / len(series)
    halo = [withStroke(linewidth=2.4, foreground="white")]
    for place, (architecture, recipe, cells) in enumerate(series):
        look = look_of(architecture)
        for group, view in enumerate(views):
            runs = cells[cells["view"] == view]
            if runs.empty:
                continue
            score = mean_share(metric, runs)
            x = group + (place - (len(series) - 1) / 2) * step
            ax.vlines(x, score["low"], score["high"], color=INK, linewidth=1.0, path_effects=halo, zorder=2)
            ax.plot(
                x,
                score["mean"],
                marker=look.mark,
                markersize=5,
                markerfacecolor=_paler(look.colour, PALER[recipes.index(recipe) % len(PALER)]),
                markeredgecolor=INK,
                markeredgewidth=0.6,
                linestyle="",
                zorder=3,
            )
    for line in range(1, len(views)):
        ax.axvline(line - 0.5, color="#E4E4E4", linewidth=0.8, zorder=0)
    _draw_blind_answer(ax, panel, metric)
    ax.set_xlim(-0.5, len(views) - 0.5)
    ax.set_ylim(-0.03, 1.03)
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
    ax.spines["left"].set_bounds(0, 1)
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.tick_params(axis="x", length=0)
    ax.set_ylabel(NAMES[metric])


def _paler(colour: str, white: float) -> tuple[float, float, float]:
    red, green, blue = (part + (1 - part) * white for part in to_rgb(colour))
    return red, green, blue


def _draw_blind_answer(ax: Axes, panel: pd.DataFrame, metric: str) -> None:
    share = (panel["positives"] / panel["n"]).mean()
    heights = {
        "accuracy": (no_information_rates(panel).mean(), "no-information\nrate"),
        "precision": (share, "all called\npositive"),
        "f1": (2 * share / (1 + share), "all called\npositive"),
    }
    if metric in heights:
        height, words = heights[metric]
        ax.axhline(height, color=INK, linewidth=1.0, linestyle=(0, (5, 2)), zorder=1)
        transform = ax.get_yaxis_transform()
        ax.text(1.01, height, f"{words} {height:.1%}", transform=transform, va="center", fontsize=SMALL_SIZE)


def _legend(metrics: pd.DataFrame, recipes: list[str]) -> list[Artist]:
    present = in_order(metrics["architecture"])
    entries: list[Artist] = [
        Line2D(
            *([], []),
            linestyle="",
            marker=look_of(name).mark,
            markersize=5,
            markerfacecolor=look_of(name).colour,
            markeredgecolor=INK,
            markeredgewidth=0.6,
            label=label_of(name),
        )
        for name in present
    ]
    if len(recipes) > 1:
        entries += [
            Line2D(
                *([], []),
                linestyle="",
                marker="s",
                markersize=5,
                markerfacecolor=_paler(MUTED, PALER[place % len(PALER)]),
                markeredgecolor=INK,
                markeredgewidth=0.6,
                label=f"recipe {recipe}",
            )
            for place, recipe in enumerate(recipes)
        ]
    return entries


def _caption(metrics: pd.DataFrame) -> str:
    seeds = metrics["seed"].nunique()
    return (
        f"Mark: {'mean over ' + str(seeds) + ' seeds' if seeds > 1 else 'one run'}; bar: 95% Wilson "
        "interval for one test set of that size (F-1: through the Jaccard index)"
        + ("; it is not the spread over seeds" if seeds > 1 else "")
        + ". Dashed line: what an answer blind to the image reaches. Recall has no such line: calling every "
        "image positive reaches 100%."
    )
