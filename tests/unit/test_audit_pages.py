"""What docs/audits/write_pages.py counts and writes: lesions at corners, and the parts of a page."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from nullcrop.config.cell import Cell
from nullcrop.statistics.auroc import TestSet
from nullcrop.statistics.metrics import Answers
from nullcrop.statistics.tables import FinishedCell

DOCS = Path(__file__).parents[2] / "docs" / "audits"
CUES = ("leak_map", "spectrum", "attributes")


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_pages", DOCS / "write_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_lesion_counts_where_a_crop_holds_a_pixel_of_it(pages: ModuleType) -> None:
    covered = pd.DataFrame({"id": ["one", "two", "three"], "original": [0.2, 0.3, 0.1], "center": 0.5})
    covered = covered.assign(upper_left=[0, 0.0025, 0], upper_right=[0, 0, 1.0])
    covered = covered.assign(bottom_left=[0, 0, 0.5], bottom_right=[0, 0.1, 0.0])
    assert pages.lesions_in_corners(covered.set_index("id")) == {
        "upper_left": {"two"},
        "upper_right": {"three"},
        "bottom_left": {"three"},
        "bottom_right": {"two"},
    }


def test_answers_on_named_images_are_left_out_and_cells_share_what_remains(pages: ModuleType) -> None:
    images = np.array(["benign/a.png", "benign/b.png", "malignant/c.png"])
    test = TestSet(np.array([0, 0, 1]), np.array(["g", "", "h"]), "part", images)
    odds = np.array([[3.0, -3.0], [2.0, -2.0], [-1.0, 1.0]])
    cells = [
        FinishedCell(
            Cell("d", "printed", "crossfit5", view, "lenet5", "r", 0),
            {},
            Answers(test, np.array([0, 0, 1]), odds),
        )
        for view in ("upper_left", "upper_right")
    ]
    rest: dict[str, TestSet] = {}
    first, second = (pages.without_images(cell, {"benign/b.png", "elsewhere"}, rest) for cell in cells)
    assert first.answers.test is second.answers.test
    assert first.answers.test.image.tolist() == ["benign/a.png", "malignant/c.png"]
    assert first.answers.test.group.tolist() == ["g", "h"]
    assert first.answers.odds.tolist() == [[3.0, -3.0], [-1.0, 1.0]]
    assert first.answers.predicted.tolist() == first.answers.test.target.tolist() == [0, 1]
    assert first.cell == cells[0].cell


def test_only_what_lies_between_the_marks_is_replaced(pages: ModuleType) -> None:
    page = "Before.\n\n<!-- files: begin -->\nold\n<!-- files: end -->\n\nAfter.\n"
    once = pages.with_parts(page, {"files": r"a \1 b"})
    assert once == "Before.\n\n<!-- files: begin -->\n\na \\1 b\n\n<!-- files: end -->\n\nAfter.\n"
    assert pages.with_parts(once, {"files": r"a \1 b"}) == once
    with pytest.raises(SystemExit, match="must hold <!-- verdict: begin --> and <!-- verdict: end --> once"):
        pages.with_parts(page, {"verdict": ""})


@pytest.mark.parametrize("name", ["busi", "ham10000"])
def test_each_page_has_every_part_filled(pages: ModuleType, name: str) -> None:
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    for part in ("files", "corners", "verdict", "readers", *CUES, "duplicates"):
        assert text.count(f"<!-- {part}: begin -->") == text.count(f"<!-- {part}: end -->") == 1
        assert not re.search(rf"<!-- {part}: begin -->\s*<!-- {part}: end -->", text)
