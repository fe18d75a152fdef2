"""The AUROC of one cell and its uncertainty, with images or whole groups as the independent units."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy
from numpy.typing import NDArray

from nullcrop.basics.errors import NullcropError

LEVEL = 0.95
"""Coverage of every interval."""

ELEMENTS_AT_ONCE = 200_000
"""Entries of an array that stays in the processor's cache."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TestSet:
    """The images of one split's test part, which all its cells were tested on.

    ``target`` (N) holds integers from 0, ``group`` (N) a text each, empty where an image has no
    group and is one of its own. ``name`` seeds every random draw on this test set, so that all
    cells on it are compared on the same draws. ``image`` (N) holds the images' ids, ascending, where they are
    known: only test sets with ids can be put together.
    """

    __test__ = False  # not a test of pytest's

    target: Ints
    group: NDArray[np.str_]
    name: str = ""
    image: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        if self.target.shape != self.group.shape or self.target.ndim != 1:
            raise NullcropError(f"{self.name}: target and group must be columns of the same length")

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.target)

    @cached_property
    def grouped(self) -> bool:
        """Whether two images share a group; if none do, images are the units."""
        named = self.group[self.group != ""]
        return len(np.unique(named)) < len(named)

    @cached_property
    def unit(self) -> Ints:
        """Unit of each image, numbered in the order of first appearance (N)."""
        own = np.array([f"image {i}" for i in range(self.n)])
        names = np.where(self.group == "", own, np.char.add("group ", self.group))
        _, first, unit = np.unique(names, return_index=True, return_inverse=True)
        return np.argsort(np.argsort(first))[unit].astype(np.int64)

    @cached_property
    def unit_names(self) -> NDArray[np.str_]:
        """Name of each unit (G), the same in every test set that holds its images; needs ``image``."""
        own = np.where(self.group == "", np.char.add("image ", self._ids), np.char.add("group ", self.group))
        names = np.empty(self.n_units, own.dtype)
        names[self.unit] = own
        return names

    @property
    def _ids(self) -> NDArray[np.str_]:
        if self.image is None:
            raise NullcropError(f"{self.name}: the ids of the test images are not known")
        return self.image

    @cached_property
    def n_units(self) -> int:
        """Number of independent units: groups, and images without one."""
        return int(self.unit.max(initial=-1)) + 1

    @cached_property
    def mixed(self) -> Flags:
        """Units (G) that hold images of more than one target."""
        low = np.full(self.n_units, np.iinfo(np.int64).max)
        high = np.full(self.n_units, -1)
        np.minimum.at(low, self.unit, self.target)
        np.maximum.at(high, self.unit, self.target)
        mixed: Flags = low != high
        return mixed

    @cached_property
    def stratum(self) -> Ints:
        """Stratum of each unit (G) in variances: its target; mixed units are one of their own.

        Where most images lie in mixed units, all units are one stratum: a sample of groups then, not
        of positive and of negative ones.
        """
        if self.mostly_mixed:
            return np.zeros(self.n_units, np.int64)
        stratum = np.empty(self.n_units, np.int64)
        stratum[self.unit] = self.target
        stratum[self.mixed] = -1
        return stratum

    @cached_property
    def rarest_units(self) -> int:
        """Units that hold the target which the fewest of them hold."""
        held = np.unique(np.stack([self.unit, self.target]), axis=1)[1]
        return int(np.bincount(held)[np.unique(self.target)].min()) if self.n else 0

    @cached_property
    def units_of_targets(self) -> list[float]:
        """Units of each target that occurs; one that holds several counts in parts."""
        counts = np.zeros((self.n_units, int(self.target.max(initial=0)) + 1))
        np.add.at(counts, (self.unit, self.target), 1)
        shares = (counts / counts.sum(axis=1, keepdims=True)).sum(axis=0)
        return [float(share) for share in shares if share > 0]

    @cached_property
    def mostly_mixed(self) -> bool:
        """Whether most images lie in units that hold several targets."""
        return bool(self.mixed[self.unit].mean() > 0.5)

    def stream(self, purpose: str) -> np.random.Generator:
        """Random numbers that depend on the test set's name and the purpose alone."""
        digest = hashlib.sha256(f"{purpose}\n{self.name}".encode()).digest()
        return np.random.default_rng(list(digest[:16]))


