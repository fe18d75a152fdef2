"""How far a planned cell is, from its files alone."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.files import read_json
from nullcrop.config.cell import Cell
from nullcrop.config.grid import Grid
from nullcrop.config.models import Config, Paths
from nullcrop.config.recipe import BaselineRecipe, Recipe, is_same_recipe
from nullcrop.config.views import study_crops
from nullcrop.training.cells import PARTS, kept_folder, network_identity
from nullcrop.training.finished import known_sha256, whole_record
from nullcrop.training.heartbeat import HEARTBEAT, read_state

State = Literal["done", "running", "failed", "stopped", "damaged", "stale", "missing"]
"""Stale: finished and whole, but made under another recipe or config than today's, or of other images."""

BEGUN: tuple[State, ...] = ("running", "failed", "stopped")
"""States of cells that have no result yet, but were worked on."""


@dataclass(frozen=True)
class CellState:
    """One planned cell: how far it is, and what its cell.json records (empty unless it is done)."""

    cell: Cell
    state: State
    record: dict[str, Any] = field(default_factory=dict)
    finished: float | None = None
    """When it was finished, in seconds since the epoch."""
    words: str = ""
    """Where it runs, why it failed or is stale, which file is damaged, or the last line of its log."""
    folder: Path | None = None
    """Where a finished cell's files lie."""


def cell_state(grid: Grid, cell: Cell) -> CellState:
    """How far ``cell`` is: done when its files are whole and it was made as today's config says.

    A cell whose files a crash left empty or cut short is damaged, one that :func:`outdated` has a word on is
    stale. Where several cells share a job, one that is finished counts as done before the job ends. Of the
    others those with a working folder have begun: they run while their heartbeat is fresh, have failed when
    it holds an error, and else were stopped or killed and go on at their last checkpoint.
    """
    config = grid.project.config
    work = Path(config.paths.work, "cells", cell.path)
    folders = [Path(config.paths.results, "cells", cell.path)]
    if config.cells_per_job != 1 and not cell.is_baseline:
        folders.append(kept_folder(work))
    of_no_use = None
    for folder in folders:
        found = _finished(grid, cell, folder)
        if found and found.state == "done":
            return found
        of_no_use = of_no_use or found
    unfinished = _unfinished(cell, work, config.paths)
    return of_no_use if of_no_use and unfinished.state == "missing" else unfinished


def made_otherwise(state: CellState, demanded: str | None) -> bool:
    """Whether a finished cell was made under another arithmetic than a study demands of its networks."""
    return (
        state.state == "done"
        and not state.cell.is_baseline
        and demanded not in (None, state.record.get("numerics"))
    )


def outdated(grid: Grid, cell: Cell, record: Mapping[str, Any]) -> str:
    """Why the finished cell with this cell.json is not what today's config asks for; empty where it is.

    Looks at its recipe, at device and engine, at the size of its crops, and, for a network, at its pixels,
    split and weights; what is not there to be compared with is no reason.
    """
    project = grid.project
    recipe = project.config.recipe_of(cell.recipe)
    if not is_same_recipe(record["recipe"], recipe):
        return f"made with {_recipe_words(record['recipe'], recipe)}"
    if not cell.is_baseline and (words := _arithmetic_words(record["numerics"], project.config)):
        return words
    inputs = grid.cell_inputs(cell) if not cell.is_baseline else {}
    view = Path(project.config.paths.store, cell.dataset, "views", f"{cell.view}.json")
    try:
        packed = _packed(*_version(view))
    except (OSError, ValueError, KeyError, TypeError):
        return ""  # not packed, or damaged: the step that reads it says so
    crop = project.crop(cell.dataset)
    if cell.view in study_crops() and packed.size not in (None, (crop.width, crop.height)):
        width, height = packed.size or (0, 0)
        return f"its crops are {width}×{height} pixels, now {crop.width}×{crop.height}"
    split = Path(inputs["split"]) if inputs else None
    if split is None or "identity" not in record or not split.is_file():
        return ""
    assert isinstance(recipe, Recipe)
    weights = Path(inputs["weights"]) if "weights" in inputs else None
    today = network_identity(
        cell, recipe, packed.pixels, known_sha256(split), weights, str(record["numerics"])
    )
    return "" if today == record["identity"] else "made of other pixels, another split or other weights"


