"""What a folder of images is: its classes, groups, masks and field, told from names, and what a user says."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import pandas as pd
from PIL import Image

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.walk import Walk, walk
from nullcrop.config.definitions import Definition, FolderSource
from nullcrop.datasets.companions import COMPANIONS, companions
from nullcrop.datasets.folder import list_folder
from nullcrop.datasets.ignored import in_words, is_image
from nullcrop.decoding.formats import ending, kind_by_name
from nullcrop.decoding.values import Reading
from nullcrop.survey.names import (
    Sure,
    classes_of,
    group_pattern,
    groups_of,
    name_pattern,
    parts_level,
)
from nullcrop.survey.tables import columns_of, tables_beside

POSITIVE = re.compile(
    r"(?<!non)(?<!non[-_ ])(?<!no[-_ ])(malignan|cancer|carcinoma|melanoma|tumou?r|positive|disease"
    r"|pneumonia|covid|abnormal)|^(1|yes|pos)$",
    re.IGNORECASE,
)
"""What a class is called that shows what is looked for."""

LARGEST_TILE = 128
"""Side in pixels up to which square images of one size are taken for tiles of a larger one."""

HEADERS_READ = 50
"""Images of which the size is read, spread over the folder."""


@dataclass(frozen=True)
class Finding:
    """What was taken for what in a folder."""

    what: str
    """What it answers: classes, groups, masks, …"""
    words: str
    """What was taken for it, and by what."""
    sure: Sure
    otherwise: str = ""
    """How a user says that it is otherwise."""


@dataclass(frozen=True)
class Said:
    """What a user says of a folder. What is empty is told from the names."""

    name_pattern: str = ""
    """As `source.name_pattern` of a dataset's file."""
    group_pattern: str = ""
    """As `source.group_pattern`."""
    no_groups: bool = False
    """Images have no groups, whatever their names look like."""
    table: str = ""
    """A CSV of the images."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """As `source.columns`, as far as names of columns do not tell it."""
    keep_companions: bool = False
    """What looks like masks beside images are images."""
    classes_at: int | None = None
    """The level of folders that are the classes, from 1."""
    positive: Sequence[str] = ()
    """Classes that show what is looked for."""
    field: str = ""
    """`whole` or `tile`."""
    bits: int | None = None
    """As `bits` of a dataset's file."""
    window: tuple[float, float] | None = None
    """Centre and width, as `window` of a dataset's file."""

    @property
    def companions(self) -> Literal["leave_out", "keep"]:
        """As `companions` of a dataset's file."""
        return "keep" if self.keep_companions else "leave_out"

    @property
    def level(self) -> int | None:
        """:attr:`classes_at`, from 0."""
        return None if self.classes_at is None else self.classes_at - 1


@dataclass(frozen=True)
class Layout:
    """A folder of images as it is taken."""

    root: Path
    source: Mapping[str, Any]
    """The keys under `source` in its dataset file."""
    listing: pd.DataFrame
    """Columns id, path, class, group and official_split, all text, one row an image, as the source lists
    them."""
    classes: Sequence[str]
    positive: Sequence[str]
    """Classes that count as target 1; empty: each class is a target of its own."""
    field: str
    """`whole` or `tile`."""
    group: str | None
    """What the groups are; None where none were seen."""
    smallest_side: int
    """In pixels, of the images whose size was read."""
    masks: Mapping[str, str]
    """Files that are left out because they show where the lesion of an image is, and that image."""
    group_from: str | None
    """As `group_from` of its dataset file: what DICOM files tell of groups that no name tells."""
    reading: Reading
    """How values of more than 8 bits are read: `bits` or `window` of its dataset file."""
    companions: Literal["leave_out", "keep"]
    """As `companions` of its dataset file."""
    ignored: Sequence[Mapping[str, Any]]
    """What is no image of the dataset, by kind and class (:mod:`nullcrop.datasets.ignored`)."""
    findings: Sequence[Finding]

    @property
    def counts(self) -> dict[str, int]:
        """Images of each class."""
        found = self.listing["class"].value_counts()
        return {name: int(found.get(name, 0)) for name in self.classes}


