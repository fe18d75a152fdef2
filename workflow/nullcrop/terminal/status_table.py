"""How much of each study is done, in the terminal: n of N cells by dataset, what they took, what leaks."""

import io
import math
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.progress import duration
from nullcrop.config.models import Project
from nullcrop.datasets.ignored import told_in
from nullcrop.duplicates.leaks import AS_RELEASED, read_leaks
from nullcrop.status.cells import CellState, State
from nullcrop.status.cost import cost_rows, summed_cost
from nullcrop.status.foresight import foresee
from nullcrop.status.standing import Standing
from nullcrop.status.time_left import time_left
from nullcrop.terminal.page import BAR_WIDTH, Column, Row, put, put_table, terminal

SECONDS_BETWEEN_LOOKS = 2.0

SHOWN: tuple[State, ...] = ("running", "failed", "stopped", "damaged", "stale", "missing")
"""Columns beside what is done. A state that no cell is in has none: 80 columns have to suffice."""

REMARK_LINES = 2
"""Lines of a remark that are shown while it is watched."""

LEAKS = {
    "exact": "exact_clusters",
    "alike": "near_clusters",
    "over classes": "near_across_classes",
    "over parts": "near_across_parts",
    "groups over parts": "groups_across_parts",
}
"""Headings of the table of leaks, and the columns of leaks.csv below them."""

SEEN = {"test images seen": "near_test_images", "groups seen": "group_test_images"}
"""The same for what is a share of the test images."""


def print_status(project: Project, study: str | None = None, console: Console | None = None) -> None:
    """Print a table for each study (or one): how many cells are in each state, and the time spent.

    Below the table stands what needs an eye (:meth:`~nullcrop.status.standing.Standing.remarks`), and the
    time left; in the end what the finished cells took of each kind of hardware, and what leaks. Works on
    half-finished results.
    """
    console = console or terminal()
    standing = Standing(project)
    records: dict[str, dict[str, Any]] = {}
    for name in standing.studies(study):
        cells = standing.planned(name)
        _put_study(console, f"{name}: {project.config.studies[name].title}", cells)
        for line in standing.remarks(name):
            put(console, line)
        for dataset in standing.grid.datasets(name):
            facts = Path(project.config.paths.results, "datasets", dataset, "dataset.json")
            if ignored := told_in(facts):
                put(console, f"{dataset}: ignored {ignored}")
            if seen := foresee(standing.grid, name, dataset):
                put(console, f"{dataset}: {seen.words}")
        if any(one.state != "done" for one in cells):
            put(console, f"Left: {time_left(cells, project.definition)}")
        console.print()
        records |= {one.cell.path: one.record for one in cells if one.state == "done"}
    if records:
        _put_cost(console, records.values())
    counted = {
        dataset: path
        for dataset in (standing.grid.datasets(study) if study else standing.grid.values("dataset"))
        if (path := Path(project.config.paths.results, "datasets", dataset, "leaks.csv")).is_file()
    }
    if counted:
        _put_leaks(console, {dataset: read_leaks(path) for dataset, path in counted.items()})


def watch_status(asked: Sequence[tuple[Project, str | None]], console: Console | None = None) -> None:
    """Show how much of each study is done, anew every few seconds, until interrupted.

    ``asked``: projects, each with a study, or None for all of its.

    What does not fit the terminal is left out and counted, so that nothing scrolls away: first come the
    numbers and what needs an eye, then the datasets, unfinished ones first. Raises NullcropError where the
    output is no terminal.
    """
    console = console or terminal()
    if not console.is_terminal:
        raise NullcropError("--watch needs a terminal; leave it out to have the table printed once")
    with suppress(KeyboardInterrupt), Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            # What is printed to the live console would be drawn above its picture: a page of its own.
            page = Console(
                width=console.width, force_terminal=True, no_color=console.no_color, file=io.StringIO()
            )
            with page.capture() as captured:
                _put_progress(page, asked)
            live.update(_fitting(captured.get(), console.height), refresh=True)
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _put_progress(console: Console, asked: Sequence[tuple[Project, str | None]]) -> None:
    """What is looked at while a run goes on, the most important first."""
    standings = [(Standing(project), study) for project, study in asked]
    studies = [(standing, name) for standing, study in standings for name in standing.studies(study)]
    for standing, name in studies:
        cells = standing.planned(name)
        count = Counter(one.state for one in cells)
        put(console, f"{name}: {standing.project.config.studies[name].title}", "bold")
        states = [f"{count[state]} {state}" for state in SHOWN if count[state]]
        left = f"; left: {time_left(cells, standing.project.definition)}" if states else ""
        done = f"{count['done']} of {len(cells)} done"
        put(console, ", ".join([done, *states]) + left, indent=2)
        for line in standing.remarks(name):
            put(console, line, indent=2, most=REMARK_LINES)
    for standing, name in studies:
        console.print()
        _put_study(console, name if len(studies) > 1 else "", standing.planned(name), unfinished_first=True)


