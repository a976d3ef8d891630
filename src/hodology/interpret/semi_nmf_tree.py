"""Hierarchies of features: the concept tree of a recursive semi-NMF and how pure it is.

A node of the tree is (layer, concept). The children of a concept are the concepts of the layer below with the largest
weights in its column of W; a branch that would go on with a single child stops.

Reference: Shafran, Geiger and Geva, "Decomposing MLP activations into interpretable features via semi-nonnegative matrix
factorization", 2025.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hodology.errors import InputError
from hodology.interpret.semi_nmf_input import check_count, check_share
from hodology.interpret.semi_nmf_recursive import FactorLayer, RecursiveSemiNMF
from hodology.interpret.semi_nmf_units import SharedUnits, label_codes, shared_units
from hodology.stats import label_permutation_test

if TYPE_CHECKING:
    import networkx as nx

__all__ = [
    "FactorLayer",
    "RecursiveSemiNMF",
    "SharedUnits",
    "TreePurity",
    "concept_tree",
    "shared_units",
    "tree_purity",
]

Node = tuple[int, int]


def concept_tree(
    weights: RecursiveSemiNMF | Sequence[np.ndarray], *, fraction: float = 0.5, max_children: int = 3
) -> nx.DiGraph:
    """The hierarchy of concepts as a graph from parents to children.

    Parameters
    ----------
    weights : RecursiveSemiNMF or sequence of ndarray
        A fitted model, or W2 ... WL, each of shape (concepts below, concepts) and non-negative.
    fraction : float in (0, 1]
        A child's weight is at least this share of the largest in its parent's column.
    max_children : int
        The strongest so many are taken (paper: 3).

    Returns
    -------
    networkx.DiGraph
        Nodes (layer, concept), layers from 1; all concepts of the last layer are roots. Nodes have `layer`, `concept`
        and `base`, the first-layer concept with the largest weight in theirs; edges have `weight` and `share` (of
        the column's largest); the graph has `base_concepts`, how many the first layer has. A concept that is strong
        in two parents stands under both. A concept with a single strong child gets no children.

    Raises
    ------
    InputError
        For settings out of range, weights that are negative or do not fit together, or no second layer.

    Examples
    --------
    >>> import numpy as np
    >>> tree = concept_tree([np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.0, 0.8]])])
    >>> sorted(tree.edges)
    [((2, 0), (1, 0)), ((2, 0), (1, 1)), ((2, 1), (1, 2)), ((2, 1), (1, 3))]
    """
    import networkx as nx

    check_share(fraction, "fraction")
    if check_count(max_children, "max_children") < 2:
        raise InputError("max_children must be at least 2, since a branch with one child stops, got 1.")
    chain = _chain(weights)
    base = _strongest_base(chain)
    tree = nx.DiGraph(base_concepts=len(chain[0]))
    top = len(chain) + 1
    todo: list[Node] = [(top, j) for j in range(chain[-1].shape[1])]
    while todo:
        node = todo.pop()
        if node in tree and "layer" in tree.nodes[node]:
            continue
        layer, concept = node
        tree.add_node(node, layer=layer, concept=concept, base=int(base[layer - 1][concept]))
        column = chain[layer - 2][:, concept] if layer > 1 else np.zeros(0)
        for child in _children(column, fraction, max_children):
            share = column[child] / column.max()
            tree.add_edge(node, (layer - 1, int(child)), weight=float(column[child]), share=float(share))
            todo.append((layer - 1, int(child)))
    return tree


@dataclass(frozen=True)
class TreePurity:
    """How well the branches of a tree keep to one label each.

    Attributes
    ----------
    purity : float
        Mean over the nodes with children of the share of their leaves that have the commonest label.
    baseline : float
        The same with labels shuffled among the first-layer concepts, that is on a shuffled tree.
    p_value : float
        Of the permutation test of `purity` against shuffled labels.
    parents : dict of (layer, concept) to float
        Purity of each node with children.
    """

    purity: float
    baseline: float
    p_value: float
    parents: Mapping[Node, float] = field(repr=False)


def tree_purity(
    tree: nx.DiGraph, labels: Sequence[Hashable] | np.ndarray, *, n_permutations: int = 1000, rng: int = 0
) -> TreePurity:
    """Compare a concept tree with the super-concepts that the base features truly belong to.

    Parameters
    ----------
    tree : networkx.DiGraph
        From `concept_tree`. A leaf above the first layer counts as its `base`.
    labels : sequence, length (first-layer concepts)
        Super-concept of each concept of the first layer.
    n_permutations : int
    rng : int

    Raises
    ------
    InputError
        When no node has children, or labels are not one per concept.
    """
    codes = label_codes(labels)
    need = tree.graph["base_concepts"]
    if len(codes) != need:
        raise InputError(f"labels must be one per concept of the first layer ({need}), got {len(codes)}.")
    leaves = _leaf_bases(tree)
    if not leaves:
        raise InputError("the tree has no node with children; lower its fraction or factor fewer concepts.")

    def share(found: np.ndarray, bases: np.ndarray) -> float:
        return float(np.bincount(found[bases]).max()) / len(bases)

    def mean(found: np.ndarray) -> float:
        return float(np.mean([share(found, bases) for bases in leaves.values()]))

    test = label_permutation_test(mean, codes, n_permutations=n_permutations, rng=rng)
    parents = {node: share(codes, bases) for node, bases in leaves.items()}
    return TreePurity(test.statistic, float(test.null.mean()), test.p_value, parents)


def _chain(weights: RecursiveSemiNMF | Sequence[np.ndarray]) -> list[np.ndarray]:
    """W2 ... WL as float arrays, checked."""
    if isinstance(weights, RecursiveSemiNMF):
        weights._require_fitted()
        chain = [layer.weights for layer in weights.layers_[1:]]
    else:
        chain = [np.asarray(w, dtype=np.float64) for w in weights]
    if not chain:
        raise InputError("a concept tree needs weights of at least two layers, got one.")
    for below, above in zip([None, *chain], chain):
        if above.ndim != 2 or (below is not None and below.shape[1] != above.shape[0]):
            shapes = [w.shape for w in chain]
            raise InputError(
                f"weights must be 2-D, (concepts below, concepts), and fit together, got {shapes}."
            )
        if not np.isfinite(above).all() or above.min() < 0:
            raise InputError("weights must be finite and not negative.")
    return chain


def _strongest_base(chain: list[np.ndarray]) -> list[np.ndarray]:
    """For every layer, each concept's first-layer concept of largest weight."""
    product = np.eye(len(chain[0]))
    out = [np.arange(len(product))]
    for w in chain:
        product = product @ w
        out.append(product.argmax(axis=0))
    return out


def _children(column: np.ndarray, fraction: float, limit: int) -> np.ndarray:
    """The strongest entries, or none when only one is strong."""
    if len(column) == 0 or column.max() == 0.0:
        return np.zeros(0, dtype=np.int64)
    best = np.argsort(-column, kind="stable")[:limit]
    best = best[column[best] >= fraction * column.max()]
    return best if len(best) > 1 else best[:0]


def _leaf_bases(tree: nx.DiGraph) -> dict[Node, np.ndarray]:
    """For each node with children, the first-layer concepts that its leaves stand for."""
    import networkx as nx

    below: dict[Node, frozenset[Node]] = {}
    for node in reversed(list(nx.topological_sort(tree))):
        children = list(tree.successors(node))
        below[node] = frozenset({node}) if not children else frozenset().union(*(below[c] for c in children))
    return {
        node: np.array(sorted({tree.nodes[leaf]["base"] for leaf in found}))
        for node, found in below.items()
        if tree.out_degree(node) > 0
    }
