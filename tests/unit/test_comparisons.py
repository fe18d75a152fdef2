"""Differences between cells against other libraries, by hand, and by simulation."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest, norm
from scipy.stats import t as student

from nullcrop.config.readers import without_pixels
from nullcrop.statistics.auroc import TestSet, estimate_auroc
from nullcrop.statistics.comparisons import (
    COMPARISON_COLUMNS,
    compare_cells,
    over_seeds,
    p_mcnemar,
    paired_accuracy,
    paired_auroc,
    unpaired_accuracy,
)

from .finished_cells import a_study, a_test_set, answers, finished, scores

WITHOUT_PIXELS = without_pixels()

pytestmark = pytest.mark.filterwarnings(
    "error", "default::ResourceWarning"
)  # what earlier tests left open is not theirs


def of_correct(first, second, group=""):
    """Two cells' answers with the given right (1) and wrong (0) ones on the same images."""
    test = a_test_set(len(first), len(first), group)
    return [answers(test, np.where(np.array(right) == 1, 1.0, -1.0)) for right in (first, second)]


def test_mcnemar_is_the_binomial_test_of_the_discordant():
    first, second = of_correct([1] * 30 + [1] * 9 + [0] * 3 + [0] * 8, [1] * 30 + [0] * 9 + [1] * 3 + [0] * 8)
    assert p_mcnemar(first, second) == pytest.approx(binomtest(3, 12).pvalue)
    assert p_mcnemar(first, first) == 1


def test_accuracy_difference_is_bonett_and_prices():
    first, second = of_correct([1] * 30 + [1] * 9 + [0] * 3 + [0] * 8, [1] * 30 + [0] * 9 + [1] * 3 + [0] * 8)
    found = paired_accuracy(first, second)
    assert found.value == pytest.approx(6 / 50)
    # Their formula: one added to each discordant count, two to n.
    p12, p21 = 10 / 52, 4 / 52
    error = np.sqrt((p12 + p21 - (p12 - p21) ** 2) / 52)
    half = norm.ppf(0.975) * error
    assert (found.low, found.high) == pytest.approx((p12 - p21 - half, p12 - p21 + half), abs=0.008)
    assert found.low < p12 - p21 - half


def test_cells_that_never_differ_are_not_thought_equal_without_error():
    first, second = of_correct([1] * 20, [1] * 20)
    found = paired_accuracy(first, second)
    assert found.value == 0
    assert found.low < -0.05 < 0.05 < found.high


@pytest.mark.parametrize("groups", [False, True])
def test_intervals_cover_the_true_difference(groups):
    """Three cells on 20 patients or 120 images: what is 95 % must be missed about 5 % of the time."""
    missed = {"accuracy": 0, "auroc": 0, "unpaired": 0}
    for number in range(300):
        rng = np.random.default_rng(number)
        unit = np.repeat(np.arange(20), 6)
        target = (unit % 5 < 2).astype(np.int64) if groups else (np.arange(120) % 5 < 2).astype(np.int64)
        group = unit.astype(str) if groups else np.full(120, "")
        tests = [TestSet(target, group, str(number)), TestSet(target.copy(), group, "other")]

        def score(rng=rng, unit=unit, target=target):
            effect = rng.normal(size=20)[unit] if groups else 0
            return effect + rng.normal(size=120) + 0.8 * (target - 0.4)

        first, second, other = (
            answers(tests[0], score()),
            answers(tests[0], score()),
            answers(tests[1], score()),
        )
        found = {
            "accuracy": paired_accuracy(first, second),
            "auroc": paired_auroc(tests[0], *(estimate_auroc(tests[0], a.score) for a in (first, second))),
            "unpaired": unpaired_accuracy(first, other),
        }
        for name, difference in found.items():
            missed[name] += not difference.low <= 0 <= difference.high
    most = binom.ppf(0.999, 300, 0.05)
    assert all(1 <= count <= most for count in missed.values()), missed


def test_over_seeds_is_nadeau_and_bengios():
    values = [0.10, 0.14, 0.06, 0.13, 0.07]
    found = over_seeds(values, 1 / 8)
    half = student.ppf(0.975, 4) * np.sqrt((1 / 5 + 1 / 8) * np.var(values, ddof=1))
    assert (found.value, found.low, found.high) == pytest.approx((0.10, 0.10 - half, 0.10 + half))


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
    table = compare_cells(cells)
    assert list(table) == COMPARISON_COLUMNS
    single = table[table["seed"].notna()]
    counts = single.groupby("comparison").size().to_dict()
    # Crops beside originals: 2 views × 2 seeds of vgg16, its grouped twin and mean_rgb; networks beside two
    # baselines.
    assert counts == {"original": 12, "baseline": 3 * 2 * 2, "leak": 3 * 2}
    assert "file_facts" in WITHOUT_PIXELS
    assert set(single.loc[single["comparison"] == "leak", "other"]) == {"grouped"}
    assert not table["split"].str.contains("shuffle").any()
    assert single.loc[single["comparison"] == "leak", "p_mcnemar"].isna().all()
    assert single.loc[single["comparison"] != "leak", "p_mcnemar"].notna().all()
    assert (single["auroc"] - single["auroc_other"]).to_numpy() == pytest.approx(
        single["auroc_difference"].to_numpy()
    )
    assert (single["auroc_low"] < single["auroc_difference"]).all()
    over = table[table["seed"].isna()]
    assert (over["seeds"] == 2).all()
    assert len(over) == len(single) / 2
    leak = single[(single["comparison"] == "leak") & (single["view"] == "center")]["auroc_difference"]
    row = over[(over["comparison"] == "leak") & (over["view"] == "center")].iloc[0]
    assert row["auroc_difference"] == pytest.approx(leak.mean())
    assert row["auroc_low"] == pytest.approx(over_seeds(leak.to_numpy(float), 1 / 8).low)


def coordinates(one):
    names = ("dataset", "labels", "split", "view", "architecture", "recipe", "seed")
    return {name: getattr(one.cell, name) for name in names}


def test_a_cell_equals_itself():
    test = a_test_set()
    estimate = estimate_auroc(test, scores(test, 0.7, 0))
    found = paired_auroc(test, estimate, estimate)
    assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_nothing_to_compare_is_an_empty_table():
    table = compare_cells([finished(a_test_set(), scores(a_test_set(), 0.7, 0))])
    assert table.empty
    assert list(table) == COMPARISON_COLUMNS


def test_one_class_compares_accuracies_alone():
    test = a_test_set(20, 20)
    cells = [finished(test, np.arange(20.0) - 9, view=view) for view in ("original", "upper_left")]
    (row,) = compare_cells(cells).to_dict("records")
    assert row["accuracy_difference"] == 0
    assert np.isnan([row["auroc_difference"], row["p_auroc"]]).all()
