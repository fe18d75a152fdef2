"""What the rules that train ask: flags of the arithmetic, and time and memory of a cell and of a batch."""

import re
from collections.abc import Iterable

from nullcrop.config.cell import Cell
from nullcrop.config.grid import Grid
from nullcrop.config.models import Config, Project
from nullcrop.config.resources import USUAL_IMAGES, training_memory_mb, training_seconds, training_threads


def device_param(config: Config) -> str:
    """The device, and the engine where it is a captured one; else the param reads as it did before there was
    a choice, so that nothing is trained again."""
    return f"{config.device} --engine {config.engine}" if "captured" in config.engine else config.device


def plain_flags(config: Config) -> list[str]:
    """The flag of the plain engine, whose cells `auto` takes as well."""
    return ["--engine", "plain"] if config.engine == "plain" else []


def demand_flags(grid: Grid, cells: Iterable[Cell]) -> list[str]:
    """The flag for the numerics that a study demands of these cells."""
    demanded = {grid.demanded_numerics(cell) for cell in cells} - {None}
    return ["--numerics", *(name for name in demanded if name)] if demanded else []


def job_threads(grid: Grid, cells: Iterable[Cell]) -> int:
    """CPU threads for a job that trains ``cells`` of one network and recipe: as many as a study demands by
    its numerics, else as :func:`~nullcrop.config.resources.training_threads` says.

    On a GPU that is no more than the images need on their way there.
    """
    cells = list(cells)
    for cell in cells:
        if demanded := re.fullmatch(r"cpu_\w+_([1-9][0-9]*)threads", grid.demanded_numerics(cell) or ""):
            return int(demanded[1])
    return training_threads(cells[0].architecture, grid.project.config.all_recipes[cells[0].recipe])


def batch_inputs(grid: Grid, cells: Iterable[Cell]) -> dict[str, list[str] | str]:
    """What a job that trains ``cells`` reads, by role: a list with one file a cell, and the weights, of which
    they share one file."""
    of_cells = [grid.cell_inputs(cell) for cell in cells]
    inputs: dict[str, list[str] | str] = {
        role: [one[role] for one in of_cells] for role in ("view", "split", "pixels")
    }
    if "weights" in of_cells[0]:
        inputs["weights"] = of_cells[0]["weights"]
    return inputs


def cell_seconds(project: Project, cell: Cell) -> float:
    """Estimated time to train ``cell``."""
    recipe, definition = project.config.all_recipes[cell.recipe], project.definition(cell.dataset)
    return training_seconds(cell, recipe, definition, project.config.device, project.config.engine)


def explaining_seconds(project: Project, cell: Cell) -> float:
    """Estimated time to train ``cell`` once more and to ask what its network and an untrained one look at: a
    step of integrated gradients takes an image as long as a step of training."""
    asked, recipe = project.config.saliency, project.config.all_recipes[cell.recipe]
    definition = project.definition(cell.dataset)
    images = asked.images * len(definition.target_names(cell.labels))
    seen = recipe.epochs * (definition.expected.images or USUAL_IMAGES)
    return cell_seconds(project, cell) * (1 + 2 * images * (asked.steps + 1) / seen)


def job_memory_mb(project: Project, dataset: str, architecture: str, recipe: str, attempt: int) -> int:
    """Host memory to ask for to train cells of one kind, of which several may take turns in one job."""
    in_flight = min(project.config.in_flight, project.config.cells_per_job or project.config.in_flight)
    how, definition = project.config.all_recipes[recipe], project.definition(dataset)
    return training_memory_mb(architecture, how, definition, attempt, in_flight)
