"""The grid: cells of studies, their paths and inputs, and targets that name nothing."""

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nullcrop.basics.errors import NullcropError
from nullcrop.config.cell import CELL_COLUMNS, Cell
from nullcrop.config.definitions import Definition
from nullcrop.config.detectable import fewest_folds
from nullcrop.config.grid import Grid, batch_path, split_path
from nullcrop.config.models import Project, read_project
from nullcrop.config.names import ANY_SPLIT_PATTERN, SPLITS
from nullcrop.config.readers import BASELINES, NETWORKS, architectures
from nullcrop.config.recipe import Recipe
from nullcrop.config.registry import any_of
from nullcrop.config.resources import (
    LONGEST_BATCH_SECONDS,
    baselines_memory_mb,
    baselines_minutes,
    growing,
    minutes,
    training_gpus,
    training_memory_mb,
    training_seconds,
)
from nullcrop.config.views import FURTHER_SHELF, study_crops, view_names, view_of, views_made_always
from nullcrop.training.data import CACHE_BYTES

from ..conftest import definition_content

ARCHITECTURES = architectures()
CROPS = tuple(study_crops())
FURTHER_VIEWS = [name for name in view_names() if view_of(name).shelf is FURTHER_SHELF]
VIEWS = tuple(views_made_always())

ROOT = Path(__file__).parents[2]

MakeProject = Callable[..., Project]

NAMES = st.from_regex(r"[a-z0-9][a-z0-9_]{0,12}", fullmatch=True)
CELLS = st.builds(
    Cell,
    dataset=NAMES,
    labels=NAMES,
    split=st.sampled_from(SPLITS),
    view=st.sampled_from(VIEWS),
    architecture=st.sampled_from(ARCHITECTURES),
    recipe=NAMES,
    seed=st.integers(0, 2**31 - 1),
)


# Cells


@given(cell=CELLS)
def test_a_cell_is_its_path(cell: Cell) -> None:
    assert Cell.from_path(cell.path) == cell
    assert Cell.from_path(f"{cell.path}/").path == cell.path


def test_a_cells_path_is_the_documented_one() -> None:
    cell = Cell("breastmnist", "printed", "official", "center", "vgg16", "paper", 3)
    assert cell.path == "breastmnist/printed/official/center/vgg16/paper/seed3"
    assert CELL_COLUMNS == ["dataset", "labels", "split", "view", "architecture", "recipe", "seed"]


# Studies


def test_of_each_network_on_whole_images_the_first_seed_is_explained(make_project: MakeProject) -> None:
    study = {"datasets": ["first"], "figures": ["saliency"], "splits": ["crossfit5"], "shuffles": 1}
    study |= {"seeds": [3, 1], "architectures": ["lenet5", "vgg16"], "recipes": ["scratch"]}
    grid = Grid(make_project({"main": study}))
    found = grid.explained_cells("main", "first")
    own = [cell for cell in grid.cells("main") if cell.view == "original" and not cell.is_baseline]
    networks = {(cell.architecture, cell.recipe) for cell in own}
    assert {(cell.architecture, cell.recipe) for cell in found} == networks
    assert len(found) == len(networks) > 1
    assert {(cell.split, cell.view, cell.seed) for cell in found} == {("crossfit5", "original", 5)}
    cropped = study | {"views": ["upper_left"]}
    with pytest.raises(NullcropError, match="none is trained on those of 'first'; add `original` to `views`"):
        Grid(make_project({"main": cropped}))
    assert not Grid(make_project({"main": cropped | {"figures": []}})).explained_cells("main", "first")


def test_a_study_is_the_cross_product_of_its_keys(make_project: MakeProject) -> None:
    grid = Grid(make_project({"main": {"datasets": ["first", "second"], "seeds": [0, 1]}}))
    cells = grid.cells("main")
    assert len(cells) == len(set(cells)) == 2 * 6 * 4 * 2
    assert {cell.view for cell in cells} == set(VIEWS)
    assert {(cell.split, cell.recipe, cell.labels) for cell in cells} == {("random", "paper", "printed")}
    assert grid.datasets("main") == ["first", "second"]
    assert grid.cells("main", "second") == [cell for cell in cells if cell.dataset == "second"]


def test_parts_are_cross_products_that_take_what_they_leave_out_from_the_study(
    make_project: MakeProject,
) -> None:
    parts = [{"datasets": ["first"], "splits": ["grouped"]}, {"datasets": ["second"], "views": ["center"]}]
    study = {"architectures": ["vgg16"], "views": ["original", "center"], "parts": parts}
    assert [cell.path for cell in Grid(make_project({"main": study})).cells("main")] == [
        "first/printed/grouped/original/vgg16/paper/seed0",
        "first/printed/grouped/center/vgg16/paper/seed0",
        "second/printed/random/center/vgg16/paper/seed0",
    ]


OTHER_SPLITS = [name for name in SPLITS if not name.startswith("crossfit")]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    splits=st.lists(st.sampled_from(OTHER_SPLITS), min_size=1, max_size=3, unique=True),
    seeds=st.lists(st.integers(0, 99), min_size=1, max_size=3, unique=True),
    architectures=st.lists(st.sampled_from(["vgg16", "lenet5"]), min_size=1, unique=True),
)
def test_seeds_of_other_protocols_are_the_cells_seeds(
    make_project: MakeProject, splits: list[str], seeds: list[int], architectures: list[str]
) -> None:
    views = ["upper_left", "center"]
    study = {
        "datasets": ["first"],
        "splits": splits,
        "seeds": seeds,
        "views": views,
        "architectures": architectures,
        "recipes": ["scratch"],
    }
    assert Grid(make_project({"main": study})).cells("main") == [
        Cell("first", "printed", split, view, architecture, "scratch", seed)
        for split, view, architecture, seed in product(splits, views, architectures, seeds)
    ]


