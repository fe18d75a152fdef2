"""The panels of scores and the learning curves: what is drawn is what the tables hold."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from sklearn.metrics import f1_score, precision_score, recall_score

from nullcrop.basics.errors import NullcropError
from nullcrop.config.readers import look_of
from nullcrop.figures.curves import MEASURES, PARTS, plot_curves
from nullcrop.figures.scores import plot_scores
from nullcrop.statistics.metrics import answers_of, cell_metrics
from nullcrop.statistics.shares import SHARES
from nullcrop.statistics.tables import read_validation_rates

pytestmark = [
    pytest.mark.usefixtures("one_format"),
    # What earlier tests left open is not theirs.
    pytest.mark.filterwarnings("error", "default::ResourceWarning"),
]

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


def test_each_panel_shows_its_own_score(tmp_path, every_format):
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


def one_view(predicted: list[int], target: list[int], **coordinates) -> dict:
    """Metrics of a cell that answers ``predicted``."""
    answers = pd.DataFrame({"group": "", "target": target, "predicted": predicted, "logit_0": 0.0})
    found = cell_metrics(answers_of(answers.assign(logit_1=np.asarray(predicted, float)), 2))
    cell = {**CELL, "view": "center", "architecture": "vgg16", "recipe": "paper", "seed": 0, **coordinates}
    return {**cell, **found}


def test_a_score_that_does_not_exist_is_a_cross_below_zero_and_a_constant_is_hollow(tmp_path):
    target = [0] * 6 + [1] * 4
    rows = [
        one_view([0] * 10, target),  # nothing is called positive: there is no precision
        one_view([0] * 9 + [1], target, architecture="resnet50"),
    ]
    figure = plot_scores(pd.DataFrame(rows), "Dataset", tmp_path / "scores")
    of_panel = dict(zip(SHARES, figure.axes, strict=True))
    crosses = {
        metric: [line.get_ydata()[0] for line in ax.lines if line.get_marker() == "x"]
        for metric, ax in of_panel.items()
    }
    assert {metric for metric, found in crosses.items() if found} == {"precision"}
    assert len(crosses["precision"]) == 1
    low, _ = of_panel["precision"].get_ylim()
    assert low < crosses["precision"][0] < 0
    # ResNet50 has precision 1 and recall 1/4; VGG16 has recall 0 and F-1 0, which exist.
    drawn = {metric: sorted(y for y in marks(ax) if y >= 0) for metric, ax in of_panel.items()}
    assert drawn["precision"] == [1.0]
    assert drawn["recall"] == [0.0, 0.25]
    assert drawn["f1"] == pytest.approx([0.0, 0.4])
    fills = {
        line.get_marker(): line.get_markerfacecolor()
        for line in of_panel["recall"].lines
        if line.get_marker() not in ("None", "x")
    }
    assert fills.pop(look_of("vgg16").mark) == "white"
    assert "white" not in fills.values()
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["ResNet50", "VGG16", "constant answer", "no such score"]


def test_a_mean_is_that_of_the_seeds_that_have_the_score_and_half_hollow_where_some_are_constant(tmp_path):
    target = [0] * 6 + [1] * 4
    rows = [one_view([0] * 10, target), one_view([0] * 8 + [1] * 2, target, seed=1)]
    figure = plot_scores(pd.DataFrame(rows), "Dataset", tmp_path / "scores")
    precision = [line for line in figure.axes[1].lines if line.get_marker() == look_of("vgg16").mark]
    assert [line.get_ydata()[0] for line in precision] == [1.0]
    assert [line.get_fillstyle() for line in precision] == ["left"]
    assert "the mean over the seeds that have one" in " ".join(figure.get_supxlabel().split())


def test_a_recipe_that_follows_from_the_network_is_not_named(tmp_path):
    metrics, _ = scores()
    both = [text.get_text() for text in plot_scores(metrics, "t", tmp_path / "a").legends[0].get_texts()]
    assert both == [f"{name} ({recipe})" for name in ("ResNet50", "VGG16") for recipe in RECIPES]
    own = metrics["architecture"].map({"vgg16": "paper", "resnet50": "scratch"})
    each = plot_scores(metrics[metrics["recipe"] == own], "t", tmp_path / "b")
    assert [text.get_text() for text in each.legends[0].get_texts()] == ["ResNet50", "VGG16"]
    fills = {to_hex(line.get_markerfacecolor()) for line in each.axes[0].lines if line.get_marker() != "None"}
    assert fills == {look_of(name).colour.lower() for name in ("vgg16", "resnet50")}


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


CLASSES, RATES = {"printed": 3}, {("printed", "official"): 0.55}


def histories(seeds: int = 2, epochs: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    columns = [f"{part}_{measure}" for part in PARTS for measure in MEASURES]
    rows = [
        {
            **CELL,
            **{"view": view, "architecture": architecture, "recipe": recipe, "seed": seed, "epoch": epoch},
            **{name: rng.uniform(0.5, 1) for name in columns},
        }
        for view, architecture, recipe in product(VIEWS, ["vgg16", "lenet5"], RECIPES)
        for seed, epoch in product(range(seeds), range(1, epochs + 1))
    ]
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, stem, classes=CLASSES, rates=RATES):
    return plot_curves(table, "Dataset", stem, classes, rates)


def level(ax) -> list[float]:
    """Heights of the lines that cross a panel."""
    return [line.get_ydata()[0] for line in ax.lines if list(line.get_xdata()) == [0, 1]]


def curves(ax) -> list:
    return [line for line in ax.lines if list(line.get_xdata()) != [0, 1]]


def test_lines_are_the_means_over_seeds_of_one_architecture_view_and_recipe(tmp_path):
    table = histories()
    figure = draw(table, tmp_path / "curves")
    labels = [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel()]
    assert labels == ["VGG16\naccuracy", "loss", "LeNet-5\naccuracy", "loss"]
    panels = iter(figure.axes)
    for architecture, measure, view in product(["vgg16", "lenet5"], MEASURES, VIEWS):
        drawn = [list(line.get_ydata()) for line in curves(next(panels))]
        for recipe, part in product(RECIPES, PARTS):
            wanted = {"architecture": architecture, "view": view, "recipe": recipe}
            of_cell = table[(table[list(wanted)] == pd.Series(wanted)).all(axis=1)]
            of_epoch = [of_cell[of_cell["epoch"] == epoch] for epoch in range(1, 5)]
            expected = [cells[f"{part}_{measure}"].mean() for cells in of_epoch]
            assert drawn.pop(0) == pytest.approx(expected)
        assert not drawn


def test_each_panel_has_its_epochs_and_what_needs_no_image(tmp_path):
    table = histories()
    # LeNet-5 was trained for two epochs: its axis ends there.
    table = table[(table["architecture"] == "vgg16") | (table["epoch"] <= 2)]
    axes = draw(table, tmp_path / "curves").axes
    accuracy, loss = axes[:3] + axes[6:9], axes[3:6] + axes[9:]
    assert {tuple(level(ax)) for ax in accuracy} == {(0.55,)}
    assert {tuple(level(ax)) for ax in loss} == {(np.log(3),)}
    assert all(ax.get_ylim()[0] == 0 and ax.get_ylim()[1] > np.log(3) for ax in loss)
    assert {ax.get_xlabel() for ax in loss} == {"epoch"}
    ticks = [[text.get_text() for text in ax.get_xticklabels()] for ax in loss]
    assert ticks == [["1", "2", "4"]] * 3 + [["1", "2"]] * 3
    caption = draw(table, tmp_path / "without", rates={}).get_supxlabel()
    assert "largest class" not in " ".join(caption.split())


def test_training_and_validation_are_told_apart_by_their_lines_and_recipes_by_swatches(tmp_path):
    figure = draw(histories(), tmp_path / "curves")
    drawn = curves(figure.axes[0])
    styles = [(line.get_linestyle(), line.get_linewidth()) for line in drawn]
    assert len(set(styles)) == 2  # of two recipes, each with two parts
    assert styles[:2] == styles[2:]
    legend = figure.legends[0]
    names = [text.get_text() for text in legend.get_texts()]
    assert names[:3] == ["validation images", "training images", "without the image"]
    assert names[3:] == [f"{name} ({recipe})" for name in ("VGG16", "LeNet-5") for recipe in RECIPES]
    assert len(legend.get_patches()) == 4
    one = draw(histories()[lambda table: table["recipe"] == "paper"], tmp_path / "one").legends[0]
    assert len(one.get_texts()) == 3


def test_the_rate_is_the_share_of_the_largest_class_among_validation_images(tmp_path):
    for seed, counts in enumerate(([6, 4], [3, 7])):
        path = tmp_path / "d" / "printed" / "official" / f"seed{seed}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        target = np.repeat([0, 1, 0], [*counts, 30])
        part = np.repeat(["val", "train"], [10, 30])
        pd.DataFrame({"id": range(40), "group": "", "target": target, "part": part}).to_csv(path, index=False)
    files = sorted(tmp_path.rglob("*.csv"))
    assert read_validation_rates(files) == {("printed", "official"): pytest.approx((0.6 + 0.7) / 2)}
    with pytest.raises(NullcropError, match="cannot be read"):
        read_validation_rates([tmp_path / "seed9.csv"])


def test_of_a_split_without_validation_images_training_alone_is_drawn(tmp_path):
    table = histories().assign(val_loss=np.nan, val_accuracy=np.nan)
    figure = draw(table, tmp_path / "curves", rates={})
    assert [len(curves(ax)) for ax in figure.axes] == [2] * len(figure.axes)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names[:2] == ["training images", "without the image"]
    both = draw(pd.concat([table, histories().assign(split="random")]), tmp_path / "both")
    assert sorted({len(curves(ax)) for ax in both.axes}) == [2, 4]
    assert np.isfinite([ax.get_ylim() for ax in [*figure.axes, *both.axes]]).all()


def test_missing_cells_leave_their_panel_empty(tmp_path):
    table = histories()
    table = table[~((table["view"] == "center") & (table["architecture"] == "vgg16"))]
    figure = draw(table, tmp_path / "curves")
    assert [len(curves(ax)) for ax in figure.axes] == [4, 4, 0] * 2 + [4, 4, 4] * 2


def test_each_split_and_label_rule_has_rows_of_its_own(tmp_path):
    table = histories()
    every = [table, table.assign(split="random"), table.assign(split="official_shuffle1")]
    figure = draw(pd.concat(every), tmp_path / "curves")
    labels = [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel() not in ("", "loss")]
    assert labels == [
        f"{name}\n{split}, printed\naccuracy"
        for split in ("official", "random")
        for name in ("VGG16", "LeNet-5")
    ]
    # Of a split whose validation images are not known no level is drawn.
    assert [level(ax) for ax in figure.axes[0::12]] == [[0.55], []]


def test_a_loss_that_ran_away_breaks_no_figure(tmp_path):
    table = histories()
    table.loc[table.index[:3], "val_loss"] = [np.inf, np.nan, 3.0]
    axes = draw(table, tmp_path / "curves").axes
    assert np.isfinite([ax.get_ylim() for ax in axes]).all()


def test_a_single_epoch_is_drawn(tmp_path):
    (ax, *_) = draw(histories(epochs=1), tmp_path / "curves").axes
    assert all(line.get_marker() not in ("None", "") for line in curves(ax))


def test_curves_that_cannot_be_drawn_are_refused(tmp_path):
    table = histories()
    with pytest.raises(NullcropError, match="no network was given"):
        draw(table.assign(architecture="majority"), tmp_path / "curves")
    table.loc[0, "dataset"] = "other"
    with pytest.raises(NullcropError, match="this figure shows one dataset"):
        draw(table, tmp_path / "curves")
    assert not list(tmp_path.iterdir())


def test_the_caption_speaks_of_the_axis_where_it_does_not_start_at_zero(tmp_path):
    def caption_of(lift: float) -> str:
        table = histories().assign(train_accuracy=lift, val_accuracy=lift)
        return " ".join(draw(table, tmp_path / "curves").get_supxlabel().split())

    assert "does not start at zero" in caption_of(0.75)
    assert "does not start at zero" not in caption_of(0.05)
