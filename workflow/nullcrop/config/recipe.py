"""How a network is trained. Plain Python: the training package reads it where nothing else is installed."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained; every key has the study's value as its default."""

    __pydantic_config__ = {"extra": "forbid", "use_attribute_docstrings": True}

    weights: Literal["imagenet", "random"] = "imagenet"
    """Initial weights: ImageNet checkpoints, or random ones (training from scratch)."""
    input_size: int | None = None
    """Side in pixels to which every image is resized; empty: the architecture's own (224, InceptionV3 299,
    LeNet-5 20)."""
    learning_rate: float = 1e-4
    """Learning rate of Adam in the first epoch; it stays so unless `decay` or `plateau_patience` lower it."""
    decay: float = 0.0
    """The learning rate of epoch e is divided by 1 + decay · (e - 1)."""
    plateau_patience: int | None = None
    """After more than this many epochs without a lower validation loss the learning rate is multiplied by
    `plateau_factor`, as torch's ReduceLROnPlateau does; empty: never."""
    plateau_factor: float = 0.5
    """What `plateau_patience` multiplies the learning rate with."""
    batch_size: int = 32
    """Training images a step. The last, partial batch is kept; a single left-over image joins the batch
    before it."""
    epochs: int = 5
    """Passes over the training images."""
    early_stopping: int | None = None
    """Training ends after this many epochs in a row without a lower validation loss; empty: it goes on to
    the last epoch."""
    tested: Literal["last", "best"] = "last"
    """Weights that are tested: those of the last epoch, or of the epoch with the lowest validation loss."""
    train: Literal["all", "head"] = "all"
    """`head`: the network is a frozen encoder and its last layer alone is trained, a linear probe."""
    output: Literal["softmax", "sigmoid"] = "softmax"
    """Last layer and loss. `softmax`: one output a target and cross-entropy (log-softmax with the negative
    log-likelihood is the same). `sigmoid`: for two targets a single output and binary cross-entropy; for
    more targets the same as `softmax`."""
    dropout: float | None = None
    """Rate of the network's dropout layers; empty: the architecture's own."""
    flips: bool = False
    """Training images are mirrored left to right and top to bottom, each by a toss of a coin every epoch."""
    rotation: float = 0.0
    """Training images are turned by up to this many degrees either way, by an angle that is drawn anew in
    each epoch. What was outside the image is filled with its mirror image."""
    auxiliary_weight: float = 0.4
    """Weight of the auxiliary classifier's loss (InceptionV3 alone has one)."""

    def __post_init__(self) -> None:
        for name in ("learning_rate", "batch_size", "epochs"):
            # Written so that NaN fails as well.
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be greater than 0, not {getattr(self, name)}")
        if self.batch_size == 1:
            raise ValueError("batch_size must be at least 2: batch normalisation needs two images")
        for name in ("plateau_patience", "early_stopping"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1 epoch, not {getattr(self, name)}")
        if not 0 <= self.decay < float("inf"):
            raise ValueError(f"decay must be 0 or more, not {self.decay}")
        if not 0 < self.plateau_factor < 1:
            raise ValueError(f"plateau_factor must lie between 0 and 1, not {self.plateau_factor}")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be 0 or more and less than 1, not {self.dropout}")
        if not 0 <= self.rotation <= 180:
            raise ValueError(f"rotation must lie between 0 and 180 degrees, not {self.rotation}")
        if self.input_size is not None and self.input_size < 8:
            raise ValueError(f"input_size must be at least 8 pixels, not {self.input_size}")
        if not 0 <= self.auxiliary_weight < float("inf"):
            raise ValueError(f"auxiliary_weight must be 0 or more, not {self.auxiliary_weight}")

    @property
    def watching(self) -> list[str]:
        """Keys by which this recipe looks at a validation part."""
        looks = {
            "plateau_patience": self.plateau_patience is not None,
            "early_stopping": self.early_stopping is not None,
            "tested": self.tested == "best",
        }
        return [key for key, looking in looks.items() if looking]

    def differences(self) -> dict[str, Any]:
        """What differs from the defaults: the recipe's identity, which a key added later does not change."""
        return {
            field.name: value
            for field in fields(self)
            if (value := getattr(self, field.name)) != field.default
        }

    def to_json(self) -> str:
        """:meth:`differences` as one line of JSON; :meth:`from_json` reads it."""
        return json.dumps(self.differences(), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """The recipe in ``text``; ValueError or TypeError when a key or value is wrong."""
        content: dict[str, Any] = json.loads(text)
        return cls(**content)


@dataclass(frozen=True, kw_only=True)
class BaselineRecipe:
    """How every baseline is fitted; fixed, so that no one can tune it on a test set."""

    prior_variance: float = 1.0
    """Variance of an image's log-odds before its target is seen. The ridge penalty of a logistic regression
    on d standardised features is that of C = prior_variance / d: as strict on 1,200 pixels as on three
    means."""
    max_iterations: int = 1000
    """Bound on the solver's iterations; cell.json says whether they sufficed."""
    histogram_bins: int = 32
    """Bins of the grey levels 0 to 255 in each channel's histogram."""
    pixels_side: int = 20
    """Side in pixels to which a view is resized before its pixels are features."""


def is_same_recipe(recorded: Mapping[str, Any], recipe: Recipe | BaselineRecipe) -> bool:
    """Whether the ``recipe`` in a finished cell's cell.json is this one.

    A key that it lacks was added since the cell was made, and stood at its default.
    """
    return {**{field.name: field.default for field in fields(recipe)}, **recorded} == asdict(recipe)


BUILT_IN = {
    "paper": Recipe(),  # the study's own text
    "scratch": Recipe(weights="random"),
}
"""Recipes every config may name. A config adds its own; it cannot redefine these, because a
cell's path must mean the same training everywhere."""
