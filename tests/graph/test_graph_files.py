"""Graph files: round trips, the files of other programs, and damaged ones."""

from __future__ import annotations

import gzip
import importlib
import sys
import zipfile

import networkx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hodology.errors import FileFormatError, InputError, MissingExtraError, UnknownNameError
from hodology.files import write_arrays
from hodology.graph import text_blocks
from hodology.graph.files import FORMATS, graph_format, open_graph, read_graph, write_graph
from hodology.graph.graphml_files import read_graphml
from hodology.graph.multigraph import MultiGraph
from hodology.graph.node_tables import read_nodes, read_relations
from hodology.graph.ntriples_files import read_ntriples
from hodology.graph.triple_files import read_triples

BOTH = [
    "tsv",
    "csv",
    "tsv.gz",
    "csv.gz",
    "parquet",
    "arrow",
]  # formats of edges, with a table of nodes beside


def example(**changes):
    options = {
        "relations": [0, 1, 0, 1, 1],
        "weights": [1.0, 0.1, 3.0, 0.0, 2.5],
        "names": ["007", "b c", "ü<&>", "alone"],
        "relation_names": ["r&1", "s"],
        "node_data": {"kind": np.array(["x", "", "y", "z"])},
        "edge_data": {"source": np.array(["p", "q", "", "r", "'"])},
    }
    return MultiGraph([0, 0, 1, 2, 2], [1, 1, 2, 2, 0], **{**options, **changes})


def assert_same(found, expected):
    """Everything equal, dtypes of numbers included."""
    assert (found.n_nodes, found.directed) == (expected.n_nodes, expected.directed)
    assert (found.names, found.relation_names) == (expected.names, expected.relation_names)
    for name in ("tails", "heads", "relations", "weights"):
        one, two = getattr(found, name), getattr(expected, name)
        assert (one is None) == (two is None), name
        assert one is None or (one.dtype == two.dtype and np.array_equal(one, two)), name
    for one, two in ((found.node_data, expected.node_data), (found.edge_data, expected.edge_data)):
        assert list(one) == list(two)
        for name in one:
            assert one[name].dtype == two[name].dtype
            assert one[name].tolist() == two[name].tolist()


def triples(graph):
    kinds = [None] * graph.n_edges if graph.relations is None else graph.relations
    return [
        (graph.name(t), None if k is None else graph.relation_names[k], graph.name(h))
        for t, k, h in zip(graph.tails.tolist(), kinds, graph.heads.tolist())
    ]


def write(folder, name, text):
    file = folder / name
    data = text if isinstance(text, bytes) else text.encode()
    file.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return file


# --------------------------------------------------------------------------------------------------- round trips


@pytest.mark.parametrize("suffix", BOTH)
@pytest.mark.parametrize("directed", [True, False])
def test_edges_and_the_table_of_nodes_come_back(tmp_path, suffix, directed):
    if suffix in ("parquet", "arrow"):
        pytest.importorskip("pyarrow")
    graph, file, nodes = example(directed=directed), tmp_path / f"g.{suffix}", tmp_path / "nodes.tsv"
    write_graph(graph, file, nodes=nodes)
    told = None if suffix in ("parquet", "arrow") else directed  # text does not say
    assert_same(read_graph(file, nodes=nodes, columns="all", directed=told), graph)
    plain = MultiGraph([0, 1], [1, 0], names=["x", "y"], directed=directed)
    write_graph(plain, file)
    assert_same(read_graph(file, directed=told), plain)


@pytest.mark.parametrize("suffix", ["graphml", "graphml.gz"])
@pytest.mark.parametrize("directed", [True, False])
def test_graphml_keeps_all(tmp_path, suffix, directed):
    columns = {"n": np.array([1, 2, 3, 4]), "x": np.array([0.5, 1, 2, 3]), "ok": np.array([True, False] * 2)}
    graph = example(directed=directed, node_data=columns, edge_data={"k": np.arange(5)})
    write_graph(graph, tmp_path / f"g.{suffix}")
    assert_same(read_graph(tmp_path / f"g.{suffix}", columns="all"), graph)


@pytest.mark.parametrize(
    "graph",
    [
        MultiGraph([], []),
        MultiGraph([0], [2], n_nodes=9, directed=False),
        MultiGraph([], [], names=[]),
        MultiGraph([], [], names=["", "é"], relations=[], relation_names=["never"]),
        example(
            node_data={"t": np.array(["a", "b", "", "ü"], dtype=np.dtypes.StringDType()), "p": np.eye(4)}
        ),
    ],
)
def test_npz_is_exact(tmp_path, graph):
    write_graph(graph, tmp_path / "g.npz")
    assert_same(read_graph(tmp_path / "g.npz"), graph)
    first = (tmp_path / "g.npz").read_bytes()
    write_graph(graph, tmp_path / "g.npz")
    assert (tmp_path / "g.npz").read_bytes() == first


NAME = st.text(st.characters(codec="utf-8", exclude_characters="\t\n\r\0"), min_size=1, max_size=5)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(NAME, NAME, NAME, st.floats(0, 1e300)), max_size=8), st.sampled_from(["tsv", "csv.gz"])
)
def test_any_names_come_back_from_text(tmp_path, rows, suffix):
    names = list(dict.fromkeys(name for h, _, t, _ in rows for name in (h, t)))
    kinds = list(dict.fromkeys(kind for _, kind, _, _ in rows))
    graph = MultiGraph(
        [names.index(h) for h, _, _, _ in rows],
        [names.index(t) for _, _, t, _ in rows],
        names=names,
        relations=[kinds.index(k) for _, k, _, _ in rows],
        relation_names=kinds,
        weights=[w for *_, w in rows],
    )
    write_graph(graph, tmp_path / f"g.{suffix}")
    found = read_graph(tmp_path / f"g.{suffix}")
    if rows:
        assert_same(found, graph)
    assert found.n_edges == len(rows)


