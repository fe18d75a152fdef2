"""Learning curves: accuracy and loss on training and validation images, epoch by epoch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator, PercentFormatter

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.config.figure_style import PLAIN, FigureStyle
from nullcrop.config.names import base_split, place_of_split
from nullcrop.config.readers import is_network, label_of, place_of_architecture
from nullcrop.config.views import view_label, views_in_order
from nullcrop.figures.job import FigureJob
from nullcrop.figures.series import Colour, Series, series_of
from nullcrop.figures.style import (
    DASHED,
    INK,
    MUTED,
    Sheet,
    broken,
    columns_that_fit,
    figure_style,
    save_figure,
)
from nullcrop.statistics.tables import read_histories, read_validation_rates

PARTS = {"val": "validation images", "train": "training images"}
"""Parts of a split whose accuracy and loss a history holds."""

MEASURES = ("accuracy", "loss")

ROW = ("labels", "split", "architecture")
"""What two rows of panels, accuracy above loss, are about."""


def draw_curves(job: FigureJob) -> None:
    """Draw the figure `curves`."""
    definition = job.definition
    classes = {rule: len(definition.target_names(rule)) for rule in definition.labels}
    rates = read_validation_rates(job.splits)
    plot_curves(read_histories(job.cells), definition.title, job.stem, classes, rates, job.style)


def plot_curves(
    histories: pd.DataFrame,
    title: str,
    stem: Path,
    classes: Mapping[str, int],
    rates: Mapping[tuple[str, str], float],
    style: FigureStyle = PLAIN,
) -> Figure:
    """Draw accuracy and loss by epoch, two rows for each architecture and split, a column for each view.

    ``histories`` has one row an epoch of a cell, as
    :func:`~nullcrop.statistics.tables.read_histories` gives it; ``classes`` the number of targets by label
    rule; ``rates`` the no-information rate of the validation images by label rule and split, where it is
    known. A thick solid line is the mean over seeds on validation images, a thin dashed one on training
    images; further recipes of an architecture are paler. The level across a panel is what needs no
    image: that rate, and the loss ln K of K targets called equally likely. Networks on true targets alone are
    drawn. Writes ``stem``.pdf, .svg and .png. Raises NullcropError when there is nothing to draw, or when
    ``histories`` holds several datasets.
    """
    histories = histories[
        histories["architecture"].map(is_network)
        & (histories["split"].map(lambda split: base_split(split)[1]) == 0)
    ]
    if histories.empty:
        raise NullcropError("no network was given, so there are no learning curves to draw")
    if histories["dataset"].nunique() > 1:
        names = listed(sorted(histories["dataset"].unique()))
        raise NullcropError(f"this figure shows one dataset, but the table holds {names}")
    views, rows, series = views_in_order(histories["view"]), _rows(histories), series_of(histories)
    values = [f"{part}_{measure}" for part in PARTS for measure in MEASURES]
    means = histories.groupby([*ROW, "view", "recipe", "epoch"])[values].mean()
    sheet = Sheet(style, max(6.8, 0.9 + 1.35 * len(views)))
    columns = columns_that_fit(len(views), sheet.width - 0.8, 0.8) if sheet.narrow else len(views)
    chunks = [views[start : start + columns] for start in range(0, len(views), columns)]
    levels = {row: (rates.get(row[:2]), float(np.log(classes[row[0]]))) for row in rows}
    # Not from zero: what is looked for is the rise, and lines carry no area.
    lowest = [means[f"{part}_accuracy"].min() for part in _parts_of(means)]
    lowest += [rate for rate, _ in levels.values() if rate is not None]
    bottom = max(0.0, np.floor(min(lowest) * 10 - 0.2) / 10)
    with figure_style(style):
        caption = sheet.caption(_caption(histories, bottom, levels))
        size = (sheet.width, 1.5 + 2.15 * len(rows) * len(chunks) + sheet.height_of(caption))
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(len(MEASURES) * len(rows) * len(chunks), columns, squeeze=False)
        blocks = iter(grid.reshape(-1, len(MEASURES), columns))
        several = len({row[:2] for row in rows}) > 1
        for row in rows:
            name = label_of(row[2]) + (f"\n{row[1]}, {row[0]}" if several else "")
            own = [one for one in series if one.architecture == row[2]]
            for number, chunk in enumerate(chunks):
                block = next(blocks)
                named = (row == rows[0] and number == 0) or len(chunks) > 1
                _draw_block(block, means, row, chunk, own, levels[row], bottom, sheet)
                for ax, view in zip(block[0], chunk, strict=False):
                    if named:
                        ax.set_title(broken(view_label(view), sheet.width / (columns + 1), sheet.text))
                block[0, 0].set_ylabel(f"{name}\naccuracy")
                block[1, 0].set_ylabel("loss")
        sheet.add_legend(
            figure,
            f"{title}: accuracy and loss by epoch",
            _legend(series, _parts_of(means)),
            most=3,
            columnspacing=1.4,
            handlelength=2.6,
        )
        sheet.add_caption(figure, caption)
        save_figure(figure, stem, style)
    return figure


def _rows(histories: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Label rule, split and architecture of each row that there is, in their order."""
    present = histories[list(ROW)].drop_duplicates().itertuples(index=False, name=None)
    return sorted(present, key=lambda row: (row[0], place_of_split(row[1]), place_of_architecture(row[2])))


