"""Whether a list of images and a split are what the definition of today asks for, from the files alone.

Snakemake's own records may be lost, or lie on another machine; what a result was made of stands in it.
"""

import os
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.files import read_json
from nullcrop.config.dataset_files import kept_together, source_record
from nullcrop.config.dataset_params import listing_record
from nullcrop.config.grid import Grid
from nullcrop.config.models import Project
from nullcrop.config.names import split_name
from nullcrop.config.places import found
from nullcrop.datasets.samples import read_samples
from nullcrop.decoding.rgb import LOCATOR
from nullcrop.duplicates.search import group_duplicates, read_duplicates
from nullcrop.training.cells import read_split

Version = tuple[str, int, int, int]
"""What tells one version of a file from the next."""


def version(path: Path) -> Version:
    """The :data:`Version` of a file; OSError where there is none."""
    stat = path.stat()
    return str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns


@lru_cache(maxsize=64)
def outdated_listing(grid: Grid, dataset: str) -> str:
    """Why samples.csv of ``dataset`` is not what its definition asks for today; empty where it is.

    Compares what dataset.json keeps of the definition, and looks for images in the user's own folder that
    are gone. What is not there to be compared with is no reason: a record of an earlier version, or the
    whole folder. Looks once for each grid, because all cells of a dataset ask.
    """
    project = grid.project
    folder = Path(project.config.paths.results, "datasets", dataset)
    definition = project.definition(dataset)
    try:
        before = _listing(version(folder / "dataset.json"))
    except (OSError, ValueError):
        return ""
    today = listing_record(definition)
    if before is not None and before != today:
        return f"its images were listed by {_differences(before, today)}"
    if source_record(project, dataset).way != "local" or not Path(definition.source.place(Path())).is_dir():
        return ""
    try:
        paths = list(_samples(version(folder / "samples.csv"))["path"])
    except (OSError, NullcropError):
        return ""
    gone = _gone(paths)
    return f"{len(gone)} of its {len(paths)} images are gone: {listed(gone, 3)}" if gone else ""


def outdated_targets(project: Project, dataset: str) -> str:
    """Which label rules of today samples.csv of ``dataset`` does not hold; empty: none, or there is no such
    table."""
    definition = project.definition(dataset)
    try:
        images = _samples(version(Path(project.config.paths.results, "datasets", dataset, "samples.csv")))
    except (OSError, NullcropError):
        return ""
    other = []
    for rule in definition.labels:
        column = "target" if rule == definition.default_rule else f"target_{rule}"
        today = _targets(images, definition.targets(rule))
        if column not in images or list(images[column]) != today:
            other.append(rule)
    return f"its targets are not those of today's label rules: {listed(other)}" if other else ""


def outdated_split(project: Project, dataset: str, labels: str, split: str, path: Path) -> str:
    """Why the split in ``path`` is not one of samples.csv and the definition of today; empty where it is.

    A split follows from the images' ids, groups, targets and official parts, and from its own name. What is
    not there to be compared with is no reason.
    """
    results = Path(project.config.paths.results)
    together = [Path(name) for name in kept_together(project, dataset)]
    targets = project.definition(dataset).targets(labels)
    try:
        return _outdated_split(
            version(path),
            version(results / "datasets" / dataset / "samples.csv"),
            tuple(version(one) for one in together),
            tuple(targets.items()),
            split_name(split).shuffle > 0,
            labels,
        )
    except (OSError, NullcropError):
        return ""  # not made, or damaged: the step that reads it says so


@cache
def _outdated_split(
    split: Version,
    samples: Version,
    together: tuple[Version, ...],
    targets: tuple[tuple[str, int], ...],
    shuffled: bool,
    labels: str,
) -> str:
    # Once a file, however many cells are made of it and however often one looks.
    made = read_split(Path(split[0]))
    images = _samples(samples)
    if list(made["id"]) != list(images["id"]):
        return "split from other images than those that are listed now"
    for duplicates in together:
        images = group_duplicates(images, read_duplicates(Path(duplicates[0])))
    if list(made["group"]) != list(images["group"]):
        return "split by other groups than today's"
    # A shuffle leaves test images their targets.
    rows = (made["part"] == "test").to_numpy() if shuffled else slice(None)
    today = pd.Series(_targets(images, dict(targets)))
    if list(made["target"][rows]) != list(today[rows]):
        return f"split under another label rule than today's '{labels}'"
    return ""


def _targets(images: pd.DataFrame, targets: Mapping[str, int]) -> list[int]:
    """The target of each image; -1: of a class that there is no more."""
    return [targets.get(name, -1) for name in images["class"]]


@cache
def _listing(version: Version) -> dict[str, Any] | None:
    """What dataset.json keeps of the definition; None in one of an earlier version."""
    summary = read_json(version[0])
    listing = summary.get("listing") if isinstance(summary, dict) else None
    return listing if isinstance(listing, dict) else None


@lru_cache(maxsize=2)
def _samples(version: Version) -> pd.DataFrame:
    return read_samples(version[0])


def _gone(paths: list[str]) -> list[str]:
    """Those of ``paths`` at which there is no file any more; each folder is looked into once."""
    there: dict[str, set[str]] = {}
    gone = []
    for path in paths:
        array = LOCATOR.fullmatch(path)
        folder, name = os.path.split(array[1] if array else path)
        if folder not in there:
            there[folder] = _names_in(found(folder))
        if name not in there[folder]:
            gone.append(path)
    return gone


def _names_in(folder: str) -> set[str]:
    try:
        return {entry.name for entry in os.scandir(folder or ".")}
    except OSError:
        return set()


def _differences(before: Mapping[str, Any], today: Mapping[str, Any]) -> str:
    """`source.path /a, now /b`: where what a listing was made of is not today's."""
    before, today = _flat(before), _flat(today)
    words = [
        f"{key} {before.get(key, 'of old default')}, now {today.get(key, 'the default')}"
        for key in dict.fromkeys([*before, *today])
        if before.get(key) != today.get(key)
    ]
    return listed(words, 3)


def _flat(content: Mapping[str, Any]) -> dict[str, Any]:
    source = content.get("source", {})
    rest = {key: value for key, value in content.items() if key != "source"}
    return {**{f"source.{key}": value for key, value in source.items()}, **rest}
