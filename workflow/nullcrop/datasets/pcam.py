"""PatchCamelyon: patches from HDF5 into memory maps, labels, and the slide of each patch."""

import gzip
import io
import shutil
import tempfile
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import read_json, write_json, written_whole
from nullcrop.basics.progress import say, tracked
from nullcrop.config.definitions import PCAM_PARTS, Definition, PcamSource, pcam_file
from nullcrop.datasets.download import download
from nullcrop.datasets.isic import file_name
from nullcrop.decoding.rgb import locator

ARRAYS = "arrays"
"""Folder below the archive with one .npy for each part of the official split."""

BLOCK = 2048
"""Patches converted at a time: 57 MB."""

LABELS = ("normal", "tumor")
"""Classes in the order of the release's codes."""


def fetch_pcam(source: PcamSource, archive: Path) -> list[dict[str, Any]]:
    """Bring the nine files of ``source`` into ``archive``, and the patches into ``archive``/arrays.

    Each part becomes an array of shape (patches, 96, 96, 3), dtype uint8, converted in blocks: it
    is never in memory whole. Returns an entry of each file: name, bytes, sha256. Raises NullcropError
    that says which file to put where, and when a file does not hold what it should.
    """
    lock = archive / "checksums.json"
    entries = [
        download(address, archive / file_name(address), checksum, lock=lock)
        for address, checksum in source.files.items()
    ]
    origins = {entry["name"]: entry["sha256"] for entry in entries}
    for part in PCAM_PARTS:
        packed = archive / pcam_file(part, "x.h5.gz")
        _convert(packed, origins[packed.name], archive / ARRAYS / f"{part}.npy")
    return entries


def list_pcam(source: PcamSource, archive: Path, definition: Definition) -> pd.DataFrame:
    """Columns id, path, class, group, official_split (all text) of every patch.

    An id is part and index (`train_000123`), a group the whole-slide image. Raises NullcropError
    when patches, labels and slides of a part are not equally many.
    """
    return pd.concat([_list_part(archive, part) for part in PCAM_PARTS], ignore_index=True)


def _convert(packed: Path, sha256: str, out: Path) -> None:
    origin = out.with_suffix(".json")
    if out.is_file() and origin.is_file() and read_json(origin) == {"sha256": sha256}:
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    # HDF5 is read by seeking, which a gzip cannot do: unpacked for as long as it is read.
    with tempfile.NamedTemporaryFile(dir=out.parent, prefix=".", suffix=".h5") as unpacked:
        say(f"unpacking {packed.name}")
        _gunzip(packed, unpacked.file)
        with _opened(Path(unpacked.name), packed) as content, written_whole(out) as aside:
            patches = _dataset(content, "x", packed)
            if patches.dtype != np.uint8 or patches.ndim != 4 or patches.shape[3] != 3:
                raise NullcropError(
                    f"{packed}: 'x' has the shape {patches.shape} and the type {patches.dtype}, no RGB "
                    "patches; delete it and fetch it again"
                )
            with open(aside, "wb") as stream:
                header = {"descr": "|u1", "fortran_order": False, "shape": patches.shape}
                np.lib.format.write_array_header_1_0(stream, header)
                starts = range(0, len(patches), BLOCK)
                for start in tracked(starts, len(starts), f"{out.name}, in blocks"):
                    stream.write(_block(patches, start, packed).data)
    write_json(origin, {"sha256": sha256})


def _block(patches: h5py.Dataset, start: int, packed: Path) -> NDArray[np.uint8]:
    try:
        return np.ascontiguousarray(patches[start : start + BLOCK])
    except OSError as error:
        raise NullcropError(f"{packed} is damaged ({error}); delete it and fetch it again") from None


def _list_part(archive: Path, part: str) -> pd.DataFrame:
    array = archive / ARRAYS / f"{part}.npy"
    if not array.is_file():
        raise NullcropError(f"there is no {array}: fetch the dataset's archive first")
    patches = len(np.load(array, mmap_mode="r", allow_pickle=False))
    codes = _labels(archive / pcam_file(part, "y.h5.gz"))
    table = archive / pcam_file(part, "meta.csv")
    try:
        slides = pd.read_csv(table, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise NullcropError(f"cannot read {table}: {error}") from None
    if "wsi" not in slides.columns:
        raise NullcropError(f"{table} has no column 'wsi'; it is another table: delete it and fetch it again")
    if not patches == len(codes) == len(slides):
        raise NullcropError(
            f"{archive}: the part '{part}' has {patches} patches, {len(codes)} labels and {len(slides)} "
            "slides; the files do not belong together: delete them and fetch them again"
        )
    return pd.DataFrame(
        {
            "id": [f"{part}_{index:06d}" for index in range(patches)],
            "path": [locator(array, index) for index in range(patches)],
            "class": [LABELS[code] for code in codes],
            "group": slides["wsi"],
            "official_split": PCAM_PARTS[part],
        }
    )


def _labels(packed: Path) -> list[int]:
    unpacked = io.BytesIO()
    _gunzip(packed, unpacked)
    with _opened(unpacked, packed) as content:
        codes: list[int] = np.asarray(_dataset(content, "y", packed)).reshape(-1).tolist()
    if not set(codes) <= {0, 1}:
        raise NullcropError(f"{packed} holds other labels than 0 and 1; delete it and fetch it again")
    return codes


def _gunzip(packed: Path, out: Any) -> None:
    try:
        with gzip.open(packed) as stream:
            shutil.copyfileobj(stream, out, 2**20)
        out.flush()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise NullcropError(f"{packed} is damaged ({error}); delete it and fetch it again") from None
    except OSError as error:
        # By itself a write onto a full disk names no file.
        error.filename = error.filename or f"unpacking {packed}"
        raise


def _opened(unpacked: Path | io.BytesIO, packed: Path) -> h5py.File:
    try:
        return h5py.File(unpacked, "r")
    except OSError as error:
        raise NullcropError(f"{packed} holds no HDF5 ({error}); delete it and fetch it again") from None


def _dataset(content: h5py.File, name: str, packed: Path) -> h5py.Dataset:
    found = content.get(name)
    if not isinstance(found, h5py.Dataset):
        raise NullcropError(f"{packed} holds no dataset '{name}'; delete it and fetch it again")
    return found
