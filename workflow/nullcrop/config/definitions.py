"""A dataset's definition: one YAML file a dataset."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args

import pydantic
from pydantic import AfterValidator, Field, field_validator, model_validator

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.walk import walk
from nullcrop.config.names import PUBLISHED
from nullcrop.config.names import Field as FieldKind
from nullcrop.config.places import FOUND, no_folder
from nullcrop.config.registry import implementation
from nullcrop.config.sources import SOURCES
from nullcrop.config.yaml_files import LateType, Model, Name, PathText, explain, read_yaml


class SourceModel(Model):
    """Where the images of a dataset come from: the keys under `source`, which are those of its kind."""

    kind: str

    def place(self, archive: Path) -> str:
        """Where its images are looked for, for messages; ``archive`` is the dataset's folder of archives."""
        own: str | None = getattr(self, "data_dir", None)
        return own or str(archive)

    def own_table(self, archive: Path) -> "FolderSource | None":
        """Where the source itself has a row for each image; None where it has no such table."""
        return None

    def watched(self, classes: Iterable[str]) -> list[str]:
        """The user's own tables and folders; a change of one means that other images are there. A source
        that is fetched has none."""
        return []


class Cue(Model):
    """The acquisition cue a phantom carries."""

    kind: Literal["none", "session", "jpeg", "vignette", "stain", "patient"] = "none"
    """What differs between the classes besides the lesion (`patient`: between patients, whose class is
    fixed)."""
    strength: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Size of the cue, from 0 (none) to 1 (plain to a network, hardly to the eye)."""


class PhantomSource(SourceModel):
    """Images generated from a seed: scans with body, lesion, noise, patients and sessions."""

    kind: Literal["phantom"]
    cue: Cue = Cue()
    """The planted cue."""
    patients: Annotated[int, Field(ge=2)] = 100
    """Number of patients; each has one diagnosis."""
    images_per_patient: Annotated[int, Field(ge=1)] = 4
    """Images of each patient."""
    positive_share: Annotated[float, Field(gt=0, lt=1)] = 0.4
    """Share of patients with a malignant lesion."""
    sessions: Annotated[int, Field(ge=2)] = 4
    """Acquisition sessions over which patients are spread."""
    width: Annotated[int, Field(ge=64)] = 96
    """Image width in pixels."""
    height: Annotated[int, Field(ge=64)] = 96
    """Image height in pixels."""
    seed: int = 0
    """Seed of every random number in the phantom."""

    def own_table(self, archive: Path) -> "FolderSource":
        """The table that is generated with the images."""
        return FolderSource(kind="folder", path=str(archive / "images"), table=str(archive / "samples.csv"))


def _named_parts(pattern: str) -> str:
    try:
        names = set(re.compile(pattern).groupindex)
    except re.error as error:
        raise ValueError(f"'{pattern}' is not a regular expression: {error}") from None
    if "class" not in names or names - {"class", "group", "split"}:
        raise ValueError(
            f"'{pattern}' must name the part (?P<class>…), and may also name (?P<group>…) and (?P<split>…); "
            f"it names {listed(sorted(names)) or 'none'}"
        )
    return pattern


NamePattern = Annotated[str, AfterValidator(_named_parts)]
"""A regular expression searched in an image's path, whose named parts are its class, its group and its part
of the official split."""


class FolderSource(SourceModel):
    """Images on a local disk: class folders, names that tell the class, or any folder plus a CSV."""

    kind: Literal["folder"]
    path: Annotated[PathText, FOUND]
    """Folder with the images, relative to the working folder or else to the workflow's, or absolute."""
    table: Annotated[PathText, FOUND] | None = None
    """Text table (separated by commas, semicolons, tabs or bars) with one row an image, relative to the
    working folder or else to the workflow's, or absolute; empty: the sub-folders of `path` are the
    classes."""
    columns: dict[Literal["path", "class", "id", "group", "split"], str] = {}
    """Names of the table's columns where they differ from path, class, id, group and split. Where no column
    is called class and each class has a column of its own, the one that holds 1 is the image's."""
    name_pattern: NamePattern | None = None
    """Regular expression searched in each path below `path`, in place of class folders: its part
    (?P<class>…) is the image's class, (?P<group>…) its group, (?P<split>…) its part of the official
    split. Files whose path does not match are ignored."""
    group_pattern: str | None = None
    """Regular expression with one bracketed part, searched in an image's path: that part is its group."""
    suffixes: list[str] | None = None
    """File name endings that are images when class folders are read (any case). Empty: those of every format
    that is read, and files without a telling ending whose first bytes are an image's."""

    @model_validator(mode="after")
    def _one_way_to_list(self) -> "FolderSource":
        if self.name_pattern is not None and (self.table is not None or self.group_pattern is not None):
            raise ValueError(
                "name_pattern tells class, group and split by itself: leave out table and group_pattern"
            )
        return self

    def place(self, archive: Path) -> str:
        """The folder."""
        return self.path

    def own_table(self, archive: Path) -> "FolderSource | None":
        """Itself, where it names a table."""
        return None if self.table is None else self

    def watched(self, classes: Iterable[str]) -> list[str]:
        """The table; without one the folder, which may get a class more, and all that may hold images."""
        if self.table is not None:
            # A missing table is for the listing to name; as an input it would stop every other dataset.
            return [self.table] if Path(self.table).is_file() else []
        found = walk(self.path).folders
        if self.name_pattern is None:
            own = {".", *classes}
            found = [folder for folder in found if folder.partition("/")[0] in own]
        return [str(Path(self.path, folder)) for folder in found]


