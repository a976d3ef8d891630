"""The part of a knowledge graph that retrieved paths run through, for a graph network, and a random part as control.

The union of all triples on the paths: inverse edges turned back, composite relations split, task relations removed,
each triple once. Nodes keep their numbers, so that features and embeddings still fit.

Reference: Abdullahi et al., "K-Paths", KDD 2025 (K-Paths subgraph for R-GCN and EmerGNN).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hodology.errors import InputError
from hodology.planning.knowledge_graph import KnowledgeGraph
from hodology.planning.knowledge_graph_build import distinct_triples
from hodology.planning.path_query import KgPath, PairPaths
from hodology.planning.relation_parts import split
from hodology.rng import stream

__all__ = ["background_graph", "paths_subgraph", "random_subgraph"]


def paths_subgraph(results: Iterable[PairPaths | KgPath], kg: KnowledgeGraph) -> KnowledgeGraph:
    """Forward triples of the background that lie on the paths.

    Parameters
    ----------
    results : iterable of PairPaths or KgPath
        One-hop lists count too.
    kg : KnowledgeGraph
        The graph that was searched.

    Returns
    -------
    KnowledgeGraph
        The same nodes and relation ids, forward edges only, none of a task relation.
    """
    edges = [edge for result in results for edge in _edges(result)]
    if edges and not 0 <= min(edges) <= max(edges) < kg.graph.n_edges:
        raise InputError(
            f"a path has edge {max(edges)}; the graph has {kg.graph.n_edges}: give the one that was searched."
        )
    chosen = np.unique(np.array(edges, dtype=np.int64))
    columns = (kg.graph.tails, kg.edge_relations, kg.graph.heads)
    tails, relations, heads = (column[chosen].astype(np.int64) for column in columns)
    return kg.with_triples(*_background(kg, *split((tails, relations, heads), kg.parts)))


def background_graph(kg: KnowledgeGraph) -> KnowledgeGraph:
    """All visible forward triples of the background, in the form of `paths_subgraph`: what it is compared with."""
    return kg.with_triples(*_background(kg, *kg.atomic_edges()))


def random_subgraph(kg: KnowledgeGraph, n_edges: int, *, seed: int = 0) -> KnowledgeGraph:
    """As many triples of the background, drawn without regard to paths: the control of `paths_subgraph`.

    Raises
    ------
    InputError
        When the background has fewer triples.
    """
    tails, relations, heads = _background(kg, *kg.atomic_edges())
    if not 0 <= n_edges <= len(tails):
        raise InputError(f"n_edges must be 0 to {len(tails)}, got {n_edges}.")
    chosen = stream(seed, "random subgraph").choice(len(tails), n_edges, replace=False)
    return kg.with_triples(tails[chosen], relations[chosen], heads[chosen])


def _edges(result: PairPaths | KgPath) -> Iterable[int]:
    if isinstance(result, KgPath):
        return result.edges
    return (edge for path in result for edge in path.edges)


def _background(
    kg: KnowledgeGraph, tails: np.ndarray, relations: np.ndarray, heads: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inverse edges turned back, task relations removed, each triple once."""
    back = relations >= kg.offset
    tails, heads = np.where(back, heads, tails), np.where(back, tails, heads)
    relations = np.where(back, relations - kg.offset, relations)
    keep = ~np.isin(relations, kg.task_relations)
    return distinct_triples(tails[keep], relations[keep], heads[keep])
