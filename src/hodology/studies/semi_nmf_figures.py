"""The figures of one seed of the semi-NMF study; `hodology.studies.semi_nmf` judges them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from hodology.data.topics import make_topics
from hodology.interpret.concept_detection import concept_scores
from hodology.interpret.concept_match import name_features
from hodology.interpret.semi_nmf import SemiNMF, match_components
from hodology.interpret.sparse_autoencoder import SparseAutoencoder
from hodology.nn.topics_gpt import TopicsGPT, topics_gpt
from hodology.rng import stream
from hodology.studies.semi_nmf_concepts import Features, detection, find_features, tables_of
from hodology.studies.semi_nmf_data import TextModel, real_texts
from hodology.studies.semi_nmf_hierarchy import hierarchy
from hodology.studies.semi_nmf_steering import steering

__all__ = ["LAYER", "measure"]

LAYER = -1  # the second block of the two
SIZES: dict[str, dict[str, Any]] = {
    "quick": {"tokens": 1000, "epochs": 1, "iterations": 150, "kl": (0.5,), "sweep": (), "starts": 2}
    | {"sae_epochs": 10, "restarts": 1},
    "standard": {"tokens": 3000, "epochs": 5, "iterations": 1000, "kl": (0.1, 0.5, 2.0), "starts": 5}
    | {"sae_epochs": 100, "restarts": 3, "sweep": ((24, 192), (24, 96), (24, 32))},
}  # sweep: (concepts, MLP width) of further models
RANK, SHARE, LATENTS, SWEEP_RANK = 24, 0.05, 96, 32


def measure(payload: Mapping[str, Any]) -> bytes:
    """All figures of one seed, as JSON."""
    seed, size = payload["seed"], SIZES[payload["size"]]
    gpt = topics_gpt(seed=seed, epochs=size["epochs"]) if payload["data"] is None else None
    source = gpt if gpt is not None else real_texts(payload["data"], seed)
    table, other = tables_of(source, size["tokens"], LAYER)
    features = find_features(table, other, seed, size, rank=RANK, share=SHARE, latents=LATENTS)
    found: dict[str, Any] = {
        "tokens": len(table),
        "detection": detection(features, table, other, words=gpt is not None),
        "scores": _concept_scores(source, features, table, seed, size),
        "sparsity": _sparsity(features["semi-NMF"]),
        "planted": _planted(seed),
        "stability": _stability(table.matrix, size, seed),
        "generated": None,
    }
    if gpt is not None:  # what needs a known grammar
        found["generated"] = {
            "excess": gpt.excess,
            "steering": steering(gpt, features, size["kl"], LAYER, seed),
            "hierarchy": hierarchy(seed, size, LAYER),
            "sweep": [_regime(seed, size, concepts, width) for concepts, width in size["sweep"]],
        }
    return json.dumps(found).encode()


def _concept_scores(
    source: TopicsGPT | TextModel,
    features: Mapping[str, Features],
    table: Any,
    seed: int,
    size: Mapping[str, Any],
) -> dict[str, Any]:
    """S_CD of the features that have a name, on held-out sentences: 5 of the concept, 5 of others."""
    figures = {}
    corpus = source.test
    later = np.arange(len(corpus)) >= len(corpus) // 2  # the factorised tokens are of the first half
    for name in ("semi-NMF", "SAE"):
        kept = features[name]
        named = name_features(table, kept.fitted, rng=seed)
        rows = [i for i, n in enumerate(named.names) if n is not None]
        if not rows:
            figures[name] = {"features": 0, "median": 0.0, "share": 0.0}
            continue
        draws = stream(seed, "sentences", name)
        sides: dict[bool, list[list[str]]] = {True: [], False: []}
        for row in rows:
            for own in (True, False):
                able = np.flatnonzero(later & ((corpus.labels == named.concepts[row]) == own))
                sides[own].append([corpus.sentences[i] for i in draws.choice(able, 5, replace=False)])
        scores = concept_scores(
            source.model, source.tokenizer, LAYER, kept.directions[rows], sides[True], sides[False],
            n_resamples=200, rng=seed,
        )  # fmt: skip
        finite = np.clip(np.nan_to_num(scores.score, nan=-5.0, posinf=5.0, neginf=-5.0), -5.0, 5.0)
        figures[name] = {
            "features": len(rows),
            "of": len(named.names),
            "median": float(np.median(finite)),
            "share": scores.share_positive,
        }
    return figures


def _sparsity(features: Features) -> dict[str, float]:
    counts = np.count_nonzero(features.directions, axis=1)
    wanted = int(np.ceil(SHARE * features.directions.shape[1]))
    return {"wanted": wanted, "off": float(np.abs(counts - wanted).max())}


def _planted(seed: int) -> dict[str, float]:
    """The sheet's planted data: d 60, n 200, k 4, 6 units per factor, 5 % noise; 300 iterations at p = 0.1."""
    generator = stream(seed, "planted")
    truth = np.zeros((4, 60))
    for row in truth:
        row[generator.choice(60, 6, replace=False)] = generator.standard_normal(6)
    clean = generator.random((200, 4)) @ truth
    data = clean + 0.05 * clean.std() * generator.standard_normal(clean.shape)
    cosines = {}
    for solver in ("hals", "mu"):
        model = SemiNMF(4, sparsity=0.1, solver=solver, max_iter=300, tol=0.0, restarts=5, random_state=seed)
        cosines[solver] = float(match_components(truth, model.fit(data).components_).cosines.min())
    return cosines


def _stability(x: np.ndarray, size: Mapping[str, Any], seed: int) -> dict[str, float]:
    """Median cosine of matched features between the first start and others; of latents that are ever active."""
    found: dict[str, list[np.ndarray]] = {"semi-NMF": [], "SAE": []}
    for start in range(size["starts"]):
        model = SemiNMF(
            RANK, sparsity=SHARE, max_iter=size["iterations"], tol=0.0, random_state=1000 * seed + start
        )
        found["semi-NMF"].append(model.fit(x).components_)
        coder = SparseAutoencoder(LATENTS, epochs=size["sae_epochs"], random_state=1000 * seed + start)
        coder.fit(x)
        found["SAE"].append(coder.components_[coder.density_ > 0])  # a silent latent is its random start
    return {
        name: float(
            np.nanmedian(np.concatenate([match_components(all_[0], other).cosines for other in all_[1:]]))
        )
        for name, all_ in found.items()
    }


def _regime(seed: int, size: Mapping[str, Any], concepts: int, width: int) -> dict[str, Any]:
    """More concepts in fewer units: detection and steering at one divergence."""
    split = make_topics(13_000, n_concepts=concepts, seed=seed).split(n_test=1_000)
    gpt = topics_gpt(split, seed=seed, hidden=width, epochs=size["epochs"])
    table, other = tables_of(gpt, size["tokens"], LAYER)
    rank = min(SWEEP_RANK, width)
    features = find_features(
        table, other, seed, size, rank=rank, share=SHARE, latents=max(LATENTS, 2 * width)
    )
    steered = steering(gpt, features, (0.5,), LAYER, seed)
    names = ("semi-NMF", "SAE", "difference of means")
    return {
        "concepts": concepts,
        "width": width,
        "rank": rank,
        "excess": gpt.excess,
        "auroc": {name: detection(features, table, other, words=False)[name]["auroc"] for name in names},
        "steering": {name: steered["0.5"][name]["score"] for name in names},
    }
