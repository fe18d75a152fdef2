"""ImageNet checkpoints: fetched outside compute jobs, verified by the hash in their name."""

import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import torch
from torch import Tensor
from torch.hub import download_url_to_file

from nullcrop.errors import NullcropError
from nullcrop.files import sha256_of, written_whole
from nullcrop.progress import say
from nullcrop.training.architectures import ARCHITECTURES


def checkpoint_url(architecture: str) -> str:
    """Address of the checkpoint; its file name ends in the first eight digits of its SHA-256."""
    weights = ARCHITECTURES[architecture].weights
    if weights is None:
        raise NullcropError(
            f"there are no ImageNet weights for {architecture}: use a recipe with `weights: random`"
        )
    return str(weights.url)


def fetch_weights(architecture: str, out: Path, url: str | None = None) -> None:
    """Put the checkpoint of ``architecture`` at ``out``, verified.

    A file of torchvision's own name that lies beside ``out`` already is taken in place of a
    download. ``url`` replaces torchvision's address (for a mirror). Raises NullcropError that
    says which file to put where when the download fails.
    """
    url = url or checkpoint_url(architecture)
    name = Path(urlsplit(url).path).name
    by_hand = out.with_name(name)
    with written_whole(out) as aside:
        if by_hand.is_file():
            say(f"taking {by_hand}")
            shutil.copyfile(by_hand, aside)
        else:
            say(f"downloading {url}")
            try:
                download_url_to_file(url, str(aside))
            # urllib, ssl and sockets each have their own errors; all mean that no file came.
            except Exception as error:
                raise NullcropError(
                    f"cannot download {url} ({error}); fetch it on a machine with internet and put it at "
                    f"{by_hand} or {out}"
                ) from None
        _verify(aside, _hash_prefix(name), name)


def read_weights(architecture: str, path: Path) -> dict[str, Tensor]:
    """The checkpoint's tensors by today's layer names, after its hash was verified."""
    url = checkpoint_url(architecture)
    if not path.is_file():
        raise NullcropError(f"there is no checkpoint at {path}: fetch {url} and put it there")
    _verify(path, _hash_prefix(url), str(path))
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    # Checkpoints of DenseNet keep the layer names of 2017 (`norm.1`), which modules cannot have today.
    return {
        re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.(\d)\.", r"\1\2.", key): w for key, w in state.items()
    }


def _hash_prefix(name: str) -> str:
    match = re.search(r"-([0-9a-f]{8,})\.pth$", name)
    if match is None:
        raise NullcropError(f"the checkpoint's name {name} does not end in a hash, so it cannot be verified")
    return match[1]


def _verify(path: Path, prefix: str, name: str) -> None:
    found = sha256_of(path)
    if not found.startswith(prefix):
        raise NullcropError(
            f"{name} is damaged or another file: its SHA-256 begins with {found[: len(prefix)]}, not {prefix}; "
            "delete it and fetch it again"
        )
