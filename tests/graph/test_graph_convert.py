"""Graphs of other packages: the same edges, the same numbers, clear refusals."""

from __future__ import annotations

from types import SimpleNamespace

import networkx
import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st

from hodology.errors import InputError, UnknownNameError
from hodology.graph.convert import (
    from_named_edges,
    from_networkx,
    from_ogb,
    from_pykeen,
    from_scipy,
    to_networkx,
)
from hodology.graph.multigraph import MultiGraph


def example(**changes):
    options = {
        "relations": [0, 1, 0, 0],
        "relation_names": ["binds", "treats"],
        "weights": [1.0, 2.0, 0.0, 4.0],
        "names": ["a", "b", "c"],
        "node_data": {"kind": ["x", "y", "z"]},
        "edge_data": {"year": [1, 2, 3, 4]},
    }
    return MultiGraph([0, 0, 1, 1], [1, 1, 1, 0], **{**options, **changes})


# ------------------------------------------------------------------------------------------------- by name


def test_named_edges_are_numbered_as_they_come():
    graph = from_named_edges(["b", "c"], ["a", "b"], ["s", "r"], weights=[1, 2], edge_data={"k": [5, 6]})
    assert graph.names == ("b", "a", "c")
    assert graph.relation_names == ("s", "r")
    assert (graph.tails.tolist(), graph.heads.tolist()) == ([0, 2], [1, 0])
    assert (graph.weights.tolist(), graph.edge_data["k"].tolist()) == ([1.0, 2.0], [5, 6])
    numbers = from_named_edges(np.array([10, 7]), (7, 10), directed=False)
    assert numbers.names == ("10", "7")
    assert not numbers.directed
    table = from_named_edges(
        ["b"], ["a"], ["r"], nodes={"id": ["a", "b"], "age": [1, 2]}, relation_names=["q", "r"]
    )
    assert (table.names, table.relation_names) == (("a", "b"), ("q", "r"))
    assert table.node_data["age"].tolist() == [1, 2]
    assert from_named_edges([], []).n_nodes == 0


def test_columns_of_a_table_do_as_well():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"h": ["a", "b"], "r": ["x", "y"], "t": ["b", "c"], "w": [0.5, 1.5]})
    graph = from_named_edges(table["h"], table["t"], table["r"], weights=table["w"])
    assert graph.names == ("a", "b", "c")
    assert graph.weights.tolist() == [0.5, 1.5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": ["a"]}, "all must be equally long, got sources 2, targets 1"),
        ({"relations": ["r"]}, "relations 1"),
        ({"weights": [1.0]}, "weights 1"),
        ({"weights": [1.0, -2.0]}, "edge 1: weight must be finite and 0 or more, got -2"),
        ({"weights": [[1.0, 2.0]]}, "weights must be one per edge"),
        ({"weights": ["x", "y"]}, "weights must be numbers"),
        ({"sources": ["a", None]}, "sources: entry 1 has no name"),
        ({"sources": ["a", float("nan")]}, "sources: entry 1 has no name"),
        ({"sources": ["a", ""]}, "edge 1: a node has no name"),
        (
            {"nodes": {"id": ["a", "b", "gamma"]}, "targets": ["b", "gama"]},
            "'gama' is not in the table.*'gamma'",
        ),
        ({"edge_data": {"k": [1]}}, "edge_data 'k' must have 2 entries"),
    ],
)
def test_named_edges_that_do_not_fit_are_refused(options, message):
    arguments = {"sources": ["a", "b"], "targets": ["b", "a"], **options}
    with pytest.raises(InputError, match=message):
        from_named_edges(arguments.pop("sources"), arguments.pop("targets"), **arguments)


# ------------------------------------------------------------------------------------------------ networkx


@pytest.mark.parametrize("directed", [True, False])
def test_networkx_and_back(directed):
    graph = example(directed=directed)
    other = to_networkx(graph)
    assert other.is_directed() == directed
    assert list(other.nodes.data("kind")) == [("a", "x"), ("b", "y"), ("c", "z")]
    assert other.edges["a", "b", 1] == {"relation": "treats", "weight": 2.0, "year": 2}
    assert other.number_of_edges("b", "b") == 1
    again = from_networkx(other, columns="all")
    for name in ("relations", "weights"):
        assert np.array_equal(getattr(again, name), getattr(graph, name))
    ends = np.sort([again.tails, again.heads], axis=0) if not directed else [again.tails, again.heads]
    expected = np.sort([graph.tails, graph.heads], axis=0) if not directed else [graph.tails, graph.heads]
    assert np.array_equal(ends, expected)
    assert (again.names, again.relation_names) == (graph.names, graph.relation_names)
    assert again.edge_data["year"].tolist() == [1, 2, 3, 4]
    assert again.node_data["kind"].tolist() == ["x", "y", "z"]


def test_networkx_weights_keys_and_numbers():
    other = networkx.MultiDiGraph()
    other.add_edge("a", "b", key="binds")
    other.add_edge("a", "b", key="treats", weight=3)
    graph = from_networkx(other, relation="key")
    assert graph.relation_names == ("binds", "treats")
    assert graph.weights.tolist() == [1.0, 3.0]
    assert from_networkx(other, weight=None).weights is None
    assert from_networkx(networkx.path_graph(3)).weights is None
    numbers = networkx.DiGraph([(2, 0), (0, 1)])
    graph = from_networkx(numbers)
    assert graph.names is None
    assert (graph.tails.tolist(), graph.heads.tolist()) == ([2, 0], [0, 1])
    assert from_networkx(networkx.DiGraph([(2, 5)])).names == ("2", "5")
    assert from_networkx(networkx.Graph()).n_nodes == 0


