"""Images on a local disk: class folders, names that tell the class, or any folder plus a CSV."""

import re
from pathlib import Path

import pandas as pd

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.files import files_below
from nullcrop.basics.progress import say
from nullcrop.config.definitions import Definition, FolderSource
from nullcrop.config.places import no_folder


def list_own_folder(source: FolderSource, archive: Path, definition: Definition) -> pd.DataFrame:
    """As :func:`list_folder`; no archive is made of the user's own folder."""
    return list_folder(source, definition)


def describe_folder(definition: Definition) -> tuple[str, str]:
    """Where the images come from, and what getting them takes."""
    return "your own folder", "[by hand](#by-hand)"


def list_folder(source: FolderSource, definition: Definition) -> pd.DataFrame:
    """Columns id, path, class, group, official_split (all text) of the images ``source`` names.

    An id is the path below the folder, unless the table has a column of ids. Raises NullcropError
    when the folder, a class folder, the table, one of its columns or a file it names is missing.
    """
    root = Path(source.path)
    if not root.is_dir():
        what_to_do = f". {definition.how_to_get}" if definition.how_to_get else ""
        raise NullcropError(f"source.path: {no_folder(root)}{what_to_do}")
    if source.table is not None:
        images = _from_table(source, root)
    elif source.name_pattern is not None:
        images = _from_names(source.name_pattern, root)
    else:
        images = _from_class_folders(source, root, definition.classes)
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
    return images[["id", "path", "class", "group", "official_split"]]


def _from_class_folders(source: FolderSource, root: Path, classes: list[str]) -> pd.DataFrame:
    folders = sorted(
        child.name for child in root.iterdir() if child.is_dir() and not child.name.startswith(".")
    )
    missing = [name for name in classes if name not in folders]
    if missing:
        raise NullcropError(
            f"class folder missing in {root}: {listed(missing)}; found "
            f"{listed(folders) or 'no folder at all'}"
        )
    unknown = [name for name in folders if name not in classes]
    if unknown:
        raise NullcropError(
            f"{root} has folders that are no class of the definition: {listed(unknown)}; add them to "
            "`classes:` or move them away"
        )
    endings = {suffix.lower() for suffix in source.suffixes}
    rows, ignored = [], []
    for name in classes:
        for path in sorted((root / name).rglob("*")):
            if path.suffix.lower() in endings:
                relative = path.relative_to(root).as_posix()
                rows.append((relative, relative, name, "", ""))
            elif path.is_file():
                ignored.append(path.relative_to(root).as_posix())
    if ignored:
        say(f"{len(ignored)} files have no ending of an image and were ignored: {listed(ignored)}")
    return pd.DataFrame(rows, columns=["id", "relative", "class", "group", "official_split"])


def _from_names(pattern: str, root: Path) -> pd.DataFrame:
    compiled = re.compile(pattern)
    rows, ignored = [], []
    for path in files_below(root):
        relative = path.relative_to(root).as_posix()
        match = compiled.search(relative)
        if match is None:
            ignored.append(relative)
            continue
        parts = {"group": None, "split": None, **match.groupdict()}
        rows.append((relative, relative, parts["class"] or "", parts["group"] or "", parts["split"] or ""))
    if ignored and not rows:
        raise NullcropError(
            f"source.name_pattern is found in none of the {len(ignored)} files below {root}: "
            f"{listed(ignored)}; mend the pattern, or look whether this is the right folder"
        )
    if ignored:
        say(f"{len(ignored)} files do not match source.name_pattern and were ignored: {listed(ignored)}")
    return pd.DataFrame(rows, columns=["id", "relative", "class", "group", "official_split"])


def _from_table(source: FolderSource, root: Path) -> pd.DataFrame:
    path = Path(str(source.table))
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise NullcropError(f"source.table: cannot read {path}: {error}") from None

    def column(name: str) -> "pd.Series[str] | None":
        wanted = source.columns.get(name, name)  # type: ignore[call-overload]
        if wanted in table.columns:
            found: pd.Series[str] = table[wanted]
            return found
        if name in source.columns or name in ("path", "class"):
            raise NullcropError(
                f"source.table: {path} has no column '{wanted}'; its columns are {listed(table.columns)}"
            )
        return None

    relative = column("path")
    assert relative is not None
    absent = [name for name in relative if not (root / name).is_file()]
    if absent:
        raise NullcropError(
            f"{path} names {len(absent)} files that are not in {root}: {listed(absent)}; bring them there or "
            "take their rows out of the table"
        )
    empty = pd.Series("", index=table.index)
    optional = {name: column(name) for name in ("id", "group", "split")}
    return pd.DataFrame(
        {
            "id": relative if optional["id"] is None else optional["id"],
            "relative": relative,
            "class": column("class"),
            "group": empty if optional["group"] is None else optional["group"],
            "official_split": empty if optional["split"] is None else optional["split"],
        }
    )


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
