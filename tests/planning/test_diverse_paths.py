"""Diverse paths against a plain enumeration, whatever the order, the mask and the relations; guards and errors."""

from __future__ import annotations

import itertools

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hodology.errors import InputError, UnknownNameError
from hodology.path.pathset import PathSet
from hodology.planning.diverse_paths import PathQuery, k_diverse_paths, neighbours_only, search_pairs
from hodology.planning.knowledge_graph import KnowledgeGraph

MASK = 2**64 - 1


def mixed(value):
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def hashed(seed, length, u, v, code, inner, longest):
    value = mixed(seed)
    for entry in (length, u, v, code, *inner, *([0] * (longest - len(inner)))):
        value = mixed(value ^ entry)
    return value >> 1


def plain_paths(kg, u, v, query):
    """All simple edge paths by networkx, sorted, filtered, cut: the definition."""
    graph = networkx.MultiDiGraph()
    graph.add_nodes_from(range(kg.graph.n_nodes))
    hidden = kg.hidden_relations(query.hide)
    masked = set(kg.hidden.tolist())
    ends = list(
        zip(kg.graph.tails.tolist(), kg.graph.heads.tolist(), kg.edge_relations.tolist(), strict=True)
    )
    for edge, (tail, head, relation) in enumerate(ends):
        own = {tail, head} == {u, v} and hidden[relation]
        if edge not in masked and not own:
            graph.add_edge(tail, head, key=edge)
    walks = networkx.all_simple_edge_paths(graph, u, v, cutoff=query.max_len)
    paths = [tuple(key for _, _, key in walk) for walk in walks]
    if paths:
        return cut(paths, ends, u, v, query, query.k, query.max_len), "path"
    if query.fallback is False or (query.fallback is True and networkx.has_path(graph, u, v)):
        return [], "path"
    found = []
    for node in (u, v):
        edges = [(e,) for _, head, e in graph.out_edges(node, keys=True) if head != node]
        found += cut(edges, ends, node, node, query, query.k, query.max_len)
    return found, "neighbour"


def cut(paths, ends, u, v, query, k, longest):
    def sequence(path):
        return tuple(ends[edge][2] for edge in path)

    counts = {}
    for path in paths:
        counts[sequence(path)] = counts.get(sequence(path), 0) + 1
    base = max(query_base, 1)

    def key(path):
        inner = [ends[edge][1] for edge in (path if u == v else path[:-1])]
        code = 0
        for relation in sequence(path):
            code = code * base + relation
        length = 0 if u == v else len(path)
        tie = {
            "canonical": 0,
            "rare-first": counts[sequence(path)],
            "seeded": hashed(query.seed, length, u, v, code, inner, longest),
        }[query.tie_break]
        return len(path), tie, sequence(path), inner

    kept, seen = [], set()
    for path in sorted(paths, key=key):
        if not query.diverse or sequence(path) not in seen:
            seen.add(sequence(path))
            kept.append(path)
    return kept[:k]


query_base = 0  # relations of the graph at hand; a sequence is hashed as a number of this base


@st.composite
def graphs(draw):
    """Small multigraphs with loops and parallel edges, perhaps with inverses, composites, task relations, a mask."""
    n = draw(st.integers(2, 7))
    node = st.integers(0, n - 1)
    triples = draw(st.lists(st.tuples(node, st.integers(0, 2), node), min_size=1, max_size=22))
    kg = KnowledgeGraph.from_triples(
        [(f"n{h}", f"r{r}", f"n{t}") for h, r, t in [*triples, (0, 0, 0), *((i, 1, i) for i in range(n))]],
        relations=["r0", "r1", "r2"],
        task_relations=draw(st.sampled_from([(), ("r2",)])),
    )
    kg = kg.with_inverses() if draw(st.booleans()) else kg
    kg = kg.merge_parallel() if draw(st.booleans()) else kg
    if draw(st.booleans()):
        kg = kg.without_edge(draw(node), draw(node), relations="all")
    return kg


QUERIES = st.builds(
    PathQuery,
    k=st.integers(1, 6),
    max_len=st.integers(1, 6),
    diverse=st.booleans(),
    tie_break=st.sampled_from(["canonical", "rare-first", "seeded"]),
    seed=st.integers(0, 3),
    hide=st.sampled_from(["task", "pair", "none"]),
    fallback=st.sampled_from([True, False, "far"]),
)


@settings(max_examples=150)
@given(graphs(), QUERIES)
def test_every_search_agrees_with_plain_enumeration(kg, query):
    global query_base
    query_base = len(kg.parts)
    pairs = np.array(list(itertools.permutations(range(kg.graph.n_nodes), 2)))
    found = search_pairs(kg, pairs, query)
    for row, (u, v) in enumerate(pairs.tolist()):
        expected, kind = plain_paths(kg, u, v, query)
        got = [tuple(e[e >= 0].tolist()) for e in found["edges"][row, : found["counts"][row]]]
        assert got == expected
        assert not expected or found["neighbours"][row] == (kind == "neighbour")


