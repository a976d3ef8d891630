"""Compiled loops of windowed prioritised planning: one agent's best way through the next steps around reserved cells."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["plan_in_order", "release", "reserve"]

_FAR = np.int64(1) << 40


@njit(cache=True, nogil=True)
def reserve(agent: int, begin: int, plans: np.ndarray, table: np.ndarray) -> None:
    """Enter an agent's plan from time `begin` on into ``table[time, cell]``."""
    for t in range(begin, plans.shape[1]):
        table[t, plans[agent, t]] = agent


@njit(cache=True, nogil=True)
def release(agent: int, begin: int, plans: np.ndarray, table: np.ndarray) -> None:
    """Take an agent's plan out of the table again."""
    for t in range(begin, plans.shape[1]):
        if table[t, plans[agent, t]] == agent:
            table[t, plans[agent, t]] = -1


@njit(cache=True, nogil=True)
def plan_in_order(
    order: np.ndarray,
    begin: int,
    sides: np.ndarray,
    free: np.ndarray,
    fields: np.ndarray,
    goals: np.ndarray,
    plans: np.ndarray,
    table: np.ndarray,
    value: np.ndarray,
    came: np.ndarray,
    layer: np.ndarray,
) -> int:
    """Plan agents in `order` from their cells ``plans[:, begin]`` to the end of the window, each around those before.

    Returns how many were planned: less than all when one has no way; those planned stay in the table.
    """
    for done in range(len(order)):
        agent = order[done]
        if not _plan_one(agent, begin, sides, free, fields, goals, plans, table, value, came, layer):
            return done
        reserve(agent, begin, plans, table)
    return len(order)


@njit(cache=True, nogil=True)
def _plan_one(
    agent: int,
    begin: int,
    sides: np.ndarray,
    free: np.ndarray,
    fields: np.ndarray,
    goals: np.ndarray,
    plans: np.ndarray,
    table: np.ndarray,
    value: np.ndarray,
    came: np.ndarray,
    layer: np.ndarray,
) -> bool:
    """Least cost over the cells and times of the window: a step costs 1, waiting on the goal 0; what is left at the end costs its
    distance. `value` and `came` are ``(window + 1, size)``, `value` filled with far values, and left so."""
    last, goal = plans.shape[1] - 1, goals[agent]
    counts = np.zeros(last + 1, np.int64)
    layer[begin, 0] = plans[agent, begin]
    value[begin, layer[begin, 0]] = 0
    counts[begin] = 1
    for t in range(begin, last):
        for k in range(counts[t]):
            cell = layer[t, k]
            for side in range(5):
                near = cell + sides[side]
                if free[near] == 0 or table[t + 1, near] >= 0:
                    continue
                other = table[t, near]
                if side > 0 and other >= 0 and table[t + 1, cell] == other:
                    continue  # they would swap
                cost = value[t, cell] + (0 if near == goal and cell == goal else 1)
                if value[t + 1, near] == _FAR:
                    layer[t + 1, counts[t + 1]] = near
                    counts[t + 1] += 1
                if cost < value[t + 1, near]:
                    value[t + 1, near], came[t + 1, near] = cost, cell
    best, least = -1, _FAR
    for k in range(counts[last]):
        cell = layer[last, k]
        cost = value[last, cell] + fields[agent, cell]
        if cost < least:
            best, least = cell, cost
    if best >= 0:
        cell = best
        for t in range(last, begin, -1):
            plans[agent, t] = cell
            cell = came[t, cell]
    for t in range(begin, last + 1):
        for k in range(counts[t]):
            value[t, layer[t, k]] = _FAR
    return best >= 0
