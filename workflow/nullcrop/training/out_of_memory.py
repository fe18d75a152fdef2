"""When a network does not fit into the device's memory: the same mathematics in smaller parts, or clear
words."""

import gc

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from nullcrop.basics.errors import NullcropError
from nullcrop.config.cell import Cell
from nullcrop.config.readers import NETWORKS
from nullcrop.config.recipe import Recipe
from nullcrop.training.architectures import build
from nullcrop.training.arithmetic import device_name


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether ``error`` says that the device's memory is short, in torch's words or in those of CUDA's
    libraries."""
    return isinstance(error, torch.cuda.OutOfMemoryError) or any(
        words in str(error) for words in ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
    )


def smaller_batch(
    cell: Cell, recipe: Recipe, size: int, micro_batch: int | None, device: torch.device, error: Exception
) -> int:
    """Images to hold at a time after ``micro_batch`` of them (None: the whole batch) did not fit.

    Gradients add up over the parts of a batch, unless batch normalisation takes its statistics from the
    whole.
    Raises NullcropError where no smaller part is left or would be another training.
    """
    images = micro_batch or recipe.batch_size
    what = (
        f"{cell.architecture} with inputs of {size}×{size} pixels, {images} at a time, does not fit into the "
        f"memory of {_memory(device)}"
    )
    help_ = f"take a device with more memory, or a recipe with an `input_size` below {size}"
    if recipe.train == "all" and any(
        isinstance(layer, _BatchNorm) for layer in layers(cell.architecture, size)
    ):
        raise NullcropError(
            f"{what}, and its batch normalisation needs all {recipe.batch_size} images of a batch at once: "
            f"{help_}, or fewer cells at a time (`in_flight`). torch said: {_first_words(error)}"
        )
    if images == 1:
        raise NullcropError(f"{what}: {help_}. torch said: {_first_words(error)}")
    return images // 2


def draws_in_training(name: str) -> bool:
    """Whether the network draws random numbers in a step. Of timm's it is assumed: not all of them show
    it."""
    if name not in NETWORKS:
        return True
    return any(
        isinstance(layer, nn.modules.dropout._DropoutNd) for layer in layers(name, NETWORKS[name].input_side)
    )


def layers(name: str, size: int) -> list[nn.Module]:
    """All layers of a network for inputs of ``size`` pixels, without the memory of its weights."""
    with torch.device("meta"):
        return list(build(name, 2, size, 0).modules())


def free_memory(device: torch.device) -> None:
    """Give back what no tensor uses any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _memory(device: torch.device) -> str:
    if device.type != "cuda":
        return device_name(device)
    free, total = torch.cuda.mem_get_info(device)
    return f"{device_name(device)} ({total / 2**30:.1f} GiB, {free / 2**30:.1f} of them free)"


def _first_words(error: Exception) -> str:
    """The part of torch's words that tells sizes: later sentences name its settings."""
    return ". ".join(str(error).split(". ")[:3]).rstrip(".")
