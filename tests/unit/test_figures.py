"""Figures by what is drawn in them: bars, lines, intervals and words."""

import re
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from matplotlib import rc_context, rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.markers import MarkerStyle
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from skimage.color import deltaE_ciede2000, rgb2lab
from statsmodels.stats.proportion import proportion_confint

from nullcrop.basics.errors import NullcropError
from nullcrop.config.definitions import Definition
from nullcrop.config.figure_style import FigureStyle
from nullcrop.config.readers import (
    BASELINES,
    MARKS,
    NETWORKS,
    TIMM_LOOKS,
    architectures,
    label_of,
    look_of,
    without_pixels,
)
from nullcrop.config.views import study_crops, view_label, views_made_always
from nullcrop.figures.accuracy import HATCH, plot_accuracy
from nullcrop.figures.samples import MOST_CLASSES, plot_dataset_samples, plot_samples
from nullcrop.figures.scores import plot_scores
from nullcrop.figures.style import broken, svg_of_mark, wrapped
from nullcrop.images.store import write_store

ARCHITECTURES = architectures()
CROPS = tuple(study_crops())
VIEWS = tuple(views_made_always())
WITHOUT_PIXELS = without_pixels()

pytestmark = [
    pytest.mark.usefixtures("one_format"),
    # What earlier tests left open is not theirs.
    pytest.mark.filterwarnings("error", "default::ResourceWarning"),
]

FOUR = ["resnet50", "densenet121", "inception_v3", "vgg16"]


def table(architectures=("resnet50",), seeds=1, **constants) -> pd.DataFrame:
    """Metrics of one dataset: every view of every architecture, accuracies all different."""
    rows = [
        {"view": view, "architecture": architecture, "seed": seed}
        for view, architecture, seed in product(VIEWS, architectures, range(seeds))
    ]
    accuracy = 0.5 + 0.4 * np.arange(len(rows)) / len(rows)
    common = {
        "accuracy": accuracy,
        "dataset": "d",
        "labels": "printed",
        "split": "random",
        "recipe": "paper",
        "n": 100,
    }
    common |= {"chance": 0.5, "no_information_rate": 0.7, "constant": False, **constants}
    return pd.DataFrame(rows).assign(**{"units": common["n"], **common})


def bars(figure, panel=0):
    return list(figure.axes[panel].patches)


