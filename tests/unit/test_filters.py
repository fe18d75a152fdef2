"""The filters: laws that each keeps on images of any size, and worked examples."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy.ndimage import median_filter
from scipy.stats import norm

from nullcrop.config.views import VIEWS, view_of
from nullcrop.images.filters import FILTERS
from nullcrop.images.views import view_function

IMAGES = st.tuples(st.integers(1, 29), st.integers(1, 29), st.just(3)).flatmap(
    lambda shape: arrays(np.uint8, shape)
)
# As their descriptions tell the reader: the level of nothing, the side of a tile, that of an even step.
MIDDLE, TILE, BLOCK_GAIN = 128, 8, 64
WAVELETS = ("wavelet_ll", "wavelet_lh", "wavelet_hl", "wavelet_hh")
AROUND_MIDDLE = ("colour_only", "high_pass", "noise", *WAVELETS[1:])


def made(name: str, image: np.ndarray) -> np.ndarray:
    return FILTERS[name](image, 4, 4)


def gray_of(image: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(image).convert("L"))


def pixels(image: np.ndarray) -> list[tuple[int, ...]]:
    return sorted(map(tuple, image.reshape(-1, 3).tolist()))


def test_every_filter_is_a_view_from_which_crops_are_cut() -> None:
    filters = [name for name, view in VIEWS.items() if view.filters and not view.masked]
    assert set(filters) == set(FILTERS)
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    for name in filters:
        cut = view_function(f"{name}.bottom_right")(image, None, 12, 10)
        np.testing.assert_array_equal(cut, made(name, image)[-10:, -12:])
        # What a filter gathers from all of the image may be the lesion: no verdict rests on it.
        assert view_of(f"{name}.upper_left").judges == view_of(f"{name}.upper_left").lesion_free == ()


@pytest.mark.parametrize("name", FILTERS)
@given(image=IMAGES)
@settings(max_examples=20)
def test_a_filter_keeps_size_and_type_and_depends_on_the_pixels_alone(name: str, image: np.ndarray) -> None:
    before = image.copy()
    found = made(name, image)
    assert found.shape == image.shape
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(made(name, np.asfortranarray(image)), found)
    if name not in ("colour_only", "pixel_shuffle", "tile_shuffle", "median"):
        # Nothing but gray levels: an image of the same ones gives the same.
        gray = np.repeat(gray_of(image)[..., None], 3, axis=2)
        np.testing.assert_array_equal(made(name, gray), found)


@pytest.mark.parametrize("name", FILTERS)
@given(size=st.tuples(st.integers(1, 20), st.integers(1, 20)), level=st.integers(0, 255))
@settings(max_examples=20)
def test_an_image_of_one_level_says_that_level_or_nothing(
    name: str, size: tuple[int, int], level: int
) -> None:
    found = made(name, np.full((*size, 3), level, np.uint8))
    expected = (
        MIDDLE if name in AROUND_MIDDLE else {"fourier": 0, "edges": 0, "block_grid": 64}.get(name, level)
    )
    assert (found == expected).all()


@given(image=IMAGES)
def test_shuffles_keep_every_pixel(image: np.ndarray) -> None:
    for name in ("pixel_shuffle", "tile_shuffle"):
        assert pixels(made(name, image)) == pixels(image)


@given(image=IMAGES)
def test_tiles_stay_whole_and_the_rest_stays_where_it_is(image: np.ndarray) -> None:
    height, width = (side // TILE * TILE for side in image.shape[:2])
    found = made("tile_shuffle", image)
    np.testing.assert_array_equal(found[height:], image[height:])
    np.testing.assert_array_equal(found[:, width:], image[:, width:])

    def tiles(of: np.ndarray) -> list[bytes]:
        rows, columns = range(0, height, TILE), range(0, width, TILE)
        return sorted(of[y : y + TILE, x : x + TILE].tobytes() for y in rows for x in columns)

    assert tiles(found) == tiles(image)


def test_a_shuffle_moves_pixels_and_another_image_otherwise() -> None:
    image = np.arange(32 * 32 * 3, dtype=np.uint32).astype(np.uint8).reshape(32, 32, 3)
    other = image.copy()
    other[0, 0, 0] += 1
    for name in ("pixel_shuffle", "tile_shuffle"):
        found, changed = made(name, image), made(name, other)
        assert (found != image).any()
        assert (found != changed).any(axis=2).mean() > 0.5


@given(image=IMAGES)
def test_gray_levels_are_pillows_and_stay(image: np.ndarray) -> None:
    gray = made("gray", image)
    np.testing.assert_array_equal(gray, np.repeat(gray_of(image)[..., None], 3, axis=2))
    np.testing.assert_array_equal(made("gray", gray), gray)
    assert (made("colour_only", gray) == MIDDLE).all()


@given(image=IMAGES, level=st.integers(1, 60))
def test_colours_have_one_lightness_and_no_brightness(image: np.ndarray, level: int) -> None:
    assert abs(made("colour_only", image) @ [0.299, 0.587, 0.114] - MIDDLE).max() <= 0.5
    dark = image // 2
    np.testing.assert_array_equal(made("colour_only", dark), made("colour_only", dark + np.uint8(level)))


@given(image=IMAGES)
def test_low_and_high_frequencies_are_the_gray_levels(image: np.ndarray) -> None:
    levels = made("low_pass", image).astype(int) + made("high_pass", image) - MIDDLE
    gray, high = gray_of(image)[..., None], made("high_pass", image)
    inside = (high > 0) & (high < 255)
    assert (levels == gray)[inside].all()


def test_low_frequencies_are_smoothed_over_three_pixels() -> None:
    """A step becomes the normal distribution with a standard deviation of three pixels."""
    step = np.zeros((40, 40, 3), np.uint8)
    step[:, 20:] = 200
    expected = 200 * norm(loc=19.5, scale=3).cdf(np.arange(40))
    assert abs(made("low_pass", step)[20, :, 0] - expected).max() < 1.5


@given(image=IMAGES)
def test_wavelet_bands_are_the_gray_levels(image: np.ndarray) -> None:
    bands = [made(name, image).astype(int) for name in WAVELETS]
    assert abs(sum(bands) - 3 * MIDDLE - gray_of(image)[..., None]).max() <= 2.5


@given(image=IMAGES)
def test_the_median_is_scipys_and_noise_what_it_leaves(image: np.ndarray) -> None:
    expected = np.stack([median_filter(image[..., i], 3, mode="nearest") for i in range(3)], axis=2)
    np.testing.assert_array_equal(made("median", image), expected)
    gray = gray_of(image)
    left = MIDDLE + gray.astype(int) - median_filter(gray, 3, mode="nearest")
    np.testing.assert_array_equal(made("noise", image)[..., 0], left.clip(0, 255))


def test_edges_and_frequencies_stand_where_they_are() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, 16:] = 255
    columns = made("edges", image)[..., 0].max(axis=0)
    assert np.flatnonzero(columns).tolist() == [15, 16]
    assert columns[15] == round(255 * 4 / 4 / np.sqrt(2))
    x = np.arange(32)
    wave = np.repeat((128 + 100 * np.cos(2 * np.pi * 4 * x / 32))[None], 32, axis=0)
    found = made("fourier", np.repeat(wave.round().astype(np.uint8)[..., None], 3, axis=2))[..., 0]
    peaks = np.argsort(found, axis=None)[-2:]
    assert sorted(zip(*np.unravel_index(peaks, found.shape), strict=True)) == [(16, 12), (16, 20)]
    assert found.max() == round(20 * np.log1p(50 * 32))


@pytest.mark.parametrize(("row", "column"), [(20, 20), (25, 31), (12, 10), (20, 3), (20, 41), (20, 45)])
def test_a_level_of_the_block_grid_is_the_curvature_at_its_phase_over_that_around(
    row: int, column: int
) -> None:
    """By hand, at pixels whose blocks lie within the image's rows; beyond its columns nothing is measured."""
    rng = np.random.default_rng(2)
    # Columns that differ, so that each counts with its own weight.
    gray = (rng.integers(0, 256, (48, 48)) * rng.random(48) ** 4).astype(np.uint8)
    steps = np.diff(gray.astype(float), axis=1)  # steps[:, i] leads to the pixel i + 1
    curvature = {
        x: np.abs(steps[:, x - 1] - (steps[:, x - 2] + steps[:, x]) / 2)[row - 12 : row + 12].sum()
        for x in range(max(2, column - TILE), min(46, column + TILE) + 1)
    }
    ends = {column - TILE, column + TILE}
    same = np.mean([curvature[x] for x in ends | {column} if x in curvature])
    around = np.average(list(curvature.values()), weights=[0.5 if x in ends else 1 for x in curvature])
    found = made("block_grid", np.repeat(gray[..., None], 3, axis=2))
    assert found[row, column, 0] == pytest.approx(BLOCK_GAIN * same / around, abs=0.51)
    turned = made("block_grid", np.repeat(gray.T[..., None], 3, axis=2))
    np.testing.assert_array_equal(turned[..., 1].T, found[..., 0])


@pytest.mark.parametrize("left", [0, 3])
def test_jpegs_blocks_stand_out_at_their_phase_and_noise_has_none(left: int) -> None:
    image = np.random.default_rng(1).normal(120, 12, (96, 96, 3)).clip(0, 255).astype(np.uint8)

    def phases(of: np.ndarray) -> np.ndarray:
        columns = made("block_grid", np.ascontiguousarray(of[:, left:]))[..., 0].mean(axis=0)
        return np.array([columns[phase::8].mean() for phase in range(8)])

    assert abs(phases(image) - 64).max() < 8
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=20)
    packed = phases(np.asarray(Image.open(stream).convert("RGB")))
    assert packed.argmax() == -left % 8
    assert packed.max() > 2 * np.median(packed)
