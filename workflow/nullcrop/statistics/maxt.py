"""One answer for many readers: the largest of their test statistics, under one shared null.

Single-step maxT of Westfall and Young (1993, Resampling-Based Multiple Testing). Labels move between
the units of a test set, in one draw alike for all that was said of it, so that the dependence is kept.
The statistic of a reader on a view is t = (AUROC - 0.5) / (c · error), and the error is computed anew in each
draw (studentised permutation: Janssen 1997; Chung and Romano 2013; for the AUROC Pauly, Asendorf and
Konietschke 2016, Biometrical J 58:1319). It is the larger of two: the error of the scores themselves, and
the standard deviation of their AUROC over all draws. The first keeps the test honest where the classes'
scores differ in spread alone; the second where few units make the first too small by chance, above all
for bounds far from 0.5 (docs/decisions/statistics.md has the simulations).

One critical value q gives both p and simultaneous bounds, AUROC ∓ c · q · error, so that the lower
bound exceeds 0.5 exactly when the corrected test rejects. The factor c (config/detectable.py) is 1 on one
test part, and larger where labels were trained on and tested on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy
from numpy.typing import NDArray

from nullcrop.statistics.auroc import Flags, Floats, Ints, TestSet, estimate_auroc

DRAWS = 1999
"""Draws of the null; with the data themselves they make 2,000."""

ELEMENTS_AT_ONCE = 60_000_000
"""Entries of the largest array of labels (480 MB); the fewer pieces, the less time goes into Python."""

TOLERANCE = 1e-9
"""Statistics this close are equal: draws that give the same order may differ by rounding."""

LARGE = 50_000
"""Images above which the error is the permutations' alone: there the other takes long and tells no more."""


@dataclass(frozen=True)
class Family:
    """Answers for the members of a family, in their order; NaN where a member has none."""

    value: Floats
    """AUROC."""
    error: Floats
    """Standard error in the test statistic, not inflated."""
    null_error: Floats
    """Standard deviation of the AUROC over the draws."""
    p: Floats
    """p corrected over the family (single-step)."""
    p_stepdown: Floats
    """The same corrected over the members that are no clearer (Westfall and Young's step-down)."""
    low: Floats
    """Simultaneous lower bound of the AUROC at the level asked for: exceeds 0.5 exactly where p ≤ level."""
    high: Floats
    """Upper bound as far from the AUROC."""
    critical: float
    """Critical value of t."""
    inflation: Floats
    """Factor c of each member."""

    @property
    def can_tell(self) -> bool:
        """Whether an AUROC of 1 would have rejected; scores that tell images apart have to say so."""
        width = self.inflation * self.null_error
        return bool((self.critical * width[width > 0] <= 0.5).any())


Member = tuple[TestSet, Floats]


def maxt(
    members: Sequence[Member],
    level: float,
    draws: int = DRAWS,
    inflation: Sequence[float] | None = None,
    two_sided: Sequence[bool] | None = None,
) -> Family:
    """Test which of ``members`` have an AUROC above 0.5, with an error rate of ``level`` for all of them.

    ``members`` are pairs of a test set (the same object for those that share it) and scores, N or
    N×K as in :func:`~nullcrop.statistics.auroc.estimate_auroc`. ``inflation`` gives the factor c of each (1
    where left out): labels of images that were tested were trained on as well, so that fixed scores vary less
    than trained ones. The statistic t = (AUROC - 0.5) / (c · error) is held against draws that are not
    inflated. Draws on different test sets are independent of each other, although they may share images: the
    maximum over independent ones is the larger, so that the correction errs on the safe side.

    Of a member that is ``two_sided`` (none where left out) ``|t|`` counts: its scores are measured, not
    trained, so that nobody knows which target has the larger ones. It rejects exactly where its lower
    bound exceeds 0.5 or its upper one is below.

    Defined for poor input: constant scores have t = 0 and cannot reject; neither can a member whose
    AUROC or error is NaN (one target alone, or a target in a single unit). p is at least
    1 / (draws + 1), and at least the share of arrangements of the labels that are like the given one.
    """
    factor = np.ones(len(members)) if inflation is None else np.asarray(inflation, float)
    value, error, null_error = np.full((3, len(members)), np.nan)
    statistics = np.full((len(members), 1 + draws), np.nan)
    for test in dict.fromkeys(test for test, _ in members):
        places = [i for i, (other, _) in enumerate(members) if other is test]
        values, errors, null_error[places] = _draw(test, [members[i][1] for i in places], draws)
        with np.errstate(divide="ignore", invalid="ignore"):
            statistics[places] = np.where(values == 0.5, 0, (values - 0.5) / errors)
        statistics[places] = np.where(np.isnan(errors), np.nan, statistics[places])
        value[places], error[places] = values[:, 0], errors[:, 0]
    if two_sided is not None:
        statistics = np.where(np.asarray(two_sided, bool)[:, None], np.abs(statistics), statistics)
    observed = statistics[:, 0] / factor
    drawn = np.where(np.isnan(statistics[:, 1:]), -np.inf, statistics[:, 1:])
    largest = drawn.max(axis=0, initial=-np.inf)
    critical = critical_value(largest, level)
    half = factor * critical * error
    return Family(
        value,
        error,
        null_error,
        share_reaching(largest, observed),
        _step_down(drawn, observed),
        value - half,
        value + half,
        critical,
        factor,
    )


