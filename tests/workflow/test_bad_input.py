"""Mistakes in a config or a target end in one line a user understands, before anything runs."""

import os
import sys
from collections.abc import Callable

import pytest

from .conftest import Checkout

Break = Callable[[Checkout], object]

# One of each that finds any; tests/unit/test_config.py and test_grid.py have the others.
MISTAKES: dict[str, tuple[Break, str]] = {
    "config": (lambda c: c.write_config(devise="cpu"), "toy.yaml: unknown key 'devise'"),
    "definition": (
        lambda c: (c.folder / "definitions/one.yaml").write_text("title: [one"),
        "definitions/one.yaml is not valid YAML",
    ),
    "grid": (
        lambda c: c.write_definition("one", group=None),
        "dataset 'one' has no group key, so it cannot be split by group",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_before_anything_runs(fresh: Callable[[], Checkout], name: str) -> None:
    mistake, message = MISTAKES[name]
    checkout = fresh()
    mistake(checkout)
    output = checkout.snakemake(fails=True)
    assert message in output
    assert "Traceback" not in output
    assert not (checkout.folder / "results").exists()


def test_a_misspelt_target_is_named(fresh: Callable[[], Checkout]) -> None:
    output = fresh().snakemake("results/studies/toy/one/figures/acuracy.pdf", fails=True)
    assert "did you mean 'accuracy.p" in output
    assert "Traceback" not in output


def test_what_is_offered_in_place_of_a_setting_is_one(fresh: Callable[[], Checkout]) -> None:
    """A setting of the second level joins what the config has there."""
    checkout = fresh()
    refused = checkout.snakemake("--dry-run", "--config", "recipes.toy.epochs=many", fails=True)
    assert "Traceback" not in refused
    offered = refused.rpartition("write '")[2].partition("'")[0]
    assert "recipes.toy.epochs: " in checkout.snakemake("--dry-run", "--config", offered, fails=True)


@pytest.mark.long
def test_a_download_that_lacks_credentials_is_named_before_any_job_starts(
    fresh: Callable[[], Checkout], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a run that would download is stopped: no dry run, and no run of other datasets."""
    for name in [name for name in os.environ if name.startswith(("KAGGLE_", "XDG_CONFIG_HOME"))]:
        monkeypatch.delenv(name)
    checkout = fresh()
    source = {"kind": "kaggle", "handle": "ambarish/breakhis", "layout": "breakhis", "magnification": 40}
    checkout.write_definition("one", source=source)
    assert checkout.plan()["fetch_archive"] == 1
    output = checkout.snakemake(fails=True)
    assert "nullcrop: error: downloading ambarish/breakhis needs a Kaggle account" in output
    assert "Traceback" not in output
    assert not (checkout.folder / "results").exists()
    assert not (checkout.folder / "resources/archives").exists()
    checkout.snakemake("results/datasets/two/samples.csv")
    # With a folder in place of the download none are asked for; that it is missing is the step's to say.
    checkout.write_definition("one", source={**source, "data_dir": "nowhere"})
    output = checkout.snakemake("results/datasets/one/samples.csv", fails=True)
    assert "source.data_dir: there is no folder nowhere" in output


def test_a_snakemake_that_lacks_a_package_is_told_in_one_line_what_to_run(
    fresh: Callable[[], Checkout],
) -> None:
    checkout = fresh()
    needed = '[project]\nrequires-python = ">=3.11"\ndependencies = ["nowhere-installed", "numpy"]\n'
    (checkout.folder / "pyproject.toml").write_text(needed)
    own = checkout.folder / ".venv" / "bin" / "snakemake"
    lines = checkout.snakemake("--dry-run", fails=True).splitlines()
    (told,) = [line for line in lines if "profile" not in line]
    assert told == (
        f"nullcrop: error: {sys.executable} lacks nowhere-installed; run {own} in its place, "
        f"after `make env` in {checkout.folder}"
    )
