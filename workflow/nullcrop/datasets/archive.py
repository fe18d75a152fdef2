"""A dataset's archive: its files fetched or found, verified, unpacked, and archive.json last of all."""

from pathlib import Path
from typing import Any

from nullcrop.config.definitions import (
    ArchiveSource,
    IsicSource,
    KaggleSource,
    MedMNISTSource,
    PcamSource,
    Source,
)
from nullcrop.datasets.download import alone
from nullcrop.datasets.isic import fetch_isic
from nullcrop.datasets.kaggle_source import fetch_kaggle
from nullcrop.datasets.medmnist_source import fetch_medmnist
from nullcrop.datasets.pcam import fetch_pcam
from nullcrop.datasets.public_archive import fetch_public_archive
from nullcrop.errors import NullcropError
from nullcrop.files import write_json


def fetch_archive(source: Source, folder: Path) -> list[dict[str, Any]]:
    """Bring what ``source`` names into ``folder``; write ``folder``/archive.json with the files' facts.

    Whatever is there already is verified and kept, so that an interrupted fetch goes on. Raises
    NullcropError that says which file to put where.
    """
    with alone(folder):
        match source:
            case IsicSource():
                files = fetch_isic(source, folder)
            case KaggleSource():
                files = fetch_kaggle(source, folder)
            case ArchiveSource():
                files = fetch_public_archive(source, folder)
            case PcamSource():
                files = fetch_pcam(source, folder)
            case MedMNISTSource():
                files = fetch_medmnist(source, folder)
            case _:
                raise NullcropError(f"there is nothing to fetch for the source '{source.kind}'")
        write_json(folder / "archive.json", {"source": source.model_dump(), "files": files})
    return files
