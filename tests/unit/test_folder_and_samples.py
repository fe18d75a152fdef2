"""Images on a local disk: what is listed, what samples.csv says, and every kind of bad input."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nullcrop.basics.errors import NullcropError
from nullcrop.config.definitions import Definition
from nullcrop.datasets.samples import COLUMNS, list_images, list_samples, read_samples
from nullcrop.decoding.rgb import read_rgb
from nullcrop.images.store import write_store
from tests.unit.image_kinds import KINDS, TURNED, write_image, write_png16

MakeFolder = Callable[..., Definition]


def listing(definition: Definition, folder: Path) -> pd.DataFrame:
    """List the dataset `small` into ``folder``/out and read samples.csv back."""
    list_samples("small", definition, folder / "archive", folder / "out", threads=2)
    return read_samples(folder / "out" / "samples.csv")


def facts(folder: Path) -> dict[str, object]:
    return dict(json.loads((folder / "out" / "dataset.json").read_text()))


def refusal(definition: Definition, folder: Path) -> str:
    """The message with which listing is refused; no samples.csv may be left."""
    with pytest.raises(NullcropError) as caught:
        list_samples("small", definition, folder / "archive", folder / "out", threads=2)
    assert not (folder / "out" / "samples.csv").exists()
    return str(caught.value)


def with_table(make_folder: MakeFolder, folder: Path, table: pd.DataFrame, **keys: object) -> Definition:
    """Three benign and two malignant images, and ``table`` as the CSV that lists them."""
    table.to_csv(folder / "table.csv", index=False)
    source = {"table": str(folder / "table.csv"), **keys.pop("source", {})}  # type: ignore[dict-item]
    return make_folder({"benign": 3, "malignant": 2}, source=source, **keys)


def rows(**columns: list[str]) -> pd.DataFrame:
    """The CSV of the five images, with columns changed, added or (None) taken away."""
    paths = [f"benign/benign_{n}.png" for n in range(3)] + [f"malignant/malignant_{n}.png" for n in range(2)]
    table = {"path": paths, "class": ["benign"] * 3 + ["malignant"] * 2, **columns}
    return pd.DataFrame({name: values for name, values in table.items() if values is not None})


# What is listed


def test_class_folders_are_listed_by_path_in_order(make_folder: MakeFolder, tmp_path: Path) -> None:
    samples = listing(make_folder({"malignant": 2, "benign": 3}, size=(12, 10)), tmp_path)
    assert samples.columns.tolist() == COLUMNS
    assert samples["id"].tolist() == [
        *(f"benign/benign_{n}.png" for n in range(3)),
        *(f"malignant/malignant_{n}.png" for n in range(2)),
    ]
    assert samples["class"].tolist() == ["benign"] * 3 + ["malignant"] * 2
    assert samples["target"].tolist() == [0, 0, 0, 1, 1]
    assert (samples[["group", "official_split"]] == "").all(axis=None)
    assert set(zip(samples["width"], samples["height"], strict=True)) == {(12, 10)}
    assert samples["file_bytes"].tolist() == [Path(path).stat().st_size for path in samples["path"]]


def test_folders_within_class_folders_are_read_and_other_files_ignored(
    make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    definition = make_folder({"benign": 1, "malignant": 1})
    benign = tmp_path / "images" / "benign"
    (benign / "deeper").mkdir()
    Image.new("RGB", (8, 8)).save(benign / "deeper" / "UPPER.PNG")
    (benign / "notes.txt").write_text("about these images")
    assert set(listing(definition, tmp_path)["id"]) == {
        "benign/benign_0.png",
        "benign/deeper/UPPER.PNG",
        "malignant/malignant_0.png",
    }
    assert capsys.readouterr().err.splitlines() == [
        "1 files are no images of a class and were ignored: benign/notes.txt",
        "ignored: 1 .txt files (benign 1)",
    ]


def test_file_facts_are_those_pillow_sees(make_folder: MakeFolder, tmp_path: Path) -> None:
    definition = make_folder({"benign": 1, "malignant": 1})
    for number, kind in enumerate(KINDS):
        write_image(kind, tmp_path / "images" / "benign", 20 + number, 10)
    samples = listing(definition, tmp_path)
    assert len(samples) == len(KINDS) + 2
    for row in samples.itertuples():
        with Image.open(row.path) as image:
            assert (row.width, row.height, row.mode, row.format) == (*image.size, image.mode, image.format)
    turned = samples["path"].str.contains("to_be_turned")
    assert (samples.loc[turned, "orientation"] == TURNED).all()
    assert (samples.loc[~turned, "orientation"] == 1).all()


def test_a_table_gives_ids_groups_and_the_official_split(make_folder: MakeFolder, tmp_path: Path) -> None:
    table = rows(
        id=["007", "NA", "c", "b", "a"],
        group=["01", "01", "", "2", "1e5"],
        split=["train", "train", "", "test", "val"],
    )
    samples = listing(with_table(make_folder, tmp_path, table, group="patient"), tmp_path).set_index("id")
    # As text: 007 keeps its zeros, and an id that pandas takes for missing is a name like any other.
    assert samples["group"].to_dict() == {"007": "01", "NA": "01", "c": "", "b": "2", "a": "1e5"}
    assert samples["official_split"].tolist() == ["train", "train", "val", "test", ""]
    assert samples.index.tolist() == ["007", "NA", "a", "b", "c"]


def test_columns_of_a_table_may_have_other_names(make_folder: MakeFolder, tmp_path: Path) -> None:
    table = rows().rename(columns={"path": "file", "class": "diagnosis"}).assign(case=list("vwxyz"))
    columns = {"path": "file", "class": "diagnosis", "group": "case"}
    definition = with_table(make_folder, tmp_path, table, source={"columns": columns}, group="case")
    assert listing(definition, tmp_path)["group"].tolist() == list("vwxyz")


def test_a_table_may_list_some_of_the_images(make_folder: MakeFolder, tmp_path: Path) -> None:
    definition = with_table(make_folder, tmp_path, rows().iloc[1:4])
    assert len(listing(definition, tmp_path)) == 3


def test_a_pattern_reads_the_group_off_the_path(make_folder: MakeFolder, tmp_path: Path) -> None:
    definition = make_folder(
        {"benign": 3, "malignant": 2}, source={"group_pattern": r"_(\d+)\.png$"}, group="patient"
    )
    assert listing(definition, tmp_path)["group"].tolist() == ["0", "1", "2", "0", "1"]
    assert facts(tmp_path)["groups"] == 3


def test_every_label_rule_has_its_targets(make_folder: MakeFolder, tmp_path: Path) -> None:
    definition = make_folder(
        {"a": 1, "b": 2, "c": 3},
        labels={"printed": {"positive": ["c"]}, "each": {}, "other": {"positive": ["a", "b"]}},
    )
    samples = listing(definition, tmp_path)
    assert samples["target"].tolist() == [0, 0, 0, 1, 1, 1]
    assert samples["target_each"].tolist() == [0, 1, 1, 2, 2, 2]
    assert samples["target_other"].tolist() == [1, 1, 1, 0, 0, 0]
    assert facts(tmp_path)["targets"] == {
        "printed": {"0": 3, "1": 3},
        "each": {"0": 1, "1": 2, "2": 3},
        "other": {"1": 3, "0": 3},
    }


def test_the_number_of_threads_changes_nothing(make_folder: MakeFolder, tmp_path: Path) -> None:
    definition = make_folder({"benign": 20, "malignant": 20})
    for threads in (1, 8):
        list_samples("small", definition, tmp_path, tmp_path / str(threads), threads)
    for name in ("samples.csv", "dataset.json"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "8" / name).read_bytes()


def test_counts_that_agree_with_the_definition_pass(make_folder: MakeFolder, tmp_path: Path) -> None:
    definition = make_folder(
        {"benign": 3, "malignant": 2}, expected={"images": 5, "classes": {"benign": 3, "malignant": 2}}
    )
    assert len(listing(definition, tmp_path)) == 5
    assert facts(tmp_path)["discrepancies"] == []
    assert facts(tmp_path)["classes"] == {"benign": 3, "malignant": 2}


# Folders and tables that are not as they should be


def test_a_missing_folder_is_named(make_definition: Callable[..., Definition], tmp_path: Path) -> None:
    definition = make_definition(source={"kind": "folder", "path": str(tmp_path / "nowhere")})
    assert f"source.path: there is no folder {tmp_path / 'nowhere'}" in refusal(definition, tmp_path)


def test_a_missing_class_folder_is_named(make_folder: MakeFolder, tmp_path: Path) -> None:
    message = refusal(make_folder({"benign": 2}, classes=["benign", "malignant"]), tmp_path)
    assert f"class folder missing in {tmp_path / 'images'}: malignant; found benign" in message


def test_an_extra_class_folder_is_named(make_folder: MakeFolder, tmp_path: Path) -> None:
    message = refusal(
        make_folder({"benign": 2, "malignant": 2, "masks": 1}, classes=["benign", "malignant"]), tmp_path
    )
    assert "folders that are no class of the definition: masks" in message
    assert "add them to `classes:` or move them away" in message


def test_a_hidden_folder_is_no_class(make_folder: MakeFolder, tmp_path: Path) -> None:
    definition = make_folder({"benign": 2, "malignant": 2})
    (tmp_path / "images" / ".cache").mkdir()
    assert len(listing(definition, tmp_path)) == 4


def test_an_empty_class_is_named(make_folder: MakeFolder, tmp_path: Path) -> None:
    message = refusal(make_folder({"benign": 2, "malignant": 0}), tmp_path)
    assert message == (
        "dataset 'small': no image of the class malignant; bring its images, or take it out of `classes:`"
    )


@pytest.mark.parametrize("keys", [{}, {"group": "patient"}])
def test_folders_without_any_image_say_so(
    keys: dict[str, str], make_folder: MakeFolder, tmp_path: Path
) -> None:
    message = refusal(make_folder({"benign": 0, "malignant": 0}, **keys), tmp_path)
    assert message == f"dataset 'small': no image was found in {tmp_path / 'images'}"


def test_a_table_that_names_missing_files(make_folder: MakeFolder, tmp_path: Path) -> None:
    table = rows()
    table.loc[[1, 4], "path"] = ["benign/gone.png", "lost.png"]
    message = refusal(with_table(make_folder, tmp_path, table), tmp_path)
    assert f"{tmp_path / 'table.csv'} names 2 files that are not in {tmp_path / 'images'}" in message
    assert "'benign/gone.png' (line 3), 'lost.png' (line 6); mend these rows" in message


@pytest.mark.parametrize(
    ("table", "source", "lacking"),
    [
        (rows().drop(columns="class"), {}, "class"),
        (rows().drop(columns="path"), {}, "path"),
        (rows(), {"columns": {"group": "patient_id"}}, "patient_id"),
        (rows(), {"columns": {"path": "file"}}, "file"),
    ],
)
def test_a_table_that_lacks_a_column(
    table: pd.DataFrame, source: dict[str, object], lacking: str, make_folder: MakeFolder, tmp_path: Path
) -> None:
    message = refusal(with_table(make_folder, tmp_path, table, source=source), tmp_path)
    assert f"has no column '{lacking}'; its columns are {', '.join(table.columns)}" in message


def test_a_table_that_names_an_unknown_class(make_folder: MakeFolder, tmp_path: Path) -> None:
    table = rows(**{"class": ["benign", "benign", "Benign", "malignant", "malignant"]})
    message = refusal(with_table(make_folder, tmp_path, table), tmp_path)
    assert "'Benign' (did you mean 'benign'?) in line 4" in message
    assert "the definition's are benign, malignant" in message


def test_a_table_of_one_class_only(make_folder: MakeFolder, tmp_path: Path) -> None:
    message = refusal(with_table(make_folder, tmp_path, rows().iloc[:3]), tmp_path)
    assert "no image of the class malignant" in message


def test_a_file_that_a_source_lists_under_two_ids_is_named(
    make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which no source of nullcrop's own does; one of an extension may."""
    definition = with_table(make_folder, tmp_path, rows())
    listing = list_images(definition, tmp_path / "archive")
    listing["path"] = [listing["path"][1], *listing["path"][1:]]
    monkeypatch.setattr("nullcrop.datasets.samples.list_images", lambda *_: listing)
    words = f"'small': 1 files are listed more than once under different ids: {listing['path'][1]}"
    assert words in refusal(definition, tmp_path)


