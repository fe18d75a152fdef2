"""What the report says as tables, one for each chart and table of the page."""

from collections.abc import Iterable
from dataclasses import asdict, astuple
from typing import Any

import numpy as np
import pandas as pd

from nullcrop.config.cell import CELL_COLUMNS, READER_COLUMNS, Cell, ReaderOnView
from nullcrop.config.names import base_split
from nullcrop.config.readers import BASELINES, label_of, without_pixels
from nullcrop.config.views import view_label
from nullcrop.figures.accuracy import NO_PIXELS
from nullcrop.report.charts import GRID_MEASURES, looks_of
from nullcrop.report.contents import Contents, DatasetContents
from nullcrop.statistics.auroc import LEVEL
from nullcrop.statistics.shares import no_information_rates

RESULT_COLUMNS = (
    *("n", "accuracy", "accuracy_low", "accuracy_high", "no_information_rate"),
    *("auroc", "auroc_low", "auroc_high", "constant"),
)


def kind_of(cell: ReaderOnView) -> str:
    """Whether a cell is a `network`, a `baseline`, or either of them on `shuffled` targets."""
    if base_split(cell.split)[1]:
        return "shuffled"
    return "baseline" if cell.architecture in BASELINES else "network"


def planned(dataset: DatasetContents) -> pd.DataFrame:
    """One row a planned cell: coordinates, state, what kind of cell it is, and the metrics if it is done.

    Added columns: state; kind (network, baseline, or shuffled: trained on shuffled targets); panel; series;
    place (the view, or that no pixel is seen).
    """
    cells = pd.DataFrame([{**asdict(one.cell), "state": one.state} for one in dataset.cells])
    table = cells.merge(dataset.tables.metrics.astype({"seed": int}), on=CELL_COLUMNS, how="left")
    return described(table.reindex(columns=list(dict.fromkeys([*table, *RESULT_COLUMNS]))))


def described(cells: pd.DataFrame) -> pd.DataFrame:
    """``cells`` (or readers) with the columns kind, panel, series and place, see :func:`planned`."""
    labels = {(look.architecture, look.recipe): look.label for look in looks_of(cells)}
    every = [ReaderOnView(*map(str, row)) for row in cells[READER_COLUMNS].to_numpy()]
    return cells.assign(
        kind=[kind_of(one) for one in every],
        panel=[
            f"split: {split}; label rule: {rule}"
            for split, rule in zip(cells["split"], cells["labels"], strict=True)
        ],
        series=[labels[pair] for pair in zip(cells["architecture"], cells["recipe"], strict=True)],
        place=cells["view"].map(view_label).mask(cells["architecture"].isin(without_pixels()), NO_PIXELS),
    )


def readers(dataset: DatasetContents) -> pd.DataFrame:
    """One row for each reader on a view, over all its seeds or folds."""
    if len(dataset.tables.readers):
        return dataset.tables.readers
    return pd.DataFrame(columns=[*READER_COLUMNS, "auroc", "auroc_low", "auroc_high"])


def compared(dataset: DatasetContents, comparison: str) -> pd.DataFrame:
    """Rows of one kind of comparison."""
    table = dataset.tables.comparisons
    if table.empty:
        return table
    table = table[table["comparison"] == comparison]
    if table.empty:
        return table
    return described(table).assign(other=table["other"].map(label_of))


def verdicts(dataset: DatasetContents) -> pd.DataFrame:
    """Verdicts on each label rule and split, the ones to quote first, in the order of the study's label
    rules."""
    table = dataset.tables.verdicts
    if table.empty:
        return table
    rules = list(dict.fromkeys(one.cell.labels for one in dataset.cells))
    table = table.sort_values("labels", key=lambda names: names.map(rules.index), kind="stable")
    return table.sort_values("headline", ascending=False, kind="stable")


