"""The config file: studies, recipes, paths, and what is common to all of them."""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from nullcrop.basics.errors import NullcropError
from nullcrop.config.calibration import Batch, Calibration, batches
from nullcrop.config.definitions import CropSize, Definition, find_definitions, read_definition
from nullcrop.config.figure_style import FigureStyle
from nullcrop.config.figures import figures_of
from nullcrop.config.leak_map import LeakMap
from nullcrop.config.names import BASELINE_RECIPE, ENGINES, SPLIT_PATTERN, SPLITS
from nullcrop.config.places import FOUND, expanded, found
from nullcrop.config.readers import BASELINES, NETWORKS, TIMM_PATTERN, is_known_network
from nullcrop.config.recipe import BUILT_IN, BaselineRecipe, Recipe
from nullcrop.config.registry import any_of, load_extensions
from nullcrop.config.saliency import Saliency
from nullcrop.config.spectrum import Spectrum
from nullcrop.config.treatments import treatment_names, treatment_of, treatment_pattern
from nullcrop.config.views import PLACES, VIEWS, view_names, views_made_always
from nullcrop.config.yaml_files import Model, Name, PathText, explain, matching, meant, read_yaml


def _one_of(kind: str, names: Callable[[], Iterable[str]]) -> AfterValidator:
    """Checks a name of this ``kind``; ``names`` gives those there are at that moment."""

    def known(name: str) -> str:
        if name not in names():
            raise ValueError(f"unknown {kind} '{name}', {meant(name, names())}")
        return name

    return AfterValidator(known)


def _enum(names: Callable[[], Iterable[str]]) -> Any:
    return Field(json_schema_extra=lambda schema: schema.update(enum=list(names())))


def _baselines() -> list[str]:
    return list(BASELINES)


def _figures() -> list[str]:
    return figures_of("dataset")


def _views_or_cuts(schema: dict[str, Any]) -> None:
    """Views by name; of the many that are made of two the pattern and an example."""
    made = [name.partition(".") for name in view_names() if name not in VIEWS]
    firsts, seconds = (any_of(dict.fromkeys(name[place] for name in made)) for place in (0, 2))
    pattern = rf"^({firsts})\.({seconds})$"
    cuts = {"pattern": pattern, "examples": ["".join(made[0])]}
    schema.update(anyOf=[{"enum": [*VIEWS, ALL_PLACES]}, cuts])


ViewName = Annotated[str, _one_of("view", view_names), Field(json_schema_extra=_views_or_cuts)]

ALL_PLACES = "places"
"""What stands for all crops of PLACES in a study's views."""


def _with_places(names: object) -> object:
    if not isinstance(names, list) or ALL_PLACES not in names:
        return names
    found: list[object] = []
    for name in names:
        found += [one for one in (PLACES if name == ALL_PLACES else [name]) if one not in found]
    return found


ViewNames = Annotated[list[ViewName], BeforeValidator(_with_places)]
BaselineName = Annotated[str, _one_of("baseline", _baselines), _enum(_baselines)]
FigureName = Annotated[str, _one_of("figure", _figures), _enum(_figures)]


def _known_split(name: str) -> str:
    if not re.fullmatch(SPLIT_PATTERN, name):
        raise ValueError(f"unknown split '{name}', {meant(name, SPLITS)}")
    return name


def _known_network(name: str) -> str:
    if not is_known_network(name):
        raise ValueError(
            f"unknown architecture '{name}', {meant(name, NETWORKS)}; for a network of timm write "
            "`timm:` and its name there"
        )
    return name


NetworkName = Annotated[
    str,
    AfterValidator(_known_network),
    Field(json_schema_extra=lambda schema: schema.update(pattern=f"^({'|'.join(NETWORKS)}|{TIMM_PATTERN})$")),
]
Split = Annotated[
    str, AfterValidator(_known_split), Field(json_schema_extra={"pattern": f"^{SPLIT_PATTERN}$"})
]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Shuffles = Annotated[int, Field(ge=0)]

CONTROLS = {"baselines", "shuffles"}
"""Keys of a study that may be empty: it then has no such control."""


