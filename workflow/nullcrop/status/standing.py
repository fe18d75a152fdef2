"""The one answer to "what is done, and what is the verdict now", for terminal and report alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.config.cell import CELL_COLUMNS, Cell
from nullcrop.config.grid import Grid
from nullcrop.config.models import Project
from nullcrop.config.names import Field
from nullcrop.config.yaml_files import meant
from nullcrop.statistics.comparisons import compare_cells
from nullcrop.statistics.families import role_of
from nullcrop.statistics.reader_table import judge_readers
from nullcrop.statistics.tables import (
    FinishedCell,
    answers_sha256,
    answers_sha256_of_rows,
    metrics_of_cells,
    read_cells,
    read_histories,
    read_metrics,
)
from nullcrop.statistics.verdicts import judge, read_verdicts
from nullcrop.status.cells import CellState, State, cell_state, made_otherwise

NAMED: tuple[State, ...] = ("failed", "damaged", "stopped", "stale", "running")
"""States of which each cell is named, what needs an eye first."""

NO_HISTORY = pd.DataFrame(columns=CELL_COLUMNS)


@dataclass(frozen=True)
class Written:
    """The verdicts that the workflow wrote of a dataset in a study, and whether they are today's."""

    state: Literal["done", "stale", "damaged", "missing"]
    """Done: made of the cells that are finished now, under today's `verdict:` and definition."""
    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    """As :func:`~nullcrop.statistics.verdicts.judge` gives them; empty unless done."""
    words: str = ""
    """Why they are stale or damaged, and what to do."""


@dataclass(frozen=True)
class Tables:
    """What the finished cells of a dataset in a study amount to now; empty where none is finished."""

    metrics: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=CELL_COLUMNS))
    """One row a finished cell, as :func:`~nullcrop.statistics.tables.metrics_of_cells` gives it."""
    readers: pd.DataFrame = field(default_factory=pd.DataFrame)
    """As :func:`~nullcrop.statistics.reader_table.judge_readers` gives them."""
    comparisons: pd.DataFrame = field(default_factory=pd.DataFrame)
    """As :func:`~nullcrop.statistics.comparisons.compare_cells` gives them."""
    verdicts: pd.DataFrame = field(default_factory=pd.DataFrame)
    """As :func:`~nullcrop.statistics.verdicts.judge` gives them."""


