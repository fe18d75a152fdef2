"""What every YAML model shares: strictness, names, and messages a user understands."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import pydantic
import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints

from nullcrop.errors import NullcropError

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_]*$")]
"""A name that stands in paths: lower-case letters, digits and underscores."""


NO_BRACES = r"^[^{}]*$"

PathText = Annotated[str, StringConstraints(min_length=1, pattern=NO_BRACES)]
"""A path in a config; braces would be taken for wildcards."""


class Model(BaseModel):
    """A part of a YAML file: unknown keys are errors, docstrings become schema descriptions."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


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


def explain(error: pydantic.ValidationError, where: Path | str) -> str:
    """A validation error in one line a mistake: the key, what is wrong, what was meant."""
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"]) or "(top level)"
        match problem["type"]:
            case "extra_forbidden" | "unexpected_keyword_argument":
                lines.append(f"unknown key '{key}'")
            case "missing":
                lines.append(f"key '{key}' is missing")
            case "value_error":
                lines.append(f"{key}: {problem['ctx']['error']}")
            case "string_pattern_mismatch":
                path = problem["ctx"]["pattern"] == NO_BRACES
                rule = (
                    "must not contain braces"
                    if path
                    else "must be lower-case letters, digits and underscores"
                )
                lines.append(f"{key}: '{problem['input']}' {rule}")
            case _:
                lines.append(f"{key}: {problem['msg']}, found {problem['input']!r}")
    return f"{where}: " + "; ".join(lines)


def meant(word: str, known: Iterable[str]) -> str:
    """A hint for a misspelt name: the nearest known one, or all of them when none is near."""
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known are: {', '.join(known) or 'none'}"
