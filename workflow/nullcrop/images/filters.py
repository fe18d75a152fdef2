"""Filters: views of the whole image that keep one kind of its information. Their records: config/views.py.

Each is a function of the image alone. Those of brightness work on gray levels (Pillow's "L", ITU-R BT.601)
and repeat them in three channels; what is positive or negative lies around MIDDLE. So colour and frequencies
are kept apart: of a gray image `colour_only` says nothing, and of two images of the same gray levels the
others say the same. Crop sizes are given to every view, and no filter asks for them.
"""

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from nullcrop.images.views import Pixels

MIDDLE = 128
"""The level that stands for nothing."""

LOW_PASS_SIGMA = 3.0
"""Standard deviation in pixels of the Gaussian that parts low from high frequencies."""

TILE = 8
"""Side in pixels of the tiles that are shuffled; of JPEG's blocks as well."""

MEDIAN = 3
"""Side in pixels of the square whose median is taken."""

LEVELS_A_FOLD = 20
"""Levels of the Fourier magnitude for each factor of e: 12.7 of them until 255."""

BLOCK_GAIN = 64
"""Level of a phase of the block grid whose steps are as large as those around it."""

Plane = NDArray[np.float32]
Levels = NDArray[np.uint8]
"""Height × width."""


def gray(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """The gray levels of ``image`` (uint8, height × width × 3)."""
    return _picture(_gray(image))


def colour_only(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """Chroma at constant lightness: how far each channel is from the gray level, halved, around MIDDLE.

    Halved, because so no colour is cut off, and the gray level of every pixel is MIDDLE up to rounding. The
    same for all images that differ in gray levels alone.
    """
    thousandfold = image.astype(np.int32) @ np.array([299, 587, 114], np.int32)
    chroma = 1000 * image.astype(np.int32) - thousandfold[..., None]
    found: Pixels = np.rint(MIDDLE + chroma / 2000).astype(np.uint8)
    return found


def pixel_shuffle(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """All pixels in another order: the colours without any place. The order is drawn from a hash of them."""
    height, width, _ = image.shape
    order = _stream(image).permutation(height * width)
    return image.reshape(-1, 3)[order].reshape(image.shape)


def tile_shuffle(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """Tiles of TILE × TILE pixels in another order, drawn from a hash of the pixels: texture without place.

    What is left at the right and at the bottom, less than a tile, stays.
    """
    rows, columns = image.shape[0] // TILE, image.shape[1] // TILE
    inner = np.s_[: rows * TILE, : columns * TILE]
    tiles = image[inner].reshape(rows, TILE, columns, TILE, 3).swapaxes(1, 2).reshape(-1, TILE, TILE, 3)
    shuffled = tiles[_stream(image).permutation(len(tiles))]
    found = image.copy()
    found[inner] = shuffled.reshape(rows, columns, TILE, TILE, 3).swapaxes(1, 2).reshape(image[inner].shape)
    return found


def low_pass(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """Gray levels without what changes within a few pixels (Gaussian, LOW_PASS_SIGMA)."""
    return _picture(_low(_gray(image)))


def high_pass(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """What `low_pass` takes away, around MIDDLE; beyond 127 levels it is cut off."""
    levels = _gray(image)
    return _difference(levels, _low(levels))


def fourier(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """Logarithm of the Fourier magnitude of the gray levels, without their mean, lowest frequency in the
    centre.

    LEVELS_A_FOLD · ln(1 + magnitude / √pixels), so that noise has one level whatever the image's size.
    """
    from scipy import fft

    levels = _gray(image).astype(np.float64)
    magnitude = np.abs(fft.fftshift(fft.fft2(levels - levels.mean()))) / np.sqrt(levels.size)
    return _picture(_whole(LEVELS_A_FOLD * np.log1p(magnitude)))


def edges(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """Steepness of the gray levels: root mean square of Sobel's two derivatives, a step of 255 as 255."""
    from scipy.ndimage import sobel

    levels = _gray(image).astype(np.float32)
    down, across = (sobel(levels, axis=axis, mode="nearest") / 4 for axis in (0, 1))
    return _picture(_whole(np.sqrt((down**2 + across**2) / 2)))


def wavelet_ll(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """The part of the gray levels that Haar's wavelet keeps as coarse: the mean of each 2 × 2 pixels."""
    return _picture(_whole(_band(image, 0)))


def wavelet_lh(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """What differs from row to row within 2 × 2 pixels (PyWavelets' cH), around MIDDLE."""
    return _picture(_whole(MIDDLE + _band(image, 1)))


def wavelet_hl(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """What differs from column to column within 2 × 2 pixels (PyWavelets' cV), around MIDDLE."""
    return _picture(_whole(MIDDLE + _band(image, 2)))


def wavelet_hh(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """What differs along the diagonals of 2 × 2 pixels (PyWavelets' cD), around MIDDLE."""
    return _picture(_whole(MIDDLE + _band(image, 3)))


def median(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """The median of each channel in MEDIAN × MEDIAN pixels: edges without noise, with colours."""
    return np.asarray(_median(Image.fromarray(image)))


def noise(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """What a median takes away of the gray levels, around MIDDLE; beyond 127 levels it is cut off."""
    levels = _gray(image)
    return _difference(levels, np.asarray(_median(Image.fromarray(levels))))


def block_grid(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """How steps of the gray levels go with JPEG's grid of 8 × 8 pixels, counted from the upper left.

    In the first channel steps across columns, in the second those across rows, in the third the mean of both.
    Of each pixel: the mean of the curvatures in the same place of its block and of the eight blocks around,
    over the mean of all curvatures there, times BLOCK_GAIN. Without blocks all phases are alike, whatever the
    noise; with blocks those at their rims stand out.
    """
    levels = _gray(image).astype(np.float32)
    across, down = (_phases(levels, axis) for axis in (1, 0))
    return np.stack([_whole(BLOCK_GAIN * plane) for plane in (across, down, (across + down) / 2)], axis=2)


def _phases(levels: Plane, axis: int) -> Plane:
    """Curvature across ``axis`` at the phase of each pixel, over that of all phases (1 where there is none).

    The curvature at pixel i is how far the step from i - 1 to i is from the mean of the steps beside it.
    """
    from scipy.ndimage import convolve1d

    steps = np.diff(levels, axis=axis, prepend=np.take(levels, [0], axis=axis))
    beside: Plane = convolve1d(steps, np.array([0.5, 0, 0.5]), axis=axis, mode="constant")
    strength = np.abs(steps - beside)
    # Where an image ends nothing is measured, and the blocks beyond it do not count.
    inside = np.ones_like(levels)
    ends = [slice(None)] * 2
    for end in (slice(0, 2), slice(-1, None)):
        ends[axis] = end
        inside[tuple(ends)] = 0
    comb = np.zeros(2 * TILE + 1)
    comb[::TILE] = 1
    box = np.ones(2 * TILE + 1)
    box[[0, -1]] = 0.5
    same, around = (
        [_summed(plane, kernel, axis) for plane in (strength * inside, inside)] for kernel in (comb, box)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (same[0] / same[1]) / (around[0] / around[1])
    found: Plane = np.nan_to_num(ratio, nan=1, posinf=1)
    return found


def _summed(plane: Plane, kernel: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Sums along ``axis`` by ``kernel``, and over the three blocks across the other."""
    from scipy.ndimage import convolve1d, uniform_filter1d

    along = convolve1d(plane.astype(np.float64), kernel, axis=axis, mode="constant")
    length = 3 * TILE
    summed: NDArray[np.float64] = uniform_filter1d(along, length, axis=1 - axis, mode="constant") * length
    return summed


def _gray(image: Pixels) -> Levels:
    return np.asarray(Image.fromarray(image).convert("L"))


def _low(levels: Levels) -> Levels:
    from scipy.ndimage import gaussian_filter

    return _whole(gaussian_filter(levels.astype(np.float32), LOW_PASS_SIGMA, mode="nearest"))


def _median(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.MedianFilter(MEDIAN))


def _band(image: Pixels, place: int) -> Plane:
    """One band of Haar's wavelet at its finest scale, of the image's size, in gray levels."""
    import pywt

    levels = _gray(image).astype(np.float32)
    coarse, details = pywt.dwt2(levels, "haar", mode="symmetric")
    bands = [coarse, *details]
    kept = [band if i == place else np.zeros_like(band) for i, band in enumerate(bands)]
    height, width = levels.shape
    found: Plane = pywt.idwt2((kept[0], tuple(kept[1:])), "haar", mode="symmetric")[:height, :width]
    return found


def _difference(levels: Levels, taken: Levels) -> Pixels:
    return _picture(_whole(MIDDLE + levels.astype(np.float32) - taken))


def _whole(plane: NDArray[np.floating]) -> Levels:
    found: Levels = np.clip(np.rint(plane), 0, 255).astype(np.uint8)
    return found


def _picture(levels: Levels) -> Pixels:
    return np.repeat(levels[..., None], 3, axis=2)


def _stream(image: Pixels) -> np.random.Generator:
    """A stream of random numbers that the pixels decide, and nothing else."""
    digest = hashlib.sha256(np.ascontiguousarray(image).data).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


FILTERS: dict[str, Callable[[Pixels, int, int], Pixels]] = {
    one.__name__: one
    for one in (
        *(gray, colour_only, pixel_shuffle, tile_shuffle, low_pass, high_pass, fourier, edges),
        *(wavelet_ll, wavelet_lh, wavelet_hl, wavelet_hh, median, block_grid, noise),
    )
}
"""All of them by name."""