def a_crossfitted_study(
    tmp_path: Path, counts: dict[str, int] | None, of: dict[str, Any], **study: Any
) -> Grid:
    changes = {} if counts is None else {"expected": {"classes": counts}}
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(definition_content(**changes, **of)))
    keys = {"title": "Main", "datasets": ["one"], "architectures": ["lenet5"], "recipes": ["scratch"]}
    return Grid(Project({"definitions": [str(tmp_path)], "studies": {"main": {**keys, **study}}}))


@pytest.mark.parametrize(("split", "folds"), [("crossfit", 10), ("crossfit5", 5), ("crossfit_balanced", 10)])
@pytest.mark.parametrize("of", [{}, {"group": "patient"}])
def test_seeds_of_a_cross_fitted_split_are_partitions_into_folds(
    tmp_path: Path, split: str, folds: int, of: dict[str, Any]
) -> None:
    """Nobody has counted the images, or they come in groups: every fold is tested."""
    counts = {"benign": 10**5, "malignant": 10**5} if of else None
    study = {"splits": [split, "random"], "seeds": [0, 3], "views": ["upper_left"], "baselines": ["mean_rgb"]}
    cells = a_crossfitted_study(tmp_path, counts, of, **study).cells("main")
    seeds = [*range(folds), *range(3 * folds, 4 * folds)]
    for name in ("lenet5", "mean_rgb"):
        own = [cell.seed for cell in cells if (cell.split, cell.architecture) == (split, name)]
        assert own == seeds
    assert [cell.seed for cell in cells if (cell.split, cell.architecture) == ("random", "lenet5")] == [0, 3]


