"""What lies in a dataset's folder and is no image of it: counted by kind and class, and said."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from nullcrop.decoding.formats import ending


def counted(kinds: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Entries `what`, `class` ('' where it is of none) and `count`, from pairs of kind and class."""
    return [
        {"what": what, "class": label, "count": count}
        for (what, label), count in sorted(Counter(kinds).items())
    ]


def of_ending(path: str) -> str:
    """What a file is called that is ignored, by its ending."""
    return f"{ending(path)} files" if ending(path) else "files without an ending"


def of_litter(litter: Mapping[str, int]) -> list[dict[str, Any]]:
    """The same entries, of what a walk passed over."""
    return [{"what": what, "class": "", "count": count} for what, count in litter.items()]


def in_words(entries: Iterable[Mapping[str, Any]]) -> str:
    """`8 .jfif files (benign 3, malignant 5), 2 macOS resource forks (._*)`; empty where none is ignored."""
    by_kind: dict[str, dict[str, int]] = defaultdict(dict)
    for entry in entries:
        by_kind[entry["what"]][entry["class"]] = entry["count"]
    words = []
    for what, classes in by_kind.items():
        named = ", ".join(f"{name} {count:,}" for name, count in classes.items() if name)
        words.append(f"{sum(classes.values()):,} {what}" + (f" ({named})" if named else ""))
    return ", ".join(words)
