"""A printed accuracy is k right answers of n images: which k fit, how sure it is, and what it is compatible
with.

Images are taken for independent. Where they are not, or where one training differs from another by more than
its test images do, intervals are wider than those here, and fewer differences are shown.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor, nan

import scipy

from nullcrop.published.rounding import Rounded
from nullcrop.statistics.auroc import LEVEL

ALPHA = 1 - LEVEL
"""Chance that any of the values judged together is called incompatible by chance."""


@dataclass(frozen=True)
class Counted:
    """Every number of right answers of ``n`` images that a printed share can have been."""

    least: int
    most: int
    n: int

    @property
    def candidates(self) -> range:
        """The numbers of right answers that fit."""
        return range(self.least, self.most + 1)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval after Clopper and Pearson (1934): from that of the least to that of the most."""
        from statsmodels.stats.proportion import proportion_confint

        low = proportion_confint(self.least, self.n, alpha=ALPHA, method="beta")[0]
        high = proportion_confint(self.most, self.n, alpha=ALPHA, method="beta")[1]
        return float(low), float(high)

    def p_above(self, rate: float) -> float:
        """Chance that answers which are right at ``rate`` give as many right ones: exact binomial, one-sided,
        of the candidate that shows least."""
        return float(scipy.stats.binomtest(self.least, self.n, rate, alternative="greater").pvalue)


def counted(printed: Rounded, n: int | None) -> Counted | None:
    """The k of which k / ``n`` rounds to ``printed``; None where there is none, or where n is not known."""
    fitting = printed.numerators(n) if n else ()
    return Counted(fitting[0], fitting[-1], n) if n and fitting else None


def p_same(printed: Counted, share: float, n: int) -> float:
    """Chance of a difference as large as that of ``printed`` from a ``share`` of ``n`` images, if one rate is
    behind both.

    Fisher's exact test, two-sided, of the candidates that differ least; a share that is no k / ``n`` (a mean
    over seeds) is taken for the k below and above it. An unconditional test (Barnard's) would find somewhat
    more where two samples are independent. These are not: both are drawn from one dataset, so they differ
    less than independent ones, and the stricter test is the right one.
    """
    hits = share * n
    beside = {floor(hits + 1e-9), ceil(hits - 1e-9)}
    return max(_fisher(k, printed.n, other, n) for k in printed.candidates for other in beside)


def told_from(printed: Counted, n: int, level: float) -> float:
    """The smallest difference from ``printed`` at which a result on ``n`` images has ``p_same`` of at most
    ``level``; NaN where none has."""
    middle = (printed.least + printed.most) / 2 / printed.n
    # Away from the printed share p falls step by step.
    sides: list[Sequence[int]] = [
        range(ceil(middle * n), n + 1),
        range(floor(middle * n), -1, -1),
    ]
    found = []
    for side in sides:
        place = bisect_left(side, True, key=lambda k: p_same(printed, k / n, n) <= level)
        if place < len(side):
            found.append(abs(side[place] / n - middle))
    return min(found, default=nan)


@lru_cache(maxsize=65536)
def _fisher(k: int, n: int, other: int, of: int) -> float:
    return float(scipy.stats.fisher_exact([[k, n - k], [other, of - other]]).pvalue)
