"""Train one cell, from the store and a split to predictions; interrupted at will, resumed bit for bit."""

import time
from collections.abc import Generator
from dataclasses import asdict, dataclass
from math import nan
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.progress import duration, say, tracked
from nullcrop.config.cell import Cell
from nullcrop.config.recipe import Recipe
from nullcrop.images.store import PackedView
from nullcrop.training.architectures import (
    build,
    freeze_encoder,
    input_size,
    network_versions,
    set_dropout,
)
from nullcrop.training.arithmetic import (
    ENGINE_OF_NAME,
    Arithmetic,
    Engine,
    EngineError,
    check_demand,
    check_deterministic,
    device_name,
    set_arithmetic,
)
from nullcrop.training.augmentation import augmented
from nullcrop.training.cells import (
    CHECKPOINT,
    bring_out,
    is_kept,
    network_identity,
    open_view,
    read_split,
    rows_of_parts,
    versions,
    working,
    write_cell,
)
from nullcrop.training.checkpoint import CheckpointPace, resume, save_checkpoint
from nullcrop.training.data import InputImages, batches
from nullcrop.training.device_images import DeviceImages
from nullcrop.training.energy import EnergyMeter
from nullcrop.training.engine import CapturedTraining, Slot, Stepper
from nullcrop.training.finished import known_sha256
from nullcrop.training.measured_cost import begin_measuring, measured_cost
from nullcrop.training.optimizer import EagerAdam
from nullcrop.training.out_of_memory import free_memory, is_out_of_memory, smaller_batch
from nullcrop.training.schedule import best_epoch, is_over, learning_rate
from nullcrop.training.steps import check_loss, class_logits, epoch_order, parts_of, seed_generator
from nullcrop.training.streams import stream_seed
from nullcrop.training.weights import read_weights

Result = TypeVar("Result")


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
    engine: Engine = "plain"
    """How steps are run, where the device can."""
    granted_gpus: int = 0
    """How many GPUs the workflow counted for the job, which then does not train without one."""


def train_cell(job: CellJob) -> None:
    """Train, predict the test images once, and write predictions.csv, history.csv and cell.json.

    A cell that was finished from the same inputs, parameters and numerics is kept as it is; a copy
    beside ``work`` brings it back when its files are gone, because a workflow deletes the outputs of
    a job before it runs and after it fails. A checkpoint after an epoch lets a killed cell go on; it ends as
    if it had not been killed. Epochs that are over sooner than a checkpoint is written share one.
    Raises NullcropError when inputs do not fit together or the loss is no longer a number.
    """
    bring_out(job.out, job.work, keep_cell(job))


def keep_cell(job: CellJob) -> str:
    """Do all that :func:`train_cell` does but write ``job.out``; return the identity of the kept cell."""
    return to_its_end(cell_steps(job, Slot()))


def cell_steps(job: CellJob, slot: Slot) -> Generator[None, None, str]:
    """:func:`keep_cell` one training step at a time, so that several cells can take turns."""
    with working(job.work):
        start = _Start(job)
        for name in (start.arithmetic.name, *start.arithmetic.taken_too):
            if is_kept(job.out, job.work, _identity(job, start.view, name)):
                return _identity(job, start.view, name)
        trained = yield from _trained(start, slot)
        logits = trained.logits.cpu().numpy()
        write_cell(job.cell, job.work, start.split, logits, trained.history, trained.record)
    identity: str = trained.record["identity"]
    return identity


def train_again(job: CellJob) -> "Trained":
    """Train the network of ``job`` once more and return it, for a look at what no cell keeps: its weights.

    It has its own working folder, in which a killed training goes on; ``job.out`` is not looked at.
    """
    with working(job.work):
        return to_its_end(_trained(_Start(job), Slot()))


