"""The demo's answers are right: the planted cue is found in a corner, its absence is not."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from .conftest import Checkout


@pytest.fixture(scope="module")
def study(fresh: Callable[[], Checkout]) -> Path:
    """LeNet-5 on one corner and the original of each phantom, as the demo trains it."""
    checkout = fresh()
    text = (checkout.folder / "config/demo.yaml").read_text()
    narrowed = text.replace("    seeds: [0, 1]\n", "    seeds: [0]\n    views: [original, upper_left]\n")
    assert narrowed != text
    (checkout.folder / "toy.yaml").write_text(narrowed)
    shutil.rmtree(checkout.folder / "definitions")
    checkout.snakemake("results/studies/demo/figures/verdicts.png", "results/studies/demo/metrics.csv")
    return checkout.folder / "results/studies/demo"


@pytest.fixture(scope="module")
def metrics(study: Path) -> pd.DataFrame:
    return pd.read_csv(study / "metrics.csv").set_index(["dataset", "view", "architecture"])


def test_verdicts_find_the_planted_cues_and_clear_the_clean_phantom(study: Path) -> None:
    verdicts = pd.read_csv(study / "verdicts.csv").set_index("dataset")
    assert verdicts.loc["phantom_clean", "evidence"] == "undecided"
    assert verdicts.loc[["phantom_session", "phantom_jpeg"], "evidence"].str.startswith("readable").all()
    assert verdicts["group_aware"].all()
    # Two networks and the three baselines that see pixels.
    assert (verdicts["readers"] == 5).all()
    assert (verdicts["cells"] == 5).all()


@pytest.mark.parametrize("architecture", ["lenet5", "shufflenet_v2"])
@pytest.mark.parametrize("dataset", ["phantom_session", "phantom_jpeg"])
def test_a_planted_cue_is_found_in_the_corner(metrics: pd.DataFrame, dataset: str, architecture: str) -> None:
    cell = metrics.loc[dataset, "upper_left", architecture]
    assert cell["auroc"] > 0.8
    # With four sessions an interval over the ten test patients is wide unless a network parts them wholly.
    if (dataset, architecture) != ("phantom_session", "shufflenet_v2"):
        assert cell["auroc_low"] > 0.5
        assert cell["p_auroc"] < 0.01


@pytest.mark.parametrize("architecture", ["lenet5", "shufflenet_v2"])
def test_without_a_cue_the_corner_is_cleared(metrics: pd.DataFrame, architecture: str) -> None:
    cell = metrics.loc["phantom_clean", "upper_left", architecture]
    assert cell["p_no_information"] > 0.05
    assert cell["p_auroc"] > 0.05


def test_the_constant_answer_is_shown_for_what_it_is(metrics: pd.DataFrame) -> None:
    cell = metrics.loc["phantom_clean", "upper_left", "lenet5"]
    assert cell["constant"]
    assert cell["accuracy"] == cell["no_information_rate"]


@pytest.mark.parametrize("dataset", ["phantom_clean", "phantom_session", "phantom_jpeg"])
def test_the_lesion_is_found_in_the_original(metrics: pd.DataFrame, dataset: str) -> None:
    assert metrics.loc[dataset, "original", "lenet5"]["auroc_low"] > 0.7
