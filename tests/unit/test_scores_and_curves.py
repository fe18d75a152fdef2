"""The panels of scores and the learning curves: what is drawn is what the tables hold."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from nullcrop.basics.errors import NullcropError
from nullcrop.figures.curves import PARTS, plot_curves
from nullcrop.figures.scores import plot_scores
from nullcrop.statistics.metrics import answers_of, cell_metrics
from nullcrop.statistics.shares import SHARES

pytestmark = pytest.mark.filterwarnings(
    "error", "default::ResourceWarning"
)  # what earlier tests left open is not theirs

VIEWS = ["original", "upper_left", "center"]
RECIPES = ["paper", "scratch"]
CELL = {"dataset": "d", "labels": "printed", "split": "official"}


def predictions(seed: int, n: int = 80) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    target = (rng.random(n) < 0.3).astype(int)
    score = rng.normal(target, 1.2)
    return pd.DataFrame(
        {"group": "", "target": target, "predicted": (score > 0.5) * 1, "logit_0": 0.5, "logit_1": score}
    )


def scores(seeds: int = 1) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    rows, tables = [], []
    for place, (view, architecture, recipe, seed) in enumerate(
        product(VIEWS, ["vgg16", "resnet50"], RECIPES, range(seeds))
    ):
        tables.append(predictions(place))
        axes = {"view": view, "architecture": architecture, "recipe": recipe, "seed": seed}
        rows.append({**CELL, **axes, **cell_metrics(answers_of(tables[-1], 2))})
    return pd.DataFrame(rows), tables


def marks(ax) -> list[float]:
    """Heights of the marks, in the order they were drawn."""
    return [float(line.get_ydata()[0]) for line in ax.lines if line.get_marker() not in ("None", "", None)]


def test_each_panel_shows_its_own_score(tmp_path):
    metrics, tables = scores()
    figure = plot_scores(metrics, "Dataset", tmp_path / "scores")
    assert {path.name for path in tmp_path.iterdir()} == {"scores.pdf", "scores.svg", "scores.png"}
    assert [ax.get_ylabel() for ax in figure.axes] == ["accuracy", "precision", "recall", "F-1"]
    by_hand = {"precision": precision_score, "recall": recall_score, "f1": f1_score}
    for ax, metric in zip(figure.axes, SHARES, strict=True):
        expected = [
            by_hand[metric](table["target"], table["predicted"])
            if metric in by_hand
            else (table["target"] == table["predicted"]).mean()
            for table in tables
        ]
        assert sorted(marks(ax)) == pytest.approx(sorted(expected))


def test_dashed_lines_are_what_a_blind_answer_reaches(tmp_path):
    metrics, tables = scores()
    metrics = metrics.head(1)  # one test set, so that the means over test sets are its own numbers
    truth = tables[0]["target"]
    figure = plot_scores(metrics, "Dataset", tmp_path / "scores")
    everything = np.ones_like(truth)
    expected = {
        "accuracy": max(truth.mean(), 1 - truth.mean()),
        "precision": precision_score(truth, everything),
        "F-1": f1_score(truth, everything),
    }
    for ax in figure.axes:
        dashed = [
            line.get_ydata()[0]
            for line in ax.lines
            if line.get_linestyle() == "--" and line.get_xdata()[0] == 0
        ]
        assert dashed == pytest.approx([expected[ax.get_ylabel()]] if ax.get_ylabel() in expected else [])


def test_seeds_are_averaged(tmp_path):
    metrics, _ = scores(seeds=3)
    figure = plot_scores(metrics, "Dataset", tmp_path / "scores")
    expected = metrics.groupby(["view", "architecture", "recipe"])["accuracy"].mean()
    assert sorted(marks(figure.axes[0])) == pytest.approx(sorted(expected))
    assert "mean over 3 seeds" in figure.get_supxlabel()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.head(0), "no network was given"),
        (lambda table: table.assign(dataset=[f"d{row}" for row in range(len(table))]), "one dataset"),
        (lambda table: table.drop(columns="tp"), "two targets"),
    ],
)
def test_scores_that_cannot_be_drawn_are_refused(tmp_path, change, words):
    with pytest.raises(NullcropError, match=words):
        plot_scores(change(scores()[0]), "Dataset", tmp_path / "scores")
    assert not list(tmp_path.iterdir())


def histories(seeds: int = 2, epochs: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows = [
        {
            **CELL,
            **{"view": view, "architecture": architecture, "recipe": recipe, "seed": seed, "epoch": epoch},
            **{"train_accuracy": rng.uniform(0.5, 1), "val_accuracy": rng.uniform(0.5, 1)},
        }
        for view, architecture, recipe in product(VIEWS, ["vgg16", "lenet5"], RECIPES)
        for seed, epoch in product(range(seeds), range(1, epochs + 1))
    ]
    return pd.DataFrame(rows)


def test_lines_are_the_means_over_seeds_of_one_architecture_view_and_recipe(tmp_path):
    table = histories()
    figure = plot_curves(table, "Dataset", tmp_path / "curves")
    assert [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel()] == ["VGG16", "LeNet-5"]
    panels = iter(figure.axes)
    for architecture, view in product(["vgg16", "lenet5"], VIEWS):
        drawn = [list(line.get_ydata()) for line in next(panels).lines]
        for recipe, part in product(RECIPES, PARTS):
            wanted = {"architecture": architecture, "view": view, "recipe": recipe}
            of_cell = table[(table[list(wanted)] == pd.Series(wanted)).all(axis=1)]
            expected = [of_cell.loc[of_cell["epoch"] == epoch, part].mean() for epoch in range(1, 5)]
            assert drawn.pop(0) == pytest.approx(expected)
        assert not drawn


def test_missing_cells_leave_their_panel_empty(tmp_path):
    table = histories()
    table = table[~((table["view"] == "center") & (table["architecture"] == "vgg16"))]
    figure = plot_curves(table, "Dataset", tmp_path / "curves")
    assert [len(ax.lines) for ax in figure.axes] == [4, 4, 0, 4, 4, 4]


def test_each_split_and_label_rule_has_rows_of_its_own(tmp_path):
    table = histories()
    figure = plot_curves(
        pd.concat([table, table.assign(split="random"), table.assign(split="official_shuffle1")]),
        "Dataset",
        tmp_path / "curves",
    )
    labels = [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel()]
    assert labels == [
        f"{name}\n{split}, printed" for split in ("official", "random") for name in ("VGG16", "LeNet-5")
    ]


def test_curves_that_cannot_be_drawn_are_refused(tmp_path):
    table = histories()
    with pytest.raises(NullcropError, match="no network was given"):
        plot_curves(table.assign(architecture="majority"), "Dataset", tmp_path / "curves")
    table.loc[0, "dataset"] = "other"
    with pytest.raises(NullcropError, match="this figure shows one dataset"):
        plot_curves(table, "Dataset", tmp_path / "curves")
    assert not list(tmp_path.iterdir())


def test_the_caption_speaks_of_the_axis_where_it_does_not_start_at_zero(tmp_path):
    def caption_of(lift: float) -> str:
        table = histories()
        table[["train_accuracy", "val_accuracy"]] = table[["train_accuracy", "val_accuracy"]] * 0 + lift
        return plot_curves(table, "title", tmp_path / "curves").get_supxlabel()

    assert "does not start at zero" in caption_of(0.75)
    assert "does not start at zero" not in caption_of(0.05)
