"""Views: the five crops and the original, against Pillow's own crop of the opened file."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nullcrop.config.views import PLACES, VIEWS, study_crops, view_names, view_of
from nullcrop.decoding.rgb import read_rgb
from nullcrop.images.views import crop_box, otsu_background, otsu_foreground, view_function
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
    assert all(callable(view_function(view)) for view in VIEWS)
    assert list(boxes(9, 9, 4, 4)) == study_crops()


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
        crop = view_function(view)(pixels, None, w, h)
        assert crop.shape == (h, w, 3)
        np.testing.assert_array_equal(crop, pillow_pixels(path, box))
    np.testing.assert_array_equal(view_function("original")(pixels, None, w, h), pillow_pixels(path))
    path.unlink()


@given(st.integers(20, 90), st.integers(20, 90), st.integers(0, 4), st.integers(0, 4))
def test_places_are_even_steps_from_rim_to_rim_and_the_study_s_crops_are_among_them(
    width: int, height: int, x: int, y: int
) -> None:
    """Against Pillow's crop, and against the study's own crops at the rims and in the middle."""
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    left, upper = (width - 20) * x // 4, (height - 20) * y // 4
    expected = np.asarray(Image.fromarray(pixels).crop((left, upper, left + 20, upper + 20)))
    (name,) = (name for name, place in PLACES.items() if place == (25 * x, 25 * y))
    np.testing.assert_array_equal(view_function(name)(pixels, None, 20, 20), expected)


@pytest.mark.parametrize(("width", "height", "left", "upper"), [(101, 90, 40, 25), (20, 25, 0, 5)])
def test_a_forehead_is_in_the_middle_a_little_below_the_upper_quarter(
    width: int, height: int, left: int, upper: int
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    found = view_function("forehead")(pixels, None, 20, 20)
    np.testing.assert_array_equal(found, pixels[upper : upper + 20, left : left + 20])


def test_there_are_25_places_in_batches_of_their_own() -> None:
    assert len(set(PLACES.values())) == len(PLACES) == 25
    assert set(study_crops()) <= set(PLACES)
    between = [name for name in PLACES if name not in study_crops()]
    batches = {view_of(name).batch(seed, 1) for name in between for seed in range(5)}
    assert len(batches) == 5 * 20
    others = {
        view_of(name).batch(seed, 1) for name in view_names() if name not in between for seed in range(5)
    }
    assert not batches & others
    assert not any(view_of(name).judges or view_of(name).lesion_free for name in between)


@given(size=sizes())
def test_crop_boxes_are_those_written_by_hand(size: tuple[int, int, int, int]) -> None:
    assert {view: crop_box(view, *size) for view in study_crops()} == boxes(*size)


def test_an_odd_margin_is_rounded_towards_the_upper_left() -> None:
    assert crop_box("center", 25, 24, 20, 20) == (2, 2, 22, 22)
    assert crop_box("center", 96, 97, 20, 20) == (38, 38, 58, 58)


# Patches that are found by brightness


def field_of_cells(noise: int, cells: list[tuple[int, int, int]], side: int = 120) -> np.ndarray:
    """A dark field with bright discs, each of a radius around a row and column."""
    rng = np.random.default_rng(noise)
    image = rng.integers(0, 40, (side, side, 3)).astype(np.uint8)
    rows, columns = np.mgrid[:side, :side]
    for row, column, radius in cells:
        image[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = 200
    return image


def test_the_foreground_patch_is_centred_on_the_largest_object() -> None:
    image = field_of_cells(0, [(30, 30, 5), (80, 60, 9)])
    np.testing.assert_array_equal(otsu_foreground(image, 20, 20), image[70:90, 50:70])


@pytest.mark.parametrize(("row", "top"), [(2, 0), (60, 50), (118, 100)])
@pytest.mark.parametrize(("column", "left"), [(2, 0), (60, 48), (118, 96)])
def test_a_patch_at_any_rim_stays_in_the_image(row: int, top: int, column: int, left: int) -> None:
    image = field_of_cells(1, [(row, column, 9)])
    np.testing.assert_array_equal(otsu_foreground(image, 24, 20), image[top : top + 20, left : left + 24])


@pytest.mark.parametrize(("pixels", "counts"), [(40, False), (41, True)])
def test_objects_of_forty_pixels_and_fewer_are_noise(pixels: int, counts: bool) -> None:
    """An upright line beside a field of single pixels, of which a patch holds more than of the line."""
    image = np.zeros((60, 60, 3), np.uint8)
    image[5 : 5 + pixels, 50] = 255
    image[10:40:2, 5:30:2] = 255
    around_the_line = image[(10 + pixels) // 2 - 5 :, 45:55][:10]
    patch = otsu_foreground(image, 10, 10)
    assert np.array_equal(patch, around_the_line) == counts
    assert (patch > 0).sum() == (10 if counts else 25) * 3


def test_pixels_that_touch_at_corners_are_one_object() -> None:
    image = np.zeros((60, 60, 3), np.uint8)
    image[np.arange(3, 57), np.arange(3, 57)] = 255  # 54 pixels, none beside another
    image[50:56, 4:10] = 255  # 36 pixels
    np.testing.assert_array_equal(otsu_foreground(image, 10, 10), image[25:35, 25:35])


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**16),
    width=st.integers(4, 30),
    height=st.integers(4, 30),
    cells=st.lists(st.tuples(st.integers(0, 44), st.integers(0, 44), st.integers(2, 12)), max_size=4),
)
def test_no_patch_holds_fewer_bright_pixels_than_the_background(
    seed: int, width: int, height: int, cells: list[tuple[int, int, int]]
) -> None:
    """Counted patch by patch, and by OpenCV's convention of Otsu's threshold: bright is above it."""
    image = field_of_cells(seed, cells, side=45)
    brightness = image.sum(axis=2, dtype=int)
    values = np.unique(brightness)
    between = [
        (low.size * high.size) * (high.mean() - low.mean()) ** 2
        for value in values[:-1]
        for low, high in [(brightness[brightness <= value], brightness[brightness > value])]
    ]
    # The threshold maximises the variance between the two; scikit-image looks for it among 256 bins.
    if not cells:
        return
    best = values[int(np.argmax(between))]
    bright = brightness > best
    counts = np.array(
        [
            [bright[y : y + height, x : x + width].sum() for x in range(45 - width + 1)]
            for y in range(45 - height + 1)
        ]
    )
    y, x = np.unravel_index(counts.argmin(), counts.shape)
    np.testing.assert_array_equal(otsu_background(image, width, height), image[y : y + height, x : x + width])


@pytest.mark.parametrize(
    "view", [name for name, view in VIEWS.items() if not view.always and view.size == "crop"]
)
@given(size=sizes(), seed=st.integers(0, 2**16), blank=st.booleans())
@settings(max_examples=25)
def test_a_further_view_is_a_patch_of_the_crops_size(
    view: str, size: tuple[int, int, int, int], seed: int, blank: bool
) -> None:
    width, height, w, h = size
    image = np.random.default_rng(seed).integers(0, 1 if blank else 256, (height, width, 3)).astype(np.uint8)
    mask = np.random.default_rng(seed + 1).random((height, width)) < 0.01
    patch = view_function(view)(image, mask, w, h)
    assert patch.shape == (h, w, 3)
    windows = np.lib.stride_tricks.sliding_window_view(image, (h, w, 3))
    assert (windows == patch).all(axis=(3, 4, 5)).any()
