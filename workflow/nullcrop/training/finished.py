"""Finished cells: how one is known, and how its files are copied. Loads no torch."""

import shutil
from pathlib import Path

from nullcrop.config.cell import CELL_FILES, Cell
from nullcrop.errors import NullcropError
from nullcrop.files import read_json, sha256_of, written_whole


def kept_folder(work: Path) -> Path:
    """Where a copy of the finished cell lies, beside its working folder."""
    return work.with_name(f"{work.name}.kept")


def is_finished(out: Path, identity: str) -> bool:
    """Whether ``out`` holds a whole cell that was made from what ``identity`` stands for."""
    try:
        facts = read_json(out / "cell.json")
        return (
            facts["identity"] == identity
            and facts["predictions_sha256"] == sha256_of(out / "predictions.csv")
            and (out / "history.csv").is_file()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def copy_cell(source: Path, out: Path) -> None:
    """Copy a finished cell's files, each whole, cell.json last."""
    for name in CELL_FILES:
        with written_whole(out / name) as aside:
            shutil.copyfile(source / name, aside)


def collect_cell(cell: Cell, batch: Path, work: Path, out: Path) -> None:
    """Copy a cell that a batch has finished to ``out``; raise the NullcropError by which it failed there."""
    failed = read_json(batch)["failed"]
    if cell.path in failed:
        raise NullcropError(f"{cell.path} failed: {failed[cell.path]}")
    copy_cell(kept_folder(work), out)


def forget_failures(batches: Path) -> None:
    """Delete the reports that name a failed cell, so that the next run tries it again."""
    for report in batches.rglob("batch*.json"):
        if read_json(report)["failed"]:
            report.unlink(missing_ok=True)
