"""Attributes on images of which it is known what goes with the class, what shows in the corners, and what
does neither."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import sha256_of_lines, write_json
from nullcrop.cli import main
from nullcrop.config.cell import ReaderOnView
from nullcrop.config.definitions import Definition
from nullcrop.cues.attributes import (
    ATTRIBUTE_COLUMNS,
    attributes_of,
    attributes_sentence,
    blamed,
)
from nullcrop.datasets.attribute_values import attribute_of
from nullcrop.figures.attributes import plot_attributes
from nullcrop.report.contents import DatasetContents
from nullcrop.report.why import why_blocks
from nullcrop.splits import make_split
from nullcrop.statistics.auroc import TestSet, estimate_auroc, stratified_auroc
from nullcrop.statistics.crossfit import Reading
from nullcrop.survey.attributes import list_attributes


def splits_of(
    folder: Path, targets: np.ndarray, group: np.ndarray | str = "", protocol: str = "crossfit5"
) -> list[Path]:
    samples = pd.DataFrame({"id": [f"{row:04}" for row in range(len(targets))], "target": targets})
    samples = samples.assign(group=group, official_split="")
    paths = []
    for seed in range(5):
        path = folder / "printed" / protocol / f"seed{seed}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        make_split(samples, samples["target"], protocol, seed).to_csv(path, index=False)
        paths.append(path)
    return paths


def asked(
    folder: Path,
    columns: dict[str, np.ndarray],
    corners: np.ndarray,
    targets: np.ndarray,
    group: np.ndarray | str = "",
    crops: Reading | None = None,
    draws: int = 199,
) -> pd.DataFrame:
    """What is said of attributes, by their names."""
    attributes = [attribute_of(name, pd.Series(values).astype(str)) for name, values in columns.items()]
    splits = splits_of(folder, targets, group)
    return attributes_of(attributes, corners, splits, crops, 0.05, 1, draws).set_index("attribute")


COUNT = 200


def a_clinic(seed: int = 0, count: int = COUNT) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Attributes, features of corners and targets. The scanner goes with the class and shows in the corners;
    the exposure shows there alone, the age goes with the class alone, the day with nothing."""
    rng = np.random.default_rng(seed)
    targets = rng.permutation(np.arange(count) % 2)
    scanner = np.where(rng.random(count) < 0.8, targets, 1 - targets)
    exposure = rng.normal(size=count)
    corners = rng.normal(size=(count, 12))
    corners[:, 0] += 2 * scanner
    corners[:, 1] += 2 * exposure
    columns = {
        "scanner": np.array(["old", "new"])[scanner],
        "exposure": exposure.round(4),
        "age": rng.normal(50 + 8 * targets, 8).round(1),
        "day": rng.choice(["mon", "tue", "wed"], count),
    }
    return columns, corners, targets


def test_only_what_goes_with_the_class_and_shows_in_the_corners_is_blamed(tmp_path: Path) -> None:
    table = asked(tmp_path, *a_clinic())
    assert (table["tells_target_low"] > 0.5).to_dict() == {
        "scanner": True, "exposure": False, "age": True, "day": False
    }  # fmt: skip
    assert (table["read_low"] > 0.5).to_dict() == {
        "scanner": True, "exposure": True, "age": False, "day": False
    }  # fmt: skip
    assert blamed(table.reset_index())["attribute"].tolist() == ["scanner"]
    # Corners show the class through the scanner alone: among images of one scanner they tell nothing.
    assert table.loc["scanner", "explained_low"] > 0
    assert table.loc["scanner", "auroc_within"] == pytest.approx(0.5, abs=0.06)
    assert (table.loc[["exposure", "age", "day"], "explained_low"] < 0).all()
    assert table[["tells_target", "read_from_crops"]].to_numpy() == pytest.approx(
        table[["tells_target", "read_from_crops"]].clip(0, 1).to_numpy()
    )


