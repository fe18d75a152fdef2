"""Faster imports of large packages."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected(package: str) -> Iterator[None]:
    """Import ``package`` and others inside the block without Python's search for garbage in them.

    torch leaves a million objects. Python would look through them again and again while it imports, and twice
    more when the process ends; this takes a third of the time of both. They are set aside for good, which is
    right for what stays until the process ends. Where the package was imported before, nothing is done.
    """
    if package in sys.modules:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
