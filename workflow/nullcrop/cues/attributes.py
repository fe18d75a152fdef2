"""Attributes: through what a class may leak. How well each tells the target, how well crops tell it, and how
much of what crops tell of the target it explains.

Utility and detectability of an attribute were set side by side in Data AUDIT (M. Pavlak et al., MIDL 2023).
Here crops read an attribute within each class alone: over all classes they would only read the class again.
Every number is cross-fitted on the study's own splits, groups kept apart as they keep them, by readers with a
closed form whose null is exact (statistics/refits.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import sha256_of_lines, written_whole
from nullcrop.basics.progress import tracked
from nullcrop.basics.threads import mapped
from nullcrop.cues.refitted import splits_by_name
from nullcrop.cues.windows import Place, measure_windows
from nullcrop.datasets.attribute_values import Attribute, read_attributes, strata_of
from nullcrop.datasets.samples import read_samples
from nullcrop.statistics.auroc import (
    Floats,
    Ints,
    TestSet,
    estimate_auroc,
    jackknife_error,
    smallest_error,
    stratified_auroc,
)
from nullcrop.statistics.crossfit import Reading, inflation, readings, together
from nullcrop.statistics.maxt import drawn_labels
from nullcrop.statistics.refits import Fold, Refits, folds_of, simultaneous
from nullcrop.statistics.sentences import bound_words
from nullcrop.statistics.tables import FinishedCell
from nullcrop.training.cells import open_view, read_split

DRAWS = 499
"""Draws to which each reader is fitted anew."""

MOST_IMAGES = 20_000
"""Images that are read; of more, whole groups are drawn."""

MOST_LEVELS = 64
"""Values of a name that are told apart, the most frequent ones."""

LEAST_UNITS = 5
"""Independent units that must hold a value within a class, and others beside it, for crops to be asked for
it."""

NAMED = 3
"""Attributes that a sentence names."""

QUESTIONS = (
    ("tells_target", "tells_target_low", "tells_target_high", "p_target"),
    ("read_from_crops", "read_low", "read_high", "p_read"),
)
"""Columns of what is asked of an attribute: an AUROC, its bounds, and p."""

ATTRIBUTE_COLUMNS = [
    *("labels", "split", "attribute", *QUESTIONS[0], *QUESTIONS[1]),
    *("reader", "auroc", "auroc_within", "explained", "explained_low", "explained_high", "pairs_within"),
    *("n", "gaps", "levels", "remark"),
]

Found = tuple[Floats, float]
"""AUROC of the labels as they are, then of each draw, and the error of the first."""


@dataclass(frozen=True)
class AttributesJob:
    """What a table of attributes is made of."""

    attributes: Path
    """attributes.csv of the dataset."""
    samples: Path
    """samples.csv."""
    view: Path
    """The store's original.json."""
    splits: Sequence[Path]
    """Files as results/splits/{dataset}/{labels}/{split}/seed{seed}.csv."""
    cells: Sequence[FinishedCell]
    """The study's finished cells of networks and judging baselines on crops; without any a ridge regression
    on the corners stands for them."""
    window: int
    """Side of the corners in pixels."""
    level: float
    threads: int


def write_attributes(job: AttributesJob, out: Path) -> None:
    """Write ATTRIBUTE_COLUMNS as CSV, a row for each label rule, split and attribute.

    Bounds and p of ``tells_target`` and ``read_from_crops`` are corrected over all attributes and both
    questions of one label rule and split; those of ``explained`` over all attributes. Raises NullcropError
    when files do not fit each other, or where a class is in one group alone.
    """
    first = read_split(job.splits[0])
    attributes = read_attributes(job.attributes, list(first["id"]))
    corners = _corners(job, first)
    read = readings(job.cells)
    tables = []
    for (labels, split), paths in splits_by_name(job.splits).items():
        own = [one for one in read if (one.reader.labels, one.reader.split) == (labels, split)]
        crops = together(own) if own else None
        table = attributes_of(attributes, corners, paths, crops, job.level, job.threads)
        tables.append(table.assign(labels=labels, split=split))
    with written_whole(out) as aside:
        pd.concat(tables)[ATTRIBUTE_COLUMNS].to_csv(aside, index=False)


def _corners(job: AttributesJob, first: pd.DataFrame) -> NDArray[np.float32]:
    """What a simple reader sees in the four corners of each image together (N×d)."""
    samples = read_samples(job.samples)
    smallest = int(samples["width"].min()), int(samples["height"].min())
    side = min(job.window, *smallest)
    places = [Place(side, row, column, 2, 2) for row in (0, 1) for column in (0, 1)]
    view = open_view(job.view, first, job.splits[0])
    paths, target = list(samples["path"]), first["target"].to_numpy()
    windows = measure_windows(view, paths, target, places, job.threads, job.attributes.parent)
    return np.concatenate([np.asarray(one, dtype=np.float32) for one in windows.features], axis=1)


