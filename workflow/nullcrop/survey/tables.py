"""Which columns of a table tell the file, the class, the group and the part of images."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.datasets.tables import read_table
from nullcrop.survey.names import MOST_CLASSES, NEARLY_ALL, PARTS

ENDINGS = (".csv", ".tsv", ".txt")
"""Files that may be a table of images."""

CLASS = re.compile(
    r"class|label|diagnos[ie]s|dx|target|category|pathology|finding|benign_malignant", re.IGNORECASE
)
"""What a column of classes is called; of several the first in the table."""

GROUP = re.compile(r"(patient|subject|person|case|lesion|slide)([_ ]?(id|nr|no|number|name))?", re.IGNORECASE)

SPLIT = re.compile(r"split|part|partition|subset|set|fold", re.IGNORECASE)


@dataclass(frozen=True)
class Columns:
    """How a table of images is read."""

    table: Path
    columns: Mapping[str, str]
    """As `source.columns`."""
    classes: Sequence[str]

    @property
    def words(self) -> str:
        """Which column tells what."""
        told = [f"{key} by '{name}'" for key, name in self.columns.items()]
        marked = [] if "class" in self.columns else ["class by the column that holds 1"]
        return f"{self.table.name}: {listed(told + marked)}"


def tables_beside(root: Path, others: Sequence[str], images: Sequence[str]) -> Columns | None:
    """The one table among the files ``others`` below ``root`` that lists ``images`` with their classes;
    None where there is none. Raises NullcropError where there are several, because nothing tells which is
    meant."""
    found = []
    for name in others:
        if PurePosixPath(name).suffix.lower() in ENDINGS:
            try:
                found.append(columns_of(root / name, images, {}))
            except NullcropError:
                continue  # a table of something else
    if len(found) > 1:
        raise NullcropError(
            f"{len(found)} tables list the images with classes: {listed(one.table for one in found)}; name "
            "one with --table"
        )
    return found[0] if found else None


def columns_of(path: Path, images: Sequence[str], said: Mapping[str, str]) -> Columns:
    """Which columns of the table ``path`` tell what of ``images``, as far as ``said`` does not say it.

    Raises NullcropError where no column names the files, or none the classes.
    """
    table = read_table(path, "--table")
    columns = dict(said)
    if "path" not in columns:
        columns["path"] = _file_column(path, table, images)
    names = [name for name in table.columns if name not in columns.values()]
    for key, pattern in (("class", CLASS), ("group", GROUP)):
        named = [name for name in names if pattern.fullmatch(name)]
        if key not in columns and named:
            columns[key] = named[0]
    if "split" not in columns:
        parts = [name for name in names if SPLIT.fullmatch(name) and _holds_parts(table[name])]
        columns |= {"split": parts[0]} if parts else {}
    if "class" in columns and columns["class"] in table:
        classes = sorted(set(table[columns["class"]].str.strip()))
    else:
        classes = _marked(table)
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise NullcropError(
            f"no column of {path} tells the classes ({listed(table.columns)}); name it: --columns class=NAME"
        )
    return Columns(path, columns, classes)


def _file_column(path: Path, table: pd.DataFrame, images: Sequence[str]) -> str:
    known = {PurePosixPath(name).stem for name in images} | {PurePosixPath(name).name for name in images}
    for name in table.columns:
        last = table[name].str.strip().str.replace("\\", "/").str.rpartition("/")[2]
        if (
            last.isin(known) | last.map(lambda text: PurePosixPath(text).stem).isin(known)
        ).mean() >= NEARLY_ALL:
            return str(name)
    raise NullcropError(
        f"no column of {path} names the images ({listed(table.columns)}); name it: --columns path=NAME"
    )


def _holds_parts(column: "pd.Series[str]") -> bool:
    return set(column.str.strip()) <= {*PARTS.values(), ""}


def _marked(table: pd.DataFrame) -> list[str]:
    """Columns of which each row has a 1 in one and a 0 in the others; none where there are no such."""
    marks = table.apply(lambda column: pd.to_numeric(column.str.strip(), errors="coerce"))
    marks = marks.loc[:, marks.isin([0, 1]).all()]
    return sorted(marks.columns) if marks.shape[1] > 1 and (marks.sum(axis=1) == 1).all() else []
