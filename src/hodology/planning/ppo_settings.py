"""Settings of the training of Follower policies, with those of the paper's two networks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.planning.follower_network import NetworkShape, Preset, network_shape

__all__ = ["Schedule", "TrainingSettings", "training_settings"]

Schedule = Literal["constant", "kl-adaptive"]


@dataclass(frozen=True)
class TrainingSettings:
    """How a policy is trained. Change some with `dataclasses.replace`.

    Attributes
    ----------
    shape : NetworkShape
    learning_rate : float
        At the start, for "kl-adaptive".
    schedule : {"constant", "kl-adaptive"}
        "kl-adaptive": after each batch the rate is divided by 1.5 when the policy moved by more than twice `kl_target`, and
        multiplied by 1.5 when by less than half of it, within `rate_bounds`.
    kl_target : float
        Nats, between the policy before and after the updates so far of these data.
    rate_bounds : (float, float)
    gamma, gae_lambda : float
        Discount, and the weight of longer estimates of the advantage.
    clip : float
        The ratio of probabilities is held in 1 - clip .. 1 + clip.
    value_clip : float
        The value may move by so much from what it was when the data were collected.
    value_weight, entropy_weight : float
        Of the two terms beside the policy's in the loss.
    max_grad_norm, adam_eps : float
    rollout : int
        Steps over which advantages are estimated; then the value stands for the rest.
    recurrence : int
        Steps through which the GRU is trained; divides `rollout`.
    batch_size, batches, epochs : int
        Agent-steps of a batch, batches made of the data of one update, and times they are gone through. An update collects
        ``batch_size * batches`` agent-steps, rounded to whole rollouts of all environments.
    environments : int
        Worlds that run side by side.
    reward : float
        For standing on the cell that was the second of the path one step before. There is no other reward.
    static, dynamic, reset_on_goal : bool
        Of the planner, see `CongestionPlanner`.
    """

    shape: NetworkShape
    learning_rate: float
    schedule: Schedule
    gamma: float
    entropy_weight: float
    kl_target: float = 0.008
    rate_bounds: tuple[float, float] = (1e-6, 1e-2)
    gae_lambda: float = 0.95
    clip: float = 0.2
    value_clip: float = 1.0
    value_weight: float = 0.5
    max_grad_norm: float = 4.0
    adam_eps: float = 1e-6
    rollout: int = 8
    recurrence: int = 8
    batch_size: int = 16_384
    batches: int = 16
    epochs: int = 1
    environments: int = 16
    reward: float = 0.01
    static: bool = True
    dynamic: bool = True
    reset_on_goal: bool = True

    def __post_init__(self) -> None:
        if self.schedule not in get_args(Schedule):
            raise UnknownNameError(
                f"schedule {self.schedule!r} does not exist{near_names(self.schedule, get_args(Schedule))}."
            )
        for name in ("rollout", "recurrence", "batch_size", "batches", "epochs", "environments"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.rollout % self.recurrence:
            raise InputError(
                f"recurrence must divide the rollout's {self.rollout} steps, got {self.recurrence}."
            )
        for name in ("learning_rate", "kl_target", "clip", "value_clip", "max_grad_norm", "adam_eps"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} must be a number above 0, got {getattr(self, name)}.")
        for name in ("gamma", "gae_lambda"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} must be 0 to 1, got {getattr(self, name)}.")


def training_settings(preset: Preset) -> TrainingSettings:
    """The paper's settings of a network: "follower" (1e9 agent-steps) or "follower-lite" (2e7).

    Raises
    ------
    UnknownNameError
        For another name.
    """
    shape = network_shape(preset)
    if preset == "follower":
        return TrainingSettings(
            shape=shape,
            learning_rate=2.2e-4,
            schedule="constant",
            gamma=0.9756,
            entropy_weight=0.023,
            environments=32,
        )
    return TrainingSettings(
        shape=shape, learning_rate=1.33e-4, schedule="kl-adaptive", gamma=0.9716, entropy_weight=0.01565
    )
