"""Metrics of one cell: what its predictions on the test images say, and how surely."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.statistics.auroc import LEVEL, Floats, TestSet, bootstrap_auroc, delong, estimate_auroc

Value = float | int | bool

CONSTANT_ABOVE = 0.99
"""A predictor is called constant when more than this share of its answers is one class."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What one cell says of the images of its test set."""

    test: TestSet
    predicted: NDArray[np.int64]
    odds: NDArray[np.float64]
    """Log-odds of each target against all others (N×K)."""

    @property
    def score(self) -> NDArray[np.float64]:
        """What images are ranked by: the log-odds of target 1 (N), or of each of more than two (N×K)."""
        return self.odds[:, 1] if self.odds.shape[1] == 2 else self.odds

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each answer is right (N)."""
        right: NDArray[np.bool_] = self.predicted == self.test.target
        return right

    @property
    def constant(self) -> bool:
        """Whether nearly all answers are one class: then the threshold is off, and the accuracy is that
        class's share. It says nothing against the AUROC."""
        return bool(np.bincount(self.predicted).max() / self.test.n > CONSTANT_ABOVE)


def answers_of(predictions: pd.DataFrame, n_targets: int, name: str = "") -> Answers:
    """The answers in ``predictions``, one row a test image.

    ``predictions`` has the columns target and predicted (integers in 0 … K - 1, K = ``n_targets``),
    logit_0 … logit_{K-1} (raw outputs of the network) and group (text; empty: none); with id (text), they
    can be put together with those of other parts. Scores are log-odds in double precision
    (:func:`log_odds`), which do not saturate as a softmax does. ``name`` seeds the draws on this test
    set. Raises NullcropError when the table is empty, lacks a column, or holds NaN or impossible values.
    """
    target, predicted, logits = _checked(predictions, n_targets)
    group = predictions["group"].fillna("").to_numpy(str)
    image = predictions["id"].to_numpy(str) if "id" in predictions else None
    return Answers(TestSet(target, group, name, image), predicted, log_odds(logits))


def cell_metrics(answers: Answers, bootstrap: bool = True) -> dict[str, Value]:
    """Metrics of one cell. Shares lie in 0 … 1. ``bootstrap`` draws groups with replacement, where there are
    any. Returned are

    - ``n``; ``units``, the independent ones among them: groups, and images without a group;
      ``rarest_units``, those that hold the target which the fewest hold;
      ``positives`` (images of target 1) or, for K > 2, ``count_0`` … ``count_{K-1}``;
      ``chance`` = 1/K; ``no_information_rate``, the largest class share of these very images;
    - ``accuracy`` with the 95 % intervals of Wilson (1927) and of Clopper and Pearson (1934), and
      ``p_no_information``: exact one-sided binomial test of accuracy above the no-information
      rate, as in caret's confusionMatrix (Kuhn 2008); all three take images for independent.
      ``accuracy_low``, ``accuracy_high``: 95 % interval by units (:func:`mean_by_units`), right for several
      images of one patient;
    - ``sensitivity``, ``precision``, ``f1``, ``specificity``, ``balanced_accuracy``, ``mcc``;
    - ``auroc`` with ``auroc_error``, ``auroc_low``, ``auroc_high`` and the primary test ``p_auroc``
      (one-sided, against 0.5), of :func:`~nullcrop.statistics.auroc.estimate_auroc`: by units, hence right
      for several images of one patient;
    - ``delong_low``, ``delong_high``, ``p_delong``: the same as if images were independent, which where they
      are not is too narrow and too small; ``bootstrap_low``, ``bootstrap_high``, ``p_bootstrap``: the plain
      bootstrap of groups, where there are any; all NaN for K > 2;
    - ``average_precision``; ``tn``, ``fp``, ``fn``, ``tp`` for two targets;
    - ``constant``: over 99 % of the answers are one class.

    For K > 2 sensitivity, precision, F1, specificity, AUROC and average precision are
    one-versus-rest, averaged over the targets that occur among the test images; a target that
    occurs but is never predicted has precision 0 there.

    NaN marks what is undefined: precision when nothing is predicted positive; sensitivity or
    specificity without images to count; all that compares classes when only one is present.
    """
    from statsmodels.stats.proportion import proportion_confint

    target, n_targets = answers.test.target, answers.odds.shape[1]
    n, correct = len(target), int(answers.correct.sum())
    counts = np.bincount(target, minlength=n_targets)
    no_information_rate = counts.max() / n
    wilson = proportion_confint(correct, n, alpha=1 - LEVEL, method="wilson")
    exact = proportion_confint(correct, n, alpha=1 - LEVEL, method="beta")
    by_units = accuracy_interval(answers.test, answers.correct)
    of_classes = _two_classes if n_targets == 2 else _many_classes
    return {
        "n": n,
        "units": answers.test.n_units,
        "rarest_units": answers.test.rarest_units,
        **({"positives": int(counts[1])} if n_targets == 2 else _named("count", counts)),
        "chance": 1 / n_targets,
        "no_information_rate": float(no_information_rate),
        "accuracy": correct / n,
        "wilson_low": float(wilson[0]),
        "wilson_high": float(wilson[1]),
        "clopper_pearson_low": float(exact[0]),
        "clopper_pearson_high": float(exact[1]),
        "accuracy_low": by_units[0],
        "accuracy_high": by_units[1],
        "p_no_information": float(
            scipy.stats.binomtest(correct, n, no_information_rate, alternative="greater").pvalue
        ),
        **of_classes(answers, bootstrap),
        "constant": answers.constant,
    }


