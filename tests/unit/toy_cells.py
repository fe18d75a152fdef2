"""A small training, for every way of running it: recipes, and what two runs of one cell must share."""

from pathlib import Path

import pandas as pd

from nullcrop.basics.files import sha256_of
from nullcrop.config.recipe import Recipe

SCRATCH = Recipe(weights="random", epochs=3, learning_rate=1e-3, batch_size=16)
IMAGES = 60

SCHEDULED = Recipe(
    **{
        "weights": "random",
        "input_size": 46,
        "epochs": 4,
        "learning_rate": 1e-2,
        "batch_size": 8,
        "decay": 0.1,
    },
    **{
        "dropout": 0.4,
        "flips": True,
        "rotation": 90,
        "plateau_patience": 1,
        "tested": "best",
        "output": "sigmoid",
    },
)


def hashes(folder: Path) -> dict[str, str]:
    """What must be equal bit for bit: predictions, and the history without what was measured."""
    history = pd.read_csv(folder / "history.csv").drop(columns=["seconds", "energy_kwh"])
    return {"predictions": sha256_of(folder / "predictions.csv"), "history": history.to_csv()}
