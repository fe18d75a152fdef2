"""Tables that people made: one row an image, as a spreadsheet, pandas or a release wrote them."""

import csv
import io
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path

import pandas as pd

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.progress import say
from nullcrop.basics.walk import litter_of, walk
from nullcrop.config.definitions import FolderSource
from nullcrop.datasets.ignored import is_named_as_image

SEPARATORS = ",;\t|"
"""What may stand between values; the header tells which."""

NO_TEXT = {
    b"PK\x03\x04": "it is an Excel workbook (or another zip)",
    b"\xd0\xcf\x11\xe0": "it is an old Excel workbook",
    b"\x1f\x8b": "it is compressed (gzip)",
    b"PAR1": "it is a Parquet file",
    b"%PDF": "it is a PDF",
}
"""How files begin that hold a table and are no text."""

SAVE_AS = "save it as CSV (UTF-8, with a header)"

QUOTING = "a value with the separator, a quote or a line break in it stands in quotes, such a quote twice"


def read_table(path: Path | str, key: str) -> pd.DataFrame:
    """The rows of a text table as they are written, all text, by the number of their line in the file.

    The encoding is UTF-8, UTF-16 with its mark, or else cp1252 (which is said); the separator a comma, a
    semicolon, a tab or a bar, whichever splits the header most, or the one that a first line `sep=;` names.
    Blank rows and empty columns at the end are skipped, names of columns are stripped. ``key`` is the
    key of the definition that names the table, for messages.

    Raises NullcropError when it cannot be read, has no rows, or a row holds more values than the header.
    """
    text = _text_of(Path(path), key)
    named = re.match(r"sep=(.)\r?\n", text)
    text = text[named.end() :] if named else text
    line, skipped = 1, int(named is not None)
    rows: dict[int, list[str]] = {}
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=named[1] if named else _separator(text), strict=True
    )
    try:
        for values in reader:
            if any(value.strip() for value in values):
                rows[line + skipped] = values
            line = reader.line_num + 1
    except csv.Error as error:
        raise NullcropError(f"{key}: cannot read {path}: line {line + skipped}: {error}; {QUOTING}") from None
    if not rows:
        raise NullcropError(f"{key}: cannot read {path}: it is empty")
    header = [name.strip() for name in rows.pop(next(iter(rows)))]
    while header[-1] == "":
        header.pop()
    if not rows:
        raise NullcropError(f"{key}: {path} has a header ({listed(header)}) and no row below it")
    width = len(header)
    longer = [number for number, values in rows.items() if any(value.strip() for value in values[width:])]
    if longer:
        raise NullcropError(
            f"{key}: cannot read {path}: the header names {width} columns, but {lines_of(longer)} "
            f"hold{'s' if len(longer) == 1 else ''} more values; {QUOTING}"
        )
    padded = [(values + [""] * width)[:width] for values in rows.values()]
    # An unnamed column is called as pandas calls it.
    names = [name or f"Unnamed: {place}" for place, name in enumerate(header)]
    return pd.DataFrame(padded, columns=names, index=pd.Index(rows, name="line"), dtype=str)


def _text_of(path: Path, key: str) -> str:
    def no(why: str) -> NullcropError:
        return NullcropError(f"{key}: cannot read {path}: {why}")

    try:
        content = path.read_bytes()
    except OSError as error:
        raise no(error.strerror or str(error)) from None
    for begin, what in NO_TEXT.items():
        if content.startswith(begin):
            raise no(f"{what}; {SAVE_AS}")
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding == "utf-16":
            raise no(f"it begins as UTF-16 and is none ({error.reason}); {SAVE_AS}") from None
        # Five bytes mean nothing in it; they become question marks, and a name that holds one is not found.
        text = content.decode("cp1252", errors="replace")
        say(f"{path} is not UTF-8 and was read as cp1252 (Windows): if names look wrong, {SAVE_AS}")
    if "\0" in text:
        raise no(f"it holds NUL bytes, so it is no text, or UTF-16 without its mark; {SAVE_AS}")
    if text.lstrip()[:1] in ("{", "[", "<"):
        raise no(f"it is JSON, XML or a web page; {SAVE_AS}")
    return text


def _separator(text: str) -> str:
    header = next((line for line in io.StringIO(text, newline=None) if line.strip()), "")
    # The first of equals: max keeps it.
    return max(SEPARATORS, key=lambda one: len(next(csv.reader([header], delimiter=one), [])))


def lines_of(lines: Iterable[Hashable]) -> str:
    """Lines of a table for a message."""
    numbers = list(lines)
    return f"line{'s' if len(numbers) > 1 else ''} {listed(numbers)}"


