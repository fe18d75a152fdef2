"""The training loop: against a plain loop of torch's own parts, killed and resumed, and failing in words."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
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
from torch.nn import functional
from torchvision.models import ResNet50_Weights
from torchvision.transforms import v2

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import read_json, sha256_of, write_json
from nullcrop.cli import main
from nullcrop.config.cell import CELL_FILES, Cell
from nullcrop.config.recipe import Recipe
from nullcrop.images.store import PackedView
from nullcrop.training.architectures import LeNet5, build
from nullcrop.training.arithmetic import NoGpuError, check_gpu
from nullcrop.training.batch import train_batch
from nullcrop.training.cells import (
    bring_out,
    collect_cell,
    forget_failures,
    is_kept,
    kept_folder,
    network_identity,
    read_split,
)
from nullcrop.training.checkpoint import resume, save_checkpoint
from nullcrop.training.data import InputImages, batches
from nullcrop.training.finished import is_whole
from nullcrop.training.heartbeat import HEARTBEAT, read_state
from nullcrop.training.loop import CellJob, new_network, train_cell, train_epoch
from nullcrop.training.optimizer import EagerAdam
from nullcrop.training.out_of_memory import free_memory
from nullcrop.training.streams import stream_seed
from tests.unit.toy_cells import SCHEDULED, SCRATCH, hashes

PACKAGE = Path(__file__).parents[2] / "workflow"

# What the published weights were trained with.
IMAGENET = ResNet50_Weights.IMAGENET1K_V1.transforms()


def arguments(job: CellJob) -> list[str]:
    """The command line of ``job``."""
    return [
        *("train-cell", "--cell", job.cell.path, "--view", str(job.view), "--split", str(job.split)),
        *("--recipe", job.recipe.to_json(), "--device", job.device, "--threads", str(job.threads)),
        *("--out", str(job.out), "--work", str(job.work)),
    ]


@pytest.mark.parametrize("content", [None, b"id,part\n\xff,train\n", b""])
def test_a_split_that_cannot_be_read_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NullcropError, match=f"cannot read the split {path}: "):
        read_split(path)


def test_training_equals_a_plain_loop_of_torchs_own_parts(job: CellJob, inputs: Path) -> None:
    """Same seeds, but torchvision's transforms on Pillow crops, a fresh loop, no store."""
    train_cell(job)

    torch.set_num_threads(1)
    torch.manual_seed(stream_seed(0, "lenet5", "weights"))
    network = LeNet5(2, 20)
    optimizer = torch.optim.Adam(network.parameters(), lr=SCRATCH.learning_rate)
    to_input = v2.Compose(
        [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(IMAGENET.mean, IMAGENET.std)]
    )
    split = pd.read_csv(inputs / "split.csv")
    crops = [Image.open(inputs / f"{id_}.png").crop((0, 0, 20, 20)) for id_ in split["id"]]
    images = torch.stack([to_input(crop) for crop in crops])
    targets = torch.tensor(split["target"])
    train = np.flatnonzero(split["part"] == "train")
    losses = []
    for epoch in range(1, SCRATCH.epochs + 1):
        order = np.random.default_rng(stream_seed(0, "lenet5", "order", epoch)).permutation(train)
        total = 0.0
        for rows in torch.from_numpy(order).split(SCRATCH.batch_size):
            loss = functional.cross_entropy(network(images[rows]), targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        losses.append(total / len(train))
    test = split["part"] == "test"
    with torch.no_grad():
        logits = network(images[torch.tensor(test.to_numpy())])

    np.testing.assert_allclose(pd.read_csv(job.out / "history.csv")["train_loss"], losses, rtol=1e-4)
    predictions = pd.read_csv(job.out / "predictions.csv")
    assert list(predictions["id"]) == list(split.loc[test, "id"])
    np.testing.assert_allclose(predictions[["logit_0", "logit_1"]], logits, atol=1e-3)
    assert list(predictions["predicted"]) == list(logits.argmax(1))


def test_a_finished_cell_is_kept_whatever_its_number_of_threads(job: CellJob) -> None:
    """Threads follow the workflow's version and a machine's cores, and no decision of a study."""
    train_cell(replace(job, threads=2))
    before = (job.out / "cell.json").read_bytes()
    assert read_json(job.out / "cell.json")["numerics"].endswith("_fp32_2threads")
    for threads in (1, 4):
        train_cell(replace(job, threads=threads))
        assert (job.out / "cell.json").read_bytes() == before
    train_cell(replace(job, threads=1, recipe=replace(job.recipe, epochs=1)))
    assert read_json(job.out / "cell.json")["numerics"].endswith("_fp32_1threads")


@pytest.mark.parametrize("size", [20, 33, 224])
def test_a_batch_is_what_torchvisions_transforms_make_of_a_pillow_image(inputs: Path, size: int) -> None:
    to_input = v2.Compose(
        [
            v2.Resize((size, size)),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(IMAGENET.mean, IMAGENET.std),
        ]
    )
    batch = InputImages(
        PackedView(inputs / "views" / "original.json"), size, torch.device("cpu"), "lenet5"
    ).batch([3, 0])
    expected = torch.stack([to_input(Image.open(inputs / f"image{number:02d}.png")) for number in (3, 0)])
    torch.testing.assert_close(batch, expected, atol=1e-6, rtol=1e-5)


@given(rows=st.integers(1, 200), size=st.integers(2, 40))
def test_batches_lose_nothing_and_leave_no_image_alone(rows: int, size: int) -> None:
    made = list(batches(np.arange(rows), size))
    assert [row for batch in made for row in batch] == list(range(rows))
    assert all(len(batch) == size for batch in made[:-1])
    assert rows == 1 or 1 < len(made[-1]) <= size + 1


def test_cells_that_differ_in_view_draw_the_same_numbers(job: CellJob, inputs: Path, tmp_path: Path) -> None:
    other = replace(
        job,
        cell=replace(job.cell, view="center"),
        view=inputs / "views" / "center.json",
        out=tmp_path / "other",
        work=tmp_path / "other_work",
    )
    recipe = Recipe(weights="random", epochs=1, learning_rate=1e-30, batch_size=16)
    for one in (job, other):
        train_cell(replace(one, recipe=recipe))
    # With a step of nearly nothing the weights stay the initial ones: each cell's logits are then
    # one network's answer to its own pixels.
    network = build("lenet5", 2, 20, stream_seed(0, "lenet5", "weights")).eval()
    for one in (job, other):
        split = pd.read_csv(one.split)
        images = InputImages(PackedView(one.view), 20, torch.device("cpu"), "lenet5")
        with torch.no_grad():
            expected = network(images.batch(np.flatnonzero(split["part"] == "test").tolist()))
        found = pd.read_csv(one.out / "predictions.csv")[["logit_0", "logit_1"]]
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("recipe", "weights", "architecture", "told"),
    [
        (
            Recipe(weights="random", epochs=7, input_size=64),
            None,
            "resnet50",
            '{"architecture": "resnet50", "imagenet": false, "numerics": "cuda_fp32", "pixels": "aa", '
            '"recipe": {"epochs": 7, "input_size": 64, "weights": "random"}, "seed": 3, "split": "bb"}',
        ),
        (
            Recipe(),
            Path("x/vgg16.pth"),
            "vgg16",
            '{"architecture": "vgg16", "imagenet": true, "numerics": "cuda_fp32", "pixels": "aa", '
            '"recipe": {}, "seed": 3, "split": "bb"}',
        ),
        (
            Recipe(),
            Path("x/resnet18-1234.pth"),
            "timm:resnet18",
            '{"architecture": "timm:resnet18", "imagenet": true, "numerics": "cuda_fp32", "pixels": "aa", '
            '"recipe": {}, "seed": 3, "split": "bb", "weights": "resnet18-1234.pth"}',
        ),
    ],
)
def test_identities_of_finished_cells_stay(
    recipe: Recipe, weights: Path | None, architecture: str, told: str
) -> None:
    """Written out: another identity would train every finished cell anew."""
    cell = Cell("toy", "printed", "random", "center", architecture, "own", 3)
    found = network_identity(cell, recipe, "aa", "bb", weights, "cuda_fp32")
    assert found == hashlib.sha256(told.encode()).hexdigest()


