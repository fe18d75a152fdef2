"""DICOM: pixels against pydicom's own functions, groups and devices without a word of the patient."""

import json
import logging
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_color_lut, apply_windowing
from pydicom.uid import MPEG2MPML, RLELossless, VLWholeSlideMicroscopyImageStorage

from nullcrop.basics.errors import NullcropError
from nullcrop.config.definitions import Definition
from nullcrop.datasets.samples import list_samples, read_samples
from nullcrop.decoding.image import MissingPackage
from nullcrop.decoding.rgb import decoded_image, read_rgb
from nullcrop.decoding.values import AS_DECLARED, NoDeclaredRange, Reading, deep_gray, windowed
from nullcrop.images.store import PackedView, full_pixels, write_store
from nullcrop.training.file_facts import file_facts
from tests.unit.dicom_files import SECRETS, write_dicom

MakeFolder = Callable[..., Definition]
RNG = np.random.default_rng(0)


def gray(path: Path, reading: Reading = AS_DECLARED) -> np.ndarray[Any, Any]:
    pixels = read_rgb(path, reading)
    assert (pixels == pixels[:, :, :1]).all()
    return pixels[:, :, 0]


# Pixels


def test_the_declared_depth_is_kept_whole(tmp_path: Path) -> None:
    values = np.array([[0, 15, 16, 4095]], np.uint16)
    write_dicom(tmp_path / "a.dcm", values, BitsStored=12)
    assert gray(tmp_path / "a.dcm").tolist() == [[0, 0, 1, 255]]
    # A definition's own depth wins.
    assert gray(tmp_path / "a.dcm", Reading(bits=16)).tolist() == [[0, 0, 0, 15]]


