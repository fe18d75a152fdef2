"""Networks of timm by name (`timm:NAME`): what timm knows of them, and how one is built.

timm is imported where it is asked: that takes longer than importing torch, and no other cell waits for it.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nullcrop.basics.errors import NullcropError

if TYPE_CHECKING:
    from timm.models import PretrainedCfg


def timm_config(name: str) -> "PretrainedCfg":
    """What timm knows of ``name`` (without `timm:`), input size and normalisation among it.

    Raises NullcropError when timm has no such network.
    """
    import timm
    from timm.models import PretrainedCfg

    if not timm.is_model(name):
        near = timm.list_models(f"*{name.partition('.')[0]}*")[:5]
        raise NullcropError(
            f"timm {timm.__version__} has no network '{name}'"
            + (f"; it has {', '.join(near)}" if near else "; `timm.list_models()` names those it has")
        )
    return timm.get_pretrained_cfg(name) or PretrainedCfg()


def build_timm(name: str, outputs: int, size: int, seed: int, state: dict[str, Tensor] | None) -> nn.Module:
    """timm's network ``name`` with ``outputs`` logits, for inputs of ``size`` pixels.

    ``seed`` decides every random weight; of ``state``, its published weights, all but the head's are loaded.
    """
    options: dict[str, Any] = {"num_classes": outputs}
    if state is not None:
        options |= {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": state, "custom_load": False}}
    if size == timm_config(name).input_size[-1]:
        return _create(name, seed, options)
    try:
        # Transformers are built for a size; a convolutional network takes any, and no such option.
        return _create(name, seed, {**options, "img_size": size})
    except TypeError as error:
        if "img_size" not in str(error):
            raise
        return _create(name, seed, options)


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Tensors of a published checkpoint, safetensors or torch's own kind."""
    from timm.models import load_state_dict

    tensors: dict[str, Tensor] = load_state_dict(str(path), device="cpu", weights_only=True)
    return tensors


def _create(name: str, seed: int, options: dict[str, Any]) -> nn.Module:
    import timm

    torch.manual_seed(seed)
    try:
        network: nn.Module = timm.create_model(name, **options)
    except (AssertionError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise NullcropError(
            f"timm cannot build '{name}' for this input size or from these weights: {reason}"
        ) from None
    return network
