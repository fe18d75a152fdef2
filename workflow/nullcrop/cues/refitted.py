"""Many simple readers of one label rule and split, with exact nulls and one family of bounds."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.progress import tracked
from nullcrop.basics.threads import mapped
from nullcrop.statistics.auroc import Floats, Ints, TestSet, estimate_auroc
from nullcrop.statistics.crossfit import inflation
from nullcrop.statistics.maxt import drawn_labels
from nullcrop.statistics.refits import Fold, Refits, folds_of, simultaneous
from nullcrop.training.cells import read_split

READ_COLUMNS = ["auroc", "low", "high", "p", "images", "units"]


def splits_by_name(paths: Iterable[Path]) -> dict[tuple[str, str], list[Path]]:
    """Files as results/splits/{dataset}/{labels}/{split}/seed{seed}.csv by label rule and split."""
    found: dict[tuple[str, str], list[Path]] = {}
    for path in paths:
        found.setdefault((path.parent.parent.name, path.parent.name), []).append(path)
    return found


def rows_read(splits: Sequence[Path], most: int | None) -> Ints:
    """Rows of the images that :func:`read_all` reads of more than ``most``."""
    _, folds = folds_of([read_split(path) for path in splits], most)
    return np.unique(np.concatenate([rows for fold in folds for rows in (fold.train, fold.test)]))


def read_all(
    features: Callable[[int], NDArray[np.floating]],
    count: int,
    splits: Sequence[Path],
    draws: int,
    level: float,
    threads: int,
    most: int | None = None,
) -> pd.DataFrame:
    """AUROC, bounds and corrected p (READ_COLUMNS) of ``count`` ridge regressions on ``splits``, the seeds or
    folds of one label rule and split; a row a reader.

    ``features`` gives those of a reader by its number (N × any number). Every reader is refitted to each of
    ``draws`` of the labels (statistics/refits.py); bounds and p hold for all of them at once, at ``level``.
    Raises NullcropError when a class is in one group alone.
    """
    tables = [read_split(path) for path in splits]
    seeds = [int(path.stem.removeprefix("seed")) for path in splits]
    test, folds = folds_of(tables, most)
    if test.rarest_units < 2:
        raise NullcropError(f"{splits[0]}: a class is in one group alone, so nothing can tell it from that")
    rows: Ints | slice = slice(None)
    if most is not None and test.n > most:
        # What nobody reads takes no memory.
        read_rows = np.unique(np.concatenate([part for fold in folds for part in (fold.train, fold.test)]))
        test = TestSet(test.target[read_rows], test.group[read_rows], test.name)
        folds = [Fold(*(np.searchsorted(read_rows, part) for part in (one.train, one.test))) for one in folds]
        rows = read_rows
    refits = Refits(folds, drawn_labels(test, draws))
    tested = TestSet(test.target[refits.tested], test.group[refits.tested], test.name)
    share = float(np.mean([len(fold.test) / len(fold.train) for fold in folds]))
    factor = inflation(splits[0].parent.name, seeds, share)

    def read(number: int) -> tuple[Floats, float]:
        found = refits.fit(np.asarray(features(number)[rows], dtype=float))
        return found.aurocs, factor * estimate_auroc(tested, found.score)[0].error

    with threadpool_limits(1):
        read_one_by_one = mapped(read, range(count), threads, largest_block=1)
        results = list(tracked(read_one_by_one, count, "readers refitted"))
    aurocs = np.stack([of for of, _ in results])
    p, low, high = simultaneous(aurocs, np.array([error for _, error in results]), level)
    return pd.DataFrame(
        {
            "auroc": aurocs[:, 0],
            "low": low,
            "high": high,
            "p": p,
            "images": tested.n,
            "units": tested.n_units,
        }
    )
