"""Treatments: what each does to one image, what it takes from planted cues, and what is written of it."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scipy.stats import binom, norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nullcrop.basics.errors import NullcropError
from nullcrop.cli import main
from nullcrop.config.grid import Grid
from nullcrop.config.models import Project
from nullcrop.config.treatments import TREATMENTS, treatment_label, treatment_names, treatment_of
from nullcrop.config.views import is_treated, untreated, view_of
from nullcrop.cues.treatments import (
    CROPS,
    WHOLE,
    compare_treatments,
    remedy,
    simultaneous_differences,
    treatment_sentences,
)
from nullcrop.figures.treatments import plot_treatments
from nullcrop.images.export import MANIFEST
from nullcrop.images.store import PackedView, write_store
from nullcrop.images.treatments import OPPONENTS
from nullcrop.images.views import view_function, view_sizes
from nullcrop.statistics.auroc import estimate_auroc
from nullcrop.statistics.comparisons import auroc_difference

from ..conftest import definition_content
from .finished_cells import a_test_set, crossfitted, finished, folds_of, scores

EVERY = [
    *("reencode_75", "resize_64", "strip", "crop_border_2", "gray_world", "shades_of_gray"),
    *("histogram_match", "reinhard", "macenko"),
]

# As published: a section's means and spreads (Amgad et al. 2019), the stains of Macenko et al. (2009).
SECTION_MEAN, SECTION_SPREAD = [8.74108109, -0.12440419, 0.0444982], [0.6135447, 0.10989545, 0.0286032]
REFERENCE_STAINS = np.array([[0.5626, 0.2159], [0.7201, 0.8012], [0.4062, 0.5581]])
REFERENCE_STRENGTH = [1.9705, 1.0308]

PICTURES = hnp.arrays(np.uint8, st.tuples(st.integers(8, 20), st.integers(8, 20), st.just(3)))


def treat(name: str, image: np.ndarray, crop: tuple[int, int] = (4, 4)) -> np.ndarray:
    return view_function(name)(image, None, *crop)


def test_every_treatment_is_looked_at_here():
    assert {treatment_of(name)[0].name for name in EVERY} == set(TREATMENTS)


@given(PICTURES, st.sampled_from(EVERY))
@settings(max_examples=150, deadline=None)
def test_any_image_gives_an_image_of_the_promised_shape_and_always_the_same(image, name):
    before = image.copy()
    found = treat(name, image)
    assert (found.dtype, found.ndim) == (np.uint8, 3)
    assert found.shape[:2] == tuple(view_sizes(name, np.array([image.shape[:2]]), 4, 4)[0])
    assert np.array_equal(found, treat(name, image))
    assert np.array_equal(image, before)


@given(PICTURES)
@settings(max_examples=20, deadline=None)
def test_the_chain_is_one_size_and_one_jpeg_by_pillow(image):
    square = Image.fromarray(image).resize((256, 256), Image.Resampling.BILINEAR)
    square.save(stream := io.BytesIO(), format="JPEG", quality=90)
    assert np.array_equal(treat("strip", image), np.asarray(Image.open(stream)))


@given(PICTURES, st.integers(1, 95))
@settings(max_examples=40, deadline=None)
def test_reencoding_is_what_pillow_writes_and_reads(image, quality):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="JPEG", quality=quality)
    assert np.array_equal(treat(f"reencode_{quality}", image), np.asarray(Image.open(stream)))


@given(PICTURES)
@settings(max_examples=40, deadline=None)
def test_a_cut_border_is_pillows_crop(image):
    height, width, _ = image.shape
    cut = Image.fromarray(image).crop((2, 2, width - 2, height - 2))
    assert np.array_equal(treat("crop_border_2", image), np.asarray(cut))


@pytest.mark.parametrize("name", ["gray_world", "shades_of_gray"])
def test_a_tint_goes_and_grey_stays(name):
    gray = np.repeat(np.random.default_rng(0).integers(20, 120, (32, 32, 1)), 3, axis=2).astype(np.uint8)
    assert np.array_equal(treat(name, gray), gray)
    tinted = np.rint(gray * [1.5, 1.0, 0.8]).astype(np.uint8)
    assert np.abs(treat(name, tinted).mean(axis=(0, 1)) - gray.mean() * 3.3 / 3).max() < 1
    assert np.abs(tinted.mean(axis=(0, 1)) - gray.mean()).max() > 10


@given(PICTURES.filter(lambda image: (image.max(axis=(0, 1)) > 0).all()))
@settings(max_examples=40, deadline=None)
def test_shades_of_gray_make_the_sixth_norms_of_all_channels_one(image):
    norms = np.linalg.norm(image.reshape(-1, 3).astype(float), ord=6, axis=0)
    expected = np.clip(image * norms.mean() / norms, 0, 255)
    assert np.abs(treat("shades_of_gray", image) - expected).max() <= 0.5 + 1e-6


@given(PICTURES)
@settings(max_examples=60, deadline=None)
def test_matched_levels_keep_their_order_and_ties(image):
    found = treat("histogram_match", image)
    for channel in range(3):
        before, after = image[..., channel].ravel().astype(int), found[..., channel].ravel().astype(int)
        order = np.argsort(before, kind="stable")
        assert (np.diff(after[order]) >= 0).all()
        assert (after[order][1:] == after[order][:-1])[np.diff(before[order]) == 0].all()


def test_a_matched_histogram_is_the_bell():
    image = np.random.default_rng(0).integers(0, 256, (200, 200, 3)).astype(np.uint8)
    found = treat("histogram_match", image)
    shares = np.quantile(found[..., 0], [0.1, 0.5, 0.9])
    assert shares == pytest.approx(norm(127.5, 50).ppf([0.1, 0.5, 0.9]), abs=2)
    # A function of the order of levels alone: brightness and contrast leave no trace.
    other = treat("histogram_match", (image // 2 + 40).astype(np.uint8))
    assert np.abs(found.astype(int) - other).mean() < 1.5


def test_reinhard_gives_the_sections_means_and_spreads():
    rng = np.random.default_rng(0)
    image = np.clip(rng.normal([150, 110, 160], [25, 20, 18], (64, 64, 3)), 1, 255).astype(np.uint8)
    found = treat("reinhard", image)
    cones = [[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]]
    long, middle, short = np.log(found.reshape(-1, 3) @ np.transpose(cones)).T
    lab = np.stack(
        [
            (long + middle + short) / np.sqrt(3),
            (long + middle - 2 * short) / np.sqrt(6),
            (long - middle) / np.sqrt(2),
        ]
    )
    # Levels are whole numbers within 0 … 255, so that the ends of the distribution are cut.
    assert lab.mean(axis=1) == pytest.approx(SECTION_MEAN, abs=0.06)
    assert lab.std(axis=1) == pytest.approx(SECTION_SPREAD, rel=0.25)


def test_reinhards_axes_are_at_right_angles_and_of_length_one():
    """Ruderman et al. 1998; by which means and spreads of a section can be compared at all."""
    assert pytest.approx(np.eye(3)) == OPPONENTS @ OPPONENTS.T


def test_reinhard_makes_one_colour_the_sections_mean():
    """Its spread is 0 and stays so."""
    found = treat("reinhard", np.full((8, 9, 3), (120, 80, 40), np.uint8))
    long, middle, short = np.exp(OPPONENTS.T @ SECTION_MEAN)
    cones = [[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]]
    expected = np.clip(np.linalg.solve(cones, [long, middle, short]), 0, 255)
    assert np.abs(found - expected).max() <= 0.5


def stained(stains: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """An image whose pixels have these strengths (N × 2) of two stains (3 × 2)."""
    light = 240 * np.exp(-(strength @ stains.T)) - 1
    return np.clip(np.rint(light), 0, 255).astype(np.uint8).reshape(40, 40, 3)


def test_macenko_finds_the_stains_an_image_was_made_of_and_puts_the_reference_in_their_place():
    rng = np.random.default_rng(0)
    pure = rng.uniform(size=1600) < 0.25
    # So strong that no pixel counts as glass.
    strength = rng.uniform(0.7, 1.6, (1600, 2))
    strength[pure, rng.integers(0, 2, pure.sum())] = 0.02
    own = np.array([[0.65, 0.25], [0.70, 0.92], [0.29, 0.30]])
    own /= np.linalg.norm(own, axis=0)
    reference = stained(REFERENCE_STAINS, strength * REFERENCE_STRENGTH / np.percentile(strength, 99, axis=0))
    found = treat("macenko", stained(own, strength))
    assert np.abs(found.astype(int) - reference).mean() < 6
    assert np.abs(stained(own, strength).astype(int) - reference).mean() > 10


@pytest.mark.parametrize("seed", range(3))
def test_macenko_is_the_papers_algorithm(seed):
    """Step by step as it is printed, on tissue beside glass; singular vectors take eigenvectors' place."""
    rng = np.random.default_rng(seed)
    strength = rng.gamma(2, 0.4, (1600, 2)) * (rng.uniform(size=(1600, 1)) < 0.7)
    own = np.array([[0.65, 0.25], [0.70, 0.92], [0.29, 0.30]]) / np.sqrt([0.9966, 0.9989])
    image = stained(own, strength)
    density = -np.log((image.reshape(-1, 3) + 1.0) / 240)
    tissue = density[density.min(axis=1) >= 0.15]
    assert 200 < len(tissue) < 1400
    first, second, _ = np.linalg.svd(tissue - tissue.mean(axis=0), full_matrices=False)[2]
    first, second = first * np.sign(first.sum()), second * np.sign(second.sum())
    angles = np.arctan2(tissue @ first, tissue @ second)
    one, other = (first * np.sin(angle) + second * np.cos(angle) for angle in np.percentile(angles, [1, 99]))
    stains = np.stack([one, other] if one[0] > other[0] else [other, one], axis=1)
    found = density @ np.linalg.pinv(stains).T
    mixed = found * REFERENCE_STRENGTH / np.percentile(found, 99, axis=0) @ REFERENCE_STAINS.T
    expected = np.clip(240 * np.exp(-mixed) - 1, 0, 255).reshape(image.shape)
    assert np.abs(treat("macenko", image) - expected).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_image_without_two_stains_stays_as_it_is(level):
    image = np.full((12, 12, 3), level, np.uint8)
    assert np.array_equal(treat("macenko", image), image)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("reencode", "needs a number from 1 to 95"),
        ("reencode_0", "between 1 and 95"),
        ("reencode_96", "between 1 and 95"),
        ("reencode_075", "unknown treatment 'reencode_075'"),
        ("gray_world_3", "unknown treatment 'gray_world_3'"),
        ("polish", "unknown treatment 'polish'"),
    ],
)
def test_a_name_that_calls_no_treatment_is_refused_in_words(name, words):
    with pytest.raises(NullcropError, match=words):
        treatment_of(name)
    assert not is_treated(name)


