"""NIfTI and NRRD: which slice is read, and how, from volumes whose voxels tell their place."""

import sys
from pathlib import Path
from typing import Any

import nibabel
import nrrd
import numpy as np
import pytest

from nullcrop.basics.errors import NullcropError
from nullcrop.decoding.image import MissingPackage
from nullcrop.decoding.rgb import decoded_image, read_rgb
from nullcrop.decoding.values import NoDeclaredRange, Reading

VOXELS = np.random.default_rng(0).integers(0, 256, (6, 7, 8), dtype=np.uint8)
WIDE = Reading(window=(1000, 2000))


def write_nifti(path: Path, values: np.ndarray[Any, Any], spacing: tuple[float, ...] = (1, 1, 1)) -> Path:
    nibabel.save(nibabel.Nifti1Image(values, np.diag([*spacing, 1.0])), path)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_the_central_slice_of_the_third_axis_is_read(name: str, tmp_path: Path) -> None:
    path = write_nifti(tmp_path / name, VOXELS)
    image = decoded_image(path)
    np.testing.assert_array_equal(image.pixels, np.stack([VOXELS[:, :, 4].T] * 3, axis=2))
    assert (image.format, image.mode, image.frames) == ("NIFTI", "uint8", 8)


@pytest.mark.parametrize(
    ("spacing", "wanted"),
    [
        ((5, 1, 1), VOXELS[3].T),
        ((1, 5, 1), VOXELS[:, 3].T),
        ((1, 1, 5), VOXELS[:, :, 4].T),
        ((1.0002, 1, 1), VOXELS[:, :, 4].T),
        ((5, 5, 1), VOXELS[3].T),
    ],
)
def test_the_slice_lies_across_the_coarsest_axis(
    spacing: tuple[float, ...], wanted: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    path = write_nifti(tmp_path / "a.nii", VOXELS, spacing)
    np.testing.assert_array_equal(read_rgb(path)[:, :, 0], wanted)
    nrrd.write(str(tmp_path / "a.nrrd"), VOXELS, {"space directions": np.diag(spacing), "space dimension": 3})
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.nrrd")[:, :, 0], wanted)
    nrrd.write(str(tmp_path / "b.nrrd"), VOXELS, {"spacings": spacing})
    np.testing.assert_array_equal(read_rgb(tmp_path / "b.nrrd")[:, :, 0], wanted)


def test_of_several_volumes_the_first_is_read(tmp_path: Path) -> None:
    image = decoded_image(write_nifti(tmp_path / "a.nii", np.stack([VOXELS, 255 - VOXELS], axis=3)))
    np.testing.assert_array_equal(image.pixels[:, :, 0], VOXELS[:, :, 4].T)
    assert image.frames == 16


def test_other_values_need_a_window(tmp_path: Path) -> None:
    values = VOXELS.astype(np.int16) * 10 - 500
    write_nifti(tmp_path / "a.nii", values)
    nrrd.write(str(tmp_path / "a.nrrd"), values)
    for name in ("a.nii", "a.nrrd"):
        with pytest.raises(NoDeclaredRange, match=rf"{name}: int16 pixels have no agreed range \(here -"):
            read_rgb(tmp_path / name)
        found = read_rgb(tmp_path / name, WIDE)[:, :, 0]
        np.testing.assert_array_equal(found, values[:, :, 4].T.clip(0).astype(int) * 256 // 2000)


def test_a_scale_of_the_file_counts(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOXELS, np.eye(4))
    image.header.set_slope_inter(10, -500)
    nibabel.save(image, tmp_path / "a.nii")
    scaled = VOXELS[:, :, 4].T.astype(int) * 10 - 500
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.nii", WIDE)[:, :, 0], scaled.clip(0) * 256 // 2000)
    with pytest.raises(NoDeclaredRange):
        read_rgb(tmp_path / "a.nii")


def test_what_is_no_number_is_black(tmp_path: Path) -> None:
    values = np.array([[np.nan, np.inf, -np.inf, 1999.0, 2000.0]], dtype=np.float32)
    write_nifti(tmp_path / "a.nii", values)
    assert read_rgb(tmp_path / "a.nii", WIDE)[:, 0, 0].tolist() == [0, 255, 0, 255, 255]


def test_colours_are_themselves(tmp_path: Path) -> None:
    colours = np.random.default_rng(1).integers(0, 256, (6, 7, 8, 3), dtype=np.uint8)
    fields = colours.view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    write_nifti(tmp_path / "a.nii", fields)
    wanted = colours[:, :, 4].swapaxes(0, 1)
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.nii"), wanted)
    nrrd.write(
        str(tmp_path / "a.nrrd"),
        np.moveaxis(colours, 3, 0),
        {"kinds": ["RGB-color", "domain", "domain", "domain"]},
    )
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.nrrd"), wanted)


def test_colours_of_another_kind_are_named(tmp_path: Path) -> None:
    kinds = {"kinds": ["RGB-color", "domain", "domain", "domain"]}
    for channels, dtype in ((3, np.uint16), (4, np.uint8)):
        kinds["kinds"][0] = "RGB-color" if channels == 3 else "RGBA-color"
        nrrd.write(str(tmp_path / "a.nrrd"), np.zeros((channels, 6, 7, 8), dtype), kinds)
        words = (
            rf"a\.nrrd: colours of {channels} channels of {np.dtype(dtype)} are not read; save 3 of 8 bits"
        )
        with pytest.raises(NullcropError, match=words):
            read_rgb(tmp_path / "a.nrrd")


def test_data_in_another_file_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(16))
    header = "NRRD0004\ntype: uint8\ndimension: 2\nsizes: 4 4\nencoding: raw\ndata file: secret\n\n"
    (tmp_path / "a.nrrd").write_text(header)
    with pytest.raises(NullcropError, match="its data lie in another file"):
        read_rgb(tmp_path / "a.nrrd")


def test_damaged_volumes_are_named(tmp_path: Path) -> None:
    whole = write_nifti(tmp_path / "a.nii.gz", VOXELS).read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(whole[:200])
    (tmp_path / "text.nii").write_text("no volume")
    (tmp_path / "text.nrrd").write_text("no volume")
    write_nifti(tmp_path / "line.nii", VOXELS[0, 0])
    write_nifti(tmp_path / "b.nii", VOXELS).rename(tmp_path / "volume.png")
    for name in ("cut.nii.gz", "text.nii", "text.nrrd", "line.nii", "absent.nii", "volume.png"):
        with pytest.raises(NullcropError, match=name):
            read_rgb(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "module", "words"),
    [
        ("a.nii", "nibabel", "pip install nibabel.*extra `nifti`"),
        ("a.nrrd", "nrrd", "pip install pynrrd.*extra `nrrd`"),
    ],
)
def test_a_missing_package_names_the_extra(
    name: str, module: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).touch()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingPackage, match=words):
        read_rgb(tmp_path / name)