def test_quoted_cells_hold_delimiters_quotes_and_lines(tmp_path):
    graph = MultiGraph([0, 1], [1, 2], names=['a,"b"', "two\nlines", " ; "])
    write_graph(graph, tmp_path / "g.csv")
    assert_same(read_graph(tmp_path / "g.csv"), graph)


def test_sif_and_ntriples_come_back(tmp_path):
    graph = MultiGraph(
        [0, 0], [1, 0], names=["a b", "c", "alone"], relations=[0, 1], relation_names=["pp", "pd"]
    )
    write_graph(graph, tmp_path / "g.sif")
    assert_same(read_graph(tmp_path / "g.sif"), graph)
    iris = ["http://x.org/a", "_:b0", "urn:c"]
    graph = MultiGraph(
        [0, 1],
        [1, 2],
        names=iris,
        relations=[0, 0],
        relation_names=["http://x.org/r"],
        node_data={"label": np.array(['A "quoted"\nname', "", "C\\"])},
    )
    write_graph(graph, tmp_path / "g.nt.gz")
    assert_same(read_graph(tmp_path / "g.nt.gz"), graph)


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    (tmp_path / "g.tsv").write_text("before")
    with pytest.raises(InputError, match=r"cannot hold '\\t'"):
        write_graph(MultiGraph([0, 1], [1, 0], names=["a", "b\tc"]), tmp_path / "g.tsv")
    assert [f.name for f in tmp_path.iterdir()] == ["g.tsv"]
    assert (tmp_path / "g.tsv").read_text() == "before"


@pytest.mark.parametrize("suffix", ["tsv", "csv", "parquet", "sif"])
def test_what_a_file_of_edges_would_lose_must_be_said(tmp_path, suffix):
    pytest.importorskip("pyarrow")
    graph = example(weights=None, edge_data=None)
    with pytest.raises(InputError, match="would lose node data kind.*nodes=FILE"):
        write_graph(graph, tmp_path / f"g.{suffix}")
    write_graph(graph, tmp_path / f"g.{suffix}", nodes=False)
    assert triples(read_graph(tmp_path / f"g.{suffix}")) == triples(graph)
    if suffix != "sif":
        with pytest.raises(InputError, match="would lose 1 nodes without an edge"):
            write_graph(example(node_data=None), tmp_path / f"g.{suffix}")


