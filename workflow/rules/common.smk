# Shared by all rules: the config as models, the command line, and patterns for wildcards.

import atexit
import json
import os
import re
import shlex
import sys
from dataclasses import asdict
from pathlib import Path

# The folder `workflow`, also where another Snakefile takes this one in as a module.
WORKFLOW = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent
sys.path.insert(0, str(WORKFLOW))

from nullcrop.config import resources
from nullcrop.config.calibration import time_words
from nullcrop.config.cell import CELL_COLUMNS, CELL_FILES, Cell, baseline_cells, fold_cells
from nullcrop.config.figures import FIGURE_FORMATS, FIGURES, tables_of_figure
from nullcrop.config.grid import Grid, split_path
from nullcrop.config.models import Project
from nullcrop.config.names import ANY_SPLIT_PATTERN, PUBLISHED, PUBLISHED_TABLES
from nullcrop.config.places import found
from nullcrop.config.readers import BASELINES, NETWORKS, is_network
from nullcrop.config.recipe import BaselineRecipe
from nullcrop.config.registry import EXTENSIONS, any_of, implementation, in_environment
from nullcrop.config.sources import SOURCES
from nullcrop.config.views import VIEWS, view_of, view_pattern, views_made_always
from nullcrop.basics.errors import NullcropError
from nullcrop.training.finished import damage
from nullcrop.images.packing import packed_sides
from snakemake.persistence import PersistenceBase

# One that a command line or another Snakefile has read stands in place of the study as published.
if not workflow.configfiles:

    configfile: found("config/config.yaml")


AS_MODULE = not workflow.modifier.is_main_snakefile()
CONFIG_NAMES = ", ".join(map(str, workflow.configfiles))
try:
    PROJECT = Project(config, f"`config:` of the module ({CONFIG_NAMES})" if AS_MODULE else CONFIG_NAMES)
    GRID = Grid(PROJECT)
    # Snakemake tells targets only after this file is read; by then a misspelt one is no more
    # than "nothing produces it".
    for argument in [] if AS_MODULE else sys.argv[1:]:
        GRID.check_target(argument)
except NullcropError as error:
    sys.exit(f"nullcrop: error: {error}")

CONFIG = PROJECT.config
RESULTS = CONFIG.paths.results
RESOURCES = CONFIG.paths.resources
STORE = CONFIG.paths.store
WORK = CONFIG.paths.work
ENVIRONMENT = "../../envs/nullcrop.yaml"
# One param of the rules; it names captured engines alone and else reads as it did before there was a choice, so that
# nothing is trained again.
NUMERICS = f"{CONFIG.device} --engine {CONFIG.engine}" if "captured" in CONFIG.engine else CONFIG.device
# Read before any job deletes what it will write again, so that a job on a node is told what was planned.
PACKED_SIDES = {dataset: packed_sides(GRID, dataset) for dataset in GRID.values("dataset")}
# These tables are committed; they do not move with the config's `resources`.
PUBLISHED_FILES = [found(f"resources/published/{name}.csv") for name in PUBLISHED_TABLES]
BATCHES = {batch.name: batch for batch in CONFIG.calibration_batches}
CELL = "{dataset}/{labels}/{split}/{view}/{architecture}/{recipe}/seed{seed}"
# Folders from a cell's file up to where all cells lie: one a coordinate, and that one.
ABOVE_A_CELLS_FILE = len(CELL_COLUMNS) + 1
BATCH = "{dataset}/{labels}/{split}/{architecture}/{recipe}/batch{number}"


# For those who run with `--sdm apptainer`; docs/cluster.md says how to build it.
container: str(WORKFLOW.parent / "envs" / "nullcrop.sif")


# Snakemake takes a file that is there for done, unless it knows that a job was killed while it wrote it. To these
# "incomplete" files are added finished cells that a crash left empty or cut short, so that --rerun-incomplete, which
# profiles/default sets, makes them again.
def with_damaged_cells(incomplete):
    async def found(persistence, job):
        files = await incomplete(persistence, job)
        for path in job.output:
            if Path(path).name == "cell.json" and (words := damage(Path(path).parent)):
                print(f"nullcrop: {words}", file=sys.stderr)
                files.append(path)
        return files

    return found


PersistenceBase.incomplete = with_damaged_cells(PersistenceBase.incomplete)


# The package is found by path. With --sdm conda `python` is the environment's; without, the one
# that runs Snakemake, whether or not its environment is activated.
shell.prefix(
    f"export PYTHONPATH={shlex.quote(str(WORKFLOW))}; "
    + (f"export {EXTENSIONS}={shlex.quote(in_environment(CONFIG.extensions))}; " if CONFIG.extensions else "")
    + (
        ""
        if workflow.deployment_settings.deployment_method
        else f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"; '
    )
)


