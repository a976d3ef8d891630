"""The forces on one hidden unit's weights early in training, drawn in a plane of the input space.

While the read-out of a network still says the base rate p, a unit with output weight J and weights w follows

    dw/dt = J E[(y - p) phi'(w.x + b) x].

Where phi saturates on both sides, phi' is a band: only inputs near the unit's boundary push it, units are driven to the
axis between the classes and stop there. Where phi' is a half-plane, as for ReLU, inputs on the inactive side never
push, and units stay specialised on regions.

Reference: Alleman, Lindsey and Fusi, "Task structure and nonlinearity jointly determine learned representational
geometry", ICLR 2024.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hodology.errors import InputError
from hodology.geometry.binary_tasks import Task
from hodology.geometry.shallow_activations import Activation, find_activation
from hodology.rng import stream

__all__ = ["WeightFlow", "WeightPaths", "class_plane", "weight_flow", "weight_paths"]


@dataclass(frozen=True, repr=False, eq=False)
class WeightFlow:
    """Forces on a grid of weights.

    Attributes
    ----------
    weights : float64 ndarray, shape (grid, grid, 2)
        Coordinates in the plane; the first varies along axis 1.
    flow : float64 ndarray, shape (grid, grid, 2)
        dw/dt in the plane.
    off_plane : float64 ndarray, shape (grid, grid)
        Length of the part of dw/dt that leaves the plane.
    plane : float64 ndarray, shape (2, inputs)
        Orthonormal axes: between classes, within classes.
    means : float64 ndarray, shape (conditions, 2)
        Clean inputs of the conditions in the plane.
    labels : int8 ndarray, shape (conditions,)
    activation : str
    """

    weights: np.ndarray
    flow: np.ndarray
    off_plane: np.ndarray
    plane: np.ndarray
    means: np.ndarray
    labels: np.ndarray
    activation: str

    def __repr__(self) -> str:
        return f"WeightFlow({self.activation!r}, grid of {len(self.flow)} x {len(self.flow)})"

    @property
    def speed(self) -> np.ndarray:
        """Length of the flow in the plane."""
        return np.linalg.norm(self.flow, axis=2)


@dataclass(frozen=True, repr=False, eq=False)
class WeightPaths:
    """Weights of single units as they follow the flow.

    Attributes
    ----------
    weights : float64 ndarray, shape (steps + 1, units, inputs)
    output_signs : float64 ndarray, shape (units,)
    activation : str
    """

    weights: np.ndarray
    output_signs: np.ndarray
    activation: str

    def __repr__(self) -> str:
        return (
            f"WeightPaths({self.activation!r}, {self.weights.shape[1]} units, {len(self.weights) - 1} steps)"
        )

    def cosine(self, direction: np.ndarray) -> np.ndarray:
        """|cosine| of each unit's weights with a direction at each step, shape (steps + 1, units)."""
        unit = np.asarray(direction, dtype=np.float64)
        norms = np.linalg.norm(self.weights, axis=2) * np.linalg.norm(unit)
        return np.abs(self.weights @ unit) / np.where(norms > 0, norms, np.nan)


def class_plane(task: Task, *, target: int = 0) -> np.ndarray:
    """Orthonormal axes between and within the classes of a target, shape (2, inputs).

    The first joins the class means; the second is the direction of most variance within classes, at right angles.

    Raises
    ------
    InputError
        When class means are equal (parity-like targets), or nothing varies within classes.
    """
    y = _labels(task, target)
    up, down = task.means[y == 1], task.means[y == 0]
    between = up.mean(axis=0) - down.mean(axis=0)
    scale = np.linalg.norm(task.means - task.means.mean(axis=0))
    if np.linalg.norm(between) <= 1e-9 * scale:
        raise InputError("the classes have the same mean input, so no direction joins them; pass plane=.")
    between = between / np.linalg.norm(between)
    within = np.concatenate([up - up.mean(axis=0), down - down.mean(axis=0)])
    within = within - np.outer(within @ between, between)
    values, vectors = np.linalg.svd(within, full_matrices=False)[1:]
    if values[0] <= 1e-9 * scale:
        raise InputError("nothing varies within the classes; pass plane=.")
    axis = vectors[0] - (vectors[0] @ between) * between
    axis = axis / np.linalg.norm(axis)
    return np.stack([between, axis * np.sign(axis[np.abs(axis).argmax()])])


