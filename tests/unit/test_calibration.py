"""The calibration: in memory as from files, alarms counted as one would by hand, and the figure."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from nullcrop.calibration.alarms import alarm_rates, read_calibration, write_calibration
from nullcrop.calibration.audits import audit_phantom, audit_phantoms
from nullcrop.config.calibration import BATCH, Calibration, batches
from nullcrop.config.cell import Cell
from nullcrop.config.definitions import Definition, PhantomSource
from nullcrop.config.models import Config
from nullcrop.config.recipe import Recipe
from nullcrop.config.views import study_corners, views_made_always
from nullcrop.datasets.phantom import generate_phantom
from nullcrop.datasets.samples import list_samples
from nullcrop.figures.calibration_figure import ALL, plot_calibration
from nullcrop.images.store import write_store
from nullcrop.splits import write_split
from nullcrop.training.baselines import BaselinesJob, fit_baselines
from nullcrop.training.loop import CellJob, train_cell
from tests.conftest import definition_content

VIEWS = tuple(views_made_always())

RECIPE = Recipe(weights="random", epochs=2, learning_rate=2e-3, batch_size=16)


def phantom(kind: str = "session", strength: float = 1, **keys: int) -> PhantomSource:
    sizes = {"patients": 30, "images_per_patient": 2, "width": 64, "height": 64, "seed": 3, **keys}
    return PhantomSource.model_validate(
        {"kind": "phantom", "cue": {"kind": kind, "strength": strength}, **sizes}
    )


@pytest.mark.parametrize("kind", ["session", "jpeg"])
def test_an_audit_in_memory_equals_the_cells_of_the_same_files(kind: str, tmp_path: Path) -> None:
    source = phantom(kind)
    content = definition_content(source=source.model_dump(), group="patient")
    definition = Definition.model_validate(content)
    generate_phantom(source, tmp_path)
    samples = list_samples("toy", definition, tmp_path, tmp_path, threads=1)
    write_store(samples, tmp_path / "views", list(VIEWS), 20, 20, threads=1)
    split = tmp_path / "split.csv"
    write_split(samples, samples["target"], "grouped", source.seed, split)
    cell = Cell("toy", "printed", "grouped", "bottom_left", "lenet5", "mine", source.seed)
    view = tmp_path / "views" / "bottom_left.json"
    work = tmp_path / "work"
    train_cell(CellJob(cell, RECIPE, view, split, None, "cpu", 1, None, tmp_path / cell.path, work))
    fit_baselines(
        BaselinesJob(
            dataset="toy",
            labels="printed",
            protocol="grouped",
            seed=source.seed,
            samples=tmp_path / "samples.csv",
            split=split,
            views=tmp_path / "views",
            out=tmp_path,
            work=work,
        )
    )

    audited = audit_phantom(source, ["grouped"], RECIPE)
    for architecture, recipe in (("lenet5", "mine"), ("mean_rgb", "baseline"), ("raw_pixels", "baseline")):
        path = Cell("toy", "printed", "grouped", "bottom_left", architecture, recipe, source.seed).path
        of_cell = pd.read_csv(tmp_path / path / "predictions.csv")
        assert list(of_cell["id"]) == list(audited["id"])
        assert list(of_cell["target"]) == list(audited["target"])
        np.testing.assert_allclose(
            audited[f"bottom_left.{architecture}"],
            of_cell["logit_1"] - of_cell["logit_0"],
            atol=1e-6,
            rtol=1e-6,
        )


def test_datasets_have_consecutive_seeds_and_are_the_same_in_any_batch(tmp_path: Path) -> None:
    audit_phantoms(phantom(seed=4), 2, ["random", "grouped"], RECIPE, tmp_path / "two.csv")
    audit_phantoms(phantom(seed=5), 1, ["random", "grouped"], RECIPE, tmp_path / "one.csv")
    both, alone = read_calibration(tmp_path / "two.csv"), read_calibration(tmp_path / "one.csv")
    assert sorted(both["dataset"].unique()) == [4, 5]
    second = both[both["dataset"] == 5].reset_index(drop=True)
    pd.testing.assert_frame_equal(second, alone)
    assert list(alone)[:4] == ["cue", "strength", "dataset", "split"]
    assert {name.split(".")[0] for name in alone if "." in name} == set(study_corners())


def predictions(datasets: int, signal: float, patients: int = 24, images: int = 2) -> pd.DataFrame:
    """Made-up predictions of two corners and two architectures; ``signal`` tells targets apart in one of
    them."""
    rng = np.random.default_rng(0)
    tables = []
    for dataset in range(datasets):
        target = np.repeat(np.arange(patients) % 2, images)
        group = np.repeat([f"p{number}" for number in range(patients)], images)
        scores = rng.normal(size=(len(target), 4))
        scores[:, 0] += signal * target
        columns = ["upper_left.lenet5", "bottom_left.lenet5", "upper_left.mean_rgb", "bottom_left.mean_rgb"]
        table = pd.DataFrame(scores, columns=columns)
        named = {"cue": "stain", "strength": signal, "dataset": dataset, "split": "grouped"}
        tables.append(
            table.assign(group=group, target=target, id=np.arange(len(target)).astype(str), **named)
        )
    return pd.concat(tables)


def test_alarms_are_counted_with_exact_intervals() -> None:
    rates = alarm_rates(predictions(6, signal=4.0), 0.05).set_index(["architecture", "method"])
    assert set(rates.index) == {(name, m) for name in (ALL, "lenet5", "mean_rgb") for m in ("audit", "naive")}
    found = rates.loc[("lenet5", "audit")]
    assert (found["alarms"], found["datasets"], found["share"]) == (6, 6, 1.0)
    interval = binomtest(6, 6).proportion_ci(method="exact")
    assert (found["low"], found["high"]) == pytest.approx((interval.low, interval.high))
    assert rates.loc[(ALL, "audit"), "alarms"] == 6
    assert rates.loc[("mean_rgb", "audit"), "alarms"] < 4
    assert found["auroc"] > 0.7


def test_what_holds_for_one_of_many_corrected_cells_holds_for_few() -> None:
    """The family of all cells never raises an alarm that none of its naive cells raises."""
    rates = alarm_rates(predictions(30, signal=0.0), 0.05).set_index(["architecture", "method"])
    assert rates.loc[(ALL, "audit"), "alarms"] <= rates.loc[(ALL, "naive"), "alarms"]
    assert rates.loc[(ALL, "audit"), "share"] < 0.25


def test_the_table_is_written_and_drawn(tmp_path: Path) -> None:
    clean = predictions(3, signal=0.0).assign(cue="none", strength=0.0)
    predictions(3, signal=0.5).to_csv(tmp_path / "a.csv", index=False)
    pd.concat([clean, predictions(3, signal=2.0)]).to_csv(tmp_path / "b.csv", index=False)
    write_calibration([tmp_path / "a.csv", tmp_path / "b.csv"], 0.05, tmp_path / "table.csv")
    table = read_calibration(tmp_path / "table.csv")
    assert len(table) == 3 * 3 * 2
    figure = plot_calibration(table, tmp_path / "calibration")
    assert [ax.get_title(loc="left") for ax in figure.axes if ax.axison] == ["no cue", "tint"]
    power = figure.axes[1].lines[0]
    rows = table[(table["cue"] == "stain") & (table["architecture"] == ALL) & (table["method"] == "audit")]
    assert list(power.get_xdata()) == [0.5, 2.0]
    assert list(power.get_ydata()) == list(rows["share"])
    assert (tmp_path / "calibration.pdf").is_file()


def test_batches_are_all_datasets_once() -> None:
    series = {
        "none": {"strengths": [0], "datasets": 2 * BATCH + 3},
        "stain": {"strengths": [0.1, 1], "datasets": 4},
    }
    made = batches(Calibration.model_validate({"recipe": "mine", "cues": series}))
    assert [(one.cue, one.strength, one.first, one.datasets) for one in made] == [
        ("none", 0, 0, BATCH),
        ("none", 0, BATCH, BATCH),
        ("none", 0, 2 * BATCH, 3),
        ("stain", 0.1, 0, 4),
        ("stain", 1, 0, 4),
    ]
    assert len({one.name for one in made}) == len(made)
    assert made[1].source.seed == BATCH
    assert made[3].source.cue.strength == 0.1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "studies: name at least one"),
        (
            {"calibration": {"recipe": "mien", "cues": {"none": {"strengths": [0], "datasets": 1}}}},
            "unknown recipe 'mien'",
        ),
        (
            {"calibration": {"recipe": "paper", "cues": {"none": {"strengths": [0], "datasets": 1}}}},
            "weights: random",
        ),
    ],
)
def test_a_calibration_that_cannot_be_is_refused(content: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Config.model_validate(content)
