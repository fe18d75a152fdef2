"""Work over threads, which suffice where Pillow decodes: outside Python's lock."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

LARGEST_BLOCK = 16
"""Items a thread takes at a time at most: handing over each one would cost more than a small image itself."""


def mapped(function: Callable[[Item], Result], items: Sequence[Item], threads: int) -> Iterator[Result]:
    """``function`` of each of ``items``, in their order; the first exception ends the work."""

    # Some blocks for each thread, so that none is idle at the end for long.
    block = max(1, min(LARGEST_BLOCK, len(items) // (8 * threads)))

    def of_block(start: int) -> list[Result]:
        return [function(item) for item in items[start : start + block]]

    with ThreadPoolExecutor(threads) as pool:
        for results in pool.map(of_block, range(0, len(items), block)):
            yield from results