def look(root: Path, said: Said | None = None) -> Layout:
    """Tell the layout of the images below ``root`` from their names, as far as ``said`` does not say it.

    No image is decoded; of some the header is read. Raises NullcropError where there is no image, or where
    nothing divides the images into classes, with the flag that helps.
    """
    said = said or Said()
    root = root.absolute()
    if not root.is_dir():
        raise NullcropError(f"there is no folder {root}")
    found = walk(root)
    images, others = _apart(found)
    if not images:
        raise NullcropError(f"{root} holds no image; {listed(_endings(others)) or 'it is empty'}")
    masks = {} if said.keep_companions else companions(images)
    images = [path for path in images if path not in masks]
    findings: list[Finding] = []
    if masks:
        words = f"{len(masks)} files left out: masks or other companions of images, such as {min(masks)}"
        findings.append(Finding("masks", words, "likely", "--keep-companions"))
    table = None
    if said.table:
        table = columns_of(Path(said.table).absolute(), images, said.columns)
    elif not said.name_pattern and classes_of(images, said.level) is None:
        table = tables_beside(root, others, images)
    if table:
        sure: Sure = "sure" if said.table else "likely"
        findings.append(Finding("classes", f"{listed(table.classes)}; {table.words}", sure, "--columns"))
        keys: dict[str, Any] = {"table": str(table.table), "columns": dict(table.columns)}
    else:
        keys = _reading(found, images, said, findings)
    source = {"kind": "folder", "path": str(root), **keys}
    to_list = _to_list(table.classes if table else sorted(_top_folders(found)), said.companions)
    listing = list_folder(FolderSource.model_validate(source), to_list)
    if listing.empty:
        raise NullcropError(
            f"{source.get('name_pattern') or source.get('table')} lists none of the {len(images)} images "
            f"below {root}"
        )
    ignored = [one for one in listing.attrs["ignored"] if one["what"] != COMPANIONS]
    if ignored:
        findings.append(Finding("no images", f"ignored: {in_words(ignored)}", "likely"))
    classes = sorted(set(listing["class"]))
    if len(classes) < 2:
        raise NullcropError(
            f"all {len(listing)} images are of one class, '{classes[0]}'; one can only be told from another"
        )
    from_dicom = _from_dicom(images, listing, said, findings)
    sizes = _sizes(list(listing["path"]))
    return Layout(
        root=root,
        source=source,
        listing=listing,
        classes=classes,
        positive=_positive(classes, said, findings),
        field=_field(sizes, said, findings),
        group=from_dicom or (_group_word(images, source, said) if (listing["group"] != "").any() else None),
        group_from=from_dicom,
        reading=Reading(said.bits, said.window),
        smallest_side=min((min(size) for size in sizes), default=0),
        masks=masks,
        companions=said.companions,
        ignored=ignored,
        findings=findings,
    )


def _reading(found: Walk, images: list[str], said: Said, findings: list[Finding]) -> dict[str, Any]:
    """The keys under `source` that read class, group and part of the images; what they were told from joins
    ``findings``."""
    if said.name_pattern:
        findings.append(Finding("classes", "(?P<class>…) of --name-pattern", "sure"))
        return {"name_pattern": said.name_pattern}
    division = classes_of(images, said.level)
    if division is None:
        raise NullcropError(
            f"neither a level of folders nor the beginning of names divides the {len(images)} images below "
            f"{found.root} into classes (such as {images[0]}); say it with --name-pattern '(?P<class>…)', "
            "--classes-at LEVEL or --table FILE.csv"
        )
    findings.append(
        Finding(
            "classes",
            f"{listed(division.names)}: {division.words}",
            division.sure,
            "--classes-at, --name-pattern",
        )
    )
    parts = parts_level(images)
    if parts is not None:
        findings.append(
            Finding(
                "official split",
                f"the folders of level {parts + 1}; all parts are audited together",
                "likely",
            )
        )
    grouping = None if said.no_groups or said.group_pattern else groups_of(images, division)
    if grouping:
        words = f"{grouping.groups} groups of images: {grouping.words}, such as {grouping.example}"
        findings.append(Finding("groups", words, "guess", "--group-pattern, --no-groups"))
    elif not said.group_pattern:
        words = "none seen; copies of an image are found and kept together, other images of a patient are not"
        findings.append(Finding("groups", words, "sure" if said.no_groups else "guess", "--group-pattern"))
    # A definition by class folders takes no folder beside them.
    if division.level == 0 and _top_folders(found) == set(division.names):
        pattern = group_pattern(grouping) if grouping else said.group_pattern
        return {"group_pattern": pattern} if pattern else {}
    if said.group_pattern:
        raise NullcropError(
            "--group-pattern goes with classes that are the folders of the first level; here name class and "
            "group in one expression: --name-pattern '(?P<group>…)…(?P<class>…)'"
        )
    named = parts if parts is not None and _parts_are_named_ours(images, parts) else None
    return {"name_pattern": name_pattern(division, grouping, named, _endings(images))}


