"""The AUROC and its uncertainty against published output, other libraries and the definitions themselves."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from MLstatkit import Delong_test
from scipy.stats import brunnermunzel, norm
from sklearn.metrics import roc_auc_score

from nullcrop.basics.errors import NullcropError
from nullcrop.statistics.auroc import TestSet, bootstrap_auroc, delong, estimate_auroc, jackknife_error
from nullcrop.statistics.comparisons import auroc_difference

pytestmark = pytest.mark.filterwarnings(
    "error", "default::ResourceWarning"
)  # what earlier tests left open is not theirs


def grouped(target, group, name=""):
    return TestSet(np.asarray(target, np.int64), np.asarray(group, dtype=str), name)


def ungrouped(target):
    return grouped(target, np.full(len(target), ""))


# Images of up to five groups, with ties; both targets among them.
images = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 4), st.integers(-3, 3)), min_size=4, max_size=20
).filter(lambda rows: {row[0] for row in rows} == {0, 1})


def test_a_test_set_needs_a_group_for_each_target():
    for target, group in (([0, 1, 1], ["a", "b"]), ([[0, 1]], [["a", "b"]])):
        with pytest.raises(
            NullcropError, match="the test: target and group must be columns of the same length"
        ):
            grouped(target, group, "the test")


def test_stata_prints_the_same():
    """Stata's manual, roctab: the 109 CT images of Hanley and McNeil (1982, Radiology 143:29, table 1)."""
    normal, abnormal = [33, 6, 6, 11, 2], [3, 2, 2, 11, 33]
    score = np.r_[np.repeat(range(5), normal), np.repeat(range(5), abnormal)].astype(float)
    target = np.repeat([0, 1], [58, 51])
    estimate, _ = estimate_auroc(ungrouped(target), score)
    assert (round(estimate.value, 4), round(estimate.error, 4)) == (0.8932, 0.0307)
    low, high, _ = delong(target == 1, score)
    assert (round(low, 5), round(high, 5)) == (0.83295, 0.95339)


def obuchowski(target, group, score):
    """AUROC and its variance for clustered data, term by term from section 2 of Obuchowski (1997).

    Where every image is a group of its own, it is the variance of DeLong, DeLong and Clarke-Pearson (1988).
    """
    x, y = score[target == 1], score[target == 0]
    psi = (x[:, None] > y) + (x[:, None] == y) / 2
    theta, m, n = psi.mean(), len(x), len(y)
    names = np.unique(group)
    v10 = [psi.mean(axis=1)[group[target == 1] == name] - theta for name in names]
    v01 = [psi.mean(axis=0)[group[target == 0] == name] - theta for name in names]
    with_x, with_y = sum(len(v) > 0 for v in v10), sum(len(v) > 0 for v in v01)
    s10 = with_x / ((with_x - 1) * m) * sum(v.sum() ** 2 for v in v10)
    s01 = with_y / ((with_y - 1) * n) * sum(v.sum() ** 2 for v in v01)
    s11 = len(names) / (len(names) - 1) * sum(a.sum() * b.sum() for a, b in zip(v10, v01, strict=True))
    return theta, s10 / m + s01 / n + 2 * s11 / (m * n)


@given(images)
def test_error_of_images_is_delongs_and_the_test_brunner_and_munzels(rows):
    target, _, score = np.array(rows).T
    assume(min(np.bincount(target)) >= 2)
    estimate, _ = estimate_auroc(ungrouped(target), score.astype(float))
    auroc, variance = obuchowski(target, np.arange(len(target)), score)
    assert estimate.value == pytest.approx(auroc) == pytest.approx(roc_auc_score(target, score))
    floor = 1 / np.sqrt(2 * np.prod(np.bincount(target)))
    assert estimate.error == pytest.approx(max(np.sqrt(variance), floor))
    assume(variance > floor**2 * 1.001)
    expected = brunnermunzel(score[target == 0], score[target == 1], alternative="less")
    assert estimate.p == pytest.approx(expected.pvalue)


