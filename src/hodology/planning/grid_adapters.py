"""The lifelong grid world as a PettingZoo parallel environment and as a Gymnasium environment.

Both packages come with the extra ``swarm`` and are imported when an adapter is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.optional import require
from hodology.planning.lifelong_grid import GridObservation, LifelongGrid, StepResult

__all__ = ["Reward", "ViewForm", "gymnasium_env", "parallel_env", "stacked_views"]

Reward = Callable[[LifelongGrid, StepResult], np.ndarray]
ViewForm = Literal["dict", "box"]


def parallel_env(env: LifelongGrid, *, observation: ViewForm = "dict", reward: Reward | None = None) -> Any:
    """Wrap a world as a PettingZoo ``ParallelEnv`` with agents ``agent_0``, ``agent_1``, ...

    Parameters
    ----------
    env : LifelongGrid
        Used, not copied: stepping the adapter steps it.
    observation : {"dict", "box"}
        ``"dict"``: ``obstacles`` and ``agents``, uint8 ``(S, S)``, and ``goal_offset`` and ``position``, int32 ``(2,)``
        (see `GridObservation`). ``"box"``: float32 ``(3, S, S)`` of obstacles, agents and goal (see `stacked_views`).
    reward : callable, optional
        Called with the world and the `StepResult` after each step; gives the rewards ``(n_agents,)``. Default 1 for a
        goal reached, else 0.

    Returns
    -------
    pettingzoo.ParallelEnv
        Actions are 0 to 4. Nothing terminates; all agents are truncated at the horizon. ``reset(seed=...)`` draws
        other starts and goals; without a seed the last one is used again.

    Raises
    ------
    MissingExtraError
        Without pettingzoo.
    UnknownNameError
        For another `observation`.
    """
    pettingzoo = require("pettingzoo", extra="swarm", purpose="a PettingZoo environment")
    require("gymnasium", extra="swarm", purpose="a PettingZoo environment")
    if observation not in get_args(ViewForm):
        raise UnknownNameError(
            f"observation {observation!r} does not exist{near_names(observation, get_args(ViewForm))}."
        )
    return _class(_Parallel, pettingzoo.ParallelEnv)(env, observation, reward or _goals_reached)


def gymnasium_env(env: LifelongGrid, *, reward: Reward | None = None) -> Any:
    """Wrap a world as a ``gymnasium.Env`` in which one learner moves all agents.

    Parameters
    ----------
    env : LifelongGrid
        Used, not copied.
    reward : callable, optional
        As in `parallel_env`; its sum is the reward of the step, and ``info["rewards"]`` holds the parts.

    Returns
    -------
    gymnasium.Env
        Actions ``MultiDiscrete([5] * n_agents)``, observations float32 ``(n_agents, 3, S, S)`` (see `stacked_views`).
        Nothing terminates; truncated at the horizon. ``reset(seed=...)`` as in `parallel_env`.

    Raises
    ------
    MissingExtraError
        Without gymnasium.
    """
    gymnasium = require("gymnasium", extra="swarm", purpose="a Gymnasium environment")
    return _class(_Joint, gymnasium.Env)(env, reward or _goals_reached)


def stacked_views(seen: GridObservation) -> np.ndarray:
    """Views as one array, float32 ``(n, 3, S, S)``: obstacles, agents, goal.

    The third channel is 1 in one cell: the goal's, or when that is out of view the one at the border of the view
    nearest to it by row and by column, as in the default observation of POGEMA.
    """
    n, side = seen.obstacles.shape[:2]
    radius = side // 2
    views = np.zeros((n, 3, side, side), dtype=np.float32)
    views[:, 0], views[:, 1] = seen.obstacles, seen.agents
    rows, columns = (np.clip(seen.goal_offset, -radius, radius) + radius).T
    views[np.arange(n), 2, rows, columns] = 1.0
    return views


def _goals_reached(_: LifelongGrid, result: StepResult) -> np.ndarray:
    return result.reached.astype(np.float64)


@cache
def _class(methods: type, base: type) -> type:
    """The adapter's class; its base belongs to an optional package, so it is made on demand."""
    return type(f"LifelongGrid{base.__name__}", (methods, base), {"__doc__": methods.__doc__})


