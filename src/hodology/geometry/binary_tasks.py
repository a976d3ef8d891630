"""Classification tasks whose input geometry and label geometry are set by parameters.

A task has n conditions with clean mean inputs and k binary targets. `hadamard_task` mixes uncorrelated dichotomies
with an analytic spectrum, `nudged_xor` is the smallest task that moves from not separable to separable,
`random_kernel_task` draws a random input kernel, and `recorded_task` takes the user's own samples.

Reference: Alleman, Lindsey and Fusi, "Task structure and nonlinearity jointly determine learned representational
geometry", ICLR 2024.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.geometry.cka import centre_kernel, cka_from_kernels
from hodology.geometry.conditions import group_samples
from hodology.geometry.dichotomies import hadamard_dichotomies
from hodology.geometry.task_spectra import (
    alignment_of_separability,
    even_spectrum,
    random_spectrum,
)
from hodology.rng import stream

__all__ = ["Task", "embed", "hadamard_task", "nudged_xor", "recorded_task"]


@dataclass(frozen=True, repr=False, eq=False)
class Task:
    """Conditions with clean inputs and binary targets.

    Attributes
    ----------
    means : float64 ndarray, shape (conditions, inputs)
        Clean input of each condition.
    labels : int8 ndarray, shape (conditions, targets)
        0 or 1.
    noise : float
        Standard deviation of the isotropic Gaussian noise on samples.
    spectrum : float64 ndarray or None
        Variance of each uncorrelated dichotomy, targets first; None when the task is not made of them.
    name : str
    samples : tuple of two arrays or None
        Recorded inputs (samples, inputs) and the condition of each; `sample` draws from these.

    Raises
    ------
    InputError
        For shapes that do not fit, labels other than 0 and 1, values that are not finite, or a target that all
        conditions share.
    """

    means: np.ndarray
    labels: np.ndarray
    noise: float = 1.0
    spectrum: np.ndarray | None = None
    name: str = "task"
    samples: tuple[np.ndarray, np.ndarray] | None = None

    def __post_init__(self) -> None:
        means, labels = np.asarray(self.means, dtype=np.float64), np.asarray(self.labels)
        if means.ndim != 2 or labels.ndim != 2 or len(means) != len(labels) or 0 in means.shape:
            raise InputError(
                f"means and labels must be (conditions, inputs) and (conditions, targets), got {means.shape} and "
                f"{labels.shape}."
            )
        if not np.isfinite(means).all():
            raise InputError("means must be finite.")
        if not np.isin(labels, (0, 1)).all():
            raise InputError(f"labels must be 0 or 1, got {np.unique(labels)[:4].tolist()}.")
        constant = np.flatnonzero((labels == labels[0]).all(axis=0))
        if len(constant):
            raise InputError(f"target {constant[0]} has conditions of one class only.")
        if not 0 <= self.noise < np.inf:
            raise InputError(f"noise must be a standard deviation of at least 0, got {self.noise}.")
        object.__setattr__(self, "means", means)
        object.__setattr__(self, "labels", labels.astype(np.int8))

    def __repr__(self) -> str:
        n, k = self.labels.shape
        return f"Task({self.name!r}, {n} conditions, {k} targets, {self.means.shape[1]} inputs, noise {self.noise:g})"

    @property
    def n_conditions(self) -> int:
        """Number of conditions."""
        return len(self.means)

    @property
    def n_targets(self) -> int:
        """Number of binary targets."""
        return self.labels.shape[1]

    @property
    def input_kernel(self) -> np.ndarray:
        """Centred kernel of the clean inputs, shape (conditions, conditions)."""
        return centre_kernel(self.means @ self.means.T)

    @property
    def target_kernel(self) -> np.ndarray:
        """Centred kernel of the targets as -1 and +1."""
        signs = 2.0 * self.labels - 1.0
        return centre_kernel(signs @ signs.T)

    @property
    def alignment(self) -> float:
        """Centred kernel alignment of clean inputs and targets."""
        return cka_from_kernels(self.input_kernel, self.target_kernel)

    @property
    def separability(self) -> float:
        """(n - 1) c^2 / k of the alignment c."""
        c = min(1.0, max(0.0, self.alignment))
        return (self.n_conditions - 1) * c**2 / self.n_targets

    def sample(
        self, count: int, *, seed: int = 0, noise: float | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw noisy inputs.

        Parameters
        ----------
        count : int
            Conditions come up equally often, but for the remainder. Recorded samples are drawn without repetition.
        seed : int
        noise : float, optional
            In place of the task's own.

        Returns
        -------
        x : float64 ndarray, shape (count, inputs)
        condition : int64 ndarray, shape (count,)
        y : int8 ndarray, shape (count, targets)
        """
        if count < 1:
            raise InputError(f"count must be at least 1, got {count}.")
        level = self.noise if noise is None else noise
        if self.samples is None:
            condition = stream(seed, "order").permutation(np.arange(count) % self.n_conditions)
            x = self.means[condition]
        else:
            if count > len(self.samples[0]):
                raise InputError(f"{len(self.samples[0])} samples were recorded, {count} are asked for.")
            rows = stream(seed, "order").permutation(len(self.samples[0]))[:count]
            x, condition = self.samples[0][rows], self.samples[1][rows]
        if level:
            x = x + level * stream(seed, "noise").standard_normal(x.shape)
        return x, condition, self.labels[condition]


