"""How often the audit raises an alarm on generated datasets whose truth is known."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy
from statsmodels.stats.proportion import proportion_confint

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import written_whole
from nullcrop.basics.progress import tracked
from nullcrop.config.cell import Cell
from nullcrop.config.names import BASELINE_RECIPE, CROSSFIT
from nullcrop.config.readers import is_network
from nullcrop.config.views import TOGETHER
from nullcrop.statistics.auroc import LEVEL, TestSet, estimate_auroc
from nullcrop.statistics.reader_table import judge_readers
from nullcrop.statistics.tables import FinishedCell, answers_on_shared

SERIES = ["cue", "strength", "patients", "images_per_patient", "split"]
ALL = "all"
"""Every architecture together: the audit of a dataset."""

AUDIT, ONE_SPLIT, NAIVE = "audit", "one split", "naive"

NO_CUE = ("none", "patient")
"""Cues that tell nothing of the class of a new patient."""

MEMBER = ["architecture", "method", "reader", "view"]

JUDGED_COLUMNS = [*SERIES, "dataset", *MEMBER, "seed", "auroc", "p", "low", "upper", "level"]


def judge_phantoms(predictions: Path, level: float, out: Path) -> None:
    """Write :func:`judged` of the datasets in ``predictions`` as CSV."""
    groups = read_calibration(predictions).groupby([*SERIES, "dataset"], sort=False)
    tables = [judged(table, level) for _, table in tracked(groups, groups.ngroups, "datasets judged")]
    with written_whole(out) as aside:
        pd.concat(tables).to_csv(aside, index=False)


def write_calibration(paths: Sequence[Path], out: Path) -> None:
    """Write :func:`alarm_rates` of the tables of :func:`judge_phantoms` in ``paths`` as CSV."""
    table = alarm_rates(pd.concat([read_calibration(path) for path in paths], ignore_index=True))
    with written_whole(out) as aside:
        table.to_csv(aside, index=False)


def read_calibration(path: Path) -> pd.DataFrame:
    """Read predictions of :func:`~nullcrop.calibration.audits.audit_phantoms`, or a table of this module;
    NullcropError names a bad file."""
    try:
        return pd.read_csv(path, dtype={"cue": str, "split": str, "id": str, "group": str})
    except (OSError, ValueError) as error:
        raise NullcropError(f"cannot read {path}: {error}; delete it and run again") from None


def finished_cells(predictions: pd.DataFrame) -> list[FinishedCell]:
    """The cells of one phantom and split in ``predictions``, as if they had been read from their files.

    Cells that were tested on the same images share a test set.
    """
    tests: dict[str, TestSet] = {}
    split = str(predictions["split"].iloc[0])
    columns = [str(name) for name in predictions if "." in str(name)]
    cells = []
    for seed, part in predictions.groupby("seed"):
        record = {"n_train": int(part["n_train"].iloc[0]), "n_test": len(part)}
        for view, architecture in (name.split(".") for name in columns):
            score = part[f"{view}.{architecture}"].to_numpy(np.float64)
            answers = part[["id", "group", "target"]].assign(
                predicted=(score > 0) * 1, logit_0=0.0, logit_1=score
            )
            recipe = "calibration" if is_network(architecture) else BASELINE_RECIPE
            cell = Cell("phantom", "printed", split, view, architecture, recipe, int(str(seed)))
            cells.append(FinishedCell(cell, record, answers_on_shared(answers, 2, tests)))
    return cells


def judged(predictions: pd.DataFrame, level: float) -> pd.DataFrame:
    """What is said of one phantom and split, one row a reader and view, by method.

    ``predictions`` as :func:`~nullcrop.calibration.audits.audit_phantoms` writes them. Columns:
    JUDGED_COLUMNS. ``architecture`` is who takes part, `all` or one alone, ``reader`` who reads. Methods:

    - `audit`: as a dataset is judged (:func:`~nullcrop.statistics.reader_table.judge_readers`): networks,
      baselines and their average, over all folds; p and the lower bound are corrected over them;
    - `one split`: the same of the networks of a single split, without baselines and average, as datasets
      were judged before there was cross-fitting;
    - `naive`: each cell by itself, images taken for independent (DeLong), its p not corrected, without
      bounds.
    """
    cells = finished_cells(predictions)
    first = predictions.iloc[0]
    series = {name: first[name] for name in [*SERIES, "dataset"]}
    rows: list[dict[str, Any]] = []
    for architecture in (ALL, *dict.fromkeys(one.cell.architecture for one in cells)):
        own = [one for one in cells if architecture in (ALL, one.cell.architecture)]
        rows += [{"architecture": architecture, **row} for row in _rows(AUDIT, own, level)]
        rows += [{"architecture": architecture, **row} for row in _naive_rows(own)]
    if first["split"] not in CROSSFIT:
        networks = [one for one in cells if is_network(one.cell.architecture)]
        rows += [{"architecture": ALL, **row} for row in _rows(ONE_SPLIT, networks, level)]
    return pd.DataFrame(rows).assign(level=level, **series)[JUDGED_COLUMNS]


def _rows(method: str, cells: Sequence[FinishedCell], level: float) -> Iterator[dict[str, Any]]:
    table = judge_readers(cells, "whole", level)
    for row in table[(table["role"] == "crop") & (table["view"] != TOGETHER)].to_dict("records"):
        yield {
            "method": method,
            "reader": row["architecture"],
            "view": row["view"],
            "seed": cells[0].cell.seed,
            "auroc": row["auroc"],
            "p": row["p_maxt"],
            "low": row["bound_low"],
            "upper": row["upper"],
        }


def _naive_rows(cells: Sequence[FinishedCell]) -> Iterator[dict[str, Any]]:
    for one in cells:
        test = one.answers.test
        estimate = estimate_auroc(TestSet(test.target, np.full(test.n, "")), one.answers.score)[0]
        yield {
            "method": NAIVE,
            "reader": one.cell.architecture,
            "view": one.cell.view,
            "seed": one.cell.seed,
            "auroc": estimate.value,
            "p": estimate.p,
            "low": np.nan,
            "upper": np.nan,
        }


def alarm_rates(judged: pd.DataFrame) -> pd.DataFrame:
    """Share of datasets with an alarm, by series, architecture and method.

    ``judged``: rows of :func:`judged` of many datasets, at one level. An alarm is any p at most the level.
    Columns: SERIES, ``architecture``, ``method``, ``level``, and

    - ``datasets``, ``alarms``, ``share`` with its exact 95 % interval ``low``, ``high`` (Clopper and
      Pearson);
    - ``auroc``: mean over readers, views and datasets, with Student's 95 % interval over datasets;
    - ``low_held``, ``upper_held``, ``coverage``: shares of the datasets in which all simultaneous lower
      bounds lie at or below the truth, in which the upper bound that a verdict quotes (the largest) lies
      at or above every truth, and both. Without a cue the truth is 0.5. With one it is not known: the mean
      AUROC of that reader on that view over the datasets of the series stands in for it. That is what
      training on so many images reaches, and is itself estimated from so many datasets. NaN where there are
      no bounds.
    """
    series = [*SERIES, "architecture", "method"]
    truth = judged.groupby([*series, "reader", "view"], sort=False)["auroc"].transform("mean")
    truth = truth.mask(judged["cue"].isin(NO_CUE) | (judged["strength"] == 0), 0.5)
    bounds = judged.assign(
        alarm=judged["p"] <= judged["level"],
        over=judged["low"] > truth,
        truth=truth,
    )
    of_datasets = (
        bounds.groupby([*series, "dataset"], sort=False)
        .agg(
            alarm=("alarm", "any"),
            auroc=("auroc", "mean"),
            over=("over", "any"),
            upper=("upper", "max"),
            truth=("truth", "max"),
            level=("level", "first"),
        )
        .reset_index()
    )
    rows = []
    for key, table in of_datasets.groupby(series, sort=False):
        datasets, alarms = len(table), int(table["alarm"].sum())
        low, high = proportion_confint(alarms, datasets, alpha=1 - LEVEL, method="beta")
        auroc = table["auroc"].mean()
        half = (
            scipy.stats.t.ppf((1 + LEVEL) / 2, datasets - 1) * table["auroc"].sem()
            if datasets > 1
            else np.nan
        )
        rows.append(
            {
                **dict(zip(series, key, strict=True)),
                "level": table["level"].iloc[0],
                "datasets": datasets,
                "alarms": alarms,
                "share": alarms / datasets,
                "low": low,
                "high": high,
                "auroc": auroc,
                "auroc_low": auroc - half,
                "auroc_high": auroc + half,
                **_held(table),
            }
        )
    return pd.DataFrame(rows).sort_values(SERIES, kind="stable", ignore_index=True)


def _held(of_datasets: pd.DataFrame) -> dict[str, float]:
    """Shares of the datasets whose bounds hold."""
    if of_datasets["upper"].isna().all():
        return dict.fromkeys(("low_held", "upper_held", "coverage"), np.nan)
    low_held, upper_held = ~of_datasets["over"], of_datasets["upper"] >= of_datasets["truth"]
    return {
        "low_held": float(low_held.mean()),
        "upper_held": float(upper_held.mean()),
        "coverage": float((low_held & upper_held).mean()),
    }
