"""R-GCNs on the whole graph, on the union of the K-paths, and on a random part of equal size."""

from __future__ import annotations

from typing import Any

import numpy as np

from hodology.planning.edge_classifier import train_edge_classifier
from hodology.planning.edge_classifier_fit import EdgeSettings
from hodology.planning.kg_folds import PairFold
from hodology.planning.knowledge_graph import KnowledgeGraph
from hodology.planning.path_subgraph import background_graph, paths_subgraph, random_subgraph
from hodology.planning.retrieval import retrieve
from hodology.rng import stream
from hodology.studies.k_paths_data import Repurposing

__all__ = ["network_figures"]

_HELD = 0.15  # share of the training pairs that selects the state that is kept


def network_figures(task: Repurposing, fold: PairFold, epochs: int, seed: int) -> dict[str, Any]:
    """Macro-F1 on the test pairs, seconds per epoch, and the share of the graph that is kept."""
    kg = task.fold_graph(fold.train)
    whole = background_graph(kg)
    results = list(retrieve(kg, task.pairs))
    part = paths_subgraph([results[i] for i in fold.train], kg)
    both = paths_subgraph(results, kg)  # the paths of the test pairs are known without their answers
    random = random_subgraph(kg, both.graph.n_edges, seed=seed)
    chosen = stream(seed, "random part").permutation(both.graph.n_edges)[: part.graph.n_edges]
    columns = (random.graph.tails, random.edge_relations, random.graph.heads)
    random_part = random.with_triples(*(column[np.sort(chosen)].astype(np.int64) for column in columns))
    figures: dict[str, Any] = {"kept": part.graph.n_edges / whole.graph.n_edges}
    for name, train, test in (
        ("whole", whole, whole),
        ("k-paths", part, both),
        ("random", random_part, random),
    ):
        figures[name] = _train(task, fold, kg, train, test, epochs, seed)
    return figures


def _train(
    task: Repurposing, fold: PairFold, kg: KnowledgeGraph, train: KnowledgeGraph, test: KnowledgeGraph, epochs: int,
    seed: int,
) -> dict[str, float]:  # fmt: skip
    from sklearn.metrics import f1_score

    nodes = np.array([[kg.entity(u), kg.entity(v)] for u, v in task.pairs])
    order = stream(seed, "validation pairs").permutation(fold.train)
    held, used = np.split(order, [round(_HELD * len(order))])
    found = train_edge_classifier(
        _edges(train), train.edge_relations, kg.graph.n_nodes, kg.offset,
        nodes[used], task.labels[used], nodes[held], task.labels[held],
        settings=EdgeSettings(hidden=32, depth=2, epochs=epochs, patience=epochs, learning_rate=1e-2, balanced=True),
        n_classes=len(task.names), answer_relations=kg.task_relations, seed=seed,
    )  # fmt: skip
    guess = found.predict_proba(nodes[fold.test], edges=_edges(test), relations=test.edge_relations).argmax(
        axis=1
    )
    score = f1_score(task.labels[fold.test], guess, average="macro")
    return {"f1": float(score), "seconds": found.training.seconds_per_epoch}


def _edges(kg: KnowledgeGraph) -> np.ndarray:
    return np.stack([kg.graph.tails, kg.graph.heads], axis=1).astype(np.int64)