def weight_flow(
    task: Task,
    activation: str | Activation,
    *,
    plane: Any = None,
    target: int = 0,
    output_sign: float = 1.0,
    bias: float = 0.0,
    extent: float | None = None,
    grid: int = 25,
    samples: int = 2000,
    noise: float | None = None,
    seed: int = 0,
) -> WeightFlow:
    """Flow of one unit's weights over a plane.

    Parameters
    ----------
    task : Task
    activation : str or Activation
        Its training derivative is used.
    plane : array-like, shape (2, inputs), optional
        Axes, made orthonormal in their order; default `class_plane`.
    target : int
        Which target's residual drives the unit.
    output_sign : float
        J.
    bias : float
        b.
    extent : float, optional
        The grid reaches from -extent to +extent; default so that preactivations reach 3 at the condition means.
    grid : int
        Points on a side.
    samples : int
        For the expectation; inputs are drawn with the task's noise, or `noise`.
    seed : int

    Returns
    -------
    WeightFlow
    """
    if grid < 2:
        raise InputError(f"grid must be at least 2, got {grid}.")
    axes = class_plane(task, target=target) if plane is None else _orthonormal(plane, task.means.shape[1])
    in_plane = task.means @ axes.T
    if extent is None:
        extent = 3.0 / max(float(np.abs(in_plane).max()), 1e-12)
    if not 0 < extent < np.inf:
        raise InputError(f"extent must be positive, got {extent}.")
    side = np.linspace(-extent, extent, grid)
    weights = np.stack(np.meshgrid(side, side), axis=2)
    x, residual = _samples(task, target, samples, noise, seed)
    signs = np.full(grid * grid, output_sign)
    full = _force(weights.reshape(-1, 2) @ axes, signs, x, residual, find_activation(activation), bias)
    flow = full @ axes.T
    off = np.linalg.norm(full - flow @ axes, axis=1)
    return WeightFlow(
        weights,
        flow.reshape(grid, grid, 2),
        off.reshape(grid, grid),
        axes,
        in_plane,
        _labels(task, target),
        find_activation(activation).name,
    )


def weight_paths(
    task: Task,
    activation: str | Activation,
    *,
    units: int = 100,
    steps: int = 200,
    dt: float = 0.1,
    target: int = 0,
    bias: float = 0.0,
    samples: int = 2000,
    noise: float | None = None,
    seed: int = 0,
) -> WeightPaths:
    """Follow units from small random weights along the flow (Euler steps), half of them with each output sign.

    Parameters
    ----------
    task, activation, target, bias, samples, noise, seed
        As in `weight_flow`.
    units, steps : int
    dt : float
        Step of time; dw = dt times the force.
    """
    if units < 1 or steps < 1:
        raise InputError(f"units and steps must be at least 1, got {units} and {steps}.")
    if not 0 < dt < np.inf:
        raise InputError(f"dt must be positive, got {dt}.")
    found = find_activation(activation)
    x, residual = _samples(task, target, samples, noise, seed)
    dim = x.shape[1]
    weights = stream(seed, "units").standard_normal((units, dim)) / np.sqrt(dim)
    signs = np.where(np.arange(units) % 2 == 0, 1.0, -1.0)
    kept = [weights]
    for _ in range(steps):
        weights = weights + dt * _force(weights, signs, x, residual, found, bias)
        kept.append(weights)
    return WeightPaths(np.stack(kept), signs, found.name)


def _samples(
    task: Task, target: int, samples: int, noise: float | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    _labels(task, target)
    count = samples if task.samples is None else min(samples, len(task.samples[0]))
    x, _, y = task.sample(count, seed=seed, noise=noise)
    own = y[:, target].astype(np.float64)
    return x, own - own.mean()


def _force(
    weights: np.ndarray,
    signs: np.ndarray,
    x: np.ndarray,
    residual: np.ndarray,
    activation: Activation,
    bias: float,
) -> np.ndarray:
    """J E[(y - p) phi'(w.x + b) x] of each row of weights."""
    pre = torch.from_numpy(weights @ x.T + bias)
    slope = activation.slope(pre, activation.value(pre)).numpy()
    return signs[:, None] * ((slope * residual) @ x) / len(x)


def _labels(task: Task, target: int) -> np.ndarray:
    if not 0 <= target < task.n_targets:
        raise InputError(f"target must be from 0 to {task.n_targets - 1}, got {target}.")
    return task.labels[:, target]


def _orthonormal(plane: Any, inputs: int) -> np.ndarray:
    axes = np.asarray(plane, dtype=np.float64)
    if axes.shape != (2, inputs) or not np.isfinite(axes).all():
        raise InputError(f"plane must be finite, shape (2, {inputs}), got {axes.shape}.")
    basis, upper = np.linalg.qr(axes.T)
    if np.abs(np.diag(upper)).min() <= 1e-9 * np.abs(upper).max():
        raise InputError("the axes of plane must not be parallel or zero.")
    return (basis * np.sign(np.diag(upper))).T
