"""JSON schemas of the YAML files, for editors and for readers; generated, never edited."""

import json
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from nullcrop.basics.files import written_whole
from nullcrop.config.definitions import Definition
from nullcrop.config.models import Config

SCHEMA_FOLDER = Path(__file__).parents[2] / "schemas"

SCHEMAS: dict[str, type[BaseModel]] = {"config.schema.json": Config, "dataset.schema.json": Definition}


def schema_text(name: str) -> str:
    """The schema file ``name`` as it should stand in `workflow/schemas`."""
    return json.dumps(_unwrapped(SCHEMAS[name].model_json_schema()), indent=2) + "\n"


def _unwrapped(part: Any) -> Any:
    """Descriptions come from docstrings, whose paragraphs are wrapped; an editor wraps them anew."""
    if isinstance(part, list):
        return [_unwrapped(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {
        key: re.sub(r"(?<!\n)\n(?!\n) *", " ", value)
        if key == "description" and isinstance(value, str)
        else _unwrapped(value)
        for key, value in part.items()
    }


def write_schemas(folder: Path = SCHEMA_FOLDER) -> None:
    """Write every schema into ``folder``."""
    for name in SCHEMAS:
        with written_whole(folder / name) as aside:
            aside.write_text(schema_text(name), encoding="utf-8")
