"""Which cells are tested together, and the columns that say what a family's cells amount to."""

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from nullcrop.config.cell import CELL_COLUMNS, Cell
from nullcrop.config.names import Field, base_split
from nullcrop.config.readers import BASELINES
from nullcrop.config.views import judging_views
from nullcrop.statistics.maxt import maxt
from nullcrop.statistics.metrics import Answers

ROLES = ("crop", "view", "baseline", "shuffled")
"""What a cell is to the audit, see :func:`role_of`."""


def role_of(cell: Cell, field: Field) -> str:
    """What ``cell`` is to the audit.

    - `crop`: a network on one of :func:`~nullcrop.config.views.judging_views`: the verdict rests on these
    alone;
    - `view`: a network on any other view;
    - `baseline`: an answer without a network;
    - `shuffled`: a control trained on shuffled targets.
    """
    if base_split(cell.split)[1]:
        return "shuffled"
    if cell.architecture in BASELINES:
        return "baseline"
    return "crop" if cell.view in judging_views(field) else "view"


def add_families(
    metrics: pd.DataFrame, answers: Sequence[Answers], field: Field, level: float
) -> pd.DataFrame:
    """``metrics`` (one row a cell, in the order of ``answers``) with the columns of its families.

    - ``role``, see :func:`role_of`;
    - ``p_maxt``, ``auroc_bound``: p corrected over, and lower bound simultaneous for, the cells of the same
      dataset, label rule, split and role (:func:`~nullcrop.statistics.maxt.maxt`, error rate
      ``level``); NaN for shuffled cells, which belong to no family;
    - ``p_shuffle``: share of AUROCs at least as large, among this cell and its ``shuffles`` retrained on
      shuffled targets; NaN where it has none.
    """
    cells = [Cell(*row) for row in metrics[CELL_COLUMNS].itertuples(index=False)]
    roles = [role_of(cell, field) for cell in cells]
    families: dict[Hashable, list[int]] = defaultdict(list)
    controls: dict[Cell, list[float]] = defaultdict(list)
    for i, (cell, role) in enumerate(zip(cells, roles, strict=True)):
        if role == "shuffled":
            controls[_with_split(cell, base_split(cell.split)[0])].append(metrics["auroc"].iloc[i])
        else:
            families[cell.dataset, cell.labels, cell.split, role].append(i)
    p, bound = np.full((2, len(cells)), np.nan)
    for places in families.values():
        family = maxt([(answers[i].test, answers[i].score) for i in places], level)
        p[places], bound[places] = family.p, family.bound
    counts = [len(controls[cell]) for cell in cells]
    reached = [
        np.sum(np.array(controls[cell]) >= auroc) for cell, auroc in zip(cells, metrics["auroc"], strict=True)
    ]
    p_shuffle = [
        (1 + at_least) / (count + 1) if count else np.nan
        for at_least, count in zip(reached, counts, strict=True)
    ]
    return metrics.assign(role=roles, p_maxt=p, auroc_bound=bound, shuffles=counts, p_shuffle=p_shuffle)


def add_study_corrections(metrics: pd.DataFrame) -> pd.DataFrame:
    """``metrics`` of a whole study with ``p_holm`` and ``p_bh``: p_auroc corrected over all its networks.

    Holm (1979) bounds the chance of any false rejection, Benjamini and Hochberg (1995) the share of
    false ones. Baselines are a family of their own; shuffled cells, and cells without a p, have NaN. A cell
    without a p counts as one that cannot reject.
    """
    metrics = metrics.assign(p_holm=np.nan, p_bh=np.nan)
    for roles in (("crop", "view"), ("baseline",)):
        rows = metrics.index[metrics["role"].isin(roles)]
        if len(rows):
            p = metrics.loc[rows, "p_auroc"].astype(float)
            for column, method in (("p_holm", "holm"), ("p_bh", "fdr_bh")):
                corrected = multipletests(p.fillna(1), method=method)[1]
                metrics.loc[rows, column] = np.where(p.isna(), np.nan, corrected)
    return metrics


def _with_split(cell: Cell, split: str) -> Cell:
    return Cell(**{name: getattr(cell, name) for name in CELL_COLUMNS if name != "split"}, split=split)