def intervals(figure):
    """Ends of the error bars, in the order of the bars."""
    found = [c.get_segments()[0] for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    return [(segment[0][1], segment[1][1]) for segment in found if segment[0][0] != 0.5]


def dots(figure):
    return [c for c in figure.axes[0].collections if isinstance(c, PathCollection)]


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def caption(figure):
    """All running text, unwrapped."""
    facts = " ".join(ax.get_xlabel() for ax in figure.axes)
    return " ".join(f"{facts} {figure.get_supxlabel()}".split())


def test_bars_stand_by_view_then_architecture_whatever_the_order_of_rows(tmp_path):
    metrics = table(FOUR)
    figure = plot_accuracy(metrics.sample(frac=1, random_state=0), "title", tmp_path / "a")
    found = bars(figure)
    assert [bar.get_height() for bar in found] == pytest.approx(metrics["accuracy"].tolist())
    centres = [bar.get_x() + bar.get_width() / 2 for bar in found]
    assert centres == sorted(centres)
    assert [round(centre) for centre in centres] == [group for group in range(6) for _ in FOUR]
    assert [to_hex(bar.get_facecolor()) for bar in found[:4]] == [
        look_of(name).colour.lower() for name in FOUR
    ]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == [
        view_label(view) for view in VIEWS
    ]
    assert legend(figure) == ["ResNet50", "DenseNet121", "InceptionV3", "VGG16"]
    assert figure.axes[0].get_ylim()[0] == 0


def test_interval_is_that_of_one_test_set_and_seeds_are_dots(tmp_path):
    metrics = table(seeds=5)
    figure = plot_accuracy(metrics, "title", tmp_path / "a")
    means = metrics.groupby("view", sort=False)["accuracy"].mean()
    assert [bar.get_height() for bar in bars(figure)] == pytest.approx(means.tolist())
    expected = [proportion_confint(round(100 * mean, 6), 100, method="wilson") for mean in means]
    assert np.array(intervals(figure)) == pytest.approx(np.array(expected))
    heights = [height for found in dots(figure) for height in found.get_offsets()[:, 1].tolist()]
    assert heights == pytest.approx(metrics["accuracy"].tolist())
    for bar, of_bar in zip(bars(figure), dots(figure), strict=True):
        x = of_bar.get_offsets()[:, 0]
        assert len(set(x)) == 5
        assert bar.get_x() < x.min()
        assert x.max() < bar.get_x() + bar.get_width()
    assert "not the spread over seeds" in caption(figure)
    assert "n = 100 test images; 5 seeds (0, 1, 2, 3, 4); split: random; label rule: printed" in caption(
        figure
    )


def test_one_seed_has_no_dots(tmp_path):
    figure = plot_accuracy(table(), "title", tmp_path / "a")
    assert dots(figure) == []
    assert "one seed" not in legend(figure)
    assert "seed 0" in caption(figure)


def test_no_information_rate_is_a_labelled_line(tmp_path):
    figure = plot_accuracy(table(), "title", tmp_path / "a")
    heights = [line.get_ydata()[0] for line in figure.axes[0].lines]
    assert heights == [0.7]
    (label,) = texts(figure)
    assert label.split() == ["no-information", "rate", "70.0%"]
    assert "band" not in caption(figure)


def test_no_information_rates_that_differ_are_a_band(tmp_path):
    metrics = table(seeds=3)
    # Seed 2 lacks five views: each seed counts once all the same.
    metrics = metrics.assign(no_information_rate=metrics["seed"].map({0: 0.6, 1: 0.7, 2: 0.8}))
    metrics = metrics[(metrics["seed"] < 2) | (metrics["view"] == "original")]
    figure = plot_accuracy(metrics, "title", tmp_path / "a")
    assert [line.get_ydata()[0] for line in figure.axes[0].lines] == pytest.approx([0.7])
    band = bars(figure)[-1]
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((0.6, 0.8))
    assert "band: lowest to highest" in caption(figure)
    assert "13 of 18 cells have a result" in caption(figure)


def test_many_classes_have_a_chance_line_too(tmp_path):
    figure = plot_accuracy(table(chance=1 / 9, no_information_rate=0.2), "title", tmp_path / "a")
    lines = [(line.get_ydata()[0], line.get_linestyle()) for line in figure.axes[0].lines]
    assert lines == [(0.2, "--"), (1 / 9, ":")]
    assert texts(figure)[-1].split() == ["chance", "1/9", "=", "11.1%"]


def test_constant_answers_are_hatched_and_partly_constant_ones_counted(tmp_path):
    metrics = table(["vgg16"], seeds=2)
    at = metrics["view"]
    metrics["constant"] = (at == "center") | ((at == "upper_left") & (metrics["seed"] == 1))
    figure = plot_accuracy(metrics, "title", tmp_path / "a")
    assert [bar.get_hatch() for bar in bars(figure)] == [None, None, None, HATCH, None, None]
    assert "constant answer" in legend(figure)
    assert "1/2" in texts(figure)
    assert "k of its n seeds give a constant answer" in caption(figure)
    plain = plot_accuracy(table(), "title", tmp_path / "b")
    assert "constant" not in " ".join(legend(plain)) + caption(plain)


def test_missing_cells_are_blank_and_said(tmp_path):
    metrics = table(["resnet50", "vgg16"])
    metrics = metrics[(metrics["architecture"] == "vgg16") | (metrics["view"] != "center")]
    figure = plot_accuracy(metrics, "title", tmp_path / "a")
    assert len(bars(figure)) == 11
    assert texts(figure).count("no result") == 1
    assert "11 of 12 cells have a result" in caption(figure)
    assert "cells have a result" not in caption(plot_accuracy(table(), "title", tmp_path / "b"))


def test_recipes_are_in_the_legend_only_where_they_tell_bars_apart(tmp_path):
    both = pd.concat([table(["vgg16"]), table(["vgg16"], recipe="scratch"), table(["lenet5"], recipe="demo")])
    figure = plot_accuracy(both, "title", tmp_path / "a")
    assert legend(figure) == ["VGG16 (paper)", "VGG16 (scratch)", "LeNet-5"]
    assert len({bar.get_facecolor() for bar in bars(figure)}) == 3
    assert "recipes: demo, paper, scratch" in caption(figure)
    each = pd.concat([table(["vgg16"]), table(["lenet5"], recipe="demo")])
    figure = plot_accuracy(each, "title", tmp_path / "b")
    assert legend(figure) == ["VGG16", "LeNet-5"]
    assert "recipes: paper (VGG16), demo (LeNet-5)" in caption(figure)


def test_each_split_and_label_rule_has_its_panel(tmp_path):
    metrics = pd.concat([table(split="grouped"), table(split="random"), table(labels="other", n=90)])
    figure = plot_accuracy(metrics, "title", tmp_path / "a")
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        "split: random, label rule: other",
        "split: random, label rule: printed",
        "split: grouped, label rule: printed",
    ]
    assert [len(bars(figure, panel)) for panel in range(3)] == [6, 6, 6]
    assert [ax.get_xlabel()[:6] for ax in figure.axes] == ["n = 90", "n = 10", "n = 10"]


