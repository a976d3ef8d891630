"""Sweeps of the task-geometry study beside its claims: alignment, random geometries, nudged XOR, read-outs, depth, flow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hodology.geometry.binary_tasks import Task, hadamard_task, nudged_xor
from hodology.geometry.random_kernels import random_kernel_task
from hodology.geometry.shallow_training import ALL_WEIGHTS, FIXED_READOUT, Training
from hodology.geometry.weight_flow import class_plane, weight_flow, weight_paths
from hodology.rng import derive_seed
from hodology.studies.task_geometry_rows import task_rows

__all__ = ["flow_rows", "sweep_rows", "variant_rows"]

_PAIR = ("tanh", "relu")


def sweep_rows(size: dict[str, Any], seed: int) -> list[dict[str, Any]]:
    """Rows of tanh and ReLU over alignments, random spectra, random kernels and nudged XOR."""
    training = replace(ALL_WEIGHTS, epochs=size["sweep_epochs"], samples=1000, batch_size=200)
    rows: list[dict[str, Any]] = []

    def add(task: Task, family: str, alignment: float, draw: int = 0) -> None:
        marks: dict[str, str | float] = {"family": family, "alignment": alignment, "draw": draw}
        rows.extend(task_rows(task, _PAIR, training, size["nets"], seed, marks=marks))

    task_seed = derive_seed(seed, "task")
    for k in (1, 3):
        most = float(np.sqrt(k / 7))
        inner = np.linspace(0.0, most, size["points"])
        outer = np.linspace(most, 1.0, size["outer"] + 1)[1:]
        for c in (*inner.tolist(), *outer.tolist()):
            task = hadamard_task(3, targets=k, alignment=c, seed=task_seed)
            add(task, f"even spectrum, 8 conditions, {k} target{'s' if k > 1 else ''}", c)
    for draw in range(size["draws"]):
        own = derive_seed(seed, "draw", draw)
        for c in (0.1, 0.2, 0.35):
            task = hadamard_task(3, alignment=c, scale=0.5, seed=own)
            add(task, "random spectrum (scale 0.5), 8 conditions, 1 target", c, draw)
        for c in (0.1, 0.3):
            add(random_kernel_task(alignment=c, seed=own), "random kernel, 32 conditions, 1 target", c, draw)
    for epsilon in np.linspace(0.0, 1.0, size["nudges"]).tolist():
        add(nudged_xor(epsilon, noise=0.3, seed=task_seed), "nudged XOR (epsilon), noise 0.3", epsilon)
    return rows


def variant_rows(size: dict[str, Any], seed: int) -> list[dict[str, Any]]:
    """Other read-outs, optimizers and depths on 8 conditions, one target, s = 1."""
    task = hadamard_task(3, separability=1.0, seed=derive_seed(seed, "task"))
    fixed = replace(FIXED_READOUT, epochs=size["fixed_epochs"], samples=1000, batch_size=50)
    free = replace(ALL_WEIGHTS, epochs=size["sweep_epochs"], samples=1000, batch_size=200)
    variants: list[tuple[str, Training]] = [
        (f"fixed read-out, SGD, {kind} output weights", replace(fixed, readout=kind))
        for kind in ("gaussian", "uniform", "unit-norm", "balanced")
    ]
    variants.append(
        ("all weights, steps scaled by RMS, 0.001", replace(free, optimizer="rms", learning_rate=1e-3))
    )
    variants.append(("all weights, Adam, 0.001", replace(free, learning_rate=1e-3)))
    for depth in (5, 10):
        deep = replace(free, learning_rate=1e-3, depth=depth, epochs=max(1, size["sweep_epochs"] // 2))
        variants.append((f"all weights, Adam, 0.001, depth {depth} (last layer)", deep))
    rows = []
    for name, training in variants:
        rows += task_rows(task, _PAIR, training, size["nets"], seed, marks={"variant": name})
    return rows


def flow_rows(seed: int) -> list[dict[str, Any]]:
    """Where single units go while the read-out still says the base rate (8 conditions, one target, s = 0.5)."""
    task = hadamard_task(3, separability=0.5, seed=derive_seed(seed, "task"))
    between = class_plane(task)[0]
    rows = []
    for name in ("tanh", "relu", "relu clipped at 1", "linear"):
        paths = weight_paths(task, name, units=60, steps=200, samples=1000, seed=seed)
        cosine = paths.cosine(between).mean(axis=1)
        flow = weight_flow(task, name, extent=6.0, grid=9, samples=1000, seed=seed)
        ring = np.ones_like(flow.speed, dtype=bool)
        ring[1:-1, 1:-1] = False
        near = flow.speed[3:6, 3:6].sum() - flow.speed[4, 4]  # ReLU has no slope at the origin itself
        far = flow.speed[ring].mean() / (near / 8)
        ends = {"start": float(cosine[0]), "end": float(cosine[-1])}
        rows.append({"activation": name, **ends, "far": float(far)})
    return rows
