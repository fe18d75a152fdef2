"""Findings in Tables 1 to 4: the counts of the datasets."""

from collections.abc import Iterator, Mapping

from nullcrop.published.findings import Finding
from nullcrop.published.official import PARTS, Official
from nullcrop.published.printed import Published, printed_datasets


def unequal_sums(published: Published, known: Mapping[str, Official]) -> Iterator[Finding]:
    """Rows of Tables 1 to 4 whose present and absent images are not their total."""
    for dataset, table, total, present, absent in printed_datasets(published):
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


def differing_counts(published: Published, known: Mapping[str, Official]) -> Iterator[Finding]:
    """Rows of Tables 1 to 4 whose counts are not the release's."""
    for dataset, table, *counts in printed_datasets(published):
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


def counts_of_others(published: Published, known: Mapping[str, Official]) -> Iterator[Finding]:
    """Rows of Tables 1 to 4 whose total is not the release's, and whose counts another dataset has."""
    for dataset, table, total, present, absent in printed_datasets(published):
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
