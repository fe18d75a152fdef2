# Shared by all rules: the config as models, the command line, and patterns for wildcards.

import json
import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))

from nullcrop.config import resources
from nullcrop.config.calibration import batches
from nullcrop.config.cell import CELL_COLUMNS, CELL_FILES, Cell, baseline_cells, fold_cells
from nullcrop.config.grid import FIGURE_FORMATS, Grid, any_of
from nullcrop.config.models import Project
from nullcrop.config.names import (
    ALL_VIEWS,
    ANY_SPLIT_PATTERN,
    FURTHER_VIEWS,
    NETWORKS,
    PUBLISHED,
    PUBLISHED_TABLES,
    VIEWS,
    is_network,
)
from nullcrop.config.recipe import BaselineRecipe
from nullcrop.datasets.kaggle_credentials import check_credentials
from nullcrop.errors import NullcropError
from nullcrop.training.finished import damage
from nullcrop.packing import packed_sides
from snakemake.persistence import PersistenceBase

try:
    PROJECT = Project(config, ", ".join(map(str, workflow.configfiles)))
    GRID = Grid(PROJECT)
    # Snakemake tells targets only after this file is read; by then a misspelt one is no more
    # than "nothing produces it".
    for argument in sys.argv[1:]:
        GRID.check_target(argument)
except NullcropError as error:
    sys.exit(f"nullcrop: error: {error}")

CONFIG = PROJECT.config
RESULTS = CONFIG.paths.results
RESOURCES = CONFIG.paths.resources
STORE = CONFIG.paths.store
WORK = CONFIG.paths.work
ENVIRONMENT = "../../envs/nullcrop.yaml"
# One param of the rules; with the plain engine it reads as it did before there was a choice, so that nothing is trained again.
NUMERICS = CONFIG.device if CONFIG.engine == "plain" else f"{CONFIG.device} --engine {CONFIG.engine}"
# Read before any job deletes what it will write again, so that a job on a node is told what was planned.
PACKED_SIDES = {dataset: packed_sides(GRID, dataset) for dataset in GRID.values("dataset")}
BATCHES = {batch.name: batch for batch in batches(CONFIG.calibration)} if CONFIG.calibration else {}
CELL = "{dataset}/{labels}/{split}/{view}/{architecture}/{recipe}/seed{seed}"
# Folders from a cell's file up to where all cells lie: one a coordinate, and that one.
ABOVE_A_CELLS_FILE = len(CELL_COLUMNS) + 1
BATCH = "{dataset}/{labels}/{split}/{architecture}/{recipe}/batch{number}"


# For those who run with `--sdm apptainer`; docs/cluster.md says how to build it.
container: str(Path(workflow.basedir, "envs", "nullcrop.sif"))


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
    f"export PYTHONPATH={shlex.quote(str(Path(workflow.basedir, 'workflow')))}; "
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
    view=any_of(ALL_VIEWS),
    architecture=any_of([*NETWORKS, *(name for name in GRID.values("architecture") if is_network(name))]),
    recipe=any_of(CONFIG.all_recipes),
    seed="[0-9]+",
    number="[0-9]+",
    study=any_of(GRID.studies),
    batch=any_of(BATCHES),


# What rules ask of the config: input functions, params and resources.


def kinds_of(*kinds):
    """Pattern of the datasets whose source is of one of these kinds."""
    return any_of(name for name in GRID.values("dataset") if PROJECT.definition(name).source.kind in kinds)


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
    source = PROJECT.definition(wildcards.dataset).source
    # A missing table is for list-samples to name; here it would stop every other dataset.
    groups = PROJECT.definition(wildcards.dataset).groups
    tables = [path for path in [groups, getattr(source, "table", None)] if path and Path(path).is_file()]
    if source.kind != "folder":
        return [f"{RESOURCES}/archives/{wildcards.dataset}/archive.json", *tables]
    if source.table:
        return tables
    classes = PROJECT.definition(wildcards.dataset).classes
    tops = [source.path] if source.name_pattern else [Path(source.path, name) for name in classes]
    return tables + [str(folder) for top in tops for folder, _, _ in os.walk(top)]


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


def granted_of(wildcards, input, resources):
    """The flag for the GPUs that were counted for a job: by `--resources gpu=N`, or by the executor that sent it to its node.

    A job may ask for one where nobody counts, as on a laptop. Takes `input`, so that it trains nothing again.
    """
    counted = workflow.remote_exec or "gpu" in workflow.global_resources
    return ["--granted-gpus", resources.gpu] if counted and resources.gpu else []


def seconds_of(cell):
    recipe, definition = CONFIG.all_recipes[cell.recipe], PROJECT.definition(cell.dataset)
    return resources.training_seconds(cell, recipe, definition, CONFIG.device)


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


def packing_of(wildcards):
    """Crop size and, unless originals are stored at full size, their sides; one param, which then reads as it always did."""
    sides = PACKED_SIDES[wildcards.dataset]
    return crop_of(wildcards) if sides is None else " ".join([crop_of(wildcards), "--sides", *sides])


def words_of(wildcards):
    """What figures and verdicts say about a dataset; a param, so that other words make them again."""
    definition = PROJECT.definition(wildcards.dataset)
    return [definition.title, definition.field, definition.group_word]


def named_targets_of(wildcards):
    """Title and classes of a dataset; a param, as :func:`words_of`."""
    definition = PROJECT.definition(wildcards.dataset)
    return [definition.title, definition.classes, *definition.labels]


def figure_files(name, folder):
    """A figure's files; its PNG stands in Snakemake's own report (`--report`)."""
    labels = {"study": "{study}", "dataset": "{dataset}"}
    shown = report(
        f"{folder}/{name}.png",
        caption=f"../report/{name}.rst",
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


def check_downloads():
    """Stop before any job starts when a download that is planned cannot succeed."""
    try:
        for job in workflow.dag.needrun_jobs():
            dataset = getattr(job.wildcards, "dataset", None)
            if job.rule.name == "fetch_archive" and PROJECT.definition(dataset).source.kind == "kaggle":
                check_credentials(PROJECT.definition(dataset).source, Path(RESOURCES, "archives", dataset))
    except NullcropError as error:
        sys.exit(f"nullcrop: error: {error}. Other datasets run without it: --config datasets=[…]")
