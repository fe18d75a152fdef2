"""What is printed for people and for programs, at several widths, and which studies it is of."""

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from nullcrop.cli import EXAMPLES, main
from nullcrop.config.grid import Grid
from nullcrop.config.models import Project
from nullcrop.status.cells import cell_state
from nullcrop.status.standing import Standing
from nullcrop.terminal.page import Column, Kind, Row, put, put_table
from nullcrop.training.heartbeat import HEARTBEAT, beating
from tests.generated_results import half_finished, write_tables

REPOSITORY = Path(__file__).parents[2]

WIDE = 1000
"""Columns in which nothing wraps."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Path]:
    """Results of two studies with the configs that runs leave; the second study is the newer one."""
    folder = tmp_path_factory.mktemp("project")
    project = half_finished(folder)
    for age, study in enumerate(("second", "first")):
        content = json.loads(project.config.model_dump_json(exclude_defaults=True))
        path = folder / "results" / "report" / study / "config.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({**content, "studies": {study: content["studies"][study]}}))
        os.utime(path, (1e9 - age, 1e9 - age))
    for study in project.config.studies:
        write_tables(project, study, "complete")
    (folder / "all.yaml").write_text(project.config.model_dump_json(exclude_defaults=True))
    return project, folder


@pytest.fixture
def folder(results: tuple[Project, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of these results, as the working folder."""
    monkeypatch.chdir(results[1])
    return results[1]


