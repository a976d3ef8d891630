"""Breadth first, Dijkstra, A*, both ends and all pairs: one truth, found by SciPy and by trying everything."""

from __future__ import annotations

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_graphs import all_loopless_paths, multigraphs, random_digraph
from scipy.sparse.csgraph import dijkstra
from scipy.sparse.csgraph import shortest_path as scipy_shortest_path

from hodology.errors import InputError
from hodology.graph.geodesics import geodesic_distances, iter_geodesic_distances
from hodology.graph.graph_path import GraphPath, graph_path_set
from hodology.graph.multigraph import MultiGraph
from hodology.graph.search import bfs_tree, shortest_path, shortest_path_tree, shortest_paths


def _walks(graph: MultiGraph, path: GraphPath) -> bool:
    """Whether the path's edges join its nodes."""
    for edge, (a, b) in zip(path.edges, zip(path.nodes, path.nodes[1:]), strict=True):
        ends = (int(graph.tails[edge]), int(graph.heads[edge]))
        if (a, b) != ends and (graph.directed or (b, a) != ends):
            return False
    return True


@given(multigraphs(), st.sampled_from(["dijkstra", "bidirectional", "astar"]))
def test_every_method_finds_the_least_cost(graph: MultiGraph, method: str) -> None:
    expected = all_loopless_paths(graph, 0, 1)
    bound = shortest_path_tree(graph, 1, reverse=True).distance if method == "astar" else None
    found = shortest_path(graph, 0, 1, method=method, bound=bound)
    if not expected:
        assert found is None
        return
    assert found is not None
    assert found.cost == pytest.approx(expected[0][0])
    assert (found.nodes[0], found.nodes[-1]) == (0, 1)
    assert _walks(graph, found)


@given(multigraphs(), st.lists(st.floats(0, 1), min_size=7, max_size=7))
def test_a_star_is_right_under_any_lower_bound(graph: MultiGraph, shares: list[float]) -> None:
    """Also under bounds that are not consistent, for which nodes must be opened again."""
    exact = shortest_path_tree(graph, 1, reverse=True).distance
    bound = np.where(np.isfinite(exact), exact, 0.0) * np.array(shares[: graph.n_nodes])
    found = shortest_path(graph, 0, 1, bound=bound)
    assert (found is None) == np.isinf(exact[0])
    if found is not None:
        assert found.cost == pytest.approx(exact[0])


@given(multigraphs(weighted=False), st.booleans())
def test_breadth_first_counts_edges(graph: MultiGraph, reverse: bool) -> None:
    tree = bfs_tree(graph, 0, reverse=reverse)
    for node in range(graph.n_nodes):
        ends = (node, 0) if reverse else (0, node)
        expected = all_loopless_paths(graph, *ends)
        assert (tree.distance[node] >= 0) == bool(expected)
        if expected:
            path = tree.path(node)
            assert len(path) == tree.distance[node] == expected[0][0]
            assert (path.nodes[0], path.nodes[-1]) == ends
            assert _walks(graph, path)


def test_distances_equal_scipys() -> None:
    graph = random_digraph(200, 900, seed=2)
    expected = dijkstra(graph.to_scipy())
    np.testing.assert_allclose(geodesic_distances(graph), expected)
    np.testing.assert_allclose(geodesic_distances(graph, reverse=True), expected.T)
    np.testing.assert_allclose(
        geodesic_distances(graph, sources=[5, 1], targets=[3, 3, 0]), expected[[5, 1]][:, [3, 3, 0]]
    )
    steps = scipy_shortest_path(graph.to_scipy(), unweighted=True)
    np.testing.assert_array_equal(
        geodesic_distances(graph, weight=None, jobs=2), np.where(np.isinf(steps), -1, steps)
    )
    for source in (0, 17):
        tree = shortest_path_tree(graph, source)
        np.testing.assert_allclose(tree.distance, expected[source])
        assert tree.reached().tolist() == np.flatnonzero(np.isfinite(expected[source])).tolist()


