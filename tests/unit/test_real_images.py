"""Real images, where they are at hand: ultrasound, histology, dermatoscopy and GIF faces."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nullcrop.config.definitions import read_definition
from nullcrop.config.names import CROPS, VIEWS
from nullcrop.datasets.samples import list_samples, read_samples
from nullcrop.images.store import View, write_store
from nullcrop.images.views import crop_box

REPOSITORY = Path(__file__).parents[2]
DATA = REPOSITORY.parent / "shared" / "data"

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="no real images in ../shared/data beside the project"
)


def test_busi_is_listed_as_its_definition_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    definition = read_definition("config/examples/datasets/busi.yaml")
    list_samples("busi", definition, tmp_path, tmp_path, threads=2)
    samples = read_samples(tmp_path / "samples.csv")
    table = pd.read_csv(DATA / "busi" / "samples.csv").sort_values("path", ignore_index=True)
    assert list(samples["id"]) == list(table["path"])
    assert (samples[["width", "height"]] == table[["width", "height"]]).all(axis=None)
    assert samples["target"].sum() == 210
    assert (samples["official_split"] == "").sum() == table["breastmnist_split"].isna().sum() == 4


@pytest.mark.parametrize("pattern", ["busi/images/**/*.png", "**/*.jpg", "yale_a/*.*", "idc_sample/**/*.png"])
def test_every_crop_of_a_real_image_is_pillows_own(tmp_path: Path, pattern: str) -> None:
    paths = [path for path in sorted(DATA.glob(pattern)) if path.is_file() and path.suffix != ".csv"]
    shown = []
    for path in paths[:: max(1, len(paths) // 25)]:
        with Image.open(path) as image:
            if min(image.size) >= 20:
                shown.append((str(path), *image.size))
    assert len(shown) > 10
    samples = pd.DataFrame(shown, columns=["path", "width", "height"]).assign(id=lambda table: table["path"])
    write_store(samples, tmp_path, list(VIEWS), 20, 20, threads=2)
    views = {view: View(tmp_path / f"{view}.json") for view in VIEWS}
    for row, (path, width, height) in enumerate(shown):
        with Image.open(path) as image:
            np.testing.assert_array_equal(views["original"][row], np.asarray(image.convert("RGB")))
            for view in CROPS:
                crop = image.crop(crop_box(view, width, height, 20, 20)).convert("RGB")
                np.testing.assert_array_equal(views[view][row], np.asarray(crop))
