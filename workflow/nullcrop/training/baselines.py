"""Baselines: what is reached without a network, from the same split and with the same outputs as a cell's.

Each is a logistic regression on features, the largest class of the training images where it has none; their
records: config/readers.py. They say what a network's score is worth: colour alone tells over 50 % (three
means) and over 80 % (histograms) of the nine tissues of NCT-CRC-HE-100K, where deep networks stand at 97 %
(Ignatov and Malivenko 2024, arXiv:2409.11546).
"""

import hashlib
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy
import sklearn
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info, threadpool_limits

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import sha256_of
from nullcrop.basics.progress import duration, say, tracked
from nullcrop.config.cell import Cell, baseline_cells
from nullcrop.config.readers import BASELINES, Part
from nullcrop.config.recipe import BaselineRecipe
from nullcrop.config.registry import implementation
from nullcrop.datasets.samples import read_samples
from nullcrop.images.extracts import LEVEL_COUNTS, LEVELS, square
from nullcrop.images.store import Images, PackedView, extracted
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
    on: tuple[str, ...] | None = None
    """Names of the views whose baselines are fitted; None: those that every dataset has."""
    baselines: tuple[str, ...] | None = None
    """Names of the baselines; None: those that every test set has."""


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
    """Fit the baselines of one test set on some views and write each as a cell: predictions.csv, history.csv,
    cell.json.

    A baseline that was finished from the same inputs is kept (:func:`~nullcrop.training.cells.is_kept`).
    Everything is fitted on the training images alone, on one thread, and is deterministic. Raises
    NullcropError when inputs do not fit together.
    """
    split = read_split(job.split)
    with threadpool_limits(1):
        inputs = _Inputs(job, split)
        for cell in baseline_cells(job.dataset, job.labels, job.protocol, job.seed, job.on, job.baselines):
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
    split_sha256 = sha256_of(job.split)
    identity = identity_of(
        {
            "architecture": cell.architecture,
            "recipe": asdict(RECIPE),
            "features": inputs.sha256(cell),
            "split": split_sha256,
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
        losses = -scipy.special.log_softmax(logits, axis=1)[np.arange(len(truth)), truth]
        # A split may have no validation part.
        loss, accuracy = (losses.mean(), (logits.argmax(1) == truth).mean()) if len(truth) else (np.nan,) * 2
        history |= {f"{part}_loss": loss, f"{part}_accuracy": accuracy}
    n_targets = fit.logits.shape[1]
    record = {
        "recipe": asdict(RECIPE),
        "input_size": RECIPE.pixels_side if BASELINES[cell.architecture].reads == "square" else None,
        "numerics": numerics,
        "identity": identity,
        "split_sha256": split_sha256,
        "parameters": (fit.features + 1) * (1 if n_targets == 2 else n_targets),
        "features": fit.features,
        "iterations": fit.iterations,
        "converged": fit.converged,
        "seconds": seconds,
        "seconds_of_this_run": time.monotonic() - started,
        "hardware": f"CPU, 1 thread, {processor}",
        "versions": versions(**{"scikit-learn": sklearn.__version__, "scipy": scipy.__version__}),
    }
    write_cell(cell, work, split, fit.logits[rows["test"]], [history | {"seconds": seconds}], record)
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


def pixel_features(view: Images, names: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
    """Features of a view's images by baseline, in one pass, one row an image.

    ``names``: baselines that see pixels; None: those that every test set has. Raises NullcropError when one
    gives features of several lengths.
    """
    if names is None:
        names = [name for name, one in BASELINES.items() if one.always and one.sees == "pixels"]
    functions = {name: implementation(str(BASELINES[name].features)) for name in names}
    parts = {BASELINES[name].reads for name in names}
    found: dict[str, NDArray[Any]] = {}
    for row in tracked(range(len(view)), len(view), "counting colours"):
        given = {part: _part_of_image(view, row, part) for part in parts}
        for name, function in functions.items():
            features = np.asarray(function(given[BASELINES[name].reads]))
            if name not in found:
                found[name] = np.empty((len(view), *features.shape), features.dtype)
            if features.ndim != 1 or features.shape != found[name].shape[1:]:
                raise NullcropError(
                    f"the baseline '{name}' gives features of shape {features.shape} for one image and of "
                    f"{found[name].shape[1:]} for another; it must give one dimension of a fixed length"
                )
            found[name][row] = features
    return found


def _part_of_image(view: Images, row: int, part: Part) -> NDArray[Any]:
    """What a baseline whose record says that it reads ``part`` is given of the image in ``row``."""
    match part:
        case "levels":
            return extracted(view, LEVEL_COUNTS, row)
        case "square":
            return extracted(view, square(RECIPE.pixels_side), row)
    return view[row]


def mean_rgb(counts: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Mean of each channel (3) of an image with these level counts (3 × LEVELS)."""
    means: NDArray[np.float64] = _shares_of_levels(counts) @ np.arange(LEVELS)
    return means


def color_histogram(counts: NDArray[np.uint32]) -> NDArray[np.float32]:
    """Shares of the pixels by level, bin by bin for red, green and blue (3 × histogram_bins)."""
    bins = RECIPE.histogram_bins
    shares = _shares_of_levels(counts).reshape(3 * bins, LEVELS // bins).sum(axis=1)
    rounded: NDArray[np.float32] = shares.astype(np.float32)
    return rounded


def raw_pixels(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The pixels themselves."""
    return image.reshape(-1)


def _shares_of_levels(counts: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Shares of the pixels at each level by channel (3 × LEVELS)."""
    shares: NDArray[np.float64] = counts / counts[0].sum()
    return shares


class _Inputs:
    """What the baselines of one test set are fitted on; one view's features in memory at a time."""

    def __init__(self, job: BaselinesJob, split: pd.DataFrame) -> None:
        self._job, self._split = job, split
        self._samples = read_samples(job.samples)
        if list(self._samples["id"]) != list(split["id"]):
            raise NullcropError(
                f"{job.split} and {job.samples} name different images: delete the split and run again"
            )
        fitted = job.baselines or [name for name, one in BASELINES.items() if one.always]
        seeing = [name for name in fitted if BASELINES[name].sees == "pixels"]
        self._of_view = lru_cache(maxsize=1)(lambda view: pixel_features(self._view(view), seeing))
        self._of_files = lru_cache(maxsize=None)(
            lambda name: implementation(str(BASELINES[name].features))(self._samples)
        )

    def sha256(self, cell: Cell) -> str | None:
        """Hash of what the features are computed from."""
        match BASELINES[cell.architecture].sees:
            case "nothing":
                return None
            case "file":
                table: pd.DataFrame = self._of_files(cell.architecture)
                return hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()
        return str(self._view(cell.view).sidecar["pixels_sha256"])

    def features(self, cell: Cell) -> NDArray[Any]:
        """Features, one row an image of the split."""
        match BASELINES[cell.architecture].sees:
            case "nothing":
                return np.empty((len(self._split), 0))
            case "file":
                of_files: NDArray[Any] = self._of_files(cell.architecture).to_numpy()
                return of_files
        return self._of_view(cell.view)[cell.architecture]

    def _view(self, view: str) -> PackedView:
        return open_view(self._job.views / f"{view}.json", self._split, self._job.split)


def _processor() -> str:
    """Processor kind for which the linear algebra runs, part of the numerics' name."""
    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    kinds = sorted({library.get("architecture", library["internal_api"]) for library in libraries})
    return "_".join(kinds).lower()


def _summary(cell: Cell, fit: Fit, seconds: float) -> str:
    name = f"{cell.view}, {cell.architecture}"
    if fit.features == 0 and BASELINES[cell.architecture].sees != "nothing":
        return f"{name}: no feature differs between the training images; the answer is the largest class"
    end = "" if fit.converged else f"; stopped after {fit.iterations} iterations before it had converged"
    return f"{name}: {fit.features} features, {duration(seconds)}{end}"
