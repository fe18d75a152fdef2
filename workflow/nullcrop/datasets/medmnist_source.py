"""MedMNIST+: one npz of arrays a dataset, inflated into memory maps.

The module is not called medmnist: the package of that name is never imported, because its import
makes a folder in the user's home and loads torch; its INFO is read from its file.
"""

import ast
import importlib.util
import math
import zipfile
import zlib
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.config.definitions import Definition, MedMNISTSource
from nullcrop.config.places import no_folder
from nullcrop.datasets.download import download, verify
from nullcrop.datasets.unpack import member_files, unpack
from nullcrop.decoding.rgb import locator

PARTS = ("train", "val", "test")
"""Parts of the official split, as the arrays are called."""

ARRAYS = "arrays"
"""Folder below the archive with one .npy for each member of the npz."""

HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
"""How the header of an .npy is read, by its version."""


def fetch_medmnist(source: MedMNISTSource, archive: Path) -> list[dict[str, Any]]:
    """Bring the npz of ``source``, inflate its members below ``archive``/arrays; return its entry.

    An npz is a zip of .npy files: inflated in blocks, never read whole, each member is a file that
    NumPy maps into memory. With ``source.data_dir`` the npz is read where it lies. The entry holds
    the release's own names of the labels by code.

    Raises NullcropError that says which file to put where, and when the npz is damaged or does not
    hold the arrays it should.
    """
    entry = _npz(source, archive)
    npz = Path(source.data_dir or archive) / entry["name"]
    _check_members(npz, source)
    members = [f"{part}_{kind}.npy" for part in PARTS for kind in ("images", "labels")]
    unpack(npz, archive / ARRAYS, entry["sha256"], members)
    return [{**entry, "labels": release_info()[source.flag]["label"]}]


def list_medmnist(source: MedMNISTSource, archive: Path, definition: Definition) -> pd.DataFrame:
    """Columns id, path, class, group, official_split (all text) of the images of ``source``.

    An id is the part of the official split and the index in it (`train_000123`), whatever the
    size; the class is that of the label's code in the order of the definition's classes. Of a
    volume the central slice along its first axis is taken, which is how the release's own package
    leafs through volumes. The npz tells no groups.

    Raises NullcropError when the definition has not as many classes as the release, or a label is
    none of them.
    """
    names = release_info()[source.flag]["label"]
    if len(names) != len(definition.classes):
        raise NullcropError(
            f"{source.flag} has {len(names)} labels ({listed(names.values())}), the definition "
            f"{len(definition.classes)} classes: `classes` must name them in the order of their codes"
        )
    tables = [_list_part(source, part, archive / ARRAYS, definition.classes) for part in PARTS]
    return pd.concat(tables, ignore_index=True)


@cache
def release_info() -> dict[str, dict[str, Any]]:
    """INFO of the medmnist package: address and MD5 by size, names of the labels, by dataset."""
    package = importlib.util.find_spec("medmnist")
    if package is None or not package.submodule_search_locations:
        raise NullcropError("the package medmnist, which knows the addresses, is missing: run `make env`")
    path = Path(package.submodule_search_locations[0]) / "info.py"
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="INFO")], value=value):
                info: dict[str, dict[str, Any]] = ast.literal_eval(value)
                return info
    raise NullcropError(f"{path} holds no INFO: install the version of medmnist in envs/constraints.txt")


def _npz(source: MedMNISTSource, archive: Path) -> dict[str, Any]:
    """Entry of the npz, downloaded or found, whose MD5 is the published one."""
    info = release_info()[source.flag]
    size = "" if source.size == 28 else f"_{source.size}"
    name, url, checksum = f"{source.flag}{size}.npz", info[f"url{size}"], f"md5:{info[f'MD5{size}']}"
    if source.data_dir is None:
        return download(url, archive / name, checksum)
    folder = Path(source.data_dir)
    if not folder.is_dir():
        raise NullcropError(f"source.data_dir: {no_folder(folder)}")
    if not (folder / name).is_file():
        raise NullcropError(
            f"source.data_dir: {folder} lacks the file {name}; get it from {url} and put it there, or take "
            "`data_dir` out of the definition to have it downloaded"
        )
    return verify(folder / name, checksum)


def _is_volume(source: MedMNISTSource) -> bool:
    return source.flag.endswith("3d")


def _check_members(npz: Path, source: MedMNISTSource) -> None:
    """Look at the headers alone, so that a wrong file is named before gigabytes are inflated."""
    sizes = {info.filename: info.file_size for info in member_files(npz)}
    side = source.size
    allowed = [(side,) * 3] if _is_volume(source) else [(side, side), (side, side, 3)]
    try:
        with zipfile.ZipFile(npz) as content:
            for part in PARTS:
                images = _shape(content, f"{part}_images.npy", sizes)
                labels = _shape(content, f"{part}_labels.npy", sizes)
                if images[1:] not in allowed:
                    raise ValueError(
                        f"{part}_images has the shape {images}, and each image must be {listed(allowed)}"
                    )
                if labels != (images[0], 1):
                    raise ValueError(f"{part}_labels has the shape {labels} for {images[0]} images")
    # zlib and zipfile each have their own errors for bytes that do not decode.
    except (ValueError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise NullcropError(
            f"{npz} is not the file of the release: {error}; delete it and fetch it again"
        ) from None


def _shape(content: zipfile.ZipFile, name: str, sizes: dict[str, int]) -> tuple[int, ...]:
    if name not in sizes:
        raise ValueError(f"it lacks {name} and holds {listed(sizes) or 'nothing'}")
    with content.open(name) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in HEADERS:
            raise ValueError(f"{name} has a header of version {version}")
        shape, _, dtype = HEADERS[version](stream)
        if dtype != np.uint8:
            raise ValueError(f"{name} is of the type {dtype}, not uint8")
        if stream.tell() + math.prod(shape) != sizes[name]:
            raise ValueError(f"{name} is shorter or longer than its header says")
    return shape


def _list_part(source: MedMNISTSource, part: str, folder: Path, classes: list[str]) -> pd.DataFrame:
    images, labels = folder / f"{part}_images.npy", folder / f"{part}_labels.npy"
    if not (images.is_file() and labels.is_file()):
        raise NullcropError(
            f"{folder} lacks {images.name} or {labels.name}: fetch the dataset's archive first"
        )
    codes: NDArray[np.uint8] = np.load(labels, allow_pickle=False)[:, 0]
    beyond = np.flatnonzero(codes >= len(classes))
    if len(beyond):
        raise NullcropError(
            f"{labels}: {len(beyond)} labels are none of 0 to {len(classes) - 1}: "
            f"{listed(f'{codes[index]} (image {index})' for index in beyond)}"
        )
    central = (source.size // 2,) if _is_volume(source) else ()
    return pd.DataFrame(
        {
            "id": [f"{part}_{index:06}" for index in range(len(codes))],
            "path": [locator(images, index, *central) for index in range(len(codes))],
            "class": np.array(classes)[codes],
            "group": "",
            "official_split": part,
        }
    )


def describe_medmnist(definition: Definition) -> tuple[str, str]:
    """Where the images come from, and what getting them takes."""
    source = cast(MedMNISTSource, definition.source)
    file = f"{source.flag}.npz" if source.size == 28 else f"{source.flag}_{source.size}.npz"
    return f"MedMNIST+, [{file}]({definition.homepage})", "open"
