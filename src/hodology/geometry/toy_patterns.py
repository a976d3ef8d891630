"""Point clouds of known topology and geometry, as patterns of a few stimuli in three units.

The four eights of Lin and Kriegeskorte (PNAS 2024) cross two geometries with two topologies: twisting bends the lobes
and keeps the crossing; untangling opens the crossing into one ring and hardly moves a point.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.rng import stream

__all__ = ["TOY_PATTERNS", "toy_pattern"]

_Shape = Callable[[int, np.random.Generator], np.ndarray]


def toy_pattern(name: str, *, n: int = 50, noise: float = 0.0, rng: int = 0) -> np.ndarray:
    """Return the points of a shape.

    Parameters
    ----------
    name : str
        One of `TOY_PATTERNS`. Curves are sampled at t = 2 pi i / n; surfaces and blobs are drawn at random.
    n : int
        Points, at least 4; shapes of two parts split them.
    noise : float
        Standard deviation of Gaussian noise on every coordinate.
    rng : int

    Returns
    -------
    float64 ndarray, shape (n, 3)

    Raises
    ------
    UnknownNameError
        When the shape does not exist.
    InputError
        For fewer than four points or negative noise.

    Examples
    --------
    >>> toy_pattern("flat 8").shape
    (50, 3)
    """
    if name not in _SHAPES:
        raise UnknownNameError(f"shape {name!r} does not exist{near_names(name, _SHAPES)}.")
    if isinstance(n, bool) or n < 4:
        raise InputError(f"n must be at least 4, got {n}.")
    if noise < 0:
        raise InputError(f"noise must be 0 or more, got {noise}.")
    points = _SHAPES[name](n, stream(rng, "toy pattern", name))
    return points + noise * stream(rng, "toy noise", name).standard_normal(points.shape) if noise else points


def _angles(n: int) -> np.ndarray:
    return 2.0 * np.pi * np.arange(n) / n


def _curve(*parts: np.ndarray) -> np.ndarray:
    return np.stack(np.broadcast_arrays(*parts), axis=1).astype(np.float64)


def _flat_8(n: int, _: np.random.Generator) -> np.ndarray:
    t = _angles(n)
    return _curve(np.cos(t), np.sin(t) * np.cos(t), np.zeros(n))


def _twisted_8(n: int, _: np.random.Generator) -> np.ndarray:
    t = _angles(n)
    return _curve(np.cos(t) / 2, np.sin(t) * np.cos(t) / 2, np.cos(2 * t))


def _untangled_flat_8(n: int, _: np.random.Generator) -> np.ndarray:
    t = _angles(n)
    return _curve(np.cos(t), np.sin(t) * np.cos(t), np.cos(t - np.pi / 2) / 3)


def _untangled_twisted_8(n: int, _: np.random.Generator) -> np.ndarray:
    t = _angles(n)
    return _curve(np.cos(t) / 2, np.sin(t) * np.cos(t) / 2, np.cos(2 * t) * (1 + np.sin(t) / 3))


def _torus(n: int, generator: np.random.Generator) -> np.ndarray:
    """Even over the surface: wide parts of the tube get more points."""
    angles: list[float] = []
    while len(angles) < n:
        v, u = generator.random(2)
        if u <= (2.0 + np.cos(2 * np.pi * v)) / 3.0:
            angles.append(2 * np.pi * v)
    v = np.array(angles)
    u = 2 * np.pi * generator.random(n)
    return _curve((2 + np.cos(v)) * np.cos(u), (2 + np.cos(v)) * np.sin(u), np.sin(v))


def _sphere(n: int, generator: np.random.Generator) -> np.ndarray:
    points = generator.standard_normal((n, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def _swiss_roll(n: int, generator: np.random.Generator) -> np.ndarray:
    t = 1.5 * np.pi * (1 + 2 * generator.random(n))
    return _curve(t * np.cos(t), 21.0 * generator.random(n), t * np.sin(t))


def _s_curve(n: int, generator: np.random.Generator) -> np.ndarray:
    t = 3 * np.pi * (generator.random(n) - 0.5)
    return _curve(np.sin(t), 2.0 * generator.random(n), np.sign(t) * (np.cos(t) - 1))


def _ring(n: int, _: np.random.Generator) -> np.ndarray:
    t = _angles(n)
    return _curve(np.cos(t), np.sin(t), np.zeros(n))


def _oval(n: int, _: np.random.Generator) -> np.ndarray:
    t = _angles(n)
    return _curve(np.cos(t), np.sin(t) / 3, np.zeros(n))


def _bent_ring(n: int, _: np.random.Generator) -> np.ndarray:
    t = _angles(n)
    return _curve(np.cos(t), np.sin(t), np.cos(2 * t))


def _broken_ring(n: int, _: np.random.Generator) -> np.ndarray:
    t = np.pi / 6 + (2 * np.pi - np.pi / 3) * np.arange(n) / (n - 1)
    return _curve(np.cos(t), np.sin(t), np.zeros(n))


def _two_rings(n: int, generator: np.random.Generator) -> np.ndarray:
    first, second = _ring(n - n // 2, generator), _ring(n // 2, generator)
    return np.concatenate([first, second + [3.0, 0.0, 0.0]])


def _locked_rings(n: int, generator: np.random.Generator) -> np.ndarray:
    first, second = _ring(n - n // 2, generator), _ring(n // 2, generator)
    return np.concatenate([first, second[:, [0, 2, 1]] + [1.0, 0.0, 0.0]])


def _mixed_rings(n: int, generator: np.random.Generator) -> np.ndarray:
    """One plane, overlapping: the rings meet in two points."""
    first, second = _ring(n - n // 2, generator), _ring(n // 2, generator)
    return np.concatenate([first, second + [1.0, 0.0, 0.0]])


def _blobs(n: int, generator: np.random.Generator) -> np.ndarray:
    centres = np.array([[2.0, 0.0, 0.0], [-1.0, 1.7, 0.0], [-1.0, -1.7, 0.0]])
    return centres[np.arange(n) * 3 // n] + 0.3 * generator.standard_normal((n, 3))


_SHAPES: dict[str, _Shape] = {
    "flat 8": _flat_8,
    "twisted 8": _twisted_8,
    "untangled flat 8": _untangled_flat_8,
    "untangled twisted 8": _untangled_twisted_8,
    "torus": _torus,
    "sphere": _sphere,
    "swiss roll": _swiss_roll,
    "s-curve": _s_curve,
    "ring": _ring,
    "oval": _oval,
    "bent ring": _bent_ring,
    "broken ring": _broken_ring,
    "two rings": _two_rings,
    "locked rings": _locked_rings,
    "mixed rings": _mixed_rings,
    "blobs": _blobs,
}

TOY_PATTERNS = tuple(_SHAPES)
"""Names of all shapes; the first four are the eights of the paper."""
