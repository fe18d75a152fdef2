"""What saliency maps say: of single networks, and of a study's together, in a table and in sentences.

Maps mislead about cues that one does not know (Adebayo et al. 2022, arXiv 2212.04629), and some show the
image whatever was learnt: each is therefore taken from random weights as well (Adebayo et al. 2018, Sanity
checks for saliency maps, NeurIPS). No verdict rests on any of it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import written_whole
from nullcrop.config.cell import Cell
from nullcrop.config.readers import label_of
from nullcrop.config.saliency import METHOD_LABELS
from nullcrop.statistics.auroc import TestSet
from nullcrop.statistics.metrics import mean_by_units

RUN = ["labels", "split"]

NAMED = ("method", "id", "group", "target")

SHARES = ("outside_centre", "outside_centre_random", "outside_lesion", "outside_lesion_random")

BOUNDED = (*SHARES, "correlation")
"""Numbers that a table gives with bounds."""

IMAGE_COLUMNS = [*NAMED, "silent", "silent_random", *BOUNDED, "area_outside_lesion"]

SALIENCY_COLUMNS = [
    *(*RUN, "architecture", "recipe", "method", "seed", "images", "silent", "silent_random", "units"),
    *(f"{name}{end}" for name in BOUNDED for end in ("", "_low", "_high")),
    *("area_outside_lesion", "difference", "level"),
]


def join_saliency(cells: Sequence[Cell], results: Path, level: float, out: Path, maps: Path) -> None:
    """Write the table of a study's ``cells`` (SALIENCY_COLUMNS), and the maps of all of them as one .npz.

    Below ``results`` lies what :func:`~nullcrop.cues.explained.write_saliency` wrote of each. A row of the
    table is a network and a method: means over its images with bounds by units, which hold for all of one
    label rule and split at once (Bonferroni). Maps are named as there, after :func:`maps_name` of their cell.
    Raises NullcropError when there is no cell.
    """
    if not cells:
        raise NullcropError(
            "no network of the study is trained on whole images, so none can be asked what it looks at "
            "there; add `original` to `views`"
        )
    tables: list[pd.DataFrame] = []
    kept: dict[str, NDArray[Any]] = {}
    for cell in cells:
        path = results / "saliency" / f"{cell.path}.csv"
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as stored:
            of_cell = dict(stored)
        named = {name: getattr(cell, name) for name in (*RUN, "architecture", "recipe", "seed")}
        table = pd.read_csv(path, dtype={"id": str, "group": str}, keep_default_na=False, na_values=[""])
        tables.append(table.assign(**named, difference=float(of_cell.pop("difference"))))
        kept |= {f"{maps_name(named)}.{name}": values for name, values in of_cell.items()}
    images = pd.concat(tables)
    said = []
    for _, run in images.groupby(RUN, sort=False):
        own = list(run.groupby(["architecture", "recipe", "method"], sort=False))
        said += [_summary(rows, level, len(own) * len(BOUNDED)) for _, rows in own]
    with written_whole(maps) as aside, aside.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **kept)
    with written_whole(out) as aside:
        pd.DataFrame(said, columns=SALIENCY_COLUMNS).to_csv(aside, index=False, float_format="%.6g")


def maps_name(row: Mapping[Any, Any]) -> str:
    """How the maps are named of the network of ``row`` (labels, split, architecture, recipe)."""
    return "/".join(row[name] for name in (*RUN, "architecture", "recipe"))


def saliency_sentences(table: pd.DataFrame, labels: str, split: str) -> list[str]:
    """What the table says of one label rule and split: a sentence a network and method."""
    rows = table[(table["labels"] == labels) & (table["split"] == split)]
    named = zip(asked_labels(rows), rows.to_dict("records"), strict=True)
    return [_sentence(of, row) for of, row in named]


def asked_labels(rows: pd.DataFrame) -> list[str]:
    """Who is asked, and how: the network, the recipe where it was trained by several, and the method."""
    several = rows.groupby("architecture")["recipe"].transform("nunique") > 1
    return [
        label_of(row["architecture"])
        + (f" ({row['recipe']})" if more else "")
        + f", {METHOD_LABELS[row['method']]}"
        for row, more in zip(rows.to_dict("records"), several, strict=True)
    ]


def _sentence(of: str, row: Mapping[Any, Any]) -> str:
    if row["images"] == row["silent"]:
        return f"{of}: the maps of all {row['images']:,} images are empty, so nothing can be said."
    words = f"{of}: {_percent(row, 'outside_centre')} of the attribution lies outside the central half of "
    words += f"the image{_beside(row, 'outside_centre_random')}."
    if not np.isnan(row["outside_lesion"]):
        words += f" Outside the lesion, on {row['area_outside_lesion']:.0%} of the image, lies "
        words += f"{_percent(row, 'outside_lesion')}{_beside(row, 'outside_lesion_random')}."
    if not np.isnan(row["correlation"]):
        words += f" Rank correlation with the maps of random weights: {row['correlation']:.2f}."
    for silent, whose in (("silent", ""), ("silent_random", " of random weights")):
        if row[silent]:
            words += f" The maps{whose} of {row[silent]:,} of {row['images']:,} images are empty."
    return words


def _beside(row: Mapping[Any, Any], name: str) -> str:
    return "" if np.isnan(row[name]) else f", with random weights {_percent(row, name)}"


def _percent(row: Mapping[Any, Any], name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    bounds = "" if np.isnan(low) else f" ({low:.0%} to {high:.0%})"
    return f"{row[name]:.0%}{bounds}"


def _summary(images: pd.DataFrame, level: float, numbers: int) -> dict[str, Any]:
    """A row of the table from one network's and method's rows, with bounds for ``numbers`` numbers at
    once."""
    heard = images[~images["silent"].astype(bool)]
    quiet = {name: int(images[name].astype(bool).sum()) for name in ("silent", "silent_random")}
    row = {
        name: images[name].iloc[0]
        for name in (*RUN, "architecture", "recipe", "method", "seed", "difference")
    }
    row |= {"images": len(images), **quiet, "level": level}
    row |= {"units": _test_set(heard).n_units, "area_outside_lesion": heard["area_outside_lesion"].mean()}
    for name in BOUNDED:
        row |= dict(
            zip((name, f"{name}_low", f"{name}_high"), _mean(images, name, level / numbers), strict=True)
        )
    return row


def _mean(images: pd.DataFrame, name: str, level: float) -> tuple[float, float, float]:
    """Mean of a column over the images that have a value, with a two-sided interval by units."""
    known = images[images[name].notna()]
    if known.empty:
        return np.nan, np.nan, np.nan
    test = _test_set(known)
    if test.n_units < 2:
        return float(known[name].mean()), np.nan, np.nan
    mean, error, df = mean_by_units(test, known[name].to_numpy(float), ())
    half = scipy.stats.t.ppf(1 - level / 2, df) * error
    least = -1 if name == "correlation" else 0
    return mean, max(mean - half, least), min(mean + half, 1)


def _test_set(images: pd.DataFrame) -> TestSet:
    return TestSet(images["target"].to_numpy(np.int64), images["group"].fillna("").to_numpy(str))
