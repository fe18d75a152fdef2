"""A cell: one trained network or baseline, named by its path. Plain Python, as the training package needs it."""

from dataclasses import astuple, dataclass, fields
from pathlib import PurePosixPath

from nullcrop.config.names import BASELINE_RECIPE, BASELINES, VIEWS, WITHOUT_PIXELS

CELL_FILES = ("predictions.csv", "history.csv", "cell.json")
"""What a finished cell holds; `cell.json` is written last."""


@dataclass(frozen=True, order=True)
class Cell:
    """One trained network or baseline: what its path says, and nothing else."""

    dataset: str
    labels: str
    split: str
    view: str
    architecture: str
    recipe: str
    seed: int

    @property
    def path(self) -> str:
        """The cell's folder below ``results/cells``."""
        return str(PurePosixPath(*map(str, astuple(self)[:-1]), f"seed{self.seed}"))

    @classmethod
    def from_path(cls, path: str) -> "Cell":
        """The cell whose :attr:`path` is ``path``."""
        dataset, labels, split, view, architecture, recipe, seed = PurePosixPath(path).parts
        return cls(dataset, labels, split, view, architecture, recipe, int(seed.removeprefix("seed")))


def baseline_cells(dataset: str, labels: str, split: str, seed: int) -> list[Cell]:
    """All baselines of one test set: fitted together, because starting a process takes longer than fitting them."""
    return [
        Cell(dataset, labels, split, view, baseline, BASELINE_RECIPE, seed)
        for view in VIEWS
        for baseline in BASELINES
        if view == "original" or baseline not in WITHOUT_PIXELS
    ]


CELL_COLUMNS = [field.name for field in fields(Cell)]