@pytest.mark.parametrize(("split", "folds"), [("tenfold", 10), ("crossfit", 10), ("crossfit5_balanced", 5)])
def test_folds_are_called_so_and_their_images_add_up(tmp_path, split, folds):
    metrics = table(seeds=folds, split=split, n=30, positives=9)
    figure = plot_accuracy(metrics, "title", tmp_path / "a")
    means = metrics.groupby("view", sort=False)["accuracy"].mean()
    expected = [proportion_confint(30 * folds * mean, 30 * folds, method="wilson") for mean in means]
    assert np.array(intervals(figure)) == pytest.approx(np.array(expected))
    assert f"; {folds} folds; split: {split};" in caption(figure)
    words = "folds of a cross- validation: error bars and no-information rate are those of all folds' images"
    assert words in caption(figure)


def test_groups_that_the_error_bars_ignore_are_said(tmp_path):
    words = "take images for independent, though they come in groups"
    assert words in caption(plot_accuracy(table(units=40), "title", tmp_path / "a"))
    assert words not in caption(plot_accuracy(table(), "title", tmp_path / "b"))


def test_field_is_said_where_it_is_known(tmp_path):
    # As the claim that it is: a dataset's file says so, and nobody counted.
    whole = caption(plot_accuracy(table(), "t", tmp_path / "a", field="whole"))
    assert "By the dataset's file (field: whole) the object lies inside a larger field" in whole
    assert "This figure does not check it" in whole
    tile = caption(plot_accuracy(table(), "t", tmp_path / "a", field="tile"))
    assert "By the dataset's file (field: tile) each image is a tile of tissue" in tile
    assert "lesion" not in caption(plot_accuracy(table(), "t", tmp_path / "a"))


@pytest.mark.parametrize(("architectures", "seeds"), [(["lenet5"], 1), (FOUR, 5), (list(ARCHITECTURES), 3)])
def test_nothing_runs_out_of_the_picture_or_into_the_next_thing(tmp_path, architectures, seeds):
    title = "A title of many words, with $5 and $6 in it and_underscores, " * 4
    metrics = table(architectures, seeds, accuracy=1.0)
    metrics["constant"] = metrics["seed"] == 1
    figure = plot_accuracy(metrics, title, tmp_path / "a", field="tile")
    renderer = FigureCanvasAgg(figure).get_renderer()
    (ax,) = figure.axes
    parts = [figure.legends[0], ax, figure._supxlabel]
    boxes = [part.get_tightbbox(renderer) for part in parts]
    for box in boxes:
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
    for upper, lower in combinations(boxes, 2):
        assert upper.y0 >= lower.y1 - 1
    notes = [text.get_window_extent(renderer) for text in ax.texts if "/" in text.get_text()]
    assert not any(a.overlaps(b) for a, b in combinations(notes, 2))


def metrics_of_two() -> pd.DataFrame:
    """Metrics of two networks and the baselines, with the counts that precision and recall are made of."""
    counted = {"positives": 30, "tp": 20, "fp": 10, "fn": 10, "tn": 60}
    return with_baselines(seeds=2).assign(accuracy=0.8, **counted)


COLUMN = FigureStyle(width=85, font_size=6.5, title=False, caption=False)
"""As for one column of a journal."""