def test_many_queries_equal_single_ones_in_any_number_of_threads() -> None:
    graph = random_digraph(100, 400, seed=4)
    pairs = [(i, 99 - i) for i in range(50)]
    for method in ("dijkstra", "bidirectional"):
        one = list(shortest_paths(graph, pairs, method=method))
        assert list(shortest_paths(graph, pairs, method=method, jobs=3)) == one
        assert [shortest_path(graph, *p, method=method) for p in pairs] == one
    rows = list(iter_geodesic_distances(graph, sources=[3, 4], jobs=2))
    np.testing.assert_array_equal(rows, geodesic_distances(graph, sources=[3, 4]))


def test_limits_end_a_search_early() -> None:
    line = MultiGraph([0, 1, 2], [1, 2, 3], weights=[1.0, 1.0, 1.0])
    assert shortest_path_tree(line, 0, max_cost=2.0).distance.tolist() == [0, 1, 2, np.inf]
    assert bfs_tree(line, 0, max_steps=1).distance.tolist() == [0, 1, -1, -1]
    assert shortest_path_tree(line, 0, max_cost=1.5).parent.tolist() == [-1, 0, -1, -1]


def test_blocked_edges_are_not_walked() -> None:
    graph = MultiGraph([0, 0, 1], [1, 2, 2], weights=[1.0, 1.0, 1.0])
    for method in ("dijkstra", "bidirectional"):
        found = shortest_path(graph, 0, 2, blocked=[1], method=method)
        assert found is not None
        assert found.nodes == (0, 1, 2)
    assert bfs_tree(graph, 0, blocked=np.array([True, True, False])).distance.tolist() == [0, -1, -1]
    assert geodesic_distances(graph, blocked=[0], sources=[0]).tolist() == [[0, np.inf, 1]]


def test_paths_become_the_houses_paths() -> None:
    graph = MultiGraph(
        [0, 1], [1, 2], relations=[1, 0], relation_names=["binds", "treats"], names=["x", "y", "z"]
    )
    found = shortest_path(graph, "x", "z")
    assert found is not None
    steps = graph_path_set([found], graph)[0].steps
    assert [(s.place, s.unit) for s in steps] == [("", "x"), ("treats", "y"), ("binds", "z")]


def test_trees_say_when_there_is_no_path() -> None:
    graph = MultiGraph([0], [1], n_nodes=3, names=["a", "b", "c"])
    with pytest.raises(InputError, match="there is no path from 'a' to 'c'"):
        bfs_tree(graph, "a").path("c")
    with pytest.raises(InputError, match="there is no path from 'c' to 'b'"):
        shortest_path_tree(graph, "b", reverse=True).path("c")
    assert shortest_path(graph, "a", "c") is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "floyd"}, "method must be one of auto, bfs, dijkstra, bidirectional, astar, got 'floyd'"),
        ({"method": "astar"}, "a bound is for method 'astar', which needs one"),
        ({"method": "dijkstra", "bound": [0.0] * 4}, "a bound is for method 'astar'"),
        ({"method": "bfs"}, "method 'bfs' counts edges"),
        ({"bound": [0.0]}, r"bound must be one number of 0 or more per node \(4\)"),
        ({"bound": [0.0, 0, 0, 1]}, "bound must be 0 at the target '3', got 1.0"),
    ],
)
def test_bad_options_are_named(options: dict, message: str) -> None:
    graph = MultiGraph([0, 1, 2], [1, 2, 3], weights=[1.0, 2.0, 3.0])
    with pytest.raises(InputError, match=message):
        shortest_path(graph, 0, 3, **options)


def test_results_too_large_for_memory_are_refused_with_their_size() -> None:
    graph = MultiGraph([0], [1], n_nodes=1000, weights=[1.0])
    with pytest.raises(InputError, match=r"1000 x 1000 distances take 0\.0 GiB, above max_bytes"):
        geodesic_distances(graph, max_bytes=1000)
    with pytest.raises(InputError, match="max_steps must be 0 or more, got -1"):
        bfs_tree(graph, 0, max_steps=-1)


def test_a_grid_from_networkx_has_manhattan_distances() -> None:
    grid = networkx.convert_node_labels_to_integers(networkx.grid_2d_graph(6, 7))
    tails, heads = np.array(grid.edges).T
    graph = MultiGraph(tails, heads, directed=False)
    rows, columns = np.divmod(np.arange(42), 7)
    assert bfs_tree(graph, 0).distance.tolist() == (rows + columns).tolist()
