"""The k shortest loopless paths: against trying everything, networkx and SciPy."""

from __future__ import annotations

from itertools import islice

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_graphs import all_loopless_paths, multigraphs, random_digraph
from scipy.sparse.csgraph import yen

from hodology.errors import InputError, UnknownNameError
from hodology.graph.k_shortest import (
    ShortestPathFinder,
    iter_shortest_paths,
    k_shortest_paths,
    k_shortest_paths_many,
)
from hodology.graph.multigraph import MultiGraph

DIAMOND = MultiGraph(
    [0, 0, 1, 2, 1], [1, 2, 3, 3, 2], weights=[1.0, 1.0, 1.0, 3.0, 0.5], names=["a", "b", "c", "d"]
)


def test_paths_of_a_diamond_come_by_cost() -> None:
    found = k_shortest_paths(DIAMOND, "a", "d", 5)
    assert [(p.nodes, p.edges, p.cost) for p in found] == [
        ((0, 1, 3), (0, 2), 2.0),
        ((0, 2, 3), (1, 3), 4.0),
        ((0, 1, 2, 3), (0, 4, 3), 4.5),
    ]


@given(multigraphs(), st.data())
def test_all_loopless_paths_are_found_once_and_in_order(graph: MultiGraph, data: st.DataObject) -> None:
    source, target = (data.draw(st.integers(0, graph.n_nodes - 1)) for _ in range(2))
    expected = all_loopless_paths(graph, source, target)
    if len(expected) > 400:
        return
    found = list(iter_shortest_paths(graph, source, target))
    assert sorted((p.nodes, p.edges) for p in found) == sorted((n, e) for _, n, e in expected)
    np.testing.assert_allclose([p.cost for p in found], [cost for cost, _, _ in expected])


@given(multigraphs(weighted=False), st.data())
def test_without_weights_paths_come_by_their_number_of_edges(graph: MultiGraph, data: st.DataObject) -> None:
    source, target = (data.draw(st.integers(0, graph.n_nodes - 1)) for _ in range(2))
    expected = [len(edges) for _, _, edges in all_loopless_paths(graph, source, target)]
    found = [len(p) for p in islice(iter_shortest_paths(graph, source, target), 60)]
    assert found == sorted(expected)[:60]


@given(multigraphs(), st.data())
def test_blocked_edges_are_never_used(graph: MultiGraph, data: st.DataObject) -> None:
    banned = data.draw(st.sets(st.integers(0, max(graph.n_edges - 1, 0)), max_size=graph.n_edges))
    banned = {e for e in banned if e < graph.n_edges}
    expected = all_loopless_paths(graph, 0, 1, frozenset(banned))
    found = k_shortest_paths(graph, 0, 1, 40, blocked=np.array(sorted(banned), dtype=np.int64))
    np.testing.assert_allclose([p.cost for p in found], [cost for cost, _, _ in expected[:40]])
    assert all(banned.isdisjoint(p.edges) for p in found)


@given(multigraphs())
def test_merged_parallel_edges_give_each_run_of_nodes_once_and_at_its_least_cost(graph: MultiGraph) -> None:
    least: dict[tuple[int, ...], float] = {}
    for cost, nodes, _ in all_loopless_paths(graph, 0, 1):
        least[nodes] = min(cost, least.get(nodes, np.inf))
    if len(least) > 300:
        return
    found = list(iter_shortest_paths(graph, 0, 1, parallel="merged"))
    assert sorted(p.nodes for p in found) == sorted(least)
    for path in found:
        assert path.cost == pytest.approx(least[path.nodes])


@given(multigraphs(), st.sampled_from([0.0, 1.0, 2.5, 4.0]))
def test_paths_above_the_greatest_cost_are_left_out(graph: MultiGraph, limit: float) -> None:
    expected = [cost for cost, _, _ in all_loopless_paths(graph, 0, 1) if cost <= limit]
    found = [p.cost for p in iter_shortest_paths(graph, 0, 1, max_cost=limit)]
    np.testing.assert_allclose(found, expected)


def test_costs_equal_scipys_and_networkx_on_a_larger_graph() -> None:
    graph = random_digraph(300, 1500, seed=1)
    simple = networkx.DiGraph()
    for a, b, w in zip(graph.tails, graph.heads, graph.weights, strict=True):
        if not simple.has_edge(a, b) or simple[a][b]["w"] > w:
            simple.add_edge(int(a), int(b), w=float(w))
    matrix = graph.to_scipy()
    for source, target in [(0, 7), (11, 250), (42, 43)]:
        found = [p.cost for p in k_shortest_paths(graph, source, target, 25, parallel="merged")]
        paths = islice(networkx.shortest_simple_paths(simple, source, target, weight="w"), 25)
        np.testing.assert_allclose(found, [networkx.path_weight(simple, p, "w") for p in paths])
        np.testing.assert_allclose(found, yen(matrix, source, target, 25))


