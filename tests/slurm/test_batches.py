"""Cells that share a job: own outputs, own failures. That their bits are those of single jobs:
tests/unit/test_training.py."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.workflow.conftest import TOY_STUDY, Checkout

CELLS = Path("results/cells/one/printed/grouped")
LOGS = Path("results/logs/train_cell/one")
SEEDS = {"toy": {**TOY_STUDY, "datasets": ["one"], "seeds": [0, 1], "baselines": ["mean_rgb"]}}


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Path]:
    """A folder on another file system than the checkouts, where the machine has one."""
    shared_memory = Path("/dev/shm")
    with TemporaryDirectory(dir=shared_memory if shared_memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def batched(fresh: Callable[[], Checkout], elsewhere: Path) -> Checkout:
    """Dataset one, two views and two seeds, the views of each seed in one job; all but results elsewhere.

    With baselines, which are in no batch: they are fitted by a job of their own.
    """
    checkout = fresh()
    paths = {name: str(elsewhere / name) for name in ("resources", "store", "work")}
    checkout.write_config(cells_per_job=6, in_flight=2, studies=SEEDS, paths=paths)
    plan = checkout.plan()
    assert (plan["train_batch"], plan["collect_cell"], plan["fit_baselines"]) == (2, 4, 2)
    checkout.snakemake()
    return checkout


def test_a_finished_batch_has_nothing_to_do_and_keeps_only_copies(batched: Checkout, elsewhere: Path) -> None:
    assert batched.plan() == {}
    work = elsewhere / "work/cells"
    assert {path.parent.suffix for path in work.rglob("*") if path.is_file()} == {".kept"}
    assert (elsewhere / "store/one/views/original.npy").is_file()
    assert not (batched.folder / "resources/archives").exists()
    assert not (batched.folder / "results/datasets/one/views").exists()


def test_cells_that_took_turns_are_the_same_cells(batched: Checkout) -> None:
    took_turns = [
        path.read_text() for path in (batched.folder / "results/cells").rglob("lenet5/**/cell.json")
    ]
    assert len(took_turns) == 4
    assert all('"in_flight": 2' in facts for facts in took_turns)
    config = batched.folder / "toy.yaml"
    text = config.read_text()
    config.write_text(text.replace("in_flight: 2", "in_flight: 1"))
    plan = batched.plan()
    config.write_text(text)
    assert plan.keys() == {"resolve_config", "write_report", "write_report_index", "all"}


def test_a_missing_cell_is_brought_back_and_its_neighbour_is_not_touched(batched: Checkout) -> None:
    before = batched.predictions()
    assert len([path for path in before if "/lenet5/" in path]) == 4
    cells = [batched.folder / CELLS / view / "lenet5/toy/seed0" for view in ("original", "upper_left")]
    written = (cells[1] / "cell.json").stat().st_mtime_ns
    (cells[0] / "predictions.csv").unlink()
    plan = batched.plan()
    assert (plan["train_batch"], plan["collect_cell"]) == (0, 1)
    batched.snakemake()
    assert batched.predictions() == before
    assert (cells[1] / "cell.json").stat().st_mtime_ns == written
    assert batched.plan() == {}


def test_one_failing_cell_fails_alone_and_is_tried_again(fresh: Callable[[], Checkout]) -> None:
    checkout = fresh()
    checkout.write_config(cells_per_job=6, studies={"toy": {**TOY_STUDY, "datasets": ["one"]}})
    cells = [str(CELLS / view / "lenet5/toy/seed0/cell.json") for view in ("original", "upper_left")]
    checkout.snakemake("results/datasets/one/views/original.json")
    pixels = checkout.folder / "results/datasets/one/views/original.npy"
    content = pixels.read_bytes()
    pixels.write_bytes(content[:1000])

    output = checkout.snakemake(*cells, fails=True)
    assert "cannot read the store" in output
    assert "Traceback" not in output
    assert [Path(path).parts[-5] for path in checkout.predictions()] == ["upper_left"]

    pixels.write_bytes(content)
    assert checkout.plan()["train_batch"] == 1
    checkout.snakemake(*cells)
    logs = {path.parts[-4]: path.read_text() for path in (checkout.folder / LOGS).rglob("*.log")}
    assert "epoch" in logs["original"]
    assert "kept" in logs["upper_left"]
    assert len(checkout.predictions()) == 2
    assert checkout.plan(*cells) == {}
