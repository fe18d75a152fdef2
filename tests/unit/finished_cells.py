"""Finished cells made in memory: a dataset's test images, and scores with a signal of known size."""

from itertools import product

import numpy as np
from scipy.stats import norm

from nullcrop.config.cell import Cell
from nullcrop.statistics.auroc import TestSet
from nullcrop.statistics.metrics import Answers
from nullcrop.statistics.tables import FinishedCell


def a_test_set(n=120, positives=40, group="", name="test set"):
    """``n`` images, the first ``positives`` of target 1; ``group`` is a text for all, or one an image."""
    target = (np.arange(n) < positives).astype(np.int64)
    ids = np.array([f"{name} {i:05d}" for i in range(n)])
    return TestSet(target, np.broadcast_to(np.asarray(group, dtype=str), n).copy(), name, ids)


def answers(test, score):
    """Answers that say 1 where ``score`` (N) is positive, or the class with the largest of a row's (N×K)."""
    score = np.asarray(score, float)
    odds = np.stack([-score, score], axis=1) if score.ndim == 1 else score
    predicted = (score > 0).astype(np.int64) if score.ndim == 1 else score.argmax(axis=1)
    return Answers(test, predicted, odds)


def finished(test, score, dataset="d", labels="printed", split="random", view="upper_left", **coordinates):
    """One finished cell."""
    names = {"architecture": "vgg16", "recipe": "paper", "seed": 0, **coordinates}
    facts = {"n_train": 8 * test.n, "n_val": test.n, "n_test": test.n, "numerics": "cpu", "seconds": 1.0}
    return FinishedCell(Cell(dataset, labels, split, view, **names), facts, answers(test, score))


def folds_of(test, folds=10, partitions=1):
    """Seed of each fold, with its rows of ``test`` and its own test set; groups stay together."""
    found = {}
    for partition in range(partitions):
        units = np.random.default_rng(partition).permutation(test.n_units)
        for fold, tested in enumerate(np.array_split(units, folds)):
            rows = np.flatnonzero(np.isin(test.unit, tested))
            seed = folds * partition + fold
            part = TestSet(test.target[rows], test.group[rows], f"{test.name} {seed}", test.image[rows])
            found[seed] = (rows, part)
    return found


def crossfitted(parts, score, split="crossfit", **coordinates):
    """One reader's cells, one a fold of ``parts``; ``score`` is of all images, or of those and a seed."""
    of = score if callable(score) else lambda seed: score
    return [
        finished(part, of(seed)[rows], split=split, seed=seed, **coordinates)
        for seed, (rows, part) in parts.items()
    ]


def scores(test, auroc, seed):
    """Normal scores of ``test`` whose AUROC is ``auroc`` in expectation."""
    noise = np.random.default_rng(seed).normal(size=test.n)
    return noise + np.sqrt(2) * norm.ppf(auroc) * test.target


def a_study(
    views, architectures, auroc, seeds=1, split="random", n=120, positives=40, group="", **coordinates
):
    """Cells of all ``views`` × ``architectures`` × ``seeds``; ``auroc`` is a number, or one by view."""
    found = []
    for seed in range(seeds):
        test = a_test_set(n, positives, group, f"{coordinates} {split} {seed}")
        for number, (view, architecture) in enumerate(product(views, architectures)):
            level = auroc[view] if isinstance(auroc, dict) else auroc
            recipe = (
                "paper"
                if architecture in ("vgg16", "resnet50", "densenet121", "inception_v3", "lenet5")
                else "baseline"
            )
            found.append(
                finished(
                    test,
                    scores(test, level, [seed, number, len(split)]),
                    split=split,
                    view=view,
                    architecture=architecture,
                    recipe=recipe,
                    seed=seed,
                    **coordinates,
                )
            )
    return found
