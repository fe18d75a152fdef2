"""Datasets of Kaggle: fetched with the user's own credentials, read by folders and file names.

The module is not called kaggle: the package of that name is imported here, inside one function,
because its mere import looks for credentials, asks the network and prints.
"""

import contextlib
import io
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, cast

import pandas as pd
import requests

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.files import sha256_of_lines
from nullcrop.basics.progress import say
from nullcrop.basics.walk import litter_of, walk
from nullcrop.config.definitions import Definition, KaggleSource
from nullcrop.config.places import no_folder
from nullcrop.datasets.download import alone, verify
from nullcrop.datasets.kaggle_credentials import (
    check_credentials,
    config_folder,
    credentials,
    page,
    shared_zip,
)
from nullcrop.datasets.unpack import member_files, unpack

BREAKHIS_TYPES = {
    "A": ("benign", "adenosis"),
    "F": ("benign", "fibroadenoma"),
    "PT": ("benign", "phyllodes_tumor"),
    "TA": ("benign", "tubular_adenoma"),
    "DC": ("malignant", "ductal_carcinoma"),
    "LC": ("malignant", "lobular_carcinoma"),
    "MC": ("malignant", "mucinous_carcinoma"),
    "PC": ("malignant", "papillary_carcinoma"),
}
"""Letters in BreakHis' file names, and the two folders they must lie below."""

BREAKHIS_NAME = re.compile(r"SOB_([BM])_([A-Z]+)-(\d+-\d+)[A-Z]*-(\d+)-\d+\.png")
IDC_NAME = re.compile(r"(\d+)_idx\d+_x\d+_y\d+_class([01])\.png")
IDC_CLASSES = {"0": "idc_negative", "1": "idc_positive"}


class Named(NamedTuple):
    """What an image's path tells."""

    label: str
    group: str


def fetch_kaggle(source: KaggleSource, archive: Path) -> list[dict[str, Any]]:
    """Bring the images of ``source`` below ``archive``/images; return an entry of each file used.

    Datasets of one handle share its zip, which lies in ``archive``/../_kaggle/{owner}/{name}.zip and
    is not downloaded again where it is there; only the images of this dataset are unpacked. With
    ``source.data_dir`` nothing is downloaded: a zip there is unpacked, a tree is read where it is.
    Kaggle publishes no checksums: the first fetch records one in ``archive``/checksums.json.

    Raises NullcropError, before anything starts, when a download is needed and there are no
    credentials.
    """
    lock = archive / "checksums.json"
    name = source.handle.partition("/")[2]
    if source.data_dir is not None:
        folder = _data_dir(source)
        if _is_tree(folder):
            return [_facts_of_tree(source, folder)]
        zipped = folder / f"{name}.zip"
        if not zipped.is_file():
            raise NullcropError(
                f"source.data_dir: {folder} holds neither the folders of {source.handle} nor {name}.zip; get "
                f"it from {page(source)} and put it there, or take `data_dir` out of the definition"
            )
        entry = verify(zipped, lock=lock)
    else:
        zipped = shared_zip(source, archive)
        if not zipped.is_file():
            check_credentials(source, archive)
            with alone(zipped.parent):
                if not zipped.is_file():
                    _download(source, zipped)
        entry = verify(zipped, lock=lock)
    unpack(zipped, archive / "images", entry["sha256"], _members(source, zipped))
    return [entry]


def list_kaggle(source: KaggleSource, archive: Path, definition: Definition) -> pd.DataFrame:
    """Columns id, path, class, group, official_split (all text) of the images of ``source``.

    An id is the file name without ending. An image that occurs in two folders is listed once.
    Raises NullcropError when a PNG's name or folder is not of the layout, when the two tell
    different things, or two different files have one name.
    """
    folder = archive / "images"
    if source.data_dir is not None and _is_tree(_data_dir(source)):
        folder = _data_dir(source)
    if not folder.is_dir():
        raise NullcropError(f"there is no folder {folder}: fetch the dataset's archive first")
    found = _once(
        source, ((path, (folder / path).stat().st_size) for path in _pngs_below(folder)), str(folder)
    )
    rows = [
        (PurePosixPath(path).stem, str(folder / path), named.label, named.group, "")
        for path, named in found.items()
    ]
    return pd.DataFrame(rows, columns=["id", "path", "class", "group", "official_split"])


