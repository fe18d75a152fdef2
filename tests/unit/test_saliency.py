"""Saliency: maps against calculations by hand, shares by a planted place, and the cell's own network."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import spearmanr
from scipy.stats import t as student
from torch import Tensor, nn
from torch.nn import functional

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import sha256_of
from nullcrop.config.cell import CELL_FILES, Cell
from nullcrop.config.definitions import Masks
from nullcrop.config.recipe import Recipe
from nullcrop.config.saliency import Method, Saliency
from nullcrop.cues.explained import (
    SaliencyJob,
    central_half,
    chosen_rows,
    map_correlation,
    write_saliency,
)
from nullcrop.cues.saliency import SALIENCY_COLUMNS, join_saliency, maps_name, saliency_sentences
from nullcrop.figures.saliency import plot_saliency
from nullcrop.images.store import write_store
from nullcrop.splits import make_split
from nullcrop.training.architectures import build
from nullcrop.training.arithmetic import Engine, set_arithmetic
from nullcrop.training.attribution import SIDE, last_feature_map, saliency_maps
from nullcrop.training.data import InputImages
from nullcrop.training.loop import CellJob, train_again, train_cell

IMAGES, PIXELS = 120, 32
SQUARE = 8
"""Side of the bright square in the upper left corner of the images of class 1."""


class Cam(nn.Module):
    """A convolution, the mean over its maps, a linear layer: of which class activation maps are known."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Conv2d(3, 4, 3)
        self.linear = nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        answers: Tensor = self.linear(self.maps(images).mean((2, 3)))
        return answers


def in_memory(pixels: np.ndarray, architecture: str = "lenet5") -> InputImages:
    return InputImages(pixels, pixels.shape[1], torch.device("cpu"), architecture)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> SaliencyJob:
    """A finished cell on images of noise, those of class 1 with a bright square in their upper left corner,
    and masks that cover just that square."""
    folder = tmp_path_factory.mktemp("planted")
    rng, rows = np.random.default_rng(1), []
    (folder / "masks").mkdir()
    for number in range(IMAGES):
        target = number % 2
        pixels = np.clip(rng.normal(110, 20, (PIXELS, PIXELS, 3)), 0, 255)
        if target:
            pixels[:SQUARE, :SQUARE] = 230
        path = folder / f"image{number:03d}.png"
        Image.fromarray(pixels.astype(np.uint8)).save(path)
        mask = np.zeros((PIXELS, PIXELS), np.uint8)
        mask[:SQUARE, :SQUARE] = 255 * target
        Image.fromarray(mask).save(folder / "masks" / path.name)
        rows.append((path.stem, str(path), PIXELS, PIXELS, f"patient{number // 4}", "", target))
    columns = ["id", "path", "width", "height", "group", "official_split", "target"]
    samples = pd.DataFrame(rows, columns=columns)
    samples.to_csv(folder / "samples.csv", index=False)
    write_store(samples, folder / "views", ["original"], 20, 20, threads=1)
    make_split(samples, samples["target"], "random", 0).to_csv(folder / "split.csv", index=False)
    cell = Cell("planted", "printed", "random", "original", "lenet5", "scratch", 0)
    training = CellJob(
        cell=cell,
        recipe=Recipe(weights="random", epochs=8, learning_rate=2e-3, batch_size=16, input_size=PIXELS),
        view=folder / "views" / "original.json",
        split=folder / "split.csv",
        weights=None,
        device="cpu",
        numerics=None,
        threads=1,
        out=folder / "cells" / cell.path,
        work=folder / "work",
    )
    train_cell(training)
    masks = Masks(path=str(folder / "masks"))
    again = replace(training, work=folder / "again")
    return SaliencyJob(again, folder / "samples.csv", Saliency(images=20), masks)


@pytest.fixture(scope="module")
def written(planted: SaliencyJob) -> Path:
    """Folder of results with what was written of the planted cell."""
    results = planted.training.out.parents[7]
    table = results / "saliency" / f"{planted.training.cell.path}.csv"
    write_saliency(planted, table, table.with_suffix(".npz"))
    return results


