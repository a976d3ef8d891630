"""Many non-negative least-squares problems with one matrix: min_{y >= 0} ||x - y H|| for every row x.

Only the Gram matrix Q = H H^T and P = X H^T enter. Coordinate sweeps guess which coefficients are positive, then block
principal pivoting makes the guess exact: solve on the guessed set, exchange the entries that break
y >= 0 or the optimality condition y Q - P >= 0, and repeat for the rows that had any. Rows that pivoting does not
settle go to `scipy.optimize.nnls` one by one. All in float64.

Reference: Kim and Park, "Fast nonnegative matrix factorization: an active-set-like method and comparisons", SIAM
Journal on Scientific Computing, 2011.
"""

from __future__ import annotations

import numpy as np

from hodology.interpret.semi_nmf_numpy import hals_sweep

__all__ = ["nonnegative_coefficients"]

_RIDGE = 1e-12  # of the unit diagonal: settles which of several equal solutions is taken
_TOLERANCE = 1e-11  # of the row's largest entry of P: what counts as a broken condition
_SWEEPS = 20
_ROUNDS = 60
_SPARE = 3  # full exchanges without fewer broken conditions, before one entry is exchanged at a time
_CELLS = 4_000_000  # numbers held by one batch of small systems


def nonnegative_coefficients(
    gram: np.ndarray, products: np.ndarray, *, start: np.ndarray | None = None
) -> np.ndarray:
    """Solve min_{y >= 0} y Q y^T - 2 y p^T for every row p of `products`.

    Parameters
    ----------
    gram : ndarray of float64, shape (k, k)
        Q = H H^T. A zero row means a component without weights; its coefficient is 0.
    products : ndarray of float64, shape (n, k)
        P = X H^T.
    start : ndarray, shape (n, k), optional
        Non-negative values near the solution.

    Returns
    -------
    ndarray of float64, shape (n, k)
        Exact but for rounding. Where components depend on each other and several solutions are equally good,
        one of them.
    """
    size = np.sqrt(np.diagonal(gram))
    size = np.where(size > 0.0, size, 1.0)
    q = gram / np.outer(size, size)
    q[np.diag_indices_from(q)] = 1.0 + _RIDGE
    p = products / size
    y = np.zeros_like(p) if start is None else start * size
    guess = np.ascontiguousarray(y.T)
    for _ in range(_SWEEPS if start is None else 2):
        hals_sweep(guess, p.T, q)
    y, open_rows = _pivot(q, p, guess.T > 0.0)
    if len(open_rows):
        _one_by_one(q, p, y, open_rows)
    return np.maximum(y, 0.0) / size


def _pivot(q: np.ndarray, p: np.ndarray, passive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Block principal pivoting; the coefficients and the rows that are still not optimal."""
    slack = _TOLERANCE * np.abs(p).max(axis=1, keepdims=True)
    y = np.zeros_like(p)
    rows = np.arange(len(p))
    least = np.full(len(p), p.shape[1] + 1)
    spare = np.full(len(p), _SPARE)
    for _ in range(_ROUNDS):
        y[rows] = _solve_passive(q, p[rows], passive[rows])
        slope = y[rows] @ q - p[rows]
        broken = np.where(passive[rows], y[rows] < -slack[rows], slope < -slack[rows])
        count = broken.sum(axis=1)
        keep = count > 0
        rows, broken, count = rows[keep], broken[keep], count[keep]
        if len(rows) == 0:
            break
        fewer = count < least[rows]
        spare[rows] = np.where(fewer, _SPARE, spare[rows] - 1)
        least[rows] = np.minimum(least[rows], count)
        single = spare[rows] < 0
        last = broken.shape[1] - 1 - broken[single, ::-1].argmax(axis=1)
        broken[single] = False
        broken[single, last] = True
        passive[rows] ^= broken
    return y, rows


def _solve_passive(q: np.ndarray, p: np.ndarray, passive: np.ndarray) -> np.ndarray:
    """Unconstrained solutions on each row's own set of coefficients, the others zero."""
    y = np.zeros_like(p)
    count = passive.sum(axis=1)
    order = np.argsort(count, kind="stable")
    step = max(1, _CELLS // max(1, int(count.max()) ** 2))
    for start in range(int((count == 0).sum()), len(order), step):
        rows = order[start : start + step]
        width = int(count[rows[-1]])
        index = np.argsort(~passive[rows], axis=1, kind="stable")[:, :width]
        used = np.take_along_axis(passive[rows], index, axis=1)
        system = q[index[:, :, None], index[:, None, :]]
        system[~(used[:, :, None] & used[:, None, :])] = 0.0
        system[:, np.arange(width), np.arange(width)] += ~used
        right = np.where(used, np.take_along_axis(p[rows], index, axis=1), 0.0)
        found = np.linalg.solve(system, right[:, :, None])[:, :, 0]
        y[rows[:, None], index] = np.where(used, found, 0.0)
    return y


def _one_by_one(q: np.ndarray, p: np.ndarray, y: np.ndarray, rows: np.ndarray) -> None:
    """Rows that pivoting left open (components that nearly depend on each other), by the active-set method."""
    from scipy.linalg import solve_triangular
    from scipy.optimize import nnls

    factor = np.linalg.cholesky(q)
    for row in rows:
        y[row] = nnls(factor.T, solve_triangular(factor, p[row], lower=True))[0]
