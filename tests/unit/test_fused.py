"""Fused kernels beside torch's own operations; where there is no GPU, Triton's interpreter runs them."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, fx, nn
from torch.nn import functional
from torchvision.models.densenet import _DenseBlock
from torchvision.models.inception import BasicConv2d
from torchvision.models.resnet import Bottleneck

pytest.importorskip("triton", reason="there is no Triton here")

from nullcrop.training import fused_kernels as kernels
from nullcrop.training.architectures import build
from nullcrop.training.fused import FusedConv, FusedNorm, box_pool, fused, max_pool
from nullcrop.training.pooling import PaddedPooling

CPU = torch.device("cpu")
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")

SHAPES = st.tuples(st.integers(2, 3), st.integers(1, 20), st.integers(2, 7), st.integers(2, 7))
"""Images, channels, height and width; of fewer values a channel float32 can hardly tell the variance."""


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Any:
    """Tiles so small, and splits so few, that a small map has several of them, and some that are not full."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.backends.cudnn, "allow_tf32", False)
        patch.setitem(kernels.BLOCKS, "ROWS", 16)
        patch.setitem(kernels.BLOCKS, "COLUMNS", 16)
        patch.setitem(kernels.SUM_BLOCKS, "SPLITS", 2)
        patch.setattr(kernels, "PROGRAMS", 7)
        yield


def random_maps(seed: int, *shape: int) -> Tensor:
    """Maps with the channels last, of mean 3 and standard deviation 2."""
    values = 3 + 2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return values.to(DEVICE).contiguous(memory_format=torch.channels_last)


def same(ours: Callable[..., Tensor], theirs: Callable[..., Tensor], *inputs: Tensor) -> None:
    """Results and gradients are those of torch in float64, but for float32's rounding."""
    found = []
    for function, dtype, device in ((ours, torch.float32, DEVICE), (theirs, torch.float64, CPU)):
        leaves = [values.detach().to(device, dtype).requires_grad_() for values in inputs]
        out = function(*leaves)
        # The gradient of a slice of channels, as a concatenation passes it on.
        wide = torch.cat([out, out.detach()], 1)
        (wide * random_maps(9, *wide.shape).to(device, dtype)).sum().backward()
        found.append([out, *(leaf.grad for leaf in leaves)])
    for mine, other in zip(*found, strict=True):
        torch.testing.assert_close(on_cpu(mine), other, rtol=1e-3, atol=1e-3)


def on_cpu(values: Any) -> Tensor:
    """``values`` to be compared with torch's on a CPU, which are right: on a GPU padded average pooling was
    not."""
    converted: Tensor = values.detach().cpu().double()
    return converted


def in_float64(network: Any) -> Any:
    """A copy of ``network`` that torch runs as it is, on a CPU."""
    return copy.deepcopy(network).cpu().double()