def read(results: Path, job: SaliencyJob) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    path = results / "saliency" / f"{job.training.cell.path}.csv"
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as stored:
        return pd.read_csv(path, dtype={"id": str}), dict(stored)


def joined(results: Path, cells: list[Cell]) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    out = results / "joined.csv"
    join_saliency(cells, results, 0.05, out, out.with_suffix(".npz"))
    with np.load(out.with_suffix(".npz"), allow_pickle=False) as stored:
        return pd.read_csv(out), dict(stored)


def test_grad_cam_is_the_class_activation_map_where_both_are_known() -> None:
    """Zhou et al. 2016: the maps weighed by the class's weights; positive ones, as Grad-CAM keeps them."""
    torch.manual_seed(0)
    network, pixels = Cam().eval(), np.random.default_rng(0).integers(0, 256, (5, 34, 34, 3), np.uint8)
    images, targets = in_memory(pixels), np.array([0, 1, 1, 0, 1])
    found = saliency_maps(network, images, np.arange(5), targets, "grad_cam", 8)
    with torch.no_grad():
        maps = network.maps(images.batch(range(5)))
        weights = network.linear.weight[torch.tensor(targets)]
        expected = functional.relu((weights[:, :, None, None] * maps).sum(1, keepdim=True))
        expected = functional.interpolate(expected, (34, 34), mode="bilinear", align_corners=False)
        expected = functional.adaptive_avg_pool2d(expected, SIDE)[:, 0].numpy()
    np.testing.assert_allclose(found, expected / expected.sum((1, 2), keepdims=True), atol=1e-6)


def test_integrated_gradients_of_a_linear_network_are_its_weights_times_the_image() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 3)).eval()
    images = in_memory(np.random.default_rng(0).integers(0, 256, (4, SIDE, SIDE, 3), np.uint8))
    targets = np.array([2, 0, 1, 1])
    found = saliency_maps(network, images, np.arange(4), targets, "integrated_gradients", 8)
    weights = network[1].weight.detach()[torch.tensor(targets)].reshape(4, 3, SIDE, SIDE)
    expected = (weights * images.batch(range(4))).abs().sum(1).numpy()
    np.testing.assert_allclose(found, expected / expected.sum((1, 2), keepdims=True), rtol=1e-4)


@pytest.mark.parametrize("method", ["grad_cam", "integrated_gradients"])
def test_of_a_single_output_both_classes_have_maps(method: Method) -> None:
    """Its logit speaks for class 1 and against class 0: so does half a network of two outputs."""
    torch.manual_seed(0)
    two, one = Cam().eval(), Cam().eval()
    one.maps.load_state_dict(two.maps.state_dict())
    one.linear = nn.Linear(4, 1)
    with torch.no_grad():
        two.linear.weight[0] = -two.linear.weight[1]
        one.linear.weight[:] = two.linear.weight[1:]
    images = in_memory(np.random.default_rng(0).integers(0, 256, (6, 34, 34, 3), np.uint8))
    targets = np.array([0, 1] * 3)
    asked = images, np.arange(6), targets, method, 8
    np.testing.assert_allclose(saliency_maps(one, *asked), saliency_maps(two, *asked), atol=1e-6)


