"""What is printed for people: no word is cut, no number is hidden, and nothing trails.

Sentences wrap at words. A table that is too wide for the terminal first wraps its words and its headings,
then leaves its bars out, and in the end becomes a list with all its values.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.box import SIMPLE
from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.style import Style
from rich.table import Table
from rich.text import Text

Kind = Literal["name", "words", "number", "bar"]
"""A name may go on in the next line behind a mark within it, words behind a blank, numbers not at all."""

GAP = 2
"""Blanks between columns."""

SHORTEST_NAME = 16
"""Columns that a part of a name without any mark is cut to where the terminal is too narrow for it."""

WRAPPED: tuple[Kind, ...] = ("number", "words", "name")
"""Columns of which kind become narrower first; of numbers the headings alone wrap."""

BAR_WIDTH = 6


@dataclass(frozen=True)
class Column:
    """A column by its heading, and what its cells hold."""

    heading: str
    kind: Kind = "number"


@dataclass(frozen=True)
class Row:
    """The cells of a row, text or a bar, and how they are drawn."""

    cells: Sequence[str | ProgressBar]
    style: str | None = None
    apart: bool = False
    """Whether a blank line stands above it."""


def terminal() -> Console:
    """The terminal, or what its output was redirected to."""
    return Console(highlight=False)


def put(
    console: Console,
    text: str | Text,
    style: str = "",
    indent: int = 0,
    label: str = "",
    most: int | None = None,
) -> None:
    """Print ``text``, wrapped at words; a word that is wider than the terminal (a path) stays whole.

    The ``label`` stands in the margin of the first line, which ``indent`` columns are left for. Of more than
    ``most`` lines the last one printed ends in `…`.
    """
    whole = text if isinstance(text, Text) else Text(text, style)
    width = console.width - indent
    lines = [
        line
        for paragraph in whole.split(allow_blank=True)
        for line in paragraph.divide(_breaks(paragraph.plain, width))
    ]
    if most is not None and len(lines) > most:
        lines = lines[:most]
        lines[-1].truncate(width - 2)
        lines[-1].append("…")
    margin = Text(label.ljust(indent), "bold" if label else "")
    for line in lines:
        line.rstrip()
        console.print(margin + line if line else line, soft_wrap=True)
        margin = Text(" " * indent)


def put_whole(console: Console, text: str, style: str = "") -> None:
    """Print ``text`` in one line however wide it is: a command or a path, to be copied."""
    console.print(Text(text, style), soft_wrap=True)


def _breaks(line: str, width: int) -> list[int]:
    """Where a line goes on in the next one, each time in front of a word."""
    breaks, used = [], 0
    for word in re.finditer(r"\s*\S+\s*", line):
        if used and used + cell_len(word[0].rstrip()) > width:
            breaks.append(word.start())
            used = 0
        used += cell_len(word[0])
    return breaks


LIST_INDENT = 2
"""Characters in front of the values of a row that is no line of a table."""


def put_table(console: Console, columns: Sequence[Column], rows: Sequence[Row], title: str = "") -> None:
    """Print a table, as wide as its cells or as the terminal, and a blank line below it."""
    if title:
        put(console, title, "italic")
    widths = _widths(columns, rows, console.width)
    if widths is None and any(column.kind == "bar" for column in columns):
        kept = [place for place, column in enumerate(columns) if column.kind != "bar"]
        columns = [columns[place] for place in kept]
        rows = [Row([row.cells[place] for place in kept], row.style, row.apart) for row in rows]
        widths = _widths(columns, rows, console.width)
    if widths is None:
        _put_list(console, columns, rows)
    else:
        _put_grid(console, _grid(columns, rows, widths))
    console.print()


def _put_grid(console: Console, table: Table) -> None:
    for line in console.render_lines(table, pad=False):
        text = Text.assemble(*((one.text, one.style or Style()) for one in line if not one.control))
        text.rstrip()
        console.print(text, soft_wrap=True)


def _put_list(console: Console, columns: Sequence[Column], rows: Sequence[Row]) -> None:
    """Each row as a name and, below it, its values with their headings."""
    for row in rows:
        name, *values = row.cells
        put(console, "\n".join(_pieces(str(name), console.width)), row.style or "")
        told = [
            f"{column.heading} {_whole(value, column, console.width - LIST_INDENT)}".strip()
            for column, value in zip(columns[1:], values, strict=True)
            if value
        ]
        put(console, "; ".join(told), row.style or "", indent=LIST_INDENT)


def _whole(value: object, column: Column, width: int) -> str:
    """A value in pieces that fit so many characters."""
    return " ".join(_pieces(str(value), width)) if column.kind == "name" else str(value)


def _grid(columns: Sequence[Column], rows: Sequence[Row], widths: Sequence[int]) -> Table:
    table = Table(box=SIMPLE, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)
    for column, width in zip(columns, widths, strict=True):
        right = column.kind == "number"
        table.add_column(Text(column.heading), width=width, justify="right" if right else "left")
    for row in rows:
        if row.apart:
            table.add_section()
        table.add_row(*map(_cell, row.cells, columns, widths), style=row.style)
    return table


def _cell(value: str | ProgressBar, column: Column, width: int) -> Text | ProgressBar | Padding:
    if isinstance(value, ProgressBar):
        return value
    return Text("\n".join(_pieces(value, width)) if column.kind == "name" else value)


def _widths(columns: Sequence[Column], rows: Sequence[Row], width: int) -> list[int] | None:
    """Widths of the columns of a table that is no wider than ``width``; None where a value would be cut."""
    least, widths = [], []
    for place, column in enumerate(columns):
        cells = [str(row.cells[place]) for row in rows if column.kind != "bar"]
        heading = [cell_len(word) for word in column.heading.split()]
        if column.kind == "bar":
            least.append(BAR_WIDTH)
            widths.append(BAR_WIDTH)
            continue
        least.append(max([1, *heading, *(_least(cell, column.kind) for cell in cells)]))
        widths.append(max([1, cell_len(column.heading), *map(cell_len, cells)]))
    room = width - GAP * (len(columns) - 1)
    for kind in WRAPPED:
        while sum(widths) > room:
            loose = [
                place
                for place, column in enumerate(columns)
                if column.kind == kind and widths[place] > least[place]
            ]
            if not loose:
                break
            widths[max(loose, key=widths.__getitem__)] -= 1
    return widths if sum(widths) <= room else None


def _least(cell: str, kind: Kind) -> int:
    """The smallest width in which a cell's words, or the parts of a name, are whole."""
    if kind == "number":
        return cell_len(cell)
    if kind == "words":
        return max(map(cell_len, cell.split()), default=0)
    return min(SHORTEST_NAME, max(map(cell_len, _parts(cell)), default=0))


def _parts(name: str) -> list[str]:
    """A name's parts, each with the mark that ends it; blanks that it begins with stay with the first."""
    return re.findall(r"\s*[^\s_/+.-]+[\s_/+.-]*|\s*[_/+.-]+", name)


def _pieces(name: str, width: int) -> list[str]:
    """The lines that a name takes in a column of this ``width``."""
    lines = [""]
    for part in _parts(name):
        if cell_len(lines[-1] + part.rstrip()) <= width:
            lines[-1] += part
            continue
        folded = chop_cells(part, width)
        lines = [*(lines if lines[-1] else []), *folded]
    return [line.rstrip() for line in lines]
