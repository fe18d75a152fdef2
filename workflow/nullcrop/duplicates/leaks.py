"""Leaks: what of a test part the training part has seen, by duplicates and by groups."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import written_whole

AS_RELEASED = "as released"
"""In place of a split protocol: all images, with the parts the release itself gives them."""

COLUMNS = [
    *("labels", "split", "seed", "images", "test_images"),
    *(
        f"{kind}_{count}"
        for kind in ("exact", "near")
        for count in ("clusters", "images", "across_classes", "across_parts", "test_images")
    ),
    *("largest_cluster", "groups", "groups_across_parts", "group_test_images"),
]
"""Columns of leaks.csv; `near` counts clusters of exact or near duplicates, so it includes the exact ones.

``…_test_images`` are images of the test part of which a duplicate, or an image of the same
group, is in the training part.
"""


def count_leaks(
    samples: pd.DataFrame, duplicates: pd.DataFrame, splits: Iterable[tuple[str, str, int, pd.DataFrame]]
) -> pd.DataFrame:
    """Duplicates and groups that cross parts: one row for the release, one for each split (COLUMNS).

    ``splits`` are label rule, protocol, seed and table (columns id and part). Images that a split
    does not use are not counted in its row.
    """
    images = samples[["id", "class", "group", "official_split"]].merge(
        duplicates[["id", "cluster", "pixels_sha256"]], on="id", how="left", validate="1:1"
    )
    released = images.assign(part=images["official_split"])
    rows = [{"labels": "", "split": AS_RELEASED, "seed": None, **_leaks_of(released)}]
    for labels, protocol, seed, table in splits:
        used = images.merge(table[["id", "part"]], on="id", validate="1:1").query("part != 'unused'")
        rows.append({"labels": labels, "split": protocol, "seed": seed, **_leaks_of(used)})
    return pd.DataFrame(rows)[COLUMNS].astype({"seed": "Int64"})


def write_leaks(samples: pd.DataFrame, duplicates: pd.DataFrame, splits: Sequence[Path], out: Path) -> None:
    """Write :func:`count_leaks` as CSV; ``splits`` are files …/{labels}/{protocol}/seed{N}.csv."""
    text = dict.fromkeys(("id", "part"), str)
    named = []
    for path in splits:
        table = pd.read_csv(path, dtype=text, usecols=list(text), keep_default_na=False)
        named.append((path.parts[-3], path.parts[-2], int(path.stem.removeprefix("seed")), table))
    leaks = count_leaks(samples, duplicates, named)
    with written_whole(out) as aside:
        leaks.to_csv(aside, index=False)


def read_leaks(path: Path) -> pd.DataFrame:
    """Read leaks.csv; NullcropError names a file that cannot be read."""
    text = dict.fromkeys(("labels", "split"), str)
    try:
        return pd.read_csv(path, dtype=text).fillna({"labels": ""}).astype({"seed": "Int64"})
    except (OSError, ValueError) as error:
        raise NullcropError(f"cannot read {path}: {error}") from None


def _leaks_of(images: pd.DataFrame) -> dict[str, Any]:
    """Counts over ``images`` (columns class, group, part, cluster, pixels_sha256)."""
    # A part of the images of a cluster may be unused: what is left alone is no duplicate.
    exact = _repeated(images[images["cluster"].notna()], "pixels_sha256")
    near = _repeated(images[images["cluster"].notna()], "cluster")
    grouped = images[images["group"] != ""]
    sizes = near["cluster"].value_counts()
    return {
        "images": len(images),
        "test_images": int((images["part"] == "test").sum()),
        **_counts("exact", exact, "pixels_sha256"),
        **_counts("near", near, "cluster"),
        "largest_cluster": int(sizes.max()) if len(sizes) else 0,
        "groups": int(grouped["group"].nunique()),
        "groups_across_parts": _across(grouped, "group", "part"),
        "group_test_images": _seen(grouped, "group"),
    }


def _repeated(images: pd.DataFrame, key: str) -> pd.DataFrame:
    return images[images[key].duplicated(keep=False)]


def _counts(kind: str, images: pd.DataFrame, key: str) -> dict[str, int]:
    return {
        f"{kind}_clusters": int(images[key].nunique()),
        f"{kind}_images": len(images),
        f"{kind}_across_classes": _across(images, key, "class"),
        f"{kind}_across_parts": _across(images, key, "part"),
        f"{kind}_test_images": _seen(images, key),
    }


def _across(images: pd.DataFrame, key: str, column: str) -> int:
    """How many values of ``key`` have several values of ``column``; an empty one is none."""
    kinds = images[images[column] != ""].groupby(key)[column].nunique()
    return int((kinds > 1).sum())


def _seen(images: pd.DataFrame, key: str) -> int:
    """Images of the test part whose ``key`` is in the training part, too."""
    trained = set(images.loc[images["part"] == "train", key])
    return int(images.loc[images["part"] == "test", key].isin(trained).sum())
