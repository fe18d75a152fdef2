"""What can be told of a folder of images in seconds, before anything is trained."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.progress import say
from nullcrop.datasets.samples import SPLIT_PARTS
from nullcrop.decoding.rgb import read_rgb
from nullcrop.decoding.values import UNDECLARED_BITS, Reading
from nullcrop.duplicates.leaks import count_leaks
from nullcrop.duplicates.search import list_duplicates, suspected_pairs
from nullcrop.images.extracts import FullImage
from nullcrop.images.likeness import THUMBNAIL
from nullcrop.statistics.sentences import bound_words, upper_words
from nullcrop.survey.layout import Layout, Said
from nullcrop.survey.measuring import NEEDS_WINDOW, PROBLEM, Measured, measure
from nullcrop.survey.plan import sight
from nullcrop.survey.properties import CORNER
from nullcrop.survey.telling import PROTOCOL, READER, Telling, Told, tell, words_of_values

MOST_SUSPECTED = 10_000
"""Pairs that may look alike above which none is compared: frames of films make millions."""

EXAMPLES = 50
"""Images whose duplicates cross classes or parts that are named, and unreadable ones."""

EXAMPLE_COLUMNS = ["cluster", "id", "kind", "class", "official_split", "nearest", "likeness"]

FEW_UNITS = 20
"""Independent images of a class below which an audit says so little that a user should know before."""

CAVEAT = (
    "A fact that differs between the classes is no leak by itself: the disease may change it, and so may the "
    "way images were chosen."
)
CORNERS_WITHOUT = (
    "Whether a reader tells the class from corners that hold no lesion is what an audit answers."
)
CORNERS_OF_TISSUE = (
    "These are tiles: their corners hold tissue, too, so that what they tell may be the disease."
)


@dataclass(frozen=True)
class ClassCounts:
    """What lies in one class."""

    name: str
    images: int
    """Readable images."""
    unreadable: int
    groups: int
    """Groups among them; 0 where none are known."""
    parts: dict[str, int]
    """Images in each part of the release's own split."""
    width: tuple[int, int, int]
    """Smallest, median and largest, in pixels."""
    height: tuple[int, int, int]
    formats: dict[str, int]
    modes: dict[str, int]
    file_bytes: int
    """Median."""
    ignored: dict[str, int]
    """What is no image of the dataset, by kind."""


@dataclass(frozen=True)
class Duplicates:
    """Images that occur more than once."""

    exact_clusters: int
    exact_images: int
    exact_across_classes: int
    """Clusters of equal images that lie in several classes."""
    exact_across_parts: int
    """… in several parts of the release's own split."""
    near_compared: bool
    """Whether images that look alike were compared; there may be too many to do so in seconds."""
    suspected: int
    """Pairs whose perceptual hashes are close."""
    near_clusters: int
    """Clusters of exact or near duplicates."""
    near_images: int
    near_across_classes: int
    near_across_parts: int
    test_images: int
    test_images_seen: int
    """Images of the release's test part of which a duplicate is in its training part."""
    groups_across_parts: int
    examples: list[dict[str, Any]]
    """Images of clusters that lie in several classes or parts (EXAMPLES of them at most): cluster, id, kind,
    class, part, nearest, likeness."""


@dataclass(frozen=True)
class Seen:
    """What an audit of the folder could see."""

    minimal: float
    """AUROC that would be found with a chance of 80 %; above 1: none."""
    can_tell: bool
    """Whether any result could count."""
    units: int
    unit: str
    """What the independent units are: `images`, or `groups` with what they are."""
    members: int
    """Readers × views."""

    @property
    def words(self) -> str:
        """What it could see, as a sentence."""
        where = f"{self.units} independent {self.unit}, each tested once; {self.members} readers × views"
        if not self.can_tell:
            return f"An audit could tell nothing: too few images for any result to count ({where})."
        if self.minimal >= 1:
            return f"An audit would find nothing but an AUROC close to 1 ({where})."
        return (
            f"An audit would find an AUROC from {upper_words(self.minimal)} with a chance of 80% ({where})."
        )