def attributes_of(
    attributes: Sequence[Attribute],
    corners: NDArray[np.floating],
    splits: Sequence[Path],
    crops: Reading | None,
    level: float,
    threads: int,
    draws: int = DRAWS,
) -> pd.DataFrame:
    """The rows of one label rule and split, whose seeds or folds are ``splits``; columns as
    ATTRIBUTE_COLUMNS without labels and split.

    ``corners`` (N×d) are features of each image's corners, ``crops`` what the study's readers say of crops.
    """
    tables = [read_split(path) for path in splits]
    seeds = [int(path.stem.removeprefix("seed")) for path in splits]
    test, folds = folds_of(tables, MOST_IMAGES)
    if test.rarest_units < 2:
        raise NullcropError(f"{splits[0]}: a class is in one group alone, so nothing can be told from that")
    share = float(np.mean([len(fold.test) / len(fold.train) for fold in folds]))
    factor = inflation(splits[0].parent.name, seeds, share)
    asked = _Asked(test, folds, corners, draws, factor)
    if crops is None:
        crops_read, own_factor = asked.ridge(), factor
    else:
        crops_read, own_factor = (crops.test, crops.score), crops.inflation
    twins = _twins(attributes)
    tasks = [
        (ask, one)
        for one in attributes
        if one.name not in twins
        for ask in (asked.tells_target, asked.read_from_crops)
    ]
    with threadpool_limits(1):
        done = mapped(lambda task: task[0](task[1]), tasks, threads, largest_block=1)
        found = list(tracked(done, len(tasks), "questions about attributes answered"))
    of_attribute = {one.name: found[2 * i : 2 * i + 2] for i, (_, one) in enumerate(tasks[::2])}
    rows: dict[str, dict[str, Any]] = {}
    for one in attributes:
        why_not = [words for words in of_attribute.get(one.name, []) if isinstance(words, str)]
        rows[one.name] = {
            "attribute": one.name,
            "n": int(one.known[asked.rows].sum()),
            "gaps": int((~one.known[asked.rows]).sum()),
            "levels": one.levels,
            "remark": f"tells images apart as {twins[one.name]} does" if one.name in twins else "",
            "reader": "ridge" if crops is None else "together",
        } | ({"remark": why_not[0]} if why_not else {})
    _add_family(rows, of_attribute, level)
    places = _places(crops_read[0], asked.ids)
    told = [one for one in attributes if "tells_target" in rows[one.name]]
    for one in told:
        rows[one.name] |= explained_by(one, *crops_read, places, own_factor, level / len(told))
    return pd.DataFrame(rows.values()).reindex(columns=ATTRIBUTE_COLUMNS[2:])


def _twins(attributes: Sequence[Attribute]) -> dict[str, str]:
    """Attributes that vary and put the same images apart, in the same order, as an earlier one does, and its
    name: as the size of a file and that by pixel do where all images are of one size."""
    first: dict[tuple[bool, bytes], str] = {}
    twins = {}
    for one in attributes:
        earlier = first.setdefault((one.numeric, one.codes.tobytes()), one.name)
        if earlier != one.name and one.levels > 1:
            twins[one.name] = earlier
    return twins


def _places(test: TestSet, ids: NDArray[np.str_]) -> Ints:
    """Which of ``ids`` each image of ``test`` is."""
    order = {name: place for place, name in enumerate(ids.tolist())}
    if test.image is None or not set(test.image.tolist()) <= set(order):
        raise NullcropError("the finished cells are of other images than the splits: run the workflow again")
    return np.array([order[name] for name in test.image.tolist()], np.int64)


def _add_family(
    rows: Mapping[str, dict[str, Any]], found: Mapping[str, Sequence[Found | str]], level: float
) -> None:
    """Add the AUROCs, bounds and p of both questions, one family, to the rows of the attributes."""
    members = [
        (name, columns, answer)
        for name, answers in found.items()
        for columns, answer in zip(QUESTIONS, answers, strict=True)
        if isinstance(answer, tuple)
    ]
    if not members:
        return
    aurocs = np.stack([answer[0] for *_, answer in members])
    p, low, high = simultaneous(aurocs, np.array([answer[1] for *_, answer in members]), level)
    for place, (name, columns, _) in enumerate(members):
        values = (aurocs[place, 0], low[place], high[place], p[place])
        rows[name].update(zip(columns, values, strict=True))


