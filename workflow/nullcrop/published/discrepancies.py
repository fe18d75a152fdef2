"""Published numbers beside what can be counted or computed without an image.

Every finding is computed from the published tables and the definitions' counts, so that another
table or another count gives another list. A finding says what was printed, what was counted and
by which rule; why they differ is not for this module to say.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import pandas as pd

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import read_json, written_whole
from nullcrop.config.definitions import Definition, Expected
from nullcrop.config.views import study_crops
from nullcrop.published.rounding import (
    Rounded,
    beside_harmonic_mean,
    harmonic_mean,
    multiples,
    parse_column,
    prevalence_range,
    sizes_that_fit,
    tells_size,
)

KINDS = {
    "counts of the files": "Files at hand whose counts are not the definition's; the published numbers are then "
    "compared with the definition's.",
    "counts do not add up": "Present and absent samples should add up to the printed total.",
    "counts differ from the release": "Counts of the release under the label rule as printed, and under the others.",
    "counts of another dataset": "Rows whose total is not the release's, beside the counts of the other datasets.",
    "size of the test part": "An accuracy on n images is k / n for a whole number k. "
    "The study's text says 80/10/10; the official parts are the release's own.",
    "score of a constant answer": "Printed accuracies that equal the share of the larger class in the official test part. "
    "An answer that is the same for every image scores this; the number alone does not tell how it came about.",
    "recall of 100 %": "No positive image is missed: what is left is how many negative ones were told.",
    "columns": "F-1 is the harmonic mean of recall and precision.",
    "same rows": "Tables that hold one another's numbers.",
    "no-information rate": "What an answer blind to the image reaches, beside the chance level of the text.",
    "balanced classes": "Images of each class after balancing, beside the counts of the release.",
}
"""Kinds of findings, in the order of the table, and what each compares."""

FILES = {
    "datasets_as_printed.csv": [
        "dataset",
        "printed_total",
        "printed_present",
        "printed_absent",
        "table",
    ],
    "metrics_as_printed.csv": [
        "table",
        "dataset",
        "architecture",
        "region",
        "accuracy",
        "recall_printed",
        "f1_printed",
        "precision_printed",
    ],
    "claims.csv": ["dataset", "architecture", "region", "statistic", "accuracy", "where"],
    "counts_in_text.csv": ["dataset", "statistic", "value", "where"],
    "earlier_study.csv": ["dataset", "n_test", "view", "accuracy", "table"],
}
"""The published tables, and the columns that are read."""

SIZES_UP_TO = 10_000
RUNS_UP_TO = 10
PARTS = {"train": "training", "val": "validation", "test": "test"}
ROLES = {"recall": "recall_printed", "f1": "f1_printed", "precision": "precision_printed"}
HEADINGS = {"recall_printed": "Recall", "f1_printed": "F-1", "precision_printed": "Precision"}

Definitions = Mapping[str, Definition]
Published = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Finding:
    """One row of the table."""

    dataset: str
    table: str
    kind: str
    printed: str
    computed: str
    evidence: str
    sources: str


COLUMNS = [field.name for field in fields(Finding)]


def list_discrepancies(
    published: Published, definitions: Definitions, counted: Path | None = None
) -> pd.DataFrame:
    """All findings, one row each (columns: COLUMNS), ordered by kind and, within a kind, as printed.

    ``published`` holds the tables of FILES by file name, as :func:`read_published` gives them;
    ``definitions`` the definitions of the datasets they name. A dataset without a definition is
    compared with itself alone. ``counted``, the dataset.json of one dataset, puts what was counted in
    its files in place of the definition's counts, and narrows the findings to those that rest on it.
    """
    checks = (
        _sums,
        _own_counts,
        _counts_of_others,
        _test_sizes,
        _earlier_sizes,
        _constant_answers,
        _full_recall,
        _columns,
        _same_rows,
        _no_information_rates,
        _balanced_classes,
    )
    known = {name: Official(definition, f"{name}.yaml") for name, definition in definitions.items()}
    if counted is not None:
        name, official, differing = _counted(counted, definitions)
        known[name] = official
    found = [finding for check in checks for finding in check(published, known)]
    if counted is not None:
        found = [finding for finding in found if finding.dataset == name and official.file in finding.sources]
        found += differing
    found.sort(key=lambda finding: list(KINDS).index(finding.kind))
    return pd.DataFrame([astuple(finding) for finding in found], columns=COLUMNS)


def write_discrepancies(
    files: Sequence[Path], definitions: Definitions, out: Path, counted: Path | None = None
) -> None:
    """Write :func:`list_discrepancies` of the published ``files`` as CSV."""
    table = list_discrepancies(read_published(files), definitions, counted)
    with written_whole(out) as aside:
        table.to_csv(aside, index=False)


def read_published(files: Sequence[Path]) -> dict[str, pd.DataFrame]:
    """The published tables by file name, every field as the text that stands there.

    Raises NullcropError when a table of FILES is missing, lacks a column, or cannot be read.
    """
    paths = {Path(path).name: Path(path) for path in files}
    missing = [name for name in FILES if name not in paths]
    if missing:
        raise NullcropError(f"the published table {', '.join(missing)} was not given")
    tables = {}
    for name, columns in FILES.items():
        try:
            tables[name] = pd.read_csv(paths[name], dtype=str, keep_default_na=False)
        except (OSError, ValueError) as error:
            raise NullcropError(f"{paths[name]} cannot be read: {error}") from None
        lacking = [column for column in columns if column not in tables[name]]
        if lacking:
            raise NullcropError(f"{paths[name]} lacks the column {', '.join(lacking)}")
    return tables


class Official:
    """What a definition says about its release: counts by part and by target."""

    def __init__(self, definition: Definition, file: str) -> None:
        self.definition = definition
        self.title = definition.title
        self.file = file
        self.rules = [rule for rule, spec in definition.labels.items() if spec.positive is not None]

    def images(self, part: str | None = None) -> int | None:
        """Images of the release, or of one ``part`` of its official split."""
        expected = self.definition.expected
        return expected.images if part is None else dict(expected.splits).get(part)  # type: ignore[call-overload]

    def targets(self, rule: str, part: str | None = None) -> tuple[int, int] | None:
        """Images with cancer (present, absent) under ``rule``; None where the classes are not counted.

        One target's classes and the number of all images suffice.
        """
        expected = self.definition.expected
        counts = expected.classes if part is None else dict(expected.split_classes).get(part, {})  # type: ignore[call-overload]
        images, targets = self.images(part), self.definition.targets(rule)
        for code in (1, 0):
            classes = [name for name, target in targets.items() if target == code]
            if images is not None and all(name in counts for name in classes):
                known = sum(counts[name] for name in classes)
                return (known, images - known) if code else (images - known, known)
        return None

    def named_counts(self, classes: bool = True) -> dict[int, str]:
        """Every count the release can give, in words: of parts and their sums, of targets in them."""
        words: dict[int, str] = {}
        parts = list(self.definition.expected.splits)
        groups = [(None,), *(group for size in (1, 2) for group in combinations(parts, size))]
        for group in groups:
            where = " and ".join(PARTS[part] if part else "all images" for part in group)
            terms = [self.images(part) for part in group]
            _add(words, terms, f"{self.title}, {where}")
        for rule in self.rules if classes else []:
            for group in groups:
                where = " and ".join(PARTS[part] if part else "all images" for part in group)
                pairs = [self.targets(rule, part) for part in group]
                for code, target in enumerate(("present", "absent")):
                    terms = [None if pair is None else pair[code] for pair in pairs]
                    _add(words, terms, f"{self.title}, cancer {target} under `{rule}` in {where}")
        return words

    def largest_share(self, rule: str) -> tuple[int, int, str] | None:
        """Images of the larger target, of all, and its name; in the official test part where there is one."""
        part = "test" if self.images("test") else None
        images, pair = self.images(part), self.targets(rule, part)
        if images is None or pair is None:
            return None
        return max(pair), images, "present" if pair[0] > pair[1] else "absent"


def _counted(path: Path, definitions: Definitions) -> tuple[str, Official, list[Finding]]:
    """The dataset of a dataset.json, its counts, and where they are not the definition's.

    Files that are not the release (a sample, a half-copied folder) tell nothing about what was
    printed; the definition's counts then stay.
    """
    try:
        facts = read_json(path)
        name, counted, mismatches = facts["dataset"], facts["counted"], facts["discrepancies"]
        definition = definitions[name]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NullcropError(
            f"{path} cannot be read ({error}); delete it and run the workflow again"
        ) from None
    if not mismatches:
        expected = Expected.model_validate(counted)
        return name, Official(definition.model_copy(update={"expected": expected}), f"{name}/{path.name}"), []
    official = Official(definition, f"{name}.yaml")
    finding = Finding(
        name,
        "definition",
        "counts of the files",
        f"{official.images():,} images" if official.images() else "no number of images",
        f"{counted['images']:,} images",
        f"{'; '.join(mismatches)}. The published numbers are compared with the definition's.",
        f"{official.file}, {name}/{path.name}",
    )
    return name, official, [finding]


def _add(words: dict[int, str], terms: Sequence[int | None], phrase: str) -> None:
    known = [term for term in terms if term is not None]
    if known and len(known) == len(terms):
        sum_of = f" ({' + '.join(f'{term:,}' for term in known)})" if len(known) > 1 else ""
        words.setdefault(sum(known), phrase + sum_of)


# Tables 1 to 4: the datasets


def _printed_rows(published: Published) -> Iterator[tuple[str, str, int, int, int]]:
    file = "datasets_as_printed.csv"
    for row in published[file].to_dict("records"):
        try:
            counts = [int(row[f"printed_{name}"]) for name in ("total", "present", "absent")]
        except ValueError as error:
            raise NullcropError(f"{file}: {row['dataset']}: {error}") from None
        yield str(row["dataset"]), str(row["table"]), counts[0], counts[1], counts[2]


def _sums(published: Published, known: Mapping[str, Official]) -> Iterator[Finding]:
    for dataset, table, total, present, absent in _printed_rows(published):
        if present + absent == total:
            continue
        evidence = f"{present:,} + {absent:,} = {present + absent:,}, not {total:,}."
        for name, other in (("absent", absent), ("present", present)):
            needed = total - (present + absent - other)
            if needed != other and sorted(str(needed)) == sorted(str(other)):
                evidence += f" With {needed:,} in place of {other:,} {name} (the same digits) it would be."
        yield Finding(
            dataset,
            table,
            "counts do not add up",
            f"{total:,} = {present:,} + {absent:,}",
            f"{present + absent:,}",
            evidence,
            "datasets_as_printed.csv",
        )


def _own_counts(published: Published, known: Mapping[str, Official]) -> Iterator[Finding]:
    for dataset, table, *counts in _printed_rows(published):
        if dataset not in known:
            continue
        sources = f"datasets_as_printed.csv, {known[dataset].file}"
        for printed, computed, evidence in _differing(known[dataset], *counts):
            yield Finding(
                dataset, table, "counts differ from the release", printed, computed, evidence, sources
            )


def _differing(official: Official, total: int, present: int, absent: int) -> Iterator[tuple[str, str, str]]:
    """What was printed, what the release holds, and the arithmetic, where the two differ."""
    images, rule = official.images(), official.definition.default_rule
    if images is None:
        return
    if total != images:
        evidence = f"The release holds {images:,} images"
        parts = official.definition.expected.splits
        if parts:
            evidence += f" ({' + '.join(f'{count:,} {PARTS[part]}' for part, count in parts.items())})"
        same = official.named_counts(classes=False).get(total)
        yield f"{total:,} images", f"{images:,}", f"{evidence}; {total:,} is {same or 'none of its parts'}."
        return
    counted = official.targets(rule)
    if counted == (present, absent):
        return
    if counted and counted[0] == present:
        yield (
            f"{absent:,} absent",
            f"{counted[1]:,}",
            f"Under `{rule}` the release holds {present:,} present and {images:,} - {present:,} = "
            f"{counted[1]:,} absent.",
        )
        return
    agreeing = [other for other in official.rules if official.targets(other) == (present, absent)]
    if counted is None and not agreeing:
        return
    evidence = (
        f"Under `{rule}` the release holds {counted[0]:,} present and {counted[1]:,} absent."
        if counted
        else f"Not all classes of `{rule}` are counted."
    )
    for other in agreeing:
        evidence += f" The printed counts are those of `{other}`: {_arithmetic(official, other)}."
    if counted == (absent, present):
        evidence += " The two printed counts are exchanged."
    yield (
        f"{present:,} present, {absent:,} absent",
        f"{counted[0]:,} present, {counted[1]:,} absent" if counted else f"counts of `{', '.join(agreeing)}`",
        evidence,
    )


def _arithmetic(official: Official, rule: str) -> str:
    """Which classes make one target of ``rule``, and the sum of their counts."""
    counts, targets = official.definition.expected.classes, official.definition.targets(rule)
    for code, word in ((1, "present"), (0, "absent")):
        names = [name for name, target in targets.items() if target == code]
        if all(name in counts for name in names):
            terms = " + ".join(f"{counts[name]:,}" for name in names)
            result = f" = {sum(counts[name] for name in names):,}" if len(names) > 1 else ""
            return f"{' + '.join(name.replace('_', ' ') for name in names)} = {terms}{result} {word}"
    return "not counted"


def _counts_of_others(published: Published, known: Mapping[str, Official]) -> Iterator[Finding]:
    for dataset, table, total, present, absent in _printed_rows(published):
        if dataset not in known or known[dataset].images() in (total, None):
            continue
        matches = {}
        for name, official in known.items():
            words = official.named_counts()
            found = {count: words[count] for count in (total, present, absent) if count in words}
            if name != dataset and total in found and len(found) > 1:
                matches[name] = found
        most = max((len(found) for found in matches.values()), default=0)
        for name, found in matches.items():
            if len(found) == most:
                yield Finding(
                    dataset,
                    table,
                    "counts of another dataset",
                    f"{total:,}; {present:,} present, {absent:,} absent",
                    f"{len(found)} of 3 are counts of {name}",
                    f"{'; '.join(f'{count:,} is {phrase}' for count, phrase in found.items())}.",
                    f"datasets_as_printed.csv, {known[dataset].file}, {known[name].file}",
                )


# Tables 5 to 9 and the text: accuracies


def metric_tables(published: Published) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Number, dataset and rows of each table of metrics; the four columns hold Rounded."""
    metrics = published["metrics_as_printed.csv"]
    columns = ["accuracy", *ROLES.values()]
    for key, rows in metrics.groupby(["table", "dataset"], sort=False):
        try:
            parsed: dict[str, Any] = {column: parse_column(list(rows[column])) for column in columns}
        except NullcropError as error:
            raise NullcropError(f"metrics_as_printed.csv: {key[0]}: {error}") from None
        yield str(key[0]), str(key[1]), rows.reset_index(drop=True).assign(**parsed)


