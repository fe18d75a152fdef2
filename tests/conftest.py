"""What several test modules build upon: definitions, small datasets on disk, projects."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import settings
from PIL import Image

from nullcrop.config.definitions import Definition
from nullcrop.config.models import Project

# A busy machine is no failure.
settings.register_profile("nullcrop", deadline=None)
settings.load_profile("nullcrop")


def definition_content(**changes: Any) -> dict[str, Any]:
    """A dataset file of two classes as YAML gives it, with ``changes`` to its keys."""
    return {
        "title": "Small",
        "modality": "generated",
        "field": "whole",
        "source": {"kind": "folder", "path": "images"},
        "classes": ["benign", "malignant"],
        "labels": {"printed": {"positive": ["malignant"]}},
        "licence": "CC0-1.0",
        "citation": "none",
        **changes,
    }


@pytest.fixture
def make_definition() -> Callable[..., Definition]:
    """Call it with the keys that differ from a small definition of two classes."""

    def make(**changes: Any) -> Definition:
        return Definition.model_validate(definition_content(**changes))

    return make


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Definition]:
    """Write images into class folders and return their definition.

    Call it with the number of images by class, the size (width, height), keys of the source
    and keys of the definition. Files are ``{class}/{class}_{number}.png``.
    """

    def make(
        counts: Mapping[str, int],
        size: tuple[int, int] = (12, 10),
        source: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> Definition:
        rng = np.random.default_rng(0)
        root = tmp_path / "images"
        for name, count in counts.items():
            (root / name).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / name / f"{name}_{number}.png")
        content = definition_content(
            **{"classes": list(counts), **changes},
            source={"kind": "folder", "path": str(root), **(source or {})},
        )
        return Definition.model_validate(content)

    return make


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Project]:
    """Write dataset files ``first`` (grouped) and ``second`` (not), and return a project of ``studies``.

    Call it with the studies by name (a title is added) and further keys of the config.
    """

    def make(studies: Mapping[str, Mapping[str, Any]], **keys: Any) -> Project:
        folder = tmp_path / "definitions"
        folder.mkdir(exist_ok=True)
        rules = {"printed": {"positive": ["malignant"]}, "each": {}}
        for name, changes in {"first": {"group": "patient"}, "second": {}}.items():
            text = yaml.safe_dump(definition_content(labels=rules, **changes), sort_keys=False)
            (folder / f"{name}.yaml").write_text(text)
        titled = {name: {"title": name, **study} for name, study in studies.items()}
        return Project({"definitions": [str(folder)], "studies": titled, **keys}, "my.yaml")

    return make
