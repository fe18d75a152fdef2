"""What may be expected of a network elsewhere: its accuracy less what shuffled pixels give away.

P_Est = P_source − P_shuffled + chance, after the project Data-Bias-Analysis: pixels in another order show no
object, so what is read from them is of the dataset, and will not be there elsewhere.
"""

import pandas as pd

from nullcrop.config.names import split_name

SHUFFLED = "pixel_shuffle"
"""The view of the pixels in another order."""

KEYS = ["labels", "split", "architecture", "recipe"]

OUTSIDE_COLUMNS = [*KEYS, "seeds", "source", "shuffled", "chance", "expected"]


def expected_outside(source: float, shuffled: float, chance: float) -> float:
    """P_Est from the accuracies on images and on shuffled pixels of one network, and that of chance.

    Where shuffled pixels tell no more than chance they give nothing away: it is ``source`` then, not more.
    """
    return source - max(shuffled - chance, 0)


def expected_accuracies(metrics: pd.DataFrame) -> pd.DataFrame:
    """P_Est of each network and baseline that saw whole images and their shuffled pixels, a row each
    (OUTSIDE_COLUMNS); none where one of the two is missing, or where labels were shuffled.

    ``metrics``: cells of one dataset (statistics/metrics.py). Accuracies are means over the ``seeds`` that
    both have. Chance is the no-information rate, the share of the largest class among the images tested; of
    equal classes it is one over their number.
    """
    if metrics.empty:
        return pd.DataFrame(columns=OUTSIDE_COLUMNS)
    kept = metrics[[split_name(split).shuffle == 0 for split in metrics["split"]]]
    of_view = {view: kept[kept["view"] == view] for view in ("original", SHUFFLED)}
    values = ["accuracy", "no_information_rate"]
    pairs = (
        of_view["original"]
        .merge(
            of_view[SHUFFLED][[*KEYS, "seed", "accuracy"]], on=[*KEYS, "seed"], suffixes=("", "_shuffled")
        )[[*KEYS, "seed", *values, "accuracy_shuffled"]]
        .dropna()
    )
    found = (
        pairs.groupby(KEYS, sort=False)
        .agg(
            seeds=("seed", "size"),
            source=("accuracy", "mean"),
            shuffled=("accuracy_shuffled", "mean"),
            chance=("no_information_rate", "mean"),
        )
        .reset_index()
    )
    rows = found[["source", "shuffled", "chance"]].itertuples(index=False)
    return found.assign(expected=[expected_outside(*row) for row in rows])[OUTSIDE_COLUMNS]
