"""One update of PPO: advantages, the clipped loss over batches of sequences, and the adaptive rate.

Loss: ``-mean(min(r A, clip(r) A)) + w_v mean(max((v - R)^2, (v_clipped - R)^2)) - w_e mean(entropy)``.

Reference: Schulman et al., "Proximal policy optimization algorithms", arXiv 1707.06347; the value is clipped and the rate
adapted as in Sample Factory (Petrenko et al., ICML 2020).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hodology.errors import NotConvergedError
from hodology.planning.follower_network import FollowerNetwork
from hodology.planning.ppo_rollout import Experience
from hodology.planning.ppo_settings import TrainingSettings
from hodology.rng import torch_stream

__all__ = ["UpdateFigures", "adapted_rate", "advantages", "ppo_loss", "update_policy"]


@dataclass(frozen=True)
class UpdateFigures:
    """Means over the batches of one update.

    Attributes
    ----------
    policy_loss, value_loss, entropy, kl : float
        Entropy and KL divergence in nats.
    clipped : float
        Share of samples whose ratio left the clip range.
    """

    policy_loss: float
    value_loss: float
    entropy: float
    kl: float
    clipped: float


def advantages(data: Experience, *, gamma: float, gae_lambda: float, rollout: int) -> np.ndarray:
    """Generalised advantage estimates, float32 ``(T, N)``.

    ``A_t = d_t + gamma lambda A_{t+1}`` with ``d_t = r_t + gamma V(s_{t+1}) - V(s_t)``; the sum ends with the rollout and with
    the episode. Episodes only end by the horizon, so the value of their last state is counted.
    """
    delta = data.rewards + gamma * data.next_values - data.values
    found = np.empty_like(delta)
    after = np.zeros(delta.shape[1], dtype=np.float32)
    for t in range(len(delta) - 1, -1, -1):
        goes_on = ~data.ends[t] if (t + 1) % rollout else np.zeros(delta.shape[1], dtype=bool)
        after = delta[t] + np.float32(gamma * gae_lambda) * goes_on * after
        found[t] = after
    return found


def ppo_loss(
    logits: Tensor,
    values: Tensor,
    *,
    actions: Tensor,
    old_logits: Tensor,
    old_values: Tensor,
    advantage: Tensor,
    returns: Tensor,
    settings: TrainingSettings,
) -> tuple[Tensor, UpdateFigures]:
    """Loss of a batch and its parts; all tensors ``(...)``, logits with five more.

    The advantages are brought to mean 0 and standard deviation 1 within the batch.
    """
    now, before = functional.log_softmax(logits, dim=-1), functional.log_softmax(old_logits, dim=-1)
    taken = actions[..., None]
    ratio = (now.gather(-1, taken) - before.gather(-1, taken))[..., 0].exp()
    scaled = (advantage - advantage.mean()) / advantage.std(correction=0).clamp_min(1e-7)
    held = ratio.clamp(1 - settings.clip, 1 + settings.clip)
    policy = -torch.minimum(ratio * scaled, held * scaled).mean()
    near = old_values + (values - old_values).clamp(-settings.value_clip, settings.value_clip)
    value = torch.maximum((values - returns) ** 2, (near - returns) ** 2).mean()
    entropy = -(now.exp() * now).sum(dim=-1).mean()
    loss = policy + settings.value_weight * value - settings.entropy_weight * entropy
    kl = (now.exp() * (now - before)).sum(dim=-1).mean()
    parts = torch.stack([policy, value, entropy, kl, (ratio != held).float().mean()]).detach()
    return loss, UpdateFigures(*parts.tolist())


def adapted_rate(rate: float, kl: float, settings: TrainingSettings) -> float:
    """Learning rate after a batch that left the policy `kl` away from the one that acted."""
    if settings.schedule == "constant":
        return rate
    low, high = settings.rate_bounds
    if kl > 2 * settings.kl_target:
        return max(rate / 1.5, low)
    return min(rate * 1.5, high) if kl < settings.kl_target / 2 else rate


def update_policy(
    network: FollowerNetwork,
    optimizer: torch.optim.Optimizer,
    data: Experience,
    settings: TrainingSettings,
    *,
    seed: int,
    update: int,
) -> UpdateFigures:
    """Go through the data in shuffled batches of sequences; the network and the optimizer's rate change.

    Raises
    ------
    NotConvergedError
        When the loss is not finite.
    """
    advantage = advantages(
        data, gamma=settings.gamma, gae_lambda=settings.gae_lambda, rollout=settings.rollout
    )
    length = settings.recurrence
    columns = {
        name: _sequences(torch.from_numpy(array), length)
        for name, array in {
            "inputs": data.inputs,
            "actions": data.actions,
            "old_logits": data.logits,
            "old_values": data.values,
            "advantage": advantage,
            "returns": advantage + data.values,
            "ends": data.ends,
        }.items()
    }
    states = torch.from_numpy(data.states).flatten(0, 1)
    figures = []
    for epoch in range(settings.epochs):
        order = torch.randperm(len(states), generator=torch_stream(seed, "batches", update, epoch))
        for rows in order.tensor_split(min(settings.batches, len(order))):
            batch = {name: column[:, rows] for name, column in columns.items()}
            start = states[rows] if settings.shape.recurrent is not None else None
            logits, values = network.unroll(batch.pop("inputs").float(), start, batch.pop("ends"))
            loss, parts = ppo_loss(logits, values, settings=settings, **batch)
            if not torch.isfinite(loss):
                raise NotConvergedError(
                    f"the loss is {loss.item()} in update {update}; lower the learning rate."
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), settings.max_grad_norm)
            optimizer.step()
            for group in optimizer.param_groups:
                group["lr"] = adapted_rate(group["lr"], parts.kl, settings)
            figures.append(parts)
    names = UpdateFigures.__dataclass_fields__
    return UpdateFigures(*(float(np.mean([getattr(f, name) for f in figures])) for name in names))


def _sequences(column: Tensor, length: int) -> Tensor:
    """``(T, N, ...)`` to ``(length, T / length * N, ...)``: sequences side by side."""
    pieces = column.unflatten(0, (-1, length)).transpose(0, 1)
    return pieces.flatten(1, 2)