@dataclass(frozen=True)
class Triage:
    """What can be told of a folder of images without training anything."""

    root: str
    images: int
    """Readable images."""
    field: str
    """`whole` or `tile`."""
    classes: list[ClassCounts]
    group: str | None
    """What the groups are; None where none are known."""
    masks: int
    """Files left out because they show where the lesion of an image is."""
    ignored: dict[str, int]
    """The same, of what lies in no class."""
    findings: list[dict[str, str]]
    """What was taken for what."""
    unreadable: list[dict[str, str]]
    telling: Telling
    values: list[dict[str, str]]
    """For each of ``telling.told`` the median, or the share, by class."""
    depth: list[str]
    """What is told of values of more than 8 bits, in sentences."""
    duplicates: Duplicates
    seen: Seen
    missing: list[str]
    """What an audit would lack, in whole sentences."""
    next_command: str
    corners: NDArray[np.float64]
    """Mean corner by class, classes × 4 × CORNER × CORNER × 3; not part of the JSON."""

    @property
    def caveat(self) -> str:
        """What must be known of every fact that tells a class."""
        return f"{CAVEAT} {CORNERS_OF_TISSUE if self.field == 'tile' else CORNERS_WITHOUT}"

    @property
    def headline(self) -> list[str]:
        """The clearest things first, in sentences."""
        return [sentence(told) for told in self.telling.told if told.shown]

    def as_json(self) -> dict[str, Any]:
        """Everything but the corners' pixels, for a file."""
        content = asdict(self)
        del content["corners"]
        content["sentences"] = self.headline
        content["seen"]["words"] = self.seen.words
        plain: dict[str, Any] = _plain(content)
        return plain


def triage(layout: Layout, said: Said, processes: int) -> Triage:
    """Look at every image of ``layout`` once, over so many ``processes``, and tell what differs between its
    classes. ``said`` is what the layout was told by.

    Nothing is trained but one linear reader of 12 numbers. Images that cannot be read are counted and left
    out. Raises NullcropError where fewer than two classes have an image that can be read.
    """
    listing, classes = layout.listing.reset_index(drop=True), _classes_in_order(layout)
    codes = pd.Categorical(listing["class"], categories=classes).codes.tolist()
    measured = measure(listing["path"].tolist(), codes, processes, layout.reading)
    table = measured.table
    # Where no DICOM file can be read, none tells a group.
    if layout.group_from and f"dicom_{layout.group_from}" in table:
        listing["group"] = _numbered(table[f"dicom_{layout.group_from}"])
    broken = table[PROBLEM].notna() if PROBLEM in table else pd.Series(False, index=table.index)
    counts = [_counts_of(name, layout, listing, table, broken) for name in layout.classes]
    unreadable = [
        {"path": str(path), "problem": str(problem)}
        for path, problem in zip(listing["path"][broken], table.get(PROBLEM, broken)[broken], strict=True)
    ]
    if sum(one.images > 0 for one in counts) < 2:
        _check_ranges(table)
        problems = [f"{one['path']} ({one['problem']})" for one in unreadable]
        raise NullcropError(
            f"fewer than two classes of {layout.root} have an image that can be read: {listed(problems, 3)}"
        )
    readable = _readable(measured, listing, ~broken.to_numpy())
    listing, table, colours = readable
    present = [name for name in classes if (listing["class"] == name).any()]
    telling = tell(listing, table, colours, present)
    of_class = {name: listing.index[listing["class"] == name] for name in layout.classes}
    seen = _seen(layout, listing)
    order = [classes.index(name) for name in layout.classes]
    return Triage(
        root=str(layout.root),
        images=len(listing),
        field=layout.field,
        classes=counts,
        group=layout.group,
        masks=len(layout.masks),
        ignored=_ignored_of(layout, ""),
        findings=[_plain(asdict(finding)) for finding in layout.findings],
        unreadable=unreadable,
        telling=telling,
        values=[words_of_values(told, table, of_class) for told in telling.told],
        depth=_depth(layout, table),
        duplicates=_duplicates(listing, table, processes, layout.reading),
        seen=seen,
        missing=_missing(layout, counts, unreadable, listing, table),
        next_command=_audit_of(layout, said),
        corners=measured.mean_corners[[code for code in order if code < len(measured.mean_corners)]],
    )


