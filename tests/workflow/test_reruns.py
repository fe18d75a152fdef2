"""What runs again after a change, asked of Snakemake's own dry run."""

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from nullcrop.config.cell import CELL_FILES
from nullcrop.config.grid import STUDY_TABLES

from .conftest import TOY_CONFIG, TOY_PHANTOM, TOY_STUDY, Checkout

CELL = Path("results/cells/one/printed/grouped/upper_left/lenet5/toy/seed0")


REPORT = ["write_report", "write_report_index", "all"]
"""The rules that end every run."""


def test_a_finished_study_has_nothing_to_do(done: Checkout) -> None:
    assert done.plan() == {}
    figures = done.folder / "results/studies/toy/one/figures"
    assert {path.name for path in figures.iterdir()} == {
        f"{figure}.{suffix}"
        for figure in ("accuracy", "samples", "crops")
        for suffix in ("pdf", "svg", "png")
    }
    assert not list((done.folder / "results/.work").rglob("*.pt"))


def test_a_deleted_prediction_reruns_its_cell_and_what_hangs_on_it(done: Checkout) -> None:
    before = done.predictions()
    (done.folder / CELL / "predictions.csv").unlink()
    of_dataset = ["compute_metrics", "judge_readers", "compare_cells", "judge_dataset"]
    of_study = [f"join_{table}" for table in STUDY_TABLES]
    drawn = [*("plot_accuracy", "plot_crops", "plot_verdicts"), *REPORT]
    assert done.plan() == Counter(["train_cell", *of_dataset, *of_study, *drawn])
    assert done.planned_cells() == {("one", "upper_left")}
    done.snakemake(str(CELL / "predictions.csv"))
    assert done.predictions() == before


@pytest.mark.parametrize(
    "name", [CELL_FILES[-1], *(pytest.param(name, marks=pytest.mark.long) for name in CELL_FILES[:-1])]
)
def test_a_cell_that_a_crash_left_empty_is_made_again(done: Checkout, name: str) -> None:
    before = done.predictions()
    path = done.folder / CELL / name
    path.write_bytes(b"")
    said = done.snakemake("--dry-run")
    assert f"{CELL / name} is damaged or half-written" in said
    assert path.read_bytes() == b""  # a dry run changes nothing
    done.snakemake(str(CELL / "cell.json"))
    assert done.predictions() == before
    assert path.stat().st_size
    assert "damaged" not in done.snakemake("--dry-run")


