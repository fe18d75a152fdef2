"""Exact nulls of a reader that has a closed form: ridge regressions, refitted on every draw of the labels.

Under a verdict's null labels move at fixed scores, and a factor c allows for labels that were trained on as
well as tested on (config/detectable.py). A ridge regression can be fitted anew to each draw instead, all
draws at a time: what they share is the Gram matrix of the features, and folds that share training images
share its parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.files import sha256_of_lines
from nullcrop.config.recipe import BaselineRecipe
from nullcrop.statistics.auroc import Floats, Ints, TestSet
from nullcrop.statistics.crossfit import DECIMALS, pooled_score
from nullcrop.statistics.maxt import critical_value, share_reaching

VARYING = 1e-9
"""Share of a feature's squares that its variance in training must exceed, else it does not vary."""

ANSWER_DECIMALS = 10
"""Of answers around 0 … 1: images that are alike get the same one, whatever the order of sums."""

LARGEST_ANSWER = 1e8
"""Below it an answer and a label are a whole number of 64 bits."""

ELEMENTS_AT_ONCE = 8_000_000
"""Answers that are computed at a time (64 MB)."""

ELEMENTS_IN_CACHE = 2**17
"""Answers that are ranked at a time (1 MB)."""

LEAST_GROUPS = 10
"""Groups that hold at least as many images as are read; where the largest is larger, images are drawn."""

ROUNDING = 1e-12
"""Spread of AUROCs that is none."""


@dataclass(frozen=True)
class Fold:
    """Rows of one cell: what it is trained on, and what it is tested on."""

    train: Ints
    test: Ints


@dataclass(frozen=True)
class Refitted:
    """What the fits to the labels as drawn come to."""

    aurocs: Floats
    """AUROC of the pooled score in each draw (B)."""
    score: Floats
    """Pooled score of the first draw, of the rows tested: T, or T×K for more than two targets."""


