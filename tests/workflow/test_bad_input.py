"""Mistakes in a config or a target end in one line a user understands, before anything runs."""

import os
import sys
from collections.abc import Callable

import pytest

from .conftest import TOY_STUDY, Checkout

Break = Callable[[Checkout], object]

MISTAKES: dict[str, tuple[Break, str]] = {
    "unknown config key": (lambda c: c.write_config(devise="cpu"), "toy.yaml: unknown key 'devise'"),
    "unknown dataset": (
        lambda c: c.write_study(datasets=["oen"]),
        "unknown dataset 'oen', did you mean 'one'?",
    ),
    "unknown view": (lambda c: c.write_study(views=["uper_left"]), "studies.toy.views.0"),
    "unknown recipe": (lambda c: c.write_study(recipes=["papre"]), "did you mean 'paper'?"),
    "no group key": (
        lambda c: c.write_definition("one", group=None),
        "dataset 'one' has no group key, so it cannot be split by group",
    ),
    "weights that do not exist": (
        lambda c: c.write_study(recipes=["paper"]),
        "there are no ImageNet weights for lenet5",
    ),
    "input too small for the network": (
        lambda c: c.write_config(
            recipes={"toy": {"weights": "random", "input_size": 64}},
            studies={"toy": {**TOY_STUDY, "architectures": ["inception_v3"]}},
        ),
        "inception_v3 needs at least 299 pixels a side",
    ),
    "config without studies": (
        lambda c: (c.folder / "toy.yaml").write_text("device: cpu"),
        "studies: name at least one",
    ),
    "definition with an unknown key": (
        lambda c: c.write_definition("one", classs=["a"]),
        "definitions/one.yaml: unknown key 'classs'",
    ),
    "definition that is not YAML": (
        lambda c: (c.folder / "definitions/one.yaml").write_text("title: [one"),
        "definitions/one.yaml is not valid YAML",
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


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "results/cells/one/printed/grouped/uper_left/lenet5/toy/seed0/cell.json",
            "unknown view 'uper_left', did you mean 'upper_left'?",
        ),
        ("results/studies/toy/on/figures/accuracy.pdf", "unknown dataset 'on'"),
        ("results/studies/toy/one/figures/acuracy.pdf", "did you mean 'accuracy.p"),
        ("results/studies/tyo/metrics.csv", "unknown study 'tyo', did you mean 'toy'?"),
    ],
)
def test_a_misspelt_target_is_named(fresh: Callable[[], Checkout], target: str, message: str) -> None:
    output = fresh().snakemake(target, fails=True)
    assert message in output
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
