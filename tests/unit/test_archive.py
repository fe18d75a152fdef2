"""What is common to all archives: sources without a download, and archive.json."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nullcrop.basics.errors import NullcropError
from nullcrop.config.definitions import Definition
from nullcrop.datasets import isic
from nullcrop.datasets.archive import fetch_archive

ISIC = {
    "kind": "isic",
    "year": 2016,
    "files": {"train_images": "https://x/a.zip", "train_labels": "https://x/a.csv"},
}


def test_a_source_without_a_download_is_refused(
    make_definition: Callable[..., Definition], tmp_path: Path
) -> None:
    source = make_definition(source={"kind": "folder", "path": "images"}).source
    with pytest.raises(NullcropError, match="there is nothing to fetch for the source 'folder'"):
        fetch_archive(source, tmp_path / "archive")
    assert not (tmp_path / "archive" / "archive.json").exists()


def test_archive_json_is_written_last(
    make_definition: Callable[..., Definition], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_definition(source=ISIC).source

    def interrupted(*_: object) -> None:
        assert not (tmp_path / "archive.json").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(isic, "fetch_isic", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch_archive(source, tmp_path)
    assert not (tmp_path / "archive.json").exists()
    monkeypatch.setattr(isic, "fetch_isic", lambda *_: [{"name": "a.zip", "bytes": 1}])
    fetch_archive(source, tmp_path)
    assert (tmp_path / "archive.json").is_file()
