"""Confusion matrices: what the test images of each class were taken for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.config.figure_style import PLAIN, FigureStyle
from nullcrop.config.names import base_split, place_of_split
from nullcrop.config.readers import is_network, place_of_architecture
from nullcrop.config.views import view_label, views_in_order
from nullcrop.figures.job import FigureJob
from nullcrop.figures.series import series_of
from nullcrop.figures.style import (
    INK,
    Sheet,
    broken,
    columns_that_fit,
    figure_style,
    save_figure,
    wrapped,
)
from nullcrop.statistics.tables import read_answers

ROW = ("labels", "split", "architecture", "recipe")
"""What a row of matrices is about."""

MOST_WRITTEN, MOST_NAMED = 5, 12
"""Most classes whose counts are written into a matrix, and whose names stand beside it."""

SIDE, LONGEST_NAME = 1.2, 0.95
"""Side of a matrix and room for the longest line of a class's name, in inches."""

SMALLEST = 4.0
"""Smallest type of a count in points."""


def draw_confusion(job: FigureJob) -> None:
    """Draw the figure `confusion`."""
    definition = job.definition
    classes = {rule: definition.target_names(rule) for rule in definition.labels}
    plot_confusion(read_answers(job.cells), classes, definition.title, job.stem, job.style)


def plot_confusion(
    answers: pd.DataFrame,
    classes: Mapping[str, Sequence[str]],
    title: str,
    stem: Path,
    style: FigureStyle = PLAIN,
) -> Figure:
    """Draw a confusion matrix of each network and view, a row for each network, recipe and split.

    ``answers`` has one row a test image of a cell: the cell's coordinates, target and predicted
    (:func:`~nullcrop.statistics.tables.read_answers`); ``classes`` the names of the targets by label
    rule. Counts are summed over seeds; the shade is the share of the true class. Networks on true targets
    alone are drawn. Writes ``stem``.pdf, .svg and .png. Raises NullcropError when there is nothing to draw,
    or when ``answers`` holds several datasets.
    """
    answers = answers[
        answers["architecture"].map(is_network)
        & (answers["split"].map(lambda split: base_split(split)[1]) == 0)
    ]
    if answers.empty:
        raise NullcropError("no network was given, so there is no confusion matrix to draw")
    if answers["dataset"].nunique() > 1:
        several = listed(sorted(answers["dataset"].unique()))
        raise NullcropError(f"this figure shows one dataset, but the table holds {several}")
    views, rows = views_in_order(answers["view"]), _rows(answers)
    labels = _row_labels(answers, rows)
    sheet = Sheet(style, max(6.8, 2.2 + (SIDE + 0.25) * len(views)))
    room = sheet.width - 0.55 - LONGEST_NAME * sheet.scale
    columns = columns_that_fit(len(views), room, SIDE - 0.3) if sheet.narrow else len(views)
    side = min(SIDE, room / columns - 0.1)
    chunks = [views[start : start + columns] for start in range(0, len(views), columns)]
    last_of_rule = {row[0]: row for row in rows}
    with figure_style(style):
        caption = sheet.caption(_caption(answers, classes, sheet))
        heading = wrapped(f"{title}: confusion matrices", sheet.width - 0.4, sheet.title * 1.1)
        gap = 0.15 + (0.2 * sheet.scale if len(chunks) > 1 else 0)
        height = 0.2 + (0.25 * sheet.scale if style.title else 0) + 0.25 * sheet.scale
        height += len(rows) * len(chunks) * (side + gap) + sheet.height_of(caption)
        height += sum(_height_below(classes[rule], side, sheet) for rule in last_of_rule)
        figure = Figure(figsize=(sheet.width, height), layout="constrained")
        lines = iter(figure.subplots(len(rows) * len(chunks), columns, squeeze=False))
        for row in rows:
            names = classes[row[0]]
            cells = answers[(answers[list(ROW)] == list(row)).all(axis=1)]
            for number, chunk in enumerate(chunks):
                axes = next(lines)
                for column, ax in enumerate(axes):
                    if column >= len(chunk):
                        ax.set_axis_off()
                        continue
                    _draw_matrix(ax, cells[cells["view"] == chunk[column]], names, side, sheet)
                    if len(chunks) > 1 or row == rows[0]:
                        ax.set_title(view_label(chunk[column]), fontsize=sheet.text)
                    # The answers' names stand below the last matrix of a column that they are those of.
                    below = chunks[number + 1] if number + 1 < len(chunks) else []
                    if row == last_of_rule[row[0]] and column >= len(below):
                        _name_answers(ax, names, side, sheet)
                _name_classes(axes[0], names, side, sheet)
                axes[0].set_ylabel(f"{labels[row]}\n\ntrue class", fontsize=sheet.small)
        if style.title:
            figure.suptitle(heading, x=0.01, ha="left", fontsize=sheet.title, weight="bold")
        sheet.add_caption(figure, caption)
        save_figure(figure, stem, style)
    return figure


def _rows(answers: pd.DataFrame) -> list[tuple[str, str, str, str]]:
    present = answers[list(ROW)].drop_duplicates().itertuples(index=False, name=None)
    return sorted(
        present, key=lambda row: (row[0], place_of_split(row[1]), place_of_architecture(row[2]), row[3])
    )


def _row_labels(
    answers: pd.DataFrame, rows: Sequence[tuple[str, str, str, str]]
) -> dict[tuple[str, str, str, str], str]:
    """What tells each row from the others."""
    named = {(one.architecture, one.recipe): one.label for one in series_of(answers)}
    several = len({row[:2] for row in rows}) > 1
    return {row: named[row[2:]] + (f"\n{row[1]}, {row[0]}" if several else "") for row in rows}


