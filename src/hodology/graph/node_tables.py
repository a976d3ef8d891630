"""Tables of nodes and of relations: what gives a graph its order and its nodes' further columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.graph.arrow_rows import ArrowRows, data_column, name_cells
from hodology.graph.edge_builder import Fail, NodeTable, check_unique, row_failure, text_column
from hodology.graph.multigraph import MultiGraph
from hodology.graph.text_blocks import MAX_BYTES, text_writer
from hodology.graph.text_rows import DelimitedText

__all__ = ["NodeSource", "RelationSource", "read_nodes", "read_relations", "write_nodes"]

NodeSource = str | Path | Mapping[str, Sequence[Any]] | NodeTable
RelationSource = str | Path | Sequence[str]
_PARQUET = (".parquet", ".pq", ".arrow", ".feather", ".ipc")


def read_nodes(source: NodeSource, *, id: str = "id", max_bytes: int = MAX_BYTES) -> NodeTable:
    """A table of nodes.

    Parameters
    ----------
    source : path or mapping of str to sequence
        TSV or CSV (.gz) with a header, Parquet, Arrow, or the columns themselves. Columns of text files stay text.
    id : str
        Column of what edges name nodes by; when there is none called "id", the first column.

    Raises
    ------
    FileFormatError
        For a damaged file, an id that is empty or comes twice; names file and line.
    UnknownNameError
        When `id` is not a column.
    """
    if isinstance(source, NodeTable):
        return source
    if isinstance(source, Mapping):
        return _from_mapping(source, id)
    if Path(source).suffix.lower() in _PARQUET:
        return _from_arrow(source, id, max_bytes)
    table = DelimitedText(source, max_bytes=max_bytes)
    place = _id_place(table.first_row, id, source)
    ids: list[str] = []
    lines: list[int] = []
    parts: list[list[str]] = [[] for _ in table.first_row]
    for block in table.rows(skip_first=True):
        ids.extend(block.columns[place])
        lines.extend(block.lines)
        for part, column in zip(parts, block.columns):
            part.extend(column)
    check_unique(ids, fail=row_failure(source, lines))
    columns = {name: _text(part) for i, (name, part) in enumerate(zip(table.first_row, parts)) if i != place}
    return NodeTable(ids, columns)


def read_relations(source: RelationSource, *, max_bytes: int = MAX_BYTES) -> list[str]:
    """Names of relations in their order: given, or the column "relation" (else the first) of a table with a header.

    Raises
    ------
    FileFormatError
        For a damaged file or a name that comes twice.
    """
    if not isinstance(source, (str, Path)):
        names = [str(name) for name in source]
        check_unique(names, fail=_entry_failure("relations"), what="relation")
        return names
    table = DelimitedText(source, max_bytes=max_bytes)
    place = table.first_row.index("relation") if "relation" in table.first_row else 0
    found: list[str] = []
    lines: list[int] = []
    for block in table.rows(skip_first=True):
        found.extend(block.columns[place])
        lines.extend(block.lines)
    check_unique(found, fail=row_failure(source, lines), what="relation")
    return found


def write_nodes(graph: MultiGraph, file: str | Path) -> None:
    """Write the table of a graph's nodes: id, then the columns of its node data; CSV when so named, else TSV.

    Raises
    ------
    InputError
        When a cell cannot stand in such a file.
    """
    from hodology.graph.triple_files import row_writer

    names = [name for name in graph.node_data if name != "id"]
    if len(names) != len(graph.node_data):
        raise InputError("node data 'id' would hide the nodes' names; give it another name.")
    with text_writer(file) as handle:
        write = row_writer(handle, file)
        write([["id", *names]])
        data = [graph.node_data[name].tolist() for name in names]
        write([graph.name(i), *(str(column[i]) for column in data)] for i in range(graph.n_nodes))


def _from_mapping(source: Mapping[str, Sequence[Any]], id: str) -> NodeTable:
    names = list(source)
    place = _id_place(names, id, "nodes")
    ids = [str(name) for name in source[names[place]]]
    check_unique(ids, fail=_entry_failure("nodes"))
    columns = {name: np.asarray(source[name]) for i, name in enumerate(names) if i != place}
    for name, values in columns.items():
        if len(values) != len(ids):
            raise InputError(f"nodes: column {name!r} has {len(values)} entries, expected {len(ids)}.")
    return NodeTable(ids, columns)


def _from_arrow(source: str | Path, id: str, max_bytes: int) -> NodeTable:
    table = ArrowRows(source, max_bytes=max_bytes)
    place = _id_place(table.names, id, source)
    ids: list[str] = []
    parts: dict[str, list[np.ndarray]] = {name: [] for i, name in enumerate(table.names) if i != place}
    for batch in table.batches(range(len(table.names))):
        fail = row_failure(source, range(len(ids) + 1, len(ids) + 1 + len(batch[place])), word="row")
        ids.extend(name_cells(batch[place], table.names[place], fail=fail))
        for name, column in zip(table.names, batch):
            if name in parts:
                parts[name].append(data_column(column, name, fail=fail))
    check_unique(ids, fail=row_failure(source, range(1, len(ids) + 1), word="row"))
    return NodeTable(ids, {name: text_column(np.concatenate(p)) for name, p in parts.items() if p})


def _id_place(names: Sequence[str], id: str, source: object) -> int:
    if id in names:
        return list(names).index(id)
    if id != "id" or not names:
        raise UnknownNameError(f"{source} has no column {id!r}{near_names(id, names)}.")
    return 0


def _entry_failure(what: str) -> Fail:
    return lambda row, message: InputError(f"{what}, entry {row}: {message}")


def _text(cells: list[str]) -> np.ndarray:
    return text_column(np.array(cells, dtype=np.dtypes.StringDType()))
