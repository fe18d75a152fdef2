"""The command line: one sub-command a rule, and `status` for people.

Modules are imported inside the commands, so that each loads only what it needs: training runs
where neither pydantic nor Matplotlib is installed.
"""

import argparse
import json
import logging
import os
import signal
import sys
from collections.abc import Container, Sequence
from dataclasses import fields
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import nullcrop
from nullcrop.basics.errors import NullcropError, explained, listed
from nullcrop.basics.imports import uncollected
from nullcrop.basics.progress import say
from nullcrop.basics.threads import usable_cores
from nullcrop.basics.walk import AUDIT_FOLDER
from nullcrop.basics.wrapping import width_of, wrapped
from nullcrop.config.cell import Cell, unfold_cells
from nullcrop.config.figures import FIGURES
from nullcrop.config.names import ENGINES
from nullcrop.config.readers import BASELINES, NETWORKS
from nullcrop.config.recipe import Recipe
from nullcrop.config.registry import extensions_of_environment, implementation, load_extensions
from nullcrop.config.views import view_of

if TYPE_CHECKING:
    from nullcrop.config.definitions import FolderSource, Masks
    from nullcrop.config.models import Project
    from nullcrop.survey.layout import Said

    Asked = tuple[Project, str | None]
    """A project and one of its studies, or None: all."""

EXAMPLES = {
    "triage": "nullcrop triage my_images",
    "audit": "nullcrop audit my_images",
    "status": "nullcrop status --watch",
    "verdicts": "nullcrop verdicts",
    "report": "nullcrop report",
    "doctor": "nullcrop doctor",
}
"""The commands that people need, in the order in which they do, each with one that can be typed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; 0 when it succeeded, 1 after an error said in one line, 2 where the command line
    itself is wrong, 130 when interrupted, 141 where nobody reads on."""
    try:
        load_extensions(extensions_of_environment())
    except NullcropError as error:
        say(f"nullcrop: error: {error}")
        return 1
    typed = sys.argv[1:] if arguments is None else list(arguments)
    parser = _MainParser()
    if not typed:
        say(parser.format_help().rstrip())
        return 2
    if not typed[0].startswith("-"):
        parser.check_name(typed[0])
    options = parser.parse_args(typed)
    # Where the home folder cannot be written, Matplotlib says at length that it keeps its list of fonts
    # elsewhere. What its modules say (of fonts that are missing, say) is still seen.
    logging.getLogger("matplotlib").addFilter(lambda record: record.levelno >= logging.ERROR)
    # A scheduler ends a job with SIGTERM; as an exception it lets half-written files be removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who reads the output has seen enough; what is left in the buffer must not fail at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        words = explained(error)
        if words is None:
            raise
        say(f"nullcrop {options.command}: error: {words}")
        return 1
    except KeyboardInterrupt:
        say(
            f"nullcrop {options.command}: interrupted; finished epochs and outputs are kept, run again to go "
            "on"
        )
        return 130
    return 0


def generate_images(options: argparse.Namespace) -> None:
    """Generate a dataset's images."""
    from nullcrop.config.definitions import read_definition
    from nullcrop.datasets.archive import generate_archive

    generate_archive(read_definition(options.definition).source, options.out)


def fetch_archive(options: argparse.Namespace) -> None:
    """Download, verify and unpack a dataset's archive."""
    from nullcrop.config.definitions import read_definition
    from nullcrop.datasets.archive import fetch_archive

    files = fetch_archive(read_definition(options.definition).source, options.out)
    say(", ".join(f"{file['name']} ({file['bytes'] / 1e6:,.1f} MB)" for file in files))


def fetch_masks(options: argparse.Namespace) -> None:
    """Download, verify and unpack the masks of a dataset."""
    from nullcrop.datasets.archive import fetch_masks

    files = fetch_masks(json.loads(options.files), options.out)
    say(", ".join(f"{file['name']} ({file['bytes'] / 1e6:,.1f} MB)" for file in files))


def list_samples(options: argparse.Namespace) -> None:
    """List, check and count a dataset's images."""
    from nullcrop.config.definitions import read_definition
    from nullcrop.datasets.samples import list_samples

    definition = read_definition(options.definition)
    samples = list_samples(options.dataset, definition, options.archive, options.out, options.threads)
    say(f"{options.dataset}: {len(samples)} images")


def crop_views(options: argparse.Namespace) -> None:
    """Decode every image once and pack its views."""
    from nullcrop.datasets.samples import read_samples
    from nullcrop.decoding.values import Reading
    from nullcrop.images.store import write_store

    samples = read_samples(options.samples)
    width, height = options.crop
    masks, source = _masks(options)
    sides = None if options.sides is None else {asked: _side(asked) for asked in options.sides}
    reading = Reading(options.bits, options.window)
    write_store(
        *(samples, options.out, options.views, width, height, options.threads),
        sides=sides,
        masks=masks,
        reading=reading,
        source=source,
    )


def count_lesions(options: argparse.Namespace) -> None:
    """Count how often the crops touch a lesion."""
    from nullcrop.datasets.samples import read_samples
    from nullcrop.images.lesion_counts import write_lesion_counts

    masks, source = _masks(options)
    assert masks is not None  # there is no such job without
    samples = read_samples(options.samples, ["id", "path", "width", "height"])
    width, height = options.crop
    write_lesion_counts(samples, masks, source, width, height, options.threads, options.out)


def _masks(options: argparse.Namespace) -> "tuple[Masks | None, FolderSource | None]":
    """Where masks are, and the source whose table names them; None where there are none."""
    from nullcrop.config.definitions import FolderSource, Masks

    return (
        Masks.model_validate_json(options.masks) if options.masks else None,
        FolderSource.model_validate_json(options.listed_by) if options.listed_by else None,
    )


def _side(asked: str) -> int:
    """An input side in pixels: a number, or the own one of a network of timm."""
    if asked.isdecimal():
        return int(asked)
    with uncollected("torch"):
        from nullcrop.training.architectures import input_size

    return input_size(asked, None)


def find_duplicates(options: argparse.Namespace) -> None:
    """Hash a dataset's images and list exact and near duplicates."""
    from nullcrop.datasets.samples import read_samples
    from nullcrop.duplicates.search import write_duplicates
    from nullcrop.images.store import PackedView

    found = write_duplicates(
        read_samples(options.samples), PackedView(options.view), options.out, options.threads
    )
    exact = int((found["kind"] == "exact").sum())
    say(
        f"{found['cluster'].nunique()} clusters: {exact} images with copies, {len(found) - exact} near "
        "duplicates"
    )