def _rewards_of(reward: Reward, world: LifelongGrid, result: StepResult) -> np.ndarray:
    rewards = np.asarray(reward(world, result), dtype=np.float64)
    if rewards.shape != (world.n_agents,):
        raise InputError(f"reward must give shape ({world.n_agents},), got {rewards.shape}.")
    return rewards


class _Parallel:
    """PettingZoo's methods."""

    metadata: dict[str, Any] = {"name": "lifelong_grid_v0", "render_modes": []}
    render_mode = None

    def __init__(self, world: LifelongGrid, form: ViewForm, reward: Reward) -> None:
        self.world, self._form, self._reward = world, form, reward
        self.possible_agents = [f"agent_{i}" for i in range(world.n_agents)]
        self.agents: list[str] = []
        self._space = _view_space(world) if form == "dict" else _box_space(world)
        self._actions = {name: _spaces().Discrete(5) for name in self.possible_agents}
        self._views = dict.fromkeys(self.possible_agents, self._space)

    def observation_space(self, agent: str) -> Any:
        return self._views[agent]

    def action_space(self, agent: str) -> Any:
        return self._actions[agent]

    def reset(self, seed: int | None = None, options: dict | None = None) -> tuple[dict, dict]:
        self.world.reset(seed)
        self.agents = self.possible_agents[:]
        return self._observe(), {name: {} for name in self.agents}

    def step(self, actions: Mapping[str, int]) -> tuple[dict, dict, dict, dict, dict]:
        if not self.agents:
            raise InputError("the episode is over; call reset first.")
        missing = [name for name in self.agents if name not in actions]
        if missing:
            raise InputError(f"actions are needed for all agents, none came for {missing[0]!r}.")
        result = self.world.step(np.array([int(actions[name]) for name in self.agents]))
        rewards = _rewards_of(self._reward, self.world, result)
        names, seen = self.agents, self._observe()
        if result.done:
            self.agents = []
        return (
            seen,
            dict(zip(names, rewards.tolist(), strict=True)),
            dict.fromkeys(names, False),
            dict.fromkeys(names, result.done),
            {
                name: {"reached": reached}
                for name, reached in zip(names, result.reached.tolist(), strict=True)
            },
        )

    def render(self) -> None:
        return None

    def close(self) -> None:
        return None

    def _observe(self) -> dict[str, Any]:
        seen = self.world.observe()
        if self._form == "box":
            return dict(zip(self.agents, stacked_views(seen), strict=True))
        parts = {name: getattr(seen, name) for name in ("obstacles", "agents", "goal_offset", "position")}
        return {agent: {name: part[i] for name, part in parts.items()} for i, agent in enumerate(self.agents)}


class _Joint:
    """Gymnasium's methods."""

    metadata: dict[str, Any] = {"render_modes": []}

    def __init__(self, world: LifelongGrid, reward: Reward) -> None:
        self.world, self._reward = world, reward
        self.observation_space = _box_space(world, world.n_agents)
        self.action_space = _spaces().MultiDiscrete([5] * world.n_agents)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)  # type: ignore[misc]
        self.world.reset(seed)
        return stacked_views(self.world.observe()), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        result = self.world.step(action)
        rewards = _rewards_of(self._reward, self.world, result)
        info = {"reached": result.reached, "rewards": rewards}
        return stacked_views(self.world.observe()), float(rewards.sum()), False, result.done, info


def _spaces() -> Any:
    return require("gymnasium.spaces", extra="swarm", purpose="a space of observations")


def _box_space(world: LifelongGrid, *lead: int) -> Any:
    side = 2 * world.obs_radius + 1
    return _spaces().Box(0.0, 1.0, (*lead, 3, side, side), np.float32)


def _view_space(world: LifelongGrid) -> Any:
    spaces, side = _spaces(), 2 * world.obs_radius + 1
    far = max(world.grid.height, world.grid.width)
    return spaces.Dict(
        obstacles=spaces.Box(0, 1, (side, side), np.uint8),
        agents=spaces.Box(0, 1, (side, side), np.uint8),
        goal_offset=spaces.Box(-far, far, (2,), np.int32),
        position=spaces.Box(-far, far, (2,), np.int32),
    )
