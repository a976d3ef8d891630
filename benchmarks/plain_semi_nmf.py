"""Semi-NMF with hard winner-take-all as the paper writes it, for comparison.

Samples in columns; an inverse per iteration, the residual matrix formed for every loss, factors copied whenever the
loss is the least so far. It is slow on purpose and shares nothing with the library but torch: tests take it as the
reference, benchmarks as the peer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

__all__ = ["PlainSemiNMF", "plain_iteration", "plain_semi_nmf"]


@dataclass
class PlainSemiNMF:
    """Features F (d x k) and coefficients G (n x k) of the least loss, and the squared error of every iteration."""

    features: Tensor
    coefficients: Tensor
    losses: list[float] = field(default_factory=list)


def plain_iteration(a: Tensor, g: Tensor, sparsity: float) -> tuple[Tensor, Tensor]:
    """One iteration: F of the closed form, winner-take-all, the scale fix, and the multiplicative step on G."""
    k = g.shape[1]
    f = a @ g @ torch.linalg.inv(g.T @ g + 1e-6 * torch.eye(k, dtype=a.dtype))
    if sparsity < 1.0:
        keep = math.ceil(sparsity * len(f))
        threshold = f.abs().topk(keep, dim=0).values[-1]
        f = torch.where(f.abs() >= threshold, f, 0.0)
    norm = g.norm(dim=0).clamp_min(1e-8)
    g, f = g / norm, f * norm
    p, q = a.T @ f, f.T @ f
    p_plus, p_minus = (p.abs() + p) / 2, (p.abs() - p) / 2
    q_plus, q_minus = (q.abs() + q) / 2, (q.abs() - q) / 2
    return f, g * torch.sqrt((p_plus + g @ q_minus) / (p_minus + g @ q_plus + 1e-6))


def plain_semi_nmf(
    a: Tensor, g: Tensor, *, sparsity: float = 1.0, max_iter: int = 2000, stop_at: float = 0.0
) -> PlainSemiNMF:
    """Factorise `a` (d x n, samples in columns) from coefficients `g` (n x k) until the loss is `stop_at` or less."""
    best = PlainSemiNMF(torch.zeros(len(a), g.shape[1]), g)
    least = math.inf
    for _ in range(max_iter):
        f, g = plain_iteration(a, g, sparsity)
        loss = float((a - f @ g.T).square().sum())
        best.losses.append(loss)
        if loss < least:
            least, best.features, best.coefficients = loss, f.clone(), g.clone()
        if loss <= stop_at:
            break
    return best
