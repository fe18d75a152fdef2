"""The status table on results that are half done, damaged, or not there."""

import io
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import read_json, sha256_of, write_json
from nullcrop.config.grid import Grid
from nullcrop.config.models import Project
from nullcrop.config.recipe import is_same_recipe
from nullcrop.duplicates.leaks import write_leaks
from nullcrop.terminal.status_table import print_status, watch_status
from nullcrop.training.heartbeat import HEARTBEAT, beating, read_state

REPOSITORY = Path(__file__).parents[2]

WIDE = 1000
"""Columns in which every sentence is one line."""


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


def shown(project: Project, width: int = 80, **options: Any) -> dict[str, list[str]]:
    """The words of each line by the first, in a terminal of 80 columns; of sentences in a wide one."""
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    print_status(project, console=console, **options)
    lines = [
        line.translate({ord(mark): " " for mark in "━╸╺"}).split()
        for line in console.export_text().splitlines()
    ]
    return {line[0]: line[1:] for line in lines if line}


def finish(project: Project, place: int, seconds: float, **facts: Any) -> None:
    cell = Grid(project).cells("half")[place]
    recipe = asdict(project.config.all_recipes[cell.recipe])
    folder = Path(project.config.paths.results, "cells", cell.path)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("predictions.csv", "history.csv"):
        (folder / name).write_text("id\n1\n")
    checked = {"predictions_sha256": sha256_of(folder / "predictions.csv")}
    images = {"train": 320, "val": 40, "test": 40}
    record = {"cell": asdict(cell), "recipe": recipe, "numerics": "cpu", "seconds": seconds, "images": images}
    record |= {**checked, **facts}
    write_json(folder / "cell.json", record)


def test_nothing_done(project: Project) -> None:
    rows = shown(project)
    assert rows["phantom_clean"] == ["0", "of", "4", "4", "0.0", "s"]
    assert rows["all"] == ["0", "of", "8", "8", "0.0", "s"]


