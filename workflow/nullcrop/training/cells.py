"""What every cell has in common, network or baseline: its split, its identity, and how its files come about."""

import hashlib
import json
import platform
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import PIL
from numpy.typing import NDArray

import nullcrop
from nullcrop.config.cell import CELL_FILES, Cell
from nullcrop.errors import NullcropError
from nullcrop.files import read_json, sha256_of, sha256_of_lines, write_json, written_whole
from nullcrop.images.store import View
from nullcrop.progress import say

PARTS = ("train", "val", "test")


def read_split(path: Path) -> pd.DataFrame:
    """A split: the columns id, group (empty text: none), target and part, in the order of samples.csv."""
    try:
        return pd.read_csv(path, dtype={"id": str, "group": str}, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise NullcropError(f"cannot read the split {path}: {error}") from None


def open_view(path: Path, split: pd.DataFrame, split_path: Path) -> View:
    """The view in the store's {view}.json; NullcropError when the split is one of other images."""
    view = View(path)
    if sha256_of_lines(list(split["id"])) != view.facts["ids_sha256"]:
        raise NullcropError(f"{split_path} and {path} name different images: delete the split and run again")
    return view


def rows_of_parts(split: pd.DataFrame) -> dict[str, NDArray[np.int64]]:
    """Rows of the images that are trained on, watched and tested."""
    return {part: np.flatnonzero(split["part"] == part) for part in PARTS}


def identity_of(content: dict[str, Any]) -> str:
    """What decides a cell's result, as one hash: the content of its inputs, its parameters, its numerics."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def is_kept(out: Path, work: Path, identity: str) -> bool:
    """Whether the cell in ``out`` is finished and stays as it is, brought back from its copy if need be.

    The copy lies beside ``work``, because a workflow deletes the outputs of a job before it runs
    and after it fails.
    """
    kept = _kept(work)
    if not _is_finished(out, identity):
        if not _is_finished(kept, identity):
            return False
        _copy(kept, out)
    shutil.rmtree(work, ignore_errors=True)
    say(f"kept: {out} was finished from the same inputs, parameters and numerics")
    return True


def write_cell(
    cell: Cell,
    out: Path,
    work: Path,
    split: pd.DataFrame,
    logits: NDArray[np.floating[Any]],
    history: list[dict[str, Any]],
    facts: dict[str, Any],
) -> None:
    """Write predictions.csv, history.csv and, last, cell.json into ``out``; keep a copy; remove ``work``.

    ``logits`` has one row a test image in the order of ``split`` and one column a target.
    ``facts`` are the cell's own: recipe, numerics, identity, seconds, hardware and so on.
    """
    test = split.loc[split["part"] == "test", ["id", "group", "target"]]
    predictions = test.assign(predicted=logits.argmax(1)).assign(
        **{f"logit_{code}": logits[:, code] for code in range(logits.shape[1])}
    )
    _write_table(predictions, out / "predictions.csv")
    _write_table(pd.DataFrame(history), out / "history.csv")
    common = {
        "cell": asdict(cell),
        "predictions_sha256": sha256_of(out / "predictions.csv"),
        "images": {part: len(rows) for part, rows in rows_of_parts(split).items()},
        "targets": logits.shape[1],
        "host": platform.machine(),
    }
    write_json(out / "cell.json", common | facts)
    _copy(out, _kept(work))
    shutil.rmtree(work, ignore_errors=True)


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


def _kept(work: Path) -> Path:
    return work.with_name(f"{work.name}.kept")


def _is_finished(out: Path, identity: str) -> bool:
    try:
        facts = read_json(out / "cell.json")
        return (
            facts["identity"] == identity
            and facts["predictions_sha256"] == sha256_of(out / "predictions.csv")
            and (out / "history.csv").is_file()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _copy(source: Path, out: Path) -> None:
    """Copy a finished cell's files, each whole, cell.json last."""
    for name in CELL_FILES:
        with written_whole(out / name) as aside:
            shutil.copyfile(source / name, aside)
