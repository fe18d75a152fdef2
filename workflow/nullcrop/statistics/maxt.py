"""One answer for many cells: the largest of their test statistics, under one shared null.

Single-step maxT of Westfall and Young (1993, Resampling-Based Multiple Testing). Labels move between
the units of a test set, in one draw alike for all its cells, so that the cells' dependence is kept.
The statistic of a cell is t = (AUROC - 0.5) / error, and the error is computed anew in each draw
(studentised permutation: Janssen 1997; Chung and Romano 2013; for the AUROC Pauly, Asendorf and
Konietschke 2016, Biometrical J 58:1319). It is the larger of two: the error of the cell itself, and
the standard deviation of its AUROC over all draws. The first keeps the test honest where the classes'
scores differ in spread alone; the second where few units make the first too small by chance, above all
for bounds far from 0.5 (docs/decisions.md has the simulations).

One critical value q gives both p and a simultaneous lower bound, AUROC - q × error, so that the
bound exceeds 0.5 exactly when the corrected test rejects.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from nullcrop.statistics.auroc import ELEMENTS_AT_ONCE, Flags, Floats, Ints, TestSet

DRAWS = 1999
"""Draws of the null; with the data themselves they make 2,000."""

TOLERANCE = 1e-9
"""Statistics this close are equal: draws that give the same order may differ by rounding."""


@dataclass(frozen=True)
class Family:
    """Answers for the cells of a family, in their order; NaN where a cell has none."""

    value: Floats
    """AUROC."""
    error: Floats
    """Standard error in the test statistic."""
    p: Floats
    """p corrected over the family."""
    bound: Floats
    """Simultaneous lower bound of the AUROC at the level asked for."""
    critical: float
    """Critical value of t."""


def maxt(cells: Sequence[tuple[TestSet, Floats]], level: float, draws: int = DRAWS) -> Family:
    """Test which of ``cells`` have an AUROC above 0.5, with an error rate of ``level`` for all of them.

    ``cells`` are pairs of a test set (the same object for cells that share it) and scores, N or
    N×K as in :func:`~nullcrop.statistics.auroc.estimate_auroc`. Draws on different test sets are
    independent of each other, although test sets of different seeds share some images: the
    maximum over independent ones is the larger, so that the correction errs on the safe side.

    Defined for poor input: constant scores have t = 0 and cannot reject; neither can a cell whose
    AUROC or error is NaN (one target alone, or a target in a single unit). p is at least
    1 / (draws + 1), and at least the share of arrangements of the labels that are like the given one.
    """
    observed, value, error = np.full((3, len(cells)), np.nan)
    largest = np.full(draws, -np.inf)
    for test in dict.fromkeys(test for test, _ in cells):
        labels = drawn_labels(test, draws)
        for i, (other, score) in enumerate(cells):
            if other is test:
                statistics, value[i], error[i] = _statistics(test, score, labels)
                observed[i] = statistics[0]
                largest = np.fmax(largest, statistics[1:])
    reached = (largest >= observed[:, None] - TOLERANCE).sum(axis=1)
    p = np.where(np.isnan(observed), np.nan, (1 + reached) / (draws + 1))
    # p ≤ level exactly where t exceeds the k-th largest draw.
    k = int(np.floor(level * (draws + 1) + TOLERANCE))
    critical = float(np.sort(largest)[-k]) + TOLERANCE if k else np.inf
    if critical == -np.inf:
        critical = np.inf  # no draw gave any statistic, so none is surprising
    return Family(value, error, p, value - critical * error, critical)


def _statistics(test: TestSet, score: Floats, labels: NDArray[np.int8]) -> tuple[Floats, float, float]:
    """t of one cell for each row of ``labels``, and the AUROC and error of the first."""
    if score.ndim == 1:
        values, errors = drawn_aurocs(test, score, labels == 1)
    else:
        values, errors = _macro_aurocs(test, score, labels), np.zeros(len(labels))
    known = ~np.isnan(values)
    errors = np.maximum(errors, values[known].std() if known.any() else np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistics = np.where(values == 0.5, 0, (values - 0.5) / errors)
    return np.where(np.isnan(errors), np.nan, statistics), float(values[0]), float(errors[0])


def drawn_labels(test: TestSet, draws: int) -> NDArray[np.int8]:
    """Targets of the images as they are, then ``draws`` times as they might be (1 + draws × N).

    Units exchange their shares of each target. A unit of one target stays whole; in one that receives
    a mixed share each image draws its target by that share. Where every unit has one target
    this is the permutation of units, and exact.
    """
    rng = test.stream("labels")
    counts = np.zeros((test.n_units, int(test.target.max()) + 1))
    np.add.at(counts, (test.unit, test.target), 1)
    upto = np.cumsum(counts / counts.sum(axis=1, keepdims=True), axis=1)[:, :-1]
    labels = np.empty((1 + draws, test.n), np.int8)
    labels[0] = test.target
    for row in labels[1:]:
        givers = rng.permutation(test.n_units)[test.unit]
        # In [0, 1), so that a share of 0 is never drawn and one of 1 always.
        chance = rng.random(test.n) if test.mixed.any() else np.zeros(test.n)
        row[:] = (chance[:, None] >= upto[givers]).sum(axis=1)
    return labels


def drawn_aurocs(test: TestSet, score: Floats, labels: Flags) -> tuple[Floats, Floats]:
    """AUROC and its error for each row of ``labels`` (B×N).

    The error is the jackknife's over units, as in :func:`~nullcrop.statistics.auroc.estimate_auroc`;
    pairs inside a mixed unit are taken to be won as often as all pairs. One sort of the scores serves
    all rows: with images in order, the wins of each follow from running counts of positives at
    the ends of blocks of equal scores.
    """
    ordered = _Ordered(test, score)
    rows = max(1, ELEMENTS_AT_ONCE // test.n)
    drawn = [ordered.aurocs(labels[at : at + rows]) for at in range(0, len(labels), rows)]
    value, error = (np.concatenate(column) for column in zip(*drawn, strict=True))
    return value, error


class _Ordered:
    """Images in the order of one cell's scores.

    Let c be the positives up to the end of a block of equal scores, b those before it, and N twice the
    images below its middle. Of the pairs it is in, a positive of the block wins (N - c - b) / 2, a
    negative m - (c + b) / 2. Sums of wins and of their squares are sums of c, c², cb and cb(c - b)
    with fixed weights: whole numbers below 2⁵³, hence exact in whatever order they are added.
    """

    def __init__(self, test: TestSet, score: Floats) -> None:
        self.test = test
        self.order = np.argsort(score, kind="stable")
        self.last = np.flatnonzero(np.r_[np.diff(score[self.order]) != 0, True])
        self.size = np.diff(self.last, prepend=-1).astype(float)
        self.below = 2 * (self.last + 1.0) - self.size
        after = np.append(self.below[1:], 0)
        sizes = self.size + np.append(self.size[1:], 0)
        self.of_counts = np.stack([self.below - after, self.below**2 - after**2, sizes], axis=1)
        self.of_squares = np.stack([self.below - after, sizes], axis=1)

    def aurocs(self, labels: Flags) -> tuple[Floats, Floats]:
        """Value and error for each row of ``labels``; NaN where a target is missing, or in one unit alone."""
        counts = np.cumsum(np.take(labels, self.order, axis=1), axis=1, dtype=float)
        if len(self.last) < self.test.n:
            counts = counts[:, self.last]
        before = np.zeros_like(counts)
        before[:, 1:] = counts[:, :-1]
        m = counts[:, -1]
        n = self.test.n - m
        below, below_squared, middle = (counts @ self.of_counts).T
        total = (below - m**2) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            value = total / (m * n)
            if self.test.grouped:
                return value, np.sqrt(self._variance_of_units(labels, counts + before, total, m, n))
            both = counts * before
            squares = (counts**2 @ self.of_squares).T
            cubes = m**3 + np.einsum("ij,ij->i", both, counts - before)
            of_positives = (below_squared - 2 * squares[0] + cubes) / 4
            of_negatives = m**2 * self.test.n - m * middle + (squares[1] + 2 * both @ self.size - cubes) / 4
            variance = (of_positives - total**2 / m) / (m * (m - 1) * n**2)
            variance += (of_negatives - total**2 / n) / (n * (n - 1) * m**2)
            # Rounding may leave a little less than nothing.
            return value, np.sqrt(np.maximum(variance, 0))

    def _variance_of_units(
        self, labels: Flags, middle: Floats, total: Floats, m: Floats, n: Floats
    ) -> Floats:
        """Jackknife variance over units."""
        images, first, size, below = self._by_unit
        labels = np.take(labels, images, axis=1)
        wins = np.where(labels, below, 2 * m[:, None]) - np.take(middle, self._block[images], axis=1)
        wins = np.add.reduceat(wins, first, axis=1) / 2
        positives = np.add.reduceat(labels, first, axis=1, dtype=float)
        negatives = size - positives
        pairs = m * n
        within = (total / pairs)[:, None] * positives * negatives
        left = (m[:, None] - positives) * (n[:, None] - negatives)
        influence = (total / pairs)[:, None] - (total[:, None] - wins + within) / left
        influence[left == 0] = np.nan
        if self.test.mostly_mixed:
            return _centred_squares(influence, np.ones_like(influence, dtype=bool))
        strata = (positives == 0, negatives == 0, (positives > 0) & (negatives > 0))
        variance: Floats = np.sum([_centred_squares(influence, inside) for inside in strata], axis=0)
        return variance

    @cached_property
    def _block(self) -> Ints:
        """Block of each image."""
        block = np.empty(self.test.n, np.int64)
        block[self.order] = np.repeat(np.arange(len(self.last)), self.size.astype(np.int64))
        return block

    @cached_property
    def _by_unit(self) -> tuple[Ints, Ints, Ints, Floats]:
        """Images in the order of units; the first image of each unit, and its size; N of each image."""
        images = np.argsort(self.test.unit, kind="stable")
        first = np.flatnonzero(np.diff(self.test.unit[images], prepend=-1))
        return images, first, np.diff(first, append=self.test.n), self.below[self._block[images]]


def _centred_squares(influence: Floats, inside: Flags) -> Floats:
    """Jackknife variance of the units ``inside`` a stratum, by row."""
    count = np.maximum(inside.sum(axis=1), 1)
    centre = np.where(count > 1, np.where(inside, influence, 0).sum(axis=1) / count, 0)
    squares = (np.where(inside, influence - centre[:, None], 0) ** 2).sum(axis=1)
    variance: Floats = np.maximum(count - 1, 1) / count * squares
    return variance


def _macro_aurocs(test: TestSet, score: Floats, labels: NDArray[np.int8]) -> Floats:
    """Macro-averaged one-versus-rest AUROC for each row of ``labels`` (B×N), from rank sums."""
    values = []
    for k in np.unique(test.target):
        ranks = rankdata(score[:, k])
        positive = labels == k
        m = positive.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            values.append((positive @ ranks - m * (m + 1) / 2) / (m * (test.n - m)))
    macro: Floats = np.mean(values, axis=0)
    return macro
