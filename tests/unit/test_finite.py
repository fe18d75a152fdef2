"""Printed accuracies as right answers of finite tests: against cases worked by hand, and laws."""

from fractions import Fraction
from math import comb, isnan
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nullcrop.cli import main
from nullcrop.config.definitions import find_definitions, read_definition
from nullcrop.config.names import EARLIER, PUBLISHED
from nullcrop.published.finite import Counted, counted, p_same, told_from
from nullcrop.published.printed import read_published
from nullcrop.published.printed_page import ABOVE, ALONE, CANNOT_TELL, page_of, rows_of, verdicts_of
from nullcrop.published.reproduction import CANNOT_TELL as UNTOLD
from nullcrop.published.reproduction import COMPATIBLE, NOT, Printed, compare_published
from nullcrop.published.rounding import Rounded

ROOT = Path(__file__).parents[2]
TABLES = sorted((ROOT / "resources/published").glob("*.csv"))


def of(text: str, n: int | None) -> Counted:
    found = counted(Rounded.parse(text), n)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "n", "right", "interval"),
    [
        # Yale A: 32 / 33 = 0.96970, and 18 / 33 = 0.54545.
        ("0.9697", 33, (32, 32), ("84", "100")),
        ("0.5455", 33, (18, 18), ("36", "72")),
        # 0.878 of 3,276: 2,875 / 3,276 = 0.87759, 2,876 = 0.87790, 2,877 = 0.87821; 2,878 would be 0.8785.
        ("0.878", 3276, (2875, 2877), ("87", "89")),
        # All and none: 1 - 0.025^(1/20) = 16.8 %.
        ("1.000", 20, (20, 20), ("83", "100")),
        ("0.000", 20, (0, 0), ("0", "17")),
    ],
)
def test_printed_digits_give_right_answers_and_their_interval(
    text: str, n: int, right: tuple[int, int], interval: tuple[str, str]
) -> None:
    found = of(text, n)
    assert (found.least, found.most) == right
    assert tuple(f"{100 * bound:.0f}" for bound in found.interval) == interval


def test_what_is_no_k_of_n_has_no_count() -> None:
    # 87 / 140 = 0.6214 and 88 / 140 = 0.6286; 0.546 of 33 is 18 / 33 = 0.54545 rounded twice.
    assert counted(Rounded.parse("0.625"), 140) is None
    assert counted(Rounded.parse("0.546"), 33) is None
    assert counted(Rounded.parse("0.5"), None) is None


@given(st.integers(1, 400), st.integers(0, 4), st.integers(0, 10**4))
def test_the_candidates_are_all_k_that_round_to_the_digits(n: int, decimals: int, units: int) -> None:
    printed = Rounded(units % (10**decimals + 1), decimals)
    share = Fraction(printed.units, printed.scale)
    fitting = [k for k in range(n + 1) if abs(Fraction(k, n) - share) <= Fraction(1, 2 * printed.scale)]
    assert list(printed.numerators(n)) == fitting
    nearest = printed.numerator(n)
    assert nearest is None if not fitting else nearest in fitting


@given(st.integers(1, 60), st.data())
def test_the_interval_is_clopper_and_pearsons(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))

    def at_least(rate: float, least: int) -> float:
        return sum(comb(n, i) * rate**i * (1 - rate) ** (n - i) for i in range(least, n + 1))

    low, high = Counted(k, k, n).interval
    assert low == 0 if k == 0 else at_least(low, k) == pytest.approx(0.025, abs=1e-6)
    assert high == 1 if k == n else 1 - at_least(high, k + 1) == pytest.approx(0.025, abs=1e-6)


def fisher(k: int, n: int, other: int, size: int) -> float:
    """By hand: the tables of these margins that are no likelier than this one."""
    both, images = k + other, n + size
    ways = {i: comb(n, i) * comb(size, both - i) for i in range(max(0, both - size), min(n, both) + 1)}
    return float(Fraction(sum(way for way in ways.values() if way <= ways[k]), comb(images, both)))


@given(st.integers(1, 30), st.integers(1, 30), st.data())
def test_the_test_is_fishers(n: int, size: int, data: st.DataObject) -> None:
    k, other = data.draw(st.integers(0, n)), data.draw(st.integers(0, size))
    assert p_same(Counted(k, k, n), other / size, size) == pytest.approx(fisher(k, n, other, size))


