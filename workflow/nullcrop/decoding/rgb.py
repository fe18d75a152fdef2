"""One image file to RGB pixels: what each image mode means, decided once.

========== ===============================================================================
mode       becomes
========== ===============================================================================
RGB        itself
L, 1       the gray value in all three channels
LA, RGBA   the colours as stored; the alpha channel is dropped, not composed on a background
P          the palette's colours (a transparent entry keeps its colour)
CMYK, …    Pillow's own conversion, without colour profile (also YCbCr, LAB, HSV)
I;16, I    the high byte of the 16-bit value: a fixed rule, because stretching each image to
           its own range would write its content into every pixel
F          refused: floating-point pixels have no agreed range
========== ===============================================================================

An EXIF orientation tag turns nothing: the corner that is cropped is the corner Pillow's crop
takes from the opened file, which is also what a network's usual loader sees. (Pillow itself
turns a TIFF while loading it, and nothing else.)
Of several frames the first is taken.

An image need not be a file of its own: `images.npy::12` is the image with index 12 in an array of
images, `images.npy::12,32` slice 32 of the volume with index 12. Wherever nullcrop reads an image
by its path, such a locator will do.
"""

import re
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nullcrop.basics.errors import NullcropError

LOCATOR = re.compile(r"(.+\.npy)::(\d+(?:,\d+)*)")


def locator(array: Path, *index: int) -> str:
    """The path of one image in the .npy file ``array``: its index along the first axes."""
    return f"{array}::{','.join(map(str, index))}"


def packed_image(path: str) -> NDArray[np.uint8] | None:
    """The image a locator names, gray (height, width) or RGB (height, width, 3), read-only; None for a file.

    Nothing is read before its pixels are used: the array is a memory map, opened once. Raises
    NullcropError when there is no such array or no such image in it.
    """
    match = LOCATOR.fullmatch(path)
    if match is None:
        return None
    try:
        image: NDArray[np.uint8] = _array(match[1])[tuple(map(int, match[2].split(",")))]
    except (OSError, ValueError, IndexError) as error:
        raise NullcropError(f"{path} cannot be read as an image: {error}") from None
    if image.dtype != np.uint8 or image.shape[2:] not in ((), (3,)) or image.ndim < 2:
        raise NullcropError(f"{path} is no image: its shape is {image.shape} and its type {image.dtype}")
    return image


@lru_cache(maxsize=64)
def _array(path: str) -> NDArray[np.uint8]:
    # As a plain array: a memmap's own bookkeeping costs more than cutting out an image.
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def read_rgb(path: Path | str) -> NDArray[np.uint8]:
    """Decode ``path`` once into an array of shape (height, width, 3), dtype uint8.

    ``path`` is a file or a locator; what a locator names is not copied. Raises NullcropError with
    the file's name when it cannot be decoded.
    """
    packed = packed_image(str(path))
    if packed is not None:
        return packed if packed.ndim == 3 else np.broadcast_to(packed[:, :, None], (*packed.shape, 3))
    try:
        with Image.open(path) as image:
            return to_rgb(image, str(path))
    except NullcropError:
        raise
    # Decoders of broken files raise nearly everything, and seldom name the file.
    except Exception as error:
        raise NullcropError(f"{path} cannot be read as an image: {error}") from None


def to_rgb(image: Image.Image, name: str) -> NDArray[np.uint8]:
    """Pixels of ``image`` as RGB, shape (height, width, 3), by the table above."""
    if image.mode == "F":
        raise NullcropError(f"{name}: floating-point pixels have no agreed range; save it with 8 or 16 bits")
    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65_535:
            raise NullcropError(
                f"{name}: pixel values {values.min()} to {values.max()} do not fit in 16 bits"
            )
        gray = (values >> 8).astype(np.uint8)
        return np.repeat(gray[:, :, None], 3, axis=2)
    if image.mode == "RGB":
        # Pillow's conversion would copy every pixel first.
        return np.asarray(image)
    # Transparency is dropped on purpose; without this Pillow would warn of it in every log.
    image.info.pop("transparency", None)
    return np.asarray(image.convert("RGB"))
