"""Public zips and tars: fetched, verified, unpacked, and listed by the names of their images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pandas as pd

from nullcrop.config.definitions import ArchiveSource, Definition, FolderSource, PcamSource
from nullcrop.datasets.download import download
from nullcrop.datasets.folder import list_folder
from nullcrop.datasets.isic import file_name
from nullcrop.datasets.unpack import unpack


def fetch_public_archive(source: ArchiveSource, archive: Path) -> list[dict[str, Any]]:
    """Bring every file of ``source`` into ``archive`` and unpack it below ``archive``/images.

    A file without a published checksum is recorded in ``archive``/checksums.json by the first
    fetch. Returns an entry of each file: name, bytes, sha256. Raises NullcropError that says which
    file to put where.
    """
    return fetch_files(source.files, archive, archive / "images")


def fetch_files(files: Mapping[str, str | None], folder: Path, below: Path) -> list[dict[str, Any]]:
    """As :func:`fetch_public_archive`, of ``files`` (checksums by address) into ``folder``, unpacked
    ``below``."""
    entries = []
    for address, checksum in files.items():
        packed = folder / file_name(address)
        entry = download(address, packed, checksum, lock=folder / "checksums.json")
        unpack(packed, below / packed.name.partition(".")[0], entry["sha256"])
        entries.append(entry)
    return entries


def list_public_archive(source: ArchiveSource, archive: Path, definition: Definition) -> pd.DataFrame:
    """Columns id, path, class, group, official_split (all text) of the images below ``archive``/images."""
    folder = FolderSource(kind="folder", path=str(archive / "images"), name_pattern=source.name_pattern)
    return list_folder(folder, definition)


def describe_public_files(definition: Definition) -> tuple[str, str]:
    """Where the images come from, and what getting them takes."""
    files = cast(ArchiveSource | PcamSource, definition.source).files
    address = next(iter(files))
    host = urlsplit(address).hostname
    if len(files) > 1:
        return f"{host}, [{len(files)} files]({definition.homepage})", "open"
    return f"{host}, [{address.rpartition('/')[2]}]({address})", "open"
