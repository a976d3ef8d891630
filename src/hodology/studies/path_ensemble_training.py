"""Transformers trained from scratch with and without EnsembleScale and self-distillation, on the digits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hodology.data.digits import DigitsSplit, load_digits_split
from hodology.interpret.path_decomposition import decompose_data
from hodology.interpret.path_ensemble import PathEnsemble
from hodology.interpret.short_paths import distill_short_paths
from hodology.nn.fit import FitResult, accuracy, cached_model, fit
from hodology.nn.models import VisionTransformer

__all__ = ["trained_figures"]

_KINDS = ("plain", "EnsembleScale", "self-distillation", "both")


def trained_figures(seed: int, size: Mapping[str, Any]) -> dict[str, Any]:
    """Test accuracy (%) of every kind at one depth, of plain and both at every depth; accuracy of partial sums."""
    split = load_digits_split(seed=seed)
    test = torch.from_numpy(split.test_images), torch.from_numpy(split.test_labels)
    blocks = {kind: _trained(kind, size["blocks"], 48, size["block_epochs"], seed, split) for kind in _KINDS}
    depth = {
        kind: {
            str(d): 100 * accuracy(_trained(kind, d, size["width"], size["epochs"], seed, split), *test)
            for d in size["depths"]
        }
        for kind in ("plain", "both")
    }
    return {
        "blocks": size["blocks"],
        "epochs": {"blocks": size["block_epochs"], "depths": size["epochs"]},
        "accuracy": {kind: 100 * accuracy(model, *test) for kind, model in blocks.items()},
        "depth": depth,
        "partial": {kind: _partial(model, *test) for kind, model in blocks.items()},
    }


def _trained(kind: str, depth: int, width: int, epochs: int, seed: int, split: DigitsSplit) -> nn.Module:
    """A model with the same seed, data, order and number of epochs whatever its kind."""
    x, y = torch.from_numpy(split.train_images), torch.from_numpy(split.train_labels)
    shape: dict[str, Any] = {
        "image_size": 8, "patch_size": 2, "depth": depth, "width": width, "heads": 4, "hidden": 2 * width,
    }  # fmt: skip
    recipe: dict[str, Any] = {"batch_size": 32, "learning_rate": 2e-3, "epochs": epochs}

    def build() -> nn.Module:
        model = VisionTransformer(**shape, rng=seed)
        if kind in ("EnsembleScale", "both"):
            return PathEnsemble(model, scale="vector", state="all", example=x[:2])
        return model

    def train(model: nn.Module, checkpoint: Path) -> FitResult:
        if kind in ("self-distillation", "both"):
            return distill_short_paths(model, x, y, rng=seed, checkpoint=checkpoint, **recipe)
        spared = model.parameters_to_scale() if isinstance(model, PathEnsemble) else ()
        return fit(model, x, y, rng=seed, checkpoint=checkpoint, without_decay=spared, **recipe)

    key = {"name": "digits-paths", "kind": kind, "shape": shape, "fit": recipe, "seed": seed}
    model, _ = cached_model(build, train, key=key | {"data": split.fingerprint})
    return model


def _partial(model: nn.Module, x: Tensor, y: Tensor) -> list[float]:
    """Accuracy (%) of S_0 .. S_L, with the model's own weights of the components where it has them."""
    plain = model.model if isinstance(model, PathEnsemble) else model
    paths = decompose_data(plain, (x, y))
    values = paths.values
    if isinstance(model, PathEnsemble):
        scales = [w if w is not None else torch.ones(()) for w in model.weights()]
        values = torch.stack([v * w.detach() for v, w in zip(values, scales, strict=True)])
    sums = values.cumsum(dim=0)[list(paths.stream.boundaries())]
    with torch.no_grad():
        return [100 * float((paths.stream.head(s).argmax(dim=1) == y).double().mean()) for s in sums]