def _parts_are_named_ours(images: Sequence[str], level: int) -> bool:
    return {PurePosixPath(path).parts[level] for path in images} <= {"train", "val", "test"}


def _positive(classes: Sequence[str], said: Said, findings: list[Finding]) -> Sequence[str]:
    if said.positive:
        strange = [name for name in said.positive if name not in classes]
        if strange or len(set(said.positive)) == len(classes):
            raise NullcropError(
                f"--positive must name some, not all, of the classes {listed(classes)}; it names "
                f"{listed(said.positive)}"
            )
        return said.positive
    likely = [name for name in classes if POSITIVE.search(name)]
    if len(classes) == 2 and len(likely) == 1:
        findings.append(Finding("positive", f"{likely[0]}, by its name", "likely", "--positive"))
        return likely
    if len(classes) > 2:
        words = f"each of the {len(classes)} classes is told from the others"
        findings.append(Finding("positive", words, "likely", "--positive"))
    return ()


def _field(sizes: Sequence[tuple[int, int]], said: Said, findings: list[Finding]) -> str:
    """`tile` where images are small squares of one size, which are cut from something larger."""
    if said.field:
        return said.field
    first = sizes[0] if sizes else (0, 0)
    tiles = set(sizes) == {first} and first[0] == first[1] <= LARGEST_TILE
    words = (
        f"tiles of tissue, because all are {first[0]}×{first[1]} pixels: every crop holds tissue"
        if tiles
        else "whole images with the lesion inside: the corners hold none"
    )
    findings.append(Finding("field", words, "guess", "--field"))
    return "tile" if tiles else "whole"


def _sizes(paths: Sequence[str]) -> list[tuple[int, int]]:
    """Width and height of some of the images, spread evenly; those whose header cannot be read are left
    to the listing, which names them."""
    sizes = []
    for path in paths[:: max(1, len(paths) // HEADERS_READ)]:
        try:
            with Image.open(path) as image:
                sizes.append(image.size)
        except Exception:
            continue
    return sizes


def _group_word(images: Sequence[str], source: Mapping[str, Any], said: Said) -> str:
    """What the groups are called where names tell it."""
    if "table" in source:
        return re.split("[_ ]", source["columns"].get("group", "group"))[0].lower()
    guessed = (
        None if said.name_pattern or said.group_pattern else groups_of(images, classes_of(images, said.level))
    )
    return guessed.word if guessed else "group"


def _from_dicom(
    images: Sequence[str], listing: pd.DataFrame, said: Said, findings: list[Finding]
) -> str | None:
    """`patient` where images are DICOM files, which tell it, and neither a name nor a user does."""
    dicom = all(kind_by_name(path) == "dicom" for path in images)
    if not dicom or said.no_groups or (listing["group"] != "").any():
        return None
    findings[:] = [one for one in findings if one.what != "groups"]
    findings.append(Finding("groups", "patients, by PatientID in the DICOM files", "likely", "--no-groups"))
    return "patient"


def _to_list(classes: Sequence[str], companions: str) -> Definition:
    """As much of a dataset file as listing a folder asks for; groups may be there or not."""
    return Definition.model_construct(
        classes=list(classes), group=None, groups=None, how_to_get=None, companions=companions
    )


def _apart(found: Walk) -> tuple[list[str], list[str]]:
    """Images and other files of a walk."""
    images: list[str] = []
    others: list[str] = []
    for path in found.files:
        (images if is_image(found.root, path, None) else others).append(path)
    return images, others


def _top_folders(found: Walk) -> set[str]:
    return {folder for folder in found.folders if folder != "." and "/" not in folder}


def _endings(paths: Sequence[str]) -> list[str]:
    """Endings of files in lower case, the most frequent first."""
    return [one for one, _ in Counter(map(ending, paths)).most_common()]
