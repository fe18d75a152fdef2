"""Results that their definition does not ask for any more are told by what stands in them, without any record
of Snakemake's."""

import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from nullcrop.basics.files import read_json, sha256_of, write_json
from nullcrop.cli import main
from nullcrop.config.cell import Cell
from nullcrop.config.grid import Grid, split_path
from nullcrop.config.models import Project
from nullcrop.status.origins import outdated_listing, outdated_split, outdated_targets
from nullcrop.status.remade import why_remade
from nullcrop.status.standing import Standing

from ..conftest import definition_content
from ..generated_results import write_cell, write_tables

CLASSES = ["benign", "malignant", "normal"]


@dataclass
class Audit:
    """Class folders, listed and split; two readers of a corner are finished and judged."""

    folder: Path
    keys: dict[str, Any] = field(default_factory=dict)
    """What the definition says otherwise."""
    config: dict[str, Any] = field(default_factory=dict)

    def project(self) -> Project:
        source = {"kind": "folder", "path": str(self.folder / "images"), "group_pattern": "(p[0-9]+)"}
        content = definition_content(
            **{"source": source, "classes": CLASSES, "group": "patient", **self.keys}
        )
        path = self.folder / "definitions" / "one.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        study = {
            "title": "Toy",
            "datasets": ["one"],
            "splits": ["random"],
            "views": ["upper_left"],
            "architectures": ["lenet5"],
            "recipes": ["toy"],
            "baselines": ["mean_rgb"],
            "shuffles": 1,
        }
        return Project(
            {
                "definitions": [str(path.parent)],
                "paths": {"results": str(self.folder / "results")},
                "recipes": {"toy": {"weights": "random", "epochs": 3}},
                "studies": {"toy": study},
                **self.config,
            }
        )

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def make(self, command: str, *arguments: str) -> None:
        definition = str(self.project().definition_path("one"))
        assert main([command, "--definition", definition, *arguments]) == 0

    def list_images(self) -> None:
        folder, archive = str(self.results / "datasets/one"), str(self.folder / "archive")
        self.make("list-samples", "--dataset", "one", "--archive", archive, "--out", folder, "--threads", "1")

    def split(self, cell: Cell, *duplicates: str) -> None:
        self.make(
            *("split-samples", "--samples", str(self.results / "datasets/one/samples.csv")),
            *("--duplicates", *duplicates, "--labels", cell.labels, "--protocol", cell.split),
            *("--seed", str(cell.seed), "--out", split_path(str(self.results), cell)),
        )

    @property
    def cells(self) -> list[Cell]:
        return Grid(self.project()).cells("toy")

    def outdated(self, cell: Cell | None = None) -> str:
        """Of the listing, or of the split of a cell."""
        project = self.project()
        if cell is None:
            return outdated_listing(Grid(project), "one") or outdated_targets(project, "one")
        path = Path(split_path(str(self.results), cell))
        return outdated_split(project, "one", cell.labels, cell.split, path)

    def states(self) -> dict[str, int]:
        """How many cells are in each state, after the finished files said the same of themselves."""
        standing = Standing(self.project())
        states = standing.cells("toy")
        for one in states:
            path = self.results / "cells" / one.cell.path / "cell.json"
            assert why_remade(standing, str(path)) == (one.words if one.state == "stale" else "")
        return dict(Counter(one.state for one in states))

    def remade(self) -> list[str]:
        """The finished files that a run makes again, below `results`."""
        standing = Standing(self.project())
        files = sorted(path for path in self.results.rglob("*") if path.is_file())
        return [str(path.relative_to(self.results)) for path in files if why_remade(standing, str(path))]


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (24, 24, 3), np.uint8))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    audit = Audit(tmp_path_factory.mktemp("made"))
    for code, name in enumerate(CLASSES):
        (audit.folder / "images" / name).mkdir(parents=True)
        for number in range(20):
            picture(100 * code + number).save(
                audit.folder / "images" / name / f"p{number // 2}{name[0]}_{number}.png"
            )
    audit.list_images()
    for cell in audit.cells:
        audit.split(cell)
        path = write_cell(audit.project(), cell, 60, 0.5) / "cell.json"
        record = {**read_json(path), "numerics": "cpu_avx2_fp32_1threads"}
        if cell.is_baseline:
            record["split_sha256"] = sha256_of(Path(split_path(str(audit.results), cell)))
        write_json(path, record)
    write_tables(audit.project(), "toy", "one")
    return audit.folder


