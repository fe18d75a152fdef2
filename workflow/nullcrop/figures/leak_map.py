"""The leak map: where in the image the class can be read, over what the images look like there."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from nullcrop.config.figure_style import PLAIN, FigureStyle
from nullcrop.config.readers import AVERAGE, BASELINES, label_of
from nullcrop.config.views import PLACES, study_crops
from nullcrop.figures.job import FigureJob
from nullcrop.figures.style import DASHED, INK, MUTED, Sheet, figure_style, save_figure, wrapped
from nullcrop.statistics.sentences import enumerated

COLOURS = "PuOr_r"
"""Matplotlib's colours around 0.5; AUROCs at the ends of RANGE and beyond have the last ones."""

RANGE = (0.2, 0.8)

LESION_LEVELS = (0.01, 0.1, 0.5)
"""Shares of the lesions at which contours are drawn."""

LESION = "#1B5E20"
"""Colour of these contours: neither of the map's nor of its outlines."""

LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Weights of red, green and blue (ITU-R BT.709)."""

NETWORK_COLUMNS = ["architecture", "view", "x", "y", "auroc", "low"]

NETWORK_WORDS = (
    " Numbers: AUROC of a network on the crop at each place; framed: its lower bound exceeds 0.5, corrected "
    "for all readers on which the verdict rests, or for all others."
)

AXES = (("column", "x"), ("row", "y"))
"""Places in the grid, and where their centres lie."""


def plot_leak_map(
    table: pd.DataFrame,
    means: NDArray[np.float32],
    targets: Sequence[str],
    title: str,
    caption: str,
    stem: Path,
    style: FigureStyle = PLAIN,
    lesions: NDArray[np.float32] | None = None,
    networks: pd.DataFrame | None = None,
) -> Figure:
    """Draw a map; write ``stem``.pdf, .svg and .png.

    ``table``: the rows of one label rule and split, of MAP_COLUMNS (cues/leak_map.py). ``means``: mean image
    of each of ``targets`` (targets × S × S × 3, 0 … 255; NaN where there is no image). ``lesions``: share
    of the lesions that cover each place (M × M, over relative coordinates), where masks tell. ``networks``:
    what networks read at the places of a coarser grid (columns of NETWORK_COLUMNS), a panel each.
    """
    window = table["size"].iloc[0]
    grid = table[table["size"] == window]
    coarse = [] if networks is None else list(networks.groupby("architecture", sort=False))
    maps = 2 if len(targets) == 2 else 1
    across = 2 if coarse else maps + 1
    sheet = Sheet(style, {2: 6.4, 3: 9.0}[across])
    columns = across if sheet.width >= 2 * across else 1
    panels = maps + len(coarse) + 1
    rows = -(-panels // columns)
    with figure_style(style):
        caption = sheet.caption(caption)
        heading = wrapped(title, sheet.width - 0.4, sheet.title * 1.1) if style.title else ""
        height = rows * (sheet.width / columns + 0.35) + sheet.height_of(caption) + (0.35 if heading else 0)
        figure = Figure(figsize=(sheet.width, height), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        _draw_map(figure, axes[0], grid, means, sheet)
        if maps == 2:
            _draw_difference(axes[1], grid, means, targets, sheet)
        if lesions is not None:
            for ax in axes[:maps]:
                _draw_lesions(ax, lesions, sheet)
        for ax, (name, places) in zip(axes[maps:], coarse, strict=False):
            _draw_network(ax, places, grid, means, sheet)
            _frame(ax, f"{label_of(str(name))}, AUROC by place", grid, sheet)
        _draw_sizes(axes[panels - 1], _corners(table), sheet)
        for ax in axes[panels:]:
            ax.set_axis_off()
        if heading:
            figure.suptitle(heading, x=0.01, ha="left", fontsize=sheet.title, weight="bold")
        sheet.add_caption(figure, caption)
        save_figure(figure, stem, style)
    return figure


def draw_leak_map(job: FigureJob) -> None:
    """Draw the figure `leak_map`: of the first label rule, on the split whose verdict is the one to quote."""
    table = job.quoted("leak_map")
    first = table.iloc[0]
    lesions = None if job.mean_mask is None else np.load(job.mean_mask, allow_pickle=False)
    networks = networks_by_place(job.table("readers"), first["labels"], first["split"])
    plot_leak_map(
        table,
        np.load(job.tables["leak_map"].with_suffix(".npy"), allow_pickle=False),
        job.definition.target_names(first["labels"]),
        f"{job.definition.title}: where the class can be read",
        f"AUROC of a ridge regression on colours and their spread in windows of {first['size']}×"
        f"{first['size']} pixels, over the mean image; {first['images']:,} images tested"
        + (f" of {first['units']:,} groups" if first["units"] < first["images"] else "")
        + f", {first['split'].replace('_', ' ')} split. Outlined: places that tell the class, with all "
        f"{len(table)} places and sizes tested at once. Squares: where the study's crops lie."
        + _lesion_words(lesions)
        + (NETWORK_WORDS if len(networks) else ""),
        job.stem,
        job.style,
        lesions,
        networks,
    )


def networks_by_place(readers: pd.DataFrame, labels: str, split: str) -> pd.DataFrame:
    """What ``readers`` holds of networks on one label rule and split at places of the grid (NETWORK_COLUMNS):
    of each that was trained at other places than the study's crops, by the first recipe by which it was."""
    own = readers[
        (readers["labels"] == labels)
        & (readers["split"] == split)
        & (readers["role"] != "shuffled")
        & readers["view"].isin(PLACES)
        & readers["auroc"].notna()
        & ~readers["architecture"].isin([*BASELINES, AVERAGE])
    ]
    beyond = own[~own["view"].isin(study_crops())].groupby("architecture")["recipe"].first()
    own = own[own["recipe"] == own["architecture"].map(beyond)]
    x, y = (own["view"].map(lambda view, axis=axis: PLACES[view][axis]) for axis in (0, 1))
    return own.assign(x=x, y=y, low=own["bound_low"])[NETWORK_COLUMNS]


