"""The report as a part of the workflow: for all, for one dataset, and Snakemake's own."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from nullcrop.config.figures import FIGURES

from .conftest import REPOSITORY, Checkout


def test_the_report_tells_of_every_dataset_and_is_written_again_when_its_words_change(done: Checkout) -> None:
    page = (done.folder / "results/report/toy/index.html").read_text()
    assert "4 of 4 networks done" in page
    assert len(re.findall('<section class="dataset" id="dataset-(one|two)"', page)) == 2
    assert "Not finished" not in page
    done.write_definition("one", notes="Another note.")
    assert done.plan() == Counter(["write_report", "write_report_index", "all"])
    done.snakemake()
    assert "Another note." in (done.folder / "results/report/toy/index.html").read_text()


def test_the_report_of_what_is_there_needs_no_workflow(fresh: Callable[[], Checkout]) -> None:
    checkout = fresh()
    checkout.snakemake("results/datasets/one/samples.csv")
    checkout.nullcrop("report", "--configfile", "toy.yaml", "--out", "now.html")
    page = (checkout.folder / "now.html").read_text()
    assert "0 of 4 networks done" in page
    assert "4 of 4 cells have no result yet" in page


def test_one_datasets_report_touches_no_other(fresh: Callable[[], Checkout]) -> None:
    checkout = fresh()
    target = "results/report/toy/one.html"
    assert {dataset for dataset, _ in checkout.planned_cells(target)} == {"one"}
    assert checkout.plan(target)["write_dataset_report"] == 1
    refused = checkout.snakemake("--dry-run", "results/report/toy/oen.html", fails=True)
    assert "unknown report 'oen.html', did you mean 'one.html'?" in refused


def test_snakemakes_own_report_has_captions_for_figures_and_tables(done: Checkout) -> None:
    done.snakemake("--report", "snakemake.html")
    page = (done.folder / "snakemake.html").read_text()
    for name in ("accuracy.png", "samples.png", "verdicts.png", "metrics.csv", "readers.csv", "verdicts.csv"):
        assert name in page, name
    of_tables = Path(REPOSITORY, "workflow", "report", "metrics_table.rst").read_text()
    for caption in (FIGURES["verdicts"].caption, of_tables):
        words = caption.split(".")[0].split()
        assert " ".join(words[:5]) in " ".join(page.split()), caption