def _known_treatment(name: str) -> str:
    try:
        treatment_of(name)
    except NullcropError as error:
        words = str(error)
        if words.startswith("unknown"):
            words += f", {meant(name, treatment_names())}"
        raise ValueError(words) from None
    return name


TreatmentName = Annotated[
    str,
    AfterValidator(_known_treatment),
    Field(json_schema_extra=lambda schema: schema.update(pattern=f"^({treatment_pattern()})$")),
]


class Part(Model):
    """One cross product of a study; an empty key takes the study's own."""

    datasets: list[str] | None = None
    """Datasets by name: the file names in `definitions` without .yaml."""
    labels: list[Name] | None = None
    """Label rules; `default` is the first rule of each dataset."""
    splits: list[Split] | None = None
    """Split protocols."""
    views: ViewNames | None = None
    """Views of each image."""
    architectures: list[NetworkName] | None = None
    """Networks; `timm:NAME` is any of timm's."""
    recipes: list[Name] | None = None
    """How they are trained."""
    seeds: list[Seed] | None = None
    """Seeds; each has a split and a training run of its own. Of `crossfit` and `crossfit5` they are
    partitions, and each is expanded into its folds."""
    baselines: list[BaselineName] | None = None
    """What is reached without a network; see the study's own key."""
    shuffles: Shuffles | None = None
    """Times everything is trained again on shuffled targets; see the study's own key."""


class Study(Model):
    """A named list of cells: the cross product of its keys, or of each of its parts."""

    title: str
    """What the study asks, for figures and reports."""
    datasets: list[str] = []
    """Datasets by name: the file names in `definitions` without .yaml."""
    labels: list[Name] = ["default"]
    """Label rules; `default` is the first rule of each dataset."""
    splits: list[Split] = ["random"]
    """Split protocols."""
    views: ViewNames = views_made_always()
    """Views of each image. `places` stands for crops on a grid of 5×5 over it, corners and centre among
    them."""
    architectures: list[NetworkName] = ["resnet50", "densenet121", "inception_v3", "vgg16"]
    """Networks; `timm:NAME` is any of timm's."""
    recipes: list[Name] = ["paper"]
    """How they are trained."""
    seeds: list[Seed] = [0]
    """Seeds; each has a split and a training run of its own. Of `crossfit` and `crossfit5` they are
    partitions, and each is expanded into its folds."""
    baselines: list[BaselineName] = []
    """Baselines beside the networks show what is reached without one: the largest class always (majority),
    and logistic regressions on the mean colour, on colour histograms, on the pixels and on facts of the
    file alone. `majority` and `file_facts` see no pixel and count once, at the view `original`."""
    shuffles: Shuffles = 0
    """How many times every network and baseline is trained again on shuffled training targets and tested on
    the true ones, as a negative control. With K of them the smallest possible p is 1/(K + 1)."""
    figures: list[FigureName] = ["accuracy", "samples", "crops"]
    """Figures of each dataset that a run ends in: accuracy by view, sample images, crops to look at (the
    mean of each class, and those that the readers are surest of), panels of accuracy, precision, recall and
    F-1 (`scores`, for two targets), learning curves (`curves`), confusion matrices (`confusion`)."""
    treatments: list[TreatmentName] = []
    """What is done to whole images to take a cue away, such as `reencode_75` or `crop_border_8`
    (docs/treatments.md): every network and baseline is trained again on treated images, in the same splits
    and with the same seeds, and treatments.csv says what each treatment removed and what it cost."""
    numerics: str | None = None
    """The one arithmetic its cells must be made with, such as `cuda_fp32`; empty: any. Cells are not
    trained under another, and those that were are named by `status`."""
    parts: list[Part] = []
    """Several cross products in place of one; what a part leaves out is taken from above."""

    def cross_products(self) -> list[Part]:
        """The study as parts with every key filled in."""
        own = {key: getattr(self, key) for key in Part.model_fields}
        return [Part(**{**own, **part.model_dump(exclude_none=True)}) for part in (self.parts or [Part()])]

    @model_validator(mode="after")
    def _nothing_empty(self) -> "Study":
        for part in self.cross_products():
            empty = [key for key in Part.model_fields if key not in CONTROLS and not getattr(part, key)]
            if empty:
                raise ValueError(f"{empty[0]} is empty: name at least one")
        return self