def loose(text: str) -> str:
    """``text`` without what is easily overlooked: case, blanks, punctuation, the way letters are composed."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFC", text).casefold())


def near_misses(words: Iterable[str], known: Iterable[str]) -> list[str]:
    """Each of ``words`` in quotes, with the one of ``known`` that it is but for what is easily overlooked."""
    by_key = {loose(name): name for name in known}
    return [_told_apart(word, by_key.get(loose(word)) if loose(word) else None) for word in words]


def _told_apart(word: str, near: str | None) -> str:
    if near is None:
        return repr(word)
    # Letters that are composed in another way look the same.
    show = ascii if unicodedata.normalize("NFC", word) == unicodedata.normalize("NFC", near) else repr
    return f"{show(word)} (did you mean {show(near)}?)"


def list_table(source: FolderSource, root: Path, classes: list[str]) -> pd.DataFrame:
    """Columns id, relative, class, group, official_split (all text) of the images in ``source.table``.

    ``relative`` is the path below ``root`` as it is on the disk, and the id where no column tells it. Where
    no column `class` is and every class has a column of its own, a row's class is the one that is marked 1.

    Raises NullcropError that names the lines at fault: of a file that is missing or listed twice, of a class
    that is none of ``classes``.
    """
    path = Path(str(source.table))
    table = read_table(path, "source.table")
    written = _column(table, source, "path")
    assert written is not None
    classes_of = _classes(path, table, source, classes)
    optional = {name: _column(table, source, name) for name in ("id", "group", "split")}
    relative = _files(path, root, written, source.suffixes)
    _tell_unlisted(path, root, relative, source.suffixes)
    empty = pd.Series("", index=table.index)
    return pd.DataFrame(
        {
            "id": relative if optional["id"] is None else optional["id"].str.strip(),
            "relative": relative,
            "class": classes_of,
            "group": empty if optional["group"] is None else optional["group"].str.strip(),
            "official_split": empty if optional["split"] is None else optional["split"].str.strip(),
        }
    ).reset_index(drop=True)


def column_of_images(source: FolderSource, column: str, key: str) -> dict[str, str]:
    """What stands in ``column`` of ``source.table`` for each image, by its path as samples.csv has it.

    ``key`` is the key of the definition that names the column. Raises NullcropError when the table has no
    such column, or several.
    """
    root, path = Path(source.path), Path(str(source.table))
    table = read_table(path, "source.table")
    places = [place for place, own in enumerate(table.columns) if own == column.strip()]
    if len(places) != 1:
        how_many = f"{len(places)} columns '{column}'" if places else f"no column '{column}'"
        raise NullcropError(f"{key}: {path} has {how_many}; its columns are {listed(table.columns)}")
    written = _column(table, source, "path")
    assert written is not None
    relative = _files(path, root, written, source.suffixes)
    values = table.iloc[:, places[0]]
    return {str(root / name): value for name, value in zip(relative, values, strict=True)}


def _column(table: pd.DataFrame, source: FolderSource, name: str) -> "pd.Series[str] | None":
    """The column that ``source`` calls ``name``; None where the table lacks one that it may lack."""
    wanted = source.columns.get(name, name).strip()  # type: ignore[call-overload]
    places = [place for place, own in enumerate(table.columns) if own == wanted]
    if len(places) == 1:
        found: pd.Series[str] = table.iloc[:, places[0]]
        return found
    if places:
        raise NullcropError(
            f"source.table: {source.table} has {len(places)} columns '{wanted}'; rename all but one"
        )
    near = next((own for own in table.columns if loose(own) == loose(wanted)), None)
    hint = f"`columns: {{{name}: {near}}}` under `source` takes '{near}' for it" if near else ""
    if name in source.columns or name in ("path", "class"):
        raise NullcropError(
            f"source.table: {source.table} has no column '{wanted}'; its columns are {listed(table.columns)}"
            + (f"; {hint}" if hint else "")
        )
    if hint:
        say(f"{source.table} has no column '{name}': {hint}")
    return None


def _files(path: Path, root: Path, written: "pd.Series[str]", suffixes: list[str] | None) -> "pd.Series[str]":
    """The file below ``root`` that each line names: as written; else with slashes for backslashes; else, if
    it is the only one, with the ending of an image, or in a sub-folder."""
    blank = written.index[written.str.strip() == ""]
    if len(blank):
        raise NullcropError(
            f"source.table: {path} names no file in {lines_of(blank)}; fill in the column, or take the rows "
            "out"
        )
    found: dict[Hashable, str] = {}
    for line, name in written.items():
        plain = name.strip().replace("\\", "/")
        for one in dict.fromkeys((name, plain)):
            # os.path takes a name that no file system allows for absent, where pathlib raises.
            if os.path.isfile(root / one):  # noqa: PTH113
                found[line] = one
                break
    if len(found) < len(written):
        found |= _searched(path, root, written.drop(index=list(found)), suffixes)
    relative = written.index.map(found).to_series(index=written.index)
    of_file: dict[str, list[Hashable]] = defaultdict(list)
    for line, name in relative.items():
        of_file[os.path.normpath(name)].append(line)
    twice = [f"{lines_of(lines)} ({name})" for name, lines in of_file.items() if len(lines) > 1]
    if twice:
        raise NullcropError(
            f"source.table: {path} names {len(twice)} files more than once: {listed(twice)}; an image has "
            "one row, with one class: keep one of each"
        )
    return relative


def _searched(
    path: Path, root: Path, absent: "pd.Series[str]", suffixes: list[str] | None
) -> dict[Hashable, str]:
    """The one file that each line of ``absent`` can mean."""
    below = walk(root).files
    images = [name for name in below if is_named_as_image(name, suffixes)]

    def by(key: Callable[[str], str], names: list[str]) -> dict[str, list[str]]:
        of_key: dict[str, list[str]] = defaultdict(list)
        for name in names:
            of_key[unicodedata.normalize("NFC", key(name))].append(name)
        return of_key

    ways = [
        by(str, below),
        by(lambda name: os.path.splitext(name)[0], images),  # noqa: PTH122
        by(lambda name: name.rpartition("/")[2], below),
        by(lambda name: Path(name).stem, images),
    ]
    near = {loose(os.path.splitext(name)[0]): name for name in below}  # noqa: PTH122
    found: dict[Hashable, str] = {}
    problems = []
    for line, written in absent.items():
        name = os.path.normpath(written.strip().replace("\\", "/"))
        meant = next((way[key] for way in ways if (key := unicodedata.normalize("NFC", name)) in way), [])
        if len(meant) == 1:
            found[line] = meant[0]
        elif meant:
            problems.append(f"'{name}' (line {line}; it may be {listed(meant, 3)})")
        else:
            one = near.get(loose(name)) or near.get(loose(os.path.splitext(name)[0]))  # noqa: PTH122
            problems.append(f"'{name}' (line {line}{f'; did you mean {one!r}?' if one else ''})")
    if problems:
        raise NullcropError(
            f"source.table: {path} names {len(problems)} files that are not in {root}: {listed(problems)}; "
            "mend these rows, take them out, or bring the files there"
        )
    first = next(iter(found))
    say(
        f"{path} does not name {len(found)} files as they lie in {root}; each row stands for the only file "
        f"it can mean, such as '{absent[first].strip()}' for {found[first]}"  # type: ignore[call-overload]
    )
    return found


def _tell_unlisted(path: Path, root: Path, relative: "pd.Series[str]", suffixes: list[str] | None) -> None:
    """Say which images lie beside the listed ones and are in no row."""
    known = {os.path.normpath(root / name) for name in relative}
    beside = []
    for folder in sorted({os.path.dirname(name) for name in known}):  # noqa: PTH120
        with os.scandir(folder) as entries:
            beside += sorted(
                entry.path
                for entry in entries
                if is_named_as_image(entry.name, suffixes)
                and not litter_of(entry.name)
                and os.path.normpath(entry.path) not in known
            )
    if beside:
        say(
            f"{len(beside)} images lie beside those that {path} lists and are in no row of it; they are left "
            f"out: {listed(beside)}"
        )


def _classes(path: Path, table: pd.DataFrame, source: FolderSource, classes: list[str]) -> "pd.Series[str]":
    columns = [name.strip() for name in table.columns]
    if "class" not in source.columns and "class" not in columns and set(classes) <= set(columns):
        return _marked(path, table, classes)
    written = _column(table, source, "class")
    assert written is not None
    found = written.map(lambda name: _class_of(name, classes))
    unknown = written[found.isna()].str.strip()
    if len(unknown):
        words = [
            f"{near_misses([name], classes)[0]} in {lines_of(unknown.index[unknown == name])}"
            for name in unknown.unique()
        ]
        raise NullcropError(
            f"source.table: {path} has a class that the definition does not name: {listed(words)}; the "
            f"definition's are {listed(classes)}; mend these rows or take them out"
        )
    return found


def _class_of(written: str, classes: list[str]) -> str | None:
    """The class that a cell means; a whole number may be written as a float."""
    plain = written.strip()
    return next(
        (name for name in (written, plain, re.sub(r"(?<=\d)\.0*$", "", plain)) if name in classes), None
    )


def _marked(path: Path, table: pd.DataFrame, classes: list[str]) -> "pd.Series[str]":
    """The class of each row where every class has a column that holds 1 or 0."""
    marks = table[classes].apply(lambda column: pd.to_numeric(column.str.strip(), errors="coerce"))
    wrong = table.index[~(marks.isin([0, 1]).all(axis=1) & (marks.sum(axis=1) == 1))]
    if len(wrong):
        raise NullcropError(
            f"source.table: {path} has no column 'class', so in each row one of {listed(classes)} has to be "
            f"1, the others 0; it is not so in {lines_of(wrong)}: mend these rows or take them out"
        )
    say(f"{path} has no column 'class': the class is the column that holds 1 ({listed(classes)})")
    marked: pd.Series[str] = marks.idxmax(axis=1)
    return marked
