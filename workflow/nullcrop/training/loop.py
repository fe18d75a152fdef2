"""Train one cell, from the store and a split to predictions; interrupted at will, resumed bit for bit."""

import hashlib
import json
import platform
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import PIL
import torch
import torchvision
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

import nullcrop
from nullcrop.config.cell import Cell
from nullcrop.config.recipe import Recipe
from nullcrop.errors import NullcropError
from nullcrop.files import sha256_of, sha256_of_lines, write_json, written_whole
from nullcrop.heartbeat import HEARTBEAT, SILENT_SECONDS, beating
from nullcrop.images.store import View
from nullcrop.progress import duration, say, tracked
from nullcrop.training.architectures import build, input_size
from nullcrop.training.checkpoint import CHECKPOINT, resume, save_checkpoint
from nullcrop.training.data import InputImages, batches
from nullcrop.training.finished import copy_cell, is_finished, kept_folder
from nullcrop.training.numerics import Numerics, check_demand, device_name, set_numerics
from nullcrop.training.streams import stream_seed
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
    kept, identity = keep_cell(job)
    if not is_finished(job.out, identity):
        copy_cell(kept, job.out)


def keep_cell(job: CellJob) -> tuple[Path, str]:
    """Do all that :func:`train_cell` does but write ``job.out``; the folder of the kept copy, and its identity."""
    with beating(job.work / HEARTBEAT):
        kept, identity = _keep_cell(job)
    _remove_work(job.work)
    return kept, identity


def _keep_cell(job: CellJob) -> tuple[Path, str]:
    started = time.monotonic()
    view, split = View(job.view), _read_split(job.split)
    if sha256_of_lines(list(split["id"])) != view.facts["ids_sha256"]:
        raise NullcropError(
            f"{job.split} and {job.view} name different images: delete the split and run again"
        )
    numerics = set_numerics(job.device, job.threads)
    identity = _identity(job, view, numerics)
    kept = kept_folder(job.work)
    finished = [folder for folder in (kept, job.out) if is_finished(folder, identity)]
    if finished:
        say("kept: this cell was finished from the same inputs, parameters and numerics")
        if kept not in finished:
            copy_cell(job.out, kept)
    else:
        check_demand(numerics, job.numerics)
        _train(job, view, split, numerics, identity, kept, started)
    return kept, identity


def _train(
    job: CellJob,
    view: View,
    split: pd.DataFrame,
    numerics: Numerics,
    identity: str,
    out: Path,
    started: float,
) -> None:
    size = input_size(job.cell.architecture, job.recipe.input_size)
    images = InputImages(view, size, numerics.device)
    targets = torch.tensor(split["target"].to_numpy(), device=numerics.device)
    rows = {part: np.flatnonzero(split["part"] == part) for part in ("train", "val", "test")}
    n_targets = int(split["target"].max()) + 1

    pretrained = read_weights(job.cell.architecture, job.weights) if job.weights else None
    network = build(
        job.cell.architecture,
        n_targets,
        size,
        stream_seed(job.cell.seed, job.cell.architecture, "weights"),
        pretrained,
    ).to(numerics.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=job.recipe.learning_rate, fused=True)
    history = resume(job.work / CHECKPOINT, identity, network, optimizer)

    for epoch in range(len(history) + 1, job.recipe.epochs + 1):
        epoch_started = time.monotonic()
        order = np.random.default_rng(stream_seed(job.cell.seed, job.cell.architecture, "order", epoch))
        train_loss, train_accuracy = _train_epoch(
            job, epoch, network, optimizer, images, targets, order.permutation(rows["train"])
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
            }
        )
        if epoch < job.recipe.epochs:
            save_checkpoint(job.work / CHECKPOINT, identity, network, optimizer, history)
        last = history[-1]
        left = sum(row["seconds"] for row in history) / epoch * (job.recipe.epochs - epoch)
        say(
            f"epoch {epoch}/{job.recipe.epochs}: loss {train_loss:.4f} (val {last['val_loss']:.4f}), "
            f"accuracy {train_accuracy:.3f} (val {last['val_accuracy']:.3f}), "
            f"{duration(last['seconds'])}, {duration(left)} left"
        )

    logits = predict(network, images, rows["test"], job.recipe.batch_size)
    if not torch.isfinite(logits).all():
        raise NullcropError(
            f"the trained network answers with values that are no numbers ({job.out}): "
            f"try a learning rate below {job.recipe.learning_rate:g}; nothing was written"
        )
    _write_table(_predictions(split.iloc[rows["test"]], logits.cpu().numpy()), out / "predictions.csv")
    _write_table(pd.DataFrame(history), out / "history.csv")
    write_json(
        out / "cell.json",
        {
            "cell": asdict(job.cell),
            "recipe": asdict(job.recipe),
            "input_size": size,
            "numerics": numerics.name,
            "identity": identity,
            "predictions_sha256": sha256_of(out / "predictions.csv"),
            "images": {part: len(of_part) for part, of_part in rows.items()},
            "targets": n_targets,
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "seconds": sum(row["seconds"] for row in history),
            "seconds_of_this_run": time.monotonic() - started,
            "hardware": device_name(numerics.device),
            "host": platform.machine(),
            "versions": {
                "nullcrop": nullcrop.__version__,
                "python": platform.python_version(),
                "torch": torch.__version__,
                "torchvision": torchvision.__version__,
                "numpy": np.__version__,
                "pillow": PIL.__version__,
            },
        },
    )


