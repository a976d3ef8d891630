"""Shortest loopless paths one after the other, all guided by one search backwards from the target.

The set of all loopless paths is split as in Yen's algorithm (Lawler's form): when a path is found, the paths that are left
are those that follow it to one of its nodes and leave it there. Each such set gets a lower bound from the distances to
the target; only when its bound comes first is its best path searched for, by A* under the same distances. The
backward search stops once it has reached the source: beyond its radius, the radius is the bound.

State (see `hodology.graph.k_shortest`): ``counts`` = [paths, path nodes used, sets, heap size, bans used, tail arcs used,
stamp, arcs looked at]. Row p of ``paths`` = [place of its first node in the pool, arcs, arcs shared with the path it left].
Row c of ``sets`` = [path it follows, arcs shared, last ban or -1, tail start or -1 when not searched yet, tail arcs].
"""

from __future__ import annotations

import numpy as np
from numba import njit

from hodology.graph.heap_kernels import heap_pop, heap_push

__all__ = ["DONE", "FOUND", "NEED_ROOM", "OVER_LIMIT", "next_path"]

DONE, FOUND, NEED_ROOM, OVER_LIMIT = 0, 1, 2, 3
_PATHS, _POOL, _SETS, _HEAP, _BANS, _TAILS, _STAMP, _WORK = 0, 1, 2, 3, 4, 5, 6, 7


@njit(cache=True, nogil=True, inline="always")
def _first(a: int, b: int, bounds: np.ndarray, sets: np.ndarray) -> bool:
    """Whether set a comes before set b: lower bound, then those searched, then the older."""
    if bounds[a] != bounds[b]:
        return bounds[a] < bounds[b]
    if (sets[a, 3] >= 0) != (sets[b, 3] >= 0):
        return sets[a, 3] >= 0
    return a < b


@njit(cache=True, nogil=True)
def _put(queue: np.ndarray, size: int, new: int, bounds: np.ndarray, sets: np.ndarray) -> int:
    i = size
    while i > 0:
        up = (i - 1) >> 1
        if not _first(new, queue[up], bounds, sets):
            break
        queue[i] = queue[up]
        i = up
    queue[i] = new
    return size + 1


@njit(cache=True, nogil=True)
def _take(queue: np.ndarray, size: int, bounds: np.ndarray, sets: np.ndarray) -> int:
    """Remove ``queue[0]``, which the caller has read."""
    size -= 1
    if size == 0:
        return 0
    last = queue[size]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        if child + 1 < size and _first(queue[child + 1], queue[child], bounds, sets):
            child += 1
        if not _first(queue[child], last, bounds, sets):
            break
        queue[i] = queue[child]
        i = child
    queue[i] = last
    return size


@njit(cache=True, nogil=True, inline="always")
def _banned(arc: int, ban: int, bans: np.ndarray) -> bool:
    while ban >= 0:
        if bans[ban, 0] == arc:
            return True
        ban = bans[ban, 1]
    return False


@njit(cache=True, nogil=True)
def _best_tail(
    graph: tuple,
    bound: np.ndarray,
    radius: float,
    start: int,
    target: int,
    ban: int,
    bans: np.ndarray,
    scratch: tuple,
    stamp: int,
) -> int:
    """A* from `start` past the marked nodes; fills the scratch's parents and returns the arcs looked at (-1: no path)."""
    indptr, nodes, edges, weights, blocked = graph
    cost, key, parent, seen, marked, heap, place = scratch
    check = len(blocked) > 0
    seen[start] = stamp
    cost[start] = 0.0
    key[start] = min(bound[start], radius)
    parent[start] = -1
    place[start] = -1
    size = heap_push(heap, place, 0, start, key, cost)
    looked = 0
    while size > 0:
        node = heap[0]
        if node == target:
            return looked
        size = heap_pop(heap, place, size, key, cost)
        place[node] = -2  # closed: the bounds are consistent
        for arc in range(indptr[node], indptr[node + 1]):
            looked += 1
            other = nodes[arc]
            if marked[other] == stamp or (check and blocked[edges[arc]]):
                continue
            rest = min(bound[other], radius)
            if rest == np.inf or (node == start and _banned(arc, ban, bans)):
                continue
            new = cost[node] + weights[arc]
            if seen[other] == stamp:
                if place[other] == -2 or new >= cost[other]:
                    continue
            else:
                seen[other] = stamp
                place[other] = -1
            cost[other] = new
            key[other] = new + rest
            parent[other] = arc
            size = heap_push(heap, place, size, other, key, cost)
    return -1


