"""Work over threads, which suffice where Pillow decodes: outside Python's lock."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

BLOCK = 16
"""Items a thread takes at a time: handing over each one would cost more than a small image itself."""


def mapped(function: Callable[[Item], Result], items: Sequence[Item], threads: int) -> Iterator[Result]:
    """``function`` of each of ``items``, in their order; the first exception ends the work."""

    def of_block(start: int) -> list[Result]:
        return [function(item) for item in items[start : start + BLOCK]]

    with ThreadPoolExecutor(threads) as pool:
        for results in pool.map(of_block, range(0, len(items), BLOCK)):
            yield from results
