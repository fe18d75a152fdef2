"""Verdicts: the word, the figures behind it, and sentences as a reader meets them."""

import re
from itertools import product

import numpy as np
import pandas as pd
import pytest

from nullcrop.config.definitions import CLUSTER
from nullcrop.config.models import Thresholds
from nullcrop.config.views import study_crops, views_made_always
from nullcrop.statistics.auroc import TestSet
from nullcrop.statistics.comparisons import compare_cells
from nullcrop.statistics.reader_table import judge_readers
from nullcrop.statistics.sentences import bound_words, upper_words
from nullcrop.statistics.tables import read_metrics, write_table
from nullcrop.statistics.verdicts import VERDICT_COLUMNS, explained, judge

from .finished_cells import a_study, a_test_set, crossfitted, finished, folds_of, scores

VIEWS = tuple(views_made_always())
CORNERS = [view for view in study_crops() if view != "center"]

TWO = ["resnet50", "vgg16"]
PATIENTS = np.repeat(np.arange(60), 4).astype(str)
OF_PATIENTS = {"n": 240, "positives": 96, "group": PATIENTS}


def verdicts_of(cells, field="whole", group="", planned=None, checked=None, **thresholds):
    readers = judge_readers(cells, field, thresholds.get("level", 0.05))
    wanted = [one.cell for one in cells] if planned is None else planned
    comparisons = compare_cells(cells, field)
    return judge(readers, comparisons, wanted, "Dataset", field, group, Thresholds(**thresholds), checked)


def verdict_of(cells, **options):
    (row,) = verdicts_of(cells, **options).to_dict("records")
    return row


# The five words


def test_targets_of_one_image_each_tell_nothing():
    """Sixty classes of one test image: no error is known, so nothing is found and nothing ruled out."""
    rng = np.random.default_rng(0)
    test = TestSet(np.arange(60), np.full(60, ""), "sixty", np.arange(60).astype(str))
    cells = [finished(test, rng.normal(size=(60, 60)), architecture=name) for name in TWO]
    row = verdict_of(cells)
    assert row["at_most"] == 1
    assert row["evidence"] == row["verdict"] == "cannot be judged"
    assert "nan" not in row["sentence"] + row["details"]


def test_signal_in_one_corner_is_readable_whatever_the_rest():
    auroc = dict.fromkeys(VIEWS, 0.5) | {"upper_left": 0.85}
    row = verdict_of(a_study(VIEWS, TWO, auroc, n=300, positives=100, split="official"))
    assert (row["evidence"], row["headline"]) == ("readable", True)
    assert row["verdict"] == f"readable, at least {bound_words(row['at_least'])}"
    assert (row["cells"], row["planned"], row["seeds"]) == (8, 8, 1)
    # Two networks and their average on four corners.
    assert (row["members"], row["readers"], row["views"]) == (12, 2, 4)
    assert row["view"] == row["views_shown"] == row["network_view"] == "upper_left"
    assert row["readers_shown"] == "resnet50, vgg16"
    assert row["at_least"] > 0.6
    assert row["p"] <= 0.05
    assert row["sentence"].startswith(
        f"The class can be read from the corners of “Dataset”: AUROC {row['verdict'].split(', ')[1]} ("
    )
    assert (
        f"on the upper left: {row['auroc']:.2f}); 5% error rate, corrected for 12 combinations"
        in row["sentence"]
    )
    assert "It is shown on 1 of 4 views (upper left) and by ResNet50 and VGG16 (step-down)." in row["details"]
    # The size of the effect is that of all readers on all corners, not of the luckiest.
    assert row["effect"] < row["auroc"]
    assert f"All 2 readers together over all views: {row['effect']:.2f} (95% interval" in row["details"]


def test_a_small_effect_on_many_images_is_shown_and_bounded():
    cells = a_study(["upper_left"], ["vgg16"], 0.53, n=8000, positives=3000, split="official")
    row = verdict_of(cells)
    assert row["evidence"] == "readable and bounded"
    assert row["verdict"] == (
        f"readable, at least {bound_words(row['at_least'])}, at most {upper_words(row['at_most'])}"
    )
    assert 0.5 < row["at_least"] < 0.53 < row["at_most"] < 0.55
    assert "can be read from the corners of “Dataset”, but little of it: AUROC at least" in row["sentence"]
    assert verdict_of(cells, small=0.51)["evidence"] == "readable"


