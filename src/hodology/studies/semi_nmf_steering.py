"""Steering by features at equal divergence: how much of the concept the model then says, and whether it stays grammatical."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from hodology.interpret.steering import harmonic_score, steer, steering_strength
from hodology.nn.forward import call_model
from hodology.nn.models.small_gpt import encode_texts
from hodology.nn.taps import evaluation_mode
from hodology.nn.topics_gpt import TopicsGPT
from hodology.rng import stream
from hodology.studies.semi_nmf_concepts import Features

__all__ = ["steering"]

_LEFT_OUT = ("PCA", "dense semi-NMF")


def steering(
    gpt: TopicsGPT, features: Mapping[str, Features], targets: Sequence[float], layer: int, seed: int
) -> dict[str, dict[str, dict[str, float]]]:
    """By divergence and method: concept mass, grammatical mass and their harmonic mean, mean over concepts.

    The prompts are a neutral one and one for each concept, each ending where a concept word must follow. A concept is
    scored on the prompts of the other concepts and the neutral one; the divergence is averaged over all prompts.
    """
    grammar = gpt.test.grammar
    draws = stream(seed, "prompts")
    function = [words[int(draws.integers(len(words)))] for words in grammar.function_words]
    own = [words[int(draws.integers(len(words)))] for words in grammar.words]
    prompts = [function[0], *(f"{f} {w} {f}" for f, w in zip(function, own, strict=True))]
    about = [-1, *range(len(own))]
    found: dict[str, dict[str, dict[str, float]]] = {f"{kl:g}": {} for kl in targets}
    for name, kept in features.items():
        if name in _LEFT_OUT:
            continue
        directions = kept.of_concepts()
        strength = steering_strength(
            gpt.model, gpt.tokenizer, directions, layer, list(targets), prompt=prompts, max_batch=256
        )
        for index, kl in enumerate(targets):
            alpha = np.asarray(strength.alpha)[:, index]
            concept, fluent = _masses(gpt, directions, alpha, prompts, about, layer)
            found[f"{kl:g}"][name] = {
                "concept": float(concept.mean()),
                "fluency": float(fluent.mean()),
                "score": float(np.mean(harmonic_score(concept, fluent))),
                "reached": float(np.mean(np.asarray(strength.reached)[:, index])),
            }
    return found


def _masses(
    gpt: TopicsGPT,
    directions: np.ndarray,
    alpha: np.ndarray,
    prompts: Sequence[str],
    about: Sequence[int],
    layer: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Probability of the concept's words and of all grammatical words, per concept, mean over the prompts of others."""
    concepts = len(directions)
    words = torch.zeros(concepts, len(gpt.tokenizer), dtype=torch.float64)
    for c in range(concepts):
        words[c, gpt.concept_tokens(c)] = 1.0
    sums, counts = torch.zeros(2, concepts, dtype=torch.float64), torch.zeros(concepts, dtype=torch.float64)
    with evaluation_mode(gpt.model), torch.no_grad():
        for prompt, topic in zip(prompts, about, strict=True):
            coded = encode_texts(gpt.tokenizer, [prompt])
            rows = {key: value.expand(concepts, -1) for key, value in coded.items()}
            with steer(gpt.model, directions, alpha, layer):
                p: Tensor = call_model(gpt.model, rows).double().softmax(dim=1)
            allowed = gpt.grammatical_tokens(prompt).double()
            others = torch.tensor([c != topic for c in range(concepts)], dtype=torch.float64)
            sums += torch.stack([(p * words).sum(dim=1), p @ allowed]) * others
            counts += others
    means = (sums / counts).numpy()
    return means[0], means[1]
