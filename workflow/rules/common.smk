# Shared by all rules: the config as models, the command line, and patterns for wildcards.

import atexit
import json
import logging
import re
import shlex
import sys
from dataclasses import asdict
from functools import cache
from pathlib import Path

# The folder `workflow`, also where another Snakefile takes this one in as a module.
WORKFLOW = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent
IMAGE = WORKFLOW.parent / "envs" / "nullcrop.sif"

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.progress import say
from nullcrop.config import dataset_files, dataset_params, figure_params, resources, training_params
from nullcrop.config.calibration import time_words
from nullcrop.config.cell import (
    ABOVE_A_CELLS_FILE,
    AGAIN,
    BATCH_PATH,
    CELL_FILES,
    CELL_PATH,
    Cell,
    baseline_cells,
    cell_files,
    fold_cells,
)
from nullcrop.config.figures import FIGURE_FORMATS, FIGURES
from nullcrop.config.grid import Grid, split_path
from nullcrop.config.models import Project
from nullcrop.config.names import ANY_SPLIT_PATTERN, PUBLISHED, PUBLISHED_TABLES
from nullcrop.config.places import check_writable, found
from nullcrop.config.readers import BASELINES, NETWORKS, is_network
from nullcrop.config.recipe import BaselineRecipe
from nullcrop.config.registry import EXTENSIONS, any_of, implementation, in_environment
from nullcrop.config.treatments import treatment_pattern
from nullcrop.config.views import places_between, view_pattern, views_made_always, views_of_treatment
from nullcrop.images.packing import packed_sides
from nullcrop.training.finished import damage
from snakemake.persistence import PersistenceBase
from snakemake.settings.types import DeploymentMethod, Quietness, RerunTrigger

# One that a command line or another Snakefile has read stands in place of the study as published.
if not workflow.configfiles:

    configfile: found("config/config.yaml")


AS_MODULE = not workflow.modifier.is_main_snakefile()
CONFIG_NAMES = ", ".join(map(str, workflow.configfiles))
try:
    # Snakemake keeps its records there, also of a dry run.
    own = shlex.quote(str(WORKFLOW.parent / "Snakefile"))
    check_writable("", f"run it in a folder of your own, with `--snakefile {own}`")
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
NUMERICS = training_params.device_param(CONFIG)
# Read before any job deletes what it will write again, so that a job on a node is told what was planned.
PACKED_SIDES = {dataset: packed_sides(GRID, dataset) for dataset in GRID.values("dataset")}
MASKED = [dataset for dataset in GRID.values("dataset") if PROJECT.definition(dataset).masks]
# These tables are committed; they do not move with the config's `resources`.
PUBLISHED_FILES = [found(f"resources/published/{name}.csv") for name in PUBLISHED_TABLES]
BATCHES = {batch.name: batch for batch in CONFIG.calibration_batches}


# For those who run with `--sdm apptainer`; docs/cluster.md says how to build it. Others are not asked for it:
# Snakemake stops at an image whose path holds a blank, wherever the clone lies.
if DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method:
    if re.search(r"\s", str(IMAGE)):
        sys.exit(
            f"nullcrop: error: Snakemake takes no container image whose path holds a blank: '{IMAGE}'; move "
            "the workflow to a folder without one, or run without `--sdm apptainer`"
        )

    container: str(IMAGE)


# Snakemake takes a file that is there for done, unless it knows that a job was killed while it wrote it, or
# its records tell that it was made otherwise. Cells that a crash left empty or cut short are added to those
# it calls incomplete, and so is what does not fit today's config by its own record, because Snakemake's may
# be lost. --rerun-incomplete, which profiles/default sets, makes them again.
def with_unfit_files(incomplete):
    said = set()

    async def found(persistence, job):
        files = await incomplete(persistence, job)
        for path in job.output:
            words = Path(path).name == "cell.json" and damage(Path(path).parent)
            if not words and (why := unfit(path)):
                words = f"{path} is made again: {why}"
            if words:
                files.append(path)
                # Many files have one reason, which is told of the first of them.
                if (reason := words.rpartition(" is made again: ")[2]) not in said:
                    print(f"nullcrop: {words}", file=sys.stderr)
                said.add(reason)
        return files

    return found


def unfit(path):
    """Why a file does not fit today's config; nothing where other parameters are to remake none."""
    settings = workflow.dag_settings
    if not settings.force_incomplete or RerunTrigger.PARAMS not in settings.rerun_triggers:
        return ""
    if not Path(path).is_file():
        return ""
    from nullcrop.status.remade import why_remade

    return why_remade(standing(), path)


@cache
def standing():
    from nullcrop.status.standing import Standing

    return Standing(PROJECT)


def in_words(lock):
    """Snakemake's lock of the working folder, whose refusal is one line."""

    def locked(persistence):
        if persistence.locked:
            sys.exit(
                f"nullcrop: error: another run is at work in {Path.cwd()}; wait for its end (or, after one "
                "that was killed, run once with `--unlock`)"
            )
        return lock(persistence)

    return locked


