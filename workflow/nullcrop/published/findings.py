"""A finding: what was printed beside what was counted, and the kinds of them."""

from dataclasses import dataclass, fields

KINDS = {
    "counts of the files": "Files at hand whose counts are not the definition's; the published numbers are "
    "then compared with the definition's.",
    "counts do not add up": "Present and absent samples should add up to the printed total.",
    "counts differ from the release": "Counts of the release under the label rule as printed, and under the "
    "others.",
    "counts of another dataset": "Rows whose total is not the release's, beside the counts of the other "
    "datasets.",
    "size of the test part": "An accuracy on n images is k / n for a whole number k. "
    "The study's text says 80/10/10; the official parts are the release's own.",
    "score of a constant answer": "Printed accuracies that equal the share of the larger class in the "
    "official test part. An answer that is the same for every image scores this; the number alone does not "
    "tell how it came about.",
    "recall of 100 %": "No positive image is missed: what is left is how many negative ones were told.",
    "columns": "F-1 is the harmonic mean of recall and precision.",
    "same rows": "Tables that hold one another's numbers.",
    "no-information rate": "What an answer blind to the image reaches, beside the chance level of the text.",
    "balanced classes": "Images of each class after balancing, beside the counts of the release.",
}
"""Kinds of findings, in the order of the table, and what each compares."""


@dataclass(frozen=True)
class Finding:
    """One row of the table."""

    dataset: str
    table: str
    kind: str
    printed: str
    computed: str
    evidence: str
    sources: str


COLUMNS = [field.name for field in fields(Finding)]
"""Columns of discrepancies.csv."""
