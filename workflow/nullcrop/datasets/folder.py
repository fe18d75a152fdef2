"""Images on a local disk: class folders, names that tell the class, or any folder plus a CSV."""

import re
from pathlib import Path
from typing import Any

import pandas as pd

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.progress import say
from nullcrop.basics.walk import Walk, as_text, in_order, whole_walk
from nullcrop.config.definitions import Definition, FolderSource
from nullcrop.config.places import no_folder
from nullcrop.datasets.companions import COMPANIONS, companions, orphans
from nullcrop.datasets.ignored import counted, in_words, is_image, of_ending, of_litter
from nullcrop.datasets.samples import SPLIT_PARTS
from nullcrop.datasets.tables import list_table, near_misses

COLUMNS = ["id", "relative", "class", "group", "official_split"]
"""What is known of an image before its path is whole; ``relative`` is the path below the folder."""


def list_own_folder(source: FolderSource, archive: Path, definition: Definition) -> pd.DataFrame:
    """As :func:`list_folder`; no archive is made of the user's own folder."""
    return list_folder(source, definition)


def describe_folder(definition: Definition) -> tuple[str, str]:
    """Where the images come from, and what getting them takes."""
    return "your own folder", "[by hand](#by-hand)"


def list_folder(source: FolderSource, definition: Definition) -> pd.DataFrame:
    """Columns id, path, class, group, official_split (all text) of the images ``source`` names.

    An id is the path below the folder, unless the table has a column of ids. What lies there and is no image
    of the dataset is counted in ``attrs['ignored']`` (:mod:`nullcrop.datasets.ignored`) and said.

    Raises NullcropError when the folder, a class folder, the table, one of its columns or a file it names is
    missing, when a folder cannot be read, and when masks would be counted as images.
    """
    root = Path(source.path)
    if not root.is_dir():
        what_to_do = f". {definition.how_to_get}" if definition.how_to_get else ""
        raise NullcropError(f"source.path: {no_folder(root)}{what_to_do}")
    ignored: list[dict[str, Any]] = []
    if source.table is not None:
        images = list_table(source, root, definition.classes)
    else:
        found = whole_walk(root)
        if source.name_pattern is not None:
            images, ignored = _from_names(source.name_pattern, found)
        else:
            images, ignored = _from_class_folders(source, found, definition.classes)
        ignored += of_litter(found.litter) + _of_links(found)
    images, beside = _without_companions(images, definition)
    ignored += beside
    if ignored:
        say(f"ignored: {in_words(ignored)}")
    if source.group_pattern is not None:
        images["group"] = _groups_by_pattern(source.group_pattern, images["id"], images["relative"])
    elsewhere = definition.group is None or definition.groups or definition.group_from
    if not elsewhere and len(images) and (images["group"] == "").all():
        raise NullcropError(
            f"the definition names the group key '{definition.group}', but no image has a group: give the "
            "table a `group` column (or name it under source.columns), or set source.group_pattern (or a "
            "part (?P<group>…) of source.name_pattern), or group_from for DICOM files"
        )
    images["path"] = [str(root / relative) for relative in images["relative"]]
    for column in ("id", "class", "group"):
        images[column] = images[column].map(as_text)
    listing = images[["id", "path", "class", "group", "official_split"]]
    listing.attrs["ignored"] = ignored
    return listing


def _of_links(found: Walk) -> list[dict[str, Any]]:
    return of_litter({"links to a folder that they lie in": len(found.loops)} if found.loops else {})


