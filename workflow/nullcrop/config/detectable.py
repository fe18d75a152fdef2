"""What a study could see before anything is trained: the minimal detectable AUROC, from counts alone."""

from collections.abc import Collection, Sequence
from math import inf, lgamma, log, sqrt
from statistics import NormalDist

POWER = 0.8
"""Chance of finding an effect as large as the minimal detectable one."""

ENOUGH = 0.55
"""Of large datasets as few folds are tested as make this AUROC detectable."""


def inflation_of_folds(folds: int, tested: Collection[int]) -> float:
    """Factor c by which the null sd of a pooled AUROC exceeds its sd under permuted labels at fixed scores.

    Labels are trained on and tested on. Of K = ``folds`` folds J are ``tested`` (numbers from 0). Fold i is
    answered by a network trained on the folds R_i: all but itself and the next one, which is watched. Then::

        c² = 1 + (1/J) Σ_{i ≠ j tested} [i ∈ R_j and j ∈ R_i] / |R_i|,

    which is exact for scores that are linear in the training labels, and errs on the safe side for others
    (docs/decisions, D143). 1 for one fold, √(1 + (K - 3)/(K - 2)) for all.
    """
    apart = {(i, j) for i in tested for j in tested if (j - i) % folds not in (0, 1, folds - 1)}
    return sqrt(1 + len(apart) / (folds - 2) / len(tested))


def inflation_of_seeds(seeds: int, test_share: float) -> float:
    """The same factor where each seed draws its own test part: c² = min(2, 1 + (J - 1) · n_test / n_train).

    Of the correlation of Nadeau and Bengio (2003, Machine Learning 52:239); ``test_share`` is n_test /
    n_train of one seed.
    """
    return min(sqrt(2), sqrt(1 + (seeds - 1) * test_share))


def null_error(units: Sequence[float]) -> float:
    """Standard error of the AUROC of a score that tells nothing (Mann and Whitney 1947), from the independent
    units of each target.

    Of more than two targets the mean over targets, as if their AUROCs rose and fell together. Infinity
    where a target has no unit, or is alone.
    """
    if len(units) < 2 or min(units) <= 0:
        return inf
    total = sum(units)
    return sum(sqrt((total + 1) / (12 * count * (total - count))) for count in units) / len(units)


def minimal_detectable(units: Sequence[float], members: int, level: float, inflation: float = 1.0) -> float:
    """AUROC that an audit finds with a chance of POWER: ½ + c · SE₀ · (q + z).

    ``units`` are the independent units of each target, each counted as one image, because how alike the
    images of one are is unknown (:func:`null_error`). ``members`` are tested together (views × (readers +
    1)), q is Bonferroni's quantile for them at ``level``. Above 1 where nothing would be found.
    """
    normal = NormalDist()
    quantiles = normal.inv_cdf(1 - level / members) + normal.inv_cdf(POWER)
    return 0.5 + inflation * null_error(units) * quantiles


def enough_arrangements(units: Sequence[float], level: float) -> bool:
    """Whether the best arrangement of the targets over the independent ``units`` of each is rarer than
    ``level``: else no result at all can count."""
    arrangements = lgamma(sum(units) + 1) - sum(lgamma(count + 1) for count in units)
    # Of three units a target one of 20 arrangements is the best: at 5 % just enough, whatever rounding says.
    return arrangements >= -log(level) - 1e-9


def fewest_folds(units: Sequence[int], folds: int, members: int, level: float) -> int:
    """The fewest of ``folds`` folds of one partition that make an AUROC of ENOUGH detectable; else all."""
    for tested in range(1, folds):
        share = [count * tested / folds for count in units]
        if minimal_detectable(share, members, level, inflation_of_folds(folds, range(tested))) <= ENOUGH:
            return tested
    return folds