def _accuracies(published: Published) -> Iterator[tuple[str, str, str, list[Rounded]]]:
    """Dataset, place, file and accuracies: one item a table, and one for the text on a dataset."""
    for table, dataset, rows in metric_tables(published):
        yield dataset, table, "metrics_as_printed.csv", list(rows["accuracy"])
    for key, claims in published["claims.csv"].groupby("dataset", sort=False):
        different = dict.fromkeys(_parse("claims.csv", text) for text in claims["accuracy"])
        yield str(key), "text", "claims.csv", list(different)


def _parse(file: str, text: str) -> Rounded:
    try:
        return Rounded.parse(text)
    except NullcropError as error:
        raise NullcropError(f"{file}: {error}") from None


def _test_sizes(published: Published, known: Mapping[str, Official]) -> Iterator[Finding]:
    for dataset, table, file, printed in _accuracies(published):
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
            for runs, fewer in ((r, f) for f in (0, 1) for r in range(1, RUNS_UP_TO + 1)):
                if size and not words and n == runs * (size - fewer) and (fewer == 0 or what == "test"):
                    times = f"{n:,} = {runs} × {size - fewer:,}, " if runs > 1 else f"{n:,} is "
                    if (name, runs, fewer, what) == (first, 1, 0, "test"):
                        break
                    words = f" {times}{'one fewer than ' if fewer else ''}{phrase}."
    return f" The smallest n that fits all {len(printed)} is {n:,}.{words}"


