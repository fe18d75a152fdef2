"""Config and dataset files: what is refused in which words, and what must agree with what."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from snakemake.utils import update_config

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.config import names
from nullcrop.config.definitions import Definition, find_definitions, read_definition
from nullcrop.config.models import Config, Project, Study, read_project
from nullcrop.config.readers import BASELINES, NETWORKS, without_pixels
from nullcrop.config.recipe import BUILT_IN, Recipe
from nullcrop.config.registry import implementation
from nullcrop.config.schema import SCHEMA_FOLDER, SCHEMAS, schema_text, write_schemas
from nullcrop.config.views import PLACES, views_made_always
from nullcrop.config.yaml_files import RULES, meant, read_yaml
from tests.conftest import definition_content

ROOT = Path(__file__).parents[2]
DATASET_FOLDERS = ("datasets", "phantoms", "companions")
YAML_FILES = sorted((ROOT / "config").rglob("*.yaml"))
DATASET_FILES = [path for path in YAML_FILES if path.parent.name in DATASET_FOLDERS]
CONFIG_FILES = [path for path in YAML_FILES if path.parent.name not in DATASET_FOLDERS]

STUDY = {"title": "A study", "datasets": ["any"]}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def schema(name: str) -> dict[str, Any]:
    return dict(json.loads((ROOT / "workflow" / "schemas" / name).read_text()))


def refusal(act: Callable[[], object]) -> str:
    """The message with which ``act`` is refused."""
    with pytest.raises(NullcropError) as caught:
        act()
    return str(caught.value)


def project(tmp_path: Path, **content: Any) -> Project:
    """A project without datasets, of one study unless ``content`` says otherwise."""
    return Project({"definitions": [str(tmp_path)], "studies": {"main": STUDY}, **content}, "my.yaml")


# The files of this repository


@pytest.mark.parametrize("path", CONFIG_FILES, ids=relative)
def test_config_files_are_valid(path: Path) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if "studies" not in content:  # an addition to others, named behind them
        content = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8")) | content
    jsonschema.validate(content, schema("config.schema.json"))
    Config.model_validate(content)


@pytest.mark.parametrize("path", DATASET_FILES, ids=relative)
def test_dataset_files_are_valid(path: Path) -> None:
    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), schema("dataset.schema.json"))
    assert read_definition(path).default_rule


def test_there_are_files_to_validate() -> None:
    assert {"config.yaml", "demo.yaml"} <= {path.name for path in CONFIG_FILES}
    assert "phantom_clean.yaml" in {path.name for path in DATASET_FILES}


def test_the_embedded_default_is_a_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    demo = read_project("config/demo.yaml")
    for dataset in demo.config.studies["demo"].datasets:
        assert demo.definition(dataset).source.kind == "phantom"


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_fresh(name: str) -> None:
    stored = (SCHEMA_FOLDER / name).read_text(encoding="utf-8")
    assert stored == schema_text(name), "run `make schema` and commit what it writes"
    jsonschema.Draft202012Validator.check_schema(json.loads(stored))


def test_schemas_are_written_where_the_editor_looks(tmp_path: Path) -> None:
    assert SCHEMA_FOLDER == ROOT / "workflow" / "schemas"
    write_schemas(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in SCHEMA_FOLDER.iterdir()}


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_key_is_described_in_the_schema(name: str) -> None:
    content = schema(name)
    models = [content, *content["$defs"].values()]
    keys = [(m["title"], key, spec) for m in models for key, spec in m.get("properties", {}).items()]
    assert len(keys) > 15

    def described(spec: dict[str, Any]) -> bool:
        part = content["$defs"].get(spec.get("$ref", "").removeprefix("#/$defs/"), {})
        return "description" in spec or "description" in part

    bare = [f"{title}.{key}" for title, key, spec in keys if key != "kind" and not described(spec)]
    assert bare == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.schema.json", {"studies": {"main": STUDY}, "device": "gpu"}),
        ("config.schema.json", {"studies": {"main": {**STUDY, "view": ["center"]}}}),
        ("config.schema.json", {"studies": {"main": STUDY}, "recipes": {"mine": {"epoch": 3}}}),
        ("config.schema.json", {"studies": {}}),
        ("dataset.schema.json", definition_content(field="part")),
        ("dataset.schema.json", definition_content(source={"kind": "folder", "path": "x", "tabel": "y"})),
    ],
)
def test_the_schema_refuses_what_the_models_refuse(name: str, content: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, schema(name))
    with pytest.raises(ValueError, match="validation error"):
        SCHEMAS[name].model_validate(content)


def pins(lines: list[str]) -> dict[str, str]:
    """Exact versions by lower-case name, each with its equal signs."""
    found = [re.fullmatch(r"([\w.-]+)(===?[^=\s]+)", line.strip()) for line in lines]
    return {match[1].lower(): match[2] for match in found if match}


def test_the_conda_environment_has_the_versions_of_the_constraints() -> None:
    conda = yaml.safe_load((ROOT / "envs" / "nullcrop.yaml").read_text())
    pip = next(entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict))
    constraints = pins((ROOT / "envs" / "constraints.txt").read_text().splitlines())
    pinned = pins(pip)
    assert len(pinned) == len(pip) > 5, "every package of envs/nullcrop.yaml needs an exact version"
    assert pinned == {name: constraints[name] for name in pinned}


def test_the_container_installs_what_the_conda_environment_names() -> None:
    conda = yaml.safe_load((ROOT / "envs" / "nullcrop.yaml").read_text())
    pip = next(entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict))
    command = re.search(r"pip install (.*)", (ROOT / "envs" / "nullcrop.def").read_text().replace("\\\n", ""))
    assert command is not None
    options = ["--no-cache-dir", "--constraint", "/opt/nullcrop/constraints.txt"]
    assert command[1].split() == [*options, *pins(pip)]


# Names and registries


def test_every_network_and_every_baseline_with_features_has_its_code() -> None:
    assert all(callable(implementation(network.build)) for network in NETWORKS.values())
    features = [baseline.features for baseline in BASELINES.values() if baseline.sees != "nothing"]
    assert all(callable(implementation(str(binding))) for binding in features)
    assert without_pixels() == ["majority", "file_facts"]


def test_networks_without_imagenet_weights_have_no_heads_to_replace() -> None:
    without = [name for name, network in NETWORKS.items() if network.checkpoint is None]
    assert without == ["lenet5", "pcam_cnn"]
    assert [name for name, network in NETWORKS.items() if not network.heads] == without


def test_split_protocols_are_plain_or_balanced() -> None:
    plain = ("official", "random", "grouped", "tenfold", "leave_one_group_out", "crossfit", "crossfit5")
    plain += ("holdout20",)
    assert set(names.SPLITS) == {*plain, *(f"{name}_balanced" for name in plain)}


# The config file


def test_what_a_config_leaves_out_is_the_studys(tmp_path: Path) -> None:
    config = project(tmp_path).config
    assert (config.crop.width, config.crop.height) == (20, 20)
    study = config.studies["main"]
    assert study.views == views_made_always()
    placed = Study.model_validate(STUDY | {"views": ["original", "center", "places"]})
    assert placed.views[:2] == ["original", "center"]
    assert sorted(placed.views[1:]) == sorted(PLACES)
    assert study.architectures == ["resnet50", "densenet121", "inception_v3", "vgg16"]
    assert config.all_recipes["paper"] == Recipe(
        weights="imagenet", learning_rate=1e-4, batch_size=32, epochs=5, input_size=None
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"crops": {}}, "unknown key 'crops'"),
        ({"crop": {"widht": 20}}, "unknown key 'crop.widht'"),
        ({"studies": {"main": {**STUDY, "seed": 0}}}, "unknown key 'studies.main.seed'"),
        ({"recipes": {"mine": {"epoch": 3}}}, "unknown key 'recipes.mine.epoch'"),
        ({"studies": {"main": {"datasets": ["any"]}}}, "key 'studies.main.title' is missing"),
        ({"studies": {"main": {"title": "Nothing"}}}, "studies.main: datasets is empty: name at least one"),
        ({"studies": {"main": {**STUDY, "views": []}}}, "studies.main: views is empty: name at least one"),
        ({"studies": {"main": {**STUDY, "parts": [{"seeds": []}]}}}, "studies.main: seeds is empty"),
        ({"studies": {"main": {**STUDY, "views": ["centre"]}}}, "studies.main.views.0: "),
        ({"studies": {"Main": STUDY}}, "'Main' must be lower-case letters, digits and underscores"),
        ({"studies": {"main": {**STUDY, "seeds": [-1]}}}, "studies.main.seeds.0: "),
        ({"crop": {"width": 3}}, "crop.width: "),
        (
            {"figure_style": {"width": 8.5}},
            "figure_style.width: 8.5 is no width: write 60 to 500, in millimetres, such as 85 for one column",
        ),
        ({"figure_style": {"width": "85mm"}}, "figure_style.width: '85mm' is no width: write 60 to 500"),
        ({"figure_style": {"font_size": 40}}, "figure_style.font_size: 40 is no size of type: write 4 to 16"),
        ({"figure_style": {"fontsize": 7}}, "unknown key 'figure_style.fontsize', did you mean 'font_size'?"),
        ({"device": "gpu"}, "device: Input should be 'auto', 'cpu' or 'cuda', found 'gpu'"),
        (
            {"studies": {"main": {**STUDY, "recipes": ["papr"]}}},
            "studies.main.recipes: unknown recipe 'papr', did you mean 'paper'?",
        ),
        (
            {"studies": {"main": {**STUDY, "parts": [{"recipes": ["quick"]}]}}},
            "studies.main.recipes: unknown recipe 'quick', known are: paper, scratch",
        ),
        (
            {"recipes": {"paper": {"epochs": 3}}},
            "recipes.paper is built in and cannot be redefined: choose another name",
        ),
        (
            {"recipes": {"baseline": {"epochs": 3}}},
            "recipes.baseline is built in and cannot be redefined: choose another name",
        ),
        ({"seeds": 3}, "seeds: a list is asked for, found 3: write [3]"),
        ({"recipes": {"mine": {"epochs": 0}}}, "recipes.mine: epochs must be greater than 0, not 0"),
        ({"recipes": {"mine": {"batch_size": 1}}}, "batch_size must be at least 2"),
        ({"recipes": {"mine": {"input_size": 7}}}, "input_size must be at least 8 pixels, not 7"),
        ({"recipes": {"mine": {"auxiliary_weight": -0.1}}}, "auxiliary_weight must be 0 or more"),
        ({"recipes": {"mine": {"learning_rate": 0}}}, "learning_rate must be greater than 0"),
    ],
)
def test_a_wrong_config_is_refused_in_the_users_words(
    content: dict[str, Any], words: str, tmp_path: Path
) -> None:
    message = refusal(lambda: project(tmp_path, **content))
    assert message.startswith("my.yaml: ")
    assert words in message


def test_a_width_on_the_command_line_is_a_number(tmp_path: Path) -> None:
    style = project(tmp_path, figure_style={"width": "85", "title": "false"}).config.figure_style
    assert (style.width, style.title) == (85.0, False)


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    message = refusal(lambda: project(tmp_path, crops={}, devices="cpu"))
    assert message == (
        "my.yaml: unknown key 'crops', did you mean 'crop'?; unknown key 'devices', did you mean 'device'?"
    )


def test_datasets_on_the_command_line_are_a_list(tmp_path: Path) -> None:
    for name in ("any", "other"):
        (tmp_path / f"{name}.yaml").write_text("")
    assert project(tmp_path, datasets="any").config.datasets == ["any"]
    assert project(tmp_path, datasets="any, other").config.datasets == ["any", "other"]


def test_an_unknown_dataset_is_named_with_what_was_meant(tmp_path: Path) -> None:
    (tmp_path / "breastmnist.yaml").write_text("")
    message = refusal(lambda: project(tmp_path, datasets=["brestmnist"]))
    assert "unknown dataset 'brestmnist', did you mean 'breastmnist'?" in message
    assert f"definitions are read from {tmp_path}" in message


def test_a_missing_folder_of_definitions_is_named(tmp_path: Path) -> None:
    message = refusal(lambda: project(tmp_path, definitions=[str(tmp_path / "none")]))
    assert message == f"definitions: there is no folder {tmp_path / 'none'}"


def test_a_dataset_defined_twice_is_refused(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.yaml").write_text("")
    message = refusal(lambda: find_definitions([str(tmp_path / "one"), str(tmp_path / "two")]))
    assert message.startswith("dataset 'same' is defined twice: ")
    assert str(tmp_path / "one" / "same.yaml") in message
    assert str(tmp_path / "two" / "same.yaml") in message


@pytest.mark.parametrize("text", ["studies: [unclosed\n", "studies:\n\t- tab\n", "a: b: c\n"])
def test_a_file_that_is_not_yaml_is_named_with_the_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    for read in (read_project, read_definition):
        message = refusal(lambda read=read: read(path))
        assert message.startswith(f"{path} is not valid YAML: ")
        assert re.search(r"line \d", message)
        assert "\n" not in message


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "image.yaml").write_bytes(b"\x89PNG\r\n\xff\xfe")
    assert "image.yaml is not valid YAML: " in refusal(lambda: read_yaml(tmp_path / "image.yaml"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    assert refusal(lambda: read_project(path)) == f"{path}: there is no such file"


@pytest.mark.parametrize("text", ["", "- main\n", "main\n"])
def test_a_config_that_is_no_mapping_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text)
    assert "the config must be a mapping of keys" in refusal(lambda: read_project(tmp_path / "config.yaml"))


# Recipes


@given(
    recipe=st.builds(
        Recipe,
        weights=st.sampled_from(["imagenet", "random"]),
        input_size=st.none() | st.integers(8, 600),
        learning_rate=st.floats(1e-9, 10),
        batch_size=st.integers(2, 512),
        epochs=st.integers(1, 300),
        auxiliary_weight=st.floats(0, 1),
    )
)
def test_a_recipe_is_read_back_from_its_one_line_of_json(recipe: Recipe) -> None:
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert "\n" not in recipe.to_json()


@pytest.mark.parametrize(
    ("key", "taken", "refused", "words"),
    [
        ("plateau_patience", [1], [0], "must be at least 1 epoch"),
        ("early_stopping", [1], [0], "must be at least 1 epoch"),
        ("decay", [0.0], [-1e-9, float("inf"), float("nan")], "must be 0 or more"),
        ("plateau_factor", [1e-9, 0.999], [0.0, 1.0, float("nan")], "must lie between 0 and 1"),
        ("dropout", [0.0, 0.999], [-0.1, 1.0, float("nan")], "must be 0 or more and less than 1"),
        ("rotation", [0.0, 180.0], [-1.0, 180.5, float("nan")], "must lie between 0 and 180 degrees"),
    ],
)
def test_a_number_of_a_recipe_is_taken_up_to_its_bound(
    key: str, taken: list[float], refused: list[float], words: str, tmp_path: Path
) -> None:
    for value in taken:
        recipe = project(tmp_path, recipes={"mine": {key: value}}).config.all_recipes["mine"]
        assert getattr(recipe, key) == value
    for value in refused:
        message = refusal(lambda value=value: project(tmp_path, recipes={"mine": {key: value}}))
        assert message == f"my.yaml: recipes.mine: {key} {words}, not {value}"


def test_the_defaults_are_the_studys_and_stay_so() -> None:
    """A cell's identity leaves out what stands at its default, so a default must never change."""
    assert asdict(Recipe()) == {
        "weights": "imagenet",
        "input_size": None,
        "learning_rate": 1e-4,
        "batch_size": 32,
        "epochs": 5,
        "auxiliary_weight": 0.4,
        "decay": 0.0,
        "plateau_patience": None,
        "plateau_factor": 0.5,
        "early_stopping": None,
        "tested": "last",
        "train": "all",
        "output": "softmax",
        "dropout": None,
        "flips": False,
        "rotation": 0.0,
    }


