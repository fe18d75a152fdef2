"""The verdicts of a study in the terminal, from the cells that are done."""

from typing import Any

import pandas as pd
from rich.console import Console

from nullcrop.config.models import Project
from nullcrop.status.standing import Standing
from nullcrop.terminal.page import Column, Row, put, put_table, terminal

COLUMNS = {
    "dataset": Column("dataset", "name"),
    "split": Column("split", "name"),
    "verdict": Column("verdict", "words"),
    "p": Column("p"),
    "explained_by": Column("explained by", "words"),
}
"""Columns of the table by those of verdicts.csv; the last is left out where nothing is explained."""


def print_verdicts(project: Project, study: str | None = None, console: Console | None = None) -> None:
    """Print a table of verdicts for each study (or one), the sentences to quote, and what needs an eye.

    Works on half-finished results: a dataset of which the workflow has written no verdict, or one that is not
    today's, is judged by the cells that are done, and says so.
    """
    console = console or terminal()
    standing = Standing(project)
    for name in standing.studies(study):
        rows = [
            row
            for dataset in standing.grid.datasets(name)
            for row in standing.verdicts(name, dataset).to_dict("records")
        ]
        if rows:
            title = f"{name}: {project.config.studies[name].title}"
            explained = any(_words(row["explained_by"]) for row in rows)
            keys = [key for key in COLUMNS if explained or key != "explained_by"]
            shown = [
                Row([_words(row[key]) for key in keys], style=None if row["headline"] else "dim")
                for row in rows
            ]
            put_table(console, [COLUMNS[key] for key in keys], shown, title)
        else:
            put(console, f"{name}: no reader of a crop is done yet")
        for row in rows:
            if row["headline"]:
                put(console, row["sentence"])
                put(console, row["details"], "dim", indent=2)
                console.print()
        for line in standing.remarks(name):
            put(console, line)


def _words(value: Any) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.2g}" if isinstance(value, float) else str(value)
