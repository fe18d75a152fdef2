"""How a network is trained. Plain Python: the training package reads it where nothing else is installed."""

import json
from dataclasses import dataclass, fields
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained; every key has the study's value as its default."""

    __pydantic_config__ = {"extra": "forbid", "use_attribute_docstrings": True}

    weights: Literal["imagenet", "random"] = "imagenet"
    """Initial weights: ImageNet checkpoints, or random ones (training from scratch)."""
    input_size: int | None = None
    """Side in pixels to which every image is resized; empty: the architecture's own (224, InceptionV3 299, LeNet-5 20)."""
    learning_rate: float = 1e-4
    """Learning rate of Adam, constant over all epochs."""
    batch_size: int = 32
    """Training images a step. The last, partial batch is kept; a single left-over image joins the batch before it."""
    epochs: int = 5
    """Passes over the training images; the weights of the last epoch are tested."""
    auxiliary_weight: float = 0.4
    """Weight of the auxiliary classifier's loss (InceptionV3 alone has one)."""

    def __post_init__(self) -> None:
        for name in ("learning_rate", "batch_size", "epochs"):
            # Written so that NaN fails as well.
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be greater than 0, not {getattr(self, name)}")
        if self.batch_size == 1:
            raise ValueError("batch_size must be at least 2: batch normalisation needs two images")
        if self.input_size is not None and self.input_size < 8:
            raise ValueError(f"input_size must be at least 8 pixels, not {self.input_size}")
        if not 0 <= self.auxiliary_weight < float("inf"):
            raise ValueError(f"auxiliary_weight must be 0 or more, not {self.auxiliary_weight}")

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
    """Variance of an image's log-odds before its target is seen. The ridge penalty of a logistic regression on d
    standardised features is that of C = prior_variance / d: as strict on 1,200 pixels as on three means."""
    max_iterations: int = 1000
    """Bound on the solver's iterations; cell.json says whether they sufficed."""
    histogram_bins: int = 32
    """Bins of the grey levels 0 to 255 in each channel's histogram."""
    pixels_side: int = 20
    """Side in pixels to which a view is resized before its pixels are features."""


BUILT_IN = {
    "paper": Recipe(),  # the study's own text
    "scratch": Recipe(weights="random"),
}
"""Recipes every config may name. A config adds its own; it cannot redefine these, because a
cell's path must mean the same training everywhere."""