def test_duplicate_ids_are_named(make_folder: MakeFolder, tmp_path: Path) -> None:
    definition = with_table(make_folder, tmp_path, rows(id=["x", "y", "x", "z", "z"]))
    images = tmp_path / "images"
    assert (
        "dataset 'small': 2 ids occur more than once: "
        f"'x' ({images}/benign/benign_0.png, {images}/benign/benign_2.png), "
        f"'z' ({images}/malignant/malignant_0.png, {images}/malignant/malignant_1.png); each image"
    ) in refusal(definition, tmp_path)


def test_an_image_listed_twice_is_a_duplicate(make_folder: MakeFolder, tmp_path: Path) -> None:
    again = pd.concat([rows(), rows().iloc[[0]].assign(path="benign/../benign/benign_0.png")])
    message = refusal(with_table(make_folder, tmp_path, again), tmp_path)
    assert "names 1 files more than once: lines 2, 7 (benign/benign_0.png)" in message


def test_an_unknown_part_of_the_official_split_is_named(make_folder: MakeFolder, tmp_path: Path) -> None:
    definition = with_table(make_folder, tmp_path, rows(split=["train", "train", "Test", "test", "val"]))
    assert "official split 'Test' (did you mean 'test'?); it must be train, val, test or empty" in refusal(
        definition, tmp_path
    )


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00path", b'path,class\n"x,y\n'])
def test_a_table_that_cannot_be_read_is_named(
    content: bytes | None, make_folder: MakeFolder, tmp_path: Path
) -> None:
    path = tmp_path / "table.csv"
    if content is not None:
        path.write_bytes(content)
    definition = make_folder({"benign": 1, "malignant": 1}, source={"table": str(path)})
    assert f"source.table: cannot read {path}: " in refusal(definition, tmp_path)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("p(\\d+", "is not a regular expression: "),
        (r"_\d+", "must have exactly one bracketed part, not 0"),
        (r"(\w+)_(\d+)", "must have exactly one bracketed part, not 2"),
        (
            r"benign_(\d+)",
            "matches no group in 2 paths: malignant/malignant_0.png, malignant/malignant_1.png",
        ),
        (r"benign_|malignant_(\d+)", "matches no group in 3 paths: benign/benign_0.png"),
    ],
)
def test_a_wrong_group_pattern(pattern: str, words: str, make_folder: MakeFolder, tmp_path: Path) -> None:
    definition = make_folder(
        {"benign": 3, "malignant": 2}, source={"group_pattern": pattern}, group="patient"
    )
    message = refusal(definition, tmp_path)
    assert message.startswith("source.group_pattern ")
    assert words in message


