"""ISIC challenges 2016 to 2019: zips of images, and CSVs of labels and lesions that differ by year."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, cast
from urllib.parse import urlsplit

import pandas as pd

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.files import sha256_of_lines
from nullcrop.basics.walk import walk
from nullcrop.config.definitions import Definition, IsicSource
from nullcrop.config.places import no_folder
from nullcrop.datasets.download import download, verify
from nullcrop.datasets.unpack import unpack

CODES = {
    "MEL": "melanoma",
    "NV": "melanocytic_nevus",
    "BCC": "basal_cell_carcinoma",
    "AKIEC": "actinic_keratosis_intraepithelial_carcinoma",
    "AK": "actinic_keratosis",
    "BKL": "benign_keratosis",
    "DF": "dermatofibroma",
    "VASC": "vascular_lesion",
    "SCC": "squamous_cell_carcinoma",
}
"""Columns of the CSVs of 2018 and 2019, and the class each stands for."""

ANSWERS = {"benign": "benign", "malignant": "malignant", "0": "benign", "1": "malignant"}
"""How the CSVs of 2016 tell the class: in words for training, in numbers for the test."""

ENDINGS = {".jpg", ".jpeg", ".png"}

SUPERPIXELS = "_superpixels.png"
"""End of the names of 2017's segmentation aids, which lie among the images."""


def fetch_isic(source: IsicSource, archive: Path) -> list[dict[str, Any]]:
    """Bring every file of ``source`` into ``archive``, zips unpacked beside themselves.

    What lies in ``source.data_dir`` is used where it lies: CSVs, folders called as the zips, or the
    zips, which are unpacked into ``archive``. Returns an entry of each file: name, bytes, sha256.
    The release publishes no checksums: the first fetch records them in ``archive``/checksums.json.
    Raises NullcropError that says which file to put where.
    """
    lock = archive / "checksums.json"
    entries = []
    if source.data_dir is None:
        for address in source.files.values():
            entries.append(download(address, archive / file_name(address), lock=lock))
    else:
        folder = _data_dir(source)
        entries = [_present(role, address, folder, lock) for role, address in source.files.items()]
    for entry in entries:
        if entry["name"].endswith(".zip"):
            zipped = Path(source.data_dir or archive) / entry["name"]
            unpack(zipped, archive / zipped.stem, entry["sha256"])
    return entries


def list_isic(source: IsicSource, archive: Path, definition: Definition) -> pd.DataFrame:
    """Columns id, path, class, group, official_split (all text) of the images that are labelled.

    An id is the image's name (`ISIC_0000000`); an empty group is an image of its own. The official
    split is empty for a challenge of which one part alone is used. Raises NullcropError when a label
    has no image or an image no label, and when a CSV is not what its year's is.
    """
    places = [Path(source.data_dir)] if source.data_dir is not None else []
    places.append(archive)
    parts = [role.removesuffix("_images") for role in source.files if role.endswith("_images")]
    tables = [_list_part(source, part, places, definition) for part in parts]
    listing = pd.concat(tables, ignore_index=True)
    if len(parts) == 1:
        listing["official_split"] = ""
    return listing[["id", "path", "class", "group", "official_split"]]


def file_name(address: str) -> str:
    """Name of the file at an address."""
    return PurePosixPath(urlsplit(address).path).name


def _data_dir(source: IsicSource) -> Path:
    folder = Path(str(source.data_dir))
    if not folder.is_dir():
        raise NullcropError(f"source.data_dir: {no_folder(folder)}")
    return folder


