"""Metrics of one cell: what its predictions on the test images say, and how surely."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import comb, logsumexp
from scipy.stats import binomtest, norm, rankdata
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    f1_score,
    matthews_corrcoef,
    precision_score,
    recall_score,
    roc_auc_score,
)
from statsmodels.stats.proportion import proportion_confint

from nullcrop.errors import NullcropError, listed

Value = float | int | bool

LEVEL = 0.95
"""Coverage of every interval."""

CONSTANT_ABOVE = 0.99
"""A predictor is called constant when more than this share of its answers is one class."""


def cell_metrics(predictions: pd.DataFrame, n_targets: int) -> dict[str, Value]:
    """Metrics of one cell from its ``predictions``, one row a test image.

    ``predictions`` has the columns target and predicted (integers in 0 … K - 1, K = ``n_targets``)
    and logit_0 … logit_{K-1} (raw outputs of the network). Shares lie in 0 … 1. Returned are

    - ``n``; ``positives`` (images of target 1) or, for K > 2, ``count_0`` … ``count_{K-1}``;
      ``chance`` = 1/K; ``no_information_rate``, the largest class share of these very images;
    - ``accuracy`` with the 95 % intervals of Wilson (1927) and of Clopper and Pearson (1934), and
      ``p_no_information``: exact one-sided binomial test of accuracy above the no-information
      rate, as in caret's confusionMatrix (Kuhn 2008);
    - ``sensitivity``, ``precision``, ``f1``, ``specificity``, ``balanced_accuracy``, ``mcc``;
    - ``auroc`` with ``auroc_low``, ``auroc_high`` and ``p_auroc`` of :func:`delong`, which is naive:
      it takes images for independent and ignores groups. Several images of one patient make
      the interval too narrow and p too small. ``average_precision`` beside it;
    - ``tn``, ``fp``, ``fn``, ``tp`` for two targets;
    - ``constant``: over 99 % of the answers are one class.

    Scores are log-odds in double precision (:func:`log_odds`), which do not saturate as a softmax
    does. For K > 2 sensitivity, precision, F1, specificity, AUROC and average precision are
    one-versus-rest, averaged over the targets that occur among the test images; a target that
    occurs but is never predicted has precision 0 there; DeLong's columns are NaN.

    NaN marks what is undefined: precision when nothing is predicted positive; sensitivity or
    specificity without images to count; all that compares classes when only one is present.

    Raises NullcropError when the table is empty, lacks a column, or holds NaN or impossible values.
    """
    target, predicted, logits = _checked(predictions, n_targets)
    n, correct = len(target), int((target == predicted).sum())
    counts = np.bincount(target, minlength=n_targets)
    no_information_rate = counts.max() / n
    wilson = proportion_confint(correct, n, alpha=1 - LEVEL, method="wilson")
    exact = proportion_confint(correct, n, alpha=1 - LEVEL, method="beta")
    of_classes = _two_classes if n_targets == 2 else _many_classes
    return {
        "n": n,
        **({"positives": int(counts[1])} if n_targets == 2 else _named("count", counts)),
        "chance": 1 / n_targets,
        "no_information_rate": float(no_information_rate),
        "accuracy": correct / n,
        "wilson_low": float(wilson[0]),
        "wilson_high": float(wilson[1]),
        "clopper_pearson_low": float(exact[0]),
        "clopper_pearson_high": float(exact[1]),
        "p_no_information": float(binomtest(correct, n, no_information_rate, alternative="greater").pvalue),
        **of_classes(target, predicted, log_odds(logits)),
        "constant": bool(np.bincount(predicted).max() / n > CONSTANT_ABOVE),
    }


def log_odds(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds of each class against all others, from ``logits`` (N×K); for two, logit_1 - logit_0.

    Ranks images as the softmax probability does, without its ties near 0 and 1.
    """
    others = [logsumexp(np.delete(logits, k, axis=1), axis=1) for k in range(logits.shape[1])]
    odds: NDArray[np.float64] = logits - np.stack(others, axis=1)
    return odds