class MedMNISTSource(SourceModel):
    """An array file of MedMNIST+."""

    kind: Literal["medmnist"]
    flag: Literal[
        "pathmnist",
        "dermamnist",
        "octmnist",
        "pneumoniamnist",
        "retinamnist",
        "breastmnist",
        "bloodmnist",
        "tissuemnist",
        "organamnist",
        "organcmnist",
        "organsmnist",
        "organmnist3d",
        "nodulemnist3d",
        "adrenalmnist3d",
        "fracturemnist3d",
        "vesselmnist3d",
        "synapsemnist3d",
    ]
    """Name in the medmnist package's INFO, which holds address and checksum (chestmnist has several labels
    an image and cannot be audited)."""
    size: Literal[28, 64, 128, 224] = 224
    """Side of the images in pixels (3-D sets: 28 or 64, of each volume the central slice)."""
    data_dir: Annotated[PathText, FOUND] | None = None
    """Folder that holds the dataset's npz already, so that nothing is downloaded; relative to the working
    folder or else to the workflow's, or absolute."""

    @field_validator("flag", mode="before")
    @classmethod
    def _one_label_an_image(cls, flag: object) -> object:
        if flag == "chestmnist":
            raise ValueError(
                "chestmnist has several labels an image and cannot be audited; name another flag"
            )
        return flag

    @model_validator(mode="after")
    def _size_is_offered(self) -> "MedMNISTSource":
        if self.flag.endswith("3d") and self.size > 64:
            raise ValueError(f"{self.flag} is offered in the sizes 28 and 64, not {self.size}")
        return self


class KaggleSource(SourceModel):
    """A dataset of Kaggle, downloaded with the user's own credentials."""

    kind: Literal["kaggle"]
    handle: str
    """Owner and name, as in the dataset's address."""
    layout: Literal["breakhis", "idc"]
    """How the folders and file names inside the archive are read."""
    magnification: Literal[40, 100, 200, 400] | None = None
    """BreakHis only: the magnification to keep."""
    data_dir: Annotated[PathText, FOUND] | None = None
    """Folder that holds the dataset's zip or its unpacked folders already, so that nothing is downloaded;
    relative to the working folder or else to the workflow's, or absolute."""

    @field_validator("handle")
    @classmethod
    def _owner_and_name(cls, handle: str) -> str:
        # It becomes a path below the archives.
        if not re.fullmatch(r"[\w-]+/[\w-]+", handle):
            raise ValueError(f"'{handle}' is not of the form owner/name")
        return handle


