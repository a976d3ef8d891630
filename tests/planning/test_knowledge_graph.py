"""Knowledge graphs: every form of triples, inverse and composite edges, tasks, masks, names, files."""

from __future__ import annotations

import gzip
from types import SimpleNamespace

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hodology.errors import FileFormatError, InputError, UnknownNameError
from hodology.graph.multigraph import MultiGraph
from hodology.planning.knowledge_graph import KnowledgeGraph
from hodology.planning.knowledge_graph_files import read_hetionet
from hodology.planning.relation_templates import HETIONET_RELATIONS, RelationTemplates, verb_templates

TRIPLES = [
    ("b", "treats", "d"),
    ("a", "binds", "g"),
    ("a", "treats", "d"),
    ("d", "involves", "g"),
    ("a", "binds", "g"),
]


def triples_of(kg):
    names = kg.graph.relation_names
    columns = (kg.graph.tails.tolist(), kg.edge_relations.tolist(), kg.graph.heads.tolist())
    return [(kg.graph.name(t), names[r], kg.graph.name(h)) for t, r, h in zip(*columns, strict=True)]


def forms():
    columns = {name: [t[i] for t in TRIPLES] for i, name in enumerate(("head", "relation", "tail"))}
    graph = networkx.MultiDiGraph()
    for head, relation, tail in TRIPLES:
        graph.add_edge(head, tail, relation=relation)
    nodes, relations = "abdg", ["binds", "involves", "treats"]
    ids = [(nodes.index(h), relations.index(r), nodes.index(t)) for h, r, t in TRIPLES]
    factory = SimpleNamespace(
        mapped_triples=np.array(ids),
        entity_to_id={name: i for i, name in enumerate(nodes)},
        relation_to_id={name: i for i, name in enumerate(relations)},
    )
    multi = MultiGraph(
        [i[0] for i in ids],
        [i[2] for i in ids],
        relations=[i[1] for i in ids],
        names=list(nodes),
        relation_names=relations,
    )
    return {
        "tuples": TRIPLES,
        "generator": (triple for triple in TRIPLES),
        "array": np.array(TRIPLES),
        "columns": columns,
        "networkx": graph,
        "pykeen": factory,
        "multigraph": multi,
    }


@pytest.mark.parametrize("form", list(forms()))
def test_every_form_of_triples_gives_the_same_graph(form):
    kg = KnowledgeGraph.from_triples(forms()[form])
    assert triples_of(kg) == sorted(set(TRIPLES), key=lambda t: (t[0], t[1], t[2]))
    assert kg.fingerprint == KnowledgeGraph.from_triples(TRIPLES[::-1]).fingerprint


@pytest.mark.parametrize("package", ["pandas", "pyarrow"])
def test_tables_of_other_packages(package):
    module = pytest.importorskip(package)
    columns = {name: [t[i] for t in TRIPLES] for i, name in enumerate(("source", "metaedge", "target"))}
    table = module.DataFrame(columns) if package == "pandas" else module.table(columns)
    kg = KnowledgeGraph.from_triples(table, columns=("source", "metaedge", "target"))
    assert kg.fingerprint == KnowledgeGraph.from_triples(TRIPLES).fingerprint
    with pytest.raises(InputError, match="the table has no column 'head'"):
        KnowledgeGraph.from_triples(table)


def test_an_undirected_graph_states_its_edges_both_ways():
    graph = networkx.MultiGraph()
    graph.add_edge("a", "b", relation="resembles")
    both = [("a", "resembles", "b"), ("b", "resembles", "a")]
    assert triples_of(KnowledgeGraph.from_triples(graph)) == both
    multi = MultiGraph(
        [0], [1], relations=[0], names=["a", "b"], relation_names=["resembles"], directed=False
    )
    assert triples_of(KnowledgeGraph.from_triples(multi)) == both


