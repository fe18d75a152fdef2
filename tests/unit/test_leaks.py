"""Leaks counted by hand: duplicates and groups over classes, over parts, and in the splits used."""

from pathlib import Path

import pandas as pd
import pytest

from nullcrop.basics.errors import NullcropError
from nullcrop.duplicates.leaks import AS_RELEASED, COLUMNS, count_leaks, read_leaks, write_leaks

SAMPLES = pd.DataFrame(
    [
        # Same pixels in one class, in training and in test: leaks into the test part.
        ("a", "benign", "p1", "train"),
        ("b", "benign", "p2", "test"),
        # Same pixels in two classes, both in training; a third image looks like them, in test.
        ("c", "benign", "p3", "train"),
        ("d", "malignant", "p3", "train"),
        ("e", "malignant", "p3", "test"),
        # Alike, in validation and test.
        ("f", "benign", "", "val"),
        ("g", "benign", "", "test"),
        # Alike, one of them in no part.
        ("h", "benign", "p4", "train"),
        ("i", "benign", "p4", ""),
        # Alone.
        ("j", "malignant", "", "test"),
    ],
    columns=["id", "class", "group", "official_split"],
)
DUPLICATES = pd.DataFrame(
    {
        "id": list("abcdefghi"),
        "cluster": [1, 1, 2, 2, 2, 3, 3, 4, 4],
        "pixels_sha256": ["s1", "s1", "s2", "s2", "s3", "s4", "s5", "s6", "s7"],
    }
)


def test_the_release_is_counted_by_its_own_parts() -> None:
    row = count_leaks(SAMPLES, DUPLICATES, []).iloc[0].to_dict()
    assert pd.isna(row.pop("seed"))
    assert row == {
        **{"labels": "", "split": AS_RELEASED, "images": 10, "test_images": 4},
        **{"exact_clusters": 2, "exact_images": 4, "exact_across_classes": 1, "exact_across_parts": 1},
        **{"exact_test_images": 1},
        **{"near_clusters": 4, "near_images": 9, "near_across_classes": 1, "near_across_parts": 3},
        **{"near_test_images": 2, "largest_cluster": 3},
        **{"groups": 4, "groups_across_parts": 1, "group_test_images": 1},
    }


def test_a_split_is_counted_by_its_own_parts_and_without_what_it_leaves_unused() -> None:
    part = dict.fromkeys("abcdefghij", "train") | {"a": "unused", "d": "test", "h": "test", "j": "val"}
    split = pd.DataFrame({"id": list(part), "part": list(part.values())})
    row = count_leaks(SAMPLES, DUPLICATES, [("printed", "random", 3, split)]).iloc[1]
    assert row[["labels", "split", "seed", "images", "test_images"]].tolist() == [
        "printed",
        "random",
        3,
        9,
        2,
    ]
    # With a unused its copy b stands alone; d's copy and h's double are trained on.
    exact = [
        "exact_clusters",
        "exact_images",
        "exact_across_classes",
        "exact_across_parts",
        "exact_test_images",
    ]
    assert row[exact].tolist() == [1, 2, 1, 1, 1]
    near = ["near_clusters", "near_images", "near_across_parts", "near_test_images"]
    assert row[near].tolist() == [3, 7, 2, 2]
    assert row[["groups", "groups_across_parts", "group_test_images"]].tolist() == [3, 2, 2]


def test_nothing_leaks_where_there_is_nothing_double() -> None:
    row = count_leaks(SAMPLES.iloc[[0, 1, 9]], DUPLICATES.iloc[:0], []).iloc[0]
    numbers = [name for name in COLUMNS[5:] if name != "groups"]
    assert (row[numbers] == 0).all()
    assert row["groups"] == 2


def test_the_table_names_its_splits_and_reads_back(tmp_path: Path) -> None:
    paths = [tmp_path / "splits/one/printed/random" / f"seed{seed}.csv" for seed in (0, 12)]
    paths[0].parent.mkdir(parents=True)
    for path in paths:
        SAMPLES.assign(part="train").to_csv(path, index=False)
    write_leaks(SAMPLES, DUPLICATES, paths, tmp_path / "leaks.csv")
    leaks = read_leaks(tmp_path / "leaks.csv")
    assert leaks["split"].tolist() == [AS_RELEASED, "random", "random"]
    assert leaks["labels"].tolist() == ["", "printed", "printed"]
    assert leaks["seed"].tolist() == [pd.NA, 0, 12]
    assert leaks.columns.tolist() == COLUMNS


def test_a_table_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(NullcropError, match=r"cannot read .*leaks\.csv"):
        read_leaks(tmp_path / "leaks.csv")
