"""Steps that are recorded once and replayed, with CUDA's graphs pretended on a CPU."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nullcrop.basics.errors import NullcropError
from nullcrop.config.cell import Cell
from nullcrop.config.recipe import Recipe
from nullcrop.training.arithmetic import Arithmetic, Engine
from nullcrop.training.capture import WARM_UP_STEPS, captured
from nullcrop.training.engine import Stepper
from nullcrop.training.loop import initial_network
from tests.unit.pretended_cuda import DEFAULT, PretendedCuda, Stream

CPU = torch.device("cpu")
ONE_SIZE = Recipe(weights="random", batch_size=4)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> PretendedCuda:
    """Streams and graphs."""
    return PretendedCuda(monkeypatch)


class Captured(Arithmetic):
    """Arithmetic of a CPU on which steps are captured."""

    captured = True  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("architecture", "size", "engine"),
    [
        pytest.param("resnet50", 32, "captured_fp32", marks=pytest.mark.long),
        pytest.param("densenet121", 32, "captured_fp32", marks=pytest.mark.long),
        ("pcam_cnn", 46, "captured_fp32"),
        ("pcam_cnn", 46, "captured_bf16"),
        ("timm:resnet10t", 32, "captured_bf16"),
    ],
)
def test_replayed_steps_of_each_network_equal_eager_ones(
    cuda: PretendedCuda, architecture: str, size: int, engine: Engine
) -> None:
    """InceptionV3, which takes no small images, is in tests/long, VGG16 in test_engine.py."""
    check_replayed_steps(cuda, architecture, size, engine)


def check_replayed_steps(cuda: PretendedCuda, architecture: str, size: int, engine: Engine) -> None:
    """Two cells by one recording: rates, dropout, batches and the last, smaller batch are each step's own."""
    recipe = replace(ONE_SIZE, input_size=size)
    cell = Cell("toy", "printed", "random", "center", architecture, "scratch", 0)
    torch.manual_seed(0)
    batches = [(torch.rand(n, 3, size, size), torch.arange(n) % 2) for n in (4, 4, 3)]
    batches = [(inputs.contiguous(memory_format=torch.channels_last), truth) for inputs, truth in batches]

    def trained(stepper: Stepper) -> Iterator[Tensor]:
        for epoch in range(2):
            stepper.begin_epoch()
            stepper.optimizer.set_rate(1e-3 / (epoch + 1))
            for number, (inputs, truth) in enumerate(batches):
                stepper.step(inputs, truth, 10 * epoch + number)
            yield torch.tensor(stepper.sums(), dtype=torch.float64)
            yield stepper.logits(batches[2][0])
        yield from stepper.network.state_dict().values()
        for state in stepper.optimizer.state.values():
            yield from state.values()

    def first(seed: int) -> nn.Module:
        return initial_network(replace(cell, seed=seed), recipe, 2, size)

    replaying = Stepper(first(0), recipe, size, Captured(CPU, "", engine))
    for seed in (0, 1):
        if seed:
            replaying.restart(first(seed))
        eager = Stepper(first(seed), recipe, size, Arithmetic(CPU, "", engine))
        for mine, theirs in zip(trained(replaying), trained(eager), strict=True):
            assert torch.equal(mine, theirs)
    (graph,) = cuda.graphs
    assert graph.replays == 2 * 2 * 2


class Odd(nn.Module):
    """A network that cannot be replayed: ``way`` says what it does."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way, self.last, self.calls = way, nn.Linear(48, 2), 0

    def forward(self, images: Tensor) -> Any:
        flat = images.flatten(1)
        if self.training:
            self.calls += 1
        if self.way == "counts":
            flat = flat * self.calls
        if self.way == "waits" and self.calls > WARM_UP_STEPS and flat.sum().item() > 0:
            flat = -flat
        if self.way == "needs memory" and self.calls > WARM_UP_STEPS:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return self.last(flat)


def test_what_python_does_in_a_step_is_not_replayed(cuda: PretendedCuda) -> None:
    """Shows that the pretended graphs would tell: a network that counts its calls is trained differently."""
    torch.manual_seed(0)
    weights = Odd("counts").state_dict()
    inputs, truth = torch.rand(4, 3, 4, 4), torch.arange(4) % 2
    sums = []
    for arithmetic in (Captured(CPU, "", "captured_fp32"), Arithmetic(CPU, "", "captured_fp32")):
        stepper = Stepper(Odd("counts"), ONE_SIZE, 4, arithmetic)
        stepper.network.load_state_dict(weights)
        stepper.begin_epoch()
        for _ in range(3):
            stepper.step(inputs, truth, 0)
        sums.append(stepper.sums()[0])
    assert sums[0] != sums[1]


@pytest.mark.parametrize("fails_to_end", [False, True])
@pytest.mark.parametrize(
    ("way", "raised", "words"),
    [
        ("waits", NullcropError, "a step of Odd cannot be captured as a CUDA graph .*`engine: plain`"),
        ("needs memory", torch.cuda.OutOfMemoryError, "Tried to allocate"),
    ],
)
def test_what_cannot_be_captured_says_so_and_leaves_the_stream(
    cuda: PretendedCuda, way: str, raised: type[Exception], words: str, fails_to_end: bool
) -> None:
    cuda.fails_to_end = fails_to_end
    with pytest.raises(raised, match=words):
        Stepper(Odd(way), ONE_SIZE, 4, Captured(CPU, "", "captured_fp32"))
    assert cuda.current is DEFAULT


def test_an_eager_step_that_fails_is_not_said_to_be_uncapturable(cuda: PretendedCuda) -> None:
    def step() -> None:
        raise RuntimeError("no deterministic implementation")

    with pytest.raises(RuntimeError, match="no deterministic implementation"):
        captured(step, "Odd", clear=lambda: None)
    assert cuda.current is DEFAULT


def test_each_lane_is_captured_on_its_own_stream(cuda: PretendedCuda) -> None:
    seen = []
    lane = Stream()
    with torch.cuda.stream(lane):  # type: ignore[arg-type]
        captured(lambda: seen.append(cuda.current), "one", clear=lambda: None)
        assert cuda.current is lane
    captured(lambda: seen.append(cuda.current), "two", clear=lambda: None)
    assert cuda.captured_on[0] is lane
    assert cuda.captured_on[1] not in (lane, DEFAULT)
    assert seen == [each for each in cuda.captured_on for _ in range(WARM_UP_STEPS + 1)]
