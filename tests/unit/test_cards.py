"""The first screen's cards: each line against the tables that it tells of."""

import re

import numpy as np
import pytest

from nullcrop.config.models import Thresholds
from nullcrop.config.readers import BASELINES, label_of
from nullcrop.report.cards import next_step
from nullcrop.statistics.comparisons import compare_cells
from nullcrop.statistics.reader_table import judge_readers
from nullcrop.statistics.sentences import power_words, upper_words
from nullcrop.statistics.verdicts import explained, judge
from nullcrop.status.foresight import Foreseen

from .finished_cells import a_study, a_test_set, crossfitted, finished, folds_of, scores

TEST = a_test_set(400, 160)


def judged(cells, field="whole", group="", planned=None):
    """The verdict to quote, and the tables that it rests on."""
    readers, comparisons = judge_readers(cells, field, 0.05), compare_cells(cells, field)
    wanted = planned or [one.cell for one in cells]
    verdicts = judge(readers, comparisons, wanted, "Dataset", field, group, Thresholds())
    return verdicts.iloc[0].to_dict(), readers, comparisons


def beside_baselines(network, **baselines):
    """A network on the upper left, and baselines, of which `file_facts` stands at the whole image."""
    base = scores(TEST, 0.5, 0)
    signal = np.sqrt(2) * TEST.target
    cells = [finished(TEST, base + network * signal, architecture="lenet5")]
    for place, (name, strength) in enumerate(baselines.items()):
        own = base if BASELINES[name].judges else scores(TEST, 0.5, place + 1)
        view = "original" if BASELINES[name].sees != "pixels" else "upper_left"
        cells.append(finished(TEST, own + strength * signal, architecture=name, recipe="baseline", view=view))
    return cells


def foreseen(minimal, can_tell=True):
    return Foreseen(minimal, "crossfit", 400, 4, can_tell, False)


def numbers_in(words):
    return {float(number) for number in re.findall(r"\d\.\d\d", words)}


def test_a_baseline_that_explains_comes_first_with_the_numbers_of_the_tables():
    said, readers, comparisons = judged(beside_baselines(1.0, mean_rgb=1.0, raw_pixels=0.3))
    words = explained(said, readers, comparisons)
    assert words.startswith(f"{label_of('mean_rgb').capitalize()} alone explains it: the network adds less")
    aurocs = readers.set_index("architecture")["auroc"]
    for name in ("lenet5", "mean_rgb", "raw_pixels"):
        assert round(aurocs[name], 2) in numbers_in(words), name


def test_a_network_that_exceeds_every_baseline_is_explained_by_none():
    said, readers, comparisons = judged(beside_baselines(1.5, mean_rgb=0.3, raw_pixels=0.3))
    assert explained(said, readers, comparisons).startswith("No baseline explains it: the network exceeds")


def test_what_is_read_without_a_network_says_by_what():
    said, readers, comparisons = judged(beside_baselines(0.0, raw_pixels=1.5))
    assert said["readers_shown"] == "raw_pixels"
    words = explained(said, readers, comparisons)
    assert words == f"It is read without a network, by {label_of('raw_pixels')}."


def test_file_facts_are_told_with_what_else_moves_a_files_size():
    said, readers, comparisons = judged(beside_baselines(0.0, raw_pixels=0.0, file_facts=1.5))
    words = explained(said, readers, comparisons)
    assert "Nothing is shown in these crops" in words
    [row] = readers[readers["architecture"] == "file_facts"].to_dict("records")
    assert f"file facts of the whole image ({row['auroc']:.2f}, at least " in words
    assert words.endswith("The size of a compressed file follows what it shows, a lesion too.")
    without = explained(*judged(beside_baselines(0.0, raw_pixels=0.0, file_facts=0.0)))
    assert "compressed file" not in without


def test_networks_alone_do_not_tell_what_explains_them():
    words = explained(*judged([finished(TEST, scores(TEST, 0.9, 0))]))
    assert words == "No baseline stands beside the networks, so what explains it cannot be told."


