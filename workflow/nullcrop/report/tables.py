"""The page's tables: what each column is called, and how its values are written."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from nullcrop.basics.progress import duration
from nullcrop.config.readers import label_of
from nullcrop.config.saliency import METHOD_LABELS
from nullcrop.config.treatments import treatment_label
from nullcrop.config.views import view_label
from nullcrop.cues.attributes import attribute_words
from nullcrop.cues.treatments import PLACES

MOVED_UP_TO = 60
"""Characters of a value that is the same in all rows, up to which the caption says it instead of a column."""

PAPER = 115
"""Characters of a table's print that stand side by side on paper, the space between columns counted."""


TEXT_ON_PAPER = 16
"""Characters to a line of a longer text on paper."""


@dataclass(frozen=True)
class Column:
    """One column: its heading, and how a value is written; numbers are set flush right."""

    heading: str
    write: Callable[[Any], str] = str
    numeric: bool = False
    of: str = ""
    """What stands before the heading where it is read alone, by a screen reader or in a CSV file: `AUROC, `
    before `95 % from`. With it each heading of a table is another one."""
    result: bool = False
    """Measured: it keeps its column even where all rows agree."""

    @property
    def name(self) -> str:
        """The heading as it is read alone."""
        return self.of + self.heading


@dataclass(frozen=True)
class Field:
    """One field: the text shown, and the value that is sorted and copied."""

    text: str
    value: str


@dataclass(frozen=True)
class Table:
    """A table ready for the template."""

    name: str
    caption: str
    columns: list[Column]
    rows: list[list[Field]]
    same: list[tuple[Column, Field]] = field(default_factory=list)
    """Columns that hold one value in all rows, which the caption says."""
    empty: list[Column] = field(default_factory=list)
    """Columns without any value."""

    @property
    def row_names(self) -> int:
        """Leading columns, at most two, that say what a row is and stay in sight when others are scrolled."""
        told = [place for place in range(min(2, len(self.columns))) if self._is_short_text(place)]
        return 2 if told == [0, 1] else 1

    @property
    def same_in_csv(self) -> list[tuple[str, str]]:
        """Heading and value of each column that the caption says, for whoever copies the rows."""
        return [(column.name, one.value) for column, one in self.same]

    def _is_short_text(self, place: int) -> bool:
        longest = max((len(row[place].text) for row in self.rows), default=0)
        return not self.columns[place].numeric and longest <= WRAPPED_OVER

    @property
    def on_paper(self) -> int:
        """Leading columns that fit side by side on paper."""
        room = PAPER
        for place, column in enumerate(self.columns):
            texts = [row[place].text for row in self.rows]
            # Texts are set in several lines, numbers in one.
            words = " ".join([column.heading, *([] if column.numeric else texts)]).split()
            whole = max(map(len, texts), default=0)
            room -= max(*map(len, words), 1, whole if column.numeric else min(whole, TEXT_ON_PAPER)) + 2
            if room < 0:
                return max(place, 1)
        return len(self.columns)


WRAPPED_OVER = 40
"""Characters of a text above which it is set in several lines."""


def table_of(
    frame: pd.DataFrame,
    name: str,
    caption: str,
    columns: Mapping[str, Column],
) -> Table:
    """``columns`` of ``frame``, in that order; a column that the frame lacks is left out.

    What is the same in all of several rows goes into the caption, unless it is a result; so do the names of
    columns without any value. A missing value is a dash and sorts last.
    """
    shown = {key: column for key, column in columns.items() if key in frame}
    fields = {
        key: [_field(row[key], column) for row in frame.to_dict("records")] for key, column in shown.items()
    }
    same, empty = [], []
    if len(frame) > 1:
        empty = [key for key, found in fields.items() if not any(one.value for one in found)]
        same = [
            key
            for key, found in fields.items()
            if key not in empty
            and len(set(found)) == 1
            and not shown[key].result
            and len(found[0].text) <= MOVED_UP_TO
        ]
        if len(same) + len(empty) == len(shown):
            same = same[1:]
    kept = [key for key in shown if key not in (*same, *empty)]
    return Table(
        name,
        caption,
        [shown[key] for key in kept],
        [list(row) for row in zip(*(fields[key] for key in kept), strict=True)],
        [(shown[key], fields[key][0]) for key in same],
        [shown[key] for key in empty],
    )


def _field(value: Any, column: Column) -> Field:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)) or value == "":
        return Field("–", "")
    return Field(column.write(value), str(value))


def share(heading: str, of: str = "") -> Column:
    """A share between 0 and 1, with three digits."""
    return Column(heading, lambda value: f"{float(value):.3f}", numeric=True, of=of, result=True)


def p_value(heading: str) -> Column:
    """A probability; a small one as a power of ten."""
    return Column(
        heading,
        lambda value: f"{float(value):.3f}" if float(value) >= 0.001 else f"{float(value):.0e}",
        numeric=True,
        result=True,
    )


