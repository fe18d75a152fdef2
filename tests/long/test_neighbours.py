"""The studies of the earlier study, of IDC's three networks and of PatchCamelyon at toy size: their
recipes, splits, views and figures."""

import json
from collections.abc import Callable
from dataclasses import asdict

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
                "views": ["forehead"],
                "recipes": ["earlier"],
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
    cells = {
        "one/printed/tenfold/forehead/lenet5/earlier/seed0": 32,
        "two/printed/grouped_balanced/original/alexnet/idc_augmented/seed0": 63,
        "two/printed/grouped/original/pcam_cnn/card/seed0": 96,
        "two/printed/grouped/original/timm:test_resnet/probe/seed0": 32,
    }
    neighbours.snakemake(
        *(f"results/cells/{cell}/cell.json" for cell in cells),
        "results/studies/pcam/two/figures/confusion.png",
    )
    results = neighbours.folder / "results"
    shape = json.loads((results / "datasets/one/views/forehead.json").read_text())["shape"]
    assert shape == [60, 29, 22, 3]
    for cell, size in cells.items():
        facts = json.loads((results / "cells" / cell / "cell.json").read_text())
        assert facts["input_size"] == size
        assert facts["energy_kwh"] is None or facts["energy_kwh"] >= 0
    assert (results / "studies/pcam/two/figures/confusion.png").is_file()
