"""The cue spectrum of images with cues in known bands, each going with labels of its own, or with none."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.stats import binom

from nullcrop.cli import main
from nullcrop.config.definitions import Definition
from nullcrop.cues import spectrum
from nullcrop.cues.spectrum import (
    BLOCK_GRID,
    FILE_FACTS,
    PARTED,
    RIDGE,
    SPECTRUM_COLUMNS,
    WHOLE,
    Row,
    fact_features,
    features_of_image,
    patches,
    phase_means,
    picture_features,
    spectrum_sentence,
)
from nullcrop.figures.spectrum import plot_spectrum, readers_by_kind
from nullcrop.images.filters import FILTERS
from nullcrop.report.cards import _by_kind
from nullcrop.report.contents import DatasetContents
from nullcrop.report.why import why_blocks
from nullcrop.splits import make_split
from nullcrop.training.engineered import radial_power
from tests.conftest import definition_content

from .test_leak_map import pack

COUNT, SIDE, CROP = 120, 48, 16
CUES = ("brightness", "hue", "high", "file")

BRIGHT = {"gray", "low_pass", "wavelet_ll", "pixel_shuffle", "tile_shuffle", "median", "original"}
COLOURED = {"colour_only", "pixel_shuffle", "tile_shuffle", "median", "original"}
DETAILED = {"high_pass", "noise", "wavelet_hh", "gray", "tile_shuffle", "original"}
TOLD = {"brightness": BRIGHT, "hue": COLOURED, "high": DETAILED, "file": {"file_file_bytes"}}
MAY = {"high": {"pixel_shuffle", "median", "fourier", "edges"}}
"""Kinds in which a cue may show as well: a checkerboard widens the histogram."""


def labels_of(seed: int, count: int = COUNT) -> np.ndarray:
    return np.random.default_rng(seed).permutation(np.arange(count) % 2)


LABELS = {cue: labels_of(place) for place, cue in enumerate((*CUES, "none"))}


def slow_noise(rng: np.random.Generator, side: int) -> np.ndarray:
    """Gray noise with slow changes and a brightness of each image's own (COUNT × side × side)."""
    slow = gaussian_filter(rng.normal(0, 1, (COUNT, side, side)), (0, 6, 6))
    levels = 118 + rng.normal(0, 3, (COUNT, 1, 1)) + 6 * slow / slow.std()
    found: np.ndarray = levels + rng.normal(0, 6, levels.shape)
    return found


def images_with_cues() -> np.ndarray:
    """Noise to which each cue is added by labels of its own."""
    rng = np.random.default_rng(1)
    found = slow_noise(rng, SIDE)[..., None] + rng.normal(0, 2, (COUNT, 1, 1, 3))
    found = found + rng.normal(0, 1.5, found.shape)
    found[LABELS["brightness"] == 1] += 9
    # Of the same gray level: 299 · 8 = 587 · 4 + 114 · 0.4.
    found[LABELS["hue"] == 1] += [8, -4, -0.4]
    found[LABELS["high"] == 1] += 3 * (np.indices((SIDE, SIDE)).sum(axis=0) % 2 * 2 - 1)[..., None]
    return found.round().clip(0, 255).astype(np.uint8)


def images_in_blocks(targets: np.ndarray) -> np.ndarray:
    """Noise in JPEG's blocks, all of one quality, which begin 2 or 6 pixels before the image: as many of
    their rims lie in each."""
    found = np.empty((COUNT, SIDE, SIDE, 3), np.uint8)
    for row, own in enumerate(slow_noise(np.random.default_rng(2), SIDE + 6)):
        stream = io.BytesIO()
        Image.fromarray(own.round().clip(0, 255).astype(np.uint8)).save(stream, "JPEG", quality=50)
        start = 6 if targets[row] else 2
        found[row] = np.asarray(Image.open(stream))[start:, start:][:SIDE, :SIDE, None]
    return found


