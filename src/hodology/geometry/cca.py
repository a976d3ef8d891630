"""Canonical correlations of two sets of patterns, in the space of stimuli.

Each set is centred over stimuli and reduced to an orthonormal basis Q of what its units span there (all of it for CCA,
the leading principal components for SVCCA). The canonical correlations are the singular values of Qx' Qy. With more
units than stimuli the basis comes from the stimuli-by-stimuli Gram matrix, so no unit-by-unit matrix is ever formed.

CCA is blind to any invertible map of the units. With as many components as stimuli it therefore finds perfect
correlations between anything; a warning says when components are too many for the stimuli.

References: Raghu et al., "SVCCA", NeurIPS 2017; Morcos, Raghu and Bengio, "Insights on representational similarity in
neural networks with canonical correlation" (PWCCA), NeurIPS 2018.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.geometry.patterns import as_patterns

__all__ = ["CanonicalCorrelations", "cca", "pwcca", "svcca"]

_TOLERANCE = 1e-10  # of the largest variance; less is rounding
_MANY = 3  # stimuli for each component, below which correlations are mostly chance


@dataclass(frozen=True)
class CanonicalCorrelations:
    """Canonical correlations and what they rest on.

    Attributes
    ----------
    correlations : tuple of float
        In descending order.
    mean : float
        The summary that SVCCA reports.
    n_stimuli : int
    x_components, y_components : int
        Dimensions kept of each set.
    x_variance, y_variance : float
        Share of the variance they hold.
    """

    correlations: tuple[float, ...]
    mean: float
    n_stimuli: int
    x_components: int
    y_components: int
    x_variance: float
    y_variance: float


def cca(x: Any, y: Any) -> CanonicalCorrelations:
    """Canonical correlations of all dimensions of both sets.

    Parameters
    ----------
    x, y : Patterns or anything `as_patterns` reads, shape (stimuli, units)

    Returns
    -------
    CanonicalCorrelations

    Raises
    ------
    InputError
        For other numbers of stimuli, and when a set spans as many dimensions as there are stimuli, less one: every
        canonical correlation is 1 then, whatever the data.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(50, 3))
    >>> round(cca(rows, rows @ [[2.0, 1.0, 0.0], [0.0, 1.0, 5.0], [0.0, 0.0, 1.0]]).mean, 12)
    1.0
    """
    return _correlated(_basis(x, 1.0, None, "x"), _basis(y, 1.0, None, "y"), strict=True)[0]


def svcca(
    x: Any, y: Any, *, variance: float = 0.99, max_components: int | None = None
) -> CanonicalCorrelations:
    """Canonical correlations of the leading principal components of both sets.

    Parameters
    ----------
    x, y : Patterns or anything `as_patterns` reads, shape (stimuli, units)
    variance : float
        Share of each set's variance that its components must hold; the default is the paper's.
    max_components : int, optional
        At most so many; cap them at a tenth of the stimuli where the warning comes.

    Returns
    -------
    CanonicalCorrelations

    Warns
    -----
    UserWarning
        When a set keeps a third as many components as there are stimuli, or more.

    Raises
    ------
    InputError
        For a variance outside (0, 1], a cap below 1, or other numbers of stimuli.
    """
    return _correlated(
        _basis(x, variance, max_components, "x"), _basis(y, variance, max_components, "y"), strict=False
    )[0]


def pwcca(x: Any, y: Any, *, variance: float = 1.0, max_components: int | None = None) -> float:
    """Mean canonical correlation, weighted by how much of `x` each canonical direction accounts for.

    The weight of direction h_i is sum_j |<h_i, x_j>| over the units (columns) of centred `x`. Not symmetric: call
    it both ways round to see how much that matters.

    Parameters
    ----------
    x, y : Patterns or anything `as_patterns` reads, shape (stimuli, units)
    variance, max_components
        As in `svcca`; all dimensions by default.

    Raises
    ------
    InputError
        As `cca` when all dimensions are kept, else as `svcca`.
    """
    whole = variance == 1.0 and max_components is None
    one = _basis(x, variance, max_components, "x")
    found, left = _correlated(one, _basis(y, variance, max_components, "y"), strict=whole)
    directions = one.vectors @ left
    weights = np.abs(directions.T @ one.centred).sum(axis=1)[: len(found.correlations)]
    return float(weights @ np.array(found.correlations) / weights.sum())


@dataclass(frozen=True)
class _Basis:
    """An orthonormal basis of a set's leading components over stimuli."""

    vectors: np.ndarray
    centred: np.ndarray
    variance: float
    called: str


def _basis(x: Any, variance: float, max_components: int | None, called: str) -> _Basis:
    if not 0 < variance <= 1:
        raise InputError(f"variance must lie in (0, 1], got {variance}.")
    if max_components is not None and (isinstance(max_components, bool) or max_components < 1):
        raise InputError(f"max_components must be at least 1, got {max_components}.")
    patterns = as_patterns(x)
    values = patterns.values.astype(np.float64)
    n, units = values.shape
    if n < 3:
        raise InputError(f"canonical correlations need at least three stimuli, got {n}.")
    centred = values - values.mean(axis=0)
    if units <= n:
        vectors, roots, _ = np.linalg.svd(centred, full_matrices=False)
        powers = roots**2
    else:
        powers, vectors = np.linalg.eigh(centred @ centred.T)
        powers, vectors = np.maximum(powers[::-1], 0.0), vectors[:, ::-1]
    total = powers.sum()
    if total == 0:
        raise InputError(f"{patterns.name or called} responds the same to every stimulus.")
    rank = min(int((powers > _TOLERANCE * powers[0]).sum()), n - 1)
    shares = np.cumsum(powers) / total
    count = rank if variance == 1.0 else min(rank, int(np.searchsorted(shares, variance - 1e-12) + 1))
    count = count if max_components is None else min(count, max_components)
    return _Basis(vectors[:, :count], centred, float(min(shares[count - 1], 1.0)), patterns.name or called)


def _correlated(one: _Basis, two: _Basis, *, strict: bool) -> tuple[CanonicalCorrelations, np.ndarray]:
    """Canonical correlations, and the directions in the basis of the first set."""
    n = len(one.vectors)
    if len(two.vectors) != n:
        raise InputError(f"patterns must be over the same stimuli, got {n} and {len(two.vectors)} of them.")
    for basis in (one, two):
        kept = basis.vectors.shape[1]
        if strict and kept >= n - 1:
            raise InputError(
                f"{basis.called} spans {kept} dimensions over {n} stimuli, so every canonical correlation would be 1; "
                "use svcca with max_components, more stimuli, or CKA."
            )
        if kept * _MANY >= n:
            warnings.warn(
                f"{basis.called} keeps {kept} components for {n} stimuli, a third or more: canonical correlations of "
                "unrelated patterns are high then. Cap them with max_components, or show more stimuli.",
                UserWarning,
                stacklevel=3,
            )
    left, values, _ = np.linalg.svd(one.vectors.T @ two.vectors, full_matrices=False)
    values = np.clip(values, 0.0, 1.0)
    found = CanonicalCorrelations(
        correlations=tuple(values.tolist()),
        mean=float(values.mean()),
        n_stimuli=n,
        x_components=one.vectors.shape[1],
        y_components=two.vectors.shape[1],
        x_variance=one.variance,
        y_variance=two.variance,
    )
    return found, left
