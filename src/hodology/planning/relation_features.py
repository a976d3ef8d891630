"""Features of pairs for a classifier: bags of relation sequences, and the degrees they have to beat.

A path counts by the names of its relations in order, whatever nodes it runs through, so what is learnt holds for
entities that were never seen.

Reference: Abdullahi et al., "K-Paths", KDD 2025 (inductive use); the bag of sequences stands in for the paper's
language models.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.planning.diverse_paths import pair_nodes
from hodology.planning.path_query import KgPath, Missing, PairPaths
from hodology.planning.relation_graph import Hide, RelationGraph

if TYPE_CHECKING:
    import scipy.sparse

__all__ = ["FeatureTable", "SequenceKey", "degree_features", "sequence_features"]

SequenceKey = tuple[str, ...]
"""``"path"``, or ``"u"`` / ``"v"`` for a one-hop edge of that entity, then the names of the relations."""

Value = Literal["count", "binary", "log"]


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """A sparse matrix with named columns.

    Attributes
    ----------
    matrix : scipy.sparse.csr_array of float64, shape (pairs, features)
    names : tuple of SequenceKey
        What each column counts.
    """

    matrix: scipy.sparse.csr_array
    names: tuple[SequenceKey, ...]

    def __repr__(self) -> str:
        return f"FeatureTable({self.matrix.shape[0]} pairs, {self.matrix.shape[1]} features)"


def sequence_features(
    results: Iterable[PairPaths],
    kg: RelationGraph,
    *,
    names: Sequence[SequenceKey] | None = None,
    value: Value = "count",
) -> FeatureTable:
    """How often each relation sequence comes among the paths of each pair.

    Parameters
    ----------
    results : iterable of PairPaths
        Of `retrieve`: paths, paths without the filter, or neighbours only.
    kg : KnowledgeGraph
        The graph that was searched.
    names : sequence of SequenceKey, optional
        Columns, those of the training pairs; a sequence that is not among them is dropped. Default: all that
        come, sorted.
    value : {"count", "binary", "log"}
        Count, 1 for any count, or log(1 + count).

    Returns
    -------
    FeatureTable

    Examples
    --------
    >>> from hodology.planning.knowledge_graph import KnowledgeGraph
    >>> from hodology.planning.retrieval import retrieve
    >>> kg = KnowledgeGraph.from_triples([("a", "binds", "g"), ("g", "causes", "d")])
    >>> sequence_features(retrieve(kg, [("a", "d")]), kg).names
    (('path', 'binds', 'causes'),)
    """
    rows = [[_key(path, result, kg) for path in result] for result in results]
    known = sorted({key for row in rows for key in row}) if names is None else list(names)
    if len(set(known)) != len(known):
        raise InputError("names must differ, one comes twice.")
    place = {key: column for column, key in enumerate(known)}
    row_of = [i for i, row in enumerate(rows) for key in row if key in place]
    column_of = [place[key] for row in rows for key in row if key in place]
    return FeatureTable(_matrix(row_of, column_of, None, (len(rows), len(known)), value), tuple(known))


def degree_features(
    kg: RelationGraph,
    pairs: Iterable[tuple[str | int, str | int]],
    *,
    hide: Hide = "task",
    value: Value = "count",
    missing: Missing = "raise",
) -> FeatureTable:
    """Edges of each relation at the two entities of a pair, without the pair's own hidden edges: the baseline.

    Parameters
    ----------
    kg : KnowledgeGraph
    pairs : iterable of (u, v)
    hide : {"task", "pair", "none"}
        As in `k_diverse_paths`.
    value : {"count", "binary", "log"}
    missing : {"raise", "empty"}
        An entity that is not in the graph is an error, or has no edges.

    Returns
    -------
    FeatureTable
        Columns ``("u", relation)`` and ``("v", relation)`` for edges that leave the entity and, in a graph without
        inverse edges, ``("u", relation, "in")`` and ``("v", relation, "in")`` for edges that reach it.
    """
    nodes = pair_nodes(kg, list(pairs), missing)
    relations = kg.graph.relation_names
    tails, ids, heads = kg.edges()
    sides = [(tails, heads, ())] if kg.has_inverses else [(tails, heads, ()), (heads, tails, ("in",))]
    blocks, names = [], []
    for place, side in enumerate("uv"):
        for source, target, mark in sides:
            counts = _degrees(kg, source, ids, nodes[:, place])
            blocks.append(counts - _own(kg, (source, ids, target), nodes[:, [place, 1 - place]], hide))
            names += [(side, relation, *mark) for relation in relations]
    dense = np.concatenate(blocks, axis=1) if len(nodes) else np.zeros((0, len(names)))
    row_of, column_of = np.nonzero(dense)
    weights = dense[row_of, column_of]
    return FeatureTable(_matrix(row_of, column_of, weights, dense.shape, value), tuple(names))


def _key(path: KgPath, result: PairPaths, kg: RelationGraph) -> SequenceKey:
    relations = tuple(kg.graph.relation_names[relation] for relation in path.relations)
    if path.kind == "path":
        return ("path", *relations)
    return ("u" if path.nodes[0] == result.u_node else "v", *relations)


def _degrees(kg: RelationGraph, source: np.ndarray, ids: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Edges of each relation at each of `nodes`, float64 ``(nodes, relations)``; none at node -1."""
    wanted, back = np.unique(nodes, return_inverse=True)
    rank = np.full(kg.graph.n_nodes + 1, -1)  # the last entry is that of -1
    rank[wanted] = np.arange(len(wanted))
    keep = rank[source] >= 0
    n = len(kg.parts)
    counts = np.bincount(rank[source[keep]] * n + ids[keep], minlength=len(wanted) * n).reshape(
        len(wanted), n
    )
    counts[wanted == -1] = 0
    return counts[back].astype(np.float64)


def _own(
    kg: RelationGraph, edges: tuple[np.ndarray, np.ndarray, np.ndarray], nodes: np.ndarray, hide: Hide
) -> np.ndarray:
    """Hidden edges from the first to the second node of each pair, by relation."""
    flags = kg.hidden_relations(hide)
    source, ids, target = (column[flags[edges[1]]] for column in edges)
    between: dict[tuple[int, int], list[int]] = {}
    for a, relation, b in zip(source.tolist(), ids.tolist(), target.tolist(), strict=True):
        between.setdefault((a, b), []).append(relation)
    found = np.zeros((len(nodes), len(kg.parts)))
    for row, (a, b) in enumerate(nodes.tolist()):
        for relation in between.get((a, b), ()):
            found[row, relation] += 1
    return found


def _matrix(
    rows: Sequence[int] | np.ndarray,
    columns: Sequence[int] | np.ndarray,
    weights: np.ndarray | None,
    shape: tuple[int, ...],
    value: Value,
) -> scipy.sparse.csr_array:
    import scipy.sparse

    if value not in get_args(Value):
        raise UnknownNameError(f"value {value!r} does not exist{near_names(str(value), get_args(Value))}.")
    entries = np.ones(len(rows)) if weights is None else weights
    indices = (np.asarray(rows, dtype=np.int64), np.asarray(columns, dtype=np.int64))
    matrix = scipy.sparse.coo_array((entries, indices), shape=shape).tocsr()
    if value == "binary":
        matrix.data[:] = 1.0
    elif value == "log":
        matrix.data = np.log1p(matrix.data)
    return matrix
