"""Results that are stale, damaged or without Snakemake's records: named, and made again."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from .conftest import Checkout

CELL = Path("results/cells/one/printed/grouped/upper_left/lenet5/toy/seed0")


def test_what_is_stale_after_an_edit_is_named_until_the_next_run(done: Checkout) -> None:
    """`status` tells from the files what Snakemake tells from its records."""

    def said(*commands: str) -> list[str]:
        return [done.nullcrop(command, "--configfile", "toy.yaml") for command in commands]

    assert not [text for text in said("status", "verdicts") if "tale" in text]
    assert re.search(r"all +\S* +4 of 4", said("status")[0])
    done.write_config(verdict={"level": 0.2})
    assert all(
        text.count("of an earlier config (level 0.05, now 0.2)") == 2 for text in said("status", "verdicts")
    )
    done.snakemake("results/studies/toy/verdicts.csv")
    assert not [text for text in said("status", "verdicts") if "tale" in text]

    done.write_config(crop={"width": 16, "height": 16})
    cells = [f"{name}/printed/grouped/upper_left/lenet5/toy/seed0" for name in ("one", "two")]
    why = "its crops are 20×20 pixels, now 16×16"
    assert f"Stale: {cells[0]} ({why}), {cells[1]} ({why})" in said("status")[0]
    done.snakemake("results/datasets/one/views/upper_left.json")
    why_of_one = "made of other pixels, another split or other weights"
    assert f"Stale: {cells[0]} ({why_of_one}), {cells[1]} ({why})" in said("status")[0]


def test_what_does_not_fit_is_made_again_where_snakemakes_records_are_lost(done: Checkout) -> None:
    """Results carry what they were made of: a copy on another machine has no records, either."""
    shutil.rmtree(done.folder / ".snakemake")
    assert done.plan() == {}
    done.write_definition("one", labels={"printed": {"positive": ["benign"]}})
    plan = done.plan()
    assert (plan["list_samples"], plan["split_samples"], plan["train_cell"]) == (1, 1, 2)
    assert done.planned_cells() == {("one", "original"), ("one", "upper_left")}
    said = done.snakemake("--dry-run")
    assert "is made again: split under another label rule than today's 'printed'" in said
    # Who wants no other parameters to remake anything, as ever gets nothing made again for them.
    assert done.plan("--rerun-triggers", "mtime") == {}

    done.write_definition("one")
    done.write_config(recipes={"toy": {"weights": "random", "epochs": 4, "learning_rate": 0.001}})
    plan = done.plan()
    assert (plan["list_samples"], plan["split_samples"], plan["train_cell"]) == (0, 0, 4)

    done.write_config(verdict={"level": 0.2})
    plan = done.plan()
    assert (plan["judge_readers"], plan["judge_dataset"], plan["train_cell"]) == (2, 2, 0)


def test_a_batch_whose_copies_are_damaged_is_trained_again(fresh: Callable[[], Checkout]) -> None:
    checkout = fresh()
    checkout.write_config(cells_per_job=2)
    cell = str(CELL / "cell.json")
    checkout.snakemake(cell)
    before = checkout.predictions()
    kept = checkout.folder / "results/.work/cells" / CELL.relative_to("results/cells").with_name("seed0.kept")
    for folder in (kept, checkout.folder / CELL):
        (folder / "predictions.csv").write_bytes(b"")
    said = checkout.snakemake(cell, fails=True)
    assert "what was trained is damaged or gone" in said
    assert "Traceback" not in said
    checkout.snakemake(cell)
    assert checkout.predictions() == before