ISIC_ROLE = re.compile("(train|val|test)_(images|labels|groups)")


class IsicSource(SourceModel):
    """A challenge of the ISIC archive: image zips and ground-truth CSVs."""

    kind: Literal["isic"]
    year: Literal[2016, 2017, 2018, 2019]
    """Year of the challenge; it decides how the CSVs are read."""
    files: dict[str, str]
    """Role of each file (train_images, train_labels, test_images, …) and its address."""
    data_dir: Annotated[PathText, FOUND] | None = None
    """Folder that holds these files already, as downloaded or unpacked, so that nothing is downloaded;
    relative to the working folder or else to the workflow's, or absolute."""

    @model_validator(mode="after")
    def _files_belong_together(self) -> "IsicSource":
        strange = [role for role in self.files if not ISIC_ROLE.fullmatch(role)]
        if strange:
            raise ValueError(
                f"files: {listed(strange)} is no role; roles are {{train,val,test}}_{{images,labels,groups}}"
            )
        parts = {role.partition("_")[0] for role in self.files}
        lacking = [
            f"{part}_{kind}"
            for part in sorted(parts or {"train"})
            for kind in ("images", "labels")
            if f"{part}_{kind}" not in self.files
        ]
        if lacking:
            raise ValueError(f"files: {listed(lacking)} is missing")
        for role, address in self.files.items():
            endings = (".zip",) if role.endswith("_images") else (".csv", ".zip")
            if not address.endswith(endings):
                raise ValueError(f"files.{role}: {address} must end in {' or '.join(endings)}")
        return self


CHECKSUM = re.compile("sha256:[0-9a-f]{64}|sha1:[0-9a-f]{40}|md5:[0-9a-f]{32}")


def _public_files(files: dict[str, str | None]) -> dict[str, str | None]:
    for checksum in files.values():
        if checksum is not None and not CHECKSUM.fullmatch(checksum):
            raise ValueError(f"'{checksum}' is no checksum: write sha256:, sha1: or md5: and its digits")
    names = [address.rpartition("/")[2] for address in files]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ValueError(f"two files are called {listed(doubled)}")
    return files


PublicFiles = Annotated[dict[str, str | None], Field(min_length=1), AfterValidator(_public_files)]


def _can_be_unpacked(files: dict[str, str | None]) -> dict[str, str | None]:
    for address in files:
        if not address.endswith((".zip", ".tar", ".tar.gz", ".tgz")):
            raise ValueError(f"{address} must end in .zip, .tar, .tar.gz or .tgz")
    return files


class ArchiveSource(SourceModel):
    """Public zips and tars whose images tell their class in their paths."""

    kind: Literal["archive"]
    files: PublicFiles
    """Address of each file, and its checksum (`sha256:…`, `sha1:…` or `md5:…`); without one the first
    download records it."""
    name_pattern: NamePattern
    """Regular expression searched in each path: its part (?P<class>…) is the image's class, (?P<group>…)
    its group, (?P<split>…) its part of the official split. Files whose path does not match are ignored."""

    @field_validator("files")
    @classmethod
    def _archives(cls, files: dict[str, str | None]) -> dict[str, str | None]:
        return _can_be_unpacked(files)


PCAM_PARTS = {"train": "train", "valid": "val", "test": "test"}
"""PatchCamelyon's names of the parts of its official split, and nullcrop's."""


PcamKind = Literal["x.h5.gz", "y.h5.gz", "meta.csv"]


def pcam_file(part: str, kind: PcamKind) -> str:
    """Name of the file that holds the patches, the labels or the slides of a part."""
    return f"camelyonpatch_level_2_split_{part}_{kind}"


