"""The captured engine on a CPU, its steps eager or replayed: the plain loop's bits, whoever was before or
beside a cell."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torchvision.models.inception import InceptionOutputs

from nullcrop.basics.errors import NullcropError, explained
from nullcrop.config.cell import Cell
from nullcrop.config.recipe import Recipe
from nullcrop.images.store import PackedView
from nullcrop.training import checkpoint, loop
from nullcrop.training.arithmetic import (
    ENGINE_OF_NAME,
    Arithmetic,
    Engine,
    EngineError,
    engine_that_runs,
    set_arithmetic,
)
from nullcrop.training.batch import train_batch
from nullcrop.training.cells import collect_cell
from nullcrop.training.checkpoint import CheckpointPace, resume, save_checkpoint
from nullcrop.training.data import InputImages
from nullcrop.training.device_images import DeviceImages
from nullcrop.training.engine import CapturedTraining, Stepper
from nullcrop.training.loop import CellJob, PlainTraining, new_network, to_its_end, train_cell
from nullcrop.training.optimizer import EagerAdam
from nullcrop.training.out_of_memory import is_out_of_memory
from tests.unit.pretended_cuda import PretendedCuda
from tests.unit.toy_cells import SCHEDULED, SCRATCH, hashes

CPU = torch.device("cpu")
needs_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture(params=["eager", "replayed"])
def way(request: pytest.FixtureRequest) -> str:
    """How the engine's steps are run on the CPU; a test may add the plain loop."""
    return str(request.param)


@pytest.fixture
def stepped(monkeypatch: pytest.MonkeyPatch, way: str) -> Callable[[], None]:
    """Call it, and from then on cells are trained in that way."""

    def patch() -> None:
        if way == "plain":
            return

        def stepped(device: str, threads: int, *_: Any) -> Arithmetic:
            return replace(set_arithmetic(device, threads), engine="captured_fp32", name="stepped")

        monkeypatch.setattr(loop, "set_arithmetic", stepped)
        if way == "replayed":
            PretendedCuda(monkeypatch)
            monkeypatch.setattr(
                Arithmetic, "captured", property(lambda arithmetic: arithmetic.engine != "plain")
            )

    return patch


def small(job: CellJob, architecture: str, **changes: Any) -> CellJob:
    """``job`` with another network and recipe."""
    recipe = replace(SCRATCH, **{"epochs": 2, **changes})
    return replace(job, cell=replace(job.cell, architecture=architecture), recipe=recipe)


@pytest.mark.parametrize(
    ("architecture", "changes"),
    [
        ("lenet5", {}),
        ("lenet5", {"output": "sigmoid", "tested": "best", "decay": 0.5}),
        ("shufflenet_v2", {"input_size": 32}),
        ("shufflenet_v2", {"input_size": 32, "train": "head", "batch_size": 33}),
        ("pcam_cnn", {"input_size": 46, "dropout": 0.4, "flips": True, "rotation": 90.0, "batch_size": 8}),
        pytest.param("vgg16", {"input_size": 32, "epochs": 1}, marks=pytest.mark.long),
    ],
    ids=["lenet5", "sigmoid", "batch-norm", "head", "augmented-dropout", "vgg16"],
)
def test_a_stepped_cell_equals_the_plain_loops_bit_for_bit(
    job: CellJob,
    tmp_path: Path,
    stepped: Callable[[], None],
    small_split: Path,
    architecture: str,
    changes: dict[str, Any],
) -> None:
    job = small(job, architecture, **changes)
    if architecture == "vgg16":
        job = replace(job, split=small_split)
    train_cell(replace(job, out=tmp_path / "plain", work=tmp_path / "plain_work"))
    stepped()
    train_cell(job)
    assert json.loads((job.out / "cell.json").read_text())["numerics"] == "stepped"
    assert hashes(job.out) == hashes(tmp_path / "plain")


