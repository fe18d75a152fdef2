"""The packed store: what is read back, what its checksum tells, and what happens when writing fails."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nullcrop.basics.errors import NullcropError
from nullcrop.config.views import views_made_always
from nullcrop.images.store import PackedView, write_store
from tests.unit.image_kinds import KINDS, pillow_pixels, write_image

VIEWS = tuple(views_made_always())

CROP = (9, 7)


def table(paths: Sequence[Path]) -> pd.DataFrame:
    """What the store needs of samples.csv, with the sizes that Pillow sees."""
    rows = []
    for path in paths:
        with Image.open(path) as image:
            rows.append((path.name, str(path), image.width, image.height))
    return pd.DataFrame(rows, columns=["id", "path", "width", "height"])


def write(paths: Sequence[Path], folder: Path, views: Sequence[str] = VIEWS, threads: int = 2) -> None:
    write_store(table(paths), folder, list(views), *CROP, threads=threads)


def checksum(folder: Path, view: str = "original") -> str:
    return str(json.loads((folder / f"{view}.json").read_text())["pixels_sha256"])


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def ragged(tmp_path: Path) -> list[Path]:
    """One image of each kind, all of different sizes."""
    return [write_image(kind, tmp_path, 11 + n, 30 - n) for n, kind in enumerate(KINDS)]


@pytest.fixture
def uniform(tmp_path: Path) -> list[Path]:
    """Six images of one size."""
    return [write_image("colour", tmp_path, 13, 11, seed) for seed in range(6)]


def expected(path: Path, view: str) -> np.ndarray:
    with Image.open(path) as image:
        width, height = image.size
    w, h = CROP
    x = {"left": 0, "right": width - w, "center": (width - w) // 2}
    y = {"upper": 0, "bottom": height - h, "center": (height - h) // 2}
    if view == "original":
        return pillow_pixels(path)
    left, upper = x[view.split("_")[-1]], y[view.split("_")[0]]
    return pillow_pixels(path, (left, upper, left + w, upper + h))


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("shape", ["ragged", "uniform"])
def test_what_is_read_back_is_pillows_crop(
    view: str, shape: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    paths = request.getfixturevalue(shape)
    write(paths, tmp_path / "views", threads=4)
    opened = PackedView(tmp_path / "views" / f"{view}.json")
    assert len(opened) == len(paths)
    assert (opened.sidecar["sizes"] is None) == (shape == "uniform" or view != "original")
    for index, path in enumerate(paths):
        np.testing.assert_array_equal(opened[index], expected(path, view))


@pytest.mark.parametrize("shape", ["ragged", "uniform"])
def test_the_store_opens_as_a_read_only_memory_map(
    shape: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    write(request.getfixturevalue(shape), tmp_path / "views")
    view = PackedView(tmp_path / "views" / "original.json")
    assert isinstance(view.pixels, np.memmap)
    assert view.pixels.mode == "r"
    with pytest.raises(ValueError, match="read-only"):
        view[0][:] = 0


def test_a_uniform_store_is_one_plain_numpy_array(uniform: list[Path], tmp_path: Path) -> None:
    write(uniform, tmp_path / "views")
    plain = np.load(tmp_path / "views" / "original.npy", allow_pickle=False)
    np.testing.assert_array_equal(plain, np.stack([pillow_pixels(path) for path in uniform]))
    assert np.load(tmp_path / "views" / "center.npy").shape == (6, CROP[1], CROP[0], 3)


def test_only_the_views_asked_for_are_written(uniform: list[Path], tmp_path: Path) -> None:
    write(uniform, tmp_path / "views", ["center"])
    assert sorted(files(tmp_path / "views")) == ["center.json", "center.npy"]


def test_the_number_of_threads_changes_nothing(ragged: list[Path], tmp_path: Path) -> None:
    write(ragged, tmp_path / "one", threads=1)
    write(ragged, tmp_path / "eight", threads=8)
    assert files(tmp_path / "one") == files(tmp_path / "eight")


def test_the_checksum_differs_when_and_only_when_pixels_differ(uniform: list[Path], tmp_path: Path) -> None:
    write(uniform, tmp_path / "before")
    # Other files with the same pixels: renamed, and compressed differently.
    renamed = []
    for path in uniform:
        renamed.append(tmp_path / f"renamed_{path.name}")
        with Image.open(path) as image:
            image.save(renamed[-1], compress_level=0)
    assert renamed[0].read_bytes() != uniform[0].read_bytes()
    write(renamed, tmp_path / "renamed")
    for view in VIEWS:
        assert checksum(tmp_path / "renamed", view) == checksum(tmp_path / "before", view)
    # One pixel of one image, in its upper left corner.
    with Image.open(uniform[3]) as image:
        red, *others = image.getpixel((0, 0))
        image.putpixel((0, 0), (red ^ 1, *others))
        image.save(uniform[3])
    write(uniform, tmp_path / "after")
    changed = [v for v in VIEWS if checksum(tmp_path / "after", v) != checksum(tmp_path / "before", v)]
    assert changed == ["original", "upper_left"]


def test_the_order_of_the_images_is_part_of_the_store(uniform: list[Path], tmp_path: Path) -> None:
    write(uniform, tmp_path / "forward")
    write(uniform[::-1], tmp_path / "backward")
    forward, backward = (PackedView(tmp_path / name / "center.json") for name in ("forward", "backward"))
    assert forward.sidecar["ids_sha256"] != backward.sidecar["ids_sha256"]
    np.testing.assert_array_equal(forward.pixels[::-1], backward.pixels)


def test_an_image_smaller_than_the_crop_is_named_with_both_sizes(uniform: list[Path], tmp_path: Path) -> None:
    sizes = [(CROP[0] - 1, 30), (30, CROP[1] - 1), (CROP[0] - 1, CROP[1] - 1)]
    small = [write_image("colour", tmp_path, *size) for size in sizes]
    with pytest.raises(NullcropError) as caught:
        write([*uniform, *small], tmp_path / "views")
    message = str(caught.value)
    assert f"3 images are smaller than the crop of {CROP[0]}×{CROP[1]} pixels" in message
    assert f"{small[0]} (8×30)" in message
    assert f"{small[1]} (30×6)" in message
    assert f"{small[2]} (8×6)" in message
    assert f"set `smallest_side: {max(CROP)}` in the definition to leave them out by name" in message
    assert not (tmp_path / "views").exists()
    with pytest.raises(NullcropError, match=r"\(8×6\); choose a smaller `crop:` in the definition"):
        write(small, tmp_path / "views")


def test_an_image_exactly_as_large_as_the_crop_is_its_own_crop(tmp_path: Path) -> None:
    path = write_image("colour", tmp_path, *CROP)
    write([path], tmp_path / "views")
    for view in VIEWS:
        np.testing.assert_array_equal(PackedView(tmp_path / "views" / f"{view}.json")[0], pillow_pixels(path))


def test_a_file_that_changed_since_it_was_listed_stops_the_step(uniform: list[Path], tmp_path: Path) -> None:
    samples = table(uniform)
    Image.new("RGB", (14, 11)).save(uniform[2])
    with pytest.raises(NullcropError) as caught:
        write_store(samples, tmp_path / "views", list(VIEWS), *CROP, threads=2)
    assert f"{uniform[2]} is 14×11 pixels, but samples.csv says otherwise" in str(caught.value)
    assert files(tmp_path / "views") == {}


def test_a_file_truncated_since_it_was_listed_is_named(uniform: list[Path], tmp_path: Path) -> None:
    samples = table(uniform)
    uniform[2].write_bytes(uniform[2].read_bytes()[:200])
    with pytest.raises(NullcropError, match=rf"{uniform[2].name} cannot be read as an image"):
        write_store(samples, tmp_path / "views", list(VIEWS), *CROP, threads=2)
    assert files(tmp_path / "views") == {}


def test_a_failure_in_the_middle_keeps_the_old_store(uniform: list[Path], tmp_path: Path) -> None:
    write(uniform, tmp_path / "views")
    before = files(tmp_path / "views")
    samples = table(uniform)
    Image.new("RGB", (13, 11)).save(uniform[0])  # the new store would differ from its first image on
    uniform[-1].unlink()
    with pytest.raises(NullcropError, match=uniform[-1].name):
        write_store(samples, tmp_path / "views", list(VIEWS), *CROP, threads=1)
    assert files(tmp_path / "views") == before


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("center.npy", lambda whole: whole[: len(whole) - 5]),
        ("center.npy", lambda whole: whole[:20]),
        ("center.npy", lambda whole: b""),
        ("center.npy", lambda whole: b"no array" * 40),
        ("center.json", lambda whole: whole[: len(whole) // 2]),
        ("center.json", lambda whole: b"\xff\xfe"),
        ("center.json", lambda whole: b"{}"),
        ("center.json", lambda whole: b"[1, 2]"),
    ],
    ids=["npy cut", "npy header cut", "npy empty", "no npy", "json cut", "no text", "no keys", "a list"],
)
def test_a_damaged_store_says_which_file_to_delete(
    name: str, damage: object, uniform: list[Path], tmp_path: Path
) -> None:
    write(uniform, tmp_path / "views")
    path = tmp_path / "views" / name
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(NullcropError, match=r"views/center\.(npy|json).* delete it and run again"):
        PackedView(tmp_path / "views" / "center.json")


def test_a_missing_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(NullcropError, match=r"center\.json"):
        PackedView(tmp_path / "center.json")


def test_files_of_two_stores_do_not_pass_for_one(
    uniform: list[Path], ragged: list[Path], tmp_path: Path
) -> None:
    write(uniform, tmp_path / "views")
    write(ragged, tmp_path / "other")
    (tmp_path / "other" / "original.npy").replace(tmp_path / "views" / "original.npy")
    with pytest.raises(NullcropError, match=r"original\.npy does not fit .*original\.json: delete both"):
        PackedView(tmp_path / "views" / "original.json")


def test_an_array_with_pickled_objects_is_not_loaded(uniform: list[Path], tmp_path: Path) -> None:
    write(uniform, tmp_path / "views")
    np.save(tmp_path / "views" / "center.npy", np.array([{"any": "object"}]), allow_pickle=True)
    with pytest.raises(NullcropError, match="cannot read the store"):
        PackedView(tmp_path / "views" / "center.json")