def _download(source: KaggleSource, zipped: Path) -> None:
    partial = zipped.parent / f".{zipped.stem}.part"
    say(f"downloading {page(source)} with the credentials in {credentials()}")
    try:
        # Its messages and progress bars are not for a log, and its help text knows other commands.
        with contextlib.redirect_stdout(io.StringIO()):
            _give_settings_a_folder(partial)
            from kaggle.api.kaggle_api_extended import KaggleApi

            api = KaggleApi()
            api.authenticate()
            # It resumes what broke off and tries again by itself.
            api.dataset_download_files(source.handle, path=str(partial), quiet=True, unzip=False)
    except (Exception, SystemExit) as error:
        # Never its own words: addresses in them carry signatures, and headers the token.
        raise NullcropError(
            f"cannot download {source.handle} ({_reason(error)}); download the zip from {page(source)} in a "
            f"browser and put it at {zipped}"
        ) from None
    (partial / zipped.name).replace(zipped)
    for leftover in partial.iterdir():
        leftover.unlink()
    partial.rmdir()


def _give_settings_a_folder(otherwise: Path) -> None:
    """Kaggle's package makes a folder of settings when it is imported, and fails where the home folder may
    not be written; it is told of ``otherwise`` there."""
    try:
        config_folder().mkdir(parents=True, exist_ok=True)
    except OSError:
        os.environ["KAGGLE_CONFIG_DIR"] = str(otherwise)


