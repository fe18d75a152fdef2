"""Baselines: what is reached without a network, from the same split and with the same outputs as a cell's.

majority          the largest class of the training images, whatever the image
mean_rgb          logistic regression on the mean of each channel
color_histogram   logistic regression on the histograms of the three channels
raw_pixels        logistic regression on the 20×20 pixels (larger views are resized)
file_facts        logistic regression on what the file tells without its pixels (datasets/file_facts.py)

They say what a network's score is worth: colour alone tells over 50 % (three means) and over 80 %
(histograms) of the nine tissues of NCT-CRC-HE-100K, where deep networks stand at 97 % (Ignatov and
Malivenko 2024, arXiv:2409.11546).
"""

import hashlib
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy
import sklearn
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info, threadpool_limits

from nullcrop.config.cell import Cell, baseline_cells
from nullcrop.config.names import VIEWS
from nullcrop.config.recipe import BaselineRecipe
from nullcrop.datasets.file_facts import file_facts
from nullcrop.datasets.samples import read_samples
from nullcrop.errors import NullcropError
from nullcrop.files import sha256_of
from nullcrop.images.extracts import LEVEL_COUNTS, LEVELS, square
from nullcrop.images.store import Images, View, extracted
from nullcrop.progress import duration, say, tracked
from nullcrop.training.cells import (
    bring_out,
    identity_of,
    is_kept,
    open_view,
    read_split,
    rows_of_parts,
    versions,
    working,
    write_cell,
)

RECIPE = BaselineRecipe()

ROWS_AT_ONCE = 4096
"""Rows that are standardised together, so that a large training part is never in memory twice."""


@dataclass(frozen=True)
class BaselinesJob:
    """The test set whose baselines are fitted, and where the files lie."""

    dataset: str
    labels: str
    protocol: str
    seed: int
    samples: Path
    split: Path
    """CSV with the columns id, group, target and part."""
    views: Path
    """Folder of the packed views."""
    out: Path
    """Folder below which cells lie."""
    work: Path
    """Folder below which working folders of cells lie."""
    on: tuple[str, ...] = VIEWS
    """Names of the views whose baselines are fitted."""


@dataclass(frozen=True)
class Fit:
    """A baseline's answer to every image, and how it was reached."""

    logits: NDArray[np.float64]
    """Shape (images, targets); for two targets (0, log-odds of target 1)."""
    features: int
    """Features that differ between training images; the others were left out."""
    iterations: int
    converged: bool


def fit_baselines(job: BaselinesJob) -> None:
    """Fit the baselines of one test set on some views and write each as a cell: predictions.csv, history.csv, cell.json.

    A baseline that was finished from the same inputs is kept (:func:`~nullcrop.training.cells.is_kept`).
    Everything is fitted on the training images alone, on one thread, and is deterministic. Raises
    NullcropError when inputs do not fit together.
    """
    split = read_split(job.split)
    with threadpool_limits(1):
        inputs = _Inputs(job, split)
        for cell in baseline_cells(job.dataset, job.labels, job.protocol, job.seed, job.on):
            out, work = job.out / cell.path, job.work / cell.path
            with working(work):
                identity = _keep_cell(job, cell, split, inputs)
            bring_out(out, work, identity)


def _keep_cell(job: BaselinesJob, cell: Cell, split: pd.DataFrame, inputs: "_Inputs") -> str:
    """Fit a baseline unless it is kept from before; return its identity."""
    started = time.monotonic()
    out, work = job.out / cell.path, job.work / cell.path
    processor = _processor()
    numerics = f"cpu_sklearn_{processor}_fp64"
    identity = identity_of(
        {
            "architecture": cell.architecture,
            "recipe": asdict(RECIPE),
            "features": inputs.sha256(cell),
            "split": sha256_of(job.split),
            "numerics": numerics,
        }
    )
    if is_kept(out, work, identity):
        return identity
    features, targets, rows = inputs.features(cell), split["target"].to_numpy(), rows_of_parts(split)
    fit_started = time.monotonic()
    fit = fit_baseline(features, targets, rows["train"])
    seconds = time.monotonic() - fit_started
    say(_summary(cell, fit, seconds))
    history: dict[str, float] = {"epoch": 1}
    for part in ("train", "val"):
        logits, truth = fit.logits[rows[part]], targets[rows[part]]
        loss = -log_softmax(logits, axis=1)[np.arange(len(truth)), truth].mean()
        history |= {f"{part}_loss": loss, f"{part}_accuracy": (logits.argmax(1) == truth).mean()}
    n_targets = fit.logits.shape[1]
    facts = {
        "recipe": asdict(RECIPE),
        "input_size": RECIPE.pixels_side if cell.architecture == "raw_pixels" else None,
        "numerics": numerics,
        "identity": identity,
        "parameters": (fit.features + 1) * (1 if n_targets == 2 else n_targets),
        "features": fit.features,
        "iterations": fit.iterations,
        "converged": fit.converged,
        "seconds": seconds,
        "seconds_of_this_run": time.monotonic() - started,
        "hardware": f"CPU, 1 thread, {processor}",
        "versions": versions(**{"scikit-learn": sklearn.__version__, "scipy": scipy.__version__}),
    }
    write_cell(cell, work, split, fit.logits[rows["test"]], [history | {"seconds": seconds}], facts)
    return identity


