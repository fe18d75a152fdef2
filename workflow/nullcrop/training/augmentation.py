"""Geometric augmentation of training images, on the device."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nullcrop.config.recipe import Recipe


def augmented(images: Tensor, recipe: Recipe, seed: int) -> Tensor:
    """``images`` (N×3×S×S, float32) mirrored and turned as ``recipe`` says, each by draws of its own.

    The draws depend on ``seed`` and the number of images alone. Turned images are interpolated bilinearly.
    """
    rng = np.random.default_rng(seed)
    n = len(images)
    if recipe.flips:
        for axis in (3, 2):
            mirrored = torch.from_numpy(rng.random(n) < 0.5).to(images.device)
            images = torch.where(mirrored.view(n, 1, 1, 1), images.flip(axis), images)
    if recipe.rotation:
        angle = np.radians(rng.uniform(-recipe.rotation, recipe.rotation, n))
        rows = np.stack(
            [np.cos(angle), -np.sin(angle), 0 * angle, np.sin(angle), np.cos(angle), 0 * angle], 1
        )
        turns = torch.from_numpy(rows.reshape(n, 2, 3).astype(np.float32)).to(images.device)
        grid = functional.affine_grid(turns, list(images.shape), align_corners=False)
        images = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    return images