def printed(*arguments: str, width: int, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        assert main(list(arguments)) == 0
    return capsys.readouterr().out


def words(text: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]{2,}", text))


@pytest.mark.parametrize("command", ["status", "verdicts", "clean"])
def test_no_line_is_too_wide_no_word_is_cut_no_number_is_hidden_and_nothing_trails(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = {
        # The time left changes from look to look.
        width: re.sub(
            r"Left: .*?\btells\s+of",
            "",
            printed(command, "--configfile", "all.yaml", width=width, capsys=capsys),
            flags=re.DOTALL,
        )
        for width in (80, 60, 40, WIDE)
    }
    for width, page in text.items():
        assert [line for line in page.splitlines() if len(line) > width] == []
        assert [line for line in page.splitlines() if line != line.rstrip()] == []
        assert "\x1b" not in page
        assert words(page) <= words(text[WIDE])
        assert Counter(re.findall(r"\d[\d.]*", page)) == Counter(re.findall(r"\d[\d.]*", text[WIDE]))


NAMES = st.text("abc_", min_size=1, max_size=30)
CELLS: dict[Kind, st.SearchStrategy[str]] = {
    "name": NAMES,
    "words": st.lists(st.text("de", min_size=1, max_size=9), max_size=8).map(" ".join),
    "number": st.integers(0, 10**9).map(lambda number: f"{number:,} of 9"),
}


@given(st.data(), st.lists(st.sampled_from(list(CELLS)), min_size=1, max_size=6), st.integers(20, 120))
def test_every_table_fits_with_all_its_values(data: st.DataObject, kinds: list[Kind], width: int) -> None:
    columns = [Column(f"heading {place}", kind) for place, kind in enumerate(kinds)]
    rows = [Row([data.draw(CELLS[kind]) for kind in kinds]) for _ in range(3)]
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    put_table(console, columns, rows)
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    values = [value for row in rows for value in row.cells]
    # Pieces of names come back in the order of their letters, words and numbers whole.
    assert Counter(re.sub(r"[^abc]", "", text.replace("heading", ""))) == Counter(
        re.sub(r"[^abc]", "", "".join(map(str, values)))
    )
    for row in rows:
        for kind, value in zip(kinds, row.cells, strict=True):
            if kind == "number":
                assert re.search(r"(?<![\d,])" + r"\s+".join(str(value).split()), text)


def test_a_path_stays_whole_and_a_label_stands_in_the_margin() -> None:
    console = Console(width=30, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    path = "/a/path/that/is/wider/than/the/terminal"
    put(console, f"written to {path} at last", indent=8, label="images")
    assert console.export_text() == f"images  written to\n        {path}\n        at last\n"


def test_the_newest_study_comes_first_and_one_can_be_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("status", "verdicts"):
        titles = re.findall("(First|Second) study", printed(command, width=80, capsys=capsys))
        assert titles == ["Second", "First"]
        assert "Second study" not in printed(command, "--study", "first", width=80, capsys=capsys)
    newer = folder / "results" / "report" / "first" / "index.html"
    newer.touch()
    assert printed("status", width=80, capsys=capsys).startswith("first: First study")
    newer.unlink()
    assert main(["status", "--study", "frist"]) == 1
    assert "no study 'frist' in results, did you mean 'first'?" in capsys.readouterr().err


def test_results_elsewhere_are_read_where_they_are(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = printed("verdicts", width=80, capsys=capsys)
    shutil.copytree(folder / "results", tmp_path / "moved")
    cell = next((tmp_path / "moved" / "cells" / "complete").rglob("seed1/cell.json"))  # of `first` alone
    shutil.rmtree(cell.parent)
    there = json.loads(
        printed("status", "--results", str(tmp_path / "moved"), "--json", width=80, capsys=capsys)
    )
    assert there["studies"][1]["cells"]["done"] == 19
    assert printed("verdicts", "--results", str(folder / "results"), width=80, capsys=capsys) == here
    assert main(["status", "--results", str(tmp_path)]) == 1
    assert "no run has left a study in" in capsys.readouterr().err


def test_a_config_that_cannot_be_read_is_told_and_the_others_are_shown(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(folder / "results" / "report", tmp_path / "results" / "report")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results" / "report" / "second" / "config.json").write_text('{"studies": ')
    assert main(["status"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("first: First study")
    (line,) = said.err.splitlines()
    assert line.startswith("nullcrop: left out: results/report/second/config.json cannot be read")


def test_where_no_config_can_be_read_each_is_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(folder / "results" / "report", tmp_path / "results" / "report")
    monkeypatch.chdir(tmp_path)
    report = Path("results/report")
    (report / "first").rename(report / "renamed")
    assert main(["status"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("second: Second study")
    other = f"{report}/renamed/config.json is the config of other studies than 'renamed'"
    assert said.err == f"nullcrop: left out: {other}\n"
    (report / "second" / "config.json").write_text("[]")
    assert main(["status"]) == 1
    none = f"{report}/second/config.json is no config: it must be a mapping of keys"
    assert capsys.readouterr().err == f"nullcrop status: error: {none}; {other}\n"


@pytest.mark.parametrize("command", ["status", "verdicts", "report"])
def test_studies_are_named_or_looked_for(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--configfile", "all.yaml", "--results", "results"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        f"nullcrop {command}: error: --results is where studies are looked for without --configfile, which "
        "names them and the place; leave one of them out"
    )


def test_where_no_run_has_left_a_study_the_config_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["status"]) == 0
    said = capsys.readouterr()
    assert said.err == "no run has left a study in results yet; this is of config/config.yaml\n"
    assert said.out.startswith("main: ")


def test_reports_are_written_of_all_studies_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written: list[tuple[str, Path, str | None]] = []
    monkeypatch.setattr(
        "nullcrop.cli._write_report",
        lambda project, study, out, dataset: written.append((study, out, dataset)),
    )
    report = folder / "results" / "report"
    assert main(["report"]) == 0
    assert written == [
        ("second", report / "second/index.html", None),
        ("first", report / "first/index.html", None),
    ]
    written.clear()
    assert main(["report", "--only", "waiting"]) == 0
    assert main(["report", "--study", "second", "--out", "mine.html"]) == 0
    assert written == [
        ("first", report / "first/waiting.html", "waiting"),
        ("second", Path("mine.html"), None),
    ]
    written.clear()
    assert main(["report", "--configfile", "all.yaml"]) == 0
    assert [study for study, *_ in written] == ["first", "second"]
    assert main(["report", "--out", "mine.html"]) == 1
    assert "one file for several studies (second, first); name one" in capsys.readouterr().err
    assert main(["report", "--only", "complet"]) == 1
    assert "no study names the dataset 'complet', did you mean 'complete'?" in capsys.readouterr().err


def document(text: str) -> dict[str, object]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return dict(json.loads(text, parse_constant=refuse))


def test_verdicts_as_json_are_the_table(
    results: tuple[Project, Path], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    standing = Standing(results[0])
    told = document(printed("verdicts", "--json", width=20, capsys=capsys))
    assert [study["study"] for study in told["studies"]] == ["second", "first"]
    for study in told["studies"]:
        datasets = standing.grid.datasets(study["study"])
        table = pd.concat([standing.verdicts(study["study"], dataset) for dataset in datasets])
        assert len(study["verdicts"]) == len(table) > 0
        for row, (_, values) in zip(study["verdicts"], table.iterrows(), strict=True):
            assert list(row) == [key for key in table if key != "cells_sha256"]
            for key, value in row.items():
                assert (value is None) == (pd.isna(values[key]) or values[key] == "")
                assert value is None or (value == values[key] and isinstance(value, str | int | float))


def keys_of(document: object) -> set[str]:
    """All keys of a document, of the verdicts and leaks none of theirs: those are tables' columns."""
    if isinstance(document, list):
        return set().union(*map(keys_of, document))
    if not isinstance(document, dict):
        return set()
    inner = (keys_of(value) for key, value in document.items() if key not in ("verdicts", "leaks"))
    return set(document).union(*inner)


def test_the_page_names_every_key(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (REPOSITORY / "docs/json.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", page))
    for command in ("status", "verdicts"):
        told = document(printed(command, "--json", width=20, capsys=capsys))
        assert keys_of(told) - named == set()
    # What the page says of a verdict's columns is of columns there are.
    table = page.split("## Verdicts")[1]
    columns = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`[^|]*)\|", table, flags=re.MULTILINE))))
    assert columns - set(told["studies"][0]["verdicts"][0]) == set()


def test_status_as_json_counts_what_the_files_say(
    results: tuple[Project, Path], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = Grid(results[0])
    cell = next(cell for cell in grid.cells("first") if cell.dataset == "waiting")
    heartbeat = folder / "results" / ".work" / "cells" / cell.path / HEARTBEAT
    heartbeat.parent.mkdir(parents=True)
    with beating(heartbeat):
        told = document(printed("status", "--json", "--study", "first", width=20, capsys=capsys))
    shutil.rmtree(heartbeat.parent)
    (study,) = told["studies"]
    states = Counter(cell_state(grid, cell).state for cell in grid.cells("first"))
    assert study["cells"] == {
        **dict.fromkeys(("failed", "stopped", "damaged", "stale"), 0),
        **{"planned": 36, "done": 20, "running": 1, "missing": states["missing"] - 1},
    }
    assert [one["cells"]["done"] for one in study["datasets"]] == [12, 8, 0]
    assert study["unfinished"][0]["cell"] == cell.path
    assert study["datasets"][0]["could_be_seen"]["minimal"] is None  # nothing is listed yet
    (hardware,) = study["hardware"]
    assert (hardware["cells"], hardware["seconds"], hardware["energy_kwh"]) == (20, 150.0, None)
    assert main(["status", "--json", "--watch"]) == 1
    assert capsys.readouterr().out == ""


def read_of_terminal(
    arguments: list[str], rows: int, columns: int, until: str, seconds: float = 120
) -> tuple[str, int]:
    """What a command writes to a terminal of this size until it has said ``until`` and is interrupted, and
    its status."""
    ready, go = os.pipe()
    process, terminal = pty.fork()
    if process == 0:
        os.read(ready, 1)
        # Of tests in the background it may be ignored, which a new program inherits.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        command = [sys.executable, "-m", "nullcrop", *arguments]
        path = str(REPOSITORY / "workflow")
        terminal_of = {"TERM": "xterm-256color", "NO_COLOR": "1", "PYTHONPATH": path}
        os.execve(sys.executable, command, {**os.environ, **terminal_of})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    os.write(go, b"\n")
    said, asked, deadline = b"", False, time.monotonic() + seconds
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                said += os.read(terminal, 65536)
            except OSError:  # it has ended
                break
        if not asked and until.encode() in said:
            os.kill(process, signal.SIGINT)
            asked = True
    else:
        os.kill(process, signal.SIGKILL)
    return said.decode(), os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def test_watching_stays_within_24_rows_and_leaves_the_terminal_as_it_was(folder: Path) -> None:
    said, status = read_of_terminal(["status", "--watch", "--configfile", "all.yaml"], 24, 80, "waiting")
    assert status == 0
    assert said.startswith("\x1b[?1049h")
    assert said.rstrip().endswith("\x1b[?25h\x1b[?1049l")
    pages = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", page).split("\r\n") for page in said.split("\x1b[H")]
    for lines in pages:
        assert len(lines) <= 24
        assert max(map(len, lines)) <= 80
    first = next(lines for lines in pages if lines[0].strip())
    assert [line.split()[:3] for line in first[:2]] == [["first:", "First", "study"], ["20", "of", "36"]]
    names = [line.split()[0] for line in first if line.startswith(("complete", "hostile", "waiting"))]
    assert names[:3] == ["hostile", "waiting", "complete"]  # the unfinished ones first
    assert re.findall(r"\x1b\[[0-9;]*\b[34]\d", said) == []  # no colour where NO_COLOR asks for none


def test_what_does_not_fit_the_terminal_is_counted(
    results: tuple[Project, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from nullcrop.terminal import status_table

    def stop(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(status_table.time, "sleep", stop)
    console = Console(file=open(os.devnull, "w"), width=60, height=8, force_terminal=True, record=True)  # noqa: SIM115
    status_table.watch_status([(results[0], None)], console)
    shown = [line for line in console.export_text().splitlines() if line.strip()]
    assert len(shown) <= 8
    assert re.fullmatch(r"… \d+ more lines; without --watch all are printed", shown[-1].strip())


def test_who_reads_no_further_gets_no_complaint() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "nullcrop", "help", "--all"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "workflow")},
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_watching_without_a_terminal_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--watch"]) == 1
    assert "--watch needs a terminal" in capsys.readouterr().err


def test_the_help_names_what_people_need_and_of_all_commands_each(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    named = [line.split()[0] for line in lines if re.match(r"  \w", line)]
    assert named == ["triage", "audit", "status", "verdicts", "report", "doctor"] == list(EXAMPLES)
    for name in named:
        place = next(at for at, line in enumerate(lines) if line.startswith(f"  {name} "))
        assert lines[place + 1].strip().startswith(f"nullcrop {name}")  # one line, then an example
    assert main(["help", "--all"]) == 0
    every = [line.split()[0] for line in capsys.readouterr().out.splitlines() if re.match(r"  \w", line)]
    assert {"clean", "export-treated", "train-cell", "write-schemas", *named} < set(every)
    assert len(every) == len(set(every)) > 35
    assert main(["help", "status"]) == 0
    assert "usage: nullcrop status" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["stauts"], "there is no command 'stauts', did you mean 'status'?"),
        (["help", "verdict"], "there is no command 'verdict', did you mean 'verdicts'?"),
        (["xyzzy"], "there is no command 'xyzzy' (nullcrop --help)"),
        (["status", "--wach"], "unrecognized arguments: --wach"),
        (["--verdicts"], "the following arguments are required: COMMAND"),
        (["train-cell", "--cell", "a/b"], "argument --cell: 'a/b' does not name a cell"),
        (["train-cell", "--cell", "d/l/s/v/a/r/first"], "'d/l/s/v/a/r/first' does not name a cell"),
        (["compute-metrics", "--cells", "[1]"], "'[1]' is no list of cross products of cells"),
        (["compute-metrics", "--cells", '[[["d"]]]'], "is no list of cross products of cells"),
        (["compute-metrics", "--cells", "[["], "'[[' is no list of cross products of cells"),
        (["train-cell", "--recipe", '{"epochs": 0}'], "is no recipe: epochs must be greater than 0, not 0"),
        (["train-cell", "--recipe", '{"epoch": 3}'], '{"epoch": 3} is no recipe: '),
        (["train-cell", "--recipe", "{"], "{ is no recipe: "),
        (["fit-baselines", "--baselines", "mean"], "argument --baselines: unknown baseline 'mean'"),
        (["plot-figure", "--figure", "pie"], "argument --figure: unknown figure 'pie'"),
        (["audit", "images", "--epochs", "0"], "argument --epochs: must be at least 1, not 0"),
        (["audit", "images", "--epochs", "1.5"], "argument --epochs: '1.5' is no whole number"),
        (["triage", "images", "--cores", "-1"], "argument --cores: must be at least 1, not -1"),
        (["triage", "images", "--columns", "patient=who"], "'patient=who' is none of path=, class=, id="),
        (["triage", "images", "--columns", "class"], "'class' is none of path=, class=, id="),
        (["triage", "images", "--columns", "path="], "'path=' is none of path=, class=, id="),
        (
            ["triage", "images", "--columns", "class=kind", "class=type"],
            "argument --columns: class= is given more than once",
        ),
        (
            ["triage", "images", "--columns", "class=kind", "--columns", "path=file", "class=type"],
            "argument --columns: class= is given more than once",
        ),
        *(
            (["plot-figure", "--crop", size], f"argument --crop: '{size}' is no width and height, such as 20")
            for size in ("3", "x", "20x0", "20x20x3", "20 by 20")
        ),
        # What is right is passed by; what comes next is said.
        (["collect-cell", "--cell", "d/l/s/v/a/r/seed0"], "are required: --report, --work, --out"),
        (
            ["compute-metrics", "--cells", '[[["d"],["l"],["s"],["v"],["a"],["r"],[0]]]'],
            "are required: --results, --field, --out",
        ),
        (["compute-metrics", "--cells", "[]"], "are required: --results, --field, --out"),
    ],
)
def test_a_wrong_command_line_gets_one_line(
    typed: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(typed)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
