"""The table of readers: who is judged with whom, on what, and what a row promises."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from scipy.stats import t as student

from nullcrop.config.cell import READER_COLUMNS
from nullcrop.config.detectable import inflation_of_folds, minimal_detectable
from nullcrop.config.views import study_crops
from nullcrop.statistics.auroc import TestSet, estimate_auroc
from nullcrop.statistics.crossfit import averages, readings, together
from nullcrop.statistics.maxt import maxt
from nullcrop.statistics.metrics import cell_metrics
from nullcrop.statistics.reader_table import judge_readers

from .finished_cells import a_test_set, crossfitted, finished, folds_of, scores

CORNERS = [view for view in study_crops() if view != "center"]
READERS = {"vgg16": "paper", "lenet5": "paper", "mean_rgb": "baseline"}


def an_audit(parts, auroc=0.6, views=CORNERS, readers=READERS, seed=0, split="crossfit", **coordinates):
    """Cross-fitted cells of all ``readers`` on all ``views`` of the same images."""
    rows = np.concatenate([rows for rows, _ in parts.values()])
    target = np.zeros(rows.max() + 1)
    for own, part in parts.values():
        target[own] = part.target
    test = TestSet(target.astype(np.int64), np.full(len(target), ""))
    return [
        cell
        for place, (view, name) in enumerate(product(views, readers))
        for cell in crossfitted(
            parts,
            scores(test, auroc, [seed, place]),
            split,
            view=view,
            architecture=name,
            recipe=readers[name],
            **coordinates,
        )
    ]


PATIENTS = np.repeat(np.arange(30), 4).astype(str)
PARTS = {
    name: folds_of(a_test_set(120, 40, group)) for name, group in (("images", ""), ("patients", PATIENTS))
}


@pytest.mark.parametrize("name", PARTS)
def test_readers_views_and_averages_are_one_family(name):
    cells = an_audit(PARTS[name])
    table = judge_readers(cells, "whole", 0.05)
    found = readings(cells)
    members = [*found, *averages(found)]
    assert table["role"].tolist() == ["crop"] * 17
    named = [(*(getattr(one.reader, column) for column in READER_COLUMNS),) for one in members]
    assert [*table[READER_COLUMNS].itertuples(index=False, name=None)] == [
        *named,
        ("d", "printed", "crossfit", "together", "average", "average"),
    ]
    c = inflation_of_folds(10, range(10))
    family = maxt([(one.test, one.score) for one in members], 0.05, inflation=[c] * 16)
    rows = table.iloc[:16]
    for column, values in (
        ("p_maxt", family.p),
        ("p_stepdown", family.p_stepdown),
        ("bound_low", family.low.clip(0, 1)),
        ("bound_high", family.high.clip(0, 1)),
    ):
        assert rows[column].tolist() == values.tolist(), column
    assert (table["inflation"] == c).all()
    assert (rows["members"] == 16).all()
    assert (table["seeds"] == 10).all()
    assert (table["n"] == 120).all()
    assert (table["units"] == (120 if name == "images" else 30)).all()
    units = found[0].test.units_of_targets
    assert rows["minimal"].tolist() == [min(1, minimal_detectable(units, 16, 0.05, c))] * 16
    # The row of all readers on all views is in no family, and nobody chose it.
    last = table.iloc[16]
    assert np.isnan(last[["p_maxt", "bound_low", "accuracy"]].to_numpy(float)).all()
    assert last["auroc"] == estimate_auroc(found[0].test, together(found).score)[0].value


def test_intervals_and_p_of_a_row_hold_the_factor():
    row = judge_readers(an_audit(PARTS["images"]), "whole", 0.05).iloc[0]
    one = readings(an_audit(PARTS["images"]))[0]
    estimate, _ = estimate_auroc(one.test, one.score)
    error = one.inflation * estimate.error
    assert row["auroc_high"] - row["auroc"] == pytest.approx(student.ppf(0.975, estimate.df) * error)
    assert row["auroc"] - row["auroc_low"] == pytest.approx(row["auroc_high"] - row["auroc"])
    assert row["p_auroc"] == pytest.approx(student.sf((estimate.value - 0.5) / error, estimate.df))
    assert row["upper"] >= row["auroc"] + norm.ppf(0.95) * error - 1e-12
    plain = cell_metrics(an_audit(PARTS["images"])[0].answers)
    alone = judge_readers(an_audit(PARTS["images"])[:1], "whole", 0.05).iloc[0]
    for column in (
        "auroc",
        "auroc_low",
        "auroc_high",
        "p_auroc",
        "accuracy",
        "accuracy_low",
        "accuracy_high",
    ):
        assert alone[column] == pytest.approx(plain[column]), column
    assert row["accuracy"] == pytest.approx(
        np.mean([c.answers.correct.mean() for c in an_audit(PARTS["images"])[:10]])
    )


def test_families_are_corrected_apart():
    """Another split, label rule or role says nothing of a family."""
    test = a_test_set(300, 100)
    others = {"file_facts": "original", "majority": "original"}
    crops = [
        finished(test, scores(test, 0.6, place), view=view, architecture=name, recipe=READERS[name])
        for place, (view, name) in enumerate(product(CORNERS[:2], READERS))
    ]
    more = [
        finished(test, scores(test, 0.9, 10), view=view, architecture=name, recipe="baseline")
        for name, view in others.items()
    ]
    more += [
        finished(test, scores(test, 0.9, 11), view="original"),
        finished(test, scores(test, 0.9, 12), view="center"),
    ]
    more.append(finished(test, scores(test, 0.6, 13), split="grouped"))
    more.append(finished(test, scores(test, 0.6, 14), labels="revised"))
    alone = judge_readers(crops, "whole", 0.05)
    table = judge_readers(crops + more, "whole", 0.05)
    own = table[(table["role"] == "crop") & (table["split"] == "random") & (table["labels"] == "printed")]
    pd.testing.assert_frame_equal(own.reset_index(drop=True), alone.reset_index(drop=True), check_exact=True)
    of_role = table[table["p_maxt"].notna()].groupby(["labels", "split", "role"]).size()
    assert of_role.to_dict() == {
        ("printed", "grouped", "crop"): 1,
        ("printed", "random", "crop"): 8,
        ("printed", "random", "other"): 2,
        ("printed", "random", "view"): 2,
        ("revised", "random", "crop"): 1,
    }
    as_tiles = judge_readers(crops + more, "tile", 0.05)
    assert as_tiles.loc[as_tiles["view"] == "center", "role"].tolist() == ["crop"]
    assert (as_tiles.loc[as_tiles["view"] == "original", "role"] != "crop").all()


def test_shuffled_controls_give_a_p_and_join_no_family():
    test = a_test_set()
    cells = [finished(test, scores(test, 0.75, 0))]
    cells += [finished(test, scores(test, 0.5, k), split=f"random_shuffle{k}") for k in range(1, 5)]
    cells.append(finished(test, scores(test, 0.99, 9), split="random_shuffle5"))
    # One that is as good as the cell counts against it, too.
    cells.append(finished(test, scores(test, 0.75, 0), split="random_shuffle6"))
    table = judge_readers(cells, "whole", 0.05).set_index("role")
    assert table.index.tolist() == ["crop", "crop", *["shuffled"] * 6]
    assert table.loc["crop", "shuffles"].tolist() == [6, 0]
    assert table.loc["crop", "p_shuffle"].iloc[0] == pytest.approx(3 / 7)
    assert table.loc["shuffled", "p_shuffle"].isna().all()
    assert table.loc["shuffled", "p_maxt"].isna().all()
    assert table.loc["shuffled", "p_auroc"].notna().all()
    alone = judge_readers(cells[:1], "whole", 0.05)
    assert alone["p_maxt"][0] == table.loc["crop", "p_maxt"].iloc[0]
    assert alone["p_shuffle"].isna().all()


def test_controls_count_for_their_own_reader_alone():
    """Those of another label rule, split, view, architecture or recipe say nothing of it."""
    test = a_test_set()
    own = {"labels": "printed", "split": "random", "view": "upper_left", "architecture": "vgg16"}
    others = [
        {"labels": "revised"},
        {"split": "random_balanced"},
        {"view": "upper_right"},
        {"architecture": "lenet5"},
        {"recipe": "scratch"},
    ]
    cells = [finished(test, scores(test, 0.75, 0), **own)]
    for place, other in enumerate(others):
        of = {**own, **other}
        better = scores(test, 0.99, place)
        cells.append(finished(test, better, **of))
        cells.append(finished(test, better, **{**of, "split": f"{of['split']}_shuffle1"}))
    table = judge_readers(cells, "whole", 0.05)
    row = table[(table[list(own)] == own).all(axis=1) & (table["recipe"] == "paper")].iloc[0]
    assert row["shuffles"] == 0
    assert np.isnan(row["p_shuffle"])
    told = table[table["role"].isin(["crop", "view"]) & (table["architecture"] != "average")]
    assert told["shuffles"].sum() == len(others)


def test_seeds_on_an_official_split_count_once():
    """The same answers again and again: no p changes, none is 0, and intervals keep their width."""
    test = a_test_set(100, 40)

    def table(times):
        cells = [
            finished(
                test,
                scores(test, 0.52, [seed, place]),
                split="official",
                view=view,
                seed=seed + 3 * again,
                architecture=name,
                recipe=READERS[name],
            )
            for place, (view, name) in enumerate(product(CORNERS, READERS))
            for again in range(times)
            for seed in range(3)
        ]
        return judge_readers(cells, "whole", 0.05)

    once, often = table(1), table(3)
    assert (once["seeds"] == 3).all()
    assert (often["seeds"] == 9).all()
    counted = ["seeds", "constant_cells"]
    pd.testing.assert_frame_equal(once.drop(columns=counted), often.drop(columns=counted))
    assert (once["inflation"] == 1).all()
    members = once["p_maxt"].notna()
    assert (once.loc[members, "p_maxt"] >= 1 / 2000).all()
    assert (once["auroc_high"] - once["auroc_low"] > 0.05).all()


def test_a_constant_answer_with_scores_that_tell_is_judged_by_them():
    test = a_test_set(200, 70)
    table = judge_readers([finished(test, scores(test, 0.8, 0) - 100)], "whole", 0.05)
    assert table["constant_cells"].tolist() == [1, 0]
    assert table["p_maxt"][0] == 1 / 2000
    assert table["accuracy"][0] == 130 / 200
    assert table["bound_low"][0] > 0.6


def test_constant_scores_tell_nothing_and_are_as_unsure_as_noise():
    test = a_test_set(200, 70)
    row = judge_readers([finished(test, np.full(200, 0.3))], "whole", 0.05).iloc[0]
    assert (row["auroc"], row["p_maxt"], row["constant_cells"]) == (0.5, 1, 1)
    # Nothing was told, though 70 positives could have told something.
    assert row["can_tell"]
    assert row["upper"] == pytest.approx(0.5 + norm.ppf(0.95) * np.sqrt(201 / (12 * 70 * 130)))
    noise = judge_readers([finished(test, scores(test, 0.5, 0))], "whole", 0.05).iloc[0]
    assert row["upper"] - row["auroc"] == pytest.approx(noise["upper"] - noise["auroc"], rel=0.1)


@pytest.mark.parametrize("groups", [False, True])
def test_too_few_units_cannot_tell(groups):
    """Five units, two of them positive: 1 of 10 arrangements is the best, which is nothing at 5 %."""
    test = a_test_set(120, 48, np.repeat(np.arange(5), 24).astype(str)) if groups else a_test_set(5, 2)
    table = judge_readers([finished(test, np.arange(test.n, 0.0, -1))], "whole", 0.05)
    assert (table["auroc"][0], table["units"][0]) == (1, 5)
    assert not table["can_tell"][0]
    assert judge_readers([finished(test, np.arange(test.n, 0.0, -1))], "whole", 0.2)["can_tell"][0]


def test_the_same_cells_give_the_same_table_bit_for_bit():
    tables = [judge_readers(an_audit(PARTS["patients"]), "whole", 0.05) for _ in range(2)]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
