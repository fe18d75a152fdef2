"""Which files hold images: by their names, and by their first bytes where a name tells nothing.

An image is one of three kinds. *Pictures* are decoded by Pillow. *Scans* (DICOM, NIfTI, NRRD) need an
optional package each. *Refused* files hold images that nullcrop does not read, above all whole slides; they
count as images, so that none is ignored in silence, and decoding one says what to do with it.
"""

import gzip
import os
import zlib
from pathlib import Path
from typing import Literal

Kind = Literal["picture", "dicom", "nifti", "nrrd", "refused"]

_PICTURES = """
.apng .avif .avifs .blp .bmp .bw .cur .dcx .dds .dib .fit .fits .flc .fli .ftc .ftu .gbr .gif .icb .icns .ico
.im .j2c .j2k .jfif .jp2 .jpc .jpe .jpeg .jpf .jpg .jpx .mpo .msp .pbm .pcd .pcx .pfm .pgm .png .pnm .ppm .psd
.pxr .qoi .ras .rgb .rgba .sgi .tga .tif .tiff .vda .vst .webp .xbm .xpm
"""

PICTURES = frozenset(_PICTURES.split())
"""Endings of the formats that Pillow decodes by itself. Others (HDF5, EPS, MPEG, …) it knows by name only, or
hands to other programs."""

SCANS: dict[str, Kind] = {
    ".dcm": "dicom",
    ".dicom": "dicom",
    ".ima": "dicom",
    ".nii": "nifti",
    ".nii.gz": "nifti",
    ".nrrd": "nrrd",
}

WHOLE_SLIDE = (
    "is a whole slide, of which nullcrop reads tiles: cut it into tiles first, with OpenSlide, libvips "
    "(`vips dzsave`), TIAToolbox or QuPath, keep the slide's name in theirs, and audit the tiles as "
    "`field: tile` with the slide or the patient as group"
)
"""What is said of whole slides: words that follow a file's path."""

LARGEST = 178_956_970
"""Pixels of the largest image that is read: twice Pillow's limit, where it speaks of a bomb."""
TOO_LARGE = f"has more than {LARGEST // 1_000_000} million pixels: it {WHOLE_SLIDE}"
"""What is said of an image with more."""

_VOLUME = "is a volume in a format that nullcrop does not read: convert it to NIfTI (.nii.gz), NRRD or DICOM"
_OTHER = "is an image in a format that nullcrop does not read: convert it to PNG, TIFF or JPEG"

REFUSED: dict[str, str] = {
    **dict.fromkeys(
        (".svs", ".ndpi", ".mrxs", ".scn", ".vms", ".vmu", ".bif", ".vsi", ".isyntax", ".svslide"),
        WHOLE_SLIDE,
    ),
    **dict.fromkeys((".czi", ".lif", ".nd2", ".oib", ".oif"), _OTHER),
    **dict.fromkeys((".mha", ".mhd", ".nhdr", ".mgz", ".mgh"), _VOLUME),
    **dict.fromkeys((".heic", ".heif", ".jxl", ".dng", ".cr2", ".nef", ".arw"), _OTHER),
}
"""What is said of files that hold images but are not read, by ending: words that follow the file's path."""

_ENDINGS: dict[str, Kind] = {
    **dict.fromkeys(PICTURES, "picture"),
    **SCANS,
    **dict.fromkeys(REFUSED, "refused"),
}


def ending(name: str | Path) -> str:
    """The ending of a file name in lower case, with its dot: `.nii.gz` as one, '' where there is none."""
    # By hand: pathlib takes seconds over hundreds of thousands of names.
    base = os.fspath(name).rpartition("/")[2]
    rest, dot, last = base.lstrip(".").lower().rpartition(".")
    if not dot or not last:
        return ""
    middle = rest.rpartition(".")
    both = f".{middle[2]}.{last}" if middle[1] else ""
    return both if both in _ENDINGS else f".{last}"


def stem(name: str | Path) -> str:
    """The file's name without its folders and its :func:`ending`: `brain` of `scans/brain.nii.gz`."""
    base = os.fspath(name).rpartition("/")[2]
    dots = ending(base).count(".")
    return base.rsplit(".", dots)[0] if dots else base


def kind_by_name(name: str | Path) -> Kind | None:
    """What a file's name says that it holds; None where it says no image."""
    return _ENDINGS.get(ending(name))


def is_image_name(name: str | Path) -> bool:
    """Whether a file's name says that it holds an image, be it one that is refused."""
    return ending(name) in _ENDINGS


def why_refused(name: str | Path) -> str | None:
    """What is said of a file whose name says that its image is not read: words that follow its path."""
    return REFUSED.get(ending(name))


_BEGINNINGS: tuple[tuple[bytes, Kind], ...] = (
    (b"\x89PNG\r\n\x1a\n", "picture"),
    (b"\xff\xd8\xff", "picture"),  # JPEG
    (b"GIF87a", "picture"),
    (b"GIF89a", "picture"),
    (b"II*\0", "picture"),  # TIFF
    (b"MM\0*", "picture"),
    (b"II+\0", "picture"),  # BigTIFF
    (b"MM\0+", "picture"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "picture"),  # JPEG 2000
    (b"\xff\x4f\xff\x51", "picture"),
    (b"NRRD000", "nrrd"),
)

_NIFTI_END = 348
"""Bytes of a NIfTI-1 header, which ends with its mark; that of NIfTI-2 begins with one."""


def kind_by_content(path: str | Path) -> Kind | None:
    """What the first bytes of a file say that it holds; None where they are of no image that nullcrop knows.

    Raises OSError when the file cannot be read.
    """
    with open(path, "rb") as stream:
        start = stream.read(_NIFTI_END)
    if start[128:132] == b"DICM":
        return "dicom"
    for beginning, kind in _BEGINNINGS:
        if start.startswith(beginning):
            return kind
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "picture"
    if start[4:12] in (b"ftypavif", b"ftypavis"):
        return "picture"
    # A Windows bitmap: two letters alone would be found in texts, too; its reserved bytes are zero.
    if start[:2] == b"BM" and start[6:10] == b"\0\0\0\0":
        return "picture"
    if start[:2] == b"\x1f\x8b":
        try:
            with gzip.open(path) as stream:
                start = stream.read(_NIFTI_END)
        except (OSError, EOFError, zlib.error):
            return None
    if start[344:348] in (b"n+1\0", b"ni1\0") or start[4:8] in (b"n+2\0", b"ni2\0"):
        return "nifti"
    return None
