"""Work over threads, which suffice where Pillow decodes: outside Python's lock."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

LARGEST_BLOCK = 16
"""Items a thread takes at a time at most: handing over each one would cost more than a small image itself."""


def usable_cores() -> int:
    """Cores that this process may use, which a job or a container may have fewer of than the machine."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def mapped(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    threads: int,
    largest_block: int = LARGEST_BLOCK,
) -> Iterator[Result]:
    """``function`` of each of ``items``, in their order; the first exception ends the work.

    A ``largest_block`` of 1 keeps the items that are at work at the same time next to one another.
    """

    # Some blocks for each thread, so that none is idle at the end for long.
    block = max(1, min(largest_block, len(items) // (8 * threads)))

    def of_block(start: int) -> list[Result]:
        return [function(item) for item in items[start : start + block]]

    with ThreadPoolExecutor(threads) as pool:
        for results in pool.map(of_block, range(0, len(items), block)):
            yield from results


class Turns:
    """A part of the work on each item that threads do one after the other, in the order of the items (0, 1,
    …).

    Items are begun in that order, as :func:`mapped` does with blocks of 1, so the one whose turn it is is at
    work.
    """

    def __init__(self) -> None:
        self._now, self._failed = 0, sys.maxsize
        self._changed = Condition()

    @contextmanager
    def of(self, item: int) -> Iterator[None]:
        """Wait until all items before ``item`` had their turn; RuntimeError when one of them has failed."""
        with self._changed:
            self._changed.wait_for(lambda: self._now == item or self._failed < item)
            if self._now != item:
                raise RuntimeError("an item before this one has failed")
        yield
        with self._changed:
            self._now += 1
            self._changed.notify_all()

    def fail(self, item: int) -> None:
        """The turn of ``item`` will not come: nobody waits for it."""
        with self._changed:
            self._failed = min(self._failed, item)
            self._changed.notify_all()
