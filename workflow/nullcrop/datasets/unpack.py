"""Zips: unpacked inside their folder only, and again only where something is missing."""

import math
import shutil
import stat
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from nullcrop.errors import NullcropError, listed
from nullcrop.files import written_whole
from nullcrop.progress import say, tracked

BLOCK = 2**20
"""Bytes unpacked at a time."""

ORIGIN = ".origin"
"""File in an unpacked folder that names the zip's SHA-256."""

ORDINARY = (0, stat.S_IFREG, stat.S_IFDIR)
"""Kinds of members that are unpacked; 0 where the zip was made on a system without kinds."""


def unpack(archive: Path, folder: Path, sha256: str, members: Collection[str] | None = None) -> int:
    """Unpack the zip ``archive`` into ``folder``; return the number of files there now.

    ``members`` narrows it to some files. Each file appears whole or not at all, and those already
    there are kept: what was interrupted goes on. ``sha256`` is the zip's; a folder unpacked from
    another is emptied first.

    Raises NullcropError, before anything is written, when any member would leave the folder
    (an absolute path, `..`), is a link, a device or encrypted, or when the disk is too full; and
    when a member is damaged.
    """
    try:
        with zipfile.ZipFile(archive) as content:
            files = _checked(archive, content)
            if members is not None:
                wanted = set(members)
                files = [info for info in files if info.filename in wanted]
            _same_origin(folder, sha256)
            left = [info for info in files if not _is_there(folder, info)]
            _check_space(archive, folder, sum(info.file_size for info in left))
            _check_ways(folder, left)
            for info in tracked(left, len(left), f"unpacking {archive.name}"):
                _write(archive, content, info, folder)
    except zipfile.BadZipFile as error:
        raise NullcropError(
            f"{archive} is damaged or no zip ({error}); delete it and fetch it again"
        ) from None
    return len(files)


def member_files(archive: Path) -> list[zipfile.ZipInfo]:
    """The files in a zip, all of them safe to unpack; raises NullcropError as :func:`unpack` does."""
    try:
        with zipfile.ZipFile(archive) as content:
            return _checked(archive, content)
    except zipfile.BadZipFile as error:
        raise NullcropError(
            f"{archive} is damaged or no zip ({error}); delete it and fetch it again"
        ) from None


def _checked(archive: Path, content: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    names: set[str] = set()
    for info in content.infolist():
        problem = _problem(info)
        if problem is None and info.filename in names:
            problem = "occurs twice"
        if problem is not None:
            raise NullcropError(
                f"{archive}: the member '{info.filename}' {problem}; nothing of it is unpacked. "
                "Releases hold no such thing: fetch the zip again from its own address"
            )
        names.add(info.filename)
    return [info for info in content.infolist() if not info.is_dir()]


def _problem(info: zipfile.ZipInfo) -> str | None:
    name = info.filename
    kind = stat.S_IFMT(info.external_attr >> 16)
    if not name.strip("/") or name.startswith("/") or name[1:2] == ":":
        return "has an absolute path or none"
    if "\\" in name:
        return "has a backslash in its path"
    if ".." in name.split("/"):
        return "leads out of its folder"
    if kind == stat.S_IFLNK:
        return "is a link"
    if kind not in ORDINARY:
        return "is neither a file nor a folder"
    if info.flag_bits & 1:
        return "is encrypted"
    return None


def _same_origin(folder: Path, sha256: str) -> None:
    origin = folder / ORIGIN
    if folder.is_dir() and not (origin.is_file() and origin.read_text(encoding="utf-8").strip() == sha256):
        shutil.rmtree(folder)
    with written_whole(origin) as aside:
        aside.write_text(sha256 + "\n", encoding="utf-8")


def _is_there(folder: Path, info: zipfile.ZipInfo) -> bool:
    path = folder / info.filename
    return path.is_file() and path.stat().st_size == info.file_size


def _check_space(archive: Path, folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed:
        say(f"unpacking {archive.name}: {needed / 1e6:,.1f} MB, the disk has {free / 1e9:,.1f} GB left")
    if needed > free:
        raise NullcropError(
            f"unpacking {archive} takes {needed / 1e9:.1f} GB and the disk of {folder} has {free / 1e9:.1f} GB "
            "left; make room, or let `paths.resources` in the config name another disk"
        )


def _check_ways(folder: Path, files: list[zipfile.ZipInfo]) -> None:
    # A link put into the folder by somebody else would lead out of it as well.
    root = folder.resolve()
    parents = {PurePosixPath(info.filename).parent for info in files}
    outside = sorted(str(way) for way in parents if not (root / way).resolve().is_relative_to(root))
    if outside:
        raise NullcropError(
            f"{folder} holds links that lead out of it: {listed(outside)}; delete the folder and try again"
        )


def _write(archive: Path, content: zipfile.ZipFile, info: zipfile.ZipInfo, folder: Path) -> None:
    try:
        with (
            content.open(info) as packed,
            written_whole(folder / info.filename) as aside,
            open(aside, "wb") as stream,
        ):
            blocks = iter(lambda: packed.read(BLOCK), b"")
            for block in tracked(blocks, math.ceil(info.file_size / BLOCK), f"{info.filename}, in MiB"):
                stream.write(block)
    # zlib and zipfile each have their own errors for bytes that do not decode.
    except (zipfile.BadZipFile, EOFError, NotImplementedError, zlib.error) as error:
        raise NullcropError(
            f"{archive}: the member '{info.filename}' is damaged ({error}); delete the zip and fetch it again"
        ) from None
