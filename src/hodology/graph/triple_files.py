"""Edges as rows of text: TSV and CSV, plain or gzip, with or without a header.

A row says head, relation, tail, as knowledge graphs do: the edge runs from the head to the tail. (In `MultiGraph` the
words are those of arrows: its `tails` are where edges start.)
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np

from hodology.errors import FileFormatError, InputError
from hodology.graph.edge_builder import EdgeBuilder, parse_column, row_failure
from hodology.graph.edge_columns import ColumnName, Columns, EdgeColumns, choose_columns, known_header
from hodology.graph.multigraph import MultiGraph
from hodology.graph.node_tables import NodeSource, RelationSource, read_nodes, read_relations, write_nodes
from hodology.graph.text_blocks import MAX_BYTES, text_writer
from hodology.graph.text_rows import DelimitedText, RowBlock

__all__ = [
    "add_rows",
    "check_no_loss",
    "default_comment",
    "edge_rows",
    "read_triples",
    "row_writer",
    "write_triples",
]

_BATCH = 65_536
_COMMENTED = (".edgelist", ".edges", ".txt")  # where SNAP, networkx and others write lines that start with #
NodesOut = str | Path | bool | None


def read_triples(
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
    quoted: bool | None = None,
    comment: str | None = None,
    max_bytes: int = MAX_BYTES,
) -> MultiGraph:
    """Read a graph from rows of text.

    Nodes are numbered in the order of `nodes` when it is given, else in the order in which they first come: row by
    row, the head before the tail. Relations likewise. Names are text, also those that look like numbers. Rows that
    come twice are parallel edges.

    Parameters
    ----------
    file : path
        UTF-8 text, plain or gzip.
    head, relation, tail, weight : str, int or None
        Columns, by name or by place from 0. The default names of relation and weight are taken where there are such
        columns; None leaves them out. Pairs that other programs write (source/target, subject/object, from/to, h/t,
        pre/post, :START_ID/:END_ID) are known when head and tail are left at their defaults.
    columns : sequence of str, mapping of str to kind, or "all"
        Further columns for the edge data; a kind is "text" (default), "int" or "float".
    header : bool, optional
        Whether the first row holds names. Default: it does when it holds those of head and tail. Without a header,
        two columns are head and tail, three are head, relation and tail, four add the weight.
    directed : bool
        Whether edges are walked one way only.
    nodes : path, mapping of columns, optional
        Table with a column "id"; its other columns become the node data. Every node of an edge must be in it.
    relations : path or sequence of str, optional
        All relations, in the order wanted.
    delimiter, quoted, comment : optional
        See `hodology.graph.text_rows.DelimitedText`.
    max_bytes : int
        Most bytes of unpacked text of one file.

    Raises
    ------
    FileFormatError
        For a file that is damaged or no such table; names the file and the line.
    UnknownNameError
        When a column does not exist, with near names.
    """
    table = DelimitedText(file, delimiter=delimiter, quoted=quoted, comment=comment, max_bytes=max_bytes)
    named = _has_header(table.first_row, head, tail) if header is None else header
    builder = EdgeBuilder(
        nodes=None if nodes is None else read_nodes(nodes, max_bytes=max_bytes),
        relations=None if relations is None else read_relations(relations, max_bytes=max_bytes),
    )
    if not table.first_row:
        raise FileFormatError(f"{file} has no rows.")
    names = table.first_row if named else [str(i) for i in range(len(table.first_row))]
    if not named:
        head, relation, tail, weight = _by_place(table, head, relation, tail, weight)
    places = choose_columns(
        names, source=file, head=head, relation=relation, tail=tail, weight=weight, columns=columns
    )
    for block in table.rows(skip_first=named):
        add_rows(builder, block, places, file)
    return builder.graph(directed=directed)


def add_rows(builder: EdgeBuilder, block: RowBlock, places: EdgeColumns, file: object) -> None:
    """Add rows of text to the edges gathered so far."""
    fail, cells = row_failure(file, block.lines), block.columns
    weights = None if places.weight is None else parse_column(cells[places.weight], "weight", fail=fail)
    builder.add(
        cells[places.head],
        cells[places.tail],
        relations=None if places.relation is None else cells[places.relation],
        weights=weights,
        columns={n: parse_column(cells[p], places.kinds[n], fail=fail) for n, p in places.others.items()},
        fail=fail,
    )


def write_triples(
    graph: MultiGraph, file: str | Path, *, format: str | None = None, nodes: NodesOut = None
) -> None:
    """Write the edges of a graph as rows with a header: head, relation, tail, weight, then the edge data.

    CSV when `format` or the name says so (.csv, .csv.gz), else TSV; gzip when the name ends in .gz.
    Unnamed nodes are written as their numbers. Whether the graph is directed is not in the file: say it when reading.

    Parameters
    ----------
    graph : MultiGraph
    file : path
    format : {"tsv", "csv"}, optional
        Default: by the name.
    nodes : path or False, optional
        Where to write the table of nodes. A graph that has node data or nodes without an edge needs it; False leaves
        these out.

    Raises
    ------
    InputError
        When something of the graph would be lost, or a name cannot stand in such a file (a tab in TSV; a first # where
        it marks comments, see `default_comment`).
    """
    check_no_loss(graph, file, nodes)
    names, rows = edge_rows(graph)
    mark = default_comment(file)
    wrong = [graph.name(i) for i in np.unique(graph.tails) if graph.name(i).startswith(mark)] if mark else []
    if wrong:
        raise InputError(
            f"{file} cannot hold {wrong[0]!r}: lines that start with {mark} are comments there; choose .tsv."
        )
    with text_writer(file) as handle:
        write = row_writer(handle, file, format=format)
        write([names])
        write(rows)
    if isinstance(nodes, (str, Path)):
        write_nodes(graph, nodes)


def default_comment(file: str | Path, *, format: str | None = None) -> str | None:
    """What starts a comment in a text file of edges, by its format or suffix: "#" in edge lists and .txt, else nothing."""
    suffixes = [suffix.lower() for suffix in Path(file).suffixes if suffix.lower() != ".gz"]
    return "#" if format == "edgelist" or (suffixes and suffixes[-1] in _COMMENTED) else None


def edge_rows(graph: MultiGraph) -> tuple[list[str], Iterator[list[str]]]:
    """Header and rows of text of a graph's edges."""
    names = ["head", "relation", "tail"] if graph.relations is not None else ["head", "tail"]
    names += ["weight"] if graph.weights is not None else []
    twice = [name for name in graph.edge_data if name in ("head", "relation", "tail", "weight")]
    if twice:
        raise InputError(f"edge data {twice[0]!r} would come twice in the file; give it another name.")
    return names + list(graph.edge_data), _rows(graph)