def compare_datasets(options: argparse.Namespace) -> None:
    """List duplicates between datasets."""
    from nullcrop.duplicates.search import write_pairs_between

    write_pairs_between(options.folders, options.view_files, options.out, options.pairs, options.threads)


def split_samples(options: argparse.Namespace) -> None:
    """Divide a dataset's images into training, validation and test."""
    from nullcrop.config.definitions import read_definition
    from nullcrop.datasets.attribute_values import read_attributes
    from nullcrop.datasets.samples import read_samples
    from nullcrop.duplicates.search import group_duplicates, read_duplicates
    from nullcrop.splits import write_split

    samples = read_samples(options.samples)
    for path in options.duplicates:
        samples = group_duplicates(samples, read_duplicates(path))
    definition = read_definition(options.definition)
    targets = samples["class"].map(definition.targets(options.labels))
    ids = list(samples["id"])
    attributes = [one for path in options.attributes_table for one in read_attributes(path, ids)]
    try:
        split = write_split(samples, targets, options.protocol, options.seed, options.out, attributes)
    except NullcropError as error:
        names = listed(f"{code} {name}" for code, name in enumerate(definition.target_names(options.labels)))
        where = f"dataset '{options.definition.stem}', split '{options.protocol}', seed {options.seed}"
        raise NullcropError(f"{where}: {error} (targets: {names})") from None
    say(", ".join(f"{part} {count}" for part, count in split["part"].value_counts().items()))


def count_leaks(options: argparse.Namespace) -> None:
    """Count duplicates and groups that cross the parts of splits."""
    from nullcrop.datasets.samples import read_samples
    from nullcrop.duplicates.leaks import write_leaks
    from nullcrop.duplicates.search import read_duplicates

    (duplicates,) = options.duplicates
    write_leaks(read_samples(options.samples), read_duplicates(duplicates), options.splits, options.out)


def fetch_weights(options: argparse.Namespace) -> None:
    """Fetch and verify an ImageNet checkpoint."""
    from nullcrop.training.weights import fetch_weights

    fetch_weights(options.architecture, options.out)


def fetch_checkpoint(options: argparse.Namespace) -> None:
    """Fetch and verify a file of a Hugging Face repository."""
    from nullcrop.training.weights import fetch_checkpoint

    fetch_checkpoint(options.repository, options.revision, options.file, options.out)


def train_cell(options: argparse.Namespace) -> None:
    """Train one cell."""
    with uncollected("torch"):
        from nullcrop.training.loop import CellJob, train_cell

    train_cell(CellJob(out=options.out, **_of_one_cell(options)))


def _of_one_cell(options: argparse.Namespace) -> dict[str, Any]:
    """All fields of a CellJob but ``out``."""
    names = ("cell", "recipe", "view", "split", "weights", "device", "engine", "granted_gpus", "numerics")
    return {name: getattr(options, name) for name in (*names, "threads", "work")}


def train_batch(options: argparse.Namespace) -> None:
    """Train several cells in one process."""
    with uncollected("torch"):
        from nullcrop.training.batch import train_batch
        from nullcrop.training.loop import CellJob

    jobs = [
        CellJob(
            cell=cell,
            recipe=options.recipe,
            view=view,
            split=split,
            weights=options.weights,
            device=options.device,
            engine=options.engine,
            granted_gpus=options.granted_gpus,
            numerics=options.numerics,
            threads=options.threads,
            out=options.finished / cell.path,
            work=options.work / cell.path,
        )
        for cell, view, split in zip(options.batch, options.view_files, options.splits, strict=True)
    ]
    train_batch(jobs, options.logs, options.out, options.in_flight)


def collect_cell(options: argparse.Namespace) -> None:
    """Bring a cell that was trained in a batch to its place."""
    from nullcrop.training.cells import collect_cell

    collect_cell(options.cell, options.report, options.work, options.out)


def fit_baselines(options: argparse.Namespace) -> None:
    """Fit the baselines of one test set."""
    from nullcrop.training.baselines import BaselinesJob, fit_baselines

    fit_baselines(
        BaselinesJob(
            dataset=options.dataset,
            labels=options.labels,
            protocol=options.protocol,
            seed=options.seed,
            samples=options.samples,
            split=options.split,
            views=options.views,
            out=options.out,
            work=options.work,
            on=options.on and tuple(options.on),
            baselines=options.baselines and tuple(options.baselines),
        )
    )


def compute_metrics(options: argparse.Namespace) -> None:
    """Compute the metrics of a dataset's finished cells."""
    from nullcrop.statistics.tables import metrics_of_cells, read_cells, write_table

    cells = read_cells(_folders(options))
    write_table(metrics_of_cells(cells, options.field), options.out)


def judge_readers(options: argparse.Namespace) -> None:
    """Test what each reader of a dataset sees, over all its seeds and folds."""
    from nullcrop.statistics.reader_table import judge_readers
    from nullcrop.statistics.tables import answers_of_cells, read_cells, write_table

    cells = read_cells(_folders(options))
    table = judge_readers(cells, options.field, options.level)
    write_table(table.assign(cells_sha256=answers_of_cells(cells)), options.out)


def check_inflation(options: argparse.Namespace) -> None:
    """Refit the pixel baselines on permuted labels: is the factor c of verdicts large enough?"""
    from nullcrop.calibration.ridge_twin import check_inflation

    check_inflation(options.splits, options.views, options.on, options.baselines, options.out)


def compare_cells(options: argparse.Namespace) -> None:
    """Compare a dataset's readers: crop and original, network and baseline, random and grouped."""
    from nullcrop.statistics.comparisons import compare_cells
    from nullcrop.statistics.tables import answers_of_cells, read_cells, write_table

    cells = read_cells(_folders(options))
    table = compare_cells(cells, options.field)
    write_table(table.assign(cells_sha256=answers_of_cells(cells)), options.out)


def compare_treatments(options: argparse.Namespace) -> None:
    """Compare a dataset's readers on treated images with the same on untreated ones."""
    from nullcrop.cues.treatments import compare_treatments
    from nullcrop.statistics.tables import answers_of_cells, read_cells, write_table

    cells = read_cells(_folders(options))
    table = compare_treatments(cells, options.field, options.level)
    write_table(table.assign(cells_sha256=answers_of_cells(cells), level=options.level), options.out)


