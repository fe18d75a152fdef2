"""Results of finished cells without any training: the files that a run leaves, made from a seed."""

import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from nullcrop.basics.files import sha256_of, write_json
from nullcrop.cli import main
from nullcrop.config.cell import Cell, fold_cells
from nullcrop.config.grid import STUDY_TABLES, Grid
from nullcrop.config.models import Project

from .conftest import definition_content
from .hostile import HOSTILE

VERSIONS = {"nullcrop": "0.1.0", "python": "3.11.7", "torch": "2.13.0", "torchvision": "0.28.0"}


def write_cell(project: Project, cell: Cell, n: int, strength: float, constant: bool = False) -> Path:
    """Write a finished cell of ``n`` test images whose scores differ by ``strength`` standard deviations.

    A ``constant`` one always answers the first class. Returns its folder.
    """
    folder = Path(project.config.paths.results, "cells", cell.path)
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(zlib.crc32(cell.path.encode()))
    names = project.definition(cell.dataset).target_names(cell.labels)
    target = np.arange(n) % (len(names) + 1) % len(names)  # the first class is the largest
    logits = rng.normal(size=(n, len(names))) + strength * np.eye(len(names))[target]
    if constant:
        logits[:, 0] += 100
    table = pd.DataFrame({"id": [f"{i:05}" for i in range(n)], "group": "", "target": target})
    table["predicted"] = logits.argmax(1)
    table = table.assign(**{f"logit_{k}": logits[:, k].astype(np.float32) for k in range(len(names))})
    table.to_csv(folder / "predictions.csv", index=False, float_format="%.9g")
    recipe = project.config.recipe_of(cell.recipe)
    epochs = np.arange(1, getattr(recipe, "epochs", 1) + 1)
    history = {"epoch": epochs}
    for part, ease in (("train", 1.0), ("val", 0.7)):
        history[f"{part}_loss"] = 0.7 * np.exp(-ease * strength * epochs / len(epochs))
        history[f"{part}_accuracy"] = 1 - 0.4 * np.exp(-ease * strength * epochs / len(epochs))
    pd.DataFrame({**history, "seconds": 1.5}).to_csv(folder / "history.csv", index=False)
    write_json(
        folder / "cell.json",
        {
            "cell": asdict(cell),
            "recipe": asdict(recipe),
            "numerics": "cuda_fp32",
            "predictions_sha256": sha256_of(folder / "predictions.csv"),
            "images": {"train": 8 * n, "val": n, "test": n},
            "targets": len(names),
            "seconds": 1.5 * len(epochs),
            "hardware": "Generated GPU",
            "images_a_second": 8 * n / 1.5,
            "peak_device_mb": 1234.5,
            "peak_host_mb": 987.6,
            "versions": VERSIONS,
        },
    )
    return folder


def write_dataset(project: Project, dataset: str, sizes: tuple[int, int] = (224, 224)) -> None:
    """Write dataset.json of a dataset of 100 images a class, and a samples figure for each study."""
    results, definition = Path(project.config.paths.results), project.definition(dataset)
    write_json(
        results / "datasets" / dataset / "dataset.json",
        {
            "dataset": dataset,
            "title": definition.title,
            "images": 100 * len(definition.classes),
            "classes": dict.fromkeys(definition.classes, 100),
            "official_split": {"train": 80, "val": 10, "test": 10},
            "groups": 50 if definition.group else 0,
            "group_key": definition.group,
            "formats": {"PNG": 100 * len(definition.classes)},
            "sizes": {"width": [sizes[0]] * 2, "height": [sizes[1]] * 2},
            "left_out": [],
            "discrepancies": [],
        },
    )
    rng = np.random.default_rng(zlib.crc32(dataset.encode()))
    coarse = Image.fromarray(rng.integers(0, 256, (90, 140, 3), dtype=np.uint8))
    for study in Grid(project).studies:
        path = results / "studies" / study / dataset / "figures" / "samples.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        # Smooth colours like a photograph's, at the size of the real figure.
        coarse.resize((1400, 900), Image.Resampling.BICUBIC).save(path)


def write_tables(project: Project, study: str, dataset: str) -> Path:
    """Write a dataset's metrics, readers, comparisons and verdicts as the workflow does; return the verdicts'
    path."""
    cells = fold_cells(Grid(project).cells(study, dataset))
    definition, thresholds = project.definition(dataset), project.config.verdict
    folder = Path(project.config.paths.results, "studies", study, dataset)
    metrics, readers, comparisons, verdicts = (str(folder / f"{name}.csv") for name in STUDY_TABLES)
    of_cells = ["--cells", cells, "--results", project.config.paths.results, "--field", definition.field]
    assert main(["compute-metrics", *of_cells, "--out", metrics]) == 0
    assert main(["judge-readers", *of_cells, "--level", str(thresholds.level), "--out", readers]) == 0
    assert main(["compare-cells", *of_cells, "--out", comparisons]) == 0
    tables = ["--readers", readers, "--comparisons", comparisons, "--cells", cells]
    words = ["--definition", str(project.definition_path(dataset))]
    words += ["--thresholds", thresholds.model_dump_json()]
    assert main(["judge-dataset", *tables, *words, "--out", verdicts]) == 0
    return Path(verdicts)


def write_results(project: Project, n: int = 200, share: float = 1.0) -> None:
    """Write the first ``share`` of all planned cells, with a signal in the original and in some crops."""
    grid = Grid(project)
    cells = grid.all_cells
    for place, cell in enumerate(cells[: round(share * len(cells))]):
        strength = 2.0 if cell.view == "original" else 0.25 * (zlib.crc32(cell.dataset.encode()) % 5)
        write_cell(project, cell, n, strength, constant=place % 12 == 5)
    for dataset in grid.values("dataset"):
        write_dataset(project, dataset)


def half_finished(folder: Path) -> Project:
    """A project of two studies in ``folder``, with results of 26 of its 42 networks.

    Of three datasets `complete` is done, `hostile` lacks a view and has names that try to be more than text,
    and `waiting`, of three targets, is not begun.
    """
    definitions = folder / "definitions"
    definitions.mkdir()
    for name, changes in {
        "complete": {"title": "Complete", "group": "patient"},
        "hostile": HOSTILE,
        "waiting": {"title": "Waiting", "classes": ["one", "two", "three"], "labels": {"each": {}}},
    }.items():
        text = yaml.safe_dump(definition_content(**changes), allow_unicode=True)
        (definitions / f"{name}.yaml").write_text(text, encoding="utf-8")
    study: dict[str, Any] = {
        "views": ["original", "upper_left", "center"],
        "architectures": ["resnet50", "lenet5"],
        "recipes": ["scratch"],
        "seeds": [0, 1],
    }
    datasets = ["complete", "hostile", "waiting"]
    second = {
        "title": "Second study",
        "datasets": ["complete"],
        "splits": ["random", "grouped"],
        "seeds": [0],
    }
    content = {
        "definitions": [str(definitions)],
        "paths": {"results": str(folder / "results"), "resources": str(folder / "resources")},
        "studies": {
            "first": {**study, "title": "First study", "datasets": datasets},
            "second": {**study, **second},
        },
    }
    project = Project(content, "my.yaml")
    for place, cell in enumerate(Grid(project).all_cells):
        if cell.dataset == "complete" or (cell.dataset == "hostile" and cell.view != "center"):
            write_cell(project, cell, 60, 2.0 if cell.view == "original" else 0.3, constant=place == 1)
    for name in ("complete", "hostile"):
        write_dataset(project, name)
    return project
