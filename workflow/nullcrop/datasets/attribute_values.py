"""Values of attributes: which are numbers, which are names, and what strata they make."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nullcrop.basics.errors import NullcropError

FEW_VALUES = 5
"""A number of so few different values is taken for a name."""

STRATA = 5
"""Strata of a number, of as many images each as its values allow."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Attribute:
    """An attribute of N images."""

    name: str
    codes: Ints
    """Number of each image's value among the different ones, in their order (N); -1 where there is none."""
    numeric: bool
    levels: int
    """Different values."""

    @property
    def known(self) -> NDArray[np.bool_]:
        """Images with a value."""
        known: NDArray[np.bool_] = self.codes >= 0
        return known


def read_attributes(path: Path, ids: Sequence[str]) -> list[Attribute]:
    """The columns of a dataset's attributes.csv, whose rows must be of ``ids``.

    A column of numbers with more than FEW_VALUES different ones is a number, any other a name. Raises
    NullcropError when the table cannot be read or is of other images.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding_errors="surrogateescape")
    except (OSError, ValueError) as error:
        raise NullcropError(f"cannot read {path}: {error}") from None
    if list(table["id"]) != list(ids):
        raise NullcropError(f"{path} is of other images than the splits: delete it and run again")
    return [attribute_of(str(name), column) for name, column in table.drop(columns="id").items()]


def attribute_of(name: str, column: "pd.Series[str]") -> Attribute:
    """An attribute from its values as text, empty where there is none."""
    known = column != ""
    numbers = pd.to_numeric(column.where(known), errors="coerce").astype(float)
    numbers = numbers.where(np.isfinite(numbers))
    numeric = bool(numbers.notna().eq(known).all()) and numbers.nunique() > FEW_VALUES
    codes, values = pd.factorize(numbers if numeric else column.where(known), sort=True)
    return Attribute(name, codes.astype(np.int64), numeric, len(values))


def strata_of(attribute: Attribute, rows: Ints) -> Ints:
    """Stratum of each of the images ``rows``, all of which have a value: the value of a name, which of STRATA
    parts of like size of a number."""
    codes = attribute.codes[rows]
    if not attribute.numeric:
        return codes
    return np.digitize(codes, np.quantile(codes, np.arange(1, STRATA) / STRATA), right=True)
