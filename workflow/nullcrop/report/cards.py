"""The first screen: for each dataset what was found, what explains it, and what to do next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from nullcrop.config.names import CROSSFIT, protocol_of
from nullcrop.config.readers import BASELINES
from nullcrop.cues.attributes import attributes_sentence
from nullcrop.cues.leak_map import map_sentence
from nullcrop.cues.spectrum import spectrum_sentence
from nullcrop.cues.treatments import remedy, treatment_sentences
from nullcrop.images.lesion_counts import touching_sentence
from nullcrop.report.contents import Contents, DatasetContents
from nullcrop.report.frames import verdicts
from nullcrop.statistics.sentences import power_words, upper_words
from nullcrop.statistics.verdicts import BOTH, BOUNDED, READABLE, UNDECIDED, UNJUDGED, explained
from nullcrop.status.foresight import Foreseen, foresee

_KINDS = {
    READABLE: "readable",
    BOTH: "readable",
    BOUNDED: "bounded",
    UNDECIDED: "undecided",
    UNJUDGED: "undecided",
}


@dataclass(frozen=True)
class Card:
    """What a reader may quote of one dataset, and three lines that say the rest."""

    word: str
    kind: str
    """The class of its colour."""
    sentence: str
    details: str
    """What else a reader should know, in short sentences."""
    found: str
    """The sentence, and what could have been found at all."""
    explained: str
    """Readers that reach as much, with their numbers."""
    next_step: str


@dataclass(frozen=True)
class Treated:
    """What treatments did, in words."""

    words: str
    tried: tuple[str, ...] = ()
    helps: bool = False
    """Whether one is shown to remove some of what is read."""


NOT_TREATED = Treated("")


def kind_of_verdict(field: str, evidence: str) -> str:
    """Class of a verdict's colour; `tissue` of tiles, whatever is found. Undecided is no good news."""
    return "tissue" if field == "tile" else _KINDS[evidence]


def card_of(dataset: DatasetContents, contents: Contents) -> Card:
    """The card of a dataset: its verdict is that of the split that counts."""
    table = verdicts(dataset)
    if table.empty:
        seen = "" if dataset.foreseen is None else f"{_capital(dataset.foreseen.words)}."
        nothing = "No reader of a crop on which the verdict may rest is done yet."
        return Card("no verdict yet", "open", nothing, seen, f"{nothing} {seen}".strip(), "", _begin(dataset))
    first = {str(key): value for key, value in table.iloc[0].items()}
    return Card(
        word=first["verdict"],
        kind=kind_of_verdict(first["field"], first["evidence"]),
        sentence=first["sentence"],
        details=" ".join([first["details"], *_touching(dataset)]),
        found=" ".join(
            [
                *(first["sentence"], power_words(first), *_of_other_rules(table), *_mapped(dataset, first)),
                *_by_kind(dataset, first, contents.project.config.verdict.small),
            ]
        ),
        explained=explained(first, dataset.tables.readers, dataset.tables.comparisons),
        next_step=next_step(
            first,
            foresee(contents.grid, contents.study, dataset.name, "crossfit", first["labels"]),
            _treated(dataset, first, contents.project.config.verdict.equivalence),
        ),
    )


def _mapped(dataset: DatasetContents, said: Mapping[str, Any]) -> list[str]:
    """Where in the image the class can be read, and through what, as far as that was looked at."""
    asked = {"leak_map": map_sentence, "attributes": attributes_sentence}
    words = [
        of_table(dataset.cues[name], said["labels"], said["split"])
        for name, of_table in asked.items()
        if name in dataset.cues
    ]
    return [sentence for sentence in words if sentence]


def _touching(dataset: DatasetContents) -> list[str]:
    """Whether corners hold no lesion, if masks tell."""
    if dataset.masks is None:
        return []
    return [touching_sentence(dataset.masks, dataset.definition.field)]


def _by_kind(dataset: DatasetContents, said: Mapping[str, Any], small: float) -> list[str]:
    """From which kinds of information the class can be read, if that was looked at."""
    if (found := dataset.cues.get("spectrum")) is None:
        return []
    words = spectrum_sentence(found, said["labels"], said["split"], small)
    return [words] if words else []


def _treated(dataset: DatasetContents, said: Mapping[str, Any], small: float) -> Treated:
    """What treatments did, and how to apply the one that helps; nothing where none was tried on this
    split."""
    table = dataset.cues.get("treatments")
    if table is None:
        return NOT_TREATED
    asked = table, said["labels"], said["split"]
    sentences = treatment_sentences(*asked, small)
    best = remedy(*asked, small)
    if not sentences:
        return NOT_TREATED
    tried = tuple(dict.fromkeys(table["treatment"]))
    if best is None:
        return Treated(f"No treatment that was tried ({len(sentences)}) is shown to remove it.", tried)
    how = f"`nullcrop export-treated {dataset.name} {best} --out FOLDER` writes the images so."
    return Treated(f"{sentences[0]} {how}", tried, helps=True)


