"""Hashes of decoded pixels: one that tells equal images, one that is close for images that look alike."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray
from PIL import Image

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import sha256_of_lines
from nullcrop.basics.progress import tracked
from nullcrop.images.extracts import Extract, FullImage
from nullcrop.images.store import PackedView, extracted

COLUMNS = ["id", "pixels_sha256", "phash", "contrast"]
"""Columns of hashes.csv."""

THUMBNAIL = (64, 64)


def hash_pixels(pixels: NDArray[np.uint8]) -> dict[str, Any]:
    """Hashes of one RGB image, shape (height, width, 3).

    ``pixels_sha256`` is the SHA-256 of "{height}x{width}" and the pixels' bytes; ``phash`` is imagehash's
    ``phash`` (64 bits, in hexadecimal); ``contrast`` is the standard deviation of a 64×64 gray
    thumbnail, in gray levels.
    """
    return _hashes(FullImage(pixels))


def _hashes(full: FullImage) -> dict[str, Any]:
    height, width, _ = full.pixels.shape
    digest = hashlib.sha256(f"{height}x{width}".encode())
    digest.update(np.ascontiguousarray(full.pixels).data)
    return {
        "pixels_sha256": digest.hexdigest(),
        "phash": str(imagehash.phash(full.gray)),
        "contrast": thumbnail_contrast(full.gray),
    }


SQUARE = (32, 32)
"""Sides of the gray square that a perceptual hash is made of."""


def perceptual_hashes(squares: NDArray[np.uint8]) -> list[str]:
    """imagehash's ``phash`` of n images at once, from their gray levels resized to SQUARE by Pillow's Lanczos
    filter: n × 32 × 32.

    Small images one by one take three times as long.
    """
    low = scipy.fftpack.dct(scipy.fftpack.dct(squares, axis=1), axis=2)[:, :8, :8].reshape(len(squares), 64)
    bits = low > np.median(low, axis=1, keepdims=True)
    return [packed.tobytes().hex() for packed in np.packbits(bits, axis=1)]


def thumbnail_contrast(gray: Image.Image) -> float:
    """Standard deviation of a 64×64 thumbnail of gray levels."""
    thumbnail = np.asarray(gray.resize(THUMBNAIL, Image.Resampling.LANCZOS), dtype=np.float64)
    return round(float(thumbnail.std()), 2)


_RECORD = [("pixels_sha256", "S64"), ("phash", "S16"), ("contrast", "<f8")]

HASHES = Extract("hashes", (), _RECORD, lambda full: np.array(tuple(_hashes(full).values()), dtype=_RECORD))
""":func:`hash_pixels` as a record."""


def hash_images(samples: pd.DataFrame, view: PackedView, threads: int) -> pd.DataFrame:
    """Hashes of every image of ``view``, one row an image (columns: COLUMNS), in the order of ``samples``.

    Raises NullcropError when the store holds other images than ``samples``.
    """
    if view.sidecar.get("ids_sha256") != sha256_of_lines(samples["id"].tolist()):
        raise NullcropError(
            f"{view.sidecar_path} holds other images than samples.csv: delete it and run the workflow again"
        )
    # Pillow and hashlib work outside Python's lock.
    with ThreadPoolExecutor(threads) as pool:
        hashed = pool.map(lambda row: extracted(view, HASHES, row), range(len(view)))
        rows = np.array(list(tracked(hashed, len(view), "hashing")), dtype=HASHES.dtype)
    text = {name: rows[name].astype(str) for name in ("pixels_sha256", "phash")}
    return pd.DataFrame({"id": samples["id"].to_numpy(), **text, "contrast": rows["contrast"]})[COLUMNS]


def read_hashes(path: Path) -> pd.DataFrame:
    """Read hashes.csv; NullcropError names a file that cannot be read."""
    text = dict.fromkeys(COLUMNS[:-1], str)
    try:
        return pd.read_csv(path, dtype=text, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise NullcropError(f"cannot read {path}: {error}") from None


def hash_numbers(hashes: "pd.Series[str]") -> NDArray[np.uint64]:
    """Hexadecimal hashes of 64 bits as numbers, shape (images,)."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint64)
