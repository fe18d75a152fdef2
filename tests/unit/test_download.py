"""Downloads: resumed, retried, verified, recorded, and failing in words."""

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import sha256_of
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
    break_after: list[int] = field(default_factory=list)
    """Bytes after which each of the next answers breaks off."""
    asked: list[str | None] = field(default_factory=list)
    """The Range header of each request."""
    part: tuple[int, int] | None = None
    """First byte and size of the file, as the next answer to a Range has them, whatever was asked for."""
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
            if start:
                true = f"bytes {start}-{total - 1}/{total}"
                self.send_header("Content-Range", true if state.said is None else state.said)
            if state.etag:
                self.send_header("ETag", state.etag)
            self.send_header("Content-Length", str(total - start))
            self.end_headers()
            body = state.content[start:]
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
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "CHUNK", 10_000)
    return tmp_path / "archive" / "images.bin"


def fetch(server: Server, out: Path, **options: object) -> dict[str, object]:
    return download(server.address, out, pause=0.01, **options)  # type: ignore[arg-type]


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
    out.parent.mkdir()
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


def test_a_download_stopped_in_the_middle_goes_on_in_the_next_run(server: Server, out: Path) -> None:
    server.break_after = [300_000]
    with pytest.raises(NullcropError):
        fetch(server, out, attempts=1)
    assert not out.exists()
    fetch(server, out)
    assert out.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-"]
    assert alone_in(out)


def test_progress_is_not_counted_against_the_attempts(server: Server, out: Path) -> None:
    server.break_after = [100_000] * 8
    fetch(server, out, attempts=2)
    assert out.read_bytes() == CONTENT


def test_a_file_that_changed_on_the_server_is_fetched_afresh(server: Server, out: Path) -> None:
    server.break_after = [300_000]
    with pytest.raises(NullcropError):
        fetch(server, out, attempts=1)
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
    server.break_after = [300_000]
    with pytest.raises(NullcropError):
        fetch(server, out, attempts=1)
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
    server.break_after = [300_000]
    with pytest.raises(NullcropError):
        fetch(server, out, attempts=1)
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
    server.break_after = [300_000]
    with pytest.raises(NullcropError):
        fetch(server, out, attempts=1)
    server.said = said
    fetch(server, out)
    assert out.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", *again]


def test_the_beginning_from_another_address_is_not_gone_on_with(server: Server, out: Path) -> None:
    """A mirror may have another file under the same name and tag."""
    server.break_after = [300_000]
    with pytest.raises(NullcropError):
        fetch(server, out, attempts=1)
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


def test_an_address_without_encryption_is_refused(out: Path) -> None:
    with pytest.raises(NullcropError, match="is not an https address"):
        download("http://example.org/images.bin", out)


def test_progress_of_a_long_download_is_told(
    server: Server, out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("nullcrop.basics.progress.SECONDS_BETWEEN_LINES", 0.0)
    fetch(server, out)
    assert "images.bin: 0.5 of 1.0 MB, 0.0 s left\n" in capsys.readouterr().err


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
