"""docs/discrepancies.md: the table of discrepancies as a page for readers."""

import textwrap
from pathlib import Path

import pandas as pd

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import written_whole
from nullcrop.published.findings import COLUMNS, KINDS

INTRODUCTION = """\
<!-- Made by `make docs`; edit the tables it reads, not this page. -->

# What was printed, and what can be counted

The numbers of the published study beside counts of the releases and plain arithmetic. Nothing here needs an
image. [resources/published](../resources/published/README.md) holds what was printed. `config/datasets/` says
what the releases hold, and what the label rules `printed` and `reconstructed` mean. Each row says what was
counted, and by which rule; it says nothing about how a difference came about.

A percentage is compared within its rounding. `results/discrepancies.csv` holds the same rows, with the files
from which each was computed.
"""

SHOWN = {
    "dataset": "dataset",
    "table": "where",
    "printed": "printed",
    "computed": "counted or computed",
    "evidence": "how",
}


def page_of(table: pd.DataFrame) -> str:
    """The page of a table of :func:`~nullcrop.published.discrepancies.list_discrepancies`."""
    parts = [INTRODUCTION]
    for kind, explanation in KINDS.items():
        rows = table[table["kind"] == kind]
        if rows.empty:
            continue
        lines = [" | ".join(SHOWN.values()), " | ".join("---" for _ in SHOWN)]
        lines += [" | ".join(cell(str(row[name])) for name in SHOWN) for row in rows.to_dict("records")]
        body = "\n".join(f"| {line} |" for line in lines)
        parts.append(f"## {kind[0].upper()}{kind[1:]}\n\n{textwrap.fill(explanation, 110)}\n\n{body}\n")
    return "\n".join(parts)


def write_page(table: Path, out: Path) -> None:
    """Write the page of the discrepancies in the CSV ``table``."""
    try:
        rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise NullcropError(f"{table} cannot be read: {error}") from None
    if list(rows) != COLUMNS:
        raise NullcropError(f"{table} is no table of discrepancies; `make docs` makes one")
    with written_whole(out) as aside:
        aside.write_text(page_of(rows), encoding="utf-8")


def cell(text: str) -> str:
    """Text that ends neither its cell nor its row; underscores of names are no emphasis."""
    return text.replace("|", "\\|").replace("\n", " ").replace("_", "\\_")
