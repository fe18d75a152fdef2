"""Differences between readers against other libraries, by hand, and by simulation."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, norm, rankdata, t, ttest_ind_from_stats
from sklearn.metrics import roc_auc_score

from nullcrop.config.readers import without_pixels
from nullcrop.statistics.auroc import Estimate, TestSet, estimate_auroc, jackknife_error
from nullcrop.statistics.comparisons import (
    COMPARISON_COLUMNS,
    accuracy_difference,
    auroc_difference,
    compare_cells,
    p_mcnemar,
)
from nullcrop.statistics.crossfit import readings, together

from .finished_cells import a_study, a_test_set, crossfitted, finished, folds_of, scores

WITHOUT_PIXELS = without_pixels()

pytestmark = pytest.mark.filterwarnings(
    "error", "default::ResourceWarning"
)  # what earlier tests left open is not theirs


def reading(test, score, **coordinates):
    (one,) = readings([finished(test, score, **coordinates)])
    return one


def scored(test, score):
    """What auroc_difference takes."""
    return (test, *estimate_auroc(test, score))


def auroc(target, score):
    """From rank sums."""
    m = target.sum()
    return (rankdata(score)[target == 1].sum() - m * (m + 1) / 2) / (m * (len(target) - m))


def of_correct(first, second, group=""):
    """Two readers with the given right (1) and wrong (0) answers to the same images."""
    test = a_test_set(len(first), len(first), group)
    return [reading(test, np.where(np.array(right) == 1, 1.0, -1.0)) for right in (first, second)]


def test_mcnemar_is_the_binomial_test_of_the_discordant():
    first, second = of_correct([1] * 30 + [1] * 9 + [0] * 3 + [0] * 8, [1] * 30 + [0] * 9 + [1] * 3 + [0] * 8)
    assert p_mcnemar(first, second) == pytest.approx(binomtest(3, 12).pvalue)
    assert p_mcnemar(first, first) == 1


def test_accuracy_difference_is_bonett_and_prices():
    first, second = of_correct([1] * 30 + [1] * 9 + [0] * 3 + [0] * 8, [1] * 30 + [0] * 9 + [1] * 3 + [0] * 8)
    found = accuracy_difference(first, second)
    assert found.value == pytest.approx(6 / 50)
    # Their formula: one added to each discordant count, two to n.
    p12, p21 = 10 / 52, 4 / 52
    error = np.sqrt((p12 + p21 - (p12 - p21) ** 2) / 52)
    half = norm.ppf(0.975) * error
    assert (found.low, found.high) == pytest.approx((p12 - p21 - half, p12 - p21 + half), abs=0.008)
    assert found.low < p12 - p21 - half


def test_cells_that_never_differ_are_not_thought_equal_without_error():
    first, second = of_correct([1] * 20, [1] * 20)
    found = accuracy_difference(first, second)
    assert found.value == 0
    assert found.low < -0.05 < 0.05 < found.high


PARTITION = {"images": "", "patients": np.repeat(np.arange(24), 5).astype(str)}


def some_images(name, seed, targets=2):
    """120 images, of patients of one target or not."""
    rng = np.random.default_rng(seed)
    test = a_test_set(120, 40, PARTITION[name])
    if targets == 3:
        test = TestSet(np.repeat(np.arange(24) % 3, 5), test.group, "three", test.image)
    return test, rng


def copied(test):
    """The same images, and not the same object: as if of another split."""
    return TestSet(test.target.copy(), test.group.copy(), "copy", test.image.copy())


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from(sorted(PARTITION)), st.sampled_from([2, 3]), st.floats(1, 1.5))
def test_on_the_same_images_shared_units_give_the_paired_result(seed, name, targets, factor):
    test, rng = some_images(name, seed, targets)
    first = rng.normal(size=120 if targets == 2 else (120, 3))
    second = first + 0.5 * rng.normal(size=first.shape)
    paired = auroc_difference(scored(test, first), scored(test, second), factor)
    through_units = auroc_difference(scored(test, first), scored(copied(test), second), factor)
    assert through_units.value == paired.value
    # The errors are the same; degrees of freedom are Welch's, of few units far from those of the difference.
    (one, influence), (other, influence_of_other) = (estimate_auroc(test, score) for score in (first, second))
    df = jackknife_error(influence - influence_of_other, test.stratum)[1]
    welchs = (one.error**2 + other.error**2) ** 2 / (one.error**4 / one.df + other.error**4 / other.df)
    assert (through_units.high - through_units.low) / t.ppf(0.975, welchs) == pytest.approx(
        (paired.high - paired.low) / t.ppf(0.975, df)
    )
    one, other = reading(test, first), reading(copied(test), second)
    paired, through_units = (
        accuracy_difference(one, reading(test, second), factor),
        accuracy_difference(one, other, factor),
    )
    assert through_units.value == pytest.approx(paired.value)
    # Other images are added than in pairs; taken for independent they would differ by half as much again.
    assert through_units.high - through_units.low == pytest.approx(paired.high - paired.low, rel=0.25)


def test_the_factor_widens_every_interval():
    test = a_test_set()
    first, second = scores(test, 0.7, 0), scores(test, 0.6, 1)
    for other in (test, copied(test), a_test_set(120, 40, name="others")):
        plain, wide = (auroc_difference(scored(test, first), scored(other, second), c) for c in (1, 1.37))
        assert wide.value == plain.value
        assert wide.high - wide.low == pytest.approx(1.37 * (plain.high - plain.low))
        plain, wide = (
            accuracy_difference(reading(test, first), reading(other, second), c) for c in (1, 1.37)
        )
        assert wide.high - wide.low == pytest.approx(1.37 * (plain.high - plain.low))


@pytest.mark.parametrize("name", PARTITION)
def test_the_error_on_overlapping_images_is_the_bootstraps(name):
    """Two readers that agree, tested on 120 images of which 80 are the same: whole units drawn anew."""
    rng = np.random.default_rng(3)
    everything = a_test_set(160, 60, np.repeat(np.arange(32), 5).astype(str) if name == "patients" else "")
    order = np.arange(160).reshape(32, 5)[rng.permutation(32)].ravel()
    patient = rng.normal(size=32).repeat(5) * (name == "patients")
    first = scores(everything, 0.7, 1) + patient
    second = first + 0.6 * rng.normal(size=160)
    rows = [np.sort(order[:120]), np.sort(order[40:])]
    parts = [
        TestSet(everything.target[own], everything.group[own], str(i), everything.image[own])
        for i, own in enumerate(rows)
    ]
    found = auroc_difference(
        *(scored(part, s[own]) for part, own, s in zip(parts, rows, (first, second), strict=True))
    )
    groups = np.char.add("other ", parts[1].group) if name == "patients" else parts[1].group
    others = TestSet(parts[1].target, groups, "others", np.char.add("other ", parts[1].image))
    apart = auroc_difference(scored(parts[0], first[rows[0]]), scored(others, second[rows[1]]))
    unit, differences = everything.unit, []
    stratum = everything.stratum
    for _ in range(400):
        times = np.zeros(everything.n_units, int)
        for one in np.unique(stratum):  # as many units of each class as there are
            inside = np.flatnonzero(stratum == one)
            times[inside] = rng.multinomial(len(inside), np.full(len(inside), 1 / len(inside)))
        drawn = [np.repeat(own, times[unit[own]]) for own in rows]
        values = [
            auroc(everything.target[own], of[own]) for own, of in zip(drawn, (first, second), strict=True)
        ]
        differences.append(values[0] - values[1])
    half = norm.ppf(0.975) * np.std(differences)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.2)
    # Taken for independent it would be far wider.
    assert (apart.high - apart.low) / 2 > 1.3 * half


@pytest.mark.long
@pytest.mark.parametrize("groups", [False, True])
def test_intervals_cover_the_true_difference(groups):
    """20 patients or 120 images, beside the same, half of the same and others: 5 % of the intervals miss."""
    names = ("same", "overlapping", "apart")
    missed = {f"{name} {measure}": 0 for name in names for measure in ("accuracy", "auroc")}
    datasets = 150
    for number in range(datasets):
        rng = np.random.default_rng(number)
        unit = np.repeat(np.arange(50), 6)
        target = (unit % 5 < 2 if groups else np.arange(300) % 5 < 2).astype(np.int64)
        group = unit.astype(str) if groups else np.full(300, "")
        image = np.array([f"{i:03}" for i in range(300)])
        # Of one patient, and of one image, both readers see the same.
        common = (rng.normal(size=50)[unit] if groups else 0) + rng.normal(size=300) + 0.8 * (target - 0.4)

        def read(rows, name, own, target=target, group=group, image=image, rng=rng, common=common):
            test = TestSet(target[rows], group[rows], name, image[rows]) if isinstance(own, str) else own
            return reading(test, common[rows] + 0.5 * rng.normal(size=len(rows)))

        rows = np.arange(120)
        first = read(rows, f"{number}", "")
        for name, second in (
            ("same", read(rows, "", first.test)),
            ("overlapping", read(rows + 60, f"{number} b", "")),
            ("apart", read(rows + 180, f"{number} c", "")),
        ):
            auroc = auroc_difference(*(scored(one.test, one.score) for one in (first, second)))
            accuracy = accuracy_difference(first, second)
            missed[f"{name} auroc"] += not auroc.low <= 0 <= auroc.high
            missed[f"{name} accuracy"] += not accuracy.low <= 0 <= accuracy.high
    most = binom.ppf(0.999, datasets, 0.05)
    assert all(1 <= count <= most for count in missed.values()), missed


def test_every_pair_is_compared_once_with_the_right_partner():
    patients = np.repeat(np.arange(30), 4).astype(str)
    views = ["original", "upper_left", "center"]
    cells = a_study(views, ["vgg16", "mean_rgb"], 0.7, seeds=2, split="random", group=patients)
    cells += a_study(["original"], ["file_facts"], 0.6, seeds=2, split="random", group=patients)
    # The same test sets, as a study's cells have.
    shared = {one.cell.seed: one.answers.test for one in cells if one.cell.architecture == "vgg16"}
    cells = [finished(shared[one.cell.seed], one.answers.score, **coordinates(one)) for one in cells]
    cells += a_study(views, ["vgg16"], 0.6, seeds=2, split="grouped", group=patients)
    cells += a_study(views, ["vgg16"], 0.5, seeds=2, split="random_shuffle1", group=patients)
    table = compare_cells(cells, "whole")
    assert list(table) == COMPARISON_COLUMNS
    counts = table.groupby("comparison").size().to_dict()
    # Crops beside originals: 2 views of vgg16, its grouped twin and mean_rgb; networks beside two baselines;
    # and of the leak the mean of all readers over the corners, too.
    assert counts == {"original": 6, "baseline": 3 * 2, "leak": 3 + 1}
    assert "file_facts" in WITHOUT_PIXELS
    leak = table[table["comparison"] == "leak"]
    assert set(leak["other"]) == {"grouped"}
    assert set(leak["view"]) == {*views, "together"}
    assert not table["split"].str.contains("shuffle").any()
    assert (table["seeds"] == 2).all()
    assert leak["p_mcnemar"].isna().all()
    for score in ("auroc", "accuracy"):
        difference = table[score] - table[f"{score}_other"]
        np.testing.assert_allclose(table[f"{score}_difference"], difference, rtol=0, atol=1e-12)
    # Ranks of several readers give no answer.
    assert (table["accuracy_difference"].isna() == (table["view"] == "together")).all()
    assert (table["auroc_low"] < table["auroc_difference"]).all()
    # The test images of other splits are others here.
    assert set(leak["images"]) == {0}
    assert set(table.loc[table["comparison"] != "leak", "images"]) == {240}


def test_a_leak_is_that_of_all_readers_together_on_pooled_scores():
    """Ten folds blind to patients and ten by patient: the same images, each tested once by either."""
    patients = np.repeat(np.arange(60), 4).astype(str)
    test = a_test_set(240, 96, patients)
    alone = a_test_set(240, 96)
    blind = {
        seed: (rows, TestSet(test.target[rows], patients[rows], part.name, test.image[rows]))
        for seed, (rows, part) in folds_of(alone).items()
    }
    grouped, cells = folds_of(test), []
    for place, (view, name) in enumerate(
        (v, n) for v in ("upper_left", "upper_right") for n in ("vgg16", "lenet5")
    ):
        cells += crossfitted(blind, scores(test, 0.8, place), "tenfold", view=view, architecture=name)
        cells += crossfitted(grouped, scores(test, 0.6, place), "crossfit", view=view, architecture=name)
    table = compare_cells(cells, "whole")
    assert table["comparison"].tolist() == ["leak"] * 5
    assert set(table["images"]) == {240}
    assert table["p_mcnemar"].isna().sum() == 5  # other folds, other networks
    row = table[table["view"] == "together"].iloc[0]
    assert (row["split"], row["other"], row["architecture"]) == ("tenfold", "crossfit", "average")
    every = [
        together([one for one in readings(cells) if one.reader.split == split])
        for split in ("tenfold", "crossfit")
    ]
    assert row["auroc"] == pytest.approx(roc_auc_score(every[0].test.target, every[0].score))
    assert row["auroc_other"] == pytest.approx(roc_auc_score(every[1].test.target, every[1].score))
    assert 0.05 < row["auroc_low"] < row["auroc_difference"] < row["auroc_high"] < 0.4
    assert np.isnan(row["accuracy_difference"])


def test_a_cross_fitted_difference_holds_the_factor():
    test = a_test_set(240, 96)
    parts = folds_of(test)
    cells = crossfitted(parts, scores(test, 0.7, 0))
    cells += crossfitted(parts, scores(test, 0.6, 1), architecture="mean_rgb", recipe="baseline")
    (row,) = compare_cells(cells, "whole").to_dict("records")
    assert (row["comparison"], row["images"], row["seeds"]) == ("baseline", 240, 10)
    first, second = readings(cells)
    found = auroc_difference(*(scored(one.test, one.score) for one in (first, second)), np.sqrt(15 / 8))
    assert (row["auroc_low"], row["auroc_high"]) == pytest.approx((found.low, found.high))
    found = accuracy_difference(first, second, np.sqrt(15 / 8))
    assert (row["accuracy_low"], row["accuracy_high"]) == pytest.approx((found.low, found.high))


def test_mcnemars_test_needs_one_answer_to_each_image():
    test = a_test_set()
    cells = [
        finished(test, scores(test, 0.7, [seed, place]), split="official", view=view, seed=seed)
        for place, view in enumerate(("original", "upper_left"))
        for seed in range(2)
    ]
    (one,) = compare_cells([cell for cell in cells if cell.cell.seed == 0], "whole").to_dict("records")
    (two,) = compare_cells(cells, "whole").to_dict("records")
    assert 0 <= one["p_mcnemar"] <= 1
    assert np.isnan(two["p_mcnemar"])
    assert two["accuracy"] == np.mean(
        [cell.answers.correct.mean() for cell in cells if cell.cell.view == "upper_left"]
    )


@settings(max_examples=40)
@given(
    st.integers(0, 10**6), st.sampled_from(sorted(PARTITION)), st.floats(-1.5, 1.5), st.sampled_from("sco")
)
def test_p_is_two_sided_and_below_five_percent_exactly_where_the_interval_excludes_zero(
    seed, name, effect, beside
):
    """Of the same images, of copies that hold the same units, and of others; either way round."""
    test, rng = some_images(name, seed)
    other = {"s": test, "c": copied(test), "o": a_test_set(120, 40, name="others")}[beside]
    first, second = rng.normal(size=(2, 120)) + [[0], [effect]] * test.target
    one, two = reading(test, first), reading(other, second)
    for difference, pair in (
        (auroc_difference, (scored(test, first), scored(other, second))),
        (accuracy_difference, (one, two)),
    ):
        found, turned = difference(*pair), difference(*pair[::-1])
        assert (found.p < 0.05) == (found.low > 0 or found.high < 0)
        assert 0 <= found.p <= 1
        assert [turned.value, turned.low, turned.high, turned.p] == pytest.approx(
            [-found.value, -found.high, -found.low, found.p]
        )


@given(st.integers(2, 300), st.integers(2, 300), st.floats(0.06, 0.2), st.floats(0.06, 0.2))
def test_others_of_unequal_size_are_compared_as_welch_does(units, other_units, error, other_error):
    first, second = (a_test_set(200, 100, name=name) for name in ("first", "second"))
    # SciPy takes standard deviations, and one more observation than degrees of freedom.
    expected = ttest_ind_from_stats(
        *(0.7, error * np.sqrt(units), units),
        *(0.6, other_error * np.sqrt(other_units), other_units),
        equal_var=False,
    )
    found = auroc_difference(
        (first, Estimate(0.7, error, units - 1), np.zeros(200)),
        (second, Estimate(0.6, other_error, other_units - 1), np.zeros(200)),
    )
    assert found.p == pytest.approx(expected.pvalue)


def test_equal_influences_are_no_equal_scores():
    """All scores apart, and all scores apart the wrong way round: no image matters to either."""
    test = a_test_set(20, 8)
    for other in (test, copied(test)):
        right, wrong = scored(test, test.target * 1.0), scored(other, test.target * -1.0)
        assert np.array_equal(right[2], wrong[2])
        found = auroc_difference(right, wrong)
        assert (found.value, found.p < 0.001) == (1, True)
        # The floor: half a pair out of all, 1 / sqrt(2 m n).
        assert 1 - found.low > 1.96 / np.sqrt(2 * 8 * 12)
        assert 0 < found.low < 1 < found.high


def test_equal_scores_of_equal_images_are_not_known_without_error():
    """In two splits whose test images are the same the covariance takes all of the variance away."""
    test = a_test_set(120, 40)
    score = scores(test, 0.7, 0)
    found = auroc_difference(scored(test, score), scored(copied(test), score))
    floor = 1 / np.sqrt(2 * 40 * 80)
    assert found.value == 0
    assert found.low < -1.96 * floor < 1.96 * floor < found.high


def test_accuracy_difference_of_other_images_is_agresti_and_caffos():
    first, _ = of_correct([1] * 40 + [0] * 10, [0] * 50)
    test = a_test_set(80, 80, name="others")
    second = reading(test, np.where(np.arange(80) < 52, 1.0, -1.0))
    found = accuracy_difference(first, second)
    assert found.value == pytest.approx(40 / 50 - 52 / 80)
    # Their formula: one right and one wrong image added to each.
    one, other = 41 / 52, 53 / 82
    half = norm.ppf(0.975) * np.sqrt(one * (1 - one) / 52 + other * (1 - other) / 82)
    assert (found.low, found.high) == pytest.approx((one - other - half, one - other + half), abs=0.004)
    assert found.low < one - other - half


def test_label_rules_are_compared_apart():
    """Beside cells of another label rule, and of better scores, every row stays as it is."""
    patients = np.repeat(np.arange(30), 4).astype(str)
    of_rules = {
        rule: [
            cell
            for split in ("random", "grouped")
            for cell in a_study(
                ["original", "upper_left"],
                ["vgg16", "mean_rgb"],
                auroc,
                split=split,
                group=patients,
                labels=rule,
            )
        ]
        for rule, auroc in (("printed", 0.6), ("revised", 0.9))
    }
    both = compare_cells([*of_rules["revised"], *of_rules["printed"]], "whole")
    for rule, cells in of_rules.items():
        here = both[both["labels"] == rule].reset_index(drop=True)
        pd.testing.assert_frame_equal(here, compare_cells(cells, "whole"), check_exact=True)


def coordinates(one):
    names = ("dataset", "labels", "split", "view", "architecture", "recipe", "seed")
    return {name: getattr(one.cell, name) for name in names}


def test_a_reader_equals_itself():
    test = a_test_set()
    one = scored(test, scores(test, 0.7, 0))
    found = auroc_difference(one, one)
    assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_nothing_to_compare_is_an_empty_table():
    table = compare_cells([finished(a_test_set(), scores(a_test_set(), 0.7, 0))], "whole")
    assert table.empty
    assert list(table) == COMPARISON_COLUMNS


def test_one_class_compares_accuracies_alone():
    test = a_test_set(20, 20)
    cells = [finished(test, np.arange(20.0) - 9, view=view) for view in ("original", "upper_left")]
    (row,) = compare_cells(cells, "whole").to_dict("records")
    assert row["accuracy_difference"] == 0
    assert np.isnan([row["auroc_difference"], row["p_auroc"]]).all()
