"""What may be removed, in the terminal, and the question whether it shall be."""

import sys
from collections.abc import Callable, Sequence

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from nullcrop.basics.errors import listed
from nullcrop.care.leftovers import Leftover, Place, check_idle, find_leftovers, remove
from nullcrop.config.models import Project

SHOWN_FOREIGN = 5


def clean(
    project: Project,
    kinds: Sequence[str],
    yes: bool,
    console: Console | None = None,
    ask: Callable[[str], str] | None = None,
) -> None:
    """Print what there is of each kind; ask, and remove the ``kinds``, without any those that nobody misses.

    ``yes``: do not ask. Without a terminal and without ``yes`` nothing is removed. Raises NullcropError while
    a run is going on.
    """
    console = console or Console()
    place = Place(project)
    check_idle(place)
    leftovers = find_leftovers(place)
    chosen = [one for one in leftovers if one.kind.name in kinds or (one.kind.always and not kinds)]
    console.print(_table(leftovers, chosen))
    foreign = list(place.foreign_files())
    if foreign:
        words = f"Not nullcrop's, and left alone: {listed(foreign, SHOWN_FOREIGN)}"
        console.print(words, highlight=False, soft_wrap=True, markup=False)
    files = sum(len(one.files) for one in chosen)
    if not files:
        console.print(_nothing(leftovers, chosen), highlight=False)
        return
    what = f"{files} file{'s' if files > 1 else ''}, {in_words(sum(one.size for one in chosen))}"
    if not (yes or _agreed(f"Remove {what}? [y/N] ", ask)):
        console.print("Nothing was removed.", highlight=False)
        return
    freed, refused = remove(chosen, place)
    console.print(f"Removed: {in_words(freed)}.", highlight=False)
    if refused:
        words = f"Could not be removed: {listed(refused)}"
        console.print(words, highlight=False, soft_wrap=True, markup=False)


def in_words(size: int) -> str:
    """A number of bytes for people: `0 B`, `12 kB`, `3.4 MB`."""
    number = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit in ("B", "kB") else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def _table(leftovers: Sequence[Leftover], chosen: Sequence[Leftover]) -> Table:
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("kind", no_wrap=True)
    table.add_column("files", justify="right", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("what they are")
    table.add_column("", no_wrap=True)
    for one in leftovers:
        row = (one.kind.name, f"{len(one.files):,}", in_words(one.size), one.kind.about)
        table.add_row(*row, "to remove" if one in chosen else "stays", style=None if one in chosen else "dim")
    return table


def _nothing(leftovers: Sequence[Leftover], chosen: Sequence[Leftover]) -> str:
    others = [one.kind.name for one in leftovers if one.files and one not in chosen]
    return "Nothing to remove." + (f" Name a kind to remove it: {', '.join(others)}." if others else "")


def _agreed(question: str, ask: Callable[[str], str] | None) -> bool:
    if ask is None and not sys.stdin.isatty():
        return False
    try:
        return (ask or input)(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False
