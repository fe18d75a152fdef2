"""Train one cell, from the store and a split to predictions; interrupted at will, resumed bit for bit."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from nullcrop.config.cell import Cell
from nullcrop.config.recipe import Recipe
from nullcrop.errors import NullcropError
from nullcrop.files import sha256_of
from nullcrop.images.store import View
from nullcrop.progress import duration, say, tracked
from nullcrop.training.architectures import (
    build,
    freeze_encoder,
    input_size,
    network_versions,
    set_dropout,
)
from nullcrop.training.augmentation import augmented
from nullcrop.training.cells import (
    CHECKPOINT,
    bring_out,
    identity_of,
    is_kept,
    open_view,
    read_split,
    rows_of_parts,
    versions,
    working,
    write_cell,
)
from nullcrop.training.checkpoint import resume, save_checkpoint
from nullcrop.training.data import InputImages, batches
from nullcrop.training.energy import EnergyMeter
from nullcrop.training.numerics import Numerics, check_demand, device_name, set_numerics
from nullcrop.training.optimizer import EagerAdam
from nullcrop.training.schedule import best_epoch, is_over, learning_rate
from nullcrop.training.streams import stream_seed
from nullcrop.training.usage import begin_usage, usage_of
from nullcrop.training.weights import read_weights


@dataclass(frozen=True)
class CellJob:
    """Everything that decides a cell, and where its files lie."""

    cell: Cell
    recipe: Recipe
    view: Path
    """The store's {view}.json."""
    split: Path
    """CSV with the columns id, group, target and part."""
    weights: Path | None
    """ImageNet checkpoint, where the recipe starts from one."""
    device: str
    threads: int
    numerics: str | None
    """The one arithmetic to train under; None: the machine's."""
    out: Path
    """Folder of predictions.csv, history.csv and cell.json."""
    work: Path
    """Folder of checkpoint and heartbeat; removed when the cell is done."""


def train_cell(job: CellJob) -> None:
    """Train, predict the test images once, and write predictions.csv, history.csv and cell.json.

    A cell that was finished from the same inputs, parameters and numerics is kept as it is; a copy
    beside ``work`` brings it back when its files are gone, because a workflow deletes the outputs of
    a job before it runs and after it fails. A checkpoint after each epoch lets a killed cell go on; it ends as if it had not been killed.
    Raises NullcropError when inputs do not fit together or the loss is no longer a number.
    """
    bring_out(job.out, job.work, keep_cell(job))


def keep_cell(job: CellJob) -> str:
    """Do all that :func:`train_cell` does but write ``job.out``; return the identity of the kept cell."""
    with working(job.work):
        split = read_split(job.split)
        view = open_view(job.view, split, job.split)
        numerics = set_numerics(job.device, job.threads)
        identity = _identity(job, view, numerics)
        if not is_kept(job.out, job.work, identity):
            check_demand(numerics, job.numerics)
            _train(job, view, split, numerics, identity)
    return identity


def _train(job: CellJob, view: View, split: pd.DataFrame, numerics: Numerics, identity: str) -> None:
    started = time.monotonic()
    begin_usage(numerics.device)
    size = input_size(job.cell.architecture, job.recipe.input_size)
    images = InputImages(view, size, numerics.device, job.cell.architecture)
    targets = torch.tensor(split["target"].to_numpy(), device=numerics.device)
    rows = rows_of_parts(split)
    n_targets = int(split["target"].max()) + 1

    pretrained = read_weights(job.cell.architecture, job.weights) if job.weights else None
    network, optimizer = new_network(job.cell, job.recipe, n_targets, size, numerics.device, pretrained)
    history, best = resume(job.work / CHECKPOINT, identity, network, optimizer)

    while not is_over(job.recipe, history):
        epoch, epoch_started, meter = len(history) + 1, time.monotonic(), EnergyMeter(numerics.device)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(job.recipe, history)
        train_loss, train_accuracy = train_epoch(
            job.cell, job.recipe, epoch, network, optimizer, images, targets, rows["train"]
        )
        logits = predict(network, images, rows["val"], job.recipe.batch_size)
        truth = targets[torch.from_numpy(rows["val"]).to(targets.device)]
        history.append(
            {
                "epoch": epoch,
                "train_loss": train_loss,
                "train_accuracy": train_accuracy,
                "val_loss": functional.cross_entropy(logits, truth).item(),
                "val_accuracy": (logits.argmax(1) == truth).double().mean().item(),
                "seconds": time.monotonic() - epoch_started,
                "energy_kwh": meter.kwh(),
            }
        )
        if job.recipe.tested == "best" and best_epoch(history) == epoch:
            best = {name: values.clone() for name, values in network.state_dict().items()}
        if epoch < job.recipe.epochs:
            save_checkpoint(job.work / CHECKPOINT, identity, network, optimizer, history, best)
        last = history[-1]
        left = sum(row["seconds"] for row in history) / epoch * (job.recipe.epochs - epoch)
        say(
            f"epoch {epoch}/{job.recipe.epochs}: loss {train_loss:.4f} (val {last['val_loss']:.4f}), "
            f"accuracy {train_accuracy:.3f} (val {last['val_accuracy']:.3f}), "
            f"{duration(last['seconds'])}, {duration(left)} left"
        )

    if best is not None:
        network.load_state_dict(best)
    logits = predict(network, images, rows["test"], job.recipe.batch_size)
    if not torch.isfinite(logits).all():
        raise NullcropError(
            f"the trained network answers with values that are no numbers ({job.out}): "
            f"try a learning rate below {job.recipe.learning_rate:g}; nothing was written"
        )
    write_cell(
        job.cell,
        job.work,
        split,
        logits.cpu().numpy(),
        history,
        {
            "recipe": asdict(job.recipe),
            "input_size": size,
            "numerics": numerics.name,
            "identity": identity,
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "tested_epoch": best_epoch(history) if best is not None else len(history),
            "seconds": sum(row["seconds"] for row in history),
            "energy_kwh": _energy_of(history),
            **usage_of(history, len(rows["train"]), numerics.device),
            "seconds_of_this_run": time.monotonic() - started,
            "hardware": device_name(numerics.device),
            "versions": versions(torch=torch.__version__, **network_versions(job.cell.architecture)),
        },
    )


