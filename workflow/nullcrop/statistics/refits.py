"""Exact nulls of a reader that has a closed form: ridge regressions, refitted on every draw of the labels.

Under a verdict's null labels move at fixed scores, and a factor c allows for labels that were trained on as
well as tested on (config/detectable.py). A ridge regression can be fitted anew to each draw instead, all
draws at a time: what they share is the Gram matrix of the features, and folds that share training images
share its parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.stats import rankdata

from nullcrop.config.recipe import BaselineRecipe
from nullcrop.statistics.auroc import Floats, Ints
from nullcrop.statistics.crossfit import DECIMALS, pooled_score
from nullcrop.statistics.maxt import of_rank_sums

VARYING = 1e-9
"""Share of a feature's squares that its variance in training must exceed, else it does not vary."""

ANSWER_DECIMALS = 10
"""Of answers around 0 … 1: images that are alike get the same one, whatever the order of sums."""

ELEMENTS_AT_ONCE = 8_000_000
"""Answers that are ranked at a time (64 MB)."""


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
    """Ridge regressions of each of ``folds`` to each draw of ``labels`` (draws × N, targets from 0; -1 in no
    row), of whatever features.

    Of more than two targets each is told from the rest, and their AUROCs are averaged.
    """

    def __init__(self, folds: Sequence[Fold], labels: NDArray[np.int8]) -> None:
        self.folds, self.labels = folds, labels
        tests = [fold.test for fold in folds]
        self.tested: Ints = np.unique(np.concatenate(tests))
        """Rows that are tested, in their order."""
        self.once = len(self.tested) == sum(map(len, tests))
        trained = np.zeros((labels.shape[1], len(folds)), bool)
        for column, fold in enumerate(folds):
            trained[fold.train, column] = True
        # Rows that are trained on by the same folds are summed once.
        self._patterns, of_row = np.unique(trained, axis=0, return_inverse=True)
        self._rows = [np.flatnonzero(of_row.ravel() == i) for i in range(len(self._patterns))]
        largest = int(labels.max())
        self.targets = [1] if largest == 1 else np.unique(labels[0]).tolist()

    def fit(self, features: NDArray[np.floating]) -> Refitted:
        """Fit to ``features`` (N×d) and test; where no feature varies, every image has one score."""
        width = max(1, ELEMENTS_AT_ONCE // max(1, len(self.tested)))
        aurocs = np.zeros(len(self.labels))
        first = []
        fits = _Fits(features - features.mean(axis=0), self.folds, self._patterns, self._rows)
        for target in self.targets:
            scores = None
            for at in range(0, len(self.labels), width):
                positive = (self.labels[at : at + width].T == target).astype(float)
                answers = fits.answers(positive)
                of_draws, pooled = self._aurocs(answers, positive)
                aurocs[at : at + width] += of_draws / len(self.targets)
                scores = pooled if scores is None else scores
            first.append(scores)
        return Refitted(aurocs, first[0] if len(first) == 1 else np.stack(first, axis=1))

    def _aurocs(self, answers: Sequence[Floats], positive: Floats) -> tuple[Floats, Floats]:
        """AUROC of the pooled scores in each draw, and the pooled scores of the first."""
        if not self.once:
            score, times = np.zeros((len(positive), positive.shape[1])), np.zeros(len(positive))
            for fold, answer in zip(self.folds, answers, strict=True):
                score[fold.test] += pooled_score(answer.T)
                times[fold.test] += 1
            mean = (score[self.tested] / times[self.tested, None]).round(DECIMALS)
            return of_rank_sums_by_draw(rankdata(mean, axis=0), positive[self.tested]), mean[:, 0]
        # The pooled score of an image is j / (2 n), j = twice its midrank less one among n: of few values.
        sizes = sorted({len(fold.test) for fold in self.folds})
        values = np.unique(np.concatenate([np.arange(1, 2 * n) / (2 * n) for n in sizes]).round(DECIMALS))
        place = {
            n: np.searchsorted(values, (np.arange(2 * n) / (2 * n)).round(DECIMALS)).astype(np.int64)
            for n in sizes
        }
        draws, rows = positive.shape[1], np.concatenate([fold.test for fold in self.folds])
        of = np.concatenate([place[a.shape[1]][doubled_midranks(a) - 1] for a in answers], axis=1)
        flat = of + np.arange(draws)[:, None] * len(values)
        counts = np.bincount(flat.ravel(), minlength=draws * len(values)).reshape(draws, -1)
        midranks = np.cumsum(counts, axis=1) - (counts - 1) / 2
        of_positive = np.take_along_axis(midranks, of, axis=1) * positive[rows].T
        m, n = positive[rows].sum(axis=0), len(rows)
        with np.errstate(divide="ignore", invalid="ignore"):
            aurocs: Floats = (of_positive.sum(axis=1) - m * (m + 1) / 2) / (m * (n - m))
        score = np.zeros(len(positive))
        score[rows] = values[of[0]] - 0.5
        return aurocs, score[self.tested].round(DECIMALS)


class _Fits:
    """What the fits to all draws share: the features' sums over rows that the same folds are trained on."""

    def __init__(
        self, features: Floats, folds: Sequence[Fold], patterns: NDArray[np.bool_], rows: Sequence[Ints]
    ) -> None:
        self.features, self.folds, self.patterns, self.rows = features, folds, patterns, rows
        self.sums = [
            (len(of), features[of].sum(axis=0), features[of].T @ features[of]) if pattern.any() else None
            for of, pattern in zip(rows, patterns, strict=True)
        ]

    def answers(self, positive: Floats) -> list[Floats]:
        """Answers (draws × tested) of each fold, trained on ``positive`` (N × draws)."""
        truth = [
            (self.features[of].T @ positive[of], positive[of].sum(axis=0)) if sums else None
            for of, sums in zip(self.rows, self.sums, strict=True)
        ]
        found = []
        for column, fold in enumerate(self.folds):
            inside = np.flatnonzero(self.patterns[:, column])
            count, total, squares = (sum(of[i] for at in inside if (of := self.sums[at])) for i in range(3))
            products, positives = (sum(of[i] for at in inside if (of := truth[at])) for i in range(2))
            found.append(self._answers_of(fold, count, total, squares, products, positives))
        return found

    def _answers_of(
        self, fold: Fold, count: int, total: Floats, squares: Floats, products: Floats, positives: Floats
    ) -> Floats:
        centre = total / count
        gram = squares - count * np.outer(centre, centre)
        varying = np.diag(gram) > VARYING * np.diag(squares)
        if not varying.any():
            return np.zeros((len(positives), len(fold.test)))
        spread = np.sqrt(np.diag(gram)[varying] / count)
        penalty = ridge_penalty(len(spread), float(positives.mean() / count))
        standardised = gram[np.ix_(varying, varying)] / np.outer(spread, spread)
        factor = cho_factor(standardised + penalty * np.eye(len(spread)))
        weights = cho_solve(factor, (products - np.outer(centre, positives))[varying] / spread[:, None])
        test = (self.features[fold.test][:, varying] - centre[varying]) / spread
        answers: Floats = (weights.T @ test.T).round(ANSWER_DECIMALS)
        return answers


def ridge_penalty(features: int, share: float) -> float:
    """The penalty that makes a ridge regression of 0 and 1 on so many standardised ``features`` like the
    baselines' logistic one (BaselineRecipe) around the ``share`` of the target."""
    return features / BaselineRecipe().prior_variance / max(share * (1 - share), 1e-9)


def of_rank_sums_by_draw(ranks: Floats, positive: Floats) -> Floats:
    """AUROC of each column of ``ranks`` (midranks, N×B) where the same column of ``positive`` is 1."""
    m, n = positive.sum(axis=0), len(ranks)
    with np.errstate(divide="ignore", invalid="ignore"):
        aurocs: Floats = ((ranks * positive).sum(axis=0) - m * (m + 1) / 2) / (m * (n - m))
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
