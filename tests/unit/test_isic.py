"""The ISIC challenges: every year's CSVs, what lies among the images, and what a release lacks."""

import json
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nullcrop.basics.errors import NullcropError
from nullcrop.cli import main
from nullcrop.config.definitions import Definition, IsicSource, read_definition
from nullcrop.datasets.archive import fetch_archive
from nullcrop.datasets.isic import file_name
from nullcrop.datasets.samples import list_images, list_samples, read_samples

ROOT = Path(__file__).parents[2]
METADATA = ROOT.parent / "shared" / "data" / "metadata"

needs_metadata = pytest.mark.skipif(
    not METADATA.is_dir(), reason="the releases' own CSVs are not in ../shared/data/metadata"
)

HEAD_2018 = "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\n"
HEAD_2019 = "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK\n"

# Small releases in the official layout: a CSV's text by role, and the names of a zip's images.
LABELS: dict[int, dict[str, str]] = {
    2016: {
        "train_labels": "ISIC_0000000,benign\nISIC_0000002,malignant\n",
        "test_labels": "ISIC_0000003,0\nISIC_0000013,1\n",
    },
    2017: {
        "train_labels": "image_id,melanoma,seborrheic_keratosis\n"
        "ISIC_0000000,0.0,0.0\nISIC_0000002,1.0,0.0\nISIC_0000004,0.0,1.0\n",
        "val_labels": "image_id,melanoma,seborrheic_keratosis\nISIC_0001769,0.0,0.0\n",
        "test_labels": "image_id,melanoma,seborrheic_keratosis\nISIC_0012086,0.0,1.0\n",
    },
    2018: {
        "train_labels": HEAD_2018
        + "".join(
            f"ISIC_002430{n}," + ",".join("1.0" if n == k else "0.0" for k in range(7)) + "\n"
            for n in range(7)
        ),
        "train_groups": "image,lesion_id,diagnosis_confirm_type\n"
        + "".join(f"ISIC_002430{n},HAM_{n // 2},histopathology\n" for n in range(7)),
        "val_labels": HEAD_2018 + "ISIC_0034321,0.0,1.0,0.0,0.0,0.0,0.0,0.0\n",
        "test_labels": HEAD_2018 + "ISIC_0034524,0.0,0.0,0.0,1.0,0.0,0.0,0.0\n",
    },
    2019: {
        "train_labels": HEAD_2019
        + "".join(
            f"ISIC_000000{n}{'_downsampled' * (n == 1)},"
            + ",".join("1.0" if n == k else "0.0" for k in range(9))
            + "\n"
            for n in range(8)
        ),
        "train_groups": "image,age_approx,anatom_site_general,lesion_id,sex\n"
        + "".join(
            f"ISIC_000000{n}{'_downsampled' * (n == 1)},55,,{'' if n < 2 else f'BCN_{n // 2}'},female\n"
            for n in range(8)
        ),
    },
}


def official(year: int) -> Definition:
    return read_definition(ROOT / "config" / "datasets" / f"isic_{year}.yaml")


def source_of(definition: Definition) -> IsicSource:
    assert isinstance(definition.source, IsicSource)
    return definition.source


def small(year: int, **changes: object) -> Definition:
    """The year's own definition without its counts, with keys of the source changed."""
    content = official(year).model_dump()
    content["expected"] = {}
    content["source"] |= changes
    return Definition.model_validate(content)


def names_in(labels: str, year: int) -> list[str]:
    lines = labels.splitlines()[0 if year == 2016 else 1 :]
    return [line.split(",")[0] for line in lines]


