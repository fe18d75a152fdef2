"""A plan as large as a cluster's study."""

from collections.abc import Callable

import yaml

from tests.workflow.conftest import Checkout


def test_five_seeds_and_two_splits_of_the_study_are_planned(fresh: Callable[[], Checkout]) -> None:
    """How long that takes and how much memory: benchmarks/plan.py."""
    checkout = fresh()
    config = yaml.safe_load((checkout.folder / "config/config.yaml").read_text())
    config["studies"]["main"]["seeds"] = [0, 1, 2, 3, 4]
    for part in config["studies"]["main"]["parts"]:
        part["splits"] = ["random", "random_balanced"]
    (checkout.folder / "toy.yaml").write_text(yaml.safe_dump(config))
    plan = checkout.plan()
    assert plan["train_cell"] == 13 * 4 * 6 * 5 * 2
    assert plan["split_samples"] == 13 * 5 * 2
    assert plan["fetch_weights"] == 4
    assert plan["list_samples"] == plan["crop_views"] == plan["fetch_archive"] == 13
    assert plan["compute_metrics"] == 13
