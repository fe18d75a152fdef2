"""Records and their registries: what may be added, in which words it is refused, and what never moves."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullcrop.basics.errors import NullcropError
from nullcrop.cli import main
from nullcrop.config import registry as module
from nullcrop.config.figures import FIGURES
from nullcrop.config.names import (
    ANY_SPLIT_PATTERN,
    PROTOCOLS,
    SPLIT_PATTERN,
    SplitName,
    base_split,
    place_of_split,
    protocol_of,
    split_name,
)
from nullcrop.config.readers import BASELINES, NETWORKS, Baseline, Look, Network, in_order, look_of
from nullcrop.config.registry import Registry, implementation, load_extensions
from nullcrop.config.sources import SOURCES
from nullcrop.config.views import (
    VIEWS,
    View,
    judging_views,
    place_of_view,
    places_between,
    study_crops,
    view_label,
    view_names,
    view_of,
    view_pattern,
    views_in_order,
    views_made_always,
)
from nullcrop.images.views import view_function

ROOT = Path(__file__).parents[2]
EXTENSIONS = ROOT / "tests" / "extensions"


@pytest.fixture
def registries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is registered here is gone afterwards."""
    for one in (VIEWS, NETWORKS, BASELINES, FIGURES, SOURCES):
        monkeypatch.setattr(one, "_records", dict(one._records))
        monkeypatch.setattr(one, "_origins", dict(one._origins))
    monkeypatch.setattr(module, "_loaded", {})
    loaded = set(sys.modules)
    yield
    for name in set(sys.modules) - loaded:
        if name.startswith("nullcrop_extension_"):
            del sys.modules[name]


@pytest.fixture
def inverted(registries: None) -> View:
    """A whole-image view of an extension, from which others can be cut."""
    load_extensions([EXTENSIONS / "inverted.py"])
    return VIEWS["inverted"]


# Registries and extensions


@pytest.mark.parametrize(
    "binding",
    [
        *(view.function for view in VIEWS.values()),
        *(network.build for network in NETWORKS.values()),
        *(baseline.features for baseline in BASELINES.values() if baseline.features),
        *(figure.plot for figure in FIGURES.values()),
        *(
            binding
            for source in SOURCES.values()
            for binding in (source.model, source.list, source.describe, source.fetch, source.check)
            if binding
        ),
    ],
)
def test_every_binding_names_something_that_can_be_called(binding: str) -> None:
    assert callable(implementation(binding))


@pytest.mark.parametrize(
    ("binding", "words"),
    [
        ("nullcrop.no_such_room:any", "'nullcrop.no_such_room:any' names no module"),
        ("nullcrop.images.views:any", "the module nullcrop.images.views has no 'any'"),
    ],
)
def test_a_binding_that_names_nothing_is_told(binding: str, words: str) -> None:
    with pytest.raises(NullcropError, match=words):
        implementation(binding)


def test_names_are_unique_over_what_shares_an_axis() -> None:
    with pytest.raises(NullcropError, match="there is a view 'center' already"):
        VIEWS.register(replace(VIEWS["forehead"], name="center"))
    look = Look("#000000", dark="#FFFFFF", mark="o")
    with pytest.raises(NullcropError, match="there is a network 'lenet5' already"):
        BASELINES.register(Baseline("lenet5", "any", look, "anything", "nothing"))


@pytest.mark.parametrize("name", ["", "Two", "a-b", "a.b", "a b", "a/b", "1st", "a+b", "ä"])
def test_a_name_can_stand_in_a_path(name: str) -> None:
    with pytest.raises(NullcropError, match="a name is lower-case letters, digits and underscores"):
        Registry[View]("view").register(replace(VIEWS["forehead"], name=name))


@pytest.mark.parametrize(
    ("colour", "mark", "words"),
    [("red", "o", "'red' is no colour"), ("#12345G", "o", "no colour")]
    + [("#123456", mark, "is no filled mark: choose one of o v") for mark in ("x", "oo", "")],
)
def test_a_look_that_cannot_be_drawn_is_refused(colour: str, mark: str, words: str) -> None:
    with pytest.raises(NullcropError, match=words):
        Look(colour, dark="#FFFFFF", mark=mark)


