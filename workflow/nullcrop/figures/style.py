"""The one visual language of all figures: type, ink and saving. How a reader is drawn: config/readers.py."""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matplotlib import rc_context
from matplotlib import style as matplotlib_style
from matplotlib.figure import Figure
from matplotlib.markers import MarkerStyle
from matplotlib.path import Path as Path2D

from nullcrop.basics.files import written_whole
from nullcrop.config.figures import FIGURE_FORMATS

INK = "#222222"
MUTED = "#6E6E6E"

TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 11.0, 8.5, 7.5
"""Type sizes in points."""

_RC = {
    "font.family": "DejaVu Sans",  # comes with Matplotlib, hence the same on every machine
    "font.size": TEXT_SIZE,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a dataset's title is a dollar sign
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": TEXT_SIZE,
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


@contextmanager
def figure_style() -> Iterator[None]:
    """The figures' settings for the length of a block, whatever the user's own matplotlibrc says."""
    with rc_context():
        matplotlib_style.use(["default", _RC])
        yield


def wrapped(text: str, inches: float, points: float) -> str:
    """``text`` with its paragraphs (lines) broken to fit ``inches`` at a type size of ``points``."""
    characters = max(20, int(inches * 72 / (points * _CHARACTER)))
    return "\n".join(textwrap.fill(line, characters) for line in text.splitlines())


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write ``stem``.pdf, .svg and .png (200 dpi), each whole or not at all; return their paths.

    The same figure gives the same bytes: no dates, no program names, fixed SVG identifiers.
    """
    paths = [Path(f"{stem}.{suffix}") for suffix in FIGURE_FORMATS]
    for path, suffix in zip(paths, FIGURE_FORMATS, strict=True):
        with figure_style(), written_whole(path) as aside:
            figure.savefig(aside, format=suffix, dpi=200, metadata=_METADATA[suffix])
    return paths
