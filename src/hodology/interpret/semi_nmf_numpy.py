"""The steps of semi-NMF on NumPy arrays: the same formulas as `semi_nmf_updates`, for use without torch tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from hodology.errors import NotConvergedError
from hodology.interpret.semi_nmf_updates import EPSILON, FLOOR, LEAST_NORM, LEAST_RIDGE, RIDGE

__all__ = ["NumpySteps", "hals_sweep"]

_BLOCK = 16


class NumpySteps:
    """The steps on NumPy arrays; `x` (n, d), `scale` and `norm2` as in `TorchSteps`."""

    def __init__(self, x: np.ndarray, *, scale: float, norm2: float) -> None:
        self.x, self.scale, self.norm2 = x, x.dtype.type(scale), norm2

    def array(self, value: Any) -> np.ndarray:
        return np.array(value, dtype=self.x.dtype)

    def host(self, value: np.ndarray) -> np.ndarray:
        return value

    def copy(self, value: np.ndarray) -> np.ndarray:
        return value.copy()

    def gram(self, g: np.ndarray) -> np.ndarray:
        wide = g.astype(np.float64, copy=False)
        return wide @ wide.T

    def features(self, g: np.ndarray, gram: np.ndarray) -> np.ndarray:
        from scipy.linalg import cho_solve

        inverse = cho_solve((_factor(gram), True), np.eye(len(gram)))
        return ((inverse / self.scale).astype(g.dtype) @ g) @ self.x

    def keep_largest(self, h: np.ndarray, count: int) -> np.ndarray:
        size = np.abs(h)
        least = np.partition(size, size.shape[1] - count, axis=1)[:, size.shape[1] - count]
        h[size < least[:, None]] = 0.0
        return h

    def rescale(self, g: np.ndarray, h: np.ndarray, gram: np.ndarray) -> None:
        norm = np.maximum(np.sqrt(np.diagonal(gram)), LEAST_NORM).astype(g.dtype)[:, None]
        g /= norm
        h *= norm

    def products(self, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return h @ self.x.T / self.scale, h @ h.T

    def multiplicative(self, g: np.ndarray, p: np.ndarray, q: np.ndarray) -> np.ndarray:
        p_plus, q_plus = np.maximum(p, 0.0), np.maximum(q, 0.0)
        numerator = p_plus + (q_plus - q) @ g
        denominator = (p_plus - p) + q_plus @ g + g.dtype.type(EPSILON)
        return np.maximum(g * np.sqrt(numerator / denominator), g.dtype.type(FLOOR))

    def hals(self, g: np.ndarray, p: np.ndarray, q: np.ndarray, *, sweeps: int) -> np.ndarray:
        for _ in range(sweeps):
            hals_sweep(g, p, q)
        return g

    def loss(self, g: np.ndarray, p: np.ndarray, q: np.ndarray, gram: np.ndarray) -> float:
        fit = np.sum(g.astype(np.float64) * p)
        return float(self.norm2 - 2.0 * fit + np.sum(q * gram))

    def revive(self, g: np.ndarray, p: np.ndarray, q: np.ndarray, gram: np.ndarray) -> bool:
        dead = np.flatnonzero(np.diagonal(gram) == 0.0)
        if len(dead) == 0:
            return False
        size = np.square(np.linalg.norm(self.x, axis=1) / self.scale)
        error = size + (g * (q @ g - 2.0 * p)).sum(axis=0)
        g[dead, np.argsort(-error, kind="stable")[: len(dead)]] = 1.0
        return True


def hals_sweep(g: np.ndarray, p: np.ndarray, q: np.ndarray) -> None:
    """Minimise tr(G Q G^T) - 2 tr(G^T P) over one column of G >= 0 after the other; `g` and `p` are (k, n), in place."""
    for start in range(0, len(g), _BLOCK):
        stop = min(start + _BLOCK, len(g))
        slope = p[start:stop] - q[start:stop] @ g
        for j in range(start, stop):
            step = slope[j - start] / q[j, j] if q[j, j] > 0.0 else -g[j]
            new = np.maximum(g[j] + step, 0.0)
            if j + 1 < stop:
                slope[j - start + 1 :] -= np.outer(q[j + 1 : stop, j], new - g[j])
            g[j] = new


def _factor(gram: np.ndarray) -> np.ndarray:
    """Cholesky factor of S + r I, r raised until rounding in S no longer leaves that indefinite."""
    if not np.isfinite(gram).all():
        raise NotConvergedError("the coefficients of semi-NMF are no longer finite; try dtype='float64'.")
    ridge = max(RIDGE, LEAST_RIDGE * float(np.diagonal(gram).max()))
    while True:
        try:
            return np.linalg.cholesky(gram + ridge * np.eye(len(gram)))
        except np.linalg.LinAlgError:
            ridge *= 10.0
