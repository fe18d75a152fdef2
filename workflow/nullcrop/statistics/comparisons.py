"""Differences between readers, each with its interval: crop and original, network and baseline, random and
grouped."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields, replace
from functools import cached_property

import numpy as np
import pandas as pd
import scipy

from nullcrop.basics.progress import tracked
from nullcrop.config.cell import ReaderOnView
from nullcrop.config.names import BASELINE_RECIPE, Field, base_split, protocol_of
from nullcrop.config.readers import AVERAGE, BASELINES, sees_pixels
from nullcrop.config.views import TOGETHER
from nullcrop.statistics.auroc import (
    LEVEL,
    Estimate,
    Floats,
    TestSet,
    estimate_auroc,
    jackknife_error,
    smallest_error,
)
from nullcrop.statistics.crossfit import Reading, readings, together
from nullcrop.statistics.families import role_of
from nullcrop.statistics.metrics import mean_by_units
from nullcrop.statistics.tables import FinishedCell

ORIGINAL, BASELINE, LEAK = "original", "baseline", "leak"
"""A reader beside the same one on the whole image; beside a baseline on the same images; on a split blind to
groups beside one by groups."""

GROUPED_OF = {"random": "grouped", "tenfold": "crossfit"}
"""Protocols blind to groups, and the like one that keeps groups apart."""


@dataclass(frozen=True)
class Difference:
    """A difference with its two-sided 95 % interval and p."""

    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Comparison:
    """One row of the table: a reader, what it is compared with, and by how much it scores higher."""

    comparison: str
    dataset: str
    labels: str
    split: str
    view: str
    architecture: str
    recipe: str
    other: str
    """Name of the other reader's view, architecture or split: what differs."""
    seeds: int
    """Cells behind each of the two: the fewer of both."""
    images: int
    """Images that both were tested on."""
    accuracy: float
    accuracy_other: float
    accuracy_difference: float
    accuracy_low: float
    accuracy_high: float
    p_mcnemar: float
    """Exact McNemar test; takes images for independent. NaN where test images differ, or were tested several
    times."""
    auroc: float
    auroc_other: float
    auroc_difference: float
    auroc_low: float
    auroc_high: float
    p_auroc: float
    """Two-sided."""


COMPARISON_COLUMNS = [field.name for field in fields(Comparison)]


def compare_cells(cells: Sequence[FinishedCell], field: Field) -> pd.DataFrame:
    """All comparisons among the readers of ``cells`` of one dataset, one row each (columns:
    COMPARISON_COLUMNS).

    - `original`: every reader on a crop beside the same one on the whole image; the same test images.
    - `baseline`: every network beside each baseline of its view (those that see no pixel: of any view).
    - `leak`: every reader on a split blind to groups beside the same one on the split by groups (GROUPED_OF).
      Test images may differ. So is the mean of all readers over the views that judge (view `together`, by
      ``field``).

    Seeds and folds of a reader are put together (statistics/crossfit.py) and never compared one by one.
    Errors are by units (:func:`auroc_difference`, :func:`accuracy_difference`) and hold the factor c of
    both. Shuffled cells are compared with nothing.
    """
    true = [one for one in cells if not base_split(one.cell.split)[1]]
    every = readings(true)
    known = {one.reader: _Scored(one) for one in [*every, *_together(every, field)]}
    pairs = list(_pairs(known))
    rows = [astuple(_comparison(*pair)) for pair in tracked(pairs, len(pairs), "readers compared")]
    return pd.DataFrame(rows, columns=COMPARISON_COLUMNS)


def _together(every: Sequence[Reading], field: Field) -> list[Reading]:
    """Of each label rule and split the mean of all readings on which a verdict rests."""
    judging: dict[tuple[str, str], list[Reading]] = defaultdict(list)
    for one in every:
        if role_of(one.reader, field) == "crop":
            judging[one.reader.labels, one.reader.split].append(one)
    return [together(own) for own in judging.values()]


