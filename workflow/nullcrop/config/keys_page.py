"""docs/config-keys.md and docs/dataset-keys.md: every key of both YAML files, as the JSON schemas say."""

import json
import re
import textwrap
from pathlib import Path
from typing import Any

from nullcrop.basics.files import written_whole
from nullcrop.config.schema import schema_text

PAGES = {
    "config-keys.md": (
        "config.schema.json",
        "Every key of a config",
        "What a config may hold, and what stands where a key is left out. What configs there are, and what "
        "a path is relative to: [config/README.md](../config/README.md). Names of views, networks, baselines "
        "and figures: [records.md](records.md).",
    ),
    "dataset-keys.md": (
        "dataset.schema.json",
        "Every key of a dataset's file",
        "What a dataset's file may hold, and what stands where a key is left out. How to write one: "
        "[your-dataset.md](your-dataset.md).",
    ),
}
"""Each page's schema, heading and first words."""

NUMBERS = {"integer": "whole number", "number": "number"}
BOUNDS = {
    "minimum": "from {}",
    "exclusiveMinimum": "above {}",
    "maximum": "to {}",
    "exclusiveMaximum": "below {}",
}


def page(name: str) -> str:
    """The page ``name`` of :data:`PAGES`: a table for each model of its schema, in the order of their use."""
    schema_name, heading, introduction = PAGES[name]
    schema = json.loads(schema_text(schema_name))
    models = schema["$defs"]
    lines = [
        "<!-- Made by `make docs`; edit the models it reads (workflow/nullcrop/config), not this page. -->",
        f"# {heading}",
        _wrapped(introduction),
        _wrapped("A key in bold must be there. Whatever else must hold is checked when a file is read."),
        _table(schema, models),
    ]
    for model in _used_models(schema):
        content = models[model]
        lines += [f"## {_heading(model, models)}", _wrapped(_prose(content["description"]))]
        lines.append(_table(content, models))
    return "\n\n".join(lines) + "\n"


def write_pages(folder: Path) -> None:
    """Write both pages into ``folder``."""
    for name in PAGES:
        with written_whole(folder / name) as aside:
            aside.write_text(page(name), encoding="utf-8")


def _used_models(schema: dict[str, Any]) -> list[str]:
    """Names of all models below ``schema``, each where it is first asked for."""
    used: list[str] = []

    def look(part: Any) -> None:
        if isinstance(part, dict):
            model = _model(part)
            if model and model not in used:
                used.append(model)
                look(schema["$defs"][model]["properties"])
            part = list(part.values())
        if isinstance(part, list):
            for item in part:
                look(item)

    look(schema["properties"])
    return used


def _table(model: dict[str, Any], models: dict[str, Any]) -> str:
    rows = ["| key | value | unless named | what it says |", "|---|---|---|---|"]
    for key, content in model["properties"].items():
        needed = key in model.get("required", [])
        name = f"**`{key}`**" if needed else f"`{key}`"
        default = "" if needed else _default(content)
        about = content.get("description") or models.get(_model(content), {}).get("description", "")
        rows.append(f"| {name} | {_value(content, models)} | {default} | {_prose(about)} |")
    return "\n".join(rows)


def _value(content: dict[str, Any], models: dict[str, Any]) -> str:
    """What may stand behind a key, in words."""
    if model := _model(content):
        heading = _heading(model, models)
        return f"[{heading}](#{heading.lower().replace(' ', '-')})"
    if "const" in content:
        return f"`{content['const']}`"
    if "enum" in content:
        return ", ".join(f"`{one}`" for one in content["enum"])
    if choices := content.get("anyOf") or content.get("oneOf"):
        return " or ".join(_value(one, models) for one in choices if one.get("type") != "null")
    if "examples" in content:
        return f"one made of two, as `{content['examples'][0]}`"
    kind = content.get("type")
    if kind == "array":
        return f"list: {_value(content['items'], models)}"
    if kind == "object":
        patterns = content.get("patternProperties", {})
        inner = content.get("additionalProperties") or next(iter(patterns.values()))
        return f"by name: {_value(inner, models)}"
    if kind == "boolean":
        return "`true` or `false`"
    if kind in NUMBERS:
        bounds = [words.format(f"{content[key]:,}") for key, words in BOUNDS.items() if key in content]
        return " ".join([NUMBERS[kind], *bounds])
    return "text"


def _default(content: dict[str, Any]) -> str:
    if content.get("default") in (None, "", [], {}):
        return "empty"
    if _model(content):
        return "as there"
    return "`" + json.dumps(content["default"], ensure_ascii=False).replace("|", r"\|") + "`"


def _model(content: dict[str, Any]) -> str:
    """The name of the model that a key holds; empty where it holds something else."""
    return str(content.get("$ref", "")).rpartition("/")[2]


def _heading(model: str, models: dict[str, Any]) -> str:
    """`CueSeries` is `Cue series`; a source is called by its kind, as it is in a file."""
    if kind := models[model]["properties"].get("kind", {}).get("const"):
        return f"Source {kind}"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", model).capitalize()


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 110, break_long_words=False, break_on_hyphens=False)


def _prose(text: str) -> str:
    """A description as a part of a page: in one line, with pages as links; nothing but code is left raw."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    for place in range(0, len(parts), 2):
        escaped = re.sub(r"[<|*]", r"\\\g<0>", parts[place])
        parts[place] = re.sub(r"\bdocs/([\w-]+\.md)", r"[\1](\1)", escaped)
    return "".join(parts)
