"""A source: images that it draws itself, with the masks of what they show."""

import numpy as np
import pandas as pd
from PIL import Image

from nullcrop.config.sources import SOURCES, Source

SOURCES.register(
    Source(
        name="stripes",
        way="generated",
        model=f"{__name__}:Stripes",
        fetch=f"{__name__}:draw",
        list=f"{__name__}:list_stripes",
        describe=f"{__name__}:describe",
    )
)


def __getattr__(name):
    # The model needs pydantic, which training does without; it is made when a dataset's file is read.
    if name != "Stripes":
        raise AttributeError(name)
    from typing import Literal

    from nullcrop.config.definitions import SourceModel

    class Stripes(SourceModel):
        """Stripes, upright or level, on noise."""

        kind: Literal["stripes"]
        images: int = 60
        """Number of images."""

    globals()[name] = Stripes
    return Stripes


def draw(source, archive):
    rng = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (archive / folder).mkdir(parents=True, exist_ok=True)
    for number in range(source.images):
        upright = number % 2
        mask = np.zeros((64, 64), bool)
        mask[:, 28:36] = True
        mask = mask if upright else mask.T
        pixels = rng.integers(60, 120, (64, 64, 3), dtype=np.uint8)
        pixels[mask] += 90
        name = f"{'upright' if upright else 'level'}_{number}.png"
        Image.fromarray(pixels).save(archive / "images" / name)
        Image.fromarray(mask.astype(np.uint8) * 255).save(archive / "masks" / name)
    return {"images": source.images}


def list_stripes(source, archive, definition):
    paths = sorted((archive / "images").iterdir())
    table = pd.DataFrame({"id": [path.stem for path in paths], "path": [str(path) for path in paths]})
    return table.assign(**{"class": table["id"].str.partition("_")[0], "group": "", "official_split": ""})


def describe(definition):
    return "drawn", "open"
