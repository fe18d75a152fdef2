"""Confusion matrices: what the test images of each class were taken for."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.config.names import base_split, place_of_split
from nullcrop.config.readers import is_network, label_of, place_of_architecture
from nullcrop.config.views import view_label, views_in_order
from nullcrop.figures.job import FigureJob
from nullcrop.figures.style import (
    INK,
    MUTED,
    SMALL_SIZE,
    TEXT_SIZE,
    TITLE_SIZE,
    figure_style,
    save_figure,
    wrapped,
)
from nullcrop.statistics.tables import read_answers

ROW = ("labels", "split", "architecture", "recipe")
"""What a row of matrices is about."""

MOST_WRITTEN = 5
"""Most classes whose counts and names are written into a matrix; of more, the shades alone are shown."""


def draw_confusion(job: FigureJob) -> None:
    """Draw the figure `confusion`."""
    definition = job.definition
    classes = {rule: definition.target_names(rule) for rule in definition.labels}
    plot_confusion(read_answers(job.cells), classes, definition.title, job.stem)


def plot_confusion(
    answers: pd.DataFrame, classes: Mapping[str, Sequence[str]], title: str, stem: Path
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
        names = listed(sorted(answers["dataset"].unique()))
        raise NullcropError(f"this figure shows one dataset, but the table holds {names}")
    views = views_in_order(answers["view"])
    rows = _rows(answers)
    several = len({row[:2] for row in rows}) > 1, len({row[3] for row in rows}) > 1
    width = max(6.8, 1.6 + 1.45 * len(views))
    with figure_style():
        caption = wrapped(_caption(answers, classes), width - 0.2, SMALL_SIZE)
        heading = wrapped(f"{title}: confusion matrices", width - 0.4, TITLE_SIZE * 1.1)
        height = 0.9 + 1.55 * len(rows) + 0.14 * len(caption.splitlines())
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(len(rows), len(views), squeeze=False)
        for of_row, row in zip(axes, rows, strict=True):
            cells = answers[(answers[list(ROW)] == list(row)).all(axis=1)]
            for ax, view in zip(of_row, views, strict=True):
                here = cells[cells["view"] == view]
                if here.empty:
                    ax.set_axis_off()
                else:
                    _draw_matrix(ax, here, classes[row[0]])
            of_row[0].set_axis_on()
            of_row[0].set_ylabel(_name(row, *several) + "\n\ntrue class", fontsize=SMALL_SIZE)
        for ax, view in zip(axes[0], views, strict=True):
            ax.set_title(view_label(view), fontsize=TEXT_SIZE)
        for ax in axes[-1]:
            ax.set_xlabel("answer", fontsize=SMALL_SIZE)
        figure.suptitle(heading, x=0.01, ha="left", fontsize=TITLE_SIZE, weight="bold")
        figure.supxlabel(caption, x=0.01, ha="left", fontsize=SMALL_SIZE, color=MUTED)
        save_figure(figure, stem)
    return figure


def _rows(answers: pd.DataFrame) -> list[tuple[str, str, str, str]]:
    present = answers[list(ROW)].drop_duplicates().itertuples(index=False, name=None)
    return sorted(
        present, key=lambda row: (row[0], place_of_split(row[1]), place_of_architecture(row[2]), row[3])
    )


def _name(row: tuple[str, str, str, str], with_split: bool, with_recipe: bool) -> str:
    """What tells a row from the others."""
    lines = [label_of(row[2]), row[3] if with_recipe else "", f"{row[1]}, {row[0]}" if with_split else ""]
    return "\n".join(line for line in lines if line)


def _draw_matrix(ax: Axes, here: pd.DataFrame, names: Sequence[str]) -> None:
    counts: NDArray[np.int64] = confusion_matrix(here["target"], here["predicted"], labels=range(len(names)))
    of_class = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, of_class, out=np.zeros(counts.shape), where=of_class > 0)
    ax.imshow(shares, cmap="Greys", vmin=0, vmax=1)
    ax.spines[:].set(visible=True, linewidth=0.6)
    if len(names) > MOST_WRITTEN:
        ax.set(xticks=[], yticks=[])
        return
    # Numbers in place of names, which are wider than a matrix; the caption says which they are.
    ax.set_xticks(range(len(names)), [str(code) for code in range(len(names))], fontsize=SMALL_SIZE)
    ax.set_yticks(range(len(names)), [str(code) for code in range(len(names))], fontsize=SMALL_SIZE)
    for (row, column), count in np.ndenumerate(counts):
        ax.text(
            column,
            row,
            f"{count:,}\n{shares[row, column]:.0%}",
            ha="center",
            va="center",
            fontsize=SMALL_SIZE - (1.5 if len(names) > 2 else 0),
            color="white" if shares[row, column] > 0.5 else INK,
        )


def _caption(answers: pd.DataFrame, classes: Mapping[str, Sequence[str]]) -> str:
    seeds = answers["seed"].nunique()
    sentences = [
        "Shade: share of the true class" + (f"; counts are summed over {seeds} seeds." if seeds > 1 else "."),
        *(
            f"Classes under {rule}: " + "; ".join(f"{code} {name}" for code, name in enumerate(names)) + "."
            for rule, names in classes.items()
            if rule in set(answers["labels"])
        ),
    ]
    return " ".join(sentences)
