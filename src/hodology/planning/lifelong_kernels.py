"""Compiled loops of the lifelong grid world: one call moves all agents by one step, one draws all views.

Positions, goals and targets are flat cells of the padded grid. `occupied` holds the agent in each cell or -1.
`heads` is scratch over the cells, -1 everywhere between calls.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["BLOCK", "PRIORITY", "SOFT", "draw_views", "move_agents"]

SOFT, PRIORITY, BLOCK = 0, 1, 2


@njit(cache=True, nogil=True)
def move_agents(
    free: np.ndarray,
    stride: int,
    rule: int,
    actions: np.ndarray,
    positions: np.ndarray,
    goals: np.ndarray,
    occupied: np.ndarray,
    heads: np.ndarray,
    moved: np.ndarray,
    reached: np.ndarray,
) -> int:
    """Move all agents in place and write who moved and who stands on the goal.

    Returns the number of agents on their goals, or -1 - agent for the first agent whose action is not 0 to 4;
    nothing has moved then.
    """
    n = positions.size
    steps = (0, -stride, stride, -1, 1)
    targets = np.empty(n, np.int32)
    for agent in range(n):
        if actions[agent] < 0 or actions[agent] > 4:
            return -1 - agent
        targets[agent] = positions[agent] + steps[actions[agent]]
    if rule == PRIORITY:
        _settle_in_order(free, positions, targets, occupied)
    elif rule == BLOCK:
        _settle_blocked(free, positions, targets, occupied, heads)
    else:
        _settle_softly(free, positions, targets, occupied, heads)
    for agent in range(n):
        occupied[positions[agent]] = -1
    count = 0
    for agent in range(n):
        cell = targets[agent]
        occupied[cell] = agent
        moved[agent] = cell != positions[agent]
        positions[agent] = cell
        reached[agent] = cell == goals[agent]
        count += reached[agent]
    return count


@njit(cache=True, nogil=True)
def draw_views(
    walls: np.ndarray,
    stride: int,
    radius: int,
    positions: np.ndarray,
    goals: np.ndarray,
    starts: np.ndarray,
    occupied: np.ndarray,
    obstacles: np.ndarray,
    agents: np.ndarray,
    offset: np.ndarray,
    moved: np.ndarray,
) -> None:
    """Walls and agents in the square around every agent, the way to its goal and the way it has come."""
    side = 2 * radius + 1
    for agent in range(positions.size):
        cell = positions[agent]
        for row in range(side):
            first = cell + (row - radius) * stride - radius
            line, standing = walls[first : first + side], occupied[first : first + side]
            line_out, standing_out = obstacles[agent, row], agents[agent, row]
            for column in range(side):  # on slices: indices that cannot be negative need no test each
                line_out[column] = line[column]
                standing_out[column] = standing[column] >= 0
        here_row, here_column = cell // stride, cell % stride
        offset[agent, 0] = goals[agent] // stride - here_row
        offset[agent, 1] = goals[agent] % stride - here_column
        moved[agent, 0] = here_row - starts[agent] // stride
        moved[agent, 1] = here_column - starts[agent] % stride


@njit(cache=True, nogil=True)
def _settle_in_order(
    free: np.ndarray, positions: np.ndarray, targets: np.ndarray, occupied: np.ndarray
) -> None:
    """Priority: agents move one after another, refused by a wall or whoever stands there at that instant."""
    for agent in range(positions.size):
        cell, target = positions[agent], targets[agent]
        if free[target] and occupied[target] < 0:
            occupied[cell] = -1
            occupied[target] = agent
        else:
            targets[agent] = cell


@njit(cache=True, nogil=True)
def _settle_blocked(
    free: np.ndarray,
    positions: np.ndarray,
    targets: np.ndarray,
    occupied: np.ndarray,
    heads: np.ndarray,
) -> None:
    """Block: no one enters a wall, a cell that someone stood in, or a cell that two want."""
    n = positions.size
    for agent in range(n):
        heads[targets[agent]] += 1
    for agent in range(n):
        target = targets[agent]
        if not free[target] or occupied[target] >= 0 or heads[target] > 0:
            targets[agent] = -1 - target  # still to be cleared
    for agent in range(n):
        if targets[agent] < 0:
            heads[-1 - targets[agent]] = -1
            targets[agent] = positions[agent]
        else:
            heads[targets[agent]] = -1


@njit(cache=True, nogil=True)
def _settle_softly(
    free: np.ndarray,
    positions: np.ndarray,
    targets: np.ndarray,
    occupied: np.ndarray,
    heads: np.ndarray,
) -> None:
    """Soft: lower indices win, chains and rings may turn, swaps are undone.

    Claims of a cell are a linked list in the order they were made: `heads` has the first agent, `following` the
    next. Every agent claims exactly one cell.
    """
    n = positions.size
    following = np.empty(n, np.int32)
    wanted = targets.copy()
    for agent in range(n):
        _claim(heads, following, targets[agent], agent)
    for agent in range(
        n
    ):  # of two that swap, the lower goes back; the other then finds two claims on its target
        other = occupied[targets[agent]]
        if other > agent and targets[other] == positions[agent]:
            _release(heads, following, targets[agent], agent)
            _claim(heads, following, positions[agent], agent)
            targets[agent] = positions[agent]
    for agent in range(n - 1, -1, -1):
        target = targets[agent]
        contested = heads[target] != agent or following[agent] >= 0
        if contested or not free[target]:
            _send_back(positions, targets, heads, following, agent)
    for agent in range(n):
        heads[positions[agent]] = -1
        heads[wanted[agent]] = -1


@njit(cache=True, nogil=True)
def _send_back(
    positions: np.ndarray,
    targets: np.ndarray,
    heads: np.ndarray,
    following: np.ndarray,
    agent: int,
) -> None:
    """An agent stays; whoever had claimed its cell first stays too, and so on."""
    while True:
        cell = positions[agent]
        _release(heads, following, targets[agent], agent)
        targets[agent] = cell
        first = heads[cell]
        _claim(heads, following, cell, agent)
        if first < 0:
            return
        agent = first


@njit(cache=True, nogil=True)
def _claim(heads: np.ndarray, following: np.ndarray, cell: int, agent: int) -> None:
    following[agent] = -1
    last = heads[cell]
    if last < 0:
        heads[cell] = agent
        return
    while following[last] >= 0:
        last = following[last]
    following[last] = agent


@njit(cache=True, nogil=True)
def _release(heads: np.ndarray, following: np.ndarray, cell: int, agent: int) -> None:
    at = heads[cell]
    if at == agent:
        heads[cell] = following[agent]
        return
    while following[at] != agent:
        at = following[at]
    following[at] = following[agent]