def test_an_extension_is_run_once_and_known_as_the_origin(registries: None, tmp_path: Path) -> None:
    file = EXTENSIONS / "inverted.py"
    load_extensions([file])
    load_extensions([file, str(file)])
    assert VIEWS.origin("inverted") == file
    assert VIEWS.origin("center") is None
    other = tmp_path / "inverted.py"
    other.write_text("")
    with pytest.raises(NullcropError, match="have one name: rename one of them"):
        load_extensions([other])
    (tmp_path / "text.txt").write_text("")
    with pytest.raises(NullcropError, match=r"its name must end in \.py"):
        load_extensions([tmp_path / "text.txt"])


def test_a_command_knows_the_extensions_of_its_environment(
    registries: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(module.EXTENSIONS, module.in_environment([EXTENSIONS / "inverted.py", "no_such.py"]))
    assert main(["write-schemas"]) == 1
    assert "extensions: there is no file" in capsys.readouterr().err
    assert "inverted" in VIEWS


def test_planning_with_extensions_loads_neither_torch_nor_matplotlib(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text((ROOT / "config/phantoms/phantom_clean.yaml").read_text())
    content = {
        "definitions": [str(tmp_path)],
        "extensions": [str(path) for path in sorted(EXTENSIONS.glob("*.py"))],
        "studies": {
            "own": {
                "title": "Own",
                "datasets": ["one"],
                "architectures": ["small_cnn"],
                "recipes": ["scratch"],
                "views": ["inverted", "inverted.center"],
                "baselines": ["steps"],
            }
        },
    }
    program = (
        "import sys\n"
        "from nullcrop.config.grid import Grid\n"
        "from nullcrop.config.models import Project\n"
        f"grid = Grid(Project({content!r}))\n"
        "assert len(grid.all_cells) == 4 and grid.targets()\n"
        "print(sorted({'torch', 'matplotlib', 'sklearn', 'timm'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_every_dry_run_and_figure_imports_is_light() -> None:
    """Half a study's jobs compute no statistics: libraries of statistics wait until they are asked."""
    modules = ("status.remade", "status.foresight", "figures.job", "cues.leak_map", "report.contents")
    program = (
        "import sys\n"
        f"import {', '.join(f'nullcrop.{name}' for name in modules)}\n"
        "heavy = {'scipy.stats', 'scipy.special', 'sklearn', 'statsmodels', 'skimage', 'torch'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Views


def test_the_study_views_are_cut_where_they_were_and_judge_what_they_judged() -> None:
    crops = ["upper_left", "upper_right", "center", "bottom_left", "bottom_right"]
    assert views_made_always() == ["original", *crops]
    assert study_crops() == judging_views("tile") == crops
    assert judging_views("whole") == [crop for crop in crops if crop != "center"]


OF_THE_STUDY = ["original", "upper_left", "upper_right", "center", "bottom_left", "bottom_right"]
FIRST_FURTHER = ["forehead", "otsu_foreground", "otsu_background"]


@given(
    seed=st.integers(0, 2**31 - 1),
    size=st.integers(1, 60),
    view=st.sampled_from([*OF_THE_STUDY, *FIRST_FURTHER]),
)
def test_finished_cells_stay_in_their_batches(seed: int, size: int, view: str) -> None:
    """The numbers as they always were, written by hand."""
    if view in OF_THE_STUDY:
        expected = (seed * 6 + OF_THE_STUDY.index(view)) // size
    else:
        expected = 10**12 + (seed * 3 + FIRST_FURTHER.index(view)) // size
    assert view_of(view).batch(seed, size) == expected


def test_a_new_view_shares_a_batch_with_itself_alone(inverted: View) -> None:
    cuts = [f"inverted.{crop}" for crop in study_crops()]
    numbers = {
        name: {view_of(name).batch(seed, 6) for seed in range(600)}
        for name in [*VIEWS, *cuts, "inverted.forehead"]
    }
    old, own = set(VIEWS) - {"inverted"}, {"inverted", "inverted.forehead"}
    assert all(not numbers[a] & numbers[b] for a in own for b in numbers if a != b)
    assert all(not numbers[a] & numbers[b] for a in cuts for b in old)
    # The crops of one filter are trained side by side, as the study's are.
    assert all(numbers[a] == numbers[b] for a, b in pairwise(cuts))


def test_a_view_made_of_two_is_named_cut_and_ordered_by_both(inverted: View) -> None:
    view = view_of("inverted.upper_left")
    assert (view.label, view.size, view.judges, view.always) == ("inverted, upper left", "crop", (), False)
    image = np.random.default_rng(0).integers(0, 256, (9, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(view_function(view.name)(image, None, 3, 2), 255 - image[:2, :3])
    mixed = ["inverted.center", "center", "inverted.upper_left", "unknown", "inverted", "original"]
    assert views_in_order(mixed) == [
        *("original", "center", "inverted", "inverted.upper_left", "inverted.center", "unknown"),
    ]
    assert view_label("unknown_filter.center") == "unknown filter, center"


def test_what_cannot_be_cut_or_is_misspelt_is_no_view(inverted: View) -> None:
    wrong = [
        "inverted.inverted",
        "inverted.original",
        "original.center",
        "center.inverted",
        "inverted.",
        ".center",
    ]
    for name in [*wrong, "inverted.center.center", "inverted.centre", "Inverted", ""]:
        with pytest.raises(NullcropError, match="unknown view"):
            view_of(name)
        assert not re.fullmatch(view_pattern(), name), name
    for name in view_names():
        assert re.fullmatch(view_pattern(), name)
        apart = view_of(name).always or name in places_between()
        assert bool(re.fullmatch(view_pattern(further=True), name)) == (not apart)
        assert place_of_view(name) == (view_names().index(name), "")


def test_records_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(NullcropError, match="cannot be cut any further"):
        View("own", "own", "anything", "own:own", filters=True)
    with pytest.raises(NullcropError, match="every dataset has the study's six views alone"):
        View("own", "own", "anything", "own:own", always=True)
    for changes in ({"in_page": True}, {"reads": ("cells",)}):
        with pytest.raises(NullcropError, match="the figure 'verdicts' is drawn once a study"):
            replace(FIGURES["verdicts"], **changes)


# Networks and baselines


def test_readers_stand_in_the_order_of_their_registries_timm_between() -> None:
    names = [*NETWORKS, "timm:a", "timm:b", *BASELINES]
    assert in_order(reversed(names)) == names


def test_a_network_of_timm_has_one_look_in_every_process() -> None:
    """Each figure is drawn by a process of its own, in which texts have other hashes."""
    looks = [look_of(f"timm:{number}") for number in range(50)]
    assert len(set(looks)) > 1
    drawn = "from nullcrop.config.readers import look_of; print([look_of(f'timm:{n}') for n in range(50)])"
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    program = [sys.executable, "-c", drawn]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"{looks}\n"


def test_an_own_network_comes_before_those_of_timm(registries: None) -> None:
    NETWORKS.register(Network("own", "own", NETWORKS["lenet5"].look, "own:own", 20, 16))
    assert in_order(["majority", "timm:a", "own", "resnet50"]) == ["resnet50", "own", "timm:a", "majority"]


# Composed names

ATTRIBUTES = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True).filter(
    lambda name: not re.search(r"_shuffle[0-9]*$", name)
)
SPLIT_NAMES = st.builds(
    SplitName,
    protocol=st.sampled_from(PROTOCOLS),
    balanced=st.none() | st.integers(0, 10**6),
    match=st.just("") | ATTRIBUTES,
    shuffle=st.integers(0, 200),
)


@given(name=SPLIT_NAMES)
def test_the_name_of_a_split_says_what_it_was_made_of(name: SplitName) -> None:
    text = str(name)
    assert split_name(text) == name
    assert re.fullmatch(ANY_SPLIT_PATTERN, text)
    assert bool(re.fullmatch(SPLIT_PATTERN, text)) == (name.shuffle == 0)
    assert base_split(text) == (str(replace(name, shuffle=0)), name.shuffle)
    assert protocol_of(text) == name.protocol


@given(one=SPLIT_NAMES, other=SPLIT_NAMES)
def test_splits_are_ordered_by_control_then_protocol(one: SplitName, other: SplitName) -> None:
    def coarse(name: SplitName) -> tuple[int, int]:
        return name.shuffle, PROTOCOLS.index(name.protocol)

    if coarse(one) < coarse(other):
        assert place_of_split(str(one)) < place_of_split(str(other))
    assert 0 <= place_of_split(str(one)) < 2**63


@pytest.mark.parametrize(
    "name",
    ["halves", "random_balance", "random_match", "random_match_", "random_match_Site", "random_shuffle0", ""],
)
def test_what_is_no_split_is_told(name: str) -> None:
    with pytest.raises(ValueError, match="names no split"):
        split_name(name)
    assert not re.fullmatch(ANY_SPLIT_PATTERN, name)
