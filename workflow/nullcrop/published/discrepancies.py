"""Published numbers beside what can be counted or computed without an image.

Every finding is computed from the published tables and the definitions' counts, so that another
table or another count gives another list. A finding says what was printed, what was counted and
by which rule; why they differ is not for this module to say.
"""

from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

import pandas as pd

from nullcrop.basics.files import written_whole
from nullcrop.published.accuracies import constant_answers, earlier_sizes, test_sizes
from nullcrop.published.columns import columns_not_as_headed, full_recalls, same_rows
from nullcrop.published.dataset_counts import counts_of_others, differing_counts, unequal_sums
from nullcrop.published.findings import COLUMNS, KINDS
from nullcrop.published.official import Definitions, Official, counted_release
from nullcrop.published.printed import Published, read_published
from nullcrop.published.yardsticks import balanced_classes, no_information_rates


def list_discrepancies(
    published: Published, definitions: Definitions, counted: Path | None = None
) -> pd.DataFrame:
    """All findings, one row each (columns: COLUMNS), ordered by kind and, within a kind, as printed.

    ``published`` holds the tables of FILES by file name, as
    :func:`~nullcrop.published.printed.read_published` gives them; ``definitions`` holds the definitions of
    the datasets that they name. A dataset without a definition is compared with itself alone. ``counted``,
    the dataset.json of one dataset, puts what was counted in its files in place of the definition's counts,
    and narrows the findings to those that rest on it.
    """
    checks = (
        unequal_sums,
        differing_counts,
        counts_of_others,
        test_sizes,
        earlier_sizes,
        constant_answers,
        full_recalls,
        columns_not_as_headed,
        same_rows,
        no_information_rates,
        balanced_classes,
    )
    known = {name: Official(definition, f"{name}.yaml") for name, definition in definitions.items()}
    if counted is not None:
        name, official, differing = counted_release(counted, definitions)
        known[name] = official
    found = [finding for check in checks for finding in check(published, known)]
    if counted is not None:
        found = [finding for finding in found if finding.dataset == name and official.file in finding.sources]
        found += differing
    found.sort(key=lambda finding: list(KINDS).index(finding.kind))
    return pd.DataFrame([astuple(finding) for finding in found], columns=COLUMNS)


def write_discrepancies(
    files: Sequence[Path], definitions: Definitions, out: Path, counted: Path | None = None
) -> None:
    """Write :func:`list_discrepancies` of the published ``files`` as CSV."""
    table = list_discrepancies(read_published(files), definitions, counted)
    with written_whole(out) as aside:
        table.to_csv(aside, index=False)
