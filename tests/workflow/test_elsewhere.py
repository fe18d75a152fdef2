"""The workflow away from its own folder: with `--directory`, from an absolute `--snakefile`, as a module."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from .conftest import TOY_CONFIG, TOY_PHANTOM, TOY_STUDY, Checkout

CELL = "results/cells/one/printed/grouped/upper_left/lenet5/toy/seed0/predictions.csv"

MODULE = """
configfile: "{config}"
{first}

module audit:
    snakefile:
        "{snakefile}"
    config:
        config{key}


use rule * from audit{names}
"""


class Elsewhere(Checkout):
    """A working folder that holds nothing of the workflow; `arguments` of its commands name it all."""

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]


@pytest.fixture(scope="module")
def clone(fresh: Callable[[], Checkout]) -> Checkout:
    """A checkout that no test changes: nothing may be written into it."""
    return fresh()


@pytest.fixture(scope="module")
def planned(clone: Checkout) -> Counter[str]:
    """What a dry run in the workflow's own folder plans."""
    return clone.plan()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Elsewhere:
    folder = tmp_path / "else where"
    folder.mkdir()
    return Elsewhere(folder)


def files_of(checkout: Checkout) -> set[Path]:
    return {path for path in checkout.folder.rglob("*") if "__pycache__" not in path.parts}


def snakefile(clone: Checkout) -> str:
    return str(clone.folder / "Snakefile")


def configfile(clone: Checkout) -> list[str]:
    return ["--configfile", str(clone.folder / "toy.yaml")]


@pytest.mark.long
def test_with_a_directory_everything_is_made_there(clone: Checkout, elsewhere: Elsewhere) -> None:
    """Config, definitions, published tables and package come from the clone, where the command is typed."""
    before = files_of(clone)
    targets = [CELL, "results/discrepancies.csv"]
    done = subprocess.run(
        [*elsewhere.command(*targets, "--directory", str(elsewhere.folder)), "--configfile", "toy.yaml"],
        cwd=clone.folder,
        env=elsewhere.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert files_of(clone) == before
    assert list(elsewhere.predictions()) == [CELL]
    assert "earlier_study.csv" in (elsewhere.folder / "results/discrepancies.csv").read_text()
    # Typed in the folder itself, nothing is left to do.
    assert not elsewhere.plan(*targets, "--snakefile", snakefile(clone), *configfile(clone))


def test_from_an_absolute_snakefile_the_plan_is_the_same(
    clone: Checkout, elsewhere: Elsewhere, planned: Counter[str]
) -> None:
    assert elsewhere.plan("--snakefile", snakefile(clone), *configfile(clone)) == planned


def test_files_of_the_working_folder_come_before_the_workflows(clone: Checkout, elsewhere: Elsewhere) -> None:
    """`config/config.yaml` there is the default config, and `definitions` there are the datasets."""
    own = TOY_STUDY | {"datasets": ["mine"], "title": "My own"}
    for name, content in {
        "config/config.yaml": TOY_CONFIG | {"studies": {"own": own}},
        "definitions/mine.yaml": TOY_PHANTOM,
    }.items():
        path = elsewhere.folder / name
        path.parent.mkdir()
        path.write_text(yaml.safe_dump(content))
    assert elsewhere.planned_cells("--snakefile", snakefile(clone)) == {
        ("mine", "original"),
        ("mine", "upper_left"),
    }
    # The clone's own datasets are not mixed in.
    refused = elsewhere.snakemake("-n", "--snakefile", snakefile(clone), *configfile(clone), fails=True)
    assert "unknown dataset 'one', known are: mine" in refused


def test_without_a_config_the_study_as_published_is_planned(clone: Checkout, elsewhere: Elsewhere) -> None:
    narrowed = ["--snakefile", snakefile(clone), "--config", "datasets=[breastmnist]"]
    assert elsewhere.plan(*narrowed)["train_cell"] == 24


def test_as_a_module_the_plan_is_the_same(
    clone: Checkout, elsewhere: Elsewhere, planned: Counter[str]
) -> None:
    """Its `rule all` is what the outer workflow makes unless it has one of its own."""
    outer = MODULE.format(
        config=clone.folder / "toy.yaml", snakefile=snakefile(clone), key="", names="", first=""
    )
    (elsewhere.folder / "Snakefile").write_text(outer)
    assert elsewhere.plan() == planned


def test_a_workflow_around_the_module_goes_on_from_its_results(clone: Checkout, elsewhere: Elsewhere) -> None:
    """The outer config holds the module's under a key; the first rule outside is the default target, and its
    results may lie among the module's.
    """
    content = {"mine": 1, "audit": TOY_CONFIG | {"definitions": [str(clone.folder / "definitions")]}}
    (elsewhere.folder / "my.yaml").write_text(yaml.safe_dump(content))
    own = """

rule count_rows:
    input:
        "results/studies/toy/verdicts.csv",
    output:
        "results/studies/count.txt",
    shell:
        "wc -l < {input} > {output}"
"""
    outer = MODULE.format(
        config="my.yaml", snakefile=snakefile(clone), key='["audit"]', names=" as audit_*", first=own
    )
    (elsewhere.folder / "Snakefile").write_text(outer)
    plan = elsewhere.plan()
    assert plan == elsewhere.plan("results/studies/count.txt")
    assert plan["count_rows"] == plan["audit_join_verdicts"] == 1
    assert plan["audit_train_cell"] == 4


def test_a_mistake_in_a_modules_config_is_said_to_be_there(clone: Checkout, elsewhere: Elsewhere) -> None:
    outer = MODULE.format(config="my.yaml", snakefile=snakefile(clone), key="", names="", first="")
    (elsewhere.folder / "my.yaml").write_text("mine: 1\n")
    (elsewhere.folder / "Snakefile").write_text(outer)
    assert "`config:` of the module (my.yaml): unknown key 'mine'" in elsewhere.snakemake("-n", fails=True)
