"""Images as a network takes them, straight from the packed store; no loader, no workers."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nullcrop.images.resize import resize
from nullcrop.images.store import PackedView
from nullcrop.training.architectures import normalisation

CACHE_BYTES = 2 * 1024**3
"""Resized images are kept in memory up to this size; beyond it each is resized every epoch."""


class InputImages:
    """A view's images, resized to ``size`` pixels, normalised as the network ``architecture`` takes them, on
    ``device``."""

    def __init__(
        self,
        view: PackedView | NDArray[np.uint8] | Sequence[NDArray[np.uint8]],
        size: int,
        device: torch.device,
        architecture: str,
    ) -> None:
        self._view, self._size, self._device = view, size, device
        self._mean, self._std = channels(architecture, device)
        self._resized: dict[int, NDArray[np.uint8]] = {}
        self._keep = len(view) * size * size * 3 <= CACHE_BYTES

    def batch(self, rows: Sequence[int]) -> Tensor:
        """Images of the given rows, shape (rows, 3, size, size), float32."""
        pixels = torch.from_numpy(np.stack([self._image(row) for row in rows])).to(self._device)
        inputs = normalised(pixels, self._mean, self._std)
        # A GPU's float32 kernels take the channels first; given last, cuDNN would take all layers so.
        return inputs.contiguous() if self._device.type == "cuda" else inputs

    def _image(self, row: int) -> NDArray[np.uint8]:
        if row in self._resized:
            return self._resized[row]
        image = resize(self._view[row], self._size)
        if self._keep:
            self._resized[row] = image
        return image


def channels(architecture: str, device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, shape (3, 1, 1), by which the network's inputs are
    normalised."""
    mean, std = (torch.tensor(values, device=device).view(3, 1, 1) for values in normalisation(architecture))
    return mean, std


def normalised(pixels: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """``pixels`` (images, height, width, 3) uint8 as (images, 3, height, width) float32, each channel
    normalised."""
    return (pixels.permute(0, 3, 1, 2).float().div_(255) - mean) / std


def batches(rows: NDArray[np.int64], size: int) -> Iterator[list[int]]:
    """``rows`` in order, ``size`` at a time; the last, partial batch is kept.

    A single image left over joins the batch before it: batch normalisation cannot train on one.
    """
    starts = list(range(0, len(rows), size))
    if len(rows) > size and len(rows) % size == 1:
        starts.pop()
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        yield rows[start:end].tolist()
