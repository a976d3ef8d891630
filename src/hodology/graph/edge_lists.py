"""Edge lists without a header: ``u v``, ``u v weight``, or ``u v {data}`` as networkx writes them.

Three columns of a list are two nodes and a weight; three columns of a table of triples (.tsv, .csv, .txt) are head,
relation and tail. A list with a header is a table like others.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hodology.errors import FileFormatError, UnknownNameError, near_names
from hodology.graph.edge_builder import EdgeBuilder, Fail, check_kinds, parse_column, row_failure, text_column
from hodology.graph.edge_columns import ColumnName, Columns, known_header
from hodology.graph.multigraph import MultiGraph
from hodology.graph.node_tables import NodeSource, RelationSource, read_nodes, read_relations
from hodology.graph.text_blocks import MAX_BYTES, TextBlock, text_blocks
from hodology.graph.text_rows import DelimitedText, find_delimiter
from hodology.graph.triple_files import read_triples

__all__ = ["read_edge_list"]

_ACCEPTED = "an edge list has lines 'u v', 'u v weight' or 'u v {data}'"


def read_edge_list(
    file: str | Path,
    *,
    head: ColumnName = "head",
    relation: ColumnName | None = "relation",
    tail: ColumnName = "tail",
    weight: ColumnName | None = "weight",
    columns: Columns = (),
    header: bool | None = None,
    directed: bool = True,
    nodes: NodeSource | None = None,
    relations: RelationSource | None = None,
    delimiter: str | None = None,
    comment: str | None = "#",
    max_bytes: int = MAX_BYTES,
) -> MultiGraph:
    """Read an edge list, plain or gzip; parameters and errors are those of `hodology.graph.triple_files.read_triples`.

    Without a header and with `head` and `tail` at their defaults a line holds two nodes, and perhaps a weight or the
    data that networkx writes in braces. Of these data "relation" and "weight" (or what `relation` and `weight` name)
    become relations and weights; an edge without a weight weighs 1, as everywhere in networkx.

    Raises
    ------
    FileFormatError
        For a line that holds anything else; names file and line.
    """
    shared: dict[str, Any] = {
        "directed": directed,
        "nodes": nodes,
        "relations": relations,
        "comment": comment,
    }
    shared["max_bytes"] = max_bytes
    named = header is True or (head, tail) != ("head", "tail")
    mark = None if named else _data_delimiter(file, delimiter, comment, max_bytes)
    if mark is not None:
        return _read_data(file, mark, relation=relation, weight=weight, columns=columns, **shared)
    table = DelimitedText(file, delimiter=delimiter, comment=comment, max_bytes=max_bytes)
    row = table.first_row
    if not row or named or (header is None and known_header(row) is not None):
        return read_triples(
            file, head=head, relation=relation, tail=tail, weight=weight, columns=columns, header=header,
            delimiter=delimiter, **shared,
        )  # fmt: skip
    if len(row) > 3 or len(row) < 2 or (len(row) == 3 and not _is_number(row[2])):
        triples = "; triples 'head relation tail' are read from .tsv, .csv or .txt" if len(row) == 3 else ""
        raise FileFormatError(f"{file}, line {table.first_line}: {_ACCEPTED}, got {row!r:.80}{triples}.")
    place = 2 if len(row) == 3 and weight is not None else None
    return read_triples(
        file, head=0, relation=None, tail=1, weight=place, columns=columns, header=False,
        delimiter=delimiter, **shared,
    )  # fmt: skip


def _data_delimiter(
    file: str | Path, delimiter: str | None, comment: str | None, max_bytes: int
) -> str | None:
    """What parts the two nodes of the first line when data in braces follow them; else None."""
    table = DelimitedText(file, delimiter=delimiter, quoted=False, comment=comment, max_bytes=max_bytes)
    ends, brace, _ = table.delimiter.join(table.first_row).partition("{")
    mark = delimiter or find_delimiter(ends)
    return mark if brace and len(ends.split(mark)) == 3 and ends.endswith(mark) else None


def _read_data(
    file: str | Path,
    delimiter: str,
    *,
    relation: ColumnName | None,
    weight: ColumnName | None,
    columns: Columns,
    directed: bool,
    nodes: NodeSource | None,
    relations: RelationSource | None,
    comment: str | None,
    max_bytes: int,
) -> MultiGraph:
    """Lines ``u v {data}``."""
    ends: tuple[list[str], list[str]] = ([], [])
    data: list[dict[str, Any]] = []
    lines: list[int] = []
    for block in text_blocks(file, max_bytes=max_bytes):
        _add_lines(block, delimiter, comment, file, ends, data, lines)
    fail = row_failure(file, lines)
    known = list(dict.fromkeys(str(name) for cells in data for name in cells))
    builder = EdgeBuilder(
        nodes=None if nodes is None else read_nodes(nodes, max_bytes=max_bytes),
        relations=None if relations is None else read_relations(relations, max_bytes=max_bytes),
    )
    wanted = _wanted(
        columns, [name for name in known if all(name in cells for cells in data)], {relation, weight}
    )
    builder.add(
        *ends,
        relations=_relations(data, relation, known, file, fail),
        weights=_weights(data, weight, known, file, fail),
        columns={name: _column(data, name, kind, known, file, fail) for name, kind in wanted.items()},
        fail=fail,
    )
    return builder.graph(directed=directed)


def _add_lines(
    block: TextBlock,
    delimiter: str,
    comment: str | None,
    file: str | Path,
    ends: tuple[list[str], list[str]],
    data: list[dict[str, Any]],
    lines: list[int],
) -> None:
    for number, line in enumerate(block.text.split("\n")[:-1], start=block.first):
        if not line.strip() or (comment and line.startswith(comment)):
            continue
        cells = line.split(delimiter, 2)
        found = _literal(cells[2]) if len(cells) == 3 else None
        if not isinstance(found, dict):
            raise FileFormatError(f"{file}, line {number}: expected 'u v {{data}}', got {line!r:.80}.")
        ends[0].append(cells[0])
        ends[1].append(cells[1])
        data.append({str(name): value for name, value in found.items()})
        lines.append(number)


def _literal(text: str) -> Any:
    """A value written as Python writes it; nothing is run. None for what is no such value."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def _relations(
    data: list[dict[str, Any]], name: ColumnName | None, known: list[str], file: object, fail: Fail
) -> list[str] | None:
    if name is None or (name == "relation" and name not in known):
        return None
    return [str(value) for value in _values(data, str(name), known, file, fail)]


