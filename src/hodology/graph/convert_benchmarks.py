"""Benchmark knowledge graphs as PyKEEN and OGB hold them, without needing either package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.graph.multigraph import MultiGraph

__all__ = ["from_ogb", "from_pykeen"]


def from_pykeen(factory: Any) -> MultiGraph:
    """A graph of a PyKEEN ``TriplesFactory`` (or ``CoreTriplesFactory``, whose nodes and relations have no names).

    Nodes and relations keep their numbers, edges the order of ``mapped_triples``. Inverse triples, which PyKEEN makes
    while training, are not in it.

    Raises
    ------
    InputError
        When the object has no ``mapped_triples`` of three columns, or its numbers have gaps.
    """
    triples = getattr(factory, "mapped_triples", None)
    if triples is None:
        raise InputError(f"factory must have mapped_triples, as PyKEEN's have, got {type(factory).__name__}.")
    triples = np.asarray(triples.numpy() if hasattr(triples, "numpy") else triples)
    if triples.ndim != 2 or triples.shape[1] != 3:
        raise InputError(f"mapped_triples must have shape (triples, 3), got {triples.shape}.")
    names = _by_number("entity_to_id", getattr(factory, "entity_to_id", None))
    kinds = _by_number("relation_to_id", getattr(factory, "relation_to_id", None))
    count = getattr(factory, "num_entities", None) if names is None else len(names)
    return MultiGraph(
        triples[:, 0],
        triples[:, 2],
        n_nodes=count,
        names=names,
        relations=triples[:, 1],
        relation_names=kinds,
    )


def from_ogb(data: Mapping[str, Any]) -> MultiGraph:
    """A graph of a library-agnostic graph of OGB: ``dataset[0]`` of ogbl-biokg, ogbl-wikikg2 and their like.

    Of a heterogeneous graph, nodes are numbered kind by kind in the order of ``num_nodes_dict`` and named
    ``kind::number``; the node data "kind" holds their kinds; relations are the middle words of the keys of
    ``edge_index_dict``. Nodes of other graphs have no names.

    Raises
    ------
    InputError
        When neither form is there, or an index has not two rows.
    """
    if "edge_index_dict" not in data and "edge_index" not in data:
        raise InputError(f"data must have edge_index or edge_index_dict, got {', '.join(map(str, data))}.")
    if "edge_index_dict" not in data:
        index = _index(data["edge_index"], "edge_index")
        kinds = data.get("edge_reltype")
        return MultiGraph(
            index[0],
            index[1],
            n_nodes=int(data["num_nodes"]) if data.get("num_nodes") is not None else None,
            relations=None if kinds is None else np.asarray(kinds).reshape(-1),
        )
    counts = {str(kind): int(n) for kind, n in data["num_nodes_dict"].items()}
    starts = dict(zip(counts, np.cumsum([0, *counts.values()])[:-1].tolist()))
    tails, heads, kinds = [], [], []
    words = list(dict.fromkeys(str(key[1]) for key in data["edge_index_dict"]))
    for (source, word, target), values in data["edge_index_dict"].items():
        index = _index(values, f"edge_index_dict[{(source, word, target)}]")
        tails.append(index[0] + starts[source])
        heads.append(index[1] + starts[target])
        kinds.append(np.full(index.shape[1], words.index(str(word))))
    return MultiGraph(
        np.concatenate(tails) if tails else [],
        np.concatenate(heads) if heads else [],
        names=[f"{kind}::{i}" for kind, n in counts.items() for i in range(n)],
        relations=np.concatenate(kinds) if kinds else [],
        relation_names=words,
        node_data={"kind": np.repeat(np.array(list(counts), dtype=str), list(counts.values()))},
    )


def _by_number(what: str, numbers: Mapping[str, int] | None) -> list[str] | None:
    if numbers is None:
        return None
    found = sorted(numbers, key=lambda name: numbers[name])
    if [int(numbers[name]) for name in found] != list(range(len(found))):
        raise InputError(f"{what} must number names from 0 without gaps.")
    return [str(name) for name in found]


def _index(values: Any, name: str) -> np.ndarray:
    index = np.asarray(values)
    if index.ndim != 2 or index.shape[0] != 2:
        raise InputError(f"{name} must have shape (2, edges), got {index.shape}.")
    return index