def test_signed_values_begin_at_black(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a.dcm", np.array([[-2048, 0, 2047]], np.int16), BitsStored=12)
    assert gray(tmp_path / "a.dcm").tolist() == [[0, 128, 255]]


def test_monochrome_1_is_inverted(tmp_path: Path) -> None:
    values = RNG.integers(0, 4096, (5, 7), np.uint16)
    write_dicom(tmp_path / "one.dcm", values, BitsStored=12, PhotometricInterpretation="MONOCHROME1")
    write_dicom(tmp_path / "two.dcm", values, BitsStored=12)
    np.testing.assert_array_equal(gray(tmp_path / "one.dcm"), 255 - gray(tmp_path / "two.dcm"))


def test_a_file_s_own_window_changes_nothing(tmp_path: Path) -> None:
    values = RNG.integers(0, 4096, (5, 7), np.uint16)
    write_dicom(tmp_path / "plain.dcm", values, BitsStored=12)
    write_dicom(tmp_path / "windowed.dcm", values, BitsStored=12, WindowCenter=100, WindowWidth=50)
    np.testing.assert_array_equal(gray(tmp_path / "plain.dcm"), gray(tmp_path / "windowed.dcm"))


def test_a_window_is_that_of_the_standard_after_the_rescale(tmp_path: Path) -> None:
    values = RNG.integers(0, 4096, (40, 50), np.uint16)
    file = write_dicom(
        tmp_path / "ct.dcm",
        values,
        BitsStored=12,
        RescaleSlope=1,
        RescaleIntercept=-1024,
        WindowCenter=40,
        WindowWidth=400,
        VOILUTFunction="LINEAR_EXACT",
    )
    # pydicom spreads the window over the output range of the stored depth, 0 to 4095 less the intercept.
    wanted = apply_windowing(values.astype(float) - 1024, file)
    share = (wanted - wanted.min()) / (wanted.max() - wanted.min())
    found = gray(tmp_path / "ct.dcm", Reading(window=(40, 400)))
    assert np.abs(found - share * 255).max() <= 1
    assert np.unique(found).size > 30


@pytest.mark.parametrize(
    "name", ["MR_small.dcm", "MR_small_bigendian.dcm", "MR_small_RLE.dcm", "693_J2KI.dcm"]
)
def test_gray_files_of_pydicom_are_read_as_pydicom_reads_them(name: str) -> None:
    path = Path(str(get_testdata_file(name)))
    file = pydicom.dcmread(path)
    steps = 1 << file.BitsStored - 8
    wanted = (file.pixel_array.astype(int) + (1 << file.BitsStored - 1)) // steps
    np.testing.assert_array_equal(gray(path), wanted)


@pytest.mark.parametrize("name", ["examples_rgb_color.dcm", "examples_jpeg2k.dcm"])
def test_colours_are_those_of_pydicom(name: str) -> None:
    path = Path(str(get_testdata_file(name)))
    np.testing.assert_array_equal(read_rgb(path), pydicom.dcmread(path).pixel_array)


def test_of_several_frames_the_central_one_is_read() -> None:
    path = Path(str(get_testdata_file("examples_ybr_color.dcm")))
    image = decoded_image(path)
    assert image.frames == 30
    np.testing.assert_array_equal(image.pixels, pydicom.pixels.pixel_array(path, index=15))


def test_a_palette_gives_its_colours() -> None:
    path = Path(str(get_testdata_file("examples_palette.dcm")))
    file = pydicom.dcmread(path)
    colours = apply_color_lut(file.pixel_array, file)
    np.testing.assert_array_equal(read_rgb(path), colours >> (8 * (colours.dtype.itemsize - 1)))


def test_the_rescale_of_a_frame_is_its_own(tmp_path: Path) -> None:
    groups = []
    for slope in (1, 2, 3):
        transformation = pydicom.Dataset()
        transformation.RescaleSlope, transformation.RescaleIntercept = slope, 5
        group = pydicom.Dataset()
        group.PixelValueTransformationSequence = [transformation]
        groups.append(group)
    values = np.full((3, 2, 2), 100, np.uint16)
    write_dicom(
        tmp_path / "a.dcm", values, NumberOfFrames=3, BitsStored=12, PerFrameFunctionalGroupsSequence=groups
    )
    assert decoded_image(tmp_path / "a.dcm").rescale == (2, 5)
    # 205 of 0 to 256
    assert (gray(tmp_path / "a.dcm", Reading(window=(128, 256))) == 205).all()


@given(st.integers(8, 16), st.booleans(), st.lists(st.integers(0, 65_535), min_size=1, max_size=20))
def test_a_depth_is_a_window(bits: int, signed: bool, stored: list[int]) -> None:
    low = -(1 << bits - 1) if signed else 0
    values = np.array([[value % (1 << bits) + low for value in stored]])
    center = 0 if signed else 1 << bits - 1
    np.testing.assert_array_equal(deep_gray(values, "a", bits, signed), windowed(values, center, 1 << bits))


# Refusals


def test_what_is_no_image_is_said(tmp_path: Path) -> None:
    values = np.zeros((4, 4), np.uint8)
    file = write_dicom(tmp_path / "report.dcm", values)
    del file.PixelData
    file.save_as(tmp_path / "report.dcm")
    write_dicom(tmp_path / "slide.dcm", values, SOPClassUID=VLWholeSlideMicroscopyImageStorage)
    (tmp_path / "zeros.dcm").write_bytes(bytes(128) + b"DICM" + bytes(64))
    (tmp_path / "text.dcm").write_text("no DICOM")
    for name, words in (
        ("report.dcm", "is a DICOM file without an image"),
        ("slide.dcm", "is a whole slide.*OpenSlide"),
        ("zeros.dcm", "DICOM"),
        ("text.dcm", "has the name of a DICOM file and is none"),
    ):
        with pytest.raises(NullcropError, match=rf"{name} .*{words}|{name} {words}"):
            read_rgb(tmp_path / name)


def test_values_beyond_the_definition_s_depth_are_refused(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a.dcm", np.array([[0, 1024]], np.uint16), BitsStored=12)
    with pytest.raises(NullcropError, match=r"0 to 1024 do not fit in 10 bits, .* the definition's `bits`"):
        read_rgb(tmp_path / "a.dcm", Reading(bits=10))


def test_a_compressed_file_names_the_packages_that_read_it() -> None:
    path = Path(str(get_testdata_file("JPEGLSNearLossless_08.dcm")))
    with pytest.raises(MissingPackage, match=r"compressed \(JPEG-LS.*pyjpegls"):
        read_rgb(path)


@pytest.mark.parametrize(
    ("elements", "words"),
    [
        ({"Rows": 20_000, "Columns": 20_000}, "has more than 178 million pixels"),
        ({"PhotometricInterpretation": "HSV"}, "has the photometric interpretation HSV, which nullcrop does"),
        ({"ModalityLUTSequence": [Dataset()]}, "has a lookup table in place of a rescale slope"),
    ],
)
def test_what_is_not_read_of_a_dicom_file_is_named(
    elements: dict[str, Any], words: str, tmp_path: Path
) -> None:
    write_dicom(tmp_path / "a.dcm", np.zeros((4, 4), np.uint8), **elements)
    with pytest.raises(NullcropError, match=rf"a\.dcm {words}"):
        read_rgb(tmp_path / "a.dcm")


@pytest.mark.parametrize(
    ("syntax", "words"),
    [
        (MPEG2MPML, r"compressed in a way that pydicom does not read \(MPEG2.*gdcmconv --raw"),
        (RLELossless, r"compressed \(RLE Lossless\), and what is installed here cannot decode it"),
    ],
)
def test_pixels_that_nothing_here_decodes_are_named(syntax: str, words: str, tmp_path: Path) -> None:
    file = write_dicom(tmp_path / "a.dcm", np.zeros((4, 4), np.uint8))
    file.file_meta.TransferSyntaxUID = syntax
    file.PixelData = encapsulate([b"no such code"])
    file.save_as(tmp_path / "a.dcm")
    with pytest.raises(NullcropError, match=rf"a\.dcm is {words}"):
        read_rgb(tmp_path / "a.dcm")


def test_values_of_32_bits_need_a_depth_or_a_window(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a.dcm", np.array([[0, 70_000]], np.uint32))
    with pytest.raises(NoDeclaredRange, match="32-bit"):
        read_rgb(tmp_path / "a.dcm")
    assert gray(tmp_path / "a.dcm", Reading(window=(35_000, 70_000))).tolist() == [[0, 255]]


def test_a_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dicom(tmp_path / "a.dcm", np.zeros((4, 4), np.uint8))
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(MissingPackage, match=r"a\.dcm is a DICOM file.*pip install pydicom.*extra `dicom`"):
        read_rgb(tmp_path / "a.dcm")


def test_a_dicom_file_is_known_whatever_its_name(tmp_path: Path) -> None:
    values = RNG.integers(0, 256, (6, 5), np.uint8)
    for name in ("IM0001", "named.png"):
        write_dicom(tmp_path / name, values)
        np.testing.assert_array_equal(gray(tmp_path / name), values)


# A folder of scans, from the files to packed views


def scans(make_folder: MakeFolder, folder: Path, **keys: Any) -> Definition:
    """Two classes of three patients with two images each; malignant ones come from another scanner."""
    keys = {"group": "patient", "group_from": "patient", **keys}
    source = {"name_pattern": "(?P<class>benign|malignant)/"}
    definition = make_folder({"benign": 0, "malignant": 0}, source=source, **keys)
    for number in range(12):
        name = ("benign", "malignant")[number % 2]
        values = np.random.default_rng(number).integers(0, 4096, (24, 30)).astype(np.uint16)
        write_dicom(
            folder / "images" / name / f"IM{number:04d}",
            values,
            BitsStored=12,
            PatientID=f"MRN4711-{number // 4 * 2 + number % 2}",
            StationName=f"SN-88123-{name}",
        )
    return definition


def list_scans(definition: Definition, folder: Path) -> pd.DataFrame:
    list_samples("scans", definition, folder / "archive", folder / "out", threads=2)
    return read_samples(folder / "out" / "samples.csv")


def test_patients_and_scanners_are_numbers(make_folder: MakeFolder, tmp_path: Path) -> None:
    samples = list_scans(scans(make_folder, tmp_path), tmp_path)
    number = samples["path"].str.extract(r"IM(\d+)")[0].astype(int)
    patient = number // 4 * 2 + number % 2
    assert samples.groupby(patient)["group"].nunique().eq(1).all()
    assert samples["group"].nunique() == 6
    assert set(samples["group"]) == {f"patient-{one}" for one in range(1, 7)}
    stations = samples.groupby("class")["dicom_station"].unique()
    assert [list(found) for found in stations] == [["station-1"], ["station-2"]]
    assert (samples["dicom_institution"] == "institution-1").all()
    assert (samples["format"] == "DICOM").all()
    assert (samples["mode"] == "MONOCHROME2;12").all()


def test_nothing_of_a_patient_leaves_the_files(
    make_folder: MakeFolder,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    definition = scans(make_folder, tmp_path, unreadable="leave_out")
    benign = tmp_path / "images" / "benign"
    values = np.zeros((24, 30), np.uint16)
    with warnings.catch_warnings():  # pydicom warns of what is written here
        warnings.simplefilter("ignore")
        # Doubtful values, of which pydicom would warn in their own words, and files that break in many ways.
        write_dicom(benign / "name.dcm", values, BitsStored=12, PatientBirthDate="Doe 19610203")
        write_dicom(benign / "rows.dcm", values, BitsStored=12, NumberOfFrames="1", RescaleSlope="1")
        whole = write_dicom(benign / "whole.dcm", values, BitsStored=12, PatientID="MRN4711" * 20)
    del whole
    content = (benign / "whole.dcm").read_bytes()
    for cut in range(300, len(content), 97):
        (benign / f"cut{cut}.dcm").write_bytes(content[:cut])
    (benign / "damaged.dcm").write_bytes(content.replace(b"MONOCHROME2", b"Doe^Jane   "))
    with warnings.catch_warnings(record=True) as warned, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        samples = list_scans(definition, tmp_path)
    assert len(samples) < len(list(benign.iterdir())) + 6
    write_store(samples, tmp_path / "views", ["original", "upper_left"], 20, 20, 2)
    said = capfd.readouterr()
    told = [said.out, said.err, caplog.text, *(str(one.message) for one in warned)]
    for path in [*(tmp_path / "out").iterdir(), *(tmp_path / "views").glob("*.json")]:
        told.append(path.read_text())
    for secret in SECRETS:
        assert not [text for text in told if secret in text], secret


@pytest.mark.parametrize("nobody", ["", " Unknown", "N/A"])
def test_groups_that_files_do_not_tell_are_refused(
    make_folder: MakeFolder, tmp_path: Path, nobody: str
) -> None:
    definition = scans(make_folder, tmp_path)
    blank = np.zeros((24, 30), np.uint16)
    write_dicom(tmp_path / "images/benign/none.dcm", blank, BitsStored=12, PatientID=nobody)
    with pytest.raises(NullcropError, match=r"1 of 13 images tell no patient .*PatientID\): .*none\.dcm"):
        list_scans(definition, tmp_path)


def test_different_rescales_need_a_window(make_folder: MakeFolder, tmp_path: Path) -> None:
    definition = scans(make_folder, tmp_path)
    other = tmp_path / "images/benign/other.dcm"
    write_dicom(other, np.full((24, 30), 100, np.uint16), BitsStored=12, RescaleSlope=2, RescaleIntercept=-10)
    with pytest.raises(NullcropError, match=r"slope and intercept are 1 and 0, 2 and -10\): .*`window: "):
        list_scans(definition, tmp_path)
    windowed = scans(make_folder, tmp_path, window={"center": 2000, "width": 4000})
    assert len(list_scans(windowed, tmp_path)) == 13


def test_sixteen_declared_bits_that_hold_twelve_stop_the_listing(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    source = {"name_pattern": "(?P<class>benign|malignant)/"}
    definition = make_folder({"benign": 0, "malignant": 0}, source=source)
    for name in ("benign", "malignant"):
        write_dicom(
            tmp_path / f"images/{name}/a.dcm", np.full((24, 30), -1000, np.int16), RescaleIntercept=-24
        )
    with pytest.raises(NullcropError, match=r"theirs are -1024 to -1024, which takes 11 bits.*`bits: 11`"):
        list_scans(definition, tmp_path)


def test_scans_are_packed_and_read_again(make_folder: MakeFolder, tmp_path: Path) -> None:
    definition = scans(make_folder, tmp_path, window={"center": 1024, "width": 2048})
    samples = list_scans(definition, tmp_path)
    counted = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert counted["versions"]["pydicom"] == pydicom.__version__
    assert counted["values"] == {
        "images": 12,
        "lowest": min(pydicom.dcmread(path).pixel_array.min() for path in samples["path"]),
        "highest": max(pydicom.dcmread(path).pixel_array.max() for path in samples["path"]),
        "window": [1024, 2048],
    }
    reading = Reading(window=(1024, 2048))
    write_store(samples, tmp_path / "views", ["original", "upper_left"], 20, 20, 2, reading=reading)
    view = PackedView(tmp_path / "views" / "original.json")
    corners = PackedView(tmp_path / "views" / "upper_left.json")
    for row, path in enumerate(samples["path"]):
        wanted = np.minimum(pydicom.dcmread(path).pixel_array // 8, 255)
        np.testing.assert_array_equal(view[row], np.stack([wanted] * 3, axis=2))
        np.testing.assert_array_equal(corners[row], view[row][:20, :20])
        np.testing.assert_array_equal(full_pixels(view, row, path), view[row])
    facts = file_facts(samples)
    assert (facts["file_bytes"] == [Path(path).stat().st_size for path in samples["path"]]).all()
    assert facts["mode_MONOCHROME2;12"].eq(1).all()