def _from_class_folders(
    source: FolderSource, found: Walk, classes: list[str]
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    _check_class_folders(found, classes)
    taken, ignored = [], []
    nowhere = set(found.dangling)
    for path in in_order([*found.files, *nowhere]):
        top, below, _ = path.partition("/")
        label = top if below else ""
        if not is_image(found.root, path, source.suffixes):
            ignored.append(("links that lead nowhere" if path in nowhere else of_ending(path), label, path))
        elif label:
            taken.append((path, label))
        else:
            ignored.append(("images beside the class folders", "", path))
    rows = [(path, path, label, "", "") for path, label in taken]
    if ignored:
        names = listed(path for *_, path in ignored)
        say(f"{len(ignored)} files are no images of a class and were ignored: {names}")
    return pd.DataFrame(rows, columns=COLUMNS), counted((what, label) for what, label, _ in ignored)


def _check_class_folders(found: Walk, classes: list[str]) -> None:
    folders = [name for name in found.folders if "/" not in name and name != "."]
    missing = [name for name in classes if name not in folders]
    unknown = [name for name in folders if name not in classes]
    if missing:
        near = [words for words in near_misses(missing, unknown) if "did you mean" in words]
        cure = "rename the folder, or write its name under `classes:` as it is"
        hint = f". Written differently: {listed(near)}; {cure}" if near else ""
        raise NullcropError(
            f"class folder missing in {found.root}: {listed(missing)}; found "
            f"{listed(folders) or 'no folder at all'}{hint or _deeper(found, classes)}"
        )
    if unknown:
        raise NullcropError(
            f"{found.root} has folders that are no class of the definition: {listed(unknown)}; add them to "
            "`classes:` or move them away"
        )


def _deeper(found: Walk, classes: list[str]) -> str:
    """What to do where the class folders lie further below; empty where they do not."""
    tops: dict[str, set[str]] = {name: set() for name in classes}
    for path in found.folders:
        top, _, name = path.rpartition("/")
        if top and name in tops:
            tops[name].add(top)
    if not all(tops.values()):
        return ""
    above = sorted(set().union(*tops.values()))
    if len(above) == 1:
        return f". The class folders lie in {above[0]}: set `source.path: {found.root / above[0]}`"
    named = "|".join(map(re.escape, classes))
    parts = {top.rpartition("/")[2] for top in above}
    split = f"(?P<split>{'|'.join(sorted(parts))})/" if parts <= set(SPLIT_PARTS) else ""
    pattern = f"(?:^|/){split}(?P<class>{named})/".replace("'", "''")  # as YAML quotes it
    return f". The class folders lie in {listed(above)}: set `source.name_pattern: '{pattern}'`"


def _from_names(pattern: str, found: Walk) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    compiled = re.compile(pattern)
    rows, ignored = [], []
    for path in in_order([*found.files, *found.dangling]):
        match = compiled.search(path)
        if match is None:
            ignored.append(path)
            continue
        parts = {"group": None, "split": None, **match.groupdict()}
        rows.append((path, path, parts["class"] or "", parts["group"] or "", parts["split"] or ""))
    if ignored and not rows:
        packed = [path for path in ignored if path.lower().endswith((".zip", ".tar", ".tar.gz", ".tgz"))]
        hint = f". Packed itself, and not looked into: {listed(packed)}" if packed else ""
        raise NullcropError(
            f"source.name_pattern is found in none of the {len(ignored)} files below {found.root}: "
            f"{listed(ignored)}; mend the pattern, or look whether this is the right folder{hint}"
        )
    if ignored:
        say(f"{len(ignored)} files do not match source.name_pattern and were ignored: {listed(ignored)}")
    return pd.DataFrame(rows, columns=COLUMNS), counted((of_ending(path), "") for path in ignored)


def _without_companions(
    images: pd.DataFrame, definition: Definition
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """``images`` without masks and the like, and what was left out, as ``definition`` says."""
    found = {} if definition.companions == "keep" else companions(images["relative"])
    alone = orphans(images["relative"], found)
    if found and definition.companions == "error":
        pairs = [f"{path} (of {image})" for path, image in found.items()]
        raise NullcropError(
            f"{len(found) + len(alone)} of {len(images)} files are masks or other companions of images, by "
            f"their names: {listed(pairs, 4)}. Set `companions: leave_out` in the definition to leave them "
            "out, or `companions: keep` if they are images in their own right"
        )
    beside = images["relative"].isin([*found, *alone])
    left_out = counted((COMPANIONS, label) for label in images.loc[beside, "class"])
    if found:
        say(f"{len(found)} {COMPANIONS} of images were left out: {listed(found)}")
    if alone:
        say(f"{len(alone)} more were left out, whose image is not there: {listed(alone)}")
    return images[~beside].reset_index(drop=True), left_out


def _groups_by_pattern(pattern: str, ids: pd.Series, relative: pd.Series) -> list[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise NullcropError(f"source.group_pattern is not a regular expression: {error}") from None
    if compiled.groups != 1:
        raise NullcropError(
            f"source.group_pattern must have exactly one bracketed part, not {compiled.groups}"
        )
    found = [compiled.search(path) for path in relative]
    unmatched = [id_ for id_, match in zip(ids, found, strict=True) if match is None or match[1] is None]
    if unmatched:
        raise NullcropError(
            f"source.group_pattern matches no group in {len(unmatched)} paths: {listed(unmatched)}"
        )
    return [match[1] for match in found if match is not None]
