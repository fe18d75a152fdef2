"""What every YAML model shares: strictness, names, and messages a user understands."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import pydantic
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler, StringConstraints
from pydantic_core import CoreSchema

from nullcrop.basics.errors import NullcropError
from nullcrop.config.places import expanded

RULES: dict[str, str] = {}
"""What each pattern asks for, in words."""


def matching(pattern: str, rule: str) -> StringConstraints:
    """The constraint that a text matches ``pattern``; ``rule`` says so in words, as `must be …`."""
    RULES[pattern] = rule
    return StringConstraints(pattern=pattern)


Name = Annotated[
    str,
    matching(
        r"^[a-z0-9][a-z0-9_]*$", "must be lower-case letters, digits and underscores, no underscore first"
    ),
]
"""A name that stands in paths: lower-case letters, digits and underscores."""

PathText = Annotated[
    str,
    StringConstraints(min_length=1),
    matching(r"^[^{}]*$", "must not contain braces"),
    BeforeValidator(expanded),
]
"""A path in a config or a dataset file, with `~` and `$NAME` replaced; braces would be taken for
wildcards."""


class Model(BaseModel):
    """A part of a YAML file: unknown keys are errors, docstrings become schema descriptions."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class LateType:
    """Annotates a field whose type is made of what is registered when a file is read."""

    def type(self) -> Any:
        """The type as it is now."""
        raise NotImplementedError

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(self.type())


def read_yaml(path: Path | str) -> Any:
    """Parse a YAML file; NullcropError names the line that is not YAML."""
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NullcropError(f"{path}: there is no such file") from None
    except OSError as error:
        raise NullcropError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise NullcropError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None


def explain(error: pydantic.ValidationError, where: Path | str, model: type[Model]) -> str:
    """What is wrong with a file of ``model``, in one line: each key, what it holds, what is allowed or was
    meant."""
    lines = []
    for problem in error.errors():
        # Of a key that is wrong itself pydantic says so at the end.
        path = [part for part in problem["loc"] if part != "[key]"]
        key = ".".join(map(str, path)) or "(top level)"
        match problem["type"]:
            case "extra_forbidden" | "unexpected_keyword_argument":
                known = _keys_at(model, path[:-1])
                lines.append(f"unknown key '{key}'" + (f", {meant(str(path[-1]), known)}" if known else ""))
            case "missing":
                lines.append(f"key '{key}' is missing")
            case "value_error":
                lines.append(f"{key}: {problem['ctx']['error']}")
            case "string_pattern_mismatch":
                pattern = problem["ctx"]["pattern"]
                lines.append(f"{key}: '{problem['input']}' {RULES.get(pattern, f'must match {pattern}')}")
            case "literal_error":
                near = nearest(str(problem["input"]), re.findall("'([^']*)'", problem["ctx"]["expected"]))
                hint = f", did you mean '{near}'?" if near else ""
                lines.append(f"{key}: {problem['msg']}, found {problem['input']!r}{hint}")
            case "string_type" if isinstance(problem["input"], bool | int | float):
                lines.append(f"{key}: {_unquoted(problem['input'])}")
            case "list_type" if isinstance(problem["input"], str | int | float):
                lines.append(
                    f"{key}: a list is asked for, found {problem['input']!r}: write [{problem['input']}]"
                )
            case _:
                lines.append(f"{key}: {problem['msg']}, found {problem['input']!r}")
    return f"{where}: " + "; ".join(lines)


def _unquoted(value: bool | int | float) -> str:
    if isinstance(value, bool):
        return f"YAML takes yes, no, on, off, true and false for {value}; put the word in quotes"
    return f'{value} is a number, and a text is asked for; put it in quotes: "{value}"'


def meant(word: str, known: Iterable[str]) -> str:
    """A hint for a misspelt name: the nearest known one, or all of them when none is near."""
    known = list(known)
    near = nearest(word, known)
    return f"did you mean '{near}'?" if near else f"known are: {', '.join(known) or 'none'}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that a misspelt one is most like, whatever their case; None where none is near."""
    lower = {name.casefold(): name for name in known}
    return next((lower[name] for name in difflib.get_close_matches(word.casefold(), lower, n=1)), None)


def _keys_at(kind: Any, path: Sequence[int | str]) -> list[str]:
    """Keys that ``kind`` (a model, or a type made of models) has at ``path``, as pydantic's errors give it;
    else none."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        late = next((one for one in parts[1:] if isinstance(one, LateType)), None)
        return _keys_at(late.type() if late else parts[0], path)
    if origin in (Union, UnionType):
        # Which of several models is meant, pydantic tells by the value of its `kind`.
        tagged = [part for part in parts if path and path[0] in _tags(part)]
        return list(
            dict.fromkeys(
                key for part in tagged or parts for key in _keys_at(part, path[1:] if tagged else path)
            )
        )
    if origin in (dict, list, tuple):
        return _keys_at(parts[-1], path[1:]) if path else []
    if not (is_dataclass(kind) or (isinstance(kind, type) and issubclass(kind, BaseModel))):
        return []
    known = get_type_hints(kind, include_extras=True)
    keys = {name: known[name] for name in getattr(kind, "model_fields", None) or kind.__dataclass_fields__}
    if not path:
        return list(keys)
    return _keys_at(keys[str(path[0])], path[1:]) if path[0] in keys else []


def _tags(kind: Any) -> tuple[Any, ...]:
    """Values of ``kind`` by which a model is told from others."""
    kind = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    return get_args(get_type_hints(kind).get("kind")) if isinstance(kind, type) else ()
