"""Records of the user's own, of every kind: each one registration in one file.

The files are those that docs/extending.md shows.
"""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nullcrop.images.store import PackedView

from .conftest import REPOSITORY, TOY_PHANTOM, TOY_STUDY, Checkout

EXTENSIONS = REPOSITORY / "tests" / "extensions"
FILES = sorted(path.name for path in EXTENSIONS.glob("*.py"))

STRIPES = {
    **{key: value for key, value in TOY_PHANTOM.items() if key not in ("group", "labels")},
    "title": "Stripes",
    "source": {"kind": "stripes", "images": 80},
    "classes": ["level", "upright"],
    "labels": {"printed": {"positive": ["upright"]}},
    "masks": {"path": "resources/archives/stripes/masks"},
}

STUDY = {
    "title": "Extended",
    "datasets": ["stripes"],
    "splits": ["random"],
    "recipes": ["toy"],
    "figures": ["accuracy", "samples", "auroc_by_view"],
    "baselines": ["majority", "mean_rgb", "steps"],
    "treatments": ["posterize_8"],
    "parts": [
        {
            "architectures": ["lenet5"],
            "views": ["upper_left", "inverted", "inverted.upper_left", "lesion_gray"],
        },
        {"architectures": ["small_cnn"], "views": ["upper_left"]},
    ],
}


def extend(checkout: Checkout, files: list[str], **changes: object) -> None:
    """Put the extensions ``files`` beside the config and name them in it."""
    folder = checkout.folder / "extensions"
    folder.mkdir(exist_ok=True)
    for name in files:
        shutil.copy2(EXTENSIONS / name, folder / name)
    checkout.write_config(extensions=[f"extensions/{name}" for name in files], **changes)


@pytest.fixture(scope="module")
def extended(fresh: Callable[[], Checkout]) -> Checkout:
    """A checkout whose study of all extensions has run to its end."""
    checkout = fresh()
    extend(checkout, FILES, studies={"own": STUDY})
    checkout.write_definition("stripes")
    (checkout.folder / "definitions" / "stripes.yaml").write_text(json.dumps(STRIPES))
    checkout.snakemake()
    return checkout


def store(checkout: Checkout, view: str) -> PackedView:
    return PackedView(checkout.folder / f"results/datasets/stripes/views/{view}.json")


def test_everything_asked_for_is_made_once(extended: Checkout) -> None:
    assert extended.plan() == Counter()
    figures = extended.folder / "results/studies/own/stripes/figures"
    assert {path.stem for path in figures.iterdir()} == {"accuracy", "samples", "auroc_by_view"}
    metrics = pd.read_csv(extended.folder / "results/studies/own/stripes/metrics.csv")
    of_networks = metrics[metrics["recipe"] == "toy"].groupby("architecture")["view"].agg(list)
    assert of_networks["lenet5"] == ["upper_left", "inverted", "lesion_gray", "inverted.upper_left"]
    assert of_networks["small_cnn"] == ["upper_left"]
    # The built-in verdict rests on what it rested on: of the own views none judges.
    assert set(metrics.loc[metrics["role"] == "crop", "view"]) == {"upper_left"}


def test_a_whole_view_has_the_images_size_and_can_be_cut(extended: Checkout) -> None:
    original, inverted = store(extended, "original"), store(extended, "inverted")
    np.testing.assert_array_equal(inverted.pixels, 255 - original.pixels)
    cut = store(extended, "inverted.upper_left").pixels
    np.testing.assert_array_equal(cut, 255 - store(extended, "upper_left").pixels)
    assert cut.shape[1:] == (20, 20, 3)


def test_a_masked_view_is_given_the_mask_of_its_image(extended: Checkout) -> None:
    samples = pd.read_csv(extended.folder / "results/datasets/stripes/samples.csv")
    original, gray = store(extended, "original"), store(extended, "lesion_gray")
    for row, name in enumerate(samples["id"]):
        mask = np.asarray(Image.open(extended.folder / f"resources/archives/stripes/masks/{name}.png")) > 0
        np.testing.assert_array_equal(gray[row][~mask], original[row][~mask])
        assert (gray[row][mask] == gray[row][mask][:, :1]).all()


