"""What a recipe decides from epoch to epoch: learning rate, end of training, weights that are tested.

All are functions of the recipe and the history so far, so that a resumed cell decides as one that was
never interrupted.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from nullcrop.config.recipe import Recipe

History = Sequence[Mapping[str, Any]]
"""One entry an epoch, with its ``val_loss``."""

THRESHOLD = 1e-4
"""Share by which a loss must fall to count as lower for `plateau_patience`: the default of torch's
ReduceLROnPlateau."""


def learning_rate(recipe: Recipe, history: History) -> float:
    """Learning rate of the epoch that follows ``history``."""
    rate = recipe.learning_rate / (1 + recipe.decay * len(history))
    if recipe.plateau_patience is None:
        return rate
    return rate * recipe.plateau_factor ** _plateaus(history, recipe.plateau_patience)


def is_over(recipe: Recipe, history: History) -> bool:
    """Whether training ends after ``history``, for want of epochs or of progress."""
    if len(history) >= recipe.epochs:
        return True
    patience = recipe.early_stopping
    return patience is not None and len(history) - best_epoch(history) >= patience


def best_epoch(history: History) -> int:
    """The first epoch (1, 2, …) with the lowest validation loss; 0 before the first one."""
    losses = [row["val_loss"] for row in history]
    return losses.index(min(losses)) + 1 if losses else 0


def _plateaus(history: History, patience: int) -> int:
    """How often more than ``patience`` epochs in a row have not lowered the validation loss."""
    plateaus, waited, best = 0, 0, float("inf")
    for row in history:
        if row["val_loss"] < best * (1 - THRESHOLD):
            best, waited = row["val_loss"], 0
        else:
            waited += 1
        if waited > patience:
            plateaus, waited = plateaus + 1, 0
    return plateaus
