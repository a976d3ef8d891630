"""Edge lists: what networkx and SNAP write, and what is no edge list."""

from __future__ import annotations

import gzip

import networkx
import pytest

from hodology.errors import FileFormatError, InputError, UnknownNameError
from hodology.graph.files import read_graph, write_graph
from hodology.graph.multigraph import MultiGraph


def edges(graph):
    return [(graph.name(t), graph.name(h)) for t, h in zip(graph.tails.tolist(), graph.heads.tolist())]


def write(folder, name, text):
    file = folder / name
    file.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return file


@pytest.mark.parametrize("suffix", ["edgelist", "edges", "edgelist.gz"])
def test_lists_of_networkx_are_edges_with_weights(tmp_path, suffix):
    other = networkx.Graph()
    other.add_weighted_edges_from([(1, 2, 3.5), (2, 3, 1.0)])
    networkx.write_weighted_edgelist(other, tmp_path / f"w.{suffix}")
    graph = read_graph(tmp_path / f"w.{suffix}", directed=False)
    assert (graph.names, graph.relations) == (("1", "2", "3"), None)
    assert (edges(graph), graph.weights.tolist()) == ([("1", "2"), ("2", "3")], [3.5, 1.0])
    assert read_graph(tmp_path / f"w.{suffix}", weight=None).weights is None
    networkx.write_edgelist(other, tmp_path / f"d.{suffix}", delimiter="\t")
    assert read_graph(tmp_path / f"d.{suffix}").weights.tolist() == [3.5, 1.0]
    networkx.write_edgelist(networkx.path_graph(3), tmp_path / f"p.{suffix}")
    graph = read_graph(tmp_path / f"p.{suffix}")
    assert (edges(graph), graph.weights) == ([("0", "1"), ("1", "2")], None)
    networkx.write_edgelist(networkx.path_graph(3), tmp_path / f"n.{suffix}", data=False)
    assert edges(read_graph(tmp_path / f"n.{suffix}")) == [("0", "1"), ("1", "2")]


def test_data_in_braces_become_relations_weights_and_columns(tmp_path):
    other = networkx.DiGraph()
    other.add_edge("a", "b", relation="it's, so", year=1999, weight=2)
    other.add_edge("b", "c", relation="s", year=2001)
    networkx.write_edgelist(other, tmp_path / "g.edgelist")
    graph = read_graph(tmp_path / "g.edgelist", columns={"year": "int"})
    assert graph.relation_names == ("it's, so", "s")
    assert graph.weights.tolist() == [2.0, 1.0]
    assert graph.edge_data["year"].tolist() == [1999, 2001]
    assert list(read_graph(tmp_path / "g.edgelist", columns="all").edge_data) == ["year"]
    with pytest.raises(UnknownNameError, match="the data of no edge have 'yeer'; close names: 'year'"):
        read_graph(tmp_path / "g.edgelist", columns=["yeer"])
    with pytest.raises(FileFormatError, match="line 2: an edge has no 'weight', which others have"):
        read_graph(tmp_path / "g.edgelist", columns=["weight"], weight=None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a r b\n",
            r"g\.edgelist, line 1: an edge list has lines .*triples 'head relation tail' are read from",
        ),
        ("a b 1 2\n", r"g\.edgelist, line 1: an edge list has lines 'u v', 'u v weight' or 'u v \{data\}'"),
        ("a b 1\nb c x\n", r"g\.edgelist, line 2: 'x' is not a number"),
        ("a b {}\nb c {x: 1}\n", r"g\.edgelist, line 2: expected 'u v \{data\}', got 'b c \{x: 1\}'"),
        ("a b {}\n\nb c\n", r"g\.edgelist, line 3: expected 'u v \{data\}'"),
        ("a b {}\nb c {__import__('os').getcwd()}\n", r"g\.edgelist, line 2: expected"),
        ("a b {'weight': 1}\nb c {'weight': 'x'}\n", r"g\.edgelist, line 2: 'x' is not a number"),
        (
            "a b {'weight': 1}\nb c {'weight': -1}\n",
            r"g\.edgelist, line 2: weight must be finite and 0 or more",
        ),
    ],
)
def test_what_is_no_edge_list_is_named_by_line(tmp_path, text, message):
    with pytest.raises(FileFormatError, match=message):
        read_graph(write(tmp_path, "g.edgelist", text))


