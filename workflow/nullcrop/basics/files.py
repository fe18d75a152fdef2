"""Files that appear whole or not at all, and their checksums."""

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NO_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)
"""What a file system answers that cannot flush a folder."""


@contextmanager
def written_whole(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` when the block succeeds.

    The temporary name is unique, so that two processes may write the same file at once: the
    later rename wins and a reader never sees half a file. It keeps the suffix, because NumPy
    and Matplotlib choose the format by it. When the block raises, nothing is left behind.

    The file is flushed to the disk before it is renamed, and its folder afterwards: else a node that
    crashes may leave an empty file of the right name, or the last of several files without the first.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.stem}.{secrets.token_hex(8)}{path.suffix}")
    # Not tempfile's, which is for the owner alone; results are shared within a group. The mode is
    # left to the system, because the umask can only be read by changing it for all threads.
    aside.touch(mode=0o666, exist_ok=False)
    try:
        yield aside
        _flush(aside)
        os.replace(aside, path)
        _flush(path.parent)
    except OSError as error:
        # By itself a write onto a full disk names no file.
        error.filename = error.filename or str(path)
        raise
    finally:
        aside.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Wait until a file's content, or a folder's names, are on the disk."""
    # Read-only: the owner may have taken the right to write away.
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:
        if path.is_dir():
            return  # names may be written into it, but not listed
        raise
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems flush no folder; what they lose in a crash is beyond us.
        if not (path.is_dir() and error.errno in NO_FLUSH):
            raise
    finally:
        os.close(handle)


def write_json(path: Path | str, content: Any) -> None:
    """Write ``content`` as indented JSON, whole or not at all."""
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    with written_whole(path) as aside:
        # Bytes of a file's name that are no text, which Python keeps as surrogates, become \udc…: JSON, too.
        aside.write_text(text, encoding="utf-8", errors="backslashreplace")


def read_json(path: Path | str) -> Any:
    """Read a JSON file written by :func:`write_json`."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def sha256_of(path: Path | str) -> str:
    """SHA-256 of a file's bytes, in hexadecimal, read in blocks."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_of_lines(lines: Iterator[str] | list[str]) -> str:
    """SHA-256 of strings, one a line: the identity of an ordered list of names."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()
