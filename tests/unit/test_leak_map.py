"""The leak map on images whose cue lies at a known place, is of a known size, or is not there."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.contour import ContourSet
from matplotlib.lines import Line2D
from PIL import Image
from scipy.stats import binom

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import sha256_of_lines, write_json
from nullcrop.cli import main
from nullcrop.config.leak_map import LeakMap
from nullcrop.cues.leak_map import MAP_COLUMNS, map_sentence
from nullcrop.cues.windows import (
    BINS,
    BLOCKS,
    FEATURES,
    MEAN_SIDE,
    SCALE,
    Place,
    features_of,
    measure_windows,
    places_of,
)
from nullcrop.figures.leak_map import networks_by_place, plot_leak_map
from nullcrop.images.store import PackedView
from nullcrop.splits import make_split

SIDE, COUNT = 48, 160


def pack(folder: Path, images: np.ndarray) -> Path:
    """A packed view of whole images of one size, as crop-views writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = [f"{row:04}" for row in range(len(images))]
    np.save(folder / "original.npy", images)
    facts = {"images": len(images), "shape": list(images.shape), "sizes": None}
    write_json(folder / "original.json", {**facts, "ids_sha256": sha256_of_lines(ids)})
    return folder / "original.json"


def a_dataset(
    folder: Path,
    images: np.ndarray,
    targets: np.ndarray,
    group: np.ndarray | None = None,
    protocol: str = "crossfit5",
) -> list[str]:
    """Samples, packed view and five splits of a dataset; the flags of the command that maps it."""
    view = pack(folder, images)
    samples = pd.DataFrame({"id": [f"{row:04}" for row in range(len(images))], "target": targets})
    samples = samples.assign(group="" if group is None else group, official_split="", path="none.png")
    samples = samples.assign(**{"class": targets.astype(str)}, width=images.shape[2], height=images.shape[1])
    samples.to_csv(folder / "samples.csv", index=False)
    splits = []
    for seed in range(5):
        path = folder / "printed" / protocol / f"seed{seed}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        make_split(samples, samples["target"], protocol, seed).to_csv(path, index=False)
        splits.append(str(path))
    return ["--samples", str(folder / "samples.csv"), "--view", str(view), "--splits", *splits]


def map_of(folder: Path, flags: list[str], **settings) -> pd.DataFrame:
    asked = LeakMap(**{"window": 8, "positions": 6, "sizes": [4, 16], "draws": 199, **settings})
    out = ["--out", str(folder / "leak_map.csv"), "--means", str(folder / "leak_map.npy")]
    given = ["--settings", asked.model_dump_json(), "--level", "0.05", "--threads", "1"]
    assert main(["map-leaks", *flags, *given, *out]) == 0
    return pd.read_csv(folder / "leak_map.csv")


def noise(seed: int, count: int = COUNT) -> np.ndarray:
    return np.random.default_rng(seed).integers(90, 130, (count, SIDE, SIDE, 3), dtype=np.uint8)


def balanced(count: int = COUNT) -> np.ndarray:
    return np.random.default_rng(0).permutation(np.arange(count) % 2)


@pytest.mark.parametrize(("left", "top"), [(0, 0), (40, 8), (20, 20)])
def test_the_map_peaks_where_a_cue_was_planted_and_is_silent_elsewhere(
    tmp_path: Path, left: int, top: int
) -> None:
    images, targets = noise(1), balanced()
    images[targets == 1, top : top + 8, left : left + 8] += 12
    table = map_of(tmp_path, a_dataset(tmp_path, images, targets))
    assert list(table) == MAP_COLUMNS
    assert (table[["labels", "split"]] == ["printed", "crossfit5"]).all(axis=None)
    grid = table[table["size"] == 8]
    assert len(grid) == 36
    best = grid.loc[grid["auroc"].idxmax()]
    stride = (SIDE - 8) / 5
    assert abs(best["x"] * SIDE - (left + 4)) <= stride
    assert abs(best["y"] * SIDE - (top + 4)) <= stride
    assert best["low"] > 0.5
    assert best["p"] == 1 / 200
    far = grid[((grid["x"] * SIDE - left - 4).abs() >= 8) | ((grid["y"] * SIDE - top - 4).abs() >= 8)]
    assert (far["low"] <= 0.5).all()
    # Windows of another size stand at the corners alone.
    assert table.groupby("size").size().to_dict() == {4: 4, 8: 36, 16: 4}