def test_an_own_baseline_stands_on_every_view_of_the_study(extended: Checkout) -> None:
    cells = extended.folder / "results/cells/stripes/printed/random"
    views = {path.parts[-5] for path in cells.glob("*/steps/baseline/seed0/cell.json")}
    own = {"upper_left", "inverted", "inverted.upper_left", "lesion_gray"}
    assert views == own | {"posterize_8.upper_left"}
    record = json.loads((cells / "inverted/steps/baseline/seed0/cell.json").read_text())
    assert record["features"] == 6
    # Those that come with nullcrop are fitted on the own views, too.
    assert (cells / "inverted/mean_rgb/baseline/seed0/cell.json").is_file()


def test_an_own_treatment_is_compared_with_images_as_they_are(extended: Checkout) -> None:
    cut = store(extended, "posterize_8.upper_left").pixels
    np.testing.assert_array_equal(cut, store(extended, "upper_left").pixels // 32 * 32)
    table = pd.read_csv(extended.folder / "results/studies/own/stripes/treatments.csv")
    assert set(table["treatment"]) == {"posterize_8"}
    assert set(table["place"]) == {"crops"}
    assert {"lenet5", "small_cnn", "mean_rgb", "average"} <= set(table["reader"])
    page = (extended.folder / "results/report/own/index.html").read_text()
    assert "8 levels a channel:" in page


def test_a_cell_records_the_file_that_brought_its_network(extended: Checkout) -> None:
    folder = extended.folder / "results/cells/stripes/printed/random/upper_left/small_cnn/toy/seed0"
    versions = json.loads((folder / "cell.json").read_text())["versions"]
    assert re.fullmatch("[0-9a-f]{12}", versions["small_cnn.py"])


def test_the_report_shows_the_figure_and_names_what_was_added(extended: Checkout) -> None:
    page = (extended.folder / "results/report/own/index.html").read_text()
    for words in ("AUROC by view", "One mark a cell", "inverted, upper left", "lesion in gray", "small CNN"):
        assert words in page
    assert "steps between pixels" in page
    assert "--series-small-cnn: #7A4900;" in page
    assert "--series-small-cnn: #E0B060;" in page


def test_what_is_added_trains_no_finished_cell_again(done: Checkout) -> None:
    study = {**TOY_STUDY, "views": ["original", "upper_left", "inverted"], "baselines": ["steps"]}
    extend(done, FILES, studies={"toy": study})
    assert done.planned_cells() == {("one", "inverted"), ("two", "inverted")}
    plan = done.plan()
    assert plan["train_cell"] == plan["crop_further_view"] == 2
    assert not {"crop_views", "fit_baselines", "list_samples", "split_samples"} & set(plan)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nothing_of_this_name", "extensions: own.py, line 1: ModuleNotFoundError"),
        ("x = 1\nx.y", "extensions: own.py, line 2: AttributeError"),
        ("def", "extensions: own.py, line 1: SyntaxError"),
        (
            "from nullcrop.config.views import VIEWS, View\n"
            "VIEWS.register(View('center', 'centre', 'the middle', 'own:center'))",
            "extensions: own.py, line 2: there is a view 'center' already: choose another name",
        ),
    ],
)
def test_a_faulty_extension_is_named_with_its_line(done: Checkout, text: str, words: str) -> None:
    (done.folder / "own.py").write_text(text)
    done.write_config(extensions=["own.py"])
    assert words in done.snakemake("--dry-run", fails=True)


def test_a_missing_extension_is_named(done: Checkout) -> None:
    done.write_config(extensions=["own.py"])
    output = done.snakemake("--dry-run", fails=True)
    assert "nullcrop: error: extensions: there is no file own.py" in output
    assert "Traceback" not in output


def test_a_masked_view_of_a_dataset_without_masks_is_refused(done: Checkout) -> None:
    done.write_config(studies={"toy": {**TOY_STUDY, "views": ["lesion_hidden"]}})
    output = done.snakemake("--dry-run", fails=True)
    assert "the view lesion_hidden needs each image's mask, but dataset 'one' has none" in output


@pytest.mark.parametrize("name", FILES)
def test_the_documentation_shows_these_files(name: str) -> None:
    text = (REPOSITORY / "docs" / "extending.md").read_text(encoding="utf-8")
    assert (EXTENSIONS / name).read_text(encoding="utf-8") in text
