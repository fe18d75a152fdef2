"""What rules ask of a dataset's definition, as text: params that change just when what a step makes may.

An edited definition remakes what depends on the edit, and a touched file remakes nothing. What stands at its
default is left out, so that a key which a later version adds changes nothing by itself.
"""

import json
from collections.abc import Iterable, Sequence

from nullcrop.config.models import Project
from nullcrop.config.names import PUBLISHED
from nullcrop.config.views import view_of

LISTED = {
    *("source", "classes", "labels", "group", "groups", "expected", "on_mismatch", "unreadable"),
    *("smallest_side", "companions"),
}
"""Keys of a definition that decide samples.csv and dataset.json."""


def source_param(project: Project, dataset: str) -> str:
    """Where the images of ``dataset`` come from."""
    return project.definition(dataset).source.model_dump_json(exclude_defaults=True)


def listing_param(project: Project, dataset: str) -> str:
    """What decides how ``dataset`` is listed."""
    return project.definition(dataset).model_dump_json(include=LISTED, exclude_defaults=True)


def targets_param(project: Project, dataset: str, labels: str) -> str:
    """The label rule ``labels``: the target of each original class."""
    return json.dumps(project.definition(dataset).targets(labels))


def crop_param(project: Project, dataset: str) -> str:
    """Width and height of the crops, as `20x20`."""
    size = project.crop(dataset)
    return f"{size.width}x{size.height}"


def packing_param(project: Project, dataset: str, sides: Sequence[str] | None) -> str:
    """Crop size and, unless originals are stored at full size (``sides`` None), their sides; one param, which
    then reads as it always did."""
    crop = crop_param(project, dataset)
    return crop if sides is None else " ".join([crop, "--sides", *sides])


def cutting_param(project: Project, dataset: str, view: str) -> str | list[str]:
    """Crop size and, of a ``view`` that asks for masks, where these are; one param, which else reads as it
    always did."""
    crop, masks = crop_param(project, dataset), project.definition(dataset).masks
    if masks is None or not view_of(view).masked:
        return crop
    return [crop, "--masks", masks.model_dump_json(exclude_defaults=True)]


def field_param(project: Project, dataset: str) -> str:
    """What crops of ``dataset`` hold."""
    return project.definition(dataset).field


def verdict_words(project: Project, dataset: str) -> list[str]:
    """What verdicts say about ``dataset``."""
    definition = project.definition(dataset)
    return [definition.title, definition.field, definition.group_word]


def report_words(project: Project, datasets: Iterable[str]) -> list[str]:
    """What the report says of its ``datasets``."""
    return [project.definition(name).model_dump_json(exclude_defaults=True) for name in datasets]


def published_counts(project: Project) -> list[str]:
    """Counts and label rules that the published numbers are compared with."""
    return [
        project.definition(name).model_dump_json(include={"title", "classes", "labels", "expected"})
        for name in PUBLISHED
        if name in project.definition_paths
    ]
