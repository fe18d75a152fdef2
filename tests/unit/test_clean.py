"""What `clean` removes, and above all what it leaves alone."""

import io
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import sha256_of, write_json
from nullcrop.care.leftovers import KINDS, LOGGED, Place, find_leftovers, remove
from nullcrop.cli import main
from nullcrop.config.cell import BATCH_PATH, CELL_PATH, Cell
from nullcrop.config.figures import FIGURES
from nullcrop.config.grid import Grid
from nullcrop.config.models import Project
from nullcrop.terminal.clean_table import clean, in_words
from nullcrop.training.heartbeat import SILENT_SECONDS, beating

REPOSITORY = Path(__file__).parents[2]
LONG_AGO = time.time() - 2 * SILENT_SECONDS


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A dataset of four cells of LeNet-5; the working folder is empty."""
    monkeypatch.chdir(tmp_path)
    return a_project(tmp_path)


def a_project(folder: Path) -> Project:
    study: dict[str, Any] = {
        "title": "Small",
        "datasets": ["phantom_clean"],
        "views": ["original", "center"],
        "architectures": ["lenet5"],
        "recipes": ["scratch"],
        "seeds": [0, 1],
    }
    paths = {"results": str(folder / "results"), "resources": str(folder / "resources")}
    definitions = [str(REPOSITORY / "config/phantoms")]
    return Project({"definitions": definitions, "studies": {"small": study}, "paths": paths})


def write(path: Path, text: str = "x", old: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if old:
        os.utime(path, (LONG_AGO, LONG_AGO))
    return path


def finish(folder: Path, cell: Cell) -> list[Path]:
    tables = [write(folder / name, "id\n1\n") for name in ("predictions.csv", "history.csv")]
    hashes = {f"{path.stem}_sha256": sha256_of(path) for path in tables}
    write_json(folder / "cell.json", {"cell": asdict(cell), **hashes})
    return [*tables, folder / "cell.json"]


def fill(results: Path, cells: list[Cell]) -> dict[str, list[Path]]:
    """Results with something of each kind, by kind; `stays` for what is none."""
    first, second, *_ = cells
    image = write(results.parent / "images/a.png")
    samples = pd.DataFrame({"id": ["a"], "path": [str(image)], "class": ["x"], "group": ["g"]})
    table = results / "datasets/phantom_clean/samples.csv"
    table.parent.mkdir(parents=True)
    samples.to_csv(table, index=False)
    other = replace(first, recipe="earlier")
    views = results / "datasets/phantom_clean/views"
    work = results / ".work/cells"
    batch = BATCH_PATH.format(**asdict(first), number=0)
    write_json(results / f".work/batches/{batch}.json", {"failed": {}})
    return {
        "halves": [write(views / ".original.0123456789abcdef.npy")],
        "work": [
            write(work / first.path / "checkpoint.pt"),
            write(work / f"{first.path}.again" / "checkpoint.pt"),
        ],
        "checkpoints": [write(work / second.path / name, "{}") for name in ("checkpoint.pt", "state.json")],
        "batches": [results / f".work/batches/{batch}.json"],
        "views": [write(views / f"original.{suffix}") for suffix in ("npy", "json")],
        "logs": [
            write(results / f"logs/train_cell/{first.path}.log"),
            write(results / "logs/resolve_config/small.log"),
        ],
        "cells": finish(results / "cells" / other.path, other) + finish(work / f"{other.path}.kept", other),
        "stays": [
            *finish(results / "cells" / first.path, first),
            *finish(work / f"{first.path}.kept", first),
            *(image, table),
            write(results / "studies/small/metrics.csv"),
            write(results / "datasets/phantom_clean/views/mine.npy"),
            write(results / "logs/train_cell/notes.log"),
            write(results / f"cells/{first.path}/notes.txt"),
            write(results / f"cells/{other.path}/notes.txt"),
            write(results / "README.md"),
        ],
    }


def there(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()}


def said(project: Project, *kinds: str, **options: Any) -> str:
    console = Console(width=100, record=True, file=io.StringIO())
    clean(project, kinds, **{"yes": True, **options}, console=console)
    return console.export_text()


def test_each_kind_goes_by_its_name_and_nothing_else_does(project: Project, tmp_path: Path) -> None:
    made = fill(tmp_path / "results", Grid(project).cells("small"))
    for kind in KINDS:
        before = there(tmp_path)
        assert set(made[kind]) <= before
        said(project, kind)
        assert before - there(tmp_path) == set(made[kind])
    assert there(tmp_path) == set(made["stays"])


def test_without_a_name_only_that_goes_which_nobody_misses(project: Project, tmp_path: Path) -> None:
    made = fill(tmp_path / "results", Grid(project).cells("small"))
    before = there(tmp_path)
    text = said(project)
    assert before - there(tmp_path) == {*made["halves"], *made["work"]}
    assert re.search(r"cells +6 .* stays", text)
    assert "Not nullcrop's, and left alone:" in text
    assert "mine.npy" in text


def test_a_folder_that_is_empty_then_goes_with_its_files(project: Project, tmp_path: Path) -> None:
    made = fill(tmp_path / "results", Grid(project).cells("small"))
    said(project, "checkpoints")
    assert not made["checkpoints"][0].parent.exists()
    said(project, "cells")
    assert (made["cells"][0].parent / "notes.txt").is_file()
    said(project, "batches")
    assert list((tmp_path / "results/.work/batches").iterdir()) == []


@pytest.mark.parametrize(("answer", "goes"), [("y", True), ("Yes ", True), ("n", False), ("", False)])
def test_nothing_goes_without_a_yes(project: Project, tmp_path: Path, answer: str, goes: bool) -> None:
    made = fill(tmp_path / "results", Grid(project).cells("small"))
    asked: list[str] = []
    text = said(project, "logs", yes=False, ask=lambda question: (asked.append(question), answer)[1])
    assert asked == ["Remove 2 files, 2 B? [y/N] "]
    assert made["logs"][0].exists() != goes
    assert ("Nothing was removed" in text) != goes


def test_nothing_goes_where_nobody_can_be_asked(project: Project, tmp_path: Path) -> None:
    made = fill(tmp_path / "results", Grid(project).cells("small"))
    assert "Nothing was removed" in said(project, "logs", yes=False)
    assert made["logs"][0].exists()


def test_a_narrowed_config_asks_for_all_of_its_studies_still(project: Project, tmp_path: Path) -> None:
    cells = Grid(project).cells("small")
    made = fill(tmp_path / "results", cells)
    other = Cell(**{**asdict(cells[0]), "dataset": "phantom_jpeg"})
    finish(tmp_path / "results/cells" / other.path, other)
    content = project.config.model_dump(exclude_unset=True)
    content["studies"]["small"]["datasets"] = ["phantom_clean", "phantom_jpeg"]
    narrowed = Project({**content, "datasets": ["phantom_jpeg"]})
    cells_kind = next(one for one in find_leftovers(Place(narrowed)) if one.kind.name == "cells")
    assert set(cells_kind.files) == set(made["cells"])


def test_views_whose_images_are_gone_stay(project: Project, tmp_path: Path) -> None:
    made = fill(tmp_path / "results", Grid(project).cells("small"))
    (tmp_path / "images/a.png").unlink()
    said(project, "views")
    assert made["views"][0].exists()


def test_what_another_cell_recorded_is_no_finished_cell(project: Project, tmp_path: Path) -> None:
    cell = replace(Grid(project).cells("small")[0], recipe="earlier")
    files = finish(tmp_path / "results/cells" / cell.path, replace(cell, seed=5))
    said(project, "cells")
    assert all(path.exists() for path in files)


def test_links_are_neither_followed_nor_removed(project: Project, tmp_path: Path) -> None:
    cells = Grid(project).cells("small")
    elsewhere = fill(tmp_path / "elsewhere/results", cells)
    results = tmp_path / "results"
    results.mkdir()
    (results / "cells").symlink_to(tmp_path / "elsewhere/results/cells")
    (results / "datasets").mkdir()
    (results / "datasets/phantom_clean").symlink_to(tmp_path / "elsewhere/results/datasets/phantom_clean")
    log = results / "logs/train_cell" / f"{cells[0].path}.log"
    log.parent.mkdir(parents=True)
    log.symlink_to(elsewhere["logs"][0])
    before = there(tmp_path)
    text = said(project, *KINDS)
    assert there(tmp_path) == before
    assert "results/cells" in text


def test_a_file_that_became_a_link_while_the_question_was_open_stays(
    project: Project, tmp_path: Path
) -> None:
    made = fill(tmp_path / "results", Grid(project).cells("small"))
    log = made["logs"][0]

    def answer(question: str) -> str:
        log.unlink()
        log.symlink_to(made["stays"][0])
        return "y"

    said(project, "logs", yes=False, ask=answer)
    assert log.is_symlink()
    assert made["stays"][0].is_file()
    assert not made["logs"][1].exists()


def test_nothing_goes_while_snakemake_holds_its_lock(project: Project, tmp_path: Path) -> None:
    made = fill(tmp_path / "results", Grid(project).cells("small"))
    before = there(tmp_path)
    lock = write(tmp_path / ".snakemake/locks/0.input.lock")
    with pytest.raises(NullcropError, match="Snakemake is running in this folder, or was killed in it"):
        said(project, *KINDS)
    assert there(tmp_path) == {*before, lock}
    lock.unlink()

    def answer(question: str) -> str:  # the run started while the question was open
        write(lock)
        return "y"

    with pytest.raises(NullcropError, match="Snakemake is running"):
        said(project, "logs", yes=False, ask=answer)
    assert made["logs"][0].exists()


def test_nothing_goes_while_a_cell_is_trained(project: Project, tmp_path: Path) -> None:
    cells = Grid(project).cells("small")
    fill(tmp_path / "results", cells)
    with beating(tmp_path / "results/.work/cells" / cells[3].path / "state.json"):
        before = there(tmp_path)
        with pytest.raises(NullcropError, match=f"cells are being trained in .*{cells[3].path}"):
            said(project, *KINDS)
        assert there(tmp_path) == before


def test_a_file_that_is_being_written_stays(project: Project, tmp_path: Path) -> None:
    half = write(tmp_path / "results/datasets/a/views/.original.0123456789abcdef.npy", old=False)
    said(project)
    assert half.exists()


# Such as no step writes, with the endings that steps write.
STRANGE = st.builds(
    str.__add__,
    st.text("abcXYZ019 _-.+é", min_size=1, max_size=12).filter(lambda text: text not in (".", "..")),
    st.sampled_from(["", ".log", ".json", ".npy", ".csv", ".pt"]),
)
FOLDERS = st.sampled_from(
    [
        *(".", "cells", "logs", "logs/train_cell", "datasets", "datasets/a", "datasets/a/views", "studies"),
        *(".work", ".work/cells", ".work/batches", "cells/a/printed/random/original/lenet5/paper/seed0"),
        ".work/cells/a/printed/random/original/lenet5/paper/seed0.kept",
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    strange=st.lists(st.tuples(FOLDERS, st.lists(STRANGE, min_size=1, max_size=3)), min_size=1, max_size=6)
)
def test_whatever_else_lies_in_results_survives(
    strange: list[tuple[str, list[str]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("place")
    with inside(folder):
        project = a_project(folder)
        made = fill(folder / "results", Grid(project).cells("small"))
        own = there(folder)
        for place, parts in strange:
            path = Path(folder, "results", place, *parts)
            if not any(one.is_file() for one in (path, *path.parents)) and not path.exists():
                write(path)
        before = there(folder)
        remove(find_leftovers(Place(project)), Place(project))
    gone = {path for kind in KINDS for path in made[kind]}
    assert own - there(folder) == gone
    assert before - there(folder) == gone


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def test_the_rules_with_logs_are_those_of_the_workflow() -> None:
    known = {rule: parts for parts, rules in LOGGED.items() for rule in rules}
    found = {}
    for path in (REPOSITORY / "workflow/rules").glob("*.smk"):
        text = re.sub(r'"\s+f?"', "", path.read_text(encoding="utf-8"))
        for stem in re.findall(r'f"\{RESULTS\}/logs/([^"]+)\.log"', text):
            stem = stem.replace("{CELL_PATH}", CELL_PATH).replace("{BATCH_PATH}", BATCH_PATH)
            rule, *below = stem.split("/")
            if not rule.startswith("plot_{"):
                found[rule] = len(below)
    assert found == known
    assert {figure.of for figure in FIGURES.values()} == {"dataset", "study"}


def test_the_command_needs_a_config_to_know_which_cells_are_asked_for(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["clean", "cells", "--yes"]) == 1
    assert "--configfile" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["clean", "everything"])
    assert "unknown kind 'everything'" in capsys.readouterr().err


def test_a_kind_behind_the_config_is_taken_for_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clean", "--configfile", "mine.yaml", "logs"]) == 1
    assert "name logs before it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (3_400_000, "3.4 MB"), (5e12, "5.0 TB")]
)
def test_sizes_in_words(size: int, words: str) -> None:
    assert in_words(size) == words
