"""Whether a finished cell is whole: what a crash left empty or cut short is no result."""

from functools import cache
from pathlib import Path
from typing import Any

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import read_json, sha256_of


def whole_record(folder: Path) -> dict[str, Any]:
    """What the cell.json in ``folder`` records, after the cell's tables were compared with it.

    Raises FileNotFoundError when there is no cell.json, and NullcropError, which names the file, when one of
    the cell's files is missing, empty, cut short or another one.
    """
    path = folder / "cell.json"
    try:
        record = read_json(path)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from None
    if not isinstance(record, dict):
        raise _damaged(path, "it is no mapping of keys")
    _check(folder / "predictions.csv", record.get("predictions_sha256") or "")
    _check(folder / "history.csv", record.get("history_sha256"))
    return record


def damage(folder: Path) -> str | None:
    """What is wrong with the finished cell in ``folder``; None where it is whole, or is none yet."""
    try:
        whole_record(folder)
    except NullcropError as error:
        return str(error)
    except FileNotFoundError:
        pass
    return None


def is_whole(folder: Path) -> bool:
    """Whether ``folder`` holds a finished cell with all its files as they were written."""
    return (folder / "cell.json").is_file() and damage(folder) is None


def _check(path: Path, sha256: str | None) -> None:
    """Raise NullcropError unless ``path`` has this checksum; None: of a version that recorded none."""
    try:
        if sha256 is None:
            # Every table ends with a line's end, and the rest of a block that was never written is zeros.
            with open(path, "rb") as stream:
                stream.seek(-1, 2)
                whole = stream.read() == b"\n"
        else:
            whole = known_sha256(path) == sha256
    except OSError as error:
        raise _damaged(path, "it is empty" if path.is_file() else error.strerror) from None
    if not whole:
        raise _damaged(path, "its checksum is not the one in cell.json" if sha256 else "its end is missing")


def known_sha256(path: Path) -> str:
    """SHA-256 of a small file, read once as long as the file stays as it is."""
    stat = path.stat()
    return _checksum(str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns)


@cache
def _checksum(path: str, inode: int, size: int, changed: int) -> str:
    # Once a file, however often `status --watch` looks at it.
    return sha256_of(path)


def _damaged(path: Path, reason: object) -> NullcropError:
    return NullcropError(
        f"{path} is damaged or half-written ({reason}); run the workflow again, and its cell is made again"
    )