@pytest.mark.parametrize("images", [600, 8_000, 16_000, 60_000, 10**6])
def test_of_a_large_dataset_as_few_folds_are_tested_as_suffice(tmp_path: Path, images: int) -> None:
    """Counts are stated and no image has a group: fixed before anything is trained, for all readers alike."""
    counts = {"benign": images * 3 // 4, "malignant": images // 4}
    study = {"splits": ["crossfit"], "seeds": [2], "baselines": ["mean_rgb", "majority"]}
    grid = a_crossfitted_study(tmp_path, counts, {}, **study)
    # Four corners of a whole field; lenet5, mean_rgb and their average.
    assert grid.members("one", grid.project.config.studies["main"].cross_products()[0]) == 4 * 3
    tested = fewest_folds(list(counts.values()), 10, 4 * 3, 0.05)
    for cell in grid.cells("main"):
        assert cell.seed in range(20, 20 + tested)
    assert len({cell.seed for cell in grid.cells("main")}) == tested
    assert {600: 10, 10**6: 1}.get(images, tested) == tested


def test_the_default_label_rule_is_the_first_and_is_named_in_the_path(make_project: MakeProject) -> None:
    study = {
        "datasets": ["first"],
        "architectures": ["vgg16"],
        "views": ["center"],
        "labels": ["default", "each"],
    }
    assert [cell.labels for cell in Grid(make_project({"main": study})).cells("main")] == ["printed", "each"]


def test_studies_share_cells(make_project: MakeProject) -> None:
    one = {"datasets": ["first"], "architectures": ["vgg16"]}
    two = {**one, "views": ["original", "center"], "seeds": [0, 1]}
    grid = Grid(make_project({"one": one, "two": two}))
    assert [len(grid.cells(study)) for study in ("one", "two")] == [6, 4]
    assert len(grid.all_cells) == 6 + 2
    assert grid.values("seed") == ["0", "1"]


def test_narrowing_to_a_dataset_narrows_every_target(make_project: MakeProject) -> None:
    studies = {"both": {"datasets": ["first", "second"]}, "other": {"datasets": ["second"]}}
    grid = Grid(make_project(studies, datasets=["first"]))
    assert grid.studies == ["both"]
    assert {cell.dataset for cell in grid.all_cells} == {"first"}
    assert not [path for path in grid.targets() if "second" in path or "other" in path]


def test_targets_are_the_cells_metrics_and_figures_of_every_study(make_project: MakeProject) -> None:
    grid = Grid(make_project({"main": {"datasets": ["first"]}}, paths={"results": "out"}))
    assert set(grid.targets()) == {
        *(
            f"out/cells/{cell.path}/{name}"
            for cell in grid.cells("main")
            for name in ("predictions.csv", "history.csv", "cell.json")
        ),
        *(f"out/studies/main/{table}.csv" for table in ("metrics", "readers", "comparisons", "verdicts")),
        *(f"out/studies/main/figures/verdicts.{suffix}" for suffix in ("pdf", "svg", "png")),
        *(
            f"out/studies/main/first/figures/{figure}.{suffix}"
            for figure in ("accuracy", "samples", "crops")
            for suffix in ("pdf", "svg", "png")
        ),
        "out/datasets/first/leaks.csv",
        "out/report/main/index.html",
        "out/report/index.html",
    }


def test_duplicates_between_datasets_are_a_target_where_there_are_two(make_project: MakeProject) -> None:
    study = {"datasets": ["first", "second"], "views": ["center"]}
    targets = Grid(make_project({"main": study})).targets()
    assert {"results/duplicates.csv", "results/datasets/second/leaks.csv"} <= set(targets)
    assert "results/duplicates.csv" not in Grid(make_project({"main": study}, datasets=["first"])).targets()


def test_the_splits_of_a_dataset_are_those_of_its_cells(make_project: MakeProject) -> None:
    study = {"datasets": ["first", "second"], "splits": ["random", "official"], "seeds": [1, 0]}
    assert Grid(make_project({"main": study})).splits("second") == [
        f"results/splits/second/printed/{protocol}/seed{seed}.csv"
        for protocol in ("official", "random")
        for seed in (0, 1)
    ]


def test_duplicates_that_are_groups_allow_a_grouped_split(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project({"main": {"datasets": ["second"], "splits": ["grouped"]}})
    path = tmp_path / "definitions" / "second.yaml"
    path.write_text(path.read_text() + "duplicates: group\n")
    assert len(Grid(project).cells("main")) == 24


def test_a_cell_reads_its_view_its_split_and_weights_only_when_its_recipe_has_some(
    make_project: MakeProject,
) -> None:
    study = {"datasets": ["first"], "recipes": ["paper", "scratch"], "architectures": ["vgg16"]}
    grid = Grid(make_project({"main": study}))
    paper, scratch = (
        Cell("first", "printed", "random", "center", "vgg16", r, 5) for r in ("paper", "scratch")
    )
    assert grid.cell_inputs(paper) == {
        "view": "results/datasets/first/views/center.json",
        "pixels": "results/datasets/first/views/center.npy",
        "split": "results/splits/first/printed/random/seed5.csv",
        "weights": "resources/weights/vgg16.pth",
    }
    assert grid.cell_inputs(scratch).keys() == {"view", "pixels", "split"}
    assert split_path("results", paper) == grid.cell_inputs(scratch)["split"]


# Controls


def test_baselines_stand_beside_the_networks_whatever_the_recipes(make_project: MakeProject) -> None:
    study = {
        "datasets": ["first"],
        "architectures": ["vgg16", "resnet50"],
        "views": ["upper_left", "center"],
        "recipes": ["paper", "scratch"],
        "baselines": ["mean_rgb", "file_facts"],
    }
    cells = Grid(make_project({"main": study})).cells("main")
    assert [cell.path for cell in cells if cell.architecture in BASELINES] == [
        "first/printed/random/original/file_facts/baseline/seed0",
        "first/printed/random/upper_left/mean_rgb/baseline/seed0",
        "first/printed/random/center/mean_rgb/baseline/seed0",
    ]
    assert len(cells) == 2 * 2 * 2 + 3


def test_a_study_without_baselines_has_none_and_a_part_may_do_without(make_project: MakeProject) -> None:
    study = {"architectures": ["vgg16"], "datasets": ["first"]}
    assert len(Grid(make_project({"main": study})).cells("main")) == 6
    parts = [{"datasets": ["first"], "baselines": []}, {"datasets": ["second"]}]
    both = Grid(make_project({"main": {**study, "baselines": ["majority"], "parts": parts}}))
    assert [len(both.cells("main", dataset)) for dataset in ("first", "second")] == [6, 7]


def test_shuffles_train_everything_again_on_shuffled_targets(make_project: MakeProject) -> None:
    study = {
        "datasets": ["first"],
        "splits": ["random", "grouped_balanced"],
        "architectures": ["vgg16"],
        "views": ["center"],
        "baselines": ["majority"],
        "shuffles": 2,
    }
    grid = Grid(make_project({"main": study}))
    splits = {cell.split for cell in grid.cells("main")}
    assert splits == {
        f"{split}{shuffle}"
        for split in ("random", "grouped_balanced")
        for shuffle in ("", "_shuffle1", "_shuffle2")
    }
    assert len(grid.cells("main")) == len(splits) * 2
    for path in grid.targets():
        grid.check_target(path)
    unplanned = "results/splits/first/printed/random_shuffle3/seed0.csv"
    assert "unknown split 'random_shuffle3'" in refusal(lambda: grid.check_target(unplanned))


@pytest.mark.parametrize("watching", [{"early_stopping": 3}, {"plateau_patience": 2}, {"tested": "best"}])
def test_a_recipe_that_watches_a_validation_part_refuses_a_split_without_one(
    make_project: MakeProject, watching: dict[str, Any]
) -> None:
    study = {"datasets": ["first"], "views": ["center"], "architectures": ["vgg16"], "recipes": ["own"]}
    recipes, (key,) = {"own": {"epochs": 9, **watching}}, watching
    for split in ("holdout20", "holdout20_balanced"):
        project = make_project({"main": {**study, "splits": ["random", split]}}, recipes=recipes)
        assert refusal(lambda project=project: Grid(project)) == (
            f"studies.main: the split '{split}' has no validation part, at which the recipe 'own' looks "
            f"({key}); take a split that has one, such as `random`, or a recipe of a fixed number "
            "of epochs"
        )
    plain = make_project({"main": {**study, "splits": ["holdout20"]}}, recipes={"own": {"epochs": 9}})
    assert [cell.split for cell in Grid(plain).cells("main")] == ["holdout20"]
    assert Grid(make_project({"main": {**study, "splits": ["random"]}}, recipes=recipes)).cells("main")


@pytest.mark.parametrize(
    "name", [*SPLITS, "random_shuffle1", "grouped_balanced_shuffle120", "random_balanced405"]
)
def test_the_pattern_of_splits_matches_their_names(name: str) -> None:
    assert re.fullmatch(ANY_SPLIT_PATTERN, name)


@pytest.mark.parametrize(
    "name",
    [
        "random_shuffle",
        "random_shuffle0",
        "shuffle1",
        "random_shuffle1_balanced",
        "random_balanced0",
        "balanced4",
        "",
    ],
)
def test_the_pattern_of_splits_matches_nothing_else(name: str) -> None:
    assert not re.fullmatch(ANY_SPLIT_PATTERN, name)


def test_seeds_of_the_config_stand_in_place_of_every_studys_own(make_project: MakeProject) -> None:
    study = {"datasets": ["first"], "architectures": ["vgg16"], "views": ["center"], "seeds": [7]}
    grid = Grid(make_project({"main": study}, seeds=[0, 1, 2]))
    assert sorted(cell.seed for cell in grid.cells("main")) == [0, 1, 2]


@pytest.mark.parametrize(
    ("config", "cells"),
    [
        # 13 datasets × 4 networks × 6 views
        ("config", 312),
        ("reconstruction", 312),
        # Nine panels (three of them under two rules), ISIC-2018's two at five seeds
        ("balanced", (2 + 2 + 1 + 1 + 1 + 1 + 2 * 5) * 24),
        # One dataset with and without ImageNet weights
        ("transfer", 2 * 24),
        # Three networks on six views, by image and by patient; one network by both settings of its card
        ("idc_three", 3 * 6 * 2),
        ("pcam", 6 * 2),
        # Four datasets and the two of COIL on two views, Yale A on three and C. elegans on two in ten folds,
        # RNAi's patches within a session and across two
        ("earlier", 6 * 2 + 20 * 2 + 10 * 3 + 10 * 2 + 2 + 2 * 2),
    ],
)
def test_the_studies_hold_as_many_networks_as_the_paper_trained(config: str, cells: int) -> None:
    grid = Grid(read_project(ROOT / f"config/{config}.yaml"))
    assert sum(cell.architecture in NETWORKS for cell in grid.all_cells) == cells


# Refusals


def refusal(make: Callable[[], object]) -> str:
    with pytest.raises(NullcropError) as caught:
        make()
    return str(caught.value)


def test_a_verdict_rests_on_crops_at_true_labels_by_readers_that_judge(make_project: MakeProject) -> None:
    study = {"datasets": ["first"], "baselines": list(BASELINES), "shuffles": 1, "seeds": [0, 1]}
    grid = Grid(make_project({"main": study | {"splits": ["random", "crossfit5", "official"]}}))
    judging = {"mean_rgb", "color_histogram", "raw_pixels"}
    corners = set(CROPS) - {"center"}
    expected = {
        cell
        for cell in grid.cells("main")
        if cell.view in corners
        and cell.split in ("random", "crossfit5", "official")
        and (cell.architecture in judging or not cell.is_baseline)
    }
    assert set(grid.judging_cells("main", "first")) == expected
    # The factor c is checked on baselines, where several parts are tested whose labels are trained on, too.
    assert set(grid.checked_cells("main", "first")) == {
        cell for cell in expected if cell.is_baseline and cell.split != "official"
    }
    assert {Path(path).parent.name for path in grid.mapped_splits("main", "first")} == {
        *("random", "crossfit5", "official")
    }
    once = Grid(make_project({"main": study | {"seeds": [0]}}))
    assert once.judging_cells("main", "first")
    assert once.checked_cells("main", "first") == []


def test_full_originals_are_needed_where_a_baseline_reads_them(make_project: MakeProject) -> None:
    studies = {
        "textures": {"datasets": ["first"], "architectures": ["vgg16"], "baselines": ["texture"]},
        "colours": {"datasets": ["second"], "architectures": ["vgg16"], "baselines": ["mean_rgb"]},
    }
    grid = Grid(make_project(studies))
    assert grid.needs_full_originals("first")
    assert not grid.needs_full_originals("second")  # its colours are counted when images are packed
    crops = studies["textures"] | {"views": ["bottom_left", "upper_right"]}
    assert not Grid(make_project({"textures": crops})).needs_full_originals("first")


def test_a_report_needs_no_table_that_a_dataset_has_not(make_project: MakeProject) -> None:
    grid = Grid(make_project({"main": {"datasets": ["first", "second"]}}))
    names = {Path(path).name for path in grid.report_inputs("main")}
    assert {"metrics.csv", "dataset.json", "leaks.csv", "duplicates.csv"} <= names
    assert not names & {"masks.csv", "discrepancies.csv", "treatments.csv", "table.csv"}
    assert "duplicates.csv" not in {Path(path).name for path in grid.report_inputs("main", "first")}


def test_views_of_the_lesion_are_refused_of_a_dataset_without_masks(make_project: MakeProject) -> None:
    study = {"datasets": ["first"], "views": ["original", "lesion_hidden"]}
    message = refusal(lambda: Grid(make_project({"main": study})))
    assert "the view lesion_hidden needs each image's mask, but dataset 'first' has none" in message


@pytest.mark.parametrize("attribute", ["brightness", "dicom_model"])
def test_a_split_matches_on_what_is_measured_or_told_by_dicom_files(
    attribute: str, make_project: MakeProject
) -> None:
    split = f"crossfit5_match_{attribute}"
    grid = Grid(make_project({"main": {"datasets": ["first"], "splits": [split]}}))
    assert {cell.split for cell in grid.cells("main")} == {split}


def test_a_split_that_matches_on_what_nobody_knows_is_refused(make_project: MakeProject) -> None:
    study = {"datasets": ["first"], "splits": ["random", "crossfit5_match_brightnes"]}
    message = refusal(lambda: Grid(make_project({"main": study})))
    assert "matches on 'brightnes', but dataset 'first' has no such attribute" in message
    assert "did you mean 'brightness'?" in message


def test_an_unknown_dataset_is_named_with_what_was_meant(make_project: MakeProject) -> None:
    message = refusal(lambda: Grid(make_project({"main": {"datasets": ["frist"]}})))
    assert "unknown dataset 'frist', did you mean 'first'?" in message
    assert "definitions are read from " in message


def test_an_unknown_dataset_to_narrow_to_is_named(make_project: MakeProject) -> None:
    message = refusal(lambda: make_project({"main": {"datasets": ["first"]}}, datasets=["scond"]))
    assert "unknown dataset 'scond', did you mean 'second'?" in message


def test_an_unknown_label_rule_is_named(make_project: MakeProject) -> None:
    message = refusal(lambda: Grid(make_project({"main": {"datasets": ["first"], "labels": ["other"]}})))
    assert "has no label rule 'other'; it has printed, each" in message


@pytest.mark.parametrize("split", ["grouped", "grouped_balanced"])
def test_a_grouped_split_of_a_dataset_without_groups(split: str, make_project: MakeProject) -> None:
    study = {"datasets": ["first", "second"], "splits": ["random", split]}
    message = refusal(lambda: Grid(make_project({"main": study})))
    assert "studies.main: dataset 'second' has no group key, so it cannot be split by group" in message
    assert re.search(r"name the key under `group:` in .*second\.yaml", message)


def test_imagenet_weights_for_a_network_that_has_none(make_project: MakeProject) -> None:
    study: dict[str, Any] = {"datasets": ["first"], "architectures": ["shufflenet_v2", "lenet5"]}
    message = refusal(lambda: Grid(make_project({"main": study})))
    assert "there are no ImageNet weights for lenet5, which the recipe 'paper' asks for" in message
    study["recipes"] = ["scratch"]
    assert len(Grid(make_project({"main": study})).cells("main")) == 2 * 6


CELL = "results/cells/first/printed/random/center/vgg16/paper/seed0/cell.json"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (CELL.replace("center", "centre"), "unknown view 'centre', did you mean 'center'?"),
        (CELL.replace("first", "fist"), "unknown dataset 'fist', did you mean 'first'?"),
        (CELL.replace("printed", "reprinted"), "unknown label rule 'reprinted', did you mean 'printed'?"),
        (CELL.replace("random", "rndom"), "unknown split 'rndom', did you mean 'random'?"),
        (CELL.replace("vgg16", "vgg19"), "unknown architecture 'vgg19', did you mean 'vgg16'?"),
        (CELL.replace("paper", "papper"), "unknown recipe 'papper', did you mean 'paper'?"),
        (CELL.replace("seed0", "seed7"), "unknown seed 'seed7', did you mean 'seed0'?"),
        (CELL.replace("cell.json", "cel.json"), "unknown file 'cel.json', did you mean 'cell.json'?"),
        ("results/studies/mein/metrics.csv", "unknown study 'mein', did you mean 'main'?"),
        (
            "results/studies/main/figures/verdict.png",
            "unknown figure 'verdict.png', did you mean 'verdicts.png'?",
        ),
        ("results/studies/main/third/metrics.csv", "unknown dataset 'third', known are: first, second"),
        (
            "results/studies/main/first/figures/acuracy.pdf",
            "unknown figure 'acuracy.pdf', did you mean 'accuracy.pdf'?",
        ),
        ("results/datasets/frist/samples.csv", "unknown dataset 'frist', did you mean 'first'?"),
        (
            "results/datasets/first/views/uper_left.npy",
            "unknown view 'uper_left.npy', did you mean 'upper_left.npy'?",
        ),
        ("results/splits/first/printed/rand/seed0.csv", "unknown split 'rand', did you mean 'random'?"),
        ("./results/studies/qqq", "unknown study 'qqq', known are: main"),
        ("results/report/main/fist.html", "unknown report 'fist.html', did you mean 'first.html'?"),
        ("results/report/mein/index.html", "unknown study 'mein', did you mean 'main'?"),
    ],
)
def test_a_target_that_names_nothing_is_explained(path: str, words: str, make_project: MakeProject) -> None:
    grid = Grid(make_project({"main": {"datasets": ["first", "second"]}}))
    assert refusal(lambda: grid.check_target(path)) == f"{path}: {words}"


