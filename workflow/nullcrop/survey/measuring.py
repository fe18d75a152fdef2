"""Every image of a listing decoded once: its file's facts, its properties, its corners and its hashes."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.progress import tracked
from nullcrop.decoding.rgb import decoded_image, packed_image, read_rgb
from nullcrop.decoding.values import AS_DECLARED, NoDeclaredRange, Reading
from nullcrop.duplicates.search import FLAT
from nullcrop.images.hashes import SQUARE, perceptual_hashes, thumbnail_contrast
from nullcrop.survey.file_facts import NONE, facts_of_header, facts_of_size, without_header
from nullcrop.survey.properties import (
    CORNER,
    CORNERS,
    colours_of,
    corners_of,
    properties_of,
    properties_of_corners,
)

LARGEST_CHUNK = 256
"""Images that are handed to a process together: one by one would cost more than a small image itself."""

CHUNK_BYTES = 4_000_000
"""Bytes of files above which no further one is handed over with them."""

PIXELS_AT_ONCE = 300_000
"""Pixels of a stack of images of one size that are measured together: what NumPy needs for each call is then
shared by many small images, and memory stays small."""

WORTH_A_PROCESS = 64
"""Images below which further processes would take longer to start than they save."""

PLAIN_MODES = ("RGB", "L")
"""Modes whose pixels need no rule, so that Pillow gives gray levels and colours of one opened file."""

PROBLEM = "problem"

NEEDS_WINDOW = "needs_window"
"""Lowest and highest value of an image that cannot be read because no range of its values is agreed."""

DEPTH = ("extremes", "bits_used", "own_window")
"""What is told of values of more than 8 bits, as :class:`nullcrop.decoding.image.DecodedImage` has it."""


@dataclass(frozen=True)
class Measured:
    """What was measured of the images of a listing."""

    table: pd.DataFrame
    """One row an image: facts, properties, hashes (``pixels_sha256``, of a gray image of one channel alone,
    ``phash``, ``thumbnail_contrast``), DEPTH where values have more than 8 bits, ``dicom_…`` of DICOM files
    (not to be written anywhere) and, where it cannot be read, the ``problem`` (and NEEDS_WINDOW); the rest is
    missing then."""
    colours: NDArray[np.float64]
    """Mean colour of each corner, images × 4 × 3; NaN where an image cannot be read."""
    mean_corners: NDArray[np.float64]
    """Mean corner by class, classes × 4 × CORNER × CORNER × 3, of images with sides of at least CORNER; NaN
    where there is none."""


@dataclass
class _Chunk:
    table: pd.DataFrame
    """One row an image of the chunk, in their order: columns take a process less to hand over than rows."""
    colours: NDArray[np.float64]
    sums: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    """Sum of the corners by number of the class, 4 × CORNER × CORNER × 3."""
    counts: dict[int, int] = field(default_factory=dict)
    """Images in each of the sums."""


_Waiting = tuple[int, NDArray[np.uint8], Image.Image]
"""Place in the chunk, RGB pixels, gray levels."""


def measure(
    paths: Sequence[str], classes: Sequence[int], processes: int, reading: Reading = AS_DECLARED
) -> Measured:
    """Decode each of ``paths`` (files or locators) once, over so many ``processes``.

    ``reading`` says how values of more than 8 bits become 8.

    ``classes`` holds the number of each image's class, from 0. An image that cannot be read is no error: its
    row says why.
    """
    tables: list[pd.DataFrame] = []
    done = 0
    colours = np.full((len(paths), len(CORNERS), 3), np.nan)
    n_classes = max(classes, default=0) + 1
    sums = np.zeros((n_classes, len(CORNERS), CORNER, CORNER, 3))
    counts = np.zeros(n_classes)

    def images() -> Iterator[int]:
        for chunk in _chunks(paths, classes, processes, reading):
            nonlocal done
            done += len(chunk.colours)
            colours[done - len(chunk.colours) : done] = chunk.colours
            tables.append(chunk.table)
            for number, total in chunk.sums.items():
                sums[number] += total
                counts[number] += chunk.counts[number]
            yield from range(len(chunk.colours))

    for _ in tracked(images(), len(paths), "images looked at"):
        pass
    with np.errstate(invalid="ignore"):
        mean = sums / counts[:, None, None, None, None]
    return Measured(pd.concat(tables, ignore_index=True), colours, mean)


def _chunks(
    paths: Sequence[str], classes: Sequence[int], processes: int, reading: Reading
) -> Iterator[_Chunk]:
    """What was measured, chunk by chunk in the order of ``paths``."""
    parts: list[list[str]] = []
    room = 0
    for path in paths:
        own = _bytes(path)
        if not parts or len(parts[-1]) == LARGEST_CHUNK or room < own:
            parts.append([])
            room = CHUNK_BYTES
        parts[-1].append(path)
        room -= own
    ends = np.cumsum([len(part) for part in parts]).tolist()
    codes = [list(classes[end - len(part) : end]) for part, end in zip(parts, ends, strict=True)]
    if processes == 1 or len(paths) < WORTH_A_PROCESS:
        yield from map(measure_chunk, parts, codes, repeat(reading))
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(measure_chunk, parts, codes, repeat(reading))


def _bytes(path: str) -> int:
    """Size of a file; 0 for an image in an array, or where there is none."""
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


def measure_chunk(paths: Sequence[str], classes: Sequence[int], reading: Reading = AS_DECLARED) -> _Chunk:
    """Facts, properties, corners and hashes of some images; see :func:`measure`."""
    rows: list[dict[str, Any]] = [{} for _ in paths]
    found = _Chunk(pd.DataFrame(), np.full((len(paths), len(CORNERS), 3), np.nan))
    # Images of one size that wait to be measured together, gray and coloured ones apart.
    waiting: dict[tuple[tuple[int, ...], bool], list[_Waiting]] = defaultdict(list)
    for place, path in enumerate(paths):
        try:
            rows[place], pixels, gray = _read(path, reading)
        # Decoders of broken files raise nearly everything; whatever it is, the image cannot be read.
        except Exception as error:
            words = str(error) if isinstance(error, NullcropError) else f"{type(error).__name__}: {error}"
            rows[place] = {PROBLEM: words.replace(path, "the file")}
            if isinstance(error, NoDeclaredRange):
                rows[place][NEEDS_WINDOW] = error.extremes
            continue
        coloured = not _is_gray(pixels)
        same = waiting[pixels.shape, coloured]
        same.append((place, pixels, gray))
        if len(same) * pixels.shape[0] * pixels.shape[1] >= PIXELS_AT_ONCE:
            _measure_together(waiting.pop((pixels.shape, coloured)), coloured, classes, rows, found)
    for (_, coloured), same in waiting.items():
        _measure_together(same, coloured, classes, rows, found)
    found.table = pd.DataFrame(rows)
    return found


def _read(path: str, reading: Reading) -> tuple[dict[str, Any], NDArray[np.uint8], Image.Image]:
    """Facts of the file, its RGB pixels and its gray levels."""
    packed = packed_image(path)
    facts: dict[str, Any] | None = None
    if packed is not None:
        facts = without_header("NPY", "RGB" if packed.ndim == 3 else "L")
        file_bytes = packed.nbytes
    else:
        file_bytes = _bytes(path)
        try:
            with Image.open(path) as image:
                facts = facts_of_header(image, path)
                if image.mode in PLAIN_MODES:
                    gray = image.convert("L")
                    pixels = np.asarray(image.convert("RGB"))
                    return facts | facts_of_size(*gray.size, file_bytes), pixels, gray
        except UnidentifiedImageError:
            pass  # of a kind that Pillow does not know, or none
    if packed is None:
        decoded = decoded_image(path, reading)
        pixels = np.ascontiguousarray(decoded.pixels)
        if facts is None:
            ending = PurePath(path).suffix or NONE
            facts = without_header(decoded.format, decoded.mode) | {"ending": ending}
        told = {name: getattr(decoded, name) for name in DEPTH}
        facts |= {name: value for name, value in told.items() if value is not None}
        facts |= {f"dicom_{name}": value for name, value in decoded.attributes.items()}
    else:
        pixels = np.ascontiguousarray(read_rgb(path, reading))
    assert facts is not None
    gray = Image.fromarray(pixels).convert("L")
    return facts | facts_of_size(*gray.size, file_bytes), pixels, gray


def _is_gray(pixels: NDArray[np.uint8]) -> bool:
    """Whether all channels are equal; told of most coloured images by their first row."""
    return all(
        np.array_equal(part[..., 0], part[..., 1]) and np.array_equal(part[..., 0], part[..., 2])
        for part in (pixels[:1], pixels)
    )


def _measure_together(
    same: Sequence[_Waiting],
    coloured: bool,
    classes: Sequence[int],
    rows: list[dict[str, Any]],
    found: _Chunk,
) -> None:
    """Add to ``rows`` and ``found`` what is measured of images of one size."""
    places = [place for place, _, _ in same]
    pixels = np.stack([one for _, one, _ in same])
    grays = [gray for _, _, gray in same]
    corners = corners_of(pixels)
    colours = colours_of(corners)
    found.colours[places] = colours
    levels = np.stack([np.asarray(gray) for gray in grays])
    squares = np.stack([np.asarray(gray.resize(SQUARE, Image.Resampling.LANCZOS)) for gray in grays])
    columns: dict[str, Any] = {
        **properties_of(pixels if coloured else None, levels),
        **properties_of_corners(colours),
        "pixels_sha256": [_hash_of(one) for one in (pixels if coloured else levels)],
        "phash": perceptual_hashes(squares),
        "thumbnail_contrast": [
            # The larger thumbnail has no less of it.
            contrast if contrast > FLAT + 1 else thumbnail_contrast(gray)
            for contrast, gray in zip(squares.std(axis=(1, 2)).tolist(), grays, strict=True)
        ],
    }
    for number, place in enumerate(places):
        rows[place] |= {name: values[number] for name, values in columns.items()}
    if min(pixels.shape[1:3]) < CORNER:
        return
    codes = np.array([classes[place] for place in places])
    for code in np.unique(codes).tolist():
        total = np.stack([corner[codes == code].sum(axis=0, dtype=np.int64) for corner in corners])
        found.sums[code] = found.sums.get(code, 0) + total
        found.counts[code] = found.counts.get(code, 0) + int((codes == code).sum())


def _hash_of(pixels: NDArray[np.uint8]) -> str:
    """SHA-256 of an image's sides and its pixels, gray (height × width) or coloured."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()