def new_network(
    cell: Cell,
    recipe: Recipe,
    n_targets: int,
    size: int,
    device: torch.device,
    pretrained: dict[str, Tensor] | None = None,
) -> tuple[nn.Module, torch.optim.Optimizer]:
    """The network of ``cell`` before its first step, for inputs of ``size`` pixels, and its optimiser.

    Raises NullcropError when the recipe asks for dropout or a frozen encoder that the network does not have.
    """
    seed = stream_seed(cell.seed, cell.architecture, "weights")
    outputs = 1 if recipe.output == "sigmoid" and n_targets == 2 else n_targets
    network = build(cell.architecture, outputs, size, seed, pretrained).to(device)
    if recipe.dropout is not None:
        set_dropout(network, recipe.dropout, cell.architecture)
    if recipe.train == "head":
        freeze_encoder(network, cell.architecture)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return network, EagerAdam(trained, lr=recipe.learning_rate, fused=True)


def train_epoch(
    cell: Cell,
    recipe: Recipe,
    epoch: int,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: InputImages,
    targets: Tensor,
    rows: NDArray[np.int64],
) -> tuple[float, float]:
    """One pass over the training images; mean loss of the main logits, and accuracy, over the images.

    ``targets`` has one entry an image; ``rows`` are those that are trained on. Raises NullcropError
    when the loss is no longer a number.
    """
    # A frozen encoder's batch statistics are frozen too.
    network.train(recipe.train == "all")
    order = np.random.default_rng(stream_seed(cell.seed, cell.architecture, "order", epoch)).permutation(rows)
    loss_sum = torch.zeros((), dtype=torch.float64, device=targets.device)
    correct = torch.zeros((), dtype=torch.int64, device=targets.device)
    steps = list(batches(order, recipe.batch_size))
    for step, batch in enumerate(tracked(steps, len(steps), f"epoch {epoch}/{recipe.epochs}, steps"), 1):
        # Dropout of each step has a seed of its own, so that a resumed run draws the same masks.
        _seed(stream_seed(cell.seed, cell.architecture, "dropout", epoch, step), targets.device)
        truth = targets[batch]
        inputs = images.batch(batch)
        if recipe.flips or recipe.rotation:
            drawn = stream_seed(cell.seed, cell.architecture, "augmentation", epoch, step)
            inputs = augmented(inputs, recipe, drawn)
        output = network(inputs)
        logits = _logits(output if isinstance(output, Tensor) else output.logits)
        loss = main_loss = functional.cross_entropy(logits, truth)
        if not isinstance(output, Tensor):  # InceptionV3 in training has a second, auxiliary answer
            loss = loss + recipe.auxiliary_weight * functional.cross_entropy(
                _logits(output.aux_logits), truth
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        loss_sum += main_loss.detach().double() * len(batch)
        correct += (logits.argmax(1) == truth).sum()
    mean_loss = loss_sum.item() / len(order)
    if not np.isfinite(mean_loss):
        raise NullcropError(
            f"the training loss became {mean_loss} in epoch {epoch} of {cell.path}: "
            f"try a learning rate below {recipe.learning_rate:g}; nothing was written"
        )
    return mean_loss, correct.item() / len(order)


def _logits(output: Tensor) -> Tensor:
    """A logit a target. One output is the log-odds of target 1: beside a zero, its cross-entropy is the binary one."""
    return functional.pad(output, (1, 0)) if output.shape[1] == 1 else output


def _energy_of(history: list[dict[str, Any]]) -> float | None:
    """kWh of all epochs; None where one could not be measured."""
    measured = [row["energy_kwh"] for row in history if row["energy_kwh"] is not None]
    return sum(measured) if measured and len(measured) == len(history) else None


def _seed(seed: int, device: torch.device) -> None:
    """Seed torch's generator on ``device`` as torch.manual_seed does.

    On a CPU that one also formats a traceback for each kind of accelerator that is not in use: a tenth
    of a small network's step.
    """
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


@torch.inference_mode()
def predict(network: nn.Module, images: InputImages, rows: NDArray[np.int64], batch_size: int) -> Tensor:
    """Logits of the given rows, shape (rows, targets), in evaluation mode."""
    network.eval()
    return torch.cat([_logits(network(images.batch(batch))) for batch in batches(rows, batch_size)])


def _identity(job: CellJob, view: View, numerics: Numerics) -> str:
    content = {
        "architecture": job.cell.architecture,
        "recipe": job.recipe.differences(),
        "seed": job.cell.seed,
        "pixels": view.facts["pixels_sha256"],
        "split": sha256_of(job.split),
        "imagenet": job.weights is not None,
        "numerics": numerics.name,
    }
    if job.weights and job.cell.architecture.startswith("timm:"):
        content["weights"] = job.weights.name  # it ends in the file's hash
    return identity_of(content)
