"""The figure of crops to look at, from a store and cells whose right answer is known."""

import json
from dataclasses import asdict
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from scipy.stats import rankdata

from nullcrop.basics.files import sha256_of
from nullcrop.cli import main
from nullcrop.config.cell import Cell, fold_cells
from nullcrop.config.grid import STUDY_TABLES
from nullcrop.config.views import study_crops, views_made_always
from nullcrop.figures.crops import FEWEST_LEVELS, SHOWN, draw_crops, mean_crop
from nullcrop.figures.job import FigureJob
from nullcrop.images.store import PackedView, write_store

from ..conftest import definition_content

SIDE, COUNT = 30, 40


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Samples and views of COUNT grey images, the i-th of level i in its upper left and 100 elsewhere."""
    folder = tmp_path_factory.mktemp("store")
    rows = []
    for number in range(COUNT):
        pixels = np.full((SIDE, SIDE, 3), 100, np.uint8)
        pixels[:10, :10] = number
        path = folder / f"{number:02}.png"
        Image.fromarray(pixels).save(path)
        rows.append((path.stem, str(path), ["normal", "benign", "malignant"][number % 3]))
    samples = pd.DataFrame(rows, columns=["id", "path", "class"])
    samples = samples.assign(group="", official_split="", width=SIDE, height=SIDE, mode="RGB", format="PNG")
    # In the order of the list, which need not be that of the ids.
    samples = samples.iloc[::-1].reset_index(drop=True)
    samples.to_csv(folder / "samples.csv", index=False)
    write_store(samples, folder / "views", list(views_made_always()), 10, 10, threads=1)
    return folder


def write_cell(folder: Path, cell: Cell, samples: pd.DataFrame, logits: np.ndarray) -> None:
    target = samples["target"].to_numpy()
    table = samples[["id", "target"]].assign(group="", predicted=logits.argmax(1))
    for k in range(logits.shape[1]):
        table[f"logit_{k}"] = logits[:, k]
    own = folder / "cells" / cell.path
    own.mkdir(parents=True)
    table.sort_values("id").to_csv(own / "predictions.csv", index=False)
    record = {
        "cell": asdict(cell),
        "images": {"train": 100, "val": 10, "test": len(target)},
        "numerics": "cpu",
        "seconds": 1.0,
        "targets": logits.shape[1],
        "predictions_sha256": sha256_of(own / "predictions.csv"),
    }
    (own / "cell.json").write_text(json.dumps(record))


def draw(store: Path, folder: Path, rule: str, logits: dict[str, np.ndarray], views=("upper_left",)):
    """The figure of networks that answer ``logits`` (N×K, in the order of the images' levels)."""
    labels = {"printed": {"positive": ["malignant"]}, "each": {}}
    content = definition_content(classes=["normal", "benign", "malignant"], labels=labels)
    (folder / "d.yaml").write_text(yaml.safe_dump(content))
    names = content["classes"]
    samples = pd.read_csv(store / "samples.csv", dtype=str, keep_default_na=False).sort_values("id")
    samples["target"] = [
        int(name == "malignant") if rule == "printed" else names.index(name) for name in samples["class"]
    ]
    cells = [
        Cell("d", rule, "official", view, architecture, "paper", 0)
        for view, architecture in product(views, logits)
    ]
    for cell in cells:
        write_cell(folder, cell, samples, logits[cell.architecture])
    of = ["--cells", fold_cells(cells), "--results", str(folder), "--field", "whole"]
    tables = {name: folder / f"{name}.csv" for name in STUDY_TABLES}
    assert main(["judge-readers", *of, "--level", "0.05", "--out", str(tables["readers"])]) == 0
    assert main(["compare-cells", *of, "--out", str(tables["comparisons"])]) == 0
    words = ["--definition", str(folder / "d.yaml"), "--thresholds", "{}", "--cells", fold_cells(cells)]
    given = ["--readers", str(tables["readers"]), "--comparisons", str(tables["comparisons"])]
    assert main(["judge-dataset", *given, *words, "--out", str(tables["verdicts"])]) == 0
    drawn: list = []
    job = FigureJob(
        figure="crops",
        stem=folder / "crops",
        tables={"verdicts": tables["verdicts"]},
        cells=[folder / "cells" / cell.path for cell in cells],
        definition_path=folder / "d.yaml",
        samples=store / "samples.csv",
        views=store / "views",
        labels=rule,
        crop=(10, 10),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nullcrop.figures.crops.save_figure", lambda figure, *_: drawn.append(figure))
        draw_crops(job)
    return drawn[0], samples


def test_the_mean_crop_is_the_mean_of_the_images(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nullcrop.figures.crops.CHUNK", 7)
    rows = np.array([3, 5, 8, 13, 21, 22, 30, 39, 0])
    view = PackedView(store / "views/upper_left.json")
    levels = COUNT - 1 - rows  # the list runs backwards
    assert mean_crop(view, rows) == pytest.approx(np.full((10, 10, 3), levels.mean()))


def test_the_surest_crops_are_those_of_the_highest_mean_rank(store: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    scores = {name: rng.normal(size=COUNT) for name in ("vgg16", "resnet50")}
    figure, samples = draw(
        store, tmp_path, "printed", {name: np.stack([-s, s], axis=1) for name, s in scores.items()}
    )
    mean = sum(rankdata(score) for score in scores.values())
    order = np.argsort(mean)
    negative, positive = list(order[:SHOWN]), list(order[::-1][:SHOWN])
    crops = figure.axes[2 * len(study_crops()) :]
    levels = [int(ax.images[0].get_array()[0, 0, 0]) for ax in crops]
    assert levels == [*negative, *positive]
    target = samples["target"].to_numpy()
    right = [*(target[negative] == 0), *(target[positive] == 1)]
    dashed = [ax.spines["left"].get_linestyle() not in ("-", "solid") for ax in crops]
    assert dashed == [not one for one in right]
    texts = [text.get_text().replace("\n", " ") for text in figure.texts]
    assert any(f"{int(sum(right[SHOWN:]))} of {SHOWN} are" in text for text in texts)
    assert any("The upper left of the 40 images tested" in text for text in texts)


def test_of_three_targets_each_has_its_own_row(store: Path, tmp_path: Path) -> None:
    logits = np.random.default_rng(2).normal(size=(COUNT, 3))
    figure, _ = draw(store, tmp_path, "each", {"vgg16": logits})
    odds = logits - np.log(np.exp(logits).sum(1, keepdims=True) - np.exp(logits))
    surest = [list(np.argsort(-odds[:, k])[:SHOWN]) for k in range(3)]
    crops = figure.axes[3 * len(study_crops()) :]
    assert [int(ax.images[0].get_array()[0, 0, 0]) for ax in crops] == [*surest[0], *surest[1], *surest[2]]


def test_where_all_scores_are_one_none_is_the_surest(store: Path, tmp_path: Path) -> None:
    figure, _ = draw(store, tmp_path, "printed", {"vgg16": np.zeros((COUNT, 2))})
    assert len(figure.axes) == 2 * len(study_crops())
    assert any("the same score, so none is" in text.get_text().replace("\n", " ") for text in figure.texts)


def test_without_a_crop_that_judges_the_mean_crops_stand_alone(store: Path, tmp_path: Path) -> None:
    logits = np.random.default_rng(3).normal(size=(COUNT, 2))
    figure, _ = draw(store, tmp_path, "printed", {"vgg16": logits}, views=("center",))
    assert len(figure.axes) == 2 * len(study_crops())
    assert any("No reader of a crop on which" in text.get_text() for text in figure.texts)


def test_contrast_is_stretched_alike_for_all_classes_of_a_view(store: Path, tmp_path: Path) -> None:
    figure, samples = draw(
        store, tmp_path, "printed", {"vgg16": np.random.default_rng(4).normal(size=(COUNT, 2))}
    )
    shown = [np.asarray(ax.images[0].get_array()) for ax in figure.axes[: 2 * len(study_crops())]]
    means = [np.flatnonzero(samples["target"] == target).mean() for target in (0, 1)]
    # The upper left alone differs, by less than the fewest levels.
    assert 0 < abs(means[1] - means[0]) < FEWEST_LEVELS
    corners = [int(crop[0, 0, 0]) for crop in shown[:: len(study_crops())]]
    assert corners == [round((mean - min(means)) / FEWEST_LEVELS * 255) for mean in means]
    assert all(crop.max() == 0 for place, crop in enumerate(shown) if place % len(study_crops()))
