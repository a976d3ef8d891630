"""The multigraph itself: what it refuses, the order of its arcs, and that nothing of it can change."""

from __future__ import annotations

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hodology.errors import InputError, UnknownNameError
from hodology.graph.convert import from_networkx
from hodology.graph.multigraph import MultiGraph


def example(**changes):
    options = {
        "relations": [1, 0, 0, 1, 0],
        "weights": [1.0, 5.0, 0.5, 2.0, 3.0],
        "names": ["a", "b", "c"],
        "relation_names": ["binds", "treats"],
        "node_data": {"kind": ["x", "y", "z"]},
        "edge_data": {"source": ["p", "q", "r", "s", "t"]},
    }
    # a -> b twice (relation 1 and 0), b -> c, a loop at c, c -> a
    return MultiGraph([0, 0, 1, 2, 2], [1, 1, 2, 2, 0], **{**options, **changes})


@st.composite
def graphs(draw):
    n = draw(st.integers(1, 7))
    ends = st.lists(st.integers(0, n - 1), min_size=0, max_size=15)
    tails = draw(ends)
    heads = draw(st.lists(st.integers(0, n - 1), min_size=len(tails), max_size=len(tails)))
    relations = draw(st.none() | st.lists(st.integers(0, 2), min_size=len(tails), max_size=len(tails)))
    weights = draw(st.none() | st.lists(st.floats(0, 1e6), min_size=len(tails), max_size=len(tails)))
    names = ["r", "s", "t"] if relations is not None else None
    return MultiGraph(
        tails,
        heads,
        n_nodes=n,
        relations=relations,
        relation_names=names,
        weights=weights,
        directed=draw(st.booleans()),
    )


# ------------------------------------------------------------------------------------------------- what it is made of


def test_counts_names_and_text():
    graph = example()
    assert repr(graph) == "MultiGraph(3 nodes, 5 edges, 2 relations, directed, weighted)"
    assert repr(MultiGraph([], [])) == "MultiGraph(0 nodes, 0 edges, directed)"
    assert (graph.node("b"), graph.node(1), graph.node(np.int32(1))) == (1, 1, 1)
    assert (graph.name(2), MultiGraph([0], [1]).name(1)) == ("c", "1")
    assert graph.has_node("a")
    assert not graph.has_node("d")
    assert (graph.relation("treats"), graph.relation(0)) == (1, 0)
    assert MultiGraph([0], [1], relations=[2]).relation_names == ("0", "1", "2")
    assert MultiGraph([0], [1], n_nodes=5).n_nodes == 5
    assert MultiGraph([], [], names=["alone"]).n_nodes == 1
    assert graph.node_data["kind"].tolist() == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], [1]), "tails and heads must be equally long, got 2 and 1"),
        (([0.5], [1]), "tails must be one row of integers, got float64"),
        (([[0]], [[1]]), r"one row of integers, got int64 of shape \(1, 1\)"),
        (([-1], [1]), "tails must be from 0 to 2147483646, got -1 to -1"),
        (([0], [2**31]), "heads must be from 0 to 2147483646"),
    ],
)
def test_ends_that_are_no_nodes_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        MultiGraph(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_nodes": 2}, "names must be one per node"),
        ({"names": ["a", "b"]}, "an edge has node 2, but the graph has nodes 0 to 1"),
        ({"names": ["a", "b", "a"]}, "names must differ, 'a' comes twice"),
        ({"weights": [1.0]}, r"weights must be one per edge \(5\), got shape \(1,\)"),
        ({"weights": [1, 2, np.nan, 3, 4]}, "finite and 0 or more, edge 2 has nan"),
        ({"weights": [1, 2, 3, 4, -1]}, "edge 4 has -1.0"),
        ({"weights": [1, np.inf, 3, 4, 1]}, "edge 1 has inf"),
        ({"relations": [0]}, r"relations must be one per edge \(5\), got 1"),
        ({"relations": [0, 0, 0, 0, 2]}, "relation 2 has no name; 2 relation_names were given"),
        ({"relation_names": ["r", "r"]}, "relation_names must differ"),
        ({"relations": None}, "relation_names needs relations"),
        ({"node_data": {"kind": ["x"]}}, "node_data 'kind' must have 3 entries"),
        ({"edge_data": {"source": 7}}, "edge_data 'source' must have 5 entries"),
    ],
)
def test_parts_that_do_not_fit_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        example(**options)


