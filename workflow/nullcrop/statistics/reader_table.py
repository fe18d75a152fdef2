"""What each reader amounts to on each view of a dataset: one row of a table, on which verdicts rest."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import scipy

from nullcrop.basics.progress import tracked
from nullcrop.config.detectable import enough_arrangements, minimal_detectable, null_error
from nullcrop.config.names import FOLDS_OF, Field, base_split, protocol_of
from nullcrop.config.readers import AVERAGE
from nullcrop.statistics.auroc import LEVEL, estimate_auroc
from nullcrop.statistics.crossfit import Reading, averages, readings, together
from nullcrop.statistics.families import role_of
from nullcrop.statistics.maxt import Family, maxt
from nullcrop.statistics.metrics import accuracy_interval
from nullcrop.statistics.tables import FinishedCell


def judge_readers(cells: Sequence[FinishedCell], field: Field, level: float) -> pd.DataFrame:
    """One row for each reader and view among finished ``cells`` of one dataset, over all their seeds or
    folds.

    Rows of one label rule and split come together: first those of the role `crop`, with the average of all
    readers on each view (architecture `average`) and, last of them, that over all these views (view
    `together`, in no family). Columns beside READER_COLUMNS:

    - ``role`` (:func:`~nullcrop.statistics.families.role_of`), ``seeds`` (cells),
      ``folds`` (different ones among them; 0 where seeds are none), ``constant_cells``;
    - ``n``, ``units``, ``rarest_units`` of the images tested, ``ungrouped`` (those without a group),
      ``n_train`` of a cell;
    - ``auroc`` of the pooled score, ``auroc_error`` and the 95 % interval ``auroc_low``, ``auroc_high`` by
      units, ``p_auroc`` (one-sided, against 0.5, for this row alone);
    - ``inflation``: the factor c, which is in all intervals, bounds and p;
    - ``p_maxt``, ``p_stepdown``, ``bound_low``, ``bound_high``: corrected over, and simultaneous for, the
      ``members`` of the same label rule, split and role (:func:`~nullcrop.statistics.maxt.maxt`, error rate
      ``level``), the bounds within 0 … 1; ``can_tell``: whether an AUROC of 1 would have counted there;
      ``minimal``: the AUROC that would have been found with a chance of 80 %, 1 where nothing would have been
      (:func:`~nullcrop.config.detectable.minimal_detectable`);
    - ``upper``: one-sided 95 % bound of this row alone, of a constant score as if it told nothing;
    - ``accuracy``: share of right answers, with its 95 % interval by units ``accuracy_low``,
      ``accuracy_high``; of an average, which gives no answers, NaN;
    - ``shuffles``, ``p_shuffle``: retrainings on shuffled targets, and the share of AUROCs at least as large
      among this and those.
    """
    families: dict[tuple[str, str], dict[str, list[Reading]]] = defaultdict(lambda: defaultdict(list))
    for one in readings(cells):
        families[one.reader.labels, one.reader.split][role_of(one.reader, field)].append(one)
    rows: list[dict[str, Any]] = []
    count = sum(map(len, families.values()))
    ordered = ((key, role, own) for key, roles in families.items() for role, own in roles.items())
    for _, role, own in tracked(ordered, count, "families of readers tested"):
        rows += _family_rows(role, own, level)
    table = pd.DataFrame(rows)
    return table.join(_shuffle_columns(table)).assign(field=field, level=level)


def _family_rows(role: str, own: list[Reading], level: float) -> list[dict[str, Any]]:
    members = own + (averages(own) if role == "crop" else [])
    if role == "shuffled":
        family = None  # controls are tested one by one
    else:
        tested = [(one.test, one.score) for one in members]
        family = maxt(tested, level, inflation=[one.inflation for one in members])
    rows = [_row(role, one, family, place, level) for place, one in enumerate(members)]
    if role == "crop":
        rows.append(_row(role, together(own), None, 0, level))
    return rows


def _row(role: str, one: Reading, family: Family | None, place: int, level: float) -> dict[str, Any]:
    estimate = estimate_auroc(one.test, one.score)[0]
    error = one.inflation * estimate.error
    half = scipy.stats.t.ppf((1 + LEVEL) / 2, estimate.df) * error
    low, high = np.clip([estimate.value - half, estimate.value + half], 0, 1)
    corrected = _corrected(one, family, place, level) if family is not None else {}
    # The larger of the AUROC's own error and the test's. A constant has none, which is no sign that others
    # could not read.
    one_sided = float(scipy.stats.norm.ppf(LEVEL))
    errors = [estimate.error, corrected.get("null_error", np.nan)]
    if np.isnan(estimate.error):
        # It rests on one unit of a target: how far it is from what others would give is not known.
        errors = [np.inf]
    if one.score.min() == one.score.max():
        errors = [null_error(one.test.units_of_targets)]
    return {
        **asdict(one.reader),
        "role": role,
        "seeds": len(one.seeds),
        "folds": _folds(one),
        "constant_cells": one.constant,
        "n": one.test.n,
        "units": one.test.n_units,
        "rarest_units": one.test.rarest_units,
        "ungrouped": int((one.test.group == "").sum()),
        "n_train": one.trained,
        "auroc": estimate.value,
        "auroc_error": estimate.error,
        "auroc_low": float(low),
        "auroc_high": float(high),
        "p_auroc": float(scipy.stats.t.sf((estimate.value - 0.5) / error, estimate.df)),
        "inflation": one.inflation,
        "upper": float(min(1, estimate.value + one_sided * one.inflation * np.fmax.reduce(errors))),
        **corrected,
        **_accuracy(one),
    }


def _folds(one: Reading) -> int:
    folds = FOLDS_OF.get(protocol_of(one.reader.split))
    return len({seed % folds for seed in one.seeds}) if folds else 0


def _accuracy(one: Reading) -> dict[str, float]:
    if np.isnan(one.correct).any():
        return dict.fromkeys(("accuracy", "accuracy_low", "accuracy_high"), np.nan)
    low, high = accuracy_interval(one.test, one.correct, one.inflation)
    return {"accuracy": float(one.correct.mean()), "accuracy_low": low, "accuracy_high": high}


def _corrected(one: Reading, family: Family, place: int, level: float) -> dict[str, Any]:
    units, members = one.test.units_of_targets, len(family.value)
    return {
        "p_maxt": float(family.p[place]),
        "p_stepdown": float(family.p_stepdown[place]),
        "bound_low": float(np.clip(family.low[place], 0, 1)),
        "bound_high": float(np.clip(family.high[place], 0, 1)),
        "null_error": float(family.null_error[place]),
        "members": members,
        # No p is known of an AUROC that rests on one unit of each of several targets.
        "can_tell": enough_arrangements(units, level)
        and not np.isnan(family.p[place])
        and (family.can_tell or (not family.null_error.any() and null_error(units) < np.inf)),
        "minimal": min(1.0, minimal_detectable(units, members, level, one.inflation)),
    }


def _shuffle_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Columns `shuffles` and `p_shuffle` of each row."""
    names = ["dataset", "labels", "view", "architecture", "recipe"]
    controls: dict[Hashable, list[float]] = defaultdict(list)
    for row in table[table["role"] == "shuffled"].to_dict("records"):
        controls[base_split(row["split"])[0], *(row[name] for name in names)].append(row["auroc"])
    of_rows = [
        np.array(
            controls[row["split"], *(row[name] for name in names)] if row["architecture"] != AVERAGE else []
        )
        for row in table.to_dict("records")
    ]
    p = [
        (1 + int((aurocs >= auroc).sum())) / (len(aurocs) + 1) if len(aurocs) else np.nan
        for aurocs, auroc in zip(of_rows, table["auroc"], strict=True)
    ]
    return pd.DataFrame({"shuffles": [len(aurocs) for aurocs in of_rows], "p_shuffle": p}, index=table.index)
