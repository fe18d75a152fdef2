"""Discrepancies: known ones are found, other numbers give others, and the page is fresh."""

import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import write_json
from nullcrop.cli import main
from nullcrop.config.definitions import Definition, find_definitions, read_definition
from nullcrop.config.grid import Grid
from nullcrop.config.models import Project
from nullcrop.config.names import PUBLISHED, PUBLISHED_TABLES
from nullcrop.published.columns import roles_of
from nullcrop.published.discrepancies import list_discrepancies, write_discrepancies
from nullcrop.published.discrepancies_page import page_of, write_page
from nullcrop.published.findings import COLUMNS, KINDS
from nullcrop.published.printed import FILES, ROLES, metric_tables, read_published
from nullcrop.published.rounding import (
    Rounded,
    beside_harmonic_mean,
    harmonic_mean,
    multiples,
    parse_column,
    prevalence_range,
    sizes_that_fit,
    tells_size,
)

ROOT = Path(__file__).parents[2]
FILES_METRICS = "metrics_as_printed.csv"
TABLES = [ROOT / "resources" / "published" / f"{name}.csv" for name in PUBLISHED_TABLES]


@cache
def definitions() -> Mapping[str, Definition]:
    paths = find_definitions([str(ROOT / "config" / "datasets")])
    return {name: read_definition(paths[name]) for name in PUBLISHED}


@cache
def table() -> pd.DataFrame:
    return list_discrepancies(read_published(TABLES), definitions())


def found(kind: str, dataset: str, where: str = "", among: pd.DataFrame | None = None) -> list[str]:
    """Printed, computed and evidence of each finding of ``kind``, joined."""
    rows = table() if among is None else among
    rows = rows[
        (rows["kind"] == kind) & (rows["dataset"] == dataset) & rows["table"].str.contains(where, regex=False)
    ]
    return [" | ".join([row.printed, row.computed, row.evidence]) for row in rows.itertuples()]


def tampered(file: str, where: Mapping[str, str], **values: str) -> pd.DataFrame:
    """The findings when the one row of ``file`` that agrees with ``where`` holds other ``values``."""
    published = {name: rows.copy() for name, rows in read_published(TABLES).items()}
    rows = published[file]
    chosen = pd.Series(True, index=rows.index)
    for column, value in where.items():
        chosen &= rows[column] == value
    assert chosen.sum() == 1
    for column, value in values.items():
        assert rows.loc[chosen, column].item() != value
        rows.loc[chosen, column] = value
    return list_discrepancies(published, definitions())


# Known findings