def test_many_paths_of_one_query_stay_sorted_simple_and_different() -> None:
    graph = random_digraph(120, 700, seed=3)
    found = list(islice(iter_shortest_paths(graph, 0, 1), 3000))
    costs = np.array([p.cost for p in found])
    assert len({p.edges for p in found}) == 3000
    assert (np.diff(costs) >= -1e-12).all()
    assert all(len(set(p.nodes)) == len(p.nodes) for p in found)
    for path in found[::97]:
        assert path.cost == pytest.approx(graph.weights[list(path.edges)].sum())
        assert all(
            (graph.tails[e], graph.heads[e]) == pair
            for e, pair in zip(path.edges, zip(path.nodes, path.nodes[1:]), strict=True)
        )


def test_paths_are_searched_for_only_when_asked() -> None:
    n = 40  # a ladder of n rungs has 2**n paths
    tails = [i for i in range(n) for _ in range(2)]
    graph = MultiGraph(tails, [i + 1 for i in tails], weights=[1.0, 2.0] * n)
    first = list(islice(iter_shortest_paths(graph, 0, n), 5))
    assert [p.cost for p in first] == [n, *[n + 1] * 4]


def test_queries_of_one_finder_may_be_interleaved_and_left_unfinished() -> None:
    graph = random_digraph(80, 400, seed=5)
    finder = ShortestPathFinder(graph)
    alone = [[p.edges for p in islice(finder.paths(0, t), 20)] for t in (1, 2, 3)]
    running = [finder.paths(0, t) for t in (1, 2, 3)]
    together: list[list[tuple[int, ...]]] = [[], [], []]
    for _ in range(20):
        for i, paths in enumerate(running):
            path = next(paths, None)
            if path is not None:
                together[i].append(path.edges)
    assert together == alone


def test_threads_change_nothing() -> None:
    graph = random_digraph(150, 900, seed=6)
    pairs = [(i, (7 * i + 3) % 150) for i in range(60)]
    one = list(k_shortest_paths_many(graph, pairs, 6))
    assert list(k_shortest_paths_many(graph, pairs, 6, jobs=3)) == one
    assert [k_shortest_paths(graph, *pair, 6) for pair in pairs] == one


def test_a_node_is_its_own_only_path() -> None:
    assert [(p.nodes, p.edges, p.cost) for p in k_shortest_paths(DIAMOND, 2, 2, 4)] == [((2,), (), 0.0)]


def test_where_there_is_no_path_the_list_is_empty() -> None:
    assert k_shortest_paths(DIAMOND, "d", "a", 3) == []


def test_other_weights_and_none() -> None:
    assert k_shortest_paths(DIAMOND, 0, 3, 1, weight=[9.0, 1, 9, 1, 9])[0].nodes == (0, 2, 3)
    assert [len(p) for p in k_shortest_paths(DIAMOND, 0, 3, 3, weight=None)] == [2, 2, 3]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "k must be an integer of at least 1, got 0"),
        ({"k": 2.0}, "k must be an integer"),
        ({"source": "x"}, "node 'x' is not in the graph"),
        ({"target": 9}, "node 9 is not in the graph, which has nodes 0 to 3"),
        ({"weight": [1.0]}, r"weights must be one per edge \(5\)"),
        ({"weight": [1, 1, 1, 1, -1]}, "weights must be finite and 0 or more, edge 4 has -1"),
        ({"weight": "cost"}, "weight must be 'graph', None or one number per edge, got 'cost'"),
        ({"blocked": np.array([True])}, "blocked must have one entry per edge"),
        ({"blocked": [7]}, "blocked must be edge numbers from 0 to 4"),
        ({"blocked": [0.5]}, "blocked must be a mask or edge numbers"),
        ({"parallel": "all"}, "parallel must be 'distinct' or 'merged'"),
    ],
)
def test_bad_input_is_named(change: dict, message: str) -> None:
    arguments = {"source": 0, "target": 3, "k": 2, **change}
    with pytest.raises((InputError, UnknownNameError), match=message):
        k_shortest_paths(DIAMOND, arguments.pop("source"), arguments.pop("target"), **arguments)


def test_jobs_must_be_one_or_more() -> None:
    with pytest.raises(InputError, match="jobs must be an integer of at least 1, got 0"):
        list(k_shortest_paths_many(DIAMOND, [(0, 3)], jobs=0))
