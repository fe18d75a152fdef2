"""A network. torch is imported where it is built, so that planning a run does not wait for it."""

from nullcrop.config.readers import NETWORKS, Look, Network

NETWORKS.register(
    Network(
        name="small_cnn",
        label="small CNN",
        look=Look("#7A4900", dark="#E0B060", mark="H"),
        build=f"{__name__}:build",
        input_side=20,
        smallest_input=5,
        trained_a_second=20_000,
    )
)


def build(num_classes, size, imagenet):
    from torch import nn

    side = (size - 2) // 2
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * side * side, num_classes)
    )
