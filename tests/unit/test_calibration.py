"""The calibration: in memory as from files, alarms counted as one would by hand, and the figure."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.progress import duration
from nullcrop.calibration.alarms import (
    ALL,
    AUDIT,
    NAIVE,
    ONE_SPLIT,
    alarm_rates,
    finished_cells,
    judge_phantoms,
    judged,
    read_calibration,
    write_calibration,
)
from nullcrop.calibration.audits import audit_phantom, audit_phantoms, seeds_of
from nullcrop.config.calibration import BATCH_SECONDS, JUDGED_SECONDS, Calibration, batches, time_words
from nullcrop.config.cell import Cell
from nullcrop.config.definitions import Definition, PhantomSource
from nullcrop.config.detectable import inflation_of_folds
from nullcrop.config.grid import Grid
from nullcrop.config.models import Config, read_project
from nullcrop.config.recipe import Recipe
from nullcrop.config.views import TOGETHER, study_corners, views_made_always
from nullcrop.datasets.phantom import generate_phantom
from nullcrop.datasets.samples import list_samples
from nullcrop.figures.calibration_figure import plot_calibration
from nullcrop.images.store import write_store
from nullcrop.splits import write_split
from nullcrop.statistics.maxt import maxt
from nullcrop.statistics.reader_table import judge_readers
from nullcrop.statistics.tables import read_cells
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


@pytest.mark.parametrize(("kind", "protocol"), [("session", "grouped"), ("jpeg", "crossfit5")])
def test_an_audit_in_memory_equals_the_cells_of_the_same_files(
    kind: str, protocol: str, tmp_path: Path
) -> None:
    source = phantom(kind)
    content = definition_content(source=source.model_dump(), group="patient")
    definition = Definition.model_validate(content)
    generate_phantom(source, tmp_path)
    samples = list_samples("toy", definition, tmp_path, tmp_path, threads=1)
    write_store(samples, tmp_path / "views", list(VIEWS), 20, 20, threads=1)
    view, work = tmp_path / "views" / "bottom_left.json", tmp_path / "work"
    architectures = {"lenet5": "mine", "mean_rgb": "baseline", "raw_pixels": "baseline"}
    folders = []
    for seed in seeds_of(protocol, source.seed):
        split = tmp_path / f"split{seed}.csv"
        write_split(samples, samples["target"], protocol, seed, split)
        cell = Cell("toy", "printed", protocol, "bottom_left", "lenet5", "mine", seed)
        train_cell(CellJob(cell, RECIPE, view, split, None, "cpu", 1, None, tmp_path / cell.path, work))
        fit_baselines(
            BaselinesJob(
                dataset="toy",
                labels="printed",
                protocol=protocol,
                seed=seed,
                samples=tmp_path / "samples.csv",
                split=split,
                views=tmp_path / "views",
                out=tmp_path,
                work=work,
                on=("bottom_left",),
                baselines=("mean_rgb", "raw_pixels"),
            )
        )
        folders += [
            tmp_path / Cell("toy", "printed", protocol, "bottom_left", name, recipe, seed).path
            for name, recipe in architectures.items()
        ]
    audited = audit_phantom(source, [protocol], RECIPE)
    kept = [name for name in audited if "." not in name or name.startswith("bottom_left.")]
    in_memory = finished_cells(audited[kept].drop(columns="bottom_left.color_histogram"))
    from_files = read_cells(folders)
    answers = {(one.cell.architecture, one.cell.seed): one for one in in_memory}
    assert len(answers) == len(from_files)
    for one in from_files:
        other = answers[one.cell.architecture, one.cell.seed]
        assert one.answers.test.name == other.answers.test.name
        assert (one.record["n_train"], one.record["n_test"]) == (
            other.record["n_train"],
            other.record["n_test"],
        )
        np.testing.assert_allclose(one.answers.score, other.answers.score, atol=1e-6, rtol=1e-6)

    # What is said of them is the same to the last digit, since it goes by ranks.
    columns = ["view", "architecture", "auroc", "p_maxt", "bound_low", "upper", "inflation"]
    said = [
        table[table["view"] != TOGETHER].sort_values("architecture")[columns].reset_index(drop=True)
        for table in (judge_readers(cells, "whole", 0.05) for cells in (from_files, in_memory))
    ]
    pd.testing.assert_frame_equal(*said, check_exact=True)


def test_datasets_have_consecutive_seeds_and_are_the_same_in_any_batch(tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=1)
    audit_phantoms(phantom(seed=4), 2, ["random", "crossfit5"], recipe, tmp_path / "two.csv")
    audit_phantoms(phantom(seed=5), 1, ["random", "crossfit5"], recipe, tmp_path / "one.csv")
    both, alone = read_calibration(tmp_path / "two.csv"), read_calibration(tmp_path / "one.csv")
    assert sorted(both["dataset"].unique()) == [4, 5]
    second = both[both["dataset"] == 5].reset_index(drop=True)
    pd.testing.assert_frame_equal(second, alone)
    assert list(alone)[:8] == [
        *("cue", "strength", "patients", "images_per_patient", "dataset", "split", "seed", "n_train")
    ]
    assert {name.split(".")[0] for name in alone if "." in name} == set(study_corners())
    folds = alone[alone["split"] == "crossfit5"]
    assert sorted(folds["seed"].unique()) == [25, 26, 27, 28, 29]
    assert folds["id"].nunique() == len(folds) == 60


def predictions(
    datasets: int,
    signal: float,
    split: str = "crossfit5",
    patients: int = 40,
    images: int = 2,
    cue: str = "stain",
) -> pd.DataFrame:
    """Made-up predictions of two corners, a network and a baseline; ``signal`` tells targets apart in the
    network's first corner."""
    rng = np.random.default_rng(0)
    folds = 5 if split == "crossfit5" else 1
    tables = []
    for dataset in range(datasets):
        target = np.repeat(np.arange(patients) % 2, images)
        names = np.repeat([f"p{number}" for number in range(patients)], images)
        scores = rng.normal(size=(len(target), 4))
        scores[:, 0] += signal * target
        columns = ["upper_left.lenet5", "bottom_left.lenet5", "upper_left.mean_rgb", "bottom_left.mean_rgb"]
        named = {"cue": cue, "strength": signal, "patients": patients, "images_per_patient": images}
        named |= {"dataset": dataset, "split": split, "n_train": int(0.6 * len(target))}
        fold = np.repeat(np.arange(patients) // 2 % folds, images)
        tables.append(
            pd.DataFrame(scores, columns=columns).assign(
                group=names,
                target=target,
                id=[f"{dataset} {number:03d}" for number in range(len(target))],
                seed=folds * dataset + fold,
                **named,
            )
        )
    return pd.concat(tables, ignore_index=True)


def judged_all(*tables: pd.DataFrame) -> pd.DataFrame:
    """What is said of each dataset in ``tables``."""
    groups = [one for table in tables for _, one in table.groupby(["dataset", "strength", "split"])]
    return pd.concat([judged(one, 0.05) for one in groups], ignore_index=True)


def test_a_dataset_is_judged_by_the_verdicts_own_family() -> None:
    one = predictions(1, signal=1.0)
    said = judged(one, 0.05)
    audit = said[(said["architecture"] == ALL) & (said["method"] == AUDIT)]
    table = judge_readers(finished_cells(one), "whole", 0.05)
    own = table[(table["role"] == "crop") & (table["view"] != TOGETHER)]
    assert list(zip(audit["reader"], audit["view"], strict=True)) == list(
        zip(own["architecture"], own["view"], strict=True)
    )
    assert set(own["architecture"]) == {"lenet5", "mean_rgb", "average"}
    assert list(audit["p"]) == list(own["p_maxt"])
    assert (own["inflation"] == inflation_of_folds(5, range(5))).all()
    assert set(said["method"]) == {AUDIT, NAIVE}
    assert (said["method"] == NAIVE).sum() == 2 * 5 * 4  # all together, and each architecture


def test_the_scheme_before_judges_the_networks_of_one_split_alone() -> None:
    one = predictions(1, signal=1.0, split="grouped")
    said = judged(one, 0.05)
    before = said[said["method"] == ONE_SPLIT]
    assert set(before["architecture"]) == {ALL}
    assert list(before["reader"]) == ["lenet5", "lenet5"]
    cells = [cell for cell in finished_cells(one) if cell.cell.architecture == "lenet5"]
    family = maxt([(cell.answers.test, cell.answers.score) for cell in cells], 0.05)
    assert list(before["p"]) == list(family.p)
    assert list(before["low"]) == list(family.low)


def test_alarms_are_counted_with_exact_intervals() -> None:
    rates = alarm_rates(judged_all(predictions(6, signal=4.0, images=1))).set_index(
        ["architecture", "method"]
    )
    assert set(rates.index) == {(name, m) for name in (ALL, "lenet5", "mean_rgb") for m in (AUDIT, NAIVE)}
    found = rates.loc[("lenet5", AUDIT)]
    assert (found["alarms"], found["datasets"], found["share"]) == (6, 6, 1.0)
    interval = binomtest(6, 6).proportion_ci(method="exact")
    assert (found["low"], found["high"]) == pytest.approx((interval.low, interval.high))
    assert rates.loc[(ALL, AUDIT), "alarms"] == 6
    assert rates.loc[("mean_rgb", AUDIT), "alarms"] < 4
    assert found["auroc"] > 0.7


def test_what_holds_for_one_of_many_corrected_cells_holds_for_few() -> None:
    """The family of all cells never raises an alarm that none of its naive cells raises."""
    null = predictions(12, signal=0.0, split="grouped", patients=24, images=1, cue="none")
    rates = alarm_rates(judged_all(null)).set_index(["architecture", "method"])
    assert rates.loc[(ALL, ONE_SPLIT), "alarms"] <= rates.loc[(ALL, NAIVE), "alarms"]
    # Without a cue a bound above 0.5 is an alarm, and an alarm such a bound.
    audits = rates[rates["coverage"].notna()]
    np.testing.assert_allclose(audits["low_held"], 1 - audits["share"])


def test_coverage_is_that_of_all_bounds_at_once() -> None:
    """Four datasets of two readers; AUROC, lower and upper bound of each."""
    bounds = {
        0: [(0.6, 0.5, 0.8), (0.7, 0.6, 0.9)],
        1: [(0.6, 0.61, 0.8), (0.7, 0.6, 0.9)],  # a lower bound above the mean of its reader
        2: [(0.6, 0.5, 0.68), (0.7, 0.6, 0.69)],  # the largest upper bound is below the largest mean
        3: [(0.6, 0.5, 0.71), (0.7, 0.6, 0.65)],  # one upper bound is, the largest is not
    }
    rows = [
        {
            **{"cue": "stain", "strength": 1.0, "patients": 9, "images_per_patient": 1, "split": "crossfit5"},
            **{"dataset": dataset, "architecture": ALL, "method": AUDIT, "reader": reader, "view": "center"},
            **{"seed": 0, "auroc": auroc, "p": 0.5, "low": low, "upper": upper, "level": 0.05},
        }
        for dataset, of_readers in bounds.items()
        for reader, (auroc, low, upper) in zip(("lenet5", "mean_rgb"), of_readers, strict=True)
    ]
    columns = ["low_held", "upper_held", "coverage"]
    assert alarm_rates(pd.DataFrame(rows))[columns].to_numpy().tolist() == [[0.75, 0.75, 0.5]]
    # Without a cue the truth is known: every lower bound but those at 0.5 lies above it.
    assert alarm_rates(pd.DataFrame(rows).assign(cue="none"))[columns].to_numpy().tolist() == [[0, 1, 0]]


def test_the_table_is_written_and_drawn(tmp_path: Path) -> None:
    for number, (signal, cue) in enumerate([(0.0, "none"), (0.5, "stain"), (2.0, "stain")]):
        splits = [
            predictions(2, signal, split, patients=24, images=1, cue=cue)
            for split in ("crossfit5", "grouped")
        ]
        pd.concat(splits).to_csv(tmp_path / f"predictions{number}.csv", index=False)
        judge_phantoms(tmp_path / f"predictions{number}.csv", 0.05, tmp_path / f"judged{number}.csv")
    write_calibration([tmp_path / f"judged{number}.csv" for number in range(3)], tmp_path / "table.csv")
    table = read_calibration(tmp_path / "table.csv")
    assert len(table) == 3 * (6 + 7)
    with pytest.raises(NullcropError, match="the table of alarms is empty, so there is nothing to draw"):
        plot_calibration(table.iloc[:0], tmp_path / "nothing")
    figure = plot_calibration(table, tmp_path / "calibration")
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["no cue", "tint"]
    of_cue = table[(table["cue"] == "stain") & (table["architecture"] == ALL)]
    lines = [line for line in figure.axes[1].lines if line.get_marker() in ("o", "s")]
    for line, split, method in zip(lines, ("crossfit5", "grouped"), (AUDIT, ONE_SPLIT), strict=True):
        rows = of_cue[(of_cue["split"] == split) & (of_cue["method"] == method)]
        assert list(line.get_ydata()) == list(rows["share"])
        np.testing.assert_allclose(line.get_xdata(), rows["strength"], rtol=0.05)
    assert len({line.get_linestyle() for line in lines}) == 2
    null = table[(table["cue"] == "none") & (table["architecture"] == ALL)].set_index(["split", "method"])
    drawn = {
        line.get_marker(): line.get_xdata()[0] for line in figure.axes[0].lines if len(line.get_xdata()) == 1
    }
    assert drawn == {
        "o": null.loc[("crossfit5", AUDIT), "share"],
        "s": null.loc[("grouped", ONE_SPLIT), "share"],
        "^": null.loc[("grouped", NAIVE), "share"],
    }
    assert (tmp_path / "calibration.pdf").is_file()


def a_calibration(*series: dict[str, object]) -> Calibration:
    return Calibration.model_validate({"recipe": "mine", "series": list(series)})


def test_batches_are_all_datasets_once() -> None:
    made = batches(
        a_calibration(
            {"cue": "none", "datasets": 60},
            {"cue": "none", "datasets": 30, "patients": 300, "images_per_patient": 1},
            {"cue": "stain", "strengths": [0.1, 1], "datasets": 4},
        ),
        epochs=10,
    )
    audited = [
        (one.source.cue.kind, one.source.cue.strength, one.source.patients, one.source.seed + number)
        for one in made
        for number in range(one.datasets)
    ]
    # Series of one cue have seeds of their own, so that no two datasets without a cue are alike.
    assert audited == [
        *(("none", 0, 150, seed) for seed in range(60)),
        *(("none", 0, 300, seed) for seed in range(60, 90)),
        *(("stain", 0.1, 150, seed) for seed in range(4)),
        *(("stain", 1, 150, seed) for seed in range(4)),
    ]
    assert len({one.name for one in made}) == len(made) > 5
    assert all(one.seconds <= BATCH_SECONDS for one in made)


def test_more_work_takes_longer_and_is_said_beforehand() -> None:
    few, many = (
        batches(a_calibration({"cue": "none", "datasets": datasets}), epochs=10) for datasets in (30, 60)
    )
    assert sum(one.seconds for one in many) == pytest.approx(2 * sum(one.seconds for one in few))
    longer = batches(a_calibration({"cue": "none", "datasets": 30}), epochs=20)
    assert sum(one.seconds for one in longer) > sum(one.seconds for one in few)
    words = time_words(many, cores=2)
    assert "60 generated datasets" in words
    seconds = sum(one.seconds for one in many) + 60 * JUDGED_SECONDS
    assert f"about {duration(seconds / 2)} on 2 cores" in words
    # More cores than jobs help no further.
    assert f"about {duration(many[0].seconds)} on 99 cores" in time_words(many, cores=99)


def test_the_calibration_of_the_workflow_takes_three_hours_at_most() -> None:
    """By the estimate; several hundred datasets without a cue, in jobs of ten minutes at most."""
    project = read_project(Path(__file__).parents[2] / "config" / "calibration.yaml")
    made = project.config.calibration_batches
    datasets = sum(one.datasets for one in made)
    assert (sum(one.seconds for one in made) + datasets * JUDGED_SECONDS) / 2 <= 3 * 3600
    assert max(one.seconds for one in made) <= 600
    assert sum(one.datasets for one in made if one.source.cue.kind == "none") >= 300


def test_a_report_waits_for_the_calibration_that_it_shows() -> None:
    config = Path(__file__).parents[2] / "config"
    shown = {"results/calibration/table.csv", "results/calibration/calibration.png"}
    # Alone it is shown by the page that leads to the studies, beside studies by each of theirs, too.
    assert shown <= set(Grid(read_project(config / "calibration.yaml")).calibration_results())
    both = Grid(read_project(config / "demo.yaml", config / "calibration.yaml"))
    assert shown <= set(both.report_inputs("demo"))
    assert not shown & set(both.report_inputs("demo", "phantom_clean"))
    demo = Grid(read_project(config / "demo.yaml"))
    assert not any("calibration" in path for path in demo.report_inputs("demo"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "studies: name at least one"),
        (
            {"calibration": {"recipe": "mien", "series": [{"cue": "none", "datasets": 1}]}},
            "unknown recipe 'mien'",
        ),
        (
            {"calibration": {"recipe": "paper", "series": [{"cue": "none", "datasets": 1}]}},
            "weights: random",
        ),
    ],
)
def test_a_calibration_that_cannot_be_is_refused(content: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Config.model_validate(content)
