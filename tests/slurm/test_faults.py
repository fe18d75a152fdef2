"""Every fault of a cluster ends the same way: started again, a run completes, and its bits are those of one without faults."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from .cluster import Cluster, run, wait_until
from .conftest import CELLS, SlurmCheckout


def finished_like(checkout: SlurmCheckout, undisturbed: dict[str, bytes]) -> None:
    """Everything is there with the right bits, nothing is left to do and nothing is left behind."""
    assert checkout.predictions() == undisturbed
    assert "Nothing to be done" in checkout.locally("--dry-run", *checkout.targets())
    assert not list((checkout.folder / "results/.work").rglob("checkpoint.pt"))


def test_a_cancelled_job_is_tried_again_and_resumes(
    cluster: Cluster, checkout: SlurmCheckout, undisturbed: dict[str, bytes]
) -> None:
    run = checkout.start(*checkout.targets())
    checkout.wait_for_checkpoints()
    first = sorted(cluster.jobs())[0]
    cluster.cancel(first)
    run.finish()
    finished_like(checkout, undisturbed)
    assert sum("resumed after epoch" in checkout.log(view) for view in CELLS) == 1
