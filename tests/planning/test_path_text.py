"""Paths in sentences: one line each, composites in full, the answer never."""

from __future__ import annotations

import pytest

from hodology.errors import InputError
from hodology.planning.diverse_paths import k_diverse_paths
from hodology.planning.knowledge_graph import KnowledgeGraph
from hodology.planning.knowledge_graph_files import read_hetionet
from hodology.planning.path_query import KgPath
from hodology.planning.path_text import path_sentence, verbalise
from hodology.planning.retrieval import retrieve

TEMPLATES = {
    "binds": ("{u} binds {v}", "{u} is bound by {v}"),
    "heals": "{u} heals {v}",
    "treats": "{u} treats {v}",
}


def small(**arguments):
    triples = [
        ("a", "binds", "g"),
        ("b", "binds", "g"),
        ("a", "heals", "d"),
        ("b", "heals", "d"),
        ("b", "treats", "d"),
    ]
    return KnowledgeGraph.from_triples(
        [*triples, ("a", "binds", "d")],
        titles={"a": "Aspirin", "d": "{v} pain"},
        templates=TEMPLATES,
        task_relations=["heals"],
        **arguments,
    )


def test_edges_are_joined_by_and_paths_by_lines():
    kg = small().with_inverses()
    text = verbalise(k_diverse_paths(kg, "a", "d"), kg)
    assert text.splitlines() == [
        "Aspirin binds {v} pain",
        "Aspirin binds g and g is bound by b and b treats {v} pain",
        "Aspirin binds g and g is bound by b and b heals {v} pain",
    ]


def test_composite_relations_are_said_part_by_part():
    kg = small().merge_parallel()
    assert (
        verbalise(k_diverse_paths(kg, "b", "d", hide="none"), kg) == "b treats {v} pain and b heals {v} pain"
    )


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("pair", [("a", "d"), ("d", "a")])
def test_the_answer_between_the_pair_is_never_said(merged, pair):
    kg = small(same_pair={"heals": "treats"}).with_inverses()
    kg = kg.merge_parallel() if merged else kg
    open_text = verbalise(k_diverse_paths(kg, *pair, hide="none"), kg)
    guarded = verbalise(next(iter(retrieve(kg, [pair], hide="none"))), kg)
    assert "Aspirin heals {v} pain" in open_text
    assert "Aspirin heals" not in guarded
    assert "{v} pain" in guarded  # what else is known of the pair stays
    assert guarded == verbalise(k_diverse_paths(kg, *pair, hide="none"), kg, pair=pair)
    assert "" not in guarded.split("\n")


def test_the_answer_is_not_said_in_one_hop_lists_either_way_round():
    kg = small().with_inverses()
    result = next(iter(retrieve(kg, [("a", "d")], neighbours=True, hide="none")))
    assert [path.nodes for path in result if kg.parts[path.relations[0]] == (5,)] == [
        (kg.entity("d"), kg.entity("a"))
    ]
    assert "Aspirin heals" in verbalise(result.paths, kg)
    assert "Aspirin heals" not in verbalise(result, kg)


def test_only_the_pairs_own_answer_is_left_unsaid():
    kg = small().with_inverses()
    assert "b heals {v} pain" in verbalise(next(iter(retrieve(kg, [("a", "d")], hide="none"))), kg)


def test_missing_sentences_and_foreign_paths_are_errors():
    kg = KnowledgeGraph.from_triples([("a", "x", "b")], templates={})
    with pytest.raises(InputError, match="relation 'x' has no sentence template"):
        verbalise(k_diverse_paths(kg, "a", "b"), kg)
    with pytest.raises(InputError, match="relation id 31 is not in the graph"):
        path_sentence(KgPath((0, 1), (0,), (31,)), kg)


def test_a_path_alone_and_no_path():
    kg = KnowledgeGraph.from_triples([("a", "acts_on", "b")])
    assert path_sentence(k_diverse_paths(kg, "a", "b")[0], kg) == "a acts on b"
    assert verbalise([], kg) == ""


def test_the_text_for_donepezil_and_alzheimers_disease(real_data):
    folder = real_data / "hetionet-repurposing"
    rows = [line.split("\t") for line in (folder / "indications.tsv").read_text().splitlines()[1:]]
    kg = read_hetionet(folder, leave_out=["CtD", "CpD"]).augment(
        [(row[0], row[4], row[2]) for row in rows],
        templates={
            "DM": "{u} (Compound) modifies {v} (Disease)",
            "SYM": "{u} (Compound) palliates {v} (Disease)",
            "NOT": "{u} (Compound) is not indicated for {v} (Disease)",
        },
    )
    kg = kg.with_inverses()
    assert verbalise(k_diverse_paths(kg, "Donepezil", "Alzheimer's disease"), kg) == (
        "Donepezil (Compound) binds ACHE (Gene) and ACHE (Gene) is bound by Galantamine (Compound) and "
        "Galantamine (Compound) modifies Alzheimer's disease (Disease)\n"
        "Donepezil (Compound) binds SIGMAR1 (Gene) and SIGMAR1 (Gene) is bound by Haloperidol (Compound) and "
        "Haloperidol (Compound) palliates Alzheimer's disease (Disease)"
    )
