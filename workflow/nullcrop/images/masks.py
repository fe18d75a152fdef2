"""Masks: where the lesion of each image is, from picture files beside the images or anywhere else."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.walk import whole_walk
from nullcrop.decoding.dicom import read_dicom_mask
from nullcrop.decoding.formats import SCANS, kind_by_name, stem
from nullcrop.decoding.image import MissingPackage
from nullcrop.decoding.rgb import decoded_image
from nullcrop.decoding.values import Reading

if TYPE_CHECKING:  # training, which reads stores, needs no pydantic
    from nullcrop.config.definitions import FolderSource, Masks

_GRAY = ("1", "L", "I;16", "I;16B", "I;16L", "I", "F")
"""Pillow's modes of one channel whose numbers are levels."""

_ABOVE_BLACK = Reading(window=(1e-9, 1e-9))
"""Reads zero as black and what is larger, however little, as white."""


def mask_files(
    masks: "Masks | None", images: Sequence[str], source: "FolderSource | None" = None
) -> list[list[str]]:
    """Files of the masks of each of ``images`` (paths), in order; none where ``masks`` allows that one lacks.

    A mask belongs to the image whose file name without its ending is what the pattern's part (?P<image>…) is,
    or whose row in the table of ``source`` names it. Raises NullcropError when an image lacks a mask, when a
    mask that is named is not there, or when two images claim one mask.
    """
    if masks is None:
        raise NullcropError(
            "the view needs masks, but none were named: name their folder under `masks:` of the dataset"
        )
    if masks.column is not None:
        assert source is not None
        found, place = _of_rows(masks, images, source), f"column '{masks.column}' of {source.table}"
        cure, mend = "fill it in", "name each mask in one row"
    else:
        found, place = _of_names(masks, images), str(masks.path)
        cure = "add them, mend `masks.name_pattern`"
        mend = "let the part (?P<image>…) of `masks.name_pattern` hold their folder, too"
    claimed = Counter(path for paths in found for path in paths)
    shared = {path for path, claims in claimed.items() if claims > 1}
    if shared:
        claims = [image for image, paths in zip(images, found, strict=True) if shared.intersection(paths)]
        raise NullcropError(
            f"masks: several images claim one mask ({listed(sorted(shared), 1)}), so whose it is cannot be "
            f"told: {listed(claims)}; {mend}"
        )
    lacking = [image for image, paths in zip(images, found, strict=True) if not paths]
    if lacking and masks.lacking == "error":
        raise NullcropError(
            f"masks: {len(lacking)} of {len(images)} images have no mask in {place}: {listed(lacking)}; "
            f"{cure}, or set `masks.lacking: empty` where an image without one holds no lesion"
        )
    return found


def _of_names(masks: "Masks", images: Sequence[str]) -> list[list[str]]:
    """The files below the folder of masks whose names tell their image."""
    folder = Path(str(masks.path))
    if not folder.is_dir():
        raise NullcropError(f"masks.path: there is no folder {folder} (seen from {Path.cwd()})")
    of_name: dict[str, list[str]] = defaultdict(list)
    own = {os.path.realpath(image) for image in images}
    for path in whole_walk(folder).paths:
        match = re.search(masks.name_pattern, path.relative_to(folder).as_posix())
        # Where masks lie beside the images, an image is no mask of itself.
        if match and match["image"] and os.path.realpath(path) not in own:
            of_name[match["image"]].append(str(path))
    depths = sorted({name.count("/") for name in of_name}, reverse=True)
    found = []
    for image in images:
        # A pattern may keep the first part of an ending of two, as of `.nii.gz`.
        above, stems = Path(image).parent.parts, dict.fromkeys((stem(image), Path(image).stem))
        names = ("/".join((*above, own)[-depth - 1 :]) for depth in depths for own in stems)
        found.append(next((of_name[name] for name in names if name in of_name), []))
    return found


def _of_rows(masks: "Masks", images: Sequence[str], source: "FolderSource") -> list[list[str]]:
    """The files that the images' rows in the table name."""
    from nullcrop.datasets.tables import column_of_images

    root = Path(masks.path or source.path)
    written = column_of_images(source, str(masks.column), "masks.column")
    unlisted = [image for image in images if image not in written]
    if unlisted:
        raise NullcropError(
            f"masks.column: {source.table} no longer has a row of {len(unlisted)} images: "
            f"{listed(unlisted)}; delete samples.csv and run again"
        )
    named = [
        [name.strip().replace("\\", "/") for name in written[image].split(masks.separator) if name.strip()]
        for image in images
    ]
    absent = [name for names in named for name in names if not (root / name).is_file()]
    if absent:
        raise NullcropError(
            f"masks.column: {source.table} names {len(absent)} masks that are not in {root}: "
            f"{listed(absent)}; mend these rows, bring the files there, or name their folder under "
            "`masks.path`"
        )
    return [[str(root / name) for name in names] for names in named]


def read_mask(paths: Sequence[str], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """The union of the masks in ``paths``: bool of ``size`` (height, width), true where any is above black.

    Without a path it is false everywhere. Of a picture in colour one colour besides black may be the lesion;
    transparency is not looked at. Of a volume, or of several frames, the central slice is read, as of images.
    Raises NullcropError when a file cannot be read, has another size, or is in
    several colours.
    """
    union = np.zeros(size, bool)
    for path in paths:
        try:
            kind = kind_by_name(path)
            if kind == "dicom":
                pixels = read_dicom_mask(path)
            elif kind in SCANS.values():
                pixels = decoded_image(path, _ABOVE_BLACK).pixels[..., 0]
            else:
                with Image.open(path) as image:
                    pixels = np.asarray(image if image.mode in _GRAY else image.convert("RGB"))
        except MissingPackage:
            raise
        # As with images: decoders of broken files raise nearly everything.
        except Exception as error:
            raise NullcropError(
                f"the mask {path} cannot be read: {type(error).__name__}: {error}; replace it or take it away"
            ) from None
        if pixels.shape[:2] != size:
            raise NullcropError(
                f"the mask {path} is {pixels.shape[1]}×{pixels.shape[0]} pixels, its image "
                f"{size[1]}×{size[0]}: bring it to the image's size, or replace it"
            )
        lesion = pixels if pixels.ndim == 2 else _lesion_in_colour(path, pixels)
        union[lesion > 0] = True
    return union


def _lesion_in_colour(path: str, pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    lesion: NDArray[np.bool_] = pixels.max(axis=2) > 0
    inside = pixels[lesion]
    gray = bool((inside == inside[:, :1]).all())
    if not gray and (inside != inside[0]).any():
        raise NullcropError(
            f"the mask {path} is in several colours, so which of them is the lesion cannot be told: save it "
            "with the lesion white and all else black"
        )
    return lesion
