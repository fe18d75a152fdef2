"""docs/datasets.md: fresh, complete, and true to the dataset files."""

import re
from pathlib import Path

import pytest
import yaml

from nullcrop.cli import main

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "datasets.md"
FOLDERS = ["config/datasets", "config/companions"]
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.yaml"))]


def row_of(name: str, page: str) -> list[str]:
    (line,) = re.findall(rf"^\| (`{name}`: .*) \|$", page, re.MULTILINE)
    return str(line).split(" | ")


def test_the_page_is_fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["describe-datasets", "--definitions", *FOLDERS, "--out", str(tmp_path / "page.md")]) == 0
    fresh = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == fresh, "run `make docs` and commit what it writes"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_dataset_has_its_row(path: Path) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    row = row_of(path.stem, PAGE.read_text(encoding="utf-8"))
    assert row[0] == f"`{path.stem}`: {content['title']}"
    images = content.get("expected", {}).get("images")
    assert row[5].partition(" ")[0] == (f"{images:,}" if images else "not")
    assert [row[6], row[8], row[9]] == [str(len(content["classes"])), content["field"], content["licence"]]
    needs = {"kaggle": "Kaggle account", "folder": "[by hand](#by-hand)"}
    assert row[2] == needs.get(content["source"]["kind"], "open")
    assert (row[3] == "not known") == ("download_bytes" not in content)


def test_sizes_and_times_are_right() -> None:
    page = PAGE.read_text(encoding="utf-8")
    # 130,688,843 bytes × 8 / 100,000,000 = 10.5 s; 8,028,222,167 × 8 / 100,000,000 = 642 s.
    assert row_of("coil_100", page)[3:5] == ["130 MB", "10 s"]
    assert row_of("pcam", page)[3:5] == ["8.0 GB", "10 min 42 s"]


def test_the_links_to_the_page_and_in_it_lead_somewhere() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert "docs/datasets.md" in (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", page):
        if not target.startswith(("https://", "http://", "#")):
            assert (ROOT / "docs" / target).is_file(), target
    assert "## By hand" in page
