"""What rules ask of a dataset's definition, as text: params that change just when what a step makes may.

An edited definition remakes what depends on the edit, and a touched file remakes nothing. What stands at its
default is left out, so that a key which a later version adds changes nothing by itself.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from nullcrop.config.dataset_files import fetched_masks, parts_of
from nullcrop.config.definitions import Definition
from nullcrop.config.models import Project
from nullcrop.config.names import PUBLISHED
from nullcrop.config.places import WORKFLOW_FOLDER
from nullcrop.config.views import view_of

LISTED = {
    *("source", "classes", "labels", "group", "groups", "expected", "on_mismatch", "unreadable"),
    *("smallest_side", "companions", "group_from", "bits", "window"),
}
"""Keys of a definition that decide samples.csv and dataset.json."""


def source_param(project: Project, dataset: str) -> str:
    """Where the images of ``dataset`` come from."""
    return project.definition(dataset).source.model_dump_json(exclude_defaults=True)


def archive_param(project: Project, dataset: str) -> str:
    """Where the images of ``dataset`` are listed from: what was downloaded or generated, or the folder of all
    datasets' tables."""
    paths = project.config.paths
    return (
        f"{paths.results}/datasets" if parts_of(project, dataset) else f"{paths.resources}/archives/{dataset}"
    )


def listing_param(project: Project, dataset: str) -> str:
    """What decides how ``dataset`` is listed."""
    return project.definition(dataset).model_dump_json(include=LISTED, exclude_defaults=True)


def listing_record(definition: Definition) -> dict[str, Any]:
    """What of a definition decides which images are listed, in which classes and groups; dataset.json keeps
    it. Paths in the workflow's folder are relative to it, wherever one looks from."""
    keys = LISTED - {"labels", "group", "expected", "on_mismatch"}
    record: dict[str, Any] = definition.model_dump(mode="json", include=keys, exclude_defaults=True)
    for part in (record, record["source"]):
        for key, value in part.items():
            if isinstance(value, str):
                part[key] = value.removeprefix(f"{WORKFLOW_FOLDER}/")
    return record


def targets_param(project: Project, dataset: str, labels: str) -> str:
    """The label rule ``labels``: the target of each original class."""
    return json.dumps(project.definition(dataset).targets(labels))


def crop_param(project: Project, dataset: str) -> str:
    """Width and height of the crops, as `20x20`."""
    size = project.crop(dataset)
    return f"{size.width}x{size.height}"


def attributes_param(project: Project, dataset: str) -> str:
    """Which attributes of ``dataset`` are known besides those that its files tell."""
    asked = project.definition(dataset).attributes
    return "" if asked is None else asked.model_dump_json(exclude_defaults=True)


def leak_map_param(project: Project, dataset: str) -> str:
    """What the leak map of ``dataset`` looks at, through windows as large as its crops unless the config
    names others."""
    settings, crop = project.config.leak_map, project.crop(dataset)
    window = settings.window or min(crop.width, crop.height)
    return settings.model_copy(update={"window": window}).model_dump_json()


def spectrum_param(project: Project, dataset: str) -> str:
    """What the cue spectrum of ``dataset`` looks at."""
    return project.config.spectrum.model_dump_json()


def saliency_param(project: Project) -> str:
    """What saliency maps look at."""
    return project.config.saliency.model_dump_json()


def reading_options(project: Project, dataset: str) -> list[str]:
    """Options of crop-views that tell how values of more than 8 bits become 8; none where the files do."""
    definition = project.definition(dataset)
    if definition.bits is not None:
        return ["--bits", str(definition.bits)]
    if definition.window is not None:
        return [f"--window={definition.window.center!r},{definition.window.width!r}"]
    return []


def packing_param(project: Project, dataset: str, sides: Sequence[str] | None) -> str:
    """Crop size, the rule of values and, unless originals are stored at full size (``sides`` None), their
    sides; one param, which then reads as it always did."""
    asked = [crop_param(project, dataset), *reading_options(project, dataset)]
    return " ".join(asked if sides is None else [*asked, "--sides", *sides])


def plain_cutting_param(project: Project, dataset: str) -> list[str]:
    """Crop size and the rule of values of views that ask for nothing else."""
    return [crop_param(project, dataset), *reading_options(project, dataset)]


def cutting_param(project: Project, dataset: str, view: str) -> str | list[str]:
    """Crop size, the rule of values and, of a ``view`` that asks for masks, where these are; one param, which
    else reads as it always did."""
    crop = crop_param(project, dataset)
    asked = [crop, *reading_options(project, dataset)]
    if view_of(view).masked:
        asked += mask_options(project, dataset)
    return crop if asked == [crop] else asked


def mask_options(project: Project, dataset: str) -> list[str]:
    """Options that tell where the masks of ``dataset`` are; none where it has none."""
    masks = project.definition(dataset).masks
    if masks is None:
        return []
    if masks.files is not None:
        masks = masks.model_copy(update={"files": None, "path": f"{fetched_masks(project, dataset)}/masks"})
    options = ["--masks", masks.model_dump_json(exclude_defaults=True)]
    if masks.column is not None:
        options += ["--listed-by", source_param(project, dataset)]
    return options


def masks_address(project: Project, dataset: str) -> str:
    """Addresses and checksums of the masks of ``dataset`` that are downloaded."""
    masks = project.definition(dataset).masks
    return json.dumps(masks.files if masks is not None else None)


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