def judge_dataset(options: argparse.Namespace) -> None:
    """Say in words what a dataset's crops tell."""
    from nullcrop.config.definitions import read_definition
    from nullcrop.config.models import Thresholds
    from nullcrop.statistics.tables import read_judged, read_metrics, write_table
    from nullcrop.statistics.verdicts import judge

    definition = read_definition(options.definition)
    readers, comparisons, made_of = read_judged(options.readers, options.comparisons)
    verdicts = judge(
        readers,
        comparisons,
        options.cells,
        definition.title,
        definition.field,
        definition.group_word,
        Thresholds.model_validate_json(options.thresholds),
        read_metrics(options.inflation) if options.inflation else None,
    )
    write_table(verdicts.assign(cells_sha256=made_of), options.out)


def join_metrics(options: argparse.Namespace) -> None:
    """Join the metrics of several datasets, and correct p over all of them."""
    from nullcrop.statistics.tables import join_metrics

    join_metrics(options.tables, options.out)


def join_verdicts(options: argparse.Namespace) -> None:
    """Join the verdicts of several datasets, and correct p over all of them."""
    from nullcrop.statistics.tables import join_verdicts

    join_verdicts(options.tables, options.out)


def join_tables(options: argparse.Namespace) -> None:
    """Join tables of several datasets."""
    from nullcrop.statistics.tables import join_tables

    join_tables(options.tables, options.out)


def compare_published(options: argparse.Namespace) -> None:
    """Put every published value beside the reproduced one."""
    from nullcrop.config.definitions import read_published_definitions
    from nullcrop.published.reproduction import write_reproduction

    definitions = read_published_definitions(options.definitions)
    write_reproduction(options.published, definitions, options.metrics, options.tolerance, options.out)


def _folders(options: argparse.Namespace) -> list[Path]:
    return [options.results / "cells" / cell.path for cell in options.cells]


def list_discrepancies(options: argparse.Namespace) -> None:
    """List where the published numbers differ from counts and arithmetic."""
    from nullcrop.config.definitions import read_published_definitions
    from nullcrop.published.discrepancies import write_discrepancies

    definitions = read_published_definitions(options.definitions)
    write_discrepancies(options.published, definitions, options.out, options.counted)


def describe_discrepancies(options: argparse.Namespace) -> None:
    """Write the table of discrepancies as a page for readers."""
    from nullcrop.published.discrepancies_page import write_page

    write_page(options.table, options.out)


def describe_printed(options: argparse.Namespace) -> None:
    """Write every printed accuracy, as right answers of n images, as a page for readers."""
    from nullcrop.config.definitions import find_definitions, read_definition
    from nullcrop.config.names import EARLIER, PUBLISHED
    from nullcrop.published.printed_page import write_page

    found = find_definitions(options.definitions)
    named = (*PUBLISHED, *EARLIER)
    definitions = {name: read_definition(path) for name, path in found.items() if name in named}
    write_page(options.published, definitions, options.out)


def describe_datasets(options: argparse.Namespace) -> None:
    """Write the dataset files as a page for readers."""
    from nullcrop.datasets.overview import write_page

    write_page(options.definitions, options.out)


def map_leaks(options: argparse.Namespace) -> None:
    """Read the class from a small window at each place of the image."""
    from nullcrop.config.leak_map import LeakMap
    from nullcrop.cues.leak_map import MapJob, write_leak_map

    job = MapJob(
        samples=options.samples,
        view=options.view,
        splits=options.splits,
        settings=LeakMap.model_validate_json(options.settings),
        level=options.level,
        threads=options.threads,
    )
    write_leak_map(job, options.out, options.means)


def list_attributes(options: argparse.Namespace) -> None:
    """List what is known of each image besides its class."""
    from nullcrop.config.definitions import read_definition
    from nullcrop.survey.attributes import list_attributes

    definition = read_definition(options.definition)
    found = list_attributes(definition, options.samples, options.archive, options.out, options.threads)
    say(f"{options.dataset}: {found.shape[1] - 1} attributes")


def read_attributes(options: argparse.Namespace) -> None:
    """Read attributes from crops, and the class from attributes."""
    from nullcrop.cues.attributes import AttributesJob, write_attributes
    from nullcrop.statistics.tables import read_cells

    folders = _folders(options)
    job = AttributesJob(
        attributes=options.attributes,
        samples=options.samples,
        view=options.view,
        splits=options.splits,
        cells=read_cells(folders) if folders else [],
        window=min(options.crop),
        level=options.level,
        threads=options.threads,
    )
    write_attributes(job, options.out)


def read_spectrum(options: argparse.Namespace) -> None:
    """Read the class from each kind of information, at the corners and in the whole image."""
    from nullcrop.config.spectrum import Spectrum
    from nullcrop.cues.spectrum import SpectrumJob, write_spectrum

    job = SpectrumJob(
        samples=options.samples,
        view=options.view,
        splits=options.splits,
        settings=Spectrum.model_validate_json(options.settings),
        crop=options.crop,
        level=options.level,
        threads=options.threads,
    )
    write_spectrum(job, options.out)


def explain_cell(options: argparse.Namespace) -> None:
    """Ask what in its images a cell's network looks at."""
    from nullcrop.config.saliency import Saliency

    with uncollected("torch"):
        from nullcrop.cues.explained import SaliencyJob, write_saliency
        from nullcrop.training.loop import CellJob

    masks, source = _masks(options)
    job = SaliencyJob(
        training=CellJob(out=options.finished / options.cell.path, **_of_one_cell(options)),
        samples=options.samples,
        settings=Saliency.model_validate_json(options.settings),
        masks=masks,
        source=source,
    )
    write_saliency(job, options.out, options.maps)


def join_saliency(options: argparse.Namespace) -> None:
    """Put together what networks look at."""
    from nullcrop.cues.saliency import join_saliency

    join_saliency(options.cells, options.results, options.level, options.out, options.maps)


def plot_figure(options: argparse.Namespace) -> None:
    """Draw a figure of a study, or of one dataset in it."""
    from nullcrop.config.figure_style import FigureStyle
    from nullcrop.figures.job import FigureJob

    job = FigureJob(
        figure=options.figure,
        stem=options.out,
        title=options.title,
        tables={path.stem: path for path in options.tables},
        cells=_folders(options),
        definition_path=options.definition,
        samples=options.samples,
        views=options.views,
        labels=options.labels,
        crop=options.crop,
        splits=options.splits,
        mean_mask=options.mean_mask,
        style=FigureStyle.model_validate_json(options.style),
    )
    implementation(FIGURES[options.figure].plot)(job)