@pytest.mark.parametrize(
    ("kind", "dataset", "where", "words"),
    [
        ("counts do not add up", "breakhis_40x", "Table 2", "1,370 + 652 = 2,022, not 1,995. With 625"),
        ("counts do not add up", "isic_2017", "Table 3", "3,736 + 7,790 = 11,526, not 11,527"),
        ("counts do not add up", "isic_2018", "Table 3", "7,007 + 1,003 = 8,010"),
        ("counts do not add up", "isic_2019", "Table 3", "546 + 78 = 624"),
        (
            "counts differ from the release",
            "pathmnist",
            "Table 1",
            "9,504 + 10,867 + 15,550 = 95,435 present",
        ),
        ("counts differ from the release", "dermamnist", "Table 1", "514 + 142 = 656 present"),
        ("counts differ from the release", "dermamnist", "Table 1", "1,627 present"),
        ("counts differ from the release", "breastmnist", "Table 1", "counts are exchanged"),
        ("counts differ from the release", "breakhis_40x", "Table 2", "1,995 - 1,370 = 625"),
        ("counts of another dataset", "isic_2017", "Table 3", "training and test (10,015 + 1,512)"),
        ("counts of another dataset", "isic_2017", "Table 3", "in training and test (3,168 + 568)"),
        ("counts of another dataset", "isic_2018", "Table 3", "3 of 3 are counts of dermamnist"),
        ("counts of another dataset", "isic_2019", "Table 3", "3 of 3 are counts of breastmnist"),
        ("size of the test part", "pathmnist", "Table 6", "24 of 24 are k / 7,180"),
        ("size of the test part", "pathmnist", "Table 6", "headed F-1 | all are k / 5,842"),
        ("size of the test part", "isic_2018", "Table 8", "0 of 24 are k / 1,512"),
        ("size of the test part", "isic_2018", "Table 8", "7,555 = 5 × 1,511"),
        ("size of the test part", "isic_2018", "Table 8", "2,840 = 5 × 568"),
        ("size of the test part", "breastmnist", "Table 5", "0 of 24 are k / 156"),
        ("size of the test part", "breastmnist", "Table 5", "test part of ISIC-2018"),
        ("size of the test part", "nodulemnist3d", "text", "3 of 3 are k / 310"),
        ("size of the test part", "dermamnist", "text", "3 of 3 are k / 2,005"),
        ("size of the test part", "yale_a", "forerunner", "18 / 33 = 54.5 %"),
        ("score of a constant answer", "pathmnist", "Table 6", "5,842 / 7,180 = 81.3649 %"),
        ("score of a constant answer", "breastmnist", "text", "114 / 156 = 73.08 %"),
        ("score of a constant answer", "dermamnist", "text", "1,873 / 2,005 = 93.42 %"),
        ("score of a constant answer", "isic_2016", "text", "304 / 379 = 80.21 %"),
        ("score of a constant answer", "isic_2017", "text", "483 / 600 = 80.50 %"),
        ("recall of 100 %", "pathmnist", "Table 6", "0, 0, 2, 1, 0 of 1,338 negatives told"),
        ("columns", "pathmnist", "Table 6", "Recall, F-1, Precision | Precision, Recall, F-1"),
        ("columns", "isic_2019", "Table 9", "Recall, F-1, Precision | Precision, Recall, F-1"),
        ("columns", "breakhis_40x", "Table 7", "3 of 24 rows, below it in 21 and above it in 0"),
        ("columns", "isic_2018", "Table 8", "0 of 24 rows, below it in 24 and above it in 0"),
        ("same rows", "breastmnist", "Table 5, Table 8", "24 of the 24 rows"),
        ("same rows", "breastmnist", "Table 5, Table 8", "original there is bottom_left here"),
        ("no-information rate", "nodulemnist3d", "text", "246 / 310 = 79.35 %"),
        ("no-information rate", "isic_2019", "text", "15,991 / 25,331 = 63.13 %"),
        ("balanced classes", "nodulemnist3d", "text", "458 is DermaMNIST"),
        ("balanced classes", "pathmnist", "text", "9,366 is PathMNIST"),
    ],
)
def test_a_known_discrepancy_is_found(kind: str, dataset: str, where: str, words: str) -> None:
    assert any(words in text for text in found(kind, dataset, where)), found(kind, dataset, where)


def test_what_agrees_is_not_listed() -> None:
    for dataset in ("nodulemnist3d", "breakhis_100x", "breakhis_200x", "breakhis_400x", "isic_2016", "idc"):
        for kind in list(KINDS)[1:4]:
            assert not found(kind, dataset)
    assert not found("balanced classes", "breakhis_40x")
    assert set(table()["kind"]) == set(KINDS) - {"counts of the files"}
    assert table()["kind"].map(list(KINDS).index).is_monotonic_increasing
    assert not (table() == "").any(axis=None)


# Counted on the files


def counted(folder: Path, dataset: str, mismatches: Sequence[str] = (), **counts: object) -> pd.DataFrame:
    """The findings on ``dataset``, whose files hold what its definition says but for ``counts``."""
    expected = definitions()[dataset].expected.model_dump()
    facts = {"dataset": dataset, "counted": {**expected, **counts}, "discrepancies": list(mismatches)}
    write_json(folder / "dataset.json", facts)
    return list_discrepancies(read_published(TABLES), definitions(), folder / "dataset.json")


def test_what_was_counted_in_the_files_is_compared_with_what_was_printed(tmp_path: Path) -> None:
    rows = counted(tmp_path, "breastmnist")
    assert set(rows["dataset"]) == {"breastmnist"}
    assert rows["sources"].str.contains("breastmnist/dataset.json", regex=False).all()
    assert not rows["sources"].str.contains("breastmnist.yaml", regex=False).any()
    own = table()[table()["sources"].str.contains("breastmnist.yaml", regex=False)]
    own = own[own["dataset"] == "breastmnist"]
    assert rows["printed"].tolist() == own["printed"].tolist()
    assert rows["evidence"].tolist() == own["evidence"].tolist()


