"""One answer for many cells: the largest of their test statistics, under one shared null.

Westfall and Young (1993, Resampling-Based Multiple Testing), single-step maxT. The statistic of a
cell is t = (AUROC - 0.5) / error. Its null distribution comes from draws that all cells of a test
set share, so that their dependence is kept:

- **permutation** where a unit (an image, or a group of one target) has one label: labels move
  between units, and value and error are computed anew (studentised: Janssen 1997; Chung and
  Romano 2013; for the AUROC Pauly, Asendorf and Konietschke 2016, Biometrical J 58:1319);
- **signs** where most images lie in groups of several targets, whose labels cannot be exchanged
  as a whole: each group's influence keeps its size and draws its sign (wild cluster bootstrap,
  Rademacher's weights, studentised; MacKinnon, Nielsen and Webb 2023).

One critical value q gives both p and a simultaneous lower bound, AUROC - q × error, so that the
bound exceeds 0.5 exactly when the corrected test rejects.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import rankdata

from nullcrop.statistics.auroc import (
    ELEMENTS_AT_ONCE,
    Flags,
    Floats,
    Ints,
    TestSet,
    estimate_auroc,
    smallest_error,
)

DRAWS = 1999
"""Draws of the null; with the data themselves they make 2,000."""

TOLERANCE = 1e-9
"""Statistics this close are equal: permutations that give the same order differ by rounding alone."""


@dataclass(frozen=True)
class Family:
    """Answers for the cells of a family, in their order; NaN where a cell has none."""

    value: Floats
    error: Floats
    p: Floats
    """Corrected over the family."""
    bound: Floats
    """Simultaneous lower bound of the AUROC at the level asked for."""
    critical: float
    """Critical value of t."""


def test_family(cells: Sequence[tuple[TestSet, Floats]], level: float, draws: int = DRAWS) -> Family:
    """Test whether any of ``cells`` has an AUROC above 0.5, and which.

    ``cells`` are pairs of a test set (the same object for cells that share it) and scores, N or
    N×K as in :func:`~nullcrop.statistics.auroc.estimate_auroc`. ``level`` is the family's error
    rate. Draws on different test sets are independent of each other, although test sets of
    different seeds share some images: the maximum over independent ones is the larger, so the
    correction errs on the safe side.

    A cell whose error is NaN cannot reject; neither can one of constant scores, whose t is 0.
    """
    observed = np.full(len(cells), np.nan)
    value, error = observed.copy(), observed.copy()
    largest = np.full(draws, -np.inf)
    for test in dict.fromkeys(test for test, _ in cells):
        places = [i for i, (other, _) in enumerate(cells) if other is test]
        statistics, values, errors = _draw(test, [cells[i][1] for i in places], draws)
        value[places], error[places], observed[places] = values, errors, statistics[:, 0]
        largest = np.fmax(largest, np.fmax.reduce(statistics[:, 1:], axis=0))
    reached = (largest >= observed[:, None] - TOLERANCE).sum(axis=1)
    p = np.where(np.isnan(observed), np.nan, (1 + reached) / (draws + 1))
    # p ≤ level exactly if t exceeds the k-th largest draw.
    k = int(np.floor(level * (draws + 1) + 1e-9))
    critical = float(np.sort(largest)[-k]) if 0 < k <= draws else np.inf
    return Family(value, error, p, value - critical * error, critical)


def _draw(test: TestSet, scores: Sequence[Floats], draws: int) -> tuple[Floats, Floats, Floats]:
    """t of each cell (C × 1 + draws, the data first), its value and its error (C)."""
    if test.permutable:
        labels = permuted_labels(test, draws)
        if scores[0].ndim == 1:
            drawn = [permuted_aurocs(test, score, labels == 1) for score in scores]
            values, errors = (np.stack(column) for column in zip(*drawn, strict=True))
            with np.errstate(invalid="ignore"):
                return (values - 0.5) / errors, values[:, 0], errors[:, 0]
        values = np.stack([_macro_aurocs(test, score, labels) for score in scores])
        # The error of a macro average is that of its permutations: the same in each, hence exact.
        errors = values.std(axis=1)
        errors = np.maximum(errors, smallest_error(test))
        return (values - 0.5) / errors[:, None], values[:, 0], errors
    estimates = [estimate_auroc(test, score) for score in scores]
    values, errors = (np.array([getattr(one, name) for one, _ in estimates]) for name in ("value", "error"))
    influences = np.stack([influence for _, influence in estimates])
    floor = np.full(len(scores), smallest_error(test))
    drawn = signed_statistics(influences, floor, test.stream("signs"), draws)
    return np.hstack([((values - 0.5) / errors)[:, None], drawn]), values, errors


def permuted_labels(test: TestSet, draws: int) -> Ints:
    """Targets of the images (1 + draws × N, int8): as they are, then with labels moved between units.

    Units of equal label stay whole; groups of several targets keep their labels.
    """
    movable = np.flatnonzero(~test.mixed)
    label = np.zeros(test.n_units, np.int8)
    label[test.unit] = test.target
    shuffled = np.tile(label[movable], (draws, 1))
    test.stream("labels").permuted(shuffled, axis=1, out=shuffled)
    labels = np.tile(test.target.astype(np.int8), (1 + draws, 1))
    moved = ~test.mixed[test.unit]
    place = np.zeros(test.n_units, np.int64)
    place[movable] = np.arange(len(movable))
    labels[1:, moved] = shuffled[:, place[test.unit[moved]]]
    return labels


def signed_statistics(
    influence: Floats, floor: Floats, rng: np.random.Generator, draws: int
) -> Floats:
    """Null statistics (C × draws) of cells with these ``influence`` values (C × G).

    Each unit's influences on all cells are multiplied by one random sign; the error is computed
    from the signed values, and is never below the cell's ``floor`` (C).
    """
    units = influence.shape[1]
    centred = influence - influence.mean(axis=1, keepdims=True)
    signs = rng.choice(np.array([-1.0, 1.0]), size=(units, draws))
    total = centred @ signs
    # A sign changes no square, only the mean.
    squares = (centred**2).sum(axis=1, keepdims=True) - total**2 / units
    scale = (units - 1) / units
    errors = np.maximum(np.sqrt(np.maximum(squares, 0) * scale), floor[:, None])
    return scale * total / errors


def permuted_aurocs(test: TestSet, score: Floats, labels: Flags) -> tuple[Floats, Floats]:
    """AUROC and its error for each row of ``labels`` (B×N): what ``estimate_auroc`` gives for each.

    One sort of the scores serves all rows: with images in order, the wins of each image follow from
    running counts of positives at the ends of blocks of equal scores.
    """
    ordered = _Ordered(test, score)
    rows = max(1, ELEMENTS_AT_ONCE // test.n)
    drawn = [ordered.aurocs(labels[at : at + rows]) for at in range(0, len(labels), rows)]
    value, error = (np.concatenate(column) for column in zip(*drawn, strict=True))
    return value, error


class _Ordered:
    """Images in the order of one cell's scores.

    Let c be the positives up to the end of a block of equal scores and b those before it. A positive
    there wins (N - c - b) / 2 pairs, where N is twice the images below the block's middle; a negative
    wins m - (c + b) / 2. Sums of wins and of their squares are sums of c, c², cb and cb(c - b) with
    fixed weights: whole numbers below 2⁵³, hence exact, and the same whatever the order of addition.
    """

    def __init__(self, test: TestSet, score: Floats) -> None:
        self.test = test
        self.order = np.argsort(score, kind="stable")
        self.last = np.flatnonzero(np.r_[np.diff(score[self.order]) != 0, True])
        self.size = np.diff(self.last, prepend=-1).astype(float)
        self.below = 2 * (self.last + 1.0) - self.size
        step, step_of_squares = (
            values - np.append(values[1:], 0) for values in (self.below, self.below**2)
        )
        sizes = self.size + np.append(self.size[1:], 0)
        self.of_counts = np.stack([step, step_of_squares, sizes], axis=1)
        self.of_squares = np.stack([step, sizes], axis=1)

    def aurocs(self, labels: Flags) -> tuple[Floats, Floats]:
        """Value and error for each row of ``labels``."""
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
            if len(self.test.stratum) == self.test.n:
                both = counts * before
                squares = (counts**2 @ self.of_squares).T
                cubes = m**3 + np.einsum("ij,ij->i", both, counts - before)
                wins_squared = (below_squared - 2 * squares[0] + cubes) / 4
                losses = m**2 * self.test.n - m * middle + (squares[1] + 2 * both @ self.size - cubes) / 4
                variance = (wins_squared - total**2 / m) / (m * (m - 1) * n**2)
                variance += (losses - total**2 / n) / (n * (n - 1) * m**2)
            else:
                variance = self._of_parts(labels, counts + before, total, m, n)
            # Rounding may leave a little less than nothing.
            error = np.sqrt(np.maximum(variance, 0))
            return value, np.maximum(error, 1 / np.sqrt(2 * m * n))

    def _of_parts(self, labels: Flags, middle: Floats, total: Floats, m: Floats, n: Floats) -> Floats:
        """Jackknife variance over parts; NaN where a target has a single part."""
        by_part, first, size, below = self._parts
        positive = labels[:, by_part[first]]
        middles = np.add.reduceat(np.take(middle, self._block[by_part], axis=1), first, axis=1)
        wins = np.where(positive, below, 2 * m[:, None] * size) - middles
        own, other = np.where(positive, m[:, None], n[:, None]), np.where(positive, n[:, None], m[:, None])
        influence = (total / (m * n))[:, None] - (total[:, None] - wins / 2) / ((own - size) * other)
        variance = np.zeros(len(labels))
        for inside in (positive, ~positive):
            count = inside.sum(axis=1)
            mean = np.where(inside, influence, 0).sum(axis=1) / count
            squares = (np.where(inside, influence - mean[:, None], 0) ** 2).sum(axis=1)
            variance += np.where(count > 1, (count - 1) / count * squares, np.nan)
        return variance

    @cached_property
    def _block(self) -> Ints:
        """Block of each image."""
        block = np.empty(self.test.n, np.int64)
        block[self.order] = np.repeat(np.arange(len(self.last)), self.size.astype(np.int64))
        return block

    @cached_property
    def _parts(self) -> tuple[Ints, Ints, Ints, Floats]:
        """Images in the order of parts, the first of each, and by part: images, and twice the images below them."""
        by_part = np.argsort(self.test.part, kind="stable")
        first = np.flatnonzero(np.diff(self.test.part[by_part], prepend=-1))
        size = np.diff(first, append=self.test.n)
        return by_part, first, size, np.add.reduceat(self.below[self._block[by_part]], first)


def _macro_aurocs(test: TestSet, score: Floats, labels: Ints) -> Floats:
    """Macro-averaged one-versus-rest AUROC for each row of ``labels`` (B×N), from rank sums."""
    values = []
    for k in np.unique(test.target):
        ranks = rankdata(score[:, k])
        positive = labels == k
        m = positive.sum(axis=1)
        sums = positive @ ranks
        with np.errstate(divide="ignore", invalid="ignore"):
            values.append((sums - m * (m + 1) / 2) / (m * (test.n - m)))
    return np.mean(values, axis=0)