def _weights(
    data: list[dict[str, Any]], name: ColumnName | None, known: list[str], file: object, fail: Fail
) -> np.ndarray | None:
    if name is None or (name == "weight" and name not in known):
        return None
    _check_known(str(name), known, file)
    return parse_column([str(cells.get(str(name), 1.0)) for cells in data], "weight", fail=fail)


def _column(
    data: list[dict[str, Any]], name: str, kind: str, known: list[str], file: object, fail: Fail
) -> np.ndarray:
    cells = [str(value) for value in _values(data, name, known, file, fail)]
    return text_column(parse_column(cells, kind, fail=fail))


def _values(data: list[dict[str, Any]], name: str, known: list[str], file: object, fail: Fail) -> list[Any]:
    _check_known(name, known, file)
    for row, cells in enumerate(data):
        if name not in cells:
            raise fail(row, f"an edge has no {name!r}, which others have.")
    return [cells[name] for cells in data]


def _check_known(name: str, known: list[str], file: object) -> None:
    if name not in known:
        raise UnknownNameError(f"{file}: the data of no edge have {name!r}{near_names(name, known)}.")


def _wanted(columns: Columns, known: list[str], used: set[ColumnName | None]) -> dict[str, str]:
    """Further data asked for, with their kinds."""
    if columns == "all":
        return {name: "text" for name in known if name not in used}
    kinds = dict(columns) if isinstance(columns, Mapping) else dict.fromkeys(columns, "text")
    check_kinds(kinds)
    return kinds


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
