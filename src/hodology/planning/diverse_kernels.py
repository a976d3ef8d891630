"""Compiled loops of the search for relationally diverse paths between two nodes, one query after the other.

Paths of up to three edges are found where the neighbourhoods of the two nodes meet: O(sum of degrees), from the
side that is cheaper. Longer ones by depth-first search that never goes where the goal is too far.

A graph is 5 arrays: (indptr, arcs) forward and backward, where `arcs` has the rows node, relation and edge, and the
mask of edges, empty when none is masked.

Reference: Abdullahi et al., "K-Paths", KDD 2025; the search itself replaces Yen's algorithm for unit weights.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from hodology.planning.diverse_reach_kernels import among, cheaper_from, connected, is_open, mark, prepare
from hodology.planning.diverse_row_kernels import ascending, clear, meet, take_first

__all__ = ["find_many"]

# what `state` holds while a query runs: the first six are given
_K, _LONGEST, _TIE, _SEED, _BASE, _BUDGET = 0, 1, 2, 3, 4, 5
_USED, _HEAPED, _LENGTH, _U, _V, _ARCS, _STAMP = 6, 7, 8, 9, 10, 11, 12
_RARE = 1
_OK, _OVER_BUDGET = 0, 1
_NODE, _RELATION, _EDGE = 0, 1, 2


@njit(cache=True, nogil=True)
def find_many(graph, hidden, pairs, options, flags, edges, told):  # type: ignore[no-untyped-def]
    """Fill the results of many queries.

    `pairs`: nodes ``(queries, 2)``, -1 for none. `options`: k, longest, tie, seed, number of relations, budget (0 for
    none). `flags`: diverse, one-hop lists when unconnected, also when too far, one-hop lists only. Results: edge numbers
    ``(queries, 2 k, longest)``, and per query paths, 1 where they are one-hop lists, and how it ended (fine, over
    budget, too many).
    """
    k, longest = options[_K], options[_LONGEST]
    nodes = len(graph[0]) - 1
    marks = np.zeros((4, nodes), dtype=np.int32)  # stamp and first arc, from u and towards v
    distance = np.zeros(nodes if longest > 3 else 0, dtype=np.int32)
    table = np.full((256, 2 * longest + 4), -1, dtype=np.int64)
    heap = np.zeros((k + 1, 2 * longest + 4), dtype=np.int64)
    state = np.zeros(13, dtype=np.int64)
    for i in range(len(options)):
        state[i] = options[i]
    for query in range(len(pairs)):
        u, v = pairs[query, 0], pairs[query, 1]
        state[_U], state[_V], state[_ARCS], state[_STAMP] = u, v, 0, query + 1
        if u >= 0 and v >= 0 and not flags[3]:
            mark(graph[0], graph[1], u, marks[0], marks[1], query + 1)
            mark(graph[2], graph[3], v, marks[2], marks[3], query + 1)
            table = _paths(query, graph, hidden, flags, marks, distance, table, heap, state, edges, told)
        lists = flags[3] or u < 0 or v < 0
        if not lists and told[query, 0] == 0 and flags[1] and told[query, 2] == _OK:
            lists = flags[2] or not connected(graph, hidden, u, v)
        if lists:
            told[query, 1] = 1
            for side in range(2):
                node, other = pairs[query, side], pairs[query, 1 - side]
                most = k if not flags[3] else (k + 1 - side) // 2
                if node >= 0 and most > 0:
                    table = _one_hop(node, other, most, graph, hidden, flags, table, heap, state)
                    _keep(query, 1, heap, state, edges, told)


@njit(cache=True, nogil=True)
def _paths(query, graph, hidden, flags, marks, distance, table, heap, state, edges, told):  # type: ignore[no-untyped-def]
    """The paths of one query, shortest first."""
    for length in range(1, state[_LONGEST] + 1):
        most = state[_K] - told[query, 0]
        if most == 0:
            break
        if length == 4:
            told[query, 2] = prepare(graph, distance, state)
            if told[query, 2] != _OK:
                break
        state[_LENGTH], state[_HEAPED] = length, 0
        for column in range(heap.shape[1]):
            heap[state[_K], column] = 0
        if flags[0] or state[_TIE] == _RARE:
            table = _walk(length, graph, hidden, marks, distance, table, heap, state, 0)
        if flags[0]:
            take_first(table, heap, state, most)
        else:
            table = _walk(length, graph, hidden, marks, distance, table, heap, state, most)
        clear(table, state)
        ascending(heap, state)
        _keep(query, length, heap, state, edges, told)
        if state[_BUDGET] > 0 and state[_ARCS] > state[_BUDGET]:
            told[query, 2] = _OVER_BUDGET
            break
    return table


@njit(cache=True, nogil=True)
def _keep(query, length, heap, state, edges, told):  # type: ignore[no-untyped-def]
    """Write the heap's paths behind those that were found before."""
    for i in range(state[_HEAPED]):
        for step in range(length):
            edges[query, told[query, 0] + i, step] = heap[i, state[_LONGEST] + 2 + step]
    told[query, 0] += state[_HEAPED]


