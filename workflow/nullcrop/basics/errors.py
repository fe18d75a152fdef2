"""The one exception a user is meant to read."""

from collections.abc import Iterable


class NullcropError(Exception):
    """A failure said in the user's words: what was wrong, where, and what to do.

    The command line prints the message alone, without a traceback, and exits with status 1.
    """


def listed(names: Iterable[object], limit: int = 10) -> str:
    """Join ``names`` for a message, as :func:`shown`; after ``limit`` of them say how many more there are."""
    every = list(names)
    rest = len(every) - limit
    return ", ".join(map(shown, every[:limit])) + (f" and {rest} more" if rest > 0 else "")


def shown(name: object) -> str:
    """``name`` in one line and visible: line breaks, outer blanks and bytes that are no text as Python writes
    them, in quotes."""
    text = str(name)
    return text if text.isprintable() and text == text.strip() else repr(text)


def explained(error: Exception) -> str | None:
    """What a failure means in one line, where its own words suffice; None: a defect, whose traceback is
    needed."""
    if isinstance(error, NullcropError):
        return str(error)
    if isinstance(error, OSError):
        # A full disk or a forbidden folder names its file; the user can act on that alone.
        return f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")
    # torch says both "out of memory" (CUDA) and "can't allocate memory" (CPU) as RuntimeError; "an illegal
    # memory access" is a defect.
    short = isinstance(error, RuntimeError) and any(
        words in str(error) for words in ("out of memory", "allocate memory")
    )
    if isinstance(error, MemoryError) or short:
        return "out of memory; give the job more, or a smaller batch or input"
    return None
