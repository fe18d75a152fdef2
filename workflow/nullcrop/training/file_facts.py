"""What a file tells of an image before a pixel is decoded: size, bytes, format, compression, EXIF."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.progress import tracked
from nullcrop.decoding.image import SCAN_FORMATS
from nullcrop.decoding.rgb import LOCATOR

TABLES = 2
"""JPEG quantisation tables that are looked at: luminance and chrominance."""
TABLE_LENGTH = 64
HEADER_LENGTH = 2 + TABLES * TABLE_LENGTH

COUNTED = ("width", "height", "file_bytes", "orientation")
NAMED = ("format", "mode")


def file_facts(samples: pd.DataFrame) -> pd.DataFrame:
    """Facts of each image's file as numbers, one row a row of ``samples`` (samples.csv).

    Columns: width, height, file_bytes and EXIF orientation; one of 0 and 1 for each format and
    mode that occurs; ``exif`` (1 where the header holds EXIF data); ``tables``, the number of JPEG
    quantisation tables, and the first two of them entry by entry (``table0_0`` … ``table1_63``, 0
    where there is none). No pixel is decoded. An image inside an array file has no header of its own,
    and that of a scan (DICOM, NIfTI, NRRD) is not looked at.

    Raises NullcropError, which names the file, when a header cannot be read.
    """
    counted = samples[list(COUNTED)].apply(pd.to_numeric, errors="coerce").fillna(0).astype(np.float64)
    named = pd.get_dummies(samples[list(NAMED)], dtype=np.float64)
    paths = samples["path"].tolist()
    headers = np.zeros((len(paths), HEADER_LENGTH))
    pictures = np.flatnonzero(~samples["format"].isin(list(SCAN_FORMATS)))
    for row in tracked(pictures.tolist(), len(pictures), "reading file headers"):
        headers[row] = header_facts(paths[row])
    columns = [
        "exif",
        "tables",
        *(f"table{table}_{entry}" for table in range(TABLES) for entry in range(TABLE_LENGTH)),
    ]
    facts: pd.DataFrame = pd.concat(
        [counted, named, pd.DataFrame(headers, columns=columns, index=samples.index)], axis=1
    )
    return facts


def header_facts(path: str) -> NDArray[np.float64]:
    """EXIF presence, number of quantisation tables, and the entries of the first two, of one file's
    header."""
    facts = np.zeros(HEADER_LENGTH)
    if LOCATOR.fullmatch(path):
        return facts
    try:
        with Image.open(path) as image:
            # Not getexif(), which decodes a PNG to its end.
            facts[0] = "exif" in image.info
            tables: dict[int, list[int]] = getattr(image, "quantization", None) or {}
    # Decoders of broken files raise nearly everything, and seldom name the file.
    except Exception as error:
        raise NullcropError(f"{path} cannot be read as an image: {error}") from None
    facts[1] = len(tables)
    for place, key in enumerate(sorted(tables)[:TABLES]):
        start = 2 + place * TABLE_LENGTH
        facts[start : start + TABLE_LENGTH] = tables[key]
    return facts