def test_a_group_key_without_any_group(make_folder: MakeFolder, tmp_path: Path) -> None:
    message = refusal(make_folder({"benign": 2, "malignant": 2}, group="patient"), tmp_path)
    assert "the definition names the group key 'patient', but no image has a group" in message


# Files that are no images


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.fixture
def damaged(make_folder: MakeFolder, tmp_path: Path) -> Callable[..., Definition]:
    """Four benign images, of which one is truncated and one no image, and two malignant ones."""

    def make(**changes: object) -> Definition:
        definition = make_folder({"benign": 4, "malignant": 2}, size=(40, 30), **changes)
        truncate(tmp_path / "images/benign/benign_1.png")
        (tmp_path / "images/benign/benign_2.png").write_text("<html>404 not found</html>")
        return definition

    return make


def test_unreadable_images_are_named_with_the_reason(
    damaged: Callable[..., Definition], tmp_path: Path
) -> None:
    message = refusal(damaged(), tmp_path)
    assert "dataset 'small': 2 of 6 images cannot be read" in message
    assert f"{tmp_path}/images/benign/benign_1.png (OSError: image file is truncated" in message
    assert (
        f"{tmp_path}/images/benign/benign_2.png (it is a web page, so its download failed: fetch it again)"
        in message
    )
    assert "set `unreadable: leave_out` in the definition to go on without them" in message