def test_the_json_of_a_recipe_names_what_differs_from_the_studys() -> None:
    assert BUILT_IN["paper"].to_json() == "{}"
    assert json.loads(BUILT_IN["scratch"].to_json()) == {"weights": "random"}


PIN = {"repository": "timm/vit_tiny.a1", "revision": "0" * 40, "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            {"studies": {"Main": STUDY}},
            "studies.Main: 'Main' must be lower-case letters, digits and underscores",
        ),
        ({"paths": {"store": "a{b}"}}, "paths.store: 'a{b}' must not contain braces"),
        (
            {"weights": {"timm:x": {**PIN, "repository": "vit"}}},
            "weights.timm:x.repository: 'vit' must be owner/name, as on huggingface.co",
        ),
        (
            {"weights": {"timm:x": {**PIN, "revision": "main"}}},
            "weights.timm:x.revision: 'main' must be a commit: 40 hexadecimal digits in lower case",
        ),
        (
            {"weights": {"timm:x": {**PIN, "sha256": "ABC"}}},
            "weights.timm:x.sha256: 'ABC' must be 64 hexadecimal digits in lower case",
        ),
        (
            {"weights": {"timm:x": {**PIN, "file": "a/b.bin"}}},
            "weights.timm:x.file: 'a/b.bin' must be the name of a file, without folders",
        ),
        (
            {"weights": {"timm:x": {**PIN, "sha265": "0"}}},
            "unknown key 'weights.timm:x.sha265', did you mean 'sha256'?",
        ),
        ({"devise": "cpu"}, "unknown key 'devise', did you mean 'device'?"),
        (
            {"studies": {"main": {**STUDY, "parts": [{"view": ["center"]}]}}},
            "unknown key 'studies.main.parts.0.view', did you mean 'views'?",
        ),
        ({"crop": {"size": 3}}, "unknown key 'crop.size', known are: width, height"),
        ({"recipes": {"mine": {"epoch": 3}}}, "unknown key 'recipes.mine.epoch', did you mean 'epochs'?"),
        (
            {"studies": {"main": {**STUDY, "views": ["uper_left"]}}},
            "studies.main.views.0: unknown view 'uper_left', did you mean 'upper_left'?",
        ),
    ],
)
def test_an_error_says_which_key_what_it_holds_and_what_is_allowed(
    content: dict[str, Any], words: str, tmp_path: Path
) -> None:
    assert words in refusal(lambda: project(tmp_path, **content))