def test_names_and_labels_of_treatments():
    assert "reencode_{n}" in treatment_names()
    assert treatment_label("reencode_75") == "re-encoded as JPEG of quality 75"
    assert treatment_label("resize_64") == "resized to 64×64 pixels"
    assert untreated("reencode_75.upper_left") == "upper_left"
    assert untreated("reencode_75") == "original"
    assert view_of("crop_border_8.upper_left").label == "8 pixels cut off each rim, upper left"


def test_a_treatment_that_leaves_no_room_is_named():
    with pytest.raises(NullcropError, match="leaves 0×4 pixels of an image, which have no room for a crop"):
        treat("crop_border_4", np.zeros((12, 8, 3), np.uint8))


def test_the_store_holds_what_a_treatment_makes_and_crops_of_it(tmp_path):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (30 + n, 40, 3)).astype(np.uint8) for n in range(3)]
    paths = [tmp_path / f"{n}.png" for n in range(3)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    samples = pd.DataFrame({"id": list("abc"), "path": list(map(str, paths)), "width": 40})
    samples = samples.assign(height=[len(image) for image in images])
    names = ["crop_border_5", "crop_border_5.bottom_right", "resize_32", "reencode_60.upper_left"]
    write_store(samples, tmp_path / "views", names, 9, 7, threads=2)
    views = {name: PackedView(tmp_path / "views" / f"{name}.json") for name in names}
    for row, image in enumerate(images):
        cut = image[5:-5, 5:-5]
        assert np.array_equal(views["crop_border_5"][row], cut)
        assert np.array_equal(views["crop_border_5.bottom_right"][row], cut[-7:, -9:])
        resized = Image.fromarray(image).resize((32, 32), Image.Resampling.BILINEAR)
        assert np.array_equal(views["resize_32"][row], np.asarray(resized))
        assert np.array_equal(views["reencode_60.upper_left"][row], treat("reencode_60", image)[:7, :9])


def test_a_border_that_leaves_no_room_is_named_before_anything_is_written(tmp_path):
    Image.new("RGB", (60, 100)).save(tmp_path / "a.png")
    samples = pd.DataFrame([{"id": "a", "path": str(tmp_path / "a.png"), "width": 60, "height": 100}])
    with pytest.raises(NullcropError, match="leaves no room for a crop of 20×20 pixels in 1 of 1 images"):
        write_store(samples, tmp_path / "views", ["crop_border_40"], 20, 20, threads=1)


MakeProject = Callable[..., Project]


@pytest.fixture
def of_studies(tmp_path) -> MakeProject:
    """A project of one generated dataset, with a study of these keys."""

    def make(**study) -> Project:
        folder = tmp_path / "definitions"
        folder.mkdir(exist_ok=True)
        (folder / "scans.yaml").write_text(yaml.safe_dump(definition_content()))
        keys = {"title": "s", "datasets": ["scans"], "architectures": ["lenet5"], "recipes": ["scratch"]}
        content = {"definitions": [str(folder)], "studies": {"first": {**keys, **study}}}
        content["paths"] = {"results": str(tmp_path / "results")}
        return Project(content)

    return make


def test_a_study_plans_the_same_cells_on_treated_images_and_leaves_its_own_alone(of_studies):
    plain = Grid(of_studies(baselines=["mean_rgb", "file_facts"], shuffles=1))
    treated = Grid(of_studies(baselines=["mean_rgb", "file_facts"], shuffles=1, treatments=["reencode_75"]))
    assert treated.cells("first") == plain.cells("first")
    added = treated.treated_cells("first", "scans")
    assert set(treated.all_cells) == {*plain.all_cells, *added}
    corners = {"upper_left", "upper_right", "bottom_left", "bottom_right"}
    assert {cell.view for cell in added} == {"reencode_75", *(f"reencode_75.{view}" for view in corners)}
    # Controls and what sees no pixel are of images as they are.
    assert {cell.architecture for cell in added} == {"lenet5", "mean_rgb"}
    assert not any("shuffle" in cell.split for cell in added)
    assert not any("treatments.csv" in path for path in plain.targets())
    assert sum(path.endswith("studies/first/scans/treatments.csv") for path in treated.targets()) == 1
    compared = treated.compared_treatments("first", "scans")
    assert {cell.view for cell in compared} - {cell.view for cell in added} == {"original", *corners}
    for cell in plain.all_cells:
        if not cell.is_baseline:
            assert treated.batch_path(cell) == plain.batch_path(cell)


def test_only_views_of_the_study_are_treated(of_studies):
    grid = Grid(of_studies(views=["upper_left", "center"], treatments=["strip", "crop_border_8"]))
    found = [cell.view for cell in grid.treated_cells("first")]
    assert found == ["strip.upper_left", "crop_border_8.upper_left"]


@pytest.mark.parametrize(
    ("study", "words"),
    [
        ({"treatments": ["reencod_75"]}, "unknown treatment 'reencod_75', did you mean"),
        ({"treatments": ["reencode_99"]}, "must lie between 1 and 95"),
        ({"figures": ["treatments"]}, "name some under `treatments:`"),
        ({"treatments": ["strip"], "views": ["center"]}, "for scans `views` names none of these"),
    ],
)
def test_wrong_treatments_are_refused_in_words(of_studies, study, words):
    with pytest.raises(NullcropError) as failure:
        Grid(of_studies(**study))
    assert words in str(failure.value)


def test_differences_of_one_pair_are_delongs():
    test = a_test_set(200, 80)
    first, second = scores(test, 0.8, 1), scores(test, 0.7, 2)
    one, other = (estimate_auroc(test, score) for score in (first, second))
    plain = auroc_difference((test, *one), (test, *other))
    p, low, high = simultaneous_differences(
        test, np.array([plain.value]), np.array([one[1] - other[1]]), np.ones(1), 0.05
    )
    # One difference has nothing to be corrected for, so only the draws differ.
    assert low[0] == pytest.approx(plain.low, abs=0.004)
    assert high[0] == pytest.approx(plain.high, abs=0.004)
    assert p[0] == pytest.approx(plain.p, abs=0.01)


def test_scores_that_are_the_same_differ_by_nothing():
    test = a_test_set(60, 30)
    none, flat = np.zeros(2), np.zeros((2, test.n_units))
    p, low, high = simultaneous_differences(test, none, flat, np.ones(2), 0.05, np.array([True, False]))
    assert p.tolist() == [1, 1]
    assert low[0] == high[0] == 0
    # Two other scores that both tell everything are not known to be equal.
    assert low[1] == -high[1] < 0


@pytest.mark.parametrize("group", ["", np.repeat(np.arange(60), 2).astype(str)])
def test_bounds_of_many_differences_hold_together(group, monkeypatch):
    """Readers whose scores share a signal and differ by noise alone: no interval may exclude 0 too often."""
    monkeypatch.setattr("nullcrop.cues.treatments.DRAWS", 399)
    missed, runs, pairs = 0, 60, 6
    for run in range(runs):
        test = a_test_set(120, 48, group, f"run {run}")
        rng = np.random.default_rng(run)
        shared = test.target + rng.normal(size=test.n_units)[test.unit]
        found = [
            [estimate_auroc(test, shared + rng.normal(size=test.n)) for _ in range(pairs)] for _ in range(2)
        ]
        values = np.array([a[0].value - b[0].value for a, b in zip(*found, strict=True)])
        influences = np.array([a[1] - b[1] for a, b in zip(*found, strict=True)])
        p, low, high = simultaneous_differences(test, values, influences, np.ones(pairs), 0.05)
        assert ((p <= 0.05) == ((low > 0) | (high < 0))).mean() > 0.98
        missed += bool(((low > 0) | (high < 0)).any())
    assert missed <= binom.ppf(0.999, runs, 0.05)


SIDE, COUNT = 48, 160


def noise(rng: np.random.Generator) -> np.ndarray:
    """A smooth body in the middle, grey noise, and a little colour noise."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    body = 60 * np.exp(-12 * (x**2 + y**2))
    gray = 90 + body + rng.normal(0, 6, (SIDE, SIDE)) + rng.normal(0, 3)
    return gray[..., None] + rng.normal(0, 2, (SIDE, SIDE, 3))


def planted(cue: str, target: int, rng: np.random.Generator) -> np.ndarray:
    """An image whose class can be told by the ``cue`` alone."""
    image = noise(rng)
    if cue == "tint":
        image *= 1 + 0.15 * np.array([1, 0, -1]) * (target - 0.5 + rng.normal(0, 0.2))
    if cue == "brightness":
        image += 12 * (target - 0.5 + rng.normal(0, 0.2))
    if cue == "rim":
        image[:4] += 12 * target
    if cue == "content":
        stripes = np.sin(np.arange(SIDE) * 2 * np.pi / 6)
        image += 5 * (stripes[None, :, None] if target else stripes[:, None, None])
    pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    if cue == "compression":
        pixels = treat(f"reencode_{85 if target else 95}", pixels)
    return pixels


def features(image: np.ndarray) -> np.ndarray:
    """What a plain reader looks at: levels, their spread, and steps across and down."""
    levels = image.astype(float)
    steps = [np.abs(np.diff(levels.mean(axis=2), axis=axis)).mean() for axis in (0, 1)]
    rims = [levels[:4].mean(), levels[4:].mean()]
    return np.array([*levels.mean(axis=(0, 1)), *levels.std(axis=(0, 1)), *steps, *rims])


TRIED = ["reencode_20", "crop_border_6", "gray_world", "histogram_match"]

FITS = {
    "tint": {"gray_world", "histogram_match"},
    "brightness": {"histogram_match"},
    "rim": {"crop_border_6"},
    "compression": {"reencode_20"},
    "content": set(),
}
"""Treatments that fit each cue; under all others it stays."""


@pytest.fixture(scope="module", params=list(FITS))
def cured(request) -> tuple[str, pd.DataFrame]:
    """A cue, and what treatments do to a cross-fitted reader of the upper left crop and the whole image."""
    rng = np.random.default_rng(7)
    targets = np.arange(COUNT) < COUNT // 2
    images = [planted(request.param, int(target), rng) for target in targets]
    test = a_test_set(COUNT, COUNT // 2, "", request.param)
    reader = make_pipeline(StandardScaler(), LogisticRegression())
    cells = []
    for treatment in ["", *TRIED]:
        for cut in ("original", "upper_left"):
            name = (f"{treatment}.{cut}" if cut != "original" else treatment) if treatment else cut
            table = np.array([features(treat(name, image, (16, 16))) for image in images])
            score = cross_val_predict(reader, table, targets, cv=5, method="decision_function")
            cells.append(finished(test, score, view=name, architecture="lenet5", recipe="scratch"))
    return request.param, compare_treatments(cells, "whole", 0.05)


def test_each_cue_goes_with_the_treatment_that_fits_and_stays_under_the_others(cured):
    cue, table = cured
    crops = table[table["place"] == CROPS].set_index("treatment")
    assert crops["auroc_untreated"].min() > 0.85, "the cue is there to be read"
    for treatment, row in crops.iterrows():
        told = row["auroc_untreated"] - 0.5
        if treatment in FITS[cue]:
            assert row["drop_low"] > 0.5 * told, (cue, treatment, row.to_dict())
        else:
            assert row["drop_high"] < 0.4 * told, (cue, treatment, row.to_dict())


@pytest.mark.parametrize("cured", ["content"], indirect=True)
def test_what_is_in_the_content_goes_at_no_lower_price(cured):
    _, table = cured
    drops = table.pivot(index="treatment", columns="place", values="drop")
    assert (drops[WHOLE] >= drops[CROPS] - 0.05).all()
    assert remedy(table, "printed", "random", 0.05) is None


def test_sentences_are_true_of_their_rows(cured):
    _, table = cured
    sentences = treatment_sentences(table, "printed", "random", 0.05)
    assert len(sentences) == len(TRIED)
    crops = table[table["place"] == CROPS].set_index("treatment")
    for treatment, row in crops.iterrows():
        label = treatment_label(treatment)
        (words,) = [one for one in sentences if one.lower().startswith(label.lower())]
        nothing = 0 <= row["drop_high"] < 0.05
        removes = row["drop_low"] > 0 and not nothing
        assert (f"removes {row['drop']:.2f}" in words) == removes
        assert (" of " in words.partition("removes")[2].partition(" from")[0]) <= (
            row["drop"] <= row["auroc_untreated"] - 0.5 or not removes
        )
        assert "nan" not in words
        assert "-0.00" not in words
        assert ("removes nothing to speak of" in words) == nothing
    best = remedy(table, "printed", "random", 0.05)
    if best is not None:
        assert sentences[0].lower().startswith(treatment_label(best).lower())


def test_the_figure_holds_a_row_a_treatment(cured, tmp_path):
    _, table = cured
    figure = plot_treatments(table, "Title", "Caption.", tmp_path / "treatments")
    labels = [label.get_text().replace("\n", " ") for label in figure.axes[0].get_yticklabels()]
    assert labels == [treatment_label(name) for name in dict.fromkeys(table["treatment"])]
    assert (tmp_path / "treatments.png").stat().st_size > 10_000


def test_readers_are_compared_with_themselves_and_their_mean_is_the_average():
    """Against scikit-learn, on cross-fitted readers of two corners."""
    test = a_test_set(150, 60)
    parts = folds_of(test, 5)
    of = {
        (name, view): scores(test, level, [place, len(view)])
        for place, (name, level) in enumerate([("lenet5", 0.85), ("mean_rgb", 0.7)])
        for view in ("upper_left", "bottom_right")
    }
    cells = []
    for (name, view), score in of.items():
        recipe = "scratch" if name == "lenet5" else "baseline"
        kind = {"architecture": name, "recipe": recipe, "split": "crossfit5"}
        cells += crossfitted(parts, score, view=view, **kind)
        cells += crossfitted(parts, 0.0 * score, view=f"strip.{view}", **kind)
        # What may not judge is in no row.
        cells += crossfitted(
            parts, score, view=view, architecture="majority", recipe="baseline", split="crossfit5"
        )
    table = compare_treatments(cells, "whole", 0.05)
    assert table["reader"].tolist() == ["lenet5", "mean_rgb", "average"]
    assert (table["auroc"] == 0.5).all()
    ranked = {}
    for key, score in of.items():
        pooled = np.empty(test.n)
        for rows, _ in parts.values():
            pooled[rows] = (np.argsort(np.argsort(score[rows])) + 0.5) / len(rows)
        ranked[key] = pooled
    for reader in ("lenet5", "mean_rgb"):
        mean = (ranked[reader, "upper_left"] + ranked[reader, "bottom_right"]).round(9)
        (row,) = table[table["reader"] == reader].to_dict("records")
        # Scores are rounded before they are averaged, which parts a few ties between folds.
        assert row["auroc_untreated"] == pytest.approx(roc_auc_score(test.target, mean), abs=2e-3)
        assert row["drop"] == pytest.approx(row["auroc_untreated"] - 0.5)
    (row,) = table[table["reader"] == "average"].to_dict("records")
    assert row["auroc_untreated"] == pytest.approx(
        roc_auc_score(test.target, sum(ranked.values()).round(9)), abs=2e-3
    )


def test_a_study_demands_its_arithmetic_of_treated_cells_too(of_studies):
    grid = Grid(of_studies(treatments=["strip"], numerics="cuda_fp32"))
    assert {grid.demanded_numerics(cell) for cell in grid.treated_cells("first")} == {"cuda_fp32"}


def test_readers_of_other_seeds_are_compared_with_themselves():
    tests = [a_test_set(80, 30, name=f"seed {seed}") for seed in range(3)]
    cells = []
    for view in ("upper_left", "strip.upper_left"):
        for seed, test in enumerate(tests):
            score = scores(test, 0.8, seed) * (not view.startswith("strip"))
            cells.append(finished(test, score, view=view, architecture="lenet5", seed=seed))
        first = scores(tests[0], 0.7, 9)
        cells.append(finished(tests[0], first, view=view, architecture="resnet50", seed=0))
    table = compare_treatments(cells, "whole", 0.05)
    assert table["reader"].tolist() == ["lenet5", "resnet50"]
    assert table["images"].tolist() == [240, 80]
    # The one on the most images is quoted.
    (sentence,) = treatment_sentences(table, "printed", "random", 0.05)
    assert f"removes {table['drop'].iloc[0]:.2f}" in sentence


def test_a_class_in_one_unit_is_not_judged(tmp_path):
    group = np.array(["all positives"] * 20 + [""] * 40)
    test = a_test_set(60, 20, group)
    cells = [
        finished(test, scores(test, auroc, seed), view=view, architecture="lenet5")
        for seed, (view, auroc) in enumerate(
            [("upper_left", 0.9), ("strip.upper_left", 0.6), ("original", 0.9), ("strip", 0.9)]
        )
    ]
    table = compare_treatments(cells, "whole", 0.05)
    assert table[["drop_low", "drop_high", "p"]].isna().all(axis=None)
    (sentence,) = treatment_sentences(table, "printed", "random", 0.05)
    assert "cannot be judged" in sentence
    assert remedy(table, "printed", "random", 0.05) is None
    plot_treatments(table, "Title", "Caption.", tmp_path / "treatments")


def export(folder: Path, samples: pd.DataFrame, treatment: str, out: Path) -> int:
    """Run the command on a study found by its config."""
    definitions = folder / "definitions"
    definitions.mkdir(exist_ok=True)
    (definitions / "scans.yaml").write_text(yaml.safe_dump(definition_content()))
    listed = folder / "results" / "datasets" / "scans"
    listed.mkdir(parents=True, exist_ok=True)
    samples.to_csv(listed / "samples.csv", index=False)
    study = {"title": "s", "datasets": ["scans"], "recipes": ["scratch"]}
    content = {
        "definitions": [str(definitions)],
        "studies": {"first": study},
        "crop": {"width": 4, "height": 4},
    }
    content["paths"] = {"results": str(folder / "results")}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    config = ["--configfile", str(folder / "config.yaml")]
    return main(["export-treated", "scans", treatment, "--out", str(out), *config])


@pytest.fixture
def listed(tmp_path) -> pd.DataFrame:
    """Six images of two classes; two ids are one name to a file system that knows no case."""
    rng = np.random.default_rng(0)
    rows = []
    for n, name in enumerate(["a/1", "a/2", "b?1", "B_1", "ä", "c"]):
        path = tmp_path / f"source{n}.png"
        Image.fromarray(rng.integers(0, 256, (12, 14, 3)).astype(np.uint8)).save(path)
        rows.append({"id": name, "class": ("benign", "malignant")[n % 2 if n > 3 else 0], "path": str(path)})
    table = pd.DataFrame(rows).assign(group="p1", official_split="train", width=14, height=12)
    return table.assign(target=0, mode="RGB", file_bytes=1, format="PNG", orientation=1)


def manifest(out: Path) -> list[dict[str, str]]:
    with (out / MANIFEST).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_a_file_in_the_place_of_the_exported_folder_is_named_and_left(tmp_path, listed, capsys):
    (tmp_path / "out").write_text("mine")
    assert export(tmp_path, listed, "reencode_60", tmp_path / "out") == 1
    assert f"{tmp_path}/out is a file: name a folder" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "mine"


def test_treated_images_are_written_with_a_manifest(tmp_path, listed):
    out = tmp_path / "out"
    assert export(tmp_path, listed, "reencode_60", out) == 0
    rows = manifest(out)
    assert [row["id"] for row in rows] == list(listed["id"])
    assert len({row["path"].casefold() for row in rows}) == len(rows)
    for row, source in zip(rows, listed["path"], strict=True):
        original = np.asarray(Image.open(source))
        assert np.array_equal(np.asarray(Image.open(out / row["path"])), treat("reencode_60", original))
        assert (row["source"], row["treatment"], row["number"], row["group"]) == (
            source,
            "reencode",
            "60",
            "p1",
        )
    assert sorted(path.name for path in out.iterdir()) == ["benign", "malignant", MANIFEST]


def test_an_export_that_was_cut_short_goes_on(tmp_path, listed):
    out = tmp_path / "out"
    assert export(tmp_path, listed, "crop_border_2", out) == 0
    whole = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    rows = (out / MANIFEST).read_text().splitlines()
    # As a kill leaves it: a line cut short, one image without a line, one that is not there.
    (out / MANIFEST).unlink()
    (out / "manifest.part.csv").write_text("\n".join(rows[:4]) + "\n" + rows[4][:30])
    kept = out / rows[1].split(",")[0]
    before = kept.stat().st_mtime_ns
    (out / rows[6].split(",")[0]).unlink()
    # And one that somebody changed.
    (out / rows[2].split(",")[0]).write_bytes(b"other")
    assert export(tmp_path, listed, "crop_border_2", out) == 0
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == whole
    assert kept.stat().st_mtime_ns == before


def test_a_folder_of_other_images_is_left_alone(tmp_path, listed, capsys):
    out = tmp_path / "out"
    export(tmp_path, listed, "strip", out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    copy = tmp_path / "copy.png"
    copy.write_bytes(Path(listed["path"][0]).read_bytes())
    others = listed.head(1).assign(path=str(copy))
    assert export(tmp_path, others, "strip", out) == 1
    assert "holds other images than these" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_names_do_not_say_class_and_ending_twice(tmp_path, listed):
    table = listed.head(2).assign(id=["benign/scan 1.png", "other/scan 1.png"])
    assert export(tmp_path, table, "gray_world", tmp_path / "out") == 0
    assert [row["path"] for row in manifest(tmp_path / "out")] == [
        "benign/scan_1.png",
        "benign/other_scan_1.png",
    ]


def test_long_ids_become_names_that_file_systems_take(tmp_path, listed):
    table = listed.head(2).assign(id=["1." * 150 + "x", "1." * 150 + "y"])
    assert export(tmp_path, table, "gray_world", tmp_path / "out") == 0
    names = [Path(row["path"]).name for row in manifest(tmp_path / "out")]
    assert len(set(names)) == 2
    assert max(map(len, names)) < 100


def test_a_changed_source_is_treated_again(tmp_path, listed):
    out = tmp_path / "out"
    export(tmp_path, listed, "gray_world", out)
    Image.new("RGB", (14, 12), (9, 60, 90)).save(listed["path"][0])
    assert export(tmp_path, listed, "gray_world", out) == 0
    found = np.asarray(Image.open(out / manifest(out)[0]["path"]))
    assert np.array_equal(found, treat("gray_world", np.asarray(Image.open(listed["path"][0]))))


@pytest.mark.parametrize(
    ("prepare", "treatment", "words"),
    [
        (lambda out: (out / "holiday.png").write_bytes(b""), "strip", "files that were not exported here"),
        (lambda out: (out / MANIFEST).write_text("file,label\n"), "strip", "was not written by an export"),
        (None, "gray_world", "holds images under reencode_60: name another folder"),
        (None, "reencode", "needs a number"),
    ],
)
def test_a_folder_of_others_is_left_alone(tmp_path, listed, capsys, prepare, treatment, words):
    out = tmp_path / "out"
    if prepare:
        out.mkdir()
        prepare(out)
    else:
        export(tmp_path, listed, "reencode_60", out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert export(tmp_path, listed, treatment, out) == 1
    assert words in capsys.readouterr().err
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_what_cannot_be_exported_yet_says_what_comes_first(tmp_path, listed, capsys):
    assert export(tmp_path, listed, "strip", tmp_path / "out") == 0
    config, results = tmp_path / "config.yaml", tmp_path / "results"
    left = results / "report" / "first" / "config.json"
    left.parent.mkdir(parents=True)
    left.write_text(json.dumps(yaml.safe_load(config.read_text())))
    samples = results / "datasets" / "scans" / "samples.csv"
    by_config, found = ["--configfile", str(config)], ["--results", str(results)]
    assert main(["export-treated", "scans", "strip", "--out", str(tmp_path / "again"), *found]) == 0
    samples.unlink()
    for dataset, where, words in [
        ("scans", by_config, f"{samples} is not there yet: run the workflow for scans first"),
        ("scans", found, f"{samples} is not there yet: run the workflow for scans first"),
        ("scnas", by_config, f"{config} knows no dataset 'scnas', did you mean 'scans'?"),
        ("scnas", found, "no study found names the dataset 'scnas': name its --configfile"),
    ]:
        capsys.readouterr()
        assert main(["export-treated", dataset, "strip", "--out", str(tmp_path / "other"), *where]) == 1
        assert capsys.readouterr().err == f"nullcrop export-treated: error: {words}\n"
    assert not (tmp_path / "other").exists()
