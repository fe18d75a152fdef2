"""The calibration: generated datasets on which the audit's false alarms and power are counted, as batches
of work."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from nullcrop.basics.progress import duration
from nullcrop.config.definitions import Cue, PhantomSource
from nullcrop.config.names import CROSSFIT
from nullcrop.config.yaml_files import Model, Name

BATCH_SECONDS = 300
"""Estimated work of one job: an interrupted run loses no more, and starting a process takes little of it."""

IMAGE_SECONDS = 0.006
"""Measured on one core of an AMD EPYC: an image is generated, cut and counted."""

TRAINED_SECONDS = 0.0004
"""The same: LeNet-5 is trained on one image for an epoch."""

FITTED_SECONDS = 0.04
"""The same: the baselines are fitted to one corner of a few hundred images."""

JUDGED_SECONDS = 3.0
"""The same: a dataset is judged in each way."""

CORNERS = 4


class CueSeries(Model):
    """Datasets that carry one cue, at several strengths."""

    cue: Literal["none", "session", "jpeg", "vignette", "stain", "patient"]
    """What tells the classes apart in the corners."""
    strengths: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=1)] = [0]
    """Sizes of the cue."""
    datasets: Annotated[int, Field(ge=1)]
    """Datasets at each strength; they have consecutive seeds, from 0 in the first series of a cue, and from
    where the last one ended in the next."""
    splits: Annotated[list[Literal["crossfit", "crossfit5", "random", "grouped"]], Field(min_length=1)] = [
        "crossfit5"
    ]
    """Split protocols that are audited: a cross-fitted one in all its folds, another with a single seed."""
    patients: Annotated[int, Field(ge=2)] = 150
    """Patients of each dataset."""
    images_per_patient: Annotated[int, Field(ge=1)] = 2
    """Images of each patient."""

    def seconds_of_dataset(self, epochs: int) -> float:
        """Estimated time on one core until one dataset has its predictions, by what was measured."""
        images = self.patients * self.images_per_patient
        seconds = images * IMAGE_SECONDS
        for split in self.splits:
            folds = CROSSFIT.get(split, 1)
            # One part is tested and one watched; a single split sets apart two tenths.
            trained = images * (1 - 2 / CROSSFIT.get(split, 10))
            seconds += folds * CORNERS * (trained * epochs * TRAINED_SECONDS + FITTED_SECONDS)
        return seconds


class Calibration(Model):
    """How often the audit raises an alarm on datasets whose truth is known."""

    series: Annotated[list[CueSeries], Field(min_length=1)]
    """Series of datasets; several may have one cue, in datasets of other sizes."""
    recipe: Name
    """How LeNet-5 is trained on them; its weights are random."""
    level: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Nominal rate of false alarms of a dataset's audit."""
    side: Annotated[int, Field(ge=64)] = 64
    """Width and height of the images in pixels."""


@dataclass(frozen=True)
class Batch:
    """Some datasets of one series, audited in one job."""

    datasets: int
    splits: tuple[str, ...]
    source: PhantomSource
    """The first dataset; the others differ in their seed alone."""
    seconds: float
    """Estimated time on one core until all of them have their predictions."""

    @property
    def name(self) -> str:
        """Name of its file."""
        cue = self.source.cue
        return f"{cue.kind}_{cue.strength:g}_from{self.source.seed}"


def batches(calibration: Calibration, epochs: int) -> list[Batch]:
    """Everything that is to be audited, in the order of the config; ``epochs`` are the recipe's."""
    made, seeds = [], defaultdict[str, int](int)
    for series in calibration.series:
        seconds = series.seconds_of_dataset(epochs)
        size = max(1, int(BATCH_SECONDS / seconds))
        end = seeds[series.cue] + series.datasets
        for strength in series.strengths:
            for first in range(seeds[series.cue], end, size):
                source = PhantomSource(
                    kind="phantom",
                    cue=Cue(kind=series.cue, strength=strength),
                    patients=series.patients,
                    images_per_patient=series.images_per_patient,
                    width=calibration.side,
                    height=calibration.side,
                    seed=first,
                )
                count = min(size, end - first)
                made.append(Batch(count, tuple(series.splits), source, count * seconds))
        seeds[series.cue] = end
    return made


def time_words(planned: Sequence[Batch], cores: int) -> str:
    """How long the datasets of some batches will take, in words; told before they start."""
    longest = max(one.seconds for one in planned)
    # One core may be left with the last job.
    work = sum(one.seconds + one.datasets * JUDGED_SECONDS for one in planned)
    seconds = max(work / cores, longest)
    jobs = f"{len(planned)} job" + ("s" if len(planned) > 1 else "")
    return (
        f"calibration: {sum(one.datasets for one in planned)} generated datasets, about {duration(seconds)} "
        f"on {cores} core{'s' if cores > 1 else ''} ({jobs} of at most {duration(longest)})"
    )
