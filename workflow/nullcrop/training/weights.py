"""ImageNet checkpoints: fetched outside compute jobs, verified by the hash in their name."""

import os
import re
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import torch
from torch import Tensor
from torch.hub import download_url_to_file

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import sha256_of, written_whole
from nullcrop.basics.progress import say
from nullcrop.config.readers import NETWORKS
from nullcrop.training.timm_networks import read_checkpoint


def checkpoint_url(architecture: str) -> str:
    """Address of the checkpoint; its file name ends in the first eight digits of its SHA-256."""
    weights = NETWORKS[architecture].checkpoint
    if weights is None:
        raise NullcropError(
            f"there are no ImageNet weights for {architecture}: use a recipe with `weights: random`"
        )
    from torchvision.models import get_weight

    return str(get_weight(weights).url)


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


def fetch_checkpoint(
    repository: str, revision: str, file: str, out: Path, endpoint: str | None = None
) -> None:
    """Put ``file`` of a Hugging Face ``repository`` at one ``revision`` at ``out``, whose name ends in its
    SHA-256.

    A gated repository is asked with the user's own token (the environment's HF_TOKEN), which is neither
    stored nor printed. ``endpoint`` replaces huggingface.co. Raises NullcropError that says what to do when
    no file comes, or another one.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    page = f"https://huggingface.co/{repository}"
    token = os.environ.get("HF_TOKEN")
    say(f"downloading {file} of {page} at {revision}")
    out.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=out.parent, prefix=".fetching") as folder,
        written_whole(out) as aside,
    ):
        try:
            fetched = hf_hub_download(
                repository, file, revision=revision, local_dir=folder, token=token or False, endpoint=endpoint
            )
        # Without a token a gated repository may answer as if there were none.
        except (GatedRepoError, RepositoryNotFoundError):
            raise NullcropError(
                f"{page} does not give its files to everyone: "
                + (
                    "the account of HF_TOKEN has no access; ask for it on that page"
                    if token
                    else "ask for access on that page and set HF_TOKEN to a token of your account"
                )
                + " (if there is no such repository, correct `weights:` in the config); or put the file at "
                + str(out)
            ) from None
        # The hub's client, its transport and the system each have their own errors; all mean that no file
        # came.
        except Exception as error:
            raise NullcropError(
                f"cannot download {file} of {page} at {revision} ({str(error).partition(chr(10))[0]}); fetch "
                f"it on a machine with internet and put it at {out}"
            ) from None
        shutil.move(fetched, aside)
        _verify(aside, _hash_prefix(out.name), f"{file} of {page}")


def read_weights(architecture: str, path: Path) -> dict[str, Tensor]:
    """The checkpoint's tensors by today's layer names, after its hash was verified."""
    if architecture not in NETWORKS:
        if not path.is_file():
            raise NullcropError(f"there is no checkpoint at {path}: fetch it and put it there")
        _verify(path, _hash_prefix(path.name), str(path))
        return read_checkpoint(path)
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
    match = re.search(r"-([0-9a-f]{8,})\.(?:pth|safetensors|bin)$", name)
    if match is None:
        raise NullcropError(f"the checkpoint's name {name} does not end in a hash, so it cannot be verified")
    return match[1]


def _verify(path: Path, prefix: str, name: str) -> None:
    found = sha256_of(path)
    if not found.startswith(prefix):
        raise NullcropError(
            f"{name} is damaged or another file: its SHA-256 begins with {found[: len(prefix)]}, not "
            f"{prefix}; delete it and fetch it again"
        )
