"""How often the audit raises an alarm on generated datasets whose truth is known."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student
from statsmodels.stats.proportion import proportion_confint

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import written_whole
from nullcrop.basics.progress import tracked
from nullcrop.statistics.auroc import LEVEL, TestSet, estimate_auroc
from nullcrop.statistics.maxt import maxt

SERIES = ["cue", "strength", "split"]
ALL = "all"
"""Every architecture together: the audit of a dataset."""


def write_calibration(paths: Sequence[Path], level: float, out: Path) -> None:
    """Write :func:`alarm_rates` of the predictions in ``paths`` as CSV."""
    table = alarm_rates(pd.concat([read_calibration(path) for path in paths], ignore_index=True), level)
    with written_whole(out) as aside:
        table.to_csv(aside, index=False)


def read_calibration(path: Path) -> pd.DataFrame:
    """Read predictions of :func:`audit_phantoms` or a table of :func:`write_calibration`; NullcropError
    names a bad file."""
    try:
        return pd.read_csv(path, dtype={"cue": str, "split": str, "id": str, "group": str})
    except (OSError, ValueError) as error:
        raise NullcropError(f"cannot read {path}: {error}; delete it and run again") from None


def alarm_rates(predictions: pd.DataFrame, level: float) -> pd.DataFrame:
    """Share of datasets with an alarm, by cue, strength, split, architecture and method.

    ``predictions`` as :func:`~nullcrop.calibration.audits.audit_phantoms` writes them. Methods:

    - `audit`: an alarm where the AUROC of any cell lies above 0.5 at the level ``level`` corrected
      over the cells (:func:`~nullcrop.statistics.maxt.maxt`), patients as units. The
      architecture `all` is the audit of the dataset; of one architecture the cells are its corners.
    - `naive`: an alarm where any cell does by itself, images taken for independent (DeLong).

    ``low`` and ``high`` are the exact 95 % interval (Clopper and Pearson) of the share; ``auroc`` is
    the mean over corners and datasets, with Student's 95 % interval over datasets.
    """
    groups = predictions.groupby([*SERIES, "dataset"], sort=False)
    audited = pd.DataFrame(
        [
            row
            for key, table in tracked(groups, groups.ngroups, "datasets")
            for row in _audit(key, table, level)
        ]
    )
    counted = audited.groupby([*SERIES, "architecture", "method"], sort=False)
    rows = []
    for key, table in counted:
        datasets, alarms = len(table), int(table["alarm"].sum())
        low, high = proportion_confint(alarms, datasets, alpha=1 - LEVEL, method="beta")
        auroc = table["auroc"].mean()
        half = student.ppf((1 + LEVEL) / 2, datasets - 1) * table["auroc"].sem() if datasets > 1 else np.nan
        rows.append(
            {
                **dict(zip([*SERIES, "architecture", "method"], key, strict=True)),
                "level": level,
                "datasets": datasets,
                "alarms": alarms,
                "share": alarms / datasets,
                "low": low,
                "high": high,
                "auroc": auroc,
                "auroc_low": auroc - half,
                "auroc_high": auroc + half,
            }
        )
    return pd.DataFrame(rows).sort_values(SERIES, kind="stable", ignore_index=True)


def _audit(key: Any, table: pd.DataFrame, level: float) -> Iterator[dict[str, Any]]:
    """Alarms of one dataset, by architecture and method."""
    target = table["target"].to_numpy(np.int64)
    patients = TestSet(target, table["group"].to_numpy(str), "/".join(map(str, key)))
    images = TestSet(target, np.full(len(table), ""))
    columns = [name for name in table if "." in str(name)]
    architectures = list(dict.fromkeys(str(name).split(".")[1] for name in columns))
    for architecture in (ALL, *architectures):
        cells = [name for name in columns if architecture in (ALL, str(name).split(".")[1])]
        scores = [table[name].to_numpy(np.float64) for name in cells]
        family = maxt([(patients, score) for score in scores], level)
        naive = [estimate_auroc(images, score)[0].p for score in scores]
        row = dict(zip([*SERIES, "dataset"], key, strict=True)) | {
            "architecture": architecture,
            "auroc": float(np.mean(family.value)),
        }
        yield row | {"method": "audit", "alarm": bool((family.p <= level).any())}
        yield row | {"method": "naive", "alarm": bool((np.array(naive) <= level).any())}
