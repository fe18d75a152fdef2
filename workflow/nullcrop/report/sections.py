"""The page's sections: what is said of each dataset and of the run as a whole, ready for the templates."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from nullcrop.basics.errors import listed
from nullcrop.basics.files import sha256_of
from nullcrop.basics.progress import duration
from nullcrop.config.definitions import LabelRule
from nullcrop.config.figures import FIGURES
from nullcrop.config.readers import label_of
from nullcrop.datasets.ignored import in_words
from nullcrop.figures.accuracy import FIELD_SENTENCES, UNCHECKED
from nullcrop.images.lesion_counts import touching_sentence
from nullcrop.report import charts, frames, tables
from nullcrop.report.blocks import Block, Drawing, Pairs, drawing, picture
from nullcrop.report.cards import Card, card_of
from nullcrop.report.contents import Contents, DatasetContents, read_table
from nullcrop.report.tables import table_of
from nullcrop.report.why import why_blocks
from nullcrop.statistics.auroc import LEVEL
from nullcrop.statistics.comparisons import BASELINE, LEAK, ORIGINAL
from nullcrop.statistics.maxt import DRAWS
from nullcrop.statistics.metrics import CONSTANT_ABOVE
from nullcrop.status.cells import BEGUN, CellState, made_otherwise
from nullcrop.status.cost import cost_rows, summed_cost

SAMPLES = "samples"
"""The figure that stands where the page says what a dataset is; others follow its results."""


@dataclass(frozen=True)
class Section:
    """What is said of one dataset."""

    name: str
    title: str
    progress: str
    missing: str
    card: Card
    blocks: list[Block]


def dataset_section(dataset: DatasetContents, contents: Contents) -> Section:
    """Everything about one dataset."""
    cells, planned = frames.planned(dataset), [*dataset.cells, *dataset.treated]
    measures, *others = _results(dataset, contents, cells)
    blocks = [measures, *_figures(dataset), _identity(dataset), _leaks(dataset), *others]
    return Section(
        name=f"dataset-{dataset.name}",
        title=dataset.definition.title,
        progress=progress(planned),
        missing=" ".join([missing(planned), *stale_verdicts(dataset), *_absent(dataset)]).strip(),
        card=card_of(dataset, contents),
        blocks=[block for block in blocks if not block.empty],
    )


def progress(cells: Iterable[CellState]) -> str:
    """`24 of 312 networks done`, and as much of the baselines and of the networks on shuffled targets."""
    words = {
        "network": "networks",
        "baseline": "baselines",
        "shuffled": "controls on shuffled targets",
    }
    states: dict[str, list[str]] = {kind: [] for kind in words}
    for one in cells:
        states[frames.kind_of(one.cell)].append(one.state)
    if not any(states.values()):
        return "no cells planned"
    return (
        ", ".join(
            f"{found.count('done')} of {len(found)} {words[kind]}" for kind, found in states.items() if found
        )
        + " done"
    )


def missing(cells: Iterable[CellState]) -> str:
    """What is not there yet; empty when everything is."""
    cells = list(cells)
    begun, absent = (sum(one.state in states for one in cells) for states in (BEGUN, ("missing",)))
    sentences = []
    if begun or absent:
        sentences.append(
            f"{begun + absent} of {len(cells)} cells have no result yet"
            + (f" ({begun} of them begun)" if begun else "")
            + "; what is missing is left blank and is not zero."
        )
    for state in ("damaged", "stale"):
        found = [f"{one.cell.path} ({one.words})" for one in cells if one.state == state]
        if found:
            are = "cell is" if len(found) == 1 else "cells are"
            sentences.append(f"{len(found)} finished {are} {state} and left out: {listed(found, 3)}.")
    return " ".join(sentences)


def stale_verdicts(dataset: DatasetContents) -> list[str]:
    """A sentence where the verdict that the workflow wrote is not the one that stands here."""
    judged = "; what stands here is judged by the cells that are done now"
    return [f"{remark}{'' if dataset.tables.verdicts.empty else judged}." for remark in dataset.remarks]


def _absent(dataset: DatasetContents) -> list[str]:
    """A sentence that names what a finished run would have counted or drawn, and has not."""
    return [f"Not made yet: {listed(dataset.absent)}."] if dataset.absent else []


def _groups_words(group: str, counts: dict[str, Any]) -> str:
    words = f"{counts['groups']:,} ({group}); a grouped split divides none"
    # Images that an earlier version listed lack both counts.
    if counts.get("without_group"):
        words += f"; {counts['without_group']:,} images have none, and each of them counts as independent"
    if near := counts.get("near_equal_groups"):
        words += (
            f"; nearly equal, and perhaps one: {listed(' and '.join(map(repr, names)) for names in near)}"
        )
    return words


def _identity(dataset: DatasetContents) -> Block:
    definition, counts = dataset.definition, dataset.counts
    pairs: Pairs = [("Images show", definition.modality), ("Field", _field_words(dataset))]
    if counts is None:
        pairs.append(("Images", "not listed yet"))
    else:
        width, height = (_range(counts["sizes"][side]) for side in ("width", "height"))
        pairs += [
            ("Images", f"{counts['images']:,}, {width} × {height} pixels ({_counted(counts['formats'])})"),
            ("Classes", _counted({name: counts["classes"].get(name, 0) for name in definition.classes})),
            ("Official split", _official(counts["official_split"])),
        ]
        if definition.group is not None:
            pairs.append(("Groups", _groups_words(definition.group, counts)))
        if counts["left_out"]:
            names = listed(f"{one['path']} ({one['problem']})" for one in counts["left_out"])
            pairs.append(("Left out as unreadable", f"{len(counts['left_out'])}: {names}"))
        if counts.get("ignored"):  # listed by a version that did not count it: not there
            pairs.append(("Ignored in its folder", in_words(counts["ignored"])))
        if counts["discrepancies"]:
            pairs.append(("Counts that differ from the definition", listed(counts["discrepancies"])))
    if definition.group is None:
        pairs.append(("Groups", "none known: images of one patient may stand in training and in test"))
    pairs += [(f"Label rule {name}", _rule(rule)) for name, rule in definition.labels.items()]
    pairs += [("Licence", definition.licence), ("Citation", definition.citation)]
    if definition.homepage:
        pairs.append(("Described at", _link(definition.homepage)))
    if definition.notes:
        pairs.append(("Notes", definition.notes))
    pictures = []
    if SAMPLES in dataset.figures:
        alt = (
            f"Sample images of {definition.title}, a row for each class: {', '.join(definition.classes)}. "
            "The five crops are outlined in each image and enlarged beside it."
        )
        pictures.append(picture(dataset.figures[SAMPLES], alt, ""))
    return Block(f"{dataset.name}-identity", "What it is", pairs=pairs, pictures=pictures)


def _field_words(dataset: DatasetContents) -> str:
    """What the dataset's file says of its field, and what masks say to it."""
    field = dataset.definition.field
    said = UNCHECKED.get(field, "") if dataset.masks is None else touching_sentence(dataset.masks, field)
    return f"{FIELD_SENTENCES[field]} {said}".strip()


