"""What the dataset's file says of masks that lie beside images: the pattern of their names, and whether they
are masks of these images."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from PIL import Image

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.threads import mapped, usable_cores
from nullcrop.config.definitions import Masks
from nullcrop.decoding.formats import stem
from nullcrop.decoding.rgb import read_rgb
from nullcrop.decoding.values import Reading
from nullcrop.images.masks import mask_files, read_mask
from nullcrop.survey.layout import Layout

MASK_WORD = re.compile(
    r"(?:\b|_)(masks?|segmentations?|segmented|seg|ground[\W_]?truths?|gt)(?:\b|_|\d)", re.IGNORECASE
)
"""What is called so shows where the lesion is; an overlay, a contour or a label may show something else."""

MOST_READ = 2000
"""Images with masks above which they are not all looked at here."""

WITHOUT_LESION = re.compile(
    r"(?:\b|_)(normal|healthy|controls?|negatives?|none|"
    r"no[\W_]?(?:finding|lesion|tumou?r|cancer)s?)(?:\b|_|\d)",
    re.IGNORECASE,
)
"""What a class is called whose images hold no lesion."""

LARGE = 0.5
"""Share of an image above which what a mask shows is no lesion, or is inverted, where most are so large."""

MOST_FOLDERS = 3
"""Folders above an image that a pattern may name besides it."""

MOST_AFFIXES = 6
"""Ways to call a mask, or the folders of masks, above which names follow no rule."""


@dataclass(frozen=True)
class MasksFound:
    """Masks beside images, as the dataset's file says them."""

    keys: Mapping[str, Any] = field(default_factory=dict)
    """The keys under `masks`; empty where no pattern of names tells whose a mask is."""
    doubt: str = ""
    """Why it is not sure that these are the masks; empty where it is."""

    @property
    def sure(self) -> bool:
        """Whether they can be used without a look at them."""
        return bool(self.keys) and not self.doubt


def masks_of(layout: Layout) -> MasksFound:
    """The masks among the companions that ``layout`` leaves out.

    They are sure where their names say that they are masks, one pattern gives each image its own and no
    other, all of them are black and one colour besides, of their image's size, and what they show may be a
    lesion: it is not most of the image, and a class without masks, and it alone, is called normal or so.
    """
    named = {path: image for path, image in layout.masks.items() if MASK_WORD.search(path)}
    chosen = named or layout.masks
    of_image: dict[str, set[str]] = defaultdict(set)
    for path, image in chosen.items():
        of_image[str(layout.root / image)].add(str(layout.root / path))
    images = list(layout.listing["path"])
    if not of_image.keys() & set(images):
        return MasksFound()
    without = [image for image in images if image not in of_image]
    keys = {"path": str(layout.root)}
    lacking = {"lacking": "empty"} if without else {}
    files: Sequence[Sequence[str]] = ()
    for pattern in _patterns(chosen):
        keys["name_pattern"] = pattern
        files = _files(Masks.model_validate({**keys, "lacking": "empty"}), images)
        if [set(own) for own in files] == [of_image.get(image, set()) for image in images]:
            break
    else:
        return MasksFound(doubt="no pattern of their names tells whose they are")
    return MasksFound({**keys, **lacking}, _doubt(layout, bool(named), without, images, files))


