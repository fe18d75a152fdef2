"""A live check of the factor c: ridge regressions like the pixel baselines, refitted on permuted labels.

A verdict's null permutes labels at fixed scores and widens it by c (config/detectable.py), because labels
that are tested were trained on, too. A ridge regression has a closed form, so that one can do without c:
permute the labels, fit anew, and see how far the pooled AUROC varies. Its spread over that of fixed
scores is what c has to be.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from nullcrop.basics.files import written_whole
from nullcrop.basics.progress import tracked
from nullcrop.statistics.auroc import Floats, TestSet
from nullcrop.statistics.crossfit import DECIMALS, inflation, pooled_score
from nullcrop.statistics.maxt import drawn_labels, of_rank_sums
from nullcrop.statistics.refits import Fold, folds_of, ridge_penalty
from nullcrop.training.baselines import pixel_features
from nullcrop.training.cells import open_view, read_split

DRAWS = 300
"""Refits on permuted labels: a standard deviation is then known to 4 %."""

MOST_IMAGES = 20_000
"""Of larger datasets whole groups are drawn until there are so many images."""

RATIO_COLUMNS = [
    "labels",
    "split",
    "view",
    "architecture",
    "images",
    "inflation",
    "null_ratio",
    "null_ratio_error",
]


def check_inflation(
    splits: Sequence[Path], views_folder: Path, views: Sequence[str], baselines: Sequence[str], out: Path
) -> None:
    """Write the ratio of each baseline's twin on each view, for each label rule and split, as CSV.

    ``splits`` are files as results/splits/{dataset}/{labels}/{split}/seed{seed}.csv, of one dataset. Columns:
    RATIO_COLUMNS, see :func:`null_ratio`. Raises NullcropError when they do not fit the views.
    """
    of_split: dict[tuple[str, str], list[Path]] = {}
    for path in splits:
        of_split.setdefault((path.parent.parent.name, path.parent.name), []).append(path)
    steps = [(names, paths, view) for names, paths in of_split.items() for view in views]
    rows = []
    with threadpool_limits(1):
        for (labels, split), paths, view in tracked(steps, len(steps), "views refitted"):
            tables = [read_split(path) for path in paths]
            features = pixel_features(
                open_view(views_folder / f"{view}.json", tables[0], paths[0]), baselines
            )
            test, folds = folds_of(tables, MOST_IMAGES)
            seeds = [int(path.stem.removeprefix("seed")) for path in paths]
            share = float(np.mean([len(fold.test) / len(fold.train) for fold in folds]))
            for name in baselines:
                ratio = null_ratio(features[name], test, folds)
                rows.append(
                    {
                        **dict(zip(RATIO_COLUMNS, (labels, split, view, name), strict=False)),
                        "images": test.n,
                        "inflation": inflation(split, seeds, share),
                        "null_ratio": ratio,
                        # Of a standard deviation from so many draws (normal theory).
                        "null_ratio_error": ratio / np.sqrt(2 * (DRAWS - 1)),
                    }
                )
    with written_whole(out) as aside:
        pd.DataFrame(rows, columns=RATIO_COLUMNS).to_csv(aside, index=False)


def null_ratio(features: NDArray[Any], test: TestSet, folds: Sequence[Fold], draws: int = DRAWS) -> float:
    """Spread of a ridge regression's pooled AUROC over refits on permuted labels, in units of the spread that
    permuting the labels of its fixed scores gives.

    ``features`` (N × any number) belong to the images of ``test``; each of ``folds`` is answered by a fit to
    its training images. Labels move between whole units of the dataset, the same in training and test. The
    spread at fixed scores is each refit's own: that of its scores under the labels of all other draws. Of
    more than two targets each is told from the rest, and their AUROCs are averaged. NaN where no feature
    varies.
    """
    labels = drawn_labels(test, draws)[1:].T  # N × draws
    targets = [1] if int(test.target.max()) == 1 else np.unique(test.target).tolist()
    aurocs = np.zeros((draws, draws))
    for target in targets:
        positive = (labels == target).astype(float)
        score, times = np.zeros((test.n, draws)), np.zeros(test.n)
        for fold in folds:
            score[fold.test] += pooled_score(_ridge(features, fold, positive))
            times[fold.test] += 1
        tested = times > 0
        ranks = scipy.stats.rankdata((score[tested] / times[tested, None]).round(DECIMALS), axis=0)
        aurocs += of_rank_sums(ranks.T, positive[tested]) / len(targets)
    refitted = np.diag(aurocs) - 0.5
    others = np.where(np.eye(draws, dtype=bool), np.nan, aurocs)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = refitted / np.nanstd(others, axis=1)
    return float(np.nanstd(ratios)) if np.isfinite(ratios).any() else np.nan


def _ridge(features: NDArray[Any], fold: Fold, positive: Floats) -> Floats:
    """Answers (test images × draws) of ridge regressions to each column of ``positive`` (N × draws).

    Features are standardised by the training images.
    """
    train = features[fold.train].astype(float)
    centre, spread = train.mean(axis=0), train.std(axis=0)
    varying = spread > 0
    if not varying.any():
        return np.zeros((len(fold.test), positive.shape[1]))
    standardised = ((train - centre) / np.where(varying, spread, 1))[:, varying]
    penalty = ridge_penalty(int(varying.sum()), float(positive[fold.train].mean()))
    factor = scipy.linalg.cho_factor(standardised.T @ standardised + penalty * np.eye(int(varying.sum())))
    truth = positive[fold.train]
    weights = scipy.linalg.cho_solve(factor, standardised.T @ (truth - truth.mean(axis=0)))
    test = ((features[fold.test].astype(float) - centre) / np.where(varying, spread, 1))[:, varying]
    answers: Floats = test @ weights
    return answers
