"""The facts as tables, one for each chart and table of the page."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from nullcrop.config.cell import CELL_COLUMNS, Cell
from nullcrop.figures.style import VIEW_LABELS
from nullcrop.report.charts import looks_of
from nullcrop.report.facts import DatasetFacts, Facts
from nullcrop.statistics.metrics import LEVEL

RESULT_COLUMNS = (
    *("n", "accuracy", "wilson_low", "wilson_high", "no_information_rate"),
    *("auroc", "auroc_low", "auroc_high", "constant"),
)


def panel_of(cell: Cell) -> str:
    """Name of the test protocol a cell belongs to: cells of one panel may be compared."""
    return f"split: {cell.split}; label rule: {cell.labels}"


def planned(dataset: DatasetFacts) -> pd.DataFrame:
    """One row a planned cell: coordinates, state, panel, series, and the metrics of the finished ones."""
    cells = pd.DataFrame(
        [
            {
                **{name: getattr(facts.cell, name) for name in CELL_COLUMNS},
                "state": facts.state,
                "panel": panel_of(facts.cell),
            }
            for facts in dataset.cells
        ]
    )
    labels = {(look.architecture, look.recipe): look.label for look in looks_of(cells)}
    cells["series"] = [labels[pair] for pair in zip(cells["architecture"], cells["recipe"], strict=True)]
    cells["view_label"] = cells["view"].map(VIEW_LABELS)
    # An empty table has columns of no type, which cannot be joined on.
    metrics = dataset.metrics if len(dataset.metrics) else pd.DataFrame(columns=CELL_COLUMNS)
    joined = cells.merge(metrics.astype({"seed": int}), on=CELL_COLUMNS, how="left")
    return joined.reindex(columns=list(dict.fromkeys([*joined, *RESULT_COLUMNS])))


def grid_rows(facts: Facts) -> pd.DataFrame:
    """One row for each study and planned cell, as :func:`~nullcrop.report.charts.grid_chart` draws it."""
    tables = []
    every = pd.concat([planned(dataset) for dataset in facts.datasets], ignore_index=True)
    looks = looks_of(every)
    column = {(look.architecture, look.recipe): (look.label, place) for place, look in enumerate(looks)}
    order = 0
    for dataset in facts.datasets:
        cells = planned(dataset)
        several = {name: cells[name].nunique() > 1 for name in ("split", "labels")}
        for _, rows in cells.groupby("panel", sort=False):
            first = rows.iloc[0]
            suffix = " · ".join(str(first[name]) for name, many in several.items() if many)
            title = dataset.definition.title + (f" · {suffix}" if suffix else "")
            order += 1
            for study, members in dataset.studies.items():
                keys = {tuple(getattr(cell, name) for name in CELL_COLUMNS) for cell in members}
                chosen = rows[[key in keys for key in rows[CELL_COLUMNS].itertuples(index=False, name=None)]]
                tables.append(
                    chosen.assign(row=title, order=order, study=study, href=f"#dataset-{dataset.name}")
                )
    table = pd.concat(tables, ignore_index=True)
    pairs = [column[pair] for pair in zip(table["architecture"], table["recipe"], strict=True)]
    return pd.DataFrame(
        {
            **{name: table[name] for name in ("row", "order", "study", "split", "labels", "seed", "href")},
            "view": table["view_label"],
            "column": [label for label, _ in pairs],
            "column_order": [place for _, place in pairs],
            "done": (table["state"] == "done").astype(int),
            "n": table["n"].astype(float),
            "auroc": table["auroc"].astype(float).round(5),
            "auroc_low": table["auroc_low"].astype(float).round(5),
            "auroc_high": table["auroc_high"].astype(float).round(5),
            "accuracy": table["accuracy"].astype(float).round(5),
            "accuracy_low": table["wilson_low"].astype(float).round(5),
            "accuracy_high": table["wilson_high"].astype(float).round(5),
            "no_information_rate": table["no_information_rate"].astype(float).round(5),
            "constant": (table["constant"] == True).astype(int),  # noqa: E712 - NaN where there is no result
        }
    )


def marks(cells: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Means over seeds, single seeds and nulls of `accuracy` or `auroc`, for measure_chart.

    The interval is that of one test set around the mean over seeds: Wilson's for the accuracy, for
    the AUROC the mean of the seeds' own. It is never the spread over seeds.
    """
    done = cells[cells["state"] == "done"]
    rows: list[dict[str, Any]] = []
    for (panel, view, series), group in done.groupby(["panel", "view", "series"], sort=False):
        value = group[measure].mean()
        if measure == "accuracy":
            n = group["n"].mean()
            low, high = proportion_confint(value * n, n, alpha=1 - LEVEL, method="wilson")
            null = f"no-information rate {group['no_information_rate'].mean():.3f}"
        else:
            low, high = group["auroc_low"].mean(), group["auroc_high"].mean()
            null = "0.5: ranks no better than chance"
        place = {"panel": panel, "view": VIEW_LABELS[str(view)], "series": series}
        constant = int(group["constant"].sum())
        rows.append(
            {
                **place,
                "mark": "mean",
                "value": value,
                "low": low,
                "high": high,
                "constant": constant / len(group),
                "text": with_interval(value, low, high)
                + (
                    f"; mean of {len(group)} seeds, from {group[measure].min():.3f} to {group[measure].max():.3f}"
                    if len(group) > 1
                    else ""
                ),
                "null": null,
                "answer": f"constant in {constant} of {len(group)} cells" if constant else "varies",
            }
        )
        if len(group) > 1:
            rows += [{**place, "mark": "seed", "value": one} for one in group[measure]]
    for panel, group in done.groupby("panel", sort=False):
        nulls = group.groupby("seed")["no_information_rate"].first() if measure == "accuracy" else [0.5]
        rows += [{"panel": panel, "mark": "null", "value": null} for null in sorted(set(nulls))]
    return pd.DataFrame(rows)