@dataclass(frozen=True)
class Estimate:
    """An AUROC with its standard error and degrees of freedom; NaN where there is no answer."""

    value: float
    error: float
    df: float

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Two-sided interval of Student's t, clipped to 0 … 1."""
        half = scipy.stats.t.ppf((1 + level) / 2, self.df) * self.error
        low, high = np.clip([self.value - half, self.value + half], 0, 1)
        return float(low), float(high)

    @property
    def p(self) -> float:
        """One-sided p against 0.5."""
        return float(scipy.stats.t.sf((self.value - 0.5) / self.error, self.df))


def estimate_auroc(test: TestSet, score: Floats) -> tuple[Estimate, Floats]:
    """AUROC of one cell with its error, and the influence of each of the test set's units.

    ``score`` is N (two targets; larger means target 1) or N×K (one column a target, macro-averaged
    one-versus-rest over the targets present). The influence of a unit is the AUROC minus that
    without the unit: the delete-one jackknife, which for independent images is DeLong's variance
    to the last digit, for groups of one target Obuchowski's (1997, Biometrics 53:567) up to the
    weight of unequal sizes, and for groups of several targets the cluster jackknife (MacKinnon,
    Nielsen and Webb 2023, J Econometrics 232:272), which holds its level best with few groups
    of unequal size. Variances add over strata, each centred; degrees of freedom are Satterthwaite's, which
    makes the test of independent images that of Brunner and Munzel (2000, Biometrical J 42:17).

    The error is NaN when the AUROC rests on a single unit of a target: one image, or one group
    that holds all its images. It is never smaller than :func:`smallest_error`.
    """
    columns = score[:, None] if score.ndim == 1 else score
    classes = [1] if score.ndim == 1 else np.unique(test.target).tolist()
    each = [_leave_one_out(test, test.target == k, columns[:, min(k, columns.shape[1] - 1)]) for k in classes]
    value = float(np.mean([one[0] for one in each]))
    influence = np.mean([one[1] for one in each], axis=0)
    error, df = jackknife_error(influence, test.stratum)
    return Estimate(value, float(np.maximum(error, smallest_error(test))), df), influence


def jackknife_error(influence: Floats, stratum: Ints) -> tuple[float, float]:
    """Standard error and Satterthwaite's degrees of freedom from the units' influences (G each)."""
    variances, dfs = [], []
    for one in np.unique(stratum):
        inside = influence[stratum == one]
        count = len(inside)
        # A lone unit has nothing to be centred at: its square counts in full.
        centre = inside.mean() if count > 1 else 0.0
        variances.append((max(count - 1, 1) / count) * ((inside - centre) ** 2).sum())
        dfs.append(max(count - 1, 1))
    total = float(np.sum(variances))
    if not total > 0:
        return total, float(min(dfs))
    return float(np.sqrt(total)), total**2 / float(np.sum(np.square(variances) / dfs))


def smallest_error(test: TestSet) -> float:
    """Floor of an AUROC's standard error: that of half a pair out of all pairs, 1 / sqrt(2 m n).

    Without it classes that are wholly parted (AUROC 1) would seem known without error. For m = n
    it is the error of m independent pairs of which all but half a pair agree. For more than two
    targets the floors of the one-versus-rest AUROCs are averaged as independent errors are.
    """
    counts = np.bincount(test.target)
    present = counts[counts > 0]
    if len(present) < 2:
        return np.nan
    squares = 1 / (2.0 * present * (test.n - present))
    return float(np.sqrt(squares[0]) if len(counts) == 2 else np.sqrt(squares.sum()) / len(present))