@dataclass(frozen=True, eq=False)
class _Asked:
    """What all questions about attributes share."""

    test: TestSet
    """All images."""
    folds: Sequence[Fold]
    corners: NDArray[np.floating]
    """What is seen in the corners of each (N×d)."""
    draws: int
    factor: float
    """Factor c."""

    @cached_property
    def ids(self) -> NDArray[np.str_]:
        """Ids of all images."""
        if self.test.image is None:
            raise NullcropError(f"{self.test.name}: the ids of the images are not known")
        return self.test.image

    @cached_property
    def rows(self) -> Ints:
        """Images that any fold is trained or tested on."""
        return np.unique(np.concatenate([np.concatenate([fold.train, fold.test]) for fold in self.folds]))

    def ridge(self) -> tuple[TestSet, Floats]:
        """The images tested, and what a ridge regression on their corners says of the target."""
        refits = Refits(self.folds, self.test.target[None].astype(np.int8))
        score = refits.fit(self.corners.astype(float)).score
        return self._test_set(self.test.target[refits.tested], refits.tested), score

    def tells_target(self, attribute: Attribute) -> Found | str:
        """How well an attribute alone tells the target, or why nobody can say."""
        rows = self._known(attribute)
        if not len(rows):
            return "no image has a value"
        if len(np.unique(attribute.codes[rows])) == 1:
            return "all images have one value"
        features = self._features(attribute, rows)
        if not features.shape[1]:
            return "no value is shared by independent images"
        here = self._test_set(self.test.target[rows], rows)
        if len(np.unique(here.target)) < len(np.unique(self.test.target)) or here.rarest_units < 2:
            return "a class has values in one group at most"
        folds = among(self.folds, rows)
        if not folds:
            return "no fold has values to be trained and tested on"
        refits = Refits(folds, drawn_labels(here, self.draws))
        found = refits.fit(features)
        tested = self._test_set(here.target[refits.tested], rows[refits.tested])
        return found.aurocs, self.factor * estimate_auroc(tested, found.score)[0].error

    def _features(self, attribute: Attribute, rows: Ints) -> Floats:
        """What a reader is told of an attribute: the rank of a number and its square, or which of a name's
        frequent values it is."""
        codes = attribute.codes[rows]
        if attribute.numeric:
            rank = (scipy.stats.rankdata(codes) - 0.5) / len(codes) - 0.5
            return np.stack([rank, rank**2], axis=1)
        units = self.test.unit[rows]
        held = np.unique(np.stack([codes, units]), axis=1)[0]
        values, counts = np.unique(held, return_counts=True)
        shared = values[counts > 1]
        frequent = shared[np.argsort(-counts[counts > 1], kind="stable")][:MOST_LEVELS]
        which: Floats = np.equal(codes[:, None], frequent).astype(float)
        return which

    def read_from_crops(self, attribute: Attribute) -> Found | str:
        """How well corners tell an attribute within each class, or why nobody can say.

        A number is cut at the class's median. Of a name each value is told from the others, if enough units
        have it and enough do not. AUROCs of classes and values are averaged by their pairs of images.
        """
        total, pairs, influence = np.zeros(1 + self.draws), 0.0, np.zeros(self.test.n_units)
        rows = self._known(attribute)
        for target in np.unique(self.test.target):
            own = rows[self.test.target[rows] == target]
            folds = among(self.folds, own)
            if not folds:
                continue
            codes = _cut(attribute.codes[own], attribute.numeric)
            asked = _asked_for(self._test_set(codes, own))
            if not asked:
                continue
            # Labels are small numbers, so that those of other values share one.
            numbers = np.zeros(len(own), np.int64)
            for number, value in enumerate(asked, 1):
                numbers[codes == value] = number
            within = self._test_set(numbers, own)
            drawn, corners = drawn_labels(within, self.draws), self.corners[own].astype(float)
            for value in range(1, len(asked) + 1):
                refits = Refits(folds, np.equal(drawn, value).astype(np.int8))
                tested = own[refits.tested]
                has = within.target[refits.tested] == value
                weight = float(has.sum() * (~has).sum())
                units = self.test.unit[tested]
                # A value that a single unit has, among those tested, says nothing of others.
                if min(len(np.unique(units[side])) for side in (has, ~has)) < 2:
                    continue
                found = refits.fit(corners)
                here = TestSet(has.astype(np.int64), self.test.group[tested], within.name)
                _, first = np.unique(here.unit, return_index=True)
                influence[units[first]] += weight * estimate_auroc(here, found.score)[1]
                # A draw in which no tested image has the value says nothing.
                total += weight * np.nan_to_num(found.aurocs, nan=0.5)
                pairs += weight
        if not pairs:
            return "within no class a value is held by five independent images, and others by five"
        error, _ = jackknife_error(influence / pairs, np.zeros(self.test.n_units, np.int64))
        return total / pairs, self.factor * error

    def _known(self, attribute: Attribute) -> Ints:
        return self.rows[attribute.known[self.rows]]

    def _test_set(self, target: Ints, rows: Ints) -> TestSet:
        """The images of ``rows``, with a ``target`` each; the same images have the same draws."""
        ids = self.ids[rows]
        return TestSet(target, self.test.group[rows], sha256_of_lines(ids.tolist()), ids)