def test_the_candidate_and_the_mean_that_differ_least_decide() -> None:
    several = Counted(10, 12, 40)
    # 0.6125 of 40 is 24.5: taken for 24 and for 25.
    assert p_same(several, 0.6125, 40) == pytest.approx(fisher(12, 40, 24, 40))
    assert p_same(several, 0.25, 40) == pytest.approx(1)


@given(st.integers(2, 60), st.integers(2, 60), st.data())
def test_a_smaller_difference_would_not_have_been_told(n: int, size: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    printed, smallest = Counted(k, k, n), told_from(Counted(k, k, n), size, 0.05)
    told = {i: p_same(printed, i / size, size) <= 0.05 for i in range(size + 1)}
    away = [abs(i / size - k / n) for i, shown in told.items() if shown]
    assert isnan(smallest) if not away else smallest == pytest.approx(min(away))


def metrics(accuracy: float, n: int = 165, **changes: object) -> dict[str, object]:
    cell = {"dataset": "yale_a", "labels": "printed", "split": "tenfold", "recipe": "earlier", "seed": 0}
    return {**cell, "architecture": "lenet5", "view": "original", "accuracy": accuracy, "n": n, **changes}


def printed(text: str, view: str = "original", statistic: str = "value", n: int | None = 33) -> Printed:
    digits = Rounded.parse(text)
    at = ("yale_a", "text", False, ("lenet5",), (view,), statistic, "accuracy", digits.value)
    return Printed(*at, digits, n)


def test_ten_folds_do_not_contradict_what_was_printed_on_33_images() -> None:
    cells = pd.DataFrame([metrics(0.82), metrics(0.62, view="forehead")])
    table = compare_published([printed("0.9697"), printed("0.5455", "forehead")], cells, 0.02)
    assert table["judged"].tolist() == [COMPATIBLE, COMPATIBLE]
    assert table["agrees"].tolist() == [False, False]
    assert table[["printed_least", "printed_most", "printed_n"]].to_numpy().tolist() == [
        [32, 32, 33],
        [18, 18, 33],
    ]
    # The smaller of two p is doubled: 135 and 136 of 165 beside 32 of 33, the one that differs less.
    assert table["p_holm"][0] == pytest.approx(2 * fisher(32, 33, 136, 165), rel=1e-4)


def test_a_difference_is_shown_corrected_for_the_other_values() -> None:
    # 32 of 33 beside 132 of 165: p = 0.02, so one value alone is told apart, and one of three is not.
    share = 132 / 165
    assert fisher(32, 33, 132, 165) < 0.05 < 3 * fisher(32, 33, 132, 165)
    cells = pd.DataFrame([metrics(share)])
    (alone,) = compare_published([printed("0.9697")], cells, 0.02)["judged"]
    three = compare_published([printed("0.9697"), printed("0.8182"), printed("0.7879")], cells, 0.02)
    assert (alone, three["judged"][0]) == (NOT, COMPATIBLE)


def test_what_could_be_told_is_corrected_for_the_other_values_too() -> None:
    cells = pd.DataFrame([metrics(0.82), metrics(0.62, view="forehead")])
    values = [printed("0.9697"), printed("0.5455", "forehead")]
    for asked in (values, values[:1]):
        table = compare_published(asked, cells, 0.02)
        expected = [told_from(Counted(k, k, 33), 165, 0.05 / len(asked)) for k in (32, 18)[: len(asked)]]
        assert table["told_from"].tolist() == pytest.approx(expected)


def test_groups_left_out_count_each_image_once_whatever_the_cells() -> None:
    """Of the largest of two views: each tests the same three groups of 20, 30 and 40 images."""
    cells = [
        metrics(0.8, n=n, view=view, seed=seed, split="leave_one_group_out")
        for view in ("original", "forehead")
        for seed, n in enumerate((20, 30, 40))
    ]
    digits = Rounded.parse("0.9697")
    value = Printed(
        "yale_a", "text", False, ("lenet5",), ("original", "forehead"), "max", "accuracy", 0.97, digits, 33
    )
    assert compare_published([value], pd.DataFrame(cells), 0.02)["units"].tolist() == [90]


def test_what_cannot_be_told_is_said() -> None:
    cells = pd.DataFrame([metrics(0.82), metrics(0.5, n=2, view="forehead"), metrics(0.5, view="center")])
    values = [
        *(printed("0.9697", n=None), printed("0.546"), printed("0.9697", statistic="max")),
        *(printed("0.5", "forehead", n=2), printed("0.9697", "upper_left")),
    ]
    table = compare_published(values, cells, 0.02)
    # No number of images; no k of 33; the largest of several; no result on two images would differ.
    assert table["judged"].tolist()[:4] == [UNTOLD] * 4
    assert pd.isna(table["judged"][4])  # it was not run
    assert (table["printed_least"][2], table["printed_n"][4]) == (32, 33)


def test_images_that_several_hold_outs_test_count_once() -> None:
    holdout = {"split": "holdout20", "n": 33, "n_train": 132, "n_val": 0}
    cells = pd.DataFrame([metrics(0.8, **holdout, seed=seed) for seed in range(20)])
    for several, units in ((cells, 163), (cells[:2], 59), (cells[:1], 33)):  # 165 (1 - 0.8^20), 165 × 0.36
        (row,) = compare_published([printed("0.9697")], several, 0.02).to_dict("records")
        assert row["units"] == units
    official = cells.assign(split="official")
    assert compare_published([printed("0.9697")], official, 0.02)["units"].tolist() == [33]


def test_images_of_one_group_count_as_one() -> None:
    cells = pd.DataFrame([metrics(132 / 165, units=33)])
    (row,) = compare_published([printed("0.9697")], cells, 0.02).to_dict("records")
    assert row["units"] == 33
    assert row["p"] == pytest.approx(max(fisher(32, 33, 26, 33), fisher(32, 33, 27, 33)))
    assert row["judged"] == COMPATIBLE


@given(st.integers(5, 60), st.integers(5, 60), st.data())
def test_equal_shares_are_never_told_apart(n: int, size: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    assume(k * size % n == 0)
    assert p_same(Counted(k, k, n), k / n, size) == pytest.approx(1)


# The page


def definitions() -> dict:
    found = find_definitions([str(ROOT / "config/datasets")])
    return {name: read_definition(path) for name, path in found.items() if name in (*PUBLISHED, *EARLIER)}


def test_rows_of_the_page_are_what_hand_and_release_say() -> None:
    rows = rows_of(read_published(TABLES), definitions())
    verdicts = {
        (row.dataset, row.where, str(row.numbers[0].value)): (verdict, row.counts)
        for row, verdict in zip(rows, verdicts_of(rows), strict=True)
    }
    # 73.08 % is the rate itself; 5,842 of 7,180 as well. 32 of 33 faces are more than one of 15.
    assert verdicts["breastmnist", "text 3.1.1", "0.7308"] == (ALONE, Counted(114, 114, 156))
    assert verdicts["pathmnist", "Table 6", "0.813649"] == (ALONE, Counted(5842, 5842, 7180))
    faces = "Dhar and Shamir (2021), text 3.1"
    assert verdicts["yale_a", faces, "0.9697"] == (ABOVE, Counted(32, 32, 33))
    assert verdicts["yale_a", faces, "0.5455"] == (ABOVE, Counted(18, 18, 33))
    # No official test part, so nobody knows n; and no mean over five runs is a k of 1,512.
    assert verdicts["idc", "text 3.4", "0.89"] == (CANNOT_TELL, None)
    assert verdicts["isic_2018", "Table 8", "0.858372"] == (CANNOT_TELL, None)
    accuracies = len(pd.read_csv(ROOT / "resources/published/metrics_as_printed.csv"))
    assert sum(len(row.numbers) for row in rows if row.where.startswith("Table")) <= accuracies


def test_the_largest_of_several_pays_for_the_choice() -> None:
    rows = rows_of(read_published(TABLES), definitions())
    (row,) = [
        one for one in rows if (one.dataset, one.of) == ("breastmnist", "largest of 4 networks on 5 crops")
    ]
    assert row.chosen_from == 20
    assert row.counts is not None
    assert row.counts.p_above(114 / 156) == pytest.approx(
        sum(comb(156, k) * 114**k * 42 ** (156 - k) for k in range(118, 157)) / 156**156
    )
    assert row.p == min(1, 20 * row.counts.p_above(114 / 156))


def test_the_page_of_printed_accuracies_is_what_the_command_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    out, tables = tmp_path / "page.md", [str(path) for path in TABLES]
    command = ["describe-printed", "--published", *tables, "--definitions", "config/datasets"]
    assert main([*command, "--out", str(out)]) == 0
    written = out.read_text(encoding="utf-8")
    assert written == (ROOT / "docs/printed-values.md").read_text(encoding="utf-8"), "run `make docs`"
    assert written == page_of(read_published(TABLES), definitions())