def test_speed_and_memory_are_recorded_and_belong_to_no_identity(job: CellJob, tmp_path: Path) -> None:
    ballast = """
import sys
import threading
from nullcrop.cli import main

held = b"x" * 400_000_000
sys.exit(main(sys.argv[1:]))
"""
    twice = replace(job, out=tmp_path / "other", work=tmp_path / "other_work")
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    for one, start in ((job, ["-m", "nullcrop"]), (twice, ["-c", ballast])):
        subprocess.run([sys.executable, *start, *arguments(one)], env=environment, check=True)
    light, heavy = (json.loads((one.out / "cell.json").read_text()) for one in (job, twice))
    seconds = pd.read_csv(job.out / "history.csv")["seconds"].sum()
    assert light["images_a_second"] == pytest.approx(light["images"]["train"] * SCRATCH.epochs / seconds)
    assert light["peak_device_mb"] is None
    assert heavy["peak_host_mb"] - light["peak_host_mb"] == pytest.approx(400, abs=60)
    assert heavy["identity"] == light["identity"]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_peak_on_a_gpu_is_the_cells_own(job: CellJob, tmp_path: Path) -> None:
    """ResNet50 and then LeNet-5 in one process; the second's peak is not the first's."""
    large = replace(
        job, cell=replace(job.cell, architecture="resnet50"), recipe=replace(SCRATCH, input_size=64)
    )
    free_memory(torch.device("cuda"))
    before = torch.cuda.memory_allocated() / 1e6  # of tests before this one
    peaks = []
    for name, one in (("large", large), ("small", job)):
        train_cell(replace(one, device="cuda", out=tmp_path / name, work=tmp_path / f"{name}_work"))
        peaks.append(json.loads((tmp_path / name / "cell.json").read_text())["peak_device_mb"] - before)
    parameters = 23.5e6
    assert peaks[0] > 4 * 4 * parameters / 1e6  # weights, gradients and Adam's two moments
    assert peaks[1] < peaks[0] / 2  # most of it workspaces of CUDA's libraries, which stay