def _train_epoch(
    job: CellJob,
    epoch: int,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: InputImages,
    targets: Tensor,
    order: NDArray[np.int64],
) -> tuple[float, float]:
    """One pass over the training images; mean loss of the main logits, and accuracy, over the images."""
    network.train()
    loss_sum = torch.zeros((), dtype=torch.float64, device=targets.device)
    correct = torch.zeros((), dtype=torch.int64, device=targets.device)
    steps = list(batches(order, job.recipe.batch_size))
    for step, rows in enumerate(tracked(steps, len(steps), f"epoch {epoch}/{job.recipe.epochs}, steps"), 1):
        # Dropout of each step has a seed of its own, so that a resumed run draws the same masks.
        torch.manual_seed(stream_seed(job.cell.seed, job.cell.architecture, "dropout", epoch, step))
        truth = targets[rows]
        output = network(images.batch(rows))
        logits = output if isinstance(output, Tensor) else output.logits
        loss = main_loss = functional.cross_entropy(logits, truth)
        if not isinstance(output, Tensor):  # InceptionV3 in training has a second, auxiliary answer
            loss = loss + job.recipe.auxiliary_weight * functional.cross_entropy(output.aux_logits, truth)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        loss_sum += main_loss.detach().double() * len(rows)
        correct += (logits.argmax(1) == truth).sum()
    mean_loss = loss_sum.item() / len(order)
    if not np.isfinite(mean_loss):
        raise NullcropError(
            f"the training loss became {mean_loss} in epoch {epoch} of {job.out}: "
            f"try a learning rate below {job.recipe.learning_rate:g}; nothing was written"
        )
    return mean_loss, correct.item() / len(order)


@torch.inference_mode()
def predict(network: nn.Module, images: InputImages, rows: NDArray[np.int64], batch_size: int) -> Tensor:
    """Logits of the given rows, shape (rows, targets), in evaluation mode."""
    network.eval()
    return torch.cat([network(images.batch(batch)) for batch in batches(rows, batch_size)])


def _predictions(test: pd.DataFrame, logits: NDArray[np.float32]) -> pd.DataFrame:
    table = test[["id", "group", "target"]].assign(predicted=logits.argmax(1))
    return table.assign(**{f"logit_{code}": logits[:, code] for code in range(logits.shape[1])})


def _write_table(table: pd.DataFrame, path: Path) -> None:
    # Nine digits hold every float32 without loss.
    with written_whole(path) as aside:
        table.to_csv(aside, index=False, float_format="%.9g")


def _read_split(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype={"id": str, "group": str}, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise NullcropError(f"cannot read the split {path}: {error}") from None


def _identity(job: CellJob, view: View, numerics: Numerics) -> str:
    """What decides a cell's result, as one hash: the content of its inputs, its parameters, its numerics."""
    content = {
        "architecture": job.cell.architecture,
        "recipe": job.recipe.differences(),
        "seed": job.cell.seed,
        "pixels": view.facts["pixels_sha256"],
        "split": sha256_of(job.split),
        "imagenet": job.weights is not None,
        "numerics": numerics.name,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _remove_work(work: Path) -> None:
    """Remove the working folder, but for what another process is writing into it this minute."""
    for path in work.glob("*"):
        with suppress(OSError):
            if path.name in (CHECKPOINT, HEARTBEAT) or time.time() - path.stat().st_mtime > SILENT_SECONDS:
                path.unlink()
    with suppress(OSError):
        work.rmdir()