@pytest.fixture
def audit(made: Path, tmp_path: Path) -> Audit:
    shutil.copytree(made, tmp_path / "audit")
    audit = Audit(tmp_path / "audit")
    # The images lie elsewhere now, and the list says so.
    for name in ("samples.csv", "dataset.json"):
        path = audit.results / "datasets/one" / name
        path.write_text(path.read_text().replace(str(made), str(audit.folder)))
    return audit


def test_what_was_made_of_todays_definition_is_todays(audit: Audit) -> None:
    assert audit.outdated() == ""
    assert {cell.split for cell in audit.cells} == {"random", "random_shuffle1"}
    assert not any(audit.outdated(cell) for cell in audit.cells)
    assert audit.states() == {"done": 4}
    assert audit.remade() == []


@pytest.mark.parametrize(
    "keys",
    [
        {"title": "Other", "notes": "new", "licence": "other", "field": "tile", "group": "person"},
        {"expected": {"images": 60}, "on_mismatch": "report"},
        {
            "labels": {
                "printed": {"positive": ["malignant"], "evidence": "said so"},
            }
        },
    ],
)
def test_words_and_counts_make_no_image_another(audit: Audit, keys: dict[str, Any]) -> None:
    audit.keys = keys
    assert audit.outdated() == ""
    assert audit.states() == {"done": 4}


def test_an_edited_label_rule_makes_its_splits_and_cells_stale(audit: Audit) -> None:
    audit.keys = {"labels": {"printed": {"positive": ["malignant", "benign"]}}}
    why = "split under another label rule than today's 'printed'"
    assert [audit.outdated(cell) for cell in audit.cells] == [why] * 4
    assert audit.states() == {"stale": 4}
    assert audit.outdated() == "its targets are not those of today's label rules: printed"
    files = audit.remade()
    assert {"datasets/one/samples.csv", "splits/one/printed/random/seed0.csv"} <= set(files)
    assert [name for name in files if name.startswith("cells/")] == sorted(
        f"cells/{cell.path}/cell.json" for cell in audit.cells
    )
    standing = Standing(audit.project())
    assert standing.verdicts("toy", "one").empty
    assert standing.written("toy", "one").state == "stale"
    (named,) = [line for line in standing.remarks("toy") if line.startswith("Stale: ")]
    assert named.count(why) == 4


def test_another_rule_beside_the_old_one_makes_the_list_again_and_no_cell(audit: Audit) -> None:
    rules = {"printed": {"positive": ["malignant"]}, "ill": {"positive": ["malignant", "benign"]}}
    audit.keys = {"labels": rules}
    assert audit.outdated() == "its targets are not those of today's label rules: ill"
    assert audit.states() == {"done": 4}
    assert audit.remade() == ["datasets/one/samples.csv"]


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"smallest_side": 20}, "smallest_side of old default, now 20"),
        ({"unreadable": "leave_out"}, "unreadable of old default, now leave_out"),
        ({"classes": [*CLASSES, "odd"]}, f"classes {CLASSES}, now {[*CLASSES, 'odd']}"),
    ],
)
def test_a_list_under_another_definition_is_stale_with_all_that_is_made_of_it(
    audit: Audit, keys: dict[str, Any], why: str
) -> None:
    audit.keys = keys
    assert audit.outdated() == f"its images were listed by {why}"
    assert audit.states() == {"stale": 4}