# One pattern a wildcard, from the config: a typo in a target is an error, not a surprise.
wildcard_constraints:
    dataset=any_of(GRID.values("dataset")),
    labels=any_of(GRID.values("labels")),
    split=ANY_SPLIT_PATTERN,
    view=view_pattern(),
    architecture=any_of([*NETWORKS, *(name for name in GRID.values("architecture") if is_network(name))]),
    recipe=any_of(CONFIG.all_recipes),
    seed="[0-9]+",
    number="[0-9]+",
    study=any_of(GRID.studies),
    batch=any_of(BATCHES),


# What rules ask of the config: input functions, params and resources.


def whose_source_is(way):
    """Pattern of the datasets whose images are `local`, `fetched` or `generated`."""
    return any_of(name for name in GRID.values("dataset") if source_record(name).way == way)


def source_record(dataset):
    return SOURCES[PROJECT.definition(dataset).source.kind]


def definition_of(wildcards):
    return PROJECT.definition_path(wildcards.dataset)


def source_of(wildcards):
    """A param, so that an edited definition remakes what depends on it and a touched file does not.

    Without what stands at its default: a key that a later version adds changes nothing by itself.
    """
    return PROJECT.definition(wildcards.dataset).source.model_dump_json(exclude_defaults=True)


def listing_of(wildcards):
    keys = {
        *("source", "classes", "labels", "group", "groups", "expected", "on_mismatch", "unreadable"),
        "smallest_side",
    }
    return PROJECT.definition(wildcards.dataset).model_dump_json(include=keys, exclude_defaults=True)


def fetched_from(wildcards):
    """The user's own folder, where one stands in for the download; a missing one is named by the step."""
    folder = getattr(PROJECT.definition(wildcards.dataset).source, "data_dir", None)
    return [folder] if folder is not None and Path(folder).is_dir() else []


def listed_from(wildcards):
    """What tells that a dataset's files changed: its archive, or the user's own table or folders."""
    definition = PROJECT.definition(wildcards.dataset)
    # A missing table is for list-samples to name; here it would stop every other dataset.
    groups = [path for path in [definition.groups] if path and Path(path).is_file()]
    if source_record(wildcards.dataset).way != "local":
        return [f"{RESOURCES}/archives/{wildcards.dataset}/archive.json", *groups]
    return groups + definition.source.watched(definition.classes)


def targets_of(wildcards):
    return json.dumps(PROJECT.definition(wildcards.dataset).targets(wildcards.labels))


def duplicates_of(wildcards):
    """The duplicates that a split keeps together, where the definition says so."""
    if PROJECT.definition(wildcards.dataset).duplicates == "group":
        return [f"{RESULTS}/datasets/{wildcards.dataset}/duplicates.csv"]
    return []


def cell_of(wildcards):
    return Cell(**{**dict(wildcards), "seed": int(wildcards.seed)})


def cell_inputs(wildcards):
    # Pixels count by the checksum in the small file beside them, weights by the hash in their
    # name; the time stamps of these large files say nothing.
    inputs = GRID.cell_inputs(cell_of(wildcards))
    return {role: ancient(path) if role in ("pixels", "weights") else path for role, path in inputs.items()}


def recipe_of(wildcards):
    return CONFIG.all_recipes[wildcards.recipe].to_json()


def batch_of(wildcards):
    return f"{WORK}/batches/{GRID.batch_path(cell_of(wildcards))}.json"


def cells_of_batch(wildcards):
    return GRID.batches[BATCH.format(**dict(wildcards))]


def batch_inputs(wildcards):
    of_cells = [GRID.cell_inputs(cell) for cell in cells_of_batch(wildcards)]
    inputs = {role: [inputs[role] for inputs in of_cells] for role in ("view", "split")}
    inputs["pixels"] = ancient([inputs["pixels"] for inputs in of_cells])
    if "weights" in of_cells[0]:
        inputs["weights"] = ancient(of_cells[0]["weights"])
    return inputs


def demand_of(cells):
    """The flag for the arithmetic that a study demands of these cells."""
    demanded = {GRID.demanded_numerics(cell) for cell in cells} - {None}
    return ["--numerics", *demanded] if demanded else []


def plain_of(wildcards, input):
    """The flag of the plain engine, which `auto` takes as well. Takes `input`, so that the choice trains nothing again."""
    return ["--engine", "plain"] if CONFIG.engine == "plain" else []


