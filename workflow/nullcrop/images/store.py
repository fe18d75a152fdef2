"""The packed store: every view of every image of a dataset, as memory-mapped uint8 arrays.

A view is two files. ``{view}.npy`` holds the pixels: an array of shape (images, height, width, 3)
where all images have one size, else one dimension with image after image. ``{view}.json`` names
the shape (or each image's height and width), the identity of the images in their order, and the
checksum by which a workflow tells whether the pixels changed.
"""

import hashlib
import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import PIL
from numpy.typing import NDArray
from PIL import features

from nullcrop.config.views import view_of
from nullcrop.errors import NullcropError, listed
from nullcrop.files import read_json, sha256_of_lines, write_json, written_whole
from nullcrop.images.decode import read_rgb
from nullcrop.images.masks import mask_files, read_mask
from nullcrop.images.views import view_function
from nullcrop.progress import tracked
from nullcrop.threads import mapped

if TYPE_CHECKING:
    from nullcrop.config.definitions import Masks


class View:
    """One view of all images of a dataset, opened as a memory map.

    ``view[i]`` is the i-th image of samples.csv, shape (height, width, 3), dtype uint8, read-only.
    """

    def __init__(self, facts_path: Path | str) -> None:
        self.facts_path = Path(facts_path)
        array_path = self.facts_path.with_suffix(".npy")
        try:
            self.facts: dict[str, Any] = read_json(facts_path)
            self.pixels: NDArray[np.uint8] = np.load(array_path, mmap_mode="r", allow_pickle=False)
            self._sizes = np.array(self.facts["sizes"] or [], dtype=np.int64).reshape(-1, 2)
            self._starts = _starts(self._sizes)
            whole = self._starts[-1] if len(self._sizes) else np.prod(self.facts["shape"])
        except KeyError as error:
            raise NullcropError(f"{facts_path} has no {error}; delete it and run again") from None
        except (OSError, ValueError, TypeError, EOFError) as error:
            raise NullcropError(
                f"cannot read the store of {array_path}: {error}; delete it and run again"
            ) from None
        if self.pixels.dtype != np.uint8 or self.pixels.size != whole:
            raise NullcropError(f"{array_path} does not fit {facts_path}: delete both and run again")

    def __len__(self) -> int:
        return int(self.facts["images"])

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        image: NDArray[np.uint8] = self.pixels[index]
        if len(self._sizes):
            height, width = self._sizes[index]
            image = self.pixels[self._starts[index] : self._starts[index + 1]].reshape(height, width, 3)
        return image


def write_store(
    samples: pd.DataFrame,
    folder: Path,
    views: list[str],
    crop_width: int,
    crop_height: int,
    threads: int,
    masks: "Masks | None" = None,
) -> None:
    """Decode every image of ``samples`` once and write ``views`` into ``folder``.

    ``samples`` needs the columns id, path, width and height; ``masks`` says where the masks of masked views are.
    Raises NullcropError when an image is smaller than the crop or is no longer what samples.csv says, or when a view
    asks for masks and one is missing or gives another size than it should.
    """
    _check_sizes(samples, crop_width, crop_height)
    sizes = {
        view: samples[["height", "width"]].to_numpy(np.int64)
        if view_of(view).size == "image"
        else np.full((len(samples), 2), (crop_height, crop_width), dtype=np.int64)
        for view in views
    }
    paths, ids_sha256 = samples["path"].tolist(), sha256_of_lines(samples["id"].tolist())
    functions = {view: view_function(view) for view in views}
    of_masks = mask_files(masks, paths) if any(view_of(view).masked for view in views) else None
    listed_sizes = list(zip(samples["height"].tolist(), samples["width"].tolist(), strict=True))
    with ExitStack() as writers:
        files = {
            view: writers.enter_context(
                _ViewFile(writers.enter_context(written_whole(folder / f"{view}.npy")), sizes[view])
            )
            for view in views
        }

        def store(row: int) -> int:
            image = read_rgb(paths[row])
            if image.shape[:2] != listed_sizes[row]:
                raise NullcropError(
                    f"{paths[row]} is {image.shape[1]}×{image.shape[0]} pixels, but samples.csv says otherwise: "
                    "the files changed since they were listed; delete samples.csv and run again"
                )
            mask = read_mask(of_masks[row], image.shape[:2]) if of_masks is not None else None
            for view in views:
                pixels = functions[view](image, mask, crop_width, crop_height)
                _check_pixels(view, pixels, sizes[view][row], paths[row])
                files[view].write(row, pixels)
            return row

        for row in tracked(mapped(store, range(len(samples)), threads), len(samples), "decoding"):
            for view in views:
                files[view].hash(row)
    for view in views:
        uniform = _uniform(sizes[view])
        write_json(
            folder / f"{view}.json",
            {
                "view": view,
                "images": len(samples),
                "shape": [len(samples), *map(int, sizes[view][0]), 3] if uniform else None,
                "sizes": None if uniform else sizes[view].tolist(),
                "ids_sha256": ids_sha256,
                "pixels_sha256": files[view].sha256.hexdigest(),
                "decoder": {"pillow": PIL.__version__, "libjpeg_turbo": features.version("libjpeg_turbo")},
            },
        )


