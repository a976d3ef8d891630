"""Ridge regression of recorded units on a layer's units: how much of each unit's response to new images it predicts.

    r_u = corr over held-out images of the response of unit u and its prediction, mean over units

Solved in the space of images (kernel ridge with a linear kernel), so the cost does not grow with the units of the layer
beyond one product. The penalty is chosen per fold by the leave-one-out error on the training images, in closed form.
This is not part of Shi et al. (2019); it is the usual other way to place an area on a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.geometry.patterns import as_patterns
from hodology.geometry.similarity_matrix import check_image_counts
from hodology.rng import stream

__all__ = ["PENALTIES", "ridge_predictivity"]

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2)  # shares of the kernel's mean diagonal


def ridge_predictivity(
    features: Any,
    responses: Any,
    *,
    n_folds: int = 5,
    penalties: Sequence[float] = PENALTIES,
    rng: int = 0,
) -> float:
    """Mean correlation over units of cross-validated ridge predictions with the responses.

    Parameters
    ----------
    features : Patterns or anything `as_patterns` reads, shape (images, features)
    responses : Patterns or anything `as_patterns` reads, shape (images, units)
    n_folds : int
        Random parts of the images; each is predicted from the others.
    penalties : sequence of float
        Candidates, as shares of the mean diagonal of the features' kernel.
    rng : int

    Returns
    -------
    float
        Units with the same response to every image count as 0.

    Raises
    ------
    InputError
        For other numbers of images, fewer than two folds or than two images in each, and penalties that are not
        positive.
    """
    x, y = as_patterns(features, name="features"), as_patterns(responses, name="responses")
    check_image_counts(y, x)
    n = x.n_stimuli
    if not 2 <= n_folds <= n // 2:
        raise InputError(f"n_folds must be from 2 to half the images ({n // 2}), got {n_folds}.")
    candidates = np.asarray(penalties, dtype=np.float64)
    if candidates.ndim != 1 or candidates.size == 0 or not (candidates > 0).all():
        raise InputError(f"penalties must be positive numbers, got {penalties!r}.")
    rows, targets = x.values.astype(np.float64), y.values.astype(np.float64)
    predicted = np.empty_like(targets)
    for held in np.array_split(stream(rng, "ridge folds").permutation(n), n_folds):
        kept = np.setdiff1d(np.arange(n), held)
        predicted[held] = _predict(rows[kept], targets[kept], rows[held], candidates)
    return float(_column_correlations(predicted, targets).mean())


def _predict(x: np.ndarray, y: np.ndarray, new: np.ndarray, penalties: np.ndarray) -> np.ndarray:
    """Predicted deviations from the training mean, with the penalty whose leave-one-out error is least.

    The mean itself is not added: it is low where the held-out responses are high, and would correlate with them.
    """
    mean_x = x.mean(axis=0)
    x, y = x - mean_x, y - y.mean(axis=0)
    kernel = x @ x.T
    values, vectors = np.linalg.eigh(kernel)
    values = np.maximum(values, 0.0)
    scale = values.mean() or 1.0
    turned = vectors.T @ y
    best, chosen = np.inf, turned
    for penalty in penalties * scale:
        shrunk = 1.0 / (values + penalty)
        dual = vectors @ (shrunk[:, None] * turned)
        diagonal = (vectors**2) @ shrunk
        error = float(((dual / diagonal[:, None]) ** 2).sum())
        if error < best:
            best, chosen = error, dual
    return (new - mean_x) @ (x.T @ chosen)


def _column_correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson's r of matching columns; 0 where one does not vary."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    scale = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    return np.divide((a * b).sum(axis=0), scale, out=np.zeros(a.shape[1]), where=scale > 0)
