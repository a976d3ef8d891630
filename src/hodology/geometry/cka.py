"""Centred kernel alignment: how alike two sets of patterns are up to rotation and scale.

    CKA(K, L) = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)),   HSIC(K, L) = <H K H, H L H>

with the centring matrix H. The unbiased form takes the U-statistic with the diagonals of K and L set to zero,

    HSIC_1(K, L) = [tr(K L) + 1'K1 1'L1 / ((n-1)(n-2)) - 2 / (n-2) 1'K L 1] / (n (n-3)),

whose expectation is zero for unrelated patterns however few the stimuli. For linear kernels the sums are taken over
units or over stimuli, whichever is less work.

References: Kornblith et al., "Similarity of neural network representations revisited", ICML 2019; Song et al.,
"Feature selection via dependence maximization", JMLR 2012; Nguyen, Raghu and Kornblith, "Do wide and deep networks
learn the same things?", ICLR 2021.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.geometry.patterns import as_patterns

__all__ = [
    "Kernel",
    "MinibatchCKA",
    "centre_kernel",
    "cka_from_kernels",
    "cka_matrix",
    "kernel_cka",
    "kernel_of",
    "linear_cka",
]

Kernel = Literal["linear", "rbf"]


def linear_cka(x: Any, y: Any, *, unbiased: bool = False) -> float:
    """CKA of two sets of patterns with linear kernels.

    Parameters
    ----------
    x, y : Patterns or anything `as_patterns` reads, shape (stimuli, units)
        Over the same stimuli.
    unbiased : bool
        HSIC_1 in place of HSIC; may be negative. Use it when units are not much fewer than stimuli.

    Returns
    -------
    float
        NaN, with a warning, where a set has no variation.

    Raises
    ------
    InputError
        For other numbers of stimuli, fewer than 3 (4 unbiased), or values that are not finite.

    Examples
    --------
    >>> x = np.array([[0.0, 1.0], [2.0, 0.0], [1.0, 1.0], [3.0, 2.0]])
    >>> round(linear_cka(x, 3 * x[:, ::-1]), 12)
    1.0
    """
    one, two = _centred_pair(x, y, unbiased=unbiased)
    n = len(one)
    cross, first, second = _linear_sums(one, two)
    if unbiased:
        cross = _unbiased_linear(cross, one, two, n)
        first, second = _unbiased_linear(first, one, one, n), _unbiased_linear(second, two, two, n)
    return _ratio(cross, first, second)


def kernel_cka(
    x: Any, y: Any, *, kernel: Kernel = "rbf", bandwidth: float = 1.0, unbiased: bool = False
) -> float:
    """CKA with a kernel on the patterns.

    Parameters
    ----------
    x, y : Patterns or anything `as_patterns` reads, shape (stimuli, units)
    kernel : {"rbf", "linear"}
    bandwidth : float
        Of the Gaussian, as a share of the median distance between stimuli (the median heuristic).
    unbiased : bool
    """
    one, two = as_patterns(x).values, as_patterns(y).values
    _check_stimuli(one, two, unbiased=unbiased)
    return cka_from_kernels(
        kernel_of(one, kernel=kernel, bandwidth=bandwidth),
        kernel_of(two, kernel=kernel, bandwidth=bandwidth),
        unbiased=unbiased,
    )


def cka_from_kernels(k: Any, l: Any, *, unbiased: bool = False) -> float:  # noqa: E741
    """CKA of two kernel matrices, shape (stimuli, stimuli) each.

    Raises
    ------
    InputError
        For matrices that are not square, symmetric, finite or of one size.
    """
    kernels = [_checked_kernel(matrix) for matrix in (k, l)]
    _check_stimuli(*kernels, unbiased=unbiased)
    centred = [centre_kernel(matrix, unbiased=unbiased) for matrix in kernels]
    one, two = (matrix.ravel() for matrix in centred)
    return _ratio(float(one @ two), float(one @ one), float(two @ two))


def cka_matrix(
    xs: Mapping[str, Any], ys: Mapping[str, Any] | None = None, *, unbiased: bool = False
) -> np.ndarray:
    """Linear CKA of every set of `xs` with every set of `ys` (default `xs`), such as the layers of two models.

    Each kernel is centred once, so the cost is one product per set and one pass over kernels per pair.

    Returns
    -------
    float64 ndarray, shape (sets of xs, sets of ys)
    """
    if not xs or (ys is not None and not ys):
        raise InputError("cka_matrix needs at least one set of patterns on each side.")
    first = _kernel_rows(xs, unbiased=unbiased)
    second = first if ys is None else _kernel_rows(ys, unbiased=unbiased)
    if first.shape[1] != second.shape[1]:
        raise InputError("patterns must be over the same stimuli.")
    one, two = (np.sqrt(np.maximum(np.einsum("ij,ij->i", rows, rows), 0)) for rows in (first, second))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (first @ second.T) / one[:, None] / two


def kernel_of(values: np.ndarray, *, kernel: Kernel = "linear", bandwidth: float = 1.0) -> np.ndarray:
    """Kernel matrix of patterns in float64, shape (stimuli, stimuli); see `kernel_cka` for the arguments."""
    if kernel not in get_args(Kernel):
        raise UnknownNameError(f"kernel {kernel!r} does not exist{near_names(kernel, get_args(Kernel))}.")
    if kernel == "linear":
        return _product(values, values.T)
    if not bandwidth > 0:
        raise InputError(f"bandwidth must be positive, got {bandwidth}.")
    from hodology.geometry.dissimilarity import dissimilarities

    squares = dissimilarities(values, measure="sqeuclidean")
    median = float(np.median(squares.values.astype(np.float64)))
    if median == 0:
        raise InputError("half of the stimuli are equal: the median distance is zero and gives no bandwidth.")
    return np.exp(squares.square()[0].astype(np.float64) / (-2.0 * bandwidth**2 * median))


def centre_kernel(kernel: np.ndarray, *, unbiased: bool = False) -> np.ndarray:
    """H K H; or the U-centred kernel with zero diagonal, whose inner products are n (n - 3) HSIC_1."""
    n = len(kernel)
    if not unbiased:
        means = kernel.mean(axis=0)
        return kernel - means - means[:, None] + means.mean()
    hollow = kernel - np.diag(np.diagonal(kernel))
    means = hollow.sum(axis=0) / (n - 2)
    hollow = hollow - means - means[:, None] + means.sum() / (n - 1)
    np.fill_diagonal(hollow, 0.0)
    return hollow


class MinibatchCKA:
    """Linear CKA of streams that are too long to hold: HSIC_1 averaged over batches.

    The average of the unbiased estimator over batches is unbiased for any batch size above 3; that of the biased one
    is not, so only the unbiased form is offered.

    Examples
    --------
    >>> stream = MinibatchCKA()
    >>> rows = np.random.default_rng(0).normal(size=(64, 5))
    >>> for batch in np.split(rows, 4):
    ...     stream.update(batch, batch)
    >>> round(stream.value(), 12)
    1.0
    """

    def __init__(self) -> None:
        self._sums = np.zeros(3)
        self._stimuli = 0

    def update(self, x: Any, y: Any) -> None:
        """Add one batch of both, shape (stimuli, units); at least 4 stimuli. Batches weigh by their stimuli."""
        one, two = _centred_pair(x, y, unbiased=True)
        n = len(one)
        sums = _linear_sums(one, two)
        pairs = ((one, two), (one, one), (two, two))
        found = [_unbiased_linear(s, p, q, n) / (n * (n - 3)) for s, (p, q) in zip(sums, pairs, strict=True)]
        self._sums += n * np.array(found)
        self._stimuli += n

    def value(self) -> float:
        """CKA of all batches so far.

        Raises
        ------
        InputError
            Before the first batch.
        """
        if self._stimuli == 0:
            raise InputError("no batch has been added yet.")
        return _ratio(*map(float, self._sums))


def _centred_pair(x: Any, y: Any, *, unbiased: bool) -> tuple[np.ndarray, np.ndarray]:
    """Copies with zero mean per unit: both estimators are the same, and sums lose fewer digits."""
    one, two = as_patterns(x).values, as_patterns(y).values
    _check_stimuli(one, two, unbiased=unbiased)
    return tuple(v - v.mean(axis=0, dtype=np.float64).astype(v.dtype) for v in (one, two))


def _check_stimuli(one: np.ndarray, two: np.ndarray, *, unbiased: bool) -> None:
    least = 4 if unbiased else 3
    if len(one) != len(two):
        raise InputError(f"patterns must be over the same stimuli, got {len(one)} and {len(two)} of them.")
    if len(one) < least:
        raise InputError(f"CKA needs at least {least} stimuli, got {len(one)}.")


def _linear_sums(one: np.ndarray, two: np.ndarray) -> tuple[float, float, float]:
    """<K, L>, <K, K>, <L, L> of linear kernels, over units or over stimuli."""
    n, p, q = len(one), one.shape[1], two.shape[1]
    if n * n * (p + q) <= n * (p * q + (p * p + q * q) / 2):
        k, l = _product(one, one.T).ravel(), _product(two, two.T).ravel()  # noqa: E741
        return float(k @ l), float(k @ k), float(l @ l)
    cross = _product(one.T, two).ravel()
    own = [_product(v.T, v).ravel() for v in (one, two)]
    return float(cross @ cross), float(own[0] @ own[0]), float(own[1] @ own[1])


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A product in the patterns' dtype, widened before anything is summed over it."""
    return (a @ b).astype(np.float64, copy=False)


