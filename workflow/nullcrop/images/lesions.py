"""Views that hide the lesion, or show it alone. Their records: config/views.py.

What hides a lesion still tells where it was and how large: its outline (`lesion_hidden`) or the box around it
(`lesion_box_hidden`).
"""

import numpy as np
from numpy.typing import NDArray

from nullcrop.images.views import Mask, Pixels, counts_in_patches, patch_at

MARGIN = 0.02
"""How far beyond its mask a lesion is hidden, as a share of the image's shorter side: outlines are drawn by
hand, and a lesion's edge is soft. The ring from which the filling is taken is as wide."""

BLANK = 0
"""Level of what is left out: black, as in a segmentation."""


def margin_of(image: Pixels) -> int:
    """Pixels beyond the mask that are hidden with it; at least 2."""
    return max(2, round(MARGIN * int(min(image.shape[:2]))))


def lesion_hidden(image: Pixels, mask: Mask, crop_width: int, crop_height: int) -> Pixels:
    """The image with its lesions and a margin around each filled by the mean of the ring that surrounds it.

    Regions that touch one another are one. A region that nothing surrounds becomes BLANK, and so may one
    around which all is as near to another region.
    """
    from scipy.ndimage import distance_transform_edt, label

    if not mask.any():
        return image
    wide = margin_of(image)
    # Nothing further away than margin and ring is filled or looked at; a transform of all would take long.
    near = _near(mask, 2 * wide)
    hidden = _distances(mask[near]) <= wide
    regions, count = label(hidden, structure=np.ones((3, 3)))
    distances, (rows, columns) = distance_transform_edt(~hidden, return_indices=True)
    ring = (distances > 0) & (distances <= wide)
    nearest, levels = regions[rows[ring], columns[ring]], image[near][ring]
    pixels = np.bincount(nearest, minlength=count + 1)
    sums = np.stack([np.bincount(nearest, levels[:, channel], count + 1) for channel in range(3)], axis=1)
    means = np.where(pixels[:, None] > 0, sums / np.maximum(pixels, 1)[:, None], BLANK)
    filled = image.copy()
    filled[near][hidden] = np.rint(means[regions[hidden]]).astype(np.uint8)
    return filled


def lesion_box_hidden(image: Pixels, mask: Mask, crop_width: int, crop_height: int) -> Pixels:
    """The image with the box around all its lesions and their margin filled by the mean of the frame around
    the box; BLANK where nothing surrounds it."""
    if not mask.any():
        return image
    wide = margin_of(image)
    box, around = _near(mask, wide), _near(mask, 2 * wide)
    frame = np.zeros(mask.shape, bool)
    frame[around] = True
    frame[box] = False
    filled = image.copy()
    filled[box] = np.rint(image[frame].mean(axis=0)).astype(np.uint8) if frame.any() else BLANK
    return filled


def lesion_only(image: Pixels, mask: Mask, crop_width: int, crop_height: int) -> Pixels:
    """The pixels of the mask, all others BLANK."""
    return np.where(mask[..., None], image, np.uint8(BLANK))


def background_patch(image: Pixels, mask: Mask, crop_width: int, crop_height: int) -> Pixels:
    """The crop whose nearest pixel of the lesion is farthest away.

    Where every crop touches the lesion, the one that holds the fewest of its pixels. Of several the first,
    row by row from the upper left; so it is of an image without a lesion.
    """
    from scipy.ndimage import minimum_filter

    if not mask.any():
        return patch_at(image, np.intp(0), crop_width, crop_height)
    height, width = mask.shape
    top, left = crop_height // 2, crop_width // 2
    # The filter tells the minimum of each box at its centre, also of boxes that reach beyond the image.
    nearest = minimum_filter(_distances(mask), (crop_height, crop_width))
    nearest = nearest[top : top + height - crop_height + 1, left : left + width - crop_width + 1]
    if nearest.max() == 0:
        nearest = -counts_in_patches(mask, crop_width, crop_height)
    return patch_at(image, nearest.argmax(), crop_width, crop_height)


def _distances(mask: Mask) -> NDArray[np.float64]:
    """Of each pixel the Euclidean distance to the nearest one of ``mask``, which is not empty."""
    from scipy.ndimage import distance_transform_edt

    distances: NDArray[np.float64] = distance_transform_edt(~mask)
    return distances


def _near(mask: Mask, wide: int) -> tuple[slice, slice]:
    """Rows and columns of the box around all of ``mask``, which is not empty, and ``wide`` pixels beyond."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis))[[0, -1]] for axis in (1, 0))
    top, left = max(0, rows[0] - wide), max(0, columns[0] - wide)
    return slice(top, rows[1] + wide + 1), slice(left, columns[1] + wide + 1)
