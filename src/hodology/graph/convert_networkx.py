"""Graphs of networkx into a multigraph and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.graph.multigraph import MultiGraph

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["from_networkx", "to_networkx"]


def to_networkx(graph: MultiGraph) -> nx.MultiDiGraph | nx.MultiGraph:
    """A networkx multigraph: nodes are names (numbers where there are none), keys are edge numbers.

    Edges have the attributes "relation" and "weight" where the graph has them, and the columns of the edge data;
    nodes have those of the node data.

    Raises
    ------
    InputError
        When edge data are called "relation" or "weight" besides the graph's own.
    """
    import networkx

    found = networkx.MultiDiGraph() if graph.directed else networkx.MultiGraph()
    columns: dict[str, list[Any]] = {}
    if graph.relations is not None:
        columns["relation"] = [graph.relation_names[i] for i in graph.relations.tolist()]
    if graph.weights is not None:
        columns["weight"] = graph.weights.tolist()
    for name, values in graph.edge_data.items():
        if name in columns:
            raise InputError(f"edge data {name!r} would hide the graph's own; give it another name.")
        columns[name] = values.tolist()
    nodes: Sequence[Any] = range(graph.n_nodes) if graph.names is None else graph.names
    data = {name: values.tolist() for name, values in graph.node_data.items()}
    for place, node in enumerate(nodes):
        found.add_node(node)
        found.nodes[node].update({name: values[place] for name, values in data.items()})
    for place, (tail, head) in enumerate(zip(graph.tails.tolist(), graph.heads.tolist())):
        found.add_edge(nodes[tail], nodes[head], key=place)
        found.edges[nodes[tail], nodes[head], place].update(
            {n: values[place] for n, values in columns.items()}
        )
    return found


def from_networkx(
    graph: nx.Graph,
    *,
    relation: str | None = "relation",
    weight: str | None = "weight",
    columns: Sequence[str] | Literal["all"] = (),
) -> MultiGraph:
    """A graph of any networkx class; nodes and edges keep its order.

    A multigraph whose keys are the numbers 0 to edges - 1, as those of `to_networkx`, keeps them as edge numbers.

    Nodes 0 to n - 1 stay without names, whatever their order; others are named by their text. Attributes that every
    node has become node data.

    Parameters
    ----------
    graph : networkx graph
        It is not changed.
    relation : str, optional
        Attribute of edges, or "key" for the keys of a multigraph. The default is taken where edges have it; None
        leaves relations out.
    weight : str, optional
        Attribute of edges; an edge without it weighs 1, as everywhere in networkx. When no edge has the default, the
        graph has no weights.
    columns : sequence of str or "all"
        Attributes for the edge data; every edge must have them ("all": those that every edge has).

    Raises
    ------
    InputError
        When two nodes have the same text, or an edge lacks a relation or column that others have.
    UnknownNameError
        When no edge has an attribute that was asked for, with near names.
    """
    number, names = _node_numbers(graph)
    rows = _edge_rows(graph)
    data = [row[3] for row in rows]
    known = list(dict.fromkeys(name for attributes in data for name in attributes))
    kinds, kind_names = None, None
    if relation == "key" and graph.is_multigraph() and "key" not in known:
        kinds, kind_names = _relation_numbers([row[2] for row in rows])
    elif relation is not None and (relation in known or relation != "relation"):
        kinds, kind_names = _relation_numbers(_attribute(data, relation, known))
    weights = None
    if weight is not None and (weight in known or weight != "weight"):
        weights = _weights(data, weight, known)
    if isinstance(columns, str) and columns != "all":
        raise InputError(f"columns must be 'all' or names, got {columns!r}.")
    wanted = list(columns)
    if columns == "all":
        wanted = [n for n in known if n not in (relation, weight) and all(n in d for d in data)]
    return MultiGraph(
        np.array([number[row[0]] for row in rows], dtype=np.int32),
        np.array([number[row[1]] for row in rows], dtype=np.int32),
        n_nodes=len(number),
        names=names,
        relations=kinds,
        relation_names=kind_names,
        weights=weights,
        directed=graph.is_directed(),
        node_data=_node_data(graph, number),
        edge_data={str(name): _array(_attribute(data, name, known)) for name in wanted},
    )


def _edge_rows(graph: nx.Graph) -> list[tuple[Any, Any, Any, dict[Any, Any]]]:
    """Ends, key and attributes of every edge; in the order of the keys where these number all edges."""
    if not graph.is_multigraph():
        return [(u, v, None, data) for u, v, data in graph.edges.data()]
    rows = list(graph.edges(keys=True, data=True))
    places = {row[2]: place for place, row in enumerate(rows)}
    if len(places) == len(rows) and set(places) == set(range(len(rows))):
        return [rows[places[i]] for i in range(len(rows))]
    return rows


def _node_data(graph: nx.Graph, number: dict[Any, int]) -> dict[str, np.ndarray]:
    """Attributes that every node has, in the order of the nodes' numbers."""
    nodes = sorted(number, key=lambda node: number[node])
    first = graph.nodes[nodes[0]] if nodes else {}
    shared = [name for name in first if all(name in data for _, data in graph.nodes.data())]
    return {str(name): _array([graph.nodes[node][name] for node in nodes]) for name in shared}


def _array(values: list[Any]) -> np.ndarray:
    """As numpy makes it; objects where it cannot (lists of different lengths)."""
    try:
        return np.array(values)
    except ValueError:
        found = np.empty(len(values), dtype=object)
        found[:] = values
        return found


def _weights(data: Sequence[Mapping[str, Any]], name: str, known: Sequence[str]) -> np.ndarray:
    _check_attribute(name, known)
    values = [attributes.get(name, 1.0) for attributes in data]
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"attribute {name!r} must hold numbers: {error}.") from error


def _node_numbers(graph: nx.Graph) -> tuple[dict[Any, int], list[str] | None]:
    nodes = list(graph.nodes)
    whole = all(isinstance(node, (int, np.integer)) and not isinstance(node, bool) for node in nodes)
    if whole and {int(node) for node in nodes} == set(range(len(nodes))):
        return {node: int(node) for node in nodes}, None
    names = [str(node) for node in nodes]
    if len(set(names)) != len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise InputError(f"two nodes have the same text {twice!r}; rename one.")
    return {node: place for place, node in enumerate(nodes)}, names


def _relation_numbers(values: Sequence[Any]) -> tuple[np.ndarray, list[str]]:
    numbers: dict[str, int] = {}
    kinds = [numbers.setdefault(str(value), len(numbers)) for value in values]
    return np.array(kinds, dtype=np.int32), list(numbers)


def _attribute(data: Sequence[Mapping[str, Any]], name: str, known: Sequence[str]) -> list[Any]:
    _check_attribute(name, known)
    for place, attributes in enumerate(data):
        if name not in attributes:
            raise InputError(f"edge {place} has no attribute {name!r}, which other edges have.")
    return [attributes[name] for attributes in data]


def _check_attribute(name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise UnknownNameError(f"no edge has an attribute {name!r}{near_names(name, list(map(str, known)))}.")