def _figures(dataset: DatasetContents) -> list[Block]:
    """The figures that the page shows, each under its own heading."""
    return [
        Block(
            f"{dataset.name}-figure-{name}",
            FIGURES[name].title,
            pictures=[
                picture(path, f"{FIGURES[name].title} of {dataset.definition.title}.", FIGURES[name].caption)
            ],
        )
        for name, path in dataset.figures.items()
        if name != SAMPLES
    ]


def _results(dataset: DatasetContents, contents: Contents, cells: pd.DataFrame) -> list[Block]:
    """Everything that the cells say."""
    every, cells = cells, cells[cells["kind"] != "shuffled"]
    networks = cells[cells["kind"] == "network"]
    return [
        _measures(dataset, cells),
        _verdicts(dataset),
        *_comparisons(dataset),
        _published(dataset),
        *why_blocks(dataset, contents.project.config.verdict.equivalence),
        _roc_curves(dataset, networks),
        _confusions(dataset, networks),
        _learning_curves(dataset, networks),
        _every_reader(dataset),
        _every_cell(dataset, every),
    ]


CONSTANT_WORDS = {
    "AUROC": " Dashed frame: over 99 % of the answers are one class; that says nothing against the AUROC.",
    "accuracy": " Dashed frame: over 99 % of the answers are one class, so this is hardly more than that "
    "class's share.",
}

