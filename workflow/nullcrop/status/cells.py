"""How far a planned cell is, from its files alone."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.files import read_json
from nullcrop.config.cell import Cell
from nullcrop.config.grid import Grid, split_path
from nullcrop.config.models import Config, Paths, Project
from nullcrop.config.recipe import BaselineRecipe, Recipe, is_same_recipe
from nullcrop.config.views import study_crops
from nullcrop.status.origins import Version, outdated_listing, outdated_split, version
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

    Looks at its recipe, at device and engine, at the list of images and the split that today's definition
    asks for, at the size of its crops, at its split and, for a network, at its pixels and weights. What is
    not there to be compared with is no reason.
    """
    project = grid.project
    recipe = project.config.recipe_of(cell.recipe)
    if not is_same_recipe(record["recipe"], recipe):
        return f"made with {_recipe_words(record['recipe'], recipe)}"
    if not cell.is_baseline and (words := _arithmetic_words(record["numerics"], project.config)):
        return words
    split = Path(split_path(project.config.paths.results, cell))
    if words := outdated_listing(grid, cell.dataset) or outdated_split(
        project, cell.dataset, cell.labels, cell.split, split
    ):
        return words
    if words := outdated_crops(project, cell.dataset, cell.view):
        return words
    if cell.is_baseline:
        known = "split_sha256" in record and split.is_file()
        return "made of another split" if known and known_sha256(split) != record["split_sha256"] else ""
    inputs = grid.cell_inputs(cell)
    packed = _packed_view(project, cell.dataset, cell.view)
    if packed is None or "identity" not in record or not split.is_file():
        return ""
    assert isinstance(recipe, Recipe)
    weights = Path(inputs["weights"]) if "weights" in inputs else None
    today = network_identity(
        cell, recipe, packed.pixels, known_sha256(split), weights, str(record["numerics"])
    )
    return "" if today == record["identity"] else "made of other pixels, another split or other weights"


def outdated_crops(project: Project, dataset: str, view: str) -> str:
    """Why a packed crop of ``dataset`` has not the size that is asked for today; empty where it has, and for
    views that are no crops."""
    packed, crop = _packed_view(project, dataset, view), project.crop(dataset)
    if packed is None or view not in study_crops() or packed.size in (None, (crop.width, crop.height)):
        return ""
    width, height = packed.size or (0, 0)
    return f"its crops are {width}×{height} pixels, now {crop.width}×{crop.height}"


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


def _packed_view(project: Project, dataset: str, view: str) -> _Packed | None:
    """None: not packed, or damaged; the step that reads it says so."""
    try:
        return _packed(version(Path(project.config.paths.store, dataset, "views", f"{view}.json")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


@cache
def _packed(version: Version) -> _Packed:
    # Once a file, however many cells are made of it and however often one looks.
    sidecar = read_json(version[0])
    shape = sidecar.get("shape")
    return _Packed(str(sidecar["pixels_sha256"]), (int(shape[2]), int(shape[1])) if shape else None)


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
