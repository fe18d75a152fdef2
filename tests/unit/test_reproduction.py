"""Published values beside reproduced ones: which cells a printed number is about, and how near they come."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score
from statsmodels.stats.proportion import proportion_confint

from nullcrop.config.definitions import read_published_definitions
from nullcrop.config.names import EARLIER
from nullcrop.config.views import study_crops, view_names
from nullcrop.published.printed import read_published
from nullcrop.published.reproduction import (
    COLUMNS,
    STUDIED,
    Printed,
    compare_published,
    printed_values,
    write_reproduction,
)
from nullcrop.statistics.metrics import answers_of, cell_metrics

ALL_VIEWS = tuple(view_names())
CROPS = tuple(study_crops())

ROOT = Path(__file__).parents[2]
PUBLISHED = sorted((ROOT / "resources/published").glob("*.csv"))


@pytest.fixture(scope="module")
def values() -> list[Printed]:
    definitions = read_published_definitions([str(ROOT / "config/datasets")])
    return printed_values(read_published(PUBLISHED), definitions)


def predictions(seed: int, n: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 2, n)
    logits = np.stack([np.zeros(n), rng.normal(target, 1.5)], axis=1)
    return pd.DataFrame(
        {
            "group": "",
            "target": target,
            "predicted": logits.argmax(1),
            "logit_0": logits[:, 0],
            "logit_1": logits[:, 1],
        }
    )


def row_of(table: pd.DataFrame, **coordinates) -> dict:
    cell = {
        **{"dataset": "breakhis_40x", "labels": "printed", "split": "random", "view": "center"},
        **{"architecture": "vgg16", "recipe": "paper", "seed": 0},
    }
    return {**cell, **coordinates, **cell_metrics(answers_of(table, 2))}


def test_every_number_of_the_tables_and_every_claim_is_there(values):
    tables = [value for value in values if value.where.startswith("Table")]
    assert len(tables) == 5 * 24 * 4  # five tables of 24 rows and four numbers
    claims = pd.read_csv(ROOT / "resources/published/claims.csv")
    # `each` of VGG16's four corners or five crops, or of any network's four corners, is one value each.
    each = {("vgg16", "corners"): 4, ("vgg16", "crops"): 5, ("any", "corners"): 16}
    expected = sum(
        each[row.architecture, row.region] if row.statistic == "each" else 1 for row in claims.itertuples()
    )
    of_forerunner = [value for value in values if value.where.startswith("Dhar")]
    assert len(values) - len(tables) - len(of_forerunner) == expected


def test_columns_are_read_for_what_they_hold(values):
    # Table 6, DenseNet121 on originals: headed Recall 98.8588, F-1 99.3495, Precision 99.1036.
    printed = {
        value.metric: value.value
        for value in values
        if (value.where, value.architectures, value.views) == ("Table 6", ("densenet121",), ("original",))
    }
    assert printed == {"accuracy": 0.985376, "precision": 0.988588, "recall": 0.993495, "f1": 0.991036}
    assert printed["f1"] == pytest.approx(2 / (1 / printed["precision"] + 1 / printed["recall"]), abs=1e-6)


@pytest.mark.parametrize("metric", ["accuracy", "recall", "precision", "f1"])
def test_a_value_is_the_mean_over_seeds_of_what_scikit_learn_computes(metric):
    tables = [predictions(seed) for seed in range(3)]
    metrics = pd.DataFrame([row_of(table, seed=seed) for seed, table in enumerate(tables)])
    printed = Printed("breakhis_40x", "Table 7", False, ("vgg16",), ("center",), "value", metric, 0.7)
    (row,) = compare_published([printed], metrics, 0.02).to_dict("records")
    score = {"accuracy": accuracy_score, "recall": recall_score, "precision": precision_score, "f1": f1_score}
    expected = [score[metric](table["target"], table["predicted"]) for table in tables]
    assert row["reproduced"] == pytest.approx(np.mean(expected))
    assert row["spread"] == pytest.approx(np.std(expected, ddof=1))
    assert (row["seeds"], row["n"]) == (3, 200)
    assert row["low"] < row["reproduced"] < row["high"]
    assert row["agrees"] == (abs(np.mean(expected) - 0.7) <= 0.02)
    if metric == "accuracy":
        bounds = proportion_confint(np.mean(expected) * 200, 200, method="wilson")
        assert (row["low"], row["high"]) == pytest.approx(bounds)


@pytest.mark.long
def test_the_interval_of_f1_covers_it():
    """Of many test sets drawn from one population about 95 % have an interval that holds its F-1."""
    rng = np.random.default_rng(0)
    tp, fp, fn, _ = shares = np.array([0.2, 0.15, 0.1, 0.55])
    truth = 2 * tp / (2 * tp + fp + fn)
    printed = Printed("breakhis_40x", "Table 7", False, ("vgg16",), ("center",), "value", "f1", truth)
    covered = 0
    for counts in rng.multinomial(300, shares, size=300):
        row = {**row_of(predictions(0)), **dict(zip(("tp", "fp", "fn", "tn"), counts, strict=True))}
        (one,) = compare_published([printed], pd.DataFrame([row]), 0.02).to_dict("records")
        covered += one["low"] <= truth <= one["high"]
    assert 0.92 <= covered / 300 <= 0.98


def test_balanced_values_stand_beside_balanced_cells_alone():
    metrics = pd.DataFrame([row_of(predictions(0)), row_of(predictions(1), split="random_balanced")])
    for balanced, split in ((False, "random"), (True, "random_balanced")):
        printed = Printed("breakhis_40x", "", balanced, ("vgg16",), ("center",), "value", "accuracy", 0.5)
        assert list(compare_published([printed], metrics, 0.02)["split"]) == [split]


def test_each_label_rule_split_and_recipe_stands_beside_a_value_by_itself():
    """Of each two seeds; what a row holds is the mean over its own."""
    changes = ({}, {"labels": "revised"}, {"split": "grouped"}, {"recipe": "earlier"})
    rows = [
        row_of(predictions(2 * place + seed), seed=seed, **changed)
        for place, changed in enumerate(changes)
        for seed in range(2)
    ]
    printed = Printed("breakhis_40x", "Table 7", False, ("vgg16",), ("center",), "value", "accuracy", 0.7)
    names = ["labels", "split", "recipe"]
    found = compare_published([printed], pd.DataFrame(rows), 0.02).set_index(names)
    expected = pd.DataFrame(rows).groupby(names)["accuracy"].mean()
    assert len(expected) == expected.nunique() == 4
    assert found["reproduced"].to_dict() == pytest.approx(expected.to_dict())
    assert set(found["seeds"]) == {2}


def test_the_printed_values_of_a_table_are_balanced_as_its_text_says(values):
    """Table 7 and all claims are of the classes as they are; the other tables of balanced ones."""
    balanced = {}
    for value in values:
        balanced.setdefault(value.where, set()).add(value.balanced)
    assert {where for where, of in balanced.items() if True in of} == {f"Table {n}" for n in (5, 6, 8, 9)}
    assert all(len(of) == 1 for of in balanced.values())
    assert balanced["Table 7"] == {False}


@pytest.mark.parametrize(("value", "agrees"), [(0.5, False), (0.74, True), (0.75, True), (0.99, False)])
def test_a_difference_is_what_was_reproduced_minus_what_was_printed(value, agrees):
    metrics = pd.DataFrame([row_of(predictions(0))])
    metrics["accuracy"] = 0.75
    printed = Printed("breakhis_40x", "Table 7", False, ("vgg16",), ("center",), "value", "accuracy", value)
    (row,) = compare_published([printed], metrics, 0.02).to_dict("records")
    assert row["difference"] == pytest.approx(0.75 - value)
    assert row["agrees"] == agrees


@pytest.mark.parametrize(("statistic", "choose"), [("max", max), ("min", min)])
def test_the_largest_or_smallest_of_several_needs_all_of_them(statistic, choose):
    printed = Printed("breakhis_40x", "", False, STUDIED, CROPS, statistic, "accuracy", 0.5)
    rows = [
        row_of(predictions(place), architecture=architecture, view=view)
        for place, (architecture, view) in enumerate((a, v) for a in STUDIED for v in CROPS)
    ]
    (row,) = compare_published([printed], pd.DataFrame(rows), 0.02).to_dict("records")
    assert row["reproduced"] == choose(one["accuracy"] for one in rows)
    (row,) = compare_published([printed], pd.DataFrame(rows[1:]), 0.02).to_dict("records")
    assert pd.isna(row["reproduced"])
    assert pd.isna(row["agrees"])


def test_what_was_not_run_is_empty_and_counted(tmp_path, capsys):
    metrics = tmp_path / "metrics.csv"
    pd.DataFrame([row_of(predictions(0))]).to_csv(metrics, index=False)
    definitions = read_published_definitions([str(ROOT / "config/datasets")])
    write_reproduction(PUBLISHED, definitions, metrics, 0.02, tmp_path / "published.csv")
    table = pd.read_csv(tmp_path / "published.csv")
    assert list(table) == COLUMNS
    assert table["reproduced"].notna().sum() == 4  # one cell has four numbers in Table 7
    assert set(table.loc[table["reproduced"].notna(), "where"]) == {"Table 7"}
    assert f"4 of {len(table)} printed values were run" in capsys.readouterr().err


# The earlier study


def test_every_accuracy_of_the_earlier_study_is_there(values):
    earlier = [value for value in values if value.where.startswith("Dhar and Shamir (2021)")]
    printed = pd.read_csv(ROOT / "resources/published/earlier_study.csv")
    assert [value.value for value in earlier] == list(printed["accuracy"])
    assert {view for value in earlier for view in value.views} <= set(ALL_VIEWS)
    assert {value.dataset for value in earlier} == set(EARLIER)


def test_folds_are_pooled_beside_what_the_earlier_study_printed():
    """Ten folds of 16 or 17 images of three classes: their images add up, and the interval is for all of
    them."""
    folds = []
    for seed in range(10):
        n = 16 + seed % 2
        table = predictions(seed, n).assign(target=np.arange(n) % 3, predicted=0, logit_2=0.0)
        cell = {"dataset": "yale_a", "view": "original", "architecture": "lenet5", "recipe": "earlier"}
        scores = cell_metrics(answers_of(table, 3))
        folds.append({**cell, "labels": "printed", "split": "tenfold", "seed": seed, **scores})
    printed = Printed("yale_a", "text", False, ("lenet5",), ("original",), "value", "accuracy", 0.9697)
    row = compare_published([printed], pd.DataFrame(folds), 0.02).iloc[0]
    mean = np.mean([fold["accuracy"] for fold in folds])
    assert row["n"] == 165
    assert row["reproduced"] == pytest.approx(mean)
    assert (row["low"], row["high"]) == pytest.approx(proportion_confint(mean * 165, 165, method="wilson"))


def test_a_studys_table_names_the_papers_it_has_datasets_of(tmp_path):
    table = pd.DataFrame([row_of(predictions(0), dataset="coil_20", view="original", architecture="lenet5")])
    table.to_csv(tmp_path / "metrics.csv", index=False)
    write_reproduction(PUBLISHED, {}, tmp_path / "metrics.csv", 0.02, tmp_path / "published.csv")
    assert set(pd.read_csv(tmp_path / "published.csv")["dataset"]) == set(EARLIER)
