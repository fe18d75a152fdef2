"""Images as a network takes them, from pixels that lie on the device; where those do not fit, streamed from
the host."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nullcrop.basics.threads import mapped
from nullcrop.images.resize import resize
from nullcrop.images.store import PackedView
from nullcrop.training.data import CACHE_BYTES, channels, normalised
from nullcrop.training.device_resize import Resizer

SHARE_OF_FREE_MEMORY = 0.3
"""What the pixels of one cell may take of the device's free memory; beyond it they are streamed."""

CHUNK_BYTES = 256 * 1024**2
"""Pixels that are brought to the device, and resized there, at a time."""


class DeviceImages:
    """A view's images, as :class:`InputImages` gives them, bit for bit, without a wait between two batches.

    Images of one size that is not above the network's are kept as they are and resized in each batch; all
    others are resized once. ``view``: a view of the store, or its array (images, height, width, 3). ``room``:
    bytes that the pixels may take on the device.
    """

    def __init__(
        self,
        view: PackedView | NDArray[np.uint8],
        size: int,
        device: torch.device,
        architecture: str,
        room: int | None = None,
    ) -> None:
        self._view, self._size, self._device = view, size, device
        self._mean, self._std = channels(architecture, device)
        pixels = view if isinstance(view, np.ndarray) else view.pixels
        self._one_size = pixels if pixels.ndim == 4 else None
        self._resizer: Resizer | None = None
        if self._one_size is not None:
            height, width = self._one_size.shape[1:3]
            self._resizer = Resizer(height, width, size, device)
        self._as_they_are = self._one_size is not None and height * width <= size * size
        needed = pixels.nbytes if self._as_they_are else len(view) * size * size * 3
        self.resident = needed <= (_room(device) if room is None else room)
        """Whether the pixels lie on the device."""
        self._pixels = self._brought() if self.resident else None
        self._stream = None if self.resident else _HostStream(self._host_shape, self._fill, device)

    def inputs(self, steps: Sequence[list[int]]) -> Iterator[tuple[Tensor, Tensor]]:
        """Of each step its rows and its images, (rows, 3, size, size) float32, both on the device."""
        lengths = [len(rows) for rows in steps]
        # All rows at once: a copy to the device in every step would wait for all that it has to do.
        every = torch.tensor([row for rows in steps for row in rows], dtype=torch.int64).to(self._device)
        of_steps = every.split(lengths) if steps else ()  # type: ignore[no-untyped-call]
        if self._pixels is not None:
            for rows in of_steps:
                yield rows, self._finished(self._pixels.index_select(0, rows))
        else:
            assert self._stream is not None
            for rows, pixels in zip(of_steps, self._stream.batches(steps), strict=True):
                yield rows, self._finished(pixels)

    def batch(self, rows: list[int]) -> Tensor:
        """Images of the given rows, shape (rows, 3, size, size), float32."""
        return next(self.inputs([rows]))[1]

    def _finished(self, pixels: Tensor) -> Tensor:
        if self._resizer is not None and pixels.shape[1:3] != (self._size, self._size):
            pixels = self._resizer(pixels)
        return normalised(pixels, self._mean, self._std)

    def _brought(self) -> Tensor:
        """All pixels on the device, as they are or resized."""
        count = len(self._view)
        shape = self._host_shape if self._as_they_are else (self._size, self._size, 3)
        kept = torch.empty((count, *shape), dtype=torch.uint8, device=self._device)
        step = max(1, CHUNK_BYTES // int(np.prod(self._host_shape)))
        for start in range(0, count, step):
            rows = range(start, min(start + step, count))
            chunk = np.empty((len(rows), *self._host_shape), dtype=np.uint8)
            self._fill(rows, chunk)
            pixels = torch.from_numpy(chunk).to(self._device)
            if self._resizer is not None and not self._as_they_are:
                pixels = self._resizer(pixels)
            kept[rows.start : rows.stop] = pixels
        return kept

    @property
    def _host_shape(self) -> tuple[int, ...]:
        """Shape of an image as it leaves the host: its own where all have one, else resized there."""
        return self._one_size.shape[1:] if self._one_size is not None else (self._size, self._size, 3)

    def _fill(self, rows: Sequence[int], out: NDArray[np.uint8]) -> None:
        """Write the pixels of ``rows`` into ``out``; sizes that differ are resized by Pillow on every
        core."""
        if self._one_size is not None:
            np.take(self._one_size, rows, axis=0, out=out)
            return
        for number, image in enumerate(
            mapped(lambda row: resize(self._view[row], self._size), rows, torch.get_num_threads())
        ):
            out[number] = image


class _HostStream:
    """Pixels of batch after batch, through two buffers: one is filled while the device reads the other.

    On a GPU the buffers are pinned, there are two on the device as well, and the copies run on a stream of
    their own, beside the training.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        fill: Callable[[Sequence[int], NDArray[np.uint8]], None],
        device: torch.device,
    ) -> None:
        self._shape, self._fill, self._device = shape, fill, device
        self._buffers: list[Tensor] = []
        self._on_gpu = device.type == "cuda"
        self._side = torch.cuda.Stream(device) if self._on_gpu else None  # type: ignore[no-untyped-call]
        self._on_device: list[Tensor] = []
        self._copied, self._used = (
            [torch.cuda.Event() for _ in range(2)] if self._on_gpu else []  # type: ignore[no-untyped-call]
            for _ in range(2)
        )

    def batches(self, steps: Sequence[list[int]]) -> Iterator[Tensor]:
        """The uint8 pixels of each step, on the device; those of the next are fetched while one is worked
        on."""
        if not steps:
            return
        largest = max(map(len, steps))
        if not self._buffers or len(self._buffers[0]) < largest:
            self._buffers = [
                torch.empty((largest, *self._shape), dtype=torch.uint8, pin_memory=self._on_gpu)
                for _ in range(2)
            ]
            if self._on_gpu:
                self._on_device = [buffer.to(self._device) for buffer in self._buffers]
        copied, used, side = self._copied, self._used, self._side
        if side is not None:
            # The memory may have been another tensor's, with which this stream is not done yet.
            side.wait_stream(torch.cuda.current_stream(self._device))
        # One thread: while the device trains and Python starts its work, it fills the next buffer.
        with ThreadPoolExecutor(1) as filler:

            def filled(number: int) -> Tensor:
                if copied:
                    copied[number % 2].synchronize()  # the last copy out of this buffer is over
                buffer = self._buffers[number % 2][: len(steps[number])]
                self._fill(steps[number], buffer.numpy())
                return buffer

            coming = filler.submit(filled, 0)
            for number in range(len(steps)):
                buffer = coming.result()
                if side is None:
                    pixels = buffer.clone()
                else:
                    with torch.cuda.stream(side):
                        side.wait_event(used[number % 2])
                        pixels = self._on_device[number % 2][: len(buffer)]
                        pixels.copy_(buffer, non_blocking=True)
                        copied[number % 2].record(side)
                    torch.cuda.current_stream(self._device).wait_event(copied[number % 2])
                if number + 1 < len(steps):
                    coming = filler.submit(filled, number + 1)
                yield pixels
                if used:
                    used[number % 2].record(torch.cuda.current_stream(self._device))


def _room(device: torch.device) -> int:
    if device.type != "cuda":
        return CACHE_BYTES
    torch.cuda.empty_cache()  # else what an earlier cell gave back to torch would count as taken
    return int(torch.cuda.mem_get_info(device)[0] * SHARE_OF_FREE_MEMORY)
