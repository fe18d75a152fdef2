"""The studies that a results folder holds, whatever config they were run by."""

from dataclasses import dataclass
from pathlib import Path

from nullcrop.basics.errors import NullcropError
from nullcrop.config.models import Project, read_project


@dataclass(frozen=True)
class StudyFound:
    """A study with a report in a results folder."""

    name: str
    config: Path
    """Its config.json: the config of the run that made it, with this study alone."""

    @property
    def page(self) -> Path:
        """Its report."""
        return self.config.with_name("index.html")

    def project(self) -> Project:
        """The project of its config; NullcropError where that cannot be read any more."""
        project = read_project(self.config)
        if self.name not in project.config.studies:
            raise NullcropError(f"{self.config} holds no study '{self.name}'; run the workflow again")
        return project


def studies_found(results: Path) -> list[StudyFound]:
    """The studies in ``results``, those of the latest run first."""
    configs = list(results.glob("report/*/config.json"))
    configs.sort(key=lambda path: (-path.stat().st_mtime, path.parent.name))
    return [StudyFound(path.parent.name, path) for path in configs]