def test_networkx_attributes_that_do_not_fit_are_refused():
    other = networkx.Graph()
    other.add_edge("a", "b", relation="r", colour="red")
    other.add_edge("b", "c", colour="blue")
    with pytest.raises(InputError, match="edge 1 has no attribute 'relation', which other edges have"):
        from_networkx(other)
    assert from_networkx(other, relation="colour").relation_names == ("red", "blue")
    with pytest.raises(UnknownNameError, match="no edge has an attribute 'color'; close names: 'colour'"):
        from_networkx(other, relation="color")
    with pytest.raises(UnknownNameError, match="no edge has an attribute 'length'"):
        from_networkx(other, relation=None, weight="length")
    with pytest.raises(InputError, match="attribute 'colour' must hold numbers"):
        from_networkx(other, relation=None, weight="colour")
    with pytest.raises(InputError, match="two nodes have the same text '1'"):
        from_networkx(networkx.Graph([(1, "1")]))
    with pytest.raises(InputError, match="columns must be 'all' or names, got 'colour'"):
        from_networkx(other, relation=None, columns="colour")
    with pytest.raises(InputError, match="edge data 'weight' would hide the graph's own"):
        to_networkx(example(edge_data={"weight": [1, 2, 3, 4]}))
    before = {u: dict(data) for u, data in other.nodes.data()}
    assert before == {"a": {}, "b": {}, "c": {}}


# --------------------------------------------------------------------------------------------------- SciPy


@given(st.integers(1, 6), st.integers(0, 2**32 - 1), st.booleans())
def test_an_adjacency_and_back(n, seed, directed):
    rng = np.random.default_rng(seed)
    matrix = np.where(rng.random((n, n)) < 0.4, rng.integers(1, 9, (n, n)), 0).astype(float)
    matrix = matrix if directed else np.triu(matrix) + np.triu(matrix, 1).T
    for form in (
        matrix,
        scipy.sparse.csr_array(matrix),
        scipy.sparse.csc_matrix(matrix),
        scipy.sparse.lil_array(matrix),
    ):
        graph = from_scipy(form, directed=directed)
        assert np.array_equal(graph.to_scipy().toarray(), matrix)
    assert graph.n_edges == np.count_nonzero(matrix if directed else np.triu(matrix))


def test_stored_zeros_truth_values_and_shapes():
    stored = scipy.sparse.csr_array(([0.0, 2.0], ([0, 1], [1, 0])), shape=(3, 3))
    assert from_scipy(stored, names=["a", "b", "c"]).weights.tolist() == [0.0, 2.0]
    assert from_scipy(stored, weighted=False).weights is None
    assert from_scipy(np.eye(3, dtype=bool)).weights is None
    for wrong in (np.zeros((2, 3)), np.zeros(4), [[0, 1], [1, 0]]):
        with pytest.raises(InputError, match="matrix must be square, got shape"):
            from_scipy(wrong)
    with pytest.raises(InputError, match="symmetric for an undirected graph"):
        from_scipy(stored, directed=False)
    with pytest.raises(InputError, match="finite and 0 or more, edge 0 has -1"):
        from_scipy(-np.eye(2))


# --------------------------------------------------------------------------------------------- PyKEEN and OGB


def test_a_factory_keeps_its_numbers():
    triples = torch.tensor([[2, 1, 0], [0, 0, 1]])
    names = {"b": 1, "a": 0, "c": 2}
    factory = SimpleNamespace(mapped_triples=triples, entity_to_id=names, relation_to_id={"s": 1, "r": 0})
    graph = from_pykeen(factory)
    assert (graph.names, graph.relation_names) == (("a", "b", "c"), ("r", "s"))
    assert (graph.tails.tolist(), graph.relations.tolist(), graph.heads.tolist()) == ([2, 0], [1, 0], [0, 1])
    core = from_pykeen(SimpleNamespace(mapped_triples=triples, num_entities=7))
    assert (core.n_nodes, core.names) == (7, None)
    with pytest.raises(InputError, match="factory must have mapped_triples, as PyKEEN's have, got int"):
        from_pykeen(3)
    with pytest.raises(InputError, match=r"mapped_triples must have shape \(triples, 3\), got \(2, 2\)"):
        from_pykeen(SimpleNamespace(mapped_triples=triples[:, :2]))
    with pytest.raises(InputError, match="entity_to_id must number names from 0 without gaps"):
        from_pykeen(SimpleNamespace(mapped_triples=triples, entity_to_id={"a": 0, "b": 2}))


def test_graphs_of_ogb():
    data = {
        "edge_index_dict": {
            ("drug", "treats", "disease"): np.array([[1], [0]]),
            ("disease", "near", "disease"): np.array([[0, 1], [1, 0]]),
        },
        "num_nodes_dict": {"disease": 2, "drug": 3},
    }
    graph = from_ogb(data)
    assert graph.names == ("disease::0", "disease::1", "drug::0", "drug::1", "drug::2")
    assert graph.node_data["kind"].tolist() == ["disease"] * 2 + ["drug"] * 3
    assert graph.relation_names == ("treats", "near")
    assert (graph.tails.tolist(), graph.heads.tolist()) == ([3, 0, 1], [0, 1, 0])
    flat = {"edge_index": np.array([[0, 1], [1, 2]]), "edge_reltype": np.array([[1], [0]]), "num_nodes": 5}
    graph = from_ogb(flat)
    assert (graph.n_nodes, graph.relations.tolist()) == (5, [1, 0])
    with pytest.raises(InputError, match="data must have edge_index or edge_index_dict, got x"):
        from_ogb({"x": 1})
    with pytest.raises(InputError, match=r"edge_index must have shape \(2, edges\), got \(3, 2\)"):
        from_ogb({"edge_index": np.zeros((3, 2), dtype=int)})
