"""Results that the first build finished are kept by the workflow of today (tests/data/first_build)."""

import base64
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Checkout

FIRST_BUILD = Path(__file__).parents[1] / "data/first_build"
DEAR = {
    *("generate_images", "list_samples", "crop_views", "split_samples"),
    *("train_cell", "train_batch", "collect_cell", "fit_baselines"),
}


def restore(checkout: Checkout, part: str) -> None:
    """Lay a part of the results and Snakemake's records of it into a checkout, each file with its time."""
    records: list[dict[str, Any]] = json.loads((FIRST_BUILD / part / "snakemake.json").read_text("utf-8"))
    for folder in ("results", "resources"):
        if (FIRST_BUILD / part / folder).is_dir():
            shutil.copytree(FIRST_BUILD / part / folder, checkout.folder / folder, dirs_exist_ok=True)
    metadata = checkout.folder / ".snakemake/metadata"
    metadata.mkdir(parents=True, exist_ok=True)
    for record in records:
        for output in record.pop("outputs"):
            path = checkout.folder / output
            if path.suffix == ".npy":
                path.touch()  # Snakemake asks of pixels only whether they are there.
            os.utime(path, (record["endtime"], record["endtime"]))
            name = base64.urlsafe_b64encode(output.encode()).decode()
            (metadata / name).write_text(json.dumps(record), encoding="utf-8")


@pytest.fixture(params=["cell_by_cell", "in_batches"])
def old(fresh: Callable[[], Checkout], request: pytest.FixtureRequest) -> Checkout:
    """A checkout of today's code with the first build's results, its cells trained one by one or in a
    batch."""
    checkout = fresh()
    shutil.copytree(FIRST_BUILD / "definitions", checkout.folder / "definitions", dirs_exist_ok=True)
    config = (FIRST_BUILD / "toy.yaml").read_text(encoding="utf-8")
    restore(checkout, "cell_by_cell")
    # Snakemake had noted there what each cell took, which tells that results were begun cell by cell.
    (checkout.folder / "results/benchmarks/train_cell").mkdir(parents=True)
    if request.param == "in_batches":
        config += "cells_per_job: 2\n"
        restore(checkout, "in_batches")
    (checkout.folder / "toy.yaml").write_text(config, encoding="utf-8")
    return checkout


def test_results_of_the_first_build_stay_and_count(old: Checkout) -> None:
    planned = old.plan()
    assert planned["compute_metrics"] == 1
    assert not DEAR & set(planned)
    said = old.nullcrop("status", "--configfile", "toy.yaml")
    assert "4 of 4" in said, said
    assert "stale" not in said


def test_other_parameters_and_other_pixels_are_noticed(old: Checkout) -> None:
    config = old.folder / "toy.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("epochs: 2", "epochs: 3"), encoding="utf-8")
    # No network is trained on this view.
    checksum = old.folder / "results/datasets/toy/views/bottom_left.json"
    checksum.write_text(checksum.read_text(encoding="utf-8") + " ", encoding="utf-8")
    trains = {"train_batch", "collect_cell"} if "cells_per_job" in text else {"train_cell"}
    planned = old.plan()
    assert DEAR & set(planned) == {*trains, "fit_baselines"}
    assert planned["compute_metrics"] == 1
