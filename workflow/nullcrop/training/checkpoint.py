"""The state of a cell after an epoch, so that a killed training goes on bit for bit.

No generator state is kept: every random stream is a function of seed, epoch and step (streams.py).
"""

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nullcrop.basics.files import written_whole
from nullcrop.basics.progress import say
from nullcrop.training.arithmetic import device_name

WRITING_SHARE = 0.1
"""Of a cell's time what may go into writing checkpoints. VGG16's takes six seconds, on a fast GPU as long as
twenty of its epochs on a small dataset."""

WRITTEN_A_SECOND = 5e8
"""Bytes; assumed until a first checkpoint was written."""


class CheckpointPace:
    """Whether a checkpoint is due after an epoch: when what would be lost without it is worth the writing."""

    def __init__(self, network: nn.Module) -> None:
        # Weights and two moments of each.
        self._takes = 3 * sum(values.nbytes for values in network.parameters()) / WRITTEN_A_SECOND
        self._since = time.monotonic()

    def is_due(self) -> bool:
        """Whether the time since the last one is ten times as long as it takes to write one."""
        return self._takes <= WRITING_SHARE * (time.monotonic() - self._since)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Measure how long writing takes, and count from its end."""
        started = time.monotonic()
        yield
        self._since = time.monotonic()
        self._takes = self._since - started


def save_checkpoint(
    path: Path,
    identity: str,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    history: list[dict[str, Any]],
    best: dict[str, Tensor] | None = None,
) -> None:
    """Write the state after the last epoch of ``history`` to ``path``; ``best``: the weights of the best
    epoch."""
    # Through memory: on a full disk or quota torch.save itself says neither which file nor why.
    content = io.BytesIO()
    torch.save(
        {
            "made_by": _maker(identity, network),
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "history": history,
            "best": best,
        },
        content,
    )
    # Where another process trains the same cell (a workflow was killed and started again while its
    # jobs ran on), the one that finishes first takes the folder away; the other needs it no more.
    with suppress(FileNotFoundError), written_whole(path) as aside:
        aside.write_bytes(content.getbuffer())


def resume(
    path: Path, identity: str, network: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[list[dict[str, Any]], dict[str, Tensor] | None]:
    """Load the checkpoint into network and optimizer.

    Returns the history so far, empty if no checkpoint fits, and the weights of the best epoch, where they
    were kept.
    """
    if not path.is_file():
        return [], None
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        fits = saved["made_by"] == _maker(identity, network)
    # torch.load of a damaged file raises many kinds of errors; all mean: start again.
    except Exception as error:
        say(f"the checkpoint {path} cannot be read ({error}); training starts anew")
        return [], None
    if not fits:
        say(
            "the checkpoint was made from other inputs or parameters or on another machine; training starts "
            "anew"
        )
        return [], None
    network.load_state_dict(saved["network"])
    optimizer.load_state_dict(saved["optimizer"])
    history: list[dict[str, Any]] = saved["history"]
    say(f"resumed after epoch {len(history)}")
    return history, saved.get("best")


def _maker(identity: str, network: nn.Module) -> str:
    """What must be the same for a checkpoint to go on bit for bit: the cell, torch, and the device's
    model."""
    return f"{identity} torch {torch.__version__} {device_name(next(network.parameters()).device)}"
