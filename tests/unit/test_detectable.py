"""The factor c and the minimal detectable AUROC, against sums, refitted ridge regressions and simulations."""

from itertools import combinations
from math import inf, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, mannwhitneyu, rankdata

from nullcrop.config.detectable import (
    ENOUGH,
    enough_arrangements,
    fewest_folds,
    inflation_of_folds,
    inflation_of_seeds,
    minimal_detectable,
    null_error,
)
from nullcrop.statistics.auroc import TestSet
from nullcrop.statistics.crossfit import readings
from nullcrop.statistics.maxt import maxt

from .finished_cells import a_test_set, crossfitted, folds_of, scores

# The factor c


@pytest.mark.parametrize(("folds", "factor"), [(10, 1.369), (5, 1.291), (3, 1)])
def test_the_factor_of_all_folds(folds, factor):
    assert inflation_of_folds(folds, range(folds)) == pytest.approx(factor, abs=5e-4)
    assert inflation_of_folds(folds, [0]) == inflation_of_folds(folds, [0, 1]) == 1


@given(st.integers(3, 12), st.data())
def test_the_factor_is_the_double_sum_over_tested_folds(folds, data):
    tested = data.draw(st.sets(st.integers(0, folds - 1), min_size=1))
    trained = {i: set(range(folds)) - {i, (i + 1) % folds} for i in tested}
    square = 1 + sum(
        (i in trained[j] and j in trained[i]) / len(trained[i]) for i in tested for j in tested - {i}
    ) / len(tested)
    assert inflation_of_folds(folds, tested) == pytest.approx(sqrt(square))
    # Folds in a circle: which one is the first does not matter.
    assert inflation_of_folds(folds, {(i + 3) % folds for i in tested}) == pytest.approx(sqrt(square))


@given(st.integers(1, 100), st.floats(0.01, 1))
def test_the_factor_of_seeds_grows_to_root_two(seeds, share):
    assert 1 <= inflation_of_seeds(seeds, share) <= inflation_of_seeds(seeds + 1, share) <= sqrt(2)
    assert inflation_of_seeds(1, share) == 1


class Ridge:
    """Ridge regressions of a cross-validation, whose answers are linear in the labels: (N × N) @ labels."""

    def __init__(self, features, parts, folds, penalty=10.0):
        n = len(features)
        self.rows = [rows for rows, _ in parts.values()]
        self.answers = np.zeros((n, n))
        for i, tested in enumerate(self.rows):
            train = np.setdiff1d(np.arange(n), np.concatenate([tested, self.rows[(i + 1) % folds]]))
            centred = features[train] - features[train].mean(axis=0)
            inverse = np.linalg.inv(centred.T @ centred + penalty * len(train) * np.eye(features.shape[1]))
            # Labels centred by the mean of the training part; a constant is nothing to ranks.
            self.answers[np.ix_(tested, train)] = features[tested] @ inverse @ centred.T

    def scores(self, labels):
        return self.answers @ labels

    def ranks(self, labels):
        """Midranks within each fold as shares, N × draws."""
        answers, ranks = self.scores(labels), np.zeros(labels.shape)
        for rows in self.rows:
            ranks[rows] = (rankdata(answers[rows], axis=0) - 0.5) / len(rows)
        return ranks


def aurocs(score, labels):
    """AUROC of each column of ``score`` for the same column of ``labels``, from rank sums."""
    m = labels.sum(axis=0)
    sums = (rankdata(score, axis=0) * labels).sum(axis=0)
    return (sums - m * (m + 1) / 2) / (m * (len(labels) - m))


@pytest.mark.parametrize("folds", [10, 5])
def test_the_factor_is_exact_for_ridge_regressions(folds):
    """Labels permuted and all folds trained anew, against the same labels at fixed scores."""
    factor, draws, ratios, sums = inflation_of_folds(folds, range(folds)), 500, [], []
    for number in range(6):
        rng = np.random.default_rng([folds, number])
        test = a_test_set(500, 150, name=str(number))
        ridge = Ridge(rng.normal(size=(500, 80)), folds_of(test, folds), folds)
        labels = rng.permuted(np.repeat(test.target[:, None], draws, axis=1), axis=0).astype(float)
        refitted = ridge.ranks(labels)
        fixed = np.repeat(ridge.ranks(test.target[:, None]), draws, axis=1)
        ratios.append(aurocs(refitted, labels).std() / aurocs(fixed, labels).std())
        # Of the sum over positives of what is answered without ranks, both variances are known.
        both = (ridge.answers * ridge.answers.T).sum()
        sums.append(sqrt(1 + both / (ridge.answers**2).sum()))
    assert np.mean(sums) == pytest.approx(factor, abs=0.005)
    error = factor * sqrt(2 / (2 * draws) / len(ratios))
    assert np.mean(ratios) == pytest.approx(factor, abs=3.3 * error)