@pytest.mark.parametrize(
    ("triples", "message"),
    [
        ([("a", "r")], r"triple 0 must be \(head, relation, tail\)"),
        ([("a", "r", "b"), ("a", "r", None)], "triple 1 lacks a value"),
        ([("a", "r", float("nan"))], "triple 0 lacks a value"),
        ({"head": ["a"], "relation": ["r"]}, "the table has no column 'tail'"),
        ({"head": ["a"], "relation": ["r", "r"], "tail": ["b"]}, "columns must be equally long"),
        (MultiGraph([0], [1]), "a MultiGraph needs relations"),
        (networkx.MultiDiGraph([("a", "b")]), "edge 'a' - 'b' has no attribute 'relation'"),
    ],
)
def test_what_is_no_triple_is_refused(triples, message):
    with pytest.raises(InputError, match=message):
        KnowledgeGraph.from_triples(triples)


def test_an_empty_graph_is_a_graph():
    kg = KnowledgeGraph.from_triples([]).with_inverses().merge_parallel()
    assert (kg.graph.n_nodes, kg.graph.n_edges) == (0, 0)
    assert kg.summary()["edges"] == 0


def test_inverse_edges_stand_beside_edges_that_are_there():
    kg = KnowledgeGraph.from_triples([("a", "x", "b"), ("b", "y", "a")]).with_inverses()
    assert triples_of(kg) == [
        ("a", "x", "b"),
        ("a", "y_inverse", "b"),
        ("b", "y", "a"),
        ("b", "x_inverse", "a"),
    ]
    assert kg.edge_relations.tolist() == [0, 3, 1, 2]
    assert kg.with_inverses() is kg


def test_parallel_edges_merge_into_sorted_composites_that_split_again():
    kg = KnowledgeGraph.from_triples([("a", "z", "b"), ("a", "x", "b"), ("a", "y", "c"), ("b", "x", "a")])
    merged = kg.merge_parallel()
    assert triples_of(merged) == [("a", "y", "c"), ("a", "x+z", "b"), ("b", "x", "a")]
    assert merged.parts == ((0,), (1,), (2,), (0, 2))
    assert triples_of(merged.merge_parallel()) == triples_of(merged)
    assert sorted(map(tuple, np.transpose(merged.atomic_edges()))) == sorted(
        map(tuple, np.transpose(kg.atomic_edges()))
    )
    both = merged.with_inverses()
    assert ("b", "x_inverse+z_inverse", "a") in triples_of(both)
    assert ("b", "x", "a") in triples_of(both)
    everything = kg.with_inverses().merge_parallel()
    assert ("b", "x+x_inverse+z_inverse", "a") in triples_of(everything)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(0, 4)), max_size=15))
def test_merging_and_inverting_lose_nothing(ids):
    kg = KnowledgeGraph.from_triples([(f"n{h}", f"r{r}", f"n{t}") for h, r, t in ids])
    for other in (
        kg.with_inverses(),
        kg.merge_parallel().with_inverses(),
        kg.with_inverses().merge_parallel(),
    ):
        tails, relations, heads = other.atomic_edges()
        forward = relations < kg.offset
        found = set(
            zip(tails[forward].tolist(), relations[forward].tolist(), heads[forward].tolist(), strict=True)
        )
        assert found == set(zip(*(column.tolist() for column in kg.atomic_edges()), strict=True))
        turned = set(
            zip(
                heads[~forward].tolist(),
                (relations[~forward] - kg.offset).tolist(),
                tails[~forward].tolist(),
                strict=True,
            )
        )
        assert turned in (found, set())


def test_task_relations_follow_the_background_and_new_nodes_follow_the_old():
    kg = KnowledgeGraph.from_triples(TRIPLES, titles={"a": "Aspirin"}).with_inverses()
    made = kg.augment([("a", "no", "e"), ("b", "yes", "d")], relations=["yes", "no"], titles={"e": "Eczema"})
    assert made.forward_relations == ("binds", "involves", "treats", "yes", "no")
    assert made.task_relations == (3, 4)
    assert made.graph.names == ("a", "b", "d", "g", "e")
    assert made.titles == ("Aspirin", "b", "d", "g", "Eczema")
    assert made.has_inverses
    assert made.relation_counts()["yes_inverse"] == 1
    again = made.augment([("a", "yes", "d")])
    assert again.task_relations == (3, 4)
    assert again.relation_counts()["yes"] == 2


