"""Progress of long steps, on a terminal and in a log alike."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from nullcrop.basics.wrapping import width_of, wrapped

Item = TypeVar("Item")

SECONDS_BETWEEN_LINES = 5.0


def say(text: str) -> None:
    """Print one line to standard error, at once; a terminal gets it wrapped at words."""
    if sys.stderr.isatty():
        text = wrapped(text, width_of(sys.stderr))
    print(text, file=sys.stderr, flush=True)


def tracked(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """Yield ``items``, saying every few seconds how many are done and how long the rest will take.

    Whole lines, because most of them end in a job's log; a step that is over before the first
    interval says nothing.
    """
    start = shown = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - shown >= SECONDS_BETWEEN_LINES:
            shown = now
            left = (now - start) / done * (total - done)
            say(f"{what}: {done} of {total}, {duration(left)} left")


def duration(seconds: float) -> str:
    """A time span for people: `0.4 s`, `42 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
