"""Geodesic dissimilarity matrices: how far two stimuli are when only short steps between stimuli are allowed.

A graph on the stimuli keeps the short edges; all-pairs shortest paths replace the dissimilarities and are ranked. Pairs
without a path are infinitely far: they share the highest rank.

Reference: Lin and Kriegeskorte, "The topology and geometry of neural representations", PNAS 2024 (the RGDM).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.geometry.geo_topological import threshold_ranks
from hodology.geometry.ranks import rank_minmax, rank_rows
from hodology.geometry.rdm_forms import open_form
from hodology.geometry.rdm_reading import Missing
from hodology.geometry.rdms import stimuli_of_pairs
from hodology.geometry.regimes import check_thresholds

__all__ = ["GeodesicKind", "Unreachable", "ZeroEdges", "geodesic", "geodesic_ranks", "rounded_paths"]

GeodesicKind = Literal["two-step", "p-shortest", "p-nearest", "k-nearest"]
ZeroEdges = Literal["keep", "drop"]
Unreachable = Literal["rank", "largest", "infinity"]
_DIGITS = 12  # sums of equal steps in another order differ by rounding, and must not differ in rank
_CHUNK = 16  # graphs that a thread takes at a time
_SNAP = 1e-9


def geodesic(
    x: Any,
    *,
    kind: GeodesicKind = "two-step",
    low: float = 0.0,
    high: float = 1.0,
    p: float | None = None,
    k: int | None = None,
    zero_edges: ZeroEdges = "keep",
    unreachable: Unreachable = "rank",
    missing: Missing = "error",
    jobs: int = 1,
) -> Any:
    """Transform dissimilarity matrices into geodesic matrices.

    Parameters
    ----------
    x : array-like, RDMs or rsatoolbox.rdm.RDMs
        One or many matrices, condensed or square; left as they are.
    kind : {"two-step", "p-shortest", "p-nearest", "k-nearest"}
        Which edges there are. "two-step": those whose geo-topological value for `low` and `high` is below 1, of that
        length. The others weigh edges by ranks in [0, 1]: the shortest share `p` of all edges; each stimulus's
        int(p n) nearest; each stimulus's `k` nearest (an edge is there if one end counts the other). Edges as
        short as the last one that is kept are kept too.
    low, high : float
        For "two-step".
    p : float
        From 0 to 1, for "p-shortest" and "p-nearest".
    k : int
        From 1 to n - 1, for "k-nearest".
    zero_edges : {"keep", "drop"}
        Edges of length zero (all pairs below `low`, and the nearest pair of a matrix) are edges, at distance zero.
        "drop" takes them for missing, as conversions to sparse graphs do; published figures were made that way.
    unreachable : {"rank", "largest", "infinity"}
        "rank": ranks in [0, 1], with all pairs without a path at the top. "largest" and "infinity" give path lengths
        as they are, with the largest finite length of the matrix, or infinity, for pairs without a path.
    missing : {"error", "drop", "impute"}
        What to do about NaN.
    jobs : int
        Threads; the result does not depend on it.

    Returns
    -------
    The same kind of container, float64.

    Raises
    ------
    UnknownNameError
        For a kind or a rule that does not exist.
    InputError
        For thresholds out of order, an argument that the kind needs and has not (or has and does not take), and with
        "rank" a matrix whose geodesics are all equal.

    Examples
    --------
    >>> chain = [1.0, 5.0, 9.0, 1.5, 6.0, 2.0]
    >>> geodesic(chain, kind="p-shortest", p=0.5, unreachable="infinity").round(2).tolist()
    [0.0, 0.2, 0.6, 0.2, 0.6, 0.4]
    """
    _check(kind, low, high, p, k, zero_edges, unreachable, missing, jobs)
    rdms, restore = open_form(x, missing=missing)
    if kind == "k-nearest" and k is not None and k >= rdms.n_stimuli:
        raise InputError(f"k must be below the number of stimuli ({rdms.n_stimuli}), got {k}.")
    ranks = rank_minmax(rdms.values)
    edges = _edges(ranks, rdms.n_stimuli, kind, low, high, p, k)
    if zero_edges == "drop":
        edges[edges <= _SNAP] = np.inf
    found = _paths(edges, rdms.n_stimuli, jobs)
    if unreachable == "rank":
        return restore(geodesic_ranks(found))
    if unreachable == "largest":
        finite = np.where(np.isinf(found), -np.inf, found).max(axis=1, keepdims=True)
        found = np.where(np.isinf(found), np.maximum(finite, 0.0), found)
    return restore(found)


def geodesic_ranks(lengths: np.ndarray) -> np.ndarray:
    """Ranks in [0, 1] of path lengths (matrices, pairs); infinite ones share the top.

    Raises
    ------
    InputError
        For a row of equal lengths.
    """
    rounded = np.round(lengths, _DIGITS)
    equal = rounded.min(axis=1) == rounded.max(axis=1)
    if equal.any():
        row = int(equal.argmax())
        raise InputError(
            f"the geodesics of matrix {row} are all {rounded[row, 0]:g}, which cannot be ranked; choose other thresholds."
        )
    ranks = rank_rows(rounded)
    low, high = ranks.min(axis=1, keepdims=True), ranks.max(axis=1, keepdims=True)
    return (ranks - low) / (high - low)


def rounded_paths(edges: np.ndarray, n: int) -> np.ndarray:
    """Shortest path lengths (matrices, pairs) of condensed edge lengths, rounded so that equal sums are equal."""
    return np.round(_paths(edges, n, 1), _DIGITS)


def _edges(
    ranks: np.ndarray, n: int, kind: str, low: float, high: float, p: float | None, k: int | None
) -> np.ndarray:
    """Condensed edge lengths, infinite where there is no edge."""
    if kind == "two-step":
        weights = threshold_ranks(ranks, low=low, high=high)
        return np.where(weights < 1.0, weights, np.inf)
    if kind == "p-shortest":
        count = min(ranks.shape[1], round((p or 0.0) * ranks.shape[1]))
        if count == 0:
            return np.full_like(ranks, np.inf)
        last = np.partition(ranks, count - 1, axis=1)[:, count - 1 : count]
        return np.where(ranks <= last + _SNAP, ranks, np.inf)
    count = k if k is not None else min(n - 1, int((p or 0.0) * n + _SNAP))
    return _nearest(ranks, n, count)


def _nearest(ranks: np.ndarray, n: int, count: int) -> np.ndarray:
    """Edges to each stimulus's nearest, from either end."""
    if count == 0:
        return np.full_like(ranks, np.inf)
    first, second = stimuli_of_pairs(n)
    square = np.full((len(ranks), n, n), np.inf)
    square[:, first, second] = square[:, second, first] = ranks
    last = np.partition(square, count - 1, axis=2)[:, :, count - 1]
    kept = (ranks <= last[:, first] + _SNAP) | (ranks <= last[:, second] + _SNAP)
    return np.where(kept, ranks, np.inf)


