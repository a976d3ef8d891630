"""The user's own transformer and images for the path-ensemble study: ``DIR/model`` and class folders in ``DIR/images``."""

from __future__ import annotations

from collections.abc import Mapping
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

__all__ = ["real_images"]


def real_images(folder: str, seed: int, count: int) -> tuple[nn.Module, Tensor, Tensor]:
    """The model, twice `count` images drawn by the seed (as far as there are), and their classes.

    Raises
    ------
    InputError
        When no class folder names a class of the model.
    """
    loaded, dataset = load_model(str(Path(folder) / "model")), open_dataset(str(Path(folder) / "images"))
    mapping = map_labels(dataset.class_names, loaded)
    labels = np.array([known_label(label, mapping) for label in dataset.labels()])
    known = np.flatnonzero(labels >= 0)
    if not len(known):
        raise InputError(f"the class folders of {folder}/images do not name classes of the model.")
    rows = stream(seed, "images").permutation(known)[: 2 * count]
    inputs: Any = loaded.prepare([dataset.items(int(i), int(i) + 1)[0].content for i in rows])
    x = inputs["pixel_values"] if isinstance(inputs, Mapping) else inputs
    return loaded.model, x, torch.from_numpy(labels[rows].astype(np.int64))