def _earlier_sizes(published: Published, known: Mapping[str, Official]) -> Iterator[Finding]:
    for row in published["earlier_study.csv"].to_dict("records"):
        printed, n = _parse("earlier_study.csv", str(row["accuracy"])), int(row["n_test"])
        if printed.numerator(n) is not None:
            continue
        k = int(printed.value * n)
        near = [f"{i:,} / {n:,} = {_percent(i, n, printed.decimals)}" for i in (k, k + 1)]
        yield Finding(
            str(row["dataset"]),
            f"forerunner, {row['table']}",
            "size of the test part",
            f"{printed.percent} ({row['view']})",
            f"not k / {n:,}",
            f"The nearest are {' and '.join(near)}; {n:,} is the number of test images printed beside it.",
            "earlier_study.csv",
        )


def _constant_answers(published: Published, known: Mapping[str, Official]) -> Iterator[Finding]:
    rows = [
        (dataset, table, "metrics_as_printed.csv", row["accuracy"], row["architecture"], row["region"])
        for table, dataset, metrics in metric_tables(published)
        for row in metrics.to_dict("records")
    ] + [
        (
            str(claim["dataset"]),
            str(claim["where"]),
            "claims.csv",
            _parse("claims.csv", str(claim["accuracy"])),
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
            f"{k:,} / {n:,} = {_percent(k, n, accuracy.decimals)} is the share of the larger class of the "
            f"official test part ({phrases}).",
            f"{file}, {known[dataset].file}",
        )


def _percent(k: int, n: int, decimals: int = 4) -> str:
    return f"{100 * k / n:.{max(decimals - 2, 0)}f} %"


# Tables 5 to 9: columns and rows


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
                f"all {len(rows)} values headed {HEADINGS[full[0]]} are k / {pair[0]:,}, the images with cancer "
                f"present under `{rule}` in the official test part, so it is the recall",
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
    return f"; the release holds {present:,} / {images:,} = {_percent(present, images, 3)}"


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


def _columns(published: Published, known: Mapping[str, Official]) -> Iterator[Finding]:
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
                f"The column headed {HEADINGS[roles.columns['f1']]} is the harmonic mean of the other two in {count} "
                f"(the one headed F-1 in {within['f1_printed']}); {roles.reason}.",
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
                f"F-1 is the harmonic mean of recall and precision in {positions.count('within')} of {len(rows)} "
                f"rows, below it in {positions.count('below')} and above it in {positions.count('above')}; "
                f"the largest difference is {100 * abs(gaps[far]):.2f} points "
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


def _full_recall(published: Published, known: Mapping[str, Official]) -> Iterator[Finding]:
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
                f" Under `{rule}` the official test part holds {pair[0]:,} positives and {pair[1]:,} negatives. "
                f"All positives told, the accuracies {', '.join(f'{k:,} / {n:,}' for k in dict.fromkeys(correct))} "
                f"leave {', '.join(map(str, dict.fromkeys(told)))} negatives told."
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


def _same_rows(published: Published, known: Mapping[str, Official]) -> Iterator[Finding]:
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
            f"{shared} of the {len(rows)} rows of {table} ({title}) hold the four numbers of a row of {other} "
            f"({known[name].title if name in known else name}) for the same architecture, {len(moved)} of them "
            f"under another region: " + "; ".join(f"{a} there is {b} here" for b, a in moves) + ".",
            "metrics_as_printed.csv",
        )


