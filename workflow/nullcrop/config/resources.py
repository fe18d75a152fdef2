"""Generic resources of each rule: a machine-independent guess that grows with the attempt.

Profiles override them by rule name; no partition, account or site stands here.
"""

from nullcrop.config.definitions import Definition
from nullcrop.config.recipe import Recipe

IMAGES_A_SECOND = {"lenet5": 20_000, "shufflenet_v2": 2_000, "resnet50": 600, "densenet121": 400}
"""Training images a second on a modest GPU at batch 32; what is not named: 250."""

START_MINUTES = 10


def training_minutes(architecture: str, recipe: Recipe, definition: Definition, attempt: int) -> int:
    """Run time to ask for, in minutes: four times the estimate, doubled by each attempt."""
    images = definition.expected.images or 10_000
    seconds = images * recipe.epochs / IMAGES_A_SECOND.get(architecture, 250)
    return int((START_MINUTES + 4 * seconds / 60) * 2 ** (attempt - 1))


def training_memory_mb(architecture: str, attempt: int) -> int:
    """Host memory to ask for, in MB: torch and CUDA's libraries, and the cache of resized images."""
    base = 4_000 if architecture == "lenet5" else 8_000
    return base * attempt


def training_gpus(device: str) -> int:
    """GPUs to ask for: none when the config says `cpu`."""
    return 0 if device == "cpu" else 1