PersistenceBase.incomplete = with_unfit_files(PersistenceBase.incomplete)
PersistenceBase.lock = in_words(PersistenceBase.lock)


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
    dataset=any_of(GRID.listed_datasets),
    labels=any_of(GRID.values("labels")),
    split=ANY_SPLIT_PATTERN,
    view=view_pattern(),
    treatment=treatment_pattern(),
    architecture=any_of([*NETWORKS, *(name for name in GRID.values("architecture") if is_network(name))]),
    recipe=any_of(CONFIG.all_recipes),
    seed="[0-9]+",
    number="[0-9]+",
    study=any_of(GRID.studies),
    batch=any_of(BATCHES),


# What rules ask of the package, by their wildcards.


def of_dataset(answer, *further):
    """Function of wildcards: ``answer`` of the project, the dataset, and the wildcards named ``further``."""
    return lambda wildcards: answer(PROJECT, wildcards.dataset, *(wildcards[name] for name in further))


def whose_source_is(way):
    """Pattern of the datasets whose images are `local`, `fetched` or `generated`."""
    return any_of(
        name for name in GRID.listed_datasets if dataset_files.source_record(PROJECT, name).way == way
    )


def packing_of(wildcards):
    return dataset_params.packing_param(PROJECT, wildcards.dataset, PACKED_SIDES[wildcards.dataset])


def cell_of(wildcards):
    return Cell(**{**dict(wildcards), "seed": int(wildcards.seed)})


def cells_of_batch(wildcards):
    return GRID.batches[BATCH_PATH.format(**dict(wildcards))]


# Pixels count by the checksum in the small file beside them, weights by the hash in their name; the time
# stamps of these large files say nothing.
def untimed(inputs):
    return {role: ancient(path) if role in ("pixels", "weights") else path for role, path in inputs.items()}


def cell_inputs(wildcards):
    return untimed(GRID.cell_inputs(cell_of(wildcards)))


def batch_inputs(wildcards):
    return untimed(training_params.batch_inputs(GRID, cells_of_batch(wildcards)))


def batch_of(wildcards):
    return f"{WORK}/batches/{GRID.batch_path(cell_of(wildcards))}.json"


def recipe_of(wildcards):
    return CONFIG.all_recipes[wildcards.recipe].to_json()


def plain_of(wildcards, input):
    """Takes `input`, so that the choice trains nothing again."""
    return training_params.plain_flags(CONFIG)


def granted_of(wildcards, input, resources):
    """The flag for the GPUs that were counted for a job.

    `--resources gpu=N` counts them, or the executor that sent the job to its node. A job may ask for one
    where nobody counts, as on a laptop. The function takes `input`, so that the flag trains nothing again.
    """
    counted = workflow.remote_exec or "gpu" in workflow.global_resources
    return ["--granted-gpus", resources.gpu] if counted and resources.gpu else []


def memory_of(wildcards, attempt):
    kind = (wildcards.dataset, wildcards.architecture, wildcards.recipe)
    return training_params.job_memory_mb(PROJECT, *kind, attempt)


def runtime_of(cells_asked_for):
    """Resource: minutes to train ``cells_asked_for`` of the wildcards."""
    return lambda wildcards, attempt: resources.minutes(
        [training_params.cell_seconds(PROJECT, cell) for cell in cells_asked_for(wildcards)], attempt
    )


def threads_of(cells_asked_for):
    """CPU threads to train ``cells_asked_for`` of the wildcards, of which the job takes no more than there
    are cores."""
    return lambda wildcards: training_params.job_threads(GRID, cells_asked_for(wildcards))


def cells_of(wildcards):
    return cell_files(RESULTS, GRID.cells(wildcards.study, wildcards.dataset))


def treated_cells_of(wildcards):
    return cell_files(RESULTS, GRID.compared_treatments(wildcards.study, wildcards.dataset))


def splits_of(wildcards):
    return figure_params.figure_splits(GRID, wildcards.study, wildcards.dataset)


def masks_of(wildcards):
    return figure_params.figure_masks(GRID, wildcards.dataset)


def checked(axis, wildcards):
    """Values on an axis of the cells whose factor c is checked."""
    cells = GRID.checked_cells(wildcards.study, wildcards.dataset)
    return list(dict.fromkeys(getattr(cell, axis) for cell in cells))


def checked_splits(wildcards):
    return sorted(
        {split_path(RESULTS, cell) for cell in GRID.checked_cells(wildcards.study, wildcards.dataset)}
    )


def judging_cells_of(wildcards):
    return cell_files(RESULTS, GRID.judging_cells(wildcards.study, wildcards.dataset))


def folded_judging_cells_of(wildcards):
    return fold_cells(GRID.judging_cells(wildcards.study, wildcards.dataset))


def explained_cells_of(wildcards):
    """What networks look at in a dataset, one network after the other."""
    cells = GRID.explained_cells(wildcards.study, wildcards.dataset)
    return [f"{RESULTS}/saliency/{cell.path}.{ending}" for cell in cells for ending in ("csv", "npz")]


def explained_masks_of(wildcards):
    """What tells that a dataset's masks changed, where lesions are counted anyway."""
    counted = GRID.counts_lesions(wildcards.dataset)
    return dataset_files.masks_from(PROJECT, wildcards.dataset) if counted else []


