"""Differences between cells, each with its interval: crop and original, network and baseline, random and
grouped."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student
from statsmodels.stats.contingency_tables import mcnemar

from nullcrop.basics.progress import tracked
from nullcrop.config.cell import Cell
from nullcrop.config.names import BASELINE_RECIPE, base_split
from nullcrop.config.readers import BASELINES, sees_pixels
from nullcrop.statistics.auroc import (
    LEVEL,
    Estimate,
    TestSet,
    estimate_auroc,
    jackknife_error,
    smallest_error,
)
from nullcrop.statistics.metrics import Answers
from nullcrop.statistics.tables import FinishedCell

ORIGINAL, BASELINE, LEAK = "original", "baseline", "leak"
"""A cell beside the same one on the whole image; beside a baseline on the same images; a random split beside
a grouped one."""

OVER_SEEDS = ["comparison", "labels", "split", "view", "architecture", "recipe", "other"]


@dataclass(frozen=True)
class Difference:
    """A difference with its two-sided 95 % interval and p."""

    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Comparison:
    """One row of the table: a cell, what it is compared with, and by how much it scores higher."""

    comparison: str
    dataset: str
    labels: str
    split: str
    view: str
    architecture: str
    recipe: str
    seed: int | None
    """None in rows that summarise several seeds."""
    other: str
    """Name of the other cell's view, architecture or split: what differs."""
    seeds: int
    accuracy: float
    accuracy_other: float
    accuracy_difference: float
    accuracy_low: float
    accuracy_high: float
    p_mcnemar: float
    """Exact McNemar test; takes images for independent. NaN where test images differ."""
    auroc: float
    auroc_other: float
    auroc_difference: float
    auroc_low: float
    auroc_high: float
    p_auroc: float
    """Two-sided."""


COMPARISON_COLUMNS = [field.name for field in fields(Comparison)]


def compare_cells(cells: Sequence[FinishedCell]) -> pd.DataFrame:
    """All comparisons among ``cells`` of one dataset, one row each (columns: COMPARISON_COLUMNS).

    - `original`: every cell on a crop beside the same cell on the whole image; the same test images.
    - `baseline`: every network beside each baseline of its view (those that see no pixel: of any view).
    - `leak`: every cell of a random split beside the same cell and seed of the grouped one. Their test images
      differ, so the two errors add, as if no image were in both test sets.

    Errors are by units (:func:`paired_auroc`, :func:`paired_accuracy`, :func:`unpaired_auroc`,
    :func:`unpaired_accuracy`). Where a comparison exists for several seeds, a row without a
    seed follows, from :func:`over_seeds`. Shuffled cells are compared with nothing.
    """
    known = {one.cell: _Scored(one) for one in cells if not base_split(one.cell.split)[1]}
    pairs = list(_pairs(known))
    shares = [one.facts["n_test"] / one.facts["n_train"] for _, one, _, _ in pairs]
    rows = [astuple(_comparison(*pair)) for pair in tracked(pairs, len(pairs), "cells compared")]
    table = pd.DataFrame(rows, columns=COMPARISON_COLUMNS)
    summaries = [
        _summary(group, float(np.mean([shares[i] for i in group.index])))
        for _, group in table.groupby(OVER_SEEDS, sort=False)
        if len(group) > 1
    ]
    return pd.concat([table, pd.DataFrame(summaries, columns=COMPARISON_COLUMNS)], ignore_index=True).astype(
        {"seed": "Int64"}
    )


class _Scored:
    """A cell with its AUROC, which is estimated once for all its comparisons."""

    def __init__(self, one: FinishedCell) -> None:
        self.cell, self.facts, self.answers = one.cell, one.facts, one.answers

    @cached_property
    def auroc(self) -> tuple[Estimate, NDArray[np.float64]]:
        return estimate_auroc(self.answers.test, self.answers.score)


Pair = tuple[str, _Scored, _Scored, str]


def _pairs(known: Mapping[Cell, _Scored]) -> Iterator[Pair]:
    """Kind of comparison, the cell, the other one, and what to call that."""
    for cell, one in known.items():
        for comparison, other, name in _counterparts(cell):
            if other in known:
                yield comparison, one, known[other], name


def _counterparts(cell: Cell) -> Iterator[tuple[str, Cell, str]]:
    if cell.view != "original":
        yield ORIGINAL, replace(cell, view="original"), "original"
    if cell.architecture not in BASELINES:
        for name in BASELINES:
            view = cell.view if sees_pixels(name) else "original"
            yield BASELINE, replace(cell, architecture=name, recipe=BASELINE_RECIPE, view=view), name
    if cell.split.startswith("random"):
        grouped = cell.split.replace("random", "grouped", 1)
        yield LEAK, replace(cell, split=grouped), grouped


def _comparison(comparison: str, one: _Scored, other: _Scored, name: str) -> Comparison:
    first, second = one.answers, other.answers
    paired = first.test is second.test
    accuracy = (paired_accuracy if paired else unpaired_accuracy)(first, second)
    auroc = (
        paired_auroc(first.test, one.auroc, other.auroc)
        if paired
        else unpaired_auroc(one.auroc[0], other.auroc[0])
    )
    return Comparison(
        comparison,
        **asdict(one.cell),
        other=name,
        seeds=1,
        accuracy=float(first.correct.mean()),
        accuracy_other=float(second.correct.mean()),
        accuracy_difference=accuracy.value,
        accuracy_low=accuracy.low,
        accuracy_high=accuracy.high,
        p_mcnemar=p_mcnemar(first, second) if paired else np.nan,
        auroc=one.auroc[0].value,
        auroc_other=other.auroc[0].value,
        auroc_difference=auroc.value,
        auroc_low=auroc.low,
        auroc_high=auroc.high,
        p_auroc=auroc.p,
    )