def test_where_memory_is_short_fewer_images_are_asked_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Narrow(Cam):
        def forward(self, images: Tensor) -> Tensor:
            if len(images) > 3:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            return super().forward(images)

    torch.manual_seed(0)
    wide, narrow = Cam().eval(), Narrow().eval()
    narrow.load_state_dict(wide.state_dict())
    images = in_memory(np.random.default_rng(0).integers(0, 256, (21, 34, 34, 3), np.uint8))
    asked = images, np.arange(21), np.arange(21) % 2, "integrated_gradients", 8
    np.testing.assert_allclose(saliency_maps(narrow, *asked), saliency_maps(wide, *asked), atol=1e-6)
    monkeypatch.setattr(Narrow, "forward", lambda self, images: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        saliency_maps(narrow, *asked)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("lenet5", "features.4"),
        ("pcam_cnn", "features.10"),
        ("resnet50", "layer4"),
        ("densenet121", "features"),
        ("vgg16", "features.29"),
        ("inception_v3", "Mixed_7c"),
        ("timm:resnet10t", "layer4"),
        ("timm:convnext_atto", "norm_pre"),
        ("timm:vit_tiny_patch16_224", None),
        ("timm:swin_tiny_patch4_window7_224", None),
    ],
)
def test_the_last_map_of_features_is_the_one_that_the_literature_takes(name: str, part: str | None) -> None:
    size = {"inception_v3": 160, "lenet5": 20}.get(name, 224 if "vit" in name or "swin" in name else 64)
    network = build(name, 2, size, seed=0)
    found = last_feature_map(network, torch.zeros(1, 3, size, size))
    assert found is (None if part is None else network.get_submodule(part))


def test_maps_of_one_pixel_say_nothing_so_those_before_them_are_taken() -> None:
    network = build("resnet50", 2, 32, seed=0)
    assert last_feature_map(network, torch.zeros(1, 3, 32, 32)) is network.get_submodule("layer3")


