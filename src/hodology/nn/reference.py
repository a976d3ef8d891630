"""Reference networks trained on the embedded data; trained on first use, kept by content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hodology.data.digits import DigitsSplit, load_digits_split
from hodology.nn.fit import FitResult, accuracy, cached_model, fit
from hodology.nn.models import SmallCNN, VisionTransformer

__all__ = ["DigitsModel", "digits_cnn", "digits_vit"]

_SHAPE: dict[str, Any] = {
    "image_size": 8,
    "patch_size": 2,
    "depth": 6,
    "width": 48,
    "heads": 4,
    "hidden": 96,
}
_FILTERS: dict[str, Any] = {"image_size": 8, "filters": (12, 16), "hidden": 32}
_FIT: dict[str, Any] = {"batch_size": 32, "learning_rate": 2e-3}


@dataclass(frozen=True, eq=False)
class DigitsModel:
    """A classifier trained on the digits.

    Attributes
    ----------
    model : VisionTransformer or SmallCNN
    split : DigitsSplit
    accuracy : float
        On the test part.
    fit : FitResult
    """

    model: nn.Module
    split: DigitsSplit
    accuracy: float
    fit: FitResult


def digits_vit(
    *, seed: int = 0, epochs: int = 50, on_epoch: Callable[[int, int, float], None] | None = None
) -> DigitsModel:
    """Return the compact ViT (6 blocks, width 48, 96 hidden units, 4 heads, 2 x 2 patches) for one seed.

    Parameters
    ----------
    seed : int
        Seed of split, weights and order of training.
    epochs : int
        AdamW, one-cycle to 2e-3, batches of 32; 50 epochs take about 25 s on one core.
    on_epoch : callable, optional
        Progress: epochs done, epochs in all, loss.
    """
    recipe = {"name": "digits-vit", "shape": _SHAPE, "fit": _FIT, "seed": seed, "epochs": epochs}
    return _digits_model(lambda: VisionTransformer(**_SHAPE, rng=seed), recipe, _FIT, on_epoch)


def digits_cnn(
    *, seed: int = 0, epochs: int = 25, on_epoch: Callable[[int, int, float], None] | None = None
) -> DigitsModel:
    """Return the compact CNN (12 and 16 filters, 32 hidden units) for one seed; it trains in some 4 s on one core.

    Parameters
    ----------
    seed : int
        Seed of split, weights and order of training.
    epochs : int
        AdamW, one-cycle to 2e-3, batches of 32.
    on_epoch : callable, optional
        Progress: epochs done, epochs in all, loss.
    """
    recipe = {"name": "digits-cnn", "shape": _FILTERS, "fit": _FIT, "seed": seed, "epochs": epochs}
    return _digits_model(lambda: SmallCNN(**_FILTERS, rng=seed), recipe, _FIT, on_epoch)


def _digits_model(
    build: Callable[[], nn.Module],
    recipe: dict[str, Any],
    options: dict[str, Any],
    on_epoch: Callable[[int, int, float], None] | None,
) -> DigitsModel:
    seed, epochs = recipe["seed"], recipe["epochs"]
    split = load_digits_split(seed=seed)
    x, y = torch.from_numpy(split.train_images), torch.from_numpy(split.train_labels)

    def train(model: nn.Module, checkpoint: Path) -> FitResult:
        return fit(model, x, y, epochs=epochs, rng=seed, checkpoint=checkpoint, on_epoch=on_epoch, **options)

    model, result = cached_model(build, train, key=recipe | {"data": split.fingerprint})
    score = accuracy(model, torch.from_numpy(split.test_images), torch.from_numpy(split.test_labels))
    return DigitsModel(model, split, score, result)
