"""The page that leads to the report of each study in a results folder."""

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from markupsafe import Markup

import nullcrop
from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import written_whole
from nullcrop.basics.progress import say
from nullcrop.report.blocks import Block
from nullcrop.report.cards import kind_of_verdict
from nullcrop.report.page import environment
from nullcrop.report.sections import calibration, progress
from nullcrop.status.standing import Standing
from nullcrop.status.studies import found_configs, project_of


@dataclass(frozen=True)
class Entry:
    """A study on the page."""

    title: str
    href: str
    words: str
    """How much of it is done, or why that cannot be told."""
    verdicts: list[tuple[str, str, str]]
    """Title of each dataset, its verdict, and the class of that one's colour."""


def write_index(results: Path, out: Path) -> None:
    """Write the page that leads to the reports below ``results``; with one study alone it goes on there by
    itself.

    Without JavaScript. A study whose config cannot be read any more is named all the same.
    """
    found = [path for path in found_configs(results) if path.with_name("index.html").is_file()]
    entries = [_entry(path, results) for path in found]
    audited = calibration(results)
    blocks: list[Block] = [] if audited is None else [audited]
    templates = resources.files("nullcrop.report") / "templates"
    page = (
        environment()
        .get_template("index.html")
        .render(
            entries=entries,
            blocks=blocks,
            onward=entries[0].href if len(entries) == 1 else "",
            style=Markup((templates / "report.css").read_text(encoding="utf-8")),
            script_hashes=[],
            made=datetime.now(UTC),
            version=nullcrop.__version__,
        )
    )
    with written_whole(out) as aside:
        aside.write_text(page, encoding="utf-8")
    say(f"{out}: {len(entries)} {'study' if len(entries) == 1 else 'studies'}")


def _entry(config: Path, results: Path) -> Entry:
    name = config.parent.name
    href = f"{name}/index.html"
    try:
        standing = Standing(project_of(config, results))
        study = standing.project.config.studies[name]
        verdicts = []
        for dataset in standing.grid.datasets(name):
            table = standing.verdicts(name, dataset)
            title = standing.project.definition(dataset).title
            if table.empty:
                verdicts.append((title, "no verdict yet", "open"))
                continue
            quoted = table[table["headline"].eq(True)]
            for one in quoted.to_dict("records"):
                rule = f" ({one['labels']})" if len(quoted) > 1 else ""
                kind = kind_of_verdict(one["field"], one["evidence"])
                verdicts.append((f"{title}{rule}", one["verdict"], kind))
        return Entry(study.title, href, progress(standing.planned(name)), verdicts)
    except NullcropError as error:
        return Entry(name, href, f"its results cannot be told: {error}", [])
