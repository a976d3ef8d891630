"""Features of every method on one layer's activations, and how well they tell the concepts of held-out tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hodology.interpret.activation_table import ActivationTable
from hodology.interpret.activations import collect_activations
from hodology.interpret.concept_match import concept_auroc, match_concepts
from hodology.interpret.feature_baselines import (
    difference_of_means,
    principal_components,
    project,
    random_directions,
)
from hodology.interpret.semi_nmf import SemiNMF
from hodology.interpret.sparse_autoencoder import SparseAutoencoder
from hodology.nn.topics_gpt import TopicsGPT
from hodology.studies.semi_nmf_data import TextModel

__all__ = ["Features", "detection", "find_features", "tables_of"]

_NO_SIGN = ("PCA", "single unit", "random")  # directions that may tell a concept by small values


@dataclass(frozen=True, eq=False)
class Features:
    """Directions of one method and their values on the tokens.

    Attributes
    ----------
    directions : float ndarray, shape (features, units)
    fitted, held_out : float ndarray, shape (tokens, features)
        Values on the tokens that were factorised, and on others.
    by_concept : int64 ndarray, shape (concepts,)
        The feature that tells each concept best on the fitted tokens.
    signs : float ndarray, shape (concepts,)
    """

    directions: np.ndarray
    fitted: np.ndarray
    held_out: np.ndarray
    by_concept: np.ndarray
    signs: np.ndarray

    def of_concepts(self) -> np.ndarray:
        """One direction per concept, ``(concepts, units)``."""
        return self.directions[self.by_concept] * self.signs[:, None]


def tables_of(
    source: TopicsGPT | TextModel, tokens: int, layer: int
) -> tuple[ActivationTable, ActivationTable]:
    """Activations of so many tokens of the first half of the test sentences, and of the second half."""
    half = len(source.test) // 2
    parts = []
    for rows in (slice(0, half), slice(half, None)):
        sentences, labels = source.test.sentences[rows], source.test.labels[rows]
        parts.append(
            collect_activations(
                source.model,
                source.tokenizer,
                sentences,
                layer,
                labels=labels.tolist(),
                max_tokens=tokens,
                batch_size=64,
            )
        )
    return parts[0], parts[1]


def find_features(
    table: ActivationTable, other: ActivationTable, seed: int, size: Mapping[str, Any],
    *, rank: int, share: float, latents: int,
) -> dict[str, Features]:  # fmt: skip
    """Features of all methods, by name."""
    x, y = table.matrix, other.matrix
    options: dict[str, Any] = {"max_iter": size["iterations"], "tol": 0.0, "random_state": seed}
    sparse = SemiNMF(rank, sparsity=share, restarts=size["restarts"], **options).fit(x)
    dense = SemiNMF(rank, restarts=size["restarts"], **options).fit(x)
    coder = SparseAutoencoder(latents, epochs=size["sae_epochs"], random_state=seed).fit(x)
    principal = principal_components(table, rank, rng=seed)
    random = random_directions(table, rank, rng=seed)
    differences = difference_of_means(table)
    everything = {
        "semi-NMF": (sparse.components_, sparse.coefficients_, sparse.transform(y)),
        "dense semi-NMF": (dense.components_, dense.coefficients_, dense.transform(y)),
        "SAE": (coder.components_, coder.transform(x), coder.transform(y)),
        "PCA": (principal, project(table, principal), project(other, principal)),
        "difference of means": (differences, project(table, differences), project(other, differences)),
        "single unit": (np.eye(x.shape[1], dtype=np.float32), x, y),
        "random": (random, project(table, random), project(other, random)),
    }
    return {name: _matched(name, *parts, table) for name, parts in everything.items()}


def _matched(name: str, directions: Any, fitted: Any, held_out: Any, table: ActivationTable) -> Features:
    found = match_concepts(fitted, _labels(table), either_sign=name in _NO_SIGN)
    return Features(
        np.asarray(directions, dtype=np.float64),
        np.asarray(fitted, dtype=np.float64),
        np.asarray(held_out, dtype=np.float64),
        np.asarray(found.features),
        np.asarray(found.signs, dtype=np.float64),
    )


def detection(
    features: Mapping[str, Features], table: ActivationTable, other: ActivationTable, *, words: bool
) -> dict[str, dict[str, float]]:
    """Mean AUROC over concepts on held-out tokens, of the features chosen on the fitted ones; `words` also by kind of word."""
    labels = _labels(other)
    kinds = {"auroc": np.ones(len(other), dtype=bool)}
    if words:  # of generated sentences: positions count the begin token, 1, 3, 5 ... are function words
        kinds["function words"] = (other.positions % 2 == 1) & (
            other.positions > 2
        )  # the concept is known from 2 on
        kinds["concept words"] = other.positions % 2 == 0
    return {
        name: {kind: _auroc(kept, labels, rows) for kind, rows in kinds.items()}
        for name, kept in features.items()
    }


def _auroc(features: Features, labels: np.ndarray, rows: np.ndarray) -> float:
    values = features.held_out[:, features.by_concept] * features.signs
    return float(np.mean(np.diagonal(concept_auroc(values[rows], labels[rows], values.shape[1]))))


def _labels(table: ActivationTable) -> np.ndarray:
    if table.labels is None:
        return np.zeros(len(table), dtype=np.int64)
    return table.labels