def test_graphs_that_a_format_cannot_hold_are_refused(tmp_path):
    named = {"names": ["a", "b"], "relations": [0]}
    cases = [
        ("g.sif", MultiGraph([0], [1]), "SIF needs a relation"),
        ("g.sif", MultiGraph([0], [1], relations=[0], weights=[1.0]), "would lose weights"),
        ("g.nt", MultiGraph([0], [1]), "N-Triples need a name"),
        ("g.nt", MultiGraph([0], [1], **named), "'a' is no IRI"),
        ("g.nt", MultiGraph([0], [1], weights=[1.0], **named), "would lose weights"),
        ("g.graphml", MultiGraph([0], [1], names=["a", "b\x01"]), "which XML cannot hold"),
        ("g.graphml", MultiGraph([0], [1], node_data={"p": np.eye(2)}), "has no type in GraphML"),
        ("g.npz", MultiGraph([0], [1], node_data={"o": np.array([{}, {}])}), "holds objects"),
        ("g.npz", MultiGraph([0], [1], names=["a", "\ud800"]), "no valid Unicode"),
        ("g.tsv", MultiGraph([0], [1], edge_data={"head": [1]}), "'head' would come twice"),
        ("g.graphml", MultiGraph([0], [1], relations=[0], edge_data={"relation": [1]}), "would come twice"),
    ]
    for name, graph, message in cases:
        with pytest.raises(InputError, match=message):
            write_graph(graph, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------------ text of others


def test_nodes_come_in_the_order_of_their_first_line_and_stay_text(tmp_path):
    graph = read_graph(write(tmp_path, "g.tsv", "1\tr\t02\n3\ts\t1\n1\tr\t02\n"))
    assert graph.names == ("1", "02", "3")
    assert graph.relation_names == ("r", "s")
    assert triples(graph) == [("1", "r", "02"), ("3", "s", "1"), ("1", "r", "02")]
    assert triples(read_graph(write(tmp_path, "g.txt", "a\tb\nb\tc"))) == [("a", None, "b"), ("b", None, "c")]
    four = read_graph(write(tmp_path, "g.tsv", "a\tr\tb\t0.5\n"))
    assert four.weights.tolist() == [0.5]


@pytest.mark.parametrize(
    "header",
    [
        "source,metaedge,target",
        "Source,Relation,Target",
        "subject,predicate,object",
        "h,r,t",
        "pre,type,post",
        ":START_ID,:TYPE,:END_ID",
    ],
)
def test_headers_of_other_programs_are_known(tmp_path, header):
    graph = read_graph(write(tmp_path, "g.csv", f"{header}\na,binds,b\n"))
    assert triples(graph) == [("a", "binds", "b")]


def test_columns_by_name_by_place_and_of_a_kind(tmp_path):
    text = "x_id,y_id,kind,strength,year,note\na,b,r,2,1999,0.50\nb,c,s,3,2001,\n"
    file = write(tmp_path, "g.csv.gz", text)
    kinds = {"year": "int", "note": "float"}
    graph = read_graph(file, head="x_id", tail="y_id", relation="kind", weight="strength", columns=kinds)
    assert triples(graph) == [("a", "r", "b"), ("b", "s", "c")]
    assert graph.weights.tolist() == [2.0, 3.0]
    assert graph.edge_data["year"].tolist() == [1999, 2001]
    assert np.array_equal(graph.edge_data["note"], [0.5, np.nan], equal_nan=True)
    graph = read_graph(file, head=1, tail=0, relation=None, columns=["note"], header=True)
    assert triples(graph) == [("b", None, "a"), ("c", None, "b")]
    assert graph.edge_data["note"].tolist() == ["0.50", ""]
    with pytest.raises(UnknownNameError, match="has no column 'x_idd'; close names: 'x_id'"):
        read_graph(file, head="x_idd", tail="y_id")
    with pytest.raises(UnknownNameError, match="has no column 9; it has columns 0 to 5"):
        read_graph(file, head=9, tail=0, header=True)
    with pytest.raises(InputError, match="must be different columns"):
        read_graph(file, head="x_id", tail="x_id")
    with pytest.raises(InputError, match="column 'year' must be text, int or float, got 'integer'"):
        read_graph(file, head="x_id", tail="y_id", columns={"year": "integer"})
    with pytest.raises(FileFormatError, match="two columns 'head'"):
        read_graph(write(tmp_path, "t.tsv", "head\thead\ttail\na\tb\tc\n"))


def test_delimiters_are_found_or_given(tmp_path):
    for mark in "\t,;| ":
        assert triples(read_graph(write(tmp_path, "g.txt", f"a{mark}r{mark}b\n"))) == [("a", "r", "b")]
    assert triples(read_graph(write(tmp_path, "g.csv", "a;r;b,1\n"))) == [("a", "r", "b,1")]
    found = read_graph(write(tmp_path, "g.csv", "a,1;r;b,2\n"), delimiter=";")
    assert triples(found) == [("a,1", "r", "b,2")]
    with pytest.raises(InputError, match="delimiter must be one ASCII character, got '::'"):
        read_graph(write(tmp_path, "g.csv", "a::b\n"), delimiter="::")


def test_quotes_are_text_in_tsv_and_marks_in_csv(tmp_path):
    assert read_graph(write(tmp_path, "g.tsv", '"a"\tr\t5" b\n')).names == ('"a"', '5" b')
    assert read_triples(write(tmp_path, "g.tsv", '"a\tx"\tr\tb\n'), quoted=True).names == ("a\tx", "b")
    text = 'head,relation,tail\n"a, ""x""",r,b\n\nplain,r,"two\nlines"\n'
    assert read_graph(write(tmp_path, "g.csv", text)).names == ('a, "x"', "b", "plain", "two\nlines")


def test_windows_text_marks_blank_lines_and_comments(tmp_path):
    text = b"\xef\xbb\xbfhead\ttail\r\na\tb\r\n\r\nb\tc"
    assert triples(read_graph(write(tmp_path, "g.tsv", text))) == [("a", None, "b"), ("b", None, "c")]
    file = write(tmp_path, "g.txt", "# made by hand\n#from to\na b\n# more\nb c\n")
    assert triples(read_triples(file, comment="#")) == [("a", None, "b"), ("b", None, "c")]


@pytest.mark.parametrize("chunk", [1, 2, 5, 64])
def test_the_size_of_the_pieces_read_changes_nothing(tmp_path, monkeypatch, chunk):
    text = "\ufeffhead,relation,tail\n" + "".join(f" n{i % 7},r{i % 3},ü{i % 5}\n" for i in range(60))
    for body in (text, text + '"q,1",r0,n1\nn1,r0,"l\nm"\n', text.replace("\n", "\r\n")):
        file = write(tmp_path, "g.csv.gz", body)
        expected = read_graph(file)
        with monkeypatch.context() as patch:
            patch.setattr(text_blocks, "_CHUNK", chunk)
            assert_same(read_graph(file), expected)


def test_tables_of_nodes_and_relations_give_the_order(tmp_path):
    file = write(tmp_path, "g.tsv", "b\ts\ta\n")
    nodes = write(tmp_path, "nodes.csv", "id,name,kind\na,Anna,x\nb,Bert,y\nc,,\n")
    kinds = write(tmp_path, "relations.tsv", "relation\tverb\nr\truns\ns\tstops\n")
    graph = read_graph(file, nodes=nodes, relations=kinds)
    assert graph.names == ("a", "b", "c")
    assert graph.relation_names == ("r", "s")
    assert triples(graph) == [("b", "s", "a")]
    assert graph.node_data["name"].tolist() == ["Anna", "Bert", ""]
    assert_same(read_graph(file, nodes=read_nodes(nodes), relations=["r", "s"]), graph)
    columns = {"id": ["a", "b", "c"], "name": ["Anna", "Bert", ""], "kind": ["x", "y", ""]}
    assert_same(read_graph(file, nodes=columns, relations=["r", "s"]), graph)
    with pytest.raises(
        FileFormatError, match="line 1: node 'a' is not in the table of nodes; known names: 'b'"
    ):
        read_graph(file, nodes={"id": ["b"]})
    with pytest.raises(FileFormatError, match="line 1: relation 's' is not in the table of relations"):
        read_graph(file, relations=["r"])
    with pytest.raises(FileFormatError, match="twice.tsv, line 4: node 'a' comes twice"):
        read_nodes(write(tmp_path, "twice.tsv", "id\tname\na\tx\nb\ty\na\tz\n"))
    with pytest.raises(InputError, match="nodes, entry 1: node 'a' comes twice"):
        read_nodes({"id": ["a", "a"]})
    with pytest.raises(InputError, match="column 'kind' has 1 entries, expected 2"):
        read_nodes({"id": ["a", "b"], "kind": ["x"]})
    with pytest.raises(InputError, match="relations, entry 1: relation 'r' comes twice"):
        read_relations(["r", "r"])
    with pytest.raises(UnknownNameError, match="has no column 'idd'; close names: 'id'"):
        read_nodes(nodes, id="idd")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tr\tb\na\tb\n", "g.tsv, line 2: 2 columns, expected 3"),
        ("a\tr\tb\n\na\tr\tb\tc\n", "g.tsv, line 3: 4 columns, expected 3"),
        ("word\n", "g.tsv, line 1: 1 column and no header"),
        ("", "g.tsv has no rows"),
        ("\n\n", "g.tsv has no rows"),
        ("a\tr\tb\n\tr\tb\n", "g.tsv, line 2: a node has no name"),
        ("a\t\tb\n", "g.tsv, line 1: a relation has no name"),
        (b"a\tr\tb\nc\tr\t\xff\n", "g.tsv, line 2: not UTF-8 text"),
        ("Ä\tr\tb\n".encode("latin-1"), "g.tsv, line 1: not UTF-8 text"),
        ("a\tr\tb\n".encode("utf-16"), "g.tsv is UTF-16 text; save it as UTF-8"),
        ("a\tr\tb\nc\tr\t\0\n", "g.tsv, line 2: a NUL byte"),
        ("a\tr\tb\nc\rd\tr\te\n", "g.tsv, line 2: a carriage return inside a line"),
        ("a\tr\tb\t1\na\tr\tb\tx\n", "g.tsv, line 2: 'x' is not a number"),
        ("a\tr\tb\t1\na\tr\tb\t\n", "g.tsv, line 2: '' is not a number"),
        ("a\tr\tb\t1_0\n", "g.tsv, line 1: '1_0' is not a number"),
        ("a\tr\tb\t1\n\na\tr\tb\tnan\n", "g.tsv, line 3: weight must be finite and 0 or more, got nan"),
        ("a\tr\tb\t-1\n", "g.tsv, line 1: weight must be finite and 0 or more, got -1"),
        ("a\tr\tb\n" + "x" * 2**20 + "\n", "g.tsv, line 2: longer than 1,048,576 bytes"),
        ("a\tr\tb\n" + "x" * 2**21, "g.tsv, line 2: longer than 1,048,576 bytes"),
    ],
)
def test_wrong_rows_are_named_by_line(tmp_path, text, message):
    with pytest.raises(FileFormatError, match=message):
        read_graph(write(tmp_path, "g.tsv", text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('head,tail\na,"b\n', "g.csv, line 2: unexpected end of data"),
        ('head,tail\n"a"x,b\n', "g.csv, line 2: ',' expected after '\"'"),
        ('head,tail\n"a",b\nc\n', "g.csv, line 3: 1 column, expected 2"),
        ('head,tail\n"a",b\n\n"c",b,d\n', "g.csv, line 4: 3 columns, expected 2"),
        ('"head,tail\n', "g.csv, line 1: unexpected end of data"),
        ('head,tail\n"' + "a" * 200_000 + '",b\n', "g.csv, line 2: field larger"),
    ],
)
def test_wrong_quotes_are_named_by_line(tmp_path, text, message):
    with pytest.raises(FileFormatError, match=message):
        read_graph(write(tmp_path, "g.csv", text))