# The text's own yardsticks


def _no_information_rates(published: Published, known: Mapping[str, Official]) -> Iterator[Finding]:
    stated = published["counts_in_text.csv"]
    chances = stated[stated["statistic"] == "chance"].to_dict("records")
    named = list(dict.fromkeys(published["datasets_as_printed.csv"]["dataset"]))
    for chance in chances:
        printed = _parse("counts_in_text.csv", str(chance["value"]))
        for dataset in named if chance["dataset"] == "any" else [str(chance["dataset"])]:
            official = known.get(dataset)
            shares = {rule: official.largest_share(rule) for rule in official.rules} if official else {}
            if official is None or not any(shares.values()):
                continue
            where = "the official test part" if official.images("test") else "all images"
            rates: dict[str, list[str]] = {}
            for rule, share in shares.items():
                if share and 2 * share[0] != share[1] * 2 * printed.value:
                    words = f"{share[0]:,} / {share[1]:,} = {_percent(share[0], share[1])}"
                    rates.setdefault(words, []).append(rule)
            if not rates:
                continue
            crops = [
                accuracy
                for _, name, rows in metric_tables(published)
                for accuracy in rows.loc[rows["region"].isin(study_crops()), "accuracy"]
                if name == dataset
            ]
            evidence = f"The larger class of {where}: " + "; ".join(
                f"{words} under {' and '.join(f'`{rule}`' for rule in rules)}"
                for words, rules in rates.items()
            )
            if crops:
                values = sorted(crops, key=lambda number: number.value)
                evidence += f". Crops are printed between {values[0].percent} and {values[-1].percent}"
            yield Finding(
                dataset,
                str(chance["where"]),
                "no-information rate",
                f"{printed.percent} as chance",
                ", ".join(words.split(" = ")[1] for words in rates),
                evidence + ".",
                f"counts_in_text.csv, {official.file}",
            )


def _balanced_classes(published: Published, known: Mapping[str, Official]) -> Iterator[Finding]:
    printed_present = {row[0]: min(row[3:]) for row in _printed_rows(published)}
    stated = published["counts_in_text.csv"]
    for row in stated[stated["statistic"] == "images of each class after balancing"].to_dict("records"):
        dataset, count = str(row["dataset"]), int(row["value"])
        found = {name: official.named_counts().get(count) for name, official in known.items()}
        phrases = {name: phrase for name, phrase in found.items() if phrase}
        smaller = printed_present.get(dataset)
        rule = known[dataset].definition.default_rule if dataset in known else ""
        if not phrases or (list(phrases) == [dataset] and f"under `{rule}` " in phrases[dataset]):
            continue
        evidence = "; ".join(f"{count:,} is {phrase}" for phrase in phrases.values()) + "."
        if smaller is not None and count > smaller:
            evidence += f" The smaller class is printed with {smaller:,} images in all."
        yield Finding(
            dataset,
            str(row["where"]),
            "balanced classes",
            f"{count:,} images of each class",
            f"a count of {', '.join(phrases)}",
            evidence,
            ", ".join(["counts_in_text.csv", *(known[name].file for name in phrases)]),
        )
