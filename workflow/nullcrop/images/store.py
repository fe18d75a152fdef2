"""The packed store: every view of every image of a dataset, as memory-mapped uint8 arrays.

A view is two files. ``{view}.npy`` holds the pixels: an array of shape (images, height, width, 3)
where all images have one size, else one dimension with image after image. ``{view}.json`` names
the shape (or each image's height and width), the identity of the images in their order, and the
checksum by which a workflow tells whether the pixels changed.

Originals much larger than any network's input need not be kept whole. ``original.npy`` then holds one extract
(images/extracts.py) of all images after the other: squares as networks take them, and what else is asked of
full pixels. ``original.json`` names the extracts and their bytes an image; its checksum is the one the full
pixels would have.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from io import BufferedRandom, BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import PIL
from numpy.typing import NDArray
from PIL import features

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.files import read_json, sha256_of_lines, write_json, written_whole
from nullcrop.basics.progress import say, tracked
from nullcrop.basics.threads import LARGEST_BLOCK, Turns, mapped
from nullcrop.config.views import view_of
from nullcrop.decoding.rgb import read_rgb
from nullcrop.decoding.values import AS_DECLARED, Reading
from nullcrop.images.extracts import Extract, FullImage, kept_extracts, square
from nullcrop.images.masks import mask_files, read_mask
from nullcrop.images.views import all_views, view_sizes

if TYPE_CHECKING:
    from nullcrop.config.definitions import FolderSource, Masks

MUCH_LARGER = 4
"""Full originals are kept unless they take more than this many times the bytes of their extracts."""


class PackedView:
    """One view of all images of a dataset, opened as a memory map.

    ``view[i]`` is the i-th image of samples.csv, shape (height, width, 3), dtype uint8, read-only;
    NullcropError where the store holds extracts in place of the images (:attr:`full` is then false).
    """

    def __init__(self, sidecar_path: Path | str) -> None:
        self.sidecar_path = Path(sidecar_path)
        array_path = self.sidecar_path.with_suffix(".npy")
        try:
            self.sidecar: dict[str, Any] = read_json(sidecar_path)
            self.pixels: NDArray[np.uint8] = np.load(array_path, mmap_mode="r", allow_pickle=False)
            self._sizes = np.array(self.sidecar["sizes"] or [], dtype=np.int64).reshape(-1, 2)
            self._starts = _starts(self._sizes)
            self._extracts: dict[str, int] = self.sidecar.get("extracts", {})
            if self._extracts:
                whole = len(self) * sum(self._extracts.values())
            else:
                whole = self._starts[-1] if len(self._sizes) else np.prod(self.sidecar["shape"])
        except KeyError as error:
            raise NullcropError(f"{sidecar_path} has no {error}; delete it and run again") from None
        except (OSError, ValueError, TypeError, EOFError) as error:
            raise NullcropError(
                f"cannot read the store of {array_path}: {error}; delete it and run again"
            ) from None
        if self.pixels.dtype != np.uint8 or self.pixels.size != whole:
            raise NullcropError(f"{array_path} does not fit {sidecar_path}: delete both and run again")

    def __len__(self) -> int:
        return int(self.sidecar["images"])

    @property
    def full(self) -> bool:
        """Whether the store holds the images themselves."""
        return not self._extracts

    @property
    def reading(self) -> Reading:
        """How values of more than 8 bits became 8."""
        return Reading.of_json(self.sidecar.get("reading", {}))

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        if not self.full:
            raise NullcropError(f"{self.sidecar_path} holds no full images: {_CURE}")
        image: NDArray[np.uint8] = self.pixels[index]
        if len(self._sizes):
            height, width = self._sizes[index]
            image = self.pixels[self._starts[index] : self._starts[index + 1]].reshape(height, width, 3)
        return image

    def extract(self, extract: Extract) -> NDArray[Any] | None:
        """What the store holds of all images as ``extract``, shape (images, …); None where it holds the
        images themselves.

        Raises NullcropError when it holds neither.
        """
        if self.full:
            return None
        if self._extracts.get(extract.name) != extract.nbytes:
            raise NullcropError(
                f"{self.sidecar_path} holds {listed(self._extracts)} of each image, but not {extract.name}: "
                f"{_CURE}"
            )
        names = list(self._extracts)
        start = len(self) * sum(self._extracts[name] for name in names[: names.index(extract.name)])
        # As a plain array: a memmap's own bookkeeping would be paid for each image.
        block = np.asarray(self.pixels[start : start + len(self) * extract.nbytes])
        shaped: NDArray[Any] = block.view(extract.dtype).reshape(len(self), *extract.shape)
        return shaped

    def at(self, side: int) -> "PackedView | NDArray[np.uint8]":
        """What a network of the input ``side`` reads: the squares of that side where the store holds them,
        else the view."""
        squares = self.extract(square(side))
        return self if squares is None else squares


Images = PackedView | Sequence[NDArray[np.uint8]]
"""Images by row: packed, or in memory."""

_CURE = (
    "the config decides what the store keeps (the input sides of the studies' recipes, or all pixels with "
    "`originals: full`); run the workflow with the config that asks for it"
)


def extracted(images: Images, extract: Extract, row: int) -> NDArray[Any]:
    """``extract`` of the image in ``row``: as the store holds it, or else computed from the full pixels."""
    block = images.extract(extract) if isinstance(images, PackedView) else None
    found: NDArray[Any] = extract.of(FullImage(images[row])) if block is None else block[row]
    return found


def full_pixels(view: PackedView, row: int, path: str) -> NDArray[np.uint8]:
    """The full original in ``row``, shape (height, width, 3): from the store, or decoded once more from
    ``path``.

    Raises NullcropError when ``path`` no longer holds the pixels that were stored.
    """
    from nullcrop.images.hashes import HASHES

    if view.full:
        return view[row]
    pixels = read_rgb(path, view.reading)
    if HASHES.of(FullImage(pixels))["pixels_sha256"] != extracted(view, HASHES, row)["pixels_sha256"]:
        raise NullcropError(
            f"{path} holds other pixels than when {view.sidecar_path} was packed: delete samples.csv and run "
            "again"
        )
    return pixels


def write_store(
    samples: pd.DataFrame,
    folder: Path,
    views: list[str],
    crop_width: int,
    crop_height: int,
    threads: int,
    sides: Mapping[str, int] | None = None,
    masks: "Masks | None" = None,
    reading: Reading = AS_DECLARED,
    source: "FolderSource | None" = None,
) -> None:
    """Decode every image of ``samples`` once and write ``views`` into ``folder``.

    ``samples`` needs the columns id, path, width and height. With ``sides`` (in pixels, by the words that ask
    for them), the input sides of the networks that will read the view `original`, that view is written as
    extracts where the images are much larger. ``masks`` says where the masks of masked views are, ``reading``
    how values of more than 8 bits become 8, ``source`` which table names the masks. Raises
    NullcropError when an image is smaller than the crop or is no longer what samples.csv says, or when a view
    asks for masks and one is missing or gives another size than it should.
    """
    check_sizes(samples, crop_width, crop_height)
    own_sizes = samples[["height", "width"]].to_numpy(np.int64)
    sizes = {view: view_sizes(view, own_sizes, crop_width, crop_height) for view in views}
    extracts = (
        [] if sides is None or "original" not in views else _extracts_in_place(own_sizes, sides.values())
    )
    paths, ids_sha256 = samples["path"].tolist(), sha256_of_lines(samples["id"].tolist())
    views_of = all_views(views)
    of_masks = mask_files(masks, paths, source) if any(view_of(view).masked for view in views) else None
    listed_sizes = list(map(tuple, own_sizes.tolist()))
    turns = Turns()
    with ExitStack() as writers:
        files: dict[str, _ViewFile | _ExtractsFile] = {}
        for view in views:
            path = writers.enter_context(written_whole(folder / f"{view}.npy"))
            if view == "original" and extracts:
                files[view] = writers.enter_context(_ExtractsFile(path, sizes[view], extracts, turns))
            else:
                files[view] = writers.enter_context(_ViewFile(path, sizes[view]))

        def store(row: int) -> int:
            image = read_rgb(paths[row], reading)
            if image.shape[:2] != listed_sizes[row]:
                raise NullcropError(
                    f"{paths[row]} is {image.shape[1]}×{image.shape[0]} pixels, but samples.csv says "
                    "otherwise: the files changed since they were listed; delete samples.csv and run again"
                )
            mask = read_mask(of_masks[row], image.shape[:2]) if of_masks is not None else None
            for view, pixels in views_of(image, mask, crop_width, crop_height):
                _check_pixels(view, pixels, sizes[view][row], paths[row])
                files[view].write(row, pixels)
            return row

        def store_or_fail(row: int) -> int:
            try:
                return store(row)
            except BaseException:
                turns.fail(row)
                raise

        # Large images wait in memory for their turn to be hashed: no more of them than threads.
        stored = mapped(store_or_fail, range(len(samples)), threads, 1 if extracts else LARGEST_BLOCK)
        for row in tracked(stored, len(samples), "decoding"):
            for view in views:
                files[view].hash(row)
    for view in views:
        uniform = _uniform(sizes[view])
        layout: dict[str, Any] = {
            "shape": [len(samples), *map(int, sizes[view][0]), 3] if uniform else None,
            "sizes": None if uniform else sizes[view].tolist(),
        }
        if view == "original" and extracts:
            layout = {"shape": None, "sizes": None, "extracts": {one.name: one.nbytes for one in extracts}}
        if view == "original" and sides is not None:
            layout["sides"] = list(sides)
        write_json(
            folder / f"{view}.json",
            {
                "view": view,
                "images": len(samples),
                **layout,
                **({"reading": reading.as_json()} if reading != AS_DECLARED else {}),
                "ids_sha256": ids_sha256,
                "pixels_sha256": files[view].sha256.hexdigest(),
                "decoder": {"pillow": PIL.__version__, "libjpeg_turbo": features.version("libjpeg_turbo")},
            },
        )


def _extracts_in_place(sizes: NDArray[np.int64], sides: Iterable[int]) -> list[Extract]:
    """The extracts that are kept in place of images of these ``sizes``; none where the images are kept."""
    extracts = kept_extracts(sides)
    in_place, whole = len(sizes) * sum(extract.nbytes for extract in extracts), int(_starts(sizes)[-1])
    if whole <= MUCH_LARGER * in_place:
        return []
    say(
        f"originals: {in_place / 1e9:.2f} GB at the sides that networks take, in place of {whole / 1e9:.2f} "
        "GB"
    )
    return extracts


class _ViewFile:
    """The .npy of one view while it is filled: images in any order, by several threads.

    Its checksum grows behind them in the order of the file, while the pixels are still in memory.
    Written by calls, not through a map: those are faster, and their memory is not the process's.
    """

    def __init__(self, path: Path, sizes: NDArray[np.int64]) -> None:
        header = _header(sizes)
        self._starts = (len(header) + _starts(sizes)).tolist()
        self._stream = _begun(path, header, self._starts[-1])
        self.sha256 = hashlib.sha256(header)

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


class _ExtractsFile:
    """The .npy of extracts while it is filled: images in any order, by several threads that begin them in
    order.

    Its checksum is that of the file that would hold the images, so each waits for its turn to be hashed.
    """

    def __init__(
        self, path: Path, sizes: NDArray[np.int64], extracts: Sequence[Extract], turns: Turns
    ) -> None:
        self._extracts, self._turns = extracts, turns
        bytes_of_all = [len(sizes) * extract.nbytes for extract in extracts]
        header = _npy_header((sum(bytes_of_all),))
        self._starts = (len(header) + np.cumsum([0, *bytes_of_all])).tolist()
        self._stream = _begun(path, header, self._starts[-1])
        self.sha256 = hashlib.sha256(_header(sizes))

    def __enter__(self) -> "_ExtractsFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def write(self, row: int, pixels: NDArray[np.uint8]) -> None:
        """Write the extracts of the image ``row`` and take its ``pixels`` into the checksum."""
        full = FullImage(pixels)
        for extract, start in zip(self._extracts, self._starts, strict=False):
            content = np.ascontiguousarray(extract.of(full)).tobytes()
            os.pwrite(self._stream.fileno(), content, start + row * extract.nbytes)
        with self._turns.of(row):
            self.sha256.update(np.ascontiguousarray(pixels).data)

    def hash(self, row: int) -> None:
        """Nothing: the image was hashed when it was written."""


def _header(sizes: NDArray[np.int64]) -> bytes:
    """What an .npy with images of these ``sizes`` begins with."""
    return _npy_header((len(sizes), *sizes[0].tolist(), 3) if _uniform(sizes) else (int(_starts(sizes)[-1]),))


def _npy_header(shape: tuple[int, ...]) -> bytes:
    header = BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return header.getvalue()


def _begun(path: Path, header: bytes, size: int) -> BufferedRandom:
    """The file at ``path``, open, with its ``header`` and room for ``size`` bytes."""
    stream = path.open("w+b")
    stream.write(header)
    stream.flush()
    # Space is taken now, so that a full disk is known before the first image is decoded.
    os.posix_fallocate(stream.fileno(), 0, size)
    return stream


def _starts(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each image begins in the flat array, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(sizes.prod(axis=1) * 3)])


def _uniform(sizes: NDArray[np.int64]) -> bool:
    return bool((sizes == sizes[0]).all())


def _check_pixels(view: str, pixels: NDArray[Any], size: NDArray[np.int64], path: str) -> None:
    """Whether a view gives what its record says; what it gives else would be written over its neighbours."""
    if pixels.dtype != np.uint8 or pixels.shape != (*size, 3):
        raise NullcropError(
            f"the view '{view}' gives {pixels.dtype} of shape {pixels.shape} for {path}, but its record "
            f"promises uint8 of shape {(*map(int, size), 3)}"
        )


def check_sizes(samples: pd.DataFrame, crop_width: int, crop_height: int) -> None:
    small = samples[(samples["width"] < crop_width) | (samples["height"] < crop_height)]
    if len(small):
        names = [f"{row.path} ({row.width}×{row.height})" for row in small.itertuples()]
        # Where all are smaller, none would be left.
        side = max(crop_width, crop_height)
        leave_out = f"set `smallest_side: {side}` in the definition to leave them out by name, or "
        raise NullcropError(
            f"{len(small)} images are smaller than the crop of {crop_width}×{crop_height} pixels: "
            f"{listed(names, 3)}; {leave_out if len(small) < len(samples) else ''}choose a smaller `crop:` "
            "in the definition or the config"
        )