def test_numbers_of_a_column_are_named_by_line(tmp_path):
    file = write(tmp_path, "g.tsv", "head\ttail\tyear\na\tb\t1\na\tb\t1.5\n")
    with pytest.raises(FileFormatError, match=r"line 3: '1\.5' is not a 64-bit integer"):
        read_graph(file, columns={"year": "int"})
    file = write(tmp_path, "g.tsv", f"head\ttail\tyear\na\tb\t{2**63}\n")
    with pytest.raises(FileFormatError, match="line 2: '9223372036854775808' is not a 64-bit integer"):
        read_graph(file, columns={"year": "int"})


# -------------------------------------------------------------------------------------------------- SIF, N-Triples


def test_sif_of_cytoscape_and_of_hetionet(tmp_path):
    text = "a pp b c\nlone\nb  pd c\n"
    graph = read_graph(write(tmp_path, "g.sif", text))
    assert graph.names == ("a", "b", "c", "lone")
    assert triples(graph) == [("a", "pp", "b"), ("a", "pp", "c"), ("b", "pd", "c")]
    graph = read_graph(write(tmp_path, "g.sif", "a b\tpp\tc\tb\nz\n"))
    assert triples(graph) == [("a b", "pp", "c"), ("a b", "pp", "b")]
    assert graph.names == ("a b", "c", "b", "z")
    graph = read_graph(write(tmp_path, "g.sif.gz", "source\tmetaedge\ttarget\nGene::9\tGiG\tGene::2\n"))
    assert triples(graph) == [("Gene::9", "GiG", "Gene::2")]
    with pytest.raises(FileFormatError, match=r"g\.sif, line 2: a source and a relation, but no target"):
        read_graph(write(tmp_path, "g.sif", "a\tpp\tb\na\tpp\n"))
    with pytest.raises(FileFormatError, match=r"g\.sif, line 2: node 'c' is not in the table"):
        read_graph(write(tmp_path, "g.sif", "a\tpp\tb\na\tpp\tb\tc\n"), nodes={"id": ["a", "b"]})


