"""What decoding a file gives, and the packages that some kinds of files take."""

import importlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nullcrop.basics.errors import NullcropError


@dataclass(frozen=True)
class DecodedImage:
    """One image, and what its file tells of it."""

    pixels: NDArray[np.uint8]
    """RGB, shape (height, width, 3)."""
    format: str
    mode: str
    orientation: int = 1
    """EXIF orientation tag, a file fact only."""
    frames: int = 1
    """Frames, pages or slices that the file holds, of which one is read."""
    extremes: tuple[float, float] | None = None
    """Lowest and highest value before they became 8 bits; None where they had no more."""
    bits_used: int | None = None
    """Bits that its values need, where 16 are taken because nobody said how many they have."""
    rescale: tuple[float, float] | None = None
    """Slope and intercept that give a DICOM file's values a meaning which the reading leaves out."""
    own_window: tuple[float, float] | None = None
    """Centre and width of the window that a DICOM file names for its display; pixels are not read by it."""
    attributes: dict[str, str] = field(default_factory=dict)
    """What a DICOM file tells of patient and device, as it stands there: not to be written anywhere."""


SCAN_FORMATS = {"DICOM": "pydicom", "NIFTI": "nibabel", "NRRD": "pynrrd"}
"""Formats that Pillow does not read, and what does. Of several frames or slices the central one is taken."""


class MissingPackage(NullcropError):
    """An image cannot be read because a package is not installed: no fault of the image."""


def package_for(name: str, what: str, module: str, install: str, extra: str) -> Any:
    """The optional ``module``, which reads the file ``name``; MissingPackage says how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingPackage(
            f"{name} is {what}, which takes a package to be read: pip install {install} (nullcrop's extra "
            f"`{extra}`)"
        ) from None
