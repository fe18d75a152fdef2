"""Tables of metrics: one row a cell, from the files that finished cells left."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.files import read_json, sha256_of, sha256_of_lines, written_whole
from nullcrop.basics.progress import tracked
from nullcrop.config.cell import CELL_COLUMNS, KEPT, Cell
from nullcrop.config.names import FOLDS_OF, Field, place_of_split, protocol_of
from nullcrop.config.readers import in_order
from nullcrop.config.views import views_in_order
from nullcrop.statistics.auroc import TestSet
from nullcrop.statistics.families import add_study_corrections, role_of
from nullcrop.statistics.metrics import Answers, answers_of, cell_metrics

ORDERS = {"view": views_in_order, "architecture": in_order}
"""Axes of the grid whose names have an order; splits have that of the protocols, then of the shuffles."""

TEXT_COLUMNS = [
    *(name for name in CELL_COLUMNS if name != "seed"),
    *("numerics", "predictions_sha256", "cells_sha256", "title", "group", "role", "evidence"),
]
PARTS = ("train", "val", "test")


def read_predictions(cell: Path) -> pd.DataFrame:
    """A cell's predictions: id, group (empty text: none), target, predicted, logit_0, logit_1, …

    Raises NullcropError, which names the file, when it is missing or cannot be read.
    """
    return _read(cell / "predictions.csv", dtype={"id": str, "group": str}).fillna({"group": ""})


@dataclass(frozen=True, eq=False)
class FinishedCell:
    """A cell, what its record says, and its answers on the test set it shares with others."""

    cell: Cell
    record: Mapping[str, Any]
    """Numbers of images as ``n_train``, ``n_val`` and ``n_test``, ``numerics``, ``seconds`` of training, and
    ``predictions_sha256``, by which tables say of what answers they were made."""
    answers: Answers


def read_cells(folders: Sequence[Path]) -> list[FinishedCell]:
    """The finished cells in ``folders``, sorted by their coordinates.

    Cells whose test images (id, target and group) are the same share one TestSet, which is named after its
    content. Raises NullcropError, which names the file, when one is missing or half-written.
    """
    if not folders:
        raise NullcropError("no finished cell was given, so there is nothing to put into a table")
    tests: dict[str, TestSet] = {}
    cells = [_read_cell(Path(folder), tests) for folder in tracked(folders, len(folders), "cells read")]
    table = pd.DataFrame([astuple(one.cell) for one in cells], columns=CELL_COLUMNS)
    return [cells[i] for i in table.sort_values(CELL_COLUMNS, key=_in_order).index]


def read_histories(folders: Sequence[Path]) -> pd.DataFrame:
    """Histories of finished cells, one row an epoch: the cell's coordinates (CELL_COLUMNS), then those of
    history.csv.

    Raises NullcropError, which names the file, when one is missing or cannot be read.
    """
    if not folders:
        raise NullcropError("no finished cell was given, so there is no history to read")
    tables = []
    for folder in tracked(folders, len(folders), "histories read"):
        # A copy of a finished cell is read as well, whose folder bears another name.
        names = [*folder.parts[-len(CELL_COLUMNS) : -1], folder.name.removesuffix(KEPT)]
        tables.append(_read(folder / "history.csv").assign(**asdict(Cell.from_path("/".join(names)))))
    return pd.concat(tables, ignore_index=True)


def read_validation_rates(splits: Sequence[Path]) -> dict[tuple[str, str], float]:
    """No-information rate of the validation images by label rule and protocol: the share of their largest
    class, the mean over the seeds among ``splits`` (…/{labels}/{protocol}/seed{N}.csv).

    Raises NullcropError, which names the file, when one is missing or cannot be read.
    """
    found: dict[tuple[str, str], list[float]] = {}
    for path in splits:
        table = _read(path)
        lacking = [name for name in ("target", "part") if name not in table]
        if lacking:
            raise _damaged(path, f"the column {listed(lacking)} is missing")
        shares = table.loc[table["part"] == "val", "target"].value_counts(normalize=True)
        if len(shares):
            found.setdefault((path.parts[-3], path.parts[-2]), []).append(float(shares.max()))
    return {of: float(np.mean(rates)) for of, rates in found.items()}


def read_answers(folders: Sequence[Path]) -> pd.DataFrame:
    """Answers of finished cells, one row a test image: the cell's coordinates (CELL_COLUMNS), target and
    predicted.

    Raises NullcropError, which names the file, when one is missing or cannot be read.
    """
    if not folders:
        raise NullcropError("no finished cell was given, so there are no answers to read")
    tables = []
    for folder in tracked(folders, len(folders), "answers read"):
        cell = Cell.from_path("/".join(folder.parts[-len(CELL_COLUMNS) :]))
        predictions = read_predictions(folder)
        lacking = [name for name in ("target", "predicted") if name not in predictions]
        if lacking:
            raise _damaged(folder / "predictions.csv", f"the column {listed(lacking)} is missing")
        tables.append(predictions[["target", "predicted"]].assign(**asdict(cell)))
    return pd.concat(tables, ignore_index=True)


def metrics_of_cells(cells: Sequence[FinishedCell], field: Field) -> pd.DataFrame:
    """Metrics of finished cells of one dataset, one row a cell, in their order.

    Columns: the cell's coordinates (CELL_COLUMNS), what its record says, those of
    :func:`~nullcrop.statistics.metrics.cell_metrics`, and ``role``
    (:func:`~nullcrop.statistics.families.role_of`). Folds get no bootstrap of their own: they are judged
    as one test set (statistics/reader_table.py).
    """
    rows = [
        {
            **asdict(one.cell),
            **one.record,
            **cell_metrics(one.answers, bootstrap=protocol_of(one.cell.split) not in FOLDS_OF),
            "role": role_of(one.cell, field),
        }
        for one in tracked(cells, len(cells), "cells evaluated")
    ]
    table = pd.DataFrame(rows)
    # Counts stay whole numbers where datasets of two and of more classes share the table.
    counts = [
        name for name in table if name in ("positives", "tn", "fp", "fn", "tp") or "count_" in str(name)
    ]
    return table.astype(dict.fromkeys(counts, "Int64"))


def answers_sha256(answers: Mapping[Cell, str]) -> str:
    """One hash of what cells answered, from the ``predictions_sha256`` of each, in whatever order."""
    return sha256_of_lines(sorted(f"{cell.path}\t{sha256}" for cell, sha256 in answers.items()))


def answers_sha256_of_rows(metrics: pd.DataFrame) -> str | None:
    """:func:`answers_sha256` of the cells in a table of metrics; None where an earlier version wrote it."""
    if "predictions_sha256" not in metrics or metrics["predictions_sha256"].isna().any():
        return None
    rows = metrics[[*CELL_COLUMNS, "predictions_sha256"]].itertuples(index=False)
    return answers_sha256({Cell(*cell): sha256 for *cell, sha256 in rows})


def answers_of_cells(cells: Sequence[FinishedCell]) -> str:
    """:func:`answers_sha256` of finished cells."""
    return answers_sha256({one.cell: str(one.record["predictions_sha256"]) for one in cells})


def write_table(table: pd.DataFrame, out: Path) -> None:
    """Write ``table`` as CSV; every float reads back as the same float."""
    with written_whole(out) as aside:
        table.to_csv(aside, index=False)


def read_metrics(path: Path) -> pd.DataFrame:
    """Read a table of :func:`write_metrics` or :func:`join_tables`; NullcropError names a bad file."""
    return _read(path, dtype=dict.fromkeys(TEXT_COLUMNS, str))


def read_judged(readers: Path, comparisons: Path) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """The two tables that a verdict rests on, and the one hash of their cells' answers.

    Raises NullcropError, which names the files, when one cannot be read, or when they are of different cells.
    """
    tables = read_metrics(readers), read_metrics(comparisons)
    made_of = {str(sha256) for table in tables for sha256 in table.get("cells_sha256", [])}
    if len(made_of) != 1:
        raise NullcropError(f"{readers} and {comparisons} are of different cells; delete both and run again")
    return *tables, made_of.pop()


def join_tables(paths: Sequence[Path], out: Path) -> None:
    """Write the rows of all CSV tables in ``paths`` one after the other, each value as it stands.

    A column that a table lacks is empty in its rows. Raises NullcropError, which names the file,
    when one is missing or cannot be read.
    """
    write_table(_joined(paths, out), out)


def join_metrics(paths: Sequence[Path], out: Path) -> None:
    """Write the metrics of a whole study: its datasets' rows, with p corrected over all of them.

    Added are the columns of :func:`~nullcrop.statistics.families.add_study_corrections`.
    """
    joined = _joined(paths, out)
    told = joined[["role", "architecture"]].assign(p_auroc=joined["p_auroc"].astype(float))
    corrected = add_study_corrections(told)
    write_table(joined.join(corrected[["p_holm", "p_bh"]]), out)


def join_verdicts(paths: Sequence[Path], out: Path) -> None:
    """Write the verdicts of a whole study: its datasets' rows, each value as it stands, and
    ``p_over_datasets``.

    That is the p of the verdicts to quote, corrected over them (Holm 1979); other rows have none, and a
    verdict that has no p counts as one that cannot reject. No dataset's own verdict waits for it.
    """
    from statsmodels.stats.multitest import multipletests

    joined = _joined(paths, out)
    quoted = joined.index[joined.get("headline", pd.Series(dtype=str)) == "True"]
    joined["p_over_datasets"] = np.nan
    if len(quoted):
        p = joined.loc[quoted, "p"].astype(float)
        corrected = multipletests(p.fillna(1), method="holm")[1]
        joined.loc[quoted, "p_over_datasets"] = np.where(p.isna(), np.nan, corrected)
    write_table(joined, out)


def _joined(paths: Sequence[Path], out: Path) -> pd.DataFrame:
    if not paths:
        raise NullcropError(f"{out}: no table was given to join")
    return pd.concat([_read(path, dtype=str) for path in paths], ignore_index=True)


def _read_cell(folder: Path, tests: dict[str, TestSet]) -> FinishedCell:
    path = folder / "cell.json"
    try:
        record = read_json(path)
    except OSError as error:
        raise _unreadable(path, error) from None
    except ValueError as error:
        raise _damaged(path, error) from None
    predictions = read_predictions(folder)
    n_targets = sum(str(name).startswith("logit_") for name in predictions)
    try:
        cell = Cell(**{name: record["cell"][name] for name in CELL_COLUMNS})
        said = {
            **{f"n_{part}": record["images"][part] for part in PARTS},
            "numerics": record["numerics"],
            "seconds": record["seconds"],
            "predictions_sha256": record.get("predictions_sha256"),
        }
    except (KeyError, TypeError) as error:
        raise _damaged(path, f"{error} is missing") from None
    lacking = [name for name in ("id", "group", "target") if name not in predictions]
    if lacking:
        raise _damaged(folder / "predictions.csv", f"the column {listed(lacking)} is missing")
    if record.get("predictions_sha256") != sha256_of(folder / "predictions.csv"):
        raise _damaged(folder / "predictions.csv", "its checksum is not the one in cell.json")
    try:
        return FinishedCell(cell, said, answers_on_shared(predictions, max(n_targets, 2), tests))
    except NullcropError as error:
        raise NullcropError(f"{folder / 'predictions.csv'}: {error}") from None


def answers_on_shared(predictions: pd.DataFrame, n_targets: int, tests: dict[str, TestSet]) -> Answers:
    """The answers in ``predictions`` (:func:`~nullcrop.statistics.metrics.answers_of`), ordered by id.

    Those on the same images (id, target and group) share one of ``tests``, to which theirs is added; it is
    named after its content.
    """
    predictions = predictions.sort_values("id", ignore_index=True)
    images = predictions["id"] + "\t" + predictions["group"] + "\t" + predictions["target"].astype(str)
    name = sha256_of_lines(images.to_list())
    answers = answers_of(predictions, n_targets, name)
    return replace(answers, test=tests.setdefault(name, answers.test))


def _in_order(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Sort key of a coordinate: its place in the registry, or itself where there is none."""
    if column.name == "split":
        return column.map(place_of_split)
    order = ORDERS.get(str(column.name))
    return column if order is None else column.map({name: place for place, name in enumerate(order(column))})


def _read(path: Path, **options: Any) -> pd.DataFrame:
    """A CSV table in which only an empty field is missing: "NA" is a name like any other."""
    try:
        table: pd.DataFrame = pd.read_csv(path, keep_default_na=False, na_values=[""], **options)
    except OSError as error:
        raise _unreadable(path, error) from None
    except ValueError as error:  # pandas' parser errors are ValueErrors, and so is text that is not UTF-8
        raise _damaged(path, error) from None
    return table


def _unreadable(path: Path, error: OSError) -> NullcropError:
    return NullcropError(f"{path} cannot be read: {error.strerror}")


def _damaged(path: Path, reason: object) -> NullcropError:
    return NullcropError(
        f"{path} is damaged or half-written ({reason}); delete it and run the workflow again"
    )
