"""What a cue spectrum looks at."""

from typing import Annotated

from pydantic import Field

from nullcrop.config.yaml_files import Model


class Spectrum(Model):
    """From which kinds of information the class can be read; a study asks for it among its `figures`."""

    draws: Annotated[int, Field(ge=99)] = 499
    """Draws of the labels to which each reader is fitted anew."""
    images: Annotated[int, Field(ge=100)] = 5_000
    """Of more images whole groups are drawn up to so many."""
