"""attributes.csv of a dataset: what is known of each image besides its class, one column an attribute.

Columns of people's tables come first, then what DICOM files tell (as samples.csv holds it), then the facts of
the file and the properties of the whole image. Properties of the corners are left out: whoever reads a corner
reads them.
"""

from collections import Counter
from pathlib import Path

import pandas as pd

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.files import written_whole
from nullcrop.basics.progress import say
from nullcrop.basics.walk import as_text
from nullcrop.config.definitions import Attributes, Definition
from nullcrop.datasets.groups import is_not_known
from nullcrop.datasets.samples import read_samples
from nullcrop.datasets.tables import lines_of, list_table, near_misses, read_table
from nullcrop.decoding.values import Reading
from nullcrop.survey.file_facts import NAMES, NUMBERS
from nullcrop.survey.measuring import PROBLEM, measure
from nullcrop.survey.properties import WHOLE

CALLED = {
    "red_green": "tint_green_to_red",
    "yellow_blue": "tint_blue_to_yellow",
    "black": "share_of_black",
    "white": "share_of_white",
}
"""Properties whose names mean little where nothing explains them."""

WITH_COMMA, WHOLE_NUMBER = r"[+-]?\d*,\d+", r"[+-]?\d+"
"""How a number is written where a comma stands for the point."""


def list_attributes(
    definition: Definition, samples: Path, archive: Path, out: Path, processes: int
) -> pd.DataFrame:
    """Write the attributes of the images in ``samples`` (samples.csv) as CSV, a row an image in its order;
    return them as text.

    The first column is the id; an empty field is a gap. Raises NullcropError when the definition's table
    cannot be read, lacks a column, or has two rows for one image.
    """
    images = read_samples(samples)
    own = _own_columns(definition, images, archive)
    told = images[[name for name in images if str(name).startswith("dicom_")]]
    window = definition.window
    reading = Reading(definition.bits, None if window is None else (window.center, window.width))
    measured = measure(images["path"].tolist(), [0] * len(images), processes, reading).table
    if PROBLEM in measured and (broken := int(measured[PROBLEM].notna().sum())):
        say(f"{broken} of {len(images)} images could not be measured and have gaps there")
    facts = measured.reindex(columns=[*NUMBERS, *NAMES, *WHOLE]).rename(columns=CALLED)
    both = [name for name in own if name in facts]
    if both:
        say(f"attributes: {listed(both)} stands for the table's column, not for what nullcrop measures")
    parts = [images[["id"]], own, told.drop(columns=own.columns, errors="ignore"), facts.drop(columns=both)]
    table = pd.concat(parts, axis=1)
    with written_whole(out) as aside:
        table.to_csv(aside, index=False, errors="surrogateescape")
    return table


def _own_columns(definition: Definition, images: pd.DataFrame, archive: Path) -> pd.DataFrame:
    """The columns that the definition names, as text, a row an image; none where it names none."""
    asked = definition.attributes
    if asked is None:
        return pd.DataFrame(index=images.index)
    source = None if asked.table is not None else definition.source.own_table(archive)
    path = str(source.table) if source is not None else str(asked.table)
    table = read_table(path, "attributes.table")
    _check_columns(asked, table, path, needs_id=source is None)
    if source is not None:
        # Rows whose images are named in whatever way the listing understands.
        ids = list_table(source, Path(source.path), definition.classes)["id"].map(as_text)
        lines = pd.Series(table.index, index=pd.Index(ids), dtype=int)
    else:
        lines = _lines_of_images(asked, table, path, images)
    of_images = table.reindex(lines.reindex(images["id"]))[asked.columns].fillna("")
    without = int(lines.reindex(images["id"]).isna().sum())
    if without == len(images):
        raise NullcropError(
            f"attributes.table: {path} names none of the images: its column '{asked.id}' holds "
            f"{listed(table[asked.id], 3)}, the images' ids are {listed(images['id'], 3)}; name the column "
            "with the images' ids, or the names of their files without their endings, under `attributes.id`"
        )
    if without:
        say(f"{path} has no row for {without} of {len(images)} images, which have gaps in its attributes")
    of_images.index = images.index
    return of_images.apply(_plain)


def _check_columns(asked: Attributes, table: pd.DataFrame, path: str, needs_id: bool) -> None:
    wanted = [*([asked.id] if needs_id else []), *asked.columns]
    lacking = [name for name in wanted if name not in table.columns]
    if lacking:
        cure = "; name the column with the images' ids under `attributes.id`" if asked.id in lacking else ""
        raise NullcropError(
            f"attributes: {path} has no column {listed(near_misses(lacking, table.columns))}; its columns "
            f"are {listed(table.columns)}{cure}"
        )
    count = Counter(table.columns)
    doubled = [name for name in wanted if count[name] > 1]
    if doubled:
        raise NullcropError(f"attributes: {path} has several columns {listed(doubled)}; rename all but one")


def _lines_of_images(
    asked: Attributes, table: pd.DataFrame, path: str, images: pd.DataFrame
) -> "pd.Series[int]":
    """Line of the table for each image that it names, by id."""
    ids = set(images["id"])
    stems = images["path"].map(lambda file: Path(file).stem)
    once = ~stems.duplicated(keep=False)
    by_stem: dict[str, str] = dict(zip(stems[once], images.loc[once, "id"], strict=True))

    def meant(written: str) -> str:
        plain = written.strip()
        # A name may begin or end with a blank.
        return next((name for name in (written, plain) if name in ids), by_stem.get(plain, ""))

    found = table[asked.id].map(meant)
    nobody = table.loc[found == "", asked.id]
    found = found[found != ""]
    doubled = found[found.duplicated(keep=False)]
    if len(doubled):
        names = [f"{name} ({lines_of(own.index)})" for name, own in doubled.groupby(doubled)]
        raise NullcropError(
            f"attributes.table: {path} names {len(names)} images more than once: {listed(names)}; keep one "
            "row of each"
        )
    if len(nobody) and len(found):
        say(f"{path} has {len(nobody)} rows of no image, which count for nothing: {listed(nobody)}")
    return pd.Series(found.index, index=pd.Index(found), dtype=int)


def _plain(column: "pd.Series[str]") -> "pd.Series[str]":
    """A column without blanks around its values, its gaps empty, its numbers with a point."""
    values = column.str.strip()
    values = values.mask(values.map(is_not_known).astype(bool), "")
    known = values[values != ""]
    commas = known.str.fullmatch(WITH_COMMA)
    if commas.any() and (commas | known.str.fullmatch(WHOLE_NUMBER)).all():
        example = known[commas].iloc[0]
        say(
            f"attributes: in '{column.name}' a comma stands for the point: {example} is read as "
            f"{example.replace(',', '.')}"
        )
        values = values.str.replace(",", ".", regex=False)
    return values
