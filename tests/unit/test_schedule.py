"""What a recipe decides from epoch to epoch, against torch's own schedulers."""

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from nullcrop.config.recipe import Recipe
from nullcrop.training.schedule import best_epoch, is_over, learning_rate

LOSSES = st.lists(st.sampled_from([0.1, 0.2, 0.20001, 0.3, 0.5, 1.0]), max_size=25)

# Each loss is lower than the one before by half of torch's threshold, by none of it, and by twice as much.
TOO_LITTLE, EQUAL, ENOUGH = ([factor**epoch for epoch in range(6)] for factor in (1 - 5e-5, 1, 1 - 2e-4))


def history(losses: list[float]) -> list[dict[str, float]]:
    return [{"val_loss": loss} for loss in losses]


def optimizer(rate: float) -> torch.optim.Optimizer:
    return torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=rate)


@given(losses=LOSSES, patience=st.integers(1, 4), factor=st.sampled_from([0.1, 0.5, 0.9]))
@example(losses=TOO_LITTLE, patience=1, factor=0.5)
@example(losses=EQUAL, patience=1, factor=0.5)
@example(losses=ENOUGH, patience=1, factor=0.5)
def test_a_plateau_lowers_the_rate_as_torchs_scheduler_does(
    losses: list[float], patience: int, factor: float
) -> None:
    steps = optimizer(0.01)
    theirs = ReduceLROnPlateau(steps, patience=patience, factor=factor, eps=0)
    recipe = Recipe(learning_rate=0.01, plateau_patience=patience, plateau_factor=factor)
    for epoch in range(len(losses) + 1):
        assert learning_rate(recipe, history(losses[:epoch])) == pytest.approx(steps.param_groups[0]["lr"])
        if epoch < len(losses):
            theirs.step(losses[epoch])


def test_decay_divides_the_rate_by_the_epochs_done() -> None:
    steps = optimizer(0.01)
    theirs = LambdaLR(steps, lambda epoch: 1 / (1 + 0.5 * epoch))
    recipe = Recipe(learning_rate=0.01, decay=0.5)
    for epoch in range(5):
        assert learning_rate(recipe, history([1.0] * epoch)) == pytest.approx(steps.param_groups[0]["lr"])
        steps.step()
        theirs.step()


def test_without_a_schedule_the_rate_is_the_recipes() -> None:
    assert learning_rate(Recipe(), history([1.0] * 40)) == Recipe().learning_rate


def test_training_ends_when_patience_or_epochs_are_spent() -> None:
    recipe = Recipe(epochs=6, early_stopping=2)
    losses = [0.5, 0.4, 0.45, 0.41, 0.1, 0.1]
    over = [is_over(recipe, history(losses[:epoch])) for epoch in range(7)]
    assert over == [False, False, False, False, True, False, True]
    assert not is_over(Recipe(epochs=6), history(losses[:5]))


@given(losses=LOSSES)
def test_the_best_epoch_is_the_first_of_those_with_the_lowest_loss(losses: list[float]) -> None:
    epoch = best_epoch(history(losses))
    assert epoch == (0 if not losses else 1 + min(range(len(losses)), key=lambda i: (losses[i], i)))
