"""The report's facts, tables and page, from results that are complete, half finished or damaged."""

import base64
import hashlib
import html
import json
import os
import re
import shutil
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from nullcrop.basics.files import write_json
from nullcrop.cli import main
from nullcrop.config.cell import CELL_COLUMNS, READER_COLUMNS, Cell, ReaderOnView
from nullcrop.config.grid import Grid
from nullcrop.config.models import Project, read_project
from nullcrop.config.readers import architectures, label_of, look_of
from nullcrop.report import cards, charts, frames, sections
from nullcrop.report.blocks import Block
from nullcrop.report.charts import series_style
from nullcrop.report.contents import CURVE_POINTS, Contents, collect, roc_points
from nullcrop.report.index_page import write_index
from nullcrop.report.page import page_of
from nullcrop.report.tables import Column, table_of
from nullcrop.statistics.comparisons import ORIGINAL
from nullcrop.status.standing import Standing

from ..generated_results import half_finished, write_cell, write_tables
from ..hostile import CLASSES, HOSTILE, TITLE

ARCHITECTURES = architectures()

REPOSITORY = Path(__file__).parents[2]


class Parsed(HTMLParser):
    """A page as elements with their attributes, and the text of each kind of element."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append((self.elements[-1][0] if self.elements else "", data))

    def attributes(self, name: str) -> list[str]:
        return [str(attributes[name]) for _, attributes in self.elements if name in attributes]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return half_finished(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def facts(project: Project) -> Contents:
    return collect(project, "first")


@pytest.fixture(scope="module")
def page(facts: Contents) -> str:
    return page_of(facts)


@pytest.fixture
def no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of a test without their charts, which take most of the time."""
    for name in ("measure_chart", "roc_chart", "learning_chart", "confusion_chart", "grid_chart"):
        monkeypatch.setattr(charts, name, lambda *arguments: {})
    monkeypatch.setattr(charts, "static_svg", lambda spec, prefix: "")


@pytest.fixture
def copy(project: Project, tmp_path: Path, no_charts: None) -> Project:
    """The same results where they may be changed."""
    shutil.copytree(project.config.paths.results, tmp_path / "results")
    content = json.loads(project.config.model_dump_json(exclude_defaults=True))
    return Project({**content, "paths": {"results": str(tmp_path / "results")}})


def folder_of(project: Project, cell: Cell) -> Path:
    return Path(project.config.paths.results, "cells", cell.path)


def test_states_are_those_of_the_files(facts: Contents) -> None:
    states = {dataset.name: Counter(one.state for one in dataset.cells) for dataset in facts.datasets}
    assert states == {
        "complete": {"done": 12},
        "hostile": {"done": 8, "missing": 4},
        "waiting": {"missing": 12},
    }
    waiting = facts.datasets[2]
    assert (waiting.counts, waiting.leaks, waiting.figures) == (None, None, {})


def test_a_damaged_cell_is_told_and_the_others_are_reported(copy: Project) -> None:
    cells = Grid(copy).cells("first", "complete")
    predictions = folder_of(copy, cells[0]) / "predictions.csv"
    predictions.write_bytes(predictions.read_bytes()[:200])
    (folder_of(copy, cells[1]) / "history.csv").unlink()
    (folder_of(copy, cells[2]) / "cell.json").write_text('{"recipe": ')
    complete = collect(copy, "first", "complete").datasets[0]
    states = {one.cell: one for one in complete.cells}
    assert [states[cell].state for cell in cells[:4]] == ["damaged", "damaged", "damaged", "done"]
    assert str(predictions) in states[cells[0]].words
    assert len(complete.tables.metrics) == 9
    assert not {cells[0], cells[1], cells[2]} & set(complete.curves)


def test_cells_made_under_another_arithmetic_than_demanded_are_named(copy: Project) -> None:
    content = json.loads(copy.config.model_dump_json(exclude_defaults=True))
    content["studies"]["second"]["numerics"] = "cpu_avx2_fp32_4threads"
    demanding = Project(content)
    cells = Grid(demanding).cells("second")
    path = folder_of(copy, cells[0]) / "cell.json"
    path.write_text(path.read_text().replace("cuda_fp32", "cpu_avx2_fp32_4threads"))
    page = page_of(collect(demanding, "second"))
    [named] = [text for kind, text in Parsed(page).texts if kind == "p" and "the study demands" in text]
    assert f"{cells[1].path} (cuda_fp32, not cpu_avx2_fp32_4threads)" in named
    assert cells[0].path not in named
    assert "the study demands" not in page_of(collect(copy, "first"))


