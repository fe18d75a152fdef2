"""Lines of plain text that are no wider than the terminal."""

import os
import shutil
import textwrap
from typing import TextIO


def width_of(stream: TextIO) -> int:
    """Columns of the terminal that ``stream`` is; of a file or a pipe those that the environment names
    (COLUMNS), or else 80."""
    if "COLUMNS" not in os.environ and stream.isatty():
        # A terminal that does not know its size says 0.
        return os.get_terminal_size(stream.fileno()).columns or shutil.get_terminal_size().columns
    return shutil.get_terminal_size().columns


def wrapped(text: str, width: int, indent: str = "") -> str:
    """``text`` in lines of at most ``width`` characters, from the second on behind ``indent``.

    It is broken at blanks alone: a longer word, such as a path, stays whole.
    """
    return "\n".join(
        textwrap.fill(
            line, max(width, 1), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
        for line in text.splitlines()
    )