SAME_NUMBERS = "The same numbers stand in the table “Every cell”."
OF_READERS = "The same numbers stand in the table “Every reader”."


def _measures(dataset: DatasetContents, cells: pd.DataFrame) -> Block:
    block = Block(f"{dataset.name}-measures", "AUROC and accuracy")
    if not (cells["state"] == "done").any():
        return block
    nulls = {
        "AUROC": "Dashed line: 0.5, no information.",
        "accuracy": "Dashed line: the no-information rate, the share of the largest class among the test "
        "images.",
    }
    words = "Marks: all seeds or folds put together; bars: 95 % interval, by groups where there are any."
    seeds = " Small ticks: single seeds." if cells["seed"].nunique() > 1 else ""
    looks, pooled = charts.looks_of(cells), frames.readers(dataset)
    for measure, null in nulls.items():
        block.drawings.append(
            drawing(
                f"{dataset.name}-{measure.lower()}",
                f"{measure} of {dataset.definition.title} by view, network and baseline, with 95 % "
                f"intervals. {OF_READERS}",
                f"{measure[0].upper()}{measure[1:]} by view. {null} {words}{seeds}{CONSTANT_WORDS[measure]}",
                charts.measure_chart(frames.marks(cells, measure.lower(), pooled), looks, measure),
            )
        )
    return block


def _verdicts(dataset: DatasetContents) -> Block:
    table = table_of(
        frames.verdicts(dataset),
        f"{dataset.name}-verdict-table",
        f"Verdicts on {dataset.definition.title}: one for each label rule and split.",
        tables.VERDICT_TABLE,
    )
    return Block(
        f"{dataset.name}-verdicts", "Verdicts by split", tables=[table] if table.rows else [], unfolded=False
    )


COMPARISONS = {
    ORIGINAL: (
        "Crop against whole image",
        "Each crop beside the same network on the whole images; the same test images.",
    ),
    BASELINE: (
        "Networks against baselines",
        "Each network beside what is reached without one; the same test images.",
    ),
    LEAK: (
        "Random against grouped split",
        "Each reader on a split blind to groups beside the same one on the split that keeps groups apart, "
        "and all of them together: the difference is what the former leaks.",
    ),
}


def _comparisons(dataset: DatasetContents) -> list[Block]:
    blocks = []
    for comparison, (heading, words) in COMPARISONS.items():
        table = table_of(
            frames.compared(dataset, comparison),
            f"{dataset.name}-{comparison}-table",
            f"{dataset.definition.title}: {words} Differences with 95 % intervals; p two-sided, not "
            "corrected.",
            tables.COMPARISON_TABLE,
        )
        if table.rows:
            blocks.append(Block(f"{dataset.name}-{comparison}", heading, tables=[table], unfolded=False))
    return blocks


def _leaks(dataset: DatasetContents) -> Block:
    """What of the test images the training part has seen."""
    block = Block(f"{dataset.name}-leaks", "Leaks and duplicates")
    if dataset.leaks is not None:
        caption = (
            f"{dataset.definition.title}: clusters of duplicates, and test images of which a duplicate, or "
            "an image of the same group, is in training. Near duplicates include exact ones."
        )
        block.tables.append(table_of(dataset.leaks, f"{dataset.name}-leak-table", caption, tables.LEAK_TABLE))
    return block


def _published(dataset: DatasetContents) -> Block:
    """What was printed, beside what was reproduced and what can be counted."""
    title = dataset.definition.title
    block = Block(f"{dataset.name}-published", "Published and reproduced", unfolded=False)
    if len(dataset.published):
        caption = (
            f"{title}: every printed value, and what the same cells gave here; empty where they were not "
            "run. An accuracy is a number of right answers of the images it was printed for. “compatible”: "
            "taken so, it shows no difference from the reproduced one (Fisher's exact test, corrected over "
            "all values of this page); a difference below “would show from” could not have been shown. "
            "“cannot tell”: the number of images is not known, the value is no whole number of right answers "
            "of them, no accuracy, or the largest or smallest of several. “within the tolerance”: the two "
            "differ by at most the tolerance, whatever their images."
        )
        block.tables.append(
            table_of(
                frames.printed_values(dataset.published),
                f"{dataset.name}-published-table",
                caption,
                tables.PUBLISHED_TABLE,
            )
        )
    if len(dataset.discrepancies):
        caption = (
            f"{title}: printed values beside counts of the release and arithmetic; how a difference came "
            "about is not said."
        )
        block.tables.append(
            table_of(
                dataset.discrepancies, f"{dataset.name}-discrepancies", caption, tables.DISCREPANCY_TABLE
            )
        )
    return block