def _draw_network(
    ax: Axes, places: pd.DataFrame, grid: pd.DataFrame, means: NDArray[np.float32], sheet: Sheet
) -> None:
    """The AUROC of a network at each place of a coarser grid, bold where its bound is above chance."""
    ax.imshow(np.nanmean(means, axis=(0, 3)), cmap="gray", extent=(0, 1, 1, 0), aspect="auto")
    width, height = 2 * grid["x"].min(), 2 * grid["y"].min()
    colours, norm = colormaps[COLOURS], Normalize(*RANGE)
    for row in places.to_dict("records"):
        left, top = row["x"] / 100 * (1 - width), row["y"] / 100 * (1 - height)
        _square(ax, left, top, width, height)
        tells, colour = row["low"] > 0.5, colours(norm(row["auroc"]))
        ax.text(
            *(left + width / 2, top + height / 2, f"{row['auroc']:.2f}"),
            ha="left" if row["x"] == 0 else "right" if row["x"] == 100 else "center",
            va="top" if row["y"] == 0 else "bottom" if row["y"] == 100 else "center",
            fontsize=sheet.small,
            weight="bold" if tells else "normal",
            color="white" if np.dot(colour[:3], LUMINANCE) < 0.4 else INK,
            bbox={
                "facecolor": colour,
                "edgecolor": INK if tells else "none",
                "pad": 1.5,
            },
        )