def test_a_truncated_jpeg_is_found_too(make_folder: MakeFolder, tmp_path: Path) -> None:
    definition = make_folder({"benign": 2, "malignant": 2})
    path = write_image("colour jpeg", tmp_path / "images" / "benign", 60, 60)
    truncate(path)
    assert f"1 of 5 images cannot be read: {path} (" in refusal(definition, tmp_path)


def test_unreadable_images_are_left_out_and_listed_when_the_definition_says_so(
    damaged: Callable[..., Definition], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = listing(damaged(unreadable="leave_out"), tmp_path)
    assert samples["id"].tolist() == [
        "benign/benign_0.png",
        "benign/benign_3.png",
        "malignant/malignant_0.png",
        "malignant/malignant_1.png",
    ]
    numbers = ["target", "width", "height", "file_bytes", "orientation"]
    assert [samples[name].dtype for name in numbers] == [np.dtype(np.int64)] * 5
    left_out = facts(tmp_path)["left_out"]
    assert isinstance(left_out, list)
    assert [Path(entry["path"]).name for entry in left_out] == ["benign_1.png", "benign_2.png"]
    assert "truncated" in left_out[0]["problem"]
    assert facts(tmp_path)["images"] == 4
    shown = capsys.readouterr().err
    assert f"left out: {tmp_path}/images/benign/benign_1.png (OSError: " in shown


def test_the_table_returned_is_the_table_written(damaged: Callable[..., Definition], tmp_path: Path) -> None:
    returned = list_samples("small", damaged(unreadable="leave_out"), tmp_path, tmp_path, threads=2)
    pd.testing.assert_frame_equal(returned, read_samples(tmp_path / "samples.csv"))


def test_images_left_out_are_missing_from_the_expected_counts(
    damaged: Callable[..., Definition], tmp_path: Path
) -> None:
    message = refusal(damaged(unreadable="leave_out", expected={"classes": {"benign": 4}}), tmp_path)
    assert "class benign: expected 4, found 2" in message


def test_leaving_out_every_image_of_a_class_is_refused(make_folder: MakeFolder, tmp_path: Path) -> None:
    definition = make_folder({"benign": 2, "malignant": 1}, unreadable="leave_out")
    truncate(tmp_path / "images/malignant/malignant_0.png")
    assert refusal(definition, tmp_path) == (
        "dataset 'small': no image of the class malignant; all of them were left out as unreadable or too "
        "small"
    )


# Images too small


def with_strips(make_folder: MakeFolder, folder: Path, **changes: object) -> Definition:
    """Three benign and two malignant images of 40×30; 40×4, 5×30 and 3×2 pixels among the malignant."""
    definition = make_folder({"benign": 3, "malignant": 2}, size=(40, 30), **changes)
    for name, size in {"low": (40, 4), "narrow": (5, 30), "tiny": (3, 2)}.items():
        Image.new("RGB", size).save(folder / "images" / "malignant" / f"{name}.png")
    return definition


def test_images_below_the_smallest_side_are_left_out_by_name_and_size(
    make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = listing(with_strips(make_folder, tmp_path, smallest_side=6), tmp_path)
    assert len(samples) == 5
    assert samples["height"].min() == 30
    malignant = tmp_path / "images" / "malignant"
    assert facts(tmp_path)["left_out"] == [
        {"path": str(malignant / "low.png"), "problem": "40×4 pixels, smaller than 6"},
        {"path": str(malignant / "narrow.png"), "problem": "5×30 pixels, smaller than 6"},
        {"path": str(malignant / "tiny.png"), "problem": "3×2 pixels, smaller than 6"},
    ]
    assert facts(tmp_path)["classes"] == {"benign": 3, "malignant": 2}
    assert f"left out: {malignant}/low.png (40×4 pixels, smaller than 6)" in capsys.readouterr().err


def test_images_as_large_as_the_smallest_side_stay(make_folder: MakeFolder, tmp_path: Path) -> None:
    assert len(listing(with_strips(make_folder, tmp_path, smallest_side=5), tmp_path)) == 6
    assert [one["problem"] for one in facts(tmp_path)["left_out"]] == [  # type: ignore[attr-defined]
        "40×4 pixels, smaller than 5",
        "3×2 pixels, smaller than 5",
    ]


def test_small_images_are_counted_before_they_are_left_out(make_folder: MakeFolder, tmp_path: Path) -> None:
    expected = {"images": 8, "classes": {"benign": 3, "malignant": 5}}
    definition = with_strips(make_folder, tmp_path, smallest_side=6, expected=expected)
    assert len(listing(definition, tmp_path)) == 5
    assert facts(tmp_path)["counted"] == {**expected, "splits": {}, "split_classes": {}}
    (tmp_path / "images/malignant/low.png").unlink()
    (tmp_path / "out/samples.csv").unlink()
    assert "images: expected 8, found 7; class malignant: expected 5, found 4" in refusal(
        definition, tmp_path
    )


def test_leaving_out_every_small_image_of_a_class_is_refused(make_folder: MakeFolder, tmp_path: Path) -> None:
    definition = with_strips(make_folder, tmp_path, smallest_side=31)
    assert "no image of the class benign, malignant; all of them were left out" in refusal(
        definition, tmp_path
    )


# Names that tell the class


PATTERN = r"(?P<split>train|test)/(?P<group>(?P<class>[a-z]+)_\d)"


def test_names_tell_class_group_and_split(
    make_definition: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["train/benign_0", "train/benign_1", "test/malignant_0.any", "elsewhere/benign_2.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (12, 10)).save(tmp_path / name, "PNG")
    source = {"kind": "folder", "path": str(tmp_path), "name_pattern": PATTERN}
    samples = listing(make_definition(source=source, group="number"), tmp_path)
    assert samples[["id", "class", "group", "official_split"]].to_numpy().tolist() == [
        ["test/malignant_0.any", "malignant", "malignant_0", "test"],
        ["train/benign_0", "benign", "benign_0", "train"],
        ["train/benign_1", "benign", "benign_1", "train"],
    ]
    assert "1 files do not match source.name_pattern and were ignored: elsewhere" in capsys.readouterr().err


def test_a_pattern_found_nowhere_is_named(make_folder: MakeFolder, tmp_path: Path) -> None:
    definition = make_folder({"benign": 1, "malignant": 1}, source={"name_pattern": "(?P<class>x+)$"})
    message = refusal(definition, tmp_path)
    assert "source.name_pattern is found in none of the 2 files below" in message
    assert "benign/benign_0.png" in message


def test_a_class_in_a_name_must_be_one_of_the_definition(make_folder: MakeFolder, tmp_path: Path) -> None:
    definition = make_folder({"benign": 1, "malignant": 1}, source={"name_pattern": "/(?P<class>[a-z]+_)"})
    message = refusal(definition, tmp_path)
    assert (
        "images of a class that the definition does not name: 'benign_' (did you mean 'benign'?)" in message
    )
    assert f"as {tmp_path}/images/benign/benign_0.png has it" in message


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"name_pattern": "("}, "is not a regular expression"),
        ({"name_pattern": "([a-z]+)"}, "must name the part (?P<class>…)"),
        ({"name_pattern": "(?P<class>a)(?P<patient>b)"}, "it names class, patient"),
        ({"name_pattern": "(?P<class>a)", "group_pattern": "(b)"}, "leave out table and group_pattern"),
        ({"name_pattern": "(?P<class>a)", "table": "t.csv"}, "leave out table and group_pattern"),
    ],
)
def test_patterns_that_cannot_be_are_refused_with_the_definition(
    make_folder: MakeFolder, source: dict[str, str], words: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        make_folder({"benign": 1, "malignant": 1}, source=source)


# Counts


EXPECTED = {
    "images": 6,
    "classes": {"benign": 3, "malignant": 3},
    "splits": {"train": 2, "test": 3},
    "split_classes": {"test": {"malignant": 3}},
}
DIFFERENCES = [
    "images: expected 6, found 5",
    "class malignant: expected 3, found 2",
    "official split train: expected 2, found 3",
    "official split test: expected 3, found 2",
    "official split test, class malignant: expected 3, found 2",
]
SPLIT = ["train"] * 3 + ["test"] * 2


def test_counts_that_differ_are_an_error(make_folder: MakeFolder, tmp_path: Path) -> None:
    message = refusal(with_table(make_folder, tmp_path, rows(split=SPLIT), expected=EXPECTED), tmp_path)
    assert f"counts differ from the definition: {'; '.join(DIFFERENCES)}." in message
    assert "set `on_mismatch: report`" in message


def test_counts_that_differ_are_reported_when_the_definition_says_so(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    definition = with_table(make_folder, tmp_path, rows(split=SPLIT), expected=EXPECTED, on_mismatch="report")
    assert len(listing(definition, tmp_path)) == 5
    assert facts(tmp_path)["discrepancies"] == DIFFERENCES


def test_samples_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(NullcropError, match=r"cannot read .*samples\.csv"):
        read_samples(tmp_path / "samples.csv")


# Values of more than 8 bits, and files of several images


def sixteen_bits(make_folder: MakeFolder, folder: Path, *highest: int, **keys: object) -> Definition:
    """Gray images of 16 bits, of which each class has those whose ``highest`` values are given."""
    definition = make_folder({"benign": 1, "malignant": 1}, **keys)
    for name in ("benign", "malignant"):
        for number, most in enumerate(highest):
            values = np.full((10, 12), most, dtype=np.uint16)
            values[0, 0] = 0
            Image.fromarray(values).save(folder / "images" / name / f"deep_{number}.png")
    return definition


def test_fewer_bits_than_sixteen_stop_the_listing_in_words(make_folder: MakeFolder, tmp_path: Path) -> None:
    message = refusal(sixteen_bits(make_folder, tmp_path, 249, 4095), tmp_path)
    assert "4 images have values of 16 bits, of which the highest 8 are kept" in message
    assert "theirs are 0 to 4095, which takes 12 bits" in message
    assert "`bits: 12` holds them" in message
    assert "`window: {center: 2047.5, width: 4095}`" in message
    assert "`bits: 16`" in message


@pytest.mark.parametrize("rule", [{"bits": 12}, {"bits": 16}, {"window": {"center": 2000, "width": 4000}}])
def test_a_rule_of_values_is_recorded(
    rule: dict[str, object], make_folder: MakeFolder, tmp_path: Path
) -> None:
    definition = sixteen_bits(make_folder, tmp_path, 249, 4095, **rule)
    assert len(listing(definition, tmp_path)) == 6
    recorded = {"window": [2000, 4000]} if "window" in rule else rule
    assert facts(tmp_path)["values"] == {"images": 4, "lowest": 0, "highest": 4095, **recorded}


def test_values_of_true_sixteen_bits_need_no_rule(
    make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listing(sixteen_bits(make_folder, tmp_path, 32_768, 30_000, 50), tmp_path)
    assert facts(tmp_path)["values"] == {"images": 6, "lowest": 0, "highest": 32_768}
    assert "note" not in capsys.readouterr().err


def test_few_marks_in_shallow_images_are_noted(
    make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listing(sixteen_bits(make_folder, tmp_path, 65_535, 4000, 50), tmp_path)
    assert "note: 4 of 6 images with values of 16 bits use 12 or fewer" in capsys.readouterr().err


def test_values_beyond_the_rule_are_refused(make_folder: MakeFolder, tmp_path: Path) -> None:
    message = refusal(sixteen_bits(make_folder, tmp_path, 5000, bits=12), tmp_path)
    assert "2 of 4 images cannot be read" in message
    assert "(pixel values 0 to 5000 do not fit in 12 bits, which is the definition's `bits`)" in message


def test_images_of_eight_bits_have_no_record_of_values(make_folder: MakeFolder, tmp_path: Path) -> None:
    listing(make_folder({"benign": 1, "malignant": 1}), tmp_path)
    assert facts(tmp_path)["values"] is None
    assert facts(tmp_path)["several_frames"] == {}


def floats(folder: Path, *names: str) -> None:
    for name in names:
        Image.fromarray(np.array([[-0.5, 1.5]] * 2, dtype=np.float32)).save(folder / "images" / name)


def test_colours_of_few_of_sixteen_bits_stop_the_listing(make_folder: MakeFolder, tmp_path: Path) -> None:
    for keys in ({}, {"bits": 16}):
        definition = make_folder({"benign": 1, "malignant": 1}, **keys)
        values = np.random.default_rng(0).integers(0, 3000, (10, 12, 3)).astype(np.uint16)
        write_png16(tmp_path / "images/benign/deep.png", values)
        if keys:
            assert len(listing(definition, tmp_path)) == 3
        else:
            message = refusal(definition, tmp_path)
            assert "1 images have colours of 16 bits a channel" in message
            assert "save them with 8 bits a channel, or set `bits: 16`" in message


def test_a_floating_point_image_is_left_out_where_unreadable_ones_are(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    definition = make_folder({"benign": 2, "malignant": 2}, unreadable="leave_out")
    floats(tmp_path, "benign/imagej.tif")
    samples = listing(definition, tmp_path)
    assert len(samples) == 4
    left_out = facts(tmp_path)["left_out"]
    assert isinstance(left_out, list)
    assert "floating-point pixels have no agreed range" in left_out[0]["problem"]
    # What was listed can be packed.
    write_store(samples, tmp_path / "views", ["original"], 4, 4, 1)


def test_a_window_is_proposed_where_all_that_lacks_is_a_range(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    definition = make_folder({"benign": 2, "malignant": 2})
    floats(tmp_path, "benign/a.tif", "malignant/a.tif")
    message = refusal(definition, tmp_path)
    assert "2 of 6 images have values without an agreed range" in message
    assert "`window: {center: 0.5, width: 2}` holds all their values" in message


def test_where_no_image_can_be_read_the_empty_class_is_named(make_folder: MakeFolder, tmp_path: Path) -> None:
    definition = make_folder({"benign": 0, "malignant": 0}, unreadable="leave_out")
    floats(tmp_path, "benign/a.tif", "malignant/a.tif")
    (tmp_path / "images/benign/b.png").write_bytes(b"no image")
    assert "no image of the class benign, malignant" in refusal(definition, tmp_path)


def test_a_window_is_proposed_where_every_image_would_be_left_out(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    definition = make_folder({"benign": 0, "malignant": 0}, unreadable="leave_out")
    floats(tmp_path, "benign/a.tif", "malignant/a.tif")
    message = refusal(definition, tmp_path)
    assert "2 of 2 images have values without an agreed range" in message
    assert "`window: {center: 0.5, width: 2}` holds all their values" in message


def test_pages_of_a_tiff_are_counted_and_the_first_is_read(
    make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    definition = make_folder({"benign": 1, "malignant": 1})
    pages = [Image.new("RGB", (12, 10), (page, 0, 0)) for page in range(5)]
    for name, number in (("benign", 2), ("malignant", 5)):
        pages[0].save(tmp_path / f"images/{name}/a.tif", save_all=True, append_images=pages[1:number])
        assert (read_rgb(tmp_path / f"images/{name}/a.tif") == 0).all()
    listing(definition, tmp_path)
    assert facts(tmp_path)["several_frames"] == {"TIFF": {"images": 2, "most": 5, "read": "the first"}}
    assert "2 TIFF files hold several images (at most 5); the first is read" in capsys.readouterr().err


def test_one_rule_of_values_and_one_way_to_groups(make_folder: MakeFolder) -> None:
    def refused(words: str, **keys: object) -> None:
        with pytest.raises(ValueError, match=words):
            make_folder({"benign": 1, "malignant": 1}, **keys)

    refused("leave out one", bits=12, window={"center": 1, "width": 2})
    refused("greater than or equal to 8", bits=7)
    refused("greater than 0", window={"center": 1, "width": 0})
    refused("say under `group` what they are", group_from="patient")
    refused("leave out one", group="patient", group_from="patient", groups="groups.csv")


def test_groups_of_dicom_files_are_asked_of_pictures_in_vain(make_folder: MakeFolder, tmp_path: Path) -> None:
    definition = make_folder({"benign": 1, "malignant": 1}, group="patient", group_from="patient")
    assert "group_from: 2 of 2 images tell no patient" in refusal(definition, tmp_path)
