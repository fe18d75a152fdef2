"""Phantoms: generated scans whose corners hold no lesion, with or without a planted cue.

An audit is tried on them because the truth is known: the lesion tells the class, a corner tells
it only through the cue. Levels are grey levels of 8-bit images (0 to 255) throughout.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import sha256_of, written_whole
from nullcrop.config.definitions import Cue, Definition, PhantomSource
from nullcrop.datasets.folder import list_folder

Scan = NDArray[np.float64]
"""Height × width × 3 grey levels, not yet rounded."""

COLUMNS = ["path", "class", "id", "group", "session"]
"""Columns of the table of the generated images."""

CORNER = 20
"""Side in pixels of the corner squares that the body never reaches: the study's crop."""

BACKGROUND = 36.0
"""Level around the body: dark, but so far above 0 that no cue and hardly any noise is cut off."""
EXPOSURE_SPREAD = 1.0
"""Standard deviation of an image's own brightness, the same in every class."""
NOISE = 4.8
"""Standard deviation of the noise that the three channels share, as in a grey image."""
COLOUR_NOISE = 1.5
"""Standard deviation of each channel's own noise; with none, one pixel would betray any tint."""

BODY = (75.0, 100.0)
"""Level of the body above the background, drawn once a patient."""
TEXTURE = (9.0, 6.0)
"""Standard deviation of the body's coarse and fine texture."""
TEXTURE_CELLS = (8, 28)
"""Cells along a side of the coarse and the fine texture."""

BENIGN_LEVEL, MALIGNANT_LEVEL = (22.0, 42.0), (45.0, 75.0)
"""Level of a lesion above the body: malignant ones are brighter."""
BENIGN_RADIUS, MALIGNANT_RADIUS = (0.20, 0.25), (0.17, 0.22)
"""Radius of a lesion without its spicules, in units of the reach (:func:`body_reach`)."""
SPICULE_LENGTH, SPICULE_WIDTH = (0.1, 0.8), 0.2
"""Length of a malignant lesion's spicules in units of its radius, and their width in radians."""

SESSION_OFFSET, SESSION_GAIN = 7.0, 0.06
"""Brightest session: so many levels and such a share above the mean; the darkest is as far below."""
SESSION_SLOPE = 2.0
"""Log-odds by which a malignant patient prefers the brightest to a middle session."""
BEST_QUALITY, WORST_QUALITY = 95, 40
"""JPEG quality of benign images, and of malignant ones at strength 1."""
VIGNETTE_DEPTH = 0.28
"""Share of light a malignant image loses in its outermost corner pixel."""
STAIN_TINT = (0.08, -0.07, 0.04)
"""Share added to red, green and blue of a malignant image: faintly pink."""
SIGNATURE_LEVEL, SIGNATURE_TINT, SIGNATURE_PATTERN = 4.0, 2.5, 4.0
"""Standard deviations of a patient's brightness, of each channel's tint and of its smooth pattern."""
SIGNATURE_CELLS = 6
"""Cells of that pattern along a side: smooth to the eye, yet a corner sees a slope."""

DIAGNOSIS, ANATOMY, EXPOSURE, SESSION, SIGNATURE = 1, 2, 3, 4, 5
"""Random streams. Each purpose has its own, so that a cue changes nothing beneath it."""


def write_phantom(source: PhantomSource, folder: Path) -> dict[str, Any]:
    """Generate the phantom in ``folder``; the number of its images, and the hash of its table."""
    table = generate_phantom(source, folder)
    return {"images": len(table), "table_sha256": sha256_of(folder / "samples.csv")}


def list_phantom(source: PhantomSource, archive: Path, definition: Definition) -> pd.DataFrame:
    """Columns id, path, class, group, official_split (all text) of the generated images."""
    return list_folder(source.own_table(archive), definition)


def describe_phantom(definition: Definition) -> tuple[str, str]:
    """Where the images come from, and what getting them takes."""
    return "generated", "open"


def generate_phantom(source: PhantomSource, folder: Path) -> pd.DataFrame:
    """Write ``folder``/images/{class}/{patient}_{image}.png (or .jpg) and ``folder``/samples.csv.

    Returns the table: path (relative to ``folder``/images), class, id, group (the patient) and
    session, one row an image. It is written last, so that it never names an image not yet there.
    Raises NullcropError when the seed is negative, a class would have no patient, or ``folder``/samples.csv
    is somebody else's.
    """
    diagnoses(source)  # refused before anything is written
    _check_own_table(folder / "samples.csv")
    for name in ("benign", "malignant"):
        (folder / "images" / name).mkdir(parents=True, exist_ok=True)
    (folder / "samples.csv").unlink(missing_ok=True)
    rows = []
    for image in phantom_images(source):
        path = f"{image.diagnosis}/{image.id}.{image.suffix}"
        (folder / "images" / path).write_bytes(image.file)
        rows.append((path, image.diagnosis, image.id, image.patient, image.session))
    table = pd.DataFrame(rows, columns=COLUMNS)
    with written_whole(folder / "samples.csv") as aside:
        table.to_csv(aside, index=False)
    return table


