"""Audits of many small phantoms in one process: the same functions as the cells', on images in memory."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from threadpoolctl import threadpool_limits

from nullcrop.basics.files import written_whole
from nullcrop.basics.progress import tracked
from nullcrop.config.cell import Cell
from nullcrop.config.definitions import PhantomSource
from nullcrop.config.names import CROSSFIT
from nullcrop.config.recipe import Recipe
from nullcrop.config.views import study_corners
from nullcrop.datasets.phantom import phantom_images
from nullcrop.decoding.rgb import to_rgb
from nullcrop.images.views import view_function
from nullcrop.splits import make_split
from nullcrop.training.architectures import input_size
from nullcrop.training.arithmetic import set_arithmetic
from nullcrop.training.baselines import fit_baseline, pixel_features
from nullcrop.training.cells import rows_of_parts
from nullcrop.training.data import InputImages
from nullcrop.training.loop import new_network, predict, train_epoch

NETWORK = "lenet5"
CROP_SIDE = 20

Pixels = list[NDArray[np.uint8]]


def audit_phantoms(
    source: PhantomSource, datasets: int, protocols: Sequence[str], recipe: Recipe, out: Path
) -> None:
    """Audit ``datasets`` phantoms like ``source``, of consecutive seeds, and write their predictions to
    ``out``.

    Each is split by each of ``protocols``, a cross-fitted one in all folds of the partition of the dataset's
    number; LeNet-5 and the baselines that see pixels are trained on each corner. The CSV has one row a test
    image: cue, strength, patients, images_per_patient, dataset (its seed), split, seed (of the split and the
    network), n_train (images of the training part), id, group, target, and the log-odds of target 1 by each
    cell in columns `{view}.{architecture}`. One thread, CPU: the datasets are small and run side by side.
    """
    set_arithmetic("cpu", 1)
    seeds = range(source.seed, source.seed + datasets)
    with threadpool_limits(1):
        tables = [
            audit_phantom(source.model_copy(update={"seed": seed}), protocols, recipe)
            for seed in tracked(seeds, datasets, f"{source.cue.kind} {source.cue.strength:g}: datasets")
        ]
    with written_whole(out) as aside:
        # Every digit: a verdict goes by ranks, and what differs in the last one is no tie.
        pd.concat(tables).to_csv(aside, index=False)


def audit_phantom(source: PhantomSource, protocols: Sequence[str], recipe: Recipe) -> pd.DataFrame:
    """Predictions on the test images of one phantom, as :func:`audit_phantoms` writes them."""
    images, samples, targets = load_phantom(source)
    corners = {
        view: [view_function(view)(image, None, CROP_SIDE, CROP_SIDE) for image in images]
        for view in study_corners()
    }
    features = {view: pixel_features(pixels) for view, pixels in corners.items()}
    tables = [
        _audit_split(protocol, seed, samples, targets, corners, features, recipe)
        for protocol in protocols
        for seed in seeds_of(protocol, source.seed)
    ]
    named: dict[str, Any] = {
        "cue": source.cue.kind,
        "strength": source.cue.strength,
        "patients": source.patients,
        "images_per_patient": source.images_per_patient,
        "dataset": source.seed,
    }
    audited = pd.concat(tables).assign(**named)
    return audited[[*named, *tables[0].columns]]


def seeds_of(protocol: str, number: int) -> Sequence[int]:
    """Seeds of the cells of dataset ``number``: all folds of one partition, or a single one."""
    folds = CROSSFIT.get(protocol, 1)
    return range(folds * number, folds * (number + 1))


def load_phantom(source: PhantomSource) -> tuple[Pixels, pd.DataFrame, "pd.Series[int]"]:
    """Images of a phantom as read from their files' bytes, its samples and their targets, ordered by id."""
    made = sorted(phantom_images(source), key=lambda image: image.id)
    samples = pd.DataFrame(
        [(image.id, image.patient, "") for image in made], columns=["id", "group", "official_split"]
    )
    pixels = [to_rgb(Image.open(BytesIO(image.file)), image.id) for image in made]
    return pixels, samples, pd.Series([int(image.diagnosis == "malignant") for image in made])


def _audit_split(
    protocol: str,
    seed: int,
    samples: pd.DataFrame,
    targets: "pd.Series[int]",
    corners: dict[str, Pixels],
    features: dict[str, dict[str, NDArray[Any]]],
    recipe: Recipe,
) -> pd.DataFrame:
    split = make_split(samples, targets, protocol, seed)
    rows, target = rows_of_parts(split), split["target"].to_numpy()
    scores = {}
    for view, pixels in corners.items():
        cell = Cell("phantom", "printed", protocol, view, NETWORK, "calibration", seed)
        scores[f"{view}.{NETWORK}"] = _train(cell, recipe, pixels, target, rows)
        for baseline, of_images in features[view].items():
            logits = fit_baseline(of_images, target, rows["train"]).logits[rows["test"]]
            scores[f"{view}.{baseline}"] = logits[:, 1] - logits[:, 0]
    test = split.loc[rows["test"], ["id", "group", "target"]].assign(**scores)
    named: dict[str, Any] = {"split": protocol, "seed": seed, "n_train": len(rows["train"])}
    return test.assign(**named)[[*named, *test.columns]]


def _train(
    cell: Cell, recipe: Recipe, pixels: Pixels, target: NDArray[np.int64], rows: dict[str, NDArray[np.int64]]
) -> NDArray[np.float64]:
    """Log-odds of target 1 of the test images, by a network trained as a cell is."""
    device, size = torch.device("cpu"), input_size(cell.architecture, recipe.input_size)
    images, targets = InputImages(pixels, size, device, cell.architecture), torch.tensor(target)
    network, optimizer = new_network(cell, recipe, 2, size, device)
    for epoch in range(1, recipe.epochs + 1):
        train_epoch(cell, recipe, epoch, network, optimizer, images, targets, rows["train"])
    logits = predict(network, images, rows["test"], recipe.batch_size)
    # In double precision, as metrics take them from a cell's file.
    scores: NDArray[np.float64] = logits[:, 1].double().numpy() - logits[:, 0].double().numpy()
    return scores