def test_lists_with_a_header_and_columns_by_place_are_tables(tmp_path):
    graph = MultiGraph([0], [1], names=["x", "y"], relations=[0], relation_names=["r"], weights=[2.0])
    write_graph(graph, tmp_path / "g.edges")
    again = read_graph(tmp_path / "g.edges")
    assert (again.names, again.relation_names, again.weights.tolist()) == (("x", "y"), ("r",), [2.0])
    graph = read_graph(write(tmp_path, "g.edgelist", "a r b\n"), head=0, relation=1, tail=2)
    assert (graph.names, graph.relation_names) == (("a", "b"), ("r",))


SNAP = "# Directed graph: x.txt\n# Nodes: 3 Edges: 2\n# FromNodeId\tToNodeId\n0\t1\n# more\n1\t2\n"


@pytest.mark.parametrize("name", ["g.txt.gz", "g.txt", "g.edges", "g.edgelist"])
def test_comments_of_snap_are_left_out(tmp_path, name):
    file = write(tmp_path, name, SNAP)
    assert edges(read_graph(file)) == [("0", "1"), ("1", "2")]


def test_comments_may_be_others_or_none(tmp_path):
    assert edges(read_graph(write(tmp_path, "g.tsv", "% x\na\tb\n"), comment="%")) == [("a", "b")]
    assert edges(read_graph(write(tmp_path, "g.txt", "#a\tb\n"), comment=False)) == [("#a", "b")]
    assert edges(read_graph(write(tmp_path, "g.tsv", "#a\tb\n"))) == [("#a", "b")]
    with pytest.raises(InputError, match="comment does not apply to a file of format sif"):
        read_graph(tmp_path / "g.sif", comment="#")
    hashed = MultiGraph([0], [1], names=["#a", "b"])
    with pytest.raises(InputError, match=r"cannot hold '#a': lines that start with # are comments there"):
        write_graph(hashed, tmp_path / "g.txt")
    write_graph(hashed, tmp_path / "g.tsv")


@pytest.mark.parametrize("name", ["type", "Predicate", "rel", "edge_type"])
def test_relations_are_known_by_other_names(tmp_path, name):
    graph = read_graph(write(tmp_path, "g.csv", f"from,{name},to\naspirin,treats,pain\n"))
    assert graph.relation_names == ("treats",)
    graph = read_graph(write(tmp_path, "g.csv", f"a,{name},b\nx,treats,y\n"), head="a", tail="b")
    assert graph.relation_names == ("treats",)
    text = f"from,{name},to\na,treats,b\n"
    assert read_graph(write(tmp_path, "g.csv", text), columns=[name]).relations is None
    other = networkx.DiGraph([("a", "b", {name.lower(): "treats"})])
    networkx.write_graphml(other, tmp_path / "g.graphml")
    assert read_graph(tmp_path / "g.graphml").relation_names == ("treats",)


def test_a_type_that_says_whether_an_edge_is_directed_is_no_relation(tmp_path):
    text = "Source,Target,Type,Id,Label,Weight\n1,2,Directed,0,,1.0\n"
    graph = read_graph(write(tmp_path, "gephi.csv", text))
    assert (graph.relations, graph.weights.tolist()) == (None, [1.0])
    plain = MultiGraph([0], [1], names=["a", "b"], edge_data={"type": ["x"]})
    write_graph(plain, tmp_path / "own.tsv")
    again = read_graph(tmp_path / "own.tsv", columns="all")
    assert (again.relations, again.edge_data["type"].tolist()) == (None, ["x"])
