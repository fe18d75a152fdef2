"""One Slurm for all tests of this folder, and checkouts whose jobs it runs."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from nullcrop.basics.files import read_json
from nullcrop.training.heartbeat import HEARTBEAT
from tests.workflow.conftest import TOY_CONFIG, TOY_STUDY, Checkout, fresh

from .cluster import PACKAGES, Cluster, wait_until

__all__ = ["fresh"]

SLOW = 600
"""Epochs that keep a toy cell busy for some seconds: long enough to be caught in the middle."""

# Checks of the tests alone: a real site is asked less often, and its steps wait longer for files.
IMPATIENT = ("--latency-wait", "10", "--seconds-between-status-checks", "2")
IMPATIENT_PLUGIN = ("--slurm-init-seconds-before-status-checks", "2")

CELLS = ["original", "upper_left"]
TRAINING = ["train_cell", "train_batch"]


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
        """Wait for its end and return what it printed."""
        self.process.wait(timeout=600)
        text = self.output.read_text()
        assert (self.process.returncode != 0) == fails, text
        return text


@dataclass
class SlurmCheckout(Checkout):
    """A checkout whose jobs go to Slurm, by the command that users type."""

    runs: list[Run] = field(default_factory=list)
    configfiles: list[str] = field(default_factory=lambda: ["toy.yaml"])

    def command(self, *arguments: str) -> list[str]:
        return [
            *(
                sys.executable,
                "-m",
                "snakemake",
                "--profile",
                "slurm",
                *arguments,
                *IMPATIENT,
                *IMPATIENT_PLUGIN,
            ),
            *("--set-threads", "train_cell=1", "train_batch=1", "list_samples=1", "crop_views=1"),
            *("--configfile", *self.configfiles),
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
        self.runs.append(Run(process, output))
        return self.runs[-1]

    def end(self) -> None:
        """End what a failed test has left running."""
        for run in self.runs:
            if run.process.poll() is None:
                run.kill()

    def cell(self, view: str) -> Path:
        return Path("results/cells/one/printed/grouped") / view / "lenet5/toy/seed0"

    def target(self, view: str) -> str:
        return str(self.cell(view) / "cell.json")

    def checkpoint(self, view: str) -> Path:
        return self.folder / "results/.work" / self.cell(view).relative_to("results") / "checkpoint.pt"

    def log(self, view: str) -> str:
        path = self.folder / "results/logs/train_cell" / self.cell(view).relative_to("results/cells")
        return path.with_suffix(".log").read_text()

    def hold(self, *views: str) -> list[int]:
        """Stop each cell's process in the middle of its training, so that no machine is too fast for a
        fault."""
        held: dict[str, int] = {}

        def hold_those_that_train() -> bool:
            for view in set(views) - set(held):
                if (process := self.process(view)) is not None:
                    os.kill(process, signal.SIGSTOP)
                    held[view] = process
            return len(held) == len(views)

        wait_until(hold_those_that_train, 300, f"the cells {views} were trained")
        return [held[view] for view in views]

    def process(self, view: str) -> int | None:
        """The process that trains a cell and has written a checkpoint."""
        if not self.checkpoint(view).is_file():
            return None
        process: int = read_json(self.checkpoint(view).with_name(HEARTBEAT))["process"]
        return process

    def histories(self) -> dict[Path, bytes]:
        """What tells that a finished cell was not trained again: its epochs' durations."""
        return {path: path.read_bytes() for path in (self.folder / "results/cells").rglob("history.csv")}

    def write_slow(self, **changes: Any) -> None:
        """The toy study of dataset one with cells that take a while, on CPUs: a GPU of this cluster is
        none."""
        recipe = {**TOY_CONFIG["recipes"]["toy"], "epochs": SLOW}  # type: ignore[index]
        study = {**TOY_STUDY, "datasets": ["one"]}
        self.write_config(
            **{"recipes": {"toy": recipe}, "studies": {"toy": study}, "device": "cpu", **changes}
        )

    def edit_profile(self, change: Callable[[dict[str, Any]], None]) -> None:
        path = self.folder / "profiles/slurm/config.yaml"
        profile = yaml.safe_load(path.read_text())
        change(profile)
        path.write_text(yaml.safe_dump(profile))


@pytest.fixture(scope="session")
def running_cluster() -> Iterator[Cluster]:
    if os.getuid() != 0:
        pytest.skip("starting a Slurm needs root")
    if shutil.which("slurmctld") is None:
        pytest.skip(f"Slurm is not installed; `make test-slurm` installs {' '.join(PACKAGES)}")
    # Munge and the database run as users of their own. Not in pytest's folder for temporary files: each
    # pytest that starts beside this one takes the rights of others from it again.
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        Path(folder).chmod(0o755)
        with Cluster(Path(folder) / "cluster") as cluster:
            yield cluster


@pytest.fixture
def cluster(running_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with an empty queue and all its nodes."""
    yield running_cluster
    running_cluster.settle()


@pytest.fixture(scope="session")
def prepared(fresh: Callable[[], Checkout]) -> SlurmCheckout:
    """A checkout with everything but the cells; copy it."""
    checkout = SlurmCheckout(fresh().folder)
    checkout.write_slow()
    # With `device: cpu` the rules ask for no GPU; jobs are granted one all the same.
    checkout.edit_profile(
        lambda profile: profile.update({"set-resources": {rule: {"gpu": 1} for rule in TRAINING}})
    )
    checkout.write_definition("one", expected={"images": 60})  # else Slurm is asked for days
    checkout.locally(
        "results/splits/one/printed/grouped/seed0.csv", "results/datasets/one/views/original.json"
    )
    return checkout


@pytest.fixture(scope="session")
def undisturbed(prepared: SlurmCheckout, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Predictions of a run without faults and without Slurm."""
    checkout = copy_of(prepared, tmp_path_factory.mktemp("undisturbed") / "checkout")
    checkout.locally(*map(checkout.target, CELLS))
    return checkout.predictions()


@pytest.fixture
def checkout(cluster: Cluster, prepared: SlurmCheckout, tmp_path: Path) -> Iterator[SlurmCheckout]:
    copy = copy_of(prepared, tmp_path / "checkout")
    yield copy
    copy.end()


def copy_of(checkout: SlurmCheckout, folder: Path) -> SlurmCheckout:
    shutil.copytree(checkout.folder, folder, symlinks=True)
    return SlurmCheckout(folder)