def sentence(told: Told) -> str:
    """What a fact tells, as one may quote it; true of a fact that is shown to tell the class."""
    more = "higher" if told.higher else "lower"
    if told.value is not None:
        more = "more often so" if told.higher else "less often so"
        subject = f"Whether the {told.label} is “{told.value}”"
    elif told.fact == READER:
        return (
            f"A linear reader of the mean colours of the four corners tells {told.of} from {told.against} "
            f"with an AUROC of at least {bound_words(told.at_least)} ({told.auroc:.2f})."
        )
    else:
        subject = f"The {told.label}"
    return (
        f"{subject} alone tells {told.of} from {told.against} with an AUROC of at least "
        f"{bound_words(told.at_least)} ({told.auroc:.2f}; {more} in {told.of})."
    )


def not_shown(telling: Telling) -> str:
    """What is said of facts that differ between images and are not shown to tell the class."""
    names = [told.label for told in telling.told if not told.shown]
    if not names:
        return ""
    found = (
        f"an AUROC of {upper_words(telling.minimal)} would have been found with a chance of 80%"
        if telling.minimal < 1
        else "there are too few images to find anything but an AUROC close to 1"
    )
    return f"Not shown to tell a class, though not the same in all images: {', '.join(names)}; {found}."


def duplicate_words(triage: Triage) -> list[str]:
    """What is said of images that occur more than once."""
    found = triage.duplicates
    if not found.exact_images:
        said = ["No two images have the same pixels."]
    else:
        said = [
            f"{found.exact_images} images have a copy with the same pixels"
            + _crossing(found.exact_across_classes, found.exact_across_parts)
        ]
    if not found.near_compared:
        said.append(
            f"{found.suspected:,} pairs of images may look alike, too many to compare here; an audit "
            "compares them."
        )
    elif found.near_images > found.exact_images:
        said.append(
            f"With those that look alike {found.near_images} images have a duplicate"
            + _crossing(found.near_across_classes, found.near_across_parts)
        )
    else:
        said.append("No other two look alike." if found.exact_images else "No two look alike.")
    if found.test_images_seen:
        said.append(
            f"{found.test_images_seen} of {found.test_images} images of the test part have a duplicate in "
            "the training part."
        )
    if found.groups_across_parts:
        said.append(
            f"{found.groups_across_parts} groups ({triage.group}) lie in several parts of the release."
        )
    return said


def _crossing(classes: int, parts: int) -> str:
    """The end of a sentence on clusters of duplicates."""
    said = [
        f"{count} cluster{'s' if count > 1 else ''} across {what}"
        for count, what in ((classes, "classes"), (parts, "parts of the release's split"))
        if count
    ]
    return f"; {' and '.join(said)}." if said else "."


def range_words(extent: tuple[int, int, int]) -> str:
    """Smallest and largest value, or the one there is."""
    low, _, high = extent
    return f"{low}" if low == high else f"{low}–{high}"


def _classes_in_order(layout: Layout) -> list[str]:
    """Of two classes the one that shows what is looked for comes last, so that it is told from the other."""
    if len(layout.classes) == 2 and list(layout.positive) == [layout.classes[0]]:
        return [layout.classes[1], layout.classes[0]]
    return list(layout.classes)


def _audit_of(layout: Layout, said: Said) -> str:
    """The command that audits the folder, told what the triage was told."""
    words = ["nullcrop", "audit", str(layout.root)]
    for one in fields(said):
        value = getattr(said, one.name)
        if not value:
            continue
        if one.name == "window":
            # As one word: a centre may be negative.
            words.append(f"--window={value[0]:g},{value[1]:g}")
            continue
        words.append(f"--{one.name.replace('_', '-')}")
        if isinstance(value, Mapping):
            words += [f"{key}={name}" for key, name in value.items()]
        elif value is not True:
            words += [str(value)] if isinstance(value, str | int) else list(value)
    return shlex.join(words)


def _readable(
    measured: Measured, listing: pd.DataFrame, kept: NDArray[np.bool_]
) -> tuple[pd.DataFrame, pd.DataFrame, NDArray[np.float64]]:
    table = measured.table.loc[kept].reset_index(drop=True).infer_objects()
    return listing.loc[kept].reset_index(drop=True), table, measured.colours[kept]


