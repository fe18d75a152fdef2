"""What lies below a folder: its files in order, without what systems and tools leave behind."""

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nullcrop.basics.errors import NullcropError, listed

AUDIT_FOLDER = "nullcrop-audit"
"""Where an audit makes everything, unless another place is named."""

LITTER = {
    "macOS resource forks (._*)": r"\._.*",
    "folders of macOS resource forks (__MACOSX)": r"(__MACOSX|\.AppleDouble)/",
    "macOS folder settings (.DS_Store)": r"\.DS_Store|\.localized|Icon\r",
    "folders of Synology thumbnails (@eaDir)": r"@eaDir/",
    "recycle bins and snapshots of a NAS (#recycle, @Recycle)": (
        r"(#recycle|#snapshot|@Recycle|@Recently-Snapshot|@tmp|\.@__thumb)/"
    ),
    "Windows thumbnails and folder settings (Thumbs.db, desktop.ini)": r"(?i)(eh)?thumbs\.db|desktop\.ini",
    "Windows recycle bins ($RECYCLE.BIN)": r"(?i)(\$RECYCLE\.BIN|RECYCLER|System Volume Information)/",
    f"folders that an audit made ({AUDIT_FOLDER})": rf"{AUDIT_FOLDER}/",
    "leftovers of a disk check (lost+found)": r"lost\+found/",
    "backups of editors (*~)": r".*~|~\$.*",
    "hidden files and folders (.*)": r"\..*",
}
"""What systems and tools, nullcrop among them, put beside images, in words, and the names it has: the first
that fits counts. A folder's name ends in a slash here."""

NO_FILE = "pipes, sockets and devices"
"""What can be opened, but holds no image, and may never end."""

_KINDS = {words: re.compile(pattern, re.DOTALL) for words, pattern in LITTER.items()}


@dataclass(frozen=True)
class Walk:
    """What lies below a folder; all paths are relative to it, with slashes, in the order of their parts."""

    root: Path
    """The folder."""
    files: list[str]
    """Every file that is no litter, links to files among them."""
    folders: list[str]
    """Every folder that was read, `.` itself first."""
    litter: dict[str, int]
    """How many files and folders of each kind of :data:`LITTER` were passed over; a folder counts once."""
    dangling: list[str]
    """Links that lead nowhere."""
    loops: list[str]
    """Links to a folder that they lie in; they are not followed."""
    closed: list[str]
    """Folders that cannot be read."""

    @property
    def paths(self) -> list[Path]:
        """The files' paths, with the folder before them."""
        return [self.root / name for name in self.files]


def walk(root: Path | str) -> Walk:
    """Every file below ``root``; links to files and folders are followed.

    A folder is not entered again below itself, however it is reached. Two links to one folder are two
    folders. Nothing is opened, and nothing raised: what cannot be read is in the answer.
    """
    files: list[str] = []
    folders: list[str] = []
    litter: Counter[str] = Counter()
    dangling: list[str] = []
    loops: list[str] = []
    closed: list[str] = []
    # Each folder to be read, with the folders on the way to it as the disk knows them.
    left: list[tuple[str, frozenset[tuple[int, int]]]] = [("", frozenset())]
    while left:
        here, above = left.pop()
        try:
            folder = Path(root, here)
            facts = folder.stat()
            way = above | {(facts.st_dev, facts.st_ino)}
            if len(way) == len(above):
                loops.append(here)
                continue
            with os.scandir(folder) as entries:
                found = list(entries)
        except OSError:
            closed.append(here or ".")
            continue
        folders.append(here or ".")
        for entry in found:
            relative = f"{here}/{entry.name}" if here else entry.name
            is_folder, is_file = _kind(entry)
            words = litter_of(entry.name, is_folder)
            if words is not None:
                litter[words] += 1
            elif is_folder:
                left.append((relative, way))
            elif is_file:
                files.append(relative)
            elif entry.is_symlink():
                dangling.append(relative)
            else:
                litter[NO_FILE] += 1
    return Walk(
        root=Path(root),
        files=in_order(files),
        folders=in_order(folders),
        litter={words: litter[words] for words in (*LITTER, NO_FILE) if words in litter},
        dangling=in_order(dangling),
        loops=in_order(loops),
        closed=in_order(closed),
    )


def whole_walk(root: Path | str) -> Walk:
    """As :func:`walk`; raises NullcropError that names the folders that cannot be read, if there are any."""
    found = walk(root)
    if found.closed:
        raise NullcropError(
            f"folders below {root} cannot be read: {listed(found.closed)}; ask for the right to, or move "
            "them away"
        )
    return found


def litter_of(name: str, is_folder: bool = False) -> str | None:
    """The kind of litter (:data:`LITTER`) that a file or folder called ``name`` is; None: it is none."""
    shown = f"{name}/" if is_folder else name
    return next((words for words, pattern in _KINDS.items() if pattern.fullmatch(shown)), None)


def as_text(name: str) -> str:
    """``name`` as it can be written anywhere: a byte that is no UTF-8 becomes `\\xe4`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def in_order(paths: Iterable[str]) -> list[str]:
    """Relative ``paths`` in the order of their parts, so that a folder's files stay together."""
    return sorted(paths, key=lambda path: path.split("/"))


def _kind(entry: "os.DirEntry[str]") -> tuple[bool, bool]:
    """Whether it is a folder, and whether a file, behind links."""
    try:
        return entry.is_dir(), entry.is_file()
    except OSError:  # a link to itself, or into a folder that cannot be looked into
        return False, False
