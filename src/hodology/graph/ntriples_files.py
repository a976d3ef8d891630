"""N-Triples, the line format of RDF: ``<subject> <predicate> <object> .``

Nodes are named by their IRI (or ``_:label`` for a blank node), relations by the IRI of the predicate. Literals are no
nodes: those of one predicate become node data, the others are left out or refused.

Reference: W3C, RDF 1.1 N-Triples, 2014.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import numpy as np

from hodology.errors import FileFormatError, InputError, near_names
from hodology.graph.edge_builder import EdgeBuilder, Fail, row_failure, text_column
from hodology.graph.multigraph import MultiGraph
from hodology.graph.node_tables import NodeSource, RelationSource, read_nodes, read_relations
from hodology.graph.text_blocks import MAX_BYTES, TextBlock, text_blocks, text_writer

__all__ = ["RDFS_LABEL", "read_ntriples", "write_ntriples"]

RDFS_LABEL = "http://www.w3.org/2000/01/rdf-schema#label"
_LITERALS = ("skip", "refuse")
_IRI = r'<((?:[^\x00-\x20<>"{}|^`\\]|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8})*)>'
_BLANK = r"(_:[^\s<>\"]*[^\s<>\".])"
_TEXT = r'"((?:[^"\\]|\\.)*)"(?:\^\^<[^\s<>]*>|@[A-Za-z]+(?:-[A-Za-z0-9]+)*)?'
_TRIPLE = re.compile(
    rf"[ \t]*(?:{_IRI}|{_BLANK})[ \t]*{_IRI}[ \t]*(?:{_IRI}|{_BLANK}|{_TEXT})[ \t]*\.[ \t]*(?:#.*)?"
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_MARKS = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f", '"': '"', "'": "'", "\\": "\\"}


def read_ntriples(
    file: str | Path,
    *,
    literals: Literal["skip", "refuse"] = "skip",
    label: str | None = RDFS_LABEL,
    directed: bool = True,
    nodes: NodeSource | None = None,
    relations: RelationSource | None = None,
    max_bytes: int = MAX_BYTES,
) -> MultiGraph:
    """Read a graph from N-Triples, plain or gzip.

    Nodes and relations are numbered in the order in which they first come in a triple without literal, the subject
    before the object, unless tables say otherwise.

    Parameters
    ----------
    literals : {"skip", "refuse"}
        Whether triples with a literal are left out or an error.
    label : str, optional
        Literals of this predicate become the node data "label" (the first of a node counts), unless the table of nodes
        has a column of that name; None: like the others.

    Raises
    ------
    FileFormatError
        For a line that is no triple, or a damaged file; names file and line.
    """
    if literals not in _LITERALS:
        raise InputError(
            f"literals must be skip or refuse, got {literals!r}{near_names(literals, _LITERALS)}."
        )
    builder = EdgeBuilder(
        nodes=None if nodes is None else read_nodes(nodes, max_bytes=max_bytes),
        relations=None if relations is None else read_relations(relations, max_bytes=max_bytes),
    )
    labels: dict[str, str] = {}
    for block in text_blocks(file, max_bytes=max_bytes):
        _add_block(builder, block, labels, file, label=label, refuse=literals == "refuse")
    graph = builder.graph(directed=directed)
    return _labelled(graph, labels) if labels and "label" not in graph.node_data else graph


def write_ntriples(graph: MultiGraph, file: str | Path) -> None:
    """Write the edges of a graph whose names and relations are IRIs (or ``_:label``), and the node data "label".

    Raises
    ------
    InputError
        For another name, no relations, and what would be lost: weights, edge data, nodes without edge or label.
    """
    if graph.relations is None or graph.names is None:
        raise InputError("N-Triples need a name for every node and a relation for every edge.")
    lost = (["weights"] if graph.weights is not None else []) + [f"edge data {n!r}" for n in graph.edge_data]
    lost += [f"node data {n!r}" for n in graph.node_data if n != "label"]
    used = np.bincount(np.concatenate([graph.tails, graph.heads]), minlength=graph.n_nodes)
    lost += [f"{(used == 0).sum()} nodes without an edge"] if (used == 0).any() else []
    if lost:
        raise InputError(f"N-Triples hold no such things; {file} would lose {', '.join(lost)}.")
    names = [_term(name) for name in graph.names]
    kinds = [_term(name, blank=False) for name in graph.relation_names]
    with text_writer(file) as handle:
        for tail, kind, head in zip(graph.tails.tolist(), graph.relations.tolist(), graph.heads.tolist()):
            handle.write(f"{names[tail]} {kinds[kind]} {names[head]} .\n")
        for name, text in zip(names, graph.node_data.get("label", np.array([], dtype=str)).tolist()):
            if text:
                handle.write(f'{name} <{RDFS_LABEL}> "{_escaped(text)}" .\n')


def _add_block(
    builder: EdgeBuilder,
    block: TextBlock,
    labels: dict[str, str],
    file: str | Path,
    *,
    label: str | None,
    refuse: bool,
) -> None:
    sources: list[str] = []
    targets: list[str] = []
    kinds: list[str] = []
    lines: list[int] = []
    for number, line in enumerate(block.text.split("\n")[:-1], start=block.first):
        found = _TRIPLE.fullmatch(line)
        if found is None:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            raise FileFormatError(f"{file}, line {number}: no triple '<subject> <predicate> <object> .'.")
        iri, blank, predicate, other, other_blank, text = found.groups()
        fail = row_failure(file, [number])
        subject = blank or _plain(iri, fail)
        if text is not None:
            if label is not None and predicate == label:
                labels.setdefault(subject, _plain(text, fail))
            elif refuse:
                raise FileFormatError(f"{file}, line {number}: the object is a literal, which is no node.")
            continue
        sources.append(subject)
        targets.append(other_blank or _plain(other, fail))
        kinds.append(_plain(predicate, fail))
        lines.append(number)
    builder.add(sources, targets, relations=kinds, fail=row_failure(file, lines))


def _plain(text: str, fail: Fail) -> str:
    """Escapes undone."""
    if "\\" not in text:
        return text

    def mark(found: re.Match[str]) -> str:
        code = found[1] or found[2]
        if code is None and found[3] in _MARKS:
            return _MARKS[found[3]]
        number = -1 if code is None else int(code, 16)
        if number < 0 or number > 0x10FFFF or 0xD800 <= number < 0xE000:
            raise fail(0, f"{found[0]!r} is no escape of a character.")
        return chr(number)

    return _ESCAPE.sub(mark, text)


def _labelled(graph: MultiGraph, labels: dict[str, str]) -> MultiGraph:
    texts = [labels.get(name, "") for name in graph.names or ()]
    column = text_column(np.array(texts, dtype=np.dtypes.StringDType()))
    return MultiGraph(
        graph.tails,
        graph.heads,
        names=graph.names,
        relations=graph.relations,
        relation_names=graph.relation_names,
        directed=graph.directed,
        node_data={**graph.node_data, "label": column},
    )


def _term(name: str, *, blank: bool = True) -> str:
    term = name if blank and name.startswith("_:") else f"<{name}>"
    pattern = _BLANK if term is name else _IRI
    if re.fullmatch(pattern, term) is None or (term is not name and ":" not in name) or "\\" in name:
        raise InputError(f"{name!r} is no IRI, which N-Triples name things by.")
    return term


def _escaped(text: str) -> str:
    for mark, escape in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\0", "\\u0000")):
        text = text.replace(mark, escape)
    return text
