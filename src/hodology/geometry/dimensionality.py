"""How many dimensions patterns spread over, and how few units are active.

Participation ratio: tr(K)^2 / tr(K^2) of the centred kernel K, the number of equal dimensions with the same spread.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.geometry.conditions import group_samples
from hodology.geometry.patterns import as_patterns

__all__ = ["active_share", "participation_ratio"]


def participation_ratio(z: Any, condition: Any = None) -> float:
    """Participation ratio of patterns, or of condition means.

    Parameters
    ----------
    z : Patterns or anything `as_patterns` reads, shape (samples, units)
    condition : array-like, shape (samples,), optional
        Average the samples of each condition first; noise would count as dimensions.

    Returns
    -------
    float
        1 to min(rows - 1, units). NaN, with a warning, where nothing varies.

    Examples
    --------
    >>> round(participation_ratio([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), 6)
    2.0
    """
    means = group_samples(z, condition, constant_units="keep").means
    values = means - means.mean(axis=0)
    kernel = values @ values.T if len(values) <= values.shape[1] else values.T @ values
    total, squares = float(np.trace(kernel)), float((kernel**2).sum())
    scale = float((means**2).sum())
    if total <= 1e-24 * scale or squares == 0:
        warnings.warn(
            "participation ratio of patterns without variation is undefined (NaN).", UserWarning, stacklevel=2
        )
        return float("nan")
    return total**2 / squares


def active_share(z: Any, *, threshold: float = 0.0) -> float:
    """Mean share of units whose response is above a threshold: the smaller, the sparser.

    Parameters
    ----------
    z : Patterns or anything `as_patterns` reads, shape (samples, units)
    threshold : float
        0 suits rectified units; for tanh it counts the units on the positive side.
    """
    if not np.isfinite(threshold):
        raise InputError(f"threshold must be finite, got {threshold}.")
    return float((as_patterns(z).values > threshold).mean())
