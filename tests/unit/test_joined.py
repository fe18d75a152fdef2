"""Several datasets as the classes of one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from pydantic import ValidationError

from nullcrop.basics.errors import NullcropError
from nullcrop.config.dataset_files import listed_from
from nullcrop.config.dataset_params import archive_param
from nullcrop.config.definitions import Definition, read_definition
from nullcrop.config.grid import Grid
from nullcrop.config.models import Project, read_project
from nullcrop.datasets.samples import list_samples, read_samples

JOINT = {
    **{"title": "Which one", "modality": "any", "field": "whole", "licence": "none", "citation": "none"},
    **{"source": {"kind": "datasets", "names": ["one", "two"]}, "classes": ["one", "two"]},
}


def a_folder(where: Path, seed: int) -> dict[str, Any]:
    """A definition of a folder with eight images in two classes, of four patients."""
    rng = np.random.default_rng(seed)
    for number in range(8):
        path = where / ("benign", "malignant")[number % 2] / f"p{number // 2}_{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (30 + seed, 40, 3), np.uint8)).save(path)
    source = {"kind": "folder", "path": str(where), "group_pattern": "(p[0-9])_"}
    return {"field": "whole", "source": source, "classes": ["benign", "malignant"], "group": "patient"}


@pytest.fixture
def joined(tmp_path: Path) -> Callable[..., Project]:
    """A project with the datasets `one` and `two`, and `which`, which is made of them."""

    def make(**changes: dict[str, Any]) -> Project:
        files = {name: a_folder(tmp_path / "images" / name, seed) for seed, name in enumerate(("one", "two"))}
        files["which"] = JOINT | {"group": "patient"}
        for name, content in files.items():
            path = tmp_path / "definitions" / f"{name}.yaml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(yaml.safe_dump(content | changes.get(name, {})))
        study = {"title": "Toy", "datasets": ["which"], "splits": ["grouped"]}
        study |= {"architectures": ["lenet5"], "recipes": ["scratch"]}
        config = tmp_path / "config.yaml"
        config.write_text(
            yaml.safe_dump(
                {
                    "definitions": [str(tmp_path / "definitions")],
                    "studies": {"toy": study},
                    "paths": {"results": str(tmp_path / "results")},
                }
            )
        )
        return read_project(config)

    return make


def test_the_images_are_those_of_all_datasets_and_the_class_is_the_dataset(
    joined: Callable[..., Project], tmp_path: Path
) -> None:
    project = joined()
    datasets = tmp_path / "results" / "datasets"
    for name in ("one", "two"):
        list_samples(name, project.definition(name), Path("none"), datasets / name, threads=1)
    archive = Path(archive_param(project, "which"))
    list_samples("which", project.definition("which"), archive, datasets / "which", threads=1)
    parts = {name: read_samples(datasets / name / "samples.csv") for name in ("one", "two")}
    found = read_samples(datasets / "which" / "samples.csv")
    assert set(found["path"]) == set(parts["one"]["path"]) | set(parts["two"]["path"])
    for target, (name, own) in enumerate(parts.items()):
        rows = found[found["class"] == name]
        assert (rows["target"] == target).all()
        assert list(rows["path"]) == list(own["path"])
        assert list(rows["id"]) == [f"{name}/{one}" for one in own["id"]]
        assert list(rows["group"]) == [f"{name}/{one}" for one in own["group"]]
        pd.testing.assert_frame_equal(
            rows[["width", "height", "file_bytes"]].reset_index(drop=True),
            own[["width", "height", "file_bytes"]],
        )
    assert (found["official_split"] == "").all()


def test_images_without_a_group_stay_without_one(joined: Callable[..., Project], tmp_path: Path) -> None:
    project = joined(one={"group": None, "source": {"kind": "folder", "path": str(tmp_path / "images/one")}})
    datasets = tmp_path / "results" / "datasets"
    for name in ("one", "two", "which"):
        archive = Path(archive_param(project, name))
        list_samples(name, project.definition(name), archive, datasets / name, threads=1)
    found = read_samples(datasets / "which" / "samples.csv")
    assert set(found.loc[found["class"] == "one", "group"]) == {""}
    assert all(found.loc[found["class"] == "two", "group"].str.startswith("two/p"))


def test_the_plan_lists_the_parts_first_and_archives_stay_where_they_were(
    joined: Callable[..., Project],
) -> None:
    project = joined()
    grid, results = Grid(project), project.config.paths.results
    assert grid.values("dataset") == ["which"]
    assert grid.listed_datasets == ["one", "two", "which"]
    wanted = [f"{results}/datasets/{name}/samples.csv" for name in ("one", "two")]
    assert listed_from(project, "which") == wanted
    assert archive_param(project, "which") == f"{results}/datasets"
    assert archive_param(project, "one") == f"{project.config.paths.resources}/archives/one"


def test_its_classes_are_the_datasets() -> None:
    labels = {"second": {"positive": ["two"]}}
    told = Definition.model_validate(JOINT | {"classes": ["two", "one"], "labels": labels})
    assert told.targets("second") == {"two": 1, "one": 0}
    with pytest.raises(ValidationError, match="classes are the datasets that the source names, one, two"):
        Definition.model_validate(JOINT | {"classes": ["one", "three"]})


def test_targets_of_parts_are_known_and_their_downloads_are_looked_at(
    joined: Callable[..., Project],
) -> None:
    grid = Grid(joined())
    results = grid.project.config.paths.results
    grid.check_target(f"{results}/datasets/one/samples.csv")
    with pytest.raises(NullcropError, match="unknown dataset 'onee'"):
        grid.check_target(f"{results}/datasets/onee/samples.csv")


def test_a_part_that_cannot_be_read_so_is_refused_in_words(joined: Callable[..., Project]) -> None:
    with pytest.raises(
        NullcropError, match="'which' names 'two', which is itself made of datasets; name those"
    ):
        Grid(
            joined(
                two=JOINT
                | {"source": {"kind": "datasets", "names": ["one", "which"]}, "classes": ["one", "which"]}
            )
        )
    with pytest.raises(NullcropError, match="gray values of 'one' are read by the rule"):
        Grid(joined(one={"bits": 12}))
    Grid(joined(one={"bits": 12}, two={"bits": 12}, which={"bits": 12}))
    with pytest.raises(NullcropError, match="unknown dataset 'thre', known are: one, two, which"):
        Grid(
            joined(
                which={"source": {"kind": "datasets", "names": ["one", "thre"]}, "classes": ["one", "thre"]}
            )
        )


def test_a_single_dataset_is_no_question(tmp_path: Path) -> None:
    path = tmp_path / "which.yaml"
    path.write_text(yaml.safe_dump(JOINT | {"source": {"kind": "datasets", "names": ["one"]}}))
    with pytest.raises(NullcropError, match=r"which\.yaml: .*names"):
        read_definition(path)
