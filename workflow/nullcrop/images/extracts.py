"""Extracts: what is asked of an image's full pixels and has one size whatever the image's own.

Where the store does not keep the full pixels of large images it keeps these, computed while each
image is decoded. A further one is one record here, or beside its function, and one name in
:func:`kept_extracts`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nullcrop.config.recipe import BaselineRecipe
from nullcrop.images.resize import resized

LEVELS = 256
"""Levels of a channel."""


class FullImage:
    """An image at full size, and what several extracts are computed from: each made once."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self.pixels = pixels
        """Shape (height, width, 3)."""

    @cached_property
    def image(self) -> Image.Image:
        """As Pillow holds it."""
        return Image.fromarray(self.pixels)

    @cached_property
    def gray(self) -> Image.Image:
        """Its gray levels."""
        return self.image.convert("L")


@dataclass(frozen=True)
class Extract:
    """Something of one shape and dtype for every image."""

    name: str
    shape: tuple[int, ...]
    dtype: Any
    """As NumPy takes it, with the order of the bytes."""
    of: Callable[[FullImage], NDArray[Any]]

    @property
    def nbytes(self) -> int:
        """Bytes an image."""
        return int(prod(self.shape) * np.dtype(self.dtype).itemsize)


def square(side: int) -> Extract:
    """The whole image as a network of the input ``side`` takes it (images/resize.py)."""

    def of(full: FullImage) -> NDArray[np.uint8]:
        return full.pixels if full.pixels.shape[:2] == (side, side) else resized(full.image, side)

    return Extract(str(side), (side, side, 3), "|u1", of)


def _level_counts(full: FullImage) -> NDArray[np.uint32]:
    return np.array(full.image.histogram(), dtype="<u4").reshape(3, LEVELS)


LEVEL_COUNTS = Extract("level_counts", (3, LEVELS), "<u4", _level_counts)
"""How many pixels have each level, by channel."""


def kept_extracts(sides: Iterable[int]) -> list[Extract]:
    """All that is kept of an image in place of its full pixels: a square for each of ``sides``, and what
    baselines and the search for duplicates ask. Each once, in an order that does not depend on that of
    ``sides``."""
    # Here, because a cell's process reads the store and needs neither.
    from nullcrop.images.hashes import HASHES
    from nullcrop.images.likeness import THUMBNAIL

    squares = [square(side) for side in sorted({*sides, BaselineRecipe().pixels_side})]
    return [*squares, LEVEL_COUNTS, THUMBNAIL, HASHES]
