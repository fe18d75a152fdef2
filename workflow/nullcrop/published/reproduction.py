"""Published values beside reproduced ones: every printed number, and what the cells of a study gave."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import written_whole
from nullcrop.basics.progress import say
from nullcrop.config.definitions import Definition
from nullcrop.config.names import EARLIER, PUBLISHED
from nullcrop.config.views import study_corners, study_crops
from nullcrop.published.columns import roles_of
from nullcrop.published.official import Official
from nullcrop.published.printed import ROLES, Published, metric_tables, read_published
from nullcrop.statistics.shares import mean_share
from nullcrop.statistics.tables import read_metrics

STUDIED = ("resnet50", "densenet121", "inception_v3", "vgg16")
"""The study's networks: those that `any` in its claims stands for."""

BALANCED_TABLES = ("Table 5", "Table 6", "Table 8", "Table 9")
"""Tables whose text says that the classes are balanced; Table 7 and all claims are of the classes as they
are."""

REGIONS = {"crops": tuple(study_crops()), "corners": tuple(study_corners())}
"""Words of the claims that stand for several views; `grid` in a statistic means all of them."""

EARLIER_VIEWS = {"foreground": "otsu_foreground", "background": "otsu_background"}
"""The forerunner's patches and the views that are cut by the same rule."""

COLUMNS = [
    *("dataset", "where", "balanced", "architecture", "view", "statistic", "metric", "printed"),
    *("labels", "split", "recipe", "n", "seeds"),
    *("reproduced", "low", "high", "spread", "difference", "tolerance", "agrees"),
]
"""Columns of the table: what was printed, then what was reproduced (empty where nothing was run)."""


@dataclass(frozen=True)
class Printed:
    """One printed number and the cells it is about."""

    dataset: str
    where: str
    balanced: bool
    architectures: tuple[str, ...]
    views: tuple[str, ...]
    statistic: str
    """`value` of one cell; `max` or `min` over the cells."""
    metric: str
    value: float


def printed_values(published: Published, definitions: Mapping[str, Definition]) -> list[Printed]:
    """Every number of Tables 5 to 9 and every accuracy claimed in the text, then the forerunner's, in their
    order.

    A table's columns are read for what they hold, not for what they are headed
    (:func:`~nullcrop.published.columns.roles_of`); as headed where the numbers do not tell.
    A claim of `each` of several cells is one value for each of them.
    """
    return [*_of_tables(published, definitions), *_of_claims(published), *_of_earlier(published)]


