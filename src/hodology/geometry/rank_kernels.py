"""Compiled loops over sorted rows: average ranks, ranks under resampling weights, Kendall's sum of signs."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["average_ranks", "kendall_sums", "tie_groups", "weighted_ranks"]


@njit(cache=True, nogil=True)
def average_ranks(values: np.ndarray, order: np.ndarray, ranks: np.ndarray) -> None:
    """Write average ranks of each row, given the order that sorts it."""
    rows, n = values.shape
    for row in range(rows):
        start = 0
        while start < n:
            value = values[row, order[row, start]]
            stop = start + 1
            while stop < n and values[row, order[row, stop]] == value:
                stop += 1
            rank = 0.5 * (start + stop + 1)
            for k in range(start, stop):
                ranks[row, order[row, k]] = rank
            start = stop


@njit(cache=True, nogil=True)
def tie_groups(values: np.ndarray, order: np.ndarray, ends: np.ndarray) -> None:
    """Write for each place of the sorted row whether a group of equal values ends there."""
    rows, n = values.shape
    for row in range(rows):
        for k in range(n - 1):
            ends[row, k] = values[row, order[row, k]] != values[row, order[row, k + 1]]
        ends[row, n - 1] = True


@njit(cache=True, nogil=True)
def weighted_ranks(order: np.ndarray, ends: np.ndarray, weights: np.ndarray, ranks: np.ndarray) -> None:
    """Write, for each row, the average rank of every pair when pair p stands weights[p] times in the sample.

    One pass over the sorted row: a group of equal values that weighs g after a weight of `before` has the average
    rank before + (g + 1) / 2, as if all copies were written out and ranked.
    """
    rows, n = order.shape
    for row in range(rows):
        before = 0.0
        start = 0
        group = 0.0
        for k in range(n):
            group += weights[order[row, k]]
            if ends[row, k]:
                rank = before + 0.5 * (group + 1.0)
                for j in range(start, k + 1):
                    ranks[row, order[row, j]] = rank
                before += group
                group = 0.0
                start = k + 1


@njit(cache=True, nogil=True)
def kendall_sums(
    order: np.ndarray,
    ends: np.ndarray,
    places: np.ndarray,
    n_places: np.ndarray,
    weights: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Write sum over pairs of entries p, q of w_p w_q sign(a_p - a_q) sign(b_p - b_q), each pair once.

    `order` and `ends` sort the rows of a; `places` holds the dense ranks (from 1) of the rows of b. A binary
    indexed tree over the places counts the weight of what came before, so a pair of rows costs O(n log n).
    """
    rows, n = order.shape
    for second in range(places.shape[0]):
        size = n_places[second]
        tree = np.zeros(size + 1)
        for row in range(rows):
            tree[:] = 0.0
            inside = 0.0
            total = 0.0
            start = 0
            for k in range(n):
                if not ends[row, k]:
                    continue
                added = 0.0
                for j in range(start, k + 1):
                    p = order[row, j]
                    if weights[p] > 0.0:
                        place = places[second, p]
                        below = _prefix(tree, place - 1)
                        above = inside - _prefix(tree, place)
                        total += weights[p] * (below - above)
                for j in range(start, k + 1):
                    p = order[row, j]
                    if weights[p] > 0.0:
                        _add(tree, places[second, p], weights[p])
                        added += weights[p]
                inside += added
                start = k + 1
            sums[row, second] = total


@njit(cache=True, nogil=True)
def _prefix(tree: np.ndarray, place: int) -> float:
    total = 0.0
    while place > 0:
        total += tree[place]
        place -= place & -place
    return total


@njit(cache=True, nogil=True)
def _add(tree: np.ndarray, place: int, weight: float) -> None:
    while place < tree.shape[0]:
        tree[place] += weight
        place += place & -place