def _roc_curves(dataset: DatasetContents, networks: pd.DataFrame) -> Block:
    block = Block(f"{dataset.name}-rocs", "ROC curves", unfolded=False)
    lines = frames.roc_lines(dataset, networks)
    if len(lines):
        block.drawings.append(
            drawing(
                f"{dataset.name}-roc",
                f"ROC curves of {dataset.definition.title}, one panel a view. {SAME_NUMBERS}",
                "One line a trained network; dotted: chance. For more than two targets the mean over each "
                "against the rest.",
                charts.roc_chart(lines, charts.looks_of(networks)),
            )
        )
    return block


def _confusions(dataset: DatasetContents, networks: pd.DataFrame) -> Block:
    block = Block(f"{dataset.name}-confusions", "Confusion matrices", unfolded=False)
    done = networks[networks["state"] == "done"]
    for rule, of_rule in done.groupby("labels", sort=False):
        block.drawings.append(
            drawing(
                f"{dataset.name}-confusion-{rule}",
                f"Confusion matrices of {dataset.definition.title} by network and view. {SAME_NUMBERS}",
                "Test images by truth (rows) and answer (columns), summed over seeds; deeper: a larger share "
                f"of the true class. Label rule: {rule}.",
                charts.confusion_chart(
                    frames.confusion_counts(dataset, of_rule),
                    charts.looks_of(networks),
                    dataset.definition.target_names(str(rule)),
                ),
            )
        )
    return block


def _learning_curves(dataset: DatasetContents, networks: pd.DataFrame) -> Block:
    block = Block(f"{dataset.name}-curves", "Learning curves", unfolded=False)
    lines = frames.learning_lines(dataset, networks)
    if len(lines):
        parts = listed(list(dict.fromkeys(lines["part"])))
        block.drawings.append(
            drawing(
                f"{dataset.name}-learning",
                f"Learning curves of {dataset.definition.title}, one panel a view: loss and accuracy by "
                f"epoch, in {parts}.",
                "Loss by epoch (or accuracy, by the menu), one line a trained network.",
                charts.learning_chart(lines, charts.looks_of(networks)),
            )
        )
    return block


def _every_reader(dataset: DatasetContents) -> Block:
    caption = (
        f"Every reader of {dataset.definition.title} on each view, all its seeds or folds put together. “p, "
        "corrected” and “at least” hold for all rows of one family, label rule and split at once; “at most” "
        "holds for its row alone."
    )
    found = frames.readers(dataset)
    rows = frames.described(found) if len(found) else found
    table = table_of(rows, f"{dataset.name}-readers", caption, tables.READER_TABLE)
    return Block(
        f"{dataset.name}-every-reader", "Every reader", tables=[table] if table.rows else [], unfolded=False
    )


def _every_cell(dataset: DatasetContents, cells: pd.DataFrame) -> Block:
    title = dataset.definition.title
    table = table_of(cells, f"{dataset.name}-cells", f"Every cell of {title}.", tables.CELL_TABLE)
    return Block(f"{dataset.name}-every", "Every cell", tables=[table], unfolded=False)


def _rule(rule: LabelRule) -> str:
    meaning = (
        f"positive: {', '.join(rule.positive)}" if rule.positive else "every class is a target of its own"
    )
    return f"{meaning}. {rule.evidence}" if rule.evidence else meaning


def _official(parts: dict[str, int]) -> str:
    named = {name: count for name, count in parts.items() if name}
    return _counted(named) if named else "none"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _range(limits: list[int]) -> str:
    low, high = limits
    return str(low) if low == high else f"{low} to {high}"


