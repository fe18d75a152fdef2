"""How much of each study is done: n of N cells, by dataset, from the files alone."""

from dataclasses import asdict
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table

from nullcrop.config.cell import Cell
from nullcrop.config.grid import Grid
from nullcrop.config.models import Project
from nullcrop.config.yaml_files import meant
from nullcrop.errors import NullcropError, listed
from nullcrop.files import read_json
from nullcrop.progress import duration

BAR_WIDTH = 12


def print_status(project: Project, study: str | None = None, console: Console | None = None) -> None:
    """Print a table for each study (or one): cells done, begun and missing, time spent.

    A cell is done when its cell.json can be read and its recipe is the config's, begun when it has
    a working folder (running, or stopped and resumable); begun cells are named below the table.
    Works on half-finished results.
    """
    console = console or Console()
    grid = Grid(project)
    if study is not None and study not in grid.studies:
        raise NullcropError(f"unknown study '{study}', {meant(study, grid.studies)}")
    for name in [study] if study else grid.studies:
        cells = [_CellState(project, cell) for cell in grid.cells(name)]
        console.print(_study_table(f"{name}: {project.config.studies[name].title}", cells))
        begun = [state.cell.path for state in cells if state.begun]
        if begun:
            console.print(f"Begun: {listed(begun)}", highlight=False, soft_wrap=True)


class _CellState:
    """What a cell's files say of it."""

    def __init__(self, project: Project, cell: Cell) -> None:
        results = Path(project.config.paths.results)
        self.cell = cell
        self.seconds: float | None = None
        """Training time; None when the cell is not done."""
        try:
            facts = read_json(results / "cells" / cell.path / "cell.json")
            if facts["recipe"] == asdict(project.config.recipe_of(cell.recipe)):
                self.seconds = float(facts["seconds"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # not there, or not whole: not done
        self.begun = self.seconds is None and (results / ".work" / "cells" / cell.path).is_dir()


def _study_table(title: str, cells: list[_CellState]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE)
    table.add_column("dataset", no_wrap=True)
    table.add_column("", width=BAR_WIDTH)
    for heading in ("done", "begun", "missing", "time spent"):
        table.add_column(heading, justify="right", no_wrap=True)
    for dataset in dict.fromkeys(state.cell.dataset for state in cells):
        table.add_row(*_row(dataset, [state for state in cells if state.cell.dataset == dataset]))
    table.add_section()
    table.add_row(*_row("all", cells))
    return table


def _row(label: str, cells: list[_CellState]) -> list[str | ProgressBar]:
    seconds = [state.seconds for state in cells if state.seconds is not None]
    begun = sum(state.begun for state in cells)
    return [
        label,
        ProgressBar(total=len(cells), completed=len(seconds), width=BAR_WIDTH),
        f"{len(seconds)} of {len(cells)}",
        str(begun),
        str(len(cells) - len(seconds) - begun),
        duration(sum(seconds)),
    ]