def write_jpeg(path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_release(folder: Path, year: int, labels: Mapping[str, str] | None = None) -> None:
    """Write the year's files unpacked, each zip as a folder of its name."""
    tables = LABELS[year] if labels is None else labels
    for role, address in source_of(official(year)).files.items():
        name = file_name(address)
        stem = Path(name).stem
        if role.endswith("_images"):
            for image in names_in(LABELS[year][role.replace("images", "labels")], year):
                write_jpeg(folder / stem / f"{image}.jpg")
            (folder / stem / "LICENSE.txt").write_text("CC")
            if year == 2017:
                for image in list((folder / stem).glob("*.jpg")):
                    Image.new("L", (4, 4)).save(image.with_name(f"{image.stem}_superpixels.png"))
        else:
            place = folder / stem if name.endswith(".zip") else folder
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{stem}.csv").write_text(tables[role])


def write_zips(folder: Path, year: int) -> None:
    """Write the year's files as they are downloaded."""
    write_release(folder / "unpacked", year)
    for address in source_of(official(year)).files.values():
        name = file_name(address)
        unpacked = folder / "unpacked" / Path(name).stem
        if name.endswith(".zip"):
            with zipfile.ZipFile(folder / name, "w") as content:
                for path in sorted(unpacked.iterdir()):
                    content.write(path, f"{unpacked.name}/{path.name}")
                # What a Mac adds.
                content.writestr(f"__MACOSX/{unpacked.name}/._ISIC_0000000.jpg", b"\0")
        else:
            (folder / "unpacked" / name).rename(folder / name)


@pytest.fixture
def release(tmp_path: Path) -> Callable[..., Definition]:
    """Write a year's small release and return its definition, which reads it in place."""

    def make(year: int, **tables: str) -> Definition:
        folder = tmp_path / "release"
        write_release(folder, year, {**LABELS[year], **tables})
        return small(year, data_dir=str(folder))

    return make


def listing(definition: Definition, tmp_path: Path) -> pd.DataFrame:
    return list_images(definition, tmp_path / "archive").set_index("id")


# What each year's files tell


def test_2016_has_no_header_and_two_ways_to_answer(
    release: Callable[..., Definition], tmp_path: Path
) -> None:
    images = listing(release(2016), tmp_path)
    assert images["class"].to_dict() == {
        "ISIC_0000000": "benign",
        "ISIC_0000002": "malignant",
        "ISIC_0000003": "benign",
        "ISIC_0000013": "malignant",
    }
    assert images["official_split"].tolist() == ["train", "train", "test", "test"]
    assert (images["group"] == "").all()


def test_2017_reads_nevi_off_two_zeros_and_leaves_superpixels_out(
    release: Callable[..., Definition], tmp_path: Path
) -> None:
    images = listing(release(2017), tmp_path)
    assert images["class"].tolist() == [
        "nevus",
        "melanoma",
        "seborrheic_keratosis",
        "nevus",
        "seborrheic_keratosis",
    ]
    assert images["official_split"].tolist() == ["train"] * 3 + ["val", "test"]
    assert not images["path"].str.contains("superpixels").any()


def test_2018_has_a_column_a_class_and_lesions_of_the_training_part(
    release: Callable[..., Definition], tmp_path: Path
) -> None:
    definition = release(2018)
    images = listing(definition, tmp_path)
    assert images["class"].tolist()[:7] == definition.classes
    assert images["group"].tolist() == ["HAM_0", "HAM_0", "HAM_1", "HAM_1", "HAM_2", "HAM_2", "HAM_3", "", ""]
    assert images["official_split"].tolist() == ["train"] * 7 + ["val", "test"]


def test_2019_has_empty_lesions_and_downsampled_names(
    release: Callable[..., Definition], tmp_path: Path
) -> None:
    definition = release(2019)
    images = listing(definition, tmp_path)
    assert images["class"].tolist() == definition.classes
    assert "ISIC_0000001_downsampled" in images.index
    assert images["group"].tolist() == ["", "", "BCN_1", "BCN_1", "BCN_2", "BCN_2", "BCN_3", "BCN_3"]
    assert (images["official_split"] == "").all()


def test_samples_are_listed_from_the_folder_in_place(
    release: Callable[..., Definition], tmp_path: Path
) -> None:
    list_samples("isic_2018", release(2018), tmp_path / "archive", tmp_path / "out", threads=2)
    samples = read_samples(tmp_path / "out" / "samples.csv")
    assert len(samples) == 9
    assert samples["target"].sum() == 2
    assert not (tmp_path / "archive").exists()


@needs_metadata
@pytest.mark.parametrize("year", [2016, 2017, 2018, 2019])
def test_the_official_csvs_give_the_expected_counts(year: int, tmp_path: Path) -> None:
    definition = official(year)
    for role, address in source_of(definition).files.items():
        stem = Path(file_name(address)).stem
        if not role.endswith("_images"):
            (tmp_path / f"{stem}.csv").symlink_to(METADATA / f"{stem}.csv")
        else:
            labels = Path(file_name(source_of(definition).files[role.replace("images", "labels")])).stem
            (tmp_path / stem).mkdir()
            for name in names_in((METADATA / f"{labels}.csv").read_text(), year):
                (tmp_path / stem / f"{name}.jpg").touch()
    content = definition.model_dump()
    content["source"] |= {"data_dir": str(tmp_path)}
    images = listing(Definition.model_validate(content), tmp_path)
    expected = definition.expected
    assert images.index.is_unique
    assert len(images) == expected.images
    assert Counter(images["class"]) == expected.classes
    parts = Counter(part for part in images["official_split"] if part)
    assert parts == expected.splits
    lesions = images["group"][images["group"] != ""]
    assert (lesions.nunique(), int((images["group"] == "").sum())) == {
        2016: (0, 1_279),
        2017: (0, 2_750),
        2018: (7_470, 1_705),
        2019: (11_847, 2_084),
    }[year]
    if year == 2019:
        assert images.index.str.endswith("_downsampled").sum() == 2_074


# What is refused


def refusal(definition: Definition, tmp_path: Path) -> str:
    with pytest.raises(NullcropError) as failure:
        list_images(definition, tmp_path / "archive")
    return str(failure.value)


def test_a_label_without_image_is_named(release: Callable[..., Definition], tmp_path: Path) -> None:
    definition = release(2016)
    next((tmp_path / "release").rglob("ISIC_0000013.jpg")).unlink()
    message = refusal(definition, tmp_path)
    assert "ISBI2016_ISIC_Part3_Test_GroundTruth.csv names 1 images that are not in" in message
    assert message.count("ISIC_0000013") == 1


def test_an_image_without_label_is_named(release: Callable[..., Definition], tmp_path: Path) -> None:
    definition = release(2017)
    write_jpeg(tmp_path / "release" / "ISIC-2017_Validation_Data" / "ISIC_0009999.jpg")
    message = refusal(definition, tmp_path)
    assert "holds 1 images that " in message
    assert "does not name: ISIC_0009999" in message


def test_an_image_that_lies_there_twice_is_named(release: Callable[..., Definition], tmp_path: Path) -> None:
    definition = release(2016)
    write_jpeg(tmp_path / "release" / "ISBI2016_ISIC_Part3_Test_Data" / "more" / "ISIC_0000003.jpg")
    assert "holds the image ISIC_0000003 twice" in refusal(definition, tmp_path)


@pytest.mark.parametrize(
    ("year", "role", "text", "words"),
    [
        (2016, "test_labels", "ISIC_0000003,0\nISIC_0000013,2\n", "answers 2; 2016's answers are benign"),
        (2016, "test_labels", "ISIC_0000003,0,0\nISIC_0000013,1,0\n", "has 3 columns"),
        (2016, "test_labels", "ISIC_0000003,0\nISIC_0000003,1\n", "names 1 images more than once"),
        (2017, "val_labels", "image_id,melanoma\nISIC_0001769,0.0\n", "no column seborrheic_keratosis"),
        (
            2017,
            "val_labels",
            "image_id,melanoma,seborrheic_keratosis\nISIC_0001769,1.0,1.0\n",
            "must have 0 or 1 classes; these have another number: ISIC_0001769",
        ),
        (
            2018,
            "val_labels",
            HEAD_2018 + "ISIC_0034321,0.0,0.0,0.0,0.0,0.0,0.0,0.0\n",
            "must have 1 classes; these have another number: ISIC_0034321",
        ),
        (2018, "val_labels", HEAD_2018 + "ISIC_0034321,0.5,0.5,0,0,0,0,0\n", "something else than 0 and 1"),
        (2018, "val_labels", HEAD_2018.replace("NV", "XX"), "XX is no known class; NV is lacking"),
        (2018, "train_groups", "image,lesion_id\nISIC_0024300,HAM_0\n", "does not name 6 of the labelled"),
        (2018, "train_groups", "image,lesion\nISIC_0024300,HAM_0\n", "has no column lesion_id"),
    ],
)
def test_a_table_that_is_not_its_years_is_refused(
    year: int, role: str, text: str, words: str, release: Callable[..., Definition], tmp_path: Path
) -> None:
    message = refusal(release(year, **{role: text}), tmp_path)
    stem = Path(file_name(source_of(official(year)).files[role])).stem
    assert f"{stem}.csv" in message
    assert words in message


def test_listing_before_fetching_says_so(tmp_path: Path) -> None:
    assert "fetch the dataset's archive first" in refusal(small(2016), tmp_path)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "train_images, train_labels is missing"),
        ({"train_images": "https://x/a.zip"}, "train_labels is missing"),
        ({"pictures": "https://x/a.zip"}, "pictures is no role"),
        (
            {"train_images": "https://x/a.tar", "train_labels": "https://x/a.csv"},
            r"train_images: https://x/a\.tar must end in \.zip",
        ),
    ],
)
def test_files_that_do_not_belong_together_are_refused(files: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        IsicSource(kind="isic", year=2016, files=files)


# Fetching


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Callable[[int], Definition]]:
    """Serve a year's small release as zips and CSVs; the definition returned downloads from there."""
    folder = tmp_path / "served"
    folder.mkdir()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()

    def make(year: int) -> Definition:
        write_zips(folder, year)
        address = f"http://127.0.0.1:{httpd.server_port}"
        files = source_of(official(year)).files
        return small(year, files={role: f"{address}/{file_name(url)}" for role, url in files.items()})

    yield make
    httpd.shutdown()
    httpd.server_close()


