"""One image file to RGB pixels: what each image mode means, decided once.

========== ===============================================================================
mode       becomes
========== ===============================================================================
RGB        itself; of 16 bits a channel the high byte
L, 1       the gray value in all three channels
LA, RGBA   the colours as stored; the alpha channel is dropped, not composed on a background
P          the palette's colours (a transparent entry keeps its colour)
CMYK, …    Pillow's own conversion, without colour profile (also YCbCr, LAB, HSV)
I;16, I    the high byte of the 16-bit value, or by the dataset's `bits` or `window`
           (decoding/values.py): a fixed rule, because stretching each image to its own range
           would write its content into every pixel
F          by the dataset's `window`; refused without one: floating-point pixels have no
           agreed range
========== ===============================================================================

Listing and packing decode by the same function, so what the one takes the other can read. What is no picture
is read by decoding/dicom.py and decoding/volumes.py.

An EXIF orientation tag turns nothing: the corner that is cropped is the corner Pillow's crop
takes from the opened file, which is also what a network's usual loader sees. (Pillow itself
turns a TIFF while loading it, and nothing else.) Damaged EXIF data is no damaged image.
Of several frames or pages of a picture the first is taken.

An image need not be a file of its own: `images.npy::12` is the image with index 12 in an array of
images, `images.npy::12,32` slice 32 of the volume with index 12. Wherever nullcrop reads an image
by its path, such a locator will do.
"""

import re
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, PngImagePlugin, UnidentifiedImageError

from nullcrop.basics.errors import NullcropError
from nullcrop.decoding.formats import TOO_LARGE, kind_by_content, kind_by_name, why_refused
from nullcrop.decoding.image import DecodedImage
from nullcrop.decoding.values import (
    AS_DECLARED,
    UNDECLARED_BITS,
    NoDeclaredRange,
    Reading,
    bits_needed,
    deep_gray,
    extremes_of,
    in_three,
    windowed,
)

# Microscopes and editors write megabytes of history into a PNG. Pillow's own limit of one would refuse its
# pixels, too; that of all texts together (64 MB) stays.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY

LOCATOR = re.compile(r"(.+\.npy)::(\d+(?:,\d+)*)")


def locator(array: Path, *index: int) -> str:
    """The path of one image in the .npy file ``array``: its index along the first axes."""
    return f"{array}::{','.join(map(str, index))}"


def packed_image(path: str) -> NDArray[np.uint8] | None:
    """The image a locator names, gray (height, width) or RGB (height, width, 3), read-only; None for a file.

    Nothing is read before its pixels are used: the array is a memory map, opened once. Raises
    NullcropError when there is no such array or no such image in it.
    """
    match = LOCATOR.fullmatch(path)
    if match is None:
        return None
    try:
        image: NDArray[np.uint8] = _array(match[1])[tuple(map(int, match[2].split(",")))]
    except (OSError, ValueError, IndexError) as error:
        raise NullcropError(f"{path} cannot be read as an image: {error}") from None
    if image.dtype != np.uint8 or image.shape[2:] not in ((), (3,)) or image.ndim < 2:
        raise NullcropError(f"{path} is no image: its shape is {image.shape} and its type {image.dtype}")
    return image


@lru_cache(maxsize=64)
def _array(path: str) -> NDArray[np.uint8]:
    # As a plain array: a memmap's own bookkeeping costs more than cutting out an image.
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def read_rgb(path: Path | str, reading: Reading = AS_DECLARED) -> NDArray[np.uint8]:
    """Decode ``path`` once into an array of shape (height, width, 3), dtype uint8.

    ``path`` is a file or a locator; what a locator names is not copied. ``reading`` is the dataset's rule for
    values of more than 8 bits. Raises NullcropError with the file's name when it cannot be decoded.
    """
    packed = packed_image(str(path))
    if packed is not None:
        return packed if packed.ndim == 3 else np.broadcast_to(packed[:, :, None], (*packed.shape, 3))
    return decoded_image(path, reading).pixels