def test_ntriples_keep_resources_and_labels(tmp_path):
    text = (
        "# a comment\n\n"
        "<http://x/a> <http://x/r> <http://x/\\u00e9> . # why\n"
        "_:n1 <http://x/r> <http://x/a>.\n"
        '<http://x/a> <http://www.w3.org/2000/01/rdf-schema#label> "A \\"one\\""@en-GB .\n'
        '<http://x/a> <http://x/age> "5"^^<http://www.w3.org/2001/XMLSchema#int> .\n'
    )
    file = write(tmp_path, "g.nt", text)
    graph = read_graph(file)
    assert triples(graph) == [
        ("http://x/a", "http://x/r", "http://x/é"),
        ("_:n1", "http://x/r", "http://x/a"),
    ]
    assert graph.node_data["label"].tolist() == ['A "one"', "", ""]
    with pytest.raises(FileFormatError, match=r"g\.nt, line 6: the object is a literal"):
        read_ntriples(file, literals="refuse")
    with pytest.raises(InputError, match="literals must be skip or refuse, got 'keep'"):
        read_ntriples(file, literals="keep")
    for bad in ("<a> <b> <c>", "a b c .", '"x" <b> <c> .', "<a> <b> <c> <d> .", "<a b> <c> <d> ."):
        with pytest.raises(FileFormatError, match=r"g\.nt, line 2: no triple"):
            read_graph(write(tmp_path, "g.nt", f"<a:x> <b:x> <c:x> .\n{bad}\n"))
    with pytest.raises(FileFormatError, match=r"line 1: .*is no escape of a character"):
        read_graph(write(tmp_path, "g.nt", "<a:\\uD800> <b:x> <c:x> .\n"))


# ------------------------------------------------------------------------------------------------------- GraphML


@pytest.mark.parametrize(
    "kind", [networkx.Graph, networkx.DiGraph, networkx.MultiGraph, networkx.MultiDiGraph]
)
def test_graphml_of_networkx_opens_and_ours_opens_there(tmp_path, kind):
    other = kind()
    other.add_node("alone", size=3)
    other.add_edge("a", "b", weight=2.5, relation="binds")
    other.add_edge("b", "c", weight=1, relation="treats")
    if other.is_multigraph():
        other.add_edge("a", "b", weight=7.0, relation="treats")
    networkx.write_graphml(other, tmp_path / "g.graphml")
    graph = read_graph(tmp_path / "g.graphml")
    assert graph.directed == other.is_directed()
    assert graph.names == tuple(other.nodes)
    rows = {(u, d["relation"], v, d["weight"]) for u, v, d in other.edges(data=True)}
    found = {(*row, w) for row, w in zip(triples(graph), graph.weights.tolist())}
    assert found == rows
    assert np.array_equal(graph.node_data["size"], [3, np.nan, np.nan, np.nan], equal_nan=True)
    write_graph(graph, tmp_path / "h.graphml")
    again = networkx.read_graphml(tmp_path / "h.graphml")
    assert {(u, d["relation"], v, d["weight"]) for u, v, d in again.edges(data=True)} == rows
    assert again.is_directed() == other.is_directed()


GEPHI = """<?xml version="1.0" encoding="UTF-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<key attr.name="label" attr.type="string" for="node" id="label"/>
<key attr.name="Edge Label" attr.type="string" for="edge" id="edgelabel"/>
<key attr.name="weight" attr.type="double" for="edge" id="weight"/>
<key attr.name="r" attr.type="int" for="node" id="r"/>
<graph edgedefault="directed">
<node id="n0"><data key="label">Anna</data><data key="r">255</data></node>
<node id="n1"><data key="label">Bert</data><data key="r">0</data></node>
<edge id="5" source="n1" target="n0"><data key="weight">2.0</data></edge>
</graph></graphml>"""

