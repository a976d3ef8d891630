"""Relations that are inverse or composite, as tuples of the forward and inverse ids that they state.

With A forward relations, id r + A is the inverse of r. A relation table starts with all single ids, so that these
keep their numbers, and ends with the composites in the order of their parts. Edges are three columns: tail node,
relation, head node.

Reference: Abdullahi et al., "K-Paths", KDD 2025 (composite relations and inverse edges of the augmented graph).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names

__all__ = [
    "Edges",
    "Parts",
    "invert",
    "merge",
    "not_stated_twice",
    "relation_labels",
    "same_answers",
    "split",
]

Edges = tuple[np.ndarray, np.ndarray, np.ndarray]
Parts = tuple[tuple[int, ...], ...]


def invert(edges: Edges, parts: Parts, offset: int) -> tuple[Edges, Parts]:
    """The edges and their inverses, and the table of both."""
    tails, relations, heads = edges
    turned = [tuple(part + offset for part in group) for group in parts]
    table = _table(2 * offset, [*parts, *turned])
    place = {group: i for i, group in enumerate(table)}
    straight = np.array([place[group] for group in parts] or [0], dtype=np.int64)
    back = np.array([place[group] for group in turned] or [0], dtype=np.int64)
    joined = (
        np.concatenate([tails, heads]),
        np.concatenate([straight[relations], back[relations]]),
        np.concatenate([heads, tails]),
    )
    return joined, table


def merge(edges: Edges, n_single: int) -> tuple[Edges, Parts]:
    """One edge per ordered pair of nodes, and the table that has the composites needed.

    Parameters
    ----------
    edges : Edges
        Of single relations, no edge twice.
    n_single : int
        Number of single relations, inverse ones included.
    """
    order = np.lexsort((edges[1], edges[2], edges[0]))
    tails, relations, heads = (column[order] for column in edges)
    first = np.ones(len(order), dtype=bool)
    first[1:] = (np.diff(tails) != 0) | (np.diff(heads) != 0)
    starts = np.flatnonzero(first)
    ends = np.append(starts[1:], len(order))
    several = np.flatnonzero(ends - starts > 1)
    groups = [tuple(relations[starts[i] : ends[i]].tolist()) for i in several]
    table = _table(n_single, groups)
    place = {group: i for i, group in enumerate(table)}
    merged = relations[starts]
    merged[several] = [place[group] for group in groups]
    return (tails[starts], merged, heads[starts]), table


def split(edges: Edges, parts: Parts) -> Edges:
    """Edges of single relations: a composite edge becomes one edge per part."""
    tails, relations, heads = edges
    counts = np.array([len(group) for group in parts] or [0], dtype=np.int64)
    if not len(relations) or counts.max() == 1:
        return edges
    flat = np.concatenate([np.asarray(group, dtype=np.int64) for group in parts])
    starts = np.cumsum(counts) - counts
    repeats = counts[relations]
    rows = np.repeat(np.arange(len(relations)), repeats)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    return tails[rows], flat[starts[relations[rows]] + within], heads[rows]


def relation_labels(forward: Sequence[str], parts: Parts) -> tuple[str, ...]:
    """Names of a table's relations: ``binds``, ``binds_inverse``, ``binds+treats``."""
    single = [*forward, *(f"{name}_inverse" for name in forward)]
    return tuple("+".join(single[part] for part in group) for group in parts)


def same_answers(
    names: Sequence[str], task: Sequence[int], same_pair: Mapping[str, str | Sequence[str]] | None
) -> Mapping[int, tuple[int, ...]]:
    """By task relation, the background relations that state the same answer, checked.

    Raises
    ------
    UnknownNameError
        For a name that is no task relation, or no background relation.
    """
    found = {}
    task_names = [names[i] for i in task]
    background = [name for i, name in enumerate(names) if i not in task]
    for key, stated in (same_pair or {}).items():
        if key not in task_names:
            raise UnknownNameError(f"same_pair: {key!r} is no task relation{near_names(key, task_names)}.")
        for name in (one := [stated] if isinstance(stated, str) else list(stated)):
            if name not in background:
                raise UnknownNameError(
                    f"same_pair: {name!r} is no background relation{near_names(name, background)}."
                )
        found[list(names).index(key)] = tuple(sorted(list(names).index(name) for name in one))
    return MappingProxyType(found)


def not_stated_twice(edges: Edges, same: Mapping[int, tuple[int, ...]]) -> np.ndarray:
    """False for background edges of a pair that a task edge of the same answer joins, either way round."""
    tails, relations, heads = edges
    keep = np.ones(len(relations), dtype=bool)
    if not same or not len(relations):
        return keep
    n = int(max(tails.max(), heads.max())) + 1
    pairs = np.minimum(tails, heads).astype(np.int64) * n + np.maximum(tails, heads)
    for task, stated in same.items():
        own = pairs[relations == task]
        keep &= ~(np.isin(relations, stated) & np.isin(pairs, own))
    return keep


def _table(n_single: int, groups: Iterable[tuple[int, ...]]) -> Parts:
    """Single ids first, then each composite once."""
    composites = sorted({group for group in groups if len(group) > 1})
    if n_single + len(composites) > 2**31 - 2:
        raise InputError(f"{len(composites)} composite relations are too many.")
    return (*((i,) for i in range(n_single)), *composites)