def test_paired_difference_is_mlstatkits():
    rng = np.random.default_rng(4)
    target = rng.permutation(np.repeat([0, 1], [90, 60]))
    first = rng.normal(size=150) + target
    second = first + rng.normal(size=150)
    test = ungrouped(target)
    estimates = [estimate_auroc(test, score) for score in (first, second)]
    found = auroc_difference(*((test, *one) for one in estimates))
    z, _, *_ = Delong_test(target, second, first, return_ci=False, return_auc=False)
    error, _ = jackknife_error(estimates[0][1] - estimates[1][1], test.stratum)
    assert found.value / error == pytest.approx(z)
    # Student's t in place of the normal: a little wider.
    assert norm.ppf(0.975) * error < (found.high - found.low) / 2 < 1.02 * norm.ppf(0.975) * error


@given(images)
@settings(max_examples=60)
def test_influence_is_the_auroc_minus_that_without_the_unit(rows):
    target, group, score = np.array(rows).T
    test = grouped(target, np.where(group == 0, "", group.astype(str)))
    estimate, influence = estimate_auroc(test, score.astype(float))
    assert len(influence) == test.n_units == len(set(group[group > 0])) + (group == 0).sum()
    for unit, value in enumerate(influence):
        rest = test.unit != unit
        if len(set(target[rest])) < 2:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(estimate.value - roc_auc_score(target[rest], score[rest]))


def test_error_of_equal_groups_is_obuchowskis():
    rng = np.random.default_rng(5)
    group = np.repeat(np.arange(20), 6)
    score = rng.normal(size=20)[group] + rng.normal(size=120)
    target = (group < 8).astype(int)
    estimate, _ = estimate_auroc(grouped(target, group), score)
    theta, variance = obuchowski(target, group, score)
    assert (estimate.value, estimate.error**2) == (pytest.approx(theta), pytest.approx(variance))
    # Groups of both targets: the same in the limit; with 200 groups within some percent.
    group = np.repeat(np.arange(200), 6)
    score = rng.normal(size=200)[group] + rng.normal(size=1200)
    target = (rng.random(1200) < rng.random(200)[group]).astype(int)
    estimate, _ = estimate_auroc(grouped(target, group), score)
    theta, variance = obuchowski(target, group, score)
    assert estimate.error**2 == pytest.approx(variance, rel=0.05)
    naive, _ = estimate_auroc(ungrouped(target), score)
    assert estimate.error > 1.2 * naive.error


@given(images)
@settings(max_examples=40)
def test_groups_of_one_image_are_images(rows):
    target, _, score = np.array(rows).T
    test = grouped(target, [f"patient {i}" for i in range(len(target))])
    assert not test.grouped
    first, second = (estimate_auroc(one, score.astype(float))[0] for one in (test, ungrouped(target)))
    assert [first.value, first.error, first.df] == pytest.approx(
        [second.value, second.error, second.df], rel=0, abs=0, nan_ok=True
    )


@given(images, st.booleans())
@settings(max_examples=40)
def test_ranks_alone_matter_and_classes_can_be_exchanged(rows, with_groups):
    target, group, score = np.array(rows).T
    group = group.astype(str) if with_groups else np.full(len(group), "")
    first, _ = estimate_auroc(grouped(target, group), score.astype(float))
    again, _ = estimate_auroc(grouped(target, group), np.exp(score) * 3 - 1)
    turned, _ = estimate_auroc(grouped(1 - target, group), -score.astype(float))
    mirrored, _ = estimate_auroc(grouped(target, group), -score.astype(float))
    for other, value in ((again, first.value), (turned, first.value), (mirrored, 1 - first.value)):
        assert other.value == pytest.approx(value)
        assert [other.error, other.df] == pytest.approx([first.error, first.df], nan_ok=True)