def _present(role: str, address: str, folder: Path, lock: Path) -> dict[str, Any]:
    """Entry of one file that was brought by hand, as it was downloaded or unpacked."""
    name = file_name(address)
    unpacked = folder / Path(name).stem
    if unpacked.is_dir():
        found = walk(unpacked).paths
        sizes = [path.stat().st_size for path in found]
        lines = [
            f"{path.relative_to(unpacked).as_posix()} {size}" for path, size in zip(found, sizes, strict=True)
        ]
        return {
            "name": unpacked.name,
            "files": len(found),
            "bytes": sum(sizes),
            "names_and_sizes_sha256": sha256_of_lines(lines),
        }
    bare = folder / f"{Path(name).stem}.csv"
    for path in (folder / name, bare):
        if path.is_file():
            return verify(path, lock=lock)
    wanted = f"the file {name}" + (f" or the folder {unpacked.name}" if name.endswith(".zip") else "")
    raise NullcropError(
        f"source.data_dir: {folder} lacks {wanted} ({role}); get it from {address} and put it there, or take "
        "`data_dir` out of the definition to have it downloaded"
    )


def _list_part(source: IsicSource, part: str, places: list[Path], definition: Definition) -> pd.DataFrame:
    labels_path = _table(source.files[f"{part}_labels"], places)
    labels = LABELS[source.year](labels_path, definition)
    doubled = labels.loc[labels["id"].duplicated(), "id"].unique()
    if len(doubled):
        raise NullcropError(f"{labels_path} names {len(doubled)} images more than once: {listed(doubled)}")
    folder = _image_folder(source.files[f"{part}_images"], places)
    images = _images_by_name(folder)
    absent = sorted(set(labels["id"]) - set(images))
    if absent:
        raise NullcropError(
            f"{labels_path} names {len(absent)} images that are not in {folder}: {listed(absent)}; the "
            "archive is not complete: delete the folder and fetch it again"
        )
    unlabelled = sorted(set(images) - set(labels["id"]))
    if unlabelled:
        raise NullcropError(
            f"{folder} holds {len(unlabelled)} images that {labels_path} does not name: "
            f"{listed(unlabelled)}; they are no part of the release, or belong to another one: move them away"
        )
    return labels.assign(
        path=[images[name] for name in labels["id"]],
        group=_groups(source, part, places, labels["id"]),
        official_split=part,
    )


def _image_folder(address: str, places: list[Path]) -> Path:
    stem = Path(file_name(address)).stem
    for place in places:
        if (place / stem).is_dir():
            return place / stem
    raise NullcropError(f"there is no folder {stem} in {listed(places)}: fetch the dataset's archive first")


def _table(address: str, places: list[Path]) -> Path:
    name = f"{Path(file_name(address)).stem}.csv"
    for place in places:
        if (place / name).is_file():
            return place / name
        found = [path for path in walk(place / Path(name).stem).paths if path.name == name]
        if found:
            return found[0]
    raise NullcropError(f"there is no {name} in {listed(places)}: fetch the dataset's archive first")