def critical_value(largest: Floats, level: float) -> float:
    """The value that a statistic must exceed for p ≤ ``level``, from the ``largest`` of each draw (B)."""
    k = int(np.floor(level * (largest.size + 1) + TOLERANCE))
    critical = float(np.sort(largest)[-k]) + TOLERANCE if k else np.inf
    # Where no draw gave any statistic, none is surprising.
    return np.inf if critical == -np.inf else critical


def share_reaching(largest: Floats, observed: Floats) -> Floats:
    """Share of draws, the data among them, whose ``largest`` (B) is at least each of ``observed`` (M)."""
    reached = (largest >= observed[:, None] - TOLERANCE).sum(axis=1)
    return np.where(np.isnan(observed), np.nan, (1 + reached) / (largest.size + 1))


def _step_down(drawn: Floats, observed: Floats) -> Floats:
    """Step-down p of each member (M) from the statistics of all draws (M×B): the clearest is held against
    all, the next against all but the clearest, and none is smaller than that of a clearer one."""
    p = np.full(len(observed), np.nan)
    order = [i for i in np.argsort(-observed, kind="stable") if not np.isnan(observed[i])]
    largest, alone = np.full(drawn.shape[1], -np.inf), {}
    for i in reversed(order):
        largest = np.maximum(largest, drawn[i])
        alone[i] = share_reaching(largest, observed[[i]])[0]
    if order:
        p[order] = np.maximum.accumulate([alone[i] for i in order])
    return p


def _draw(test: TestSet, scores: Sequence[Floats], draws: int) -> tuple[Floats, Floats, Floats]:
    """AUROC and error of each member for the labels as they are and in each draw (M × 1 + draws), and the
    standard deviation of its AUROC over all of them (M)."""
    labels = drawn_labels(test, draws)
    values, errors = np.zeros((2, len(scores), 1 + draws))
    by_ranks = [test.n > LARGE or score.ndim == 2 for score in scores]
    width = max(1, ELEMENTS_AT_ONCE // test.n)
    for at in range(0, 1 + draws, width):
        here = slice(at, at + width)
        drawn = Draws(test, np.ascontiguousarray(labels[here].T, dtype=float))
        ranked = [score for score, by_rank in zip(scores, by_ranks, strict=True) if by_rank]
        if ranked:
            values[by_ranks, here] = ranked_aurocs(drawn, ranked)
        for i, score in enumerate(scores):
            if not by_ranks[i]:
                values[i, here], errors[i, here] = drawn_aurocs(drawn, score)
    null_error = np.array([known.std() if len(known := of[~np.isnan(of)]) else np.nan for of in values])
    errors = np.maximum(errors, null_error[:, None])
    for i, score in enumerate(scores):
        if score.ndim == 2 and test.n <= LARGE:
            # Far from 0.5 the error of the data themselves is the larger one.
            errors[i, 0] = np.maximum(errors[i, 0], estimate_auroc(test, score)[0].error)
        if score.ndim == 1 and test.rarest_units < 2:
            errors[i] = np.nan  # nothing tells a target from the one unit that holds it
    return values, errors, null_error


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
        members = scipy.sparse.csr_array((weights, (self.test.unit, np.arange(self.test.n))), shape=shape)
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
    # Where no unit is mixed, the last of them is empty in every draw.
    return total, np.sum([_centred_squares(influence, one) for one in strata if one.any()], axis=0)


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


def ranked_aurocs(drawn: Draws, scores: Sequence[Floats]) -> Floats:
    """AUROC of several ``scores`` (N or N×K each) in each draw (M×B), from rank sums; macro-averaged
    one-versus-rest over the targets where there are columns."""
    values = np.zeros((len(scores), drawn.labels.shape[1]))
    two = [i for i, score in enumerate(scores) if score.ndim == 1]
    many = [i for i, score in enumerate(scores) if score.ndim == 2]
    if two:
        values[two] = of_rank_sums(np.stack([scipy.stats.rankdata(scores[i]) for i in two]), drawn.labels)
    if many:
        targets = np.unique(drawn.test.target)
        values[many] = np.mean(
            [
                of_rank_sums(
                    np.stack([scipy.stats.rankdata(scores[i][:, k]) for i in many]), (drawn.labels == k) * 1.0
                )
                for k in targets
            ],
            axis=0,
        )
    return values


def of_rank_sums(ranks: Floats, positive: Floats) -> Floats:
    """AUROCs (M×B) of midranks (M×N) where ``positive`` is 1 (N×B)."""
    m, n = positive.sum(axis=0), ranks.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        aurocs: Floats = (ranks @ positive - m * (m + 1) / 2) / (m * (n - m))
    return aurocs
