"""What a rerun makes anew and what it keeps, run to its end; what it plans is in tests/workflow."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from .conftest import TOY_CONFIG, TOY_PHANTOM, TOY_STUDY, Checkout

CELL = Path("results/cells/one/printed/grouped/upper_left/lenet5/toy/seed0")


def test_a_cell_that_failed_under_a_new_recipe_is_planned_again(done: Checkout) -> None:
    """Its old files must not be taken for the new recipe's; the old recipe brings them back."""
    before = done.predictions()
    done.write_config(recipes={"toy": {"weights": "random", "epochs": 3, "learning_rate": 1e18}})
    done.snakemake(fails=True)
    assert done.plan()["train_cell"] == 4
    assert done.predictions() == {}
    done.write_config()
    done.snakemake()
    assert done.predictions() == before
    log = done.folder / "results/logs/train_cell" / CELL.relative_to("results/cells").parent / "seed0.log"
    assert "kept" in log.read_text()


def test_another_engine_trains_anew_and_the_plain_one_is_what_it_was(done: Checkout) -> None:
    done.write_config(engine="plain", in_flight=2)
    assert done.plan() == Counter(["resolve_config", "write_report", "write_report_index", "all"])
    done.write_config(engine="captured_bf16")
    assert done.plan()["train_cell"] == 4
    # Without a GPU the plain loop trains, and what it has made is kept.
    before = done.predictions()
    done.snakemake("--until", "train_cell")
    assert done.predictions() == before
    logs = [path.read_text() for path in (done.folder / "results" / "logs" / "train_cell").rglob("*.log")]
    assert all("the plain loop trains instead" in log and "kept" in log for log in logs)
    assert len(logs) == 4


def test_another_side_or_full_originals_pack_the_store_again_and_train_nothing_twice(
    fresh: Callable[[], Checkout],
) -> None:
    """Images of 160×160 pixels are stored as squares of 20; a recipe of 32, and `full`, need another
    store."""
    checkout = fresh()
    checkout.write_definition("one", source={**TOY_PHANTOM["source"], "width": 160, "height": 160})  # type: ignore[dict-item]
    store = checkout.folder / "results/datasets/one/views"
    cells = {
        recipe: [
            f"results/cells/one/printed/grouped/{view}/lenet5/{recipe}/seed0/predictions.csv"
            for view in ("original", "upper_left")
        ]
        for recipe in ("toy", "larger")
    }

    def facts() -> Any:
        return json.loads((store / "original.json").read_text())

    def ask(recipes: list[str], **keys: str) -> list[str]:
        larger = {"weights": "random", "epochs": 1, "input_size": 32}
        checkout.write_config(
            recipes={**TOY_CONFIG["recipes"], "larger": larger},  # type: ignore[dict-item]
            studies={"toy": {**TOY_STUDY, "datasets": ["one"], "recipes": recipes}},
            **keys,
        )
        return [path for recipe in recipes for path in cells[recipe]]

    asked = ask(["toy"])
    checkout.snakemake(*asked)
    assert list(facts()["extracts"])[:2] == ["20", "level_counts"]
    before, checksum = checkout.predictions(), facts()["pixels_sha256"]
    assert len(before) == 2

    asked = ask(["toy", "larger"])
    assert checkout.plan(*asked) == Counter(crop_views=1, train_cell=4)
    checkout.snakemake(*asked)
    assert list(facts()["extracts"])[:2] == ["20", "32"]
    assert facts()["pixels_sha256"] == checksum
    with_larger = checkout.predictions()
    assert len(with_larger) == 4
    assert {path: with_larger[path] for path in before} == before
    log = (checkout.folder / "results/logs/train_cell" / CELL.relative_to("results/cells")).with_suffix(
        ".log"
    )
    assert "kept" in log.read_text()
    assert checkout.plan(*asked) == {}
    # Without that recipe the store stays what it is.
    assert checkout.plan(*ask(["toy"])) == {}

    asked = ask(["toy", "larger"], originals="full")
    assert checkout.plan(*asked) == Counter(crop_views=1, train_cell=4)
    checkout.snakemake(*asked)
    assert "extracts" not in facts()
    assert facts()["pixels_sha256"] == checksum
    assert checkout.predictions() == with_larger
    assert checkout.plan(*ask(["toy", "larger"])) == {}


def test_datasets_listed_again_with_the_same_content_keep_their_cells(done: Checkout) -> None:
    """Snakemake cannot know beforehand that nothing will change; each cell finds out and is kept."""
    before = done.predictions()
    spent = (done.folder / CELL / "history.csv").read_text()
    done.snakemake("--forcerun", "list_samples")
    log = done.folder / "results/logs/train_cell" / CELL.relative_to("results/cells").parent / "seed0.log"
    assert "kept" in log.read_text()
    assert done.predictions() == before
    assert (done.folder / CELL / "history.csv").read_text() == spent
    assert done.plan() == {}


def test_a_users_own_folder_is_listed_again_when_its_table_changes(done: Checkout) -> None:
    shutil.copytree(done.folder / "resources/archives/one", done.folder / "mine")
    definition = {
        **TOY_PHANTOM,
        "source": {"kind": "folder", "path": "mine/images", "table": "mine/samples.csv"},
    }
    (done.folder / "definitions/mine.yaml").write_text(yaml.safe_dump(definition))
    done.write_study(datasets=["mine"])
    done.snakemake()
    assert done.plan() == {}
    table = done.folder / "mine/samples.csv"
    os.utime(table)
    assert done.plan() == {}
    lines = table.read_text().splitlines()
    table.write_text("\n".join(lines[:-1]) + "\n")
    assert done.plan()["list_samples"] == 1
