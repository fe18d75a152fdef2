"""How the networks are built. Their records: config/readers.py; those of timm need none.

torchvision is imported where one of its networks is built: with it comes torch's compiler, and a process that
trains another network would wait two seconds for both.
"""

from importlib.metadata import version

import torch
from torch import Tensor, nn

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import sha256_of
from nullcrop.config.readers import NETWORKS, TIMM
from nullcrop.config.registry import implementation
from nullcrop.training.timm_networks import build_timm, timm_config


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


class PcamCNN(nn.Module):
    """Four convolutions with ReLU and max pooling, then two fully connected layers with dropout.

    Of the model card of histoplastic-cancer-CNN-classifier (Maiuri 2025), which prints neither widths nor
    kernels: here 3×3 without padding, 8, 16, 32 and 64 maps, and 100 units.
    """

    def __init__(self, num_classes: int, size: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        maps, side = 3, size
        for wider in (8, 16, 32, 64):
            blocks += [nn.Conv2d(maps, wider, 3), nn.ReLU(), nn.MaxPool2d(2)]
            maps, side = wider, (side - 2) // 2
        self.features = nn.Sequential(*blocks)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(maps * side * side, 100),
            nn.ReLU(),
            nn.Dropout(0.25),
            nn.Linear(100, num_classes),
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
        # Made whatever the rest is made on: no checkpoint holds it.
        weights = torch.zeros(out, side, device="cpu")
        for row in range(out):
            start, end = row * side // out, -(-(row + 1) * side // out)
            weights[row, start:end] = 1 / (end - start)
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        return self.weights @ maps @ self.weights.T


def lenet5(num_classes: int, size: int, imagenet: bool) -> nn.Module:
    """LeNet-5."""
    return LeNet5(num_classes, size)


def pcam_cnn(num_classes: int, size: int, imagenet: bool) -> nn.Module:
    """The small network for PatchCamelyon."""
    return PcamCNN(num_classes, size)


def resnet50(num_classes: int, size: int, imagenet: bool) -> nn.Module:
    """torchvision's ResNet50, for any size."""
    return _torchvision("resnet50", num_classes)


def densenet121(num_classes: int, size: int, imagenet: bool) -> nn.Module:
    """torchvision's DenseNet121, for any size."""
    return _torchvision("densenet121", num_classes)


def shufflenet_v2(num_classes: int, size: int, imagenet: bool) -> nn.Module:
    """torchvision's ShuffleNetV2 of half width, for any size."""
    return _torchvision("shufflenet_v2_x0_5", num_classes)


def _torchvision(builder: str, num_classes: int) -> nn.Module:
    from torchvision import models

    network: nn.Module = getattr(models, builder)(num_classes=num_classes)
    return network


def vgg16(num_classes: int, size: int, imagenet: bool) -> nn.Module:
    """torchvision's VGG16; its pooling fits the size."""
    from torchvision import models

    network: nn.Module = models.vgg16(num_classes=num_classes)
    side = size // 32
    # At 224 pixels the maps already measure 7×7 and the pooling is the identity.
    network.avgpool = nn.Identity() if side == 7 else FixedAdaptivePool(side, 7)
    return network


def alexnet(num_classes: int, size: int, imagenet: bool) -> nn.Module:
    """torchvision's AlexNet; its pooling fits the size."""
    from torchvision import models

    network: nn.Module = models.alexnet(num_classes=num_classes)
    # Side of the maps: the first convolution, then three poolings of 3 by steps of 2.
    side = (size - 7) // 4 + 1
    for _ in range(3):
        side = (side - 3) // 2 + 1
    network.avgpool = nn.Identity() if side == 6 else FixedAdaptivePool(side, 6)
    return network


def inception_v3(num_classes: int, size: int, imagenet: bool) -> nn.Module:
    """torchvision's InceptionV3 with its auxiliary head."""
    from torchvision import models

    # The published checkpoint was trained on inputs scaled to [-1, 1]; `transform_input` turns
    # ImageNet normalisation into that scale, as torchvision does when it loads the weights itself.
    network: nn.Module = models.inception_v3(
        num_classes=num_classes, transform_input=imagenet, init_weights=not imagenet
    )
    return network


IMAGENET_CLASSES = 1000

Triple = tuple[float, ...]
"""A value for each of the three channels."""

IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_STD: Triple = (0.229, 0.224, 0.225)


def network_versions(name: str) -> dict[str, str]:
    """Version of the package from which the network comes, by the package's name; none of the project's own.

    Of a network that an extension registers also the extension's file, with the beginning of its SHA-256.
    """
    if name not in NETWORKS:
        return {"timm": version("timm")}
    package, file = NETWORKS[name].package, NETWORKS.origin(name)
    return ({package: version(package)} if package else {}) | (
        {file.name: sha256_of(file)[:12]} if file else {}
    )


def input_size(name: str, wanted: int | None) -> int:
    """Input side in pixels: the recipe's ``wanted``, or the architecture's own."""
    if wanted:
        return wanted
    if name in NETWORKS:
        return NETWORKS[name].input_side
    return int(timm_config(name.removeprefix(TIMM)).input_size[-1])


def normalisation(name: str) -> tuple[Triple, Triple]:
    """Mean and standard deviation by which each channel (0 … 1) is normalised: ImageNet's, or what timm
    says."""
    if name in NETWORKS:
        return IMAGENET_MEAN, IMAGENET_STD
    config = timm_config(name.removeprefix(TIMM))
    return config.mean, config.std


def build(
    name: str, n_targets: int, size: int, seed: int, state: dict[str, Tensor] | None = None
) -> nn.Module:
    """The network ``name`` with ``n_targets`` logits, for inputs of ``size`` pixels.

    ``seed`` decides every random weight. With ``state`` (an ImageNet state dict) the weights are
    loaded and each head is replaced by a new layer with ``n_targets`` outputs. Raises NullcropError when timm
    has no such network.
    """
    if name not in NETWORKS:
        return build_timm(name.removeprefix(TIMM), n_targets, size, seed, state)
    record = NETWORKS[name]
    made = implementation(record.build)
    network: nn.Module
    torch.manual_seed(seed)
    if state is None:
        network = made(num_classes=n_targets, size=size, imagenet=False)
        return network
    # Without weights of its own: drawing VGG16's takes longer than reading the checkpoint that would replace
    # them.
    with torch.device("meta"):
        network = made(num_classes=IMAGENET_CLASSES, size=size, imagenet=True)
    network.load_state_dict({name: values.clone() for name, values in state.items()}, assign=True)
    # Seeded again, so that the new heads do not depend on what building the rest has drawn.
    torch.manual_seed(seed)
    for head in record.heads:
        parent, _, attribute = head.rpartition(".")
        old = network.get_submodule(head)
        new = nn.Linear(old.in_features, n_targets)  # type: ignore[arg-type]
        setattr(network.get_submodule(parent), attribute, new)
    return network


def set_dropout(network: nn.Module, rate: float, name: str) -> None:
    """Set the rate of every dropout layer; NullcropError when the network, called ``name``, has none."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Dropout)]
    if not layers:
        raise NullcropError(f"{name} has no dropout layer: leave `dropout` out of the recipe")
    for layer in layers:
        layer.p = rate


def freeze_encoder(network: nn.Module, name: str) -> None:
    """Let the last layer alone be trained; NullcropError when the network, called ``name``, is no encoder
    with a head."""
    if name in NETWORKS:
        heads = [network.get_submodule(head) for head in NETWORKS[name].heads]
    else:
        heads = [network.get_classifier()]  # type: ignore[operator]
    trained = [parameter for head in heads for parameter in head.parameters()]
    if not trained:
        raise NullcropError(f"{name} has no head to be trained alone: leave `train: head` out of the recipe")
    network.requires_grad_(False)
    for parameter in trained:
        parameter.requires_grad_(True)
