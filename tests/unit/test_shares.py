"""No-information rates of whole cross-validations, against scikit-learn's blind answer on all images."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier
from sklearn.metrics import confusion_matrix, f1_score, precision_score, recall_score

from nullcrop.config.names import FOLDS_OF
from nullcrop.statistics.metrics import answers_of, cell_metrics
from nullcrop.statistics.shares import images_tested, mean_share, no_information_rates


def cell_of(target: np.ndarray, n_targets: int, **coordinates) -> dict:
    """A cell's row in the table of metrics, its answers without meaning."""
    logits = {f"logit_{k}": np.linspace(-1, 1, len(target)) * k for k in range(n_targets)}
    predictions = pd.DataFrame({"group": "", "target": target, "predicted": 0, **logits})
    coordinates = {"dataset": "d", "labels": "printed", "view": "original", **coordinates}
    return {**coordinates, **cell_metrics(answers_of(predictions, n_targets))}


def blind_accuracy(target: np.ndarray) -> float:
    """What the largest class of these very images reaches."""
    blind = DummyClassifier(strategy="most_frequent").fit(np.zeros((len(target), 1)), target)
    return blind.score(np.zeros((len(target), 1)), target)


@settings(max_examples=20)
@given(
    st.integers(2, 5),
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(1, 12), min_size=2, max_size=5),
    st.sampled_from(sorted(FOLDS_OF)),
)
def test_folds_of_one_draw_share_the_rate_of_all_their_images(n_targets, seed, sizes, split):
    rng = np.random.default_rng(seed)
    folds = [rng.integers(0, n_targets, size) for size in sizes]
    # Images are counted once, whoever answered: the second network has not answered the last fold yet.
    rows = [
        cell_of(target, n_targets, split=split, seed=3 * FOLDS_OF[split] + fold, architecture=name)
        for name, answered in (("lenet5", folds), ("resnet50", folds[:-1]))
        for fold, target in enumerate(answered)
    ]
    table = pd.DataFrame(rows)
    rates = no_information_rates(table)
    assert rates.to_list() == pytest.approx([blind_accuracy(np.concatenate(folds))] * len(rows))
    # Another partition tests the same images again.
    again = pd.concat([table, table.assign(seed=table["seed"] + FOLDS_OF[split])])
    tested = {name: images_tested(runs) for name, runs in again.groupby("architecture")}
    assert tested == {"lenet5": sum(sizes), "resnet50": sum(sizes[:-1])}


@pytest.mark.parametrize("column", ["dataset", "labels", "split"])
def test_folds_of_other_datasets_label_rules_and_splits_are_other_draws(column):
    own = cell_of(np.array([0, 0, 1]), 2, split="tenfold", seed=0, labels="printed", dataset="d")
    other = cell_of(np.array([0, 1, 1, 1]), 2, split="tenfold", seed=1, labels="printed", dataset="d")
    other[column] = {"dataset": "e", "labels": "revised", "split": "tenfold_balanced"}[column]
    assert no_information_rates(pd.DataFrame([own, other])).to_list() == pytest.approx([2 / 3, 3 / 4])


def test_each_draw_of_folds_and_each_other_cell_keeps_its_own_rate():
    targets = {
        ("tenfold", 0): [0, 0, 1],
        ("tenfold", 1): [1, 1, 0],
        ("tenfold", 10): [0, 0, 0, 1],
        ("random", 0): [0, 0, 1],
        ("random", 1): [1, 1, 1],
    }
    rows = [cell_of(np.array(target), 2, split=split, seed=seed) for (split, seed), target in targets.items()]
    assert no_information_rates(pd.DataFrame(rows)).to_list() == pytest.approx(
        [1 / 2, 1 / 2, 3 / 4, 2 / 3, 1]
    )


@pytest.mark.parametrize("metric", ["precision", "recall", "f1"])
def test_a_share_of_nothing_counts_as_zero_as_in_scikit_learn(metric):
    """Nothing is called positive, nothing is, neither; and one seed of which every share exists."""
    targets = [[0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 1, 1]]
    answers = [[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0]]
    rows = [
        {"tn": tn, "fp": fp, "fn": fn, "tp": tp, "split": "random", "seed": seed, "n": 4}
        for seed, pair in enumerate(zip(targets, answers, strict=True))
        for tn, fp, fn, tp in [confusion_matrix(*pair, labels=[0, 1]).ravel()]
    ]
    score = {"precision": precision_score, "recall": recall_score, "f1": f1_score}[metric]
    expected = [score(*pair, zero_division=0) for pair in zip(targets, answers, strict=True)]
    assert mean_share(metric, pd.DataFrame(rows))["mean"] == pytest.approx(np.mean(expected))


def test_rows_without_a_result_stay_empty():
    rows = [cell_of(np.array([0, 1, 1]), 2, split="tenfold", seed=0)]
    rows.append({**rows[0], "seed": 1, "n": np.nan, "positives": np.nan, "no_information_rate": np.nan})
    first, second = no_information_rates(pd.DataFrame(rows))
    assert first == pytest.approx(2 / 3)
    assert np.isnan(second)
