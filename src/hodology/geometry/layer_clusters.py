"""Which layers of a network can be told apart: clusters of layers by 1 - SSM (Ward linkage, five clusters).

A pseudo-depth is no finer than these clusters: layers of one cluster see the images alike.

Reference: Shi, Shea-Brown and Buice, NeurIPS 2019; Ward, "Hierarchical grouping to optimize an objective function", 1963.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.geometry.similarity_matrix import ssm_matrix

__all__ = ["LayerClusters", "cluster_layers"]


@dataclass(frozen=True, repr=False, eq=False)
class LayerClusters:
    """Clusters of layers.

    Attributes
    ----------
    layers : tuple of str
    labels : tuple of int
        Cluster of each layer, numbered from 0 in the order of the layers.
    similarity : float64 ndarray, shape (layers, layers)
        SSM of each layer with each other.
    linkage : float64 ndarray, shape (layers - 1, 4)
        As scipy draws it (`scipy.cluster.hierarchy.dendrogram`).
    """

    layers: tuple[str, ...]
    labels: tuple[int, ...]
    similarity: np.ndarray
    linkage: np.ndarray

    def __repr__(self) -> str:
        return f"LayerClusters({len(self.layers)} layers, {max(self.labels) + 1} clusters)"

    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The layers of each cluster."""
        return tuple(
            tuple(layer for layer, label in zip(self.layers, self.labels, strict=True) if label == k)
            for k in range(max(self.labels) + 1)
        )


def cluster_layers(features: Mapping[str, Any], *, n_clusters: int = 5) -> LayerClusters:
    """Cluster the layers of a network by how alike they see a set of images.

    Parameters
    ----------
    features : mapping of str to array, shape (images, features)
        At least two layers.
    n_clusters : int
        At most; the paper's analyses cut at five.

    Returns
    -------
    LayerClusters

    Raises
    ------
    InputError
        For fewer than two layers, or a number of clusters below 1 or above the layers.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    names = tuple(str(name) for name in features)
    if len(names) < 2:
        raise InputError(f"clusters need at least two layers, got {len(names)}.")
    if isinstance(n_clusters, bool) or not 1 <= n_clusters <= len(names):
        raise InputError(
            f"n_clusters must be from 1 to the number of layers ({len(names)}), got {n_clusters}."
        )
    similarity = ssm_matrix(features)
    distance = np.maximum(1.0 - (similarity + similarity.T) / 2, 0.0)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), method="ward")
    found = fcluster(tree, n_clusters, criterion="maxclust")
    order = {int(label): k for k, label in enumerate(dict.fromkeys(found.tolist()))}
    return LayerClusters(names, tuple(order[int(label)] for label in found), similarity, tree)
