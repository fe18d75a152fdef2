"""The networks. A new one is one line in ARCHITECTURES and one name in config/names.py."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models


class LeNet5(nn.Module):
    """LeNet-5 (LeCun 1998) for three channels, with ReLU and max pooling in place of the original's units.

    At its native 20×20 pixels the second pooling leaves 16 maps of 2×2; the first fully
    connected layer is sized by the input.
    """

    def __init__(self, num_classes: int, size: int) -> None:
        super().__init__()
        side = ((size - 4) // 2 - 4) // 2
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(16 * side * side, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(images))
        return logits


class FixedAdaptivePool(nn.Module):
    """``nn.AdaptiveAvgPool2d(out)`` for one known input side, as two small matrix products.

    The same averages, but with a backward pass that is deterministic on CUDA, where PyTorch's
    own raises in deterministic mode.
    """

    weights: Tensor

    def __init__(self, side: int, out: int) -> None:
        super().__init__()
        weights = torch.zeros(out, side)
        for row in range(out):
            start, end = row * side // out, -(-(row + 1) * side // out)
            weights[row, start:end] = 1 / (end - start)
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        return self.weights @ maps @ self.weights.T


def _vgg16(num_classes: int, size: int, **options: Any) -> nn.Module:
    network: nn.Module = models.vgg16(num_classes=num_classes)
    side = size // 32
    # At 224 pixels the maps already measure 7×7 and the pooling is the identity.
    network.avgpool = nn.Identity() if side == 7 else FixedAdaptivePool(side, 7)
    return network


def _inception_v3(num_classes: int, size: int, imagenet: bool) -> nn.Module:
    # The published checkpoint was trained on inputs scaled to [-1, 1]; `transform_input` turns
    # ImageNet normalisation into that scale, as torchvision does when it loads the weights itself.
    network: nn.Module = models.inception_v3(
        num_classes=num_classes, transform_input=imagenet, init_weights=not imagenet
    )
    return network


@dataclass(frozen=True)
class Architecture:
    """How a network is built, its native input side in pixels, its heads and its checkpoint."""

    build: Callable[..., nn.Module]
    """Called with num_classes, size and imagenet."""
    input_size: int
    heads: tuple[str, ...]
    """Names of the last layers, which are replaced when ImageNet weights are loaded."""
    weights: models.WeightsEnum | None
    """torchvision's first ImageNet checkpoint, the one in use when the networks were published."""


def _plain(builder: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    return lambda num_classes, size, imagenet: builder(num_classes=num_classes)


ARCHITECTURES = {
    "resnet50": Architecture(_plain(models.resnet50), 224, ("fc",), models.ResNet50_Weights.IMAGENET1K_V1),
    "densenet121": Architecture(
        _plain(models.densenet121),
        224,
        ("classifier",),
        models.DenseNet121_Weights.IMAGENET1K_V1,
    ),
    "inception_v3": Architecture(
        _inception_v3, 299, ("fc", "AuxLogits.fc"), models.Inception_V3_Weights.IMAGENET1K_V1
    ),
    "vgg16": Architecture(_vgg16, 224, ("classifier.6",), models.VGG16_Weights.IMAGENET1K_V1),
    "shufflenet_v2": Architecture(
        _plain(models.shufflenet_v2_x0_5),
        224,
        ("fc",),
        models.ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1,
    ),
    "lenet5": Architecture(lambda num_classes, size, imagenet: LeNet5(num_classes, size), 20, (), None),
}

IMAGENET_CLASSES = 1000


def input_size(name: str, wanted: int | None) -> int:
    """Input side in pixels: the recipe's ``wanted``, or the architecture's own."""
    return wanted or ARCHITECTURES[name].input_size


def build(
    name: str, n_targets: int, size: int, seed: int, state: dict[str, Tensor] | None = None
) -> nn.Module:
    """The network ``name`` with ``n_targets`` logits, for inputs of ``size`` pixels.

    ``seed`` decides every random weight. With ``state`` (an ImageNet state dict) the weights are
    loaded and each head is replaced by a new layer with ``n_targets`` outputs.
    """
    architecture = ARCHITECTURES[name]
    torch.manual_seed(seed)
    if state is None:
        return architecture.build(num_classes=n_targets, size=size, imagenet=False)
    network = architecture.build(num_classes=IMAGENET_CLASSES, size=size, imagenet=True)
    network.load_state_dict(state)
    # Seeded again, so that the new heads do not depend on what building the rest has drawn.
    torch.manual_seed(seed)
    for head in architecture.heads:
        parent, _, attribute = head.rpartition(".")
        old = network.get_submodule(head)
        new = nn.Linear(old.in_features, n_targets)  # type: ignore[arg-type]
        setattr(network.get_submodule(parent), attribute, new)
    return network