class Refits:
    """Ridge regressions of each of ``folds`` to each draw of ``labels`` (draws × N, targets from 0), of
    whatever features.

    Of more than two targets each is told from the rest, and their AUROCs are averaged.
    """

    def __init__(self, folds: Sequence[Fold], labels: NDArray[np.int8]) -> None:
        tests = [fold.test for fold in folds]
        self.tested: Ints = np.unique(np.concatenate(tests))
        """Rows that are tested, in their order."""
        self.once = len(self.tested) == sum(map(len, tests))
        largest = int(labels.max())
        self.targets = [1] if largest == 1 else np.unique(labels[0]).tolist()
        self.layout = _Layout(folds, labels.shape[1])
        self.labels = labels[:, self.layout.order]
        sizes = sorted({len(test) for test in tests})
        # The pooled score of an image is j / (2 n), j = twice its midrank less one among n: of few values.
        self.values = np.unique(
            np.concatenate([np.arange(1, 2 * n) / (2 * n) for n in sizes]).round(DECIMALS)
        )
        self.value_of = {
            n: np.searchsorted(self.values, (np.arange(2 * n) / (2 * n)).round(DECIMALS)).astype(np.int64)
            for n in sizes
        }
        # Where all answers of each fold differ, each of its values occurs once.
        counts = np.zeros(len(self.values), np.int64)
        for test in tests:
            counts[self.value_of[len(test)][1::2]] += 1
        midranks = np.cumsum(counts) - (counts - 1) / 2
        self.midranks_of = {n: midranks[self.value_of[n][1::2]] for n in sizes}

    def fit(self, features: NDArray[np.floating]) -> Refitted:
        """Fit to ``features`` (N×d) and test; where no feature varies, every image has one score."""
        width = max(1, ELEMENTS_AT_ONCE // max(1, len(self.tested)))
        aurocs = np.zeros(len(self.labels))
        first: list[Floats] = []
        centre = features.mean(axis=0)
        fits = _Fits(features[self.layout.order] - centre, self.layout)
        for target in self.targets:
            for at in range(0, len(self.labels), width):
                positive = np.equal(self.labels[at : at + width], target).astype(float)
                answers = fits.answers(positive)
                of_draws, pooled = self._aurocs(answers, positive)
                aurocs[at : at + width] += of_draws / len(self.targets)
                if at == 0:
                    first.append(pooled[self.layout.place[self.tested]].round(DECIMALS))
        return Refitted(aurocs, first[0] if len(first) == 1 else np.stack(first, axis=1))

    def _aurocs(self, answers: Sequence[Floats], positive: Floats) -> tuple[Floats, Floats]:
        """AUROC of the pooled scores in each draw, and those of the first draw for rows as they lie."""
        if not self.once:
            score, times = np.zeros(positive.T.shape), np.zeros(positive.shape[1])
            for rows, answer in zip(self.layout.tests, answers, strict=True):
                score[rows] += pooled_score(answer.T)
                times[rows] += 1
            tested = self.layout.place[self.tested]
            score[tested] /= times[tested, None]
            ranks = scipy.stats.rankdata(score[tested].round(DECIMALS), axis=0)
            return of_rank_sums_by_draw(ranks, positive[:, tested].T), score[:, 0]
        lying = np.arange(positive.shape[1])
        rows = np.concatenate([lying[test] for test in self.layout.tests])
        aurocs, pooled = self._aurocs_of_distinct(answers, positive), np.zeros(positive.shape[1])
        left = np.flatnonzero(np.isnan(aurocs) | (np.arange(len(aurocs)) == 0))
        draws = max(1, ELEMENTS_IN_CACHE // len(rows))
        for at in range(0, len(left), draws):
            some = left[at : at + draws]
            of = np.concatenate(
                [self.value_of[a.shape[1]][doubled_midranks(a[some]) - 1] for a in answers], axis=1
            )
            aurocs[some] = self._aurocs_of_values(of, positive[some][:, rows])
            if at == 0:
                pooled[rows] = self.values[of[0]] - 0.5
        return aurocs, pooled

    def _aurocs_of_distinct(self, answers: Sequence[Floats], positive: Floats) -> Floats:
        """AUROC in each draw in which the answers of each fold all differ; NaN in the others.

        The pooled scores are then the same in every draw, and only who has them differs.
        """
        largest = max(answers, key=lambda answer: answer.shape[1])[0]
        if len(largest) ** 2 > np.ptp(largest) * 10**ANSWER_DECIMALS:
            # Among so many answers some are alike once they are rounded.
            return np.full(len(positive), np.nan)
        sums, tied = np.zeros(len(positive)), np.zeros(len(positive), bool)
        for answer, rows in zip(answers, self.layout.tests, strict=True):
            draws = max(1, ELEMENTS_IN_CACHE // answer.shape[1])
            for at in range(0, len(answer), draws):
                some = slice(at, at + draws)
                found, same = _label_ranks(answer[some], positive[some, rows])
                sums[some] += found @ self.midranks_of[answer.shape[1]]
                tied[some] |= same
        tested = sum(answer.shape[1] for answer in answers)
        m = sum(positive[:, rows].sum(axis=1) for rows in self.layout.tests)
        return np.where(tied, np.nan, _auroc_of_rank_sums(sums, m, tested))

    def _aurocs_of_values(self, of: Ints, positive: Floats) -> Floats:
        """AUROC in each draw of scores that are ``self.values[of]``; both draws × tested."""
        count = len(self.values)
        flat = of + np.arange(len(of))[:, None] * count
        counts = np.bincount(flat.ravel(), minlength=len(of) * count).reshape(len(of), -1)
        midranks = np.cumsum(counts, axis=1) - (counts - 1) / 2
        return of_rank_sums_by_draw(np.take_along_axis(midranks, of, axis=1).T, positive.T)


class _Layout:
    """The order in which ``rows`` rows are laid so that those lie together that the same folds are trained
    on."""

    def __init__(self, folds: Sequence[Fold], rows: int) -> None:
        trained = np.zeros((rows, len(folds)), bool)
        for column, fold in enumerate(folds):
            trained[fold.train, column] = True
        patterns, of_row = np.unique(trained, axis=0, return_inverse=True)
        self.order: Ints = np.argsort(of_row.ravel(), kind="stable")
        self.place: Ints = np.empty(rows, np.int64)
        """Where each row lies."""
        self.place[self.order] = np.arange(rows)
        self.tests = [_as_slice(self.place[fold.test]) for fold in folds]
        """Where the rows lie that a fold is tested on."""
        ends = np.cumsum(np.bincount(of_row.ravel(), minlength=len(patterns)))
        some = [i for i in range(len(patterns)) if patterns[i].any()]
        self.trained = [slice(int(ends[i - 1]) if i else 0, int(ends[i])) for i in some]
        """Where the rows lie that the same folds are trained on."""
        self.summed: Floats = patterns[some].T.astype(float)
        """1 where a fold (row) is trained on a set of rows (column)."""

    def of_folds(self, of_rows: Sequence[Any]) -> Floats:
        """Sums over each fold's training rows, from those over sets of rows."""
        return np.tensordot(self.summed, np.stack(of_rows), axes=1)


def _as_slice(places: Ints) -> Ints | slice:
    """``places`` as a slice where they lie side by side, which spares copies of what lies there."""
    if len(places) and (np.diff(places) == 1).all():
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


@dataclass(frozen=True)
class _Fold:
    """What the fits of a fold to all draws share."""

    count: float
    """Training rows."""
    centre: Floats
    varying: NDArray[np.bool_]
    """Features that vary among them; spread, gram and test are of these alone."""
    spread: Floats
    gram: Floats
    """Gram matrix of the standardised features."""
    test: Floats
    """Standardised features of the rows tested."""


class _Fits:
    """What the fits to all draws share, of ``features`` as they lie."""

    def __init__(self, features: Floats, layout: _Layout) -> None:
        self.features, self.layout = features, layout
        counts = layout.of_folds([rows.stop - rows.start for rows in layout.trained])
        totals = layout.of_folds([features[rows].sum(axis=0) for rows in layout.trained])
        squares = layout.of_folds([features[rows].T @ features[rows] for rows in layout.trained])
        of_folds = zip(layout.tests, counts, totals, squares, strict=True)
        self.folds = [self._fold(*of_fold) for of_fold in of_folds]

    def _fold(self, test: Ints | slice, count: float, total: Floats, squares: Floats) -> _Fold:
        centre = total / count
        gram = squares - count * np.outer(centre, centre)
        varying = np.diag(gram) > VARYING * np.diag(squares)
        spread = np.sqrt(np.diag(gram)[varying] / count)
        standardised = gram[np.ix_(varying, varying)] / np.outer(spread, spread)
        tested = (self.features[test][:, varying] - centre[varying]) / spread
        return _Fold(count, centre, varying, spread, standardised, tested)

    def answers(self, positive: Floats) -> list[Floats]:
        """Answers (draws × tested) of each fold, trained on ``positive`` (draws × N)."""
        trained = self.layout.trained
        products = self.layout.of_folds([self.features[rows].T @ positive[:, rows].T for rows in trained])
        positives = self.layout.of_folds([positive[:, rows].sum(axis=1) for rows in trained])
        return [_answers(*of_fold) for of_fold in zip(self.folds, products, positives, strict=True)]


def _answers(fold: _Fold, products: Floats, positives: Floats) -> Floats:
    """Answers (draws × tested) of one fold, from its features' products with the draws (d × draws)."""
    if not fold.varying.any():
        return np.zeros((len(positives), len(fold.test)))
    penalty = ridge_penalty(len(fold.spread), float(positives.mean() / fold.count))
    factor = scipy.linalg.cho_factor(fold.gram + penalty * np.eye(len(fold.spread)))
    weights = scipy.linalg.cho_solve(
        factor, (products - np.outer(fold.centre, positives))[fold.varying] / fold.spread[:, None]
    )
    answers: Floats = weights.T @ fold.test.T
    return answers.round(ANSWER_DECIMALS, out=answers)


def ridge_penalty(features: int, share: float) -> float:
    """The penalty that makes a ridge regression of 0 and 1 on so many standardised ``features`` like the
    baselines' logistic one (BaselineRecipe) around the ``share`` of the target."""
    return features / BaselineRecipe().prior_variance / max(share * (1 - share), 1e-9)


def _label_ranks(answers: Floats, positive: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Labels in the order of their answers (both draws × tested), and whether answers of a draw are alike, or
    too large to tell."""
    alike = np.abs(answers).max(axis=1) >= LARGEST_ANSWER
    keys = np.rint(np.where(alike[:, None], 0, answers) * 10**ANSWER_DECIMALS).astype(np.int64)
    # As the lowest bit the label comes along when answers are sorted.
    keys = 2 * keys + positive.astype(np.int64)
    keys.sort(axis=1)
    alike |= (keys[:, 1:] >> 1 == keys[:, :-1] >> 1).any(axis=1)
    return (keys & 1).astype(float), alike


def of_rank_sums_by_draw(ranks: Floats, positive: Floats) -> Floats:
    """AUROC of each column of ``ranks`` (midranks, N×B) where the same column of ``positive`` is 1."""
    return _auroc_of_rank_sums((ranks * positive).sum(axis=0), positive.sum(axis=0), len(ranks))


def _auroc_of_rank_sums(sums: Floats, positives: Floats, n: int) -> Floats:
    """AUROC of which the ``positives`` among ``n`` have these ``sums`` of midranks; NaN of one class."""
    with np.errstate(divide="ignore", invalid="ignore"):
        aurocs: Floats = (sums - positives * (positives + 1) / 2) / (positives * (n - positives))
    return aurocs


def doubled_midranks(values: Floats) -> Ints:
    """Twice the midrank of each value among its row (draws × n), a whole number from 2 to 2 n."""
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    places = np.arange(values.shape[1])
    new = np.ones(values.shape, bool)
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=new[:, 1:])
    first = np.maximum.accumulate(np.where(new, places, 0), axis=1)
    ends = np.roll(new, -1, axis=1)
    ends[:, -1] = True
    last = np.minimum.accumulate(np.where(ends, places, places[-1])[:, ::-1], axis=1)[:, ::-1]
    doubled = np.empty(values.shape, np.int64)
    np.put_along_axis(doubled, order, first + last + 2, axis=1)
    return doubled


def folds_of(splits: Sequence[pd.DataFrame], most: int | None = None) -> tuple[TestSet, list[Fold]]:
    """All images of a dataset as one test set, and the rows of each of its ``splits``.

    Of more than ``most`` images whole groups are drawn, or images where groups are large; rows of the others
    are in no fold, and folds of which nothing is left are left out. Rows count in the dataset. Raises
    NullcropError when the splits name different images, or when of a class none is drawn and tested.
    """
    first = splits[0]
    test = TestSet(
        first["target"].to_numpy(np.int64),
        first["group"].to_numpy(str),
        sha256_of_lines(list(first["id"])),
        first["id"].to_numpy(str),
    )
    kept = np.ones(test.n, bool)
    if most is not None and test.n > most:
        order = test.stream("twin").permutation(test.n_units)
        sizes = np.bincount(test.unit)[order]
        if sizes.max() > most / LEAST_GROUPS:
            # Whole groups would be a few of them. The units of errors stay the groups.
            kept = np.isin(np.arange(test.n), test.stream("twin").permutation(test.n)[:most])
        else:
            kept = np.isin(test.unit, order[: np.searchsorted(sizes.cumsum(), most, side="right")])
    folds = []
    for split in splits:
        if list(split["id"]) != list(first["id"]):
            raise NullcropError("the splits name different images: delete them and run again")
        rows = {part: np.flatnonzero((split["part"] == part) & kept) for part in ("train", "test")}
        folds.append(Fold(rows["train"], rows["test"]))
    folds = [fold for fold in folds if len(fold.train) and len(fold.test)]
    if kept.all():
        return test, folds
    tested = np.concatenate([np.zeros(0, np.int64), *(fold.test for fold in folds)])
    lacking = np.setdiff1d(test.target, test.target[tested])
    if len(lacking):
        raise NullcropError(
            f"of target {listed(lacking.tolist())} no image is among those that are read and tested, {most} "
            f"of {test.n}"
        )
    return test, folds


def simultaneous(aurocs: Floats, errors: Floats, level: float) -> tuple[Floats, Floats, Floats]:
    """p corrected over all readers, and their simultaneous bounds, from refits (single-step maxT).

    ``aurocs`` (readers × 1 + draws) are those of the labels as they are, then of each draw; ``errors``
    (readers) those of the first, where they exceed the spread over draws. The lower bound exceeds 0.5
    exactly where p ≤ ``level``; bounds lie in 0 … 1. A reader that says nothing has p = 1 and no width; a
    draw in which a target is not tested says nothing.
    """
    spread = np.nanstd(aurocs[:, 1:], axis=1)
    # Means of several classes' ½ differ from it by rounding.
    spread[spread < ROUNDING] = 0
    width = np.fmax(spread, errors)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = np.nan_to_num((aurocs[:, 1:] - 0.5) / spread[:, None], nan=0, posinf=0, neginf=0)
        observed = np.where(spread > 0, (aurocs[:, 0] - 0.5) / width, 0)
    largest = drawn.max(axis=0)
    half = np.where(spread > 0, critical_value(largest, level) * width, 0)
    low, high = (np.clip(aurocs[:, 0] + sign * half, 0, 1) for sign in (-1, 1))
    return share_reaching(largest, observed), low, high
