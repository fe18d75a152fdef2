"""Which files of a folder are images; what is none of the dataset's is counted by kind and class."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from nullcrop.decoding.formats import ending, is_image_name, kind_by_content


def is_named_as_image(path: str, suffixes: Collection[str] | None) -> bool:
    """Whether the ending of ``path`` is one of ``suffixes`` (any case); None: of a format that is read."""
    if suffixes is None:
        return is_image_name(path)
    return PurePosixPath(path).suffix.lower() in {suffix.lower() for suffix in suffixes}


def is_image(root: Path, path: str, suffixes: Collection[str] | None) -> bool:
    """Whether the file ``path`` below ``root`` is taken for an image: by its ending, or else, where the
    definition names no ``suffixes``, by its first bytes."""
    if suffixes is not None or is_named_as_image(path, None):
        return is_named_as_image(path, suffixes)
    try:
        return kind_by_content(root / path) is not None
    except OSError:  # a link that leads nowhere, or a file that may not be read: its name says no image
        return False


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
