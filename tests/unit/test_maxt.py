"""maxT against an independent implementation of the same, exact enumeration, and its own promises."""

import importlib.util
from itertools import permutations
from math import comb
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm, permutation_test
from sklearn.metrics import roc_auc_score

from nullcrop.statistics import maxt as module
from nullcrop.statistics.auroc import TestSet, estimate_auroc, jackknife_error
from nullcrop.statistics.maxt import Draws, drawn_aurocs, drawn_labels, maxt, ranked_aurocs

from .finished_cells import a_test_set, scores

pytestmark = pytest.mark.filterwarnings(
    "error", "default::ResourceWarning"
)  # what earlier tests left open is not theirs

PATIENTS = np.repeat(np.arange(14), 4).astype(str)


def of_patients(target, name="patients"):
    return TestSet(np.asarray(target, np.int64), PATIENTS, name)


def mixed_patients(seed=1):
    rng = np.random.default_rng(seed)
    target = rng.random(56) < np.repeat(rng.random(14), 4)
    target[:2] = [True, False]
    return of_patients(target)


TESTS = {
    "images": a_test_set(56, 20),
    "patients of one class": of_patients(np.repeat(np.arange(14) < 5, 4)),
    "patients of both classes": mixed_patients(),
}


@pytest.mark.parametrize("name", TESTS)
@given(levels=st.integers(1, 60), seed=st.integers(0, 10**6))
@settings(max_examples=15)
def test_each_draw_is_what_estimate_auroc_gives(name, levels, seed):
    """Value and error of every draw, with more ties the fewer ``levels`` there are."""
    test, rng = TESTS[name], np.random.default_rng(seed)
    score = rng.integers(0, levels, test.n).astype(float)
    labels = drawn_labels(test, 12)
    values, errors = drawn_aurocs(Draws(test, labels.T.astype(float)), score)
    for label, value, error in zip(labels, values, errors, strict=True):
        drawn = TestSet(label.astype(np.int64), test.group)
        estimate, influence = estimate_auroc(drawn, score)
        assert value == pytest.approx(estimate.value)
        exact, _ = jackknife_error(influence, drawn.stratum)
        if drawn.mostly_mixed == test.mostly_mixed:
            # Pairs inside a mixed unit are approximated.
            assert error == pytest.approx(
                exact, rel=0.25 if test.mixed.any() else 1e-9, abs=1e-9, nan_ok=True
            )


def auroc(positive, score):
    """Share of pairs of a positive above a negative; ties half."""
    x, y = score[positive], score[~positive]
    return ((x[:, None] > y) + (x[:, None] == y) / 2).mean()


def by_hand(test, all_scores, labels, level):
    """Single-step maxT with loops: t by DeLong's definition, p and bound from the sorted maxima."""

    def delong_error(target, score):
        x, y = score[target == 1], score[target == 0]
        psi = (x[:, None] > y) + (x[:, None] == y) / 2
        return np.sqrt(psi.mean(axis=1).var(ddof=1) / len(x) + psi.mean(axis=0).var(ddof=1) / len(y))

    values = np.array([[auroc(label == 1, score) for label in labels] for score in all_scores])
    errors = np.array([[delong_error(label, score) for label in labels] for score in all_scores])
    errors = np.maximum(errors, values.std(axis=1, keepdims=True))
    t = (values - 0.5) / errors
    maxima = sorted(max(column) for column in t[:, 1:].T)
    p = [(1 + sum(m >= one - 1e-9 for m in maxima)) / len(labels) for one in t[:, 0]]
    critical = maxima[-int(level * len(labels))]
    return values[:, 0], p, values[:, 0] - critical * errors[:, 0]


def test_maxt_is_westfall_and_youngs():
    test = a_test_set(60, 24, name="by hand")
    all_scores = [scores(test, auroc, seed) for seed, auroc in enumerate([0.5, 0.62, 0.7, 0.5])]
    all_scores.append(np.round(all_scores[1]))
    labels = drawn_labels(test, 199)
    assert (labels[0] == test.target).all()
    assert (labels.sum(axis=1) == 24).all()
    found = maxt([(test, score) for score in all_scores], 0.05, 199)
    values, p, bound = by_hand(test, all_scores, labels, 0.05)
    assert found.value == pytest.approx(values)
    assert found.p.tolist() == pytest.approx(p)
    assert found.low == pytest.approx(bound, abs=1e-8)
    assert len(set(p)) > 2


