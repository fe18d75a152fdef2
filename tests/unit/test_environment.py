"""A Python that lacks what the workflow needs is told in one line what to run in its place."""

import sys
from importlib import metadata
from pathlib import Path

import pytest

from nullcrop.basics import environment
from nullcrop.basics.environment import unfit_environment

REPOSITORY = Path(__file__).parents[2]
PROJECT = """
[project]
requires-python = ">=3.11"
dependencies = ["numpy>=2", "torch>=2", "snakemake[reports]>=9.27", "snakemake-executor-plugin-slurm>=2"]
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of its own, in which ``PROJECT`` says what is needed."""
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    monkeypatch.setattr(environment, "PROJECT_FOLDER", tmp_path)
    return tmp_path


def installed(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    def version(name: str) -> str:
        if name in versions:
            return versions[name]
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)


def test_the_projects_own_environment_lacks_nothing() -> None:
    assert environment.PROJECT_FOLDER == REPOSITORY
    assert unfit_environment(planning_alone=False) == ""


def test_missing_packages_and_an_old_snakemake_are_named_with_what_to_run(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = checkout / ".venv" / "bin" / "snakemake"
    installed(monkeypatch, numpy="1.26", snakemake="8.30.0")
    lacking = f"{sys.executable} lacks Snakemake >=9.27 (this is 8.30.0), torch; run {own} in its place"
    assert unfit_environment(planning_alone=False) == f"{lacking}, after `make env` in {checkout}"
    own.parent.mkdir(parents=True)
    own.touch()
    assert unfit_environment(planning_alone=False) == lacking


@pytest.mark.parametrize("snakemake", ["9.27", "9.27.1", "9.28.0+g1", "10.0.0a1"])
def test_what_the_steps_bring_themselves_the_plan_does_not_need(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, snakemake: str
) -> None:
    installed(monkeypatch, numpy="2.4", snakemake=snakemake)
    assert unfit_environment(planning_alone=True) == ""
    assert " lacks torch; run " in unfit_environment(planning_alone=False)


def test_another_python_is_named(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = sys.version.partition(" ")[0]
    (checkout / "pyproject.toml").write_text(PROJECT.replace(">=3.11", ">=3.99"))
    assert f" lacks Python >=3.99 (this is {running}); run " in unfit_environment(planning_alone=False)


@pytest.mark.parametrize("module", ["tomllib", "packaging.requirements"])
def test_a_python_too_old_to_read_what_is_needed_is_told_so(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert f" lacks the module {module}; run " in unfit_environment(planning_alone=False)


def test_a_workflow_without_the_files_beside_it_asks_for_nothing(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / "pyproject.toml").unlink()
    installed(monkeypatch)
    assert unfit_environment(planning_alone=False) == ""
