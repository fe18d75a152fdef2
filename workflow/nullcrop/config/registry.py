"""Registries: one record a thing, with everything anybody asks of it; and the files that add to them.

A record is plain text and numbers. What it does is bound by name (`package.module:function`) and imported
where it is used, so that planning a run loads neither torch nor Matplotlib nor the networks of anybody.
"""

import importlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from nullcrop.basics.errors import NullcropError

NAME = r"[a-z][a-z0-9_]*"
"""A regular expression that matches the names of records: they stand in paths and on command lines."""

EXTENSIONS = "NULLCROP_EXTENSIONS"
"""Environment variable that names to a command the files that the config names under `extensions:`."""


class Record(Protocol):
    """What every record has."""

    @property
    def name(self) -> str:
        """How paths, configs and command lines call it."""


R = TypeVar("R", bound=Record)


class Registry(Mapping[str, R], Generic[R]):
    """All records of one kind by name, in the order of their registration, which is that of figures and
    tables."""

    def __init__(self, kind: str, *apart: "Registry[Any]") -> None:
        """``kind``: its name in messages. ``apart``: registries with which it must share no name."""
        self.kind = kind
        self._apart = apart
        self._records: dict[str, R] = {}
        self._origins: dict[str, Path] = {}

    def register(self, record: R) -> R:
        """Add ``record`` and return it; NullcropError when its name is taken or cannot stand in a path."""
        name = record.name
        if not re.fullmatch(NAME, name):
            raise NullcropError(
                f"the {self.kind} '{name}': a name is lower-case letters, digits and underscores, a letter "
                "first"
            )
        for registry in (self, *self._apart):
            if name in registry:
                raise NullcropError(f"there is a {registry.kind} '{name}' already: choose another name")
        self._records[name] = record
        if _loading:
            self._origins[name] = _loading[-1]
        return record

    def origin(self, name: str) -> Path | None:
        """The file that registered ``name``; None: it is nullcrop's own."""
        return self._origins.get(name)

    def __getitem__(self, name: str) -> R:
        return self._records[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)


def implementation(binding: str) -> Any:
    """What ``binding`` names (`package.module:attribute`), imported now; NullcropError when there is none."""
    module, _, attribute = binding.partition(":")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        # A module that the bound one imports, and that is not installed, is another story.
        if error.name != module:
            raise
        raise NullcropError(f"'{binding}' names no module: there is no {module}") from None
    try:
        return getattr(found, attribute)
    except AttributeError:
        raise NullcropError(f"'{binding}' names nothing: the module {module} has no '{attribute}'") from None


def any_of(names: Iterable[str]) -> str:
    """A regular expression that matches exactly these names; with no names it matches nothing."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


_loading: list[Path] = []
_loaded: dict[str, Path] = {}


def load_extensions(paths: Iterable[str | Path]) -> None:
    """Run each Python file of ``paths``, which registers records of its own; none is run twice.

    A file is a module named `nullcrop_extension_` and its name, so that records bind to what it defines by
    `f"{__name__}:function"`. Raises NullcropError when a file is missing or fails, with the line at fault.
    """
    for path in map(Path, paths):
        file, name = path.resolve(), f"nullcrop_extension_{path.stem}"
        if _loaded.get(name) == file:
            continue
        if name in _loaded:
            raise NullcropError(f"extensions: {path} and {_loaded[name]} have one name: rename one of them")
        if not file.is_file():
            raise NullcropError(f"extensions: there is no file {path}")
        spec = importlib.util.spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            raise NullcropError(f"extensions: {path} is no Python file: its name must end in .py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        _loading.append(file)
        try:
            spec.loader.exec_module(module)
        # Whatever the user's own code raises: it is named with its line.
        except Exception as error:
            del sys.modules[name]
            lines = [
                frame.lineno
                for frame in traceback.extract_tb(error.__traceback__)
                if frame.filename == str(file)
            ]
            line = error.lineno if isinstance(error, SyntaxError) else (lines or [None])[-1]
            words = str(error) if isinstance(error, NullcropError) else f"{type(error).__name__}: {error}"
            raise NullcropError(f"extensions: {path}, line {line}: {words}") from None
        finally:
            _loading.pop()
        _loaded[name] = file


def extensions_of_environment() -> list[str]:
    """The files that the environment names."""
    return [path for path in os.environ.get(EXTENSIONS, "").split(os.pathsep) if path]


def in_environment(paths: Iterable[str | Path]) -> str:
    """The value of the environment's variable for ``paths``: they are found from any folder."""
    return os.pathsep.join(str(Path(path).resolve()) for path in paths)