class Checkpoint(Model):
    """Published weights of a network of timm: one file of a Hugging Face repository, at one revision."""

    repository: Annotated[str, matching(r"^[\w.-]+/[\w.-]+$", "must be owner/name, as on huggingface.co")]
    """Owner and name on huggingface.co, such as timm/resnet18.a1_in1k."""
    revision: Annotated[
        str,
        matching(
            r"^[0-9a-f]{40}$", "must be a commit: 40 hexadecimal digits in lower case, no branch or tag"
        ),
    ]
    """The commit, as the repository's page shows it; a branch is none, because it moves."""
    sha256: Annotated[str, matching(r"^[0-9a-f]{64}$", "must be 64 hexadecimal digits in lower case")]
    """SHA-256 of the file, as its page shows it."""
    file: Annotated[str, matching(r"^[\w.-]+$", "must be the name of a file, without folders")] = (
        "model.safetensors"
    )
    """The file."""


class Paths(Model):
    """Where things lie, relative to the working folder, or absolute; `~` is your home folder."""

    results: PathText = "results"
    """Everything that is made: stores, splits, cells, figures, logs."""
    resources: PathText = "resources"
    """Archives and weights as downloaded or generated."""
    store: PathText = "results/datasets"
    """The packed views of all datasets: a few large files, read at random. If it is not named it is
    `datasets` in `results`."""
    work: PathText = "results/.work"
    """Checkpoints, and copies of finished cells; unless named: `.work` in `results`."""

    @model_validator(mode="before")
    @classmethod
    def _below_results(cls, content: Any) -> Any:
        if not isinstance(content, Mapping):
            return content
        results = expanded(content.get("results", "results"))
        return {"store": f"{results}/datasets", "work": f"{results}/.work", **content}


class Thresholds(Model):
    """How surely a verdict speaks, and what it calls small."""

    level: Annotated[float, Field(ge=0.001, lt=0.5)] = 0.05
    """Chance of any false finding among all readers and views of a dataset and split."""
    small: Annotated[float, Field(gt=0.5, lt=1)] = 0.55
    """An AUROC below this is small: where every reader's is bounded below it, the verdict says `at most`."""
    equivalence: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """A baseline explains a network that adds less than this to its AUROC."""


