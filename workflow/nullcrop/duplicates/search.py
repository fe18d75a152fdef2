"""Images that occur more than once: with the same pixels (exact), or looking alike (near).

Near are two images whose perceptual hashes differ in at most HASH_BITS of 64 bits and whose detail
agrees at least to LIKENESS. The hash can be searched without comparing every pair; the detail is
compared where the hashes are close. docs/duplicates.md says how the two numbers were chosen.
Clusters are connected: two images of one cluster may be joined by a third.

pHash: C. Zauner, Implementation and benchmarking of perceptual image hash functions (2010), as in
the library imagehash. Search by bands (pigeonhole principle): M. Norouzi, A. Punjani, D. J. Fleet,
Fast exact search in Hamming space with multi-index hashing, IEEE TPAMI 36 (2014).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import written_whole
from nullcrop.basics.progress import tracked
from nullcrop.datasets.samples import read_samples
from nullcrop.images.hashes import hash_images, hash_numbers, read_hashes
from nullcrop.images.likeness import THUMBNAIL, Detail, detail_of, likeness
from nullcrop.images.store import Images, PackedView, extracted

HASH_BITS = 8
LIKENESS = 0.7
FLAT = 2.0
"""Contrast in gray levels below which an image shows too little for a perceptual hash."""

ROWS_AT_ONCE = 16
DETAILS_KEPT = 4096  # 150 MB

COLUMNS = [
    "cluster",
    "id",
    "kind",
    "likeness",
    "nearest",
    "pixels_sha256",
    "class",
    "group",
    "official_split",
]
"""Columns of duplicates.csv."""

Indices = NDArray[np.int64]
ThumbnailOf = Callable[[int], NDArray[np.uint8]]
"""Gray thumbnail of the image in a row (images/likeness.py)."""


@dataclass(frozen=True)
class Alike:
    """Which images of a list are exact or near duplicates of one another."""

    picture: Indices
    """For each image the number of its picture: images of equal pixels are one picture."""
    pairs: Indices
    """Pictures that look alike, shape (pairs, 2), each pair once."""
    likeness: NDArray[np.float64]
    """How alike the two pictures of each pair are."""

    def components(self) -> Indices:
        """For each image the number of its cluster; alone in it where it has no duplicate."""
        pictures = int(self.picture.max(initial=-1)) + 1
        return _connected(self.pairs[:, 0], self.pairs[:, 1], pictures)[self.picture]


def find_alike(
    hashes: pd.DataFrame,
    thumbnail_of: ThumbnailOf,
    threads: int,
    dataset: Indices | None = None,
    suspected: Indices | None = None,
) -> Alike:
    """Exact and near duplicates among images, whose ``hashes`` are as hashes.csv has them.

    With ``dataset``, the number of each image's dataset, pictures that occur in one and the same
    dataset alone are not compared. ``suspected`` are the pairs to compare
    (:func:`suspected_pairs`, which finds them where they are left out).
    """
    picture, _ = pd.factorize(hashes["pixels_sha256"])
    rows = np.flatnonzero(~hashes["pixels_sha256"].duplicated())
    pairs = suspected_pairs(hashes) if suspected is None else suspected
    if dataset is not None:
        ends = pd.Series(dataset).groupby(picture).agg(["min", "max"]).to_numpy()
        pairs = pairs[ends[pairs, 0].min(axis=1) != ends[pairs, 1].max(axis=1)]

    @lru_cache(DETAILS_KEPT)
    def detail(number: int) -> Detail:
        return detail_of(thumbnail_of(int(rows[number])))

    with ThreadPoolExecutor(threads) as pool:
        measured = pool.map(lambda pair: likeness(detail(pair[0]), detail(pair[1])), pairs.tolist())
        found = np.array(list(tracked(measured, len(pairs), "comparing")), dtype=np.float64)
    return Alike(picture.astype(np.int64), pairs[found >= LIKENESS], found[found >= LIKENESS])


def suspected_pairs(hashes: pd.DataFrame) -> Indices:
    """Pictures that may look alike, shape (pairs, 2): their perceptual hashes are close, their detail is not
    compared yet. Pictures are numbered in the order of their first images."""
    rows = np.flatnonzero(~hashes["pixels_sha256"].duplicated())
    textured = np.flatnonzero(hashes["contrast"].to_numpy(np.float64)[rows] >= FLAT)
    pairs: Indices = textured[close_pairs(hash_numbers(hashes["phash"].iloc[rows[textured]]), HASH_BITS)]
    return pairs


def close_pairs(hashes: NDArray[np.uint64], bits: int) -> Indices:
    """Index pairs (first, second), first < second, of 64-bit ``hashes`` that differ in at most ``bits`` bits.

    Shape (pairs, 2), in order. Of ``bits`` + 1 bands at least one is equal in such a pair, so only
    hashes that share a band are compared.
    """
    bands = [sum(1 << bit for bit in range(band, 64, bits + 1)) for band in range(bits + 1)]
    found = [np.empty((0, 2), dtype=np.int64)]
    for band in bands:
        keys = hashes & np.uint64(band)
        order = np.argsort(keys, kind="stable")
        for bucket in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1):
            found.extend(_close_in(bucket, hashes[bucket], bits))
    return np.unique(np.concatenate(found), axis=0)


def _close_in(bucket: Indices, hashes: NDArray[np.uint64], bits: int) -> list[Indices]:
    """Close pairs within one bucket, some rows at a time so that memory stays small."""
    found = []
    for start in range(0, len(bucket) - 1, ROWS_AT_ONCE):
        rows = hashes[start : start + ROWS_AT_ONCE, None]
        first, second = np.nonzero(np.bitwise_count(rows ^ hashes[start:]) <= bits)
        later = second > first
        if later.any():
            found.append(bucket[np.stack([first[later], second[later]], axis=1) + start])
    return found


def _connected(first: Indices, second: Indices, nodes: int) -> Indices:
    """Number of the connected component of each node, given edges from ``first`` to ``second``."""
    graph = scipy.sparse.coo_array((np.ones(len(first)), (first, second)), shape=(nodes, nodes))
    components: Indices = scipy.sparse.csgraph.connected_components(graph, directed=False)[1].astype(np.int64)
    return components


# Within a dataset


def list_duplicates(
    samples: pd.DataFrame,
    hashes: pd.DataFrame,
    thumbnail_of: ThumbnailOf,
    threads: int,
    suspected: Indices | None = None,
) -> pd.DataFrame:
    """Images that have a duplicate, one row each (columns: COLUMNS), by cluster.

    ``kind`` is `exact` where another image has the same pixels, else `near`; ``nearest`` is the most
    similar other image and ``likeness`` how alike the two are (1: the same pixels). ``suspected`` as in
    :func:`find_alike`.
    """
    alike = find_alike(hashes, thumbnail_of, threads, suspected=suspected)
    nearest = _nearest(alike)
    rows = nearest["row"].to_numpy()
    table = samples.iloc[rows][["id", "class", "group", "official_split"]].assign(
        # Numbered as they come: rows are in the order of samples.csv.
        cluster=pd.factorize(alike.components()[rows])[0] + 1,
        kind=np.where(hashes["pixels_sha256"].duplicated(keep=False).to_numpy()[rows], "exact", "near"),
        likeness=nearest["likeness"].round(3).to_numpy(),
        nearest=samples["id"].to_numpy()[nearest["nearest"]],
        pixels_sha256=hashes["pixels_sha256"].to_numpy()[rows],
    )
    return table.sort_values(["cluster", "id"], ignore_index=True)[COLUMNS]


def _nearest(alike: Alike) -> pd.DataFrame:
    """Images that have a duplicate: their row, the row of the nearest other one, and its likeness."""
    images = pd.DataFrame({"row": np.arange(len(alike.picture)), "picture": alike.picture})
    both_ways = pd.DataFrame(
        {
            "picture": alike.pairs.T.reshape(-1),
            "other": alike.pairs[:, ::-1].T.reshape(-1),
            "likeness": np.tile(alike.likeness, 2),
        }
    )
    near = both_ways.sort_values(["likeness", "other"], ascending=[False, True]).drop_duplicates("picture")
    first_of = images.drop_duplicates("picture").set_index("picture")["row"]
    images = images.merge(near, on="picture", how="left")
    images["nearest"] = images["other"].map(first_of)
    # A copy is nearer than anything alike: the first image of the picture, for that itself the second.
    copies = images[images["picture"].duplicated(keep=False)]
    place = copies.groupby("picture").cumcount()
    second_of = copies[place == 1].set_index("picture")["row"]
    images.loc[copies.index, "nearest"] = (
        copies["picture"].map(first_of).where(place > 0, copies["picture"].map(second_of))
    )
    images.loc[copies.index, "likeness"] = 1.0
    return images[images["nearest"].notna()].astype({"nearest": np.int64})


def write_duplicates(samples: pd.DataFrame, view: PackedView, folder: Path, threads: int) -> pd.DataFrame:
    """Write ``folder``/hashes.csv and duplicates.csv of one dataset; return the duplicates."""
    hashes = hash_images(samples, view, threads)
    duplicates = list_duplicates(samples, hashes, lambda row: extracted(view, THUMBNAIL, row), threads)
    for name, table in (("hashes", hashes), ("duplicates", duplicates)):
        with written_whole(folder / f"{name}.csv") as aside:
            table.to_csv(aside, index=False)
    return duplicates


def read_duplicates(path: Path) -> pd.DataFrame:
    """Read duplicates.csv; NullcropError names a file that cannot be read."""
    text = dict.fromkeys(set(COLUMNS) - {"cluster", "likeness"}, str)
    try:
        return pd.read_csv(path, dtype=text, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise NullcropError(f"cannot read {path}: {error}") from None


def group_duplicates(samples: pd.DataFrame, duplicates: pd.DataFrame) -> pd.DataFrame:
    """``samples`` with groups such that no duplicate of an image is outside its group.

    Groups that share a cluster become one, named by the first of them; a cluster without groups
    is named by its number, and an image without either is a group of its own.
    """
    cluster = samples["id"].map(duplicates.set_index("id")["cluster"])
    clustered, grouped = cluster.notna(), samples["group"] != ""
    named = cluster.map("duplicates {:.0f}".format, na_action="ignore").astype(object)
    name = samples["group"].where(grouped, named.where(clustered, "image " + samples["id"]))
    group, groups = pd.factorize(name)
    # Groups and clusters are the nodes of a graph, with an edge where an image is in both.
    numbers = len(groups) + cluster[clustered].to_numpy(np.int64)
    size = int(numbers.max(initial=len(groups))) + 1
    component = _connected(group[clustered.to_numpy()].astype(np.int64), numbers, size)[group]
    names = pd.DataFrame({"component": component, "grouped": grouped, "name": name})
    first = names.sort_values(["grouped", "name"], ascending=[False, True]).drop_duplicates("component")
    return samples.assign(group=first.set_index("component")["name"].reindex(component).to_numpy())


# Between datasets


SIDES = ("a", "b")
PLACE = ("dataset", "official_split")

PAIR_COLUMNS = [
    *(f"{column}_{side}" for side in SIDES for column in (*PLACE, "id", "class")),
    *("kind", "likeness"),
]
"""Columns of duplicate_pairs.csv."""

COUNT_COLUMNS = [
    *(f"{column}_{side}" for side in SIDES for column in PLACE),
    *(f"{kind}_images_{side}" for kind in ("exact", "near") for side in SIDES),
]
"""Columns of the table of counts between datasets; `near` includes the exact ones."""


def pairs_between(tables: Sequence[pd.DataFrame], views: Sequence[Images], threads: int) -> pd.DataFrame:
    """Pairs of duplicates that lie in two datasets (columns: PAIR_COLUMNS), by datasets and kind.

    ``tables`` hold one dataset each: dataset, id, class, official_split and the columns of
    hashes.csv; ``views`` are their packed originals.
    """
    images = pd.concat(tables, ignore_index=True)
    images["place"] = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    place = images["place"].to_numpy(np.int64)
    row = images.groupby("place").cumcount().to_numpy(np.int64)

    def thumbnail_of(number: int) -> NDArray[np.uint8]:
        return extracted(views[place[number]], THUMBNAIL, int(row[number]))

    alike = find_alike(images, thumbnail_of, threads, place)
    images["picture"] = alike.picture
    shared = images.groupby("picture")["place"].nunique()
    same = shared.index[shared > 1].to_numpy(np.int64)
    exact = pd.DataFrame({"one": same, "other": same, "kind": "exact", "likeness": 1.0})
    near = pd.DataFrame({"kind": "near", "likeness": alike.likeness.round(3)}).assign(
        one=alike.pairs[:, 0], other=alike.pairs[:, 1]
    )
    # A near pair stands in both orders, as an exact one does once it is merged with its images.
    turned = near.rename(columns={"one": "other", "other": "one"})
    pairs = (
        pd.concat([exact, near, turned], ignore_index=True)
        .merge(images, left_on="one", right_on="picture")
        .merge(images, left_on="other", right_on="picture", suffixes=("_a", "_b"))
        .query("place_a < place_b")
    )
    return pairs.sort_values(["place_a", "place_b", "kind", "id_a", "id_b"], ignore_index=True)[PAIR_COLUMNS]


def count_pairs(pairs: pd.DataFrame) -> pd.DataFrame:
    """Images that have a duplicate in another dataset, by datasets and official parts (COUNT_COLUMNS)."""
    places = COUNT_COLUMNS[:4]
    counts = {
        f"{kind}_images_{side}": found.groupby(places, sort=False)[f"id_{side}"].nunique()
        for kind, found in (("exact", pairs[pairs["kind"] == "exact"]), ("near", pairs))
        for side in SIDES
    }
    in_order = pd.MultiIndex.from_frame(pairs[places].drop_duplicates())
    table = pd.DataFrame(counts).reindex(in_order).fillna(0).astype(int)
    return table.reset_index(names=places)[COUNT_COLUMNS]


def write_pairs_between(
    folders: Sequence[Path], view_files: Sequence[Path], out: Path, pairs_out: Path, threads: int
) -> None:
    """Compare the datasets in ``folders`` of results: counts to ``out``, single pairs to ``pairs_out``.

    Two datasets that share nothing have a row of zeros in ``out``, so that it tells what was compared.

    ``view_files`` are the store's original.json, one a dataset in the same order.
    """
    tables = []
    for folder in folders:
        samples = read_samples(folder / "samples.csv")[["id", "class", "official_split"]]
        hashes = read_hashes(folder / "hashes.csv")
        tables.append(samples.merge(hashes, on="id", validate="1:1").assign(dataset=folder.name))
    views = [PackedView(path) for path in view_files]
    pairs = pairs_between(tables, views, threads)
    counts = count_pairs(pairs)
    found = set(zip(counts["dataset_a"], counts["dataset_b"], strict=True))
    none = [
        {**dict.fromkeys(COUNT_COLUMNS, 0), "dataset_a": one.name, "dataset_b": other.name}
        | {"official_split_a": "", "official_split_b": ""}
        for one, other in combinations(folders, 2)
        if (one.name, other.name) not in found
    ]
    counts = pd.concat([counts, pd.DataFrame(none, columns=COUNT_COLUMNS)], ignore_index=True)
    for path, table in ((pairs_out, pairs), (out, counts)):
        with written_whole(path) as aside:
            table.to_csv(aside, index=False)
