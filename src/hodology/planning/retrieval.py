"""Retrieve paths for many pairs: in order, as a stream, on several threads, kept on disk so that a run can go on.

Reference: Abdullahi et al., "K-Paths", KDD 2025.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.files import arrays_from_bytes, arrays_to_bytes, hash_arrays, hash_json
from hodology.planning.diverse_paths import pair_nodes, paths_of, search_pairs
from hodology.planning.path_query import Fallback, Missing, PairPaths, PathQuery, TieBreak
from hodology.planning.relation_graph import Hide, RelationGraph
from hodology.work.store import UnitStore

__all__ = ["retrieve"]

Pair = tuple[str | int, str | int]


def retrieve(
    kg: RelationGraph,
    pairs: Iterable[Pair],
    *,
    k: int = 10,
    max_len: int = 3,
    diverse: bool = True,
    tie_break: TieBreak = "canonical",
    seed: int = 0,
    hide: Hide = "task",
    fallback: Fallback = True,
    budget: int | None = None,
    neighbours: bool = False,
    missing: Missing = "raise",
    jobs: int = 1,
    chunk: int = 64,
    folder: str | Path | None = None,
) -> Iterator[PairPaths]:
    """Paths of each pair, in the order of the pairs.

    Parameters
    ----------
    kg : KnowledgeGraph
    pairs : iterable of (u, v)
        Read as far as needed, so it may be a generator.
    k, max_len, diverse, tie_break, seed, hide, fallback, budget, missing
        See `k_diverse_paths`. A search whose budget is used up gives ``complete=False``, without a warning.
    neighbours : bool
        One-hop edges instead of paths, as `neighbours_only` gives them.
    jobs : int
        Threads; they do not change the results.
    chunk : int
        Pairs that a thread takes at a time, and that one file in `folder` holds.
    folder : path, optional
        Keep what was found there. A later call for the same graph, query and pairs reads it instead of searching, so a
        run that was stopped goes on where it was.

    Yields
    ------
    PairPaths

    Raises
    ------
    UnknownNameError, InputError
        See `k_diverse_paths`; for a wrong pair when the stream comes near it.
    """
    query = PathQuery(k, max_len, diverse, tie_break, seed, hide, fallback, budget, neighbours)
    for name, value in (("jobs", jobs), ("chunk", chunk)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}.")
    return _stream(
        kg, iter(pairs), query, missing, jobs, chunk, None if folder is None else UnitStore(folder)
    )


def _stream(
    kg: RelationGraph,
    pairs: Iterator[Pair],
    query: PathQuery,
    missing: Missing,
    jobs: int,
    chunk: int,
    store: UnitStore | None,
) -> Iterator[PairPaths]:
    kg.search_arrays()  # made once, before threads ask for it
    mark = "" if store is None else kg.fingerprint
    waiting: deque[Any] = deque()
    with ThreadPoolExecutor(jobs) as pool:
        while True:
            while len(waiting) <= jobs and (names := list(islice(pairs, chunk))):
                nodes = pair_nodes(kg, names, missing)
                waiting.append((names, nodes, pool.submit(_search, kg, nodes, query, store, mark)))
            if not waiting:
                return
            names, nodes, future = waiting.popleft()
            yield from _results(kg, names, nodes, future.result())


def _search(
    kg: RelationGraph, nodes: np.ndarray, query: PathQuery, store: UnitStore | None, mark: str
) -> dict[str, np.ndarray]:
    """Search for a chunk, or read what was found before."""
    if store is None:
        return search_pairs(kg, nodes, query)
    key = hash_json([mark, query.to_dict(), hash_arrays({"nodes": nodes})])[:32]
    if store.has(key):
        return arrays_from_bytes(store.load(key), source=str(store.path(key)))
    found = search_pairs(kg, nodes, query)
    store.save(key, arrays_to_bytes(found))
    return found


def _results(
    kg: RelationGraph, names: list[Pair], nodes: np.ndarray, found: dict[str, np.ndarray]
) -> Iterator[PairPaths]:
    for row, (pair, ends) in enumerate(zip(names, nodes.tolist(), strict=True)):
        u, v = (
            kg.graph.name(node) if node >= 0 else str(name) for name, node in zip(pair, ends, strict=True)
        )
        yield PairPaths(u, v, ends[0], ends[1], paths_of(kg, found, row), not found["over_budget"][row])