def granted_of(wildcards, input, resources):
    """The flag for the GPUs that were counted for a job: by `--resources gpu=N`, or by the executor that sent it to its node.

    A job may ask for one where nobody counts, as on a laptop. Takes `input`, so that it trains nothing again.
    """
    counted = workflow.remote_exec or "gpu" in workflow.global_resources
    return ["--granted-gpus", resources.gpu] if counted and resources.gpu else []


def seconds_of(cell):
    recipe, definition = CONFIG.all_recipes[cell.recipe], PROJECT.definition(cell.dataset)
    return resources.training_seconds(cell, recipe, definition, CONFIG.device, CONFIG.engine)


def memory_of(wildcards, attempt):
    recipe, definition = CONFIG.all_recipes[wildcards.recipe], PROJECT.definition(wildcards.dataset)
    in_flight = min(CONFIG.in_flight, CONFIG.cells_per_job)
    return resources.training_memory_mb(wildcards.architecture, recipe, definition, attempt, in_flight)


def cells_of(wildcards):
    return [
        f"{RESULTS}/cells/{cell.path}/{name}"
        for cell in GRID.cells(wildcards.study, wildcards.dataset)
        for name in CELL_FILES
    ]


def checked(axis, wildcards):
    """Values on an axis of the cells whose factor c is checked."""
    cells = GRID.checked_cells(wildcards.study, wildcards.dataset)
    return list(dict.fromkeys(getattr(cell, axis) for cell in cells))


def checked_splits(wildcards):
    return sorted(
        {split_path(RESULTS, cell) for cell in GRID.checked_cells(wildcards.study, wildcards.dataset)}
    )


def inflation_of_dataset(wildcards):
    """The check of the factor c, where there is something to check."""
    if not GRID.checked_cells(wildcards.study, wildcards.dataset):
        return {}
    return {"inflation": f"{RESULTS}/studies/{wildcards.study}/{wildcards.dataset}/inflation.csv"}


def folded_cells_of(wildcards):
    """A study's cells of one dataset in a line that no number of them makes too long for a command."""
    return fold_cells(GRID.cells(wildcards.study, wildcards.dataset))


def results_folder(wildcards):
    """Where `folded_cells_of` begin; a function, because the lint takes a plain path for an output written by hand."""
    return RESULTS


def field_of(wildcards):
    return PROJECT.definition(wildcards.dataset).field


def crop_of(wildcards):
    size = PROJECT.crop(wildcards.dataset)
    return f"{size.width}x{size.height}"


def cutting_of(wildcards):
    """Crop size and, of a view that asks for masks, where these are; one param, which else reads as it always did."""
    masks = PROJECT.definition(wildcards.dataset).masks
    if masks is None or not view_of(wildcards.view).masked:
        return crop_of(wildcards)
    return [crop_of(wildcards), "--masks", masks.model_dump_json(exclude_defaults=True)]


def mask_folders(wildcards):
    """The user's own folders whose change means other masks, of a view that asks for them."""
    masks = PROJECT.definition(wildcards.dataset).masks
    if masks is None or not view_of(wildcards.view).masked:
        return []
    # What came with the archive is made with it, and seldom there when the run is planned.
    if Path(masks.path).resolve().is_relative_to(Path(RESOURCES, "archives").resolve()):
        return []
    return [folder for folder, _, _ in os.walk(masks.path)]


def packing_of(wildcards):
    """Crop size and, unless originals are stored at full size, their sides; one param, which then reads as it always did."""
    sides = PACKED_SIDES[wildcards.dataset]
    return crop_of(wildcards) if sides is None else " ".join([crop_of(wildcards), "--sides", *sides])


def words_of(wildcards):
    """What verdicts say about a dataset; a param, so that other words make them again."""
    definition = PROJECT.definition(wildcards.dataset)
    return [definition.title, definition.field, definition.group_word]


def figure_folder(figure):
    """The folder of a dataset's or a study's figures and tables, with its wildcards."""
    return f"{RESULTS}/studies/{figure_axes(figure)}"


def figure_axes(figure):
    """What there is one such figure of, as a path of wildcards."""
    return "{study}/{dataset}" if figure.of == "dataset" else "{study}"


def figure_inputs(figure):
    """What ``figure`` is drawn from, by role, as its record says."""
    folder, views = f"{STORE}/{{dataset}}/views", views_made_always()
    inputs = {"tables": [f"{figure_folder(figure)}/{name}.csv" for name in tables_of_figure(figure)]}
    if "cells" in figure.reads:
        inputs["cells"] = cells_of
    if "samples" in figure.reads:
        inputs["samples"] = f"{RESULTS}/datasets/{{dataset}}/samples.csv"
    if "views" in figure.reads:
        inputs["views"] = [f"{folder}/{view}.json" for view in views]
        inputs["pixels"] = ancient([f"{folder}/{view}.npy" for view in views])
    return inputs


