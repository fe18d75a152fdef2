"""What a study could see, told before it is trained: the same numbers as beside the verdict afterwards."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from nullcrop.config.grid import Grid
from nullcrop.config.models import Project
from nullcrop.statistics.auroc import TestSet
from nullcrop.statistics.reader_table import judge_readers
from nullcrop.status.foresight import foresee, foreseen_lines

from ..conftest import definition_content
from .finished_cells import a_test_set, finished, folds_of, scores

PATIENTS = np.repeat(np.arange(30), 4).astype(str)
SESSIONS = np.tile(["a", "b", "c"], 40)


def a_grid(tmp_path: Path, definition: dict[str, Any], **study: Any) -> Grid:
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(definition_content(**definition)))
    keys = {"title": "Main", "datasets": ["one"], "architectures": ["lenet5"], "recipes": ["scratch"]}
    content = {
        "definitions": [str(tmp_path)],
        "paths": {"results": str(tmp_path / "results")},
        "studies": {"main": {**keys, "views": ["original", "upper_left", "bottom_right"], **study}},
    }
    return Grid(Project(content))


def list_images(tmp_path: Path, test: TestSet) -> None:
    path = tmp_path / "results/datasets/one/samples.csv"
    path.parent.mkdir(parents=True)
    table = pd.DataFrame({"id": test.image, "group": test.group, "official_split": "test"})
    table.assign(**{"class": np.where(test.target == 1, "malignant", "benign")}).to_csv(path, index=False)


def parts_of(split: str, test: TestSet) -> dict[int, tuple[np.ndarray, TestSet]]:
    if split == "official":
        return {seed: (np.arange(test.n), test) for seed in range(3)}
    if split == "leave_one_group_out":
        return {
            seed: (rows, TestSet(test.target[rows], test.group[rows], name, test.image[rows]))
            for seed, name in enumerate("abc")
            for rows in [np.flatnonzero(test.group == name)]
        }
    return folds_of(test, 5 if split == "crossfit5" else 10, 2)


@pytest.mark.parametrize(
    ("split", "seeds", "group"),
    [
        ("crossfit", [0], ""),
        ("crossfit", [0, 1], PATIENTS),
        ("crossfit5", [1], PATIENTS),
        ("tenfold", [0, 3, 4], ""),
        ("official", [0, 1, 2], PATIENTS),
        ("leave_one_group_out", [0, 1, 2], SESSIONS),
    ],
)
def test_what_is_foreseen_is_what_stands_beside_the_verdict(
    tmp_path: Path, split: str, seeds: list[int], group: Any
) -> None:
    grouped = {} if isinstance(group, str) else {"group": "patient"}
    study = {"splits": [split], "seeds": seeds, "baselines": ["mean_rgb", "majority"]}
    grid = a_grid(tmp_path, grouped, **study)
    test = a_test_set(120, 40, group)
    list_images(tmp_path, test)
    parts, cells = parts_of(split, test), []
    for place, cell in enumerate(grid.cells("main")):
        _, part = parts[cell.seed]
        one = finished(part, scores(part, 0.6, place), **asdict(cell))
        cells.append(replace(one, record={**one.record, "n_train": test.n - part.n or test.n}))
    table = judge_readers(cells, "whole", 0.05)
    members = table[(table["role"] == "crop") & table["p_maxt"].notna()]
    seen = foresee(grid, "main", "one")
    assert seen is not None
    # LeNet-5, mean colour and their average on two corners.
    assert (seen.split, seen.members, len(members)) == (split, 6, 6)
    if split == "tenfold":  # three folds hold three tenths of each class up to some images
        assert seen.minimal == pytest.approx(members["minimal"].iloc[0], rel=0.05)
        assert seen.units == 36
    else:
        assert members["minimal"].tolist() == pytest.approx([seen.minimal] * 6)
        assert set(members["units"]) == {seen.units}
    assert seen.can_tell == members["can_tell"].all()
    assert not seen.at_best
    assert (
        f"({split.replace('_', ' ')} split, {seen.units} independent images tested, 6 readers" in seen.words
    )


def test_before_images_are_listed_the_stated_counts_are_taken(tmp_path: Path) -> None:
    counts = {"expected": {"classes": {"benign": 2250, "malignant": 750}}}
    definitions = counts, {**counts, "group": "patient"}
    alone, grouped = (foresee(a_grid(tmp_path, of, splits=["crossfit"]), "main", "one") for of in definitions)
    assert alone is not None
    assert grouped is not None
    # Where nobody counted groups all folds are tested, else as few as suffice.
    assert (grouped.units, grouped.at_best) == (3000, True)
    assert (alone.units < 3000, alone.at_best) == (True, False)
    assert 0.54 < alone.minimal <= 0.55
    assert grouped.words.startswith("at best an AUROC from")
    assert "groups not counted yet" in grouped.words


@pytest.mark.parametrize(("seeds", "tested"), [([0], 600), ([0, 1], 1080)])
def test_a_hold_out_tests_a_fifth_of_the_images(tmp_path: Path, seeds: list[int], tested: int) -> None:
    """A second one tests a fifth of the four fifths that are left, and a fifth of the first anew."""
    counts = {"expected": {"classes": {"benign": 2250, "malignant": 750}}}
    seen = foresee(a_grid(tmp_path, counts, splits=["holdout20"], seeds=seeds), "main", "one")
    assert seen is not None
    assert seen.units == tested


@pytest.mark.parametrize(("rarest", "can_tell"), [(1, False), (2, True)])
def test_a_class_of_one_image_among_many_classes_is_promised_nothing(
    tmp_path: Path, rarest: int, can_tell: bool
) -> None:
    """As its verdict, which cannot tell it from the rest."""
    counts = dict.fromkeys("abcdef", 200) | {"g": rarest}
    keys = {"classes": list(counts), "labels": {"each": {}}, "expected": {"classes": counts}}
    seen = foresee(a_grid(tmp_path, keys, splits=["crossfit"]), "main", "one")
    assert seen is not None
    assert seen.can_tell == can_tell


def test_without_counts_nothing_is_promised(tmp_path: Path) -> None:
    grid = a_grid(tmp_path, {}, splits=["random"])
    assert foreseen_lines(grid) == [
        "the AUROC from which on a cue would be found with a chance of 80%:",
        "  main, one: told once the images are listed",
    ]
    assert foresee(a_grid(tmp_path, {}, views=["original", "center"]), "main", "one") is None


@pytest.mark.parametrize(
    ("n", "positives", "words"),
    [
        (5, 2, "too small for any result to count"),  # 1 of 10 arrangements is the best
        (12, 2, "too small to find anything but an AUROC close to 1"),
        (80, 30, "an AUROC from 0."),
    ],
)
def test_too_few_images_are_said_before_they_cost_an_hour(
    tmp_path: Path, n: int, positives: int, words: str
) -> None:
    grid = a_grid(tmp_path, {}, splits=["official"], views=["upper_left"])
    list_images(tmp_path, a_test_set(n, positives))
    seen = foresee(grid, "main", "one")
    assert seen is not None
    assert seen.words.startswith(words)
