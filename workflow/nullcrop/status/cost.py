"""What finished cells took of each kind of hardware, summed from their cell.json."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

UNNAMED = "unnamed hardware"
"""Hardware of cells that do not name it."""

MEASURED = ("seconds", "images_a_second", "peak_device_mb", "peak_host_mb", "energy_kwh")


def cost_rows(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row a record (a cell.json): its hardware and what it measured, NaN where it did not or is older."""
    return pd.DataFrame(
        [
            {
                "hardware": record.get("hardware") or UNNAMED,
                **{name: math.nan if record.get(name) is None else float(record[name]) for name in MEASURED},
            }
            for record in records
        ],
        columns=["hardware", *MEASURED],
    )


def summed_cost(rows: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """``rows`` of :func:`cost_rows`, with further columns, summed by the columns ``by`` in their first
    order.

    Columns ``cells``, ``seconds`` and ``energy_kwh`` (sums), ``images_a_second`` (all images over all seconds
    of the cells that tell it) and the largest ``peak_device_mb`` and ``peak_host_mb``; NaN where no cell
    tells.
    """
    told = rows["images_a_second"].notna()
    rows = rows.assign(
        counted_seconds=rows["seconds"].where(told), images=rows["images_a_second"] * rows["seconds"]
    )
    summed = rows.groupby(list(by), sort=False, as_index=False).agg(
        cells=("seconds", "size"),
        seconds=("seconds", "sum"),
        images=("images", "sum"),
        counted_seconds=("counted_seconds", "sum"),
        peak_device_mb=("peak_device_mb", "max"),
        peak_host_mb=("peak_host_mb", "max"),
        energy_kwh=("energy_kwh", lambda each: each.sum(min_count=1)),
    )
    summed["images_a_second"] = summed["images"] / summed["counted_seconds"].where(
        summed["counted_seconds"] > 0
    )
    return summed.drop(columns=["images", "counted_seconds"])
