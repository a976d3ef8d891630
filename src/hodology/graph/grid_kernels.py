"""Compiled loops of `hodology.graph.grid`: labels, breadth-first search, Dijkstra, A* and all-pairs distance sums.

All work on a flat, padded array: `free` is 1 on free cells, the border is 0, and the four neighbours of a cell are
-stride, +stride, -1 and +1 away, so no bounds are checked.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["a_star", "breadth_first", "dijkstra", "distance_sums", "label"]


@njit(cache=True, nogil=True)
def label(free: np.ndarray, stride: int, cells: np.ndarray) -> np.ndarray:
    """Component of every cell, numbered by first cell; -1 on walls."""
    found = np.full(free.size, -1, np.int32)
    queue = np.empty(cells.size, np.int32)
    steps = (-stride, stride, -1, 1)
    count = 0
    for first in cells:
        if found[first] >= 0:
            continue
        found[first] = count
        queue[0] = first
        head, tail = 0, 1
        while head < tail:
            cell = queue[head]
            head += 1
            for step in steps:
                other = cell + step
                if free[other] and found[other] < 0:
                    found[other] = count
                    queue[tail] = other
                    tail += 1
        count += 1
    return found


@njit(cache=True, nogil=True)
def breadth_first(free: np.ndarray, stride: int, goal: int, n_cells: int) -> np.ndarray:
    """Steps from every cell to `goal`; -1 where there is no way."""
    distance = np.full(free.size, -1, np.int32)
    queue = np.empty(n_cells, np.int32)
    steps = (-stride, stride, -1, 1)
    distance[goal] = 0
    queue[0] = goal
    head, tail = 0, 1
    while head < tail:
        cell = queue[head]
        head += 1
        for step in steps:
            other = cell + step
            if free[other] and distance[other] < 0:
                distance[other] = distance[cell] + 1
                queue[tail] = other
                tail += 1
    return distance


@njit(cache=True, nogil=True)
def dijkstra(
    free: np.ndarray,
    stride: int,
    goal: int,
    cost: np.ndarray,
    n_cells: int,
) -> np.ndarray:
    """Least sum of the costs of the cells entered on the way to `goal`; infinite where there is no way."""
    value = np.full(free.size, np.inf)
    heap = np.empty(n_cells, np.int32)
    place = np.full(free.size, -1, np.int32)
    steps = (-stride, stride, -1, 1)
    value[goal] = 0.0
    size = _push(heap, place, value, value, 0, goal)
    while size > 0:
        cell = _pop(heap, place, value, value, size)
        size -= 1
        through = value[cell] + cost[cell]  # searched backward: a neighbour enters this cell
        for step in steps:
            other = cell + step
            if free[other] and through < value[other]:
                value[other] = through
                size = _push(heap, place, value, value, size, other)
    return value


@njit(cache=True, nogil=True)
def a_star(
    free: np.ndarray,
    stride: int,
    start: int,
    goal: int,
    cost: np.ndarray,
    least: float,
    n_cells: int,
) -> np.ndarray:
    """Path start .. goal of least cost (start's own not counted), empty when there is none.

    The estimate is `least`, the smallest cost of a cell, times the Manhattan distance.
    """
    value = np.full(free.size, np.inf)
    total = np.full(free.size, np.inf)
    left = np.zeros(free.size)
    before = np.full(free.size, -1, np.int32)
    heap = np.empty(n_cells, np.int32)
    place = np.full(free.size, -1, np.int32)
    steps = (-stride, stride, -1, 1)
    goal_row, goal_column = goal // stride, goal % stride
    value[start] = 0.0
    total[start] = 0.0
    size = _push(heap, place, total, left, 0, start)
    while size > 0:
        cell = _pop(heap, place, total, left, size)
        size -= 1
        if cell == goal:
            return _trace(before, start, goal)
        for step in steps:
            other = cell + step
            if not free[other]:
                continue
            through = value[cell] + cost[other]
            if through < value[other]:
                away = abs(other // stride - goal_row) + abs(other % stride - goal_column)
                value[other] = through
                left[other] = least * away
                total[other] = through + left[other]
                before[other] = cell
                size = _push(heap, place, total, left, size, other)
    return np.empty(0, np.int32)


@njit(cache=True, nogil=True)
def distance_sums(free: np.ndarray, stride: int, sources: np.ndarray, sums: np.ndarray) -> None:
    """Add to `sums` the distance of every cell to each source, 64 sources at a time.

    Bit b of a word stands for source b. A level advances all 64 searches at once; a cell that a search enters at
    level d adds d. The grid is undirected, so the sum over sources is the sum over goals.
    """
    seen = np.zeros(free.size, np.uint64)
    front = np.zeros(free.size, np.uint64)
    fresh = np.zeros(free.size, np.uint64)
    here = np.empty(free.size, np.int32)
    there = np.empty(free.size, np.int32)
    steps = (-stride, stride, -1, 1)
    for begin in range(0, sources.size, 64):
        seen[:] = 0
        n_here = min(64, sources.size - begin)
        for bit in range(n_here):
            cell = sources[begin + bit]
            here[bit] = cell
            front[cell] = np.uint64(1) << np.uint64(bit)
            seen[cell] = front[cell]
        level = 0
        while n_here > 0:
            level += 1
            n_there = 0
            for i in range(n_here):
                cell = here[i]
                bits = front[cell]
                front[cell] = 0
                for step in steps:
                    other = cell + step
                    if free[other]:
                        add = bits & ~seen[other]
                        if add:
                            if fresh[other] == 0:
                                there[n_there] = other
                                n_there += 1
                            fresh[other] |= add
            for i in range(n_there):
                cell = there[i]
                bits = fresh[cell]
                fresh[cell] = 0
                seen[cell] |= bits
                front[cell] = bits
                sums[cell] += level * _ones(bits)
            here, there = there, here
            n_here = n_there


@njit(cache=True, nogil=True)
def _ones(word: np.uint64) -> np.int64:
    """Bits that are set; the sums of pairs, fours and bytes become one machine instruction."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit(cache=True, nogil=True)
def _before(key: np.ndarray, tie: np.ndarray, a: int, b: int) -> bool:
    return key[a] < key[b] or (key[a] == key[b] and tie[a] < tie[b])


@njit(cache=True, nogil=True)
def _push(
    heap: np.ndarray,
    place: np.ndarray,
    key: np.ndarray,
    tie: np.ndarray,
    size: int,
    cell: int,
) -> int:
    """Put a cell in, or move it up after its key fell; `place` knows where it lies. Returns the new size."""
    at = place[cell]
    if at < 0:
        at = size
        size += 1
    while at > 0:
        above = (at - 1) // 2
        parent = heap[above]
        if not _before(key, tie, cell, parent):
            break
        heap[at] = parent
        place[parent] = at
        at = above
    heap[at] = cell
    place[cell] = at
    return size


@njit(cache=True, nogil=True)
def _pop(
    heap: np.ndarray,
    place: np.ndarray,
    key: np.ndarray,
    tie: np.ndarray,
    size: int,
) -> int:
    """Take the least cell out of a heap of `size` cells."""
    top = heap[0]
    place[top] = -1
    size -= 1
    if size == 0:
        return top
    cell = heap[size]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and _before(key, tie, heap[child + 1], heap[child]):
            child += 1
        if not _before(key, tie, heap[child], cell):
            break
        heap[at] = heap[child]
        place[heap[at]] = at
        at = child
    heap[at] = cell
    place[cell] = at
    return top


@njit(cache=True, nogil=True)
def _trace(before: np.ndarray, start: int, goal: int) -> np.ndarray:
    """Cells from start to goal along the links that A* left."""
    length = 1
    cell = goal
    while cell != start:
        cell = before[cell]
        length += 1
    path = np.empty(length, np.int32)
    cell = goal
    for i in range(length - 1, -1, -1):
        path[i] = cell
        cell = before[cell]
    return path
