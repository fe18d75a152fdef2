"""The official BreastMNIST file, where it is at hand, from the npz to a figure."""

from collections.abc import Callable

import pandas as pd
import pytest
import yaml

from .conftest import REPOSITORY, Checkout

DATA = REPOSITORY.parent / "shared" / "data" / "medmnist"


@pytest.mark.skipif(not DATA.is_dir(), reason="no official files in ../shared/data beside the project")
def test_breastmnist_from_its_file_to_a_figure(fresh: Callable[[], Checkout]) -> None:
    checkout = fresh()
    definition = yaml.safe_load((REPOSITORY / "config/datasets/breastmnist.yaml").read_text())
    definition["source"] |= {"size": 28, "data_dir": str(DATA.resolve())}
    checkout.write_definition("breastmnist", **definition)
    checkout.write_study(datasets=["breastmnist"], splits=["official"])
    checkout.snakemake(
        "results/studies/toy/breastmnist/figures/samples.png",
        "results/splits/breastmnist/printed/official/seed0.csv",
    )
    split = pd.read_csv(checkout.folder / "results/splits/breastmnist/printed/official/seed0.csv")
    assert split["part"].value_counts().to_dict() == {"train": 546, "test": 156, "val": 78}
    assert split.loc[split["part"] == "test", "target"].sum() == 42
    assert (checkout.folder / "results/studies/toy/breastmnist/figures/samples.png").is_file()
    assert checkout.plan("results/studies/toy/breastmnist/figures/samples.png") == {}
