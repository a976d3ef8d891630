"""Random input kernels of a given rank and exactly a given alignment with the targets.

For orthogonal targets K_y = n P with the projection P on their span, and the alignment of K is a ratio of its trace
within the span and its norm. Mixing K with K_y or with its own part outside the span gives any alignment by one
quadratic equation; kernels of no higher rank than there are targets are tilted out of the span by one angle.

Reference: Alleman, Lindsey and Fusi, "Task structure and nonlinearity jointly determine learned representational
geometry", ICLR 2024 (the generator of random kernels).
"""

from __future__ import annotations

import numpy as np

from hodology.errors import InputError
from hodology.geometry.binary_tasks import Task, embed
from hodology.geometry.dichotomies import hadamard_dichotomies
from hodology.rng import stream

__all__ = ["random_kernel", "random_kernel_task"]


def random_kernel_task(
    bits: int = 5,
    *,
    targets: int = 1,
    alignment: float,
    rank: int | None = None,
    noise: float = 1.0,
    dim: int = 100,
    seed: int = 0,
) -> Task:
    """A task whose clean inputs have a random centred kernel of given rank and alignment with the targets.

    Parameters
    ----------
    bits : int
        2^bits conditions; 32 in the paper.
    targets : int
        k uncorrelated balanced targets.
    alignment : float
        From 0 to 1; at most sqrt(rank / targets) for a rank below the number of targets.
    rank : int, optional
        Default n - 1, which is full.
    noise, dim, seed
        As in `hadamard_task`.

    Raises
    ------
    InputError
        For an alignment that the rank does not allow; the message states the range.
    """
    columns = hadamard_dichotomies(bits).T.astype(np.float64)
    n = len(columns)
    if not 1 <= targets <= (n - 1) // 2:
        raise InputError(f"targets must be from 1 to {(n - 1) // 2}, got {targets}.")
    rank = n - 1 if rank is None else rank
    factor = random_kernel(columns, targets=targets, alignment=alignment, rank=rank, seed=seed)
    means = embed(factor, dim=dim, seed=seed)
    labels = (columns[:, :targets] > 0).astype(np.int8)
    return Task(means, labels, noise, None, f"random kernel of rank {rank}")


def random_kernel(
    columns: np.ndarray, *, targets: int, alignment: float, rank: int, seed: int = 0
) -> np.ndarray:
    """A factor F, shape (n, n - 1), of a random kernel F F^T with trace n.

    Parameters
    ----------
    columns : ndarray, shape (n, n - 1)
        Orthogonal centred columns of -1 and +1, targets first.
    targets, alignment, rank, seed
        As in `random_kernel_task`.

    Notes
    -----
    The kernel is S^T S within coordinates of the columns, where S is a rank x (n - 1) Gaussian matrix whose span holds
    the targets when rank > k. At alignment 1 the kernel is that of the targets, at alignment 0 it has no part in their
    span; the rank falls to k and to rank - k there.
    """
    size = columns.shape[1]
    if not 1 <= rank <= size:
        raise InputError(f"rank must be from 1 to {size}, got {rank}.")
    most = min(1.0, float(np.sqrt(rank / targets)))
    if not 0 <= alignment <= most * (1 + 1e-12):
        raise InputError(
            f"alignment must lie from 0 to {most:.4g} for rank {rank} and {targets} targets, got {alignment}."
        )
    c = min(float(alignment), most)
    rng = stream(seed, "kernel")
    small = _mixed(rng, size, targets, c, rank) if rank > targets else _tilted(rng, size, targets, c, rank)
    values, vectors = np.linalg.eigh(small)
    values = np.where(values > 1e-12 * values[-1], values, 0.0)
    return columns @ (vectors * np.sqrt(values / values.sum()))


def _mixed(rng: np.random.Generator, size: int, k: int, c: float, rank: int) -> np.ndarray:
    """A random kernel moved along the ray to the targets' kernel, or to its part outside their span."""
    basis = np.zeros((size, rank))
    basis[:k, :k] = np.eye(k)
    outside = np.linalg.qr(rng.standard_normal((size - k, rank - k)))[0]
    basis[k:, k:] = outside
    gaussian = rng.standard_normal((rank, rank))
    kernel = basis @ (gaussian @ gaussian.T) @ basis.T
    trace, norm = np.trace(kernel[:k, :k]), (kernel**2).sum()
    goal = np.zeros_like(kernel)
    if trace < c * np.sqrt(k * norm):
        if c == 1:
            goal[:k, :k] = np.eye(k)
            return goal
        goal[:k, :k] = np.eye(k)
        # (trace + k t)^2 = c^2 k (norm + 2 t trace + k t^2)
        left = 1 - c * c
        half, rest = trace * left, trace**2 / k - c * c * norm
        return kernel + goal * (-half + np.sqrt(half**2 - left * k * rest)) / (left * k)
    goal[k:, k:] = kernel[k:, k:]
    if c == 0:
        return goal
    # trace^2 = c^2 k (norm + 2 t q + t^2 q), q the squared norm outside
    q = (goal**2).sum()
    rest = norm - trace**2 / (c * c * k)
    return kernel + goal * (-1 + np.sqrt(max(0.0, 1 - rest / q)))


def _tilted(rng: np.random.Generator, size: int, k: int, c: float, rank: int) -> np.ndarray:
    """Eigenvectors within the targets' span, turned out of it together: alignment = cos^2 times the untilted one."""
    within = np.linalg.qr(rng.standard_normal((k, rank)))[0]
    beside = np.linalg.qr(rng.standard_normal((size - k, rank)))[0]
    values = rng.dirichlet(np.full(rank, 2.0))
    even = np.full(rank, 1.0 / rank)
    low, high = 0.0, 1.0
    if values.sum() / (np.linalg.norm(values) * np.sqrt(k)) < c:
        # |(1 - t) v + t e|^2 = |e|^2 + (1 - t)^2 |v - e|^2, since v - e sums to zero
        spread = ((values - even) ** 2).sum()
        low = 1.0 - np.sqrt(max(0.0, 1.0 / (c * c * k) - 1.0 / rank) / spread) if spread > 0 else high
        values = (1 - low) * values + low * even
    turn = c * np.linalg.norm(values) * np.sqrt(k)
    cos, sin = np.sqrt(min(1.0, turn)), np.sqrt(max(0.0, 1.0 - turn))
    vectors = np.concatenate([cos * within, sin * beside])
    return (vectors * values) @ vectors.T
