"""Masks: where the lesion of each image is, from picture files beside the images or anywhere else."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.walk import walk

if TYPE_CHECKING:  # training, which reads stores, needs no pydantic
    from nullcrop.config.definitions import Masks


def mask_files(masks: "Masks | None", images: Sequence[str]) -> list[list[str]]:
    """Files of the masks of each of ``images`` (paths), in order; none where ``masks`` allows that one lacks.

    A mask belongs to the image whose file name without its ending is what the pattern's part (?P<image>…) is.
    Raises NullcropError when an image lacks a mask, or when two images of one name would share one.
    """
    if masks is None:
        raise NullcropError(
            "the view needs masks, but none were named: name their folder under `masks:` of the dataset"
        )
    folder = Path(masks.path)
    if not folder.is_dir():
        raise NullcropError(f"masks.path: there is no folder {folder} (seen from {Path.cwd()})")
    found: dict[str, list[str]] = defaultdict(list)
    for path in walk(folder).paths:
        if match := re.search(masks.name_pattern, path.relative_to(folder).as_posix()):
            found[match["image"]].append(str(path))
    names = [Path(image).stem for image in images]
    doubled = [name for name, count in Counter(names).items() if count > 1 and name in found]
    if doubled:
        raise NullcropError(
            f"masks: several images are called {listed(doubled)}, so their masks cannot be told apart"
        )
    lacking = [image for image, name in zip(images, names, strict=True) if name not in found]
    if lacking and masks.lacking == "error":
        raise NullcropError(
            f"masks: {len(lacking)} of {len(images)} images have no mask in {folder}: {listed(lacking)}; "
            "add them, mend `masks.name_pattern`, or set `masks.lacking: empty` where an image without one "
            "holds no lesion"
        )
    return [found.get(name, []) for name in names]


def read_mask(paths: Sequence[str], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """The union of the masks in ``paths``: bool of ``size`` (height, width), true where any is above black.

    Without a path it is false everywhere. Raises NullcropError when a file cannot be read or has another
    size.
    """
    union = np.zeros(size, bool)
    for path in paths:
        try:
            with Image.open(path) as image:
                mask = np.asarray(image.convert("L")) > 0
        # As with images: decoders of broken files raise nearly everything.
        except Exception as error:
            raise NullcropError(f"the mask {path} cannot be read: {type(error).__name__}: {error}") from None
        if mask.shape != size:
            raise NullcropError(
                f"the mask {path} is {mask.shape[1]}×{mask.shape[0]} pixels, its image {size[1]}×{size[0]}"
            )
        union |= mask
    return union
