"""How much of each study is done: n of N cells, by dataset, and what leaks; from the files alone."""

from dataclasses import asdict
from pathlib import Path

import pandas as pd
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
from nullcrop.heartbeat import HEARTBEAT, read_state
from nullcrop.progress import duration
from nullcrop.statistics.leaks import AS_RELEASED, read_leaks
from nullcrop.training.cells import kept_folder

BAR_WIDTH = 6

LEAKS = {
    "exact": "exact_clusters",
    "alike": "near_clusters",
    "over classes": "near_across_classes",
    "over parts": "near_across_parts",
    "groups over parts": "groups_across_parts",
}
"""Headings of the table of leaks, and the columns of leaks.csv below them."""

SEEN = {"test images seen": "near_test_images", "groups seen": "group_test_images"}
"""The same for what is a share of the test images."""


def print_status(project: Project, study: str | None = None, console: Console | None = None) -> None:
    """Print a table for each study (or one): cells done, running, failed, stopped and missing, time spent.

    A cell is done when its cell.json can be read and its recipe is the config's. Of the others
    those with a working folder have begun: they run while their heartbeat is fresh, have failed when
    it holds an error, and else were stopped or killed and go on at their last epoch. Below the
    table these cells are named, and those done under another arithmetic than the study demands.
    Works on half-finished results.
    """
    console = console or Console()
    grid = Grid(project)
    if study is not None and study not in grid.studies:
        raise NullcropError(f"unknown study '{study}', {meant(study, grid.studies)}")
    for name in [study] if study else grid.studies:
        cells = [_CellState(project, cell) for cell in grid.cells(name)]
        console.print(_study_table(f"{name}: {project.config.studies[name].title}", cells))
        for line in _remarks(cells, project.config.studies[name].numerics):
            console.print(line, highlight=False, soft_wrap=True, markup=False)
    counted = {
        dataset: path
        for dataset in (grid.datasets(study) if study else grid.values("dataset"))
        if (path := Path(project.config.paths.results, "datasets", dataset, "leaks.csv")).is_file()
    }
    if counted:
        console.print(_leaks_table({dataset: read_leaks(path) for dataset, path in counted.items()}))


class _CellState:
    """What a cell's files say of it."""

    def __init__(self, project: Project, cell: Cell) -> None:
        paths = project.config.paths
        self.cell = cell
        self.seconds: float | None = None
        """Training time; None when the cell is not done."""
        self.numerics = ""
        self.state = "missing"
        self.words = ""
        """Why it failed, where it runs, or the last line of its log."""
        work = Path(paths.work, "cells", cell.path)
        places = [Path(paths.results, "cells", cell.path)]
        if project.config.cells_per_job > 1:
            places.append(kept_folder(work))  # finished, and collected when all of its job is
        for place in places:
            try:
                facts = read_json(place / "cell.json")
                if facts["recipe"] == asdict(project.config.recipe_of(cell.recipe)):
                    self.seconds, self.numerics = float(facts["seconds"]), facts.get("numerics", "")
                    self.state = "done"
                    break
            except (OSError, ValueError, KeyError, TypeError):
                continue  # not there, or not whole: not done
        if self.state != "done" and work.is_dir():
            self.state, facts = read_state(work / HEARTBEAT)
            if self.state == "running":
                job = f", Slurm job {facts['slurm_job']}" if facts.get("slurm_job") else ""
                self.words = f"{facts.get('host')}, process {facts.get('process')}{job}"
            else:
                log = Path(paths.results, "logs", "train_cell", f"{cell.path}.log")
                self.words = facts.get("failed") or _last_line(log)


def _last_line(log: Path) -> str:
    try:
        return (log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines() or [""])[-1]
    except OSError:
        return ""


def _remarks(cells: list[_CellState], demanded: str | None) -> list[str]:
    """Lines below a study's table: cells in each state that needs an eye, and what they say."""
    lines = []
    for state in ("running", "failed", "stopped"):
        of_state = [cell for cell in cells if cell.state == state]
        if of_state:
            lines.append(
                f"{state.capitalize()}: {listed(f'{cell.cell.path} ({cell.words})' for cell in of_state)}"
            )
    others = [
        state
        for state in cells
        if state.state == "done" and not state.cell.is_baseline and demanded not in (None, state.numerics)
    ]
    if others:
        lines.append(
            f"Not made under {demanded}, as the study demands (delete them to have them made again): "
            + listed(f"{cell.cell.path} ({cell.numerics})" for cell in others)
        )
    return lines


def _study_table(title: str, cells: list[_CellState]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("dataset", no_wrap=True)
    table.add_column("", width=BAR_WIDTH)
    for heading in ("done", "running", "failed", "stopped", "missing", "time"):
        table.add_column(heading, justify="right", no_wrap=True)
    for dataset in dict.fromkeys(state.cell.dataset for state in cells):
        table.add_row(*_row(dataset, [state for state in cells if state.cell.dataset == dataset]))
    table.add_section()
    table.add_row(*_row("all", cells))
    return table


def _leaks_table(leaks: dict[str, pd.DataFrame]) -> Table:
    """Each dataset's leaks as released, then in the splits used, the seeds of one split in one row."""
    table = Table(
        title="Leaks: clusters of duplicates, groups; test images with either in training",
        title_justify="left",
        box=SIMPLE,
        padding=(0, 1, 0, 0),
    )
    table.add_column("dataset, split", no_wrap=True)
    for heading in (*LEAKS, *SEEN):
        table.add_column(heading, justify="right")
    for dataset, rows in leaks.items():
        for (_, split), seeds in rows.groupby(["labels", "split"], sort=False):
            table.add_row(
                dataset if split == AS_RELEASED else f"  {split}",
                *(_range(seeds[column]) for column in LEAKS.values()),
                *(_share(seeds[column], seeds["test_images"]) for column in SEEN.values()),
            )
    return table


def _range(counts: "pd.Series[int]") -> str:
    low, high = counts.min(), counts.max()
    return str(low) if low == high else f"{low}-{high}"


def _share(counts: "pd.Series[int]", images: "pd.Series[int]") -> str:
    return f"{_range(counts)}/{_range(images)}" if images.any() else "-"


def _row(label: str, cells: list[_CellState]) -> list[str | ProgressBar]:
    seconds = [state.seconds for state in cells if state.seconds is not None]
    return [
        label,
        ProgressBar(total=len(cells), completed=len(seconds), width=BAR_WIDTH),
        f"{len(seconds)} of {len(cells)}",
        *(
            str(sum(cell.state == state for cell in cells))
            for state in ("running", "failed", "stopped", "missing")
        ),
        duration(sum(seconds)),
    ]
