"""What the rules of figures ask: where a figure lies, what it is drawn from, and what its command is told."""

from nullcrop.config.cell import fold_cells
from nullcrop.config.dataset_params import crop_param
from nullcrop.config.figures import Figure, tables_of_figure
from nullcrop.config.grid import Grid, split_path
from nullcrop.config.models import Paths, Project
from nullcrop.config.views import views_made_always

WORDS = {"title", "field", "group", "classes", "labels", "duplicates"}
"""Keys of a definition that a figure of the dataset tells."""


def figure_axes(figure: Figure) -> str:
    """What there is one such figure of, as a path of wildcards."""
    return "{study}/{dataset}" if figure.of == "dataset" else "{study}"


def figure_folder(figure: Figure, paths: Paths) -> str:
    """The folder of a dataset's or a study's figures and tables, with its wildcards."""
    return f"{paths.results}/studies/{figure_axes(figure)}"


def figure_sources(figure: Figure, paths: Paths) -> dict[str, str | list[str]]:
    """Files that ``figure`` is drawn from, by role, with their wildcards; cells apart, which depend on the
    study."""
    tables = [f"{figure_folder(figure, paths)}/{name}.csv" for name in tables_of_figure(figure)]
    sources: dict[str, str | list[str]] = {"tables": tables}
    if "samples" in figure.reads:
        sources["samples"] = f"{paths.results}/datasets/{{dataset}}/samples.csv"
    if "views" in figure.reads:
        folder = f"{paths.store}/{{dataset}}/views"
        sources["views"] = [f"{folder}/{view}.json" for view in views_made_always()]
        sources["pixels"] = [f"{folder}/{view}.npy" for view in views_made_always()]
    return sources


def figure_flags(grid: Grid, figure: Figure, study: str, dataset: str | None) -> list[str]:
    """Flags that tell a figure's command where its inputs are, and what to call things; ``dataset`` is None
    for a figure of a study."""
    project = grid.project
    style = style_flags(project)
    if dataset is None:
        return ["--title", project.config.studies[study].title, *style]
    paths = project.config.paths
    flags = ["--definition", str(project.definition_path(dataset)), *style]
    if "cells" in figure.reads:
        flags += ["--cells", fold_cells(grid.cells(study, dataset)), "--results", paths.results]
    if "splits" in figure.reads:
        flags += ["--splits", *figure_splits(grid, study, dataset)]
    if "samples" in figure.reads or "views" in figure.reads:
        shown_rule = grid.cells(study, dataset)[0].labels
        flags += ["--labels", shown_rule, "--crop", crop_param(project, dataset)]
    if "samples" in figure.reads:
        flags += ["--samples", f"{paths.results}/datasets/{dataset}/samples.csv"]
    if "views" in figure.reads:
        flags += ["--views-folder", f"{paths.store}/{dataset}/views"]
    if "masks" in figure.reads and (found := figure_masks(grid, dataset)):
        flags += ["--mean-mask", *found]
    return flags


def figure_masks(grid: Grid, dataset: str) -> list[str]:
    """Path of the mean mask of ``dataset``, if lesions are counted there."""
    results = grid.project.config.paths.results
    return [f"{results}/datasets/{dataset}/masks.npy"] if grid.counts_lesions(dataset) else []


def figure_splits(grid: Grid, study: str, dataset: str) -> list[str]:
    """Paths of the splits of a study's cells of ``dataset``."""
    results = grid.project.config.paths.results
    return sorted({split_path(results, cell) for cell in grid.cells(study, dataset)})


def style_flags(project: Project) -> list[str]:
    """The flag that tells a figure's command what the config asks of all figures; none where it asks
    nothing."""
    style = project.config.figure_style.model_dump_json(exclude_defaults=True)
    return [] if style == "{}" else ["--style", style]


def figure_words(project: Project, dataset: str | None) -> str | list[str]:
    """What a figure says of ``dataset``; nothing for a figure of a study (None)."""
    return [] if dataset is None else project.definition(dataset).model_dump_json(include=WORDS)