@pytest.mark.long
def test_a_cell_that_is_damaged_in_its_copy_too_is_trained_again(done: Checkout) -> None:
    before = done.predictions()
    kept = done.folder / "results/.work/cells" / CELL.relative_to("results/cells").with_name("seed0.kept")
    for folder in (kept, done.folder / CELL):
        table = folder / "predictions.csv"
        table.write_bytes(table.read_bytes()[: table.stat().st_size // 2])
    done.snakemake(str(CELL / "cell.json"))
    assert done.predictions() == before


@pytest.mark.long
def test_short_cells_share_jobs_where_no_config_says_how_many(fresh: Callable[[], Checkout]) -> None:
    """Of results that were begun otherwise nothing is planned again."""
    checkout = fresh()
    text = (checkout.folder / "toy.yaml").read_text()
    (checkout.folder / "toy.yaml").write_text(text.replace("cells_per_job: 1\n", ""))
    plan = checkout.plan()
    assert (plan["train_batch"], plan["collect_cell"], plan["train_cell"]) == (2, 4, 0)
    (checkout.folder / "results/benchmarks/train_cell").mkdir(parents=True)
    plan = checkout.plan()
    assert (plan["train_batch"], plan["collect_cell"], plan["train_cell"]) == (0, 0, 4)


def test_touching_every_source_file_reruns_nothing(done: Checkout) -> None:
    for path in done.folder.rglob("*"):
        inside = path.relative_to(done.folder).parts[0]
        if path.is_file() and inside not in ("results", "resources", ".snakemake"):
            os.utime(path)
    assert done.plan() == {}


def test_touching_every_table_and_array_reruns_nothing(done: Checkout) -> None:
    for path in sorted((done.folder / "results").rglob("*.[cnj]*")):
        if path.parts[-2] != "figures":
            os.utime(path)
    assert done.plan() == {}


def test_editing_a_figures_code_or_a_rules_command_retrains_nothing(done: Checkout) -> None:
    rules = done.folder / "workflow/rules/cells.smk"
    rules.write_text(rules.read_text().replace("--threads {threads}", "--threads  {threads}"))
    (done.folder / "workflow/nullcrop/figures/style.py").open("a").write("\n# another colour\n")
    assert "train_cell" not in done.plan()


def test_another_dataset_reruns_no_old_cell(done: Checkout) -> None:
    done.write_definition("three", source={**TOY_PHANTOM["source"], "seed": 9})  # type: ignore[dict-item]
    done.write_study(datasets=["one", "two", "three"])
    plan = done.plan()
    assert done.planned_cells() == {("three", "original"), ("three", "upper_left")}
    assert plan["train_cell"] == 2
    assert plan["compute_metrics"] == plan["list_samples"] == plan["crop_views"] == 1


def test_another_view_of_a_study_trains_only_that_view(done: Checkout) -> None:
    done.write_study(views=["original", "upper_left", "center"])
    assert done.planned_cells() == {("one", "center"), ("two", "center")}


def test_another_recipe_value_retrains_and_another_title_does_not(done: Checkout) -> None:
    done.write_study(title="Another title")
    assert done.plan() == Counter(["resolve_config", "plot_verdicts", *REPORT])
    recipe = {**TOY_CONFIG["recipes"]["toy"], "epochs": 2}  # type: ignore[index]
    done.write_config(recipes={"toy": recipe})
    assert done.plan()["train_cell"] == 4


def test_another_look_draws_the_figures_again_and_nothing_else(done: Checkout) -> None:
    done.write_config(figure_style={"width": 85})
    drawn = {"plot_accuracy": 2, "plot_samples": 2, "plot_crops": 2, "plot_verdicts": 1}
    assert done.plan() == {**drawn, "resolve_config": 1, **dict.fromkeys(REPORT, 1)}


def test_places_are_cut_together_and_trained_one_by_one(done: Checkout) -> None:
    done.write_study(views=["original", "upper_left", "places"], baselines=[])
    plan = done.plan()
    assert (plan["crop_places"], plan["crop_further_view"], plan["crop_views"]) == (2, 0, 0)
    # Of the 25 places one is trained already, in two datasets.
    assert plan["train_cell"] == 2 * 24


@pytest.mark.long
def test_which_dataset_an_image_is_from_is_asked_of_datasets_that_are_listed(done: Checkout) -> None:
    source = {"kind": "datasets", "names": ["one", "two"]}
    done.write_definition("which", source=source, classes=["one", "two"], labels={"printed": {}})
    done.write_study(datasets=["which"])
    plan = done.plan()
    assert (plan["list_samples"], plan["generate_images"], plan["crop_views"], plan["train_cell"]) == (
        1,
        0,
        1,
        2,
    )
    done.snakemake("results/splits/which/printed/grouped/seed0.csv")
    split = pd.read_csv(done.folder / "results/splits/which/printed/grouped/seed0.csv")
    assert split.groupby(split["id"].str.split("/").str[0])["target"].unique().map(list).to_dict() == {
        "one": [0],
        "two": [1],
    }


def test_another_threshold_judges_again_and_retrains_nothing(done: Checkout) -> None:
    done.write_config(verdict={"small": 0.6})
    after = ["join_verdicts", "plot_verdicts", "resolve_config", *REPORT]
    assert done.plan() == Counter(["judge_dataset", "plot_crops"] * 2 + after)
    done.write_config(verdict={"level": 0.01})
    plan = done.plan()
    assert plan["judge_readers"] == plan["judge_dataset"] == 2
    assert not {"train_cell", "compute_metrics", "compare_cells"} & set(plan)


@pytest.mark.long
def test_a_second_run_in_a_folder_is_refused_in_one_line(done: Checkout) -> None:
    (done.folder / CELL / "cell.json").unlink()
    locks = done.folder / ".snakemake" / "locks"
    locks.mkdir(exist_ok=True)
    (locks / "0.output.lock").write_text(f"{CELL}/cell.json\n")
    lines = done.snakemake(fails=True).splitlines()
    told = [line for line in lines if line.startswith("nullcrop: error: ")]
    assert told == lines[-1:]
    assert f"another run is at work in {done.folder}; wait for its end" in told[0]
    done.snakemake("--unlock")
    done.snakemake(str(CELL / "cell.json"))


@pytest.mark.long
def test_how_originals_are_stored_concerns_no_full_store(done: Checkout) -> None:
    after = Counter(["resolve_config", *REPORT])
    done.write_config(originals="full")
    assert done.plan() == after
    recipes = {**TOY_CONFIG["recipes"], "larger": {"weights": "random", "input_size": 40}}  # type: ignore[dict-item]
    done.write_config(recipes=recipes, studies={"toy": {**TOY_STUDY, "recipes": ["toy", "larger"]}})
    plan = done.plan()
    assert (plan["crop_views"], plan["train_cell"]) == (0, 4)


def test_another_crop_size_makes_the_views_and_cells_again(done: Checkout) -> None:
    done.write_config(crop={"width": 16, "height": 16})
    plan = done.plan()
    assert (plan["crop_views"], plan["train_cell"], plan["list_samples"]) == (2, 4, 0)


@pytest.mark.long
def test_one_datasets_figure_touches_no_other_dataset(fresh: Callable[[], Checkout]) -> None:
    checkout = fresh()
    target = "results/studies/toy/one/figures/accuracy.pdf"
    assert {dataset for dataset, _ in checkout.planned_cells(target)} == {"one"}
    assert checkout.plan(target)["list_samples"] == 1
    assert checkout.plan("--config", "datasets=[two]")["train_cell"] == 2
    assert {dataset for dataset, _ in checkout.planned_cells("--config", "datasets=[two]")} == {"two"}


def test_the_default_config_plans_the_study_as_published(fresh: Callable[[], Checkout]) -> None:
    checkout = fresh()
    shutil.copy(checkout.folder / "config/config.yaml", checkout.folder / "toy.yaml")
    plan = checkout.plan()
    assert plan["train_cell"] == 312
    assert plan["fit_baselines"] == 13
    assert plan["fetch_weights"] == 4
    assert plan["list_samples"] == plan["crop_views"] == plan["fetch_archive"] == 13
    assert plan["find_duplicates"] == plan["count_leaks"] == plan["compare_counts"] == 13
    assert plan["compare_datasets"] == plan["list_discrepancies"] == 1
