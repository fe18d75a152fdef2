"""How much of each study is done, in the terminal: n of N cells by dataset, what they took, what leaks."""

import io
import math
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
from rich.box import SIMPLE
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nullcrop.basics.progress import duration
from nullcrop.config.models import Project
from nullcrop.datasets.ignored import told_in
from nullcrop.duplicates.leaks import AS_RELEASED, read_leaks
from nullcrop.status.cells import CellState, State
from nullcrop.status.cost import cost_rows, summed_cost
from nullcrop.status.foresight import foresee
from nullcrop.status.standing import Standing
from nullcrop.status.time_left import time_left

BAR_WIDTH = 6

SECONDS_BETWEEN_LOOKS = 2.0

SHOWN: tuple[State, ...] = ("running", "failed", "stopped", "damaged", "stale", "missing")
"""Columns beside what is done. A state that no cell is in has none: 80 columns have to suffice."""

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
    console = console or Console()
    standing = Standing(project)
    records: dict[str, dict[str, Any]] = {}
    for name in standing.studies(study):
        cells = standing.cells(name)
        console.print(_study_table(f"{name}: {project.config.studies[name].title}", cells))
        for line in standing.remarks(name):
            console.print(line, highlight=False, soft_wrap=True, markup=False)
        for dataset in standing.grid.datasets(name):
            facts = Path(project.config.paths.results, "datasets", dataset, "dataset.json")
            if ignored := told_in(facts):
                console.print(f"{dataset}: ignored {ignored}", highlight=False, soft_wrap=True, markup=False)
            if seen := foresee(standing.grid, name, dataset):
                console.print(f"{dataset}: {seen.words}", highlight=False, soft_wrap=True, markup=False)
        if any(one.state != "done" for one in cells):
            console.print(f"Left: {time_left(cells, project.definition)}", highlight=False, soft_wrap=True)
        records |= {one.cell.path: one.record for one in cells if one.state == "done"}
    if records:
        console.print(_cost_table(records.values()))
    counted = {
        dataset: path
        for dataset in (standing.grid.datasets(study) if study else standing.grid.values("dataset"))
        if (path := Path(project.config.paths.results, "datasets", dataset, "leaks.csv")).is_file()
    }
    if counted:
        console.print(_leaks_table({dataset: read_leaks(path) for dataset, path in counted.items()}))


def watch_status(project: Project, study: str | None = None, console: Console | None = None) -> None:
    """Show what :func:`print_status` prints, anew every few seconds, until interrupted."""
    console = console or Console()
    with suppress(KeyboardInterrupt), Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            # What is printed to the live console would be drawn above its picture: a page of its own.
            page = Console(width=console.width, force_terminal=True, file=io.StringIO())
            with page.capture() as captured:
                print_status(project, study, page)
            live.update(Text.from_ansi(captured.get()), refresh=True)
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _study_table(title: str, cells: list[CellState]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("dataset", no_wrap=True)
    table.add_column("", width=BAR_WIDTH)
    shown = [state for state in SHOWN if any(one.state == state for one in cells)]
    for heading in ("done", *shown, "time"):
        table.add_column(heading, justify="right", no_wrap=True)
    for dataset in dict.fromkeys(one.cell.dataset for one in cells):
        table.add_row(*_row(dataset, [one for one in cells if one.cell.dataset == dataset], shown))
    table.add_section()
    table.add_row(*_row("all", cells, shown))
    return table


def _cost_table(records: Iterable[dict[str, Any]]) -> Table:
    """Finished cells by hardware: number, time, speed, largest peaks of memory, energy."""
    table = Table(title="Hardware of finished cells", title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("hardware")
    for heading in ("cells", "time", "images/s", "peak GPU", "peak RAM", "kWh"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in summed_cost(cost_rows(records), ["hardware"]).to_dict("records"):
        table.add_row(
            row["hardware"],
            str(row["cells"]),
            duration(row["seconds"]),
            _measured(row["images_a_second"], "{:,.0f}"),
            _measured(row["peak_device_mb"] / 1000, "{:.1f} GB"),
            _measured(row["peak_host_mb"] / 1000, "{:.1f} GB"),
            _measured(row["energy_kwh"], "{:.2f}"),
        )
    return table


def _measured(value: float, pattern: str) -> str:
    return "-" if math.isnan(value) else pattern.format(value)


def _leaks_table(leaks: dict[str, pd.DataFrame]) -> Table:
    """Each dataset's leaks as released, then in the splits used, the seeds of one split in one row."""
    table = Table(
        title="Leaks: clusters of duplicates, groups; test images with either in training",
        title_justify="left",
        box=SIMPLE,
        padding=(0, 1, 0, 0),
    )
    table.add_column("dataset, split", no_wrap=True)
    for heading in (*LEAKS, *SEEN):
        table.add_column(heading, justify="right")
    for dataset, rows in leaks.items():
        for (_, split), seeds in rows.groupby(["labels", "split"], sort=False):
            table.add_row(
                dataset if split == AS_RELEASED else f"  {split}",
                *(_range(seeds[column]) for column in LEAKS.values()),
                *(_share(seeds[column], seeds["test_images"]) for column in SEEN.values()),
            )
    return table


def _range(counts: "pd.Series[int]") -> str:
    low, high = counts.min(), counts.max()
    return str(low) if low == high else f"{low}-{high}"


def _share(counts: "pd.Series[int]", images: "pd.Series[int]") -> str:
    return f"{_range(counts)}/{_range(images)}" if images.any() else "-"


def _row(label: str, cells: list[CellState], shown: list[State]) -> list[str | ProgressBar]:
    seconds = [float(one.record["seconds"]) for one in cells if one.state == "done"]
    count = Counter(one.state for one in cells)
    return [
        label,
        ProgressBar(total=len(cells), completed=len(seconds), width=BAR_WIDTH),
        f"{len(seconds)} of {len(cells)}",
        *(str(count[state]) for state in shown),
        duration(sum(seconds)),
    ]