def audit_phantoms(options: argparse.Namespace) -> None:
    """Audit generated datasets in memory and write their predictions."""
    from nullcrop.calibration.audits import audit_phantoms
    from nullcrop.config.definitions import PhantomSource

    source = PhantomSource.model_validate_json(options.phantom)
    audit_phantoms(source, options.datasets, options.protocols, options.recipe, options.out)


def judge_phantoms(options: argparse.Namespace) -> None:
    """Judge generated datasets by their predictions."""
    from nullcrop.calibration.alarms import judge_phantoms

    judge_phantoms(options.table, options.level, options.out)


def count_alarms(options: argparse.Namespace) -> None:
    """Count the audit's alarms on generated datasets."""
    from nullcrop.calibration.alarms import write_calibration

    write_calibration(options.tables, options.out)


def plot_calibration(options: argparse.Namespace) -> None:
    """Draw false alarms and power of the audit."""
    from nullcrop.calibration.alarms import read_calibration
    from nullcrop.config.figure_style import FigureStyle
    from nullcrop.figures.calibration_figure import plot_calibration

    style = FigureStyle.model_validate_json(options.style)
    plot_calibration(read_calibration(options.table), options.out, style)


def resolve_config(options: argparse.Namespace) -> None:
    """Write down the config of a run."""
    from nullcrop.basics.files import write_json
    from nullcrop.config.models import Project

    Project(options.config)
    write_json(options.out, options.config)


def describe_records(options: argparse.Namespace) -> None:
    """Write the tables of views, networks, baselines, figures and sources as a page for readers."""
    from nullcrop.config.records_page import write_page

    write_page(options.out)


def describe_keys(options: argparse.Namespace) -> None:
    """Write every key of a config and of a dataset's file as two pages for readers, into a folder."""
    from nullcrop.config.keys_page import write_pages

    write_pages(options.out)


def audit(options: argparse.Namespace) -> None:
    """Look at a folder of images, train on its crops, tell the verdict."""
    from nullcrop.terminal.audit import Audit, audit

    said = _said(options)
    asked = {one.name: getattr(options, one.name) for one in fields(Audit) if one.name != "said"}
    audit(Audit(said=said, **asked))


def _said(options: argparse.Namespace) -> "Said":
    """What the flags of :func:`_add_said` say of a folder."""
    from nullcrop.survey.layout import Said

    return Said(**{one.name: value for one in fields(Said) if (value := getattr(options, one.name))})


def triage(options: argparse.Namespace) -> None:
    """Tell in seconds what differs between classes; train nothing."""
    from nullcrop.basics.files import write_json
    from nullcrop.report.triage_page import write_page
    from nullcrop.survey.layout import look
    from nullcrop.survey.triage import triage
    from nullcrop.terminal.triage_table import print_triage

    said = _said(options)
    found = triage(look(options.folder, said), said, options.cores)
    print_triage(found)
    if options.json is not None:
        write_json(options.json, found.as_json())
        say(f"{options.json}: all numbers")
    write_page(found, options.out)


def export_treated(options: argparse.Namespace) -> None:
    """Write a dataset's images under a treatment, with a manifest."""
    from nullcrop.config.yaml_files import meant
    from nullcrop.datasets.samples import read_samples
    from nullcrop.decoding.values import Reading
    from nullcrop.images.export import export_treated

    options.study = None
    asked = [project for project, _ in _asked(options)]
    project = next((one for one in asked if options.dataset in one.definition_paths), None)
    if project is None and options.configfile:
        known = meant(options.dataset, asked[0].definition_paths)
        raise NullcropError(f"{listed(options.configfile)} knows no dataset '{options.dataset}', {known}")
    if project is None:
        raise NullcropError(f"no study found names the dataset '{options.dataset}': name its --configfile")
    samples = Path(project.config.paths.results, "datasets", options.dataset, "samples.csv")
    if not samples.is_file():
        raise NullcropError(f"{samples} is not there yet: run the workflow for {options.dataset} first")
    definition, crop = project.definition(options.dataset), project.crop(options.dataset)
    window = definition.window
    reading = Reading(definition.bits, None if window is None else (window.center, window.width))
    export_treated(
        read_samples(samples),
        options.treatment,
        (crop.width, crop.height),
        reading,
        options.out,
        options.threads,
    )


def report(options: argparse.Namespace) -> None:
    """Write the report of what there is now."""
    from nullcrop.config.grid import Grid

    asked = [
        (project, name)
        for project, study in _asked(options)
        for name in ([study] if study else Grid(project).studies)
    ]
    if options.only and len(asked) > 1:
        asked = _naming(options.only, asked)
    if not asked:
        raise NullcropError("the config names no study, so there is nothing to report on")
    if options.out is not None and len(asked) > 1:
        names = listed(study for _, study in asked)
        raise NullcropError(f"--out names one file for several studies ({names}); name one with --study")
    for project, study in asked:
        folder = Path(project.config.paths.results, "report", study)
        _write_report(project, study, options.out or folder / f"{options.only or 'index'}.html", options.only)


def _write_report(project: "Project", study: str, out: Path, dataset: str | None) -> None:
    from nullcrop.report.page import write_report

    write_report(project, study, out, dataset)


def _naming(dataset: str, asked: "list[tuple[Project, str]]") -> "list[tuple[Project, str]]":
    """Those of the studies that name a dataset; NullcropError where none does."""
    from nullcrop.config.grid import Grid
    from nullcrop.config.yaml_files import meant

    datasets = [Grid(project).datasets(study) for project, study in asked]
    known = dict.fromkeys(name for names in datasets for name in names)
    if dataset not in known:
        raise NullcropError(f"no study names the dataset '{dataset}', {meant(dataset, known)}")
    return [one for one, names in zip(asked, datasets, strict=True) if dataset in names]


def report_index(options: argparse.Namespace) -> None:
    """Write the page that leads to the reports of all studies in a results folder."""
    from nullcrop.report.index_page import write_index

    write_index(options.results, options.out)


def status(options: argparse.Namespace) -> None:
    """Tell how much of each study is done."""
    if options.watch and options.json:
        raise NullcropError("--watch and --json do not go together; leave one of them out")
    asked = _asked(options)
    if options.json:
        from nullcrop.status.documents import status_document

        _print_json(status_document(asked))
        return
    from nullcrop.terminal.status_table import print_status, watch_status

    if options.watch:
        watch_status(asked)
        return
    for project, study in asked:
        print_status(project, study)


def verdicts(options: argparse.Namespace) -> None:
    """Tell what each dataset's crops tell, from the cells that are done."""
    asked = _asked(options)
    if options.json:
        from nullcrop.status.documents import verdicts_document

        _print_json(verdicts_document(asked))
        return
    from nullcrop.terminal.verdict_table import print_verdicts

    for project, study in asked:
        print_verdicts(project, study)


