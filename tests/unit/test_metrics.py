"""Metrics of a cell against published examples, other libraries, and the definitions themselves."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, mannwhitneyu, norm
from scipy.stats import t as student
from sklearn import metrics as sklearn_metrics

from nullcrop.basics.errors import NullcropError
from nullcrop.statistics.auroc import delong
from nullcrop.statistics.metrics import answers_of, cell_metrics, log_odds

pytestmark = pytest.mark.filterwarnings(
    "error", "default::ResourceWarning"
)  # what earlier tests left open is not theirs


def predictions(target, predicted=None, score=None, logits=None):
    """A table as a cell leaves it; for two targets ``score`` is logit_1 - logit_0."""
    if logits is None:
        score = np.asarray(predicted if score is None else score, float)
        logits = np.stack([-score / 2, score / 2], axis=1)
    predicted = logits.argmax(axis=1) if predicted is None else predicted
    columns = {f"logit_{k}": column for k, column in enumerate(np.asarray(logits).T)}
    ids = [f"image{i}" for i in range(len(target))]
    return pd.DataFrame({"id": ids, "group": "", "target": target, "predicted": predicted, **columns})


def evaluate(table, n_targets):
    return cell_metrics(answers_of(table, n_targets))


def of_confusion(tn, fp, fn, tp):
    return predictions([0] * (tn + fp) + [1] * (fn + tp), [0] * tn + [1] * fp + [0] * fn + [1] * tp)


def delong_by_definition(positive, score):
    """AUROC and its variance from all pairs: equations 3 to 5 of DeLong et al. (1988), term by term."""
    x, y = score[positive], score[~positive]
    psi = np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in y] for a in x])
    theta = psi.mean()
    s10 = ((psi.mean(axis=1) - theta) ** 2).sum() / (len(x) - 1)
    s01 = ((psi.mean(axis=0) - theta) ** 2).sum() / (len(y) - 1)
    return theta, s10 / len(x) + s01 / len(y)


# caret's own printed output. The first is the example of its confusionMatrix help page (abnormal is
# positive), the second a table discussed at stats.stackexchange.com/q/253435.
CARET = [
    (
        (54, 32, 27, 231),
        {
            "accuracy": 0.8285,
            "clopper_pearson_low": 0.7844,
            "clopper_pearson_high": 0.8668,
            "no_information_rate": 0.75,
            "p_no_information": 0.0003097,
            "sensitivity": 0.8953,
            "specificity": 0.6279,
            "precision": 0.8783,
            "balanced_accuracy": 0.7616,
        },
    ),
    (
        (55, 56, 34, 255),
        {
            "accuracy": 0.775,
            "clopper_pearson_low": 0.7309,
            "clopper_pearson_high": 0.815,
            "no_information_rate": 0.7225,
            "p_no_information": 0.00994,
            "sensitivity": 0.8824,
            "specificity": 0.4955,
            "precision": 0.8199,
            "balanced_accuracy": 0.6889,
        },
    ),
]


@pytest.mark.parametrize(("counts", "printed"), CARET)
def test_caret_prints_the_same(counts, printed):
    found = evaluate(of_confusion(*counts), 2)
    for name, value in printed.items():
        digits = 7 if value < 0.001 else 5 if value < 0.01 else 4
        assert round(found[name], digits) == value, name
    assert tuple(found[name] for name in ("tn", "fp", "fn", "tp")) == counts


def test_two_classes_as_scikit_learn_and_by_hand():
    rng = np.random.default_rng(1)
    target = rng.permutation(np.repeat([0, 1], [130, 70]))
    score = rng.normal(size=200) + target
    table = predictions(target, score=score)
    found, answer = evaluate(table, 2), table["predicted"]
    expected = {
        "n": 200,
        "positives": 70,
        "chance": 0.5,
        "accuracy": sklearn_metrics.accuracy_score(target, answer),
        "sensitivity": sklearn_metrics.recall_score(target, answer),
        "precision": sklearn_metrics.precision_score(target, answer),
        "f1": sklearn_metrics.f1_score(target, answer),
        "balanced_accuracy": sklearn_metrics.balanced_accuracy_score(target, answer),
        "mcc": sklearn_metrics.matthews_corrcoef(target, answer),
        "auroc": mannwhitneyu(score[target == 1], score[target == 0]).statistic / (130 * 70),
        "average_precision": sklearn_metrics.average_precision_score(target, score),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    known = [found[name] for name in ("delong_low", "delong_high", "p_delong")]
    assert known == pytest.approx(delong(target == 1, score))
    # Wilson's interval solves |p - accuracy| = z sqrt(p (1 - p) / n).
    for bound in (found["wilson_low"], found["wilson_high"]):
        distance = norm.ppf(0.975) * np.sqrt(bound * (1 - bound) / 200)
        assert abs(bound - found["accuracy"]) == pytest.approx(distance)
    # Clopper and Pearson's: each tail holds 2.5 %.
    correct = round(found["accuracy"] * 200)
    assert binom.sf(correct - 1, 200, found["clopper_pearson_low"]) == pytest.approx(0.025)
    assert binom.cdf(correct, 200, found["clopper_pearson_high"]) == pytest.approx(0.025)
    assert found["p_no_information"] == pytest.approx(binom.sf(correct - 1, 200, 0.65))
    assert found["constant"] is False
    assert all(type(value) in (int, float, bool) for value in found.values())


def test_many_classes_as_scikit_learn():
    rng = np.random.default_rng(2)
    target = rng.permutation(np.repeat([0, 1, 2, 3], [50, 40, 20, 10]))
    logits = rng.normal(size=(120, 4)) + 1.5 * np.eye(4)[target]
    table = predictions(target, logits=logits)
    found, answer = evaluate(table, 4), table["predicted"]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    confusions = sklearn_metrics.multilabel_confusion_matrix(target, answer)
    expected = {
        "chance": 0.25,
        "no_information_rate": 50 / 120,
        "count_3": 10,
        "sensitivity": sklearn_metrics.recall_score(target, answer, average="macro"),
        "precision": sklearn_metrics.precision_score(target, answer, average="macro"),
        "f1": sklearn_metrics.f1_score(target, answer, average="macro"),
        "specificity": np.mean([c[0, 0] / c[0].sum() for c in confusions]),
        "balanced_accuracy": sklearn_metrics.balanced_accuracy_score(target, answer),
        "mcc": sklearn_metrics.matthews_corrcoef(target, answer),
        "auroc": sklearn_metrics.roc_auc_score(target, probabilities, multi_class="ovr"),
        "average_precision": sklearn_metrics.average_precision_score(target, probabilities),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert all(np.isnan(found[name]) for name in ("delong_low", "delong_high", "p_delong"))
    assert found["auroc_low"] < found["auroc"] < found["auroc_high"]
    assert "tn" not in found
    assert "positives" not in found


scores = st.lists(st.integers(-4, 4), min_size=2, max_size=12)


@given(scores, scores)
def test_delong_is_the_definition_of_1988(above, below):
    score = np.array(above + below, float)
    positive = np.arange(len(score)) < len(above)
    theta, variance = delong_by_definition(positive, score)
    low, high, p = delong(positive, score)
    if variance > 0:
        half = norm.ppf(0.975) * np.sqrt(variance)
        assert (low, high) == pytest.approx((max(theta - half, 0), min(theta + half, 1)))
        assert p == pytest.approx(norm.sf((theta - 0.5) / np.sqrt(variance)))
    assert 0 <= low <= theta <= high <= 1


@pytest.mark.parametrize(
    ("above", "below", "low", "high", "p"),
    [
        ([3, 4, 5], [0, 1], 0.025**0.5, 1, 1 / 10),  # Clopper and Pearson for 2 of 2; 5 choose 3 orders
        ([0, 1], [3, 4, 5], 0, 1 - 0.025**0.5, 1),
        ([7, 7], [7, 7, 7], 0.025**0.5 / 2, 1 - 0.025**0.5 / 2, 1),
    ],
)
def test_delong_without_variance_is_exact(above, below, low, high, p):
    positive = np.arange(5) < len(above)
    assert delong(positive, np.array(above + below, float)) == pytest.approx((low, high, p))


@given(scores, scores)
@settings(max_examples=25)
def test_auroc_follows_ranks_alone_and_turns_with_the_classes(above, below):
    target = np.array([1] * len(above) + [0] * len(below))
    score = np.array(above + below, float)
    names = ["auroc", "auroc_low", "auroc_high", "p_auroc"]

    def auroc(target, score):
        return [evaluate(predictions(target, score=score), 2)[name] for name in names]

    first = auroc(target, score)
    assert auroc(target, np.exp(score) + 3) == pytest.approx(first)
    turned = auroc(1 - target, score)
    assert turned[:3] == pytest.approx([1 - first[0], 1 - first[2], 1 - first[1]])
    assert auroc(1 - target, -score) == pytest.approx(first)


@given(
    st.integers(2, 5).flatmap(
        lambda k: st.tuples(
            st.just(k), st.lists(st.tuples(*[st.integers(0, k - 1)] * 2), min_size=1, max_size=20)
        )
    ),
    st.randoms(),
)
@settings(max_examples=60)
def test_any_answers_give_sound_values_in_any_order(classes_and_pairs, random):
    k, pairs = classes_and_pairs
    target, predicted = np.array(pairs).T
    table = predictions(target, predicted, logits=np.eye(k)[predicted])
    found = evaluate(table, k)
    for name in ("accuracy", "sensitivity", "precision", "f1", "specificity", "auroc", "average_precision"):
        assert np.isnan(found[name]) or 0 <= found[name] <= 1
    if k > 2:
        # By hand: a class that occurs and is never answered counts as 0, one that does not occur not at all.
        of_classes = [
            (target[predicted == one] == one).mean() if one in predicted else 0 for one in set(target)
        ]
        assert found["precision"] == pytest.approx(np.mean(of_classes))
    assert found["clopper_pearson_low"] <= found["wilson_low"] + 0.05
    assert found["wilson_low"] - 1e-12 <= found["accuracy"] <= found["wilson_high"] + 1e-12
    order = random.sample(range(len(table)), len(table))
    assert evaluate(table.iloc[order], k) == pytest.approx(found, nan_ok=True)


def test_the_accuracys_interval_by_units_is_agresti_and_coulls_where_images_are_alone():
    found = evaluate(of_confusion(60, 15, 10, 35), 2)
    # Two right and two wrong images added, and Student's t in place of the normal quantile.
    n, p = 124, 97 / 124
    half = student.ppf(0.975, 123) * np.sqrt(p * (1 - p) / 123)
    assert (found["accuracy_low"], found["accuracy_high"]) == pytest.approx((p - half, p + half))
    assert n == found["n"] + 4
    assert found["accuracy_low"] == pytest.approx(found["wilson_low"], abs=0.01)


@pytest.mark.long
@pytest.mark.parametrize("times", [1, 4])
def test_the_accuracys_interval_by_units_covers_where_images_of_a_patient_are_alike(times):
    """40 patients whose images are right or wrong together: Wilson's interval of the images is too narrow."""
    missed, naive, patients = 0, 0, np.repeat(np.arange(40), times).astype(str)
    for number in range(200):
        right = np.repeat(np.random.default_rng(number).random(40) < 0.8, times).astype(int)
        found = evaluate(predictions(np.ones(40 * times, int), right).assign(group=patients), 2)
        missed += not found["accuracy_low"] <= 0.8 <= found["accuracy_high"]
        naive += not found["wilson_low"] <= 0.8 <= found["wilson_high"]
    assert missed <= binom.ppf(0.999, 200, 0.05)
    assert (naive > binom.ppf(0.999, 200, 0.05)) == (times > 1)


