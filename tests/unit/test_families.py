"""What a cell is to the audit, and corrections over a study."""

import numpy as np
import pandas as pd
import pytest

from nullcrop.config.cell import Cell, ReaderOnView
from nullcrop.statistics.families import add_study_corrections, role_of
from nullcrop.statistics.tables import join_metrics, metrics_of_cells, write_table

from .finished_cells import a_study


def cell(view="upper_left", architecture="vgg16", split="random"):
    return Cell("d", "printed", split, view, architecture, "paper", 0)


@pytest.mark.parametrize(
    ("one", "whole", "tile"),
    [
        (cell(), "crop", "crop"),
        (cell(view="center"), "view", "crop"),
        (cell(view="original"), "view", "view"),
        (cell(architecture="timm:vit_tiny"), "crop", "crop"),
        *(
            (cell(architecture=name), "crop", "crop")
            for name in ("mean_rgb", "color_histogram", "raw_pixels")
        ),
        (cell(architecture="color_histogram", view="center"), "view", "crop"),
        (cell(architecture="raw_pixels", view="original"), "view", "view"),
        (cell(view="background_patch"), "view", "view"),
        (cell(view="upper_left.grey"), "view", "view"),
        *(
            (cell(architecture=name, view="original"), "other", "other")
            for name in ("majority", "file_facts")
        ),
        (cell(split="random_shuffle3"), "shuffled", "shuffled"),
        (cell(architecture="mean_rgb", split="grouped_balanced_shuffle12"), "shuffled", "shuffled"),
    ],
)
def test_roles(one, whole, tile):
    for of in (one, ReaderOnView.of(one)):
        assert (role_of(of, "whole"), role_of(of, "tile")) == (whole, tile)


def test_holm_and_benjamini_hochberg_by_hand():
    p = [0.01, 0.04, 0.03, 0.005, np.nan, 0.2, 0.001]
    role = ["crop", "crop", "view", "crop", "crop", "crop", "shuffled"]
    architecture = [*["vgg16"] * 5, "mean_rgb", "vgg16"]
    table = add_study_corrections(pd.DataFrame({"p_auroc": p, "role": role, "architecture": architecture}))
    # Five networks, one of them without a p, which counts and has none.
    assert table["p_holm"].tolist()[:4] == pytest.approx([0.04, 0.09, 0.09, 0.025])
    assert table["p_bh"].tolist()[:4] == pytest.approx([0.025, 0.05, 0.05, 0.025])
    assert table["p_holm"].isna().tolist() == [False, False, False, False, True, False, True]
    assert table["p_holm"][5] == pytest.approx(0.2)


def test_a_studys_table_is_corrected_over_its_datasets(tmp_path):
    paths = []
    for name in ("one", "two"):
        cells = a_study(["original", "upper_left"], ["vgg16"], 0.62, dataset=name)
        paths.append(tmp_path / f"{name}.csv")
        write_table(metrics_of_cells(cells, "whole"), paths[-1])
    join_metrics(paths, tmp_path / "all.csv")
    joined = pd.read_csv(tmp_path / "all.csv")
    assert joined["p_holm"].min() == pytest.approx(4 * joined["p_auroc"].min())
    each = pd.concat([pd.read_csv(path, dtype=str) for path in paths], ignore_index=True)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "all.csv", dtype=str)[list(each)], each)