def _check_own_table(path: Path) -> None:
    if path.is_file():
        with open(path, "rb") as stream:
            header = stream.readline().strip()
        if header != ",".join(COLUMNS).encode():
            raise NullcropError(
                f"{path} is no table of generated images, and would be replaced: move it away, or generate "
                "the images into another folder"
            )


@dataclass(frozen=True)
class PhantomImage:
    """One image of a phantom, as a file's bytes: what is decoded from it is what a dataset of files holds."""

    id: str
    patient: str
    session: str
    diagnosis: str
    """benign or malignant"""
    suffix: str
    """png or jpg"""
    file: bytes


def phantom_images(source: PhantomSource) -> Iterator[PhantomImage]:
    """Generate the images of ``source``, patient by patient; errors as in :func:`generate_phantom`."""
    malignant = diagnoses(source)
    sessions = draw_sessions(source, malignant)
    digits = max(3, len(str(source.patients)))
    for patient in range(source.patients):
        name = f"p{patient + 1:0{digits}d}"
        for number in range(source.images_per_patient):
            scan = draw_scan(source, patient, number, malignant[patient])
            scan = apply_cue(scan, source, patient, malignant[patient], sessions[patient])
            image, stream = Image.fromarray(to_pixels(scan)), BytesIO()
            if source.cue.kind == "jpeg":
                quality = jpeg_quality(source.cue, malignant[patient])
                image.save(stream, "JPEG", quality=quality, subsampling="4:2:0")
            else:
                # Noise hardly compresses; the fastest level loses next to nothing.
                image.save(stream, "PNG", compress_level=1)
            yield PhantomImage(
                id=f"{name}_{number + 1}",
                patient=name,
                session=f"s{sessions[patient] + 1}",
                diagnosis="malignant" if malignant[patient] else "benign",
                suffix="jpg" if source.cue.kind == "jpeg" else "png",
                file=stream.getvalue(),
            )


def diagnoses(source: PhantomSource) -> NDArray[np.bool_]:
    """Whether each patient's lesion is malignant: exactly the rounded share of them is."""
    if source.seed < 0:
        raise NullcropError(f"source.seed must be 0 or more, not {source.seed}")
    count = round(source.positive_share * source.patients)
    if not 0 < count < source.patients:
        raise NullcropError(
            f"source.positive_share {source.positive_share} of {source.patients} patients makes {count} "
            "malignant: both classes need a patient; change the share or raise source.patients"
        )
    return _stream(source, DIAGNOSIS).permutation(source.patients) < count


