"""docs/records.md: fresh, and linked from the page that says how to add to it."""

from pathlib import Path

import pytest

from nullcrop.cli import main

ROOT = Path(__file__).parents[2]


def test_the_page_is_fresh(tmp_path: Path) -> None:
    assert main(["describe-records", "--out", str(tmp_path / "page.md")]) == 0
    fresh = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert (ROOT / "docs" / "records.md").read_text(encoding="utf-8") == fresh, (
        "run `make docs` and commit it"
    )


@pytest.mark.parametrize("page", ["docs/extending.md", "docs/networks-and-views.md"])
def test_readers_find_it(page: str) -> None:
    assert "records.md" in (ROOT / page).read_text(encoding="utf-8")
