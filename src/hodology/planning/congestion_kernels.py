"""Compiled loops of the congestion planner: counts of seen agents, backward cost fields, A*, network inputs.

All work on flat padded grids, on a range of agents, and let go of the interpreter's lock. Two orders of the open list:
"exact" (reference = 0) takes the least f, then the greatest g, then the lowest cell, which is a total order; "reference"
(1) takes f as equal within 1e-5 and then the least g, in a binary heap that moves as a C++ priority queue does (the hole
sinks to the bottom, then the last entry rises), so that equal keys leave it in the same order. The dtype of the costs
(float64, or float32 to replay the reference planner) is that of all sums.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

__all__ = ["Workspace", "add_counts", "draw_inputs", "goal_fields", "make_workspace", "plan_paths"]

_FULL = 65535  # counts stay here: one more would wrap around to 0


class Workspace(NamedTuple):
    """What one thread's searches write to, made once; stamps tell old values from those of this search."""

    heap_f: np.ndarray
    heap_g: np.ndarray
    heap_cell: np.ndarray
    stamp: np.ndarray
    reached: np.ndarray
    parent: np.ndarray
    clock: np.ndarray
    rounded: np.ndarray


def make_workspace(size: int, capacity: int, dtype: type[np.floating]) -> Workspace:
    """Arrays for grids of `size` cells and heaps of `capacity` entries."""
    return Workspace(
        heap_f=np.empty(capacity, dtype),
        heap_g=np.empty(capacity, dtype),
        heap_cell=np.empty(capacity, np.int32),
        stamp=np.zeros(size, np.int32),
        reached=np.empty(size, dtype),
        parent=np.empty(size, np.int32),
        clock=np.zeros(1, np.int32),
        rounded=np.empty(1, dtype),
    )