class PcamSource(SourceModel):
    """PatchCamelyon: patches and labels in HDF5, and a CSV of slides, for each part of the official split."""

    kind: Literal["pcam"]
    files: PublicFiles
    """Address of each of the nine files, and its checksum (`sha256:…`, `sha1:…` or `md5:…`)."""

    @field_validator("files")
    @classmethod
    def _complete(cls, files: dict[str, str | None]) -> dict[str, str | None]:
        names = {address.rpartition("/")[2] for address in files}
        kinds: tuple[PcamKind, ...] = get_args(PcamKind)
        wanted = {pcam_file(part, kind) for part in PCAM_PARTS for kind in kinds}
        if names != wanted:
            raise ValueError(
                f"the release has nine files: {listed(sorted(wanted - names)) or 'none'} is missing, "
                f"{listed(sorted(names - wanted)) or 'none'} is too many"
            )
        return files


class DatasetsSource(SourceModel):
    """The images of several datasets, each a class: from which of them is an image?"""

    kind: Literal["datasets"]
    names: Annotated[list[Name], Field(min_length=2)]
    """Names of the datasets, whose files lie in the config's folders of definitions."""

    def place(self, archive: Path) -> str:
        """The datasets."""
        return f"the datasets {listed(self.names)}"


class _AnySource(LateType):
    """The model of every registered source, told apart by its kind."""

    def type(self) -> Any:
        """A union of the models."""
        models = tuple(implementation(record.model) for record in SOURCES.values())
        return Annotated[Union[models], Field(discriminator="kind")]  # noqa: UP007


def _names_image(pattern: str) -> str:
    try:
        names = set(re.compile(pattern).groupindex)
    except re.error as error:
        raise ValueError(f"'{pattern}' is not a regular expression: {error}") from None
    if names != {"image"}:
        raise ValueError(f"'{pattern}' must name the part (?P<image>…), and no other")
    return pattern


class Masks(Model):
    """Pictures whose pixels above black show where the lesion of an image is. Several pictures of one image
    are united."""

    path: Annotated[PathText, FOUND] | None = None
    """Folder with the masks, relative to the working folder or else to the workflow's, or absolute; it may be
    that of the images. With `column` it may be left out: file names then start at the folder of the
    images."""
    name_pattern: Annotated[str, AfterValidator(_names_image)] = r"(?P<image>[^/]+)\.[^./]+$"
    """Regular expression searched in each path below `path`: its part (?P<image>…) is the image's file name
    without its ending, after its last folders where names alone do not tell images apart. Files whose path
    does not match are no masks."""
    column: str | None = None
    """Column of the table of images (`source.table`) that names each image's masks, in place of
    `name_pattern`."""
    separator: Annotated[str, Field(min_length=1)] = ";"
    """What stands between the names of several masks in `column`."""
    files: PublicFiles | None = None
    """Address of each public zip or tar with masks, and its checksum (`sha256:…`, `sha1:…` or `md5:…`), in
    place of `path`. They are downloaded where a study names a view that asks for masks."""
    lacking: Literal["error", "empty"] = "error"
    """`empty`: an image without a mask holds no lesion."""

    @model_validator(mode="after")
    def _in_one_place(self) -> "Masks":
        if self.path is None and self.column is None and self.files is None:
            raise ValueError("masks: say where they are: under path, column or files")
        if self.files is not None and (self.path is not None or self.column is not None):
            raise ValueError("masks: files are downloaded; leave out path and column")
        if self.column is not None and "name_pattern" in self.model_fields_set:
            raise ValueError("masks: column and name_pattern both tell whose a mask is: leave out one")
        if self.files is not None:
            _can_be_unpacked(self.files)
        return self


def _each_once(columns: list[str]) -> list[str]:
    doubled = sorted({name for name in columns if columns.count(name) > 1})
    if doubled:
        raise ValueError(f"{listed(doubled)} is named twice")
    if "id" in columns:
        raise ValueError("'id' tells which image a row is of, and is no attribute")
    return columns


class Attributes(Model):
    """What else is known of each image: site, scanner, sex, age, session, year."""

    columns: Annotated[list[str], Field(min_length=1), AfterValidator(_each_once)]
    """Columns of the table. Numbers or names; an empty field, or a word such as `unknown`, is a gap."""
    table: Annotated[PathText, FOUND] | None = None
    """CSV with a row for each image, where the source has no such table or another file tells these;
    relative to the working folder or else to the workflow's, or absolute."""
    id: str = "id"
    """Its column with the images' ids, or the names of their files without their endings."""