def _asked(options: argparse.Namespace) -> "list[Asked]":
    """The project of the config that was named, with the study if one was; else the studies that are found in
    the results, newest first."""
    from nullcrop.config.models import read_project
    from nullcrop.config.yaml_files import meant
    from nullcrop.status.studies import CONFIGS, found_studies

    if options.configfile:
        if options.results:
            raise NullcropError(
                "--results is where studies are looked for without --configfile, which names them and the "
                "place; leave one of them out"
            )
        return [(read_project(*options.configfile), options.study)]
    results = options.results or Path("results")
    found = found_studies(results)
    if not found and options.results:
        raise NullcropError(
            f"no run has left a study in {results} ({CONFIGS}); name its config: --configfile"
        )
    if not found:
        say(f"no run has left a study in {results} yet; this is of config/config.yaml")
        return [(read_project("config/config.yaml"), options.study)]
    if options.study and options.study not in found:
        raise NullcropError(f"no study '{options.study}' in {results}, {meant(options.study, found)}")
    return [(project, study) for study, project in found.items() if options.study in (None, study)]


def _print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def doctor(options: argparse.Namespace) -> None:
    """Tell what this machine lacks for a run; status 1 where it does."""
    from nullcrop.care.checks import examine
    from nullcrop.terminal.doctor_lines import print_findings

    if not print_findings(examine(options.configfile), options.json):
        sys.exit(1)


def clean(options: argparse.Namespace) -> None:
    """Tell what of nullcrop's own files may go, and remove it when asked to; never images or archives."""
    from nullcrop.care.leftovers import KINDS
    from nullcrop.config.models import read_project
    from nullcrop.terminal.clean_table import clean

    if behind := [str(path) for path in options.configfile or [] if str(path) in KINDS]:
        raise NullcropError(f"--configfile takes every word after it; name {', '.join(behind)} before it")
    if "cells" in options.kinds and options.configfile is None:
        raise NullcropError("which cells no study asks for depends on the config: name yours (--configfile)")
    clean(read_project(*options.configfile or ["config/config.yaml"]), options.kinds, options.yes)


def write_schemas(options: argparse.Namespace) -> None:
    """Write the JSON schemas of the YAML files."""
    from nullcrop.config.schema import write_schemas

    write_schemas()


def show_help(options: argparse.Namespace) -> None:
    """Tell what commands there are, or the flags of one."""
    parser = _MainParser()
    if options.of is None:
        print(parser.format_help(options.all), end="")
    else:
        parser.check_name(options.of)
        parser.commands[options.of].print_help()


