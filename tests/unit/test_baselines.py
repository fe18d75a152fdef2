"""Baselines: against plain scikit-learn on images read by Pillow, on phantoms whose truth is known."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nullcrop.basics.errors import NullcropError
from nullcrop.calibration.audits import load_phantom
from nullcrop.config.cell import CELL_FILES, Cell, baseline_cells
from nullcrop.config.definitions import Definition, PhantomSource
from nullcrop.config.readers import BASELINES, without_pixels
from nullcrop.config.recipe import BaselineRecipe
from nullcrop.config.views import views_made_always
from nullcrop.datasets.phantom import generate_phantom
from nullcrop.datasets.samples import list_samples, read_samples
from nullcrop.images.store import write_store
from nullcrop.splits import make_split, write_split
from nullcrop.statistics.tables import metrics_of_cells, read_cells
from nullcrop.training import baselines
from nullcrop.training.baselines import BaselinesJob, fit_baseline, fit_baselines, pixel_features
from nullcrop.training.file_facts import file_facts, header_facts
from tests.conftest import definition_content

VIEWS = tuple(views_made_always())
WITHOUT_PIXELS = without_pixels()
USUAL = [name for name, one in BASELINES.items() if one.always]

PACKAGE = Path(__file__).parents[2] / "workflow"


def prepare(folder: Path, definition: Definition, protocol: str = "random", **places: Path) -> BaselinesJob:
    """List, crop and split a dataset whose images lie in ``folder``; the job that fits its baselines."""
    samples = list_samples("toy", definition, folder, folder, threads=1)
    write_store(samples, folder / "views", list(VIEWS), 20, 20, threads=1)
    targets = samples["class"].map(definition.targets("printed"))
    write_split(samples, targets, protocol, 0, folder / "split.csv")
    return BaselinesJob(
        dataset="toy",
        labels="printed",
        protocol=protocol,
        seed=0,
        samples=folder / "samples.csv",
        split=folder / "split.csv",
        views=folder / "views",
        out=folder / "cells",
        work=folder / ".work",
    )


def predictions(job: BaselinesJob, baseline: str, view: str = "original") -> pd.DataFrame:
    cell = Cell("toy", "printed", job.protocol, view, baseline, "baseline", 0)
    return pd.read_csv(job.out / cell.path / "predictions.csv", dtype={"id": str})


def record(job: BaselinesJob, baseline: str, view: str = "original") -> dict[str, Any]:
    cell = Cell("toy", "printed", job.protocol, view, baseline, "baseline", 0)
    return dict(json.loads((job.out / cell.path / "cell.json").read_text()))


def write_images(folder: Path, classes: list[str], count: int = 66) -> Definition:
    """Images of a little more than crop size; their colour, level and JPEG quality differ by class."""
    rng = np.random.default_rng(0)
    for number in range(count):
        place = min(number % (len(classes) + 1), len(classes) - 1)  # the last class is twice as large
        level = 90 + 12 * place + np.array([0, 6, -6]) * place
        pixels = np.clip(rng.normal(level, 25, (24, 26, 3)), 0, 255).astype(np.uint8)
        path = folder / "images" / classes[place] / f"{number:02d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, quality=80 + int(rng.integers(0, 2)), subsampling=0)
    labels = {"printed": {"positive": [classes[1]]} if len(classes) == 2 else {}}
    source = {"kind": "folder", "path": str(folder / "images")}
    return Definition.model_validate(definition_content(classes=classes, labels=labels, source=source))


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> BaselinesJob:
    """A dataset of two classes whose baselines are fitted."""
    folder = tmp_path_factory.mktemp("toy")
    job = prepare(folder, write_images(folder, ["benign", "malignant"]))
    fit_baselines(job)
    return job


@pytest.fixture(scope="module")
def job_of_three(tmp_path_factory: pytest.TempPathFactory) -> BaselinesJob:
    folder = tmp_path_factory.mktemp("three")
    job = prepare(folder, write_images(folder, ["a", "b", "c"]))
    fit_baselines(job)
    return job


def test_a_baseline_copes_without_validation_images(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    job = prepare(tmp_path, write_images(tmp_path, ["a", "b", "c"]), "holdout20")
    fit_baselines(job)
    cell = job.out / Cell("toy", "printed", "holdout20", "original", "mean_rgb", "baseline", 0).path
    (epoch,) = pd.read_csv(cell / "history.csv").to_dict("records")
    assert np.isnan([epoch["val_loss"], epoch["val_accuracy"]]).all()
    assert 0 <= epoch["train_accuracy"] <= 1
    assert record(job, "mean_rgb")["images"] == {"train": 52, "val": 0, "test": 14}
    assert not [one for one in recwarn if "empty" in str(one.message)]


# Against independent implementations


def mean_rgb(image: Image.Image) -> NDArray[Any]:
    return np.asarray(image, float).mean(axis=(0, 1))


def color_histogram(image: Image.Image) -> NDArray[Any]:
    channels = np.moveaxis(np.asarray(image), 2, 0)
    counts = [np.histogram(channel, bins=np.arange(0, 257, 8))[0] for channel in channels]
    return np.concatenate(counts) / channels[0].size


def raw_pixels(image: Image.Image) -> NDArray[Any]:
    return np.asarray(image.resize((20, 20), Image.Resampling.BILINEAR), float).ravel()


@pytest.mark.parametrize("features", [mean_rgb, color_histogram, raw_pixels])
@pytest.mark.parametrize("view", ["original", "bottom_right"])
@pytest.mark.parametrize("dataset", ["job", "job_of_three"])
def test_predictions_are_those_of_a_plain_pipeline_on_images_read_by_pillow(
    features: Callable[[Image.Image], NDArray[Any]], view: str, dataset: str, request: pytest.FixtureRequest
) -> None:
    job: BaselinesJob = request.getfixturevalue(dataset)
    split = pd.read_csv(job.split, dtype={"id": str}).merge(
        pd.read_csv(job.samples, dtype={"id": str}), on="id"
    )
    images = [Image.open(path).convert("RGB") for path in split["path"]]
    if view == "bottom_right":
        images = [image.crop((6, 4, 26, 24)) for image in images]
    table = np.stack([features(image) for image in images])
    train, test = (split["part"] == part for part in ("train", "test"))
    varying = table[train].std(axis=0) > 0
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=1 / varying.sum(), max_iter=1000))
    pipeline.fit(table[train][:, varying], split.loc[train, "target_x"])
    expected = pipeline.decision_function(table[test][:, varying])

    found = predictions(job, features.__name__, view)
    assert list(found["id"]) == list(split.loc[test, "id"])
    assert list(found["predicted"]) == list(pipeline.predict(table[test][:, varying]))
    if dataset == "job":
        np.testing.assert_allclose(found["logit_1"] - found["logit_0"], expected, rtol=1e-4, atol=1e-5)
    else:
        np.testing.assert_allclose(found[["logit_0", "logit_1", "logit_2"]], expected, rtol=1e-4, atol=1e-5)
    assert record(job, features.__name__, view)["features"] == varying.sum()


def test_the_majority_is_the_no_information_rate(job: BaselinesJob, job_of_three: BaselinesJob) -> None:
    for one in (job, job_of_three):
        cell = Cell("toy", "printed", "random", "original", "majority", "baseline", 0)
        (row,) = metrics_of_cells(read_cells([one.out / cell.path]), "whole").to_dict("records")
        assert row["accuracy"] == row["no_information_rate"]
        assert row["constant"]
        assert row["auroc"] == 0.5


def test_the_majority_answers_with_the_shares_of_the_training_images(job: BaselinesJob) -> None:
    split = pd.read_csv(job.split)
    shares = split.loc[split["part"] == "train", "target"].value_counts(normalize=True).sort_index()
    found = predictions(job, "majority")[["logit_0", "logit_1"]]
    np.testing.assert_allclose(np.exp(found), np.tile(shares, (len(found), 1)), rtol=1e-6)


def test_the_history_holds_the_loss_and_accuracy_of_training_and_validation(job: BaselinesJob) -> None:
    cell = Cell("toy", "printed", "random", "original", "majority", "baseline", 0)
    history = pd.read_csv(job.out / cell.path / "history.csv")
    assert list(history) == ["epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "seconds"]
    split = pd.read_csv(job.split)
    share = split.loc[split["part"] == "train", "target"].mean()
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    assert history["train_loss"].item() == pytest.approx(entropy)
    assert history["train_accuracy"].item() == pytest.approx(max(share, 1 - share))


def test_quantisation_tables_are_pillows(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x010E] = "a description"
    Image.fromarray(pixels).save(tmp_path / "plain.jpg", quality=61)
    Image.fromarray(pixels).save(tmp_path / "exif.jpg", quality=92, exif=exif)
    Image.fromarray(pixels[:, :, 0]).save(tmp_path / "gray.jpg", quality=75)
    Image.fromarray(pixels).save(tmp_path / "none.png", exif=exif)
    for name, has_exif in (("plain.jpg", 0), ("exif.jpg", 1), ("gray.jpg", 0)):
        facts = header_facts(str(tmp_path / name))
        with Image.open(tmp_path / name) as image:
            tables = image.quantization  # type: ignore[attr-defined]
        assert list(facts[:2]) == [has_exif, len(tables)]
        for key, table in tables.items():
            assert list(facts[2 + 64 * key : 66 + 64 * key]) == list(table)
        assert not facts[2 + 64 * len(tables) :].any()
    assert header_facts(str(tmp_path / "none.png"))[1:].tolist() == [0] * 129


def test_an_image_inside_an_array_has_no_header(tmp_path: Path) -> None:
    assert not header_facts(f"{tmp_path}/train.npy::12").any()
    with pytest.raises(NullcropError, match=r"gone\.png cannot be read"):
        header_facts(str(tmp_path / "gone.png"))


def test_a_file_in_a_folder_with_colons_has_a_header(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for name in ("plain", "site::a", "images.npy::b"):
        path = tmp_path / name / "scan.jpg"
        path.parent.mkdir()
        Image.fromarray(pixels).save(path, quality=61)
    plain, *others = (
        header_facts(str(tmp_path / name / "scan.jpg")) for name in ("plain", "site::a", "images.npy::b")
    )
    assert plain.any()
    for other in others:
        assert (other == plain).all()


def test_baselines_on_a_further_view_are_those_on_any_view_of_the_same_pixels(
    job: BaselinesJob, tmp_path: Path
) -> None:
    """A view is its pixels: given the upper left corner's, the baselines on `forehead` answer as those
    there."""
    for suffix in ("npy", "json"):
        shutil.copyfile(job.views / f"upper_left.{suffix}", tmp_path / f"forehead.{suffix}")
    further = replace(job, views=tmp_path, out=tmp_path / "cells", work=tmp_path / "work", on=("forehead",))
    fit_baselines(further)
    made = {path.parent.relative_to(further.out) for path in further.out.rglob("cell.json")}
    on_pixels = [name for name in USUAL if name not in WITHOUT_PIXELS]
    assert made == {Path("toy/printed/random/forehead", name, "baseline/seed0") for name in on_pixels}
    for name in on_pixels:
        pd.testing.assert_frame_equal(
            predictions(further, name, "forehead"), predictions(job, name, "upper_left")
        )


def test_file_facts_are_numbers_of_what_samples_csv_says() -> None:
    samples = pd.DataFrame(
        {
            "width": [30, 40],
            "height": [20, 20],
            "file_bytes": ["", 900],
            "orientation": [1, 6],
            "format": ["NPY", "PNG"],
            "mode": ["L", "L"],
            "path": ["a.npy::0", "a.npy::1"],
        }
    )
    facts = file_facts(samples)
    shown = [
        "width",
        "height",
        "file_bytes",
        "orientation",
        "format_NPY",
        "format_PNG",
        "mode_L",
        "exif",
        "tables",
    ]
    assert facts[shown].to_numpy().tolist() == [
        [30, 20, 0, 1, 1, 0, 1, 0, 0],
        [40, 20, 900, 6, 0, 1, 1, 0, 0],
    ]
    assert facts.shape == (2, len(shown) + 128)


# What is known of phantoms


def aurocs(tmp_path: Path, cue: str, **source: Any) -> dict[tuple[str, str], float]:
    """AUROC by view and baseline of a generated dataset with this cue."""
    content = definition_content(
        source={
            "kind": "phantom",
            "patients": 80,
            "images_per_patient": 2,
            "width": 64,
            "height": 64,
            "cue": {"kind": cue},
            **source,
        },
        group="patient",
    )
    definition = Definition.model_validate(content)
    generate_phantom(definition.source, tmp_path)  # type: ignore[arg-type]
    job = prepare(tmp_path, definition, source.get("protocol", "grouped"))
    fit_baselines(job)
    found = {}
    for cell in baseline_cells("toy", "printed", job.protocol, 0):
        table = predictions(job, cell.architecture, cell.view)
        found[cell.view, cell.architecture] = roc_auc_score(
            table["target"], table["logit_1"] - table["logit_0"]
        )
    return found


def test_colour_finds_a_brighter_session(tmp_path: Path) -> None:
    found = aurocs(tmp_path, "session", seed=12)
    assert min(found[view, "mean_rgb"] for view in VIEWS if view not in ("original", "center")) > 0.8
    assert found["upper_left", "color_histogram"] > 0.8
    assert found["upper_left", "raw_pixels"] > 0.8


def test_file_facts_find_what_the_jpeg_tables_tell(tmp_path: Path) -> None:
    found = aurocs(tmp_path, "jpeg", seed=13)
    assert found["original", "file_facts"] == 1
    assert abs(found["upper_left", "mean_rgb"] - 0.5) < 0.35


@pytest.mark.long
def test_trained_on_shuffled_targets_a_cue_is_at_chance() -> None:
    """The cue stays in the images; over shuffles it points to either class as often."""
    source = PhantomSource.model_validate(
        {"kind": "phantom", "cue": {"kind": "session"}, "patients": 80, "images_per_patient": 2, "width": 64}
        | {"height": 64, "seed": 12}
    )
    images, samples, targets = load_phantom(source)
    features = pixel_features([image[:20, :20] for image in images])["mean_rgb"]

    def auroc(protocol: str) -> float:
        split = make_split(samples, targets, protocol, 0)
        train, test = (np.flatnonzero(split["part"] == part) for part in ("train", "test"))
        logits = fit_baseline(features, split["target"].to_numpy(), train).logits[test]
        return float(roc_auc_score(split["target"].iloc[test], logits[:, 1]))

    assert auroc("grouped") > 0.9
    shuffled = [auroc(f"grouped_shuffle{number}") for number in range(1, 61)]
    assert np.mean(shuffled) == pytest.approx(0.5, abs=0.2)
    assert min(shuffled) < 0.2
    assert max(shuffled) > 0.8


# What is fitted on what


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), targets=st.integers(2, 4))
def test_only_training_images_are_fitted_on(seed: int, targets: int) -> None:
    """Whatever stands in the other rows, the answers to the training images stay bit for bit."""
    rng = np.random.default_rng(seed)
    features, target = rng.normal(size=(40, 5)), np.arange(40) % targets
    train = rng.permutation(40)[:24]
    train = np.union1d(train, np.arange(targets))
    others = np.setdiff1d(np.arange(40), train)
    spoilt, lies = features.copy(), target.copy()
    spoilt[others] = rng.normal(size=(len(others), 5)) * 1000
    lies[others] = rng.integers(0, targets, len(others))
    first, second = fit_baseline(features, target, train), fit_baseline(spoilt, lies, train)
    assert np.array_equal(first.logits[train], second.logits[train])


def test_portions_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    features, target = rng.integers(0, 256, (90, 30), dtype=np.uint8), rng.integers(0, 2, 90)
    whole = fit_baseline(features, target, np.arange(70))
    monkeypatch.setattr(baselines, "ROWS_AT_ONCE", 7)
    np.testing.assert_allclose(fit_baseline(features, target, np.arange(70)).logits, whole.logits, rtol=1e-6)


def test_without_a_feature_that_differs_the_answer_is_the_largest_class() -> None:
    target = np.array([0, 1, 1, 1, 0, 0])
    fit = fit_baseline(np.array([[3.0], [3.0], [3.0], [3.0], [9.0], [1.0]]), target, np.arange(4))
    assert fit.features == 0
    np.testing.assert_allclose(np.exp(fit.logits), np.tile([0.25, 0.75], (6, 1)))


def test_a_target_without_training_images_is_refused() -> None:
    with pytest.raises(NullcropError, match="no training image has target 1"):
        fit_baseline(np.zeros((4, 1)), np.array([0, 0, 2, 1]), np.arange(3))


def test_a_fit_that_has_not_converged_says_so_and_warns_of_nothing(
    job: BaselinesJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(baselines, "RECIPE", BaselineRecipe(max_iterations=1))
    short = replace(job, out=tmp_path / "cells", work=tmp_path / "work")
    fit_baselines(short)
    assert record(job, "raw_pixels")["converged"] is True
    assert record(short, "raw_pixels")["converged"] is False
    assert record(short, "raw_pixels")["iterations"] == 1
    assert "raw_pixels: 1200 features" in (said := capsys.readouterr().err)
    assert "stopped after 1 iterations before it had converged" in said
    assert "Warning" not in said


# Cells


def test_every_baseline_is_a_whole_cell(job: BaselinesJob) -> None:
    cells = baseline_cells("toy", "printed", "random", 0)
    assert len(cells) == len(WITHOUT_PIXELS) + (len(USUAL) - len(WITHOUT_PIXELS)) * len(VIEWS)
    made = sorted(path.relative_to(job.out) for path in job.out.rglob("*") if path.is_file())
    assert made == sorted(Path(cell.path, name) for cell in cells for name in CELL_FILES)
    facts = record(job, "mean_rgb")
    assert facts["numerics"].startswith("cpu_sklearn_")
    assert facts["images"] == {"train": 52, "val": 7, "test": 7}
    assert facts["parameters"] == 4
    assert {"scikit-learn", "scipy", "numpy", "nullcrop"} <= set(facts["versions"])


def test_baselines_of_two_seeds_stand_apart_and_each_is_tested_on_its_own_images(
    job: BaselinesJob, tmp_path: Path
) -> None:
    samples = read_samples(job.samples)
    splits = {seed: make_split(samples, samples["target"], "random", seed) for seed in (0, 5)}
    only = replace(
        job, out=tmp_path / "cells", work=tmp_path / "work", on=("center",), baselines=("mean_rgb",)
    )
    for seed, split in splits.items():
        split.to_csv(tmp_path / f"seed{seed}.csv", index=False)
        fit_baselines(replace(only, seed=seed, split=tmp_path / f"seed{seed}.csv"))
    for seed, split in splits.items():
        folder = only.out / Cell("toy", "printed", "random", "center", "mean_rgb", "baseline", seed).path
        tested = pd.read_csv(folder / "predictions.csv", dtype={"id": str})["id"]
        assert tested.tolist() == split.loc[split["part"] == "test", "id"].tolist()
        assert json.loads((folder / "cell.json").read_text())["cell"]["seed"] == seed
    assert not splits[0]["part"].equals(splits[5]["part"])


def test_finished_baselines_are_kept_and_brought_back(
    job: BaselinesJob, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = baseline_cells("toy", "printed", "random", 0)
    times = {path: path.stat().st_mtime_ns for path in job.out.rglob("*.*")}
    fit_baselines(job)
    assert capsys.readouterr().err.count("kept: ") == len(cells)
    assert {path: path.stat().st_mtime_ns for path in job.out.rglob("*.*")} == times

    path = job.out / cells[3].path / "predictions.csv"
    before = path.read_bytes()
    path.unlink()
    fit_baselines(job)
    assert path.read_bytes() == before
    assert capsys.readouterr().err.count("kept: ") == len(cells)


def test_what_is_fitted_again_is_what_the_inputs_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = prepare(tmp_path, write_images(tmp_path, ["benign", "malignant"]))
    fit_baselines(job)
    capsys.readouterr()

    samples = pd.read_csv(job.samples)
    samples["file_bytes"] += np.arange(len(samples))
    samples.to_csv(job.samples, index=False)
    fit_baselines(job)
    fitted = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("kept")]
    assert [line.split(":")[0] for line in fitted] == ["original, file_facts"]

    view = job.views / "center.json"
    view.write_text(view.read_text().replace('"pixels_sha256": "', '"pixels_sha256": "0'))
    fit_baselines(job)
    fitted = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("kept")]
    assert [line.split(":")[0] for line in fitted] == [
        "center, mean_rgb",
        "center, color_histogram",
        "center, raw_pixels",
    ]


def test_a_split_of_other_images_is_refused(job: BaselinesJob, tmp_path: Path) -> None:
    pd.read_csv(job.split, dtype=str).iloc[::-1].to_csv(tmp_path / "split.csv", index=False)
    with pytest.raises(NullcropError, match="name different images"):
        fit_baselines(replace(job, split=tmp_path / "split.csv", out=tmp_path))


WITHOUT_TORCH = """
import sys
from nullcrop.cli import main