def test_a_cue_in_no_colour_mean_is_read_from_the_histogram(tmp_path: Path) -> None:
    images, targets = np.full((COUNT, SIDE, SIDE, 3), 120, np.uint8), balanced()
    checks = (np.indices((8, 8)).sum(0) % 2)[..., None] * 40
    images[targets == 1, :8, :8] = (100 + checks).astype(np.uint8)
    table = map_of(tmp_path, a_dataset(tmp_path, images, targets), sizes=[])
    corner = table[(table["row"] == 0) & (table["column"] == 0)].iloc[0]
    assert corner["auroc"] == 1
    # Where all images are alike nothing is told, whatever rounding says.
    away = table[(table["row"] > 0) & (table["column"] > 0)]
    assert (away["auroc"] == 0.5).all()
    assert (away["p"] == 1).all()


@pytest.mark.long
def test_without_a_cue_the_map_is_silent_at_the_nominal_rate(tmp_path: Path) -> None:
    """100 datasets without a cue, half of them with two images of each patient."""
    alarms = 0
    for seed in range(100):
        folder = tmp_path / str(seed)
        images, targets = noise(seed, 60), balanced(60)
        group = None
        if seed % 2:
            # Both images of a patient are alike, so images would be no independent units.
            targets, group = np.repeat(targets[:30], 2), np.repeat([f"p{i}" for i in range(30)], 2)
            images = np.repeat(images[:30], 2, axis=0)
        table = map_of(
            folder, a_dataset(folder, images, targets, group), positions=3, sizes=[], draws=99, window=16
        )
        alarms += bool((table["low"] > 0.5).any())
    assert alarms <= binom.ppf(0.995, 100, 0.05)


def test_windows_hold_what_numpy_says_of_them() -> None:
    windows = np.random.default_rng(5).integers(0, 256, (3, 10, 10, 3), dtype=np.uint8)
    found = features_of(windows).astype(float)
    assert found.shape == (3, FEATURES)
    edges = np.linspace(0, 10, BLOCKS + 1).round().astype(int)
    for window, features in zip(windows, found, strict=True):
        blocks = [
            window[a:b, c:d].reshape(-1, 3).mean(0) for a, b in pairwise(edges) for c, d in pairwise(edges)
        ]
        assert features[: 3 * BLOCKS**2] / SCALE == pytest.approx(np.concatenate(blocks), abs=0.5 / SCALE)
        spread = window.reshape(-1, 3).std(0)
        assert features[3 * BLOCKS**2 :][:3] / SCALE == pytest.approx(spread, abs=0.5 / SCALE)
        counts = [np.histogram(window[..., c], BINS, (0, 256))[0] for c in range(3)]
        assert features[-3 * BINS :].tolist() == np.concatenate(counts).tolist()


def test_windows_touch_the_rims_of_images_of_any_size() -> None:
    corners = [Place(8, row, column, 5, 5) for row in (0, 4) for column in (0, 4)]
    for width, height in ((48, 48), (31, 100), (8, 9)):
        found = [place.corner(width, height) for place in corners]
        assert found == [(0, 0), (width - 8, 0), (0, height - 8), (width - 8, height - 8)]


def test_places_are_no_more_than_there_is_room_for() -> None:
    assert len(places_of(100, 100, 20, 15, [])) == 225
    # Nine places of a window of 20 in 28 pixels, one in 20.
    assert len(places_of(28, 20, 20, 15, [])) == 9
    sizes = {place.size for place in places_of(40, 40, 20, 2, [4, 20, 32, 48])}
    assert sizes == {20, 4, 32}
    with pytest.raises(NullcropError, match="the smallest side here is 16: name another under"):
        places_of(300, 16, 20, 15, [])