def draw_sessions(source: PhantomSource, malignant: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Session (0 the darkest) of each patient; only the session cue ties it to the diagnosis."""
    strength = source.cue.strength if source.cue.kind == "session" else 0.0
    preference = SESSION_SLOPE * strength * np.linspace(-1, 1, source.sessions)
    odds = np.exp(np.where(malignant[:, None], preference, -preference))
    bounds = np.cumsum(odds / odds.sum(axis=1, keepdims=True), axis=1)[:, :-1]
    drawn = _stream(source, SESSION).random(source.patients)
    chosen: NDArray[np.intp] = (drawn[:, None] >= bounds).sum(axis=1)
    return chosen


def draw_scan(source: PhantomSource, patient: int, number: int, malignant: bool) -> Scan:
    """Draw a scan without any cue: the anatomy is the patient's, pose, texture and noise the image's."""
    height, width = source.height, source.width
    anatomy = _stream(source, ANATOMY, patient)
    exposure = _stream(source, EXPOSURE, patient, number)
    reach = body_reach(height, width)
    rows, columns = np.mgrid[:height, :width]
    shift = exposure.uniform(-0.06, 0.06, 2)
    y = (rows - (height - 1) / 2) / reach - shift[0]
    x = (columns - (width - 1) / 2) / reach - shift[1]
    tilt = anatomy.uniform(0, np.pi) + exposure.normal(0, 0.06)
    x, y = x * np.cos(tilt) + y * np.sin(tilt), y * np.cos(tilt) - x * np.sin(tilt)

    # Longest axis and shift together stay below 0.98 of the reach.
    long_axis = anatomy.uniform(0.72, 0.89)
    radius = np.hypot(x / long_axis, y / (long_axis * anatomy.uniform(0.72, 0.92)))
    body = _smooth_step((1 - radius) / 0.12)
    rim = 14 * np.exp(-(((radius - 0.9) / 0.05) ** 2))  # a brighter skin
    tissue = anatomy.uniform(*BODY) + rim
    for level, cells in zip(TEXTURE, TEXTURE_CELLS, strict=True):
        tissue = tissue + level * smooth_noise(exposure, height, width, cells)
    lesion = draw_lesion(anatomy, x - anatomy.uniform(-0.1, 0.1), y - anatomy.uniform(-0.1, 0.1), malignant)

    grey = BACKGROUND + exposure.normal(0, EXPOSURE_SPREAD) + body * (tissue + lesion)
    grey = grey + exposure.normal(0, NOISE, (height, width))
    scan: Scan = grey[:, :, None] + exposure.normal(0, COLOUR_NOISE, (height, width, 3))
    return scan


def draw_lesion(rng: Generator, x: Scan, y: Scan, malignant: bool) -> Scan:
    """Levels a lesion adds at coordinates ``x``, ``y`` from its middle (in units of the reach).

    A benign lesion is a smooth, nearly round ellipse; a malignant one has spicules all around.
    """
    distance, angle = np.hypot(x, y), np.arctan2(y, x)
    if malignant:
        outline = np.ones_like(distance)
        count = rng.integers(7, 12)
        for direction in (np.arange(count) + rng.uniform(-0.45, 0.45, count)) * 2 * np.pi / count:
            away = np.angle(np.exp(1j * (angle - direction)))  # in -π..π
            outline += rng.uniform(*SPICULE_LENGTH) * np.exp(-((away / SPICULE_WIDTH) ** 2))
        level, size, edge = MALIGNANT_LEVEL, MALIGNANT_RADIUS, 0.5
    else:
        outline = 1 + rng.uniform(0.02, 0.12) * np.cos(2 * (angle - rng.uniform(0, np.pi)))
        level, size, edge = BENIGN_LEVEL, BENIGN_RADIUS, 0.4
    radius = distance / (rng.uniform(*size) * outline)
    return rng.uniform(*level) * _smooth_step((1 - radius) / edge + 0.5)


def apply_cue(scan: Scan, source: PhantomSource, patient: int, malignant: bool, session: int) -> Scan:
    """``scan`` with the planted cue, all over the image; at strength 0 the very same levels.

    The jpeg cue is not here: it comes with the file (:func:`jpeg_quality`).
    """
    height, width, _ = scan.shape
    strength = source.cue.strength
    match source.cue.kind:
        case "session":
            side = strength * (2 * session / (source.sessions - 1) - 1)  # -1 the darkest, 1 the brightest
            return scan * (1 + SESSION_GAIN * side) + SESSION_OFFSET * side
        case "vignette" if malignant:
            y, x = np.linspace(-1, 1, height)[:, None, None], np.linspace(-1, 1, width)[None, :, None]
            return scan * (1 - VIGNETTE_DEPTH * strength * (x**2 + y**2) / 2)
        case "stain" if malignant:
            return scan * (1 + strength * np.array(STAIN_TINT))
        case "patient":
            rng = _stream(source, SIGNATURE, patient)
            tint = rng.normal(0, SIGNATURE_LEVEL) + rng.normal(0, SIGNATURE_TINT, 3)
            pattern = SIGNATURE_PATTERN * smooth_noise(rng, height, width, SIGNATURE_CELLS)
            return scan + strength * (tint + pattern[:, :, None])
    return scan


def jpeg_quality(cue: Cue, malignant: bool) -> int:
    """Quality at which Pillow saves an image of a phantom with the jpeg cue."""
    lost = cue.strength * (BEST_QUALITY - WORST_QUALITY) if malignant else 0
    return BEST_QUALITY - round(lost)


def to_pixels(scan: Scan) -> NDArray[np.uint8]:
    """Levels as a camera stores them: rounded once, after every effect, and cut to 0..255."""
    return np.clip(np.rint(scan), 0, 255).astype(np.uint8)


def body_reach(height: int, width: int) -> float:
    """Distance in pixels from the image's middle within which no corner square lies."""
    return float(np.hypot(height / 2 - CORNER, width / 2 - CORNER))


def smooth_noise(rng: Generator, height: int, width: int, cells: int) -> Scan:
    """Height × width levels of standard deviation about 1 that vary over ``cells`` cells a side."""
    grid = rng.normal(0, 1, (cells, cells)).astype(np.float32)
    enlarged = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(enlarged, dtype=np.float64)


def _smooth_step(x: Scan) -> Scan:
    """0 below 0, 1 above 1, smooth between: an edge that ends, unlike a Gaussian's."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def _stream(source: PhantomSource, *key: int) -> Generator:
    return np.random.default_rng([source.seed, *key])