status = main(sys.argv[1:])
loaded = {"torch", "torchvision", "matplotlib", "snakemake"} & set(sys.modules)
sys.exit(status or f"loaded: {loaded}" if loaded else 0)
"""


def test_baselines_need_no_torch_and_are_the_same_on_the_command_line(
    job: BaselinesJob, tmp_path: Path
) -> None:
    arguments = [
        *("fit-baselines", "--dataset", "toy", "--labels", "printed", "--protocol", "random", "--seed", "0"),
        *("--samples", str(job.samples), "--split", str(job.split), "--views-folder", str(job.views)),
        *("--out", str(tmp_path / "cells"), "--work", str(tmp_path / "work")),
    ]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE), "OMP_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *arguments], env=environment, check=True)
    for cell in baseline_cells("toy", "printed", "random", 0):
        path = Path(cell.path, "predictions.csv")
        assert (tmp_path / "cells" / path).read_bytes() == (job.out / path).read_bytes()


@pytest.mark.parametrize("features", ["numpy:asarray", "numpy:ravel"])
def test_features_of_no_fixed_length_are_named(features: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of an extension: three dimensions of one image, and as many numbers as an image has."""
    records = {**BASELINES._records, "own": replace(BASELINES["mean_rgb"], features=features, reads="image")}
    monkeypatch.setattr(BASELINES, "_records", records)
    images = [np.zeros((height, 5, 3), np.uint8) for height in (4, 6)]
    with pytest.raises(NullcropError, match=r"'own' gives features of shape \(.*\) for one image and of \("):
        pixel_features(images, ["own"])