class TwoAnswers(nn.Module):
    """Answers in training as InceptionV3 does, with a second classifier."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.main, self.auxiliary = nn.Linear(1200, 2), nn.Linear(1200, 2)

    def forward(self, images: Tensor) -> Any:
        flat = images.flatten(1)
        return (
            InceptionOutputs(self.main(flat), self.auxiliary(flat.sin()))
            if self.training
            else self.main(flat)
        )


def test_the_auxiliary_loss_counts_in_a_step_as_in_the_plain_loop(job: CellJob) -> None:
    view, split = PackedView(job.view), pd.read_csv(job.split)
    targets, rows = torch.tensor(split["target"]), np.flatnonzero(split["part"] == "train")
    plain = TwoAnswers()
    optimizer = torch.optim.Adam(plain.parameters(), lr=SCRATCH.learning_rate, fused=True)
    images = InputImages(view, 20, CPU, "lenet5")
    expected = to_its_end(PlainTraining(job.cell, SCRATCH, plain, optimizer, images, targets).epoch(1, rows))
    stepper = Stepper(TwoAnswers(), SCRATCH, 20, Arithmetic(CPU, "stepped", "captured_fp32"))
    device_images = DeviceImages(view, 20, CPU, "lenet5")
    training = CapturedTraining(job.cell, SCRATCH, stepper, device_images, targets)
    assert to_its_end(training.epoch(1, rows)) == expected
    for name, values in plain.state_dict().items():
        assert torch.equal(stepper.network.state_dict()[name], values)
    assert not torch.equal(plain.auxiliary.weight, TwoAnswers().auxiliary.weight)


@pytest.mark.parametrize("saved", [1, 2])
def test_a_stepped_cell_that_was_interrupted_ends_as_if_it_had_not_been(
    job: CellJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stepped: Callable[[], None], saved: int
) -> None:
    stepped()
    job = replace(job, cell=replace(job.cell, architecture="pcam_cnn"), recipe=SCHEDULED)
    train_cell(replace(job, out=tmp_path / "whole", work=tmp_path / "whole_work"))

    def interrupted(*arguments: Any) -> None:
        save_checkpoint(*arguments)
        if len(arguments[4]) == saved:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "WRITING_SHARE", 1e9)
        patched.setattr(loop, "save_checkpoint", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train_cell(job)
    assert (job.work / "checkpoint.pt").is_file()
    train_cell(job)
    assert hashes(job.out) == hashes(tmp_path / "whole")


def test_checkpoints_of_both_ways_are_of_one_form(job: CellJob, tmp_path: Path) -> None:
    cell = replace(job.cell, architecture="shufflenet_v2")
    recipe = replace(SCRATCH, input_size=32)
    network, optimizer = new_network(cell, recipe, 2, 32, CPU)
    stepper = Stepper(
        new_network(cell, recipe, 2, 32, CPU)[0], recipe, 32, Arithmetic(CPU, "", "captured_fp32")
    )
    inputs, truth = torch.rand(16, 3, 32, 32), torch.arange(16) % 2
    stepper.begin_epoch()
    stepper.step(inputs, truth, 1)
    stepper.optimizer.set_rate(5e-4)
    history = [{"epoch": 1, "val_loss": 1.0}]
    save_checkpoint(tmp_path / "one.pt", "same", stepper.network, stepper.optimizer, history)
    moments = {
        name: values.data_ptr() for name, values in next(iter(stepper.optimizer.state.values())).items()
    }

    assert resume(tmp_path / "one.pt", "same", network, optimizer) == (history, None)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(5e-4)
    assert optimizer.param_groups[0]["capturable"] is False
    save_checkpoint(tmp_path / "two.pt", "same", network, optimizer, history)
    stepper.step(inputs, truth, 2)  # forgotten again by what is loaded
    resume(tmp_path / "two.pt", "same", stepper.network, stepper.optimizer)
    for mine, theirs in zip(stepper.network.parameters(), network.parameters(), strict=True):
        assert torch.equal(mine, theirs)
        for name in ("step", "exp_avg", "exp_avg_sq"):
            assert torch.equal(stepper.optimizer.state[mine][name], optimizer.state[theirs][name])
    # A captured graph knows the state by its place in memory.
    assert moments == {
        name: values.data_ptr() for name, values in next(iter(stepper.optimizer.state.values())).items()
    }


def test_a_cell_after_one_that_went_astray_is_as_the_first() -> None:
    cell = Cell("toy", "printed", "random", "center", "shufflenet_v2", "scratch", 0)
    recipe = replace(SCRATCH, input_size=32)
    inputs, truth = torch.rand(16, 3, 32, 32), torch.arange(16) % 2
    steppers = [
        Stepper(new_network(cell, recipe, 2, 32, CPU)[0], recipe, 32, Arithmetic(CPU, "", "captured_fp32"))
        for _ in range(2)
    ]
    steppers[1].begin_epoch()
    steppers[1].step(inputs * float("nan"), truth, 0)
    steppers[1].restart(new_network(cell, recipe, 2, 32, CPU)[0])
    for stepper in steppers:
        stepper.begin_epoch()
        for seed in range(3):
            stepper.step(inputs, truth, seed)
    assert steppers[0].sums() == steppers[1].sums()
    states = [stepper.network.state_dict() for stepper in steppers]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def of_views(job: CellJob, inputs: Path, folder: Path) -> list[CellJob]:
    """``job`` on three views and two seeds."""
    return [
        replace(
            job,
            cell=replace(job.cell, view=view, seed=seed),
            view=inputs / "views" / f"{view}.json",
            out=folder / "cells" / f"{view}{seed}",
            work=folder / "work" / f"{view}{seed}",
        )
        for seed in (0, 1)
        for view in ("original", "center", "upper_left")
    ]


@pytest.mark.parametrize("way", ["plain", "eager", "replayed"])
@pytest.mark.parametrize("in_flight", [2, *(pytest.param(n, marks=pytest.mark.long) for n in (1, 4))])
def test_cells_that_take_turns_end_as_alone_and_fail_alone(
    job: CellJob,
    inputs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stepped: Callable[[], None],
    in_flight: int,
    way: str,
) -> None:
    stepped()
    made: list[Stepper] = []

    class Counted(Stepper):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(loop, "Stepper", Counted)
    jobs = of_views(small(job, "shufflenet_v2", input_size=32, epochs=1), inputs, tmp_path)
    jobs[1] = replace(jobs[1], view=tmp_path / "no.json")
    hopeless = replace(jobs[3].recipe, learning_rate=1e18, epochs=3)
    jobs[3] = replace(jobs[3], recipe=hopeless)
    torch.manual_seed(5)  # what was drawn before a cell must not count
    report = tmp_path / "report.json"
    train_batch(jobs, tmp_path / "logs", report, in_flight)
    if way != "plain" and in_flight == 1:
        # One for the first three cells, one for another recipe, one for those after it.
        assert len(made) == 3
    failed = json.loads(report.read_text())["failed"]
    assert "cannot read the store" in failed.pop(jobs[1].cell.path)
    assert "loss became" in failed.pop(jobs[3].cell.path)
    assert failed == {}
    for one in (jobs[0], jobs[2], jobs[4], jobs[5]):
        collect_cell(one.cell, report, one.work, one.out)
        alone = replace(one, out=tmp_path / "alone", work=tmp_path / "alone_work")
        train_cell(alone)
        assert hashes(one.out) == hashes(alone.out)
        log = (tmp_path / "logs" / f"{one.cell.path}.log").read_text()
        assert log.count("epoch 1/1:") == 1
    facts = json.loads((jobs[0].out / "cell.json").read_text())
    assert ("in_flight" in facts) == (in_flight > 1)


def test_a_network_with_dropout_is_trained_one_at_a_time(
    job: CellJob, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = of_views(small(job, "pcam_cnn", input_size=46, epochs=1), inputs, tmp_path)[:2]
    train_batch(jobs, tmp_path / "logs", tmp_path / "report.json", in_flight=2)
    assert "one at a time" in capsys.readouterr().err
    for one in jobs:
        collect_cell(one.cell, tmp_path / "report.json", one.work, one.out)
        assert "in_flight" not in json.loads((one.out / "cell.json").read_text())


@pytest.mark.parametrize(
    ("wanted", "capability", "runs", "words"),
    [
        ("plain", None, "plain", None),
        ("plain", (7, 0), "plain", None),
        ("captured_fp32", None, "plain", "needs a GPU"),
        ("captured_fp32", (7, 0), "captured_fp32", None),
        ("captured_bf16", (7, 5), "plain", "compute capability 8.0 or above, this one has 7.5"),
        ("captured_bf16", (9, 0), "captured_bf16", None),
        ("auto", None, "plain", None),
        ("auto", (7, 5), "plain", None),
        ("auto", (8, 0), "captured_bf16", None),
    ],
)
def test_an_engine_that_cannot_run_gives_way_and_says_so(
    wanted: Engine,
    capability: tuple[int, int] | None,
    runs: Engine,
    words: str | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert engine_that_runs(wanted, capability) == runs
    said = capsys.readouterr().err
    assert (words in said and said.count("\n") == 1) if words else said == ""


def test_on_a_cpu_a_captured_cell_is_the_plain_one_and_bears_its_name(
    job: CellJob, capsys: pytest.CaptureFixture[str]
) -> None:
    train_cell(job)
    facts = json.loads((job.out / "cell.json").read_text())
    assert facts["numerics"].startswith("cpu_")
    train_cell(replace(job, engine="captured_bf16"))
    said = capsys.readouterr().err
    assert "the plain loop trains instead" in said
    assert "kept" in said


class Machine:
    """Stands for a GPU's engines: each trains on the CPU, eagerly, and bears its own name; remembers what was
    asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[Engine] = []
        monkeypatch.setattr(loop, "set_arithmetic", self.set_arithmetic)

    def set_arithmetic(self, device: str, threads: int, engine: Engine, granted_gpus: int = 0) -> Arithmetic:
        self.asked.append(engine)
        runs: Engine = "captured_bf16" if engine == "auto" else engine
        name = next(name for name, of in ENGINE_OF_NAME.items() if of == runs)
        plain: Engine = "plain"  # the arithmetic is the CPU's
        return replace(
            set_arithmetic(device, threads, plain),
            name=name,
            engine="plain" if runs == "plain" else "captured_fp32",
            taken_too=tuple(ENGINE_OF_NAME) if engine == "auto" else (),
        )