def test_what_was_ignored_in_a_folder_is_told(copy: Project) -> None:
    path = Path(copy.config.paths.results, "datasets", "complete", "dataset.json")
    ignored = [{"what": "<b>.txt files", "class": "b", "count": 3}]
    path.write_text(json.dumps({**json.loads(path.read_text()), "ignored": ignored}))
    texts = [text for _, text in Parsed(page_of(collect(copy, "first"))).texts]
    assert "3 <b>.txt files (b 3)" in texts
    assert texts.count("Ignored in its folder") == 1


def test_a_cell_of_another_recipe_is_not_done(copy: Project) -> None:
    path = folder_of(copy, Grid(copy).cells("first", "complete")[0]) / "cell.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "recipe": {**record["recipe"], "epochs": 99}}))
    assert [one.state for one in collect(copy, "first", "complete").datasets[0].cells].count("stale") == 1


def test_the_studys_own_tables_are_taken_while_they_are_of_its_cells(copy: Project) -> None:
    cells = Grid(copy).cells("first", "complete")
    tables = collect(copy, "first", "complete").datasets[0].tables
    written = write_tables(copy, "first", "complete")
    table = pd.read_csv(written)
    table.assign(sentence="as written").to_csv(written, index=False)
    os.utime(written, (0, 0))  # of what cells it is, its content says
    read = collect(copy, "first", "complete").datasets[0].tables
    assert set(read.verdicts["sentence"]) == {"as written"}
    # What stands on the card is the same, read or judged now: empty texts are no missing numbers.
    rest = [name for name in read.verdicts if name not in ("sentence", "cells_sha256")]
    pd.testing.assert_frame_equal(read.verdicts[rest], tables.verdicts[rest], check_dtype=False)
    pd.testing.assert_frame_equal(read.metrics, tables.metrics, check_dtype=False)

    write_cell(copy, cells[0], 60, 0.7)
    assert set(collect(copy, "first", "complete").datasets[0].tables.verdicts["sentence"]) != {"as written"}


@given(
    st.lists(st.tuples(st.booleans(), st.integers(-40, 40)), min_size=4, max_size=400).filter(
        lambda pairs: 0 < sum(positive for positive, _ in pairs) < len(pairs)
    )
)
def test_drawn_roc_curves_stay_at_the_whole_ones(pairs: list[tuple[bool, int]]) -> None:
    positive, score = (np.array(column) for column in zip(*pairs, strict=True))
    x, y = roc_points([(positive, score)])
    whole_x, whole_y, _ = roc_curve(positive, score, drop_intermediate=False)
    assert len(x) <= max(CURVE_POINTS, 2)
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    # Both as functions of the way along the curve, which never turns back.
    along = (np.array(x) + y) / 2
    back = np.interp((whole_x + whole_y) / 2, along, y)
    assert np.abs(back - whole_y).max() <= 1 / (CURVE_POINTS - 1) + 1e-3


def test_the_roc_curve_of_several_targets_has_their_mean_area() -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 3, 3000)
    scores = rng.normal(size=(3000, 3)) + np.eye(3)[target]
    x, y = roc_points([(target == k, scores[:, k]) for k in range(3)])
    areas = [roc_auc_score(target == k, scores[:, k]) for k in range(3)]
    assert np.trapezoid(y, x) == pytest.approx(np.mean(areas), abs=0.002)


def test_a_class_without_images_has_no_roc_curve() -> None:
    assert roc_points([(np.ones(3, bool), np.arange(3.0))]) == ([], [])


def test_the_grid_has_a_row_for_every_planned_network(project: Project, facts: Contents) -> None:
    rows = frames.grid_rows(facts)
    assert len(rows) == 36
    assert rows["done"].sum() == 12 + 8
    missing = rows[rows["done"] == 0]
    assert missing[["auroc", "accuracy", "n"]].isna().all(axis=None)
    # Of a study with two splits each dataset has a row of either.
    second = frames.grid_rows(collect(project, "second"))
    assert second.groupby("row")["auroc"].count().to_dict() == {
        "Complete · random": 6,
        "Complete · grouped": 6,
    }


