"""docs/config-keys.md and docs/dataset-keys.md: fresh, and with every key of the models."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from nullcrop.cli import main
from nullcrop.config.calibration import Calibration
from nullcrop.config.definitions import Definition, FolderSource, LabelRule
from nullcrop.config.models import Config, Study

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {
    "config-keys.md": (Config, Study, Calibration),
    "dataset-keys.md": (Definition, FolderSource, LabelRule),
}


def test_the_pages_are_fresh(tmp_path: Path) -> None:
    assert main(["describe-keys", "--out", str(tmp_path)]) == 0
    for name in PAGES:
        fresh = (tmp_path / name).read_text(encoding="utf-8")
        assert (DOCS / name).read_text(encoding="utf-8") == fresh, "run `make docs` and commit what it writes"


@pytest.mark.parametrize(("name", "models"), PAGES.items())
def test_every_key_of_a_model_has_its_row(name: str, models: tuple[type[BaseModel], ...]) -> None:
    tables = (DOCS / name).read_text(encoding="utf-8").split("| key |")[1:]
    keys = [re.findall(r"^\| (\**)`(\w+)`", table, re.MULTILINE) for table in tables]
    for model in models:
        wanted = [("**" if field.is_required() else "", key) for key, field in model.model_fields.items()]
        assert wanted in keys, model.__name__


@pytest.mark.parametrize("name", PAGES)
def test_no_cell_of_a_table_is_cut_by_what_a_description_holds(name: str) -> None:
    rows = [line for line in (DOCS / name).read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5}
    outside_code = re.sub(r"`[^`]*`", "", "\n".join(rows))
    assert re.findall(r"(?<!\\)<", outside_code) == []
