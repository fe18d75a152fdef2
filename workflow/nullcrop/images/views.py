"""What views show: deterministic functions of one image, or of an image and its mask. Their records:
config/views.py."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from nullcrop.basics.errors import NullcropError
from nullcrop.config.registry import implementation
from nullcrop.config.views import view_of

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
"""Height × width, true where the lesion is."""
ViewFunction = Callable[[Pixels, Mask | None, int, int], Pixels]
"""From an image, its mask, and width and height of the crop to the view's pixels; a masked view alone asks
for the mask."""
ViewsFunction = Callable[[Pixels, Mask | None, int, int], Iterator[tuple[str, Pixels]]]
"""From the same to the pixels of several views, by name."""
Box = tuple[int, int, int, int]

FOREHEAD = 0.28
"""Where a portrait's forehead begins, as a share of the image's height."""

SMALLEST_OBJECT = 40
"""Objects of no more pixels are taken for noise (Dhar and Shamir 2021, section 3)."""


def crop_box(view: str, width: int, height: int, crop_width: int, crop_height: int) -> Box:
    """Left, upper, right and lower edge of a crop in pixels, as Pillow's ``Image.crop`` takes them.

    The centre is rounded towards the upper left where the margin is odd.
    """
    left = {"left": 0, "right": width - crop_width, "center": (width - crop_width) // 2}
    upper = {"upper": 0, "bottom": height - crop_height, "center": (height - crop_height) // 2}
    vertical, _, horizontal = view.partition("_")
    x, y = left[horizontal or vertical], upper[vertical]
    return x, y, x + crop_width, y + crop_height


def view_function(name: str) -> ViewFunction:
    """The function of the view ``name``, one made of two included; NullcropError when there is no such
    view."""
    view = view_of(name)
    if view.parts:
        first, second = map(view_function, view.parts)
        return lambda image, mask, width, height: second(
            first(image, mask, width, height), mask, width, height
        )
    function = implementation(view.function)
    if view.masked:
        return lambda image, mask, width, height: function(image, mask, width, height)
    return lambda image, mask, width, height: function(image, width, height, *view.numbers)


def view_sizes(name: str, sizes: NDArray[np.int64], crop_width: int, crop_height: int) -> NDArray[np.int64]:
    """Height and width of what the view ``name`` gives of images of these ``sizes`` (N × 2, height and
    width).

    Raises NullcropError when a treatment leaves no room for a crop.
    """
    view = view_of(name)
    if view.size == "crop":
        return np.full_like(sizes, (crop_height, crop_width))
    if view.shape is None:
        return sizes
    shape = implementation(view.shape)
    found = np.array([shape(tuple(size), *view.numbers) for size in sizes.tolist()], np.int64)
    if (small := (found < (crop_height, crop_width)).any(axis=1)).any():
        raise NullcropError(
            f"the treatment '{name}' leaves no room for a crop of {crop_width}×{crop_height} pixels in "
            f"{small.sum()} of {len(found)} images: name another number under `treatments:`"
        )
    return found


def all_views(names: Iterable[str]) -> ViewsFunction:
    """A function that gives each of the views ``names`` of one image; what several are cut from is made
    once."""
    views = {name: view_of(name) for name in names}
    functions = {
        part: view_function(part) for name, view in views.items() for part in (view.parts or (name,))
    }

    def of(image: Pixels, mask: Mask | None, width: int, height: int) -> Iterator[tuple[str, Pixels]]:
        made: dict[str, Pixels] = {}
        for name, view in views.items():
            first, *cut = view.parts or (name,)
            if first not in made:
                made[first] = functions[first](image, mask, width, height)
            pixels = made[first]
            for part in cut:
                pixels = functions[part](pixels, mask, width, height)
            yield name, pixels

    return of


def original(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """The image itself."""
    return image


def _crop(view: str) -> Callable[[Pixels, int, int], Pixels]:
    def crop(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
        height, width, _ = image.shape
        left, upper, right, lower = crop_box(view, width, height, crop_width, crop_height)
        return image[upper:lower, left:right]

    return crop


upper_left, upper_right, center = _crop("upper_left"), _crop("upper_right"), _crop("center")
bottom_left, bottom_right = _crop("bottom_left"), _crop("bottom_right")


def at_place(image: Pixels, crop_width: int, crop_height: int, x: int, y: int) -> Pixels:
    """The crop ``x`` percent of the way from the left rim to the right one and ``y`` percent of that from the
    upper one to the lower one, rounded towards the upper left."""
    height, width = image.shape[:2]
    left, upper = x * (width - crop_width) // 100, y * (height - crop_height) // 100
    return image[upper : upper + crop_height, left : left + crop_width]


def forehead(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """The patch where a portrait's forehead usually is: in the middle, a little below the upper quarter.

    A fixed place; no face is looked for, so that hair or brows may lie in it.
    """
    height, width, _ = image.shape
    left, upper = (width - crop_width) // 2, min(round(FOREHEAD * height), height - crop_height)
    return image[upper : upper + crop_height, left : left + crop_width]


def otsu_foreground(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """The patch around the largest bright object, moved into the image where it would reach beyond it.

    Objects are 8-connected pixels above Otsu's threshold (1979) of the brightness, more than
    SMALLEST_OBJECT of them. Where there is none, the patch that holds the most bright pixels.
    """
    from scipy.ndimage import find_objects, label

    bright = _bright(image)
    objects, _ = label(bright, structure=np.ones((3, 3)))
    sizes = np.bincount(objects.ravel())[1:]
    if sizes.max(initial=0) <= SMALLEST_OBJECT:
        return patch_at(
            image, counts_in_patches(bright, crop_width, crop_height).argmax(), crop_width, crop_height
        )
    rows, columns = find_objects(objects)[sizes.argmax()]
    height, width, _ = image.shape
    upper = np.clip((rows.start + rows.stop - crop_height) // 2, 0, height - crop_height)
    left = np.clip((columns.start + columns.stop - crop_width) // 2, 0, width - crop_width)
    return image[upper : upper + crop_height, left : left + crop_width]


def otsu_background(image: Pixels, crop_width: int, crop_height: int) -> Pixels:
    """The patch that holds the fewest pixels above Otsu's threshold of the brightness; of several the first.

    Patches are counted row by row from the upper left.
    """
    counts = counts_in_patches(_bright(image), crop_width, crop_height)
    return patch_at(image, counts.argmin(), crop_width, crop_height)


def _bright(image: Pixels) -> NDArray[np.bool_]:
    """Pixels above Otsu's threshold of their brightness, the sum of the channels; none of an image of one
    brightness."""
    from skimage.filters import threshold_otsu

    brightness = image.sum(axis=2, dtype=np.int64)
    above: NDArray[np.bool_] = brightness > threshold_otsu(brightness)  # type: ignore[no-untyped-call]
    return above


def counts_in_patches(marked: NDArray[np.bool_], crop_width: int, crop_height: int) -> NDArray[np.int64]:
    """``marked`` pixels in each patch, by the row and column of its upper left pixel."""
    sums = np.pad(marked.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    lower, upper = sums[crop_height:], sums[:-crop_height]
    counts: NDArray[np.int64] = (
        lower[:, crop_width:] - lower[:, :-crop_width] - upper[:, crop_width:] + upper[:, :-crop_width]
    )
    return counts


def patch_at(image: Pixels, place: np.intp, crop_width: int, crop_height: int) -> Pixels:
    """The ``place``-th patch, row by row."""
    upper, left = divmod(int(place), image.shape[1] - crop_width + 1)
    return image[upper : upper + crop_height, left : left + crop_width]