def numerics_of(job: CellJob) -> str:
    """The name that the finished cell bears."""
    return str(json.loads((job.out / "cell.json").read_text())["numerics"])


@pytest.mark.parametrize("finished_by", ["plain", "captured_fp32", "captured_bf16"])
def test_auto_keeps_what_any_engine_finished_and_a_named_one_does_not(
    job: CellJob, monkeypatch: pytest.MonkeyPatch, finished_by: Engine
) -> None:
    Machine(monkeypatch)
    train_cell(replace(job, engine=finished_by))
    before = (job.out / "cell.json").read_bytes()
    train_cell(replace(job, engine="auto"))
    assert (job.out / "cell.json").read_bytes() == before
    other: Engine = "captured_fp32" if finished_by == "plain" else "plain"
    train_cell(replace(job, engine=other))
    assert ENGINE_OF_NAME[numerics_of(job)] == other


@pytest.mark.parametrize(("demanded", "asked"), [(None, "auto"), *ENGINE_OF_NAME.items()])
def test_auto_runs_the_engine_of_the_numerics_that_a_study_demands(
    job: CellJob, monkeypatch: pytest.MonkeyPatch, demanded: str | None, asked: Engine
) -> None:
    machine = Machine(monkeypatch)
    with suppress(NullcropError):  # of one engine's two names the machine bears the first
        train_cell(replace(job, engine="auto", numerics=demanded))
    assert machine.asked == [asked]


