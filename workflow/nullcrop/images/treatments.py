"""What treatments do: deterministic functions of one image alone. Their records: config/treatments.py."""

import io

import numpy as np
import scipy
from numpy.typing import NDArray
from PIL import Image

from nullcrop.basics.errors import NullcropError
from nullcrop.images.resize import resize as resized_pixels

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Shape = tuple[int, int]
"""Height and width in pixels."""

CHAIN_SIDE, CHAIN_QUALITY = 256, 90
"""Side in pixels and JPEG quality of the one chain through which `strip` takes every image."""

MINKOWSKI = 6
"""Power of the means in shades of grey, the best of Finlayson and Trezzi (2004)."""

BELL = {"loc": 127.5, "scale": 50}
"""The normal histogram that channels are matched to: most of it lies within 0 … 255."""

CONES = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
"""Answers of the eye's three kinds of cones to red, green and blue (Reinhard et al. 2001, equation 4)."""
OPPONENTS = np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]]) / np.sqrt([[3], [6], [2]])
"""Lightness and two colours from the cones' logarithms (Ruderman et al. 1998)."""
SECTION_MEAN = np.array([8.74108109, -0.12440419, 0.0444982])
"""Means of these three in a section stained with haematoxylin and eosin (TCGA-A2-A3XS-DX1, as Amgad et al.
2019 took it for their reference)."""
SECTION_SPREAD = np.array([0.6135447, 0.10989545, 0.0286032])
"""Their standard deviations."""

WHITE = 240
"""Light that passes where there is no tissue, in levels (Macenko et al. 2009)."""
FAINTEST = 0.15
"""Optical density below which a pixel counts as no tissue there."""
STAIN_PERCENTILE = 1
"""Share in percent of pixels beyond each stain's colour there."""
REFERENCE_STAINS = np.array([[0.5626, 0.2159], [0.7201, 0.8012], [0.4062, 0.5581]])
"""Optical densities of haematoxylin and eosin by channel, the authors' own reference."""
REFERENCE_STRENGTH = np.array([1.9705, 1.0308])
"""99th percentiles of both stains' strengths there."""


