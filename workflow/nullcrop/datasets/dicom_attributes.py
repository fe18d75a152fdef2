"""Patient, device and institution of DICOM files, as numbers.

What a file says of them stays in memory. In a table stands `patient-1`, `patient-2`, … in the order of the
images' ids: nothing can be told from such a number but which images share it, and nothing can be undone as
a hash of a short number could.
"""

import pandas as pd

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.config.definitions import Definition
from nullcrop.datasets.groups import is_not_known
from nullcrop.decoding.dicom import ATTRIBUTES


def with_attributes(name: str, definition: Definition, samples: pd.DataFrame) -> pd.DataFrame:
    """``samples`` with a column `dicom_{attribute}` for each attribute that a file tells, and with the
    groups that the definition's `group_from` asks for; without the column `attributes`. A word that none
    is known, such as `unknown`, tells nothing.

    Rows are in order of the ids. Raises NullcropError when an image does not tell its group.
    """
    told = samples["attributes"]
    samples = samples.drop(columns="attributes")
    for attribute in ATTRIBUTES:
        said = [facts.get(attribute, "") for facts in told]
        # The last element tells it; the others tell whose number it is.
        said = ["" if is_not_known(text.rpartition("\0")[2]) else text for text in said]
        numbers = {text: number for number, text in enumerate(dict.fromkeys(filter(None, said)), start=1)}
        if numbers:
            codes = [f"{attribute}-{numbers[text]}" if text else "" for text in said]
            samples[f"dicom_{attribute}"] = codes
    if definition.group_from is None:
        return samples
    column = f"dicom_{definition.group_from}"
    without = samples["path"] if column not in samples else samples.loc[samples[column] == "", "path"]
    if len(without):
        element = ATTRIBUTES[definition.group_from][-1]
        raise NullcropError(
            f"dataset '{name}': group_from: {len(without)} of {len(samples)} images tell no "
            f"{definition.group_from} (the DICOM element {element}): {listed(without)}; name another "
            "`group_from` or a table under `groups`, or leave out `group_from` and `group`"
        )
    return samples.assign(group=samples[column])
