"""What may be said of a dataset: one verdict for each label rule and split, in words a reader may quote."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from math import comb
from typing import Any

import numpy as np
import pandas as pd

from nullcrop.config.cell import Cell
from nullcrop.config.models import Thresholds
from nullcrop.config.names import BY_GROUP, Field, base_split, place_of_split, protocol_of
from nullcrop.config.readers import BASELINES, label_of, without_pixels
from nullcrop.config.views import judging_views, view_label
from nullcrop.statistics.comparisons import BASELINE, LEAK, over_seeds
from nullcrop.statistics.families import role_of

NO_EVIDENCE, WEAK, STRONG = "no evidence", "weak", "strong"
TISSUE = "crops carry tissue"

BY_TRUST = ("leave_one_group_out", "grouped", "official", "random", "tenfold")
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
    """`no evidence`, `weak` or `strong`; of a dataset of tiles always `crops carry tissue`."""
    strength: str
    """`no evidence`, `weak` or `strong` whatever the dataset."""
    can_tell: bool
    """False where no result at all could have been evidence (too few groups of a class)."""
    auroc: float
    """Of the cell with the largest bound; its coordinates follow."""
    auroc_bound: float
    p_maxt: float
    view: str
    architecture: str
    recipe: str
    seed: int | None
    auroc_unseen: float
    """An AUROC below about this would have gone unseen: where a typical cell's bound passes `weak`."""
    cells: int
    planned: int
    cells_agreeing: int
    """Cells whose own bound exceeds the threshold of the strength (of `no evidence`: that of `weak`)."""
    seeds: int
    seeds_agreeing: int
    """Seeds with such a cell."""
    architectures: int
    architectures_agreeing: int
    constant_cells: int
    images: int
    """Of one test set; the mean where they differ."""
    units: int
    """Independent ones among them: groups, and images without a group."""
    group: str
    """What the group key is; empty where none is known."""
    group_aware: bool
    """Whether the split keeps groups apart."""
    baselines: str
    """Baselines that would earn the same strength on the best cell's view and are not shown to score lower;
    for `no evidence`, those that find something on any crop without a lesion, where no network does, or in
    the file's facts."""
    shuffled_cells: int
    shuffled_rejecting: int
    """Controls on shuffled targets with p_auroc at most the level."""
    leak: float
    """AUROC with the random split minus that with the grouped one, mean over cells."""
    leak_low: float
    leak_high: float
    """95 % interval over seeds; empty with a single seed."""
    level: float
    weak: float
    strong: float
    sentence: str
    details: str


VERDICT_COLUMNS = [field.name for field in fields(Verdict)]


def judge(
    metrics: pd.DataFrame,
    comparisons: pd.DataFrame,
    planned: Sequence[Cell],
    title: str,
    field: Field,
    group: str,
    thresholds: Thresholds,
) -> pd.DataFrame:
    """Verdicts on one dataset, a row for each label rule and split that has networks on crops.

    ``metrics`` and ``comparisons`` are those of its finished cells (``metrics_of_cells`` with the level of
    ``thresholds``, ``compare_cells``), ``planned`` all cells that the study asks for. A verdict rests on the
    cells of the role `crop` alone, by the largest of their simultaneous lower bounds. ``group`` is what a
    group is called, empty where images have none. Columns: VERDICT_COLUMNS.
    """
    crops = metrics[metrics["role"] == "crop"]
    rows = []
    for (labels, split), family in sorted(
        crops.groupby(["labels", "split"]), key=lambda item: (item[0][0], place_of_split(str(item[0][1])))
    ):
        here = metrics[(metrics["labels"] == labels) & (metrics["split"].map(_protocol) == split)]
        wanted = [one for one in planned if (one.labels, one.split) == (labels, split)]
        splits = set(crops.loc[crops["labels"] == labels, "split"])
        rows.append(
            _verdict(
                family,
                here,
                comparisons[comparisons["labels"] == labels],
                planned=sum(role_of(one, field) == "crop" for one in wanted),
                headline=split == min(splits, key=_trust),
                title=title,
                field=field,
                group=group,
                thresholds=thresholds,
            )
        )
    return pd.DataFrame([astuple(row) for row in rows], columns=VERDICT_COLUMNS).astype({"seed": "Int64"})


def _trust(split: str) -> tuple[int, int]:
    """Smallest for the split whose verdict is the one to quote."""
    return BY_TRUST.index(protocol_of(split)), place_of_split(split)