def _counts_of(
    name: str, layout: Layout, listing: pd.DataFrame, table: pd.DataFrame, broken: "pd.Series[bool]"
) -> ClassCounts:
    inside = listing["class"] == name
    rows = table[inside & ~broken]
    images = listing[inside & ~broken]
    return ClassCounts(
        name=name,
        images=len(rows),
        unreadable=int((inside & broken).sum()),
        groups=int(images.loc[images["group"] != "", "group"].nunique()),
        parts={part: int((images["official_split"] == part).sum()) for part in SPLIT_PARTS}
        if (listing["official_split"] != "").any()
        else {},
        width=_extent(rows, "width"),
        height=_extent(rows, "height"),
        formats=_shares(rows, "format"),
        modes=_shares(rows, "mode"),
        file_bytes=int(rows["file_bytes"].median()) if len(rows) else 0,
        ignored=_ignored_of(layout, name),
    )


def _extent(rows: pd.DataFrame, side: str) -> tuple[int, int, int]:
    if not len(rows):
        return 0, 0, 0
    return int(rows[side].min()), int(rows[side].median()), int(rows[side].max())


def _shares(rows: pd.DataFrame, column: str) -> dict[str, int]:
    return (
        {str(value): int(count) for value, count in rows[column].value_counts().items()} if len(rows) else {}
    )


def _ignored_of(layout: Layout, name: str) -> dict[str, int]:
    return {str(one["what"]): int(one["count"]) for one in layout.ignored if one["class"] == name}


def _numbered(told: "pd.Series[str]") -> NDArray[np.str_]:
    """Numbers in place of what DICOM files tell, which stands nowhere; empty where a file tells nothing."""
    codes, names = pd.factorize(told.fillna("").to_numpy(str))
    return np.where((names == "")[codes], "", codes.astype(str))


def _check_ranges(table: pd.DataFrame) -> None:
    """Raise NullcropError where images lack nothing but an agreed range of values, with what they hold."""
    if NEEDS_WINDOW not in table or table.loc[table[PROBLEM].notna(), NEEDS_WINDOW].isna().any():
        return
    pairs = table[NEEDS_WINDOW].dropna()
    low, high = min(low for low, _ in pairs), max(high for _, high in pairs)
    raise NullcropError(
        f"{len(pairs)} of {len(table)} images have values without an agreed range ({low:g} to {high:g}): say "
        f"which counts, for all of them alike; --window={(low + high) / 2:g},{high - low or 1:g} holds all"
    )


def _depth(layout: Layout, table: pd.DataFrame) -> list[str]:
    """What is told of values of more than 8 bits, and how they are read."""
    deep = table[table["extremes"].notna()] if "extremes" in table else table[:0]
    if not len(deep):
        return []
    low, high = min(low for low, _ in deep["extremes"]), max(high for _, high in deep["extremes"])
    said = [f"{len(deep)} images have values of more than 8 bits, {low:g} to {high:g}."]
    stated = Counter(mode.rpartition(";")[2] for mode in deep["mode"] if mode.startswith("MONOCHROME"))
    if stated:
        bits = [f"{bits} in {count}" for bits, count in sorted(stated.items())]
        said.append(f"Bits that their files state (BitsStored): {listed(bits)}.")
    windows = Counter(deep["own_window"].dropna()) if "own_window" in deep else Counter()
    if windows:
        (center, width), count = windows.most_common(1)[0]
        where = f"{count} of them, others in the rest" if len(windows) > 1 else "all of them"
        said.append(
            f"{windows.total()} files name a window for display: {center:g},{width:g} in {where}. What was "
            f"chosen for one image is not used; --window={center:g},{width:g} would be for all."
        )
    bits_said, window = layout.reading.bits, layout.reading.window
    if window is not None:
        said.append(f"They are read by --window={window[0]:g},{window[1]:g}.")
    elif bits_said is not None:
        said.append(f"They are read as values of {bits_said} bits (--bits).")
    elif used := _bits_used(table):
        said.append(f"{used[0]} files do not say how many of 16 bits count; their values take {used[1]}.")
    return said


def _bits_used(table: pd.DataFrame) -> tuple[int, int] | None:
    """Images of which nobody says how many of 16 bits count, and how many their values take; None where there
    are none."""
    if "bits_used" not in table:
        return None
    # Of colours their high byte is read, whatever is said.
    gray = table["mode"].astype(str).str.match("I|MONOCHROME")
    used = table["bits_used"][gray].dropna()
    return (len(used), int(used.max())) if len(used) else None


