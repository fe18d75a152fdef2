"""The sources: where the images of a dataset come from. A new one is one record; docs/extending.md shows how
to add one."""

from dataclasses import dataclass
from typing import Literal

from nullcrop.config.registry import Registry


@dataclass(frozen=True)
class Source:
    """A kind of source, which a dataset's file names under `source.kind`."""

    name: str
    way: Literal["local", "fetched", "generated", "listed"]
    """`local`: images stay where the user has them. `fetched`: a step on the machine that runs Snakemake
    brings them into the archive, over a network. `generated`: a job of its own makes them there.
    `listed`: they are those of other datasets, whose samples.csv lie below the archive."""
    model: str
    """`module:class`: a :class:`~nullcrop.config.definitions.SourceModel` of the keys under `source`, its
    `kind` the record's name."""
    list: str
    """`module:function` from (source, archive, definition) to a table with the columns id, path, class, group
    and official_split, all text, one row an image; an unknown group or part is empty."""
    describe: str
    """`module:function` from a definition to two texts in Markdown for docs/datasets.md: where the images
    come from, and what getting them takes."""
    fetch: str | None = None
    """`module:function` from (source, archive): brings what it names into that folder, and verifies and keeps
    what is there. It gives an entry of each file for archive.json: name, bytes, sha256. None for a local
    source."""
    check: str | None = None
    """`module:function` from (source, archive), called before any job starts where a fetch is planned; it
    raises NullcropError when that cannot succeed."""


SOURCES: Registry[Source] = Registry("source")
"""All kinds of sources."""

SOURCES.register(
    Source(
        name="phantom",
        way="generated",
        model="nullcrop.config.definitions:PhantomSource",
        fetch="nullcrop.datasets.phantom:write_phantom",
        list="nullcrop.datasets.phantom:list_phantom",
        describe="nullcrop.datasets.phantom:describe_phantom",
    )
)
SOURCES.register(
    Source(
        name="folder",
        way="local",
        model="nullcrop.config.definitions:FolderSource",
        list="nullcrop.datasets.folder:list_own_folder",
        describe="nullcrop.datasets.folder:describe_folder",
    )
)
SOURCES.register(
    Source(
        name="medmnist",
        way="fetched",
        model="nullcrop.config.definitions:MedMNISTSource",
        fetch="nullcrop.datasets.medmnist_source:fetch_medmnist",
        list="nullcrop.datasets.medmnist_source:list_medmnist",
        describe="nullcrop.datasets.medmnist_source:describe_medmnist",
    )
)
SOURCES.register(
    Source(
        name="kaggle",
        way="fetched",
        model="nullcrop.config.definitions:KaggleSource",
        fetch="nullcrop.datasets.kaggle_source:fetch_kaggle",
        list="nullcrop.datasets.kaggle_source:list_kaggle",
        describe="nullcrop.datasets.kaggle_source:describe_kaggle",
        check="nullcrop.datasets.kaggle_credentials:check_credentials",
    )
)
SOURCES.register(
    Source(
        name="isic",
        way="fetched",
        model="nullcrop.config.definitions:IsicSource",
        fetch="nullcrop.datasets.isic:fetch_isic",
        list="nullcrop.datasets.isic:list_isic",
        describe="nullcrop.datasets.isic:describe_isic",
    )
)
SOURCES.register(
    Source(
        name="archive",
        way="fetched",
        model="nullcrop.config.definitions:ArchiveSource",
        fetch="nullcrop.datasets.public_archive:fetch_public_archive",
        list="nullcrop.datasets.public_archive:list_public_archive",
        describe="nullcrop.datasets.public_archive:describe_public_files",
    )
)
SOURCES.register(
    Source(
        name="pcam",
        way="fetched",
        model="nullcrop.config.definitions:PcamSource",
        fetch="nullcrop.datasets.pcam:fetch_pcam",
        list="nullcrop.datasets.pcam:list_pcam",
        describe="nullcrop.datasets.public_archive:describe_public_files",
    )
)
SOURCES.register(
    Source(
        name="datasets",
        way="listed",
        model="nullcrop.config.definitions:DatasetsSource",
        list="nullcrop.datasets.joined:list_datasets",
        describe="nullcrop.datasets.joined:describe_datasets",
    )
)