def _link(address: str) -> str | Markup:
    """A link, if the address is one of the web: nothing else is followed from a definition."""
    if not address.startswith(("https://", "http://")):
        return address
    return Markup('<a href="{0}" rel="noreferrer">{0}</a>').format(address)


def title(contents: Contents) -> str:
    """The page's title."""
    if len(contents.datasets) == 1:
        return contents.datasets[0].definition.title
    return contents.project.config.studies[contents.study].title


def grid(contents: Contents) -> Drawing:
    """Every planned cell as one picture."""
    return drawing(
        "grid-chart",
        "Heat map of every planned cell: datasets by networks and views. The tables “Every reader” and "
        "“Every cell” of each dataset hold the same numbers.",
        "One square a dataset, network and view. Colour: how far the AUROC lies above 0.5, or the accuracy "
        "above the no-information rate (numbers: AUROC of all seeds or folds put together, or percentage "
        "points). Dashed frame: over 99 % of the answers are one class, which says nothing against the "
        "AUROC. Empty square with a cross: planned, no result yet. A click leads to the dataset.",
        charts.grid_chart(frames.grid_rows(contents)),
    )


def closing(contents: Contents) -> list[Block]:
    """What holds for the whole run."""
    blocks = (
        _methods(contents),
        _discrepancies(contents),
        *((_shared(contents), _calibration(contents)) if contents.whole else ()),
        _cost(contents),
        _provenance(contents),
    )
    return [block for block in blocks if not block.empty]


def _crop_sizes(contents: Contents) -> str:
    """Size of the crops, and of which datasets it is another."""
    of_config, project = contents.project.config.crop, contents.project
    own = [
        f"{project.definition(one.name).title} {size.width}×{size.height}"
        for one in contents.datasets
        if (size := project.crop(one.name)) != of_config
    ]
    sizes = f"{of_config.width}×{of_config.height} pixels" + (f" ({listed(own)})" if own else "")
    return f"{sizes}, cut from the image as stored"


def _methods(contents: Contents) -> Block:
    """Methods as run, from the resolved config and what was found; what is off is left out."""
    config = contents.project.config
    cells = [state.cell for dataset in contents.datasets for state in dataset.cells]
    pairs: Pairs = [("Crops", _crop_sizes(contents)), *_tests(contents)]
    if (config.device, config.engine) != ("auto", "auto"):
        pairs.append(("Device and engine", f"{config.device}, {config.engine}"))
    for name in sorted({cell.recipe for cell in cells}):
        values = asdict(config.recipe_of(name))
        # None, False and "none" say that something is off.
        named = [
            f"{key.replace('_', ' ')} {value}"
            for key, value in values.items()
            if value not in (None, False, "none", [], {})
        ]
        pairs.append((f"Recipe {name}", "; ".join(named)))
    axes = ("labels", "split", "view", "architecture", "recipe", "seed")
    rows = [
        {
            "dataset": dataset.definition.title,
            **{
                axis: listed(dict.fromkeys(getattr(one.cell, axis) for one in dataset.cells), 20)
                for axis in axes
            },
            "cells": len(dataset.cells),
        }
        for dataset in contents.datasets
    ]
    table = table_of(pd.DataFrame(rows), "methods-studies", "What was planned.", tables.STUDY_TABLE)
    return Block("methods", "Methods as run", pairs=pairs, tables=[table])


