"""Several cells in one process, one after the other or some at a time; each keeps its own outputs and its own
failure."""

from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack, redirect_stderr
from pathlib import Path

import torch

from nullcrop.basics.errors import NullcropError, explained
from nullcrop.basics.files import write_json
from nullcrop.basics.progress import say
from nullcrop.training.arithmetic import NoGpuError
from nullcrop.training.engine import Slot
from nullcrop.training.gpus import take_gpu
from nullcrop.training.loop import CellJob, cell_steps
from nullcrop.training.out_of_memory import draws_in_training


def train_batch(jobs: Sequence[CellJob], logs: Path, report: Path, in_flight: int = 1) -> None:
    """Train every cell of ``jobs`` that is not finished yet; write to ``report`` which failed, and why.

    Finished cells lie beside their working folders until they are collected. What a cell says goes
    to its own log below ``logs``. A failed cell does not stop the others; a killed batch goes on
    where it was. ``in_flight`` cells take turns, a step each, which fills a GPU that the small steps of one
    leave idle; each ends as if it had been alone. Raises NoGpuError, and writes no report, where a GPU is
    missing.
    """
    failed: dict[str, str] = {}
    no_gpu: NoGpuError | None = None
    waiting = deque(enumerate(jobs, 1))
    lanes = _lanes(jobs, in_flight)
    on_gpu = lanes > 1 and jobs[0].device != "cpu"
    if on_gpu:
        take_gpu()  # before the streams, which wake CUDA
        on_gpu = torch.cuda.is_available()
    free = [_Lane(on_gpu) for _ in range(lanes)]
    running: deque[_Flight] = deque()
    with ExitStack() as open_ones:
        while waiting or running:
            while waiting and free:
                number, job = waiting.popleft()
                say(f"cell {number} of {len(jobs)}: {job.cell.path}")
                running.append(_Flight(job, free.pop(), logs))
                open_ones.callback(running[-1].close)
            flight = running.popleft()
            flight.lane.slot.in_flight = len(running) + 1
            if flight.advance():
                running.append(flight)
                continue
            free.append(flight.lane)
            if flight.failed is not None:
                failed[flight.job.cell.path] = flight.failed
                no_gpu = no_gpu or flight.no_gpu
                say(f"failed: {flight.job.cell.path}: {flight.failed}")
    # As a whole the job is tried again, perhaps on another node; a cell that is done is kept.
    if no_gpu is not None:
        raise no_gpu
    write_json(report, {"failed": failed})


def _lanes(jobs: Sequence[CellJob], in_flight: int) -> int:
    # All CUDA graphs read the seed of dropout from one place in memory, the default generator's: replayed at
    # the same time they would overwrite it for each other. What a network that draws nothing does not mind.
    if in_flight > 1 and any(draws_in_training(name) for name in {job.cell.architecture for job in jobs}):
        say("the network draws random numbers in its steps (dropout): its cells are trained one at a time")
        return 1
    return in_flight


class _Lane:
    """Where one cell after the other is trained; ``on_gpu``: on a stream of its own, beside those of the
    others."""

    def __init__(self, on_gpu: bool) -> None:
        self.slot = Slot()
        self.stream = torch.cuda.Stream() if on_gpu else None  # type: ignore[no-untyped-call]


class _Flight:
    """One cell on its way."""

    def __init__(self, job: CellJob, lane: _Lane, logs: Path) -> None:
        self.job, self.lane = job, lane
        self.failed: str | None = None
        """Why the cell failed."""
        self.no_gpu: NoGpuError | None = None
        """The error, where that was for want of a GPU."""
        log = logs / f"{job.cell.path}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = open(log, "w", encoding="utf-8")  # noqa: SIM115
        self._steps = cell_steps(job, lane.slot)

    def advance(self) -> bool:
        """Train for one step; False when the cell is done or failed."""
        with redirect_stderr(self._log), torch.cuda.stream(self.lane.stream):
            try:
                next(self._steps)
                return True
            except StopIteration:
                pass
            except Exception as error:
                self.failed = explained(error) or f"{type(error).__name__}: {error}"
                say(f"error: {self.failed}")
                self.no_gpu = error if isinstance(error, NoGpuError) else None
                # What is explained left the stepper as the next cell can restart it.
                if not isinstance(error, NullcropError):
                    self.lane.slot.clear()
        self.close()
        return False

    def close(self) -> None:
        """Leave the cell as it is; a checkpoint remains."""
        self._steps.close()
        self._log.close()
