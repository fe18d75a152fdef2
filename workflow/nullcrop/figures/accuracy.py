"""The study's figure: accuracy by view and architecture, beside what an answer blind to the image reaches."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import PercentFormatter
from statsmodels.stats.proportion import proportion_confint

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.config.figure_style import PLAIN, FigureStyle
from nullcrop.config.names import BASELINE_RECIPE, FOLDS_OF, base_split, place_of_split, protocol_of
from nullcrop.config.readers import BASELINES, label_of, sees_pixels, without_pixels
from nullcrop.config.views import view_label, views_in_order
from nullcrop.figures.job import FigureJob
from nullcrop.figures.series import Colour, Series, series_of
from nullcrop.figures.style import (
    DASHED,
    INK,
    MUTED,
    Sheet,
    broken,
    figure_style,
    save_figure,
    wrapped,
)
from nullcrop.statistics.shares import images_tested, no_information_rates

GROUP_WIDTH = 0.84
"""Share of the space between two views that their bars and marks fill."""

MARK_WIDTH = 0.5
"""Room of a baseline's mark, in bars."""

NO_PIXELS = "no pixels"
"""The group of the baselines that see no image, beside the views."""

HATCH = "////"

FIELD_SENTENCES = {
    "whole": "By the dataset's file (field: whole) the object lies inside a larger field, and the four "
    "corner crops hold none of it.",
    "tile": "By the dataset's file (field: tile) each image is a tile of tissue: every crop holds tissue, "
    "and its accuracy alone is no sign of bias.",
}
"""What follows from a dataset's field, as the claim that it is."""

UNCHECKED = {"whole": "This figure does not check it."}
"""What is said of that claim where it is not checked."""


def draw_accuracy(job: FigureJob) -> None:
    """Draw the figure `accuracy`."""
    plot_accuracy(job.table("metrics"), job.definition.title, job.stem, job.definition.field, job.style)


def plot_accuracy(
    metrics: pd.DataFrame,
    title: str,
    stem: Path,
    field: Literal["whole", "tile"] | None = None,
    style: FigureStyle = PLAIN,
) -> Figure:
    """Draw the accuracy of one dataset's cells and write ``stem``.pdf, .svg and .png.

    ``metrics`` has one row a cell, as :func:`~nullcrop.statistics.tables.metrics_of_cells` gives
    it; each (labels, split) in it becomes a panel, but for the splits with shuffled targets.
    ``field`` is the dataset's, for the caption.

    Networks are bars, baselines are marks beside them; those that see no pixel stand in a group of
    their own. A bar or mark is the mean over seeds. Its error bar is the Wilson interval of that mean for as
    many images as *one* test set holds; the spread over seeds is shown by dots alone, so that the two
    are never mixed. Returns the figure. Raises NullcropError when ``metrics`` is empty or holds
    several datasets.
    """
    if metrics.empty:
        raise NullcropError("no cell was given, so there is no accuracy to draw")
    if metrics["dataset"].nunique() > 1:
        names = listed(sorted(metrics["dataset"].unique()))
        raise NullcropError(f"this figure shows one dataset, but the table holds {names}")
    metrics = _shown(metrics)
    found = set(metrics["view"])
    views = [*views_in_order(found - {NO_PIXELS}), *sorted(found & {NO_PIXELS})]
    series = series_of(metrics)
    panels = sorted(
        metrics.groupby(["labels", "split"]), key=lambda item: (item[0][0], place_of_split(str(item[0][1])))
    )
    groups = len(views) * max(0.75, 0.27 * _room(views, series) / GROUP_WIDTH)
    sheet = Sheet(style, max(6.6, 1.9 + groups))
    with figure_style(style):
        caption = sheet.caption(_caption(metrics, field))
        facts = [
            wrapped(_facts(panel, views, series), sheet.width - (0.9 if sheet.narrow else 1.9), sheet.small)
            for _, panel in panels
        ]
        height = 1.2 + len(panels) * 2.9 + sheet.height_of(caption)
        if sheet.narrow:
            height += sum(map(sheet.height_of, facts)) + 0.3
        figure = Figure(figsize=(sheet.width, height), layout="constrained")
        axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
        for ax, ((labels, split), panel), words in zip(axes, panels, facts, strict=True):
            _draw_panel(ax, panel, views, series, sheet)
            if len(panels) > 1:
                heading = f"split: {split}, label rule: {labels}" + ("\n" if sheet.narrow else "")
                ax.set_title(heading, loc="left", weight="bold")
            ax.set_xlabel(words, fontsize=sheet.small)
        sheet.add_legend(
            figure,
            title,
            _legend_entries(metrics, series),
            most=max(1, int(sheet.width / 1.6)),
            handlelength=1.4,
            columnspacing=1.4,
        )
        sheet.add_caption(figure, caption)
        save_figure(figure, stem, style)
    return figure