def test_what_is_not_in_the_graph_is_said_with_near_names():
    graph = MultiGraph([0], [1], relations=[0], names=["aspirin", "pain"], relation_names=["treats"])
    with pytest.raises(UnknownNameError, match="node 'asprin' is not in the graph; close names: 'aspirin'"):
        graph.node("asprin")
    with pytest.raises(InputError, match="node 2 is not in the graph, which has nodes 0 to 1"):
        graph.node(2)
    with pytest.raises(InputError, match="node -1"):
        graph.successors(-1)
    with pytest.raises(UnknownNameError, match="relation 'treat' is not in the graph; close names: 'treats'"):
        graph.relation("treat")
    with pytest.raises(UnknownNameError, match="relation 1 "):
        graph.relation(1)


# ------------------------------------------------------------------------------------------------------ arcs


def test_arcs_by_hand():
    graph = example()
    arcs = graph.forward
    assert arcs.indptr.tolist() == [0, 2, 3, 5]
    assert arcs.nodes.tolist() == [1, 1, 2, 0, 2]
    assert arcs.edges.tolist() == [1, 0, 2, 4, 3]  # relation 0 before relation 1
    assert graph.backward.indptr.tolist() == [0, 1, 3, 5]
    assert graph.backward.nodes.tolist() == [2, 0, 0, 1, 2]
    assert graph.backward.edges.tolist() == [4, 1, 0, 2, 3]
    assert graph.out_degree().tolist() == [2, 1, 2]
    assert graph.in_degree().tolist() == [1, 2, 2]
    assert graph.successors("a").tolist() == [1]
    assert graph.predecessors("c").tolist() == [1, 2]
    assert graph.edges_from("c").tolist() == [4, 3]
    assert graph.edges_between("a", "b").tolist() == [1, 0]
    assert graph.edges_between("b", "a").tolist() == []


def test_an_undirected_edge_is_walked_both_ways_and_a_loop_once():
    graph = example(directed=False)
    assert graph.backward is graph.forward
    assert graph.out_degree().tolist() == [3, 3, 3]
    assert graph.edges_between("b", "a").tolist() == graph.edges_between("a", "b").tolist() == [1, 0]
    assert graph.edges_between("c", "c").tolist() == [3]
    assert graph.predecessors(0).tolist() == graph.successors(0).tolist() == [1, 2]


@given(graphs())
def test_arcs_are_all_edges_in_one_order(graph):
    for arcs, sources, targets in (
        (graph.forward, graph.tails, graph.heads),
        (graph.backward, graph.heads, graph.tails),
    ):
        rows = np.repeat(np.arange(graph.n_nodes), np.diff(arcs.indptr)).tolist()
        kinds = np.zeros(graph.n_edges, dtype=int) if graph.relations is None else graph.relations
        found = [(r, n, int(kinds[e]), e) for r, n, e in zip(rows, arcs.nodes.tolist(), arcs.edges.tolist())]
        expected = [(int(s), int(t), int(kinds[e]), e) for e, (s, t) in enumerate(zip(sources, targets))]
        if not graph.directed:
            expected += [(t, s, k, e) for s, t, k, e in expected if s != t]
        assert found == sorted(expected)


@given(graphs(), st.randoms(use_true_random=False))
def test_numbering_nodes_anew_renames_the_arcs_and_nothing_else(graph, random):
    order = list(range(graph.n_nodes))
    random.shuffle(order)
    new = np.array(order)
    other = MultiGraph(
        new[graph.tails],
        new[graph.heads],
        n_nodes=graph.n_nodes,
        relations=graph.relations,
        directed=graph.directed,
    )
    for node in range(graph.n_nodes):
        assert sorted(new[graph.successors(node)]) == other.successors(int(new[node])).tolist()
        assert sorted(graph.edges_from(node)) == sorted(other.edges_from(int(new[node])))


def test_weights_of_arcs_follow_their_edges():
    graph = example()
    assert graph.arc_weights(graph.forward).tolist() == [5.0, 1.0, 0.5, 3.0, 2.0]
    assert graph.arc_weights(graph.backward).tolist() == [3.0, 5.0, 1.0, 0.5, 2.0]
    assert graph.arc_weights(graph.forward, None).tolist() == [1.0] * 5
    assert graph.arc_weights(graph.forward, [0, 1, 2, 3, 4]).tolist() == [1, 0, 2, 4, 3]
    assert example(weights=None).arc_weights(graph.forward).tolist() == [1.0] * 5
    with pytest.raises(InputError, match="weight must be 'graph', None or one number per edge, got 'length'"):
        graph.arc_weights(graph.forward, "length")
    with pytest.raises(InputError, match="edge 0 has -1"):
        graph.arc_weights(graph.forward, [-1, 1, 1, 1, 1])


