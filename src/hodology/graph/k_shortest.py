"""The k shortest loopless paths between two nodes, one after the other (Yen 1971; Lawler 1972).

One Dijkstra search backwards from the target serves all of a query: it bounds every set of paths from below, so that most
deviations are never searched, and guides the others by A*. Weighted or not, directed or not, parallel edges allowed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import numpy as np

from hodology.errors import InputError
from hodology.graph.graph_path import GraphPath
from hodology.graph.multigraph import MultiGraph
from hodology.graph.parallel import check_jobs, ordered_map
from hodology.graph.search_inputs import blocked_edges, merge_parallel

__all__ = ["ShortestPathFinder", "iter_shortest_paths", "k_shortest_paths", "k_shortest_paths_many"]

Parallel = Literal["distinct", "merged"]
_RATIO = 128  # nodes settled backwards for each one forwards; good on random graphs and on grids


class ShortestPathFinder:
    """A graph made ready for many queries of shortest loopless paths; safe to use from several threads.

    Parameters
    ----------
    graph : MultiGraph
    weight : "graph", None or float array, shape (edges,)
        The graph's own weights, 1 for every edge, or these; 0 or more.
    blocked : bool array, shape (edges,), or int array of edge numbers, optional
        Edges that no path may use.
    parallel : {"distinct", "merged"}
        Paths over the same nodes by other parallel edges are paths of their own, or only the lightest edge counts.

    Raises
    ------
    InputError
        When an argument does not fit the graph.

    Examples
    --------
    >>> graph = MultiGraph([0, 0, 1, 2], [1, 2, 3, 3], weights=[1.0, 1.0, 1.0, 3.0])
    >>> [(path.nodes, path.cost) for path in ShortestPathFinder(graph).paths(0, 3)]
    [((0, 1, 3), 2.0), ((0, 2, 3), 4.0)]
    """

    def __init__(
        self,
        graph: MultiGraph,
        *,
        weight: Any = "graph",
        blocked: Any = None,
        parallel: Parallel = "distinct",
    ) -> None:
        if parallel not in ("distinct", "merged"):
            raise InputError(f"parallel must be 'distinct' or 'merged', got {parallel!r}.")
        self.graph = graph
        mask = blocked_edges(graph, blocked)
        if parallel == "merged":
            mask = merge_parallel(graph, weight, mask)
        forward, backward = graph.forward, graph.backward
        self._edges = forward.edges
        self._forward = (
            forward.indptr, forward.nodes, forward.edges, graph.arc_weights(forward, weight), mask
        )  # fmt: skip
        self._backward = (
            backward.indptr, backward.nodes, backward.edges, graph.arc_weights(backward, weight), mask
        )  # fmt: skip
        self._local = threading.local()

    def paths(self, source: int | str, target: int | str, *, max_cost: float = np.inf) -> Iterator[GraphPath]:
        """Yield the loopless paths from `source` to `target`, cheapest first, each when it is asked for.

        Ties come in an order that depends on the graph alone. A node is its own path of no edges.

        Parameters
        ----------
        source, target : int or str
            Index or name of a node.
        max_cost : float
            Paths that cost more are not searched for.
        """
        query = _Query(self, self.graph.node(source), self.graph.node(target), float(max_cost))
        return iter(query)

    def _scratch(self) -> _Scratch:
        """Working arrays of this thread that no unfinished query holds."""
        free = getattr(self._local, "free", None)
        if free is None:
            free = self._local.free = []
        return free.pop() if free else _Scratch(self.graph.n_nodes)

    def _give_back(self, scratch: _Scratch) -> None:
        if hasattr(self._local, "free") and len(self._local.free) < 2:
            self._local.free.append(scratch)


def iter_shortest_paths(
    graph: MultiGraph,
    source: int | str,
    target: int | str,
    *,
    weight: Any = "graph",
    max_cost: float = np.inf,
    blocked: Any = None,
    parallel: Parallel = "distinct",
) -> Iterator[GraphPath]:
    """Yield loopless paths from `source` to `target`, cheapest first, without end until none is left.

    Options are those of `ShortestPathFinder`, which is quicker for many queries of one graph.
    """
    finder = ShortestPathFinder(graph, weight=weight, blocked=blocked, parallel=parallel)
    return finder.paths(source, target, max_cost=max_cost)


def k_shortest_paths(
    graph: MultiGraph,
    source: int | str,
    target: int | str,
    k: int = 10,
    *,
    weight: Any = "graph",
    max_cost: float = np.inf,
    blocked: Any = None,
    parallel: Parallel = "distinct",
) -> list[GraphPath]:
    """Return the k cheapest loopless paths, fewer when there are no more; empty when there is none.

    Parameters
    ----------
    graph : MultiGraph
    source, target : int or str
        Index or name of a node.
    k : int
    weight, max_cost, blocked, parallel
        See `ShortestPathFinder`.

    Raises
    ------
    InputError
        When k is below 1 or a node does not exist.
    """
    finder = ShortestPathFinder(graph, weight=weight, blocked=blocked, parallel=parallel)
    return _first(finder.paths(source, target, max_cost=max_cost), _check_k(k))


def k_shortest_paths_many(
    graph: MultiGraph,
    pairs: Iterable[tuple[int | str, int | str]],
    k: int = 10,
    *,
    weight: Any = "graph",
    max_cost: float = np.inf,
    blocked: Any = None,
    parallel: Parallel = "distinct",
    jobs: int = 1,
) -> Iterator[list[GraphPath]]:
    """Yield `k_shortest_paths` of every pair, in order; `jobs` threads work side by side with equal results."""
    finder, k = ShortestPathFinder(graph, weight=weight, blocked=blocked, parallel=parallel), _check_k(k)
    check_jobs(jobs)

    def of(pair: tuple[int | str, int | str]) -> list[GraphPath]:
        return _first(finder.paths(*pair, max_cost=max_cost), k)

    return ordered_map(of, pairs, jobs=jobs)


class _Scratch:
    """Arrays of one entry per node that a query needs; stamps tell what is of this query."""

    def __init__(self, n: int) -> None:
        ints = [np.zeros(n, dtype=np.int64) for _ in range(2)]
        self.bound, self.parent = np.empty(n), np.empty(n, dtype=np.int64)
        self.heap, self.place = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
        self.search = (
            np.empty(n), np.empty(n), np.empty(n, dtype=np.int64), *ints,
            np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64),
        )  # fmt: skip
        self.stamp = 0


class _Query:
    """The state of one query between two of its paths."""

    def __init__(self, finder: ShortestPathFinder, source: int, target: int, limit: float) -> None:
        self.finder, self.source, self.target, self.limit = finder, source, target, limit

    def __iter__(self) -> Iterator[GraphPath]:
        from hodology.graph.k_shortest_kernels import FOUND, NEED_ROOM, next_path

        scratch = self.finder._scratch()
        try:
            self._begin(scratch)
            while True:
                code = next_path(
                    self.finder._forward, scratch.bound, self.radius, self.target, self.limit, self.pools, self.paths,
                    self.sets, self.bounds, self.queue, self.bans, self.tails, scratch.search, self.counts,
                )  # fmt: skip
                if code == NEED_ROOM:
                    self._grow()
                elif code != FOUND:
                    return
                else:
                    yield self._last()
                    if np.isfinite(self.radius) and self.counts[7] > len(self.finder._edges):
                        self._widen(scratch)
        finally:
            scratch.stamp = int(self.counts[6])
            self.finder._give_back(scratch)

    def _begin(self, scratch: _Scratch) -> None:
        """Search backwards until the source is reached; the only set so far is that of all paths."""
        self.counts = np.zeros(8, dtype=np.int64)
        self.counts[:4] = (1, 1, 1, 1)
        self.counts[6] = scratch.stamp
        scratch.bound[:] = np.inf
        scratch.place[:] = -1
        scratch.bound[self.target] = 0.0
        scratch.heap[0], scratch.place[self.target], self.size = self.target, 0, 1
        self._meet(scratch)
        self.pools = (np.empty(256, dtype=np.int64), np.empty(256, dtype=np.int64), np.zeros(256))
        self.pools[0][0] = self.source
        self.paths = np.zeros((16, 3), dtype=np.int64)
        self.sets = np.zeros((256, 5), dtype=np.int64)
        self.sets[0] = (0, 0, -1, -1, 0)
        self.bounds, self.queue = np.empty(256), np.zeros(256, dtype=np.int64)
        self.bounds[0] = self.least
        self.bans, self.tails = np.empty((256, 2), dtype=np.int64), np.empty(256, dtype=np.int64)
        if np.isinf(self.bounds[0]):
            self.counts[3] = 0

    def _meet(self, scratch: _Scratch) -> None:
        """Search from both ends, mostly backwards, until the least cost is known."""
        from hodology.graph.search_kernels import meet

        ahead, heap, place = scratch.search[0], scratch.search[5], scratch.search[6]
        ahead[:] = np.inf
        place[:] = -1
        ahead[self.source] = 0.0
        heap[0], place[self.source] = self.source, 0
        self.least, self.size = meet(
            self.finder._forward, self.finder._backward, _RATIO, ahead, heap, place, 1, scratch.bound, scratch.parent,
            scratch.heap, scratch.place, 1,
        )  # fmt: skip
        self._set_radius(scratch)

    def _widen(self, scratch: _Scratch) -> None:
        """Finish the backward search: so many paths were asked for that exact bounds pay."""
        from hodology.graph.search_kernels import grow_tree

        self.size = grow_tree(
            *self.finder._backward, -1, np.inf, scratch.bound, scratch.parent, scratch.heap, scratch.place, self.size
        )  # fmt: skip
        self._set_radius(scratch)

    def _set_radius(self, scratch: _Scratch) -> None:
        self.radius = float(scratch.bound[scratch.heap[0]]) if self.size else np.inf

    def _grow(self) -> None:
        n = self.finder.graph.n_nodes
        self.pools = tuple(_doubled(pool, n) for pool in self.pools)  # type: ignore[assignment]
        self.paths, self.tails = _doubled(self.paths, 0), _doubled(self.tails, n)
        self.sets, self.bounds = _doubled(self.sets, n), _doubled(self.bounds, n)
        self.queue, self.bans = _doubled(self.queue, n), _doubled(self.bans, n)

    def _last(self) -> GraphPath:
        begin, length, _ = self.paths[self.counts[0] - 1].tolist()
        nodes, arcs, cost = self.pools
        edges = self.finder._edges[arcs[begin : begin + length]]
        return GraphPath(
            tuple(nodes[begin : begin + length + 1].tolist()),
            tuple(edges.tolist()),
            float(cost[begin + length]),
        )


def _doubled(array: np.ndarray, least: int) -> np.ndarray:
    """A copy with twice the rows, and room for a path through all nodes where that is little."""
    rows = max(2 * len(array), min(least + 1, 4096))
    grown = np.zeros((rows, *array.shape[1:]), dtype=array.dtype)
    grown[: len(array)] = array
    return grown


def _first(paths: Iterator[GraphPath], k: int) -> list[GraphPath]:
    found = []
    for path in paths:
        found.append(path)
        if len(found) == k:
            break
    return found


def _check_k(k: int) -> int:
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise InputError(f"k must be an integer of at least 1, got {k!r}.")
    return int(k)
