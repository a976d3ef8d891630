"""Identification in one sample of stimuli and subjects, for many transforms that share its ranks."""

from __future__ import annotations

from typing import Literal

import numpy as np

from hodology.errors import InputError
from hodology.geometry.geo_topological import sigmoid_ranks
from hodology.geometry.geodesic_rdm import ZeroEdges, rounded_paths
from hodology.geometry.rdms import stimuli_of_pairs
from hodology.geometry.region_layout import RegionLayout, accuracies, centroid_distances
from hodology.geometry.rsa import sorted_groups
from hodology.geometry.topological_rdm import TopologicalRDM

__all__ = ["Duplicates", "ResampledRegions"]

Duplicates = Literal["drop", "impute"]
_ENDS = np.array([0.0, 1.0])
_SNAP = 1e-9


class ResampledRegions:
    """Matrices that are sorted once, and the transforms whose accuracies are wanted in every sample.

    Parameters
    ----------
    values : float64 ndarray, shape (matrices, pairs)
        Rows in the order of the layout.
    layout : RegionLayout
    transforms : sequence of "raw", "rank" or TopologicalRDM without geodesics
    duplicates : {"drop", "impute"}
    """

    def __init__(
        self,
        values: np.ndarray,
        layout: RegionLayout,
        transforms: tuple[object, ...],
        *,
        duplicates: Duplicates = "drop",
    ) -> None:
        self._values = values
        self._layout = layout
        self._transforms = transforms
        self._duplicates = duplicates
        self._order, self._ends = sorted_groups(values)
        pairs = [
            (t.low, t.high) for t in transforms if isinstance(t, TopologicalRDM) and t.method == "linear"
        ]
        self._levels = np.unique(np.array([0.0, 1.0, *(level for pair in pairs for level in pair)]))

    def accuracies(self, counts: np.ndarray, often: np.ndarray) -> list[float]:
        """Accuracy of every transform in one sample.

        Parameters
        ----------
        counts : int ndarray, shape (stimuli,)
            How often each stimulus is in the sample.
        often : int ndarray, shape (subjects,)
            How often each subject is.

        Raises
        ------
        InputError
            When a matrix is constant in the sample.
        """
        values, weights, ranks, quantiles = self._ranked(counts)
        present = int((counts > 0).sum())
        roots = np.sqrt(weights)
        found = []
        room = np.empty_like(values)
        for transform in self._transforms:
            x = self._transformed(transform, values, ranks, quantiles, roots, room)
            if isinstance(transform, TopologicalRDM) and transform.geodesic is not None:
                x = _geodesic_ranks(x, weights, present, zero_edges=transform.zero_edges) * roots
            distances = centroid_distances(x, self._layout, weights=often)
            found.append(accuracies(distances, self._layout, weights=often)[1])
        return found

    def _ranked(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Values, weights, ranks of the pairs in the sample, and quantiles of the ranks."""
        from hodology.geometry.region_kernels import weighted_rank_quantiles

        first, second = stimuli_of_pairs(len(counts))
        weights = (counts[first] * counts[second]).astype(np.float64)
        kept = np.flatnonzero(weights)
        values, order, ends = self._values, self._order, self._ends
        copies = float((counts * (counts - 1)).sum() / 2)
        if self._duplicates == "impute" and copies > 0:
            means = values[:, kept] @ weights[kept] / weights[kept].sum()
            values = np.concatenate([values, means[:, None]], axis=1)
            weights = np.append(weights, copies)
            kept = np.append(kept, len(weights) - 1)
            order, ends = sorted_groups(values)
        ranks = np.zeros(values.shape)
        quantiles = np.empty((len(values), len(self._levels)))
        weighted_rank_quantiles(order, ends, weights, self._levels, ranks, quantiles)
        if np.isnan(quantiles).any():
            raise InputError(
                "a sample leaves no variation in a matrix; there are too few stimuli to resample."
            )
        return values[:, kept], weights[kept], np.ascontiguousarray(ranks[:, kept]), quantiles

    def _transformed(
        self,
        transform: object,
        values: np.ndarray,
        ranks: np.ndarray,
        quantiles: np.ndarray,
        roots: np.ndarray,
        room: np.ndarray,
    ) -> np.ndarray:
        """Transformed rows, columns times the root of their weight: products of rows are then weighted ones."""
        from hodology.geometry.region_kernels import threshold_rows

        if transform == "raw":
            return np.multiply(values, roots, out=room)
        if transform == "rank":
            return np.multiply(ranks, roots, out=room)
        if not isinstance(transform, TopologicalRDM):
            raise InputError(f"{transform!r} has no weighted form.")
        if transform.method == "sigmoid":
            return np.multiply(sigmoid_ranks(ranks), roots, out=room)
        if transform.geodesic is not None:
            roots = np.ones_like(roots)  # lengths of edges; pairs are weighted when the paths are ranked
        low, high = np.searchsorted(self._levels, (transform.low, transform.high))
        threshold_rows(ranks, quantiles[:, low], quantiles[:, high], roots, _SNAP, room)
        return room


def _geodesic_ranks(edges: np.ndarray, weights: np.ndarray, n: int, *, zero_edges: ZeroEdges) -> np.ndarray:
    """Weighted ranks of shortest paths between the stimuli of a sample.

    A copy of a stimulus has the edges of the stimulus and none to it, so it opens no shorter path: one node does.
    """
    from hodology.geometry.region_kernels import weighted_rank_quantiles

    lengths = np.where(edges < 1.0 - _SNAP, edges, np.inf)
    if zero_edges == "drop":
        lengths[lengths <= _SNAP] = np.inf
    order, ends = sorted_groups(rounded_paths(lengths, n))
    ranks, quantiles = np.zeros(edges.shape), np.empty((len(edges), 2))
    weighted_rank_quantiles(order, ends, weights, _ENDS, ranks, quantiles)
    if np.isnan(quantiles).any():
        raise InputError(
            "a sample leaves no variation in the geodesics of a matrix; choose other thresholds."
        )
    return ranks
