"""Engineered features: what each must say of images of which it is known, and that all images have them."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nullcrop.config.readers import BASELINES
from nullcrop.config.registry import implementation
from nullcrop.training.engineered import (
    CHEBYSHEV_DEGREE,
    FLAT,
    PATTERNS,
    PROPERTIES,
    RINGS,
    polynomials,
    radial_power,
    sharpness,
    texture,
)

NAMES = ("texture", "polynomials", "radial_power", "sharpness")
ZERNIKE = 25
"""Moments up to order 8: 1 + 1 + 2 + 2 + 3 + 3 + 4 + 4 + 5."""


def as_image(levels: np.ndarray) -> np.ndarray:
    return np.repeat(levels.round().clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_every_image_has_them_down_to_one_pixel(name: str, data: st.DataObject) -> None:
    function = implementation(str(BASELINES[name].features))
    side = st.integers(1, 24)
    square = BASELINES[name].reads == "square"
    shape = (20, 20, 3) if square else (data.draw(side), data.draw(side), 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = function(data.draw(arrays(np.uint8, shape)))
    assert found.shape == function(np.zeros((20, 20, 3), np.uint8)).shape
    assert np.isfinite(found).all()


def test_they_are_fitted_where_a_study_names_them_and_judge_nothing() -> None:
    for name in NAMES:
        assert not BASELINES[name].always
        assert not BASELINES[name].judges


def test_texture_of_a_checkerboard() -> None:
    found = texture(as_image(np.indices((16, 16)).sum(axis=0) % 2 * 248.0))
    means, ranges = found[: len(PROPERTIES)], found[len(PROPERTIES) : 2 * len(PROPERTIES)]
    contrast = PROPERTIES.index("contrast")
    # 31 coarse levels apart from neighbours at the side, none from those at the corners.
    assert means[contrast] == pytest.approx(31**2 / 2)
    assert ranges[contrast] == pytest.approx(31**2)
    patterns = found[2 * len(PROPERTIES) :][:PATTERNS]
    assert patterns.sum() == pytest.approx(1)


def test_directions_agree_on_stripes_and_not_on_noise() -> None:
    noise = as_image(np.random.default_rng(0).normal(128, 40, (64, 64)))
    stripes = as_image(np.tile(128 + 4 * FLAT * np.sin(np.arange(64)), (64, 1)))
    flat = as_image(np.full((64, 64), 90.0))
    assert texture(stripes)[-1] == pytest.approx(1)
    assert texture(noise)[-1] < 0.1
    assert texture(flat)[-2:].tolist() == [0, 0]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_zernike_moments_do_not_turn_with_the_image(turns: int) -> None:
    image = as_image(np.random.default_rng(1).integers(0, 256, (20, 20)))
    turned = np.ascontiguousarray(np.rot90(image, turns))
    assert polynomials(turned)[:ZERNIKE] == pytest.approx(polynomials(image)[:ZERNIKE])
    assert polynomials(turned)[ZERNIKE:] != pytest.approx(polynomials(image)[ZERNIKE:])


def test_chebyshev_coefficients_are_those_of_the_image() -> None:
    across = (np.arange(20) + 0.5) / 20 * 2 - 1
    # 120 + 50 x + 30 (2 y² - 1), to the next whole level.
    levels = 120 + 50 * across + 30 * (2 * across[:, None] ** 2 - 1)
    found = polynomials(as_image(levels))[ZERNIKE:].reshape(CHEBYSHEV_DEGREE + 1, -1)
    expected = np.zeros_like(found)
    expected[0, 0], expected[0, 1], expected[2, 0] = 120, 50, 30
    assert found == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize("cycles", [4, 12, 30])
def test_power_lies_in_the_ring_of_its_frequency(cycles: int) -> None:
    wave = 128 + 100 * np.cos(2 * np.pi * cycles * np.arange(64) / 64)
    found = radial_power(as_image(np.tile(wave, (64, 1))))
    assert len(found) == RINGS
    assert found.argmax() == int(cycles / 64 * 2 * RINGS)


def test_sharpness_measures_noise_contrast_and_entropy() -> None:
    levels = np.random.default_rng(2).normal(128, 8, (200, 200))
    blur, noise, contrast, entropy = sharpness(as_image(levels))
    assert noise == pytest.approx(8, rel=0.05)
    assert contrast == pytest.approx(8, rel=0.05)
    # Of a normal distribution on whole levels.
    assert entropy == pytest.approx(np.log2(8 * np.sqrt(2 * np.pi * np.e)), rel=0.01)
    # A Laplacian sums 4² + 4 · 1² variances.
    assert blur == pytest.approx(np.log(20 * 64), rel=0.02)
    assert sharpness(as_image(np.full((9, 9), 50.0))).tolist() == [0, 0, 0, 0]