@pytest.mark.parametrize("name", ["resnet50", "densenet121", "inception_v3"])
def test_networks_that_change_values_in_place_are_asked_as_others_are(name: str) -> None:
    """Each map against gradients that are taken by hand at the same place."""
    size = 96
    network = build(name, 2, size, seed=0).eval()
    images = in_memory(np.random.default_rng(0).integers(0, 256, (2, size, size, 3), np.uint8), name)
    found = saliency_maps(network, images, np.arange(2), np.array([1, 1]), "grad_cam", 8)
    inputs, kept = images.batch(range(2)), []
    layer = last_feature_map(network, inputs)
    assert layer is not None

    def keep(module: nn.Module, given: Any, output: Tensor) -> Tensor:
        kept.append(output)
        return output.clone()  # what follows may change it in place

    hook = layer.register_forward_hook(keep)
    logits = network(inputs)
    hook.remove()
    (slopes,) = torch.autograd.grad(logits[:, 1].sum(), kept[0])
    expected = functional.relu((slopes.mean((2, 3), keepdim=True) * kept[0]).sum(1, keepdim=True)).detach()
    expected = functional.interpolate(expected, (size, size), mode="bilinear", align_corners=False)
    expected = functional.adaptive_avg_pool2d(expected, SIDE)[:, 0].numpy()
    total = expected.sum((1, 2), keepdims=True)
    expected = np.divide(expected, total, out=np.zeros_like(expected), where=total > 0)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_central_half_is_half_the_image() -> None:
    centre = central_half()
    assert centre.shape == (SIDE, SIDE)
    assert centre.mean() == pytest.approx(0.5)
    np.testing.assert_allclose(centre, centre[::-1, ::-1])
    assert (centre[0].max(), centre[SIDE // 2, SIDE // 2]) == (0, 1)


@given(st.integers(1, 40), st.integers(0, 5), st.integers(2, 4))
def test_images_are_drawn_from_the_test_part_up_to_so_many_a_class(
    images: int, seed: int, classes: int
) -> None:
    rng = np.random.default_rng(seed)
    split = pd.DataFrame({"target": rng.integers(0, classes, 90), "part": rng.choice(["train", "test"], 90)})
    rows = chosen_rows(split, images, seed)
    assert (split["part"].iloc[rows] == "test").all()
    assert len(set(rows)) == len(rows)
    available = split[split["part"] == "test"]["target"].value_counts()
    assert split["target"].iloc[rows].value_counts().to_dict() == available.clip(upper=images).to_dict()


def test_the_network_is_the_cells_own_and_the_cell_stays(planted: SaliencyJob, written: Path) -> None:
    before = {name: sha256_of(planted.training.out / name) for name in CELL_FILES}
    table, maps = read(written, planted)
    assert maps["difference"] < 1e-6
    assert {name: sha256_of(planted.training.out / name) for name in CELL_FILES} == before
    assert not planted.training.work.exists()
    split = pd.read_csv(planted.training.split)
    test = split[split["part"] == "test"].set_index("id")
    for _, own in table.groupby("method"):
        assert list(own["target"]) == list(test.loc[own["id"], "target"])
        assert list(own["group"]) == list(test.loc[own["id"], "group"])


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("engine", ["plain", "captured_fp32", "captured_bf16"])
def test_on_a_gpu_the_network_is_the_cells_own_too(
    planted: SaliencyJob, tmp_path: Path, engine: Engine
) -> None:
    cell = tmp_path / "cells" / planted.training.cell.path
    training = replace(planted.training, device="cuda", engine=engine, out=cell)
    train_cell(training)
    job = replace(planted, training=replace(training, work=tmp_path / "again"))
    write_saliency(job, tmp_path / "maps.csv", tmp_path / "maps.npz")
    with np.load(tmp_path / "maps.npz") as stored:
        assert stored["difference"] < 1e-6
    table = pd.read_csv(tmp_path / "maps.csv")
    for name in ("", "_random"):
        assert table[f"outside_centre{name}"].isna().equals(table[f"silent{name}"])
    asked = table[table["method"] == "integrated_gradients"]
    assert not asked[["silent", "silent_random"]].any(axis=None)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", ["resnet50", "densenet121", "vgg16", "inception_v3"])
@pytest.mark.parametrize("method", ["grad_cam", "integrated_gradients"])
def test_on_a_gpu_maps_are_those_of_the_cpu(name: str, method: Method) -> None:
    size = 96
    pixels = np.random.default_rng(0).integers(0, 256, (3, size, size, 3), np.uint8)
    found = []
    for kind in ("cpu", "cuda"):
        device = set_arithmetic(kind, 1, "plain").device
        network = build(name, 2, size, seed=0).eval().to(device)
        images = InputImages(pixels, size, device, name)
        found.append(saliency_maps(network, images, np.arange(3), np.array([0, 1, 1]), method, 8))
    np.testing.assert_allclose(found[1], found[0], atol=1e-5)


def test_another_network_than_the_cells_is_told_by_its_difference(
    planted: SaliencyJob, tmp_path: Path
) -> None:
    other = replace(planted.training, recipe=replace(planted.training.recipe, epochs=1))
    job = replace(planted, training=other, settings=Saliency(images=3, methods=["grad_cam"]), masks=None)
    write_saliency(job, tmp_path / "maps.csv", tmp_path / "maps.npz")
    with np.load(tmp_path / "maps.npz") as stored:
        assert stored["difference"] > 0.01
    table = pd.read_csv(tmp_path / "maps.csv")
    assert table[["outside_lesion", "outside_lesion_random", "area_outside_lesion"]].isna().all(axis=None)


def test_a_trained_network_looks_at_the_planted_square_and_an_untrained_one_does_not(
    planted: SaliencyJob, written: Path
) -> None:
    """The square lies outside the central half, and is the whole lesion of the masks."""
    table, maps = read(written, planted)
    own = table[(table["method"] == "integrated_gradients") & (table["target"] == 1)]
    assert own["outside_lesion"].mean() < 0.6 < 0.8 < own["outside_lesion_random"].mean()
    assert own["outside_centre"].mean() > own["outside_centre_random"].mean() + 0.04
    # Without a lesion there is no share of it.
    assert table.loc[table["target"] == 0, "outside_lesion"].isna().all()
    np.testing.assert_allclose(own["area_outside_lesion"], 1 - (SQUARE / PIXELS) ** 2, atol=1e-5)
    mean = maps["integrated_gradients.trained"][1]
    peak = np.unravel_index(mean.argmax(), mean.shape)
    assert max(peak) < SIDE * SQUARE / PIXELS
    assert mean.sum() == pytest.approx(1, abs=1e-4)


def test_shares_are_those_of_the_maps(planted: SaliencyJob, written: Path) -> None:
    """Of the examples, whose maps are kept."""
    table, maps = read(written, planted)
    own = table[table["method"] == "integrated_gradients"].reset_index(drop=True)
    examples = maps["integrated_gradients.examples"]
    assert len(examples) == len(maps["pictures"]) == len(maps["targets"]) == 6
    square = np.zeros((SIDE, SIDE), bool)
    square[: SIDE * SQUARE // PIXELS, : SIDE * SQUARE // PIXELS] = True
    shares = [
        round(float(one[~square].sum()), 4) for one, t in zip(examples, maps["targets"], strict=True) if t
    ]
    assert set(shares) <= set(own["outside_lesion"].round(4))
    assert shares


def test_a_study_s_table_holds_means_with_bounds_by_units(planted: SaliencyJob, written: Path) -> None:
    table, maps = joined(written, [planted.training.cell])
    images, _ = read(written, planted)
    assert list(table.columns) == SALIENCY_COLUMNS
    for row in table.to_dict("records"):
        own = images[(images["method"] == row["method"]) & images["outside_centre"].notna()]
        assert row["outside_centre"] == pytest.approx(own["outside_centre"].mean(), abs=1e-5)
        assert row["units"] == own["group"].nunique() < row["images"]
        assert row["outside_centre_low"] < row["outside_centre"] < row["outside_centre_high"]
        assert row["images"] - row["silent"] == len(own)
    assert f"{maps_name(table.iloc[0])}.grad_cam.trained" in maps


def test_bounds_hold_for_all_numbers_of_a_run_at_once(tmp_path: Path) -> None:
    """Against Student's interval of independent images at the level that is left for each."""
    rng, n = np.random.default_rng(0), 30
    cells = [Cell("toy", "printed", "random", "original", name, "scratch", 0) for name in ("lenet5", "vgg16")]
    values = {}
    for cell in cells:
        path = tmp_path / "saliency" / f"{cell.path}.csv"
        path.parent.mkdir(parents=True)
        values[cell.architecture] = rng.uniform(0.2, 0.8, n)
        pd.DataFrame(
            {
                **{"method": "grad_cam", "id": [str(i) for i in range(n)], "group": "", "target": 0},
                **{"silent": False, "silent_random": False, "outside_centre": values[cell.architecture]},
                **{"outside_centre_random": 0.5, "outside_lesion": np.nan, "outside_lesion_random": np.nan},
                **{"correlation": rng.uniform(-1, 1, n), "area_outside_lesion": np.nan},
            }
        ).to_csv(path, index=False)
        np.savez(path.with_suffix(".npz"), difference=0.25)
    table, _ = joined(tmp_path, cells)
    assert table["difference"].tolist() == [0.25, 0.25]
    for row in table.to_dict("records"):
        own = values[row["architecture"]]
        half = student.ppf(1 - 0.05 / 10 / 2, n - 1) * own.std(ddof=1) / np.sqrt(n)
        assert row["outside_centre_high"] - row["outside_centre"] == pytest.approx(half, rel=1e-4)
        assert np.isnan(row["outside_lesion"])
    words = saliency_sentences(table, "printed", "random")
    assert [one.split(":")[0] for one in words] == ["LeNet-5, Grad-CAM", "VGG16, Grad-CAM"]
    assert "lesion" not in " ".join(words)


def test_the_correlation_is_spearmans(planted: SaliencyJob, written: Path) -> None:
    table, _ = read(written, planted)
    assert table["correlation"].dropna().between(-1, 1).all()
    assert table["correlation"].notna().any()
    one, other = np.random.default_rng(0).uniform(size=(2, SIDE, SIDE)).astype(np.float32)
    assert map_correlation(one, other) == pytest.approx(spearmanr(one.ravel(), other.ravel()).statistic)
    assert map_correlation(one, one) == pytest.approx(1)
    assert np.isnan(map_correlation(one, np.zeros_like(one)))


def test_a_study_without_networks_on_whole_images_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(NullcropError, match="no network of the study is trained on whole images"):
        join_saliency([], tmp_path, 0.05, tmp_path / "a.csv", tmp_path / "a.npz")


def a_row(**more: Any) -> dict[str, Any]:
    shares = {name: np.nan for name in SALIENCY_COLUMNS if name not in ("labels", "split", "architecture")}
    named = {"labels": "printed", "split": "random", "architecture": "resnet50", "recipe": "paper"}
    return shares | named | {"method": "grad_cam", "images": 40, "silent": 0, "silent_random": 0} | more


def test_sentences_say_what_stands_beside_them() -> None:
    lesion = {"outside_lesion": 0.7, "outside_lesion_low": 0.65, "outside_lesion_high": 0.75}
    row = a_row(outside_centre=0.61, outside_centre_low=0.57, outside_centre_high=0.65, **lesion)
    row |= {
        "outside_centre_random": 0.5,
        "outside_centre_random_low": 0.45,
        "outside_centre_random_high": 0.55,
    }
    row |= {"area_outside_lesion": 0.9, "correlation": 0.31, "silent": 2, "silent_random": 20}
    rows = [row, a_row(silent=40, architecture="vgg16")]
    said = saliency_sentences(pd.DataFrame(rows), "printed", "random")
    assert said[0] == (
        "ResNet50, Grad-CAM: 61% (57% to 65%) of the attribution lies outside the central half of the image, "
        "with random weights 50% (45% to 55%). Outside the lesion, on 90% of the image, lies 70% (65% to "
        "75%). Rank correlation with the maps of random weights: 0.31. The maps of 2 of 40 images are empty. "
        "The maps of random weights of 20 of 40 images are empty."
    )
    assert said[1] == "VGG16, Grad-CAM: the maps of all 40 images are empty, so nothing can be said."
    assert saliency_sentences(pd.DataFrame([row]), "printed", "official") == []
    several = saliency_sentences(pd.DataFrame([row, row | {"recipe": "head"}]), "printed", "random")
    assert [one.split(":")[0] for one in several] == [
        "ResNet50 (paper), Grad-CAM",
        "ResNet50 (head), Grad-CAM",
    ]


def test_a_network_without_maps_of_features_is_refused_in_words(
    planted: SaliencyJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nullcrop.cues.explained.last_feature_map", lambda *_: None)
    trained: list[CellJob] = []
    monkeypatch.setattr("nullcrop.cues.explained.train_again", trained.append)
    job = replace(planted, settings=Saliency(images=3, methods=["grad_cam"]))
    with pytest.raises(NullcropError, match=r"LeNet-5 has no map of features.*integrated_gradients"):
        write_saliency(job, tmp_path / "maps.csv", tmp_path / "maps.npz")
    assert not trained
    monkeypatch.setattr("nullcrop.cues.explained.train_again", train_again)
    both = replace(planted, settings=Saliency(images=3, steps=8))
    write_saliency(both, tmp_path / "maps.csv", tmp_path / "maps.npz")
    assert set(pd.read_csv(tmp_path / "maps.csv")["method"]) == {"integrated_gradients"}


def test_the_figure_shows_each_network_and_its_examples(
    planted: SaliencyJob, written: Path, tmp_path: Path
) -> None:
    table, maps = joined(written, [planted.training.cell])
    name = maps_name(table.iloc[0])
    maps[f"{name}.grad_cam.trained"][0] = 0
    figure = plot_saliency(table, maps, ["none", "square"], "Planted", "Caption.", tmp_path / "saliency")
    assert len(figure.axes) == 2 * (2 * 2 + 6)
    titles = [ax.get_title().replace("\n", " ") for ax in figure.axes[:10]]
    assert titles[:4] == [
        "none: trained",
        "none: random weights",
        "square: trained",
        "square: random weights",
    ]
    examples = ["none" if target == 0 else "square" for target in maps[f"{name}.targets"]]
    assert titles[4:] == [f"example: {one}" for one in examples]
    assert "no map" in [text.get_text() for text in figure.axes[0].texts]
    assert (tmp_path / "saliency.png").stat().st_size > 10_000