@pytest.mark.long
def test_the_level_is_held_with_ridge_readers_and_lost_without_the_factor():
    """Four views without a cue, ten folds: at a nominal 5 % c = 1 finds something twice as often."""
    datasets, found, without = 100, 0, 0
    for number in range(datasets):
        rng = np.random.default_rng(number)
        target = rng.permutation(np.arange(200) < 70).astype(np.int64)
        test = TestSet(target, np.full(200, ""), str(number), np.array([f"{i:03}" for i in range(200)]))
        parts = folds_of(test)
        cells = [
            cell
            for view in ("upper_left", "upper_right", "bottom_left", "bottom_right")
            for ridge in [Ridge(rng.normal(size=(200, 40)), parts, 10)]
            for cell in crossfitted(parts, ridge.scores(target), view=view)
        ]
        read = readings(cells)
        family = maxt([(one.test, one.score) for one in read], 0.05, 99, [one.inflation for one in read])
        found += family.p.min() <= 0.05
        without += ((family.value - 0.5) / family.error).max() > family.critical
    assert found <= binom.ppf(0.999, datasets, 0.05)
    assert without > 0.1 * datasets


# What could be seen


@pytest.mark.parametrize(("positives", "negatives"), [(1, 4), (3, 5), (4, 4)])
def test_the_null_error_is_that_of_all_arrangements(positives, negatives):
    n = positives + negatives
    every = [
        mannwhitneyu(list(chosen), sorted(set(range(n)) - set(chosen))).statistic / (positives * negatives)
        for chosen in combinations(range(n), positives)
    ]
    assert null_error([negatives, positives]) == pytest.approx(np.std(every))


counts = st.lists(st.floats(1, 5000), min_size=2, max_size=4)


@given(counts, st.integers(1, 60), st.floats(0.01, 0.2), st.floats(1, 1.41), st.randoms())
def test_more_images_and_fewer_questions_let_smaller_effects_be_seen(units, members, level, factor, random):
    least = minimal_detectable(units, members, level, factor)
    assert least > 0.5
    assert minimal_detectable([2 * count for count in units], members, level, factor) < least
    assert minimal_detectable(units, members + 1, level, factor) > least
    assert minimal_detectable(units, members, level / 2, factor) > least
    assert minimal_detectable(units, members, level, 1.1 * factor) > least
    mixed = random.sample(units, len(units))
    assert minimal_detectable(mixed, members, level, factor) == pytest.approx(least)
    assert minimal_detectable([*units, 0], members, level, factor) == inf


def test_nothing_is_seen_of_one_target():
    assert minimal_detectable([100], 1, 0.05) == minimal_detectable([], 1, 0.05) == inf


@pytest.mark.parametrize(("n", "positives", "members"), [(200, 60, 1), (120, 40, 4)])
def test_the_minimal_detectable_effect_is_found_with_eighty_percent(n, positives, members):
    """One member has the effect; the others see nothing."""
    effect, found, datasets = minimal_detectable([n - positives, positives], members, 0.05), 0, 100
    for number in range(datasets):
        test = a_test_set(n, positives, name=str(number))
        levels = [effect, *[0.5] * (members - 1)]
        of = [(test, scores(test, level, [number, i])) for i, level in enumerate(levels)]
        found += maxt(of, 0.05, 199).p[0] <= 0.05
    assert found / datasets == pytest.approx(0.8, abs=0.12)


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 40_000), min_size=2, max_size=3),
    st.sampled_from([5, 10]),
    st.integers(1, 60),
    st.sampled_from([0.01, 0.05]),
)
def test_the_fewest_folds_are_the_first_that_suffice(units, folds, members, level):
    tested = fewest_folds(units, folds, members, level)
    least = [
        minimal_detectable(
            [count * one / folds for count in units], members, level, inflation_of_folds(folds, range(one))
        )
        for one in range(1, folds + 1)
    ]
    enough = [one for one, value in enumerate(least, 1) if value <= ENOUGH]
    assert tested == (enough[0] if enough else folds)


def test_few_images_are_all_tested_and_of_many_one_fold_suffices():
    assert fewest_folds([569, 211], 10, 24, 0.05) == 10
    assert fewest_folds([200_000, 70_000], 10, 24, 0.05) == 1


def test_the_best_of_twenty_arrangements_counts_at_five_percent():
    """Three images a class, also where a share of 30 that should be 3 is a rounding less."""
    assert enough_arrangements([3, 3], 0.05)
    assert enough_arrangements([30 * (1 - 0.9), 30 * (1 - 0.9)], 0.05)
    assert not enough_arrangements([3, 2], 0.05)
