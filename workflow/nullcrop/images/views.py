"""Views: deterministic functions of one image."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nullcrop.config.names import CROPS

Pixels = NDArray[np.uint8]
Box = tuple[int, int, int, int]


def crop_box(view: str, width: int, height: int, crop_width: int, crop_height: int) -> Box:
    """Left, upper, right and lower edge of a crop in pixels, as Pillow's ``Image.crop`` takes them.

    The centre is rounded towards the upper left where the margin is odd.
    """
    left = {"left": 0, "right": width - crop_width, "center": (width - crop_width) // 2}
    upper = {"upper": 0, "bottom": height - crop_height, "center": (height - crop_height) // 2}
    vertical, _, horizontal = view.partition("_")
    x, y = left[horizontal or vertical], upper[vertical]
    return x, y, x + crop_width, y + crop_height


def _crop(view: str) -> Callable[[Pixels, int, int], Pixels]:
    def crop(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
        height, width, _ = image.shape
        left, upper, right, lower = crop_box(view, width, height, crop_width, crop_height)
        return image[upper:lower, left:right]

    return crop


VIEW_FUNCTIONS: dict[str, Callable[[Pixels, int, int], Pixels]] = {
    "original": lambda image, crop_width, crop_height: image,
    **{view: _crop(view) for view in CROPS},
}
"""A view's name and the function from (image, crop width, crop height) to its pixels."""
