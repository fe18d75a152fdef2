"""The blocks that say why a dataset leaks: the numbers behind its figures of places and cues."""

from nullcrop.cues.spectrum import PLACES, kind_label, reader_label
from nullcrop.report import tables
from nullcrop.report.blocks import Block
from nullcrop.report.contents import DatasetContents
from nullcrop.report.tables import table_of
from nullcrop.statistics.outside import expected_accuracies


def why_blocks(dataset: DatasetContents) -> list[Block]:
    """Where and what is read of one dataset; empty blocks for what was not looked at."""
    return [_leak_map(dataset), _spectrum(dataset), _outside(dataset)]


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
