"""Triples in any form, brought to one: names in sorted order, integer columns, no triple twice.

Nothing that is found in a knowledge graph may depend on the order of its table, so nodes and relations are
numbered by their sorted names and triples sorted by (head, relation, tail).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.graph.multigraph import MultiGraph

__all__ = [
    "TripleTable",
    "collect_triples",
    "distinct_triples",
    "join_tables",
    "order_triples",
    "read_triples",
]

_ENDS = ("head", "relation", "tail")


@dataclass(frozen=True)
class TripleTable:
    """Triples as integers and what the integers stand for.

    Attributes
    ----------
    nodes, relation_names : tuple of str
    heads, relations, tails : int64 ndarray, shape (triples,)
    """

    nodes: tuple[str, ...]
    relation_names: tuple[str, ...]
    heads: np.ndarray
    relations: np.ndarray
    tails: np.ndarray


def read_triples(triples: Any, *, columns: tuple[str, str, str] = _ENDS) -> TripleTable:
    """Read triples from a table, a mapping of columns, a graph or an iterable.

    Parameters
    ----------
    triples : pandas, polars or pyarrow table, mapping of str to column, array of shape (triples, 3), iterable of
        3-tuples, PyKEEN ``TriplesFactory``, networkx multigraph with the edge attribute named ``columns[1]``,
        `MultiGraph` with relations, or `TripleTable`
    columns : (str, str, str)
        Names of the three columns of a table.

    Returns
    -------
    TripleTable
        As it comes: not sorted, triples may repeat. PyKEEN's and a `MultiGraph`'s ids are kept, names else
        sorted.

    Raises
    ------
    InputError
        For a missing column, a missing value, or an item that is no triple.
    """
    if isinstance(triples, TripleTable):
        return triples
    if isinstance(triples, MultiGraph):
        return _from_multigraph(triples)
    if hasattr(triples, "mapped_triples"):
        return _from_pykeen(triples)
    if hasattr(triples, "is_multigraph") and hasattr(triples, "edges"):
        return _from_networkx(triples, columns[1])
    if isinstance(triples, Mapping) or hasattr(triples, "column_names") or hasattr(triples, "columns"):
        values = [_column(triples, name) for name in columns]
        if len({len(column) for column in values}) != 1:
            raise InputError(f"columns must be equally long, got {[len(column) for column in values]}.")
        return collect_triples(zip(*values, strict=True))
    return collect_triples(triples)


def collect_triples(triples: Iterable[Any], *, nodes: Iterable[str] = ()) -> TripleTable:
    """Number the names of an iterable of (head, relation, tail) in sorted order, without keeping the texts.

    Parameters
    ----------
    triples : iterable of 3-tuples
    nodes : iterable of str
        Further nodes, whether a triple names them or not.
    """
    node_codes: dict[Any, int] = {}
    relation_codes: dict[Any, int] = {}
    for name in nodes:
        node_codes.setdefault(name, len(node_codes))
    flat = _codes(triples, node_codes, relation_codes).reshape(-1, 3)
    names, node_rank = _sorted_names(node_codes)
    relation_names, relation_rank = _sorted_names(relation_codes)
    return TripleTable(
        names, relation_names, node_rank[flat[:, 0]], relation_rank[flat[:, 1]], node_rank[flat[:, 2]]
    )


def order_triples(
    table: TripleTable, *, relations: Sequence[str] | None = None, last: Sequence[str] = ()
) -> TripleTable:
    """Number relations in a given order, drop repeated triples, sort the rest by (head, relation, tail).

    Parameters
    ----------
    table : TripleTable
    relations : sequence of str, optional
        All relations in the order of their ids; it may name some that no triple has.
    last : sequence of str
        Relations that come last, in this order (task relations follow the background's).

    Raises
    ------
    UnknownNameError
        When a triple has a relation that `relations` does not name.
    """
    known = list(table.relation_names if relations is None else relations)
    for name in table.relation_names:
        if name not in known:
            raise UnknownNameError(f"relation {name!r} of a triple is not listed{near_names(name, known)}.")
    names = [name for name in known if name not in last] + list(last)
    if len(set(names)) != len(names):
        raise InputError(f"relations must differ, got {names}.")
    place = np.array([names.index(name) for name in table.relation_names] or [0], dtype=np.int64)
    ids = place[table.relations] if len(table.relations) else table.relations
    heads, relation, tails = distinct_triples(table.heads, ids, table.tails)
    return TripleTable(table.nodes, tuple(names), heads, relation, tails)


def join_tables(nodes: Sequence[str], table: TripleTable) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Heads and tails of a table renumbered after `nodes`; nodes that are new follow in sorted order.

    Returns
    -------
    nodes : tuple of str
    heads, tails : int64 ndarray
    """
    place = {name: i for i, name in enumerate(nodes)}
    for name in sorted(name for name in table.nodes if name not in place):
        place[name] = len(place)
    codes = np.array([place[name] for name in table.nodes] or [0], dtype=np.int64)
    return tuple(place), codes[table.heads], codes[table.tails]


def distinct_triples(
    heads: np.ndarray, relations: np.ndarray, tails: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The triples sorted by (head, relation, tail), each once."""
    order = np.lexsort((tails, relations, heads))
    heads, relations, tails = heads[order], relations[order], tails[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (np.diff(heads) != 0) | (np.diff(relations) != 0) | (np.diff(tails) != 0)
    return heads[first], relations[first], tails[first]


def _codes(triples: Iterable[Any], nodes: dict[Any, int], relations: dict[Any, int]) -> np.ndarray:
    """Flat codes head, relation, tail, head, ...; the texts are let go as they pass."""

    def walk() -> Iterator[int]:
        for place, triple in enumerate(triples):
            try:
                head, relation, tail = triple
            except (TypeError, ValueError) as error:
                raise InputError(f"triple {place} must be (head, relation, tail), got {triple!r}.") from error
            if head is None or tail is None or relation is None or head != head or tail != tail:
                raise InputError(f"triple {place} lacks a value, got {(head, relation, tail)!r}.")
            yield nodes.setdefault(head, len(nodes))
            yield relations.setdefault(relation, len(relations))
            yield nodes.setdefault(tail, len(nodes))

    return np.fromiter(walk(), dtype=np.int64)


def _sorted_names(codes: dict[Any, int]) -> tuple[tuple[str, ...], np.ndarray]:
    """Names in order, and the rank of each code; values that are written alike are one name."""
    texts = [str(name) for name in codes]
    names = sorted(set(texts))
    place = {name: i for i, name in enumerate(names)}
    return tuple(names), np.fromiter((place[text] for text in texts), dtype=np.int64, count=len(texts))


def _column(table: Any, name: str) -> list[Any]:
    known = list(table.keys()) if isinstance(table, Mapping) else list(getattr(table, "column_names", ()))
    known = known or list(table.columns)
    if name not in known:
        raise InputError(f"the table has no column {name!r}{near_names(name, map(str, known))}.")
    values = table[name]
    for method in ("to_pylist", "tolist", "to_list"):
        if hasattr(values, method):
            return list(getattr(values, method)())
    return list(values)


def _from_multigraph(graph: MultiGraph) -> TripleTable:
    if graph.relations is None:
        raise InputError("a MultiGraph needs relations to become a knowledge graph.")
    heads, relations, tails = (
        array.astype(np.int64) for array in (graph.tails, graph.relations, graph.heads)
    )
    if not graph.directed:  # a relation that holds both ways is stated both ways
        heads, tails = np.concatenate([heads, tails]), np.concatenate([tails, heads])
        relations = np.concatenate([relations, relations])
    names = tuple(graph.name(node) for node in range(graph.n_nodes))
    return TripleTable(names, graph.relation_names, heads, relations, tails)


def _from_pykeen(factory: Any) -> TripleTable:
    triples = np.asarray(factory.mapped_triples, dtype=np.int64).reshape(-1, 3)
    nodes, relations = _by_id(factory.entity_to_id), _by_id(factory.relation_to_id)
    return TripleTable(nodes, relations, triples[:, 0], triples[:, 1], triples[:, 2])


def _by_id(ids: Mapping[str, int]) -> tuple[str, ...]:
    if sorted(ids.values()) != list(range(len(ids))):
        raise InputError(f"ids must be 0 to {len(ids) - 1}, each once.")
    return tuple(str(name) for name in sorted(ids, key=lambda name: ids[name]))


def _from_networkx(graph: Any, attribute: str) -> TripleTable:
    missing = object()
    edges = list(graph.edges(data=attribute, default=missing))
    for tail, head, relation in edges:
        if relation is missing:
            raise InputError(f"edge {tail!r} - {head!r} has no attribute {attribute!r}.")
    both = (
        edges if graph.is_directed() else edges + [(head, tail, relation) for tail, head, relation in edges]
    )
    return collect_triples(((tail, relation, head) for tail, head, relation in both), nodes=graph.nodes)
