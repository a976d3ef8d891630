"""Shortest paths: breadth first, Dijkstra, A*, from both ends; one query or many in threads.

All searches take the same graph, weights and blocked edges, and break ties in one order: equal input gives equal paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from hodology.errors import InputError
from hodology.graph.graph_path import GraphPath
from hodology.graph.multigraph import Arcs, MultiGraph
from hodology.graph.parallel import check_jobs, ordered_map
from hodology.graph.search_inputs import blocked_edges

__all__ = ["ShortestPathTree", "bfs_tree", "shortest_path", "shortest_path_tree", "shortest_paths"]

Method = Literal["auto", "bfs", "dijkstra", "bidirectional", "astar"]
_METHODS = ("auto", "bfs", "dijkstra", "bidirectional", "astar")


@dataclass(frozen=True, eq=False)
class ShortestPathTree:
    """Shortest paths from one node to all others, or from all others to it.

    Attributes
    ----------
    graph : MultiGraph
    source : int
    distance : ndarray, shape (nodes,)
        Float64 costs with infinity where not reached; of a breadth-first tree int32 steps with -1.
    parent : int64 ndarray, shape (nodes,)
        Arc by which a node is reached, -1 for the source and what is not reached.
    reverse : bool
        Whether paths lead to `source` instead of away from it.
    """

    graph: MultiGraph
    source: int
    distance: np.ndarray
    parent: np.ndarray
    reverse: bool

    def reached(self) -> np.ndarray:
        """Nodes that have a path, ascending."""
        return np.flatnonzero((self.parent >= 0) | (np.arange(self.graph.n_nodes) == self.source))

    def path(self, node: int | str) -> GraphPath:
        """The path between the source and `node`, in the direction in which it is walked.

        Raises
        ------
        InputError
            When there is none.
        """
        end = self.graph.node(node)
        if end != self.source and self.parent[end] < 0:
            raise InputError(
                _no_path(self.graph, *((end, self.source) if self.reverse else (self.source, end)))
            )
        arcs = self.graph.backward if self.reverse else self.graph.forward
        nodes, edges = _trace(arcs, self.parent, self.source, end)
        if self.reverse:
            nodes, edges = nodes[::-1], edges[::-1]
        return GraphPath(tuple(nodes), tuple(edges), float(self.distance[end]))


def bfs_tree(
    graph: MultiGraph,
    source: int | str,
    *,
    reverse: bool = False,
    max_steps: int | None = None,
    blocked: Any = None,
) -> ShortestPathTree:
    """Breadth-first search: the least number of edges to every node.

    Parameters
    ----------
    graph : MultiGraph
    source : int or str
    reverse : bool
        Search against the arcs: paths lead to `source`.
    max_steps : int, optional
        Nodes further away are not reached.
    blocked : bool array, shape (edges,), or int array of edge numbers, optional
        Edges that are not walked.

    Raises
    ------
    InputError
        For a node that does not exist and a mask that does not fit.
    """
    return _bfs(
        graph, graph.node(source), -1, reverse, _most(graph, max_steps), blocked_edges(graph, blocked)
    )


def shortest_path_tree(
    graph: MultiGraph,
    source: int | str,
    *,
    weight: Any = "graph",
    reverse: bool = False,
    max_cost: float = np.inf,
    blocked: Any = None,
) -> ShortestPathTree:
    """Dijkstra's search: the least cost to every node.

    Parameters
    ----------
    graph : MultiGraph
    source : int or str
    weight : "graph", None or float array, shape (edges,)
        The graph's own weights, 1 for every edge, or these.
    reverse : bool
        Search against the arcs: paths lead to `source`.
    max_cost : float
        Nodes that cost more are not reached.
    blocked : bool array, shape (edges,), or int array of edge numbers, optional

    Raises
    ------
    InputError
        For a node that does not exist, weights or a mask that do not fit.
    """
    arcs = graph.backward if reverse else graph.forward
    weights = graph.arc_weights(arcs, weight)
    return _dijkstra(
        graph, weights, graph.node(source), -1, reverse, float(max_cost), blocked_edges(graph, blocked)
    )


def shortest_path(
    graph: MultiGraph,
    source: int | str,
    target: int | str,
    *,
    weight: Any = "graph",
    method: Method = "auto",
    bound: Any = None,
    blocked: Any = None,
) -> GraphPath | None:
    """Return a cheapest path, or None when there is none.

    Parameters
    ----------
    graph : MultiGraph
    source, target : int or str
    weight : "graph", None or float array, shape (edges,)
        See `shortest_path_tree`.
    method : {"auto", "bfs", "dijkstra", "bidirectional", "astar"}
        `auto` takes A* when there is a `bound`, breadth first when every edge counts 1, else both ends.
    bound : float array, shape (nodes,), optional
        For A*: never more than the true cost from a node to the target (a straight-line distance); infinite where a node
        must not be entered.
    blocked : bool array, shape (edges,), or int array of edge numbers, optional

    Raises
    ------
    InputError
        For arguments that do not fit each other; for A* without a bound.

    Examples
    --------
    >>> graph = MultiGraph([0, 1, 0], [1, 2, 2], weights=[1.0, 1.0, 3.0])
    >>> shortest_path(graph, 0, 2)
    GraphPath(nodes=(0, 1, 2), edges=(0, 1), cost=2.0)
    """
    return next(
        shortest_paths(graph, [(source, target)], weight=weight, method=method, bound=bound, blocked=blocked)
    )


def shortest_paths(
    graph: MultiGraph,
    pairs: Iterable[tuple[int | str, int | str]],
    *,
    weight: Any = "graph",
    method: Method = "auto",
    bound: Any = None,
    blocked: Any = None,
    jobs: int = 1,
) -> Iterator[GraphPath | None]:
    """Yield `shortest_path` of every pair, in order; `jobs` threads work side by side with equal results."""
    search = _search(graph, weight, method, bound, blocked_edges(graph, blocked))
    check_jobs(jobs)
    return ordered_map(lambda pair: search(graph.node(pair[0]), graph.node(pair[1])), pairs, jobs=jobs)


def _search(graph: MultiGraph, weight: Any, method: Method, bound: Any, blocked: np.ndarray) -> Any:
    """The search that a method names, as a function of source and target."""
    if method not in _METHODS:
        raise InputError(f"method must be one of {', '.join(_METHODS)}, got {method!r}.")
    unit = weight is None or (isinstance(weight, str) and weight == "graph" and graph.weights is None)
    if method == "auto":
        method = "astar" if bound is not None else "bfs" if unit else "bidirectional"
    if (method == "astar") != (bound is not None):
        raise InputError("a bound is for method 'astar', which needs one.")
    if method == "bfs":
        if not unit:
            raise InputError("method 'bfs' counts edges: it needs weight=None where edges have weights.")
        most = _most(graph, None)
        return lambda s, t: _to(_bfs(graph, s, t, False, most, blocked), t)
    weights = graph.arc_weights(graph.forward, weight)
    if method == "dijkstra":
        return lambda s, t: _to(_dijkstra(graph, weights, s, t, False, np.inf, blocked), t)
    if method == "astar":
        low = _bound(graph, bound)
        return lambda s, t: _to(_a_star(graph, weights, low, s, t, blocked), t)
    back = graph.arc_weights(graph.backward, weight)
    return lambda s, t: _both_ends(graph, weights, back, s, t, blocked)


def _bfs(
    graph: MultiGraph,
    source: int,
    target: int,
    reverse: bool,  # noqa: FBT001
    most: int,
    blocked: np.ndarray,
) -> ShortestPathTree:
    from hodology.graph.search_kernels import breadth_first

    arcs, n = graph.backward if reverse else graph.forward, graph.n_nodes
    steps, parent = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int64)
    queue = np.empty(n, dtype=np.int32)
    breadth_first(
        arcs.indptr, arcs.nodes, arcs.edges, blocked, source, target, most, steps, parent, queue
    )  # fmt: skip
    return ShortestPathTree(graph, source, steps, parent, reverse)


def _dijkstra(
    graph: MultiGraph, weights: np.ndarray, source: int, target: int, reverse: bool, limit: float, blocked: np.ndarray  # noqa: FBT001
) -> ShortestPathTree:  # fmt: skip
    from hodology.graph.search_kernels import dijkstra

    arcs, n = graph.backward if reverse else graph.forward, graph.n_nodes
    distance, parent = np.empty(n), np.empty(n, dtype=np.int64)
    heap, place = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    dijkstra(
        arcs.indptr, arcs.nodes, arcs.edges, weights, blocked, source, target, limit, distance, parent, heap, place
    )  # fmt: skip
    return ShortestPathTree(graph, source, distance, parent, reverse)


def _a_star(
    graph: MultiGraph, weights: np.ndarray, bound: np.ndarray, source: int, target: int, blocked: np.ndarray
) -> ShortestPathTree:
    from hodology.graph.search_kernels import a_star

    if bound[target] != 0:
        raise InputError(f"bound must be 0 at the target {graph.name(target)!r}, got {bound[target]}.")
    arcs, n = graph.forward, graph.n_nodes
    cost, key, parent = np.empty(n), np.empty(n), np.empty(n, dtype=np.int64)
    heap, place = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    a_star(
        arcs.indptr, arcs.nodes, arcs.edges, weights, blocked, bound, source, target, cost, parent, heap, place, key
    )  # fmt: skip
    return ShortestPathTree(graph, source, cost, parent, False)


def _both_ends(
    graph: MultiGraph, weights: np.ndarray, back: np.ndarray, source: int, target: int, blocked: np.ndarray
) -> GraphPath | None:
    from hodology.graph.search_kernels import bidirectional

    a, b, n = graph.forward, graph.backward, graph.n_nodes
    distance, parent = np.empty((2, n)), np.empty((2, n), dtype=np.int64)
    heap, place = np.empty((2, n), dtype=np.int64), np.empty((2, n), dtype=np.int64)
    meeting = bidirectional(
        a.indptr, a.nodes, a.edges, weights, b.indptr, b.nodes, b.edges, back, blocked, source, target, distance,
        parent, heap, place,
    )  # fmt: skip
    if meeting < 0:
        return None
    nodes, edges = _trace(a, parent[0], source, meeting)
    rest_nodes, rest_edges = _trace(b, parent[1], target, meeting)
    cost = float(distance[0, meeting] + distance[1, meeting])
    return GraphPath(tuple(nodes + rest_nodes[-2::-1]), tuple(edges + rest_edges[::-1]), cost)


def _trace(arcs: Arcs, parent: np.ndarray, source: int, end: int) -> tuple[list[int], list[int]]:
    """Nodes and edges from `source` to `end` along the parents."""
    nodes, edges, node = [end], [], end
    while node != source:
        arc = int(parent[node])
        node = int(np.searchsorted(arcs.indptr, arc, side="right")) - 1
        nodes.append(node)
        edges.append(int(arcs.edges[arc]))
    return nodes[::-1], edges[::-1]


def _to(tree: ShortestPathTree, target: int) -> GraphPath | None:
    return tree.path(target) if target == tree.source or tree.parent[target] >= 0 else None


def _most(graph: MultiGraph, max_steps: int | None) -> int:
    if max_steps is not None and max_steps < 0:
        raise InputError(f"max_steps must be 0 or more, got {max_steps}.")
    return graph.n_nodes if max_steps is None else int(max_steps)


def _bound(graph: MultiGraph, bound: Any) -> np.ndarray:
    low = np.asarray(bound, dtype=np.float64)
    if low.shape != (graph.n_nodes,) or np.isnan(low).any() or (low < 0).any():
        raise InputError(
            f"bound must be one number of 0 or more per node ({graph.n_nodes}), got shape {low.shape}."
        )
    return low


def _no_path(graph: MultiGraph, source: int, target: int) -> str:
    return f"there is no path from {graph.name(source)!r} to {graph.name(target)!r}."