@pytest.mark.parametrize("style", [COLUMN, FigureStyle(width=85, font_size=10)])
@pytest.mark.parametrize("plot", [plot_accuracy, plot_scores])
def test_a_figure_is_as_wide_as_it_is_asked_to_be_and_all_of_it_is_on_it(tmp_path, plot, style, every_format):
    figure = plot(metrics_of_two(), "A title of many words, " * 3, tmp_path / "a", style=style)
    pdf = (tmp_path / "a.pdf").read_bytes()
    (box,) = re.findall(rb"/MediaBox \[ ([0-9. ]+) \]", pdf)
    assert float(box.split()[2]) == pytest.approx(85 / 25.4 * 72, abs=0.01)
    # Fonts are in the file, as TrueType, which journals ask for, and none as Type 3.
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    figure.draw_without_rendering()
    renderer = FigureCanvasAgg(figure).get_renderer()
    words = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    for text in words:
        box = text.get_window_extent(renderer)
        assert box.x0 >= -0.5, text.get_text()
        assert box.x1 <= figure.bbox.x1 + 0.5, text.get_text()
    said = " ".join(text.get_text() for text in words)
    assert ("A title" in said) == style.title
    assert ("Wilson" in said) == style.caption
    ticks = figure.axes[-1].get_yticklabels()
    assert {tick.get_fontsize() for tick in ticks} == {style.font_size}


def test_samples_shrink_to_a_column(tmp_path):
    pixels, crops, boxes = zip(*(sample(image(60, 90, 10 * i)) for i in range(3)), strict=True)
    shown = [pixels, ["benign"] * 3, crops, boxes, "Title", "What it shows.", tmp_path / "a"]
    figure = plot_samples(*shown, COLUMN)
    assert figure.get_figwidth() == pytest.approx(85 / 25.4)
    assert [text.get_text() for text in figure.texts] == ["benign"]
    assert all(ax.get_position().x1 <= 1 and ax.get_position().y0 >= 0 for ax in figure.axes)


def with_baselines(seeds=1):
    """Two networks and every baseline; those without pixels at the view `original` alone."""
    baselines = table(BASELINES, seeds, recipe="baseline")
    blind = baselines["architecture"].isin(WITHOUT_PIXELS)
    return pd.concat([table(FOUR[:2], seeds), baselines[~blind | (baselines["view"] == "original")]])


def marks(figure):
    """Marker, x and height of the baselines' marks."""
    found = [line for line in figure.axes[0].lines if line.get_linestyle() == "None"]
    return [(line.get_marker(), line.get_xdata()[0], line.get_ydata()[0]) for line in found]


def test_baselines_are_marks_beside_the_bars_and_those_without_pixels_stand_apart(tmp_path):
    metrics = with_baselines(seeds=2)
    figure = plot_accuracy(metrics, "title", tmp_path / "a")
    assert len(bars(figure)) == 2 * len(VIEWS)
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels == [*(view_label(view) for view in VIEWS), "no pixels"]
    means = metrics.groupby(["architecture", "view"])["accuracy"].mean()
    places = {view: place for place, view in enumerate(VIEWS)}
    expected = [
        (
            look_of(name).mark,
            len(VIEWS) if name in WITHOUT_PIXELS else places[view],
            round(means[name, view], 6),
        )
        for name, view in means.index
        if name in BASELINES
    ]
    found = [(marker, round(x), round(height, 6)) for marker, x, height in marks(figure)]
    assert sorted(found) == sorted(expected)
    right = {round(bar.get_x() + bar.get_width() / 2): bar.get_x() + bar.get_width() for bar in bars(figure)}
    assert all(x > right.get(round(x), 0) for _, x, _ in marks(figure))
    assert set(legend(figure)) > {label_of(name) for name in BASELINES}
    assert "Grey mark: a baseline" in caption(figure)
    assert "recipe: paper" in caption(figure)
    assert "are missing" not in caption(figure)


def test_a_mark_is_hollow_where_the_answer_is_constant(tmp_path):
    metrics = with_baselines()
    metrics["constant"] = metrics["architecture"] == "mean_rgb"
    figure = plot_accuracy(metrics, "title", tmp_path / "a")
    fills = {
        (line.get_marker(), to_hex(line.get_markerfacecolor()))
        for line in figure.axes[0].lines
        if line.get_linestyle() == "None"
    }
    assert (look_of("mean_rgb").mark, "#ffffff") in fills
    assert (look_of("raw_pixels").mark, look_of("raw_pixels").colour.lower()) in fills
    assert "constant answer" not in legend(figure)


