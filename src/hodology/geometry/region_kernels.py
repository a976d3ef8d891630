"""Compiled loops for regions under resampling: ranks and quantiles of weighted pairs, and thresholds on ranks."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["mark_untied", "threshold_rows", "weighted_rank_quantiles"]


@njit(cache=True, nogil=True)
def mark_untied(ranks: np.ndarray, untied: np.ndarray) -> None:
    """Write for each row of ranks in [0, 1] whether they are 0, 1 / (n - 1), ..., 1 in any order: no ties."""
    rows, n = ranks.shape
    seen = np.empty(n, dtype=np.bool_)
    for row in range(rows):
        seen[:] = False
        good = True
        for k in range(n):
            place = ranks[row, k] * (n - 1)
            nearest = int(np.rint(place))
            if abs(place - nearest) > 1e-6 or seen[nearest]:
                good = False
                break
            seen[nearest] = True
        untied[row] = good


@njit(cache=True, nogil=True)
def weighted_rank_quantiles(
    order: np.ndarray,
    ends: np.ndarray,
    weights: np.ndarray,
    levels: np.ndarray,
    ranks: np.ndarray,
    quantiles: np.ndarray,
) -> None:
    """Write ranks in [0, 1] and their quantiles, as if pair p were written out weights[p] times.

    `order` and `ends` sort the rows and mark where groups of equal values end; `levels` (L,) are the quantiles, of
    linear interpolation; `ranks` (rows, pairs) is left as it is at pairs without weight, `quantiles` is (rows, L).
    A row whose pairs with weight are all equal gets NaN.
    """
    rows, n = order.shape
    closes = np.empty(n)  # weight up to the end of a group
    values = np.empty(n)  # rank of a group
    total = weights.sum()
    for row in range(rows):
        groups = 0
        before = 0.0
        start = 0
        group = 0.0
        for k in range(n):
            group += weights[order[row, k]]
            if ends[row, k]:
                if group > 0.0:
                    rank = before + 0.5 * (group + 1.0)
                    for j in range(start, k + 1):
                        ranks[row, order[row, j]] = rank
                    before += group
                    closes[groups] = before
                    values[groups] = rank
                    groups += 1
                    group = 0.0
                start = k + 1
        lowest = values[0]
        span = values[groups - 1] - lowest
        scale = 1.0 / span if span > 0.0 else np.nan
        for p in range(n):
            ranks[row, p] = (ranks[row, p] - lowest) * scale
        g = 0
        for q in range(levels.shape[0]):
            place = levels[q] * (total - 1.0)
            below = np.floor(place)
            if q > 0 and levels[q] < levels[q - 1]:
                g = 0
            while g < groups - 1 and closes[g] < below + 0.5:
                g += 1
            following = g
            if closes[g] < below + 1.5 and g < groups - 1:
                following = g + 1
            value = values[g] + (place - below) * (values[following] - values[g])
            quantiles[row, q] = (value - lowest) * scale


@njit(cache=True, nogil=True)
def threshold_rows(
    ranks: np.ndarray, low: np.ndarray, high: np.ndarray, scale: np.ndarray, snap: float, out: np.ndarray
) -> None:
    """Write the geo-topological transform of ranks (rows, pairs), each column times its scale."""
    rows, n = ranks.shape
    for row in range(rows):
        lo = low[row]
        hi = high[row]
        if hi - lo <= snap:
            for p in range(n):
                out[row, p] = scale[p] if ranks[row, p] > hi + snap else 0.0
        else:
            slope = 1.0 / (hi - lo)
            for p in range(n):
                value = (ranks[row, p] - lo) * slope
                out[row, p] = min(max(value, 0.0), 1.0) * scale[p]
