"""Split protocols: which images a network is trained on, watched on, and tested on."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.files import written_whole
from nullcrop.config.names import CROSSFIT, FOLDS_OF, UNWATCHED, attribute_slug, split_name
from nullcrop.datasets.attribute_values import Attribute, strata_of

FOLDS = 10
"""Tenths: one is tested, one watched, eight are trained on (80/10/10)."""

FIFTHS = 5
"""Of a hold-out: one is tested, four are trained on."""


def make_split(
    samples: pd.DataFrame,
    targets: pd.Series,
    protocol: str,
    seed: int,
    attributes: Sequence[Attribute] = (),
) -> pd.DataFrame:
    """Assign every image to `train`, `val`, `test` or `unused`.

    ``samples`` has the columns id, group and official_split; ``targets`` one integer a row.
    ``protocol`` is one of names.SPLITS, or one with a number:

    - `official`: the release's parts; where it has no validation part, a tenth of its training
      part (by group where groups are known) is set aside. Images in no part are unused.
    - `random`: 80/10/10 by image, stratified by target (scikit-learn's StratifiedKFold).
    - `grouped`: 8/1/1 of StratifiedGroupKFold: no group is in two parts. An image without a
      group is a group of its own. The seed draws which folds are tested and watched, too.
    - `tenfold`: ten-fold cross-validation by image, stratified by target, blind to groups. The seed is the
      fold that is tested, the next one is watched, and seeds 0 to 9 test every image once; 10 to 19 do so in
      folds drawn anew.
    - `crossfit`, `crossfit5`: the same in ten or five folds that keep groups apart where there are any
      (StratifiedGroupKFold). A test part may lack a target, a training part may not.
    - `holdout20`: a fifth is tested, four fifths are trained on, none is watched; by image, stratified by
      target, blind to groups, as `random` is.
    - `leave_one_group_out`: one whole group (a session, a clinic) is tested, the ``seed``-th in the order of
      their names; of the others' images a tenth is watched.
    - `…_balanced`: of the training part as many images of each target as the rarest has, drawn
      at random; the others are unused. Validation and test keep their shares. `…_balanced405` keeps
      405 of each.
    - `…_match_site`: in each part as many images of each target in every stratum of the attribute `site` (a
      value, or one of five ranges of a number), drawn at random; the others, and those without a value, are
      unused. So the attribute tells nothing of the target, and targets are of one size. ``attributes`` are
      those of ``samples``.
    - `…_shuffle1`, `…_shuffle2`, …: the very parts of the split before it, with the targets of its
      training and validation images shuffled (:func:`shuffled_targets`): a negative control, tested
      on the true targets.

    Returns the columns id, group, target and part, in the order of ``samples``. Raises
    NullcropError when a part would lack a target.
    """
    try:
        named = split_name(protocol)
    except ValueError:
        raise NullcropError(f"unknown split protocol '{protocol}'") from None
    target = targets.to_numpy(np.int64, copy=True)
    groups = None
    if (samples["group"] != "").any():
        groups = samples["group"].where(samples["group"] != "", "image " + samples["id"]).to_numpy()
    match named.protocol:
        case "official":
            part = _official(samples["official_split"].to_numpy(str), target, groups, seed)
        case "random":
            part = _tenths(target, None, seed)
        case "tenfold":
            _check_counts(target)
            part = _fold(target, None, FOLDS_OF["tenfold"], seed)
        case "crossfit" | "crossfit5":
            part = _fold(target, groups, CROSSFIT[named.protocol], seed)
        case "holdout20":
            part = _fifth(target, seed)
        case "leave_one_group_out":
            part = _without_one(target, groups, seed)
        case "grouped":
            if groups is None:
                raise NullcropError("no image has a group, so they cannot be split by group")
            part = _tenths(target, groups, seed)
    watched = named.protocol not in UNWATCHED
    _check_parts(protocol, part, target, watched)
    if named.match:
        part = _matched(part, target, _attribute(attributes, named.match), seed)
        _check_parts(protocol, part, target, watched)
    if named.balanced is not None:
        part = _balanced(part, target, seed, named.balanced)
    if named.shuffle:
        # The shuffle's own stream, so that it does not repeat what the split has drawn.
        rng = np.random.default_rng([seed, named.shuffle])
        for trained in ("train", "val")[: 1 + watched]:
            rows = np.flatnonzero(part == trained)
            target[rows] = shuffled_targets(target[rows], None if groups is None else groups[rows], rng)
    return pd.DataFrame({"id": samples["id"], "group": samples["group"], "target": target, "part": part})


def write_split(
    samples: pd.DataFrame,
    targets: pd.Series,
    protocol: str,
    seed: int,
    out: Path,
    attributes: Sequence[Attribute] = (),
) -> pd.DataFrame:
    """Write the split of :func:`make_split` to ``out`` and return it."""
    split = make_split(samples, targets, protocol, seed, attributes)
    with written_whole(out) as aside:
        split.to_csv(aside, index=False)
    return split


def shuffled_targets(
    target: NDArray[np.int64], groups: NDArray[np.object_] | None, rng: Generator
) -> NDArray[np.int64]:
    """``target`` in an order that has nothing to do with the images; ``groups`` names each image's group.

    Where all images of a group have one target, whole groups exchange theirs, because a patient's
    images resemble each other: shuffled one by one they would be an easier null than the real
    question. Images of groups that hold several targets exchange theirs with each other. Each
    part thus keeps its number of groups (and where these are of one size, of images) of each target.
    """
    code = np.arange(len(target)) if groups is None else np.unique(groups, return_inverse=True)[1]
    of_group = np.zeros(code.max() + 1, np.int64)
    of_group[code] = target
    several = np.unique(code[of_group[code] != target])
    single = np.setdiff1d(np.arange(len(of_group)), several)
    of_group[single] = rng.permutation(of_group[single])
    mixed = np.isin(code, several)
    shuffled = of_group[code]
    shuffled[mixed] = rng.permutation(target[mixed])
    return shuffled


def _check_counts(target: NDArray[np.int64]) -> None:
    counts = np.bincount(target)
    if counts.min() < FOLDS:
        raise NullcropError(
            f"target {counts.argmin()} has {counts.min()} images: at least {FOLDS} are needed to split them "
            "80/10/10; add images of it, name a label rule that joins it with another, or take `crossfit5`, "
            "which needs fewer"
        )


def _tenths(target: NDArray[np.int64], groups: NDArray[np.object_] | None, seed: int) -> NDArray[np.object_]:
    _check_counts(target)
    if groups is not None and len(set(groups)) < FOLDS:
        raise NullcropError(
            f"there are {len(set(groups))} groups: at least {FOLDS} are needed to split them 80/10/10; look "
            "whether they are read rightly, or take `crossfit5` (from 5 groups) or `leave_one_group_out`"
        )
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    folds = list(kind(FOLDS, shuffle=True, random_state=seed).split(np.zeros(len(target)), target, groups))
    # StratifiedGroupKFold shuffles only groups of like composition and deals the largest into its
    # first fold: always testing that one would test the same groups whatever the seed.
    drawn = np.arange(FOLDS) if groups is None else np.random.default_rng(seed).permutation(FOLDS)
    part = np.full(len(target), "train", dtype=object)
    for name, fold in zip(("test", "val"), drawn, strict=False):
        part[folds[fold][1]] = name
    return part


def _fifth(target: NDArray[np.int64], seed: int) -> NDArray[np.object_]:
    counts = np.bincount(target)
    if counts.min() < FIFTHS:
        raise NullcropError(
            f"target {counts.argmin()} has {counts.min()} images: at least {FIFTHS} are needed to hold a "
            "fifth out; add images of it, or name a label rule that joins it with another"
        )
    folds = StratifiedKFold(FIFTHS, shuffle=True, random_state=seed).split(np.zeros(len(target)), target)
    part = np.full(len(target), "train", dtype=object)
    part[next(folds)[1]] = "test"
    return part


def _fold(
    target: NDArray[np.int64], groups: NDArray[np.object_] | None, folds: int, seed: int
) -> NDArray[np.object_]:
    """Parts when fold ``seed`` modulo ``folds`` is tested and the next one watched; the rest of the division
    is the partition."""
    units = len(target) if groups is None else len(set(groups))
    if units < folds:
        kind = "images" if groups is None else "groups"
        raise NullcropError(
            f"there are {units} {kind}: at least {folds} are needed for {folds} folds; look whether they are "
            "read rightly, or take a split that needs fewer"
        )
    partition, tested = divmod(seed, folds)
    kind_of_folds = StratifiedKFold if groups is None else StratifiedGroupKFold
    splitter = kind_of_folds(folds, shuffle=True, random_state=partition)
    with warnings.catch_warnings():
        # A rare class does not reach every fold; that is checked where it matters, in the training part.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        try:
            parts = list(splitter.split(np.zeros(len(target)), target, groups))
        except ValueError:  # no class has as many images as there are folds
            most = int(np.bincount(target).max())
            raise NullcropError(
                f"no class has more than {most} images: at least {folds} are needed for {folds} folds"
            ) from None
    part = np.full(len(target), "train", dtype=object)
    part[parts[tested][1]] = "test"
    part[parts[(tested + 1) % folds][1]] = "val"
    return part


def _without_one(
    target: NDArray[np.int64], groups: NDArray[np.object_] | None, seed: int
) -> NDArray[np.object_]:
    names = [] if groups is None else sorted(set(groups))
    if seed >= len(names) or len(names) < 2:
        raise NullcropError(
            f"there are {len(names)} groups, so seed {seed} leaves none of them out: at least two are "
            "needed, and seeds from 0 to one less than their number"
        )
    part = np.where(groups == names[seed], "test", "train").astype(object)
    rows = np.flatnonzero(part == "train")
    lacking = sorted(set(target) - set(target[rows]))
    if lacking:
        raise NullcropError(
            f"without the group '{names[seed]}' no image of target {listed(lacking)} is left to train on: "
            "groups that hold a whole class cannot be left out; look whether the groups are read rightly, or "
            "take another split"
        )
    part[rows[_tenths(target[rows], None, seed) == "val"]] = "val"
    return part


def _official(
    official: NDArray[np.str_], target: NDArray[np.int64], groups: NDArray[np.object_] | None, seed: int
) -> NDArray[np.object_]:
    for needed in ("train", "test"):
        if needed not in official:
            raise NullcropError(
                f"there is no official split: no image is marked '{needed}'; use `random` or `grouped`"
            )
    part = np.where(official == "", "unused", official).astype(object)
    if "val" not in official:
        rows = np.flatnonzero(official == "train")
        inner = _tenths(target[rows], None if groups is None else groups[rows], seed)
        part[rows[inner == "val"]] = "val"
    return part


def _balanced(
    part: NDArray[np.object_], target: NDArray[np.int64], seed: int, wanted: int
) -> NDArray[np.object_]:
    """``part`` with ``wanted`` training images of each target (0: as many as the rarest has)."""
    rng = np.random.default_rng(seed)
    rows_of = [np.flatnonzero((part == "train") & (target == code)) for code in np.unique(target)]
    fewest = min(len(rows) for rows in rows_of)
    if wanted > fewest:
        raise NullcropError(
            f"{wanted} training images of each target were asked for, but the rarest has {fewest}; name at "
            f"most {fewest}, or no number"
        )
    keep = wanted or fewest
    for rows in rows_of:
        part[rng.permutation(rows)[keep:]] = "unused"
    return part


def _attribute(attributes: Sequence[Attribute], name: str) -> Attribute:
    found = [one for one in attributes if attribute_slug(one.name) == name]
    if len(found) != 1:
        many = "several attributes are" if found else "no attribute is"
        there = listed(attribute_slug(one.name) for one in attributes)
        raise NullcropError(f"{many} called '{name}'; there are {there}")
    return found[0]


def _matched(
    part: NDArray[np.object_], target: NDArray[np.int64], attribute: Attribute, seed: int
) -> NDArray[np.object_]:
    """``part`` with as many images of each target in every stratum of an attribute; NullcropError when that
    leaves a part without images."""
    rng = np.random.default_rng([seed, *b"match"])
    known = np.flatnonzero(attribute.known)
    stratum = np.full(len(part), -1)
    stratum[known] = strata_of(attribute, known)
    matched = np.full(len(part), "unused", dtype=object)
    targets = np.unique(target)
    for name in ("train", "val", "test"):
        for one in np.unique(stratum[known]):
            here = (part == name) & (stratum == one)
            rows_of = [rng.permutation(np.flatnonzero(here & (target == code))) for code in targets]
            for rows in rows_of:
                matched[rows[: min(map(len, rows_of))]] = name
        if (part == name).any() and not (matched == name).any():
            raise NullcropError(
                f"no value of '{attribute.name}' is shared by images of all targets in the {name} part, so "
                "nothing remains when the attribute is to tell nothing; take another attribute, or ask it of "
                "crops alone (`figures: [attributes]`)"
            )
    return matched


def _check_parts(protocol: str, part: NDArray[np.object_], target: NDArray[np.int64], watched: bool) -> None:
    # The folds of a cross-fitted split are tested as one set, in which every target occurs.
    for name in ("train",) if split_name(protocol).protocol in CROSSFIT else ("train", "test"):
        lacking = sorted(set(target) - set(target[part == name]))
        if lacking:
            raise NullcropError(
                f"split '{protocol}': the {name} part has no image of target {listed(lacking)}; "
                + (
                    "the release has none there, so take another split, such as `crossfit5`"
                    if split_name(protocol).protocol == "official"
                    else "there are too few images or groups of it for this protocol"
                )
            )
    for name, words in (("test", "test"), ("val", "validation"))[: 1 + watched]:
        if not (part == name).any():
            raise NullcropError(
                f"split '{protocol}': the {words} part is empty; there are too few images or groups"
            )
