"""Controllers without learning: take the first step of the planned path blindly, or move at random.

They are the ablations of the paper: what planning does without the policy, and what neither does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hodology.errors import InputError
from hodology.planning.congestion_planner import CongestionPlanner, Heuristic
from hodology.rng import check_seed, stream

if TYPE_CHECKING:
    from hodology.planning.lifelong_grid import LifelongGrid

__all__ = ["AStarStepper", "RandomStepper"]


class AStarStepper:
    """Each agent takes the first step of its A* path, whoever stands there.

    Decentralised: it knows what `CongestionPlanner` knows. An agent without a path stays.

    Parameters
    ----------
    static, dynamic, reset_on_goal, heuristic, jobs
        As for `CongestionPlanner`. Without both costs it is plain A*, which soon stands still in crowds.
    """

    def __init__(
        self,
        *,
        static: bool = False,
        dynamic: bool = False,
        reset_on_goal: bool = True,
        heuristic: Heuristic = "exact",
        jobs: int = 1,
    ) -> None:
        self.planner = CongestionPlanner(
            static=static, dynamic=dynamic, reset_on_goal=reset_on_goal, heuristic=heuristic, jobs=jobs
        )
        costs = [name for name, on in (("static", static), ("dynamic", dynamic)) if on]
        self.name = "-".join(["a-star", *costs])

    def reset(self, env: LifelongGrid) -> None:
        """Begin an episode."""
        self.planner.reset(env)

    def act(self, env: LifelongGrid) -> np.ndarray:
        """Actions of all agents, int64 ``(n,)``."""
        wanted = self.planner.update(env).next_cell
        return actions_towards(env, wanted)


class RandomStepper:
    """Each agent draws one of the five actions.

    Parameters
    ----------
    seed : int
        Each episode has a stream of its own by the seed of its environment.
    """

    name = "random"

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = check_seed(seed)
        self._draws: np.random.Generator | None = None

    def reset(self, env: LifelongGrid) -> None:
        """Begin an episode."""
        self._draws = stream(self.seed, "random actions", int(env.seed))

    def act(self, env: LifelongGrid) -> np.ndarray:
        """Actions of all agents, int64 ``(n,)``."""
        if self._draws is None:
            raise InputError("the controller does not know this episode: call reset(env) first.")
        return self._draws.integers(5, size=env.n_agents)


def actions_towards(env: LifelongGrid, cells: np.ndarray) -> np.ndarray:
    """Actions that take each agent to the cell beside it, int64 ``(n,)``; 0 for its own cell and for -1."""
    move = np.where(cells < 0, 0, cells - env.positions)
    down = env.grid.stride
    return (move == -down) * 1 + (move == down) * 2 + (move == -1) * 3 + (move == 1) * 4
