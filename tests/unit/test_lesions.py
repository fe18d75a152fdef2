"""Views that hide the lesion or show it alone: exact to the pixel, on drawn images and masks."""

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nullcrop.config.views import view_of
from nullcrop.images.lesions import BLANK, margin_of
from nullcrop.images.views import view_function

CROP = 6


@st.composite
def masked_images(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Noise of no two equal neighbours, and a mask of a few blobs: none, some, or all of the image."""
    height, width = draw(st.integers(CROP, 22)), draw(st.integers(CROP, 22))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mask = np.zeros((height, width), bool)
    for _ in range(draw(st.integers(0, 4))):
        top, left = rng.integers(0, height), rng.integers(0, width)
        mask[top : top + rng.integers(1, height + 1), left : left + rng.integers(1, width + 1)] = True
    image = rng.integers(1, 256, (height, width, 3), dtype=np.uint8)
    return image, mask


def view(name: str, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    image.flags.writeable = mask.flags.writeable = False
    return view_function(name)(image, mask, CROP, CROP)


def reach(mask: np.ndarray, margin: int) -> np.ndarray:
    """Pixels no further than ``margin`` from the mask, by comparing all with all."""
    inside = np.argwhere(mask)
    every = np.argwhere(np.ones_like(mask))
    near = ((every[:, None] - inside) ** 2).sum(axis=2).min(axis=1, initial=10**6) <= margin**2
    return near.reshape(mask.shape)


@given(masked_images())
def test_no_pixel_of_a_lesion_or_its_margin_survives_and_no_other_is_touched(drawn: tuple) -> None:
    image, mask = drawn
    margin = margin_of(image)
    hidden = reach(mask, margin)
    one, other = view("lesion_hidden", image, mask), np.array(image)
    np.testing.assert_array_equal(one[~hidden], image[~hidden])
    # What lies under the margin does not reach the result at all.
    other[hidden] = 255 - other[hidden]
    np.testing.assert_array_equal(view("lesion_hidden", other, mask), one)
    # The filling is as bright as what surrounds it. Between two regions the ring may be the other's alone.
    around = reach(hidden, margin) & ~hidden
    if hidden.any() and around.any():
        filling = one[hidden][(one[hidden] != BLANK).all(axis=1)]
        assert image[around].min() <= filling.min() <= filling.max() <= image[around].max()


def test_each_lesion_is_filled_by_the_mean_of_its_own_ring() -> None:
    image, mask = np.full((40, 60, 3), 50, np.uint8), np.zeros((40, 60), bool)
    image[:, 30:] = (200, 150, 100)
    mask[20, 10] = mask[10:14, 44:50] = True
    image[mask] = 0
    filled = view("lesion_hidden", image, mask)
    expected = np.array(image)
    expected[:, :30], expected[:, 30:] = 50, (200, 150, 100)
    np.testing.assert_array_equal(filled, expected)


def test_a_ring_of_one_pixel_fills_its_lesion_and_one_shared_by_two_fills_one_of_them() -> None:
    """A margin and a ring are two pixels wide in images so small."""
    image, mask = np.zeros((1, 4, 3), np.uint8), np.zeros((1, 4), bool)
    image[0, 3], mask[0, 0] = (90, 60, 30), True
    assert view("lesion_hidden", image, mask).tolist() == [[[90, 60, 30]] * 4]
    image, mask = np.zeros((1, 7, 3), np.uint8), np.zeros((1, 7), bool)
    image[0, 3], mask[0, 0], mask[0, 6] = 90, True, True
    filled = view("lesion_hidden", image, mask)[0, :, 0].tolist()
    assert sorted(filled) == [BLANK] * 3 + [90] * 4
    assert filled[:3] in ([BLANK] * 3, [90] * 3)


def test_lesions_whose_margins_touch_at_a_corner_are_one() -> None:
    """Around each of two pixels, 3 to the right and below one another, a disc of radius 2."""
    image, mask = np.full((30, 30, 3), 40, np.uint8), np.zeros((30, 30), bool)
    image[:, 14:] = 200
    mask[10, 12] = mask[13, 15] = True
    hidden = reach(mask, 2)
    assert hidden.sum() == 2 * 13
    ring = reach(hidden, 2) & ~hidden
    filled = view("lesion_hidden", image, mask)
    assert np.unique(filled[hidden]).tolist() == [round(image[ring].mean())]


@given(masked_images())
def test_the_box_hides_the_bounds_of_all_lesions_and_their_margin_and_nothing_else(drawn: tuple) -> None:
    image, mask = drawn
    hidden = reach(mask, margin_of(image))
    rows, columns = np.flatnonzero(hidden.any(1)), np.flatnonzero(hidden.any(0))
    box = np.zeros_like(mask)
    if len(rows):
        box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    one, other = view("lesion_box_hidden", image, mask), np.array(image)
    np.testing.assert_array_equal(one[~box], image[~box])
    assert len(np.unique(one[box].reshape(-1, 3), axis=0)) <= 1
    other[box] = 255 - other[box]
    np.testing.assert_array_equal(view("lesion_box_hidden", other, mask), one)


def test_the_box_is_filled_by_the_mean_of_the_frame_around_it() -> None:
    image, mask = np.full((30, 30, 3), 80, np.uint8), np.zeros((30, 30), bool)
    mask[10:14, 12:20] = True
    image[8:16, 10:22] = 255  # the mask and its margin of 2
    filled = view("lesion_box_hidden", image, mask)
    assert (filled == 80).all()


@given(masked_images())
def test_the_lesion_alone_is_exactly_the_pixels_of_the_mask(drawn: tuple) -> None:
    image, mask = drawn
    alone = view("lesion_only", image, mask)
    np.testing.assert_array_equal((alone != BLANK).all(axis=2), mask)
    np.testing.assert_array_equal(alone[mask], image[mask])


@given(masked_images())
def test_the_background_patch_is_the_farthest_crop_and_the_first_of_equals(drawn: tuple) -> None:
    image, mask = drawn
    height, width = mask.shape
    assume(height > CROP or width > CROP)
    inside = np.argwhere(mask)

    def merit(top: int, left: int) -> float:
        crop = mask[top : top + CROP, left : left + CROP]
        if not mask.any() or crop.any():
            return -float(crop.sum())
        # Distance from the box of the crop to the nearest pixel of the lesion.
        beyond = np.maximum(
            0, np.maximum(np.array([top, left]) - inside, inside - np.array([top, left]) - CROP + 1)
        )
        return float((beyond**2).sum(axis=1).min())

    places = list(product(range(height - CROP + 1), range(width - CROP + 1)))
    best = max(merit(*place) for place in places)
    top, left = next(place for place in places if merit(*place) == best)
    patch = view("background_patch", image, mask)
    np.testing.assert_array_equal(patch, image[top : top + CROP, left : left + CROP])
    # It touches no lesion where any crop does not.
    if any(not mask[y : y + CROP, x : x + CROP].any() for y, x in places):
        assert not mask[top : top + CROP, left : left + CROP].any()


@pytest.mark.parametrize("name", ["lesion_hidden", "lesion_box_hidden"])
def test_what_covers_everything_leaves_nothing_and_no_lesion_leaves_all(name: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    assert (view(name, image, np.ones((20, 20), bool)) == BLANK).all()
    np.testing.assert_array_equal(view(name, image, np.zeros((20, 20), bool)), image)


def test_crops_are_cut_from_what_hides_the_lesion() -> None:
    image, mask = np.zeros((30, 30, 3), np.uint8), np.zeros((30, 30), bool)
    image[:3, :3] = 255
    mask[:3, :3] = True
    assert view("upper_left", image, mask).any()
    assert not view("lesion_hidden.upper_left", image, mask).any()
    assert view_of("lesion_hidden.upper_left").masked
    assert view_of("lesion_hidden.upper_left").size == "crop"