def _leave_one_out(test: TestSet, positive: Flags, score: Floats) -> tuple[float, Floats]:
    """AUROC, and AUROC minus the AUROC without each unit (NaN where nothing is left to compare)."""
    m, n = int(positive.sum()), int((~positive).sum())
    if not m or not n:
        return np.nan, np.full(test.n_units, np.nan)
    wins = placements(positive, score)
    units = test.n_units
    of_positives = np.bincount(test.unit[positive], wins[positive], units)
    of_negatives = np.bincount(test.unit[~positive], wins[~positive], units)
    m_unit = np.bincount(test.unit[positive], minlength=units)
    n_unit = np.bincount(test.unit[~positive], minlength=units)
    total = of_positives.sum()
    left = (m - m_unit) * (n - n_unit)
    without = total - of_positives - of_negatives + _wins_within(test.unit, positive, score, units)
    value = total / (m * n)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(value), np.where(left > 0, value - without / left, np.nan)


def placements(positive: Flags, score: Floats) -> Floats:
    """Wins of each image (N): of a positive the negatives below it, of a negative the positives above it;
    ties half."""
    midranks = scipy.stats.rankdata(score)
    wins = np.empty(len(score))
    wins[positive] = midranks[positive] - scipy.stats.rankdata(score[positive])
    wins[~positive] = positive.sum() - (midranks[~positive] - scipy.stats.rankdata(score[~positive]))
    return wins


def _wins_within(unit: Ints, positive: Flags, score: Floats, units: int) -> Floats:
    """Pairs of a positive above a negative inside each unit; ties half."""
    order = np.lexsort((score, unit))
    unit, positive, score = unit[order], positive[order], score[order]
    fresh = np.r_[True, (np.diff(unit) != 0) | (np.diff(score) != 0)]
    block = np.cumsum(fresh) - 1
    pos = np.bincount(block, positive).astype(float)
    neg = np.bincount(block, ~positive).astype(float)
    of_block = unit[fresh]
    of_units = np.bincount(of_block, neg, units).astype(float)
    # Negatives below each block, inside its unit.
    before = np.cumsum(neg) - neg - (np.cumsum(of_units) - of_units)[of_block]
    wins = np.bincount(of_block, pos * (before + neg / 2), units).astype(float)
    return wins


def stratified_auroc(test: TestSet, score: Floats, stratum: Ints) -> tuple[float, Floats, float]:
    """AUROC over the pairs within one ``stratum`` (N integers) alone, the influence of each unit on it as in
    :func:`estimate_auroc`, and the share of all pairs that lie within one.

    ``score`` is N or N×K, macro-averaged over the targets present. NaN where one of them has no such pair.
    """
    columns = score[:, None] if score.ndim == 1 else score
    classes = [1] if score.ndim == 1 else np.unique(test.target).tolist()
    each = [
        _within_strata(test, test.target == k, columns[:, min(k, columns.shape[1] - 1)], stratum)
        for k in classes
    ]
    values, influences, shares = zip(*each, strict=True)
    return float(np.mean(values)), np.mean(influences, axis=0), float(np.mean(shares))


def _within_strata(
    test: TestSet, positive: Flags, score: Floats, stratum: Ints
) -> tuple[float, Floats, float]:
    """What :func:`stratified_auroc` gives, of one target."""
    wins, against = np.zeros((2, test.n))
    for one in np.unique(stratum):
        inside = stratum == one
        own = positive[inside]
        if own.any() and not own.all():
            wins[inside] = placements(own, score[inside])
            against[inside] = np.where(own, (~own).sum(), own.sum())
    total, pairs = wins[positive].sum(), against[positive].sum()
    if not pairs:
        return np.nan, np.full(test.n_units, np.nan), 0.0
    joint, of_image = np.unique(np.stack([test.unit, stratum]), axis=1, return_inverse=True)
    of_image = of_image.ravel()
    parts = joint.shape[1]
    counts = [np.bincount(of_image[side], minlength=parts) for side in (positive, ~positive)]
    wins_inside = np.bincount(joint[0], _wins_within(of_image, positive, score, parts), test.n_units)
    pairs_inside = np.bincount(joint[0], counts[0] * counts[1], test.n_units)
    without = total - np.bincount(test.unit, wins, test.n_units) + wins_inside
    left = pairs - np.bincount(test.unit, against, test.n_units) + pairs_inside
    with np.errstate(divide="ignore", invalid="ignore"):
        influence = np.where(left > 0, total / pairs - without / left, np.nan)
    return float(total / pairs), influence, float(pairs / (positive.sum() * (~positive).sum()))