@pytest.mark.parametrize("results", ["results", "audits/one", "{here}/results", "/elsewhere"])
def test_a_target_where_results_do_not_lie_is_told_where_they_do(
    results: str, make_project: MakeProject
) -> None:
    results = results.format(here=Path.cwd())
    grid = Grid(make_project({"main": {"datasets": ["first"]}}, paths={"results": results}))
    for place in ("results", Path.cwd() / "results", Path.cwd() / "audits/one", "/elsewhere"):
        path = f"{place}/studies/main/first/figures/accuracy.png"
        means_it = str(place) in ("results", str(Path(results).absolute())) and str(place) != results
        if means_it:
            assert refusal(lambda path=path: grid.check_target(path)) == (
                f"{path}: the config's results lie in {results}, so the target is "
                f"{path.replace(str(place), results, 1)}"
            )
        else:
            grid.check_target(path)


def test_every_target_of_the_grid_and_what_is_no_result_passes(make_project: MakeProject) -> None:
    grid = Grid(make_project({"main": {"datasets": ["first"]}}))
    cells = [f"results/cells/{cell.path}/cell.json" for cell in grid.all_cells]
    inputs = [path for cell in grid.all_cells for path in grid.cell_inputs(cell).values()]
    others = ["train_cell", "--cores", "results", "results/logs/any", "resources/weights/any.pth", CELL]
    for path in (*grid.targets(), *cells, *inputs, *others):
        grid.check_target(path)


