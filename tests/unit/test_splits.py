"""Split protocols: laws that hold for any table of samples, and every refusal."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from nullcrop.basics.errors import NullcropError
from nullcrop.cli import main
from nullcrop.config.names import MEASURED, SPLITS, attribute_slug
from nullcrop.datasets.attribute_values import Attribute, attribute_of
from nullcrop.splits import make_split, write_split
from nullcrop.survey.attributes import CALLED
from nullcrop.survey.file_facts import NAMES, NUMBERS
from nullcrop.survey.properties import WHOLE
from tests.conftest import definition_content

Samples = tuple[pd.DataFrame, pd.Series]


def samples(
    targets: list[int], groups: list[str] | None = None, official: list[str] | None = None
) -> Samples:
    """What a split needs of samples.csv, and the targets."""
    n = len(targets)
    table = pd.DataFrame(
        {
            "id": [f"image_{row:04}" for row in range(n)],
            "group": groups or [""] * n,
            "official_split": official or [""] * n,
        }
    )
    return table, pd.Series(targets)


def release(train: int = 60, val: int = 20, test: int = 20, neither: int = 0, groups: int = 0) -> Samples:
    """A dataset with an official split, one third positive, in ``groups`` groups if any."""
    official = ["train"] * train + ["val"] * val + ["test"] * test + [""] * neither
    n = len(official)
    names = [f"g{row % groups}" for row in range(n)] if groups else None
    return samples([int(row % 3 == 0) for row in range(n)], names, official)


def patients(sizes: list[int], positive: list[bool]) -> Samples:
    """One group a patient, of ``sizes`` images, all with the patient's diagnosis."""
    groups = [f"p{number}" for number, size in enumerate(sizes) for _ in range(size)]
    targets = [int(p) for size, p in zip(sizes, positive, strict=True) for _ in range(size)]
    return samples(targets, groups)


def parts_of_groups(split: pd.DataFrame) -> pd.Series:
    """Number of parts in which each known group has images, unused ones aside."""
    used = split[(split["group"] != "") & (split["part"] != "unused")]
    return used.groupby("group")["part"].nunique()


