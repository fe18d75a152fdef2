"""The published tables as printed, every number with its rounding."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nullcrop.basics.errors import NullcropError
from nullcrop.published.rounding import Rounded, parse_column

FILES = {
    "datasets_as_printed.csv": [
        "dataset",
        "printed_total",
        "printed_present",
        "printed_absent",
        "table",
    ],
    "metrics_as_printed.csv": [
        "table",
        "dataset",
        "architecture",
        "region",
        "accuracy",
        "recall_printed",
        "f1_printed",
        "precision_printed",
    ],
    "claims.csv": ["dataset", "architecture", "region", "statistic", "accuracy", "where"],
    "counts_in_text.csv": ["dataset", "statistic", "value", "where"],
    "earlier_study.csv": ["dataset", "n_test", "view", "accuracy", "table"],
}
"""The published tables, and the columns that are read."""


ROLES = {"recall": "recall_printed", "f1": "f1_printed", "precision": "precision_printed"}
"""What the columns hold, and how FILES calls the column that is headed so."""

HEADINGS = {"recall_printed": "Recall", "f1_printed": "F-1", "precision_printed": "Precision"}
"""The columns by the words above them in print."""

Published = Mapping[str, pd.DataFrame]
"""The tables of FILES by file name."""


def read_published(files: Sequence[Path]) -> dict[str, pd.DataFrame]:
    """The published tables by file name, every field as the text that stands there.

    Raises NullcropError when a table of FILES is missing, lacks a column, or cannot be read.
    """
    paths = {Path(path).name: Path(path) for path in files}
    missing = [name for name in FILES if name not in paths]
    if missing:
        raise NullcropError(f"the published table {', '.join(missing)} was not given")
    tables = {}
    for name, columns in FILES.items():
        try:
            tables[name] = pd.read_csv(paths[name], dtype=str, keep_default_na=False)
        except (OSError, ValueError) as error:
            raise NullcropError(f"{paths[name]} cannot be read: {error}") from None
        lacking = [column for column in columns if column not in tables[name]]
        if lacking:
            raise NullcropError(f"{paths[name]} lacks the column {', '.join(lacking)}")
    return tables


def printed_datasets(published: Published) -> Iterator[tuple[str, str, int, int, int]]:
    """Dataset, table, and images in all, present and absent, of each row of Tables 1 to 4."""
    file = "datasets_as_printed.csv"
    for row in published[file].to_dict("records"):
        try:
            counts = [int(row[f"printed_{name}"]) for name in ("total", "present", "absent")]
        except ValueError as error:
            raise NullcropError(f"{file}: {row['dataset']}: {error}") from None
        yield str(row["dataset"]), str(row["table"]), counts[0], counts[1], counts[2]


def metric_tables(published: Published) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Number, dataset and rows of each table of metrics; the four columns hold Rounded."""
    metrics = published["metrics_as_printed.csv"]
    columns = ["accuracy", *ROLES.values()]
    for key, rows in metrics.groupby(["table", "dataset"], sort=False):
        try:
            parsed: dict[str, Any] = {column: parse_column(list(rows[column])) for column in columns}
        except NullcropError as error:
            raise NullcropError(f"metrics_as_printed.csv: {key[0]}: {error}") from None
        yield str(key[0]), str(key[1]), rows.reset_index(drop=True).assign(**parsed)


def printed_accuracies(published: Published) -> Iterator[tuple[str, str, str, list[Rounded]]]:
    """Dataset, place, file and accuracies: one item a table, and one for the text on a dataset."""
    for table, dataset, rows in metric_tables(published):
        yield dataset, table, "metrics_as_printed.csv", list(rows["accuracy"])
    for key, claims in published["claims.csv"].groupby("dataset", sort=False):
        different = dict.fromkeys(printed_share("claims.csv", text) for text in claims["accuracy"])
        yield str(key), "text", "claims.csv", list(different)


def printed_share(file: str, text: str) -> Rounded:
    """A share as it stands in ``file``; NullcropError names the file where it is none."""
    try:
        return Rounded.parse(text)
    except NullcropError as error:
        raise NullcropError(f"{file}: {error}") from None
