"""The names that stand in paths and configs, the words of the registries, and what a reader sees in their place.

Kept apart from the code behind them so that a dry run of the workflow loads no torch.
"""

CROPS = ("upper_left", "upper_right", "center", "bottom_left", "bottom_right")
"""The study's five crops."""

VIEWS = ("original", *CROPS)
"""The study's six views, which every dataset has."""

FURTHER_VIEWS = ("forehead", "otsu_foreground", "otsu_background")
"""Views that are made where a study names them."""

ALL_VIEWS = (*VIEWS, *FURTHER_VIEWS)
"""All views, in the order of every figure and table."""

NETWORKS = (
    "resnet50",
    "densenet121",
    "inception_v3",
    "vgg16",
    "shufflenet_v2",
    "lenet5",
    "alexnet",
    "pcam_cnn",
)
"""Architectures that are trained, beside those of timm."""

TIMM_PATTERN = r"timm:[A-Za-z0-9][A-Za-z0-9_.]*"
"""A regular expression that matches the names of timm's networks: `timm:` and timm's own name."""

BASELINES = ("majority", "mean_rgb", "color_histogram", "raw_pixels", "file_facts")
"""Architectures of the kind `baseline`: what is reached without a network (training/baselines.py)."""

WITHOUT_PIXELS = ("majority", "file_facts")
"""Baselines that see no pixel, hence are the same for every view; their cells stand at the view `original`."""

ENGINES = ("auto", "plain", "captured_fp32", "captured_bf16")
"""How training steps are run: eagerly, or replayed from a CUDA graph, in fp32 or in mixed bf16 and fp32; `auto`: as is
fastest on the device."""

ARCHITECTURES = (*NETWORKS, *BASELINES)
"""All architectures but timm's, in the order of every figure and table."""


ARCHITECTURE_LABELS = {
    "resnet50": "ResNet50",
    "densenet121": "DenseNet121",
    "inception_v3": "InceptionV3",
    "vgg16": "VGG16",
    "shufflenet_v2": "ShuffleNetV2",
    "lenet5": "LeNet-5",
    "alexnet": "AlexNet",
    "pcam_cnn": "PCam CNN",
    "majority": "largest class",
    "mean_rgb": "mean colour",
    "color_histogram": "colour histogram",
    "raw_pixels": "raw pixels",
    "file_facts": "file facts",
}
"""Names of architectures as a reader sees them; see label_of."""

VIEW_LABELS = {
    "original": "original",
    "upper_left": "upper left",
    "upper_right": "upper right",
    "center": "centre",
    "bottom_left": "bottom left",
    "bottom_right": "bottom right",
    "forehead": "forehead",
    "otsu_foreground": "foreground",
    "otsu_background": "background",
}
"""Names of views as a reader sees them."""


def label_of(architecture: str) -> str:
    """Name of ``architecture`` as a reader sees it."""
    return ARCHITECTURE_LABELS.get(architecture, architecture.removeprefix("timm:"))


def is_network(architecture: str) -> bool:
    """Whether ``architecture`` is trained, one of timm's included."""
    return architecture in NETWORKS or architecture.startswith("timm:")


def place_of_architecture(name: str) -> tuple[int, str]:
    """Order of architectures in every figure and table: the registry's, timm's by name between networks and baselines."""
    if name in BASELINES:
        return len(ARCHITECTURES) + BASELINES.index(name), ""
    return (NETWORKS.index(name), "") if name in NETWORKS else (len(NETWORKS), name)


FIGURES = ("accuracy", "samples", "scores", "curves", "confusion")
"""Figures of one dataset in one study."""

BASELINE_RECIPE = "baseline"
"""Recipe of every baseline; no network has it."""

PROTOCOLS = ("official", "random", "grouped", "tenfold", "leave_one_group_out")
"""How test images are set apart."""

BY_GROUP = ("grouped", "leave_one_group_out")
"""Protocols that keep groups apart."""

SPLITS = tuple(f"{protocol}{balance}" for protocol in PROTOCOLS for balance in ("", "_balanced"))
"""Split protocols, each with the training part as it is or balanced. A number behind `_balanced` is the
training images kept of each target; without one it is as many as the rarest has."""

SPLIT_PATTERN = rf"(?:{'|'.join(PROTOCOLS)})(?:_balanced(?:[1-9][0-9]*)?)?"
"""A regular expression that matches the names of splits on true targets."""

ANY_SPLIT_PATTERN = rf"{SPLIT_PATTERN}(?:_shuffle[1-9][0-9]*)?"
"""The same with the negative controls of each."""


def shuffled_split(split: str, number: int) -> str:
    """Name of the ``number``-th (1, 2, …) negative control of ``split``: its parts, its training targets shuffled."""
    return f"{split}_shuffle{number}"


def base_split(name: str) -> tuple[str, int]:
    """The protocol behind a split's name, and the number of its shuffle: 0 when the targets are the true ones."""
    split, _, number = name.partition("_shuffle")
    return split, int(number or 0)


def protocol_of(name: str) -> str:
    """Which of PROTOCOLS the split ``name`` is of."""
    return base_split(name)[0].partition("_balanced")[0]


def place_of_split(name: str) -> int:
    """Order of splits in every figure and table: true targets first, then by protocol and by balance."""
    split, shuffle = base_split(name)
    protocol, balanced, images = split.partition("_balanced")
    kept = int(images or 0) + 1 if balanced else 0
    return (shuffle * len(PROTOCOLS) + PROTOCOLS.index(protocol)) * 10**9 + kept


WITHOUT_IMAGENET = ("lenet5", "pcam_cnn")
"""Architectures for which no ImageNet checkpoint exists."""

SMALLEST_INPUT = {
    "resnet50": 32,
    "densenet121": 32,
    "inception_v3": 299,
    "vgg16": 32,
    "shufflenet_v2": 32,
    "lenet5": 16,
    "alexnet": 63,
    "pcam_cnn": 46,
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

EARLIER = (
    "covid_ct_2class",
    "covid_4class",
    "kvasir",
    "rnai_drosophila",
    "yale_a",
    "yale_b",
    "coil_20",
    "coil_100",
    "rnai_drosophila_cross_session",
    "c_elegans_age",
)
"""The datasets of the forerunner (Dhar and Shamir 2021), in its order."""

PUBLISHED_TABLES = (
    "datasets_as_printed",
    "metrics_as_printed",
    "claims",
    "counts_in_text",
    "earlier_study",
)
"""The published tables in resources/published."""
