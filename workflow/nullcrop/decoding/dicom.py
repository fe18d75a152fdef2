"""One DICOM file to RGB pixels, and what it tells of patient and device. Needs pydicom (the extra `dicom`).

==========================  ====================================================================
photometric interpretation  becomes
==========================  ====================================================================
MONOCHROME2                 gray: the whole range of BitsStored, signed or not, or by the dataset's
                            `bits` or `window` (decoding/values.py)
MONOCHROME1                 the same, then inverted, so that more is brighter in every file
RGB, ``YBR_…``              the colours, converted as pydicom does
PALETTE COLOR               the palette's colours; of 16 bits the high byte
==========================  ====================================================================

A file's own WindowCenter, WindowWidth and lookup tables of presentation are not used: a scanner or a person
chose them for one image, so they would write device and diagnosis into every pixel. A `window` of the
definition counts after RescaleSlope and RescaleIntercept (Hounsfield units in CT); without one the rescale
is left out, and listing stops where it differs between images. Of several frames the central one is read.
Overlays and shutters are not drawn.

Whole slides are refused. Only the elements named below are ever read from a file, so that no name and no
date of a patient can reach a message, a log or a table.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from nullcrop.basics.errors import NullcropError
from nullcrop.decoding.formats import LARGEST, TOO_LARGE, WHOLE_SLIDE
from nullcrop.decoding.image import DecodedImage, MissingPackage, package_for
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

ATTRIBUTES = {
    "patient": ("IssuerOfPatientID", "PatientID"),
    "manufacturer": ("Manufacturer",),
    "model": ("Manufacturer", "ManufacturerModelName"),
    "station": ("InstitutionName", "StationName"),
    "device": ("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber"),
    "institution": ("InstitutionName",),
}
"""What an image can be grouped by, and the elements that tell it: the last of each list must be there."""

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_PALETTE = tuple(
    f"{start}{colour}PaletteColorLookupTable{end}"
    for colour in ("Red", "Green", "Blue")
    for start, end in (("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))
)
_READ = [
    *("SOPClassUID", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames"),
    *("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "WindowCenter", "WindowWidth"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
    *_PALETTE,
    *_PIXELS,
    *{element for elements in ATTRIBUTES.values() for element in elements},
]
Result = TypeVar("Result")

_WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"


def read_dicom(name: str, reading: Reading = AS_DECLARED) -> DecodedImage:
    """Decode the DICOM file ``name``, by the table above.

    Raises NullcropError, which tells nothing of what the file says of a person, when it is no DICOM file or
    holds no image that can be read; MissingPackage when pydicom or a decoder is not installed.
    """
    return _in_words(name, lambda: _decoded(name, reading))


def read_dicom_mask(name: str) -> np.ndarray[Any, Any]:
    """The values of the DICOM file ``name`` as they are stored, whatever it says of rescaling or of black and
    white: (height, width), or (height, width, 3) in colour. It raises as :func:`read_dicom` does."""
    return _in_words(name, lambda: _values(name, *_opened(name))[0])


def _in_words(name: str, decode: Callable[[], Result]) -> Result:
    """What ``decode`` makes of the file ``name``; its failures tell nothing of what the file says."""
    pydicom = package_for(name, "a DICOM file", "pydicom", "pydicom", "dicom")
    # Its warnings of doubtful values quote them.
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    try:
        return decode()
    except NullcropError:
        raise
    except pydicom.errors.InvalidDicomError:
        raise NullcropError(f"{name} has the name of a DICOM file and is none") from None
    # pydicom raises nearly everything, and its words may quote what the file says.
    except Exception as error:
        raise NullcropError(
            f"{name} cannot be read as a DICOM image ({type(error).__name__}): it is damaged or of a rare "
            "kind"
        ) from None


def _opened(name: str) -> tuple[Any, int, int]:
    """The file, and which frame of how many is read."""
    from pydicom import dcmread

    file = dcmread(name, specific_tags=_READ)
    if file.get("SOPClassUID") == _WHOLE_SLIDE:
        raise NullcropError(f"{name} {WHOLE_SLIDE}")
    if not any(element in file for element in _PIXELS):
        raise NullcropError(f"{name} is a DICOM file without an image (a report, a plan or an index)")
    if file.Rows * file.Columns > LARGEST:
        raise NullcropError(f"{name} {TOO_LARGE}")
    frames = int(file.get("NumberOfFrames") or 1)
    return file, frames // 2, frames


def _decoded(name: str, reading: Reading) -> DecodedImage:
    file, frame, frames = _opened(name)
    values, colours = _values(name, file, frame, frames)
    about: dict[str, Any] = {
        "format": "DICOM",
        "mode": f"{file.PhotometricInterpretation};{file.get('BitsStored', 'F')}",
        "frames": frames,
        "attributes": {key: _attribute(file, elements) for key, elements in ATTRIBUTES.items()},
    }
    if colours == "PALETTE COLOR":
        from pydicom.pixels.processing import apply_color_lut

        values, colours = apply_color_lut(values, file), "RGB"
        bits = values.dtype.itemsize * 8
        return DecodedImage(pixels=deep_gray(values, name, bits, False), **about)
    if colours == "RGB":
        return DecodedImage(pixels=deep_gray(values, name, file.BitsStored, False), **about)
    if colours not in ("MONOCHROME1", "MONOCHROME2"):
        raise NullcropError(
            f"{name} has the photometric interpretation {colours}, which nullcrop does not read"
        )
    return _gray(name, values, file, frame, reading, about)


def _values(name: str, file: Any, frame: int, frames: int) -> tuple[np.ndarray[Any, Any], str]:
    """The values of one frame, (height, width) or (height, width, 3), and what they are."""
    from pydicom.pixels.decoders.base import get_decoder

    syntax = file.file_meta.TransferSyntaxUID
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise NullcropError(
            f"{name} is compressed in a way that pydicom does not read ({syntax.name}): convert it first, "
            "with `gdcmconv --raw`"
        ) from None
    if not decoder.is_available:
        raise MissingPackage(
            f"{name} is compressed ({syntax.name}), which takes one of these packages to be read: "
            f"{'; '.join(decoder.missing_dependencies)}"
        )
    try:
        values, facts = decoder.as_array(file, index=frame if frames > 1 else None)
    except RuntimeError:
        # Each decoder that is installed failed, because of the data or of their depth.
        others = "; ".join(decoder.missing_dependencies)
        raise NullcropError(
            f"{name} is compressed ({syntax.name}), and what is installed here cannot decode it: it is "
            f"damaged, or takes one of these packages: {others or 'none is known'}"
        ) from None
    return values, str(facts["photometric_interpretation"])


def _gray(
    name: str, values: np.ndarray[Any, Any], file: Any, frame: int, reading: Reading, about: dict[str, Any]
) -> DecodedImage:
    slope, intercept = _rescale(name, file, frame)
    rescaled = values * slope + intercept
    floating = values.dtype.kind == "f"
    # Floating-point pixels have no BitsStored.
    stored = int(file.get("BitsStored") or file.BitsAllocated)
    signed = bool(file.get("PixelRepresentation", 0))
    bits_used = None
    if stored <= 8:
        gray = deep_gray(values, name, stored, signed, "its BitsStored")
    elif reading.window is not None:
        gray = windowed(rescaled, *reading.window)
    elif floating or (reading.bits is None and stored > UNDECLARED_BITS):
        raise NoDeclaredRange(name, rescaled, "floating-point" if floating else f"{stored}-bit")
    else:
        source = "its BitsStored" if reading.bits is None else "the definition's `bits`"
        gray = deep_gray(values, name, reading.bits or stored, signed, source)
        if reading.bits is None and stored == UNDECLARED_BITS:
            # As deep as it was allocated: nobody said how deep it is.
            bits_used = bits_needed(int(values.min()), int(values.max()), signed)
    if file.PhotometricInterpretation == "MONOCHROME1":
        gray = 255 - gray
    return DecodedImage(
        pixels=in_three(gray),
        extremes=extremes_of(rescaled) if stored > 8 else None,
        bits_used=bits_used,
        rescale=(slope, intercept) if stored > 8 and reading.window is None else None,
        own_window=_own_window(file, frame),
        **about,
    )


def _rescale(name: str, file: Any, frame: int) -> tuple[float, float]:
    """Slope and intercept of one frame: of the file, or of its functional groups."""
    if file.get("ModalityLUTSequence"):
        raise NullcropError(
            f"{name} has a lookup table in place of a rescale slope (ModalityLUTSequence): nullcrop does not "
            "read it"
        )
    for owner in _owners(file, frame, "PixelValueTransformationSequence"):
        slope, intercept = owner.get("RescaleSlope"), owner.get("RescaleIntercept")
        if slope is not None or intercept is not None:
            return float(slope or 1), float(intercept or 0)
    return 1.0, 0.0


def _own_window(file: Any, frame: int) -> tuple[float, float] | None:
    """The first window that the file names for one frame, as (centre, width); None where it names none."""
    for owner in _owners(file, frame, "FrameVOILUTSequence"):
        both = [owner.get(element) for element in ("WindowCenter", "WindowWidth")]
        try:
            center, width = (float(one if isinstance(one, int | float | str) else one[0]) for one in both)
        except (TypeError, ValueError, IndexError):
            continue
        return center, width
    return None


def _owners(file: Any, frame: int, sequence: str) -> list[Any]:
    """Where elements that count for one frame may stand: in the file, and in this ``sequence`` of its
    functional groups."""
    owners = [file]
    for groups, number in (
        ("PerFrameFunctionalGroupsSequence", frame),
        ("SharedFunctionalGroupsSequence", 0),
    ):
        items = file.get(groups) or []
        if number < len(items):
            owners += items[number].get(sequence) or []
    return owners


def _attribute(file: Any, elements: tuple[str, ...]) -> str:
    parts = [str(file.get(element) or "").strip() for element in elements]
    return "\0".join(parts) if parts[-1] else ""
