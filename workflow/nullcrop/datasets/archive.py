"""A dataset's archive: its files fetched or generated, verified, unpacked, and archive.json last of all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import write_json
from nullcrop.config.definitions import SourceModel
from nullcrop.config.registry import implementation
from nullcrop.config.sources import SOURCES
from nullcrop.datasets.download import alone
from nullcrop.datasets.public_archive import fetch_files


def fetch_archive(source: SourceModel, folder: Path) -> list[dict[str, Any]]:
    """Bring what ``source`` names into ``folder``; write ``folder``/archive.json, an entry for each file.

    Whatever is there already is verified and kept, so that an interrupted fetch goes on. Raises
    NullcropError that says which file to put where.
    """
    with alone(folder):
        files: list[dict[str, Any]] = _fetch(source, folder, "fetched")
        write_json(folder / "archive.json", {"source": source.model_dump(), "files": files})
    return files


def fetch_masks(files: Mapping[str, str | None], folder: Path) -> list[dict[str, Any]]:
    """Bring masks, ``files`` (checksums by address), into ``folder``; write ``folder``/masks.json, an entry
    for each file. What is there already is verified and kept."""
    with alone(folder):
        entries = fetch_files(files, folder, folder / "masks")
        write_json(folder / "masks.json", {"files": entries})
    return entries


def generate_archive(source: SourceModel, folder: Path) -> None:
    """Generate the images of ``source`` in ``folder``; write ``folder``/archive.json with what is told of
    them."""
    fetched: dict[str, Any] = _fetch(source, folder, "generated")
    write_json(folder / "archive.json", {"source": source.model_dump(), **fetched})


def _fetch(source: SourceModel, folder: Path, way: str) -> Any:
    record = SOURCES[source.kind]
    if record.way != way or record.fetch is None:
        verb = "fetch" if way == "fetched" else "generate"
        raise NullcropError(f"there is nothing to {verb} for the source '{source.kind}'")
    return implementation(record.fetch)(source, folder)
