"""How far a planned cell is, from its files alone."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nullcrop.config.cell import Cell
from nullcrop.config.models import Paths, Project
from nullcrop.config.recipe import is_same_recipe
from nullcrop.errors import NullcropError
from nullcrop.finished import whole_record
from nullcrop.heartbeat import HEARTBEAT, read_state
from nullcrop.training.cells import kept_folder

State = Literal["done", "trained", "running", "failed", "stopped", "missing", "damaged"]
"""Trained: finished in a job of several cells, which has not ended yet."""

FINISHED: tuple[State, ...] = ("done", "trained")

BEGUN: tuple[State, ...] = ("trained", "running", "failed", "stopped")
"""States of cells that have no result yet, but were worked on."""


@dataclass(frozen=True)
class CellFacts:
    """One planned cell: how far it is, and what its cell.json records (empty unless it is done or trained)."""

    cell: Cell
    state: State
    record: dict[str, Any] = field(default_factory=dict)
    finished: float | None = None
    """When it was finished, in seconds since the epoch."""
    words: str = ""
    """Where it runs, why it failed, which of its files is damaged, or the last line of a stopped cell's log."""


def cell_facts(project: Project, cell: Cell) -> CellFacts:
    """How far ``cell`` is: done when its files are whole and its recipe decides what the config's does.

    A cell whose files a crash left empty or cut short is damaged. Of the others those with a working folder have begun: they run while their heartbeat is fresh, have
    failed when it holds an error, and else were stopped or killed and go on at their last epoch.
    """
    paths = project.config.paths
    work = Path(paths.work, "cells", cell.path)
    places: list[tuple[State, Path]] = [("done", Path(paths.results, "cells", cell.path))]
    if project.config.cells_per_job > 1 and not cell.is_baseline:
        places.append(("trained", kept_folder(work)))
    damage = ""
    for state, folder in places:
        try:
            record = whole_record(folder)
            if is_same_recipe(record["recipe"], project.config.recipe_of(cell.recipe)):
                return CellFacts(cell, state, record, (folder / "cell.json").stat().st_mtime)
        except NullcropError as error:
            damage = damage or str(error)
        except (OSError, KeyError, TypeError):
            continue  # not there, or no record of a cell: not done
    unfinished = _unfinished(cell, work, paths)
    if damage and unfinished.state == "missing":
        return CellFacts(cell, "damaged", words=damage)
    return unfinished


def made_otherwise(facts: CellFacts, demanded: str | None) -> bool:
    """Whether a finished cell was made under another arithmetic than a study demands of its networks."""
    return (
        facts.state in FINISHED
        and not facts.cell.is_baseline
        and demanded not in (None, facts.record.get("numerics"))
    )


def _unfinished(cell: Cell, work: Path, paths: Paths) -> CellFacts:
    if not work.is_dir():
        return CellFacts(cell, "missing")
    state, beat = read_state(work / HEARTBEAT)
    if state == "running":
        job = f", Slurm job {beat['slurm_job']}" if beat.get("slurm_job") else ""
        return CellFacts(cell, state, words=f"{beat.get('host')}, process {beat.get('process')}{job}")
    log = Path(paths.results, "logs", "train_cell", f"{cell.path}.log")
    return CellFacts(cell, state, words=beat.get("failed") or _last_line(log))


def _last_line(log: Path) -> str:
    try:
        return (log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines() or [""])[-1]
    except OSError:
        return ""