def grid_rows(contents: Contents) -> pd.DataFrame:
    """One row for each planned network, as :func:`~nullcrop.report.charts.grid_chart` draws it."""
    tables = []
    for dataset in contents.datasets:
        pooled = readers(dataset).reindex(columns=[*READER_COLUMNS, *GRID_MEASURES])
        pooled = pooled.rename(columns={name: f"pooled_{name}" for name in GRID_MEASURES})
        cells = planned(dataset).merge(pooled, on=READER_COLUMNS, how="left")
        cells = cells[cells["kind"] == "network"]
        several = [name for name in ("split", "labels") if cells[name].nunique() > 1]
        suffix = cells[several].agg(" · ".join, axis=1).radd(" · ") if several else ""
        tables.append(
            cells.assign(
                row=dataset.definition.title + suffix, href=f"#dataset-{dataset.name}", dataset=dataset.name
            )
        )
    table = pd.concat(tables, ignore_index=True)
    table = table.reindex(columns=list(dict.fromkeys([*table, *RESULT_COLUMNS])))
    table["no_information_rate"] = no_information_rates(table)
    looks = looks_of(table)
    labels = {(look.architecture, look.recipe): place for place, look in enumerate(looks)}
    columns = [labels[pair] for pair in zip(table["architecture"], table["recipe"], strict=True)]
    results = (*GRID_MEASURES, *(f"pooled_{name}" for name in GRID_MEASURES), "no_information_rate")
    return pd.DataFrame(
        {
            **{name: table[name] for name in ("row", "split", "labels", "seed", "href")},
            "order": table.groupby(["dataset", "row"], sort=False).ngroup(),
            "view": table["place"],
            "column": [looks[place].label for place in columns],
            "column_order": columns,
            "done": (table["state"] == "done").astype(int),
            "constant": table["constant"].eq(True).astype(int),
            **{name: table[name].astype(float).round(5) for name in results},
        }
    )


def marks(cells: pd.DataFrame, measure: str, pooled: pd.DataFrame) -> pd.DataFrame:
    """What readers reach in `accuracy` or `auroc`, single seeds and nulls, for measure_chart.

    Values and intervals are those of ``pooled`` (:func:`readers`), never the spread over seeds.
    """
    done = cells[cells["state"] == "done"]
    done = done.assign(no_information_rate=no_information_rates(done))
    rows: list[dict[str, Any]] = []
    for (panel, view, series), group in done.groupby(["panel", "place", "series"], sort=False):
        value, low, high = (
            group[READER_COLUMNS]
            .head(1)
            .merge(pooled, on=READER_COLUMNS)[[measure, f"{measure}_low", f"{measure}_high"]]
            .iloc[0]
        )
        null = (
            f"no-information rate {group['no_information_rate'].mean():.3f}"
            if measure == "accuracy"
            else "0.5: ranks no better than chance"
        )
        place = {"panel": panel, "view": view, "series": series}
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
                    f"; of {len(group)} cells, from {group[measure].min():.3f} to {group[measure].max():.3f}"
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


def roc_lines(dataset: DatasetContents, cells: pd.DataFrame) -> pd.DataFrame:
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


def printed_values(published: pd.DataFrame) -> pd.DataFrame:
    """Published values with their right answers in words (`printed_right`), those that were run first."""
    right = [
        "" if pd.isna(least) else f"{least:,}" if least == most else f"{least:,} to {most:,}"
        for least, most in published[["printed_least", "printed_most"]].itertuples(index=False, name=None)
    ]
    run = published["reproduced"].isna().to_numpy()
    return published.assign(printed_right=right).iloc[np.argsort(run, kind="stable")]


def learning_lines(dataset: DatasetContents, cells: pd.DataFrame) -> pd.DataFrame:
    """Learning curves, one row a cell and part (training, validation) that its split has."""
    histories = dict(list(dataset.histories.groupby(CELL_COLUMNS)))
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
            for history in [histories[astuple(cell)]]
            for part, name in (("train", "training"), ("val", "validation"))
            if history[f"{part}_loss"].notna().any()
        ]
    )


def confusion_counts(dataset: DatasetContents, cells: pd.DataFrame) -> pd.DataFrame:
    """Images by true and predicted target, summed over seeds."""
    rows: list[dict[str, Any]] = []
    for (panel, view, series), group in cells[cells["state"] == "done"].groupby(
        ["panel", "place", "series"], sort=False
    ):
        members = [cell for cell, _, _ in _finished_rows(group)]
        names = dataset.definition.target_names(members[0].labels)
        counts = np.sum([dataset.curves[cell].confusion for cell in members], axis=0)
        for true, images in zip(names, counts, strict=False):
            for predicted, count in zip(names, images, strict=False):
                rows.append(
                    {
                        "panel": panel,
                        "view": view,
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
            "view": row["place"],
            "series": row["series"],
            "seed": str(row["seed"]),
        }
        yield cell, place, row
