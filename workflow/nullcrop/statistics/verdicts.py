"""What may be said of a dataset: one verdict for each label rule and split, on all its readers together."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nullcrop.config.cell import READER_COLUMNS, Cell
from nullcrop.config.models import Thresholds
from nullcrop.config.names import BY_GROUP, CROSSFIT, Field, base_split, place_of_split, protocol_of
from nullcrop.config.readers import AVERAGE, BASELINES, in_order, without_pixels
from nullcrop.config.views import TOGETHER, judging_views, views_in_order
from nullcrop.statistics.comparisons import BASELINE, LEAK
from nullcrop.statistics.families import role_of
from nullcrop.statistics.sentences import details, explained_words, sentence, verdict_words
from nullcrop.statistics.tables import read_metrics

READABLE, BOUNDED, BOTH, UNDECIDED, UNJUDGED = (
    "readable",
    "bounded",
    "readable and bounded",
    "undecided",
    "cannot be judged",
)
"""What the evidence comes to: an effect is shown; none as large as `small` is there; both; neither; or no
result at all could have counted: there are too few images, or every reader gives all of them one score."""

BY_TRUST = (
    *("leave_one_group_out", "crossfit", "crossfit5"),
    *("grouped", "official", "random", "tenfold", "holdout20"),
)
"""Protocols, the one first whose verdict counts where a dataset has several."""


@dataclass(frozen=True)
class Verdict:
    """One row of the table: a dataset under one label rule and split."""

    dataset: str
    title: str
    """The dataset's, for readers."""
    labels: str
    split: str
    headline: bool
    """Whether this split's verdict is the one to quote, of those the study has for this label rule."""
    field: str
    verdict: str
    """In words, with its numbers."""
    evidence: str
    """`readable`, `bounded`, both, `undecided` or `cannot be judged`."""
    at_least: float
    """Largest lower bound, simultaneous for all readers and views; of this reader on this view:"""
    view: str
    architecture: str
    recipe: str
    auroc: float
    """Of that reader's pooled score on that view."""
    at_most: float
    """Upper 95 % bound for every reader and view: the largest of their own one-sided bounds."""
    p: float
    """Smallest p, corrected over all readers and views."""
    effect: float
    """AUROC of the mean score of all readers over all views that judge: chosen before any result."""
    effect_low: float
    effect_high: float
    minimal: float
    """AUROC that would have been found with a chance of 80 %, from counts alone; 1 where none would."""
    inflation: float
    """Factor c, see config/detectable.py."""
    null_ratio: float
    """What c had to be for the ridge twin of a pixel baseline that needs the largest; NaN where none was
    fitted."""
    null_ratio_error: float
    members: int
    """Readers (the average among them) × views that were tested together."""
    readers: int
    readers_shown: str
    """Readers that are shown to read some view (step-down), by name."""
    views: int
    views_shown: str
    """Views on which some reader is shown to read (step-down)."""
    cells: int
    planned: int
    constant_cells: int
    """Cells that answer with one class for nearly every image; among them:"""
    silent_cells: int
    """Cells of readers that give all images of a view one score, by which nothing could be found."""
    seeds: int
    """Cells of a reader."""
    folds: int
    """Different folds among them; 0 where seeds are no folds."""
    trained: float
    """Training images of a cell, in the mean."""
    images: int
    """Tested, over all seeds or folds."""
    units: int
    """Independent ones among them: groups, and images without a group."""
    ungrouped: int
    """Images without a group among them; 0 where a table of an earlier version does not tell."""
    group: str
    """What the group key is; empty where none is known."""
    group_aware: bool
    """Whether the split keeps groups apart."""
    network: str
    """The network that reads best, and the view on which: what baselines are held against; empty where
    none is shown to read."""
    network_view: str
    explained_by: str
    """Baselines to which it adds less than `equivalence`."""
    not_explained_by: str
    """Baselines which it is shown to exceed, by less or more."""
    others: str
    """Other baselines that are shown to tell the class: of the file, or of features of a view that judges."""
    shuffled: int
    """Controls on shuffled targets."""
    shuffled_rejecting: int
    """Controls with p_auroc at most the level."""
    leak: float
    """AUROC of all readers together on the split blind to groups, minus that on the one by groups."""
    leak_low: float
    leak_high: float
    level: float
    small: float
    equivalence: float
    sentence: str
    details: str


VERDICT_COLUMNS = [field.name for field in fields(Verdict)]
_TEXTS = [field.name for field in fields(Verdict) if field.type is str]


def read_verdicts(path: Path) -> pd.DataFrame:
    """Verdicts as :func:`judge` gave them, from the file that they were written to; an earlier version's may
    lack columns. Raises NullcropError when it cannot be read."""
    table = read_metrics(path)
    texts = [name for name in _TEXTS if name in table]
    # A file tells no empty text from a missing number.
    return table.astype(dict.fromkeys(texts, object)).fillna(dict.fromkeys(texts, ""))