# Patterns and resources


def test_a_wildcard_pattern_matches_exactly_its_names() -> None:
    assert [name for name in ("a", "a.b", "axb", "ab", "") if re.fullmatch(any_of(["a", "a.b"]), name)] == [
        "a",
        "a.b",
    ]
    assert re.fullmatch(any_of(CROPS), "center")
    assert re.fullmatch(any_of([]), "") is None


CENTER = Cell("first", "printed", "random", "center", "resnet50", "paper", 0)


def test_time_grows_with_images_epochs_input_and_network(
    make_definition: Callable[..., Definition],
) -> None:
    def seconds(images: int, device: str = "cuda", recipe: Recipe | None = None, **changes: Any) -> float:
        definition = make_definition(expected={"images": images})
        return training_seconds(replace(CENTER, **changes), recipe or Recipe(), definition, device)

    assert seconds(20_000) == pytest.approx(2 * seconds(10_000))
    assert seconds(10_000, recipe=Recipe(epochs=10)) == pytest.approx(2 * seconds(10_000))
    assert seconds(10_000, recipe=Recipe(input_size=112)) < seconds(10_000) / 3
    assert seconds(10_000) < seconds(10_000, view="original")
    assert seconds(10_000) < seconds(10_000, device="cpu") / 10
    assert seconds(10_000, architecture="lenet5") < seconds(10_000, architecture="vgg16")


