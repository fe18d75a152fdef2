"""What is drawn in one colour: an architecture trained by one recipe."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.colors import to_rgb

from nullcrop.config.readers import BASELINES, in_order, label_of, look_of
from nullcrop.figures.style import INK

Colour = tuple[float, float, float]

PALEST = 0.75
"""Share of white that the last of very many recipes comes near to."""


@dataclass(frozen=True)
class Series:
    """The bars, marks or lines of one colour: an architecture trained by one recipe."""

    architecture: str
    recipe: str
    label: str
    """The architecture's name, with the recipe where it was trained by several."""
    colour: Colour

    @property
    def is_baseline(self) -> bool:
        return self.architecture in BASELINES

    @property
    def mark(self) -> str:
        return look_of(self.architecture).mark

    def of(self, cells: pd.DataFrame) -> pd.DataFrame:
        """Its rows of ``cells`` (columns architecture and recipe)."""
        return cells[(cells["architecture"] == self.architecture) & (cells["recipe"] == self.recipe)]


def series_of(cells: pd.DataFrame) -> list[Series]:
    """The series among ``cells`` (columns architecture and recipe), in the order of every figure.

    Further recipes of the same architecture are paler; a recipe that follows from the architecture is not
    named.
    """
    found: list[Series] = []
    for architecture in in_order(cells["architecture"]):
        recipes = sorted(cells.loc[cells["architecture"] == architecture, "recipe"].unique())
        for place, recipe in enumerate(recipes):
            label = label_of(architecture) + (f" ({recipe})" if len(recipes) > 1 else "")
            white = PALEST * place / len(recipes)
            red, green, blue = (part + (1 - part) * white for part in to_rgb(look_of(architecture).colour))
            found.append(Series(architecture, recipe, label, (red, green, blue)))
    return found


def mark_of(name: str, size: float) -> dict[str, Any]:
    """How a line of matplotlib's shows the reader ``name`` as a mark alone, ``size`` points wide."""
    look = look_of(name)
    return {
        "marker": look.mark,
        "markersize": size,
        "markerfacecolor": look.colour,
        "markeredgecolor": INK,
        "markeredgewidth": 0.6,
        "linestyle": "",
    }
