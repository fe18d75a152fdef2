"""Values of more than 8 bits to gray: one rule for all images of a dataset, never one an image.

A rule that looked at an image (its own darkest and brightest pixel, or the window that its scanner wrote
into the file) would write the image's content, or its device, into every pixel: into the corners, too.
So a definition says `bits` or `window`, or says nothing; then a file's declared depth counts (DICOM's
BitsStored), or else 16 bits.

A window [c, w] is that of DICOM PS3.3 C.11.2.1.3.2 (LINEAR_EXACT): c − w/2 and below is black, c + w/2 and
above is white. The depth b of unsigned values is the window [2^(b−1), 2^b], and of signed ones [0, 2^b].
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nullcrop.basics.errors import NullcropError

UNDECLARED_BITS = 16
"""Depth of integer pixels where nobody says another."""


@dataclass(frozen=True)
class Reading:
    """The rule by which gray values of more than 8 bits become 8."""

    bits: int | None = None
    """Depth of the values; None: what each file declares, or 16."""
    window: tuple[float, float] | None = None
    """Centre and width of the range that is kept, in place of a depth; of a DICOM file in units after its
    rescale slope and intercept, of a volume after its own scaling."""

    def as_json(self) -> dict[str, Any]:
        """The keys that are set."""
        window = None if self.window is None else list(self.window)
        return {key: value for key, value in (("bits", self.bits), ("window", window)) if value is not None}

    @classmethod
    def of_json(cls, keys: Mapping[str, Any]) -> "Reading":
        """What :meth:`as_json` gave."""
        window = keys.get("window")
        return cls(keys.get("bits"), None if window is None else (window[0], window[1]))


AS_DECLARED = Reading()
"""The rule of a definition that names none."""


class NoDeclaredRange(NullcropError):
    """Values that need a window, and their extremes."""

    def __init__(self, name: str, values: NDArray[Any], what: str) -> None:
        self.extremes = low, high = extremes_of(values)
        super().__init__(
            f"{name}: {what} pixels have no agreed range (here {low:g} to {high:g}): set `window` in the "
            "dataset's definition, or save them with 8 or 16 bits"
        )


def extremes_of(values: NDArray[Any]) -> tuple[float, float]:
    """The lowest and the highest of the finite ``values``; 0 and 0 where there is none."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def windowed(values: NDArray[Any], center: float, width: float) -> NDArray[np.uint8]:
    """``values`` as gray of the same shape: 256 equal steps from center − width/2 to center + width/2.

    What lies outside is black or white; what is no number is black.
    """
    steps = np.floor(((values.astype(np.float64) - center) / width + 0.5) * 256)
    gray: NDArray[np.uint8] = np.nan_to_num(steps, nan=0).clip(0, 255).astype(np.uint8)
    return gray


def deep_gray(
    values: NDArray[Any], name: str, bits: int, signed: bool, source: str = "its depth"
) -> NDArray[np.uint8]:
    """Integers of ``bits`` bits as gray of the same shape: of more than 8 bits the highest 8.

    ``source`` says who told the depth. Raises NullcropError when a value needs more bits.
    """
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    least, most = int(values.min()), int(values.max())
    if least < low or most > high:
        kind = "signed bits" if signed else "bits"
        raise NullcropError(
            f"{name}: pixel values {least} to {most} do not fit in {bits} {kind}, which is {source}"
        )
    shifted = values.astype(np.int64) - low
    gray = shifted >> bits - 8 if bits >= 8 else shifted * 255 // ((1 << bits) - 1)
    return gray.astype(np.uint8)


def bits_needed(least: int, most: int, signed: bool) -> int:
    """The least depth that holds integers from ``least`` to ``most``."""
    if not signed:
        return most.bit_length()
    return max(most.bit_length(), (-least - 1).bit_length() if least < 0 else 0) + 1


def in_three(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Gray (height, width) in all three channels."""
    return np.repeat(gray[:, :, None], 3, axis=2)