def count(heading: str, of: str = "") -> Column:
    """A whole number."""
    return Column(heading, lambda value: f"{int(float(value)):,}", numeric=True, of=of)


def number(heading: str, digits: int = 3, of: str = "") -> Column:
    """A number with so many digits after the point, and its sign where it has one."""
    return Column(heading, lambda value: f"{float(value):.{digits}f}", numeric=True, of=of, result=True)


def yes(heading: str) -> Column:
    """A truth value."""
    return Column(heading, lambda value: "yes" if str(value) == "True" else "no")


def interval(key: str, of: str, kind: str = "95 % ") -> dict[str, Column]:
    """The columns ``key``_low and ``key``_high: the 95 % interval of the measure that is called ``of``."""
    return {
        f"{key}_low": number(f"{kind}from", of=f"{of}, "),
        f"{key}_high": number("to", of=f"{of}, {kind}"),
    }


CELL_TABLE = {
    "place": Column("view"),
    "series": Column("network or baseline"),
    "recipe": Column("recipe"),
    "split": Column("split"),
    "labels": Column("label rule"),
    "seed": Column("seed", numeric=True),
    "auroc": share("AUROC"),
    **interval("auroc", "AUROC"),
    "p_auroc": p_value("p, AUROC"),
    "accuracy": share("accuracy"),
    **interval("accuracy", "accuracy"),
    "no_information_rate": share("no-information rate"),
    "p_no_information": p_value("p, accuracy"),
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
    **interval("wilson", "accuracy", "Wilson, 95 % "),
    "kind": Column("kind"),
    "state": Column("state"),
    "n": count("test images"),
    "units": count("independent units"),
    "constant": yes("constant"),
    "seconds": Column("training", lambda value: duration(float(value)), numeric=True, result=True),
}
"""Every cell of a dataset."""

READER_TABLE = {
    "place": Column("view"),
    "series": Column("reader"),
    "split": Column("split"),
    "labels": Column("label rule"),
    "role": Column("family"),
    "auroc": share("AUROC"),
    **interval("auroc", "AUROC"),
    "bound_low": share("at least"),
    "upper": share("at most"),
    "p_maxt": p_value("p, corrected"),
    "p_stepdown": p_value("p, step-down"),
    "p_auroc": p_value("p, alone"),
    "p_shuffle": p_value("p, shuffled targets"),
    "minimal": share("80 % power from"),
    "accuracy": share("accuracy"),
    **interval("accuracy", "accuracy"),
    "seeds": count("cells"),
    "n": count("images tested"),
    "units": count("independent units"),
    "inflation": number("factor c"),
}
"""Every reader of a dataset on each view, over all its seeds or folds."""