def test_p_of_one_network_is_that_of_all_arrangements():
    test = a_test_set(9, 4)
    score = np.array([3.0, 5, 6, 9, 1, 2, 4, 7, 8])
    rows = {tuple(row) for row in permutations([1] * 4 + [0] * 5)}
    assert len(rows) == comb(9, 4)
    labels = np.array([test.target, *[row for row in rows if row != tuple(test.target)]])
    values, errors = drawn_aurocs(Draws(test, labels.T.astype(float)), score)
    t = (values - 0.5) / np.maximum(errors, values.std())
    exact = (t >= t[0] - 1e-9).mean()
    assert maxt([(test, score)], 0.05, 9999).p[0] == pytest.approx(exact, abs=4 * np.sqrt(exact / 9999))


def test_p_of_many_classes_is_scipys_permutation_p():
    rng = np.random.default_rng(8)
    target = np.arange(24) % 3
    odds = rng.normal(size=(24, 3)) + 0.2 * np.eye(3)[target]
    test = TestSet(target, np.full(24, ""), "three")

    def macro(label):
        return np.mean([auroc(label == k, odds[:, k]) for k in range(3)])

    expected = permutation_test(
        (target,), macro, permutation_type="pairings", alternative="greater", n_resamples=1999, rng=1
    )
    found = maxt([(test, odds)], 0.05)
    assert found.value[0] == pytest.approx(expected.statistic)
    assert found.p[0] == pytest.approx(expected.pvalue, abs=0.04)
    assert 0.01 < expected.pvalue < 0.5


@given(st.integers(0, 10**6), st.sampled_from(sorted(TESTS)), st.sampled_from([0.01, 0.05, 0.1]))
@settings(max_examples=25)
def test_a_bound_above_half_is_a_rejection(seed, name, level):
    test = TESTS[name]
    rng = np.random.default_rng(seed)
    cells = [(test, scores(test, auroc, [seed, i])) for i, auroc in enumerate(rng.uniform(0.4, 0.95, 4))]
    found = maxt(cells, level, 199)
    assert ((found.low > 0.5) == (found.p <= level)).all()
    # Order, and what ranks the same, change nothing; nothing is drawn anew.
    again = maxt([(test, np.exp(score)) for _, score in cells[::-1]], level, 199)
    assert (again.p[::-1] == found.p).all()
    assert again.critical == found.critical
    # One more network cannot make the others more certain.
    more = maxt([*cells, (test, rng.normal(size=test.n))], level, 199)
    assert (more.p[:4] >= found.p).all()


def test_test_sets_are_independent_and_corrected_together():
    first, second = a_test_set(60, 20, name="one"), a_test_set(60, 20, name="two")
    assert (drawn_labels(first, 5)[1:] != drawn_labels(second, 5)[1:]).any()
    score = scores(first, 0.7, 0)
    alone = maxt([(first, score)], 0.05, 499)
    both = maxt([(first, score), (second, scores(second, 0.5, 1))], 0.05, 499)
    assert both.p[0] > alone.p[0]
    assert both.critical > alone.critical


# Step-down, and the factor c


families = st.tuples(
    st.integers(0, 10**6), st.sampled_from(sorted(TESTS)), st.sampled_from([0.01, 0.05, 0.1])
)


def a_family(seed, name, count=5):
    """Members of any size of effect on one test set, and a factor c for each."""
    test, rng = TESTS[name], np.random.default_rng(seed)
    members = [
        (test, scores(test, auroc, [seed, i])) for i, auroc in enumerate(rng.uniform(0.4, 0.95, count))
    ]
    return members, rng.uniform(1, 1.5, count)