def test_no_effect_on_many_images_is_bounded():
    row = verdict_of(a_study(["upper_left"], TWO, 0.5, n=6000, positives=2400, split="official"))
    assert row["evidence"] == "bounded"
    assert row["verdict"] == f"at most {upper_words(row['at_most'])}"
    assert row["at_most"] < 0.55
    assert row["sentence"].startswith(
        "From the corners of “Dataset” these readers tell the class with an AUROC of at most"
    )
    assert f"all 2 readers together reach an AUROC of {row['effect']:.2f} (95% interval" in row["sentence"]
    assert "would have been found with a chance of 80%." in row["details"]


def test_no_effect_on_few_images_is_undecided():
    row = verdict_of(a_study(["upper_left"], TWO, 0.5, n=300, positives=90, split="official"))
    assert row["evidence"] == "undecided"
    assert row["verdict"] == f"undecided, up to {upper_words(row['at_most'])}"
    assert row["at_most"] > 0.55
    assert row["minimal"] > 0.55
    assert f"and an AUROC up to {upper_words(row['at_most'])} is not ruled out." in row["sentence"]
    assert f"an AUROC of {upper_words(row['minimal'])} would have been found" in row["details"]


def test_too_few_groups_cannot_be_judged():
    group = np.repeat(np.arange(5), 24).astype(str)
    row = verdict_of(a_study(["upper_left"], TWO, 0.9, group=group, positives=48), group="patient")
    assert row["verdict"] == row["evidence"] == "cannot be judged"
    assert row["sentence"] == (
        "The corners of “Dataset” cannot be judged on the random split: there are too few independent images "
        "of a class for any result to count."
    )
    one_group = verdict_of(a_study(["upper_left"], TWO, 0.9, group="all"), group="patient")
    assert one_group["evidence"] == "cannot be judged"
    assert np.isnan(one_group["at_least"])


def test_what_one_reader_could_tell_many_may_not():
    """Twenty images, cross-fitted: an AUROC of 1 counts for one reader; at a low level not for twelve."""
    parts = folds_of(a_test_set(20, 10), 5)

    def evidence(count, level):
        test, cells = a_test_set(20, 10), []
        for place in range(count):
            cells += crossfitted(parts, scores(test, 0.5, place), "crossfit5", recipe=f"r{place}")
        return verdict_of(cells, level=level)["evidence"]

    assert evidence(1, 0.01) == "undecided"
    assert evidence(12, 0.001) == "cannot be judged"


# Which readers and views


def test_originals_and_the_centre_say_nothing_of_bias():
    auroc = dict.fromkeys(VIEWS, 0.5) | {"original": 0.95, "center": 0.95}
    row = verdict_of(a_study(VIEWS, TWO, auroc))
    assert row["evidence"] == "undecided"
    assert row["p"] > 0.05
    assert row["views"] == 4


@pytest.mark.parametrize(("level", "evidence"), [(0.9, "readable"), (0.5, "undecided")])
def test_tiles_carry_tissue_and_no_word_of_bias_is_said(level, evidence):
    auroc = dict.fromkeys(VIEWS, 0.5) | {"center": level}
    row = verdict_of(a_study(VIEWS, TWO, auroc, n=300, positives=100), field="tile")
    assert (row["evidence"], row["views"], row["members"]) == (evidence, 5, 15)
    assert row["sentence"].endswith(
        " Crops of this dataset carry tissue, so this is not by itself a bias of acquisition."
    )
    assert "crops of “Dataset”" in row["sentence"]
    assert "corner" not in row["sentence"]


def test_tiles_that_cannot_be_judged_carry_no_finding():
    group = np.repeat(np.arange(5), 24).astype(str)
    row = verdict_of(a_study(VIEWS, TWO, 0.9, group=group, positives=48), field="tile", group="slide")
    assert row["verdict"] == "cannot be judged"
    assert "tissue" not in row["sentence"]


def test_what_only_the_average_of_all_readers_shows_is_said():
    """Twelve weak readers with noise of their own: none is clear, their mean is."""
    test = a_test_set(200, 80)
    cells = [
        finished(test, scores(test, 0.54, [9, place]), split="official", recipe=f"r{place}")
        for place in range(12)
    ]
    row = verdict_of(cells)
    assert (row["evidence"], row["readers_shown"], row["architecture"]) == ("readable", "", "average")
    assert "It is shown by none by itself, only their average (step-down)." in row["details"]
    assert "all readers on the upper left" in row["sentence"]