YED = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns" xmlns:y="http://www.yworks.com/xml/graphml">
<key for="port" id="d0" yfiles.type="portgraphics"/>
<key for="graphml" id="d1" yfiles.type="resources"/>
<key for="node" id="d2" yfiles.type="nodegraphics"/>
<key for="edge" id="d3" yfiles.type="edgegraphics"/>
<graph edgedefault="directed" id="G">
<node id="n0"><data key="d2"><y:ShapeNode><y:Geometry height="30"/><y:NodeLabel>Liver
<y:LabelModel/></y:NodeLabel><y:Shape type="oval"/></y:ShapeNode></data><port name="p"/></node>
<node id="n1" yfiles.foldertype="group"><graph edgedefault="directed" id="n1:">
<node id="n1::n0"><data key="d2"><y:ShapeNode><y:NodeLabel>Heart</y:NodeLabel></y:ShapeNode></data></node>
</graph></node>
<edge id="e0" source="n0" target="n1::n0"><data key="d3"><y:PolyLineEdge><y:EdgeLabel>feeds</y:EdgeLabel>
</y:PolyLineEdge></data></edge>
</graph><data key="d1"><y:Resources/></data></graphml>"""

IGRAPH = """<?xml version="1.0" encoding="UTF-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://graphml.graphdrawing.org/xmlns">
<!-- Created by igraph -->
<key id="v_name" for="node" attr.name="name" attr.type="string"/>
<key id="v_hub" for="node" attr.name="hub" attr.type="boolean"/>
<key id="e_weight" for="edge" attr.name="weight" attr.type="double"><default>4</default></key>
<graph id="G" edgedefault="undirected">
<node id="n0"><data key="v_name">a</data><data key="v_hub">true</data></node>
<node id="n1"><data key="v_name">b</data><data key="v_hub">false</data></node>
<edge source="n0" target="n1"><data key="e_weight">0.5</data></edge><edge source="n1" target="n1"></edge>
</graph></graphml>"""

CYTOSCAPE = """<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<key id="shared name" for="node" attr.name="shared name" attr.type="string"/>
<key id="interaction" for="edge" attr.name="interaction" attr.type="string"/>
<graph id="net" edgedefault="directed">
<edge source="62" target="64"><data key="interaction">pp</data></edge>
<node id="62"><data key="shared name">YKR026C</data></node><node id="64"/>
</graph></graphml>"""


def test_graphml_of_other_programs(tmp_path):
    graph = read_graph(write(tmp_path, "gephi.graphml", GEPHI))
    assert triples(graph) == [("n1", None, "n0")]
    assert graph.node_data["label"].tolist() == ["Anna", "Bert"]
    assert graph.node_data["r"].tolist() == [255, 0]
    graph = read_graph(write(tmp_path, "yed.graphml.gz", YED))
    assert graph.names == ("n0", "n1", "n1::n0")
    assert triples(graph) == [("n0", "feeds", "n1::n0")]
    assert graph.node_data["label"].tolist() == ["Liver", "", "Heart"]
    file = write(tmp_path, "igraph.graphml", IGRAPH)
    graph = read_graphml(file, node_name="name")
    assert (graph.directed, graph.names) == (False, ("a", "b"))
    assert graph.weights.tolist() == [0.5, 4.0]
    assert graph.node_data["hub"].tolist() == [True, False]
    assert graph.node_data["hub"].dtype == bool
    graph = read_graph(write(tmp_path, "cytoscape.graphml", CYTOSCAPE))
    assert triples(graph) == [("62", "pp", "64")]
    assert graph.node_data["shared name"].tolist() == ["YKR026C", ""]
    with pytest.raises(UnknownNameError, match="nodes have no attribute 'nam'; close names: 'name'"):
        read_graphml(file, node_name="nam")
    with pytest.raises(UnknownNameError, match="edges have no attribute 'weigth'; close names: 'weight'"):
        read_graph(file, weight="weigth")
    with pytest.raises(UnknownNameError, match="edges have no attribute 'x'"):
        read_graph(file, columns=["x"])


def graphml(body, keys=""):
    return f"<graphml>{keys}<graph edgedefault='directed'>\n{body}\n</graph></graphml>"


WEIGHT = "<key id='w' for='edge' attr.name='weight' attr.type='double'/>"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no valid XML"),
        ("<graphml>", "line 1: no valid XML"),
        ("<html/>", "line 1: no GraphML: the first element is 'html'"),
        ("<graphml/>", "it has no element 'graph'"),
        ("<graphml><graph/><graph/></graphml>", "line 1: more than one graph"),
        ("<!DOCTYPE graphml SYSTEM 'http://x/y.dtd'>\n<graphml/>", "line 1: a document type"),
        (graphml("<node id='a'/>\n<node id='a'/>"), "line 3: node 'a' comes twice"),
        (graphml("<node/>"), "line 2: a node has no id"),
        (
            graphml("<node id='a'/>\n<edge source='a' target='b'/>"),
            "line 3: an edge has node 'b', which is not there",
        ),
        (graphml("<edge source='a'/>"), "line 2: an edge has no source or no target"),
        (graphml("<hyperedge/>"), "line 2: hyperedges are not supported"),
        (
            graphml("<node id='a'><data key='z'>1</data></node>"),
            "line 2: data of a key 'z' that is not declared",
        ),
        (
            graphml("<node id='a'/><edge source='a' target='a'><data key='w'>x</data></edge>", WEIGHT),
            "line 2: 'x' is not of the type of attribute 'weight'",
        ),
        (
            graphml("<node id='a'/>\n<edge source='a' target='a'><data key='w'>-1</data></edge>", WEIGHT),
            "line 3: weight must be finite and 0 or more, got -1",
        ),
        (
            graphml(
                "<node id='a'/><edge source='a' target='a'><data key='w'>1</data></edge>\n<edge source='a' target='a'/>",
                WEIGHT,
            ),
            "line 3: an edge has no 'weight'; in Python weight=None reads",
        ),
        (
            graphml(
                "<node id='a'/><edge source='a' target='a'/><edge source='a' target='a' directed='false'/>"
            ),
            "has directed and undirected edges; save it with one kind, or choose one in Python by directed=",
        ),
        ("<graphml><key id='k' attr.type='complex'/></graphml>", "attribute type 'complex' is not known"),
        ("<graphml>" + "<a>" * 300, "more than 200 deep"),
    ],
)
def test_wrong_graphml_is_named_by_line(tmp_path, text, message):
    with pytest.raises(FileFormatError, match=message):
        read_graph(write(tmp_path, "g.graphml", text))


def test_entities_that_would_grow_are_refused_at_once(tmp_path):
    entities = "".join(f"<!ENTITY l{i} '{f'&l{i - 1};' * 10}'>" for i in range(1, 12))
    text = f"<!DOCTYPE x [<!ENTITY l0 'ha'>{entities}]>" + graphml("<node id='&l11;'/>")
    with pytest.raises(FileFormatError, match=r"line 1: a document type \(DTD\) is not accepted"):
        read_graph(write(tmp_path, "g.graphml", text))


# ----------------------------------------------------------------------------------------------- Parquet and Arrow


def test_tables_of_numbers_dictionaries_and_gaps(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = arrow.table(
        {
            "x": arrow.array([7, 8, 7]),
            "y": arrow.array(["7", "9", "8"]).dictionary_encode(),
            "how": arrow.array(["r", "s", "r"], arrow.large_string()),
            "w": arrow.array([1, 2, 3], arrow.int8()),
            "year": arrow.array([1999, None, 2001]),
            "note": arrow.array(["p", None, "q"]),
            "pair": arrow.array([[1], [2], [3]]),
        }
    )
    parquet.write_table(table, tmp_path / "g.parquet")
    options = {"head": "x", "tail": "y", "relation": "how", "weight": "w"}
    graph = read_graph(tmp_path / "g.parquet", columns=["year", "note"], **options)
    assert triples(graph) == [("7", "r", "7"), ("8", "s", "9"), ("7", "r", "8")]
    assert graph.names == ("7", "8", "9")
    assert graph.weights.tolist() == [1.0, 2.0, 3.0]
    assert np.array_equal(graph.edge_data["year"], [1999, np.nan, 2001], equal_nan=True)
    assert graph.edge_data["note"].tolist() == ["p", "", "q"]
    assert read_graph(tmp_path / "g.parquet", columns={"w": "text"}, **{**options, "weight": None}).edge_data[
        "w"
    ].tolist() == ["1", "2", "3"]
    with pytest.raises(FileFormatError, match="row 1: column 'pair' holds list.*not one text or number"):
        read_graph(tmp_path / "g.parquet", columns=["pair"], **options)
    with pytest.raises(FileFormatError, match=r"row 2: column 'note' has no value"):
        read_graph(tmp_path / "g.parquet", head="x", tail="note")
    with pytest.raises(FileFormatError, match=r"row 2: weight must be finite and 0 or more, got nan"):
        read_graph(tmp_path / "g.parquet", head="x", tail="y", weight="year")
    with pytest.raises(FileFormatError, match=r"column 'note' must hold numbers \(weight\)"):
        read_graph(tmp_path / "g.parquet", head="x", tail="y", weight="note")
    with pytest.raises(UnknownNameError, match="has no column 'hows'; close names: 'how'"):
        read_graph(tmp_path / "g.parquet", head="x", tail="y", relation="hows")
    with pytest.raises(FileFormatError, match="more than max_bytes = 10"):
        read_graph(tmp_path / "g.parquet", max_bytes=10, **options)
    nodes = arrow.table({"id": ["7", "8", "9"], "size": [1.5, 2.5, 3.5]})
    parquet.write_table(nodes, tmp_path / "nodes.parquet")
    graph = read_graph(tmp_path / "g.parquet", nodes=tmp_path / "nodes.parquet", **options)
    assert graph.node_data["size"].tolist() == [1.5, 2.5, 3.5]


def test_text_and_parquet_give_the_same_graph(tmp_path):
    pytest.importorskip("pyarrow")
    rng = np.random.default_rng(0)
    rows = [
        f"n{a}\tr{r}\tn{b}" for a, r, b in zip(*rng.integers(0, 3000, (3, 70_000)) % [[3000], [9], [3000]])
    ]
    graph = read_graph(write(tmp_path, "g.tsv.gz", "\n".join(rows)))
    write_graph(graph, tmp_path / "g.parquet")
    assert_same(read_graph(tmp_path / "g.parquet"), graph)


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"needs pyarrow: pip install 'hodology\[hf\]'"):
        read_graph(write(tmp_path, "g.parquet", b"PAR1"))
    importlib.invalidate_caches()


# ------------------------------------------------------------------------------------------------- any file


def test_formats_are_known_by_suffix_or_name(tmp_path):
    for name, suffixes in FORMATS.items():
        for suffix in suffixes:
            assert graph_format(f"x{suffix}") == name
            assert graph_format(f"x{suffix.upper()}.gz") == name
    with pytest.raises(
        UnknownNameError,
        match=r"x\.pdf: no graph format has the suffix '\.pdf'; give the format \(--format\)",
    ):
        read_graph("x.pdf")
    with pytest.raises(UnknownNameError, match="format 'grapml' does not exist; close names: 'graphml'"):
        read_graph("x.pdf", format="grapml")
    assert triples(read_graph(write(tmp_path, "g.pdf", "a\tb"), format="tsv")) == [("a", None, "b")]
    write_graph(MultiGraph([0], [1]), tmp_path / "g.dat", format="csv")
    assert (tmp_path / "g.dat").read_text() == "head,tail\n0,1\n"
    with pytest.raises(InputError, match="delimiter does not apply to a file of format graphml"):
        read_graph("g.graphml", delimiter=",")
    with pytest.raises(InputError, match="directed does not apply to a file of format npz"):
        read_graph("g.npz", directed=False)
    with pytest.raises(InputError, match="nodes does not apply to a file of format npz"):
        write_graph(MultiGraph([0], [1]), tmp_path / "g.npz", nodes="n.tsv")


@pytest.mark.parametrize("suffix", ["tsv", "csv.gz", "sif", "graphml", "nt", "parquet", "arrow", "npz"])
def test_a_missing_file_and_an_empty_one(tmp_path, suffix):
    if suffix in ("parquet", "arrow"):
        pytest.importorskip("pyarrow")
    with pytest.raises(FileFormatError, match="No such file"):
        read_graph(tmp_path / f"g.{suffix}")
    (tmp_path / f"e.{suffix}").write_bytes(b"")
    if suffix in ("sif", "nt"):
        assert read_graph(tmp_path / f"e.{suffix}").n_nodes == 0
    else:
        with pytest.raises(FileFormatError):
            read_graph(tmp_path / f"e.{suffix}")


def test_packed_text_is_bounded_and_damage_is_said(tmp_path):
    bomb = write(tmp_path, "g.tsv.gz", b"aaaaaaa\tbbbbbbb\n" * 200_000)
    with pytest.raises(FileFormatError, match=r"holds more than max_bytes = 1,000,000 bytes"):
        read_graph(bomb, max_bytes=10**6)
    data = bomb.read_bytes()
    bomb.write_bytes(data[: len(data) // 2])
    with pytest.raises(FileFormatError, match="is damaged gzip"):
        read_graph(bomb)
    bomb.write_bytes(data[:200] + b"\xff\xff\xff" + data[203:])
    with pytest.raises(FileFormatError, match="is damaged gzip"):
        read_graph(bomb)
    with pytest.raises(InputError, match="max_bytes must be an integer of at least 1, got 0"):
        read_graph(bomb, max_bytes=0)


def test_an_npz_that_is_no_graph_is_refused(tmp_path):
    file = tmp_path / "g.npz"
    write_arrays(file, {"x": np.zeros(3)})
    with pytest.raises(FileFormatError, match="has no array 'header'"):
        read_graph(file)
    write_graph(example(), file)
    with pytest.raises(FileFormatError, match="more than max_bytes = 100"):
        read_graph(file, max_bytes=100)
    with zipfile.ZipFile(file) as archive:
        header = archive.read("header.npy")
    for old, new, message in (
        (b'"version": 1', b'"version": 7', "has version 7; this package reads 1"),
        (b"hodology-graph", b"hodology-grape", "is no graph of this package"),
        (b'"n_nodes": 4', b'"n_nodes": 2', "holds no valid graph: names must be one per node"),
        (b'"n_nodes": 4, ', b'"n_nodes":9e9,', "holds no valid graph: 9000000000.0 nodes are more than"),
        (b'"directed"', b'"directes"', "holds no valid graph: 'directed'"),
    ):
        with zipfile.ZipFile(file) as archive:
            parts = {n: archive.read(n) for n in archive.namelist()}
        with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
            for name, data in parts.items():
                archive.writestr(name, header.replace(old, new) if name == "header.npy" else data)
        with pytest.raises(FileFormatError, match=message):
            read_graph(tmp_path / "bad.npz")


def test_what_there_is_can_be_opened(tmp_path):
    graph = example()
    assert open_graph(graph) is graph
    write_graph(graph, tmp_path / "g.npz")
    assert_same(open_graph(str(tmp_path / "g.npz")), graph)
    assert open_graph(networkx.path_graph(4)).n_edges == 3
    assert open_graph(np.eye(3)).n_edges == 3
    assert open_graph({"edge_index": np.array([[0], [1]])}).n_edges == 1
    with pytest.raises(InputError, match="a graph must be a file, .* got int"):
        open_graph(3)


FUZZED = ["tsv", "csv", "tsv.gz", "sif", "graphml", "nt", "npz", "arrow", "parquet"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A small file of every format."""
    folder, found = tmp_path_factory.mktemp("whole"), {}
    full = example()
    plain = example(weights=None, edge_data=None, node_data=None)
    names = [f"urn:{i}" for i in range(3)]
    iris = MultiGraph([0, 1], [1, 2], names=names, relations=[0, 0], relation_names=["urn:r"])
    for suffix in FUZZED:
        graph = {"sif": plain, "nt": iris}.get(suffix, full)
        if suffix in ("arrow", "parquet") and importlib.util.find_spec("pyarrow") is None:
            continue
        nodes = False if suffix.split(".")[0] in ("tsv", "csv", "arrow", "parquet") else None
        write_graph(graph, folder / f"g.{suffix}", nodes=nodes)
        found[suffix] = (folder / f"g.{suffix}").read_bytes()
    return found


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_are_a_graph_or_one_clear_error(tmp_path, whole, data):
    suffix = data.draw(st.sampled_from(sorted(whole)))
    raw = bytearray(whole[suffix])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, max(0, len(raw) - 1)))
        change = data.draw(st.sampled_from(["cut", "flip", "splice", "repeat"]))
        if change == "cut":
            del raw[place:]
        elif change == "flip" and raw:
            raw[place] ^= data.draw(st.integers(1, 255))
        elif change == "splice":
            raw[place:place] = data.draw(st.binary(max_size=6))
        else:
            raw[place:place] = raw[place : place + data.draw(st.integers(1, 40))]
    file = tmp_path / f"g.{suffix}"
    file.write_bytes(bytes(raw))
    try:
        graph = read_graph(file)
    except FileFormatError as error:
        assert "\n" not in str(error)
        assert str(file) in str(error)
    except UnknownNameError as error:
        assert "has no column" in str(error)
    else:
        assert isinstance(graph, MultiGraph)


# --------------------------------------------------------------------------------------------------- real data


def test_the_hetionet_sample(real_data):
    folder = real_data / "hetionet-repurposing"
    graph = read_graph(
        folder / "edges.tsv.gz",
        nodes=folder / "nodes.tsv.gz",
        relations=folder / "relations.tsv",
        columns={"license_id": "int"},
    )
    assert graph.n_edges == 32_660
    assert np.unique(np.concatenate([graph.tails, graph.heads])).size == 14_262
    counts = dict(zip(graph.relation_names, np.bincount(graph.relations).tolist()))
    assert (counts["DaG"], counts["CtD"], counts["CpD"], counts["GpBP"]) == (10_379, 755, 390, 5_000)
    assert graph.node_data["kind"][graph.node("Compound::DB00843")] == "Compound"
    assert graph.node_data["name"][graph.node("Compound::DB00843")].lower() == "donepezil"
    first = read_graph(folder / "edges.tsv.gz")
    assert first.names[:3] == ("Compound::DB00035", "Gene::552", "Gene::553")