def mean_by_units(test: TestSet, values: Floats, added: Sequence[float]) -> tuple[float, float, float]:
    """Mean of ``values`` (N) and of ``added`` images, its error by units, and degrees of freedom.

    The error is that of a mean of clusters (the linearised variance of a ratio).
    """
    n, units = test.n + len(added), test.n_units + len(added)
    mean = (values.sum() + sum(added)) / n
    squares = (np.bincount(test.unit, values - mean) ** 2).sum() + sum((one - mean) ** 2 for one in added)
    return float(mean), float(np.sqrt(units / (units - 1) * squares) / n), units - 1.0


def accuracy_interval(
    test: TestSet, correct: NDArray[np.bool_] | Floats, factor: float = 1.0
) -> tuple[float, float]:
    """95 % interval of the share of right answers by units, two right and two wrong images added (Agresti and
    Coull 1998, Am Stat 52:119), ``factor`` (c) times as wide."""
    mean, error, df = mean_by_units(test, correct.astype(float), (1.0, 1.0, 0.0, 0.0))
    half = scipy.stats.t.ppf((1 + LEVEL) / 2, df) * factor * error
    return float(max(mean - half, 0)), float(min(mean + half, 1))


def log_odds(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds of each class against all others, from ``logits`` (N×K); for two, logit_1 - logit_0.

    Ranks images as the softmax probability does, without its ties near 0 and 1.
    """
    others = [scipy.special.logsumexp(np.delete(logits, k, axis=1), axis=1) for k in range(logits.shape[1])]
    odds: NDArray[np.float64] = logits - np.stack(others, axis=1)
    return odds


def _two_classes(answers: Answers, bootstrap: bool) -> dict[str, Value]:
    from sklearn.metrics import confusion_matrix, f1_score, precision_score, recall_score

    target, predicted = answers.test.target, answers.predicted
    tn, fp, fn, tp = (int(count) for count in confusion_matrix(target, predicted, labels=[0, 1]).ravel())
    sensitivity = recall_score(target, predicted, zero_division=np.nan)
    specificity = recall_score(target, predicted, pos_label=0, zero_division=np.nan)
    values = {
        "sensitivity": sensitivity,
        "precision": precision_score(target, predicted, zero_division=np.nan),
        "f1": f1_score(target, predicted, zero_division=np.nan),
        "specificity": specificity,
        "balanced_accuracy": (sensitivity + specificity) / 2,
        **_of_scores(answers, [1], bootstrap),
    }
    return {**_plain(values), "tn": tn, "fp": fp, "fn": fn, "tp": tp}


def _many_classes(answers: Answers, bootstrap: bool) -> dict[str, Value]:
    from sklearn.metrics import f1_score, precision_score, recall_score

    target, predicted = answers.test.target, answers.predicted
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
        **_of_scores(answers, present.tolist(), bootstrap),
    }
    return _plain(values)


SCORES = (
    "mcc",
    "auroc",
    "auroc_error",
    "auroc_low",
    "auroc_high",
    "p_auroc",
    "delong_low",
    "delong_high",
    "p_delong",
    "bootstrap_low",
    "bootstrap_high",
    "p_bootstrap",
    "average_precision",
)


def _of_scores(answers: Answers, classes: list[int], bootstrap: bool) -> dict[str, float]:
    """MCC, AUROC and average precision; one-versus-rest, averaged over ``classes``."""
    from sklearn.metrics import average_precision_score, matthews_corrcoef

    test, score = answers.test, answers.score
    if len(np.unique(test.target)) < 2:
        return dict.fromkeys(SCORES, np.nan)
    estimate, _ = estimate_auroc(test, score)
    unknown = (np.nan, np.nan, np.nan)
    values = (
        matthews_corrcoef(test.target, answers.predicted),
        estimate.value,
        estimate.error,
        *estimate.interval(),
        estimate.p,
        *(delong(test.target == 1, score) if score.ndim == 1 else unknown),
        *(bootstrap_auroc(test, score) if bootstrap and score.ndim == 1 and test.grouped else unknown),
        np.mean([average_precision_score(test.target == k, answers.odds[:, k]) for k in classes]),
    )
    return dict(zip(SCORES, values, strict=True))


def _checked(
    predictions: pd.DataFrame, n_targets: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Target (N), predicted (N) and logits (N×K), or a NullcropError that says what is wrong."""
    columns = [f"logit_{k}" for k in range(n_targets)]
    missing = [name for name in ("group", "target", "predicted", *columns) if name not in predictions]
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
            f"{broken} of {len(logits)} test images have a NaN or infinite output: the training diverged, or "
            "the file is damaged"
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
