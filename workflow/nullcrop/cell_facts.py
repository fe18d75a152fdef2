"""How far a planned cell is, from its files alone."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from nullcrop.config.cell import Cell
from nullcrop.config.models import Project
from nullcrop.files import read_json

State = Literal["done", "begun", "missing", "damaged"]


@dataclass(frozen=True)
class CellFacts:
    """One planned cell: how far it is, and what its cell.json records (empty unless it is done)."""

    cell: Cell
    state: State
    record: dict[str, Any] = field(default_factory=dict)
    finished: float | None = None
    """When it was finished, in seconds since the epoch."""
    problem: str = ""
    """Why a damaged cell cannot be read."""


def cell_facts(project: Project, cell: Cell) -> CellFacts:
    """How far ``cell`` is: done when its cell.json is whole and its recipe is the config's.

    It is begun when it has a working folder: it runs, or was stopped and can go on.
    """
    results = Path(project.config.paths.results)
    path = results / "cells" / cell.path / "cell.json"
    try:
        record = read_json(path)
        if record["recipe"] == asdict(project.config.recipe_of(cell.recipe)):
            return CellFacts(cell, "done", record, path.stat().st_mtime)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not there, or not whole: not done
    begun = (results / ".work" / "cells" / cell.path).is_dir()
    return CellFacts(cell, "begun" if begun else "missing")