@pytest.mark.parametrize(
    ("device", "engine", "faster"),
    [
        ("cuda", "captured_bf16", True),
        ("auto", "captured_bf16", True),
        ("cpu", "captured_bf16", False),
        ("auto", "auto", False),
        ("cuda", "captured_fp32", False),
    ],
)
def test_an_engine_that_was_measured_asks_for_less_time(
    make_definition: Callable[..., Definition], device: str, engine: str, faster: bool
) -> None:
    definition = make_definition(expected={"images": 10_000})
    plain, asked = (
        training_seconds(CENTER, Recipe(), definition, device, each) for each in ("plain", engine)
    )
    assert (asked < plain) == faster


def test_a_job_of_several_cells_asks_for_their_time_together_and_every_attempt_for_more() -> None:
    start = minutes([], 1)
    assert minutes([600.0, 600.0, 600.0], 1) - start == 3 * (minutes([600.0], 1) - start)
    assert [minutes([600.0], attempt) / minutes([600.0], 1) for attempt in (1, 2, 3)] == [1, 2, 3]


def test_memory_grows_with_the_cache_up_to_its_limit(make_definition: Callable[..., Definition]) -> None:
    def memory(images: int, architecture: str = "resnet50", attempt: int = 1) -> int:
        return training_memory_mb(
            architecture, Recipe(), make_definition(expected={"images": images}), attempt
        )

    assert memory(1_000) < memory(5_000) < memory(100_000) == memory(1_000_000)
    assert memory(1_000, "lenet5") < memory(1_000, "resnet50") < memory(1_000, "inception_v3")
    assert memory(1_000, attempt=2) == 2 * memory(1_000)
    # What training keeps at most, and nothing beyond it.
    assert memory(1_000_000) - memory(1) == CACHE_BYTES // 2**20


def test_baselines_ask_for_more_with_every_image_and_attempt(
    make_definition: Callable[..., Definition],
) -> None:
    small, large, unknown = (
        make_definition(expected=expected) for expected in ({"images": 60}, {"images": 300_000}, {})
    )
    assert growing(20)(None, 3) == 60
    for asked in (baselines_minutes, baselines_memory_mb):
        assert asked(small, 1) < asked(unknown, 1) < asked(large, 1)
        assert asked(large, 3) == 3 * asked(large, 1)
    # 300,000 images of 20×20 pixels, standardised in double precision.
    assert baselines_memory_mb(large, 1) > 300_000 * 1200 * 8 / 2**20


def test_gpus_are_asked_for_unless_the_config_says_cpu() -> None:
    assert [training_gpus(device) for device in ("cpu", "auto", "cuda")] == [0, 1, 1]


def test_input_sides_are_those_of_the_networks_that_see_whole_images(make_project: MakeProject) -> None:
    recipes = {name: {"weights": "random", "input_size": side} for name, side in (("a", 320), ("b", 64))}
    parts = [
        {"architectures": ["resnet50", "inception_v3", "lenet5"], "recipes": ["scratch"]},
        {"architectures": ["resnet50"], "recipes": ["a"]},
        {"architectures": ["resnet50"], "recipes": ["b"], "views": ["center"]},
        {"architectures": ["timm:test_vit"], "recipes": ["a", "scratch"]},
    ]
    study = {"datasets": ["first"], "parts": parts, "baselines": ["raw_pixels"]}
    crops = {"datasets": ["second"], "recipes": ["a"], "views": ["center"], "architectures": ["vgg16"]}
    grid = Grid(make_project({"whole": study, "crops": crops}, recipes=recipes))
    assert grid.input_sides("first") == ["20", "224", "299", "320", "timm:test_vit"]
    assert grid.input_sides("second") == []