def compare_published(values: Sequence[Printed], metrics: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """The table of COLUMNS: one row for each printed value and each label rule, split and recipe run for it.

    ``metrics`` has one row a cell, as :func:`~nullcrop.statistics.tables.metrics_of_cells` gives
    it. A value stands beside cells whose training part is balanced just if the printed one's was.
    ``reproduced`` is the mean over ``seeds`` runs, ``spread`` their standard deviation (empty for
    one), ``low`` and ``high`` the 95 % interval of one test set with that mean
    (:func:`~nullcrop.statistics.shares.mean_share`). ``agrees`` says whether it differs from the printed
    value by at most ``tolerance``. What was not run is empty. Shares lie in 0 … 1.
    """
    rows: list[dict[str, Any]] = []
    for value in values:
        printed = {
            "dataset": value.dataset,
            "where": value.where,
            "balanced": value.balanced,
            "architecture": value.architectures[0] if len(value.architectures) == 1 else "any",
            "view": value.views[0] if len(value.views) == 1 else "any of " + " ".join(value.views),
            "statistic": value.statistic,
            "metric": value.metric,
            "printed": value.value,
        }
        found = [{**printed, **one, "tolerance": tolerance} for one in _reproduced(value, metrics)]
        for one in found:
            one["difference"] = one["reproduced"] - value.value
            one["agrees"] = bool(abs(one["difference"]) <= tolerance)
        rows += found or [printed]
    return pd.DataFrame(rows, columns=COLUMNS)


def write_reproduction(
    published: Sequence[Path],
    definitions: Mapping[str, Definition],
    metrics: Path,
    tolerance: float,
    out: Path,
) -> None:
    """Write :func:`compare_published` of a study's ``metrics`` table as CSV; say how many values were run.

    Named are all values of the papers (the study, its forerunner) of which ``metrics`` holds a dataset.
    """
    cells = read_metrics(metrics)
    papers = [datasets for datasets in (PUBLISHED, EARLIER) if set(datasets) & set(cells["dataset"])]
    values = [
        value
        for value in printed_values(read_published(published), definitions)
        if any(value.dataset in datasets for datasets in papers)
    ]
    table = compare_published(values, cells, tolerance)
    with written_whole(out) as aside:
        table.to_csv(aside, index=False)
    run = table["reproduced"].notna()
    printed = table.drop_duplicates(COLUMNS[:8])["reproduced"].notna()
    say(
        f"{printed.sum()} of {len(printed)} printed values were run; of {run.sum()} comparisons "
        f"{table.loc[run, 'agrees'].sum()} agree within {tolerance:g}"
    )


def _of_tables(published: Published, definitions: Mapping[str, Definition]) -> Iterator[Printed]:
    for table, dataset, rows in metric_tables(published):
        official = Official(definitions[dataset], f"{dataset}.yaml") if dataset in definitions else None
        roles = roles_of(rows, official)
        columns = {"accuracy": "accuracy", **(roles.columns if roles else ROLES)}
        for row in rows.to_dict("records"):
            for metric, column in columns.items():
                yield Printed(
                    dataset,
                    table,
                    table in BALANCED_TABLES,
                    (row["architecture"],),
                    (row["region"],),
                    "value",
                    metric,
                    row[column].value,
                )


def _of_claims(published: Published) -> Iterator[Printed]:
    for claim in published["claims.csv"].to_dict("records"):
        architectures = STUDIED if claim["architecture"] == "any" else (claim["architecture"],)
        views = REGIONS.get(claim["region"], (claim["region"],))
        statistic, _, over = str(claim["statistic"]).partition(" over ")
        if over == "grid":
            architectures, views = STUDIED, tuple(study_crops())
        try:
            accuracy = float(claim["accuracy"])
        except ValueError:
            raise NullcropError(f"claims.csv: '{claim['accuracy']}' is not a share such as 0.8021") from None
        several = (
            [((architecture,), (view,)) for architecture in architectures for view in views]
            if statistic == "each"
            else [(architectures, views)]
        )
        for of_architectures, of_views in several:
            yield Printed(
                claim["dataset"],
                claim["where"],
                False,
                of_architectures,
                of_views,
                "value" if statistic == "each" else statistic,
                "accuracy",
                accuracy,
            )


def _of_earlier(published: Published) -> Iterator[Printed]:
    for row in published["earlier_study.csv"].to_dict("records"):
        yield Printed(
            row["dataset"],
            f"Dhar and Shamir (2021), {row['table']}",
            False,
            (row["architecture"],),
            (EARLIER_VIEWS.get(row["view"], row["view"]),),
            "value",
            "accuracy",
            float(row["accuracy"]),
        )


def _reproduced(value: Printed, metrics: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """What the cells gave, for each label rule, split and recipe under which all cells of ``value`` were
    run."""
    cells = metrics[
        (metrics["dataset"] == value.dataset)
        & metrics["architecture"].isin(value.architectures)
        & metrics["view"].isin(value.views)
        & (metrics["split"].str.contains("_balanced") == value.balanced)
    ]
    # Precision, recall and F-1 of one class are those of two targets.
    if value.metric != "accuracy":
        cells = cells.dropna(subset=["tp"]) if "tp" in cells else cells.iloc[:0]
    for (labels, split, recipe), panel in cells.groupby(["labels", "split", "recipe"]):
        means = [mean_share(value.metric, runs) for _, runs in panel.groupby(["architecture", "view"])]
        # The largest of some of the cells is not the largest of all of them.
        if len(means) < len(value.architectures) * len(value.views):
            continue
        choose = min if value.statistic == "min" else max
        chosen = choose(means, key=lambda one: one["mean"])
        yield {"labels": labels, "split": split, "recipe": recipe, "reproduced": chosen.pop("mean"), **chosen}
