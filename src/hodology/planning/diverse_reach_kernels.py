"""What lies within reach of a node: marks, distances to a goal, whether two nodes are connected; compiled.

A graph is 5 arrays, see `hodology.planning.diverse_kernels`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["among", "cheaper_from", "connected", "is_open", "mark", "prepare"]

_LONGEST, _BUDGET, _U, _V = 1, 5, 9, 10  # entries of `state`, as in diverse_kernels
_NODE, _RELATION, _EDGE = 0, 1, 2
_OK, _TOO_MANY = 0, 2
_FAR = 1 << 30
_MANY = 1e9  # walks of four edges and more that are refused without a budget


@njit(cache=True, nogil=True)
def is_open(mask, edge):  # type: ignore[no-untyped-def]
    """Whether an edge is not masked."""
    return len(mask) == 0 or not mask[edge]


@njit(cache=True, nogil=True)
def among(walk, last, node):  # type: ignore[no-untyped-def]
    """Whether a node is among the first of a walk."""
    i = 0
    while i <= last and walk[0, i] != node:
        i += 1
    return i <= last


@njit(cache=True, nogil=True)
def mark(indptr, arcs, node, stamps, starts, stamp):  # type: ignore[no-untyped-def]
    """Stamp the neighbours of a node and keep the first arc of each."""
    for i in range(indptr[node], indptr[node + 1]):
        if stamps[arcs[_NODE, i]] != stamp:
            stamps[arcs[_NODE, i]], starts[arcs[_NODE, i]] = stamp, i


@njit(cache=True, nogil=True)
def cheaper_from(graph, u, v):  # type: ignore[no-untyped-def]
    """Whether the arcs of u's neighbours are fewer than those into v's."""
    return _arcs_beyond(graph[0], graph[1], u) <= _arcs_beyond(graph[2], graph[3], v)


@njit(cache=True, nogil=True)
def _arcs_beyond(indptr, arcs, node):  # type: ignore[no-untyped-def]
    """Arcs at the neighbours of a node, each neighbour once."""
    total, before = 0, -1
    for i in range(indptr[node], indptr[node + 1]):
        if arcs[_NODE, i] != before:
            before = arcs[_NODE, i]
            total += indptr[before + 1] - indptr[before]
    return total


@njit(cache=True, nogil=True)
def prepare(graph, distance, state):  # type: ignore[no-untyped-def]
    """Distances to v for the deep search, and a refusal when walks of all its lengths are too many."""
    _distances(graph, state[_U], state[_V], distance, state[_LONGEST] - 1)
    total, length = 0.0, 4
    while state[_BUDGET] == 0 and length <= state[_LONGEST] and total <= _MANY:
        total += _walks(length, graph, distance, state[_U], state[_V])
        length += 1
    return _TOO_MANY if total > _MANY else _OK


@njit(cache=True, nogil=True)
def _distances(graph, u, v, distance, most):  # type: ignore[no-untyped-def]
    """Edges from each node to v, no path through u, as far as `most`."""
    indptr, arcs = graph[2], graph[3]
    for x in range(len(distance)):
        distance[x] = _FAR
    queue = np.empty(len(distance), dtype=np.int32)
    distance[v], queue[0], head, tail = 0, v, 0, 1
    while head < tail:
        x = queue[head]
        head += 1
        if distance[x] == most:
            break
        for i in range(indptr[x], indptr[x + 1]):
            y = arcs[_NODE, i]
            if distance[y] == _FAR and y != u and is_open(graph[4], arcs[_EDGE, i]):
                distance[y], queue[tail] = distance[x] + 1, y
                tail += 1


@njit(cache=True, nogil=True)
def _walks(length, graph, distance, u, v):  # type: ignore[no-untyped-def]
    """Walks of exactly `length` edges from u to v that come back to neither: not fewer than the paths."""
    indptr, arcs = graph[0], graph[1]
    here, there = np.zeros(len(distance)), np.zeros(len(distance))
    here[u] = 1.0
    for step in range(1, length + 1):
        for x in range(len(there)):
            there[x] = 0.0
        for x in range(len(here)):
            if here[x] > 0:
                for i in range(indptr[x], indptr[x + 1]):
                    y = arcs[_NODE, i]
                    inner = step < length and y != v and y != u and distance[y] <= length - step
                    if (inner or (step == length and y == v)) and is_open(graph[4], arcs[_EDGE, i]):
                        there[y] += here[x]
        here, there = there, here
    return here[v]


@njit(cache=True, nogil=True)
def connected(graph, hidden, u, v):  # type: ignore[no-untyped-def]
    """Whether any path leads from u to v, its own hidden edges aside."""
    indptr, arcs = graph[0], graph[1]
    seen = np.zeros(len(indptr) - 1, dtype=np.bool_)
    queue = np.empty(len(seen), dtype=np.int32)
    seen[u], queue[0], head, tail = True, u, 0, 1
    while head < tail:
        x = queue[head]
        head += 1
        for i in range(indptr[x], indptr[x + 1]):
            y = arcs[_NODE, i]
            own = x == u and y == v and hidden[arcs[_RELATION, i]]
            if not seen[y] and not own and is_open(graph[4], arcs[_EDGE, i]):
                if y == v:
                    return True
                seen[y], queue[tail] = True, y
                tail += 1
    return False
