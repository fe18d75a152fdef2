"""How long the rest of a study will take, judged by the cells that are done."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nullcrop.basics.progress import duration
from nullcrop.config.definitions import Definition
from nullcrop.status.cells import CellState

RECENT = 3600.0
"""Seconds back in which cells must have been finished to tell how fast the machine works now."""

TRAIN_SHARE = 0.8
"""Share of images in training where no finished cell tells it."""


@dataclass(frozen=True)
class TimeLeft:
    """An estimate, and what it rests on."""

    training: float
    """Seconds of training left, one cell after the other."""
    clock: float | None
    """Seconds left on the clock, at the pace of the cells finished of late; None where none were."""
    unknown: int
    """Unfinished cells of networks, or datasets, of which too little is known."""

    def __str__(self) -> str:
        """The estimate in words: `about 2 h 10 min at the present pace (8 h 30 min of training)`."""
        if not self.training:
            return "not known before a cell is done" if self.unknown else "nothing"
        words = f"{duration(self.training)} of training"
        if self.clock is not None:
            words = f"about {duration(self.clock)} at the present pace ({words})"
        return words + (f", and {self.unknown} cells that no finished one tells of" if self.unknown else "")


def time_left(
    cells: Sequence[CellState], definition: Callable[[str], Definition], now: float | None = None
) -> TimeLeft:
    """Estimate the time that the unfinished of ``cells`` will take.

    A cell takes the seconds that the finished ones of its architecture and recipe took for a training
    image, times its own training images: those of finished cells of its dataset and split, else
    what ``definition`` (by dataset name) expects. The pace is that of the cells finished in the last
    hour before ``now`` (seconds since the epoch), from the first one's beginning.
    """
    done = [one for one in cells if one.state == "done"]
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    images: dict[tuple[str, str], int] = defaultdict(int)
    trained: dict[tuple[str, str], int] = {}
    for one in done:
        network = one.cell.architecture, one.cell.recipe
        count = int(one.record["images"]["train"])
        seconds[network] += float(one.record["seconds"])
        images[network] += count
        trained[one.cell.dataset, one.cell.split] = count
    training, unknown = 0.0, 0
    for one in cells:
        if one.state == "done":
            continue
        network = one.cell.architecture, one.cell.recipe
        own = trained.get((one.cell.dataset, one.cell.split)) or _expected(definition(one.cell.dataset))
        if own is None or not images[network]:
            unknown += 1
        else:
            training += seconds[network] / images[network] * own
    pace = _pace(done, time.time() if now is None else now)
    return TimeLeft(training, training / pace if pace else None, unknown)


def _expected(definition: Definition) -> int | None:
    """Training images that a definition leads to expect."""
    expected = definition.expected
    if "train" in expected.splits:
        return expected.splits["train"]
    return None if expected.images is None else round(TRAIN_SHARE * expected.images)


def _pace(done: Sequence[CellState], now: float) -> float | None:
    """Seconds of training done in a second on the clock, of late: about the number of cells at a time."""
    recent = [
        (one.finished, float(one.record["seconds"]))
        for one in done
        if one.finished is not None and one.finished > now - RECENT
    ]
    if not recent:
        return None
    began = min(finished - seconds for finished, seconds in recent)
    return sum(seconds for _, seconds in recent) / max(now - began, 1e-9)
