"""The figure of confusion matrices: counts as scikit-learn's, rows and columns as named."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix

from nullcrop.basics.errors import NullcropError
from nullcrop.figures.confusion import plot_confusion


def answers(classes: int, views: list[str], seeds: int = 2, **coordinates: str) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    cell = {
        **{"dataset": "idc", "labels": "printed", "split": "random_balanced", "architecture": "alexnet"},
        **{"recipe": "paper", **coordinates},
    }
    return pd.concat(
        pd.DataFrame(
            {"target": rng.integers(0, classes, 50), "predicted": rng.integers(0, classes, 50)}
        ).assign(**cell, view=view, seed=seed)
        for view in views
        for seed in range(seeds)
    )


def test_the_counts_are_those_of_all_seeds_together(tmp_path: Path) -> None:
    table = pd.concat([answers(2, ["original", "center"]), answers(2, ["original"], architecture="timm:vit")])
    figure = plot_confusion(table, {"printed": ["healthy", "cancer"]}, "IDC", tmp_path / "confusion")
    assert all((tmp_path / f"confusion.{suffix}").stat().st_size > 1000 for suffix in ("pdf", "svg", "png"))
    shown = [[int(text.get_text().split("\n")[0]) for text in ax.texts] for ax in figure.axes if ax.texts]
    expected = [
        confusion_matrix(part["target"], part["predicted"]).ravel().tolist()
        for architecture, view in (("alexnet", "original"), ("alexnet", "center"), ("timm:vit", "original"))
        for part in [table[(table["architecture"] == architecture) & (table["view"] == view)]]
    ]
    assert shown == expected
    assert [ax.get_title() for ax in figure.axes[:2]] == ["original", "centre"]
    assert "0 healthy; 1 cancer" in " ".join(figure.texts[-1].get_text().split())


def test_of_many_classes_the_shades_are_shown(tmp_path: Path) -> None:
    names = [f"subject{number}" for number in range(15)]
    figure = plot_confusion(answers(15, ["original"]), {"printed": names}, "Yale", tmp_path / "confusion")
    assert not figure.axes[0].texts
    assert figure.axes[0].images[0].get_array().shape == (15, 15)


def test_controls_and_baselines_alone_are_nothing_to_draw(tmp_path: Path) -> None:
    table = pd.concat(
        [answers(2, ["original"], split="random_shuffle1"), answers(2, ["original"], architecture="majority")]
    )
    with pytest.raises(NullcropError, match="no network was given"):
        plot_confusion(table, {"printed": ["a", "b"]}, "IDC", tmp_path / "confusion")
