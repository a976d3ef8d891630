"""Joint fine-tuning of a chain of non-negative weights and its last components, min ||X - W1 W2 ... WL H||^2.

The residual is not formed: with M = W1 ... WL the loss is ||X||^2 - 2 tr(M^T X H^T) + tr(M^T M H H^T), in float64.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from hodology.interpret.semi_nmf_input import mean_square

__all__ = ["Constraint", "tune"]

Constraint = Literal["clamp", "softplus"]
_LEAST = 1e-4  # entries of W, of about 1, that a softplus starts from


def tune(
    x: Any,
    weights: list[np.ndarray],
    components: np.ndarray,
    *,
    steps: int,
    learning_rate: float,
    constraint: Constraint,
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Adam on the mean squared error from weights and components as they are.

    Parameters
    ----------
    x : Tensor, shape (n, d)
    weights : list of ndarray
        W1 (n, k1), W2 (k1, k2) ..., non-negative.
    components : ndarray, shape (kL, d)
        Entries that are 0 stay 0.

    Returns
    -------
    weights, components
        Of the least loss seen, which may be where they began.
    losses : float ndarray, shape (steps,)
        Mean squared error before each step.
    """
    import torch
    from torch.nn.functional import softplus

    total = float(x.numel())
    scale = math.sqrt(mean_square(x))
    start, rows = _balanced(weights, components / scale)
    mask = torch.tensor(rows != 0.0, device=x.device)
    last = torch.tensor(rows, dtype=x.dtype, device=x.device, requires_grad=True)
    if constraint == "softplus":
        start = [np.maximum(w, _LEAST) for w in start]
        start = [w + np.log(-np.expm1(-w)) for w in start]
    free = [torch.tensor(w, dtype=x.dtype, device=x.device, requires_grad=True) for w in start]
    optimizer = torch.optim.Adam([*free, last], lr=learning_rate)
    losses: list[float] = []
    best: list[Any] = []
    for step in range(steps + 1):
        used = [softplus(w) for w in free] if constraint == "softplus" else free
        loss = _mean_square_error(x, used, last, scale=scale, total=total)
        losses.append(float(loss.detach()) * scale**2)
        if losses[-1] <= min(losses):
            best = [w.detach().clone() for w in (*used, last)]
        if step == steps:
            break
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            last.mul_(mask)
            if constraint == "clamp":
                for w in free:
                    w.clamp_(min=0.0)
    *ends, end = (value.double().cpu().numpy() for value in best)
    return list(ends), end * scale, np.array(losses[:-1])


def _mean_square_error(x: Any, weights: list[Any], last: Any, *, scale: float, total: float) -> Any:
    chain = weights[0]
    for w in weights[1:]:
        chain = chain @ w
    fit = ((chain.T @ x).double() * last.double()).sum() / scale
    size = ((chain.T @ chain).double() * (last @ last.T).double()).sum()
    return 1.0 + (size - 2.0 * fit) / total


def _balanced(weights: list[np.ndarray], components: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """The same product with columns of root mean square 1 in every W, so that one step size suits all."""
    out, carry = [], None
    for w in weights:
        own = w.astype(np.float64) if carry is None else w * carry[:, None]
        size = np.sqrt(np.square(own).mean(axis=0))
        carry = np.where(size > 0.0, size, 1.0)
        out.append(own / carry)
    return out, components * (1.0 if carry is None else carry[:, None])
