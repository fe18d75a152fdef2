"""Cells on a command line: any grid in one short line, and back."""

import pytest

from nullcrop.config.cell import Cell, fold_cells, unfold_cells
from nullcrop.config.views import views_made_always

VIEWS = tuple(views_made_always())


def test_cells_fold_into_a_line_of_any_grids_size():
    grid = [
        Cell("d", labels, split, view, architecture, "paper", seed)
        for labels in ("printed", "other")
        for split in ("random", "grouped")
        for view in VIEWS
        for architecture in ("resnet50", "vgg16", "lenet5")
        for seed in range(70)
    ]
    assert len(grid) > 5000
    text = fold_cells(grid)
    assert len(text) < 1000
    assert unfold_cells(text) == sorted(grid)
    assert fold_cells(reversed(grid)) == text
    odd = [*grid[:700], Cell("d", "printed", "random", "original", "mean_rgb", "baseline", 3)]
    assert unfold_cells(fold_cells(odd)) == sorted(odd)
    assert unfold_cells(fold_cells([])) == []


@pytest.mark.parametrize("text", ["[[1]]", "nonsense", "[3]", '[[["a"]]]'])
def test_what_no_grid_folds_to_is_refused(text):
    with pytest.raises((TypeError, ValueError)):
        unfold_cells(text)
