"""Findings in the accuracies of Tables 5 to 9, of the text and of the forerunner."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from nullcrop.published.findings import Finding
from nullcrop.published.official import Official
from nullcrop.published.printed import HEADINGS, Published, metric_tables, printed_accuracies, printed_share
from nullcrop.published.rounding import Rounded, multiples, percent, sizes_that_fit, tells_size

SIZES_UP_TO = 10_000
"""The largest test part that is looked for."""

RUNS_UP_TO = 10
"""Over how many runs a printed number may be the mean."""


def test_sizes(published: Published, known: Mapping[str, Official]) -> Iterator[Finding]:
    """What the printed shares tell of the number of test images, beside the official part and a tenth."""
    for dataset, table, file, printed in printed_accuracies(published):
        official = known.get(dataset)
        images = official.images() if official else None
        if official is None or images is None:
            continue
        count, test = len(printed), official.images("test")
        tenths = sorted({images // 10, -(-images // 10)})
        if not tells_size(printed, max([test or 0, *tenths] if test is None else [test])):
            continue
        of_tenths = ", ".join(f"{multiples(printed, n)} of k / {n:,}" for n in tenths)
        if test is not None and multiples(printed, test) == count:
            if not tells_size(printed, tenths[-1]) or any(multiples(printed, n) == count for n in tenths):
                continue
            computed = f"{count} of {count} are k / {test:,}"
            evidence = (
                f"{test:,} is the official test part. A tenth of {images:,} images would be "
                f"{' or '.join(f'{n:,}' for n in tenths)}: {of_tenths}."
            )
        elif test is not None:
            computed = f"{multiples(printed, test)} of {count} are k / {test:,}"
            evidence = f"{test:,} is the official test part. A tenth of {images:,} images: {of_tenths}."
            if multiples(printed, test - 1) == count:
                evidence += f" All are k / {test - 1:,}, one image fewer."
        elif all(multiples(printed, n) < count for n in tenths):
            computed = f"{of_tenths} (of {count})"
            evidence = (
                f"The release has no test part of its own, and a tenth of {images:,} images is "
                f"{' or '.join(f'{n:,}' for n in tenths)}."
            )
        else:
            continue
        yield Finding(
            dataset,
            table,
            "size of the test part",
            "1 accuracy"
            if count == 1
            else f"{count} different accuracies"
            if table == "text"
            else f"{count} accuracies",
            computed,
            evidence + _fitting(printed, known, "test", dataset),
            f"{file}, {official.file}",
        )
    for table, dataset, rows in metric_tables(published):
        if dataset not in known:
            continue
        for column, heading in HEADINGS.items():
            printed = list(rows[column])
            fitting = _fitting(printed, known, "positives", dataset)
            if fitting:
                yield Finding(
                    dataset,
                    table,
                    "size of the test part",
                    f"{len(printed)} values headed {heading}",
                    f"all are k / {sizes_that_fit(printed, SIZES_UP_TO)[0]:,}",
                    fitting.strip(),
                    f"metrics_as_printed.csv, {known[dataset].file}",
                )


def _fitting(printed: Sequence[Rounded], known: Mapping[str, Official], what: str, first: str) -> str:
    """The smallest n of which all numbers are k / n, and the official count it is a multiple of.

    Said only where fewer than one such list of numbers in a million would fit some n by chance.
    """
    limit = min([SIZES_UP_TO, *(number.scale // 2 for number in printed)])
    if limit * (limit / min(number.scale for number in printed)) ** len(printed) > 1e-6:
        return ""
    sizes = sizes_that_fit(printed, limit)
    if not sizes:
        return f" No n up to {limit:,} fits all." if what == "test" else ""
    n, words = sizes[0], ""
    for name in sorted(known, key=lambda name: name != first):
        official = known[name]
        counts: list[tuple[str, int | None]] = [
            (f"the official test part of {official.title}", official.images("test"))
        ]
        if what == "positives":
            pairs = [(rule, official.targets(rule, "test")) for rule in official.rules]
            counts = [
                (
                    f"the images with cancer present under `{rule}` in the test part of {official.title}",
                    pair[0],
                )
                for rule, pair in pairs
                if pair
            ]
        for phrase, size in counts:
            for fewer, runs in product((0, 1) if what == "test" else (0,), range(1, RUNS_UP_TO + 1)):
                # That it is the size of the dataset's own test part says nothing.
                usual = (name, runs, fewer, what) == (first, 1, 0, "test")
                if size and not words and not usual and n == runs * (size - fewer):
                    times = f"{n:,} = {runs} × {size - fewer:,}, " if runs > 1 else f"{n:,} is "
                    words = f" {times}{'one fewer than ' if fewer else ''}{phrase}."
    return f" The smallest n that fits all {len(printed)} is {n:,}.{words}"


def earlier_sizes(published: Published, known: Mapping[str, Official]) -> Iterator[Finding]:
    """Accuracies of the forerunner that are no k / n of the number of test images printed beside them."""
    for row in published["earlier_study.csv"].to_dict("records"):
        printed, n = printed_share("earlier_study.csv", str(row["accuracy"])), int(row["n_test"])
        if printed.numerator(n) is not None:
            continue
        k = int(printed.value * n)
        near = [f"{i:,} / {n:,} = {percent(i, n, printed.decimals)}" for i in (k, k + 1)]
        yield Finding(
            str(row["dataset"]),
            f"forerunner, {row['table']}",
            "size of the test part",
            f"{printed.percent} ({row['view']})",
            f"not k / {n:,}",
            f"The nearest are {' and '.join(near)}; {n:,} is the number of test images printed beside it.",
            "earlier_study.csv",
        )


def constant_answers(published: Published, known: Mapping[str, Official]) -> Iterator[Finding]:
    """Accuracies that equal the share of the larger class of the official test part."""
    rows = [
        (dataset, table, "metrics_as_printed.csv", row["accuracy"], row["architecture"], row["region"])
        for table, dataset, metrics in metric_tables(published)
        for row in metrics.to_dict("records")
    ] + [
        (
            str(claim["dataset"]),
            str(claim["where"]),
            "claims.csv",
            printed_share("claims.csv", str(claim["accuracy"])),
            claim["architecture"],
            claim["region"],
        )
        for claim in published["claims.csv"].to_dict("records")
    ]
    merged: dict[tuple[Any, ...], list[str]] = {}
    for dataset, table, file, accuracy, architecture, region in rows:
        official = known.get(dataset)
        if official is None or not official.images("test"):
            continue
        rules: dict[tuple[int, int], list[str]] = {}
        for rule in official.rules:
            share = official.largest_share(rule)
            if share and tells_size([accuracy], share[1]) and accuracy.numerator(share[1]) == share[0]:
                rules.setdefault(share[:2], []).append(f"cancer {share[2]} under `{rule}`")
        for (k, n), phrases in rules.items():
            key = (dataset, table, file, accuracy, k, n, "; ".join(phrases))
            merged.setdefault(key, []).append(f"{architecture} {region}")
    for (dataset, table, file, accuracy, k, n, phrases), where in merged.items():
        yield Finding(
            dataset,
            table,
            "score of a constant answer",
            f"{accuracy.percent} ({', '.join(where)})",
            f"{k:,} / {n:,}",
            f"{k:,} / {n:,} = {percent(k, n, accuracy.decimals)} is the share of the larger class of the "
            f"official test part ({phrases}).",
            f"{file}, {known[dataset].file}",
        )
