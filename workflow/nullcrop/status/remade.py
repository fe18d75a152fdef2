"""Which finished files a run makes again, because what they were made of is not what is asked for today."""

import re
from pathlib import Path

from nullcrop.basics.errors import NullcropError
from nullcrop.config.cell import Cell
from nullcrop.config.grid import STUDY_TABLES
from nullcrop.status.cells import outdated, outdated_crops
from nullcrop.status.origins import outdated_listing, outdated_split, outdated_targets
from nullcrop.status.standing import Standing
from nullcrop.training.finished import whole_record


def why_remade(standing: Standing, path: str) -> str:
    """Why the finished file ``path`` of the workflow is not what today's config asks for.

    Empty where it is, where nothing in it tells, and where other files are asked (an array's sidecar speaks
    for the array, a cell.json for its tables). Snakemake's own records tell the same, as long as they are
    there and of this folder.
    """
    grid, project = standing.grid, standing.project
    paths = project.config.paths
    if Path(path).is_relative_to(Path(paths.store)) and (
        found := re.fullmatch(r"([^/]+)/views/([^/]+)\.json", _below(paths.store, path))
    ):
        return outdated_crops(project, *found.groups())
    if not Path(path).is_relative_to(Path(paths.results)):
        return ""
    match _below(paths.results, path).split("/"):
        case ["datasets", dataset, "samples.csv"]:
            return outdated_listing(grid, dataset) or outdated_targets(project, dataset)
        case ["splits", dataset, labels, split, _]:
            return outdated_split(project, dataset, labels, split, Path(path))
        case ["cells", dataset, labels, split, view, architecture, recipe, seed, "cell.json"]:
            number = int(seed.removeprefix("seed"))
            cell = Cell(dataset, labels, split, view, architecture, recipe, number)
            try:
                return outdated(grid, cell, whole_record(Path(path).parent))
            except (NullcropError, OSError, KeyError, TypeError):
                return ""  # none, or damaged
        case ["studies", study, dataset, table] if table.removesuffix(".csv") in STUDY_TABLES:
            return standing.outdated_table(study, dataset, table.removesuffix(".csv"))
    return ""


def _below(folder: str, path: str) -> str:
    return Path(path).relative_to(folder).as_posix()