def test_an_undecided_verdict_says_what_testing_every_image_would_find():
    said, *_ = judged(a_study(["upper_left"], ["vgg16", "resnet50"], 0.5, n=300, positives=90))
    assert said["evidence"] == "undecided"
    step = next_step(said, foreseen(0.5812))
    assert step == (
        "Test every image (`splits: [crossfit]`): an AUROC from 0.59 would then be found with a chance of "
        f"80%, now one from {upper_words(said['minimal'])}."
    )
    for nothing_gained in (None, foreseen(said["minimal"]), foreseen(0.55, can_tell=False)):
        assert next_step(said, nothing_gained).startswith("Add independent images")


def test_where_every_image_is_tested_no_other_split_is_advised():
    cells = crossfitted(folds_of(a_test_set(200, 80)), scores(a_test_set(200, 80), 0.55, 1))
    said, *_ = judged(cells)
    assert said["evidence"] == "undecided"
    assert next_step(said, foreseen(0.51)).startswith("Every image is tested already")


def test_where_some_folds_are_tested_alone_it_is_not_said_that_every_image_is():
    cells = crossfitted(folds_of(a_test_set(200, 80)), scores(a_test_set(200, 80), 0.55, 1))
    said, *_ = judged([one for one in cells if one.cell.seed < 6])
    assert (said["evidence"], said["folds"]) == ("undecided", 6)
    assert next_step(said, foreseen(0.51)) == "Add independent images, or a reader that reads better."


def test_a_verdict_of_an_earlier_version_has_a_next_step_too():
    said, *_ = judged([finished(TEST, np.zeros(TEST.n))])
    del said["silent_cells"]
    assert "Find more independent images" in next_step({**said, "split": "crossfit"}, None)


@pytest.mark.parametrize(
    ("strengths", "words"),
    [
        ({"mean_rgb": 0.2, "file_facts": 1.5}, "how the files of each class were made"),
        ({"mean_rgb": 1.0, "file_facts": 1.5}, "brightness and colour"),
        ({"mean_rgb": 1.0}, "brightness and colour"),
        ({"mean_rgb": 0.2, "color_histogram": 1.0, "file_facts": 1.5}, "contrast, noise and compression"),
        ({"raw_pixels": 1.0}, "at a fixed place"),
        ({"mean_rgb": 0.2, "raw_pixels": 0.2}, "Look at the crops below for what tells"),
    ],
)
def test_what_to_do_follows_what_explains_it(strengths, words):
    said, *_ = judged(beside_baselines(1.0, **strengths))
    step = next_step(said, None)
    assert words in step
    assert "Name the patients too" in step
    assert "Name the patients" not in next_step({**said, "group": "patient"}, None)


def test_tiles_are_not_blamed_before_their_slides_are_kept_apart():
    said, *_ = judged(beside_baselines(1.0, mean_rgb=1.0), field="tile")
    assert "keep slides, scanners and centres apart" in next_step(said, None)


def test_unfinished_crops_are_run_first():
    cells = a_study(["upper_left"], ["vgg16", "resnet50"], 0.9, seeds=2)
    said, *_ = judged(cells[:3], planned=[one.cell for one in cells])
    assert next_step(said, None) == "Finish the crops first: 1 of 4 cells is not done."


def test_what_could_be_found_is_the_counts_and_never_an_auroc_above_one():
    assert "an AUROC of 0.66 would have been found" in power_words({"minimal": 0.651})
    assert "only an AUROC close to 1" in power_words({"minimal": 1.0})
    assert "only an AUROC close to 1" in power_words({"minimal": float("nan")})


def test_readers_that_all_say_one_thing_are_told_to_look_at_larger_crops():
    silent = finished(TEST, np.zeros(TEST.n))
    said, *_ = judged([silent])
    assert said["evidence"] == "cannot be judged"
    assert "they are alike" in next_step(said, None)
    assert said["at_least"] == 0.5