def _tests(contents: Contents) -> Pairs:
    """The tests behind the verdicts, the intervals and the comparisons that this page shows."""
    thresholds = contents.project.config.verdict
    found = [dataset.tables for dataset in contents.datasets]
    readers = pd.concat([pd.DataFrame(), *(tables.readers for tables in found)])
    comparisons = pd.concat([pd.DataFrame(), *(tables.comparisons for tables in found)])
    metrics = pd.concat([pd.DataFrame(), *(tables.metrics for tables in found)])
    pairs: Pairs = []
    if any(len(tables.verdicts) for tables in found):
        verdict = (
            "All readers on all views on which a verdict may rest, and their average on each, are tested at "
            "once: "
            "one-sided maxT (Westfall and Young 1993) of studentised AUROCs against 0.5, with "
            f"{DRAWS:,} draws in which classes move between images, or between groups where there are any. "
            f"Error rate {100 * thresholds.level:g}%. “At least” is the lower bound of this test, for all of "
            f"them at once; “at most” the largest of their own one-sided {LEVEL:.0%} bounds."
        )
        if (readers["seeds"] > 1).any():
            verdict += " Scores of several seeds or folds are put together by ranks within each test part."
        if (readers["inflation"] > 1).any():
            verdict += (
                f" Standard errors are multiplied by up to {readers['inflation'].max():.2f}, because labels "
                "that are tested are trained on in other folds or seeds."
            )
        pairs.append(("Verdict", verdict))
    if len(metrics):
        pairs.append(("AUROC", f"{LEVEL:.0%} intervals by groups where there are any, else by images."))
        pairs.append(
            (
                "Accuracy",
                "beside the no-information rate, the share of the largest class among the test images; "
                f"{LEVEL:.0%} Wilson intervals and an exact one-sided binomial test, which take images for "
                "independent; the interval by groups stands beside.",
            )
        )
        if metrics["constant"].eq(True).any():
            words = f"cells of which over {CONSTANT_ABOVE:.0%} of the answers are one class"
            pairs.append(("Constant predictors", words))
    if len(comparisons):
        pairs.append(
            (
                "Differences",
                "of pooled AUROCs, paired by image (DeLong), by groups where there are any; of accuracies "
                "McNemar’s exact test.",
            )
        )
        if (comparisons["comparison"] == BASELINE).any():
            words = (
                f"of a network by a baseline: the upper end of the {LEVEL:.0%} interval of what the network "
                f"adds lies below {thresholds.equivalence:g}"
            )
            pairs.append(("Explained", words))
    return pairs


def _discrepancies(contents: Contents) -> Block:
    """Where the published numbers differ from counts and arithmetic."""
    rows = pd.concat([pd.DataFrame(), *(dataset.discrepancies for dataset in contents.datasets)])
    if rows.empty:
        return Block("discrepancies", "Discrepancies")
    text = (
        "The published numbers beside counts of the releases and plain arithmetic. Each row says what was "
        "counted, and by which rule; it says nothing about how a difference came about."
    )
    table = table_of(rows, "discrepancies-table", "Printed and counted.", tables.DISCREPANCY_TABLE)
    return Block("discrepancies", "Discrepancies", [text], tables=[table])


def _shared(contents: Contents) -> Block:
    """Images that two datasets share, and which datasets were not compared in these results."""
    block = Block("shared", "Images shared by datasets")
    names = [dataset.name for dataset in contents.datasets]
    if len(names) < 2:
        return block
    table = contents.shared if contents.shared is not None else pd.DataFrame(columns=["dataset_a"])
    compared = set(map(frozenset, table[["dataset_a", "dataset_b"]].to_numpy())) if len(table) else set()
    missed = [f"{one} with {other}" for one, other in combinations(names, 2) if {one, other} not in compared]
    if missed:
        block.paragraphs.append(
            f"Not compared in these results: {listed(missed, 5)} (duplicates.csv tells of those that were)."
        )
    if not compared:
        return block
    found = table[table["near_images_a"].astype(int) > 0]
    if found.empty:
        compared_words = "the datasets that were compared" if missed else "two datasets of this study"
        block.paragraphs.append(f"No image, nor a near duplicate of one, was found in {compared_words}.")
    else:
        caption = (
            "Images with a duplicate in another dataset, by official parts. Near duplicates include exact "
            "ones."
        )
        block.tables.append(table_of(found, "shared-table", caption, tables.SHARED_TABLE))
    return block


def _calibration(contents: Contents) -> Block:
    """How often the audit itself is wrong, or that it was not measured here."""
    return calibration(Path(contents.project.config.paths.results)) or Block(
        "calibration",
        "Calibration",
        [
            "The audit's own false alarms and power were not measured in these results; a run of "
            "config/calibration.yaml with this results folder does."
        ],
    )