def test_comparisons_are_of_readers_and_name_how_many_cells_stand_behind_them(
    project: Project, facts: Contents
) -> None:
    table = frames.compared(facts.datasets[0], ORIGINAL)
    assert len(table) == 4  # two networks on two crops
    assert set(table["seeds"]) == {2}
    assert set(table["images"]) == {60}
    second = frames.compared(collect(project, "second").datasets[0], ORIGINAL)
    assert set(second["seeds"]) == {1}
    assert set(second["split"]) == {"random", "grouped"}


def test_marks_are_the_pooled_aurocs_and_never_means_of_seeds(project: Project, facts: Contents) -> None:
    dataset = facts.datasets[0]
    cells, pooled = frames.planned(dataset), frames.readers(dataset)
    marks = frames.marks(cells, "auroc", pooled)
    assert (marks["mark"] == "mean").sum() == len(cells.drop_duplicates(READER_COLUMNS))
    mean = marks[marks["mark"] == "mean"].iloc[0]
    seeds = cells[(cells["place"] == mean["view"]) & (cells["series"] == mean["series"])]
    own = pooled.merge(seeds[READER_COLUMNS].drop_duplicates())
    assert (
        mean[["value", "low", "high"]].tolist() == own[["auroc", "auroc_low", "auroc_high"]].iloc[0].tolist()
    )
    assert mean["value"] != pytest.approx(seeds["auroc"].mean())
    assert f"of 2 cells, from {seeds['auroc'].min():.3f} to {seeds['auroc'].max():.3f}" in mean["text"]
    # Two networks on the same images, their scores put together by scikit-learn.
    paths = [folder_of(project, Cell(*row)) for row in seeds[CELL_COLUMNS].itertuples(index=False)]
    answers = [pd.read_csv(path / "predictions.csv") for path in paths]
    ranks = [table["logit_1"].sub(table["logit_0"]).rank() for table in answers]
    assert mean["value"] == pytest.approx(roc_auc_score(answers[0]["target"], sum(ranks)))


def test_the_grid_knows_each_readers_pooled_auroc(project: Project, facts: Contents) -> None:
    rows = frames.grid_rows(facts)
    done = rows[rows["done"] == 1]
    of = done.groupby(["row", "column", "view"])["pooled_auroc"]
    assert (of.nunique() == 1).all()
    assert (of.count() == 2).all()
    assert (done["pooled_auroc"] != done["auroc"]).any()
    # Of one cell the pooled AUROC is its own.
    second = frames.grid_rows(collect(project, "second"))
    assert second["pooled_auroc"].tolist() == second["auroc"].tolist()


def test_every_reader_of_a_dataset_is_in_its_table(facts: Contents, page: str) -> None:
    dataset = facts.datasets[0]
    pooled = frames.readers(dataset)
    assert not pooled.duplicated(READER_COLUMNS).any()
    done = {ReaderOnView.of(one.cell) for one in dataset.cells if one.state == "done"}
    own = pooled[pooled["architecture"] != "average"]
    assert {ReaderOnView(*row) for row in own[READER_COLUMNS].itertuples(index=False)} == done
    assert set(pooled["view"]) == {*own["view"], "together"}
    texts = [text for _, text in Parsed(page).texts]
    assert "all views together" in texts
    assert "80 % power from" in texts


@pytest.mark.parametrize(
    ("field", "evidence", "kind"),
    [
        ("whole", "readable", "readable"),
        ("whole", "readable and bounded", "readable"),
        ("whole", "bounded", "bounded"),
        ("whole", "undecided", "undecided"),
        ("whole", "cannot be judged", "undecided"),
        ("tile", "readable", "tissue"),
        ("tile", "undecided", "tissue"),
    ],
)
def test_a_verdicts_colour_is_that_of_its_evidence(
    facts: Contents, monkeypatch: pytest.MonkeyPatch, field: str, evidence: str, kind: str
) -> None:
    written = frames.verdicts(facts.datasets[0])
    said = written.assign(field=field, evidence=evidence, verdict="v", sentence="s", details="d")
    monkeypatch.setattr(cards, "verdicts", lambda dataset: said)
    found = cards.card_of(facts.datasets[0], facts)
    assert (found.word, found.sentence, found.kind, found.details) == ("v", "s", kind, "d")