def _images_by_name(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in walk(folder).paths:
        if path.suffix.lower() not in ENDINGS or path.name.endswith(SUPERPIXELS):
            continue
        if path.stem in found:
            raise NullcropError(
                f"{folder} holds the image {path.stem} twice: {found[path.stem]} and {path}; move one away"
            )
        found[path.stem] = str(path)
    return found


def _groups(source: IsicSource, part: str, places: list[Path], ids: "pd.Series[str]") -> list[str]:
    address = source.files.get(f"{part}_groups")
    if address is None:
        return [""] * len(ids)
    path = _table(address, places)
    table = _read(path)
    _need_columns(path, table, ["image", "lesion_id"])
    doubled = table.loc[table["image"].duplicated(), "image"].unique()
    if len(doubled):
        raise NullcropError(f"{path} names {len(doubled)} images more than once: {listed(doubled)}")
    lesions = dict(zip(table["image"], table["lesion_id"], strict=True))
    absent = [name for name in ids if name not in lesions]
    if absent:
        raise NullcropError(
            f"{path} does not name {len(absent)} of the labelled images: {listed(absent)}; it is another "
            "year's or not complete: delete it and fetch it again"
        )
    return [lesions[name] for name in ids]


def _in_words(path: Path, definition: Definition) -> pd.DataFrame:
    """2016: no header; name and answer, the answer in words or as 0 and 1."""
    table = _read(path, header=None)
    if table.shape[1] != 2:
        raise NullcropError(f"{path} has {table.shape[1]} columns; 2016's have two, name and answer")
    answers = table[1].str.removesuffix(".0")
    strange = sorted(set(answers) - set(ANSWERS))
    if strange:
        raise NullcropError(f"{path} answers {listed(strange)}; 2016's answers are {listed(ANSWERS)}")
    return pd.DataFrame({"id": table[0], "class": answers.map(ANSWERS)})


def _melanoma_or_keratosis(path: Path, definition: Definition) -> pd.DataFrame:
    """2017: one column a question; an image with 0 in both is a nevus."""
    table = _read(path)
    columns = ["melanoma", "seborrheic_keratosis"]
    _need_columns(path, table, ["image_id", *columns])
    marks = _marks(path, table, "image_id", columns, {0, 1})
    classes = [*columns, "nevus"]
    marks["nevus"] = ~marks.any(axis=1)
    return pd.DataFrame({"id": table["image_id"], "class": marks[classes].idxmax(axis=1)})


def _one_hot(path: Path, definition: Definition) -> pd.DataFrame:
    """2018 and 2019: one column a class, exactly one of them 1."""
    table = _read(path)
    _need_columns(path, table, ["image"])
    columns = [name for name in table.columns if name != "image"]
    unknown = [name for name in columns if name not in CODES and name != "UNK"]
    lacking = [code for code in CODES if CODES[code] in definition.classes and code not in columns]
    if unknown or lacking:
        raise NullcropError(
            f"{path} has the columns {listed(table.columns)}: "
            + "; ".join(
                [f"{listed(unknown)} is no known class"] * bool(unknown)
                + [f"{listed(lacking)} is lacking"] * bool(lacking)
            )
        )
    marks = _marks(path, table, "image", columns, {1})
    # The column of unknown diagnoses is empty in training; if it were not, it is no class either.
    codes = marks.idxmax(axis=1).astype(str)
    return pd.DataFrame({"id": table["image"], "class": [CODES.get(code, code) for code in codes]})


LABELS: dict[int, Callable[[Path, Definition], pd.DataFrame]] = {
    2016: _in_words,
    2017: _melanoma_or_keratosis,
    2018: _one_hot,
    2019: _one_hot,
}
"""How the ground truth of each year is read: columns id and class."""


def _marks(path: Path, table: pd.DataFrame, name: str, columns: list[str], allowed: set[int]) -> pd.DataFrame:
    """Which columns are 1 in each row; the number of them must be ``allowed``."""
    answers = table[columns].apply(lambda column: column.str.removesuffix(".0"))
    readable = answers.isin(["0", "1"]).all(axis=1)
    if not readable.all():
        raise NullcropError(
            f"{path}: something else than 0 and 1 in the rows of {listed(table.loc[~readable, name])}"
        )
    marks: pd.DataFrame = answers == "1"
    wrong = ~marks.sum(axis=1).isin(allowed)
    if wrong.any():
        raise NullcropError(
            f"{path}: each image must have {' or '.join(map(str, sorted(allowed)))} classes; these have "
            f"another number: {listed(table.loc[wrong, name])}"
        )
    return marks


def _read(path: Path, **options: Any) -> pd.DataFrame:
    try:
        table: pd.DataFrame = pd.read_csv(path, dtype=str, keep_default_na=False, **options)
    except (OSError, ValueError) as error:
        raise NullcropError(f"cannot read {path}: {error}") from None
    return table


def _need_columns(path: Path, table: pd.DataFrame, columns: list[str]) -> None:
    lacking = [name for name in columns if name not in table.columns]
    if lacking:
        raise NullcropError(
            f"{path} has no column {listed(lacking)}; its columns are {listed(table.columns)}"
        )


def describe_isic(definition: Definition) -> tuple[str, str]:
    """Where the images come from, and what getting them takes."""
    files = cast(IsicSource, definition.source).files
    return f"[{len(files)} files]({definition.homepage}) of the ISIC archive", "open"
