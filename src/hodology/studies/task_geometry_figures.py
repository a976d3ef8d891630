"""The figures of one seed of the task-geometry study; `hodology.studies.task_geometry` judges them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hodology.geometry.binary_tasks import hadamard_task
from hodology.geometry.shallow_activations import ACTIVATIONS
from hodology.geometry.shallow_fit import train_shallow
from hodology.geometry.shallow_training import ALL_WEIGHTS, FIXED_READOUT
from hodology.rng import derive_seed
from hodology.studies.task_geometry_data import digit_images, folder_images
from hodology.studies.task_geometry_images import image_rows
from hodology.studies.task_geometry_rows import abstraction_rows, run_rows, task_rows
from hodology.studies.task_geometry_sweeps import flow_rows, sweep_rows, variant_rows

__all__ = ["SIZES", "measure"]

_NAMED = ("tanh", "relu", "relu clipped at 1", "relu clipped at 2", "relu(x-1)", "relu(x+1)")
SIZES: dict[str, dict[str, Any]] = {
    "quick": {
        "bits": (3,),
        "nets": 1,
        "free_epochs": 120,
        "fixed_epochs": 100,
        "controls": _NAMED,
        "abstraction": (0.5,),
        "noises": (0.5, 2.0),
        "machines": False,
        "sweep_epochs": 30,
        "points": 3,
        "outer": 1,
        "draws": 1,
        "nudges": 3,
        "variants": False,
        "mlp_epochs": 20,
        "conv_epochs": 8,
        "images": (1500, 1000),
    },
    "standard": {
        "bits": (3, 4),
        "nets": 2,
        "free_epochs": 120,
        "fixed_epochs": 250,
        "controls": tuple(ACTIVATIONS),
        "abstraction": (0.5, 1.0),
        "noises": (0.5, 1.0, 2.0),
        "machines": True,
        "sweep_epochs": 40,
        "points": 12,
        "outer": 4,
        "draws": 3,
        "nudges": 21,
        "variants": True,
        "mlp_epochs": 60,
        "conv_epochs": 25,
        "images": (8000, 2000),
    },
}


def measure(payload: Mapping[str, Any]) -> bytes:
    """All figures of one seed, as JSON; with a data folder those of its images alone."""
    seed, size = payload["seed"], SIZES[payload["size"]]
    if payload["data"] is not None:
        train, test = size["images"]
        images = folder_images(payload["data"], seed, train=train, test=test)
        small = {
            **size,
            "nets": 1,
            "mlp_epochs": size["mlp_epochs"] // 3,
            "conv_epochs": size["conv_epochs"] // 3,
        }
        return json.dumps({"images": image_rows(images, small, seed)}).encode()
    cells, abstraction = _cells(size, seed)
    figures: dict[str, Any] = {
        "cells": cells,
        "abstraction": abstraction,
        "controls": _controls(size, seed),
        "images": image_rows(digit_images(seed), size, seed),
        "sweeps": sweep_rows(size, seed),
        "variants": variant_rows(size, seed) if size["variants"] else [],
        "flow": flow_rows(seed),
    }
    return json.dumps(figures).encode()


def _cells(size: dict[str, Any], seed: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """tanh and ReLU over conditions, targets and separability, in both settings; two bits also for abstraction."""
    free = replace(ALL_WEIGHTS, epochs=size["free_epochs"], samples=1000, batch_size=200)
    fixed = replace(FIXED_READOUT, epochs=size["fixed_epochs"], samples=1000, batch_size=50)
    rows, abstraction = [], []
    for bits in size["bits"]:
        for targets in (1, 2):
            for separability in (0.0, 0.5, 1.0):
                task = hadamard_task(
                    bits, targets=targets, separability=separability, seed=derive_seed(seed, "task")
                )
                for training in (free, fixed):
                    run = train_shallow(
                        task, ["tanh", "relu"], n_nets=size["nets"], training=training, seed=seed
                    )
                    marks = {"bits": bits, "targets": targets, "separability": separability}
                    rows += [{**marks, **row} for row in run_rows(run)]
                    if bits == 3 and targets == 2 and separability in size["abstraction"]:
                        abstraction += abstraction_rows(
                            run, size["noises"], seed, machines=size["machines"], marks=marks
                        )
    return rows, abstraction


def _controls(size: dict[str, Any], seed: int) -> list[dict[str, Any]]:
    """Activations that isolate the cause: fixed read-out, 8 conditions, one target, s = 1."""
    task = hadamard_task(3, separability=1.0, seed=derive_seed(seed, "task"))
    training = replace(FIXED_READOUT, epochs=size["fixed_epochs"], samples=1000, batch_size=50)
    return task_rows(task, size["controls"], training, size["nets"], seed)