@given(families)
@settings(max_examples=20)
def test_step_down_starts_with_single_step_and_only_gains(family):
    seed, name, level = family
    members, factor = a_family(seed, name)
    found = maxt(members, level, 199, factor)
    t = (found.value - 0.5) / (factor * found.error)
    order = np.argsort(-t)
    assert (found.p_stepdown <= found.p).all()
    assert (np.diff(found.p_stepdown[order]) >= 0).all()
    assert found.p_stepdown[order[0]] == found.p[order[0]] == found.p.min()
    # Whether anything is found is the same question either way.
    assert (found.p_stepdown <= level).any() == (found.p <= level).any()
    # By its definition: each member against those that are no clearer, and never below a clearer one.
    alone = [
        maxt([members[i] for i in order[place:]], level, 199, factor[order[place:]]).p[0]
        for place in range(len(order))
    ]
    assert found.p_stepdown[order] == pytest.approx(np.maximum.accumulate(alone))
    one = maxt(members[:1], level, 199, factor[:1])
    assert one.p_stepdown[0] == one.p[0]


@given(families)
@settings(max_examples=20)
def test_the_factor_widens_bounds_and_never_helps(family):
    seed, name, level = family
    members, factor = a_family(seed, name)
    plain, wide = maxt(members, level, 199), maxt(members, level, 199, factor)
    assert ((wide.low > 0.5) == (wide.p <= level)).all()
    assert wide.critical == plain.critical  # draws are not inflated
    assert (wide.value - wide.low) == pytest.approx(factor * (plain.value - plain.low))
    assert (wide.high - wide.value) == pytest.approx(wide.value - wide.low)
    above = plain.value >= 0.5
    assert (wide.p >= plain.p)[above].all()
    assert (wide.p <= plain.p)[~above].all()
    # A factor of 1 is none.
    for one, other in zip(plain.p, maxt(members, level, 199, np.ones(5)).p, strict=True):
        assert one == other


@given(st.integers(0, 10**6), st.integers(1, 30), st.sampled_from(sorted(TESTS)))
@settings(max_examples=6)
def test_aurocs_of_rank_sums_are_scikit_learns(seed, levels, name):
    test, rng = TESTS[name], np.random.default_rng(seed)
    of_three = TestSet(np.arange(test.n) % 3, test.group, "three")
    two = [rng.integers(0, levels, test.n).astype(float) for _ in range(2)]
    labels = drawn_labels(test, 6)
    values = ranked_aurocs(Draws(test, labels.T.astype(float)), two)
    for score, row in zip(two, values, strict=True):
        for label, value in zip(labels, row, strict=True):
            assert value == pytest.approx(roc_auc_score(label, score))
    columns = rng.integers(0, levels, (test.n, 3)).astype(float)
    labels = drawn_labels(of_three, 6)
    (values,) = ranked_aurocs(Draws(of_three, labels.T.astype(float)), [columns])
    for label, value in zip(labels, values, strict=True):
        if len(set(label)) == 3:
            expected = np.mean([roc_auc_score(label == k, columns[:, k]) for k in range(3)])
            assert value == pytest.approx(expected)


@pytest.mark.parametrize("name", TESTS)
def test_a_draw_of_one_target_has_no_auroc(name):
    test = TESTS[name]
    drawn = Draws(test, np.stack([np.zeros(test.n), test.target, np.ones(test.n)], axis=1).astype(float))
    score = np.arange(test.n, dtype=float)
    for values in (drawn_aurocs(drawn, score)[0], ranked_aurocs(drawn, [score])[0]):
        assert np.isnan(values).tolist() == [True, False, True]


@pytest.mark.parametrize("name", TESTS)
def test_of_many_images_the_error_is_that_of_the_permutations_alone(name, monkeypatch):
    test = TESTS[name]
    members = [(test, scores(test, auroc, place)) for place, auroc in enumerate([0.5, 0.6, 0.75])]
    usual = maxt(members, 0.05)
    monkeypatch.setattr(module, "LARGE", 10)
    large = maxt(members, 0.05)
    assert large.value.tolist() == pytest.approx(usual.value)
    assert large.null_error.tolist() == pytest.approx(usual.null_error)
    assert large.error.tolist() == large.null_error.tolist()
    assert (usual.error >= large.error - 1e-12).all()
    # p = share of 2,000 draws; the two statistics differ by little.
    assert large.p == pytest.approx(usual.p, abs=0.05)
    assert ((large.low > 0.5) == (large.p <= 0.05)).all()
    three = TestSet(np.arange(test.n) % 3, test.group, "three")
    columns = np.random.default_rng(0).normal(size=(test.n, 3)) + 0.3 * np.eye(3)[three.target]
    large = maxt([(three, columns)], 0.05, 199)
    monkeypatch.undo()
    assert large.p == pytest.approx(maxt([(three, columns)], 0.05, 199).p, abs=0.05)


