"""PIBT: priority inheritance with backtracking, in its lifelong form, as a rule-based peer of learned controllers.

In order of priority each agent takes the neighbouring cell nearest to its goal; an agent in the way inherits the priority
and has to make room first, and when it cannot, the asker takes its next best cell. Priority = steps since the last goal.

Reference: Okumura, Machida, Defago, Tamura, "Priority inheritance with backtracking for iterative multi-agent path finding",
Artificial Intelligence 310, 2022.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hodology.errors import InputError
from hodology.planning.path_steppers import actions_towards
from hodology.rng import check_seed, stream

if TYPE_CHECKING:
    from hodology.planning.lifelong_grid import LifelongGrid

__all__ = ["GoalDistances", "PIBT"]


class GoalDistances:
    """Steps from every cell to each agent's goal, renewed where a goal changes.

    Parameters
    ----------
    env : LifelongGrid
        Memory is 4 bytes per agent and cell of the padded map.
    """

    def __init__(self, env: LifelongGrid) -> None:
        grid, n = env.grid, env.n_agents
        self.grid = grid
        self.fields = np.empty((n, grid.size), dtype=np.int32)
        self._goals = np.full(n, -1, dtype=np.int32)
        self._queue = np.empty(len(grid.cells), dtype=np.int32)
        self.sides = np.array([0, -grid.stride, grid.stride, -1, 1], dtype=np.int64)

    def update(self, env: LifelongGrid) -> np.ndarray:
        """Renew what changed; returns which agents' goals did, bool ``(n,)``."""
        from hodology.planning.pibt_kernels import goal_distances

        goals = np.array(env.goals, dtype=np.int32)
        changed = goals != self._goals
        if changed.any():
            marked = changed.astype(np.uint8)
            goal_distances(self.sides, self.grid.free, goals, marked, self._queue, self.fields)
            self._goals = goals
        return changed


class PIBT:
    """A central controller: it knows all positions and all goals, and its moves never collide.

    Parameters
    ----------
    seed : int
        Of the order of equally good cells, drawn for each agent and step, and of the order of equal priorities, drawn once
        per episode; each episode has a stream of its own by the seed of its environment.

    Notes
    -----
    Under the "soft" rule every move is carried out. "priority" and "block" refuse some of them (following and rings);
    PIBT goes on from where the agents are.
    """

    name = "pibt"

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = check_seed(seed)
        self._distances: GoalDistances | None = None

    def reset(self, env: LifelongGrid) -> None:
        """Begin an episode."""
        n = env.n_agents
        self._draws = stream(self.seed, "pibt", int(env.seed))
        self._distances = GoalDistances(env)
        self._waited = np.zeros(n, dtype=np.int64)
        self._tie = self._draws.permutation(n)
        self._reached = env.reached_total.copy()
        self._step = env.steps
        self._then = np.full(env.grid.size, -1, dtype=np.int32)
        self._target = np.empty(n, dtype=np.int32)
        self._scratch = tuple(np.empty(shape, dtype=np.int32) for shape in (n, (n, 5), n))

    def act(self, env: LifelongGrid) -> np.ndarray:
        """Actions of all agents, int64 ``(n,)``."""
        from hodology.planning.pibt_kernels import inherit_priorities

        distances = self._distances
        if distances is None or distances.grid is not env.grid or len(self._waited) != env.n_agents:
            raise InputError("the controller does not know this episode: call reset(env) first.")
        distances.update(env)
        reached = env.reached_total
        self._waited += env.steps - self._step
        self._waited[reached != self._reached] = 0
        self._reached, self._step = reached.copy(), env.steps
        order = np.lexsort((self._tie, -self._waited))
        noise = self._draws.random((env.n_agents, 5), dtype=np.float32)
        inherit_priorities(
            order,
            distances.sides,
            env.grid.free,
            distances.fields,
            noise,
            np.ascontiguousarray(env.positions),
            env.occupied(),
            self._then,
            self._target,
            *self._scratch,
        )
        return actions_towards(env, self._target)
