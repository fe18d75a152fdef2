"""samples.csv: one row an image, and dataset.json: what was counted beside what was expected."""

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import PIL

from nullcrop.basics.errors import NullcropError, listed, shown
from nullcrop.basics.files import write_json, written_whole
from nullcrop.basics.progress import say, tracked
from nullcrop.basics.threads import mapped
from nullcrop.config.dataset_params import listing_record
from nullcrop.config.definitions import Definition, Expected
from nullcrop.config.registry import implementation
from nullcrop.config.sources import SOURCES
from nullcrop.datasets.dicom_attributes import with_attributes
from nullcrop.datasets.groups import near_equal_groups, with_groups, with_known_groups
from nullcrop.datasets.tables import near_misses
from nullcrop.datasets.value_range import (
    check_depth,
    check_ranges,
    frames_summary,
    reading_of,
    values_summary,
)
from nullcrop.decoding.dicom import ATTRIBUTES
from nullcrop.decoding.image import SCAN_FORMATS, DecodedImage, MissingPackage
from nullcrop.decoding.rgb import LOCATOR, decoded_image, packed_image
from nullcrop.decoding.values import AS_DECLARED, NoDeclaredRange, Reading

SPLIT_PARTS = ("train", "val", "test")

COLUMNS = [
    "id",
    "class",
    "target",
    "group",
    "official_split",
    "width",
    "height",
    "mode",
    "file_bytes",
    "format",
    "orientation",
    "path",
]
"""Columns of samples.csv, followed by `dicom_{attribute}` for what DICOM files tell (numbers in place of what
they say), and by `target_{rule}` for each label rule but the first."""

FACTS = [
    *("width", "height", "mode", "format", "file_bytes", "orientation", "problem", "needs_window"),
    *("frames", "extremes", "bits_used", "rescale", "attributes"),
]
"""What is asked of each image file (:func:`image_facts`)."""


def list_samples(
    name: str, definition: Definition, archive: Path, folder: Path, threads: int
) -> pd.DataFrame:
    """Write ``folder``/samples.csv and dataset.json for the dataset ``name``; return the samples.

    ``archive`` holds what was downloaded or generated. Every image is decoded once, by what packs it later,
    so that a truncated file is found here and not by a network. Rows are ordered by id. ``orientation`` is
    the EXIF tag (1 where there is none), a file fact only: nullcrop turns no image.

    Images smaller than the definition's ``smallest_side`` are counted with the others, then left out.

    Raises NullcropError when images are unreadable (unless the definition leaves them out), an id
    occurs twice, a class is unknown or empty, counts differ from the definition's, or the rule of values does
    not fit the images (datasets/value_range.py).
    """
    listing = list_images(definition, archive)
    if listing.empty:
        raise NullcropError(f"dataset '{name}': no image was found in {definition.source.place(archive)}")
    ignored = listing.attrs.get("ignored", [])
    listing = with_known_groups(with_groups(definition, listing))
    _check_ids_and_classes(name, definition, listing)
    facts = _file_facts(list(listing["path"]), threads, name, reading_of(definition))
    # As objects, because a column with a gap would become float and so would 96 pixels.
    samples = pd.concat(
        [listing.reset_index(drop=True), pd.DataFrame(facts, columns=FACTS, dtype=object)], axis=1
    )
    unreadable = samples[samples["problem"].notna()]
    if len(unreadable) and (definition.unreadable == "error" or len(unreadable) == len(samples)):
        check_ranges(name, unreadable, len(samples))
    if len(unreadable) and definition.unreadable == "error":
        problems = [f"{row.path} ({row.problem})" for row in unreadable.itertuples()]
        raise NullcropError(
            f"dataset '{name}': {len(unreadable)} of {len(samples)} images cannot be read: "
            f"{listed(problems)}; replace them, or set `unreadable: leave_out` in the definition to go on "
            "without them"
        )
    for row in unreadable.itertuples():
        say(f"left out: {shown(row.path)} ({row.problem})")
    samples = samples[samples["problem"].isna()].drop(columns="problem").sort_values("id", ignore_index=True)
    samples = with_attributes(name, definition, samples.infer_objects())
    check_depth(name, samples)
    for kind, several in frames_summary(samples).items():
        say(
            f"{several['images']} {kind} files hold several images (at most {several['most']}); "
            f"{several['read']} is read"
        )
    counted = _counted(definition, samples)
    mismatches = _compare_counts(definition.expected, counted)
    if mismatches and definition.on_mismatch == "error":
        raise NullcropError(
            f"dataset '{name}': counts differ from the definition: {'; '.join(mismatches)}. Check that the "
            "files are complete; if they are right, mend `expected:` or set `on_mismatch: report`"
        )
    small = _too_small(definition, samples)
    for row in small.itertuples():
        say(f"left out: {shown(row.path)} ({row.problem})")
    samples = samples.drop(index=small.index).reset_index(drop=True)
    _check_no_class_is_empty(
        name, definition, samples, "all of them were left out as unreadable or too small"
    )
    near = near_equal_groups(samples["group"])
    if near:
        say(
            f"names of groups that are nearly equal, and may be one {definition.group_word or 'group'}: "
            f"{listed(' and '.join(map(repr, names)) for names in near)}; they are kept apart as written"
        )
    targets = {rule: samples["class"].map(definition.targets(rule)) for rule in definition.labels}
    samples["target"] = targets.pop(definition.default_rule)
    left_out = pd.concat([unreadable, small])
    summary = _summary(name, definition, samples, left_out, ignored, counted, mismatches)
    told = [f"dicom_{attribute}" for attribute in ATTRIBUTES if f"dicom_{attribute}" in samples]
    samples = samples[COLUMNS + told].assign(**{f"target_{rule}": column for rule, column in targets.items()})
    with written_whole(folder / "samples.csv") as aside:
        # Paths keep the bytes that they have on the disk, text or not.
        samples.to_csv(aside, index=False, errors="surrogateescape")
    write_json(folder / "dataset.json", summary)
    return samples