@njit(cache=True, nogil=True)
def _walk(length, graph, hidden, marks, distance, table, heap, state, most):  # type: ignore[no-untyped-def]
    """Meet every path of one length; with `most` above 0 they go to the heap, else to the table."""
    if length == 1:
        return _direct(graph, hidden, table, heap, state, most)
    if length == 2:
        return _two(graph, marks, table, heap, state, most)
    if length > 3:
        return _deep(length, graph, marks, distance, table, heap, state, most)
    return _three(graph, marks, table, heap, state, most)


@njit(cache=True, nogil=True)
def _direct(graph, hidden, table, heap, state, most):  # type: ignore[no-untyped-def]
    """Edges from u to v whose relation is not hidden between the two."""
    indptr, arcs, at, first = graph[0], graph[1], state[_K], state[_LONGEST] + 2
    for i in range(indptr[state[_U]], indptr[state[_U] + 1]):
        if (
            arcs[_NODE, i] == state[_V]
            and not hidden[arcs[_RELATION, i]]
            and is_open(graph[4], arcs[_EDGE, i])
        ):
            heap[at, 1], heap[at, first] = arcs[_RELATION, i], arcs[_EDGE, i]
            table = meet(table, heap, state, most)
    return table


@njit(cache=True, nogil=True)
def _two(graph, marks, table, heap, state, most):  # type: ignore[no-untyped-def]
    """u -> a -> v."""
    indptr, arcs, back, mask = graph[0], graph[1], graph[3], graph[4]
    u, v, at, first = state[_U], state[_V], state[_K], state[_LONGEST] + 2
    for i in range(indptr[u], indptr[u + 1]):
        a = arcs[_NODE, i]
        if a != u and a != v and marks[2, a] == state[_STAMP] and is_open(mask, arcs[_EDGE, i]):
            n = marks[3, a]
            while n < graph[2][v + 1] and back[_NODE, n] == a:
                if is_open(mask, back[_EDGE, n]):
                    heap[at, 1] = np.int64(arcs[_RELATION, i]) * state[_BASE] + back[_RELATION, n]
                    heap[at, 2], heap[at, first], heap[at, first + 1] = a, arcs[_EDGE, i], back[_EDGE, n]
                    table = meet(table, heap, state, most)
                n += 1
    return table


@njit(cache=True, nogil=True)
def _three(graph, marks, table, heap, state, most):  # type: ignore[no-untyped-def]
    """u -> a -> b -> v: from every neighbour of one end, those arcs that meet a marked neighbour of the other end."""
    forward = cheaper_from(graph, state[_U], state[_V])
    indptr, arcs = (graph[0], graph[1]) if forward else (graph[2], graph[3])
    end, side = (state[_U], 2) if forward else (state[_V], 0)
    i = indptr[end]
    while i < indptr[end + 1]:
        near, begin = arcs[_NODE, i], i
        while i < indptr[end + 1] and arcs[_NODE, i] == near:
            i += 1  # parallel arcs count in _cross
        if near == state[_U] or near == state[_V]:
            continue
        for m in range(indptr[near], indptr[near + 1]):
            far = arcs[_NODE, m]
            if marks[side, far] == state[_STAMP] and far != state[_U] and far != state[_V] and far != near:
                a, b = (near, far) if forward else (far, near)
                first, last = (begin, marks[3, b]) if forward else (marks[1, a], begin)
                table = _cross(first, a, arcs, m, last, b, graph, table, heap, state, most)
    return table