def test_classes_that_no_definition_counts_are_counted_in_the_files(tmp_path: Path) -> None:
    """A definition that knows adipose alone cannot say how many are positive as printed; the files can."""
    known = definitions()
    alone = known["pathmnist"].expected.model_copy(
        update={"classes": {"adipose": 11_745}, "split_classes": {}}
    )
    known = {**known, "pathmnist": known["pathmnist"].model_copy(update={"expected": alone})}
    rows = list_discrepancies(read_published(TABLES), known)
    assert found("counts differ from the release", "pathmnist", among=rows)[0].count("Not all classes") == 1
    classes = dict.fromkeys(definitions()["pathmnist"].classes, 1000)
    classes |= {"adipose": 11_745, "cancer_associated_stroma": 12_007, "adenocarcinoma_epithelium": 16_723}
    rows = counted(tmp_path, "pathmnist", classes=classes)
    (text,) = found("counts differ from the release", "pathmnist", among=rows)
    assert "Under `printed` the release holds 28,730 present and 78,450 absent." in text


def test_files_that_are_not_the_release_say_so_and_change_no_comparison(tmp_path: Path) -> None:
    rows = counted(tmp_path, "idc", ["images: expected 277524, found 4101"], images=4101)
    (text,) = found("counts of the files", "idc", among=rows)
    assert "images: expected 277524, found 4101" in text
    others = rows[rows["kind"] != "counts of the files"]
    assert set(others["dataset"]) == {"idc"}
    assert not others["evidence"].str.contains("4,101").any()


@pytest.mark.parametrize("content", ["{", "[]", '{"dataset": "idc"}', '{"dataset": "no", "counted": {}}'])
def test_a_damaged_dataset_json_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(NullcropError, match=r"dataset\.json cannot be read"):
        list_discrepancies(read_published(TABLES), definitions(), tmp_path / "dataset.json")


def test_arithmetic_in_the_evidence_is_right() -> None:
    count = r"\d[\d,]*"
    sums = shares = products = 0
    for text in table()["evidence"]:
        for terms, total in re.findall(rf"({count}(?: [+-] {count})+) = ({count})", text):
            assert eval(terms.replace(",", "")) == int(total.replace(",", "")), text
            sums += 1
        for k, n, percent, places in re.findall(rf"({count}) / ({count}) = (\d+\.?(\d*)) %", text):
            share = 100 * int(k.replace(",", "")) / int(n.replace(",", ""))
            assert f"{share:.{len(places)}f}" == percent, text
            shares += 1
        for total, runs, n in re.findall(rf"({count}) = (\d+) × ({count})", text):
            assert int(total.replace(",", "")) == int(runs) * int(n.replace(",", ""))
            products += 1
    assert min(sums, shares) > 5
    assert products


# Other numbers, other findings


@pytest.mark.parametrize(
    ("file", "where", "values", "kind", "dataset"),
    [
        (
            "datasets_as_printed.csv",
            {"dataset": "breakhis_40x"},
            {"printed_absent": "625"},
            "counts do not add up",
            "breakhis_40x",
        ),
        (
            "datasets_as_printed.csv",
            {"dataset": "isic_2019"},
            {"printed_total": "25331"},
            "counts of another dataset",
            "isic_2019",
        ),
        (
            "claims.csv",
            {"dataset": "isic_2016"},
            {"accuracy": "0.8022"},
            "score of a constant answer",
            "isic_2016",
        ),
        (
            "counts_in_text.csv",
            {"dataset": "nodulemnist3d"},
            {"value": "457"},
            "balanced classes",
            "nodulemnist3d",
        ),
        (
            "earlier_study.csv",
            {"dataset": "yale_a", "view": "forehead", "table": "Table 3"},
            {"accuracy": "0.545"},
            "size of the test part",
            "yale_a",
        ),
    ],
)
def test_a_changed_number_removes_its_finding(
    file: str, where: Mapping[str, str], values: Mapping[str, str], kind: str, dataset: str
) -> None:
    assert not found(kind, dataset, among=tampered(file, where, **values))


def test_a_changed_number_adds_a_finding() -> None:
    changed = tampered("datasets_as_printed.csv", {"dataset": "idc"}, printed_absent="198739")
    (text,) = found("counts do not add up", "idc", among=changed)
    assert "78,786 + 198,739 = 277,525, not 277,524" in text
    (text,) = found("counts differ from the release", "idc", among=changed)
    assert "277,524 - 78,786 = 198,738 absent" in text


ROW = {"table": "Table 6", "architecture": "vgg16", "region": "center"}


def test_one_accuracy_that_is_no_multiple_is_counted() -> None:
    texts = found(
        "size of the test part", "pathmnist", among=tampered(FILES_METRICS, ROW, accuracy="0.826610")
    )
    assert any("23 of 24 are k / 7,180" in text for text in texts)


