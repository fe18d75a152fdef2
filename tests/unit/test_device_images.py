"""Images on the device: resized as Pillow does, normalised as the plain loop does, resident or streamed."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nullcrop.images.store import PackedView, write_store
from nullcrop.training.arithmetic import EngineError
from nullcrop.training.data import InputImages
from nullcrop.training.device_images import DeviceImages
from nullcrop.training.device_resize import Resizer

CPU = torch.device("cpu")


def pillow(image: np.ndarray, size: int) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))


@settings(max_examples=150)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    size=st.integers(8, 64),
    seed=st.integers(0, 2**31),
    extreme=st.booleans(),
)
def test_resizing_is_pillows_to_the_last_bit(
    height: int, width: int, size: int, seed: int, extreme: bool
) -> None:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    if extreme:
        images = np.where(images > 127, 255, 0).astype(np.uint8)
    made = Resizer(height, width, size, CPU)(torch.from_numpy(images)).numpy()
    np.testing.assert_array_equal(made, np.stack([pillow(image, size) for image in images]))


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [
        *((20, 20, 224), (20, 20, 299), (28, 28, 224), (450, 600, 224), (767, 1022, 299), (50, 50, 20)),
        *((224, 224, 224), (224, 300, 224), (1, 500, 224), (600, 450, 224), (1000, 30, 64), (300, 224, 224)),
    ],
)
def test_the_sizes_of_the_studies_are_pillows_to_the_last_bit(height: int, width: int, size: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    made = Resizer(height, width, size, CPU)(torch.from_numpy(image)[None])[0].numpy()
    np.testing.assert_array_equal(made, pillow(image, size))


def test_a_pillow_that_resizes_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nullcrop.training.device_resize.resize", lambda image, size: pillow(image, size) ^ 1)
    with pytest.raises(EngineError, match=r"resizes 30×20 pixels to 16×16 in a way .* `engine: plain`"):
        Resizer(20, 30, 16, CPU)


@pytest.fixture(scope="module", params=["crops", "originals", "large"])
def view(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PackedView:
    """Views of the store: images of one small size, of sizes that differ, of one size above the network's."""
    folder = tmp_path_factory.mktemp("view")
    rng = np.random.default_rng(1)
    rows = []
    for number in range(11):
        width, height = (26 + number, 24) if request.param == "originals" else (60, 52)
        path = folder / f"{number:02d}.png"
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
        rows.append((path.stem, str(path), width, height))
    samples = pd.DataFrame(rows, columns=["id", "path", "width", "height"])
    name = "center" if request.param == "crops" else "original"
    write_store(samples, folder / "views", [name], 20, 20, threads=1)
    return PackedView(folder / "views" / f"{name}.json")


@pytest.mark.parametrize("room", [10**9, 0], ids=["resident", "streamed"])
@pytest.mark.parametrize("size", [20, 33])
def test_batches_equal_the_plain_ones_bit_for_bit(view: PackedView, size: int, room: int) -> None:
    steps = [[3, 0, 7], [1, 2, 10], [5, 5, 4], [9]]
    plain = InputImages(view, size, CPU, "lenet5")
    images = DeviceImages(view, size, CPU, "lenet5", room)
    assert images.resident == (room > 0)
    for _ in range(2):  # a second pass through the same buffers
        made = list(images.inputs(steps))
        for rows, (found, inputs) in zip(steps, made, strict=True):
            expected = plain.batch(rows)
            assert found.tolist() == rows
            assert torch.equal(inputs, expected)
            assert inputs.stride() == expected.stride()


def test_an_error_while_streaming_reaches_the_training(view: PackedView) -> None:
    images = DeviceImages(view, 20, CPU, "lenet5", 0)
    with pytest.raises(IndexError):
        list(images.inputs([[0, 1], [2, 99]]))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("room", [10**9, 0], ids=["resident", "streamed"])
def test_on_a_gpu_pixels_are_pillows_to_the_last_bit(view: PackedView, room: int) -> None:
    device = torch.device("cuda")
    images, plain = DeviceImages(view, 33, device, "lenet5", room), InputImages(view, 33, device, "lenet5")
    steps = [list(range(start, start + 3)) for start in range(8)]
    for rows, (_, inputs) in zip(steps, images.inputs(steps), strict=True):
        assert torch.equal(inputs, plain.batch(rows))
