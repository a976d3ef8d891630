"""Compiled all-pairs shortest paths on small dense graphs, many graphs at once."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["all_shortest_paths"]


@njit(cache=True, nogil=True)
def all_shortest_paths(lengths: np.ndarray) -> None:
    """Replace lengths (graphs, n, n) by shortest path lengths, in place (Floyd and Warshall).

    Infinity marks a missing edge; an edge of length zero is an edge. Matrices must be symmetric with a zero diagonal.
    """
    graphs, n, _ = lengths.shape
    through = np.empty(n)
    for g in range(graphs):
        d = lengths[g]
        for k in range(n):  # the lower triangle is enough
            for j in range(n):
                through[j] = d[k, j] if j < k else d[j, k]
            for i in range(n):
                first = through[i]
                if first == np.inf or i == k:
                    continue
                for j in range(i):
                    other = first + through[j]
                    d[i, j] = other if other < d[i, j] else d[i, j]
        for i in range(n):
            for j in range(i):
                d[j, i] = d[i, j]
