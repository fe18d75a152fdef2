"""Every fault ends the same way: a run completes, what was done is not done again, and the bits are right."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .cluster import Cluster, run, wait_until
from .conftest import CELLS, SlurmCheckout

Bits = dict[str, bytes]
ONE = CELLS[1]


def complete(checkout: SlurmCheckout, undisturbed: Bits, *views: str) -> None:
    """The cells are those of a run without faults, nothing is left to do, and no checkpoint is left."""
    wanted = {f"{checkout.cell(view)}/predictions.csv" for view in views}
    assert checkout.predictions() == {path: bits for path, bits in undisturbed.items() if path in wanted}
    assert "Nothing to be done" in checkout.locally("--dry-run", *map(checkout.target, views))
    assert not list((checkout.folder / "results/.work").rglob("checkpoint.pt"))


def test_a_cancelled_job_is_tried_again_and_resumes(
    cluster: Cluster, checkout: SlurmCheckout, undisturbed: Bits
) -> None:
    started = checkout.start(*map(checkout.target, CELLS))
    held = checkout.hold(*CELLS)
    cluster.cancel(sorted(cluster.jobs())[0])
    for process in held:
        send(process, signal.SIGCONT)
    started.finish()
    complete(checkout, undisturbed, *CELLS)
    # The other job was not disturbed.
    assert sum("resumed after epoch" in checkout.log(view) for view in CELLS) == 1


def test_the_job_of_a_node_that_goes_down_runs_again_on_another(
    cluster: Cluster, checkout: SlurmCheckout, undisturbed: Bits
) -> None:
    started = checkout.start(checkout.target(ONE))
    [held] = checkout.hold(ONE)
    [job] = cluster.jobs()
    node = cluster.node_of(job)
    cluster.set_node(node, "down")
    send(held, signal.SIGKILL)  # a real node takes its processes with it
    wait_until(lambda: cluster.jobs().get(job) == "PENDING", 60, "the job was queued again")
    cluster.wait_until_run_again(job)
    assert cluster.node_of(job) != node
    started.finish()
    complete(checkout, undisturbed, ONE)
    assert "resumed after epoch" in checkout.log(ONE)


def test_a_preempted_job_resumes(cluster: Cluster, checkout: SlurmCheckout, undisturbed: Bits) -> None:
    started = checkout.start(checkout.target(ONE))
    checkout.hold(ONE)
    [job] = cluster.jobs()
    urgent = ("--partition=urgent", f"--nodelist={cluster.node_of(job)}", "--exclusive", "--output=/dev/null")
    run("sbatch", "--account=lab", *urgent, "--wrap=true")
    wait_until(lambda: cluster.jobs().get(job) == "PENDING", 60, "the job was preempted")
    cluster.wait_until_run_again(job)
    started.finish()
    complete(checkout, undisturbed, ONE)
    assert "resumed after epoch" in checkout.log(ONE)


def test_a_job_over_its_time_limit_is_tried_again_and_resumes(
    cluster: Cluster, checkout: SlurmCheckout, undisturbed: Bits
) -> None:
    started = checkout.start(checkout.target(ONE))
    checkout.hold(ONE)
    [job] = cluster.jobs()
    run("scontrol", "update", f"jobid={job}", "timelimit=1")
    started.finish()
    assert ("TIMEOUT", job) in [(state, number) for number, state in cluster.ended().items()]
    complete(checkout, undisturbed, ONE)
    assert "resumed after epoch" in checkout.log(ONE)


def test_snakemake_killed_and_started_again_after_its_jobs_have_ended(
    cluster: Cluster, checkout: SlurmCheckout, undisturbed: Bits
) -> None:
    started = checkout.start(checkout.target(ONE))
    [held] = checkout.hold(ONE)
    started.kill()
    send(held, signal.SIGCONT)
    wait_until(lambda: not cluster.jobs(), 120, "the job ended")
    trained = checkout.histories()
    checkout.locally("--unlock")
    assert "Nothing to be done" in checkout.snakemake(checkout.target(ONE))
    complete(checkout, undisturbed, ONE)
    assert checkout.histories() == trained
    assert len(trained) == 1


def test_snakemake_killed_and_started_again_while_its_job_runs_on(
    cluster: Cluster, checkout: SlurmCheckout, undisturbed: Bits
) -> None:
    """Two jobs train the same cell at the same time; whichever ends first, the bits are the same."""
    started = checkout.start(checkout.target(ONE))
    [first] = checkout.hold(ONE)
    started.kill()
    checkout.locally("--unlock")
    again = checkout.start(checkout.target(ONE))
    wait_until(lambda: checkout.process(ONE) not in (None, first), 300, "a second job trained the cell")
    [second] = checkout.hold(ONE)
    assert len(cluster.jobs()) == 2
    for process in (first, second):
        send(process, signal.SIGCONT)
    again.finish()
    wait_until(lambda: not cluster.jobs(), 120, "the first job ended")
    complete(checkout, undisturbed, ONE)


def test_the_controller_restarted(cluster: Cluster, checkout: SlurmCheckout, undisturbed: Bits) -> None:
    started = checkout.start(checkout.target(ONE))
    [held] = checkout.hold(ONE)
    cluster.restart_controller()
    send(held, signal.SIGCONT)
    started.finish()
    complete(checkout, undisturbed, ONE)
    assert "resumed" not in checkout.log(ONE)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 64 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_is_named_and_nothing_is_lost(
    cluster: Cluster, checkout: SlurmCheckout, undisturbed: Bits, small_disk: Path
) -> None:
    checkout.write_slow(paths={"work": str(small_disk)})
    output = checkout.start(checkout.target(ONE), "--retries", "0").finish(fails=True)
    assert f"error: No space left on device: {small_disk}" in output
    assert not checkout.predictions()
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    checkout.start(checkout.target(ONE)).finish()
    complete(checkout, undisturbed, ONE)


def test_an_unreadable_store_fails_its_cells_alone(
    cluster: Cluster, checkout: SlurmCheckout, undisturbed: Bits
) -> None:
    """Two cells in one job; after the repair only the one that failed is trained."""
    checkout.write_slow(cells_per_job=6)
    pixels = checkout.folder / "results/datasets/one/views/original.npy"
    whole = pixels.read_bytes()
    pixels.write_bytes(whole[: len(whole) // 2])
    output = checkout.start(*map(checkout.target, CELLS), "--retries", "0").finish(fails=True)
    assert "cannot read the store of results/datasets/one/views/original.npy" in output
    assert len(checkout.histories()) == 1
    trained = checkout.histories()
    pixels.write_bytes(whole)
    checkout.start(*map(checkout.target, CELLS)).finish()
    complete(checkout, undisturbed, *CELLS)
    assert trained.items() <= checkout.histories().items()


def send(process: int, number: signal.Signals) -> None:
    """A signal to a process that may have ended in the meantime."""
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return
