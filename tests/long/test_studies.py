"""The study's own experiments at toy size: other label rules, balanced training, two recipes, more seeds."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from .conftest import TOY_CONFIG, TOY_STUDY, Checkout

LABELS = {"printed": {"positive": ["malignant"]}, "reconstructed": {"positive": ["benign"]}}


@pytest.fixture(scope="module")
def studies(fresh: Callable[[], Checkout]) -> Path:
    """Results of the toy studies, with the key of `config/repeats.yaml` in place of their own seeds."""
    checkout = fresh()
    checkout.write_definition("one", labels=LABELS)
    one = {**TOY_STUDY, "datasets": ["one"], "views": ["upper_left"]}
    recipes: dict[str, dict[str, object]] = TOY_CONFIG["recipes"]  # type: ignore[assignment]
    checkout.write_config(
        seeds=[0, 1],
        recipes={**recipes, "slow": {**recipes["toy"], "learning_rate": 1e-5}},
        studies={
            "reconstruction": {**one, "labels": ["reconstructed"]},
            "balanced": {**one, "splits": ["grouped", "grouped_balanced"], "figures": ["scores"]},
            "transfer": {**one, "recipes": ["toy", "slow"], "figures": ["curves"]},
        },
    )
    folder = "results/studies"
    checkout.snakemake(
        *(f"{folder}/{study}/one/metrics.csv" for study in ("reconstruction", "balanced", "transfer")),
        f"{folder}/balanced/one/figures/scores.png",
        f"{folder}/transfer/one/figures/curves.png",
    )
    return checkout.folder / "results"


def metrics_of(studies: Path, study: str) -> pd.DataFrame:
    metrics = pd.read_csv(studies / "studies" / study / "one" / "metrics.csv")
    assert sorted(metrics["seed"].unique()) == [0, 1]
    return metrics


def test_another_label_rule_exchanges_the_targets(studies: Path) -> None:
    folder = studies / "splits" / "one"
    printed, reconstructed = (
        pd.read_csv(folder / rule / "grouped" / "seed0.csv").set_index("id")["target"] for rule in LABELS
    )
    assert (printed + reconstructed[printed.index] == 1).all()
    assert set(metrics_of(studies, "reconstruction")["labels"]) == {"reconstructed"}


def test_balanced_training_leaves_the_test_images_alone(studies: Path) -> None:
    whole, balanced = (
        pd.read_csv(studies / "splits/one/printed" / split / "seed0.csv").groupby("part")
        for split in ("grouped", "grouped_balanced")
    )
    assert balanced.get_group("train")["target"].value_counts().nunique() == 1
    assert len(balanced.get_group("train")) < len(whole.get_group("train"))
    assert set(balanced.get_group("test")["id"]) == set(whole.get_group("test")["id"])
    assert set(metrics_of(studies, "balanced")["split"]) == {"grouped", "grouped_balanced"}
    assert (studies / "studies/balanced/one/figures/scores.png").stat().st_size


def test_two_recipes_are_compared_on_the_same_images(studies: Path) -> None:
    assert set(metrics_of(studies, "transfer")["recipe"]) == {"toy", "slow"}
    tested = [
        pd.read_csv(
            studies / "cells/one/printed/grouped/upper_left/lenet5" / recipe / "seed1/predictions.csv"
        )
        for recipe in ("toy", "slow")
    ]
    assert tested[0]["id"].equals(tested[1]["id"])
    assert not tested[0]["logit_1"].equals(tested[1]["logit_1"])
    assert (studies / "studies/transfer/one/figures/curves.png").stat().st_size