def test_what_is_measured_is_the_same_on_many_threads(tmp_path: Path) -> None:
    images, targets = noise(6, 30), balanced(30)
    view = PackedView(pack(tmp_path, images))
    places = places_of(SIDE, SIDE, 8, 4, [16])
    one, many = (measure_windows(view, [""] * 30, targets, places, threads, tmp_path) for threads in (1, 3))
    assert (one.features == many.features).all()
    place = places[6]
    left, top = place.corner(SIDE, SIDE)
    window = images[11, top : top + 8, left : left + 8]
    assert (one.features[6, 11] == features_of(window[None])[0]).all()
    assert one.centres[6] == pytest.approx([(left + 4) / SIDE, (top + 4) / SIDE])
    small = [
        np.asarray(Image.fromarray(image).resize((MEAN_SIDE, MEAN_SIDE), Image.Resampling.BOX))
        for image in images[targets == 1]
    ]
    assert one.means[1] == pytest.approx(np.mean(small, axis=0))
    assert [path.name for path in tmp_path.iterdir() if path.suffix not in (".npy", ".json")] == []


def test_a_class_in_one_group_alone_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    targets = (np.arange(60) < 20).astype(int)
    group = np.array(["one"] * 20 + [f"p{i}" for i in range(40)])
    flags = a_dataset(tmp_path, noise(7, 60), targets, group, "random")
    out = ["--out", str(tmp_path / "m.csv"), "--means", str(tmp_path / "m.npy")]
    given = ["--settings", '{"window": 8}', "--level", "0.05", "--threads", "1"]
    assert main(["map-leaks", *flags, *given, *out]) == 1
    assert "a class is in one group alone" in capsys.readouterr().err


def test_the_figure_outlines_the_places_that_tell(tmp_path: Path) -> None:
    rows = [(row, column) for row in range(4) for column in range(5)]
    table = pd.DataFrame(rows, columns=["row", "column"]).assign(labels="printed", split="random", size=20)
    table["x"], table["y"] = 0.1 + 0.2 * table["column"], 0.125 + 0.25 * table["row"]
    table["auroc"], table["low"], table["high"] = 0.5, 0.4, 0.6
    telling = (table["row"] == 1) & table["column"].isin([2, 3])
    table.loc[telling, ["auroc", "low"]] = 0.8, 0.6
    means = np.full((2, 8, 8, 3), 50, np.float32)
    figure = plot_leak_map(table, means, ["no", "yes"], "Title", "Caption", tmp_path / "map")
    lines = [line for line in figure.axes[0].get_lines() if isinstance(line, Line2D)]
    length = sum(
        abs(np.diff(line.get_xdata())).sum() + abs(np.diff(line.get_ydata())).sum() for line in lines
    )
    assert length == pytest.approx(2 * (0.4 + 0.25))  # the rim of two places side by side
    assert {path.suffix for path in tmp_path.iterdir()} == {".pdf", ".svg", ".png"}