def test_a_class_that_corners_tell_by_itself_blames_no_attribute_that_goes_with_it(tmp_path: Path) -> None:
    """Over all classes the corners would tell the age, by way of the class."""
    columns, corners, targets = a_clinic(1)
    corners[:, 2] += 3 * targets
    table = asked(tmp_path, {"age": columns["age"]}, corners, targets)
    assert table.loc["age", "tells_target_low"] > 0.6
    assert table.loc["age", "auroc"] > 0.9
    assert table.loc["age", "read_low"] < 0.5
    # Among images of one age the corners tell the class as well.
    assert table.loc["age", "explained"] == pytest.approx(0, abs=0.03)


@pytest.mark.long
def test_what_is_unrelated_is_blamed_at_no_more_than_the_nominal_rate(tmp_path: Path) -> None:
    """One attribute that corners tell and two that go with the class, none both, and one that does neither,
    beside a cue that shows the class itself; in half of the draws both images of a patient are alike."""
    draws, count = 60, 40
    once = np.arange(count) % 2
    patients = np.repeat([f"p{row}" for row in range(count)], 2)
    targets = {1: once, 2: np.repeat(once, 2)}
    splits = {1: splits_of(tmp_path / "images", once), 2: splits_of(tmp_path / "p", targets[2], patients)}
    alarms = np.zeros(3)
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        corners = rng.normal(size=(count, 6))
        columns = {
            "exposure": corners[:, 0] + rng.normal(0, 0.3, count),
            "age": once + rng.normal(size=count),
            "ward": np.where(rng.random(count) < 0.75, once, 1 - once),
            "day": rng.integers(0, 3, count),
        }
        corners[:, 2] += once
        each = 1 + seed % 2
        attributes = [
            attribute_of(name, pd.Series(np.repeat(values, each)).astype(str))
            for name, values in columns.items()
        ]
        corners = np.repeat(corners, each, axis=0)
        table = attributes_of(attributes, corners, splits[each], None, 0.05, 1, 99).set_index("attribute")
        alarms += [
            (table.loc[["exposure", "day"], "tells_target_low"] > 0.5).any(),
            (table.loc[["age", "ward", "day"], "read_low"] > 0.5).any(),
            len(blamed(table.reset_index())) > 0,
        ]
    assert (alarms <= binom.ppf(0.995, draws, 0.05)).all()


def test_gaps_are_left_out_and_counted_and_odd_attributes_say_what_they_are(tmp_path: Path) -> None:
    columns, corners, targets = a_clinic(2)
    few = np.where(np.arange(COUNT) < 3, columns["scanner"], "")
    half = np.where(np.arange(COUNT) % 2 == 0, columns["scanner"], "")
    odd = {
        "one": np.full(COUNT, "x"),
        "number": np.array([f"n{row}" for row in range(COUNT)]),
        "nothing": np.full(COUNT, ""),
        "few": few,
        "the_class": targets,
        "half": half,
    }
    table = asked(tmp_path, odd, corners, targets)
    assert table.loc["half", ["n", "gaps"]].tolist() == [100, 100]
    assert table.loc["half", "tells_target_low"] > 0.5
    assert table["remark"].to_dict() == {
        "one": "all images have one value",
        "number": "no value is shared by independent images",
        "nothing": "no image has a value",
        "few": "a class has values in one group at most",
        "the_class": "within no class a value is held by five independent images, and others by five",
        "half": "",
    }
    assert table.loc["the_class", "tells_target"] == 1
    assert table.loc[["one", "number", "nothing", "few"], "tells_target"].isna().all()
    assert pd.isna(table.loc["the_class", "read_from_crops"])