class Standing:
    """How a project's studies stand, from the files alone.

    It looks at each cell once, so that all who ask it hear the same; for a later moment make a new one.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.grid = Grid(project)
        self._results = Path(project.config.paths.results)
        self._states: dict[Cell, CellState] = {}
        self._read: dict[str, tuple[list[FinishedCell], pd.DataFrame]] = {}

    def studies(self, study: str | None = None) -> list[str]:
        """All studies, or ``study`` alone; NullcropError when there is none of that name."""
        if study is not None and study not in self.grid.studies:
            raise NullcropError(f"unknown study '{study}', {meant(study, self.grid.studies)}")
        return [study] if study else self.grid.studies

    def cells(self, study: str | None = None, dataset: str | None = None) -> list[CellState]:
        """Every planned cell, or those of one study (but for those on treated images) or one dataset: how far
        it is."""
        planned = self.grid.all_cells if study is None else self.grid.cells(study)
        return [self._cell(cell) for cell in planned if dataset in (None, cell.dataset)]

    def planned(self, study: str, dataset: str | None = None) -> list[CellState]:
        """Every cell that a study plans, those on treated images too."""
        treated = [self._cell(cell) for cell in self.grid.treated_cells(study, dataset)]
        return [*self.cells(study, dataset), *treated]

    def finished(self, dataset: str) -> tuple[list[FinishedCell], pd.DataFrame]:
        """The finished cells of a dataset with their answers, and their histories (``read_histories``).

        They are read together, so that those of one test set share it. One that cannot be read is damaged
        from then on.
        """
        if dataset not in self._read:
            try:
                self._read[dataset] = _read(self.cells(dataset=dataset))
            except NullcropError:
                for state in self.cells(dataset=dataset):
                    try:
                        _read([state])
                    except NullcropError as error:
                        self._states[state.cell] = CellState(state.cell, "damaged", words=str(error))
                self._read[dataset] = _read(self.cells(dataset=dataset))
        return self._read[dataset]

    def verdicts(self, study: str, dataset: str) -> pd.DataFrame:
        """Today's verdicts on a dataset in a study: the written ones if they are today's, else judged now."""
        written = self.written(study, dataset)
        return written.table if written.state == "done" else self.tables(study, dataset).verdicts

    def tables(self, study: str, dataset: str) -> Tables:
        """What a dataset's finished cells amount to now; read where the workflow wrote it of these cells."""
        planned = self.grid.cells(study, dataset)
        finished = [one for one in self.finished(dataset)[0] if one.cell in set(planned)]
        if not finished:
            return Tables()
        answers = {one.cell: str(one.record["predictions_sha256"]) for one in finished}
        definition, thresholds = self.project.definition(dataset), self.project.config.verdict
        metrics = self._table(study, dataset, "metrics")
        if not _is_of(metrics, answers, definition.field):
            metrics = metrics_of_cells(finished, definition.field)
        made_of = answers_sha256(answers)
        readers = self._table(study, dataset, "readers")
        if not _tells(readers, made_of, definition.field, thresholds.level):
            readers = judge_readers(finished, definition.field, thresholds.level)
        comparisons = self._table(study, dataset, "comparisons")
        if set(comparisons.get("cells_sha256", ())) != {made_of}:
            comparisons = compare_cells(finished, definition.field)
        written = self.written(study, dataset)
        if written.state == "done":
            return Tables(metrics, readers, comparisons, written.table)
        words = (definition.title, definition.field, definition.group_word)
        checked = self._table(study, dataset, "inflation")
        verdicts = judge(readers, comparisons, planned, *words, thresholds, checked)
        return Tables(metrics, readers, comparisons, verdicts)

    def written(self, study: str, dataset: str) -> Written:
        """The verdicts in a study's verdicts.csv of a dataset, if they are today's; else why they are not."""
        path = self._path(study, dataset, "verdicts")
        if not path.is_file():
            return Written("missing")
        try:
            table = read_verdicts(path)
        except NullcropError as error:
            return Written("damaged", words=str(error))
        why = self._why_stale(table, study, dataset)
        return Written("stale", words=f"{path} is stale, {why}") if why else Written("done", table)

    def outdated_table(self, study: str, dataset: str, table: str) -> str:
        """Why a table of a dataset in a study is not what today's config asks for; empty where it is, where
        there is none, and where cells are still to be made."""
        path, cells = self._path(study, dataset, table), self.cells(study, dataset)
        if not path.is_file() or not all(one.state == "done" for one in cells):
            return ""
        definition, level = self.project.definition(dataset), self.project.config.verdict.level
        answers = {one.cell: str(one.record["predictions_sha256"]) for one in cells}
        made_of = answers_sha256(answers)
        try:
            rows = read_metrics(path)
            todays = (
                rows.empty
                or {
                    "metrics": lambda: _is_of(rows, answers, definition.field),
                    "readers": lambda: _tells(rows, made_of, definition.field, level),
                    # They do not tell of which field they are; the readers beside them do.
                    "comparisons": lambda: (
                        set(rows.get("cells_sha256", ())) == {made_of}
                        and set(self._table(study, dataset, "readers").get("field", ())) <= {definition.field}
                    ),
                    "verdicts": lambda: not self._why_stale(rows, study, dataset),
                }[table]()
            )
        except NullcropError:
            return "it is damaged"
        return "" if todays else "made of other cells, or under another config than today's"

    def remarks(self, study: str, dataset: str | None = None) -> list[str]:
        """What needs an eye in a study, or in one dataset of it: cells by state, and stale verdicts."""
        cells, lines = self.cells(study, dataset), []
        for state in NAMED:
            of_state = [f"{one.cell.path} ({one.words})" for one in cells if one.state == state]
            if of_state:
                lines.append(f"{state.capitalize()}: {listed(of_state)}")
        demanded = self.project.config.studies[study].numerics
        others = [one for one in cells if made_otherwise(one, demanded)]
        if others:
            lines.append(
                f"Not made under {demanded}, as the study demands (delete them to have them made again): "
                + listed(f"{one.cell.path} ({one.record['numerics']})" for one in others)
            )
        return lines + self.verdict_remarks(study, dataset)

    def verdict_remarks(self, study: str, dataset: str | None = None) -> list[str]:
        """A sentence on each written verdict of a study, or of one dataset of it, that is not today's."""
        datasets = [dataset] if dataset else self.grid.datasets(study)
        written = {name: self.written(study, name) for name in datasets}
        return [f"Verdict on {name}: {one.words}" for name, one in written.items() if one.words]

    def _cell(self, cell: Cell) -> CellState:
        if cell not in self._states:
            self._states[cell] = cell_state(self.grid, cell)
        return self._states[cell]

    def _path(self, study: str, dataset: str, table: str) -> Path:
        return self._results / "studies" / study / dataset / f"{table}.csv"

    def _table(self, study: str, dataset: str, table: str) -> pd.DataFrame:
        """A table that the workflow wrote; empty where there is none, NullcropError names a damaged one."""
        path = self._path(study, dataset, table)
        return read_metrics(path) if path.is_file() else pd.DataFrame()

    def _why_stale(self, verdicts: pd.DataFrame, study: str, dataset: str) -> str:
        """Why written verdicts are not today's, and what to do; empty where they are."""
        definition, thresholds = self.project.definition(dataset), self.project.config.verdict
        cells = self.cells(study, dataset)
        crops = any(role_of(one.cell, definition.field) == "crop" for one in cells)
        if verdicts.empty:
            return "made before a reader of a crop was done; run the workflow again" if crops else ""
        today = {
            **thresholds.model_dump(),
            "title": definition.title,
            "field": definition.field,
            "group": definition.group_word,
        }
        if not {*today, "cells_sha256"} <= set(verdicts):
            return "of an earlier version; run the workflow again"
        first = {key: "" if pd.isna(verdicts[key].iloc[0]) else verdicts[key].iloc[0] for key in today}
        changed = [f"{key} {first[key]}, now {value}" for key, value in today.items() if first[key] != value]
        if changed:
            return f"of an earlier config ({listed(changed)}); run the workflow again"
        made_of = verdicts["cells_sha256"].iloc[0]
        answers = {one.cell: str(one.record["predictions_sha256"]) for one in cells if one.state == "done"}
        if len(answers) < len(cells) or made_of != answers_sha256(answers):
            return "of other cells than those that are planned and finished now; run the workflow again"
        return ""


def _read(cells: Sequence[CellState]) -> tuple[list[FinishedCell], pd.DataFrame]:
    folders = [one.folder for one in cells if one.state == "done" and one.folder]
    return (read_cells(folders), read_histories(folders)) if folders else ([], NO_HISTORY)


def _is_of(metrics: pd.DataFrame, answers: Mapping[Cell, str], field: Field) -> bool:
    """Whether a written metrics.csv is of these cells, in their roles."""
    if not {"predictions_sha256", "role"} <= set(metrics) or len(metrics) != len(answers):
        return False
    cells = [Cell(*row) for row in metrics[CELL_COLUMNS].itertuples(index=False)]
    return answers_sha256_of_rows(metrics) == answers_sha256(answers) and list(metrics["role"]) == [
        role_of(cell, field) for cell in cells
    ]


def _tells(readers: pd.DataFrame, made_of: str, field: Field, level: float) -> bool:
    """Whether a written readers.csv is of these answers, on this kind of field, at this level."""
    if not {"cells_sha256", "level", "field"} <= set(readers):
        return False
    today = {"cells_sha256": made_of, "level": level, "field": field}
    return len(readers) > 0 and all(set(readers[name]) == {value} for name, value in today.items())
