"""docs/datasets.md: the dataset files as a page for readers."""

import textwrap
from collections.abc import Iterable
from pathlib import Path

from nullcrop.basics.files import written_whole
from nullcrop.basics.progress import duration
from nullcrop.config.definitions import Definition, find_definitions, read_definition
from nullcrop.config.registry import implementation
from nullcrop.config.sources import SOURCES

MEGABITS_PER_SECOND = 100
"""Rate at which the page says how long a download takes."""

INTRODUCTION = f"""\
<!-- Made by `make docs`; edit the dataset files it reads, not this page. -->

# The datasets

The dataset files say where the images come from, what they hold, and what may be done with them. "Images" is
the number that the file expects, with the parts of an official split (training / validation / test) where the
release has one; a run that finds another number stops and says so. "Groups" are what a grouped split keeps
together. In a `tile` every crop is tissue; in a `whole` image the corners hold no lesion and no object.

Open downloads need a network and no more. A Kaggle account is free ([downloads.md](downloads.md)). What you
have to fetch by hand is described [below](#by-hand). Sizes are stated where the publisher or a mirror states
them. Time is for {MEGABITS_PER_SECOND} Mbit/s, which servers do not always give.
"""

HEADINGS = {
    "datasets": "The study's thirteen",
    "companions": "The earlier study's, and PatchCamelyon",
}
"""Heading of the datasets in a folder of that name."""

BY_HAND = """\
## By hand

For these datasets no public file could be named with certainty. Put the images into the folder named here,
seen from where you start snakemake or from the workflow's folder, or name another folder under `source.path`
in the dataset's file.
"""

COLUMNS = [
    "dataset",
    "from",
    "access",
    "download",
    "time",
    "images",
    "classes",
    "groups",
    "field",
    "licence",
]


def page_of(folders: Iterable[str]) -> str:
    """The page of all dataset files in ``folders``, a table each, and what to put where by hand."""
    parts, by_hand = [INTRODUCTION], []
    for folder in folders:
        definitions = {name: read_definition(path) for name, path in find_definitions([folder]).items()}
        rows = [COLUMNS, ["---"] * len(COLUMNS), *(_row(name, one) for name, one in definitions.items())]
        lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
        parts.append(f"## {HEADINGS.get(Path(folder).name, folder)}\n\n" + "\n".join(lines) + "\n")
        by_hand += [
            _item(f"`{name}`, in `{one.source.place(Path())}`: {one.how_to_get}.")
            for name, one in definitions.items()
            if SOURCES[one.source.kind].way == "local" and one.how_to_get is not None
        ]
    return "\n".join([*parts, BY_HAND, "".join(by_hand)])


def _item(text: str) -> str:
    """An item of a list in Markdown, its lines within the project's width."""
    return (
        textwrap.fill(
            text,
            110,
            initial_indent="- ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        + "\n"
    )


def write_page(folders: Iterable[str], out: Path) -> None:
    """Write the page of the dataset files in ``folders``."""
    with written_whole(out) as aside:
        aside.write_text(page_of(folders), encoding="utf-8")


def _row(name: str, definition: Definition) -> list[str]:
    origin, access = implementation(SOURCES[definition.source.kind].describe)(definition)
    size = definition.download_bytes
    return [
        f"`{name}`: {definition.title}",
        origin,
        access,
        _bytes(size) if size is not None else "not known",
        duration(size * 8 / (MEGABITS_PER_SECOND * 1e6)) if size is not None else "",
        _images(definition),
        str(len(definition.classes)),
        definition.group_word or "none known",
        definition.field,
        definition.licence,
    ]


def _images(definition: Definition) -> str:
    expected = definition.expected
    if expected.images is None:
        return "not known"
    parts = [
        f"{count:,}" for count in (expected.splits.get(part) for part in ("train", "val", "test")) if count
    ]
    return f"{expected.images:,}" + (f" ({' / '.join(parts)})" if parts else "")


def _bytes(size: int) -> str:
    """A size for people, to two digits: `130 MB`, `1.2 GB`."""
    if size < 1e9:
        return f"{float(f'{size / 1e6:.2g}'):.0f} MB"
    return f"{size / 1e9:.1f} GB"
