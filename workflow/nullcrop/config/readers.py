"""What answers from an image: the networks, and the baselines that are no networks. A new one is one record.

docs/extending.md shows how to add one. The two share the axis `architecture` of the grid. A reader has one
colour and one mark in every figure and on the page.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from zlib import crc32

from nullcrop.basics.errors import NullcropError
from nullcrop.config.registry import Registry

MARKS = tuple("ov^<>8sp*hHDdPX")
"""Matplotlib's letters of its filled marks."""


@dataclass(frozen=True)
class Look:
    """How a reader is drawn, everywhere."""

    colour: str
    """Fill as #RRGGBB, on paper and on the page."""
    dark: str
    """The same on a dark page."""
    mark: str
    """Matplotlib's letter of a filled mark: one of MARKS."""

    def __post_init__(self) -> None:
        for colour in (self.colour, self.dark):
            if not re.fullmatch("#[0-9A-Fa-f]{6}", colour):
                raise NullcropError(f"'{colour}' is no colour: write # and six hexadecimal digits")
        if self.mark not in MARKS:
            raise NullcropError(f"'{self.mark}' is no filled mark: choose one of {' '.join(MARKS)}")


@dataclass(frozen=True)
class Network:
    """A network that is trained, with torch."""

    name: str
    label: str
    look: Look
    build: str
    """`module:function` called with num_classes, size (input side in pixels) and imagenet (whether ImageNet
    weights will be loaded); gives a torch module from float images N × 3 × size × size to logits N ×
    num_classes."""
    input_side: int
    """Its own input side in pixels."""
    smallest_input: int
    """Smallest input side in pixels from which every layer still gets a pixel."""
    heads: tuple[str, ...] = ()
    """Names of the last layers, which are replaced when ImageNet weights are loaded."""
    checkpoint: str | None = None
    """torchvision's name of its first ImageNet checkpoint, the one in use when the networks were published;
    None: there is none."""
    package: str | None = None
    """The package that brings it, whose version a cell records."""
    trained_a_second: int = 100
    """Training images a second at its own input size: a careful guess for a GPU of 2017 in fp32, for
    requests."""


Part = Literal["image", "square", "levels"]
"""What a baseline is given of an image: all of it (uint8, height × width × 3); the image resized to the side
that BaselineRecipe names (uint8, side × side × 3); or how many pixels have each level, by channel (uint32, 3
× 256).

Large originals are stored whole only where a baseline reads all of them."""


@dataclass(frozen=True)
class Baseline:
    """What is reached without a network: a logistic regression on features."""

    name: str
    label: str
    look: Look
    about: str
    """What it is fitted to, in a few words."""
    sees: Literal["nothing", "file", "pixels"]
    """`pixels`: those of a view. What sees none is the same for every view and stands once, at `original`."""
    features: str | None = None
    """`module:function` from what it sees to numbers: of `pixels` from what it ``reads`` of one image to one
    dimension of a fixed length; of `file` from samples.csv as a table to a table of numbers, a row an
    image."""
    reads: Part = "image"
    """What it is given of each image, where it sees pixels."""
    judges: bool = False
    """Whether a verdict rests on it, as on networks, at the views that judge: a leak is a leak whoever reads
    it."""
    always: bool = False
    """Whether it is fitted for every test set that has baselines, at the views that every dataset has; else
    where a study names it."""


Reader = Network | Baseline

NETWORKS: Registry[Network] = Registry("network")
"""Networks that are trained, beside those of timm, in the order of every figure and table."""

BASELINES: Registry[Baseline] = Registry("baseline", NETWORKS)
"""Baselines in the order of every figure and table, after the networks."""

