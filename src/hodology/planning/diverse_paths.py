"""At most k short paths between two entities of a knowledge graph, no two with the same sequence of relations.

Between u and v, with the queried edge hidden, loopless paths are taken by increasing number of edges, up to `max_len`;
a path is kept when its sequence of relations r = (r1, ..., rl) was not kept before, until there are k. Paths of one
length come in a stated order, never in that of the storage. With no path at all, the edges around u and v are
listed instead.

Reference: Abdullahi et al., "K-Paths: reasoning over graph paths for drug repurposing and drug interaction
prediction", KDD 2025, arXiv 2502.13344 (query, K = 10, L = 3).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.planning.path_query import Fallback, KgPath, Missing, PathQuery, TieBreak
from hodology.planning.relation_graph import Hide, RelationGraph

__all__ = ["k_diverse_paths", "neighbours_only", "pair_nodes", "paths_of", "search_pairs"]

_TOO_MANY = 2  # how a query ended, as in diverse_kernels


def k_diverse_paths(
    kg: RelationGraph,
    u: str | int,
    v: str | int,
    k: int = 10,
    max_len: int = 3,
    *,
    diverse: bool = True,
    tie_break: TieBreak = "canonical",
    seed: int = 0,
    hide: Hide = "task",
    fallback: Fallback = True,
    budget: int | None = None,
    missing: Missing = "raise",
) -> list[KgPath]:
    """At most `k` loopless paths from `u` to `v`, by length, no two with the same sequence of relations.

    Parameters
    ----------
    kg : KnowledgeGraph
        With inverse edges, if paths may run against the direction of a triple (the paper's do).
    u, v : str or int
        Entities, see `KnowledgeGraph.entity`.
    k, max_len : int
        Most paths, most edges; the paper's 10 and 3.
    diverse : bool
        False keeps paths whose sequence was kept before (the paper's "no filter").
    tie_break : {"canonical", "rare-first", "seeded"}
        Order among paths of one length: by relation ids; sequences that few paths of this query have first, then
        by relation ids; or by a hash of `seed`, the sequence and the nodes. Then by node numbers. The path that
        stands for a sequence is its first one.
    seed : int
        Of the hash.
    hide : {"task", "pair", "none"}
        Edges between u and v, in both directions, that the search does not see: those of the task's relations and of
        the background's that state the same answer; all; none.
    fallback : bool or "far"
        When no path leads from u to v at all: list edges that leave u, then v, at most `k` each and in diverse mode
        one per relation. "far" does so too when the shortest path has more than `max_len` edges; False never.
    budget : int, optional
        Arcs that the search for paths of four edges and more may visit. When they are used up what was found is
        returned, with a warning; the paths of the last length are then not all first ones. Without a budget a search
        is refused that could meet more than 1e9 paths.
    missing : {"raise", "empty"}
        Whether an entity that is not in the graph is an error. With "empty" the other's one-hop list is returned, and
        nothing when both are unknown.

    Returns
    -------
    list of KgPath

    Raises
    ------
    UnknownNameError
        ``entity 'DB99999' is not in the graph (did you mean DB09999?)``
    InputError
        When u is v, a number is out of range, or there could be too many paths.

    Notes
    -----
    Up to three edges the neighbourhoods of u and v are joined: O(sum of the degrees), and one row is kept per
    sequence, however many paths share it. Equal arguments give equal results whatever the order of the triples.
    """
    query = PathQuery(k, max_len, diverse, tie_break, seed, hide, fallback, budget)
    return _one(kg, u, v, query, missing)


def neighbours_only(
    kg: RelationGraph,
    u: str | int,
    v: str | int,
    k: int = 10,
    *,
    diverse: bool = True,
    tie_break: TieBreak = "canonical",
    seed: int = 0,
    hide: Hide = "task",
    missing: Missing = "raise",
) -> list[KgPath]:
    """The paper's variant without paths: edges that leave `u`, then `v`, half of `k` each (u has the odd one).

    Parameters and errors as for `k_diverse_paths`.
    """
    query = PathQuery(k, 1, diverse, tie_break, seed, hide, neighbours=True)
    return _one(kg, u, v, query, missing)


def search_pairs(kg: RelationGraph, pairs: np.ndarray, query: PathQuery) -> dict[str, np.ndarray]:
    """Search for many pairs of nodes in one call that does not hold Python's lock.

    Parameters
    ----------
    pairs : int64 ndarray, shape (pairs, 2)
        Nodes u and v; -1 where an entity is not in the graph.

    Returns
    -------
    dict of ndarray
        ``edges`` int32 ``(pairs, 2 k, max_len)``, -1 beyond a path; ``counts`` of paths, ``neighbours`` (1 where
        they are one-hop lists), and ``over_budget``, ``(pairs,)`` each.

    Raises
    ------
    InputError
        When a search could meet more than 1e9 paths, or max_len is too long for the number of relations.
    """
    from hodology.planning.diverse_kernels import find_many

    base = max(len(kg.parts), 1)
    if base**query.max_len >= 2**63:
        raise InputError(
            f"max_len (--max-length) {query.max_len} with {base} relations is more than sequences can be numbered for."
        )
    edges = np.full((len(pairs), 2 * query.k, query.max_len), -1, dtype=np.int32)
    told = np.zeros((len(pairs), 3), dtype=np.int64)
    tie = get_args(TieBreak).index(query.tie_break)
    options = np.array([query.k, query.max_len, tie, query.seed, base, query.budget or 0], dtype=np.int64)
    flags = [query.diverse, query.fallback is not False, query.fallback == "far", query.neighbours]
    hidden = kg.hidden_relations(query.hide)
    nodes = np.ascontiguousarray(pairs, dtype=np.int64)
    find_many(kg.search_arrays(), hidden, nodes, options, np.array(flags), edges, told)
    if (told[:, 2] == _TOO_MANY).any():
        size = _round(kg.graph.n_edges)
        raise InputError(
            f"max_len (--max-length) {query.max_len} on {size} edges could enumerate > 1e9 paths: lower it or set a "
            "budget (--budget)."
        )
    names = ("counts", "neighbours", "over_budget")
    return {"edges": edges, **{name: told[:, i] for i, name in enumerate(names)}}


def paths_of(kg: RelationGraph, found: dict[str, np.ndarray], row: int) -> tuple[KgPath, ...]:
    """The paths of one pair of `search_pairs`."""
    kind: Literal["path", "neighbour"] = "neighbour" if found["neighbours"][row] else "path"
    tails, heads, relations = kg.graph.tails, kg.graph.heads, kg.edge_relations
    made = []
    for line in found["edges"][row, : found["counts"][row]]:
        edges = line[line >= 0]
        nodes = (int(tails[edges[0]]), *heads[edges].tolist())
        made.append(KgPath(nodes, tuple(edges.tolist()), tuple(relations[edges].tolist()), kind))
    return tuple(made)


def pair_nodes(
    kg: RelationGraph, pairs: Sequence[tuple[str | int, str | int]], missing: Missing
) -> np.ndarray:
    """Nodes of the entities of pairs, int64 ``(pairs, 2)``: -1 for those that are not in the graph when `missing` is "empty"."""
    if missing not in get_args(Missing):
        raise UnknownNameError(
            f"missing {missing!r} does not exist{near_names(str(missing), get_args(Missing))}."
        )
    nodes = np.array([[_node(kg, name, missing) for name in pair] for pair in pairs], dtype=np.int64)
    nodes = nodes.reshape(-1, 2)
    same = np.flatnonzero((nodes[:, 0] == nodes[:, 1]) & (nodes[:, 0] >= 0))
    if len(same):
        given, node = pairs[same[0]][0], int(nodes[same[0], 0])
        name = given if isinstance(given, str) else kg.graph.name(node)
        raise InputError(f"u and v must differ, got {name!r} twice.")
    return nodes


def _node(kg: RelationGraph, name: str | int, missing: Missing) -> int:
    if missing == "empty" and isinstance(name, str) and not kg.knows(name):
        return -1
    return kg.entity(name)


def _one(kg: RelationGraph, u: str | int, v: str | int, query: PathQuery, missing: Missing) -> list[KgPath]:
    found = search_pairs(kg, pair_nodes(kg, [(u, v)], missing), query)
    if found["over_budget"][0]:
        warnings.warn(
            f"the search from {u} to {v} used up its budget of {query.budget} arcs: paths may be missing; raise budget "
            "(--budget) or lower max_len (--max-length).",
            RuntimeWarning,
            stacklevel=3,
        )
    return list(paths_of(kg, found, 0))


def _round(edges: int) -> str:
    """2.2 M, 65 k or 812."""
    if edges >= 100_000:
        return f"{edges / 1e6:.1f} M"
    return f"{edges / 1e3:.0f} k" if edges >= 1000 else str(edges)
