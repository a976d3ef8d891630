"""Parallelism: do the vectors from one class to the other point the same way?

For a pairing of the conditions of one class with those of the other, v_i = z(positive_i) - z(negative_i); the score is
the mean cosine between these vectors, for the pairing where it is largest. Inner products of coding vectors follow from
the kernel of the conditions,

    <v_(p,q), v_(p',q')> = K[p,p'] - K[p,q'] - K[q,p'] + K[q,q'],

so patterns themselves are not needed.

References: Bernardi et al., "The geometry of abstraction in the hippocampus and prefrontal cortex", Cell 2020; Alleman,
Lindsey and Fusi, "Task structure and nonlinearity jointly determine learned representational geometry", ICLR 2024.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import permutations
from math import factorial
from typing import Any, Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.geometry.conditions import group_samples
from hodology.geometry.dichotomies import as_dichotomy

__all__ = ["Pairing", "Parallelism", "parallelism_of_kernel", "parallelism_score"]

Pairing = Literal["auto", "exact", "assignment"]
_EXACT = 8  # conditions up to which "auto" tries every pairing
_MOST = 50_000


@dataclass(frozen=True, repr=False, eq=False)
class Parallelism:
    """A parallelism score.

    Attributes
    ----------
    value : float
        Mean pairwise cosine of the coding vectors, -1 to 1; NaN when conditions cannot be told apart.
    pairs : int64 ndarray, shape (pairs, 2)
        Positive and negative condition of each coding vector of the best pairing.
    exact : bool
        Whether every pairing was tried.
    """

    value: float
    pairs: np.ndarray
    exact: bool

    def __repr__(self) -> str:
        how = "all pairings" if self.exact else "assignment"
        return f"Parallelism({self.value:.3f}, {len(self.pairs)} pairs, {how})"

    def __float__(self) -> float:
        return self.value


def parallelism_score(z: Any, condition: Any, dichotomy: Any, *, pairing: Pairing = "auto") -> Parallelism:
    """Parallelism of one dichotomy over condition means.

    Parameters
    ----------
    z : Patterns or anything `as_patterns` reads, shape (samples, units)
    condition : array-like, shape (samples,), or None
        None when each row is a condition.
    dichotomy : array-like, shape (conditions,)
        0 and 1, or -1 and +1, in the order of the sorted conditions. Where one class is smaller its conditions are used
        several times, as evenly as it goes.
    pairing : {"auto", "exact", "assignment"}
        Every pairing, or the one of least total squared distance (which finds any exact translation of one class onto
        the other). "auto" tries every pairing for up to 8 conditions.

    Returns
    -------
    Parallelism

    Raises
    ------
    InputError
        For fewer than 3 conditions, a dichotomy with one class, or "exact" with more than 50,000 pairings.

    Examples
    --------
    >>> square = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> parallelism_score(square, None, [0, 0, 1, 1]).value
    1.0
    """
    means = group_samples(z, condition).means
    means = means - means.mean(axis=0)
    return parallelism_of_kernel(means @ means.T, dichotomy, pairing=pairing)


def parallelism_of_kernel(kernel: Any, dichotomy: Any, *, pairing: Pairing = "auto") -> Parallelism:
    """Parallelism from the kernel of the conditions alone, shape (conditions, conditions); see `parallelism_score`."""
    if pairing not in get_args(Pairing):
        raise UnknownNameError(f"pairing {pairing!r} does not exist{near_names(pairing, get_args(Pairing))}.")
    k = np.asarray(kernel, dtype=np.float64)
    if k.ndim != 2 or k.shape[0] != k.shape[1] or not np.isfinite(k).all():
        raise InputError(f"a kernel must be a finite square matrix, got shape {k.shape}.")
    if len(k) < 3:
        raise InputError(f"parallelism needs at least 3 conditions, got {len(k)}.")
    labels = as_dichotomy(dichotomy, len(k))
    sides = [np.flatnonzero(labels == side) for side in (1, -1)]
    swap = len(sides[0]) > len(sides[1])
    small, large = (sides[1], sides[0]) if swap else (sides[0], sides[1])
    exact = pairing == "exact" or (pairing == "auto" and len(k) <= _EXACT)
    partners = _all_partners(len(small), len(large)) if exact else _assigned(k, small, large)
    value, best = _best(k, small, large, partners)
    chosen = np.stack([small[partners[best]], large], axis=1)
    pairs = chosen[:, ::-1] if swap else chosen
    if np.isnan(value):
        warnings.warn(
            "parallelism is undefined (NaN): paired conditions have equal patterns.",
            UserWarning,
            stacklevel=2,
        )
    return Parallelism(value, pairs.astype(np.int64), exact)


def _all_partners(small: int, large: int) -> np.ndarray:
    """Small-side partner of each large-side condition, shape (pairings, large); copies are used evenly."""
    copies = -(-large // small)
    if small == 1:
        return np.zeros((1, large), dtype=np.int64)
    total = factorial(small * copies) // factorial(small * copies - large)
    if total > _MOST:
        raise InputError(
            f"{small + large} conditions have too many pairings to try all; use pairing='assignment'."
        )
    order = np.array(list(permutations(range(small * copies), large)), dtype=np.int64) % small
    if copies == 1:
        return order
    uses = (order[:, :, None] == np.arange(small)).sum(axis=1)
    return np.unique(order[uses.min(axis=1) >= large // small], axis=0)


def _assigned(k: np.ndarray, small: np.ndarray, large: np.ndarray) -> np.ndarray:
    from scipy.optimize import linear_sum_assignment

    own = np.diagonal(k)
    squares = own[large][:, None] + own[small] - 2.0 * k[np.ix_(large, small)]
    copies, must = -(-len(large) // len(small)), len(large) // len(small)
    cost = np.tile(squares, (1, copies))
    # these copies are used before any other
    cost[:, : must * len(small)] -= 2.0 * np.abs(squares).sum() + 1.0
    columns = linear_sum_assignment(cost)[1]
    return (columns % len(small))[None]


def _best(k: np.ndarray, small: np.ndarray, large: np.ndarray, partners: np.ndarray) -> tuple[float, int]:
    """Largest mean cosine over pairings and where it is; pairings with a coding vector of length zero don't count."""
    s, q = np.meshgrid(small, large)
    s, q = s.ravel(), q.ravel()  # coding vector of (large i, small j) is row i * len(small) + j
    gram = k[np.ix_(s, s)] - k[np.ix_(s, q)] - k[np.ix_(q, s)] + k[np.ix_(q, q)]
    length = np.sqrt(np.maximum(np.diagonal(gram), 0.0))
    floor = 1e-7 * np.sqrt(max(float(np.abs(np.diagonal(k)).max()), np.finfo(float).tiny))
    length = np.where(length > floor, length, np.nan)
    cosine = gram / length[:, None] / length
    rows = np.arange(len(large)) * len(small) + partners
    m = len(large)
    if m == 1:
        return float("nan"), 0
    step = max(1, 2_000_000 // (m * m))
    sums = np.concatenate(
        [
            cosine[rows[b : b + step, :, None], rows[b : b + step, None, :]].sum(axis=(1, 2))
            for b in range(0, len(rows), step)
        ]
    )
    values = (sums - m) / (m * (m - 1))
    if np.isnan(values).all():
        return float("nan"), 0
    best = int(np.nanargmax(values))
    return float(np.clip(values[best], -1.0, 1.0)), best