def test_many_classes_average_one_against_the_rest():
    rng = np.random.default_rng(6)
    target = np.arange(90) % 3
    odds = rng.normal(size=(90, 3)) + np.eye(3)[target]
    estimate, influence = estimate_auroc(ungrouped(target), odds)
    each = [estimate_auroc(ungrouped((target == k).astype(int)), odds[:, k]) for k in range(3)]
    assert estimate.value == pytest.approx(np.mean([one.value for one, _ in each]))
    assert influence == pytest.approx(np.mean([one for _, one in each], axis=0))
    low, high = estimate.interval()
    assert low < estimate.value < high
    assert estimate.p < 1e-6


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("zay"), st.booleans()), min_size=1, max_size=20))
def test_units_are_numbered_as_they_come_and_counted_by_target(rows):
    """Groups in any order, images without one between them, targets that do not occur."""
    target = np.array([row[0] for row in rows])
    group = ["" if row[2] else row[1] for row in rows]
    names = [name or place for place, name in enumerate(group)]
    test = grouped(target, group)
    order = list(dict.fromkeys(names))
    assert test.unit.tolist() == [order.index(name) for name in names]
    assert test.n_units == len(order)
    held = {k: {name for name, one in zip(names, target, strict=True) if one == k} for k in set(target)}
    assert test.rarest_units == min(map(len, held.values()))
    mixed = [sum(name in units for units in held.values()) > 1 for name in order]
    assert test.mixed.tolist() == mixed
    assert test.mostly_mixed == (np.mean([mixed[unit] for unit in test.unit]) > 0.5)
    parts = [
        sum(
            np.mean([one == k for name, one in zip(names, target, strict=True) if name == unit])
            for unit in order
        )
        for k in sorted(held)
    ]
    assert test.units_of_targets == pytest.approx(parts)


@pytest.mark.parametrize("elements", [1, 33 * 80, 400 * 80 - 1])
def test_the_size_of_the_pieces_changes_nothing_in_the_bootstrap(elements, monkeypatch):
    rng = np.random.default_rng(7)
    test = grouped((rng.random(80) < 0.4).astype(int), rng.integers(0, 12, 80), "some test set")
    score = rng.normal(size=80)
    whole = bootstrap_auroc(test, score, 400)
    monkeypatch.setattr("nullcrop.statistics.auroc.ELEMENTS_AT_ONCE", elements)
    assert bootstrap_auroc(test, score, 400) == whole


def test_bootstrap_is_resampling_of_groups():
    """The weighted sums against images that are written out as often as their group was drawn."""
    rng = np.random.default_rng(7)
    group = rng.integers(0, 12, 80)
    target = (rng.random(80) < 0.4).astype(int)
    score = rng.integers(0, 9, 80).astype(float)
    test = grouped(target, group, "some test set")
    stream, values = test.stream("bootstrap"), []
    for _ in range(400):
        times = stream.multinomial(12, np.full(12, 1 / 12))
        drawn = np.repeat(np.arange(80), times[test.unit])
        values.append(roc_auc_score(target[drawn], score[drawn]))
    low, high, p = bootstrap_auroc(test, score, 400)
    assert (low, high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))
    assert p == (1 + (np.array(values) <= 0.5).sum()) / 401


# Poor input, one by one


def test_one_class_has_no_auroc():
    estimate, _ = estimate_auroc(ungrouped([1, 1, 1]), np.array([1.0, 2, 3]))
    assert np.isnan([estimate.value, estimate.error, estimate.p, *estimate.interval()]).all()


def test_one_image_of_a_class_has_no_error():
    estimate, _ = estimate_auroc(ungrouped([0, 0, 1]), np.array([1.0, 2, 3]))
    assert estimate.value == 1
    assert np.isnan([estimate.error, estimate.p]).all()


@pytest.mark.parametrize("group", [["a"] * 6, ["a", "b", "c", "d", "d", "d"]])
def test_a_group_that_holds_a_whole_class_has_no_error(group):
    test = grouped([0, 0, 0, 1, 1, 1], group)
    estimate, _ = estimate_auroc(test, np.arange(6.0))
    assert estimate.value == 1
    assert np.isnan([estimate.error, estimate.p]).all()
    assert bootstrap_auroc(test, np.arange(6.0), 50)[0] in (1, pytest.approx(np.nan, nan_ok=True))


def test_equal_scores_know_nothing():
    estimate, _ = estimate_auroc(ungrouped([0, 0, 1, 1]), np.zeros(4))
    assert (estimate.value, estimate.p) == (0.5, 0.5)


def test_parted_classes_are_not_known_without_error():
    target = np.arange(20) < 8
    estimate, _ = estimate_auroc(ungrouped(target.astype(int)), target.astype(float))
    assert estimate.value == 1
    assert estimate.error == pytest.approx(1 / np.sqrt(2 * 8 * 12))
    assert 0 < estimate.p < 0.001
    assert estimate.interval()[0] < 0.9
