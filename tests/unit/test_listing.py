"""Other people's folders: which files are images, what is said of the others, and what they may be called."""

import json
import os
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.files import read_json, write_json
from nullcrop.config.definitions import Definition, Masks
from nullcrop.datasets.ignored import in_words
from nullcrop.datasets.samples import list_samples, read_samples
from nullcrop.images.masks import mask_files

MakeFolder = Callable[..., Definition]


def ids(definition: Definition, folder: Path) -> list[str]:
    """The ids in samples.csv of ``definition``, listed into ``folder``/out."""
    list_samples("small", definition, folder / "archive", folder / "out", threads=1)
    return read_samples(folder / "out" / "samples.csv")["id"].tolist()


def ignored(folder: Path) -> str:
    return in_words(read_json(folder / "out" / "dataset.json")["ignored"])


def refusal(definition: Definition, folder: Path) -> str:
    with pytest.raises(NullcropError) as caught:
        ids(definition, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def benign(make_folder: MakeFolder, tmp_path: Path) -> Path:
    """The class folder of two benign images, beside that of two malignant ones."""
    make_folder({"benign": 2, "malignant": 2})
    return tmp_path / "images" / "benign"


@pytest.fixture
def own(benign: Path, make_definition: MakeFolder) -> MakeFolder:
    """Call it with keys of a definition, and of its source, of these images."""

    def make(source: dict[str, object] | None = None, **keys: object) -> Definition:
        return make_definition(
            source={"kind": "folder", "path": str(benign.parent), **(source or {})}, **keys
        )

    return make


PLAIN = [f"{name}/{name}_{number}.png" for name in ("benign", "malignant") for number in range(2)]

# Which files are images


@pytest.mark.parametrize(
    ("name", "form"),
    [
        *(("x.jfif", "JPEG"), ("x.JPE", "JPEG"), ("x.pgm", "PPM"), ("x.ppm", "PPM"), ("x.jp2", "JPEG2000")),
        *(("x.avif", "AVIF"), ("x.webp", "WEBP"), ("x.tga", "TGA"), ("x.ico", "ICO"), ("x.dib", "DIB")),
        # By the first bytes: no ending, a number for an ending, a wrong one.
        *(
            ("x", "PNG"),
            ("1.2.840.113619", "TIFF"),
            ("x.png.1", "PNG"),
            ("x.image", "JPEG"),
            ("x.dat", "BMP"),
        ),
    ],
)
def test_every_format_that_pillow_reads_is_taken(
    own: MakeFolder, benign: Path, tmp_path: Path, name: str, form: str
) -> None:
    Image.new("L" if name.endswith("pgm") else "RGB", (20, 20), 90).save(benign / name, form)
    assert ids(own(), tmp_path) == sorted([f"benign/{name}", *PLAIN])
    assert ignored(tmp_path) == ""


def test_endings_that_the_definition_names_are_taken_alone(
    own: MakeFolder, benign: Path, tmp_path: Path
) -> None:
    for name in ("x.TIF", "x.jfif", "x"):
        Image.new("RGB", (20, 20)).save(benign / name, "TIFF")
    definition = own(source={"suffixes": [".png", ".tif"]})
    assert ids(definition, tmp_path) == sorted(["benign/x.TIF", *PLAIN])
    assert ignored(tmp_path) == "1 .jfif files (benign 1), 1 files without an ending (benign 1)"


def test_what_is_ignored_is_counted_by_kind_and_class(
    own: MakeFolder, benign: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    malignant = benign.with_name("malignant")
    for path in (
        benign / "1.txt",
        benign / "2.TXT",
        malignant / "3.txt",
        malignant / "README",
        benign / "x.pdf",
    ):
        path.write_text("words")
    Image.new("RGB", (9, 9)).save(benign.parent / "overview.png")
    (benign.parent / "table.csv").write_text("path\n")
    for litter in (benign / "._benign_0.png", malignant / ".DS_Store", benign.parent / ".DS_Store"):
        litter.write_bytes(b"\x00\x05\x16\x07")
    assert ids(own(), tmp_path) == PLAIN
    words = (
        "1 .csv files, 1 .pdf files (benign 1), 3 .txt files (benign 2, malignant 1), "
        "1 files without an ending (malignant 1), 1 images beside the class folders, "
        "1 macOS resource forks (._*), 2 macOS folder settings (.DS_Store)"
    )
    assert ignored(tmp_path) == words
    assert f"ignored: {words}\n" in capsys.readouterr().err


def test_a_folder_with_an_images_ending_is_a_folder(own: MakeFolder, benign: Path, tmp_path: Path) -> None:
    (benign / "P01.tif").mkdir()
    Image.new("RGB", (9, 9)).save(benign / "P01.tif" / "slice.png")
    assert ids(own(), tmp_path) == sorted(["benign/P01.tif/slice.png", *PLAIN])


# Masks beside images


def add_masks(folder: Path, label: str) -> None:
    for number in range(2):
        for end in ("_mask", "_mask_1"):
            Image.new("1", (12, 10), 1).save(folder / f"{label}_{number}{end}.png")


def test_masks_beside_images_stop_a_definition_and_the_key_named_leaves_them_out(
    own: MakeFolder, benign: Path, tmp_path: Path
) -> None:
    add_masks(benign, "benign")
    message = refusal(own(), tmp_path)
    assert "4 of 8 files are masks or other companions of images" in message
    assert "benign/benign_0_mask.png (of benign/benign_0.png)" in message
    key, value = re.findall(r"`(\w+): (\w+)`", message)[0]
    assert ids(own(**{key: value}), tmp_path) == PLAIN
    assert ignored(tmp_path) == "4 masks and other companions (benign 4)"
    assert len(ids(own(companions="keep"), tmp_path)) == 8
    # Views that ask for masks find them, though they are no images.
    masks = Masks(path=str(benign), name_pattern=r"(?P<image>benign_\d)_mask")
    assert [len(files) for files in mask_files(masks, [str(benign / "benign_0.png")])] == [2]
    (benign / "benign_0.png").unlink()
    assert ids(own(companions="leave_out"), tmp_path) == PLAIN[1:]
    assert ignored(tmp_path) == "4 masks and other companions (benign 4)"


def test_a_pattern_may_leave_masks_out_and_one_that_takes_them_stops(
    own: MakeFolder, benign: Path, tmp_path: Path
) -> None:
    add_masks(benign, "benign")
    without = own(source={"name_pattern": r"(?P<class>benign|malignant)_\d+\.png$"})
    assert ids(without, tmp_path) == PLAIN
    assert ignored(tmp_path) == "4 .png files"
    within = own(source={"name_pattern": "(?P<class>benign|malignant)/"})
    assert "4 of 8 files are masks" in refusal(within, tmp_path)


def test_a_class_called_lesion_is_no_folder_of_masks(make_folder: MakeFolder, tmp_path: Path) -> None:
    definition = make_folder({"lesion": 2, "normal": 2}, labels={"printed": {"positive": ["lesion"]}})
    for label in ("lesion", "normal"):
        for number in range(2):
            path = tmp_path / "images" / label / f"{label}_{number}.png"
            path.rename(path.with_name(f"{number}.png"))
    assert len(ids(definition, tmp_path)) == 4


def test_an_archive_in_an_archive_is_told(own: MakeFolder, benign: Path, tmp_path: Path) -> None:
    (benign / "train.zip").write_bytes(b"PK")
    message = refusal(own(source={"name_pattern": "(?P<class>x)"}), tmp_path)
    assert "Packed itself, and not looked into: benign/train.zip" in message


# Links


def test_patients_behind_links_are_listed_and_loops_end(
    own: MakeFolder, benign: Path, tmp_path: Path
) -> None:
    (tmp_path / "archive_of_scans").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "archive_of_scans" / "1.png")
    (benign / "P1").symlink_to(tmp_path / "archive_of_scans")
    (benign / "up").symlink_to(benign.parent)
    assert ids(own(), tmp_path) == sorted(["benign/P1/1.png", *PLAIN])
    assert ignored(tmp_path) == "1 links to a folder that they lie in"


def test_links_that_lead_nowhere_are_unreadable_images_by_their_names(
    own: MakeFolder, benign: Path, tmp_path: Path
) -> None:
    (benign / "lost.png").symlink_to("/nonexistent/annex/x.png")
    (benign / "lost.txt").symlink_to("/nonexistent/annex/x.txt")
    assert f"1 of 5 images cannot be read: {benign}/lost.png (the link leads nowhere)" in refusal(
        own(), tmp_path
    )
    assert ids(own(unreadable="leave_out"), tmp_path) == PLAIN
    assert ignored(tmp_path) == "1 links that lead nowhere (benign 1)"


# Class folders


def test_train_and_test_above_the_classes_are_told_with_a_pattern_that_works(
    make_definition: MakeFolder, benign: Path, tmp_path: Path
) -> None:
    root = tmp_path / "sets"
    for part in ("train", "val", "test"):
        for label in ("benign", "it's malignant"):
            (root / part / label).mkdir(parents=True)
            Image.new("RGB", (9, 9)).save(root / part / label / "1.png")
    keys = {
        "classes": ["benign", "it's malignant"],
        "labels": {"printed": {"positive": ["it's malignant"]}},
    }
    source = {"kind": "folder", "path": str(root)}
    message = refusal(make_definition(source=source, **keys), tmp_path)
    assert "class folder missing" in message
    assert "The class folders lie in test, train, val: " in message
    assert "(?P<split>test|train|val)/" in message
    pattern = re.findall("`source.name_pattern: '(.*)'`", message)[0].replace("''", "'")
    list_samples(
        "small",
        make_definition(source={**source, "name_pattern": pattern}, **keys),
        root,
        tmp_path / "out",
        1,
    )
    samples = read_samples(tmp_path / "out" / "samples.csv")
    assert sorted(zip(samples["official_split"], samples["class"], strict=True)) == [
        (part, label) for part in ("test", "train", "val") for label in keys["classes"]
    ]


def test_a_folder_too_high_is_told(own: MakeFolder, benign: Path, tmp_path: Path) -> None:
    (tmp_path / "images" / "notes").mkdir()
    message = refusal(own(source={"path": str(tmp_path)}), tmp_path)
    assert f"The class folders lie in images: set `source.path: {tmp_path}/images`" in message


@pytest.mark.parametrize(
    ("folder", "written", "words"),
    [
        (
            "benign ",
            "benign",
            "found 'benign ', malignant. Written differently: 'benign' (did you mean 'benign '?)",
        ),
        (
            "Benign",
            "benign",
            "found Benign, malignant. Written differently: 'benign' (did you mean 'Benign'?)",
        ),
        (
            unicodedata.normalize("NFD", "gutartiges Ödem"),
            unicodedata.normalize("NFC", "gutartiges Ödem"),
            r"'gutartiges \xd6dem' (did you mean 'gutartiges O\u0308dem'?)",
        ),
    ],
)
def test_a_class_that_is_written_differently_is_shown(
    own: MakeFolder, benign: Path, tmp_path: Path, folder: str, written: str, words: str
) -> None:
    benign.rename(benign.with_name(folder))
    message = refusal(own(classes=[written, "malignant"]), tmp_path)
    assert words in message
    assert "rename the folder, or write its name under `classes:` as it is" in message


# Names


def test_any_name_that_the_file_system_allows_is_listed_and_found_again(
    own: MakeFolder, benign: Path, tmp_path: Path
) -> None:
    names = [b"M\xe4rz_01.png", "März.png".encode(), b"a\nb.png", b"{3F25}/x.png", b'it\'s "1".png', b" .png"]
    for name in names:
        path = benign / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (9, 9)).save(path)
    found = ids(own(), tmp_path)
    assert "benign/M\\xe4rz_01.png" in found
    samples = read_samples(tmp_path / "out" / "samples.csv")
    below = {os.fsencode(os.path.relpath(path, benign)) for path in samples["path"]}
    assert set(names) <= below
    assert all(Path(path).is_file() for path in samples["path"])
    assert all(text.encode("utf-8") for text in found)
    assert read_samples(tmp_path / "out" / "samples.csv", ["class"]).columns.tolist() == ["class"]


