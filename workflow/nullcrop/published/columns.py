"""Findings in the columns and rows of Tables 5 to 9: which column holds what, and which rows recur."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import pandas as pd

from nullcrop.published.findings import Finding
from nullcrop.published.official import Official
from nullcrop.published.printed import HEADINGS, ROLES, Published, metric_tables
from nullcrop.published.rounding import (
    beside_harmonic_mean,
    harmonic_mean,
    multiples,
    percent,
    prevalence_range,
    tells_size,
)


@dataclass(frozen=True)
class Roles:
    """Which printed column holds what, and how it is known."""

    columns: dict[str, str]
    reason: str


def roles_of(rows: pd.DataFrame, official: Official | None) -> Roles | None:
    """Which columns of a table hold recall, F-1 and precision, or None where the numbers do not tell.

    F-1 is the column that is the harmonic mean of the other two in every row. Of those the recall
    is the one whose values are all k / positives of the official test part, or else the one that
    leaves a share of positives common to all rows.
    """
    means = [
        column
        for column in HEADINGS
        if all(position == "within" for position in _beside(rows, column, _others(column)))
    ]
    if len(means) != 1:
        return None
    candidates = _others(means[0])
    for rule in official.rules if official else []:
        pair = official.targets(rule, "test") if official else None
        if pair is None:
            continue
        full = [
            column
            for column in candidates
            if tells_size(list(rows[column]), pair[0]) and multiples(list(rows[column]), pair[0]) == len(rows)
        ]
        if len(full) == 1:
            return Roles(
                _assigned(full[0], means[0]),
                f"all {len(rows)} values headed {HEADINGS[full[0]]} are k / {pair[0]:,}, the images with "
                f"cancer present under `{rule}` in the official test part, so it is the recall",
            )
    shares = {}
    for recall, precision in permutations(candidates):
        ranges = [
            prevalence_range(*numbers)
            for numbers in zip(rows["accuracy"], rows[recall], rows[precision], strict=True)
        ]
        low, high = max(r[0] for r in ranges), min(r[1] for r in ranges)
        if low <= high:
            shares[recall] = low, high
    if len(shares) != 1:
        return None
    recall, (low, high) = shares.popitem()
    return Roles(
        _assigned(recall, means[0]),
        f"with the column headed {HEADINGS[recall]} as the recall all rows agree on one share of positives "
        f"({100 * low:.1f} to {100 * high:.1f} %), the other way round on none{_share_of_release(official)}",
    )


def _share_of_release(official: Official | None) -> str:
    """The share of positives under the default rule, to be read beside one that was inferred."""
    if official is None or (pair := official.targets(official.definition.default_rule)) is None:
        return ""
    present, images = pair[0], sum(pair)
    return f"; the release holds {present:,} / {images:,} = {percent(present, images, 3)}"


def _others(column: str) -> list[str]:
    return [other for other in HEADINGS if other != column]


def _assigned(recall: str, f1: str) -> dict[str, str]:
    (precision,) = (column for column in HEADINGS if column not in (recall, f1))
    return {"recall": recall, "f1": f1, "precision": precision}


def _beside(rows: pd.DataFrame, column: str, others: Sequence[str]) -> list[str]:
    return [
        beside_harmonic_mean(*numbers)
        for numbers in zip(rows[column], *(rows[other] for other in others), strict=True)
    ]


def columns_not_as_headed(published: Published, known: Mapping[str, Official]) -> Iterator[Finding]:
    """Tables whose columns do not recombine as they are headed: F-1 from recall and precision."""
    for table, dataset, rows in metric_tables(published):
        official = known.get(dataset)
        sources = "metrics_as_printed.csv" + (f", {official.file}" if official else "")
        within = {column: _beside(rows, column, _others(column)).count("within") for column in HEADINGS}
        roles = roles_of(rows, official)
        headed = ", ".join(HEADINGS.values())
        count = f"{len(rows)} of {len(rows)} rows"
        if roles and roles.columns != ROLES:
            held = {column: HEADINGS[ROLES[role]] for role, column in roles.columns.items()}
            yield Finding(
                dataset,
                table,
                "columns",
                headed,
                ", ".join(held[column] for column in HEADINGS),
                f"The column headed {HEADINGS[roles.columns['f1']]} is the harmonic mean of the other two "
                f"in {count} (the one headed F-1 in {within['f1_printed']}); {roles.reason}.",
                sources,
            )
        elif roles is None and within["f1_printed"] < len(rows):
            others = _others("f1_printed")
            positions = _beside(rows, "f1_printed", others)
            gaps = [
                harmonic_mean(a.value, b.value) - f.value
                for f, a, b in zip(rows["f1_printed"], *(rows[other] for other in others), strict=True)
            ]
            far = max(range(len(gaps)), key=lambda i: abs(gaps[i]))
            full = [HEADINGS[column] for column, number in within.items() if number == len(rows)]
            evidence = (
                f"F-1 is the harmonic mean of recall and precision in {positions.count('within')} of "
                f"{len(rows)} rows, below it in {positions.count('below')} and above it in "
                f"{positions.count('above')}; the largest difference is {100 * abs(gaps[far]):.2f} points "
                f"({rows['architecture'][far]} {rows['region'][far]})."
            )
            if full:
                evidence += f" The column headed {' and '.join(full)} is it in every row."
            elif "above" not in positions:
                evidence += " Means over several runs give such rows: they are never above it."
            yield Finding(
                dataset,
                table,
                "columns",
                headed,
                f"{positions.count('within')} of {len(rows)} recombine",
                evidence,
                sources,
            )


def full_recalls(published: Published, known: Mapping[str, Official]) -> Iterator[Finding]:
    """Recalls of 100 %, and how many negative images their accuracies leave told."""
    for table, dataset, rows in metric_tables(published):
        official = known.get(dataset)
        roles = roles_of(rows, official)
        column = roles.columns["recall"] if roles else ROLES["recall"]
        full = rows[[number.units == number.scale for number in rows[column]]]
        if full.empty:
            continue
        evidence = f"The column headed {HEADINGS[column]} holds the recall." if roles else ""
        computed = f"{len(full)} rows"
        n = official.images("test") if official else None
        for rule in official.rules if official else []:
            pair = official.targets(rule, "test") if official else None
            correct = [accuracy.numerator(n) for accuracy in full["accuracy"]] if n else []
            if pair is None or None in correct or not tells_size(list(full["accuracy"]), n or 0):
                continue
            told = [k - pair[0] for k in correct if k is not None]
            if min(told) < 0:
                continue
            computed = f"{', '.join(map(str, told))} of {pair[1]:,} negatives told"
            evidence += (
                f" Under `{rule}` the official test part holds {pair[0]:,} positives and {pair[1]:,} "
                "negatives. All positives told, the accuracies "
                f"{', '.join(f'{k:,} / {n:,}' for k in dict.fromkeys(correct))} leave "
                f"{', '.join(map(str, dict.fromkeys(told)))} negatives told."
            )
        where = [f"{a} {r}" for a, r in zip(full["architecture"], full["region"], strict=True)]
        yield Finding(
            dataset,
            table,
            "recall of 100 %",
            f"100 % ({', '.join(where)})",
            computed,
            evidence.strip() or "No positive image was missed.",
            "metrics_as_printed.csv" + (f", {official.file}" if official else ""),
        )


def same_rows(published: Published, known: Mapping[str, Official]) -> Iterator[Finding]:
    """Pairs of tables of which half the rows or more hold the same numbers."""
    columns = ["architecture", "accuracy", *ROLES.values()]
    for (table, dataset, rows), (other, _, others) in combinations(metric_tables(published), 2):
        pairs = rows.merge(others, on=columns, suffixes=("", "_other"))
        shared = len(pairs.drop_duplicates(["architecture", "region"]))
        if 2 * shared < len(rows):
            continue
        moved = pairs[pairs["region"] != pairs["region_other"]]
        moves = dict.fromkeys(zip(moved["region"], moved["region_other"], strict=True))
        title = known[dataset].title if dataset in known else dataset
        name = str(others["dataset"][0])
        yield Finding(
            dataset,
            f"{table}, {other}",
            "same rows",
            f"{len(rows)} rows each",
            f"{shared} rows are the same",
            f"{shared} of the {len(rows)} rows of {table} ({title}) hold the four numbers of a row of "
            f"{other} ({known[name].title if name in known else name}) for the same architecture, "
            f"{len(moved)} of them "
            f"under another region: " + "; ".join(f"{a} there is {b} here" for b, a in moves) + ".",
            "metrics_as_printed.csv",
        )
