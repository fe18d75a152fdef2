"""The blocks that say why a dataset leaks: the numbers behind its figures of places and cues."""

from nullcrop.config.views import view_label
from nullcrop.cues.spectrum import PLACES, kind_label, reader_label
from nullcrop.cues.treatments import treatment_sentences
from nullcrop.images.lesion_counts import ANY_CORNER, touching_sentence
from nullcrop.report import tables
from nullcrop.report.blocks import Block
from nullcrop.report.contents import DatasetContents
from nullcrop.report.tables import table_of
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
        _treatments(dataset, small),
    ]


def _leak_map(dataset: DatasetContents) -> Block:
    """The numbers of the leak map, whose figure stands above."""
    block = Block(f"{dataset.name}-map", "Where the class can be read: numbers", unfolded=False)
    if (found := dataset.cues.get("leak_map")) is not None:
        caption = (
            f"{dataset.definition.title}: AUROC of a simple reader of a window at each place; “x” and “y” of "
            "its centre as a share of width and height. Bounds and p hold for all places of one label rule "
            "and split at once."
        )
        block.tables.append(table_of(found, f"{dataset.name}-map-table", caption, tables.LEAK_MAP_TABLE))
    return block


def _lesions(dataset: DatasetContents) -> Block:
    """How often crops touch the lesion, by its masks."""
    block = Block(f"{dataset.name}-lesions", "Where the lesion is, by its masks", unfolded=False)
    if dataset.masks is not None:
        block.paragraphs.append(touching_sentence(dataset.masks, dataset.definition.field))
        counts = dataset.masks.assign(place=[_place(view) for view in dataset.masks["view"]])
        caption = (
            f"{dataset.definition.title}: images with a lesion, and those of which a crop holds at least one "
            "of its pixels; “largest” is the largest part of such a crop that a lesion covers."
        )
        block.tables.append(table_of(counts, f"{dataset.name}-lesions-table", caption, tables.MASK_TABLE))
    return block


def _place(view: str) -> str:
    return {ANY_CORNER: "any corner", "original": "whole image"}.get(view) or view_label(view)


def _attributes(dataset: DatasetContents) -> Block:
    """The numbers of the attributes, whose figure stands above."""
    block = Block(f"{dataset.name}-attributes", "Through what the class can be read: numbers", unfolded=False)
    if (found := dataset.cues.get("attributes")) is not None:
        caption = (
            f"{dataset.definition.title}: AUROC by which an attribute alone tells the class, and by which a "
            "simple reader of the four corners tells the attribute within classes; bounds and p hold for "
            "all attributes and both questions of one label rule and split at once. “Explained”: the AUROC "
            "of crops less that among images of one stratum of the attribute, with bounds that hold for all "
            "attributes at once."
        )
        name = f"{dataset.name}-attributes-table"
        block.tables.append(table_of(found, name, caption, tables.ATTRIBUTE_TABLE))
    return block


def _spectrum(dataset: DatasetContents) -> Block:
    """The numbers of the cue spectrum, whose figure stands above."""
    block = Block(f"{dataset.name}-spectrum", "From what the class can be read: numbers", unfolded=False)
    if (found := dataset.cues.get("spectrum")) is not None:
        caption = (
            f"{dataset.definition.title}: AUROC of simple readers, each of one kind of information, at the "
            "four corners and of the whole image. Bounds and p hold for all rows of one label rule and split "
            "at once."
        )
        words = found.assign(
            kind=found["kind"].map(kind_label),
            place=found["place"].map(PLACES),
            reader=found["reader"].map(reader_label),
        )
        block.tables.append(table_of(words, f"{dataset.name}-spectrum-table", caption, tables.SPECTRUM_TABLE))
    return block


def _outside(dataset: DatasetContents) -> Block:
    """P_Est beside the accuracies on whole images, of networks that saw shuffled pixels as well."""
    block = Block(f"{dataset.name}-outside", "Accuracy to be expected elsewhere", unfolded=False)
    found = expected_accuracies(dataset.tables.metrics)
    if len(found):
        caption = (
            f"{dataset.definition.title}: P_Est = accuracy on whole images − accuracy on their pixels in "
            "another order + chance (after Data-Bias-Analysis; chance: the share of the largest class among "
            "the images tested). What shuffled pixels tell is taken for a trait of the dataset that is "
            "missing elsewhere; where they tell no more than chance, nothing is taken away. Means over "
            "seeds; a rule of thumb, without bounds."
        )
        block.tables.append(table_of(found, f"{dataset.name}-outside-table", caption, tables.OUTSIDE_TABLE))
    return block


def _treatments(dataset: DatasetContents, small: float) -> Block:
    """What treatments removed and what they cost: a sentence each, and the numbers."""
    block = Block(f"{dataset.name}-treatments", "What treatments did", unfolded=False)
    if (found := dataset.cues.get("treatments")) is not None:
        of_splits = found[["labels", "split"]].drop_duplicates().itertuples(index=False)
        for labels, split in of_splits:
            where = f"{split.replace('_', ' ')} split, label rule {labels}"
            sentences = treatment_sentences(found, labels, split, small)
            block.paragraphs.append(f"On the {where}. {' '.join(sentences)}")
        caption = (
            f"{dataset.definition.title}: AUROC of the same readers on images as they are and on treated "
            "ones, in the same splits with the same seeds. “crops”: the mean score of the crops on which the "
            "verdict rests. Bounds and p hold for all rows of one label rule and split at once."
        )
        name = f"{dataset.name}-treatments-table"
        block.tables.append(table_of(found, name, caption, tables.TREATMENT_TABLE))
    return block