NOT_STATED = "not stated"
"""What stands for a key that says nothing of somebody's own folder."""


class LabelRule(Model):
    """A named mapping from original classes to the target."""

    positive: list[str] | None = None
    """Classes that count as cancer present (target 1); all others are target 0. Empty: every class is a
    target of its own."""
    evidence: str | None = None
    """Where the rule comes from: the arithmetic or the text that supports it."""


class Window(Model):
    """The range of values that is kept, from black to white."""

    center: Annotated[float, Field(allow_inf_nan=False)]
    """Its centre, in the units of the files: of DICOM after rescale slope and intercept (Hounsfield units in
    CT), of volumes after their own scaling."""
    width: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """Its width; what lies outside is black or white."""


DicomAttribute = Literal["patient", "manufacturer", "model", "station", "device", "institution"]
"""What a DICOM file tells of where its image comes from."""


class Expected(Model):
    """Counts the listed images must have."""

    images: int | None = None
    """Images in all."""
    classes: dict[str, int] = {}
    """Images of each class."""
    splits: dict[Literal["train", "val", "test"], int] = {}
    """Images of each part of the official split."""
    split_classes: dict[Literal["train", "val", "test"], dict[str, int]] = {}
    """Images of each class in parts of the official split."""


class CropSize(Model):
    """Size of the crops in pixels."""

    width: Annotated[int, Field(ge=4)] = 20
    """Width of a crop; the study's is 20."""
    height: Annotated[int, Field(ge=4)] = 20
    """Height of a crop; the study's is 20."""


CLUSTER = "cluster of duplicates"
"""What a group is called where duplicates alone make groups."""