@pytest.mark.long
@pytest.mark.parametrize("architecture", ["resnet50", "densenet121", "vgg16", "inception_v3"])
def test_the_studys_networks_train_from_scratch(job: CellJob, small_split: Path, architecture: str) -> None:
    recipe = Recipe(weights="random", epochs=1, input_size=None if architecture == "inception_v3" else 32)
    cell = replace(job.cell, architecture=architecture)
    train_cell(replace(job, cell=cell, recipe=recipe, split=small_split))
    facts = json.loads((job.out / "cell.json").read_text())
    assert facts["images"] == {"train": 8, "val": 6, "test": 6}
    assert facts["input_size"] == (299 if architecture == "inception_v3" else 32)
    assert np.isfinite(pd.read_csv(job.out / "predictions.csv")[["logit_0", "logit_1"]]).all(axis=None)
    assert not job.work.exists()


@pytest.mark.long
def test_the_auxiliary_loss_of_inception_counts_with_its_weight(job: CellJob, small_split: Path) -> None:
    cell = replace(job.cell, architecture="inception_v3")
    answers = []
    for weight in (0.0, 0.4):
        recipe = Recipe(weights="random", epochs=1, auxiliary_weight=weight)
        train_cell(replace(job, cell=cell, recipe=recipe, split=small_split))
        answers.append(sha256_of(job.out / "predictions.csv"))
    assert answers[0] != answers[1]


KILLED = """
import os, signal, sys
from nullcrop.cli import main
from nullcrop.training import checkpoint, data, loop

checkpoint.WRITING_SHARE = 1e9  # a checkpoint after each epoch, however long writing takes

def dying(function, calls):
    def wrapper(*args):
        nonlocal calls
        result = function(*args)
        calls -= 1
        if calls == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return wrapper

{patch}
sys.exit(main(sys.argv[1:]))
"""

BETWEEN_EPOCHS = "loop.save_checkpoint = dying(loop.save_checkpoint, 2)"
INSIDE_AN_EPOCH = "data.InputImages.batch = dying(data.InputImages.batch, 6)"