def _edges(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges of the fields around ``centres`` (n) in 0 … 1: half way to the next, from rim to rim."""
    edges: NDArray[np.float64] = np.concatenate([[0], (centres[1:] + centres[:-1]) / 2, [1]])
    return edges


def _draw_map(figure: Figure, ax: Axes, grid: pd.DataFrame, means: NDArray[np.float32], sheet: Sheet) -> None:
    square = grid.pivot(index="row", columns="column", values="auroc").to_numpy()
    x, y = (_edges(grid.groupby(axis)[name].first().to_numpy()) for axis, name in AXES)
    gray = np.nanmean(means, axis=(0, 3))
    # Pale, so that what is dark in the image does not look like a high AUROC.
    darkest = np.nanmin(gray) - 3 * np.ptp(gray)
    look = {"cmap": "gray", "vmin": darkest, "interpolation": "bilinear"}
    ax.imshow(gray, extent=(0, 1, 1, 0), aspect="auto", **look)
    drawn = ax.pcolormesh(
        x, y, square, cmap=COLOURS, norm=Normalize(*RANGE), alpha=0.6, edgecolors="none", linewidth=0
    )
    _outline(ax, grid, x, y)
    _draw_crops(ax, grid)
    _frame(ax, "AUROC by place", grid, sheet)
    below = ax.inset_axes((0.1, -0.12, 0.8, 0.045))
    bar = figure.colorbar(drawn, cax=below, orientation="horizontal", extend="both")
    bar.ax.tick_params(labelsize=sheet.small)


def _outline(ax: Axes, grid: pd.DataFrame, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    """Lines between the places that tell the class and those that do not."""
    telling = grid.assign(telling=grid["low"] > 0.5).pivot(index="row", columns="column", values="telling")
    inside = np.pad(telling.to_numpy(bool), 1)
    lines = []
    for row, column in np.argwhere(inside[:-1, 1:-1] != inside[1:, 1:-1]):
        lines.append(((x[column], x[column + 1]), (y[row], y[row])))
    for row, column in np.argwhere(inside[1:-1, :-1] != inside[1:-1, 1:]):
        lines.append(((x[column], x[column]), (y[row], y[row + 1])))
    for across, down in lines:
        ax.plot(across, down, color=INK, linewidth=1.6, solid_capstyle="round", clip_on=False)


def _draw_crops(ax: Axes, grid: pd.DataFrame) -> None:
    """The study's crops: the windows at the corners and in the centre."""
    # The first window begins at the rim, so its centre is half its width away from it.
    width, height = 2 * grid["x"].min(), 2 * grid["y"].min()
    for left in (0, 1 - width):
        for top in (0, 1 - height):
            _square(ax, left, top, width, height)
    _square(ax, (1 - width) / 2, (1 - height) / 2, width, height)


def _levels(lesions: NDArray[np.float32]) -> list[float]:
    """Those of LESION_LEVELS that some place reaches and another one does not."""
    return [level for level in LESION_LEVELS if lesions.min() < level < lesions.max()]


def _lesion_words(lesions: NDArray[np.float32] | None) -> str:
    """What the dashed contours mean; nothing where there are none."""
    levels = [] if lesions is None else [f"{level:.0%}" for level in _levels(lesions)]
    if not levels:
        return ""
    return (
        f" Dashed: around the places that at least {enumerated(levels)} of the lesions cover, by their masks."
    )


def _draw_lesions(ax: Axes, lesions: NDArray[np.float32], sheet: Sheet) -> None:
    """Contours of the lesions' frequency, each with its share."""
    levels = _levels(lesions)
    if not levels:
        return
    centres = [(np.arange(side) + 0.5) / side for side in lesions.shape[::-1]]
    drawn = ax.contour(*centres, lesions, levels=levels, colors=LESION, linewidths=1.1, linestyles="dashed")
    drawn.set(path_effects=[withStroke(linewidth=2.4, foreground="white", alpha=0.7)])
    labels = ax.clabel(drawn, fmt=lambda level: f"{level:.0%}", fontsize=sheet.small)
    for label in labels:
        label.set(path_effects=[withStroke(linewidth=2.0, foreground="white")])


def _square(ax: Axes, left: float, top: float, width: float, height: float) -> None:
    outline = Rectangle((left, top), width, height, fill=False, edgecolor="white", linewidth=0.8)
    outline.set(path_effects=[withStroke(linewidth=2.0, foreground="black")], clip_on=False)
    ax.add_patch(outline)


def _draw_difference(
    ax: Axes, grid: pd.DataFrame, means: NDArray[np.float32], targets: Sequence[str], sheet: Sheet
) -> None:
    difference = (means[1] - means[0]).mean(axis=2)
    largest = max(float(np.abs(difference).max()), 1.0)
    ax.imshow(difference, cmap="gray", vmin=-largest, vmax=largest, extent=(0, 1, 1, 0), aspect="auto")
    x, y = (_edges(grid.groupby(axis)[name].first().to_numpy()) for axis, name in AXES)
    _outline(ax, grid, x, y)
    _draw_crops(ax, grid)
    _frame(ax, f"{targets[1]} − {targets[0]}, ±{largest:.0f} levels", grid, sheet)


def _frame(ax: Axes, title: str, grid: pd.DataFrame, sheet: Sheet) -> None:
    """Lay out a panel that shows the image, as high for its width as the images are."""
    ax.set(xlim=(0, 1), ylim=(1, 0), xticks=[], yticks=[])
    # Windows are square, so their shares of width and height tell the shape of the images.
    ax.set_box_aspect(grid["x"].min() / grid["y"].min())
    ax.set_title(title, fontsize=sheet.text, loc="left")
    ax.spines[:].set(visible=True, color=MUTED, linewidth=0.6)


def _draw_sizes(ax: Axes, corners: pd.DataFrame, sheet: Sheet) -> None:
    """AUROC by the size of the window, a line a corner."""
    ax.axhline(0.5, color=INK, linewidth=0.8, linestyle=DASHED)
    for (name, rows), mark in zip(corners.groupby("corner", sort=False), "o^sD", strict=False):
        rows = rows.sort_values("size")
        colour = MUTED if (rows["low"] <= 0.5).all() else INK
        ax.plot(rows["size"], rows["auroc"], color=colour, marker=mark, markersize=4, linewidth=1, label=name)
    ax.set_xscale("log", base=2)
    sizes = sorted(corners["size"].unique())
    ax.set_xticks(sizes, [str(size) for size in sizes], fontsize=sheet.small)
    ax.minorticks_off()
    ax.set_xlabel("window at the corner, pixels", fontsize=sheet.small)
    ax.set_ylabel("AUROC", fontsize=sheet.small)
    ax.tick_params(labelsize=sheet.small)
    # Below, where no line runs through it.
    ax.legend(fontsize=sheet.small, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    ax.set_title("AUROC by size", fontsize=sheet.text, loc="left")


def _corners(table: pd.DataFrame) -> pd.DataFrame:
    """The windows at the four corners, of all sizes, with the corner's name."""
    last = table.groupby("size")[["row", "column"]].transform("max")
    low, right = table["row"] == last["row"], table["column"] == last["column"]
    at = (low | (table["row"] == 0)) & (right | (table["column"] == 0))
    names = np.where(low, "bottom ", "upper ") + np.where(right, "right", "left").astype(object)
    return table.assign(corner=names)[at].sort_values(["row", "column"], kind="stable")