@st.composite
def tables(draw: st.DrawFn) -> Samples:
    """20 to 60 groups of unequal size, some images in none, 2 or 3 targets mixed within groups or not."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kinds = draw(st.integers(2, 3))
    counts = rng.integers(1, draw(st.sampled_from([2, 6, 25])), draw(st.integers(20, 60)), endpoint=True)
    group = np.repeat(np.arange(len(counts)), counts)
    own = rng.integers(0, kinds, len(counts))[group]
    mixed = rng.random(len(group)) < draw(st.sampled_from([0.0, 0.3]))
    targets = np.where(mixed, rng.integers(0, kinds, len(group)), own)
    names = np.where(rng.random(len(group)) < draw(st.sampled_from([0.0, 0.2])), "", group.astype(str))
    order = rng.permutation(len(group))
    assume((np.bincount(targets, minlength=kinds) >= 10).all())
    return samples(targets[order].tolist(), names[order].tolist())


@settings(max_examples=60)
@given(table=tables(), protocol=st.sampled_from(["grouped", "grouped_balanced"]), seed=st.integers(0, 99))
def test_no_group_is_in_two_parts_of_a_grouped_split(table: Samples, protocol: str, seed: int) -> None:
    try:
        split = make_split(*table, protocol, seed)
    except NullcropError:
        reject()  # groups as large as a fold may leave a part without a target
    assert (parts_of_groups(split) == 1).all()
    assert {"train", "val", "test"} <= set(split["part"])


@settings(max_examples=60)
@given(
    counts=st.lists(st.integers(10, 70), min_size=2, max_size=4),
    seed=st.integers(0, 2**31 - 1),
    shuffle=st.randoms(use_true_random=False),
)
def test_a_random_split_is_eighty_ten_ten_of_every_target(
    counts: list[int], seed: int, shuffle: object
) -> None:
    targets = [code for code, count in enumerate(counts) for _ in range(count)]
    shuffle.shuffle(targets)  # type: ignore[attr-defined]
    split = make_split(*samples(targets), "random", seed)
    assert set(split["part"]) == {"train", "val", "test"}
    for code, count in enumerate(counts):
        found = split.loc[split["target"] == code, "part"].value_counts()
        assert abs(found["test"] - count / 10) < 1
        assert abs(found["val"] - count / 10) < 1
        assert abs(found["train"] - count * 8 / 10) < 2


def test_a_random_split_of_round_numbers_is_exact() -> None:
    split = make_split(*samples([0] * 100 + [1] * 50), "random", 0)
    assert split.groupby("target")["part"].value_counts().to_dict() == {
        (0, "train"): 80,
        (0, "val"): 10,
        (0, "test"): 10,
        (1, "train"): 40,
        (1, "val"): 5,
        (1, "test"): 5,
    }


EARLIER = pd.read_csv(Path(__file__).parents[2] / "resources/published/earlier_study.csv")


@pytest.mark.parametrize(
    ("classes", "n_train", "n_test"),
    [
        *((2, 558, 140), (4, 960, 240), (8, 3200, 800), (15, 132, 33)),
        *((20, 1152, 288), (100, 5760, 1440), (28, 13104, 3276)),
    ],
)
def test_a_hold_out_has_the_sizes_that_the_earlier_study_printed(
    classes: int, n_train: int, n_test: int
) -> None:
    printed = EARLIER[["classes", "n_train", "n_test"]].itertuples(index=False, name=None)
    assert (classes, n_train, n_test) in list(printed)
    split = make_split(*samples([code % classes for code in range(n_train + n_test)]), "holdout20", 7)
    assert split["part"].value_counts().to_dict() == {"train": n_train, "test": n_test}
    shares = split.groupby("target")["part"].value_counts().unstack()
    assert np.ptp(shares["test"]) <= 1  # every class alike


def test_a_hold_out_needs_five_images_of_each_target() -> None:
    with pytest.raises(NullcropError, match="target 1 has 4 images: at least 5 are needed to hold a fifth"):
        make_split(*samples([0] * 50 + [1] * 4), "holdout20", 0)
    assert len(make_split(*samples([0] * 50 + [1] * 5), "holdout20", 0)) == 55


def test_seeds_of_a_hold_out_draw_anew_and_may_test_an_image_again() -> None:
    tested = [make_split(*samples([0, 1] * 50), "holdout20", seed)["part"] == "test" for seed in range(9)]
    times = np.sum(tested, axis=0)
    assert times.sum() == 9 * 20
    assert (times.min(), times.max() > 1) == (0, True)


def test_a_grouped_split_of_equal_patients_is_eighty_ten_ten() -> None:
    split = make_split(*patients([4] * 100, [number % 5 < 2 for number in range(100)]), "grouped", 0)
    assert split["part"].value_counts().to_dict() == {"train": 320, "val": 40, "test": 40}
    assert split.groupby("part")["target"].mean().to_dict() == pytest.approx(
        {"train": 0.4, "val": 0.4, "test": 0.4}
    )


@pytest.mark.parametrize("protocol", SPLITS)
def test_a_split_is_the_same_for_the_same_seed_and_another_for_another(protocol: str) -> None:
    table = release(train=150, val=0, test=50, groups=40)
    first = make_split(*table, protocol, 3)
    pd.testing.assert_frame_equal(first, make_split(*table, protocol, 3))
    others = [make_split(*table, protocol, seed)["part"] for seed in (4, 5, 6)]
    assert any((other != first["part"]).any() for other in others)


def test_seeds_draw_other_test_groups_though_groups_are_unequal() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.permutation(np.arange(1, 61)).tolist()
    table = patients(sizes, (rng.random(60) < 0.5).tolist())
    splits = [make_split(*table, "grouped", seed) for seed in range(8)]
    tested = {frozenset(split.loc[split["part"] == "test", "group"]) for split in splits}
    assert len(tested) > 3
    largest = f"p{int(np.argmax(sizes))}"
    assert not all(largest in groups for groups in tested)


@pytest.mark.parametrize("protocol", SPLITS)
def test_a_split_keeps_the_rows_of_the_samples_in_order(protocol: str) -> None:
    table, targets = release(groups=25)
    split = make_split(table, targets, protocol, 0)
    assert list(split.columns) == ["id", "group", "target", "part"]
    assert split["id"].tolist() == table["id"].tolist()
    assert split["group"].tolist() == table["group"].tolist()
    assert split["target"].tolist() == targets.tolist()
    assert set(split["part"]) <= {"train", "val", "test", "unused"}


# Shuffled targets


@settings(max_examples=25)
@given(
    table=st.one_of(tables(), st.just(release(groups=45))),
    protocol=st.sampled_from(SPLITS),
    seed=st.integers(0, 5),
    number=st.integers(1, 30),
)
def test_a_shuffled_split_keeps_the_parts_and_the_test_targets(
    table: Samples, protocol: str, seed: int, number: int
) -> None:
    try:
        true = make_split(*table, protocol, seed)
    except NullcropError:
        reject()
    shuffled = make_split(*table, f"{protocol}_shuffle{number}", seed)
    assert shuffled.drop(columns="target").equals(true.drop(columns="target"))
    kept = ~true["part"].isin(["train", "val"])
    assert (shuffled["target"] == true["target"])[kept].all()
    for part in {"train", "val"} & set(true["part"]):
        before, after = true[true["part"] == part], shuffled[shuffled["part"] == part]
        # An image without a group is a group of its own.
        group = before["group"].where(before["group"] != "", before["id"])
        mixed = before.groupby(group)["target"].nunique() > 1
        in_mixed = group.map(mixed).to_numpy()
        assert sorted(after["target"][in_mixed]) == sorted(before["target"][in_mixed])
        whole = after[~in_mixed].groupby(group[~in_mixed])["target"]
        assert (whole.nunique() == 1).all()
        assert sorted(whole.first()) == sorted(before[~in_mixed].groupby(group[~in_mixed])["target"].first())


def test_shuffles_differ_and_are_the_same_each_time() -> None:
    table = samples([0, 1] * 100)
    drawn = [make_split(*table, f"random_shuffle{number}", 0)["target"] for number in (1, 2, 3)]
    assert not any(first.equals(second) for first, second in combinations(drawn, 2))
    again = make_split(*table, "random_shuffle2", 0)["target"]
    assert again.equals(drawn[1])


def test_each_seed_shuffles_the_same_parts_otherwise() -> None:
    """A release's own parts are the same for every seed, so that the targets alone can differ."""
    table = release(train=60, val=30, test=30)
    first, second = (make_split(*table, "official_shuffle1", seed) for seed in (0, 1))
    assert first["part"].equals(second["part"])
    for part in ("train", "val"):
        assert (first["target"] != second["target"])[first["part"] == part].any()