def test_a_list_of_an_earlier_version_reads_as_before(audit: Audit) -> None:
    path = audit.results / "datasets/one/dataset.json"
    write_json(path, {key: value for key, value in read_json(path).items() if key != "listing"})
    audit.keys = {"smallest_side": 20}
    assert audit.outdated() == ""
    assert audit.states() == {"done": 4}


def test_images_that_are_gone_are_named_and_a_missing_folder_is_no_reason(audit: Audit) -> None:
    gone = sorted((audit.folder / "images/benign").iterdir())[:2]
    for path in gone:
        path.unlink()
    assert audit.outdated() == f"2 of its 60 images are gone: {gone[0]}, {gone[1]}"
    assert audit.states() == {"stale": 4}
    shutil.rmtree(audit.folder / "images/normal")
    assert audit.outdated().startswith("22 of its 60 images are gone: ")
    shutil.rmtree(audit.folder / "images")
    assert audit.outdated() == ""
    assert audit.states() == {"done": 4}


def test_a_split_of_other_images_or_groups_is_stale(audit: Audit) -> None:
    path = audit.results / "datasets/one/samples.csv"
    samples = pd.read_csv(path, dtype=str, keep_default_na=False)
    samples.assign(group="all").to_csv(path, index=False)
    assert audit.outdated(audit.cells[0]) == "split by other groups than today's"
    samples[1:].to_csv(path, index=False)
    assert audit.outdated(audit.cells[0]) == "split from other images than those that are listed now"
    path.unlink()
    assert audit.outdated(audit.cells[0]) == ""


def test_duplicates_that_are_kept_together_are_groups(audit: Audit) -> None:
    samples = pd.read_csv(audit.results / "datasets/one/samples.csv", dtype=str, keep_default_na=False)
    duplicates = audit.results / "datasets/one/duplicates.csv"
    ids = [samples["id"].iloc[0], samples["id"].iloc[-1]]
    pd.DataFrame({"id": ids, "cluster": 0, "likeness": 1.0}).to_csv(duplicates, index=False)
    cell = audit.cells[0]
    assert audit.outdated(cell) == ""
    audit.keys = {"duplicates": "group"}
    assert audit.outdated(cell) == "split by other groups than today's"
    audit.split(cell, str(duplicates))
    assert audit.outdated(cell) == ""
    audit.keys = {}
    assert audit.outdated(cell) == "split by other groups than today's"


def test_baselines_of_another_split_are_stale(audit: Audit) -> None:
    """Of a network its identity tells."""
    (cell,) = [one for one in audit.cells if one.is_baseline and one.split == "random"]
    path = Path(split_path(str(audit.results), cell))
    path.write_text(path.read_text().replace(",val", ",train"))
    assert audit.outdated(cell) == ""
    assert audit.states() == {"done": 3, "stale": 1}
    assert audit.remade() == [f"cells/{cell.path}/cell.json"]


@pytest.mark.parametrize(
    ("config", "keys", "tables"),
    [
        ({"verdict": {"level": 0.2}}, {}, ["readers", "verdicts"]),
        ({"verdict": {"small": 0.6}}, {}, ["verdicts"]),
        ({}, {"title": "Other"}, ["verdicts"]),
        ({}, {"field": "tile"}, ["comparisons", "readers", "verdicts"]),
    ],
)
def test_tables_of_another_question_are_made_again(
    audit: Audit, config: dict[str, Any], keys: dict[str, Any], tables: list[str]
) -> None:
    audit.config, audit.keys = config, keys
    assert audit.remade() == [f"studies/toy/one/{table}.csv" for table in tables]


def test_other_files_are_never_told_to_be_made_again(audit: Audit) -> None:
    standing = Standing(audit.project())
    for path in ("elsewhere.csv", "results/logs/x.log", "cells/one/cell.json", "splits/a/b"):
        assert why_remade(standing, path) == ""
        assert why_remade(standing, str(audit.results / path)) == ""
