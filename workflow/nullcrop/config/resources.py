"""Time and memory that rules ask for: a machine-independent estimate that grows with the attempt.

Profiles override it by rule name; no partition, account or site stands here.
"""

import math
from collections.abc import Callable, Iterable

from nullcrop.config.cell import Cell
from nullcrop.config.definitions import Definition
from nullcrop.config.readers import input_side_of, trained_a_second
from nullcrop.config.recipe import Recipe
from nullcrop.config.views import view_of

SLOWER_ON_A_CPU = 40

THREADS_OF_LARGE_NETWORKS = 4

SMALL_STEPS = 400
"""Images a second, at the input size, above which a network's steps are short: between ShuffleNetV2 and
ResNet50 at 224 pixels."""

FASTER_IN_BFLOAT16 = 2
"""`captured_bf16` over the rates of the registry. On an H200 16 to 29 were measured (docs/performance.md),
but the smallest GPUs with bfloat16 have a sixteenth of its memory's rate, and a request has to hold on
those."""

START_SECONDS = 600
"""Start of the job, the first read of a cold file system, prediction."""

MARGIN = 3
"""Requested over estimated time: a limit that is met costs a whole attempt, one that is not costs nothing."""

LONGEST_BATCH_SECONDS = 4 * 3600
"""Estimated time of cells that share a job: with the margin half a day, which most partitions allow."""

SHORT_SECONDS = 60
"""Estimated time on a CPU up to which cells share a job where nobody says how many. The estimate has to hold
anywhere; LeNet-5 took an eighth of it and less, no longer than starting Python and torch."""

SHORT_CELLS_A_JOB = 3
"""How many then do: with them most is gained, and the six views of a seed keep two cores at work."""

USUAL_IMAGES = 10_000
"""Images of a dataset whose definition expects no number."""

FITTED_A_SECOND = 80
"""Images a second that all baselines of six views are fitted to on one core: a careful guess."""

FITTING_LIBRARIES_MB = 2_000
"""Host memory of Python, scikit-learn and one view's histograms."""

FEATURE_BYTES = 20 * 20 * 3 * (1 + 8 + 8)
"""An image's raw pixels: as bytes, standardised, and a copy while they are fitted."""

LIBRARIES_MB = 6_000
"""Host memory of Python, torch and CUDA's libraries, one network and its optimiser."""

CACHE_MB = 2_048
"""Largest cache of resized images (training/data.py)."""


def growing(amount: int) -> Callable[[object, int], int]:
    """A request that grows with the attempt, as Snakemake takes it: of wildcards and attempt."""
    return lambda wildcards, attempt: amount * attempt


def training_seconds(
    cell: Cell, recipe: Recipe, definition: Definition, device: str, engine: str = "plain"
) -> float:
    """Estimated time to train ``cell``, in seconds; with `auto` it is not known which engine the job's GPU
    will run."""
    images = (definition.expected.images or USUAL_IMAGES) * recipe.epochs
    own_side = input_side_of(cell.architecture)
    area = ((recipe.input_size or own_side) / own_side) ** 2
    network = area / trained_a_second(cell.architecture) * (SLOWER_ON_A_CPU if device == "cpu" else 1)
    if engine == "captured_bf16" and device != "cpu":
        network /= FASTER_IN_BFLOAT16
    return images * (network + 1 / view_of(cell.view).resized_a_second)


def training_threads(architecture: str, recipe: Recipe) -> int:
    """CPU threads for a cell: one where steps are short, because threads then wait for one another (the more
    the busier the machine: benchmarks/threads.py), and cells side by side use the cores as well.

    A large network gets several: few of its cells fit into memory side by side.
    """
    own_side = input_side_of(architecture)
    area = ((recipe.input_size or own_side) / own_side) ** 2
    return 1 if trained_a_second(architecture) / area > SMALL_STEPS else THREADS_OF_LARGE_NETWORKS


def is_short(architecture: str, recipe: Recipe, definition: Definition) -> bool:
    """Whether a cell of these trains no longer on a CPU than it takes to start its process."""
    if training_threads(architecture, recipe) > 1:
        return False
    own_side = input_side_of(architecture)
    area = ((recipe.input_size or own_side) / own_side) ** 2
    images = (definition.expected.images or USUAL_IMAGES) * recipe.epochs
    return images * area * SLOWER_ON_A_CPU / trained_a_second(architecture) <= SHORT_SECONDS


def minutes(seconds: Iterable[float], attempt: int) -> int:
    """Run time to ask for, in minutes, for work of so many seconds, times the attempt.

    A job that meets its limit goes on at its last checkpoint, so little more is needed; a
    request above a partition's longest time is refused.
    """
    return math.ceil((START_SECONDS + MARGIN * sum(seconds)) / 60) * attempt


def training_memory_mb(
    architecture: str, recipe: Recipe, definition: Definition, attempt: int, in_flight: int = 1
) -> int:
    """Host memory to ask for, in MB: the libraries and each cell's cache of resized images, times the
    attempt."""
    side = recipe.input_size or input_side_of(architecture)
    cache = (definition.expected.images or USUAL_IMAGES) * side**2 * 3 / 2**20
    return int(LIBRARIES_MB + min(cache, CACHE_MB) * in_flight) * attempt


def baselines_minutes(definition: Definition, attempt: int) -> int:
    """Run time to ask for to fit all baselines of a test set, in minutes, times the attempt."""
    images = definition.expected.images or USUAL_IMAGES
    return minutes([images / FITTED_A_SECOND], attempt)


def baselines_memory_mb(definition: Definition, attempt: int) -> int:
    """Host memory to ask for to fit baselines, in MB: raw pixels as bytes and standardised, times the
    attempt."""
    images = definition.expected.images or USUAL_IMAGES
    return int(FITTING_LIBRARIES_MB + images * FEATURE_BYTES / 2**20) * attempt


def training_gpus(device: str) -> int:
    """GPUs to ask for: none when the config says `cpu`."""
    return 0 if device == "cpu" else 1
