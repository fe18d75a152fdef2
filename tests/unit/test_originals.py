"""Originals stored as networks take them: all that reads a store is given what the full pixels give, to the
bit."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isqrt
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import nullcrop.figures.samples as samples_module
import nullcrop.images.store as store_module
from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import read_json, write_json
from nullcrop.basics.threads import Turns, mapped
from nullcrop.cli import main
from nullcrop.config.cell import Cell
from nullcrop.config.definitions import Definition
from nullcrop.config.grid import Grid
from nullcrop.config.models import Project
from nullcrop.config.readers import BASELINES, Baseline, Part
from nullcrop.config.recipe import Recipe
from nullcrop.config.views import views_made_always
from nullcrop.datasets.samples import list_samples
from nullcrop.duplicates.search import write_duplicates, write_pairs_between
from nullcrop.figures.samples import plot_dataset_samples
from nullcrop.images.packing import packed_sides
from nullcrop.images.store import PackedView, full_pixels, write_store
from nullcrop.splits import write_split
from nullcrop.training.baselines import BaselinesJob, fit_baselines, pixel_features
from nullcrop.training.data import InputImages
from nullcrop.training.device_images import DeviceImages
from nullcrop.training.loop import CellJob, train_cell
from tests.conftest import definition_content

SIDES = {"20": 20, "33": 33}
CPU = torch.device("cpu")


def write_images(folder: Path, sizes: Sequence[tuple[int, int]], seed: int = 0) -> None:
    """JPEGs of these widths and heights in two class folders: coarse shapes, brighter in one class."""
    rng = np.random.default_rng(seed)
    for number, (width, height) in enumerate(sizes):
        coarse = rng.integers(0, 160, (7, 9, 3), dtype=np.uint8) + np.uint8(60 * (number % 2))
        path = folder / "images" / ("benign", "malignant")[number % 2] / f"{number:02}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(path, quality=92)


@pytest.fixture(scope="module", params=["ragged", "uniform"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 listed images, two of them the same, packed at full size and at SIDES, and split."""
    folder = tmp_path_factory.mktemp(request.param)
    ragged = request.param == "ragged"
    sizes = [(260 + 7 * n, 330 - 5 * n) if ragged else (280, 240) for n in range(30)]
    write_images(folder, sizes)
    copied = folder / "images" / "benign"
    (copied / "30.jpg").write_bytes((copied / "04.jpg").read_bytes())
    samples = list_samples("toy", definition_of(folder), folder, folder, threads=1)
    write_store(samples, folder / "full", views_made_always(), 20, 20, threads=2)
    write_store(samples, folder / "input", views_made_always(), 20, 20, threads=2, sides=SIDES)
    targets = samples["class"].map(definition_of(folder).targets("printed"))
    write_split(samples, targets, "random", 0, folder / "split.csv")
    return folder


def definition_of(folder: Path) -> Definition:
    return Definition.model_validate(
        definition_content(source={"kind": "folder", "path": str(folder / "images")})
    )


def both(folder: Path) -> tuple[PackedView, PackedView]:
    return PackedView(folder / "full" / "original.json"), PackedView(folder / "input" / "original.json")


def samples_of(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "samples.csv", keep_default_na=False, dtype={"id": str})


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_squares_are_pillows_and_the_checksum_is_that_of_the_full_pixels(folder: Path) -> None:
    full, squares = both(folder)
    assert full.full
    assert not squares.full
    assert (folder / "full/original.npy").stat().st_size > 4 * (folder / "input/original.npy").stat().st_size
    for name in ("images", "ids_sha256", "pixels_sha256", "decoder"):
        assert squares.sidecar[name] == full.sidecar[name]
    for side in SIDES.values():
        for row, path in enumerate(samples_of(folder)["path"]):
            with Image.open(path) as image:
                expected = np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))
            np.testing.assert_array_equal(squares.at(side)[row], expected)
    assert full.at(33) is full