def _cell(text: str) -> Cell:
    try:
        return Cell.from_path(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' does not name a cell") from None


def _cells(text: str) -> list[Cell]:
    try:
        return unfold_cells(text)
    except (TypeError, ValueError):
        raise argparse.ArgumentTypeError(f"'{text}' is no list of cross products of cells") from None


def _recipe(text: str) -> Recipe:
    try:
        return Recipe.from_json(text)
    except (TypeError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text} is no recipe: {error}") from None


def _view(text: str) -> str:
    try:
        return view_of(text).name
    except NullcropError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _baseline(text: str) -> str:
    return _registered("baseline", text, BASELINES)


def _figure(text: str) -> str:
    return _registered("figure", text, FIGURES)


def _leftover(text: str) -> str:
    from nullcrop.care.leftovers import KINDS

    if text not in KINDS:
        raise argparse.ArgumentTypeError(f"unknown kind '{text}', known are {', '.join(KINDS)}")
    return text


def _registered(kind: str, name: str, registry: Container[str]) -> str:
    if name not in registry:
        raise argparse.ArgumentTypeError(f"unknown {kind} '{name}'")
    return name


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number") from None
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def _crop_size(text: str) -> tuple[int, int]:
    try:
        width, height = map(_positive, text.split("x"))
    except (ValueError, argparse.ArgumentTypeError):
        raise argparse.ArgumentTypeError(f"'{text}' is no width and height, such as 20x20") from None
    return width, height


def _window(text: str) -> tuple[float, float]:
    try:
        center, width = map(float, text.split(","))
    except ValueError:
        center, width = 0.0, 0.0
    if not width > 0 or not isfinite(width) or not isfinite(center):
        raise argparse.ArgumentTypeError(f"'{text}' is no centre and width, such as 40,400")
    return center, width


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        say(f"{self.prog}: error: {message} ({self.prog} --help)")
        self.exit(2)


class _MainParser(_Parser):
    """The parser of the whole command line; its help names the commands that people need."""

    def __init__(self) -> None:
        super().__init__(prog="nullcrop")
        self.add_argument("--version", action="version", version=nullcrop.__version__)
        # A subparser's class would be this one, which makes its commands by itself.
        subparsers = self.add_subparsers(
            dest="command", required=True, metavar="COMMAND", parser_class=_Parser
        )
        _add_commands(subparsers)
        self.commands: dict[str, _Parser] = subparsers.choices

    def check_name(self, command: str) -> None:
        """End with status 2 where there is no such command, with the one that may be meant."""
        if command not in self.commands:
            from nullcrop.config.yaml_files import nearest

            near = nearest(command, self.commands)
            self.error(f"there is no command '{command}'" + (f", did you mean '{near}'?" if near else ""))

    def format_help(self, every: bool = False) -> str:
        """The help; of ``every`` command, or of those that people need."""
        names = [*EXAMPLES, *(name for name in self.commands if every and name not in EXAMPLES)]
        indent = max(map(len, names)) + 4
        lines = [self.format_usage(), "", (nullcrop.__doc__ or "").partition("\n")[0], ""]
        for name in names:
            lines.append(f"  {name:{indent - 2}}{self.commands[name].description}")
            if name in EXAMPLES:
                lines.append(f"{'':{indent}}{EXAMPLES[name]}")
        lines += ["", "The flags of a command: nullcrop COMMAND --help"]
        if not every:
            lines.append("All commands, such as `clean` and the workflow's steps: nullcrop help --all")
        width = width_of(sys.stdout)
        return "\n".join(wrapped(line, width, " " * indent) for line in lines) + "\n"


def _add_commands(commands: "argparse._SubParsersAction[_Parser]") -> None:
    def command(
        name: str, run: object, *flags: str, optional: tuple[str, ...] = ()
    ) -> argparse.ArgumentParser:
        summary = (run.__doc__ or "").strip()
        sub = commands.add_parser(name, help=summary, description=summary)
        for flag in flags:
            sub.add_argument(flag, **_FLAGS[flag] | (_LEFT_OUT[flag] if flag in optional else {}))
        sub.set_defaults(run=run)
        return sub

    command("generate-images", generate_images, "--definition", "--out")
    command("fetch-archive", fetch_archive, "--definition", "--out")
    command("fetch-masks", fetch_masks, "--files", "--out")
    command("list-samples", list_samples, "--dataset", "--definition", "--archive", "--out", "--threads")
    command(
        "crop-views",
        crop_views,
        *("--samples", "--out", "--views", "--crop", "--bits", "--window", "--sides", "--masks"),
        *("--listed-by", "--threads"),
    )
    command(
        "count-lesions", count_lesions, "--samples", "--out", "--crop", "--masks", "--listed-by", "--threads"
    )
    command("find-duplicates", find_duplicates, "--samples", "--view", "--out", "--threads")
    command(
        "compare-datasets", compare_datasets, "--folders", "--view-files", "--out", "--pairs", "--threads"
    )
    command(
        "split-samples",
        split_samples,
        "--samples",
        "--duplicates",
        "--attributes-table",
        "--definition",
        "--labels",
        "--protocol",
        "--seed",
        "--out",
    )
    command("count-leaks", count_leaks, "--samples", "--duplicates", "--splits", "--out")
    command("fetch-checkpoint", fetch_checkpoint, "--repository", "--revision", "--file", "--out")
    command("fetch-weights", fetch_weights, "--architecture", "--out")
    command(
        "train-cell",
        train_cell,
        *(
            "--cell",
            "--view",
            "--split",
            "--weights",
            "--recipe",
            "--device",
            "--engine",
            "--granted-gpus",
            "--numerics",
            "--threads",
            "--out",
            "--work",
        ),
    )
    command(
        "explain-cell",
        explain_cell,
        *("--cell", "--view", "--split", "--weights", "--recipe", "--device", "--engine", "--granted-gpus"),
        *("--numerics", "--samples", "--masks", "--listed-by", "--settings", "--threads", "--finished"),
        *("--work", "--maps", "--out"),
    )
    command("join-saliency", join_saliency, "--cells", "--results", "--level", "--maps", "--out")
    command(
        "train-batch",
        train_batch,
        *(
            "--batch",
            "--view-files",
            "--splits",
            "--weights",
            "--recipe",
            "--device",
            "--engine",
            "--granted-gpus",
            "--numerics",
            "--threads",
            "--in-flight",
        ),
        *("--finished", "--logs", "--out", "--work"),
    )
    command("collect-cell", collect_cell, "--cell", "--report", "--work", "--out")
    command(
        "fit-baselines",
        fit_baselines,
        *(
            "--dataset",
            "--labels",
            "--protocol",
            "--seed",
            "--samples",
            "--split",
            "--views-folder",
            "--on",
            "--baselines",
            "--out",
            "--work",
        ),
    )
    command("compute-metrics", compute_metrics, "--cells", "--results", "--field", "--out")
    command("judge-readers", judge_readers, "--cells", "--results", "--field", "--level", "--out")
    command("compare-cells", compare_cells, "--cells", "--results", "--field", "--out")
    command(
        "compare-treatments",
        compare_treatments,
        *("--cells", "--results", "--field", "--level", "--out"),
    )
    command("check-inflation", check_inflation, "--splits", "--views-folder", "--on", "--baselines", "--out")
    command(
        "judge-dataset",
        judge_dataset,
        *("--readers", "--comparisons", "--cells", "--definition", "--thresholds", "--inflation", "--out"),
    )
    command("join-metrics", join_metrics, "--tables", "--out")
    command("join-verdicts", join_verdicts, "--tables", "--out")
    command("join-tables", join_tables, "--tables", "--out")
    command(
        "compare-published",
        compare_published,
        "--published",
        "--definitions",
        "--metrics",
        "--tolerance",
        "--out",
    )
    command("list-discrepancies", list_discrepancies, "--published", "--definitions", "--counted", "--out")
    command("describe-discrepancies", describe_discrepancies, "--table", "--out")
    command("describe-printed", describe_printed, "--published", "--definitions", "--out")
    command("describe-datasets", describe_datasets, "--definitions", "--out")
    command(
        "plot-figure",
        plot_figure,
        *("--figure", "--title", "--tables", "--cells", "--results", "--definition"),
        *("--splits", "--samples", "--views-folder", "--labels", "--crop", "--mean-mask", "--style"),
        "--out",
        optional=tuple(_LEFT_OUT),
    )
    command(
        "map-leaks",
        map_leaks,
        *("--samples", "--view", "--splits", "--settings", "--level", "--threads", "--means", "--out"),
    )
    command(
        "list-attributes",
        list_attributes,
        *("--dataset", "--definition", "--samples", "--archive", "--out", "--threads"),
    )
    command(
        "read-attributes",
        read_attributes,
        *("--attributes", "--samples", "--view", "--splits", "--cells", "--results"),
        *("--crop", "--level", "--threads", "--out"),
    )
    command(
        "read-spectrum",
        read_spectrum,
        *("--samples", "--view", "--splits", "--settings", "--crop", "--level", "--threads", "--out"),
    )
    _add_audit(commands)
    _add_triage(commands)
    command("audit-phantoms", audit_phantoms, "--phantom", "--datasets", "--protocols", "--recipe", "--out")
    command("judge-phantoms", judge_phantoms, "--table", "--level", "--out")
    command("count-alarms", count_alarms, "--tables", "--out")
    command("plot-calibration", plot_calibration, "--table", "--style", "--out")
    command("resolve-config", resolve_config, "--config", "--out")
    _add_told(command("report", report, "--study", "--only")).add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="what to write (without it: beside the results, a file a study)",
    )
    _add_export(command("export-treated", export_treated))
    command("report-index", report_index, "--results", "--out")
    command("describe-records", describe_records, "--out")
    command("describe-keys", describe_keys, "--out")
    _add_told(command("status", status, "--study", "--watch", "--json"))
    _add_told(command("verdicts", verdicts, "--study", "--json"))
    command("doctor", doctor, "--configfile", "--json").set_defaults(configfile=None)
    command("clean", clean, "kinds", "--configfile", "--yes").set_defaults(configfile=None)
    command("write-schemas", write_schemas)
    told = command("help", show_help)
    told.add_argument("of", nargs="?", metavar="COMMAND", help="the command whose flags are told")
    told.add_argument("--all", action="store_true", help="all commands, the steps of the workflow among them")


