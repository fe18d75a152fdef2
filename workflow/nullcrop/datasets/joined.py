"""Several datasets as the classes of one: from which of them is an image?"""

from pathlib import Path

import pandas as pd

from nullcrop.basics.errors import listed
from nullcrop.config.definitions import DatasetsSource, Definition
from nullcrop.datasets.samples import read_samples


def list_datasets(source: DatasetsSource, datasets: Path, definition: Definition) -> pd.DataFrame:
    """Columns id, path, class, group, official_split (all text) of the images of all datasets that ``source``
    names, whose samples.csv lie below ``datasets``.

    The class is the dataset; ids and groups begin with its name, so that no group is in two of them. Official
    splits are left out, because that of one dataset says nothing of another's. Raises NullcropError when a
    samples.csv cannot be read.
    """
    tables = []
    for name in source.names:
        samples = read_samples(datasets / name / "samples.csv", ["id", "path", "group"])
        grouped = samples["group"].where(samples["group"] == "", f"{name}/" + samples["group"])
        tables.append(samples.assign(id=f"{name}/" + samples["id"], group=grouped, **{"class": name}))
    return pd.concat(tables, ignore_index=True).assign(official_split="")


def describe_datasets(definition: Definition) -> tuple[str, str]:
    """Where the images come from, and what getting them takes."""
    source = definition.source
    assert isinstance(source, DatasetsSource)
    return f"the datasets {listed(source.names)}", "theirs"