def _fitting(page: str, height: int) -> Text:
    """As much of a page as fits ``height`` lines, and in the last one how much does not."""
    lines = page.rstrip("\n").split("\n")
    if len(lines) > height:
        more = len(lines) - height + 1
        lines = [*lines[: height - 1], f"… {more} more lines; without --watch all are printed"]
    return Text.from_ansi("\n".join(lines), no_wrap=True)


def _put_study(console: Console, title: str, cells: list[CellState], unfinished_first: bool = False) -> None:
    shown = [state for state in SHOWN if any(one.state == state for one in cells)]
    columns = [
        Column("dataset", "name"),
        Column("", "bar"),
        *(Column(heading) for heading in ("done", *shown, "time")),
    ]
    datasets = list(dict.fromkeys(one.cell.dataset for one in cells))
    of_dataset = {name: [one for one in cells if one.cell.dataset == name] for name in datasets}
    if unfinished_first:
        datasets.sort(key=lambda name: all(one.state == "done" for one in of_dataset[name]))
    rows = [Row(_cells_of_row(name, of_dataset[name], shown)) for name in datasets]
    if not unfinished_first:
        rows.append(Row(_cells_of_row("all", cells, shown), apart=True))
    put_table(console, columns, rows, title)


def _put_cost(console: Console, records: Iterable[dict[str, Any]]) -> None:
    """Finished cells by hardware: number, time, speed, largest peaks of memory, energy."""
    columns = [Column("hardware", "words")]
    columns += map(Column, ("cells", "time", "images/s", "peak GPU", "peak RAM", "kWh"))
    rows = [
        Row(
            [
                row["hardware"],
                str(row["cells"]),
                duration(row["seconds"]),
                _measured(row["images_a_second"], "{:,.0f}"),
                _measured(row["peak_device_mb"] / 1000, "{:.1f} GB"),
                _measured(row["peak_host_mb"] / 1000, "{:.1f} GB"),
                _measured(row["energy_kwh"], "{:.2f}"),
            ]
        )
        for row in summed_cost(cost_rows(records), ["hardware"]).to_dict("records")
    ]
    put_table(console, columns, rows, "Hardware of finished cells")


def _measured(value: float, pattern: str) -> str:
    return "-" if math.isnan(value) else pattern.format(value)


def _put_leaks(console: Console, leaks: dict[str, pd.DataFrame]) -> None:
    """Each dataset's leaks as released, then in the splits used, the seeds of one split in one row."""
    rows = [
        Row(
            [
                dataset if split == AS_RELEASED else f"  {split}",
                *(_range(seeds[column]) for column in LEAKS.values()),
                *(_share(seeds[column], seeds["test_images"]) for column in SEEN.values()),
            ]
        )
        for dataset, table in leaks.items()
        for (_, split), seeds in table.groupby(["labels", "split"], sort=False)
    ]
    columns = [Column("dataset, split", "name"), *map(Column, (*LEAKS, *SEEN))]
    title = "Leaks: clusters of duplicates, groups; test images with either in training"
    put_table(console, columns, rows, title)


def _range(counts: "pd.Series[int]") -> str:
    low, high = counts.min(), counts.max()
    return str(low) if low == high else f"{low}-{high}"


def _share(counts: "pd.Series[int]", images: "pd.Series[int]") -> str:
    return f"{_range(counts)}/{_range(images)}" if images.any() else "-"


def _cells_of_row(label: str, cells: list[CellState], shown: list[State]) -> list[str | ProgressBar]:
    seconds = [float(one.record["seconds"]) for one in cells if one.state == "done"]
    count = Counter(one.state for one in cells)
    return [
        label,
        ProgressBar(total=len(cells), completed=len(seconds), width=BAR_WIDTH),
        f"{len(seconds)} of {len(cells)}",
        *(str(count[state]) for state in shown),
        duration(sum(seconds)),
    ]
