"""What can be told of a folder of images before anything is trained, in the terminal: the clearest first."""

from rich.console import Console

from nullcrop.statistics.sentences import bound_words
from nullcrop.survey.triage import ClassCounts, Triage, duplicate_words, not_shown, range_words
from nullcrop.terminal.page import Column, Row, put, put_table, put_whole, terminal

MOST_ROWS = 12
"""Facts in the table; the page has all."""

SENTENCES = 3
"""Facts that are said in words."""


def print_triage(triage: Triage, console: Console | None = None) -> None:
    """Print what stands out, what is there, what an audit could see and lacks, and what to run next."""
    console = console or terminal()

    def line(text: str, style: str = "") -> None:
        put(console, text, style)

    _put_classes(console, triage)
    for finding in triage.findings:
        sure = "" if finding["sure"] == "sure" else f" ({finding['sure']})"
        line(f"{finding['what']}: {finding['words']}{sure}", "dim")
    for words in triage.depth:
        line(words, "dim")
    shown = [
        (told, values) for told, values in zip(triage.telling.told, triage.values, strict=True) if told.shown
    ]
    line("")
    if shown:
        line("What tells the classes, each fact alone:", "bold")
        for words in triage.headline[:SENTENCES]:
            line(words)
        columns = [
            *(Column(heading, "words") for heading in ("fact", "of")),
            Column("tells", "name"),
            *(Column(heading) for heading in ("AUROC", "at least")),
        ]
        rows = [
            Row(
                [
                    told.label if told.value is None else f"{told.label}: {told.value}",
                    told.kind,
                    told.of,
                    f"{told.auroc:.2f}",
                    bound_words(told.at_least),
                ]
            )
            for told, _ in shown[:MOST_ROWS]
        ]
        line("")
        put_table(console, columns, rows)
        if len(shown) > MOST_ROWS:
            line(f"The page has {len(shown) - MOST_ROWS} more.")
    else:
        line("No fact of the files, the images or their corners is shown to tell the classes.", "bold")
    if rest := not_shown(triage.telling):
        line(rest, "dim")
    if triage.telling.why_no_reader:
        line(f"No linear reader of the corners' colours was fitted: {triage.telling.why_no_reader}.", "dim")
    line(triage.caveat, "dim")
    line("")
    for words in (*duplicate_words(triage), triage.seen.words):
        line(words)
    if triage.missing:
        line("")
        line("What an audit would lack:", "bold")
        for words in triage.missing:
            line(f"- {words}")
    line("")
    put_whole(console, f"Next: {triage.next_command}", "bold")


def _put_classes(console: Console, triage: Triage) -> None:
    parts = [part for part in triage.classes[0].parts if any(one.parts[part] for one in triage.classes)]
    columns = [
        Column("class", "name"),
        Column("images"),
        *([Column(f"{triage.group}s")] if triage.group else []),
        *map(Column, parts),
        *(Column(heading, "words") for heading in ("width", "height", "format", "mode", "left out")),
    ]
    rows = [
        Row(
            [
                one.name,
                f"{one.images:,}",
                *([f"{one.groups:,}"] if triage.group else []),
                *(f"{one.parts[part]:,}" for part in parts),
                range_words(one.width),
                range_words(one.height),
                ", ".join(one.formats),
                ", ".join(one.modes),
                _left_out(one),
            ]
        )
        for one in triage.classes
    ]
    title = f"{triage.root}: {triage.images:,} images, {len(triage.classes)} classes"
    put_table(console, columns, rows, title)


def _left_out(one: ClassCounts) -> str:
    words = [f"{count} {what}" for what, count in one.ignored.items()]
    if one.unreadable:
        words.insert(0, f"{one.unreadable} unreadable")
    return ", ".join(words)