def a_dataset(folder: Path, images: np.ndarray, rules: dict[str, np.ndarray]) -> list[str]:
    """Samples, packed view and five folds of each label rule; the flags of the command that reads them."""
    view = pack(folder, images)
    samples = pd.DataFrame({"id": [f"{row:04}" for row in range(len(images))], "group": ""})
    samples = samples.assign(official_split="", path="none.png", format="DICOM", mode="L", orientation="")
    samples = samples.assign(**{"class": "any"}, width=images.shape[2], height=images.shape[1])
    samples["file_bytes"] = 1000 + np.random.default_rng(3).integers(0, 60, len(images))
    if "file" in rules:
        samples["file_bytes"] += 30 * rules["file"]
    samples.to_csv(folder / "samples.csv", index=False)
    splits = []
    for rule, targets in rules.items():
        for seed in range(5):
            path = folder / rule / "crossfit5" / f"seed{seed}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            make_split(samples, pd.Series(targets), "crossfit5", seed).to_csv(path, index=False)
            splits.append(str(path))
    return ["--samples", str(folder / "samples.csv"), "--view", str(view), "--splits", *splits]


def spectrum_of(folder: Path, flags: list[str], **settings: int) -> pd.DataFrame:
    asked = spectrum.Spectrum(**{"draws": 199, **settings}).model_dump_json()
    given = ["--settings", asked, "--crop", f"{CROP}x{CROP}", "--level", "0.05", "--threads", "1"]
    assert main(["read-spectrum", *flags, *given, "--out", str(folder / "spectrum.csv")]) == 0
    return pd.read_csv(folder / "spectrum.csv", dtype={"labels": str})


