"""What every way of running a training step has in common: order of the images, seeds, logits, parts of a
batch."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from nullcrop.basics.errors import NullcropError
from nullcrop.config.cell import Cell
from nullcrop.config.recipe import Recipe
from nullcrop.training.streams import stream_seed


def epoch_order(cell: Cell, epoch: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """``rows`` in the order in which ``cell`` trains on them in that epoch."""
    return np.random.default_rng(stream_seed(cell.seed, cell.architecture, "order", epoch)).permutation(rows)


def seed_generator(seed: int, device: torch.device) -> None:
    """Seed torch's generator on ``device`` as torch.manual_seed does.

    On a CPU that one also formats a traceback for each kind of accelerator that is not in use: a tenth
    of a small network's step.
    """
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def class_logits(output: Tensor) -> Tensor:
    """A logit a target. One output is the log-odds of target 1: beside a zero, its cross-entropy is the
    binary one."""
    return functional.pad(output, (1, 0)) if output.shape[1] == 1 else output


def parts_of(size: int, micro_batch: int | None) -> list[slice]:
    """A batch of ``size`` images in parts of ``micro_batch``; None: in one."""
    step = micro_batch or size
    return [slice(start, min(start + step, size)) for start in range(0, size, step)]


def check_loss(mean_loss: float, cell: Cell, recipe: Recipe, epoch: int) -> None:
    """Raise NullcropError when the loss is no longer a number."""
    if not np.isfinite(mean_loss):
        raise NullcropError(
            f"the training loss became {mean_loss} in epoch {epoch} of {cell.path}: try a learning rate "
            f"below {recipe.learning_rate:g}; nothing was written"
        )
