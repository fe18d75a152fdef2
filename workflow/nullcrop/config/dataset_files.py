"""Files and folders of datasets that rules read: when they change, what is made of them is made again."""

import re
from collections.abc import Iterable
from pathlib import Path

from nullcrop.basics.walk import walk
from nullcrop.config.definitions import DatasetsSource
from nullcrop.config.models import Project
from nullcrop.config.names import split_name
from nullcrop.config.sources import SOURCES, Source
from nullcrop.config.views import view_of

LIKE_A_WILDCARD = re.compile(r"\{\s*\w+\s*[,}]")
"""What Snakemake takes for a wildcard in an input, wherever the input comes from."""


def source_record(project: Project, dataset: str) -> Source:
    """The record of the source that ``dataset`` comes from."""
    return SOURCES[project.definition(dataset).source.kind]


def parts_of(project: Project, dataset: str) -> list[str]:
    """Datasets of whose images ``dataset`` is made, where it is one of several datasets."""
    source = project.definition(dataset).source
    return list(source.names) if isinstance(source, DatasetsSource) else []


def fetched_from(project: Project, dataset: str) -> list[str]:
    """The user's own folder, where one stands in for the download; a missing one is named by the step."""
    folder = getattr(project.definition(dataset).source, "data_dir", None)
    return [folder] if folder is not None and Path(folder).is_dir() else []


def listed_from(project: Project, dataset: str) -> list[str]:
    """What tells that a dataset's files changed: its archive, or the user's own table or folders."""
    definition = project.definition(dataset)
    # A missing table is for list-samples to name; here it would stop every other dataset.
    groups = [path for path in [definition.groups] if path and Path(path).is_file()]
    if joined := parts_of(project, dataset):
        return [f"{project.config.paths.results}/datasets/{name}/samples.csv" for name in joined] + groups
    if source_record(project, dataset).way != "local":
        return [f"{project.config.paths.resources}/archives/{dataset}/archive.json", *groups]
    return groups + _as_inputs(definition.source.watched(definition.classes))


def fetched_masks(project: Project, dataset: str) -> str:
    """The folder of a dataset's masks that are downloaded, apart from its images."""
    return f"{project.config.paths.resources}/masks/{dataset}"


def kept_together(project: Project, dataset: str) -> list[str]:
    """The table of duplicates, where the definition says that a split keeps them together."""
    if project.definition(dataset).duplicates == "group":
        return [f"{project.config.paths.results}/datasets/{dataset}/duplicates.csv"]
    return []


def matched_on(project: Project, dataset: str, split: str) -> list[str]:
    """The attributes of ``dataset``, where ``split`` makes one of them independent of the class."""
    wanted = split_name(split).match
    return [f"{project.config.paths.results}/datasets/{dataset}/attributes.csv"] if wanted else []


def attribute_tables(project: Project, dataset: str) -> list[str]:
    """The user's own table that attributes are columns of, where there is one; a missing one is named by the
    step."""
    definition = project.definition(dataset)
    asked = definition.attributes
    table = asked and (asked.table or getattr(definition.source, "table", None))
    return [table] if table and Path(table).is_file() else []


def masks_of_view(project: Project, dataset: str, view: str) -> list[str]:
    """What tells that the masks changed, for a ``view`` that asks for them; else nothing."""
    return masks_from(project, dataset) if view_of(view).masked else []


def masks_from(project: Project, dataset: str) -> list[str]:
    """What tells that a dataset's masks changed: their download, or the user's own folders or table."""
    masks = project.definition(dataset).masks
    if masks is None:
        return []
    if masks.files is not None:
        return [f"{fetched_masks(project, dataset)}/masks.json"]
    table = getattr(project.definition(dataset).source, "table", None) if masks.column is not None else None
    tables = [table] if table is not None and Path(table).is_file() else []
    if masks.path is None:
        return tables
    # What came with the archive is made with it, and seldom there when the run is planned.
    archives = Path(project.config.paths.resources, "archives")
    if Path(masks.path).resolve().is_relative_to(archives.resolve()):
        return []
    return tables + _as_inputs(str(Path(masks.path, folder)) for folder in walk(masks.path).folders)


def _as_inputs(paths: Iterable[str]) -> list[str]:
    """``paths`` that Snakemake can watch: it takes `{P01}` in one for a wildcard, warns of line breaks and
    outer blanks, and cannot record bytes that are no text."""
    plain = (path for path in paths if path.isprintable() and path == path.strip())
    return [path for path in plain if not LIKE_A_WILDCARD.search(path)]
