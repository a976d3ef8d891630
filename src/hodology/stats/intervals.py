"""Confidence intervals: Student's t for a few replicates, the bootstrap for many observations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.rng import stream

__all__ = ["Interval", "bootstrap_interval", "hierarchical_bootstrap", "paired_bootstrap", "t_interval"]

Statistic = Literal["mean", "median"] | Callable[[np.ndarray], np.ndarray]
_CELLS = 4_000_000  # resampled values held at a time


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval.

    Attributes
    ----------
    estimate, low, high : float
        `low` and `high` are NaN when a single observation allows no interval.
    level : float
    n : int
        Number of independent observations.
    kind : str
        ``"t"``, ``"percentile"``, ``"bca"`` or ``"hierarchical"``.
    """

    estimate: float
    low: float
    high: float
    level: float
    n: int
    kind: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.estimate:.4g} [{self.low:.4g}, {self.high:.4g}]"


def t_interval(values: Sequence[float] | np.ndarray, *, level: float = 0.95) -> Interval:
    """Student's t interval of the mean of a few independent values, such as one per seed.

    Raises
    ------
    InputError
        For no values, values that are not finite, or a level outside (0, 1).

    Examples
    --------
    >>> print(t_interval([1.0, 2.0, 3.0]))
    2 [-0.4841, 4.484]
    """
    from scipy.stats import t

    array = _checked(values, level)
    n, mean = len(array), float(array.mean())
    if n == 1:
        return Interval(mean, float("nan"), float("nan"), level, 1, "t")
    half = float(t.ppf((1 + level) / 2, n - 1) * array.std(ddof=1) / np.sqrt(n))
    return Interval(mean, mean - half, mean + half, level, n, "t")


def bootstrap_interval(
    values: Sequence[float] | np.ndarray,
    *,
    statistic: Statistic = "mean",
    level: float = 0.95,
    n_resamples: int = 10_000,
    method: Literal["percentile", "bca"] = "percentile",
    rng: int | np.random.Generator = 0,
) -> Interval:
    """Bootstrap interval over rows of `values`.

    Parameters
    ----------
    values : float ndarray, shape (n,) or (n, columns)
        Rows are resampled whole.
    statistic : {"mean", "median"} or callable
        A callable gets ``(..., n)`` or ``(..., n, columns)`` and reduces to ``(...)``; it must work for
        stacked resamples.
    level : float
    n_resamples : int
    method : {"percentile", "bca"}
        BCa (Efron 1987) corrects bias and skewness by the jackknife.
    rng : int or Generator

    Raises
    ------
    InputError
        For no values, values that are not finite, a wrong level or number of resamples.
    """
    array = _checked(values, level)
    if n_resamples < 1:
        raise InputError(f"n_resamples must be at least 1, got {n_resamples}.")
    if method not in ("percentile", "bca"):
        raise UnknownNameError(
            f"method {method!r} is not an interval{near_names(method, ('percentile', 'bca'))}."
        )
    reduce = _statistic(statistic, array.ndim)
    generator = stream(rng, "bootstrap") if isinstance(rng, (int, np.integer)) else rng
    n = len(array)
    per_chunk = max(1, _CELLS // array.size)
    draws = np.concatenate(
        [
            np.atleast_1d(reduce(array[generator.integers(0, n, (min(per_chunk, n_resamples - done), n))]))
            for done in range(0, n_resamples, per_chunk)
        ]
    )
    estimate = float(reduce(array))
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    if method == "bca" and n > 1:
        tails = _bca_tails(array, reduce, draws, estimate, tails)
    low, high = np.quantile(draws, tails)
    return Interval(estimate, float(low), float(high), level, n, method)


def paired_bootstrap(
    a: np.ndarray, b: np.ndarray, *, level: float = 0.95, n_resamples: int = 10_000, rng: int = 0
) -> Interval:
    """Bootstrap interval of ``mean(a - b)`` over pairs."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape:
        raise InputError(f"a and b must have one shape, got {a.shape} and {b.shape}.")
    return bootstrap_interval(a - b, level=level, n_resamples=n_resamples, rng=rng)


def hierarchical_bootstrap(
    groups: Sequence[np.ndarray], *, level: float = 0.95, n_resamples: int = 10_000, rng: int = 0
) -> Interval:
    """Interval of the mean over groups (seeds) of means over items, resampling groups, then items in them."""
    arrays = [_checked(g, level) for g in groups]
    if not arrays:
        raise InputError("groups must hold at least one array, got none.")
    generator = stream(rng, "hierarchical")
    means = np.empty(n_resamples)
    for i in range(n_resamples):
        picked = generator.integers(0, len(arrays), len(arrays))
        means[i] = np.mean(
            [arrays[g][generator.integers(0, len(arrays[g]), len(arrays[g]))].mean() for g in picked]
        )
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    estimate = float(np.mean([g.mean() for g in arrays]))
    return Interval(estimate, float(low), float(high), level, len(arrays), "hierarchical")


def _bca_tails(
    array: np.ndarray,
    reduce: Callable[[np.ndarray], np.ndarray],
    draws: np.ndarray,
    estimate: float,
    tails: np.ndarray,
) -> np.ndarray:
    from scipy.stats import norm

    n = len(array)
    left_out = np.array([float(reduce(np.delete(array, i, axis=0))) for i in range(n)])
    spread = left_out.mean() - left_out
    scale = (spread**2).sum() ** 1.5
    if scale == 0:
        return tails
    acceleration = (spread**3).sum() / (6 * scale)
    share = ((draws < estimate).mean() + (draws <= estimate).mean()) / 2
    bias = norm.ppf(np.clip(share, 1 / (2 * len(draws)), 1 - 1 / (2 * len(draws))))
    z = bias + norm.ppf(tails)
    return norm.cdf(bias + z / (1 - acceleration * z))


def _statistic(statistic: Statistic, ndim: int) -> Callable[[np.ndarray], np.ndarray]:
    if callable(statistic):
        return statistic
    if ndim != 1:
        raise InputError(
            f"statistic {statistic!r} needs values of one dimension, got {ndim}; pass a callable."
        )
    if statistic == "mean":
        return lambda x: x.mean(axis=-1)
    if statistic == "median":
        return lambda x: np.median(x, axis=-1)
    raise UnknownNameError(
        f"statistic {statistic!r} does not exist{near_names(str(statistic), ('mean', 'median'))}."
    )


def _checked(values: Sequence[float] | np.ndarray, level: float) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0 or len(array) == 0:
        raise InputError(f"values must hold at least one number, got shape {array.shape}.")
    if not np.isfinite(array).all():
        raise InputError(f"values must be finite, got {array[~np.isfinite(array)].flat[0]}.")
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, got {level}.")
    return array