def fit_baseline(features: NDArray[Any], targets: NDArray[np.int64], train: NDArray[np.int64]) -> Fit:
    """Logistic regression on ``features`` (images × any number), fitted on the rows ``train`` alone.

    Features are standardised by the training images; ridge penalty of :class:`BaselineRecipe`,
    intercept free. Without a feature that differs between training images the answer is the shares
    of the targets among them, whatever the image. Raises NullcropError when a target has no training image.
    """
    counts = np.bincount(targets[train], minlength=int(targets.max()) + 1)
    if not counts.all():
        raise NullcropError(f"no training image has target {counts.argmin()}, so nothing can be fitted")
    varying = np.flatnonzero(np.ptp(features[train], axis=0)) if features.shape[1] else np.array([], int)
    if not len(varying):
        return Fit(np.tile(np.log(counts / counts.sum()), (len(targets), 1)), 0, 0, True)

    def portions(rows: NDArray[np.int64]) -> Iterator[NDArray[np.float64]]:
        for start in range(0, len(rows), ROWS_AT_ONCE):
            yield features[rows[start : start + ROWS_AT_ONCE]][:, varying].astype(np.float64)

    scaler = StandardScaler()
    for portion in portions(train):
        scaler.partial_fit(portion)
    standardised, end = np.empty((len(train), len(varying))), 0
    for portion in portions(train):
        start, end = end, end + len(portion)
        standardised[start:end] = scaler.transform(portion)
    model = LogisticRegression(C=RECIPE.prior_variance / len(varying), max_iter=RECIPE.max_iterations)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(standardised, targets[train])
    everyone = portions(np.arange(len(targets)))
    scores = np.concatenate([model.decision_function(scaler.transform(portion)) for portion in everyone])
    logits = scores if scores.ndim == 2 else np.stack([np.zeros(len(scores)), scores], axis=1)
    converged = not any(issubclass(one.category, ConvergenceWarning) for one in caught)
    return Fit(logits, len(varying), int(model.n_iter_.max()), converged)


def pixel_features(view: Images) -> dict[str, NDArray[Any]]:
    """Features of a view's images by baseline, in one pass.

    ``mean_rgb``: means of the channels, shape (images, 3); ``color_histogram``: shares of the pixels
    by level, bin by bin for red, green and blue; ``raw_pixels``: the pixels, uint8.
    """
    bins, side = RECIPE.histogram_bins, RECIPE.pixels_side
    means, shares = np.empty((len(view), 3)), np.empty((len(view), 3 * bins), np.float32)
    pixels = np.empty((len(view), side * side * 3), np.uint8)
    for row in tracked(range(len(view)), len(view), "counting colours"):
        counts = extracted(view, LEVEL_COUNTS, row)
        of_pixels = counts / counts[0].sum()
        means[row] = of_pixels @ np.arange(LEVELS)
        shares[row] = of_pixels.reshape(3 * bins, LEVELS // bins).sum(axis=1)
        pixels[row] = extracted(view, square(side), row).reshape(-1)
    return {"mean_rgb": means, "color_histogram": shares, "raw_pixels": pixels}


class _Inputs:
    """What the baselines of one test set are fitted on; one view's features in memory at a time."""

    def __init__(self, job: BaselinesJob, split: pd.DataFrame) -> None:
        self._job, self._split = job, split
        samples = read_samples(job.samples)
        if list(samples["id"]) != list(split["id"]):
            raise NullcropError(
                f"{job.split} and {job.samples} name different images: delete the split and run again"
            )
        self._samples = samples
        self._of_view = lru_cache(maxsize=1)(lambda view: pixel_features(self._view(view)))

    @cached_property
    def _facts(self) -> pd.DataFrame:
        """File facts, read where a baseline asks for them."""
        return file_facts(self._samples)

    def sha256(self, cell: Cell) -> str | None:
        """Hash of what the features are computed from."""
        if cell.architecture == "majority":
            return None
        if cell.architecture == "file_facts":
            return hashlib.sha256(self._facts.to_csv(index=False).encode()).hexdigest()
        return str(self._view(cell.view).facts["pixels_sha256"])

    def features(self, cell: Cell) -> NDArray[Any]:
        """Features, one row an image of the split."""
        if cell.architecture == "majority":
            return np.empty((len(self._split), 0))
        if cell.architecture == "file_facts":
            return self._facts.to_numpy()
        return self._of_view(cell.view)[cell.architecture]

    def _view(self, view: str) -> View:
        return open_view(self._job.views / f"{view}.json", self._split, self._job.split)


def _processor() -> str:
    """Processor kind for which the linear algebra runs, part of the numerics' name."""
    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    kinds = sorted({library.get("architecture", library["internal_api"]) for library in libraries})
    return "_".join(kinds).lower()


def _summary(cell: Cell, fit: Fit, seconds: float) -> str:
    name = f"{cell.view}, {cell.architecture}"
    if fit.features == 0 and cell.architecture != "majority":
        return f"{name}: no feature differs between the training images; the answer is the largest class"
    end = "" if fit.converged else f"; stopped after {fit.iterations} iterations before it had converged"
    return f"{name}: {fit.features} features, {duration(seconds)}{end}"
