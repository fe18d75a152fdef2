"""How often the tests find something where nothing is, and how often where something is: simulated datasets.

    PYTHONPATH=workflow python benchmarks/error_rates.py --datasets 1000

Each dataset has several networks whose scores are correlated (r = 0.5) and, where images have groups, share a
group's effect. Without signal, labels are drawn apart from scores, for whole groups or image by image with
a share that differs between groups. With signal, all positives' scores are shifted to the AUROC named. These
shares of the datasets are printed:

- maxT: any of the networks is found at 5 % by the corrected test; without signal it should be 5 %;
- by units, bootstrap, DeLong: a single network is found by the three p of metrics.csv (5 %);
- strong: the verdict would be `strong` although the AUROC is 0.6 (at most 5 %);
- power: something is found where the AUROC is 0.7.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, norm

from nullcrop.statistics.auroc import TestSet, bootstrap_auroc, delong, estimate_auroc
from nullcrop.statistics.maxt import maxt

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
    "200 images, half positive": Case(images(200, 100)),
    "78 images, 21 positive": Case(images(78, 21)),
    "78 images, 6 positive": Case(images(78, 6)),
    "400 images, 32 positive": Case(images(400, 32)),
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
    found = dict.fromkeys(("maxT", "by units", "bootstrap", "DeLong", "strong", "power"), 0)
    for number in range(datasets):
        rng = np.random.default_rng([seed, number])
        target, unit = case.labels(rng)
        group = unit.astype(str) if unit.max() + 1 < len(unit) else np.full(len(unit), "")
        test = TestSet(target, group, f"{seed} {number}")
        for auroc, name in ((0.5, "maxT"), (0.6, "strong"), (0.7, "power")):
            drawn = scores(case, rng, target, unit, auroc)
            bounds = maxt([(test, score) for score in drawn], LEVEL, DRAWS).bound
            found[name] += bool(np.nanmax(bounds, initial=-1) > (0.6 if name == "strong" else 0.5))
            if name == "maxT":
                found["by units"] += estimate_auroc(test, drawn[0])[0].p <= LEVEL
                found["DeLong"] += delong(target == 1, drawn[0])[2] <= LEVEL
                if test.grouped:
                    found["bootstrap"] += bootstrap_auroc(test, drawn[0], DRAWS)[2] <= LEVEL
    rates = {name: count / datasets for name, count in found.items()}
    return rates if test.grouped else {**rates, "bootstrap": np.nan}


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--datasets", type=int, default=1000)
    parser.add_argument("--case", choices=CASES, nargs="+", default=list(CASES))
    options = parser.parse_args()
    low, high = binom.ppf([0.025, 0.975], options.datasets, LEVEL) / options.datasets
    print(f"{options.datasets} datasets a case; a rate of 5 % is seen as {low:.1%} to {high:.1%}")
    columns = ("maxT", "by units", "bootstrap", "DeLong", "strong", "power")
    print(f"{'':48}" + "".join(f"{name:>10}" for name in columns) + "   seconds")
    for name in options.case:
        start = time.process_time()
        rates = simulate(CASES[name], options.datasets)
        cells = "".join("         –" if np.isnan(rates[c]) else f"{rates[c]:10.1%}" for c in columns)
        print(f"{name:48}{cells}{time.process_time() - start:10.0f}", flush=True)


if __name__ == "__main__":
    main()
