"""How all figures are laid out."""

import math
from typing import Annotated

from pydantic import BeforeValidator, Field

from nullcrop.config.yaml_files import Model


def _within(low: float, high: float, what: str, unit: str) -> BeforeValidator:
    """Checks a number in a config, in words that say what may be written."""

    def check(value: object) -> float:
        # From the command line a number in braces comes as text.
        try:
            number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            number = math.nan
        if not low <= number <= high:
            raise ValueError(f"{value!r} is no {what}: write {low:g} to {high:g}, in {unit}")
        return number

    return BeforeValidator(check, json_schema_input_type=float)


Width = Annotated[
    float,
    _within(60, 500, "width", "millimetres, such as 85 for one column of a journal or 175 for two"),
    Field(json_schema_extra={"minimum": 60, "maximum": 500}),
]
FontSize = Annotated[
    float,
    _within(4, 16, "size of type", "points, such as 7"),
    Field(json_schema_extra={"minimum": 4, "maximum": 16}),
]


class FigureStyle(Model):
    """How all figures are laid out; changing it draws them again and trains nothing."""

    width: Width | None = None
    """Width in millimetres, such as 85 for one column of a journal; empty: as wide as what is drawn asks
    for."""
    font_size: FontSize = 8.5
    """Size of running type in points; titles are larger and captions smaller in proportion."""
    title: bool = True
    """Whether the title stands on the figure."""
    caption: bool = True
    """Whether the caption stands on the figure; without it, write below the figure what its marks mean."""


PLAIN = FigureStyle()
"""The look of figures where a config asks for none."""