def test_every_pattern_of_the_models_has_words_of_its_own() -> None:
    def patterns(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            yield from (value for key, value in part.items() if key == "pattern" and isinstance(value, str))
        for one in part.values() if isinstance(part, dict) else part if isinstance(part, list) else []:
            yield from patterns(one)

    found = {pattern for name in SCHEMAS for pattern in patterns(schema(name))}
    # Networks, splits, views made of two and treatments are checked by functions of their own.
    marks = ("timm", "leave_one_group_out", "low_pass", "crop_border")
    checked = {pattern for pattern in found if any(mark in pattern for mark in marks)}
    assert found - checked == set(RULES)
    assert len(set(RULES.values())) == len(RULES)


# Dataset files


def definition_file(tmp_path: Path, **changes: Any) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(definition_content(**changes), sort_keys=False))
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lables": {}}, "unknown key 'lables'"),
        (
            {"source": {"kind": "folder", "path": "x", "tabel": "y"}},
            "unknown key 'source.folder.tabel', did you mean 'table'?",
        ),
        ({"source": {"kind": "folder"}}, "key 'source.folder.path' is missing"),
        ({"source": {"kind": "disk"}}, "source: Input tag 'disk' found"),
        ({"classes": ["benign"]}, "classes: "),
        ({"classes": ["benign", "malignant", "benign"]}, "classes names benign twice"),
        (
            {"classes": [True, False]},
            "classes.0: YAML takes yes, no, on, off, true and false for True; put the word in quotes",
        ),
        ({"classes": [0, 1]}, 'classes.0: 0 is a number, and a text is asked for; put it in quotes: "0"'),
        (
            {"source": {"kind": "medmnist", "flag": "chestmnist"}},
            "source.medmnist.flag: chestmnist has several labels an image and cannot be audited",
        ),
        ({"source": {"kind": "medmnist", "flag": "BreastMNIST"}}, "did you mean 'breastmnist'?"),
        ({"labels": {}}, "labels: "),
        ({"labels": {"as printed": {}}}, "'as printed' must be lower-case letters, digits and underscores"),
        (
            {"labels": {"printed": {"positive": ["malign"]}}},
            "labels.printed.positive names malign, which is not among the classes benign, malignant",
        ),
        (
            {"labels": {"printed": {"positive": ["benign", "malignant"]}}},
            "labels.printed.positive must name some, not all, of the classes",
        ),
        ({"labels": {"printed": {"positive": []}}}, "labels.printed.positive must name some, not all"),
        ({"expected": {"classes": {"healthy": 3}}}, "expected.classes names healthy, which is not among"),
        ({"expected": {"splits": {"training": 3}}}, "expected.splits.training"),
        ({"field": "part"}, "field: Input should be 'tile' or 'whole', found 'part'"),
        ({"on_mismatch": "ignore"}, "on_mismatch: "),
    ],
)
def test_a_wrong_dataset_file_is_refused_in_the_users_words(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    path = definition_file(tmp_path, **changes)
    message = refusal(lambda: read_definition(path))
    assert message.startswith(f"{path}: ")
    assert words in message


@pytest.mark.parametrize("key", ["source", "classes", "field"])
def test_a_dataset_file_without_a_needed_key_is_refused(key: str, tmp_path: Path) -> None:
    content = definition_content()
    del content[key]
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(content))
    assert f"key '{key}' is missing" in refusal(lambda: read_definition(tmp_path / "small.yaml"))