def test_a_group_may_have_any_name(own: MakeFolder, benign: Path, tmp_path: Path) -> None:
    for label in ("benign", "malignant"):
        path = benign.parent / label / os.fsdecode(b"P\xe4") / "1.png"
        path.parent.mkdir()
        Image.new("RGB", (9, 9)).save(path)
        for number in range(2):
            (benign.parent / label / f"{label}_{number}.png").unlink()
    ids(own(source={"group_pattern": "/(P[^/]+)/"}, group="patient"), tmp_path)
    assert set(read_samples(tmp_path / "out" / "samples.csv")["group"]) == {"P\\xe4"}


def test_an_unreadable_file_of_any_name_is_named_in_one_line(
    own: MakeFolder, benign: Path, tmp_path: Path
) -> None:
    name = os.fsdecode(b"M\xe4rz\n.png")
    (benign / name).write_text("no image")
    assert "M\\udce4rz\\n.png" in refusal(own(), tmp_path)
    ids(own(unreadable="leave_out"), tmp_path)
    (left_out,) = json.loads((tmp_path / "out" / "dataset.json").read_text())["left_out"]
    assert left_out["path"] == str(benign / name)


def test_names_in_messages_are_visible() -> None:
    assert listed(["a b", "c ", "d\ne", "\udce4", unicodedata.normalize("NFC", "ä"), 3]) == (
        r"a b, 'c ', 'd\ne', '\udce4', ä, 3"
    )


def test_json_keeps_names_that_are_no_text(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"M\udce4rz": ["ä", "\\udce4"]})
    assert read_json(tmp_path / "x.json") == {"M\udce4rz": ["ä", "\\udce4"]}
