"""Write numbers and charts of the audits into their pages (`make audits`).

.venv/bin/python docs/audits/write_pages.py results/audits docs/audits

Each page, `{dataset}.md`, holds text that is written by hand, and parts between `<!-- NAME: begin -->` and
`<!-- NAME: end -->` that come from the tables of the study of the same name. Charts are drawn from the same
tables; no image of a dataset is copied, but the mean of all lies under the leak map.
"""

import json
import re
import shutil
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nullcrop.basics.files import written_whole
from nullcrop.config.cell import CELL_COLUMNS, Cell
from nullcrop.config.readers import in_order, label_of, look_of
from nullcrop.config.views import TOGETHER, study_corners, view_label
from nullcrop.cues.attributes import attributes_sentence
from nullcrop.cues.leak_map import map_sentence
from nullcrop.cues.spectrum import spectrum_sentence
from nullcrop.figures.style import INK, MUTED, SMALL_SIZE, figure_style
from nullcrop.statistics.auroc import TestSet
from nullcrop.statistics.reader_table import judge_readers
from nullcrop.statistics.sentences import bound_words, upper_words
from nullcrop.statistics.tables import FinishedCell, read_cells

AUDITS = ("busi", "ham10000")
"""The audits that have a page."""

CUES = ("leak_map", "spectrum", "attributes")
"""Tables and figures that say why the class can be read."""