ARCHIVE = {"kind": "archive", "name_pattern": "(?P<class>benign|malignant)/"}


@pytest.mark.parametrize("key", ["title", "modality", "licence", "citation"])
def test_only_a_folder_of_ones_own_need_not_be_described(key: str, tmp_path: Path) -> None:
    content = definition_content()
    del content[key]
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(content))
    assert read_definition(path).source.kind == "folder"
    path.write_text(yaml.safe_dump({**content, "source": {**ARCHIVE, "files": {"https://x/a.zip": None}}}))
    message = refusal(lambda: read_definition(path))
    assert f"{key} is missing; only of a folder of your own (`source: {{kind: folder}}`)" in message


@pytest.mark.parametrize(
    ("taken", "refused", "words"),
    [
        *(
            ({"https://x/a.zip": good}, {"https://x/a.zip": bad}, f"'{bad}' is no checksum: write sha256:")
            for good, bad in [
                (f"sha256:{'0' * 64}", "0" * 64),
                (f"sha1:{'a' * 40}", f"sha1:{'A' * 40}"),
                (f"md5:{'9' * 32}", f"md5:{'9' * 31}"),
            ]
        ),
        (
            {"https://x/a.zip": None, "https://y/b.zip": None},
            {"https://x/a.zip": None, "https://y/a.zip": None},
            "two files are called a.zip",
        ),
    ],
)
def test_files_of_an_archive_have_checksums_and_names_of_their_own(
    taken: dict[str, str | None], refused: dict[str, str | None], words: str, tmp_path: Path
) -> None:
    good = read_definition(definition_file(tmp_path, source={**ARCHIVE, "files": taken}))
    assert good.source.model_dump()["files"] == taken
    path = definition_file(tmp_path, source={**ARCHIVE, "files": refused})
    assert f"source.archive.files: {words}" in refusal(lambda: read_definition(path))


