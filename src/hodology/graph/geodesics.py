"""Distances between all pairs of nodes, or from some nodes to all, in threads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.graph.multigraph import MultiGraph
from hodology.graph.parallel import ordered_map
from hodology.graph.search_inputs import blocked_edges

__all__ = ["geodesic_distances", "iter_geodesic_distances"]

_BYTES = 8 * 2**30


def geodesic_distances(
    graph: MultiGraph,
    *,
    sources: Sequence[int | str] | None = None,
    targets: Sequence[int | str] | None = None,
    weight: Any = "graph",
    reverse: bool = False,
    blocked: Any = None,
    jobs: int = 1,
    max_bytes: int = _BYTES,
) -> np.ndarray:
    """Least cost from every source to every target.

    Parameters
    ----------
    graph : MultiGraph
    sources, targets : sequence of int or str, optional
        Default all nodes.
    weight : "graph", None or float array, shape (edges,)
        The graph's own weights, 1 for every edge, or these.
    reverse : bool
        Distances to the sources instead of from them.
    blocked : bool array, shape (edges,), or int array of edge numbers, optional
    jobs : int
        Threads; the result does not depend on it.
    max_bytes : int
        Larger results are refused; take `iter_geodesic_distances`.

    Returns
    -------
    ndarray, shape (sources, targets)
        Float64 with infinity where there is no path; int32 steps with -1 where every edge counts 1.

    Raises
    ------
    InputError
        For nodes that do not exist and results above `max_bytes`.
    """
    starts = _nodes(graph, sources)
    ends = None if targets is None else _nodes(graph, targets)
    steps = _counts(graph, weight)
    width = graph.n_nodes if ends is None else len(ends)
    size = len(starts) * width * (4 if steps else 8)
    if size > max_bytes:
        raise InputError(
            f"{len(starts)} x {width} distances take {size / 2**30:.1f} GiB, above max_bytes {max_bytes / 2**30:.1f} GiB: "
            "take them source by source with iter_geodesic_distances."
        )
    found = np.empty((len(starts), width), dtype=np.int32 if steps else np.float64)
    rows = iter_geodesic_distances(
        graph, sources=starts.tolist(), weight=weight, reverse=reverse, blocked=blocked, jobs=jobs
    )
    for i, row in enumerate(rows):
        found[i] = row if ends is None else row[ends]
    return found


def iter_geodesic_distances(
    graph: MultiGraph,
    *,
    sources: Sequence[int | str] | None = None,
    weight: Any = "graph",
    reverse: bool = False,
    blocked: Any = None,
    jobs: int = 1,
) -> Iterator[np.ndarray]:
    """Yield one row of `geodesic_distances` after the other, without keeping them."""
    starts, mask = _nodes(graph, sources), blocked_edges(graph, blocked)
    arcs = graph.backward if reverse else graph.forward
    n, shape = graph.n_nodes, (arcs.indptr, arcs.nodes, arcs.edges)
    if _counts(graph, weight):
        from hodology.graph.search_kernels import breadth_first

        def steps(source: int) -> np.ndarray:
            found, parent, queue = (
                np.empty(n, dtype=np.int32),
                np.empty(n, dtype=np.int64),
                np.empty(n, dtype=np.int32),
            )
            breadth_first(*shape, mask, source, -1, n, found, parent, queue)
            return found

        return ordered_map(steps, starts.tolist(), jobs=jobs)
    from hodology.graph.search_kernels import dijkstra

    weights = graph.arc_weights(arcs, weight)

    def costs(source: int) -> np.ndarray:
        found, parent = np.empty(n), np.empty(n, dtype=np.int64)
        heap, place = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
        dijkstra(*shape, weights, mask, source, -1, np.inf, found, parent, heap, place)
        return found

    return ordered_map(costs, starts.tolist(), jobs=jobs)


def _counts(graph: MultiGraph, weight: Any) -> bool:
    """Whether every edge counts 1."""
    return weight is None or (isinstance(weight, str) and weight == "graph" and graph.weights is None)


def _nodes(graph: MultiGraph, nodes: Sequence[int | str] | None) -> np.ndarray:
    if nodes is None:
        return np.arange(graph.n_nodes)
    return np.array([graph.node(node) for node in nodes], dtype=np.int64)
