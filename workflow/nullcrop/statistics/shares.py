"""Accuracy, precision, recall and F-1 as means over seeds, each with an interval, and what stands beside
them."""

from typing import Any

import numpy as np
import pandas as pd

from nullcrop.config.names import FOLDS_OF, protocol_of
from nullcrop.statistics.auroc import LEVEL

SHARES = ("accuracy", "precision", "recall", "f1")
"""The four numbers that the study's tables and panels show."""


def exists(metric: str, runs: pd.DataFrame) -> "pd.Series[bool]":
    """Whether each row of ``runs`` has a value of ``metric`` (one of SHARES): there is no precision where
    nothing is called positive, no recall without a positive image, and no F-1 without either."""
    if metric == "accuracy":
        return runs["n"] > 0
    counted = {"recall": ("tp", "fn"), "precision": ("tp", "fp"), "f1": ("tp", "fp", "fn")}[metric]
    return runs[list(counted)].sum(axis=1) > 0


def mean_share(metric: str, runs: pd.DataFrame) -> dict[str, Any]:
    """Mean of ``metric`` (one of SHARES) over the seeds of one cell, and how sure it is.

    ``runs`` has one row a seed, with split, seed, n, accuracy and, for any other metric, the counts tn, fp,
    fn, tp. Returned are ``n`` (test images, :func:`images_tested`), ``seeds``, ``mean``, ``low`` and ``high``
    (95 % Wilson interval of one test set with that mean), and ``spread`` (standard deviation over seeds, NaN
    for one). Shares lie in 0 … 1; 0 of 0 counts as 0, as in scikit-learn and most tables.

    The interval of F-1 is that of the Jaccard index J = tp / (tp + fp + fn), a proportion of which
    F-1 is the monotone 2J / (1 + J).
    """
    from statsmodels.stats.proportion import proportion_confint

    images = runs["n"].to_numpy(float)
    if metric == "accuracy":
        hits, of = np.rint(runs["accuracy"].to_numpy(float) * images), images
    else:
        tp, fp, fn = (runs[name].to_numpy(float) for name in ("tp", "fp", "fn"))
        hits, of = {"recall": (tp, tp + fn), "precision": (tp, tp + fp), "f1": (tp, tp + fp + fn)}[metric]
    shares = np.divide(hits, of, out=np.zeros_like(hits), where=of > 0)
    tested = images_tested(runs)
    n, mean = of.mean() * tested / images.mean(), shares.mean()
    bounds = proportion_confint(mean * n, n, alpha=1 - LEVEL, method="wilson") if n else (np.nan, np.nan)
    if metric == "f1":
        shares, bounds = 2 * shares / (1 + shares), [2 * bound / (1 + bound) for bound in bounds]
    return {
        "n": tested,
        "seeds": len(runs),
        "mean": float(shares.mean()),
        "low": float(bounds[0]),
        "high": float(bounds[1]),
        "spread": float(shares.std(ddof=1)) if len(runs) > 1 else np.nan,
    }


def images_tested(runs: pd.DataFrame) -> int:
    """Images that ``runs`` of one cell, one row a seed, have tested: those of one test set.

    Seeds of a cross-validation (FOLDS_OF) are folds, whose images add up within each partition.
    """
    folds = FOLDS_OF.get(protocol_of(str(runs["split"].iloc[0])))
    if folds:
        return round(runs.groupby(runs["seed"] // folds)["n"].sum().mean())
    return int(runs["n"].iloc[0])


def no_information_rates(runs: pd.DataFrame) -> "pd.Series[float]":
    """The no-information rate to hold each row of ``runs`` against, in their order.

    ``runs`` has one row a cell, as :func:`~nullcrop.statistics.tables.metrics_of_cells` gives it; rows
    without a result keep NaN. It is the cell's own, but for folds (FOLDS_OF): there it is the rate of all
    folds of a partition together, because small folds hold their largest class by accident, each another
    one.
    """
    rates = runs["no_information_rate"].copy()
    of = runs["split"].map(protocol_of).map(FOLDS_OF)
    folds = runs[of.notna() & rates.notna()]
    for _, draw in folds.groupby(["dataset", "labels", "split", folds["seed"] // of[folds.index]]):
        tested = draw.drop_duplicates("seed")
        if "positives" in tested and tested["positives"].notna().all():
            positives = tested["positives"].sum()
            counts = np.array([tested["n"].sum() - positives, positives], float)
        else:
            counts = tested.filter(regex=r"^count_\d+$").sum().to_numpy(float)
        rates[draw.index] = counts.max() / counts.sum()
    return rates