def test_an_attribute_of_many_classes_is_asked_for_as_well(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    targets = np.arange(240) % 3
    site = np.where(rng.random(240) < 0.8, targets, rng.integers(0, 3, 240))
    corners = rng.normal(size=(240, 6))
    corners[np.arange(240), site] += 3
    columns = {"site": np.array(["a", "b", "c"])[site], "day": rng.integers(0, 3, 240)}
    table = asked(tmp_path, columns, corners, targets)
    assert blamed(table.reset_index())["attribute"].tolist() == ["site"]
    assert table.loc["site", "explained_low"] > 0
    assert table.loc["day", "explained"] == pytest.approx(0, abs=0.05)


def test_what_the_readers_of_a_study_say_stands_in_place_of_the_ridge(tmp_path: Path) -> None:
    columns, corners, targets = a_clinic(4)
    ids = np.array([f"{row:04}" for row in range(COUNT)])[20:]
    test = TestSet(targets[20:], np.full(COUNT - 20, ""), "tested", ids)
    reader = ReaderOnView("clinic", "printed", "crossfit5", "together", "average", "average")
    score = targets[20:] - 0.5 + np.random.default_rng(0).normal(0, 0.4, COUNT - 20)
    read = Reading(reader, tuple(range(5)), test, score, np.zeros(COUNT - 20), 1.2, 100.0, 0)
    table = asked(tmp_path, columns, corners, targets, crops=read)
    assert (table["reader"] == "together").all()
    assert table["auroc"].to_numpy() == pytest.approx(estimate_auroc(test, score)[0].value)
    by_hand = [
        score[(targets[20:] == 1) & (columns["scanner"][20:] == value)][:, None]
        > score[(targets[20:] == 0) & (columns["scanner"][20:] == value)]
        for value in ("old", "new")
    ]
    pairs = sum(one.size for one in by_hand)
    assert table.loc["scanner", "auroc_within"] == pytest.approx(sum(one.sum() for one in by_hand) / pairs)
    assert table.loc["scanner", "pairs_within"] == pytest.approx(
        pairs / ((targets[20:] == 1).sum() * (targets[20:] == 0).sum())
    )


@st.composite
def scored(draw: st.DrawFn) -> tuple[TestSet, np.ndarray, np.ndarray]:
    count = draw(st.integers(6, 14))

    def column(most: int) -> np.ndarray:
        return np.array(draw(st.lists(st.integers(0, most), min_size=count, max_size=count)))

    targets = column(1)
    targets[:4] = [0, 1, 0, 1]
    group = np.array([f"g{number}" if number else "" for number in column(4)])
    return TestSet(targets, group), column(4) / 4, column(2)


def pairs_of(test: TestSet, score: np.ndarray, stratum: np.ndarray, kept: np.ndarray) -> tuple[float, int]:
    """Pairs won within strata, and pairs, one by one."""
    won, count = 0.0, 0
    for i in np.flatnonzero(kept & (test.target == 1)):
        for j in np.flatnonzero(kept & (test.target == 0) & (stratum == stratum[i])):
            won, count = won + (np.sign(score[i] - score[j]) + 1) / 2, count + 1
    return won, count


@given(scored())
def test_pairs_within_strata_are_those_that_are_counted_one_by_one(
    case: tuple[TestSet, np.ndarray, np.ndarray],
) -> None:
    test, score, stratum = case
    every = np.ones(test.n, bool)
    value, influence, share = stratified_auroc(test, score, stratum)
    won, count = pairs_of(test, score, stratum, every)
    assert share == pytest.approx(count / pairs_of(test, score, 0 * stratum, every)[1])
    if not count:
        assert np.isnan(value)
        return
    assert value == pytest.approx(won / count)
    for unit in range(test.n_units):
        rest, left = pairs_of(test, score, stratum, test.unit != unit)
        assert influence[unit] == pytest.approx(value - rest / left if left else np.nan, nan_ok=True)
    whole = estimate_auroc(test, score)
    one = stratified_auroc(test, score, np.zeros(test.n, int))
    assert one[0] == pytest.approx(whole[0].value)
    assert one[1] == pytest.approx(whole[1], nan_ok=True)


def test_a_number_of_few_values_is_a_name() -> None:
    number, code = (attribute_of("x", pd.Series([str(i % most) for i in range(20)])) for most in (6, 5))
    assert number.numeric
    assert not code.numeric
    gaps = attribute_of("x", pd.Series(["10", "9", "", "inf", "9"]))
    assert not gaps.numeric
    assert gaps.known.tolist() == [True, True, False, True, True]
    ordered = attribute_of("x", pd.Series([f"{i}" for i in (100, 9, 8, 7, 6, 5, 4)]))
    assert ordered.codes.tolist() == [6, 5, 4, 3, 2, 1, 0]


def test_what_tells_images_apart_as_another_does_is_asked_for_once(tmp_path: Path) -> None:
    columns, corners, targets = a_clinic(6)
    again = {"age": columns["age"], "months": columns["age"] * 12, "day": columns["day"], "one": targets * 0}
    table = asked(tmp_path, again, corners, targets)
    assert table.loc["months", "remark"] == "tells images apart as age does"
    assert table["tells_target"].notna().tolist() == [True, False, True, False]


def row_of(name: str, tells: float, tells_low: float, read: float, read_low: float, **more) -> dict:
    row = {"labels": "printed", "split": "crossfit5", "attribute": name, "tells_target": tells}
    row |= {"tells_target_low": tells_low, "read_from_crops": read, "read_low": read_low}
    return {**row, "auroc": 0.8, "auroc_within": 0.6, "explained_low": -0.1, **more}


def test_the_sentence_blames_nothing_beyond_its_bounds() -> None:
    unrelated = [row_of("exposure", 0.5, 0.4, 0.9, 0.8), row_of("age", 0.9, 0.8, 0.6, 0.4999)]
    unasked = row_of("ward", 1, 0.9, np.nan, np.nan)
    table = pd.DataFrame([*unrelated, unasked])
    assert attributes_sentence(table, "printed", "crossfit5") == (
        "Of 2 attributes none is shown both to tell the class and to be told by crops within classes."
    )
    assert attributes_sentence(table, "printed", "random") == ""
    scanner = row_of("dicom_model", 0.76, 0.6666, 0.81, 0.7099, explained_low=0.05)
    table = pd.DataFrame([*unrelated, scanner])
    assert attributes_sentence(table, "printed", "crossfit5") == (
        "Crops tell the attribute “DICOM model” within classes (0.81, at least 0.70), and it tells the "
        "class (0.76, at least 0.66): it may be the way; among images alike in it the AUROC of crops is 0.60 "
        "in place of 0.80."
    )
    explaining = [np.nan, -0.3, -0.2, -0.1, -0.15]
    many = [row_of(f"a{i}", 0.9, 0.8, 0.9, 0.8, explained_low=low) for i, low in enumerate(explaining)]
    words = attributes_sentence(pd.DataFrame(many), "printed", "crossfit5")
    assert [words.find(f"“a{i}”") >= 0 for i in range(5)] == [False, False, True, True, True]
    assert words.count("it may be the way.") == 3
    assert words.endswith("The same is shown of 2 more.")


def test_the_page_has_a_table_of_all_attributes() -> None:
    asked = row_of("jpeg_quality", 0.9, 0.8, 0.9, 0.8)
    table = pd.DataFrame([asked, {"attribute": "site", "remark": "all images have one value", "n": 5}])
    definition = Definition.model_validate(DEFINITION)
    dataset = DatasetContents("d", definition, None, [], cues={"attributes": table})
    (shown,) = [one for block in why_blocks(dataset, 0.05) for one in block.tables]
    texts = [[field.text for field in row] for row in shown.rows]
    assert ["jpeg quality" in row for row in texts] == [True, False]
    assert "all images have one value" in texts[1]


def test_names_in_the_figure_cover_neither_each_other_nor_marks(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [row_of(f"an_attribute_{i}", *(rng.normal(0.52, 0.03, 4))) for i in range(40)]
    rows += [row_of("scanner", 0.9, 0.8, 0.9, 0.8), row_of("ward", 1, 0.9, np.nan, np.nan)]
    figure = plot_attributes(pd.DataFrame(rows), "Title", "Caption", tmp_path / "attributes")
    names = figure.axes[0].texts
    assert {"scanner", "ward"} <= {name.get_text() for name in names}
    renderer = figure.canvas.get_renderer()
    boxes = [name.get_window_extent(renderer) for name in names]
    assert len(boxes) > 5
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])
    assert {path.suffix for path in tmp_path.iterdir()} == {".pdf", ".svg", ".png"}


