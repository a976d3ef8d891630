"""Find the strengths at which many curves reach many targets, all in batches.

Each curve (the divergence that a direction causes, by its strength) is first seen on a geometric grid, which moves
outwards by decades where it does not hold the targets. The first interval of the grid in which a curve passes a
target is then narrowed on the logarithmic scale, where a divergence that grows with the square of the strength
is a straight line: every other step takes the point where the line through the ends would hit, the others halve.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["Curve", "Matches", "match_curves"]

Curve = Callable[[np.ndarray, np.ndarray], np.ndarray]
_PER_DECADE = 2  # points of the grid
_DOWN, _UP = 8, 3  # decades that the grid may move
_MARGIN = 0.1  # an interpolated point keeps this share of the interval from its ends


@dataclass(frozen=True, eq=False)
class Matches:
    """What was found for every curve and target.

    Attributes
    ----------
    strength, value : float64 ndarray, shape (curves, targets)
        The strength seen whose value is nearest to the target, and that value.
    reached : bool ndarray, shape (curves, targets)
    """

    strength: np.ndarray
    value: np.ndarray
    reached: np.ndarray


def match_curves(
    curve: Curve,
    n_curves: int,
    targets: np.ndarray,
    *,
    low: float,
    high: float,
    steps: int,
    tolerance: float,
) -> Matches:
    """Find strengths for `n_curves` curves and `targets`, shape ``(targets,)``.

    Parameters
    ----------
    curve : callable
        From indices of curves and strengths, both of shape ``(points,)``, to values; NaN counts as infinite.
    low, high : float
        Ends of the grid, positive.
    steps : int
        Most steps within an interval.
    tolerance : float
        Largest distance from a target that counts as reached; for targets below 1 this share of the target.
    """
    allowed = tolerance * np.minimum(targets, 1.0)
    grid, seen = _grid(curve, n_curves, targets, low=low, high=high)
    strength, value = _nearest(grid, seen, targets, allowed)
    lower, upper = _intervals(grid, seen, targets)
    ends = np.stack([lower, upper])  # (end, curves, targets)
    at_ends = np.stack([_seen_at(grid, seen, end) for end in ends])
    open_ = np.isfinite(ends).all(axis=0) & (np.abs(value - targets) > allowed)
    for step in range(steps):
        rows, columns = np.nonzero(open_)
        if len(rows) == 0:
            break
        points = _inside(
            ends[:, rows, columns], at_ends[:, rows, columns], targets[columns], halve=step % 2 == 1
        )
        found = _finite(curve(rows, points))
        side = (found >= targets[columns]).astype(int)
        ends[side, rows, columns], at_ends[side, rows, columns] = points, found
        better = np.abs(found - targets[columns]) < np.abs(value[rows, columns] - targets[columns])
        strength[rows[better], columns[better]] = points[better]
        value[rows[better], columns[better]] = found[better]
        open_ &= np.abs(value - targets) > allowed
    return Matches(strength, value, np.abs(value - targets) <= allowed)


def _grid(
    curve: Curve, n_curves: int, targets: np.ndarray, *, low: float, high: float
) -> tuple[np.ndarray, np.ndarray]:
    """Strengths in order and the values seen there, (curves, points); NaN where a curve was not looked at."""
    points = np.geomspace(low, high, 2 + math.ceil(_PER_DECADE * math.log10(high / low)))
    every = np.arange(n_curves)
    values = _finite(curve(np.repeat(every, len(points)), np.tile(points, n_curves)))
    seen = values.reshape(n_curves, len(points))
    for _ in range(_DOWN):
        rows = np.flatnonzero(np.nan_to_num(seen[:, 0], nan=-np.inf) > targets.min())
        if len(rows) == 0:
            break
        column = np.full((n_curves, 1), np.nan)
        column[rows, 0] = _finite(curve(rows, np.full(len(rows), points[0] / 10.0)))
        points, seen = np.r_[points[0] / 10.0, points], np.hstack([column, seen])
    for _ in range(_UP):
        rows = np.flatnonzero(np.nanmax(seen, axis=1) < targets.max())
        if len(rows) == 0:
            break
        column = np.full((n_curves, 1), np.nan)
        column[rows, 0] = _finite(curve(rows, np.full(len(rows), points[-1] * 10.0)))
        points, seen = np.r_[points, points[-1] * 10.0], np.hstack([seen, column])
    return points, seen


def _nearest(
    grid: np.ndarray, seen: np.ndarray, targets: np.ndarray, allowed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest point of the grid; where none is near enough, the weakest of those about as near."""
    distance = np.abs(seen[:, :, None] - targets)
    distance = np.where(np.isnan(distance), np.inf, distance)
    least = distance.min(axis=1, keepdims=True)
    slack = np.where(least > allowed, allowed, 0.0)
    best = (distance <= least + slack).argmax(axis=1)
    return grid[best], np.take_along_axis(seen, best, axis=1)


def _intervals(grid: np.ndarray, seen: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the first interval in which each curve passes each target; NaN where it does not."""
    lower, upper = np.full((2, len(seen), len(targets)), np.nan)
    for row, values in enumerate(seen):
        looked = np.flatnonzero(~np.isnan(values))
        for column, target in enumerate(targets):
            above = np.flatnonzero(values[looked] >= target)
            if len(above) and above[0] > 0:
                lower[row, column], upper[row, column] = grid[looked[above[0] - 1]], grid[looked[above[0]]]
    return lower, upper


def _seen_at(grid: np.ndarray, seen: np.ndarray, strength: np.ndarray) -> np.ndarray:
    index = np.searchsorted(grid, np.nan_to_num(strength, nan=grid[0]))
    return np.take_along_axis(seen, np.minimum(index, len(grid) - 1), axis=1)


def _inside(ends: np.ndarray, values: np.ndarray, targets: np.ndarray, *, halve: bool) -> np.ndarray:
    """A point within each interval."""
    low, high = np.log(ends)
    if halve:
        return np.exp((low + high) / 2.0)
    below, above = np.log(np.clip(values, 1e-12, 1e300))
    share = (np.log(targets) - below) / np.maximum(above - below, 1e-12)
    return np.exp(low + np.clip(share, _MARGIN, 1.0 - _MARGIN) * (high - low))


def _finite(values: np.ndarray) -> np.ndarray:
    """NaN, from activity that overflowed, means stronger than everything."""
    return np.where(np.isnan(values), np.inf, values)
