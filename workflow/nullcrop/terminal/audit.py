"""`nullcrop audit`: from a folder of images to a verdict, with what was taken for what, and the time left."""

import fcntl
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.files import written_whole
from nullcrop.basics.progress import duration, say
from nullcrop.basics.walk import AUDIT_FOLDER
from nullcrop.config.cell import Cell
from nullcrop.config.definitions import FolderSource
from nullcrop.config.grid import Grid
from nullcrop.config.models import Project, read_project
from nullcrop.config.places import WORKFLOW_FOLDER
from nullcrop.survey.layout import Layout, Said, look
from nullcrop.survey.masks import masks_of
from nullcrop.survey.plan import config_file, dataset_file, plan
from nullcrop.terminal.page import put, put_whole, terminal
from nullcrop.terminal.verdict_table import print_verdicts
from nullcrop.training.cells import kept_folder

SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_BETWEEN_LINES = 10.0

STEP = re.compile(r"^(?:local)?\s*Job \d+: (.+)", re.MULTILINE)
"""What Snakemake says of a job that begins."""

FAILURE = re.compile(r"^nullcrop(?: [\w-]+)?: error: .+", re.MULTILINE)
"""What a step says when it fails."""

LOG_READ = 100_000
"""Bytes at the end of the log that are looked at."""


@dataclass(frozen=True)
class Audit:
    """What a user asks for."""

    folder: Path
    out: Path
    """Where everything is made that the audit makes."""
    said: Said
    thorough: bool = False
    epochs: int | None = None
    device: str = "auto"
    cores: int = 1
    dry_run: bool = False
    """Stop after the files."""


def audit(asked: Audit, console: Console | None = None) -> None:
    """Look at a folder of images, plan its audit, run it, and print the verdict.

    Both YAML files are written once, and used as they are from then on, so that they can be edited and an
    interrupted audit goes on. Raises NullcropError where the folder cannot be read as a dataset, is too small
    for any result to count, another audit lies in its place, or a step failed.
    """
    console = console or terminal()
    out = asked.out.absolute()
    config = out / "audit.yaml"
    if config.exists():
        project = _goes_on(asked, config)
        put_whole(console, f"Going on with {config}")
    else:
        project = _begin(asked, out, config, console)
    if asked.dry_run:
        # The files say what other flags did.
        elsewhere = [] if asked.out == Path(AUDIT_FOLDER) else ["--out", str(asked.out)]
        command = shlex.join(["nullcrop", "audit", str(asked.folder), *elsewhere])
        put_whole(console, f"Nothing was run. To run it: {command}")
        return
    with _alone(out):
        _run(project, config, out, asked.cores, console)
    print_verdicts(project, console=console)
    for words, path in (("Report", out / "results/report/index.html"), ("Files", config)):
        put_whole(console, f"{words}: {path}")


def _begin(asked: Audit, out: Path, config: Path, console: Console) -> Project:
    layout = look(asked.folder, asked.said)
    planned = plan(layout, asked.thorough, asked.epochs)
    name = _dataset_name(layout.root)
    _put_findings(console, layout)
    put(console, f"What could be seen: {planned.words}.")
    if not planned.can_tell:
        raise NullcropError(
            f"{planned.words} ({listed(f'{name} {count}' for name, count in layout.counts.items())} images"
            + (f", {layout.listing['group'].nunique()} groups" if layout.group else "")
            + "); more images of more patients are needed"
        )
    masks = masks_of(layout)
    if masks.sure:
        put(console, "Whether crops touch a lesion is counted by the masks.")
    elif masks.doubt:
        how = "stand in the dataset's file as a comment" if masks.keys else "are not used"
        put(console, f"The masks {how}: {masks.doubt}.")
    title = f"Can the class be read from the crops of {name}?"
    with written_whole(out / "datasets" / f"{name}.yaml") as aside:
        aside.write_text(dataset_file(layout, planned.crop, masks), encoding="utf-8")
    with written_whole(config) as aside:
        aside.write_text(config_file(planned, name, out, title, asked.device), encoding="utf-8")
    for path in (config, out / "datasets" / f"{name}.yaml"):
        put_whole(console, f"Written: {path}")
    return read_project(config)


def _goes_on(asked: Audit, config: Path) -> Project:
    """The project of an audit that was begun, if it is the one that is asked for."""
    project = read_project(config)
    sources = [project.definition(name).source for name in project.definition_paths]
    folders = [source.path for source in sources if isinstance(source, FolderSource)]
    if str(asked.folder.absolute()) not in folders:
        raise NullcropError(
            f"{config} is an audit of {listed(folders)}; name another place for this one with --out"
        )
    if asked.said != Said() or asked.thorough or asked.epochs or asked.device != "auto":
        raise NullcropError(
            f"{config} is there already, and says what flags would say: edit it (and its dataset's file "
            "beside it), or begin another audit with --out"
        )
    return project