def test_a_recall_below_100_percent_leaves_the_list() -> None:
    row = {"table": "Table 6", "architecture": "inception_v3", "region": "center"}
    changed = tampered(FILES_METRICS, row, f1_printed="0.999829", precision_printed="0.897320")
    (text,) = found("recall of 100 %", "pathmnist", among=changed)
    assert "0, 0, 1, 0 of 1,338 negatives told" in text


def test_columns_are_named_from_the_numbers_alone() -> None:
    changed = tampered(FILES_METRICS, ROW, precision_printed="0.903773")
    (text,) = found("columns", "pathmnist", among=changed)
    assert "Precision, Recall, F-1" not in text
    published = dict(read_published(TABLES))
    swapped = {
        "recall_printed": "f1_printed",
        "f1_printed": "precision_printed",
        "precision_printed": "recall_printed",
    }
    metrics = published[FILES_METRICS]
    right = metrics.rename(columns={old: new for new, old in swapped.items()})
    published[FILES_METRICS] = metrics.where(
        ~metrics["table"].isin(["Table 6", "Table 9"]), right[metrics.columns]
    )
    mended = list_discrepancies(published, definitions())
    assert not found("columns", "pathmnist", among=mended)
    assert not found("columns", "isic_2019", among=mended)


def test_same_rows_are_counted_and_need_half_of_the_table() -> None:
    row = {"table": "Table 5", "architecture": "vgg16", "region": "center"}
    changed = tampered(FILES_METRICS, row, f1_printed="0.109650")
    (text,) = found("same rows", "breastmnist", among=changed)
    assert "23 of the 24 rows" in text
    published = dict(read_published(TABLES))
    metrics = published[FILES_METRICS].copy()
    metrics.loc[metrics["table"] == "Table 5", "f1_printed"] = "0.5"
    published[FILES_METRICS] = metrics
    assert not found("same rows", "breastmnist", among=list_discrepancies(published, definitions()))


def test_other_counts_of_a_release_change_the_findings() -> None:
    content = definitions()["isic_2016"].model_dump()
    content["expected"]["split_classes"]["test"] = {"benign": 303, "malignant": 76}
    changed = {**definitions(), "isic_2016": Definition.model_validate(content)}
    assert not found(
        "score of a constant answer", "isic_2016", among=list_discrepancies(read_published(TABLES), changed)
    )


def test_tables_come_in_the_order_in_which_they_are_printed() -> None:
    published = {name: rows.copy() for name, rows in read_published(TABLES).items()}
    published[FILES_METRICS] = published[FILES_METRICS].iloc[::-1]
    turned = [(table, dataset) for table, dataset, _ in metric_tables(published)]
    assert turned == [key[:2] for key in metric_tables(read_published(TABLES))][::-1]


def test_a_count_that_is_a_count_of_nothing_hides_no_other() -> None:
    published = {name: rows.copy() for name, rows in read_published(TABLES).items()}
    rows = published["counts_in_text.csv"]
    nothing = rows[rows["statistic"] == "images of each class after balancing"].iloc[:1].assign(value="7")
    published["counts_in_text.csv"] = pd.concat([nothing, rows])
    kind = "balanced classes"
    balanced = table()[table()["kind"] == kind]
    assert len(balanced) > 0
    among = list_discrepancies(published, definitions())
    assert among[among["kind"] == kind].to_numpy().tolist() == balanced.to_numpy().tolist()


@pytest.mark.parametrize(("runs", "words"), [(10, " 1,560 = 10 × 156, the official test part"), (11, "")])
def test_accuracies_may_be_means_over_up_to_ten_runs(runs: int, words: str) -> None:
    n = runs * 156
    published = {name: rows.copy() for name, rows in read_published(TABLES).items()}
    rows = published[FILES_METRICS]
    own = rows["dataset"] == "breastmnist"
    rows.loc[own, "accuracy"] = [f"{(1001 + 7 * k) / n:.6f}" for k in range(own.sum())]
    among = list_discrepancies(published, definitions())
    evidence = " ".join(found("size of the test part", "breastmnist", "Table 5", among))
    (beside,) = re.findall(rf"fits all 24 is {n:,}\.([^|]*)", evidence)
    assert beside.startswith(words)
    assert ("×" in beside) == (runs == 10)


