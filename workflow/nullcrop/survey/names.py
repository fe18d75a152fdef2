"""What the names of images tell: which level of folders, or which part of a file's name, is the class,
the part of an official split, the group.

Paths are texts relative to the folder, with `/` between names. No file is opened.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

PARTS = {
    **dict.fromkeys(("train", "training", "tr"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "ts"), "test"),
}
"""Names of folders that are parts of an official split, in lower case."""

CLASS_WORD = re.compile(
    r"malignan|benign|cancer|carcinoma|melanoma|nevus|nevi|tumou?r|lesion|normal|healthy|positive|negative"
    r"|disease|pneumonia|covid|control|^class|^[01]$|^(yes|no|pos|neg)$",
    re.IGNORECASE,
)
"""Names that are classes wherever they stand."""

PATIENT = re.compile(r"pat|subj|person|^p[-_]?\d|^s[-_]?\d", re.IGNORECASE)
"""How a patient's name begins where it says so."""

MOST_CLASSES = 100
"""More names than this are no classes."""

MOST_NUMBERED = 10
"""More numbered names than this are patients or series, and no classes."""

FEWEST_GROUPS = 10
"""Fewer names than this are no patients."""

IMAGES_A_GROUP = 1.5
"""Images of a group on average, from which a part of a name that repeats is taken for one."""

NEARLY_ALL = 0.95
"""Share of the images that a level of folders, or a beginning of names, must divide into classes."""

TOKEN, SEPARATOR = r"[^/_\-. ]+", r"[_\-. ]+"
"""Parts of a file's name, and what stands between them."""

MOST_TOKENS = 6
"""Parts of a file's name that are looked at."""

Sure = Literal["sure", "likely", "guess"]
"""How sure a guess is; `sure` where a user has said it, or nothing else was possible."""


@dataclass(frozen=True)
class Division:
    """What divides images into classes."""

    level: int | None
    """The level of folders, from 0; None: a part of the file's name."""
    names: list[str]
    """The classes, in order."""
    before: str = ""
    """Of a part of the file's name: the expression of what stands before it."""
    sure: Sure = "likely"

    @property
    def words(self) -> str:
        """Where the class stands."""
        return f"the folders of level {self.level + 1}" if self.level is not None else "the files' names"


@dataclass(frozen=True)
class Grouping:
    """What keeps images together that are not independent."""

    level: int | None
    """The level of folders, from 0; None: the beginning of the file's name."""
    tokens: int
    """Of a file's name: how many of its parts are the group."""
    groups: int
    word: str
    """What a group is called."""
    example: str

    @property
    def words(self) -> str:
        """Where the group stands."""
        if self.level is not None:
            return f"the folders of level {self.level + 1}"
        parts = "part" if self.tokens == 1 else f"{self.tokens} parts"
        return f"the first {parts} of the files' names"


def classes_of(paths: Sequence[str], level: int | None = None) -> Division | None:
    """What divides images into classes: a ``level`` of folders that a user names (from 0), else the level
    or the beginning of the files' names that looks most like it; None where nothing does.

    A level that holds words for diagnoses comes first, then the one with the fewest names; patients and
    series are numbered and many, and parts of a split have their own names.
    """
    levels = _levels(paths)
    if level is not None:
        names = sorted(levels[level]) if level < len(levels) else []
        return Division(level, names, sure="sure") if len(names) > 1 else None
    fitting = [
        depth
        for depth, names in enumerate(levels)
        if sum(names.values()) >= NEARLY_ALL * len(paths) and _could_be_classes(names)
    ]
    if fitting:
        best = min(
            fitting, key=lambda depth: (not _has_class_words(levels[depth]), len(levels[depth]), depth)
        )
        only = len(fitting) == 1 or _has_class_words(levels[best])
        return Division(best, sorted(levels[best]), sure="likely" if only else "guess")
    return _in_file_names(paths)


def parts_level(paths: Sequence[str]) -> int | None:
    """The level of folders that are the parts of an official split; None where there is none."""
    for depth, names in enumerate(_levels(paths)):
        if len(names) > 1 and all(name.lower() in PARTS for name in names):
            return depth
    return None


def groups_of(paths: Sequence[str], division: Division | None) -> Grouping | None:
    """What keeps images together that are not independent: a level of folders with many names that
    repeat, else the shortest beginning of files' names that does; None where nothing does.

    Coarse groups are on the safe side: an audit that takes dependent images for independent ones finds
    what is not there.
    """
    of_class = {division.level} if division else set()
    for depth, names in enumerate(_levels(paths)):
        if depth not in of_class and _could_be_groups(names, len(paths)):
            word = "patient" if any(PATIENT.search(name) for name in names) else "folder"
            return Grouping(depth, 0, len(names), word, min(names))
    most = min(MOST_TOKENS, max((len(_tokens(path)) for path in paths), default=0))
    for count in range(1, most):
        begins = Counter(begin for path in paths if (begin := _beginning(path, count)))
        if _could_be_groups(begins, len(paths)) and _numbered(begins) > NEARLY_ALL:
            word = "patient" if any(PATIENT.search(name) for name in begins) else "beginning of the name"
            return Grouping(None, count, len(begins), word, min(begins))
    return None


