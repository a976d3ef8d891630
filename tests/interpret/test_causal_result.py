"""Paths are the best there are, scores are sums, and files bring a graph back or are refused."""

from __future__ import annotations

import csv
import json
import re
from itertools import product as pairs_of

import networkx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from causal_networks import network, strong_cnn
from hodology.errors import FileFormatError, InputError, UnknownNameError
from hodology.interpret.causal_graph import causal_graph
from hodology.interpret.causal_result import COLUMNS, CausalGraph, CausalLayer

pytestmark = pytest.mark.filterwarnings("ignore:the model gives class")  # most networks here are random


def _made_up(seed):
    """A graph of random accepted edges with a skip, and a flattened map whose entries are units."""
    generator = np.random.default_rng(seed)
    layers = (
        CausalLayer("c1", "conv", 3, ("input",), (2,), (1,)),
        CausalLayer("c2", "conv", 3, ("c1",), (3,), (1,)),
        CausalLayer("c2+", "add", 3, ("c2", "c1"), (3, 3), (1, 1)),
        CausalLayer("fc1", "linear", 4, ("c2+:flat",), (6,), (2,)),
        CausalLayer("fc2", "linear", 2, ("fc1",), (4,), (1,)),
    )
    rows = []
    for layer in layers:
        for branch, (source_layer, count) in enumerate(zip(layer.sources, layer.source_units)):
            for source, target in pairs_of(range(count), range(layer.units)):
                if layer.kind != "add" or source == target:
                    rows.append((layer.name, source_layer, branch, source, target))
    columns = {
        name: np.array(values)
        for name, values in zip(("layer", "source_layer", "branch", "source", "target"), zip(*rows))
    }
    effect = generator.exponential(size=len(rows))
    kept = generator.random(len(rows)) < 0.6
    figures = {name: effect.copy() for name in ("estimate", "ci_low", "ci_high", "p", "p_adjusted")}
    columns |= figures | {"effect": effect, "tested": np.ones(len(rows), bool), "kept": kept}
    return CausalGraph(1, layers, columns, 9, 1.0, {"effect": "logodds"})


def _brute_force(found, measure):
    """Scores of all paths from the input to the class, by enumeration."""
    graph = found.graph
    largest = {}
    for row in found.rows():
        largest[row["layer"]] = max(largest.get(row["layer"], 0.0), row["effect"])
    scores = {}
    for start in [n for n in graph if n.startswith("input#")]:
        for path in networkx.all_simple_paths(graph, start, f"fc2#{found.target}"):
            shares = [
                graph.edges[e]["effect"] / largest[graph.edges[e]["layer"]]
                for e in zip(path, path[1:])
                if graph.edges[e]["kind"] != "part"
            ]
            scores[tuple(path)] = float(np.prod(shares) if measure == "product" else np.min(shares))
    return scores


@given(seed=st.integers(0, 10**6), k=st.integers(1, 40), measure=st.sampled_from(["product", "minimum"]))
@settings(max_examples=40, deadline=None)
def test_the_best_paths_are_those_of_enumeration(seed, k, measure):
    found = _made_up(seed)
    expected = _brute_force(found, measure)
    paths = found.paths(k, measure=measure)
    assert len(paths) == min(k, len(expected))
    scores = [path.score for path in paths]
    assert scores == sorted(scores, reverse=True)
    assert np.allclose(scores, sorted(expected.values(), reverse=True)[:k])
    names = [tuple(f"{s.place}#{s.unit}" for s in path.steps) for path in paths]
    assert len(set(names)) == len(names)
    assert np.allclose([expected[name] for name in names], scores)


def test_scores_of_nodes_are_sums_over_their_accepted_edges():
    found = _made_up(3)
    expected: dict[str, float] = {}
    for row in found.rows():
        tail = f"{row['source_layer']}#{row['source']}"
        expected[tail] = expected.get(tail, 0.0) + row["effect"]
        if row["source_layer"].endswith(":flat"):  # a channel has the sum of its entries
            owner = f"c2+#{row['source'] // 2}"
            expected[owner] = expected.get(owner, 0.0) + row["effect"]
    nodes = found.nodes
    for name, score in expected.items():
        assert nodes[name] == pytest.approx(score)
    assert {name for name, score in nodes.items() if np.isnan(score)} >= {"fc2#1"}