def _shown(metrics: pd.DataFrame) -> pd.DataFrame:
    """The cells trained on true targets; what sees no pixel stands beside the views."""
    true = metrics[metrics["split"].map(lambda split: base_split(split)[1] == 0)]
    return true.assign(
        view=true["view"].where(~true["architecture"].isin(without_pixels()), NO_PIXELS),
        no_information_rate=no_information_rates(true),
    )


def _members(view: str, series: list[Series]) -> list[Series]:
    """What stands in the group of ``view``, from left to right."""
    return [one for one in series if sees_pixels(one.architecture) == (view != NO_PIXELS)]


def _room(views: list[str], series: list[Series]) -> float:
    """Room of the widest group, in bars."""
    return max(sum(map(_width, _members(view, series))) for view in views)


def _width(series: Series) -> float:
    """Room beside the others of its group, in bars."""
    return MARK_WIDTH if series.is_baseline else 1.0


def _draw_panel(ax: Axes, panel: pd.DataFrame, views: list[str], series: list[Series], sheet: Sheet) -> None:
    step = GROUP_WIDTH / _room(views, series)
    # Marks as large as there is room for beside each other.
    group_width = (sheet.width - (0.8 if sheet.narrow else 1.9)) / len(views)
    mark_size = min(4.2, max(2.2, 1.1 * 72 * step * MARK_WIDTH * group_width))
    for group, view in enumerate(views):
        members = _members(view, series)
        x = group - step * sum(map(_width, members)) / 2
        for one in members:
            cells = one.of(panel)
            of_view = cells[cells["view"] == view]
            if one.is_baseline:
                _draw_mark(ax, x + step * _width(one) / 2, of_view, one, mark_size)
            else:
                _draw_bar(ax, x + step / 2, step, of_view, one, panel["seed"].nunique() > 1, sheet)
            x += step * _width(one)
    apart = [
        group + 0.5
        for group, view in enumerate(views[:-1])
        if "original" in (view, views[group + 1]) or views[group + 1] == NO_PIXELS
    ]
    ax.vlines(apart, 0, 1, color="#D0D0D0", linewidth=0.8, zorder=0)
    ax.set_xlim(-0.5, len(views) - 0.5)
    size = sheet.small if sheet.narrow else sheet.text
    names = [broken(view_label(view), 0.95 * group_width, size) for view in views]
    ax.set_xticks(range(len(views)), names, fontsize=size)
    ax.tick_params(axis="x", length=0)
    # A little above 100 %, so that no dot, interval or note at the top is cut off.
    ax.set_ylim(0, 1.06)
    ax.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.spines["left"].set_bounds(0, 1)
    ax.set_ylabel("accuracy on the test images")
    _draw_blind_answers(ax, panel, sheet)


def _draw_bar(
    ax: Axes, x: float, step: float, cells: pd.DataFrame, series: Series, dots: bool, sheet: Sheet
) -> None:
    """One bar with its interval and, if ``dots``, its seeds; a grey note where no cell has a result."""
    if cells.empty:
        ax.text(
            x,
            0.015,
            "no result",
            rotation=90,
            ha="center",
            va="bottom",
            fontsize=0.8 * sheet.small,
            color=MUTED,
        )
        return
    seeds = cells.sort_values("seed")["accuracy"]
    mean, low, high = _mean_and_interval(cells)
    constant = int(cells["constant"].sum())
    ax.bar(
        x,
        mean,
        width=0.94 * step,
        facecolor=series.colour,
        edgecolor=_contrast(series.colour) if constant == len(cells) else INK,
        hatch=HATCH if constant == len(cells) else None,
        linewidth=0.6,
    )
    # A thick line would cover a narrow bar.
    thick = 0.7 if sheet.narrow else 1.2
    halo = [withStroke(linewidth=2.17 * thick, foreground="white")]
    ax.vlines(x, low, high, color=INK, linewidth=thick, path_effects=halo, zorder=3)
    if dots:
        # Side by side in the order of the seeds, so that equal accuracies do not hide each other.
        places = x + 0.9 * step * (np.arange(1, len(seeds) + 1) / (len(seeds) + 1) - 0.5)
        ax.scatter(
            places,
            seeds,
            s=3 if sheet.narrow else 8,
            facecolor="white",
            edgecolor=INK,
            linewidth=0.6,
            zorder=4,
        )
    if 0 < constant < len(cells):
        top = max(high, seeds.max()) + 0.02
        ax.text(x, top, f"{constant}/{len(cells)}", ha="center", va="bottom", fontsize=0.87 * sheet.small)