# ------------------------------------------------------------------------------------------------ other forms


def test_some_edges_keep_their_nodes_and_columns():
    graph = example()
    kept = graph.select([4, 0])
    assert (kept.tails.tolist(), kept.heads.tolist()) == ([2, 0], [0, 1])
    assert (kept.weights.tolist(), kept.relations.tolist()) == ([3.0, 1.0], [0, 1])
    assert kept.names == graph.names
    assert kept.relation_names == graph.relation_names
    assert kept.edge_data["source"].tolist() == ["t", "p"]
    mask = np.array([True, False, False, False, True])
    assert graph.select(mask).edge_data["source"].tolist() == ["p", "t"]
    assert graph.select([]).n_edges == 0
    assert graph.select([]).n_nodes == 3
    assert not example(directed=False).select([0]).directed
    for edges, message in (
        ([5], "from 0 to 4"),
        ([-1], "from 0 to 4"),
        ([True], r"one entry per edge \(5\)"),
    ):
        with pytest.raises(InputError, match=message):
            graph.select(np.array(edges))


@given(graphs())
def test_an_adjacency_holds_the_least_weight_of_parallel_edges(graph):
    found = graph.to_scipy()
    weights = np.ones(graph.n_edges) if graph.weights is None else graph.weights
    least: dict[tuple[int, int], float] = {}
    for tail, head, weight in zip(graph.tails.tolist(), graph.heads.tolist(), weights.tolist()):
        for pair in {(tail, head)} if graph.directed else {(tail, head), (head, tail)}:
            least[pair] = min(weight, least.get(pair, np.inf))
    assert found.shape == (graph.n_nodes, graph.n_nodes)
    assert found.nnz == len(least)
    rows, nodes = found.nonzero()
    coo = found.tocoo()
    assert dict(zip(zip(coo.row.tolist(), coo.col.tolist()), coo.data.tolist())) == least
    assert len(rows) == len(nodes)


@given(graphs())
def test_networkx_gives_the_same_graph_back(graph):
    other = graph.to_networkx()
    assert isinstance(other, networkx.MultiDiGraph if graph.directed else networkx.MultiGraph)
    again = from_networkx(other)
    assert again.n_nodes == graph.n_nodes
    assert again.directed == graph.directed
    ends = zip(graph.tails.tolist(), graph.heads.tolist())
    mirrored = zip(again.tails.tolist(), again.heads.tolist())
    for one, two in zip(ends, mirrored, strict=True):
        assert one == two or (not graph.directed and one == two[::-1])
    if graph.weights is not None and graph.n_edges:
        assert np.array_equal(graph.weights, again.weights)


# ------------------------------------------------------------------------------------------------ nothing changes


def test_arrays_cannot_be_written_and_the_callers_are_left_alone():
    tails, heads = np.array([0, 1], dtype=np.int32), np.array([1, 0], dtype=np.int32)
    weights, kinds = np.array([1.0, 2.0]), np.array([0, 1], dtype=np.int32)
    kind, source = np.array(["x", "y"]), np.array([7, 8])
    graph = MultiGraph(
        tails, heads, weights=weights, relations=kinds, node_data={"kind": kind}, edge_data={"source": source}
    )
    given_arrays = [tails, heads, weights, kinds, source]
    for array in given_arrays:
        array[0] = 1  # the caller's stay his
    kind[0] = "z"
    assert (graph.tails[0], graph.heads[0], graph.weights[0], graph.relations[0]) == (0, 1, 1.0, 0)
    assert graph.node_data["kind"][0] == "x"
    assert graph.edge_data["source"][0] == 7
    arcs = graph.forward
    for array in (
        graph.tails,
        graph.heads,
        graph.weights,
        graph.relations,
        graph.node_data["kind"],
        graph.edge_data["source"],
        arcs.indptr,
        arcs.nodes,
        arcs.edges,
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(TypeError):
        graph.node_data["kind"] = kind


def test_attributes_cannot_be_set():
    graph = MultiGraph([0], [1], weights=[1.0])
    with pytest.raises(AttributeError, match="a MultiGraph does not change: weights cannot be set"):
        graph.weights = None
    assert graph.forward.nodes.tolist() == [1]


@pytest.mark.parametrize("count", [-1, 2**40, 1.5, True])
def test_counts_of_nodes_out_of_range_are_named(count):
    with pytest.raises(InputError, match="n_nodes must be an integer from 0 to"):
        MultiGraph([], [], n_nodes=count)