@njit(cache=True, nogil=True)
def _cross(begin, a, arcs, middle, n, b, graph, table, heap, state, most):  # type: ignore[no-untyped-def]
    """All parallel edges u -> a, with one edge a -> b, with all parallel edges b -> v."""
    if not is_open(graph[4], arcs[_EDGE, middle]):
        return table
    ahead, back, at, first = graph[1], graph[3], state[_K], state[_LONGEST] + 2
    heap[at, 2], heap[at, 3], heap[at, first + 1] = a, b, arcs[_EDGE, middle]
    while n < graph[2][state[_V] + 1] and back[_NODE, n] == b:
        p = begin if is_open(graph[4], back[_EDGE, n]) else graph[0][state[_U] + 1]
        while p < graph[0][state[_U] + 1] and ahead[_NODE, p] == a:
            if is_open(graph[4], ahead[_EDGE, p]):
                code = np.int64(ahead[_RELATION, p]) * state[_BASE] + arcs[_RELATION, middle]
                heap[at, 1] = code * state[_BASE] + back[_RELATION, n]
                heap[at, first], heap[at, first + 2] = ahead[_EDGE, p], back[_EDGE, n]
                table = meet(table, heap, state, most)
            p += 1
        n += 1
    return table


@njit(cache=True, nogil=True)
def _deep(length, graph, marks, distance, table, heap, state, most):  # type: ignore[no-untyped-def]
    """Paths of four edges and more, depth first, until the budget of arcs is used up."""
    indptr, arcs, back, mask = graph[0], graph[1], graph[3], graph[4]
    v, at, first = state[_V], state[_K], state[_LONGEST] + 2
    walk = np.zeros(
        (3, length), dtype=np.int64
    )  # nodes from u on, the next arc to try from each, codes so far
    walk[0, 0], walk[1, 0], depth = state[_U], indptr[state[_U]], 0
    while depth >= 0:
        i = walk[1, depth]
        if i == indptr[walk[0, depth] + 1]:
            depth -= 1
            continue
        walk[1, depth] += 1
        state[_ARCS] += 1
        if state[_BUDGET] > 0 and state[_ARCS] > state[_BUDGET]:
            break
        y, far = arcs[_NODE, i], length - depth - 1
        if distance[y] > far or y == v or not is_open(mask, arcs[_EDGE, i]) or among(walk, depth, y):
            continue
        code = walk[2, depth] * state[_BASE] + arcs[_RELATION, i]
        heap[at, 2 + depth], heap[at, first + depth] = y, arcs[_EDGE, i]
        if far > 1:
            depth += 1
            walk[0, depth], walk[1, depth], walk[2, depth] = y, indptr[y], code
        elif marks[2, y] == state[_STAMP]:
            n = marks[3, y]
            while n < graph[2][v + 1] and back[_NODE, n] == y:
                if is_open(mask, back[_EDGE, n]):
                    heap[at, 1] = code * state[_BASE] + back[_RELATION, n]
                    heap[at, first + length - 1] = back[_EDGE, n]
                    table = meet(table, heap, state, most)
                n += 1
    return table


@njit(cache=True, nogil=True)
def _one_hop(node, other, most, graph, hidden, flags, table, heap, state):  # type: ignore[no-untyped-def]
    """Edges that leave a node, but for the hidden ones to the other node of the query."""
    indptr, arcs, at, first = graph[0], graph[1], state[_K], state[_LONGEST] + 2
    state[_LENGTH], state[_HEAPED], state[_U], state[_V] = 0, 0, node, node
    for column in range(heap.shape[1]):
        heap[at, column] = 0
    for turn in range(2):  # into the table, then into the heap
        wanted = flags[0] or state[_TIE] == _RARE if turn == 0 else not flags[0]
        for i in range(indptr[node], indptr[node + 1] if wanted else indptr[node]):
            own = arcs[_NODE, i] == other and hidden[arcs[_RELATION, i]]
            if arcs[_NODE, i] != node and not own and is_open(graph[4], arcs[_EDGE, i]):
                heap[at, 1], heap[at, 2], heap[at, first] = arcs[_RELATION, i], arcs[_NODE, i], arcs[_EDGE, i]
                table = meet(table, heap, state, most * turn)
    if flags[0]:
        take_first(table, heap, state, most)
    clear(table, state)
    ascending(heap, state)
    return table
