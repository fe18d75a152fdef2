"""Which facts, properties and corners tell the class, each alone: AUROCs, with bounds for all together.

A number is its own score; a name (a format, a mode) is asked value by value: files with it against files
without. Nothing is fitted, so that nothing is inflated. The one exception is the linear reader of the four
corners' mean colours: five folds, groups kept apart, as an audit's baselines are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import sha256_of_lines
from nullcrop.basics.progress import say
from nullcrop.config.detectable import minimal_detectable
from nullcrop.config.names import FOLDS_OF
from nullcrop.splits import make_split
from nullcrop.statistics.auroc import Floats, Ints, TestSet
from nullcrop.statistics.crossfit import DECIMALS, inflation, pooled_score
from nullcrop.statistics.maxt import LARGE, maxt
from nullcrop.survey.file_facts import NAMES, NUMBERS
from nullcrop.survey.properties import OF_CORNERS, WHOLE

KINDS = {
    **dict.fromkeys((*NUMBERS, *NAMES), "file"),
    **dict.fromkeys(WHOLE, "image"),
    **dict.fromkeys(OF_CORNERS, "corners"),
}
"""What each fact is of: the file, the image as a whole, or its corners."""

LABELS = {**NUMBERS, **NAMES, **WHOLE, **OF_CORNERS}
"""What people call each fact."""

READER = "corner_colours"
READER_LABEL = "linear reader of the corners' colours"
PROTOCOL = "crossfit5"

LEVEL = 0.05
"""Error rate for all facts together."""

DRAWS, DRAWS_OF_MANY = 999, 499
"""Draws of the null, and of more than LARGE images."""

MOST_VALUES = 6
"""Values of a name that are asked, the most frequent ones."""

MOST_CLASSES = 12
"""Classes that are each set against the rest, the largest ones."""


@dataclass(frozen=True)
class Told:
    """What one fact tells of one class; of a name, one value of it."""

    fact: str
    label: str
    kind: str
    """`file`, `image` or `corners`."""
    value: str | None
    """The value of a name that is asked for; None for a number."""
    of: str
    """The class."""
    against: str
    """What it is told from: the other class, or `the rest`."""
    higher: bool
    """Whether the class has the larger numbers, or the value more often."""
    auroc: float
    """In the direction of ``higher``, so at least 0.5; a trained reader's own."""
    at_least: float
    """Lower bound, corrected for all facts and classes."""
    at_most: float
    """Upper bound as far away."""
    p: float
    """Corrected for the same."""

    @property
    def shown(self) -> bool:
        """Whether the data show that the fact tells the class at all."""
        return self.at_least > 0.5


@dataclass(frozen=True)
class Telling:
    """What all facts tell."""

    told: list[Told]
    """The clearest row of each fact that differs between images, the clearest first."""
    rows: list[Told]
    """All rows: each fact, value and class, in the same order."""
    same: dict[str, str]
    """Facts that are the same in all images, and their value."""
    asked: list[str]
    """Classes that were each set against the rest."""
    minimal: float
    """AUROC of a single fact that would have been found with a chance of 80 %; above 1: none."""
    why_no_reader: str
    """Why the corners' linear reader is missing; empty where it is not."""


@dataclass(frozen=True)
class _Column:
    fact: str
    value: str | None
    score: Floats
    """N; of a trained reader N × classes."""
    inflation: float = 1.0


def tell(
    listing: pd.DataFrame, table: pd.DataFrame, colours: NDArray[np.float64], classes: Sequence[str]
) -> Telling:
    """What each fact of ``table`` (survey/measuring.py) tells of the classes of ``listing``, row by row.

    ``colours`` (N × 4 × 3) are the corners' mean colours. Groups of ``listing`` are the independent units;
    an image without one is a unit of its own. Bounds and p are corrected over all facts, values and classes
    by maxT (statistics/maxt.py), at an error rate of LEVEL.
    """
    target = pd.Categorical(listing["class"], categories=list(classes)).codes.astype(np.int64)
    group = listing["group"].to_numpy(str)
    columns, same = _columns(table)
    asked = _asked(target, classes)
    reader, why_no_reader = (None, "")
    if columns:
        reader, why_no_reader = _reader(listing, target, colours)
    if reader is not None:
        columns = [*columns, reader]
    name = sha256_of_lines(listing["path"].tolist())
    # One name, so one stream: the classes share the draws of whole units.
    tests = {code: TestSet((target == code).astype(np.int64), group, name) for code in asked}
    keys = [(code, column) for code in asked for column in columns]
    if not keys:
        return Telling([], [], same, [classes[code] for code in asked], np.inf, why_no_reader)
    say(f"testing {len(columns)} facts of {len(listing)} images")
    family = maxt(
        [(tests[code], _score_of(column, code)) for code, column in keys],
        LEVEL,
        DRAWS if len(listing) <= LARGE else DRAWS_OF_MANY,
        [column.inflation for _, column in keys],
        [column.fact != READER for _, column in keys],
    )
    rows = []
    for place, (code, column) in enumerate(keys):
        value, low, high = (float(of[place]) for of in (family.value, family.low, family.high))
        higher = column.fact == READER or not value < 0.5
        rows.append(
            Told(
                column.fact,
                READER_LABEL if column.fact == READER else LABELS[column.fact],
                "corners" if column.fact == READER else KINDS[column.fact],
                column.value,
                classes[code],
                _against(code, classes),
                higher,
                value if higher else 1 - value,
                low if higher else 1 - high,
                high if higher else 1 - low,
                float(family.p[place]),
            )
        )
    rows.sort(key=lambda row: (-_number(row.at_least), -_number(row.auroc), row.fact))
    clearest: dict[str, Told] = {}
    for row in rows:
        clearest.setdefault(row.fact, row)
    units = tests[asked[0]].units_of_targets if len(asked) == 1 else TestSet(target, group).units_of_targets
    return Telling(
        list(clearest.values()),
        rows,
        same,
        [classes[code] for code in asked],
        # Two sides of each.
        minimal_detectable(units, 2 * len(keys), LEVEL),
        why_no_reader,
    )