@njit(cache=True, nogil=True)
def _lower_bound(
    graph: tuple,
    bound: np.ndarray,
    radius: float,
    node: int,
    ban: int,
    bans: np.ndarray,
    marked: np.ndarray,
    stamp: int,
) -> float:
    """Least cost of a path on from `node` by an arc that is allowed, were the rest of it free."""
    indptr, nodes, edges, weights, blocked = graph
    check = len(blocked) > 0
    best = np.inf
    for arc in range(indptr[node], indptr[node + 1]):
        whole = weights[arc] + min(bound[nodes[arc]], radius)
        if whole >= best or marked[nodes[arc]] == stamp:
            continue
        if (check and blocked[edges[arc]]) or _banned(arc, ban, bans):
            continue
        best = whole
    return best


@njit(cache=True, nogil=True)
def _mark_shared(
    path: int, shared: int, pools: tuple, paths: np.ndarray, marked: np.ndarray, stamp: int
) -> int:
    """Mark the nodes that a set's paths have in common; returns the last of them, where they may part."""
    pool_nodes = pools[0]
    begin = paths[path, 0]
    for i in range(begin, begin + shared + 1):
        marked[pool_nodes[i]] = stamp
    return pool_nodes[begin + shared]


@njit(cache=True, nogil=True)
def _write_path(
    chosen: int, tail_start: int, length: int, graph: tuple, pools: tuple, paths: np.ndarray, sets: np.ndarray,
    tails: np.ndarray, counts: np.ndarray,
) -> None:  # fmt: skip
    """Write the path of a set behind the others: what it shares, then its tail; costs are added from the source on."""
    nodes, weights = graph[1], graph[3]
    pool_nodes, pool_arcs, pool_cost = pools
    follow, shared = sets[chosen, 0], sets[chosen, 1]
    begin, source = counts[_POOL], paths[follow, 0]
    for i in range(shared + 1):
        pool_nodes[begin + i] = pool_nodes[source + i]
        pool_arcs[begin + i] = pool_arcs[source + i]
        pool_cost[begin + i] = pool_cost[source + i]
    for i in range(length):
        arc = tails[tail_start + i]
        at = begin + shared + i
        pool_arcs[at] = arc  # the arc that leaves node i of the path stands beside it
        pool_nodes[at + 1] = nodes[arc]
        pool_cost[at + 1] = pool_cost[at] + weights[arc]
    pool_arcs[begin + shared + length] = -1
    new = counts[_PATHS]
    paths[new, 0], paths[new, 1], paths[new, 2] = begin, shared + length, shared
    counts[_PATHS] = new + 1
    counts[_POOL] = begin + shared + length + 1


@njit(cache=True, nogil=True)
def _split(
    chosen: int, graph: tuple, bound: np.ndarray, radius: float, pools: tuple, paths: np.ndarray, sets: np.ndarray,
    bounds: np.ndarray, queue: np.ndarray, bans: np.ndarray, scratch: tuple, counts: np.ndarray,
) -> None:  # fmt: skip
    """Put in the queue what is left of a set without the path just written: one set for every node where others part."""
    pool_nodes, pool_arcs, pool_cost = pools
    marked = scratch[4]
    path = counts[_PATHS] - 1
    begin, length, shared = paths[path, 0], paths[path, 1], paths[path, 2]
    counts[_STAMP] += 1
    stamp = counts[_STAMP]
    _mark_shared(path, shared, pools, paths, marked, stamp)
    for depth in range(shared, length):
        node = pool_nodes[begin + depth]
        marked[node] = stamp
        ban = counts[_BANS]
        bans[ban, 0] = pool_arcs[begin + depth]
        bans[ban, 1] = sets[chosen, 2] if depth == shared else -1
        low = pool_cost[begin + depth] + _lower_bound(graph, bound, radius, node, ban, bans, marked, stamp)
        if low == np.inf:
            continue
        counts[_BANS] = ban + 1
        new = counts[_SETS]
        sets[new, 0], sets[new, 1], sets[new, 2], sets[new, 3], sets[new, 4] = path, depth, ban, -1, 0
        bounds[new] = low
        counts[_SETS] = new + 1
        counts[_HEAP] = _put(queue, counts[_HEAP], new, bounds, sets)


