"""The names that stand in paths and configs: the words of the registries.

Kept apart from the code behind them so that a dry run of the workflow loads no torch.
"""

CROPS = ("upper_left", "upper_right", "center", "bottom_left", "bottom_right")
"""The study's five crops."""

VIEWS = ("original", *CROPS)
"""All views, in the order of every figure and table."""

ARCHITECTURES = ("resnet50", "densenet121", "inception_v3", "vgg16", "shufflenet_v2", "lenet5")
"""All architectures, in the order of every figure and table."""

SPLITS = tuple(
    f"{protocol}{balance}" for protocol in ("official", "random", "grouped") for balance in ("", "_balanced")
)
"""Split protocols, each with the training part as it is or balanced."""

WITHOUT_IMAGENET = ("lenet5",)
"""Architectures for which no ImageNet checkpoint exists."""

SMALLEST_INPUT = {
    "resnet50": 32,
    "densenet121": 32,
    "inception_v3": 299,
    "vgg16": 32,
    "shufflenet_v2": 32,
    "lenet5": 16,
}
"""Smallest input side in pixels from which every layer still gets a pixel, InceptionV3's auxiliary head included."""

PUBLISHED = (
    "pathmnist",
    "dermamnist",
    "breastmnist",
    "nodulemnist3d",
    "breakhis_40x",
    "breakhis_100x",
    "breakhis_200x",
    "breakhis_400x",
    "isic_2016",
    "isic_2017",
    "isic_2018",
    "isic_2019",
    "idc",
)
"""The datasets of the published study, in its order."""

PUBLISHED_TABLES = (
    "datasets_as_printed",
    "metrics_as_printed",
    "claims",
    "counts_in_text",
    "earlier_study",
)
"""The published tables in resources/published."""