def with_kinds(patch: pytest.MonkeyPatch, *kinds: str) -> None:
    """Read these kinds alone; the features that people made take most of the time."""
    patch.setattr(spectrum, "ENGINEERED", {})
    patch.setattr(spectrum, "FILTERS", {kind: FILTERS[kind] for kind in kinds})


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pd.DataFrame]:
    folder = tmp_path_factory.mktemp("planted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spectrum, "ENGINEERED", {"radial_power": radial_power})
        yield spectrum_of(folder, a_dataset(folder, images_with_cues(), LABELS))


@pytest.mark.parametrize("cue", CUES)
def test_each_cue_answers_to_its_own_kinds_and_to_no_other(planted: pd.DataFrame, cue: str) -> None:
    rows = planted[(planted["labels"] == cue) & (planted["reader"] == "ridge")]
    for place in ("corners", "original"):
        here = rows[rows["place"] == place].set_index("kind")
        telling = set(here.index[here["low"] > 0.5])
        expected = TOLD[cue] & set(here.index)
        assert expected <= telling
        assert telling <= expected | MAY.get(cue, set())


def test_the_sentence_names_the_planted_kind(planted: pd.DataFrame) -> None:
    words = {"brightness": "low frequencies", "hue": "colour", "high": "high frequencies"}
    for cue, word in words.items():
        told = spectrum_sentence(planted, cue, "crossfit5", 0.55).partition(";")[0]
        assert told.startswith("From the corners a simple reader tells the class by ")
        assert word in told
        assert not any(other in told for other in words.values() if other != word)
    file = spectrum_sentence(planted, "file", "crossfit5", 0.55)
    assert "tells the class by" not in file
    assert "The file alone tells it, by size of the file (0." in file


def test_the_phase_of_jpegs_blocks_is_told_from_their_grid_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_kinds(monkeypatch, *PARTED)
    targets = labels_of(7)
    table = spectrum_of(tmp_path, a_dataset(tmp_path, images_in_blocks(targets), {"phase": targets}))
    assert set(table.loc[table["low"] > 0.5, "kind"]) == {"block_grid"}
    sentence = spectrum_sentence(table, "phase", "crossfit5", 0.55)
    assert sentence.startswith("From the corners a simple reader tells the class by compression (1.00, at l")


def test_without_a_cue_nothing_tells_and_every_row_is_there(planted: pd.DataFrame) -> None:
    assert list(planted) == SPECTRUM_COLUMNS
    rows = planted[planted["labels"] == "none"]
    assert (rows["low"] <= 0.5).all()
    kinds = rows[rows["reader"] == "ridge"].groupby("place")["kind"].agg(set)
    assert kinds["corners"] == {"original", *FILTERS}
    assert kinds["original"] == {"original", *FILTERS, "file_file_bytes"}
    assert set(rows.loc[rows["reader"] != "ridge", "reader"]) == {"radial_power"}
    assert (rows["images"] == COUNT).all()
    assert ((rows["low"] > 0.5) == (rows["p"] <= 0.05)).all()


@pytest.mark.long
def test_without_a_cue_the_spectrum_is_silent_at_the_nominal_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels that go with nothing, sixty times."""
    with_kinds(monkeypatch, "colour_only", "low_pass", "high_pass", "block_grid")
    rules = {f"rule{seed}": labels_of(100 + seed, 60) for seed in range(60)}
    table = spectrum_of(tmp_path, a_dataset(tmp_path, images_with_cues()[:60], rules), draws=99)
    alarms = (table["low"] > 0.5).groupby(table["labels"]).any()
    assert len(alarms) == 60
    assert alarms.sum() <= binom.ppf(0.995, 60, 0.05)


def test_of_many_images_some_are_read_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_kinds(monkeypatch, "colour_only")
    flags = a_dataset(tmp_path, images_with_cues(), {"printed": LABELS["hue"]})
    table = spectrum_of(tmp_path, flags, images=100)
    assert set(table["images"]) == {100}
    assert table.loc[table["kind"] == "colour_only", "low"].min() > 0.5


def test_nothing_beyond_the_corners_reaches_their_reader() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    other = image.copy()
    other[12:-12] = 255 - other[12:-12]
    other[:, 10:-10] = 255 - other[:, 10:-10]
    one, two = (features_of_image(of, (10, 12)) for of in (image, other))
    assert list(one) == list(two)
    for row in one:
        assert (one[row] == two[row]).all() == (row.place == "corners"), row


def test_features_are_what_numpy_says_of_a_picture() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (11, 9, 2), dtype=np.uint8)
    found = picture_features(picture, 2)
    blocks = [picture[a:b, c:d].mean(axis=(0, 1)) for a, b in ((0, 5), (5, 11)) for c, d in ((0, 4), (4, 9))]
    assert found[:8] == pytest.approx(np.concatenate(blocks))
    assert found[8:10] == pytest.approx(picture.std(axis=(0, 1)))
    shares = [np.histogram(picture[..., i], 8, (0, 256))[0] / 99 for i in range(2)]
    assert found[10:26] == pytest.approx(np.concatenate(shares))
    steps = [abs(np.diff(picture.astype(int), axis=axis)).mean(axis=(0, 1)) for axis in (0, 1)]
    assert found[26:] == pytest.approx(np.concatenate(steps))


def test_phases_are_counted_from_the_images_rim() -> None:
    picture = np.zeros((24, 24, 3), np.uint8)
    picture[:, 5::8, 0] = 80
    picture[6::8, :, 1] = 40
    whole = phase_means(picture, 0, 0)
    assert np.flatnonzero(whole).tolist() == [5, 8 + 6]
    np.testing.assert_array_equal(phase_means(picture[11:, 3:], 3, 11), whole)


def test_of_large_images_patches_keep_pixels_and_phase() -> None:
    image = (np.indices((300, 700)).transpose(1, 2, 0) % 8).astype(np.uint8)
    small = patches(np.concatenate([image, image[..., :1]], axis=2))
    assert small.shape == (256, 256, 3)
    np.testing.assert_array_equal(small[..., :2], np.indices((256, 256)).transpose(1, 2, 0) % 8)
    np.testing.assert_array_equal(patches(small), small)


def test_each_fact_of_the_file_is_read_by_itself() -> None:
    samples = pd.DataFrame({"path": ["a", "b", "c"], "format": ["DICOM", "DICOM", "NRRD"], "mode": "L"})
    samples = samples.assign(width=[5, 6, 7], height=4, file_bytes=[1, 2, 3], orientation=1)
    found = fact_features(samples)
    assert [row.kind for row in found] == ["file_width", "file_file_bytes", "file_format"]
    assert found[Row("file_format", "original", "ridge")].tolist() == [[1, 0], [1, 0], [0, 1]]
    assert set(FILE_FACTS) >= {row.kind.removeprefix("file_") for row in found}


def a_spectrum(**aurocs: tuple[float, float, float]) -> pd.DataFrame:
    rows = [(kind, *numbers) for kind, numbers in aurocs.items()]
    table = pd.DataFrame(rows, columns=["kind", "auroc", "low", "high"])
    table["place"] = np.where(table["kind"].str.startswith("file_"), "original", "corners")
    return table.assign(labels="printed", split="crossfit", reader="ridge", p=1.0, images=100, units=100)


def test_the_sentence_says_what_tells_what_does_not_and_what_is_open() -> None:
    table = a_spectrum(
        gray=(0.99, 0.9, 1.0),
        colour_only=(0.52, 0.495, 0.541),
        low_pass=(0.50, 0.47, 0.53),
        high_pass=(0.968, 0.9349, 0.99),
        noise=(0.58, 0.499, 0.66),
        block_grid=(1.0, 0.991, 1.0),
        file_width=(0.7, 0.61, 0.79),
        file_mode=(0.5, 0.4, 0.6),
    )
    assert spectrum_sentence(table, "printed", "crossfit", 0.55) == (
        "From the corners a simple reader tells the class by compression (1.00, at least 0.99) and high "
        "frequencies (0.97, at least 0.93); colour (0.52, at most 0.55) and low frequencies (0.50, at most "
        "0.53) do not tell it; undecided: noise (0.58, up to 0.66). The file alone tells it, by "
        "width (0.70, at least 0.61)."
    )
    assert spectrum_sentence(table.iloc[[1]], "printed", "crossfit", 0.55) == (
        "From the corners a simple reader is shown to tell the class by no kind of information; colour "
        "(0.52, at most 0.55) does not tell it."
    )
    assert spectrum_sentence(a_spectrum(colour_only=(0.5, 0.5, 0.5)), "printed", "crossfit", 0.55) == (
        "From the corners a simple reader is shown to tell the class by no kind of information; alike in all "
        "images: colour."
    )
    # A larger bound on what is small, or a smaller one, moves a kind, not the numbers.
    assert "colour (0.52, up to 0.55)" in spectrum_sentence(table, "printed", "crossfit", 0.54)
    assert spectrum_sentence(table, "printed", "random", 0.55) == ""
    assert set(PARTED) <= set(FILTERS)


def test_the_figure_has_a_row_a_kind_and_fills_what_tells(tmp_path: Path) -> None:
    table = a_spectrum(gray=(0.9, 0.8, 1.0), noise=(0.5, 0.4, 0.6), file_width=(0.7, 0.61, 0.79))
    whole = table.iloc[:2].assign(place="original", low=0.3)
    texture = whole.iloc[:1].assign(kind="original", reader="texture")
    figure = plot_spectrum(pd.concat([table, texture, whole]), "Title", "Caption", tmp_path / "spectrum")
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["gray", "noise", "texture", "file: width"]
    marks = [
        [
            (float(line.get_ydata()[0]), line.get_markerfacecolor() != "white")
            for line in ax.get_lines()
            if line.get_marker() not in ("", "None")
        ]
        for ax in figure.axes
    ]
    assert sorted(marks[0]) == [(0, True), (1, False)]
    assert sorted(marks[1]) == [(0, False), (1, False), (2, False), (3, True)]
    assert {path.suffix for path in tmp_path.iterdir()} == {".pdf", ".svg", ".png"}


def test_the_study_s_own_readers_stand_beside_the_kinds_that_they_read(tmp_path: Path) -> None:
    table = a_spectrum(original=(0.9, 0.8, 1.0), noise=(0.7, 0.61, 0.79)).assign(
        labels="printed", split="random"
    )
    table = pd.concat([table, table.assign(place="original")])
    table = pd.concat([table, table.iloc[2:3].assign(reader="texture")])
    assert table[["kind", "place", "reader"]].to_numpy()[-1].tolist() == ["original", "original", "texture"]

    def reader(view: str, architecture: str, auroc: float, **more: str) -> dict[str, object]:
        named = {"labels": "printed", "split": "random", "role": "view"} | more
        return {**named, "view": view, "architecture": architecture, "auroc": auroc}

    corners = ["upper_left", "upper_right", "bottom_left", "bottom_right"]
    readers = pd.DataFrame(
        [
            *(reader(corner, "vgg16", 0.5 + 0.1 * n) for n, corner in enumerate(corners)),
            *(reader(f"noise.{corner}", "vgg16", 0.6) for corner in corners[:2]),
            reader("noise", "vgg16", 0.9),
            reader("noise", "mean_rgb", 0.55),
            reader("noise", "texture", 0.58),
            # The table has it; it sees no pixel.
            reader("original", "texture", 0.99),
            reader("original", "file_facts", 0.99),
            *(
                reader("original", "vgg16", auroc, recipe=recipe)
                for auroc, recipe in ((0.7, "a"), (0.8, "b"))
            ),
            # An average; no kind of the table; another split; labels that are not the true ones.
            reader("original", "average", 0.99),
            reader("edges", "vgg16", 0.99),
            reader("center", "vgg16", 0.99),
            reader("original", "vgg16", 0.99, split="official"),
            reader("original", "vgg16", 0.99, role="shuffled"),
        ]
    )
    found = readers_by_kind(readers, table)
    said = {tuple(row[:3]): round(row[3], 6) for row in found.itertuples(index=False)}
    assert said == {
        ("original", "corners", "vgg16"): 0.65,
        ("noise", "corners", "vgg16"): 0.6,
        ("noise", "original", "vgg16"): 0.9,
        ("noise", "original", "mean_rgb"): 0.55,
        ("noise", "original", "texture"): 0.58,
        ("original", "original", "vgg16"): 0.75,
    }
    figure = plot_spectrum(table, "Title", "Caption", tmp_path / "spectrum", others=found)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "VGG16",
        "mean colour",
        "texture",
    ]
    shown = {round(float(line.get_xdata()[0]), 6) for ax in figure.axes for line in ax.get_lines()}
    assert set(said.values()) <= shown
    assert readers_by_kind(readers.iloc[:0], table).empty


def test_the_report_tells_the_sentence_and_the_numbers() -> None:
    table = a_spectrum(gray=(0.9, 0.8, 1.0), noise=(0.7, 0.61, 0.79), file_width=(0.5, 0.4, 0.6))
    definition = Definition(**definition_content(title="Title"))
    dataset = DatasetContents("d", definition, None, [], cues={"spectrum": table})
    said = {"labels": "printed", "split": "crossfit"}
    assert _by_kind(dataset, said, 0.55) == [spectrum_sentence(table, "printed", "crossfit", 0.55)]
    assert _by_kind(dataset, {**said, "split": "random"}, 0.55) == []
    block = next(one for one in why_blocks(dataset, 0.05) if one.name == "d-spectrum")
    rows = [[field.text for field in row] for row in block.tables[0].rows]
    assert [row[:2] for row in rows] == [
        ["gray", "the four corners"],
        ["noise", "the four corners"],
        ["file: width", "the whole image"],
    ]
    dataset.cues.clear()
    assert _by_kind(dataset, said, 0.55) == []
    assert all(one.empty for one in why_blocks(dataset, 0.05))


def test_seams_of_patches_are_no_blocks() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (320, 320, 3)).astype(np.uint8)
    large = features_of_image(noise, (20, 20))[Row(BLOCK_GRID, WHOLE, RIDGE)]
    small = features_of_image(noise[:256, :256], (20, 20))[Row(BLOCK_GRID, WHOLE, RIDGE)]
    assert np.abs(large - small).max() < 3


def test_what_the_whole_tells_and_no_part_alone_is_said_so() -> None:
    table = a_spectrum(original=(0.7, 0.6, 0.8), low_pass=(0.55, 0.47, 0.63), high_pass=(0.5, 0.42, 0.58))
    sentence = spectrum_sentence(table, "printed", "crossfit", 0.55)
    assert "tells the class by original (0.70, at least 0.60), but by no part alone" in sentence
