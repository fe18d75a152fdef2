"""A report of generated results, and Chromium to read it with."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from nullcrop.config.grid import Grid
from nullcrop.config.models import Project
from nullcrop.report.page import write_report

from ..conftest import definition_content
from ..generated_results import write_cell, write_dataset
from ..hostile import HOSTILE

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in Path(item.path).parts:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two studies of three datasets: one complete, one half finished with hostile names, one not begun."""
    folder = tmp_path_factory.mktemp("project")
    definitions = folder / "definitions"
    definitions.mkdir()
    for name, changes in {
        "complete": {"title": "Complete", "group": "patient"},
        "hostile": HOSTILE,
        "waiting": {"title": "Waiting", "classes": ["one", "two", "three"], "labels": {"each": {}}},
    }.items():
        text = yaml.safe_dump(definition_content(**changes), allow_unicode=True)
        (definitions / f"{name}.yaml").write_text(text, encoding="utf-8")
    study: dict[str, Any] = {
        "views": ["original", "upper_left", "center"],
        "architectures": ["resnet50", "lenet5"],
        "recipes": ["scratch"],
        "seeds": [0, 1],
    }
    content = {
        "definitions": [str(definitions)],
        "paths": {"results": str(folder / "results"), "resources": str(folder / "resources")},
        "studies": {
            "first": {**study, "title": "First study", "datasets": ["complete", "hostile", "waiting"]},
            "second": {
                **study,
                "title": "Second study",
                "datasets": ["complete"],
                "splits": ["random", "grouped"],
                "seeds": [0],
            },
        },
    }
    project = Project(content, "my.yaml")
    for place, cell in enumerate(Grid(project).all_cells):
        if cell.dataset == "complete" or (cell.dataset == "hostile" and cell.view != "center"):
            write_cell(project, cell, 60, 2.0 if cell.view == "original" else 0.3, constant=place == 1)
    for name in ("complete", "hostile"):
        write_dataset(project, name)
    return project


@pytest.fixture(scope="session")
def report(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the generated results, alone in its folder."""
    path = tmp_path_factory.mktemp("report") / "index.html"
    write_report(project, path)
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip(
            "the report was NOT tested in a browser: no Chromium here (Debian: apt-get install chromium)"
        )
    with sync_playwright() as playwright:
        # Chromium's own sandbox refuses to start for root, who runs the tests in a container.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh profile without a network; whatever a page asks for or complains of fails the test."""
    context = browser.new_context(offline=True, permissions=["clipboard-read", "clipboard-write"])
    complaints: list[str] = []

    def requested(request: Request) -> None:
        if not request.url.startswith(("file:", "data:")):
            complaints.append(f"asked for {request.url}")

    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    context.on("request", requested)
    context.on("console", said)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.on("dialog", lambda dialog: complaints.append(f"a dialog opened: {dialog.message}"))
    yield context
    context.close()
    assert complaints == []


@pytest.fixture
def page(context: BrowserContext, report: Path) -> Page:
    page = context.new_page()
    page.goto(report.as_uri())
    return page