@njit(cache=True, nogil=True)
def _has_room(
    length: int, pools: tuple, paths: np.ndarray, sets: np.ndarray, bans: np.ndarray, counts: np.ndarray
) -> bool:
    return (
        counts[_PATHS] < len(paths)
        and counts[_POOL] + length + 1 <= len(pools[0])
        and counts[_SETS] + length <= len(sets)
        and counts[_BANS] + length <= len(bans)
    )


@njit(cache=True, nogil=True)
def next_path(
    graph: tuple, bound: np.ndarray, radius: float, target: int, limit: float, pools: tuple, paths: np.ndarray,
    sets: np.ndarray, bounds: np.ndarray, queue: np.ndarray, bans: np.ndarray, tails: np.ndarray, scratch: tuple,
    counts: np.ndarray,
) -> int:  # fmt: skip
    """Write the next path behind those found.

    Returns FOUND, DONE (no path is left), NEED_ROOM (an array is full; call again with larger ones), or OVER_LIMIT (the
    next path would cost more than `limit`).
    """
    parent, marked = scratch[2], scratch[4]
    while counts[_HEAP] > 0:
        chosen = queue[0]
        if bounds[chosen] > limit:
            return OVER_LIMIT
        follow, shared = sets[chosen, 0], sets[chosen, 1]
        if sets[chosen, 3] >= 0:
            if not _has_room(shared + sets[chosen, 4], pools, paths, sets, bans, counts):
                return NEED_ROOM
            counts[_HEAP] = _take(queue, counts[_HEAP], bounds, sets)
            _write_path(chosen, sets[chosen, 3], sets[chosen, 4], graph, pools, paths, sets, tails, counts)
            _split(chosen, graph, bound, radius, pools, paths, sets, bounds, queue, bans, scratch, counts)
            return FOUND
        counts[_STAMP] += 1
        stamp = counts[_STAMP]
        start = _mark_shared(follow, shared, pools, paths, marked, stamp)
        looked = _best_tail(graph, bound, radius, start, target, sets[chosen, 2], bans, scratch, stamp)
        counts[_WORK] += max(looked, 0)
        if looked < 0:
            counts[_HEAP] = _take(queue, counts[_HEAP], bounds, sets)
            continue
        length, node = 0, target
        while node != start:
            length += 1
            node = _origin(graph[0], parent[node])
        if counts[_TAILS] + length > len(tails):
            return NEED_ROOM
        begin, node = counts[_TAILS], target
        for i in range(length - 1, -1, -1):
            tails[begin + i] = parent[node]
            node = _origin(graph[0], parent[node])
        counts[_TAILS] = begin + length
        cost = pools[2][paths[follow, 0] + shared]
        for i in range(length):
            cost += graph[3][tails[begin + i]]
        counts[_HEAP] = _take(queue, counts[_HEAP], bounds, sets)
        sets[chosen, 3], sets[chosen, 4] = begin, length
        bounds[chosen] = max(cost, bounds[chosen])  # never below its bound, whatever rounding does
        counts[_HEAP] = _put(queue, counts[_HEAP], chosen, bounds, sets)
    return DONE


@njit(cache=True, nogil=True)
def _origin(indptr: np.ndarray, arc: int) -> int:
    """The node that an arc leaves, found by bisection."""
    low, high = 0, len(indptr) - 1
    while high - low > 1:
        middle = (low + high) >> 1
        if indptr[middle] <= arc:
            low = middle
        else:
            high = middle
    return low