def _draw_matrix(ax: Axes, here: pd.DataFrame, names: Sequence[str], side: float, sheet: Sheet) -> None:
    """The shares of each true class among the answers ``here``, which are of one cell and its seeds."""
    from sklearn.metrics import confusion_matrix

    k = len(names)
    counts: NDArray[np.int64] = np.zeros((k, k), np.int64)
    if not here.empty:
        counts = confusion_matrix(here["target"], here["predicted"], labels=range(k))
    of_class = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, of_class, out=np.zeros(counts.shape), where=of_class > 0)
    ax.imshow(shares, cmap="Greys", vmin=0, vmax=1)
    # The layout knows the room below a square that stands on the floor of its box, not below one that floats.
    ax.set_anchor("S")
    ax.spines[:].set(visible=True, linewidth=0.6)
    ax.set(xticks=[], yticks=[])
    if here.empty:
        ax.text(0.5, 0.5, "no result", transform=ax.transAxes, ha="center", va="center", fontsize=sheet.small)
        return
    # Borders of cells, thinner where there are many.
    edges, width = np.arange(k - 1) + 0.5, min(0.6, 4 / k)
    halo = [withStroke(linewidth=3 * width, foreground="white")]
    border: dict[str, Any] = {"color": INK, "linewidth": width, "path_effects": halo}
    ax.hlines(edges, -0.5, k - 0.5, **border)
    ax.vlines(edges, -0.5, k - 0.5, **border)
    if k > MOST_WRITTEN:
        return
    # As large as fits into a cell, and left out where nobody could read it.
    longest = max(4, len(f"{counts.max():,}"))
    size = min(sheet.small, 72 * side / k * min(0.36, 1.5 / longest))
    if size < SMALLEST:
        return
    for (row, column), count in np.ndenumerate(counts):
        # A class without a test image has no shares.
        share = f"{shares[row, column]:.0%}" if of_class[row, 0] else "–"
        ax.text(
            column,
            row,
            f"{count:,}\n{share}",
            ha="center",
            va="center",
            fontsize=size,
            color="white" if shares[row, column] > 0.5 else INK,
        )


def _shown_names(names: Sequence[str], inches: float, sheet: Sheet) -> list[str]:
    """``names`` in lines of so many ``inches``: of many classes one line each."""
    lines = 2 if len(names) <= 3 else 1
    return [broken(name, inches, sheet.small, lines) for name in names]


def _name_classes(ax: Axes, names: Sequence[str], side: float, sheet: Sheet) -> None:
    """Write the names of the true classes to the left of a matrix."""
    if len(names) > MOST_NAMED:
        return
    shown = _shown_names(names, LONGEST_NAME * sheet.scale, sheet)
    ax.set_yticks(range(len(names)), shown, fontsize=_name_size(names, side, sheet))
    ax.tick_params(length=0)


def _name_answers(ax: Axes, names: Sequence[str], side: float, sheet: Sheet) -> None:
    """Write the names of the answers below a matrix."""
    ax.set_xlabel("answer", fontsize=sheet.small)
    if len(names) <= MOST_NAMED:
        shown, rotation = _names_of_answers(names, side, sheet)
        ax.set_xticks(range(len(names)), shown, rotation=rotation, fontsize=_name_size(names, side, sheet))
        ax.tick_params(length=0)


def _names_of_answers(names: Sequence[str], side: float, sheet: Sheet) -> tuple[list[str], int]:
    """Names below a matrix, and by how many degrees they are turned: upright where they fit."""
    flat = _shown_names(names, 0.9 * side / len(names), sheet)
    longest = max(len(line) for name in flat for line in name.split("\n"))
    if longest * 0.6 * sheet.small < 72 * side / len(names) and not any("…" in name for name in flat):
        return flat, 0
    return _shown_names(names, LONGEST_NAME * sheet.scale, sheet), 90


def _height_below(names: Sequence[str], side: float, sheet: Sheet) -> float:
    """Inches that names of answers take."""
    if len(names) > MOST_NAMED:
        return 0.2 * sheet.scale
    shown, rotation = _names_of_answers(names, side, sheet)
    lines = [line for name in shown for line in name.split("\n")]
    if rotation:
        return 0.25 * sheet.scale + max(map(len, lines)) * 0.62 * _name_size(names, side, sheet) / 72
    return 0.2 * sheet.scale + max(map(sheet.height_of, shown))


def _name_size(names: Sequence[str], side: float, sheet: Sheet) -> float:
    """Size of type at which a line of names is no higher than a cell."""
    return min(sheet.small, 72 * side / len(names) * 0.9)


def _caption(answers: pd.DataFrame, classes: Mapping[str, Sequence[str]], sheet: Sheet) -> str:
    """What a shade means, and the names that are shortened or not there."""
    seeds = answers["seed"].nunique()
    said = [
        "Shade: share of the true class" + (f"; counts are summed over {seeds} seeds." if seeds > 1 else ".")
    ]
    for rule in sorted(set(answers["labels"])):
        names = classes[rule]
        if len(names) > MOST_NAMED:
            said.append(
                f"The {len(names)} classes under {rule} go from {names[0]} (top and left) to {names[-1]}, in "
                "the order of the dataset's file."
            )
        elif any("…" in name for name in _shown_names(names, LONGEST_NAME * sheet.scale, sheet)):
            said.append(f"Classes under {rule}, in their order: {'; '.join(names)}.")
    return " ".join(said)
