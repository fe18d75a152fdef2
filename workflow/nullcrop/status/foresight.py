"""What a study could see, before anything is trained: one line a dataset."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nullcrop.config.cell import Cell, ReaderOnView
from nullcrop.config.definitions import Definition
from nullcrop.config.detectable import enough_arrangements, minimal_detectable
from nullcrop.config.grid import Grid
from nullcrop.config.names import FOLDS_OF, UNWATCHED, base_split, protocol_of, split_name
from nullcrop.datasets.samples import read_samples
from nullcrop.statistics.auroc import TestSet
from nullcrop.statistics.crossfit import inflation
from nullcrop.statistics.families import role_of
from nullcrop.statistics.sentences import upper_words
from nullcrop.statistics.verdicts import trust

TENTH = 0.1
"""Share of the images that a seed of a random or grouped split tests, and that it watches."""

FIFTH = 0.2
"""Share of the images that a seed of a hold-out without a validation part tests."""


@dataclass(frozen=True)
class Foreseen:
    """The minimal detectable AUROC on the split whose verdict will be quoted."""

    minimal: float
    """Found with a chance of 80 %; 1 where nothing would be found; NaN before anything is counted."""
    split: str
    units: int
    """Independent images, or groups, that are tested."""
    members: int
    """Readers × views that are tested together."""
    can_tell: bool
    """Whether any result could count."""
    at_best: bool
    """Whether groups are still uncounted, so that each image was taken for one of its own."""

    @property
    def brief(self) -> str:
        """The same in a few words, for the plan's list."""
        where = f"({self.split.replace('_', ' ')}, {self.units} images, {self.members} readers × views)"
        if np.isnan(self.minimal):
            return "told once the images are listed"
        if not self.can_tell:
            return f"too small for any result to count {where}"
        if self.minimal >= 1:
            return f"only close to 1 {where}"
        return f"{'at best ' if self.at_best else ''}{upper_words(self.minimal)} {where}"

    @property
    def words(self) -> str:
        """What a reader should know before it costs an hour."""
        split = self.split.replace("_", " ")
        if np.isnan(self.minimal):
            return f"what could be seen ({split} split) is told once the images are listed"
        images = "images tested, groups not counted yet" if self.at_best else "independent images tested"
        if split_name(self.split).match:
            images = "images at most, as far as they match"
        where = f"{split} split, {self.units} {images}, {self.members} readers × views"
        if not self.can_tell:
            return f"too small for any result to count ({where})"
        if self.minimal >= 1:
            return f"too small to find anything but an AUROC close to 1 ({where})"
        best = "at best " if self.at_best else ""
        return (
            f"{best}an AUROC from {upper_words(self.minimal)} would be found with a chance of 80% ({where})"
        )


def foresee(
    grid: Grid, study: str, dataset: str, protocol: str | None = None, labels: str | None = None
) -> Foreseen | None:
    """What a study could see of a dataset; None where it has no reader on a view that judges.

    From the listed images and their groups where samples.csv is there; else from the images that the
    dataset's file states, as if each stood alone. ``protocol``: what the same readers would see under all
    folds of that one in place of the study's splits. ``labels``: of this label rule, not of the study's
    first.
    """
    definition, level = grid.project.definition(dataset), grid.project.config.verdict.level
    crops = [
        cell
        for cell in grid.cells(study, dataset)
        if not base_split(cell.split)[1] and role_of(cell, definition.field) == "crop"
    ]
    if not crops:
        return None
    labels = labels or crops[0].labels
    split = min({cell.split for cell in crops if cell.labels == labels}, key=trust)
    own = [cell for cell in crops if (cell.labels, cell.split) == (labels, split)]
    seeds = sorted({cell.seed for cell in own})
    if protocol is not None:
        split, seeds = protocol, list(range(FOLDS_OF[protocol]))
    listed = Path(grid.project.config.paths.results, "datasets", dataset, "samples.csv")
    official = protocol_of(split) == "official"
    counted = _listed_units(listed, definition, labels, protocol_of(split))
    units = counted or definition.expected_targets(labels, "test" if official else None)
    share, factor = _tested(split, seeds)
    tested = [count * share for count in units]
    minimal = min(1.0, minimal_detectable(tested, _members(own), level, factor)) if units else np.nan
    at_best = (definition.has_groups and not counted) or bool(split_name(split).match)
    # Of more than two targets each has to be told from the rest, and one image of its own tells nothing.
    can_tell = not units or (enough_arrangements(tested, level) and (len(units) == 2 or min(units) > 1))
    return Foreseen(minimal, split, round(sum(tested)), _members(own), can_tell, at_best)


def foreseen_lines(grid: Grid) -> list[str]:
    """A line for each study and dataset below a heading, for the plan; none where no dataset has any."""
    lines = [
        f"  {study}, {dataset}: {seen.brief}"
        for study in grid.studies
        for dataset in grid.datasets(study)
        if (seen := foresee(grid, study, dataset))
    ]
    return ["the AUROC from which on a cue would be found with a chance of 80%:", *lines] if lines else []


def _members(cells: Sequence[Cell]) -> int:
    readers = {ReaderOnView.of(cell) for cell in cells}
    views = {one.view for one in readers}
    averaged = sum(sum(one.view == view for one in readers) > 1 for view in views)
    return len(readers) + averaged


def _tested(split: str, seeds: Sequence[int]) -> tuple[float, float]:
    """Share of the images (of an official split: of its test part) that are tested, and the factor c."""
    protocol = protocol_of(split)
    if protocol == "official":
        return 1.0, 1.0
    if protocol == "leave_one_group_out":
        return 1.0, inflation(split, seeds, 1.0)
    tested, watched = (FIFTH, 0.0) if protocol in UNWATCHED else (TENTH, TENTH)
    factor, folds = inflation(split, seeds, tested / (1 - tested - watched)), FOLDS_OF.get(protocol)
    if folds is None:
        return 1 - (1 - tested) ** len(seeds), factor
    return len({seed % folds for seed in seeds}) / folds, factor


def _listed_units(path: Path, definition: Definition, labels: str, protocol: str) -> list[float]:
    """Independent units of each target among the listed images; empty where they are not listed."""
    if not path.is_file():
        return []
    samples = read_samples(path, ["class", "group", "official_split"])
    if protocol == "official":
        samples = samples[samples["official_split"] == "test"]
    if protocol == "leave_one_group_out":
        samples = samples.assign(group="")  # there images count (statistics/crossfit.py)
    target = np.array([definition.targets(labels)[name] for name in samples["class"]], np.int64)
    return TestSet(target, samples["group"].to_numpy(str)).units_of_targets if len(samples) else []