def test_classes_of_one_size_have_the_rate_that_is_printed_as_chance() -> None:
    assert len(found("no-information rate", "breastmnist")) == 1
    content = definitions()["breastmnist"].model_dump()
    content["expected"]["split_classes"]["test"] = {"malignant": 78, "normal_or_benign": 78}
    changed = {**definitions(), "breastmnist": Definition.model_validate(content)}
    among = list_discrepancies(read_published(TABLES), changed)
    rates = table()[table()["kind"] == "no-information rate"]
    others = rates[rates["dataset"] != "breastmnist"]
    assert rates["dataset"].iloc[-1] != "breastmnist"
    assert among[among["kind"] == "no-information rate"].to_numpy().tolist() == others.to_numpy().tolist()


def test_without_definitions_the_tables_are_compared_with_themselves() -> None:
    alone = list_discrepancies(read_published(TABLES), {})
    assert found("counts do not add up", "isic_2019", among=alone)
    assert found("same rows", "breastmnist", among=alone)
    assert not found("counts differ from the release", "isic_2019", among=alone)


# k / n and harmonic means


@given(units=st.integers(0, 1000), n=st.integers(1, 60), decimals=st.integers(1, 3))
def test_a_fraction_fits_as_by_brute_force(units: int, n: int, decimals: int) -> None:
    printed = Rounded(min(units, 10**decimals), decimals)
    half = Fraction(1, 2 * 10**decimals)
    fitting = [
        k for k in range(n + 1) if abs(Fraction(k, n) - Fraction(printed.units, printed.scale)) <= half
    ]
    k = printed.numerator(n)
    assert (k is None) == (not fitting)
    assert k is None or k in fitting


@given(n=st.integers(1, 100_000), share=st.floats(0, 1), decimals=st.integers(2, 6))
def test_a_rounded_fraction_fits_its_own_size(n: int, share: float, decimals: int) -> None:
    k = round(share * n)
    printed = Rounded.parse(f"{k / n:.{decimals}f}")
    assert printed.numerator(n) is not None
    if tells_size([printed], n):
        assert printed.numerator(n) == k


