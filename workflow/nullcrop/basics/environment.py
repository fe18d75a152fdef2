"""Whether the Python that runs the workflow has what nullcrop needs.

It is asked before anything else is read, and written for older Pythons, too.
"""

import sys
from importlib import metadata
from pathlib import Path

PROJECT_FOLDER = Path(__file__).parents[3]
"""The folder of pyproject.toml, of the Snakefile and of the environment that `make env` makes."""


def unfit_environment(planning_alone: bool) -> str:
    """Why this Python is not one that runs the workflow, and which to use, in one line; empty where it is.

    What is needed stands in pyproject.toml. ``planning_alone``: the steps bring an environment of their own,
    so that only the plan is made by this one.
    """
    try:
        # Only here, because a Python or a Snakemake that is too old may lack them.
        import tomllib

        from packaging.requirements import Requirement
        from packaging.specifiers import SpecifierSet
    except ModuleNotFoundError as error:
        return _words([f"the module {error.name}"])
    try:
        project = tomllib.loads((PROJECT_FOLDER / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    except OSError:
        return ""  # taken in as a module, without the files beside it
    running = sys.version.partition(" ")[0]
    if running not in SpecifierSet(project["requires-python"]):
        return _words([f"Python {project['requires-python']} (this is {running})"])
    lacking = []
    for needed in map(Requirement, project["dependencies"]):
        # Snakemake itself says which executor it lacks, where one is asked for.
        if needed.name.startswith("snakemake-executor") or (planning_alone and needed.name not in PLANNING):
            continue
        try:
            version = metadata.version(needed.name)
        except metadata.PackageNotFoundError:
            lacking.append(needed.name)
            continue
        # An older version of another package may do; each says so itself where it does not.
        if needed.name == "snakemake" and not needed.specifier.contains(version, prereleases=True):
            lacking.insert(0, f"Snakemake {needed.specifier} (this is {version})")
    return _words(lacking) if lacking else ""


PLANNING = {"numpy", "pandas", "pydantic", "pyyaml", "rich", "scikit-learn", "scipy", "snakemake", "pillow"}
"""Packages that the plan takes itself, whatever the steps run in."""


def _words(lacking: list) -> str:  # type: ignore[type-arg]
    own = PROJECT_FOLDER / ".venv" / "bin" / "snakemake"
    make = "" if own.is_file() else f", after `make env` in {PROJECT_FOLDER}"
    more = f" and {len(lacking) - 4} more packages" if len(lacking) > 4 else ""
    return f"{sys.executable} lacks {', '.join(lacking[:4])}{more}; run {own} in its place{make}"