def _draw_mark(ax: Axes, x: float, cells: pd.DataFrame, series: Series, size: float) -> None:
    """A baseline's mark with its interval, hollow where every answer is one class; nothing without a
    result."""
    if cells.empty:
        return
    mean, low, high = _mean_and_interval(cells)
    ax.vlines(x, low, high, color=MUTED, linewidth=0.7, zorder=3)
    ax.plot(x, mean, zorder=4, **_mark(series, size, hollow=bool(cells["constant"].all())))


def _mark(series: Series, size: float = 4.2, hollow: bool = False) -> dict[str, Any]:
    return {
        "linestyle": "",
        "marker": series.mark,
        "markersize": size,
        "markerfacecolor": "white" if hollow else series.colour,
        "markeredgecolor": INK,
        "markeredgewidth": 0.6,
    }


def _mean_and_interval(cells: pd.DataFrame) -> tuple[float, float, float]:
    """Mean accuracy over seeds, with the Wilson interval of that mean for one test set (of folds: all
    folds)."""
    mean, n = cells["accuracy"].mean(), images_tested(cells)
    low, high = proportion_confint(mean * n, n, method="wilson")
    return mean, low, high


def _draw_blind_answers(ax: Axes, panel: pd.DataFrame, sheet: Sheet) -> None:
    """The no-information rate (a band where it differs between seeds) and, for K > 2, chance."""
    rates = panel.groupby("seed")["no_information_rate"].first()
    rate, chance = rates.mean(), panel["chance"].iloc[0]
    if rates.max() > rates.min():
        ax.axhspan(rates.min(), rates.max(), color=INK, alpha=0.15, linewidth=0, zorder=2)
    halo = [withStroke(linewidth=2.4, foreground="white", alpha=0.8)]
    ax.axhline(rate, color=INK, linewidth=1.1, linestyle=DASHED, path_effects=halo, zorder=2.5)
    lines = [(rate, f"no-information\nrate {rate:.1%}")]
    if np.isclose(chance, rate):
        lines = [(rate, f"no-information\nrate {rate:.1%},\nwhich is chance")]
    elif chance < 0.5:
        ax.axhline(chance, color=INK, linewidth=1.1, linestyle=":", path_effects=halo, zorder=2.5)
        lines.append((chance, f"chance 1/{round(1 / chance)}\n= {chance:.1%}"))
    if sheet.narrow:
        words = ["dashed: " + " ".join(lines[0][1].split()), *(f"dotted: {text}" for _, text in lines[1:])]
        ax.set_title("; ".join(" ".join(one.split()) for one in words), loc="right", fontsize=sheet.small)
        return
    close = len(lines) == 2 and rate - chance < 0.14
    for (height, text), side in zip(lines, ("bottom", "top"), strict=False):
        ax.text(
            1.01,
            height,
            text,
            transform=ax.get_yaxis_transform(),
            ha="left",
            va=side if close else "center",
            fontsize=sheet.small,
        )


def _legend_entries(metrics: pd.DataFrame, series: Iterable[Series]) -> list[Artist]:
    entries: list[Artist] = [
        Line2D([], [], label=one.label, **_mark(one))
        if one.is_baseline
        else Patch(facecolor=one.colour, edgecolor=INK, linewidth=0.6, label=one.label)
        for one in series
    ]
    if _constant_counts(metrics)["all"].any():
        entries.append(
            Patch(facecolor="white", edgecolor=INK, hatch=HATCH, linewidth=0.6, label="constant answer")
        )
    if metrics["seed"].nunique() > 1:
        dot = Line2D([], [], linestyle="", marker="o", markersize=3.5, label="one seed")
        dot.set(markerfacecolor="white", markeredgecolor=INK, markeredgewidth=0.6)
        entries.append(dot)
    return entries


def _constant_counts(metrics: pd.DataFrame) -> pd.DataFrame:
    """For each bar, whether all its seeds and whether any of them is constant."""
    metrics = metrics[~metrics["architecture"].isin(BASELINES)]
    bars = ["labels", "split", "view", "architecture", "recipe"]
    return metrics.groupby(bars)["constant"].agg(["all", "any"])


