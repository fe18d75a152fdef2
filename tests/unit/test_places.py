"""Relative paths in configs and definitions: the working folder first, then the workflow's own."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from nullcrop.basics.errors import NullcropError
from nullcrop.config.definitions import read_definition
from nullcrop.config.grid import Grid
from nullcrop.config.models import Config, Project, read_project
from nullcrop.config.places import WORKFLOW_FOLDER, check_writable, expanded, found, no_folder
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


HOMES = {"HOME": "/homes/me", "SCRATCH": "/scratch/my files", "EMPTY": ""}


@pytest.mark.parametrize(
    "path",
    [
        "~",
        "~/a b",
        "~root/x",
        "$SCRATCH/x",
        "${SCRATCH}/x",
        "a/$SCRATCH",
        "/x~/y",
        "a~",
        "a$",
        "$EMPTY/x",
    ],
)
def test_a_path_is_replaced_as_a_shell_does(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in HOMES.items():
        monkeypatch.setenv(name, value)
    quoted = path.replace(" ", "\\ ")
    shell = subprocess.run(
        ["bash", "-c", f'x={quoted}; printf %s "$x"'], capture_output=True, text=True, check=True
    )
    assert expanded(path) == shell.stdout


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("~nosuchuser/x", "the home folder of 'nosuchuser' is not known"),
        ("$NOT_SET/x", "$NOT_SET is not set"),
        ("/data/${NOT_SET}x", "${NOT_SET} is not set"),
    ],
)
def test_an_unknown_user_or_variable_is_named_unless_something_is_called_so(
    path: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOT_SET", raising=False)
    with pytest.raises(ValueError, match=re.escape(f"'{path}': {words}; write the path in full")):
        expanded(path)
    if not path.startswith("/"):
        (tmp_path / path).parent.mkdir()
        assert expanded(path) == path


def test_every_path_of_a_config_and_a_dataset_file_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "own").mkdir()
    project = Project({"definitions": ["~/own"], "paths": {"results": "~/results"}, **CALIBRATION})
    assert project.config.definitions == [f"{tmp_path}/own"]
    assert project.config.paths.model_dump() == {
        "results": f"{tmp_path}/results",
        "resources": "resources",
        "store": f"{tmp_path}/results/datasets",
        "work": f"{tmp_path}/results/.work",
    }
    source = {"kind": "folder", "path": "~/images", "table": "$HOME/table.csv"}
    content = definition_content(source=source, group="patient", groups="~/g.csv", masks={"path": "~/masks"})
    path = tmp_path / "own" / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    read = read_definition(path).model_dump()
    found = [read["source"]["path"], read["source"]["table"], read["groups"], read["masks"]["path"]]
    assert found == [f"{tmp_path}/{name}" for name in ("images", "table.csv", "g.csv", "masks")]
    path.write_text(yaml.safe_dump(definition_content(source={**source, "path": "~nosuchuser/x"})))
    with pytest.raises(NullcropError, match=r"source\.folder\.path: '~nosuchuser/x': the home folder of"):
        read_definition(path)
    with pytest.raises(NullcropError, match=r"^config: paths: '\$NOT_SET': \$NOT_SET is not set; write"):
        Project({"paths": {"results": "$NOT_SET"}, **CALIBRATION})


def test_a_folder_into_which_nothing_can_be_written_is_named_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "open").mkdir()
    for folder in ("", "open", "open/not/yet", str(tmp_path), "~"):
        check_writable(folder, "mend it")
    for folder in ("file", "file/below"):
        with pytest.raises(NullcropError, match=re.escape(f"{tmp_path}/file is no folder: mend it")):
            check_writable(folder, "mend it")
    # Root may write whatever the mode says, but not on what is mounted to be read alone.
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != tmp_path / "open" or not mode & 2)
    check_writable("", "mend it")
    with pytest.raises(NullcropError, match=f"^nothing can be written into {tmp_path}/open: mend it$"):
        check_writable("open/not/yet", "mend it")


def test_a_target_whose_tilde_the_shell_left_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    grid = Grid(Project({"paths": {"results": "~/results"}, **CALIBRATION}))
    grid.check_target("~/elsewhere/x.csv")
    with pytest.raises(
        NullcropError, match=f"the shell did not replace `~`; name the file as {tmp_path}/res"
    ):
        grid.check_target("~/results/calibration/table.csv")


DEFINITIONS = sorted(
    path.relative_to(REPOSITORY)
    for folder in ("datasets", "companions", "phantoms", "examples/datasets", "audits/datasets")
    for path in (REPOSITORY / "config" / folder).glob("*.yaml")
)
CONFIGS = sorted(
    path.relative_to(REPOSITORY)
    for folder in ("config", "config/examples", "config/audits")
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