def test_confusion_matrices_count_every_test_image(facts: Contents) -> None:
    complete = facts.datasets[0]
    cells = frames.planned(complete)
    counts = frames.confusion_counts(complete, cells)
    assert counts["images"].sum() == 12 * 60
    right = counts[counts["true"] == counts["predicted"]]["images"].sum()
    assert right == round((complete.tables.metrics["accuracy"] * complete.tables.metrics["n"]).sum())


def test_the_page_needs_nothing_but_itself(page: str) -> None:
    parsed = Parsed(page)
    assert not [tag for tag, _ in parsed.elements if tag in ("iframe", "object", "embed", "base", "form")]
    assert [attributes for tag, attributes in parsed.elements if tag == "link"] == [
        {"rel": "icon", "href": "data:,"}
    ]
    assert all(source.startswith("data:") for source in parsed.attributes("src"))
    assert not [tag for tag, attributes in parsed.elements if tag == "script" and "src" in attributes]
    style = next(text for tag, text in parsed.texts if tag == "style")
    assert "url(" not in style
    assert "@import" not in style


def test_only_the_pages_own_scripts_may_run(page: str) -> None:
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    policy = next(content for content in Parsed(page).attributes("content") if "default-src" in content)
    assert "default-src 'none'" in policy
    assert re.findall("'sha256-(.+?)'", policy) == digests
    assert len(digests) == 2


def test_identifiers_are_unique_and_found(page: str) -> None:
    parsed = Parsed(page)
    ids = parsed.attributes("id")
    assert not [name for name, times in Counter(ids).items() if times > 1]
    for name in (*parsed.attributes("aria-labelledby"), *parsed.attributes("data-spec")):
        assert name in ids


def test_pictures_and_headings_can_be_heard(page: str) -> None:
    parsed = Parsed(page)
    pictures = [attributes for tag, attributes in parsed.elements if tag == "img"]
    assert len(pictures) == 2
    assert all(len(str(attributes["alt"])) > 40 for attributes in pictures)
    drawings = [attributes for _, attributes in parsed.elements if attributes.get("role") == "img"]
    assert len(drawings) > 8
    assert all(len(str(attributes["aria-label"])) > 40 for attributes in drawings)
    assert all(attributes.get("scope") == "col" for tag, attributes in parsed.elements if tag == "th")


def test_hostile_names_stay_text(page: str) -> None:
    parsed = Parsed(page)
    texts = [text for _, text in parsed.texts]
    for name in (TITLE, str(HOSTILE["modality"]), str(HOSTILE["notes"]), str(HOSTILE["citation"])):
        assert name in texts
    assert any(all(name in text for name in CLASSES) for text in texts)
    assert not [tag for tag, _ in parsed.elements if tag in ("b", "i", "h5")]
    assert not [link for link in parsed.attributes("href") if not link.startswith(("#", "data:,"))]
    assert str(HOSTILE["labels"]["printed"]["evidence"]) in " ".join(texts)
    assert not parsed.attributes("onerror") + parsed.attributes("onload")


def test_charts_are_data_that_parse(page: str) -> None:
    specs = re.findall(r'<script type="application/json" id="[^"]+">(.*?)</script>', page, flags=re.DOTALL)
    assert len(specs) > 8
    assert all("$schema" in json.loads(spec) for spec in specs)
    assert not [spec for spec in specs if "<" in spec]


def test_every_architecture_has_its_colour_in_light_and_dark() -> None:
    style = series_style()
    for architecture in ARCHITECTURES:
        assert style.count(f"--series-{architecture.replace('_', '-')}: #") == 2, architecture
        assert f": {look_of(architecture).colour};" in style


def test_groups_that_are_not_known_or_nearly_equal_are_told(copy: Project) -> None:
    path = Path(copy.config.paths.results, "datasets", "complete", "dataset.json")
    counts = {"without_group": 1200, "near_equal_groups": [["P1", "p01"]]}
    path.write_text(json.dumps({**json.loads(path.read_text()), **counts}))
    page = html.unescape(page_of(collect(copy, "first", "complete")))
    assert "; 1,200 images have none, and each of them counts as independent; nearly equal" in page
    assert "and perhaps one: 'P1' and 'p01'" in page


def test_one_dataset_alone(project: Project, no_charts: None) -> None:
    page = page_of(collect(project, "first", "complete"))
    assert "dataset-complete" in page
    assert "waiting" not in page.lower()
    assert "<title>Complete" in page