class Audit:
    """The tables of one audit: a study and its only dataset, of one name."""

    def __init__(self, results: Path, name: str) -> None:
        self.name = name
        study, dataset = results / "studies" / name, results / "datasets" / name
        (self.verdict,) = pd.read_csv(study / "verdicts.csv", keep_default_na=False).to_dict("records")
        self.readers = pd.read_csv(study / "readers.csv")
        self.covered = pd.read_csv(dataset / "mask_shares.csv", dtype={"id": str}).set_index("id")
        self.leaks = pd.read_csv(dataset / "leaks.csv")
        self.facts: dict[str, Any] = json.loads((dataset / "dataset.json").read_text(encoding="utf-8"))
        cells = pd.read_csv(study / "metrics.csv")[CELL_COLUMNS].to_dict("records")
        self.cells = [results / "cells" / Cell(**cell).path for cell in cells]
        self.cues = {cue: pd.read_csv(study / name / f"{cue}.csv") for cue in CUES}
        self.figures = {"verdict": study / "figures" / "verdicts.png"}
        self.figures |= {cue: study / name / "figures" / f"{cue}.png" for cue in CUES}

    def parts(self) -> dict[str, str]:
        """The generated parts of the page by name."""
        return {
            "files": self._files(),
            "corners": self._corners(),
            "verdict": self._verdict(),
            "readers": self._readers(),
            **{cue: self._cue(cue) for cue in CUES},
            "duplicates": self._duplicates(),
        }

    def _files(self) -> str:
        classes = ", ".join(f"{count:,} {name}" for name, count in self.facts["classes"].items())
        (rule,) = self.facts["targets"]
        targets = self.facts["targets"][rule]
        sizes = " × ".join(
            f"{low:,}" if low == high else f"{low:,} to {high:,}"
            for low, high in (self.facts["sizes"][side] for side in ("width", "height"))
        )
        formats = ", ".join(f"{count:,} {name}" for name, count in self.facts["formats"].items())
        modes = ", ".join(f"{count:,} {name}" for name, count in self.facts["modes"].items())
        rows = [
            ("images", f"{self.facts['images']:,}"),
            ("classes", classes),
            (f"target (label rule `{rule}`)", f"{targets['1']:,} positive, {targets['0']:,} negative"),
            ("size in pixels", sizes),
            ("files", f"{formats} ({modes})"),
        ]
        if self.facts["groups"]:
            rows.append(("groups", f"{self.facts['groups']:,}: {self.facts['group_key']}"))
        return _table(("", ""), rows)

    def _corners(self) -> str:
        """How many corner crops hold a pixel of a lesion; what the others tell, where some do."""
        touched = lesions_in_corners(self.covered)
        somewhere = set().union(*touched.values())
        of = f"{len(touched):,} × {self.facts['images']:,}"
        if not somewhere:
            return _filled(f"Of the {of} corner crops none holds a pixel of a lesion's mask.")
        where = ", ".join(f"{view_label(view)} {len(names):,}" for view, names in touched.items())
        said = [
            f"Of {self.facts['images']:,} images {len(somewhere):,} have a pixel of a lesion's mask in a "
            f"corner crop ({where})."
        ]
        rest: dict[str, TestSet] = {}
        cells = [without_images(cell, somewhere, rest) for cell in read_cells(self.cells)]
        table = judge_readers(cells, self.verdict["field"], self.verdict["level"])
        crops = table[(table["role"] == "crop") & (table["view"] != TOGETHER)]
        best = crops.loc[crops["bound_low"].idxmax()]
        said.append(
            f"Without them, judged anew on the other {best['n']:,} with the answers of the same readers: the "
            f"AUROC is at least {bound_words(best['bound_low'])} ({label_of(best['architecture'])}, "
            f"{view_label(best['view'])}: {best['auroc']:.2f})."
        )
        return _filled(" ".join(said))

    def _verdict(self) -> str:
        said = self.verdict
        minimal = f"An AUROC from {upper_words(said['minimal'])} would have been found with a chance of 80 %."
        tested = (
            f"{said['images']:,} images were tested, each once. They count as {said['units']:,} independent "
            "ones: groups, and images without a group."
        )
        return "\n\n".join(
            [
                f"**{said['verdict']}**",
                textwrap.indent(_filled(said["sentence"], 108), "> "),
                _filled(said["details"]),
                _filled(f"{minimal} {tested}"),
            ]
        )

    def _readers(self) -> str:
        """AUROC of each reader on each view; of what the verdict rests on with its lower bound."""
        table = self.readers[self.readers["view"] != TOGETHER]
        views = list(dict.fromkeys(table["view"]))
        rows = []
        for name in in_order(table["architecture"]):
            of_reader = table[table["architecture"] == name].set_index("view")
            rows.append((label_of(name), *(_cell(of_reader, view) for view in views)))
        return _table(("reader", *(view_label(view) for view in views)), rows)

    def _cue(self, cue: str) -> str:
        """What the report says of a cue, as a quotation."""
        table, said = self.cues[cue], self.verdict
        sentence = {
            "leak_map": lambda: map_sentence(table, said["labels"], said["split"]),
            "spectrum": lambda: spectrum_sentence(table, said["labels"], said["split"], said["small"]),
            "attributes": lambda: attributes_sentence(table, said["labels"], said["split"]),
        }[cue]()
        return textwrap.indent(_filled(sentence, 108), "> ")

    def _duplicates(self) -> str:
        released = self.leaks[self.leaks["split"] == "as released"].iloc[0]
        tested = self.leaks[self.leaks["split"] == self.verdict["split"]]
        rows = [
            ("clusters of images with the same pixels", released["exact_clusters"]),
            ("clusters of the same or nearly the same images", released["near_clusters"]),
            ("images in these", released["near_images"]),
            ("images in the largest", released["largest_cluster"]),
            ("clusters with images of two classes or more", released["near_across_classes"]),
        ]
        if released["test_images"]:
            share = f"{released['near_test_images']:,} of {released['test_images']:,}"
            rows += [
                ("clusters over several parts of the official split", released["near_across_parts"]),
                ("official test images with a duplicate in training", share),
            ]
        rows += [
            ("tested here with a duplicate in training", tested["near_test_images"].sum()),
            ("tested here with an image of their group in training", tested["group_test_images"].sum()),
        ]  # fmt: skip
        shown = [(words, value if isinstance(value, str) else f"{int(value):,}") for words, value in rows]
        return _table(("", ""), shown)

    def draw(self, folder: Path) -> None:
        """Figures of the study as they are, and the AUROC of each reader on each view."""
        for what, figure in self.figures.items():
            shutil.copy(figure, folder / f"{self.name}_{what}.png")
        table = self.readers[self.readers["view"] != TOGETHER]
        views, names = list(dict.fromkeys(table["view"])), in_order(table["architecture"])
        shifts = {name: 0.11 * (number - (len(names) - 1) / 2) for number, name in enumerate(names)}
        with figure_style():
            figure = Figure(figsize=(7.6, 3.4), layout="constrained")
            ax = figure.subplots()
            ax.axhline(0.5, color=INK, linewidth=1, linestyle=(0, (5, 2)), zorder=1)
            for row in table.to_dict("records"):
                place = views.index(row["view"]) + shifts[row["architecture"]]
                ax.vlines(place, row["auroc_low"], row["auroc_high"], color=MUTED, linewidth=0.8, zorder=2)
                ax.plot(place, row["auroc"], zorder=3, **_mark(row["architecture"]))
            ax.set_xticks(range(len(views)), [textwrap.fill(view_label(view), 9) for view in views])
            ax.tick_params(axis="x", length=0)
            ax.set_ylabel("AUROC")
            marks = [Line2D([], [], label=label_of(name), **_mark(name)) for name in names]
            figure.legend(handles=marks, loc="outside upper left", ncols=4, handlelength=1.2)
            figure.supxlabel(
                "Line: 95 % interval of this reader on this view alone. Dashed: blind to the image.",
                x=0.01, ha="left", fontsize=SMALL_SIZE, color=MUTED,
            )  # fmt: skip
            figure.savefig(folder / f"{self.name}_auroc.png", dpi=200, metadata={"Software": None})


