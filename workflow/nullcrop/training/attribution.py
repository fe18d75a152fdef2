"""Maps of attribution: on what in an image a network's answer depends, by captum."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from nullcrop.basics.progress import tracked
from nullcrop.config.saliency import METHOD_LABELS, Method
from nullcrop.training.architectures import FixedAdaptivePool
from nullcrop.training.data import InputImages
from nullcrop.training.out_of_memory import free_memory, is_out_of_memory

SIDE = 32
"""Side of a map in pixels."""

AT_A_TIME = 16
"""Images that go through the network together: fewer than in training, for which memory was asked."""

POOLING = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, FixedAdaptivePool)

Maps = NDArray[np.float32]
"""Maps of several images, N × SIDE × SIDE, each of the sum 1, or of zeros where a network is silent."""


def saliency_maps(
    network: nn.Module,
    images: InputImages,
    rows: NDArray[np.int64],
    targets: NDArray[np.int64],
    method: Method,
    steps: int,
    name: str = "",
) -> Maps:
    """What the logit of each image's own class depends on, by captum.

    `grad_cam`: Selvaraju et al. 2017, ICCV, at :func:`last_feature_map`, which the network has to have.
    `integrated_gradients`: Sundararajan et al. 2017, ICML, from a gray image, absolute values summed over the
    channels. Of a network with one output, whose logit is that of class 1, class 0 has its negative.
    """
    # Loaded here: with it comes much that no other step needs.
    from captum.attr import IntegratedGradients, LayerGradCam

    def answer(inputs: Tensor) -> Tensor:
        output: Tensor = network(inputs)
        return torch.cat([-output, output], 1) if output.shape[1] == 1 else output

    layer = last_feature_map(network, images.batch(rows[:1].tolist())) if method == "grad_cam" else None

    def ask(inputs: Tensor, target: Tensor) -> Tensor:
        if method == "grad_cam":
            coarse = LayerGradCam(answer, layer).attribute(inputs, target, relu_attributions=True)
            return functional.interpolate(coarse, inputs.shape[-2:], mode="bilinear", align_corners=False)
        gradients = IntegratedGradients(answer, multiply_by_inputs=True)
        found: Tensor = gradients.attribute(
            inputs, target=target, n_steps=steps, internal_batch_size=len(inputs)
        )
        return found

    def in_parts(inputs: Tensor, target: Tensor) -> Tensor:
        """As many images at a time as the device's memory holds."""
        try:
            return ask(inputs, target)
        except RuntimeError as error:
            if len(inputs) == 1 or not is_out_of_memory(error):
                raise
        # Here the failed step's tensors are gone; while the error was at hand, it held them.
        free_memory(inputs.device)
        halves = zip(inputs.chunk(2), target.chunk(2), strict=True)
        return torch.cat([in_parts(*half) for half in halves])

    found = []
    starts = range(0, len(rows), AT_A_TIME)
    for start in tracked(starts, len(starts), f"{METHOD_LABELS[method]}, {name} weights, images"):
        part = slice(start, start + AT_A_TIME)
        inputs = images.batch(rows[part].tolist())
        whole = in_parts(inputs, torch.from_numpy(targets[part]).to(inputs.device)).detach()
        found.append(functional.adaptive_avg_pool2d(whole.abs().sum(1), SIDE).float().cpu().numpy())
    maps: Maps = np.concatenate(found)
    total = maps.sum((1, 2), keepdims=True)
    np.divide(maps, total, out=maps, where=total > 0)
    return maps


def last_feature_map(network: nn.Module, inputs: Tensor) -> nn.Module | None:
    """The last part of ``network`` before any pooling that answers ``inputs`` with maps of more than one
    pixel (images × features × height × width), as Grad-CAM takes them; None where what follows is no such map
    any more but a sequence of patches, as in transformers."""
    called: dict[nn.Module, int] = {}
    last: list[nn.Module] = []
    pooled: list[Tensor] = []

    def look(module: nn.Module, _: Any, output: Any) -> None:
        called[module] = called.get(module, 0) + 1
        if not isinstance(output, Tensor) or output.ndim < 3:
            return
        # Inputs are squares, and so are maps of them; else the features stand last, or are those of patches.
        if output.ndim < 4 or output.shape[2] != output.shape[3]:
            last.clear()
        elif isinstance(module, POOLING):
            pooled.append(output)
        # A part that ends in a pooling hands on the same answer.
        elif output.shape[3] > 1 and not any(output is one for one in pooled):
            last.append(module)

    hooks = [module.register_forward_hook(look) for module in _trunk(network)]
    try:
        with torch.no_grad():
            network.eval()(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    # A part that is called several times has no one answer.
    return next((module for module in reversed(last) if called[module] == 1), None)


def _trunk(network: nn.Module) -> Iterator[nn.Module]:
    """Parts through which everything goes, one after the other: not those inside a block with branches."""
    for child in network.children():
        yield child
        if isinstance(child, nn.Sequential):
            yield from _trunk(child)