@settings(max_examples=40)
@given(graphs(), st.integers(1, 6), st.integers(1, 4), st.sampled_from(["canonical", "rare-first", "seeded"]))
def test_paths_are_simple_short_sorted_and_differ_in_their_relations(kg, k, max_len, tie_break):
    paths = k_diverse_paths(kg, 0, 1, k, max_len, tie_break=tie_break, fallback=False)
    assert len(paths) <= k
    assert [p.length for p in paths] == sorted(p.length for p in paths)
    assert len({p.relations for p in paths}) == len(paths)
    for path in paths:
        assert path.nodes[0] == 0
        assert path.nodes[-1] == 1
        assert len(set(path.nodes)) == path.length + 1 <= max_len + 1


def drugs():
    triples = [("a", "binds", f"g{i}") for i in range(30)] + [(f"g{i}", "causes", "d") for i in range(30)]
    triples += [("a", "treats", "d"), ("b", "treats", "d"), ("b", "binds", "g3"), ("d", "shows", "s")]
    return KnowledgeGraph.from_triples(triples, task_relations=["treats"])


def test_search_goes_on_until_k_sequences_however_many_paths_share_one():
    kg = drugs().with_inverses()
    paths = k_diverse_paths(kg, "a", "d", k=2)
    names = [[kg.graph.relation_names[r] for r in path.relations] for path in paths]
    assert names == [["binds", "causes"], ["binds", "binds_inverse", "treats"]]
    assert len({path.relations for path in k_diverse_paths(kg, "a", "d", k=2, diverse=False)}) == 1


def test_rare_sequences_come_first_and_the_order_of_triples_does_not_matter():
    triples = [("u", "x", f"m{i}") for i in range(3)] + [(f"m{i}", "x", "v") for i in range(3)]
    triples += [("u", "y", "m0"), ("m0", "y", "v")]
    kg, turned = KnowledgeGraph.from_triples(triples), KnowledgeGraph.from_triples(triples[::-1])
    for tie_break in ("canonical", "rare-first", "seeded"):
        assert k_diverse_paths(kg, "u", "v", tie_break=tie_break) == k_diverse_paths(
            turned, "u", "v", tie_break=tie_break
        )
    canonical = [path.relations for path in k_diverse_paths(kg, "u", "v")]
    rare = [path.relations for path in k_diverse_paths(kg, "u", "v", tie_break="rare-first")]
    assert canonical == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert rare == [(0, 1), (1, 0), (1, 1), (0, 0)]


def test_the_seed_chooses_among_equal_paths():
    kg = drugs()
    first = {k_diverse_paths(kg, "a", "d", 1, tie_break="seeded", seed=seed)[0].nodes for seed in range(12)}
    assert len(first) > 4


def test_the_queried_edge_is_hidden_both_ways_and_in_one_hop_lists():
    kg = KnowledgeGraph.from_triples(
        [("a", "treats", "d"), ("a", "binds", "g"), ("d", "shows", "s")], task_relations=["treats"]
    ).with_inverses()
    found = k_diverse_paths(kg, "a", "d")
    assert [(kg.graph.name(p.nodes[0]), kg.graph.name(p.nodes[1])) for p in found] == [("a", "g"), ("d", "s")]
    assert all(p.kind == "neighbour" for p in found)
    assert [p.length for p in k_diverse_paths(kg, "a", "d", hide="none")] == [1]
    assert [p.length for p in k_diverse_paths(kg, "d", "a", hide="none")] == [1]
    assert k_diverse_paths(kg, "d", "a")[0].nodes[0] == kg.entity("d")


def test_background_edges_that_state_the_same_answer_are_hidden_with_the_task():
    kg = KnowledgeGraph.from_triples([("a", "treats", "d"), ("a", "binds", "d"), ("b", "treats", "d")])
    kg = kg.augment([("b", "modifies", "d")], same_pair={"modifies": "treats"}).with_inverses()
    names = [kg.graph.relation_names[p.relations[0]] for p in k_diverse_paths(kg, "a", "d", max_len=1)]
    assert names == ["binds"]
    assert kg.relation_counts()["treats"] == 1  # that of b went when the task's own came
    assert k_diverse_paths(kg, "a", "d", max_len=1, hide="pair", fallback=False) == []


def test_the_fall_back_lists_are_filtered_in_diverse_mode_only():
    triples = [("u", "x", f"m{i}") for i in range(5)] + [("w", "y", f"k{i}") for i in range(3)]
    kg = KnowledgeGraph.from_triples(triples)
    assert [p.length for p in k_diverse_paths(kg, "u", "w")] == [1, 1]
    assert len(k_diverse_paths(kg, "u", "w", k=4, diverse=False)) == 7
    assert k_diverse_paths(kg, "u", "w", fallback=False) == []