def _protocol(split: str) -> str:
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
) -> Verdict:
    bounds = family["auroc_bound"].fillna(-np.inf)
    best = family.iloc[int(bounds.to_numpy().argmax())]
    strength = _strength(bounds.max(), thresholds)
    threshold = thresholds.strong if strength == STRONG else thresholds.weak
    agreeing = family[bounds > threshold]
    shuffled = here[(here["role"] == "shuffled") & ~here["architecture"].isin(BASELINES)]
    leak = _leak(family, comparisons)
    facts: dict[str, Any] = {
        **{
            name: best[name]
            for name in ("dataset", "labels", "split", "view", "architecture", "recipe", "seed")
        },
        "title": title,
        "headline": headline,
        "field": field,
        "verdict": TISSUE if field == "tile" else strength,
        "strength": strength,
        "can_tell": _can_tell(family, thresholds.level),
        **{name: float(best[name]) for name in ("auroc", "auroc_bound", "p_maxt")},
        "auroc_unseen": float(thresholds.weak + (family["auroc"] - family["auroc_bound"]).median()),
        "cells": len(family),
        "planned": planned,
        "cells_agreeing": len(agreeing),
        "seeds": family["seed"].nunique(),
        "seeds_agreeing": agreeing["seed"].nunique(),
        "architectures": family["architecture"].nunique(),
        "architectures_agreeing": agreeing["architecture"].nunique(),
        "constant_cells": int(family["constant"].sum()),
        "images": round(family["n"].mean()),
        "units": round(family["units"].mean()),
        "group": group,
        "group_aware": protocol_of(str(best["split"])) in BY_GROUP,
        "baselines": ", ".join(_baselines(best, here, comparisons, strength, threshold, field)),
        "shuffled_cells": len(shuffled),
        "shuffled_rejecting": int((shuffled["p_auroc"] <= thresholds.level).sum()),
        **dict(zip(("leak", "leak_low", "leak_high"), leak, strict=True)),
        **thresholds.model_dump(),
    }
    return Verdict(**facts, sentence=_sentence(facts), details=_details(facts, here))


def _strength(bound: float, thresholds: Thresholds) -> str:
    if bound > thresholds.strong:
        return STRONG
    return WEAK if bound > thresholds.weak else NO_EVIDENCE


def _can_tell(family: pd.DataFrame, level: float) -> bool:
    """Whether some cell could have rejected: its labels have enough arrangements over the units."""
    tested = family[family["auroc_bound"].notna()]
    return any(
        1 / comb(units, rarest) <= level
        for units, rarest in zip(tested["units"], tested["rarest_units"], strict=True)
    )


def _baselines(
    best: "pd.Series[Any]",
    here: pd.DataFrame,
    comparisons: pd.DataFrame,
    strength: str,
    threshold: float,
    field: Field,
) -> list[str]:
    """Names of the baselines that explain the verdict, or contradict its `no evidence`; see Verdict."""
    found = here[(here["role"] == "baseline") & (here["auroc_bound"] > threshold)]
    on_best_view = (found["view"] == best["view"]) | found["architecture"].isin(without_pixels())
    if strength != NO_EVIDENCE:
        found = found[on_best_view & (found["seed"] == best["seed"])]
        rows = comparisons[(comparisons["comparison"] == BASELINE) & (comparisons["auroc_low"] > 0)]
        for name in ("split", "view", "architecture", "recipe", "seed"):
            rows = rows[rows[name] == best[name]]
        found = found[~found["architecture"].isin(rows["other"])]
    else:
        judging = found["view"].isin(judging_views(field))
        found = found[judging | found["architecture"].isin(without_pixels())]
    return [name for name in BASELINES if name in set(found["architecture"])]


def _leak(family: pd.DataFrame, comparisons: pd.DataFrame) -> tuple[float, float, float]:
    """Mean over cells of random minus grouped, and its interval over seeds; NaN where it was not measured."""
    split, cell = family["split"].iloc[0], ["view", "architecture", "recipe", "seed"]
    rows = comparisons[(comparisons["comparison"] == LEAK) & comparisons["seed"].notna()]
    rows = rows[(rows["split"] == split) | (rows["other"] == split)]
    rows = rows.astype({"seed": int}).merge(family[cell], on=cell)
    if rows.empty:
        return np.nan, np.nan, np.nan
    of_seeds = rows.groupby("seed")["auroc_difference"].mean()
    if len(of_seeds) < 2:
        return float(of_seeds.mean()), np.nan, np.nan
    share = float((family["n_test"] / family["n_train"]).mean())
    over = over_seeds(of_seeds.to_numpy(float), share)
    return over.value, over.low, over.high


# The words. Each function returns whole sentences.


