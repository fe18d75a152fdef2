"""Verdicts: the word, the figures behind it, and sentences as a reader meets them."""

import numpy as np
import pandas as pd
import pytest

from nullcrop.config.models import Thresholds
from nullcrop.config.views import views_made_always
from nullcrop.statistics.comparisons import compare_cells
from nullcrop.statistics.tables import metrics_of_cells, read_metrics, write_table
from nullcrop.statistics.verdicts import VERDICT_COLUMNS, bound_words, judge

from .finished_cells import a_study, a_test_set, finished, scores

VIEWS = tuple(views_made_always())

TWO = ["resnet50", "vgg16"]
PATIENTS = np.repeat(np.arange(60), 4).astype(str)
OF_PATIENTS = {"n": 240, "positives": 96, "group": PATIENTS}


def verdicts_of(cells, field="whole", group="", planned=None, **thresholds):
    metrics = metrics_of_cells(cells, field, thresholds.get("level", 0.05))
    wanted = [one.cell for one in cells] if planned is None else planned
    return judge(metrics, compare_cells(cells), wanted, "Dataset", field, group, Thresholds(**thresholds))


def verdict_of(cells, **options):
    (row,) = verdicts_of(cells, **options).to_dict("records")
    return row


def test_signal_in_the_corners_is_strong_whatever_the_rest():
    auroc = dict.fromkeys(VIEWS, 0.5) | {"upper_left": 0.85}
    row = verdict_of(a_study(VIEWS, TWO, auroc, seeds=3, n=300, positives=100))
    assert (row["verdict"], row["strength"], row["headline"]) == ("strong", "strong", True)
    assert (row["cells"], row["planned"]) == (24, 24)
    assert (row["cells_agreeing"], row["seeds_agreeing"], row["architectures_agreeing"]) == (6, 3, 2)
    assert row["view"] == "upper_left"
    assert row["auroc_bound"] > 0.6
    assert row["sentence"].startswith(
        "Strong evidence that the corners of “Dataset” tell the diagnosis: the clearest of 24"
    )
    assert f"an AUROC of {row['auroc']:.2f}" in row["sentence"]
    assert "6 of 24 networks, 3 of 3 seeds and 2 of 2 architectures exceed 0.6" in row["details"]


def test_originals_and_the_centre_say_nothing_of_bias():
    auroc = dict.fromkeys(VIEWS, 0.5) | {"original": 0.95, "center": 0.95}
    row = verdict_of(a_study(VIEWS, TWO, auroc))
    assert row["verdict"] == "no evidence"
    assert row["p_maxt"] > 0.05
    assert 0.5 < row["auroc_unseen"] < 0.75
    assert "would have gone unseen" in row["sentence"]


def test_between_the_thresholds_is_weak():
    row = verdict_of(a_study(["upper_left"], TWO, 0.62, n=2000, positives=600))
    assert row["verdict"] == "weak"
    assert "not shown to exceed 0.6" in row["sentence"]
    assert (
        verdict_of(a_study(["upper_left"], TWO, 0.62, n=2000, positives=600), strong=0.55)["verdict"]
        == "strong"
    )


def test_tiles_carry_tissue_and_no_word_of_bias_is_said():
    for level, strength in ((0.9, "strong"), (0.5, "no evidence")):
        auroc = dict.fromkeys(VIEWS, 0.5) | {"center": level}
        row = verdict_of(a_study(VIEWS, TWO, auroc, n=300, positives=100), field="tile")
        assert (row["verdict"], row["strength"], row["cells"]) == ("crops carry tissue", strength, 10)
        assert row["sentence"].startswith(
            "Crops of “Dataset” carry tissue, so what they tell is not by itself a bias"
        )
        assert "corner" not in row["sentence"]


def test_the_grouped_split_is_the_headline_and_the_leak_is_told():
    cells = a_study(["upper_left"], TWO, 0.85, seeds=3, split="random", **OF_PATIENTS)
    cells += a_study(["upper_left"], TWO, 0.5, seeds=3, split="grouped", **OF_PATIENTS)
    table = verdicts_of(cells, group="patient").set_index("split")
    assert table["headline"].to_dict() == {"random": False, "grouped": True}
    assert table["verdict"].to_dict() == {"random": "strong", "grouped": "no evidence"}
    assert table["group_aware"].to_dict() == {"random": False, "grouped": True}
    row = table.loc["grouped"]
    assert row["leak"] == pytest.approx(0.35, abs=0.1)
    assert 0 < row["leak_low"] < row["leak"] < row["leak_high"]
    assert "no patient is in both training and test" in row["details"]
    assert "The random split scores +0.3" in row["details"]
    assert "images of one patient are in both training and test" in table.loc["random", "details"]
    assert "240 test images of 60 groups (patient)" in row["details"]


def test_one_seed_has_a_leak_without_interval():
    cells = a_study(["upper_left"], TWO, 0.8, split="random", **OF_PATIENTS)
    cells += a_study(["upper_left"], TWO, 0.5, split="grouped", **OF_PATIENTS)
    table = verdicts_of(cells, group="patient")
    assert table["leak"].notna().all()
    assert table[["leak_low", "leak_high"]].isna().all(axis=None)
    assert "interval" not in table["details"][0]


