"""docs/printed-values.md: every printed accuracy as right answers of n images, beside the no-information
rate."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from nullcrop.basics.files import written_whole
from nullcrop.config.definitions import Definition
from nullcrop.config.names import EARLIER
from nullcrop.published.discrepancies_page import cell
from nullcrop.published.finite import ALPHA, Counted
from nullcrop.published.official import Official
from nullcrop.published.printed import Published, read_published
from nullcrop.published.reproduction import Printed, printed_values
from nullcrop.published.rounding import Rounded

HEADING = """\
<!-- Made by `make docs`; edit the tables it reads, not this page. -->

# Printed accuracies as numbers of finite tests
"""

INTRODUCTION = (
    "An accuracy on n images is k right answers of n, and says no more than k of n can. For each accuracy "
    "that is printed ([resources/published](../resources/published/README.md)) this page gives every k "
    "that rounds to it, the 95 % interval of Clopper and Pearson, and whether it is above the "
    "no-information rate: what answering the largest class always scores."
)

METHOD = (
    "n is the number printed beside the accuracy, or the official test part of the release. The "
    "no-information rate is that of the official test part, under the label rule that makes it largest; for "
    "the forerunner it is its own chance level, one of K classes. “Above” is an exact binomial test, "
    "one-sided, of the smallest k that fits, corrected after Holm over all rows that have one; of the "
    "largest of several accuracies p is multiplied by their number first. “Compatible with the rate "
    "alone” says that this test shows nothing, not that nothing is there. “Cannot tell”: n is not known, or "
    "the accuracy is no k of it (as means over several runs are not). Images are taken for independent; "
    "where several are of one patient, less is shown than here. Accuracies that are equal in one place "
    "stand in one row."
)

HEADINGS = (
    *("dataset", "where", "of", "printed", "right answers", "95 % interval"),
    *("no-information rate", "above it"),
)

ABOVE, ALONE, CANNOT_TELL = "yes", "no: compatible with the rate alone", "cannot tell"


@dataclass(frozen=True)
class Row:
    """Accuracies of one place that are the same number; without ``counts`` all of the place, of whatever
    number."""

    dataset: str
    where: str
    of: str
    numbers: tuple[Rounded, ...]
    n: int | None
    counts: Counted | None
    rate: float | None
    chosen_from: int
    """Of how many accuracies the number is the largest; 1 where nothing was chosen."""

    @property
    def p(self) -> float | None:
        """Chance of so many right answers at the no-information rate; None where it cannot be told."""
        if self.counts is None or self.rate is None:
            return None
        return min(1.0, self.chosen_from * self.counts.p_above(self.rate))


def rows_of(published: Published, definitions: Mapping[str, Definition]) -> list[Row]:
    """Every printed accuracy, in the order of :func:`~nullcrop.published.reproduction.printed_values`."""
    accuracies = [value for value in printed_values(published, definitions) if value.metric == "accuracy"]
    rates = {name: _rate(name, definitions, published) for name in {value.dataset for value in accuracies}}
    rows: list[Row] = []
    for (dataset, where), found in groupby(accuracies, key=lambda value: (value.dataset, value.where)):
        together: dict[tuple[Rounded | None, str, int | None], list[Printed]] = {}
        for value in found:
            together.setdefault((value.digits, value.statistic, value.n), []).append(value)
        place = [_row(dataset, where, values, rates[dataset]) for values in together.values()]
        rows += [row for row in place if row.counts]
        rows += _merged([row for row in place if not row.counts])
    return rows


def verdicts_of(rows: Sequence[Row]) -> list[str]:
    """ABOVE, ALONE or CANNOT_TELL of each of ``rows``."""
    from statsmodels.stats.multitest import multipletests

    tested = {place: row.p for place, row in enumerate(rows) if row.p is not None}
    corrected = multipletests(list(tested.values()), method="holm")[1] if tested else []
    words = {place: ABOVE if p <= ALPHA else ALONE for place, p in zip(tested, corrected, strict=True)}
    return [words.get(place, CANNOT_TELL) for place in range(len(rows))]


def page_of(published: Published, definitions: Mapping[str, Definition]) -> str:
    """The page of the ``published`` tables."""
    rows = rows_of(published, definitions)
    verdicts = verdicts_of(rows)
    words = (INTRODUCTION, _summary(rows, verdicts), METHOD)
    parts = [HEADING, *(f"\n{textwrap.fill(one, 110)}\n" for one in words)]
    for title, here in (("The study", False), ("The forerunner", True)):
        own = [pair for pair in zip(rows, verdicts, strict=True) if (pair[0].dataset in EARLIER) == here]
        if own:
            lines = [" | ".join(HEADINGS), " | ".join("---" for _ in HEADINGS)]
            lines += [" | ".join(map(cell, _cells(row, verdict))) for row, verdict in own]
            parts.append(f"\n## {title}\n\n" + "\n".join(f"| {line} |" for line in lines) + "\n")
    return "".join(parts)


def write_page(files: Sequence[Path], definitions: Mapping[str, Definition], out: Path) -> None:
    """Write :func:`page_of` of the published ``files``."""
    with written_whole(out) as aside:
        aside.write_text(page_of(read_published(files), definitions), encoding="utf-8")


def _summary(rows: Sequence[Row], verdicts: Sequence[str]) -> str:
    counts = dict.fromkeys((ABOVE, ALONE, CANNOT_TELL), 0)
    for row, verdict in zip(rows, verdicts, strict=True):
        counts[verdict] += len(row.numbers)
    crops = [
        verdict
        for row, verdict in zip(rows, verdicts, strict=True)
        if row.p is not None and "original" not in row.of
    ]
    return (
        f"Of {sum(counts.values())} accuracies (equal ones of one place counted once) {counts[ABOVE]} are "
        f"above the no-information rate, {counts[ALONE]} are compatible with it alone, and of "
        f"{counts[CANNOT_TELL]} it cannot be told. {len(crops)} of those that can be told are of parts of "
        f"images, and {crops.count(ALONE)} of these are compatible with it alone."
    )


def _rate(name: str, definitions: Mapping[str, Definition], published: Published) -> float | None:
    if name in EARLIER:
        table = published["earlier_study.csv"]
        return 1 / int(table.loc[table["dataset"] == name, "classes"].iloc[0])
    if name not in definitions:
        return None
    official = Official(definitions[name], f"{name}.yaml")
    shares = [share for rule in official.rules if (share := official.largest_share(rule))]
    return max((share[0] / share[1] for share in shares), default=None)


def _row(dataset: str, where: str, values: Sequence[Printed], rate: float | None) -> Row:
    first = values[0]
    numbers = (first.digits,) if first.digits else ()
    several = len(first.architectures) * len(first.views)
    words = _together(values) if len(values) > 5 else ", ".join(map(_of, values))
    chosen = several if first.statistic == "max" else 1
    return Row(dataset, where, words, numbers, first.n, first.counts, rate, chosen)


def _of(value: Printed) -> str:
    if value.statistic == "value":
        return f"{value.architectures[0]} {value.views[0]}"
    which = "smallest" if value.statistic == "min" else "largest"
    views = "original" if value.views == ("original",) else f"{len(value.views)} crops"
    networks = (
        value.architectures[0] if len(value.architectures) == 1 else f"{len(value.architectures)} networks"
    )
    return f"{which} of {networks} on {views}"


def _together(values: Sequence[Printed]) -> str:
    networks = {value.architectures for value in values}
    views = {value.views for value in values}
    return f"each of {len(networks)} networks on {len(views)} crops"


def _merged(rows: Sequence[Row]) -> Iterator[Row]:
    """One row for all accuracies of a place of which it is not known how many answers were right."""
    if rows:
        first = rows[0]
        numbers = tuple(number for row in rows for number in row.numbers)
        of = first.of if len(rows) == 1 else f"{len(rows)} accuracies"
        yield Row(first.dataset, first.where, of, numbers, first.n, None, first.rate, 1)


def _cells(row: Row, verdict: str) -> list[str]:
    numbers = sorted(row.numbers, key=lambda number: number.value)
    printed = numbers[0].percent
    if len(numbers) > 1:
        printed = f"{printed.removesuffix(' %')} to {numbers[-1].percent}"
    interval = ""
    if row.counts:
        right = f"{row.counts.least:,}"
        right += f" to {row.counts.most:,}" if row.counts.most > row.counts.least else ""
        right += f" of {row.counts.n:,}"
        low, high = row.counts.interval
        interval = f"{100 * low:.1f} to {100 * high:.1f} %"
    else:
        right = f"no k of {row.n:,}" if row.n else "n not known"
    rate = "" if row.rate is None else f"{100 * row.rate:.2f} %"
    return [row.dataset, row.where, row.of, printed, right, interval, rate, verdict]
