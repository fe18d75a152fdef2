"""The views: what is cut from an image, or made of it, before a network sees it. A new one is one record.

docs/extending.md shows how to add one. Two views make a further one: `low_pass.upper_left` is the upper left
crop of what `low_pass` makes of the image.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Literal
from zlib import crc32

from nullcrop.basics.errors import NullcropError
from nullcrop.config.names import Field
from nullcrop.config.registry import Registry, any_of
from nullcrop.config.treatments import TREATMENTS, treatment_label, treatment_of, treatment_pattern


@dataclass(frozen=True)
class Shelf:
    """Numbers of the batches of some views, which are counted through view by view and seed by seed."""

    first: int
    """The first number."""
    views: int
    """Views for which there is room; it never changes, for it would move finished cells into other jobs."""


STUDY_SHELF, FURTHER_SHELF = Shelf(0, 6), Shelf(10**12, 3)
"""The study's six views; and the first three further ones."""


@dataclass(frozen=True)
class View:
    """A deterministic function of one image, or of an image and its mask."""

    name: str
    label: str
    """What a reader sees in place of the name."""
    about: str
    """What it shows, in a few words."""
    function: str
    """`module:function` from (image, crop width, crop height) to pixels, all uint8 height × width × 3; with
    ``masked`` from (image, mask, crop width, crop height). Lengths are in pixels; the image is not to be
    changed."""
    masked: bool = False
    """Whether it asks for the image's mask (bool, height × width): `masks:` in a dataset's file."""
    size: Literal["crop", "image"] = "crop"
    """Size of what it gives: the crop's, or that of the image itself."""
    filters: bool = False
    """Whether another view may be cut from what it gives, as in `low_pass.upper_left`; its size is then the
    image's."""
    lesion_free: tuple[Field, ...] = ()
    """Kinds of field on which it holds no lesion."""
    judges: tuple[Field, ...] = ()
    """Kinds of field on which a verdict rests on it."""
    study_crop: bool = False
    """Whether it is one of the study's five crops, which figures outline in the image."""
    always: bool = False
    """Whether every dataset has it; else it is made where a study names it."""
    shelf: Shelf | None = None
    """Where its cells are counted to be put into batches; None: by itself, on a shelf of its own."""
    place: int = 0
    """Its place on the shelf; frozen, so that no finished cell is moved into another batch."""
    resized_a_second: int = 3_000
    """Its images that one CPU core resizes in a second, for the time that is asked for."""
    parts: tuple[str, ...] = ()
    """Of a view made of two the names of both."""
    numbers: tuple[int, ...] = ()
    """What ``function`` is given last: the number of a treatment, the place of a crop."""
    shape: str | None = None
    """`module:function` from (height, width), and ``numbers``, to height and width of what it gives; None:
    as ``size`` says."""

    def __post_init__(self) -> None:
        if self.filters and self.size != "image":
            raise NullcropError(
                f"the view '{self.name}' cannot be cut any further: its size is not the image's"
            )
        if self.always and self.shelf is not STUDY_SHELF:
            raise NullcropError(
                f"the view '{self.name}': every dataset has the study's six views alone; leave `always` out"
            )

    def batch(self, seed: int, size: int) -> int:
        """Number of the batch of its cell of ``seed`` where ``size`` cells share one.

        A function of these and of the view's own record alone: neither another seed nor another view moves
        it.
        """
        shelf = self.shelf or _shelf_of(self.name)
        return shelf.first + (seed * shelf.views + self.place) // size


def _shelf_of(name: str, views: int = 1) -> Shelf:
    """A shelf by a hash of ``name``, far behind the others; two names with one hash would only share jobs."""
    return Shelf(10**13 * (1 + crc32(name.encode())), views)


VIEWS: Registry[View] = Registry("view", TREATMENTS)
"""All views but those made of two, in the order of every figure and table."""

ORIGINAL = VIEWS.register(
    View(
        name="original",
        label="original",
        about="the whole image as stored",
        function="nullcrop.images.views:original",
        size="image",
        always=True,
        shelf=STUDY_SHELF,
        resized_a_second=150,  # of a few megapixels
    )
)
for _place, (_name, _label, _corner) in enumerate(
    (
        ("upper_left", "upper left", True),
        ("upper_right", "upper right", True),
        ("center", "centre", False),
        ("bottom_left", "bottom left", True),
        ("bottom_right", "bottom right", True),
    ),
    start=1,
):
    VIEWS.register(
        View(
            name=_name,
            label=_label,
            about=f"the crop in the {_label}" + (" corner" if _corner else " of the image"),
            function=f"nullcrop.images.views:{_name}",
            # Of a dataset of tiles no crop is without tissue, so a verdict rests on all of them.
            lesion_free=("whole",) if _corner else (),
            judges=("whole", "tile") if _corner else ("tile",),
            study_crop=True,
            always=True,
            shelf=STUDY_SHELF,
            place=_place,
        )
    )
