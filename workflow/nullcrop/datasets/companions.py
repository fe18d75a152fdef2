"""Masks, overlays and annotations that lie beside images, told by names alone."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import lru_cache
from itertools import takewhile

from nullcrop.basics.walk import in_order

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

_FLAGS = re.IGNORECASE | re.DOTALL
_MARK_LAST = re.compile(rf"(?P<image>.+?)(?:[\s_.-]+\(?(?:{MARKS}))+(?:[\s_.-]*\(?\d+)?\)?", _FLAGS)
_MARK_FIRST = re.compile(rf"(?:{MARKS})[\s_.-]+(?P<image>.+)", _FLAGS)
_ANY_MARK = re.compile(rf"(?:\b|_)(?:{MARKS})(?:\b|_|\d)", _FLAGS)
_MARKED_FOLDER = re.compile(rf"(?:.*[\W_])?(?:{MARKS})", _FLAGS)
_IMAGE_FOLDER = re.compile(rf"(?:.*[\W_])?(?:{IMAGES})", _FLAGS)

Parts = tuple[str, ...]


def companions(paths: Iterable[str]) -> dict[str, str]:
    """Each of ``paths`` that is a mask, overlay or annotation of another one, and that other one: its image.

    ``paths`` are relative paths of pictures, with slashes. A companion says what it is in its name or in a
    folder's, and its image is there: `x_mask.png`, `x_mask_1.png` or `mask_x.png` beside `x.png`;
    `masks/x.png` or `masks/x_mask.png` beside `images/x.png`, or below the folder of `x.png`. A folder's name
    counts only where most of its files find their image, because a class may be called `lesion`.

    It looks at names alone, in any order. No image in the answer is a companion itself.
    """
    every = set(paths)
    marked = [path for path in every if _ANY_MARK.search(path)]
    if not marked:  # most datasets, told at once
        return {}
    files = {path: _parts(path) for path in in_order(every)}
    beside: dict[Parts, str] = {}
    parallel: dict[tuple[Parts, Parts], list[str]] = defaultdict(list)
    for path, parts in files.items():
        beside.setdefault(parts, path)
        for above, below in _folders_like(_IMAGE_FOLDER, parts):
            parallel[above[:-1], below].append(path)
    found: dict[str, str] = {}
    held: Counter[Parts] = Counter()
    claims: dict[Parts, dict[str, str]] = defaultdict(dict)
    for path in in_order(marked):
        *folders, stem = files[path]
        for base in _bases(stem):
            if (*folders, base) in beside:
                found.setdefault(path, beside[*folders, base])
        for above, below in _folders_like(_MARKED_FOLDER, (*folders, stem)):
            held[above] += 1
            for base in (stem, *_bases(stem)):
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


def _parts(path: str) -> Parts:
    """Its folders, and its name without the ending."""
    *folders, name = path.split("/")
    # By hand: pathlib takes its time over hundreds of thousands of names.
    dot = name.rfind(".")
    return (*folders, name[:dot] if dot > 0 else name)


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
    matches = (pattern.fullmatch(stem) for pattern in (_MARK_LAST, _MARK_FIRST))
    return [match["image"] for match in matches if match]


def _shared(path: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(path, other, strict=False)))


def _end_of(found: dict[str, str], path: str) -> str:
    """The image at the end: a companion may have a companion. Each step takes one mark off, so it ends."""
    while path in found:
        path = found[path]
    return path
