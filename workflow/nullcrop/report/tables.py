"""The page's tables: what each column is called, and how its values are written."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from nullcrop.basics.progress import duration
from nullcrop.config.readers import label_of
from nullcrop.config.views import view_label


@dataclass(frozen=True)
class Column:
    """One column: its heading, and how a value is written; numbers are set flush right."""

    heading: str
    write: Callable[[Any], str] = str
    numeric: bool = False


@dataclass(frozen=True)
class Field:
    """One field: the text shown, the value that is sorted and copied, and where a link leads."""

    text: str
    value: str
    href: str | None = None


@dataclass(frozen=True)
class Table:
    """A table ready for the template."""

    name: str
    caption: str
    columns: list[Column]
    rows: list[list[Field]]


def table_of(
    frame: pd.DataFrame,
    name: str,
    caption: str,
    columns: Mapping[str, Column],
    links: Mapping[str, str] | None = None,
) -> Table:
    """``columns`` of ``frame``, in that order; a column that the frame lacks is left out.

    A missing value is a dash and sorts last. ``links`` names, for a column, the column with its addresses.
    """
    shown = {key: column for key, column in columns.items() if key in frame}
    links = links or {}
    rows = [
        [_field(row[key], column, row[links[key]] if key in links else None) for key, column in shown.items()]
        for row in frame.to_dict("records")
    ]
    return Table(name, caption, list(shown.values()), rows)


def _field(value: Any, column: Column, href: str | None) -> Field:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)) or value == "":
        return Field("–", "", href)
    return Field(column.write(value), str(value), href)


def share(heading: str) -> Column:
    """A share between 0 and 1, with three digits."""
    return Column(heading, lambda value: f"{float(value):.3f}", numeric=True)


def p_value(heading: str) -> Column:
    """A probability; a small one as a power of ten."""
    return Column(
        heading,
        lambda value: f"{float(value):.3f}" if float(value) >= 0.001 else f"{float(value):.0e}",
        numeric=True,
    )


def count(heading: str) -> Column:
    """A whole number."""
    return Column(heading, lambda value: f"{int(float(value)):,}", numeric=True)


def number(heading: str, digits: int = 3) -> Column:
    """A number with so many digits after the point, and its sign where it has one."""
    return Column(heading, lambda value: f"{float(value):.{digits}f}", numeric=True)


def yes(heading: str) -> Column:
    """A truth value."""
    return Column(heading, lambda value: "yes" if str(value) == "True" else "no")


COORDINATES = {
    "study": Column("study"),
    "place": Column("view"),
    "series": Column("network or baseline"),
    "recipe": Column("recipe"),
    "split": Column("split"),
    "labels": Column("label rule"),
    "seed": Column("seed", numeric=True),
}

CELL_TABLE = {
    **COORDINATES,
    "kind": Column("kind"),
    "state": Column("state"),
    "n": count("test images"),
    "units": count("independent units"),
    "no_information_rate": share("no-information rate"),
    "accuracy": share("accuracy"),
    "wilson_low": share("95 % from"),
    "wilson_high": share("to"),
    "accuracy_low": share("by groups 95 % from"),
    "accuracy_high": share("to"),
    "p_no_information": p_value("p, accuracy"),
    "auroc": share("AUROC"),
    "auroc_low": share("95 % from"),
    "auroc_high": share("to"),
    "p_auroc": p_value("p, AUROC"),
    "balanced_accuracy": share("balanced accuracy"),
    "mcc": number("MCC"),
    "sensitivity": share("sensitivity"),
    "specificity": share("specificity"),
    "precision": share("precision"),
    "f1": share("F-1"),
    "average_precision": share("average precision"),
    "tn": count("TN"),
    "fp": count("FP"),
    "fn": count("FN"),
    "tp": count("TP"),
    "constant": yes("constant"),
    "seconds": Column("training", lambda value: duration(float(value)), numeric=True),
}
"""Every cell of a dataset."""

READER_TABLE = {
    "place": Column("view"),
    "series": Column("reader"),
    "split": Column("split"),
    "labels": Column("label rule"),
    "role": Column("family"),
    "seeds": count("cells"),
    "n": count("images tested"),
    "units": count("independent units"),
    "auroc": share("AUROC"),
    "auroc_low": share("95 % from"),
    "auroc_high": share("to"),
    "inflation": number("factor c"),
    "p_auroc": p_value("p, alone"),
    "p_maxt": p_value("p, corrected"),
    "p_stepdown": p_value("p, step-down"),
    "bound_low": share("at least"),
    "upper": share("at most"),
    "minimal": share("80 % power from"),
    "p_shuffle": p_value("p, shuffled targets"),
    "accuracy": share("accuracy"),
    "accuracy_low": share("by groups 95 % from"),
    "accuracy_high": share("to"),
}
"""Every reader of a dataset on each view, over all its seeds or folds."""

VERDICT_TABLE = {
    "study": Column("study"),
    "labels": Column("label rule"),
    "split": Column("split"),
    "headline": yes("to be quoted"),
    "verdict": Column("verdict"),
    "sentence": Column("in words"),
    "details": Column("besides"),
    "effect": share("AUROC, all readers"),
    "effect_low": share("95 % from"),
    "effect_high": share("to"),
    "at_least": share("at least"),
    "at_most": share("at most"),
    "p": p_value("p, corrected"),
    "minimal": share("80 % power from"),
    "readers_shown": Column("shown by"),
    "readers": count("readers"),
    "views_shown": Column("shown on"),
    "views": count("views"),
    "images": count("images"),
    "units": count("independent units"),
    "explained_by": Column("explained by"),
    "leak": number("blind to groups − by groups"),
}

COMPARISON_TABLE = {
    "place": Column("view"),
    "series": Column("network or baseline"),
    "split": Column("split"),
    "labels": Column("label rule"),
    "seeds": count("cells"),
    "images": count("images of both"),
    "other": Column("against"),
    "auroc": share("AUROC"),
    "auroc_other": share("against"),
    "auroc_difference": number("difference"),
    "auroc_low": number("95 % from"),
    "auroc_high": number("to"),
    "p_auroc": p_value("p"),
    "accuracy": share("accuracy"),
    "accuracy_other": share("against"),
    "accuracy_difference": number("difference"),
    "accuracy_low": number("95 % from"),
    "accuracy_high": number("to"),
    "p_mcnemar": p_value("p, McNemar"),
}

LEAK_TABLE = {
    "labels": Column("label rule"),
    "split": Column("split"),
    "seed": Column("seed", numeric=True),
    "images": count("images"),
    "test_images": count("test images"),
    "exact_clusters": count("exact clusters"),
    "near_clusters": count("near clusters"),
    "near_across_classes": count("near, over classes"),
    "near_across_parts": count("near, over parts"),
    "exact_test_images": count("test images with an exact duplicate in training"),
    "near_test_images": count("test images with a near duplicate in training"),
    "groups": count("groups"),
    "groups_across_parts": count("groups over parts"),
    "group_test_images": count("test images with their group in training"),
}

SHARED_TABLE = {
    "dataset_a": Column("dataset"),
    "official_split_a": Column("part"),
    "dataset_b": Column("other dataset"),
    "official_split_b": Column("its part"),
    "exact_images_a": count("images with an exact duplicate"),
    "exact_images_b": count("in the other"),
    "near_images_a": count("images with a near duplicate"),
    "near_images_b": count("in the other"),
}

PUBLISHED_TABLE = {
    "where": Column("where"),
    "architecture": Column("network", label_of),
    "view": Column("view", view_label),
    "statistic": Column("statistic"),
    "metric": Column("measure"),
    "balanced": yes("balanced training"),
    "printed": number("printed", 4),
    "reproduced": number("reproduced", 4),
    "low": share("95 % from"),
    "high": share("to"),
    "difference": Column("difference", lambda value: f"{float(value):+.4f}", numeric=True),
    "agrees": yes("agrees"),
    "labels": Column("label rule"),
    "split": Column("split"),
    "recipe": Column("recipe"),
    "seeds": count("seeds"),
}

CALIBRATION_TABLE = {
    "cue": Column("cue"),
    "strength": Column("strength", numeric=True),
    "patients": count("patients"),
    "images_per_patient": count("images of each"),
    "split": Column("split"),
    "architecture": Column("reader", label_of),
    "method": Column("method"),
    "datasets": count("datasets"),
    "alarms": count("alarms"),
    "share": share("share"),
    "low": share("95 % from"),
    "high": share("to"),
    "auroc": share("mean AUROC"),
    "low_held": share("lower bounds hold"),
    "upper_held": share("upper bound holds"),
    "coverage": share("both hold"),
}

STUDY_TABLE = {
    "study": Column("study"),
    "title": Column("what it asks"),
    "dataset": Column("dataset"),
    "labels": Column("label rules"),
    "split": Column("splits"),
    "view": Column("views"),
    "architecture": Column("networks"),
    "recipe": Column("recipes"),
    "seed": Column("seeds"),
    "cells": count("cells"),
}

DISCREPANCY_TABLE = {
    "dataset": Column("dataset"),
    "table": Column("where"),
    "kind": Column("kind"),
    "printed": Column("printed"),
    "computed": Column("counted or computed"),
    "evidence": Column("how"),
}

COST_TABLE = {
    "dataset": Column("dataset"),
    "architecture": Column("network"),
    "hardware": Column("hardware"),
    "cells": count("cells"),
    "seconds": Column("training", lambda value: duration(float(value)), numeric=True),
    "images_a_second": count("images a second"),
    "peak_device_mb": count("peak on the GPU, MB"),
    "peak_host_mb": count("peak in memory, MB"),
    "energy_kwh": number("kWh"),
}

VERSION_TABLE = {
    "hardware": Column("hardware"),
    "numerics": Column("numerics"),
    "versions": Column("versions"),
    "cells": count("cells"),
}

HASH_TABLE = {
    "dataset": Column("dataset"),
    "file": Column("file"),
    "bytes": count("bytes"),
    "sha256": Column("SHA-256"),
}