for _name, _label, _about in (
    (
        "lesion_hidden",
        "lesion hidden",
        "the whole image, the lesion and a margin around it filled by the mean of what surrounds them",
    ),
    (
        "lesion_box_hidden",
        "lesion's box hidden",
        "the whole image, the box around all lesions filled by the mean of what surrounds it",
    ),
    ("lesion_only", "lesion alone", "the pixels of the lesion, all others black"),
):
    VIEWS.register(
        View(
            name=_name,
            label=_label,
            about=_about,
            function=f"nullcrop.images.lesions:{_name}",
            masked=True,
            size="image",
            filters=True,
            lesion_free=() if _name == "lesion_only" else ("whole",),
            resized_a_second=150,
        )
    )
VIEWS.register(
    View(
        name="background_patch",
        label="far from the lesion",
        about="the crop whose nearest pixel of a lesion is farthest away",
        function="nullcrop.images.lesions:background_patch",
        masked=True,
    )
)
VIEWS.register(
    View(
        name="forehead",
        label="forehead",
        about="a crop in the middle, a little below the upper quarter: where a portrait's forehead usually "
        "is",
        function="nullcrop.images.views:forehead",
        shelf=FURTHER_SHELF,
        place=0,
    )
)
VIEWS.register(
    View(
        name="otsu_foreground",
        label="foreground",
        about="the crop around the largest bright object, above Otsu's threshold of the brightness",
        function="nullcrop.images.views:otsu_foreground",
        shelf=FURTHER_SHELF,
        place=1,
    )
)
VIEWS.register(
    View(
        name="otsu_background",
        label="background",
        about="the crop that holds the fewest pixels above Otsu's threshold of the brightness",
        function="nullcrop.images.views:otsu_background",
        shelf=FURTHER_SHELF,
        place=2,
    )
)

# The places of a grid over the image between the study's crops, which are its corners and its centre.
PLACES: dict[str, tuple[int, int]] = {
    **{"upper_left": (0, 0), "upper_right": (100, 0), "center": (50, 50)},
    **{"bottom_left": (0, 100), "bottom_right": (100, 100)},
}
"""Crops of a grid of 5×5 over the image, and where each lies: percent of the way from the left rim to the
right one, and from the upper one to the lower one."""
for _y, _x in product(range(0, 101, 25), repeat=2):
    if (_x, _y) in PLACES.values():
        continue
    _name = f"at_{_x}_{_y}"
    VIEWS.register(
        View(
            name=_name,
            label=f"at {_x}/{_y} %",
            about=f"the crop {_x} % of the way from the left rim to the right one, {_y} % of that from the "
            "upper one to the lower one",
            function="nullcrop.images.views:at_place",
            shelf=_shelf_of("at", 25),
            place=len(PLACES),
            numbers=(_x, _y),
        )
    )
    PLACES[_name] = _x, _y

# The filters (images/filters.py): the whole image with one kind of its information, to be cut like it.
for _name, _label, _about in (
    ("gray", "gray", "the gray levels alone"),
    ("colour_only", "colour only", "chroma at constant lightness, at half its contrast"),
    ("pixel_shuffle", "pixels shuffled", "all pixels in another order: colours without places"),
    ("tile_shuffle", "tiles shuffled", "tiles of 8×8 pixels in another order: texture without places"),
    ("low_pass", "low frequencies", "the gray levels, blurred by a Gaussian of 3 pixels"),
    ("high_pass", "high frequencies", "what the low frequencies leave of the gray levels"),
    ("fourier", "Fourier magnitude", "the logarithm of the gray levels' Fourier magnitude, centred"),
    ("edges", "edges", "the steepness of the gray levels, by Sobel"),
    ("wavelet_ll", "wavelet, coarse", "means of 2×2 gray levels (Haar)"),
    ("wavelet_lh", "wavelet, rows", "what differs from row to row in 2×2 gray levels (Haar)"),
    ("wavelet_hl", "wavelet, columns", "what differs from column to column in 2×2 gray levels (Haar)"),
    ("wavelet_hh", "wavelet, diagonals", "what differs along diagonals in 2×2 gray levels (Haar)"),
    ("median", "median", "the median of 3×3 pixels by channel"),
    ("block_grid", "compression blocks", "how steps of the gray levels go with JPEG's grid of 8×8 pixels"),
    ("noise", "noise", "what a median of 3×3 pixels takes away of the gray levels"),
):
    VIEWS.register(
        View(
            name=_name,
            label=_label,
            about=_about,
            function=f"nullcrop.images.filters:{_name}",
            size="image",
            filters=True,
            resized_a_second=150,  # of a few megapixels
        )
    )


