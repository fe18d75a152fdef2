"""What may be removed, in the terminal, and the question whether it shall be."""

import sys
from collections.abc import Callable, Sequence

from rich.console import Console

from nullcrop.basics.errors import listed
from nullcrop.care.leftovers import Leftover, Place, check_idle, find_leftovers, remove
from nullcrop.config.models import Project
from nullcrop.terminal.page import Column, Row, put, put_table, terminal

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
    console = console or terminal()
    place = Place(project)
    check_idle(place)
    leftovers = find_leftovers(place)
    chosen = [one for one in leftovers if one.kind.name in kinds or (one.kind.always and not kinds)]
    _put_leftovers(console, leftovers, chosen)
    foreign = list(place.foreign_files())
    if foreign:
        words = f"Not nullcrop's, and left alone: {listed(foreign, SHOWN_FOREIGN)}"
        put(console, words)
    files = sum(len(one.files) for one in chosen)
    if not files:
        put(console, _nothing(leftovers, chosen))
        return
    what = f"{files} file{'s' if files > 1 else ''}, {in_words(sum(one.size for one in chosen))}"
    if not (yes or _agreed(f"Remove {what}? [y/N] ", ask)):
        put(console, "Nothing was removed.")
        return
    freed, refused = remove(chosen, place)
    put(console, f"Removed: {in_words(freed)}.")
    if refused:
        words = f"Could not be removed: {listed(refused)}"
        put(console, words)


def in_words(size: int) -> str:
    """A number of bytes for people: `0 B`, `12 kB`, `3.4 MB`."""
    number = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit in ("B", "kB") else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def _put_leftovers(console: Console, leftovers: Sequence[Leftover], chosen: Sequence[Leftover]) -> None:
    columns = [
        Column("kind", "name"),
        Column("files"),
        Column("size"),
        Column("what they are", "words"),
        Column("", "name"),
    ]
    rows = [
        Row(
            [
                one.kind.name,
                f"{len(one.files):,}",
                in_words(one.size),
                one.kind.about,
                "to remove" if one in chosen else "stays",
            ],
            style=None if one in chosen else "dim",
        )
        for one in leftovers
    ]
    put_table(console, columns, rows)


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
