"""SIF, the simple interaction format: one source, one relation and its targets a line.

Two forms are read: that of Cytoscape (no header; several targets a line; a lone name is a node without edges) and
that of Hetionet (a header source, metaedge, target).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hodology.errors import FileFormatError, InputError
from hodology.graph.edge_builder import EdgeBuilder, row_failure
from hodology.graph.edge_columns import known_header
from hodology.graph.multigraph import MultiGraph
from hodology.graph.node_tables import NodeSource, RelationSource, read_nodes, read_relations, write_nodes
from hodology.graph.text_blocks import MAX_BYTES, TextBlock, text_blocks, text_writer
from hodology.graph.text_rows import split_block
from hodology.graph.triple_files import check_no_loss, row_writer

__all__ = ["read_sif", "write_sif"]


def read_sif(
    file: str | Path,
    *,
    directed: bool = True,
    nodes: NodeSource | None = None,
    relations: RelationSource | None = None,
    max_bytes: int = MAX_BYTES,
) -> MultiGraph:
    """Read a graph from a SIF file, plain or gzip.

    Tabs part the cells when the first piece of the file has one, else blanks. Nodes and relations are numbered as in
    `hodology.graph.triple_files.read_triples`.

    Raises
    ------
    FileFormatError
        For a damaged file, or a line of two cells (a relation without a target); names file and line.
    """
    builder = EdgeBuilder(
        nodes=None if nodes is None else read_nodes(nodes, max_bytes=max_bytes),
        relations=None if relations is None else read_relations(relations, max_bytes=max_bytes),
    )
    delimiter = None
    for block in text_blocks(file, max_bytes=max_bytes):
        if delimiter is None:
            delimiter = "\t" if "\t" in block.text else " "
            block = _without_header(block, delimiter)
        columns = split_block(block, 3, delimiter) if block.lines else [[], [], []]
        if columns is None:
            _add_lines(builder, block, delimiter, file)
        else:
            fail = row_failure(file, range(block.first, block.first + block.lines))
            builder.add(columns[0], columns[2], relations=columns[1], fail=fail)
    return builder.graph(directed=directed)


def write_sif(graph: MultiGraph, file: str | Path, *, nodes: str | Path | bool | None = None) -> None:
    """Write a graph as SIF in Cytoscape's form, with tabs: an edge a line, then the nodes without edges.

    `nodes` as in `hodology.graph.triple_files.write_triples`; only node data need it.

    Raises
    ------
    InputError
        When edges have no relation, or weights or further columns would be lost (set ``nodes=False`` to leave out node
        data; take weights and edge data off first).
    """
    if graph.relations is None:
        raise InputError("SIF needs a relation for every edge, and this graph has none.")
    lost = (["weights"] if graph.weights is not None else []) + [f"edge data {n!r}" for n in graph.edge_data]
    if lost:
        raise InputError(f"SIF holds names and relations only; {file} would lose {', '.join(lost)}.")
    if graph.node_data:
        check_no_loss(graph, file, nodes)
    names, kinds = graph.names or [str(i) for i in range(graph.n_nodes)], graph.relation_names
    edges = zip(graph.tails.tolist(), graph.relations.tolist(), graph.heads.tolist())
    alone = np.ones(graph.n_nodes, dtype=bool)
    alone[graph.tails] = alone[graph.heads] = False
    with text_writer(file) as handle:
        write = row_writer(handle, file, format="tsv")
        write([names[tail], kinds[kind], names[head]] for tail, kind, head in edges)
        write([names[i]] for i in np.flatnonzero(alone).tolist())
    if isinstance(nodes, (str, Path)):
        write_nodes(graph, nodes)


def _without_header(block: TextBlock, delimiter: str) -> TextBlock:
    """A first line source, metaedge (or another word for it), target names columns; Cytoscape itself writes none."""
    end = block.text.index("\n") + 1
    cells = block.text[: end - 1].split(delimiter)
    known = known_header(cells) if len(cells) == 3 else None
    if known is None or [known[0], known[2], known[1]] != cells:
        return block
    text = block.text[end:]
    return TextBlock(text.encode(), text, block.first + 1, block.lines - 1)


def _add_lines(builder: EdgeBuilder, block: TextBlock, delimiter: str, file: object) -> None:
    """Lines of any number of targets; edges wait until a lone node comes, so that nodes keep their order."""
    sources: list[str] = []
    kinds: list[str] = []
    targets: list[str] = []
    lines: list[int] = []
    for number, line in enumerate(block.text.split("\n")[:-1], start=block.first):
        cells = line.split(delimiter) if delimiter == "\t" else line.split()
        if not any(cells):
            continue
        if len(cells) == 2:
            raise FileFormatError(f"{file}, line {number}: a source and a relation, but no target.")
        if len(cells) == 1:
            builder.add(sources, targets, relations=kinds, fail=row_failure(file, lines))
            builder.add_node(cells[0], fail=row_failure(file, [number]))
            sources, kinds, targets, lines = [], [], [], []
        for target in cells[2:]:
            sources.append(cells[0])
            kinds.append(cells[1])
            targets.append(target)
            lines.append(number)
    builder.add(sources, targets, relations=kinds, fail=row_failure(file, lines))
