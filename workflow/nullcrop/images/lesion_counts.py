"""How often crops touch the lesion, by its masks: that corners hold none is checked, not believed."""

from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import written_whole
from nullcrop.basics.progress import say, tracked
from nullcrop.basics.threads import mapped
from nullcrop.config.views import study_corners, study_crops
from nullcrop.images.masks import mask_files, read_mask
from nullcrop.images.store import check_sizes
from nullcrop.images.views import crop_box

if TYPE_CHECKING:
    from nullcrop.config.definitions import FolderSource, Masks

MASK_COLUMNS = ["view", "images", "lesions", "touching", "share", "largest"]

ANY_CORNER = "corners"
"""What stands in place of a view for an image of which any corner touches the lesion."""

MEAN_SIDE = 64
"""Side of the mean mask in pixels."""


def write_lesion_counts(
    samples: pd.DataFrame,
    masks: "Masks",
    source: "FolderSource | None",
    crop_width: int,
    crop_height: int,
    threads: int,
    folder: Path,
) -> None:
    """Count how often the study's crops touch a lesion; write masks.csv, masks.npy and mask_shares.csv.

    ``samples`` needs the columns id, path, width and height. masks.csv (MASK_COLUMNS) has a row a crop, one
    of the whole image (`original`) and one of any corner (ANY_CORNER): ``images`` in all, ``lesions``: those
    with a pixel of a lesion, ``touching``: those of which the crop holds one, ``share`` of those with a
    lesion, and ``largest``: the largest share of such a crop that a lesion covers. mask_shares.csv has a row
    an image: its id, and by view the share covered. masks.npy (MEAN_SIDE × MEAN_SIDE, float32) is the share
    of lesions that cover each place of the image, over relative coordinates.

    Raises NullcropError when masks do not fit their images, or none holds a lesion.
    """
    check_sizes(samples, crop_width, crop_height)
    files = mask_files(masks, samples["path"].tolist(), source)
    sizes = samples[["height", "width"]].to_numpy(np.int64)

    def count(row: int) -> tuple[list[float], NDArray[np.float32] | None]:
        height, width = map(int, sizes[row])
        lesion = read_mask(files[row], (height, width))
        boxes = [crop_box(view, width, height, crop_width, crop_height) for view in study_crops()]
        covered = [float(lesion[upper:lower, left:right].mean()) for left, upper, right, lower in boxes]
        place = covered_places(lesion, MEAN_SIDE) if lesion.any() else None
        return [float(lesion.mean()), *covered], place

    rows, places, lesions = [], np.zeros((MEAN_SIDE, MEAN_SIDE)), 0
    for shares, place in tracked(mapped(count, range(len(samples)), threads), len(samples), "masks"):
        rows.append(shares)
        if place is not None:
            places += place
            lesions += 1
    if not lesions:
        raise NullcropError(
            f"masks: none of {sum(map(len, files))} masks of {len(samples)} images has a pixel above black, "
            "so they show no lesion: look whether these are the masks"
        )
    shares_of = pd.DataFrame(rows, columns=["original", *study_crops()])
    whole = int((shares_of["original"] == 1).sum())
    if whole:
        say(f"masks that cover their whole image: {whole}; look at them, they may be inverted")
    by_image = pd.concat([samples[["id"]].reset_index(drop=True), shares_of], axis=1)
    with written_whole(folder / "mask_shares.csv") as aside:
        by_image.to_csv(aside, index=False, float_format="%.6g")
    with written_whole(folder / "masks.npy") as aside, aside.open("wb") as file:
        np.save(file, (places / lesions).astype(np.float32))
    with written_whole(folder / "masks.csv") as aside:
        count_touching(shares_of).to_csv(aside, index=False, float_format="%.6g")


def count_touching(shares: pd.DataFrame) -> pd.DataFrame:
    """The table of MASK_COLUMNS from the ``shares`` covered, a row an image and a column a view."""
    lesions = int((shares["original"] > 0).sum())
    together = shares.assign(**{ANY_CORNER: shares[study_corners()].max(axis=1)})
    touching = (together > 0).sum()
    return pd.DataFrame(
        {
            "view": together.columns,
            "images": len(shares),
            "lesions": lesions,
            "touching": touching.to_numpy(),
            "share": (touching / lesions).to_numpy(),
            "largest": together.max().to_numpy(),
        }
    )[MASK_COLUMNS]


def touching_sentence(counts: pd.DataFrame, field: str) -> str:
    """What masks.csv (as numbers) says of the corners of a dataset whose file says ``field``."""
    rows: dict[Any, dict[Any, Any]] = {row["view"]: row for row in counts.to_dict("records")}
    lesions, touching = rows[ANY_CORNER]["lesions"], rows[ANY_CORNER]["touching"]
    of = f"{lesions:,} images" + (" that show one" if lesions < rows[ANY_CORNER]["images"] else "")
    if not touching:
        return f"By the masks no corner crop touches a lesion in any of {of}."
    corners = [rows[view]["touching"] for view in study_corners()]
    least, most_often = min(corners), max(corners)
    where = f"{least:,} to {most_often:,} at a single corner"
    if least == most_often:
        where = f"{least:,} at each corner"
    # Rounded up, so that no crop holds more than is said; tables hold six digits.
    most = ceil(100 * rows[ANY_CORNER]["largest"] - 1e-4)
    sentence = (
        f"By the masks a corner crop touches a lesion in {touching:,} of {of} ({where}), which covers "
        f"up to {most}% of such a crop"
    )
    return sentence + (": “field: whole” does not hold there." if field == "whole" else ".")


def covered_places(lesion: NDArray[np.bool_], side: int) -> NDArray[np.float32]:
    """The share of each of ``side`` × ``side`` equal parts of the image that the lesion covers."""
    small = Image.fromarray(lesion.astype(np.float32)).resize((side, side), Image.Resampling.BOX)
    return np.asarray(small)
