"""Which files hold images."""

import gzip
from pathlib import Path, PurePosixPath

import nibabel
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from nullcrop.decoding.formats import (
    LARGEST,
    PICTURES,
    REFUSED,
    SCANS,
    ending,
    is_image_name,
    kind_by_content,
    kind_by_name,
    stem,
    why_refused,
)
from tests.unit.image_kinds import KINDS, write_image

BY_NAME_ONLY = {"BUFR", "GRIB", "HDF5", "MPEG", "IPTC"}
"""Formats that Pillow recognizes and cannot decode."""
BY_OTHER_PROGRAMS = {"WMF", "EPS"}
"""Formats for which it needs Windows or Ghostscript."""


def test_pictures_are_what_pillow_decodes_by_itself() -> None:
    Image.init()
    decoded = set(Image.OPEN) - BY_NAME_ONLY - BY_OTHER_PROGRAMS
    known = {suffix for suffix, name in Image.registered_extensions().items() if name in decoded}
    # MPO is opened as a JPEG. AVIF depends on how Pillow was built.
    assert known | {".mpo", ".avif", ".avifs"} == PICTURES


def test_an_ending_tells_one_kind_alone() -> None:
    assert not PICTURES & set(SCANS)
    assert not (PICTURES | set(SCANS)) & set(REFUSED)


@given(st.text(st.sampled_from("ab./ éÉGZniIgz1-"), min_size=1).filter(lambda text: PurePosixPath(text).name))
@example("brain.T1.NII.gz")
@example("x.nii.gz.")
@example("..nii.gz")
def test_an_ending_is_what_pathlib_says_and_the_stem_the_rest(name: str) -> None:
    name = str(PurePosixPath(name))  # as folders are listed: without a slash at the end
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes[-2:]]
    double = "".join(suffixes) == ".nii.gz"
    assert ending(name) == ending(Path(name)) == ("".join(suffixes) if double else "".join(suffixes[-1:]))
    assert (stem(name) + ending(name)).lower() == PurePosixPath(name).name.lower()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.png", "picture"),
        ("b/A.JFIF", "picture"),
        ("a.b.c.TIF", "picture"),
        ("IM0001.dcm", "dicom"),
        ("x.ima", "dicom"),
        ("brain.nii", "nifti"),
        ("brain.T1.nii.gz", "nifti"),
        ("v.nrrd", "nrrd"),
        ("slide.SVS", "refused"),
        ("notes.txt", None),
        ("archive.tar.gz", None),
        ("brain.gz", None),
        ("README", None),
        (".png", None),
    ],
)
def test_a_name_tells_the_kind(name: str, kind: str | None) -> None:
    assert kind_by_name(name) == kind
    assert is_image_name(name) == (kind is not None)


def test_the_ending_of_a_compressed_volume_is_one() -> None:
    assert [ending(name) for name in ("a.NII.GZ", "a.tar.gz", "a.b.png", "a")] == [
        ".nii.gz",
        ".gz",
        ".png",
        "",
    ]


@pytest.mark.parametrize("name", ["a.svs", "a.ndpi", "a.mrxs", "a.scn", "a.vms"])
def test_whole_slides_are_refused_with_the_names_of_tools(name: str) -> None:
    words = str(why_refused(name))
    assert "OpenSlide" in words
    assert "tile" in words
    assert why_refused("a.png") is None


def test_the_largest_image_is_pillow_s() -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    assert LARGEST == 2 * Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_known_without_its_name(kind: str, tmp_path: Path) -> None:
    assert kind_by_content(write_image(kind, tmp_path, 4, 3)) == "picture"


@pytest.mark.parametrize("suffix", [".webp", ".jp2", ".avif", ".bmp"])
def test_a_picture_of_another_format_is_known_without_its_name(suffix: str, tmp_path: Path) -> None:
    if suffix not in Image.registered_extensions():
        pytest.skip(f"this Pillow writes no {suffix}")
    Image.new("RGB", (20, 20)).save(tmp_path / f"a{suffix}")
    assert kind_by_content(tmp_path / f"a{suffix}") == "picture"


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("image", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_a_volume_is_known_without_its_name(name: str, image: type, tmp_path: Path) -> None:
    nibabel.save(image(np.zeros((4, 5, 6), np.uint8), np.eye(4)), tmp_path / name)
    assert kind_by_content(tmp_path / name) == "nifti"


def test_other_files_are_no_images(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("BMI and other facts of the patients, in words\n" * 20)
    (tmp_path / "zip").write_bytes(b"PK\3\4" + bytes(400))
    (tmp_path / "gz").write_bytes(gzip.compress(b"a" * 1000))
    (tmp_path / "cut.gz").write_bytes(gzip.compress(bytes(range(256)) * 10)[:40])
    (tmp_path / "dicom").write_bytes(bytes(128) + b"DICM" + bytes(20))
    found = {path.name: kind_by_content(path) for path in tmp_path.iterdir()}
    assert found.pop("dicom") == "dicom"
    assert set(found.values()) == {None}
