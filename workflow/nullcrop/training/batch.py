"""Several cells in one process, one after the other; each keeps its own outputs and its own failure."""

from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path

from nullcrop.errors import explained
from nullcrop.files import write_json
from nullcrop.progress import say
from nullcrop.training.loop import CellJob, keep_cell


def train_batch(jobs: Sequence[CellJob], logs: Path, report: Path) -> None:
    """Train every cell of ``jobs`` that is not finished yet; write to ``report`` which failed, and why.

    Finished cells lie beside their working folders until they are collected. What a cell says goes
    to its own log below ``logs``. A failed cell does not stop the others; a killed batch goes on
    where it was.
    """
    failed: dict[str, str] = {}
    for number, job in enumerate(jobs, 1):
        say(f"cell {number} of {len(jobs)}: {job.cell.path}")
        log = logs / f"{job.cell.path}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "w", encoding="utf-8") as stream, redirect_stderr(stream):
            try:
                keep_cell(job)
            except Exception as error:
                failed[job.cell.path] = explained(error) or f"{type(error).__name__}: {error}"
                say(f"error: {failed[job.cell.path]}")
        if job.cell.path in failed:
            say(f"failed: {failed[job.cell.path]}")
    write_json(report, {"failed": failed})