def p_mcnemar(first: Answers, second: Answers) -> float:
    """Exact two-sided McNemar test of equal accuracy on the same images."""
    table = np.zeros((2, 2), int)
    np.add.at(table, (first.correct.astype(int), second.correct.astype(int)), 1)
    return float(mcnemar(table, exact=True).pvalue)


def paired_auroc(
    test: TestSet, first: tuple[Estimate, NDArray[np.float64]], second: tuple[Estimate, NDArray[np.float64]]
) -> Difference:
    """Difference of two AUROCs on the same images: DeLong's paired test, by units.

    Takes what :func:`~nullcrop.statistics.auroc.estimate_auroc` gives. The influences of each unit are
    subtracted before they are squared, which keeps the covariance; for independent images the
    variance is DeLong's.
    """
    value = first[0].value - second[0].value
    if np.array_equal(first[1], second[1]) and value == 0:
        return Difference(0.0, 0.0, 0.0, 1.0)
    error, df = jackknife_error(first[1] - second[1], test.stratum)
    return _difference(value, float(np.maximum(error, smallest_error(test))), df)


def unpaired_auroc(first: Estimate, second: Estimate) -> Difference:
    """Difference of two AUROCs on different images (Welch: the errors add, Satterthwaite's df)."""
    return _welch(first.value - second.value, first.error, first.df, second.error, second.df)


def paired_accuracy(first: Answers, second: Answers) -> Difference:
    """Difference of two accuracies on the same images, by units.

    Two images are added, one right in each cell alone (Bonett and Price 2012, J Educ Behav Stat 37:479), so
    that cells which never differ are not thought equal without error. The value is the plain difference.
    """
    difference = first.correct.astype(float) - second.correct
    centre, error, df = _mean_by_units(first.test, difference, (1.0, -1.0))
    interval = _difference(centre, error, df)
    return replace(interval, value=float(difference.mean()))


def unpaired_accuracy(first: Answers, second: Answers) -> Difference:
    """Difference of two accuracies on different images, by units.

    To each test set one right and one wrong image is added (Agresti and Caffo 2000, Am Stat 54:280).
    """
    one, other = (_mean_by_units(a.test, a.correct.astype(float), (1.0, 0.0)) for a in (first, second))
    interval = _welch(one[0] - other[0], *one[1:], *other[1:])
    return replace(interval, value=float(first.correct.mean() - second.correct.mean()))


def over_seeds(differences: Sequence[float] | NDArray[np.float64], test_share: float) -> Difference:
    """Mean of one difference a seed, with the corrected resampled t-interval of Nadeau and Bengio (2003).

    (Machine Learning 52:239.) Training sets of different seeds overlap, so the plain t-interval over J
    seeds is too narrow; the variance is taken 1/J + ``test_share`` times the spread's, where
    ``test_share`` is the number of test over training images. It is the spread over seeds, not the error of
    one test set.
    """
    values = np.asarray(differences, float)
    error = float(np.sqrt((1 / len(values) + test_share) * values.var(ddof=1)))
    return _difference(float(values.mean()), error, len(values) - 1.0)


def _summary(group: pd.DataFrame, test_share: float) -> dict[str, Any]:
    """The row over the seeds of one comparison."""
    row: dict[str, Any] = {str(name): value for name, value in group.iloc[0].items()}
    accuracy = over_seeds(group["accuracy_difference"].to_numpy(float), test_share)
    auroc = over_seeds(group["auroc_difference"].to_numpy(float), test_share)
    means = {name: group[name].mean() for name in ("accuracy", "accuracy_other", "auroc", "auroc_other")}
    return {
        **row,
        **means,
        "seed": None,
        "seeds": len(group),
        "accuracy_difference": accuracy.value,
        "accuracy_low": accuracy.low,
        "accuracy_high": accuracy.high,
        "p_mcnemar": np.nan,
        "auroc_difference": auroc.value,
        "auroc_low": auroc.low,
        "auroc_high": auroc.high,
        "p_auroc": auroc.p,
    }


def _mean_by_units(
    test: TestSet, values: NDArray[np.float64], added: tuple[float, float]
) -> tuple[float, float, float]:
    """Mean of ``values`` (N) and of ``added`` images, its error by units, and degrees of freedom."""
    n, units = test.n + len(added), test.n_units + len(added)
    mean = (values.sum() + sum(added)) / n
    squares = (np.bincount(test.unit, values - mean) ** 2).sum() + sum((one - mean) ** 2 for one in added)
    return float(mean), float(np.sqrt(units / (units - 1) * squares) / n), units - 1.0


def _welch(value: float, first: float, df_first: float, second: float, df_second: float) -> Difference:
    total = first**2 + second**2
    df = total**2 / (first**4 / df_first + second**4 / df_second)
    return _difference(value, float(np.sqrt(total)), df)


def _difference(value: float, error: float, df: float) -> Difference:
    half = student.ppf((1 + LEVEL) / 2, df) * error
    p = float(value == 0) if error == 0 else 2 * student.sf(abs(value) / error, df)
    return Difference(value, float(value - half), float(value + half), float(p))