def test_one_reader_of_two_views_is_shown_on_those_that_it_reads():
    auroc = {"upper_left": 0.85, "upper_right": 0.5}
    row = verdict_of(a_study(list(auroc), ["vgg16"], auroc, n=300, positives=100, split="official"))
    assert (row["members"], row["readers"], row["views"]) == (2, 1, 2)
    assert "It is shown on 1 of 2 views (upper left) (step-down)." in row["details"]
    one = verdict_of(a_study(["upper_left"], ["vgg16"], 0.85, n=300, positives=100, split="official"))
    assert one["members"] == 1
    assert "It is shown" not in one["details"]


def with_baselines(network, *, n=400, **baselines):
    """A network on the upper left beside baselines, each with an AUROC, or the network's score and noise."""
    test = a_test_set(n, int(0.4 * n))
    of_network = scores(test, network, 0)
    cells = [finished(test, of_network, architecture="vgg16")]
    for number, (name, auroc) in enumerate(baselines.items(), 1):
        view = "upper_left" if name in ("mean_rgb", "color_histogram", "raw_pixels") else "original"
        score = (
            np.zeros(n)
            if auroc is None
            else scores(test, auroc, number)
            if auroc < 1
            else of_network + 0.05 * scores(test, 0.5, number)
        )
        cells.append(finished(test, score, architecture=name, recipe="baseline", view=view))
    return cells


def test_a_colour_histogram_alone_makes_a_leak():
    row = verdict_of(with_baselines(0.5, majority=None, color_histogram=0.8))
    assert row["evidence"] == "readable"
    assert row["architecture"] == row["readers_shown"] == "color_histogram"
    assert (row["network"], row["explained_by"]) == ("", "")
    assert "No single network is shown to read it." in row["details"]
    assert "(colour histogram on the upper left: 0." in row["sentence"]


@pytest.mark.parametrize(("field", "evidence"), [("whole", "undecided"), ("tile", "readable")])
def test_what_a_baseline_finds_where_a_lesion_may_be_says_nothing_of_the_rest(field, evidence):
    test = a_test_set(400, 150)
    cells = [finished(test, scores(test, 0.45, 0), architecture="vgg16")]
    for view in ("original", "center"):
        cells.append(
            finished(test, scores(test, 0.9, 1), architecture="mean_rgb", recipe="baseline", view=view)
        )
    row = verdict_of(cells, field=field)
    assert row["evidence"] == evidence
    assert row["others"] == ""


def test_what_other_baselines_tell_has_a_line_of_its_own():
    row = verdict_of(with_baselines(0.5, majority=None, file_facts=0.9))
    assert (row["evidence"], row["others"], row["members"]) == ("undecided", "file_facts", 1)
    assert "Without a pixel the class is told by file facts of the whole image (0.9" in row["details"]
    assert "Without the crops' pixels" not in verdict_of(with_baselines(0.5, file_facts=0.5))["details"]


# Networks and baselines


def test_a_baseline_that_does_as_well_explains_the_network():
    row = verdict_of(with_baselines(0.8, majority=None, mean_rgb=1, color_histogram=0.55, file_facts=0.9))
    assert row["evidence"] == "readable"
    assert (row["explained_by"], row["not_explained_by"]) == ("mean_rgb", "color_histogram")
    assert "Mean colour alone explains it: the network adds less than 0.05." in row["details"]
    assert "No baseline explains it" not in row["details"]
    assert "On the upper left, where VGG16 reaches 0.8" in row["details"]
    # A file is no reader of the crop.
    assert "file facts 0.9" not in row["details"]


def test_explained_wins_over_exceeded():
    """A network that adds a little, for certain: less than `equivalence`, though more than nothing."""
    test = a_test_set(4000, 1600)
    colour = scores(test, 0.75, 0)
    network = colour + 0.1 * test.target
    cells = [finished(test, network), finished(test, colour, architecture="mean_rgb", recipe="baseline")]
    row = verdict_of(cells)
    (difference,) = compare_cells(cells, "whole").to_dict("records")
    assert 0 < difference["auroc_low"] < difference["auroc_high"] < 0.05
    assert (row["explained_by"], row["not_explained_by"]) == ("mean_rgb", "")
    exceeding = verdict_of(cells, equivalence=0.01)
    assert (exceeding["explained_by"], exceeding["not_explained_by"]) == ("", "mean_rgb")