PHANTOM = {"kind": "phantom", "patients": 12, "images_per_patient": 2, "width": 64, "height": 64}
DEFINITION = {
    "title": "Phantom",
    "modality": "drawn",
    "field": "whole",
    "source": {**PHANTOM, "cue": {"kind": "session"}},
    "classes": ["benign", "malignant"],
    "group": "patient",
    "licence": "none",
    "citation": "none",
}


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom and its listing, in one folder."""
    folder = tmp_path_factory.mktemp("phantom")
    (folder / "d.yaml").write_text(Definition.model_validate(DEFINITION).model_dump_json(exclude_unset=True))
    of = ["--definition", str(folder / "d.yaml")]
    assert main(["generate-images", *of, "--out", str(folder / "archive")]) == 0
    listed = ["--dataset", "d", "--archive", str(folder / "archive"), "--out", str(folder), "--threads", "1"]
    assert main(["list-samples", *of, *listed]) == 0
    return folder


def attributes_in(phantom: Path, out: Path, **attributes) -> pd.DataFrame:
    definition = Definition.model_validate({**DEFINITION, "attributes": attributes})
    list_attributes(definition, phantom / "samples.csv", phantom / "archive", out / "attributes.csv", 1)
    return pd.read_csv(out / "attributes.csv", dtype=str, keep_default_na=False)


def test_attributes_of_the_sources_own_table_stand_before_what_is_measured(
    phantom: Path, tmp_path: Path
) -> None:
    found = attributes_in(phantom, tmp_path, columns=["session"])
    drawn = pd.read_csv(phantom / "archive/samples.csv", dtype=str).set_index("id")
    assert found["session"].tolist() == drawn.loc[found["id"], "session"].tolist()
    assert list(found)[:3] == ["id", "session", "width"]
    assert {"jpeg_quality", "format", "brightness", "tint_green_to_red"} <= set(found)
    # What is read in the corners would be told by them in any case.
    assert not any("corner" in name for name in found)
    assert found["width"].astype(float).eq(64).all()


def test_a_table_of_its_own_is_matched_by_id_or_file_name(
    phantom: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = pd.read_csv(phantom / "samples.csv", dtype=str)["id"].tolist()
    path = tmp_path / "m.csv"
    rows = [f"{name};{20 + i},5;{'unknown' if i == 2 else 'f'}" for i, name in enumerate(ids[:-1])]
    path.write_text("\n".join(["image;age;sex", *reversed(rows), "stranger;1,5;m"]))
    found = attributes_in(phantom, tmp_path, columns=["age", "sex"], table=str(path), id="image")
    assert found["age"].tolist() == [f"{20 + i}.5" for i in range(len(ids) - 1)] + [""]
    assert found["sex"].tolist()[:4] == ["f", "f", "", "f"]
    said = capsys.readouterr().err
    assert "no row for 1 of 24 images" in said
    assert "1 rows of no image, which count for nothing: stranger" in said
    assert "in 'age' a comma stands for the point" in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,age\n{0},1\n{0},2\n", "names 1 images more than once: {0} (lines 2, 3); keep one row of each"),
        ("id,Age\n{0},1\n", "has no column 'age' (did you mean 'Age'?); its columns are id, Age"),
        ("image,age\n{0},1\n", "has no column 'id'; its columns are image, age; name the column with"),
        ("id,age\nx,1\ny,2\n", "names none of the images: its column 'id' holds x, y, the images' ids are"),
        ("id,age,age\n{0},1,2\n", "has several columns age; rename all but one"),
        ("", "it is empty"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_in_words(
    phantom: Path, tmp_path: Path, text: str, words: str
) -> None:
    first = pd.read_csv(phantom / "samples.csv", dtype=str)["id"].iloc[0]
    (tmp_path / "m.csv").write_text(text.format(first))
    with pytest.raises(NullcropError) as error:
        attributes_in(phantom, tmp_path, columns=["age"], table=str(tmp_path / "m.csv"))
    assert words.format(first) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("source", "attributes", "words"),
    [
        ({"kind": "folder", "path": "x"}, {"columns": ["age"]}, "the source has no table of its own"),
        (PHANTOM, {"columns": ["age", "age"]}, "age is named twice"),
        (PHANTOM, {"columns": ["id"]}, "is no attribute"),
        (PHANTOM, {"columns": []}, "at least 1 item"),
    ],
)
def test_a_definition_whose_attributes_mean_nothing_is_refused(
    source: dict, attributes: dict, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        Definition.model_validate({**DEFINITION, "source": source, "attributes": attributes})


def test_the_command_reads_what_the_corners_show(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    count = 80
    targets = np.arange(count) % 2
    scanner = np.where(rng.random(count) < 0.85, targets, 1 - targets)
    images = rng.integers(90, 130, (count, 32, 32, 3), dtype=np.uint8)
    images[scanner == 1, :6, :6] += 30
    ids = [f"{row:04}" for row in range(count)]
    np.save(tmp_path / "original.npy", images)
    facts = {"images": count, "shape": list(images.shape), "sizes": None}
    write_json(tmp_path / "original.json", {**facts, "ids_sha256": sha256_of_lines(ids)})
    samples = pd.DataFrame({"id": ids, "class": targets, "group": "", "official_split": "", "width": 32})
    samples.assign(height=32, path="none.png").to_csv(tmp_path / "samples.csv", index=False)
    known = pd.DataFrame({"id": ids, "scanner": scanner, "day": rng.integers(0, 4, count)})
    known.to_csv(tmp_path / "known.csv", index=False)
    splits = [str(path) for path in splits_of(tmp_path, targets)]
    out = tmp_path / "attributes.csv"
    given = ["--attributes", str(tmp_path / "known.csv"), "--samples", str(tmp_path / "samples.csv")]
    given += ["--view", str(tmp_path / "original.json"), "--splits", *splits, "--cells", "[]"]
    given += ["--results", str(tmp_path), "--crop", "8x8", "--level", "0.05", "--threads", "1"]
    assert main(["read-attributes", *given, "--out", str(out)]) == 0
    table = pd.read_csv(out)
    assert list(table) == ATTRIBUTE_COLUMNS
    assert (table[["labels", "split"]] == ["printed", "crossfit5"]).all(axis=None)
    assert blamed(table)["attribute"].tolist() == ["scanner"]
    assert (table["reader"] == "ridge").all()
    # A table of other images is refused.
    known.iloc[1:].to_csv(tmp_path / "known.csv", index=False)
    assert main(["read-attributes", *given, "--out", str(out)]) == 1


def test_a_name_with_more_values_than_small_numbers_hold_is_read_by_those_that_images_share(
    tmp_path: Path,
) -> None:
    """150 values of one image each, before three that the corners show, in the order of the alphabet."""
    rng = np.random.default_rng(0)
    shown = rng.integers(0, 3, 150)
    corners = rng.normal(0, 0.3, (300, 4))
    corners[150:, 0] += 3 * shown
    values = np.array([f"a{i:03}" for i in range(150)] + [f"z{value}" for value in shown])
    order = rng.permutation(300)
    table = asked(tmp_path, {"room": values[order]}, corners[order], np.arange(300) % 2)
    assert table.loc["room", "read_low"] > 0.7


def test_what_is_explained_has_no_bounds_where_all_pairs_rest_on_one_image(tmp_path: Path) -> None:
    _, corners, targets = a_clinic(3)
    corners[:, 2] += 3 * targets
    room = np.array([f"r{target}" for target in targets])
    room[np.flatnonzero(targets == 1)[0]] = "r0"
    table = asked(tmp_path, {"room": room}, corners, targets)
    assert table.loc["room", "pairs_within"] < 0.02
    assert np.isnan(table.loc["room", "explained_low"])