def test_missing_baselines_are_counted(tmp_path):
    metrics = with_baselines()
    whole = len(metrics)
    lacking = metrics[~((metrics["architecture"] == "raw_pixels") & (metrics["view"] == "center"))]
    assert f"{whole - 1} of {whole} cells have a result" in caption(
        plot_accuracy(lacking, "title", tmp_path / "a")
    )


def test_shuffled_targets_are_no_panel(tmp_path):
    metrics = pd.concat([table(), table(split="random_shuffle1", accuracy=0.1)])
    figure = plot_accuracy(metrics, "title", tmp_path / "a")
    assert len(figure.axes) == 1
    assert len(bars(figure)) == len(VIEWS)
    assert min(bar.get_height() for bar in bars(figure)) >= 0.5


def test_bad_tables_are_refused(tmp_path):
    with pytest.raises(NullcropError, match="no cell"):
        plot_accuracy(table().iloc[:0], "title", tmp_path / "a")
    with pytest.raises(NullcropError, match="a, b"):
        plot_accuracy(pd.concat([table(dataset="a"), table(dataset="b")]), "title", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def image(height, width, value):
    return np.full((height, width, 3), value, np.uint8)


def sample(pixels):
    """An image, its crops and their boxes, cut here by hand."""
    h, w, _ = pixels.shape
    corners = {"upper_left": (0, 0), "upper_right": (w - 20, 0), "center": (w // 2 - 10, h // 2 - 10)}
    corners |= {"bottom_left": (0, h - 20), "bottom_right": (w - 20, h - 20)}
    boxes = {view: (x, y, x + 20, y + 20) for view, (x, y) in corners.items()}
    return pixels, {view: pixels[t:b, left:r] for view, (left, t, r, b) in boxes.items()}, boxes


def draw(images, labels, stem):
    pixels, crops, boxes = zip(*map(sample, images), strict=True)
    return plot_samples(pixels, labels, crops, boxes, "Title with $5 of $6", "What it shows.", stem)


def test_samples_show_up_to_three_of_each_class_and_all_crops(tmp_path):
    images = [image(60, 90, 10 * i) for i in range(4)] + [image(224, 224, 250)]
    figure = draw(images, ["benign"] * 4 + ["malignant"], tmp_path / "a")
    originals = [ax for ax in figure.axes if ax.patches]
    assert len(originals) == 4
    assert len(figure.axes) == 4 * 6
    assert [ax.images[0].get_array()[0, 0, 0] for ax in originals] == [0, 10, 20, 250]
    written = [text.get_text() for text in figure.texts]
    assert written == ["Title with $5 of $6", "benign", "malignant", "What it shows."]
    squares = [p for p in originals[0].patches if isinstance(p, Rectangle)]
    assert len(squares) == 5
    # Pixel edges lie half a pixel before their centres.
    assert squares[1].get_bbox().extents.tolist() == [69.5, -0.5, 89.5, 19.5]


def test_many_classes_share_rows_with_one_image_each(tmp_path):
    classes = [f"object {n}" for n in range(7)]
    images = [image(60, 60, 10 * n + turn) for n in range(7) for turn in range(2)]
    figure = draw(images, [name for name in classes for _ in range(2)], tmp_path / "a")
    originals = [ax for ax in figure.axes if ax.patches]
    assert [ax.images[0].get_array()[0, 0, 0] for ax in originals] == [0, 10, 20, 30, 40, 50, 60]
    places = [(round(ax.get_position().x0, 3), round(ax.get_position().y1, 3)) for ax in originals]
    assert [len({x for x, _ in places}), len({y for _, y in places})] == [3, 3]
    # Each image's name stands above it.
    above = {text.get_text(): text.get_position() for text in figure.texts}
    for name, (x, y) in zip(classes, places, strict=True):
        assert above[name][0] == pytest.approx(x, abs=0.001)
        assert y < above[name][1] < y + 0.1


def test_enlarged_crops_lie_as_in_the_image(tmp_path):
    pixels = image(60, 60, 0)
    pixels[:20, :20], pixels[:20, 40:], pixels[40:, :20], pixels[40:, 40:] = 50, 100, 150, 200
    figure = draw([pixels], ["benign"], tmp_path / "a")
    places = {
        int(ax.images[0].get_array()[10, 10, 0]): ax.get_position() for ax in figure.axes if not ax.patches
    }
    columns = [places[value].x0 for value in (50, 150, 0, 100, 200)]
    assert np.sign(np.diff(columns).round(6)).tolist() == [0, 1, 1, 0]
    rows = [places[value].y0 for value in (150, 200, 0, 50, 100)]
    assert np.sign(np.diff(rows).round(6)).tolist() == [0, 1, 1, 0]
    assert all(ax.images[0].get_interpolation() == "nearest" for ax in figure.axes)


def test_samples_of_nothing_are_refused(tmp_path):
    with pytest.raises(NullcropError, match="no image"):
        plot_samples([], [], [], [], "title", "caption", tmp_path / "a")


def test_samples_of_a_dataset_come_from_all_over_its_table(tmp_path):
    from PIL import Image

    definition = Definition.model_validate(
        {
            "title": "Made of greys",
            "modality": "none",
            "field": "whole",
            "source": {"kind": "folder", "path": "images"},
            "classes": ["normal", "benign", "malignant"],
            "labels": {"printed": {"positive": ["malignant"]}},
            "licence": "none",
            "citation": "none",
        }
    )
    rows = [(i, name) for i, name in enumerate(["normal", "benign"] * 3 + ["malignant"] * 2)]
    for i, _ in rows:
        Image.fromarray(image(40, 50, 20 * i)).save(tmp_path / f"{i}.png")
    samples = pd.DataFrame(
        {
            "id": [str(i) for i, _ in rows],
            "class": [name for _, name in rows],
            "group": "",
            "official_split": "",
            "width": 50,
            "height": 40,
            "mode": "RGB",
            "format": "PNG",
            "path": [str(tmp_path / f"{i}.png") for i, _ in rows],
        }
    )
    samples.to_csv(tmp_path / "samples.csv", index=False)
    write_store(samples, tmp_path / "views", list(VIEWS), 20, 20, threads=1)
    figure = plot_dataset_samples(
        definition, "printed", tmp_path / "samples.csv", tmp_path / "views", (20, 20), tmp_path / "a"
    )
    shown = [int(ax.images[0].get_array()[0, 0, 0]) for ax in figure.axes if ax.patches]
    assert shown == [0, 40, 100, 120, 140]
    assert [text.get_text() for text in figure.texts][:3] == ["Made of greys", "normal, benign", "malignant"]
    assert len(figure.axes) == 5 * (1 + len(CROPS))


def test_of_very_many_classes_some_are_shown_and_the_caption_says_so(tmp_path):
    from PIL import Image

    names = [f"obj{n}" for n in range(100)]
    definition = Definition.model_validate(
        {
            "title": "Objects",
            "modality": "none",
            "field": "whole",
            "source": {"kind": "folder", "path": "images"},
            "classes": names,
            "labels": {"printed": {}},
            "licence": "none",
            "citation": "none",
        }
    )
    Image.fromarray(image(20, 20, 9)).save(tmp_path / "one.png")
    samples = pd.DataFrame({"id": names, "class": names, "width": 20, "height": 20})
    samples = samples.assign(group="", official_split="", mode="RGB", format="PNG", path=tmp_path / "one.png")
    samples.to_csv(tmp_path / "samples.csv", index=False)
    write_store(samples, tmp_path / "views", list(VIEWS), 20, 20, threads=1)
    figure = plot_dataset_samples(
        definition, "printed", tmp_path / "samples.csv", tmp_path / "views", (20, 20), tmp_path / "a"
    )
    written = [text.get_text() for text in figure.texts]
    assert len([ax for ax in figure.axes if ax.patches]) == MOST_CLASSES
    assert {"obj0", "obj99"} < set(written)
    assert f"{MOST_CLASSES} of the 100 classes" in " ".join(written[-1].split())


@pytest.mark.parametrize("draw_one", ["accuracy", "samples"])
def test_files_are_whole_and_the_same_every_time(tmp_path, draw_one, every_format):
    def write(stem):
        if draw_one == "accuracy":
            plot_accuracy(table(FOUR, 2, constant=True), "title", stem)
        else:
            draw([image(60, 60, 5), image(60, 60, 250)], ["benign", "malignant"], stem)
        return [stem.with_name(f"{stem.name}.{suffix}").read_bytes() for suffix in ("pdf", "svg", "png")]

    before = dict(rcParams)
    first = write(tmp_path / "one" / "v1.0 figure")
    assert dict(rcParams) == before
    with rc_context({"font.size": 30, "savefig.bbox": "tight"}):  # a user's own matplotlibrc
        second = write(tmp_path / "two" / "v1.0 figure")
    assert first == second
    assert [content[:4] for content in first] == [b"%PDF", b"<?xm", b"\x89PNG"]
    assert len(list((tmp_path / "one").iterdir())) == 3
    assert b"CreationDate" not in first[0]
    assert b"<dc:date>" not in first[1]


# How the linear primaries of sRGB are seen without one kind of cones: Machado, Oliveira and Fernandes (2009),
# IEEE Transactions on Visualization and Computer Graphics 15:1291, severity 1.
VISIONS = {
    "all cones": np.eye(3),
    "no L cones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no M cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no S cones": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def seen(colour, vision="all cones"):
    """CIE L*a*b* of an sRGB colour, as that vision has it."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    mixed = np.clip(np.array(VISIONS[vision]) @ linear, 0, 1)
    return rgb2lab(np.where(mixed <= 0.0031308, 12.92 * mixed, 1.055 * mixed ** (1 / 2.4) - 0.055))


def test_every_name_has_its_look_and_colours_stay_apart_in_grey():
    # The marks of what every study may hold; baselines that a study has to name may share a network's.
    usual = [name for name in ARCHITECTURES if name in NETWORKS or BASELINES[name].always]
    for own in (usual, list(BASELINES)):
        assert len({look_of(name).mark for name in own}) == len(own)
    assert len({look_of(name) for name in ARCHITECTURES}) == len(ARCHITECTURES)
    assert len({label_of(name) for name in ARCHITECTURES}) == len(ARCHITECTURES)
    levels = sorted(seen(look_of(name).colour)[0] for name in NETWORKS)
    assert np.diff(levels).min() >= 10


@pytest.mark.parametrize("page", ["colour", "dark"])
def test_networks_stay_apart_with_any_colour_vision(page):
    colours = {name: getattr(look_of(name), page) for name in NETWORKS}
    for (one, a), (other, b) in combinations(colours.items(), 2):
        for vision in VISIONS:
            apart = deltaE_ciede2000(seen(a, vision), seen(b, vision))
            assert apart > 10, (one, other, vision)


@pytest.mark.parametrize("page", ["colour", "dark"])
def test_no_network_has_a_colour_that_means_below_or_above_chance(page):
    """Purple and orange are the page's: no network has their hue, timm's included, unless near black."""
    for look in [*(look_of(name) for name in NETWORKS), *TIMM_LOOKS]:
        lightness, a, b = seen(getattr(look, page))
        hue = np.degrees(np.arctan2(b, a)) % 360
        purple, orange = 290 < hue < 345, 40 < hue < 85
        assert lightness < 10 or not (purple or orange), getattr(look, page)


@pytest.mark.parametrize("mark", MARKS)
def test_the_pages_marks_are_those_of_the_figures(mark):
    """The outline that SVG draws is the one that Matplotlib fills, upside down and twice as large."""
    words = re.findall(r"[MLQCZ]|-?[0-9.]+(?:e-?[0-9]+)?", svg_of_mark(mark))
    numbers = np.array([float(word) for word in words if word not in "MLQCZ"]).reshape(-1, 2)
    marker = MarkerStyle(mark)
    path = marker.get_path().transformed(marker.get_transform())
    drawn = path.vertices[np.isin(path.codes if path.codes is not None else 1, [79], invert=True)]
    np.testing.assert_allclose(numbers, drawn * [2, -2], atol=1e-3)
    assert np.abs(numbers).max() < 1.5


def test_wrapping_keeps_words_and_paragraphs():
    text = "one two three four five six seven\neight"
    assert wrapped(text, 0.5, 10).splitlines() == ["one two three four", "five six seven", "eight"]


@pytest.mark.parametrize(
    ("name", "lines", "expected"),
    [
        ("upper left", 3, ["upper left"]),
        ("normal_or_benign", 3, ["normal_or_", "benign"]),
        ("cancer-associated stroma", 3, ["cancer-", "associated", "stroma"]),
        ("cancer-associated stroma", 1, ["cancer-as…"]),
        ("adenocarcinoma", 3, ["adenocarcinoma"]),
    ],
)
def test_names_are_broken_where_their_words_end(name, lines, expected):
    assert broken(name, 10 * 0.56 * 10 / 72 + 1e-6, 10, lines).splitlines() == expected
