"""How many networks train at once where GPUs are counted, and what becomes of a GPU that is counted and is
none."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from .conftest import Checkout

CELLS = [
    f"results/cells/one/printed/grouped/{view}/lenet5/toy/seed0/cell.json"
    for view in ("original", "upper_left")
]


def test_no_more_networks_train_at_once_than_there_are_gpus(fresh: Callable[[], Checkout]) -> None:
    """Both cells are ready at the same time, and cores are left for both; with `device: cpu` they need no
    GPU."""
    checkout = fresh()
    output = checkout.snakemake(*CELLS, "--resources", "gpu=1", "--set-resources", "train_cell:gpu=1")
    at_once, most, trained = set(), 0, 0
    for started, finished in re.findall(r"^Job (\d+): training|^Finished jobid: (\d+)", output, re.MULTILINE):
        if started:
            at_once.add(started)
            trained += 1
        at_once.discard(finished)
        most = max(most, len(at_once))
    assert (trained, most) == (2, 1)
    assert all((checkout.folder / cell).is_file() for cell in CELLS)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.parametrize("cells_per_job", [1, 6])
def test_a_counted_gpu_that_is_none_fails_in_words_and_one_that_nobody_counts_is_done_without(
    fresh: Callable[[], Checkout], cells_per_job: int
) -> None:
    """What is trained once stays, with and without the count."""
    checkout = fresh()
    checkout.write_config(device="auto", cells_per_job=cells_per_job)
    counted = (CELLS[0], "--resources", "gpu=1")
    output = checkout.snakemake(*counted, fails=True)
    assert "Snakemake counts 1 GPU(s) for this job on " in output
    assert "Traceback" not in output
    assert not list(Path(checkout.folder, "results/.work").rglob("batch*.json"))
    assert "Snakemake counts 1 GPU(s)" in checkout.nullcrop("status", "--configfile", "toy.yaml")
    checkout.snakemake(CELLS[0])
    assert checkout.plan(*counted) == {}
