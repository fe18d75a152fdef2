"""The names that stand in paths and configs and have no record: splits, datasets, tables, engines. And how
names compose.

What has a record is named there: config/views.py, readers.py, figures.py and sources.py. A view made of two
is `{view}.{view}`, a crop of treated images `{treatment}.{view}` (views.py, treatments.py), a split in which
an attribute tells nothing of the class `{split}_match_{attribute}`.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from zlib import crc32

Field = Literal["tile", "whole"]
"""What crops hold: `whole`: the lesion lies inside a larger field; `tile`: every crop is tissue."""

ENGINES = ("auto", "plain", "captured_fp32", "captured_bf16")
"""How training steps are run: eagerly, or replayed from a CUDA graph, in fp32 or in mixed bf16 and fp32;
`auto`: as is fastest on the device."""

BASELINE_RECIPE = "baseline"
"""Recipe of every baseline; no network has it."""

PROTOCOLS = (
    *("official", "random", "grouped", "tenfold", "leave_one_group_out", "crossfit", "crossfit5"),
    "holdout20",
)
"""How test images are set apart."""

UNWATCHED = ("holdout20",)
"""Protocols without a validation part: no recipe that looks at one goes with them."""

BY_GROUP = ("grouped", "leave_one_group_out")
"""Protocols that need groups, and keep them apart."""

CROSSFIT = {"crossfit": 10, "crossfit5": 5}
"""Protocols that test every image once, and how many folds they have; groups are kept apart where there are
any. Seeds of a study are partitions into folds: the cells of partition p have the seeds K × p + fold."""

FOLDS_OF = {"tenfold": 10, **CROSSFIT}
"""Protocols whose seeds are folds, by how many make a partition: seed = folds × partition + fold."""

SPLITS = tuple(f"{protocol}{balance}" for protocol in PROTOCOLS for balance in ("", "_balanced"))
"""Split protocols, each with the training part as it is or balanced. A number behind `_balanced` is the
training images kept of each target; without one it is as many as the rarest has."""

_ANY = rf"(?:{'|'.join(PROTOCOLS)})(?:_balanced(?:[1-9][0-9]*)?)?(?:_match_[a-z][a-z0-9_]*?)?"

SPLIT_PATTERN = rf"(?!.*_shuffle[0-9]+$){_ANY}"
"""A regular expression that matches the whole names of splits on true targets."""

ANY_SPLIT_PATTERN = rf"{_ANY}(?:_shuffle[1-9][0-9]*)?"
"""A regular expression that matches these, and the names of their negative controls."""

_SPLIT = re.compile(
    rf"(?P<protocol>{'|'.join(PROTOCOLS)})(?:_balanced(?P<balanced>[1-9][0-9]*|))?"
    r"(?:_match_(?P<match>[a-z][a-z0-9_]*?))?(?:_shuffle(?P<shuffle>[1-9][0-9]*))?"
)


@dataclass(frozen=True)
class SplitName:
    """What the name of a split says."""

    protocol: str
    """One of PROTOCOLS."""
    balanced: int | None = None
    """Training images kept of each target: 0 means as many as the rarest has, None all there are."""
    match: str = ""
    """The attribute that is made independent of the class; empty: none."""
    shuffle: int = 0
    """Number of the negative control; 0: its targets are the true ones."""

    def __str__(self) -> str:
        balanced = "" if self.balanced is None else f"_balanced{self.balanced or ''}"
        match = f"_match_{self.match}" if self.match else ""
        shuffle = f"_shuffle{self.shuffle}" if self.shuffle else ""
        return f"{self.protocol}{balanced}{match}{shuffle}"


@lru_cache(maxsize=4096)
def split_name(name: str) -> SplitName:
    """What ``name`` says; ValueError when it names no split."""
    found = _SPLIT.fullmatch(name)
    if found is None:
        raise ValueError(f"'{name}' names no split")
    balanced = found["balanced"]
    return SplitName(
        found["protocol"],
        None if balanced is None else int(balanced or 0),
        found["match"] or "",
        int(found["shuffle"] or 0),
    )


def shuffled_split(split: str, number: int) -> str:
    """Name of the ``number``-th (1, 2, …) negative control of ``split``: its parts, its training targets
    shuffled."""
    return f"{split}_shuffle{number}"


def base_split(name: str) -> tuple[str, int]:
    """The split behind a negative control's name, and the number of its shuffle: 0 when the targets are the
    true ones."""
    split, _, number = name.rpartition("_shuffle")
    return (split, int(number)) if split else (name, 0)


def protocol_of(name: str) -> str:
    """Which of PROTOCOLS the split ``name`` is of."""
    return split_name(name).protocol


def place_of_split(name: str) -> int:
    """Order of splits in every figure and table: true targets first, then by protocol, attribute and
    balance."""
    split = split_name(name)
    kept = 0 if split.balanced is None else split.balanced + 1
    # By a hash, because attributes have no order.
    matched = 10**7 * (1 + crc32(split.match.encode()) % 10**7) if split.match else 0
    return (split.shuffle * len(PROTOCOLS) + PROTOCOLS.index(split.protocol)) * 10**15 + matched + kept


MEASURED = (
    *("width", "height", "aspect", "file_bytes", "bytes_a_pixel", "jpeg_quality", "dpi", "ending", "format"),
    *("mode", "jpeg_tables", "jpeg_layers", "exif", "exif_orientation", "icc_profile", "header_fields"),
    *("brightness", "contrast", "sharpness", "entropy", "colourfulness", "tint_green_to_red"),
    *("tint_blue_to_yellow", "share_of_black", "share_of_white"),
)
"""Attributes that every dataset has: facts of the file, and properties of the whole image
(survey/attributes.py)."""

TOLD = "dicom_"
"""How the names of attributes begin that DICOM files tell."""


def attribute_slug(name: str) -> str:
    """An attribute's name as it stands in that of a split: `Site Code` is `site_code`."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


PUBLISHED = (
    "pathmnist",
    "dermamnist",
    "breastmnist",
    "nodulemnist3d",
    "breakhis_40x",
    "breakhis_100x",
    "breakhis_200x",
    "breakhis_400x",
    "isic_2016",
    "isic_2017",
    "isic_2018",
    "isic_2019",
    "idc",
)
"""The datasets of the published study, in its order."""

EARLIER = (
    "covid_ct_2class",
    "covid_4class",
    "kvasir",
    "rnai_drosophila",
    "yale_a",
    "yale_b",
    "coil_20",
    "coil_100",
    "rnai_drosophila_cross_session",
    "c_elegans_age",
)
"""The datasets of the forerunner (Dhar and Shamir 2021), in its order."""

PUBLISHED_TABLES = (
    "datasets_as_printed",
    "metrics_as_printed",
    "claims",
    "counts_in_text",
    "earlier_study",
)
"""The published tables in resources/published."""
