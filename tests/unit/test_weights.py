"""Fetching ImageNet checkpoints: from a server, from a file put there by hand, and failing in words."""

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import sha256_of
from nullcrop.config.readers import NETWORKS
from nullcrop.training.weights import checkpoint_url, fetch_weights, read_weights

CONTENT = b"weights" * 1000


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    folder = tmp_path / "served"
    folder.mkdir()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}", folder
    httpd.shutdown()


def serve(server: tuple[str, Path], prefix: str | None = None) -> str:
    address, folder = server
    (folder / "content").write_bytes(CONTENT)
    name = f"resnet50-{prefix or sha256_of(folder / 'content')[:8]}.pth"
    (folder / "content").rename(folder / name)
    return f"{address}/{name}"


def test_a_download_is_verified_and_put_in_place(server: tuple[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "weights" / "resnet50.pth"
    fetch_weights("resnet50", out, serve(server))
    assert out.read_bytes() == CONTENT
    assert list(out.parent.iterdir()) == [out]


def test_a_download_with_another_hash_is_refused(server: tuple[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "weights" / "resnet50.pth"
    with pytest.raises(NullcropError, match="damaged or another file"):
        fetch_weights("resnet50", out, serve(server, prefix="00000000"))
    assert list(out.parent.iterdir()) == []


def test_without_a_network_the_message_says_which_file_to_put_where(tmp_path: Path) -> None:
    out = tmp_path / "resnet50.pth"
    with pytest.raises(NullcropError) as failure:
        fetch_weights("resnet50", out, "http://127.0.0.1:9/resnet50-0676ba61.pth")
    assert str(tmp_path / "resnet50-0676ba61.pth") in str(failure.value)
    assert str(out) in str(failure.value)


def test_a_file_put_there_by_hand_is_taken(tmp_path: Path) -> None:
    by_hand = tmp_path / "content"
    by_hand.write_bytes(CONTENT)
    name = f"resnet50-{sha256_of(by_hand)[:8]}.pth"
    by_hand.rename(tmp_path / name)
    out = tmp_path / "resnet50.pth"
    fetch_weights("resnet50", out, f"http://127.0.0.1:9/{name}")
    assert out.read_bytes() == CONTENT


def test_a_damaged_file_is_found_before_training(tmp_path: Path) -> None:
    damaged = tmp_path / "resnet50.pth"
    damaged.write_bytes(b"half a download")
    with pytest.raises(NullcropError, match="SHA-256 begins with"):
        read_weights("resnet50", damaged)


def test_weights_that_are_missing_or_that_nothing_verifies_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "weights-0123456789.pth"
    with pytest.raises(NullcropError, match=f"no checkpoint at {missing}: fetch {checkpoint_url('vgg16')}"):
        read_weights("vgg16", missing)
    with pytest.raises(NullcropError, match=f"no checkpoint at {missing}: fetch it and put it there"):
        read_weights("timm:test_resnet", missing)
    nameless = tmp_path / "weights.pth"
    nameless.touch()
    with pytest.raises(NullcropError, match=r"name weights\.pth does not end in a hash"):
        read_weights("timm:test_resnet", nameless)


@pytest.mark.parametrize("name", [name for name in NETWORKS if NETWORKS[name].checkpoint])
def test_every_published_name_carries_its_hash(name: str) -> None:
    assert re.fullmatch(r"https://.+-[0-9a-f]{8,10}\.pth", checkpoint_url(name))


def test_lenet5_has_no_imagenet_weights() -> None:
    with pytest.raises(NullcropError, match="no ImageNet weights for lenet5"):
        checkpoint_url("lenet5")
