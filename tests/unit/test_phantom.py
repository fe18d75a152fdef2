"""Phantoms: the truth an audit is tried on must itself be true."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import mannwhitneyu
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nullcrop.basics.errors import NullcropError
from nullcrop.config.definitions import Cue, PhantomSource, find_definitions, read_definition
from nullcrop.datasets import phantom
from nullcrop.datasets.phantom import generate_phantom
from nullcrop.datasets.samples import list_samples

CONFIG = Path(__file__).parents[2] / "config" / "phantoms"
PIXEL_CUES = ("session", "vignette", "stain", "patient")
CORNER_SLICES = {
    "upper_left": np.s_[:20, :20],
    "upper_right": np.s_[:20, -20:],
    "bottom_left": np.s_[-20:, :20],
    "bottom_right": np.s_[-20:, -20:],
}


def source(kind="none", strength=1.0, **changes) -> PhantomSource:
    values = {"patients": 8, "images_per_patient": 2, "seed": 3, **changes}
    return PhantomSource(kind="phantom", cue=Cue(kind=kind, strength=strength), **values)


def pixels(table: pd.DataFrame, folder: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(folder / "images" / path)) for path in table["path"]])


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """Table, pixels (400, 96, 96, 3) and folder of the phantom with a cue, made once."""
    made: dict[str, tuple[pd.DataFrame, np.ndarray, Path]] = {}

    def make(kind: str) -> tuple[pd.DataFrame, np.ndarray, Path]:
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            table = generate_phantom(source(kind, patients=100, images_per_patient=4, seed=21), folder)
            made[kind] = table, pixels(table, folder), folder
        return made[kind]

    return make


def features(images: np.ndarray) -> np.ndarray:
    """Mean and standard deviation of each channel, and the mean of each quarter, of one crop an image."""
    half = images.shape[1] // 2
    quarters = [images[:, i : i + half, j : j + half].mean((1, 2, 3)) for i in (0, half) for j in (0, half)]
    return np.column_stack([images.mean((1, 2)), images.std((1, 2)), *quarters])


def malignant(table: pd.DataFrame) -> np.ndarray:
    return (table["class"] == "malignant").to_numpy()


def grouped_auroc(values: np.ndarray, table: pd.DataFrame) -> float:
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    target = malignant(table)
    scores = cross_val_predict(
        model, values, target, groups=table["group"], cv=folds, method="decision_function"
    )
    return roc_auc_score(target, scores)


def auroc(values: np.ndarray, table: pd.DataFrame) -> float:
    """Of one number an image, larger for malignant."""
    return roc_auc_score(malignant(table), values)


# What is written


@pytest.mark.parametrize("kind", ["none", "jpeg", "patient"])
def test_two_runs_are_identical_and_another_seed_differs(tmp_path, kind):
    for run, seed in (("a", 3), ("b", 3), ("c", 4)):
        generate_phantom(source(kind, seed=seed), tmp_path / run)
    a, b, c = (contents(tmp_path / run) for run in "abc")
    assert a == b
    images = [name for name in set(a) & set(c) if name.startswith("images")]
    assert images
    assert all(a[name] != c[name] for name in images)


def test_table_names_every_file_once(tmp_path):
    table = generate_phantom(source(patients=12), tmp_path)
    assert list(table.columns) == ["path", "class", "id", "group", "session"]
    found = {path.relative_to(tmp_path / "images").as_posix() for path in tmp_path.rglob("*.png")}
    assert found == set(table["path"])
    assert table["id"].is_unique
    assert {"p012_1", "p012_2"} <= set(table["id"])
    row = table[table["id"] == "p012_2"].iloc[0]
    assert row["path"] == f"{row['class']}/p012_2.png"
    assert row["group"] == "p012"
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "samples.csv", dtype=str), table.astype(str))


def test_images_are_rgb_of_the_size_asked_for(tmp_path):
    table = generate_phantom(source(width=80, height=64), tmp_path)
    assert pixels(table, tmp_path).shape == (16, 64, 80, 3)


def test_a_broken_run_leaves_no_table(tmp_path, monkeypatch):
    generate_phantom(source(), tmp_path)

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(phantom, "draw_scan", fail)
    with pytest.raises(OSError, match="disk full"):
        generate_phantom(source(), tmp_path)
    assert not (tmp_path / "samples.csv").exists()


@given(
    patients=st.integers(2, 300),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**40),
    kind=st.sampled_from(["none", "session"]),
    sessions=st.integers(2, 7),
)
def test_diagnoses_and_sessions_are_as_many_as_asked_for(patients, share, seed, kind, sessions):
    made = source(kind, patients=patients, positive_share=share, seed=seed, sessions=sessions)
    wanted = round(share * patients)
    if 0 < wanted < patients:
        sick = phantom.diagnoses(made)
        assert sick.shape == (patients,)
        assert sick.sum() == wanted
        drawn = phantom.draw_sessions(made, sick)
        assert drawn.min() >= 0
        assert drawn.max() < sessions
    else:
        with pytest.raises(NullcropError, match="both classes need a patient"):
            phantom.diagnoses(made)


def test_a_table_of_somebody_else_is_left_alone(tmp_path):
    table = tmp_path / "samples.csv"
    table.write_text("path,class\nmine.png,benign\n")
    with pytest.raises(NullcropError, match=r"samples\.csv is no table of generated images"):
        generate_phantom(source(patients=4), tmp_path)
    assert table.read_text() == "path,class\nmine.png,benign\n"
    assert [path.name for path in tmp_path.iterdir()] == ["samples.csv"]


def test_negative_seed_is_refused(tmp_path):
    with pytest.raises(NullcropError, match=r"source\.seed must be 0 or more, not -1"):
        generate_phantom(source(seed=-1), tmp_path)


def test_a_patient_has_one_class_and_one_session(full):
    table, _, _ = full("session")
    assert (table.groupby("group")[["class", "session"]].nunique() == 1).all(axis=None)
    assert (table.groupby("group").size() == 4).all()
    assert table["class"].value_counts().to_dict() == {"benign": 240, "malignant": 160}


# What a cue changes, and what it does not


@pytest.mark.parametrize("kind", PIXEL_CUES)
def test_strength_0_is_the_clean_phantom(tmp_path, kind):
    generate_phantom(source("none"), tmp_path / "clean")
    generate_phantom(source(kind, strength=0), tmp_path / kind)
    assert contents(tmp_path / kind) == contents(tmp_path / "clean")


def test_jpeg_of_strength_0_saves_both_classes_alike(tmp_path):
    table = generate_phantom(source("jpeg", strength=0), tmp_path)
    tables = [Image.open(tmp_path / "images" / path).quantization for path in table["path"]]
    assert all(found == tables[0] for found in tables)


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(["none", *PIXEL_CUES]),
    strength=st.floats(0, 1),
    patient=st.integers(0, 7),
    number=st.integers(0, 1),
    sick=st.booleans(),
)
def test_a_scan_lies_under_every_cue_unchanged(kind, strength, patient, number, sick):
    made = source(kind, strength=strength)
    clean = phantom.draw_scan(source("none"), patient, number, sick)
    scan = phantom.draw_scan(made, patient, number, sick)
    np.testing.assert_array_equal(scan, clean)
    altered = phantom.apply_cue(scan, made, patient, sick, 0)
    assert altered.shape == scan.shape
    assert np.corrcoef(altered.ravel(), clean.ravel())[0, 1] > 0.93


@pytest.mark.parametrize("kind", ["vignette", "stain"])
def test_benign_images_are_spared(full, kind):
    table, images, _ = full(kind)
    _, clean, _ = full("none")
    same = (images == clean).all(axis=(1, 2, 3))
    np.testing.assert_array_equal(same, ~malignant(table))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    sick=st.booleans(),
    height=st.integers(64, 130),
    width=st.integers(64, 130),
)
def test_the_body_never_reaches_a_corner(seed, sick, height, width):
    made = source(seed=seed, height=height, width=width)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phantom, "NOISE", 0.0)
        patch.setattr(phantom, "COLOUR_NOISE", 0.0)
        scan = phantom.draw_scan(made, 0, 0, sick)
    for corner in CORNER_SLICES.values():
        assert np.ptp(scan[corner]) == 0
    assert scan[height // 2, width // 2].mean() > scan[0, 0].mean() + 40


def test_corners_are_noisy_and_not_cut_off(full):
    for kind in ("none", *PIXEL_CUES):
        _, images, _ = full(kind)
        for corner in CORNER_SLICES.values():
            crop = images[(slice(None), *corner)]
            assert 4 < crop.std((1, 2)).mean() < 7
            assert (crop == 0).mean() < 1e-3


# What may be read off the pixels


@pytest.mark.parametrize("corner", CORNER_SLICES)
def test_clean_corners_tell_nothing(full, corner):
    table, images, _ = full("none")
    crop = images[(slice(None), *CORNER_SLICES[corner])]
    sick = malignant(table)
    for value in (crop.mean((1, 2, 3)), crop.std((1, 2, 3))):
        assert mannwhitneyu(value[sick], value[~sick]).pvalue > 0.01
    assert abs(grouped_auroc(features(crop), table) - 0.5) < 0.12


@pytest.mark.parametrize(
    ("kind", "statistic"),
    [
        ("session", lambda crop: crop.mean((1, 2, 3))),
        ("vignette", lambda crop: -crop.mean((1, 2, 3))),
        ("stain", lambda crop: crop[..., 0].mean((1, 2)) / crop[..., 1].mean((1, 2))),
        # Strong compression smooths the noise between neighbours.
        ("jpeg", lambda crop: -np.abs(np.diff(crop.astype(float), axis=2)).mean((1, 2, 3))),
    ],
)
def test_a_cue_is_read_off_a_corner(full, kind, statistic):
    table, images, _ = full(kind)
    assert auroc(statistic(images[:, :20, :20]), table) > 0.9
    clean_table, clean, _ = full("none")
    assert abs(auroc(statistic(clean[:, :20, :20]), clean_table) - 0.5) < 0.12


def test_a_stronger_cue_is_easier_to_read():
    sick = np.repeat([True, False], 500)
    found = []
    for strength in (0, 0.5, 1):
        made = source("session", strength=strength, patients=1000)
        found.append(roc_auc_score(sick, phantom.draw_sessions(made, sick)))
    assert abs(found[0] - 0.5) < 0.05
    assert found[0] + 0.2 < found[1] < found[2] - 0.05


def test_jpeg_quality_is_in_the_files(full):
    table, _, folder = full("jpeg")
    assert set(table["path"].str[-4:]) == {".jpg"}
    first = [Image.open(folder / "images" / path).quantization[0][0] for path in table["path"]]
    assert auroc(np.array(first), table) == 1.0
    assert len(set(first)) == 2
    for strength, quality in ((0, 95), (0.5, 67), (1, 40)):
        assert phantom.jpeg_quality(Cue(kind="jpeg", strength=strength), True) == quality
        assert phantom.jpeg_quality(Cue(kind="jpeg", strength=strength), False) == 95


def test_a_signature_leaks_through_a_random_split_alone(full):
    table, images, _ = full("patient")
    crop = images[:, :20, :20]
    nearest = make_pipeline(StandardScaler(), KNeighborsClassifier(1))
    target, groups = malignant(table), table["group"]
    random = cross_val_predict(
        nearest, features(crop), target, cv=StratifiedKFold(5, shuffle=True, random_state=0)
    )
    grouped = cross_val_predict(nearest, features(crop), target, groups=groups, cv=GroupKFold(5))
    assert (random == target).mean() > 0.8
    assert (grouped == target).mean() < 0.62
    assert abs(grouped_auroc(features(crop), table) - 0.5) < 0.15


def test_the_lesion_is_in_the_centre_and_in_the_whole(full):
    table, images, _ = full("none")
    centre = images[:, 38:58, 38:58]
    assert grouped_auroc(features(centre), table) > 0.85
    small = images[:, ::8, ::8].mean(-1).reshape(len(images), -1)
    whole = np.column_stack([small.max(1), small.mean(1), small.std(1), np.sort(small, axis=1)[:, -12:]])
    assert grouped_auroc(whole, table) > 0.75


# The definitions that ship


def test_shipped_definitions_have_seeds_of_their_own():
    found = find_definitions([str(CONFIG)])
    assert set(found) == {
        f"phantom_{name}" for name in ("clean", "session", "jpeg", "vignette", "stain", "patient")
    }
    definitions = [read_definition(path) for path in found.values()]
    assert len({definition.source.seed for definition in definitions}) == len(definitions)
    for name, path in found.items():
        cue = read_definition(path).source.cue
        kind = name.removeprefix("phantom_")
        assert (cue.kind, cue.strength) == (("none", 0) if kind == "clean" else (kind, 1))


@pytest.mark.long
def test_shipped_counts_are_those_generated(tmp_path):
    path = CONFIG / "phantom_clean.yaml"
    definition = read_definition(path)
    generate_phantom(definition.source, tmp_path / "archive")
    samples = list_samples("phantom_clean", definition, tmp_path / "archive", tmp_path / "out", threads=1)
    assert len(samples) == definition.expected.images
    assert samples["class"].value_counts().to_dict() == definition.expected.classes
    for other in CONFIG.glob("*.yaml"):
        assert read_definition(other).expected == definition.expected
