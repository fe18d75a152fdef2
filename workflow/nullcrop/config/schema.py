"""JSON schemas of the YAML files, for editors and for readers; generated, never edited."""

import json
from pathlib import Path

from pydantic import BaseModel

from nullcrop.config.definitions import Definition
from nullcrop.config.models import Config

SCHEMA_FOLDER = Path(__file__).parents[2] / "schemas"

SCHEMAS: dict[str, type[BaseModel]] = {"config.schema.json": Config, "dataset.schema.json": Definition}


def schema_text(name: str) -> str:
    """The schema file ``name`` as it should stand in `workflow/schemas`."""
    return json.dumps(SCHEMAS[name].model_json_schema(), indent=2) + "\n"


def write_schemas(folder: Path = SCHEMA_FOLDER) -> None:
    """Write every schema into ``folder``."""
    for name in SCHEMAS:
        (folder / name).write_text(schema_text(name), encoding="utf-8")