def test_networks_at_places_stand_where_they_looked(tmp_path: Path) -> None:
    def reader(
        view: str, architecture: str, auroc: float, low: float = 0.4, **more: str
    ) -> dict[str, object]:
        named = {"labels": "printed", "split": "random", "role": "view", "recipe": "a"} | more
        return named | {"view": view, "architecture": architecture, "auroc": auroc, "bound_low": low}

    readers = pd.DataFrame(
        [
            reader("upper_left", "lenet5", 0.7, 0.6, role="crop"),
            reader("at_25_50", "lenet5", 0.55),
            reader("at_25_50", "lenet5", 0.95, recipe="b"),
            reader("upper_left", "vgg16", 0.95, recipe="0", role="crop"),
            reader("at_75_50", "vgg16", 0.65, recipe="b"),
            # By a recipe on the study's crops alone; no network; another split; controls.
            reader("upper_left", "vgg16", 0.9, role="crop"),
            reader("at_25_50", "mean_rgb", 0.9),
            reader("at_25_50", "average", 0.9),
            reader("at_25_50", "lenet5", 0.9, split="official"),
            reader("at_25_50", "lenet5", 0.9, role="shuffled"),
            reader("original", "lenet5", 0.9),
        ]
    )
    found = networks_by_place(readers, "printed", "random")
    assert found.to_numpy().tolist() == [
        ["lenet5", "upper_left", 0, 0, 0.7, 0.6],
        ["lenet5", "at_25_50", 25, 50, 0.55, 0.4],
        ["vgg16", "at_75_50", 75, 50, 0.65, 0.4],
    ]
    means = np.full((2, 8, 8, 3), 50, np.float32)
    figure = plot_leak_map(a_map([]), means, ["no", "yes"], "", "", tmp_path / "map", networks=found)
    panel = figure.axes[2]
    assert panel.get_title(loc="left") == "LeNet-5, AUROC by place"
    said = {text.get_text(): (text.get_position(), text.get_weight()) for text in panel.texts}
    # Windows are a fifth of the width and of the height.
    assert said["0.70"] == ((pytest.approx(0.1), pytest.approx(0.1)), "bold")
    assert said["0.55"] == ((pytest.approx(0.25 * 0.8 + 0.1), pytest.approx(0.5)), "normal")
    assert len(said) == 2
    assert networks_by_place(readers.iloc[:0], "printed", "random").empty
    assert networks_by_place(readers.iloc[[0, 3]], "printed", "random").empty


def test_lesions_are_outlined_where_their_shares_lie(tmp_path: Path) -> None:
    rows, columns = np.indices((64, 64)) + 0.5
    lesions = np.maximum(0, 1 - np.hypot(rows / 64 - 0.5, columns / 64 - 0.4) / 0.3).astype(np.float32)
    means = np.full((2, MEAN_SIDE, MEAN_SIDE, 3), 99, np.float32)
    # Of no spread there is nothing to outline.
    for masks in (0 * lesions, lesions):
        figure = plot_leak_map(a_map([]), means, ["no", "yes"], "", "", tmp_path / "map", lesions=masks)
        drawn = [one for ax in figure.axes[:2] for one in ax.collections if isinstance(one, ContourSet)]
        assert len(drawn) == (2 if masks.any() else 0)
    contours = drawn[0]
    assert list(contours.levels) == [0.01, 0.1, 0.5]
    for level, path in zip(contours.levels, contours.get_paths(), strict=True):
        x, y = path.vertices.T
        np.testing.assert_allclose(np.hypot(x - 0.4, y - 0.5), 0.3 * (1 - level), atol=0.01)


def a_map(telling: list[tuple[int, int]], size: int = 20, split: str = "crossfit") -> pd.DataFrame:
    """A map of 5 × 5 places of which some tell the class, the first of them best."""
    rows = [(row, column) for row in range(5) for column in range(5)]
    table = pd.DataFrame(rows, columns=["row", "column"]).assign(labels="printed", split=split, size=size)
    table["x"], table["y"] = 0.1 + 0.2 * table["column"], 0.1 + 0.2 * table["row"]
    table["auroc"], table["low"] = 0.5, 0.4
    for place, (row, column) in enumerate(telling):
        here = (table["row"] == row) & (table["column"] == column)
        table.loc[here, ["auroc", "low"]] = 0.8 - 0.05 * place, 0.6049
    return table


@pytest.mark.parametrize(
    ("place", "words"), [((0, 0), "upper left"), ((4, 2), "bottom"), ((2, 2), "centre"), ((2, 4), "right")]
)
def test_the_sentence_says_where_and_how_much(place: tuple[int, int], words: str) -> None:
    table = pd.concat([a_map([place, (1, 1)]), a_map([(0, 4)], size=40), a_map([], split="random")])
    assert map_sentence(table, "printed", "crossfit") == (
        "In windows of 20×20 pixels a simple reader tells the class in 8% of the field, best at the "
        f"{words} (0.80, at least 0.60)."
    )
    assert map_sentence(table, "printed", "random") == (
        "At none of 25 places of the image a simple reader of windows of 20×20 pixels is shown to tell the "
        "class."
    )
    assert map_sentence(table, "printed", "grouped") == ""
