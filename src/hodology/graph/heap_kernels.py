"""A binary heap of nodes with decreasing keys, in flat arrays: what all the searches share.

``heap[:size]`` holds nodes, ``place[node]`` where a node stands in it (-1: not in it), ``key[node]`` its key. A tie goes
to the node with the larger ``depth`` (the search that is nearer its end), then to the smaller node.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["heap_pop", "heap_push"]


@njit(cache=True, nogil=True, inline="always")
def _before(a: int, b: int, key: np.ndarray, depth: np.ndarray) -> bool:
    if key[a] != key[b]:
        return key[a] < key[b]
    if depth[a] != depth[b]:
        return depth[a] > depth[b]
    return a < b


@njit(cache=True, nogil=True)
def heap_push(
    heap: np.ndarray, place: np.ndarray, size: int, node: int, key: np.ndarray, depth: np.ndarray
) -> int:
    """Put a node in, or move it up after its key fell; returns the new size."""
    i = place[node]
    if i < 0:
        i = size
        size += 1
    while i > 0:
        up = (i - 1) >> 1
        other = heap[up]
        if not _before(node, other, key, depth):
            break
        heap[i] = other
        place[other] = i
        i = up
    heap[i] = node
    place[node] = i
    return size


@njit(cache=True, nogil=True)
def heap_pop(heap: np.ndarray, place: np.ndarray, size: int, key: np.ndarray, depth: np.ndarray) -> int:
    """Take out the first node, ``heap[0]``, which the caller has read; returns the new size."""
    place[heap[0]] = -1
    size -= 1
    if size == 0:
        return 0
    node = heap[size]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        if child + 1 < size and _before(heap[child + 1], heap[child], key, depth):
            child += 1
        other = heap[child]
        if not _before(other, node, key, depth):
            break
        heap[i] = other
        place[other] = i
        i = child
    heap[i] = node
    place[node] = i
    return size