# Fills of networks stay apart with any colour vision: CIEDE2000 between two of them is above 10, on paper and
# on the dark page, also as seen without one kind of cones (Machado et al. 2009). For print in grey at least
# 10 units of CIE L* lie between them on paper. None is purple or orange: these mean below and above chance on
# the page. Baselines are grey, and told apart by their marks; those that a study has to name share theirs
# with a network or with timm's.
NETWORKS.register(
    Network(
        name="resnet50",
        label="ResNet50",
        look=Look("#1A3A6E", dark="#5D8FEF", mark="o"),
        build="nullcrop.training.architectures:resnet50",
        input_side=224,
        smallest_input=32,
        heads=("fc",),
        checkpoint="ResNet50_Weights.IMAGENET1K_V1",
        package="torchvision",
        trained_a_second=200,
    )
)
NETWORKS.register(
    Network(
        name="densenet121",
        label="DenseNet121",
        look=Look("#B94A62", dark="#CE6481", mark=">"),
        build="nullcrop.training.architectures:densenet121",
        input_side=224,
        smallest_input=32,
        heads=("classifier",),
        checkpoint="DenseNet121_Weights.IMAGENET1K_V1",
        package="torchvision",
        trained_a_second=170,
    )
)
NETWORKS.register(
    Network(
        name="inception_v3",
        label="InceptionV3",
        look=Look("#7FC8F0", dark="#6DCCFB", mark="<"),
        build="nullcrop.training.architectures:inception_v3",
        input_side=299,
        smallest_input=299,  # its auxiliary head included
        heads=("fc", "AuxLogits.fc"),
        checkpoint="Inception_V3_Weights.IMAGENET1K_V1",
        package="torchvision",
        trained_a_second=130,
    )
)
NETWORKS.register(
    Network(
        name="vgg16",
        label="VGG16",
        look=Look("#F0E442", dark="#F0E442", mark="P"),
        build="nullcrop.training.architectures:vgg16",
        input_side=224,
        smallest_input=32,
        heads=("classifier.6",),
        checkpoint="VGG16_Weights.IMAGENET1K_V1",
        package="torchvision",
        trained_a_second=120,
    )
)
NETWORKS.register(
    Network(
        name="shufflenet_v2",
        label="ShuffleNetV2",
        look=Look("#66540A", dark="#807919", mark="d"),
        build="nullcrop.training.architectures:shufflenet_v2",
        input_side=224,
        smallest_input=32,
        heads=("fc",),
        checkpoint="ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1",
        package="torchvision",
        trained_a_second=800,
    )
)
NETWORKS.register(
    Network(
        name="lenet5",
        label="LeNet-5",
        look=Look("#679F42", dark="#BBF3C8", mark="p"),
        build="nullcrop.training.architectures:lenet5",
        input_side=20,
        smallest_input=16,
        trained_a_second=20_000,
    )
)
NETWORKS.register(
    Network(
        name="alexnet",
        label="AlexNet",
        look=Look("#4A042D", dark="#E2ADC0", mark="h"),
        build="nullcrop.training.architectures:alexnet",
        input_side=224,
        smallest_input=63,
        heads=("classifier.6",),
        checkpoint="AlexNet_Weights.IMAGENET1K_V1",
        package="torchvision",
    )
)
NETWORKS.register(
    Network(
        name="pcam_cnn",
        label="PCam CNN",
        look=Look("#0B0700", dark="#A7AE63", mark="*"),
        build="nullcrop.training.architectures:pcam_cnn",
        input_side=96,
        smallest_input=46,
    )
)

BASELINES.register(
    Baseline(
        name="majority",
        label="largest class",
        look=Look("#FFFFFF", dark="#14171B", mark="X"),
        about="the largest class of the training images, whatever the image",
        sees="nothing",
        always=True,
    )
)
BASELINES.register(
    Baseline(
        name="mean_rgb",
        label="mean colour",
        look=Look("#404040", dark="#F2F4F6", mark="D"),
        about="the mean of each channel",
        sees="pixels",
        features="nullcrop.training.baselines:mean_rgb",
        reads="levels",
        judges=True,
        always=True,
    )
)
BASELINES.register(
    Baseline(
        name="color_histogram",
        label="colour histogram",
        look=Look("#8C8C8C", dark="#98A1AB", mark="^"),
        about="the histograms of the three channels",
        sees="pixels",
        features="nullcrop.training.baselines:color_histogram",
        reads="levels",
        judges=True,
        always=True,
    )
)
BASELINES.register(
    Baseline(
        name="raw_pixels",
        label="raw pixels",
        look=Look("#C4C4C4", dark="#5D6770", mark="s"),
        about="the 20×20 pixels (larger views are resized)",
        sees="pixels",
        features="nullcrop.training.baselines:raw_pixels",
        reads="square",
        judges=True,
        always=True,
    )
)
BASELINES.register(
    Baseline(
        name="file_facts",
        label="file facts",
        look=Look("#404040", dark="#E3E7EB", mark="v"),
        about="what the file tells without its pixels",
        sees="file",
        features="nullcrop.training.file_facts:file_facts",
        always=True,
    )
)