def test_scores_do_not_saturate():
    # In single precision a softmax gives 1.0 for all of these.
    logits = np.array([[0.0, 40.0], [0.0, 50.0], [0.0, 60.0], [0.0, 70.0]])
    assert evaluate(predictions([0, 0, 1, 1], logits=logits), 2)["auroc"] == 1
    assert log_odds(logits)[:, 1].tolist() == [40, 50, 60, 70]
    many = np.array([[1.0, 2.0, 3.0]])
    softmax = np.exp(many) / np.exp(many).sum()
    assert log_odds(many) == pytest.approx(np.log(softmax / (1 - softmax)))


def test_a_constant_answer_is_marked_and_is_no_better_than_blind():
    found = evaluate(predictions([1] * 30 + [0] * 70, [0] * 100, score=np.linspace(-2, -1, 100)), 2)
    assert found["constant"] is True
    assert found["accuracy"] == found["no_information_rate"] == 0.7
    assert found["p_no_information"] > 0.5
    assert (found["balanced_accuracy"], found["mcc"], found["f1"], found["sensitivity"]) == (0.5, 0, 0, 0)
    assert np.isnan(found["precision"])


@pytest.mark.parametrize(("others", "constant"), [(0, True), (1, False)])
def test_constant_means_over_99_percent(others, constant):
    assert evaluate(of_confusion(50, others, 50 - others, 0), 2)["constant"] is constant


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("only", [0, 1])
def test_one_class_among_the_test_images(k, only):
    predicted = np.array([0, 1, 1, 1])
    found = evaluate(predictions([only] * 4, predicted, logits=np.eye(k)[predicted]), k)
    undefined = (
        "auroc",
        "auroc_low",
        "auroc_high",
        "p_auroc",
        "average_precision",
        "mcc",
        "balanced_accuracy",
    )
    assert all(np.isnan(found[name]) for name in undefined)
    assert found["accuracy"] == (0.75 if only else 0.25)
    assert (found["no_information_rate"], found["p_no_information"]) == (1, 1)


