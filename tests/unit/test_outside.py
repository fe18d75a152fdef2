"""P_Est, by hand."""

import pandas as pd
import pytest

from nullcrop.statistics.outside import OUTSIDE_COLUMNS, expected_accuracies, expected_outside


def cells(*rows: tuple[str, str, int, float], split: str = "random") -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["architecture", "view", "seed", "accuracy"])
    return table.assign(labels="printed", split=split, recipe="paper", no_information_rate=0.7)


def test_it_is_what_the_image_adds_to_shuffled_pixels_above_chance() -> None:
    assert expected_outside(0.95, 0.80, 0.5) == pytest.approx(0.65)
    # What is below chance gives nothing away.
    assert expected_outside(0.95, 0.45, 0.5) == 0.95


def test_networks_are_paired_by_split_and_seed() -> None:
    table = cells(
        ("lenet5", "original", 0, 0.90),
        ("lenet5", "original", 1, 0.94),
        ("lenet5", "original", 2, 0.10),
        ("lenet5", "pixel_shuffle", 0, 0.80),
        ("lenet5", "pixel_shuffle", 1, 0.76),
        ("lenet5", "upper_left", 0, 0.70),
        ("vgg16", "original", 0, 0.90),
        ("alexnet", "pixel_shuffle", 0, 0.90),
    )
    found = expected_accuracies(
        pd.concat([table, cells(("vgg16", "pixel_shuffle", 0, 0.8), split="grouped")])
    )
    assert list(found) == OUTSIDE_COLUMNS
    row = found.iloc[0].to_dict()
    assert len(found) == 1
    assert (row["architecture"], row["seeds"]) == ("lenet5", 2)
    assert row["expected"] == pytest.approx(0.92 - 0.78 + 0.7)


def test_it_is_left_out_where_it_is_not_defined() -> None:
    pair = (("lenet5", "original", 0, 0.9), ("lenet5", "pixel_shuffle", 0, 0.8))
    assert expected_accuracies(cells(pair[0])).empty
    assert expected_accuracies(cells(*pair, split="random_shuffle1")).empty
    assert expected_accuracies(cells(pair[0], ("lenet5", "pixel_shuffle", 0, float("nan")))).empty
    assert expected_accuracies(pd.DataFrame()).empty
