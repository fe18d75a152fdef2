"""What the networks saw: a few images of each class, and the crops cut from them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from nullcrop.basics.errors import NullcropError
from nullcrop.config.definitions import Definition
from nullcrop.config.figure_style import PLAIN, FigureStyle
from nullcrop.config.views import study_crops
from nullcrop.datasets.samples import read_samples
from nullcrop.figures.job import FigureJob
from nullcrop.figures.style import MUTED, Sheet, figure_style, save_figure, wrapped
from nullcrop.images.store import PackedView, full_pixels
from nullcrop.images.views import Box, Pixels, crop_box

PER_CLASS = 3
"""Images shown of each class: the first ones given."""

FEW_CLASSES = 6
"""Most classes that have a row each; of more, one image a class is shown, so that the page stays one."""

MOST_CLASSES = 24
"""Most classes that are shown."""

PLACES = {
    "upper_left": (0.0, 0),
    "upper_right": (1.0, 0),
    "center": (0.5, 1),
    "bottom_left": (0.0, 2),
    "bottom_right": (1.0, 2),
}
"""Column and row of each enlarged crop, in units of its own size."""

Item = tuple[Pixels, str, Mapping[str, Pixels], Mapping[str, Box]]
"""An image, the name of its class, its crops and where they lie."""

# Sizes in inches, of a figure of which no config asks for a width.
_SIDE, _GAP, _MARGIN, _LINE = 1.5, 0.12, 0.15, 0.15
_CROP = _SIDE / 3
_ITEM = _SIDE + _GAP + 2 * _CROP
"""Width of an image with its crops."""


def plot_samples(
    images: Sequence[Pixels],
    labels: Sequence[str],
    crops: Sequence[Mapping[str, Pixels]],
    boxes: Sequence[Mapping[str, Box]],
    title: str,
    caption: str,
    stem: Path,
    style: FigureStyle = PLAIN,
) -> Figure:
    """Draw images of each class with their crops; write ``stem``.pdf, .svg and .png.

    The four lists run in parallel, one entry an image: ``images`` uint8 H×W×3 of any size;
    ``labels`` the name of its class; ``crops`` the crops (uint8 h×w×3) by view; ``boxes`` where
    each lies in the image: left, top, right and bottom edge in pixels. Classes come in the order
    in which they first appear: up to three images each in a row of its own, or one image each where
    there are more than FEW_CLASSES. Enlarged crops lie as they do in the image.

    Returns the figure. Raises NullcropError when no image is given.
    """
    if not images:
        raise NullcropError("no image was given, so there are no samples to draw")
    items = list(zip(images, labels, crops, boxes, strict=True))
    rows = _rows_of(items)
    columns = max(len(row) for row in rows)
    of_images = columns * _ITEM + (columns - 1) * 3 * _GAP
    sheet = Sheet(style, max(4.2, 2 * _MARGIN + of_images))
    width = sheet.width
    text_width = width - 2 * _MARGIN
    # Images grow and shrink with the width that is asked for, words do not.
    zoom = text_width / of_images if style.width else 1.0
    side, gap, crop, item_width = zoom * _SIDE, zoom * _GAP, zoom * _CROP, zoom * _ITEM
    line = _LINE * sheet.scale
    # A class is named above its first image, and has the row to itself or shares it.
    named = [
        [item[1] if not at or item[1] != row[at - 1][1] else "" for at, item in enumerate(row)]
        for row in rows
    ]
    room = item_width if any(name for row in named for name in row[1:]) else text_width

    with figure_style(style):
        title = wrapped(title, text_width, sheet.title * 1.1) if style.title else ""
        caption = wrapped(caption, text_width, sheet.small) if style.caption else ""
        named = [[wrapped(name, room, sheet.text * 1.05) for name in row] for row in named]
        lines = [max(len(name.splitlines()) for name in row) for row in named]
        heights = [line * count + 0.05 + side + 2 * gap for count in lines]
        top = (2 if title else 1) * _MARGIN + 0.18 * sheet.scale * len(title.splitlines())
        height = top + sum(heights) + sheet.height_of(caption) + _MARGIN
        figure = Figure(figsize=(width, height))

        def write(left: float, y: float, text: str, size: float, **look: Any) -> None:
            figure.text(left / width, 1 - y / height, text, va="top", fontsize=size, **look)

        def add(left: float, y: float, size: float, pixels: Pixels) -> Axes:
            """Axes for ``pixels`` in a square of that ``size``, ``left`` and ``y`` from the upper left."""
            frame = (left / width, 1 - (y + size) / height, size / width, size / height)
            ax = figure.add_axes(frame)
            ax.imshow(pixels, interpolation="nearest" if max(pixels.shape) < 128 else "auto")
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(visible=True, color=MUTED, linewidth=0.6)
            return ax

        if title:
            write(_MARGIN, _MARGIN, title, sheet.title, weight="bold")
        y = top
        for names, row, row_height in zip(named, rows, heights, strict=True):
            image_y = y + row_height - side - 2 * gap
            for place, (image, _, crops_of_image, boxes_of_image) in enumerate(row):
                left = _MARGIN + place * (item_width + 3 * gap)
                if names[place]:
                    write(left, y, names[place], sheet.text)
                original = add(left, image_y, side, image)
                for view, (column, down) in PLACES.items():
                    _draw_box(original, boxes_of_image[view])
                    x = left + side + gap + column * crop
                    add(x, image_y + down * crop, crop * 0.94, crops_of_image[view])
            y += row_height
        if caption:
            write(_MARGIN, y, caption, sheet.small, color=MUTED)
        save_figure(figure, stem, style)
    return figure


def draw_samples(job: FigureJob) -> None:
    """Draw the figure `samples`."""
    plot_dataset_samples(job.definition, job.labels, job.samples, job.views, job.crop, job.stem, job.style)


def plot_dataset_samples(
    definition: Definition,
    labels: str,
    samples: Path,
    views: Path,
    crop: tuple[int, int],
    stem: Path,
    style: FigureStyle = PLAIN,
) -> Figure:
    """Draw the samples figure of a dataset from its ``samples`` (samples.csv) and packed ``views``.

    Classes are those of the label rule ``labels``, MOST_CLASSES of them at most; their images are
    taken evenly spaced from the table, so that they come from different patients where it is
    ordered by patient. ``crop`` is width and height of the crops in pixels.
    """
    table = read_samples(samples)
    targets = table["class"].map(definition.targets(labels)).to_numpy()
    names = definition.target_names(labels)
    shown = _evenly_spaced(np.arange(len(names)), MOST_CLASSES)
    each = PER_CLASS if len(shown) <= FEW_CLASSES else 1
    rows = [int(row) for target in shown for row in _evenly_spaced(np.flatnonzero(targets == target), each)]
    originals = PackedView(views / "original.json")
    crops = study_crops()
    packed = {view: PackedView(views / f"{view}.json") for view in crops}
    images = [full_pixels(originals, row, table["path"].iloc[row]) for row in rows]
    return plot_samples(
        images,
        [names[targets[row]] for row in rows],
        [{view: packed[view][row] for view in crops} for row in rows],
        [{view: crop_box(view, i.shape[1], i.shape[0], *crop) for view in crops} for i in images],
        definition.title,
        f"Left: an image with its five crops of {crop[0]}×{crop[1]} pixels outlined. Right: the crops "
        f"enlarged, in the same arrangement. {_choice(each, len(shown), len(names))}; label rule: {labels}.",
        stem,
        style,
    )


def _rows_of(items: list[Item]) -> list[list[Item]]:
    """The images of each class in a row; where there are many classes, the first image of each, three a
    row."""
    by_class = [
        [item for item in items if item[1] == name] for name in dict.fromkeys(item[1] for item in items)
    ]
    if len(by_class) <= FEW_CLASSES:
        return [row[:PER_CLASS] for row in by_class]
    firsts = [row[0] for row in by_class]
    return [firsts[start : start + PER_CLASS] for start in range(0, len(firsts), PER_CLASS)]


def _choice(each: int, shown: int, classes: int) -> str:
    if each > 1:
        return f"Up to {each} images of each class, evenly spaced in the list of images"
    which = (
        f"{shown} of the {classes} classes, evenly spaced" if shown < classes else f"the {classes} classes"
    )
    return f"The first image of each of {which}"


def _evenly_spaced(values: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """``count`` of ``values``, from the first to the last; all of them when there are fewer."""
    places = np.linspace(0, len(values) - 1, min(count, len(values))).round().astype(np.int64)
    return values[places]


def _draw_box(ax: Axes, box: Box) -> None:
    """The outline of a crop: white with a black rim, so that it shows on any image."""
    left, top, right, bottom = box
    # imshow puts the first pixel's centre, not its edge, at 0.
    outline = Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, edgecolor="white")
    outline.set(linewidth=0.8, path_effects=[withStroke(linewidth=2.2, foreground="black")])
    outline.set(clip_on=False, zorder=3)
    ax.add_patch(outline)
