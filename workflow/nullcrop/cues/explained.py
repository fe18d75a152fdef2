"""What the network of one cell looks at, beside the same network with random weights.

The weights of a finished cell are not kept, so its network is trained once more, from the same inputs and the
same seeds.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import written_whole
from nullcrop.basics.progress import say
from nullcrop.config.readers import label_of
from nullcrop.config.saliency import METHOD_LABELS, Method, Saliency
from nullcrop.cues.saliency import IMAGE_COLUMNS, NAMED
from nullcrop.datasets.samples import read_samples
from nullcrop.images.lesion_counts import covered_places
from nullcrop.images.masks import mask_files, read_mask
from nullcrop.images.resize import resize
from nullcrop.images.store import PackedView
from nullcrop.statistics.tables import read_predictions
from nullcrop.training.architectures import input_size
from nullcrop.training.attribution import SIDE, Maps, last_feature_map, saliency_maps
from nullcrop.training.cells import open_view, read_split
from nullcrop.training.data import InputImages
from nullcrop.training.loop import CellJob, Trained, initial_network, train_again
from nullcrop.training.streams import stream_seed

if TYPE_CHECKING:
    from nullcrop.config.definitions import FolderSource, Masks

PICTURE_SIDE = 64
"""Side of an example image in pixels."""

EXAMPLES = 6

TRAINED, RANDOM = "trained", "random"


@dataclass(frozen=True)
class SaliencyJob:
    """What the maps of one cell are made of."""

    training: CellJob
    """Trains its network once more; nothing is written to its ``out``, where the finished cell lies."""
    samples: Path
    """samples.csv."""
    settings: Saliency
    masks: "Masks | None" = None
    source: "FolderSource | None" = None
    """The source whose table names the masks, where one does."""


def write_saliency(job: SaliencyJob, out: Path, maps: Path) -> None:
    """Write what a cell's network looks at: a row an image and method (IMAGE_COLUMNS), and maps as .npz.

    ``outside_centre`` is the share of an image's attribution outside the central half of its area (a box with
    the image's own aspect), ``outside_lesion`` that outside its lesion, whose complement covers
    ``area_outside_lesion`` of the image (both empty without a lesion); ``…_random`` the same from the network
    with random weights; ``correlation`` is Spearman's between the two maps. A ``silent`` image has no
    attribution, a ``silent_random`` one none from random weights: those shares are empty.

    ``maps`` holds by method the mean map of each class (``{method}.trained``, ``{method}.random``: classes ×
    SIDE × SIDE, the mean of each 1) and those of EXAMPLES images (``{method}.examples``), their ``pictures``
    (uint8) and ``targets``, and ``difference``: by how much probabilities of the network that was trained
    once more differ from the cell's at most.

    Raises NullcropError when inputs do not fit each other, or no method can ask the network.
    """
    cell, recipe = job.training.cell, job.training.recipe
    split = read_split(job.training.split)
    view = open_view(job.training.view, split, job.training.split)
    rows = chosen_rows(split, job.settings.images, cell.seed)
    covered = _lesions(job, rows)
    size = input_size(cell.architecture, recipe.input_size)
    n_targets = int(split["target"].max()) + 1
    untrained = _plain(initial_network(cell, recipe, n_targets, size))
    first = InputImages(view.at(size), size, torch.device("cpu"), cell.architecture).batch(rows[:1].tolist())
    methods = _methods(job, untrained, first)
    trained = train_again(job.training)
    difference = _difference(trained, job.training.out)
    device = next(trained.network.parameters()).device
    network = _plain(initial_network(cell, recipe, n_targets, size), trained.network.state_dict()).to(device)
    untrained = untrained.to(device)
    images = InputImages(view.at(size), size, device, cell.architecture)
    targets = split["target"].to_numpy()[rows]
    shown = _examples(split.iloc[rows])
    kept = _pictures(view, rows[shown], targets[shown], size) | {"difference": np.array(difference)}
    tables = []
    for method in methods:
        asked = images, rows, targets, method, job.settings.steps
        own = saliency_maps(network, *asked, TRAINED)
        random = saliency_maps(untrained, *asked, RANDOM)
        of_images = split.iloc[rows][list(NAMED[1:])].reset_index(drop=True)
        tables.append(of_images.join(_shares(own, random, covered)).assign(method=method))
        kept[f"{method}.{TRAINED}"] = _mean_maps(own, targets, n_targets)
        kept[f"{method}.{RANDOM}"] = _mean_maps(random, targets, n_targets)
        kept[f"{method}.examples"] = own[shown]
    with written_whole(maps) as aside, aside.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **kept)
    with written_whole(out) as aside:
        pd.concat(tables)[IMAGE_COLUMNS].to_csv(aside, index=False, float_format="%.6g")


def _methods(job: SaliencyJob, network: nn.Module, image: Tensor) -> list[Method]:
    """Methods that can ask a network like ``network``: Grad-CAM needs a map of features.

    Known before the training; raises NullcropError when there is none.
    """
    name = label_of(job.training.cell.architecture)
    methods = list(job.settings.methods)
    if "grad_cam" in methods and last_feature_map(network, image) is None:
        methods.remove("grad_cam")
        say(f"{METHOD_LABELS['grad_cam']}: {name} has no map of features to show")
    if not methods:
        raise NullcropError(
            f"{name} has no map of features, so there is nothing to show of it; add `integrated_gradients` "
            "to `saliency.methods`, which asks any network"
        )
    return methods


def chosen_rows(split: pd.DataFrame, images: int, seed: int) -> NDArray[np.int64]:
    """Rows of up to ``images`` test images of each class, drawn by ``seed``: the same for all networks."""
    test = split["part"].eq("test").to_numpy()
    drawn = np.random.default_rng(stream_seed(seed, "", "saliency")).permutation(len(split))
    targets = split["target"].to_numpy()
    of_classes = [drawn[test[drawn] & (targets[drawn] == target)][:images] for target in np.unique(targets)]
    return np.sort(np.concatenate(of_classes))


def _plain(network: nn.Module, state: dict[str, Tensor] | None = None) -> nn.Module:
    """``network`` in evaluation mode with the weights ``state``, and with gradients of every layer."""
    if state is not None:
        network.load_state_dict(state)
    return network.eval().requires_grad_(True)


def _difference(trained: Trained, cell: Path) -> float:
    """By how much probabilities of the network that was trained once more differ from the finished cell's at
    most."""
    stored = read_predictions(cell).filter(regex="^logit_").to_numpy()
    answers = [functional.softmax(torch.as_tensor(one).double(), 1) for one in (trained.logits.cpu(), stored)]
    if answers[0].shape != answers[1].shape:
        raise NullcropError(f"{cell} is of other images than its split; delete the cell and run again")
    return float((answers[0] - answers[1]).abs().max())


def _lesions(job: SaliencyJob, rows: NDArray[np.int64]) -> Maps | None:
    """The share of each of SIDE × SIDE equal parts of the images in ``rows`` that a lesion covers."""
    if job.masks is None:
        return None
    samples = read_samples(job.samples)
    files = mask_files(job.masks, samples["path"].tolist(), job.source)
    sizes = samples[["height", "width"]].to_numpy(np.int64)
    return np.stack(
        [covered_places(read_mask(files[row], tuple(map(int, sizes[row]))), SIDE) for row in rows]
    )


def _shares(trained: Maps, random: Maps, covered: Maps | None) -> pd.DataFrame:
    """What the maps of each image say: columns of IMAGE_COLUMNS."""
    centre = central_half()
    table = pd.DataFrame(index=range(len(trained)))
    for name, maps in (("", trained), ("_random", random)):
        table[f"silent{name}"] = silent = maps.sum((1, 2)) == 0
        table[f"outside_centre{name}"] = np.where(silent, np.nan, 1 - (maps * centre).sum((1, 2)))
        if covered is not None:
            without = silent | ~covered.any((1, 2))
            table[f"outside_lesion{name}"] = np.where(without, np.nan, 1 - (maps * covered).sum((1, 2)))
    if covered is not None:
        area = 1 - covered.mean((1, 2))
        table["area_outside_lesion"] = np.where(table["outside_lesion"].isna(), np.nan, area)
    table["correlation"] = [map_correlation(*pair) for pair in zip(trained, random, strict=True)]
    return table.reindex(columns=[name for name in IMAGE_COLUMNS if name not in NAMED])


def central_half() -> NDArray[np.float64]:
    """The share of each of SIDE × SIDE equal parts of an image that lies in a box of half its area, of its
    own aspect, around its centre."""
    edges = np.arange(SIDE + 1) / SIDE
    inside = np.clip(edges, 0.5 - np.sqrt(0.125), 0.5 + np.sqrt(0.125))
    along = np.diff(inside) * SIDE
    return np.outer(along, along)


def map_correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Spearman's rank correlation of two maps; NaN where one is even."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return np.nan
    return float(np.corrcoef(scipy.stats.rankdata(one), scipy.stats.rankdata(other))[0, 1])


def _mean_maps(maps: Maps, targets: NDArray[np.int64], n_targets: int) -> Maps:
    """The mean map of each class, of the images of which there is one; zeros where there is none."""
    means = np.zeros((n_targets, SIDE, SIDE), np.float32)
    heard = maps.sum((1, 2)) > 0
    for target in range(n_targets):
        own = heard & (targets == target)
        if own.any():
            means[target] = maps[own].mean(0)
    return means


def _examples(images: pd.DataFrame) -> NDArray[np.int64]:
    """Places of EXAMPLES images (columns group and target), of each class in turn, one of a group."""
    named = images["group"].where(images["group"] != "", "image " + images["id"])
    first = images.reset_index(drop=True)[~named.duplicated().to_numpy()]
    turn = first.groupby("target").cumcount()
    order = np.lexsort((first["target"], turn))
    return first.index.to_numpy()[order][:EXAMPLES]


def _pictures(
    view: PackedView, rows: NDArray[np.int64], targets: NDArray[np.int64], size: int
) -> dict[str, NDArray[Any]]:
    """Images as the network takes them, and their targets."""
    pixels = view.at(size)
    pictures = [resize(resize(pixels[row], size), PICTURE_SIDE) for row in rows]
    return {"pictures": np.stack(pictures), "targets": targets}