def _unbiased_linear(total: float, x: np.ndarray, y: np.ndarray, n: int) -> float:
    """n (n - 3) HSIC_1 from <K, L> of centred patterns, whose kernels have rows that sum to zero.

    With diagonals k and l taken out, tr becomes <K, L> - k'l, 1'K1 becomes -sum k, and K1 becomes -k.
    """
    k, l = (np.einsum("ij,ij->i", v, v, dtype=np.float64) for v in (x, y))  # noqa: E741
    return float(total - k @ l + k.sum() * l.sum() / ((n - 1) * (n - 2)) - 2.0 / (n - 2) * (k @ l))


def _ratio(cross: float, one: float, two: float) -> float:
    if one <= 0 or two <= 0:
        warnings.warn("CKA of patterns without variation is undefined (NaN).", UserWarning, stacklevel=3)
        return float("nan")
    return cross / float(np.sqrt(one) * np.sqrt(two))


def _checked_kernel(matrix: Any) -> np.ndarray:
    kernel = np.asarray(matrix, dtype=np.float64)
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1] or not np.isfinite(kernel).all():
        raise InputError(f"a kernel must be a finite square matrix, got shape {kernel.shape}.")
    if not np.allclose(kernel, kernel.T, rtol=1e-6, atol=1e-8 * np.abs(kernel).max()):
        raise InputError("a kernel must be symmetric.")
    return kernel


def _kernel_rows(sets: Mapping[str, Any], *, unbiased: bool) -> np.ndarray:
    """Centred kernels as rows."""
    rows = []
    for name, x in sets.items():
        values = as_patterns(x, name=str(name)).values
        _check_stimuli(values, values, unbiased=unbiased)
        values = values - values.mean(axis=0, dtype=np.float64).astype(values.dtype)
        rows.append(centre_kernel(_product(values, values.T), unbiased=unbiased).ravel())
        if len(rows[-1]) != len(rows[0]):
            raise InputError(
                f"patterns of {name!r} are over {len(values)} stimuli, not as many as the first."
            )
    return np.stack(rows)