class Definition(Model):
    """One dataset: where its images come from, what its classes are, how they are grouped."""

    title: str = ""
    """Name for figures; unless named, of your own folder: the dataset's name."""
    modality: str = NOT_STATED
    """Kind of imaging; only of your own folder it may be left out."""
    field: FieldKind
    """`whole`: the lesion lies inside a larger field, so that corners hold none; `tile`: every crop is
    tissue."""
    source: Annotated[SourceModel, _AnySource()]
    """Where the images come from."""
    how_to_get: str | None = None
    """For a local folder: where its images come from and what to put there. A message shows it when the
    folder is missing."""
    download_bytes: Annotated[int, Field(gt=0)] | None = None
    """Size of the download as its publisher or a mirror states it; empty: not known."""
    classes: Annotated[list[str], Field(min_length=2)]
    """Original classes, in the order of their codes; of a source `datasets` its `names`."""
    labels: Annotated[dict[Name, LabelRule], Field(min_length=1)] = {"classes": LabelRule()}
    """Label rules by name; the first is the default. Unless named: every class is a target of its own."""
    group: str | None = None
    """What the groups are (patient, lesion, …). Empty: none are known, and a grouped split is refused
    unless `duplicates` is `group`."""
    groups: Annotated[PathText, FOUND] | None = None
    """CSV with the `group` of each `id`, where the images' source does not tell it; relative to the working
    folder or else to the workflow's, or absolute. A column `class` in it must agree with the images'."""
    group_from: DicomAttribute | None = None
    """For DICOM files: what in them tells an image's group (`patient`: PatientID). Groups get numbers, in
    place of what the files say."""
    bits: Annotated[int, Field(ge=8, le=16)] | None = None
    """Depth of gray values in files of more than 8 bits, of which the highest 8 are kept: 12 where 12 bits of
    a scanner stand in files of 16. Empty: what DICOM files declare (BitsStored), else 16."""
    window: Window | None = None
    """Range of gray values that is kept in files of more than 8 bits, in place of `bits`; floating-point
    images and volumes (NIfTI, NRRD) need one."""
    masks: Masks | None = None
    """Where the lesion is, for views that ask for it; empty: not known."""
    attributes: Attributes | None = None
    """What else is known of each image, for the figure `attributes`, which looks through which of them the
    class may leak."""
    expected: Expected = Expected()
    """Counts of the release; a mismatch stops the step."""
    on_mismatch: Literal["error", "report"] = "error"
    """`report`: write differing counts into dataset.json and go on."""
    unreadable: Literal["error", "leave_out"] = "error"
    """`leave_out`: list unreadable images in dataset.json and go on without them."""
    companions: Literal["error", "leave_out", "keep"] = "error"
    """Masks, overlays and annotations in the folder of images, as their names tell (`x_mask.png` beside
    `x.png`, `masks/x.png` beside `images/x.png`). `leave_out`: go on without them. `keep`: they are images in
    their own right."""
    smallest_side: Annotated[int, Field(ge=1)] | None = None
    """Images with a side of fewer pixels are left out and listed in dataset.json, after the counts were
    compared. Empty: all images stay."""
    crop: CropSize | None = None
    """Size of this dataset's crops and patches; empty: that of the config."""
    duplicates: Literal["report", "group"] = "report"
    """`group`: exact and near duplicates belong to one group, so that a grouped split keeps them in one
    part; where the dataset has groups, those that share a duplicate become one."""
    licence: str = NOT_STATED
    """Licence of the images; only of your own folder it may be left out."""
    citation: str = NOT_STATED
    """What to cite; only of your own folder it may be left out."""
    homepage: str | None = None
    """Where the release is described."""
    notes: str | None = None
    """What a reader of the results should know."""

    @model_validator(mode="after")
    def _others_data_is_described(self) -> "Definition":
        lacking = [
            key for key in ("title", "modality", "licence", "citation") if key not in self.model_fields_set
        ]
        if lacking and SOURCES[self.source.kind].way != "local":
            raise ValueError(
                f"{listed(lacking)} is missing; only of a folder of your own (`source: {{kind: folder}}`) "
                "may it be left out"
            )
        return self

    @model_validator(mode="after")
    def _groups_have_a_key(self) -> "Definition":
        if self.groups is not None and self.group is None:
            raise ValueError("groups names a table of groups: say under `group` what they are")
        if self.group_from is not None and self.group is None:
            raise ValueError("group_from tells groups: say under `group` what they are (such as patient)")
        if self.group_from is not None and self.groups is not None:
            raise ValueError("group_from and groups both tell groups: leave out one")
        return self

    @model_validator(mode="after")
    def _masks_are_in_a_table(self) -> "Definition":
        by_row = self.masks is not None and self.masks.column is not None
        if by_row and getattr(self.source, "table", None) is None:
            raise ValueError("masks.column names a column of source.table, but there is no such table")
        return self

    @model_validator(mode="after")
    def _attributes_have_a_table(self) -> "Definition":
        named = self.attributes is None or self.attributes.table is not None
        if not named and self.source.own_table(Path()) is None:
            raise ValueError("attributes: the source has no table of its own; name one: attributes.table")
        return self

    @model_validator(mode="after")
    def _one_rule_of_values(self) -> "Definition":
        if self.bits is not None and self.window is not None:
            raise ValueError("bits and window both say how gray values become 8 bits: leave out one")
        return self

    @model_validator(mode="after")
    def _classes_agree(self) -> "Definition":
        if isinstance(self.source, DatasetsSource) and set(self.classes) != set(self.source.names):
            raise ValueError(
                f"classes are the datasets that the source names, {listed(self.source.names)}, in any order"
            )
        for where, names in (
            *((f"labels.{rule}.positive", spec.positive or []) for rule, spec in self.labels.items()),
            ("expected.classes", self.expected.classes),
            *(
                (f"expected.split_classes.{part}", counts)
                for part, counts in self.expected.split_classes.items()
            ),
        ):
            unknown = [name for name in names if name not in self.classes]
            if unknown:
                raise ValueError(
                    f"{where} names {listed(unknown)}, which is not among the classes {listed(self.classes)}"
                )
        doubled = sorted({name for name in self.classes if self.classes.count(name) > 1})
        if doubled:
            raise ValueError(f"classes names {listed(doubled)} twice")
        for rule, spec in self.labels.items():
            if spec.positive is not None and not 0 < len(set(spec.positive)) < len(self.classes):
                raise ValueError(
                    f"labels.{rule}.positive must name some, not all, of the classes: one target alone "
                    "cannot be learned"
                )
        return self

    def targets(self, rule: str) -> dict[str, int]:
        """Target (0, 1, …) of each class under the label rule ``rule``.

        Raises NullcropError when the definition has no such rule.
        """
        if rule not in self.labels:
            raise NullcropError(
                f"dataset '{self.title}' has no label rule '{rule}'; it has {listed(self.labels)}"
            )
        positive = self.labels[rule].positive
        if positive is None:
            return {name: code for code, name in enumerate(self.classes)}
        return {name: int(name in positive) for name in self.classes}

    def target_names(self, rule: str) -> list[str]:
        """Name of each target under ``rule``, in order: for two targets the classes behind each."""
        targets = self.targets(rule)
        if self.labels[rule].positive is None:
            return list(self.classes)
        return [", ".join(name for name, t in targets.items() if t == code) for code in (0, 1)]

    def expected_targets(self, rule: str, part: Literal["train", "val", "test"] | None = None) -> list[int]:
        """Images of each target under ``rule``, in all or in one ``part`` of the official split, as
        `expected` states them; empty where it does not."""
        stated = self.expected.split_classes.get(part, {}) if part else self.expected.classes
        counts = [0] * len(self.target_names(rule))
        for name, target in self.targets(rule).items():
            if name not in stated:
                return []
            counts[target] += stated[name]
        return counts

    @property
    def has_groups(self) -> bool:
        """Whether images belong to groups, so that a grouped split means something."""
        return self.group is not None or self.duplicates == "group"

    @property
    def group_word(self) -> str:
        """What a group is called in a sentence, without its explanation; empty where images have none."""
        if self.group is not None:
            return self.group.partition(" (")[0].partition(",")[0]
        return CLUSTER if self.has_groups else ""

    @property
    def default_rule(self) -> str:
        """The label rule named first."""
        return next(iter(self.labels))


