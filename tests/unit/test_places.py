"""Relative paths in configs and definitions: the working folder first, then the workflow's own."""

from pathlib import Path

import pytest
import yaml

from nullcrop.basics.errors import NullcropError
from nullcrop.config.definitions import read_definition
from nullcrop.config.models import Config, Project, read_project
from nullcrop.config.places import WORKFLOW_FOLDER, found, no_folder
from tests.conftest import definition_content

REPOSITORY = Path(__file__).parents[2]
PUBLISHED = "resources/published/claims.csv"
CALIBRATION = {"calibration": {"recipe": "scratch", "series": [{"cue": "none", "datasets": 1}]}}


def test_the_workflows_folder_is_the_snakefiles() -> None:
    assert WORKFLOW_FOLDER == REPOSITORY
    assert (WORKFLOW_FOLDER / "Snakefile").is_file()


def test_the_working_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert found(PUBLISHED) == str(REPOSITORY / PUBLISHED)
    (tmp_path / PUBLISHED).parent.mkdir(parents=True)
    (tmp_path / PUBLISHED).touch()
    assert found(PUBLISHED) == PUBLISHED


@pytest.mark.parametrize("path", ["nowhere/at/all", "/nowhere/at/all", "", "..", str(REPOSITORY / PUBLISHED)])
def test_what_is_absolute_or_nowhere_stays_as_it_is(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert found(path) == path


def test_a_message_says_where_a_relative_folder_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert no_folder("mine") == f"there is no folder mine (seen from {tmp_path} or from {REPOSITORY})"
    assert no_folder("/mine") == "there is no folder /mine"
    monkeypatch.chdir(REPOSITORY)
    assert no_folder("mine") == f"there is no folder mine (seen from {REPOSITORY})"
    with pytest.raises(NullcropError, match=r"^definitions: there is no folder mine \(seen from"):
        Project({"definitions": ["mine"], **CALIBRATION})


DEFINITIONS = sorted(
    path.relative_to(REPOSITORY)
    for folder in ("datasets", "companions", "phantoms", "examples/datasets")
    for path in (REPOSITORY / "config" / folder).glob("*.yaml")
)
CONFIGS = sorted(
    path.relative_to(REPOSITORY)
    for folder in ("config", "config/examples")
    for path in (REPOSITORY / folder).glob("*.yaml")
    if "studies" in yaml.safe_load(path.read_text(encoding="utf-8"))
)


def paths_of(content: dict[str, object]) -> list[object]:
    """What a dataset file names as paths, wherever it may."""
    source = content["source"]
    assert isinstance(source, dict)
    return [content.get("groups"), *(source.get(key) for key in ("path", "table", "data_dir"))]


@pytest.mark.parametrize("path", DEFINITIONS, ids=str)
def test_in_the_workflows_folder_definitions_say_what_they_said(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths are parameters of rules: another text would list the images of finished cells again."""
    monkeypatch.chdir(REPOSITORY)
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert paths_of(read_definition(path).model_dump()) == paths_of(written)


@pytest.mark.parametrize("path", CONFIGS, ids=str)
def test_configs_of_the_workflow_are_read_from_any_folder(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    here = read_project(path)
    assert here.config.definitions == yaml.safe_load(path.read_text(encoding="utf-8"))["definitions"]
    monkeypatch.chdir(tmp_path)
    there = read_project(path)
    assert {name: REPOSITORY / path for name, path in here.definition_paths.items()} == there.definition_paths
    for name in here.definition_paths:
        written = paths_of(yaml.safe_load((REPOSITORY / here.definition_paths[name]).read_text("utf-8")))
        for text, read in zip(written, paths_of(there.definition(name).model_dump()), strict=True):
            assert text is None or not Path(REPOSITORY, str(text)).exists() or Path(str(read)).exists()


def test_folders_that_are_written_lie_below_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`resources` is in the workflow's folder too, and yet archives go below the working folder."""
    monkeypatch.chdir(tmp_path)
    config = Config.model_validate(CALIBRATION)
    assert config.paths.model_dump() == {
        "results": "results",
        "resources": "resources",
        "store": "results/datasets",
        "work": "results/.work",
    }
    assert config.definitions == [str(REPOSITORY / "config/datasets")]


def test_a_users_own_files_may_stand_beside_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "images").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    content = definition_content(source={"kind": "folder", "path": "../images"})
    Path("own.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    assert read_definition("own.yaml").source.path == "../images"  # type: ignore[union-attr]
