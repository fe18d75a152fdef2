"""What every cell has in common, network or baseline: its split, its identity, and how its files come
about."""

import hashlib
import json
import platform
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import PIL
from numpy.typing import NDArray

import nullcrop
from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import read_json, sha256_of, sha256_of_lines, write_json, written_whole
from nullcrop.basics.progress import say
from nullcrop.config.cell import CELL_FILES, KEPT, Cell
from nullcrop.config.recipe import Recipe
from nullcrop.images.store import PackedView
from nullcrop.training.finished import is_whole, whole_record
from nullcrop.training.heartbeat import HEARTBEAT, SILENT_SECONDS, beating

PARTS = ("train", "val", "test")

CHECKPOINT = "checkpoint.pt"
"""Name of the checkpoint in a cell's working folder."""

TRIES, SECONDS_BETWEEN_TRIES = 20, 0.1
"""How often, and how soon again, a finished cell is copied that another process seems to be writing."""


def read_split(path: Path) -> pd.DataFrame:
    """A split: the columns id, group (empty text: none), target and part, in the order of samples.csv."""
    try:
        return pd.read_csv(path, dtype={"id": str, "group": str}, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise NullcropError(f"cannot read the split {path}: {error}") from None


def open_view(path: Path, split: pd.DataFrame, split_path: Path) -> PackedView:
    """The view in the store's {view}.json; NullcropError when the split is one of other images."""
    view = PackedView(path)
    if sha256_of_lines(list(split["id"])) != view.sidecar["ids_sha256"]:
        raise NullcropError(f"{split_path} and {path} name different images: delete the split and run again")
    return view


def rows_of_parts(split: pd.DataFrame) -> dict[str, NDArray[np.int64]]:
    """Rows of the images that are trained on, watched and tested."""
    return {part: np.flatnonzero(split["part"] == part) for part in PARTS}


def identity_of(content: dict[str, Any]) -> str:
    """What decides a cell's result, as one hash: the content of its inputs, its parameters, its numerics."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def network_identity(
    cell: Cell, recipe: Recipe, pixels_sha256: str, split_sha256: str, weights: Path | None, numerics: str
) -> str:
    """:func:`identity_of` a network; ``weights`` is the file with the published ones, None where it has
    random ones."""
    content = {
        "architecture": cell.architecture,
        "recipe": recipe.differences(),
        "seed": cell.seed,
        "pixels": pixels_sha256,
        "split": split_sha256,
        "imagenet": weights is not None,
        "numerics": numerics,
    }
    if weights and cell.architecture.startswith("timm:"):
        content["weights"] = weights.name  # it ends in the file's hash
    return identity_of(content)


@contextmanager
def working(work: Path) -> Iterator[None]:
    """Show by a heartbeat in ``work`` that a cell is being made; when it is done, clear the folder away."""
    with beating(work / HEARTBEAT):
        yield
    # Another process may make the same cell: what it is writing this minute is left to it.
    for path in work.glob("*"):
        with suppress(OSError):
            if path.name in (CHECKPOINT, HEARTBEAT) or time.time() - path.stat().st_mtime > SILENT_SECONDS:
                path.unlink()
    with suppress(OSError):
        work.rmdir()


def kept_folder(work: Path) -> Path:
    """Where a finished cell is written first: beside its working folder.

    It stays there as a copy, because a workflow deletes the outputs of a job before it runs and after it
    fails.
    """
    return work.with_name(f"{work.name}{KEPT}")


def is_kept(out: Path, work: Path, identity: str) -> bool:
    """Whether the cell was finished before, in ``out`` or in its copy; then the copy is there afterwards."""
    kept = kept_folder(work)
    finished = [folder for folder in (kept, out) if _is_finished(folder, identity)]
    if finished:
        say(f"kept: {out} was finished from the same inputs, parameters and numerics")
        if kept not in finished:
            _copy(out, kept)
    return bool(finished)


def bring_out(out: Path, work: Path, identity: str) -> None:
    """Copy the kept cell to ``out``, unless it is there."""
    if not _is_finished(out, identity):
        _copy(kept_folder(work), out)


def collect_cell(cell: Cell, batch: Path, work: Path, out: Path) -> None:
    """Copy a cell that a batch has finished to ``out``; raise the NullcropError by which it failed there.

    A cell that is damaged since is added to the failures in the batch's report, so that the next run trains
    it again.
    """
    failed = _failures(batch)
    if failed is None:
        raise NullcropError(f"{batch} is empty or cut short; run again, and its cells are brought back")
    kept = kept_folder(work)
    if cell.path not in failed:
        try:
            _copy(kept, out)
            return
        except (NullcropError, FileNotFoundError):
            if is_whole(kept):
                raise
        failed[cell.path] = f"what was trained is damaged or gone from {kept}; it is trained again"
        write_json(batch, {"failed": failed})
    raise NullcropError(f"{cell.path} failed: {failed[cell.path]}")


def forget_failures(batches: Path) -> None:
    """Delete the reports that name a failed cell or are cut short, so that the next run tries it again."""
    for report in batches.rglob("batch*.json"):
        if _failures(report) != {}:
            report.unlink(missing_ok=True)


def _failures(report: Path) -> dict[str, str] | None:
    """Why cells of a batch failed, by their paths; None where the report is damaged."""
    try:
        failed: dict[str, str] = read_json(report)["failed"]
    except (ValueError, KeyError, TypeError):
        return None
    return failed


def write_cell(
    cell: Cell,
    work: Path,
    split: pd.DataFrame,
    logits: NDArray[np.floating[Any]],
    history: list[dict[str, Any]],
    record: dict[str, Any],
) -> None:
    """Write predictions.csv, history.csv and, last, cell.json into the folder that is kept beside ``work``.

    ``logits`` has one row a test image in the order of ``split`` and one column a target.
    ``record`` is the cell's own: recipe, numerics, identity, seconds, hardware and so on.
    """
    test = split.loc[split["part"] == "test", ["id", "group", "target"]]
    predictions = test.assign(predicted=logits.argmax(1)).assign(
        **{f"logit_{code}": logits[:, code] for code in range(logits.shape[1])}
    )
    out = kept_folder(work)
    _write_table(predictions, out / "predictions.csv")
    _write_table(pd.DataFrame(history), out / "history.csv")
    common = {
        "cell": asdict(cell),
        "predictions_sha256": sha256_of(out / "predictions.csv"),
        "history_sha256": sha256_of(out / "history.csv"),
        "images": {part: len(rows) for part, rows in rows_of_parts(split).items()},
        "targets": logits.shape[1],
        "cpu_type": platform.machine(),
    }
    write_json(out / "cell.json", common | record)


def versions(**packages: str) -> dict[str, str]:
    """Versions for cell.json: those of ``packages`` and of what every cell needs."""
    return {
        "nullcrop": nullcrop.__version__,
        "python": platform.python_version(),
        **packages,
        "numpy": np.__version__,
        "pillow": PIL.__version__,
    }


def _write_table(table: pd.DataFrame, path: Path) -> None:
    # Nine digits hold every float32 without loss.
    with written_whole(path) as aside:
        table.to_csv(aside, index=False, float_format="%.9g")


def _is_finished(out: Path, identity: str) -> bool:
    try:
        return bool(whole_record(out).get("identity") == identity)
    except (OSError, NullcropError):
        return False


def _copy(source: Path, out: Path) -> None:
    """Copy a finished cell's files, each whole, cell.json last; NullcropError names one that is damaged.

    While another process writes the same cell, files of both lie side by side, until its cell.json is there.
    """
    for tries_left in reversed(range(TRIES)):
        try:
            whole_record(source)
            for name in CELL_FILES:
                with written_whole(out / name) as aside:
                    shutil.copyfile(source / name, aside)
            whole_record(out)
            return
        except NullcropError:
            newest = max((path.stat().st_mtime for path in source.glob("*")), default=0.0)
            if not tries_left or time.time() - newest > TRIES * SECONDS_BETWEEN_TRIES:
                raise
        time.sleep(SECONDS_BETWEEN_TRIES)
