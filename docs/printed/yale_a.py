"""Draw what one hold-out of 33 faces hides: twenty of them beside what was printed of one.

    snakemake --cores 2 results/studies/earlier/yale_a/metrics.csv --configfile config/earlier.yaml
    python docs/printed/yale_a.py results/studies/earlier/yale_a/metrics.csv docs/printed/yale_a.png

Prints the numbers that docs/paper.md tells.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from nullcrop.basics.files import written_whole
from nullcrop.config.readers import look_of
from nullcrop.config.views import view_label
from nullcrop.figures.style import INK, MUTED, SMALL_SIZE, figure_style
from nullcrop.published.finite import Counted, counted, p_same
from nullcrop.published.rounding import Rounded

PRINTED = {"original": "0.9697", "forehead": "0.5455"}
"""Accuracies in section 3.1 of Dhar and Shamir (2021), on 33 test images."""


def printed_counts(text: str, n: int) -> Counted:
    """The right answers behind ``text``."""
    found = counted(Rounded.parse(text), n)
    if found is None:
        sys.exit(f"{text} is no k of {n}: these are not the cells of the printed test parts")
    return found


def draw(holdouts: pd.DataFrame, out: Path) -> None:
    """Draw the cells of ``holdouts``, one row a view, and print what they come to."""
    n = int(holdouts["n"].iloc[0])
    images = int(holdouts[["n_train", "n_test"]].iloc[0].sum())
    look = look_of("lenet5")
    with figure_style():
        figure = Figure(figsize=(6.8, 3.3), layout="constrained")
        ax = figure.subplots()
        for row, (view, text) in enumerate(reversed(PRINTED.items())):
            right = np.rint(holdouts.loc[holdouts["view"] == view, "accuracy"] * n).astype(int)
            printed, mean = printed_counts(text, n), right.mean() / n
            for k, times in right.value_counts().items():
                heights = row + 0.055 * (np.arange(times) - (times - 1) / 2)
                ax.plot(
                    np.full(times, k / n),
                    heights,
                    **{"marker": "o", "markersize": 4.5, "linestyle": "", "markerfacecolor": look.colour},
                    **{"markeredgecolor": INK, "markeredgewidth": 0.6},
                )
            ax.vlines(mean, row - 0.32, row + 0.32, color=INK, linewidth=1.2)
            ax.text(
                mean, row + 0.34, f"mean {100 * mean:.0f} %", ha="center", va="bottom", fontsize=SMALL_SIZE
            )
            low, high = printed.interval
            ax.hlines(row - 0.42, low, high, color=INK, linewidth=1.4)
            ax.plot(printed.least / n, row - 0.42, "D", color="white", markeredgecolor=INK, markersize=6)
            words = f"printed: {printed.least} of {n}, 95 % interval"
            side = "right" if printed.least / n > 0.75 else "left"
            x = low - 0.01 if side == "right" else high + 0.01
            ax.text(x, row - 0.42, words, ha=side, va="center", fontsize=SMALL_SIZE)
            print(
                f"{view}: {len(right)} hold-outs of {n}, mean {mean:.4f}, from {right.min()} to "
                f"{right.max()} right, at least {printed.least} in {(right >= printed.least).sum()}, at most "
                f"that in {(right <= printed.least).sum()}, standard deviation {right.std() / n:.3f}; p "
                f"against the mean on {images} images {p_same(printed, mean, images):.3f}"
            )
        ax.axvline(1 / 15, color=MUTED, linestyle=(0, (5, 2)), linewidth=0.9)
        ax.text(1 / 15 + 0.01, 1.45, "no information, 1 of 15", fontsize=SMALL_SIZE, va="center", color=MUTED)
        labels = {"original": "whole image", "forehead": f"{view_label('forehead')},\n22×29 pixels"}
        ax.set_yticks(range(len(PRINTED)), [labels[view] for view in reversed(PRINTED)])
        ax.set_ylim(-0.65, 1.65)
        ax.set_xlim(0, 1.02)
        ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        ax.set_xlabel(f"accuracy of LeNet-5 on {n} test images; a dot is one of twenty draws of them")
        ax.grid(axis="x", color="#E4E4E4", linewidth=0.6)
        ax.set_axisbelow(True)
        ax.set_title("Yale Faces A: what one hold-out could have been", loc="left")
        with written_whole(out) as aside:
            figure.savefig(aside, format="png", dpi=130, metadata={"Software": None})


def main(metrics: Path, out: Path) -> None:
    """Draw the hold-outs in the table ``metrics`` of a study."""
    table = pd.read_csv(metrics)
    chosen = (table["split"] == "holdout20") & (table["architecture"] == "lenet5")
    draw(table[chosen & table["view"].isin(list(PRINTED)) & (table["dataset"] == "yale_a")], out)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
