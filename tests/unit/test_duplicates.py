"""Duplicates: planted ones are found, others are not, and the search misses nothing it promises."""

import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from nullcrop.basics.errors import NullcropError
from nullcrop.datasets.samples import read_samples
from nullcrop.duplicates import search
from nullcrop.duplicates.search import (
    close_pairs,
    count_pairs,
    find_alike,
    group_duplicates,
    list_duplicates,
    pairs_between,
    read_duplicates,
    suspected_pairs,
    write_duplicates,
    write_pairs_between,
)
from nullcrop.images.extracts import FullImage
from nullcrop.images.hashes import SQUARE, hash_numbers, hash_pixels, perceptual_hashes
from nullcrop.images.likeness import THUMBNAIL, Detail, detail_of, likeness
from nullcrop.images.store import PackedView, write_store

Pixels = NDArray[np.uint8]


def scene(seed: int, width: int = 160, height: int = 120) -> Image.Image:
    """Smooth shapes with fine texture: what a scan is to a hash."""
    rng = np.random.default_rng(seed)
    levels = np.zeros((height, width))
    for cells, strength in ((4, 45), (24, 14), (70, 8)):
        grid = rng.normal(0, strength, (cells, cells)).astype(np.float32)
        levels += np.asarray(Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC))
    gray = np.clip(levels + 110, 0, 255).astype(np.uint8)
    return Image.fromarray(np.stack([gray, gray // 2, 255 - gray], axis=2))


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue()))


def labelled(image: Image.Image) -> Image.Image:
    marked = image.copy()
    ImageDraw.Draw(marked).text((8, 100), "L 12", fill="white", font_size=9)
    return marked


ALTERED: dict[str, Callable[[Image.Image], Image.Image]] = {
    "compressed": lambda image: jpeg(image, 50),
    "smaller": lambda image: image.resize((90, 80), Image.Resampling.BICUBIC),
    "brighter": lambda image: image.point(lambda level: min(255, level * 1.1)),
    "gray": lambda image: image.convert("L").convert("RGB"),
    "labelled": labelled,
    "a rim cut off": lambda image: image.crop((1, 1, image.width - 1, image.height - 1)),
}


def pixels(image: Image.Image) -> Pixels:
    return np.asarray(image.convert("RGB"))


def detail(image: Image.Image) -> Detail:
    return detail_of(THUMBNAIL.of(FullImage(pixels(image))))


def tables(
    images: Sequence[Pixels], **columns: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame, Callable[[int], Pixels]]:
    """Samples (ids a, b, c, …), hashes and thumbnails by row of ``images``."""
    ids = [chr(ord("a") + number) for number in range(len(images))]
    samples = pd.DataFrame({"id": ids, "class": "benign", "group": "", "official_split": ""})
    hashes = pd.DataFrame([hash_pixels(image) for image in images]).assign(id=ids)
    return samples.assign(**columns), hashes, lambda row: THUMBNAIL.of(FullImage(images[row]))


# Hashes


def test_the_pixel_hash_is_that_of_shape_and_pillows_bytes() -> None:
    image = scene(1)
    expected = hashlib.sha256(b"120x160" + image.tobytes()).hexdigest()
    assert hash_pixels(pixels(image))["pixels_sha256"] == expected


def test_images_of_the_same_bytes_and_another_shape_differ() -> None:
    flat = np.zeros((6, 4, 3), dtype=np.uint8)
    assert hash_pixels(flat)["pixels_sha256"] != hash_pixels(flat.reshape(4, 6, 3))["pixels_sha256"]


def test_the_perceptual_hash_is_imagehashs_own_and_its_distance_that_of_the_bits() -> None:
    images = [scene(seed) for seed in range(12)]
    numbers = hash_numbers(pd.Series([hash_pixels(pixels(image))["phash"] for image in images]))
    theirs = [imagehash.phash(image) for image in images]
    for i in range(12):
        for j in range(12):
            assert np.bitwise_count(numbers[i] ^ numbers[j]) == theirs[i] - theirs[j]


def test_contrast_is_zero_for_one_colour_and_half_the_range_for_halves() -> None:
    halves = np.zeros((64, 64, 3), dtype=np.uint8)
    assert hash_pixels(halves)["contrast"] == 0
    halves[:, 32:] = 100
    assert hash_pixels(halves)["contrast"] == pytest.approx(50)


# The search


def brute_force(hashes: NDArray[np.uint64], bits: int) -> list[list[int]]:
    integers = [int(number) for number in hashes]
    return [
        [i, j]
        for i in range(len(integers))
        for j in range(i + 1, len(integers))
        if (integers[i] ^ integers[j]).bit_count() <= bits
    ]


@given(
    centres=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4),
    flips=st.lists(st.tuples(st.integers(0, 3), st.sets(st.integers(0, 63), max_size=9)), max_size=40),
    bits=st.integers(0, 12),
)
def test_the_search_finds_what_comparing_all_pairs_finds(
    centres: list[int], flips: list[tuple[int, set[int]]], bits: int
) -> None:
    near = [centres[place % len(centres)] ^ sum(1 << bit for bit in flipped) for place, flipped in flips]
    hashes = np.array([*centres, *near], dtype=np.uint64)
    assert close_pairs(hashes, bits).tolist() == brute_force(hashes, bits)


