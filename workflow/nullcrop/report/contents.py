"""What the report says, gathered from whatever results there are; nothing here knows of HTML."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import read_json
from nullcrop.config.cell import Cell
from nullcrop.config.definitions import Definition, read_published_definitions
from nullcrop.config.figures import FIGURES, figures_of, tables_of_figure
from nullcrop.config.grid import STUDY_TABLES, Grid
from nullcrop.config.models import Project
from nullcrop.config.names import EARLIER, PUBLISHED
from nullcrop.config.places import found
from nullcrop.config.views import view_names
from nullcrop.config.yaml_files import meant
from nullcrop.published.discrepancies import list_discrepancies
from nullcrop.published.printed import read_published
from nullcrop.published.reproduction import compare_published, printed_values
from nullcrop.statistics.metrics import Answers
from nullcrop.statistics.tables import FinishedCell, answers_of_cells, read_metrics
from nullcrop.status.cells import CellState, State
from nullcrop.status.foresight import Foreseen, foresee
from nullcrop.status.standing import NO_HISTORY, Standing, Tables

CURVE_POINTS = 60
"""Points of a drawn ROC curve at most."""


@dataclass(frozen=True)
class Curve:
    """What the predictions of one cell look like."""

    false_positive_rate: list[float]
    true_positive_rate: list[float]
    confusion: list[list[int]]
    """Images by true (rows) and predicted target."""


@dataclass
class DatasetContents:
    """Everything known of one dataset in one study."""

    name: str
    definition: Definition
    counts: dict[str, Any] | None
    """dataset.json; None before the images are listed."""
    cells: list[CellState]
    """Planned in the study."""
    tables: Tables = field(default_factory=Tables)
    """What the finished cells amount to together."""
    remarks: list[str] = field(default_factory=list)
    """A sentence where the verdict that the workflow wrote is not today's."""
    foreseen: Foreseen | None = None
    """What effect could be found at all; None where no view judges."""
    curves: dict[Cell, Curve] = field(default_factory=dict)
    histories: pd.DataFrame = field(default_factory=NO_HISTORY.copy)
    """As :func:`~nullcrop.statistics.tables.read_histories` gives them."""
    figures: dict[str, Path] = field(default_factory=dict)
    """Drawn figures that the page shows, by name."""
    leaks: pd.DataFrame | None = None
    """leaks.csv as text: duplicates and groups that cross parts; None where nothing was counted."""
    masks: pd.DataFrame | None = None
    """masks.csv: how often crops touch a lesion; None where nothing was counted."""
    cues: dict[str, pd.DataFrame] = field(default_factory=dict)
    """Tables that say where and what is read, by name; those that there are."""
    published: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Published values beside reproduced ones
    (:func:`~nullcrop.published.reproduction.compare_published`)."""
    discrepancies: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Published values beside counts and arithmetic."""
    treated: list[CellState] = field(default_factory=list)
    """Planned on treated images, which stand in no table but that of treatments."""
    hashes: list[dict[str, Any]] = field(default_factory=list)
    """Files behind the numbers: dataset, file, bytes (where known) and sha256."""
    absent: list[str] = field(default_factory=list)
    """What a finished run would have counted or drawn here and is not there, in words."""

    def in_state(self, *states: State) -> list[CellState]:
        """Cells in any of ``states``."""
        return [one for one in self.cells if one.state in states]


@dataclass(frozen=True)
class Contents:
    """Everything the report says."""

    project: Project
    grid: Grid
    study: str
    datasets: list[DatasetContents]
    whole: bool
    """Whether it is of the whole study, not of one dataset in it."""
    shared: pd.DataFrame | None
    """duplicates.csv as text: images that two datasets of the study share; None where nothing was
    compared, and on the page of one dataset."""

    @property
    def cells(self) -> list[CellState]:
        """Cells of all datasets in the report, those on treated images too."""
        return [one for dataset in self.datasets for one in (*dataset.cells, *dataset.treated)]


def collect(project: Project, study: str, dataset: str | None = None) -> Contents:
    """Gather what the results say of a study, or of one ``dataset`` in it alone.

    Works on half-finished results: what is not there is missing. Raises NullcropError where there is no
    such study, or where it does not name ``dataset``.
    """
    standing = Standing(project)
    grid = standing.grid
    standing.studies(study)
    of_study = grid.datasets(study)
    if dataset is not None and dataset not in of_study:
        raise NullcropError(
            f"the study '{study}' does not name the dataset '{dataset}', {meant(dataset, of_study)}"
        )
    names = of_study if dataset is None else [dataset]
    datasets = [_dataset(standing, study, name) for name in names]
    _add_published(project, datasets)
    results = Path(project.config.paths.results)
    return Contents(
        project,
        grid,
        study,
        datasets,
        dataset is None,
        _shared(results / "duplicates.csv", of_study) if dataset is None and len(of_study) > 1 else None,
    )


def _add_published(project: Project, datasets: list[DatasetContents]) -> None:
    """What the study and its forerunner printed about their datasets, beside what was reproduced and what can
    be counted."""
    printed = [contents for contents in datasets if contents.name in (*PUBLISHED, *EARLIER)]
    # The published tables are committed; they do not move with the config's `resources`.
    tables = sorted(Path(found("resources/published")).glob("*.csv"))
    if not printed or not tables:
        return
    published = read_published(tables)
    definitions = read_published_definitions(project.config.definitions)
    values = printed_values(published, definitions)
    computed = list_discrepancies(published, definitions)
    names = {contents.name for contents in printed}
    # All at once, because they are corrected for one another.
    beside = compare_published(
        [value for value in values if value.dataset in names],
        pd.concat([contents.tables.metrics for contents in printed], ignore_index=True),
        project.config.tolerance,
    )
    for contents in printed:
        contents.published = beside[beside["dataset"] == contents.name]
        counted = read_table(
            Path(project.config.paths.results, "datasets", contents.name, "discrepancies.csv")
        )
        contents.discrepancies = (
            computed[computed["dataset"] == contents.name] if counted is None else counted
        )


