"""A FollowerLite network trained here in a minute, for runs and studies without the released weights.

Trained as the paper trains (PPO, the "priority" rule, reward for the planned step alone), but on small random maps, for
about a million agent-steps instead of 2e7, and with smaller batches so that there are enough of them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from hodology.errors import FileFormatError
from hodology.files import cache_dir, hash_json
from hodology.planning.follower_network import FollowerNetwork
from hodology.planning.follower_weights import load_network, save_network
from hodology.planning.grid_generators import random_map
from hodology.planning.ppo import CHECKPOINT, TrainingLog, TrainingRow, train_follower
from hodology.planning.ppo_rollout import MakeEnvironment, training_environments
from hodology.planning.ppo_settings import TrainingSettings, training_settings
from hodology.work.threads import limited_threads

__all__ = ["SHORT", "small_training_worlds", "train_short", "trained_follower"]

SHORT: TrainingSettings = replace(training_settings("follower-lite"), batch_size=512, batches=8)
_EVERY = 10  # updates between checkpoints, about two seconds
_MAPS, _SIDE, _DENSITY, _AGENTS = 64, 16, 0.2, 16


def small_training_worlds(*, seed: int = 0) -> MakeEnvironment:
    """Worlds of 16 agents on random maps of 16 x 16 cells, 20 % of them walls."""
    maps = [random_map(_SIDE, _SIDE, _DENSITY, seed=1000 * seed + i) for i in range(_MAPS)]
    return training_environments(maps, agents=(_AGENTS,), horizon=128, seed=seed)


def train_short(
    *,
    seed: int = 0,
    steps: int = 1_200_000,
    checkpoint: Path | None = None,
    on_update: Callable[[TrainingRow], None] | None = None,
) -> tuple[FollowerNetwork, TrainingLog]:
    """Train on one thread, so that a seed gives the same weights everywhere.

    Parameters
    ----------
    seed : int
    steps : int
        Agent-steps.
    checkpoint : Path, optional
        A folder; training goes on from what is there, to the same weights.
    on_update : callable, optional
        See `train_follower`.
    """
    with limited_threads(1):
        policy, log = train_follower(
            small_training_worlds(seed=seed), settings=SHORT, steps=steps, seed=seed,
            checkpoint=checkpoint, checkpoint_every=_EVERY, on_update=on_update,
        )  # fmt: skip
    return policy.network, log


def trained_follower(
    *, seed: int = 0, steps: int = 1_200_000, on_update: Callable[[TrainingRow], None] | None = None
) -> FollowerNetwork:
    """The network of `train_short`, from the cache when it was trained before.

    A training that was stopped goes on from its last checkpoint.

    Parameters
    ----------
    seed, steps, on_update
        See `train_short`.
    """
    import torch

    key = hash_json([asdict(SHORT), [_MAPS, _SIDE, _DENSITY, _AGENTS], seed, steps, torch.__version__])
    file = cache_dir() / "models" / f"follower-lite-{key[:24]}.npz"
    if file.is_file():
        try:
            return load_network(file)
        except FileFormatError:
            file.unlink(missing_ok=True)
    parts = file.with_suffix(".training")
    try:
        network, _ = train_short(seed=seed, steps=steps, checkpoint=parts, on_update=on_update)
    except FileFormatError:  # a damaged checkpoint: from the start
        _remove(parts)
        network, _ = train_short(seed=seed, steps=steps, checkpoint=parts, on_update=on_update)
    file.parent.mkdir(parents=True, exist_ok=True)
    save_network(network, file)
    _remove(parts)
    return network


def _remove(parts: Path) -> None:
    """Remove the checkpoint; another process may be at the same training."""
    (parts / CHECKPOINT).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        parts.rmdir()