@pytest.mark.parametrize(
    ("architecture", "patch"),
    [
        pytest.param("lenet5", BETWEEN_EPOCHS, marks=pytest.mark.long),
        ("lenet5", INSIDE_AN_EPOCH),
        pytest.param("vgg16", INSIDE_AN_EPOCH, marks=pytest.mark.long),
    ],
    ids=["between", "inside", "inside-with-dropout"],
)
def test_a_killed_cell_ends_as_if_it_had_not_been_killed(
    job: CellJob, small_split: Path, tmp_path: Path, architecture: str, patch: str
) -> None:
    if architecture == "vgg16":
        recipe = replace(SCRATCH, input_size=32, epochs=2, batch_size=4)
        job = replace(job, cell=replace(job.cell, architecture="vgg16"), recipe=recipe, split=small_split)
    train_cell(replace(job, out=tmp_path / "whole", work=tmp_path / "whole_work"))

    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    command = [sys.executable, "-c", KILLED.format(patch=patch), *arguments(job)]
    killed = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not job.out.exists()
    assert (job.work / "checkpoint.pt").is_file()

    resumed = subprocess.run(
        [sys.executable, "-m", "nullcrop", *arguments(job)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "resumed after epoch" in resumed.stderr
    assert hashes(job.out) == hashes(tmp_path / "whole")
    assert not (job.work).exists()


@pytest.mark.parametrize(
    "patch", [BETWEEN_EPOCHS, INSIDE_AN_EPOCH.replace("6", "9")], ids=["between", "inside"]
)
def test_a_killed_cell_with_every_schedule_and_augmentation_ends_as_if_it_had_not_been(
    job: CellJob, tmp_path: Path, patch: str
) -> None:
    job = replace(job, cell=replace(job.cell, architecture="pcam_cnn"), recipe=SCHEDULED)
    train_cell(replace(job, out=tmp_path / "whole", work=tmp_path / "whole_work"))
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    command = [sys.executable, "-c", KILLED.format(patch=patch), *arguments(job)]
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    assert (job.work / "checkpoint.pt").is_file()
    train_cell(job)
    assert hashes(job.out) == hashes(tmp_path / "whole")
    facts = json.loads((job.out / "cell.json").read_text())
    losses = list(pd.read_csv(job.out / "history.csv")["val_loss"])
    assert facts["tested_epoch"] == 1 + losses.index(min(losses))


def test_the_best_weights_are_those_of_a_training_that_ends_there(job: CellJob, tmp_path: Path) -> None:
    recipe = replace(SCRATCH, epochs=2, learning_rate=0.05, tested="best")
    train_cell(replace(job, recipe=recipe))
    best = json.loads((job.out / "cell.json").read_text())["tested_epoch"]
    assert best < 2  # at this learning rate
    ended = replace(job, recipe=replace(recipe, epochs=best, tested="last"))
    train_cell(replace(ended, out=tmp_path / "ended", work=tmp_path / "ended_work"))
    assert hashes(job.out)["predictions"] == hashes(tmp_path / "ended")["predictions"]


def test_early_stopping_leaves_the_epochs_before_it_as_they_are(job: CellJob, tmp_path: Path) -> None:
    recipe = replace(SCRATCH, epochs=40, learning_rate=0.05, early_stopping=2)
    train_cell(replace(job, recipe=recipe))
    history = pd.read_csv(job.out / "history.csv")
    best = int(history["val_loss"].idxmin()) + 1
    assert len(history) == best + 2 < 40
    ended = replace(job, recipe=replace(recipe, epochs=len(history), early_stopping=None))
    train_cell(replace(ended, out=tmp_path / "ended", work=tmp_path / "ended_work"))
    assert hashes(job.out) == hashes(tmp_path / "ended")


def test_a_cell_without_validation_images_is_trained_as_one_with_them(job: CellJob, tmp_path: Path) -> None:
    """Watching decides nothing under a recipe of fixed epochs: the same answers, and nothing watched."""
    split = pd.read_csv(job.split)
    split.loc[split["part"] == "val", "part"] = "unused"
    split.to_csv(tmp_path / "split.csv", index=False)
    blind = replace(job, split=tmp_path / "split.csv", out=tmp_path / "blind", work=tmp_path / "blind_work")
    for one in (job, blind):
        train_cell(one)
    assert hashes(blind.out)["predictions"] == hashes(job.out)["predictions"]
    watched, history = (pd.read_csv(one.out / "history.csv") for one in (job, blind))
    assert history["train_loss"].equals(watched["train_loss"])
    assert history[["val_loss", "val_accuracy"]].isna().all(axis=None)
    assert len(history) == SCRATCH.epochs
    assert json.loads((blind.out / "cell.json").read_text())["images"]["val"] == 0


@pytest.mark.parametrize("changes", [{"early_stopping": 2}, {"plateau_patience": 1}, {"tested": "best"}])
def test_a_recipe_that_watches_refuses_a_split_without_validation_images(
    job: CellJob, tmp_path: Path, changes: dict[str, Any]
) -> None:
    split = pd.read_csv(job.split)
    split.assign(part=split["part"].replace("val", "train")).to_csv(tmp_path / "split.csv", index=False)
    watching = replace(job, split=tmp_path / "split.csv", recipe=replace(SCRATCH, **changes))
    (key,) = changes
    with pytest.raises(NullcropError, match=rf"no validation part, at which the recipe looks \({key}\)"):
        train_cell(watching)


def test_one_sigmoid_output_is_trained_by_binary_cross_entropy(job: CellJob, inputs: Path) -> None:
    train_cell(replace(job, recipe=replace(SCRATCH, output="sigmoid", epochs=1)))
    torch.manual_seed(stream_seed(0, "lenet5", "weights"))
    network = LeNet5(1, 20)
    optimizer = torch.optim.Adam(network.parameters(), lr=SCRATCH.learning_rate)
    split = pd.read_csv(inputs / "split.csv")
    images = InputImages(PackedView(job.view), 20, torch.device("cpu"), "lenet5")
    targets = torch.tensor(split["target"]).double()
    train = np.flatnonzero(split["part"] == "train")
    order = np.random.default_rng(stream_seed(0, "lenet5", "order", 1)).permutation(train)
    for rows in batches(order, SCRATCH.batch_size):
        share = torch.sigmoid(network(images.batch(rows))[:, 0].double())
        loss = functional.binary_cross_entropy(share, targets[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        logits = network(images.batch(np.flatnonzero(split["part"] == "test").tolist()))[:, 0]
    predictions = pd.read_csv(job.out / "predictions.csv")
    np.testing.assert_allclose(predictions["logit_1"], logits, atol=1e-4)
    assert (predictions["logit_0"] == 0).all()


def test_the_head_alone_is_trained_and_the_encoder_stays(job: CellJob) -> None:
    recipe = replace(SCRATCH, train="head", input_size=32)
    cell = replace(job.cell, architecture="shufflenet_v2")
    images = InputImages(PackedView(job.view), 32, torch.device("cpu"), "shufflenet_v2")
    split = pd.read_csv(job.split)
    targets, rows = torch.tensor(split["target"]), np.flatnonzero(split["part"] == "train")
    network, optimizer = new_network(cell, recipe, 2, 32, torch.device("cpu"))
    before = {name: values.clone() for name, values in network.state_dict().items()}
    train_epoch(cell, recipe, 1, network, optimizer, images, targets, rows)
    changed = {name for name, values in network.state_dict().items() if not torch.equal(values, before[name])}
    assert changed == {"fc.weight", "fc.bias"}


def test_what_a_network_does_not_have_is_said(job: CellJob) -> None:
    for changes, words in (({"dropout": 0.1}, "no dropout layer"), ({"train": "head"}, "no head")):
        with pytest.raises(NullcropError, match=words):
            train_cell(replace(job, recipe=replace(SCRATCH, **changes)))


def test_an_operation_that_is_not_deterministic_is_named(
    job: CellJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = LeNet5.forward

    def unpooled(network: LeNet5, images: torch.Tensor) -> torch.Tensor:
        maps, places = functional.max_pool2d_with_indices(images, 2)
        return forward(network, functional.max_unpool2d(maps, places, 2))

    monkeypatch.setattr(LeNet5, "forward", unpooled)
    with pytest.raises(
        NullcropError, match=r"^lenet5 needs max_unpooling2d\w*, which gives other bits .*`device: cpu`"
    ):
        train_cell(job)


def test_a_checkpoint_of_another_recipe_is_not_resumed(
    job: CellJob, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-c", KILLED.format(patch=BETWEEN_EPOCHS), *arguments(job)]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(PACKAGE)}, check=False)
    changed = replace(job, recipe=replace(SCRATCH, learning_rate=2e-3), work=job.work)
    train_cell(changed)
    assert "training starts anew" in capsys.readouterr().err
    train_cell(replace(changed, out=tmp_path / "fresh", work=tmp_path / "fresh_work"))
    assert hashes(job.out) == hashes(tmp_path / "fresh")


def test_a_damaged_checkpoint_is_not_resumed(job: CellJob, capsys: pytest.CaptureFixture[str]) -> None:
    job.work.mkdir()
    (job.work / "checkpoint.pt").write_bytes(b"half a checkpoint")
    train_cell(job)
    assert "cannot be read" in capsys.readouterr().err
    assert (job.out / "cell.json").is_file()


def test_a_checkpoint_whose_writing_is_cut_short_is_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = torch.nn.Linear(2, 2)
    state = (tmp_path / "checkpoint.pt", "cell", network, torch.optim.Adam(network.parameters()))
    save_checkpoint(*state, [{"epoch": 1}])
    write = Path.write_bytes

    def cut_short(path: Path, content: memoryview) -> None:
        write(path, content[: len(content) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", cut_short)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(*state, [{"epoch": 1}, {"epoch": 2}])
    assert resume(*state) == ([{"epoch": 1}], None)


def test_a_cell_whose_copying_is_cut_short_is_the_one_before(
    job: CellJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_cell(job)
    before = hashes(job.out)
    write_json(tmp_path / "batch0.json", {"failed": {}})

    def cut_short(source: Path, path: Path) -> None:
        path.write_bytes(source.read_bytes()[:40])
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copyfile", cut_short)
    with pytest.raises(KeyboardInterrupt):
        collect_cell(job.cell, tmp_path / "batch0.json", job.work, job.out)
    assert hashes(job.out) == before


def test_a_finished_cell_is_kept_until_something_that_decides_it_changes(
    job: CellJob, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_cell(job)
    first = {name: (job.out / name).stat().st_mtime_ns for name in CELL_FILES}
    train_cell(job)
    assert "kept" in capsys.readouterr().err
    assert {name: (job.out / name).stat().st_mtime_ns for name in CELL_FILES} == first

    split = pd.read_csv(inputs / "split.csv")
    split.loc[split["part"] == "val", "part"] = "unused"
    split.iloc[0, split.columns.get_loc("part")] = "val"
    split.to_csv(tmp_path / "split.csv", index=False)
    changes: list[Callable[[CellJob], CellJob]] = [
        lambda one: replace(one, recipe=replace(SCRATCH, epochs=2)),
        lambda one: replace(one, cell=replace(one.cell, seed=1)),
        lambda one: replace(one, view=inputs / "views" / "center.json"),
        lambda one: replace(one, split=tmp_path / "split.csv"),
    ]
    for change in changes:
        train_cell(change(job))
        assert "kept" not in capsys.readouterr().err
    whole = hashes(job.out)
    (job.out / "predictions.csv").write_text("tampered")
    train_cell(changes[-1](job))
    assert "kept" in capsys.readouterr().err
    assert hashes(job.out) == whole


def test_a_cell_of_before_is_kept_as_it_is(job: CellJob, capsys: pytest.CaptureFixture[str]) -> None:
    """The processor's type was called `host`, which is a machine's name elsewhere; the history had no
    checksum."""
    train_cell(job)
    shutil.rmtree(kept_folder(job.work))
    path = job.out / "cell.json"
    record = json.loads(path.read_text())
    assert "host" not in record
    record["host"] = record.pop("cpu_type")
    del record["history_sha256"]
    path.write_text(json.dumps(record))
    before = {name: (job.out / name).read_bytes() for name in CELL_FILES}
    train_cell(job)
    assert "kept" in capsys.readouterr().err
    assert {name: (job.out / name).read_bytes() for name in CELL_FILES} == before


@pytest.mark.parametrize("name", CELL_FILES)
def test_what_a_crash_left_empty_is_neither_kept_nor_brought_out(
    job: CellJob, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    train_cell(job)
    identity = json.loads((job.out / "cell.json").read_text())["identity"]
    whole = hashes(job.out)
    (job.out / name).write_bytes(b"")
    assert is_kept(job.out, job.work, identity)  # by its copy
    bring_out(job.out, job.work, identity)
    assert hashes(job.out) == whole
    for folder in (job.out, kept_folder(job.work)):
        (folder / name).write_bytes(b"")
    assert not is_kept(job.out, job.work, identity)
    with pytest.raises(NullcropError, match=rf"{name} is damaged or half-written"):
        bring_out(job.out, job.work, identity)
    assert (job.out / name).read_bytes() == b""
    train_cell(job)
    assert hashes(job.out) == whole


def test_a_report_of_a_batch_that_is_cut_short_is_forgotten(job: CellJob, tmp_path: Path) -> None:
    report = tmp_path / "batches" / "batch0.json"
    report.parent.mkdir()
    report.write_text("")
    with pytest.raises(NullcropError, match=r"batch0\.json is empty or cut short; run again"):
        collect_cell(job.cell, report, job.work, job.out)
    forget_failures(report.parent)
    assert not report.exists()


@pytest.mark.parametrize("harm", ["damaged", "gone"])
def test_a_cell_that_is_harmed_since_its_batch_is_named_in_the_report(
    harm: str, job: CellJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_cell(job)
    shutil.rmtree(job.out)
    batch, kept = tmp_path / "batch0.json", kept_folder(job.work)
    write_json(batch, {"failed": {}})
    if harm == "gone":
        shutil.rmtree(kept)
    else:
        (kept / "predictions.csv").write_bytes(b"")
        for name in CELL_FILES:
            os.utime(kept / name, (1, 1))  # nobody is writing it any more, and it is not waited for
    monkeypatch.setattr("nullcrop.training.cells.time.sleep", pytest.fail)
    with pytest.raises(NullcropError, match="failed: what was trained is damaged or gone from"):
        collect_cell(job.cell, batch, job.work, job.out)
    assert list(read_json(batch)["failed"]) == [job.cell.path]
    forget_failures(tmp_path)
    assert not batch.exists()


def test_a_report_that_another_process_forgets_first_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = tmp_path / "batch0.json"
    report.write_text("")
    monkeypatch.setattr("nullcrop.training.cells._failures", lambda path: path.unlink())
    forget_failures(tmp_path)
    assert not report.exists()


def test_two_processes_may_train_the_same_cell_at_once(job: CellJob, tmp_path: Path) -> None:
    train_cell(replace(job, out=tmp_path / "alone", work=tmp_path / "alone_work"))
    command = [sys.executable, "-m", "nullcrop", *arguments(job)]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    both = [subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert hashes(job.out) == hashes(tmp_path / "alone")


@pytest.mark.parametrize("by", ["itself", "its batch"])
def test_a_cell_that_another_process_is_writing_is_brought_out_when_it_is_whole(
    by: str, job: CellJob, tmp_path: Path
) -> None:
    train_cell(job)
    kept, identity = kept_folder(job.work), read_json(job.out / "cell.json")["identity"]
    batch = tmp_path / "batch0.json"
    write_json(batch, {"failed": {}})

    def bring() -> None:
        if by == "itself":
            bring_out(job.out, job.work, identity)
        else:
            collect_cell(job.cell, batch, job.work, job.out)

    shutil.rmtree(job.out)
    # The other one took longer, which its history tells; it has not come to its cell.json yet.
    history = (kept / "history.csv").read_text() + "\n"
    (kept / "history.csv").write_text(history)
    record = read_json(kept / "cell.json") | {"history_sha256": sha256_of(kept / "history.csv")}
    other = threading.Timer(0.3, write_json, (kept / "cell.json", record))
    other.start()
    bring()
    other.join()
    assert is_whole(job.out)
    assert (job.out / "history.csv").read_text() == history
    # What nobody is writing any more is damaged.
    (kept / "history.csv").write_text("")
    for path in kept.iterdir():
        os.utime(path, (0, 0))
    (job.out / "cell.json").unlink()
    with pytest.raises(NullcropError, match="is damaged or"):
        bring()


def test_the_first_of_two_processes_to_end_takes_no_file_from_the_other(
    job: CellJob, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a killed process left is cleared away, what another one is writing this minute is not."""
    job.work.mkdir()
    left, fresh = job.work / ".checkpoint.dead.pt", job.work / ".checkpoint.busy.pt"
    for path in (left, fresh):
        path.touch()
    os.utime(left, (0, 0))
    train_cell(job)
    assert list(job.work.iterdir()) == [fresh]
    fresh.unlink()
    train_cell(job)
    assert not job.work.exists()


def test_a_batch_trains_what_single_cells_train_and_a_failing_cell_fails_alone(
    job: CellJob, inputs: Path, tmp_path: Path
) -> None:
    jobs = [
        replace(
            job,
            cell=replace(job.cell, view=view),
            view=inputs / "views" / f"{view}.json",
            out=tmp_path / "cells" / view,
            work=tmp_path / "work" / view,
        )
        for view in ("original", "center", "upper_left")
    ]
    jobs[1] = replace(jobs[1], view=tmp_path / "no.json")
    torch.manual_seed(5)  # what was drawn before a cell must not count
    train_batch(jobs, tmp_path / "logs", tmp_path / "report.json")

    for one in jobs:
        if one is jobs[1]:
            with pytest.raises(NullcropError, match=r"center/.* failed: cannot read the store of .*no\.npy"):
                collect_cell(one.cell, tmp_path / "report.json", one.work, one.out)
            assert not one.out.exists()
        else:
            collect_cell(one.cell, tmp_path / "report.json", one.work, one.out)
            alone = replace(one, out=tmp_path / "alone", work=tmp_path / "alone_work")
            train_cell(alone)
            assert hashes(one.out) == hashes(alone.out)
    log = tmp_path / "logs" / f"{jobs[0].cell.path}.log"
    assert "epoch 3/3" in log.read_text()

    forget_failures(tmp_path)
    assert (tmp_path / "report.json").exists()  # not a batch's name
    (tmp_path / "report.json").rename(tmp_path / "batch0.json")
    forget_failures(tmp_path)
    assert not (tmp_path / "batch0.json").exists()


def test_a_demanded_arithmetic_is_checked_before_training_and_not_of_what_is_done(
    job: CellJob,
) -> None:
    demanding = replace(job, numerics="cuda_fp32")
    with pytest.raises(NullcropError, match=r"demands the numerics cuda_fp32 .* trained under cpu_"):
        train_cell(demanding)
    train_cell(job)
    train_cell(demanding)
    name = json.loads((job.out / "cell.json").read_text())["numerics"]
    train_cell(
        replace(job, numerics=name, out=job.out.with_name("other"), work=job.work.with_name("other_work"))
    )


@pytest.mark.parametrize(
    ("capability", "built_for", "runs"),
    [
        ((8, 0), ["sm_75", "sm_80", "sm_90"], True),
        ((8, 9), ["sm_75", "sm_80", "sm_90"], True),  # L40S: machine code of its own major number
        ((6, 1), ["sm_75", "sm_80", "sm_90"], False),  # GTX 1080 Ti
        ((10, 0), ["sm_80", "sm_90"], False),
        ((10, 0), ["sm_80", "sm_90", "compute_90"], True),  # PTX runs on what came later
        ((9, 0), ["sm_90a"], True),
        ((12, 0), ["sm_100", "sm_120"], True),
    ],
)
def test_a_gpu_that_torch_has_no_code_for_is_refused(
    capability: tuple[int, int], built_for: list[str], runs: bool
) -> None:
    if runs:
        check_gpu("a GPU", capability, built_for)
    else:
        words = (
            rf"a GPU \(compute capability {capability[0]}\.{capability[1]}\), is not among those that torch"
        )
        with pytest.raises(NullcropError, match=words):
            check_gpu("a GPU", capability, built_for)


def test_a_loss_that_is_no_number_stops_the_cell(job: CellJob, capsys: pytest.CaptureFixture[str]) -> None:
    hopeless = replace(job, recipe=replace(SCRATCH, learning_rate=1e18))
    assert main(arguments(hopeless)) == 1
    message = capsys.readouterr().err
    assert "training loss became" in message
    assert "learning rate below 1e+18" in message
    assert "Traceback" not in message
    assert not (job.out).exists()


def test_a_network_that_answers_no_numbers_is_not_finished(job: CellJob) -> None:
    """One step: its loss is still a number, the weights after it are not."""
    recipe = Recipe(weights="random", epochs=1, batch_size=64, learning_rate=1e38)
    with pytest.raises(NullcropError, match="no numbers"):
        train_cell(replace(job, recipe=recipe))
    assert not job.out.exists()


def test_a_split_of_other_images_is_refused(job: CellJob, inputs: Path, tmp_path: Path) -> None:
    split = pd.read_csv(inputs / "split.csv")
    split.iloc[::-1].to_csv(tmp_path / "reversed.csv", index=False)
    with pytest.raises(NullcropError, match="name different images"):
        train_cell(replace(job, split=tmp_path / "reversed.csv"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_without_a_gpu_a_cell_that_demands_one_says_so(job: CellJob) -> None:
    with pytest.raises(NullcropError, match="asks for a GPU, but torch sees none"):
        train_cell(replace(job, device="cuda"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.parametrize("in_flight", [1, 3])
def test_without_its_gpu_a_batch_fails_as_a_whole_and_each_cell_says_why(
    job: CellJob, tmp_path: Path, in_flight: int
) -> None:
    jobs = [
        replace(
            job, cell=replace(job.cell, seed=seed), work=tmp_path / f"{seed}", device="auto", granted_gpus=1
        )
        for seed in range(3)
    ]
    with pytest.raises(NoGpuError, match="but torch sees none there"):
        train_batch(jobs, tmp_path / "logs", tmp_path / "report.json", in_flight)
    assert not (tmp_path / "report.json").exists()  # a report would be a batch that is done
    for one in jobs:
        assert "torch sees none" in (tmp_path / "logs" / f"{one.cell.path}.log").read_text()
        assert read_state(one.work / HEARTBEAT)[0] == "failed"


def test_a_granted_gpu_is_no_part_of_a_cells_identity(job: CellJob) -> None:
    train_cell(job)
    before = (job.out / "history.csv").read_bytes()  # with the epochs' durations
    train_cell(replace(job, granted_gpus=1))
    assert (job.out / "history.csv").read_bytes() == before


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("architecture", ["lenet5", "shufflenet_v2", "vgg16"])
def test_on_a_gpu_a_cell_is_deterministic(job: CellJob, tmp_path: Path, architecture: str) -> None:
    recipe = replace(SCRATCH, input_size=None if architecture == "lenet5" else 64)
    job = replace(job, cell=replace(job.cell, architecture=architecture), recipe=recipe, device="cuda")
    for name in ("first", "second"):
        train_cell(replace(job, out=tmp_path / name, work=tmp_path / f"{name}_work"))
    assert hashes(tmp_path / "first") == hashes(tmp_path / "second")


WITHOUT_THE_REST = """
import sys
import threading

absent = ["pydantic", "yaml", "sklearn", "scipy", "statsmodels", "matplotlib", "rich", "snakemake"]
absent += ["torchvision"]
sys.modules.update(dict.fromkeys(absent))  # None: importing one raises ImportError
from nullcrop.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.long
def test_training_runs_where_only_torch_numpy_pandas_and_pillow_are_installed(job: CellJob) -> None:
    command = [sys.executable, "-c", WITHOUT_THE_REST, *arguments(job)]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(PACKAGE)}, check=True)
    assert (job.out / "cell.json").is_file()


WHAT_IS_LOADED = """
import sys
import threading
from nullcrop.cli import main

status = main(sys.argv[1:])
loaded = {"torch._dynamo", "torch._inductor", "sympy", "torchvision", "timm"} & set(sys.modules)
sys.exit(status or (f"loaded: {loaded}" if loaded else 0))
"""


@pytest.mark.long
def test_a_small_network_waits_neither_for_torchs_compiler_nor_for_torchvision(job: CellJob) -> None:
    """Two epochs, killed between them: optimiser, checkpoint and resumption included."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    killed = [sys.executable, "-c", KILLED.format(patch=BETWEEN_EPOCHS), *arguments(job)]
    assert subprocess.run(killed, env=environment, check=False).returncode == -signal.SIGKILL
    subprocess.run([sys.executable, "-c", WHAT_IS_LOADED, *arguments(job)], env=environment, check=True)
    assert (job.out / "cell.json").is_file()


def test_the_optimiser_is_torchs_adam_bit_for_bit() -> None:
    """Six steps, after three of which both go on from the other's state."""
    theirs, ours = (build("lenet5", 2, 20, seed=3) for _ in range(2))
    optimizers = [
        torch.optim.Adam(theirs.parameters(), lr=1e-2, fused=True),
        EagerAdam(ours.parameters(), lr=1e-2, fused=True),
    ]
    images = torch.randn(6, 8, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    for step, batch in enumerate(images):
        if step == 3:
            states = [optimizer.state_dict() for optimizer in optimizers]
            for optimizer, state in zip(optimizers, reversed(states), strict=True):
                optimizer.load_state_dict(state)
        for network, optimizer in zip((theirs, ours), optimizers, strict=True):
            optimizer.zero_grad(set_to_none=True)
            functional.cross_entropy(network(batch), torch.arange(8) % 2).backward()
            optimizer.step()
    for name, values in theirs.state_dict().items():
        assert torch.equal(values, ours.state_dict()[name]), name
    assert all(parameter.requires_grad for parameter in ours.parameters())
