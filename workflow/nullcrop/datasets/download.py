"""Files from the internet: resumed, retried, verified, and there whole or not at all."""

import fcntl
import hashlib
import re
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from nullcrop.basics import progress
from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import read_json, sha256_of, write_json
from nullcrop.basics.progress import say

CHUNK = 2**16
"""Bytes read at a time, which are lost when the connection breaks off."""

TIMEOUTS = (20, 60)
"""Seconds to wait for a connection, and for the next bytes."""

LONGEST_PAUSE = 60.0
"""Seconds between two attempts at most, whatever the server asks for."""

WORTH_RETRYING = {408, 425, 429, *range(500, 600)}
"""Status codes that may be gone at the next attempt."""

GZIP = b"\x1f\x8b"
"""First bytes of a gzip file."""

LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1"}
"""Hosts that need no encryption on the way: a mirror on the same machine."""


class _Passing(Exception):
    """A failure that may be gone at the next attempt; ``pause`` is what the server asked for."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


class _Final(Exception):
    """A failure that another attempt would only repeat."""


def download(
    url: str,
    out: Path,
    checksum: str | None = None,
    lock: Path | None = None,
    attempts: int = 6,
    pause: float = 1.0,
) -> dict[str, Any]:
    """Put the file at ``url`` to ``out``, verified, and return its name, bytes, sha256 and checksum.

    ``checksum`` is what the release publishes, as `sha256:…` or `md5:…`. Without one the first
    download writes the file's SHA-256 into ``lock``, and later calls verify against that. A file
    at ``out`` is verified, not downloaded again.

    A download that broke off goes on where it stopped if the server still has the same file, else
    it starts afresh. Failed connections and failures of the server are tried again, up to
    ``attempts`` times without any progress, with pauses that double from ``pause`` seconds.
    Two processes must not fetch one file at once: hold :func:`alone`. Raises NullcropError that
    says which file to put where.
    """
    _check_address(url)
    if out.is_file():
        return verify(out, checksum, lock)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.part")
    say(f"downloading {url}")
    failures, furthest = 0, _size(partial)
    while True:
        try:
            _transfer(url, partial)
            break
        except _Final as error:
            raise _failed(url, out, str(error)) from None
        except _Passing as error:
            # A long download may break off any number of times, as long as it gets further.
            failures = 1 if _size(partial) > furthest else failures + 1
            furthest = max(furthest, _size(partial))
            if failures >= attempts:
                raise _failed(url, out, f"{error}, {failures} attempts") from None
            wait = min(max(pause * 2 ** (failures - 1), error.pause), LONGEST_PAUSE)
            say(f"{out.name}: {error}; trying again in {wait:.0f} s")
            time.sleep(wait)
    problem = _unlike_its_name(partial, out.name)
    if problem is not None:
        _forget(partial)
        raise _failed(url, out, problem)
    try:
        found = verify(partial, checksum, lock, out.name)
    except NullcropError:
        _forget(partial)
        raise
    partial.replace(out)
    _forget(partial)
    return found


def verify(
    path: Path, checksum: str | None = None, lock: Path | None = None, name: str | None = None
) -> dict[str, Any]:
    """Name, bytes, sha256 and kind of checksum of the file at ``path``, which must be what it should be.

    ``name`` is what the file is called when ``path`` is temporary. Raises NullcropError when the
    file differs from ``checksum``, or without one from what ``lock`` recorded of it.
    """
    name = name or path.name
    sha256 = sha256_of(path)
    entry = {"name": name, "bytes": path.stat().st_size, "sha256": sha256}
    if checksum is not None:
        kind, _, wanted = checksum.partition(":")
        digest = sha256 if kind == "sha256" else _digest(path, kind)
        if digest != wanted.lower():
            raise NullcropError(
                f"{name} is damaged or another file: its {kind.upper()} is {digest}, not {wanted.lower()}; "
                "delete it if it is there, and fetch it again"
            )
        return {**entry, "checksum": "published"}
    if lock is None:
        return {**entry, "checksum": "none"}
    problem = _unlike_its_name(path, name)
    if problem is not None:
        raise NullcropError(f"{path} is not what its name says: {problem}; delete it and fetch it again")
    recorded = read_json(lock) if lock.is_file() else {}
    if name not in recorded:
        write_json(lock, {**recorded, name: {"sha256": sha256, "bytes": entry["bytes"]}})
    elif recorded[name]["sha256"] != sha256:
        raise NullcropError(
            f"{name} is not the file of the first download: its SHA-256 is {sha256}, {lock} recorded "
            f"{recorded[name]['sha256']}; delete it if it is there, and fetch it again. If the release "
            f"itself has changed and you want its new state, delete its entry in {lock}"
        )
    return {**entry, "checksum": "recorded at the first download"}


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one process at a time work in ``folder``; others wait and say so."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that fetches into {folder}")
            fcntl.flock(stream, fcntl.LOCK_EX)
        except OSError as error:
            # Some network file systems have no locks; one fetch at a time works there as well.
            say(f"{folder} cannot be locked ({error.strerror}): do not fetch into it twice at once")
        yield


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOCAL_HOSTS):
        raise NullcropError(f"{url} is not an https address; nothing is downloaded without encryption")


def _transfer(url: str, partial: Path) -> None:
    """Bring ``partial`` to the whole file, from where it stands if the server has the same file."""
    known = _known(partial, url)
    start = _size(partial) if known else 0
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": known["validator"]}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUTS) as response:
            _check_response(response)
            if response.status_code == 416:
                # Asked for what lies behind the end: the partial file is whole, or of another file.
                if start == known.get("bytes"):
                    return
                _forget(partial)
                raise _Passing("the file has changed on the server")
            if response.status_code == 206 and not _continues(response, start, known.get("bytes")):
                _forget(partial)
                raise _Passing("the server sent another part than was asked for")
            if response.status_code != 206:
                start = 0
            # A part may end before the file does, whatever was asked for.
            total = known["bytes"] if start and known["bytes"] else _length(response, start)
            if start == 0:
                _remember(partial, url, response, total)
            _write(response, partial, start, total)
    except requests.exceptions.SSLError as error:
        # A kind of ConnectionError, but no certificate gets better by waiting.
        raise _Final(_reason(error)) from None
    except (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
    ) as error:
        raise _Passing(_reason(error)) from None
    except requests.RequestException as error:
        raise _Final(_reason(error)) from None


def _check_response(response: requests.Response) -> None:
    status = response.status_code
    _check_address(response.url)
    if status in WORTH_RETRYING:
        asked = response.headers.get("Retry-After", "")
        raise _Passing(f"HTTP status {status}", float(asked) if asked.isdigit() else 0.0)
    if status not in (200, 206, 416):
        raise _Final(f"HTTP status {status}")


def _write(response: requests.Response, partial: Path, start: int, total: int | None) -> None:
    began = told = time.monotonic()
    with open(partial, "r+b" if start else "wb") as stream:
        stream.seek(start)
        stream.truncate()
        for chunk in response.iter_content(CHUNK):
            stream.write(chunk)
            now = time.monotonic()
            if now - told >= progress.SECONDS_BETWEEN_LINES:
                told = now
                _tell(partial.name[1:-5], start, stream.tell(), total, now - began)
    if total is not None and _size(partial) != total:
        raise _Passing(f"the connection ended at {_size(partial)} of {total} bytes")


def _tell(name: str, start: int, done: int, total: int | None, seconds: float) -> None:
    if total is None:
        say(f"{name}: {done / 1e6:,.1f} MB")
        return
    left = seconds / (done - start) * (total - done)
    say(f"{name}: {done / 1e6:,.1f} of {total / 1e6:,.1f} MB, {progress.duration(left)} left")


def _continues(response: requests.Response, start: int, total: int | None) -> bool:
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", ""))
    if match is None or int(match[1]) != start:
        return False
    return match[3] == "*" or total is None or int(match[3]) == total


def _length(response: requests.Response, start: int) -> int | None:
    length = response.headers.get("Content-Length", "")
    return start + int(length) if length.isdigit() else None


def _notes(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")


def _remember(partial: Path, url: str, response: requests.Response, total: int | None) -> None:
    etag = response.headers.get("ETag", "")
    # A weak tag (W/…) does not promise the same bytes.
    validator = etag if etag.startswith('"') else response.headers.get("Last-Modified")
    write_json(_notes(partial), {"url": url, "validator": validator, "bytes": total})


def _known(partial: Path, url: str) -> dict[str, Any]:
    """What was noted of the file that ``partial`` is the beginning of; empty if it cannot be gone on with."""
    if not (partial.is_file() and _notes(partial).is_file()):
        return {}
    known: dict[str, Any] = read_json(_notes(partial))
    return known if known["url"] == url and known["validator"] else {}


def _forget(partial: Path) -> None:
    partial.unlink(missing_ok=True)
    _notes(partial).unlink(missing_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _unlike_its_name(path: Path, name: str) -> str | None:
    """Why the file cannot be what its name says; pages of errors come with status 200 at times."""
    if name.endswith(".zip") and not zipfile.is_zipfile(path):
        return "it is no complete zip"
    with open(path, "rb") as stream:
        beginning = stream.read(256)
    if name.endswith((".gz", ".tgz")) and not beginning.startswith(GZIP):
        return "it is no gzip file"
    if name.endswith(".csv") and beginning.lstrip().startswith(b"<"):
        return "it is a web page, not a table"
    return None


def _digest(path: Path, kind: str) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest()


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    # The innermost cause says it in words; what is around it repeats addresses and object names.
    inner: Any = error
    while inner.args and isinstance(inner.args[0], Exception):
        inner = inner.args[0]
    text = str(getattr(inner, "reason", inner))
    return text.rpartition(">: ")[2]


def _failed(url: str, out: Path, reason: str) -> NullcropError:
    return NullcropError(
        f"cannot download {url} ({reason}); fetch it on a machine with internet and put it at {out}"
    )