def calibration(results: Path) -> Block | None:
    """How often the audit itself is wrong, if that was measured in ``results``."""
    table = read_table(results / "calibration" / "table.csv")
    if table is None:
        return None
    block = Block(
        "calibration",
        "Calibration",
        [
            "The same audit on generated datasets whose truth is known: without a cue an alarm is a false "
            "one; with a cue of known size the share of alarms is the audit's power. Beside it “one split”: "
            "networks alone on a single split, as datasets were judged before; and “naive”: each cell and "
            "each image by itself."
        ],
    )
    figure = results / "calibration" / "calibration.png"
    if figure.is_file():
        alt = (
            "Share of generated datasets with an alarm, by cue and strength. The table below holds the same "
            "numbers."
        )
        block.pictures.append(picture(figure, alt, ""))
    caption = (
        "Alarms on generated datasets, with exact 95 % intervals, and how often bounds held: without a cue "
        "around 0.5, with one around the mean AUROC of the same reader and view, which stands in for the "
        "unknown truth."
    )
    block.tables.append(table_of(table, "calibration-table", caption, tables.CALIBRATION_TABLE))
    return block


def _cost(contents: Contents) -> Block:
    """Training time, speed and memory by dataset, network and hardware; energy where a cell recorded it."""
    done = [state for state in contents.cells if state.state == "done"]
    if not done:
        return Block("cost", "Cost")
    rows = cost_rows(state.record for state in done).assign(
        dataset=[state.cell.dataset for state in done],
        architecture=[label_of(state.cell.architecture) for state in done],
    )
    summed = summed_cost(rows, ["dataset", "architecture", "hardware"])
    sentence = "Training of the finished cells took " + "; ".join(
        f"{duration(row['seconds'])} on {row['hardware']}"
        for row in summed_cost(rows, ["hardware"]).to_dict("records")
    )
    energy = rows["energy_kwh"].sum(min_count=1)
    recorded = int(rows["energy_kwh"].notna().sum())
    words = (
        "No cell recorded its energy."
        if pd.isna(energy)
        else f"{energy:.2f} kWh, recorded by {recorded} cells."
    )
    caption = (
        "Training of finished cells: time, training images a second, the largest peaks of memory of a single "
        "cell (on the GPU, and in the memory of its process), energy."
    )
    table = table_of(summed, "cost-table", caption, tables.COST_TABLE)
    return Block("cost", "Cost", [f"{sentence}. {words}"], tables=[table])


def _provenance(contents: Contents) -> Block:
    """Versions, hardware and hashes behind the numbers."""
    config = contents.project.config.model_dump_json(exclude_defaults=True)
    pairs: Pairs = [
        ("Config", f"SHA-256 {hashlib.sha256(config.encode()).hexdigest()} (resolved, without defaults)"),
        (
            "Definitions",
            "; ".join(
                f"{dataset.name} {_short(sha256_of(contents.project.definition_path(dataset.name)))}"
                for dataset in contents.datasets
            ),
        ),
    ]
    made = Counter(
        (
            state.record.get("hardware", ""),
            state.record.get("numerics", ""),
            ", ".join(f"{name} {version}" for name, version in state.record.get("versions", {}).items()),
        )
        for state in contents.cells
        if state.state == "done"
    )
    by = pd.DataFrame(
        [
            {"hardware": hardware, "numerics": numerics, "versions": versions, "cells": count}
            for (hardware, numerics, versions), count in made.items()
        ]
    )
    files = pd.DataFrame([row for dataset in contents.datasets for row in dataset.hashes])
    found = [
        table_of(by, "provenance-versions", "With what the cells were made.", tables.VERSION_TABLE),
        table_of(
            files,
            "provenance-hashes",
            "What was read: archives as downloaded, and packed pixels.",
            tables.HASH_TABLE,
        ),
    ]
    tables_found = [table for table in found if table.rows]
    return Block("provenance", "Provenance", _made_otherwise(contents), pairs=pairs, tables=tables_found)


def _made_otherwise(contents: Contents) -> list[str]:
    """A paragraph that names the cells made under another arithmetic than their studies demand."""
    others = [
        f"{one.cell.path} ({one.record.get('numerics')}, not {demanded})"
        for one in contents.cells
        if (demanded := contents.grid.demanded_numerics(one.cell)) and made_otherwise(one, demanded)
    ]
    if not others:
        return []
    return [f"Not made under the arithmetic that the study demands: {listed(others)}."]


def _short(digest: str) -> str:
    return digest[:12]
