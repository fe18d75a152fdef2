"""Ridge regressions refitted on every draw of the labels, beside scikit-learn's, one fit at a time."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from nullcrop.basics.errors import NullcropError
from nullcrop.statistics.auroc import TestSet
from nullcrop.statistics.maxt import drawn_labels
from nullcrop.statistics.refits import (
    Fold,
    Refits,
    doubled_midranks,
    folds_of,
    ridge_penalty,
    simultaneous,
)

IMAGES, FEATURES, FOLDS = 151, 7, 5


def a_test_set(targets: int = 2) -> TestSet:
    rng = np.random.default_rng(1)
    group = np.array([f"patient {i // 2}" for i in range(IMAGES)])
    ids = np.array([f"{i:04}" for i in range(IMAGES)])
    return TestSet(np.repeat(rng.integers(0, targets, -(-IMAGES // 2)), 2)[:IMAGES], group, "test", ids)


def crossfit_folds() -> list[Fold]:
    """Folds as of crossfit5: each is tested by the three that are neither it nor the next."""
    parts = np.array_split(np.random.default_rng(2).permutation(IMAGES), FOLDS)
    return [
        Fold(
            np.concatenate([parts[j] for j in range(FOLDS) if j not in (k, (k + 1) % FOLDS)]),
            np.sort(parts[k]),
        )
        for k in range(FOLDS)
    ]


def some_features() -> np.ndarray:
    """Features of different scales; one is constant, one only in training, and some images are alike."""
    rng = np.random.default_rng(3)
    features = rng.normal(40, [1, 5, 20, 1, 3, 1, 9], (IMAGES, FEATURES))
    features[:, 3] = 7
    features[:30] = features[0]
    return features


def by_scikit_learn(features: np.ndarray, folds: list[Fold], positive: np.ndarray, share: float):
    """AUROC of the pooled score of ridge regressions, and that score, one fold at a time."""
    score, times = np.zeros(len(positive)), np.zeros(len(positive))
    for fold in folds:
        train = features[fold.train]
        spread = train.std(axis=0)
        varying = spread > 1e-9
        centre = train.mean(axis=0)
        model = Ridge(alpha=ridge_penalty(int(varying.sum()), share))
        model.fit(((train - centre) / np.where(varying, spread, 1))[:, varying], positive[fold.train])
        test = ((features[fold.test] - centre) / np.where(varying, spread, 1))[:, varying]
        score[fold.test] += (rankdata(model.predict(test).round(9)) - 0.5) / len(fold.test) - 0.5
        times[fold.test] += 1
    tested = times > 0
    pooled = (score[tested] / times[tested]).round(12)
    return roc_auc_score(positive[tested], pooled), pooled


@pytest.mark.parametrize("kind", ["crossfit", "official", "random"])
def test_every_draw_is_scikit_learns_own_fit(kind: str) -> None:
    test, features = a_test_set(), some_features()
    folds = crossfit_folds()
    if kind == "official":
        folds = folds[:1]
    if kind == "random":  # images that several seeds test, and images that none does
        folds = [Fold(fold.train, np.union1d(fold.test, folds[0].test)) for fold in folds[:3]]
        folds = [Fold(np.setdiff1d(fold.train, fold.test), fold.test) for fold in folds]
    labels = drawn_labels(test, 4)
    found = Refits(folds, labels).fit(features)
    for draw, targets in enumerate(labels):
        for fold in folds:
            share = float((labels[:, fold.train] == 1).mean())
        auroc, pooled = by_scikit_learn(features, folds, (targets == 1).astype(float), share)
        if len(folds) == 1:
            assert found.aurocs[draw] == pytest.approx(auroc, abs=1e-12)
        # The penalty of each fold follows its own share of the target.
        assert found.aurocs[draw] == pytest.approx(auroc, abs=0.01)
        if draw == 0 and len(folds) == 1:
            assert found.score == pytest.approx(pooled)


def test_of_three_targets_the_aurocs_of_each_against_the_rest_are_averaged() -> None:
    test, features, folds = a_test_set(3), some_features(), crossfit_folds()[:1]
    labels = drawn_labels(test, 2)
    found = Refits(folds, labels).fit(features)
    assert found.score.shape == (len(folds[0].test), 3)
    for draw, targets in enumerate(labels):
        each = []
        for target in range(3):
            share = float((labels[:, folds[0].train] == target).mean())
            each.append(by_scikit_learn(features, folds, (targets == target).astype(float), share)[0])
        assert found.aurocs[draw] == pytest.approx(np.mean(each), abs=1e-12)


def test_draws_in_pieces_are_the_draws_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    test, features, folds = a_test_set(), some_features(), crossfit_folds()
    labels = drawn_labels(test, 20)
    whole = Refits(folds, labels).fit(features)
    monkeypatch.setattr("nullcrop.statistics.refits.ELEMENTS_AT_ONCE", 7 * IMAGES)
    pieces = Refits(folds, labels).fit(features)
    # The penalty follows the share of the target in the draws that are fitted together.
    assert pieces.aurocs == pytest.approx(whole.aurocs, abs=0.01)


@pytest.mark.parametrize("draws", [1, 7])
def test_draws_ranked_a_few_at_a_time_are_those_ranked_at_once(
    draws: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    test, features, folds = a_test_set(), some_features(), crossfit_folds()
    refits = Refits(folds, drawn_labels(test, 20))
    whole = refits.fit(features)
    monkeypatch.setattr("nullcrop.statistics.refits.ELEMENTS_IN_CACHE", draws * IMAGES)
    pieces = refits.fit(features)
    assert (pieces.aurocs == whole.aurocs).all()
    assert (pieces.score == whole.score).all()


@pytest.mark.parametrize("alike", [False, True])
def test_answers_that_all_differ_are_ranked_as_any_others(
    alike: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = some_features()
    if not alike:
        features[:30] = np.random.default_rng(4).normal(size=(30, FEATURES))
    refits = Refits(crossfit_folds(), drawn_labels(a_test_set(), 20))
    one_by_one, ranked = Refits._aurocs_of_values, []

    def of_values(self: Refits, of: np.ndarray, positive: np.ndarray) -> np.ndarray:
        ranked.append(len(of))
        return one_by_one(self, of, positive)

    monkeypatch.setattr(Refits, "_aurocs_of_values", of_values)
    found = refits.fit(features)
    assert sum(ranked) == (21 if alike else 1)  # of the first draw the scores are asked for as well
    monkeypatch.setattr("nullcrop.statistics.refits.LARGEST_ANSWER", 0.0)
    assert (refits.fit(features).aurocs == found.aurocs).all()


def test_features_that_say_nothing_give_every_image_one_score() -> None:
    found = Refits(crossfit_folds(), drawn_labels(a_test_set(), 5)).fit(np.full((IMAGES, 4), 3.0))
    assert (found.aurocs == 0.5).all()
    assert np.ptp(found.score) < 0.01  # folds of two sizes have two middles at most
    p, low, high = simultaneous(found.aurocs[None], np.array([0.1]), 0.05)
    assert (p[0], low[0], high[0]) == (1, 0.5, 0.5)


@settings(max_examples=50)
@given(st.lists(st.lists(st.integers(0, 4), min_size=6, max_size=6), min_size=1, max_size=5))
def test_midranks_are_scipys(values: list[list[int]]) -> None:
    array = np.array(values, float)
    assert (doubled_midranks(array) == 2 * rankdata(array, axis=1)).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.01, 0.05, 0.2]))
def test_a_bound_exceeds_a_half_exactly_where_p_rejects(seed: int, level: float) -> None:
    rng = np.random.default_rng(seed)
    aurocs = 0.5 + 0.05 * rng.normal(size=(6, 200))
    aurocs[:, 0] += rng.uniform(0, 0.2, 6)
    aurocs[2] = 0.5
    p, low, high = simultaneous(aurocs, rng.uniform(0, 0.08, 6), level)
    assert ((low > 0.5) == (p <= level)).all()
    assert (low <= aurocs[:, 0]).all()
    assert (high >= aurocs[:, 0]).all()


def test_a_draw_in_which_nothing_can_be_tested_says_nothing() -> None:
    aurocs = np.random.default_rng(0).normal(0.5, 0.05, (3, 100))
    aurocs[:, 0], aurocs[:, 5] = 0.9, np.nan
    p, low, _ = simultaneous(aurocs, np.zeros(3), 0.05)
    assert (p == 1 / 100).all()
    assert np.isfinite(low).all()


def test_folds_are_the_rows_of_the_splits_and_other_images_are_refused() -> None:
    split = pd.DataFrame({"id": list("abcd"), "group": "", "target": [0, 1, 0, 1]})
    first = split.assign(part=["train", "val", "test", "train"])
    test, folds = folds_of([first, split.assign(part=["test", "train", "train", "val"])])
    assert test.n == 4
    assert [fold.train.tolist() for fold in folds] == [[0, 3], [1, 2]]
    assert [fold.test.tolist() for fold in folds] == [[2], [0]]
    with pytest.raises(NullcropError, match="name different images"):
        folds_of([first, first.assign(id=list("abce"))])


def by_site(sites: int, images: int, targets: list[int]) -> list[pd.DataFrame]:
    """Splits of which each tests one whole site."""
    table = pd.DataFrame(
        {
            "id": [f"{i:05}" for i in range(sites * images)],
            "group": np.repeat([f"site {i}" for i in range(sites)], images),
            "target": np.resize(targets, sites * images),
        }
    )
    whole = np.repeat(np.arange(sites), images)
    return [table.assign(part=np.where(whole == site, "test", "train")) for site in range(sites)]


@pytest.mark.parametrize("most", [300, 500, 900])
def test_of_a_few_large_groups_images_are_drawn_and_every_fold_stays(most: int) -> None:
    test, folds = folds_of(by_site(5, 400, [0, 1]), most)
    assert len(folds) == 5
    assert sum(len(fold.test) for fold in folds) == most
    for fold in folds:
        assert len(np.unique(test.unit[fold.test])) == 1
        assert not np.isin(test.unit[fold.train], test.unit[fold.test]).any()


@pytest.mark.parametrize(("images", "whole"), [(10, True), (11, False)])
def test_whole_groups_are_drawn_where_ten_of_them_can_be_read(images: int, whole: bool) -> None:
    test, folds = folds_of(by_site(40, images, [0, 1]), 100)
    read = np.unique(np.concatenate([rows for fold in folds for rows in (fold.train, fold.test)]))
    assert len(read) == 100
    counts = np.bincount(test.unit[read])
    assert (set(counts[counts > 0]) == {images}) == whole


def test_a_class_of_which_no_image_is_drawn_is_named() -> None:
    splits = by_site(5, 400, [0, 1])
    rare = [split.assign(target=np.where(split["id"] == "00000", 2, split["target"])) for split in splits]
    with pytest.raises(NullcropError, match="of target 2 no image is among those that are read and tested"):
        folds_of(rare, 100)


def test_a_reader_that_says_nothing_of_seven_classes_has_no_width() -> None:
    none = np.zeros(100)
    for _ in range(7):
        none += np.full(100, 0.5) / 7
    assert none[0] != 0.5, "rounding is what this is about"
    p, low, high = simultaneous(np.stack([none + 1e-17 * np.arange(100), none]), np.zeros(2), 0.05)
    assert p.tolist() == [1, 1]
    assert (low == high).all()


def test_a_reader_that_says_the_same_in_every_draw_changes_nothing_for_others():
    rng = np.random.default_rng(0)
    one = np.array([0.52, *rng.normal(0.5, 0.05, 99)])
    same = np.repeat([[0.5], [0.4], [0.6]], 100, axis=1)
    alone = simultaneous(one[None], np.zeros(1), 0.05)
    together = simultaneous(np.vstack([one, same]), np.zeros(4), 0.05)
    for among, by_itself in zip(together, alone, strict=True):
        assert among[0] == by_itself[0]
    p, low, high = together
    assert 0.2 < p[0] < 0.5
    assert p[1:].tolist() == [1, 1, 1]
    assert low[1:].tolist() == high[1:].tolist() == [0.5, 0.4, 0.6]
