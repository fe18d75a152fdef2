"""A small cell that several test modules train: its samples, store, split and job."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from nullcrop.config.cell import Cell
from nullcrop.config.figures import FIGURE_FORMATS
from nullcrop.images.store import write_store
from nullcrop.splits import make_split
from nullcrop.training.loop import CellJob
from tests.unit.toy_cells import IMAGES, SCRATCH

if not torch.cuda.is_available():
    # Triton's interpreter runs its kernels then; it looks at this when it is imported, as torchvision does.
    os.environ["TRITON_INTERPRET"] = "1"


@pytest.fixture
def one_format(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are saved as PNG alone: three formats take three times as long, and tests look at objects."""
    monkeypatch.setattr("nullcrop.figures.style.FIGURE_FORMATS", ("png",))


@pytest.fixture
def every_format(one_format: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """After all, in a module where one is saved."""
    monkeypatch.setattr("nullcrop.figures.style.FIGURE_FORMATS", FIGURE_FORMATS)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with samples, store and split of 60 small images, the positive ones brighter."""
    folder = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(IMAGES):
        target = number % 2
        pixels = np.clip(rng.normal(90 + 60 * target, 25, (24, 26, 3)), 0, 255).astype(np.uint8)
        path = folder / f"image{number:02d}.png"
        Image.fromarray(pixels).save(path)
        rows.append((path.stem, str(path), 26, 24, f"patient{number // 2}", "", target))
    columns = ["id", "path", "width", "height", "group", "official_split", "target"]
    samples = pd.DataFrame(rows, columns=columns)
    write_store(samples, folder / "views", ["original", "upper_left", "center"], 20, 20, threads=1)
    make_split(samples, samples["target"], "random", 0).to_csv(folder / "split.csv", index=False)
    return folder


@pytest.fixture
def job(inputs: Path, tmp_path: Path) -> CellJob:
    return CellJob(
        cell=Cell("toy", "printed", "random", "upper_left", "lenet5", "scratch", 0),
        recipe=SCRATCH,
        view=inputs / "views" / "upper_left.json",
        split=inputs / "split.csv",
        weights=None,
        device="cpu",
        numerics=None,
        threads=1,
        out=tmp_path / "cell",
        work=tmp_path / "work",
    )


@pytest.fixture
def small_split(inputs: Path, tmp_path: Path) -> Path:
    """Eight training images, for networks that take long on a CPU."""
    split = pd.read_csv(inputs / "split.csv")
    split.loc[split.index[split["part"] == "train"][8:], "part"] = "unused"
    split.to_csv(tmp_path / "small.csv", index=False)
    return tmp_path / "small.csv"