class _Scored:
    """A reading with its AUROC, which is estimated once for all its comparisons."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading

    @cached_property
    def auroc(self) -> tuple[Estimate, Floats]:
        return estimate_auroc(self.reading.test, self.reading.score)


Pair = tuple[str, _Scored, _Scored, str]


def _pairs(known: Mapping[ReaderOnView, _Scored]) -> Iterator[Pair]:
    """Kind of comparison, the reader, the other one, and what to call that."""
    for reader, one in known.items():
        for comparison, other, name in _counterparts(reader):
            if other in known:
                yield comparison, one, known[other], name


def _counterparts(reader: ReaderOnView) -> Iterator[tuple[str, ReaderOnView, str]]:
    if reader.view not in ("original", TOGETHER):
        yield ORIGINAL, replace(reader, view="original"), "original"
    if reader.architecture not in (*BASELINES, AVERAGE):
        for name in BASELINES:
            view = reader.view if sees_pixels(name) else "original"
            yield BASELINE, replace(reader, architecture=name, recipe=BASELINE_RECIPE, view=view), name
    protocol = protocol_of(reader.split)
    if protocol in GROUPED_OF:
        grouped = reader.split.replace(protocol, GROUPED_OF[protocol], 1)
        yield LEAK, replace(reader, split=grouped), grouped


def _comparison(comparison: str, one: _Scored, other: _Scored, name: str) -> Comparison:
    first, second = one.reading, other.reading
    factor = max(first.inflation, second.inflation)
    accuracy = accuracy_difference(first, second, factor)
    auroc = auroc_difference((first.test, *one.auroc), (second.test, *other.auroc), factor)
    return Comparison(
        comparison,
        **asdict(first.reader),
        other=name,
        seeds=min(len(first.seeds), len(second.seeds)),
        images=first.test.n
        if first.test is second.test
        else len(_shared(first.test.image, second.test.image)[0]),
        accuracy=float(first.correct.mean()),
        accuracy_other=float(second.correct.mean()),
        accuracy_difference=accuracy.value,
        accuracy_low=_within(accuracy.low),
        accuracy_high=_within(accuracy.high),
        p_mcnemar=p_mcnemar(first, second),
        auroc=one.auroc[0].value,
        auroc_other=other.auroc[0].value,
        auroc_difference=auroc.value,
        auroc_low=_within(auroc.low),
        auroc_high=_within(auroc.high),
        p_auroc=auroc.p,
    )


def _within(bound: float) -> float:
    """A bound of a difference between two shares, which is no larger than 1."""
    return float(np.clip(bound, -1, 1))


def p_mcnemar(first: Reading, second: Reading) -> float:
    """Exact two-sided McNemar test of equal accuracy on the same images, each tested once by either; else
    NaN."""
    from statsmodels.stats.contingency_tables import mcnemar

    if first.test is not second.test or not np.isin([*first.correct, *second.correct], (0, 1)).all():
        return np.nan
    table = np.zeros((2, 2), int)
    np.add.at(table, (first.correct.astype(int), second.correct.astype(int)), 1)
    return float(mcnemar(table, exact=True).pvalue)


Scored = tuple[TestSet, Estimate, Floats]
"""A test set, and what :func:`~nullcrop.statistics.auroc.estimate_auroc` gives of a score on it."""


def auroc_difference(first: Scored, second: Scored, factor: float = 1.0) -> Difference:
    """Difference of two AUROCs with an error by units, ``factor`` (c) times what fixed scores give.

    On the same images DeLong's paired test: the influences of each unit are subtracted before they are
    squared, which keeps the covariance; for independent images the variance is DeLong's. On images of
    which some are the same the covariance is that of the units which both hold, and the degrees of
    freedom are Welch's.
    """
    value = first[1].value - second[1].value
    if first[0] is second[0]:
        if np.array_equal(first[2], second[2]) and value == 0:
            return Difference(0.0, 0.0, 0.0, 1.0)
        error, df = jackknife_error(first[2] - second[2], first[0].stratum)
        return _difference(value, factor * float(np.maximum(error, smallest_error(first[0]))), df)
    return _welch(
        value,
        (factor * first[1].error, first[1].df),
        (factor * second[1].error, second[1].df),
        factor**2 * _covariance(_deviations(*first[::2]), _deviations(*second[::2])),
        factor * max(smallest_error(first[0]), smallest_error(second[0])),
    )


def accuracy_difference(first: Reading, second: Reading, factor: float = 1.0) -> Difference:
    """Difference of two accuracies by units, ``factor`` (c) as in :func:`auroc_difference`.

    On the same images two are added, one right for each reader alone (Bonett and Price 2012, J Educ Behav
    Stat 37:479), so that readers which never differ are not thought equal without error; else to each
    test set one right and one wrong image (Agresti and Caffo 2000, Am Stat 54:280). The value is the
    plain difference.
    """
    value = float(first.correct.mean() - second.correct.mean())
    if first.test is second.test:
        centre, error, df = mean_by_units(first.test, first.correct - second.correct, (1.0, -1.0))
        return replace(_difference(centre, factor * error, df), value=value)
    one, other = (mean_by_units(a.test, a.correct, (1.0, 0.0)) for a in (first, second))
    shared = _covariance(*(_mean_deviations(a) for a in (first, second)))
    found = _welch(
        one[0] - other[0], (factor * one[1], one[2]), (factor * other[1], other[2]), factor**2 * shared
    )
    return replace(found, value=value)


Deviations = tuple[np.ndarray, Floats]
"""Names of units (G), and how far each moves a statistic from its mean (G): their squares add up to the
variance."""


def _deviations(test: TestSet, influence: Floats) -> Deviations:
    centred = influence.copy()
    for one in np.unique(test.stratum):
        inside = test.stratum == one
        count = int(inside.sum())
        if count > 1:
            centred[inside] = (influence[inside] - influence[inside].mean()) * np.sqrt((count - 1) / count)
    return test.unit_names, centred


def _mean_deviations(reading: Reading) -> Deviations:
    test = reading.test
    sums = np.bincount(test.unit, reading.correct - reading.correct.mean(), test.n_units)
    return test.unit_names, sums / test.n


def _covariance(first: Deviations, second: Deviations) -> float:
    """Covariance of two statistics through the units that both hold."""
    at_first, at_second = _shared(first[0], second[0])
    return float(np.nansum(first[1][at_first] * second[1][at_second]))


def _shared(first: np.ndarray | None, second: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Places, in either array, of the names that both hold; none where names are not known."""
    if first is None or second is None:
        return np.zeros(0, int), np.zeros(0, int)
    _, at_first, at_second = np.intersect1d(first, second, assume_unique=True, return_indices=True)
    return at_first, at_second


def _welch(
    value: float,
    first: tuple[float, float],
    second: tuple[float, float],
    covariance: float,
    smallest: float = 0.0,
) -> Difference:
    """Difference of two statistics, (error, degrees of freedom) each; Satterthwaite's degrees of freedom."""
    squares = first[0] ** 2, second[0] ** 2
    df = sum(squares) ** 2 / (squares[0] ** 2 / first[1] + squares[1] ** 2 / second[1])
    total = max(sum(squares) - 2 * covariance, smallest**2)
    return _difference(value, float(np.sqrt(total)), df)


def _difference(value: float, error: float, df: float) -> Difference:
    half = scipy.stats.t.ppf((1 + LEVEL) / 2, df) * error
    p = float(value == 0) if error == 0 else 2 * scipy.stats.t.sf(abs(value) / error, df)
    return Difference(value, float(value - half), float(value + half), float(p))
