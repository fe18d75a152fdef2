"""The verdicts of a study in the terminal, from the cells that are done."""

from pathlib import Path

import pandas as pd
from rich.box import SIMPLE
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from nullcrop.config.grid import Grid
from nullcrop.config.models import Project
from nullcrop.config.yaml_files import meant
from nullcrop.errors import NullcropError
from nullcrop.finished import is_whole
from nullcrop.statistics.comparisons import compare_cells
from nullcrop.statistics.families import role_of
from nullcrop.statistics.tables import metrics_of_cells, read_cells, read_metrics
from nullcrop.statistics.verdicts import bound_words, judge


def print_verdicts(project: Project, study: str | None = None, console: Console | None = None) -> None:
    """Print a table of verdicts for each study (or one), and the sentence of each verdict to quote.

    Works on half-finished results: a dataset whose verdict the workflow has not written yet is judged by
    the cells that are done, and says so.
    """
    console = console or Console()
    grid = Grid(project)
    if study is not None and study not in grid.studies:
        raise NullcropError(f"unknown study '{study}', {meant(study, grid.studies)}")
    for name in [study] if study else grid.studies:
        rows = [
            row
            for dataset in grid.datasets(name)
            for row in _verdicts(project, grid, name, dataset).to_dict("records")
        ]
        if not rows:
            console.print(f"{name}: no network on a crop is done yet")
            continue
        console.print(_table(f"{name}: {project.config.studies[name].title}", pd.DataFrame(rows)))
        for row in rows:
            if row["headline"]:
                console.print(row["sentence"], highlight=False)
                console.print(Padding(row["details"], (0, 0, 1, 2)), highlight=False, style="dim")


def _verdicts(project: Project, grid: Grid, study: str, dataset: str) -> pd.DataFrame:
    results = Path(project.config.paths.results)
    planned = grid.cells(study, dataset)
    written = results / "studies" / study / dataset / "verdicts.csv"
    definition = project.definition(dataset)
    crops = sum(role_of(cell, definition.field) == "crop" for cell in planned)
    if written.is_file():
        verdicts = read_metrics(written)
        if verdicts["planned"].sum() == crops:
            return verdicts
    thresholds = project.config.verdict
    done = [cell for cell in planned if is_whole(results / "cells" / cell.path)]
    if not done:
        return pd.DataFrame()
    cells = read_cells([results / "cells" / cell.path for cell in done])
    metrics = metrics_of_cells(cells, definition.field, thresholds.level)
    return judge(
        metrics,
        compare_cells(cells),
        planned,
        definition.title,
        definition.field,
        definition.group_word,
        thresholds,
    )


def _table(title: str, verdicts: pd.DataFrame) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    for heading in ("dataset", "split", "verdict"):
        table.add_column(heading, no_wrap=True)
    for heading in ("AUROC", "at least", "agree"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("explained by")
    for row in verdicts.to_dict("records"):
        known = not pd.isna(row["auroc_bound"])
        table.add_row(
            row["dataset"],
            row["split"],
            row["verdict"] if row["can_tell"] else "cannot be judged",
            f"{row['auroc']:.2f}" if known else "",
            bound_words(row["auroc_bound"]) if known else "",
            f"{row['cells_agreeing']}/{row['cells']}",
            "" if pd.isna(row["baselines"]) else row["baselines"],
            style=None if row["headline"] else "dim",
        )
    return table
