"""A cell: one trained network or baseline, named by its path. Plain Python, as the training package needs
it."""

import json
from collections.abc import Collection, Iterable
from dataclasses import astuple, dataclass, fields
from itertools import product
from pathlib import PurePosixPath
from typing import Any

from nullcrop.config.names import BASELINE_RECIPE
from nullcrop.config.readers import BASELINES, sees_pixels
from nullcrop.config.views import views_made_always

CELL_FILES = ("predictions.csv", "history.csv", "cell.json")
"""What a finished cell holds; `cell.json` is written last."""

KEPT = ".kept"
"""What the name of the folder with a finished cell's copy adds to that of its working folder."""

AGAIN = ".again"
"""What the name of the folder adds in which a finished cell's network is trained once more."""


@dataclass(frozen=True, order=True)
class ReaderOnView:
    """Who reads, and where: what its cells, which are seeds or folds, have in common."""

    dataset: str
    labels: str
    split: str
    view: str
    architecture: str
    recipe: str

    @classmethod
    def of(cls, cell: "Cell") -> "ReaderOnView":
        """The one that ``cell`` belongs to."""
        return ReaderOnView(*(getattr(cell, name) for name in READER_COLUMNS))


@dataclass(frozen=True, order=True)
class Cell(ReaderOnView):
    """One trained network or baseline: what its path says, and nothing else."""

    seed: int

    @property
    def path(self) -> str:
        """The cell's folder below ``results/cells``."""
        # Plain text: a plan of thousands of cells asks for it tens of thousands of times.
        return "/".join([*(getattr(self, name) for name in CELL_COLUMNS[:-1]), f"seed{self.seed}"])

    @property
    def is_baseline(self) -> bool:
        """Whether it is a baseline, and no network."""
        return self.recipe == BASELINE_RECIPE

    @classmethod
    def from_path(cls, path: str) -> "Cell":
        """The cell whose :attr:`path` is ``path``."""
        dataset, labels, split, view, architecture, recipe, seed = PurePosixPath(path).parts
        return cls(dataset, labels, split, view, architecture, recipe, int(seed.removeprefix("seed")))


def baseline_cells(
    dataset: str,
    labels: str,
    split: str,
    seed: int,
    views: Iterable[str] | None = None,
    baselines: Collection[str] | None = None,
) -> list[Cell]:
    """The cells of ``baselines`` on ``views`` of one test set, those that see no pixel at the view
    `original`.

    Without ``views`` and ``baselines`` those that every test set has. They are fitted together, because
    starting a process takes longer than fitting them: those on the six views that every dataset has in one
    job, those on a further view, where a study names it, in another.
    """
    fitted = [
        name for name in BASELINES if (BASELINES[name].always if baselines is None else name in baselines)
    ]
    return [
        Cell(dataset, labels, split, view, name, BASELINE_RECIPE, seed)
        for view in (views_made_always() if views is None else views)
        for name in fitted
        if view == "original" or sees_pixels(name)
    ]


READER_COLUMNS = [field.name for field in fields(ReaderOnView)]

CELL_COLUMNS = [field.name for field in fields(Cell)]

CELL_PATH = "{dataset}/{labels}/{split}/{view}/{architecture}/{recipe}/seed{seed}"
""":attr:`Cell.path` with its coordinates as wildcards."""

BATCH_PATH = "{dataset}/{labels}/{split}/{architecture}/{recipe}/batch{number}"
""":func:`~nullcrop.config.grid.batch_path` with its wildcards."""

ABOVE_A_CELLS_FILE = len(CELL_COLUMNS) + 1
"""Folders from a cell's file up to where all cells lie: one a coordinate, and that one."""


def cell_files(results: str, cells: Iterable[Cell]) -> list[str]:
    """The files of finished ``cells`` below the folder ``results``."""
    return [f"{results}/cells/{cell.path}/{name}" for cell in cells for name in CELL_FILES]


def fold_cells(cells: Iterable[Cell]) -> str:
    """``cells`` as one short line: a JSON list of cross products, each a list of values by coordinate.

    A command line holds some thousand paths at most; a grid of any size is a few cross products. The same
    cells give the same text in whatever order they come.
    """
    blocks = {tuple((value,) for value in astuple(cell)) for cell in cells}
    for axis in range(len(CELL_COLUMNS)):
        merged: dict[tuple[Any, ...], list[Any]] = {}
        for block in sorted(blocks):
            merged.setdefault((*block[:axis], *block[axis + 1 :]), []).extend(block[axis])
        blocks = {(*rest[:axis], tuple(sorted(values)), *rest[axis:]) for rest, values in merged.items()}
    return json.dumps(sorted(blocks), separators=(",", ":"))


def unfold_cells(text: str) -> list[Cell]:
    """The cells in ``text``, sorted; ValueError or TypeError when :func:`fold_cells` did not write it."""
    return sorted(Cell(*point) for block in json.loads(text) for point in product(*block))
