"""A report of generated results, and Chromium to read it with."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)

from nullcrop.config.models import Project
from nullcrop.report.page import write_report

from ..generated_results import half_finished

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

# Of a machine that trains networks beside the page: a chart may take seconds to come to life.
expect.set_options(timeout=60_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in Path(item.path).parts:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The first study of the half-finished project."""
    half = half_finished(tmp_path_factory.mktemp("project"))
    content = half.config.model_dump(mode="json", exclude_defaults=True)
    return Project({**content, "studies": {"first": content["studies"]["first"]}})


@pytest.fixture(scope="session")
def report(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the generated results, alone in its folder."""
    path = tmp_path_factory.mktemp("report") / "index.html"
    write_report(project, "first", path)
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