def among(folds: Sequence[Fold], rows: Ints) -> list[Fold]:
    """``folds`` over ``rows`` (ascending) alone, counted in these; without those that cannot be trained or
    tested then."""
    kept = [
        Fold(*(np.flatnonzero(np.isin(rows, part, assume_unique=True)) for part in (fold.train, fold.test)))
        for fold in folds
    ]
    return [fold for fold in kept if len(fold.train) and len(fold.test)]


def _cut(codes: Ints, numeric: bool) -> Ints:
    """Which value each image has; of a number whether it is above their median."""
    if not numeric:
        return codes
    middle = np.median(codes)
    above = codes > middle if (codes > middle).any() else codes >= middle
    return above.astype(np.int64)


def _asked_for(within: TestSet) -> list[int]:
    """Values that crops are asked for within a class; of two one says all."""
    found = []
    values, counts = np.unique(within.target, return_counts=True)
    for value in values[np.argsort(-counts, kind="stable")][:MOST_LEVELS].tolist():
        has = within.target == value
        if min(len(np.unique(within.unit[side])) for side in (has, ~has)) >= LEAST_UNITS:
            found.append(value)
    return found[-1:] if len(values) == 2 else found


def explained_by(
    attribute: Attribute, test: TestSet, score: Floats, places: Ints, factor: float, level: float
) -> dict[str, Any]:
    """How much smaller the AUROC of a score is among images of one stratum of an attribute.

    ``places`` are the rows of the images of ``test``, of which those with a value are compared; a number has
    STRATA strata. Bounds are one-sided ones at ``level``. Nothing where no pair of classes lies within a
    stratum.
    """
    known = attribute.known[places]
    here = TestSet(test.target[known], test.group[known], test.name)
    present = np.unique(here.target)
    if len(present) < len(np.unique(test.target)):
        return {}
    codes = strata_of(attribute, places[known])
    whole = estimate_auroc(here, score[known])
    within, influence, pairs = stratified_auroc(here, score[known], codes)
    if np.isnan(within):
        return {"auroc": whole[0].value, "pairs_within": pairs}
    error, df = jackknife_error(whole[1] - influence, here.stratum)
    # Where all pairs within strata rest on one unit nobody knows the error.
    half = scipy.stats.t.ppf(1 - level, df) * factor * np.maximum(error, smallest_error(here))
    explained = whole[0].value - within
    return {
        "auroc": whole[0].value,
        "auroc_within": within,
        "explained": explained,
        "explained_low": explained - half,
        "explained_high": explained + half,
        "pairs_within": pairs,
    }


def blamed(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of attributes that are shown both to tell the target and to be told by crops, those first that
    explain most."""
    both = table[(table["tells_target_low"] > 0.5) & (table["read_low"] > 0.5)]
    return both.sort_values("explained_low", ascending=False, kind="stable")


def attribute_words(name: str) -> str:
    """An attribute as it is called in a sentence."""
    return name.replace("dicom_", "DICOM ").replace("_", " ")


def attributes_sentence(table: pd.DataFrame, labels: str, split: str) -> str:
    """What a table of attributes says of one label rule and split; empty where it holds none of it."""
    rows = table[(table["labels"] == labels) & (table["split"] == split)]
    asked = rows[rows["tells_target_low"].notna() & rows["read_low"].notna()].reset_index(drop=True)
    if asked.empty:
        return ""
    found = blamed(asked)
    if found.empty:
        return (
            f"Of {len(asked)} attributes none is shown both to tell the class and to be told by crops within "
            "classes."
        )
    words = [_way(row) for row in found.head(NAMED).to_dict("records")]
    further = f" The same is shown of {len(found) - NAMED} more." if len(found) > NAMED else ""
    return f"{' '.join(words)}{further}"


def _way(row: Mapping[Any, Any]) -> str:
    name = attribute_words(row["attribute"])
    explains = ""
    if row["explained_low"] > 0:
        explains = (
            f"; among images alike in it the AUROC of crops is {row['auroc_within']:.2f} in place of "
            f"{row['auroc']:.2f}"
        )
    return (
        f"Crops tell the attribute “{name}” within classes ({row['read_from_crops']:.2f}, at least "
        f"{bound_words(row['read_low'])}), and it tells the class ({row['tells_target']:.2f}, at least "
        f"{bound_words(row['tells_target_low'])}): it may be the way{explains}."
    )
