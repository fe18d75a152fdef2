"""A cell: one trained network, named by its path. Plain Python, as the training package needs it."""

from dataclasses import dataclass, fields
from pathlib import PurePosixPath

CELL_FILES = ("predictions.csv", "history.csv", "cell.json")
"""What a finished cell holds; `cell.json` is written last."""


@dataclass(frozen=True, order=True)
class Cell:
    """One trained network: what its path says, and nothing else."""

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
        # Plain text: a plan of thousands of cells asks for it tens of thousands of times.
        return "/".join([*(getattr(self, name) for name in CELL_COLUMNS[:-1]), f"seed{self.seed}"])

    @classmethod
    def from_path(cls, path: str) -> "Cell":
        """The cell whose :attr:`path` is ``path``."""
        dataset, labels, split, view, architecture, recipe, seed = PurePosixPath(path).parts
        return cls(dataset, labels, split, view, architecture, recipe, int(seed.removeprefix("seed")))


CELL_COLUMNS = [field.name for field in fields(Cell)]
