"""Tables as people make them: what is read, and which line is named where something is wrong."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nullcrop.basics.errors import NullcropError
from nullcrop.config.definitions import Definition, FolderSource
from nullcrop.datasets.groups import near_equal_groups
from nullcrop.datasets.samples import list_samples, read_samples
from nullcrop.datasets.tables import list_table, read_table

CLASSES = ["benign", "malignant"]
FILES = [f"{name}/{name}_{number}.png" for name in CLASSES for number in range(2)]
PLAIN = "path,class,group\n" + "".join(f"{file},{file.split('/')[0]},P{file[-5]}\n" for file in FILES)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two images of two classes in folders of their own."""
    for file in FILES:
        (tmp_path / "images" / file).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "images" / file)
    return tmp_path / "images"


def listing(root: Path, content: str | bytes, classes: list[str] = CLASSES, **keys: object) -> pd.DataFrame:
    """The images that a table of this ``content`` lists."""
    table = root.parent / "table.csv"
    table.write_bytes(content if isinstance(content, bytes) else content.encode())
    source = FolderSource(kind="folder", path=str(root), table=str(table), **keys)
    return list_table(source, root, classes)


def refusal(root: Path, content: str | bytes, classes: list[str] = CLASSES, **keys: object) -> str:
    with pytest.raises(NullcropError) as caught:
        listing(root, content, classes, **keys)
    assert "\n" not in str(caught.value)
    return str(caught.value)


SAME = {
    "byte order mark": PLAIN.encode("utf-8-sig"),
    "utf-16": PLAIN.encode("utf-16"),
    "windows lines": PLAIN.replace("\n", "\r\n").encode(),
    "old mac lines": PLAIN.replace("\n", "\r").encode(),
    "semicolon": PLAIN.replace(",", ";").encode(),
    "tab": PLAIN.replace(",", "\t").encode(),
    "excel's first line": b"sep=;\r\n" + PLAIN.replace(",", ";").encode(),
    "trailing separators": PLAIN.replace("P0\n", "P0,,\n").encode(),
    "blank rows": (PLAIN + ",,\n\n , ,\n").encode(),
    "blanks around": PLAIN.replace(",", " ,\t").encode(),
    "windows folders": PLAIN.replace("/", "\\").encode(),
    "no endings": PLAIN.replace(".png", "").encode(),
    "names without folders": PLAIN.replace("\nbenign/", "\n").replace("\nmalignant/", "\n").encode(),
    "a line break in a name": PLAIN.replace(".png", '.png\n"')
    .replace("\nb", '\n"b')
    .encode()
    .replace(b"\nmal", b'\n"mal'),
}


@pytest.mark.parametrize("kind", SAME)
def test_the_same_table_in_other_clothes_is_read_alike(kind: str, root: Path) -> None:
    assert (
        listing(root, SAME[kind]).to_dict("list")
        == {
            "id": FILES,
            "relative": FILES,
            "class": ["benign", "benign", "malignant", "malignant"],
            "group": ["P0", "P1", "P0", "P1"],
            "official_split": [""] * 4,
        }
        or kind == "blanks around"
    )


def test_blanks_around_values_count_for_nothing_in_samples(root: Path) -> None:
    found = listing(root, SAME["blanks around"])
    assert found["relative"].tolist() == FILES
    assert found["class"].tolist() == ["benign", "benign", "malignant", "malignant"]


def test_a_table_of_windows_is_read_and_said(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = listing(root, PLAIN.replace("class,group", "class,Prüfer").encode("cp1252"))
    assert found["relative"].tolist() == FILES
    assert "table.csv is not UTF-8 and was read as cp1252 (Windows)" in capsys.readouterr().err


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)


