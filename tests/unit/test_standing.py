"""`status`, `verdicts` and the report say the same of cells and verdicts, whatever was edited since."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from rich.console import Console

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import read_json, write_json
from nullcrop.config.cell import Cell
from nullcrop.config.grid import Grid
from nullcrop.config.models import Project
from nullcrop.report import sections
from nullcrop.report.blocks import Block
from nullcrop.report.contents import collect
from nullcrop.statistics.tables import read_judged, read_metrics
from nullcrop.status.standing import Standing
from nullcrop.terminal.status_table import print_status
from nullcrop.terminal.verdict_table import print_verdicts

from ..conftest import definition_content
from ..generated_results import write_cell, write_dataset, write_tables

NUMERICS = "cpu_avx2_fp32_1threads"

NO_VERDICT = "No reader of a crop on which the verdict may rest is done yet."


@dataclass
class Study:
    """Six finished networks, two of them on a corner, judged by the workflow; then something is edited."""

    folder: Path
    changes: dict[str, Any] = field(default_factory=dict)
    """What the config says otherwise."""
    of_study: dict[str, Any] = field(default_factory=dict)
    """What the study says otherwise."""

    def project(self) -> Project:
        study = {
            "title": "Toy",
            "datasets": ["one"],
            "views": ["original", "upper_left", "center"],
            "architectures": ["lenet5"],
            "recipes": ["toy"],
            "seeds": [0, 1],
        }
        paths = {"results": str(self.folder / "results"), "resources": str(self.folder / "resources")}
        content = {
            "definitions": [str(self.folder / "definitions")],
            "paths": paths,
            "recipes": {"toy": recipe()},
            "studies": {"toy": study | self.of_study},
        }
        return Project(content | self.changes)

    def define(self, **changes: Any) -> None:
        path = self.folder / "definitions" / "one.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(definition_content(title="One", **changes)))

    def write(self, cell: Cell, strength: float, **facts: Any) -> None:
        path = write_cell(self.project(), cell, 60, strength) / "cell.json"
        write_json(path, {**read_json(path), "numerics": NUMERICS, **facts})

    @property
    def cells(self) -> list[Cell]:
        return Grid(self.project()).cells("toy")

    @property
    def crop(self) -> Path:
        """The folder of the second network on the upper left crops."""
        (cell,) = [one for one in self.cells if (one.view, one.seed) == ("upper_left", 1)]
        return self.folder / "results" / "cells" / cell.path

    @property
    def verdicts(self) -> Path:
        return self.folder / "results/studies/toy/one/verdicts.csv"


def recipe(**changes: Any) -> dict[str, Any]:
    return {"weights": "random", "epochs": 3, "learning_rate": 0.001, **changes}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = Study(tmp_path_factory.mktemp("finished"))
    study.define()
    for cell in study.cells:
        study.write(cell, 2.0 if cell.view == "original" else 0.5)
    write_dataset(study.project(), "one")
    # Nothing that a finished run would have made is missing.
    figures = study.folder / "results/studies/toy/one/figures"
    shutil.copy(figures / "samples.png", figures / "crops.png")
    (study.folder / "results/datasets/one/leaks.csv").write_text("labels,split,seed\n")
    write_tables(study.project(), "toy", "one")
    return study.folder


@pytest.fixture
def study(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    # Charts and numbers say nothing of what is done, and take most of a section's time.
    monkeypatch.setattr(sections, "_results", lambda dataset, contents, cells: [Block("none", "none")])
    shutil.copytree(finished, tmp_path / "study")
    return Study(tmp_path / "study")


def printed(command: Callable[..., None], project: Project) -> str:
    """What a command prints, in one line."""
    console = Console(width=150, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    command(project, console=console)
    return " ".join(console.export_text().split())


def one_answer(study: Study) -> tuple[int, str, str]:
    """Networks that are done, today's verdict in words, and what is remarked, after all three said the
    same."""
    project = study.project()
    of_status, of_verdicts = printed(print_status, project), printed(print_verdicts, project)
    contents = collect(project, "toy")
    facts = contents.datasets[0]
    section = sections.dataset_section(facts, contents)
    done = int(re.findall(r"one [━╸╺ ]*(\d+) of 6", of_status)[0])
    assert section.progress == f"{done} of 6 networks done"
    if section.card.sentence == NO_VERDICT:
        assert "no reader of a crop is done yet" in of_verdicts
        assert "can be read" not in of_verdicts
    else:
        assert f"{section.card.sentence} {section.card.details}" in of_verdicts
    # What is remarked in one place is remarked in all, word by word.
    written = re.search(r"Verdict on one: \S+ is (?:stale|damaged)[^;]*; [\w/. -]*again", section.missing)
    for text in (of_status, of_verdicts):
        assert ("Verdict on one" in text) == (written is not None)
        assert written is None or written[0] in text
    for state in ("damaged", "stale"):
        named = [f"{one.cell.path} ({one.words})" for one in facts.cells if one.state == state]
        for text in (of_status, of_verdicts):
            assert (f"{state.capitalize()}: " in text) == bool(named)
            assert all(name in text for name in named)
        assert (f"{len(named)} finished cell" in section.missing) == bool(named)
    return done, section.card.sentence, section.missing


def test_what_the_workflow_wrote_of_these_cells_is_todays(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("nullcrop.status.standing.judge")
    monkeypatch.delattr("nullcrop.status.standing.metrics_of_cells")
    monkeypatch.delattr("nullcrop.status.standing.judge_readers")
    monkeypatch.delattr("nullcrop.status.standing.compare_cells")
    done, sentence, remarks = one_answer(study)
    assert (done, remarks) == (6, "")
    assert sentence == read_metrics(study.verdicts)["sentence"][0]


@pytest.mark.parametrize(
    ("verdict", "why", "says"),
    [
        ({"level": 0.2}, "level 0.05, now 0.2", "20% error rate"),
        ({"small": 0.95}, "small 0.55, now 0.95", "but little of it"),
        ({"equivalence": 0.1}, "equivalence 0.05, now 0.1", "can be read"),
    ],
)
def test_a_verdict_of_other_thresholds_is_stale(
    study: Study, verdict: dict[str, float], why: str, says: str
) -> None:
    study.changes = {"verdict": verdict}
    done, sentence, remarks = one_answer(study)
    assert done == 6
    assert says in sentence
    assert f"verdicts.csv is stale, of an earlier config ({why}); run the workflow again" in remarks
    write_tables(study.project(), "toy", "one")
    assert one_answer(study) == (6, sentence, "")


def test_a_verdict_in_the_words_of_another_definition_is_stale(study: Study) -> None:
    study.define(group="patient")
    _, _, remarks = one_answer(study)
    assert "of an earlier config (group , now patient)" in remarks


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"recipes": {"toy": recipe(learning_rate=0.01)}}, "made with learning_rate 0.001, now 0.01"),
        ({"recipes": {"toy": recipe(flips=True)}}, "made with flips False, now True"),
        ({"device": "cuda"}, f"made under {NUMERICS}, now device: cuda"),
    ],
)
def test_cells_of_another_recipe_or_device_are_stale_and_so_is_their_verdict(
    study: Study, changes: dict[str, Any], why: str
) -> None:
    study.changes = changes
    done, sentence, remarks = one_answer(study)
    assert done == 0
    assert sentence == NO_VERDICT
    assert f"6 finished cells are stale and left out: {study.cells[0].path} ({why})" in remarks
    assert "verdicts.csv is stale, of other cells than those that are planned and finished now" in remarks


@pytest.mark.parametrize(
    ("numerics", "device", "engine", "stale"),
    [
        ("cuda_fp32", "auto", "plain", False),
        ("cuda_fp32", "cpu", "plain", True),
        ("cuda_fp32", "auto", "captured_bf16", False),  # a GPU that cannot run it takes the plain loop
        ("cuda_fp32_captured", "auto", "captured_fp32", False),
        ("cuda_fp32_captured", "auto", "plain", False),  # kept, as the workflow keeps it
        ("cuda_fp32_captured", "auto", "auto", False),
        ("cuda_bf16_channels_last_fused_captured", "auto", "auto", False),
        ("cuda_bf16_channels_last_fused_captured", "cpu", "auto", True),
        ("cuda_fp32_captured", "auto", "captured_bf16", True),
        ("cuda_bf16_channels_last_fused_captured", "cuda", "captured_bf16", False),
        ("cuda_bf16_channels_last_captured", "cuda", "captured_fp32", True),
    ],
)
def test_a_cell_of_another_engine_is_stale(
    study: Study, numerics: str, device: str, engine: str, stale: bool
) -> None:
    for cell in study.cells:
        study.write(cell, 0.5, numerics=numerics)
    study.changes = {"device": device, "engine": engine}
    assert one_answer(study)[0] == (0 if stale else 6)


def test_cells_of_another_arithmetic_than_demanded_count_and_are_named(study: Study) -> None:
    study.of_study = {"numerics": "cuda_fp32"}
    assert one_answer(study)[0] == 6
    named = "Not made under cuda_fp32, as the study demands (delete them to have them made again): "
    named += study.cells[0].path
    assert named in printed(print_status, study.project())
    assert named in printed(print_verdicts, study.project())


def delete(study: Study) -> None:
    shutil.rmtree(study.crop)


def cut(study: Study) -> None:
    path = study.crop / "predictions.csv"
    path.write_bytes(path.read_bytes()[:-30])


def take_for_another(study: Study) -> None:
    shutil.rmtree(study.crop)
    shutil.copytree(study.crop.with_name("seed0"), study.crop)


def forget_images(study: Study) -> None:
    record = read_json(study.crop / "cell.json")
    del record["images"]
    write_json(study.crop / "cell.json", record)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (delete, "1 of 6 cells have no result yet"),
        (cut, "1 finished cell is damaged and left out"),
        (take_for_another, "cell.json is the record of another cell; delete"),
        (forget_images, "cell.json lacks what every cell records ('images'); delete"),
    ],
)
def test_a_cell_that_is_gone_or_damaged_counts_nowhere(
    study: Study, edit: Callable[[Study], None], says: str
) -> None:
    edit(study)
    done, sentence, remarks = one_answer(study)
    assert done == 5
    assert "one reader on one view" in sentence
    assert says in remarks
    assert "is stale, of other cells than those that are planned and finished now" in remarks


def test_a_verdict_on_a_cell_before_it_was_trained_again_is_stale(study: Study) -> None:
    (cell,) = [one for one in study.cells if study.crop.match(f"*/{one.path}")]
    study.write(cell, 3.0)
    for table in study.verdicts.parent.iterdir():
        table.touch()
    done, sentence, remarks = one_answer(study)
    assert done == 6
    assert "can be read from the corners" in sentence
    assert sentence != read_metrics(study.verdicts)["sentence"][0]
    assert "is stale, of other cells" in remarks


def test_a_verdict_on_as_many_other_cells_is_stale(study: Study) -> None:
    study.of_study = {"views": ["original", "upper_right", "center"]}
    done, sentence, remarks = one_answer(study)
    assert done == 4
    assert sentence == NO_VERDICT
    assert "is stale, of other cells" in remarks


def test_a_cell_that_its_job_has_not_handed_over_yet_is_done(study: Study) -> None:
    study.changes = {"cells_per_job": 4}
    before = one_answer(study)
    kept = study.folder / "results/.work" / study.crop.relative_to(study.folder / "results")
    kept.parent.mkdir(parents=True)
    shutil.move(study.crop, kept.with_name("seed1.kept"))
    assert one_answer(study) == before
    study.verdicts.unlink()
    assert one_answer(study) == before
    assert len(collect(study.project(), "toy").datasets[0].histories) == 18


def test_an_empty_table_of_verdicts_is_named_and_not_taken(study: Study) -> None:
    study.verdicts.write_text("")
    done, sentence, remarks = one_answer(study)
    assert done == 6
    assert "can be read from the corners" in sentence
    assert "verdicts.csv is damaged or half-written" in remarks


@pytest.mark.parametrize("column", ["cells_sha256", "equivalence"])
def test_a_verdict_of_a_version_that_said_less_is_stale(study: Study, column: str) -> None:
    read_metrics(study.verdicts).drop(columns=column).to_csv(study.verdicts, index=False)
    remarks = one_answer(study)[2]
    assert "stale, of an earlier version; run the workflow again" in remarks


@pytest.mark.parametrize(
    ("table", "changes"),
    [
        ("readers", {"level": 0.01}),
        ("readers", {"field": "tile"}),
        ("readers", {"cells_sha256": "of others"}),
        ("comparisons", {"cells_sha256": "of others"}),
    ],
)
def test_a_table_of_other_cells_or_another_question_is_made_anew(
    study: Study, table: str, changes: dict[str, Any]
) -> None:
    written = read_metrics(study.verdicts).drop(columns="cells_sha256")
    study.verdicts.unlink()
    path = study.verdicts.with_name(f"{table}.csv")
    read_metrics(path).assign(**changes, auroc=0.5).to_csv(path, index=False)
    tables = Standing(study.project()).tables("toy", "one")
    assert (getattr(tables, table)["auroc"] != 0.5).any()
    pd.testing.assert_frame_equal(
        tables.verdicts.replace("", np.nan), written.replace("", np.nan), check_dtype=False
    )


def test_no_verdict_is_made_of_tables_of_different_cells(study: Study) -> None:
    paths = study.verdicts.with_name("readers.csv"), study.verdicts.with_name("comparisons.csv")
    assert read_judged(*paths)[2] == read_metrics(study.verdicts)["cells_sha256"][0]
    read_metrics(paths[1]).assign(cells_sha256="of others").to_csv(paths[1], index=False)
    with pytest.raises(NullcropError, match="are of different cells; delete both"):
        read_judged(*paths)
