"""Snakemake killed in the middle of a cell, and started again."""

import os
import signal
import subprocess
import time
from collections.abc import Callable

from .conftest import TOY_CONFIG, Checkout


def test_a_killed_run_goes_on_and_ends_as_if_it_had_not_been_killed(
    fresh: Callable[[], Checkout], tmp_path_factory: object
) -> None:
    recipe = {**TOY_CONFIG["recipes"]["toy"], "epochs": 400}  # type: ignore[index]
    target = "results/studies/toy/one/metrics.csv"
    checkouts = fresh(), fresh()
    for checkout in checkouts:
        checkout.write_config(recipes={"toy": recipe})
    undisturbed, disturbed = checkouts
    undisturbed.snakemake(target)

    run = subprocess.Popen(
        disturbed.command(target),
        cwd=disturbed.folder,
        env=disturbed.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    work = disturbed.folder / "results/.work"
    deadline = time.monotonic() + 120
    while not list(work.rglob("checkpoint.pt")):
        assert run.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert not list((disturbed.folder / "results/cells").rglob("cell.json"))

    disturbed.snakemake("--unlock")
    disturbed.snakemake(target)
    logs = [path.read_text() for path in (disturbed.folder / "results/logs/train_cell").rglob("*.log")]
    assert any("resumed after epoch" in log for log in logs)
    assert disturbed.predictions() == undisturbed.predictions()
    assert not list(work.rglob("checkpoint.pt"))
