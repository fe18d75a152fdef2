"""What a leak map looks at."""

from typing import Annotated

from pydantic import Field

from nullcrop.config.yaml_files import Model


class LeakMap(Model):
    """A map of where in the image the class can be read; a study asks for it among its `figures`."""

    positions: Annotated[int, Field(ge=2, le=64)] = 15
    """Windows in each direction, from rim to rim; fewer where an image has no room for so many."""
    window: Annotated[int, Field(ge=4)] | None = None
    """Side of the windows in pixels; that of the crops unless named."""
    sizes: list[Annotated[int, Field(ge=4)]] = [4, 8, 12, 20, 32, 48]
    """Sides of further windows at the four corners, for the curve of AUROC by size."""
    draws: Annotated[int, Field(ge=99)] = 499
    """Draws of the labels to which each place's reader is fitted anew."""
