"""The verdicts of a study in the terminal, from the cells that are done."""

import pandas as pd
from rich.box import SIMPLE
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from nullcrop.config.models import Project
from nullcrop.status.standing import Standing


def print_verdicts(project: Project, study: str | None = None, console: Console | None = None) -> None:
    """Print a table of verdicts for each study (or one), the sentences to quote, and what needs an eye.

    Works on half-finished results: a dataset of which the workflow has written no verdict, or one that is not
    today's, is judged by the cells that are done, and says so.
    """
    console = console or Console()
    standing = Standing(project)
    for name in standing.studies(study):
        rows = [
            row
            for dataset in standing.grid.datasets(name)
            for row in standing.verdicts(name, dataset).to_dict("records")
        ]
        if rows:
            console.print(_table(f"{name}: {project.config.studies[name].title}", pd.DataFrame(rows)))
        else:
            console.print(f"{name}: no reader of a crop is done yet")
        for row in rows:
            if row["headline"]:
                console.print(row["sentence"], highlight=False)
                console.print(Padding(row["details"], (0, 0, 1, 2)), highlight=False, style="dim")
        for line in standing.remarks(name):
            console.print(line, highlight=False, soft_wrap=True, markup=False)


def _table(title: str, verdicts: pd.DataFrame) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    for heading in ("dataset", "split", "verdict"):
        table.add_column(heading, no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    table.add_column("explained by")
    for row in verdicts.to_dict("records"):
        table.add_row(
            row["dataset"],
            row["split"],
            row["verdict"],
            "" if pd.isna(row["p"]) else f"{row['p']:.2g}",
            "" if pd.isna(row["explained_by"]) else row["explained_by"],
            style=None if row["headline"] else "dim",
        )
    return table
