"""What an image looks like as a whole and in its corners, in a few numbers, of many images of one size at
once.

Blur is the variance of the Laplacian (J. L. Pech-Pacheco et al., Diatom autofocusing in brightfield
microscopy, ICPR 2000); colourfulness is that of D. Hasler and S. Süsstrunk, Measuring colourfulness in
natural images, Human Vision and Electronic Imaging VIII (2003).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nullcrop.images.views import crop_box

CORNER = 20
"""Side of the corners in pixels, as an audit crops them; of a smaller image its own side."""

CORNERS = ("upper_left", "upper_right", "bottom_left", "bottom_right")

WHOLE = {
    "brightness": "brightness",
    "contrast": "contrast",
    "sharpness": "sharpness (variance of the Laplacian)",
    "entropy": "entropy of the gray levels",
    "colourfulness": "colourfulness",
    "red_green": "tint (green to red)",
    "yellow_blue": "tint (blue to yellow)",
    "black": "share of black pixels",
    "white": "share of white pixels",
}
"""Properties of the whole image, and what people call them."""

COLOURS = ("colourfulness", "red_green", "yellow_blue")
"""Those of them that are 0 of every gray image."""

OF_CORNERS = {
    "corners_brightness": "brightness of the four corners",
    "corners_red_green": "corners' tint (green to red)",
    "corners_yellow_blue": "corners' tint (blue to yellow)",
    **{f"{view}_brightness": f"brightness of the {view.replace('_', ' ')} corner" for view in CORNERS},
}
"""Properties of the corners, and what people call them."""

LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of ITU-R BT.601 by which Pillow makes gray of colours."""

Stack = NDArray[np.uint8]
Values = NDArray[np.float64]


def properties_of(pixels: Stack | None, gray: Stack) -> dict[str, Values]:
    """Properties (WHOLE) of n images, ``pixels`` n × height × width × 3 (None: all are gray) and ``gray``
    n × height × width.

    Brightness and contrast are mean and standard deviation of the gray levels (0 … 255), entropy is in bits.
    Sharpness is NaN where a side is below 3 pixels.
    """
    n, height, width = gray.shape
    # Whole numbers, so that it does not matter which images are measured together.
    counts = np.stack([np.bincount(one.ravel(), minlength=256) for one in gray])
    levels = counts / (height * width)
    bits = np.log2(levels, out=np.zeros_like(levels), where=levels > 0)
    brightness = counts @ np.arange(256) / (height * width)
    squares = counts @ np.arange(256) ** 2 / (height * width)
    contrast = np.sqrt(np.maximum(squares - brightness**2, 0))
    return {
        "brightness": brightness,
        "contrast": contrast,
        "sharpness": _sharpness(gray),
        "entropy": -(levels * bits).sum(axis=1),
        **(dict.fromkeys(COLOURS, np.zeros(n)) if pixels is None else _colours(pixels)),
        "black": levels[:, 0],
        "white": levels[:, 255],
    }


def _colours(pixels: Stack) -> dict[str, Values]:
    red, green, blue = (pixels[..., channel].astype(np.int16) for channel in range(3))
    red_green, spread_red_green = _moments(red - green)
    # Twice the axis, to keep whole numbers.
    yellow_blue, spread_yellow_blue = (value / 2 for value in _moments(red + green - 2 * blue))
    spread, offset = np.hypot(spread_red_green, spread_yellow_blue), np.hypot(red_green, yellow_blue)
    return dict(zip(COLOURS, (spread + 0.3 * offset, red_green, yellow_blue), strict=True))


def corners_of(pixels: Stack) -> list[Stack]:
    """The four corners of n images (n × height × width × 3), in the order of CORNERS."""
    _, height, width, _ = pixels.shape
    found = []
    for view in CORNERS:
        left, upper, right, lower = crop_box(view, width, height, min(CORNER, width), min(CORNER, height))
        found.append(pixels[:, upper:lower, left:right])
    return found


def colours_of(corners: list[Stack]) -> Values:
    """Mean colour of each corner, n × 4 × 3."""
    return np.stack([corner.mean(axis=(1, 2)) for corner in corners], axis=1)


def properties_of_corners(colours: NDArray[np.float64]) -> dict[str, Values]:
    """Properties (OF_CORNERS) from the corners' mean colours, n × 4 × 3."""
    brightness, mean = (colours * LUMA).sum(axis=2), colours.mean(axis=1)
    return {
        "corners_brightness": brightness.mean(axis=1),
        "corners_red_green": mean[:, 0] - mean[:, 1],
        "corners_yellow_blue": (mean[:, 0] + mean[:, 1]) / 2 - mean[:, 2],
        **{f"{view}_brightness": brightness[:, place] for place, view in enumerate(CORNERS)},
    }


def _sharpness(gray: Stack) -> Values:
    if min(gray.shape[1:]) < 3:
        return np.full(len(gray), np.nan)
    levels = gray.astype(np.int16)
    laplacian = -4 * levels[:, 1:-1, 1:-1]
    for neighbour in (levels[:, :-2, 1:-1], levels[:, 2:, 1:-1], levels[:, 1:-1, :-2], levels[:, 1:-1, 2:]):
        laplacian += neighbour
    spread: Values = _moments(laplacian)[1] ** 2
    return spread


def _moments(values: NDArray[Any]) -> tuple[Values, Values]:
    """Mean and standard deviation of each image's whole numbers (n × height × width), exact sums."""
    flat = values.reshape(len(values), -1)
    mean = flat.sum(axis=1, dtype=np.int64) / flat.shape[1]
    squares = np.einsum("ij,ij->i", flat, flat, dtype=np.int64, casting="safe") / flat.shape[1]
    return mean, np.sqrt(np.maximum(squares - mean**2, 0))