def test_the_lower_bound_of_three_targets_covers():
    """Scores far from 0.5 and of different spread in each class: 95 % of the bounds lie below the truth."""
    target, covered, datasets = np.repeat(np.arange(3), [60, 30, 15]), 0, 200
    spread = np.array([1.0, 2.0, 0.5])[target]
    # Column k: 1 more in class k; of two normal scores P(x > y) = Φ(1 / hypot of their spreads).
    sizes, spreads = np.array([60, 30, 15]), np.array([1.0, 2.0, 0.5])
    truth = np.mean(
        [
            np.average(norm.cdf(1 / np.hypot(spreads[k], np.delete(spreads, k))), weights=np.delete(sizes, k))
            for k in range(3)
        ]
    )
    for number in range(datasets):
        rng = np.random.default_rng(number)
        columns = spread[:, None] * rng.normal(size=(105, 3)) + np.eye(3)[target]
        found = maxt([(TestSet(target, np.full(105, ""), str(number)), columns)], 0.05, 99)
        covered += found.low[0] <= truth
    assert truth > 0.7
    assert covered / datasets >= binom.ppf(0.001, datasets, 0.95) / datasets


@pytest.mark.parametrize("elements", [1, 7 * 56, 200 * 56 - 1])
@pytest.mark.parametrize("name", TESTS)
def test_the_size_of_the_pieces_changes_nothing(name, elements, monkeypatch):
    """Members of two and of three targets; pieces of one draw, of seven, and of all but the last."""
    test = TESTS[name]
    three = TestSet(np.arange(test.n) % 3, test.group, "three")
    members = [(test, scores(test, auroc, place)) for place, auroc in enumerate([0.5, 0.7])]
    members.append((three, np.random.default_rng(0).normal(size=(test.n, 3))))
    whole = maxt(members, 0.05, 199)
    widths = []
    draws = module.Draws

    def watched(test, labels):
        widths.append(labels.shape[1])
        return draws(test, labels)

    monkeypatch.setattr(module, "ELEMENTS_AT_ONCE", elements)
    monkeypatch.setattr(module, "Draws", watched)
    pieces = maxt(members, 0.05, 199)
    assert max(widths) == max(1, elements // test.n)
    for column in ("value", "error", "null_error", "p", "p_stepdown", "low", "high", "critical"):
        np.testing.assert_allclose(getattr(pieces, column), getattr(whole, column), rtol=1e-12)


def test_labels_of_a_group_move_together():
    test = TESTS["patients of one class"]
    labels = drawn_labels(test, 200).reshape(201, 14, 4)
    assert (labels == labels[:, :, :1]).all()
    assert (labels[:, :, 0].sum(axis=1) == 5).all()
    assert labels[1:, :, 0].mean(axis=0) == pytest.approx(np.full(14, 5 / 14), abs=0.15)


def test_mixed_groups_exchange_their_shares():
    test = mixed_patients()
    shares = np.array([test.target[test.unit == unit].mean() for unit in range(14)])
    drawn = drawn_labels(test, 2000)[1:].reshape(2000, 14, 4).mean(axis=2)
    assert drawn.mean(axis=0) == pytest.approx(np.full(14, shares.mean()), abs=0.05)
    # A group whose share is 0 or 1 gives it whole.
    assert (drawn == 1).mean() >= (shares == 1).mean()


# Poor input, one by one


def test_constant_scores_never_reject_beside_networks_that_do():
    test = a_test_set()
    found = maxt([(test, np.zeros(test.n)), (test, scores(test, 0.9, 0))], 0.05, 199)
    assert (found.value[0], found.p[0], found.low[0], found.high[0]) == (0.5, 1, 0.5, 0.5)
    assert found.p[1] == 1 / 200


def test_parted_classes_are_found_and_bounded_away_from_one():
    test = a_test_set(20, 8)
    found = maxt([(test, test.target.astype(float))], 0.05, 199)
    assert found.p[0] == 1 / 200
    assert 0.6 < found.low[0] < 0.9


@pytest.mark.parametrize(
    "test",
    [
        a_test_set(5, 5),
        a_test_set(5, 0),
        a_test_set(1, 1),
        a_test_set(9, 1),
        a_test_set(10, 5, group="one for all"),
        TestSet(np.array([1, 1, 1, 0, 0, 0]), np.array(["a", "a", "a", "b", "c", "d"])),
    ],
    ids=["positives", "negatives", "one image", "one positive", "one group", "all positives in a group"],
)
def test_where_nothing_can_be_known_nothing_is_said(test):
    score = np.arange(test.n)[::-1].astype(float)
    found = maxt([(test, score)], 0.05, 99)
    assert np.isnan([found.p[0], found.low[0], found.high[0]]).all()


@pytest.mark.parametrize("large", [10, 1000])
@pytest.mark.parametrize("group", ["", np.repeat(np.arange(40), 3).astype(str)], ids=["images", "patients"])
def test_a_target_of_one_unit_is_not_found_however_many_units_there_are(group, large, monkeypatch):
    """It scores highest, which 1 of 40 or 120 arrangements do: less than 5 %."""
    monkeypatch.setattr(module, "LARGE", large)
    of_one, of_two = (
        a_test_set(120, count * (1 if isinstance(group, str) else 3), group) for count in (1, 2)
    )
    one, two = (maxt([(test, test.target * 1.0)], 0.05, 999) for test in (of_one, of_two))
    assert (of_one.rarest_units, of_two.rarest_units) == (1, 2)
    assert one.value[0] == two.value[0] == 1
    assert np.isnan([one.p[0], one.low[0]]).all()
    assert two.p[0] <= 0.05 < 0.5 < two.low[0]


def test_more_questions_and_a_larger_factor_may_leave_nothing_to_tell():
    test = a_test_set(10, 5)
    members = [(test, scores(test, 0.5, place)) for place in range(12)]
    assert maxt(members[:1], 0.05, 999, [1.37]).can_tell
    assert maxt(members, 0.05, 999).can_tell
    assert not maxt(members, 0.05, 999, [1.37] * 12).can_tell
    # Exactly where the best there is would not be found.
    best = (test, test.target.astype(float))
    for factor in (1.0, 1.37):
        found = maxt([best, *members[1:]], 0.05, 999, [factor] * 12)
        assert (found.p[0] <= 0.05) == found.can_tell


def test_few_groups_cannot_give_a_small_p():
    group = np.repeat(np.arange(5), 10).astype(str)
    test = TestSet((np.arange(50) < 20).astype(np.int64), group)
    found = maxt([(test, test.target.astype(float))], 0.05)
    assert found.p[0] == pytest.approx(1 / comb(5, 2), abs=0.03)
    assert found.low[0] <= 0.5


# Error rates, on a small scale; benchmarks/error_rates.py has the large one


def error_rates():
    path = Path(__file__).parents[2] / "benchmarks" / "error_rates.py"
    spec = importlib.util.spec_from_file_location("error_rates", path)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    return benchmark


@pytest.mark.long
def test_error_rates_are_held_where_the_naive_test_does_not():
    benchmark = error_rates()
    most = binom.ppf(0.999, 80, 0.05) / 80
    for name in ("78 images, 6 positive", "28 patients of one class, 10 images each"):
        rates = benchmark.simulate(benchmark.CASES[name], 80)
        assert rates["maxT"] <= most
        assert rates["by units"] <= most
        assert rates["bound"] <= most
        assert rates["power"] > 0.4
    assert rates["DeLong"] > most, "a bound that the naive test keeps has no power"


@pytest.mark.parametrize("name", TESTS)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_a_two_sided_member_is_the_clearer_of_its_score_and_the_opposite(name, seed):
    """On the same draws |t| is the larger of t of the score and t of the same score turned round."""
    test, rng = TESTS[name], np.random.default_rng(seed)
    score = rng.normal(size=test.n) + rng.normal() * test.target
    both = maxt([(test, score)], 0.05, 199, two_sided=[True])
    turned = maxt([(test, score), (test, -score)], 0.05, 199)
    assert both.p[0] == turned.p.min()
    assert both.critical == pytest.approx(turned.critical)
    assert both.low[0] == pytest.approx(turned.low[0])
    assert both.high[0] == pytest.approx(1 - turned.low[1])
    assert (both.p[0] <= 0.05) == (both.low[0] > 0.5 or both.high[0] < 0.5)
