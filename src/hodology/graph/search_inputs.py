"""What searches are told about edges: which are blocked, and which of parallel ones count."""

from __future__ import annotations

from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.graph.multigraph import MultiGraph

__all__ = ["blocked_edges", "merge_parallel"]


def blocked_edges(graph: MultiGraph, blocked: Any) -> np.ndarray:
    """A uint8 array of one entry per edge (1: blocked), or an empty one when nothing is.

    Parameters
    ----------
    graph : MultiGraph
    blocked : bool array, shape (edges,), int array of edge numbers, or None

    Raises
    ------
    InputError
        When a mask has another length or an edge does not exist.
    """
    if blocked is None:
        return np.zeros(0, dtype=np.uint8)
    given = np.asarray(blocked)
    if given.dtype == bool:
        if given.shape != (graph.n_edges,):
            raise InputError(
                f"blocked must have one entry per edge ({graph.n_edges}), got shape {given.shape}."
            )
        return given.astype(np.uint8)
    if given.size and not np.issubdtype(given.dtype, np.integer):
        raise InputError(f"blocked must be a mask or edge numbers, got {given.dtype}.")
    if given.size and not 0 <= given.min() <= given.max() < graph.n_edges:
        raise InputError(
            f"blocked must be edge numbers from 0 to {graph.n_edges - 1}, got {given.min()} to {given.max()}."
        )
    mask = np.zeros(graph.n_edges, dtype=np.uint8)
    mask[given.astype(np.int64)] = 1
    return mask


def merge_parallel(graph: MultiGraph, weight: Any, blocked: np.ndarray) -> np.ndarray:
    """Block all but the lightest of parallel edges (of equal ones the first); blocked edges stay blocked."""
    mask = np.zeros(graph.n_edges, dtype=np.uint8) if blocked.size == 0 else blocked.copy()
    tails, heads = graph.tails, graph.heads
    if not graph.directed:
        tails, heads = np.minimum(tails, heads), np.maximum(tails, heads)
    weights = np.empty(graph.n_edges)
    weights[graph.forward.edges] = graph.arc_weights(graph.forward, weight)
    order = np.lexsort((np.arange(graph.n_edges), weights, mask, heads, tails))
    later = np.zeros(graph.n_edges, dtype=bool)
    later[1:] = (tails[order][1:] == tails[order][:-1]) & (heads[order][1:] == heads[order][:-1])
    mask[order[later]] = 1
    return mask
