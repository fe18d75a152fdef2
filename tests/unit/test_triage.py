"""A triage tells what was planted, nothing else, and says only what is true of its data."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageStat
from scipy.ndimage import laplace
from scipy.stats import entropy
from sklearn.metrics import roc_auc_score

from nullcrop.basics.errors import NullcropError
from nullcrop.cli import main
from nullcrop.decoding.values import Reading
from nullcrop.report.triage_page import page_of
from nullcrop.survey.file_facts import NAMES, NUMBERS, jpeg_quality
from nullcrop.survey.layout import Said, look
from nullcrop.survey.measuring import PROBLEM, measure
from nullcrop.survey.properties import CORNER, WHOLE, corners_of, properties_of, properties_of_corners
from nullcrop.survey.telling import READER, tell
from nullcrop.survey.triage import Triage, _bits_used, triage
from tests.unit.dicom_files import SECRETS, write_dicom

Pixels = NDArray[np.uint8]


def noise(rng: np.random.Generator, width: int = 40, height: int = 40, mean: int = 128) -> Pixels:
    return np.clip(rng.normal(mean, 20, (height, width, 3)), 0, 255).astype(np.uint8)


def folder_of(root: Path, classes: dict[str, list[Pixels]], ending: str = ".png") -> Path:
    for name, images in classes.items():
        (root / name).mkdir(parents=True)
        for number, pixels in enumerate(images):
            Image.fromarray(pixels).save(root / name / f"{name[0]}{number:03d}{ending}")
    return root


def triage_of(root: Path, said: Said | None = None, processes: int = 1) -> Triage:
    said = said or Said(no_groups=True)
    return triage(look(root, said), said, processes)


# Facts of files


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 51, 75, 90, 95, 100])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_quality_is_the_one_a_jpeg_was_saved_with(tmp_path: Path, quality: int, mode: str) -> None:
    path = tmp_path / "a.jpg"
    Image.new(mode, (16, 16)).save(path, quality=quality)
    with Image.open(path) as image:
        assert jpeg_quality(image.quantization[0]) == quality  # type: ignore[attr-defined]


def test_facts_are_those_of_pillow(tmp_path: Path) -> None:
    image, path = Image.new("RGB", (30, 20), (9, 9, 9)), tmp_path / "a.JPG"
    exif = Image.Exif()
    exif[274] = 6
    image.save(path, dpi=(72, 72), exif=exif, icc_profile=b"profile")
    row = measure([str(path)], [0], 1).table.iloc[0]
    assert [row[fact] for fact in ("width", "height", "aspect", "dpi")] == [30, 20, 1.5, 72]
    assert row["file_bytes"] == path.stat().st_size
    assert row["bytes_a_pixel"] == path.stat().st_size / 600
    assert row["ending"] == ".JPG"
    assert row["format"] == "JPEG"
    assert row["mode"] == "RGB"
    assert row["exif"] == row["icc_profile"] == "present"
    assert row["exif_orientation"] == "6"


def test_an_image_in_an_array_has_every_fact(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 25, 30), np.uint8))
    row = measure([f"{tmp_path / 'a.npy'}::1"], [0], 1).table.iloc[0]
    assert row["format"] == "NPY"
    assert row["width"] == 30
    assert row["height"] == 25
    assert not row[[*NUMBERS, *NAMES]].isna().any()


# Values of more than 8 bits


def test_twelve_bits_in_sixteen_are_told_and_read_as_said(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for number in range(40):
        path = tmp_path / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        values = rng.integers(1000, 3000, (24, 30)) + 40 * (number % 2)
        values[0, :2] = 7, 4000
        Image.fromarray(values.astype(np.uint16)).save(path)
    unsaid = triage_of(tmp_path)
    assert unsaid.depth[0] == "40 images have values of more than 8 bits, 7 to 4000."
    assert "40 files do not say how many of 16 bits count; their values take 12." in unsaid.depth
    assert any("Say --bits 12" in words for words in unsaid.missing)
    said = triage_of(tmp_path, Said(no_groups=True, bits=12))
    assert said.depth[1:] == ["They are read as values of 12 bits (--bits)."]
    assert not any("--bits" in words for words in said.missing)
    assert "--bits 12" in said.next_command
    # The mean of 2020 of 4096 values is 126 of 256; of 65536 it is 7.
    brightness = measure([str(tmp_path / "a/0.png")], [0], 1, Reading(12)).table["brightness"][0]
    assert 120 < brightness < 132
    assert said.depth[0] in page_of(said)


def test_dicom_files_of_which_none_can_be_read_are_named(tmp_path: Path) -> None:
    for number in range(24):
        path = tmp_path / "ab"[number % 2] / f"{number}.dcm"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"no DICOM file")
    with pytest.raises(
        NullcropError, match=r"fewer than two classes of .* have an image that can be read: .*is none"
    ):
        triage_of(tmp_path)


def test_bits_are_asked_of_gray_alone() -> None:
    """Of colours of 16 bits the high byte is read, whatever is said."""
    table = pd.DataFrame({"mode": ["RGBA", "I;16", "MONOCHROME2;16"], "bits_used": [12.0, 11.0, 10.0]})
    assert _bits_used(table) == (2, 11)
    assert _bits_used(table.iloc[:1]) is None
    assert _bits_used(table.drop(columns="bits_used")) is None


def test_dicom_files_tell_bits_windows_and_patients(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    for number in range(24):
        path = tmp_path / "ab"[number % 2] / f"{number}.dcm"
        path.parent.mkdir(exist_ok=True)
        window: dict[str, Any] = {"WindowCenter": 40, "WindowWidth": 400} if number < 18 else {}
        if number < 3:
            window = {"WindowCenter": [50, 600], "WindowWidth": [350, 2000]}
        values = rng.integers(0, 4095, (24, 30)).astype(np.uint16)
        write_dicom(path, values, BitsStored=12, PatientID=f"MRN{number // 4}", **window)
    found = triage_of(tmp_path, Said())
    text = " ".join(found.depth)
    assert "Bits that their files state (BitsStored): 12 in 24." in text
    assert "18 files name a window for display: 40,400 in 15 of them, others in the rest." in text
    assert [one.groups for one in found.classes] == [6, 6]
    assert (found.seen.units, found.seen.unit) == (6, "groups (patient)")
    assert {one.formats["DICOM"] for one in found.classes} == {12}
    assert not any(secret in json.dumps(found.as_json()) for secret in SECRETS)
    said = triage_of(tmp_path, Said(window=(-40, 400)))
    assert said.depth[-1] == "They are read by --window=-40,400."
    assert shlex.split(said.next_command)[-1] == "--window=-40,400"


def test_volumes_without_a_range_ask_for_a_window(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    for number in range(12):
        path = tmp_path / "ab"[number % 2] / f"{number}.nii.gz"
        path.parent.mkdir(exist_ok=True)
        values = rng.integers(-1000, 3000, (30, 24, 3)).astype(np.int16)
        values[0, 0] = -1000
        values[0, 1] = 3000
        nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)  # type: ignore[no-untyped-call]
    with pytest.raises(NullcropError, match=r"12 of 12 images .*--window=1000,4000 holds all"):
        triage_of(tmp_path)
    assert triage_of(tmp_path, Said(no_groups=True, window=(1000, 4000))).images == 12


@pytest.mark.parametrize("window", ["40", "40,0", "40,-3", "a,b", "1,2,3", "nan,4", "0,inf"])
def test_a_window_that_is_none_is_refused(window: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["triage", ".", f"--window={window}"])
    assert f"'{window}' is no centre and width, such as 40,400" in capsys.readouterr().err


# Properties of images


@given(seed=st.integers(0, 10**6), width=st.integers(3, 30), height=st.integers(3, 30))
@settings(max_examples=25, deadline=None)
def test_properties_are_those_of_other_libraries(seed: int, width: int, height: int) -> None:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, rng.integers(2, 257), (3, height, width, 3), dtype=np.uint16).astype(np.uint8)
    grays = [Image.fromarray(one).convert("L") for one in images]
    found = properties_of(images, np.stack([np.asarray(gray) for gray in grays]))
    for place, (one, gray) in enumerate(zip(images, grays, strict=True)):
        known = ImageStat.Stat(gray)
        levels = np.asarray(gray, float)
        red, green, blue = np.moveaxis(one.astype(float), -1, 0)
        first, second = red - green, (red + green) / 2 - blue
        colourfulness = np.hypot(first.std(), second.std()) + 0.3 * np.hypot(first.mean(), second.mean())
        assert found["brightness"][place] == pytest.approx(known.mean[0])
        assert found["contrast"][place] == pytest.approx(known.stddev[0], abs=1e-6)
        assert found["sharpness"][place] == pytest.approx(laplace(levels)[1:-1, 1:-1].var(), abs=1e-6)
        assert found["entropy"][place] == pytest.approx(entropy(gray.histogram(), base=2), abs=1e-9)
        assert found["colourfulness"][place] == pytest.approx(colourfulness, abs=1e-6)
        assert found["black"][place] == (levels == 0).mean()


def test_a_gray_image_has_the_properties_of_the_same_image_in_colours() -> None:
    gray = np.random.default_rng(1).integers(0, 256, (2, 9, 8), dtype=np.uint8)
    one, other = properties_of(None, gray), properties_of(np.repeat(gray[..., None], 3, axis=3), gray)
    assert all(np.allclose(one[name], other[name]) for name in other)


def test_corners_lie_where_pillow_crops_them() -> None:
    image = noise(np.random.default_rng(2), 50, 45)
    crops = [(0, 0), (30, 0), (0, 25), (30, 25)]
    for (left, upper), corner in zip(crops, corners_of(image[None]), strict=True):
        box = (left, upper, left + CORNER, upper + CORNER)
        assert (corner[0] == np.asarray(Image.fromarray(image).crop(box))).all()


# What is measured of a list of files


def test_processes_and_stacks_change_nothing(tmp_path: Path) -> None:
    """Images of several sizes, gray and coloured, one of them broken, over one process and two."""
    rng, paths = np.random.default_rng(3), []
    for number in range(70):
        image = Image.fromarray(noise(rng, *rng.choice([12, 30, 41], 2)))
        path = tmp_path / f"{number}.png"
        (image.convert("L") if number % 3 == 0 else image).save(path)
        paths.append(str(path))
    Path(paths[5]).write_bytes(b"no image")
    classes = [number % 2 for number in range(70)]
    one, two = measure(paths, classes, 1), measure(paths, classes, 2)
    pd.testing.assert_frame_equal(one.table, two.table)
    assert np.array_equal(one.mean_corners, two.mean_corners)
    assert list(np.flatnonzero(one.table[PROBLEM].notna())) == [5]
    for place in (0, 1, 69):
        alone = measure([paths[place]], [0], 1)
        assert alone.table.iloc[0].to_dict() == one.table.iloc[place].drop(PROBLEM).to_dict()


def test_the_mean_corner_is_that_of_the_class(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    images = {"a": [noise(rng) for _ in range(3)], "b": [noise(rng, 19, 40)]}
    folder_of(tmp_path, images)
    paths = [*sorted((tmp_path / "a").iterdir()), *sorted((tmp_path / "b").iterdir())]
    found = measure([str(path) for path in paths], [0, 0, 0, 1], 1).mean_corners
    assert np.allclose(found[0, 1], np.mean([one[:20, -20:] for one in images["a"]], axis=0))
    assert np.isnan(found[1]).all()  # no corner of 20×20


# What tells the class


def planted(n: int = 120, groups: bool = False) -> tuple[pd.DataFrame, pd.DataFrame, NDArray[np.float64]]:
    """A listing and its table, in which the width alone differs between the classes a and b."""
    rng = np.random.default_rng(5)
    target = np.arange(n) % 2
    listing = pd.DataFrame(
        {
            "id": [f"{i:03d}" for i in range(n)],
            "path": [f"{i}.png" for i in range(n)],
            "class": np.where(target == 1, "b", "a"),
            "group": [f"p{i // 6}" for i in range(n)] if groups else "",
            "official_split": "",
        }
    )
    colours = rng.normal(100, 9, (n, 4, 3))
    names = {name: np.full(n, "none") for name in NAMES}
    table = pd.DataFrame(
        {
            **{name: rng.normal(100, 9, n) for name in (*NUMBERS, *WHOLE)},
            **names,
            **properties_of_corners(colours),
        }
    )
    table["width"] = rng.normal(100 + 12 * target, 9).round()
    return listing, table, colours


def test_a_planted_fact_is_told_and_no_other() -> None:
    listing, table, colours = planted()
    found = tell(listing, table, colours, ["a", "b"])
    first = found.told[0]
    assert [told.fact for told in found.told if told.shown] == ["width"]
    assert (first.of, first.against, first.higher, first.kind) == ("b", "a", True, "file")
    assert first.auroc == pytest.approx(roc_auc_score(listing["class"] == "b", table["width"]))
    assert 0.5 < first.at_least < first.auroc < first.at_most
    assert set(found.same) == set(NAMES)
    assert READER in {told.fact for told in found.told}


def test_a_fact_that_is_lower_tells_as_much() -> None:
    listing, table, colours = planted()
    up = tell(listing, table, colours, ["a", "b"]).told[0]
    down = tell(listing, table.assign(width=-table["width"]), colours, ["a", "b"]).told[0]
    assert down.fact == "width"
    assert not down.higher
    assert down.auroc == pytest.approx(up.auroc)
    assert down.at_least == pytest.approx(up.at_least)


def test_a_name_is_asked_value_by_value() -> None:
    listing, table, colours = planted()
    table["width"] = 100.0
    table["format"] = np.where(np.arange(120) % 4 == 1, "JPEG", np.where(np.arange(120) % 3, "PNG", "BMP"))
    found = tell(listing, table, colours, ["a", "b"])
    first = found.told[0]
    # Half of b are JPEG, none of a: as a score 0.5 + 0.5 / 2.
    assert (first.fact, first.value, first.of, first.higher) == ("format", "JPEG", "b", True)
    assert first.auroc == pytest.approx(0.75)
    assert found.same["width"] == "100"
    assert {row.value for row in found.rows if row.fact == "format"} == {"JPEG", "PNG", "BMP"}


def test_with_three_classes_each_is_told_from_the_rest() -> None:
    listing, table, colours = planted()
    listing.loc[::4, "class"] = "c"
    found = tell(listing, table, colours, ["a", "b", "c"])
    assert found.asked == ["a", "b", "c"]
    first = found.told[0]
    assert (first.fact, first.of, first.against) == ("width", "b", "the rest")
    assert {row.of for row in found.rows if row.fact == "width"} == {"a", "b", "c"}


def test_groups_are_the_units() -> None:
    """Twenty patients tell less than 120 images, and one of a class tells nothing."""
    listing, table, colours = planted(groups=True)
    images = tell(listing.assign(group=""), table, colours, ["a", "b"])
    patients = tell(listing, table, colours, ["a", "b"])
    assert patients.minimal > images.minimal
    one = listing.assign(group=np.where(listing["class"] == "b", "p", [f"q{i // 3}" for i in range(120)]))
    alone = tell(one, table, colours, ["a", "b"])
    assert not any(told.shown for told in alone.told)
    assert alone.why_no_reader


# The whole


@pytest.fixture(scope="module")
def planted_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes in a folder with a blank: one is wider; a copy across classes, a broken file, a text."""
    rng = np.random.default_rng(6)
    root = tmp_path_factory.mktemp("a folder") / "my <b>scans</b>"
    benign = [noise(rng, int(width)) for width in rng.integers(40, 46, 40)]
    malignant = [noise(rng, int(width)) for width in rng.integers(44, 50, 40)]
    folder_of(root, {"benign": benign, "malignant": [*malignant, benign[0]]})
    (root / "benign" / "zbroken.png").write_bytes(b"\x89PNG no more")
    (root / "benign" / "notes.txt").write_text("not an image")
    return root