def _add_export(sub: argparse.ArgumentParser) -> None:
    """What is treated, how, and where it goes."""
    sub.add_argument("dataset", metavar="DATASET", help="name of the dataset, whose images were listed")
    sub.add_argument("treatment", metavar="TREATMENT", help="such as reencode_75 or crop_border_8")
    sub.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="an empty folder")
    sub.add_argument(
        "--configfile", type=Path, nargs="+", action="extend", help="config of the study (else found)"
    )
    sub.add_argument("--results", type=Path, metavar="FOLDER", help="where studies are looked for (results)")
    sub.add_argument("--threads", type=_positive, default=1, help="images treated at a time (1)")


def _add_told(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """What a command tells of: a config's studies, or those that are found."""
    sub.add_argument(
        "--configfile",
        type=Path,
        nargs="+",
        action="extend",
        help="config; of several the later add to the former (without it: the studies that runs have left in "
        "the results, newest first, or config/config.yaml where there are none)",
    )
    sub.add_argument("--results", type=Path, metavar="FOLDER", help="where they are looked for (results)")
    return sub


def _add_audit(commands: "argparse._SubParsersAction[_Parser]") -> None:
    """The command for people who have a folder: each flag says otherwise what was guessed."""
    summary = (audit.__doc__ or "").strip()
    sub = commands.add_parser("audit", help=summary, description=summary)
    sub.add_argument("folder", type=_own_path, metavar="PATH", help="folder with the images")
    made = f"what is made ({AUDIT_FOLDER})"
    sub.add_argument("--out", type=_own_path, default=Path(AUDIT_FOLDER), help=made)
    sub.add_argument("--dry-run", action="store_true", help="stop after the YAML files")
    sub.add_argument(
        "--thorough", action="store_true", help="all views and baselines, ten folds, two partitions"
    )
    sub.add_argument("--epochs", type=_positive, help="of the network (by the number of images)")
    sub.add_argument(
        "--device", choices=["auto", "cpu", "cuda"], default="auto", help="where to train (auto)"
    )
    sub.add_argument("--cores", type=_positive, default=usable_cores(), help="CPU cores to use (all)")
    _add_said(sub)
    sub.set_defaults(run=audit)


def _add_triage(commands: "argparse._SubParsersAction[_Parser]") -> None:
    """The command that comes before an audit."""
    summary = (triage.__doc__ or "").strip()
    sub = commands.add_parser("triage", help=summary, description=summary)
    sub.add_argument("folder", type=_own_path, metavar="PATH", help="folder with the images")
    page = Path("nullcrop-triage.html")
    sub.add_argument("--out", type=_own_path, default=page, metavar="FILE", help=f"the page ({page})")
    sub.add_argument("--json", type=_own_path, metavar="FILE", help="all numbers as JSON (not written)")
    sub.add_argument("--cores", type=_positive, default=usable_cores(), help="CPU cores to use (all)")
    _add_said(sub)
    sub.set_defaults(run=triage)


def _add_said(sub: argparse.ArgumentParser) -> None:
    """What a user may say of a folder."""
    told = sub.add_argument_group("what the folder holds, where it is not what was guessed")
    told.add_argument(
        "--classes-at", type=_positive, metavar="LEVEL", help="level of folders that are the classes"
    )
    told.add_argument(
        "--positive",
        nargs="+",
        action="extend",
        default=[],
        metavar="CLASS",
        help="classes that are looked for",
    )
    told.add_argument("--field", choices=["whole", "tile"], default="", help="whether corners hold no lesion")
    told.add_argument(
        "--group-pattern", default="", metavar="REGEX", help="its bracketed part is the patient"
    )
    told.add_argument("--no-groups", action="store_true", help="names that repeat are no patients")
    told.add_argument("--keep-companions", action="store_true", help="what looks like masks are images")
    told.add_argument("--bits", type=_positive, help="depth of gray values in files of 16 bits, such as 12")
    told.add_argument(
        "--window",
        type=_window,
        metavar="CENTER,WIDTH",
        help="range of gray values of more than 8 bits that counts, such as --window=40,400",
    )
    told.add_argument("--name-pattern", default="", metavar="REGEX", help="with (?P<class>…), (?P<group>…)")
    told.add_argument(
        "--table", type=_expanded, default="", metavar="CSV", help="a row for each image: path, class, group"
    )
    told.add_argument(
        "--columns",
        type=_column,
        nargs="+",
        action=_Pairs,
        default={},
        metavar="KEY=NAME",
        help="names of the table's columns",
    )


def _expanded(text: str) -> str:
    """What a user typed as a path, with `~` and `$NAME` replaced where no shell did."""
    from nullcrop.config.places import expanded

    try:
        return str(expanded(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _own_path(text: str) -> Path:
    return Path(_expanded(text))


class _Pairs(argparse.Action):
    """Pairs become a mapping; none is given twice."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option: Any = None) -> None:
        # The flag itself may stand more than once.
        pairs = dict(getattr(namespace, self.dest))
        for key, name in values:
            if key in pairs:
                raise argparse.ArgumentError(self, f"{key}= is given more than once")
            pairs[key] = name
        setattr(namespace, self.dest, pairs)


def _column(text: str) -> tuple[str, str]:
    key, equals, name = text.partition("=")
    if not equals or not name or key not in ("path", "class", "id", "group", "split"):
        raise argparse.ArgumentTypeError(f"'{text}' is none of path=, class=, id=, group=, split= and a name")
    return key, name


_LEFT_OUT: dict[str, dict[str, Any]] = {
    flag: {"required": False, "default": default}
    for flag, default in {
        "--cells": [],
        "--crop": (0, 0),
        "--definition": Path(),
        "--labels": "",
        "--mean-mask": None,
        "--results": Path(),
        "--samples": Path(),
        "--splits": [],
        "--tables": [],
        "--title": "",
        "--views-folder": Path(),
    }.items()
}
"""What stands in place of a flag that a figure does not need."""


def _needed(help: str, **options: Any) -> dict[str, Any]:
    return {"required": True, "help": help, **options}


_FLAGS: dict[str, dict[str, Any]] = {
    "--architecture": _needed("name of the network", choices=list(NETWORKS)),
    "--attributes": _needed("attributes.csv of the dataset", type=Path),
    "--baselines": {
        "nargs": "+",
        "type": _baseline,
        "default": None,
        "help": "names of the baselines; without it those that every test set has",
    },
    "--archive": _needed("folder of the downloaded or generated files", type=Path),
    "--bits": {"default": None, "type": int, "help": "depth of gray values of more than 8 bits"},
    "--batch": _needed("the cells that share the job", type=_cell, nargs="+"),
    "--cell": _needed("the cell: dataset/labels/split/view/architecture/recipe/seedN", type=_cell),
    "--cells": _needed("the cells, as a JSON list of cross products", type=_cells),
    "--inflation": {
        "default": None,
        "type": Path,
        "help": "inflation.csv of the dataset, where its factor c was checked",
    },
    "--readers": _needed("readers.csv of one dataset", type=Path),
    "--comparisons": _needed("comparisons.csv of one dataset", type=Path),
    "--config": _needed("the config as JSON", type=json.loads),
    "--configfile": {
        "default": [Path("config/config.yaml")],
        "type": Path,
        "nargs": "+",
        "help": "config (config/config.yaml); of several the later add to the former",
    },
    "--counted": {
        "default": None,
        "type": Path,
        "help": "dataset.json of one dataset: compare with what was counted in its files, this dataset alone",
    },
    "--crop": _needed("size of the crops in pixels, such as 20x20", type=_crop_size),
    "--dataset": _needed("name of the dataset"),
    "--datasets": _needed("number of datasets, of consecutive seeds", type=_positive),
    "--definition": _needed("the dataset's YAML file", type=Path),
    "--definitions": _needed("folders of the datasets' YAML files", nargs="+"),
    "--device": _needed("where to train", choices=["auto", "cpu", "cuda"]),
    "--engine": {
        "default": "auto",
        "choices": ENGINES,
        "help": "how training steps are run, where the device can (auto)",
    },
    "--figure": _needed("name of the figure", type=_figure),
    "--file": _needed("the file"),
    "--field": _needed("what crops hold", choices=["whole", "tile"]),
    "--duplicates": {
        "default": [],
        "nargs": "*",
        "type": Path,
        "help": "duplicates.csv; of a split: images that belong to one group",
    },
    "--attributes-table": {
        "default": [],
        "nargs": "*",
        "type": Path,
        "help": "attributes.csv, of a split in which one is to tell nothing of the class",
    },
    "--finished": _needed("folder of all finished cells", type=Path),
    "--folders": _needed("folders of results of one dataset each", type=Path, nargs="+"),
    "--granted-gpus": {
        "default": 0,
        "type": int,
        "help": "GPUs that were granted to the job; above 0 it trains on no CPU unless --device is cpu (0)",
    },
    "--in-flight": {"default": 1, "type": _positive, "help": "cells that take turns on the device (1)"},
    "--json": {"action": "store_true", "help": "as JSON, for programs"},
    "--labels": _needed("label rule"),
    "--mean-mask": _needed("where lesions lie, as .npy", type=Path),
    "--level": _needed("nominal error rate of a family of cells", type=float),
    "--logs": _needed("folder of the cells' logs", type=Path),
    "--files": _needed("addresses and checksums, as JSON"),
    "--listed-by": {"default": None, "help": "the source whose table names the masks, as JSON"},
    "--maps": _needed("file for the maps, .npz", type=Path),
    "--masks": {"default": None, "help": "where the masks of the images are, as JSON"},
    "--means": _needed("file for the mean image of each class, .npy", type=Path),
    "--metrics": _needed("metrics.csv of one dataset or study", type=Path),
    "--numerics": {"default": None, "help": "train under no other arithmetic than this"},
    "--on": {
        "nargs": "+",
        "type": _view,
        "default": None,
        "help": "names of the views; without it the six that every dataset has",
    },
    "--only": {"default": None, "metavar": "DATASET", "help": "this dataset alone"},
    "--out": _needed("what to write", type=Path),
    "--pairs": _needed("CSV of the single pairs", type=Path),
    "--phantom": _needed("the first generated dataset, as JSON"),
    "--protocol": _needed("split protocol"),
    "--protocols": _needed("split protocols", nargs="+"),
    "--published": _needed("the published tables, resources/published/*.csv", type=Path, nargs="+"),
    "--recipe": _needed("what differs from the recipe `paper`, as JSON", type=_recipe),
    "--repository": _needed("owner and name on huggingface.co"),
    "--report": _needed("report of the cell's batch", type=Path),
    "--results": _needed("the folder of all results", type=Path),
    "--revision": _needed("the commit"),
    "--samples": _needed("samples.csv", type=Path),
    "--seed": _needed("seed", type=int),
    "--settings": _needed("what the map looks at, as JSON"),
    "--sides": {
        "default": None,
        "nargs": "*",
        "help": "store much larger originals as networks of these input sides take them (pixels, or "
        "timm:NAME); with no value, for no network; without this flag, at full size",
    },
    "--split": _needed("CSV of the split", type=Path),
    "--splits": _needed("CSVs of splits, …/{labels}/{protocol}/seed{N}.csv", type=Path, nargs="+"),
    "--study": {"default": None, "help": "one study only"},
    "--style": {
        "default": "{}",
        "help": "width, type, title and caption of the figure, as JSON; the config's `figure_style`",
    },
    "--table": _needed("table to show", type=Path),
    "--tables": _needed("tables", type=Path, nargs="*"),
    "--thresholds": _needed("how surely a verdict speaks, and what it calls small, as JSON"),
    "--title": _needed("title of the study"),
    "--threads": _needed("CPU threads to use", type=_positive),
    "--tolerance": _needed("largest difference that still agrees, as a share", type=float),
    "--view": _needed("the store's {view}.json", type=Path),
    "--view-files": _needed("the store's {view}.json of each, in their order", type=Path, nargs="+"),
    "--views": _needed("names of the views", nargs="+", type=_view),
    "--views-folder": _needed("folder of the packed views", type=Path, dest="views"),
    "--watch": {"action": "store_true", "help": "go on showing it, until Ctrl-C"},
    "--window": {
        "default": None,
        "type": _window,
        "help": "centre and width of the range of gray values of more than 8 bits, such as --window=40,400",
    },
    "--weights": {
        "default": None,
        "type": Path,
        "help": "ImageNet checkpoint, if the recipe starts from one",
    },
    "--work": _needed("folder of the checkpoint while a cell is unfinished, and of its copy", type=Path),
    "--yes": {"action": "store_true", "help": "do not ask"},
    "kinds": {
        "nargs": "*",
        "type": _leftover,
        "metavar": "KIND",
        "help": "what to remove: halves, work, checkpoints, batches, views, logs, cells (halves and work)",
    },
}


if __name__ == "__main__":
    sys.exit(main())
