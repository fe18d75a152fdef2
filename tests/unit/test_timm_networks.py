"""Networks of timm by name, and published weights from a hub: timm's own test networks, and a server on
this machine."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from nullcrop.basics.errors import NullcropError
from nullcrop.training.architectures import build, freeze_encoder, input_size, normalisation
from nullcrop.training.weights import fetch_checkpoint, read_weights

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(("name", "size"), [("test_resnet", 32), ("test_vit", 32), ("test_vit", 160)])
def test_a_network_of_timm_answers_with_one_logit_a_target(name: str, size: int) -> None:
    network = build(f"timm:{name}", 3, size, seed=1).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, size, size)).shape == (2, 3)
    again = build(f"timm:{name}", 3, size, seed=1).state_dict()
    assert all(torch.equal(values, again[key]) for key, values in network.state_dict().items())


def test_timm_tells_the_input_size_and_how_it_is_normalised() -> None:
    assert input_size("timm:test_vit", None) == 160
    assert normalisation("timm:test_vit") == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def test_a_name_that_timm_does_not_have_is_said() -> None:
    with pytest.raises(NullcropError, match=r"has no network 'resnet18x'"):
        build("timm:resnet18x", 2, 32, seed=0)


def test_weights_of_another_network_are_said() -> None:
    state = timm.create_model("test_resnet", num_classes=1000).state_dict()
    state["conv1.0.weight"] = state["conv1.0.weight"][:3]
    with pytest.raises(
        NullcropError, match=r"timm cannot build 'test_resnet' .* these weights: Error\(s\) in"
    ):
        build("timm:test_resnet", 2, 160, seed=0, state=state)


def test_published_weights_are_loaded_and_the_head_is_new() -> None:
    torch.manual_seed(7)
    published = timm.create_model("test_resnet", num_classes=1000).state_dict()
    network = build("timm:test_resnet", 2, 160, seed=3, state=dict(published))
    state = network.state_dict()
    assert all(torch.equal(state[key], values) for key, values in published.items() if "fc." not in key)
    assert state["fc.weight"].shape[0] == 2
    freeze_encoder(network, "timm:test_resnet")
    assert {name for name, one in network.named_parameters() if one.requires_grad} == {"fc.weight", "fc.bias"}


# Fetching


class Hub:
    """A hub with one file in an open repository and in a gated one, which the token `secret` opens."""

    def __init__(self, file: Path) -> None:
        content = file.read_bytes()
        digest = hashlib.sha256(content).hexdigest()

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                parts = self.path.split("/")
                gated = parts[2] == "gated" and self.headers.get("Authorization") != "Bearer secret"
                found = parts[3:] == ["resolve", COMMIT, "model.safetensors"]
                self.send_response(401 if gated else 200 if found else 404)
                if gated:
                    self.send_header("X-Error-Code", "GatedRepo")
                elif not found:
                    self.send_header("X-Error-Code", "RevisionNotFound")
                else:
                    self.send_header("X-Repo-Commit", COMMIT)
                    self.send_header("ETag", f'"{digest}"')
                body = content if found and not gated else b""
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_GET = do_HEAD = answer

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.sha256 = digest
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    file = tmp_path_factory.mktemp("hub") / "model.safetensors"
    torch.manual_seed(5)
    save_file(timm.create_model("test_resnet", num_classes=10).state_dict(), file)
    hub = Hub(file)
    yield hub
    hub.server.shutdown()


def fetch(hub: Hub, repository: str, folder: Path, sha256: str = "", revision: str = COMMIT) -> Path:
    out = folder / f"timm:test_resnet-{sha256 or hub.sha256}.safetensors"
    fetch_checkpoint(repository, revision, "model.safetensors", out, hub.endpoint)
    return out


def test_fetched_weights_are_verified_and_train(hub: Hub, tmp_path: Path) -> None:
    out = fetch(hub, "owner/open", tmp_path)
    assert list(tmp_path.iterdir()) == [out]
    state = read_weights("timm:test_resnet", out)
    network = build("timm:test_resnet", 2, 160, seed=0, state=state)
    loaded = network.state_dict()
    assert all(torch.equal(loaded[key], values) for key, values in state.items() if "fc." not in key)
    out.write_bytes(out.read_bytes()[:-1] + b"x")
    with pytest.raises(NullcropError, match="damaged or another file"):
        read_weights("timm:test_resnet", out)


def test_another_file_than_the_one_pinned_is_refused(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(NullcropError, match="damaged or another file"):
        fetch(hub, "owner/open", tmp_path, sha256="0" * 64)
    assert not list(tmp_path.iterdir())


def test_a_gated_repository_needs_the_users_token(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(NullcropError, match=r"huggingface.co/owner/gated .* set HF_TOKEN"):
        fetch(hub, "owner/gated", tmp_path)
    monkeypatch.setenv("HF_TOKEN", "wrong")
    with pytest.raises(NullcropError, match="has no access") as caught:
        fetch(hub, "owner/gated", tmp_path)
    assert "wrong" not in str(caught.value)
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert fetch(hub, "owner/gated", tmp_path).is_file()
    assert "secret" not in capsys.readouterr().err


def test_a_hub_that_does_not_answer_says_where_to_put_the_file(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(NullcropError, match=r"put it at .*timm:test_resnet-"):
        fetch(hub, "owner/open", tmp_path, revision="f" * 40)
