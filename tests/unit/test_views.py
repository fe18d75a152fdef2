"""Views: the five crops and the original, against Pillow's own crop of the opened file."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullcrop.config import names
from nullcrop.images.decode import read_rgb
from nullcrop.images.views import VIEW_FUNCTIONS, crop_box
from tests.unit.image_kinds import KINDS, pillow_pixels, write_image

Box = tuple[int, int, int, int]


def boxes(width: int, height: int, w: int, h: int) -> dict[str, Box]:
    """The crops as written down by hand: left, upper, right, lower."""
    x, y = (width - w) // 2, (height - h) // 2
    return {
        "upper_left": (0, 0, w, h),
        "upper_right": (width - w, 0, width, h),
        "center": (x, y, x + w, y + h),
        "bottom_left": (0, height - h, w, height),
        "bottom_right": (width - w, height - h, width, height),
    }


@st.composite
def sizes(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """Width and height of an image, and of a crop that fits into it."""
    width, height = draw(st.integers(4, 45)), draw(st.integers(4, 45))
    return width, height, draw(st.integers(4, width)), draw(st.integers(4, height))


def test_every_named_view_has_its_function() -> None:
    assert tuple(VIEW_FUNCTIONS) == names.VIEWS
    assert set(boxes(9, 9, 4, 4)) == set(names.CROPS)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12)
@given(size=sizes(), seed=st.integers(0, 2**16))
def test_crops_are_pillows_crops_of_the_file(
    kind: str, tmp_path_factory: pytest.TempPathFactory, size: tuple[int, int, int, int], seed: int
) -> None:
    width, height, w, h = size
    path = write_image(kind, tmp_path_factory.getbasetemp(), width, height, seed)
    pixels = read_rgb(path)
    # Pillow turns a TIFF while loading it, so that its sides change places.
    if kind == "tiff to be turned":
        width, height, w, h = height, width, h, w
    assert pixels.shape == (height, width, 3)
    for view, box in boxes(width, height, w, h).items():
        crop = VIEW_FUNCTIONS[view](pixels, w, h)
        assert crop.shape == (h, w, 3)
        np.testing.assert_array_equal(crop, pillow_pixels(path, box))
    np.testing.assert_array_equal(VIEW_FUNCTIONS["original"](pixels, w, h), pillow_pixels(path))
    path.unlink()


@given(size=sizes())
def test_crop_boxes_are_those_written_by_hand(size: tuple[int, int, int, int]) -> None:
    assert {view: crop_box(view, *size) for view in names.CROPS} == boxes(*size)


def test_an_odd_margin_is_rounded_towards_the_upper_left() -> None:
    assert crop_box("center", 25, 24, 20, 20) == (2, 2, 22, 22)
    assert crop_box("center", 96, 97, 20, 20) == (38, 38, 58, 58)
