"""Compiled loops of PIBT: breadth-first distances to goals, and one step of priority inheritance with backtracking."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["goal_distances", "inherit_priorities"]


@njit(cache=True, nogil=True)
def goal_distances(
    sides: np.ndarray,
    free: np.ndarray,
    goals: np.ndarray,
    changed: np.ndarray,
    queue: np.ndarray,
    fields: np.ndarray,
) -> None:
    """Steps to the goal from every cell, into the rows of `fields` marked in `changed`; far beyond any where there is none."""
    for agent in range(len(goals)):
        if changed[agent] == 0:
            continue
        field = fields[agent]
        field[:] = 1 << 30
        field[goals[agent]] = 0
        queue[0] = goals[agent]
        head, tail = 0, 1
        while head < tail:
            cell = queue[head]
            head += 1
            for side in range(1, 5):
                near = cell + sides[side]
                if free[near] != 0 and field[near] == 1 << 30:
                    field[near] = field[cell] + 1
                    queue[tail] = near
                    tail += 1


@njit(cache=True, nogil=True)
def inherit_priorities(
    order: np.ndarray,
    sides: np.ndarray,
    free: np.ndarray,
    fields: np.ndarray,
    noise: np.ndarray,
    positions: np.ndarray,
    now: np.ndarray,
    then: np.ndarray,
    target: np.ndarray,
    stack: np.ndarray,
    ranked: np.ndarray,
    tried: np.ndarray,
) -> None:
    """Cells of all agents at the next step, into `target`.

    Agents choose in `order`. One that wants a cell whose holder has not chosen makes it choose first, with the priority of
    the asker; when that one can go nowhere, the asker takes its next best cell. `now` and `then` hold the agent in each cell
    at this and at the next step, or -1; `then` must come in empty and is left so.
    """
    target[:] = -1
    for first in order:
        if target[first] >= 0:
            continue
        stack[0], depth, answer = first, 0, -1
        _rank(first, sides, free, fields, noise, positions, ranked)
        tried[first] = 0
        while depth >= 0:
            agent = stack[depth]
            asked = -1
            if answer != 1:  # not yet placed, or the holder that was asked can go nowhere
                answer = 0
                while tried[agent] < 5:
                    cell = ranked[agent, tried[agent]]
                    tried[agent] += 1
                    if cell < 0 or then[cell] >= 0:
                        continue
                    holder = now[cell]
                    if holder >= 0 and holder != agent and target[holder] == positions[agent]:
                        continue  # they would swap
                    target[agent], then[cell], answer = cell, agent, 1
                    if holder >= 0 and holder != agent and target[holder] < 0:
                        asked, answer = holder, -1
                    break
            if asked >= 0:
                depth += 1
                stack[depth] = asked
                _rank(asked, sides, free, fields, noise, positions, ranked)
                tried[asked] = 0
                continue
            if answer == 0:
                target[agent] = positions[agent]
                then[positions[agent]] = agent  # takes the cell back from the asker
            depth -= 1
    for agent in range(len(target)):
        then[target[agent]] = -1


@njit(cache=True, nogil=True)
def _rank(
    agent: int,
    sides: np.ndarray,
    free: np.ndarray,
    fields: np.ndarray,
    noise: np.ndarray,
    positions: np.ndarray,
    ranked: np.ndarray,
) -> None:
    """The own cell and its neighbours by distance to the goal, equals by `noise`; -1 for walls, last."""
    keys = np.empty(5)
    for side in range(5):
        cell = positions[agent] + sides[side]
        key = fields[agent, cell] + noise[agent, side] if free[cell] != 0 else np.inf
        at = side
        while at > 0 and keys[at - 1] > key:
            keys[at], ranked[agent, at] = keys[at - 1], ranked[agent, at - 1]
            at -= 1
        keys[at] = key
        ranked[agent, at] = cell if free[cell] != 0 else -1