@pytest.mark.parametrize("engine", ["auto", "captured_bf16"])
def test_what_cannot_be_captured_is_trained_by_the_plain_loop_under_auto_alone(
    job: CellJob, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], engine: Engine
) -> None:
    Machine(monkeypatch)

    def refusing(*_: Any) -> Stepper:
        raise EngineError("a step of Odd cannot be captured: train it with `engine: plain`")

    monkeypatch.setattr(loop, "Stepper", refusing)
    if engine == "auto":
        train_cell(replace(job, engine=engine))
        assert numerics_of(job) == "cuda_fp32"
        assert "a step of Odd cannot be captured" in capsys.readouterr().err
    else:
        with pytest.raises(EngineError, match="engine: plain"):
            train_cell(replace(job, engine=engine))


def test_checkpoints_take_a_tenth_of_the_time_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network of 10⁹ bytes with its moments takes two seconds as assumed, and four as measured."""
    now = [1.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    network = nn.Linear(1, 1, bias=False, device="meta")
    network.weight = nn.Parameter(torch.empty(10**9 // 12, device="meta"))
    pace = CheckpointPace(network)
    due = []
    for _ in range(8):
        now[0] += 10.0
        due.append(pace.is_due())
        if due[-1]:
            with pace.writing():
                now[0] += 4.0
    assert due == [False, True, False, False, False, True, False, False]


@pytest.mark.cuda
@needs_a_gpu
@pytest.mark.parametrize("architecture", ["lenet5", "shufflenet_v2", "vgg16"])
def test_on_a_gpu_a_captured_cell_in_fp32_is_the_plain_one(
    job: CellJob, tmp_path: Path, architecture: str
) -> None:
    """Same kernels on the same numbers; a fused Adam with its rate in memory rounds that to float32."""
    size = None if architecture == "lenet5" else 64
    # 48 images: two replayed batches and an eager one.
    changes = {"input_size": size, "batch_size": 20, "learning_rate": 1e-4}
    job = replace(small(job, architecture, **changes), device="cuda")
    for way in ("plain", "captured_fp32"):
        train_cell(replace(job, engine=way, out=tmp_path / way, work=tmp_path / f"{way}_work"))
    plain, captured = (pd.read_csv(tmp_path / way / "history.csv") for way in ("plain", "captured_fp32"))
    np.testing.assert_allclose(captured["train_loss"], plain["train_loss"], rtol=1e-3)
    plain, captured = (pd.read_csv(tmp_path / way / "predictions.csv") for way in ("plain", "captured_fp32"))
    margins = [table["logit_1"] - table["logit_0"] for table in (plain, captured)]
    np.testing.assert_allclose(margins[1], margins[0], rtol=1e-2, atol=1e-3)
    facts = json.loads((tmp_path / "captured_fp32" / "cell.json").read_text())
    assert facts["numerics"] == "cuda_fp32_captured"


@pytest.mark.cuda
@needs_a_gpu
@pytest.mark.parametrize("way", ["captured_fp32", "captured_bf16"])
@pytest.mark.parametrize("in_flight", [1, 3])
def test_on_a_gpu_captured_cells_in_one_process_end_as_alone(
    job: CellJob, inputs: Path, tmp_path: Path, in_flight: int, way: Engine
) -> None:
    job = replace(small(job, "shufflenet_v2", input_size=64, batch_size=20), device="cuda", engine=way)
    jobs = of_views(job, inputs, tmp_path)
    train_batch(jobs, tmp_path / "logs", tmp_path / "report.json", in_flight)
    for one in jobs:
        collect_cell(one.cell, tmp_path / "report.json", one.work, one.out)
        alone = replace(one, out=tmp_path / "alone", work=tmp_path / "alone_work")
        train_cell(alone)
        assert hashes(one.out) == hashes(alone.out)


@pytest.mark.cuda
@needs_a_gpu
def test_on_a_gpu_capturing_leaves_no_trace_and_dropout_follows_its_seed() -> None:
    recipe = Recipe(weights="random", batch_size=4)
    cell = Cell("toy", "printed", "random", "center", "pcam_cnn", "scratch", 0)
    network, _ = new_network(cell, recipe, 2, 46, torch.device("cuda"))
    before = {name: values.clone() for name, values in network.state_dict().items()}
    stepper = Stepper(network, recipe, 46, Arithmetic(torch.device("cuda"), "", "captured_fp32"))
    for name, values in stepper.network.state_dict().items():
        assert torch.equal(values, before[name])
    inputs, truth = torch.rand(4, 3, 46, 46, device="cuda"), torch.arange(4, device="cuda") % 2
    sums = []
    for seed in (1, 2, 1):
        stepper.network.load_state_dict(before)
        stepper.optimizer.restart()
        stepper.begin_epoch()
        stepper.step(inputs, truth, seed)
        sums.append(stepper.sums()[0])
    assert sums[0] == sums[2] != sums[1]


class OutOfMemory:
    """Stands for a device that holds ``fits`` images of a step; counts what was tried."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fits: int) -> None:
        self.tried: list[int] = []
        forward = nn.Module.__call__

        def limited(module: nn.Module, *arguments: Any) -> Any:
            inputs = arguments[0]
            if module.training and isinstance(inputs, Tensor) and inputs.dim() == 4 and inputs.shape[1] == 3:
                self.tried.append(len(inputs))
                if len(inputs) > fits:
                    raise torch.cuda.OutOfMemoryError(
                        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 7.00 "
                        "GiB"
                    )
            return forward(module, *arguments)

        monkeypatch.setattr(nn.Module, "__call__", limited)