def _dataset_name(root: Path) -> str:
    """A dataset's name from its folder's: lower-case letters, digits and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", root.name.lower()).strip("_") or "images"


def _put_findings(console: Console, layout: Layout) -> None:
    """What was taken for what, how sure that is, and how to say that it is otherwise."""
    indent = max(len(what) for what in ("images", *(one.what for one in layout.findings))) + 2
    counts = ", ".join(f"{name} {count}" for name, count in layout.counts.items())
    images = f"{len(layout.listing)} below {layout.root} ({counts})"
    put(console, images, indent=indent, label="images")
    for one in layout.findings:
        otherwise = f"; otherwise {one.otherwise}" if one.otherwise else ""
        words = Text.assemble(one.words, (f" ({one.sure}{otherwise})", "dim"))
        put(console, words, indent=indent, label=one.what)


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """No other audit runs in the folder ``out`` in the meantime; then a lock that Snakemake left there is
    of one that was killed."""
    with open(out / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NullcropError(
                f"an audit runs in {out} already; wait for it, or take another --out"
            ) from None
        yield


def _snakemake(config: Path, out: Path, *arguments: str) -> list[str]:
    snakefile = WORKFLOW_FOLDER / "Snakefile"
    if not snakefile.is_file():
        raise NullcropError(
            f"the workflow is not where the package is: {snakefile} is missing; run from a clone"
        )
    where = ["--snakefile", str(snakefile), "--directory", str(out)]
    return [sys.executable, "-m", "snakemake", *where, *arguments, "--configfile", str(config)]


def _run(project: Project, config: Path, out: Path, cores: int, console: Console) -> None:
    """Run the workflow with one bar for all cells; NullcropError with the words of the step that failed."""
    log = out / "audit.log"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if (out / ".snakemake" / "locks").is_dir():
        subprocess.run(_snakemake(config, out, "--unlock"), **quiet, check=False)  # type: ignore[call-overload]
    # A step begins with imports and ends with a flush, so one more than there are cores keeps them busy.
    command = _snakemake(config, out, "--cores", str(cores + 1), "--quiet", "host", "reason")
    with open(log, "wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        _follow(process, project, log, console)
    except BaseException:
        # Ctrl-C reaches Snakemake by itself; it lets its jobs end. A terminated audit hands it on.
        process.terminate()
        process.wait()
        raise
    if process.returncode:
        text = _end_of(log)
        words = list(dict.fromkeys(FAILURE.findall(text)))
        raise NullcropError(f"a step failed; {'; '.join(words) or 'see the end'} ({log})")


def _follow(process: "subprocess.Popen[bytes]", project: Project, log: Path, console: Console) -> None:
    grid = Grid(project)
    cells = grid.all_cells
    began, before, spoken = time.monotonic(), _done(grid, cells), time.monotonic()
    with _bar(console) as (bar, task):
        bar.update(task, total=len(cells), completed=before)
        while process.poll() is None:
            time.sleep(SECONDS_BETWEEN_LOOKS)
            done = _done(grid, cells)
            steps = STEP.findall(_end_of(log))
            pace = (time.monotonic() - began) / (done - before) if done > before else None
            left = f"about {duration(pace * (len(cells) - done))} left" if pace and done < len(cells) else ""
            step = steps[-1] if steps else "planning"
            bar.update(task, completed=done, step=step, left=left)
            if bar.disable and time.monotonic() - spoken >= SECONDS_BETWEEN_LINES:
                spoken = time.monotonic()
                say(f"{done} of {len(cells)} cells{', ' if left else ''}{left}: {step}")


@contextmanager
def _bar(console: Console) -> Iterator[tuple[Progress, TaskID]]:
    columns = (
        BarColumn(20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}  [dim]{task.fields[step]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield bar, bar.add_task("", step="planning", left="")


def _done(grid: Grid, cells: Sequence[Cell]) -> int:
    paths = grid.project.config.paths
    places = [
        (Path(paths.results, "cells", cell.path), kept_folder(Path(paths.work, "cells", cell.path)))
        for cell in cells
    ]
    return sum(any((place / "cell.json").is_file() for place in both) for both in places)


def _end_of(log: Path) -> str:
    with open(log, "rb") as stream:
        stream.seek(max(0, log.stat().st_size - LOG_READ))
        return stream.read().decode(errors="replace")
