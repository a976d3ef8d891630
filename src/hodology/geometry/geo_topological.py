"""The geo-topological transform: small dissimilarities to zero, large ones to one, ranks in between.

With r the average ranks of a matrix scaled to [0, 1], lo and hi the `low` and `high` quantiles of that matrix's own r:

    g = 0                      for r < lo
    g = (r - lo) / (hi - lo)   for lo <= r <= hi
    g = 1                      for r > hi

and g = 1[r > hi] where hi = lo: at low = high, or where so many values are equal that both quantiles are one value.

Reference: Lin and Kriegeskorte, "The topology and geometry of neural representations", PNAS 2024 (the RGTM).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.geometry.ranks import rank_minmax
from hodology.geometry.rdm_forms import open_form
from hodology.geometry.rdm_reading import Missing
from hodology.geometry.regimes import check_thresholds

__all__ = [
    "Method",
    "geo_topological",
    "rank_quantiles",
    "sigmoid_ranks",
    "threshold_between",
    "threshold_ranks",
]

Method = Literal["linear", "sigmoid"]
_SNAP = 1e-9  # ranks differ by more than this; what is nearer to 0 or 1 is there but for rounding


def geo_topological(
    x: Any,
    *,
    low: float = 0.0,
    high: float = 1.0,
    method: Method = "linear",
    alpha: float = 10.0,
    beta: float = 0.5,
    missing: Missing = "error",
) -> Any:
    """Transform dissimilarity matrices into geo-topological matrices.

    Every matrix is ranked and thresholded by itself; quantiles are never pooled over matrices.

    Parameters
    ----------
    x : array-like, RDMs or rsatoolbox.rdm.RDMs
        One or many matrices, condensed or square (see `hodology.geometry.rdms.as_rdms`); left as they are.
    low, high : float
        Quantiles of the ranks. 0 and 1 give the ranked matrix; ``low = high`` gives the binary adjacency (1 for pairs
        that are no neighbours).
    method : {"linear", "sigmoid"}
        "sigmoid" is the smooth variant 1 / (1 + exp(-alpha (r - beta))), without thresholds.
    alpha, beta : float
        Slope and middle of the sigmoid.
    missing : {"error", "drop", "impute"}
        What to do about NaN.

    Returns
    -------
    The same kind of container, float64.

    Raises
    ------
    UnknownNameError
        When the method does not exist.
    InputError
        For thresholds out of order, thresholds given to the sigmoid, a matrix of equal values only, and what
        `as_rdms` refuses.

    Examples
    --------
    >>> geo_topological([1.0, 2.0, 30.0, 4.0, 5.0, 6.0], low=0.2, high=0.8).round(2).tolist()
    [0.0, 0.0, 1.0, 0.33, 0.67, 1.0]
    """
    if method not in get_args(Method):
        raise UnknownNameError(f"method {method!r} does not exist{near_names(method, get_args(Method))}.")
    check_thresholds(low, high)
    if method == "sigmoid" and (low, high) != (0.0, 1.0):
        raise InputError(
            f"low and high are for method 'linear'; the sigmoid has alpha and beta, got {low} and {high}."
        )
    if missing == "keep":
        raise InputError("missing values have no rank; pass missing='drop' or 'impute'.")
    rdms, restore = open_form(x, missing=missing)
    ranks = rank_minmax(rdms.values)
    if method == "sigmoid":
        return restore(sigmoid_ranks(ranks, alpha=alpha, beta=beta))
    return restore(threshold_ranks(ranks, low=low, high=high))


def sigmoid_ranks(ranks: np.ndarray, *, alpha: float = 10.0, beta: float = 0.5) -> np.ndarray:
    """The smooth transform of rows that are already ranks in [0, 1]: 1 / (1 + exp(-alpha (r - beta)))."""
    return 1.0 / (1.0 + np.exp(-alpha * (ranks - beta)))


def threshold_ranks(ranks: np.ndarray, *, low: float, high: float) -> np.ndarray:
    """The transform of rows that are already ranks in [0, 1], so that many thresholds share one ranking.

    Parameters
    ----------
    ranks : float64 ndarray, shape (matrices, pairs)
        From `hodology.geometry.ranks.rank_minmax`.
    low, high : float

    Returns
    -------
    float64 ndarray of the same shape
    """
    lo, hi = rank_quantiles(ranks, (low, high))
    return threshold_between(ranks, lo, hi)


def rank_quantiles(ranks: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Quantiles of each row, shape (levels, matrices); those of untied ranks are the levels themselves."""
    from hodology.geometry.region_kernels import mark_untied

    untied = np.empty(len(ranks), dtype=np.bool_)
    mark_untied(np.ascontiguousarray(ranks), untied)
    out = np.repeat(np.asarray(levels, dtype=np.float64)[:, None], len(ranks), axis=1)
    if not untied.all():
        out[:, ~untied] = np.quantile(ranks[~untied], levels, axis=1)
    return out


def threshold_between(ranks: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """The transform between two ranks of each row, so that a grid of thresholds shares its quantiles.

    Parameters
    ----------
    ranks : float64 ndarray, shape (matrices, pairs)
    lo, hi : float64 ndarray, shape (matrices,)

    Returns
    -------
    float64 ndarray, shape (matrices, pairs)
    """
    lo, hi = lo[:, None], hi[:, None]
    width = hi - lo
    flat = width <= _SNAP
    out = np.clip((ranks - lo) / np.where(flat, 1.0, width), 0.0, 1.0)
    out[out < _SNAP] = 0.0
    out[out > 1.0 - _SNAP] = 1.0
    if flat.any():
        out = np.where(flat, ranks > hi + _SNAP, out).astype(np.float64)
    return out
