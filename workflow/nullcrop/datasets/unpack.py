"""Zips and tars: unpacked inside their folder only, and again only where something is missing."""

import gzip
import json
import math
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.files import written_whole
from nullcrop.basics.progress import say, tracked
from nullcrop.basics.walk import walk

BLOCK = 2**20
"""Bytes unpacked at a time."""

TARS = (".tar", ".tar.gz", ".tgz")
"""Endings of tars; anything else is a zip."""

ORIGIN = ".origin"
"""File in an unpacked folder: the archive's SHA-256, and below it a line of JSON for each file unpacked. What
it does not name is somebody else's, and is never removed."""

ORDINARY = (0, stat.S_IFREG, stat.S_IFDIR)
"""Kinds of a zip's members that are unpacked; 0 where it was made on a system without kinds."""

DAMAGED = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, EOFError, NotImplementedError, zlib.error)
"""What zipfile, tarfile, gzip and zlib raise for bytes that do not decode."""


class _Member(NamedTuple):
    """One entry of an archive."""

    name: str
    size: int
    is_folder: bool
    problem: str | None
    """Why it must not be unpacked, whatever its name."""
    open: Callable[[], IO[bytes] | None]


def unpack(archive: Path, folder: Path, sha256: str, members: Collection[str] | None = None) -> int:
    """Unpack the zip or tar ``archive`` into ``folder``; return the number of files there now.

    ``members`` narrows it to some files. Each file appears whole or not at all, and those already
    there are kept: what was interrupted goes on. ``sha256`` is the archive's. Where the folder was unpacked
    from another archive, this one is unpacked beside it and takes its place when it is whole; then what came
    from the other is removed, and what did not is kept beside the folder.

    Raises NullcropError, before anything is written, when any member would leave the folder
    (an absolute path, `..`), is a link, a device or encrypted, when the folder holds files that nullcrop did
    not unpack, or when the disk is too full; and when a member is damaged.
    """
    with _opened(archive) as content:
        files = _checked(archive, content)
        if members is not None:
            wanted = set(members)
            files = [member for member in files if member.name in wanted]
        place = _place(archive, folder, sha256)
        _record(place, sha256, [member.name for member in files])
        left = [member for member in files if not _is_there(place, member)]
        _check_space(archive, place, sum(member.size for member in left))
        _check_ways(place, left)
        for member in tracked(left, len(left), f"unpacking {archive.name}"):
            _write(archive, member, place)
    if place != folder:
        folder.rename(_aside(folder, "old"))
        place.rename(folder)
        _remove_unpacked(_aside(folder, "old"), folder)
    return len(files)


def member_files(archive: Path) -> list[zipfile.ZipInfo]:
    """The files in a zip, all of them safe to unpack; raises NullcropError as :func:`unpack` does."""
    with _opened(archive) as content:
        safe = {member.name for member in _checked(archive, content)}
    with zipfile.ZipFile(archive) as zipped:
        return [info for info in _infos(zipped) if info.filename in safe]


@contextmanager
def _opened(archive: Path) -> Iterator[list[_Member]]:
    try:
        if archive.name.endswith(TARS):
            with tarfile.open(archive) as tarred:
                yield [_of_tar(tarred, info) for info in tarred.getmembers()]
        else:
            with zipfile.ZipFile(archive) as zipped:
                yield [_of_zip(zipped, info) for info in _infos(zipped)]
    except DAMAGED as error:
        raise NullcropError(
            f"{archive} is damaged or no archive ({error}); delete it and fetch it again"
        ) from None


