"""Features that people made before networks learned theirs: texture, polynomials, power, sharpness.

Baselines on them (config/readers.py) are fitted where a study names them. All but the polynomials see the
gray levels at full size; all are defined for every image, down to one pixel.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Values = NDArray[np.float64]
Levels = NDArray[np.uint8]

GRAY_LEVELS = 32
"""Levels of the co-occurrence matrix."""

PROPERTIES = ("contrast", "dissimilarity", "homogeneity", "ASM", "correlation", "entropy")
"""Haralick's features, as scikit-image names them."""

PATTERNS = 10
"""Uniform local binary patterns of eight neighbours, those that are not uniform as one."""

SCALES = 4
"""Scales of Tamura's coarseness: windows of 2, 4, 8 and 16 pixels."""

DIRECTIONS = 16
"""Bins of the directions of edges."""

FLAT = 12.0
"""Steepness in gray levels a pixel from which an edge has a direction (Tamura et al. 1978)."""

ZERNIKE_ORDER, CHEBYSHEV_DEGREE = 8, 5

RINGS = 16
"""Rings of frequencies, from 0 to half a cycle a pixel."""


def texture(image: NDArray[np.uint8]) -> Values:
    """Haralick's features, local binary patterns and Tamura's of an image (height × width × 3).

    Haralick's (1973, IEEE Trans SMC 3:610): mean and range over four directions, at a distance of one pixel.
    Local binary patterns: shares of the uniform patterns (Ojala, Pietikäinen and Mäenpää 2002, IEEE TPAMI
    24:971). Tamura's coarseness, contrast and directionality (Tamura, Mori and Yamawaki 1978, IEEE Trans SMC
    8:460).
    """
    levels = _gray(image)
    return np.concatenate([_haralick(levels), _binary_patterns(levels), _tamura(levels.astype(float))])


def polynomials(square: NDArray[np.uint8]) -> Values:
    """How the light lies in the image: Zernike and Chebyshev coefficients of an image resized to a square.

    Zernike: magnitudes up to ZERNIKE_ORDER on the inscribed disc (Khotanzad and Hong 1990, IEEE TPAMI
    12:489). Chebyshev: coefficients up to CHEBYSHEV_DEGREE in each direction, of least squares.
    """
    levels = _gray(square).astype(float)
    zernike, chebyshev = _bases(len(levels))
    return np.concatenate([np.abs(zernike @ levels.ravel()), chebyshev @ levels.ravel()])


def radial_power(image: NDArray[np.uint8]) -> Values:
    """Logarithm of the mean power of the gray levels, without their mean, in RINGS rings of frequencies.

    0 where an image is too small for a ring.
    """
    from scipy import fft

    levels = _gray(image).astype(float)
    height, width = levels.shape
    power = np.abs(fft.rfft2(levels - levels.mean())) ** 2 / levels.size
    radius = np.hypot(fft.fftfreq(height)[:, None], fft.rfftfreq(width))
    # The corners of the square, beyond half a cycle a pixel, count with the last ring.
    ring = np.minimum((radius * 2 * RINGS).astype(int), RINGS - 1).ravel()
    total, count = (np.bincount(ring, weights, RINGS) for weights in (power.ravel(), None))
    means: Values = np.log1p(total / np.maximum(count, 1))
    return means


def sharpness(image: NDArray[np.uint8]) -> Values:
    """Blur, noise, contrast and entropy of the gray levels (4).

    Blur: logarithm of the variance of the Laplacian (Pech-Pacheco et al. 2000, ICPR). Noise: standard
    deviation by the median of the finest diagonal wavelet (Donoho and Johnstone 1994, Biometrika 81:425).
    Contrast: standard deviation. Entropy in bits.
    """
    import pywt
    from scipy.ndimage import laplace
    from skimage.measure import shannon_entropy

    levels = _gray(image).astype(float)
    diagonal = pywt.dwt2(levels, "haar")[1][2]
    return np.array(
        [
            np.log1p(laplace(levels, mode="nearest").var()),
            np.median(np.abs(diagonal)) / 0.6745,
            levels.std(),
            shannon_entropy(_gray(image)),  # type: ignore[no-untyped-call]
        ]
    )