def _number(value: float) -> float:
    return -np.inf if np.isnan(value) else value


def _asked(target: Ints, classes: Sequence[str]) -> list[int]:
    """Classes that are set against the rest: of two the second, else the largest, in their order."""
    counts = np.bincount(target, minlength=len(classes))
    if len(classes) < 2:
        return []
    if len(classes) == 2:
        return [1]
    return sorted(np.argsort(-counts, kind="stable")[:MOST_CLASSES].tolist())


def _against(code: int, classes: Sequence[str]) -> str:
    return classes[1 - code] if len(classes) == 2 else "the rest"


def _columns(table: pd.DataFrame) -> tuple[list[_Column], dict[str, str]]:
    """Scores of the facts that differ between images, and the values of those that do not."""
    columns: list[_Column] = []
    same: dict[str, str] = {}
    for fact in KINDS:
        if fact in NAMES:
            counts = table[fact].value_counts()
            if len(counts) == 1:
                same[fact] = str(counts.index[0])
                continue
            # Of two values one says all.
            asked = counts.index[:1] if len(counts) == 2 else counts.index[:MOST_VALUES]
            columns += [
                _Column(fact, str(value), (table[fact] == value).to_numpy(np.float64)) for value in asked
            ]
            continue
        # What cannot be computed, of images of two pixels, counts as nothing.
        score = table[fact].fillna(0).to_numpy(np.float64).round(DECIMALS)
        if score.min() == score.max():
            same[fact] = f"{score[0]:g}"
        else:
            columns.append(_Column(fact, None, score))
    return columns, same


def _reader(listing: pd.DataFrame, target: Ints, colours: NDArray[np.float64]) -> tuple[_Column | None, str]:
    """What a logistic regression on the corners' mean colours says of each image, each tested once."""
    # Here, because its import takes a second.
    from nullcrop.training.baselines import fit_baseline

    samples = listing[["id", "group", "official_split"]]
    features = colours.reshape(len(colours), -1)
    folds = FOLDS_OF[PROTOCOL]
    score = np.empty((len(target), int(target.max()) + 1))
    try:
        for fold in range(folds):
            part = make_split(samples, pd.Series(target), PROTOCOL, fold)["part"].to_numpy()
            tested = part == "test"
            logits = fit_baseline(features, target, np.flatnonzero(part == "train")).logits[tested]
            score[tested] = pooled_score(_log_odds(logits).round(DECIMALS))
    except NullcropError as error:
        return None, str(error)
    return _Column(READER, None, score.round(DECIMALS), inflation(PROTOCOL, range(folds), 1 / folds)), ""


def _log_odds(logits: Floats) -> Floats:
    """Log-odds of each class against the rest (N × K)."""
    return np.stack(
        [
            logits[:, code] - scipy.special.logsumexp(np.delete(logits, code, axis=1), axis=1)
            for code in range(logits.shape[1])
        ],
        axis=1,
    )


def _score_of(column: _Column, code: int) -> Floats:
    return column.score[:, code] if column.score.ndim == 2 else column.score


def words_of_values(told: Told, table: pd.DataFrame, classes: Mapping[str, pd.Index]) -> dict[str, str]:
    """The fact by class in a few characters: the median of a number, the share of a value."""
    found = {}
    for name, rows in classes.items():
        if told.fact == READER:
            found[name] = ""
        elif told.value is None:
            found[name] = f"{table.loc[rows, told.fact].median():.4g}"
        else:
            found[name] = f"{100 * (table.loc[rows, told.fact] == told.value).mean():.0f}%"
    return found
