"""Identification accuracy over all pairs of thresholds, and an estimate of the best that selection has not flattered.

The largest of 210 accuracies is optimistic: the thresholds were chosen on the subjects that are then identified. The
nested estimate chooses for each left-out subject on the other subjects alone, leaving one more of them out at a time.

Reference: Lin and Kriegeskorte, "The topology and geometry of neural representations", PNAS 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.geometry.geo_topological import rank_quantiles, threshold_between
from hodology.geometry.ranks import rank_minmax
from hodology.geometry.rdm_reading import Missing
from hodology.geometry.regimes import threshold_grid
from hodology.geometry.region_identification import read_labelled
from hodology.geometry.region_layout import RegionLayout, accuracies, centroid_distances

__all__ = ["GridMap", "grid_map"]


@dataclass(frozen=True, repr=False, eq=False)
class GridMap:
    """Accuracy for every pair of thresholds.

    Attributes
    ----------
    thresholds : float64 ndarray, shape (cells, 2)
        `low` and `high`.
    accuracy : float64 ndarray, shape (cells,)
    raw, rank : float
        Accuracies of the matrices as they are and of their ranks.
    chance : float
    nested : float or None
        Accuracy with thresholds chosen without the subject that is identified; None with two subjects, where there is
        nothing to choose on.
    chosen : float64 ndarray, shape (subjects, 2)
        The thresholds that were chosen for each subject, the mean of those that tie; NaN where there are none.
    """

    thresholds: np.ndarray
    accuracy: np.ndarray
    raw: float
    rank: float
    chance: float
    nested: float | None
    chosen: np.ndarray

    def __repr__(self) -> str:
        low, high = self.best
        nested = "none" if self.nested is None else f"{self.nested:.3f}"
        return f"GridMap({len(self.accuracy)} cells, best {self.accuracy.max():.3f} at ({low:g}, {high:g}), nested {nested})"

    @property
    def best(self) -> tuple[float, float]:
        """The pair of highest accuracy (optimistic), the widest where pairs tie."""
        width = self.thresholds[:, 1] - self.thresholds[:, 0]
        tied = np.flatnonzero(self.accuracy == self.accuracy.max())
        low, high = self.thresholds[tied[width[tied].argmax()]]
        return float(low), float(high)

    @property
    def interior(self) -> np.ndarray:
        """Which cells have low > 0 and high < 1."""
        return (self.thresholds[:, 0] > 0) & (self.thresholds[:, 1] < 1)

    def square(self) -> np.ndarray:
        """Accuracies as a matrix, rows by low and columns by high; NaN where low is not below high."""
        levels = np.unique(self.thresholds)
        out = np.full((len(levels), len(levels)), np.nan)
        rows, columns = (np.searchsorted(levels, self.thresholds[:, i]) for i in (0, 1))
        out[rows, columns] = self.accuracy
        return out


def grid_map(
    rdms: Any,
    subject: Sequence[Any] | np.ndarray | str = "subject",
    region: Sequence[Any] | np.ndarray | str = "region",
    *,
    step: float = 0.05,
    nested: bool = True,
    missing: Missing = "error",
    jobs: int = 1,
) -> GridMap:
    """Identify regions with every pair of thresholds on a lattice; matrices are ranked once.

    Parameters
    ----------
    rdms, subject, region, missing
        As in `hodology.geometry.region_identification.identify_regions`.
    step : float
        0.05 gives 210 pairs.
    nested : bool
        Whether to make the nested estimate, which takes as many maps as there are subjects.
    jobs : int
        Threads; the result does not depend on it.

    Returns
    -------
    GridMap
        For errors, pass the thresholds to `hodology.geometry.identification_bootstrap.bootstrap_identification`.

    Raises
    ------
    InputError
        For a step that does not divide 1 and what `identify_regions` refuses.
    """
    if isinstance(jobs, bool) or jobs < 1:
        raise InputError(f"jobs must be at least 1, got {jobs}.")
    cells = threshold_grid(step=step)
    read, layout = read_labelled(rdms, subject, region, missing=missing)
    values = read.values[layout.order].astype(np.float64)
    ranks = rank_minmax(values)
    n_subjects = len(layout.subjects)
    inner = nested and n_subjects > 2

    levels = sorted({level for pair in cells for level in pair})
    quantiles = dict(zip(levels, rank_quantiles(ranks, levels), strict=True))

    def cell(thresholds: tuple[float, float]) -> tuple[float, np.ndarray, np.ndarray]:
        x = threshold_between(ranks, quantiles[thresholds[0]], quantiles[thresholds[1]])
        return _cell(x, layout, inner=inner)

    if jobs == 1:
        found = [cell(thresholds) for thresholds in cells]
    else:
        with ThreadPoolExecutor(jobs) as pool:
            found = list(pool.map(cell, cells))
    accuracy, own, without = (np.array([f[i] for f in found]) for i in range(3))
    thresholds = np.array(cells)
    score, chosen = None, np.full((n_subjects, 2), np.nan)
    if inner:
        score, chosen = _nested(own, without, thresholds, layout)
    return GridMap(
        thresholds,
        accuracy,
        _accuracy(values, layout),
        _accuracy(ranks, layout),
        1.0 / len(layout.regions),
        score,
        chosen,
    )


def _accuracy(x: np.ndarray, layout: RegionLayout) -> float:
    return accuracies(centroid_distances(x, layout), layout)[1]


def _cell(x: np.ndarray, layout: RegionLayout, *, inner: bool) -> tuple[float, np.ndarray, np.ndarray]:
    """Accuracy, rights of each subject, and accuracy among the others when a subject takes no part."""
    n_subjects = len(layout.subjects)
    predicted, accuracy = accuracies(centroid_distances(x, layout), layout)
    own = np.bincount(layout.subject, weights=predicted == layout.region, minlength=n_subjects)
    without = np.full(n_subjects, np.nan)
    if inner:
        for s in range(n_subjects):
            weights = np.ones(n_subjects)
            weights[s] = 0.0
            without[s] = accuracies(centroid_distances(x, layout, weights=weights), layout, weights=weights)[
                1
            ]
    return accuracy, own, without


def _nested(
    own: np.ndarray, without: np.ndarray, thresholds: np.ndarray, layout: RegionLayout
) -> tuple[float, np.ndarray]:
    """Share right with cells chosen without the subject; where cells tie, the mean over them."""
    best = without >= without.max(axis=0) - 1e-12
    rights = [own[best[:, s], s].mean() for s in range(own.shape[1])]
    chosen = np.stack([thresholds[best[:, s]].mean(axis=0) for s in range(own.shape[1])])
    return float(np.sum(rights) / len(layout.subject)), chosen