def _duplicates(listing: pd.DataFrame, table: pd.DataFrame, threads: int, reading: Reading) -> Duplicates:
    hashes = pd.DataFrame(
        {
            "pixels_sha256": table["pixels_sha256"],
            "phash": table["phash"],
            "contrast": table["thumbnail_contrast"],
        }
    )
    say("looking for duplicates")
    suspected = suspected_pairs(hashes)
    compared = len(suspected) <= MOST_SUSPECTED
    paths = listing["path"].tolist()
    found = list_duplicates(
        listing,
        hashes,
        lambda row: THUMBNAIL.of(FullImage(read_rgb(paths[row], reading))),
        threads,
        suspected if compared else suspected[:0],
    )
    leaks = count_leaks(listing, found, []).iloc[0]
    names = [f"{kind}_{what}" for kind in ("exact", "near") for what in ("clusters", "images")]
    names += [f"{kind}_across_{what}" for kind in ("exact", "near") for what in ("classes", "parts")]
    parts = found.groupby("cluster")["official_split"].transform(lambda of: of[of != ""].nunique())
    crossing = found[(found.groupby("cluster")["class"].transform("nunique") > 1) | (parts > 1)]
    return Duplicates(
        **{name: int(leaks[name]) for name in names},
        near_compared=compared,
        suspected=len(suspected),
        test_images=int(leaks["test_images"]),
        test_images_seen=int(leaks["near_test_images"]),
        groups_across_parts=int(leaks["groups_across_parts"]),
        examples=_plain(crossing.head(EXAMPLES)[EXAMPLE_COLUMNS].to_dict("records")),
    )


def _seen(layout: Layout, listing: pd.DataFrame) -> Seen:
    """What the audit of a folder could see of the images that can be read."""
    seen = sight(layout, listing, PROTOCOL)
    unit = f"groups ({layout.group})" if seen.test.grouped else "images"
    return Seen(seen.minimal, seen.can_tell, seen.test.n_units, unit, seen.members)


def _missing(
    layout: Layout,
    counts: Sequence[ClassCounts],
    unreadable: Sequence[Mapping[str, str]],
    listing: pd.DataFrame,
    table: pd.DataFrame,
) -> list[str]:
    said = []
    if layout.group is None:
        said.append(
            "Groups: it is not known which images are of one patient. Images of one patient may come to be "
            "in training and test, and all bounds here take images for independent. Say it with "
            "--group-pattern or --table."
        )
    elif ungrouped := int((listing["group"] == "").sum()):
        said.append(f"Groups: {ungrouped} of {len(listing)} images have none and count as one each.")
    few = [one.name for one in counts if one.images and _units_of(listing, one.name) < FEW_UNITS]
    if few:
        said.append(
            f"Size: {listed(few)} {'has' if len(few) == 1 else 'have'} fewer than {FEW_UNITS} independent "
            "images."
        )
    empty = [one.name for one in counts if not one.images]
    if empty:
        said.append(f"Images: none of {listed(empty)} can be read.")
    if unreadable:
        first = unreadable[0]
        said.append(
            f"Images: {len(unreadable)} cannot be read and are left out, such as {first['path']} "
            f"({first['problem']})."
        )
    used = _bits_used(table)
    if used and used[1] < UNDECLARED_BITS:
        said.append(
            f"Depth: of {used[0]} images the highest 8 of 16 bits would be kept, and their values take only "
            f"{used[1]}. Say --bits {max(8, used[1])}, or more if others may be brighter."
        )
    small = int((table[["width", "height"]].min(axis=1) < CORNER).sum())
    if small:
        said.append(
            f"Size: {small} images have a side below {CORNER} pixels, so that no corner can be cropped from "
            "them."
        )
    if not layout.masks:
        said.append("Masks: none lie beside the images, so no view can hide the lesion.")
    return said


def _units_of(listing: pd.DataFrame, name: str) -> int:
    own = listing[listing["class"] == name]
    return int(own.loc[own["group"] != "", "group"].nunique() + (own["group"] == "").sum())


def _plain(value: Any) -> Any:
    """``value`` as JSON can hold it; a number that is none is null."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