def test_a_pair_that_is_too_far_apart_has_no_path_and_a_list_only_when_asked():
    chain = [("a", "x", "b"), ("b", "x", "c"), ("c", "x", "d"), ("d", "heals", "e"), ("a", "heals", "e")]
    kg = KnowledgeGraph.from_triples(chain, task_relations=["heals"])
    assert k_diverse_paths(kg, "a", "e") == []
    assert [p.kind for p in k_diverse_paths(kg, "a", "e", fallback="far")] == ["neighbour"]
    assert [p.length for p in k_diverse_paths(kg, "a", "e", max_len=4)] == [4]


def test_entities_that_are_missing():
    kg = drugs()
    with pytest.raises(
        UnknownNameError, match=r"entity 'g99' is not in the graph \(did you mean g29\?\)|mean g9"
    ):
        k_diverse_paths(kg, "g99", "d")
    assert k_diverse_paths(kg, "new", "newer", missing="empty") == []
    assert [p.nodes[0] for p in k_diverse_paths(kg, "new", "d", missing="empty")] == [kg.entity("d")]
    assert len(k_diverse_paths(kg, "a", "new", missing="empty", diverse=False, k=7)) == 7


def test_neighbours_only_takes_half_of_each_side():
    kg = drugs().with_inverses()
    found = neighbours_only(kg, "a", "d", 5, diverse=False)
    assert [kg.graph.name(p.nodes[0]) for p in found] == ["a"] * 3 + ["d"] * 2
    assert all(kg.graph.name(n) != "a" for p in found[3:] for n in p.nodes)
    assert len(neighbours_only(kg, "a", "d", 1)) == 1


def dense():
    n = 60
    return KnowledgeGraph.from_triples([(str(i), "x", str(j)) for i in range(n) for j in range(n) if i != j])


def test_too_many_paths_are_refused_and_a_budget_ends_the_search():
    kg = dense()
    with pytest.raises(
        InputError,
        match=r"max_len \(--max-length\) 7 on 4 k edges could enumerate > 1e9 paths: lower it or set a budget",
    ):
        k_diverse_paths(kg, "0", "1", max_len=7)
    assert len(k_diverse_paths(kg, "0", "1", 1, max_len=7)) == 1  # enough is found before
    with pytest.warns(RuntimeWarning, match="used up its budget of 500 arcs"):
        found = k_diverse_paths(kg, "0", "1", max_len=7, budget=500)
    assert [p.length for p in found] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"max_len": 0}, r"max_len \(--max-length\) must be at least 1, got 0"),
        ({"tie_break": "random"}, "tie_break 'random' does not exist"),
        ({"hide": "edge"}, "hide 'edge' does not exist"),
        ({"budget": 0}, "budget must be at least 1"),
        ({"seed": -1}, "seed must be an integer"),
        ({"fallback": "near"}, "fallback must be True, False or 'far'"),
        ({"missing": "skip"}, "missing 'skip' does not exist"),
        ({"max_len": 60}, r"max_len \(--max-length\) 60 with 4 relations is more than"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        k_diverse_paths(drugs(), "a", "d", **arguments)


def test_one_entity_twice_is_refused():
    with pytest.raises(InputError, match="u and v must differ, got 'a' twice"):
        k_diverse_paths(drugs(), "a", "a")
    with pytest.raises(InputError, match="u and v must differ, got 'a' twice"):
        k_diverse_paths(drugs(), drugs().entity("a"), drugs().entity("a"))


def test_paths_convert_to_path_sets():
    kg = drugs().with_inverses()
    paths = PathSet.from_paths(path.to_path(kg, id="a-d") for path in k_diverse_paths(kg, "a", "d", k=2))
    assert [step.place for step in paths[0].steps] == ["", "binds", "causes"]
    assert [step.unit for step in paths[1].steps] == ["a", "g3", "b", "d"]
    assert paths.scores.tolist() == [2.0, 3.0]


def test_donepezil_reaches_alzheimers_disease_through_two_shared_genes(real_data):
    from hodology.planning.knowledge_graph_files import read_hetionet

    folder = real_data / "hetionet-repurposing"
    pairs = [line.split("\t") for line in (folder / "indications.tsv").read_text().splitlines()[1:]]
    kg = (
        read_hetionet(folder, leave_out=["CtD", "CpD"])
        .augment([(p[0], p[4], p[2]) for p in pairs])
        .with_inverses()
    )
    paths = k_diverse_paths(kg, "Donepezil", "Alzheimer's disease")
    titles = [[kg.titles[node] for node in path.nodes] for path in paths]
    assert titles == [
        ["Donepezil", "ACHE", "Galantamine", "Alzheimer's disease"],
        ["Donepezil", "SIGMAR1", "Haloperidol", "Alzheimer's disease"],
    ]
