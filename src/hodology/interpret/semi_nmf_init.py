"""Where semi-NMF starts: the coefficients alone, for the first step computes the features from them."""

from __future__ import annotations

import warnings
from typing import Any, Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.rng import derive_seed, stream

__all__ = ["InitName", "check_init", "start_coefficients"]

InitName = Literal["random", "svd", "kmeans"]
_LEAST = 1e-6  # of every start: multiplicative steps cannot leave an exact zero
_LLOYD = 15
_SUBSPACE_ROUNDS = 6
_OVERSAMPLING = 10


def check_init(init: InitName | np.ndarray, shape: tuple[int, int], *, restarts: int) -> None:
    """Raise unless `init` is a known name or non-negative coefficients of that shape, fit for so many restarts."""
    if isinstance(init, str):
        if init not in get_args(InitName):
            raise UnknownNameError(f"init {init!r} is not a start{near_names(init, get_args(InitName))}.")
    else:
        given = np.asarray(init)
        if given.shape != shape or given.dtype.kind not in "fiub":
            raise InputError(
                f"init must be 'random', 'svd', 'kmeans' or coefficients of shape {shape} (rows are samples, "
                f"columns are components), got shape {given.shape} of {given.dtype}."
            )
        if not np.isfinite(given).all() or given.min() < 0:
            row, column = np.argwhere(~(np.isfinite(given) & (given >= 0)))[0]
            raise InputError(
                f"init must be finite and not negative (rows are samples), got {given[row, column]} in row {row}, "
                f"column {column}."
            )
    if restarts > 1 and not (isinstance(init, str) and init in ("random", "kmeans")):
        name = repr(init) if isinstance(init, str) else "an array"
        raise InputError(
            f"restarts must be 1 with init={name}, which starts alike each time, got {restarts}."
        )


def start_coefficients(
    init: InitName | np.ndarray, x: Any, n_components: int, *, seed: int, restart: int
) -> np.ndarray:
    """Coefficients to start from, shape (k, n), all at least 1e-6.

    Parameters
    ----------
    init : {"random", "svd", "kmeans"} or ndarray, shape (n, k)
    x : Tensor or ndarray, shape (n, d)
    n_components : int
    seed, restart : int
        Name the random stream; each restart draws from its own.
    """
    if not isinstance(init, str):
        start = np.asarray(init, dtype=np.float64).T
    elif init == "random":
        start = stream(seed, "semi-nmf", "random", restart).random((n_components, len(x)))
    elif init == "svd":
        start = _from_svd(x, n_components, seed)
    else:
        start = _from_kmeans(x, n_components, derive_seed(seed, "semi-nmf", "kmeans", restart))
    return np.maximum(start, _LEAST)


def _from_svd(x: Any, k: int, seed: int) -> np.ndarray:
    """sqrt(S) V^T of the data, the sign of each vector such that its positive part is the larger one."""
    width = min(k + _OVERSAMPLING, *x.shape)
    basis = stream(seed, "semi-nmf", "svd").standard_normal((len(x), width))
    for _ in range(_SUBSPACE_ROUNDS):
        basis, _ = np.linalg.qr(basis)
        basis = _host(x @ (x.T @ _like(x, basis)))
    basis, _ = np.linalg.qr(basis)
    left, values, _ = np.linalg.svd(_host(_like(x, basis).T @ x), full_matrices=False)
    vectors = (basis @ left[:, :k]).T
    positive = np.square(np.maximum(vectors, 0.0)).sum(axis=1)
    sign = np.where(2.0 * positive >= np.square(vectors).sum(axis=1), 1.0, -1.0)
    return np.sqrt(values[:k, None]) * vectors * sign[:, None]


def _from_kmeans(x: Any, k: int, seed: int) -> np.ndarray:
    """One-hot membership after 15 Lloyd rounds; scikit-learn moves empty clusters to the farthest samples."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    rows = x if isinstance(x, np.ndarray) else x.cpu().numpy()
    model = KMeans(k, init="random", n_init=1, max_iter=_LLOYD, random_state=seed % 2**32)
    with warnings.catch_warnings():  # fewer distinct samples than clusters: the rest starts flat
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = model.fit_predict(rows)
    return np.equal(np.arange(k)[:, None], labels[None, :]).astype(np.float64)


def _like(x: Any, value: np.ndarray) -> Any:
    if isinstance(x, np.ndarray):
        return value.astype(x.dtype)
    return x.new_tensor(value)


def _host(value: Any) -> np.ndarray:
    array = value if isinstance(value, np.ndarray) else value.cpu().numpy()
    return array.astype(np.float64, copy=False)
