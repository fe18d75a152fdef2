"""Treated images as files, and the manifest that says how each was made."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

import pandas as pd
from PIL import Image

from nullcrop import __version__
from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import sha256_of, sha256_of_lines, written_whole
from nullcrop.basics.progress import say, tracked
from nullcrop.basics.threads import mapped
from nullcrop.config.treatments import treatment_of
from nullcrop.decoding.rgb import LOCATOR, read_rgb
from nullcrop.decoding.values import Reading
from nullcrop.images.views import view_function

MANIFEST = "manifest.csv"
"""Name of the finished manifest, in the folder of the images."""
JOURNAL = "manifest.part.csv"
"""Name of what is written image by image, until all are there."""

LONGEST_NAME = 200
"""Bytes of a file's name that are left as they are; file systems take 255."""

MANIFEST_COLUMNS = [
    *("path", "class", "group", "split", "id", "sha256"),
    *("source", "source_sha256", "treatment", "number", "values", "nullcrop"),
]
"""`path` is relative to the manifest's folder; `number` is the treatment's, where it has one; `values` the
rule by which values of more than 8 bits became 8 (JSON)."""


def export_treated(
    samples: pd.DataFrame, treatment: str, crop: tuple[int, int], reading: Reading, out: Path, threads: int
) -> Path:
    """Write every image of ``samples`` (samples.csv) under ``treatment`` as PNG into ``out``; return the
    manifest's path.

    Images lie in folders by class; each pixel is the one that a treated view holds. The manifest's columns
    path, class, group and split are those of a folder source's table, so that what was written can be audited
    as it is. Each image is read, treated and written by itself, and what a killed run wrote is kept: an image
    is made again where its source or its file changed. ``crop``: width and height for which a treatment
    must leave room.

    Raises NullcropError when ``out`` holds files that no export of these images under this treatment wrote.
    """
    record, number = treatment_of(treatment)
    treat = view_function(treatment)
    manifest, journal = out / MANIFEST, out / JOURNAL
    if out.exists() and not out.is_dir():
        raise NullcropError(f"{out} is a file: name a folder")
    if out.is_dir() and any(out.iterdir()) and not (manifest.is_file() or journal.is_file()):
        raise NullcropError(f"{out} holds files that were not exported here: name an empty folder")
    known = _known(manifest, treatment) | _known(journal, treatment)
    if known and not set(samples["path"]) & {row["source"] for row in known.values()}:
        raise NullcropError(f"{out} holds other images than these: name another folder")
    rows: list[dict[Any, Any]] = samples.fillna({"group": "", "official_split": ""}).to_dict("records")
    paths = _paths(rows)
    # An array holds many images, and is hashed once.
    hash_of_array = lru_cache(maxsize=None)(sha256_of)

    def write(row: int) -> dict[str, Any]:
        sample, path = rows[row], out / paths[row]
        source = str(sample["path"])
        array = LOCATOR.fullmatch(source)
        entry = {
            "path": paths[row],
            "class": sample["class"],
            "group": sample["group"],
            "split": sample["official_split"],
            "id": sample["id"],
            "source": source,
            "source_sha256": hash_of_array(array[1]) if array else sha256_of(source),
            "treatment": record.name,
            "number": "" if number is None else number,
            "values": json.dumps(reading.as_json()),
            "nullcrop": __version__,
        }
        before = known.get(paths[row], {})
        same = all(before.get(name) == entry[name] for name in ("source_sha256", "values", "nullcrop"))
        if not same or not _holds(path, before["sha256"]):
            pixels = treat(read_rgb(source, reading), None, *crop)
            with written_whole(path) as aside:
                Image.fromarray(pixels).save(aside, "PNG")
        return entry | {"sha256": sha256_of(path)}

    # Whole again, because a kill may have cut its last line short.
    _write_rows(journal, known.values())
    with journal.open("a", newline="", encoding="utf-8", errors="surrogateescape") as stream:
        writer = csv.DictWriter(stream, MANIFEST_COLUMNS)
        entries = []
        written = mapped(write, range(len(rows)), threads, largest_block=16)
        for entry in tracked(written, len(rows), "images treated"):
            entries.append(entry)
            writer.writerow(entry)
            stream.flush()
    _write_rows(manifest, entries)
    journal.unlink()
    say(f"{manifest}: {len(entries)} images under {treatment}")
    return manifest


def _holds(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_of(path) == sha256


def _write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with (
        written_whole(path) as aside,
        aside.open("w", newline="", encoding="utf-8", errors="surrogateescape") as stream,
    ):
        writer = csv.DictWriter(stream, MANIFEST_COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def _known(path: Path, treatment: str) -> dict[str, Mapping[str, str]]:
    """Rows of an earlier manifest by path; NullcropError when they are of another treatment."""
    found = {row["path"]: row for row in _rows(path)}
    record, number = treatment_of(treatment)
    for row in found.values():
        if (row["treatment"], row["number"]) != (record.name, "" if number is None else str(number)):
            raise NullcropError(
                f"{path.parent} holds images under "
                f"{'_'.join(filter(None, (row['treatment'], row['number'])))}: name another folder"
            )
    return found


def _rows(path: Path) -> Iterator[Mapping[str, str]]:
    """Whole rows of a manifest; the last may be cut short by a kill. NullcropError when it is none."""
    if not path.is_file():
        return
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
        reader = csv.DictReader(stream)
        if reader.fieldnames != MANIFEST_COLUMNS:
            raise NullcropError(f"{path} was not written by an export: name an empty folder")
        for row in reader:
            if None not in row.values() and None not in row:
                yield row


def _paths(rows: Sequence[Mapping[Any, Any]]) -> list[str]:
    """Where each image goes: `class/id.png`, in characters that every file system takes; ids that are
    too long for one, or would be one there, whatever the case, are told apart by a hash."""
    paths = [f"{_plain(one['class'])}/{_plain(_name(one))}" for one in rows]
    times = Counter(path.casefold() for path in paths)

    def named(path: str, one: Mapping[Any, Any]) -> str:
        folder, _, name = path.partition("/")
        if times[path.casefold()] == 1 and len(name.encode()) <= LONGEST_NAME:
            return f"{path}.png"
        return f"{folder}/{name[:60]}-{sha256_of_lines([one['class'], one['id']])[:12]}.png"

    return [named(path, one) for path, one in zip(paths, rows, strict=True)]


def _name(row: Mapping[Any, Any]) -> str:
    """An image's id without its class's folder before it and the ending of its file, which say nothing
    more."""
    name = str(row["id"]).removeprefix(f"{row['class']}/")
    return name.removesuffix(PurePath(str(row["path"])).suffix) or name


def _plain(part: str) -> str:
    return re.sub(r"[^\w.+-]+", "_", part).strip(".") or "_"