def test_images_of_more_than_four_times_the_bytes_of_their_extracts_are_not_kept(tmp_path: Path) -> None:
    def stored(side: int) -> PackedView:
        folder = tmp_path / str(side)
        write_images(folder, [(side, side)] * 2)
        samples = list_samples("toy", definition_of(folder), tmp_path, folder, threads=1)
        write_store(samples, folder, ["original"], 20, 20, threads=1, sides={"100": 100})
        return PackedView(folder / "original.json")

    extracts = sum(stored(400).sidecar["extracts"].values())
    assert extracts > 100 * 100 * 3
    most = isqrt(4 * extracts // 3)
    assert stored(most).full
    assert not stored(most + 1).full


def test_the_other_views_are_the_same_files(folder: Path) -> None:
    full, squares = bytes_below(folder / "full"), bytes_below(folder / "input")
    assert {name for name in full if full[name] != squares[name]} == {"original.npy", "original.json"}


def test_the_number_of_threads_and_the_order_of_sides_change_nothing(folder: Path, tmp_path: Path) -> None:
    for threads, sides in ((1, SIDES), (5, {"33": 33, "20": 20})):
        write_store(samples_of(folder), tmp_path / str(threads), ["original"], 20, 20, threads, sides)
    one, five = (tmp_path / name / "original.npy" for name in ("1", "5"))
    assert one.read_bytes() == five.read_bytes() == (folder / "input/original.npy").read_bytes()


@pytest.mark.parametrize("architecture", ["lenet5", "shufflenet_v2"])
def test_a_cell_has_the_same_identity_and_predictions(
    architecture: str, folder: Path, tmp_path: Path
) -> None:
    made = {}
    for name in ("full", "input"):
        job = CellJob(
            cell=Cell("toy", "printed", "random", "original", architecture, "own", 0),
            recipe=Recipe(
                weights="random",
                epochs=2,
                input_size=33 if architecture == "shufflenet_v2" else None,
                batch_size=9,
            ),
            view=folder / name / "original.json",
            split=folder / "split.csv",
            weights=None,
            device="cpu",
            numerics=None,
            threads=1,
            out=tmp_path / name,
            work=tmp_path / f"{name}.work",
        )
        train_cell(job)
        identity = read_json(job.out / "cell.json")["identity"]
        made[name] = identity, (job.out / "predictions.csv").read_bytes()
    assert made["full"] == made["input"]


def test_a_finished_cell_is_kept_whatever_the_store_holds(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    job = CellJob(
        cell=Cell("toy", "printed", "random", "original", "lenet5", "own", 0),
        recipe=Recipe(weights="random", epochs=1, input_size=40),
        view=folder / "full" / "original.json",
        split=folder / "split.csv",
        weights=None,
        device="cpu",
        numerics=None,
        threads=1,
        out=tmp_path / "cell",
        work=tmp_path / "work",
    )
    train_cell(job)
    squares = replace(job, view=folder / "input" / "original.json")
    train_cell(squares)
    assert "kept" in capfd.readouterr().err
    with pytest.raises(NullcropError, match=r"holds 20, 33, .* of each image, but not 40.*`originals: full`"):
        train_cell(replace(squares, out=tmp_path / "other", work=tmp_path / "other.work"))


@pytest.mark.parametrize("room", [10**9, 0], ids=["resident", "streamed"])
def test_the_device_is_given_the_same_batches(folder: Path, room: int) -> None:
    full, squares = both(folder)
    steps = [[3, 0, 7], [1, 30, 2]]
    for side in SIDES.values():
        plain = InputImages(full, side, CPU, "lenet5")
        for rows, (_, inputs) in zip(
            steps, DeviceImages(squares.at(side), side, CPU, "lenet5", room).inputs(steps), strict=True
        ):
            assert torch.equal(inputs, plain.batch(rows))


def test_baselines_and_duplicates_are_the_same(folder: Path, tmp_path: Path) -> None:
    for of_full, of_squares in zip(*(pixel_features(view).values() for view in both(folder)), strict=True):
        np.testing.assert_array_equal(of_full, of_squares)
    for name in ("full", "input"):
        here = tmp_path / name / "toy"
        write_duplicates(samples_of(folder), PackedView(folder / name / "original.json"), here, threads=2)
        fit_baselines(
            BaselinesJob(
                dataset="toy",
                labels="printed",
                protocol="random",
                seed=0,
                samples=folder / "samples.csv",
                split=folder / "split.csv",
                views=folder / name,
                out=here / "cells",
                work=tmp_path / "work" / name,
            )
        )
        (here / "samples.csv").write_bytes((folder / "samples.csv").read_bytes())
        originals = [folder / name / "original.json", folder / "input" / "original.json"]
        write_pairs_between([here, here], originals, here / "counts.csv", here / "pairs.csv", threads=1)
    full, squares = bytes_below(tmp_path / "full"), bytes_below(tmp_path / "input")
    assert set(full) == set(squares)
    differing = {name for name in full if full[name] != squares[name]}
    assert {Path(name).name for name in differing} <= {"cell.json", "history.csv"}  # they tell seconds
    for name in differing:
        if name.endswith("cell.json"):
            identities = [read_json(tmp_path / where / name)["identity"] for where in ("full", "input")]
            assert identities[0] == identities[1]
    duplicates = pd.read_csv(tmp_path / "input" / "toy" / "duplicates.csv", dtype={"id": str})
    assert {"benign/04.jpg", "benign/30.jpg"} <= set(duplicates.query("kind == 'exact'")["id"])


def test_sample_figures_show_the_full_images(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples_module, "save_figure", lambda figure, *_: None)
    shown = []
    for name in ("full", "input"):
        figure = plot_dataset_samples(
            definition_of(folder), "printed", folder / "samples.csv", folder / name, (20, 20), tmp_path / name
        )
        shown.append([np.asarray(ax.images[0].get_array()) for ax in figure.axes])
    for of_full, of_squares in zip(*shown, strict=True):
        np.testing.assert_array_equal(of_full, of_squares)


def test_a_full_image_is_read_again_while_its_file_is_what_it_was(folder: Path, tmp_path: Path) -> None:
    full, squares = both(folder)
    for row, path in enumerate(samples_of(folder)["path"]):
        np.testing.assert_array_equal(full_pixels(squares, row, path), full[row])
    Image.fromarray(full[0][:, ::-1]).save(tmp_path / "turned.png")
    with pytest.raises(NullcropError, match=r"turned\.png holds other pixels than when .* packed"):
        full_pixels(squares, 0, str(tmp_path / "turned.png"))


def test_each_image_is_decoded_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []
    read = store_module.read_rgb
    monkeypatch.setattr(store_module, "read_rgb", lambda path, *how: decoded.append(path) or read(path, *how))
    write_store(samples_of(folder), tmp_path, views_made_always(), 20, 20, threads=3, sides=SIDES)
    assert sorted(decoded) == sorted(samples_of(folder)["path"])


def test_full_pixels_are_not_to_be_had_from_squares(folder: Path) -> None:
    with pytest.raises(NullcropError, match=r"holds no full images: the config decides"):
        both(folder)[1][0]


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("broken", [0, 13, 29])
def test_a_broken_image_ends_the_step_by_its_name(
    threads: int, broken: int, tmp_path: Path, folder: Path
) -> None:
    """Threads that wait for their turn behind it must not wait for ever."""
    samples = samples_of(folder)
    samples.loc[broken, "path"] = str(tmp_path / "none.jpg")
    with pytest.raises(NullcropError, match=r"none\.jpg cannot be read"):
        write_store(samples, tmp_path / "views", views_made_always(), 20, 20, threads, SIDES)
    assert not any((tmp_path / "views").iterdir())


def test_images_that_are_not_much_larger_are_stored_as_they_are(tmp_path: Path) -> None:
    write_images(tmp_path, [(130, 130 - n) for n in range(6)])
    samples = list_samples("toy", definition_of(tmp_path), tmp_path, tmp_path, threads=1)
    write_store(samples, tmp_path / "full", views_made_always(), 20, 20, threads=1)
    write_store(samples, tmp_path / "input", views_made_always(), 20, 20, threads=1, sides={"64": 64})
    full, asked = bytes_below(tmp_path / "full"), bytes_below(tmp_path / "input")
    assert {name for name in full if full[name] != asked[name]} == {"original.json"}
    facts = read_json(tmp_path / "input" / "original.json")
    assert facts.pop("sides") == ["64"]
    assert facts == read_json(tmp_path / "full" / "original.json")


def test_the_command_takes_sides_in_pixels_and_by_timms_name(folder: Path, tmp_path: Path) -> None:
    common = ["crop-views", "--samples", str(folder / "samples.csv"), "--views", "original", "--threads", "1"]
    main([*common, "--out", str(tmp_path), "--crop", "20x20", "--sides", "20", "timm:test_resnet"])
    facts = read_json(tmp_path / "original.json")
    assert facts["sides"] == ["20", "timm:test_resnet"]
    main([*common, "--out", str(tmp_path / "none"), "--crop", "20x20", "--sides"])
    assert PackedView(tmp_path / "none" / "original.json").at(20).shape == (31, 20, 20, 3)


def test_a_store_is_asked_for_what_it_lacks_and_nothing_else(
    make_project: Callable[..., Project], tmp_path: Path
) -> None:
    facts = tmp_path / "store" / "first" / "views" / "original.json"

    def asked(stored: dict[str, object] | None, originals: str, *sides: int) -> list[str] | None:
        facts.unlink(missing_ok=True)
        if stored is not None:
            write_json(facts, stored)
        recipes = {f"r{side}": {"weights": "random", "input_size": side} for side in sides}
        study = {"datasets": ["first"], "architectures": ["resnet50"], "recipes": list(recipes)}
        project = make_project(
            {"one": study}, recipes=recipes, originals=originals, paths={"store": str(tmp_path / "store")}
        )
        return packed_sides(Grid(project), "first")

    assert asked(None, "input", 64, 32) == ["32", "64"]
    assert asked(None, "full", 64, 32) is None
    # A full store of before there was a choice, and one that was asked for sides: both serve every side.
    assert asked({"view": "original"}, "input", 64) is None
    assert asked({"sides": ["32"]}, "input", 64) == asked({"sides": ["32"]}, "full", 64) == ["32"]
    # One of squares keeps what another config asked for, and gets what it lacks.
    squares = {"sides": ["32", "64"], "extracts": {"32": 3072, "64": 12288}}
    assert asked(squares, "input", 64) == ["32", "64"]
    assert asked(squares, "input", 96) == ["32", "64", "96"]
    assert asked(squares, "full", 64) is None
    facts.write_text("[")
    assert packed_sides(Grid(make_project({"one": {"datasets": ["first"]}})), "first") == ["224", "299"]


@pytest.fixture
def shapes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of a baseline for each part of an image, whose features are the shape of what it is given."""
    own = {
        part: Baseline(part, part, BASELINES["majority"].look, part, "pixels", "numpy:shape", part)
        for part in get_args(Part)
    }
    monkeypatch.setattr(BASELINES, "_records", {**BASELINES._records, **own})
    return list(own)


def test_a_baseline_is_given_what_its_record_says_that_it_reads(folder: Path, shapes: list[str]) -> None:
    full, squares = both(folder)
    found = pixel_features(full, shapes)
    assert found["image"].tolist() == [list(full[row].shape) for row in range(len(full))]
    for name, shape in (("square", [20, 20, 3]), ("levels", [3, 256])):
        for features in (found[name], pixel_features(squares, [name])[name]):
            assert (features == shape).all()
    with pytest.raises(NullcropError, match=r"holds no full images: .*`originals: full`"):
        pixel_features(squares, ["image"])


@pytest.mark.parametrize(
    ("part", "view", "whole"),
    [
        ("image", "original", True),
        ("image", "center", False),
        ("square", "original", False),
        ("levels", "original", False),
    ],
)
def test_originals_are_stored_whole_where_a_baseline_reads_them_whole(
    part: str,
    view: str,
    whole: bool,
    shapes: list[str],
    make_project: Callable[..., Project],
    tmp_path: Path,
) -> None:
    parts = [
        {"architectures": ["resnet50"], "views": ["original"]},
        {"architectures": ["resnet50"], "views": [view], "baselines": [part]},
    ]
    recipes = {"own": {"weights": "random", "input_size": 64}}
    studies = {
        "with": {"datasets": ["first"], "recipes": ["own"], "parts": parts},
        "without": {"datasets": ["second"], "recipes": ["own"], "parts": parts[:1]},
    }
    grid = Grid(make_project(studies, recipes=recipes, paths={"store": str(tmp_path)}))
    assert packed_sides(grid, "first") == (None if whole else ["64"])
    assert packed_sides(grid, "second") == ["64"]
    # A store of squares that another config asked for is packed again, one that is full stays.
    facts = tmp_path / "first" / "views" / "original.json"
    write_json(facts, {"sides": ["64"], "extracts": {"64": 12288}})
    assert packed_sides(grid, "first") == (None if whole else ["64"])
    write_json(facts, {"sides": ["64"]})
    assert packed_sides(grid, "first") == ["64"]


@given(st.integers(1, 40), st.integers(1, 5), st.sets(st.integers(0, 39)))
def test_turns_come_in_order_until_one_fails(items: int, threads: int, failing: set[int]) -> None:
    turns, order = Turns(), []

    def work(item: int) -> int:
        if item in failing:
            turns.fail(item)
            raise KeyError(item)
        try:
            with turns.of(item):
                order.append(item)
        except BaseException:
            turns.fail(item)
            raise
        return item

    first = min(failing & set(range(items)), default=items)
    if first < items:
        with pytest.raises(KeyError, match=rf"^{first}$"):
            list(mapped(work, range(items), threads, 1))
    else:
        assert list(mapped(work, range(items), threads, 1)) == list(range(items))
    assert order == list(range(first))