def read_samples(path: Path | str, columns: list[str] | None = None) -> pd.DataFrame:
    """Read samples.csv, or some ``columns`` of it, with ids, groups and splits as text; an empty group or
    split is ''."""
    text = dict.fromkeys(("id", "class", "group", "official_split", "mode", "format", "path"), str)
    try:
        return pd.read_csv(
            path, dtype=text, usecols=columns, keep_default_na=False, encoding_errors="surrogateescape"
        )
    except (OSError, ValueError) as error:
        raise NullcropError(f"cannot read {path}: {error}") from None


def list_images(definition: Definition, archive: Path) -> pd.DataFrame:
    """Images of a dataset as its source names them: id, path, class, group and official_split as text.

    A source that looks through a folder counts what it passes over in ``attrs['ignored']``.
    """
    source = definition.source
    listing: pd.DataFrame = implementation(SOURCES[source.kind].list)(source, archive, definition)
    return listing


def _check_ids_and_classes(name: str, definition: Definition, listing: pd.DataFrame) -> None:
    doubled = listing[listing["id"].duplicated(keep=False)]
    if len(doubled):
        files = [f"{id_!r} ({listed(own['path'], 3)})" for id_, own in doubled.groupby("id")]
        raise NullcropError(
            f"dataset '{name}': {len(files)} ids occur more than once: {listed(files)}; each image needs "
            "an id of its own"
        )
    repeated = listing.loc[listing["path"].duplicated(), "path"].unique()
    if len(repeated):
        raise NullcropError(
            f"dataset '{name}': {len(repeated)} files are listed more than once under different ids: "
            f"{listed(repeated)}"
        )
    unknown = listing.loc[~listing["class"].isin(definition.classes)].groupby("class")["path"].first()
    if len(unknown):
        words = near_misses(unknown.index, definition.classes)
        found = [f"{word}, as {path} has it" for word, path in zip(words, unknown, strict=True)]
        raise NullcropError(
            f"dataset '{name}': images of a class that the definition does not name: {listed(found)}; its "
            f"classes are {listed(definition.classes)}"
        )
    _check_no_class_is_empty(name, definition, listing)
    strange = sorted(set(listing["official_split"]) - {*SPLIT_PARTS, ""})
    if strange:
        raise NullcropError(
            f"dataset '{name}': official split {listed(near_misses(strange, SPLIT_PARTS))}; it must be "
            "train, val, test or empty"
        )


def _check_no_class_is_empty(
    name: str,
    definition: Definition,
    images: pd.DataFrame,
    cure: str = "bring its images, or take it out of `classes:`",
) -> None:
    empty = [label for label in definition.classes if label not in set(images["class"])]
    if empty:
        raise NullcropError(f"dataset '{name}': no image of the class {listed(empty)}; {cure}")


def _file_facts(paths: list[str], threads: int, name: str, reading: Reading) -> list[dict[str, Any]]:
    facts = mapped(lambda path: image_facts(path, reading), paths, threads)
    return list(tracked(facts, len(paths), f"{name}: reading images"))


