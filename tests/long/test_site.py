"""The site of docs/ is built without a warning, and asks no other host for anything."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def _made(folder: str, names: list[str]) -> set[str]:
    """What runs and builds have made in a clone."""
    relative = Path(folder).relative_to(REPOSITORY).as_posix()
    made = {".": {"site"}, "docs": {"api"}, "resources": {"archives", "weights"}}.get(relative, set())
    if relative == "results":
        made = set(names) - {"README.md"}
    return made | {name for name in names if name.startswith(".") or name == "__pycache__"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make site` does."""
    clone = tmp_path_factory.mktemp("clone")
    folder = clone / "site"
    # The build writes pages of functions into docs/, which is not for a test to touch.
    shutil.copytree(REPOSITORY, clone, ignore=_made, dirs_exist_ok=True)
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", "-b", "html"]
    built = subprocess.run(
        [*command, "docs", str(folder)], cwd=clone, capture_output=True, text=True, check=False
    )
    assert (built.returncode, built.stderr) == (0, "")
    return folder


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    loaded = [
        (path.name, found)
        for path in site.rglob("*")
        if path.suffix in (".html", ".css")
        for found in re.findall(
            r"<(?:script|img|iframe|source|link)[^>]*\b(?:src|href)=\"((?:https?:)?//[^\"]*)\""
            r"|(?:@import|url\()\s*[\"']?((?:https?:)?//[^\"')]*)",
            path.read_text(encoding="utf-8"),
        )
    ]
    assert loaded == []


def test_public_functions_and_the_keys_of_a_config_can_be_found(site: Path) -> None:
    assert 'id="nullcrop.statistics.maxt.maxt"' in (site / "api" / "nullcrop.statistics.html").read_text(
        "utf-8"
    )
    assert 'id="study"' in (site / "config-keys.html").read_text("utf-8")


def test_links_out_of_the_docs_lead_to_the_files_on_github(site: Path) -> None:
    page = (site / "your-dataset.html").read_text(encoding="utf-8")
    assert 'href="https://github.com/nullcrop/nullcrop/blob/main/config/README.md#paths"' in page