@given(
    st.lists(st.lists(TEXT, min_size=3, max_size=3), min_size=1, max_size=5),
    st.sampled_from([",", ";", "\t"]),
)
def test_what_the_csv_module_writes_is_read_back(rows: list[list[str]], separator: str) -> None:
    written = io.StringIO()
    csv.writer(written, delimiter=separator).writerows([["path", "class", "note"], *rows])
    path = Path("table.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda _: written.getvalue().encode())
        kept = [row for row in rows if any(value.strip() for value in row)]
        if kept:
            assert read_table(path, "source.table").to_numpy().tolist() == kept
        else:
            with pytest.raises(NullcropError, match="no row below it"):
                read_table(path, "source.table")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("path,class\n", "has a header (path, class) and no row below it"),
        ("\n \n", "it is empty"),
        (b"PK\x03\x04....", "it is an Excel workbook (or another zip); save it as CSV"),
        (b"\xd0\xcf\x11\xe0", "it is an old Excel workbook; save it as CSV"),
        ('{"a.png": "benign"}', "it is JSON, XML or a web page; save it as CSV"),
        ("<html>", "it is JSON, XML or a web page; save it as CSV"),
        (PLAIN.encode("utf-16-le"), "it holds NUL bytes"),
        ("path,class\nbenign/benign_0.png,benign,or not\n", "but line 2 holds more values; a value with the"),
        ('path,class\n\n"benign/benign_0.png,benign\n', "line 3: unexpected end of data; a value with the"),
        ("path,class,class\na,b,c\n", "has 2 columns 'class'; rename all but one"),
        (PLAIN.replace("path", "Path"), "`columns: {path: Path}` under `source` takes 'Path' for it"),
        (PLAIN.replace("\nbenign/benign_0.png", "\n"), "names no file in line 2; fill in"),
        (PLAIN + FILES[0] + ",benign,P7\n", f"names 1 files more than once: lines 2, 6 ({FILES[0]})"),
        (
            PLAIN.replace("_1.png,m", "_1.PNG,m"),
            "'malignant/malignant_1.PNG' (line 5; did you mean 'malignant/",
        ),
        (PLAIN.replace("_1.png,m", "(1).png,m"), "(line 5; did you mean 'malignant/malignant_1.png'?)"),
        (PLAIN.replace("_1.png,m", "_1.jpeg,m"), "(line 5; did you mean 'malignant/malignant_1.png'?)"),
        (
            PLAIN.replace(",benign", ",Benign", 1),
            "'Benign' (did you mean 'benign'?) in line 2; the definition's",
        ),
        (PLAIN.replace(",benign", ",NaN"), "'NaN' in lines 2, 3; the definition's are benign, malignant"),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_a_cure(
    content: str | bytes, words: str, root: Path
) -> None:
    assert words in refusal(root, content)


def test_a_name_that_may_mean_two_images_is_refused(root: Path) -> None:
    Image.new("RGB", (8, 8)).save(root / "benign/benign_0.jpg")
    message = refusal(root, PLAIN.replace(".png", ""))
    assert "(line 2; it may be benign/benign_0.jpg, benign/benign_0.png)" in message


def test_an_image_without_its_ending_is_no_text_beside_it(root: Path) -> None:
    (root / "benign/benign_0.txt").write_text("a note")
    assert listing(root, PLAIN.replace(".png", ""))["relative"].tolist() == FILES


def test_letters_composed_in_another_way_are_the_same_file(root: Path) -> None:
    Image.new("RGB", (8, 8)).save(root / "benign/bru\u0308st.png")
    assert listing(root, "path,class\nbenign/br\u00fcst.png,benign\n")["relative"].tolist() == [
        "benign/bru\u0308st.png"
    ]


def test_classes_that_look_alike_are_shown_apart(root: Path) -> None:
    message = refusal(root, "path,class\nbenign/benign_0.png,ma\u0308lig\n", ["m\u00e4lig", "benign"])
    assert r"'ma\u0308lig' (did you mean 'm\xe4lig'?) in line 2" in message


def test_images_beside_the_listed_ones_are_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "benign/notes.txt").write_text("not an image")
    (root / "benign/.hidden.png").write_text("neither")
    listing(root, PLAIN.replace(f"{FILES[1]},benign,P1\n", ""))
    said = capsys.readouterr().err
    assert "1 images lie beside those that" in said
    assert str(root / FILES[1]) in said


def test_a_column_of_groups_with_another_case_is_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(listing(root, PLAIN.replace("group", "Group"))["group"]) == {""}
    assert "no column 'group': `columns: {group: Group}` under `source` takes" in capsys.readouterr().err


def test_numbers_that_became_floats_are_the_classes_they_were(root: Path) -> None:
    rows = PLAIN.replace(",benign", ",0.0").replace(",malignant", ",1.")
    assert listing(root, rows, ["0", "1"])["class"].tolist() == ["0", "0", "1", "1"]
    assert listing(root, rows, ["0.0", "1."])["class"].tolist() == ["0.0", "0.0", "1.", "1."]


ONE_HOT = "path,NV,MEL,UNK\n" + "".join(
    f"{file},{marks}\n" for file, marks in zip(FILES, ["1.0,0.0,0", "1,0,0", "0,1,0", "0,1,0"], strict=True)
)


