"""Groups: a table that tells them, what stands for "not known", and names that may mean the same patient."""

import re
import unicodedata
from collections.abc import Iterable

import pandas as pd

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.progress import say
from nullcrop.config.definitions import Definition
from nullcrop.datasets.tables import lines_of, near_misses, read_table

NOT_KNOWN = frozenset(
    ["", "-", "--", "?", "#n/a", "<na>", "n/a", "na", "nan", "nat", "nil", "none", "null", "unknown"]
)
"""What R, pandas, spreadsheets and people write, in any case, where no group is known."""


def with_groups(definition: Definition, listing: pd.DataFrame) -> pd.DataFrame:
    """``listing`` with the groups of the definition's table, or as it is where there is none.

    Raises NullcropError when the table cannot be read, lacks an image, or has another class for one:
    then it is of another release, or the images are in another order.
    """
    path = definition.groups
    if path is None:
        return listing
    table = read_table(path, "groups")
    lacking = [name for name in ("id", "group") if name not in table.columns]
    if lacking:
        raise NullcropError(
            f"groups: {path} has no column {listed(lacking)}; its columns are {listed(table.columns)}"
        )
    ids = set(listing["id"])
    # A name may begin or end with a blank; one that was typed by mistake is none of the images'.
    table["id"] = [name if name in ids else name.strip() for name in table["id"]]
    doubled = table[table["id"].duplicated(keep=False)]
    if len(doubled):
        names = [f"{name} ({lines_of(own.index)})" for name, own in doubled.groupby("id")]
        raise NullcropError(f"groups: {path} names {len(names)} ids more than once: {listed(names)}")
    of_images = table.set_index("id").reindex(listing["id"])
    absent = listing.loc[of_images["group"].isna().to_numpy(), "id"]
    if len(absent):
        raise NullcropError(
            f"groups: {path} lacks {len(absent)} of the images: {listed(near_misses(absent, table['id']))}; "
            "its ids must be those of the images"
        )
    further = table.loc[~table["id"].isin(ids), "id"]
    if len(further):
        say(f"{path} names {len(further)} ids of no image, which count for nothing: {listed(further)}")
    if "class" in table.columns:
        other = listing.loc[of_images["class"].to_numpy() != listing["class"].to_numpy(), "id"]
        if len(other):
            raise NullcropError(
                f"groups: {path} has another class for {len(other)} images: {listed(other)}; "
                "it was made for another release"
            )
    return listing.assign(group=of_images["group"].to_numpy())


def is_not_known(group: str) -> bool:
    """Whether ``group`` says that none is known."""
    return group.strip().casefold() in NOT_KNOWN


def with_known_groups(listing: pd.DataFrame) -> pd.DataFrame:
    """``listing`` with groups without blanks around them, empty where a word says that none is known.

    An image without a group is a unit of its own: all images of "NA" are no patient. Raises NullcropError
    when such words are all there is.
    """
    plain = listing["group"].str.strip()
    unknown = plain.map(is_not_known).astype(bool)
    words = plain[unknown & (plain != "")].value_counts()
    if len(words):
        said = listed(f"'{word}' ({count} images)" for word, count in words.items())
        if unknown.all():
            raise NullcropError(
                f"no image has a group, only words that none is known: {said}; name another column, or take "
                "`group:` out of the definition"
            )
        say(
            f"{int(unknown.sum())} of {len(listing)} images have no known group, and each of them counts as "
            f"independent: {said}"
        )
    return listing.assign(group=plain.mask(unknown, ""))


def near_equal_groups(groups: Iterable[str]) -> list[list[str]]:
    """Names of ``groups`` that differ in case, blanks, zeros before a number or `.0` after it alone: lists of
    two or more that may be one patient."""
    of_key: dict[str, list[str]] = {}
    for name in sorted(set(groups) - {""}):
        of_key.setdefault(_key(name), []).append(name)
    return [names for names in of_key.values() if len(names) > 1]


def _key(name: str) -> str:
    plain = re.sub(r"\s", "", unicodedata.normalize("NFKC", name).casefold())
    return re.sub(r"(?<![\d.])0+(?=\d)", "", re.sub(r"(?<=\d)\.0+$", "", plain))
