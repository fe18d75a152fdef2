"""Scores of seeds and folds put together: what must not change, and what is found that single folds miss."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from nullcrop.basics.errors import NullcropError
from nullcrop.config.views import study_crops
from nullcrop.statistics.auroc import TestSet, estimate_auroc
from nullcrop.statistics.crossfit import averages, inflation, mean_of, readings, tied, together
from nullcrop.statistics.maxt import maxt

from .finished_cells import a_study, a_test_set, crossfitted, finished, folds_of, scores

PATIENTS = np.repeat(np.arange(40), 3).astype(str)
TESTS = {
    "images": a_test_set(120, 40),
    "patients": a_test_set(120, 40, PATIENTS),
    "a few patients, the rest alone": a_test_set(120, 40, np.where(np.arange(120) < 60, PATIENTS, "")),
}


def the_reading(cells):
    (one,) = readings(cells)
    return one


def some_scores(test, seed, levels, targets=2):
    """Scores with the more ties the fewer ``levels`` there are; a column a target if there are three."""
    rng = np.random.default_rng(seed)
    shape = test.n if targets == 2 else (test.n, targets)
    return rng.integers(0, levels, shape) / 7 + 0.3 * rng.normal()


def of_three_targets(test):
    return replace(test, target=np.arange(test.n) % 3)


# One cell: nothing changes


@settings(max_examples=20)
@given(st.sampled_from(sorted(TESTS)), st.integers(0, 10**6), st.integers(1, 400), st.sampled_from([2, 3]))
def test_one_cell_is_judged_as_its_raw_scores_bit_for_bit(name, seed, levels, targets):
    test = TESTS[name] if targets == 2 else of_three_targets(TESTS[name])
    score = some_scores(test, seed, levels, targets)
    one = the_reading([finished(test, score)])
    assert (one.test, one.inflation) == (test, 1)
    raw, pooled = (maxt([(test, of)], 0.05, 99) for of in (score, one.score))
    for field in ("value", "error", "null_error", "p", "p_stepdown", "low", "high"):
        np.testing.assert_array_equal(getattr(raw, field), getattr(pooled, field), field)
    assert raw.critical == pooled.critical
    (first, influence), (second, again) = estimate_auroc(test, score), estimate_auroc(test, one.score)
    assert repr(first) == repr(second)
    np.testing.assert_array_equal(influence, again)


# Several parts


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(2, 300), st.sampled_from(sorted(TESTS)))
def test_monotone_transforms_of_each_fold_change_nothing(seed, levels, name):
    test = TESTS[name]
    parts, score, rng = folds_of(test, 5), some_scores(test, seed, levels), np.random.default_rng(seed)
    slopes, shifts = rng.uniform(0.1, 5, 5), rng.normal(0, 100, 5)
    plain = the_reading(crossfitted(parts, score, "crossfit5"))
    transformed = the_reading(
        crossfitted(parts, lambda fold: slopes[fold] * np.exp(score) + shifts[fold], "crossfit5")
    )
    np.testing.assert_array_equal(plain.score, transformed.score)


@settings(max_examples=20)
@given(
    st.integers(0, 10**6), st.sampled_from(sorted(TESTS)), st.sampled_from([1, 2]), st.sampled_from([5, 10])
)
def test_the_pooled_test_set_is_every_image_once(seed, name, partitions, folds):
    test, rng = TESTS[name], np.random.default_rng(seed)
    score = rng.normal(size=test.n)
    order = rng.permutation(folds * partitions)
    parts = list(folds_of(test, folds, partitions).items())
    one = the_reading(crossfitted(dict(parts[i] for i in order), score, f"crossfit{5 if folds == 5 else ''}"))
    assert one.test.image.tolist() == test.image.tolist()
    assert (one.test.target == test.target).all()
    assert (one.test.group == test.group).all()
    assert one.test.n_units == test.n_units
    assert one.correct.tolist() == ((score > 0) == test.target).tolist()
    assert sorted(one.seeds) == list(range(folds * partitions))
    assert np.abs(one.score).max() < 0.5


def test_ranks_are_taken_within_each_fold_and_ties_share():
    test = a_test_set(8, 3)
    rows = np.arange(4), np.arange(4, 8)
    parts = {
        seed: (own, TestSet(test.target[own], test.group[own], str(seed), test.image[own]))
        for seed, own in enumerate(rows)
    }
    one = the_reading(crossfitted(parts, np.array([5.0, 7, 7, 9, -3, -2, -1, 0]), "crossfit5"))
    assert one.score.tolist() == [-0.375, 0, 0, 0.375, -0.375, -0.125, 0.125, 0.375]


def test_a_constant_fold_is_exactly_nothing():
    test = TESTS["images"]
    parts, score = folds_of(test), scores(test, 0.8, 0)
    one = the_reading(crossfitted(parts, lambda seed: score * (seed != 3) + 0.1))
    assert set(one.score[parts[3][0]]) == {0}
    assert (one.score[parts[4][0]] != 0).any()


def test_partitions_are_averaged():
    test = TESTS["patients"]
    cells = crossfitted(folds_of(test, 10, 2), lambda seed: scores(test, 0.7, seed // 10))
    both = the_reading(cells)
    each = [the_reading([one for one in cells if one.cell.seed // 10 == partition]) for partition in (0, 1)]
    np.testing.assert_allclose(both.score, (each[0].score + each[1].score) / 2, atol=2e-12)
    assert (each[0].score != each[1].score).any()
    assert both.correct.tolist() == ((each[0].correct + each[1].correct) / 2).tolist()


def test_columns_of_several_targets_are_ranked_one_by_one():
    test = of_three_targets(TESTS["images"])
    parts, score = folds_of(test), np.random.default_rng(0).normal(size=(120, 3))
    many = the_reading(crossfitted(parts, score))
    for k in range(3):
        assert many.score[:, k].tolist() == the_reading(crossfitted(parts, score[:, k])).score.tolist()
    expected = np.mean(
        [
            estimate_auroc(replace(test, target=1 * (test.target == k)), many.score[:, k])[0].value
            for k in range(3)
        ]
    )
    assert estimate_auroc(many.test, many.score)[0].value == pytest.approx(expected)


def test_a_group_left_out_is_ranked_by_itself_and_its_images_are_the_units():
    sessions = np.repeat(["a", "b", "c"], 40)
    test = a_test_set(120, 120, sessions)
    test = replace(test, target=np.arange(120) % 2)
    parts = {
        seed: (rows, TestSet(test.target[rows], test.group[rows], name, test.image[rows]))
        for seed, name in enumerate("abc")
        for rows in [np.flatnonzero(sessions == name)]
    }
    # Sessions differ more than classes do; that must not matter.
    score = scores(test, 0.8, 0) + 100 * np.repeat([1, 3, 2], 40)
    one = the_reading(crossfitted(parts, score, "leave_one_group_out"))
    assert (one.test.n, one.test.n_units, one.test.grouped) == (120, 120, False)
    assert estimate_auroc(one.test, one.score)[0].value == pytest.approx(0.8, abs=0.1)
    assert maxt([(one.test, one.score)], 0.05, 199).p[0] == 1 / 200
    alone = the_reading(crossfitted({1: parts[1]}, score, "leave_one_group_out"))
    assert alone.test.n_units == 40


def test_random_seeds_are_averaged_on_all_images_that_any_of_them_tested():
    test = a_test_set(60, 20)
    rng, parts = np.random.default_rng(0), {}
    for seed in range(3):
        rows = np.sort(rng.choice(60, 30, replace=False))
        parts[seed] = (rows, TestSet(test.target[rows], test.group[rows], str(seed), test.image[rows]))
    one = the_reading(crossfitted(parts, lambda seed: scores(test, 0.7, seed), "random"))
    tested = np.unique(np.concatenate([rows for rows, _ in parts.values()]))
    assert one.test.image.tolist() == test.image[tested].tolist()
    assert (one.test.target == test.target[tested]).all()
    alone = {
        seed: dict(zip(part.image, the_reading([cell]).score, strict=True))
        for (seed, (_, part)), cell in zip(
            parts.items(), crossfitted(parts, lambda seed: scores(test, 0.7, seed), "random"), strict=True
        )
    }
    for image, score in zip(one.test.image, one.score, strict=True):
        assert score == pytest.approx(np.mean([of[image] for of in alone.values() if image in of]))


def test_test_parts_without_ids_cannot_be_put_together():
    parts = folds_of(a_test_set(60, 20))
    nameless = {seed: (rows, replace(part, image=None)) for seed, (rows, part) in parts.items()}
    with pytest.raises(NullcropError, match="without ids of their images cannot be put together"):
        readings(crossfitted(nameless, np.zeros(60)))


@pytest.mark.parametrize(
    ("split", "seeds", "factor"),
    [
        ("random", [4], 1),
        ("official", range(5), 1),
        ("official_balanced", range(5), 1),
        ("crossfit", [7], 1),
        ("crossfit", range(10), np.sqrt(15 / 8)),
        ("crossfit_balanced", range(20, 30), np.sqrt(15 / 8)),
        ("tenfold", range(10), np.sqrt(15 / 8)),
        ("crossfit5", range(5, 10), np.sqrt(5 / 3)),
        ("crossfit", [0, 1], 1),  # each is watched or tested by the other's network
        ("crossfit", [0, 2], np.sqrt(1 + 1 / 8)),
        ("crossfit", [0, 10], np.sqrt(2)),
        ("random", range(3), np.sqrt(1 + 2 / 8)),
        ("grouped", range(50), np.sqrt(2)),
    ],
)
def test_the_factor_of_a_split(split, seeds, factor):
    assert inflation(split, list(seeds), 1 / 8) == pytest.approx(factor)


# Readers together


def test_a_reading_says_what_its_cells_were():
    """Eight times as many images trained on as tested, and one cell that answers with one class."""
    cells = a_study(["upper_left"], ["vgg16"], 0.7, seeds=3)
    test = cells[1].answers.test
    cells[1] = finished(test, scores(test, 0.7, 0) - 100, seed=1)
    for record in (one.record for one in cells):
        assert record["n_train"] == 8 * record["n_test"] == 8 * record["n_val"]
    (found,) = readings(cells)
    # After Nadeau and Bengio: 1 + (J - 1) · n_test / n_train.
    assert found.inflation == pytest.approx(np.sqrt(1 + 2 / 8))
    assert (found.trained, found.constant, found.seeds) == (960, 1, (0, 1, 2))
    watched_more = [replace(one, record={**one.record, "n_val": 5}) for one in cells]
    assert readings(watched_more)[0].inflation == found.inflation
    surer = replace(found, inflation=1.1)
    assert mean_of([found, surer]).inflation == mean_of([surer, found]).inflation == found.inflation


def test_the_average_of_a_view_and_that_of_all_views():
    views = ["upper_left", "upper_right"]
    cells = a_study(views, ["vgg16", "lenet5", "mean_rgb"], 0.7, split="official", seeds=2)
    shared = [cells[0].answers.test] * len(cells)
    cells = [
        finished(test, one.answers.score, **{name: getattr(one.cell, name) for name in COORDINATES})
        for test, one in zip(shared, cells, strict=True)
    ]
    found = readings(cells)
    assert [len(one.seeds) for one in found] == [2] * 6
    means = averages(found)
    assert [(one.reader.view, one.reader.architecture) for one in means] == [(v, "average") for v in views]
    for one in means:
        own = [other.score for other in found if other.reader.view == one.reader.view]
        np.testing.assert_allclose(one.score, np.mean(own, axis=0), atol=1e-10)
        assert np.isnan(one.correct).all()
    every = together(found)
    assert (every.reader.view, every.reader.architecture) == ("together", "average")
    np.testing.assert_allclose(every.score, np.mean([one.score for one in found], axis=0), atol=1e-10)
    assert not averages(found[:1])
    np.testing.assert_allclose(mean_of(found[:1]).score, found[0].score, atol=1e-10)


@given(st.integers(0, 10**6), st.integers(5, 80), st.integers(2, 7), st.sampled_from([1, 2, 3]))
def test_images_of_the_same_mean_rank_are_tied_in_the_average(seed, n, readers, cells):
    """Against sums of whole numbers: twice the midranks."""
    rng = np.random.default_rng(seed)
    test = a_test_set(n, n // 2)
    names = ["vgg16", "lenet5", "resnet50", "densenet121", "mean_rgb", "raw_pixels", "color_histogram"]
    said = rng.integers(0, n, (readers, cells, n)).astype(float)
    found = readings(
        [
            finished(test, said[reader, cell], architecture=names[reader], split="official", seed=cell)
            for reader in range(readers)
            for cell in range(cells)
        ]
    )
    exact = (2 * rankdata(said, axis=2)).round().astype(int).sum((0, 1))
    np.testing.assert_array_equal(rankdata(mean_of(found).score), rankdata(exact))


@pytest.mark.parametrize(("n", "readers"), [(1024, 7), (4000, 7), (8000, 4), (10007, 2)])
def test_ties_of_many_images_stay_ties_wherever_their_mean_lies(n, readers):
    """Many means lie beside a boundary of whatever they could be rounded to."""
    ranks = np.stack([np.random.default_rng(reader).permutation(n) for reader in range(readers)])
    scores = ((ranks + 0.5) / n - 0.5).round(12)
    np.testing.assert_array_equal(rankdata(tied(scores.mean(0))), rankdata(ranks.sum(0)))


COORDINATES = ("split", "view", "architecture", "recipe", "seed")


def test_together_are_the_readings_of_the_most_images():
    large, small = a_test_set(100, 40, name="a"), a_test_set(60, 20, name="b")
    cells = [finished(small, scores(small, 0.7, 0), view="upper_left")]
    cells += [finished(large, scores(large, 0.7, 0), view="upper_right")]
    assert together(readings(cells)).test is large


# What it is for


def test_a_cue_of_060_in_every_corner_is_found_that_single_folds_miss():
    """780 images, 27 % positive, ten folds and four corners: what is put together is found in every corner,
    of the 40 networks one by one hardly any is."""
    corners, pooled, single = [view for view in study_crops() if view != "center"], [], []
    for number in range(6):
        test = a_test_set(780, 211, name=str(number))
        parts = folds_of(test)
        cells = [
            cell
            for place, view in enumerate(corners)
            for cell in crossfitted(parts, scores(test, 0.6, [number, place]), view=view)
        ]
        found = readings(cells)
        family = maxt([(one.test, one.score) for one in found], 0.05, 199, [one.inflation for one in found])
        pooled.append(family.p_stepdown <= 0.05)
        alone = maxt([(one.answers.test, one.answers.score) for one in cells], 0.05, 199)
        single.append(alone.p_stepdown <= 0.05)
    assert np.any(pooled, axis=1).all()
    assert np.mean(pooled) > 0.75
    assert np.mean(single) < 0.05


def test_the_quoted_effect_is_nobodys_luck():
    """Without any cue the largest of twelve cells lies far above 0.5, all readers together do not."""
    quoted, best = [], []
    for number in range(40):
        test = a_test_set(80, 22, name=str(number))
        cells = [
            finished(
                test, scores(test, 0.5, [number, place, of]), split="official", view=view, architecture=name
            )
            for place, view in enumerate(("upper_left", "upper_right", "bottom_left", "bottom_right"))
            for of, name in enumerate(("vgg16", "lenet5", "resnet50"))
        ]
        found = readings(cells)
        every = together(found)
        quoted.append(estimate_auroc(test, every.score)[0].value)
        best.append(max(estimate_auroc(test, one.score)[0].value for one in found))
    error = np.std(quoted) / np.sqrt(len(quoted))
    assert abs(np.mean(quoted) - 0.5) < 3.3 * error
    assert np.mean(best) > 0.58
