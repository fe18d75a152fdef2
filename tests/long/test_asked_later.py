"""What a finished study is asked later: where and what is read, masks, baselines, duplicates."""

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from .conftest import TOY_STUDY, Checkout

CELL = Path("results/cells/one/printed/grouped/upper_left/lenet5/toy/seed0")
REPORT = ["write_report", "write_report_index", "all"]


def test_where_and_what_is_read_is_asked_where_a_study_names_it_and_no_cell_is_made_again(
    done: Checkout,
) -> None:
    asked = ["leak_map", "attributes", "spectrum", "saliency"]
    cells = {path: path.read_bytes() for path in (done.folder / "results/cells").rglob("cell.json")}
    done.write_study(figures=asked)
    made = [f"plot_{figure}" for figure in asked]
    made += ["map_leaks", "read_spectrum", "list_attributes", "read_attributes"]
    made += ["explain_cell", "join_saliency"]
    assert done.plan() == Counter([*made * 2, "resolve_config", *REPORT])
    done.snakemake()
    assert done.plan() == {}
    assert {path: path.read_bytes() for path in (done.folder / "results/cells").rglob("cell.json")} == cells
    folder = done.folder / "results/studies/toy/one"
    assert {path.name for path in folder.glob("leak_map.*")} == {"leak_map.csv", "leak_map.npy"}
    # On one machine the network that is trained once more is the cell's.
    assert pd.read_csv(folder / "saliency.csv")["difference"].max() < 1e-6
    page = (done.folder / "results/report/toy/index.html").read_text()
    said = ("a simple reader", "attributes", "From the corners a simple reader", "outside the central half")
    assert min(page.count(words) for words in said) >= 2
    # Another grid maps again, another look does not.
    study = {"toy": {**TOY_STUDY, "figures": asked}}
    done.write_config(studies=study, leak_map={"positions": 3})
    assert done.plan()["map_leaks"] == 2
    done.write_config(studies=study, figure_style={"width": 85})
    assert done.plan()["map_leaks"] == 0
    # A column more is listed and asked for; nothing is listed, decoded or trained again.
    done.write_config(studies=study)
    done.write_definition("one", attributes={"columns": ["session"]})
    again = ["list_attributes", "read_attributes", "plot_attributes"]
    assert done.plan() == Counter([*again, *REPORT])


def test_masks_of_a_finished_study_are_counted_and_train_nothing(done: Checkout) -> None:
    samples = pd.read_csv(done.folder / "results/datasets/one/samples.csv")
    masks = done.folder / "masks"
    masks.mkdir()
    lesion = np.zeros((64, 64), np.uint8)
    lesion[24:40, 24:40] = 255  # between the corner crops
    for path in samples["path"]:
        Image.fromarray(lesion).save(masks / f"{Path(path).stem}.png")
    done.write_definition("one", masks={"path": "masks"})
    assert done.plan() == Counter(["count_lesions", *REPORT])
    done.snakemake()
    assert done.plan() == {}
    sentence = f"By the masks no corner crop touches a lesion in any of {len(samples)} images."
    page = (done.folder / "results/report/toy/index.html").read_text()
    # On the card, under the field, and above the numbers.
    assert page.count(sentence) == 3
    assert "Where the lesion is, by its masks" in page
    # A view of them is cut and trained, and nothing else.
    done.write_study(views=["original", "upper_left", "background_patch"], datasets=["one"])
    assert done.planned_cells() == {("one", "background_patch")}
    assert done.plan()["crop_further_view"] == 1


def test_baselines_are_fitted_on_a_further_view_that_a_study_names(fresh: Callable[[], Checkout]) -> None:
    """Beside the network there; nothing that was planned without the view is planned otherwise with it."""
    checkout = fresh()
    checkout.write_study(datasets=["one"], baselines=["majority", "mean_rgb", "file_facts"])
    without = checkout.plan()
    checkout.write_study(
        datasets=["one"],
        baselines=["majority", "mean_rgb", "file_facts"],
        views=["original", "upper_left", "forehead"],
    )
    further = Counter(["crop_further_view", "train_cell", "fit_further_baselines"])
    assert checkout.plan() == without + further
    folder = CELL.parents[3] / "forehead"
    target = str(folder / "mean_rgb/baseline/seed0/predictions.csv")
    checkout.snakemake(target)
    answers = pd.read_csv(checkout.folder / target)
    split = pd.read_csv(checkout.folder / "results/splits/one/printed/grouped/seed0.csv")
    assert len(answers) == (split["part"] == "test").sum()
    made = {path.name for path in (checkout.folder / folder).iterdir()}
    assert made == {"mean_rgb", "color_histogram", "raw_pixels"}


def test_duplicates_that_are_groups_are_looked_for_before_the_images_are_split(
    fresh: Callable[[], Checkout],
) -> None:
    """Each image of one phantom twice: without a group key, yet no copy is outside its part."""
    checkout = fresh()
    checkout.snakemake("results/datasets/one/samples.csv")
    images = checkout.folder / "resources/archives/one/images"
    for path in sorted(images.rglob("*.png")):
        shutil.copy(path, path.with_stem(f"{path.stem}_copy"))
    source = {"kind": "folder", "path": str(images)}
    checkout.write_definition("one", source=source, group=None, duplicates="group")
    leaks, splits = "results/datasets/one/leaks.csv", "results/splits/one/printed/grouped/seed0.csv"
    assert "find_duplicates" in checkout.plan(splits)
    assert "find_duplicates" not in checkout.plan("results/splits/two/printed/grouped/seed0.csv")
    checkout.snakemake(splits, leaks)
    table = pd.read_csv(checkout.folder / leaks).set_index("split").loc["grouped"]
    assert table["exact_clusters"] == table["exact_images"] / 2 == table["images"] / 2 == 60
    assert table["exact_across_parts"] == table["exact_test_images"] == 0
    split = pd.read_csv(checkout.folder / splits)
    assert split["group"].nunique() <= 60
