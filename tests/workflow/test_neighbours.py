"""The studies of the earlier study, of IDC's three networks and of PatchCamelyon at toy size: their recipes, splits, views and figures."""

import json
from collections.abc import Callable
from dataclasses import asdict

import pandas as pd
import pytest

from nullcrop.config.models import read_project

from .conftest import REPOSITORY, TOY_STUDY, Checkout


def toy_recipe(config: str, name: str, **changes: object) -> dict[str, object]:
    """A recipe of a config in ``config/``, for two epochs."""
    recipe = read_project(REPOSITORY / f"config/{config}.yaml").config.all_recipes[name]
    return {**asdict(recipe), "weights": "random", "epochs": 2, **changes}


@pytest.fixture
def neighbours(fresh: Callable[[], Checkout], monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """A checkout with one toy study of each kind."""
    monkeypatch.chdir(REPOSITORY)
    checkout = fresh()
    checkout.write_definition("one", crop={"width": 22, "height": 29})
    two = {"datasets": ["two"], "views": ["original"]}
    checkout.write_config(
        recipes={
            "earlier": toy_recipe("earlier", "earlier"),
            "idc_augmented": toy_recipe("idc_three", "idc_augmented", input_size=63, batch_size=16),
            "card": toy_recipe("pcam", "card_procedure"),
            "probe": {"weights": "random", "train": "head", "epochs": 1, "input_size": 32},
        },
        studies={
            "earlier": {
                **TOY_STUDY,
                "datasets": ["one"],
                "splits": ["tenfold"],
                "seeds": [0, 1],
                "views": ["original", "forehead", "otsu_background"],
                "recipes": ["earlier"],
                "figures": ["accuracy", "confusion"],
            },
            "idc_three": {
                **{**TOY_STUDY, **two},
                "splits": ["grouped_balanced"],
                "architectures": ["alexnet"],
                "recipes": ["idc_augmented"],
                "figures": ["confusion"],
            },
            "pcam": {
                **{**TOY_STUDY, **two},
                "architectures": ["pcam_cnn"],
                "recipes": ["card"],
                "figures": ["confusion"],
            },
            "probe": {
                **{**TOY_STUDY, **two},
                "architectures": ["timm:test_resnet"],
                "recipes": ["probe"],
                "figures": ["accuracy"],
            },
        },
    )
    return checkout


def test_the_neighbours_studies_run_at_toy_size(neighbours: Checkout) -> None:
    studies = {"earlier": "one", "idc_three": "two", "pcam": "two", "probe": "two"}
    neighbours.snakemake(
        *(f"results/studies/{study}/metrics.csv" for study in studies),
        "results/studies/earlier/one/figures/accuracy.png",
        *(f"results/studies/{study}/{studies[study]}/figures/confusion.png" for study in list(studies)[:3]),
    )
    results = neighbours.folder / "results"
    shape = json.loads((results / "datasets/one/views/forehead.json").read_text())["shape"]
    assert shape == [60, 29, 22, 3]
    metrics = pd.read_csv(results / "studies/earlier/metrics.csv")
    assert len(metrics) == 6
    assert set(metrics["n"]) == {6}  # a tenth of 60
    for study, parameters in (("pcam", 96), ("idc_three", 63), ("probe", 32)):
        (facts,) = [
            json.loads(path.read_text())
            for path in (results / "cells/two").rglob("cell.json")
            if json.loads(path.read_text())["input_size"] == parameters
        ]
        assert "energy_kwh" in facts, study
    assert neighbours.plan("results/studies/probe/metrics.csv") == {}