def test_an_empty_dataset_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text("")
    assert f"{tmp_path / 'small.yaml'}: (top level): " in refusal(
        lambda: read_definition(tmp_path / "small.yaml")
    )


def test_targets_follow_the_label_rule(make_definition: Callable[..., Definition]) -> None:
    definition = make_definition(
        classes=["nevus", "melanoma", "keratosis"],
        labels={"printed": {"positive": ["melanoma"]}, "each": {}},
    )
    assert definition.default_rule == "printed"
    assert definition.targets("printed") == {"nevus": 0, "melanoma": 1, "keratosis": 0}
    assert definition.target_names("printed") == ["nevus, keratosis", "melanoma"]
    assert definition.targets("each") == {"nevus": 0, "melanoma": 1, "keratosis": 2}
    assert definition.target_names("each") == ["nevus", "melanoma", "keratosis"]
    with pytest.raises(NullcropError, match="no label rule 'other'; it has printed, each"):
        definition.targets("other")


# Words


def test_a_hint_names_the_nearest_word_or_all_of_them() -> None:
    assert meant("centre", views_made_always()) == "did you mean 'center'?"
    assert meant("CENTER", views_made_always()) == "did you mean 'center'?"
    assert meant("xyz", ["one", "two"]) == "known are: one, two"
    assert meant("xyz", []) == "known are: none"