def _gray(image: NDArray[np.uint8]) -> Levels:
    return np.asarray(Image.fromarray(image).convert("L"))


def _haralick(levels: Levels) -> Values:
    from skimage.feature import graycomatrix, graycoprops

    angles = np.arange(4) * np.pi / 4
    coarse = levels // (256 // GRAY_LEVELS)
    options = {"levels": GRAY_LEVELS, "symmetric": True, "normed": True}
    matrix = graycomatrix(coarse, [1], angles, **options)  # type: ignore[no-untyped-call]
    of_each = [graycoprops(matrix, name)[0] for name in PROPERTIES]  # type: ignore[no-untyped-call]
    found = np.stack(of_each)
    return np.concatenate([found.mean(axis=1), np.ptp(found, axis=1)])


def _binary_patterns(levels: Levels) -> Values:
    from skimage.feature import local_binary_pattern

    patterns = local_binary_pattern(levels, PATTERNS - 2, 1, "uniform")  # type: ignore[no-untyped-call]
    shares: Values = np.bincount(patterns.astype(int).ravel(), minlength=PATTERNS) / patterns.size
    return shares


def _tamura(levels: Values) -> Values:
    """Coarseness (mean width of the window that differs most from its neighbour), contrast, directionality
    (how much the directions of edges agree, 0 … 1)."""
    from scipy.ndimage import prewitt, uniform_filter

    differences = []
    for scale in range(1, SCALES + 1):
        means, shift = uniform_filter(levels, 2**scale, mode="nearest"), 2 ** (scale - 1)
        padded = np.pad(means, shift, mode="edge")
        inner = slice(shift, -shift)
        across = np.abs(padded[inner, 2 * shift :] - padded[inner, : -2 * shift])
        down = np.abs(padded[2 * shift :, inner] - padded[: -2 * shift, inner])
        differences.append(np.maximum(across, down))
    coarseness = (2.0 ** (1 + np.argmax(differences, axis=0))).mean()
    spread = levels.std()
    fourth = ((levels - levels.mean()) ** 4).mean()
    contrast = spread**2 / fourth**0.25 if fourth > 0 else 0.0
    down, across = (prewitt(levels, axis=axis, mode="nearest") / 6 for axis in (0, 1))
    steep = (np.abs(down) + np.abs(across)) >= FLAT
    angle = np.arctan2(down, across)[steep] % np.pi
    shares = np.histogram(angle, DIRECTIONS, (0, np.pi))[0] / max(1, len(angle))
    return np.array([coarseness, contrast, (shares**2).sum()])


@lru_cache(maxsize=4)
def _bases(side: int) -> tuple[NDArray[np.complex128], Values]:
    """What takes a square's gray levels to Zernike and to Chebyshev coefficients."""
    centres = (np.arange(side) + 0.5) / side * 2 - 1
    y, x = (axis.ravel() for axis in np.meshgrid(centres, centres, indexing="ij"))
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    inside = radius <= 1
    moments = [
        (order + 1) / np.pi * _radial(order, turns, radius) * np.exp(-1j * turns * angle) * inside
        for order in range(ZERNIKE_ORDER + 1)
        for turns in range(order % 2, order + 1, 2)
    ]
    degrees = [CHEBYSHEV_DEGREE, CHEBYSHEV_DEGREE]
    chebyshev = np.linalg.pinv(np.polynomial.chebyshev.chebvander2d(y, x, degrees))
    zernike = np.stack(moments) * (2 / side) ** 2
    return zernike.astype(np.complex128), chebyshev.astype(np.float64)


def _radial(order: int, turns: int, radius: Values) -> Values:
    """Zernike's radial polynomial."""
    from math import factorial

    total = np.zeros_like(radius)
    for k in range((order - turns) // 2 + 1):
        below = factorial((order + turns) // 2 - k) * factorial((order - turns) // 2 - k)
        total += (-1) ** k * factorial(order - k) / (factorial(k) * below) * radius ** (order - 2 * k)
    return total
