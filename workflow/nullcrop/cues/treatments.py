"""What treatments remove and what they cost: the same readers on images as they are and on treated ones.

Cells on treated images share splits and seeds with those on untreated ones, so that each difference is paired
by image. All treatments, places and readers of one label rule and split are compared at once.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import scipy

from nullcrop.config.names import Field
from nullcrop.config.readers import AVERAGE
from nullcrop.config.treatments import TREATMENTS, treatment_label, treatment_of
from nullcrop.config.views import is_treated, judging_views, untreated
from nullcrop.statistics.auroc import (
    Flags,
    Floats,
    TestSet,
    estimate_auroc,
    jackknife_error,
    smallest_error,
)
from nullcrop.statistics.crossfit import Reading, mean_of, readings
from nullcrop.statistics.families import role_of
from nullcrop.statistics.sentences import bound_words, upper_words
from nullcrop.statistics.tables import FinishedCell

CROPS, WHOLE = "crops", "original"
"""Places: the mean score of the crops on which a verdict rests; the whole image."""

PLACES = {CROPS: "crops", WHOLE: "whole image"}
"""What a reader of the report sees in their place."""

TREATMENT_COLUMNS = [
    *("labels", "split", "treatment", "place", "reader", "recipe"),
    *("auroc_untreated", "auroc", "drop", "drop_low", "drop_high", "p", "images", "units"),
]

DRAWS = 9_999
"""Draws of multipliers."""


@dataclass(frozen=True, eq=False)
class _Row:
    treatment: str
    place: str
    before: Reading
    after: Reading


def compare_treatments(cells: Sequence[FinishedCell], field: Field, level: float) -> pd.DataFrame:
    """What each treatment takes from each reader of one dataset (columns: TREATMENT_COLUMNS).

    ``cells`` are those on treated images and the same on images as they are. ``place`` is `crops` (the mean
    score of the crops on which a verdict rests) or `original`; ``reader`` is an architecture that may judge,
    or `average`. ``drop`` is the AUROC of untreated images less that of treated ones; its bounds hold for all
    rows of one label rule and split at once, at an error rate of ``level``, and p (two-sided) is corrected
    over them (:func:`simultaneous_differences`). Errors are by units and hold the factor c.
    """
    found = [one for one in readings(cells) if role_of(one.reader, field) in ("crop", "view")]
    of_split: dict[tuple[str, str], dict[TestSet, list[Reading]]] = defaultdict(dict)
    for one in found:
        of_split[one.reader.labels, one.reader.split].setdefault(one.test, []).append(one)
    # Readers of other seeds were tested on other images, so that nothing is paired between them: each test
    # set has its share of the level.
    tables = [
        _table(_rows(own, judging_views(field)), level, len(of_test)).assign(labels=labels, split=split)
        for (labels, split), of_test in of_split.items()
        for own in of_test.values()
    ]
    return pd.concat([pd.DataFrame(columns=TREATMENT_COLUMNS), *tables])[TREATMENT_COLUMNS]


def _rows(of: Sequence[Reading], judging: Sequence[str]) -> list[_Row]:
    """Readings before and after each treatment, in the order of treatments, places and readers."""
    by_view: dict[str, Readers] = defaultdict(dict)
    for one in of:
        by_view[one.reader.view][one.reader.architecture, one.reader.recipe] = one
    names = dict.fromkeys(view.partition(".")[0] for view in by_view if is_treated(view))
    rows = []
    for treatment in sorted(names, key=_place):
        crops = [view for view in judging if f"{treatment}.{view}" in by_view]
        for place, views in ((CROPS, [f"{treatment}.{view}" for view in crops]), (WHOLE, [treatment])):
            after, before = (
                _read_together([by_view[view] for view in shown if view in by_view])
                for shown in (views, list(map(untreated, views)))
            )
            rows += [
                _Row(treatment, place, before[reader], after[reader]) for reader in after if reader in before
            ]
    return rows


def _place(treatment: str) -> tuple[int, int]:
    record, number = treatment_of(treatment)
    return list(TREATMENTS).index(record.name), number or 0


Readers = dict[tuple[str, str], Reading]
"""Readings by architecture and recipe."""


def _read_together(views: Sequence[Readers]) -> Readers:
    """The mean score of each reader over ``views``, of those that read all of them; and of all these."""
    readers = [reader for reader in (views[0] if views else {}) if all(reader in view for view in views)]
    own = {reader: _mean([view[reader] for view in views]) for reader in readers}
    return own | ({(AVERAGE, AVERAGE): mean_of(list(own.values()))} if len(own) > 1 else {})


def _mean(of: Sequence[Reading]) -> Reading:
    """The mean score of one reader on several views."""
    return replace(mean_of(of), reader=of[0].reader)


def _table(rows: Sequence[_Row], level: float, tests: int) -> pd.DataFrame:
    if not rows:
        return pd.DataFrame(columns=TREATMENT_COLUMNS)
    test = rows[0].before.test
    before, after = (
        [estimate_auroc(one.test, one.score) for one in side]
        for side in ([row.before for row in rows], [row.after for row in rows])
    )
    influences = np.stack([one[1] - other[1] for one, other in zip(before, after, strict=True)])
    values = np.array([one[0].value - other[0].value for one, other in zip(before, after, strict=True)])
    factors = np.array([max(row.before.inflation, row.after.inflation) for row in rows])
    same = np.array([np.array_equal(row.before.score, row.after.score) for row in rows])
    p, low, high = simultaneous_differences(test, values, influences, factors, level / tests, same)
    return pd.DataFrame(
        {
            "treatment": [row.treatment for row in rows],
            "place": [row.place for row in rows],
            "reader": [row.after.reader.architecture for row in rows],
            "recipe": [row.after.reader.recipe for row in rows],
            "auroc_untreated": [one[0].value for one in before],
            "auroc": [one[0].value for one in after],
            "drop": values,
            "drop_low": low,
            "drop_high": high,
            "p": np.minimum(p * tests, 1),
            "images": test.n,
            "units": test.n_units,
        }
    )


def simultaneous_differences(
    test: TestSet,
    values: Floats,
    influences: Floats,
    factors: Floats,
    level: float,
    same: Flags | None = None,
) -> tuple[Floats, Floats, Floats]:
    """p of paired differences, corrected over all of them, and bounds that hold for all at once.

    ``values`` (D) are differences of AUROCs on the images of ``test``, ``influences`` (D × units) how far
    each unit moves them, ``factors`` (D) what multiplies their errors. The largest of the studentised
    differences is drawn by Gaussian multipliers of the units' influences (Chernozhukov, Chetverikov and Kato
    2013, Ann Stat 41:2786); how many independent tests it amounts to is carried over to Student's t, because
    errors of few units are uncertain. Differences of scores that are the ``same`` (D) have p = 1 and no
    width; others are never surer than :func:`~nullcrop.statistics.auroc.smallest_error`. Where a class rests
    on a single unit p and bounds are NaN.
    """
    errors, dfs = np.transpose([jackknife_error(one, test.stratum) for one in influences])
    same = np.zeros(len(values), bool) if same is None else same
    errors = np.where(same, 0, factors * np.maximum(errors, smallest_error(test)))
    centred = influences.copy()
    for stratum in np.unique(test.stratum):
        inside = test.stratum == stratum
        if inside.sum() > 1:
            centred[:, inside] -= centred[:, inside].mean(axis=1, keepdims=True)
    lengths = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    directions = np.divide(centred, lengths, out=np.zeros_like(centred), where=lengths > 0)
    # A seed of the test set's own, so that a table is the same whenever it is made.
    seed = int.from_bytes(hashlib.sha256(test.name.encode()).digest()[:8], "big")
    random = np.random.default_rng(seed)
    known = ~np.isnan(influences).any(axis=1)
    draws = (random.standard_normal(test.n_units) for _ in range(DRAWS))
    largest = np.array([np.abs(directions[known] @ drawn).max(initial=0) for drawn in draws])
    # No fewer than one test, also where no difference has a direction.
    quantile = max(np.quantile(largest, 1 - level, method="higher"), scipy.stats.norm.isf(level / 2))
    each = 2 * scipy.stats.norm.sf(quantile)
    half = scipy.stats.t.isf(each / 2, dfs) * errors
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = scipy.stats.norm.isf(scipy.stats.t.sf(np.where(same, 0, np.abs(values) / errors), dfs))
    reached = (largest[None, :] >= seen[:, None] - 1e-12).sum(axis=1)
    p = np.where(known, np.where(same, 1.0, (1 + reached) / (1 + DRAWS)), np.nan)
    low, high = (np.where(known, np.clip(values + sign * half, -1, 1), np.nan) for sign in (-1, 1))
    return p, low, high


def treatment_sentences(table: pd.DataFrame, labels: str, split: str, small: float) -> list[str]:
    """What treatments did, in a sentence each, the most useful first; ``small`` is a difference of AUROCs
    that counts as none.

    They speak of the average of all readers, or of the only one.
    """
    rows = _quoted(table, labels, split)
    crops = rows[rows["place"] == CROPS].sort_values("drop_low", ascending=False, kind="stable")
    whole = rows[rows["place"] == WHOLE].set_index("treatment").to_dict("index")
    return [
        f"{_capital(treatment_label(row['treatment']))}: {_removed(row, small)}"
        + (f"; {_cost(whole[row['treatment']], small)}." if row["treatment"] in whole else ".")
        for row in crops.to_dict("records")
    ]


def remedy(table: pd.DataFrame, labels: str, split: str, small: float) -> str | None:
    """The treatment that is shown to remove the most from the crops; None where none is shown to remove more
    than ``small``."""
    rows = _quoted(table, labels, split)
    crops = rows[(rows["place"] == CROPS) & (rows["drop_low"] > small)]
    order = crops.sort_values("drop_low", ascending=False, kind="stable")
    return None if crops.empty else str(order["treatment"].iloc[0])


def _quoted(table: pd.DataFrame, labels: str, split: str) -> pd.DataFrame:
    """A row for each treatment and place: of the average of all readers, or of the only one, on the most
    images."""
    rows = table[(table["labels"] == labels) & (table["split"] == split)]
    rows = rows.sort_values("images", ascending=False, kind="stable")
    several = rows.groupby(["place", "images"])["reader"].transform("nunique") > 1
    return rows[~several | (rows["reader"] == AVERAGE)].drop_duplicates(["treatment", "place"])


def _removed(row: Mapping[Any, Any], small: float) -> str:
    told = row["auroc_untreated"] - 0.5
    if np.isnan(row["drop_low"]):
        return "what it removes cannot be judged: a class has too few independent images"
    if row["drop_high"] < 0:
        return f"makes the crops easier to read (AUROC {row['auroc_untreated']:.2f}, then {row['auroc']:.2f})"
    if row["drop_high"] < small:
        return f"removes nothing to speak of from the crops (at most {upper_words(row['drop_high'])})"
    if row["drop_low"] > 0:
        of = f" of {told:.2f}" if told >= row["drop"] else ""
        after = f"at least {bound_words(row['drop_low'])}; AUROC then {row['auroc']:.2f}"
        return f"removes {row['drop']:.2f}{of} from the crops’ AUROC ({after})"
    of = f" of {told:.2f}" if told >= row["drop_high"] else ""
    return (
        f"whether it removes anything from the crops cannot be said (between {row['drop_low']:.2f} and "
        f"{row['drop_high']:.2f}{of})"
    )


def _cost(row: Mapping[Any, Any], small: float) -> str:
    if np.isnan(row["drop_low"]):
        return "what it costs on whole images cannot be judged"
    if row["drop_low"] > 0:
        return f"it costs {row['drop']:.2f} on whole images (at least {bound_words(row['drop_low'])})"
    if row["drop_high"] < 0:
        return f"whole images are read better (AUROC {row['auroc_untreated']:.2f}, then {row['auroc']:.2f})"
    if row["drop_high"] < small:
        return f"it costs at most {upper_words(row['drop_high'])} on whole images"
    return f"it may cost up to {upper_words(row['drop_high'])} on whole images"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
