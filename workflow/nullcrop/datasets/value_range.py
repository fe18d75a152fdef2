"""Gray values of more than 8 bits: whether the dataset's one rule fits them, before a pixel is packed.

Where 16 bits stand in a file and nobody says how many of them count, the highest 8 are kept. Data of 12 bits
would lose 16 of 256 levels to that rule, and with them what a network could have read; so listing stops,
once for the whole dataset, where the highest bit is set in no image. It does not choose a depth by itself:
one image more could change it, and with it every pixel of all others.
"""

from typing import Any

import pandas as pd

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.progress import say
from nullcrop.config.definitions import Definition
from nullcrop.decoding.image import SCAN_FORMATS
from nullcrop.decoding.values import UNDECLARED_BITS, Reading

SCANNER_BITS = 12
"""The depth of most scanners."""


def reading_of(definition: Definition) -> Reading:
    """The rule by which a dataset's values become 8 bits."""
    window = definition.window
    return Reading(definition.bits, None if window is None else (window.center, window.width))


def check_ranges(name: str, unreadable: pd.DataFrame, count: int) -> None:
    """Say of ``unreadable`` images that lack nothing but an agreed range of values which window would hold
    them.

    They are rows of file facts among all ``count`` of them. Raises NullcropError if it is so.
    """
    if unreadable["needs_window"].isna().any():
        return
    low = min(low for low, _ in unreadable["needs_window"])
    high = max(high for _, high in unreadable["needs_window"])
    raise NullcropError(
        f"dataset '{name}': {len(unreadable)} of {count} images have values without an agreed range: "
        f"{listed(unreadable['path'])}. Set in the definition the range that counts, for all of them alike; "
        f"{_window(low, high)} holds all their values"
    )


def check_depth(name: str, samples: pd.DataFrame) -> None:
    """Stop where 16 bits are taken of images that have fewer, or where values differ in what they mean.

    ``samples`` has a row for each image that can be read, with its file facts.
    """
    rescales = sorted(set(samples["rescale"].dropna()))
    if len(rescales) > 1:
        shown = [f"{slope:g} and {intercept:g}" for slope, intercept in rescales]
        raise NullcropError(
            f"dataset '{name}': the same value means different things in different DICOM files (their "
            f"rescale slope and intercept are {listed(shown, 4)}): set in the definition the range that "
            f"counts, in units after the rescale, such as {_window(*_extremes(samples))}"
        )
    undeclared = samples[samples["bits_used"].notna()]
    if not len(undeclared):
        return
    needed, (low, high) = int(undeclared["bits_used"].max()), _extremes(undeclared)
    if needed < UNDECLARED_BITS:
        colours = undeclared.loc[~undeclared["mode"].str.startswith(("I", "MONOCHROME")), "path"]
        if len(colours):
            raise NullcropError(
                f"dataset '{name}': {len(colours)} images have colours of 16 bits a channel, of which the "
                f"highest 8 are kept, but use {needed} bits or fewer: {listed(colours)}; save them with 8 "
                "bits a channel, or set `bits: 16` in the definition to keep the highest 8 of 16"
            )
        raise NullcropError(
            f"dataset '{name}': {len(undeclared)} images have values of 16 bits, of which the highest 8 are "
            f"kept, but theirs are {low:g} to {high:g}, which takes {needed} bits. Say in the definition how "
            f"deep they are: `bits: {max(8, needed)}` holds them (scanners have 10, 12 or 14), "
            f"{_window(low, high)} does, too, and `bits: 16` keeps the highest 8 of 16"
        )
    shallow = int((undeclared["bits_used"] <= SCANNER_BITS).sum())
    if shallow * 2 > len(undeclared):
        say(
            f"note: {shallow} of {len(undeclared)} images with values of 16 bits use {SCANNER_BITS} or "
            f"fewer, and the highest 8 of 16 are kept; if only burnt-in marks reach {high:g}, set `window` "
            "in the definition"
        )


def values_summary(definition: Definition, samples: pd.DataFrame) -> dict[str, Any] | None:
    """For dataset.json: the rule of values and the extremes it met; None where none has more than 8 bits."""
    deep = samples[samples["extremes"].notna()]
    if not len(deep):
        return None
    low, high = _extremes(deep)
    return {"images": len(deep), "lowest": low, "highest": high, **reading_of(definition).as_json()}


def frames_summary(samples: pd.DataFrame) -> dict[str, Any]:
    """For dataset.json: by format, the images whose files hold several frames, pages or slices, the most that
    one holds, and which is read."""
    several = samples[samples["frames"] > 1]
    return {
        str(kind): {
            "images": len(images),
            "most": int(images["frames"].max()),
            "read": "the central one" if kind in SCAN_FORMATS else "the first",
        }
        for kind, images in several.groupby("format")
    }


def _extremes(samples: pd.DataFrame) -> tuple[float, float]:
    pairs = samples["extremes"].dropna()
    return min(low for low, _ in pairs), max(high for _, high in pairs)


def _window(low: float, high: float) -> str:
    return f"`window: {{center: {(low + high) / 2:g}, width: {high - low or 1:g}}}`"
