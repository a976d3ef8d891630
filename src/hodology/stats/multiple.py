"""Adjusted p-values for several tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hodology.errors import InputError

__all__ = ["benjamini_hochberg", "holm"]


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Holm's step-down adjustment (family-wise error, any dependence); same order as given.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = _checked(p_values)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    return _restore(np.minimum(steps, 1.0), order)


def benjamini_hochberg(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Benjamini and Hochberg's step-up adjustment (false discovery rate, independent tests)."""
    p = _checked(p_values)
    order = np.argsort(p, kind="stable")
    raw = p[order] * len(p) / np.arange(1, len(p) + 1)
    return _restore(np.minimum(np.minimum.accumulate(raw[::-1])[::-1], 1.0), order)


def _checked(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    p = np.asarray(p_values, dtype=float)
    if p.ndim != 1 or len(p) == 0 or not ((p >= 0) & (p <= 1)).all():
        raise InputError(f"p-values must be numbers from 0 to 1, at least one, got {p_values!r}.")
    return p


def _restore(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    out = np.empty_like(values)
    out[order] = values
    return out
