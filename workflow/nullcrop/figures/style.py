"""The one visual language of all figures: colours, type, and saving."""

import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

from matplotlib import rc_context
from matplotlib import style as matplotlib_style
from matplotlib.figure import Figure

from nullcrop.config.grid import FIGURE_FORMATS
from nullcrop.config.names import place_of_architecture
from nullcrop.files import written_whole

COLOURS = {
    "resnet50": "#1A3A6E",
    "densenet121": "#D55E00",
    "inception_v3": "#7FC8F0",
    "vgg16": "#F0E442",
    "shufflenet_v2": "#84409B",
    "lenet5": "#4BB28F",
    "alexnet": "#45061A",
    "pcam_cnn": "#1B0510",
    "majority": "#FFFFFF",
    "mean_rgb": "#404040",
    "color_histogram": "#8C8C8C",
    "raw_pixels": "#C4C4C4",
    "file_facts": "#404040",
}
"""Fill of each architecture, after Okabe and Ito (2008) with the lightness spread: at least 10 units of
CIE L* lie between any two networks, so that the colours stay apart in grey and with any colour vision.
Baselines are grey, and told apart by their marks."""

MARKERS = {
    "majority": "X",
    "mean_rgb": "D",
    "color_histogram": "^",
    "raw_pixels": "s",
    "file_facts": "v",
}
"""Mark of each baseline: networks are bars, baselines are not."""

INK = "#222222"
MUTED = "#6E6E6E"

TIMM_COLOURS = ("#CC79A7", "#8A5A2B", "#B7A2E0", "#5F8A3A")
"""Fill of timm's networks, by a hash of their names: the same network has the same colour in every figure."""


def colour_of(architecture: str) -> str:
    """Fill of ``architecture``."""
    return COLOURS.get(architecture) or TIMM_COLOURS[crc32(architecture.encode()) % len(TIMM_COLOURS)]


def in_order(architectures: Iterable[str]) -> list[str]:
    """``architectures`` without repetitions, in the order of every figure."""
    return sorted(set(architectures), key=place_of_architecture)


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