def test_a_network_that_exceeds_every_baseline_is_not_explained():
    row = verdict_of(with_baselines(0.9, majority=None, mean_rgb=0.7, raw_pixels=0.6))
    assert (row["explained_by"], row["not_explained_by"]) == ("", "mean_rgb, raw_pixels")
    assert "No baseline explains it: the network exceeds each of them." in row["details"]


def test_a_baseline_of_low_power_neither_explains_nor_is_exceeded():
    row = verdict_of(with_baselines(0.85, n=80, mean_rgb=0.8))
    assert row["evidence"] == "readable"
    assert (row["explained_by"], row["not_explained_by"]) == ("", "")
    assert "Whether a baseline explains it cannot be told." in row["details"]


# Constant answers, and controls


def test_constant_answers_with_scores_that_tell_are_judged_by_the_auroc():
    test = a_test_set(300, 100)
    cells = [finished(test, scores(test, 0.8, place) - 100, view=view) for place, view in enumerate(CORNERS)]
    row = verdict_of(cells)
    assert row["evidence"] == "readable"
    assert (row["constant_cells"], row["cells"]) == (4, 4)
    assert "4 of 4 cells answer with one class for nearly every image." in row["details"]
    assert "it says nothing against the AUROC." in row["details"]
    assert "The one reader over all views: 0.9" in row["details"]


