"""Two-level concepts: does factorising the features merge those of one super-concept, and do these share units?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hodology.data.topics import load_topics_split
from hodology.errors import InputError
from hodology.interpret.concept_match import concept_auroc
from hodology.interpret.semi_nmf import SemiNMF
from hodology.interpret.semi_nmf_recursive import RecursiveSemiNMF
from hodology.interpret.semi_nmf_tree import concept_tree, tree_purity
from hodology.interpret.semi_nmf_units import shared_units
from hodology.nn.topics_gpt import topics_gpt
from hodology.studies.semi_nmf_concepts import tables_of

__all__ = ["hierarchy"]

_RANKS = (24, 12, 4)  # twice the concepts, the concepts, the super-concepts
_SHARES = tuple(0.05 * _RANKS[0] / rank for rank in _RANKS)  # a parent has room for the units of its children


def hierarchy(seed: int, size: Mapping[str, Any], layer: int) -> dict[str, Any]:
    """Purity of the concept tree against shuffled labels, and overlap of supports within and across super-concepts.

    A base feature belongs to the super-concept of the concept that it tells best.
    """
    gpt = topics_gpt(load_topics_split(seed=seed, nested=True), seed=seed, epochs=size["epochs"])
    table, _ = tables_of(gpt, size["tokens"], layer)
    labels = np.asarray(table.labels)
    base = SemiNMF(_RANKS[0], sparsity=0.05, max_iter=size["iterations"], tol=0.0, random_state=seed)
    model = RecursiveSemiNMF(_RANKS, estimator=base, sparsities=_SHARES).fit(table.matrix)
    aurocs = concept_auroc(model.maps_[0], labels, int(labels.max()) + 1)
    supers = gpt.test.grammar.super_of[aurocs.argmax(axis=1)]
    figures: dict[str, Any] = {"excess": gpt.excess, "explained": [part.explained for part in model.layers_]}
    try:
        purity = tree_purity(concept_tree(model), supers.tolist(), rng=seed)
        figures |= {"purity": purity.purity, "shuffled": purity.baseline, "purity_p": purity.p_value}
    except InputError:  # no node of the tree has two strong children
        figures |= {"purity": 0.0, "shuffled": 0.0, "purity_p": 1.0}
    try:
        shared = shared_units(model.layers_[0].components, supers.tolist(), rng=seed)
        return figures | {"within": shared.within, "across": shared.across, "shared_p": shared.p_value}
    except InputError:  # all features tell concepts of one super-concept
        return figures | {"within": 0.0, "across": 0.0, "shared_p": 1.0}
