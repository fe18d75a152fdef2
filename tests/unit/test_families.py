"""Which cells are tested together, corrections over a study, and shuffled controls."""

import numpy as np
import pandas as pd
import pytest

from nullcrop.config.cell import Cell
from nullcrop.config.views import study_crops, views_made_always
from nullcrop.statistics.families import add_study_corrections, role_of
from nullcrop.statistics.maxt import maxt
from nullcrop.statistics.tables import join_metrics, metrics_of_cells, write_table

from .finished_cells import a_study, a_test_set, finished, scores

CROPS = tuple(study_crops())
VIEWS = tuple(views_made_always())


def cell(view="upper_left", architecture="vgg16", split="random"):
    return Cell("d", "printed", split, view, architecture, "paper", 0)


@pytest.mark.parametrize(
    ("one", "whole", "tile"),
    [
        (cell(), "crop", "crop"),
        (cell(view="center"), "view", "crop"),
        (cell(view="original"), "view", "view"),
        (cell(architecture="mean_rgb"), "baseline", "baseline"),
        (cell(split="random_shuffle3"), "shuffled", "shuffled"),
        (cell(architecture="mean_rgb", split="grouped_balanced_shuffle12"), "shuffled", "shuffled"),
    ],
)
def test_roles(one, whole, tile):
    assert (role_of(one, "whole"), role_of(one, "tile")) == (whole, tile)


def test_families_are_corrected_apart():
    cells = a_study(VIEWS, ["vgg16"], 0.6, seeds=2) + a_study(VIEWS, ["mean_rgb"], 0.6, seeds=2)
    cells += a_study(VIEWS, ["vgg16"], 0.6, split="grouped")
    table = metrics_of_cells(cells, "whole", 0.05)
    crops = [i for i, one in enumerate(cells) if one.cell.view in set(CROPS) - {"center"}]
    expected = [i for i in crops if (cells[i].cell.split, cells[i].cell.architecture) == ("random", "vgg16")]
    assert table.index[(table["role"] == "crop") & (table["split"] == "random")].tolist() == expected
    family = maxt([(cells[i].answers.test, cells[i].answers.score) for i in expected], 0.05)
    assert table.loc[expected, "p_maxt"].tolist() == family.p.tolist()
    assert table.loc[expected, "auroc_bound"].tolist() == family.bound.tolist()
    assert (table["p_maxt"] >= 1 / 2000).all()


def test_shuffled_controls_give_a_p_and_join_no_family():
    test = a_test_set()
    cells = [finished(test, scores(test, 0.75, 0))]
    cells += [finished(test, scores(test, 0.5, k), split=f"random_shuffle{k}") for k in range(1, 5)]
    cells.append(finished(test, scores(test, 0.99, 9), split="random_shuffle5"))
    table = metrics_of_cells(cells, "whole", 0.05)
    assert table["role"].tolist() == ["crop"] + ["shuffled"] * 5
    assert table["shuffles"].tolist() == [5, 0, 0, 0, 0, 0]
    assert table["p_shuffle"][0] == pytest.approx(2 / 6)
    assert table["p_shuffle"][1:].isna().all()
    assert table["p_maxt"][1:].isna().all()
    alone = metrics_of_cells(cells[:1], "whole", 0.05)
    assert alone["p_maxt"][0] == table["p_maxt"][0]
    assert alone["p_shuffle"].isna().all()


def test_holm_and_benjamini_hochberg_by_hand():
    p = [0.01, 0.04, 0.03, 0.005, np.nan, 0.2, 0.001]
    role = ["crop", "crop", "view", "crop", "crop", "baseline", "shuffled"]
    table = add_study_corrections(pd.DataFrame({"p_auroc": p, "role": role}))
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
        write_table(metrics_of_cells(cells, "whole", 0.05), paths[-1])
    join_metrics(paths, tmp_path / "all.csv")
    joined = pd.read_csv(tmp_path / "all.csv")
    assert joined["p_holm"].min() == pytest.approx(4 * joined["p_auroc"].min())
    each = pd.concat([pd.read_csv(path, dtype=str) for path in paths], ignore_index=True)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "all.csv", dtype=str)[list(each)], each)


def test_the_same_cells_give_the_same_table_bit_for_bit():
    def table():
        return metrics_of_cells(a_study(VIEWS, ["vgg16"], 0.6, seeds=2), "whole", 0.05)

    pd.testing.assert_frame_equal(table(), table(), check_exact=True)