CONTROLS = {
    "images": ([""] * 240, [number % 3 == 0 for number in range(240)]),
    "patients of one class": (
        [f"p{number // 4}" for number in range(240)],
        [number // 4 % 3 == 0 for number in range(240)],
    ),
    # Each patient has images of both.
    "patients of both classes": (
        [f"p{number // 4}" for number in range(240)],
        [number % 4 == 0 for number in range(240)],
    ),
}


@pytest.mark.parametrize("protocol", ["official", "holdout20"])
@pytest.mark.parametrize("kind", CONTROLS)
def test_shuffled_targets_have_nothing_to_do_with_the_true_ones(kind: str, protocol: str) -> None:
    """Over many shuffles images of each part keep their target as often as chance has it: of a share p of
    positives p² + (1 - p)² do."""
    groups, positive = CONTROLS[kind]
    official = ["train"] * 120 + ["val"] * 60 + ["test"] * 60
    table = samples([int(one) for one in positive], groups, official)
    plain = make_split(*table, protocol, 0)["part"]
    kept = np.mean(
        [make_split(*table, f"{protocol}_shuffle{k}", 0)["target"] == table[1] for k in range(1, 61)], axis=0
    )
    for part in {"train", "val"} & set(plain):
        share = table[1][plain == part].mean()
        assert kept[plain == part].mean() == pytest.approx(share**2 + (1 - share) ** 2, abs=0.06)
    assert (kept[plain == "test"] == 1).all()


def test_the_samples_targets_are_left_as_they_are() -> None:
    table, targets = samples([0, 1] * 50)
    before = targets.copy()
    make_split(table, targets, "random_shuffle1", 0)
    assert targets.equals(before)


@pytest.mark.parametrize("protocol", ["official", "random", "grouped"])
def test_balancing_evens_the_training_part_and_touches_no_other(protocol: str) -> None:
    table = release(train=120, val=30, test=30, neither=5, groups=45)
    plain = make_split(*table, protocol, 1)
    balanced = make_split(*table, f"{protocol}_balanced", 1)
    for part in ("val", "test"):
        assert ((plain["part"] == part) == (balanced["part"] == part)).all()
    assert (plain.loc[balanced["part"] == "train", "part"] == "train").all()
    rarest = plain.loc[plain["part"] == "train", "target"].value_counts().min()
    kept = balanced.loc[balanced["part"] == "train", "target"].value_counts()
    assert kept.to_dict() == {0: rarest, 1: rarest}
    dropped = plain.loc[(plain["part"] == "train") & (balanced["part"] == "unused"), "target"]
    assert set(dropped) == {0}


def test_a_number_is_how_many_training_images_of_each_target_are_kept() -> None:
    table = release(train=120, val=30, test=30)
    split = make_split(*table, "official_balanced7", 1)
    assert split.loc[split["part"] == "train", "target"].value_counts().to_dict() == {0: 7, 1: 7}
    fewest = make_split(*table, "official", 1).query("part == 'train'")["target"].value_counts().min()
    with pytest.raises(NullcropError, match=f"the rarest has {fewest}; name at most {fewest}"):
        make_split(*table, f"official_balanced{fewest + 1}", 1)


def test_balancing_draws_its_images_by_the_seed() -> None:
    table = release(train=300)
    kept = [make_split(*table, "official_balanced", seed)["part"] == "train" for seed in (0, 0, 1)]
    assert (kept[0] == kept[1]).all()
    assert (kept[0] != kept[2]).any()


def test_an_official_split_is_the_releases_column() -> None:
    table, targets = release(neither=7)
    split = make_split(table, targets, "official", 0)
    assert split["part"].tolist() == ["train"] * 60 + ["val"] * 20 + ["test"] * 20 + ["unused"] * 7


def test_validation_images_are_set_aside_from_official_training_images_alone() -> None:
    table, targets = release(train=100, val=0, test=40, neither=6)
    split = make_split(table, targets, "official", 0)
    assert split["part"].value_counts().to_dict() == {"train": 90, "test": 40, "val": 10, "unused": 6}
    assert (table.loc[split["part"] == "val", "official_split"] == "train").all()
    assert ((split["part"] == "test") == (table["official_split"] == "test")).all()
    assert ((split["part"] == "unused") == (table["official_split"] == "")).all()
    # 34 of the 100 training images are positive.
    assert split.loc[split["part"] == "val", "target"].sum() in (3, 4)


def test_validation_images_are_set_aside_by_group_where_groups_are_known() -> None:
    table, targets = release(train=150, val=0, test=50, groups=0)
    table["group"] = [f"g{row // 5}" for row in range(200)]
    split = make_split(table, targets, "official", 0)
    assert (parts_of_groups(split) == 1).all()
    assert 5 <= (split["part"] == "val").sum() <= 30


def test_images_without_a_group_are_groups_of_their_own() -> None:
    groups = [f"g{row // 10}" if row < 100 else "" for row in range(300)]
    split = make_split(*samples([row % 2 for row in range(300)], groups), "grouped", 0)
    assert (parts_of_groups(split) == 1).all()
    alone = split[split["group"] == ""]
    assert set(alone["part"]) == {"train", "val", "test"}


def test_a_random_split_takes_no_notice_of_groups() -> None:
    table, targets = release(groups=10)
    plain = table.assign(group="")
    assert (
        make_split(table, targets, "random", 2)["part"] == make_split(plain, targets, "random", 2)["part"]
    ).all()


def test_the_split_written_is_the_split_returned(tmp_path: Path) -> None:
    split = write_split(*release(), "random", 0, tmp_path / "deep" / "seed0.csv")
    read = pd.read_csv(tmp_path / "deep" / "seed0.csv", keep_default_na=False)
    assert read.to_dict("list") == split.to_dict("list")


def test_a_split_whose_writing_is_cut_short_is_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_short(table: pd.DataFrame, path: Path, **options: object) -> None:
        path.write_text("id,group,tar")
        raise KeyboardInterrupt

    out = tmp_path / "seed0.csv"
    write_split(*release(), "random", 0, out)
    before = out.read_bytes()
    monkeypatch.setattr(pd.DataFrame, "to_csv", cut_short)
    with pytest.raises(KeyboardInterrupt):
        write_split(*release(), "random", 1, out)
    assert out.read_bytes() == before


def test_nine_images_of_a_target_are_too_few_and_ten_are_enough() -> None:
    with pytest.raises(NullcropError, match="target 1 has 9 images: at least 10 are needed"):
        make_split(*samples([0] * 50 + [1] * 9), "random", 0)
    assert len(make_split(*samples([0] * 50 + [1] * 10), "random", 0)) == 60


def test_the_command_says_of_which_split_and_what_its_targets_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    definition, table, out = (tmp_path / name for name in ("scans.yaml", "samples.csv", "split.csv"))
    definition.write_text(json.dumps(definition_content()))
    command = ["split-samples", "--definition", definition, "--samples", table, "--labels", "printed"]
    command += ["--protocol", "random", "--seed", "3", "--out", out]
    for positive, status in ((9, 1), (10, 0)):
        images, _ = samples([0] * (50 + positive))
        images["class"] = ["benign"] * 50 + ["malignant"] * positive
        images.to_csv(table, index=False)
        assert main(list(map(str, command))) == status
        assert out.exists() == (status == 0)
        if status:
            (line,) = capsys.readouterr().err.splitlines()
            where = "nullcrop split-samples: error: dataset 'scans', split 'random', seed 3: "
            assert line.startswith(f"{where}target 1 has 9 images: at least 10 are needed")
            assert line.endswith(" (targets: 0 benign, 1 malignant)")


def test_too_few_official_training_images_to_set_some_aside() -> None:
    with pytest.raises(NullcropError, match="target 1 has 5 images: at least 10 are needed"):
        make_split(*release(train=15, val=0, test=30), "official", 0)


@pytest.mark.parametrize("protocol", ["grouped", "grouped_balanced"])
def test_a_grouped_split_needs_groups(protocol: str) -> None:
    with pytest.raises(NullcropError, match="no image has a group, so they cannot be split by group"):
        make_split(*samples([0, 1] * 50), protocol, 0)


def test_nine_groups_are_too_few_and_ten_are_enough() -> None:
    for count in (2, 9):
        table = samples([row % 2 for row in range(90)], [f"g{row % count}" for row in range(90)])
        with pytest.raises(NullcropError, match=f"there are {count} groups: at least 10 are needed"):
            make_split(*table, "grouped", 0)
    table = samples([row % 2 for row in range(90)], [f"g{row // 9}" for row in range(90)])
    parts = make_split(*table, "grouped", 0).groupby("part")["group"].nunique()
    assert parts.to_dict() == {"test": 1, "train": 8, "val": 1}


def test_a_target_of_one_group_cannot_be_in_every_part() -> None:
    sizes, positive = [3] * 20 + [15], [False] * 20 + [True]
    with pytest.raises(
        NullcropError, match="part has no image of target 1; there are too few images or groups"
    ):
        make_split(*patients(sizes, positive), "grouped", 0)


@pytest.mark.parametrize("balance", ["", "_balanced"])
@pytest.mark.parametrize("part", ["train", "test"])
def test_a_part_without_a_target_is_refused(part: str, balance: str) -> None:
    table, targets = release()
    targets[table["official_split"] == part] = 0
    with pytest.raises(NullcropError, match=f"the {part} part has no image of target 1;"):
        make_split(table, targets, f"official{balance}", 0)


@pytest.mark.parametrize(("marked", "lacking"), [("test", "train"), ("train", "test"), ("", "train")])
def test_without_an_official_split_none_can_be_followed(marked: str, lacking: str) -> None:
    table = samples([0, 1] * 30, official=[marked] * 60)
    with pytest.raises(NullcropError, match=f"no official split: no image is marked '{lacking}'"):
        make_split(*table, "official", 0)


def test_groups_that_hold_a_whole_class_cannot_be_left_out() -> None:
    """A pattern that takes the class's folder for the patient makes such groups."""
    table = samples([0, 1] * 30, ["benign", "malignant"] * 30)
    words = "without the group 'benign' no image of target 0 is left to train on: .*look whether the groups"
    with pytest.raises(NullcropError, match=words):
        make_split(*table, "leave_one_group_out", 0)


def test_too_few_images_groups_and_a_release_without_a_class_have_a_cure() -> None:
    with pytest.raises(NullcropError, match="or take `crossfit5`, which needs fewer"):
        make_split(*samples([0] * 60 + [1] * 6), "random", 0)
    with pytest.raises(NullcropError, match=r"or take `crossfit5` \(from 5 groups\)"):
        make_split(*samples([0, 1] * 30, ["a", "b"] * 30), "grouped", 0)
    table, targets = release()
    targets[table["official_split"] == "test"] = 0
    with pytest.raises(NullcropError, match="the release has none there, so take another split"):
        make_split(table, targets, "official", 0)


def test_an_unknown_protocol_is_named() -> None:
    with pytest.raises(NullcropError, match="unknown split protocol 'halves'"):
        make_split(*release(), "halves", 0)


# Cross-validation, and whole groups left out


def labelled(n: int, groups: int = 0) -> tuple[pd.DataFrame, "pd.Series[int]"]:
    """``n`` images of three targets in turn, in ``groups`` sessions, of which the last is met first."""
    names = [f"session{groups - 1 - number % groups}" if groups else "" for number in range(n)]
    samples = pd.DataFrame({"id": [f"{i:03d}" for i in range(n)], "group": names, "official_split": ""})
    return samples, pd.Series([(i // 4) % 3 for i in range(n)])


@settings(max_examples=20, deadline=None)
@given(n=st.integers(132, 260), first=st.sampled_from([0, 10, 370]))
def test_ten_seeds_of_tenfold_test_every_image_once_in_shares_of_the_targets(n: int, first: int) -> None:
    samples, targets = labelled(n)
    parts = [make_split(samples, targets, "tenfold", seed)["part"] for seed in range(first, first + 10)]
    for name in ("test", "val"):
        assert (sum((part == name).astype(int) for part in parts) == 1).all()
    for part in parts:
        tested = targets[part == "test"].value_counts()
        assert (tested - targets.value_counts() / 10).abs().max() <= 1


def test_the_next_ten_seeds_of_tenfold_draw_the_folds_anew() -> None:
    samples, targets = labelled(150)
    first, second = (make_split(samples, targets, "tenfold", seed)["part"] for seed in (0, 10))
    assert not first.equals(second)


@pytest.mark.parametrize("protocol", ["leave_one_group_out", "leave_one_group_out_balanced20"])
def test_a_whole_group_is_left_out_and_tested(protocol: str) -> None:
    samples, targets = labelled(240, groups=3)
    for seed in range(3):
        part = make_split(samples, targets, protocol, seed)["part"]
        assert set(samples.loc[part == "test", "group"]) == {f"session{seed}"}
        assert (part == "test").sum() == 80
        assert (part == "val").sum() == 16
        if "balanced" in protocol:
            assert list(targets[part == "train"].value_counts()) == [20] * 3


def test_a_seed_without_a_group_is_said() -> None:
    samples, targets = labelled(60, groups=2)
    with pytest.raises(NullcropError, match="there are 2 groups, so seed 2 leaves none of them out"):
        make_split(samples, targets, "leave_one_group_out", 2)


# Cross-fitting


CROSSFITS = st.sampled_from([("crossfit", 10), ("crossfit5", 5)])


@settings(max_examples=8, deadline=None)
@given(table=tables(), protocol=CROSSFITS, partition=st.integers(0, 40))
def test_a_partition_tests_every_image_once_and_keeps_groups_apart(
    table: Samples, protocol: tuple[str, int], partition: int
) -> None:
    name, folds = protocol
    seeds = range(folds * partition, folds * (partition + 1))
    try:
        splits = [make_split(*table, name, seed) for seed in seeds]
    except NullcropError:
        reject()  # a target in few, large groups may be in no training part
    parts = [split["part"].to_numpy() for split in splits]
    for fold, part in enumerate(parts):
        assert set(part) == {"train", "val", "test"}
        # The next fold is watched, all others are trained on.
        assert ((part == "val") == (parts[(fold + 1) % folds] == "test")).all()
        assert (parts_of_groups(splits[fold]) == 1).all()
        assert set(table[1][part == "train"]) == set(table[1])
    assert (sum((part == "test").astype(int) for part in parts) == 1).all()
    assert (sum((part == "train").astype(int) for part in parts) == folds - 2).all()
    for split in splits:
        assert split["target"].tolist() == table[1].tolist()
    again = make_split(*table, name, seeds[1])
    pd.testing.assert_frame_equal(again, splits[1])


@settings(max_examples=10, deadline=None)
@given(n=st.integers(60, 200), protocol=CROSSFITS, partition=st.integers(0, 99))
def test_without_groups_folds_are_those_of_stratified_k_fold(
    n: int, protocol: tuple[str, int], partition: int
) -> None:
    name, folds = protocol
    table, targets = labelled(n)
    expected = StratifiedKFold(folds, shuffle=True, random_state=partition).split(np.zeros(n), targets)
    for fold, (_, tested) in enumerate(expected):
        part = make_split(table, targets, name, folds * partition + fold)["part"]
        assert np.flatnonzero(part == "test").tolist() == tested.tolist()
    if folds == 10 and n > 120:
        # Without groups it is the older protocol, whose cells may stand beside.
        assert part.equals(make_split(table, targets, "tenfold", folds * partition + fold)["part"])


def test_with_groups_folds_are_those_of_stratified_group_k_fold() -> None:
    groups = [f"g{row // 5}" if row < 150 else "" for row in range(180)]
    table, targets = samples([int(row % 15 < 5) for row in range(180)], groups)
    own = table["group"].where(table["group"] != "", table["id"])
    splitter = StratifiedGroupKFold(5, shuffle=True, random_state=2)
    for fold, (_, tested) in enumerate(splitter.split(np.zeros(180), targets, own)):
        part = make_split(table, targets, "crossfit5", 10 + fold)["part"]
        assert np.flatnonzero(part == "test").tolist() == tested.tolist()


def test_a_fold_may_lack_a_target_that_all_folds_together_hold() -> None:
    table, targets = samples([0] * 100 + [1] * 4)
    tested = [
        set(split.loc[split["part"] == "test", "target"])
        for split in (make_split(table, targets, "crossfit", seed) for seed in range(10))
    ]
    assert {0} in tested
    assert {0, 1} in tested


def test_a_training_part_without_a_target_is_refused_in_any_protocol() -> None:
    sizes, positive = [3] * 20 + [15], [False] * 20 + [True]
    table = patients(sizes, positive)
    of_group = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    folds = list(of_group.split(table[0], table[1], table[0]["group"]))
    (holding,) = [fold for fold, (_, rows) in enumerate(folds) if table[1][rows].any()]
    for seed in range(5):
        if seed in (holding, (holding - 1) % 5):  # where the patient is tested, and where watched
            with pytest.raises(NullcropError, match="train part has no image of target 1; there are too few"):
                make_split(*table, "crossfit5", seed)
        else:
            assert make_split(*table, "crossfit5", seed)["target"].sum() == 15


@pytest.mark.parametrize(("protocol", "folds"), [("crossfit", 10), ("crossfit5", 5)])
def test_too_few_images_or_groups_for_so_many_folds_are_counted(protocol: str, folds: int) -> None:
    few = samples([0, 1] * (folds // 2 - 1) + [0] * (folds % 2))
    with pytest.raises(
        NullcropError, match=rf"there are \d images: at least {folds} are needed for {folds} folds"
    ):
        make_split(*few, protocol, 0)
    table = samples([row // 10 % 2 for row in range(40)], [f"g{row // 10}" for row in range(40)])
    with pytest.raises(
        NullcropError, match=f"there are 4 groups: at least {folds} are needed for {folds} folds"
    ):
        make_split(*table, protocol, 0)
    with pytest.raises(NullcropError, match="no class has more than 4 images"):
        make_split(*samples([row // 4 for row in range(40)]), protocol, 0)


@pytest.mark.parametrize(("seed", "words"), [(0, "validation"), (1, "test")])
def test_a_part_that_is_left_empty_is_named(seed: int, words: str) -> None:
    """Of five folds one stays empty, where most images are of one group."""
    targets = [0, 1, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0]
    groups = [f"g{number}" for number in (2, 4, 1, 1, 1, 1, 1, 1, 1, 0, 3, 2)]
    with pytest.raises(NullcropError, match=f"the {words} part is empty; there are too few images or groups"):
        make_split(*samples(targets, groups), "crossfit5", seed)


def sites(table: Samples, share: float, seed: int = 0) -> Attribute:
    """Two sites, of which one has more of the images of target 1; an image in twenty has none."""
    rng = np.random.default_rng(seed)
    target = table[1].to_numpy()
    names = np.where(rng.random(len(target)) < np.where(target == 1, share, 1 - share), "a", "b")
    return attribute_of("Site", pd.Series(np.where(rng.random(len(target)) < 0.05, "", names)))


@settings(max_examples=30, deadline=None)
@given(
    protocol=st.sampled_from(["random", "crossfit5", "holdout20"]),
    share=st.floats(0.5, 0.8),  # beyond, a part may be left without an image
    seed=st.integers(0, 4),
)
def test_in_a_matched_split_an_attribute_tells_nothing_of_the_target(
    protocol: str, share: float, seed: int
) -> None:
    table = samples([0] * 200 + [1] * 150)
    attribute = sites(table, share, seed)
    split = make_split(*table, f"{protocol}_match_site", seed, [attribute])
    plain = make_split(*table, protocol, seed)
    for part in set(plain["part"]):
        here = split[split["part"] == part]
        counts = pd.crosstab(here["target"], attribute.codes[here.index])
        assert (counts.loc[0] == counts.loc[1]).all()
        assert set(here.index) <= set(plain.index[plain["part"] == part])
        # As many as can be kept: of the rarer target of each site all.
        before = plain[(plain["part"] == part) & attribute.known]
        fewest = pd.crosstab(before["target"], attribute.codes[before.index]).min()
        assert counts.loc[0].sum() == fewest.sum()
    assert (attribute.codes[split["part"] != "unused"] >= 0).all()
    assert split.equals(make_split(*table, f"{protocol}_match_site", seed, [attribute]))


def test_a_number_is_matched_in_five_ranges() -> None:
    table = samples([0, 1] * 300)
    rng = np.random.default_rng(0)
    age = rng.normal(50 + 10 * table[1].to_numpy(), 10).round(2)
    attribute = attribute_of("age", pd.Series(age).astype(str))
    split = make_split(*table, "random_match_age", 0, [attribute])
    kept = split["part"] == "train"
    by_target = [age[kept & (split["target"] == code)] for code in (0, 1)]
    before = [age[table[1] == code] for code in (0, 1)]
    assert abs(by_target[0].mean() - by_target[1].mean()) < 0.2 * abs(before[0].mean() - before[1].mean())
    cut = np.digitize(age, np.quantile(age, [0.2, 0.4, 0.6, 0.8]), right=True)
    counts = pd.crosstab(split.loc[kept, "target"], cut[kept])
    assert (counts.loc[0] == counts.loc[1]).all()


def test_balance_and_controls_stand_on_a_matched_split() -> None:
    table = samples([0] * 200 + [1] * 150)
    attribute = sites(table, 0.7)
    plain = make_split(*table, "random_match_site", 0, [attribute])
    balanced = make_split(*table, "random_balanced20_match_site", 0, [attribute])
    assert balanced.loc[balanced["part"] == "train", "target"].value_counts().tolist() == [20, 20]
    assert (balanced["part"] == "test").equals(plain["part"] == "test")
    control = make_split(*table, "random_match_site_shuffle1", 0, [attribute])
    assert control["part"].equals(plain["part"])
    assert not control["target"].equals(plain["target"])


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ([], "no attribute is called 'site'; there are"),
        (["Site", "site"], "several attributes are called 'site'"),
        (["age"], "no attribute is called 'site'; there are age"),
    ],
)
def test_a_match_needs_its_attribute(attributes: list[str], words: str) -> None:
    table = samples([0, 1] * 30)
    known = [attribute_of(name, pd.Series(["a"] * 60)) for name in attributes]
    with pytest.raises(NullcropError, match=words):
        make_split(*table, "random_match_site", 0, known)


def test_a_match_of_which_nothing_remains_is_refused() -> None:
    table = samples([0] * 40 + [1] * 40)
    attribute = attribute_of("site", pd.Series(["a"] * 40 + ["b"] * 40))
    with pytest.raises(NullcropError, match="no value of 'site' is shared by images of all targets"):
        make_split(*table, "random_match_site", 0, [attribute])


@pytest.mark.parametrize("name", ["train", "test", "val"])
def test_a_match_that_leaves_a_part_empty_names_it(name: str) -> None:
    table = samples([0, 1] * 60)
    part = make_split(*table, "random", 0)["part"]
    apart = np.where(table[1].to_numpy() == 1, "a", "b")
    attribute = attribute_of("site", pd.Series(np.where(part == name, apart, "c")))
    with pytest.raises(NullcropError, match=f"shared by images of all targets in the {name} part"):
        make_split(*table, "random_match_site", 0, [attribute])


def test_every_dataset_has_the_attributes_that_are_measured() -> None:
    facts = [CALLED.get(name, name) for name in (*NUMBERS, *NAMES, *WHOLE)]
    assert sorted(facts) == sorted(MEASURED)
    assert all(attribute_slug(name) == name for name in MEASURED)
