"""The blocks that say why a dataset leaks: the numbers behind its figures of places and cues."""

from nullcrop.cues.treatments import treatment_sentences
from nullcrop.report import tables
from nullcrop.report.blocks import Block
from nullcrop.report.contents import Contents, DatasetContents
from nullcrop.report.tables import table_of


def why_blocks(dataset: DatasetContents, contents: Contents) -> list[Block]:
    """Where and what is read of one dataset, and what takes it away; empty where nobody looked."""
    return [_leak_map(dataset), _treatments(dataset, contents)]


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


def _treatments(dataset: DatasetContents, contents: Contents) -> Block:
    """What treatments removed and what they cost: a sentence each, and the numbers."""
    block = Block(f"{dataset.name}-treatments", "What treatments did", unfolded=False)
    if (found := dataset.cues.get("treatments")) is not None:
        said = contents.project.config.verdict
        of_splits = found[["labels", "split"]].drop_duplicates().itertuples(index=False)
        for labels, split in of_splits:
            where = f"{split.replace('_', ' ')} split, label rule {labels}"
            sentences = treatment_sentences(found, labels, split, said.equivalence)
            block.paragraphs.append(f"On the {where}. {' '.join(sentences)}")
        caption = (
            f"{dataset.definition.title}: AUROC of the same readers on images as they are and on treated "
            "ones, in the same splits with the same seeds. “crops”: the mean score of the crops on which the "
            "verdict rests. Bounds and p hold for all rows of one label rule and split at once."
        )
        name = f"{dataset.name}-treatments-table"
        block.tables.append(table_of(found, name, caption, tables.TREATMENT_TABLE))
    return block