def _of_other_rules(table: pd.DataFrame) -> list[str]:
    """The verdicts to quote of a dataset's other label rules, in a few words each."""
    quoted = table[table["headline"].eq(True)]
    rest = [
        f"under the label rule {labels} it is “{verdict}”"
        for labels, verdict in zip(quoted["labels"][1:], quoted["verdict"][1:], strict=True)
    ]
    return [f"This is of the label rule {quoted['labels'].iloc[0]}; {', '.join(rest)}."] if rest else []


def _begin(dataset: DatasetContents) -> str:
    waiting = len(dataset.cells) - len(dataset.in_state("done"))
    if dataset.foreseen is None:
        return "No reader of this study sees a crop on which a verdict may rest: add corners to its `views`."
    if not dataset.foreseen.can_tell:
        return "Find more independent images before training anything: no result could count."
    return f"Run the workflow: {_not_done(waiting, len(dataset.cells))}."


def _not_done(waiting: int, planned: int) -> str:
    return f"{waiting} of {planned} cells {'is' if waiting == 1 else 'are'} not done"


def next_step(said: Mapping[str, Any], every_image: Foreseen | None, treated: Treated = NOT_TREATED) -> str:
    """What to try, by what a verdict says; ``every_image``: what its readers would see if each image were
    tested once; ``treated``: what treatments did, where any were tried."""
    if said["cells"] < said["planned"]:
        return f"Finish the crops first: {_not_done(said['planned'] - said['cells'], said['planned'])}."
    protocol = protocol_of(said["split"])
    crossfit = protocol in CROSSFIT
    # Of large datasets fewer folds are tested than there are.
    every_image_tested = crossfit and said["folds"] == CROSSFIT[protocol]
    match said["evidence"]:
        case "readable" | "readable and bounded":
            # Of tiles no treatment is known to spare the tissue.
            helped = treated.helps and said["field"] != "tile"
            step = " ".join([treated.words, *([] if helped else [_cure(said, treated.tried)])]).strip()
        case "bounded":
            step = "Nothing needs to be removed from these crops; of the rest of the image this says nothing."
        case "undecided" if not crossfit:
            step = _test_all(said, every_image)
        case "undecided" if every_image_tested:
            step = "Every image is tested already: add independent images, or a reader that reads better."
        case "undecided":
            step = "Add independent images, or a reader that reads better."
        # Verdicts of an earlier version do not tell of silent cells.
        case _ if said.get("silent_cells") == said["cells"]:
            step = (
                "Look at the crops below: they are alike. Larger ones (`crop` in the config) may show "
                "what these do not."
            )
        case _ if not crossfit:
            step = _test_all(said, every_image)
        case _:
            step = "Find more independent images."
    if not said["group"] and "readable" in said["evidence"]:
        step += (
            " Name the patients too (`group` in the definition), if images have any: until then a network "
            "may know a patient again."
        )
    return step


def _cure(said: Mapping[str, Any], tried: Sequence[str]) -> str:
    """Where to look for what is read, and which treatments to try besides those ``tried``."""
    others, explains, shown = (
        set(filter(None, said[key].split(", "))) for key in ("others", "explained_by", "readers_shown")
    )
    if said["field"] == "tile":
        return (
            "Tiles show what is diagnosed, so keep slides, scanners and centres apart (`group`) and audit "
            "again before blaming the acquisition."
        )
    if "mean_rgb" in explains or (explains == {"raw_pixels"} and "mean_rgb" in shown):
        return (
            "Compare brightness and colour of the classes (the mean crops below), balance them, and audit "
            "again" + _try(tried, "gray_world", "histogram_match")
        )
    if "color_histogram" in explains:
        return (
            "Compare colour, contrast, noise and compression of the classes, treat all images alike, and "
            "audit again" + _try(tried, "histogram_match", "reencode_75")
        )
    if explains:
        return (
            "Look at the mean crops below for a rim, a logo or a marker at a fixed place, cut it away or "
            "mask it, and audit again" + _try(tried, "crop_border_16")
        )
    # What the pixels explain may move a file's size as well; what only files tell has to do with files.
    if any(name in BASELINES and BASELINES[name].sees == "file" for name in others):
        return (
            "Compare how the files of each class were made (`nullcrop triage` names the facts that differ), "
            "save all of them alike, and audit again" + _try(tried, "strip")
        )
    look = "Look at the crops below for what tells the classes apart, take it away, and audit again"
    return look + _try(tried, "reencode_75", "histogram_match")


def _try(tried: Sequence[str], *treatments: str) -> str:
    """How to ask for treatments that may help, those left out that were ``tried``; the end of a sentence."""
    left = [name for name in treatments if name not in tried]
    return f" (`treatments: [{', '.join(left)}]` in the study)." if left else "."


def _test_all(said: Mapping[str, Any], seen: Foreseen | None) -> str:
    if seen is None or not seen.can_tell or not seen.minimal < said["minimal"]:
        return "Add independent images, or a reader that reads better."
    now = "only one close to 1" if said["minimal"] >= 1 else f"one from {upper_words(said['minimal'])}"
    return (
        f"Test every image (`splits: [crossfit]`): an AUROC from {upper_words(seen.minimal)} would then be "
        f"found with a chance of 80%, now {now}."
    )


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