def test_a_folder_is_told_as_it_is(planted_folder: Path) -> None:
    found = triage_of(planted_folder)
    assert {one.name: (one.images, one.unreadable) for one in found.classes} == {
        "benign": (40, 1),
        "malignant": (41, 0),
    }
    assert found.classes[0].ignored == {".txt files": 1}
    assert [Path(one["path"]).name for one in found.unreadable] == ["zbroken.png"]
    assert found.duplicates.exact_images == 2
    assert found.duplicates.exact_across_classes == 1
    assert found.telling.told[0].fact in ("width", "aspect")
    assert any("width" in words and "tells malignant from benign" in words for words in found.headline)
    assert any("cannot be read" in words for words in found.missing)
    assert any(words.startswith("Groups:") for words in found.missing)


def test_no_sentence_says_more_than_its_bound(planted_folder: Path) -> None:
    found = triage_of(planted_folder)
    shown = [told for told in found.telling.told if told.shown]
    assert len(found.headline) == len(shown) > 0
    for told, words in zip(shown, found.headline, strict=True):
        stated = float(re.search(r"at least ([\d.]+) ", words)[1])  # type: ignore[index]
        assert 0.5 <= stated <= told.at_least
        assert "leak" not in words
        assert "bias" not in words


def test_the_command_that_comes_next_is_told_the_same(planted_folder: Path) -> None:
    said = Said(group_pattern=r"([bmz][^/]{2})", positive=["malignant"])
    words = triage_of(planted_folder, said).next_command
    assert shlex.split(words) == [
        *("nullcrop", "audit", str(planted_folder)),
        *("--group-pattern", r"([bmz][^/]{2})", "--positive", "malignant"),
    ]


