"""The page's tables and colours, part by part."""

import re
from importlib import resources
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from nullcrop.config.readers import NETWORKS, look_of
from nullcrop.report import charts, tables
from nullcrop.report.tables import Column, count, interval, share, table_of

STYLE = (resources.files("nullcrop.report") / "templates" / "report.css").read_text(encoding="utf-8")
LIGHT, DARK, *_ = (
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
)
TABLES = {name: value for name, value in vars(tables).items() if name.endswith("_TABLE")}


def rgb(colour: str) -> NDArray[np.float64]:
    return np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])


def luminance(colour: str) -> float:
    """Relative luminance as in WCAG 2.2."""
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb(colour)]
    return float(np.dot(channels, [0.2126, 0.7152, 0.0722]))


def apart(one: str, other: str) -> float:
    """Difference of two colours by CIEDE2000; 2 is just seen side by side, 10 at a glance."""
    return float(deltaE_ciede2000(rgb2lab(rgb(one)[None, None]), rgb2lab(rgb(other)[None, None]))[0, 0])


def test_what_a_chart_refers_to_is_its_own_among_many() -> None:
    """A clipped mark and a scale of colours: each refers to an element of the drawing by its name."""
    field = {"field": "value", "type": "quantitative"}
    mark = {"type": "point", "clip": True}
    spec = {"data": {"values": [{"value": 1}]}, "mark": mark, "encoding": {"x": field, "color": field}}
    drawn = charts.static_svg(spec, "first")
    names = re.findall(r'\bid="([^"]+)"', drawn)
    assert len(names) == len(re.findall(r"url\(", drawn)) == 2
    assert set(re.findall(r"url\(#([^)]+)\)", drawn)) == set(names)
    assert all(name.startswith("first-") for name in names)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_the_grids_colours_are_read_told_apart_and_no_networks(colours: dict[str, str]) -> None:
    steps = [colours[f"step-{place}"] for place in range(len(charts.STEPS) + 1)]
    for step in steps:
        bright, dim = sorted([luminance(step), luminance(colours["ink"])], reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 4.5
        for name in NETWORKS:
            look = look_of(name)
            assert apart(step, look.colour if colours is LIGHT else look.dark) > 15, name
    assert min(apart(*pair) for pair in pairwise(steps)) > 4
    assert f"--step-{len(steps)}:" not in STYLE


def test_the_grids_steps_reach_towards_the_largest_distance_of_an_auroc() -> None:
    assert tuple(-step for step in reversed(charts.STEPS)) == charts.STEPS
    assert 0.5 - charts.STEPS[-1] == pytest.approx(charts.STEPS[-1] - charts.STEPS[-2])


@pytest.mark.parametrize("name", TABLES)
def test_no_two_columns_of_a_table_have_one_name(name: str) -> None:
    names = [column.name for column in TABLES[name].values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["CELL_TABLE", "READER_TABLE", "VERDICT_TABLE", "COMPARISON_TABLE"])
def test_the_auroc_and_its_interval_come_first_after_what_a_row_is(name: str) -> None:
    results = [column.name for column in TABLES[name].values() if column.result]
    assert results[0].startswith("AUROC")
    interval = [name for name in results if "95 %" in name][:2]
    assert all(name.startswith("AUROC") for name in results[: results.index(interval[1]) + 1])


def test_what_never_varies_is_said_once_and_what_is_measured_keeps_its_column() -> None:
    frame = pd.DataFrame(
        {
            "split": ["random"] * 2,
            "view": ["centre", "original"],
            "auroc": [0.75, 0.75],
            "auroc_low": [0.5, 0.6],
            "auroc_high": [0.9, 0.9],
            "n": [60, 60],
            "mcc": [np.nan, None],
        }
    )
    columns = {
        "split": Column("split"),
        "view": Column("view"),
        "auroc": share("AUROC"),
        **interval("auroc", "AUROC"),
        "n": count("images"),
        "mcc": share("MCC"),
    }
    table = table_of(frame, "t", "caption", columns)
    assert [column.name for column in table.columns] == [
        "view",
        "AUROC",
        "AUROC, 95 % from",
        "AUROC, 95 % to",
    ]
    assert table.same_in_csv == [("split", "random"), ("images", "60")]
    assert [column.name for column in table.empty] == ["MCC"]
    assert table.row_names == 1
    assert table.on_paper == len(table.columns)
    # A single row has nothing to vary from.
    assert len(table_of(frame[:1], "t", "caption", columns).columns) == len(columns)


def test_rows_that_are_all_alike_keep_a_column() -> None:
    table = table_of(pd.DataFrame({"a": ["x", "x"]}), "t", "caption", {"a": Column("A")})
    assert [[one.text for one in row] for row in table.rows] == [["x"], ["x"]]


def test_on_paper_stand_as_many_columns_as_have_room() -> None:
    wide = {f"c{place}": Column(f"column {place}") for place in range(30)}
    frame = pd.DataFrame([dict.fromkeys(wide, f"value{row}") for row in range(2)])
    fits = table_of(frame, "t", "caption", wide).on_paper
    assert fits * len("value0") < tables.PAPER < 30 * len("value0")
    long = {"where": Column("where"), "how": Column("how")}
    texts = pd.DataFrame({"where": ["a", "b"], "how": ["many words " * 40, "more"]})
    assert table_of(texts, "t", "caption", long).on_paper == 2


@pytest.mark.parametrize("narrow", [False, True])
def test_facts_are_drawn_beside_the_line_of_chance(narrow: bool) -> None:
    facts = {"name": ["height", "tint"], "of_what": "file", "auroc": [0.9, 0.6], "shown": [True, False]}
    told = pd.DataFrame({**facts, "at_least": [0.7, 0.4], "at_most": [1.0, 0.7]})
    svg = charts.static_svg(charts.facts_chart(told, ["file", "image", "corners"], narrow), "facts")
    assert svg.count("stroke-dasharray") == 1
    assert svg.count(">height<") == svg.count(">tint<") == 1
