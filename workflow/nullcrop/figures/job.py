"""What a figure is drawn from: one object for all of them, read as far as a figure asks for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from nullcrop.basics.errors import NullcropError
from nullcrop.config.definitions import Definition, read_definition
from nullcrop.config.figure_style import PLAIN, FigureStyle
from nullcrop.statistics.tables import read_metrics


@dataclass(frozen=True)
class FigureJob:
    """The files behind one figure of a study, or of one dataset in it. What its record does not name is
    empty."""

    figure: str
    """Its name in the registry."""
    stem: Path
    """Path of its files without their endings."""
    title: str = ""
    """The study's."""
    tables: Mapping[str, Path] = field(default_factory=dict)
    """Tables by name."""
    cells: list[Path] = field(default_factory=list)
    """Folders of finished cells."""
    splits: list[Path] = field(default_factory=list)
    """Splits of these cells, …/{labels}/{protocol}/seed{N}.csv."""
    definition_path: Path = Path()
    samples: Path = Path()
    """samples.csv of the dataset."""
    views: Path = Path()
    """Folder of its packed views."""
    mean_mask: Path | None = None
    """masks.npy of the dataset; None where no lesion was counted."""
    labels: str = ""
    """The study's first label rule of the dataset."""
    crop: tuple[int, int] = (0, 0)
    """Width and height of its crops in pixels."""
    style: FigureStyle = PLAIN
    """What the config asks of all figures."""

    def table(self, name: str) -> pd.DataFrame:
        """The table ``name``; NullcropError when the figure's record does not name it, or when it cannot be
        read."""
        if name not in self.tables:
            raise NullcropError(
                f"the figure '{self.figure}' asks for '{name}': name it under `reads` in its record"
            )
        return read_metrics(self.tables[name])

    def quoted(self, name: str) -> pd.DataFrame:
        """The rows of the table ``name`` of the first label rule, on the split whose verdict is the one to
        quote."""
        table, verdicts = self.table(name), self.table("verdicts")
        first = table["labels"].iloc[0]
        table = table[table["labels"] == first]
        quoted = verdicts.loc[(verdicts["labels"] == first) & verdicts["headline"].eq(True), "split"]
        split = quoted.iloc[0] if quoted.isin(table["split"]).any() else table["split"].iloc[0]
        rows: pd.DataFrame = table[table["split"] == split]
        return rows

    @cached_property
    def definition(self) -> Definition:
        """The dataset's definition."""
        return read_definition(self.definition_path)