@njit(cache=True, nogil=True)
def add_counts(
    first: int,
    last: int,
    stride: int,
    radius: int,
    positions: np.ndarray,
    seen: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Add 1 to ``counts[i, c]`` for each cell c in view of agent i that holds another agent."""
    for agent in range(first, last):
        own = positions[agent]
        for row in range(-radius, radius + 1):
            begin = own + row * stride - radius
            for cell in range(begin, begin + 2 * radius + 1):
                if seen[cell] != 0 and cell != own and counts[agent, cell] < _FULL:
                    counts[agent, cell] += 1


@njit(cache=True, nogil=True)
def goal_fields(
    first: int,
    last: int,
    sides: np.ndarray,
    free: np.ndarray,
    cost: np.ndarray,
    goals: np.ndarray,
    changed: np.ndarray,
    reference: int,
    fields: np.ndarray,
    work: Workspace,
) -> None:
    """Backward Dijkstra from the goals of the agents marked in `changed`, into their rows of `fields`.

    All ways into a cell cost the same, so a cell's value is final when its first neighbour leaves the heap. Exact: the
    costs of the cells entered up to the goal. Reference: the cell's own cost instead of the goal's.
    """
    for agent in range(first, last):
        if changed[agent] == 0:
            continue
        field = fields[agent]
        field[:] = np.inf
        field[goals[agent]] = 0.0
        size = _push(0, 0.0 if reference else cost[goals[agent]], 0.0, goals[agent], work, 0)
        while size > 0:
            cell, key = work.heap_cell[0], work.heap_f[0]
            size = _pop(size, work, 0)
            for side in range(4):
                near = cell + sides[side]
                if free[near] != 0 and field[near] == np.inf:
                    work.rounded[0] = key + cost[near]
                    field[near] = work.rounded[0] if reference else key
                    size = _push(size, work.rounded[0], 0.0, near, work, 0)


@njit(cache=True, nogil=True)
def plan_paths(
    first: int,
    last: int,
    sides: np.ndarray,
    free: np.ndarray,
    cost: np.ndarray,
    counts: np.ndarray,
    fields: np.ndarray,
    positions: np.ndarray,
    goals: np.ndarray,
    reference: int,
    work: Workspace,
    paths: np.ndarray,
    lengths: np.ndarray,
    expanded: np.ndarray,
) -> int:
    """A* for agents ``first .. last - 1``; returns the greatest length, or -1 when the heap was too small.

    `counts` may have no rows: then there is no dynamic cost. Length 0 means that no path exists.
    """
    longest = 0
    for agent in range(first, last):
        lengths[agent] = expanded[agent] = 0
        if fields[agent, positions[agent]] < np.inf:
            expanded[agent] = _search(
                agent, sides, free, cost, counts, fields, positions, goals, reference, work
            )
            if expanded[agent] < 0:
                return -1
            lengths[agent] = _trace(positions[agent], goals[agent], work.parent, paths[agent])
            longest = max(longest, lengths[agent])
        paths[agent, lengths[agent] :] = -1
    return longest


@njit(cache=True, nogil=True)
def draw_inputs(
    first: int,
    last: int,
    stride: int,
    obstacles: np.ndarray,
    agents: np.ndarray,
    positions: np.ndarray,
    paths: np.ndarray,
    lengths: np.ndarray,
    out: np.ndarray,
) -> None:
    """Channel 0: walls -1, path +1 up to the first cell outside the view; channel 1: agents. Into ``out[first:last]``."""
    side = out.shape[2]
    view, radius = obstacles.shape[1] // 2, side // 2
    for agent in range(first, last):
        for row in range(side):
            for column in range(side):
                seen = row + view - radius, column + view - radius
                out[agent, 0, row, column] = -1.0 if obstacles[agent, seen[0], seen[1]] != 0 else 0.0
                out[agent, 1, row, column] = 1.0 if agents[agent, seen[0], seen[1]] != 0 else 0.0
        own_row, own_column = positions[agent] // stride, positions[agent] % stride
        for k in range(min(lengths[agent], paths.shape[1])):
            row = paths[agent, k] // stride - own_row
            column = paths[agent, k] % stride - own_column
            if max(abs(row), abs(column)) > view:
                break
            if max(abs(row), abs(column)) <= radius:
                out[agent, 0, row + radius, column + radius] = 1.0


@njit(cache=True, nogil=True)
def _search(
    agent: int,
    sides: np.ndarray,
    free: np.ndarray,
    cost: np.ndarray,
    counts: np.ndarray,
    fields: np.ndarray,
    positions: np.ndarray,
    goals: np.ndarray,
    reference: int,
    work: Workspace,
) -> int:
    """Parents of one agent's path into the workspace; returns the cells expanded, or -1 when the heap is full."""
    dynamic = len(counts) > 0
    stamp, reached, parent, rounded = work.stamp, work.reached, work.parent, work.rounded
    start, goal, capacity = positions[agent], goals[agent], len(work.heap_cell)
    if work.clock[0] == 2147483647:
        stamp[:] = 0
        work.clock[0] = 0
    work.clock[0] += 1
    now = work.clock[0]
    # The reference planner leaves the start open, so it comes back once: no path changes, but the order of equals does.
    stamp[start], reached[start] = now, (np.inf if reference else 0.0)
    size, popped = _push(0, fields[agent, start], 0.0, start, work, reference), 0
    while size > 0 and work.heap_cell[0] != goal:
        cell, g = work.heap_cell[0], work.heap_g[0]
        size = _pop(size, work, reference)
        if reached[cell] < g:
            continue
        popped += 1
        if size + 4 > capacity:
            return -1
        for side in range(4):
            near = cell + sides[side]
            if free[near] == 0:
                continue
            rounded[0] = cost[near]
            if dynamic:
                rounded[0] += counts[agent, near]
            rounded[0] += g
            if stamp[near] != now or reached[near] > rounded[0]:
                stamp[near], reached[near], parent[near] = now, rounded[0], cell
                size = _push(size, rounded[0] + fields[agent, near], rounded[0], near, work, reference)
    return popped


@njit(cache=True, nogil=True)
def _trace(start: int, goal: int, parent: np.ndarray, path: np.ndarray) -> int:
    """Write the path from its start on, as far as it fits; returns its length in cells."""
    length, cell = 1, goal
    while cell != start:
        cell = parent[cell]
        length += 1
    cell = goal
    for k in range(length - 1, -1, -1):
        if k < len(path):
            path[k] = cell
        if k > 0:
            cell = parent[cell]
    return length


@njit(cache=True, nogil=True)
def _after(f: float, g: float, cell: int, f2: float, g2: float, cell2: int, reference: int) -> bool:
    """Whether the first entry leaves the heap after the second."""
    if reference:
        return f > f2 or (abs(f - f2) < 1e-5 and g > g2)
    if f != f2:
        return f > f2
    return g < g2 or (g == g2 and cell > cell2)


@njit(cache=True, nogil=True)
def _push(size: int, f: float, g: float, cell: int, work: Workspace, reference: int) -> int:
    """Add an entry; returns the new size."""
    work.rounded[0] = f
    _rise(size, work.rounded[0], g, cell, work, reference)
    return size + 1


@njit(cache=True, nogil=True)
def _rise(hole: int, f: float, g: float, cell: int, work: Workspace, reference: int) -> None:
    """Let an entry rise from `hole`."""
    fs, gs, cells = work.heap_f, work.heap_g, work.heap_cell
    while hole > 0:
        above = (hole - 1) // 2
        if not _after(fs[above], gs[above], cells[above], f, g, cell, reference):
            break
        fs[hole], gs[hole], cells[hole] = fs[above], gs[above], cells[above]
        hole = above
    fs[hole], gs[hole], cells[hole] = f, g, cell


@njit(cache=True, nogil=True)
def _pop(size: int, work: Workspace, reference: int) -> int:
    """Drop the first entry; returns the new size. The hole sinks to the bottom and the last entry rises from there."""
    fs, gs, cells = work.heap_f, work.heap_g, work.heap_cell
    size -= 1
    hole, below = 0, 2
    while below < size:
        if _after(
            fs[below], gs[below], cells[below], fs[below - 1], gs[below - 1], cells[below - 1], reference
        ):
            below -= 1
        fs[hole], gs[hole], cells[hole] = fs[below], gs[below], cells[below]
        hole, below = below, 2 * below + 2
    if below == size:  # one child only
        fs[hole], gs[hole], cells[hole] = fs[below - 1], gs[below - 1], cells[below - 1]
        hole = below - 1
    if size > 0:
        _rise(hole, fs[size], gs[size], cells[size], work, reference)
    return size