def delong(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> tuple[float, float, float]:
    """95 % interval of the AUROC and one-sided p against 0.5: (low, high, p).

    ``positive`` and ``score`` have shape N. The variance is that of DeLong, DeLong and
    Clarke-Pearson (1988, Biometrics 44:837), computed from midranks in O(N log N) after Sun and
    Xu (2014, IEEE Signal Processing Letters 21:1389). Images are taken for independent: groups
    are ignored. The interval is clipped to 0 … 1.

    The variance is zero when the scores part the classes wholly (AUROC 1 or 0) or are all equal
    (AUROC 0.5). Then p is the exact permutation p, and the interval that of Clopper and Pearson
    for min(positives, negatives) disjoint, hence independent, pairs which all agree. With fewer
    than two images of either class everything is NaN.
    """
    m, n = int(positive.sum()), int((~positive).sum())
    if min(m, n) < 2:
        return np.nan, np.nan, np.nan
    midranks = rankdata(score)
    # Share of negatives below each positive, and of positives above each negative; ties half.
    of_positives = (midranks[positive] - rankdata(score[positive])) / n
    of_negatives = 1 - (midranks[~positive] - rankdata(score[~positive])) / m
    auroc = of_positives.mean()
    variance = of_positives.var(ddof=1) / m + of_negatives.var(ddof=1) / n
    if variance == 0:
        agreement = proportion_confint(min(m, n), min(m, n), alpha=1 - LEVEL, method="beta")[0]
        p = 1 / comb(m + n, m, exact=True) if auroc == 1 else 1.0
        return float(auroc * agreement), float(1 - (1 - auroc) * agreement), p
    error = np.sqrt(variance)
    half = norm.ppf((1 + LEVEL) / 2) * error
    return float(max(auroc - half, 0)), float(min(auroc + half, 1)), float(norm.sf((auroc - 0.5) / error))


def _two_classes(
    target: NDArray[np.int64], predicted: NDArray[np.int64], score: NDArray[np.float64]
) -> dict[str, Value]:
    tn, fp, fn, tp = (int(count) for count in confusion_matrix(target, predicted, labels=[0, 1]).ravel())
    sensitivity = recall_score(target, predicted, zero_division=np.nan)
    specificity = recall_score(target, predicted, pos_label=0, zero_division=np.nan)
    values = {
        "sensitivity": sensitivity,
        "precision": precision_score(target, predicted, zero_division=np.nan),
        "f1": f1_score(target, predicted, zero_division=np.nan),
        "specificity": specificity,
        "balanced_accuracy": (sensitivity + specificity) / 2,
        **_of_scores(target, predicted, score, [1]),
    }
    return {**_plain(values), "tn": tn, "fp": fp, "fn": fn, "tp": tp}


def _many_classes(
    target: NDArray[np.int64], predicted: NDArray[np.int64], score: NDArray[np.float64]
) -> dict[str, Value]:
    present = np.unique(target)
    macro = {"labels": present, "average": "macro", "zero_division": 0}
    sensitivity = recall_score(target, predicted, **macro)
    # Of the images of the other classes, the share not taken for this one.
    specificities = [(predicted[target != k] != k).mean() for k in present if len(present) > 1]
    values = {
        "sensitivity": sensitivity,
        "precision": precision_score(target, predicted, **macro),
        "f1": f1_score(target, predicted, **macro),
        "specificity": np.mean(specificities) if specificities else np.nan,
        "balanced_accuracy": sensitivity if len(present) > 1 else np.nan,
        **_of_scores(target, predicted, score, present.tolist()),
    }
    return _plain(values)


def _of_scores(
    target: NDArray[np.int64], predicted: NDArray[np.int64], score: NDArray[np.float64], classes: list[int]
) -> dict[str, float]:
    """MCC, AUROC and average precision; one-versus-rest, averaged over ``classes``."""
    names = ("mcc", "auroc", "auroc_low", "auroc_high", "p_auroc", "average_precision")
    if len(np.unique(target)) < 2:
        return dict.fromkeys(names, np.nan)
    auroc = np.mean([roc_auc_score(target == k, score[:, k]) for k in classes])
    precision = np.mean([average_precision_score(target == k, score[:, k]) for k in classes])
    interval = delong(target == 1, score[:, 1]) if score.shape[1] == 2 else (np.nan, np.nan, np.nan)
    return dict(zip(names, (matthews_corrcoef(target, predicted), auroc, *interval, precision), strict=True))


def _checked(
    predictions: pd.DataFrame, n_targets: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Target (N), predicted (N) and logits (N×K), or a NullcropError that says what is wrong."""
    columns = [f"logit_{k}" for k in range(n_targets)]
    missing = [name for name in ("target", "predicted", *columns) if name not in predictions]
    if missing:
        raise NullcropError(f"the predictions lack the column {listed(missing)}")
    if predictions.empty:
        raise NullcropError("the predictions are empty: there is no test image to count")
    try:
        logits = predictions[columns].to_numpy(np.float64)
        classes = predictions[["target", "predicted"]].to_numpy(np.float64)
    except ValueError as error:
        raise NullcropError(f"the predictions hold something that is not a number: {error}") from None
    broken = int((~np.isfinite(logits)).any(axis=1).sum())
    if broken:
        raise NullcropError(
            f"{broken} of {len(logits)} test images have a NaN or infinite output: the training diverged, "
            "or the file is damaged"
        )
    if not np.isin(classes, np.arange(n_targets)).all():
        raise NullcropError(
            f"target and predicted must be whole numbers from 0 to {n_targets - 1}, one of each a test image"
        )
    target, predicted = classes.astype(np.int64).T
    return target, predicted, logits


def _named(name: str, values: NDArray[np.int64]) -> dict[str, int]:
    return {f"{name}_{k}": int(value) for k, value in enumerate(values)}


def _plain(values: Mapping[str, float]) -> dict[str, Value]:
    """Python floats in place of NumPy's, so that the result is plain data."""
    return {name: float(value) for name, value in values.items()}