def hadamard_task(
    bits: int,
    *,
    targets: int = 1,
    separability: float | None = None,
    alignment: float | None = None,
    noise: float = 1.0,
    dim: int = 100,
    scale: float = 0.0,
    seed: int = 0,
) -> Task:
    """A task of 2^bits conditions whose inputs and targets have a chosen alignment.

    Parameters
    ----------
    bits : int
        2 to 8; the paper has 2 to 5.
    targets : int
        k, the first dichotomies in XOR order: single bits first, parities last.
    separability, alignment : float
        Exactly one of both: s in 0 .. (n - 1) / k, or c in 0 .. 1.
    noise : float
        Standard deviation per input; clean inputs have variance 1 per input on average.
    dim : int
        Inputs, at least n - 1.
    scale : float
        0 for the even spectrum, else the unevenness of a random one (0.5 in the paper).
    seed : int
        Of spectrum and embedding.

    Returns
    -------
    Task

    Raises
    ------
    InputError
        For values out of range; the message states the range.

    Notes
    -----
    means = H diag(sqrt(pi)) Q sqrt(dim) with the dichotomies H, the spectrum pi, and rows Q of a random orthogonal
    matrix.

    Examples
    --------
    >>> task = hadamard_task(3, targets=1, separability=1.0)
    >>> task
    Task('hadamard', 8 conditions, 1 targets, 100 inputs, noise 1)
    >>> round(task.alignment**2 * 7, 6)
    1.0
    """
    columns = hadamard_dichotomies(bits).T.astype(np.float64)
    n = len(columns)
    if separability is not None and alignment is None:
        c = alignment_of_separability(separability, conditions=n, targets=targets)
    elif alignment is not None and separability is None:
        c = alignment
    else:
        raise InputError("give exactly one of separability and alignment.")
    if scale == 0:
        pi = even_spectrum(c, conditions=n, targets=targets)
    else:
        pi = random_spectrum(c, conditions=n, targets=targets, scale=scale, seed=seed)
    means = embed(columns * np.sqrt(pi), dim=dim, seed=seed)
    return Task(means, (columns[:, :targets] > 0).astype(np.int8), noise, pi, "hadamard")


def nudged_xor(epsilon: float, *, noise: float = 0.1, dim: int = 120, seed: int = 0) -> Task:
    """Exclusive or of two bits, nudged towards separability along a third direction.

    Parameters
    ----------
    epsilon : float
        Of the third factor, 0 (plain XOR) to 1 (equidistant conditions) in the paper.
    noise : float
    dim : int
        Inputs, a multiple of 3: each factor moves its own third of them by plus or minus its value.
    seed : int
        Of the signs.

    Returns
    -------
    Task
        4 conditions, 1 target; alignment epsilon^2 / sqrt(2 + epsilon^4).
    """
    if not 0 <= epsilon < np.inf:
        raise InputError(f"epsilon must be at least 0, got {epsilon}.")
    if dim < 3 or dim % 3:
        raise InputError(f"dim must be a multiple of 3, got {dim}.")
    factors = hadamard_dichotomies(2).T * np.array([1.0, 1.0, epsilon])
    signs = stream(seed, "signs").choice([-1.0, 1.0], size=(3, dim // 3))
    means = (factors[:, :, None] * signs).reshape(4, dim)
    labels = (hadamard_dichotomies(2)[2] > 0).astype(np.int8)[:, None]
    total = 2.0 + epsilon**2
    spectrum = np.array([epsilon**2, 1.0, 1.0]) / total
    return Task(means, labels, noise, spectrum, "nudged xor")


def recorded_task(x: Any, condition: Any, labels: Any, *, noise: float = 0.0, name: str = "recorded") -> Task:
    """A task from the user's samples: condition means are the clean inputs.

    Parameters
    ----------
    x : array-like, shape (samples, inputs)
    condition : array-like, shape (samples,)
        Any values; conditions are sorted.
    labels : array-like of 0 and 1, shape (conditions, targets) or (conditions,)
        In the order of the sorted conditions.
    noise : float
        Added to samples when they are drawn.
    name : str
    """
    grouped = group_samples(x, condition, constant_units="keep")
    found = np.asarray(labels)
    found = found[:, None] if found.ndim == 1 else found
    return Task(
        grouped.means, found, noise, None, name, (grouped.values.astype(np.float64), grouped.condition)
    )  # fmt: skip


def embed(points: np.ndarray, *, dim: int, seed: int = 0) -> np.ndarray:
    """Rotate points into `dim` inputs and scale them by sqrt(dim).

    Parameters
    ----------
    points : ndarray, shape (conditions, p)
        p at most `dim`.

    Returns
    -------
    float64 ndarray, shape (conditions, dim)
    """
    size = points.shape[1]
    if dim < size:
        raise InputError(f"dim must be at least {size} for {len(points)} conditions, got {dim}.")
    basis, upper = np.linalg.qr(stream(seed, "embedding").standard_normal((dim, size)))
    return (points @ (basis * np.sign(np.diag(upper))).T) * np.sqrt(dim)