def _parts_of(curves: pd.DataFrame) -> list[str]:
    """Those of PARTS of which ``curves`` hold a value: a split may have no validation part."""
    return [part for part in PARTS if curves[f"{part}_accuracy"].notna().any()]


def _draw_block(
    block: np.ndarray,
    means: pd.DataFrame,
    row: tuple[str, str, str],
    views: Sequence[str],
    series: Sequence[Series],
    levels: tuple[float | None, float],
    bottom: float,
    sheet: Sheet,
) -> None:
    """Accuracy above loss of one architecture and split, a column for each of ``views``."""
    of_row: pd.DataFrame = means.xs(row)  # type: ignore[assignment]
    epochs = of_row.index.get_level_values("epoch")
    # From the first epoch to the last one of this architecture; a single one stands in the middle.
    first, last = int(epochs.min()), int(epochs.max())
    ticks = sorted({first, (first + last) // 2, last})
    losses = of_row[[f"{part}_loss" for part in PARTS]].to_numpy()
    highest = max(losses[np.isfinite(losses)].max(initial=0.0), levels[1])
    for of_measure, measure, level in zip(block, MEASURES, levels, strict=True):
        for place, ax in enumerate(of_measure):
            if place >= len(views):
                ax.set_axis_off()
                continue
            ax.grid(axis="y", color="#E4E4E4", linewidth=0.6)
            if level is not None:
                ax.axhline(level, color=INK, linewidth=0.9, linestyle=DASHED, zorder=1)
            _draw_lines(ax, of_row, views[place], measure, series)
            ax.set_xlim(first - 0.04 * (last - first) - (first == last), last * 1.04 + (first == last))
            ax.set_xticks(ticks, [] if measure == "accuracy" else map(str, ticks))
            if measure == "accuracy":
                ax.set_ylim(bottom - 0.02, 1.02)
                ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            else:
                ax.set_ylim(0, 1.08 * highest)
                ax.set_xlabel("epoch", fontsize=sheet.small)
            ax.yaxis.set_major_locator(MaxNLocator(3))
            ax.tick_params(labelsize=sheet.small, labelleft=place == 0)


def _draw_lines(ax: Axes, of_row: pd.DataFrame, view: str, measure: str, series: Sequence[Series]) -> None:
    for one in series:
        if (view, one.recipe) not in of_row.index:
            continue
        curve: pd.DataFrame = of_row.xs((view, one.recipe))  # type: ignore[assignment]
        for part in _parts_of(curve):
            (line,) = ax.plot(curve.index, curve[f"{part}_{measure}"], **_look(part, one.colour))
            if part == "val":
                line.set_path_effects([withStroke(linewidth=2.6, foreground="#606060")])
            if len(curve) == 1:  # a point, which a line alone would not show
                line.set(marker="o" if part == "val" else "_", markersize=4)


def _look(part: str, colour: Colour) -> dict[str, Any]:
    """How a line of that part of a split is drawn."""
    if part == "train":
        red, green, blue = (0.6 * share for share in colour)  # a thin line in a light colour would be lost
        return {"color": (red, green, blue), "linestyle": (0, (2, 1.2)), "linewidth": 0.9, "zorder": 2}
    return {"color": colour, "linestyle": "-", "linewidth": 1.7, "zorder": 3}


def _legend(series: Sequence[Series], parts: Sequence[str]) -> list[Artist]:
    handles: list[Artist] = [
        Line2D([], [], label=PARTS[part], **_look(part, to_rgb(MUTED))) for part in parts
    ]
    handles.append(Line2D([], [], color=INK, linewidth=0.9, linestyle=DASHED, label="without the image"))
    architectures = [one.architecture for one in series]
    handles += [
        Patch(facecolor=one.colour, edgecolor=INK, linewidth=0.6, label=one.label)
        for one in series
        if architectures.count(one.architecture) > 1
    ]
    return handles


def _caption(
    histories: pd.DataFrame, bottom: float, levels: Mapping[tuple[str, str, str], tuple[float | None, float]]
) -> str:
    seeds = histories["seed"].nunique()
    rates = {rate for rate, _ in levels.values()}
    blind = "the loss ln K of calling all K classes equally likely"
    if rates != {None}:
        blind = f"the share of the largest class among the validation images (accuracy), and {blind}"
    split, labels = (listed(sorted(histories[name].unique())) for name in ("split", "labels"))
    return (
        f"Split: {split}; label rule: {labels}. Line: "
        + (f"mean over {seeds} seeds. " if seeds > 1 else "one run. ")
        + f"Long dashes: what needs no image, {blind}. Accuracy and loss on training images are counted "
        "while the weights change."
        + (" The vertical axis of the accuracy does not start at zero." if bottom > 0 else "")
    )
