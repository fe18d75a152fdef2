"""Image files of every kind a dataset may hold, and what Pillow itself makes of them."""

import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import ExifTags, Image

TURNED = 6
"""EXIF orientation: to be shown turned by a quarter."""


def _noise(rng: Generator, width: int, height: int, *channels: int) -> NDArray[np.uint8]:
    return rng.integers(0, 256, (height, width, *channels), dtype=np.uint8)


def _rgb(rng: Generator, width: int, height: int) -> Image.Image:
    return Image.fromarray(_noise(rng, width, height, 3))


def _palette(rng: Generator, width: int, height: int) -> Image.Image:
    image = Image.fromarray(_noise(rng, width, height)).convert("P")
    image.putpalette(rng.integers(0, 256, 768, dtype=np.uint8).tobytes())
    return image


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = TURNED
    return exif


def _gif(rng: Generator, width: int, height: int, path: Path) -> None:
    frames = [_palette(rng, width, height) for _ in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def _gray16(rng: Generator, width: int, height: int, path: Path) -> None:
    Image.fromarray(rng.integers(0, 2**16, (height, width), dtype=np.uint16)).save(path)


Writer = Callable[[Generator, int, int, Path], None]

KINDS: dict[str, tuple[str, str, Writer]] = {
    "gray": (".png", "L", lambda rng, w, h, path: Image.fromarray(_noise(rng, w, h)).save(path)),
    "gray jpeg": (".jpg", "L", lambda rng, w, h, path: Image.fromarray(_noise(rng, w, h)).save(path)),
    "one bit": (".png", "1", lambda rng, w, h, path: Image.fromarray(_noise(rng, w, h) > 127).save(path)),
    "gray with alpha": (
        ".png",
        "LA",
        lambda rng, w, h, path: Image.fromarray(_noise(rng, w, h, 2)).save(path),
    ),
    "colour": (".png", "RGB", lambda rng, w, h, path: _rgb(rng, w, h).save(path)),
    "colour bmp": (".bmp", "RGB", lambda rng, w, h, path: _rgb(rng, w, h).save(path)),
    "colour jpeg": (".jpg", "RGB", lambda rng, w, h, path: _rgb(rng, w, h).save(path, quality=70)),
    "colour tiff": (".tif", "RGB", lambda rng, w, h, path: _rgb(rng, w, h).save(path)),
    "jpeg to be turned": (".jpg", "RGB", lambda rng, w, h, path: _rgb(rng, w, h).save(path, exif=_turned())),
    "tiff to be turned": (".tif", "RGB", lambda rng, w, h, path: _rgb(rng, w, h).save(path, exif=_turned())),
    "colour with alpha": (
        ".png",
        "RGBA",
        lambda rng, w, h, path: Image.fromarray(_noise(rng, w, h, 4)).save(path),
    ),
    "palette": (".png", "P", lambda rng, w, h, path: _palette(rng, w, h).save(path)),
    "palette, one entry transparent": (
        ".png",
        "P",
        lambda rng, w, h, path: _palette(rng, w, h).save(path, transparency=7),
    ),
    "palette with alpha": (
        ".png",
        "P",
        lambda rng, w, h, path: _palette(rng, w, h).save(path, transparency=bytes(range(256))),
    ),
    "gif of three frames": (".gif", "P", _gif),
    "cmyk jpeg": (
        ".jpg",
        "CMYK",
        lambda rng, w, h, path: Image.fromarray(_noise(rng, w, h, 4), "CMYK").save(path),
    ),
    "cmyk tiff": (
        ".tif",
        "CMYK",
        lambda rng, w, h, path: Image.fromarray(_noise(rng, w, h, 4), "CMYK").save(path),
    ),
    "16 bit png": (".png", "I;16", _gray16),
    "16 bit tiff": (".tif", "I;16", _gray16),
}
"""By name: file ending, the mode in which Pillow opens the file, and what writes it."""


def write_image(kind: str, folder: Path, width: int, height: int, seed: int = 0) -> Path:
    """Write noise of ``width`` × ``height`` pixels as a file of this kind, and return its path."""
    suffix, _, write = KINDS[kind]
    path = folder / f"{kind.replace(' ', '_')}_{width}x{height}_{seed}{suffix}"
    write(np.random.default_rng(seed), width, height, path)
    return path


def pillow_pixels(path: Path, box: tuple[int, int, int, int] | None = None) -> NDArray[np.uint8]:
    """The opened file, cropped by Pillow and then converted by it; of 16 bits the high byte."""
    with Image.open(path) as opened, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Palette images with Transparency", UserWarning)
        image = opened.crop(box) if box else opened
        if image.mode == "I;16":
            high = np.asarray(image) // 256
            return np.stack([high] * 3, axis=2).astype(np.uint8)
        return np.asarray(image.convert("RGB"))


def write_png16(path: Path, values: np.ndarray[tuple[int, ...], np.dtype[np.uint16]]) -> None:
    """A PNG of 16 bits a channel, which Pillow does not write in colour."""
    colour_types = {1: 0, 3: 2, 4: 6}
    height, width, channels = values.shape

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 16, colour_types[channels], 0, 0, 0)
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