def figure_flags(figure):
    """Function of wildcards: the flags that tell a figure's command where its inputs are, and what to call things."""

    def flags(wildcards):
        if figure.of == "study":
            return ["--title", CONFIG.studies[wildcards.study].title]
        found = ["--definition", str(definition_of(wildcards))]
        if "cells" in figure.reads:
            found += ["--cells", folded_cells_of(wildcards), "--results", RESULTS]
        if "samples" in figure.reads or "views" in figure.reads:
            found += ["--labels", shown_rule(wildcards), "--crop", crop_of(wildcards)]
        if "samples" in figure.reads:
            found += ["--samples", f"{RESULTS}/datasets/{wildcards.dataset}/samples.csv"]
        if "views" in figure.reads:
            found += ["--views-folder", f"{STORE}/{wildcards.dataset}/views"]
        return found

    return flags


def figure_words(figure):
    """Function of wildcards: what a figure says of a dataset; a param, so that other words draw it again."""

    def words(wildcards):
        if figure.of == "study":
            return []
        keys = {"title", "field", "group", "classes", "labels", "duplicates"}
        return PROJECT.definition(wildcards.dataset).model_dump_json(include=keys)

    return words


def figure_files(name, folder, caption):
    """A figure's files; its PNG stands in Snakemake's own report (`--report`), with the file ``caption`` beneath it."""
    labels = {"study": "{study}", "dataset": "{dataset}"}
    shown = report(
        f"{folder}/{name}.png",
        caption=f"../report/{caption}.rst",
        category=name.capitalize(),
        labels={axis: value for axis, value in labels.items() if value in folder},
    )
    return [shown if suffix == "png" else f"{folder}/{name}.{suffix}" for suffix in FIGURE_FORMATS]


def shown_table(path, caption, **labels):
    """A table that stands in Snakemake's own report (`--report`)."""
    return report(path, caption=f"../report/{caption}.rst", category="Tables", labels=labels)


def tables_of(name):
    """Input function: that table of each dataset of a study."""
    return lambda wildcards: [
        f"{RESULTS}/studies/{wildcards.study}/{dataset}/{name}.csv"
        for dataset in GRID.datasets(wildcards.study)
    ]


def definitions_of(names):
    """What the report says of its datasets; a param, so that other words write it again."""
    return [PROJECT.definition(name).model_dump_json(exclude_defaults=True) for name in names]


def counts_of_published(wildcards):
    """A param, so that other counts or label rules compare again."""
    return [
        PROJECT.definition(name).model_dump_json(include={"title", "classes", "labels", "expected"})
        for name in PUBLISHED
        if name in PROJECT.definition_paths
    ]


def shown_rule(wildcards):
    return GRID.cells(wildcards.study, wildcards.dataset)[0].labels


def tell_what_could_be_seen():
    """Print one line a dataset before it costs an hour: the effect that its verdict could find."""
    from nullcrop.status.foresight import foreseen_lines

    print(*(f"nullcrop: {line}" for line in foreseen_lines(GRID)), sep="\n", file=sys.stderr)


def tell_how_long_the_calibration_takes():
    """Print one line before it costs hours, of what is not done yet."""
    if not BATCHES or workflow.dag is None:
        return
    planned = [
        BATCHES[job.wildcards.batch]
        for job in workflow.dag.needrun_jobs()
        if job.rule.name.endswith("audit_phantoms")
    ]
    side_by_side = workflow.resource_settings.cores or workflow.resource_settings.nodes or 1
    if planned:
        print(f"nullcrop: {time_words(planned, side_by_side)}", file=sys.stderr)


# A dry run has no event of its own, and what comes before its list of jobs is not seen.
if not AS_MODULE and any(
    re.fullmatch("--dry-?run|-[a-zA-Z]*n[a-zA-Z]*", argument) for argument in sys.argv[1:]
):
    atexit.register(tell_what_could_be_seen)
    atexit.register(tell_how_long_the_calibration_takes)


def check_downloads():
    """Stop before any job starts when a download that is planned cannot succeed."""
    try:
        for job in workflow.dag.needrun_jobs():
            dataset = getattr(job.wildcards, "dataset", None)
            if job.rule.name.endswith("fetch_archive") and (check := source_record(dataset).check):
                implementation(check)(
                    PROJECT.definition(dataset).source, Path(RESOURCES, "archives", dataset)
                )
    except NullcropError as error:
        sys.exit(f"nullcrop: error: {error}. Other datasets run without it: --config datasets=[…]")