def image_facts(path: str, reading: Reading = AS_DECLARED) -> dict[str, Any]:
    """Size, mode, format and bytes of one image file, fully decoded; `problem` says why it cannot be.

    An image in an array has the format NPY and the bytes it takes there, which tell no more than
    its size; its pixels are not looked at, because they cannot be read wrongly. Raises MissingPackage, which
    is no problem of the image.
    """
    try:
        packed = packed_image(path)
        if packed is None:
            image = decoded_image(path, reading)
        else:
            image = DecodedImage(packed, "NPY", "RGB" if packed.ndim == 3 else "L")
    except MissingPackage:
        raise
    except NullcropError as error:
        if LOCATOR.fullmatch(path) is None and not Path(path).exists():
            nowhere = Path(path).is_symlink()
            return {"problem": "the link leads nowhere" if nowhere else "there is no such file"}
        needs_window = error.extremes if isinstance(error, NoDeclaredRange) else None
        why = str(error).removeprefix(path).removeprefix(" cannot be read as an image").lstrip(": ")
        return {"problem": why.replace(path, Path(path).name), "needs_window": needs_window}
    return {
        "width": image.pixels.shape[1],
        "height": image.pixels.shape[0],
        "mode": image.mode,
        "format": image.format,
        "file_bytes": Path(path).stat().st_size if packed is None else packed.nbytes,
        "orientation": image.orientation,
        "problem": None,
        "frames": image.frames,
        "extremes": image.extremes,
        "bits_used": image.bits_used,
        "rescale": image.rescale,
        "attributes": image.attributes,
    }


def _counted(definition: Definition, samples: pd.DataFrame) -> dict[str, Any]:
    """What was counted, with the keys of a definition's `expected`."""

    def counts(images: pd.DataFrame, column: str, keys: Sequence[str]) -> dict[str, int]:
        found = images[column].value_counts()
        return {key: int(found.get(key, 0)) for key in keys}

    by_part = {part: samples[samples["official_split"] == part] for part in SPLIT_PARTS}
    filled = {part: images for part, images in by_part.items() if len(images)}
    return {
        "images": len(samples),
        "classes": counts(samples, "class", definition.classes),
        "splits": {part: len(images) for part, images in filled.items()},
        "split_classes": {
            part: counts(images, "class", definition.classes) for part, images in filled.items()
        },
    }


def _compare_counts(expected: Expected, counted: dict[str, Any]) -> list[str]:
    def differing(what: str, wanted: Mapping[Any, int], found: Mapping[str, int]) -> list[str]:
        return [
            f"{what} {key}: expected {count}, found {found.get(key, 0)}"
            for key, count in wanted.items()
            if found.get(key, 0) != count
        ]

    total = []
    if expected.images is not None and expected.images != counted["images"]:
        total = [f"images: expected {expected.images}, found {counted['images']}"]
    return (
        total
        + differing("class", expected.classes, counted["classes"])
        + differing("official split", expected.splits, counted["splits"])
        + [
            problem
            for part, wanted in expected.split_classes.items()
            for problem in differing(
                f"official split {part}, class", wanted, counted["split_classes"].get(part, {})
            )
        ]
    )


def _too_small(definition: Definition, samples: pd.DataFrame) -> pd.DataFrame:
    """Images with a side below the definition's smallest, and their size as the `problem`."""
    side = definition.smallest_side or 0
    small = samples[(samples["width"] < side) | (samples["height"] < side)]
    sizes = [f"{row.width}×{row.height} pixels, smaller than {side}" for row in small.itertuples()]
    return small.assign(problem=sizes)


def _summary(
    name: str,
    definition: Definition,
    samples: pd.DataFrame,
    left_out: pd.DataFrame,
    ignored: list[dict[str, Any]],
    counted: dict[str, Any],
    mismatches: list[str],
) -> dict[str, Any]:
    def counts(column: str) -> dict[str, int]:
        return {str(key): int(count) for key, count in samples[column].value_counts(sort=False).items()}

    formats = counts("format")
    rules: dict[str, Callable[[str], Any]] = {
        rule: definition.targets(rule).__getitem__ for rule in definition.labels
    }
    readers = {SCAN_FORMATS[kind]: version(SCAN_FORMATS[kind]) for kind in SCAN_FORMATS if kind in formats}
    return {
        "dataset": name,
        "title": definition.title,
        "images": len(samples),
        "classes": counts("class"),
        "targets": {
            rule: {
                str(k): int(v) for k, v in samples["class"].map(to_target).value_counts(sort=False).items()
            }
            for rule, to_target in rules.items()
        },
        "official_split": counts("official_split"),
        "groups": int(samples.loc[samples["group"] != "", "group"].nunique()),
        "without_group": int((samples["group"] == "").sum()),
        "near_equal_groups": near_equal_groups(samples["group"]),
        "group_key": definition.group,
        "modes": counts("mode"),
        "formats": formats,
        "sizes": {
            "width": [int(samples["width"].min()), int(samples["width"].max())],
            "height": [int(samples["height"].min()), int(samples["height"].max())],
        },
        "values": values_summary(definition, samples),
        "several_frames": frames_summary(samples),
        "left_out": [{"path": row.path, "problem": row.problem} for row in left_out.itertuples()],
        "ignored": ignored,
        "counted": counted,
        "discrepancies": mismatches,
        "notes": definition.notes,
        "licence": definition.licence,
        "citation": definition.citation,
        "listing": listing_record(definition),
        "versions": {"pillow": PIL.__version__, **readers},
    }
