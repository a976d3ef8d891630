"""Edges as rows of Parquet and Arrow files (Feather version 2 too)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hodology.errors import FileFormatError, InputError
from hodology.files import atomic_path
from hodology.graph.arrow_rows import ArrowRows, data_column, name_cells
from hodology.graph.edge_builder import EdgeBuilder, Fail, parse_column, row_failure
from hodology.graph.edge_columns import ColumnName, Columns, EdgeColumns, choose_columns
from hodology.graph.multigraph import MultiGraph
from hodology.graph.node_tables import NodeSource, RelationSource, read_nodes, read_relations, write_nodes
from hodology.graph.text_blocks import MAX_BYTES
from hodology.graph.triple_files import check_no_loss
from hodology.optional import require

__all__ = ["read_table", "write_table"]

_HEADER = {"format": "hodology-edges", "version": 1}
_ARROW = (".arrow", ".feather", ".ipc")


def read_table(
    file: str | Path,
    *,
    head: ColumnName = "head",
    relation: ColumnName | None = "relation",
    tail: ColumnName = "tail",
    weight: ColumnName | None = "weight",
    columns: Columns = (),
    directed: bool | None = None,
    nodes: NodeSource | None = None,
    relations: RelationSource | None = None,
    max_bytes: int = MAX_BYTES,
) -> MultiGraph:
    """Read a graph from a Parquet file, an Arrow IPC file or an Arrow stream (by content, not by name).

    Columns and the order of nodes and relations are those of `hodology.graph.triple_files.read_triples`. Names may be
    text, dictionaries of text, or whole numbers, which become text. Further columns keep their numbers; a kind asked
    for ("text", "int", "float") converts them.

    Parameters
    ----------
    directed : bool, optional
        Default: what the file says, if `write_table` wrote it, else directed.

    Raises
    ------
    FileFormatError
        For a damaged file, a name or weight that is missing, and what is no name; names file and row (from 1).
    UnknownNameError
        When a column does not exist, with near names.
    MissingExtraError
        Without pyarrow.
    """
    rows = ArrowRows(file, max_bytes=max_bytes)
    places = choose_columns(
        rows.names, source=file, head=head, relation=relation, tail=tail, weight=weight, columns=columns
    )
    builder = EdgeBuilder(
        nodes=None if nodes is None else read_nodes(nodes, max_bytes=max_bytes),
        relations=None if relations is None else read_relations(relations, max_bytes=max_bytes),
    )
    kinds = dict(columns) if isinstance(columns, Mapping) else {}
    wanted = [places.head, places.tail, places.relation, places.weight, *places.others.values()]
    order = [place for place in wanted if place is not None]
    for batch in rows.batches(order):
        _add_batch(builder, dict(zip(order, batch)), places, rows, kinds)
    return builder.graph(directed=_directed(rows) if directed is None else directed)


def write_table(
    graph: MultiGraph, file: str | Path, *, format: str | None = None, nodes: str | Path | bool | None = None
) -> None:
    """Write the edges of a graph as a table: head, relation, tail, weight, then the edge data.

    Arrow IPC when `format` ("arrow" or "parquet") or the name says so (.arrow, .feather, .ipc), else Parquet. Whether
    the graph is directed is in the file's metadata. `nodes` as in `hodology.graph.triple_files.write_triples`.

    Raises
    ------
    InputError
        When something of the graph would be lost, or a column's type has no place in such a file.
    MissingExtraError
        Without pyarrow.
    """
    if format not in (None, "parquet", "arrow"):
        raise InputError(f"format must be parquet or arrow, got {format!r}.")
    check_no_loss(graph, file, nodes)
    arrow = require("pyarrow", extra="hf", purpose="writing Parquet and Arrow files")
    table = arrow.table(_arrow_columns(graph, arrow)).replace_schema_metadata(
        {"hodology": json.dumps({**_HEADER, "directed": graph.directed})}
    )
    with atomic_path(file) as temporary:
        if format == "arrow" or (format is None and Path(file).suffix.lower() in _ARROW):
            ipc = require("pyarrow.ipc", extra="hf", purpose="writing Arrow files")
            with ipc.new_file(str(temporary), table.schema) as writer:
                writer.write_table(table)
        else:
            parquet = require("pyarrow.parquet", extra="hf", purpose="writing Parquet files")
            parquet.write_table(table, temporary)
    if isinstance(nodes, (str, Path)):
        write_nodes(graph, nodes)


def _add_batch(
    builder: EdgeBuilder,
    batch: dict[int, Any],
    places: EdgeColumns,
    rows: ArrowRows,
    kinds: Mapping[str, str],
) -> None:
    count = len(batch[places.head])
    fail = row_failure(rows.file, range(builder.count + 1, builder.count + count + 1), word="row")
    names = {place: name_cells(batch[place], rows.names[place], fail=fail) for place in _name_places(places)}
    weights = None
    if places.weight is not None:
        weights = data_column(batch[places.weight], rows.names[places.weight], fail=fail)
        if weights.dtype.kind not in "iuf" and count:
            raise fail(0, f"column {rows.names[places.weight]!r} must hold numbers (weight).")
        weights = weights.astype(np.float64)
    data = {}
    for name, place in places.others.items():
        data[name] = _as_kind(data_column(batch[place], name, fail=fail), kinds.get(name), fail)
    builder.add(
        names[places.head],
        names[places.tail],
        relations=None if places.relation is None else names[places.relation],
        weights=weights,
        columns=data,
        fail=fail,
    )


def _as_kind(values: np.ndarray, kind: str | None, fail: Fail) -> np.ndarray:
    """The kind that was asked for, by way of text, so that nothing is rounded on the way."""
    return values if kind is None else parse_column([str(v) for v in values.tolist()], kind, fail=fail)


def _name_places(places: EdgeColumns) -> list[int]:
    return [place for place in (places.head, places.tail, places.relation) if place is not None]


def _directed(rows: ArrowRows) -> bool:
    try:
        header = json.loads(rows.metadata.get(b"hodology", b"{}"))
        directed = header.get("directed", True)
    except (ValueError, AttributeError) as error:
        raise FileFormatError(f"{rows.file}: the metadata 'hodology' are damaged.") from error
    return bool(directed)


def _arrow_columns(graph: MultiGraph, arrow: Any) -> dict[str, Any]:
    names = arrow.array([graph.name(i) for i in range(graph.n_nodes)], arrow.string())
    found = {"head": arrow.DictionaryArray.from_arrays(arrow.array(graph.tails), names)}
    if graph.relations is not None:
        kinds = arrow.array(graph.relation_names, arrow.string())
        found["relation"] = arrow.DictionaryArray.from_arrays(arrow.array(graph.relations), kinds)
    found["tail"] = arrow.DictionaryArray.from_arrays(arrow.array(graph.heads), names)
    if graph.weights is not None:
        found["weight"] = arrow.array(graph.weights)
    for name, values in graph.edge_data.items():
        if name in ("head", "relation", "tail", "weight"):
            raise InputError(f"edge data {name!r} would come twice in the file; give it another name.")
        if values.ndim != 1 or values.dtype.kind not in "biufUT":
            raise InputError(f"edge data {name!r} ({values.dtype}) cannot be a column of text or numbers.")
        found[name] = arrow.array(values.tolist() if values.dtype.kind in "UT" else values)
    return found