def read_table(path: Path) -> pd.DataFrame | None:
    """A CSV table as text, None where there is none; NullcropError names a file that is no table."""
    try:
        table: pd.DataFrame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise NullcropError(f"{path} cannot be read: {error}; delete it and run the workflow again") from None
    return table


def _shared(path: Path, of_study: list[str]) -> pd.DataFrame | None:
    """What datasets of the study share with one another, as text."""
    table = read_table(path)
    if table is None:
        return None
    return table[table["dataset_a"].isin(of_study) & table["dataset_b"].isin(of_study)]


def _dataset(standing: Standing, study: str, name: str) -> DatasetContents:
    grid = standing.grid
    results = Path(grid.project.config.paths.results)
    finished, histories = standing.finished(name)
    planned = set(grid.cells(study, name))
    contents = DatasetContents(
        name,
        grid.project.definition(name),
        _json(results / "datasets" / name / "dataset.json"),
        standing.cells(study, name),
        standing.tables(study, name),
        standing.verdict_remarks(study, name),
        foresee(grid, study, name),
        {one.cell: _curve(one.answers) for one in finished if one.cell in planned},
        histories,
    )
    figures = results / "studies" / study / name / "figures"
    asked_for = grid.project.config.studies[study].figures
    for figure in [figure for figure in figures_of("dataset") if FIGURES[figure].in_page]:
        path = figures / f"{figure}.png"
        if path.is_file():
            contents.figures[figure] = path
        elif figure in asked_for:
            contents.absent.append(f"the figure “{FIGURES[figure].title}”")
    contents.leaks = read_table(results / "datasets" / name / "leaks.csv")
    if contents.leaks is None:
        contents.absent.append("leaks and duplicates (leaks.csv)")
    path = results / "datasets" / name / "masks.csv"
    if path.is_file():
        contents.masks = read_metrics(path)
    elif grid.counts_lesions(name):
        contents.absent.append("how often crops touch a lesion (masks.csv)")
    for table in dict.fromkeys(one for figure in FIGURES.values() for one in tables_of_figure(figure)):
        path = results / "studies" / study / name / f"{table}.csv"
        if table not in STUDY_TABLES and path.is_file():
            contents.cues[table] = read_metrics(path)
    if grid.treated_cells(study, name):
        contents.treated = standing.planned(study, name)[len(contents.cells) :]
        _keep_todays_treatments(contents, grid.compared_treatments(study, name), finished)
    contents.hashes = _hashes(grid, name)
    return contents


def _keep_todays_treatments(
    contents: DatasetContents, compared: Sequence[Cell], finished: Sequence[FinishedCell]
) -> None:
    """Leave out a table of treatments that is of other answers than those of the finished cells."""
    table, wanted = contents.cues.get("treatments"), set(compared)
    own = [one for one in finished if one.cell in wanted]
    if table is None or len(own) < len(wanted) or (table["cells_sha256"] != answers_of_cells(own)).any():
        contents.cues.pop("treatments", None)
        contents.absent.append("what treatments did (treatments.csv)")


def _hashes(grid: Grid, dataset: str) -> list[dict[str, Any]]:
    paths = grid.project.config.paths
    archive = _json(Path(paths.resources, "archives", dataset, "archive.json")) or {}
    files = [
        {"dataset": dataset, "file": one["name"], "bytes": one.get("bytes"), "sha256": one["sha256"]}
        for one in archive.get("files", [])
        if "sha256" in one
    ]
    stores = {view: _json(Path(paths.store, dataset, "views", f"{view}.json")) for view in view_names()}
    return files + [
        {"dataset": dataset, "file": f"pixels of the view {view}", "sha256": store["pixels_sha256"]}
        for view, store in stores.items()
        if store
    ]


def _curve(answers: Answers) -> Curve:
    """ROC curve and confusion matrix of a finished cell."""
    from sklearn.metrics import confusion_matrix

    target, odds = answers.test.target, answers.odds
    n_targets = odds.shape[1]
    classes = [1] if n_targets == 2 else [k for k in range(n_targets) if (target == k).any()]
    x, y = roc_points([(target == k, odds[:, k]) for k in classes])
    counts = confusion_matrix(target, answers.predicted, labels=range(n_targets))
    return Curve(x, y, counts.tolist())


def roc_points(
    classes: list[tuple[NDArray[np.bool_], NDArray[np.float64]]],
) -> tuple[list[float], list[float]]:
    """ROC curve of one class against the rest, or the vertical mean of several; at most CURVE_POINTS points.

    Empty when a class has no image, or no other has. Between the points kept, equally spaced along
    the curve in (x + y) / 2, a coordinate differs from the full curve's by less than 1 / (CURVE_POINTS - 1).
    """
    from sklearn.metrics import roc_curve

    curves = [
        roc_curve(positive, score)[:2] for positive, score in classes if 0 < positive.sum() < len(positive)
    ]
    if not curves:
        return [], []
    if len(curves) > 1:
        grid = np.unique(np.concatenate([x for x, _ in curves]))
        curves = [(grid, np.mean([np.interp(grid, x, y) for x, y in curves], axis=0))]
    ((x, y),) = curves
    if len(x) > CURVE_POINTS:
        along = np.linspace(0, 1, CURVE_POINTS)
        x, y = np.interp(along, (x + y) / 2, x), np.interp(along, (x + y) / 2, y)
    return x.round(4).tolist(), y.round(4).tolist()


def _json(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = read_json(path)
    except (OSError, ValueError):
        return None
    return content
