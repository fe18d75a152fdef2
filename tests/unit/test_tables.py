"""Tables of metrics: order, exactness, and words for files that are not as they should be."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import sha256_of
from nullcrop.config.cell import CELL_COLUMNS, Cell
from nullcrop.statistics import tables
from nullcrop.statistics.metrics import answers_of, cell_metrics
from nullcrop.statistics.tables import (
    join_tables,
    join_verdicts,
    read_cells,
    read_metrics,
    read_predictions,
    write_table,
)


def metrics_of_cells(folders):
    return tables.metrics_of_cells(read_cells(folders), "whole")


def write_metrics(folders, out):
    write_table(metrics_of_cells(folders), out)


def finished_cell(results: Path, n_targets: int = 2, n: int = 30, **coordinates) -> Path:
    """Write a finished cell with random predictions and return its folder."""
    names = {"dataset": "breast", "labels": "printed", "split": "random", "view": "original"}
    cell = Cell(**{**names, "architecture": "vgg16", "recipe": "paper", "seed": 0, **coordinates})
    folder = results / "cells" / cell.path
    folder.mkdir(parents=True)
    rng = np.random.default_rng(sum(cell.path.encode()))
    logits = rng.normal(size=(n, n_targets)).astype(np.float32)
    pd.DataFrame(
        {
            "id": [f"{i:03}" for i in range(n)],
            "group": ["NA", *[""] * (n - 1)],
            "target": np.arange(n) % n_targets,
            "predicted": logits.argmax(axis=1),
            **{f"logit_{k}": logits[:, k] for k in range(n_targets)},
        }
    ).to_csv(folder / "predictions.csv", index=False)
    record = {
        "cell": {name: getattr(cell, name) for name in CELL_COLUMNS},
        "numerics": "cpu",
        "seconds": 0.1 + 0.2,
        "images": {"train": 240, "val": 30, "test": n},
        "predictions_sha256": sha256_of(folder / "predictions.csv"),
    }
    (folder / "cell.json").write_text(json.dumps(record))
    return folder


def test_rows_hold_coordinates_counts_and_metrics(tmp_path):
    folder = finished_cell(tmp_path, seed=3)
    table = metrics_of_cells([folder])
    assert list(table)[:12] == [*CELL_COLUMNS, "n_train", "n_val", "n_test", "numerics", "seconds"]
    row = table.iloc[0].to_dict()
    assert (row["seed"], row["n_train"], row["n_test"], row["numerics"]) == (3, 240, 30, "cpu")
    expected = cell_metrics(answers_of(read_predictions(folder), 2))
    assert {name: row[name] for name in expected} == pytest.approx(expected, nan_ok=True)


def test_rows_follow_the_registries_and_not_the_order_given(tmp_path):
    cells = [
        {"dataset": "a", "split": "official", "seed": 10},
        {"dataset": "b", "split": "official"},
        {"dataset": "b", "split": "grouped", "view": "original", "architecture": "resnet50", "seed": 2},
        {"dataset": "b", "split": "grouped", "view": "original", "architecture": "resnet50", "seed": 10},
        {"dataset": "b", "split": "grouped", "view": "original", "architecture": "densenet121"},
        {"dataset": "b", "split": "grouped", "view": "original", "architecture": "mean_rgb"},
        {"dataset": "b", "split": "grouped", "view": "upper_left", "architecture": "resnet50"},
        {"dataset": "b", "split": "grouped", "view": "center", "architecture": "resnet50"},
        {"dataset": "b", "split": "grouped", "view": "bottom_left", "architecture": "resnet50"},
        {"dataset": "b", "split": "grouped_shuffle1"},
        {"dataset": "b", "split": "random_shuffle2"},
        {"dataset": "b", "split": "random_shuffle10"},
    ]
    folders = [finished_cell(tmp_path, **cell) for cell in cells]
    table = metrics_of_cells(folders)
    for row, cell in zip(table.to_dict("records"), cells, strict=True):
        assert {name: row[name] for name in cell} == cell
    pd.testing.assert_frame_equal(metrics_of_cells(folders[::-1]), table)


def test_without_a_finished_cell_there_is_nothing_to_read():
    for read in (tables.read_histories, tables.read_answers):
        with pytest.raises(NullcropError, match="no finished cell was given"):
            read([])


def test_written_floats_read_back_exactly(tmp_path):
    folders = [finished_cell(tmp_path, seed=seed, labels="null") for seed in range(5)]
    write_metrics(folders, tmp_path / "metrics.csv")
    read, table = read_metrics(tmp_path / "metrics.csv"), metrics_of_cells(folders)
    for name in table.select_dtypes("float"):
        assert read[name].equals(table[name]), name
    assert read["labels"].tolist() == ["null"] * 5
    assert read["constant"].dtype == bool


def test_datasets_of_two_and_of_three_classes_share_a_table(tmp_path):
    folders = [finished_cell(tmp_path), finished_cell(tmp_path, n_targets=3, dataset="cells")]
    write_metrics(folders, tmp_path / "metrics.csv")
    text = pd.read_csv(tmp_path / "metrics.csv", dtype=str, keep_default_na=False)
    assert text[["positives", "count_0", "delong_low"]].iloc[1].tolist() == ["", "10", ""]
    assert text[["positives", "count_0"]].iloc[0].tolist() == ["15", ""]
    assert text["tp"].iloc[0].isdigit()


def test_joined_tables_keep_every_value_as_it_stands(tmp_path):
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("dataset,n,p\na,7,0.30000000000000004\n")
    second.write_text("dataset,n,extra\nNA,8,1e-07\n")
    join_tables([first, second], tmp_path / "new" / "all.csv")
    lines = (tmp_path / "new" / "all.csv").read_text().splitlines()
    assert lines == ["dataset,n,p,extra", "a,7,0.30000000000000004,", "NA,8,,1e-07"]


@given(
    st.lists(
        st.lists(
            st.tuples(st.booleans(), st.one_of(st.none(), st.floats(0.0005, 1))), min_size=1, max_size=3
        ),
        min_size=1,
        max_size=5,
    )
)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_p_over_datasets_is_holms_over_the_verdicts_to_quote(tmp_path, datasets):
    """A row to quote without a p counts as one that cannot reject; the others do not count at all."""
    paths = []
    for number, rows in enumerate(datasets):
        table = pd.DataFrame(
            [{"dataset": f"d{number}", "headline": quoted, "p": p, "sentence": "007"} for quoted, p in rows]
        )
        paths.append(tmp_path / f"{number}.csv")
        write_table(table, paths[-1])
    join_verdicts(paths, tmp_path / "all.csv")
    joined = pd.read_csv(tmp_path / "all.csv", dtype={"sentence": str})
    assert joined["sentence"].tolist() == ["007"] * len(joined)
    flat = [row for rows in datasets for row in rows]
    quoted = [place for place, (headline, _) in enumerate(flat) if headline]
    known = [place for place in quoted if flat[place][1] is not None]
    p = [1 if flat[place][1] is None else flat[place][1] for place in quoted]
    expected = dict(zip(quoted, multipletests(p, method="holm")[1], strict=True)) if quoted else {}
    for place, value in enumerate(joined["p_over_datasets"]):
        if place in known:
            assert value == pytest.approx(expected[place])
        else:
            assert np.isnan(value)


def test_a_study_without_a_verdict_has_none_to_correct(tmp_path):
    write_table(pd.DataFrame(columns=["dataset", "headline", "p"]), tmp_path / "a.csv")
    join_verdicts([tmp_path / "a.csv"], tmp_path / "all.csv")
    assert list(pd.read_csv(tmp_path / "all.csv")) == ["dataset", "headline", "p", "p_over_datasets"]


def test_predictions_keep_ids_and_groups_as_text(tmp_path):
    table = read_predictions(finished_cell(tmp_path))
    assert table["id"].tolist()[:2] == ["000", "001"]
    assert table["group"].tolist()[:2] == ["NA", ""]


def truncate(path: Path, keep: float) -> None:
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])


@pytest.mark.parametrize(
    ("damage", "file", "words"),
    [
        (lambda path: path.unlink(), "cell.json", "cannot be read: No such file"),
        (lambda path: path.unlink(), "predictions.csv", "cannot be read: No such file"),
        (lambda path: truncate(path, 0.6), "cell.json", "half-written"),
        (lambda path: truncate(path, 0.6), "predictions.csv", "half-written .its checksum"),
        (lambda path: truncate(path, 0), "predictions.csv", "half-written"),
        (lambda path: path.write_bytes(b"\xff\xfe,\x00"), "predictions.csv", "half-written"),
        (lambda path: path.write_text('{"cell": {}}'), "cell.json", "'dataset' is missing"),
        (lambda path: path.write_text("[]"), "cell.json", "half-written"),
    ],
)
def test_a_bad_file_is_named(tmp_path, damage, file, words):
    folder = finished_cell(tmp_path)
    damage(folder / file)
    with pytest.raises(NullcropError, match=words) as caught:
        metrics_of_cells([folder])
    assert str(folder / file) in str(caught.value)


def test_a_missing_number_names_its_file(tmp_path):
    folder = finished_cell(tmp_path)
    path = folder / "predictions.csv"
    path.write_text("id,group,target,predicted,logit_0,logit_1\na,,0,0,0.5,\nb,,1,0,0.5,0.1\n")
    record = json.loads((folder / "cell.json").read_text())
    (folder / "cell.json").write_text(json.dumps({**record, "predictions_sha256": sha256_of(path)}))
    with pytest.raises(NullcropError, match=r"predictions\.csv: 1 of 2 test images have a NaN"):
        metrics_of_cells([folder])


def test_nothing_to_tabulate_is_said(tmp_path):
    with pytest.raises(NullcropError, match="no finished cell"):
        metrics_of_cells([])
    with pytest.raises(NullcropError, match="no table"):
        join_tables([], tmp_path / "all.csv")
    with pytest.raises(NullcropError, match=r"missing\.csv cannot be read"):
        join_tables([tmp_path / "missing.csv"], tmp_path / "all.csv")
    assert not (tmp_path / "all.csv").exists()
