"""GraphML: nodes and edges with typed data, as Gephi, Cytoscape, yEd, igraph and networkx write and read it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from hodology.errors import FileFormatError, InputError, UnknownNameError, near_names
from hodology.graph.edge_builder import check_kinds, check_unique, parse_column, row_failure, text_column
from hodology.graph.edge_columns import RELATION_NAMES, Columns
from hodology.graph.graphml_parser import GraphmlContent, GraphmlElements, parse_graphml
from hodology.graph.multigraph import MultiGraph
from hodology.graph.text_blocks import MAX_BYTES, text_writer

__all__ = ["read_graphml", "write_graphml"]

_RELATIONS = (*RELATION_NAMES, "label")  # the first that every edge has
_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff\r]")  # what XML cannot hold
_TYPE_OF = {"b": "boolean", "i": "long", "u": "long", "f": "double", "U": "string", "T": "string"}


def read_graphml(
    file: str | Path,
    *,
    relation: str | None = "relation",
    weight: str | None = "weight",
    node_name: str | None = None,
    columns: Columns = (),
    directed: bool | None = None,
    max_bytes: int = MAX_BYTES,
) -> MultiGraph:
    """Read a graph from GraphML, plain or gzip; nodes keep the order of the file.

    Nodes of nested graphs (groups of yEd) are nodes like others. Every attribute of nodes becomes node data; where
    some nodes have no value, numbers become floats with NaN and all else becomes text, empty where there is none. The
    labels that yEd draws are the attribute "label".

    Parameters
    ----------
    relation, weight : str, optional
        Attributes of edges. The default names are taken where there are such attributes (for the relation also
        "predicate", "interaction", "rel", "edge_type", "type" and "label", when every edge has one and `columns` does
        not ask for it); None leaves them out.
    node_name : str, optional
        Attribute that names nodes; default: their ids. No name may come twice.
    columns : sequence of str, mapping of str to kind, or "all"
        Further attributes of edges for the edge data, in the type that the file gives them unless a kind is given.
    directed : bool, optional
        Default: what the file says.

    Raises
    ------
    FileFormatError
        For a damaged file, a document type (DTD), an edge of a node that is not there, directed and undirected edges
        in one graph, or a weight that is missing; names file and line.
    UnknownNameError
        When an attribute does not exist, with near names.
    """
    content = parse_graphml(file, max_bytes=max_bytes)
    edges = content.edges
    if directed is None:
        if len(content.directed) > 1:
            raise FileFormatError(
                f"{file} has directed and undirected edges; save it with one kind, or choose one in Python by directed=."
            )
        directed = next(iter(content.directed))
    tails, heads = _ends(content, file)
    kinds = _relations(edges, relation, file, columns)
    names = list(content.ids) if node_name is None else _names(content, node_name, file)
    weights = None
    if weight is not None and (weight in edges.names or weight != "weight"):
        weights = _weights(edges, weight, file)
    return MultiGraph(
        tails,
        heads,
        names=names,
        directed=directed,
        relations=None if kinds is None else kinds[1],
        relation_names=None if kinds is None else kinds[0],
        weights=weights,
        node_data={name: _column(content.nodes.column(name)) for name in content.nodes.names},
        edge_data=_edge_data(edges, columns, {kinds[2] if kinds else None, weight}, file),
    )


def write_graphml(graph: MultiGraph, file: str | Path) -> None:
    """Write all of a graph as GraphML: names as ids, relation and weight as attributes of edges.

    Raises
    ------
    InputError
        For a name or text with a character that XML cannot hold, and columns that are not text, numbers or truth values.
    """
    own: dict[str, np.ndarray] = {}
    if graph.relations is not None:
        own["relation"] = np.array(graph.relation_names or [""], dtype=np.dtypes.StringDType())[
            graph.relations
        ]
    if graph.weights is not None:
        own["weight"] = graph.weights
    twice = set(own) & set(graph.edge_data)
    if twice:
        raise InputError(f"edge data {min(twice)!r} would come twice in the file; give it another name.")
    parts = (("node", dict(graph.node_data)), ("edge", {**own, **graph.edge_data}))
    with text_writer(file) as out:
        out.write('<?xml version="1.0" encoding="UTF-8"?>\n')
        out.write('<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n')
        for part, columns in parts:
            for place, (name, values) in enumerate(columns.items()):
                out.write(f'  <key id="{part[0]}{place}" for="{part}" attr.name={quoteattr(_legal(name))}')
                out.write(f' attr.type="{_type(name, values)}"/>\n')
        out.write(f'  <graph edgedefault="{"directed" if graph.directed else "undirected"}">\n')
        ids = [quoteattr(_legal(graph.name(i))) for i in range(graph.n_nodes)]
        cells = [values.tolist() for values in parts[0][1].values()]
        for place, identity in enumerate(ids):
            _element(out, f"node id={identity}", "n", [column[place] for column in cells])
        cells = [values.tolist() for values in parts[1][1].values()]
        for place, (tail, head) in enumerate(zip(graph.tails.tolist(), graph.heads.tolist())):
            opening = f'edge id="e{place}" source={ids[tail]} target={ids[head]}'
            _element(out, opening, "e", [column[place] for column in cells])
        out.write("  </graph>\n</graphml>\n")


def _ends(content: GraphmlContent, file: str | Path) -> tuple[np.ndarray, np.ndarray]:
    found = np.zeros((len(content.ends), 2), dtype=np.int32)
    for place, ends in enumerate(content.ends):
        for side, name in enumerate(ends):
            number = content.ids.get(name)
            if number is None:
                line, near = content.edges.lines[place], near_names(name, content.ids)
                raise FileFormatError(
                    f"{file}, line {line}: an edge has node {name!r}, which is not there{near}."
                )
            found[place, side] = number
    return found[:, 0], found[:, 1]


def _names(content: GraphmlContent, attribute: str, file: str | Path) -> list[str]:
    if attribute not in content.nodes.names:
        known = near_names(attribute, content.nodes.names)
        raise UnknownNameError(f"{file}: nodes have no attribute {attribute!r}{known}.")
    names = ["" if value is None else str(value) for value in content.nodes.column(attribute)]
    check_unique(names, fail=row_failure(file, content.nodes.lines))
    return names


def _relations(
    edges: GraphmlElements, relation: str | None, file: str | Path, columns: Columns
) -> tuple[list[str], np.ndarray, str] | None:
    """Names, numbers and attribute of the edges' relations."""
    if relation is None:
        return None
    if relation not in edges.names:
        if relation != "relation":
            raise UnknownNameError(
                f"{file}: edges have no attribute {relation!r}{near_names(relation, edges.names)}."
            )
        there = [n for n in _RELATIONS if n in edges.names and (columns == "all" or n not in columns)]
        found = next((n for n in there if all(v not in (None, "") for v in edges.column(n))), None)
        if found is None:
            return None
        relation = found
    numbers: dict[str, int] = {}
    kinds = np.zeros(len(edges.lines), dtype=np.int32)
    for place, value in enumerate(edges.column(relation)):
        if value is None:
            raise FileFormatError(f"{file}, line {edges.lines[place]}: an edge has no {relation!r}.")
        kinds[place] = numbers.setdefault(str(value), len(numbers))
    return list(numbers), kinds, relation


