"""The subgraph of retrieved paths: forward, single, background triples only; the random control."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hodology.errors import InputError
from hodology.planning.diverse_paths import k_diverse_paths
from hodology.planning.knowledge_graph import KnowledgeGraph
from hodology.planning.path_subgraph import background_graph, paths_subgraph, random_subgraph
from hodology.planning.retrieval import retrieve


def rows(kg):
    return set(zip(*(column.tolist() for column in kg.edges()), strict=True))


def test_inverses_are_turned_back_composites_split_and_the_task_removed():
    triples = [
        ("a", "binds", "g"),
        ("a", "likes", "g"),
        ("b", "binds", "g"),
        ("b", "heals", "d"),
        ("b", "eases", "d"),
    ]
    kg = KnowledgeGraph.from_triples([*triples, ("x", "binds", "y")], task_relations=["heals"])
    for searched in (
        kg.with_inverses(),
        kg.with_inverses().merge_parallel(),
        kg.merge_parallel().with_inverses(),
    ):
        found = paths_subgraph(k_diverse_paths(searched, "a", "d"), searched)
        names = {(kg.graph.name(t), kg.forward_relations[r], kg.graph.name(h)) for t, r, h in rows(found)}
        assert names == {("a", "binds", "g"), ("a", "likes", "g"), ("b", "binds", "g"), ("b", "eases", "d")}
        assert found.graph.names == kg.graph.names
        assert found.forward_relations == kg.forward_relations
        assert not found.has_inverses


@given(st.lists(st.tuples(*[st.integers(0, 5)] * 3), min_size=1, max_size=25))
def test_the_subgraph_is_part_of_the_background_and_gives_the_same_paths(ids):
    triples = [(f"n{h}", f"r{r % 3}", f"n{t}") for h, r, t in ids] + [("n0", "r0", "n1"), ("n0", "r2", "n2")]
    kg = KnowledgeGraph.from_triples(
        triples, relations=["r0", "r1", "r2"], task_relations=["r2"]
    ).with_inverses()
    result = list(retrieve(kg, [("n0", "n1")], k=50, fallback=False))
    part = paths_subgraph(result, kg)
    assert rows(part) <= rows(background_graph(kg))
    used = {(p.nodes, p.relations) for p in result[0] if not {2, 5} & set(p.relations)}
    again = retrieve(part.with_inverses(), [("n0", "n1")], k=1000, diverse=False, fallback=False)
    assert used <= {(p.nodes, p.relations) for p in next(iter(again))}


def test_a_random_part_has_the_size_asked_for_and_follows_its_seed():
    kg = KnowledgeGraph.from_triples([(f"n{i}", "r", f"n{i + 1}") for i in range(40)]).with_inverses()
    part = random_subgraph(kg, 15, seed=1)
    assert part.graph.n_edges == 15
    assert rows(part) == rows(random_subgraph(kg, 15, seed=1)) != rows(random_subgraph(kg, 15, seed=2))
    with pytest.raises(InputError, match="n_edges must be 0 to 40, got 41"):
        random_subgraph(kg, 41)


def test_paths_of_another_graph_and_wrong_triples_are_refused():
    kg = KnowledgeGraph.from_triples([("a", "x", "b"), ("b", "x", "c")])
    with pytest.raises(InputError, match="give the one that was searched"):
        paths_subgraph(k_diverse_paths(kg.with_inverses(), "c", "a"), kg)
    with pytest.raises(InputError, match="relations must be forward ids, 0 to 0, got 1"):
        kg.with_triples(np.array([0]), np.array([1]), np.array([1]))
    assert paths_subgraph([], kg).graph.n_edges == 0
