"""One Slurm for all tests of this folder, and checkouts whose jobs it runs."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.workflow.conftest import TOY_CONFIG, TOY_STUDY, Checkout, fresh

from .cluster import PACKAGES, Cluster, wait_until

__all__ = ["fresh"]

SLOW = 800
"""Epochs that keep a toy cell busy for some ten seconds and more: long enough to be disturbed."""

# Checks of the tests alone: a real site is asked less often, and its steps wait longer for files.
IMPATIENT = ("--latency-wait", "10", "--seconds-between-status-checks", "2")
IMPATIENT_PLUGIN = ("--slurm-init-seconds-before-status-checks", "2")

CELLS = ["original", "upper_left"]


@dataclass
class Run:
    """A Snakemake that runs in the background."""

    process: subprocess.Popen[bytes]
    output: Path

    def kill(self) -> None:
        """SIGKILL to Snakemake alone; its Slurm jobs run on."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def finish(self, fails: bool = False) -> str:
        self.process.wait(timeout=400)
        text = self.output.read_text()
        assert (self.process.returncode != 0) == fails, text
        return text


class SlurmCheckout(Checkout):
    """A checkout whose jobs go to Slurm, by the command that users type."""

    def command(self, *arguments: str) -> list[str]:
        return [
            *(sys.executable, "-m", "snakemake", "--profile", "slurm", *arguments, *IMPATIENT, *IMPATIENT_PLUGIN),
            *("--set-threads", "train_cell=1", "train_batch=1", "list_samples=1", "crop_views=1"),
            *("--configfile", "toy.yaml"),
        ]

    def locally(self, *arguments: str) -> str:
        return Checkout(self.folder).snakemake(*arguments)

    def start(self, *arguments: str) -> Run:
        output = self.folder / f"run{time.monotonic_ns()}.txt"
        with open(output, "wb") as stream:
            process = subprocess.Popen(
                self.command(*arguments),
                cwd=self.folder,
                env=self.environment(),
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Run(process, output)

    def cell(self, view: str) -> Path:
        return Path("results/cells/one/printed/grouped") / view / "lenet5/toy/seed0"

    def targets(self) -> list[str]:
        return [str(self.cell(view) / "cell.json") for view in CELLS]

    def checkpoint(self, view: str) -> Path:
        return self.folder / "results/.work" / self.cell(view).relative_to("results") / "checkpoint.pt"

    def log(self, view: str) -> str:
        path = self.folder / "results/logs/train_cell" / self.cell(view).relative_to("results/cells")
        return path.with_suffix(".log").read_text()

    def wait_for_checkpoints(self, *views: str) -> None:
        paths = [self.checkpoint(view) for view in views or CELLS]
        wait_until(lambda: all(path.is_file() for path in paths), 120, "every cell had a checkpoint")

    def write_slow(self, **changes: Any) -> None:
        """The toy study of dataset one with cells that take a while."""
        recipe = {**TOY_CONFIG["recipes"]["toy"], "epochs": SLOW}  # type: ignore[index]
        study = {**TOY_STUDY, "datasets": ["one"]}
        self.write_config(**{"recipes": {"toy": recipe}, "studies": {"toy": study}, "device": "auto", **changes})

    def edit_profile(self, change: Callable[[dict[str, Any]], None]) -> None:
        path = self.folder / "profiles/slurm/config.yaml"
        profile = yaml.safe_load(path.read_text())
        change(profile)
        path.write_text(yaml.safe_dump(profile))


@pytest.fixture(scope="session")
def running_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if os.getuid() != 0:
        pytest.skip("starting a Slurm needs root")
    if shutil.which("slurmctld") is None:
        pytest.skip(f"Slurm is not installed; `make test-slurm` installs {' '.join(PACKAGES)}")
    folder = tmp_path_factory.mktemp("slurm") / "cluster"
    for parent in (folder.parent, *folder.parent.parents):
        if parent != Path("/") and parent != Path("/tmp"):
            parent.chmod(0o755)  # munge and the database run as users of their own
    with Cluster(folder) as cluster:
        yield cluster


@pytest.fixture
def cluster(running_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The cluster with an empty queue and all its nodes."""
    monkeypatch.setenv("SLURM_CONF", str(running_cluster.folder / "slurm.conf"))
    yield running_cluster
    running_cluster.settle()


@pytest.fixture(scope="session")
def prepared(fresh: Callable[[], Checkout]) -> SlurmCheckout:
    """A checkout with everything but the cells; copy it."""
    checkout = SlurmCheckout(fresh().folder)
    checkout.write_slow()
    checkout.write_definition("one", expected={"images": 60})  # else Slurm is asked for days
    checkout.locally("results/splits/one/printed/grouped/seed0.csv", "results/datasets/one/views/original.json")
    return checkout


@pytest.fixture(scope="session")
def undisturbed(prepared: SlurmCheckout, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Predictions of a run without faults and without Slurm."""
    checkout = copy_of(prepared, tmp_path_factory.mktemp("undisturbed") / "checkout")
    checkout.locally(*checkout.targets())
    return checkout.predictions()


@pytest.fixture
def checkout(prepared: SlurmCheckout, tmp_path: Path) -> SlurmCheckout:
    return copy_of(prepared, tmp_path / "checkout")


def copy_of(checkout: SlurmCheckout, folder: Path) -> SlurmCheckout:
    shutil.copytree(checkout.folder, folder, symlinks=True)
    return SlurmCheckout(folder)