def judge(
    readers: pd.DataFrame,
    comparisons: pd.DataFrame,
    planned: Sequence[Cell],
    title: str,
    field: Field,
    group: str,
    thresholds: Thresholds,
    checked: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Verdicts on one dataset, a row for each label rule and split that has readers on views that judge.

    ``readers`` and ``comparisons`` are those of its finished cells
    (:func:`~nullcrop.statistics.reader_table.judge_readers` with the level of ``thresholds``,
    :func:`~nullcrop.statistics.comparisons.compare_cells`), ``planned`` all cells that the study asks
    for. A verdict rests on the rows of the role `crop` alone. ``group`` is what a group is called, empty
    where images have none. ``checked``: :func:`~nullcrop.calibration.ridge_twin.check_inflation`'s table,
    where there is one. Columns: VERDICT_COLUMNS.
    """
    crops = readers[readers["role"] == "crop"]
    rows = []
    for (labels, split), family in sorted(
        crops.groupby(["labels", "split"]), key=lambda item: (item[0][0], place_of_split(str(item[0][1])))
    ):
        here = readers[(readers["labels"] == labels) & (readers["split"].map(_true_split) == split)]
        wanted = [one for one in planned if (one.labels, one.split) == (labels, split)]
        splits = set(crops.loc[crops["labels"] == labels, "split"])
        rows.append(
            _verdict(
                family,
                here,
                comparisons[comparisons["labels"] == labels],
                planned=sum(role_of(one, field) == "crop" for one in wanted),
                headline=split == min(splits, key=trust),
                title=title,
                field=field,
                group=group,
                thresholds=thresholds,
                ratio=_largest_ratio(checked, str(labels), str(split)),
            )
        )
    return pd.DataFrame([astuple(row) for row in rows], columns=VERDICT_COLUMNS)


def explained(verdict: Mapping[str, Any], readers: pd.DataFrame, comparisons: pd.DataFrame) -> str:
    """Which readers reach as much as the best network, in sentences, for a row of :func:`judge`'s table;
    ``readers`` and ``comparisons`` are those that it was judged by."""
    labels, split, level = verdict["labels"], verdict["split"], verdict["level"]
    here = readers[(readers["labels"] == labels) & (readers["split"] == split)]
    members = here[(here["role"] == "crop") & (here["view"] != TOGETHER)]
    network = _best_network(members[members["p_stepdown"] <= level])
    beside = _beside(network, comparisons) if len(comparisons) else comparisons
    return explained_words(verdict, beside, _others(here, verdict["field"], level))


def trust(split: str) -> tuple[int, int]:
    """Smallest for the split whose verdict is the one to quote."""
    return BY_TRUST.index(protocol_of(split)), place_of_split(split)


def _true_split(split: str) -> str:
    return base_split(split)[0]


def _verdict(
    family: pd.DataFrame,
    here: pd.DataFrame,
    comparisons: pd.DataFrame,
    *,
    planned: int,
    headline: bool,
    title: str,
    field: Field,
    group: str,
    thresholds: Thresholds,
    ratio: tuple[float, float],
) -> Verdict:
    together, members = family[family["view"] == TOGETHER].iloc[0], family[family["view"] != TOGETHER]
    alone = members[members["architecture"] != AVERAGE]
    # Whatever the labels, a constant score has the same AUROC; of one unit labels cannot move at all.
    silent = alone[(alone["auroc"] == 0.5) & (alone["null_error"] == 0) & (alone["units"] > 1)]
    best = members.iloc[int(members["bound_low"].fillna(-np.inf).to_numpy().argmax())]
    shown = members[members["p_stepdown"] <= thresholds.level]
    shuffled = here[here["role"] == "shuffled"]
    network = _best_network(shown)
    explained, exceeded = _held_against(network, comparisons, thresholds.equivalence)
    leak = _leak(together, comparisons)
    others = _others(here, field, thresholds.level)
    protocol = protocol_of(str(best["split"]))
    said: dict[str, Any] = {
        **{name: best[name] for name in READER_COLUMNS},
        "title": title,
        "headline": headline,
        "field": field,
        "evidence": UNJUDGED if len(silent) == len(alone) else _evidence(members, thresholds),
        "at_least": float(best["bound_low"]),
        "auroc": float(best["auroc"]),
        "at_most": float(members["upper"].max()),
        "p": float(members["p_maxt"].min()),
        **dict(zip(("effect", "effect_low", "effect_high"), _estimate(together), strict=True)),
        "minimal": float(members["minimal"].max()),
        "inflation": float(members["inflation"].max()),
        **dict(zip(("null_ratio", "null_ratio_error"), ratio, strict=True)),
        "members": len(members),
        "readers": len(alone[["architecture", "recipe"]].drop_duplicates()),
        "readers_shown": ", ".join(in_order(set(shown["architecture"]) - {AVERAGE})),
        "views": alone["view"].nunique(),
        "views_shown": ", ".join(views_in_order(shown["view"])),
        "cells": int(alone["seeds"].sum()),
        "planned": planned,
        "constant_cells": int(alone["constant_cells"].sum()),
        "silent_cells": int(silent["seeds"].sum()),
        "seeds": int(alone["seeds"].max()),
        "folds": int(alone["folds"].max()),
        "trained": float(alone["n_train"].mean()),
        "images": int(members["n"].max()),
        "units": int(members["units"].max()),
        "ungrouped": int(members["ungrouped"].max()) if "ungrouped" in members else 0,
        "group": group,
        "group_aware": bool(group) and protocol in (*BY_GROUP, *CROSSFIT),
        "network": "" if network is None else str(network["architecture"]),
        "network_view": "" if network is None else str(network["view"]),
        "explained_by": ", ".join(explained),
        "not_explained_by": ", ".join(exceeded),
        "others": ", ".join(in_order(others["architecture"])),
        "shuffled": len(shuffled),
        "shuffled_rejecting": int((shuffled["p_auroc"] <= thresholds.level).sum()),
        **dict(zip(("leak", "leak_low", "leak_high"), leak, strict=True)),
        **thresholds.model_dump(),
    }
    said["verdict"] = verdict_words(said)
    beside = _beside(network, comparisons)
    return Verdict(**said, sentence=sentence(said), details=details(said, beside, others))


def _largest_ratio(checked: pd.DataFrame | None, labels: str, split: str) -> tuple[float, float]:
    if checked is None or checked.empty:
        return np.nan, np.nan
    rows = checked[
        (checked["labels"] == labels) & (checked["split"] == split) & checked["null_ratio"].notna()
    ]
    if rows.empty:
        return np.nan, np.nan
    largest = rows.sort_values("null_ratio").iloc[-1]
    return float(largest["null_ratio"]), float(largest["null_ratio_error"])


def _evidence(members: pd.DataFrame, thresholds: Thresholds) -> str:
    if not members["can_tell"].eq(True).any():
        return UNJUDGED
    readable = bool((members["p_maxt"] <= thresholds.level).any())
    # Of a reader without an error nothing is known, hence no bound either.
    bounded = bool((members["upper"] < thresholds.small).all())
    if readable:
        return BOTH if bounded else READABLE
    return BOUNDED if bounded else UNDECIDED


def _others(here: pd.DataFrame, field: Field, level: float) -> pd.DataFrame:
    """Rows of the baselines that do not judge and tell the class where no lesion is seen: from the file,
    or on a view that judges. What they see in a lesion says nothing here."""
    telling = here[(here["role"] == "other") & (here["p_maxt"] <= level)]
    blind = telling["architecture"].isin(without_pixels())
    return telling[blind | telling["view"].isin(judging_views(field))]


def _estimate(row: "pd.Series[Any]") -> tuple[float, float, float]:
    return float(row["auroc"]), float(row["auroc_low"]), float(row["auroc_high"])


def _best_network(shown: pd.DataFrame) -> "pd.Series[Any] | None":
    """The row of the network with the largest bound, of those that are shown to read."""
    networks = shown[~shown["architecture"].isin([*BASELINES, AVERAGE])]
    return None if networks.empty else networks.sort_values("bound_low", kind="stable").iloc[-1]


def _beside(network: "pd.Series[Any] | None", comparisons: pd.DataFrame) -> pd.DataFrame:
    """Comparisons of a network with the baselines that judge, on its view."""
    if network is None:
        return comparisons.iloc[:0]
    judging = [name for name, baseline in BASELINES.items() if baseline.judges]
    rows = comparisons[(comparisons["comparison"] == BASELINE) & comparisons["other"].isin(judging)]
    for name in READER_COLUMNS:
        rows = rows[rows[name] == network[name]]
    return rows


def _held_against(
    network: "pd.Series[Any] | None", comparisons: pd.DataFrame, equivalence: float
) -> tuple[list[str], list[str]]:
    """Baselines that explain a network, by an equivalence bound (this wins), and those that it exceeds."""
    rows = _beside(network, comparisons)
    explains = rows["auroc_high"] < equivalence
    exceeded = ~explains & (rows["auroc_low"] > 0)
    return in_order(rows.loc[explains, "other"]), in_order(rows.loc[exceeded, "other"])


def _leak(together: "pd.Series[Any]", comparisons: pd.DataFrame) -> tuple[float, float, float]:
    """What all readers together gain on the split blind to groups; NaN where it was not measured."""
    rows = comparisons[
        (comparisons["comparison"] == LEAK)
        & (comparisons["view"] == TOGETHER)
        & ((comparisons["split"] == together["split"]) | (comparisons["other"] == together["split"]))
    ]
    if not len(rows):
        return np.nan, np.nan, np.nan
    first = rows.iloc[0]
    return float(first["auroc_difference"]), float(first["auroc_low"]), float(first["auroc_high"])
