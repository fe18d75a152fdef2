"""Resizing to a network's input, as Pillow does it: part of the experiment, so fixed by name."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def resize(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """``image`` (height, width, 3) as a square of ``size`` pixels: Pillow's bilinear filter.

    Pillow's filter widens when it shrinks, so that no pixel is skipped; the sides are scaled
    independently (the whole image is kept, its aspect is not), as torchvision's
    ``Resize((size, size))`` does with a Pillow image.
    """
    if image.shape[:2] == (size, size):
        return image
    return resized(Image.fromarray(image), size)


def resized(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """:func:`resize` of an image that Pillow holds already and that has another size."""
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