def _reason(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"Kaggle does not accept the credentials in {credentials()}"
    response = getattr(error, "response", None)
    if isinstance(response, requests.Response):
        status = response.status_code
        known = {
            401: f"Kaggle does not accept the credentials in {credentials()}",
            403: "HTTP status 403: the account may not read it",
            404: "HTTP status 404: there is no such dataset",
        }
        return known.get(status, f"HTTP status {status}")
    return type(error).__name__


def _data_dir(source: KaggleSource) -> Path:
    folder = Path(str(source.data_dir))
    if not folder.is_dir():
        raise NullcropError(f"source.data_dir: {no_folder(folder)}")
    return folder


def _is_tree(folder: Path) -> bool:
    return any(child.is_dir() and not litter_of(child.name, is_folder=True) for child in folder.iterdir())


def _facts_of_tree(source: KaggleSource, folder: Path) -> dict[str, Any]:
    sizes = {path: (folder / path).stat().st_size for path in _pngs_below(folder)}
    used = list(_once(source, sizes.items(), str(folder)))
    if not used:
        raise NullcropError(
            f"source.data_dir: {folder} holds no image of {source.handle}; see {page(source)}"
        )
    return {
        "name": folder.name,
        "files": len(used),
        "bytes": sum(sizes[path] for path in used),
        "names_and_sizes_sha256": sha256_of_lines([f"{path} {sizes[path]}" for path in used]),
    }


def _members(source: KaggleSource, zipped: Path) -> list[str]:
    """Members of the zip that are this dataset's, each image once."""
    files = member_files(zipped)
    # Size and CRC together tell whether two members are the same picture.
    sizes = [(info.filename, (info.file_size, info.CRC)) for info in files if _is_png(info.filename)]
    chosen = list(_once(source, sizes, str(zipped)))
    if not chosen:
        raise NullcropError(
            f"{zipped} holds no image of {source.handle}; it is another zip: delete it and fetch it again"
        )
    return chosen


def _once(source: KaggleSource, files: Iterable[tuple[str, Any]], where: str) -> dict[str, Named]:
    """What the paths of this dataset's images tell, in order of path; of equal files the outermost.

    ``files`` are paths and whatever tells two files of one name apart.
    """
    read: Callable[[str, KaggleSource], Named | None] = READERS[source.layout]
    outermost: dict[str, tuple[str, Any, Named]] = {}
    strange, different = [], []
    # By depth: the copy in a further folder comes after what it copies.
    for path, size in sorted(files, key=lambda file: (file[0].count("/"), file[0])):
        try:
            named = read(path, source)
        except ValueError as error:
            strange.append(f"{path} ({error})")
            continue
        if named is None:
            continue
        name = PurePosixPath(path).name
        if name not in outermost:
            outermost[name] = (path, size, named)
        elif outermost[name][1] != size:
            different.append(f"{outermost[name][0]} and {path}")
    if strange:
        raise NullcropError(
            f"{where}: {len(strange)} images do not fit the layout '{source.layout}': "
            f"{listed(strange)}; compare with {page(source)}"
        )
    if different:
        raise NullcropError(
            f"{where}: {len(different)} times two different files have one name: {listed(different)}; fetch "
            "the archive again"
        )
    return {path: named for path, _, named in sorted(outermost.values())}


def _breakhis(path: str, source: KaggleSource) -> Named | None:
    """…/{benign,malignant}/SOB/{type}/{slide}/{magnification}X/SOB_M_DC-14-2523-40-001.png.

    The group is year and number of the slide: the letters after them are blocks of one case.
    """
    *folders, name = path.split("/")
    match = BREAKHIS_NAME.fullmatch(name)
    if match is None or match[2] not in BREAKHIS_TYPES:
        raise ValueError("the name is not of the form SOB_M_DC-14-2523-40-001.png")
    kind, label = BREAKHIS_TYPES[match[2]]
    if match[1] != kind[0].upper():
        raise ValueError(f"{match[2]} is {kind}, the name says {match[1]}")
    wanted = [kind, "SOB", label, None, f"{match[4]}X"]
    if len(folders) < 5 or any(
        want not in (None, have) for want, have in zip(wanted, folders[-5:], strict=True)
    ):
        raise ValueError(f"the name belongs below {kind}/SOB/{label}/…/{match[4]}X")
    if source.magnification is not None and match[4] != str(source.magnification):
        return None
    return Named(label, match[3])


def _idc(path: str, source: KaggleSource) -> Named:
    """…/{patient}/{0,1}/{patient}_idx5_x{X}_y{Y}_class{0,1}.png."""
    *folders, name = path.split("/")
    match = IDC_NAME.fullmatch(name)
    if match is None:
        raise ValueError("the name is not of the form 8863_idx5_x1001_y751_class0.png")
    if folders[-2:] != [match[1], match[2]]:
        raise ValueError(f"the name belongs into {match[1]}/{match[2]}")
    return Named(IDC_CLASSES[match[2]], match[1])


READERS: dict[str, Callable[[str, KaggleSource], Named | None]] = {"breakhis": _breakhis, "idc": _idc}
"""What a path tells in each layout: None for an image of another dataset, ValueError for a wrong one."""


def _is_png(path: str) -> bool:
    *folders, name = path.split("/")
    litter = litter_of(name) or any(litter_of(folder, is_folder=True) for folder in folders)
    return name.lower().endswith(".png") and not litter


def _pngs_below(folder: Path) -> list[str]:
    """Paths of the PNGs below ``folder``, relative to it."""
    return [path for path in walk(folder).files if path.lower().endswith(".png")]


def describe_kaggle(definition: Definition) -> tuple[str, str]:
    """Where the images come from, and what getting them takes."""
    handle = cast(KaggleSource, definition.source).handle
    return f"Kaggle, [{handle}](https://www.kaggle.com/datasets/{handle})", "Kaggle account"