def _paths(edges: np.ndarray, n: int, jobs: int) -> np.ndarray:
    """Condensed shortest path lengths."""
    from hodology.geometry.geodesic_kernels import all_shortest_paths

    first, second = stimuli_of_pairs(n)
    out = np.empty_like(edges)

    def some(begin: int) -> None:
        part = edges[begin : begin + _CHUNK]
        square = np.zeros((len(part), n, n))
        square[:, first, second] = square[:, second, first] = part
        all_shortest_paths(square)
        out[begin : begin + _CHUNK] = square[:, first, second]

    begins = range(0, len(edges), _CHUNK)
    if jobs == 1:
        for begin in begins:
            some(begin)
    else:
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(some, begins))
    return out


def _check(
    kind: str,
    low: float,
    high: float,
    p: float | None,
    k: int | None,
    zero_edges: str,
    unreachable: str,
    missing: str,
    jobs: int,
) -> None:
    """Every argument is used or refused."""
    closed = {"kind": (kind, GeodesicKind), "zero_edges": (zero_edges, ZeroEdges)}
    closed["unreachable"] = (unreachable, Unreachable)
    for what, (value, known) in closed.items():
        if value not in get_args(known):
            raise UnknownNameError(f"{what} {value!r} does not exist{near_names(value, get_args(known))}.")
    check_thresholds(low, high)
    if kind != "two-step" and (low, high) != (0.0, 1.0):
        raise InputError(f"low and high are for kind 'two-step', not {kind!r}.")
    if (p is not None) != (kind in ("p-shortest", "p-nearest")):
        raise InputError(f"kind {kind!r} {'takes no' if p is not None else 'needs'} p, a share from 0 to 1.")
    if (k is not None) != (kind == "k-nearest"):
        raise InputError(
            f"kind {kind!r} {'takes no' if k is not None else 'needs'} k, a number of neighbours."
        )
    if p is not None and not 0.0 <= p <= 1.0:
        raise InputError(f"p must lie between 0 and 1, got {p}.")
    if k is not None and (isinstance(k, bool) or k < 1):
        raise InputError(f"k must be at least 1, got {k}.")
    if missing == "keep":
        raise InputError("missing values are no edges of known length; pass missing='drop' or 'impute'.")
    if isinstance(jobs, bool) or jobs < 1:
        raise InputError(f"jobs must be at least 1, got {jobs}.")