def view_of(name: str) -> View:
    """The view ``name``, one made of two included; NullcropError when there is none."""
    first, dot, second = name.partition(".")
    made = VIEWS[first] if first in VIEWS else _treated(first)
    if made is not None and not dot:
        return made
    cut = VIEWS.get(second)
    if made is None or cut is None or not _composes(made, cut):
        raise NullcropError(f"unknown view '{name}'")
    # Cuts of one filter share jobs, as the study's crops do.
    shared = cut.shelf is STUDY_SHELF
    return View(
        name=name,
        label=f"{made.label}, {cut.label}",
        about=f"{cut.about}, of: {made.about}",
        function="",
        masked=made.masked or cut.masked,
        size=cut.size,
        shelf=_shelf_of(f"{first}.", STUDY_SHELF.views) if shared else None,
        place=cut.place if shared else 0,
        resized_a_second=cut.resized_a_second,
        parts=(first, second),
    )


def _treated(name: str) -> View | None:
    """The view of whole images under the treatment ``name``; None where there is no such treatment."""
    try:
        treatment, number = treatment_of(name)
    except NullcropError:
        return None
    return View(
        name=name,
        label=treatment_label(name),
        about=f"the whole image, {treatment_label(name)}",
        function=treatment.function,
        size="image",
        filters=True,
        resized_a_second=150,
        numbers=() if number is None else (number,),
        shape=treatment.shape,
    )


def _composes(made: View, cut: View) -> bool:
    """Whether ``cut`` may be cut from what ``made`` gives; a mask fits the image's own size alone, and places
    of the grid are looked at as they are."""
    return made.filters and cut.size == "crop" and not cut.numbers and not (cut.masked and made.shape)


def is_treated(name: str) -> bool:
    """Whether the view ``name`` shows treated images."""
    return _treated(name.partition(".")[0]) is not None


def untreated(name: str) -> str:
    """What the view ``name`` of treated images shows, as a view of the images as they are."""
    return name.partition(".")[2] or ORIGINAL.name


def views_of_treatment(treatment: str) -> list[str]:
    """The views that are made of treated images together: the whole, and the study's crops."""
    return [treatment, *(f"{treatment}.{name}" for name in study_crops())]


def treated_views(treatments: Iterable[str], views: Iterable[str], field: Field) -> list[str]:
    """The views that show what ``treatments`` do: the whole image and the crops on which a verdict rests, as
    far as they are among ``views``."""
    cut = ["", *(f".{name}" for name in judging_views(field))]
    asked = {"" if name == ORIGINAL.name else f".{name}" for name in views}
    return [f"{treatment}{end}" for treatment in treatments for end in cut if end in asked]


def view_names() -> list[str]:
    """Names of all views, those made of two last, in the order of every figure and table."""
    filters = [name for name, view in VIEWS.items() if view.filters]
    made = [f"{a}.{b}" for a in filters for b in VIEWS if _composes(VIEWS[a], VIEWS[b])]
    return [*VIEWS, *made]


def view_pattern(further: bool = False) -> str:
    """A regular expression that matches the names of all views; of untreated images alone, those that are
    made one by one where a study names them."""
    if further:
        made_apart = places_between()
        return any_of(name for name in view_names() if not view_of(name).always and name not in made_apart)
    cuts = any_of(study_crops())
    return rf"{any_of(view_names())}|(?:{treatment_pattern()})(?:\.(?:{cuts}))?"


def views_made_always() -> list[str]:
    """The study's six views, which every dataset has."""
    return [name for name, view in VIEWS.items() if view.always]


def study_crops() -> list[str]:
    """The study's five crops."""
    return [name for name, view in VIEWS.items() if view.study_crop]


def places_between() -> list[str]:
    """The crops of PLACES that lie between the study's own, and are made together."""
    return [name for name in PLACES if not VIEWS[name].study_crop]


def study_corners() -> list[str]:
    """The crops of these that hold no lesion where it lies inside a larger field."""
    return [name for name in study_crops() if "whole" in VIEWS[name].lesion_free]


def judging_views(field: Field) -> list[str]:
    """Views on which a verdict rests: the corners; of a dataset of tiles, where no crop is without tissue,
    all crops."""
    return [name for name, view in VIEWS.items() if field in view.judges]


TOGETHER = "together"
"""What stands in a table in place of a view where a reader's scores on all views that judge are averaged."""


def view_label(name: str) -> str:
    """``name`` as a reader sees it; of a view that is not registered here, as in older results, its name in
    words."""
    if name == TOGETHER:
        return "all views together"
    try:
        return view_of(name).label
    except NullcropError:
        return name.replace(".", ", ").replace("_", " ")


def place_of_view(name: str) -> tuple[int, str]:
    """Order of views in every figure and table; those that are not registered here come last, by name."""
    known = view_names()
    return (known.index(name), "") if name in known else (len(known), name)


def views_in_order(names: Iterable[str]) -> list[str]:
    """``names`` without repetitions, in the order of every figure and table."""
    return sorted(set(names), key=place_of_view)
