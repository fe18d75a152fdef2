"""One answer for many cells: the largest of their test statistics, under one shared null.

Single-step maxT of Westfall and Young (1993, Resampling-Based Multiple Testing). Labels move between
the units of a test set, in one draw alike for all its cells, so that the cells' dependence is kept.
The statistic of a cell is t = (AUROC - 0.5) / error, and the error is computed anew in each draw
(studentised permutation: Janssen 1997; Chung and Romano 2013; for the AUROC Pauly, Asendorf and
Konietschke 2016, Biometrical J 58:1319). It is the larger of two: the error of the cell itself, and
the standard deviation of its AUROC over all draws. The first keeps the test honest where the classes'
scores differ in spread alone; the second where few units make the first too small by chance, above all
for bounds far from 0.5 (docs/decisions/statistics.md has the simulations).

One critical value q gives both p and a simultaneous lower bound, AUROC - q × error, so that the
bound exceeds 0.5 exactly when the corrected test rejects.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import rankdata

from nullcrop.statistics.auroc import Flags, Floats, Ints, TestSet

DRAWS = 1999
"""Draws of the null; with the data themselves they make 2,000."""

ELEMENTS_AT_ONCE = 60_000_000
"""Entries of the largest array of labels (480 MB); the fewer pieces, the less time goes into Python."""

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
        places = [i for i, (other, _) in enumerate(cells) if other is test]
        values, errors = _draw(test, [cells[i][1] for i in places], draws)
        with np.errstate(divide="ignore", invalid="ignore"):
            statistics = np.where(values == 0.5, 0, (values - 0.5) / errors)
        statistics[np.isnan(errors)] = np.nan
        value[places], error[places], observed[places] = values[:, 0], errors[:, 0], statistics[:, 0]
        largest = np.fmax(largest, np.fmax.reduce(statistics[:, 1:], axis=0))
    reached = (largest >= observed[:, None] - TOLERANCE).sum(axis=1)
    p = np.where(np.isnan(observed), np.nan, (1 + reached) / (draws + 1))
    # p ≤ level exactly where t exceeds the k-th largest draw.
    k = int(np.floor(level * (draws + 1) + TOLERANCE))
    critical = float(np.sort(largest)[-k]) + TOLERANCE if k else np.inf
    if critical == -np.inf:
        critical = np.inf  # no draw gave any statistic, so none is surprising
    return Family(value, error, p, value - critical * error, critical)


def _draw(test: TestSet, scores: Sequence[Floats], draws: int) -> tuple[Floats, Floats]:
    """AUROC and error of each cell for the labels as they are and in each draw (C × 1 + draws)."""
    labels = drawn_labels(test, draws)
    values, errors = np.zeros((2, len(scores), 1 + draws))
    width = max(1, ELEMENTS_AT_ONCE // test.n)
    for at in range(0, 1 + draws, width):
        here = slice(at, at + width)
        drawn = Draws(test, np.ascontiguousarray(labels[here].T, dtype=float))
        for i, score in enumerate(scores):
            if score.ndim == 1:
                values[i, here], errors[i, here] = drawn_aurocs(drawn, score)
            else:
                values[i, here] = _macro_aurocs(drawn, score)
    for i, of_cell in enumerate(values):
        known = of_cell[~np.isnan(of_cell)]
        errors[i] = np.maximum(errors[i], known.std() if len(known) else np.nan)
    return values, errors


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
        # In [0, 1): so that a share of 0 is never drawn and one of 1 always.
        chance = rng.random(test.n) if test.mixed.any() else np.zeros(test.n)
        row[:] = (chance[:, None] >= upto[givers]).sum(axis=1)
    return labels


@dataclass(frozen=True, eq=False)
class Draws:
    """Labels of a test set in many draws, and what all cells need to know of them."""

    test: TestSet
    labels: Floats
    """Target of each image in each draw (N×B)."""

    @cached_property
    def positives(self) -> Floats:
        """Images of target 1 in each draw (B)."""
        total: Floats = self.labels.sum(axis=0)
        return total

    @cached_property
    def of_units(self) -> Floats:
        """Images of target 1 in each unit (G×B)."""
        total: Floats = self.sum_in_units(np.ones(self.test.n))
        return total

    def sum_in_units(self, weights: Floats) -> Floats:
        """Sum of ``weights`` (N) over the images of target 1 in each unit (G×B)."""
        shape = (self.test.n_units, self.test.n)
        members = csr_array((weights, (self.test.unit, np.arange(self.test.n))), shape=shape)
        total: Floats = members @ self.labels
        return total


def drawn_aurocs(drawn: Draws, score: Floats) -> tuple[Floats, Floats]:
    """AUROC and its error in each draw (B) for one cell's ``score`` (N); two targets.

    The error is the jackknife's over units, as in :func:`~nullcrop.statistics.auroc.estimate_auroc`;
    pairs inside a mixed unit are taken to be won as often as all pairs. NaN where a target is
    missing, or in one unit alone. Images are gone through once in the order of their scores, all draws
    at a time; what is summed are whole numbers below 2⁵³, hence exact.
    """
    order = np.argsort(score, kind="stable")
    ends = np.flatnonzero(np.r_[np.diff(score[order]) != 0, True]) + 1
    with np.errstate(divide="ignore", invalid="ignore"):
        total, variance = (_by_units if drawn.test.grouped else _by_images)(drawn, order, ends)
        m = drawn.positives
        # Rounding may leave a little less than nothing.
        return total / (m * (drawn.test.n - m)), np.sqrt(np.maximum(variance, 0))


def _by_images(drawn: Draws, order: Ints, ends: Ints) -> tuple[Floats, Floats]:
    """Pairs won in each draw, and DeLong's variance of the AUROC."""
    m, n = drawn.positives, drawn.test.n - drawn.positives
    total, of_positives, of_negatives, wins, product = np.zeros((5, len(m)))
    for images, below, middle in _blocks(drawn.labels, order, ends):
        positives = drawn.labels[images[0]] if len(images) == 1 else drawn.labels[images].sum(axis=0)
        np.subtract(below, middle, out=wins)  # twice the negatives below each positive
        np.multiply(positives, wins, out=product)
        np.add(total, product, out=total)
        np.multiply(product, wins, out=product)
        np.add(of_positives, product, out=of_positives)
        np.subtract(2 * m, middle, out=wins)  # twice the positives above each negative
        np.multiply(wins, wins, out=wins)
        np.subtract(len(images), positives, out=product)
        np.multiply(product, wins, out=product)
        np.add(of_negatives, product, out=of_negatives)
    total, of_positives, of_negatives = total / 2, of_positives / 4, of_negatives / 4
    variance = (of_positives - total**2 / m) / (m * (m - 1) * n**2)
    variance += (of_negatives - total**2 / n) / (n * (n - 1) * m**2)
    return total, variance


