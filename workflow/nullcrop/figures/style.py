"""The one visual language of all figures: type, ink and saving. How a reader is drawn: config/readers.py."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib import style as matplotlib_style
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.markers import MarkerStyle
from matplotlib.path import Path as Path2D

from nullcrop.basics.files import written_whole
from nullcrop.config.figure_style import PLAIN, FigureStyle
from nullcrop.config.figures import FIGURE_FORMATS

INK = "#222222"
MUTED = "#6E6E6E"

TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 11.0, PLAIN.font_size, 7.5
"""Type sizes in points, where no config asks for others."""

DASHED = (0, (5, 2))
"""How the line is drawn that an answer blind to the image reaches."""

_RC = {
    "font.family": "DejaVu Sans",  # comes with Matplotlib, hence the same on every machine
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a dataset's title is a dollar sign
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "hatch.linewidth": 1.0,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "svg.hashsalt": "nullcrop",
    "xtick.color": INK,
    "ytick.color": INK,
}

_METADATA: dict[str, dict[str, str | None]] = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}

_CHARACTER = 0.56
"""Mean width of a character of running text, as a share of the type size."""


def svg_of_mark(mark: str) -> str:
    """Matplotlib's mark as an SVG path, a circle from -1 to 1: the page draws the very marks of the
    figures."""
    marker = MarkerStyle(mark)
    path = marker.get_path().transformed(marker.get_transform())
    letters = {Path2D.MOVETO: "M", Path2D.LINETO: "L", Path2D.CURVE3: "Q", Path2D.CURVE4: "C"}
    steps = []
    for points, code in path.iter_segments(simplify=False):
        # Vertical coordinates grow downwards in SVG.
        places = (points.reshape(-1, 2) * [2, -2]).round(3).ravel().tolist()
        steps.append(
            "Z" if code == Path2D.CLOSEPOLY else letters[code] + " ".join(f"{place:g}" for place in places)
        )
    return "".join(steps)


@dataclass(frozen=True)
class Sheet:
    """What a figure is laid out on: its width, its sizes of type, and whether title and caption stand on
    it."""

    style: FigureStyle
    natural: float
    """Width in inches that what is drawn asks for."""

    @property
    def width(self) -> float:
        """Width in inches."""
        return self.style.width / 25.4 if self.style.width else self.natural

    @property
    def narrow(self) -> bool:
        """Whether there is less room than what is drawn asks for."""
        return self.width < self.natural

    @property
    def scale(self) -> float:
        """Size of type, in that of figures of which no config asks anything."""
        return self.style.font_size / PLAIN.font_size

    @cached_property
    def title(self) -> float:
        """Size of a title in points."""
        return TITLE_SIZE * self.scale

    @cached_property
    def text(self) -> float:
        """Size of running type in points."""
        return TEXT_SIZE * self.scale

    @cached_property
    def small(self) -> float:
        """Size of captions and notes in points."""
        return SMALL_SIZE * self.scale

    def height_of(self, text: str, size: float = SMALL_SIZE) -> float:
        """Inches that the lines of ``text`` take, at a ``size`` in points that is scaled as all type is."""
        return 0.14 * size / SMALL_SIZE * self.scale * len(text.splitlines())

    def caption(self, text: str) -> str:
        """The caption, its lines broken; empty where the config leaves captions out."""
        return wrapped(text, self.width - 0.2, self.small) if self.style.caption else ""

    def add_caption(self, figure: Figure, caption: str) -> None:
        """Write a caption of :meth:`caption` below all axes."""
        if caption:
            figure.supxlabel(caption, x=0.01, ha="left", fontsize=self.small, color=MUTED)

    def add_legend(
        self, figure: Figure, title: str, handles: Sequence[Artist], most: int, **options: Any
    ) -> None:
        """Write title and legend above all axes, in ``most`` columns at most. The title is the legend's, so
        that the layout keeps the two from covering each other."""
        heading = wrapped(title, self.width - 0.4, self.title * 1.1) if self.style.title else ""
        if not heading and not handles:
            return
        figure.legend(
            handles=list(handles),
            title=heading or None,
            title_fontproperties={"size": self.title, "weight": "bold"},
            alignment="left",
            loc="outside upper left",
            ncols=self.legend_columns(handles, most),
            **options,
        )

    def legend_columns(self, handles: Sequence[Artist], most: int) -> int:
        """Columns of a legend of ``handles``: as many as fit, and ``most`` at most."""
        longest = max((len(str(one.get_label())) for one in handles), default=1)
        column = (longest * _CHARACTER + 3.6) * self.text / 72
        return max(1, min(most, int((self.width - 0.2) / column)))


@contextmanager
def figure_style(style: FigureStyle = PLAIN) -> Iterator[None]:
    """The figures' settings for the length of a block, whatever the user's own matplotlibrc says; a figure
    without a size of its own is as wide as ``style`` asks."""
    settings: dict[str, Any] = {**_RC, "font.size": style.font_size, "axes.titlesize": style.font_size}
    if style.width:
        settings["figure.figsize"] = (style.width / 25.4, 0.75 * style.width / 25.4)
    with rc_context():
        matplotlib_style.use(["default", settings])
        yield


def wrapped(text: str, inches: float, points: float) -> str:
    """``text`` with its paragraphs (lines) broken to fit ``inches`` at a type size of ``points``."""
    characters = max(20, int(inches * 72 / (points * _CHARACTER)))
    return "\n".join(textwrap.fill(line, characters) for line in text.splitlines())


def broken(name: str, inches: float, points: float, lines: int = 3) -> str:
    """A ``name`` broken after blanks, hyphens, underscores and slashes to fit ``inches`` at a type size of
    ``points``; what goes beyond so many ``lines`` is an ellipsis. A single long word stays whole."""
    characters = max(4, int(inches * 72 / (points * _CHARACTER)))
    found = [""]
    for part in re.findall(r"[^ _/-]*[ _/-]|[^ _/-]+", name):
        if found[-1] and len((found[-1] + part).rstrip()) > characters:
            found.append("")
        found[-1] += part
    if len(found) > lines:
        rest = "".join(found[lines - 1 :])[: characters - 1]
        found = [*found[: lines - 1], rest.rstrip(" ,_/-") + "…"]
    return "\n".join(line.rstrip() for line in found)


def columns_that_fit(count: int, room: float, least: float) -> int:
    """Columns of ``count`` panels, each ``least`` inches wide or more, in ``room`` inches, of rows that are
    nearly of one length."""
    rows = -(-count // max(1, min(count, int(room / least))))
    return -(-count // rows)


def save_figure(figure: Figure, stem: Path, style: FigureStyle = PLAIN) -> list[Path]:
    """Write ``stem``.pdf, .svg and .png (200 dpi), each whole or not at all; return their paths.

    ``style`` is that under which it was drawn: what Matplotlib makes while it saves follows it, too. The same
    figure gives the same bytes: no dates, no program names, fixed SVG identifiers.
    """
    paths = [Path(f"{stem}.{suffix}") for suffix in FIGURE_FORMATS]
    for path, suffix in zip(paths, FIGURE_FORMATS, strict=True):
        with figure_style(style), written_whole(path) as aside:
            figure.savefig(aside, format=suffix, dpi=200, metadata=_METADATA[suffix])
    return paths