@pytest.mark.parametrize("n", [5, 300, 6000])
def test_readers_that_give_one_score_find_nothing_and_bound_nothing(n):
    """However many images there are: by such readers nothing could be found, and nothing is ruled out."""
    test = a_test_set(n, n * 2 // 5)
    cells = [finished(test, np.full(n, -1.0), architecture=name) for name in TWO]
    row = verdict_of(cells)
    assert row["verdict"] == row["evidence"] == "cannot be judged"
    assert row["sentence"] == (
        "The corners of “Dataset” cannot be judged on the random split: every reader gives all images the "
        "same score, so their pixels are alike there, or nothing was learnt."
    )
    assert (row["silent_cells"], row["constant_cells"], row["cells"]) == (2, 2, 2)
    assert "80%" not in row["details"]
    assert "threshold" not in row["details"]


def test_a_reader_that_gives_one_score_is_told_beside_others():
    many = a_test_set(6000, 2400)
    silent = finished(many, np.full(6000, -1.0))
    row = verdict_of([silent, finished(many, scores(many, 0.7, 0), architecture="lenet5")])
    assert row["evidence"] == "readable"
    row = verdict_of([silent, finished(many, scores(many, 0.5, 0), architecture="lenet5")])
    assert row["evidence"] == "bounded"
    assert "1 of 2 cells gives all images the same score, so nothing could be found by them" in row["details"]
    assert "threshold" not in row["details"]
    # A reader whose threshold is off is something else.
    off = finished(many, scores(many, 0.5, 1) - 100, architecture="resnet50")
    details = verdict_of([silent, off])["details"]
    assert "1 of 2 cells answers with one class for nearly every image." in details


@pytest.mark.parametrize("n", [8, 12, 20])
@pytest.mark.parametrize("seed", range(3))
def test_no_share_lies_beyond_what_a_share_can_be(n, seed):
    """Few images and wide intervals: an AUROC stays within 0 and 1, a difference within -1 and 1."""
    test = a_test_set(n, n // 2, np.repeat(np.arange(n // 2), 2).astype(str))
    draw = np.random.default_rng(seed).permutation
    cells = [
        finished(test, draw(n).astype(float), split=split, view=view, architecture=name)
        for split in ("random", "grouped")
        for view in ("upper_left", "upper_right")
        for name in ("lenet5", "mean_rgb")
    ]
    readers, comparisons = judge_readers(cells, "whole", 0.05), compare_cells(cells, "whole")
    shares = readers[["auroc", "auroc_low", "auroc_high", "bound_low", "bound_high", "upper", "minimal"]]
    assert (shares.isna() | ((shares >= 0) & (shares <= 1))).all(axis=None)
    differences = comparisons.filter(regex="_(low|high|difference)$").abs()
    assert (differences.isna() | (differences <= 1)).all(axis=None)
    for row in verdicts_of(cells, group="patient").to_dict("records"):
        for number in re.findall(r"[-+]?\d+\.\d+", row["sentence"] + row["details"]):
            assert abs(float(number)) <= 1


def test_shuffled_controls_are_counted_and_said_to_be_what_they_are():
    test = a_test_set()
    cells = [finished(test, scores(test, 0.5, 0) - 100)]
    cells += [
        finished(test, scores(test, auroc, k), split=f"random_shuffle{k}")
        for k, auroc in ((1, 0.5), (2, 0.9))
    ]
    row = verdict_of(cells)
    assert (row["constant_cells"], row["shuffled"], row["shuffled_rejecting"], row["cells"]) == (1, 2, 1, 1)
    assert "1 of 1 cells answers with one class" in row["details"]
    assert (
        "Trained on shuffled targets and tested on the true ones, 1 of 2 controls are found at 5%, each "
        "tested alone." in row["details"]
    )


# Splits, seeds and folds


@pytest.mark.parametrize("split", ["grouped", "crossfit5"])
def test_images_without_a_group_are_not_said_to_be_kept_apart(split):
    """Two images of a patient who is not known may be in both parts."""
    group = np.where(np.arange(240) < 80, "", PATIENTS)
    known = verdict_of([finished(a_test_set(**OF_PATIENTS), scores(a_test_set(240), 0.6, 0), split=split)])
    test = a_test_set(**{**OF_PATIENTS, "group": group})
    row = verdict_of([finished(test, scores(test, 0.6, 0), split=split)], group="patient")
    assert row["ungrouped"] == 80
    assert (
        ": no known patient is in both training and test, but of 80 images none is known." in row["details"]
    )
    assert known["ungrouped"] == 0
    clusters = verdict_of([finished(test, scores(test, 0.6, 0), split=split)], group=CLUSTER)
    assert "no cluster of duplicates is in both training and test." in clusters["details"]


def test_a_table_of_readers_of_an_earlier_version_is_judged():
    test = a_test_set(**OF_PATIENTS)
    cells = [finished(test, scores(test, 0.6, 0), split="grouped")]
    readers = judge_readers(cells, "whole", 0.05).drop(columns="ungrouped")
    planned = [one.cell for one in cells]
    table = judge(readers, compare_cells(cells, "whole"), planned, "A", "whole", "patient", Thresholds())
    assert "no patient is in both training and test" in table["details"][0]


def test_the_same_seed_again_on_an_official_split_is_no_more_evidence():
    test = a_test_set(200, 80)

    def row(seeds):
        return verdict_of(
            [finished(test, scores(test, 0.6, 3), split="official", seed=seed) for seed in range(seeds)]
        )

    one, five = row(1), row(5)
    assert 1 / 2000 <= five["p"] == one["p"]
    assert five["effect_high"] - five["effect_low"] == one["effect_high"] - one["effect_low"] > 0.1
    assert (five["inflation"], five["images"], five["seeds"]) == (1, 200, 5)
    assert "Official split, 200 images tested, 5 seeds: no group is known" in five["details"]


def test_a_cross_fitted_verdict_is_of_all_images():
    test = a_test_set(240, 96, PATIENTS)
    parts = folds_of(test)
    cells = [
        cell
        for place, (view, name) in enumerate(product(CORNERS, TWO))
        for cell in crossfitted(parts, scores(test, 0.7, place), view=view, architecture=name)
    ]
    row = verdict_of(cells, group="patient")
    assert (row["evidence"], row["group_aware"]) == ("readable", True)
    assert (row["images"], row["units"], row["seeds"], row["cells"]) == (240, 60, 10, 80)
    assert row["inflation"] == pytest.approx(1.369, abs=0.001)
    assert (
        "Crossfit split, 240 images of 60 groups (patient) tested in 10 of 10 folds: no patient is in both "
        "training and test." in row["details"]
    )
    unfinished = verdict_of(cells[:-30], planned=[one.cell for one in cells], group="patient")
    assert (unfinished["cells"], unfinished["planned"]) == (50, 80)
    assert unfinished["details"].startswith("Unfinished: 50 of 80 cells are done.")


def test_a_group_left_out_can_be_judged_and_says_how():
    sessions = np.repeat(["a", "b", "c"], 60)
    target = np.arange(180) % 2
    image = np.array([f"{i:03}" for i in range(180)])
    cells = []
    for seed, name in enumerate("abc"):
        rows = np.flatnonzero(sessions == name)
        part = TestSet(target[rows], sessions[rows], name, image[rows])
        cells.append(finished(part, scores(part, 0.8, seed), split="leave_one_group_out", seed=seed))
    row = verdict_of(cells, group="session")
    assert (row["evidence"], row["units"], row["images"]) == ("readable", 180, 180)
    assert (
        "Leave one group out split, 180 images: each session was tested by networks trained on others, and "
        "its images count as independent within it." in row["details"]
    )


def test_the_grouped_split_is_the_headline_and_the_leak_is_told():
    cells = a_study(["upper_left"], TWO, 0.85, seeds=3, split="random", **OF_PATIENTS)
    cells += a_study(["upper_left"], TWO, 0.5, seeds=3, split="grouped", **OF_PATIENTS)
    table = verdicts_of(cells, group="patient").set_index("split")
    assert table["headline"].to_dict() == {"random": False, "grouped": True}
    assert (table["p"] <= 0.05).to_dict() == {"random": True, "grouped": False}
    assert table["group_aware"].to_dict() == {"random": False, "grouped": True}
    row = table.loc["grouped"]
    assert row["leak"] == pytest.approx(table.loc["random", "effect"] - row["effect"])
    assert row["leak"] == pytest.approx(0.35, abs=0.1)
    assert 0 < row["leak_low"] < row["leak"] < row["leak_high"]
    assert table.loc["random", "leak"] == row["leak"]
    assert "no patient is in both training and test" in row["details"]
    assert (
        f"Where groups are not kept apart all readers together score {row['leak']:+.2f} against where they "
        f"are (AUROC, 95% interval {row['leak_low']:+.2f} to {row['leak_high']:+.2f})." in row["details"]
    )
    assert "images of one patient are in both training and test" in table.loc["random", "details"]


def test_a_leak_whose_error_is_not_known_is_no_sentence():
    """Of target 1 a single patient is tested."""
    few = {"n": 6, "positives": 2, "group": [f"patient {i // 2}" for i in range(6)]}
    cells = a_study(["upper_left"], TWO, 0.8, seeds=1, split="random", **few)
    cells += a_study(["upper_left"], TWO, 0.5, seeds=1, split="grouped", **few)
    row = verdicts_of(cells, group="patient").set_index("split").loc["grouped"]
    assert np.isnan(row["leak_low"])
    assert not np.isnan(row["leak"])
    assert "kept apart" not in row["details"]
    assert "nan" not in row["details"]


def test_each_leak_is_that_of_its_own_two_splits():
    parts = [folds_of(a_test_set(240, 96, PATIENTS)), folds_of(a_test_set(240, 96))]
    cells = []
    for split, auroc in (("random", 0.9), ("grouped", 0.5)):
        cells += a_study(["upper_left"], TWO, auroc, split=split, **OF_PATIENTS)
    for of, split, auroc in zip(parts, ("crossfit", "tenfold"), (0.6, 0.7), strict=True):
        for place, name in enumerate(TWO):
            own = scores(a_test_set(240, 96), auroc, place)
            cells += crossfitted(of, own, split, view="upper_left", architecture=name)
    table = verdicts_of(cells, group="patient").set_index("split")
    for blind, grouped in (("random", "grouped"), ("tenfold", "crossfit")):
        expected = table.loc[blind, "effect"] - table.loc[grouped, "effect"]
        assert table.loc[[blind, grouped], "leak"].tolist() == pytest.approx([expected] * 2)
    assert table.loc["random", "leak"] > table.loc["tenfold", "leak"] + 0.1
    # Also of one seed, whose error is that of its units.
    assert (table["leak_low"] < table["leak"]).all()
    assert (table["leak"] < table["leak_high"]).all()


def test_label_rules_are_judged_apart():
    """Verdicts on two label rules, and the leak of either, are those of each rule alone."""

    def cells(auroc, **coordinates):
        study = {"seeds": 2, **OF_PATIENTS, **coordinates}
        blind = a_study(["upper_left"], [*TWO, "mean_rgb"], auroc, split="random", **study)
        controls = a_study(["upper_left"], TWO, 0.5, split="grouped_shuffle1", **study)
        return [*blind, *controls, *a_study(["upper_left"], TWO, auroc - 0.15, split="grouped", **study)]

    # The one has a split that would be quoted before those of the other.
    of_rules = {"printed": cells(0.9), "revised": cells(0.65, labels="revised", seeds=3)}
    of_rules["revised"] += a_study(["upper_left"], TWO, 0.6, split="crossfit5", labels="revised")
    both = verdicts_of([*of_rules["printed"], *of_rules["revised"]], group="patient")
    assert len(both) == 5
    for rule, own in of_rules.items():
        here = both[both["labels"] == rule].reset_index(drop=True)
        pd.testing.assert_frame_equal(here, verdicts_of(own, group="patient"), check_exact=True)
    # So is what explains the best network; the other rule's is clearer than any of the revised one.
    tables = [
        (judge_readers(some, "whole", 0.05), compare_cells(some, "whole"))
        for some in ([*of_rules["printed"], *of_rules["revised"]], of_rules["revised"])
    ]
    (row,) = both[(both["labels"] == "revised") & (both["split"] == "random")].to_dict("records")
    among_both, alone = (explained(row, *of) for of in tables)
    assert among_both == alone
    assert "baseline" in alone


@pytest.mark.parametrize(
    ("splits", "quoted"),
    [
        (["official", "random", "grouped"], "grouped"),
        (["official", "random"], "official"),
        (["random", "tenfold", "crossfit5"], "crossfit5"),
        (["crossfit", "crossfit5", "leave_one_group_out"], "leave_one_group_out"),
        (["grouped", "grouped_balanced"], "grouped"),
    ],
)
def test_the_split_to_be_trusted_most_is_the_one_to_quote(splits, quoted):
    cells = [
        cell
        for split in splits
        for cell in a_study(["upper_left"], ["vgg16"], 0.6, split=split, n=60, positives=30)
    ]
    table = verdicts_of(cells)
    assert table.loc[table["headline"], "split"].tolist() == [quoted]


def test_the_check_of_the_factor_is_told_where_it_was_made():
    cells = a_study(["upper_left"], TWO, 0.5, split="official", n=200, positives=80)
    found = {"labels": "printed", "split": "official", "view": "upper_left", "null_ratio_error": 0.04}
    checked = pd.DataFrame([{**found, "null_ratio": ratio} for ratio in (0.98, 1.05, np.nan)])
    row = verdict_of(cells, checked=checked)
    assert (row["null_ratio"], row["null_ratio_error"]) == (1.05, 0.04)
    assert "vary at most 1.05 times as much as at fixed scores; the test allows for 1.00." in row["details"]
    assert "p is too small here" not in row["details"]
    assert "p is too small here" in verdict_of(cells, checked=checked.assign(null_ratio=1.3))["details"]
    for none in (None, checked.iloc[:0], checked.assign(split="random"), checked.assign(labels="revised")):
        assert np.isnan(verdict_of(cells, checked=none)["null_ratio"])


# Tables


def test_an_unfinished_grid_says_so():
    cells = a_study(VIEWS, TWO, 0.8)
    row = verdict_of(cells[:5], planned=[one.cell for one in cells])
    assert (row["cells"], row["planned"]) == (3, 8)
    assert row["details"].startswith("Unfinished: 3 of 8 cells are done.")


def test_without_readers_on_crops_there_is_no_verdict():
    table = verdicts_of(a_study(["original", "center"], TWO, 0.9))
    assert table.empty
    assert list(table) == VERDICT_COLUMNS


def test_a_verdict_from_files_is_the_one_from_memory(tmp_path):
    cells = a_study(VIEWS, [*TWO, "mean_rgb"], 0.7, seeds=2, split="random", **OF_PATIENTS)
    cells += a_study(VIEWS, TWO, 0.6, seeds=2, split="grouped", **OF_PATIENTS)
    write_table(judge_readers(cells, "whole", 0.05), tmp_path / "readers.csv")
    write_table(compare_cells(cells, "whole"), tmp_path / "comparisons.csv")
    tables = [read_metrics(tmp_path / f"{name}.csv") for name in ("readers", "comparisons")]
    found = judge(*tables, [one.cell for one in cells], "Dataset", "whole", "patient", Thresholds())
    pd.testing.assert_frame_equal(found, verdicts_of(cells, group="patient"))


def test_a_bound_never_reads_higher_than_it_is_nor_an_upper_one_lower():
    assert [bound_words(value) for value in (0.5999, 0.6, 0.61, 0.4949999, 0.503, 0.51)] == [
        *("0.59", "0.60", "0.61", "0.49"),
        *("0.503", "0.51"),
    ]
    assert [upper_words(value) for value in (0.541, 0.54, 0.5499, 1.2)] == ["0.55", "0.54", "0.55", "1.00"]
