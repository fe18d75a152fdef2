"""Real images, where they are at hand: ultrasound, histology, dermatoscopy and GIF faces."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nullcrop.config.definitions import read_definition
from nullcrop.config.views import study_crops, views_made_always
from nullcrop.datasets.samples import list_samples, read_samples
from nullcrop.duplicates.leaks import count_leaks
from nullcrop.duplicates.search import group_duplicates, write_duplicates
from nullcrop.images.store import PackedView, write_store
from nullcrop.images.views import crop_box
from nullcrop.splits import make_split

CROPS = tuple(study_crops())
VIEWS = tuple(views_made_always())

REPOSITORY = Path(__file__).parents[2]
DATA = REPOSITORY.parent / "shared" / "data"

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="no real images in ../shared/data beside the project"
)


@pytest.fixture(scope="module")
def busi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """BUSI's samples.csv."""
    folder = tmp_path_factory.mktemp("busi")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPOSITORY)
        definition = read_definition("config/examples/datasets/busi.yaml")
        list_samples("busi", definition, folder, folder, threads=2)
        samples = read_samples(folder / "samples.csv")
    # The definition's paths start at the repository; tests may run elsewhere.
    samples["path"] = [str((REPOSITORY / path).resolve()) for path in samples["path"]]
    samples.to_csv(folder / "samples.csv", index=False)
    return folder / "samples.csv"


def test_busi_is_listed_as_its_definition_says(busi: Path) -> None:
    samples = read_samples(busi)
    table = pd.read_csv(DATA / "busi" / "samples.csv").sort_values("path", ignore_index=True)
    assert list(samples["id"]) == list(table["path"])
    assert (samples[["width", "height"]] == table[["width", "height"]]).all(axis=None)
    assert samples["target"].sum() == 210
    assert (samples["official_split"] == "").sum() == table["breastmnist_split"].isna().sum() == 4


@pytest.mark.long
def test_busis_known_duplicates_are_found(busi: Path, tmp_path: Path) -> None:
    """Pawłowska et al. (2023) found 8 lesions that are in two classes."""
    samples = read_samples(busi)
    write_store(samples, tmp_path, ["original"], 20, 20, threads=2)
    found = write_duplicates(samples, PackedView(tmp_path / "original.json"), tmp_path, threads=2)
    assert (found.groupby("cluster")["class"].nunique() > 1).sum() == 8
    assert found.loc[found["kind"] == "exact", "class"].tolist() == ["benign", "malignant"]
    assert 130 <= found["cluster"].nunique() <= 150
    assert found["cluster"].value_counts().max() == 4
    leaks = count_leaks(samples, found, []).iloc[0]
    assert leaks["near_test_images"] > 50
    split = make_split(group_duplicates(samples, found), samples["target"], "grouped", 0)
    assert count_leaks(samples, found, [("printed", "grouped", 0, split)]).iloc[1]["near_across_parts"] == 0


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
    views = {view: PackedView(tmp_path / f"{view}.json") for view in VIEWS}
    for row, (path, width, height) in enumerate(shown):
        with Image.open(path) as image:
            np.testing.assert_array_equal(views["original"][row], np.asarray(image.convert("RGB")))
            for view in CROPS:
                crop = image.crop(crop_box(view, width, height, 20, 20)).convert("RGB")
                np.testing.assert_array_equal(views[view][row], np.asarray(crop))