def test_a_long_list_says_how_many_more_there_are() -> None:
    assert listed(range(3)) == "0, 1, 2"
    assert listed(range(12)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
    assert listed("abc", limit=3) == "a, b, c"


def test_several_config_files_are_joined_as_snakemake_joins_them(tmp_path: Path) -> None:
    first = {
        "studies": {"main": {"title": "t", "datasets": ["idc"], "seeds": [1]}},
        "paths": {"results": "r"},
    }
    second = {
        "seeds": [0, 1],
        "studies": {"main": {"seeds": [2]}, "more": {"title": "m", "datasets": ["idc"]}},
    }
    for name, content in (("first", first), ("second", second)):
        (tmp_path / f"{name}.yaml").write_text(
            yaml.safe_dump({"definitions": ["config/datasets"], **content})
        )
    project = read_project(tmp_path / "first.yaml", tmp_path / "second.yaml")
    expected = {"definitions": ["config/datasets"], **json.loads(json.dumps(first))}
    update_config(expected, second)  # Snakemake's own
    assert project.config == Config.model_validate(expected)
    assert project.config.studies["main"].seeds == [2]


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({}, ""),
        ({"group": "patient (the number in the file name, 2523 in DC-2523.png)"}, "patient"),
        ({"group": "subject and pose (yaleB11_P00), whose 65 images are alike"}, "subject and pose"),
        ({"duplicates": "group"}, "cluster of duplicates"),
        ({"duplicates": "group", "group": "lesion"}, "lesion"),
    ],
)
def test_sentences_name_a_group_without_its_explanation(
    make_definition: Callable[..., Definition], keys: dict[str, str], word: str
) -> None:
    assert make_definition(**keys).group_word == word
