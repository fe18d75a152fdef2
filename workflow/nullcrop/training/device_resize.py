"""Pillow's 8-bit bilinear resizing in torch, on any device, with no difference to Pillow in any pixel.

Pillow works in integers: each output pixel is a weighted sum of input pixels, the weights have 22 fractional
bits, and the sum is rounded and clipped to 0 … 255 after each of two passes, one along the rows and one along
the columns.
"""

import numpy as np
import PIL
import torch
from numpy.typing import NDArray
from torch import Tensor

from nullcrop.images.resize import resize
from nullcrop.training.arithmetic import EngineError

FRACTION_BITS = 22


PROBED_VALUES = 10_000
"""Values by which both orders of the passes are compared with Pillow's; of small images one in ten or fewer
differ."""


class Resizer:
    """Resizes images of ``height``×``width`` pixels to squares of ``size``, as images/resize.py does one by
    one.

    Which pass comes first is Pillow's choice and has changed between its versions: 13 shrinks tall images
    vertically first. Pillow itself is asked, with images of noise. Raises EngineError when
    neither order gives its pixels.
    """

    def __init__(self, height: int, width: int, size: int, device: torch.device) -> None:
        self._passes: list[tuple[int, Tensor, Tensor]] = []
        # Pillow leaves out the pass of a side that has its length already.
        if width != size:
            self._passes.append((2, *_on(device, width, size)))
        if height != size:
            self._passes.append((1, *_on(device, height, size)))
        if self._passes:
            count = -(-PROBED_VALUES // (size * size * 3))
            noise = np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)
            expected = torch.from_numpy(np.stack([resize(image, size) for image in noise])).to(device)
            pixels = torch.from_numpy(noise).to(device)
            orders = [order for order in (1, -1) if torch.equal(self._in_order(order, pixels), expected)]
            if not orders:
                raise EngineError(
                    f"Pillow {PIL.__version__} resizes {width}×{height} pixels to {size}×{size} in a way "
                    "that is not known here: take another version, or train it with `engine: plain`"
                )
            self._passes = self._passes[:: orders[0]]

    def __call__(self, pixels: Tensor) -> Tensor:
        """``pixels`` (images, height, width, 3) uint8 as (images, size, size, 3) uint8."""
        return self._in_order(1, pixels)

    def _in_order(self, order: int, pixels: Tensor) -> Tensor:
        for side, index, weight in self._passes[::order]:
            pixels = _pass(pixels, side, index, weight)
        return pixels


def bilinear_weights(length: int, size: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Which of ``length`` pixels make each of ``size`` output pixels, and their weights; both of shape (taps,
    size).

    The order of the operations is Pillow's, so that the weights are rounded as there.
    """
    scale = length / size
    reach = max(scale, 1.0)  # the filter widens when it shrinks an image
    taps = int(np.ceil(reach)) * 2 + 1
    center = (np.arange(size) + 0.5) * scale
    first = np.maximum((center - reach + 0.5).astype(np.int64), 0)
    last = np.minimum((center + reach + 0.5).astype(np.int64), length)
    index = first + np.arange(taps)[:, None]
    weight = np.maximum(1.0 - np.abs((index - center + 0.5) * (1.0 / reach)), 0.0)
    weight[index >= last] = 0.0
    total = np.zeros(size)
    for row in weight:  # one after the other: np.sum would add in another order
        total += row
    whole = (0.5 + weight / total * (1 << FRACTION_BITS)).astype(np.int32)
    return np.minimum(index, length - 1), whole


def _on(device: torch.device, length: int, size: int) -> tuple[Tensor, Tensor]:
    index, weight = bilinear_weights(length, size)
    return torch.from_numpy(index).to(device), torch.from_numpy(weight).to(device)


def _pass(pixels: Tensor, side: int, index: Tensor, weight: Tensor) -> Tensor:
    """One direction. A loop over the taps, because CUDA has no product of integer matrices."""
    shape = [1, 1, 1, 1]
    shape[side] = -1
    total: Tensor | None = None
    for rows, factors in zip(index, weight, strict=True):
        term = pixels.index_select(side, rows) * factors.view(shape)
        total = term.add_(1 << (FRACTION_BITS - 1)) if total is None else total.add_(term)
    assert total is not None
    return total.bitwise_right_shift_(FRACTION_BITS).clamp_(0, 255).to(torch.uint8)
