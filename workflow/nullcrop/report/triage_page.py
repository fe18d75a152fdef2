"""The page of a triage: what stands out, what is there, and what to do next, as one file that needs nothing
else."""

import base64
import io
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

import nullcrop
from nullcrop.basics.files import written_whole
from nullcrop.basics.progress import say
from nullcrop.report.blocks import Picture
from nullcrop.report.charts import facts_chart, static_svg
from nullcrop.report.page import environment, hash_of
from nullcrop.report.tables import Column, Table, count, p_value, share, table_of
from nullcrop.statistics.sentences import bound_words
from nullcrop.survey.file_facts import NAMES, NUMBERS
from nullcrop.survey.properties import CORNER, OF_CORNERS, WHOLE
from nullcrop.survey.triage import Triage, duplicate_words, not_shown, range_words

ENLARGED = 5
"""Screen pixels to a side of one pixel of a corner."""

GAP = 2
"""Pixels between the four corners of a picture."""

SENTENCES = 8
"""Facts said in words; the table has all."""

CHARTED = 25
"""Facts drawn, the clearest."""

KINDS = {"file": "the file, no pixel seen", "image": "the whole image", "corners": "the corners"}
"""What a fact is of, in words for a legend."""


def write_page(triage: Triage, out: Path) -> None:
    """Write the page as one HTML file that needs no network and no other file."""
    page = page_of(triage)
    with written_whole(out) as aside:
        aside.write_text(page, encoding="utf-8")
    say(f"{out}: {len(page.encode()) / 1e6:.1f} MB")


def page_of(triage: Triage) -> str:
    """The whole page as HTML."""
    templates = resources.files("nullcrop.report") / "templates"
    script = (templates / "report.js").read_text(encoding="utf-8")
    told = _told(triage)
    return (
        environment()
        .get_template("triage.html")
        .render(
            triage=triage,
            name=Path(triage.root).name or triage.root,
            sentences=triage.headline[:SENTENCES],
            further=max(0, len(triage.headline) - SENTENCES),
            not_shown=not_shown(triage.telling),
            charts={width: _chart(told.head(CHARTED), width) for width in ("wide", "narrow") if len(told)},
            charted=min(CHARTED, len(told)),
            facts=_facts_table(triage, told),
            classes=_classes_table(triage),
            same=_same(triage),
            corners=_corner_pictures(triage),
            corner=CORNER,
            duplicates=duplicate_words(triage),
            examples=_examples_table(triage),
            style=Markup((templates / "report.css").read_text(encoding="utf-8")),
            scripts=[Markup(script)],
            script_hashes=[hash_of(script)],
            made=datetime.now(UTC),
            version=nullcrop.__version__,
        )
    )


def _chart(told: pd.DataFrame, width: str) -> Markup:
    spec = facts_chart(told, list(KINDS.values()), narrow=width == "narrow")
    return Markup(static_svg(spec, f"facts-{width}"))


def _told(triage: Triage) -> pd.DataFrame:
    """The clearest row of each fact, with its values by class as ``class_0``, ``class_1``, …"""
    rows = []
    for told, values in zip(triage.telling.told, triage.values, strict=True):
        rows.append(
            asdict(told)
            | {
                "name": told.label if told.value is None else f"{told.label}: {told.value}",
                "of_what": KINDS[told.kind],
                "tells": f"{told.of} from {told.against}",
                "direction": "higher" if told.higher else "lower",
                "shown": told.shown,
                **{f"class_{place}": value for place, value in enumerate(values.values())},
            }
        )
    return pd.DataFrame(rows)


def _facts_table(triage: Triage, told: pd.DataFrame) -> Table:
    by_class = {
        f"class_{place}": Column(one.name, numeric=True, result=True)
        for place, one in enumerate(triage.classes)
    }
    return table_of(
        told,
        "facts-table",
        "Each fact alone, the clearest first: the class it tells best, the AUROC with bounds corrected for "
        "all facts and classes together, and by class the median of a number or the share of a value.",
        {
            "name": Column("fact"),
            "of_what": Column("of"),
            "tells": Column("tells"),
            "auroc": share("AUROC"),
            "at_least": Column(
                "at least", lambda value: bound_words(float(value)), numeric=True, result=True
            ),
            "at_most": share("at most"),
            "p": p_value("p"),
            **by_class,
        },
    )


def _classes_table(triage: Triage) -> Table:
    rows = []
    for one in triage.classes:
        rows.append(
            {
                "name": one.name,
                "images": one.images,
                "groups": one.groups,
                **one.parts,
                "width": range_words(one.width),
                "height": range_words(one.height),
                "formats": _counted(one.formats),
                "modes": _counted(one.modes),
                "file_bytes": one.file_bytes,
                "unreadable": one.unreadable,
                "ignored": ", ".join(f"{n:,} {what}" for what, n in one.ignored.items()),
            }
        )
    columns = {
        "name": Column("class"),
        "images": count("images"),
        **({"groups": count(f"groups ({triage.group})")} if triage.group else {}),
        **{part: count(part) for part in triage.classes[0].parts},
        "width": Column("width", numeric=True),
        "height": Column("height", numeric=True),
        "formats": Column("formats"),
        "modes": Column("modes"),
        "file_bytes": count("bytes, median"),
        "unreadable": count("unreadable"),
        "ignored": Column("ignored"),
    }
    return table_of(pd.DataFrame(rows), "classes-table", "Images by class; sizes in pixels.", columns)


def _counted(values: dict[str, int]) -> str:
    if len(values) == 1:
        return next(iter(values))
    return ", ".join(f"{value} {n:,}" for value, n in values.items())


def _same(triage: Triage) -> list[tuple[str, str]]:
    labels = {**NUMBERS, **NAMES, **WHOLE, **OF_CORNERS}
    return [(labels[fact], value) for fact, value in triage.telling.same.items()]


def _corner_pictures(triage: Triage) -> list[Picture]:
    """The mean corner of each class, one picture a class that has one."""
    found = []
    for one, corners in zip(triage.classes, triage.corners, strict=True):
        if np.isnan(corners).any():
            continue
        image = Image.fromarray(_tiled(corners))
        image = image.resize((image.width * ENLARGED, image.height * ENLARGED), Image.Resampling.NEAREST)
        stream = io.BytesIO()
        image.save(stream, format="PNG")
        found.append(
            Picture(
                "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode(),
                f"Mean of the four corners of {one.name}",
                f"{one.name} ({one.images:,})",
                image.width,
                image.height,
            )
        )
    return found


def _tiled(corners: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Four corners (4 × CORNER × CORNER × 3) where they lie in the image, with an empty gap; RGBA."""
    side = 2 * CORNER + GAP
    picture = np.zeros((side, side, 4), np.uint8)
    for place, corner in enumerate(corners):
        upper, left = (CORNER + GAP) * (place // 2), (CORNER + GAP) * (place % 2)
        picture[upper : upper + CORNER, left : left + CORNER, :3] = corner.round()
        picture[upper : upper + CORNER, left : left + CORNER, 3] = 255
    return picture


def _examples_table(triage: Triage) -> Table | None:
    examples: list[dict[str, Any]] = triage.duplicates.examples
    if not examples:
        return None
    columns = {
        "cluster": count("cluster"),
        "id": Column("image"),
        "class": Column("class"),
        "official_split": Column("part"),
        "kind": Column("kind"),
        "nearest": Column("most alike"),
        "likeness": share("likeness"),
    }
    return table_of(
        pd.DataFrame(examples),
        "duplicates-table",
        "Duplicates that lie in several classes or parts.",
        columns,
    )
