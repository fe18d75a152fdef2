"""The blocks that say why a dataset leaks: the numbers behind its figures of places and cues."""

from collections.abc import Mapping, Sequence

import pandas as pd

from nullcrop.config.views import view_label
from nullcrop.cues.saliency import saliency_sentences
from nullcrop.cues.spectrum import PLACES, kind_label, reader_label
from nullcrop.cues.treatments import treatment_sentences
from nullcrop.images.lesion_counts import ANY_CORNER, touching_sentence
from nullcrop.report import tables
from nullcrop.report.blocks import Block
from nullcrop.report.contents import DatasetContents
from nullcrop.report.tables import Column, table_of
from nullcrop.statistics.outside import expected_accuracies


def why_blocks(dataset: DatasetContents, small: float) -> list[Block]:
    """Where and what is read of one dataset, and what takes it away; empty where nobody looked.

    A difference of AUROCs below ``small`` counts as none.
    """
    return [
        _leak_map(dataset),
        _spectrum(dataset),
        _outside(dataset),
        _lesions(dataset),
        _attributes(dataset),
        _saliency(dataset),
        _treatments(dataset, small),
    ]


def _numbers(
    dataset: DatasetContents,
    name: str,
    heading: str,
    found: pd.DataFrame | None,
    caption: str,
    columns: Mapping[str, Column],
    paragraphs: Sequence[str] = (),
) -> Block:
    """A folded block with one table; empty where nothing was found."""
    block = Block(f"{dataset.name}-{name}", heading, list(paragraphs), unfolded=False)
    if found is not None and len(found):
        words = f"{dataset.definition.title}: {caption}"
        block.tables.append(table_of(found, f"{dataset.name}-{name}-table", words, columns))
    return block


def _leak_map(dataset: DatasetContents) -> Block:
    """The numbers of the leak map, whose figure stands above."""
    caption = (
        "AUROC of a simple reader of a window at each place; “x” and “y” of its centre as a share of width "
        "and height. Bounds and p hold for all places of one label rule and split at once."
    )
    found = dataset.cues.get("leak_map")
    heading = "Where the class can be read: numbers"
    return _numbers(dataset, "map", heading, found, caption, tables.LEAK_MAP_TABLE)


def _spectrum(dataset: DatasetContents) -> Block:
    """The numbers of the cue spectrum, whose figure stands above."""
    caption = (
        "AUROC of simple readers, each of one kind of information, at the four corners and of the whole "
        "image. Bounds and p hold for all rows of one label rule and split at once."
    )
    found = dataset.cues.get("spectrum")
    if found is not None:
        found = found.assign(
            kind=found["kind"].map(kind_label),
            place=found["place"].map(PLACES),
            reader=found["reader"].map(reader_label),
        )
    heading = "From what the class can be read: numbers"
    return _numbers(dataset, "spectrum", heading, found, caption, tables.SPECTRUM_TABLE)


def _outside(dataset: DatasetContents) -> Block:
    """P_Est beside the accuracies on whole images, of networks that saw shuffled pixels as well."""
    caption = (
        "P_Est = accuracy on whole images − accuracy on their pixels in another order + chance (after "
        "Data-Bias-Analysis; chance: the share of the largest class among the images tested). What shuffled "
        "pixels tell is taken for a trait of the dataset that is missing elsewhere; where they tell no more "
        "than chance, nothing is taken away. Means over seeds; a rule of thumb, without bounds."
    )
    found = expected_accuracies(dataset.tables.metrics)
    return _numbers(
        dataset, "outside", "Accuracy to be expected elsewhere", found, caption, tables.OUTSIDE_TABLE
    )


def _lesions(dataset: DatasetContents) -> Block:
    """How often crops touch the lesion, by its masks."""
    caption = (
        "images with a lesion, and those of which a crop holds at least one of its pixels; “largest” is the "
        "largest part of such a crop that a lesion covers."
    )
    counts, heading = dataset.masks, "Where the lesion is, by its masks"
    if counts is None:
        return Block(f"{dataset.name}-lesions", heading)
    said = [touching_sentence(counts, dataset.definition.field)]
    found = counts.assign(place=[_place(view) for view in counts["view"]])
    return _numbers(dataset, "lesions", heading, found, caption, tables.MASK_TABLE, said)


def _place(view: str) -> str:
    return {ANY_CORNER: "any corner", "original": "whole image"}.get(view) or view_label(view)


def _attributes(dataset: DatasetContents) -> Block:
    """The numbers of the attributes, whose figure stands above."""
    caption = (
        "AUROC by which an attribute alone tells the class, and by which a simple reader of the four corners "
        "tells the attribute within classes; bounds and p hold for all attributes and both questions of one "
        "label rule and split at once. “Explained”: the AUROC of crops less that among images of one stratum "
        "of the attribute, with bounds that hold for all attributes at once."
    )
    found = dataset.cues.get("attributes")
    heading = "Through what the class can be read: numbers"
    return _numbers(dataset, "attributes", heading, found, caption, tables.ATTRIBUTE_TABLE)


def _saliency(dataset: DatasetContents) -> Block:
    """What networks look at in whole images: a sentence each, and the numbers."""
    caption = (
        "share of the attribution outside the central half of the image's area, and outside the lesion where "
        "masks tell; “correlation”: of each map with that of the same network with random weights, by ranks. "
        "Means over images with a map; bounds hold for all numbers of one label rule and split at once. "
        "“difference”: by how much the network that was trained once more differs in its answers from the "
        "cell at most."
    )
    found, said = dataset.cues.get("saliency"), []
    if found is not None:
        said.append(
            "Maps of attribution mislead about cues that one does not know (Adebayo et al. 2022): one that "
            "lies on the lesion does not show that nothing else is read. No verdict rests on them."
        )
        for labels, split in found[["labels", "split"]].drop_duplicates().itertuples(index=False):
            where = f"{split.replace('_', ' ')} split, label rule {labels}"
            said += [f"On the {where}: {words}" for words in saliency_sentences(found, labels, split)]
    heading = "What networks look at in whole images: numbers"
    return _numbers(dataset, "saliency", heading, found, caption, tables.SALIENCY_TABLE, said)


def _treatments(dataset: DatasetContents, small: float) -> Block:
    """What treatments removed and what they cost: a sentence each, and the numbers."""
    caption = (
        "AUROC of the same readers on images as they are and on treated ones, in the same splits with the "
        "same seeds. “crops”: the mean score of the crops on which the verdict rests. Bounds and p hold for "
        "all rows of one label rule and split at once."
    )
    found, said = dataset.cues.get("treatments"), []
    if found is not None:
        for labels, split in found[["labels", "split"]].drop_duplicates().itertuples(index=False):
            where = f"{split.replace('_', ' ')} split, label rule {labels}"
            said.append(f"On the {where}. {' '.join(treatment_sentences(found, labels, split, small))}")
    return _numbers(
        dataset, "treatments", "What treatments did", found, caption, tables.TREATMENT_TABLE, said
    )