def test_background_edges_of_the_same_answer_go_where_the_task_joins_the_pair():
    kg = KnowledgeGraph.from_triples(TRIPLES)
    made = kg.augment([("d", "modifies", "a"), ("b", "fails", "d")], same_pair={"modifies": ["treats"]})
    assert [t for t in triples_of(made) if t[1] == "treats"] == [("b", "treats", "d")]
    straight = KnowledgeGraph.from_triples(
        [*TRIPLES, ("a", "modifies", "d")], task_relations=["modifies"], same_pair={"modifies": "treats"}
    )
    assert straight.relation_counts()["treats"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"triples": [("a", "treats", "d")]}, "task relation 'treats' has the name of a background relation"),
        ({"triples": [("a", "t", "d")], "same_pair": {"u": "treats"}}, "same_pair: 'u' is no task relation"),
        (
            {"triples": [("a", "t", "d")], "same_pair": {"t": "treat"}},
            "'treat' is no background relation; close",
        ),
        ({"triples": [("a", "t", "d")], "relations": ["s"]}, "relation 't' of a triple is not listed"),
        (
            {"triples": [("a", "t", "d")], "templates": {"s": "{u} s {v}"}},
            "the template 's' is for no relation",
        ),
    ],
)
def test_wrong_tasks_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        KnowledgeGraph.from_triples(TRIPLES).augment(**arguments)
    with pytest.raises(InputError, match="augment must come before merge_parallel"):
        KnowledgeGraph.from_triples([("a", "x", "b"), ("a", "y", "b")]).merge_parallel().augment(
            [("a", "t", "b")]
        )


def test_a_mask_hides_both_directions_and_shares_the_arrays():
    kg = KnowledgeGraph.from_triples(
        [*TRIPLES, ("a", "likes", "d")], task_relations=["likes"]
    ).with_inverses()
    masked = kg.without_edge("d", "a")
    assert masked.graph is kg.graph
    assert masked.search_arrays()[1] is kg.search_arrays()[1]
    assert masked.relation_counts()["likes"] == masked.relation_counts()["likes_inverse"] == 0
    assert masked.relation_counts()["treats"] == 2
    assert masked.without_edge("a", "d", relations=["treats"]).relation_counts()["treats_inverse"] == 1
    assert len(masked.without_edge("a", "d", relations="all").hidden) == 4
    assert masked.fingerprint != kg.fingerprint
    assert len(kg.hidden) == 0
    merged = kg.merge_parallel().without_edge("a", "d")
    assert merged.summary()["hidden"] == 2  # the composite likes+treats goes whole, both ways
    with pytest.raises(InputError, match="no task relations: say which relations to hide"):
        KnowledgeGraph.from_triples(TRIPLES).without_edge("a", "d")
    with pytest.raises(UnknownNameError, match="relation 'treat' is not in the graph; close names: 'treats'"):
        kg.without_edge("a", "d", relations=["treat"])


def test_entities_go_by_id_short_id_and_title():
    ids = ["Compound::DB00843", "Compound::DB09999", "Gene::43", "Gene::44"]
    titles = dict(zip(ids, ["Donepezil", "Other", "ACHE", "ACHE"], strict=True))
    kg = KnowledgeGraph.from_triples([(ids[0], "binds", ids[2]), (ids[1], "binds", ids[3])], titles=titles)
    assert [kg.entity(name) for name in ("Compound::DB00843", "DB00843", "Donepezil", 0)] == [0] * 4
    with pytest.raises(
        UnknownNameError, match=r"entity 'DB99999' is not in the graph \(did you mean DB09999\?\)"
    ):
        kg.entity("DB99999")
    with pytest.raises(UnknownNameError, match=r"entity 'zzz' is not in the graph\."):
        kg.entity("zzz")
    with pytest.raises(
        InputError, match="several entities are called 'ACHE': Gene::43, Gene::44; give an id"
    ):
        kg.entity("ACHE")
    with pytest.raises(InputError, match="node 7 is not in the graph"):
        kg.entity(7)


