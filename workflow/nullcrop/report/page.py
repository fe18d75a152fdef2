"""The report's page: its contents put into the templates, as one file that needs nothing else."""

import base64
import hashlib
import re
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

import nullcrop
from nullcrop.basics.files import written_whole
from nullcrop.basics.progress import say, tracked
from nullcrop.config.models import Project
from nullcrop.report import charts, sections
from nullcrop.report.contents import Contents, collect


def write_report(project: Project, study: str, out: Path, dataset: str | None = None) -> None:
    """Write the report of what there is now of a study, or of one ``dataset`` in it, as one HTML file.

    It needs no network and no other file. Raises NullcropError where there is no such study, or where it
    does not name ``dataset``.
    """
    contents = collect(project, study, dataset)
    page = page_of(contents)
    with written_whole(out) as aside:
        aside.write_text(page, encoding="utf-8")
    say(f"{out}: {sections.progress(contents.cells)}, {len(page.encode()) / 1e6:.1f} MB")


def page_of(contents: Contents) -> str:
    """The whole page as HTML."""
    templates = resources.files("nullcrop.report") / "templates"
    scripts = [charts.library(), (templates / "report.js").read_text(encoding="utf-8")]
    found = tracked(contents.datasets, len(contents.datasets), "report: drawing datasets")
    return (
        environment()
        .get_template("report.html")
        .render(
            title=sections.title(contents),
            progress=sections.progress(contents.cells),
            missing=sections.missing(contents.cells),
            datasets=[sections.dataset_section(dataset, contents) for dataset in found],
            grid=sections.grid(contents),
            closing=sections.closing(contents),
            style=Markup((templates / "report.css").read_text(encoding="utf-8") + charts.series_style()),
            scripts=[Markup(script) for script in scripts],
            script_hashes=[hash_of(script) for script in scripts],
            made=datetime.now(UTC),
            version=nullcrop.__version__,
        )
    )


def environment() -> jinja2.Environment:
    """The templates, in which every text is escaped and a name that is missing is an error."""
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("nullcrop.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["with_code"] = with_code
    return templates


def with_code(text: str) -> Markup:
    """``text`` for HTML, what stands between backticks as code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def hash_of(script: str) -> str:
    """The script's hash for the page's own content security policy: no other script may run in it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
