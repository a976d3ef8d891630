"""The figures of one seed of the k-paths study; `hodology.studies.k_paths` judges them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from hodology.planning.kg_folds import PairFold, entity_folds, stratified_folds
from hodology.planning.knowledge_graph import KnowledgeGraph
from hodology.planning.path_query import PairPaths
from hodology.planning.relation_features import degree_features, sequence_features
from hodology.planning.retrieval import retrieve
from hodology.rng import stream
from hodology.studies.k_paths_data import Repurposing, generated, real
from hodology.studies.k_paths_networks import network_figures

__all__ = ["measure"]

SIZES: dict[str, dict[str, Any]] = {
    "quick": {"pairs": 300, "folds": 3, "networks": 1, "epochs": 40},
    "standard": {"pairs": 700, "folds": 5, "networks": 3, "epochs": 200},
}
_SEARCHES: dict[str, dict[str, Any]] = {
    "k-paths": {},
    "k-paths, rare first": {"tie_break": "rare-first"},
    "k-paths, seeded order": {"tie_break": "seeded"},
    "no filter": {"diverse": False},
    "no filter, seeded order": {"diverse": False, "tie_break": "seeded"},
    "neighbours only": {"neighbours": True},
    "k-paths, own edge left in": {"hide": "none"},
    "k-paths, K = 5": {"k": 5},
    "k-paths, K = 20": {"k": 20},
    "k-paths, L = 2": {"max_len": 2},
}


def measure(payload: Mapping[str, Any]) -> bytes:
    """All figures of one seed, as JSON."""
    seed, size = payload["seed"], SIZES[payload["size"]]
    task = generated(seed, size["pairs"]) if payload["data"] is None else real(payload["data"])
    folds = stratified_folds(task.pairs, task.labels, n_folds=size["folds"], seed=seed)
    apart = entity_folds(task.pairs, task.labels, n_folds=size["folds"], seed=seed)
    scores = [_scores(task, fold, seed) for fold in folds]
    alone = [_scores(task, fold, seed, only=("k-paths",)) for fold in apart]
    kg = task.fold_graph(range(len(task.pairs)))  # what is known; each pair hides its own answer
    found = {
        name: list(retrieve(kg, task.pairs, **_SEARCHES[name]))
        for name in ("k-paths", "no filter, seeded order")
    }
    figures = {
        "pairs": len(task.pairs),
        "edges": int(task.background.graph.n_edges),
        "scores": {name: [fold[name] for fold in scores] for name in scores[0]},
        "by_drug": {name: [fold[name] for fold in alone] for name in alone[0]},
        "distinct": {name: _distinct(results) for name, results in found.items()},
        "broken": sum(_broken(result) for result in found["k-paths"]),
        "networks": [network_figures(task, fold, size["epochs"], seed) for fold in folds[: size["networks"]]],
        "explained": _explained(task, kg, found["k-paths"]),
    }
    return json.dumps(figures).encode()


def _scores(
    task: Repurposing, fold: PairFold, seed: int, only: tuple[str, ...] | None = None
) -> dict[str, float]:
    """Macro-F1 on the test pairs of one fold, of every set of features."""
    kg = task.fold_graph(fold.train)
    found = {}
    for name, options in _SEARCHES.items():
        if only is not None and name not in only:
            continue
        results = list(retrieve(kg, task.pairs, **options))
        train = sequence_features([results[i] for i in fold.train], kg)
        test = sequence_features([results[i] for i in fold.test], kg, names=train.names)
        found[name] = macro_f1(train.matrix, test.matrix, task.labels, fold)
        if name == "k-paths":
            shuffled = task.labels.copy()
            shuffled[fold.train] = stream(seed, "shuffled labels").permutation(shuffled[fold.train])
            found["k-paths, labels shuffled"] = macro_f1(
                train.matrix, test.matrix, shuffled, fold, task.labels
            )
    degrees = degree_features(kg, task.pairs).matrix
    found["degrees"] = macro_f1(degrees[fold.train], degrees[fold.test], task.labels, fold)
    found["majority"] = _majority(task.labels, fold)
    return found


def macro_f1(
    train: Any, test: Any, labels: np.ndarray, fold: PairFold, truth: np.ndarray | None = None
) -> float:
    """Of a balanced logistic regression (C = 0.3) trained on the fold's training pairs."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MaxAbsScaler

    model = make_pipeline(MaxAbsScaler(), LogisticRegression(C=0.3, class_weight="balanced", max_iter=2000))
    model.fit(train, labels[fold.train])
    truth = labels if truth is None else truth
    return float(f1_score(truth[fold.test], model.predict(test), average="macro"))


def _majority(labels: np.ndarray, fold: PairFold) -> float:
    from sklearn.metrics import f1_score

    most = np.bincount(labels[fold.train]).argmax()
    return float(f1_score(labels[fold.test], np.full(len(fold.test), most), average="macro"))


def _distinct(results: list[PairPaths]) -> float:
    """Mean number of different relation sequences among the paths of a query."""
    return float(
        np.mean([len({path.relations for path in result if path.kind == "path"}) for result in results])
    )


def _broken(result: PairPaths) -> int:
    """1 when a result has a sequence twice, a node twice on a path, more than 3 edges, or paths out of order."""
    paths = [path for path in result if path.kind == "path"]
    lengths = [path.length for path in paths]
    good = len({path.relations for path in paths}) == len(paths) and lengths == sorted(lengths)
    return int(
        not good or any(length > 3 or len(set(p.nodes)) != length + 1 for length, p in zip(lengths, paths))
    )


def _explained(task: Repurposing, kg: KnowledgeGraph, results: list[PairPaths]) -> dict[str, float]:
    """By label, the share of pairs with a path through a gene of the disease's cause; of the real list, donepezil's paths."""
    if task.causal_genes is None:
        wanted = {("CbG", "CbG_inverse", name) for name in task.names[:2]}
        pair = ("Compound::DB00843", "Disease::DOID:10652")
        result = results[task.pairs.index(pair)] if pair in task.pairs else ()
        names = [tuple(kg.graph.relation_names[r] for r in path.relations) for path in result]
        return {"donepezil": float(sum(name in wanted for name in names))}
    shares: dict[str, list[bool]] = {name: [] for name in task.names}
    for (_, disease), label, result in zip(task.pairs, task.labels, results, strict=True):
        inner = {kg.graph.name(node) for path in result if path.kind == "path" for node in path.nodes[1:-1]}
        shares[task.names[label]].append(not inner.isdisjoint(task.causal_genes[disease]))
    return {name: float(np.mean(found)) for name, found in shares.items()}