def _infos(content: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """What a zip holds. Some programs on Windows part folders by backslashes alone, which means slashes."""
    infos = content.infolist()
    if not any("/" in info.filename for info in infos):
        for info in infos:
            info.filename = info.filename.replace("\\", "/")
    return infos


def _of_zip(content: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    kind = stat.S_IFMT(info.external_attr >> 16)
    problem = None
    if kind == stat.S_IFLNK:
        problem = "is a link"
    elif kind not in ORDINARY:
        problem = "is neither a file nor a folder"
    elif info.flag_bits & 1:
        problem = "is encrypted"
    return _Member(info.filename, info.file_size, info.is_dir(), problem, partial(content.open, info))


def _of_tar(content: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    problem = None
    if info.issym() or info.islnk():
        problem = "is a link"
    elif not (info.isreg() or info.isdir()):
        problem = "is neither a file nor a folder"
    return _Member(info.name, info.size, info.isdir(), problem, partial(content.extractfile, info))


def _checked(archive: Path, content: list[_Member]) -> list[_Member]:
    names: set[str] = set()
    for member in content:
        problem = _problem_of_name(member.name) or member.problem
        if problem is None and member.name in names:
            problem = "occurs twice"
        if problem is not None:
            raise NullcropError(
                f"{archive}: the member '{member.name}' {problem}; nothing of it is unpacked. Releases hold "
                "no such thing: fetch the archive again from its own address"
            )
        names.add(member.name)
    return [member for member in content if not member.is_folder]


def _problem_of_name(name: str) -> str | None:
    if not name.strip("/") or name.startswith("/") or name[1:2] == ":":
        return "has an absolute path or none"
    if "\\" in name:
        return "has a backslash in its path"
    if ".." in name.split("/"):
        return "leads out of its folder"
    return None


def _place(archive: Path, folder: Path, sha256: str) -> Path:
    """Where to unpack to: ``folder`` itself, or beside it where it was unpacked from another archive."""
    new, old = _aside(folder, "new"), _aside(folder, "old")
    if new.is_dir() and _origin(new) != sha256:
        _remove_unpacked(new, folder)
    # What was interrupted between two renames.
    if new.is_dir() and not folder.exists():
        new.rename(folder)
    if old.is_dir():
        _remove_unpacked(old, folder)
    if _origin(folder) == sha256 or not (files := walk(folder).files):
        return folder
    if _origin(folder) is None:
        raise NullcropError(
            f"{folder} holds {len(files)} files that nullcrop did not unpack: {listed(files, 3)}; move them "
            f"away, and {archive.name} is unpacked there; or audit them where they are, with "
            "`source: {kind: folder, path: …}`"
        )
    return new


def _aside(folder: Path, what: str) -> Path:
    # Hidden, so that it is never listed.
    return folder.with_name(f".{folder.name}.{what}")


def _origin(folder: Path) -> str | None:
    """SHA-256 of the archive that ``folder`` was unpacked from; None where nullcrop did not."""
    path = folder / ORIGIN
    return path.read_text(encoding="utf-8").partition("\n")[0].strip() if path.is_file() else None


def _recorded(folder: Path) -> list[str]:
    """Names of the files that were unpacked into ``folder``."""
    path = folder / ORIGIN
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines[1:]]


def _record(folder: Path, sha256: str, names: list[str]) -> None:
    """Note what is about to be unpacked into ``folder``, beside what was."""
    recorded = _recorded(folder)
    if _origin(folder) == sha256 and set(names) <= set(recorded):
        return
    every = dict.fromkeys([*recorded, *names])
    with written_whole(folder / ORIGIN) as aside:
        aside.write_text("\n".join([sha256, *map(json.dumps, every)]) + "\n", encoding="utf-8")


def _remove_unpacked(folder: Path, named: Path) -> None:
    """Remove what was unpacked into ``folder``; what else lies there is kept beside ``named``, and said."""
    for name in _recorded(folder):
        path = folder / name
        # A link that somebody put there may lead to files of their own; a folder in its place is theirs.
        if path.is_file() and path.parent.resolve().is_relative_to(folder.resolve()):
            path.unlink()
    (folder / ORIGIN).unlink(missing_ok=True)
    for here, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):  # it is not empty
            Path(here).rmdir()
    if folder.exists():
        places = (_aside(named, f"kept{number or ''}") for number in count())
        kept = next(place for place in places if not place.exists())
        folder.rename(kept)
        say(f"{named} was unpacked anew; what nullcrop did not unpack into it lies in {kept} now")


def _is_there(folder: Path, member: _Member) -> bool:
    path = folder / member.name
    return path.is_file() and path.stat().st_size == member.size


def _check_space(archive: Path, folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed:
        say(f"unpacking {archive.name}: {needed / 1e6:,.1f} MB, the disk has {free / 1e9:,.1f} GB left")
    if needed > free:
        raise NullcropError(
            f"unpacking {archive} takes {needed / 1e9:.1f} GB and the disk of {folder} has {free / 1e9:.1f} "
            "GB left; make room, or let `paths.resources` in the config name another disk"
        )


def _check_ways(folder: Path, files: list[_Member]) -> None:
    # A link put into the folder by somebody else would lead out of it as well.
    root = folder.resolve()
    parents = {PurePosixPath(member.name).parent for member in files}
    outside = sorted(str(way) for way in parents if not (root / way).resolve().is_relative_to(root))
    if outside:
        raise NullcropError(
            f"{folder} holds links that lead out of it: {listed(outside)}; delete the folder and try again"
        )


def _write(archive: Path, member: _Member, folder: Path) -> None:
    try:
        packed = member.open()
        assert packed is not None, "only files are written"
        with packed, written_whole(folder / member.name) as aside, open(aside, "wb") as stream:
            blocks = iter(lambda: packed.read(BLOCK), b"")
            for block in tracked(blocks, math.ceil(member.size / BLOCK), f"{member.name}, in MiB"):
                stream.write(block)
    except DAMAGED as error:
        raise NullcropError(
            f"{archive}: the member '{member.name}' is damaged ({error}); delete the archive and fetch it "
            "again"
        ) from None