@settings(max_examples=6)
@given(shape=SHAPES, relu=st.booleans(), residual=st.booleans())
@example(shape=(2, 20, 7, 5), relu=True, residual=True)
@example(shape=(2, 20, 7, 5), relu=True, residual=False)
def test_normalisation_residual_and_relu(shape: tuple[int, ...], relu: bool, residual: bool) -> None:
    norm = nn.BatchNorm2d(shape[1]).to(DEVICE)
    torch.manual_seed(0)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    reference = in_float64(norm)
    seen: Any = []
    layer = FusedNorm(norm, relu, seen)

    def theirs(x: Tensor, *others: Tensor) -> Tensor:
        out = reference(x) + sum(others)
        return functional.relu(out) if relu else out

    maps = [random_maps(seed, *shape) for seed in range(1 + residual)]
    same(layer, theirs, *maps)
    for name in ("weight", "bias"):
        mine, other = on_cpu(getattr(norm, name).grad), getattr(reference, name).grad
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-3)
    (_, mean, variance), *_ = seen
    torch.testing.assert_close(0.1 * on_cpu(mean), reference.running_mean, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(0.9 + 0.1 * on_cpu(variance), reference.running_var, rtol=1e-5, atol=1e-5)


def test_a_large_mean_drowns_no_small_variance() -> None:
    x = 1000 + random_maps(0, 4, 3, 6, 6) / 100
    _, inverse, _ = kernels.channel_statistics(x, 0.0)
    expected = 1 / x.double().var((0, 2, 3), unbiased=False).sqrt()
    torch.testing.assert_close(inverse.double(), expected, rtol=1e-3, atol=0)


@settings(max_examples=6)
@given(shape=SHAPES)
def test_a_convolution_with_bias_and_relu(shape: tuple[int, ...]) -> None:
    conv = nn.Conv2d(shape[1], 18, 3, padding=1).to(DEVICE)
    reference = in_float64(conv)
    same(FusedConv(conv), lambda x: functional.relu(reference(x)), random_maps(0, *shape))
    torch.testing.assert_close(on_cpu(conv.bias.grad), reference.bias.grad, rtol=1e-4, atol=1e-3)


@settings(max_examples=6)
@given(shape=SHAPES)
def test_average_pooling(shape: tuple[int, ...]) -> None:
    same(box_pool, lambda x: functional.avg_pool2d(x, 3, 1, 1), random_maps(0, *shape))


@settings(max_examples=6)
@given(shape=SHAPES, kernel=st.sampled_from([2, 3]), step=st.integers(1, 3), padding=st.integers(0, 1))
def test_max_pooling(shape: tuple[int, ...], kernel: int, step: int, padding: int) -> None:
    if min(shape[2:]) + 2 * padding < kernel:
        return
    # Few different values, so that windows hold equal ones: the gradient goes to the first.
    maps = random_maps(0, *shape).round()
    same(
        lambda x: max_pool(x, kernel, step, padding),
        lambda x: functional.max_pool2d(x, kernel, step, padding),
        maps,
    )


def test_bfloat16_is_rounded_once_at_the_end() -> None:
    norm = nn.BatchNorm2d(5).to(DEVICE)
    x, residual = (random_maps(seed, 2, 5, 6, 6).bfloat16() for seed in range(2))
    out = FusedNorm(norm, True, [])(x, residual)
    wanted = functional.relu(in_float64(norm)(on_cpu(x)) + on_cpu(residual))
    assert out.dtype == torch.bfloat16
    # The interpreter cuts off where a GPU rounds to the nearest.
    precision = 2**-8 if DEVICE.type == "cuda" else 2**-7
    torch.testing.assert_close(on_cpu(out), wanted, rtol=precision, atol=1e-6)


@pytest.mark.parametrize(
    ("architecture", "used"),
    [
        ("resnet50", {"FusedNorm": 53, "max_pool": 1, "BatchNorm2d": 0, "ReLU": 0}),
        ("densenet121", {"FusedDenseBlock": 4, "FusedNorm": 5, "max_pool": 1, "BatchNorm2d": 0, "cat": 0}),
        ("inception_v3", {"FusedNorm": 96, "box_pool": 9, "max_pool": 4, "BatchNorm2d": 0, "relu": 0}),
        ("vgg16", {"FusedConv": 13, "max_pool": 5, "MaxPool2d": 0, "ReLU": 2}),
        ("shufflenet_v2", {"FusedNorm": 56, "max_pool": 1, "BatchNorm2d": 0}),
    ],
)
def test_the_studys_networks_are_fused_throughout(architecture: str, used: dict[str, int]) -> None:
    with torch.device("meta"):
        network = build(architecture, 2, 224, 0)
    assert kernels_of(fused(network), used) == used
    assert network.training


class Pools(nn.Module):
    """The parts of InceptionV3, few channels wide."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = (
            BasicConv2d(8, 9, kernel_size=3, padding=1),
            BasicConv2d(8, 4, kernel_size=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        averaged = self.second(functional.avg_pool2d(x, kernel_size=3, stride=1, padding=1))
        maps = torch.cat([self.first(x), averaged], 1)
        return torch.cat([functional.max_pool2d(maps, kernel_size=3, stride=2), maps[:, :, ::3, ::3]], 1)


BLOCKS = {
    "residual": lambda: nn.Sequential(Bottleneck(8, 8, downsample=expanded(8, 32)), Bottleneck(32, 8)),
    "dense": lambda: _DenseBlock(3, 8, bn_size=2, growth_rate=8, drop_rate=0.0),
    "inception": lambda: Pools(),
    "vgg": lambda: nn.Sequential(nn.Conv2d(8, 9, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
}


def expanded(inputs: int, outputs: int) -> nn.Sequential:
    """What ResNet puts in place of a residual of another width."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_block_trains_as_without_fusing(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Result, gradients and running statistics of a step beside torch's own in float64."""
    # The interpreter takes as long for a large tile as for a small one.
    for name, value in (("ROWS", 64), ("COLUMNS", 32)):
        monkeypatch.setitem(kernels.BLOCKS, name, value)
    torch.manual_seed(0)
    network = BLOCKS[kind]().to(DEVICE, memory_format=torch.channels_last).train()
    for values in network.parameters():
        if values.dim() == 1:  # of normalisation: else all channels would be alike
            nn.init.uniform_(values, 0.5, 1.5)
    reference = in_float64(network)
    forward = fused(network)
    assert forward is not network
    same(forward, reference, random_maps(0, 3, 8, 6, 6))
    theirs = dict(reference.named_parameters())
    for name, values in network.named_parameters():
        apart = (on_cpu(values.grad) - theirs[name].grad).norm() / theirs[name].grad.norm()
        assert apart < 1e-3, name
    for name, values in network.named_buffers():
        torch.testing.assert_close(on_cpu(values), reference.get_buffer(name).double(), rtol=1e-4, atol=1e-5)


def kernels_of(forward: Any, names: dict[str, int]) -> dict[str, int]:
    """How often what is called so stands in the graph."""
    (module,) = (
        cell.cell_contents for cell in forward.__closure__ if isinstance(cell.cell_contents, fx.GraphModule)
    )
    found = [
        type(module.get_submodule(node.target)).__name__
        if node.op == "call_module"
        else getattr(node.target, "__name__", "")
        for node in module.graph.nodes
    ]
    return {name: found.count(name) for name in names}


class Branching(nn.Module):
    """Cannot be traced: what it computes depends on a value."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def test_what_cannot_be_traced_stays_as_it_is() -> None:
    network = Branching()
    assert fused(network) is network


class Shared(nn.Module):
    """What is normalised is used twice, and what is added to is used again: neither may be fused away. What
    is added last is a value for each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.other, self.third = nn.BatchNorm2d(3), nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        first = self.norm(x)
        second = self.other(x)
        narrow = functional.relu(self.third(x) + x.mean((2, 3), keepdim=True))
        return functional.relu(first) + functional.relu(first + second) + (second - 1) + narrow


def test_maps_that_are_used_twice_are_kept() -> None:
    network = Shared().to(DEVICE)
    reference = in_float64(network)
    same(fused(network), reference, random_maps(0, 2, 3, 4, 4))


@pytest.mark.parametrize("windows", [(3, 1, 1), (2, 2, 0), (5, 3, 2)])
def test_padded_averages_have_torchs_gradient_on_a_cpu(windows: tuple[int, ...]) -> None:
    """On a GPU torch's own is another one when the channels come last."""

    def ours(x: Tensor) -> Tensor:
        with PaddedPooling():
            return nn.AvgPool2d(*windows)(x)

    same(ours, nn.AvgPool2d(*windows), random_maps(0, 2, 3, 7, 7))
    channels_last = ours(random_maps(0, 2, 3, 7, 7)).is_contiguous(memory_format=torch.channels_last)
    assert channels_last == (windows[2] == 0)
