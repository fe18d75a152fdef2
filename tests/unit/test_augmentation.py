"""Augmentation: mirrored and turned images, against NumPy and SciPy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from nullcrop.config.recipe import Recipe
from nullcrop.training.augmentation import augmented


def images(n: int, side: int = 31, seed: int = 0) -> torch.Tensor:
    """Smooth random images, which interpolation hardly changes."""
    noise = np.random.default_rng(seed).normal(size=(n, 3, side, side))
    return torch.from_numpy(ndimage.gaussian_filter(noise, (0, 0, 3, 3)).astype(np.float32))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**62), n=st.integers(1, 20))
def test_a_flipped_image_is_one_of_its_four_mirror_images(seed: int, n: int) -> None:
    given = images(n)
    for before, after in zip(given, augmented(given, Recipe(flips=True), seed), strict=True):
        assert any(torch.equal(after, before.flip(axes)) for axes in ((), (1,), (2,), (1, 2)))


def test_all_four_mirror_images_are_as_likely() -> None:
    given = images(1).expand(4000, -1, -1, -1)
    out = augmented(given, Recipe(flips=True), 3)
    counts = [int((out == given[0].flip(axes)).flatten(1).all(1).sum()) for axes in ((), (1,), (2,), (1, 2))]
    assert sum(counts) == 4000
    assert min(counts) > 880  # 1,000 expected; a binomial of 4,000 falls below with a chance of 1e-5


@pytest.mark.parametrize("most", [10, 180])
def test_a_turned_image_is_scipys_rotation_within_the_angles_named(most: int) -> None:
    given, seed = images(6), 11
    out = augmented(given, Recipe(rotation=most), seed)
    rows, columns = np.mgrid[:31, :31] - 15
    inside = rows**2 + columns**2 <= 12**2  # what stays in the image at any angle
    found = []
    for before, after in zip(given.numpy(), out.numpy(), strict=True):
        errors = {
            angle: np.abs(
                ndimage.rotate(before, angle, axes=(2, 1), reshape=False, order=1)[:, inside]
                - after[:, inside]
            ).max()
            for angle in np.arange(-most, most + 0.5, 0.5)
        }
        best = min(errors, key=lambda angle: errors[angle])
        assert errors[best] < 0.05 * np.ptp(before)
        found.append(best)
    assert len(set(found)) == 6
    assert max(map(abs, found)) > most / 3


def test_the_draws_depend_on_the_seed_alone() -> None:
    recipe = Recipe(flips=True, rotation=30)
    torch.manual_seed(1)
    first = augmented(images(8), recipe, 5)
    torch.manual_seed(2)
    assert torch.equal(first, augmented(images(8), recipe, 5))
    assert not torch.equal(first, augmented(images(8), recipe, 6))