def _sentence(facts: Mapping[str, Any]) -> str:
    """The verdict as one may quote it."""
    title, crops = f"“{facts['title']}”", "crops" if facts["field"] == "tile" else "corners"
    if not facts["can_tell"]:
        return (
            f"The {crops} of {title} cannot be judged on the {_spoken(facts['split'])} split: its test part "
            "holds too few independent images of a class for any result to count."
        )
    many = facts["cells"] > 1
    who = (
        f"the clearest of {facts['cells']} networks" if many else "the one network"
    ) + f" ({_cell_words(facts)})"
    reaches = f"{who} reaches an AUROC of {facts['auroc']:.2f}"
    corrected = f" after correction for all {facts['cells']}" if many else ""
    bound = (
        f", and at least {bound_words(facts['auroc_bound'])}{corrected} "
        f"(error rate {100 * facts['level']:g}%)"
    )
    match facts["strength"]:
        case "strong":
            found = f"{reaches}{bound}"
        case "weak":
            found = f"{reaches}{bound}: above {facts['weak']:g}, but not shown to exceed {facts['strong']:g}"
        case _:
            found = (
                f"{reaches}, which chance alone gives with p = {_p(facts['p_maxt'])}{corrected}; an AUROC "
                f"below about {facts['auroc_unseen']:.2f} would have gone unseen"
            )
    if facts["field"] == "tile":
        return (
            f"Crops of {title} carry tissue, so what they tell is not by itself a bias of acquisition: "
            f"{found}."
        )
    evidence = {STRONG: "Strong", WEAK: "Weak", NO_EVIDENCE: "No"}[facts["strength"]]
    return f"{evidence} evidence that the corners of {title} tell the diagnosis: {found}."


def _details(facts: Mapping[str, Any], here: pd.DataFrame) -> str:
    """What else a reader should know, in short sentences."""
    said = []
    if facts["cells"] < facts["planned"]:
        said.append(f"Unfinished: {facts['cells']} of {facts['planned']} networks are done.")
    threshold = facts["strong"] if facts["strength"] == STRONG else facts["weak"]
    if facts["cells"] > 1 and facts["strength"] != NO_EVIDENCE:
        agree = [
            f"{facts[f'{name}_agreeing']} of {facts[name]} {words}"
            for name, words in (("cells", "networks"), ("seeds", "seeds"), ("architectures", "architectures"))
            if facts[name] > 1
        ]
        said.append(f"{_listing(agree)} exceed {threshold:g} by their own bound.")
    said.append(_split_words(facts))
    if not np.isnan(facts["leak"]):
        interval = (
            ""
            if np.isnan(facts["leak_low"])
            else f", 95% interval over seeds {facts['leak_low']:+.2f} to {facts['leak_high']:+.2f}"
        )
        said.append(
            f"The random split scores {facts['leak']:+.2f} against the grouped one (AUROC{interval})."
        )
    said += _baseline_words(facts, here)
    if facts["constant_cells"]:
        give = "gives" if facts["constant_cells"] == 1 else "give"
        said.append(f"{facts['constant_cells']} of {facts['cells']} networks {give} a constant answer.")
    if facts["shuffled_cells"]:
        said.append(
            f"Trained on shuffled targets, {facts['shuffled_rejecting']} of {facts['shuffled_cells']} "
            f"networks are found at {100 * facts['level']:g}%, each tested alone."
        )
    return " ".join(said)


def _split_words(facts: Mapping[str, Any]) -> str:
    images, units, group = facts["images"], facts["units"], facts["group"]
    size = f"{images} test images" + (f" of {units} groups ({group})" if group and units < images else "")
    name = _spoken(facts["split"]).capitalize()
    if facts["group_aware"]:
        return f"{name} split, {size}: no {group} is in both training and test."
    if not group:
        return (
            f"{name} split, {size}: no group is known, so images of one patient may be in both training and "
            "test."
        )
    if facts["split"].startswith("official"):
        return f"{name} split, {size}: as released; a {group} may be in both training and test."
    return (
        f"{name} split, {size}: images of one {group} are in both training and test, so a network may "
        "recognise it in place of its class."
    )


def _baseline_words(facts: Mapping[str, Any], here: pd.DataFrame) -> list[str]:
    if not (here["role"] == "baseline").any():
        return []
    # The bytes of a compressed file depend on the lesion, too.
    names = [
        f"{label_of(name)} of the whole image" if BASELINES[name].sees == "file" else label_of(name)
        for name in facts["baselines"].split(", ")
        if name
    ]
    if facts["strength"] == NO_EVIDENCE:
        if not names:
            return []
        return [f"Without a network, though, something is found by: {_listing(names)}."]
    if not names:
        return ["No baseline explains it."]
    return [f"{_listing(names, 'or').capitalize()} alone would earn the same verdict."]


def _cell_words(facts: Mapping[str, Any]) -> str:
    where = f"{label_of(facts['architecture'])} on the {view_label(facts['view'])}"
    return where + (f", seed {facts['seed']}" if facts["seeds"] > 1 else "")


def _spoken(name: str) -> str:
    return str(name).replace("_", " ")


def _listing(items: Sequence[str], last: str = "and") -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}"


def bound_words(bound: float) -> str:
    """Two decimals, rounded down: a bound of 0.596 must not read as 0.60."""
    return f"{np.floor(bound * 100 + 1e-9) / 100:.2f}"


def _p(p: float) -> str:
    return "1" if p > 0.995 else f"{p:.2g}"
