"""Networks for images with coarse labels: which layer takes over the geometry of the labels, with which activation?"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hodology.geometry.activations_of import patterns_of
from hodology.geometry.alignment import alignment_over_runs
from hodology.geometry.binary_tasks import recorded_task
from hodology.geometry.conditions import group_samples
from hodology.geometry.shallow_fit import train_shallow
from hodology.geometry.shallow_training import ALL_WEIGHTS, FIXED_READOUT, Training
from hodology.nn.fit import fit
from hodology.rng import derive_seed
from hodology.studies.task_geometry_data import ImageSplit

__all__ = ["image_rows"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU}


def image_rows(images: ImageSplit, size: dict[str, Any], seed: int) -> list[dict[str, Any]]:
    """Alignment of class means on test images, for a network of one hidden layer and a convolutional one."""
    images = _scaled(images)
    rows = []
    for name, coarse in images.coarse.items():
        for training in (ALL_WEIGHTS, FIXED_READOUT):
            rows += _shallow_rows(images, name, coarse, training, size, seed)
        for activation in _ACTIVATIONS:
            rows += _conv_rows(images, name, coarse, activation, size, seed)
    return rows


def _scaled(images: ImageSplit) -> ImageSplit:
    """Pixels around their mean with variance 1 on average over training images, the scale of the tasks' inputs."""
    mean = images.train.mean(axis=0)
    spread = float(np.sqrt(images.train.var(axis=0).mean()))
    return replace(images, train=(images.train - mean) / spread, test=(images.test - mean) / spread)


def _shallow_rows(
    images: ImageSplit,
    name: str,
    coarse: np.ndarray,
    training: Training,
    size: dict[str, Any],
    seed: int,
) -> list[dict[str, Any]]:
    flat, test = (x.reshape(len(x), -1) for x in (images.train, images.test))
    task = recorded_task(flat, images.train_classes, coarse)
    epochs, batch = (size["mlp_epochs"], 100) if training.train_readout else (5 * size["mlp_epochs"], 50)
    training = replace(training, samples=len(flat), epochs=epochs, batch_size=batch)
    run = train_shallow(task, list(_ACTIVATIONS), n_nets=size["nets"], training=training, seed=seed)
    rows = []
    for activation in _ACTIVATIONS:
        nets = run.nets.select(run.nets_of(activation))
        right = ((nets.logits(test)[:, :, 0] > 0) == coarse[images.test_classes]).mean()
        common = {
            "label": name,
            "network": f"one hidden layer ({training.setting})",
            "activation": activation,
            "test": float(right),
        }
        rows.append({**common, "layer": "hidden", **_aligned(nets.hidden(test), images, coarse)})
    return rows


def _conv_rows(
    images: ImageSplit, name: str, coarse: np.ndarray, activation: str, size: dict[str, Any], seed: int
) -> list[dict[str, Any]]:
    model = _conv_net(images.train.shape[1:], _ACTIVATIONS[activation], derive_seed(seed, "conv"))
    y = torch.from_numpy(coarse[images.train_classes].astype(np.float32))[:, None]
    fit(
        model,
        torch.from_numpy(images.train),
        y,
        epochs=size["conv_epochs"],
        learning_rate=3e-3,
        weight_decay=0.0,
        loss=nn.functional.binary_cross_entropy_with_logits,
        rng=seed,
    )
    layers = [part for part, module in model.named_children() if isinstance(module, _ACTIVATIONS[activation])]
    found = patterns_of(model, images.test, [*layers, "readout"], batch_size=256)
    right = ((found["readout"].values[:, 0] > 0) == coarse[images.test_classes]).mean()
    common = {"label": name, "network": "two convolutions", "activation": activation, "test": float(right)}
    return [
        {**common, "layer": layer, **_aligned(found[layer].values[None], images, coarse)} for layer in layers
    ]


def _conv_net(shape: tuple[int, ...], activation: type[nn.Module], seed: int) -> nn.Sequential:
    """Two convolutions and two fully connected layers."""
    channels, height, width = shape
    large = height >= 16
    first, second, hidden = (16, 32, 64) if large else (12, 16, 32)
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts["conv1"] = nn.Conv2d(channels, first, 3, padding=1)
        parts["act1"], parts["pool1"] = activation(), nn.AvgPool2d(2)
        parts["conv2"] = nn.Conv2d(first, second, 3, padding=1)
        parts["act2"], parts["pool2"] = activation(), nn.AvgPool2d(2)
        parts["flatten"] = nn.Flatten()
        parts["fc1"] = nn.Linear(second * (height // 4) * (width // 4), hidden)
        parts["act3"] = activation()
        parts["readout"] = nn.Linear(hidden, 1)
    return nn.Sequential(parts)


def _aligned(hidden: np.ndarray | Tensor, images: ImageSplit, coarse: np.ndarray) -> dict[str, float]:
    """Mean of the runs' alignments over class means of the test images."""
    means = np.stack(
        [group_samples(h, images.test_classes, constant_units="keep").means for h in np.asarray(hidden)]
    )
    inputs = group_samples(
        images.test.reshape(len(images.test), -1), images.test_classes, constant_units="keep"
    )
    found = alignment_over_runs(means, inputs.means, coarse)
    return {"input": found.mean_input, "target": found.mean_target}
