"""A step that fails says why and stops nothing else."""

from collections.abc import Callable

from .conftest import TOY_PHANTOM, Checkout


def test_a_failing_step_shows_its_message_and_leaves_the_rest_running(fresh: Callable[[], Checkout]) -> None:
    """One dataset without its folder: said in the user's words, while the other one is finished."""
    checkout = fresh()
    checkout.write_definition("one", source={"kind": "folder", "path": "no/such/folder"}, group=None)
    checkout.write_study(splits=["random"])
    output = checkout.snakemake(fails=True)
    assert "source.path: there is no folder no/such/folder" in output
    assert "Traceback" not in output
    assert (checkout.folder / "results/studies/toy/two/figures/accuracy.png").is_file()
    assert not (checkout.folder / "results/studies/toy/metrics.csv").exists()


def test_an_exploding_loss_fails_its_cell_in_words(fresh: Callable[[], Checkout]) -> None:
    checkout = fresh()
    checkout.write_definition("one", source={**TOY_PHANTOM["source"]})  # type: ignore[dict-item]
    checkout.write_config(recipes={"toy": {"weights": "random", "epochs": 3, "learning_rate": 1e18}})
    output = checkout.snakemake("results/studies/toy/one/metrics.csv", fails=True)
    assert "the training loss became" in output
    assert not list((checkout.folder / "results/cells").rglob("*.csv"))
