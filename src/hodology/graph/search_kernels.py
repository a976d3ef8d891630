"""Compiled searches over compressed rows: breadth first, Dijkstra, A*, from both ends. They release the GIL.

`blocked` has one entry per edge (1: cannot be walked) or none at all. Parents are arcs; -1 where there is none.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from hodology.graph.heap_kernels import heap_pop, heap_push

__all__ = ["a_star", "bidirectional", "breadth_first", "dijkstra", "grow_tree", "meet"]


@njit(cache=True, nogil=True)
def breadth_first(
    indptr: np.ndarray,
    nodes: np.ndarray,
    edges: np.ndarray,
    blocked: np.ndarray,
    source: int,
    target: int,
    most: int,
    steps: np.ndarray,
    parent: np.ndarray,
    queue: np.ndarray,
) -> None:
    """Fill `steps` (-1: not reached) from `source`, until `target` (-1: all) is reached or `most` steps are made."""
    steps[:] = -1
    parent[:] = -1
    steps[source] = 0
    queue[0] = source
    first, last = 0, 1
    check = len(blocked) > 0
    while first < last:
        node = queue[first]
        first += 1
        if node == target or steps[node] >= most:
            break
        for arc in range(indptr[node], indptr[node + 1]):
            other = nodes[arc]
            if steps[other] >= 0 or (check and blocked[edges[arc]]):
                continue
            steps[other] = steps[node] + 1
            parent[other] = arc
            queue[last] = other
            last += 1


@njit(cache=True, nogil=True)
def grow_tree(
    indptr: np.ndarray,
    nodes: np.ndarray,
    edges: np.ndarray,
    weights: np.ndarray,
    blocked: np.ndarray,
    until: int,
    limit: float,
    distance: np.ndarray,
    parent: np.ndarray,
    heap: np.ndarray,
    place: np.ndarray,
    size: int,
) -> int:
    """Go on with Dijkstra's search until `until` (-1: no node) is settled or the next distance is above `limit`.

    Returns the heap's size; ``distance[heap[0]]`` is the radius within which all distances are final.
    """
    check = len(blocked) > 0
    while size > 0:
        node = heap[0]
        if distance[node] > limit:
            break
        size = heap_pop(heap, place, size, distance, distance)
        reached = distance[node]
        for arc in range(indptr[node], indptr[node + 1]):
            if check and blocked[edges[arc]]:
                continue
            other = nodes[arc]
            new = reached + weights[arc]
            if new < distance[other]:
                distance[other] = new
                parent[other] = arc
                size = heap_push(heap, place, size, other, distance, distance)
        if node == until:
            break
    return size


@njit(cache=True, nogil=True)
def dijkstra(
    indptr: np.ndarray,
    nodes: np.ndarray,
    edges: np.ndarray,
    weights: np.ndarray,
    blocked: np.ndarray,
    source: int,
    target: int,
    limit: float,
    distance: np.ndarray,
    parent: np.ndarray,
    heap: np.ndarray,
    place: np.ndarray,
) -> None:
    """Distances from `source`; those above `limit`, or beyond `target` once it is settled, are left infinite."""
    distance[:] = np.inf
    parent[:] = -1
    place[:] = -1
    distance[source] = 0.0
    size = heap_push(heap, place, 0, source, distance, distance)
    size = grow_tree(
        indptr, nodes, edges, weights, blocked, target, limit, distance, parent, heap, place, size
    )
    for i in range(size):  # seen but not settled: these distances are not final
        distance[heap[i]] = np.inf
        parent[heap[i]] = -1


@njit(cache=True, nogil=True)
def a_star(
    indptr: np.ndarray,
    nodes: np.ndarray,
    edges: np.ndarray,
    weights: np.ndarray,
    blocked: np.ndarray,
    bound: np.ndarray,
    source: int,
    target: int,
    cost: np.ndarray,
    parent: np.ndarray,
    heap: np.ndarray,
    place: np.ndarray,
    key: np.ndarray,
) -> int:
    """Shortest path under lower bounds of the distance to `target`; a node is opened again when a bound misled.

    Fills `cost` and `parent`; returns how many nodes were opened. A node of infinite bound is never entered.
    """
    cost[:] = np.inf
    parent[:] = -1
    place[:] = -1
    cost[source] = 0.0
    key[source] = bound[source]
    size = heap_push(heap, place, 0, source, key, cost)
    check, opened = len(blocked) > 0, 0
    while size > 0:
        node = heap[0]
        if node == target:
            break
        size = heap_pop(heap, place, size, key, cost)
        opened += 1
        for arc in range(indptr[node], indptr[node + 1]):
            if check and blocked[edges[arc]]:
                continue
            other = nodes[arc]
            new = cost[node] + weights[arc]
            if new < cost[other] and bound[other] < np.inf:
                cost[other] = new
                key[other] = new + bound[other]
                parent[other] = arc
                size = heap_push(heap, place, size, other, key, cost)
    return opened


@njit(cache=True, nogil=True)
def bidirectional(
    indptr: np.ndarray,
    nodes: np.ndarray,
    edges: np.ndarray,
    weights: np.ndarray,
    back_indptr: np.ndarray,
    back_nodes: np.ndarray,
    back_edges: np.ndarray,
    back_weights: np.ndarray,
    blocked: np.ndarray,
    source: int,
    target: int,
    distance: np.ndarray,
    parent: np.ndarray,
    heap: np.ndarray,
    place: np.ndarray,
) -> int:
    """Dijkstra's search from both ends; row 0 of the arrays is the forward search, row 1 the backward one.

    Returns the node in which the two halves of a shortest path meet, or -1.
    """
    distance[:] = np.inf
    parent[:] = -1
    place[:] = -1
    distance[0, source] = 0.0
    distance[1, target] = 0.0
    size0 = heap_push(heap[0], place[0], 0, source, distance[0], distance[0])
    size1 = heap_push(heap[1], place[1], 0, target, distance[1], distance[1])
    best, meeting = np.inf, -1
    if source == target:
        return source
    check = len(blocked) > 0
    while size0 > 0 and size1 > 0:
        top0, top1 = distance[0, heap[0, 0]], distance[1, heap[1, 0]]
        if top0 + top1 >= best:
            break
        side = 0 if top0 <= top1 else 1
        other_side = 1 - side
        node = heap[side, 0]
        if side == 0:
            size0 = heap_pop(heap[0], place[0], size0, distance[0], distance[0])
            first, last = indptr[node], indptr[node + 1]
        else:
            size1 = heap_pop(heap[1], place[1], size1, distance[1], distance[1])
            first, last = back_indptr[node], back_indptr[node + 1]
        for arc in range(first, last):
            edge = edges[arc] if side == 0 else back_edges[arc]
            if check and blocked[edge]:
                continue
            other = nodes[arc] if side == 0 else back_nodes[arc]
            new = distance[side, node] + (weights[arc] if side == 0 else back_weights[arc])
            if new < distance[side, other]:
                distance[side, other] = new
                parent[side, other] = arc
                if side == 0:
                    size0 = heap_push(heap[0], place[0], size0, other, distance[0], distance[0])
                else:
                    size1 = heap_push(heap[1], place[1], size1, other, distance[1], distance[1])
                whole = new + distance[other_side, other]
                if whole < best:
                    best, meeting = whole, other
    return meeting


@njit(cache=True, nogil=True)
def meet(
    forward: tuple,
    backward: tuple,
    ratio: int,
    ahead: np.ndarray,
    heap: np.ndarray,
    place: np.ndarray,
    size: int,
    back: np.ndarray,
    back_parent: np.ndarray,
    back_heap: np.ndarray,
    back_place: np.ndarray,
    back_size: int,
) -> tuple[float, int]:
    """Grow a tree from the source and one from the target until a shortest path between them is known.

    The backward tree settles `ratio` nodes for each of the forward one. Returns the path's cost (infinite when there is none)
    and the size of the backward heap, with which `grow_tree` can go on.
    """
    best, settled, back_settled = np.inf, 0, 0
    check = len(forward[4]) > 0
    if ahead[heap[0]] == 0.0 and back[heap[0]] == 0.0:  # the same node
        return 0.0, back_size
    while size > 0 and back_size > 0 and ahead[heap[0]] + back[back_heap[0]] < best:
        if settled * ratio > back_settled:
            node = back_heap[0]
            back_size = heap_pop(back_heap, back_place, back_size, back, back)
            back_settled += 1
            for arc in range(backward[0][node], backward[0][node + 1]):
                if check and backward[4][backward[2][arc]]:
                    continue
                other = backward[1][arc]
                new = back[node] + backward[3][arc]
                if new < back[other]:
                    back[other] = new
                    back_parent[other] = arc
                    back_size = heap_push(back_heap, back_place, back_size, other, back, back)
                    best = min(best, new + ahead[other])
        else:
            node = heap[0]
            size = heap_pop(heap, place, size, ahead, ahead)
            settled += 1
            for arc in range(forward[0][node], forward[0][node + 1]):
                if check and forward[4][forward[2][arc]]:
                    continue
                other = forward[1][arc]
                new = ahead[node] + forward[3][arc]
                if new < ahead[other]:
                    ahead[other] = new
                    size = heap_push(heap, place, size, other, ahead, ahead)
                    best = min(best, new + back[other])
    return best, back_size
