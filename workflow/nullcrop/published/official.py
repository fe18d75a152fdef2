"""What a release holds: counts by part and by target, of its definition or counted in its files."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import read_json
from nullcrop.config.definitions import Definition, Expected
from nullcrop.published.findings import Finding

PARTS = {"train": "training", "val": "validation", "test": "test"}
"""Parts of a split in the words of the findings."""

Definitions = Mapping[str, Definition]
"""Definitions of datasets by name."""


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


def _add(words: dict[int, str], terms: Sequence[int | None], phrase: str) -> None:
    known = [term for term in terms if term is not None]
    if known and len(known) == len(terms):
        sum_of = f" ({' + '.join(f'{term:,}' for term in known)})" if len(known) > 1 else ""
        words.setdefault(sum(known), phrase + sum_of)


def counted_release(path: Path, definitions: Definitions) -> tuple[str, Official, list[Finding]]:
    """The dataset of a dataset.json, its counts, and where they are not the definition's.

    Files that are not the release (a sample, a half-copied folder) tell nothing about what was
    printed; the definition's counts then stay.
    """
    try:
        listed = read_json(path)
        name, counted, mismatches = listed["dataset"], listed["counted"], listed["discrepancies"]
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
