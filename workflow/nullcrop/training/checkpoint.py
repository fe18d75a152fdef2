"""The state of a cell after an epoch, so that a killed training goes on bit for bit.

No generator state is kept: every random stream is a function of seed, epoch and step (streams.py).
"""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from nullcrop.files import written_whole
from nullcrop.progress import say


def save_checkpoint(
    path: Path,
    identity: str,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    history: list[dict[str, Any]],
) -> None:
    with written_whole(path) as aside:
        torch.save(
            {
                "identity": identity,
                "torch": str(torch.__version__),
                "network": network.state_dict(),
                "optimizer": optimizer.state_dict(),
                "history": history,
            },
            aside,
        )


def resume(
    path: Path, identity: str, network: nn.Module, optimizer: torch.optim.Optimizer
) -> list[dict[str, Any]]:
    """Load the checkpoint into network and optimizer; return the history so far, empty if none fits."""
    if not path.is_file():
        return []
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        fits = saved["identity"] == identity and saved["torch"] == str(torch.__version__)
    # torch.load of a damaged file raises many kinds of errors; all mean: start again.
    except Exception as error:
        say(f"the checkpoint {path} cannot be read ({error}); training starts anew")
        return []
    if not fits:
        say("the checkpoint was made with other inputs, parameters, numerics or torch; training starts anew")
        return []
    network.load_state_dict(saved["network"])
    optimizer.load_state_dict(saved["optimizer"])
    history: list[dict[str, Any]] = saved["history"]
    say(f"resumed after epoch {len(history)}")
    return history
