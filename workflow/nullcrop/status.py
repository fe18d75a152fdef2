"""How much of each study is done: n of N cells, by dataset, from the files alone."""

from collections.abc import Iterable
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table

from nullcrop.config.cell import Cell
from nullcrop.config.grid import Grid
from nullcrop.config.models import Project
from nullcrop.config.yaml_files import meant
from nullcrop.errors import NullcropError
from nullcrop.files import read_json
from nullcrop.progress import duration

BAR_WIDTH = 12


def print_status(project: Project, study: str | None = None, console: Console | None = None) -> None:
    """Print a table for each study (or one): cells done, begun and missing, time spent.

    A cell is done when its cell.json can be read, begun when a checkpoint of it lies in the
    working folder (running, or stopped and resumable). Works on half-finished results.
    """
    console = console or Console()
    grid = Grid(project)
    if study is not None and study not in grid.studies:
        raise NullcropError(f"unknown study '{study}', {meant(study, grid.studies)}")
    for name in [study] if study else grid.studies:
        console.print(_study_table(project, name, grid.cells(name)))


def _study_table(project: Project, study: str, cells: list[Cell]) -> Table:
    results = Path(project.config.paths.results)
    table = Table(title=f"{study}: {project.config.studies[study].title}", title_justify="left", box=SIMPLE)
    table.add_column("dataset", no_wrap=True)
    table.add_column("", width=BAR_WIDTH)
    for heading in ("done", "begun", "missing", "time spent"):
        table.add_column(heading, justify="right", no_wrap=True)
    for dataset in dict.fromkeys(cell.dataset for cell in cells):
        table.add_row(*_row(dataset, results, [cell for cell in cells if cell.dataset == dataset]))
    table.add_section()
    table.add_row(*_row("all", results, cells))
    return table


def _row(label: str, results: Path, cells: Iterable[Cell]) -> list[str | ProgressBar]:
    seconds: list[float] = []
    begun = total = 0
    for cell in cells:
        total += 1
        spent = _seconds(results / "cells" / cell.path / "cell.json")
        if spent is not None:
            seconds.append(spent)
        elif (results / ".work" / "cells" / cell.path).is_dir():
            begun += 1
    done = len(seconds)
    return [
        label,
        ProgressBar(total=total, completed=done, width=BAR_WIDTH),
        f"{done} of {total}",
        str(begun),
        str(total - done - begun),
        duration(sum(seconds)),
    ]


def _seconds(path: Path) -> float | None:
    """Training seconds of a finished cell; None when there is no whole cell.json."""
    try:
        return float(read_json(path)["seconds"])
    except (OSError, ValueError, KeyError):
        return None
