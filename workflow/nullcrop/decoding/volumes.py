"""One slice of a volume to RGB pixels: NIfTI (needs nibabel, the extra `nifti`) and NRRD (pynrrd, `nrrd`).

The central slice across the axis with the coarsest spacing is read: the one that the scanner stepped along.
Where all are alike it is the third. Rows run along the later of the other two axes, columns along the
earlier, as in an array of SimpleITK; nothing is turned by the header. Of several volumes the first is taken.

Values of 8 bits without a scale and colours are themselves. All others are read by the dataset's `window`,
after the file's own scaling, and refused without one: a volume declares no range.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nullcrop.basics.errors import NullcropError
from nullcrop.decoding.formats import ending
from nullcrop.decoding.image import DecodedImage, package_for
from nullcrop.decoding.values import (
    AS_DECLARED,
    NoDeclaredRange,
    Reading,
    extremes_of,
    in_three,
    windowed,
)

ALIKE = 1e-3
"""Spacings that differ by less than this share are one."""


def read_nifti(name: str, reading: Reading = AS_DECLARED) -> DecodedImage:
    """Decode the central slice of the NIfTI file ``name``.

    Raises NullcropError when it holds none, NoDeclaredRange when its values need a window, and MissingPackage
    without nibabel. What nibabel says of a broken file comes as it is.
    """
    if ending(name) not in (".nii", ".nii.gz"):
        raise NullcropError(
            f"{name} is a NIfTI volume, but its name does not end in .nii or .nii.gz: rename it"
        )
    nibabel = package_for(name, "a NIfTI volume", "nibabel", "nibabel", "nifti")
    volume = nibabel.load(name)
    shape = volume.shape
    where, slices = _central(name, shape, volume.header.get_zooms())
    values = np.asarray(volume.dataobj[(*where, *(0 for _ in shape[3:]))])
    if values.dtype.names is not None:  # colours are fields R, G, B (and A)
        values = np.stack([values[channel] for channel in values.dtype.names[:3]], axis=-1)
    return _slice(name, values, "NIFTI", slices * int(np.prod(shape[3:])), reading)


def read_nrrd(name: str, reading: Reading = AS_DECLARED) -> DecodedImage:
    """Decode the central slice of the NRRD file ``name``, which must hold its own data.

    Raises as :func:`read_nifti`.
    """
    nrrd = package_for(name, "an NRRD volume", "nrrd", "pynrrd", "nrrd")
    header = nrrd.read_header(name)
    if "data file" in header or "datafile" in header:
        # A header may name any file of the machine.
        raise NullcropError(f"{name}: its data lie in another file, which nullcrop does not follow")
    values, _ = nrrd.read(name)
    kinds = header.get("kinds", ["domain"] * values.ndim)
    colours = [axis for axis, kind in enumerate(kinds) if "color" in kind.lower()]
    spacing = header.get("spacings")
    if spacing is None and header.get("space directions") is not None:
        directions = np.array(header["space directions"], dtype=float)
        spacing = np.sqrt((directions**2).sum(axis=1))
    if spacing is not None:
        spacing = np.delete(np.nan_to_num(spacing, nan=0), colours)
    values = np.moveaxis(values, colours, range(values.ndim - len(colours), values.ndim))
    shape = values.shape[: values.ndim - len(colours)]
    where, slices = _central(name, shape, spacing if spacing is not None else [])
    values = values[(*where, *(0 for _ in shape[3:]))]
    return _slice(name, values, "NRRD", slices * int(np.prod(shape[3:])), reading)


def _central(name: str, shape: Sequence[int], spacing: Sequence[float]) -> tuple[tuple[Any, ...], int]:
    """What to take along the first axes (at most three), and how many slices there are."""
    if len(shape) < 2 or 0 in shape:
        raise NullcropError(f"{name} is no image: its shape is {tuple(shape)}")
    if len(shape) == 2:
        return (slice(None), slice(None)), 1
    coarse = [float(step) for step in spacing[:3]]
    axis = 2
    if len(coarse) == 3 and coarse[2] < max(coarse) * (1 - ALIKE):
        axis = int(np.argmax(coarse))
    where: list[Any] = [slice(None)] * 3
    where[axis] = shape[axis] // 2
    return tuple(where), shape[axis]


def _slice(name: str, values: NDArray[Any], kind: str, frames: int, reading: Reading) -> DecodedImage:
    values = values.swapaxes(0, 1)
    mode = f"{values.dtype.name}" if values.ndim == 2 else "RGB"
    extremes = None
    if values.ndim == 3 and (values.dtype != np.uint8 or values.shape[2] != 3):
        raise NullcropError(
            f"{name}: colours of {values.shape[2]} channels of {values.dtype} are not read; save 3 of 8 bits"
        )
    if values.ndim == 3:
        pixels = np.ascontiguousarray(values)
    elif values.dtype == np.uint8:
        pixels = in_three(values)
    else:
        extremes = extremes_of(values)
        if reading.window is None:
            raise NoDeclaredRange(name, values, values.dtype.name)
        pixels = in_three(windowed(values, *reading.window))
    return DecodedImage(pixels, kind, mode, frames=frames, extremes=extremes)