def to_its_end(steps: Generator[None, None, Result]) -> Result:
    """Run ``steps`` and return what they return."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


@dataclass(frozen=True)
class Trained:
    """A network at the end of its training."""

    network: nn.Module
    logits: Tensor
    """Its answers to the test images, shape (rows, targets), in the order of the split."""
    history: list[dict[str, Any]]
    """A row an epoch."""
    record: dict[str, Any]
    """What cell.json says of it."""


class _Start:
    """What a training begins with: inputs that fit together, and the arithmetic."""

    def __init__(self, job: CellJob) -> None:
        # What a study demands is what `auto` runs.
        self.engine = ENGINE_OF_NAME.get(job.numerics or "", "auto") if job.engine == "auto" else job.engine
        self.job = job
        self.arithmetic = set_arithmetic(job.device, job.threads, self.engine, job.granted_gpus)
        self.split = read_split(job.split)
        self.view = open_view(job.view, self.split, job.split)


def _trained(start: _Start, slot: Slot) -> Generator[None, None, Trained]:
    """Train; where the engine that was tried refuses the network, by the plain one."""
    job, arithmetic = start.job, start.arithmetic
    check_demand(arithmetic, job.numerics)
    refused = ""
    try:
        return (yield from _train_in_memory(job, start.view, start.split, arithmetic, slot))
    except EngineError as error:
        if start.engine != "auto":
            raise
        refused = str(error)
    say(f"{refused}; it is trained so")
    arithmetic = set_arithmetic(job.device, job.threads, "plain")
    return (yield from _train_in_memory(job, start.view, start.split, arithmetic, slot))


def _train_in_memory(
    job: CellJob, view: PackedView, split: pd.DataFrame, arithmetic: Arithmetic, slot: Slot
) -> Generator[None, None, Trained]:
    """Train the cell; where the device's memory does not suffice, in smaller parts of each batch."""
    micro_batch = None
    while True:
        try:
            return (yield from _train(job, view, split, arithmetic, slot, micro_batch))
        except RuntimeError as error:
            if not is_out_of_memory(error):
                check_deterministic(error, job.cell.architecture)
                raise
            slot.clear()
            size = input_size(job.cell.architecture, job.recipe.input_size)
            micro_batch = smaller_batch(job.cell, job.recipe, size, micro_batch, arithmetic.device, error)
        # Here the failed step's tensors are gone; while the error was at hand, it held them.
        free_memory(arithmetic.device)
        say(
            f"out of memory: gradients of each batch of {job.recipe.batch_size} images are added up from "
            f"{micro_batch} at a time"
        )