def explained_mask_options_of(wildcards):
    counted = GRID.counts_lesions(wildcards.dataset)
    return dataset_params.mask_options(PROJECT, wildcards.dataset) if counted else []


def mapped_splits(wildcards):
    return GRID.mapped_splits(wildcards.study, wildcards.dataset)


def inflation_of_dataset(wildcards):
    """The check of the factor c, where there is something to check."""
    if not GRID.checked_cells(wildcards.study, wildcards.dataset):
        return {}
    return {"inflation": f"{RESULTS}/studies/{wildcards.study}/{wildcards.dataset}/inflation.csv"}


def folded_cells_of(wildcards):
    """A study's cells of one dataset in a line that no number of them makes too long for a command."""
    return fold_cells(GRID.cells(wildcards.study, wildcards.dataset))


def results_folder(wildcards):
    """Where `folded_cells_of` begin.

    It is a function, because the lint takes a plain path for an output written by hand.
    """
    return RESULTS


def tables_of(name):
    """Input function: that table of each dataset of a study."""
    return lambda wildcards: [
        f"{RESULTS}/studies/{wildcards.study}/{dataset}/{name}.csv"
        for dataset in GRID.datasets(wildcards.study)
    ]


def figure_inputs(figure):
    """What ``figure`` is drawn from, by role, as its record says."""
    inputs = untimed(figure_params.figure_sources(figure, CONFIG.paths))
    of_study = {"cells": cells_of, "splits": splits_of, "masks": masks_of}
    return inputs | {role: found for role, found in of_study.items() if role in figure.reads}


def figure_flags(figure):
    """Function of wildcards: the flags of a figure's command."""
    return lambda wildcards: figure_params.figure_flags(
        GRID, figure, wildcards.study, wildcards.get("dataset")
    )


def figure_words(figure):
    """Function of wildcards: what a figure says of a dataset; a param, so that other words draw it again."""
    return lambda wildcards: figure_params.figure_words(PROJECT, wildcards.get("dataset"))


def figure_files(name, folder, caption):
    """A figure's files. Its PNG stands in Snakemake's own report (`--report`), above the file ``caption``."""
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


def tell_what_could_be_seen():
    """Print one line a dataset before it costs an hour: the effect that its verdict could find."""
    from nullcrop.status.foresight import foreseen_lines

    heading, *lines = foreseen_lines(GRID) or [""]
    if lines:
        say(f"nullcrop: {heading}")
    for line in lines:
        say(line)


def tell_how_long_the_calibration_takes():
    """Print one line before it costs hours, of what is not done yet."""
    if not BATCHES or workflow.dag is None:
        return
    planned = [
        BATCHES[job.wildcards.batch]
        # Also after a dry run, in which every job counts as finished.
        for job in workflow.dag.needrun_jobs(exclude_finished=False)
        if job.rule.name.endswith("audit_phantoms")
    ]
    side_by_side = workflow.resource_settings.cores or workflow.resource_settings.nodes or 1
    if planned:
        print(f"nullcrop: {time_words(planned, side_by_side)}", file=sys.stderr)


def tell_what_would_run():
    """Print the jobs that a dry run plans, counted by rule; Snakemake does not where it is to list none of
    them (snakemake/snakemake#2973)."""
    if workflow.dag is not None and len(workflow.dag):
        print(workflow.dag.stats()[0])
        print("Each job and its reason: add `--quiet host`.")


# A dry run has no event of its own, and what comes before its list of jobs is not seen.
if not AS_MODULE and any(
    re.fullmatch("--dry-?run|-[a-zA-Z]*n[a-zA-Z]*", argument) for argument in sys.argv[1:]
):
    # The last comes first.
    atexit.register(tell_how_long_the_calibration_takes)
    atexit.register(tell_what_could_be_seen)
    if set(workflow.output_settings.quiet or ()) == {Quietness.RULES, Quietness.PROGRESS}:
        atexit.register(tell_what_would_run)
        # To be quiet about the machine, too, would make Snakemake go through every job.
        logging.getLogger("snakemake.logging").addFilter(
            lambda record: getattr(record, "quietness", None) is not Quietness.HOST
        )


def check_places():
    """Stop before any job starts when its results cannot be written."""
    try:
        for key, folder in (("results", RESULTS), ("work", WORK)):
            check_writable(folder, f"name another folder under `paths.{key}` in the config")
    except NullcropError as error:
        sys.exit(f"nullcrop: error: {error}")


def check_downloads():
    """Stop before any job starts when a download that is planned cannot succeed."""
    try:
        for job in workflow.dag.needrun_jobs():
            dataset = getattr(job.wildcards, "dataset", None)
            if job.rule.name.endswith("fetch_archive") and (
                check := dataset_files.source_record(PROJECT, dataset).check
            ):
                implementation(check)(
                    PROJECT.definition(dataset).source, Path(RESOURCES, "archives", dataset)
                )
    except NullcropError as error:
        sys.exit(f"nullcrop: error: {error}. Other datasets run without it: --config datasets=[…]")