def _finished(grid: Grid, cell: Cell, folder: Path) -> CellState | None:
    """The cell whose files lie in ``folder``: done, stale or damaged; None where there is none."""
    path = folder / "cell.json"
    try:
        record = whole_record(folder)
    except FileNotFoundError:
        return None
    except NullcropError as error:
        return CellState(cell, "damaged", words=str(error))
    if defect := _defect(record, cell):
        words = f"{path} {defect}; delete {folder} and run the workflow again"
        return CellState(cell, "damaged", words=words)
    if why := outdated(grid, cell, record):
        return CellState(cell, "stale", words=why)
    return CellState(cell, "done", record, path.stat().st_mtime, folder=folder)


def _defect(record: Mapping[str, Any], cell: Cell) -> str:
    """What keeps ``record`` from being the cell.json of ``cell``; empty where it is."""
    try:
        float(record["seconds"])
        counts = [int(record["images"][part]) for part in PARTS]
        told = isinstance(record["recipe"], dict) and record["numerics"] and counts
        other = record["cell"] != asdict(cell)
    except (KeyError, TypeError, ValueError) as error:
        return f"lacks what every cell records ({error})"
    if not told:
        return "lacks its recipe or its numerics"
    return "is the record of another cell" if other else ""


def _recipe_words(recorded: Mapping[str, Any], recipe: Recipe | BaselineRecipe) -> str:
    """`learning_rate 0.001, now 0.01`: where the recipe of a finished cell is not today's."""
    before = {**{one.name: one.default for one in fields(recipe)}, **recorded}
    today = asdict(recipe)
    words = [
        f"{key} {value}, now {today[key]}" if key in today else f"{key} {value}, unknown to this version"
        for key, value in before.items()
        if key not in today or value != today[key]
    ]
    return listed(words)


def _arithmetic_words(numerics: str, config: Config) -> str:
    """Why this arithmetic is not the one of today's `device` and `engine`; empty where it may be.

    An engine that cannot run on a machine gives way to the plain loop, so the plain one is never a reason;
    nor is what was captured where `plain` or `auto` is asked for, which keep what is finished.
    """
    device = "cuda" if numerics.startswith("cuda") else "cpu"
    engine = "plain"
    if numerics.endswith("captured"):
        engine = "captured_bf16" if "bf16" in numerics else "captured_fp32"
    kept = ("auto", "plain")
    for key, made, today in (("device", device, config.device), ("engine", engine, config.engine)):
        if today not in (made, *kept) and made != "plain":
            return f"made under {numerics}, now {key}: {today}"
    return ""


@dataclass(frozen=True)
class _Packed:
    """What a view's file in the store says of its pixels."""

    pixels: str
    size: tuple[int, int] | None
    """Width and height of every image; None where they differ."""


@cache
def _packed(path: str, inode: int, size: int, changed: int) -> _Packed:
    # Once a file, however many cells are made of it and however often one looks.
    sidecar = read_json(path)
    shape = sidecar.get("shape")
    return _Packed(str(sidecar["pixels_sha256"]), (int(shape[2]), int(shape[1])) if shape else None)


def _version(path: Path) -> tuple[str, int, int, int]:
    """What tells one version of a file from the next."""
    stat = path.stat()
    return str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns


def _unfinished(cell: Cell, work: Path, paths: Paths) -> CellState:
    if not work.is_dir():
        return CellState(cell, "missing")
    state, beat = read_state(work / HEARTBEAT)
    if state == "running":
        job = f", Slurm job {beat['slurm_job']}" if beat.get("slurm_job") else ""
        return CellState(cell, state, words=f"{beat.get('host')}, process {beat.get('process')}{job}")
    log = Path(paths.results, "logs", "train_cell", f"{cell.path}.log")
    return CellState(cell, state, words=beat.get("failed") or _last_line(log))


def _last_line(log: Path) -> str:
    try:
        return (log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines() or [""])[-1]
    except OSError:
        return ""