@pytest.mark.parametrize(
    ("error", "smaller", "words"),
    [
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate"), True, "out of memory"),
        (RuntimeError("CUDA error: out of memory"), True, "out of memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), True, None),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), False, "out of memory"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False, None),
    ],
)
def test_a_shortage_of_memory_is_told_from_a_defect(
    error: RuntimeError, smaller: bool, words: str | None
) -> None:
    assert is_out_of_memory(error) == smaller
    assert explained(error) is None if words is None else str(explained(error)).startswith(words)


@pytest.mark.parametrize("way", ["plain", "eager", "replayed"])
def test_what_does_not_fit_is_trained_in_parts_of_a_batch(
    job: CellJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stepped: Callable[[], None], way: str
) -> None:
    stepped()
    train_cell(replace(job, out=tmp_path / "whole", work=tmp_path / "whole_work"))
    device = OutOfMemory(monkeypatch, fits=5)
    train_cell(job)
    assert max(device.tried[3:]) == 4  # after 16, 8 (of the network and of its layers) did not fit
    facts = json.loads((job.out / "cell.json").read_text())
    assert facts["micro_batch"] == 4
    assert "micro_batch" not in json.loads((tmp_path / "whole" / "cell.json").read_text())
    whole, parts = (pd.read_csv(folder / "history.csv") for folder in (tmp_path / "whole", job.out))
    assert (parts["micro_batch"] == 4).all()
    np.testing.assert_allclose(parts["train_loss"], whole["train_loss"], rtol=1e-4)
    logits = [pd.read_csv(folder / "predictions.csv")["logit_1"] for folder in (tmp_path / "whole", job.out)]
    np.testing.assert_allclose(logits[1], logits[0], atol=1e-4)


@pytest.mark.parametrize("micro_batch", [1, 5, 16])
@pytest.mark.parametrize("architecture", ["lenet5", pytest.param("alexnet", marks=pytest.mark.long)])
def test_gradients_of_parts_add_up_to_those_of_the_batch(
    job: CellJob, architecture: str, micro_batch: int
) -> None:
    recipe = replace(SCRATCH, dropout=0.0 if architecture == "alexnet" else None)
    size = 20 if architecture == "lenet5" else 64
    inputs, truth = torch.rand(16, 3, size, size), torch.arange(16) % 2
    gradients = []
    for parts in (None, micro_batch):
        network, _ = new_network(replace(job.cell, architecture=architecture), recipe, 2, size, CPU)
        stepper = Stepper(network, recipe, size, Arithmetic(CPU, "", "captured_fp32"), parts)
        stepper.begin_epoch()
        stepper.step(inputs, truth, 0)
        gradients.append([parameter.grad for parameter in stepper.network.parameters()])
        assert stepper.sums()[0] == pytest.approx(
            nn.functional.cross_entropy(
                new_network(replace(job.cell, architecture=architecture), recipe, 2, size, CPU)[0].train()(
                    inputs
                ),
                truth,
            ).item()
            * 16,
            rel=1e-5,
        )
    for whole, added in zip(*gradients, strict=True):
        torch.testing.assert_close(added, whole, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("fits", [0, 15])
def test_what_cannot_be_split_fails_in_clear_words(
    job: CellJob, monkeypatch: pytest.MonkeyPatch, fits: int
) -> None:
    OutOfMemory(monkeypatch, fits)
    if fits:
        job, words = small(job, "shufflenet_v2", input_size=32), r"batch normalisation needs all 16 images"
    else:
        words = r"lenet5 with inputs of 20×20 pixels, 1 at a time, does not fit"
    with pytest.raises(NullcropError, match=words) as failure:
        train_cell(job)
    assert "Tried to allocate 2.00 GiB" in str(failure.value)
    assert "`input_size` below" in str(failure.value)
    assert not job.out.exists()


def test_a_frozen_encoder_is_split_though_it_has_batch_normalisation(
    job: CellJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = iter([True, False])
    step = EagerAdam.step

    def once(self: Any, *arguments: Any) -> Any:
        if next(fails, False):
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return step(self, *arguments)

    monkeypatch.setattr(EagerAdam, "step", once)
    train_cell(small(job, "shufflenet_v2", input_size=32, train="head"))
    assert json.loads((job.out / "cell.json").read_text())["micro_batch"] == 8
