"""Collect experience for PPO: many lifelong worlds side by side, all agents through one network.

Draws are named by the step they belong to, and a world is its maker's value for (slot, episode) and the actions since; so a
collector can be built again at any step, to the bit, from small arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hodology.errors import InputError
from hodology.planning.congestion_planner import CongestionPlanner
from hodology.planning.follower_network import FollowerNetwork
from hodology.planning.follower_policy import draw_actions
from hodology.planning.grid_map import GridMap
from hodology.planning.lifelong_grid import LifelongGrid
from hodology.planning.ppo_settings import TrainingSettings
from hodology.rng import derive_seed, stream

__all__ = ["Experience", "MakeEnvironment", "RolloutCollector", "training_environments"]

MakeEnvironment = Callable[[int, int], LifelongGrid]


@dataclass(frozen=True, eq=False, repr=False)
class Experience:
    """What one update learns from; T steps of N agents.

    Attributes
    ----------
    inputs : int8 ndarray, shape (T, N, 2, side, side)
    actions : int64 ndarray, shape (T, N)
    logits : float32 ndarray, shape (T, N, 5)
        Of the policy that acted.
    values : float32 ndarray, shape (T, N)
    next_values : float32 ndarray, shape (T, N)
        Value of the state after each step; after the last step of an episode that of the state it ended in.
    rewards : float32 ndarray, shape (T, N)
    ends : bool ndarray, shape (T, N)
        Whether an episode ended after this step.
    states : float32 ndarray, shape (T / recurrence, N, recurrent)
        Of the GRU before each sequence; recurrent is 0 without one.
    goals : int
        Reached in these steps.
    """

    inputs: np.ndarray
    actions: np.ndarray
    logits: np.ndarray
    values: np.ndarray
    next_values: np.ndarray
    rewards: np.ndarray
    ends: np.ndarray
    states: np.ndarray
    goals: int

    def __repr__(self) -> str:
        return f"Experience({self.actions.shape[0]} steps of {self.actions.shape[1]} agents)"


def training_environments(
    maps: Sequence[GridMap],
    *,
    agents: Sequence[int] = (128, 128, 256, 256),
    horizon: int = 512,
    obs_radius: int = 5,
    seed: int = 0,
) -> MakeEnvironment:
    """Worlds as the paper trains in: a map drawn anew for each episode, and the "priority" rule.

    Parameters
    ----------
    maps : sequence of GridMap
    agents : sequence of int
        Agents of slot 0, 1, ...; further slots go through them again.
    horizon : int
        Steps of an episode.
    obs_radius, seed : int

    Returns
    -------
    callable
        From the slot and the number of its episode to a world; the same pair gives the same world.
    """
    if not maps or not agents:
        raise InputError(f"maps and agents must not be empty, got {len(maps)} and {len(agents)}.")

    def make(slot: int, episode: int) -> LifelongGrid:
        chosen = int(stream(seed, "training map", slot, episode).integers(len(maps)))
        return LifelongGrid(
            maps[chosen],
            agents[slot % len(agents)],
            seed=derive_seed(seed, "training world", slot, episode) % (2**31 - 1),
            obs_radius=obs_radius,
            collision="priority",
            horizon=horizon,
        )

    return make


class RolloutCollector:
    """Worlds in their present state, and what is needed to build them again.

    Parameters
    ----------
    make : callable
        From slot and episode to a world. A slot must always have the same number of agents.
    settings : TrainingSettings
    seed : int
        Of the actions.
    jobs : int
        Threads over which the worlds are spread; what is collected does not depend on them.
    """

    def __init__(
        self, make: MakeEnvironment, settings: TrainingSettings, *, seed: int, jobs: int = 1
    ) -> None:
        slots = settings.environments
        self.make, self.settings, self.seed = make, settings, seed
        self.episodes = [0] * slots
        self.history: list[list[np.ndarray]] = [[] for _ in range(slots)]
        self.steps = 0
        self.worlds = [make(slot, 0) for slot in range(slots)]
        self.planners = [
            CongestionPlanner(
                static=settings.static, dynamic=settings.dynamic, reset_on_goal=settings.reset_on_goal
            )
            for _ in range(slots)
        ]
        for planner, world in zip(self.planners, self.worlds, strict=True):
            planner.reset(world)
        self.bounds = np.cumsum([0, *(world.n_agents for world in self.worlds)])
        self.agents = int(self.bounds[-1])
        self.state: Tensor | None = None
        self._pool = ThreadPoolExecutor(jobs) if jobs > 1 else None

    def collect(self, network: FollowerNetwork, steps: int) -> Experience:
        """Let `network` act for `steps` steps of all worlds."""
        settings, n, side = self.settings, self.agents, self.settings.shape.side
        inputs = np.empty((steps, n, 2, side, side), dtype=np.int8)
        actions, ends = np.empty((steps, n), dtype=np.int64), np.zeros((steps, n), dtype=bool)
        logits = np.empty((steps, n, 5), dtype=np.float32)
        values, next_values, rewards = (np.empty((steps, n), dtype=np.float32) for _ in range(3))
        width = settings.shape.recurrent or 0
        states = np.zeros((steps // settings.recurrence, n, width), dtype=np.float32)
        goals = 0
        for t in range(steps):
            seen = self._look()
            if t % settings.recurrence == 0 and self.state is not None:
                states[t // settings.recurrence] = self.state.numpy()
            with torch.no_grad():
                scores, value, self.state = network(torch.from_numpy(seen), self.state)
            if t > 0:
                np.copyto(next_values[t - 1], value.numpy(), where=~ends[t - 1])
            inputs[t], logits[t], values[t] = seen, scores.numpy(), value.numpy()
            actions[t] = draw_actions(logits[t], stream(self.seed, "training actions", self.steps))
            results = self._map(self._step, [actions[t, a:b] for a, b in self._spans()])
            self.steps += 1
            for slot, (reward, reached, done) in enumerate(results):
                span = slice(self.bounds[slot], self.bounds[slot + 1])
                rewards[t, span] = reward
                goals += reached
                if done:
                    ends[t, span] = True
                    next_values[t, span] = self._last_value(network, slot)
                    self._begin(slot, self.episodes[slot] + 1)
        with torch.no_grad():
            _, value, _ = network(torch.from_numpy(self._look()), self.state)
        np.copyto(next_values[-1], value.numpy(), where=~ends[-1])
        return Experience(inputs, actions, logits, values, next_values, rewards, ends, states, goals)

    def snapshot(self) -> dict[str, np.ndarray]:
        """Arrays from which `restore` builds these worlds again."""
        arrays = {
            f"actions.{slot}": np.array(taken, dtype=np.int8).reshape(len(taken), self.worlds[slot].n_agents)
            for slot, taken in enumerate(self.history)
        }
        arrays["episodes"] = np.array(self.episodes, dtype=np.int64)
        arrays["steps"] = np.array([self.steps], dtype=np.int64)
        if self.state is not None:
            arrays["state"] = self.state.numpy().copy()
        return arrays

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Go to the state of a snapshot, by taking the actions of the running episodes again."""
        self.steps = int(arrays["steps"][0])
        self.state = torch.from_numpy(arrays["state"].copy()) if "state" in arrays else None
        for slot, episode in enumerate(arrays["episodes"].tolist()):
            self._begin(slot, episode, fresh_state=False)
            for taken in arrays[f"actions.{slot}"]:
                self.planners[slot].observe(self.worlds[slot])
                self.worlds[slot].step(taken)
                self.history[slot].append(taken)

    def _spans(self) -> list[tuple[int, int]]:
        return list(zip(self.bounds[:-1].tolist(), self.bounds[1:].tolist(), strict=True))

    def _map(self, call: Callable[..., Any], *columns: Sequence[Any]) -> list[Any]:
        """Call for every slot, on the threads where there are some."""
        spread = map if self._pool is None else self._pool.map
        return list(spread(call, range(len(self.worlds)), *columns))

    def _look(self) -> np.ndarray:
        """Inputs of all agents; plans where that was not done in this step."""
        radius = self.settings.shape.radius
        return np.concatenate(self._map(lambda slot: self.planners[slot].inputs(self.worlds[slot], radius)))

    def _step(self, slot: int, actions: np.ndarray) -> tuple[np.ndarray, int, bool]:
        """Rewards, goals reached and whether the episode is over."""
        world = self.worlds[slot]
        wanted = self.planners[slot].update(world).next_cell
        result = world.step(actions)
        self.history[slot].append(actions.astype(np.int8))
        reward = (world.positions == wanted) * np.float32(self.settings.reward)
        return reward, int(result.reached.sum()), result.done

    def _last_value(self, network: FollowerNetwork, slot: int) -> np.ndarray:
        """Value of the state in which an episode was cut off: what would have come still counts."""
        seen = torch.from_numpy(self.planners[slot].inputs(self.worlds[slot], self.settings.shape.radius))
        state = None if self.state is None else self.state[self.bounds[slot] : self.bounds[slot + 1]]
        with torch.no_grad():
            return network(seen, state)[1].numpy()

    def _begin(self, slot: int, episode: int, *, fresh_state: bool = True) -> None:
        before = self.worlds[slot].n_agents
        world = self.make(slot, episode)
        if world.n_agents != before:
            raise InputError(f"slot {slot} must have {before} agents in each episode, got {world.n_agents}.")
        self.worlds[slot], self.episodes[slot], self.history[slot] = world, episode, []
        self.planners[slot].reset(world)
        if fresh_state and self.state is not None:
            self.state[self.bounds[slot] : self.bounds[slot + 1]] = 0.0