def test_the_search_finds_the_same_among_many_random_hashes() -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, 600, dtype=np.uint64)
    hashes[300:400] = hashes[:100] ^ np.uint64(0b1011)
    found = close_pairs(hashes, 8).tolist()
    assert found == brute_force(hashes, 8)
    assert len(found) >= 100


def test_the_search_finds_all_pairs_of_a_large_crowd() -> None:
    """Hashes of few bits: nearly all share nearly every band, many more than are compared at once."""
    rng = np.random.default_rng(4)
    hashes = np.array([sum(1 << int(bit) for bit in rng.choice(64, 5)) for _ in range(90)], np.uint64)
    pairs = close_pairs(hashes, 8)
    assert len(pairs) > 1000
    assert pairs.tolist() == brute_force(hashes, 8)


def test_of_many_hashes_few_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that share every ninth bit; else a hundred thousand images would take days."""
    buckets: list[int] = []
    compare = search._close_in

    def counted(bucket: NDArray[np.int64], hashes: NDArray[np.uint64], bits: int) -> list[NDArray[np.int64]]:
        buckets.append(len(bucket))
        return compare(bucket, hashes, bits)

    monkeypatch.setattr(search, "_close_in", counted)
    hashes = np.random.default_rng(1).integers(0, 2**64, 2000, dtype=np.uint64)
    close_pairs(hashes, 8)
    # Nine bands of some seven bits each: 9 / 128 of all pairs.
    assert sum(n * (n - 1) for n in buckets) < 0.15 * 2000 * 1999


@pytest.mark.parametrize("count", [0, 1])
def test_the_search_needs_two_images(count: int) -> None:
    assert close_pairs(np.zeros(count, dtype=np.uint64), 8).shape == (0, 2)


# Exact and near


@pytest.mark.parametrize("how", ALTERED)
def test_an_altered_copy_is_a_near_duplicate(how: str) -> None:
    original = scene(7)
    samples, hashes, thumbnails = tables([pixels(original), pixels(ALTERED[how](original)), pixels(scene(8))])
    found = list_duplicates(samples, hashes, thumbnails, threads=2)
    assert found[["id", "kind", "nearest"]].to_numpy().tolist() == [["a", "near", "b"], ["b", "near", "a"]]
    assert found["likeness"].between(0.7, 1).all()


def test_the_same_pixels_are_exact_whatever_the_file() -> None:
    image = pixels(scene(3))
    samples, hashes, thumbnails = tables([image, pixels(scene(4)), image.copy(), image.copy()])
    found = list_duplicates(samples, hashes, thumbnails, threads=1)
    assert found["id"].tolist() == ["a", "c", "d"]
    assert (found["kind"] == "exact").all()
    assert (found["likeness"] == 1).all()
    assert found["nearest"].tolist() == ["c", "a", "a"]


def test_different_images_are_no_duplicates_of_one_another() -> None:
    samples, hashes, thumbnails = tables([pixels(scene(seed)) for seed in range(40)])
    assert list_duplicates(samples, hashes, thumbnails, threads=1).empty


def test_the_same_large_shapes_with_other_detail_are_no_duplicates() -> None:
    """What a perceptual hash alone would report: one body, two scans."""
    rng = np.random.default_rng(0)
    body = np.asarray(scene(1).resize((9, 9)).resize((96, 96), Image.Resampling.BICUBIC), dtype=np.float64)
    scans = [np.clip(body + rng.normal(0, 8, (96, 96, 1)), 0, 255).astype(np.uint8) for _ in range(2)]
    first, second = (imagehash.phash(Image.fromarray(scan)) for scan in scans)
    assert first - second <= 8
    samples, hashes, thumbnails = tables(scans)
    assert list_duplicates(samples, hashes, thumbnails, threads=1).empty


def test_images_that_show_nothing_are_duplicates_only_where_they_are_equal() -> None:
    blank = [np.full((40, 40, 3), level, dtype=np.uint8) for level in (0, 250, 250)]
    samples, hashes, thumbnails = tables(blank)
    found = list_duplicates(samples, hashes, thumbnails, threads=1)
    assert found[["id", "kind"]].to_numpy().tolist() == [["b", "exact"], ["c", "exact"]]


def test_a_cluster_may_hold_equal_and_like_images_of_several_classes_and_parts() -> None:
    original = pixels(scene(5))
    images = [original, pixels(scene(6)), pixels(jpeg(scene(5), 60)), original.copy()]
    samples, hashes, thumbnails = tables(
        images,
        **{"class": ["benign", "benign", "malignant", "benign"]},
        official_split=["train", "", "test", "val"],
    )
    listed = list_duplicates(samples, hashes, thumbnails, threads=1)
    assert listed.index.tolist() == [0, 1, 2]
    found = listed.set_index("id")
    assert found["cluster"].to_dict() == {"a": 1, "c": 1, "d": 1}
    assert found["kind"].to_dict() == {"a": "exact", "c": "near", "d": "exact"}
    assert found["class"].tolist() == ["benign", "malignant", "benign"]
    assert found["official_split"].tolist() == ["train", "test", "val"]
    assert found["pixels_sha256"].nunique() == 2


def test_of_equally_like_images_the_first_is_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nullcrop.duplicates.search.likeness", lambda one, other: 0.75)
    samples, hashes, thumbnails = tables([pixels(jpeg(scene(3), quality)) for quality in (90, 80, 70, 60)])
    every = np.array([(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)])
    found = list_duplicates(samples, hashes, thumbnails, 1, every).set_index("id")
    assert found["nearest"].to_dict() == {"a": "b", "b": "a", "c": "a", "d": "a"}


def test_duplicates_whose_ids_read_like_nothing_are_read_as_they_are_written(tmp_path: Path) -> None:
    images = [pixels(scene(1)), pixels(scene(1))]
    samples, hashes, thumbnails = tables(images)
    samples = samples.assign(id=["NA", "null"], group="nan")
    list_duplicates(samples, hashes, thumbnails, threads=1).to_csv(tmp_path / "duplicates.csv", index=False)
    read = read_duplicates(tmp_path / "duplicates.csv")
    assert read[["id", "nearest", "group"]].to_numpy().tolist() == [
        ["NA", "null", "nan"],
        ["null", "NA", "nan"],
    ]


def test_likeness_is_one_for_an_image_and_itself_and_symmetric_enough() -> None:
    first, second = detail(scene(1)), detail(jpeg(scene(1), 30))
    assert likeness(first, first) == pytest.approx(1, abs=1e-5)
    assert likeness(first, second) == pytest.approx(likeness(second, first), abs=0.02)
    assert likeness(first, np.zeros_like(first)) == 0


def test_every_quarter_may_have_moved_a_little() -> None:
    image = scene(2)
    moved = image.crop((4, 3, image.width - 2, image.height))
    assert likeness(detail(image), detail(moved)) > 0.7
    far = image.crop((40, 30, image.width, image.height))
    assert likeness(detail(image), detail(far)) < 0.5


# Groups of duplicates


def grouped(groups: Sequence[str], clusters: dict[str, int]) -> list[str]:
    samples = pd.DataFrame({"id": list("abcdefgh")[: len(groups)], "group": groups})
    duplicates = pd.DataFrame({"id": list(clusters), "cluster": list(clusters.values())})
    return group_duplicates(samples, duplicates)["group"].tolist()


def test_duplicates_without_a_group_become_one_and_others_stand_alone() -> None:
    assert grouped([""] * 5, {"a": 1, "d": 1, "b": 2, "e": 2}) == [
        *("duplicates 1", "duplicates 2", "image c", "duplicates 1", "duplicates 2")
    ]


def test_groups_that_share_a_duplicate_are_united() -> None:
    # p2 and p3 share cluster 1, p3 and p1 cluster 2; f has no group, but a duplicate in p4.
    groups = grouped(
        ["p1", "p2", "p3", "p3", "p4", "", "p5", ""], {"b": 1, "c": 1, "d": 2, "a": 2, "e": 3, "f": 3}
    )
    assert groups == ["p1", "p1", "p1", "p1", "p4", "p4", "p5", "image h"]


def test_without_duplicates_groups_stay() -> None:
    assert grouped(["p1", "p2", "p1"], {}) == ["p1", "p2", "p1"]


@given(
    groups=st.lists(st.sampled_from(["", "p", "q", "r"]), min_size=1, max_size=8),
    clusters=st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 3)),
)
def test_no_duplicate_and_no_member_of_a_group_is_left_outside(
    groups: list[str], clusters: dict[str, int]
) -> None:
    united = grouped(groups, clusters)
    ids = "abcdefgh"[: len(groups)]
    for i, one in enumerate(ids):
        for j, other in enumerate(ids):
            same_group = groups[i] == groups[j] != ""
            same_cluster = one in clusters and clusters.get(one) == clusters.get(other)
            if same_group or same_cluster:
                assert united[i] == united[j]
    # Nothing else is united: there are as many groups as a walk over the shared ones finds.
    left = set(range(len(ids)))
    components = 0
    while left:
        components += 1
        reached, todo = set(), [left.pop()]
        while todo:
            i = todo.pop()
            reached.add(i)
            todo += [
                j
                for j in left - reached
                if groups[i] == groups[j] != ""
                or (ids[i] in clusters and clusters.get(ids[i]) == clusters.get(ids[j]))
            ]
        left -= reached
    assert len(set(united)) == components


# Files


@pytest.fixture
def datasets(tmp_path: Path) -> list[Path]:
    """Two datasets listed and packed: b holds a renamed and a compressed copy of images of a."""
    contents = {
        "a": {"one": scene(1), "two": scene(2), "three": scene(3)},
        "b": {"uno": scene(1), "due": jpeg(scene(2), 70), "four": scene(4)},
    }
    parts = {"a": ["train", "test", "train"], "b": ["train", "test", ""]}
    folders = []
    for name, images in contents.items():
        folder = tmp_path / name
        folder.mkdir()
        for id_, image in images.items():
            image.convert("RGB").save(folder / f"{id_}.png")
        samples = pd.DataFrame({"id": list(images), "class": "benign", "group": ""}).assign(
            official_split=parts[name],
            path=[str(folder / f"{id_}.png") for id_ in images],
            width=160,
            height=120,
        )
        samples.to_csv(folder / "samples.csv", index=False)
        write_store(samples, folder / "views", ["original"], 20, 20, threads=1)
        view = PackedView(folder / "views" / "original.json")
        write_duplicates(read_samples(folder / "samples.csv"), view, folder, threads=2)
        folders.append(folder)
    return folders


def originals(datasets: list[Path]) -> list[Path]:
    return [folder / "views" / "original.json" for folder in datasets]


def test_datasets_are_compared_with_one_another(datasets: list[Path], tmp_path: Path) -> None:
    write_pairs_between(
        datasets, originals(datasets), tmp_path / "counts.csv", tmp_path / "pairs.csv", threads=2
    )
    pairs = pd.read_csv(tmp_path / "pairs.csv", keep_default_na=False)
    assert pairs[
        ["dataset_a", "id_a", "official_split_a", "dataset_b", "id_b", "official_split_b", "kind"]
    ].to_numpy().tolist() == [
        ["a", "one", "train", "b", "uno", "train", "exact"],
        ["a", "two", "test", "b", "due", "test", "near"],
    ]
    assert pairs["likeness"][0] == 1 > pairs["likeness"][1] > 0.7
    counts = pd.read_csv(tmp_path / "counts.csv", keep_default_na=False)
    assert counts.to_numpy().tolist() == [
        ["a", "train", "b", "train", 1, 1, 1, 1],
        ["a", "test", "b", "test", 0, 0, 1, 1],
    ]


def test_datasets_that_were_compared_and_share_nothing_have_a_row_of_zeros(
    datasets: list[Path], tmp_path: Path
) -> None:
    twin = tmp_path / "a_third"
    twin.mkdir()
    for name in ("samples.csv", "hashes.csv"):
        table = pd.read_csv(datasets[0] / name, dtype=str, keep_default_na=False).iloc[:0]
        table.to_csv(twin / name, index=False)
    views = [*originals(datasets), originals(datasets)[0]]
    write_pairs_between([*datasets, twin], views, tmp_path / "c.csv", tmp_path / "p.csv", threads=1)
    counts = pd.read_csv(tmp_path / "c.csv", keep_default_na=False)
    assert counts.iloc[2:].to_numpy().tolist() == [
        ["a", "", "a_third", "", 0, 0, 0, 0],
        ["b", "", "a_third", "", 0, 0, 0, 0],
    ]
    assert len(pd.read_csv(tmp_path / "p.csv")) == 2


def test_a_dataset_without_duplicates_has_an_empty_table(datasets: list[Path]) -> None:
    assert read_duplicates(datasets[0] / "duplicates.csv").empty


def test_datasets_that_share_nothing_have_empty_tables(datasets: list[Path], tmp_path: Path) -> None:
    write_pairs_between(
        datasets[:1], originals(datasets[:1]), tmp_path / "counts.csv", tmp_path / "pairs.csv", threads=1
    )
    assert pd.read_csv(tmp_path / "counts.csv").empty
    assert pd.read_csv(tmp_path / "pairs.csv").empty


def test_pairs_within_one_dataset_are_no_pairs_between(tmp_path: Path) -> None:
    """Also where the picture is in both: each pair of datasets is named once, by its images."""
    images = [pixels(scene(1)), pixels(jpeg(scene(1), 60)), pixels(scene(1))]
    one = pd.DataFrame([hash_pixels(image) for image in images]).assign(
        id=["x", "y", "z"], dataset="one", official_split="", **{"class": "benign"}
    )
    other = one.iloc[:1].assign(id="w", dataset="other")
    pairs = pairs_between([one, other], [images, images[:1]], threads=1)  # type: ignore[list-item]
    assert pairs[["id_a", "id_b", "kind"]].to_numpy().tolist() == [
        ["x", "w", "exact"],
        ["z", "w", "exact"],
        ["y", "w", "near"],
    ]
    assert count_pairs(pairs)[["exact_images_a", "exact_images_b", "near_images_a"]].iloc[0].tolist() == [
        2,
        1,
        3,
    ]
    pairs = pairs_between([other, one], [images[:1], images], threads=1)  # type: ignore[list-item]
    assert sorted(map(tuple, pairs[["id_a", "id_b", "kind"]].to_numpy())) == [
        ("w", "x", "exact"),
        ("w", "y", "near"),
        ("w", "z", "exact"),
    ]


def test_only_pictures_of_different_datasets_are_compared() -> None:
    images = [pixels(scene(1)), pixels(jpeg(scene(1), 60)), pixels(scene(9))]
    _, hashes, thumbnails = tables(images)
    looked_at: list[int] = []

    def watched(row: int) -> Pixels:
        looked_at.append(row)
        return thumbnails(row)

    assert len(find_alike(hashes, watched, 1, np.array([0, 0, 1])).pairs) == 0
    assert looked_at == []
    assert len(find_alike(hashes, watched, 1, np.array([0, 1, 1])).pairs) == 1


def test_pictures_whose_hashes_differ_in_eight_bits_are_suspected_and_in_nine_are_not() -> None:
    phash = [f"{number:016x}" for number in (0, 0xFF, 0x1FF << 40)]
    hashes = pd.DataFrame({"pixels_sha256": list("abc"), "phash": phash, "contrast": 9.0})
    assert suspected_pairs(hashes).tolist() == [[0, 1]]


def test_pictures_of_too_little_contrast_are_not_suspected_and_none_have_no_clusters() -> None:
    hashes = pd.DataFrame({"pixels_sha256": list("abcd"), "phash": "0" * 16, "contrast": [2.5, 1.99, 2, 99]})
    assert suspected_pairs(hashes).tolist() == [[0, 2], [0, 3], [2, 3]]
    nothing = find_alike(hashes.iloc[:0], lambda _: np.zeros((1, 1), np.uint8), 1)
    assert nothing.components().tolist() == []


def test_a_store_of_other_images_is_refused(datasets: list[Path], tmp_path: Path) -> None:
    view = PackedView(datasets[0] / "views" / "original.json")
    with pytest.raises(NullcropError, match="holds other images than"):
        write_duplicates(read_samples(datasets[1] / "samples.csv"), view, tmp_path, threads=1)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(NullcropError, match=r"cannot read .*duplicates\.csv"):
        read_duplicates(tmp_path / "duplicates.csv")


def test_hashes_of_many_images_are_imagehash_s() -> None:
    rng = np.random.default_rng(8)
    images = [scene(seed).convert("L") for seed in range(6)]
    images += [Image.fromarray(rng.integers(0, 256, (50, 50), dtype=np.uint8)) for _ in range(6)]
    images += [Image.new("L", (50, 50), 7)]
    squares = [np.asarray(image.resize(SQUARE, Image.Resampling.LANCZOS)) for image in images]
    assert perceptual_hashes(np.stack(squares)) == [str(imagehash.phash(image)) for image in images]


def test_pairs_that_are_suspected_beforehand_are_compared_and_no_other() -> None:
    images = [scene(1), scene(1).resize((150, 110)), scene(2)]
    pixels = [np.asarray(image.convert("RGB")) for image in images]
    hashes = pd.DataFrame([hash_pixels(one) for one in pixels])

    def thumbnail_of(row: int) -> Pixels:
        return THUMBNAIL.of(FullImage(pixels[row]))

    suspected = suspected_pairs(hashes)
    assert suspected.tolist() == [[0, 1]]
    known = find_alike(hashes, thumbnail_of, 1, suspected=suspected)
    assert known.pairs.tolist() == find_alike(hashes, thumbnail_of, 1).pairs.tolist() == [[0, 1]]
    assert find_alike(hashes, thumbnail_of, 1, suspected=suspected[:0]).pairs.tolist() == []
