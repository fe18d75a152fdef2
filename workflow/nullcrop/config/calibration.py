"""The calibration: generated datasets on which the audit's false alarms and power are counted, as batches
of work."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from nullcrop.config.definitions import Cue, PhantomSource
from nullcrop.config.yaml_files import Model, Name

BATCH = 25
"""Datasets of one job: starting a process takes longer than auditing one of them."""


class CueSeries(Model):
    """Datasets that carry one cue, at several strengths."""

    strengths: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=1)]
    """Sizes of the cue."""
    datasets: Annotated[int, Field(ge=1)]
    """Datasets at each strength; they have the seeds 0, 1, 2, …"""
    splits: Annotated[list[Literal["random", "grouped"]], Field(min_length=1)] = ["grouped"]
    """Split protocols that are audited."""
    patients: Annotated[int, Field(ge=2)] = 150
    """Patients of each dataset."""
    images_per_patient: Annotated[int, Field(ge=1)] = 2
    """Images of each patient."""


class Calibration(Model):
    """How often the audit raises an alarm on datasets whose truth is known."""

    cues: Annotated[
        dict[Literal["none", "session", "jpeg", "vignette", "stain", "patient"], CueSeries],
        Field(min_length=1),
    ]
    """Series of datasets by cue."""
    recipe: Name
    """How LeNet-5 is trained on them; its weights are random."""
    level: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Nominal rate of false alarms of a dataset's audit."""
    side: Annotated[int, Field(ge=64)] = 64
    """Width and height of the images in pixels."""


@dataclass(frozen=True)
class Batch:
    """Some datasets of one series, audited in one job."""

    cue: str
    strength: float
    first: int
    """Seed of the first dataset."""
    datasets: int
    splits: tuple[str, ...]
    source: PhantomSource
    """The first dataset; the others differ in their seed alone."""

    @property
    def name(self) -> str:
        """Name of its file."""
        return f"{self.cue}_{self.strength:g}_from{self.first}"


def batches(calibration: Calibration) -> list[Batch]:
    """Everything that is to be audited, in the order of the config."""
    made = []
    for cue, series in calibration.cues.items():
        for strength in series.strengths:
            for first in range(0, series.datasets, BATCH):
                source = PhantomSource(
                    kind="phantom",
                    cue=Cue(kind=cue, strength=strength),
                    patients=series.patients,
                    images_per_patient=series.images_per_patient,
                    width=calibration.side,
                    height=calibration.side,
                    seed=first,
                )
                count = min(BATCH, series.datasets - first)
                made.append(Batch(cue, strength, first, count, tuple(series.splits), source))
    return made
