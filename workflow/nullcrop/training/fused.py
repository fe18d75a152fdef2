"""A network's training pass with what stands between its convolutions fused: same mathematics, fewer trips to
memory.

The network is traced by torch.fx, and where it normalises, adds a residual, takes the positive part or pools,
the graph calls the kernels of fused_kernels.py. Weights and buffers stay the network's own; in evaluation it
runs as it is.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

from nullcrop.training import fused_kernels as kernels

Statistics = list[tuple[nn.BatchNorm2d, Tensor, Tensor]]
"""Layers, and the mean and unbiased variance of this batch that their running statistics move to."""


class _Normalise(Function):
    """Batch normalisation, then maybe a residual and the positive part."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        residual: Tensor | None,
        weight: Tensor,
        bias: Tensor,
        norm: nn.BatchNorm2d,
        relu: bool,
        seen: Statistics,
    ) -> Tensor:
        mean, inverse, variance = kernels.channel_statistics(x, norm.eps)
        seen.append((norm, mean, variance))
        out = kernels.normalise(x, mean, inverse, weight, bias, residual, relu)
        ctx.relu, ctx.has_residual = relu, residual is not None
        ctx.save_for_backward(x, out if ctx.has_residual and relu else None, mean, inverse, weight, bias)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, out, mean, inverse, weight, bias = ctx.saved_tensors
        of_x, of_weight, of_bias, passed = kernels.normalise_gradients(
            gradient, x, out, mean, inverse, weight, bias, ctx.relu
        )
        of_residual = (passed if ctx.relu else gradient) if ctx.has_residual else None
        return of_x, of_residual, of_weight, of_bias, None, None, None


class _BiasRelu(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor) -> Tensor:
        out = kernels.bias_relu(x, bias)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        return kernels.bias_relu_gradients(gradient, *ctx.saved_tensors)