def test_a_network_of_timm_reads_the_weights_that_the_config_pins(make_project: MakeProject) -> None:
    study = {"datasets": ["first"], "architectures": ["timm:vit_tiny_patch16_224"], "views": ["center"]}
    message = refusal(lambda: Grid(make_project({"main": study})))
    assert "name those of timm:vit_tiny_patch16_224 under `weights:` (repository, revision, sha256" in message
    pin = {"repository": "timm/x", "revision": "a" * 40, "sha256": "b" * 64}
    grid = Grid(make_project({"main": study}, weights={"timm:vit_tiny_patch16_224": pin}))
    (cell,) = grid.cells("main")
    weights = grid.cell_inputs(cell)["weights"]
    assert weights == f"resources/weights/timm:vit_tiny_patch16_224-{'b' * 64}.safetensors"
    grid.check_target(f"results/cells/{cell.path}/cell.json")
    with pytest.raises(NullcropError, match="revision"):
        make_project({"main": study}, weights={"timm:x": {**pin, "revision": "main"}})


def test_pins_that_no_study_needs_are_refused(make_project: MakeProject) -> None:
    pin = {"repository": "timm/vit", "revision": "a" * 40, "sha256": "b" * 64}
    study = {"datasets": ["first"], "architectures": ["timm:resnet18", "resnet50"], "recipes": ["scratch"]}
    for name, hint in {
        "timm:resnet81": "did you mean 'timm:resnet18'?",
        "resnet18": "did you mean 'timm:resnet18'?",
        "resnet50": "known are: timm:resnet18",  # has torchvision's weights, which no pin replaces
        "timm:vit_tiny": "known are: timm:resnet18",
    }.items():
        with pytest.raises(NullcropError) as caught:
            make_project({"main": study}, weights={"timm:resnet18": pin, name: pin})
        assert f"weights: no study names a network of timm '{name}', {hint}" in str(caught.value)
    make_project({"main": study}, weights={"timm:resnet18": pin})


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_takes_its_smallest_input_and_no_smaller_one(make_project: MakeProject, name: str) -> None:
    least = NETWORKS[name].smallest_input
    study = {"datasets": ["first"], "architectures": [name], "views": ["center"], "recipes": ["small"]}

    def grid(side: int) -> Grid:
        return Grid(
            make_project({"main": study}, recipes={"small": {"weights": "random", "input_size": side}})
        )

    assert len(grid(least).cells("main")) == 1
    with pytest.raises(
        NullcropError, match=f"{name} needs at least {least} pixels a side, .* is {least - 1}"
    ):
        grid(least - 1)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_head_alone_is_trained_of_encoders_only(make_project: MakeProject, name: str) -> None:
    study = {"datasets": ["first"], "architectures": [name], "views": ["center"], "recipes": ["probe"]}

    def grid() -> Grid:
        return Grid(make_project({"main": study}, recipes={"probe": {"weights": "random", "train": "head"}}))

    if NETWORKS[name].heads:
        assert len(grid().cells("main")) == 1
    else:
        words = f"{name} is no encoder, so the recipe 'probe' cannot train its head alone"
        with pytest.raises(NullcropError, match=words):
            grid()


def test_a_study_has_its_baselines_on_the_further_views_that_it_names(make_project: MakeProject) -> None:
    study = {"datasets": ["first"], "architectures": ["lenet5"], "recipes": ["scratch"], "seeds": [0, 1]}
    views = ["original", "forehead", "otsu_background"]
    grid = Grid(make_project({"main": {**study, "views": views, "baselines": ["mean_rgb", "file_facts"]}}))
    made = [(cell.view, cell.architecture, cell.seed) for cell in grid.cells("main") if cell.is_baseline]
    expected = [(view, "mean_rgb") for view in views] + [("original", "file_facts")]
    assert sorted(made) == sorted((*pair, seed) for pair in expected for seed in (0, 1))


def test_random_weights_of_a_network_of_timm_need_no_pin(make_project: MakeProject) -> None:
    study = {"datasets": ["first"], "architectures": ["timm:resnet18"], "recipes": ["scratch"]}
    assert len(Grid(make_project({"main": study})).all_cells) == 6