def with_interval(value: float, low: float, high: float) -> str:
    """A measure for people: `0.712 (95 % interval 0.601 to 0.823)`."""
    if np.isnan(low):
        return f"{value:.3f}"
    return f"{value:.3f} ({LEVEL:.0%} interval {low:.3f} to {high:.3f})"


def roc_lines(dataset: DatasetFacts, cells: pd.DataFrame) -> pd.DataFrame:
    """ROC curves, one row a cell."""
    return pd.DataFrame(
        [
            {
                **place,
                "x": dataset.curves[cell].false_positive_rate,
                "y": dataset.curves[cell].true_positive_rate,
                "text": with_interval(row["auroc"], row["auroc_low"], row["auroc_high"]),
            }
            for cell, place, row in _finished_rows(cells)
            if dataset.curves[cell].false_positive_rate
        ]
    )


def learning_lines(dataset: DatasetFacts, cells: pd.DataFrame) -> pd.DataFrame:
    """Learning curves, one row a cell and part (training, validation)."""
    return pd.DataFrame(
        [
            {
                **place,
                "part": name,
                "epoch": history["epoch"].tolist(),
                "loss": history[f"{part}_loss"].round(4).tolist(),
                "accuracy": history[f"{part}_accuracy"].round(4).tolist(),
            }
            for cell, place, _ in _finished_rows(cells)
            if "train_loss" in (history := dataset.histories[cell])
            for part, name in (("train", "training"), ("val", "validation"))
        ]
    )


def confusion_counts(dataset: DatasetFacts, cells: pd.DataFrame) -> pd.DataFrame:
    """Images by true and predicted target, summed over seeds."""
    rows: list[dict[str, Any]] = []
    for (panel, view, series), group in cells[cells["state"] == "done"].groupby(
        ["panel", "view", "series"], sort=False
    ):
        members = [cell for cell, _, _ in _finished_rows(group)]
        names = dataset.definition.target_names(members[0].labels)
        counts = np.sum([dataset.curves[cell].confusion for cell in members], axis=0)
        for true, images in zip(names, counts, strict=False):
            for predicted, count in zip(names, images, strict=False):
                rows.append(
                    {
                        "panel": panel,
                        "view": VIEW_LABELS[str(view)],
                        "series": series,
                        "true": true,
                        "predicted": predicted,
                        "images": int(count),
                        "share": round(float(count / images.sum()), 4) if images.sum() else 0.0,
                    }
                )
    return pd.DataFrame(rows)


def _finished_rows(cells: pd.DataFrame) -> Iterable[tuple[Cell, dict[str, Any], dict[str, Any]]]:
    done = cells[cells["state"] == "done"]
    for values in done.itertuples(index=False, name=None):
        row = dict(zip(map(str, done), values, strict=True))
        cell = Cell(**{name: row[name] for name in CELL_COLUMNS})
        place = {
            "panel": row["panel"],
            "view": VIEW_LABELS[row["view"]],
            "series": row["series"],
            "seed": str(row["seed"]),
        }
        yield cell, place, row
