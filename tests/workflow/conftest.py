"""A copy of the workflow with a toy config, run by the real Snakemake."""

import compileall
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock

REPOSITORY = Path(__file__).parents[2]

TOY_PHANTOM = {
    "title": "Toy",
    "modality": "generated",
    "field": "whole",
    "source": {"kind": "phantom", "patients": 30, "images_per_patient": 2, "width": 64, "height": 64},
    "classes": ["benign", "malignant"],
    "labels": {"printed": {"positive": ["malignant"]}},
    "group": "patient",
    "licence": "CC0-1.0",
    "citation": "none",
}

TOY_STUDY = {
    "title": "Toy study",
    "datasets": ["one", "two"],
    "splits": ["grouped"],
    "views": ["original", "upper_left"],
    "architectures": ["lenet5"],
    "recipes": ["toy"],
}

TOY_CONFIG = {
    "definitions": ["definitions"],
    "device": "cpu",
    "cells_per_job": 1,
    "recipes": {"toy": {"weights": "random", "epochs": 3, "learning_rate": 0.001}},
    "studies": {"toy": TOY_STUDY},
}


@dataclass
class Checkout:
    """A working copy of the workflow in an empty folder."""

    folder: Path

    def write_definition(self, name: str, **changes: Any) -> None:
        path = self.folder / "definitions" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump({**TOY_PHANTOM, **changes}))

    def write_config(self, **changes: Any) -> None:
        (self.folder / "toy.yaml").write_text(yaml.safe_dump({**TOY_CONFIG, **changes}))

    def write_study(self, **changes: Any) -> None:
        self.write_config(studies={"toy": {**TOY_STUDY, **changes}})

    def command(self, *arguments: str) -> list[str]:
        return [
            *(sys.executable, "-m", "snakemake", *arguments, "--cores", "2"),
            *("--set-threads", "train_cell=1", "train_batch=1", "--configfile", "toy.yaml"),
        ]

    def environment(self) -> dict[str, str]:
        folders = {"HOME": str(self.folder / "home"), "XDG_CACHE_HOME": str(self.folder / "cache")}
        return {**os.environ, **folders, "COLUMNS": "1000"}  # in which no sentence is broken

    def snakemake(self, *arguments: str, fails: bool = False) -> str:
        """Run Snakemake to its end and return what it printed."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout
        return done.stdout

    def nullcrop(self, *arguments: str) -> str:
        """Run a command of the package, with the code of this folder, and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "nullcrop", *arguments],
            cwd=self.folder,
            env={**self.environment(), "PYTHONPATH": str(self.folder / "workflow")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def plan(self, *arguments: str) -> Counter[str]:
        """Jobs of a dry run by rule; empty when there is nothing to do."""
        output = self.snakemake("--dry-run", *arguments)
        if "Nothing to be done" in output:
            return Counter()
        table = re.search(r"^job +count\n[- ]+\n(.*?)^total ", output, flags=re.MULTILINE | re.DOTALL)
        assert table is not None, output
        return Counter({rule: int(count) for rule, count in map(str.split, table[1].splitlines())})

    def planned_cells(self, *arguments: str) -> set[tuple[str, str]]:
        """Dataset and view of each cell that a dry run would train."""
        # Whatever follows --quiet is taken for one of its words.
        output = self.snakemake("--dry-run", *arguments, "--quiet", "host")
        return set(re.findall(r"^Job \d+: training (\w+)/printed/grouped/(\w+)/", output, flags=re.MULTILINE))

    def predictions(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted((self.folder / "results" / "cells").rglob("predictions.csv"))
        }


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Checkout]:
    """Makes checkouts in which nothing has run yet."""
    compileall.compile_dir(REPOSITORY / "workflow/nullcrop", quiet=1)

    def make() -> Checkout:
        folder = tmp_path_factory.mktemp("a checkout")
        for name in ("Snakefile", "workflow", "config", "profiles", "slurm", "envs", "resources/published"):
            source = REPOSITORY / name
            if source.is_dir():
                shutil.copytree(source, folder / name)
            else:
                shutil.copy2(source, folder / name)
        checkout = Checkout(folder)
        checkout.write_config()
        checkout.write_definition("one")
        checkout.write_definition("two", source={**TOY_PHANTOM["source"], "seed": 5})  # type: ignore[dict-item]
        return checkout

    return make


@pytest.fixture(scope="session")
def finished(
    fresh: Callable[[], Checkout], tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Checkout:
    """A checkout whose toy study has run to its end, one for all workers; copy it before you change it."""
    here = tmp_path_factory.getbasetemp()
    known = (here if worker_id == "master" else here.parent) / "finished"
    with FileLock(known.with_suffix(".lock")):
        if not known.is_file():
            checkout = fresh()
            checkout.snakemake()
            known.write_text(str(checkout.folder))
    return Checkout(Path(known.read_text()))


@pytest.fixture
def done(finished: Checkout, tmp_path: Path) -> Checkout:
    """A copy of the finished checkout, time stamps and Snakemake's records included."""
    folder = tmp_path / "a checkout"
    shutil.copytree(finished.folder, folder, symlinks=True)
    return Checkout(folder)
