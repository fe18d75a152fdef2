"""How often the audit finds something where nothing is, and how often where something is: simulated datasets.

    PYTHONPATH=workflow python benchmarks/error_rates.py                       # 11 minutes on a core
    PYTHONPATH=workflow python benchmarks/error_rates.py --part fixed --datasets 400

Three tables, in Markdown; each rate with its standard error.

`level`: no reader can see anything, but readers are trained: ridge regressions on features of four views,
cross-fitted with the splits of the workflow. Labels that are tested were trained on, so that a null of
fixed scores is too narrow: without the factor c (c = 1) more than 5 % of the datasets are found. Beside it
the factor of the workflow, and the largest there is, √2.

`power`: the same readers, of which some see a cue, by what is judged: the average of all readers on each
view, the readers, or both, as the workflow does. All three have the factor of the workflow.

`fixed`: scores that nobody trained, on one test set with labels of odd structures. Several networks' scores
are correlated (r = 0.5) and, where images have groups, share a group's effect. Without signal, labels are
drawn apart from scores, for whole groups or image by image with a share that differs between groups. With
signal, all positives' scores are shifted to the AUROC named. These shares of the datasets are printed:

- maxT: any of the networks is found at 5 % by the corrected test; without signal it should be 5 %;
- by units, bootstrap, DeLong: a single network is found by the three p of metrics.csv (5 %);
- bound: the lower bound exceeds 0.6 although the AUROC is 0.6 (at most 5 %);
- power: something is found where the AUROC is 0.7.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from nullcrop.config.cell import Cell
from nullcrop.config.names import FOLDS_OF
from nullcrop.splits import make_split
from nullcrop.statistics.auroc import TestSet, bootstrap_auroc, delong, estimate_auroc
from nullcrop.statistics.crossfit import Reading, averages, readings
from nullcrop.statistics.maxt import maxt
from nullcrop.statistics.metrics import Answers
from nullcrop.statistics.tables import FinishedCell
from nullcrop.training.cells import rows_of_parts

LEVEL = 0.05
NETWORKS = 6
DRAWS = 199
Labels = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class Case:
    """How labels fall among images and groups, and what scores look like."""

    labels: Callable[[np.random.Generator], Labels]
    """Target and unit of each image."""
    effect: float = 0.0
    """Standard deviation of a group's effect on the scores; an image's own is 1."""
    values: int = 0
    """Scores are rounded to this many values a standard deviation; 0: not at all."""


def images(n: int, positives: int) -> Callable[[np.random.Generator], Labels]:
    """Independent images."""
    return lambda rng: (rng.permutation(np.arange(n) < positives).astype(np.int64), np.arange(n))


def groups(
    sizes: Callable[[np.random.Generator], NDArray[np.int64]], positives: int
) -> Callable[..., Labels]:
    """Groups of one target each."""

    def draw(rng: np.random.Generator) -> Labels:
        size = sizes(rng)
        target = rng.permutation(np.arange(len(size)) < positives).astype(np.int64)
        return np.repeat(target, size), np.repeat(np.arange(len(size)), size)

    return draw


def mixed_groups(
    sizes: Callable[[np.random.Generator], NDArray[np.int64]], a: float, b: float
) -> Callable[..., Labels]:
    """Groups that hold both targets, in shares drawn from Beta(a, b)."""

    def draw(rng: np.random.Generator) -> Labels:
        size = sizes(rng)
        share = np.repeat(rng.beta(a, b, len(size)), size)
        return (rng.random(len(share)) < share).astype(np.int64), np.repeat(np.arange(len(size)), size)

    return draw


def duplicates(rng: np.random.Generator) -> Labels:
    """78 images, most alone, some twice or more, three such groups with both targets."""
    unit = np.unique(np.sort(rng.integers(0, 60, 78)), return_inverse=True)[1]
    target = (rng.random(unit.max() + 1) < 0.3)[unit].astype(np.int64)
    several = np.flatnonzero(np.bincount(unit) > 1)
    for one in rng.choice(several, 3, replace=False):
        target[np.flatnonzero(unit == one)[:2]] = [0, 1]
    return target, unit


def of_size(mean: float, spread: float, count: int) -> Callable[[np.random.Generator], NDArray[np.int64]]:
    """Group sizes, log-normal; spread 0: all equal."""
    return lambda rng: np.maximum(rng.lognormal(np.log(mean), spread, count), 2).round().astype(np.int64)


CASES = {
    "78 images, 21 positive": Case(images(78, 21)),
    "78 images, 6 positive": Case(images(78, 6)),
    "150 images, scores of few values": Case(images(150, 50), values=1),
    "28 patients of one class, 10 images each": Case(groups(of_size(10, 0, 28), 9), effect=1),
    "28 patients of one class, 2 to 200 images": Case(groups(of_size(12, 1, 28), 9), effect=1),
    "7 patients of one class": Case(groups(of_size(30, 0.5, 7), 3), effect=1),
    "78 images with duplicates": Case(duplicates, effect=1),
    "28 patients of both classes, 300 images each": Case(
        mixed_groups(of_size(300, 0, 28), 1.2, 2.5), effect=1
    ),
    "28 patients of both classes, unequal": Case(mixed_groups(of_size(90, 0.8, 28), 0.5, 1.2), effect=1),
    "28 patients of both classes, no patient effect": Case(mixed_groups(of_size(90, 0.8, 28), 0.5, 1.2)),
    "10 patients of both classes, unequal": Case(mixed_groups(of_size(60, 0.6, 10), 1.2, 2.5), effect=1),
}


def scores(
    case: Case, rng: np.random.Generator, target: NDArray[np.int64], unit: NDArray[np.int64], auroc: float
):
    """Scores of all networks (NETWORKS × N) whose AUROC is ``auroc``."""

    def noise() -> NDArray[np.float64]:
        effects = rng.normal(size=unit.max() + 1)[unit]
        return (case.effect * effects + rng.normal(size=len(unit))) / np.hypot(case.effect, 1)

    common = noise()
    drawn = np.stack([np.sqrt(0.5) * (common + noise()) for _ in range(NETWORKS)])
    drawn += np.sqrt(2) * norm.ppf(auroc) * target
    return np.floor(drawn * case.values) if case.values else drawn


def simulate(case: Case, datasets: int, seed: int = 0) -> dict[str, float]:
    """Shares of ``datasets`` simulated datasets in which something was found; see the module."""
    found = dict.fromkeys(("maxT", "by units", "bootstrap", "DeLong", "bound", "power"), 0)
    for number in range(datasets):
        rng = np.random.default_rng([seed, number])
        target, unit = case.labels(rng)
        group = unit.astype(str) if unit.max() + 1 < len(unit) else np.full(len(unit), "")
        test = TestSet(target, group, f"{seed} {number}")
        for auroc, name in ((0.5, "maxT"), (0.6, "bound"), (0.7, "power")):
            drawn = scores(case, rng, target, unit, auroc)
            bounds = maxt([(test, score) for score in drawn], LEVEL, DRAWS).low
            found[name] += bool(np.nanmax(bounds, initial=-1) > (0.6 if name == "bound" else 0.5))
            if name == "maxT":
                found["by units"] += estimate_auroc(test, drawn[0])[0].p <= LEVEL
                found["DeLong"] += delong(target == 1, drawn[0])[2] <= LEVEL
                if test.grouped:
                    found["bootstrap"] += bootstrap_auroc(test, drawn[0], DRAWS)[2] <= LEVEL
    rates = {name: count / datasets for name, count in found.items()}
    return rates if test.grouped else {**rates, "bootstrap": np.nan}


@dataclass(frozen=True)
class Trained:
    """Datasets on which ridge regressions are cross-fitted."""

    n: int
    split: str
    images_per_group: int = 1
    seen: tuple[float, ...] = (0, 0, 0, 0, 0)
    """How far positives are shifted in one of the features of each reader, in standard deviations."""


POSITIVE_SHARE = 0.27
VIEWS = 4
FEATURES = 12
"""Of a reader on a view. A quarter of their variance is shared by all, a quarter by the reader's views."""

