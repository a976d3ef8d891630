"""Many pairs: the same as one by one, whatever the threads and chunks; streams; runs that go on."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hodology.errors import InputError, UnknownNameError
from hodology.planning import retrieval
from hodology.planning.diverse_paths import k_diverse_paths, neighbours_only
from hodology.planning.knowledge_graph import KnowledgeGraph
from hodology.planning.retrieval import retrieve


@pytest.fixture(scope="module")
def kg():
    rng = np.random.default_rng(0)
    rows = zip(rng.integers(0, 40, 200), rng.integers(0, 4, 200), rng.integers(0, 40, 200), strict=True)
    triples = [(f"n{h}", f"r{r}", f"n{t}") for h, r, t in rows]
    return KnowledgeGraph.from_triples(
        triples, relations=["r0", "r1", "r2", "r3"], task_relations=["r3"]
    ).with_inverses()


@pytest.fixture(scope="module")
def pairs(kg):
    return list(itertools.islice(itertools.permutations(kg.graph.names, 2), 150))


@pytest.mark.parametrize(
    "options", [{}, {"diverse": False, "tie_break": "seeded", "max_len": 4}, {"missing": "empty"}]
)
def test_many_pairs_give_what_each_gives_alone_on_any_number_of_threads(kg, pairs, options):
    alone = [tuple(k_diverse_paths(kg, u, v, **options)) for u, v in pairs]
    for jobs, chunk in ((1, 64), (3, 7)):
        found = list(retrieve(kg, pairs, jobs=jobs, chunk=chunk, **options))
        assert [result.paths for result in found] == alone
        assert [(result.u, result.v) for result in found] == pairs


def test_neighbours_of_many_pairs(kg, pairs):
    found = retrieve(kg, pairs[:20], k=5, neighbours=True)
    assert [list(r) for r in found] == [neighbours_only(kg, u, v, 5) for u, v in pairs[:20]]


def test_pairs_are_read_as_far_as_needed(kg, pairs):
    read = []

    def endless():
        for pair in itertools.cycle(pairs):
            read.append(pair)
            yield pair

    first = list(itertools.islice(retrieve(kg, endless(), chunk=4, jobs=2), 5))
    assert len(first) == 5
    assert len(read) <= 20


def test_a_stopped_run_goes_on_from_its_folder(kg, pairs, tmp_path, monkeypatch):
    whole = list(retrieve(kg, pairs, chunk=10))
    stream = retrieve(kg, pairs, chunk=10, folder=tmp_path)
    assert [next(stream) for _ in range(15)] == whole[:15]
    stream.close()
    kept = len(list(tmp_path.glob("*.unit")))
    assert 2 <= kept < 15
    searched = []
    search = retrieval.search_pairs
    monkeypatch.setattr(retrieval, "search_pairs", lambda *a: searched.append(1) or search(*a))
    assert list(retrieve(kg, pairs, chunk=10, folder=tmp_path)) == whole
    assert len(searched) == 15 - kept
    assert list(retrieve(kg, pairs, chunk=10, folder=tmp_path, jobs=2)) == whole
    assert len(searched) == 15 - kept
    masked = kg.without_edge("n0", "n1", relations="all")
    list(retrieve(masked, pairs[:10], chunk=10, folder=tmp_path))
    list(retrieve(kg, pairs[:10], k=3, chunk=10, folder=tmp_path))
    assert len(searched) == 17 - kept  # another graph and another query are other work


def test_unknown_entities_are_an_error_or_empty(kg):
    with pytest.raises(UnknownNameError, match="entity 'n400' is not in the graph"):
        list(retrieve(kg, [("n0", "n400")]))
    found = list(retrieve(kg, [("n0", "n400"), ("x", "y")], missing="empty"))
    assert [(r.u, r.v, r.v_node, len(r)) for r in found][1] == ("x", "y", -1, 0)
    assert found[0].paths
    assert all(p.kind == "neighbour" and p.nodes[0] == found[0].u_node for p in found[0])


def test_a_budget_that_is_used_up_is_told(kg):
    found = list(retrieve(kg, [("n0", "n1")], max_len=5, k=10_000, diverse=False, budget=3))
    assert not found[0].complete
    assert list(retrieve(kg, [("n0", "n1")], max_len=5))[0].complete


def test_results_convert_to_paths(kg):
    result = next(iter(retrieve(kg, [("n0", "n1")])))
    assert [path.id for path in result.to_paths(kg)] == ["n0 -> n1"] * len(result)


@pytest.mark.parametrize(
    ("options", "message"), [({"jobs": 0}, "jobs must be"), ({"chunk": 0}, "chunk"), ({"k": 0}, "k must")]
)
def test_bad_arguments_are_refused_at_once(kg, options, message):
    with pytest.raises(InputError, match=message):
        retrieve(kg, [], **options)
