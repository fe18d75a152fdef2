"""What a file tells of its image before a pixel is decoded, fact by fact, as people name them.

The baseline `file_facts` (training/file_facts.py) reads them all together, as numbers.
"""

import hashlib
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from PIL import ExifTags, Image

NONE = "none"
"""In place of a value that a header does not state."""

PRESENT = "present"

NUMBERS = {
    "width": "width",
    "height": "height",
    "aspect": "ratio of width to height",
    "file_bytes": "size of the file in bytes",
    "bytes_a_pixel": "number of bytes a pixel",
    "jpeg_quality": "JPEG quality (0: no JPEG)",
    "dpi": "resolution in dots per inch (0: not stated)",
}
"""Facts that are numbers, and what people call them."""

NAMES = {
    "ending": "ending of the file's name",
    "format": "format",
    "mode": "mode of the pixels",
    "jpeg_tables": "set of JPEG quantisation tables",
    "jpeg_layers": "number of JPEG channels",
    "exif": "block of EXIF data",
    "exif_orientation": "EXIF orientation",
    "icc_profile": "colour profile",
    "header_fields": "list of header fields",
}
"""Facts that are one of several values."""

ANNEX_K = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
"""The luminance table of ITU-T T.81 (1992), table K.1, which the qualities of libjpeg scale."""


def _sum_at(quality: int) -> int:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return int(np.clip((np.array(ANNEX_K) * scale + 50) // 100, 1, 255).sum())


_SUMS = np.array([_sum_at(quality) for quality in range(1, 101)])


def jpeg_quality(table: Sequence[int]) -> int:
    """The quality, 1 to 100, at which libjpeg's luminance table is the most like ``table`` (64 entries).

    By the sum of the entries, in whatever order they stand. It is the quality itself where libjpeg made the
    file, and a measure of how coarse the table is where another program did.
    """
    return int(np.abs(_SUMS - sum(table)).argmin()) + 1


def facts_of_header(image: Image.Image, path: str) -> dict[str, Any]:
    """The facts (NUMBERS and NAMES, but those of :func:`facts_of_size`) of a file that Pillow has opened, not
    decoded."""
    tables: dict[int, list[int]] = getattr(image, "quantization", None) or {}
    first = tables[min(tables)] if tables else None
    dpi = image.info.get("dpi")
    return {
        "jpeg_quality": jpeg_quality(first) if first else 0,
        "dpi": _first_number(dpi),
        "ending": PurePath(path).suffix or NONE,
        "format": image.format or NONE,
        "mode": image.mode,
        "jpeg_tables": _short_name(tables) if tables else NONE,
        "jpeg_layers": str(getattr(image, "layers", NONE)) if image.format == "JPEG" else NONE,
        "exif": PRESENT if "exif" in image.info else NONE,
        # Not getexif() of every file, which decodes a PNG to its end.
        "exif_orientation": str(image.getexif().get(ExifTags.Base.Orientation, NONE))
        if "exif" in image.info
        else NONE,
        "icc_profile": PRESENT if image.info.get("icc_profile") else NONE,
        "header_fields": ", ".join(sorted(map(str, image.info))) or NONE,
    }


def without_header(format_: str, mode: str) -> dict[str, Any]:
    """The same facts of an image that has no header Pillow reads."""
    return {"jpeg_quality": 0, "dpi": 0.0, **dict.fromkeys(NAMES, NONE), "format": format_, "mode": mode}


def facts_of_size(width: int, height: int, file_bytes: int) -> dict[str, float]:
    """Facts of an image's sides in pixels and of the size of its file."""
    return {
        "width": width,
        "height": height,
        "aspect": width / height,
        "file_bytes": file_bytes,
        "bytes_a_pixel": file_bytes / (width * height),
    }


def _first_number(dpi: Any) -> float:
    """A resolution as Pillow states it, often a pair of fractions; 0 where there is none."""
    try:
        return round(float(dpi[0] if isinstance(dpi, tuple) else dpi), 2)
    except (TypeError, ValueError, ZeroDivisionError, IndexError):
        return 0.0


def _short_name(tables: dict[int, list[int]]) -> str:
    """A name for quantisation tables: alike ones have the same."""
    text = repr([list(tables[key]) for key in sorted(tables)])
    return f"{hashlib.sha256(text.encode()).hexdigest()[:6]}"