def test_branches_from_one_unit_count_both():
    class Double(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
            with torch.no_grad():
                self.a.weight.copy_(torch.eye(2))
                self.b.weight.copy_(torch.tensor([[1.0, 1.0], [0.0, 0.0]]))

        def forward(self, x):
            h = self.a(x)
            return self.b(torch.relu(h) + 2 * h)

    x = torch.tensor([[1.0, 2.0], [3.0, 2.0]])
    found = causal_graph(Double(), x, 0, effect="logit", test="none")
    rows = {(r["branch"], r["target"]): r["effect"] for r in found.rows() if r["layer"] == "+"}
    assert rows == {(0, 0): 2.0, (0, 1): 2.0, (1, 0): 4.0, (1, 1): 4.0}
    assert found.graph.edges["a#0", "+#0"]["effect"] == 6.0
    assert np.isnan(found.graph.edges["a#0", "+#0"]["ci_low"])
    assert found.nodes["a#0"] == 6.0
    assert len(found.paths(9)) == 2


def test_graphs_without_a_way_to_the_input_have_no_paths():
    model, x, target = strong_cnn()
    found = causal_graph(model, x, target, min_effect=1e6)
    assert not found.edges["kept"].any()
    assert len(found.paths(3)) == 0
    assert list(found.graph) == [f"fc2#{target}"]
    assert len(found.edge_set()) == 0
    assert [layer.candidates for layer in found.layers] == [0, 0, 0, 6]


def test_bad_questions_for_paths_are_explained():
    with pytest.raises(InputError, match="k must be at least 1, got 0"):
        _made_up(0).paths(0)
    with pytest.raises(UnknownNameError, match="measure 'products' does not exist; close names: 'product'"):
        _made_up(0).paths(2, measure="products")
    with pytest.raises(UnknownNameError, match="layer 'c3' is not in this set"):
        _made_up(0).edge_set("c3")


@pytest.fixture(scope="module", params=["zero", "mean"])
def graph_of_skips(request):
    model, x = network("skips")
    return causal_graph(model, x, 1, test="none", reference=request.param, max_parents=3, screen=0.9)


def test_json_brings_the_graph_back(graph_of_skips, tmp_path):
    found = graph_of_skips
    found.to_json(tmp_path / "graph.json")
    again = CausalGraph.from_json(tmp_path / "graph.json")
    for name in COLUMNS:
        same = found.edges[name].dtype.kind != "f"
        assert np.array_equal(again.edges[name], found.edges[name], equal_nan=not same)
        assert again.edges[name].dtype.kind == found.edges[name].dtype.kind
    assert again.layers == found.layers
    assert (again.target, again.samples, again.accuracy) == (found.target, found.samples, found.accuracy)
    assert dict(again.settings) == dict(found.settings)
    assert again.reference.keys() == found.reference.keys()
    for name, tensors in found.reference.items():
        assert all(torch.equal(a, b) for a, b in zip(again.reference[name], tensors, strict=True))
    assert list(again.edge_set().edges()) == list(found.edge_set().edges())
    assert networkx.utils.graphs_equal(again.graph, found.graph) or np.isnan(found.nodes["fc#1"])


def test_a_made_up_graph_survives_json(tmp_path):
    found = _made_up(5)
    found.to_json(tmp_path / "g.json")
    assert [tuple(r.values()) for r in CausalGraph.from_json(tmp_path / "g.json").rows()] == [
        tuple(r.values()) for r in found.rows()
    ]


def _damage(change):
    def damaged(record):
        change(record)
        return json.dumps(record)

    return damaged


DAMAGE = {
    "text": lambda record: "no graph",
    "cut off": lambda record: json.dumps(record)[:-40],
    "a list": lambda record: "[]",
    "other format": _damage(lambda r: r.update(format="hodology-paths")),
    "other version": _damage(lambda r: r.update(version=2)),
    "no target": _damage(lambda r: r.pop("target")),
    "a word for a number": _damage(lambda r: r.update(samples="many")),
    "infinite": _damage(lambda r: r.update(samples=float("inf"))),
    "no column": _damage(lambda r: r["edges"].pop("p")),
    "a short column": _damage(lambda r: r["edges"]["p"].pop()),
    "words in a column": _damage(lambda r: r["edges"]["effect"].__setitem__(0, "large")),
    "a word for a truth": _damage(lambda r: r["edges"]["kept"].__setitem__(0, "no")),
    "a unit too many": _damage(lambda r: r["edges"]["target"].__setitem__(0, 99)),
    "a negative source": _damage(lambda r: r["edges"]["source"].__setitem__(0, -1)),
    "a third branch": _damage(lambda r: r["edges"]["branch"].__setitem__(0, 2)),
    "a huge number": _damage(lambda r: r["edges"]["source"].__setitem__(0, 10**30)),
    "an unknown layer": _damage(lambda r: r["edges"]["layer"].__setitem__(0, "c9")),
    "an unknown source": _damage(lambda r: r["edges"]["source_layer"].__setitem__(0, "c9")),
    "edges as a list": _damage(lambda r: r.update(edges=[])),
    "layers as words": _damage(lambda r: r.update(layers=["c1"])),
    "a layer with more": _damage(lambda r: r["layers"][0].update(colour="red")),
    "no layers": _damage(lambda r: r.update(layers=[])),
    "settings as a number": _damage(lambda r: r.update(settings=3)),
    "references as a list": _damage(lambda r: r.update(referenced=["c1"])),
    "references that are not there": _damage(lambda r: r.update(referenced={"c1": 1})),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_files_are_refused(name, tmp_path):
    file = tmp_path / "graph.json"
    _made_up(1).to_json(file)
    file.write_text(DAMAGE[name](json.loads(file.read_text())))
    with pytest.raises(FileFormatError, match="graph"):
        CausalGraph.from_json(file)


def test_missing_files_are_explained(tmp_path):
    with pytest.raises(FileFormatError):
        CausalGraph.from_json(tmp_path / "none.json")
    with pytest.raises(InputError, match="does not exist"):
        _made_up(1).to_json(tmp_path / "no" / "graph.json")


def test_graphml_brings_nodes_edges_and_figures_back(graph_of_skips, tmp_path):
    graph_of_skips.to_graphml(tmp_path / "g.graphml")
    read, graph = networkx.read_graphml(tmp_path / "g.graphml"), graph_of_skips.graph
    assert set(read) == set(graph)
    assert set(read.edges) == set(graph.edges)
    for tail, head, data in graph.edges(data=True):
        for name, value in data.items():
            other = read.edges[tail, head][name]
            assert other == value or (np.isnan(other) and np.isnan(value))
    assert {n: d["unit"] for n, d in read.nodes(data=True)} == {
        n: d["unit"] for n, d in graph.nodes(data=True)
    }


def test_graphviz_text_names_every_node_and_edge(graph_of_skips, tmp_path):
    graph_of_skips.to_dot(tmp_path / "g.dot")
    text = (tmp_path / "g.dot").read_text()
    assert text.startswith("digraph causal {")
    assert text.count("{") == text.count("}")
    string = r'"((?:[^"\\]|\\.)*)"'
    edges = re.findall(rf"^  {string} -> {string} \[penwidth=([\d.]+)", text, flags=re.M)
    assert {(tail, head) for tail, head, _ in edges} == set(graph_of_skips.graph.edges)
    assert all(0.5 <= float(width) <= 4.5 for _, _, width in edges)
    assert set(re.findall(rf'{string} \[label="\d+"\]', text)) == set(graph_of_skips.graph)


def test_tables_have_a_row_per_candidate(graph_of_skips, tmp_path):
    graph_of_skips.to_csv(tmp_path / "edges.csv")
    with open(tmp_path / "edges.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == len(graph_of_skips.edges["effect"])
    assert tuple(rows[0]) == COLUMNS
    effects = [float(row["effect"]) for row in rows if row["effect"] != "nan"]
    assert effects == sorted(effects, reverse=True)
    assert sorted(effects) == sorted(e for e in graph_of_skips.edges["effect"].tolist() if not np.isnan(e))
    pandas = pytest.importorskip("pandas", reason="needs the hf extra")
    table = graph_of_skips.to_pandas()
    assert isinstance(table, pandas.DataFrame)
    assert list(table.columns) == list(COLUMNS)
    assert table["kept"].sum() == sum(row["kept"] == "True" for row in rows)
