"""What each cell is to the audit, and p corrected over all cells of a study."""

import numpy as np
import pandas as pd

from nullcrop.config.cell import ReaderOnView
from nullcrop.config.names import Field, base_split
from nullcrop.config.readers import BASELINES
from nullcrop.config.views import judging_views

ROLES = ("crop", "view", "other", "shuffled")
"""What a cell is to the audit, see :func:`role_of`."""


def role_of(cell: ReaderOnView, field: Field) -> str:
    """What ``cell`` is to the audit.

    - `crop`: a network, or a baseline that judges, on one of
      :func:`~nullcrop.config.views.judging_views`: the verdict rests on these alone;
    - `view`: one of them on any other view;
    - `other`: any other baseline: of engineered features, of the file's facts, of nothing;
    - `shuffled`: a control trained on shuffled targets.
    """
    if base_split(cell.split)[1]:
        return "shuffled"
    if cell.architecture in BASELINES and not BASELINES[cell.architecture].judges:
        return "other"
    return "crop" if cell.view in judging_views(field) else "view"


def add_study_corrections(metrics: pd.DataFrame) -> pd.DataFrame:
    """``metrics`` of a whole study with ``p_holm`` and ``p_bh``: p_auroc corrected over all its networks.

    Holm (1979) bounds the chance of any false rejection, Benjamini and Hochberg (1995) the share of false
    ones. Each cell counts as a test of its own, folds and seeds too; baselines are a family of their own;
    shuffled cells, and cells without a p, have NaN. A cell without a p counts as one that cannot reject.
    """
    from statsmodels.stats.multitest import multipletests

    metrics = metrics.assign(p_holm=np.nan, p_bh=np.nan)
    baseline = metrics["architecture"].isin(list(BASELINES))
    for family in (~baseline, baseline):
        rows = metrics.index[family & (metrics["role"] != "shuffled")]
        if len(rows):
            p = metrics.loc[rows, "p_auroc"].astype(float)
            for column, method in (("p_holm", "holm"), ("p_bh", "fdr_bh")):
                corrected = multipletests(p.fillna(1), method=method)[1]
                metrics.loc[rows, column] = np.where(p.isna(), np.nan, corrected)
    return metrics
