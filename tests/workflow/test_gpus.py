"""How many networks train at once where GPUs are counted."""

import re
from collections.abc import Callable

from .conftest import Checkout


def test_no_more_networks_train_at_once_than_there_are_gpus(fresh: Callable[[], Checkout]) -> None:
    """Both cells are ready at the same time, and cores are left for both."""
    checkout = fresh()
    checkout.write_config(device="auto")
    cells = [
        f"results/cells/one/printed/grouped/{view}/lenet5/toy/seed0/cell.json"
        for view in ("original", "upper_left")
    ]
    output = checkout.snakemake(*cells, "--resources", "gpu=1")
    at_once, most, trained = set(), 0, 0
    for started, finished in re.findall(r"^Job (\d+): training|^Finished jobid: (\d+)", output, re.MULTILINE):
        if started:
            at_once.add(started)
            trained += 1
        at_once.discard(finished)
        most = max(most, len(at_once))
    assert (trained, most) == (2, 1)
    assert all((checkout.folder / cell).is_file() for cell in cells)
