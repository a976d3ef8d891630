"""Average ranks of many rows at once, and ranks scaled to [0, 1]."""

from __future__ import annotations

import numpy as np

from hodology.errors import InputError

__all__ = ["rank_minmax", "rank_rows"]


def rank_rows(values: np.ndarray) -> np.ndarray:
    """Ranks from 1 within each row; equal values share their average rank.

    Parameters
    ----------
    values : ndarray, shape (rows, n) or (n,)

    Returns
    -------
    float64 ndarray of the same shape
        Equal to ``scipy.stats.rankdata(values, axis=-1)``.

    Raises
    ------
    InputError
        For NaN, and for another number of dimensions.

    Examples
    --------
    >>> rank_rows(np.array([3.0, 1.0, 3.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    from hodology.geometry.rank_kernels import average_ranks

    array = np.asarray(values)
    if array.ndim not in (1, 2) or array.size == 0:
        raise InputError(f"values must have shape (rows, n) or (n,), got {array.shape}.")
    if array.dtype.kind not in "biuf":
        raise InputError(f"values must be numbers, got dtype {array.dtype}.")
    rows = np.atleast_2d(array)
    if rows.dtype not in (np.float32, np.float64, np.int64):
        rows = rows.astype(np.int64 if rows.dtype.kind in "bi" else np.float64)
    if rows.dtype.kind == "f" and np.isnan(rows).any():
        raise InputError(f"row {int(np.isnan(rows).any(axis=1).argmax())} has NaN, which has no rank.")
    order = np.argsort(rows, axis=1)
    ranks = np.empty(rows.shape)
    average_ranks(np.ascontiguousarray(rows), order, ranks)
    return ranks.reshape(array.shape)


def rank_minmax(values: np.ndarray) -> np.ndarray:
    """Average ranks scaled to [0, 1] within each row: least value 0, largest 1.

    This is the space in which geo-topological thresholds are set (Lin and Kriegeskorte 2024).

    Raises
    ------
    InputError
        For a row whose values are all equal, besides what `rank_rows` refuses.

    Examples
    --------
    >>> rank_minmax(np.array([3.0, 1.0, 7.0])).tolist()
    [0.5, 0.0, 1.0]
    """
    ranks = rank_rows(values)
    low, high = ranks.min(axis=-1, keepdims=True), ranks.max(axis=-1, keepdims=True)
    if (high == low).any():
        row = int(np.flatnonzero((high == low).ravel())[0])
        raise InputError(f"row {row} has equal values only; its ranks cannot be scaled to [0, 1].")
    return (ranks - low) / (high - low)
