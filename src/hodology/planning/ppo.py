"""Train a Follower policy by PPO: many agents, one set of weights, and one reward, for making the step that was planned.

Reference: Skrynnik et al., "Learn to Follow: decentralized lifelong multi-agent pathfinding via planning and learning",
AAAI 2024, arXiv 2310.01207.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hodology.errors import FileFormatError, InputError
from hodology.files import atomic_path, hash_json
from hodology.planning.congestion_planner import CongestionPlanner
from hodology.planning.follower_network import FollowerNetwork, Preset
from hodology.planning.follower_policy import FollowerPolicy
from hodology.planning.ppo_rollout import MakeEnvironment, RolloutCollector
from hodology.planning.ppo_settings import TrainingSettings, training_settings
from hodology.planning.ppo_update import update_policy
from hodology.rng import check_seed

__all__ = ["CHECKPOINT", "TrainingLog", "TrainingRow", "train_follower"]

CHECKPOINT = "checkpoint.safetensors"  # in the folder of checkpoints


@dataclass(frozen=True)
class TrainingRow:
    """One update.

    Attributes
    ----------
    steps : int
        Agent-steps so far.
    reward : float
        Mean per agent and step.
    throughput : float
        Goals per step of one world, mean over the worlds.
    policy_loss, value_loss, entropy, kl, clipped : float
        See `UpdateFigures`.
    learning_rate : float
        After the update.
    seconds : float
        Wall time so far, earlier parts of a resumed run included.
    """

    steps: int
    reward: float
    throughput: float
    policy_loss: float
    value_loss: float
    entropy: float
    kl: float
    clipped: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True, repr=False)
class TrainingLog:
    """What a training run did, a row per update."""

    rows: tuple[TrainingRow, ...]

    def __repr__(self) -> str:
        steps = self.rows[-1].steps if self.rows else 0
        return f"TrainingLog({len(self.rows)} updates, {steps} agent-steps)"

    def column(self, name: str) -> np.ndarray:
        """One figure over the updates, float64 ``(updates,)``."""
        return np.array([getattr(row, name) for row in self.rows], dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"rows": [asdict(row) for row in self.rows]}


def train_follower(
    make: MakeEnvironment,
    *,
    settings: TrainingSettings | Preset = "follower-lite",
    steps: int = 20_000_000,
    seed: int = 0,
    jobs: int = 1,
    max_seconds: float | None = None,
    checkpoint: Path | None = None,
    checkpoint_every: int = 1,
    on_update: Callable[[TrainingRow], None] | None = None,
) -> tuple[FollowerPolicy, TrainingLog]:
    """Train a policy from random weights.

    Parameters
    ----------
    make : callable
        From slot and episode to a world (see `training_environments`); the same pair must give the same world.
    settings : TrainingSettings or {"follower", "follower-lite"}
        Default: the paper's for FollowerLite. Its updates of 262,144 agent-steps are made for hours of training; for runs of
        minutes take smaller batches.
    steps : int
        Agent-steps after which training ends, with the update that reaches them.
    seed : int
        Of initial weights, actions and batches.
    jobs : int
        Threads over which the worlds are spread.
    max_seconds : float, optional
        End with the update in which this much wall time has passed.
    checkpoint : Path, optional
        A folder. Training goes on from what is there and ends in the same weights as an uninterrupted run.
    checkpoint_every : int
        Updates between two checkpoints.
    on_update : callable, optional
        Called with each row of the log; for progress.

    Returns
    -------
    policy : FollowerPolicy
        With the planner of the settings; it samples.
    log : TrainingLog

    Raises
    ------
    InputError
        For `steps` or `checkpoint_every` below 1.
    FileFormatError
        When the checkpoint is damaged or of other settings.
    NotConvergedError
        When the loss is not finite.
    """
    chosen = training_settings(settings) if isinstance(settings, str) else settings
    for name, value in (("steps", steps), ("checkpoint_every", checkpoint_every), ("jobs", jobs)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}.")
    run = _Run(make, chosen, check_seed(seed), jobs)
    if checkpoint is not None and (checkpoint / CHECKPOINT).exists():
        run.load(checkpoint / CHECKPOINT)
    while run.agent_steps < steps and (max_seconds is None or run.seconds < max_seconds):
        row = run.update()
        if checkpoint is not None and len(run.rows) % checkpoint_every == 0:
            checkpoint.mkdir(parents=True, exist_ok=True)
            run.save(checkpoint / CHECKPOINT)
        if on_update is not None:
            on_update(row)
    planner = CongestionPlanner(
        static=chosen.static, dynamic=chosen.dynamic, reset_on_goal=chosen.reset_on_goal
    )
    name = settings if isinstance(settings, str) else "follower-trained"
    return FollowerPolicy(run.network.eval(), planner=planner, seed=seed, name=name), TrainingLog(
        tuple(run.rows)
    )


class _Run:
    """The state of a training run: network, optimizer, worlds and log."""

    def __init__(self, make: MakeEnvironment, settings: TrainingSettings, seed: int, jobs: int) -> None:
        self.settings, self.seed = settings, seed
        self.network = FollowerNetwork(settings.shape, rng=seed)
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=settings.learning_rate, eps=settings.adam_eps, fused=True
        )
        self.collector = RolloutCollector(make, settings, seed=seed, jobs=jobs)
        rollout = settings.rollout * self.collector.agents
        self.length = settings.rollout * max(1, round(settings.batch_size * settings.batches / rollout))
        self.rows: list[TrainingRow] = []
        # Of what must be the same for a run to go on: settings, seed and the first worlds.
        worlds = [(world.map.fingerprint(), world.n_agents, world.seed) for world in self.collector.worlds]
        self.key = hash_json({"settings": asdict(settings), "seed": seed, "worlds": worlds})

    @property
    def agent_steps(self) -> int:
        return self.collector.steps * self.collector.agents

    @property
    def seconds(self) -> float:
        return self.rows[-1].seconds if self.rows else 0.0

    def update(self) -> TrainingRow:
        """Collect, learn, and note it."""
        began = time.perf_counter()
        data = self.collector.collect(self.network, self.length)
        figures = update_policy(
            self.network, self.optimizer, data, self.settings, seed=self.seed, update=len(self.rows)
        )
        row = TrainingRow(
            steps=self.agent_steps,
            reward=float(data.rewards.mean(dtype=np.float64)),
            throughput=data.goals / self.length / self.settings.environments,
            **asdict(figures),
            learning_rate=self.optimizer.param_groups[0]["lr"],
            seconds=self.seconds + time.perf_counter() - began,
        )
        self.rows.append(row)
        return row

    def save(self, file: Path) -> None:
        """Everything that the next update depends on, in one file."""
        from safetensors.torch import save_file

        tensors = {f"model.{name}": value.clone() for name, value in self.network.state_dict().items()}
        for index, entry in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value.clone() for name, value in entry.items()}
        tensors |= {
            f"worlds.{name}": torch.from_numpy(array) for name, array in self.collector.snapshot().items()
        }
        words = {"key": self.key, "rows": json.dumps([asdict(row) for row in self.rows])}
        with atomic_path(file) as temporary:
            save_file(tensors, temporary, words)

    def load(self, file: Path) -> None:
        """Go on from what `save` wrote."""
        from safetensors import SafetensorError, safe_open
        from safetensors.torch import load_file

        try:
            tensors = load_file(file)
            with safe_open(file, "pt") as opened:
                words = opened.metadata()
            rows = [TrainingRow(**row) for row in json.loads(words["rows"])]
            key = words["key"]
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"checkpoint {file} cannot be read: {error}.") from error
        if key != self.key:
            raise FileFormatError(
                f"checkpoint {file} is of other settings, worlds or another seed; use another folder."
            )
        parts: dict[str, dict[str, torch.Tensor]] = {"model": {}, "optimizer": {}, "worlds": {}}
        for name, value in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = value
        self.network.load_state_dict(parts["model"])
        entries: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in parts["optimizer"].items():
            index, _, rest = name.partition(".")
            entries.setdefault(int(index), {})[rest] = value
        self.optimizer.load_state_dict(
            {"state": entries, "param_groups": self.optimizer.state_dict()["param_groups"]}
        )
        self.optimizer.param_groups[0]["lr"] = rows[-1].learning_rate
        self.collector.restore({name: value.numpy() for name, value in parts["worlds"].items()})
        self.rows = rows