def test_a_dataset_may_have_crops_of_its_own_size(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project({"main": {"datasets": ["first", "second"]}}, crop={"width": 30, "height": 20})
    path = tmp_path / "definitions" / "second.yaml"
    path.write_text(path.read_text() + "crop: {width: 22, height: 29}\n")
    assert [(project.crop(name).width, project.crop(name).height) for name in ("first", "second")] == [
        (30, 20),
        (22, 29),
    ]


# Batches


@given(cell=CELLS, size=st.integers(1, 40))
def test_cells_of_a_batch_differ_in_seed_and_view_alone_and_are_no_more_than_its_size(
    cell: Cell, size: int
) -> None:
    around = range(max(0, cell.seed - 2 * size), cell.seed + 2 * size + 1)
    others = [replace(cell, view=view, seed=seed) for view in VIEWS for seed in around]
    shared = [other for other in others if batch_path(other, size) == batch_path(cell, size)]
    assert cell in shared
    assert len(shared) == size if cell.seed >= size else len(shared) <= size
    for change in ({"dataset": f"{cell.dataset}x"}, {"recipe": f"{cell.recipe}x"}):
        assert batch_path(replace(cell, **change), size) != batch_path(cell, size)


def test_every_cell_is_in_one_batch_and_another_seed_or_study_moves_none(make_project: MakeProject) -> None:
    one = {"datasets": ["first", "second"], "seeds": [0, 1]}
    before = Grid(make_project({"one": one}, cells_per_job=6))
    assert [len(cells) for cells in before.batches.values()] == [6] * (2 * 4 * 2)
    assert sorted(cell for cells in before.batches.values() for cell in cells) == sorted(before.all_cells)
    after = Grid(make_project({"one": {**one, "seeds": [1, 0, 7]}, "two": one}, cells_per_job=6))
    for path, cells in before.batches.items():
        assert set(after.batches[path]) == set(cells)


@given(cell=CELLS, size=st.integers(1, 40))
def test_further_views_share_jobs_among_themselves_and_move_no_other_cell(cell: Cell, size: int) -> None:
    further = [
        batch_path(replace(cell, view=view, seed=seed), size)
        for seed in range(2 * size)
        for view in FURTHER_VIEWS
    ]
    assert set(map(further.count, further)) == {size}
    assert not {batch_path(replace(cell, view=view), size) for view in VIEWS} & set(further)


def test_long_cells_share_no_job_with_many(make_project: MakeProject) -> None:
    study = {"datasets": ["first"], "architectures": ["vgg16"]}
    short = make_project({"one": study}, cells_per_job=6)
    long = make_project({"one": study}, cells_per_job=6, device="cpu")
    assert [len(cells) for cells in Grid(short).batches.values()] == [6]
    assert [len(cells) for cells in Grid(long).batches.values()] == [1] * 6
    cells = Grid(long).all_cells
    definition = long.definition("first")
    assert (
        max(training_seconds(cell, Recipe(), definition, "cpu") for cell in cells) > LONGEST_BATCH_SECONDS / 2
    )


def test_short_cells_share_jobs_unless_a_config_says_how_many(
    make_project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    short = {"datasets": ["first"], "architectures": ["lenet5"], "recipes": ["quick"]}
    long = {"datasets": ["first"], "architectures": ["resnet50"], "recipes": ["quick"]}
    recipes = {"quick": {"weights": "random", "epochs": 1}}

    def grid(**studies: object) -> Grid:
        return Grid(make_project(studies, recipes=recipes))

    both = grid(short=short, long=long)
    assert [len(cells) for cells in both.batches.values()] == [3, 3] + [1] * 6
    assert both.in_batches
    assert not grid(long=long).in_batches
    for number, in_batches in ((1, False), (6, True)):
        named = Grid(make_project({"short": short}, recipes=recipes, cells_per_job=number))
        assert [len(cells) for cells in named.batches.values()] == [number] * (6 // number)
        assert named.in_batches == in_batches


@pytest.mark.parametrize(
    ("begun", "in_batches"),
    [("results/.work/batches", True), ("results/benchmarks/train_cell", False), ("results/cells", None)],
)
def test_results_go_on_as_they_were_begun(
    make_project: MakeProject,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    begun: str,
    in_batches: bool | None,
) -> None:
    """The other rules would plan every finished cell again."""
    monkeypatch.chdir(tmp_path)
    grids = []
    for architecture in ("lenet5", "resnet50"):
        study = {"datasets": ["first"], "architectures": [architecture], "recipes": ["quick"]}
        grids.append(
            Grid(make_project({"main": study}, recipes={"quick": {"weights": "random", "epochs": 1}}))
        )
    Path(begun).mkdir(parents=True)
    expected = [True, False] if in_batches is None else [in_batches] * 2
    assert [grid.in_batches for grid in grids] == expected


# Demands


def test_a_study_demands_its_numerics_of_its_cells_alone(make_project: MakeProject) -> None:
    studies = {"exact": {"datasets": ["first"], "numerics": "cuda_fp32"}, "any": {"datasets": ["second"]}}
    grid = Grid(make_project(studies))
    assert {grid.demanded_numerics(cell) for cell in grid.cells("exact")} == {"cuda_fp32"}
    assert {grid.demanded_numerics(cell) for cell in grid.cells("any")} == {None}


def test_two_studies_cannot_demand_different_numerics_of_one_cell(make_project: MakeProject) -> None:
    studies = {name: {"datasets": ["first"], "numerics": name} for name in ("cuda_fp32", "cuda_bf16")}
    message = refusal(lambda: Grid(make_project(studies)))
    assert "studies.cuda_bf16.numerics: another study demands cuda_fp32 of first/printed/" in message


# Places


def test_store_and_work_lie_below_results_unless_they_are_named(make_project: MakeProject) -> None:
    study = {"main": {"datasets": ["first"]}}
    cell = Grid(make_project(study)).cells("main")[0]
    moved = make_project(study, paths={"results": "/project/out", "work": "/scratch/work"}).config.paths
    assert (moved.store, moved.work) == ("/project/out/datasets", "/scratch/work")
    elsewhere = Grid(make_project(study, paths={"store": "/fast/store"}))
    assert elsewhere.cell_inputs(cell)["pixels"] == "/fast/store/first/views/original.npy"
    assert elsewhere.cell_inputs(cell)["split"] == Grid(make_project(study)).cell_inputs(cell)["split"]
