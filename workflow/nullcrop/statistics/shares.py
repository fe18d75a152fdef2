"""Accuracy, precision, recall and F-1 as means over seeds, each with an interval."""

from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from nullcrop.config.names import protocol_of
from nullcrop.statistics.auroc import LEVEL

SHARES = ("accuracy", "precision", "recall", "f1")
"""The four numbers that the study's tables and panels show."""


def mean_share(metric: str, runs: pd.DataFrame) -> dict[str, Any]:
    """Mean of ``metric`` (one of SHARES) over the seeds of one cell, and how sure it is.

    ``runs`` has one row a seed, with split, seed, n, accuracy and, for any other metric, the counts tn, fp, fn, tp.
    Returned are ``n`` (test images, :func:`images_tested`), ``seeds``, ``mean``, ``low`` and ``high`` (95 % Wilson
    interval of one test set with that mean), and ``spread`` (standard deviation over seeds, NaN for one). Shares
    lie in 0 … 1; 0 of 0 counts as 0, as in scikit-learn and most tables.

    The interval of F-1 is that of the Jaccard index J = tp / (tp + fp + fn), a proportion of which
    F-1 is the monotone 2J / (1 + J).
    """
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

    Seeds of `tenfold` are folds of one cross-validation (ten of each draw), whose images add up.
    """
    if protocol_of(str(runs["split"].iloc[0])) == "tenfold":
        return round(runs.groupby(runs["seed"] // 10)["n"].sum().mean())
    return int(runs["n"].iloc[0])
