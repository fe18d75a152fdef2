"""A baseline: how much neighbouring pixels differ, by channel."""

import numpy as np

from nullcrop.config.readers import BASELINES, Baseline, Look

BASELINES.register(
    Baseline(
        name="steps",
        label="steps between pixels",
        look=Look("#6A6A6A", dark="#C8CCD0", mark="H"),
        about="the mean difference of neighbouring pixels, by channel",
        sees="pixels",
        features=f"{__name__}:steps",
    )
)


def steps(image):
    levels = image.astype(float)
    return np.concatenate([abs(np.diff(levels, axis=axis)).mean(axis=(0, 1)) for axis in (0, 1)])
