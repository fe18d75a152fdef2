"""What a page is put together from: blocks of paragraphs, pictures, drawings and tables."""

import base64
import io
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup
from PIL import Image

from nullcrop.report import charts
from nullcrop.report.charts import Spec
from nullcrop.report.tables import Table

PICTURE_WIDTH = 1100
"""Pixels in width to which a figure is reduced."""

Pairs = list[tuple[str, str | Markup]]


@dataclass(frozen=True)
class Drawing:
    """A chart as the page shows it: drawn already, and with its specification, from which it becomes
    interactive."""

    name: str
    alt: str
    """The text in place of the picture."""
    caption: str
    spec: Spec
    svg: Markup


@dataclass(frozen=True)
class Picture:
    """A picture within the page."""

    source: str
    """Data URI."""
    alt: str
    caption: str
    width: int
    height: int


@dataclass(frozen=True)
class Block:
    """Something under one heading; folded unless ``unfolded``."""

    name: str
    heading: str
    paragraphs: list[str] = field(default_factory=list)
    pairs: Pairs = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    drawings: list[Drawing] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    unfolded: bool = True

    @property
    def empty(self) -> bool:
        """Nothing is known that could be said here."""
        return not (self.paragraphs or self.pairs or self.pictures or self.drawings or self.tables)


def drawing(name: str, alt: str, caption: str, spec: Spec) -> Drawing:
    """Draw ``spec``; ``name`` is unique on the page."""
    return Drawing(name, alt, caption, spec, Markup(charts.static_svg(spec, name)))


def picture(path: Path, alt: str, caption: str) -> Picture:
    """The image file at ``path``, reduced to PICTURE_WIDTH, as a part of the page.

    As WebP, which at this quality shows no blocks at the outlines and takes a fifth of a PNG's bytes.
    """
    stream = io.BytesIO()
    with Image.open(path) as image:
        small = image.convert("RGB")
        small.thumbnail((PICTURE_WIDTH, 10 * PICTURE_WIDTH), Image.Resampling.LANCZOS)
        small.save(stream, "WEBP", quality=90)
    source = "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()
    return Picture(source, alt, caption, *small.size)