def delong(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> tuple[float, float, float]:
    """95 % interval of the AUROC and one-sided p against 0.5: (low, high, p).

    ``positive`` and ``score`` have shape N. The variance is that of DeLong, DeLong and
    Clarke-Pearson (1988, Biometrics 44:837), computed from midranks in O(N log N) after Sun and
    Xu (2014, IEEE Signal Processing Letters 21:1389). Images are taken for independent: groups
    are ignored. The interval is clipped to 0 … 1.

    The variance is zero when the scores part the classes wholly (AUROC 1 or 0) or are all equal
    (AUROC 0.5). Then p is the exact permutation p, and the interval that of Clopper and Pearson
    for min(positives, negatives) disjoint, hence independent, pairs which all agree. With fewer
    than two images of either class everything is NaN.
    """
    from statsmodels.stats.proportion import proportion_confint

    m, n = int(positive.sum()), int((~positive).sum())
    if min(m, n) < 2:
        return np.nan, np.nan, np.nan
    midranks = scipy.stats.rankdata(score)
    # Share of negatives below each positive, and of positives above each negative; ties half.
    of_positives = (midranks[positive] - scipy.stats.rankdata(score[positive])) / n
    of_negatives = 1 - (midranks[~positive] - scipy.stats.rankdata(score[~positive])) / m
    auroc = of_positives.mean()
    variance = of_positives.var(ddof=1) / m + of_negatives.var(ddof=1) / n
    if variance == 0:
        agreement = proportion_confint(min(m, n), min(m, n), alpha=1 - LEVEL, method="beta")[0]
        p = 1 / scipy.special.comb(m + n, m, exact=True) if auroc == 1 else 1.0
        return float(auroc * agreement), float(1 - (1 - auroc) * agreement), p
    error = np.sqrt(variance)
    half = scipy.stats.norm.ppf((1 + LEVEL) / 2) * error
    return (
        float(max(auroc - half, 0)),
        float(min(auroc + half, 1)),
        float(scipy.stats.norm.sf((auroc - 0.5) / error)),
    )


def bootstrap_auroc(test: TestSet, score: Floats, draws: int = 1999) -> tuple[float, float, float]:
    """Percentile interval (95 %) and one-sided p of the AUROC when whole units are drawn with replacement.

    The plain cluster bootstrap for two targets (``score`` is N), beside the jackknife because it is
    what is usually reported; with few groups it rejects somewhat too often. Draws that lack a target
    are left out; NaN when all do.
    """
    positive = test.target == 1
    negatives = np.flatnonzero(~positive)
    negatives = negatives[np.argsort(score[negatives], kind="stable")]
    below, upto = (np.searchsorted(score[negatives], score[positive], side) for side in ("left", "right"))
    rng = test.stream("bootstrap")
    values = []
    for at in range(0, draws, rows := max(1, ELEMENTS_AT_ONCE // test.n)):
        times = rng.multinomial(test.n_units, np.full(test.n_units, 1 / test.n_units), min(rows, draws - at))
        times = times.astype(float)
        counts = np.zeros((len(times), len(negatives) + 1))
        np.cumsum(times[:, test.unit[negatives]], axis=1, out=counts[:, 1:])
        positives = times[:, test.unit[positive]]
        wins = np.einsum("ij,ij->i", positives, counts[:, below] + counts[:, upto]) / 2
        with np.errstate(invalid="ignore"):
            values.append(wins / (positives.sum(axis=1) * counts[:, -1]))
    value = np.concatenate(values)
    value = value[~np.isnan(value)]
    if not len(value):
        return np.nan, np.nan, np.nan
    low, high = np.quantile(value, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high), float((1 + (value <= 0.5).sum()) / (len(value) + 1))
