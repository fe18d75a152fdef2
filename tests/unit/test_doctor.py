"""What `doctor` says of machines that lack something, by programs that stand in for theirs."""

import json
import os
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nullcrop.care import checks
from nullcrop.care.checks import CHECKS, Finding, Machine, examine
from nullcrop.cli import main

REPOSITORY = Path(__file__).parents[2]
TORCH: dict[str, Any] = {
    "version": "2.13.0+cu130",
    "cuda": "13.0",
    "threads": 1,
    "instructions": "AVX2",
    "gpus": [],
    "refused": [],
    "said": "",
}
CARD = "NVIDIA A100, 40960, 512, 0, 580.1"

MakeProgram = Callable[..., Path]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeProgram:
    """Writes a program that the PATH finds, beside nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def write(name: str, says: str = "", status: int = 0) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\necho '{says}'\nexit {status}\n")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder and home."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    return folder


def found(topic: str, *configfiles: Path, torch: dict[str, Any] | str = TORCH) -> list[Finding]:
    machine = Machine(configfiles)
    machine.__dict__["torch"] = torch
    return list(CHECKS[topic](machine))


def one(topic: str, *configfiles: Path, torch: dict[str, Any] | str = TORCH) -> tuple[str, str]:
    """The mark and all words of the one finding."""
    (finding,) = found(topic, *configfiles, torch=torch)
    return finding.mark, f"{finding.words}; {finding.cure}"


@pytest.mark.parametrize(
    ("torch", "card", "mark", "words"),
    [
        (TORCH, None, "ok", "none is seen; networks are trained on the CPU"),
        (TORCH | {"gpus": ["A100"]}, CARD, "ok", "NVIDIA A100, driver 580.1, 0 of 40 GiB in use, load 0 %"),
        (TORCH | {"gpus": ["A100"]}, None, "ok", "A100 (CUDA 13.0)"),
        (
            TORCH | {"gpus": ["A"]},
            "A, 40960, 20480, 3, 5",
            "warning",
            "20 of 40 GiB in use, load 3 %; others",
        ),
        (TORCH | {"gpus": ["A"]}, "A, 40960, 0, 97, 5", "warning", "load 97 %; others compute there"),
        (TORCH | {"gpus": ["A"]}, "A, [N/A], [N/A], [N/A], 5", "ok", "A, driver 5"),
        (TORCH | {"cuda": None}, CARD, "problem", "is a build for the CPU, and there is a GPU: NVIDIA A100"),
        (
            TORCH | {"said": "driver too old"},
            CARD,
            "problem",
            "(driver 580.1): driver too old; renew the driver",
        ),
        ("no module", CARD, "ok", "NVIDIA A100: not tried, without torch"),
        ("no module", None, "ok", "none is seen"),
    ],
)
def test_a_gpu_is_judged_by_driver_and_build(
    program: MakeProgram, torch: dict[str, Any] | str, card: str | None, mark: str, words: str
) -> None:
    if card:
        program("nvidia-smi", card)
    found_mark, found_words = one("gpu", torch=torch)
    assert (found_mark, words in found_words) == (mark, True), found_words


def test_a_gpu_that_torch_holds_no_code_for_is_a_problem(program: MakeProgram) -> None:
    program("nvidia-smi", CARD)
    refused, card = found("gpu", torch=TORCH | {"gpus": ["A100"], "refused": ["no code for it"]})
    assert (refused.mark, refused.words, card.mark) == ("problem", "no code for it", "ok")


def test_a_driver_that_does_not_answer_is_no_gpu(program: MakeProgram) -> None:
    program("nvidia-smi", "NVIDIA-SMI has failed", status=9)
    assert one("gpu")[0] == "ok"


def test_a_config_that_asks_for_a_gpu_makes_a_missing_one_a_problem(
    program: MakeProgram, elsewhere: Path
) -> None:
    config = elsewhere / "own.yaml"
    config.write_text(
        f"{(REPOSITORY / 'config/demo.yaml').read_text()}\ndevice: cuda\n".replace("device: cpu\n", "")
    )
    assert one("gpu", config) == (
        "problem",
        "none is seen, and the config says `device: cuda`; run where there is one, or say `device: auto`",
    )


def test_torch_that_cannot_be_imported_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "ASK_TORCH", "import torch_that_is_not_there")
    machine = Machine(None)
    (finding,) = CHECKS["torch"](machine)
    assert finding.mark == "problem"
    assert finding.words == (
        "cannot be imported (ModuleNotFoundError: No module named 'torch_that_is_not_there')"
    )
    assert finding.cure.startswith("run `make env` in ")


def test_torch_that_breaks_down_takes_nothing_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "ASK_TORCH", "import os; os.abort()")
    (finding,) = CHECKS["torch"](Machine(None))
    assert (finding.mark, finding.words) == ("problem", "cannot be imported (it ended with status -6)")


@pytest.mark.parametrize(
    ("programs", "plugin", "mark", "words"),
    [
        ({}, True, "ok", "none here"),
        ({"sinfo": "cpu\ngpu*", "sbatch": ""}, True, "ok", "partitions cpu, gpu*"),
        ({"sinfo": "cpu", "sbatch": ""}, False, "warning", "Snakemake's plugin for it is not"),
        ({"sinfo": "cpu"}, True, "warning", "sinfo is here alone"),
    ],
)
def test_slurm_needs_its_programs_and_the_plugin(
    program: MakeProgram,
    monkeypatch: pytest.MonkeyPatch,
    programs: dict[str, str],
    plugin: bool,
    mark: str,
    words: str,
) -> None:
    for name, says in programs.items():
        program(name, says)
    if not plugin:
        monkeypatch.setattr(checks.importlib.util, "find_spec", lambda name: None)
    found_mark, found_words = one("slurm")
    assert (found_mark, words in found_words) == (mark, True), found_words


def test_slurm_that_does_not_answer_is_a_warning(program: MakeProgram) -> None:
    program("sbatch")
    program("sinfo", status=1)
    assert one("slurm")[0] == "warning"


def test_another_snakemake_on_the_path_is_named(program: MakeProgram) -> None:
    assert one("snakemake")[0] == "ok"
    foreign = program("snakemake", "7.32.4")
    mark, words = one("snakemake")
    assert mark == "warning"
    assert (
        f"the PATH finds another: {foreign} (7.32.4); start {Path(sys.executable).parent}/snakemake" in words
    )


def test_an_old_snakemake_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.importlib.metadata, "version", lambda name: "9.3.10")
    mark, words = one("snakemake")
    assert mark == "problem"
    assert "9.3.10 in this environment is older than 9." in words


def test_credentials_are_looked_for_and_never_shown(elsewhere: Path) -> None:
    assert one("kaggle") == ("ok", "no credentials, and none are needed here; ")
    path = Path(os.environ["HOME"], ".kaggle/kaggle.json")
    path.parent.mkdir(parents=True)
    path.write_text('{"username": "me", "key": "secret"}')
    path.chmod(0o600)
    assert one("kaggle") == ("ok", f"credentials in {path}; ")
    path.chmod(0o644)
    mark, words = one("kaggle")
    assert mark == "warning"
    assert words.endswith(f"chmod 600 {path}")
    assert "secret" not in words


def test_a_download_that_needs_credentials_makes_missing_ones_a_problem(elsewhere: Path) -> None:
    mark, words = one("kaggle", REPOSITORY / "config/config.yaml")
    assert mark == "problem"
    assert "https://www.kaggle.com/settings" in words


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(("free", "mark"), [(5e14, "ok"), (5e9, "warning"), (1e9, "problem")])
def test_the_disk_is_held_against_what_is_still_to_come(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, free: float, mark: str
) -> None:
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda path: Usage(1e15, 0, free))
    found_mark, words = one("disk", REPOSITORY / "config/config.yaml")
    assert found_mark == mark
    assert "GB free for results, resources, store, work; downloads and packed images still to come" in words
    # 780 images: five crops of 20×20 pixels, and originals at 224 and 299 pixels, three bytes each.
    config = elsewhere / "small.yaml"
    config.write_text("studies: {small: {title: T, datasets: [breastmnist]}}\n")
    expected = 780 * 3 * (5 * 20 * 20 + 224**2 + 299**2)
    assert checks._needs(Machine([config]))["store"] == expected


def test_a_folder_that_may_not_be_written_to_is_a_problem(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert one("writing")[0] == "ok"
    assert list(elsewhere.iterdir()) == []

    def refuse(dir: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(checks.tempfile, "TemporaryFile", refuse)
    findings = found("writing")
    assert {finding.mark for finding in findings} == {"problem"}
    assert f"not allowed for results: {elsewhere} (Permission denied)" in findings[0].words


@pytest.mark.parametrize(
    ("place", "mark", "words"),
    [
        ("/data/nullcrop", "ok", "/data/nullcrop"),
        ("/data/my clone", "warning", "blank"),
        ("/data/a:b", "problem", "colon"),
        ("/data/{x}", "problem", "braces"),
    ],
)
def test_a_name_that_tools_do_not_take_is_named(
    monkeypatch: pytest.MonkeyPatch, place: str, mark: str, words: str
) -> None:
    monkeypatch.setattr(checks, "WORKFLOW_FOLDER", Path(place))
    found_mark, found_words = one("names")
    assert (found_mark, words in found_words) == (mark, True)


def test_a_locale_without_accents_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.locale, "getpreferredencoding", lambda do_setlocale: "ANSI_X3.4-1968")
    assert one("text")[0] == "warning"


def test_a_config_with_a_mistake_is_a_problem_and_all_else_is_told(elsewhere: Path) -> None:
    config = elsewhere / "own.yaml"
    config.write_text("studies: {a: {title: T, datasets: [nowhere]}}\n")
    mark, words = one("config", config)
    assert mark == "problem"
    assert "unknown dataset 'nowhere'" in words
    assert one("config", elsewhere / "none.yaml")[0] == "problem"
    assert one("disk", config)[0] in ("ok", "warning", "problem")


def test_a_check_that_fails_is_a_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(machine: Machine) -> None:
        raise RuntimeError("no such luck")

    monkeypatch.setattr(checks, "CHECKS", {"gpu": broken})
    assert list(examine(None)) == [
        Finding("gpu", "warning", "could not be looked at (RuntimeError: no such luck)")
    ]


@pytest.mark.parametrize(("mark", "status"), [("ok", 0), ("warning", 0), ("problem", 1)])
def test_the_exit_code_is_that_of_the_worst(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mark: Any, status: int
) -> None:
    monkeypatch.setattr(checks, "CHECKS", {"x": lambda machine: iter([Finding("x", mark, "so", "do that")])})
    try:
        code = main(["doctor"])
    except SystemExit as end:
        code = int(str(end.code))
    assert code == status
    assert capsys.readouterr().out.split() == [mark, "x", "so;", "do", "that"]


@pytest.mark.long
def test_it_works_where_no_package_is_installed(elsewhere: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-m", "nullcrop", "doctor", "--json"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "workflow")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    marks = {finding["topic"]: finding["mark"] for finding in json.loads(done.stdout)}
    assert marks["packages"] == marks["snakemake"] == "problem"
    assert list(marks) == list(CHECKS)