# Made with a cue in mind: fitted where a study names them, and told apart from what a verdict rests on.
BASELINES.register(
    Baseline(
        name="texture",
        label="texture",
        look=Look("#8C8C8C", dark="#98A1AB", mark="8"),
        about="Haralick's and Tamura's features and local binary patterns of the gray levels",
        sees="pixels",
        features="nullcrop.training.engineered:texture",
    )
)
BASELINES.register(
    Baseline(
        name="polynomials",
        label="polynomials",
        look=Look("#C4C4C4", dark="#5D6770", mark="H"),
        about="Zernike and Chebyshev coefficients of the 20×20 gray levels (larger views are resized)",
        sees="pixels",
        features="nullcrop.training.engineered:polynomials",
        reads="square",
    )
)
BASELINES.register(
    Baseline(
        name="radial_power",
        label="radial power",
        look=Look("#404040", dark="#F2F4F6", mark="*"),
        about="the power of the gray levels in 16 rings of frequencies",
        sees="pixels",
        features="nullcrop.training.engineered:radial_power",
    )
)
BASELINES.register(
    Baseline(
        name="sharpness",
        label="sharpness",
        look=Look("#8C8C8C", dark="#98A1AB", mark="h"),
        about="blur, noise, contrast and entropy of the gray levels",
        sees="pixels",
        features="nullcrop.training.engineered:sharpness",
    )
)

AVERAGE = "average"
"""Name of the reader that averages the scores of all that judge a view, each with the same weight."""

AVERAGE_LABEL = "all readers"

AVERAGE_LOOK = Look("#FFFFFF", dark="#14171B", mark="o")

TIMM = "timm:"
"""How the name of a network of timm begins; timm's own name follows."""

TIMM_PATTERN = rf"{TIMM}[A-Za-z0-9][A-Za-z0-9_.]*"
"""A regular expression that matches the names of timm's networks."""

TIMM_LOOKS = (
    Look("#CD93A8", dark="#F098A1", mark="8"),
    Look("#A7BA8D", dark="#C6D290", mark="H"),
    Look("#257A8A", dark="#009690", mark="8"),
    Look("#3B8AE8", dark="#889BC7", mark="H"),
)
"""Looks of timm's networks, by a hash of their names: the same network has the same look in every figure."""

TIMM_INPUT_SIDE = 224
"""Input side in pixels that is taken for that of a network of timm before timm is asked."""

TIMM_TRAINED_A_SECOND = 100


def architectures() -> list[str]:
    """All readers but timm's, in the order of every figure and table."""
    return [*NETWORKS, *BASELINES]


def look_of(architecture: str) -> Look:
    """How ``architecture`` is drawn."""
    if architecture == AVERAGE:
        return AVERAGE_LOOK
    reader = _reader(architecture)
    return reader.look if reader else TIMM_LOOKS[crc32(architecture.encode()) % len(TIMM_LOOKS)]


def label_of(architecture: str) -> str:
    """Name of ``architecture`` as a reader sees it."""
    if architecture == AVERAGE:
        return AVERAGE_LABEL
    reader = _reader(architecture)
    return reader.label if reader else architecture.removeprefix(TIMM)


def is_network(architecture: str) -> bool:
    """Whether ``architecture`` is trained, one of timm's included."""
    return architecture in NETWORKS or architecture.startswith(TIMM)


def is_known_network(name: str) -> bool:
    """Whether ``name`` is that of a network, or may be that of one of timm's."""
    return name in NETWORKS or re.fullmatch(TIMM_PATTERN, name) is not None


def sees_pixels(architecture: str) -> bool:
    """Whether ``architecture`` sees the pixels of a view; what sees none counts once, at the view
    `original`."""
    return architecture not in BASELINES or BASELINES[architecture].sees == "pixels"


def reads_full_images(architecture: str) -> bool:
    """Whether ``architecture`` is a baseline that sees images at their full size."""
    baseline = BASELINES.get(architecture)
    return baseline is not None and baseline.sees == "pixels" and baseline.reads == "image"


def without_pixels() -> list[str]:
    """Baselines that see no pixel, hence are the same for every view."""
    return [name for name in BASELINES if not sees_pixels(name)]


def input_side_of(architecture: str) -> int:
    """Input side in pixels of a network, as far as it is known without torch and timm."""
    return NETWORKS[architecture].input_side if architecture in NETWORKS else TIMM_INPUT_SIDE


def trained_a_second(architecture: str) -> int:
    """Training images a second at the network's own input size, for requests."""
    return NETWORKS[architecture].trained_a_second if architecture in NETWORKS else TIMM_TRAINED_A_SECOND


def place_of_architecture(name: str) -> tuple[int, str]:
    """Order of readers in every figure and table: the registries', timm's by name between networks and
    baselines, the average last."""
    if name == AVERAGE:
        return len(NETWORKS) + 1 + len(BASELINES), ""
    if name in BASELINES:
        return len(NETWORKS) + 1 + list(BASELINES).index(name), ""
    return (list(NETWORKS).index(name), "") if name in NETWORKS else (len(NETWORKS), name)


def in_order(names: Iterable[str]) -> list[str]:
    """``names`` of readers without repetitions, in the order of every figure and table."""
    return sorted(set(names), key=place_of_architecture)


def _reader(name: str) -> Reader | None:
    return NETWORKS.get(name) or BASELINES.get(name)
