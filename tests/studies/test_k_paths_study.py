"""The k-paths study: claims and controls come from what was measured; its folds never hold a test pair's answer."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hodology.data.repurposing import LABELS, generate_repurposing
from hodology.errors import FileFormatError, InputError
from hodology.planning.kg_folds import stratified_folds
from hodology.studies import k_paths_figures
from hodology.studies.k_paths_data import generated, real
from hodology.study import find_paper
from hodology.study.runner import run_study

SMALL = {"pairs": 60, "folds": 2, "networks": 1, "epochs": 3}


@pytest.fixture
def small(monkeypatch):
    """Sizes that take seconds."""
    monkeypatch.setattr(k_paths_figures, "SIZES", {"quick": SMALL, "standard": SMALL})


def test_five_claims_with_controls_are_judged_from_the_seeds(small, tmp_path):
    record = run_study(find_paper("k-paths"), size="quick", seeds=2, folder=tmp_path)
    claims = record["claims"]
    assert {claim["claim"][:2] for claim in claims} == {"1.", "2.", "3.", "4.", "5."}
    words = " ".join(claim["claim"] for claim in claims)
    for part in (
        "relation degrees",
        "unfiltered",
        "neighbours only",
        "majority",
        "shuffled",
        "own edge",
        "random part",
    ):
        assert part in words
    for claim in claims:
        assert len(claim["per_seed"]) == 2
        assert claim["measured"] == pytest.approx(np.mean(claim["per_seed"]))
    assert {row[0] for row in record["tables"][0]["rows"]} >= {
        "k-paths",
        "degrees",
        "majority",
        "k-paths, L = 2",
    }


def test_a_folds_graph_knows_the_training_answers_only():
    task = generated(3, 60)
    for fold in stratified_folds(task.pairs, task.labels, n_folds=3, seed=3):
        kg = task.fold_graph(fold.train)
        known = {kg.graph.relation(name) for name in task.names}
        stated = {
            (kg.graph.name(a), kg.graph.name(b))
            for a, r, b in zip(kg.graph.tails.tolist(), kg.edge_relations.tolist(), kg.graph.heads.tolist())
            if r in known
        }
        assert stated == {task.pairs[i] for i in fold.train}


def test_labels_of_the_generated_graph_follow_its_mechanisms():
    world = generate_repurposing(seed=5, pairs=80)
    assert [world.labels.count(name) for name in LABELS] == [43, 22, 14]
    assert len(set(world.pairs)) == len(world.pairs)
    assert not {t[1] for t in world.triples} & set(LABELS)
    assert generate_repurposing(seed=5, pairs=80).triples == world.triples
    assert generate_repurposing(seed=6, pairs=80).triples != world.triples
    bound: dict[str, set[str]] = {}
    for head, relation, tail in world.triples:
        if relation == "binds":
            bound.setdefault(head, set()).add(tail)
    share = {
        name: np.mean(
            [
                bool(bound[d] & world.causal_genes[s])
                for (d, s), own in zip(world.pairs, world.labels)
                if own == name
            ]
        )
        for name in LABELS
    }
    assert share["treats"] > share["palliates"] + 0.2


def test_bad_settings_of_the_generated_graph_are_named():
    with pytest.raises(InputError, match="missing must be from 0 to below 1, got 1"):
        generate_repurposing(missing=1.0)
    with pytest.raises(InputError, match="pairs must be fewer: only"):
        generate_repurposing(pairs=10**6)


def test_the_real_sample_is_read_without_its_own_indications(real_data):
    task = real(str(real_data / "hetionet-repurposing"))
    assert len(task.pairs) == 1388
    assert np.bincount(task.labels).tolist() == [755, 390, 243]
    counts = task.background.relation_counts()
    assert not {"CtD", "CpD"} & set(counts)
    assert counts["CbG"] == 2605


def test_a_folder_without_the_list_is_named(real_data, tmp_path):
    for file in (real_data / "hetionet-repurposing").iterdir():
        if file.name != "indications.tsv":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(FileFormatError, match="indications.tsv is missing"):
        real(str(tmp_path))


def test_one_seed_of_the_real_sample(small, real_data):
    payload = {"seed": 0, "size": "quick", "data": str(real_data / "hetionet-repurposing")}
    found = json.loads(k_paths_figures.measure(payload))
    assert found["explained"]["donepezil"] == 2
    assert np.mean(found["scores"]["k-paths"]) > np.mean(found["scores"]["degrees"])