def test_a_column_for_each_class_tells_the_class(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert listing(root, ONE_HOT, ["MEL", "NV"])["class"].tolist() == ["NV", "NV", "MEL", "MEL"]
    assert "the class is the column that holds 1 (MEL, NV)" in capsys.readouterr().err


@pytest.mark.parametrize("marks", ["1,1,0", "0,0,1", "yes,0,0", ",,1", "0.5,0.5,0"])
def test_a_row_that_marks_no_class_or_two_is_named(marks: str, root: Path) -> None:
    message = refusal(root, ONE_HOT.replace("1.0,0.0,0", marks), ["MEL", "NV"])
    assert "it is not so in line 2: mend these rows" in message


def test_of_some_classes_columns_are_no_classes(root: Path) -> None:
    assert "has no column 'class'; its columns are path, NV, MEL, UNK" in refusal(
        root, ONE_HOT, ["MEL", "BCC"]
    )


# Groups


def samples_with(
    make_folder: Callable[..., Definition], folder: Path, groups: list[str], **keys: object
) -> pd.DataFrame:
    """samples.csv of images that a table gives these groups."""
    definition = make_folder(
        {"benign": 2, "malignant": len(groups) - 2},
        source={"table": str(folder / "table.csv")},
        **{"group": "patient", **keys},
    )
    files = sorted(path.relative_to(folder / "images").as_posix() for path in folder.glob("images/*/*"))
    rows = {"path": files, "class": [file.split("/")[0] for file in files], "group": groups}
    pd.DataFrame(rows).to_csv(folder / "table.csv", index=False)
    list_samples("small", definition, folder, folder / "out", threads=1)
    return read_samples(folder / "out" / "samples.csv")


def facts(folder: Path) -> dict[str, object]:
    return dict(json.loads((folder / "out" / "dataset.json").read_text()))


def test_words_for_not_known_are_no_patient(
    make_folder: Callable[..., Definition], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["P1", "NA", "nan", " Unknown", "-", "?", "", "NULL", "none", "N/A", "NA"]
    assert samples_with(make_folder, tmp_path, words)["group"].tolist() == ["P1"] + [""] * 10
    said = capsys.readouterr().err
    assert (
        "10 of 11 images have no known group, and each of them counts as independent: 'NA' (2 images)" in said
    )
    assert (facts(tmp_path)["groups"], facts(tmp_path)["without_group"]) == (1, 10)


def test_words_for_not_known_alone_are_no_groups(
    make_folder: Callable[..., Definition], tmp_path: Path
) -> None:
    with pytest.raises(
        NullcropError, match=r"only words that none is known: 'NA' \(3 images\), 'nan' \(1 im"
    ):
        samples_with(make_folder, tmp_path, ["NA", "NA", "NA", "nan"])


def test_a_trailing_blank_makes_no_other_patient(
    make_folder: Callable[..., Definition], tmp_path: Path
) -> None:
    groups = ["P1", "P1 ", "P2\u00a0", "\tP2"]
    assert samples_with(make_folder, tmp_path, groups)["group"].tolist() == ["P1", "P1", "P2", "P2"]


def test_names_that_are_nearly_equal_are_told_and_kept(
    make_folder: Callable[..., Definition], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    groups = ["p01", "P01", "7", "7.0", "8"]
    assert samples_with(make_folder, tmp_path, groups)["group"].tolist() == groups
    assert facts(tmp_path)["near_equal_groups"] == [["7", "7.0"], ["P01", "p01"]]
    assert "and may be one patient: '7' and '7.0', 'P01' and 'p01'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("P1", "P01", True),
        ("P 1", "p1", True),
        ("07", "7.0", True),
        ("1-01", "1-1", True),
        ("1.05", "1.5", False),
        ("10", "1", False),
        ("P10", "P100", False),
        ("0", "00", True),
        ("a_1", "a1", False),
    ],
)
def test_what_counts_as_nearly_equal(one: str, other: str, near: bool) -> None:
    assert bool(near_equal_groups([one, other])) == near


def test_ids_of_a_table_of_groups_that_differ_in_case_are_told(
    make_folder: Callable[..., Definition], tmp_path: Path
) -> None:
    definition = make_folder(
        {"benign": 1, "malignant": 1}, group="patient", groups=str(tmp_path / "groups.csv")
    )
    rows = "id;group\nBenign/benign_0.png;P1\nmalignant/malignant_0.png ;P2\nx.png;P3\n"
    (tmp_path / "groups.csv").write_text(rows)
    words = r"lacks 1 of the images: 'benign/benign_0.png' \(did you mean 'Benign/benign_0.png'\?\)"
    with pytest.raises(NullcropError, match=words):
        list_samples("small", definition, tmp_path, tmp_path / "out", threads=1)


def test_ids_of_no_image_in_a_table_of_groups_are_told(
    make_folder: Callable[..., Definition], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    definition = make_folder(
        {"benign": 1, "malignant": 1}, group="patient", groups=str(tmp_path / "groups.csv")
    )
    rows = "id;group\nbenign/benign_0.png;P1\nmalignant/malignant_0.png ;P2\nx.png;P3\n"
    (tmp_path / "groups.csv").write_text(rows)
    samples = list_samples("small", definition, tmp_path, tmp_path / "out", threads=1)
    assert samples["group"].tolist() == ["P1", "P2"]
    assert "names 1 ids of no image, which count for nothing: x.png" in capsys.readouterr().err