def test_one_image():
    found = evaluate(predictions([1], [1]), 2)
    assert (found["n"], found["accuracy"], found["wilson_high"], found["sensitivity"]) == (1, 1, 1, 1)
    assert np.isnan(found["specificity"])


def test_one_image_of_a_class_has_an_auroc_but_no_interval():
    found = evaluate(predictions([0, 0, 1], score=[-1, 1, 2]), 2)
    assert found["auroc"] == 1
    assert all(np.isnan(found[name]) for name in ("auroc_low", "auroc_high", "p_auroc"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.iloc[:0], "empty"),
        (lambda table: table.drop(columns="logit_1"), "lack the column logit_1"),
        (lambda table: table.assign(logit_0=[0.5, np.nan]), "1 of 2 test images have a NaN"),
        (lambda table: table.assign(logit_0=[0.5, np.inf]), "1 of 2 test images have a NaN"),
        (lambda table: table.assign(logit_0=["0.5", "0.1x"]), "not a number"),
        (lambda table: table.assign(target=[0, 2]), "whole numbers from 0 to 1"),
        (lambda table: table.assign(target=[0, np.nan]), "whole numbers from 0 to 1"),
        (lambda table: table.assign(predicted=[0, 0.5]), "whole numbers from 0 to 1"),
    ],
)
def test_bad_predictions_are_said_in_words(change, words):
    with pytest.raises(NullcropError, match=words):
        evaluate(change(predictions([0, 1], [0, 1])), 2)
