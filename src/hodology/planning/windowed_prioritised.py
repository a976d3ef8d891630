"""Windowed prioritised planning: agents plan one after another around the cells that earlier ones reserved, a few steps ahead.

It stands for the search-based planners of lifelong path finding (RHCR): a central planner that knows all positions and goals,
resolves collisions within a window and plans again every few steps.

References: Silver, "Cooperative pathfinding", AIIDE 2005; Li et al., "Lifelong multi-agent path finding in large-scale
warehouses", AAAI 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hodology.errors import InputError
from hodology.planning.path_steppers import actions_towards
from hodology.planning.pibt import GoalDistances
from hodology.rng import check_seed, stream

if TYPE_CHECKING:
    from hodology.planning.lifelong_grid import LifelongGrid

__all__ = ["WindowedPrioritised"]

_RESTARTS = 20  # orders tried when an agent finds no way


class WindowedPrioritised:
    """Plan all agents in order of priority, `window` steps ahead, every `replan_every` steps.

    Priority = steps since the last goal. When an agent finds no way it goes to the front of the order and all plan again, up to
    20 times; after that those without a way wait in their cells, and the environment settles who may move. An agent that gets a
    new goal between two rounds plans at once, around the plans of the others.

    Parameters
    ----------
    window : int
        Steps ahead in which collisions are avoided.
    replan_every : int
        1 to `window`.
    seed : int
        Of the order of equal priorities; each episode has a stream of its own by the seed of its environment.

    Attributes
    ----------
    restarts, failures : int
        Of the episode: orders tried again, and plans that could not be made.
    """

    name = "windowed-prioritised"

    def __init__(self, *, window: int = 5, replan_every: int = 5, seed: int = 0) -> None:
        if isinstance(window, bool) or window < 1:
            raise InputError(f"window must be at least 1, got {window}.")
        if isinstance(replan_every, bool) or not 1 <= replan_every <= window:
            raise InputError(f"replan_every must be 1 to the window's {window}, got {replan_every}.")
        self.window, self.replan_every = int(window), int(replan_every)
        self.seed = check_seed(seed)
        self.restarts = self.failures = 0
        self._distances: GoalDistances | None = None

    def reset(self, env: LifelongGrid) -> None:
        """Begin an episode."""
        n, size, w = env.n_agents, env.grid.size, self.window
        self._tie = stream(self.seed, "windowed prioritised", int(env.seed)).permutation(n)
        self._distances = GoalDistances(env)
        self._waited = np.zeros(n, dtype=np.int64)
        self._reached = env.reached_total.copy()
        self._step = env.steps
        self._plans = np.empty((n, w + 1), dtype=np.int32)
        self._table = np.full((w + 1, size), -1, dtype=np.int32)
        cells = min((2 * w + 1) ** 2, size)
        self._scratch: tuple[Any, ...] = (
            np.full((w + 1, size), 1 << 40, dtype=np.int64),
            np.empty((w + 1, size), dtype=np.int32),
            np.empty((w + 1, cells), dtype=np.int32),
        )
        self._at = self.replan_every  # time in the window; here: plan at once
        self._fresh = True
        self.restarts = self.failures = 0

    def act(self, env: LifelongGrid) -> np.ndarray:
        """Actions of all agents, int64 ``(n,)``."""
        distances = self._distances
        if distances is None or distances.grid is not env.grid or len(self._waited) != env.n_agents:
            raise InputError("the controller does not know this episode: call reset(env) first.")
        changed = distances.update(env)
        self._fields = distances.fields
        self._waited += env.steps - self._step
        self._waited[env.reached_total != self._reached] = 0
        self._reached, self._step = env.reached_total.copy(), env.steps
        strayed = not self._fresh and not np.array_equal(self._plans[:, self._at], env.positions)
        if self._fresh or strayed or self._at == self.replan_every:
            self._plan_all(env)
        else:
            self._plan_changed(env, np.flatnonzero(changed))
        self._fresh = False
        self._at += 1
        return actions_towards(env, self._plans[:, self._at])

    def _plan_all(self, env: LifelongGrid) -> None:
        """Plan everyone anew, those that found no way first, until all have one."""
        n = env.n_agents
        self._at = 0
        self._plans[:, 0] = env.positions
        order = np.lexsort((self._tie, -self._waited))
        for attempt in range(_RESTARTS + 1):
            self._table[:] = -1
            self._table[0, env.positions] = np.arange(n)
            done = self._plan(env, order)
            if done == n:
                return
            if attempt < _RESTARTS:
                self.restarts += 1
                order = np.concatenate([order[done : done + 1], order[:done], order[done + 1 :]])
        while done < n:  # wait, though others may have reserved the cell; then go on with those behind
            self.failures += 1
            self._plans[order[done], 1:] = env.positions[order[done]]
            order = order[done + 1 :]
            n = len(order)
            done = self._plan(env, order)

    def _plan_changed(self, env: LifelongGrid, agents: np.ndarray) -> None:
        """Plan agents with a new goal around the rest; what they had planned is still open to them."""
        from hodology.planning.windowed_kernels import release, reserve

        for agent in agents.tolist():
            before = self._plans[agent].copy()
            release(agent, self._at, self._plans, self._table)
            if not self._plan(env, np.array([agent])):
                self._plans[agent] = before
                reserve(agent, self._at, self._plans, self._table)

    def _plan(self, env: LifelongGrid, order: np.ndarray) -> int:
        """Plan in this order until one finds no way; returns how many were planned."""
        from hodology.planning.windowed_kernels import plan_in_order

        down = env.grid.stride
        return plan_in_order(
            order,
            self._at,
            np.array([0, -down, down, -1, 1], dtype=np.int64),
            env.grid.free,
            self._fields,
            np.ascontiguousarray(env.goals),
            self._plans,
            self._table,
            *self._scratch,
        )
