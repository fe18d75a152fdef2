"""Groups that an images' source does not tell, from a table of ids."""

import pandas as pd

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.config.definitions import Definition


def with_groups(definition: Definition, listing: pd.DataFrame) -> pd.DataFrame:
    """``listing`` with the groups of the definition's table, or as it is where there is none.

    Raises NullcropError when the table cannot be read, lacks an image, or has another class for one:
    then it is of another release, or the images are in another order.
    """
    path = definition.groups
    if path is None:
        return listing
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise NullcropError(f"groups: cannot read {path}: {error}") from None
    lacking = [name for name in ("id", "group") if name not in table.columns]
    if lacking:
        raise NullcropError(
            f"groups: {path} has no column {listed(lacking)}; its columns are {listed(table.columns)}"
        )
    doubled = table.loc[table["id"].duplicated(), "id"].unique()
    if len(doubled):
        raise NullcropError(f"groups: {path} names {len(doubled)} ids more than once: {listed(doubled)}")
    of_images = table.set_index("id").reindex(listing["id"])
    absent = listing.loc[of_images["group"].isna().to_numpy(), "id"]
    if len(absent):
        raise NullcropError(f"groups: {path} lacks {len(absent)} of the images: {listed(absent)}")
    if "class" in table.columns:
        other = listing.loc[of_images["class"].to_numpy() != listing["class"].to_numpy(), "id"]
        if len(other):
            raise NullcropError(
                f"groups: {path} has another class for {len(other)} images: {listed(other)}; "
                "it was made for another release"
            )
    return listing.assign(group=of_images["group"].to_numpy())