def with_baselines(network, **baselines):
    test = a_test_set(400, 150)
    cells = [finished(test, scores(test, network, 0), architecture="vgg16")]
    for number, (name, auroc) in enumerate(baselines.items(), 1):
        view = "original" if name == "file_facts" else "upper_left"
        score = np.zeros(400) if auroc is None else scores(test, auroc, number)
        cells.append(finished(test, score, architecture=name, recipe="baseline", view=view))
    return verdict_of(cells)


def test_baselines_that_reach_the_score_are_named():
    row = with_baselines(0.8, majority=None, mean_rgb=0.82, color_histogram=0.68, file_facts=0.85)
    assert row["baselines"] == "mean_rgb, file_facts"
    assert "Mean colour or file facts of the whole image alone would earn the same verdict." in row["details"]
    assert row["cells"] == 1
    assert "the one network (VGG16 on the upper left)" in row["sentence"]


def test_a_baseline_that_scores_lower_explains_nothing():
    row = with_baselines(0.9, majority=None, mean_rgb=0.75)
    assert row["verdict"] == "strong"
    assert row["baselines"] == ""
    assert "No baseline explains it." in row["details"]


def test_what_a_baseline_finds_where_networks_do_not_is_told():
    row = with_baselines(0.45, majority=None, mean_rgb=0.8)
    assert row["verdict"] == "no evidence"
    assert row["baselines"] == "mean_rgb"
    assert "Without a network, though, something is found by: mean colour." in row["details"]


@pytest.mark.parametrize(("field", "named"), [("whole", ""), ("tile", "mean_rgb")])
def test_what_a_baseline_finds_where_a_lesion_may_be_says_nothing_of_the_rest(field, named):
    test = a_test_set(400, 150)
    cells = [finished(test, scores(test, 0.45, 0), architecture="vgg16")]
    for view in ("original", "center"):
        colour = scores(test, 0.9, 1)
        cells.append(finished(test, colour, architecture="mean_rgb", recipe="baseline", view=view))
    row = verdict_of(cells, field=field)
    assert row["strength"] == "no evidence"
    assert row["baselines"] == named
    assert ("Without a network" in row["details"]) == bool(named)


def test_an_unfinished_grid_says_so():
    cells = a_study(VIEWS, TWO, 0.8)
    row = verdict_of(cells[:5], planned=[one.cell for one in cells])
    assert (row["cells"], row["planned"]) == (3, 8)
    assert row["details"].startswith("Unfinished: 3 of 8 networks are done.")


def test_too_few_groups_cannot_be_judged():
    group = np.repeat(np.arange(5), 24).astype(str)
    row = verdict_of(a_study(["upper_left"], TWO, 0.9, group=group, positives=48), group="patient")
    assert (row["verdict"], row["can_tell"]) == ("no evidence", False)
    assert row["sentence"].startswith("The corners of “Dataset” cannot be judged on the random split")
    one_group = verdict_of(a_study(["upper_left"], TWO, 0.9, group="all"), group="patient")
    assert not one_group["can_tell"]
    assert np.isnan(one_group["auroc_bound"])


def test_constant_networks_and_shuffled_controls_are_counted():
    test = a_test_set()
    cells = [finished(test, np.full(120, -1.0))]
    cells += [finished(test, scores(test, 0.5, k), split=f"random_shuffle{k}") for k in (1, 2)]
    row = verdict_of(cells)
    assert (row["constant_cells"], row["shuffled_cells"], row["cells"]) == (1, 2, 1)
    assert row["shuffled_rejecting"] == sum(
        metrics_of_cells(cells, "whole", 0.05)["p_auroc"][1:].to_numpy() <= 0.05
    )
    assert "1 of 1 networks gives a constant answer." in row["details"]
    assert "Trained on shuffled targets" in row["details"]


def test_without_networks_on_crops_there_is_no_verdict():
    table = verdicts_of(a_study(["original", "center"], TWO, 0.9))
    assert table.empty
    assert list(table) == VERDICT_COLUMNS


def test_a_verdict_from_files_is_the_one_from_memory(tmp_path):
    cells = a_study(VIEWS, TWO, 0.7, seeds=2, split="random", **OF_PATIENTS)
    cells += a_study(VIEWS, TWO, 0.6, seeds=2, split="grouped", **OF_PATIENTS)
    write_table(metrics_of_cells(cells, "whole", 0.05), tmp_path / "metrics.csv")
    write_table(compare_cells(cells), tmp_path / "comparisons.csv")
    tables = [read_metrics(tmp_path / f"{name}.csv") for name in ("metrics", "comparisons")]
    found = judge(*tables, [one.cell for one in cells], "Dataset", "whole", "patient", Thresholds())
    pd.testing.assert_frame_equal(found, verdicts_of(cells, group="patient"))


def test_a_bound_never_reads_higher_than_it_is():
    assert [bound_words(value) for value in (0.5999, 0.6, 0.61, 0.4949999)] == [
        "0.59",
        "0.60",
        "0.61",
        "0.49",
    ]
