"""The user's own network and images for the causal-paths study: ``DIR/model`` and class folders in ``DIR/images``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hodology.data import open_dataset
from hodology.errors import InputError
from hodology.interpret.class_labels import known_label, map_labels
from hodology.nn.load import load_model
from hodology.rng import stream

__all__ = ["real_model"]

_TEST = 20  # test images of each class
_FEWEST = 16  # images to build on; a half of them must do for a test


def real_model(
    folder: str, seed: int, size: dict[str, Any]
) -> tuple[nn.Module, Tensor, Tensor, Tensor, Tensor, tuple[int, ...]]:
    """Model, images to build on with their labels, test images with theirs, and the classes drawn.

    Raises
    ------
    InputError
        When no class folder names a class of the model, or a class has too few images.
    """
    loaded, dataset = load_model(str(Path(folder) / "model")), open_dataset(str(Path(folder) / "images"))
    mapping = map_labels(dataset.class_names, loaded)
    labels = np.array([known_label(label, mapping) for label in dataset.labels()])
    found = [int(c) for c in np.unique(labels[labels >= 0])]
    if not found:
        raise InputError(f"the class folders of {folder}/images do not name classes of the model.")
    drawn = stream(seed, "classes").permutation(found)[: len(size["classes"])]
    parts: dict[str, list[int]] = {"choose": [], "test": []}
    for c in drawn:
        own = stream(seed, "images", int(c)).permutation(np.flatnonzero(labels == c))
        if len(own) < 8 + _TEST:
            raise InputError(
                f"class {loaded.class_name(int(c))!r} has {len(own)} images, {8 + _TEST} are needed."
            )
        parts["test"] += own[:_TEST].tolist()
        parts["choose"] += own[_TEST : _TEST + size["samples"]].tolist()
    tensors: list[Any] = []
    for rows in parts.values():
        inputs: Any = loaded.prepare([dataset.items(i, i + 1)[0].content for i in rows])
        tensors += [
            inputs["pixel_values"] if hasattr(inputs, "keys") else inputs,
            torch.from_numpy(labels[rows]),
        ]
    return loaded.model, tensors[0], tensors[1], tensors[2], tensors[3], tuple(int(c) for c in drawn)
