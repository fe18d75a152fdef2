"""Masks, overlays and annotations that lie beside images, told by names alone."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import takewhile

from nullcrop.basics.walk import in_order
from nullcrop.decoding.formats import stem

COMPANIONS = "masks and other companions"
"""What they are called where files that are ignored are counted."""

MARKS = (
    r"masks?|segmentations?|segmented|seg|ground[\W_]?truths?|gt|labels?|lesions?|overlays?|annotations?|"
    r"annotated|anno|contours?|outlines?|rois?|trimaps?|superpixels?|heat[\W_]?maps?"
)
"""Words that say of a file or folder that it shows something about an image."""

IMAGES = (
    r"images?|imgs?|originals?|pictures?|photos?|photographs?|scans?|slices?|frames?|patch(?:es)?|inputs?|raw"
)
"""Words that say of a folder that it holds the images themselves."""

_STEMS = (
    *("mask", "seg", "ground", "gt", "label", "lesion", "overlay", "anno", "contour", "outline", "roi"),
    *("trimap", "superpixel", "heat"),
)
"""What each of MARKS begins with."""

_FLAGS = re.IGNORECASE | re.DOTALL
_MARK_LAST = re.compile(rf"(?P<image>.+?)(?:[\s_.-]+\(?(?:{MARKS}))+(?:[\s_.-]*\(?\d+)?\)?", _FLAGS)
_MARK_FIRST = re.compile(rf"(?:{MARKS})[\s_.-]+(?P<image>.+)", _FLAGS)
# Without a mark between, a class may be called so as well: `lesion0.png` beside `0.png`.
_MARK_AND_NUMBER = re.compile(rf"(?!lesion|label)(?:{MARKS})(?P<image>\d.*)", _FLAGS)
_CLASS_FIRST = re.compile("lesion|label", _FLAGS)
_IMAGE_FIRST = re.compile(rf"(?:{IMAGES})[\s_.-]*(?P<core>\d.*|.+\d.*)", _FLAGS)
_IMAGE_LAST = re.compile(rf"(?P<core>.*\d.*?)[\s_.-]+(?:{IMAGES})", _FLAGS)
_ANY_MARK = re.compile(rf"(?:\b|_)(?:{MARKS})(?:\b|_|\d)", _FLAGS)
_MARKED_FOLDER = re.compile(rf"(?:.*[\W_])?(?:{MARKS})", _FLAGS)
_IMAGE_FOLDER = re.compile(rf"(?:.*[\W_])?(?:{IMAGES})", _FLAGS)

Parts = tuple[str, ...]


def companions(paths: Iterable[str]) -> dict[str, str]:
    """Each of ``paths`` that is a mask, overlay or annotation of another one, and that other one: its image.

    ``paths`` are relative paths of pictures, with slashes. A companion says what it is in its name or in a
    folder's, and its image is there: `x_mask.png`, `x_mask_1.png` or `mask_x.png` beside `x.png`;
    `masks/x.png` or `masks/x_mask.png` beside `images/x.png`, or below the folder of `x.png`. Or its name
    says so where its image's says that it is one: `mask_1.png` beside `img_1.png`. These two, a folder and a
    word that is exchanged, count only where most such files find their image, because a class may be called
    `lesion`.

    It looks at names alone, in any order. No image in the answer is a companion itself.
    """
    every = set(paths)
    # Most datasets have none, which is told at once. (A search of each of many names takes seconds.)
    together = "\n".join(every).casefold()
    if not any(stem in together for stem in _STEMS):
        return {}
    marked = [path for path in every if _ANY_MARK.search(path)]
    if not marked:
        return {}
    files = {path: _parts(path) for path in in_order(every)}
    beside: dict[Parts, str] = {}
    by_core: dict[Parts, str] = {}
    parallel: dict[tuple[Parts, Parts], list[str]] = defaultdict(list)
    for path, parts in files.items():
        beside.setdefault(parts, path)
        cores = _cores(parts[-1])
        for core in cores:
            by_core.setdefault((*parts[:-1], core), path)
        for above, below in _folders_like(_IMAGE_FOLDER, parts):
            for name in (parts[-1], *cores):
                parallel[above[:-1], (*below[:-1], name)].append(path)
    found: dict[str, str] = {}
    held: Counter[Parts] = Counter()
    claims: dict[Parts, dict[str, str]] = defaultdict(dict)
    for path in in_order(marked):
        *folders, stem = files[path]
        bases = _bases(stem)
        for base in bases:
            if (*folders, base) in beside:
                found.setdefault(path, beside[*folders, base])
        if bases and path not in found:
            # The folder's own files, apart from those of a folder within it whose name says what it holds.
            held[*folders, ""] += 1
            for base in bases if not _CLASS_FIRST.match(stem) else ():
                if (*folders, base) in by_core:
                    claims[*folders, ""].setdefault(path, by_core[*folders, base])
        for above, below in _folders_like(_MARKED_FOLDER, (*folders, stem)):
            held[above] += 1
            for base in (stem, *bases):
                named = (*below[:-1], base)
                near = list(parallel.get((above[:-1], named), ()))
                if (*above[:-1], *named) in beside:
                    near.append(beside[*above[:-1], *named])
                if near:
                    # Of benign_images and malignant_images, benign_masks belongs to the former.
                    claims[above].setdefault(path, max(near, key=lambda other: _shared(path, other)))
    for folder, claimed in claims.items():
        if 2 * len(claimed) > held[folder]:
            found = {**claimed, **found}
    return {path: _end_of(found, path) for path in in_order(found)}


def orphans(paths: Iterable[str], found: Mapping[str, str]) -> list[str]:
    """Those of ``paths`` that are called like the companions in ``found`` beside them, but lack an image."""
    images = set(found.values())
    folders = {path.rpartition("/")[0] for path in found}
    of_images = {path.rpartition("/")[0] for path in images}

    def is_orphan(path: str) -> bool:
        folder, parts = path.rpartition("/")[0], _parts(path)
        if path in found or path in images or folder not in folders:
            return False
        return bool(_bases(parts[-1])) or (
            folder not in of_images and bool(_folders_like(_MARKED_FOLDER, parts))
        )

    return in_order({path for path in paths if is_orphan(path)})


def _parts(path: str) -> Parts:
    """Its folders, and its name without the ending."""
    *folders, name = path.split("/")
    return (*folders, stem(name))


def _folders_like(pattern: re.Pattern[str], parts: Parts) -> list[tuple[Parts, Parts]]:
    """``parts`` cut behind each folder whose name is of the ``pattern``."""
    return [
        (parts[:number], parts[number:])
        for number in range(1, len(parts))
        if _is_like(pattern, parts[number - 1])
    ]


@lru_cache(10_000)
def _is_like(pattern: re.Pattern[str], folder: str) -> bool:
    return pattern.fullmatch(folder) is not None


def _bases(stem: str) -> list[str]:
    """What the image would be called whose companion is called ``stem``."""
    matches = (pattern.fullmatch(stem) for pattern in (_MARK_LAST, _MARK_FIRST, _MARK_AND_NUMBER))
    return [match["image"] for match in matches if match]


def _cores(stem: str) -> list[str]:
    """What is left of the name of an image that says that it is one: `7` of `img_7`."""
    matches = (pattern.fullmatch(stem) for pattern in (_IMAGE_FIRST, _IMAGE_LAST))
    return [match["core"] for match in matches if match]


def _shared(path: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(path, other, strict=False)))


def _end_of(found: dict[str, str], path: str) -> str:
    """The image at the end: a companion may have a companion. Each step takes one mark off, so it ends."""
    while path in found:
        path = found[path]
    return path
