"""The studies whose results lie in a folder, by the config that a run leaves beside each one's report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import read_json
from nullcrop.basics.progress import say
from nullcrop.config.models import Project

CONFIGS = "report/*/config.json"
"""Where they lie in the results: the folder is named as the study is."""


def found_configs(results: Path) -> list[Path]:
    """The configs that runs have left in ``results``, the newest first: one is as new as itself or its page,
    whichever is newer."""
    return sorted(results.glob(CONFIGS), key=lambda path: (-_made(path), path.parent.name))


def found_studies(results: Path) -> dict[str, Project]:
    """The studies with results in the folder ``results``, newest first, each with the project that made it.

    What cannot be read any more (a definition is gone) is told and left out; NullcropError where nothing
    else is there.
    """
    studies: dict[str, Project] = {}
    refused = []
    for path in found_configs(results):
        try:
            studies[path.parent.name] = project_of(path, results)
        except NullcropError as error:
            refused.append(str(error))
    if refused and not studies:
        raise NullcropError("; ".join(refused))
    for words in refused:
        say(f"nullcrop: left out: {words}")
    return studies


def _made(config: Path) -> float:
    return max(path.stat().st_mtime for path in (config, config.with_name("index.html")) if path.exists())


def project_of(config: Path, results: Path) -> Project:
    """The project of a study's ``config`` in ``results``; NullcropError where it cannot be read any more."""
    try:
        content = read_json(config)
    except (OSError, ValueError) as error:
        raise NullcropError(f"{config} cannot be read: {error}") from None
    if not isinstance(content, Mapping):
        raise NullcropError(f"{config} is no config: it must be a mapping of keys")
    project = Project(_moved(content, results), str(config))
    if config.parent.name not in project.config.studies:
        raise NullcropError(f"{config} is the config of other studies than '{config.parent.name}'")
    return project


def _moved(content: Mapping[str, Any], results: Path) -> dict[str, Any]:
    """The config as it is for results that lie in ``results`` now, wherever they were made."""
    paths = content.get("paths", {})
    before = paths.get("results", "results") if isinstance(paths, Mapping) else None
    if not isinstance(before, str):
        return dict(content)  # the check of the whole says what is wrong
    paths = dict(paths)
    if Path(before).absolute() == results.absolute():
        return dict(content)
    # What was not named lies in the results, and moves with them.
    for key, folder in (("store", "datasets"), ("work", ".work")):
        if paths.get(key) == f"{before}/{folder}":
            del paths[key]
    return {**content, "paths": {**paths, "results": str(results)}}
