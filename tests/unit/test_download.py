"""Downloads: resumed, retried, verified, recorded, and failing in words."""

import hashlib
import io
import json
import re
import threading
from collections.abc import Iterator
from contextlib import redirect_stderr, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import sha256_of
from nullcrop.basics.progress import duration
from nullcrop.datasets import download as module
from nullcrop.datasets.download import alone, download, verify

CONTENT = bytes(range(256)) * 4000


@dataclass
class Server:
    """One file, and how badly it is served."""

    content: bytes = CONTENT
    etag: str | None = '"one"'
    ranges: bool = True
    statuses: list[int] = field(default_factory=list)
    """Answers before the file is sent at all."""
    retry_after: str | None = None
    """What they ask for."""
    break_after: list[int] = field(default_factory=list)
    """Bytes after which each of the next answers breaks off."""
    asked: list[str | None] = field(default_factory=list)
    """The Range header of each request."""
    part: tuple[int, int] | None = None
    """First byte and size of the file, as the next answer to a Range has them, whatever was asked for."""
    most: int = len(CONTENT)
    """Bytes in an answer to a Range at most."""
    says_length: bool = True
    said: str | None = None
    """The Content-Range of each answer to a Range, whatever is sent."""
    redirect: str | None = None
    """Where the next request is sent."""
    address: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.headers["Range"])
            if state.statuses:
                self.send_response(state.statuses.pop(0))
                if state.retry_after:
                    self.send_header("Retry-After", state.retry_after)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if state.redirect:
                self.send_response(302)
                self.send_header("Location", state.redirect)
                self.send_header("Content-Length", "0")
                self.end_headers()
                state.redirect = None
                return
            start = 0
            # Without a condition a part of whatever file is there now (RFC 9110, section 13.1.5).
            unchanged = self.headers["If-Range"] in (None, state.etag)
            if self.headers["Range"] and state.ranges and unchanged:
                start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            total = len(state.content)
            if start and state.part:
                (start, total), state.part = state.part, None
            if start >= total:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{total}")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            end = total
            if start:
                end = min(total, start + state.most)
                true = f"bytes {start}-{end - 1}/{total}"
                self.send_header("Content-Range", true if state.said is None else state.said)
            if state.etag:
                self.send_header("ETag", state.etag)
            if state.says_length:
                self.send_header("Content-Length", str(end - start))
            self.end_headers()
            body = state.content[start:end]
            if state.break_after:
                self.wfile.write(body[: state.break_after.pop(0)])
                self.wfile.flush()
                self.connection.close()
            else:
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("", 0), Handler)
    httpd.handle_error = lambda *_: None  # type: ignore[method-assign]
    threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
    state.address = f"http://127.0.0.1:{httpd.server_port}/images.bin"
    yield state
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Every pause, which takes no time."""
    pauses: list[float] = []
    monkeypatch.setattr(module.time, "sleep", pauses.append)
    return pauses


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "CHUNK", 10_000)
    return tmp_path / "new" / "archive" / "images.bin"


def fetch(server: Server, out: Path, **options: object) -> dict[str, object]:
    return download(server.address, out, pause=0.01, **options)  # type: ignore[arg-type]


def break_off(server: Server, out: Path) -> None:
    """A download that ends after 300,000 bytes and is not tried again."""
    server.break_after = [300_000]
    with pytest.raises(NullcropError):
        fetch(server, out, attempts=1)


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def alone_in(out: Path) -> bool:
    return [path.name for path in out.parent.iterdir()] == [out.name]


def test_a_file_is_there_whole_with_nothing_beside_it(server: Server, out: Path) -> None:
    facts = fetch(server, out)
    assert out.read_bytes() == CONTENT
    assert facts == {"name": "images.bin", "bytes": 1_024_000, "sha256": sha256_of(out), "checksum": "none"}
    assert alone_in(out)


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_a_published_checksum_is_verified(server: Server, out: Path, kind: str) -> None:
    digest = hashlib.new(kind, CONTENT, usedforsecurity=False).hexdigest().upper()
    assert fetch(server, out, checksum=f"{kind}:{digest}")["checksum"] == "published"


def test_a_file_with_another_checksum_is_not_kept(server: Server, out: Path) -> None:
    with pytest.raises(NullcropError, match=rf"its MD5 is {md5(CONTENT)}, not {'0' * 32}"):
        fetch(server, out, checksum="md5:" + "0" * 32)
    assert list(out.parent.iterdir()) == []


def test_a_file_in_place_is_verified_and_not_downloaded(server: Server, out: Path) -> None:
    out.parent.mkdir(parents=True)
    out.write_bytes(CONTENT)
    fetch(server, out, checksum=f"md5:{md5(CONTENT)}")
    assert server.asked == []
    out.write_bytes(CONTENT[:-1])
    with pytest.raises(NullcropError, match=r"images\.bin is damaged or another file"):
        fetch(server, out, checksum=f"md5:{md5(CONTENT)}")


def test_a_connection_that_breaks_off_is_gone_on_with(
    server: Server, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.break_after = [300_000, 200_000]
    fetch(server, out)
    assert out.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=500000-"]
    assert "images.bin: the connection broke off; trying again in 0 s" in capsys.readouterr().err


def test_a_connection_that_breaks_off_loses_64_kib_at_most(server: Server, tmp_path: Path) -> None:
    server.break_after = [300_000]
    fetch(server, tmp_path / "images.bin")
    _, again = server.asked
    assert again is not None
    assert 0 <= 300_000 - int(again.removeprefix("bytes=").removesuffix("-")) <= 2**16


def test_a_download_stopped_in_the_middle_goes_on_in_the_next_run(server: Server, out: Path) -> None:
    break_off(server, out)
    assert not out.exists()
    fetch(server, out)
    assert out.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-"]
    assert alone_in(out)


def test_progress_is_not_counted_against_the_attempts(server: Server, out: Path) -> None:
    server.break_after = [100_000] * 8
    fetch(server, out, attempts=2)
    assert out.read_bytes() == CONTENT


@pytest.mark.parametrize("lost", [".images.bin.part", ".images.bin.part.json"])
def test_a_beginning_and_its_notes_are_worth_nothing_alone(server: Server, out: Path, lost: str) -> None:
    break_off(server, out)
    out.with_name(lost).unlink()
    fetch(server, out)
    assert server.asked == [None, None]
    assert out.read_bytes() == CONTENT
    assert alone_in(out)


def test_a_file_that_changed_on_the_server_is_fetched_afresh(server: Server, out: Path) -> None:
    break_off(server, out)
    server.content, server.etag = CONTENT[::-1], '"two"'
    fetch(server, out)
    assert out.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize(
    ("ranges", "etag", "asked"),
    [(False, '"one"', "bytes=300000-"), (True, None, None), (True, 'W/"weak"', None)],
)
def test_a_server_that_cannot_resume_starts_afresh(
    server: Server, out: Path, ranges: bool, etag: str | None, asked: str | None
) -> None:
    server.ranges, server.etag, server.break_after = ranges, etag, [300_000]
    fetch(server, out)
    assert out.read_bytes() == CONTENT
    assert server.asked == [None, asked]


def test_a_partial_file_that_is_whole_already_is_taken(server: Server, out: Path) -> None:
    break_off(server, out)
    out.with_name(".images.bin.part").write_bytes(CONTENT)
    fetch(server, out, checksum=f"md5:{md5(CONTENT)}")
    assert server.asked == [None, f"bytes={len(CONTENT)}-"]


@pytest.mark.parametrize(
    "part",
    [
        pytest.param((200_000, len(CONTENT)), id="an earlier beginning"),
        pytest.param((400_000, len(CONTENT)), id="a later beginning"),
        pytest.param((300_000, len(CONTENT) + 5), id="of a larger file"),
        pytest.param((300_000, len(CONTENT) - 5), id="of a smaller file"),
        pytest.param((len(CONTENT), len(CONTENT)), id="no such part, though the file is not whole"),
    ],
)
def test_a_part_that_was_not_asked_for_is_not_appended(
    server: Server, out: Path, part: tuple[int, int]
) -> None:
    break_off(server, out)
    server.part = part
    fetch(server, out)
    assert out.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", None]
    assert alone_in(out)


@pytest.mark.parametrize(
    ("said", "again"),
    [("bytes 300000-1023999/*", []), ("items 300000-1023999/1024000", [None]), ("", [None])],
)
def test_a_part_is_appended_only_where_the_server_says_which_it_is(
    server: Server, out: Path, said: str, again: list[None]
) -> None:
    break_off(server, out)
    server.said = said
    fetch(server, out)
    assert out.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", *again]


def test_a_part_shorter_than_was_asked_for_is_not_the_end(server: Server, out: Path, slept: object) -> None:
    """As a server may answer (RFC 9110, section 15.3.7)."""
    server.break_after, server.most = [300_000], 300_000
    fetch(server, out, attempts=2)
    assert server.asked == [None, "bytes=300000-", "bytes=600000-", "bytes=900000-"]
    assert out.read_bytes() == CONTENT


def test_the_beginning_from_another_address_is_not_gone_on_with(server: Server, out: Path) -> None:
    """A mirror may have another file under the same name and tag."""
    break_off(server, out)
    server.content, server.address = CONTENT[::-1], f"{server.address}?mirror"
    fetch(server, out)
    assert server.asked == [None, None]
    assert out.read_bytes() == CONTENT[::-1]


def test_a_redirect_out_of_encryption_is_refused(server: Server, out: Path) -> None:
    # A name of this machine that is not among those which need no encryption.
    server.redirect = server.address.replace("127.0.0.1", "127.0.0.2")
    with pytest.raises(NullcropError, match=r"127\.0\.0\.2.* is not an https address"):
        fetch(server, out)
    assert not out.exists()
    assert out.with_name(".images.bin.part").exists() is False


def test_a_busy_server_is_asked_again(server: Server, out: Path) -> None:
    server.statuses = [503, 429]
    fetch(server, out)
    assert out.read_bytes() == CONTENT
    assert len(server.asked) == 3


def test_what_may_be_gone_at_the_next_attempt_is_asked_for_again(
    server: Server, out: Path, slept: object
) -> None:
    server.content, again = b"small", set()
    # 416 is the answer to a Range, and has its own tests.
    for status in {*range(400, 600)} - {416}:
        server.statuses, server.asked = [status], []
        with suppress(NullcropError):
            fetch(server, out.with_name(f"{status}.bin"))
        if len(server.asked) > 1:
            again.add(status)
    passing = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
    assert again == {*passing, *range(500, 600)}


@pytest.mark.parametrize(
    ("pause", "retry_after", "pauses"),
    [
        (1, None, [1, 2, 4, 8, 16, 32, 60, 60]),
        (0.25, None, [0.25, 0.5, 1, 2, 4, 8, 16, 32]),
        (1, "7", [7, 7, 7, 8, 16, 32, 60, 60]),
        (1, "600", [60] * 8),
        (1, "Wed, 21 Oct 2026 07:28:00 GMT", [1, 2, 4, 8, 16, 32, 60, 60]),
    ],
)
def test_pauses_double_or_are_what_the_server_asks_for_and_never_long(
    server: Server, out: Path, slept: list[float], pause: float, retry_after: str | None, pauses: list[float]
) -> None:
    server.statuses, server.retry_after = [503] * 8, retry_after
    download(server.address, out, attempts=9, pause=pause)
    assert slept == pauses


def test_pauses_are_short_again_after_progress(server: Server, out: Path, slept: list[float]) -> None:
    server.break_after = [0, 0, 300_000, 0, 0]
    download(server.address, out)
    assert slept == [1, 2, 1, 2, 4]


def test_a_server_that_stays_busy_ends_in_words(server: Server, out: Path) -> None:
    server.statuses = [503] * 10
    with pytest.raises(NullcropError) as failure:
        fetch(server, out, attempts=3)
    assert str(failure.value) == (
        f"cannot download {server.address} (HTTP status 503, 3 attempts); fetch it on a machine with "
        f"internet and put it at {out}"
    )


def test_a_missing_file_is_asked_for_once(server: Server, out: Path) -> None:
    server.statuses = [404]
    with pytest.raises(NullcropError, match=r"HTTP status 404\); fetch it on a machine with internet"):
        fetch(server, out)
    assert len(server.asked) == 1


def test_without_a_network_the_message_says_which_file_to_put_where(out: Path) -> None:
    with pytest.raises(NullcropError) as failure:
        download("http://127.0.0.1:9/images.bin", out, attempts=2, pause=0.01)
    message = str(failure.value)
    assert "Connection refused" in message
    assert message.endswith(f"put it at {out}")


def test_what_no_waiting_mends_is_tried_once(server: Server, out: Path, slept: list[float]) -> None:
    """A server without encryption where it should have some, and an address that is none."""
    with pytest.raises(NullcropError, match=r"SSL.*fetch it on a machine with internet"):
        download(server.address.replace("http:", "https:"), out)
    server.redirect = "http://127.0.0.1:99999/images.bin"
    with pytest.raises(NullcropError, match=r"fetch it on a machine with internet and put it at"):
        fetch(server, out)
    assert slept == []


def test_an_address_without_encryption_is_refused(out: Path) -> None:
    with pytest.raises(NullcropError, match="is not an https address"):
        download("http://example.org/images.bin", out)


@pytest.mark.parametrize("says_length", [True, False])
def test_progress_of_a_long_download_is_told(
    server: Server,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    says_length: bool,
) -> None:
    """A block a second, 10,000 bytes, of a file that goes on at 300,000 where its size is known."""
    server.says_length = says_length
    if says_length:
        break_off(server, out)
    capsys.readouterr()
    clock = iter(range(1000))
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr("nullcrop.basics.progress.SECONDS_BETWEEN_LINES", 20.0)
    fetch(server, out)
    assert out.read_bytes() == CONTENT
    said = ["0.5 of 1.0 MB, 52 s left", "0.7 of 1.0 MB, 32 s left", "0.9 of 1.0 MB, 12 s left"]
    if not says_length:
        said = ["0.2 MB", "0.4 MB", "0.6 MB", "0.8 MB", "1.0 MB"]
    assert capsys.readouterr().err.splitlines()[1:] == [f"images.bin: {line}" for line in said]


@given(
    start=st.integers(0, 10**12),
    a_second=st.integers(1, 10**9),
    gone=st.integers(1, 10**5),
    left=st.integers(0, 10**5),
)
def test_what_is_done_and_left_of_any_download_is_told(
    start: int, a_second: int, gone: int, left: int
) -> None:
    done = start + a_second * gone
    total = done + a_second * left
    with redirect_stderr(io.StringIO()) as stream:
        module._tell("x.zip", start, done, total, gone)
    said = re.fullmatch(r"x\.zip: ([\d,.]+) of ([\d,.]+) MB, (.+) left\n", stream.getvalue())
    assert said is not None
    megabytes = [Decimal(text.replace(",", "")) for text in said.group(1, 2)]
    for shown, true in zip(megabytes, (done, total), strict=True):
        assert abs(shown - Decimal(true) / 10**6) < Decimal("0.051")
    assert said[3] == duration(left)


# What no release publishes is recorded


def test_the_first_download_records_its_checksum_and_later_ones_verify_it(server: Server, out: Path) -> None:
    lock = out.with_name("checksums.json")
    assert fetch(server, out, lock=lock)["checksum"] == "recorded at the first download"
    recorded = {"images.bin": {"sha256": sha256_of(out), "bytes": len(CONTENT)}}
    assert json.loads(lock.read_text()) == recorded
    out.unlink()
    fetch(server, out, lock=lock)
    out.unlink()
    server.content, server.etag = CONTENT + b"more", '"two"'
    with pytest.raises(NullcropError, match="is not the file of the first download") as failure:
        fetch(server, out, lock=lock)
    assert f"delete its entry in {lock}" in str(failure.value)
    assert not out.exists()
    assert json.loads(lock.read_text()) == recorded


def test_files_share_a_record(tmp_path: Path) -> None:
    lock = tmp_path / "checksums.json"
    for name in ("a.bin", "b.bin"):
        (tmp_path / name).write_text(name)
        verify(tmp_path / name, lock=lock)
    assert set(json.loads(lock.read_text())) == {"a.bin", "b.bin"}


@pytest.mark.parametrize(
    ("name", "words"), [("images.zip", "no complete zip"), ("labels.csv", "a web page, not a table")]
)
def test_a_page_of_errors_is_neither_kept_nor_recorded(
    server: Server, tmp_path: Path, name: str, words: str
) -> None:
    server.content = b"<html>come back later</html>"
    with pytest.raises(NullcropError, match=words):
        fetch(server, tmp_path / name, lock=tmp_path / "checksums.json")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / name).write_bytes(server.content)
    with pytest.raises(NullcropError, match=words):
        verify(tmp_path / name, lock=tmp_path / "checksums.json")


def test_a_second_process_waits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order = []

    def second() -> None:
        with alone(tmp_path):
            order.append("second")

    with alone(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.3)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert f"waiting for another process that fetches into {tmp_path}" in capsys.readouterr().err
