"""Published values beside reproduced ones: every printed number, and what the cells of a study gave."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nullcrop.basics.files import written_whole
from nullcrop.basics.progress import say
from nullcrop.config.definitions import Definition
from nullcrop.config.names import EARLIER, PUBLISHED, protocol_of
from nullcrop.config.views import study_corners, study_crops
from nullcrop.published.columns import roles_of
from nullcrop.published.finite import ALPHA, Counted, counted, p_same, told_from
from nullcrop.published.official import Official
from nullcrop.published.printed import ROLES, Published, metric_tables, printed_share, read_published
from nullcrop.published.rounding import Rounded
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

DRAWN = ("random", "grouped", "holdout20")
"""Protocols each seed of which draws its test images anew."""

COLUMNS = [
    *("dataset", "where", "balanced", "architecture", "view", "statistic", "metric", "printed"),
    *("printed_least", "printed_most", "printed_n", "printed_low", "printed_high"),
    *("labels", "split", "recipe", "n", "seeds"),
    *("reproduced", "low", "high", "spread", "difference", "tolerance", "agrees"),
    *("units", "p", "p_holm", "told_from", "judged"),
]
"""Columns of the table: what was printed, then what was reproduced (empty where nothing was run)."""

COUNTS = ["printed_least", "printed_most", "printed_n", "n", "seeds", "units"]
"""Columns that hold whole numbers."""

COMPATIBLE, NOT, CANNOT_TELL = "compatible", "not compatible", "cannot tell"
"""What a printed value is beside a reproduced one: no difference is shown; one is; or nothing can be said,
because it is not known of how many images it is (or it is no k of them), because it is the largest or
smallest of several, or because no result at all would have shown a difference."""


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
    digits: Rounded | None = None
    """The value as printed, where it is an accuracy."""
    n: int | None = None
    """Images that it was printed for: those printed beside it, or of the official test part."""

    @property
    def counts(self) -> Counted | None:
        """How many of its images were told, where digits and images say so."""
        return None if self.digits is None else counted(self.digits, self.n)


def printed_values(published: Published, definitions: Mapping[str, Definition]) -> list[Printed]:
    """Every number of Tables 5 to 9 and every accuracy claimed in the text, then the forerunner's, in their
    order.

    A table's columns are read for what they hold, not for what they are headed
    (:func:`~nullcrop.published.columns.roles_of`); as headed where the numbers do not tell.
    A claim of `each` of several cells is one value for each of them.
    """
    return [
        *_of_tables(published, definitions),
        *_of_claims(published, definitions),
        *_of_earlier(published),
    ]


def compare_published(values: Sequence[Printed], metrics: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """The table of COLUMNS: one row for each printed value and each label rule, split and recipe run for it.

    ``metrics`` has one row a cell, as :func:`~nullcrop.statistics.tables.metrics_of_cells` gives
    it. A value stands beside cells whose training part is balanced just if the printed one's was.
    ``reproduced`` is the mean over ``seeds`` runs, ``spread`` their standard deviation (empty for
    one), ``low`` and ``high`` the 95 % interval of one test set with that mean
    (:func:`~nullcrop.statistics.shares.mean_share`). ``agrees`` says whether it differs from the printed
    value by at most ``tolerance``. What was not run is empty. Shares lie in 0 … 1.

    A printed accuracy is ``printed_least`` to ``printed_most`` of ``printed_n`` images, with the interval
    ``printed_low`` to ``printed_high`` (:class:`~nullcrop.published.finite.Counted`). ``p``
    (:func:`~nullcrop.published.finite.p_same`) compares it with the reproduced share of ``units`` independent
    images or groups, ``p_holm`` is corrected after Holm (1979) over all comparisons of the table, ``judged``
    is COMPATIBLE, NOT or CANNOT_TELL, and ``told_from`` the smallest difference that would have been shown,
    were it the smallest p of them.
    """
    rows: list[dict[str, Any]] = []
    for value in values:
        counts = value.counts
        interval = counts.interval if counts else (np.nan, np.nan)
        printed = {
            "dataset": value.dataset,
            "where": value.where,
            "balanced": value.balanced,
            "architecture": value.architectures[0] if len(value.architectures) == 1 else "any",
            "view": value.views[0] if len(value.views) == 1 else "any of " + " ".join(value.views),
            "statistic": value.statistic,
            "metric": value.metric,
            "printed": value.value,
            "printed_least": counts and counts.least,
            "printed_most": counts and counts.most,
            "printed_n": value.n,
            "printed_low": interval[0],
            "printed_high": interval[1],
        }
        found = [{**printed, **one, "tolerance": tolerance} for one in _reproduced(value, metrics)]
        for one in found:
            one["difference"] = one["reproduced"] - value.value
            one["agrees"] = bool(abs(one["difference"]) <= tolerance)
            if counts and value.statistic == "value":
                one["p"] = p_same(counts, one["reproduced"], one["units"])
        rows += found or [printed]
    return _judged(pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(COUNTS, "Int64")))


def _judged(table: pd.DataFrame) -> pd.DataFrame:
    """``table`` with ``p_holm``, ``told_from`` and ``judged`` of every comparison."""
    from statsmodels.stats.multitest import multipletests

    tested = table.index[table["p"].notna()]
    table = table.astype({"p": float, "p_holm": float, "told_from": float, "judged": object})
    table.loc[table["reproduced"].notna(), "judged"] = CANNOT_TELL
    if len(tested):
        table.loc[tested, "p_holm"] = multipletests(table.loc[tested, "p"], method="holm")[1]
    for place in tested:
        row = table.loc[place]
        counts = Counted(*(int(row[f"printed_{name}"]) for name in ("least", "most", "n")))
        smallest = told_from(counts, int(row["units"]), ALPHA / len(tested))
        table.loc[place, "told_from"] = smallest
        if row["p_holm"] <= ALPHA:
            table.loc[place, "judged"] = NOT
        elif not np.isnan(smallest):
            table.loc[place, "judged"] = COMPATIBLE
    return table


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
        f"{table.loc[run, 'agrees'].sum()} agree within {tolerance:g}; as numbers of finite tests "
        + ", ".join(f"{(table['judged'] == word).sum()} {word}" for word in (COMPATIBLE, NOT, CANNOT_TELL))
    )


def _of_tables(published: Published, definitions: Mapping[str, Definition]) -> Iterator[Printed]:
    for table, dataset, rows in metric_tables(published):
        official = Official(definitions[dataset], f"{dataset}.yaml") if dataset in definitions else None
        roles, images = roles_of(rows, official), official.images("test") if official else None
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
                    *((row[column], images) if metric == "accuracy" else ()),
                )


def _of_claims(published: Published, definitions: Mapping[str, Definition]) -> Iterator[Printed]:
    for claim in published["claims.csv"].to_dict("records"):
        architectures = STUDIED if claim["architecture"] == "any" else (claim["architecture"],)
        views = REGIONS.get(claim["region"], (claim["region"],))
        statistic, _, over = str(claim["statistic"]).partition(" over ")
        if over == "grid":
            architectures, views = STUDIED, tuple(study_crops())
        accuracy = printed_share("claims.csv", str(claim["accuracy"]))
        definition = definitions.get(claim["dataset"])
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
                accuracy.value,
                accuracy,
                Official(definition, "").images("test") if definition else None,
            )


def _of_earlier(published: Published) -> Iterator[Printed]:
    for row in published["earlier_study.csv"].to_dict("records"):
        accuracy = printed_share("earlier_study.csv", str(row["accuracy"]))
        yield Printed(
            row["dataset"],
            f"Dhar and Shamir (2021), {row['table']}",
            False,
            (row["architecture"],),
            (EARLIER_VIEWS.get(row["view"], row["view"]),),
            "value",
            "accuracy",
            accuracy.value,
            accuracy,
            int(row["n_test"]),
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
        yield {
            **{"labels": labels, "split": split, "recipe": recipe},
            **{"reproduced": chosen.pop("mean"), "units": _independent(panel, chosen), **chosen},
        }


def _independent(panel: pd.DataFrame, chosen: Mapping[str, Any]) -> int:
    """Independent images behind a mean over seeds: those that are tested at least once, as far as they can be
    expected, and of a group one."""
    images, protocol = chosen["n"], protocol_of(str(panel["split"].iloc[0]))
    if protocol == "leave_one_group_out":
        # Its parts are whole groups, so that images are its units, each tested once.
        return int(panel.drop_duplicates("seed")["n"].sum())
    drawn = protocol in DRAWN and {"n_train", "n_val"} <= set(panel)
    if drawn:
        every = float((panel["n_train"] + panel["n_val"] + panel["n"]).mean())
        images = every * (1 - (1 - images / every) ** chosen["seeds"])
    apart = panel["units"].sum() / panel["n"].sum() if "units" in panel else 1.0
    return max(1, int(images * apart + 1e-9))