def lesions_in_corners(covered: pd.DataFrame) -> dict[str, set[str]]:
    """For each corner the ids of the images whose crop there holds a pixel of a lesion; ``covered``:
    mask_shares.csv by id."""
    return {view: set(covered.index[covered[view] > 0]) for view in study_corners()}


def without_images(cell: FinishedCell, names: set[str], rest: dict[str, TestSet]) -> FinishedCell:
    """The cell with the answers on all images but those of these ids, ``names``; cells share the test sets in
    ``rest``."""
    answers, test = cell.answers, cell.answers.test
    assert test.image is not None
    kept = ~np.isin(test.image, sorted(names))
    if test.name not in rest:
        rest[test.name] = TestSet(test.target[kept], test.group[kept], f"{test.name} cut", test.image[kept])
    fewer = replace(answers, test=rest[test.name], predicted=answers.predicted[kept], odds=answers.odds[kept])
    return replace(cell, answers=fewer)


def _cell(of_reader: pd.DataFrame, view: str) -> str:
    if view not in of_reader.index:
        return ""
    row = of_reader.loc[view]
    bound = f" (≥ {bound_words(row['bound_low'])})" if row["role"] == "crop" else ""
    return f"{row['auroc']:.2f}{bound}"


def _mark(name: str) -> dict[str, Any]:
    look = look_of(name)
    return {
        "marker": look.mark,
        "markersize": 5,
        "markerfacecolor": look.colour,
        "markeredgecolor": INK,
        "markeredgewidth": 0.6,
        "linestyle": "",
    }


def _filled(text: str, width: int = 110) -> str:
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


def _table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [headings, ("---",) * len(headings), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def with_parts(page: str, parts: dict[str, str]) -> str:
    """``page`` with what stands between the marks of each of ``parts`` replaced."""
    for name, text in parts.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        page, replaced = re.subn(
            f"{begin}.*?{end}",
            lambda _, whole=f"{begin}\n\n{text}\n\n{end}": whole,
            page,
            flags=re.DOTALL,
        )
        if replaced != 1:
            sys.exit(f"the page must hold {begin} and {end} once")
    return page


def main(results: Path, pages: Path) -> None:
    """Write every page whose audit is done; name those that are not."""
    for name in AUDITS:
        folders = (results / "studies" / name, results / "datasets" / name)
        needed = (folders[0] / "verdicts.csv", folders[1] / "mask_shares.csv")
        missing = [str(path) for path in needed if not path.exists()]
        if missing:
            print(f"{pages}/{name}.md stays as it is: there is no {' and no '.join(missing)}")
            continue
        audit = Audit(results, name)
        audit.draw(pages)
        page = pages / f"{name}.md"
        text = with_parts(page.read_text(encoding="utf-8"), audit.parts())
        with written_whole(page) as aside:
            aside.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
