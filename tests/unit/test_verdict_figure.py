"""The verdicts' figure: every reader and every word where it belongs, nothing cut off."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from nullcrop.config.figure_style import FigureStyle
from nullcrop.config.models import Thresholds
from nullcrop.config.readers import look_of
from nullcrop.config.views import views_made_always
from nullcrop.figures.verdict_figure import _spread, plot_verdicts
from nullcrop.statistics.comparisons import compare_cells
from nullcrop.statistics.reader_table import judge_readers
from nullcrop.statistics.verdicts import judge

from .finished_cells import a_study, a_test_set, finished

pytestmark = pytest.mark.usefixtures("one_format")

VIEWS = tuple(views_made_always())

PATIENTS = np.repeat(np.arange(60), 4).astype(str)
OF_PATIENTS = {"n": 240, "positives": 96, "group": PATIENTS}


@pytest.fixture(scope="module")
def tables():
    """Two datasets, one of them with two splits, a baseline that judges and one that does not."""
    first = a_study(VIEWS, ["vgg16", "lenet5"], 0.9, seeds=2, split="random", dataset="a", **OF_PATIENTS)
    first += a_study(VIEWS, ["mean_rgb"], 0.8, seeds=2, split="random", dataset="a", **OF_PATIENTS)
    first += a_study(["original"], ["file_facts"], 0.7, seeds=2, split="random", dataset="a", **OF_PATIENTS)
    first += a_study(VIEWS, ["vgg16"], 0.5, split="grouped", dataset="a", **OF_PATIENTS)
    second = a_study(VIEWS, ["vgg16"], 0.7, n=500, positives=150, split="official", dataset="b")
    readers, verdicts = [], []
    for cells, title, field in (
        (first, "A dataset of a rather long title, as they are", "whole"),
        (second, "B", "tile"),
    ):
        readers.append(judge_readers(cells, field, 0.05))
        planned = [one.cell for one in cells]
        verdicts.append(
            judge(readers[-1], compare_cells(cells, field), planned, title, field, "patient", Thresholds())
        )
    return pd.concat(readers, ignore_index=True), pd.concat(verdicts, ignore_index=True)


def test_every_reader_is_a_mark_at_its_auroc_in_its_row(tables, tmp_path):
    readers, verdicts = tables
    figure = plot_verdicts(readers, verdicts, "title", tmp_path / "a")
    (ax,) = figure.axes
    names = ("vgg16", "lenet5", "mean_rgb", "average")
    for name in names:
        look = look_of(name)
        fill = [line for line in ax.lines if line.get_marker() == look.mark]
        fill = [line for line in fill if to_hex(line.get_markerfacecolor()) == to_hex(look.colour)]
        drawn = np.array([line.get_xydata()[0] for line in fill])
        own = readers[(readers["role"] == "crop") & (readers["architecture"] == name)]
        for y, row in enumerate(verdicts.to_dict("records")):
            here = own[(own["dataset"] == row["dataset"]) & (own["split"] == row["split"])]
            here = here[here["view"] != "together"]
            found = drawn[np.round(drawn[:, 1]) == y]
            assert sorted(found[:, 0]) == pytest.approx(sorted(here["auroc"])), (name, y)
            assert (abs(found[:, 1] - y) < 0.5).all()
    ends = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "|"]
    crops = readers[(readers["role"] == "crop") & (readers["view"] != "together")]
    assert sorted(ends) == pytest.approx(sorted(crops["bound_low"]))
    assert len(ends) == verdicts["members"].sum() == 4 * 4 + 4 + 5
    # What does not judge has a mark and no line.
    (facts,) = [line for line in ax.lines if line.get_marker() == look_of("file_facts").mark]
    assert facts.get_xdata()[0] == readers.loc[readers["role"] == "other", "auroc"].item()
    thresholds = {
        line.get_xdata()[0]
        for line in ax.lines
        if len(set(line.get_xdata())) == 1 and len(line.get_xdata()) == 2
    }
    assert {0.5, 0.55} <= thresholds


def test_words_stand_beside_their_row(tables, tmp_path):
    readers, verdicts = tables
    figure = plot_verdicts(readers, verdicts, "title", tmp_path / "a")
    (ax,) = figure.axes
    words = {
        round(text.get_position()[1]): " ".join(text.get_text().split())
        for text in ax.texts
        if text.get_weight() == "bold"
    }
    assert words == dict(enumerate(verdicts["verdict"]))
    said = " ".join(" ".join(text.get_text() for text in ax.texts).split())
    for row in verdicts.to_dict("records"):
        assert f"all readers: {row['effect']:.2f}" in said
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert "not the headline" in labels[0]
    assert labels[1].endswith("grouped split")
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[:2] == ["VGG16", "LeNet-5"]
    assert {"mean colour", "file facts", "all readers"} <= set(legend)
    assert "error rate 5%" in " ".join(figure.get_supxlabel().split())


def test_a_row_that_cannot_be_judged_says_so(tmp_path):
    group = np.repeat(np.arange(5), 24).astype(str)
    cells = a_study(["upper_left"], ["vgg16"], 0.9, group=group, positives=48)
    readers, planned = judge_readers(cells, "whole", 0.05), [one.cell for one in cells]
    verdicts = judge(readers, compare_cells(cells, "whole"), planned, "A", "whole", "patient", Thresholds())
    figure = plot_verdicts(readers, verdicts, "title", tmp_path / "a")
    words = [text.get_text() for text in figure.axes[0].texts]
    assert {"cannot be judged", "too few independent images"} <= set(words)


def test_readers_that_give_one_score_claim_no_power_in_the_picture(tmp_path):
    test = a_test_set(300, 100)
    cells = [finished(test, np.zeros(300))]
    readers, planned = judge_readers(cells, "whole", 0.05), [one.cell for one in cells]
    verdicts = judge(readers, compare_cells(cells, "whole"), planned, "A", "whole", "", Thresholds())
    figure = plot_verdicts(readers, verdicts, "title", tmp_path / "a")
    words = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert "one score for all images" in words
    assert "power" not in words


def test_nothing_runs_out_of_the_picture(tables, tmp_path):
    readers, verdicts = tables
    figure = plot_verdicts(readers, verdicts, "A study with a title of quite some words", tmp_path / "a")
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


def lines_of(ax) -> list:
    """The lines that stand for what is blind or small: their ends are one above the other."""
    found = [line.get_xydata() for line in ax.lines if len(line.get_xdata()) == 2]
    return [ends for ends in found if ends[0, 0] == ends[1, 0]]


@pytest.mark.parametrize("width", [None, 85.0])
def test_no_line_strikes_through_words(tables, tmp_path, width):
    readers, verdicts = tables
    style = FigureStyle(width=width)
    figure = plot_verdicts(readers, verdicts, "title", tmp_path / "a", style)
    figure.draw_without_rendering()
    renderer = FigureCanvasAgg(figure).get_renderer()
    (ax,) = figure.axes
    words = [text for text in ax.texts if text.get_text()]
    assert {"blind", "small"} < {text.get_text() for text in words}
    assert len(lines_of(ax)) == 2 * len(verdicts)
    for ends in lines_of(ax):
        (x, low), (_, high) = ax.transData.transform(ends)
        for text in words:
            box = text.get_window_extent(renderer)
            crossed = box.x0 < x < box.x1 and max(box.y0, min(low, high)) < min(box.y1, max(low, high))
            assert not crossed, text.get_text()
    boxes = [text.get_window_extent(renderer) for text in words]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes)


def test_a_low_bound_and_a_low_mark_stand_on_the_axis(tables, tmp_path):
    readers, verdicts = tables
    row = readers.index[(readers["role"] == "crop") & (readers["view"] != "together")][0]
    figure = plot_verdicts(readers, verdicts, "title", tmp_path / "a")
    usual = figure.axes[0].get_xlim()[0]
    assert 0.2 <= usual <= readers["bound_low"].min()
    low = readers.copy()
    low.loc[row, ["bound_low", "auroc"]] = 0.04, 0.12
    (ax,) = plot_verdicts(low, verdicts, "title", tmp_path / "b").axes
    assert ax.get_xlim()[0] < 0.04
    assert min(ax.get_xticks()) == 0


def test_marks_of_like_readers_do_not_cover_each_other(tables, tmp_path):
    """All readers at one AUROC: the worst case, in which their marks differ in height alone."""
    readers, verdicts = tables
    same = readers.assign(auroc=0.6, bound_low=0.5)
    figure = plot_verdicts(same, verdicts, "title", tmp_path / "a")
    figure.draw_without_rendering()
    (ax,) = figure.axes
    drawn = [line for line in ax.lines if len(line.get_xdata()) == 1 and line.get_marker() != "|"]
    heights = np.sort([ax.transData.transform(line.get_xydata()[0])[1] for line in drawn])
    assert np.diff(heights).min() * 72 / figure.dpi > 0.9  # points, of rows that hold up to 16 marks
    # Marks next to each other in value are further apart than those next to each other in place.
    spread = _spread(16, 0.0, 1.0)
    assert np.abs(np.diff(spread)).min() > 4 / 16
    assert sorted(spread) == pytest.approx((np.arange(16) + 0.5) / 16)


def test_a_study_without_readers_of_crops_is_drawn_as_such(tables, tmp_path, every_format):
    readers, verdicts = tables
    figure = plot_verdicts(readers, verdicts.iloc[:0], "title", tmp_path / "a")
    assert "no reader of crops" in [text.get_text() for text in figure.axes[0].texts]
    assert {path.suffix for path in tmp_path.iterdir()} == {".pdf", ".svg", ".png"}


def test_the_same_tables_give_the_same_bytes(tables, tmp_path, every_format):
    for name in ("a", "b"):
        plot_verdicts(*tables, "title", tmp_path / name)
    for suffix in ("pdf", "svg", "png"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