@given(n=st.integers(2, 200), shares=st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_the_true_size_is_among_those_that_fit(n: int, shares: list[float]) -> None:
    printed = parse_column([f"{round(share * n) / n:.4f}" for share in shares])
    assert n in sizes_that_fit(printed, 400)
    assert sizes_that_fit(printed, n)[-1] == n
    assert sizes_that_fit(printed, n - 1) == sizes_that_fit(printed, n)[:-1]
    assert multiples(printed, n) == len(printed)


@pytest.mark.parametrize(("positives", "negatives", "told"), [(300, 6000, True), (6000, 300, False)])
def test_the_recall_is_known_by_its_positives_where_few_are_enough_to_tell(
    positives: int, negatives: int, told: bool
) -> None:
    """Of four decimal places every number is some k / 6,000."""
    lines = []
    for missed, alarms in [(7, 55), (31, 260), (118, 13), (64, 199)]:
        hits = positives - missed
        recall, precision = hits / positives, hits / (hits + alarms)
        accuracy = 1 - (missed + alarms) / (positives + negatives)
        lines.append([accuracy, recall, harmonic_mean(recall, precision), precision])
    texts = [[f"{number:.4f}" for number in column] for column in zip(*lines, strict=True)]
    columns = ["accuracy", *(ROLES[role] for role in ("recall", "f1", "precision"))]
    rows = pd.DataFrame({name: parse_column(column) for name, column in zip(columns, texts, strict=True)})
    official = SimpleNamespace(
        rules=["printed"],
        definition=SimpleNamespace(default_rule="printed"),
        targets=lambda rule, part="": (positives, negatives),
    )
    roles = roles_of(rows, official)  # type: ignore[arg-type]
    assert roles is not None
    assert roles.columns == ROLES
    assert ("all 4 values headed Recall are k / 300" in roles.reason) == told


@given(a=st.floats(0.01, 1), b=st.floats(0.01, 1), decimals=st.integers(2, 5))
def test_a_rounded_harmonic_mean_is_within_its_range(a: float, b: float, decimals: int) -> None:
    first, second, mean = (Rounded.parse(f"{value:.{decimals}f}") for value in (a, b, harmonic_mean(a, b)))
    assert beside_harmonic_mean(mean, first, second) == "within"


@given(st.floats(1e-3, 1), st.floats(1e-3, 1))
@example(0.0, 0.5)
@example(0.5, 0.0)
def test_the_harmonic_mean_is_pythons(a: float, b: float) -> None:
    assert harmonic_mean(a, b) == pytest.approx(statistics.harmonic_mean([a, b]))


@given(tp=st.integers(1, 300), fn=st.integers(0, 300), fp=st.integers(0, 300), tn=st.integers(0, 300))
def test_the_share_of_positives_lies_in_its_range(tp: int, fn: int, fp: int, tn: int) -> None:
    n = tp + fn + fp + tn
    accuracy, recall, precision = (
        Rounded.parse(f"{share:.3f}") for share in ((tp + tn) / n, tp / (tp + fn), tp / (tp + fp))
    )
    low, high = prevalence_range(accuracy, recall, precision)
    assert low - 1e-9 <= (tp + fn) / n <= high + 1e-9


@pytest.mark.parametrize("text", ["", "80.2 %", "-0.5", "nan", "1.01", "0,5", "1e-3"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(NullcropError, match="is not a share"):
        Rounded.parse(text)


def test_printed_places_are_those_of_the_column() -> None:
    assert parse_column(["1.", "0.8", "0.8021"]) == [Rounded(10000, 4), Rounded(8000, 4), Rounded(8021, 4)]
    assert [Rounded.parse(text).percent for text in ("0.8021", "0.89", "0.813649")] == [
        "80.21 %",
        "89 %",
        "81.3649 %",
    ]


# Files


def test_the_page_is_fresh() -> None:
    page = (ROOT / "docs" / "discrepancies.md").read_text(encoding="utf-8")
    assert page == page_of(table()), "run `make docs` and commit what it writes"


def test_the_command_line_writes_table_and_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    out, page = tmp_path / "discrepancies.csv", tmp_path / "page.md"
    tables = [str(path) for path in TABLES]
    listing = ["list-discrepancies", "--published", *tables, "--definitions", "config/datasets"]
    assert main([*listing, "--out", str(out)]) == 0
    assert main(["describe-discrepancies", "--table", str(out), "--out", str(page)]) == 0
    read = pd.read_csv(out, dtype=str)
    assert list(read) == COLUMNS
    pd.testing.assert_frame_equal(read, table(), check_dtype=False)
    assert page.read_text() == (ROOT / "docs" / "discrepancies.md").read_text()


def test_the_published_tables_are_those_that_are_read() -> None:
    assert [f"{name}.csv" for name in PUBLISHED_TABLES] == list(FILES)
    assert list(read_published(TABLES)["datasets_as_printed.csv"]["dataset"]) == list(PUBLISHED)
    readme = (ROOT / "resources" / "published" / "README.md").read_text()
    for path in TABLES:
        assert f"**{path.name}**" in readme
        assert all(re.search(rf"\b{column}\b", readme) for column in pd.read_csv(path))


def test_a_bad_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(NullcropError, match=r"published table claims\.csv was not given"):
        read_published([path for path in TABLES if path.name != "claims.csv"])
    bad = tmp_path / "claims.csv"
    bad.write_text("dataset,accuracy\na,1\n")
    others = [path for path in TABLES if path.name != "claims.csv"]
    with pytest.raises(NullcropError, match=r"claims\.csv lacks the column architecture, region"):
        read_published([*others, bad])
    with pytest.raises(NullcropError, match="none cannot be read"):
        write_page(tmp_path / "none", tmp_path / "page.md")
    with pytest.raises(NullcropError, match="is no table of discrepancies"):
        write_page(bad, tmp_path / "page.md")
    with pytest.raises(NullcropError, match=r"claims\.csv: 'x' is not a share"):
        tampered("claims.csv", {"dataset": "isic_2016"}, accuracy="x")
    with pytest.raises(NullcropError, match=r"datasets_as_printed\.csv: idc: "):
        tampered("datasets_as_printed.csv", {"dataset": "idc"}, printed_total="many")
    assert not (tmp_path / "page.md").exists()
    write_discrepancies(TABLES, {}, tmp_path / "alone.csv")
    assert (tmp_path / "alone.csv").exists()


# The workflow asks for the table only where it is of interest


def test_the_table_is_a_target_only_of_published_datasets(make_project: Callable[..., Project]) -> None:
    def targets(**study: list[str]) -> list[str]:
        studies = {"main": {"title": "t", "architectures": ["vgg16"], **study}}
        return Grid(
            Project({"definitions": [str(ROOT / "config" / "datasets")], "studies": studies})
        ).targets()

    assert "results/discrepancies.csv" in targets(datasets=["breastmnist"])
    own = Grid(make_project({"main": {"datasets": ["first"]}})).targets()
    assert not [path for path in own if "discrepancies" in path]