def read_definition(path: Path | str) -> Definition:
    """Read and check one dataset file; NullcropError names the file and the key at fault."""
    content: Any = read_yaml(path)
    _know_all_sources()
    try:
        definition = Definition.model_validate(content)
    except pydantic.ValidationError as error:
        raise NullcropError(explain(error, path, Definition)) from None
    return definition if definition.title else definition.model_copy(update={"title": Path(path).stem})


_KNOWN = list(SOURCES)


def _know_all_sources() -> None:
    """Take in the models of sources that were registered after this file was read."""
    if list(SOURCES) != _KNOWN:
        Definition.model_rebuild(force=True)
        _KNOWN[:] = SOURCES


def find_definitions(folders: Iterable[str]) -> dict[str, Path]:
    """Path of each dataset file in ``folders`` by dataset name (the file name without .yaml).

    Raises NullcropError when a folder is missing or two folders define the same name.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        if not Path(folder).is_dir():
            raise NullcropError(f"definitions: {no_folder(folder)}")
        for path in sorted(Path(folder).glob("*.y*ml")):
            if path.suffix != ".yaml" or not re.fullmatch(r"[a-z0-9][a-z0-9_]*", path.stem):
                raise NullcropError(
                    f"{path}: a dataset file is named with lower-case letters, digits and underscores, and "
                    "ends in .yaml"
                )
            if path.stem in found:
                raise NullcropError(f"dataset '{path.stem}' is defined twice: {found[path.stem]} and {path}")
            found[path.stem] = path
    return found


def read_published_definitions(folders: Iterable[str]) -> dict[str, Definition]:
    """Definitions of the published study's datasets, as far as ``folders`` hold them, by name."""
    return {
        name: read_definition(path) for name, path in find_definitions(folders).items() if name in PUBLISHED
    }
