"""What rules ask of the package: params whose text must not move, files that are watched, flags of
commands."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from nullcrop.cli import main
from nullcrop.config.cell import (
    ABOVE_A_CELLS_FILE,
    BATCH_PATH,
    CELL_FILES,
    CELL_PATH,
    Cell,
    cell_files,
    unfold_cells,
)
from nullcrop.config.dataset_files import (
    fetched_from,
    kept_together,
    listed_from,
    masks_from,
    masks_of_view,
    source_record,
)
from nullcrop.config.dataset_params import (
    crop_param,
    cutting_param,
    field_param,
    listing_param,
    mask_options,
    masks_address,
    packing_param,
    published_counts,
    report_words,
    source_param,
    targets_param,
    verdict_words,
)
from nullcrop.config.definitions import FolderSource, Masks
from nullcrop.config.figure_params import (
    figure_axes,
    figure_flags,
    figure_folder,
    figure_sources,
    figure_words,
    style_flags,
)
from nullcrop.config.figure_style import FigureStyle
from nullcrop.config.figures import FIGURES, Figure
from nullcrop.config.grid import Grid, batch_path
from nullcrop.config.models import Project, read_project
from nullcrop.config.resources import training_memory_mb, training_seconds
from nullcrop.config.training_params import (
    batch_inputs,
    cell_seconds,
    demand_flags,
    device_param,
    job_memory_mb,
    job_threads,
    plain_flags,
)
from nullcrop.config.views import VIEWS, View, views_made_always
from nullcrop.datasets.value_range import reading_of
from nullcrop.decoding.values import Reading

ROOT = Path(__file__).parents[2]
MakeProject = Callable[..., Project]
STUDY = {"main": {"datasets": ["first", "second"], "recipes": ["paper", "scratch"]}}


@pytest.fixture
def project(make_project: MakeProject) -> Project:
    return make_project(STUDY)


@pytest.fixture
def edited(make_project: MakeProject, tmp_path: Path) -> Callable[..., Project]:
    """A project whose dataset `second` has other keys."""

    def edit(**keys: Any) -> Project:
        project = make_project(STUDY)
        path = tmp_path / "definitions" / "second.yaml"
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **keys}))
        project.definition("second")  # read now, before the next edit
        return project

    return edit


# Datasets


def test_params_of_a_dataset_read_as_they_always_did(project: Project) -> None:
    """A finished cell is trained again where one of these texts moves."""
    source = '{"kind":"folder","path":"images"}'
    assert source_param(project, "first") == source
    assert listing_param(project, "first") == (
        f'{{"source":{source},"classes":["benign","malignant"],'
        '"labels":{"printed":{"positive":["malignant"]},"each":{}},"group":"patient"}'
    )
    assert targets_param(project, "first", "printed") == '{"benign": 0, "malignant": 1}'
    assert crop_param(project, "first") == cutting_param(project, "first", "center") == "20x20"
    assert packing_param(project, "first", None) == "20x20"
    assert packing_param(project, "first", ["224", "299"]) == "20x20 --sides 224 299"
    assert field_param(project, "first") == "whole"
    assert verdict_words(project, "first") == ["Small", "whole", "patient"]


@pytest.mark.parametrize(
    ("keys", "options", "reading"),
    [
        ({"bits": 12}, ["--bits", "12"], Reading(bits=12)),
        (
            {"window": {"center": -600, "width": 1500.5}},
            ["--window=-600.0,1500.5"],
            Reading(None, (-600, 1500.5)),
        ),
    ],
)
def test_the_rule_of_values_is_told_to_what_packs(
    keys: dict[str, Any],
    options: list[str],
    reading: Reading,
    edited: Callable[..., Project],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = edited(**keys)
    assert packing_param(project, "second", ["224"]) == " ".join(["20x20", *options, "--sides", "224"])
    assert cutting_param(project, "second", "center") == ["20x20", *options]
    assert listing_param(project, "second") != listing_param(edited(), "second")
    told: list[Any] = []
    monkeypatch.setattr("nullcrop.images.store.write_store", lambda *_, reading, **__: told.append(reading))
    monkeypatch.setattr("nullcrop.datasets.samples.read_samples", lambda path: path)
    main(
        [
            "crop-views",
            *["--samples", "s", "--out", "o", "--views", "center", "--threads", "1", "--crop", "20x20"],
            *options,
        ]
    )
    assert told[-1] == reading_of(project.definition("second")) == reading


@pytest.mark.parametrize(
    ("keys", "moved"),
    [
        ({"title": "Other"}, ["verdict", "report"]),
        ({"field": "tile"}, ["field", "verdict", "report"]),
        ({"crop": {"width": 9, "height": 8}}, ["crop", "report"]),
        ({"source": {"kind": "folder", "path": "elsewhere"}}, ["source", "listing", "report"]),
        ({"expected": {"images": 4}}, ["listing", "report"]),
        ({"labels": {"printed": {"positive": ["benign"]}}}, ["listing", "targets", "report"]),
        ({"duplicates": "group"}, ["verdict", "report"]),
        # What stands at its default changes nothing.
        ({"on_mismatch": "error", "groups": None, "duplicates": "report"}, []),
    ],
)
def test_an_edit_moves_the_params_of_the_steps_it_is_about(
    edited: Callable[..., Project], keys: Mapping[str, Any], moved: list[str]
) -> None:
    params: dict[str, Callable[[Project], object]] = {
        "source": lambda project: source_param(project, "second"),
        "listing": lambda project: listing_param(project, "second"),
        "targets": lambda project: targets_param(project, "second", "printed"),
        "crop": lambda project: crop_param(project, "second"),
        "field": lambda project: field_param(project, "second"),
        "verdict": lambda project: verdict_words(project, "second"),
        "report": lambda project: report_words(project, ["second"]),
    }
    before, after = edited(), edited(**keys)
    assert [name for name, param in params.items() if param(before) != param(after)] == moved


def test_published_counts_are_of_the_published_datasets_that_have_a_definition(project: Project) -> None:
    assert published_counts(project) == []
    found = [json.loads(text) for text in published_counts(read_project(ROOT / "config" / "config.yaml"))]
    assert len(found) == 13
    assert all(set(one) <= {"title", "classes", "labels", "expected"} for one in found)


def test_what_is_watched_of_the_users_own_folder(edited: Callable[..., Project], tmp_path: Path) -> None:
    for folder in ("images/benign/deep", "images/malignant", "images/other"):
        (tmp_path / folder).mkdir(parents=True)
    own = {"source": {"kind": "folder", "path": str(tmp_path / "images")}}
    # The folder itself, too: a class may be added.
    folders = [str(tmp_path / "images" / name) for name in ("", "benign", "benign/deep", "malignant")]
    assert listed_from(edited(**own), "second") == folders
    assert fetched_from(edited(**own), "second") == []
    groups = tmp_path / "groups.csv"
    assert listed_from(edited(**own, group="patient", groups=str(groups)), "second") == folders
    groups.touch()
    assert listed_from(edited(**own, group="patient", groups=str(groups)), "second") == [
        str(groups),
        *folders,
    ]


def test_folders_are_watched_behind_links_and_under_names_that_can_be_recorded(
    edited: Callable[..., Project], tmp_path: Path
) -> None:
    root = tmp_path / "images"
    for name in ("a b'c", "{3F2504E0-4F89-11D3}", "line\nbreak", "{P01}", os.fsdecode(b"M\xe4rz")):
        (root / "benign" / name).mkdir(parents=True)
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (root / "malignant").symlink_to(tmp_path / "elsewhere")
    (root / "benign" / "@eaDir").mkdir()
    own = {"source": {"kind": "folder", "path": str(root)}}
    below = ["benign", "benign/a b'c", "benign/{3F2504E0-4F89-11D3}", "malignant"]
    assert listed_from(edited(**own), "second") == [
        str(root / name) for name in ("", *below, "malignant/deep")
    ]


def test_what_is_fetched_or_generated_is_watched_by_its_archive(
    edited: Callable[..., Project], tmp_path: Path
) -> None:
    phantom = edited(source={"kind": "phantom"})
    assert source_record(phantom, "second").way == "generated"
    assert listed_from(phantom, "second") == ["resources/archives/second/archive.json"]
    assert fetched_from(phantom, "second") == []
    there, gone = (
        edited(source={"kind": "medmnist", "flag": "breastmnist", "size": 64, "data_dir": str(path)})
        for path in (tmp_path, tmp_path / "gone")
    )
    assert source_record(there, "second").way == "fetched"
    assert (fetched_from(there, "second"), fetched_from(gone, "second")) == ([str(tmp_path)], [])


def test_duplicates_are_read_where_splits_keep_them_together(edited: Callable[..., Project]) -> None:
    assert kept_together(edited(), "second") == []
    assert kept_together(edited(duplicates="group"), "second") == ["results/datasets/second/duplicates.csv"]


def test_masks_are_told_and_watched_for_the_views_that_ask_for_them(
    edited: Callable[..., Project], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = View("hidden", "hidden", "all", "numpy:copy", masked=True)
    monkeypatch.setattr(VIEWS, "_records", {**VIEWS._records, "hidden": hidden})
    (tmp_path / "masks" / "deep").mkdir(parents=True)
    project = edited(masks={"path": str(tmp_path / "masks")})
    crop, flag, told = cutting_param(project, "second", "hidden")
    assert (crop, flag) == ("20x20", "--masks")
    assert Masks.model_validate_json(told) == project.definition("second").masks
    folders = [str(tmp_path / "masks"), str(tmp_path / "masks" / "deep")]
    assert masks_of_view(project, "second", "hidden") == folders
    assert (
        cutting_param(project, "second", "center") == cutting_param(edited(), "second", "hidden") == "20x20"
    )
    assert masks_of_view(project, "second", "center") == masks_of_view(edited(), "second", "hidden") == []
    # What came with the archive is watched by the archive.
    (tmp_path / "resources" / "archives" / "second" / "masks").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    inside = edited(masks={"path": "resources/archives/second/masks"})
    assert masks_of_view(inside, "second", "hidden") == masks_from(inside, "second") == []


def test_masks_that_a_table_names_are_told_with_the_table(
    edited: Callable[..., Project], tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    table.write_text("path,class,mask\n")
    source = {"kind": "folder", "path": str(tmp_path), "table": str(table)}
    project = edited(source=source, masks={"column": "mask"})
    assert masks_from(project, "second") == [str(table)]
    _, masks, _, listed_by = mask_options(project, "second")
    assert Masks.model_validate_json(masks) == Masks(column="mask")
    assert FolderSource.model_validate_json(listed_by).table == str(table)


def test_masks_to_be_downloaded_are_fetched_where_a_view_asks_for_them(
    edited: Callable[..., Project],
) -> None:
    project = edited(masks={"files": {"https://example.org/masks.zip": None}})
    assert masks_from(project, "second") == ["resources/masks/second/masks.json"]
    assert json.loads(mask_options(project, "second")[1]) == {"path": "resources/masks/second/masks"}
    assert json.loads(masks_address(project, "second")) == {"https://example.org/masks.zip": None}
    counted = "results/datasets/second/masks.csv"
    assert not Grid(project).counts_lesions("second")
    assert counted not in Grid(project).targets()
    study = project.config.studies["main"].model_copy(
        update={"views": ["upper_left", "background_patch"], "datasets": ["second"]}
    )
    project.config = project.config.model_copy(update={"studies": {"main": study}})
    assert Grid(project).counts_lesions("second")
    assert counted in Grid(project).targets()
    assert counted in Grid(project).report_inputs(Grid(project).studies[0])
    # Masks on the disk are counted whatever a study asks for.
    assert Grid(edited(masks={"path": "masks"})).counts_lesions("second")
    assert not Grid(edited()).counts_lesions("second")


# Cells


def test_paths_with_wildcards_are_those_of_cells_and_batches() -> None:
    cell = Cell("first", "printed", "random", "center", "vgg16", "paper", 3)
    assert CELL_PATH.format(**asdict(cell)) == cell.path
    number = batch_path(cell, 4).rpartition("batch")[2]
    assert BATCH_PATH.format(**asdict(cell), number=number) == batch_path(cell, 4)
    files = cell_files("results", [cell])
    assert [Path(path).name for path in files] == list(CELL_FILES)
    assert {Path(path).parents[ABOVE_A_CELLS_FILE - 1] for path in files} == {Path("results/cells")}


def test_a_batch_reads_what_its_cells_read(project: Project) -> None:
    grid = Grid(project)
    for cells in grid.batches.values():
        inputs, each = batch_inputs(grid, cells), [grid.cell_inputs(cell) for cell in cells]
        for role in ("view", "pixels", "split"):
            assert inputs[role] == [one[role] for one in each]
        assert {inputs.get("weights")} == {one.get("weights") for one in each}


@pytest.mark.parametrize(
    ("engine", "device", "plain"),
    [
        ("auto", "cuda", []),
        ("plain", "cuda", ["--engine", "plain"]),
        ("captured_fp32", "cuda --engine captured_fp32", []),
        ("captured_bf16", "cuda --engine captured_bf16", []),
    ],
)
def test_a_captured_engine_alone_is_part_of_the_device_param(
    make_project: MakeProject, engine: str, device: str, plain: list[str]
) -> None:
    config = make_project(STUDY, device="cuda", engine=engine).config
    assert (device_param(config), plain_flags(config)) == (device, plain)


def test_a_demand_is_told_for_the_cells_it_is_made_of(make_project: MakeProject) -> None:
    demanding = {"datasets": ["first"], "numerics": "cuda_fp32"}
    grid = Grid(make_project({"main": {"datasets": ["second"]}, "strict": demanding}))
    assert demand_flags(grid, grid.cells("main")) == demand_flags(grid, []) == []
    assert demand_flags(grid, grid.all_cells) == ["--numerics", "cuda_fp32"]


def test_time_and_memory_are_those_of_the_cells_recipe_and_dataset(make_project: MakeProject) -> None:
    project = make_project(STUDY, device="cpu", in_flight=3, cells_per_job=2)
    cell = Cell("second", "printed", "random", "original", "vgg16", "paper", 0)
    recipe, definition = project.config.all_recipes["paper"], project.definition("second")
    assert cell_seconds(project, cell) == training_seconds(cell, recipe, definition, "cpu", "auto")
    assert cell_seconds(project, replace(cell, recipe="scratch")) > 0
    # No more cells take turns than a job has.
    assert job_memory_mb(project, "second", "vgg16", "paper", 2) == (
        training_memory_mb("vgg16", recipe, definition, 2, in_flight=2)
    )


@pytest.mark.parametrize(
    ("architecture", "input_size", "threads"),
    [
        ("lenet5", None, 1),
        ("shufflenet_v2", 64, 1),
        ("resnet50", 32, 1),
        ("resnet50", None, 4),
        ("vgg16", 224, 4),
    ],
)
def test_short_steps_are_trained_on_one_thread_and_long_ones_on_several(
    make_project: MakeProject, architecture: str, input_size: int | None, threads: int
) -> None:
    recipes = {"own": {"weights": "random", "input_size": input_size}}
    study = {"datasets": ["first"], "architectures": [architecture], "recipes": ["own"]}
    grid = Grid(make_project({"main": study}, recipes=recipes))
    assert job_threads(grid, grid.all_cells) == threads


def test_a_study_that_demands_a_number_of_threads_is_trained_on_as_many(make_project: MakeProject) -> None:
    study = {"architectures": ["lenet5"], "recipes": ["scratch"]}
    demanding = {**study, "datasets": ["first"], "numerics": "cpu_avx2_fp32_2threads"}
    grid = Grid(make_project({"main": {**study, "datasets": ["second"]}, "strict": demanding}))
    assert job_threads(grid, grid.cells("strict")) == 2
    assert job_threads(grid, grid.cells("main")) == 1
    other = Grid(make_project({"strict": {**demanding, "numerics": "cuda_fp32"}}))
    assert job_threads(other, other.cells("strict")) == 1


# Figures


def test_a_figure_is_drawn_from_what_its_record_reads(project: Project) -> None:
    paths = project.config.paths
    everything = Figure("own", "", "", "", ("metrics", "cells", "samples", "views"))
    sources = figure_sources(everything, paths)
    assert sources["tables"] == ["results/studies/{study}/{dataset}/metrics.csv"]
    assert sources["samples"] == "results/datasets/{dataset}/samples.csv"
    views = [f"results/datasets/{{dataset}}/views/{view}" for view in views_made_always()]
    assert sources["views"] == [f"{view}.json" for view in views]
    assert sources["pixels"] == [f"{view}.npy" for view in views]
    assert set(sources) == {"tables", "samples", "views", "pixels"}
    of_study = Figure("own", "", "", "", ("metrics", "verdicts"), of="study")
    assert figure_sources(of_study, paths) == {
        "tables": [f"results/studies/{{study}}/{name}.csv" for name in ("metrics", "verdicts")]
    }
    assert (figure_axes(everything), figure_axes(of_study)) == ("{study}/{dataset}", "{study}")
    assert figure_folder(of_study, paths) == "results/studies/{study}"


def test_a_figures_command_is_told_where_its_inputs_are(project: Project) -> None:
    grid = Grid(project)
    everything = Figure("own", "", "", "", ("metrics", "cells", "samples", "views"))
    told = figure_flags(grid, everything, "main", "first")
    flags = dict(zip(told[::2], told[1::2], strict=True))
    assert sorted(unfold_cells(flags.pop("--cells"))) == sorted(grid.cells("main", "first"))
    assert flags == {
        "--definition": str(project.definition_path("first")),
        "--results": "results",
        "--labels": "printed",
        "--crop": "20x20",
        "--samples": "results/datasets/first/samples.csv",
        "--views-folder": "results/datasets/first/views",
    }
    few = figure_flags(grid, FIGURES["accuracy"], "main", "first")
    assert few == ["--definition", str(project.definition_path("first"))]
    assert figure_flags(grid, FIGURES["verdicts"], "main", None) == ["--title", "main"]
    curves = figure_flags(grid, FIGURES["curves"], "main", "first")
    assert curves[curves.index("--splits") + 1 :] == grid.splits("first")


def test_a_look_is_told_to_figures_alone_and_not_where_none_is_asked_for(make_project: MakeProject) -> None:
    plain, styled = make_project(STUDY), make_project(STUDY, figure_style={"width": 85, "title": False})
    assert style_flags(plain) == []
    flag, told = style_flags(styled)
    assert (flag, json.loads(told)) == ("--style", {"width": 85, "title": False})
    assert FigureStyle.model_validate_json(told) == styled.config.figure_style
    for figure, dataset in (("accuracy", "first"), ("verdicts", None)):
        asked = [figure_flags(Grid(one), FIGURES[figure], "main", dataset) for one in (plain, styled)]
        assert sorted({*asked[1]} - {*asked[0]}) == sorted([flag, told])
    before, after = Grid(plain), Grid(styled)
    assert before.all_cells == after.all_cells
    assert device_param(plain.config) == device_param(styled.config)


def test_other_words_draw_a_datasets_figure_again(edited: Callable[..., Project]) -> None:
    before, after = edited(), edited(title="Other")
    assert figure_words(before, "second") != figure_words(after, "second")
    assert figure_words(before, None) == []
    assert figure_words(before, "second") == figure_words(edited(expected={"images": 4}), "second")