class Config(Model):
    """Everything a run is asked to do; the machine it runs on belongs into a profile."""

    studies: Annotated[dict[Name, Study], Field(min_length=1)] = {}
    """Studies by name; `rule all` makes every one of them."""
    calibration: Calibration | None = None
    """Generated datasets on which the audit's false alarms and power are counted; a config has studies,
    this, or both."""
    datasets: list[str] | None = None
    """Narrow every study to these datasets; empty: all that the studies name."""
    extensions: list[Annotated[PathText, FOUND]] = []
    """Python files that register views, networks, baselines, figures or sources of your own
    (docs/extending.md), relative to the working folder or else to the workflow's, or absolute."""
    definitions: Annotated[list[Annotated[PathText, FOUND]], Field(validate_default=True)] = [
        "config/datasets"
    ]
    """Folders with one YAML file a dataset, relative to the working folder or else to the workflow's, or
    absolute."""
    recipes: dict[Name, Recipe] = {}
    """Recipes besides the built-in `paper` and `scratch`."""
    weights: dict[str, Checkpoint] = {}
    """Published weights of networks of timm (`timm:NAME`), needed where a recipe starts from them."""
    seeds: list[Seed] | None = None
    """Seeds that replace those of every study, usually on the command line: `seeds=[0,1,2,3,4]` repeats
    each cell five times."""
    crop: CropSize = CropSize()
    """Size of the five crops, of datasets whose definition names none."""
    originals: Literal["full", "input"] = "input"
    """How the store keeps whole images. `input`: images much larger than what the networks of the studies
    take are stored as the networks take them, at each input side that a recipe or architecture asks
    for; smaller images keep their size. `full`: all images keep their size. Results are the same."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`cuda` refuses to train without a GPU. `auto` takes a GPU where there is one; in a job that was
    granted one it refuses to train without. `cpu` takes none."""
    engine: Literal[*ENGINES] = "auto"  # type: ignore[valid-type]
    """How training steps are run. `captured_fp32` and `captured_bf16` keep the pixels on the GPU and replay
    one recorded step; without a GPU that can do so the plain loop trains. `auto`: `captured_bf16` on a
    GPU of compute capability 8.0 or above, `plain` elsewhere, and cells that any engine finished on a
    GPU are kept. Part of the numerics' name, so another engine that is named trains anew."""
    cells_per_job: Annotated[int, Field(ge=1)] | None = None
    """How many cells of one dataset and network share a job; fewer where they take hours. 1: each cell has a
    job of its own. Unless named: a few where they train for seconds, each alone where they take longer;
    results that were begun with a job for each cell go on so."""
    in_flight: Annotated[int, Field(ge=1)] = 1
    """How many cells of a shared job take turns on the GPU, a step each; their results are the same.
    Networks with dropout are trained one at a time."""
    paths: Paths = Paths()
    """Where things lie."""
    leak_map: LeakMap = LeakMap()
    """What the leak map looks at, where a study names it among its figures."""
    spectrum: Spectrum = Spectrum()
    """What the cue spectrum looks at, where a study names it among its figures."""
    saliency: Saliency = Saliency()
    """What saliency maps look at, where a study names them among its figures."""
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """Largest difference, as a share, at which a reproduced value is said to agree with the published one.
    Name it before the run."""
    verdict: Thresholds = Thresholds()
    """How surely a verdict speaks, and what it calls small."""
    figure_style: FigureStyle = FigureStyle()
    """Width, type, title and caption of all figures, as a journal asks for them."""

    @model_validator(mode="before")
    @classmethod
    def _one_dataset_is_a_list(cls, content: Any) -> Any:
        # `--config datasets=breastmnist,bloodmnist` reaches us as a string; its meaning is plain.
        if isinstance(content, Mapping) and isinstance(content.get("datasets"), str):
            return {**content, "datasets": [name.strip() for name in content["datasets"].split(",")]}
        if isinstance(content, Mapping) and content.get("datasets") == []:
            return {**content, "datasets": None}
        return content

    @model_validator(mode="after")
    def _names_are_known(self) -> "Config":
        redefined = sorted(set(self.recipes) & {*BUILT_IN, BASELINE_RECIPE})
        if redefined:
            raise ValueError(
                f"recipes.{redefined[0]} is built in and cannot be redefined: choose another name"
            )
        if not self.studies and self.calibration is None:
            raise ValueError("studies: name at least one")
        if self.calibration is not None:
            self._check_calibration(self.calibration.recipe)
        self._check_pins()
        for name, study in self.studies.items():
            for part in study.cross_products():
                for recipe in part.recipes or []:
                    if recipe not in self.all_recipes:
                        raise ValueError(
                            f"studies.{name}.recipes: unknown recipe '{recipe}', "
                            f"{meant(recipe, self.all_recipes)}"
                        )
            if "treatments" in study.figures and not study.treatments:
                raise ValueError(
                    f"studies.{name}.figures: the figure 'treatments' shows what treatments did; name some "
                    f"under `treatments:`: {', '.join(treatment_names())}"
                )
        return self

    def _check_pins(self) -> None:
        parts = [part for study in self.studies.values() for part in study.cross_products()]
        networks = {name for part in parts for name in part.architectures or [] if name not in NETWORKS}
        for name in self.weights:
            if name not in networks:
                raise ValueError(
                    f"weights: no study names a network of timm '{name}', {meant(name, sorted(networks))}"
                )

    def _check_calibration(self, recipe: str) -> None:
        if recipe not in self.all_recipes:
            raise ValueError(
                f"calibration.recipe: unknown recipe '{recipe}', {meant(recipe, self.all_recipes)}"
            )
        if self.all_recipes[recipe].weights == "imagenet":
            raise ValueError(f"calibration.recipe: '{recipe}' needs `weights: random`: LeNet-5 has no others")

    @property
    def all_recipes(self) -> dict[str, Recipe]:
        """Built-in recipes and the config's own."""
        return {**BUILT_IN, **self.recipes}

    @property
    def calibration_batches(self) -> list[Batch]:
        """The calibration as batches of work; empty where there is none."""
        if self.calibration is None:
            return []
        return batches(self.calibration, self.all_recipes[self.calibration.recipe].epochs)

    def recipe_of(self, name: str) -> Recipe | BaselineRecipe:
        """The recipe of a cell whose path says ``name``."""
        return BaselineRecipe() if name == BASELINE_RECIPE else self.all_recipes[name]

    def of_study(self, name: str) -> "Config":
        """The config without its other studies and the calibration, and without the datasets, recipes and
        weights that only those name."""
        study = self.studies[name]
        parts = study.cross_products()
        networks, recipes, datasets = (
            {value for part in parts for value in getattr(part, axis) or []}
            for axis in ("architectures", "recipes", "datasets")
        )
        own = {
            "studies": {name: study},
            "weights": {network: pin for network, pin in self.weights.items() if network in networks},
            "recipes": {recipe: how for recipe, how in self.recipes.items() if recipe in recipes},
            "calibration": None,
        }
        if self.datasets is not None:
            own["datasets"] = [dataset for dataset in self.datasets if dataset in datasets]
        return self.model_copy(update=own)


