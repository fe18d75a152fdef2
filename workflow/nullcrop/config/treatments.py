"""The treatments: what is done to whole images to take a cue away. A new one is one record.

A treated image is a function of the image alone. Nothing is fitted to other images, so that none of the test
part can leak into another, and one treated image is the same in every split. In a name the number comes last:
`reencode_75`. A treatment is a filter as views are: `reencode_75.upper_left` is the upper left crop of what
`reencode_75` makes of the image. docs/treatments.md tells what each is for.
"""

import re
from dataclasses import dataclass

from nullcrop.basics.errors import NullcropError
from nullcrop.config.registry import Registry


@dataclass(frozen=True)
class Treatment:
    """A deterministic function of one image, told apart by a number where it has one."""

    name: str
    """Without its number."""
    label: str
    """What a reader sees in place of the name; `{}` stands for the number."""
    about: str
    """What it takes away, in a few words."""
    function: str
    """`module:function` from (image, crop width, crop height), and the number where there is one, to pixels:
    all uint8 height × width × 3."""
    numbers: tuple[int, int] | None = None
    """Smallest and largest number; None: it has none."""
    shape: str | None = None
    """`module:function` from (height, width), and the number where there is one, to height and width of what
    it gives; None: they stay."""
    source: str | None = None
    """Where the method comes from."""

    def called(self, number: int | None) -> str:
        """Its name with the ``number``."""
        return self.name if number is None else f"{self.name}_{number}"


TREATMENTS: Registry[Treatment] = Registry("treatment")
"""All treatments, in the order of tables and figures."""

_HERE = "nullcrop.images.treatments"

TREATMENTS.register(
    Treatment(
        name="reencode",
        label="re-encoded as JPEG of quality {}",
        about="differences in earlier compression, and fine noise",
        function=f"{_HERE}:reencode",
        numbers=(1, 95),
    )
)
TREATMENTS.register(
    Treatment(
        name="resize",
        label="resized to {0}×{0} pixels",
        about="differences in size, and detail that is lost in the smaller image",
        function=f"{_HERE}:resize",
        numbers=(32, 4096),
        shape=f"{_HERE}:resized_shape",
    )
)
TREATMENTS.register(
    Treatment(
        name="strip",
        label="one size and one encoder",
        about="what file and size tell: every image becomes 256×256 pixels, as JPEG of quality 90",
        function=f"{_HERE}:strip",
        shape=f"{_HERE}:stripped_shape",
    )
)
TREATMENTS.register(
    Treatment(
        name="crop_border",
        label="{} pixels cut off each rim",
        about="rims, frames, rulers and marks at the edge",
        function=f"{_HERE}:crop_border",
        numbers=(1, 1024),
        shape=f"{_HERE}:cropped_shape",
    )
)
TREATMENTS.register(
    Treatment(
        name="gray_world",
        label="grey world",
        about="tints: the channels' means are made equal, their common mean stays",
        function=f"{_HERE}:gray_world",
        source="Buchsbaum 1980, J Franklin Inst 310:1",
    )
)
TREATMENTS.register(
    Treatment(
        name="shades_of_gray",
        label="shades of grey",
        about="tints, by the channels' sixth-power means, which bright parts decide",
        function=f"{_HERE}:shades_of_gray",
        source="Finlayson and Trezzi 2004, Color Imaging Conference 12:37",
    )
)
TREATMENTS.register(
    Treatment(
        name="histogram_match",
        label="histogram matched",
        about="brightness, contrast and tint: each channel's histogram is matched to one bell curve",
        function=f"{_HERE}:histogram_match",
        source="Gonzalez and Woods, Digital Image Processing, histogram specification",
    )
)
TREATMENTS.register(
    Treatment(
        name="reinhard",
        label="Reinhard",
        about="mean and spread of lightness and colour, set to those of a stained section",
        function=f"{_HERE}:reinhard",
        source="Reinhard et al. 2001, IEEE CG&A 21(5):34",
    )
)
TREATMENTS.register(
    Treatment(
        name="macenko",
        label="Macenko",
        about="colours and strength of haematoxylin and eosin, set to a reference",
        function=f"{_HERE}:macenko",
        source="Macenko et al. 2009, ISBI, p. 1107",
    )
)


def treatment_of(name: str) -> tuple[Treatment, int | None]:
    """The treatment that ``name`` calls, and its number; NullcropError, which says what is wrong, when there
    is none."""
    stem, _, digits = name.rpartition("_")
    if stem in TREATMENTS and re.fullmatch("0|[1-9][0-9]*", digits) and TREATMENTS[stem].numbers:
        low, high = TREATMENTS[stem].numbers or (0, 0)
        if not low <= int(digits) <= high:
            raise NullcropError(f"the number of the treatment '{name}' must lie between {low} and {high}")
        return TREATMENTS[stem], int(digits)
    if name not in TREATMENTS:
        raise NullcropError(f"unknown treatment '{name}'")
    if (numbers := TREATMENTS[name].numbers) is not None:
        low, high = numbers
        raise NullcropError(f"the treatment '{name}' needs a number from {low} to {high}: `{name}_{high}`")
    return TREATMENTS[name], None


def treatment_names() -> list[str]:
    """Names of all treatments as a reader may write them, `{n}` where a number stands."""
    return [f"{name}_{{n}}" if one.numbers else name for name, one in TREATMENTS.items()]


def treatment_pattern() -> str:
    """A regular expression that matches the names of all treatments."""
    return "|".join(f"{name}_[1-9][0-9]*" if one.numbers else name for name, one in TREATMENTS.items())


def treatment_label(name: str) -> str:
    """``name`` as a reader sees it."""
    treatment, number = treatment_of(name)
    return treatment.label.format(number)