def row_writer(
    handle: TextIO, file: str | Path, *, format: str | None = None
) -> Callable[[Iterable[Sequence[str]]], None]:
    """A function that writes rows of text as CSV or TSV, by the file's name where no format is given."""
    if format not in (None, "csv", "tsv"):
        raise InputError(f"format must be csv or tsv, got {format!r}.")
    suffixes = [s.lower() for s in Path(file).suffixes if s.lower() != ".gz"]
    if format == "csv" or (format is None and suffixes and suffixes[-1] == ".csv"):
        plain = csv.writer(handle, lineterminator="\n")

        def write_csv(rows: Iterable[Sequence[str]]) -> None:
            for row in rows:
                _check_cells(row, "\r\0", file)
                plain.writerow(row)

        return write_csv

    def write_tsv(rows: Iterable[Sequence[str]]) -> None:
        for row in rows:
            _check_cells(row, "\t\n\r\0", file)
            handle.write("\t".join(row) + "\n")

    return write_tsv


def check_no_loss(graph: MultiGraph, file: object, nodes: NodesOut) -> None:
    """Raise `InputError` when a file of edges alone would lose something that nobody said may be lost."""
    if nodes is True:
        raise InputError("nodes must be a file, None or False, got True.")
    if nodes is not None:
        return
    what = [f"node data {', '.join(graph.node_data)}"] if graph.node_data else []
    used = np.zeros(graph.n_nodes, dtype=bool)
    used[graph.tails] = used[graph.heads] = True
    alone = int((~used).sum())
    what += [f"{alone} nodes without an edge"] if alone else []
    if what:
        raise InputError(
            f"{file} would lose {' and '.join(what)}: give nodes=FILE for them, or nodes=False to leave them out."
        )


def _rows(graph: MultiGraph) -> Iterator[list[str]]:
    """Rows in pieces, so that the text of a large graph is never in memory at once."""
    for start in range(0, graph.n_edges, _BATCH):
        span = slice(start, start + _BATCH)
        cells = [[graph.name(i) for i in graph.tails[span].tolist()]]
        if graph.relations is not None:
            cells.append([graph.relation_names[i] for i in graph.relations[span].tolist()])
        cells.append([graph.name(i) for i in graph.heads[span].tolist()])
        if graph.weights is not None:
            cells.append([repr(w) for w in graph.weights[span].tolist()])
        cells += [[str(v) for v in column[span].tolist()] for column in graph.edge_data.values()]
        yield from map(list, zip(*cells))


def _has_header(row: Sequence[str], head: ColumnName, tail: ColumnName) -> bool:
    """Names that were asked for must be there; default names may be, or another pair that is in use."""
    if (head, tail) == ("head", "tail"):
        return {"head", "tail"} <= set(row) or known_header(row) is not None
    return isinstance(head, str) or isinstance(tail, str)


def _by_place(
    table: DelimitedText,
    head: ColumnName,
    relation: ColumnName | None,
    tail: ColumnName,
    weight: ColumnName | None,
) -> tuple[ColumnName, ColumnName | None, ColumnName, ColumnName | None]:
    """Columns of a file without a header: as they were given, else by how many there are."""
    width = len(table.first_row)
    if isinstance(head, int) and isinstance(tail, int):
        return (
            head,
            None if relation == "relation" else relation,
            tail,
            None if weight == "weight" else weight,
        )
    known = {2: (0, None, 1, None), 3: (0, 1, 2, None), 4: (0, 1, 2, 3)}
    if width not in known:
        shown = f"{width} column" if width == 1 else f"{width} columns"
        raise FileFormatError(
            f"{table.file}, line {table.first_line}: {shown} and no header with 'head' and 'tail'; "
            "expected 2 (head, tail), 3 (head, relation, tail) or 4 (and weight), or a first row with the names that head and "
            "tail give (--head, --tail)."
        )
    places = known[width]
    return (
        places[0],
        None if relation is None else places[1],
        places[2],
        None if weight is None else places[3],
    )


def _check_cells(row: Sequence[str], forbidden: str, file: object) -> None:
    text = "".join(row)
    for mark in forbidden:
        if mark in text:
            raise InputError(
                f"{file} cannot hold {mark!r}, which is in {next(c for c in row if mark in c)!r}."
            )
    if not row[0]:
        raise InputError(f"{file} cannot hold a name that is empty.")
