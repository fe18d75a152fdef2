"""Where a path leads that a config or a dataset file names."""

import os
import re
from pathlib import Path
from typing import Any

from pydantic import AfterValidator

from nullcrop.basics.errors import NullcropError

WORKFLOW_FOLDER = Path(__file__).parents[3]
"""The folder of the Snakefile, of `config` and of the tables that come with the workflow."""


def expanded(path: Any) -> Any:
    """``path`` with `~`, `~user` and `$NAME` replaced, as a shell does; what is no text stays as it is.

    A file or folder that is so called stays, too. Raises ValueError when there is no such user, or no
    variable of that name: a folder called `~` or `$SCRATCH` would be made instead.
    """
    if not isinstance(path, str) or not re.match("~|.*[$]", path, re.DOTALL):
        return path
    full = os.path.expandvars(os.path.expanduser(path))  # noqa: PTH111
    for unknown in re.finditer(r"^~[^/]*|[$](\w+|\{\w+\})", full):
        # As far as the name's own part of the path.
        if os.path.lexists(full[: unknown.end()] + full[unknown.end() :].partition("/")[0]):
            continue
        user = unknown[0].startswith("~")
        what = f"the home folder of '{unknown[0][1:]}' is not known" if user else f"{unknown[0]} is not set"
        raise ValueError(f"'{path}': {what}; write the path in full")
    return full


def found(path: str) -> str:
    """``path`` seen from the working folder, or from the workflow's where that has nothing there.

    So a user's files come before the workflow's, and the workflow's are found from any working folder.
    What is absolute, in the working folder or nowhere stays as it is written: in parameters and messages.
    """
    shipped = str(WORKFLOW_FOLDER / path)
    # os.path takes what may not be looked into for absent, where pathlib raises.
    return shipped if path and not os.path.exists(path) and os.path.exists(shipped) else path  # noqa: PTH110


def no_folder(path: Path | str) -> str:
    """That there is no folder ``path``, with where :func:`found` looked for it."""
    if Path(path).is_absolute():
        return f"there is no folder {path}"
    places = dict.fromkeys([Path.cwd(), WORKFLOW_FOLDER])
    return f"there is no folder {path} (seen from {' or from '.join(map(str, places))})"


def check_writable(folder: Path | str, cure: str) -> None:
    """Raise NullcropError, which says ``cure``, where nothing can be written into ``folder``, or into the
    nearest folder above it that there is."""
    nearest = Path(folder).absolute()
    while not os.path.lexists(nearest):
        nearest = nearest.parent
    if not nearest.is_dir():
        raise NullcropError(f"{nearest} is no folder: {cure}")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise NullcropError(f"nothing can be written into {nearest}: {cure}")


FOUND = AfterValidator(found)
"""Says of a key that it names a file or folder to be read; what is written lies below the working folder."""