def name_pattern(
    division: Division, grouping: Grouping | None, parts: int | None, endings: Iterable[str]
) -> str:
    """The regular expression for `source.name_pattern` that reads class, group and part as told.

    ``parts`` is the level of the parts of an official split, ``endings`` those of the images, in lower case
    with their dot; where one has no ending, any will do.
    """
    known = [
        level for level in (division.level, grouping.level if grouping else None, parts) if level is not None
    ]
    folders = []
    for level in range(max(known, default=-1) + 1):
        if level == division.level:
            folders.append(f"(?P<class>{_alternatives(division.names)})/")
        elif grouping and level == grouping.level:
            folders.append("(?P<group>[^/]+)/")
        elif level == parts:
            folders.append("(?P<split>train|val|test)/")
        else:
            folders.append("[^/]+/")
    own = "[^/]*"
    if division.level is None:
        own = f"{division.before}(?P<class>{_alternatives(division.names)})(?![^\\W\\d_])[^/]*"
    if grouping and grouping.level is None:
        begin = TOKEN + f"(?:{SEPARATOR}{TOKEN})" * (grouping.tokens - 1)
        own = f"(?=(?P<group>{begin}){SEPARATOR}){own}"
    endings = sorted(endings)
    ending = "" if "" in endings else rf"\.(?i:{'|'.join(re.escape(one[1:]) for one in endings)})"
    return f"^{''.join(folders)}(?:.*/)?{own}{ending}$"


def group_pattern(grouping: Grouping) -> str:
    """The regular expression for `source.group_pattern` that reads the group as told."""
    if grouping.level is not None:
        return f"^{'[^/]+/' * grouping.level}([^/]+)/"
    begin = TOKEN + f"(?:{SEPARATOR}{TOKEN})" * (grouping.tokens - 1)
    return f"(?:^|/)({begin}){SEPARATOR}[^/]*$"


def _levels(paths: Iterable[str]) -> list[Counter[str]]:
    """Names of the folders at each level, with the images below them."""
    levels: list[Counter[str]] = []
    for path in paths:
        for depth, name in enumerate(PurePosixPath(path).parts[:-1]):
            if depth == len(levels):
                levels.append(Counter())
            levels[depth][name] += 1
    return levels


def _could_be_classes(names: Counter[str]) -> bool:
    if not 2 <= len(names) <= MOST_CLASSES or min(names.values()) < 2:
        return False
    if all(name.lower() in PARTS for name in names):
        return False
    return len(names) <= MOST_NUMBERED or _numbered(names) < 0.5 or _has_class_words(names)


def _has_class_words(names: Iterable[str]) -> bool:
    names = list(names)
    return 2 * sum(bool(CLASS_WORD.search(name)) for name in names) >= len(names)


def _could_be_groups(names: Counter[str], images: int) -> bool:
    # Of all images: one without a group would stop the listing, or be left out of it.
    return sum(names.values()) == images and FEWEST_GROUPS <= len(names) <= images / IMAGES_A_GROUP


def _numbered(names: Iterable[str]) -> float:
    """Share of names with a digit."""
    names = list(names)
    return sum(bool(re.search(r"\d", name)) for name in names) / len(names)


def _tokens(path: str) -> list[str]:
    return re.findall(TOKEN, PurePosixPath(path).stem)


def _beginning(path: str, tokens: int) -> str:
    """The first ``tokens`` parts of a file's name as they stand there; empty where it has no more."""
    found = re.match(
        TOKEN + f"(?:{SEPARATOR}{TOKEN})" * (tokens - 1) + f"(?={SEPARATOR}[^/]*$)", PurePosixPath(path).name
    )
    return found[0] if found and len(_tokens(path)) > tokens else ""


def _in_file_names(paths: Sequence[str]) -> Division | None:
    """Classes that the files' names tell: `class0`, or the word with which they begin."""
    for before, pattern in ((r"[^/]*class[_\-]?", r"class[_\-]?([A-Za-z0-9]+)"), ("", r"^([^\W\d_]+)")):
        words = Counter(found[1] for path in paths if (found := re.search(pattern, PurePosixPath(path).name)))
        if _could_be_classes(words) and sum(words.values()) >= NEARLY_ALL * len(paths):
            return Division(None, sorted(words), before, sure="guess")
    return None


def _alternatives(names: Iterable[str]) -> str:
    """Longer names first, because the first that fits is taken."""
    return "|".join(re.escape(name) for name in sorted(names, key=lambda name: (-len(name), name)))