def _by_units(drawn: Draws, order: Ints, ends: Ints) -> tuple[Floats, Floats]:
    """Pairs won in each draw, and the jackknife variance of the AUROC over units."""
    test, m, n = drawn.test, drawn.positives, drawn.test.n - drawn.positives
    positives = drawn.of_units
    middles, below_of = np.zeros_like(positives), np.empty(test.n)
    for images, below, middle in _blocks(drawn.labels, order, ends):
        for image in images:
            below_of[image] = below
            row = middles[test.unit[image]]
            np.add(row, middle, out=row)
    negatives = np.bincount(test.unit)[:, None] - positives
    # A positive wins (below - middle) / 2 of its pairs, a negative m - middle / 2.
    wins = (drawn.sum_in_units(below_of) - middles) / 2 + negatives * m
    total = wins.sum(axis=0) / 2
    within = total / (m * n) * positives * negatives
    left = (m - positives) * (n - negatives)
    influence = total / (m * n) - (total - wins + within) / left
    influence[left == 0] = np.nan
    if test.mostly_mixed:
        return total, _centred_squares(influence, np.ones_like(influence, dtype=bool))
    strata = (positives == 0, negatives == 0, (positives > 0) & (negatives > 0))
    return total, np.sum([_centred_squares(influence, inside) for inside in strata], axis=0)


def _blocks(labels: Floats, order: Ints, ends: Ints) -> Iterator[tuple[list[int], int, Floats]]:
    """Blocks of equal scores, from below: the images, and twice the images and twice the positives (B) below
    its middle. The next block overwrites the last of them."""
    upto, middle = np.zeros((2, labels.shape[1]))
    images, start = order.tolist(), 0
    for end in ends.tolist():
        np.copyto(middle, upto)
        for image in images[start:end]:
            np.add(upto, labels[image], out=upto)
        np.add(middle, upto, out=middle)
        yield images[start:end], start + end, middle
        start = end


def _centred_squares(influence: Floats, inside: Flags) -> Floats:
    """Jackknife variance of the units ``inside`` a stratum (G×B) in each draw (B)."""
    count = np.maximum(inside.sum(axis=0), 1)
    centre = np.where(count > 1, np.where(inside, influence, 0).sum(axis=0) / count, 0)
    squares = (np.where(inside, influence - centre, 0) ** 2).sum(axis=0)
    variance: Floats = np.maximum(count - 1, 1) / count * squares
    return variance


def _macro_aurocs(drawn: Draws, score: Floats) -> Floats:
    """Macro-averaged one-versus-rest AUROC in each draw (B) for a cell's ``score`` (N×K), from rank sums."""
    values = []
    for k in np.unique(drawn.test.target):
        positive = drawn.labels == k
        m = positive.sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            values.append((rankdata(score[:, k]) @ positive - m * (m + 1) / 2) / (m * (drawn.test.n - m)))
    macro: Floats = np.mean(values, axis=0)
    return macro
