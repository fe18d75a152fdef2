"""The status table on results that are half done, damaged, or not there."""

import io
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from nullcrop.config.grid import Grid
from nullcrop.config.models import Project
from nullcrop.errors import NullcropError
from nullcrop.files import write_json
from nullcrop.statistics.leaks import write_leaks
from nullcrop.status import print_status, watch_status

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Two datasets of four cells each; results in an empty folder."""
    monkeypatch.chdir(REPOSITORY)
    study: dict[str, Any] = {
        "title": "Half done",
        "datasets": ["phantom_clean", "phantom_jpeg"],
        "views": ["original", "center"],
        "architectures": ["lenet5"],
        "recipes": ["scratch"],
        "seeds": [0, 1],
    }
    paths = {"results": str(tmp_path), "resources": str(tmp_path)}
    return Project({"definitions": ["config/phantoms"], "studies": {"half": study}, "paths": paths})


def shown(project: Project, **options: Any) -> dict[str, list[str]]:
    """The words of each row by dataset, in a terminal of 80 columns."""
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    print_status(project, console=console, **options)
    lines = [line.replace("━", " ").split() for line in console.export_text().splitlines()]
    return {line[0]: line[1:] for line in lines if line}


def finish(project: Project, place: int, seconds: float) -> None:
    cell = Grid(project).cells("half")[place]
    recipe = asdict(project.config.all_recipes[cell.recipe])
    path = Path(project.config.paths.results, "cells", cell.path, "cell.json")
    write_json(path, {"recipe": recipe, "seconds": seconds, "images": {"train": 320}})


def test_nothing_done(project: Project) -> None:
    rows = shown(project)
    assert rows["phantom_clean"] == ["0", "of", "4", "0", "4", "0.0", "s"]
    assert rows["all"] == ["0", "of", "8", "0", "8", "0.0", "s"]


def test_done_begun_and_missing_are_told_apart(project: Project, tmp_path: Path) -> None:
    finish(project, 0, 30.0)
    finish(project, 1, 90.0)
    (tmp_path / ".work" / "cells" / Grid(project).cells("half")[2].path).mkdir(parents=True)
    rows = shown(project)
    assert rows["phantom_clean"] == ["2", "of", "4", "1", "1", "2", "min", "00", "s"]
    assert rows["phantom_jpeg"] == ["0", "of", "4", "0", "4", "0.0", "s"]
    assert rows["all"][:5] == ["2", "of", "8", "1", "5"]
    assert rows["Begun:"] == [Grid(project).cells("half")[2].path]


@pytest.mark.parametrize("content", ['{"seconds": 3', "[]", '{"seconds": null}', '{"recipe": {"epochs": 9}}'])
def test_a_cell_half_written_or_of_another_recipe_is_not_done(
    project: Project, tmp_path: Path, content: str
) -> None:
    finish(project, 0, 30.0)
    (tmp_path / "cells" / Grid(project).cells("half")[0].path / "cell.json").write_text(content)
    assert shown(project)["all"][:3] == ["0", "of", "8"]


def test_leaks_are_shown_where_they_were_counted(project: Project, tmp_path: Path) -> None:
    samples = pd.DataFrame(
        {"id": list("abcd"), "class": ["x", "x", "y", "y"], "group": ["p", "q", "p", ""]}
    ).assign(official_split=["train", "test", "test", "test"])
    duplicates = pd.DataFrame({"id": list("abd"), "cluster": [1, 1, 1], "pixels_sha256": ["s", "s", "t"]})
    for seed, parts in enumerate((["train", "test", "train", "val"], ["train", "test", "test", "test"])):
        split = tmp_path / f"splits/phantom_clean/printed/random/seed{seed}.csv"
        split.parent.mkdir(parents=True, exist_ok=True)
        samples.assign(part=parts).to_csv(split, index=False)
    out = tmp_path / "datasets/phantom_clean/leaks.csv"
    write_leaks(samples, duplicates, sorted((tmp_path / "splits").rglob("*.csv")), out)
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    print_status(project, console=console)
    text = console.export_text()
    leaks = [line.split() for line in text[text.index("Leaks") :].splitlines()]
    assert ["phantom_clean", "1", "1", "1", "1", "1", "2/3", "1/3"] in leaks
    assert ["random", "1", "1", "1", "1", "0-1", "1-2/1-3", "0-1/1-3"] in leaks
    assert "…" not in text


def test_without_counted_leaks_there_is_no_table_of_them(project: Project) -> None:
    assert "Leaks:" not in shown(project)


def test_the_time_left_stands_below_the_table_until_all_is_done(project: Project) -> None:
    assert " ".join(shown(project)["Left:"]) == "not known before a cell is done"
    finish(project, 0, 30.0)
    finish(project, 1, 90.0)
    # Both datasets expect 400 images: six cells more of a minute each.
    assert " ".join(shown(project)["Left:"]).endswith("(6 min 00 s of training)")
    for place in range(8):
        finish(project, place, 30.0)
    assert "Left:" not in shown(project)


def test_watching_shows_the_table_anew_until_interrupted(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def interrupt(seconds: float) -> None:
        looks.append(seconds)
        finish(project, len(looks), 30.0)
        if len(looks) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("nullcrop.status.time.sleep", interrupt)
    terminal = io.StringIO()
    watch_status(project, console=Console(file=terminal, width=80, height=40, force_terminal=True))
    words = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.getvalue())
    assert [words.count(f"{done} of 8") for done in range(4)] == [1, 1, 1, 0]


def test_an_unknown_study_is_named(project: Project) -> None:
    with pytest.raises(NullcropError, match="unknown study 'hlaf', did you mean 'half'"):
        shown(project, study="hlaf")