def _weights(edges: GraphmlElements, weight: str, file: str | Path) -> np.ndarray:
    if weight not in edges.names:
        raise UnknownNameError(
            f"{file}: edges have no attribute {weight!r}{near_names(weight, edges.names)}."
        )
    fail = row_failure(file, edges.lines)
    values = edges.column(weight)
    if None in values:
        raise fail(
            values.index(None), f"an edge has no {weight!r}; in Python weight=None reads the graph without."
        )
    found = parse_column([str(value) for value in values], "weight", fail=fail)
    wrong = np.flatnonzero(~(np.isfinite(found) & (found >= 0)))
    if wrong.size:
        raise fail(int(wrong[0]), f"weight must be finite and 0 or more, got {found[wrong[0]]}.")
    return found


def _edge_data(
    edges: GraphmlElements, columns: Columns, used: set[str | None], file: str | Path
) -> dict[str, np.ndarray]:
    if isinstance(columns, str) and columns != "all":
        raise InputError(f"columns must be 'all', names, or a mapping of name to kind, got {columns!r}.")
    wanted: Sequence[str] = [n for n in edges.names if n not in used] if columns == "all" else list(columns)
    kinds = dict(columns) if isinstance(columns, Mapping) else {}
    check_kinds(kinds)
    found = {}
    for name in wanted:
        if name not in edges.names:
            raise UnknownNameError(
                f"{file}: edges have no attribute {name!r}{near_names(name, edges.names)}."
            )
        values = edges.column(name)
        if name in kinds:
            cells = ["" if value is None else str(value) for value in values]
            found[name] = text_column(parse_column(cells, kinds[name], fail=row_failure(file, edges.lines)))
        else:
            found[name] = _column(values)
    return found


def _column(values: list[Any]) -> np.ndarray:
    """Numbers and truth values as they are when all are there; numbers with gaps as floats; the rest as text."""
    types = {type(value) for value in values}
    if types == {bool}:
        return np.array(values, dtype=bool)
    if types == {int} and all(-(2**63) <= value < 2**63 for value in values):
        return np.array(values, dtype=np.int64)
    small = all(value is None or abs(value) <= 2**53 for value in values if type(value) is int)
    if types and types <= {int, float, type(None)} and types != {type(None)} and small:
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    texts = ["" if value is None else _text(value) for value in values]
    return text_column(np.array(texts, dtype=np.dtypes.StringDType()))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _type(name: str, values: np.ndarray) -> str:
    if values.ndim != 1 or values.dtype.kind not in _TYPE_OF:
        raise InputError(f"column {name!r} ({values.dtype}) has no type in GraphML.")
    return _TYPE_OF[values.dtype.kind]


def _element(out: TextIO, opening: str, prefix: str, values: list[Any]) -> None:
    if not values:
        out.write(f"    <{opening}/>\n")
        return
    cells = (f'<data key="{prefix}{i}">{escape(_legal(_text(v)))}</data>' for i, v in enumerate(values))
    out.write(f"    <{opening}>{''.join(cells)}</{opening.partition(' ')[0]}>\n")


def _legal(text: str) -> str:
    found = _UNREADABLE.search(text)
    if found is not None:
        raise InputError(f"{text!r} holds {found[0]!r}, which XML cannot hold.")
    return text