class _Extensions(pydantic.BaseModel):
    """The one key of a config that is read before the others."""

    extensions: list[Annotated[PathText, FOUND]] = []


class Project:
    """A config with the definitions it names: what every rule asks.

    Parameters: ``content``, the config as Snakemake or YAML gives it; ``where``, the file's name
    for messages. Raises NullcropError in the user's words when anything in it is wrong.
    """

    def __init__(self, content: Mapping[str, Any], where: str = "config") -> None:
        try:
            # Before the rest is checked, because it may name what they register.
            load_extensions(_Extensions.model_validate(content).extensions)
            self.config = Config.model_validate(content)
        except pydantic.ValidationError as error:
            raise NullcropError(explain(error, where, Config)) from None
        self.definition_paths = find_definitions(self.config.definitions)
        self._definitions: dict[str, Definition] = {}
        for name in self.config.datasets or []:
            self.definition_path(name)

    def definition_path(self, dataset: str) -> Path:
        """The YAML file of ``dataset``; NullcropError when there is none."""
        if dataset not in self.definition_paths:
            raise NullcropError(
                f"unknown dataset '{dataset}', {meant(dataset, self.definition_paths)}; definitions are read "
                f"from {', '.join(self.config.definitions)}"
            )
        return self.definition_paths[dataset]

    def crop(self, dataset: str) -> CropSize:
        """Size of the crops of ``dataset``: its definition's, or else the config's."""
        return self.definition(dataset).crop or self.config.crop

    def definition(self, dataset: str) -> Definition:
        """The definition of ``dataset``, read once."""
        if dataset not in self._definitions:
            self._definitions[dataset] = read_definition(self.definition_path(dataset))
        return self._definitions[dataset]


def read_project(*paths: Path | str) -> Project:
    """The project of one config file, or of several, where a later one adds to and replaces keys of the
    former."""
    content: dict[str, Any] = {}
    for path in (found(str(path)) for path in paths):
        further = read_yaml(path)
        if not isinstance(further, Mapping):
            raise NullcropError(f"{path}: the config must be a mapping of keys, with `studies` among them")
        content = _merged(content, further)
    return Project(content, ", ".join(map(str, paths)))


def _merged(content: Mapping[str, Any], further: Mapping[str, Any]) -> dict[str, Any]:
    """As Snakemake joins its `--configfile`s: mappings key by key, everything else replaced."""
    joined = dict(content)
    for key, value in further.items():
        both = isinstance(value, Mapping) and isinstance(joined.get(key), Mapping)
        joined[key] = _merged(joined[key], value) if both else value
    return joined
