"""What a reader says of all images that a split tests: the scores of its cells, put together.

A reader is an architecture with its recipe; each of its cells (a seed, a fold) answers for one test part.
Scores of different networks are of different scales, so they are put together by their ranks within each
part (pooled AUROC of a cross-validation: Parker, Günter and Bedo 2007, BMC Bioinformatics 8:326).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
import scipy

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import sha256_of_lines
from nullcrop.config.cell import ReaderOnView
from nullcrop.config.detectable import inflation_of_folds, inflation_of_seeds
from nullcrop.config.names import FOLDS_OF, protocol_of
from nullcrop.config.readers import AVERAGE
from nullcrop.config.views import TOGETHER
from nullcrop.statistics.auroc import Floats, Ints, TestSet
from nullcrop.statistics.tables import FinishedCell

DECIMALS = 12
"""Of pooled scores: the noise of sums of floats would break ties."""

TIED = 1e-10
"""Means of pooled scores that are nearer to each other are one: what the scores were rounded by must not part
them. Ranks of different parts differ by more."""


@dataclass(frozen=True, eq=False)
class Reading:
    """What a reader says of all images it was tested on."""

    reader: ReaderOnView
    seeds: tuple[int, ...]
    """Seeds of its cells."""
    test: TestSet
    """All images it was tested on; the same object for readings of the same test parts."""
    score: Floats
    """Pooled scores in -½ … ½ of every image, N or N×K, see :func:`pooled_score`."""
    correct: Floats
    """Share of right answers to each image (N)."""
    inflation: float
    """Factor c, see config/detectable.py."""
    trained: float
    """Training images of a cell, in the mean."""
    constant: int
    """Cells that answer with one class alone."""


def readings(cells: Sequence[FinishedCell]) -> list[Reading]:
    """One reading for each reader among ``cells`` of one dataset, in the order of their first cells.

    Images that several cells of a reader tested have the mean of their scores. Where parts differ, the
    test set is all images of the parts; the units are the groups, but of `leave_one_group_out` the
    images: there each part is one group, within which the ranks are taken.
    """
    of_readers: dict[ReaderOnView, list[FinishedCell]] = defaultdict(list)
    for one in cells:
        of_readers[ReaderOnView.of(one.cell)].append(one)
    pooled: dict[tuple[TestSet, ...], tuple[TestSet, list[Ints]]] = {}
    found = []
    for reader, own in of_readers.items():
        parts = tuple(one.answers.test for one in own)
        if parts not in pooled:
            pooled[parts] = _pool(parts, by_image=protocol_of(reader.split) == "leave_one_group_out")
        test, places = pooled[parts]
        seeds = tuple(one.cell.seed for one in own)
        shares = [one.record["n_test"] / one.record["n_train"] for one in own]
        found.append(
            Reading(
                reader,
                seeds,
                test,
                _mean_by_image([pooled_score(one.answers.score) for one in own], places, test.n).round(
                    DECIMALS
                ),
                _mean_by_image([one.answers.correct.astype(float) for one in own], places, test.n),
                inflation(reader.split, seeds, float(np.mean(shares))),
                float(np.mean([one.record["n_train"] for one in own])),
                sum(one.answers.constant for one in own),
            )
        )
    return found


def pooled_score(score: Floats) -> Floats:
    """Midranks of one test part's ``score`` (N, or N×K: column by column), less ½, over N, in -½ … ½; 0 for
    a constant."""
    ranks: Floats = (scipy.stats.rankdata(score, axis=0) - 0.5) / len(score) - 0.5
    return ranks


def inflation(split: str, seeds: Sequence[int], test_share: float) -> float:
    """Factor c of a reading (config/detectable.py) over the cells of ``seeds`` of ``split``.

    1 for one cell, and on an official split, whose test part no network is trained on.
    """
    protocol = protocol_of(split)
    if len(seeds) == 1 or protocol == "official":
        return 1.0
    folds = FOLDS_OF.get(protocol)
    if folds is None:
        return inflation_of_seeds(len(seeds), test_share)
    partitions = {seed // folds for seed in seeds}
    # Over several partitions most pairs of images have trained for each other: the largest factor there is.
    return inflation_of_folds(folds, [seed % folds for seed in seeds]) if len(partitions) == 1 else sqrt(2)


def averages(of: Iterable[Reading]) -> list[Reading]:
    """For each view that several readings judge on the same images, the reading of their mean score.

    ``of`` are readings of one dataset, label rule and split. The average counts each reader the same.
    """
    by_view: dict[tuple[str, TestSet], list[Reading]] = defaultdict(list)
    for one in of:
        by_view[one.reader.view, one.test].append(one)
    return [mean_of(own) for own in by_view.values() if len(own) > 1]


def together(of: Iterable[Reading]) -> Reading:
    """The reading of the mean score of all readers on all views, of those that tested the most images.

    Its AUROC is the size of an effect: nobody chose it after the result.
    """
    by_test: dict[TestSet, list[Reading]] = defaultdict(list)
    for one in of:
        by_test[one.test].append(one)
    mean = mean_of(max(by_test.values(), key=lambda own: (own[0].test.n, len(own))))
    return replace(mean, reader=replace(mean.reader, view=TOGETHER))


def mean_of(of: Sequence[Reading]) -> Reading:
    """The reading of the mean score of readings on the same images; its view is that of the first."""
    first = of[0]
    return replace(
        first,
        reader=replace(first.reader, architecture=AVERAGE, recipe=AVERAGE),
        score=tied(np.mean([one.score for one in of], axis=0)),
        correct=np.full(first.test.n, np.nan),  # ranks give no answer
        inflation=max(one.inflation for one in of),
        trained=float(np.mean([one.trained for one in of])),
        constant=0,
    )


def tied(values: Floats) -> Floats:
    """``values`` (of any shape), of which neighbours nearer than TIED are one."""
    found, places = np.unique(values, return_inverse=True)
    begins = np.diff(found, prepend=-np.inf) > TIED
    same: Floats = found[begins][np.cumsum(begins) - 1][places].reshape(values.shape)
    return same


def _pool(parts: Sequence[TestSet], by_image: bool) -> tuple[TestSet, list[Ints]]:
    """All images of ``parts``, ordered by id, as one test set, and where each part's images are in it (N of
    the part each)."""
    if len(set(parts)) == 1 and not by_image:
        return parts[0], [np.arange(parts[0].n)] * len(parts)
    if any(part.image is None for part in parts):
        raise NullcropError("test parts without ids of their images cannot be put together")
    ids, first, places = np.unique(
        np.concatenate([part.image for part in parts]),
        return_index=True,
        return_inverse=True,
    )
    target = np.concatenate([part.target for part in parts])[first]
    group = np.concatenate([part.group for part in parts])[first]
    if by_image:
        group = np.full(len(ids), "")
    name = sha256_of_lines([f"{i}\t{g}\t{t}" for i, g, t in zip(ids, group, target, strict=True)])
    ends = np.cumsum([part.n for part in parts])
    return TestSet(target, group, name, ids), np.split(places.astype(np.int64), ends[:-1])


def _mean_by_image(values: Sequence[Floats], places: Sequence[Ints], n: int) -> Floats:
    """Mean over the cells that tested an image (n or n×K)."""
    total, times = np.zeros((n, *values[0].shape[1:])), np.zeros(n)
    for value, place in zip(values, places, strict=True):
        total[place] += value  # no image is twice in a part
        times[place] += 1
    return total / (times if total.ndim == 1 else times[:, None])