def _train(
    job: CellJob,
    view: PackedView,
    split: pd.DataFrame,
    arithmetic: Arithmetic,
    slot: Slot,
    micro_batch: int | None,
) -> Generator[None, None, Trained]:
    started, identity = time.monotonic(), _identity(job, view, arithmetic.name)
    begin_measuring(arithmetic.device)
    size = input_size(job.cell.architecture, job.recipe.input_size)
    targets = torch.tensor(split["target"].to_numpy(), device=arithmetic.device)
    rows = rows_of_parts(split)
    if job.recipe.watching and not len(rows["val"]):
        raise NullcropError(
            f"{job.split} has no validation part, at which the recipe looks ({listed(job.recipe.watching)}); "
            "take a split that has one, or a recipe of a fixed number of epochs"
        )
    training = _training(job, view, targets, size, arithmetic, slot, micro_batch)
    network, optimizer = training.network, training.optimizer
    history, best = resume(job.work / CHECKPOINT, identity, network, optimizer)
    pace = CheckpointPace(network)
    in_flight = 1

    while not is_over(job.recipe, history):
        epoch, epoch_started, meter = len(history) + 1, time.monotonic(), EnergyMeter(arithmetic.device)
        training.set_rate(learning_rate(job.recipe, history))
        train_loss, train_accuracy = yield from training.epoch(epoch, rows["train"])
        in_flight = max(in_flight, slot.in_flight)
        val_loss, val_accuracy = _watched(training, targets, rows["val"])
        history.append(
            {
                "epoch": epoch,
                "train_loss": train_loss,
                "train_accuracy": train_accuracy,
                "val_loss": val_loss,
                "val_accuracy": val_accuracy,
                "seconds": time.monotonic() - epoch_started,
                "energy_kwh": _share(meter.kwh(), slot.in_flight),
                **({"micro_batch": micro_batch} if micro_batch else {}),
            }
        )
        if job.recipe.tested == "best" and best_epoch(history) == epoch:
            best = {name: values.clone() for name, values in network.state_dict().items()}
        if epoch < job.recipe.epochs and pace.is_due():
            with pace.writing():
                save_checkpoint(job.work / CHECKPOINT, identity, network, optimizer, history, best)
        loss, accuracy = f"{train_loss:.4f}", f"{train_accuracy:.3f}"
        if len(rows["val"]):
            loss, accuracy = f"{loss} (val {val_loss:.4f})", f"{accuracy} (val {val_accuracy:.3f})"
        seconds = history[-1]["seconds"]
        left = sum(row["seconds"] for row in history) / epoch * (job.recipe.epochs - epoch)
        say(
            f"epoch {epoch}/{job.recipe.epochs}: loss {loss}, accuracy {accuracy}, {duration(seconds)}, "
            f"{duration(left)} left"
        )

    if best is not None:
        network.load_state_dict(best)
    logits = training.predict(rows["test"])
    if not torch.isfinite(logits).all():
        raise NullcropError(
            f"the trained network answers with values that are no numbers ({job.out}): try a learning rate "
            f"below {job.recipe.learning_rate:g}; nothing was written"
        )
    return Trained(
        network,
        logits,
        history,
        {
            "recipe": asdict(job.recipe),
            "input_size": size,
            "numerics": arithmetic.name,
            "identity": identity,
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "tested_epoch": best_epoch(history) if best is not None else len(history),
            "seconds": sum(row["seconds"] for row in history),
            "energy_kwh": _energy_of(history),
            **measured_cost(history, len(rows["train"]), arithmetic.device, training.captured_bytes),
            "seconds_of_this_run": time.monotonic() - started,
            **_unusual(history, in_flight),
            "hardware": device_name(arithmetic.device),
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
    network = initial_network(cell, recipe, n_targets, size, pretrained).to(device)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return network, EagerAdam(trained, lr=recipe.learning_rate, fused=True)


def initial_network(
    cell: Cell, recipe: Recipe, n_targets: int, size: int, pretrained: dict[str, Tensor] | None = None
) -> nn.Module:
    """The network of ``cell`` before its first step, in host memory; raises as :func:`new_network` does."""
    seed = stream_seed(cell.seed, cell.architecture, "weights")
    outputs = 1 if recipe.output == "sigmoid" and n_targets == 2 else n_targets
    network = build(cell.architecture, outputs, size, seed, pretrained)
    if recipe.dropout is not None:
        set_dropout(network, recipe.dropout, cell.architecture)
    if recipe.train == "head":
        freeze_encoder(network, cell.architecture)
    return network


@dataclass
class PlainTraining:
    """One cell that is trained by the plain loop: eager steps, images from the host; everything else is
    measured by it."""

    cell: Cell
    recipe: Recipe
    network: nn.Module
    optimizer: torch.optim.Optimizer
    images: InputImages
    targets: Tensor
    micro_batch: int | None = None
    captured_bytes: int = 0

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the next epoch."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def epoch(self, epoch: int, rows: NDArray[np.int64]) -> Generator[None, None, tuple[float, float]]:
        """:func:`train_epoch`, one step at a time."""
        return _epoch_steps(self, epoch, rows)

    def predict(self, rows: NDArray[np.int64]) -> Tensor:
        """Logits of the given rows, shape (rows, targets), in evaluation mode."""
        return predict(self.network, self.images, rows, self.micro_batch or self.recipe.batch_size)


def _watched(
    training: PlainTraining | CapturedTraining, targets: Tensor, rows: NDArray[np.int64]
) -> tuple[float, float]:
    """Loss and accuracy on the validation images; NaN where there are none."""
    if not len(rows):
        return nan, nan
    logits, truth = training.predict(rows), targets[torch.from_numpy(rows).to(targets.device)]
    loss: float = functional.cross_entropy(logits, truth).item()
    return loss, (logits.argmax(1) == truth).double().mean().item()


def _training(
    job: CellJob,
    view: PackedView,
    targets: Tensor,
    size: int,
    arithmetic: Arithmetic,
    slot: Slot,
    micro_batch: int | None,
) -> PlainTraining | CapturedTraining:
    """The cell before its first step, trained as ``arithmetic`` says."""
    cell, recipe, device = job.cell, job.recipe, arithmetic.device
    n_targets = int(targets.max()) + 1
    pretrained = read_weights(cell.architecture, job.weights) if job.weights else None
    pixels = view.at(size)
    if arithmetic.engine == "plain":
        images = InputImages(pixels, size, device, cell.architecture)
        network, optimizer = new_network(cell, recipe, n_targets, size, device, pretrained)
        return PlainTraining(cell, recipe, network, optimizer, images, targets, micro_batch)
    stepper = slot.stepper(
        (cell.architecture, recipe, n_targets, size, arithmetic, micro_batch),
        initial_network(cell, recipe, n_targets, size, pretrained),
        lambda network: Stepper(network, recipe, size, arithmetic, micro_batch),
    )
    return CapturedTraining(
        cell, recipe, stepper, DeviceImages(pixels, size, device, cell.architecture), targets
    )


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
    return to_its_end(
        _epoch_steps(PlainTraining(cell, recipe, network, optimizer, images, targets), epoch, rows)
    )


def _epoch_steps(
    training: PlainTraining, epoch: int, rows: NDArray[np.int64]
) -> Generator[None, None, tuple[float, float]]:
    cell, recipe, network, targets = training.cell, training.recipe, training.network, training.targets
    # A frozen encoder's batch statistics are frozen too.
    network.train(recipe.train == "all")
    order = epoch_order(cell, epoch, rows)
    loss_sum = torch.zeros((), dtype=torch.float64, device=targets.device)
    correct = torch.zeros((), dtype=torch.int64, device=targets.device)
    steps = list(batches(order, recipe.batch_size))
    for step, batch in enumerate(tracked(steps, len(steps), f"epoch {epoch}/{recipe.epochs}, steps"), 1):
        # Dropout of each step has a seed of its own, so that a resumed run draws the same masks.
        seed_generator(stream_seed(cell.seed, cell.architecture, "dropout", epoch, step), targets.device)
        truth = targets[batch]
        inputs = training.images.batch(batch)
        if recipe.flips or recipe.rotation:
            drawn = stream_seed(cell.seed, cell.architecture, "augmentation", epoch, step)
            inputs = augmented(inputs, recipe, drawn)
        training.optimizer.zero_grad(set_to_none=True)
        for part in parts_of(len(batch), training.micro_batch):
            output = network(inputs[part])
            logits = class_logits(output if isinstance(output, Tensor) else output.logits)
            loss = main_loss = functional.cross_entropy(logits, truth[part])
            if not isinstance(output, Tensor):  # InceptionV3 in training has a second, auxiliary answer
                loss = loss + recipe.auxiliary_weight * functional.cross_entropy(
                    class_logits(output.aux_logits), truth[part]
                )
            if training.micro_batch:
                loss = loss * (len(logits) / len(batch))  # the mean over the batch, of which this is a part
            loss.backward()  # type: ignore[no-untyped-call]
            loss_sum += main_loss.detach().double() * len(logits)
            correct += (logits.argmax(1) == truth[part]).sum()
        training.optimizer.step()
        yield
    mean_loss = loss_sum.item() / len(order)
    check_loss(mean_loss, cell, recipe, epoch)
    return mean_loss, correct.item() / len(order)


def _energy_of(history: list[dict[str, Any]]) -> float | None:
    """kWh of all epochs; None where one could not be measured."""
    measured = [row["energy_kwh"] for row in history if row["energy_kwh"] is not None]
    return sum(measured) if measured and len(measured) == len(history) else None


def _share(energy: float | None, cells: int) -> float | None:
    """Of the energy that ``cells`` took together the part that one of them answers for."""
    return None if energy is None else energy / cells


def _unusual(history: list[dict[str, Any]], in_flight: int) -> dict[str, int]:
    """For cell.json: that batches went through the device in parts, or that other cells were trained beside
    it."""
    parts = [row["micro_batch"] for row in history if "micro_batch" in row]
    return {
        **({"micro_batch": min(parts)} if parts else {}),
        **({"in_flight": in_flight} if in_flight > 1 else {}),
    }


@torch.inference_mode()
def predict(network: nn.Module, images: InputImages, rows: NDArray[np.int64], batch_size: int) -> Tensor:
    """Logits of the given rows, shape (rows, targets), in evaluation mode."""
    network.eval()
    return torch.cat([class_logits(network(images.batch(batch))) for batch in batches(rows, batch_size)])


def _identity(job: CellJob, view: PackedView, numerics: str) -> str:
    return network_identity(
        job.cell,
        job.recipe,
        view.sidecar["pixels_sha256"],
        known_sha256(job.split),
        job.weights,
        numerics,
    )
