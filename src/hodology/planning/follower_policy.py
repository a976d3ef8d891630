"""Follower: each agent plans a congestion-averse path alone, and one learned policy, shared by all, follows it.

At each step every agent adds what it sees to its counts, plans to its goal, and draws an action from the softmax of the
network's logits. Nothing passes between agents; that all are computed in one batch is for speed only.

Reference: Skrynnik et al., "Learn to Follow: decentralized lifelong multi-agent pathfinding via planning and learning",
AAAI 2024, arXiv 2310.01207.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.planning.congestion_planner import CongestionPlanner
from hodology.planning.follower_network import FollowerNetwork, NetworkShape, Preset, network_shape
from hodology.planning.follower_weights import load_network, save_network
from hodology.rng import check_seed, stream

if TYPE_CHECKING:
    from hodology.planning.lifelong_grid import LifelongGrid

__all__ = ["ActingMode", "FollowerPolicy", "draw_actions"]

ActingMode = Literal["sample", "greedy"]


class FollowerPolicy:
    """A controller for `run_episode`: planner, network and a stream of draws.

    Decentralised: an agent's action depends on the map, its own cell and goal, and on the cells in its view that held agents
    since it received its goal.

    Parameters
    ----------
    network : FollowerNetwork
        Not changed.
    planner : CongestionPlanner, optional
        Default: both costs, counts forgotten with the goal.
    seed : int
        Of the draws; each episode has a stream of its own by the seed of its environment.
    mode : {"sample", "greedy"}
        "sample" draws from the softmax, as the paper does. "greedy" takes the greatest logit: agents that face each other
        then repeat themselves and block for good. It is there to show that.
    name : str

    Notes
    -----
    The number of threads that torch uses is left as it is. Logits of another number of threads may differ in the last bits,
    and an action drawn very near a border of its interval then too.
    """

    def __init__(
        self,
        network: FollowerNetwork,
        *,
        planner: CongestionPlanner | None = None,
        seed: int = 0,
        mode: ActingMode = "sample",
        name: str = "follower",
    ) -> None:
        if mode not in get_args(ActingMode):
            raise UnknownNameError(f"mode {mode!r} does not exist{near_names(mode, get_args(ActingMode))}.")
        self.network = network
        self.planner = CongestionPlanner() if planner is None else planner
        self.seed = check_seed(seed)
        self.mode: ActingMode = mode
        self.name = name
        self._state: Tensor | None = None
        self._draws: np.random.Generator | None = None

    def __repr__(self) -> str:
        return f"FollowerPolicy({self.name!r}, {self.network.shape}, {self.planner!r}, mode={self.mode!r})"

    @classmethod
    def from_npz(
        cls,
        file: str | Path,
        *,
        shape: NetworkShape | Preset | None = None,
        planner: CongestionPlanner | None = None,
        seed: int = 0,
        mode: ActingMode = "sample",
        name: str | None = None,
    ) -> FollowerPolicy:
        """Read weights that the authors released or that `save` wrote.

        Parameters
        ----------
        file : path
            ``.npz`` or ``.safetensors``.
        shape : NetworkShape or {"follower", "follower-lite"}, optional
            What the weights must be; by default whatever the file holds.
        planner, seed, mode
            As for the class.
        name : str, optional
            Default: the preset whose sizes these are, else "follower-custom".

        Raises
        ------
        InputError
            When the weights are not of `shape`.
        FileFormatError
            When the file is damaged or holds other weights.
        """
        network = load_network(file)
        if shape is not None:
            wanted = network_shape(shape) if isinstance(shape, str) else shape
            _check_shape(network.shape, wanted)
        if name is None:
            known = [preset for preset in get_args(Preset) if network_shape(preset) == network.shape]
            name = known[0] if known else "follower-custom"
        return cls(network, planner=planner, seed=seed, mode=mode, name=name)

    def save(self, file: str | Path) -> None:
        """Write the weights as ``.npz`` or ``.safetensors``; `from_npz` reads both."""
        save_network(self.network, file)

    def reset(self, env: LifelongGrid) -> None:
        """Begin an episode: counts, GRU state and draws anew.

        Raises
        ------
        InputError
            When the view of the environment is smaller than the network's input.
        """
        if env.obs_radius < self.network.shape.radius:
            view = 2 * env.obs_radius + 1
            raise InputError(_weights_expect(self.network.shape.side, view))
        self.planner.reset(env)
        self._state = None
        self._draws = stream(self.seed, "follower actions", int(env.seed))

    def act(self, env: LifelongGrid) -> np.ndarray:
        """Actions of all agents, int64 ``(n,)``."""
        logits = self.logits(env)
        if self.mode == "greedy":
            return logits.argmax(axis=1)
        if self._draws is None:
            raise InputError("the policy does not know this episode: call reset(env) first.")
        return draw_actions(logits, self._draws)

    def logits(self, env: LifelongGrid) -> np.ndarray:
        """Plan, and return the logits ``(n, 5)`` of the step; with a GRU its states go one step on."""
        inputs = torch.from_numpy(self.planner.inputs(env, self.network.shape.radius))
        with torch.inference_mode():
            logits, _, self._state = self.network(inputs, self._state)
        return logits.numpy()


def draw_actions(logits: np.ndarray, draws: np.random.Generator) -> np.ndarray:
    """One action per row from the softmax of its logits, int64 ``(n,)``; one uniform number per row is used."""
    logits = logits.astype(np.float64)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True)).cumsum(axis=1)
    drawn = draws.random(len(logits)) * shares[:, -1]
    return (shares[:, :-1] <= drawn[:, None]).sum(axis=1)


def _weights_expect(side: int, given: int) -> str:
    return f"weights expect a {side}x{side}x2 input, planner gives {given}x{given}."


def _check_shape(found: NetworkShape, wanted: NetworkShape) -> None:
    if found.radius != wanted.radius:
        raise InputError(_weights_expect(found.side, wanted.side))
    if found != wanted:
        raise InputError(f"weights are of {found}, asked for {wanted}.")
