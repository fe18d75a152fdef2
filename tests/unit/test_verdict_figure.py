"""The verdicts' figure: every network and every word where it belongs, nothing cut off."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from nullcrop.config.models import Thresholds
from nullcrop.config.readers import look_of
from nullcrop.config.views import views_made_always
from nullcrop.figures.verdict_figure import plot_verdicts
from nullcrop.statistics.comparisons import compare_cells
from nullcrop.statistics.tables import metrics_of_cells
from nullcrop.statistics.verdicts import judge

from .finished_cells import a_study

VIEWS = tuple(views_made_always())

PATIENTS = np.repeat(np.arange(60), 4).astype(str)
OF_PATIENTS = {"n": 240, "positives": 96, "group": PATIENTS}


@pytest.fixture(scope="module")
def tables():
    """Two datasets, one of them with two splits and a baseline."""
    first = a_study(VIEWS, ["vgg16", "lenet5"], 0.9, seeds=2, split="random", dataset="a", **OF_PATIENTS)
    first += a_study(VIEWS, ["mean_rgb"], 0.8, seeds=2, split="random", dataset="a", **OF_PATIENTS)
    first += a_study(VIEWS, ["vgg16"], 0.5, split="grouped", dataset="a", **OF_PATIENTS)
    second = a_study(VIEWS, ["vgg16"], 0.7, n=500, positives=150, split="official", dataset="b")
    metrics, verdicts = [], []
    for cells, title, field in (
        (first, "A dataset of a rather long title, as they are", "whole"),
        (second, "B", "tile"),
    ):
        metrics.append(metrics_of_cells(cells, field, 0.05))
        planned = [one.cell for one in cells]
        verdicts.append(
            judge(metrics[-1], compare_cells(cells), planned, title, field, "patient", Thresholds())
        )
    return pd.concat(metrics, ignore_index=True), pd.concat(verdicts, ignore_index=True)


def test_every_network_is_a_dot_at_its_auroc_in_its_row(tables, tmp_path):
    metrics, verdicts = tables
    figure = plot_verdicts(metrics, verdicts, "title", tmp_path / "a")
    (ax,) = figure.axes
    marks = {look_of(name).mark for name in ("vgg16", "lenet5")}
    drawn = np.array([line.get_xydata()[0] for line in ax.lines if line.get_marker() in marks])
    dots = [drawn[np.round(drawn[:, 1]) == y] for y in range(len(verdicts))]
    assert [len(found) for found in dots] == verdicts["cells"].tolist() == [16, 4, 5]
    assert sum(map(len, dots)) == len(drawn)
    for y, (found, (_, row)) in enumerate(zip(dots, verdicts.iterrows(), strict=True)):
        crops = metrics[(metrics["role"] == "crop") & (metrics["dataset"] == row["dataset"])]
        crops = crops[crops["split"] == row["split"]]
        assert sorted(found[:, 0]) == pytest.approx(sorted(crops["auroc"]))
        assert (abs(found[:, 1] - y) < 0.5).all()
    thresholds = {
        line.get_xdata()[0]
        for line in ax.lines
        if len(set(line.get_xdata())) == 1 and len(line.get_xdata()) == 2
    }
    assert {0.5, 0.6} <= thresholds


def test_words_stand_beside_their_row(tables, tmp_path):
    metrics, verdicts = tables
    figure = plot_verdicts(metrics, verdicts, "title", tmp_path / "a")
    (ax,) = figure.axes
    words = {
        round(text.get_position()[1]): text.get_text() for text in ax.texts if text.get_weight() == "bold"
    }
    assert words == {0: "strong", 1: verdicts["verdict"][1], 2: "crops carry tissue"}
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert "not the headline" in labels[0]
    assert labels[1].endswith("grouped split")
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[:2] == ["VGG16", "LeNet-5"]
    assert len(legend) == 3
    assert "error rate 5%" in " ".join(figure.get_supxlabel().split())


def test_nothing_runs_out_of_the_picture(tables, tmp_path):
    metrics, verdicts = tables
    figure = plot_verdicts(metrics, verdicts, "A study with a title of quite some words", tmp_path / "a")
    renderer = FigureCanvasAgg(figure).get_renderer()
    (ax,) = figure.axes
    boxes = [part.get_tightbbox(renderer) for part in (figure.legends[0], ax, figure._supxlabel)]
    for box in boxes:
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
    words = [text.get_window_extent(renderer) for text in ax.texts if text.get_text()]
    assert not any(a.overlaps(b) for a, b in combinations(words, 2))


def test_a_study_without_networks_on_crops_is_drawn_as_such(tables, tmp_path):
    metrics, verdicts = tables
    figure = plot_verdicts(metrics, verdicts.iloc[:0], "title", tmp_path / "a")
    assert "no network on crops" in [text.get_text() for text in figure.axes[0].texts]
    assert {path.suffix for path in tmp_path.iterdir()} == {".pdf", ".svg", ".png"}


def test_the_same_tables_give_the_same_bytes(tables, tmp_path):
    for name in ("a", "b"):
        plot_verdicts(*tables, "title", tmp_path / name)
    for suffix in ("pdf", "svg", "png"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