def decoded_image(path: Path | str, reading: Reading = AS_DECLARED) -> DecodedImage:
    """Decode the file ``path`` once, and tell what it says of its image.

    Raises NullcropError with the file's name when it cannot be decoded; MissingPackage when that is for want
    of a package, and NoDeclaredRange when its values need a window.
    """
    name = str(path)
    refused = why_refused(name)
    if refused is not None:
        raise NullcropError(f"{name} {refused}")
    try:
        kind = kind_by_name(name)
        if kind not in ("dicom", "nifti", "nrrd"):
            try:
                with Image.open(path) as image:
                    return _picture(image, name, reading)
            except UnidentifiedImageError:
                # A name may lie, or there is none.
                kind = kind_by_content(path)
                if kind not in ("dicom", "nifti", "nrrd"):
                    raise
        if kind == "dicom":
            from nullcrop.decoding.dicom import read_dicom

            return read_dicom(name, reading)
        from nullcrop.decoding.volumes import read_nifti, read_nrrd

        return read_nifti(name, reading) if kind == "nifti" else read_nrrd(name, reading)
    except NullcropError:
        raise
    except UnidentifiedImageError as error:
        raise NullcropError(f"{name} cannot be read as an image: {_what_it_is(path) or error}") from None
    except Image.DecompressionBombError:
        raise NullcropError(f"{name} {TOO_LARGE}") from None
    # Decoders of broken files raise nearly everything, and seldom name the file.
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise NullcropError(f"{name} cannot be read as an image: {why}") from None


def _what_it_is(path: Path | str) -> str | None:
    """What a file that Pillow does not know turned out to be, and what to do."""
    with open(path, "rb") as stream:
        start = stream.read(512).lstrip().lower()
    if not start:
        return "it is empty"
    if start.startswith((b"<!doctype html", b"<html")):
        return "it is a web page, so its download failed: fetch it again"
    if start.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS: run `git lfs pull` in its repository"
    return None


def _picture(image: Image.Image, name: str, reading: Reading) -> DecodedImage:
    """The picture that Pillow opened, decoded."""
    # Asked before Pillow forgets it, which it does when it has decoded the image.
    sixteen = _has_sixteen_bits(image)
    if image.format == "PNG":
        # Its EXIF data may stand behind its pixels, whose damage is another matter.
        image.load()
    # A TIFF forgets it when Pillow has turned it.
    orientation = _orientation(image)
    image.load()
    pixels = to_rgb(image, name, reading)
    extremes = bits_used = None
    if _is_deep_gray(image):
        extremes = extremes_of(np.asarray(image))
    elif sixteen:
        if reading.window is not None or reading.bits not in (None, UNDECLARED_BITS):
            raise NullcropError(
                f"{name}: colours of 16 bits a channel are read as their high byte, so `bits` and `window` "
                "cannot be met: save them with 8 bits a channel"
            )
        # Of the low byte Pillow tells nothing.
        extremes = (float(int(pixels.min()) << 8), float(int(pixels.max()) << 8 | 255))
    if extremes is not None and reading == AS_DECLARED:
        bits_used = bits_needed(0, int(extremes[1]), signed=False)
    return DecodedImage(
        pixels=pixels,
        format=image.format or "",
        mode=image.mode,
        orientation=orientation,
        frames=_frames(image),
        extremes=extremes,
        bits_used=bits_used,
    )


def _has_sixteen_bits(image: Image.Image) -> bool:
    """Whether the file, whose pixels are not yet decoded, has 16 bits a channel."""
    for tile in getattr(image, "tile", []):
        packing = tile[3][0] if isinstance(tile[3], tuple) else tile[3]
        # BGR;16 is a pixel of 16 bits, not a channel.
        if isinstance(packing, str) and ";16" in packing and not packing.startswith("BGR"):
            return True
    return False


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    # Of damaged EXIF data as of damaged pixels: its decoder raises nearly everything.
    except Exception:
        return 1


def _frames(image: Image.Image) -> int:
    try:
        return int(getattr(image, "n_frames", 1))
    # A further frame is damaged. The first, which is taken, was decoded.
    except Exception:
        return 1


def _is_deep_gray(image: Image.Image) -> bool:
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def to_rgb(image: Image.Image, name: str, reading: Reading = AS_DECLARED) -> NDArray[np.uint8]:
    """Pixels of ``image`` as RGB, shape (height, width, 3), by the table above.

    Raises NullcropError, which begins with ``name``, when its values do not fit the ``reading``.
    """
    if _is_deep_gray(image):
        values = np.asarray(image)
        if reading.window is not None:
            return in_three(windowed(values, *reading.window))
        if image.mode == "F":
            raise NoDeclaredRange(name, values, "floating-point")
        source = "the depth of such files" if reading.bits is None else "the definition's `bits`"
        return in_three(deep_gray(values, name, reading.bits or UNDECLARED_BITS, False, source))
    if image.mode == "RGB":
        # Pillow's conversion would copy every pixel first.
        return np.asarray(image)
    # Transparency is dropped on purpose; without this Pillow would warn of it in every log.
    image.info.pop("transparency", None)
    return np.asarray(image.convert("RGB"))