PENALTY = 30.0

LEVELS = {
    f"{n} images{f', {images} of each patient' if images > 1 else ''}, {FOLDS_OF[split]} folds": Trained(
        n, split, images
    )
    for n in (780, 300)
    for images in (1, 4)
    for split in ("crossfit", "crossfit5")
}

SHARED_CUES = {
    "none": (0, 0, 0, 0, 0),
    "one, strongly": (0.6, 0, 0, 0, 0),
    "one, weakly": (0.27, 0, 0, 0, 0),
    "two": (0.3, 0.3, 0, 0, 0),
    "all, weakly": (0.2, 0.2, 0.2, 0.2, 0.2),
    "all, more": (0.27, 0.27, 0.27, 0.27, 0.27),
}
"""Which readers see the cue, and how well."""


@dataclass(frozen=True)
class Layout:
    """Targets, units and folds, the same in all datasets of a case: their images are drawn anew and alike, so
    that other labels would be another order of the images and nothing more."""

    target: NDArray[np.int64]
    unit: NDArray[np.int64]
    folds: list[dict[str, NDArray[np.int64]]]


@cache
def layout_of(n: int, split: str, images_per_group: int) -> Layout:
    """The layout of ``n`` images, in groups of one target each."""
    count = -(-n // images_per_group)
    unit = np.repeat(np.arange(count), images_per_group)[:n]
    positive = np.random.default_rng(n).permutation(count) < round(POSITIVE_SHARE * count)
    target = positive.astype(np.int64)[unit]
    samples = pd.DataFrame({"id": np.arange(n).astype(str), "group": "", "official_split": ""})
    if images_per_group > 1:
        samples["group"] = unit.astype(str)
    parts = [make_split(samples, pd.Series(target), split, fold) for fold in range(FOLDS_OF[split])]
    return Layout(target, unit, [rows_of_parts(part) for part in parts])


def cross_fitted(case: Trained, number: int, rng: np.random.Generator) -> list[FinishedCell]:
    """The cells of dataset ``number``: each reader on each view in each fold."""
    layout = layout_of(case.n, case.split, case.images_per_group)
    grouped, readers = case.images_per_group > 1, len(case.seen)
    target, unit = layout.target, layout.unit

    def noise(*shape: int) -> NDArray[np.float64]:
        own = rng.normal(size=(*shape, case.n, FEATURES))
        if not grouped:
            return own
        return np.sqrt(0.5) * (own + rng.normal(size=(*shape, unit.max() + 1, FEATURES))[..., unit, :])

    features = 0.5 * (noise(1, 1) + noise(readers, 1)) + np.sqrt(0.5) * noise(readers, VIEWS)
    features[..., 0] += np.array(case.seen)[:, None, None] * target
    # The null's draws are named after the images, hence others for each dataset.
    ids = np.array([f"{number} {i:05d}" for i in range(case.n)])
    group = unit.astype(str) if grouped else np.full(case.n, "")
    cells = []
    for fold, rows in enumerate(layout.folds):
        train, test = rows["train"], rows["test"]
        tested = TestSet(target[test], group[test], f"{number} {fold}", ids[test])
        facts = {"n_train": len(train), "n_test": len(test)}
        for reader, view in np.ndindex(readers, VIEWS):
            score = ridge(features[reader, view], target, train)[test]
            answers = Answers(tested, (score > 0).astype(np.int64), np.stack([-score, score], axis=1))
            cell = Cell("d", "printed", case.split, f"view {view}", f"reader {reader}", "ridge", fold)
            cells.append(FinishedCell(cell, facts, answers))
    return cells


def ridge(
    features: NDArray[np.float64], target: NDArray[np.int64], train: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Answers to all images (N) of a ridge regression to 0 and 1, fitted to the rows ``train``."""
    centred = features - features[train].mean(axis=0)
    inside, truth = centred[train], target[train] - target[train].mean()
    weights = np.linalg.solve(inside.T @ inside + PENALTY * np.eye(features.shape[1]), inside.T @ truth)
    answers: NDArray[np.float64] = centred @ weights
    return answers


def any_found(of: Sequence[Reading], factor: float | None = None) -> bool:
    """Whether the corrected test finds any of the readings, with the factor c of the workflow or another."""
    inflation = [one.inflation if factor is None else factor for one in of]
    family = maxt([(one.test, one.score) for one in of], LEVEL, DRAWS, inflation)
    return bool((family.p <= LEVEL).any())


def simulate_level(case: Trained, datasets: int, seed: int = 1) -> dict[str, float]:
    """Shares of ``datasets`` in which something was found although there is nothing, by factor c."""
    found = dict.fromkeys(("c = 1", "c of the workflow", "c = √2"), 0)
    for number in range(datasets):
        own = readings(cross_fitted(case, number, np.random.default_rng([seed, number])))
        members = own + averages(own)
        family = maxt([(one.test, one.score) for one in members], LEVEL, DRAWS)
        # A bound exceeds 0.5 exactly where the test rejects; that of another c is as many times as far away.
        half = family.critical * family.error
        for name, factor in zip(found, (1.0, members[0].inflation, np.sqrt(2)), strict=True):
            found[name] += bool((family.value - factor * half > 0.5).any())
    return {name: count / datasets for name, count in found.items()}


def simulate_power(case: Trained, datasets: int, seed: int = 2) -> dict[str, float]:
    """Shares of ``datasets`` in which something was found, by what is judged."""
    found = dict.fromkeys(("average alone", "max over readers", "max over readers and average"), 0)
    for number in range(datasets):
        own = readings(cross_fitted(case, number, np.random.default_rng([seed, number])))
        mean = averages(own)
        for name, judged in zip(found, (mean, own, own + mean), strict=True):
            found[name] += any_found(judged)
    return {name: count / datasets for name, count in found.items()}


Rates = Callable[[Any, int], dict[str, float]]

PARTS: dict[str, tuple[str, dict[str, Any], Rates]] = {
    "level": ("trained readers, no cue", LEVELS, simulate_level),
    "power": (
        "which readers see the cue",
        {name: Trained(780, "crossfit", 1, seen) for name, seen in SHARED_CUES.items()},
        simulate_power,
    ),
    "fixed": ("fixed scores", CASES, simulate),
}


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--datasets", type=int, default=200, help="of each row")
    parser.add_argument("--part", choices=PARTS, nargs="+", default=["level", "power"])
    parser.add_argument("--quick", action="store_true", help="two datasets of the first row of each table")
    options = parser.parse_args()
    datasets = 2 if options.quick else options.datasets
    for name in PARTS if options.quick else options.part:
        heading, cases, rates_of = PARTS[name]
        started = time.process_time()
        for place, (case_name, case) in enumerate(cases.items()):
            rates = rates_of(case, datasets)
            if not place:
                print(f"| {heading}, {datasets} datasets each | {' | '.join(rates)} |")
                print("|---" * (1 + len(rates)) + "|")
            print(
                f"| {case_name} | {' | '.join(percent(rate, datasets) for rate in rates.values())} |",
                flush=True,
            )
            if options.quick:
                break
        print(f"{time.process_time() - started:.0f} s of CPU\n")


def percent(rate: float, datasets: int) -> str:
    """A share of so many datasets, and its standard error."""
    if np.isnan(rate):
        return "–"
    return f"{100 * rate:.1f} ± {100 * np.sqrt(rate * (1 - rate) / datasets):.1f} %"


if __name__ == "__main__":
    main()
