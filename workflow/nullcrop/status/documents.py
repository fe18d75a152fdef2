"""What `status` and `verdicts` tell, for programs: numbers as numbers, null where there is none.

docs/json.md names every key. A key stays; new ones may come.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import pandas as pd

import nullcrop
from nullcrop.config.models import Project
from nullcrop.datasets.ignored import told_in
from nullcrop.duplicates.leaks import read_leaks
from nullcrop.status.cells import CellState, State
from nullcrop.status.cost import cost_rows, summed_cost
from nullcrop.status.foresight import foresee
from nullcrop.status.standing import NAMED, Standing
from nullcrop.status.time_left import time_left

INNER = ["cells_sha256"]
"""Columns by which a written table is known to be today's; one that is judged now has none."""


def status_document(asked: Sequence[tuple[Project, str | None]]) -> dict[str, Any]:
    """How much of each study is done, as ``asked``: projects, each with a study, or None for all of its."""
    studies = [_study_status(standing, study) for standing, study in _studies(asked)]
    return {"nullcrop": nullcrop.__version__, "studies": studies}


def verdicts_document(asked: Sequence[tuple[Project, str | None]]) -> dict[str, Any]:
    """What each dataset's crops tell in each study, as ``asked``: columns of verdicts.csv."""
    studies = []
    for standing, study in _studies(asked):
        tables = (standing.verdicts(study, dataset) for dataset in standing.grid.datasets(study))
        studies.append(
            {
                "study": study,
                "title": standing.project.config.studies[study].title,
                "verdicts": [row for table in tables for row in _rows(table)],
                "remarks": standing.remarks(study),
            }
        )
    return {"nullcrop": nullcrop.__version__, "studies": studies}


def _studies(asked: Sequence[tuple[Project, str | None]]) -> Iterable[tuple[Standing, str]]:
    for project, study in asked:
        standing = Standing(project)
        yield from ((standing, name) for name in standing.studies(study))


def _study_status(standing: Standing, study: str) -> dict[str, Any]:
    project, cells = standing.project, standing.planned(study)
    left = time_left(cells, project.definition)
    return {
        "study": study,
        "title": project.config.studies[study].title,
        **_counted(cells),
        "left": {
            "training_seconds": left.training,
            "clock_seconds": left.clock,
            "cells_not_known": left.unknown,
        },
        "datasets": [_dataset_status(standing, study, name) for name in standing.grid.datasets(study)],
        "unfinished": [
            {"cell": one.cell.path, "state": one.state, "words": one.words}
            for one in cells
            if one.state in NAMED
        ],
        "hardware": _rows(
            summed_cost(cost_rows(one.record for one in cells if one.state == "done"), ["hardware"])
        ),
        "remarks": standing.remarks(study),
    }


def _dataset_status(standing: Standing, study: str, dataset: str) -> dict[str, Any]:
    folder = Path(standing.project.config.paths.results, "datasets", dataset)
    leaks, seen = folder / "leaks.csv", foresee(standing.grid, study, dataset)
    return {
        "dataset": dataset,
        **_counted(standing.planned(study, dataset)),
        "could_be_seen": {key: _plain(value) for key, value in asdict(seen).items()} if seen else None,
        "ignored": _plain(told_in(folder / "dataset.json")),
        "leaks": _rows(read_leaks(leaks)) if leaks.is_file() else [],
    }


def _counted(cells: Sequence[CellState]) -> dict[str, Any]:
    count = Counter(one.state for one in cells)
    return {
        "cells": {"planned": len(cells), **{state: count[state] for state in get_args(State)}},
        "seconds": sum(float(one.record["seconds"]) for one in cells if one.state == "done"),
    }


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = table.drop(columns=INNER, errors="ignore").to_dict(orient="records")
    return [{str(key): _plain(value) for key, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    """A value as JSON knows it: of NumPy and pandas what Python has, and None for what is not there."""
    value = getattr(value, "item", lambda: value)()
    # A written table cannot tell an empty text from none.
    absent = value is pd.NA or value == "" or (isinstance(value, float) and not math.isfinite(value))
    return None if absent else value