def test_the_page_needs_nothing_else_and_escapes_names(planted_folder: Path) -> None:
    page = page_of(triage_of(planted_folder))
    assert "<b>scans" not in page
    assert "my &lt;b&gt;scans" in page
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert "tells malignant from benign" in page
    assert page.count("data:image/png;base64,") == 2


def test_a_class_in_one_group_has_a_page_that_claims_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    images = {name: [noise(rng, width) for _ in range(12)] for name, width in (("a", 40), ("b", 60))}
    root = folder_of(tmp_path / "scans", images)
    found = triage_of(root, Said(group_pattern=r"([ab])\d"))
    assert found.headline == []
    assert found.telling.why_no_reader
    assert not found.seen.can_tell
    assert "2 independent groups" in found.seen.words
    page = page_of(found)
    assert "No fact of the files, the images or their corners is shown to tell the classes." in page
    json.dumps(found.as_json(), allow_nan=False)


def test_of_tiles_it_is_said_that_corners_hold_tissue(planted_folder: Path) -> None:
    assert "hold tissue" in triage_of(planted_folder, Said(no_groups=True, field="tile")).caveat
    assert "hold no lesion" in triage_of(planted_folder).caveat


@pytest.mark.long
def test_the_command_runs_without_torch(planted_folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from nullcrop.cli import main; status = main(sys.argv[1:]); "
        "print('torch' in sys.modules, file=sys.stderr); sys.exit(status)"
    )
    page, numbers_file = tmp_path / "page.html", tmp_path / "all.json"
    flags = ["--out", str(page), "--json", str(numbers_file), "--cores", "2"]
    # Nor does it need a home folder, of whose absence Matplotlib would tell a user.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "MPL"))}
    run = subprocess.run(
        [sys.executable, "-c", code, "triage", str(planted_folder), *flags],
        capture_output=True,
        text=True,
        check=True,
        env={**environment, "HOME": "/dev/null/home"},
    )
    assert "atplotlib" not in run.stderr
    assert run.stderr.splitlines()[-1] == "False"
    assert "tells malignant from benign" in " ".join(run.stdout.split())
    assert "Next: nullcrop audit" in run.stdout
    assert page.is_file()
    numbers = json.loads(numbers_file.read_text(encoding="utf-8"))
    assert numbers["images"] == 81
    assert {row["fact"] for row in numbers["telling"]["rows"]} >= {"width", "brightness", READER}


def test_a_class_of_which_nothing_can_be_read_stops_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(7)
    root = folder_of(tmp_path / "scans", {"a": [noise(rng)] * 3, "b": []})
    for number in range(3):
        (root / "b" / f"b{number}.png").write_bytes(b"nothing")
    with pytest.raises(NullcropError, match="fewer than two classes"):
        triage_of(root)
    assert main(["triage", str(root), "--out", str(tmp_path / "page.html")]) == 1
    assert "fewer than two classes" in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()
