"""The live check of the factor c: what refits on permuted labels vary by, on any split."""

import numpy as np
import pandas as pd
import pytest

from nullcrop.basics.errors import NullcropError
from nullcrop.calibration.ridge_twin import null_ratio
from nullcrop.config.detectable import inflation_of_folds
from nullcrop.splits import make_split
from nullcrop.statistics.refits import folds_of


def some_images(n: int, patients: int = 0) -> tuple[pd.DataFrame, "pd.Series[int]"]:
    groups = [f"p{row % patients:03}" if patients else "" for row in range(n)]
    samples = pd.DataFrame({"id": [f"{row:04}" for row in range(n)], "group": groups, "official_split": ""})
    targets = [int((row % patients if patients else row) % 10 < 3) for row in range(n)]
    return samples, pd.Series(targets)


def splits_of(
    table: tuple[pd.DataFrame, "pd.Series[int]"], protocol: str, seeds: range
) -> list[pd.DataFrame]:
    return [make_split(*table, protocol, seed) for seed in seeds]


@pytest.mark.parametrize(("protocol", "folds"), [("crossfit", 10), ("crossfit5", 5)])
def test_on_noise_the_ratio_is_the_factor(protocol: str, folds: int) -> None:
    table, ratios = some_images(400), []
    test, parts = folds_of(splits_of(table, protocol, range(folds)))
    for number in range(4):
        features = np.random.default_rng(number).normal(size=(400, 60))
        ratios.append(null_ratio(features, test, parts, draws=150))
    error = np.mean(ratios) / np.sqrt(2 * 149) / np.sqrt(len(ratios))
    assert np.mean(ratios) == pytest.approx(inflation_of_folds(folds, range(folds)), abs=3.3 * error)


def test_one_fold_needs_no_factor() -> None:
    table = some_images(400)
    test, parts = folds_of(splits_of(table, "crossfit5", range(1)))
    ratio = null_ratio(np.random.default_rng(0).normal(size=(400, 60)), test, parts, draws=200)
    assert ratio == pytest.approx(1, abs=3.3 / np.sqrt(2 * 199))


def test_labels_of_a_patient_move_together() -> None:
    """Images of a patient resemble each other: the spread is that of patients, in both alike."""
    table = some_images(400, patients=80)
    test, parts = folds_of(splits_of(table, "crossfit5", range(5)))
    rng = np.random.default_rng(1)
    features = np.repeat(rng.normal(size=(1, 80, 40)), 5, axis=0).reshape(400, 40)
    ratio = null_ratio(features + 0.3 * rng.normal(size=(400, 40)), test, parts, draws=200)
    assert ratio == pytest.approx(inflation_of_folds(5, range(5)), abs=0.2)


def test_features_that_never_vary_have_no_ratio() -> None:
    test, parts = folds_of(splits_of(some_images(100), "crossfit5", range(5)))
    assert np.isnan(null_ratio(np.ones((100, 3)), test, parts, draws=20))


def test_folds_are_those_of_the_splits_and_large_datasets_are_drawn_by_group() -> None:
    table = some_images(200, patients=40)
    splits = splits_of(table, "crossfit5", range(5))
    test, parts = folds_of(splits)
    assert sorted(np.concatenate([part.test for part in parts]).tolist()) == list(range(200))
    for part, split in zip(parts, splits, strict=True):
        assert part.train.tolist() == np.flatnonzero(split["part"] == "train").tolist()
    test, parts = folds_of(splits, 60)
    kept = np.concatenate([part.test for part in parts])
    assert 50 <= len(kept) <= 60
    # Whole patients.
    assert np.isin(test.group, test.group[kept]).sum() == len(kept)
    again = folds_of(splits, 60)[1]
    assert all((one.train == other.train).all() for one, other in zip(parts, again, strict=True))


def test_splits_of_other_images_are_refused() -> None:
    first, second = (make_split(*some_images(n), "crossfit5", 0) for n in (100, 110))
    with pytest.raises(NullcropError, match="the splits name different images: delete them and run again"):
        folds_of([first, second])
