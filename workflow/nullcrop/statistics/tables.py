"""Tables of metrics: one row a cell, from the files that finished cells left."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nullcrop.config.cell import CELL_COLUMNS
from nullcrop.config.names import ARCHITECTURES, SPLITS, VIEWS, base_split
from nullcrop.errors import NullcropError
from nullcrop.files import read_json, sha256_of, written_whole
from nullcrop.statistics.metrics import cell_metrics

ORDERS = {"view": VIEWS, "architecture": ARCHITECTURES}
"""Axes of the grid whose names have an order; splits have that of the protocols, then of the shuffles."""

TEXT_COLUMNS = [*(name for name in CELL_COLUMNS if name != "seed"), "numerics"]
PARTS = ("train", "val", "test")


def read_predictions(cell: Path) -> pd.DataFrame:
    """A cell's predictions: id, group (empty text: none), target, predicted, logit_0, logit_1, …

    Raises NullcropError, which names the file, when it is missing or cannot be read.
    """
    return _read(cell / "predictions.csv", dtype={"id": str, "group": str}).fillna({"group": ""})


def metrics_of_cells(folders: Sequence[Path]) -> pd.DataFrame:
    """Metrics of finished cells, one row a folder.

    Columns: the cell's coordinates (CELL_COLUMNS), numbers of images as ``n_train``, ``n_val`` and
    ``n_test``, ``numerics``, ``seconds`` of training, then those of
    :func:`~nullcrop.statistics.metrics.cell_metrics`. Rows are sorted by the coordinates, in the
    order of the registries where one exists, whatever the order of ``folders``.

    Raises NullcropError, which names the file, when one is missing or half-written.
    """
    if not folders:
        raise NullcropError("no finished cell was given, so there is nothing to put into a table")
    table = pd.DataFrame([_row(Path(folder)) for folder in folders])
    # Counts stay whole numbers where datasets of two and of more classes share the table.
    counts = [
        name for name in table if name in ("positives", "tn", "fp", "fn", "tp") or "count_" in str(name)
    ]
    table = table.astype(dict.fromkeys(counts, "Int64"))
    return table.sort_values(CELL_COLUMNS, key=_in_order, ignore_index=True)


def write_metrics(folders: Sequence[Path], out: Path) -> None:
    """Write :func:`metrics_of_cells` as CSV; every float reads back as the same float."""
    table = metrics_of_cells(folders)
    with written_whole(out) as aside:
        table.to_csv(aside, index=False)


def read_metrics(path: Path) -> pd.DataFrame:
    """Read a table of :func:`write_metrics` or :func:`join_tables`; NullcropError names a bad file."""
    return _read(path, dtype=dict.fromkeys(TEXT_COLUMNS, str))


def join_tables(paths: Sequence[Path], out: Path) -> None:
    """Write the rows of all CSV tables in ``paths`` one after the other, each value as it stands.

    A column that a table lacks is empty in its rows. Raises NullcropError, which names the file,
    when one is missing or cannot be read.
    """
    if not paths:
        raise NullcropError(f"{out}: no table was given to join")
    joined = pd.concat([_read(path, dtype=str) for path in paths], ignore_index=True)
    with written_whole(out) as aside:
        joined.to_csv(aside, index=False)


def _row(folder: Path) -> dict[str, Any]:
    """One cell's row of the table."""
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
        row = {
            **{name: record["cell"][name] for name in CELL_COLUMNS},
            **{f"n_{part}": record["images"][part] for part in PARTS},
            "numerics": record["numerics"],
            "seconds": record["seconds"],
        }
    except (KeyError, TypeError) as error:
        raise _damaged(path, f"{error} is missing") from None
    if record.get("predictions_sha256") != sha256_of(folder / "predictions.csv"):
        raise _damaged(folder / "predictions.csv", "its checksum is not the one in cell.json")
    try:
        return {**row, **cell_metrics(predictions, max(n_targets, 2))}
    except NullcropError as error:
        raise NullcropError(f"{folder / 'predictions.csv'}: {error}") from None


def _in_order(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Sort key of a coordinate: its place in the registry, or itself where there is none."""
    if column.name == "split":
        return column.map(_place_of_split)
    order = ORDERS.get(str(column.name))
    return column if order is None else column.map({name: place for place, name in enumerate(order)})


def _place_of_split(name: str) -> int:
    split, shuffle = base_split(name)
    return SPLITS.index(split) + shuffle * len(SPLITS)


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