def test_templates():
    table = verb_templates(HETIONET_RELATIONS)
    assert table["CbG"] == ("{u} (Compound) binds {v} (Gene)", "{u} (Gene) is bound by {v} (Compound)")
    assert verb_templates({"XyZ": ("X", "yodels at", "Z")}) == {"XyZ": "{u} (X) yodels at {v} (Z)"}
    templates = RelationTemplates.from_mapping({"r": "{u} ({u_kind}) r {v}"}, ["r", "s"])
    assert templates.sentence(0, "{v}", "b", u_kind="k") == "{v} (k) r b"
    assert templates.sentence(2, "a", "b", v_kind="k") == "b (k) r a"
    with pytest.raises(InputError, match="relation 's' has no sentence template"):
        templates.sentence(1, "a", "b")
    with pytest.raises(InputError, match="relation id 31 has no sentence template"):
        templates.sentence(31, "a", "b")
    with pytest.raises(
        InputError, match=r"the template of relation 'r' must hold \{u\} and \{v\}, got '\{u\} sleeps'"
    ):
        RelationTemplates.from_mapping({"r": "{u} sleeps"}, ["r"])


def write(folder, name, rows):
    (folder / name).write_text("\n".join("\t".join(row) for row in rows) + "\n")


def test_a_folder_and_a_sif_file_read_alike(tmp_path):
    rows = [("C::1", "CbG", "G::1"), ("D::1", "DaG", "G::1"), ("C::1", "CtD", "D::1")]
    nodes = [
        ("id", "name", "kind"),
        ("C::1", "Drug", "Compound"),
        ("G::1", "GENE", "Gene"),
        ("D::1", "Ill", "Disease"),
    ]
    write(tmp_path, "nodes.tsv", [*nodes, ("G::9", "LONELY", "Gene")])
    write(tmp_path, "edges.tsv", [("head", "relation", "tail", "source"), *((*row, "x") for row in rows)])
    sif = tmp_path / "hetionet.sif.gz"
    sif.write_bytes(
        gzip.compress("\n".join("\t".join(r) for r in [("source", "metaedge", "target"), *rows]).encode())
    )
    kg = read_hetionet(tmp_path)
    assert kg.fingerprint == read_hetionet(sif, nodes=tmp_path / "nodes.tsv").fingerprint
    assert (kg.summary()["nodes"], kg.summary()["nodes_in_use"]) == (4, 3)
    assert kg.summary()["kinds"] == {"Compound": 1, "Disease": 1, "Gene": 2}
    assert (
        kg.templates.sentence(kg.graph.relation("CtD"), "Drug", "Ill")
        == "Drug (Compound) treats Ill (Disease)"
    )
    assert read_hetionet(sif, leave_out=["CtD"]).forward_relations == ("CbG", "DaG")
    with pytest.raises(UnknownNameError, match="has the relation 'CtE'"):
        read_hetionet(sif, leave_out=["CtE"])


def test_damaged_files_are_named(tmp_path):
    write(tmp_path, "edges.tsv", [("head", "relation", "tail"), ("a", "r", "b"), ("a", "r")])
    with pytest.raises(FileFormatError, match="edges.tsv, line 3: expected at least 3 columns, got 2"):
        read_hetionet(tmp_path)
    write(tmp_path, "edges.tsv", [("head", "verb", "tail")])
    with pytest.raises(FileFormatError, match="has no column 'relation'"):
        read_hetionet(tmp_path)
    (tmp_path / "cut.sif.gz").write_bytes(gzip.compress(b"source\tmetaedge\ttarget\n" * 500)[:-12])
    with pytest.raises(FileFormatError, match="cut.sif.gz cannot be read"):
        read_hetionet(tmp_path / "cut.sif.gz")
    with pytest.raises(FileFormatError, match="none.tsv cannot be read"):
        read_hetionet(tmp_path / "none.tsv")
    (tmp_path / "bytes.tsv").write_bytes(b"head\trelation\ttail\n\xff\tr\tb\n")
    with pytest.raises(FileFormatError, match="bytes.tsv is not UTF-8 text"):
        read_hetionet(tmp_path / "bytes.tsv")
    with pytest.raises(FileFormatError, match="edges.tsv.gz cannot be read"):
        (tmp_path / "empty").mkdir()
        read_hetionet(tmp_path / "empty")


def test_the_sample_of_hetionet(real_data):
    kg = read_hetionet(real_data / "hetionet-repurposing")
    assert (kg.graph.n_edges, kg.summary()["nodes_in_use"]) == (32_660, 14_262)
    assert kg.relation_counts()["CtD"] == 755