def reencode(image: Pixels, crop_width: int, crop_height: int, quality: int) -> Pixels:
    """``image`` encoded as JPEG of this ``quality`` (Pillow's, chroma at half resolution) and decoded."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality, subsampling="4:2:0")
    with Image.open(stream) as decoded:
        return np.asarray(decoded.convert("RGB"))


def resize(image: Pixels, crop_width: int, crop_height: int, side: int) -> Pixels:
    """``image`` as a square of ``side`` pixels, as networks get it (images/resize.py)."""
    _check_room("resize", (side, side), crop_width, crop_height)
    return resized_pixels(image, side)


def resized_shape(shape: Shape, side: int) -> Shape:
    """Shape of what :func:`resize` gives."""
    return side, side


def strip(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """``image`` through one chain: CHAIN_SIDE pixels a side, JPEG of CHAIN_QUALITY."""
    _check_room("strip", (CHAIN_SIDE, CHAIN_SIDE), crop_width, crop_height)
    return reencode(resized_pixels(image, CHAIN_SIDE), crop_width, crop_height, CHAIN_QUALITY)


def stripped_shape(shape: Shape) -> Shape:
    """Shape of what :func:`strip` gives."""
    return CHAIN_SIDE, CHAIN_SIDE


def crop_border(image: Pixels, crop_width: int, crop_height: int, border: int) -> Pixels:
    """``image`` without ``border`` pixels at each rim; NullcropError when no crop is left."""
    height, width, _ = image.shape
    _check_room("crop_border", cropped_shape((height, width), border), crop_width, crop_height)
    return image[border : height - border, border : width - border]


def cropped_shape(shape: Shape, border: int) -> Shape:
    """Shape of what :func:`crop_border` gives."""
    return shape[0] - 2 * border, shape[1] - 2 * border


def gray_world(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """``image`` with each channel scaled so that all have the mean of the three.

    A channel that is black everywhere stays so.
    """
    return _balanced(image, image.mean(axis=(0, 1)))


def shades_of_gray(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """``image`` with each channel scaled so that all have the same mean of the power MINKOWSKI."""
    powers = (image.astype(np.float64) ** MINKOWSKI).mean(axis=(0, 1))
    return _balanced(image, powers ** (1 / MINKOWSKI))


def histogram_match(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """``image`` with the levels of each channel replaced so that they follow BELL.

    A level goes where the middle of its own share of the pixels lies in BELL, so levels keep their order.
    """
    tables = np.empty((256, 3), np.uint8)
    for channel in range(3):
        counts = np.bincount(image[..., channel].ravel(), minlength=256)
        middle = (counts.cumsum() - counts / 2) / counts.sum()
        with np.errstate(divide="ignore"):
            tables[:, channel] = _levels(scipy.stats.norm.ppf(middle.clip(0, 1), **BELL))
    return np.stack([tables[image[..., channel], channel] for channel in range(3)], axis=-1)


def reinhard(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """``image`` with mean and standard deviation of lightness and both colours set to those of a section.

    A channel without spread gets the mean alone. Levels of 0, which have no logarithm, count as 1.
    """
    logs = np.log(np.maximum(image.reshape(-1, 3), 1) @ CONES.T) @ OPPONENTS.T
    mean, spread = logs.mean(axis=0), logs.std(axis=0)
    scale = np.divide(SECTION_SPREAD, spread, out=np.zeros(3), where=spread > 1e-9)
    cones = np.exp(((logs - mean) * scale + SECTION_MEAN) @ OPPONENTS)
    return _levels(cones @ np.linalg.inv(CONES).T).reshape(image.shape)


def macenko(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """``image`` with its two stains exchanged for REFERENCE_STAINS, as strong as REFERENCE_STRENGTH.

    An image in which no two stains can be told apart (too little tissue, or one colour) stays as it is.
    """
    density = -np.log((image.reshape(-1, 3).astype(np.float64) + 1) / WHITE)
    tissue = density[(density >= FAINTEST).all(axis=1)]
    if len(tissue) < 3 or np.linalg.matrix_rank(np.cov(tissue.T), tol=1e-8) < 2:
        return image
    # The plane of the two largest variances; eigenvalues come in ascending order.
    plane = np.linalg.eigh(np.cov(tissue.T))[1][:, 1:]
    # Densities are positive, so the plane's axes are turned that way before angles are taken in it.
    plane = plane * np.where(plane.sum(axis=0) < 0, -1, 1)
    angles = np.arctan2(*(tissue @ plane).T)
    extremes = np.percentile(angles, [STAIN_PERCENTILE, 100 - STAIN_PERCENTILE])
    stains = plane @ np.stack([np.sin(extremes), np.cos(extremes)])
    # Haematoxylin takes more of the red light than eosin.
    stains = stains[:, np.argsort(-stains[0])]
    strength, _, rank, _ = np.linalg.lstsq(stains, density.T, rcond=None)
    strongest = np.percentile(strength, 99, axis=1)
    if rank < 2 or not (strongest > 0).all():
        return image
    mixed = REFERENCE_STAINS @ (strength * (REFERENCE_STRENGTH / strongest)[:, None])
    return _levels(WHITE * np.exp(-mixed) - 1).T.reshape(image.shape)


def _balanced(image: Pixels, means: Floats) -> Pixels:
    scale = np.divide(means.mean(), means, out=np.ones(3), where=means > 0)
    return _levels(image * scale)


def _levels(values: Floats) -> Pixels:
    levels: Pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return levels


def _check_room(treatment: str, shape: Shape, crop_width: int, crop_height: int) -> None:
    height, width = shape
    if height < crop_height or width < crop_width:
        raise NullcropError(
            f"the treatment '{treatment}' leaves {max(width, 0)}×{max(height, 0)} pixels of an image, which "
            f"have no room for a crop of {crop_width}×{crop_height}: name another number under `treatments:`"
        )
