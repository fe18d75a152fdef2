"""The estimate of the time left, on examples worked by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from nullcrop.config.cell import Cell
from nullcrop.config.definitions import Definition
from nullcrop.status.cells import CellState
from nullcrop.status.time_left import time_left

NOW = 1_000_000.0


def cell(dataset: str, architecture: str = "vgg16", seed: int = 0) -> Cell:
    return Cell(dataset, "printed", "random", "center", architecture, "paper", seed)


def done(cell: Cell, seconds: float, images: int, ago: float) -> CellState:
    return CellState(cell, "done", {"seconds": seconds, "images": {"train": images}}, NOW - ago)


@pytest.fixture
def definition(make_definition: Callable[..., Definition]) -> Callable[[str], Definition]:
    expected: dict[str, dict[str, Any]] = {
        "counted": {"images": 1000},
        "official": {"images": 1000, "splits": {"train": 600}},
        "unknown": {},
    }
    return lambda name: make_definition(expected=expected[name])


def test_a_cell_takes_what_its_network_takes_an_image(definition: Callable[[str], Definition]) -> None:
    cells = [
        done(cell("counted"), 100, 100, 10_000),
        done(cell("counted", seed=1), 300, 100, 10_000),
        CellState(cell("counted", seed=2), "stopped"),  # as many images as its own dataset's: 100
        CellState(cell("official"), "missing"),  # what is expected: 600
    ]
    left = time_left(cells, definition, NOW)
    assert left.training == pytest.approx(2 * (100 + 600))
    assert (left.clock, left.unknown) == (None, 0)
    assert str(left) == "23 min 20 s of training"


def test_a_dataset_of_which_only_the_total_is_expected(definition: Callable[[str], Definition]) -> None:
    cells = [done(cell("official"), 50, 100, 9999), CellState(cell("counted"), "missing")]
    assert time_left(cells, definition, NOW).training == pytest.approx(0.5 * 800)


def test_what_nothing_finished_tells_of_is_counted_apart(definition: Callable[[str], Definition]) -> None:
    cells = [
        done(cell("counted"), 100, 100, 10_000),
        CellState(cell("counted", "resnet50"), "missing"),
        CellState(cell("unknown"), "missing"),
    ]
    left = time_left(cells, definition, NOW)
    assert (left.training, left.unknown) == (0, 2)
    assert str(left) == "not known before a cell is done"


def test_the_clock_follows_the_cells_finished_of_late(definition: Callable[[str], Definition]) -> None:
    # Two at a time since 100 s: four cells of 50 s each, the old one from another day.
    cells = [done(cell("counted", seed=k), 50, 100, ago) for k, ago in enumerate((50, 50, 0, 0, 90_000))]
    cells += [CellState(cell("counted", seed=k), "missing") for k in range(5, 9)]
    left = time_left(cells, definition, NOW)
    assert left.training == pytest.approx(4 * 50)
    assert left.clock == pytest.approx(100)
    assert str(left) == "about 1 min 40 s at the present pace (3 min 20 s of training)"


def test_nothing_is_left_of_what_is_done(definition: Callable[[str], Definition]) -> None:
    assert str(time_left([done(cell("counted"), 1, 1, 0)], definition, NOW)) == "nothing"
