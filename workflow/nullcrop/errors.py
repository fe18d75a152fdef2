"""The one exception a user is meant to read."""

from collections.abc import Iterable


class NullcropError(Exception):
    """A failure said in the user's words: what was wrong, where, and what to do.

    The command line prints the message alone, without a traceback, and exits with status 1.
    """


def listed(names: Iterable[object], limit: int = 10) -> str:
    """Join ``names`` for a message; after ``limit`` of them say how many more there are."""
    shown = [str(name) for name in names]
    rest = len(shown) - limit
    return ", ".join(shown[:limit]) + (f" and {rest} more" if rest > 0 else "")
