"""What a walk through a folder finds, and which files are companions of others by their names."""

import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.walk import NO_FILE, litter_of, walk, whole_walk
from nullcrop.datasets.companions import companions, orphans


def make(root: Path, paths: Iterable[str]) -> None:
    """Empty files below ``root``; a path that ends in a slash is a folder."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if path.endswith("/"):
            (root / path).mkdir(parents=True, exist_ok=True)
        else:
            (root / path).touch()


# Walking


def test_files_and_folders_come_in_the_order_of_their_parts(tmp_path: Path) -> None:
    make(tmp_path, ["b/2.png", "b/1.png", "b c/x.png", "b-d.png", "a.txt", "e/"])
    found = walk(tmp_path)
    assert found.files == ["a.txt", "b/1.png", "b/2.png", "b c/x.png", "b-d.png"]
    assert [path.relative_to(tmp_path) for path in found.paths] == sorted(map(Path, found.files))
    assert found.folders == [".", "b", "b c", "e"]
    assert (found.litter, found.dangling, found.loops, found.closed) == ({}, [], [], [])


@pytest.mark.parametrize("turned", [False, True])
def test_no_order_is_the_file_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turned: bool) -> None:
    """Whatever a file system lists first, sorted here one way and the other."""
    make(tmp_path, ["b/2.png", "b/1.png", "c/1.png", "a.txt", "e/", "._x", "Thumbs.db"])
    for name in ("x", "y"):
        (tmp_path / f"lost_{name}").symlink_to(tmp_path / "nowhere")
        (tmp_path / f"self_{name}").symlink_to(tmp_path)
    scandir = os.scandir

    @contextmanager
    def ordered(path: Path) -> Iterator[list["os.DirEntry[str]"]]:
        with scandir(path) as entries:
            yield sorted(entries, key=lambda entry: entry.name, reverse=turned)

    monkeypatch.setattr(os, "scandir", ordered)
    found = walk(tmp_path)
    assert found.files == ["a.txt", "b/1.png", "b/2.png", "c/1.png"]
    assert found.folders == [".", "b", "c", "e"]
    assert found.dangling == ["lost_x", "lost_y"]
    assert found.loops == ["self_x", "self_y"]
    assert [words.split()[0] for words in found.litter] == ["macOS", "Windows"]


def test_litter_is_counted_by_kind_and_a_folder_of_it_once(tmp_path: Path) -> None:
    make(
        tmp_path,
        [
            *("a/1.png", "a/._1.png", "a/._2.png", "__MACOSX/a/._1.png", ".DS_Store", "a/Thumbs.db"),
            *("a/@eaDir/1.png/THUMB.jpg", "a/@eaDir/2.png/THUMB.jpg", "$RECYCLE.BIN/x.png", "a/1.png~"),
            *(".thumbnails/large/1.png", "a/desktop.ini", "#recycle/1.png", "lost+found/"),
            *("nullcrop-audit/results/datasets/x/figures/samples.png",),
        ],
    )
    found = walk(tmp_path)
    assert found.files == ["a/1.png"]
    assert found.litter == {
        "macOS resource forks (._*)": 2,
        "folders of macOS resource forks (__MACOSX)": 1,
        "macOS folder settings (.DS_Store)": 1,
        "folders of Synology thumbnails (@eaDir)": 1,
        "recycle bins and snapshots of a NAS (#recycle, @Recycle)": 1,
        "Windows thumbnails and folder settings (Thumbs.db, desktop.ini)": 2,
        "Windows recycle bins ($RECYCLE.BIN)": 1,
        "folders that an audit made (nullcrop-audit)": 1,
        "leftovers of a disk check (lost+found)": 1,
        "backups of editors (*~)": 1,
        "hidden files and folders (.*)": 1,
    }


@pytest.mark.parametrize("name", ["P01~", "P01.tif", "thumbs.db", "Icon", "recycle", "_x", "a.b", " "])
def test_a_folder_that_only_looks_like_litter_is_read(name: str) -> None:
    assert litter_of(name, is_folder=True) is None


def test_links_to_files_and_folders_are_followed(tmp_path: Path) -> None:
    make(tmp_path, ["archive/P1/1.png", "archive/P1/deep/2.png", "data/own.png"])
    root = tmp_path / "data"
    (root / "P1").symlink_to(tmp_path / "archive" / "P1")
    (root / "again").symlink_to("P1")
    (root / "file.png").symlink_to(tmp_path / "archive" / "P1" / "1.png")
    below = ["1.png", "deep/2.png"]
    names = [f"P1/{name}" for name in below] + [f"again/{name}" for name in below]
    assert walk(root).files == [*names, "file.png", "own.png"]
    (tmp_path / "linked").symlink_to(root)
    assert walk(tmp_path / "linked").files == walk(root).files


def test_loops_end_and_dangling_links_are_named(tmp_path: Path) -> None:
    make(tmp_path, ["a/b/1.png", "c/2.png"])
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "b" / "self").symlink_to(".")
    # Two folders that hold each other: each is entered once on the way through the other.
    (tmp_path / "a" / "to_c").symlink_to(tmp_path / "c")
    (tmp_path / "c" / "to_a").symlink_to(tmp_path / "a")
    (tmp_path / "lost.png").symlink_to("/nonexistent/annex/x.png")
    (tmp_path / "a" / "round").symlink_to("round")
    found = walk(tmp_path)
    assert found.files == [
        *("a/b/1.png", "a/to_c/2.png", "c/2.png", "c/to_a/b/1.png"),
    ]
    assert found.dangling == ["a/round", "c/to_a/round", "lost.png"]
    assert found.loops == [
        *("a/b/self", "a/b/up", "a/to_c/to_a", "c/to_a/b/self", "c/to_a/b/up", "c/to_a/to_c"),
    ]


def test_pipes_and_sockets_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, ["1.png"])
    os.mkfifo(tmp_path / "2.png")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)  # the path of a socket must be short
        listening.bind("3.png")
    assert (walk(tmp_path).files, walk(tmp_path).litter) == (["1.png"], {NO_FILE: 2})


def test_names_that_are_no_utf8_and_names_with_line_breaks_come_back_as_they_are(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/M\xe4rz\n{1}"
    Path(os.fsdecode(folder)).mkdir()
    Path(os.fsdecode(folder + b"/\xff .png")).touch()
    (name,) = walk(tmp_path).files
    assert os.fsencode(name) == b"M\xe4rz\n{1}/\xff .png"
    assert (tmp_path / name).is_file()


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, ["a/1.png", "b/2.png"])
    scan = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("/b"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    # The superuser may read everything.
    monkeypatch.setattr("nullcrop.basics.walk.os.scandir", refuse)
    found = walk(tmp_path)
    assert (found.files, found.closed, found.folders) == (["a/1.png"], ["b"], [".", "a"])
    with pytest.raises(NullcropError, match=f"folders below {tmp_path} cannot be read: b; ask"):
        whole_walk(tmp_path)


def test_a_missing_folder_is_one_that_cannot_be_read(tmp_path: Path) -> None:
    found = walk(tmp_path / "nowhere")
    assert (found.files, found.folders, found.closed) == ([], [], ["."])


# Companions by name


WORDS = (
    *("mask", "Masks", "segmentation", "segmented", "seg", "ground-truth", "groundtruth", "gt", "labels"),
    *("lesion", "OVERLAY", "annotation", "annotated", "anno", "contours", "outline", "roi", "trimap"),
    *("superpixels", "heatmap", "heat_map"),
)


@pytest.mark.parametrize(
    ("image", "others"),
    [
        ("benign/benign (1).png", ["benign/benign (1)_mask.png", "benign/benign (1)_mask_1.png"]),
        (
            "a/x.jpg",
            ["a/x_GT.bmp", "a/x-seg.png", "a/x.mask.png", "a/x (Mask).png", "a/x_Mask2.jpg"],
        ),
        ("x.png", ["mask_x.png", "x_overlay.png", "x_ground_truth.png", "x_mask_overlay.png"]),
        ("Image/b/1.png", ["Mask/b/1.png", "Lesion/b/1.png"]),
        ("b/images/1.png", ["b/masks/1.png", "b/masks/1_mask.png", "b/Ground Truth/1.tif"]),
        ("b/1.png", ["b/masks/1.png", "b/masks/1_mask.png", "masks/b/1.png"]),
        ("train-image/1.png", ["train-mask/1.png"]),
        ("P/7/7_Dermoscopic_Image/7.bmp", ["P/7/7_lesion/7_lesion.bmp"]),
        ("brain.T1.nii.gz", ["brain.T1_seg.nii.gz", "brain.T1-mask.nii"]),
        # A word for the image is exchanged for one for the mask.
        ("b/img_001.png", ["b/mask_001.png", "b/GT_001.bmp", "b/001_seg.png"]),
        ("b/image7.png", ["b/mask7.png", "b/Seg 7.png"]),
        ("b/7-a scan.png", ["b/7-a mask.png"]),
        ("b/images/img_7.png", ["b/masks/mask_7.png", "b/masks/7.png"]),
        *(("x.png", [f"x_{word}.png", f"{word} x.png"]) for word in WORDS),
    ],
)
def test_companions_find_their_image(image: str, others: list[str]) -> None:
    assert companions([*others, image]) == dict.fromkeys(others, image)


@pytest.mark.parametrize(
    "paths",
    [
        ["lesion/1.png", "healthy/1.png"],  # classes with the same names
        ["lesion/images/1.png", "healthy/images/1.png"],
        ["images/lesion/1.png", "images/healthy/1.png"],
        ["lesion/1.png", "lesion/2.png", "1.png"],  # one stray file
        ["with_mask/1.png", "without_mask/1.png"],
        ["a/x_mask.png", "b/x.png"],
        ["a/masked.png", "a/unmasked.png", "a/mask.png", "a/segment_3.png"],
        ["benign (1).png", "benign (2).png", "benign.png"],
        ["roi_1.png", "roi_2.png"],
        ["lesion_1.png", "lesion_2.png", "lesion_3.png", "image_1.png"],  # most have none
        ["mask_1.png", "image_2.png", "image.png", "mask.png"],
        # A class may be called so.
        ["scan_1.png", "scan_2.png", "lesion_1.png", "lesion_2.png"],
        ["1.png", "2.png", "lesion1.png", "label2.png"],
    ],
)
def test_what_does_not_pair_up_is_no_companion(paths: list[str]) -> None:
    assert companions(paths) == {}


def test_a_companion_belongs_to_the_image_in_the_folder_most_like_its_own() -> None:
    paths = [f"{name}_{what}/1.png" for name in ("benign", "malignant") for what in ("images", "masks")]
    assert companions(paths) == {
        "benign_masks/1.png": "benign_images/1.png",
        "malignant_masks/1.png": "malignant_images/1.png",
    }


@pytest.mark.parametrize(
    ("paths", "alone"),
    [
        (["a/1.png", "a/1_mask.png", "a/2_mask.png", "a/3.png", "b/4_mask.png"], ["a/2_mask.png"]),
        (["images/1.png", "images/2.png", "masks/1.png", "masks/2.png", "masks/3.png"], ["masks/3.png"]),
        (["lesion/1.png", "lesion/1_mask.png", "lesion/2.png"], []),  # a class
        (["a/1_mask.png", "a/2.png"], []),
    ],
)
def test_companions_without_their_image_are_told_where_others_have_it(
    paths: list[str], alone: list[str]
) -> None:
    assert orphans(paths, companions(paths)) == alone


names = st.lists(
    st.sampled_from(["x", "mask", "image", "masks", "images", "lesion", "1", "a b"]), min_size=1, max_size=3
).map("_".join)
paths_of_images = st.lists(
    st.lists(names, min_size=1, max_size=3).map(lambda parts: "/".join(parts) + ".png"), max_size=20
)


@given(paths_of_images, st.randoms(use_true_random=False))
def test_companions_are_told_in_any_order_and_their_images_are_none(paths: list[str], rng: object) -> None:
    found = companions(paths)
    assert set(found) <= set(paths)
    assert set(found.values()) <= set(paths) - set(found)
    assert set(orphans(paths, found)) <= set(paths) - set(found) - set(found.values())
    shuffled = list(paths)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert companions(shuffled + paths) == found