@pytest.mark.parametrize("year", [2016, 2017, 2018, 2019])
def test_a_release_is_fetched_unpacked_and_listed(
    year: int, mirror: Callable[[int], Definition], tmp_path: Path
) -> None:
    definition, archive = mirror(year), tmp_path / "archive"
    fetch_archive(definition.source, archive)
    images = listing(definition, tmp_path)
    write_release(tmp_path / "release", year)
    in_place = listing(small(year, data_dir=str(tmp_path / "release")), tmp_path)
    columns = ["class", "group", "official_split"]
    pd.testing.assert_frame_equal(images[columns], in_place[columns])
    facts = json.loads((archive / "archive.json").read_text())
    names = [file_name(url) for url in source_of(definition).files.values()]
    assert [file["name"] for file in facts["files"]] == names
    assert {file["checksum"] for file in facts["files"]} == {"recorded at the first download"}
    recorded = json.loads((archive / "checksums.json").read_text())
    assert {file["name"]: file["sha256"] for file in facts["files"]} == {
        name: entry["sha256"] for name, entry in recorded.items()
    }


def test_fetching_again_verifies_what_is_there(mirror: Callable[[int], Definition], tmp_path: Path) -> None:
    source, archive = mirror(2016).source, tmp_path / "archive"
    fetch_archive(source, archive)
    first = (archive / "archive.json").read_bytes()
    for path in (tmp_path / "served").iterdir():
        if path.is_file():
            path.unlink()
    fetch_archive(source, archive)
    assert (archive / "archive.json").read_bytes() == first
    (archive / "archive.json").unlink()
    (archive / "ISBI2016_ISIC_Part3_Test_GroundTruth.csv").write_text("ISIC_0000003,1\nISIC_0000013,1\n")
    with pytest.raises(NullcropError, match=r"Test_GroundTruth\.csv is not the file of the first download"):
        fetch_archive(source, archive)
    assert not (archive / "archive.json").exists()