VERDICT_TABLE = {
    "labels": Column("label rule"),
    "split": Column("split"),
    "verdict": Column("verdict"),
    "effect": share("AUROC, all readers"),
    **interval("effect", "AUROC, all readers"),
    "at_least": share("at least"),
    "at_most": share("at most"),
    "p": p_value("p, corrected"),
    "minimal": share("80 % power from"),
    "headline": yes("to be quoted"),
    "sentence": Column("in words"),
    "details": Column("besides"),
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
    "other": Column("against"),
    "split": Column("split"),
    "labels": Column("label rule"),
    "auroc": share("AUROC"),
    "auroc_other": share("against", of="AUROC "),
    "auroc_difference": number("difference", of="AUROC, "),
    **interval("auroc", "AUROC, difference"),
    "p_auroc": p_value("p, AUROC"),
    "accuracy": share("accuracy"),
    "accuracy_other": share("against", of="accuracy "),
    "accuracy_difference": number("difference", of="accuracy, "),
    **interval("accuracy", "accuracy, difference"),
    "p_mcnemar": p_value("p, McNemar"),
    "seeds": count("cells"),
    "images": count("images of both"),
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

LEAK_MAP_TABLE = {
    "labels": Column("label rule"),
    "split": Column("split"),
    "size": count("window, pixels"),
    "row": count("row"),
    "column": count("column"),
    "x": share("x"),
    "y": share("y"),
    "auroc": share("AUROC"),
    "low": share("at least"),
    "high": share("at most"),
    "p": p_value("p, corrected"),
}

MASK_TABLE = {
    "place": Column("place"),
    "images": count("images"),
    "lesions": count("with a lesion"),
    "touching": count("touching"),
    "share": share("share touching"),
    "largest": share("largest"),
}

ATTRIBUTE_TABLE = {
    "labels": Column("label rule"),
    "split": Column("split"),
    "attribute": Column("attribute", attribute_words),
    "tells_target": share("tells the class"),
    "tells_target_low": share("at least", of="tells the class, "),
    "tells_target_high": share("at most", of="tells the class, "),
    "p_target": p_value("p, tells the class"),
    "read_from_crops": share("told by crops"),
    "read_low": share("at least", of="told by crops, "),
    "read_high": share("at most", of="told by crops, "),
    "p_read": p_value("p, told by crops"),
    "auroc": share("AUROC of crops"),
    "auroc_within": share("within strata", of="AUROC of crops "),
    "explained": number("explained"),
    "explained_low": number("at least", of="explained, "),
    "explained_high": number("at most", of="explained, "),
    "n": count("images"),
    "gaps": count("without a value"),
    "levels": count("values"),
    "remark": Column("remark"),
}

SPECTRUM_TABLE = {
    "labels": Column("label rule"),
    "split": Column("split"),
    "kind": Column("kind of information"),
    "place": Column("place"),
    "reader": Column("reader"),
    "auroc": share("AUROC"),
    "low": share("at least"),
    "high": share("at most"),
    "p": p_value("p, corrected"),
}

OUTSIDE_TABLE = {
    "labels": Column("label rule"),
    "split": Column("split"),
    "architecture": Column("network or baseline", label_of),
    "recipe": Column("recipe"),
    "seeds": count("seeds"),
    "source": share("whole images"),
    "shuffled": share("pixels shuffled"),
    "chance": share("chance"),
    "expected": share("P_Est"),
}

SALIENCY_TABLE = {
    "labels": Column("label rule"),
    "split": Column("split"),
    "architecture": Column("network", label_of),
    "recipe": Column("recipe"),
    "method": Column("method", METHOD_LABELS.__getitem__),
    "outside_centre": share("outside the central half"),
    "outside_centre_low": share("at least", of="outside the central half, "),
    "outside_centre_high": share("at most", of="outside the central half, "),
    "outside_centre_random": share("random weights", of="outside the central half, "),
    "outside_lesion": share("outside the lesion"),
    "outside_lesion_low": share("at least", of="outside the lesion, "),
    "outside_lesion_high": share("at most", of="outside the lesion, "),
    "outside_lesion_random": share("random weights", of="outside the lesion, "),
    "area_outside_lesion": share("area outside the lesion"),
    "correlation": number("correlation"),
    "difference": number("difference"),
    "images": count("images"),
    "silent": count("empty maps"),
    "silent_random": count("random weights", of="empty maps, "),
}

TREATMENT_TABLE = {
    "labels": Column("label rule"),
    "split": Column("split"),
    "treatment": Column("treatment", treatment_label),
    "place": Column("read from", PLACES.__getitem__),
    "reader": Column("reader", label_of),
    "recipe": Column("recipe"),
    "auroc_untreated": share("AUROC before"),
    "auroc": share("after"),
    "drop": share("drop"),
    "drop_low": share("at least"),
    "drop_high": share("at most"),
    "p": p_value("p, corrected"),
}

SHARED_TABLE = {
    "dataset_a": Column("dataset"),
    "official_split_a": Column("part"),
    "dataset_b": Column("other dataset"),
    "official_split_b": Column("its part"),
    "exact_images_a": count("images with an exact duplicate"),
    "exact_images_b": count("in the other", of="with an exact duplicate, "),
    "near_images_a": count("images with a near duplicate"),
    "near_images_b": count("in the other", of="with a near duplicate, "),
}

PUBLISHED_TABLE = {
    "judged": Column("printed and reproduced", result=True),
    "printed_n": Column("printed on images", lambda value: f"{int(value):,}", numeric=True, result=True),
    "where": Column("where"),
    "architecture": Column("network", label_of),
    "view": Column("view", view_label),
    "statistic": Column("statistic"),
    "metric": Column("measure"),
    "balanced": yes("balanced training"),
    "printed": number("printed", 4),
    "printed_right": Column("right answers", numeric=True, of="printed, ", result=True),
    "printed_low": share("95 % from", of="printed, "),
    "printed_high": share("to", of="printed, 95 % "),
    "reproduced": number("reproduced", 4),
    "low": share("95 % from", of="reproduced, "),
    "high": share("to", of="reproduced, 95 % "),
    "difference": Column("difference", lambda value: f"{float(value):+.4f}", numeric=True, result=True),
    "p_holm": p_value("p, corrected"),
    "told_from": share("would show from"),
    "agrees": yes("within the tolerance"),
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
    "alarms": Column("alarms", lambda value: f"{int(float(value)):,}", numeric=True, result=True),
    "share": share("share"),
    "low": share("95 % from", of="share, "),
    "high": share("to", of="share, 95 % "),
    "auroc": share("mean AUROC"),
    "low_held": share("lower bounds hold"),
    "upper_held": share("upper bound holds"),
    "coverage": share("both hold"),
}

STUDY_TABLE = {
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
    "seconds": Column("training", lambda value: duration(float(value)), numeric=True, result=True),
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