def test_what_is_ignored_in_a_folder_is_told(project: Project, tmp_path: Path) -> None:
    entries = [
        {"what": ".txt files", "class": "benign", "count": 1200},
        {"what": ".txt files", "class": "malignant", "count": 1},
        {"what": "macOS resource forks (._*)", "class": "", "count": 2},
    ]
    write_json(tmp_path / "datasets" / "phantom_jpeg" / "dataset.json", {"ignored": entries})
    write_json(tmp_path / "datasets" / "phantom_clean" / "dataset.json", {"images": 3})  # of an older version
    console = Console(width=WIDE, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    print_status(project, console=console)
    lines = [line for line in console.export_text().splitlines() if "ignored" in line]
    words = "1,201 .txt files (benign 1,200, malignant 1), 2 macOS resource forks (._*)"
    assert lines == [f"phantom_jpeg: ignored {words}"]


def test_done_running_failed_stopped_and_missing_are_told_apart(project: Project, tmp_path: Path) -> None:
    cells = Grid(project).cells("half")
    finish(project, 0, 30.0)
    finish(project, 1, 90.0)
    beats = [tmp_path / ".work" / "cells" / cell.path / HEARTBEAT for cell in cells]
    log = tmp_path / "logs" / "train_cell" / f"{cells[6].path}.log"
    log.parent.mkdir(parents=True)
    log.write_text("epoch 1/5\nslurmstepd: error: Detected 1 oom-kill event\n")
    for place in (6, 7):  # killed long ago; killed before it could write a heartbeat
        beats[place].parent.mkdir(parents=True)
    with beating(beats[6]):
        os.utime(beats[6], (0, 0))
        with pytest.raises(NullcropError), beating(beats[5]):
            raise NullcropError("the training loss became nan")
        with beating(beats[4]):
            rows = shown(project, WIDE)
    assert rows["phantom_clean"][:7] == ["2", "of", "4", "0", "0", "0", "2"]
    assert rows["phantom_jpeg"][:7] == ["0", "of", "4", "1", "1", "2", "0"]
    assert rows["all"] == ["2", "of", "8", "1", "1", "2", "2", "2", "min", "00", "s"]
    assert cells[4].path in rows["Running:"]
    assert " ".join(rows["Failed:"]) == f"{cells[5].path} (the training loss became nan)"
    assert f"{cells[6].path} (slurmstepd: error: Detected 1 oom-kill event)" in " ".join(rows["Stopped:"])


def test_a_stopped_step_leaves_no_heartbeat_and_a_running_one_beats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nullcrop.training.heartbeat.BEAT_SECONDS", 0.01)
    path = tmp_path / HEARTBEAT
    with suppress(SystemExit), beating(path):
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 20
        while read_state(path)[0] != "running":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        raise SystemExit(143)
    assert not path.exists()
    assert read_state(path) == ("stopped", {})


def test_cells_made_under_another_arithmetic_than_demanded_are_named(project: Project) -> None:
    study = project.config.studies["half"].model_copy(update={"numerics": "cuda_fp32"})
    project.config.studies["half"] = study
    for place, numerics in enumerate(["cuda_fp32", "cpu_avx2_fp32_4threads"]):
        finish(project, place, 30.0, numerics=numerics)
    named = " ".join(shown(project, WIDE)["Not"])
    assert "made under cuda_fp32, as the study demands" in named
    assert named.endswith(f": {Grid(project).cells('half')[1].path} (cpu_avx2_fp32_4threads)")


@pytest.mark.parametrize("content", ['{"seconds": 3', "[]", '{"seconds": null}', '{"recipe": {"epochs": 9}}'])
def test_a_cell_half_written_or_of_another_recipe_is_not_done(
    project: Project, tmp_path: Path, content: str
) -> None:
    finish(project, 0, 30.0)
    (tmp_path / "cells" / Grid(project).cells("half")[0].path / "cell.json").write_text(content)
    assert shown(project)["all"][:3] == ["0", "of", "8"]


@pytest.mark.parametrize("cut", [lambda text: "", lambda text: text[:-1], lambda text: "\0" * len(text)])
@pytest.mark.parametrize("name", ["predictions.csv", "history.csv", "cell.json"])
def test_a_cell_with_an_empty_or_cut_file_is_damaged_and_not_done(
    project: Project, tmp_path: Path, name: str, cut: Callable[[str], str]
) -> None:
    finish(project, 0, 30.0)
    path = tmp_path / "cells" / Grid(project).cells("half")[0].path / name
    text = path.read_text().rstrip() if name == "cell.json" else path.read_text()
    path.write_text(cut(text))
    rows = shown(project, WIDE)
    assert rows["all"] == ["0", "of", "8", "1", "7", "0.0", "s"]
    assert " ".join(rows["Damaged:"]).startswith(f"{Grid(project).cells('half')[0].path} ({path} is damaged")


def test_a_cell_from_before_a_key_was_added_is_done_where_the_key_stands_at_its_default(
    project: Project, tmp_path: Path
) -> None:
    finish(project, 0, 30.0)
    finish(project, 1, 30.0)
    for place, added in enumerate(({}, {"a_later_versions_key": 1})):
        path = tmp_path / "cells" / Grid(project).cells("half")[place].path / "cell.json"
        record = read_json(path)
        assert record["recipe"].pop("rotation") == record["recipe"].pop("decay") == 0
        write_json(path, {**record, "recipe": {**record["recipe"], **added}})
    assert shown(project)["all"][:3] == ["1", "of", "8"]
    turned = replace(project.config.all_recipes["scratch"], rotation=5)
    assert not is_same_recipe(record["recipe"], turned)


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


def test_what_cells_took_is_summed_by_hardware_old_cells_included(project: Project) -> None:
    gpu = {"hardware": "GPU-9000", "peak_host_mb": 3000.0}
    finish(project, 0, 30.0, **gpu, images_a_second=100.0, peak_device_mb=1500.0, energy_kwh=0.25)
    finish(project, 1, 90.0, **gpu, images_a_second=200.0, peak_device_mb=1200.0, energy_kwh=0.5)
    finish(project, 2, 60.0, hardware="CPU", images_a_second=10.0, peak_device_mb=None, peak_host_mb=800.0)
    finish(project, 3, 40.0, hardware="CPU")  # of a version that recorded no speed
    finish(project, 4, 5.0)
    rows = shown(project)
    # (30 · 100 + 90 · 200) images in 120 seconds
    assert rows["GPU-9000"] == ["2", "2", "min", "00", "s", "175", "1.5", "GB", "3.0", "GB", "0.75"]
    assert rows["CPU"] == ["2", "1", "min", "40", "s", "10", "-", "0.8", "GB", "-"]
    assert rows["unnamed"] == ["hardware", "1", "5.0", "s", "-", "-", "-", "-"]


def test_watching_shows_the_table_anew_until_interrupted(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def interrupt(seconds: float) -> None:
        looks.append(seconds)
        finish(project, len(looks), 30.0)
        if len(looks) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("nullcrop.terminal.status_table.time.sleep", interrupt)
    terminal = io.StringIO()
    watch_status([(project, None)], console=Console(file=terminal, width=80, height=40, force_terminal=True))
    words = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.getvalue())
    assert [words.count(f"{done} of 8") for done in range(4)] == [1, 1, 1, 0]


def test_an_unknown_study_is_named(project: Project) -> None:
    with pytest.raises(NullcropError, match="unknown study 'hlaf', did you mean 'half'"):
        shown(project, study="hlaf")