class _Box(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return kernels.box(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return kernels.box(gradient)


class _MaxPool(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: int, step: int, padding: int) -> Tensor:
        out, taken = kernels.max_pool(x, kernel, step, padding)
        ctx.save_for_backward(taken)
        ctx.sides, ctx.windows = x.shape[2:], (kernel, step, padding)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (taken,) = ctx.saved_tensors
        return kernels.max_pool_gradient(gradient, taken, *ctx.sides, *ctx.windows), None, None, None


class _DenseBlock(Function):
    """DenseNet's block in one buffer: its layers write their maps behind one another, and nothing is
    concatenated.

    All layers normalise the same maps, so the statistics of a map are taken once; and the gradients of all
    layers are added up in one buffer as well.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, layers: Sequence[Any], seen: Statistics, *parameters: Tensor) -> Tensor:
        images, first, height, width = x.shape
        growth = int(layers[0].conv2.out_channels)
        channels = first + growth * len(layers)
        maps = torch.empty(
            (images, channels, height, width),
            dtype=x.dtype,
            device=x.device,
            memory_format=torch.channels_last,
        )
        statistics = torch.empty((3, channels), dtype=torch.float32, device=x.device)
        mean, inverse, variance = statistics
        epsilon = float(layers[0].norm1.eps)
        saved = []

        def write(new: Tensor, start: int) -> None:
            place = slice(start, start + new.shape[1])
            maps[:, place] = new
            kernels.channel_statistics(new, epsilon, statistics[:, place])

        write(x, 0)
        for number, layer in enumerate(layers):
            at = first + growth * number
            weight1, bias1, conv1, weight2, bias2, conv2 = parameters[6 * number : 6 * number + 6]
            seen.append((layer.norm1, mean[:at], variance[:at]))
            inner = kernels.normalise(maps[:, :at], mean[:at], inverse[:at], weight1, bias1, None, True)
            conv1, conv2 = conv1.to(inner.dtype), conv2.to(inner.dtype)
            narrow = functional.conv2d(inner, conv1)
            mean2, inverse2, variance2 = kernels.channel_statistics(narrow, layer.norm2.eps)
            seen.append((layer.norm2, mean2, variance2))
            outer = kernels.normalise(narrow, mean2, inverse2, weight2, bias2, None, True)
            write(functional.conv2d(outer, conv2, padding=1), at)
            saved += [inner, narrow, outer, conv1, conv2, mean2, inverse2]
        norms = [parameters[6 * number + kind] for number in range(len(layers)) for kind in (0, 1, 3, 4)]
        ctx.first, ctx.growth, ctx.layers = first, growth, len(layers)
        ctx.save_for_backward(maps, mean, inverse, *saved, *norms)
        return maps

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        maps, mean, inverse, *rest = ctx.saved_tensors
        saved, norms = rest[: 7 * ctx.layers], rest[7 * ctx.layers :]
        total = gradient.clone(memory_format=torch.channels_last)
        of_parameters: list[Tensor] = []
        for number in reversed(range(ctx.layers)):
            at = ctx.first + ctx.growth * number
            inner, narrow, outer, conv1, conv2, mean2, inverse2 = saved[7 * number : 7 * number + 7]
            weight1, bias1, weight2, bias2 = norms[4 * number : 4 * number + 4]
            of_new = total[:, at : at + ctx.growth].contiguous(memory_format=torch.channels_last)
            of_outer, of_conv2 = _convolution_gradients(of_new, outer, conv2, padding=1)
            of_narrow, of_weight2, of_bias2, _ = kernels.normalise_gradients(
                of_outer, narrow, None, mean2, inverse2, weight2, bias2, True
            )
            of_inner, of_conv1 = _convolution_gradients(of_narrow, inner, conv1, padding=0)
            _, of_weight1, of_bias1, _ = kernels.normalise_gradients(
                *(of_inner, maps[:, :at], None, mean[:at], inverse[:at], weight1, bias1, True),
                into=total[:, :at],
            )
            layer = [of_weight1, of_bias1, of_conv1.float(), of_weight2, of_bias2, of_conv2.float()]
            of_parameters = layer + of_parameters
        return total[:, : ctx.first], None, None, *of_parameters


def _convolution_gradients(
    gradient: Tensor, x: Tensor, weight: Tensor, padding: int
) -> tuple[Tensor, Tensor]:
    """Gradients of x and weight of a convolution in steps of one."""
    of_x, of_weight, _ = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, [1, 1], [padding, padding], [1, 1], False, [0, 0], 1, [True, True, False]
    )
    return of_x, of_weight


class FusedNorm(nn.Module):
    """Batch normalisation in training, then maybe a sum and ReLU."""

    def __init__(self, norm: nn.BatchNorm2d, relu: bool, seen: Statistics) -> None:
        super().__init__()
        self.norm, self._relu, self._seen = norm, relu, seen

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        norm = self.norm
        if residual is not None:
            residual = residual.expand(x.shape)
        out: Tensor = _Normalise.apply(  # type: ignore[no-untyped-call]
            x, residual, norm.weight, norm.bias, norm, self._relu, self._seen
        )
        return out


class FusedConv(nn.Module):
    """A convolution with bias, then ReLU."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        conv = self.conv
        maps = functional.conv2d(x, conv.weight, None, conv.stride, conv.padding, conv.dilation, conv.groups)
        out: Tensor = _BiasRelu.apply(maps, conv.bias)  # type: ignore[no-untyped-call]
        return out


class FusedDenseBlock(nn.Module):
    """torchvision's block of DenseNet."""

    def __init__(self, block: nn.Module, seen: Statistics) -> None:
        super().__init__()
        self.block, self._seen = block, seen

    def forward(self, x: Tensor) -> Tensor:
        layers = list(self.block.children())
        parameters = [
            getattr(getattr(layer, part), name)
            for layer in layers
            for part, names in _DENSE_PARAMETERS.items()
            for name in names
        ]
        out: Tensor = _DenseBlock.apply(x, layers, self._seen, *parameters)  # type: ignore[no-untyped-call]
        return out


_DENSE_PARAMETERS = {
    "norm1": ("weight", "bias"),
    "conv1": ("weight",),
    "norm2": ("weight", "bias"),
    "conv2": ("weight",),
}


def box_pool(x: Tensor) -> Tensor:
    """3×3 average pooling in steps of one, with a border of zeros."""
    out: Tensor = _Box.apply(x)  # type: ignore[no-untyped-call]
    return out


def max_pool(x: Tensor, kernel: int, step: int, padding: int) -> Tensor:
    """Max pooling in square windows."""
    out: Tensor = _MaxPool.apply(x, kernel, step, padding)  # type: ignore[no-untyped-call]
    return out


def fused(network: nn.Module) -> Callable[[Tensor], Any]:
    """What ``network`` computes in training, with fused kernels; its state is the network's own.

    A network whose code torch.fx cannot trace, because it branches on values, is returned as it is.
    """
    training = network.training
    network.train()
    try:
        graph = _Tracer().trace(network)
    except Exception:  # whatever a network's own code makes of a value that is not there yet
        return network
    finally:
        network.train(training)
    module, seen = fx.GraphModule(network, graph), Statistics()
    for node in list(graph.nodes):
        _fuse(module, node, seen)
    module.recompile()

    def forward(inputs: Tensor) -> Any:
        seen.clear()
        output = module(inputs)
        _move_statistics(seen)
        return output

    return forward


def _move_statistics(seen: Statistics) -> None:
    """Move the layers' running statistics as batch normalisation does, all at once."""
    for momentum in sorted({norm.momentum or 0.0 for norm, _, _ in seen}):
        moved: tuple[list[Tensor], ...] = ([], [], [], [], [])
        for norm, mean, variance in seen:
            if norm.momentum == momentum:
                buffers = (norm.running_mean, norm.running_var, norm.num_batches_tracked)
                for values, tensor in zip(moved, (*buffers, mean, variance), strict=True):
                    assert tensor is not None  # what has no statistics is not fused
                    values.append(tensor)
        means, variances, counters, of_batch, spread = moved
        torch._foreach_lerp_(means, of_batch, momentum)
        torch._foreach_lerp_(variances, spread, momentum)
        torch._foreach_add_(counters, 1)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return _is_dense_block(m) or super().is_leaf_module(m, module_qualified_name)


def _is_dense_block(module: nn.Module) -> bool:
    kind = type(module)
    return (kind.__module__, kind.__name__) == ("torchvision.models.densenet", "_DenseBlock") and not any(
        layer.drop_rate or layer.memory_efficient for layer in module.children()
    )


def _fuse(module: fx.GraphModule, node: fx.Node, seen: Statistics) -> None:
    """Replace ``node``, and what its kernel does of the nodes behind it, if there is a kernel for it.

    Layers are known by their very type: one that was derived from it may do something else besides.
    """
    layer = module.get_submodule(str(node.target)) if node.op == "call_module" else None
    behind = _only_user(node)
    if layer is not None and _is_dense_block(layer):
        _replace(module, node, FusedDenseBlock(layer, seen), [node.args[0]])
    elif type(layer) is nn.BatchNorm2d and layer.affine and layer.track_running_stats and layer.momentum:
        last, inputs = node, [node.args[0]]
        if behind is not None and _is_relu(module, behind):
            last = behind
        elif behind is not None and _adds(behind, node):
            relu = _only_user(behind)
            if relu is not None and _is_relu(module, relu):
                last = relu
                inputs += [each for each in behind.args if each is not node]
        _replace(module, last, FusedNorm(layer, last is not node, seen), inputs)
    elif type(layer) is nn.Conv2d and layer.bias is not None and layer.padding_mode == "zeros":
        if behind is not None and _is_relu(module, behind):
            _replace(module, behind, FusedConv(layer), [node.args[0]])
    elif (window := _max_window(layer, node)) is not None:
        _replace(module, node, max_pool, [node.args[0], *window])
    elif _is_box(node):
        _replace(module, node, box_pool, [node.args[0]])


def _replace(
    module: fx.GraphModule, node: fx.Node, by: nn.Module | Callable[..., Tensor], inputs: list[Any]
) -> None:
    with module.graph.inserting_before(node):
        if isinstance(by, nn.Module):
            name = f"fused_{node.name}"
            module.add_submodule(name, by)
            new = module.graph.call_module(name, tuple(inputs))
        else:
            new = module.graph.call_function(by, tuple(inputs))
    node.replace_all_uses_with(new)
    module.graph.erase_node(node)
    # What led to it alone is done by the kernel.
    for before in reversed(list(module.graph.nodes)):
        if not before.users and before.op in ("call_module", "call_function") and before is not new:
            module.graph.erase_node(before)


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _adds(node: fx.Node, first: fx.Node) -> bool:
    """Whether ``node`` adds other maps to ``first``; where it adds in place, no others are changed."""
    return (
        node.op == "call_function"
        and (
            node.target in (operator.add, torch.add)
            or (node.target is operator.iadd and node.args[0] is first)
        )
        and len(node.all_input_nodes) == len(node.args) == 2
        and not node.kwargs
    )


def _is_relu(module: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        return type(module.get_submodule(str(node.target))) is nn.ReLU
    return node.op == "call_function" and node.target in (functional.relu, torch.relu)


def _max_window(layer: nn.Module | None, node: fx.Node) -> tuple[int, int, int] | None:
    """Kernel, step and padding of max pooling in square windows of up to 3×3 pixels."""
    defaults = {"stride": None, "padding": 0, "dilation": 1, "ceil_mode": False, "return_indices": False}
    if type(layer) is nn.MaxPool2d:
        options = {name: getattr(layer, name) for name in ("kernel_size", *defaults)}
    elif node.op == "call_function" and node.target in (functional.max_pool2d, torch.max_pool2d):
        options = defaults | _options(node, "kernel_size", "stride", "padding")
    else:
        return None
    kernel, padding = options["kernel_size"], options["padding"]
    step = options["stride"] or kernel
    plain = options["dilation"] == 1 and not options["ceil_mode"] and not options["return_indices"]
    square = all(isinstance(each, int) for each in (kernel, step, padding))
    return (kernel, step, padding) if plain and square and kernel <= 3 else None


def _is_box(node: fx.Node) -> bool:
    if node.op != "call_function" or node.target is not functional.avg_pool2d:
        return False
    defaults = {
        "stride": None,
        "padding": 0,
        "ceil_mode": False,
        "count_include_pad": True,
        "divisor_override": None,
    }
    wanted = defaults | {"kernel_size": 3, "stride": 1, "padding": 1}
    return defaults | _options(node, "kernel_size", "stride", "padding") == wanted


def _options(node: fx.Node, *names: str) -> dict[str, Any]:
    """A pooling's arguments by name; the first one is the maps."""
    return dict(zip(names, node.args[1:], strict=False)) | node.kwargs
