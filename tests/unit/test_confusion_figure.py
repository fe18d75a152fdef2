"""The figure of confusion matrices: counts as scikit-learn's, rows and columns as named."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from sklearn.metrics import confusion_matrix

from nullcrop.basics.errors import NullcropError
from nullcrop.config.figure_style import FigureStyle
from nullcrop.config.views import views_made_always
from nullcrop.figures.confusion import plot_confusion

pytestmark = pytest.mark.usefixtures("one_format")


def answers(classes: int, views: list[str], seeds: int = 2, **coordinates: str) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    cell = {
        **{"dataset": "idc", "labels": "printed", "split": "random_balanced", "architecture": "alexnet"},
        **{"recipe": "paper", **coordinates},
    }
    return pd.concat(
        pd.DataFrame(
            {"target": rng.integers(0, classes, 50), "predicted": rng.integers(0, classes, 50)}
        ).assign(**cell, view=view, seed=seed)
        for view in views
        for seed in range(seeds)
    )


def test_the_counts_are_those_of_all_seeds_together(tmp_path: Path, every_format: None) -> None:
    table = pd.concat([answers(2, ["original", "center"]), answers(2, ["original"], architecture="timm:vit")])
    figure = plot_confusion(table, {"printed": ["healthy", "cancer"]}, "IDC", tmp_path / "confusion")
    assert all((tmp_path / f"confusion.{suffix}").stat().st_size > 1000 for suffix in ("pdf", "svg", "png"))
    drawn = [ax for ax in figure.axes if ax.texts and ax.texts[0].get_text() != "no result"]
    shown = [[int(text.get_text().split("\n")[0]) for text in ax.texts] for ax in drawn]
    expected = [
        confusion_matrix(part["target"], part["predicted"]).ravel().tolist()
        for architecture, view in (("alexnet", "original"), ("alexnet", "center"), ("timm:vit", "original"))
        for part in [table[(table["architecture"] == architecture) & (table["view"] == view)]]
    ]
    assert shown == expected
    assert [ax.get_title() for ax in figure.axes[:2]] == ["original", "centre"]
    # The view that the second network lacks is named as missing, and not left out or drawn as zeros.
    assert [text.get_text() for text in figure.axes[3].texts] == ["no result"]


def test_classes_are_named_at_the_rows_and_columns_that_they_are(tmp_path: Path) -> None:
    names = ["healthy", "a rare_cancer of quite some length"]
    table = answers(2, ["original", "center"])
    figure = plot_confusion(table, {"printed": names}, "IDC", tmp_path / "confusion")
    figure.draw_without_rendering()
    left, right = figure.axes
    for axis in (left.yaxis, left.xaxis, right.xaxis):
        shown = {
            place: label.get_text().replace("\n", "")
            for place, label in zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
        }
        assert shown[0] == "healthy"
        assert shown[1].startswith("a rare_")
    assert not right.get_yticklabels()
    assert "healthy; a rare_cancer of quite some length" in " ".join(figure.get_supxlabel().split())
    borders = [line for found in left.collections for line in found.get_segments()]
    assert [line.tolist() for line in borders] == [[[-0.5, 0.5], [1.5, 0.5]], [[0.5, -0.5], [0.5, 1.5]]]


def test_a_class_without_a_test_image_has_no_share(tmp_path: Path) -> None:
    table = answers(2, ["original"]).assign(target=0)
    (ax,) = plot_confusion(table, {"printed": ["a", "b"]}, "IDC", tmp_path / "confusion").axes
    assert [text.get_text() for text in ax.texts][2:] == ["0\n–"] * 2


@pytest.mark.parametrize(("classes", "width"), [(2, None), (4, 85.0), (9, None)])
def test_no_words_cover_each_other(tmp_path: Path, classes: int, width: float | None) -> None:
    names = ["adipose", "smooth_muscle", "cancer-associated stroma", "normal colon mucosa and more", *"abcde"]
    table = pd.concat(
        [answers(classes, list(views_made_always()), architecture=name) for name in ("vgg16", "alexnet")]
    )
    style = FigureStyle(width=width)
    figure = plot_confusion(table, {"printed": names[:classes]}, "A title", tmp_path / "confusion", style)
    figure.draw_without_rendering()
    renderer = FigureCanvasAgg(figure).get_renderer()
    words = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    boxes = [text.get_window_extent(renderer) for text in words]
    for (one, a), (other, b) in combinations(zip(words, boxes, strict=True), 2):
        assert not a.shrunk(0.97, 0.9).overlaps(b.shrunk(0.97, 0.9)), (one.get_text(), other.get_text())
    assert all(box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1 for box in boxes)


def test_of_many_classes_the_shades_are_shown(tmp_path: Path) -> None:
    names = [f"subject{number}" for number in range(15)]
    figure = plot_confusion(answers(15, ["original"]), {"printed": names}, "Yale", tmp_path / "confusion")
    assert not figure.axes[0].texts
    assert figure.axes[0].images[0].get_array().shape == (15, 15)


def test_controls_and_baselines_alone_are_nothing_to_draw(tmp_path: Path) -> None:
    table = pd.concat(
        [answers(2, ["original"], split="random_shuffle1"), answers(2, ["original"], architecture="majority")]
    )
    with pytest.raises(NullcropError, match="no network was given"):
        plot_confusion(table, {"printed": ["a", "b"]}, "IDC", tmp_path / "confusion")