def test_the_command_line_says_which_file_to_put_where(
    mirror: Callable[[int], Definition],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    definition = mirror(2019)
    name = "ISIC_2019_Training_Metadata.csv"
    (tmp_path / "served" / name).unlink()
    path = tmp_path / "isic.yaml"
    # JSON is YAML.
    path.write_text(json.dumps(definition.model_dump(exclude_none=True)))
    arguments = ["fetch-archive", "--definition", str(path), "--out", str(tmp_path / "archive")]
    assert main(arguments) == 1
    shown = capsys.readouterr().err
    assert "HTTP status 404" in shown
    assert f"put it at {tmp_path / 'archive' / name}" in shown
    assert not (tmp_path / "archive" / "archive.json").exists()
    # Put there by hand, the rest goes on.
    (tmp_path / "archive" / name).write_text(LABELS[2019]["train_groups"])
    assert main(arguments) == 0
    assert f"{name} (0.0 MB)" in capsys.readouterr().err


def test_zips_in_data_dir_are_unpacked_into_the_archive(tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    write_zips(folder, 2018)
    definition = small(2018, data_dir=str(folder))
    before = sorted(path.name for path in folder.iterdir())
    fetch_archive(definition.source, tmp_path / "archive")
    assert sorted(path.name for path in folder.iterdir()) == before
    images = listing(definition, tmp_path)
    assert len(images) == 9
    assert images["path"].str.startswith(str(tmp_path / "archive")).all()


def test_folders_in_data_dir_are_read_in_place(release: Callable[..., Definition], tmp_path: Path) -> None:
    definition = release(2017)
    files = fetch_archive(definition.source, tmp_path / "archive")
    assert files[0]["name"] == "ISIC-2017_Training_Data"
    assert files[0]["files"] == 7
    assert {path.name for path in (tmp_path / "archive").iterdir()} == {
        ".lock",
        "archive.json",
        "checksums.json",
    }


def test_what_data_dir_lacks_is_named(release: Callable[..., Definition], tmp_path: Path) -> None:
    definition = release(2019)
    (tmp_path / "release" / "ISIC_2019_Training_Metadata.csv").unlink()
    with pytest.raises(NullcropError) as failure:
        fetch_archive(definition.source, tmp_path / "archive")
    address = source_of(definition).files["train_groups"]
    assert urlsplit(address).scheme == "https"
    assert f"lacks the file ISIC_2019_Training_Metadata.csv (train_groups); get it from {address}" in str(
        failure.value
    )


def test_a_missing_data_dir_is_named(tmp_path: Path) -> None:
    with pytest.raises(NullcropError, match="there is no folder nowhere"):
        fetch_archive(small(2016, data_dir="nowhere").source, tmp_path / "archive")
