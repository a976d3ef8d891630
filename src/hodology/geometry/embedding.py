"""Places of items in a plane from their dissimilarities: classical scaling, which needs no start and gives one answer.

    B = -1/2 H D^2 H = V L V',   places = V_2 sqrt(L_2)   (the two largest eigenvalues, negative ones taken as zero)

Reference: Torgerson, "Multidimensional scaling: I. Theory and method", Psychometrika 1952.
"""

from __future__ import annotations

import numpy as np

from hodology.errors import InputError

__all__ = ["classical_mds", "distances_of"]


def classical_mds(distances: np.ndarray, *, n_dimensions: int = 2) -> np.ndarray:
    """Places whose Euclidean distances are close to those given.

    Parameters
    ----------
    distances : float ndarray, shape (n, n)
        Symmetric, zero diagonal.
    n_dimensions : int

    Returns
    -------
    float64 ndarray, shape (n, n_dimensions)
        Centred; of each dimension the largest coordinate is positive, so equal input gives equal places.

    Raises
    ------
    InputError
        For a matrix that is not square and finite.

    Examples
    --------
    >>> classical_mds(np.array([[0.0, 2.0], [2.0, 0.0]]), n_dimensions=1).round(6).tolist()
    [[1.0], [-1.0]]
    """
    d = np.asarray(distances, dtype=np.float64)
    if d.ndim != 2 or d.shape[0] != d.shape[1] or not np.isfinite(d).all():
        raise InputError(f"distances must be a finite square matrix, got shape {d.shape}.")
    squares = (d**2 + (d**2).T) / 2
    means = squares.mean(axis=0)
    inner = -0.5 * (squares - means - means[:, None] + means.mean())
    values, vectors = np.linalg.eigh(inner)
    out = np.zeros((len(d), n_dimensions))
    kept = min(n_dimensions, len(d))
    places = vectors[:, ::-1][:, :kept] * np.sqrt(np.maximum(values[::-1][:kept], 0.0))
    largest = np.abs(places).round(12).argmax(axis=0)
    out[:, :kept] = places * np.where(places[largest, np.arange(kept)] < 0, -1.0, 1.0)
    return out


def distances_of(similarity: np.ndarray) -> np.ndarray:
    """sqrt(2 (1 - s)) for similarities that are 1 for equal items; asymmetric ones are averaged."""
    s = np.asarray(similarity, dtype=np.float64)
    distance = np.sqrt(2.0 * np.maximum(1.0 - (s + s.T) / 2, 0.0))
    np.fill_diagonal(distance, 0.0)
    return distance