class _ViewFile:
    """The .npy of one view while it is filled: images in any order, by several threads.

    Its checksum grows behind them in the order of the file, while the pixels are still in memory.
    Written by calls, not through a map: those are faster, and their memory is not the process's.
    """

    def __init__(self, path: Path, sizes: NDArray[np.int64]) -> None:
        shape = (len(sizes), *sizes[0].tolist(), 3) if _uniform(sizes) else (int(_starts(sizes)[-1]),)
        self._stream = path.open("w+b")
        np.lib.format.write_array_header_1_0(
            self._stream, {"descr": "|u1", "fortran_order": False, "shape": shape}
        )
        self._stream.flush()
        self._starts = (self._stream.tell() + _starts(sizes)).tolist()
        # Space is taken now, so that a full disk is known before the first image is decoded.
        os.posix_fallocate(self._stream.fileno(), 0, self._starts[-1])
        self.sha256 = hashlib.sha256(os.pread(self._stream.fileno(), self._starts[0], 0))

    def __enter__(self) -> "_ViewFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def write(self, row: int, pixels: NDArray[np.uint8]) -> None:
        """Write the image ``row``."""
        os.pwrite(self._stream.fileno(), np.ascontiguousarray(pixels).data, self._starts[row])

    def hash(self, row: int) -> None:
        """Take the image ``row``, which is written, into the checksum; rows come in order."""
        start, end = self._starts[row : row + 2]
        self.sha256.update(os.pread(self._stream.fileno(), end - start, start))


def _starts(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each image begins in the flat array, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(sizes.prod(axis=1) * 3)])


def _uniform(sizes: NDArray[np.int64]) -> bool:
    return bool((sizes == sizes[0]).all())


def _check_pixels(view: str, pixels: NDArray[Any], size: NDArray[np.int64], path: str) -> None:
    """Whether a view gives what its record says; what it gives else would be written over its neighbours."""
    if pixels.dtype != np.uint8 or pixels.shape != (*size, 3):
        raise NullcropError(
            f"the view '{view}' gives {pixels.dtype} of shape {pixels.shape} for {path}, but its record promises uint8 of "
            f"shape {(*map(int, size), 3)}"
        )


def _check_sizes(samples: pd.DataFrame, crop_width: int, crop_height: int) -> None:
    small = samples[(samples["width"] < crop_width) | (samples["height"] < crop_height)]
    if len(small):
        names = [f"{row.path} ({row.width}×{row.height})" for row in small.itertuples()]
        raise NullcropError(
            f"{len(small)} images are smaller than the crop of {crop_width}×{crop_height} pixels: {listed(names)}; "
            f"set `smallest_side: {max(crop_width, crop_height)}` in the definition to leave them out by name, "
            "or choose a smaller `crop:` in the definition or the config"
        )
