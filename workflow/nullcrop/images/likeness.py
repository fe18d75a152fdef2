"""How alike two images are in their detail: the check of what a perceptual hash only suspects.

A perceptual hash sees the large shapes. Scans of one kind share them (the same body, the same
face under the same light); copies of one image share their texture, too. Shift and crop move it
a little, so each quarter is compared where it fits best.
"""

import numpy as np
import scipy
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

from nullcrop.images.extracts import Extract, FullImage

Detail = NDArray[np.float32]

SIDE = 96
"""Side of the thumbnail in pixels."""

BLUR = 1.5
"""Standard deviation in pixels of the Gaussian whose result is taken away: what is left is detail."""

REACH = 4
"""Pixels by which a quarter may have moved."""


def _thumbnail(full: FullImage) -> NDArray[np.uint8]:
    return np.asarray(full.gray.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


THUMBNAIL = Extract("thumbnail", (SIDE, SIDE), "|u1", _thumbnail)
"""A gray thumbnail."""


def detail_of(thumbnail: NDArray[np.uint8]) -> Detail:
    """Detail of one image: its THUMBNAIL less that blurred, SIDE × SIDE."""
    gray = thumbnail.astype(np.float32)
    detail: Detail = gray - scipy.ndimage.gaussian_filter(gray, BLUR, mode="nearest")
    return detail


def likeness(first: Detail, second: Detail) -> float:
    """Mean over the four quarters of the best correlation within REACH pixels: 1 for equal images."""
    inner = SIDE - 2 * REACH
    starts = (REACH, REACH + inner // 2)
    return float(np.mean([_best_fit(first, second, y, x, inner // 2) for y in starts for x in starts]))


def _best_fit(first: Detail, second: Detail, y: int, x: int, side: int) -> float:
    block = first[y : y + side, x : x + side]
    around = second[y - REACH : y + side + REACH, x - REACH : x + side + REACH]
    windows = sliding_window_view(around, block.shape)
    norms = np.sqrt(np.einsum("ijkl,ijkl->ij", windows, windows)) * np.linalg.norm(block)
    # Where there is no detail at all there is nothing to agree on.
    fits = np.einsum("ijkl,kl->ij", windows, block) / np.maximum(norms, 1e-6)
    return float(fits.max())