def test_an_unknown_dataset_is_named(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.json"
    arguments = ["--config", project.config.model_dump_json(exclude_defaults=True), "--out", str(config)]
    assert main(["resolve-config", *arguments]) == 0
    assert read_project(config).config == project.config
    out = tmp_path / "report.html"
    named = ["--study", "first", "--only", "compete"]
    assert main(["report", "--configfile", str(config), *named, "--out", str(out)]) == 1
    assert (
        "the study 'first' does not name the dataset 'compete', did you mean 'complete'?"
        in capsys.readouterr().err
    )
    assert not out.exists()


def test_published_values_stand_beside_reproduced_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    study = {
        "title": "Study",
        "datasets": ["breastmnist"],
        "splits": ["official_balanced"],
        "views": ["upper_left"],
        "architectures": ["vgg16"],
    }
    project = Project({"studies": {"main": study}, "paths": {"results": str(tmp_path)}})
    write_cell(project, Grid(project).all_cells[0], 156, 0.5)
    breast = collect(project, "main").datasets[0]
    table = breast.published.set_index(["architecture", "view", "metric", "statistic"])
    run = table.loc["vgg16", "upper_left", "accuracy", "value"].iloc[0]
    assert run["reproduced"] == pytest.approx(breast.tables.metrics["accuracy"].item())
    assert np.isnan(table.loc[("resnet50", "upper_left", "accuracy", "value"), "reproduced"])
    assert "breastmnist" in set(breast.discrepancies["dataset"])


def test_the_earlier_studys_values_stand_beside_reproduced_ones_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    study = {
        "title": "Study",
        "datasets": ["yale_a", "coil_20"],
        "splits": ["random"],
        "views": ["original", "forehead"],
        "architectures": ["lenet5"],
        "recipes": ["scratch"],
    }
    content = {"definitions": ["config/companions"], "studies": {"main": study}}
    project = Project({**content, "paths": {"results": str(tmp_path)}})
    assert any(path.endswith("discrepancies.csv") for path in Grid(project).report_inputs("main", "yale_a"))
    (cell,) = [one for one in Grid(project).all_cells if (one.dataset, one.view) == ("yale_a", "forehead")]
    write_cell(project, cell, 33, 0.5)
    facts = collect(project, "main")
    yale = next(one for one in facts.datasets if one.name == "yale_a")
    forehead = yale.published[yale.published["view"] == "forehead"]
    assert forehead["printed"].tolist() == [0.546, 0.5455]  # in its table and in its text
    assert forehead["reproduced"].tolist() == pytest.approx([yale.tables.metrics["accuracy"].item()] * 2)
    assert yale.published.loc[yale.published["view"] == "original", "reproduced"].isna().all()
    assert set(yale.discrepancies["dataset"]) == {"yale_a"}
    page = page_of(facts)
    assert "yale_a-published-table" in page
    assert "coil_20-published-table" in page


def test_missing_values_are_dashes_that_sort_as_nothing() -> None:
    frame = pd.DataFrame({"a": [0.25, np.nan, None], "b": ["", "x", pd.NA]})
    table = table_of(
        frame, "t", "caption", {"a": Column("A", "{:.1f}".format), "b": Column("B"), "c": Column("C")}
    )
    assert [column.heading for column in table.columns] == ["A", "B"]
    assert [[(field.text, field.value) for field in row] for row in table.rows] == [
        [("0.2", "0.25"), ("–", "")],
        [("–", ""), ("x", "x")],
        [("–", ""), ("–", "")],
    ]


def test_the_cost_tells_speed_and_memory_old_cells_included(copy: Project) -> None:
    done = [one.cell for one in collect(copy, "first", "complete").cells if one.state == "done"]
    cells = [cell for cell in done if not cell.is_baseline]
    # The first is faster and larger in memory, the second of a version that recorded neither.
    alike = [cell for cell in cells if cell.architecture == cells[0].architecture]
    for cell in cells:
        path = folder_of(copy, cell) / "cell.json"
        measured = {
            "seconds": 10.0,
            "images_a_second": 50.0,
            "peak_device_mb": 2000.0,
            "peak_host_mb": 3000.0,
        }
        if cell == alike[0]:
            measured = {
                "seconds": 30.0,
                "images_a_second": 250.0,
                "peak_device_mb": 1000.0,
                "peak_host_mb": 4000.0,
            }
        record = {**json.loads(path.read_text()), **measured}
        if cell == alike[1]:
            for key in ("images_a_second", "peak_device_mb", "peak_host_mb"):
                del record[key]
        path.write_text(json.dumps(record))
    block = next(
        block for block in sections.closing(collect(copy, "first", "complete")) if block.name == "cost"
    )
    (table,) = block.tables
    headings = [column.heading for column in table.columns]
    row = next(row for row in table.rows if label_of(alike[0].architecture) in (one.text for one in row))
    shown = dict(zip(headings, (field.text for field in row), strict=True))
    shown |= {column.heading: one.text for column, one in table.same}
    rest = len(alike) - 2
    assert shown["cells"] == str(len(alike))
    assert float(shown["images a second"]) == round((30 * 250 + rest * 500) / (30 + 10 * rest) - 0.5)
    assert shown["peak on the GPU, MB"] == ("2,000" if rest else "1,000")
    assert shown["peak in memory, MB"] == "4,000"
    assert [column.heading for column in table.empty] == ["kWh"]


def test_every_cell_is_in_its_table(facts: Contents) -> None:
    for dataset in facts.datasets:
        table = frames.planned(dataset)
        cells = [Cell(*row) for row in table[CELL_COLUMNS].itertuples(index=False)]
        assert sorted(cells) == sorted(one.cell for one in dataset.cells)


def test_what_a_finished_run_would_have_counted_or_drawn_is_named(copy: Project) -> None:
    complete = collect(copy, "first", "complete").datasets[0]
    assert complete.absent == ["the figure “Crops to look at”", "leaks and duplicates (leaks.csv)"]
    assert f"Not made yet: {', '.join(complete.absent)}." in " ".join(
        sections.dataset_section(complete, collect(copy, "first", "complete")).missing.split()
    )
    results = Path(copy.config.paths.results)
    shutil.copy(
        results / "studies/first/complete/figures/samples.png",
        results / "studies/first/complete/figures/crops.png",
    )
    (results / "datasets/complete/leaks.csv").write_text("labels,split,seed\n")
    complete = collect(copy, "first", "complete").datasets[0]
    assert complete.absent == []
    assert list(complete.figures) == ["samples", "crops"]


def test_shared_images_are_those_of_the_studys_own_datasets(copy: Project) -> None:
    pairs = [("complete", "hostile", 0), ("hostile", "waiting", 2), ("complete", "elsewhere", 5)]
    table = pd.DataFrame(pairs, columns=["dataset_a", "dataset_b", "near_images_a"])
    path = Path(copy.config.paths.results, "duplicates.csv")
    table.to_csv(path, index=False)

    def shared(study: str = "first", dataset: str | None = None) -> Block | None:
        blocks = sections.closing(collect(copy, study, dataset))
        return next((block for block in blocks if block.name == "shared"), None)

    def rows(block: Block | None) -> list[list[str]]:
        return [[one.text for one in row] for table in block.tables for row in table.rows] if block else []

    block = shared()
    assert rows(block) == [["hostile", "waiting", "2"]]
    assert block is not None
    assert block.paragraphs == [
        "Not compared in these results: complete with waiting (duplicates.csv tells of those that were)."
    ]
    table.assign(near_images_a=0).to_csv(path, index=False)
    block = shared()
    assert block is not None
    assert block.paragraphs[1:] == [
        "No image, nor a near duplicate of one, was found in the datasets that were compared."
    ]
    path.unlink()
    block = shared()
    assert block is not None
    assert "complete with hostile, complete with waiting, hostile with waiting" in block.paragraphs[0]
    # A study of one dataset, and the page of one, say nothing of others.
    assert shared("second") is None
    assert shared("first", "complete") is None


def test_methods_name_the_test_behind_the_verdict_and_leave_out_what_is_off(
    project: Project, facts: Contents
) -> None:
    def methods(study: str) -> dict[str, str]:
        [block] = [one for one in sections.closing(collect(project, study)) if one.name == "methods"]
        return {name: str(words) for name, words in block.pairs}

    first = methods("first")
    assert "maxT (Westfall and Young 1993)" in first["Verdict"]
    largest = max(dataset.tables.readers["inflation"].max() for dataset in facts.datasets[:2])
    assert f"multiplied by up to {largest:.2f}" in first["Verdict"]
    assert "put together by ranks" in first["Verdict"]
    assert "weights random" in first["Recipe scratch"]
    assert not re.search("none|None|False", first["Recipe scratch"])
    assert not {"Device and engine", "Explained"} & set(first)  # as by default; no baselines
    second = methods("second")["Verdict"]
    assert "multiplied" not in second
    assert "put together" not in second


def test_the_config_of_one_study_is_free_of_the_others(project: Project) -> None:
    pins = {
        "timm:resnet10t": {"repository": "timm/resnet10t.c3_in1k", "revision": "a" * 40, "sha256": "0" * 64}
    }
    content = json.loads(project.config.model_dump_json(exclude_defaults=True))
    content["studies"]["second"]["architectures"] = ["timm:resnet10t"]
    whole = Project({**content, "weights": pins}).config
    for study, weights in (("first", []), ("second", ["timm:resnet10t"])):
        own = json.loads(whole.of_study(study).model_dump_json(exclude_defaults=True))
        alone = Project(own)
        assert list(alone.config.studies) == [study]
        # Of datasets to which a run was narrowed, those of the other study go as well.
        narrowed = whole.model_copy(update={"datasets": ["complete", "hostile"]}).of_study(study)
        assert Grid(Project(json.loads(narrowed.model_dump_json(exclude_defaults=True)))).studies == [study]
        assert list(alone.config.weights) == weights
        assert Grid(alone).cells(study) == Grid(Project({**content, "weights": pins})).cells(study)


def write_study(project: Project, study: str, seconds: int) -> Path:
    """The report of a study in the results, as old as ``seconds`` say; its folder."""
    folder = Path(project.config.paths.results, "report", study)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", json.loads(project.config.of_study(study).model_dump_json()))
    (folder / "index.html").write_text("the report")
    for name in ("config.json", "index.html"):
        os.utime(folder / name, (seconds, seconds))
    return folder


def test_the_index_leads_to_every_study_the_latest_first(copy: Project, tmp_path: Path) -> None:
    results = Path(copy.config.paths.results)
    write_study(copy, "first", 1000)
    write_study(copy, "second", 2000)
    write_tables(copy, "first", "complete")
    out = tmp_path / "index.html"
    assert main(["report-index", "--results", str(results), "--out", str(out)]) == 0
    parsed = Parsed(out.read_text())
    links = [link for link in parsed.attributes("href") if link.endswith("index.html")]
    assert links == ["second/index.html", "first/index.html"]
    texts = " ".join(text for _, text in parsed.texts)
    verdict = pd.read_csv(results / "studies/first/complete/verdicts.csv")["verdict"].iloc[0]
    assert texts.count(verdict) == 1
    assert "20 of 36 networks done" in texts
    # What no run has judged yet is judged by the cells that are done, as on the study's own page.
    hostile = Standing(copy).verdicts("first", "hostile")["verdict"].iloc[0]
    assert hostile in texts
    assert TITLE in texts
    assert "refresh" not in parsed.attributes("http-equiv")


def test_the_index_of_one_study_goes_on_there_and_a_lost_definition_is_told(
    copy: Project, tmp_path: Path
) -> None:
    results = Path(copy.config.paths.results)
    folder = write_study(copy, "first", 1000)
    write_index(results, tmp_path / "index.html")
    parsed = Parsed((tmp_path / "index.html").read_text())
    assert "0; url=first/index.html" in parsed.attributes("content")
    write_study(copy, "second", 2000)
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", {**config, "definitions": [str(tmp_path / "gone")]})
    write_index(results, tmp_path / "index.html")
    texts = " ".join(text for _, text in Parsed((tmp_path / "index.html").read_text()).texts)
    assert "its results cannot be told: " in texts
    assert "gone" in texts


def test_the_index_shows_a_calibration_and_says_where_no_study_is(tmp_path: Path) -> None:
    write_index(tmp_path, tmp_path / "index.html")
    assert "No study has a report here yet" in (tmp_path / "index.html").read_text()
    (tmp_path / "calibration").mkdir()
    pd.DataFrame({"cue": ["session"], "datasets": [20], "alarms": [19]}).to_csv(
        tmp_path / "calibration/table.csv", index=False
    )
    write_index(tmp_path, tmp_path / "index.html")
    texts = [text for _, text in Parsed((tmp_path / "index.html").read_text()).texts]
    assert {"session", "20", "19"} <= set(texts)