def _doubt(
    layout: Layout, named: bool, without: Sequence[str], images: Sequence[str], files: Sequence[Sequence[str]]
) -> str:
    """Why files of these names may be no masks of their images; empty where they are."""
    if not named:
        return "their names do not say that they show where the lesion is"
    classes = layout.listing["class"].tolist()
    lacking = {classes[place] for place, own in enumerate(files) if not own}
    unexplained = sorted(name for name in lacking if not WITHOUT_LESION.search(name))
    if unexplained:
        return (
            f"{len(without)} images have none, also of {listed(unexplained)}: it is not known that these "
            "hold no lesion"
        )
    masked = [place for place, own in enumerate(files) if own]
    if len(masked) > MOST_READ:
        return f"{len(masked):,} images have some, too many to look at each here"
    try:
        covered = list(
            mapped(
                lambda place: _covered(images[place], files[place], layout.reading), masked, usable_cores()
            )
        )
    except NullcropError as error:
        return str(error)
    shown = {place: share for place, share in zip(masked, covered, strict=True) if share}
    if not shown:
        return "all of them are black"
    healthy = sorted({classes[place] for place in shown if WITHOUT_LESION.search(classes[place])})
    if healthy:
        return f"they show something in images of {listed(healthy)}, so it may be an organ and no lesion"
    large = sum(share > LARGE for share in shown.values())
    if 2 * large > len(shown):
        return f"{large} of {len(shown)} cover most of their image: an organ, or inverted"
    return ""


def _covered(image: str, masks: Sequence[str], reading: Reading) -> float:
    """The share of an image that its masks cover; NullcropError when they do not fit it."""
    try:
        with Image.open(image) as picture:
            width, height = picture.size
    except Exception:  # no picture, or a damaged one
        height, width = read_rgb(image, reading).shape[:2]
    return float(read_mask(masks, (height, width)).mean())


def _files(masks: Masks, images: Sequence[str]) -> list[list[str]]:
    """The masks of each image; none where two images claim one."""
    try:
        return mask_files(masks, images)
    except NullcropError:
        return [[] for _ in images]


def _patterns(masks: Mapping[str, str]) -> Iterator[str]:
    """Regular expressions that may tell whose each of ``masks`` is (an image's path by its mask's), the
    plainest first."""
    affixes = {_affixes(stem(path), stem(image)) for path, image in masks.items()}
    if None in affixes or len(affixes) > MOST_AFFIXES:
        return
    pairs = sorted(pair for pair in affixes if pair is not None)
    ending = _group({re.escape(PurePosixPath(path).name[len(stem(path)) :]) for path in masks}) + "$"
    before, after = ({pair[side] for pair in pairs} for side in (0, 1))
    if before == {""}:
        # Where masks are called like their images, their folder tells them apart.
        folders_of_masks = _folders(masks)
        if "" in after and len(folders_of_masks) > MOST_AFFIXES:
            return
        inside = "" if "" not in after else f"(?:^|/){_group(folders_of_masks)}/"
        for folders in range(MOST_FOLDERS + 1):
            above = "[^/]+/" * folders
            yield rf"{inside}(?P<image>{above}[^/]+?){_group(after)}{ending}"
    elif "" not in before and after == {""}:
        yield rf"(?:^|/){_group(before)}(?P<image>[^/]+){ending}"


def _affixes(name: str, image: str) -> tuple[str, str] | None:
    """What stands before and after an image's name in that of its mask, as expressions; None where it does
    not hold it."""
    if name.startswith(image):
        before, after = "", name[len(image) :]
    elif name.endswith(image):
        before, after = name[: -len(image)], ""
    else:
        return None
    return _numbers_free(before), _numbers_free(after)


def _numbers_free(text: str) -> str:
    return re.sub("[0-9]+", "[0-9]+", re.escape(text))


def _folders(masks: Mapping[str, str]) -> set[str]:
    """The folders of masks in which they part from their images, as expressions."""
    found = set()
    for path, image in masks.items():
        above, own = PurePosixPath(path).parts[:-1], PurePosixPath(image).parts[:-1]
        same = next((n for n, (a, b) in enumerate(zip(above, own, strict=False)) if a != b), len(own))
        found.add(_numbers_free("".join(above[same : same + 1])))
    return found


def _group(expressions: set[str]) -> str:
    """One of the ``expressions``, the shorter first."""
    inside = sorted(expressions, key=lambda one: (len(one), one))
    return inside[0] if len(inside) == 1 else f"(?:{'|'.join(inside)})"