def _facts(panel: pd.DataFrame, views: list[str], series: list[Series]) -> str:
    """The line under a panel: what its bars were measured on, and how many cells are missing."""
    seeds = sorted(panel["seed"].unique())
    recipes = sorted(set(panel["recipe"]) - {BASELINE_RECIPE})
    said = [
        f"n = {_tested(panel)} test images",
        _repeats(panel["split"].iloc[0], seeds),
        f"split: {panel['split'].iloc[0]}",
        f"label rule: {panel['labels'].iloc[0]}",
    ]
    if recipes:
        said.append(f"recipe: {recipes[0]}" if len(recipes) == 1 else f"recipes: {_recipes(panel, series)}")
    planned = sum(one.of(panel)["seed"].nunique() for view in views for one in _members(view, series))
    missing = (
        f"\n{len(panel)} of {planned} cells have a result; what is missing is left blank and is not zero."
    )
    return "; ".join(said) + (missing if len(panel) < planned else "")


def _tested(panel: pd.DataFrame) -> str:
    """Images tested: of a test set, or of all folds of a partition together, as the error bars count them."""
    if protocol_of(panel["split"].iloc[0]) not in FOLDS_OF:
        return _range(panel["n"])
    bars = panel.groupby(["view", "architecture", "recipe"])
    return _range(pd.Series([images_tested(runs) for _, runs in bars]))


def _repeats(split: str, seeds: list[int]) -> str:
    """How often each cell was trained: `3 seeds (0, 1, 2)`, or `10 folds`."""
    if protocol_of(split) in FOLDS_OF:
        return f"{len(seeds)} folds"
    return f"{len(seeds)} seeds ({listed(seeds)})" if len(seeds) > 1 else f"seed {seeds[0]}"


def _recipes(panel: pd.DataFrame, series: list[Series]) -> str:
    """Which recipe trained which architecture; those in the legend are not said twice."""
    pairs = panel[["architecture", "recipe"]].drop_duplicates()
    if pairs["architecture"].duplicated().any():
        return listed(sorted(pairs["recipe"].unique()))
    present = [one for one in series if not one.is_baseline and not one.of(panel).empty]
    return ", ".join(f"{one.recipe} ({label_of(one.architecture)})" for one in present)


def _caption(metrics: pd.DataFrame, field: str | None) -> str:
    """What the marks mean, of those that are there."""
    several = metrics["seed"].nunique() > 1
    constant = _constant_counts(metrics)
    rates = metrics.groupby(["labels", "split"])["no_information_rate"].nunique()
    sentences = [
        "Bar: accuracy, mean over seeds; dot: one seed." if several else "Bar: accuracy.",
        "Error bar: 95% Wilson interval for one test set of n images"
        + ("; it is not the spread over seeds." if several else "."),
        "Dashed line: no-information rate, the share of the largest class among the test images, which an "
        "answer blind to the image reaches"
        + (" (mean over seeds; band: lowest to highest)." if rates.max() > 1 else "."),
    ]
    if (metrics["units"] < metrics["n"]).any():
        sentences.append(
            "Error bar and dashed line take images for independent, though they come in groups: the interval "
            "by groups is in readers.csv."
        )
    folded = sorted(set(metrics["split"].map(protocol_of)) & set(FOLDS_OF))
    if folded:
        sentences.append(
            f"Seeds of {listed(folded)} are the folds of a cross-validation: error bars and no-information "
            "rate are those of all folds' images."
        )
    chance = metrics["chance"].iloc[0]
    if chance < 0.5 and not np.isclose(metrics["no_information_rate"], chance).all():
        sentences.append("Dotted line: chance, one over the number of classes.")
    if constant["any"].any():
        sentences.append(
            "Constant answer: over 99% of the predictions are one class, so the accuracy is hardly more than "
            "that class's share. That says nothing against the AUROC."
        )
    if (constant["any"] & ~constant["all"]).any():
        sentences.append("A fraction k/n above a bar: k of its n seeds give a constant answer.")
    baselines = metrics[metrics["architecture"].isin(BASELINES)]
    if not baselines.empty:
        sentences.append(
            "Grey mark: a baseline without a network, a logistic regression on what its name says"
            + (", mean over seeds" if several else "")
            + "; hollow: it answers one class whatever the image."
        )
    if any(BASELINES[name].sees == "file" for name in set(baselines["architecture"])):
        sentences.append(
            "File facts are known before a pixel is decoded, but the bytes of a compressed file depend on "
            "the picture."
        )
    if field is not None:
        sentences += [FIELD_SENTENCES[field], *filter(None, [UNCHECKED.get(field)])]
    return " ".join(sentences)


def _range(values: "pd.Series[int]") -> str:
    low, high = int(values.min()), int(values.max())
    return str(low) if low == high else f"{low} to {high}"


def _contrast(colour: Colour) -> str:
    """White or ink, whichever stands out on ``colour``: a bar's hatch is drawn in its edge colour."""
    red, green, blue = colour
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.4 else INK
